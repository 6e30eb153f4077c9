/* SPDX-License-Identifier: MIT */
/* The turn: budget, polling, sleeping, deferred work, operations and their completions. */
#include "support/fake-backend.h"

/* Fairness. */

struct spinner {
	struct fixture *fx;
	uint64_t spins;
	bool *stop;
};

static int spins(void *arg)
{
	struct spinner *s = arg;

	while (!*s->stop) {
		s->spins++;
		g_assert_cmpuint(s->spins, <, 100000);
		g_assert_cmpint(ringline_yield(), ==, 0);
	}
	return 0;
}

static int waits_for_op(void *arg)
{
	struct spinner *s = arg;
	struct ringline_op *op = fake_op(s->fx, 0, 5);

	g_assert_cmpint(ringline_op_await(op), ==, 5);
	*s->stop = true;
	return 0;
}

/* Tasks that never stop being runnable do not keep a completion from being delivered. */
static int completions_between_batches(void *arg)
{
	struct fixture *fx = arg;
	bool stop = false;
	struct spinner s[4];
	struct ringline_scope *scope;
	int i;

	g_assert_cmpint(ringline_scope_open(&scope, NULL), ==, 0);
	for (i = 0; i < 4; i++)
		s[i] = (struct spinner){ .fx = fx, .stop = &stop };
	for (i = 0; i < 3; i++)
		g_assert_cmpint(ringline_spawn(spins, &s[i]), ==, 0);
	g_assert_cmpint(ringline_spawn(waits_for_op, &s[3]), ==, 0);
	g_assert_cmpint(ringline_scope_close(scope), ==, 0);
	for (i = 0; i < 3; i++)
		g_assert_cmpuint(s[i].spins, <, 10);
	return 0;
}

static void time_passes(struct fake_backend *f, uint64_t deadline)
{
	(void)deadline;
	f->clock.virtual_now += 10;
}

/* The same for timers: time passes while tasks spin. */
static int timers_between_batches(void *arg)
{
	struct fixture *fx = arg;
	bool stop = false;
	struct spinner s = { .fx = fx, .stop = &stop };

	fx->f->on_wait = time_passes;
	g_assert_cmpint(ringline_spawn(spins, &s), ==, 0);
	g_assert_cmpint(ringline_sleep(1000), ==, 0);
	stop = true;
	fx->f->on_wait = NULL;
	return ringline_sleep(1);
}

/* A yield lets completions go first, also when nobody else is runnable. */
static int yield_takes_completions(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_op *op = fake_op(fx, 0, 3);
	uint64_t waits = fx->f->waits;

	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpuint(fx->f->waits, ==, waits + 1);
	g_assert_cmpint(ringline_op_result(op), ==, 3);
	return 0;
}

/* Tasks that wake each other without end, never yielding: the budget ends the batch. */
struct pong {
	struct rln_source *mine;
	struct rln_source *peers;
	bool *stop;
	uint64_t hops;
};

static int plays(void *arg)
{
	struct pong *p = arg;
	int64_t result;

	while (!*p->stop) {
		g_assert_cmpuint(++p->hops, <, 1000);
		rln_source_fire_all(p->peers, 0);
		if (!*p->stop)
			g_assert_cmpint(rln_wait_on(p->mine, &result, NULL, NULL), ==, 0);
	}
	rln_source_fire_all(p->peers, 0);
	return 0;
}

static int budget_ends_a_batch(void *arg)
{
	struct fixture *fx = arg;
	bool stop = false;
	struct spinner s = { .fx = fx, .stop = &stop };
	struct rln_source a;
	struct rln_source b;
	struct pong p[2] = { { .mine = &a, .peers = &b, .stop = &stop }, { .mine = &b, .peers = &a, .stop = &stop } };
	struct ringline_scope *scope;

	rln_source_init(&a);
	rln_source_init(&b);
	g_assert_cmpint(ringline_scope_open(&scope, NULL), ==, 0);
	g_assert_cmpint(ringline_spawn(waits_for_op, &s), ==, 0);
	g_assert_cmpint(ringline_spawn(plays, &p[0]), ==, 0);
	g_assert_cmpint(ringline_spawn(plays, &p[1]), ==, 0);
	g_assert_cmpint(ringline_scope_close(scope), ==, 0);
	g_assert_cmpuint(p[0].hops, >, 2);
	return 0;
}

static int counts(void *arg)
{
	++*(int *)arg;
	return 0;
}

static void test_budget(void)
{
	struct rln_exec_config config = { .budget = 4 };
	struct rln_task_start how = { .fn = counts };
	struct fixture fx;
	int ran = 0;
	int i;

	fixture_init(&fx, &config);
	how.arg = &ran;
	how.scope = &fx.x.root;
	for (i = 0; i < 10; i++)
		g_assert_cmpint(rln_task_start(NULL, &how), ==, 0);
	fixture_turn(&fx);
	g_assert_cmpint(ran, ==, 4);
	g_assert_cmpuint(fx.f->waits, ==, 1);
	fixture_turn(&fx);
	g_assert_cmpint(ran, ==, 8);
	fixture_turn(&fx);
	g_assert_cmpint(ran, ==, 10);
	g_assert_cmpuint(rln_stat_get(&fx.x.stats.switches), ==, 10);
	fixture_fini(&fx);
}

/* Sleeping. */

static void must_not_sleep(struct fake_backend *f, uint64_t deadline)
{
	struct fixture *fx = f->user;

	if (!rln_list_empty(&fx->x.runq) || !rln_list_empty(&fx->x.deferred))
		g_assert_cmpuint(deadline, ==, 0);
}

static int hops(void *arg)
{
	int left = GPOINTER_TO_INT(arg);

	if (left)
		g_assert_cmpint(ringline_spawn(hops, GINT_TO_POINTER(left - 1)), ==, 0);
	g_assert_cmpint(ringline_yield(), ==, 0);
	return ringline_sleep((uint64_t)left);
}

static int no_sleep_with_ready_tasks(void *arg)
{
	struct fixture *fx = arg;

	fx->f->on_wait = must_not_sleep;
	fx->f->user = fx;
	g_assert_cmpint(ringline_spawn(hops, GINT_TO_POINTER(50)), ==, 0);
	g_assert_cmpint(ringline_sleep(1000), ==, 0);
	fx->f->on_wait = NULL;
	return 0;
}

static int sleeps_until_next_timer(void *arg)
{
	struct fixture *fx = arg;
	uint64_t sleeps = fx->f->sleeps;

	g_assert_cmpint(ringline_sleep(RLN_NSEC_PER_SEC), ==, 0);
	g_assert_cmpuint(fx->f->last_deadline, ==, FAKE_START + RLN_NSEC_PER_SEC);
	g_assert_cmpuint(fx->f->sleeps, ==, sleeps + 1);    /* an idle worker wakes once */
	return 0;
}

static void test_limit(void)
{
	struct fixture fx;

	fixture_init(&fx, NULL);
	fx.f->may_hang = true;
	g_assert_cmpint(rln_exec_turn(&fx.x, 0), ==, 0);
	g_assert_cmpuint(fx.f->last_deadline, ==, 0);
	g_assert_cmpint(rln_exec_turn(&fx.x, FAKE_START + 7), ==, 0);
	g_assert_cmpuint(fx.f->last_deadline, ==, FAKE_START + 7);
	g_assert_cmpuint(fake_now(&fx), ==, FAKE_START + 7);
	g_assert_cmpint(rln_exec_turn(&fx.x, RINGLINE_NEVER), ==, 0);
	g_assert_cmpuint(fx.f->last_deadline, ==, RINGLINE_NEVER);
	fixture_fini(&fx);
}

static int sleeps_for_ever(void *arg)
{
	(void)arg;
	return ringline_sleep_until(RINGLINE_NEVER);
}

/* What the other tests rely on: a worker with a task that nobody will wake is noticed. */
static void test_hang_is_noticed(void)
{
	struct rln_task_start how = { .fn = sleeps_for_ever };
	struct ringline_task *t;
	struct fixture fx;

	fixture_init(&fx, NULL);
	how.scope = &fx.x.root;
	fx.f->may_hang = true;
	g_assert_cmpint(rln_task_start(&t, &how), ==, 0);
	g_assert_cmpint(rln_exec_turn(&fx.x, RINGLINE_NEVER), ==, 0);
	g_assert_true(fx.f->hung);
	rln_scope_cut(&t->base, -ECANCELED, false);
	g_assert_cmpint(rln_exec_turn(&fx.x, RINGLINE_NEVER), ==, 0);
	g_assert_cmpint(t->result, ==, -ECANCELED);
	rln_task_release(t);
	fixture_fini(&fx);
}

static void test_broken_backend(void)
{
	struct fixture fx;

	fixture_init(&fx, NULL);
	fx.f->broken = -EBADF;
	g_assert_cmpint(rln_exec_turn(&fx.x, RINGLINE_NEVER), ==, -EBADF);
	g_assert_cmpint(atomic_load(&fx.x.sleep_state), ==, RLN_AWAKE);
	fx.f->broken = 0;
	fixture_fini(&fx);
}

/* Deferred work. */

struct later {
	struct rln_deferred d;
	struct fixture *fx;
	char letter;
	int again;
	struct later *other;
};

static void later_run(struct rln_deferred *d)
{
	struct later *l = rln_container_of(d, struct later, d);

	g_string_append_c(l->fx->trace, l->letter);
	if (l->again-- > 0)
		rln_exec_defer(&l->fx->x, d);
	if (l->other)
		rln_list_del(&l->other->d.link);
}

static void later_init(struct later *l, struct fixture *fx, char letter)
{
	*l = (struct later){ .fx = fx, .letter = letter };
	l->d.run = later_run;
	rln_list_init(&l->d.link);
}

static void test_deferred(void)
{
	struct later a;
	struct later b;
	struct later c;
	struct fixture fx;

	fixture_init(&fx, NULL);
	later_init(&a, &fx, 'a');
	later_init(&b, &fx, 'b');
	rln_exec_defer(&fx.x, &a.d);
	rln_exec_defer(&fx.x, &b.d);
	rln_exec_defer(&fx.x, &a.d);      /* it is on the list already */
	fixture_turn(&fx);
	g_assert_cmpstr(fx.trace->str, ==, "ab");

	/* deferred again by itself: in the next turn, which does not sleep */
	a.again = 2;
	rln_exec_defer(&fx.x, &a.d);
	g_assert_cmpint(rln_exec_turn(&fx.x, RINGLINE_NEVER), ==, 0);
	g_assert_cmpuint(fx.f->last_deadline, ==, 0);
	g_assert_cmpstr(fx.trace->str, ==, "aba");
	g_assert_cmpint(rln_exec_turn(&fx.x, RINGLINE_NEVER), ==, 0);
	g_assert_cmpuint(fx.f->last_deadline, ==, 0);
	fixture_turn(&fx);
	g_assert_cmpstr(fx.trace->str, ==, "abaaa");

	/* taken off the list by what runs before it */
	later_init(&c, &fx, 'c');
	c.other = &b;
	rln_exec_defer(&fx.x, &c.d);
	rln_exec_defer(&fx.x, &b.d);
	fixture_turn(&fx);
	g_assert_cmpstr(fx.trace->str, ==, "abaaac");
	fixture_fini(&fx);
}

/* Operations. */

struct watched {
	struct rln_op op;
	struct fixture *fx;
	int completions;
	int terminal;
	int64_t last;
	bool resubmit;
	struct watched *cancel;
};

static void watched_done(struct rln_op *op, const struct rln_completion *c)
{
	struct watched *w = rln_container_of(op, struct watched, op);

	g_assert_true(w->fx->f->waiting);     /* from inside wait() only */
	w->completions++;
	w->last = c->res;
	if (c->flags & RLN_C_MORE) {
		g_assert_true(rln_op_inflight(op));
	} else {
		g_assert_cmpint(op->state, ==, RLN_OP_DONE);
		w->terminal++;
	}
	if (w->cancel)
		rln_op_cancel(&w->cancel->op);
	if (w->resubmit) {
		w->resubmit = false;
		rln_op_submit(op);
	}
}

static void submit(struct fixture *fx, struct watched *w, const struct fake_script *script)
{
	*w = (struct watched){ .fx = fx };
	rln_op_init(&w->op, watched_done);
	w->op.opcode = RLN_OP_RECV_POOL;
	fake_script(fx->f, RLN_OP_RECV_POOL, script);
	rln_op_submit(&w->op);
}

static int one_terminal_completion(void *arg)
{
	struct fixture *fx = arg;
	struct watched w;

	submit(fx, &w, &(struct fake_script){ .delay = 10, .result = 3 });
	g_assert_true(rln_op_inflight(&w.op));
	g_assert_cmpint(w.completions, ==, 0);
	g_assert_cmpint(ringline_sleep(100), ==, 0);
	g_assert_cmpint(w.terminal, ==, 1);
	g_assert_cmpint(w.last, ==, 3);
	rln_op_cancel(&w.op);     /* after the end: nothing happens */
	g_assert_cmpuint(rln_stat_get(&fx->x.stats.ops_cancelled), ==, 0);
	return 0;
}

static int multishot(void *arg)
{
	struct fixture *fx = arg;
	struct watched w;

	submit(fx, &w, &(struct fake_script){ .delay = 10, .result = 3, .more = 4 });
	g_assert_cmpint(ringline_sleep(45), ==, 0);
	g_assert_cmpint(w.completions, ==, 4);
	g_assert_cmpint(w.terminal, ==, 0);
	g_assert_cmpint(ringline_sleep(45), ==, 0);
	g_assert_cmpint(w.completions, ==, 5);
	g_assert_cmpint(w.terminal, ==, 1);
	g_assert_cmpuint(rln_stat_get(&fx->x.stats.completions[RLN_OP_RECV_POOL][RLN_ENGINE_FAKE]), ==, 5);
	return 0;
}

static int cancel_multishot(void *arg)
{
	struct fixture *fx = arg;
	struct watched w;

	submit(fx, &w, &(struct fake_script){ .delay = 10, .result = 3, .more = 100, .cancel_delay = 3 });
	g_assert_cmpint(ringline_sleep(25), ==, 0);
	rln_op_cancel(&w.op);
	rln_op_cancel(&w.op);
	g_assert_true(rln_op_inflight(&w.op));    /* a request only */
	g_assert_cmpint(ringline_sleep(100), ==, 0);
	g_assert_cmpint(w.completions, ==, 3);
	g_assert_cmpint(w.terminal, ==, 1);
	g_assert_cmpint(w.last, ==, -ECANCELED);
	g_assert_cmpuint(rln_stat_get(&fx->x.stats.ops_cancelled), ==, 1);
	return 0;
}

static int resubmit_from_completion(void *arg)
{
	struct fixture *fx = arg;
	struct watched w;

	submit(fx, &w, &(struct fake_script){ .delay = 0, .result = 1 });
	w.resubmit = true;
	g_assert_cmpint(ringline_sleep(1), ==, 0);
	g_assert_cmpint(w.terminal, ==, 2);
	return 0;
}

/* A completion that cancels an operation whose own completion comes in the same batch. */
static int cancel_from_completion(void *arg)
{
	struct fixture *fx = arg;
	struct watched a;
	struct watched b;
	struct watched c;

	submit(fx, &a, &(struct fake_script){ .delay = 5, .result = 1 });
	submit(fx, &b, &(struct fake_script){ .delay = 5, .result = 2 });
	submit(fx, &c, &(struct fake_script){ .delay = FAKE_NEVER });
	a.cancel = &b;
	b.cancel = &c;
	g_assert_cmpint(ringline_sleep(100), ==, 0);
	g_assert_cmpint(a.terminal + b.terminal + c.terminal, ==, 3);
	g_assert_cmpint(b.last, ==, 2);
	g_assert_cmpint(c.last, ==, -ECANCELED);
	return 0;
}

static void test_opcode_names(void)
{
	unsigned int i;

	for (i = 0; i < RLN_OP_MAX; i++) {
		g_assert_nonnull(rln_opcode_name(i));
		g_assert_cmpstr(rln_opcode_name(i), !=, "unknown");
	}
	g_assert_cmpstr(rln_opcode_name(RLN_OP_MAX), ==, "unknown");
	g_assert_cmpstr(rln_opcode_name(UINT32_MAX), ==, "unknown");
}

/* A new executor has nothing in it, and ends without having run. */
static void test_new(void)
{
	struct fixture fx;

	fixture_init(&fx, NULL);
	g_assert_true(rln_exec_idle(&fx.x));
	g_assert_true(rln_exec_current == &fx.x);
	g_assert_cmpuint(rln_timers_next(&fx.x), ==, RINGLINE_NEVER);
	fixture_audit(&fx);
	fixture_fini(&fx);
	g_assert_null(rln_exec_current);
}

/* What runs outside any task knows it. */
static void callback_outside(struct rln_deferred *d)
{
	struct later *l = rln_container_of(d, struct later, d);

	g_assert_null(l->fx->x.current);
	g_assert_cmpint(ringline_yield(), ==, -EPERM);
	g_assert_cmpuint(ringline_task_id(), ==, 0);
	g_string_append_c(l->fx->trace, 'x');
}

static int current_is_cleared(void *arg)
{
	struct fixture *fx = arg;
	struct later l;

	later_init(&l, fx, 'a');
	l.d.run = callback_outside;
	rln_exec_defer(&fx->x, &l.d);
	g_assert_true(fx->x.current == rln_task_current());
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpstr(fx->trace->str, ==, "x");
	g_assert_cmpuint(ringline_task_id(), !=, 0);
	return 0;
}

static int returns_at_once(void *arg)
{
	(void)arg;
	return 0;
}

/* After a wave of tasks the stacks' pages go back to the kernel, and then the worker sleeps for ever. */
static int wave_of_tasks(void *arg)
{
	struct fixture *fx = arg;
	struct rln_stack_pool_stats stats;
	uint64_t sleeps;
	int i;

	for (i = 0; i < 500; i++)
		g_assert_cmpint(ringline_spawn(returns_at_once, NULL), ==, 0);
	g_assert_cmpint(ringline_yield(), ==, 0);
	rln_stack_pool_stats(fx->x.stacks, &stats);
	g_assert_cmpuint(stats.warm, >, 400);
	g_assert_cmpint(ringline_sleep(RLN_NSEC_PER_SEC), ==, 0);
	rln_stack_pool_stats(fx->x.stacks, &stats);
	g_assert_cmpuint(stats.warm, ==, 64);
	sleeps = fx->f->sleeps;
	g_assert_cmpint(ringline_sleep(RLN_NSEC_PER_SEC), ==, 0);
	g_assert_cmpuint(fx->f->sleeps, ==, sleeps + 1);
	return 0;
}

static const struct fixture_case cases[] = {
	{ "/executor/stacks-of-a-wave-are-given-back", wave_of_tasks, { 0 } },
	{ "/executor/completions-are-taken-between-batches", completions_between_batches, { .budget = 2 } },
	{ "/executor/completions-are-taken-while-all-spin", completions_between_batches, { 0 } },
	{ "/executor/yield-takes-completions", yield_takes_completions, { 0 } },
	{ "/executor/budget-ends-a-batch-of-tasks-that-wake-each-other", budget_ends_a_batch, { .budget = 16 } },
	{ "/executor/timers-fire-while-tasks-spin", timers_between_batches, { 0 } },
	{ "/executor/does-not-sleep-with-ready-tasks", no_sleep_with_ready_tasks, { .budget = 3 } },
	{ "/executor/sleeps-once-until-the-next-timer", sleeps_until_next_timer, { 0 } },
	{ "/executor/op-has-one-terminal-completion", one_terminal_completion, { 0 } },
	{ "/executor/multishot-op", multishot, { 0 } },
	{ "/executor/cancelled-multishot-op-ends-once", cancel_multishot, { 0 } },
	{ "/executor/completion-may-submit-again", resubmit_from_completion, { 0 } },
	{ "/executor/completion-may-cancel-others", cancel_from_completion, { 0 } },
	{ "/executor/current-task-is-cleared-for-callbacks", current_is_cleared, { 0 } },
};

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	fixture_add_cases(cases, G_N_ELEMENTS(cases));
	g_test_add_func("/executor/new-has-nothing", test_new);
	g_test_add_func("/executor/budget-bounds-a-turn", test_budget);
	g_test_add_func("/executor/limit-bounds-the-sleep", test_limit);
	g_test_add_func("/executor/sleep-for-ever-is-noticed", test_hang_is_noticed);
	g_test_add_func("/executor/broken-backend-is-reported", test_broken_backend);
	g_test_add_func("/executor/deferred-work", test_deferred);
	g_test_add_func("/executor/opcode-names", test_opcode_names);
	return g_test_run();
}
