/* SPDX-License-Identifier: MIT */
/*
 * Random schedules: tasks that open and close scopes, spawn, join, cancel, sleep, yield, have operations in flight, and
 * select over tasks, operations, tokens, events and deadlines, pass elements through channels and use locks
 * (schedule-sync.c), in every order that a seed leads to, on the virtual clock. What they are told is compared with a simple
 * model, the tree is checked in each wait, and nothing may be left at the end.
 *
 * A failing schedule prints its seed. RINGLINE_TEST_SEED=N makes N the first seed of the run; RINGLINE_TEST_FULL=1 runs
 * a hundred times as many schedules.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ringline/select.h"
#include "ringline/sync.h"
#include "schedule-sync.h"
#include "support/fake-backend.h"

#define MAX_TASKS  40
#define MAX_SCOPES 64
#define MAX_TOKENS 4
#define MAX_EVENTS 4
#define CASES      8
#define DEPTH      4
#define HELD       4
#define OPS        12

/* A scope that a schedule opened; entry 0 stands for main's base. */
struct scope_rec {
	struct ringline_scope *scope;     /* NULL once it is closed, or left to the library to close */
	struct task_rec *owner;
};

struct task_rec {
	struct task_rec *parent;
	struct ringline_task *handle;     /* the parent's to join or detach */
	int scope;                        /* index of the scope it was started in, or -1: the parent's base */
	int runs;
	int returns;
	int result;
	int depth;
	int open[DEPTH];                  /* indices of its open scopes */
	struct ringline_op *stackless_op;
};

struct op_rec {
	struct ringline_op *op;
	int depth;                        /* of the scope it belongs to */
	int64_t result;                   /* if it is not cancelled */
	bool cancelled;
};

/* What a fiber task of a schedule has at hand. */
struct body {
	struct task_rec *self;
	struct task_rec *held[HELD];
	struct op_rec op[OPS];
};

static struct {
	struct fixture fx;
	uint64_t seed;
	uint64_t random;
	int steps;
	struct task_rec task[MAX_TASKS];
	int tasks;
	struct scope_rec scope[MAX_SCOPES];
	int scopes;
	struct ringline_token *token[MAX_TOKENS];
	struct ringline_event *event[MAX_EVENTS];
	uint64_t main_id;
	char message[64];
} g;

static int body(void *arg);

/* xorshift64*; the quality of a die is all that is asked of it. */
static uint32_t rnd(uint32_t n)
{
	g.random ^= g.random >> 12;
	g.random ^= g.random << 25;
	g.random ^= g.random >> 27;
	return (uint32_t)((g.random * UINT64_C(2685821657736338717)) >> 33) % n;
}

static struct ringline_scope_info state(void)
{
	struct ringline_scope_info info = { .size = sizeof(info) };

	g_assert_cmpint(ringline_scope_state(NULL, &info), ==, 0);
	return info;
}

/* Why the present scope's calls fail, checked against the clock. */
static int reason(void)
{
	struct ringline_scope_info info = state();

	if (info.reason == -ETIME)
		g_assert_cmpuint(info.deadline, <=, fake_now(&g.fx));
	else
		g_assert_true(info.reason == 0 || info.reason == -ECANCELED);
	return info.reason;
}

/* The tree, seen from a wait. */

static void check_scope(const struct rln_scope *s)
{
	struct rln_list *it;
	uint32_t live = 0;
	uint32_t pending = 0;

	rln_list_for_each (it, &s->handles) {
		const struct ringline_op *h = rln_list_entry(it, struct ringline_op, scope_link);

		pending += rln_handle_pending(h) || h->claimed;
	}
	rln_list_for_each (it, &s->children) {
		const struct rln_scope *c = rln_list_entry(it, struct rln_scope, sibling);

		g_assert_true(c->parent == s);
		live += (c->flags & RLN_SCOPE_BASE) != 0;
		if (!(c->flags & RINGLINE_SCOPE_SHIELDED)) {
			g_assert_true(!s->reason || c->reason);
			g_assert_cmpuint(c->deadline, <=, s->deadline);
		}
		check_scope(c);
	}
	g_assert_cmpuint(s->live, ==, live);
	g_assert_cmpuint(s->pending, ==, pending);
}

static void check_wait(struct fake_backend *f, uint64_t deadline)
{
	(void)f;
	if (!rln_list_empty(&g.fx.x.runq) || !rln_list_empty(&g.fx.x.yielded) || !rln_mpsc_empty(&g.fx.x.inbox))
		g_assert_cmpuint(deadline, ==, 0);
	check_scope(&g.fx.x.root);
}

/* Tasks. */

static struct task_rec *new_task(struct task_rec *parent, int scope)
{
	struct task_rec *t = &g.task[g.tasks++];

	memset(t, 0, sizeof(*t));
	t->parent = parent;
	t->scope = scope;
	return t;
}

static int returned(struct task_rec *t, int result)
{
	t->returns++;
	t->result = result;
	return result;
}

/* Polled until its operation is done; now and then it leaves that to its end, and scopes besides. */
static int stackless_body(void *arg)
{
	struct task_rec *self = arg;
	struct fake_script script = { .delay = rnd(300), .cancel_delay = rnd(20), .result = 1 };
	struct ringline_scope *scope;
	int64_t result;
	int r;

	if (self->runs++ == 0) {
		if (rnd(4) == 0 && ringline_scope_open(&scope, NULL) == 0)
			g_assert_cmpint(ringline_scope_close(scope), ==, -EDEADLK);
		r = fake_begin(&g.fx, &self->stackless_op, &script);
		if (r < 0) {
			g_assert_cmpint(r, ==, reason());
			return returned(self, r);
		}
		if (rnd(4) == 0)
			return returned(self, rnd(2) ? 0 : -EIO);
	}
	result = ringline_op_result(self->stackless_op);
	if (result == -EINPROGRESS) {
		if (reason())
			g_assert_cmpint(ringline_op_cancel(self->stackless_op), ==, 0);
		return -EINPROGRESS;
	}
	return returned(self, (int)result);
}

static void start(struct body *b, int scope, bool handle, bool stackless)
{
	struct task_rec *self = b->self;
	struct rln_scope *in = scope >= 0 ? &g.scope[scope].scope->node : rln_task_current()->scope;
	struct rln_task_start how = { .fn = stackless ? stackless_body : body, .scope = in, .stackless = stackless };
	struct ringline_task *task;
	struct task_rec *t;
	int i;
	int r;

	for (i = 0; handle && i < HELD && b->held[i]; i++)
		;
	if (g.tasks == MAX_TASKS || i == HELD)
		return;
	t = new_task(self, scope >= 0 ? scope : self->depth ? self->open[self->depth - 1] : -1);
	how.arg = t;
	r = rln_task_start(handle ? &task : NULL, &how);
	if (r < 0) {
		g_assert_cmpint(r, ==, in->reason);
		g.tasks--;
	} else {
		g_assert_cmpint(in->reason, ==, 0);
		if (handle) {
			t->handle = task;
			b->held[i] = t;
		}
	}
}

/* An open scope of the task or of one further up, -1 if there is none. */
static int pick_scope(const struct task_rec *t)
{
	int n = (int)rnd(4);

	while (t) {
		int i = t->depth;

		while (i--)
			if (g.scope[t->open[i]].scope && n-- <= 0)
				return t->open[i];
		t = t->parent;
	}
	return -1;
}

static struct task_rec **pick_held(struct body *b)
{
	struct task_rec **h = &b->held[rnd(HELD)];

	return *h ? h : NULL;
}

static void join(struct body *b)
{
	struct task_rec **h = pick_held(b);
	int before = reason();
	int result = -1000;
	bool ended;
	int r;

	if (!h)
		return;
	ended = (*h)->handle->state == RLN_TASK_ENDED;
	r = ringline_task_join((*h)->handle, &result);
	if (r < 0) {
		g_assert_cmpint(r, ==, reason());
		return;
	}
	g_assert_true(ended || !before);
	g_assert_cmpint((*h)->returns, ==, 1);
	g_assert_cmpint((*h)->result, ==, result);
	*h = NULL;
}

static void detach(struct body *b)
{
	struct task_rec **h = pick_held(b);

	if (!h)
		return;
	g_assert_cmpint(ringline_task_detach((*h)->handle), ==, 0);
	*h = NULL;
}

static void cancel_held(struct body *b)
{
	struct task_rec **h = pick_held(b);

	if (h)
		g_assert_cmpint(ringline_task_cancel((*h)->handle), ==, 0);
}

/* Scopes. */

static uint64_t some_deadline(void)
{
	switch (rnd(4)) {
	case 0:
		return fake_now(&g.fx) - rnd(3);
	case 1:
		return fake_now(&g.fx) + rnd(200);
	default:
		return 0;
	}
}

static void open_scope(struct body *b)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct task_rec *self = b->self;
	struct scope_rec *s;
	bool cut;

	if (self->depth == DEPTH || g.scopes == MAX_SCOPES)
		return;
	o.flags = rnd(4);
	o.deadline = some_deadline();
	o.token = g.token[rnd(MAX_TOKENS)];
	cut = reason() != 0;
	s = &g.scope[g.scopes];
	g_assert_cmpint(ringline_scope_open(&s->scope, &o), ==, 0);
	s->owner = self;
	self->open[self->depth++] = g.scopes++;
	if (cut && !(o.flags & RINGLINE_SCOPE_SHIELDED))
		g_assert_cmpint(reason(), !=, 0);
}

static void check_children_returned(int scope)
{
	int i;

	for (i = 0; i < g.tasks; i++)
		if (g.task[i].scope == scope)
			g_assert_cmpint(g.task[i].returns, ==, 1);
}

static void close_scope(struct body *b)
{
	struct task_rec *self = b->self;
	int index;
	int r;
	int i;

	if (!self->depth)
		return;
	index = self->open[self->depth - 1];
	if (self->depth > 1)
		g_assert_cmpint(ringline_scope_close(g.scope[self->open[0]].scope), ==, -EBUSY);
	r = ringline_scope_close(g.scope[index].scope);
	g_assert_true(r == 0 || r == -EIO || r == -ETIME || r == -ECANCELED);
	g.scope[index].scope = NULL;
	check_children_returned(index);
	for (i = 0; i < OPS; i++)
		if (b->op[i].op && b->op[i].depth == self->depth)
			b->op[i].op = NULL;
	self->depth--;
}

static void cancel_scope(void)
{
	struct scope_rec *s = g.scopes ? &g.scope[rnd((uint32_t)g.scopes)] : NULL;

	if (s && s->scope)
		g_assert_cmpint(ringline_scope_cancel(s->scope), ==, 0);
}

static void use_token(void)
{
	struct ringline_token **t = &g.token[rnd(MAX_TOKENS)];

	if (!*t) {
		g_assert_cmpint(ringline_token_new(t, g.token[rnd(MAX_TOKENS)]), ==, 0);
		return;
	}
	if (rnd(2))
		g_assert_cmpint(ringline_token_cancel(*t), ==, 0);
	ringline_token_unref(*t);
	*t = NULL;
}

/* Suspending. */

static void sleeps(void)
{
	int before = reason();
	uint64_t ns = rnd(5) ? rnd(100) : 0;
	uint64_t until = fake_now(&g.fx) + ns;
	int r = rnd(2) ? ringline_sleep(ns) : ringline_sleep_until(until - rnd(2));

	if (before)
		g_assert_cmpint(r, ==, before);
	else if (r)
		g_assert_cmpint(r, ==, reason());
	else
		g_assert_cmpuint(fake_now(&g.fx) + 1, >=, until);
}

static void yields(void)
{
	int before = reason();
	int r = ringline_yield();

	g_assert_cmpint(r, ==, before ? before : reason());
}

/* Operations. */

static void begin_op(struct body *b)
{
	struct op_rec *o = &b->op[rnd(OPS)];
	struct fake_script script = { .delay = rnd(150), .result = (int64_t)rnd(1000), .on_cancel = rnd(3),
	                              .cancel_delay = rnd(2) ? rnd(50) : 0 };
	int before = reason();
	int r;

	if (o->op)
		return;
	*o = (struct op_rec){ .depth = b->self->depth, .result = script.result };
	if (rnd(4) == 0) {
		o->result = 0;
		r = ringline_sleep_begin(&o->op, script.delay);
	} else {
		r = fake_begin(&g.fx, &o->op, &script);
	}
	g_assert_cmpint(r, ==, before);
	if (r < 0)
		o->op = NULL;
}

/* A result is the scripted one, or the operation was cancelled by us or by the cut of a scope. */
static void check_result(const struct op_rec *o, int64_t result, bool cut)
{
	if (result == -ECANCELED)
		g_assert_true(o->cancelled || cut);
	else
		g_assert_cmpint(result, ==, o->result);
}

static void await_one(struct body *b)
{
	struct op_rec *o = &b->op[rnd(OPS)];
	int64_t result;

	if (!o->op)
		return;
	result = ringline_op_await(o->op);
	check_result(o, result, reason() != 0);
	o->op = NULL;
}

static size_t collect_ops(struct body *b, struct ringline_op **op)
{
	size_t some = 0;
	int i;

	for (i = 0; i < OPS; i++) {
		op[i] = rnd(3) ? b->op[i].op : NULL;
		some += op[i] != NULL;
	}
	return some;
}

static void await_any(struct body *b)
{
	struct ringline_op *op[OPS];
	size_t some = collect_ops(b, op);
	int64_t result = -1;
	ssize_t r = ringline_op_await_any(op, OPS, &result);

	if (!some) {
		g_assert_cmpint(r, ==, -EINVAL);
	} else if (r < 0) {
		g_assert_cmpint(r, ==, reason());
	} else {
		g_assert_null(op[r]);
		check_result(&b->op[r], result, false);
		b->op[r].op = NULL;
	}
}

static void await_all(struct body *b)
{
	struct ringline_op *op[OPS];
	struct ringline_op *given[OPS];
	int64_t result[OPS];
	int r;
	int i;

	collect_ops(b, op);
	memcpy(given, op, sizeof(op));
	r = ringline_op_await_all(op, OPS, result);
	g_assert_true(r == 0 || r == reason());
	for (i = 0; i < OPS; i++) {
		g_assert_null(op[i]);
		if (!given[i])
			continue;
		check_result(&b->op[i], result[i], r < 0);
		b->op[i].op = NULL;
	}
}

static void poke_op(struct body *b)
{
	struct op_rec *o = &b->op[rnd(OPS)];
	int64_t result;

	if (!o->op)
		return;
	if (rnd(2)) {
		o->cancelled = true;
		g_assert_cmpint(ringline_op_cancel(o->op), ==, 0);
		return;
	}
	if (o->op->scope->reason)
		o->cancelled = true;          /* asking for the result of such a one cancels it */
	result = ringline_op_result(o->op);
	if (result == -EINPROGRESS)
		return;
	check_result(o, result, false);
	o->op = NULL;
}

/* Events, and select. */

static void use_event(void)
{
	struct ringline_event **e = &g.event[rnd(MAX_EVENTS)];

	if (!*e) {
		g_assert_cmpint(ringline_event_new(e, NULL), ==, 0);
		return;
	}
	switch (rnd(5)) {
	case 0:
		g_assert_cmpint(ringline_event_free(*e), ==, 0);
		*e = NULL;
		break;
	case 1:
		g_assert_cmpint(ringline_event_reset(*e), ==, 0);
		break;
	default:
		g_assert_cmpint(ringline_event_set(*e), ==, 0);
		break;
	}
}

/* A select, and what the model needs to check it. The first case is always a deadline: nothing waits for ever. */
struct choice {
	struct ringline_case c[CASES];
	struct task_rec **held[CASES];
	struct op_rec *op[CASES];
	int n;
};

static struct ringline_case *add_case(struct choice *ch, uint32_t kind, void *object)
{
	struct ringline_case *c = &ch->c[ch->n++];

	*c = (struct ringline_case){ .kind = object ? kind : RINGLINE_CASE_NONE, .object = object, .result = -1000 };
	return c;
}

static bool given(const struct choice *ch, const void *object)
{
	int i;

	for (i = 0; i < ch->n; i++)
		if (ch->c[i].object == object)
			return true;
	return false;
}

static void add_random_case(struct choice *ch, struct body *b)
{
	struct task_rec **h = pick_held(b);
	struct op_rec *o = &b->op[rnd(OPS)];

	switch (rnd(4)) {
	case 0:
		ch->held[ch->n] = h;
		add_case(ch, RINGLINE_CASE_TASK, h ? (*h)->handle : NULL);
		break;
	case 1:
		ch->op[ch->n] = o;
		add_case(ch, RINGLINE_CASE_OP, given(ch, o->op) ? NULL : o->op);
		break;
	case 2:
		add_case(ch, RINGLINE_CASE_TOKEN, ringline_token_ref(g.token[rnd(MAX_TOKENS)]));
		break;
	default:
		add_case(ch, RINGLINE_CASE_EVENT, g.event[rnd(MAX_EVENTS)]);
		break;
	}
}

static void check_choice(const struct choice *ch, ssize_t which, uint32_t kind)
{
	const struct ringline_case *c = &ch->c[which];

	switch (kind) {
	case RINGLINE_CASE_TASK:
		g_assert_cmpint((*ch->held[which])->returns, ==, 1);
		g_assert_cmpint((*ch->held[which])->result, ==, c->result);
		*ch->held[which] = NULL;
		break;
	case RINGLINE_CASE_OP:
		check_result(ch->op[which], c->result, reason() != 0);
		ch->op[which]->op = NULL;
		break;
	case RINGLINE_CASE_TOKEN:
		g_assert_cmpint(ringline_token_cancelled(c->object), ==, 1);
		break;
	case RINGLINE_CASE_EVENT:
		g_assert_true(c->result == 0 || c->result == -EBADF);
		break;
	default:
		g_assert_cmpuint(c->value, <=, fake_now(&g.fx));
		break;
	}
}

static void selects(struct body *b)
{
	struct choice ch = { .n = 0 };
	uint32_t flags = rnd(3) ? rnd(2) : RINGLINE_SELECT_NOWAIT;
	uint32_t kinds[CASES];
	ssize_t which;
	int i;

	add_case(&ch, RINGLINE_CASE_DEADLINE, &ch)->value = fake_now(&g.fx) + rnd(200);
	for (i = (int)rnd(CASES); i > 0; i--)
		add_random_case(&ch, b);
	for (i = 0; i < ch.n; i++)
		kinds[i] = ch.c[i].kind;
	which = ringline_select(ch.c, (size_t)ch.n, sizeof(ch.c[0]), flags);
	if (which >= 0)
		check_choice(&ch, which, kinds[which]);
	else
		g_assert_true(which == reason() || (which == -EAGAIN && flags == RINGLINE_SELECT_NOWAIT));
	for (i = 0; i < ch.n; i++)
		if (kinds[i] == RINGLINE_CASE_TOKEN)
			ringline_token_unref(ch.c[i].object);
}

/* A task does steps until it feels like stopping, or the schedule's are used up. */

static void spawn_somewhere(struct body *b)
{
	int scope = rnd(2) ? pick_scope(b->self) : -1;

	start(b, scope, rnd(3) == 0, rnd(6) == 0);
}

static void step(struct body *b)
{
	switch (rnd(30)) {
	case 0: case 1: case 2: case 3:
		spawn_somewhere(b);
		break;
	case 4: case 5:
		open_scope(b);
		break;
	case 6:
		close_scope(b);
		break;
	case 7:
		rnd(2) ? cancel_scope() : use_token();
		break;
	case 8:
		rnd(3) ? join(b) : rnd(2) ? detach(b) : cancel_held(b);
		break;
	case 9: case 10: case 11:
		sleeps();
		break;
	case 12:
		yields();
		break;
	case 13: case 14: case 15:
		begin_op(b);
		break;
	case 16:
		await_one(b);
		break;
	case 17:
		rnd(2) ? await_any(b) : await_all(b);
		break;
	case 18:
		poke_op(b);
		break;
	case 19: case 20:
		use_event();
		break;
	case 21: case 22:
		selects(b);
		break;
	case 23: case 24: case 25: case 26: case 27: case 28:
		sync_step();
		break;
	default:
		open_scope(b);
		begin_op(b);
		spawn_somewhere(b);
		break;
	}
}

static int body(void *arg)
{
	struct body b = { .self = arg };
	int i;

	g_assert_cmpint(b.self->runs++, ==, 0);
	while (g.steps-- > 0 && rnd(20))
		step(&b);
	while (b.self->depth && rnd(4))
		close_scope(&b);
	for (i = 0; i < HELD; i++)
		if (b.held[i])
			g_assert_cmpint(ringline_task_detach(b.held[i]->handle), ==, 0);
	while (b.self->depth)
		g.scope[b.self->open[--b.self->depth]].scope = NULL;    /* the library closes them now */
	return returned(b.self, rnd(4) ? reason() : -EIO);
}

/* The end of a drain: whatever main still does, shielded or not, is cut. */
static int drains(void *arg)
{
	struct ringline_task *t;

	(void)arg;
	g_assert_cmpint(ringline_sleep(rnd(400)), ==, 0);
	t = rln_slab_find(&g.fx.x.tasks, g.main_id);
	if (t && t->state != RLN_TASK_ENDED)
		rln_scope_cut(&t->base, -ECANCELED, true);
	return 0;
}

static int main_task(void *arg)
{
	struct rln_task_start drain = { .fn = drains, .scope = &g.fx.x.root };

	g.main_id = ringline_task_id();
	if (rnd(4) == 0)
		g_assert_cmpint(rln_task_start(NULL, &drain), ==, 0);
	return body(arg);
}

/* From outside a task, as the owner's thread may. */
static int drop_event(struct ringline_event **e)
{
	int r = ringline_event_free(*e);

	*e = NULL;
	return r;
}

static void run_schedule(uint64_t seed)
{
	int i;

	g.seed = seed;
	g_snprintf(g.message, sizeof(g.message), "# failed at RINGLINE_TEST_SEED=%" G_GUINT64_FORMAT "\n", seed);
	g.random = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15);
	g.tasks = 0;
	g.scopes = 0;
	g.steps = 5 + (int)rnd(rnd(4) ? 60 : 200);
	g.fx.x.budget = 1 + rnd(6);
	g.fx.f->early = rnd(3);
	sync_begin(rnd, &g.fx);
	g.fx.turn_limit = rln_stat_get(&g.fx.x.stats.turns) + 100000;
	fixture_run(&g.fx, main_task, new_task(NULL, -1));
	for (i = 0; i < g.tasks; i++) {
		g_assert_cmpint(g.task[i].runs, >=, 1);
		g_assert_cmpint(g.task[i].returns, ==, 1);
	}
	for (i = 0; i < MAX_TOKENS; i++) {
		ringline_token_unref(g.token[i]);
		g.token[i] = NULL;
	}
	for (i = 0; i < MAX_EVENTS; i++)
		if (g.event[i])
			g_assert_cmpint(drop_event(&g.event[i]), ==, 0);
	sync_end();
	fixture_audit(&g.fx);
}

/* The seed must be known however the test dies. */
static void say_seed(int sig)
{
	ssize_t ignored = write(STDERR_FILENO, g.message, strlen(g.message));

	(void)ignored;
	signal(sig, SIG_DFL);
	raise(sig);
}

static void test_schedules(void)
{
	const char *full = g_getenv("RINGLINE_TEST_FULL");
	const char *set = g_getenv("RINGLINE_TEST_SEED");
	uint64_t n = full && *full == '1' ? 1000000 : fake_scaled(10000);
	uint64_t seed = set ? g_ascii_strtoull(set, NULL, 10) : (uint32_t)g_test_rand_int();
	uint64_t i;

	g_test_message("RINGLINE_TEST_SEED=%" G_GUINT64_FORMAT ", %" G_GUINT64_FORMAT " schedules", seed, n);
	signal(SIGABRT, say_seed);
	signal(SIGTRAP, say_seed);
	fixture_init(&g.fx, NULL);
	g.fx.f->on_wait = check_wait;
	for (i = 0; i < n; i++)
		run_schedule(seed + i);
	g_test_message("%" G_GUINT64_FORMAT " tasks, %" G_GUINT64_FORMAT " operations, %" G_GUINT64_FORMAT " turns",
	               rln_stat_get(&g.fx.x.stats.tasks_ended), rln_stat_get(&g.fx.x.stats.ops_ended),
	               rln_stat_get(&g.fx.x.stats.turns));
	g.fx.f->on_wait = NULL;
	fixture_fini(&g.fx);
	signal(SIGABRT, SIG_DFL);
	signal(SIGTRAP, SIG_DFL);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/schedule/random-schedules-keep-the-invariants", test_schedules);
	return g_test_run();
}
