/* SPDX-License-Identifier: MIT */
/* The parking primitive: parkers, nodes, sources. */
#include "support/fake-backend.h"

/* Waits on up to four sources at once, and reports which node won. */
struct waiter {
	struct rln_source *source[4];
	int n;
	int returned;
	int winner;
	int64_t result;
	bool shielded;
	bool woken;
};

static int waits(void *arg)
{
	struct waiter *wt = arg;
	struct rln_parker p;
	struct rln_wait w[4];
	int i;

	rln_parker_init(&p, rln_task_current(), NULL, NULL);
	for (i = 0; i < wt->n; i++)
		rln_wait_arm(&w[i], &p, wt->source[i]);
	if (wt->shielded)
		rln_park_shielded(&p);
	else
		wt->returned = rln_park(&p);
	for (i = 0; i < wt->n; i++)
		rln_wait_disarm(&w[i]);
	wt->woken = true;
	wt->winner = rln_parker_winner(&p) ? (int)(rln_parker_winner(&p) - w) : -1;
	wt->result = rln_parker_winner(&p) ? rln_parker_winner(&p)->result : 0;
	return 0;
}

static struct ringline_task *start_waiter(struct waiter *w)
{
	struct ringline_task *t;

	g_assert_cmpint(ringline_task_start(&t, waits, w, NULL), ==, 0);
	g_assert_cmpint(ringline_yield(), ==, 0);
	return t;
}

static void join(struct ringline_task *t)
{
	g_assert_cmpint(ringline_task_join(t, NULL), ==, 0);
}

static int fire_nobody(void *arg)
{
	struct rln_source s;
	struct waiter w = { .source = { &s }, .n = 1 };
	struct ringline_task *t;

	(void)arg;
	rln_source_init(&s);
	g_assert_false(rln_source_fire_one(&s, 1));
	rln_source_fire_all(&s, 2);
	t = start_waiter(&w);
	g_assert_false(w.woken);      /* what was fired for nobody is not kept */
	g_assert_true(rln_source_waited_on(&s));
	g_assert_true(rln_source_fire_one(&s, 3));
	g_assert_false(rln_source_waited_on(&s));
	join(t);
	g_assert_cmpint(w.result, ==, 3);
	return 0;
}

static int fire_one_is_fifo(void *arg)
{
	struct rln_source s;
	struct waiter w[3];
	struct ringline_task *t[3];
	int i;

	(void)arg;
	rln_source_init(&s);
	for (i = 0; i < 3; i++) {
		w[i] = (struct waiter){ .source = { &s }, .n = 1 };
		t[i] = start_waiter(&w[i]);
	}
	for (i = 0; i < 3; i++) {
		g_assert_true(rln_source_fire_one(&s, i));
		join(t[i]);
		g_assert_cmpint(w[i].result, ==, i);
	}
	return 0;
}

static int fire_all_in_order(void *arg)
{
	struct rln_source s;
	struct waiter w[3];
	struct ringline_task *t[3];
	int i;

	(void)arg;
	rln_source_init(&s);
	for (i = 0; i < 3; i++) {
		w[i] = (struct waiter){ .source = { &s }, .n = 1 };
		t[i] = start_waiter(&w[i]);
	}
	rln_source_fire_all(&s, 9);
	for (i = 0; i < 3; i++) {
		join(t[i]);
		g_assert_cmpint(w[i].result, ==, 9);
	}
	return 0;
}

/* Of several sources the first to fire wins; the others learn that their waiter is gone and may serve the next. */
static int first_wins(void *arg)
{
	struct rln_source a;
	struct rln_source b;
	struct waiter both = { .source = { &a, &b }, .n = 2 };
	struct waiter next = { .source = { &a }, .n = 1 };
	struct ringline_task *t1;
	struct ringline_task *t2;

	(void)arg;
	rln_source_init(&a);
	rln_source_init(&b);
	t1 = start_waiter(&both);
	t2 = start_waiter(&next);
	g_assert_true(rln_source_fire_one(&b, 5));
	g_assert_true(rln_source_fire_one(&a, 6));    /* passes the loser over */
	join(t1);
	join(t2);
	g_assert_cmpint(both.winner, ==, 1);
	g_assert_cmpint(both.result, ==, 5);
	g_assert_cmpint(next.result, ==, 6);
	g_assert_false(rln_source_waited_on(&a));
	g_assert_false(rln_source_waited_on(&b));
	return 0;
}

/* A waiter that was cut is off its source: what is fired next goes to nobody, or to the next in line. */
static int cut_disarms(void *arg)
{
	struct rln_source s;
	struct waiter w[2] = { { .source = { &s }, .n = 1 }, { .source = { &s }, .n = 1 } };
	struct ringline_task *t[2];

	(void)arg;
	rln_source_init(&s);
	t[0] = start_waiter(&w[0]);
	t[1] = start_waiter(&w[1]);
	g_assert_cmpint(ringline_task_cancel(t[0]), ==, 0);
	join(t[0]);
	g_assert_cmpint(w[0].returned, ==, -ECANCELED);
	g_assert_cmpint(w[0].winner, ==, -1);
	g_assert_true(rln_source_fire_one(&s, 8));
	join(t[1]);
	g_assert_cmpint(w[1].result, ==, 8);
	return 0;
}

/* Fired and cut in the same turn, in either order: what was fired is delivered. */
static int fired_beats_cut(void *arg)
{
	struct rln_source s;
	struct waiter w = { .source = { &s }, .n = 1 };
	struct ringline_task *t;

	(void)arg;
	rln_source_init(&s);
	t = start_waiter(&w);
	g_assert_true(rln_source_fire_one(&s, 4));
	g_assert_cmpint(ringline_task_cancel(t), ==, 0);
	join(t);
	g_assert_cmpint(w.returned, ==, 0);
	g_assert_cmpint(w.result, ==, 4);

	w = (struct waiter){ .source = { &s }, .n = 1 };
	t = start_waiter(&w);
	g_assert_cmpint(ringline_task_cancel(t), ==, 0);
	g_assert_true(rln_source_fire_one(&s, 5));
	join(t);
	g_assert_cmpint(w.returned, ==, 0);
	g_assert_cmpint(w.result, ==, 5);
	return 0;
}

static int wake_is_a_hint(void *arg)
{
	struct rln_source s;
	struct waiter w = { .source = { &s }, .n = 1 };
	struct ringline_task *t;

	(void)arg;
	rln_source_init(&s);
	t = start_waiter(&w);
	rln_task_wake(t);
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_false(w.woken);
	g_assert_true(rln_source_fire_one(&s, 1));
	join(t);
	return 0;
}

static int shielded_ignores_cuts(void *arg)
{
	struct rln_source s;
	struct waiter w = { .source = { &s }, .n = 1, .shielded = true };
	struct ringline_task *t;

	(void)arg;
	rln_source_init(&s);
	t = start_waiter(&w);
	g_assert_cmpint(ringline_task_cancel(t), ==, 0);
	g_assert_cmpint(t->state, ==, RLN_TASK_IDLE);     /* not even woken */
	rln_task_wake(t);
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_false(w.woken);
	g_assert_true(rln_source_fire_one(&s, 1));
	join(t);
	g_assert_cmpint(w.result, ==, 1);
	return 0;
}

static int wait_on(void *arg)
{
	struct rln_source s;
	struct ringline_scope *scope;
	int64_t result = 77;

	(void)arg;
	rln_source_init(&s);
	g_assert_cmpint(ringline_scope_open(&scope, NULL), ==, 0);
	g_assert_cmpint(ringline_scope_cancel(scope), ==, 0);
	g_assert_cmpint(rln_wait_on(&s, &result, NULL, NULL), ==, -ECANCELED);
	g_assert_false(rln_source_waited_on(&s));
	g_assert_cmpint(ringline_scope_close(scope), ==, -ECANCELED);
	return 0;
}

static const struct fixture_case cases[] = {
	{ "/wait/fired-for-nobody-leaves-nothing", fire_nobody, { 0 } },
	{ "/wait/fire-one-takes-the-longest-waiting", fire_one_is_fifo, { 0 } },
	{ "/wait/fire-all", fire_all_in_order, { 0 } },
	{ "/wait/first-source-wins-and-losers-pass-on", first_wins, { 0 } },
	{ "/wait/cut-leaves-the-source", cut_disarms, { 0 } },
	{ "/wait/what-was-fired-is-delivered-though-cut", fired_beats_cut, { 0 } },
	{ "/wait/wake-is-a-hint", wake_is_a_hint, { 0 } },
	{ "/wait/shielded-park-ignores-cuts", shielded_ignores_cuts, { 0 } },
	{ "/wait/wait-on-a-cut-scope-does-not-park", wait_on, { 0 } },
};

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	fixture_add_cases(cases, G_N_ELEMENTS(cases));
	return g_test_run();
}
