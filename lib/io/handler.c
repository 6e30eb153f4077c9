/* SPDX-License-Identifier: MIT */
/* Handlers of accepted connections; handler.h tells the idea. */
#include <errno.h>

#include "core/timer.h"
#include "io/conn.h"
#include "io/handler.h"
#include "io/listener.h"

#define RETRY (10 * RLN_NSEC_PER_MSEC)

/* It has returned: the connection is closed unless it was kept. */
static void handler_done(struct ringline_conn *c)
{
	c->handler = NULL;
	c->handled = false;
	c->lent = false;
	c->polled = false;
	c->poll_input = false;
	c->poll_output = false;
	if (c->state == RLN_CONN_OPEN && (!c->kept || !c->refs))
		rln_conn_close(c);
}

/* Fibers */

/* Tasks that the handler started may still name the connection, so its memory may go when they have ended. */
static int fiber_main(void *arg)
{
	struct ringline_conn *c = arg;

	c->handler = rln_task_current();
	c->serve(c, c->handler_arg);
	handler_done(c);
	rln_scope_close_all(rln_task_current(), 0);
	rln_conn_leave(c);
	return 0;
}

/* Polled */

/* What would be lost if the task went, or wakes it. */
static bool left_something(const struct ringline_task *t)
{
	return t->scope != &t->base || t->base.live || !rln_list_empty(&t->base.handles) || t->parked || t->locals ||
	       t->state == RLN_TASK_RUNNING_NOTIFIED;
}

/* True if the handler is to be called again, by whatever it waits for. */
static bool poll(struct ringline_conn *c, struct ringline_task *t)
{
	c->poll_input = false;
	c->poll_output = false;
	if (c->poll(c, c->handler_arg) != -EINPROGRESS)
		return false;
	return c->state == RLN_CONN_OPEN || left_something(t);
}

/* The function of the tasks. When the handler is through it goes on until nothing is left that may name the connection. */
static int poll_main(void *arg)
{
	struct ringline_conn *c = arg;
	struct ringline_task *t = rln_task_current();

	if (c->handler == t) {
		if (poll(c, t)) {
			if (left_something(t))
				return -EINPROGRESS;
			c->handler = NULL;
			return 0;
		}
		handler_done(c);
	}
	if (!rln_scope_try_close_all(t, 0))
		return -EINPROGRESS;
	rln_conn_leave(c);
	return 0;
}

static int start(struct ringline_conn *c)
{
	struct rln_task_start how = { .arg = c, .scope = &c->io->exec->root, .name = "conn" };

	how.fn = c->polled ? poll_main : fiber_main;
	how.class = RINGLINE_TASK_LATENCY;
	how.stackless = c->polled;
	how.independent = c->polled || c->io->draining;
	return rln_task_start(c->polled ? &c->handler : NULL, &how);
}

void rln_handler_wake(struct ringline_conn *c)
{
	struct rln_io *io = c->io;

	if (!c->polled || c->poll_missed)
		return;
	if (c->handler) {
		rln_task_wake(c->handler);
		return;
	}
	if (start(c) == 0) {
		rln_task_release(c->handler);
		return;
	}
	c->poll_missed = true;
	io->nmissed++;
	rln_timer_cancel(io->exec, &io->handlers);
	(void)!rln_timer_arm(io->exec, &io->handlers, rln_time_add(io->exec->now, RETRY));   /* its place was reserved */
}

static void call_missed(struct rln_timer *timer)
{
	struct rln_io *io = rln_container_of(timer, struct rln_io, handlers);
	struct ringline_conn *c;
	uint32_t i;

	(void)!rln_handlers_reserve(io);
	for (i = 0; io->nmissed && (c = rln_slab_at(&io->conns, i)); i++) {
		if (!rln_slot_live(&c->slot) || !c->poll_missed)
			continue;
		c->poll_missed = false;
		io->nmissed--;
		rln_handler_wake(c);
	}
}

void rln_handlers_init(struct rln_io *io)
{
	rln_timer_init(&io->handlers, call_missed);
}

void rln_handlers_fini(struct rln_io *io)
{
	rln_timer_cancel(io->exec, &io->handlers);
}

uint32_t rln_handlers_idle(struct rln_io *io)
{
	struct ringline_conn *c;
	uint32_t i = 0;
	uint32_t n = 0;

	while ((c = rln_conn_next(io, &i)))
		n += c->polled && !c->handler;
	return n;
}

int rln_handlers_reserve(struct rln_io *io)
{
	return rln_timer_armed(&io->handlers) ? 0 : rln_timer_arm(io->exec, &io->handlers, RINGLINE_NEVER);
}

int rln_handler_start(struct ringline_conn *c, const struct rln_listener_how *how)
{
	int r = c->io->exec->root.reason;

	if (r && !c->io->draining)
		return r;
	if (how->poll)
		c->poll = how->poll;
	else
		c->serve = how->serve;
	c->polled = how->poll;
	c->handler_arg = how->arg;
	r = start(c);
	if (r < 0) {
		c->polled = false;
		return r;
	}
	if (c->polled)
		rln_task_release(c->handler);
	c->handled = true;
	c->lent = true;
	rln_conn_enter(c);
	return 0;
}

void rln_handler_cut(struct ringline_conn *c)
{
	if (c->polled && !c->handler)
		rln_handler_wake(c);
}

static bool is_polled_by(const struct ringline_conn *c, const struct ringline_task *t)
{
	return c->polled && c->handler == t;
}

void rln_handler_want_input(struct ringline_conn *c)
{
	if (is_polled_by(c, rln_exec_current->current))
		c->poll_input = true;
}

void rln_handler_want_output(struct ringline_conn *c)
{
	if (is_polled_by(c, rln_exec_current->current))
		c->poll_output = true;
}
