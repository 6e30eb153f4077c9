/* SPDX-License-Identifier: MIT */
/*
 * The turn of a worker; executor.h tells the idea.
 *
 * Invariants: the backend is never asked to sleep while a task is runnable, deferred work is pending or the inbox holds a
 * message; a turn runs at most `budget` tasks, so completions and timers cannot starve behind tasks that keep waking each
 * other; nothing here is proportional to the number of tasks or connections.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "core/object.h"
#include "core/select.h"
#include "core/executor.h"
#include "core/handle.h"
#include "core/pool.h"
#include "core/task.h"
#include "core/timer.h"
#include "core/token.h"
#include "core/waker.h"
#include "ringline/common.h"

#define RLN_DEFAULT_BUDGET 256u
#define STACKS_AGE         (100 * RLN_NSEC_PER_MSEC)

__thread struct rln_exec *rln_exec_current __attribute__((tls_model("initial-exec")));

static void age_stacks(struct rln_timer *t)
{
	rln_stack_pool_age(rln_container_of(t, struct rln_exec, stack_timer)->stacks);
}

int rln_exec_init(struct rln_exec *x, const struct rln_exec_config *config)
{
	int r;

	memset(x, 0, sizeof(*x));
	atomic_init(&x->closed, true);
	rln_list_init(&x->runq);
	rln_list_init(&x->bulk);
	rln_list_init(&x->yielded);
	rln_list_init(&x->deferred);
	rln_heap_init(&x->timers);
	rln_mpsc_init(&x->inbox);
	x->clock = config->clock ? config->clock : &rln_clock_real;
	x->now = rln_clock_now(x->clock);
	x->budget = config->budget ? config->budget : RLN_DEFAULT_BUDGET;
	x->slice = config->slice ? config->slice : RLN_SLICE_DEFAULT;
	x->inbox_limit = config->inbox_limit ? config->inbox_limit : UINT32_MAX;
	rln_slab_init(&x->tasks, sizeof(struct ringline_task), 64, config->max_tasks);
	rln_slab_init(&x->scopes, sizeof(struct ringline_scope), 64, config->max_scopes);
	rln_slab_init(&x->handles, sizeof(struct ringline_op), 64, config->max_ops);
	rln_slab_init(&x->objects, rln_object_size, 64, 0);
	rln_slab_init(&x->token_links, rln_token_link_size, 8, 0);
	rln_select_init(x);
	x->pool = config->pool;
	rln_list_init(&x->staged);
	rln_list_init(&x->flush.link);
	x->flush.run = rln_pool_flush;
	rln_timer_init(&x->pool_timer, rln_pool_look);
	rln_timer_init(&x->stack_timer, age_stacks);
	rln_scope_init(&x->root, NULL, NULL, RLN_SCOPE_BASE | RINGLINE_SCOPE_COLLECT);

	r = rln_stack_pool_new(&x->stacks, config->stack_size, !(config->disabled & RLN_FEATURE_GUARD));
	if (r < 0)
		return r;
	r = rln_fiber_thread_init(&x->thread);
	if (r < 0) {
		rln_stack_pool_free(x->stacks);
		return r;
	}
	if (config->measure_stacks)
		rln_stack_pool_measure(x->stacks);
	x->alive = true;
	return 0;
}

void rln_exec_fini(struct rln_exec *x)
{
	rln_waker_drop_inbox(x);
	rln_timer_cancel(x, &x->pool_timer);
	rln_timer_cancel(x, &x->stack_timer);
	rln_fiber_thread_fini(&x->thread);
	rln_stack_pool_free(x->stacks);
	if (rln_slab_fini(&x->objects))
		rln_log(RLN_LOG_WARNING, "synchronisation objects were never freed");
	rln_slab_fini(&x->token_links);
	rln_slab_fini(&x->handles);
	rln_slab_fini(&x->scopes);
	rln_slab_fini(&x->tasks);
	rln_heap_fini(&x->timers);
}

void rln_exec_bind(struct rln_exec *x)
{
	rln_exec_current = x;
}

bool rln_exec_idle(const struct rln_exec *x)
{
	return rln_exec_tasks(x) == 0 && rln_stat_get(&x->stats.ops_submitted) == rln_stat_get(&x->stats.ops_ended);
}

/* Runs a task until it suspends or ends. Inline: no return may lie between the switch and the loop (fiber/switch.h). */
static rln_always_inline void run(struct rln_exec *x, struct ringline_task *t)
{
	bool ended;

	rln_stat_add(&x->stats.switches, 1);
	t->state = RLN_TASK_RUNNING;
	x->current = t;
	x->inlined = 0;
	x->paced = 0;
	ended = rln_likely(t->fiber != NULL) ? rln_fiber_resume(&x->thread, t->fiber) : rln_task_poll(t);
	x->current = NULL;
	if (ended) {
		rln_task_ended(x, t);
	} else if (t->state == RLN_TASK_RUNNING_NOTIFIED) {
		t->state = RLN_TASK_QUEUED;
		if (t->yielding)
			rln_list_add_tail(&x->yielded, &t->link);
		else
			rln_exec_enqueue(x, t);
	} else {
		t->state = RLN_TASK_IDLE;
	}
}

/* Fetches the stack of the task that is next while the present one runs: with many tasks it has left the cache. */
static void prefetch_next(const struct rln_list *queue)
{
	const struct ringline_task *t;

	if (rln_list_empty(queue))
		return;
	t = rln_list_entry(queue->next, struct ringline_task, link);
	if (t->fiber)
		rln_fiber_prefetch(t->fiber);
}

static void run_latency(struct rln_exec *x)
{
	struct rln_list *node;
	uint32_t n;

	for (n = 0; n < x->budget && (node = rln_list_pop(&x->runq)); n++) {
		prefetch_next(&x->runq);
		run(x, rln_list_entry(node, struct ringline_task, link));
	}
}

/* A share of each turn is theirs, however many others are runnable, and no more than that: the others' I/O comes first. */
static rln_noinline void run_bulk(struct rln_exec *x)
{
	uint64_t end = rln_time_add(rln_clock_now(x->clock), x->slice);
	struct rln_list *node;
	uint32_t n = 0;

	while (n < RLN_BULK_SHARE && (node = rln_list_pop(&x->bulk))) {
		prefetch_next(&x->bulk);
		run(x, rln_list_entry(node, struct ringline_task, link));
		n++;
		if (rln_clock_now(x->clock) >= end)
			break;
	}
}

static void run_tasks(struct rln_exec *x)
{
	run_latency(x);
	if (rln_unlikely(!rln_list_empty(&x->bulk)))
		run_bulk(x);
}

/* Behind what the completions of this turn have made runnable. */
static void requeue_yielded(struct rln_exec *x)
{
	struct rln_list *node;

	while ((node = rln_list_pop(&x->yielded)))
		rln_exec_enqueue(x, rln_list_entry(node, struct ringline_task, link));
}

/* Work deferred by deferred work waits for the next turn, which then does not sleep. */
static void run_deferred(struct rln_exec *x)
{
	struct rln_list batch;
	struct rln_list *node;

	rln_list_init(&batch);
	rln_list_splice_tail(&batch, &x->deferred);
	while ((node = rln_list_pop(&batch))) {
		struct rln_deferred *d = rln_list_entry(node, struct rln_deferred, link);

		d->run(d);
	}
}

static bool has_work(const struct rln_exec *x)
{
	return rln_exec_runnable(x) || !rln_list_empty(&x->yielded) || !rln_list_empty(&x->deferred);
}

/* How long the backend may sleep: not at all while there is work, else until the next timer or *limit*. */
static uint64_t sleep_until(struct rln_exec *x, uint64_t limit)
{
	uint64_t next;

	if (has_work(x) || !limit)
		return 0;
	next = rln_timers_next(x);
	if (next <= x->now)
		return 0;
	return rln_min(next, limit);
}

/* After a wave of tasks the stacks' pages are given back bit by bit; then the worker may sleep for ever again. */
static void watch_stacks(struct rln_exec *x)
{
	if (rln_likely(!rln_stack_pool_swollen(x->stacks)) || rln_timer_armed(&x->stack_timer))
		return;
	/* without memory for the timer the next turn tries again */
	(void)!rln_timer_arm(x, &x->stack_timer, rln_time_add(x->now, STACKS_AGE));
}

int rln_exec_turn(struct rln_exec *x, uint64_t limit)
{
	uint64_t deadline;
	int r;

	rln_stat_add(&x->stats.turns, 1);
	run_tasks(x);
	run_deferred(x);
	watch_stacks(x);

	deadline = sleep_until(x, limit);
	if (deadline && !rln_waker_may_sleep(x))
		deadline = 0;
	r = x->backend->ops->wait(x->backend, deadline);
	rln_waker_awake(x);
	if (r < 0)
		return r;

	x->now = rln_clock_now(x->clock);
	rln_waker_drain(x);
	rln_timers_fire(x);
	requeue_yielded(x);
	return 0;
}

int rln_not_here(void)
{
	return rln_exec_current && !rln_exec_current->alive ? -ECHILD : -EPERM;
}

uint64_t rln_exec_due(struct rln_exec *x)
{
	uint64_t rest = x->backend->ops->rest(x->backend);

	if (has_work(x) || !rln_mpsc_empty(&x->inbox))
		return 0;
	return rln_min(rest, rln_timers_next(x));
}

/*
 * Like the end of a turn that sleeps (waker.c), but the sleep is the host's: the intention is published, then the inbox looked
 * at once more. What is left when the turns are over makes the descriptor readable by a wake.
 */
int rln_exec_dispatch(struct rln_exec *x, uint32_t turns)
{
	int r = 0;

	rln_waker_awake(x);
	do
		r = rln_exec_turn(x, 0);
	while (r == 0 && --turns && rln_exec_due(x) <= rln_clock_now(x->clock));
	if (r < 0)
		return r;
	if (!rln_waker_may_sleep(x) || !rln_exec_due(x))
		x->backend->ops->wake(x->backend);
	return 0;
}

struct rln_exec *rln_exec_get_slow(const char *call)
{
	if (rln_not_here() == -ECHILD)
		return NULL;
	rln_log(RLN_LOG_ERROR, "%s: called on a thread that is not a worker", call);
	return NULL;
}

struct ringline_task *rln_task_get_slow(const char *call)
{
	if (rln_not_here() == -ECHILD)
		return NULL;
	rln_log(RLN_LOG_ERROR, "%s: called outside a task", call);
	return NULL;
}

int rln_exec_refuse_handle(const struct rln_slab *slab, const struct rln_slot *slot, const char *call)
{
	if (rln_slab_owns(slab, slot))
		return -EBADF;
	rln_log(RLN_LOG_ERROR, "%s: called on a worker that does not own the object", call);
	return -EPERM;
}
