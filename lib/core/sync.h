/* SPDX-License-Identifier: MIT */
/*
 * What tasks synchronise with, and who may be a case of ringline_select().
 *
 * Mutex, rwlock and semaphore are one thing: a number of permits and a queue of those who want some of them, first come
 * first served. A mutex has one permit, a reader takes one of very many, a writer takes all of them. Permits that come
 * back go to the head of the queue as soon as there are enough for it (hand-off); nobody overtakes, so nobody starves.
 *
 * Event, condition, waitgroup and once are flags and counters of one worker, and those who wait for a change.
 */
#ifndef RLN_CORE_SYNC_H
#define RLN_CORE_SYNC_H

#include "core/object.h"
#include "core/select.h"
#include "ringline/sync.h"

struct rln_permits {
	struct rln_object o;
	struct rln_source waiters;        /* rln_exchange, whose n is what they want */
	uint64_t free;
	uint64_t most;                    /* more are never free */
	_Atomic(const struct ringline_task *) holder;   /* of a lock: who has them all; NULL: nobody, or many */
};

struct ringline_mutex {
	struct rln_permits permits;
};

struct ringline_rwlock {
	struct rln_permits permits;
};

struct ringline_semaphore {
	struct rln_permits permits;
};

struct ringline_event {
	struct rln_object o;
	struct rln_source waiters;
	bool set;
};

struct ringline_condition {
	struct rln_object o;
	struct rln_source waiters;
};

struct ringline_waitgroup {
	struct rln_object o;
	struct rln_source waiters;
	uint64_t count;
};

enum rln_once_state {
	RLN_ONCE_IDLE,
	RLN_ONCE_RUNNING,
	RLN_ONCE_DONE,
};

struct ringline_once {
	struct rln_object o;
	struct rln_source waiters;        /* for the end of the function */
	const struct ringline_task *runner;
	uint8_t state;                    /* enum rln_once_state */
};

/* For comparing with oneself: only the holder finds itself here, without the lock. */
static inline const struct ringline_task *rln_permits_holder(const struct rln_permits *p)
{
	return atomic_load_explicit(&((struct rln_permits *)(uintptr_t)p)->holder, memory_order_relaxed);
}

/* Gives back what *t* holds. 0 or -EPERM (it holds nothing). */
int rln_mutex_release(struct ringline_mutex *m, struct ringline_task *t) rln_must_check;

/* Locks for a task that must have it, whatever happens to its scope. 0 or -EBADF (freed meanwhile). */
int rln_mutex_retake(struct ringline_mutex *m, struct ringline_task *t) rln_must_check;

/* Enter the kinds of ringline_select(), file by file. */
void rln_permits_select_init(struct rln_exec *x);
void rln_notify_select_init(struct rln_exec *x);

#endif
