/* SPDX-License-Identifier: MIT */
/* Stackless tasks as a host writes them: a poll function and its state, operations, and calls that do not wait. */
#include "core/sync.h"
#include "ringline/chan.h"
#include "ringline/select.h"
#include "support/fake-backend.h"

#define OK(call) g_assert_cmpint((call), ==, 0)

static struct ringline_task *start(int (*poll)(void *arg), void *arg)
{
	struct ringline_task_options o = RINGLINE_TASK_OPTIONS_INIT;
	struct ringline_task *t;

	o.flags = RINGLINE_TASK_STACKLESS;
	o.name = "poll";
	OK(ringline_task_start(&t, poll, arg, &o));
	return t;
}

static int join(struct ringline_task *t)
{
	int result;

	OK(ringline_task_join(t, &result));
	return result;
}

/* --- a task that sleeps twice ------------------------------------------------------------------------------------- */

struct sleeper {
	struct ringline_op *op;
	int step;
	int polls;
};

static int sleeps_twice(void *arg)
{
	struct sleeper *s = arg;

	s->polls++;
	for (;;) {
		int64_t r;

		if (!s->op) {
			if (s->step == 2)
				return 42;
			OK(ringline_sleep_begin(&s->op, 100));
		}
		r = ringline_op_result(s->op);
		if (r == -EINPROGRESS)
			return -EINPROGRESS;
		s->op = NULL;
		if (r < 0)
			return (int)r;
		s->step++;
	}
}

static int operations(void *fx)
{
	struct sleeper s = { .op = NULL };

	g_assert_cmpint(join(start(sleeps_twice, &s)), ==, 42);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 200);
	g_assert_cmpint(s.polls, ==, 3);
	return 0;
}

/* A cancelled task is polled, finds its operation cancelled, and ends as it likes. */
static int cancelled(void *fx)
{
	struct sleeper s = { .op = NULL };
	struct ringline_task *t = start(sleeps_twice, &s);

	(void)fx;
	OK(ringline_yield());
	OK(ringline_task_cancel(t));
	g_assert_cmpint(join(t), ==, -ECANCELED);
	return 0;
}

static int calls_that_would_park(void *arg)
{
	struct ringline_event *e;
	struct ringline_chan *c = arg;
	struct ringline_case one = { .kind = RINGLINE_CASE_DEADLINE, .value = 1 };
	int value = 0;

	OK(ringline_event_new(&e, NULL));
	g_assert_cmpint(ringline_event_wait(e), ==, -EDEADLK);
	g_assert_cmpint(ringline_chan_recv(c, &value), ==, -EDEADLK);
	g_assert_cmpint(ringline_chan_send(c, &value), ==, -EDEADLK);
	g_assert_cmpint(ringline_yield(), ==, -EDEADLK);
	g_assert_cmpint(ringline_checkpoint(), ==, -EDEADLK);
	g_assert_cmpint((int)ringline_sleep(1), ==, -EDEADLK);
	g_assert_cmpint((int)ringline_select(&one, 1, sizeof(one), 0), ==, -EDEADLK);
	OK(ringline_chan_try_send(c, &value));
	OK(ringline_chan_try_recv(c, &value));
	return ringline_event_free(e);
}

static int parking_is_edeadlk(void *fx)
{
	struct ringline_chan *c;

	(void)fx;
	OK(ringline_chan_new(&c, sizeof(int), 1, NULL));
	OK(join(start(calls_that_would_park, c)));
	OK(ringline_chan_unref(c));
	return 0;
}

/* --- select as an operation --------------------------------------------------------------------------------------- */

struct chooser {
	struct ringline_case cases[4];
	struct ringline_op *op;
	int64_t result;
	int value;
	int started;
};

static int chooses(void *arg)
{
	struct chooser *c = arg;

	if (!c->op)
		OK(ringline_select_begin(&c->op, c->cases, 4, sizeof(c->cases[0]), RINGLINE_SELECT_BIASED));
	c->started = 1;
	c->result = ringline_op_result(c->op);
	if (c->result == -EINPROGRESS)
		return -EINPROGRESS;
	if (c->result == 2)
		OK(ringline_mutex_unlock(c->cases[2].object));
	return 7;
}

struct things {
	struct ringline_event *event;
	struct ringline_chan *chan;
	struct ringline_mutex *mutex;
	struct chooser chooser;
};

static void things_open(struct things *t, uint32_t shared)
{
	struct ringline_chan_options co = { .size = sizeof(co), .flags = shared };
	struct ringline_sync_options so = { .size = sizeof(so), .flags = shared };

	OK(ringline_event_new(&t->event, NULL));
	OK(ringline_chan_new(&t->chan, sizeof(int), 1, &co));
	OK(ringline_mutex_new(&t->mutex, &so));
	t->chooser = (struct chooser){ .value = -1 };
	t->chooser.cases[0] = (struct ringline_case){ .kind = RINGLINE_CASE_EVENT, .object = t->event };
	t->chooser.cases[1] = (struct ringline_case){
		.kind = RINGLINE_CASE_RECEIVE, .object = t->chan, .data = &t->chooser.value };
	t->chooser.cases[2] = (struct ringline_case){ .kind = RINGLINE_CASE_MUTEX, .object = t->mutex };
	t->chooser.cases[3] = (struct ringline_case){ .kind = RINGLINE_CASE_DEADLINE, .value = FAKE_START + 1000 };
}

static void things_close(struct things *t)
{
	OK(ringline_event_free(t->event));
	OK(ringline_chan_unref(t->chan));
	OK(ringline_mutex_free(t->mutex));
}

/* Something happens to one of four things while a task waits for all of them. */
static void select_one(uint32_t shared, int which)
{
	struct ringline_task *task;
	struct things t;
	int value = 5;

	things_open(&t, shared);
	t.chooser.cases[3].value = rln_exec_current->now + 1000;
	OK(ringline_mutex_lock(t.mutex));
	task = start(chooses, &t.chooser);
	OK(ringline_yield());
	g_assert_cmpint(t.chooser.started, ==, 1);
	if (which == 0)
		OK(ringline_event_set(t.event));
	else if (which == 1)
		OK(ringline_chan_send(t.chan, &value));
	else if (which == 2)
		OK(ringline_mutex_unlock(t.mutex));
	g_assert_cmpint(join(task), ==, 7);
	g_assert_cmpint((int)t.chooser.result, ==, which);
	g_assert_cmpint((int)t.chooser.cases[which].result, ==, 0);
	g_assert_cmpint(t.chooser.value, ==, which == 1 ? 5 : -1);
	if (which != 2)
		OK(ringline_mutex_unlock(t.mutex));
	things_close(&t);
}

static int select_as_an_operation(void *fx)
{
	int which;

	(void)fx;
	for (which = 0; which < 4; which++) {
		select_one(0, which);
		select_one(RINGLINE_SYNC_SHARED, which);
	}
	return 0;
}

/* Ready when it begins: the result is there at once. */
static int select_ready_at_once(void *fx)
{
	struct ringline_op *op;
	struct things t;

	(void)fx;
	things_open(&t, 0);
	OK(ringline_event_set(t.event));
	OK(ringline_select_begin(&op, t.chooser.cases, 4, sizeof(t.chooser.cases[0]), RINGLINE_SELECT_BIASED));
	g_assert_cmpint((int)ringline_op_result(op), ==, 0);
	g_assert_cmpint(ringline_select_begin(&op, t.chooser.cases, 4, sizeof(t.chooser.cases[0]), RINGLINE_SELECT_NOWAIT),
	                ==, -EINVAL);
	t.chooser.cases[0].object = NULL;
	g_assert_cmpint(ringline_select_begin(&op, t.chooser.cases, 4, sizeof(t.chooser.cases[0]), RINGLINE_SELECT_BIASED),
	                ==, -EINVAL);
	things_close(&t);
	return 0;
}

/* Cancelled, awaited or left to its scope: nothing stays registered. */
static int select_cancelled(void *fx)
{
	struct ringline_scope *scope;
	struct ringline_op *op;
	struct things t;
	int round;

	(void)fx;
	things_open(&t, 0);
	OK(ringline_mutex_lock(t.mutex));
	t.chooser.cases[2].kind = RINGLINE_CASE_NONE;
	for (round = 0; round < 2; round++) {
		OK(ringline_scope_open(&scope, NULL));
		OK(ringline_select_begin(&op, t.chooser.cases, 4, sizeof(t.chooser.cases[0]), 0));
		if (round == 0) {
			OK(ringline_op_cancel(op));
			g_assert_cmpint((int)ringline_op_await(op), ==, -ECANCELED);
		}
		OK(ringline_scope_close(scope));
		g_assert_false(rln_source_waited_on(&t.event->waiters));
	}
	OK(ringline_mutex_unlock(t.mutex));
	things_close(&t);
	return 0;
}

/* Fired and cancelled in the same turn: what was received is not lost. */
static int select_fired_and_cancelled(void *fx)
{
	struct ringline_op *op;
	struct things t;
	int value = 9;

	(void)fx;
	things_open(&t, 0);
	t.chooser.cases[2].kind = RINGLINE_CASE_NONE;
	OK(ringline_select_begin(&op, t.chooser.cases, 4, sizeof(t.chooser.cases[0]), 0));
	OK(ringline_chan_send(t.chan, &value));
	OK(ringline_op_cancel(op));
	g_assert_cmpint((int)ringline_op_await(op), ==, 1);
	g_assert_cmpint(t.chooser.value, ==, 9);
	things_close(&t);
	return 0;
}

/* --- very many ---------------------------------------------------------------------------------------------------- */

struct waiter {
	struct ringline_case one;
	struct ringline_op *op;
};

static int waits(void *arg)
{
	struct waiter *w = arg;

	if (!w->op)
		OK(ringline_select_begin(&w->op, &w->one, 1, sizeof(w->one), 0));
	return (int)ringline_op_result(w->op);
}

/* None of them has a stack, or a descriptor. */
static int a_hundred_thousand_parked(void *fx)
{
	uint32_t n = fake_scaled(100000);
	struct waiter *w = g_new0(struct waiter, n);
	struct ringline_task **t = g_new0(struct ringline_task *, n);
	struct rln_stack_pool_stats stacks;
	struct ringline_event *e;
	uint32_t i;

	OK(ringline_event_new(&e, NULL));
	for (i = 0; i < n; i++) {
		w[i].one = (struct ringline_case){ .kind = RINGLINE_CASE_EVENT, .object = e };
		t[i] = start(waits, &w[i]);
	}
	while (!w[n - 1].op)
		OK(ringline_yield());
	rln_stack_pool_stats(((struct fixture *)fx)->x.stacks, &stacks);
	g_assert_cmpuint(stacks.live, ==, 1);
	OK(ringline_event_set(e));
	OK(ringline_join(t, n, NULL));
	OK(ringline_event_free(e));
	g_free(t);
	g_free(w);
	return 0;
}

static const struct fixture_case cases[] = {
	{ .path = "/stackless/operations", .fn = operations },
	{ .path = "/stackless/cancelled", .fn = cancelled },
	{ .path = "/stackless/parking-is-edeadlk", .fn = parking_is_edeadlk },
	{ .path = "/stackless/select/each", .fn = select_as_an_operation },
	{ .path = "/stackless/select/ready-at-once", .fn = select_ready_at_once },
	{ .path = "/stackless/select/cancelled", .fn = select_cancelled },
	{ .path = "/stackless/select/fired-and-cancelled", .fn = select_fired_and_cancelled },
	{ .path = "/stackless/a-hundred-thousand-parked", .fn = a_hundred_thousand_parked },
};

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	fixture_add_cases(cases, G_N_ELEMENTS(cases));
	return g_test_run();
}
