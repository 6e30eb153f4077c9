/* SPDX-License-Identifier: MIT */
/*
 * Op handles: what a ..._begin() call gives to a task.
 *
 * A handle stands for one piece of work (a backend operation, a timer, a pool job) and has one result. What differs
 * between kinds is how to cancel the work and how to give back a result that nobody took.
 *
 *     rln_handle_new() -> PENDING --rln_handle_done()--> DONE --await, result, scope close--> slot free
 *
 * The handle is owned by the scope it was begun in: closing the scope cancels what is pending, waits for it and frees it.
 */
#ifndef RLN_CORE_HANDLE_H
#define RLN_CORE_HANDLE_H

#include <errno.h>

#include "base/list.h"
#include "base/slab.h"
#include "core/op.h"
#include "core/pool.h"
#include "core/timer.h"
#include "core/wait.h"
#include "ringline/op.h"

struct rln_scope;

struct rln_handle_kind {
	void (*cancel)(struct ringline_op *h);    /* asks for an early end; rln_handle_done() comes, now or later */
	void (*take)(struct ringline_op *h);      /* hands what the result holds to the caller; NULL: it holds nothing */
	void (*dispose)(struct ringline_op *h);   /* gives back what the result holds; NULL: as above */
};

struct ringline_op {
	struct rln_slot slot;
	struct rln_list scope_link;       /* in scope->handles until consumed */
	struct rln_scope *scope;
	const struct rln_handle_kind *kind;
	struct rln_source waiters;
	int64_t result;                   /* -EINPROGRESS until done */
	bool claimed;                     /* someone waits for it and will consume it */
	union {
		struct rln_op op;
		struct rln_timer timer;
		struct rln_job job;
		void *ptr;                /* what the kind has of its own */
	} work;
};

/* A pending handle in the calling task's current scope. 0, -EAGAIN (limit), -ENOMEM, or the scope's reason. */
int rln_handle_new(struct ringline_op **ret, const struct rln_handle_kind *kind) rln_must_check;

/* Submits h->work.op (opcode, fd and arguments filled in); its result becomes the handle's. */
void rln_handle_submit(struct ringline_op *h);

/* The kind of handles that stand for one backend operation without a resource in its result. */
extern const struct rln_handle_kind rln_handle_backend_op;

/* What takes several steps, and is done by a task of its own (handle-task.c). */
struct rln_steps {
	int64_t (*run)(void *args);                       /* in the task; the result */
	void (*dispose)(void *args, int64_t result);      /* gives back a result that nobody took; NULL: it holds nothing */
};

/* A handle for steps that are begun now, with *size* bytes of arguments, which are copied. As rln_handle_new(); -ENOMEM. */
int rln_handle_steps(struct ringline_op **ret, const struct rln_steps *steps, const void *args, size_t size) rln_must_check;

/* Delivers the result, once. */
void rln_handle_done(struct ringline_op *h, int64_t result);

static inline bool rln_handle_pending(const struct ringline_op *h)
{
	return h->result == -EINPROGRESS;
}

/*
 * For whoever waits: the exclusive right to consume the handle, -EBUSY if it is another's; giving it back; consuming a
 * handle that is claimed and done.
 */
int rln_handle_claim(struct ringline_op *h) rln_must_check;
void rln_handle_unclaim(struct ringline_op *h);
int64_t rln_handle_take(struct ringline_op *h);

/* Frees a handle that is done and not claimed. */
void rln_handle_free(struct ringline_op *h);

/* Frees one whose work could not be begun. */
void rln_handle_drop(struct ringline_op *h);

/* Cancels all handles of a scope that are pending. */
void rln_handles_cancel(struct rln_scope *s);

/* Frees all handles of a scope, which are done, and what their results hold. */
void rln_handles_dispose(struct rln_scope *s);

#endif
