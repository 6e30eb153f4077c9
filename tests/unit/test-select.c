/* SPDX-License-Identifier: MIT */
/* Select and events, on the scripted backend: who is chosen, what is consumed, and that losers leave nothing behind. */
#include <string.h>

#include "base/fault.h"
#include "base/mem.h"
#include "core/sync.h"
#include "ringline/select.h"
#include "support/fake-backend.h"

#define MANY 200

static struct ringline_case on(uint32_t kind, void *object)
{
	return (struct ringline_case){ .kind = kind, .object = object, .result = -1000 };
}

static struct ringline_case at(uint64_t deadline)
{
	return (struct ringline_case){ .kind = RINGLINE_CASE_DEADLINE, .value = deadline, .result = -1000 };
}

static ssize_t sel(struct ringline_case *c, size_t n)
{
	return ringline_select(c, n, sizeof(*c), RINGLINE_SELECT_BIASED);
}

static struct ringline_event *event(void)
{
	struct ringline_event *e;

	g_assert_cmpint(ringline_event_new(&e, NULL), ==, 0);
	return e;
}

static void set(struct ringline_event *e)
{
	g_assert_cmpint(ringline_event_set(e), ==, 0);
}

static void drop(struct ringline_event *e)
{
	g_assert_false(rln_source_waited_on(&e->waiters));
	g_assert_cmpint(ringline_event_free(e), ==, 0);
}

/* Sleeps, then does something to an event. */
struct later {
	uint64_t ns;
	struct ringline_event *event;
	int (*act)(struct ringline_event *e);
	int result;
};

static int act_later(void *arg)
{
	struct later *l = arg;

	g_assert_cmpint(ringline_sleep(l->ns), ==, 0);
	if (l->act)
		g_assert_cmpint(l->act(l->event), ==, 0);
	return l->result;
}

static void do_later(struct later *l)
{
	g_assert_cmpint(ringline_spawn(act_later, l), ==, 0);
}

/* --- events ------------------------------------------------------------------------------------------------------- */

static int event_wait(void *arg)
{
	struct ringline_event *e = event();
	struct later l = { 100, e, ringline_event_set, 0 };

	do_later(&l);
	g_assert_cmpint(ringline_event_wait(e), ==, 0);
	g_assert_cmpuint(fake_now(arg), ==, FAKE_START + 100);
	g_assert_cmpint(ringline_event_wait(e), ==, 0);       /* it stays set */
	g_assert_cmpint(ringline_event_reset(e), ==, 0);
	l = (struct later){ 100, e, ringline_event_free, 0 };
	do_later(&l);
	g_assert_cmpint(ringline_event_wait(e), ==, -EBADF);
	g_assert_cmpint(ringline_event_wait(e), ==, -EBADF);
	g_assert_cmpint(ringline_event_set(e), ==, -EBADF);
	g_assert_cmpint(ringline_event_free(e), ==, -EBADF);
	g_assert_cmpint(ringline_event_free(NULL), ==, 0);
	g_assert_cmpint(ringline_event_set(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_event_new(NULL, NULL), ==, -EINVAL);
	return 0;
}

static int set_and_reset(struct ringline_event *e)
{
	g_assert_cmpint(ringline_event_set(e), ==, 0);
	return ringline_event_reset(e);
}

/* Who waited while it was set goes on, also if it is reset before his turn. */
static int event_pulse(void *arg)
{
	struct ringline_event *e = event();
	struct later l = { 100, e, set_and_reset, 0 };
	struct ringline_case c = on(RINGLINE_CASE_EVENT, e);

	(void)arg;
	do_later(&l);
	g_assert_cmpint(ringline_event_wait(e), ==, 0);
	do_later(&l);
	g_assert_cmpint(sel(&c, 1), ==, 0);
	g_assert_cmpint(ringline_yield(), ==, 0);
	drop(e);
	return 0;
}

static int event_cut(void *arg)
{
	struct ringline_scope_options o = { .size = sizeof(o), .deadline = FAKE_START + 50 };
	struct ringline_event *e = event();
	struct ringline_scope *s;

	(void)arg;
	g_assert_cmpint(ringline_scope_open(&s, &o), ==, 0);
	g_assert_cmpint(ringline_event_wait(e), ==, -ETIME);
	g_assert_cmpint(ringline_event_wait(e), ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(s), ==, -ETIME);
	drop(e);
	return 0;
}

/* --- who is chosen ------------------------------------------------------------------------------------------------ */

static int each_kind(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_event *e = event();
	struct ringline_token *token;
	struct ringline_task *t;
	struct ringline_case c[6];
	struct later l = { 30, NULL, NULL, 0 };
	struct ringline_op *op;

	g_assert_cmpint(ringline_token_new(&token, NULL), ==, 0);
	l.result = 77;
	g_assert_cmpint(ringline_task_start(&t, act_later, &l, NULL), ==, 0);
	op = fake_op(fx, 20, 55);
	c[0] = on(RINGLINE_CASE_EVENT, e);
	c[1] = on(RINGLINE_CASE_TOKEN, token);
	c[2] = on(RINGLINE_CASE_TASK, t);
	c[3] = on(RINGLINE_CASE_NONE, NULL);
	c[4] = on(RINGLINE_CASE_OP, op);
	c[5] = at(FAKE_START + 10);

	g_assert_cmpint(sel(c, 6), ==, 5);
	g_assert_cmpint(c[5].result, ==, 0);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 10);
	c[5].value = FAKE_START + 1000;
	g_assert_cmpint(sel(c, 6), ==, 4);
	g_assert_cmpint(c[4].result, ==, 55);
	g_assert_cmpuint(c[4].kind, ==, RINGLINE_CASE_NONE);
	g_assert_cmpint(sel(c, 6), ==, 2);
	g_assert_cmpint(c[2].result, ==, 77);
	g_assert_cmpuint(c[2].kind, ==, RINGLINE_CASE_NONE);
	g_assert_cmpint(ringline_token_cancel(token), ==, 0);
	g_assert_cmpint(sel(c, 6), ==, 1);
	g_assert_cmpint(c[1].result, ==, 0);
	g_assert_cmpint(sel(c, 6), ==, 1);            /* and it stays cancelled */
	c[1].kind = RINGLINE_CASE_NONE;
	set(e);
	g_assert_cmpint(sel(c, 6), ==, 0);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 30);
	drop(e);
	ringline_token_unref(token);
	return 0;
}

static int biased(void *arg)
{
	struct ringline_event *e[3] = { event(), event(), event() };
	struct ringline_case c[3];
	int i;

	(void)arg;
	for (i = 0; i < 3; i++)
		c[i] = on(RINGLINE_CASE_EVENT, e[i]);
	set(e[1]);
	set(e[2]);
	for (i = 0; i < 10; i++)
		g_assert_cmpint(sel(c, 3), ==, 1);
	for (i = 0; i < 3; i++)
		drop(e[i]);
	return 0;
}

/* Each in its turn, when all are always ready. */
static int fair(void *arg)
{
	struct ringline_event *e[3] = { event(), event(), event() };
	struct ringline_case c[3];
	int chosen[3] = { 0 };
	int i;

	(void)arg;
	for (i = 0; i < 3; i++) {
		c[i] = on(RINGLINE_CASE_EVENT, e[i]);
		set(e[i]);
	}
	for (i = 0; i < 300; i++)
		chosen[ringline_select(c, 3, sizeof(*c), 0)]++;
	for (i = 0; i < 3; i++) {
		g_assert_cmpint(chosen[i], ==, 100);
		drop(e[i]);
	}
	return 0;
}

/* The first to come wins, though another is ready as well when the task runs. */
static int first_to_fire(void *arg)
{
	struct ringline_event *a = event();
	struct ringline_event *b = event();
	struct ringline_case c[2] = { on(RINGLINE_CASE_EVENT, a), on(RINGLINE_CASE_EVENT, b) };
	struct later l[2] = { { 10, b, ringline_event_set, 0 }, { 10, a, ringline_event_set, 0 } };

	(void)arg;
	do_later(&l[0]);
	do_later(&l[1]);
	g_assert_cmpint(ringline_select(c, 2, sizeof(*c), 0), ==, 1);
	g_assert_cmpint(ringline_yield(), ==, 0);
	drop(a);
	drop(b);
	return 0;
}

static int nowait(void *arg)
{
	struct ringline_event *e = event();
	struct ringline_case c[2] = { on(RINGLINE_CASE_EVENT, e), at(fake_now(arg) + 10) };

	g_assert_cmpint(ringline_select(c, 2, sizeof(*c), RINGLINE_SELECT_NOWAIT), ==, -EAGAIN);
	set(e);
	g_assert_cmpint(ringline_select(c, 2, sizeof(*c), RINGLINE_SELECT_NOWAIT), ==, 0);
	drop(e);
	return 0;
}

static int many(void *arg)
{
	static struct ringline_case c[MANY];
	struct ringline_event *e[MANY];
	static const int sizes[] = { 1, 2, 16, 17, 100, 128, 129, MANY };
	size_t k;
	int i;

	(void)arg;
	for (i = 0; i < MANY; i++) {
		e[i] = event();
		c[i] = on(RINGLINE_CASE_EVENT, e[i]);
	}
	for (k = 0; k < G_N_ELEMENTS(sizes); k++) {
		struct later l = { 10, e[sizes[k] - 1], ringline_event_set, 0 };

		do_later(&l);
		g_assert_cmpint(ringline_select(c, (size_t)sizes[k], sizeof(*c), 0), ==, sizes[k] - 1);
		g_assert_cmpint(ringline_event_reset(l.event), ==, 0);
	}
	for (i = 0; i < MANY; i++)
		drop(e[i]);
	return 0;
}

/* A round that finds nothing takes no memory: every allocation would fail. */
static int no_memory(void *arg)
{
	static struct ringline_case c[MANY];
	struct ringline_event *e = event();
	struct later l = { 10, e, ringline_event_set, 0 };
	struct ringline_token *token;
	int i;

	g_assert_cmpint(ringline_token_new(&token, NULL), ==, 0);
	for (i = 0; i < MANY; i++)
		c[i] = on(RINGLINE_CASE_EVENT, e);
	c[1] = at(fake_now(arg) + 1000);
	c[2] = on(RINGLINE_CASE_TOKEN, token);
	c[3] = on(RINGLINE_CASE_OP, fake_op(arg, 1000, 0));
	g_assert_cmpint(ringline_select(c, 4, sizeof(*c), RINGLINE_SELECT_NOWAIT), ==, -EAGAIN);   /* warms the slabs */
	do_later(&l);
	g_assert_cmpint(ringline_yield(), ==, 0);
	rln_fault_arm(RLN_FAULT_ALLOC, 0, UINT32_MAX, ENOMEM);
	g_assert_cmpint(ringline_select(c, 128, sizeof(*c), RINGLINE_SELECT_NOWAIT), ==, -EAGAIN);
	g_assert_cmpint(sel(c, 100), ==, 0);
	g_assert_cmpint(ringline_select(c, 129, sizeof(*c), 0), ==, -ENOMEM);
	rln_fault_disarm_all();
	drop(e);
	ringline_token_unref(token);
	return 0;
}

/* --- losers ------------------------------------------------------------------------------------------------------- */

/* What was not chosen is as it was: the task can be joined, the operation awaited. */
static int losers_stay(void *arg)
{
	struct ringline_event *e = event();
	struct later l = { 100, NULL, NULL, 9 };
	struct ringline_op *op = fake_op(arg, 100, 8);
	struct ringline_case c[3];
	struct ringline_task *t;
	int result;

	set(e);
	g_assert_cmpint(ringline_task_start(&t, act_later, &l, NULL), ==, 0);
	c[0] = on(RINGLINE_CASE_TASK, t);
	c[1] = on(RINGLINE_CASE_OP, op);
	c[2] = on(RINGLINE_CASE_EVENT, e);
	g_assert_cmpint(sel(c, 3), ==, 2);
	g_assert_false(op->claimed);
	g_assert_cmpint(ringline_op_await(op), ==, 8);
	g_assert_cmpint(ringline_task_join(t, &result), ==, 0);
	g_assert_cmpint(result, ==, 9);
	drop(e);
	return 0;
}

static int cut_leaves_nothing(void *arg)
{
	struct ringline_scope_options o = { .size = sizeof(o), .deadline = FAKE_START + 50 };
	struct ringline_event *e = event();
	struct later l = { 100, NULL, NULL, 0 };
	struct ringline_token *token;
	struct ringline_case c[5];
	struct ringline_scope *s;
	struct ringline_task *t;

	g_assert_cmpint(ringline_token_new(&token, NULL), ==, 0);
	g_assert_cmpint(ringline_task_start(&t, act_later, &l, NULL), ==, 0);
	g_assert_cmpint(ringline_scope_open(&s, &o), ==, 0);
	c[0] = on(RINGLINE_CASE_TASK, t);
	c[1] = on(RINGLINE_CASE_OP, fake_op(arg, 1000, 8));
	c[2] = on(RINGLINE_CASE_EVENT, e);
	c[3] = on(RINGLINE_CASE_TOKEN, token);
	c[4] = at(RINGLINE_NEVER);
	g_assert_cmpint(sel(c, 5), ==, -ETIME);
	g_assert_cmpint(sel(c, 5), ==, -ETIME);
	set(e);
	g_assert_cmpint(sel(c, 5), ==, -ETIME);       /* as any call that may wait, whether or not it would have to */
	g_assert_cmpint(ringline_scope_close(s), ==, -ETIME);
	g_assert_cmpint(sel(&c[2], 1), ==, 0);
	g_assert_cmpint(ringline_task_join(t, NULL), ==, 0);
	drop(e);
	ringline_token_unref(token);
	return 0;
}

/* --- closed members ----------------------------------------------------------------------------------------------- */

static int freed_member(void *arg)
{
	struct ringline_event *e = event();
	struct later l = { 10, e, ringline_event_free, 0 };
	struct ringline_case c[2] = { at(fake_now(arg) + 1000), on(RINGLINE_CASE_EVENT, e) };

	do_later(&l);
	g_assert_cmpint(sel(c, 2), ==, 1);
	g_assert_cmpint(c[1].result, ==, -EBADF);
	c[1].result = 0;
	g_assert_cmpint(sel(c, 2), ==, 1);
	g_assert_cmpint(c[1].result, ==, -EBADF);
	return 0;
}

static int join_other(void *arg)
{
	return ringline_task_join(arg, NULL);
}

/* The handle is dropped by somebody else during the wait: the result is there all the same. */
static int task_joined_meanwhile(void *arg)
{
	struct later l = { 50, NULL, NULL, 3 };
	struct ringline_case c;
	struct ringline_task *t;

	(void)arg;
	g_assert_cmpint(ringline_task_start(&t, act_later, &l, NULL), ==, 0);
	g_assert_cmpint(ringline_spawn(join_other, t), ==, 0);
	g_assert_cmpint(ringline_yield(), ==, 0);
	c = on(RINGLINE_CASE_TASK, t);
	g_assert_cmpint(sel(&c, 1), ==, 0);
	g_assert_cmpint(c.result, ==, 3);
	c = on(RINGLINE_CASE_TASK, t);
	g_assert_cmpint(sel(&c, 1), ==, 0);
	g_assert_cmpint(c.result, ==, -EBADF);
	return 0;
}

/* --- bad calls ---------------------------------------------------------------------------------------------------- */

static int stackless_selects(void *arg)
{
	struct ringline_case c = at(0);

	*(ssize_t *)arg = sel(&c, 1);
	return 0;
}

static int bad_calls(void *arg)
{
	struct { struct ringline_case c; uint64_t more; } big[1] = { { at(0), 0 } };
	struct ringline_case c[2] = { at(0), on(RINGLINE_CASE_NONE, NULL) };
	struct fixture *fx = arg;
	struct ringline_op *op = fake_op(fx, 10, 0);
	ssize_t got = 0;

	g_assert_cmpint(sel(NULL, 1), ==, -EINVAL);
	g_assert_cmpint(sel(c, 0), ==, -EINVAL);
	g_assert_cmpint(sel(&c[1], 1), ==, -EINVAL);
	g_assert_cmpint(ringline_select(c, 1, sizeof(*c) - 1, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_select(c, 1, sizeof(*c), 4), ==, -EINVAL);
	c[1].kind = 1000;
	g_assert_cmpint(sel(c, 2), ==, -EINVAL);
	c[1].kind = RINGLINE_CASE_READABLE;           /* of a layer that is not there */
	g_assert_cmpint(sel(c, 2), ==, -EINVAL);
	c[1] = on(RINGLINE_CASE_EVENT, NULL);
	g_assert_cmpint(sel(&c[1], 1), ==, -EINVAL);
	c[1] = on(RINGLINE_CASE_TOKEN, NULL);
	g_assert_cmpint(sel(&c[1], 1), ==, -EINVAL);
	c[1] = on(RINGLINE_CASE_TASK, rln_task_current());
	g_assert_cmpint(sel(&c[1], 1), ==, -EDEADLK);
	c[0] = c[1] = on(RINGLINE_CASE_OP, op);
	g_assert_cmpint(sel(c, 2), ==, -EBUSY);
	c[0].reserved = 1;
	g_assert_cmpint(sel(c, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_select(&big[0].c, 1, sizeof(big[0]), 0), ==, 0);
	big[0].more = 1;
	g_assert_cmpint(ringline_select(&big[0].c, 1, sizeof(big[0]), 0), ==, -E2BIG);
	g_assert_cmpint(rln_task_start(NULL, &(struct rln_task_start){ .fn = stackless_selects, .arg = &got,
	                               .scope = rln_task_current()->scope, .stackless = true }), ==, 0);
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpint(got, ==, -EDEADLK);
	g_assert_cmpint(ringline_op_await(op), ==, 0);
	return 0;
}

static const struct fixture_case cases[] = {
	{ "/select/event/wait-set-reset-free", event_wait, { 0 } },
	{ "/select/event/pulse-wakes-who-waits", event_pulse, { 0 } },
	{ "/select/event/cut", event_cut, { 0 } },
	{ "/select/each-kind", each_kind, { 0 } },
	{ "/select/biased", biased, { 0 } },
	{ "/select/fair", fair, { 0 } },
	{ "/select/first-to-fire", first_to_fire, { 0 } },
	{ "/select/nowait", nowait, { 0 } },
	{ "/select/two-hundred-cases", many, { 0 } },
	{ "/select/idle-round-takes-no-memory", no_memory, { 0 } },
	{ "/select/losers-stay-as-they-were", losers_stay, { 0 } },
	{ "/select/cut-leaves-nothing", cut_leaves_nothing, { 0 } },
	{ "/select/freed-member-is-ebadf", freed_member, { 0 } },
	{ "/select/task-joined-by-another-meanwhile", task_joined_meanwhile, { 0 } },
	{ "/select/bad-calls", bad_calls, { 0 } },
};

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	fixture_add_cases(cases, G_N_ELEMENTS(cases));
	return g_test_run();
}
