/* SPDX-License-Identifier: MIT */
/*
 * The executor: one per worker thread. It runs tasks in the order they became runnable, a bounded number per turn, and
 * asks the backend for completions between the turns.
 *
 *     turn:  run up to `budget` tasks, then a share of the bulk ones  ->  deferred work  ->  backend wait (sleeps only if nothing is runnable)
 *            ->  inbox  ->  timers  ->  tasks that yielded become runnable again
 *
 * Whether to sleep is decided last, from the queues themselves, with the inbox looked at once more after the intention
 * to sleep was made public (waker.c tells why no wake is lost).
 */
#ifndef RLN_CORE_EXECUTOR_H
#define RLN_CORE_EXECUTOR_H

#include <stdatomic.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/mpsc.h"
#include "base/slab.h"
#include "core/backend.h"
#include "core/scope.h"
#include "core/stats.h"
#include "fiber/fiber.h"
#include "ringline/select.h"

#define RLN_CASE_KINDS (RINGLINE_CASE_SIGNAL + 1)

#define RLN_INLINE_MAX 16u

/* Tasks of the bulk class that run in a turn, if there are so many. */
#define RLN_BULK_SHARE 8u

#define RLN_SLICE_DEFAULT RLN_NSEC_PER_MSEC

struct ringline_task;
struct rln_case_kind;
struct rln_io;
struct rln_msg;
struct rln_pool;
struct rln_worker;

/* Work put off to the end of the turn, after which it is off the list. */
struct rln_deferred {
	struct rln_list link;
	void (*run)(struct rln_deferred *d);
};

struct rln_exec_config {
	const struct rln_clock *clock;    /* NULL: the real one */
	size_t stack_size;                /* 0: default */
	uint32_t max_tasks;               /* 0: no limit */
	uint32_t max_ops;                 /* op handles; 0: no limit */
	uint32_t max_scopes;
	uint32_t inbox_limit;             /* messages under way from other threads; 0: no limit */
	uint32_t budget;                  /* tasks per turn; 0: default */
	uint32_t disabled;                /* enum rln_feature */
	uint64_t slice;                   /* nanoseconds a task may go on before ringline_checkpoint() yields; 0: default */
	bool measure_stacks;
	struct rln_pool *pool;            /* of the runtime; NULL: there are no blocking jobs */
};

struct rln_exec {
	struct rln_list runq;
	struct rln_list bulk;             /* the run queue of tasks that may wait a little */
	struct rln_list yielded;          /* joins the run queue behind the completions of this turn */
	struct ringline_task *current;
	bool alive;                       /* false in a child of fork(): the memory of executors is wiped there */
	uint32_t paced;                   /* calls of the current task that did not wait */
	uint32_t inlined;                 /* operations of the current task that were over at once */
	struct rln_backend *backend;
	const struct rln_clock *clock;
	uint64_t now;                     /* read once per turn */
	struct rln_heap timers;
	struct rln_list deferred;
	uint32_t budget;
	uint32_t inbox_limit;
	uint64_t slice;
	struct rln_stack_pool *stacks;
	struct rln_timer stack_timer;     /* armed while the pool is swollen */
	struct rln_fiber_thread thread;
	struct rln_slab tasks;            /* struct ringline_task */
	struct rln_slab scopes;           /* struct ringline_scope */
	struct rln_slab handles;          /* struct ringline_op */
	struct rln_slab objects;          /* struct rln_object and what begins with one */
	struct rln_slab token_links;      /* struct rln_token_link */
	const struct rln_case_kind *case_kinds[RLN_CASE_KINDS];   /* what ringline_select() can wait for; NULL: not here */
	uint32_t selects;                 /* rounds of ringline_select(): where the next one begins */
	struct rln_scope root;            /* of all tasks without a parent */
	struct rln_pool *pool;
	struct rln_list staged;           /* rln_job.link: handed over to the pool at the end of the turn, by `flush` */
	struct rln_deferred flush;
	struct rln_timer pool_timer;
	struct rln_stats stats;
	struct rln_io *io;                /* connections and listeners of this worker (layer 4) */
	struct rln_worker *worker;        /* the thread it runs on (layer 5) */
	_Atomic uint32_t *watcher;        /* not 0 while a watchdog sleeps until a worker is awake; NULL: there is none */

	/* touched by other threads */
	struct rln_mpsc inbox rln_aligned(64);
	_Atomic uint32_t inbox_len;
	_Atomic uint32_t sleep_state;     /* enum rln_sleep_state (waker.h) */
	_Atomic uint32_t visitors;        /* other threads between rln_exec_enter() and rln_exec_leave() */
	_Atomic bool closed;              /* nobody may enter */
};

/* The executor of this thread, NULL on a thread that is no worker. A static TLS slot: one load. */
extern __thread struct rln_exec *rln_exec_current __attribute__((tls_model("initial-exec")));

/* Ready to run on the calling thread once a backend is set. 0, -ENOMEM, -EINVAL. */
int rln_exec_init(struct rln_exec *x, const struct rln_exec_config *config) rln_must_check;

/* All tasks must have ended. The backend is the caller's to close, afterwards. */
void rln_exec_fini(struct rln_exec *x);

/* Makes *x* the executor of this thread, NULL: none. */
void rln_exec_bind(struct rln_exec *x);

/* One turn. Sleeps at most until *limit* (absolute; 0: not at all). 0, or the backend's -errno. */
int rln_exec_turn(struct rln_exec *x, uint64_t limit) rln_must_check;

/*
 * For loops of others: turns that do not sleep, until nothing is left to do or *turns* are over. Then the worker counts as
 * asleep: its backend's descriptor becomes readable when there is something to do. 0, or the backend's -errno.
 */
int rln_exec_dispatch(struct rln_exec *x, uint32_t turns) rln_must_check;

/* When the next dispatch is due if the descriptor does not become readable before; 0: now. */
uint64_t rln_exec_due(struct rln_exec *x);

/*
 * May the running task have another operation that is over at once? After so many in a row it has to park, so that a task
 * whose operations never wait does not keep the others waiting.
 */
static inline bool rln_exec_may_inline(struct rln_exec *x)
{
	return x->inlined++ < RLN_INLINE_MAX;
}

/* Tasks that have not ended. */
static inline uint64_t rln_exec_tasks(const struct rln_exec *x)
{
	return rln_stat_get(&x->stats.tasks_started) - rln_stat_get(&x->stats.tasks_ended);
}

/* True if nothing is left: no task, no op in flight. */
bool rln_exec_idle(const struct rln_exec *x);

static inline bool rln_exec_runnable(const struct rln_exec *x)
{
	return !rln_list_empty(&x->runq) || !rln_list_empty(&x->bulk);
}

/* Runs d->run at the end of the turn. No effect if it is on the list already. */
static inline void rln_exec_defer(struct rln_exec *x, struct rln_deferred *d)
{
	if (!rln_list_linked(&d->link))
		rln_list_add_tail(&x->deferred, &d->link);
}

/*
 * The guards of public calls. rln_exec_get(): the executor of the calling thread, or NULL after logging that *call* was
 * made on a foreign thread. rln_task_get(): the running task, or NULL after logging that *call* was made outside one.
 */
struct rln_exec *rln_exec_get_slow(const char *call) rln_cold;
struct ringline_task *rln_task_get_slow(const char *call) rln_cold;

/* What a call says that such a guard has turned away: -EPERM, or -ECHILD in a child of fork(). */
int rln_not_here(void) rln_cold;

/* The guard of handles: 0 if the slot came from *slab* (of this worker's executor) and is live; -EPERM, -EBADF. */
int rln_exec_refuse_handle(const struct rln_slab *slab, const struct rln_slot *slot, const char *call) rln_cold;

static inline int rln_exec_check_handle(const struct rln_slab *slab, const struct rln_slot *slot, const char *call)
{
	return rln_likely(rln_slab_owns(slab, slot) && rln_slot_live(slot)) ? 0 : rln_exec_refuse_handle(slab, slot, call);
}

static inline struct rln_exec *rln_exec_get(const char *call)
{
	struct rln_exec *x = rln_exec_current;

	return rln_likely(x && x->alive) ? x : rln_exec_get_slow(call);
}

static inline struct ringline_task *rln_task_get(const char *call)
{
	struct rln_exec *x = rln_exec_current;

	return rln_likely(x && x->current) ? x->current : rln_task_get_slow(call);
}

#endif
