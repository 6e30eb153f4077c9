/* SPDX-License-Identifier: MIT */
/*
 * Requests that wait in the worker, because threads have enough of them.
 *
 * A thread that works off many requests, as they are when all is in the kernel's caches, holds on to its processor meanwhile. If
 * that is the worker's, its connections wait until the last one is done. So while connections are busy threads, the kernel's or
 * ours, have no more requests than keep them going (`with_threads`); whoever comes then is queued, and goes on when one has
 * ended.
 *
 * Threads that wait for a disk are in nobody's way: when not one request has ended for a while, all that is queued goes on. So
 * what does not end holds nobody up, and the pool learns that it has to grow.
 */
#include "core/executor.h"
#include "io/request.h"

/* With threads, at least: as many as the kernel has for a ring (uring.c), and enough that none of ours is ever without. */
#define ENOUGH 16u
#define READY  8u

/* Connections that were silent for so long do not mind; and without an end for so long threads are not busy, but wait. */
#define QUIET (10 * RLN_NSEC_PER_MSEC)

/* Has anything been received lately? */
static bool has_heard(struct rln_io *io)
{
	uint64_t received = rln_stat_get(&io->stats.bytes_received) + io->dgrams_received;

	if (received != io->heard) {
		io->heard = received;
		io->heard_at = io->exec->now;
	}
	return io->exec->now - io->heard_at < QUIET;
}

static bool are_enough(struct rln_io *io, enum rln_request_route way)
{
	uint32_t enough = ENOUGH;

	if (way == RLN_ROUTE_POOL)
		enough = rln_max(enough, io->exec->pool->config.limit[RLN_JOB_IO] + READY);
	return io->with_threads >= enough && has_heard(io);
}

static struct rln_request *first(struct rln_io *io)
{
	return rln_list_empty(&io->queued) ? NULL : rln_list_entry(io->queued.next, struct rln_request, way.queued);
}

static void go_on(struct rln_io *io, struct rln_request *q)
{
	rln_request_leave_queue(io, q);
	(void)!rln_request_to_threads(q, rln_request_way(q), true);
}

static int look_later(struct rln_io *io)
{
	io->one_left = false;
	return rln_timer_arm(io->exec, &io->queue_timer, rln_time_add(io->exec->now, QUIET));
}

/* Nothing moves, or there is no memory to look again. */
static void look(struct rln_timer *t)
{
	struct rln_io *io = rln_container_of(t, struct rln_io, queue_timer);
	struct rln_request *q;

	if (!first(io) || (io->one_left && look_later(io) == 0))
		return;
	while ((q = first(io)))
		go_on(io, q);
}

void rln_request_left_threads(struct rln_io *io)
{
	struct rln_request *q;

	io->with_threads--;
	io->one_left = true;
	while ((q = first(io)) && !are_enough(io, rln_request_way(q)))
		go_on(io, q);
}

bool rln_request_queue(struct rln_io *io, struct rln_request *q, enum rln_request_route way, bool patient)
{
	if (!are_enough(io, way) || (!patient && io->nqueued >= io->exec->pool->config.queue_limit))
		return false;
	if (!rln_timer_armed(&io->queue_timer) && look_later(io) < 0)
		return false;
	q->route = RLN_ROUTE_QUEUED;
	rln_list_init(&q->way.queued);
	rln_list_add_tail(&io->queued, &q->way.queued);
	io->nqueued++;
	rln_stat_add(&io->stats.files_queued, 1);
	return true;
}

void rln_request_leave_queue(struct rln_io *io, struct rln_request *q)
{
	rln_list_del(&q->way.queued);
	io->nqueued--;
}

void rln_request_queue_init(struct rln_io *io)
{
	rln_list_init(&io->queued);
	rln_timer_init(&io->queue_timer, look);
}

void rln_request_queue_fini(struct rln_io *io)
{
	rln_timer_cancel(io->exec, &io->queue_timer);
}
