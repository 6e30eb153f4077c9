/* SPDX-License-Identifier: MIT */
/*
 * Sleeping: a timer and a wait node on the sleeper's stack, or an op handle around a timer.
 *
 * Relative times are taken from the clock at the call, not from the turn's cached time, which lies in the past: a sleep
 * is never short.
 */
#include <errno.h>

#include "core/executor.h"
#include "core/handle.h"
#include "core/task.h"
#include "core/timer.h"

struct sleeper {
	struct rln_timer timer;
	struct rln_wait wait;
};

static void sleeper_fire(struct rln_timer *t)
{
	struct sleeper *s = rln_container_of(t, struct sleeper, timer);

	rln_wait_fire(&s->wait, 0);
}

static const struct rln_what what_sleep = { .name = "sleep" };

static int sleep_until(struct ringline_task *self, uint64_t deadline)
{
	struct rln_exec *x = rln_exec_current;
	struct rln_parker p;
	struct sleeper s;
	int r;

	rln_timer_init(&s.timer, sleeper_fire);
	rln_parker_init(&p, self, &what_sleep, &deadline);
	rln_wait_arm(&s.wait, &p, NULL);
	r = rln_timer_arm(x, &s.timer, deadline);
	if (r < 0)
		return r;
	r = rln_park(&p);
	rln_timer_cancel(x, &s.timer);
	return r;
}

int ringline_sleep_until(uint64_t deadline)
{
	struct ringline_task *self = rln_task_get(__func__);

	return self ? sleep_until(self, deadline) : rln_not_here();
}

int ringline_sleep(uint64_t ns)
{
	struct ringline_task *self = rln_task_get(__func__);

	if (!self)
		return rln_not_here();
	return sleep_until(self, rln_time_add(rln_clock_now(rln_exec_current->clock), ns));
}

uint64_t ringline_now(void)
{
	struct rln_exec *x = rln_exec_current;

	return rln_clock_now(x ? x->clock : &rln_clock_real);
}

static void sleep_op_fire(struct rln_timer *t)
{
	rln_handle_done(rln_container_of(t, struct ringline_op, work.timer), 0);
}

static void sleep_op_cancel(struct ringline_op *h)
{
	rln_timer_cancel(rln_exec_current, &h->work.timer);
	rln_handle_done(h, -ECANCELED);
}

static const struct rln_handle_kind sleep_op = { .cancel = sleep_op_cancel };

int ringline_sleep_begin(struct ringline_op **ret, uint64_t ns)
{
	struct ringline_task *self = rln_task_get(__func__);
	struct rln_exec *x = rln_exec_current;
	struct ringline_op *h;
	int r;

	if (!self)
		return rln_not_here();
	if (!ret)
		return -EINVAL;
	r = rln_handle_new(&h, &sleep_op);
	if (r < 0)
		return r;
	rln_timer_init(&h->work.timer, sleep_op_fire);
	r = rln_timer_arm(x, &h->work.timer, rln_time_add(rln_clock_now(x->clock), ns));
	if (r < 0) {
		rln_handle_drop(h);
		return r;
	}
	*ret = h;
	return 0;
}
