/* SPDX-License-Identifier: MIT */
/*
 * Tasks as the executor sees them.
 *
 *              wake                run                 return
 *     IDLE ----------> QUEUED ----------> RUNNING ----------------> ENDED
 *      ^                  ^                |  |
 *      |      suspend     |        suspend |  | wake
 *      +------------------|----------------+  v
 *                         +------------ RUNNING_NOTIFIED
 *
 * A wake that arrives while the task runs is remembered (RUNNING_NOTIFIED) and puts it back on the queue when it
 * suspends; a wake of a queued or ended task changes nothing. So a task is on the run queue at most once, and no wake is
 * lost.
 *
 * A fiber task has a stack of its own. A stackless task is a function that is called again after each wake and returns
 * -EINPROGRESS until it has ended; calls that park return -EDEADLK in it.
 *
 * References: one for the task until it has ended, one for the handle, one for each task that is joining it. The slot is
 * reused when all are gone; its generation makes stale ids and handles harmless.
 */
#ifndef RLN_CORE_TASK_H
#define RLN_CORE_TASK_H

#include <errno.h>

#include "base/list.h"
#include "base/slab.h"
#include "core/executor.h"
#include "core/local.h"
#include "core/scope.h"
#include "core/wait.h"
#include "fiber/fiber.h"
#include "ringline/scope.h"
#include "ringline/task.h"

enum rln_task_state {
	RLN_TASK_IDLE,
	RLN_TASK_QUEUED,
	RLN_TASK_RUNNING,
	RLN_TASK_RUNNING_NOTIFIED,
	RLN_TASK_ENDED,
};

struct ringline_task {
	struct rln_slot slot;
	struct rln_list link;             /* on the run queue */
	struct rln_fiber *fiber;          /* NULL: stackless */
	int (*fn)(void *arg);
	void *arg;
	struct rln_scope *scope;          /* the innermost open scope */
	struct rln_scope base;
	struct rln_source ended;          /* those who join it */
	struct rln_parker *parked;        /* what it waits for; NULL: it does not */
	int result;                       /* once its function has returned */
	uint32_t refs;
	uint8_t state;                    /* enum rln_task_state */
	bool held;                        /* the handle was neither joined nor detached */
	bool failed;                      /* it returned an error, and not for having been cut */
	bool cuttable;                    /* parked, and a cut must wake it */
	bool yielding;                    /* goes behind the completions, not only behind the other tasks */
	uint8_t class;                    /* RINGLINE_TASK_* */
	uint16_t locks;                   /* that it holds */
	struct rln_local_value *locals;   /* by key; NULL: none */
	char name[RINGLINE_TASK_NAME_SIZE];
};

_Static_assert(sizeof(void *) != 8 || sizeof(struct ringline_task) <= 256, "a task is four cache lines");

/* How to start a task. */
struct rln_task_start {
	int (*fn)(void *arg);
	void *arg;
	struct rln_scope *scope;
	const char *name;                 /* NULL: the starter's */
	uint8_t class;                    /* RINGLINE_TASK_*; 0: the starter's */
	bool stackless;
	bool independent;                 /* of whoever runs just now, of whom it inherits nothing; in a scope that is cut it starts too */
};

/* Starts a task; *ret (if not NULL) receives it with a reference for the handle. 0, -ENOMEM, -EAGAIN, or the scope's reason. */
int rln_task_start(struct ringline_task **ret, const struct rln_task_start *how) rln_must_check;

void rln_task_ref(struct ringline_task *t);
void rln_task_unref(struct ringline_task *t);

/* Drops the handle's reference, once. */
void rln_task_release(struct ringline_task *t);

/* Lets the others go first. 0, or why its scope was cut. The calling task, a fiber, only. */
int rln_task_yield(struct ringline_task *t);

/* Goes back to the executor until the next wake. The calling task, a fiber, only. */
static rln_always_inline void rln_task_suspend(struct ringline_task *t)
{
	rln_fiber_leave(t->fiber, false);
}

/* Polls a stackless task once. True if it has ended: its function is through, and nothing it started is left. */
bool rln_task_poll(struct ringline_task *t);

/* What follows when a task has run for the last time. */
void rln_task_ended(struct rln_exec *x, struct ringline_task *t);

/* True while the handle is good, whether the task has ended or not. */
static inline bool rln_task_live(const struct ringline_task *t)
{
	return rln_slot_live(&t->slot) && t->held;
}

/* Puts it at the end of the run queue of its class. */
static inline void rln_exec_enqueue(struct rln_exec *x, struct ringline_task *t)
{
	rln_list_add_tail(rln_unlikely(t->class == RINGLINE_TASK_BULK) ? &x->bulk : &x->runq, &t->link);
}

/* Makes the task run again; owner thread. No effect on a task that is queued or has ended. */
static inline void rln_task_wake(struct ringline_task *t)
{
	if (t->state == RLN_TASK_IDLE) {
		__builtin_prefetch(t->fiber);
		t->state = RLN_TASK_QUEUED;
		rln_exec_enqueue(rln_exec_current, t);
	} else if (t->state == RLN_TASK_RUNNING) {
		t->state = RLN_TASK_RUNNING_NOTIFIED;
	}
}

/* The guard of handles: 0, -EINVAL, -EPERM, -EBADF. */
int rln_task_check(const struct ringline_task *t, const char *call);

static inline struct ringline_task *rln_task_current(void)
{
	return rln_exec_current->current;
}

/* The guard of suspending calls: the calling task in *ret. 0, -EPERM (not in a task), -EDEADLK (it cannot park). */
static inline int rln_task_get_parking(struct ringline_task **ret, const char *call)
{
	*ret = rln_task_get(call);
	if (rln_unlikely(!*ret))
		return rln_not_here();
	return rln_likely((*ret)->fiber != NULL) ? 0 : -EDEADLK;
}

#endif
