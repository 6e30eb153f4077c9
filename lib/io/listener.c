/* SPDX-License-Identifier: MIT */
/*
 * Accepting; listener.h draws the states.
 *
 * A failure to accept for want of descriptors or memory ends the accept operation. Armed again at once it would fail at
 * once and burn the processor, so the listener pauses, longer each time it fails in a row; a descriptor that this worker
 * gives back ends the pause early.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "io/accept.h"
#include "io/bind.h"
#include "io/conn-extra.h"
#include "io/crowd.h"
#include "io/handler.h"
#include "io/listener.h"

#define BACKOFF_MIN  (10 * RLN_NSEC_PER_MSEC)
#define BACKOFF_MAX  (500 * RLN_NSEC_PER_MSEC)
#define WAITING_MAX  256
#define BUDGET       64u
#define REST_MAX     4096u               /* a flood of connections must not keep a worker from ending */

/* Starting connections */

static void refuse(struct rln_io *io, int fd)
{
	close(fd);
	rln_stat_add(&io->stats.refused, 1);
}

/* A connection that counts in the listener's crowd. NULL: it was closed at once, and counted. */
static struct ringline_conn *new_conn(struct rln_io *io, const struct rln_listener_how *how, int fd)
{
	struct rln_crowd_place *place = how->crowd ? rln_crowd_enter(how->crowd, fd) : NULL;
	struct ringline_conn *c;

	if (how->crowd && !place) {
		close(fd);
		rln_stat_add(&io->stats.rejected, 1);
		return NULL;
	}
	c = rln_conn_new(io, fd, how->family, RLN_CONN_OPEN);
	if (!c || (place && !rln_conn_extra(c))) {
		rln_crowd_leave(how->crowd && place ? how->crowd : NULL, place);
		rln_stat_add(&io->stats.refused, 1);
		if (c)
			rln_conn_abort(c);
		else
			close(fd);
		return NULL;
	}
	if (place) {
		c->extra->crowd = how->crowd;
		c->extra->place = place;
	}
	rln_stat_add(&io->stats.accepted, 1);
	return c;
}

void rln_listener_serve(struct rln_io *io, const struct rln_listener_how *how, int fd)
{
	struct ringline_conn *c = new_conn(io, how, fd);

	if (!c)
		return;
	if (rln_handler_start(c, how) == 0)
		return;
	rln_stat_add(&io->stats.refused, 1);
	rln_conn_abort(c);
}

/* Accepting */

static bool neighbours_have_room(const struct rln_listener *l)
{
	return l->how.origin && l->io->neighbours && l->io->neighbours->have_room(l->io);
}

static bool has_room(const struct rln_listener *l)
{
	if (l->taker)
		return !rln_io_full(l->io) && !rln_ring_full(&l->waiting);
	return !rln_io_full(l->io) || neighbours_have_room(l);
}

static void arm(struct rln_listener *l)
{
	l->state = RLN_LISTENER_ARMED;
	if (rln_op_inflight(&l->op))
		return;
	l->op.opcode = RLN_OP_ACCEPT;
	l->op.fd = l->fd;
	l->op.flags = l->taker ? RLN_OPF_ONESHOT : 0;   /* a multishot accept would not stop in time when the queue is full */
	rln_op_submit(&l->op);
}

static void pause_full(struct rln_listener *l)
{
	l->state = RLN_LISTENER_FULL;
	rln_op_cancel(&l->op);
}

/* May one more be begun in this turn? */
static bool within_budget(struct rln_listener *l)
{
	uint64_t turn = rln_stat_get(&l->io->exec->stats.turns);

	if (l->turn != turn)
		l->in_turn = 0;
	l->turn = turn;
	return l->in_turn++ < l->how.budget;
}

static bool hand_over(struct rln_listener *l, int fd)
{
	if (!l->how.origin || !l->io->neighbours || !l->io->neighbours->hand_over(l->io, l->how.origin, fd))
		return false;
	rln_stat_add(&l->io->stats.handed_over, 1);
	return true;
}

/* They keep their order, unless a neighbour cannot be reached. */
static void hand_over_waiting(struct rln_listener *l)
{
	int fd;

	while (rln_ring_len(&l->waiting) && neighbours_have_room(l) && rln_ring_pop(&l->waiting, &fd)) {
		if (hand_over(l, fd))
			continue;
		if (!rln_ring_push(&l->waiting, &fd))
			refuse(l->io, fd);
		return;
	}
}

/* What waits beyond the budget has its turn in the next one; without memory for the timer, when something else happens. */
static void wait_for_turn(struct rln_listener *l)
{
	if (!rln_timer_armed(&l->timer) && rln_timer_arm(l->io->exec, &l->timer, l->io->exec->now + 1) < 0)
		rln_stat_add(&l->io->stats.accept_errors, 1);
}

static void keep_waiting(struct rln_listener *l, int fd)
{
	if (rln_ring_push(&l->waiting, &fd)) {
		if (l->taker)
			rln_accept_notify(l->taker);
		else if (!rln_io_full(l->io))
			wait_for_turn(l);
	} else if (!l->taker && !rln_io_full(l->io)) {
		rln_listener_serve(l->io, &l->how, fd);   /* rather beyond the budget than not at all */
	} else {
		refuse(l->io, fd);
	}
}

static void accepted(struct rln_listener *l, int fd)
{
	l->backoff = BACKOFF_MIN;
	if (l->state == RLN_LISTENER_CLOSING && l->finishing)
		rln_listener_serve(l->io, &l->how, fd);
	else if (l->state == RLN_LISTENER_CLOSING)
		close(fd);
	else if (!l->taker && !rln_io_full(l->io) && within_budget(l))
		rln_listener_serve(l->io, &l->how, fd);
	else if (l->taker || !rln_io_full(l->io) || !hand_over(l, fd))
		keep_waiting(l, fd);
	if (!l->taker && rln_io_full(l->io) && rln_ring_len(&l->waiting))
		hand_over_waiting(l);
	if (l->state == RLN_LISTENER_ARMED && !has_room(l))
		pause_full(l);
}

static void back_off(struct rln_listener *l, int error)
{
	rln_stat_add(&l->io->stats.accept_errors, 1);
	if (l->backoff == BACKOFF_MIN)
		rln_log(RLN_LOG_WARNING, "accept: error %d, pausing until resources are free", -error);
	l->state = RLN_LISTENER_BACKING_OFF;
	if (rln_timer_arm(l->io->exec, &l->timer, rln_time_add(rln_clock_now(l->io->exec->clock), l->backoff)) < 0)
		arm(l);           /* no memory for a timer: better busy than deaf */
	l->backoff = rln_min(l->backoff * 2, BACKOFF_MAX);
}

static void backoff_over(struct rln_timer *t)
{
	rln_listener_resume(rln_container_of(t, struct rln_listener, timer));
}

void rln_listener_free(struct rln_listener *l)
{
	rln_list_del(&l->link);
	rln_crowd_unref(l->how.crowd);
	rln_ring_fini(&l->waiting);
	rln_mem_free(l);
}

static void listener_closed(struct rln_op *op, const struct rln_completion *done)
{
	(void)done;
	rln_listener_free(rln_container_of(op, struct rln_listener, op));
}

/* Whom the kernel has let in. */
static void serve_backlog(struct rln_listener *l)
{
	uint32_t n;

	for (n = 0; n < REST_MAX && !rln_io_full(l->io); n++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			return;
		rln_listener_serve(l->io, &l->how, fd);
	}
}

static void submit_close(struct rln_listener *l)
{
	if (l->finishing && l->how.own)
		serve_backlog(l);
	l->op.opcode = RLN_OP_CLOSE;
	l->op.complete = listener_closed;
	l->op.fd = l->fd;
	rln_op_submit(&l->op);
}

static void accept_complete(struct rln_op *op, const struct rln_completion *done)
{
	struct rln_listener *l = rln_container_of(op, struct rln_listener, op);

	if (done->res >= 0)
		accepted(l, (int)done->res);
	if (done->flags & RLN_C_MORE)
		return;
	if (l->state == RLN_LISTENER_CLOSING)
		submit_close(l);
	else if (done->res == -EINVAL && l->state != RLN_LISTENER_PAUSED)
		l->state = RLN_LISTENER_FULL;      /* deafened by a neighbour that ends, as this worker is about to */
	else if (done->res < 0 && done->res != -ECANCELED && l->state != RLN_LISTENER_PAUSED)
		back_off(l, (int)done->res);
	else if (l->state == RLN_LISTENER_ARMED)
		arm(l);
}

void rln_listener_resume(struct rln_listener *l)
{
	int fd;

	if (l->state == RLN_LISTENER_CLOSING || l->state == RLN_LISTENER_PAUSED)
		return;
	rln_timer_cancel(l->io->exec, &l->timer);
	while (!l->taker && !rln_io_full(l->io) && rln_ring_len(&l->waiting) && within_budget(l) &&
	       rln_ring_pop(&l->waiting, &fd))
		rln_listener_serve(l->io, &l->how, fd);
	if (!l->taker && rln_io_full(l->io))
		hand_over_waiting(l);
	if (!l->taker && rln_ring_len(&l->waiting) && !rln_io_full(l->io))
		wait_for_turn(l);
	if (l->taker && rln_listener_waiting(l))
		rln_accept_notify(l->taker);
	if (has_room(l))
		arm(l);
}

void rln_listener_pause(struct rln_listener *l)
{
	if (l->state == RLN_LISTENER_CLOSING)
		return;
	l->state = RLN_LISTENER_PAUSED;
	rln_timer_cancel(l->io->exec, &l->timer);
	rln_op_cancel(&l->op);
}

void rln_listener_unpause(struct rln_listener *l)
{
	if (l->state != RLN_LISTENER_PAUSED)
		return;
	l->state = RLN_LISTENER_FULL;
	rln_listener_resume(l);
}

uint32_t rln_listener_waiting(const struct rln_listener *l)
{
	return rln_io_full(l->io) ? 0 : rln_ring_len(&l->waiting);
}

struct ringline_conn *rln_listener_take(struct rln_listener *l)
{
	struct ringline_conn *c = NULL;
	int fd;

	while (!c && !rln_io_full(l->io) && rln_ring_pop(&l->waiting, &fd))
		c = new_conn(l->io, &l->how, fd);
	if (l->state == RLN_LISTENER_FULL)
		rln_listener_resume(l);
	return c;
}

int rln_listener_open(struct rln_io *io, int fd, const struct rln_listener_how *how)
{
	struct rln_listener *l;

	if (how->poll && rln_handlers_reserve(io) < 0)
		return -ENOMEM;
	l = rln_mem_alloc_aligned(sizeof(*l), 64);
	if (!l)
		return -ENOMEM;
	if (rln_ring_init(&l->waiting, WAITING_MAX, sizeof(int)) < 0) {
		rln_mem_free(l);
		return -ENOMEM;
	}
	l->io = io;
	l->fd = fd;
	l->how = *how;
	l->how.crowd = rln_crowd_ref(how->crowd);
	l->how.budget = how->budget ? how->budget : BUDGET;
	l->backoff = BACKOFF_MIN;
	l->finishing = false;
	l->turn = 0;
	l->in_turn = 0;
	l->taker = how->taker;
	if (l->taker)
		l->taker->listener = l;
	rln_timer_init(&l->timer, backoff_over);
	rln_op_init(&l->op, accept_complete);
	rln_list_init(&l->link);
	rln_list_add_tail(&io->listeners, &l->link);
	l->state = RLN_LISTENER_FULL;
	return 0;
}

void rln_listener_close(struct rln_listener *l)
{
	int fd;

	if (l->state == RLN_LISTENER_CLOSING)
		return;
	l->state = RLN_LISTENER_CLOSING;
	if (l->taker)
		rln_accept_closed(l->taker);
	l->taker = NULL;                  /* it may be gone before the accept has ended */
	rln_timer_cancel(l->io->exec, &l->timer);
	while (rln_ring_pop(&l->waiting, &fd))
		close(fd);
	if (rln_op_inflight(&l->op))
		rln_op_cancel(&l->op);
	else
		submit_close(l);
}

void rln_listener_finish(struct rln_listener *l)
{
	int fd;

	if (l->state != RLN_LISTENER_CLOSING && l->state != RLN_LISTENER_PAUSED && !l->taker) {
		l->finishing = true;
		if (l->how.own)
			rln_bind_deafen(l->fd, l->how.family);
		while (!rln_io_full(l->io) && rln_ring_pop(&l->waiting, &fd))
			rln_listener_serve(l->io, &l->how, fd);
	}
	rln_listener_close(l);
}
