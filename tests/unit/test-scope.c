/* SPDX-License-Identifier: MIT */
/* Scopes: closing, cutting, deadlines, failures of children, shields, limits and faults. */
#include "base/fault.h"
#include "support/fake-backend.h"

#define SECOND RLN_NSEC_PER_SEC

static struct ringline_scope *open_with(uint32_t flags, uint64_t deadline)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *s;

	o.flags = flags;
	o.deadline = deadline;
	g_assert_cmpint(ringline_scope_open(&s, &o), ==, 0);
	return s;
}

static struct ringline_scope *open_plain(void)
{
	return open_with(0, 0);
}

static void spawn(struct ringline_scope *s, int (*fn)(void *), void *arg)
{
	g_assert_cmpint(ringline_scope_spawn(s, fn, arg), ==, 0);
}

static struct ringline_scope_info state(const struct ringline_scope *s)
{
	struct ringline_scope_info info = { .size = sizeof(info) };

	g_assert_cmpint(ringline_scope_state(s, &info), ==, 0);
	return info;
}

/* Sleeps, then returns; what it met goes to *met*. */
struct child {
	uint64_t sleep;
	int returns;              /* if the sleep was not cut */
	int met;
	bool ran;
	bool ended;
};

static int child(void *arg)
{
	struct child *c = arg;

	c->ran = true;
	c->met = ringline_sleep(c->sleep);
	c->ended = true;
	return c->met < 0 ? c->met : c->returns;
}

static int close_waits(void *arg)
{
	struct fixture *fx = arg;
	struct child c[3] = { { .sleep = 1 }, { .sleep = SECOND }, { .sleep = 2 } };
	struct ringline_scope *s = open_plain();
	int i;

	for (i = 0; i < 3; i++)
		spawn(s, child, &c[i]);
	g_assert_cmpuint(state(s).children, ==, 3);
	g_assert_cmpint(ringline_scope_close(s), ==, 0);
	for (i = 0; i < 3; i++)
		g_assert_true(c[i].ended && c[i].met == 0);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + SECOND);
	return 0;
}

static int lifo(void *arg)
{
	struct ringline_scope *outer = open_plain();
	struct ringline_scope *inner = open_plain();

	(void)arg;
	g_assert_cmpint(ringline_scope_close(outer), ==, -EBUSY);
	g_assert_cmpint(ringline_scope_close(inner), ==, 0);
	g_assert_cmpint(ringline_scope_close(inner), ==, -EBADF);
	g_assert_cmpint(ringline_scope_close(outer), ==, 0);
	g_assert_cmpint(ringline_scope_close(outer), ==, -EBADF);
	g_assert_cmpint(ringline_scope_cancel(outer), ==, -EBADF);
	g_assert_cmpint(ringline_scope_spawn(outer, child, NULL), ==, -EBADF);
	return 0;
}

static int deadline_cuts_calls_and_children(void *arg)
{
	struct fixture *fx = arg;
	struct child c = { .sleep = 100 * SECOND };
	struct ringline_scope *s = open_with(0, FAKE_START + SECOND);

	spawn(s, child, &c);
	g_assert_cmpuint(state(NULL).deadline, ==, FAKE_START + SECOND);
	g_assert_cmpint(ringline_sleep(10 * SECOND), ==, -ETIME);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + SECOND);
	g_assert_cmpint(ringline_sleep(0), ==, -ETIME);
	g_assert_cmpint(ringline_yield(), ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(s), ==, -ETIME);
	g_assert_cmpint(c.met, ==, -ETIME);
	g_assert_cmpint(ringline_sleep(1), ==, 0);    /* outside it, life goes on */
	return 0;
}

static int nearest_deadline(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_scope *a = open_with(0, FAKE_START + 2 * SECOND);
	struct ringline_scope *b = open_with(0, FAKE_START + 5 * SECOND);
	struct ringline_scope *c;

	g_assert_cmpuint(state(b).deadline, ==, FAKE_START + 2 * SECOND);
	c = open_with(0, FAKE_START + SECOND);
	g_assert_cmpuint(state(c).deadline, ==, FAKE_START + SECOND);
	g_assert_cmpint(ringline_sleep(10 * SECOND), ==, -ETIME);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + SECOND);
	g_assert_cmpint(ringline_scope_close(c), ==, -ETIME);
	g_assert_cmpint(state(b).reason, ==, 0);
	g_assert_cmpint(ringline_sleep(10 * SECOND), ==, -ETIME);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 2 * SECOND);
	g_assert_cmpint(ringline_scope_close(b), ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(a), ==, -ETIME);
	g_assert_cmpuint(state(NULL).deadline, ==, RINGLINE_NEVER);
	return 0;
}

static int reports_deadline(void *arg)
{
	uint64_t *deadline = arg;

	*deadline = state(NULL).deadline;
	return 0;
}

static int child_inherits_deadline(void *arg)
{
	struct ringline_scope *s = open_with(0, FAKE_START + SECOND);
	uint64_t deadline = 0;

	(void)arg;
	spawn(s, reports_deadline, &deadline);
	g_assert_cmpint(ringline_scope_close(s), ==, 0);
	g_assert_cmpuint(deadline, ==, FAKE_START + SECOND);
	return 0;
}

static int past_deadline(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_scope *s = open_with(0, 1);
	struct ringline_task *t;

	g_assert_cmpint(state(s).reason, ==, -ETIME);
	g_assert_cmpint(ringline_sleep(SECOND), ==, -ETIME);
	g_assert_cmpint(ringline_spawn(child, NULL), ==, -ETIME);
	g_assert_cmpint(ringline_task_start(&t, child, NULL, NULL), ==, -ETIME);
	g_assert_cmpint(ringline_scope_spawn(s, child, NULL), ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(s), ==, -ETIME);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START);
	return 0;
}

/* A scope's timer must not reach whoever has its slot later. */
static int stale_deadline(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_scope *old = open_with(0, FAKE_START + SECOND);
	struct ringline_scope *s;

	g_assert_cmpint(ringline_scope_close(old), ==, 0);
	s = open_plain();
	g_assert_true(s == old);
	g_assert_cmpint(ringline_sleep(2 * SECOND), ==, 0);
	g_assert_cmpint(state(s).reason, ==, 0);
	g_assert_cmpuint(fx->x.timers.len, ==, 0);
	return ringline_scope_close(s);
}

static int cut_scope_opens_cut(void *arg)
{
	struct ringline_scope *outer = open_plain();
	struct ringline_scope *inner;
	struct ringline_scope *shielded;

	(void)arg;
	g_assert_cmpint(ringline_scope_cancel(outer), ==, 0);
	inner = open_plain();
	g_assert_cmpint(state(inner).reason, ==, -ECANCELED);
	shielded = open_with(RINGLINE_SCOPE_SHIELDED, 0);
	g_assert_cmpint(state(shielded).reason, ==, 0);
	g_assert_cmpint(ringline_sleep(5), ==, 0);
	g_assert_cmpint(ringline_scope_close(shielded), ==, 0);
	g_assert_cmpint(ringline_scope_close(inner), ==, -ECANCELED);
	g_assert_cmpint(ringline_scope_close(outer), ==, -ECANCELED);
	return 0;
}

static int first_reason_stays(void *arg)
{
	struct ringline_scope *s = open_with(0, FAKE_START + SECOND);

	(void)arg;
	g_assert_cmpint(ringline_sleep(5 * SECOND), ==, -ETIME);
	g_assert_cmpint(ringline_scope_cancel(s), ==, 0);
	g_assert_cmpint(state(s).reason, ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(s), ==, -ETIME);
	return 0;
}

/* Failures. */

static int fail_fast(void *arg)
{
	struct fixture *fx = arg;
	struct child c[3] = { { .sleep = SECOND, .returns = -EIO }, { .sleep = 9 * SECOND }, { .sleep = 8 * SECOND } };
	struct ringline_scope *s = open_plain();
	int i;

	for (i = 0; i < 3; i++)
		spawn(s, child, &c[i]);
	g_assert_cmpint(ringline_sleep(5 * SECOND), ==, -ECANCELED);    /* the owner, too */
	g_assert_cmpint(state(s).error, ==, -EIO);
	g_assert_cmpint(ringline_scope_close(s), ==, -EIO);
	g_assert_cmpint(c[1].met, ==, -ECANCELED);
	g_assert_cmpint(c[2].met, ==, -ECANCELED);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + SECOND);
	return 0;
}

static int collect(void *arg)
{
	struct child c[3] = { { .sleep = SECOND, .returns = -EIO }, { .sleep = 9 * SECOND },
	                      { .sleep = 8 * SECOND, .returns = -EPIPE } };
	struct ringline_scope *s = open_with(RINGLINE_SCOPE_COLLECT, 0);
	int i;

	(void)arg;
	for (i = 0; i < 3; i++)
		spawn(s, child, &c[i]);
	g_assert_cmpint(ringline_scope_close(s), ==, -EIO);
	for (i = 0; i < 3; i++)
		g_assert_cmpint(c[i].met, ==, 0);
	return 0;
}

static int first_error_wins(void *arg)
{
	struct child c[2] = { { .sleep = 2, .returns = -EIO }, { .sleep = 1, .returns = -EPIPE } };
	struct ringline_scope *s = open_with(RINGLINE_SCOPE_COLLECT, 0);

	(void)arg;
	spawn(s, child, &c[0]);
	spawn(s, child, &c[1]);
	g_assert_cmpint(ringline_scope_close(s), ==, -EPIPE);
	return 0;
}

static int cancelled_child_is_no_failure(void *arg)
{
	struct ringline_task_options o = RINGLINE_TASK_OPTIONS_INIT;
	struct ringline_scope *s = open_plain();
	struct child c[2] = { { .sleep = SECOND }, { .sleep = 2 * SECOND } };
	struct ringline_task *t;
	int result;

	(void)arg;
	o.scope = s;
	g_assert_cmpint(ringline_task_start(&t, child, &c[0], &o), ==, 0);
	spawn(s, child, &c[1]);
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpint(ringline_task_cancel(t), ==, 0);
	g_assert_cmpint(ringline_task_join(t, &result), ==, 0);
	g_assert_cmpint(result, ==, -ECANCELED);
	g_assert_cmpint(ringline_scope_close(s), ==, 0);
	g_assert_cmpint(c[1].met, ==, 0);
	return 0;
}

/* Nobody cancelled this child: that it returns -ECANCELED is an error like any other. */
static int cancels_a_scope_of_its_own(void *arg)
{
	struct ringline_scope *s = open_plain();

	(void)arg;
	g_assert_cmpint(ringline_scope_cancel(s), ==, 0);
	return ringline_scope_close(s);
}

static int leaves_a_cancelled_scope(void *arg)
{
	g_assert_cmpint(ringline_scope_cancel(open_plain()), ==, 0);
	return GPOINTER_TO_INT(arg);
}

static int ecanceled_of_an_uncancelled_child(void *arg)
{
	struct ringline_scope *s = open_plain();

	(void)arg;
	spawn(s, cancels_a_scope_of_its_own, NULL);
	g_assert_cmpint(ringline_scope_close(s), ==, -ECANCELED);
	s = open_with(RINGLINE_SCOPE_COLLECT, 0);
	spawn(s, leaves_a_cancelled_scope, GINT_TO_POINTER(-ECANCELED));
	g_assert_cmpint(ringline_sleep(1), ==, 0);
	g_assert_cmpint(state(s).error, ==, -ECANCELED);
	g_assert_cmpint(ringline_scope_close(s), ==, -ECANCELED);
	return 0;
}

static int stackless_ecanceled(void *arg)
{
	return GPOINTER_TO_INT(arg);
}

static int ecanceled_of_an_uncancelled_stackless_child(void *arg)
{
	struct rln_task_start how = { .fn = stackless_ecanceled, .stackless = true };
	struct ringline_scope *s = open_plain();

	(void)arg;
	how.arg = GINT_TO_POINTER(-ECANCELED);
	how.scope = &s->node;
	g_assert_cmpint(rln_task_start(NULL, &how), ==, 0);
	g_assert_cmpint(ringline_scope_close(s), ==, -ECANCELED);
	return 0;
}

/* Shields. */

struct shield {
	struct fixture *fx;
	int outside;              /* what a sleep before and after the shielded part met */
	int inside;
	uint64_t deadline;
	bool cancel_inside;
	struct ringline_scope *scope;
};

static int shielded_child(void *arg)
{
	struct shield *s = arg;

	s->scope = open_with(RINGLINE_SCOPE_SHIELDED, s->deadline);
	s->inside = ringline_sleep(10 * SECOND);
	ringline_scope_close(s->scope);
	s->scope = NULL;
	s->outside = ringline_sleep(SECOND);
	return s->outside;
}

static int shield_holds(void *arg)
{
	struct fixture *fx = arg;
	struct shield c = { .fx = fx };
	struct ringline_scope *s = open_with(0, FAKE_START + SECOND);

	spawn(s, shielded_child, &c);
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpint(ringline_scope_close(s), ==, -ETIME);
	g_assert_cmpint(c.inside, ==, 0);
	g_assert_cmpint(c.outside, ==, -ETIME);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 10 * SECOND);
	return 0;
}

static int shield_own_deadline(void *arg)
{
	struct shield c = { .fx = arg, .deadline = FAKE_START + SECOND };
	struct ringline_scope *s = open_plain();

	spawn(s, shielded_child, &c);
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpint(ringline_scope_cancel(s), ==, 0);
	g_assert_cmpint(ringline_scope_close(s), ==, -ECANCELED);
	g_assert_cmpint(c.inside, ==, -ETIME);
	g_assert_cmpint(c.outside, ==, -ECANCELED);
	return 0;
}

static int shield_own_cancel(void *arg)
{
	struct shield c = { .fx = arg };
	struct ringline_scope *s = open_plain();

	spawn(s, shielded_child, &c);
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpint(ringline_scope_cancel(c.scope), ==, 0);
	g_assert_cmpint(ringline_scope_close(s), ==, 0);
	g_assert_cmpint(c.inside, ==, -ECANCELED);
	g_assert_cmpint(c.outside, ==, 0);
	return 0;
}

static int force_breaks_shields(void *arg)
{
	struct fixture *fx = arg;
	struct shield c[2] = { { .fx = fx }, { .fx = fx } };
	struct ringline_scope *s = open_plain();

	spawn(s, shielded_child, &c[0]);
	spawn(s, shielded_child, &c[1]);
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpint(ringline_scope_cancel(s), ==, 0);
	g_assert_cmpint(state(c[0].scope).reason, ==, 0);
	rln_scope_cut(&s->node, -ETIME, true);
	g_assert_cmpint(state(c[0].scope).reason, ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(s), ==, -ECANCELED);
	g_assert_cmpint(c[0].inside, ==, -ETIME);
	g_assert_cmpint(c[1].inside, ==, -ETIME);
	g_assert_cmpint(c[1].outside, ==, -ECANCELED);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START);
	return 0;
}

/* The wait of a close is shielded: a cut does not end it, and leaves no wake behind that would. */
static int cut_during_close(void *arg)
{
	struct fixture *fx = arg;
	struct child c = { .sleep = 3 * SECOND };
	struct ringline_scope *outer = open_with(0, FAKE_START + SECOND);
	struct ringline_scope *inner = open_with(RINGLINE_SCOPE_SHIELDED, 0);

	spawn(inner, child, &c);
	g_assert_cmpint(ringline_scope_close(inner), ==, 0);
	g_assert_true(c.ended);
	g_assert_cmpint(c.met, ==, 0);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 3 * SECOND);
	g_assert_cmpint(ringline_scope_close(outer), ==, -ETIME);
	return 0;
}

/* Spawning upwards. */

struct upward {
	struct ringline_scope *scope;
	struct child late;
	int refused;
};

static int spawns_upwards(void *arg)
{
	struct upward *u = arg;

	g_assert_cmpint(ringline_sleep(SECOND), ==, 0);
	spawn(u->scope, child, &u->late);
	return 0;
}

static int spawn_while_owner_closes(void *arg)
{
	struct fixture *fx = arg;
	struct upward u = { .scope = open_plain(), .late = { .sleep = 2 * SECOND } };

	spawn(u.scope, spawns_upwards, &u);
	g_assert_cmpint(ringline_scope_close(u.scope), ==, 0);
	g_assert_true(u.late.ended);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 3 * SECOND);
	return 0;
}

/* The last child of a scope ends and its owner is on the way out of its wait, when another task puts a child in. */
static int spawns_when_idle(void *arg)
{
	struct upward *u = arg;

	g_assert_cmpint(ringline_sleep_until(FAKE_START + SECOND), ==, 0);
	g_assert_cmpuint(state(u->scope).children, ==, 0);
	spawn(u->scope, child, &u->late);
	return 0;
}

static int spawn_between_idle_and_close(void *arg)
{
	struct child c = { .sleep = SECOND };
	struct ringline_scope *outer = open_plain();
	struct upward u = { .late = { .sleep = SECOND, .returns = -EIO } };

	(void)arg;
	u.scope = open_plain();
	spawn(u.scope, child, &c);
	g_assert_cmpint(ringline_yield(), ==, 0);
	spawn(outer, spawns_when_idle, &u);
	g_assert_cmpint(ringline_scope_close(u.scope), ==, -EIO);
	g_assert_true(u.late.ended);
	return ringline_scope_close(outer);
}

static int not_the_owner(void *arg)
{
	g_assert_cmpint(ringline_scope_close(arg), ==, -EPERM);
	g_assert_cmpint(ringline_scope_cancel(arg), ==, 0);      /* any task may */
	g_assert_cmpint(ringline_scope_spawn(arg, child, NULL), ==, -ECANCELED);
	return 0;
}

static int only_owner_closes(void *arg)
{
	struct ringline_scope *s = open_plain();

	(void)arg;
	g_assert_cmpint(ringline_spawn(not_the_owner, s), ==, 0);
	g_assert_cmpint(ringline_scope_close(s), ==, -ECANCELED);
	return 0;
}

/* What a task leaves open. */

struct leaver {
	struct fixture *fx;
	struct child c[2];
	int returns;
};

static int leaves_open(void *arg)
{
	struct leaver *l = arg;
	struct ringline_op *op;

	spawn(open_with(0, FAKE_START + 100 * SECOND), child, &l->c[0]);
	spawn(open_plain(), child, &l->c[1]);
	g_assert_cmpint(fake_begin(l->fx, &op, &(struct fake_script){ .delay = FAKE_NEVER }), ==, 0);
	return l->returns;
}

static int left_open_waits(void *arg)
{
	struct fixture *fx = arg;
	struct leaver l = { .fx = fx, .c = { { .sleep = 2 * SECOND }, { .sleep = SECOND } } };
	struct ringline_scope *s = open_plain();

	spawn(s, leaves_open, &l);
	g_assert_cmpint(ringline_scope_close(s), ==, 0);
	g_assert_cmpint(l.c[0].met, ==, 0);
	g_assert_cmpint(l.c[1].met, ==, 0);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 2 * SECOND);
	g_assert_cmpuint(fx->x.scopes.live, ==, 0);
	return 0;
}

static int left_open_is_cut_on_error(void *arg)
{
	struct fixture *fx = arg;
	struct leaver l = { .fx = fx, .c = { { .sleep = 2 * SECOND }, { .sleep = SECOND } }, .returns = -EIO };
	struct ringline_scope *s = open_plain();

	spawn(s, leaves_open, &l);
	g_assert_cmpint(ringline_scope_close(s), ==, -EIO);
	g_assert_true(l.c[0].ran && l.c[1].ran);      /* run, though cut before */
	g_assert_cmpint(l.c[0].met, ==, -ECANCELED);
	g_assert_cmpint(l.c[1].met, ==, -ECANCELED);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START);
	return 0;
}

/* Depth. */

struct chain {
	uint32_t left;
	uint32_t cut;
	struct chain *up;
};

static int chain_link(void *arg)
{
	struct chain *c = arg;
	int r;

	if (--c->left)
		g_assert_cmpint(ringline_spawn(chain_link, c), ==, 0);
	r = ringline_sleep_until(RINGLINE_NEVER);
	c->cut += r == -ECANCELED;
	return r;
}

static int deep_chain(void *arg)
{
	uint32_t n = fake_scaled(20000);
	struct chain c = { .left = n };
	struct ringline_scope *s = open_plain();

	(void)arg;
	spawn(s, chain_link, &c);
	g_assert_cmpint(ringline_sleep(1), ==, 0);
	g_assert_cmpuint(c.left, ==, 0);
	g_assert_cmpint(ringline_scope_cancel(s), ==, 0);
	g_assert_cmpint(ringline_scope_close(s), ==, -ECANCELED);
	g_assert_cmpuint(c.cut, ==, n);
	return 0;
}

/* Arguments, limits, faults. */

static int bad_arguments(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct { struct ringline_scope_options o; int unknown; } big = { .unknown = 1 };
	struct ringline_scope_info info = { .size = sizeof(info) };
	struct ringline_scope *s = open_plain();

	(void)arg;
	g_assert_cmpint(ringline_scope_open(NULL, NULL), ==, -EINVAL);
	o.flags = 1u << 7;
	g_assert_cmpint(ringline_scope_open(&s, &o), ==, -EINVAL);
	o.flags = RLN_SCOPE_BASE;
	g_assert_cmpint(ringline_scope_open(&s, &o), ==, -EINVAL);
	o.flags = 0;
	o.reserved = 1;
	g_assert_cmpint(ringline_scope_open(&s, &o), ==, -EINVAL);
	big.o.size = sizeof(big);
	g_assert_cmpint(ringline_scope_open(&s, &big.o), ==, -E2BIG);
	g_assert_cmpint(ringline_scope_spawn(s, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_scope_spawn(NULL, child, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_scope_cancel(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_scope_close(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_scope_state(s, NULL), ==, -EINVAL);
	info.size = 1;
	g_assert_cmpint(ringline_scope_state(s, &info), ==, -EINVAL);
	return ringline_scope_close(s);
}

/* A caller that knows less than the library gets what it knows, and nothing is written beyond. */
static int short_info(void *arg)
{
	struct ringline_scope_info info = { .size = offsetof(struct ringline_scope_info, children), .children = 77 };

	(void)arg;
	g_assert_cmpint(ringline_scope_state(NULL, &info), ==, 0);
	g_assert_cmpuint(info.size, ==, offsetof(struct ringline_scope_info, children));
	g_assert_cmpuint(info.deadline, ==, RINGLINE_NEVER);
	g_assert_cmpuint(info.children, ==, 77);
	return 0;
}

static int scope_limit(void *arg)
{
	struct ringline_scope *a = open_plain();
	struct ringline_scope *b = open_plain();
	struct ringline_scope *c = NULL;

	(void)arg;
	g_assert_cmpint(ringline_scope_open(&c, NULL), ==, -EAGAIN);
	g_assert_null(c);
	g_assert_cmpint(ringline_scope_close(b), ==, 0);
	g_assert_cmpint(ringline_scope_open(&b, NULL), ==, 0);
	g_assert_cmpint(ringline_scope_close(b), ==, 0);
	return ringline_scope_close(a);
}

/* Opens scopes with a deadline and a token, failing each allocation on the way in turn. */
static int out_of_memory(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct rln_exec *x = rln_exec_current;
	bool failed = true;
	uint32_t skip;

	(void)arg;
	for (skip = 0; failed; skip++) {
		struct ringline_scope *s[100];
		int n = 0;
		int r = 0;

		g_assert_cmpint(ringline_token_new(&o.token, NULL), ==, 0);
		rln_fault_arm(RLN_FAULT_ALLOC, skip, 1, ENOMEM);
		while (n < 100) {
			o.deadline = FAKE_START + (uint64_t)(1000 - n);
			r = ringline_scope_open(&s[n], &o);
			if (r < 0)
				break;
			n++;
		}
		failed = rln_fault_failed(RLN_FAULT_ALLOC) > 0;
		rln_fault_disarm_all();
		g_assert_cmpint(r, ==, n < 100 ? -ENOMEM : 0);
		g_assert_cmpuint(x->scopes.live, ==, (unsigned int)n);
		g_assert_cmpuint(x->timers.len, ==, (unsigned int)n);
		g_assert_true(rln_task_current()->scope == (n ? &s[n - 1]->node : &rln_task_current()->base));
		while (n--)
			g_assert_cmpint(ringline_scope_close(s[n]), ==, 0);
		ringline_token_unref(o.token);
		g_assert_cmpuint(skip, <, 1000);
	}
	return 0;
}

static gpointer foreign(gpointer scope)
{
	struct ringline_scope_info info = { .size = sizeof(info) };

	g_assert_cmpint(ringline_scope_open(&(struct ringline_scope *){ NULL }, NULL), ==, -EPERM);
	g_assert_cmpint(ringline_scope_spawn(scope, child, NULL), ==, -EPERM);
	g_assert_cmpint(ringline_scope_cancel(scope), ==, -EPERM);
	g_assert_cmpint(ringline_scope_close(scope), ==, -EPERM);
	g_assert_cmpint(ringline_scope_state(scope, &info), ==, -EPERM);
	g_assert_cmpint(ringline_scope_state(NULL, &info), ==, -EPERM);
	return NULL;
}

static int foreign_thread(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_scope *s = open_plain();

	g_thread_join(g_thread_new("foreign", foreign, s));
	g_assert_cmpuint(fx->log_lines, ==, 6);
	return ringline_scope_close(s);
}

static const struct fixture_case cases[] = {
	{ "/scope/close-waits-for-all-children", close_waits, { 0 } },
	{ "/scope/close-is-lifo", lifo, { 0 } },
	{ "/scope/deadline-cuts-calls-and-children", deadline_cuts_calls_and_children, { 0 } },
	{ "/scope/nearest-deadline-wins", nearest_deadline, { 0 } },
	{ "/scope/child-inherits-deadline", child_inherits_deadline, { 0 } },
	{ "/scope/past-deadline-cuts-at-once", past_deadline, { 0 } },
	{ "/scope/stale-deadline-does-not-reach-the-next-owner", stale_deadline, { 0 } },
	{ "/scope/opened-inside-a-cut-one-is-cut-unless-shielded", cut_scope_opens_cut, { 0 } },
	{ "/scope/first-reason-stays", first_reason_stays, { 0 } },
	{ "/scope/fail-fast-cancels-siblings-and-owner", fail_fast, { 0 } },
	{ "/scope/collect-lets-siblings-go-on", collect, { 0 } },
	{ "/scope/first-error-wins", first_error_wins, { 0 } },
	{ "/scope/cancelled-child-is-no-failure", cancelled_child_is_no_failure, { 0 } },
	{ "/scope/ecanceled-of-an-uncancelled-child-is-a-failure", ecanceled_of_an_uncancelled_child, { 0 } },
	{ "/scope/ecanceled-of-an-uncancelled-stackless-child-is-a-failure",
	  ecanceled_of_an_uncancelled_stackless_child, { 0 } },
	{ "/scope/shield-is-not-reached-from-outside", shield_holds, { 0 } },
	{ "/scope/shield-is-reached-by-its-own-deadline", shield_own_deadline, { 0 } },
	{ "/scope/shield-is-reached-by-its-own-cancel", shield_own_cancel, { 0 } },
	{ "/scope/force-breaks-shields", force_breaks_shields, { 0 } },
	{ "/scope/close-is-not-cut-short", cut_during_close, { 0 } },
	{ "/scope/child-may-be-added-while-owner-closes", spawn_while_owner_closes, { 0 } },
	{ "/scope/child-added-between-idle-and-close-is-waited-for", spawn_between_idle_and_close, { 0 } },
	{ "/scope/only-the-owner-closes", only_owner_closes, { 0 } },
	{ "/scope/left-open-is-waited-for", left_open_waits, { 0 } },
	{ "/scope/left-open-is-cut-after-an-error", left_open_is_cut_on_error, { 0 } },
	{ "/scope/cut-reaches-any-depth", deep_chain, { 0 } },
	{ "/scope/bad-arguments", bad_arguments, { 0 } },
	{ "/scope/info-is-filled-to-the-callers-size", short_info, { 0 } },
	{ "/scope/limit-is-eagain", scope_limit, { .max_scopes = 2 } },
	{ "/scope/out-of-memory-anywhere-leaves-nothing", out_of_memory, { 0 } },
	{ "/scope/foreign-thread-is-refused-and-logged", foreign_thread, { 0 } },
};

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	fixture_add_cases(cases, G_N_ELEMENTS(cases));
	return g_test_run();
}
