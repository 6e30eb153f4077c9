/* SPDX-License-Identifier: MIT */
/*
 * Requests that wait in the worker, because threads have enough of them.
 *
 * A thread that works off many requests, as they are when all is in the kernel's caches, holds on to its processor meanwhile. If
 * that is the worker's, its connections wait until the last one is done. So while something is received threads, the kernel's
 * or ours, have no more requests than keep all of them at work. Who comes then is queued, and goes on, in order, as others end.
 *
 * As many threads as there may be have something to do all the same, so nothing takes longer for it; but for requests that wait
 * for each other, for which the pool grows if it has some in its queue. So if nobody goes on for a while, some do.
 */
#include "core/executor.h"
#include "io/request.h"

/* As many as the kernel has threads for a ring (uring.c); and besides those that ours run, so that none is without. */
#define ENOUGH 16u
#define READY  4u

/* Connections that were silent for so long do not mind; and if nobody goes on for so long, threads are not busy, but wait. */
#define QUIET (10 * RLN_NSEC_PER_MSEC)

/* Was something received lately? What came while the worker waited came right before this turn, not when the wait began. */
static bool has_heard(struct rln_io *io)
{
	if (rln_stat_get(&io->exec->stats.turns) == io->heard_turn)
		io->heard_at = io->exec->now;
	return io->exec->now - io->heard_at < QUIET;
}

static bool have_enough(struct rln_threads *t)
{
	uint32_t enough = t == &t->io->pool ? t->io->exec->pool->config.limit[RLN_JOB_IO] + READY : ENOUGH;

	return has_heard(t->io) && t->have >= enough;
}

static struct rln_request *first(struct rln_threads *t)
{
	return rln_list_empty(&t->queued) ? NULL : rln_list_entry(t->queued.next, struct rln_request, way.queued);
}

static int start(struct rln_threads *t, struct rln_request *q, bool patient)
{
	int r;

	q->threads = t;
	t->have++;
	r = rln_request_go(q, t == &t->io->pool ? RLN_ROUTE_POOL : RLN_ROUTE_RING, patient);
	if (r < 0) {
		q->threads = NULL;
		t->have--;
	}
	return r;
}

void rln_request_leave_queue(struct rln_request *q)
{
	rln_list_del(&q->way.queued);
	q->threads->nqueued--;
	q->threads = NULL;
}

static void go_on(struct rln_threads *t, struct rln_request *q)
{
	rln_request_leave_queue(q);
	t->moved = true;
	(void)!start(t, q, true);
}

static void go_on_while_they_may(struct rln_threads *t)
{
	struct rln_request *q;

	while ((q = first(t)) && !have_enough(t))
		go_on(t, q);
}

static int look_later(struct rln_threads *t)
{
	struct rln_exec *x = t->io->exec;

	t->moved = false;
	rln_timer_cancel(x, &t->timer);
	return rln_timer_arm(x, &t->timer, rln_time_add(rln_clock_now(x->clock), QUIET));
}

static void let_some_go_on(struct rln_threads *t, uint32_t most)
{
	struct rln_request *q;

	for (; most && (q = first(t)); most--)
		go_on(t, q);
}

static void look(struct rln_timer *timer)
{
	struct rln_threads *t = rln_container_of(timer, struct rln_threads, timer);

	if (!t->moved)
		let_some_go_on(t, ENOUGH);
	go_on_while_they_may(t);
	if (first(t) && look_later(t) < 0)
		let_some_go_on(t, UINT32_MAX);
}

void rln_request_left_threads(struct rln_request *q)
{
	struct rln_threads *t = q->threads;

	q->threads = NULL;
	t->have--;
	go_on_while_they_may(t);
}

int rln_request_to_threads(struct rln_request *q, enum rln_request_route way, bool patient)
{
	struct rln_io *io = rln_io_current();
	struct rln_threads *t = way == RLN_ROUTE_POOL ? &io->pool : &io->kernel;

	if (!have_enough(t) && !first(t))
		return start(t, q, patient);
	if (!patient && way == RLN_ROUTE_POOL && t->nqueued >= io->exec->pool->config.queue_limit)
		return rln_job_refuse(RLN_JOB_IO);
	if (!first(t) && look_later(t) < 0)
		return start(t, q, patient);
	q->route = RLN_ROUTE_QUEUED;
	q->threads = t;
	rln_list_init(&q->way.queued);
	rln_list_add_tail(&t->queued, &q->way.queued);
	t->nqueued++;
	rln_stat_add(&io->stats.files_queued, 1);
	return 0;
}

static void init(struct rln_threads *t, struct rln_io *io)
{
	t->io = io;
	t->have = 0;
	t->nqueued = 0;
	rln_list_init(&t->queued);
	rln_timer_init(&t->timer, look);
}

void rln_request_queue_init(struct rln_io *io)
{
	init(&io->kernel, io);
	init(&io->pool, io);
}

void rln_request_queue_fini(struct rln_io *io)
{
	rln_timer_cancel(io->exec, &io->kernel.timer);
	rln_timer_cancel(io->exec, &io->pool.timer);
}
