/* SPDX-License-Identifier: MIT */
/*
 * Work that would hold a worker up: calls that block, computations that take long.
 *
 * Jobs run on threads of a pool that all workers of a runtime share. The pool starts threads as they are needed and ends
 * them when they were idle for a while. Every job is of a class with a limit of its own, so that many slow jobs of one
 * class do not keep those of another waiting.
 *
 * A job must not call anything of the library that says it needs a task or a worker. ringline_blocking() itself may be
 * called inside a job, and then runs its function at once, on the same thread.
 *
 * Jobs may wait for each other: a class at its limit in which nothing moves for 100 milliseconds while jobs are queued is
 * given one thread more, and again, up to 256; each takes an eighth of that time longer than the one before. They end when
 * the queue is empty.
 */
#ifndef RINGLINE_BLOCKING_H
#define RINGLINE_BLOCKING_H

#include <ringline/common.h>

RINGLINE_BEGIN_DECLS

struct ringline_op;
struct ringline_runtime;

/* job_class of struct ringline_blocking_options */
#define RINGLINE_BLOCKING_BULK 0u     /* whatever takes long */
#define RINGLINE_BLOCKING_IO   1u     /* short waits for a disk */
#define RINGLINE_BLOCKING_DNS  2u     /* look-ups of names */
#define RINGLINE_BLOCKING_WAIT 3u     /* what may wait for ever: a FIFO, a device, a server of files that is gone */

/* priority: within a class, and strictly: a job is taken when no more urgent one waits */
#define RINGLINE_PRIORITY_NORMAL 0u
#define RINGLINE_PRIORITY_HIGH   1u
#define RINGLINE_PRIORITY_LOW    2u

/* Return -EAGAIN rather than wait behind a full queue. The ..._begin() forms never wait. */
#define RINGLINE_BLOCKING_NOWAIT (UINT32_C(1) << 0)

struct ringline_blocking_options {
	size_t size;
	uint32_t job_class;               /* RINGLINE_BLOCKING_* */
	uint32_t priority;                /* RINGLINE_PRIORITY_* */
	uint32_t flags;                   /* RINGLINE_BLOCKING_NOWAIT */
	uint32_t reserved;                /* zero */
};

#define RINGLINE_BLOCKING_OPTIONS_INIT { sizeof(struct ringline_blocking_options), 0, 0, 0, 0 }

/*
 * Has a thread of the pool run fn(arg) and waits until it has returned. arg may lie on the caller's stack. A cancel or a
 * deadline takes the job back while it is queued; once it runs they are reported when it ends. options may be NULL.
 * Inside a job: calls fn(arg).
 *
 * Returns what fn returned; -ETIME, -ECANCELED (cut short: fn did not run, or has run to its end and its result is lost),
 * -EAGAIN (the queue is full and NOWAIT was given, or no thread can be started), -ENOMEM, -EINVAL, -E2BIG, -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_blocking(int (*fn)(void *arg), void *arg,
                                        const struct ringline_blocking_options *options);

/*
 * The same for a job that owns its memory and may be abandoned: a cancel or a deadline is reported at once, even if the
 * job is stuck. dispose(arg, result) gets what nobody waits for any more: if the result is negative, whoever it comes from,
 * dispose has been or will be called, exactly once; otherwise it is not, and arg is the caller's again. dispose runs on
 * the calling thread or, with what fn returned, on a thread of the pool. A shutdown does not wait for an abandoned job, but
 * until it has ended ringline_runtime_free() returns -EBUSY.
 *
 * Returns as ringline_blocking(); -EINVAL without a call of dispose if fn or dispose is NULL.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_blocking_detached(int (*fn)(void *arg), void *arg, void (*dispose)(void *arg, int result),
                                                 const struct ringline_blocking_options *options);

/*
 * Begin a job as an operation (op.h), whose result is what fn returned, or -ECANCELED if it was cancelled before it ran.
 * arg must stay valid until the operation is over. Never suspends. The detached form keeps the rule above: a cancelled
 * operation is over at once with -ECANCELED, and an operation that is not awaited has its result disposed of.
 *
 * Returns 0; -EAGAIN (the queue is full, or the worker's limit of operations is reached), -ENOMEM, -ETIME or -ECANCELED
 * (the scope has been cut), -EINVAL, -E2BIG, -EPERM. On failure of the detached form dispose has been called.
 * Since: 0.1
 */
int ringline_blocking_begin(struct ringline_op **ret, int (*fn)(void *arg), void *arg,
                            const struct ringline_blocking_options *options) RINGLINE_MUST_CHECK;
int ringline_blocking_detached_begin(struct ringline_op **ret, int (*fn)(void *arg), void *arg,
                                     void (*dispose)(void *arg, int result),
                                     const struct ringline_blocking_options *options) RINGLINE_MUST_CHECK;

/* Counters of a class only grow, but for the ones marked (now). */
struct ringline_blocking_stats {
	size_t size;
	uint64_t submitted;
	uint64_t completed;               /* ran to their end */
	uint64_t cancelled;               /* taken back before they ran */
	uint64_t refused;                 /* the queue was full */
	uint64_t abandoned;               /* nobody waited for them any more when they ran */
	uint64_t stuck;                   /* (now) abandoned, and have not ended; 256 of class io do not count against its limit */
	uint64_t grown;                   /* times the class got a thread more because nothing moved */
	uint64_t queued;                  /* (now) */
	uint64_t running;                 /* (now) */
	uint64_t threads;                 /* (now) of the pool, whatever they run */
	uint64_t threads_peak;            /* the most there were at once */
};

#define RINGLINE_BLOCKING_STATS_INIT { sizeof(struct ringline_blocking_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/*
 * Fills *stats, whose size must be set, with the counters of a class of jobs. Any thread, as long as the runtime is not
 * freed. rt NULL: the calling worker's.
 *
 * Returns 0; -EINVAL (no such class, NULL), -EPERM (rt NULL on a thread that is no worker).
 * Since: 0.1
 */
int ringline_blocking_stats(const struct ringline_runtime *rt, uint32_t job_class, struct ringline_blocking_stats *stats);

RINGLINE_END_DECLS

#endif
