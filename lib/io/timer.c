/* SPDX-License-Identifier: MIT */
/* Timer objects; timer.h tells the idea. */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sized.h"
#include "core/select.h"
#include "core/task.h"
#include "io/timer.h"

/* Expiring */

/* Counts what was due at *when* and has been since; when the next expiration is, RINGLINE_NEVER if there is none. */
static uint64_t expire(struct ringline_timer *t, uint64_t when, uint64_t now)
{
	uint64_t missed = t->interval ? (now - when) / t->interval : 0;

	t->expirations += 1 + missed;
	rln_source_fire_all(&t->waiters, 0);
	return t->interval ? rln_time_add(when, (missed + 1) * t->interval) : RINGLINE_NEVER;
}

static uint64_t alarm_fired(struct rln_alarm *a, uint64_t when, uint64_t now)
{
	return expire(rln_container_of(a, struct ringline_timer, alarm), when, now);
}

static void clock_stepped(struct rln_alarm *a)
{
	struct ringline_timer *t = rln_container_of(a, struct ringline_timer, alarm);

	t->stepped = true;
	rln_source_fire_all(&t->waiters, 0);
}

/* It goes back to the heap that it has just left: there is room for it. */
static void timer_fired(struct rln_timer *timer)
{
	struct ringline_timer *t = rln_container_of(timer, struct ringline_timer, timer);
	struct rln_exec *x = t->io->exec;

	t->when = expire(t, t->when, x->now);
	if (t->when != RINGLINE_NEVER)
		(void)!rln_timer_arm(x, timer, t->when);
}

/* Life */

static int check(const struct ringline_timer *t, const char *call)
{
	if (!t)
		return -EINVAL;
	if (!rln_exec_get(call))
		return rln_not_here();
	return rln_exec_check_handle(&rln_io_current()->timers, &t->slot, call);
}

static int open_clock(struct rln_alarm_clock **ret, struct rln_io *io, uint32_t clock)
{
	*ret = NULL;
	if (clock == RINGLINE_CLOCK_MONOTONIC)
		return 0;
	*ret = clock == RINGLINE_CLOCK_REALTIME ? &io->realtime : &io->boottime;
	return rln_alarm_clock_open(*ret);
}

int ringline_timer_new(struct ringline_timer **ret, const struct ringline_timer_options *options)
{
	struct rln_exec *x = rln_exec_get(__func__);
	struct ringline_timer_options o;
	struct rln_alarm_clock *clock;
	struct ringline_timer *t;
	int r;

	if (!x)
		return rln_not_here();
	r = rln_sized_in(&o, sizeof(o), options);
	if (r < 0)
		return r;
	if (!ret || o.clock > RINGLINE_CLOCK_BOOTTIME || o.flags & ~RINGLINE_TIMER_STEPS ||
	    (o.flags && o.clock != RINGLINE_CLOCK_REALTIME))
		return -EINVAL;
	r = open_clock(&clock, x->io, o.clock);
	if (r < 0)
		return r;
	t = rln_slab_alloc(&x->io->timers);
	if (!t)
		return -ENOMEM;
	t->io = x->io;
	t->clock = clock;
	t->interval = 0;
	t->expirations = 0;
	t->stepped = false;
	rln_source_init(&t->waiters);
	rln_timer_init(&t->timer, timer_fired);
	rln_alarm_init(&t->alarm, alarm_fired, clock_stepped);
	if (o.flags & RINGLINE_TIMER_STEPS)
		rln_alarm_watch(clock, &t->alarm);
	*ret = t;
	return 0;
}

static void disarm(struct ringline_timer *t, bool forget)
{
	if (t->clock)
		rln_alarm_cancel(t->clock, &t->alarm, forget);
	else
		rln_timer_cancel(t->io->exec, &t->timer);
}

int ringline_timer_set(struct ringline_timer *timer, uint64_t when, uint64_t interval)
{
	int r = check(timer, __func__);

	if (r < 0)
		return r;
	disarm(timer, false);
	timer->expirations = 0;
	timer->interval = interval;
	timer->when = when;
	if (when == RINGLINE_NEVER)
		return 0;
	return timer->clock ? rln_alarm_arm(timer->clock, &timer->alarm, when) :
	                      rln_timer_arm(timer->io->exec, &timer->timer, when);
}

int ringline_timer_free(struct ringline_timer *timer)
{
	int r = timer ? check(timer, __func__) : 0;

	if (r < 0 || !timer)
		return r;
	disarm(timer, true);
	rln_source_fire_all(&timer->waiters, -EBADF);
	rln_slab_free(&timer->io->timers, timer);
	return 0;
}

/* Waiting */

/* What there is to tell; 0: nothing. */
static int64_t take(struct ringline_timer *t)
{
	int64_t n = (int64_t)t->expirations;

	if (t->stepped) {
		t->stepped = false;
		return -ESTALE;
	}
	t->expirations = 0;
	return n;
}

static const struct rln_what what_timer = { .name = "timer" };

int64_t ringline_timer_wait(struct ringline_timer *timer)
{
	struct ringline_task *t;
	uint32_t gen;
	int64_t told;
	int r = rln_task_get_parking(&t, __func__);

	if (r == 0)
		r = check(timer, __func__);
	if (r < 0)
		return r;
	gen = timer->slot.gen;
	while (!(told = take(timer))) {
		int64_t fired;

		r = rln_wait_on(&timer->waiters, &fired, &what_timer, timer);
		if (r < 0)
			return r;
		if (timer->slot.gen != gen)
			return -EBADF;
	}
	return told;
}

/* As a case of select */

static int arm_case(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	struct ringline_timer *t = c->object;
	int r = rln_case_check(c, n, &rln_io_current()->timers);

	if (r)
		return r;
	c->result = take(t);
	if (c->result)
		return RLN_CASE_READY;
	rln_wait_arm(&n->wait, p, &t->waiters);
	return RLN_CASE_WAITS;
}

static bool settle_case(struct ringline_case *c, const struct rln_select_node *n)
{
	c->result = rln_case_gone(c, n) ? -EBADF : take(c->object);
	return c->result != 0;
}

static const struct rln_case_kind timer_case = { .arm = arm_case, .settle = settle_case };

/* The clocks */

uint64_t ringline_clock_now(uint32_t clock)
{
	static const clockid_t ids[] = {
		[RINGLINE_CLOCK_MONOTONIC] = CLOCK_MONOTONIC,
		[RINGLINE_CLOCK_REALTIME] = CLOCK_REALTIME,
		[RINGLINE_CLOCK_BOOTTIME] = CLOCK_BOOTTIME,
	};

	return clock > RINGLINE_CLOCK_BOOTTIME ? 0 : rln_clock_read(ids[clock]);
}

void rln_timers_init(struct rln_io *io)
{
	rln_slab_init(&io->timers, sizeof(struct ringline_timer), 8, 0);
	rln_alarm_clock_init(&io->realtime, CLOCK_REALTIME);
	rln_alarm_clock_init(&io->boottime, CLOCK_BOOTTIME);
	io->exec->case_kinds[RINGLINE_CASE_TIMER] = &timer_case;
}

void rln_timers_fini(struct rln_io *io)
{
	rln_alarm_clock_fini(&io->realtime);
	rln_alarm_clock_fini(&io->boottime);
	if (rln_slab_fini(&io->timers))
		rln_log(RLN_LOG_WARNING, "timers were never freed");
}

void rln_timers_end_all(struct rln_io *io)
{
	rln_alarm_clock_end(&io->realtime);
	rln_alarm_clock_end(&io->boottime);
}
