/* SPDX-License-Identifier: MIT */
/* Timeouts and limits of single connections; conn-extra.h. */
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "base/mem.h"
#include "io/conn-extra.h"
#include "io/conn-fds.h"
#include "io/crowd.h"

/* Calls that wait */

struct call_limit {
	struct rln_timer timer;
	struct rln_wait *wait;
	bool over;
};

static void limit_over(struct rln_timer *t)
{
	struct call_limit *l = rln_container_of(t, struct call_limit, timer);

	l->over = rln_wait_fire(l->wait, -ETIMEDOUT);
}

int rln_conn_park_limited(struct ringline_conn *c, struct rln_parker *p, struct rln_wait *w, struct rln_source *source,
                          enum rln_conn_limit limit)
{
	struct rln_exec *x = c->io->exec;
	struct call_limit l = { .wait = w };
	int r;

	rln_timer_init(&l.timer, limit_over);
	r = rln_timer_arm(x, &l.timer, rln_time_add(rln_clock_now(x->clock), c->extra->timeout[limit]));
	if (r == 0)
		r = rln_park(p);
	rln_timer_cancel(x, &l.timer);
	if (r || !l.over)
		return r;
	rln_parker_init(p, p->task, p->what, p->object);
	rln_wait_arm(w, p, source);
	return -ETIMEDOUT;
}

/* Silence */

/* Bytes that have been handed to the kernel and not acknowledged; what is no socket has none. */
static int unsent(const struct ringline_conn *c)
{
	int n = 0;

	return ioctl(c->fd, SIOCOUTQ, &n) == 0 ? n : 0;
}

/* A send that is as large as its connection is slow completes late: the kernel tells whether it gets on. */
static bool still_moves(struct ringline_conn *c)
{
	int before = c->extra->unsent;

	if (rln_list_empty(&c->output))
		return false;
	c->extra->unsent = unsent(c);
	return c->extra->unsent != before;
}

static void idle_over(struct rln_timer *t)
{
	struct rln_conn_extra *e = rln_container_of(t, struct rln_conn_extra, idle);
	struct ringline_conn *c = e->conn;
	uint64_t due = rln_time_add(e->moved, e->timeout[RLN_LIMIT_IDLE]);

	if (c->io->exec->now >= due && still_moves(c)) {
		e->moved = c->io->exec->now;
		due = rln_time_add(e->moved, e->timeout[RLN_LIMIT_IDLE]);
	}
	if (c->io->exec->now < due && rln_timer_arm(c->io->exec, t, due) == 0)
		return;
	rln_conn_time_out(c);
}

int rln_conn_idle_restart(struct ringline_conn *c)
{
	struct rln_exec *x = c->io->exec;

	rln_timer_cancel(x, &c->extra->idle);
	c->extra->moved = rln_clock_now(x->clock);
	if (!c->extra->timeout[RLN_LIMIT_IDLE])
		return 0;
	return rln_timer_arm(x, &c->extra->idle, rln_time_add(c->extra->moved, c->extra->timeout[RLN_LIMIT_IDLE]));
}

uint64_t rln_conn_close_timeout(const struct ringline_conn *c)
{
	uint64_t own = c->extra ? c->extra->timeout[RLN_LIMIT_CLOSE] : 0;

	return own ? own : c->io->config.close_timeout;
}

static void linger_over(struct rln_timer *t)
{
	rln_conn_abort(rln_container_of(t, struct rln_conn_extra, linger)->conn);
}

/* Life */

struct rln_conn_extra *rln_conn_extra(struct ringline_conn *c)
{
	if (c->extra)
		return c->extra;
	c->extra = rln_mem_zalloc(sizeof(*c->extra));
	if (!c->extra)
		return NULL;
	c->extra->conn = c;
	rln_timer_init(&c->extra->linger, linger_over);
	rln_timer_init(&c->extra->idle, idle_over);
	return c->extra;
}

void rln_conn_extra_end(struct ringline_conn *c)
{
	if (!c->extra)
		return;
	rln_timer_cancel(c->io->exec, &c->extra->linger);
	rln_timer_cancel(c->io->exec, &c->extra->idle);
	rln_mem_free(c->extra->batch);
	c->extra->batch = NULL;
	rln_crowd_leave(c->extra->crowd, c->extra->place);
	c->extra->crowd = NULL;
	rln_conn_fds_free(c);
}

void rln_conn_extra_free(struct ringline_conn *c)
{
	rln_mem_free(c->extra);
	c->extra = NULL;
}
