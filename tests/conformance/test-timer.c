/* SPDX-License-Identifier: MIT */
/* Timers on the three clocks, and what they tell when the wall clock is set. */
#include <time.h>

#include "support/conformance.h"

_Static_assert(3600 * RINGLINE_NSEC_PER_SEC == UINT64_C(3600000000000), "an hour fits");

static struct ringline_timer *timer(uint32_t clock, uint32_t flags)
{
	struct ringline_timer_options o = RINGLINE_TIMER_OPTIONS_INIT;
	struct ringline_timer *t;

	o.clock = clock;
	o.flags = flags;
	CONF_OK(ringline_timer_new(&t, &o));
	return t;
}

static int once_main(void *arg)
{
	uint32_t clock = *(uint32_t *)arg;
	struct ringline_timer *t = timer(clock, 0);
	uint64_t when;
	int i;

	for (i = 0; i < 5; i++) {
		when = ringline_clock_now(clock) + (uint64_t)i * MSEC;
		CONF_OK(ringline_timer_set(t, when, 0));
		g_assert_cmpint(ringline_timer_wait(t), ==, 1);
		g_assert_cmpuint(ringline_clock_now(clock), >=, when);
	}
	CONF_OK(ringline_timer_set(t, 0, 0));                 /* long ago: at once */
	g_assert_cmpint(ringline_timer_wait(t), ==, 1);
	CONF_OK(ringline_timer_free(t));
	g_assert_cmpint(ringline_timer_free(t), ==, -EBADF);
	g_assert_cmpint(ringline_timer_wait(t), ==, -EBADF);
	g_assert_cmpint(ringline_timer_set(t, 0, 0), ==, -EBADF);
	return 0;
}

static void test_once(void)
{
	uint32_t clock;

	for (clock = 0; clock < 3; clock++)
		CONF_OK(conf_run(once_main, &clock));
}

/* The next expiration follows from the last one, so a late wait finds several. */
static int periodic_main(void *arg)
{
	uint32_t clock = *(uint32_t *)arg;
	struct ringline_timer *t = timer(clock, 0);
	uint64_t start = ringline_clock_now(clock);
	int64_t sum = 0;

	CONF_OK(ringline_timer_set(t, start + MSEC, MSEC));
	while (sum < 20) {
		int64_t n = ringline_timer_wait(t);

		g_assert_cmpint(n, >=, 1);
		sum += n;
		g_assert_cmpuint(ringline_clock_now(clock), >=, start + (uint64_t)sum * MSEC);
		if (sum == 5)
			CONF_OK(ringline_sleep(4 * MSEC));
	}
	CONF_OK(ringline_timer_set(t, RINGLINE_NEVER, 0));
	CONF_OK(ringline_timer_free(t));
	return 0;
}

static void test_periodic(void)
{
	uint32_t clock;

	for (clock = 0; clock < 3; clock++)
		CONF_OK(conf_run(periodic_main, &clock));
}

#define TIMERS 300

struct alarm {
	struct ringline_timer *timer;
	uint64_t when;
	GArray *order;
};

static int alarm_task(void *arg)
{
	struct alarm *a = arg;

	g_assert_cmpint(ringline_timer_wait(a->timer), ==, 1);
	g_assert_cmpuint(ringline_clock_now(RINGLINE_CLOCK_REALTIME), >=, a->when);
	g_array_append_val(a->order, a->when);
	return 0;
}

/* Many on one descriptor, in the order of their times; a third of them are cancelled. */
static int many_main(void *arg)
{
	static struct alarm a[TIMERS];
	uint64_t start = ringline_clock_now(RINGLINE_CLOCK_REALTIME);
	GArray *order = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	struct ringline_scope *scope;
	guint i;

	(void)arg;
	CONF_OK(ringline_scope_open(&scope, NULL));
	for (i = 0; i < TIMERS; i++) {
		a[i].timer = timer(RINGLINE_CLOCK_REALTIME, 0);
		a[i].when = start + 2 * MSEC + (i * 7919 % TIMERS) * 50000;
		a[i].order = order;
		CONF_OK(ringline_timer_set(a[i].timer, a[i].when, 0));
		if (i % 3)
			CONF_OK(ringline_scope_spawn(scope, alarm_task, &a[i]));
		else
			CONF_OK(ringline_timer_free(a[i].timer));
	}
	CONF_OK(ringline_scope_close(scope));
	g_assert_cmpuint(order->len, ==, TIMERS - TIMERS / 3);
	for (i = 1; i < order->len; i++)
		g_assert_cmpuint(g_array_index(order, uint64_t, i - 1), <=, g_array_index(order, uint64_t, i));
	for (i = 0; i < TIMERS; i++)
		if (i % 3)
			CONF_OK(ringline_timer_free(a[i].timer));
	g_array_free(order, TRUE);
	return 0;
}

static void test_many(void)
{
	CONF_OK(conf_run(many_main, NULL));
}

static int set_clock_main(void *arg)
{
	struct ringline_timer *t = timer(RINGLINE_CLOCK_REALTIME, RINGLINE_TIMER_STEPS);
	struct ringline_timer *other = timer(RINGLINE_CLOCK_REALTIME, 0);
	struct timespec now;
	bool *allowed = arg;

	CONF_OK(ringline_timer_set(t, ringline_clock_now(RINGLINE_CLOCK_REALTIME) + 3600 * SEC, 0));
	CONF_OK(ringline_timer_set(other, ringline_clock_now(RINGLINE_CLOCK_REALTIME) + 20 * MSEC, 0));
	CONF_OK(ringline_yield());
	CONF_OK(clock_gettime(CLOCK_REALTIME, &now));
	*allowed = clock_settime(CLOCK_REALTIME, &now) == 0;          /* to what it is, a moment late */
	if (*allowed)
		g_assert_cmpint(ringline_timer_wait(t), ==, -ESTALE);
	g_assert_cmpint(ringline_timer_wait(other), ==, 1);           /* this one was not to be told */
	CONF_OK(ringline_timer_free(t));
	CONF_OK(ringline_timer_free(other));
	return 0;
}

/* Who asks is told that the clock was set, though his timer is not due for an hour. */
static void test_set_clock(void)
{
	bool allowed;

	CONF_OK(conf_run(set_clock_main, &allowed));
	if (!allowed)
		g_test_skip("the clock may not be set here");
}

static int cut_main(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_timer *t = timer(*(uint32_t *)arg, 0);
	struct ringline_scope *scope;

	o.deadline = ringline_now() + 2 * MSEC;
	CONF_OK(ringline_scope_open(&scope, &o));
	g_assert_cmpint(ringline_timer_wait(t), ==, -ETIME);          /* not even armed */
	g_assert_cmpint(ringline_scope_close(scope), ==, -ETIME);
	CONF_OK(ringline_timer_set(t, ringline_clock_now(*(uint32_t *)arg) + 3600 * SEC, 0));
	o.deadline = ringline_now() + 2 * MSEC;
	CONF_OK(ringline_scope_open(&scope, &o));
	g_assert_cmpint(ringline_timer_wait(t), ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(scope), ==, -ETIME);
	return 0;                 /* armed, and never freed: the worker ends all the same */
}

/* What the task leaves armed is the shutdown's to end. */
static void run_untidy(int (*fn)(void *arg), void *arg)
{
	struct ringline_runtime *rt = conf_serve(NULL, 1, NULL, NULL, NULL, NULL);

	CONF_OK(conf_call(rt, 0, fn, arg));
	CONF_OK(conf_stop(rt));
}

static void test_cut(void)
{
	uint32_t clock;

	for (clock = 0; clock < 3; clock++)
		run_untidy(cut_main, &clock);
}

static int free_timer(void *arg)
{
	return ringline_timer_free(arg);
}

static int bad_main(void *arg)
{
	struct ringline_timer_options o = RINGLINE_TIMER_OPTIONS_INIT;
	struct ringline_timer *t = timer(RINGLINE_CLOCK_BOOTTIME, 0);
	struct ringline_timer *other;

	(void)arg;
	CONF_OK(ringline_spawn(free_timer, t));
	g_assert_cmpint(ringline_timer_wait(t), ==, -EBADF);
	g_assert_cmpint(ringline_timer_new(NULL, NULL), ==, -EINVAL);
	o.clock = 3;
	g_assert_cmpint(ringline_timer_new(&other, &o), ==, -EINVAL);
	o.clock = RINGLINE_CLOCK_BOOTTIME;
	o.flags = RINGLINE_TIMER_STEPS;
	g_assert_cmpint(ringline_timer_new(&other, &o), ==, -EINVAL);
	g_assert_cmpint(ringline_timer_wait(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_timer_set(NULL, 0, 0), ==, -EINVAL);
	CONF_OK(ringline_timer_free(NULL));
	g_assert_cmpuint(ringline_clock_now(3), ==, 0);
	return 0;
}

static void test_bad(void)
{
	struct ringline_timer *t;

	CONF_OK(conf_run(bad_main, NULL));
	conf_log_allow("not a worker");
	g_assert_cmpint(ringline_timer_new(&t, NULL), ==, -EPERM);
}

static void add(void)
{
	conf_add("/timer/once", test_once);
	conf_add("/timer/periodic-does-not-drift", test_periodic);
	conf_add("/timer/many-on-one-descriptor", test_many);
	conf_add("/timer/told-that-the-clock-was-set", test_set_clock);
	conf_add("/timer/cut", test_cut);
	conf_add("/timer/bad-calls", test_bad);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "timer", add);
}
