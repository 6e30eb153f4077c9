/* SPDX-License-Identifier: MIT */
/* Tasks: start, run, wake, yield, join, detach, cancel, stackless ones, and what happens when memory is short. */
#include "base/fault.h"
#include "support/fake-backend.h"

static int returns_arg(void *arg)
{
	return GPOINTER_TO_INT(arg);
}

static int sleeps_a_second(void *arg)
{
	(void)arg;
	return ringline_sleep(RLN_NSEC_PER_SEC);
}

static int sleeps_for_ever(void *arg)
{
	(void)arg;
	return ringline_sleep_until(RINGLINE_NEVER);
}

static struct ringline_task *start(int (*fn)(void *), void *arg)
{
	struct ringline_task *t;

	g_assert_cmpint(ringline_task_start(&t, fn, arg, NULL), ==, 0);
	return t;
}

static int join(struct ringline_task *t)
{
	int result = -1000;

	g_assert_cmpint(ringline_task_join(t, &result), ==, 0);
	return result;
}

/* A task that writes its letter, yields, and writes it again. */
struct letter {
	struct fixture *fx;
	char c;
	int times;
};

static int writes_letter(void *arg)
{
	struct letter *l = arg;
	int i;

	for (i = 0; i < l->times; i++) {
		if (i)
			g_assert_cmpint(ringline_yield(), ==, 0);
		g_string_append_c(l->fx->trace, l->c);
	}
	return 0;
}

static int fifo(void *arg)
{
	struct fixture *fx = arg;
	struct letter l[4];
	int i;

	for (i = 0; i < 4; i++) {
		l[i] = (struct letter){ fx, (char)('a' + i), 2 };
		g_assert_cmpint(ringline_spawn(writes_letter, &l[i]), ==, 0);
	}
	g_assert_cmpstr(fx->trace->str, ==, "");
	g_assert_cmpint(ringline_sleep(1), ==, 0);
	g_assert_cmpstr(fx->trace->str, ==, "abcdabcd");
	return 0;
}

/* Wakes itself through a wait that fires before it parks: the wake must not be lost. */
static int wake_during_own_run(void *arg)
{
	struct rln_parker p;
	struct rln_wait w;
	struct rln_source s;

	(void)arg;
	rln_source_init(&s);
	rln_parker_init(&p, rln_task_current(), NULL, NULL);
	rln_wait_arm(&w, &p, &s);
	rln_source_fire_all(&s, 7);
	g_assert_cmpint(rln_park(&p), ==, 0);
	g_assert_cmpint(w.result, ==, 7);

	/* and with nothing but the state to remember it: hangs if the wake is forgotten */
	rln_task_wake(rln_task_current());
	rln_task_suspend(rln_task_current());
	return 0;
}

static int counts_runs(void *arg)
{
	int *runs = arg;

	for (;;) {
		++*runs;
		if (rln_task_current()->scope->reason)
			return 0;
		rln_task_suspend(rln_task_current());
	}
}

static int woken_twice_runs_once(void *arg)
{
	int runs = 0;
	struct ringline_task *t = start(counts_runs, &runs);

	(void)arg;
	rln_task_wake(t);     /* it is queued already */
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpint(runs, ==, 1);
	rln_task_wake(t);
	rln_task_wake(t);
	rln_task_wake(t);
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpint(runs, ==, 2);
	g_assert_cmpint(ringline_task_cancel(t), ==, 0);
	rln_task_wake(t);     /* it parks by hand, which a cut does not know of */
	g_assert_cmpint(join(t), ==, 0);
	g_assert_cmpint(runs, ==, 3);
	return 0;
}

static int wake_of_ended_task(void *arg)
{
	struct ringline_task *t = start(returns_arg, GINT_TO_POINTER(3));
	uint64_t id = rln_slot_id(&t->slot);

	(void)arg;
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpint(t->state, ==, RLN_TASK_ENDED);
	rln_task_wake(t);
	rln_task_wake_id(rln_exec_current, id);
	g_assert_true(rln_list_empty(&rln_exec_current->runq));
	g_assert_cmpint(join(t), ==, 3);
	rln_task_wake_id(rln_exec_current, id);
	rln_task_wake_id(rln_exec_current, UINT64_MAX);
	rln_task_wake_id(rln_exec_current, 0);
	g_assert_true(rln_list_empty(&rln_exec_current->runq));
	return 0;
}

/* The id of an ended task does not wake the task that has its slot now. */
static int stale_id(void *arg)
{
	int runs = 0;
	struct ringline_task *old = start(returns_arg, NULL);
	uint64_t id = rln_slot_id(&old->slot);
	struct ringline_task *t;

	(void)arg;
	g_assert_cmpint(join(old), ==, 0);
	t = start(counts_runs, &runs);
	g_assert_true(t == old);
	g_assert_cmpint(ringline_yield(), ==, 0);
	rln_task_wake_id(rln_exec_current, id);
	g_assert_cmpint(t->state, ==, RLN_TASK_IDLE);
	rln_task_wake_id(rln_exec_current, rln_slot_id(&t->slot));
	g_assert_cmpint(t->state, ==, RLN_TASK_QUEUED);
	g_assert_cmpint(ringline_task_cancel(t), ==, 0);
	return join(t);
}

static int ids_are_not_used_again(void *arg)
{
	GHashTable *seen = g_hash_table_new(g_int64_hash, g_int64_equal);
	uint64_t ids[100];
	size_t i;

	(void)arg;
	for (i = 0; i < G_N_ELEMENTS(ids); i++) {
		struct ringline_task *t = start(returns_arg, NULL);

		ids[i] = rln_slot_id(&t->slot);
		g_assert_true(g_hash_table_add(seen, &ids[i]));
		g_assert_cmpint(join(t), ==, 0);
	}
	g_hash_table_destroy(seen);
	g_assert_cmpuint(ringline_task_id(), !=, 0);
	return 0;
}

static int joined_handle_is_gone(void *arg)
{
	struct ringline_task *t = start(returns_arg, GINT_TO_POINTER(5));

	(void)arg;
	g_assert_cmpint(join(t), ==, 5);
	g_assert_cmpint(ringline_task_join(t, NULL), ==, -EBADF);
	g_assert_cmpint(ringline_task_detach(t), ==, -EBADF);
	g_assert_cmpint(ringline_task_cancel(t), ==, -EBADF);
	g_assert_cmpint(ringline_task_set_name(t, "x"), ==, -EBADF);
	return 0;
}

static int double_detach(void *arg)
{
	struct ringline_task *t = start(sleeps_a_second, NULL);

	(void)arg;
	g_assert_cmpint(ringline_task_detach(t), ==, 0);
	g_assert_cmpint(ringline_task_detach(t), ==, -EBADF);
	g_assert_cmpint(ringline_task_join(t, NULL), ==, -EBADF);
	g_assert_cmpint(ringline_task_cancel(t), ==, -EBADF);
	g_assert_true(rln_slot_live(&t->slot));
	return 0;
}

struct joiner {
	struct ringline_task *task;
	int returned;
	int result;
};

static int joins(void *arg)
{
	struct joiner *j = arg;

	j->returned = ringline_task_join(j->task, &j->result);
	return 0;
}

/* The first joiner takes the handle; the second learns that it is gone, and touches nothing that is not its own. */
static int two_joiners(void *arg)
{
	struct joiner j[2];
	struct ringline_task *other;
	int i;

	(void)arg;
	j[0].task = j[1].task = start(sleeps_a_second, NULL);
	for (i = 0; i < 2; i++)
		g_assert_cmpint(ringline_spawn(joins, &j[i]), ==, 0);
	g_assert_cmpint(ringline_sleep(2 * RLN_NSEC_PER_SEC), ==, 0);
	g_assert_cmpint(j[0].returned, ==, 0);
	g_assert_cmpint(j[0].result, ==, 0);
	g_assert_cmpint(j[1].returned, ==, -EBADF);
	other = start(returns_arg, GINT_TO_POINTER(9));
	g_assert_cmpint(join(other), ==, 9);
	return 0;
}

static int detach_under_a_joiner(void *arg)
{
	struct joiner j = { .task = start(sleeps_a_second, NULL) };

	(void)arg;
	g_assert_cmpint(ringline_spawn(joins, &j), ==, 0);
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpint(ringline_task_detach(j.task), ==, 0);
	g_assert_cmpint(ringline_sleep(2 * RLN_NSEC_PER_SEC), ==, 0);
	g_assert_cmpint(j.returned, ==, -EBADF);
	return 0;
}

static int join_same_task_twice_in_one_call(void *arg)
{
	struct ringline_task *t = start(returns_arg, GINT_TO_POINTER(4));
	struct ringline_task *both[2] = { t, t };
	int results[2] = { -1, -1 };

	(void)arg;
	g_assert_cmpint(ringline_join(both, 2, results), ==, 0);
	g_assert_cmpint(results[0], ==, 4);
	g_assert_cmpint(results[1], ==, 4);
	g_assert_false(rln_slot_live(&t->slot));
	g_assert_cmpint(ringline_task_join(t, NULL), ==, -EBADF);
	return 0;
}

static int join_many(void *arg)
{
	struct ringline_task *t[20];
	int results[20];
	int i;

	(void)arg;
	for (i = 0; i < 20; i++)
		t[i] = start(i % 2 ? sleeps_a_second : returns_arg, GINT_TO_POINTER(i));
	g_assert_cmpint(ringline_join(t, 20, results), ==, 0);
	for (i = 0; i < 20; i++)
		g_assert_cmpint(results[i], ==, i % 2 ? 0 : i);
	g_assert_cmpint(ringline_join(NULL, 0, NULL), ==, 0);
	return 0;
}

static int join_cut_short(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_task *t = start(sleeps_a_second, NULL);
	struct ringline_scope *s;

	o.deadline = fake_now(fx) + 1000;
	g_assert_cmpint(ringline_scope_open(&s, &o), ==, 0);
	g_assert_cmpint(ringline_task_join(t, NULL), ==, -ETIME);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 1000);
	g_assert_cmpint(ringline_scope_close(s), ==, -ETIME);
	return join(t);       /* the handle stayed valid */
}

static int join_bad_arguments(void *arg)
{
	struct ringline_task *t[2] = { start(returns_arg, GINT_TO_POINTER(1)), NULL };

	(void)arg;
	g_assert_cmpint(ringline_task_join(NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_join(NULL, 1, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_join(t, 2, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_task_join(rln_task_current(), NULL), ==, -EDEADLK);
	g_assert_cmpint(join(t[0]), ==, 1);     /* none was dropped */
	return 0;
}

static int bad_arguments(void *arg)
{
	struct ringline_task_options o = RINGLINE_TASK_OPTIONS_INIT;
	struct { struct ringline_task_options o; int unknown; } big = { .unknown = 1 };
	struct ringline_task *t;

	(void)arg;
	g_assert_cmpint(ringline_spawn(NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_task_start(&t, NULL, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_task_start(NULL, returns_arg, NULL, NULL), ==, -EINVAL);
	o.size = 1;
	g_assert_cmpint(ringline_task_start(&t, returns_arg, NULL, &o), ==, -EINVAL);
	big.o.size = sizeof(big);
	g_assert_cmpint(ringline_task_start(&t, returns_arg, NULL, &big.o), ==, -E2BIG);
	big.unknown = 0;
	g_assert_cmpint(ringline_task_start(&t, returns_arg, NULL, &big.o), ==, 0);
	g_assert_cmpint(join(t), ==, 0);
	g_assert_cmpint(ringline_task_cancel(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_task_detach(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_task_set_name(NULL, NULL), ==, -EINVAL);
	return 0;
}

static int names(void *arg)
{
	struct ringline_task_options o = RINGLINE_TASK_OPTIONS_INIT;
	struct ringline_task *t;

	(void)arg;
	g_assert_cmpstr(rln_task_current()->name, ==, "main");
	t = start(returns_arg, NULL);
	g_assert_cmpstr(t->name, ==, "main");
	g_assert_cmpint(join(t), ==, 0);
	o.name = "a-name-longer-than-is-kept";
	g_assert_cmpint(ringline_task_start(&t, returns_arg, NULL, &o), ==, 0);
	g_assert_cmpstr(t->name, ==, "a-name-longer-t");
	g_assert_cmpint(ringline_task_set_name(t, "short"), ==, 0);
	g_assert_cmpstr(t->name, ==, "short");
	g_assert_cmpint(ringline_task_detach(t), ==, 0);
	g_assert_cmpint(ringline_task_set_name(NULL, "self"), ==, 0);
	g_assert_cmpstr(rln_task_current()->name, ==, "self");
	return 0;
}

static int cancel_before_first_run(void *arg)
{
	struct ringline_task *t = start(sleeps_a_second, NULL);
	struct fixture *fx = arg;

	g_assert_cmpint(ringline_task_cancel(t), ==, 0);
	g_assert_cmpint(join(t), ==, -ECANCELED);     /* it was run, and its first wait failed */
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START);
	return 0;
}

static int cancels_itself(void *arg)
{
	struct ringline_task **self = arg;

	g_assert_cmpint(ringline_task_cancel(*self), ==, 0);
	g_assert_cmpint(ringline_yield(), ==, -ECANCELED);
	g_assert_cmpint(ringline_sleep(0), ==, -ECANCELED);
	g_assert_cmpint(ringline_spawn(returns_arg, NULL), ==, -ECANCELED);
	return 11;
}

static int cancel_while_running(void *arg)
{
	struct ringline_task *t;

	(void)arg;
	t = start(cancels_itself, &t);
	g_assert_cmpint(join(t), ==, 11);
	return 0;
}

static int cancel_parked(void *arg)
{
	struct ringline_task *t = start(sleeps_for_ever, NULL);

	(void)arg;
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpint(t->state, ==, RLN_TASK_IDLE);
	g_assert_cmpint(ringline_task_cancel(t), ==, 0);
	g_assert_cmpint(ringline_task_cancel(t), ==, 0);
	g_assert_cmpint(join(t), ==, -ECANCELED);
	return 0;
}

static int cancel_ended(void *arg)
{
	struct ringline_task *t = start(returns_arg, GINT_TO_POINTER(2));

	(void)arg;
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpint(ringline_task_cancel(t), ==, 0);
	g_assert_cmpint(join(t), ==, 2);
	return 0;
}

static int spawns_and_returns(void *arg)
{
	g_assert_cmpint(ringline_spawn(sleeps_a_second, NULL), ==, 0);
	return GPOINTER_TO_INT(arg);
}

static int parent_ends_after_children(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_task *t = start(spawns_and_returns, GINT_TO_POINTER(1));

	g_assert_cmpint(join(t), ==, 1);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + RLN_NSEC_PER_SEC);
	t = start(spawns_and_returns, GINT_TO_POINTER(-EIO));
	g_assert_cmpint(join(t), ==, -EIO);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + RLN_NSEC_PER_SEC);    /* it failed: they were cut */
	return 0;
}

/* Stackless tasks. */

struct stackless {
	struct fixture *fx;
	struct ringline_op *op;
	int polls;
	int64_t result;
	int returns;
	bool may_park_was_refused;
};

static struct ringline_task *start_stackless(int (*fn)(void *), void *arg)
{
	struct rln_task_start how = { .fn = fn, .arg = arg, .scope = rln_task_current()->scope, .stackless = true };
	struct ringline_task *t;

	g_assert_cmpint(rln_task_start(&t, &how), ==, 0);
	g_assert_null(t->fiber);
	return t;
}

static int polls_an_op(void *arg)
{
	struct stackless *s = arg;

	if (s->polls++ == 0)
		s->op = fake_op(s->fx, 500, 42);
	s->result = ringline_op_result(s->op);
	return s->result == -EINPROGRESS ? -EINPROGRESS : 7;
}

static int stackless_polled_when_op_done(void *arg)
{
	struct fixture *fx = arg;
	struct stackless s = { .fx = fx };
	struct ringline_task *t = start_stackless(polls_an_op, &s);

	g_assert_cmpint(ringline_sleep(499), ==, 0);
	g_assert_cmpint(s.polls, ==, 1);
	g_assert_cmpint(join(t), ==, 7);
	g_assert_cmpint(s.polls, ==, 2);
	g_assert_cmpint(s.result, ==, 42);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 500);
	return 0;
}

static int tries_to_park(void *arg)
{
	struct stackless *s = arg;
	struct ringline_task *t;
	struct ringline_op *op = fake_op(s->fx, 0, 0);
	int64_t result;

	g_assert_cmpint(ringline_yield(), ==, -EDEADLK);
	g_assert_cmpint(ringline_sleep(1), ==, -EDEADLK);
	g_assert_cmpint(ringline_sleep_until(RINGLINE_NEVER), ==, -EDEADLK);
	g_assert_cmpint(ringline_op_await(op), ==, -EDEADLK);
	g_assert_cmpint(ringline_op_await_any(&op, 1, &result), ==, -EDEADLK);
	g_assert_cmpint(ringline_op_await_all(&op, 1, &result), ==, -EDEADLK);
	g_assert_cmpint(ringline_op_result(op), ==, -EINPROGRESS);    /* none of them claimed it */
	t = start(returns_arg, NULL);
	g_assert_cmpint(ringline_task_join(t, NULL), ==, -EDEADLK);
	g_assert_cmpint(ringline_task_detach(t), ==, 0);
	s->may_park_was_refused = true;
	return 0;
}

static int stackless_may_not_park(void *arg)
{
	struct stackless s = { .fx = arg };

	g_assert_cmpint(join(start_stackless(tries_to_park, &s)), ==, 0);
	g_assert_true(s.may_park_was_refused);
	return 0;
}

/* Ends at once and leaves a child and an operation behind. */
static int leaves_things(void *arg)
{
	struct fake_script never = { .delay = FAKE_NEVER, .cancel_delay = 10 };
	struct stackless *s = arg;

	s->polls++;
	g_assert_cmpint(ringline_spawn(sleeps_a_second, NULL), ==, 0);
	g_assert_cmpint(fake_begin(s->fx, &s->op, &never), ==, 0);
	return s->returns;
}

static int stackless_ends_after_children_and_ops(void *arg)
{
	struct fixture *fx = arg;
	struct stackless s = { .fx = fx, .returns = 3 };
	uint64_t start_time = fake_now(fx);

	g_assert_cmpint(join(start_stackless(leaves_things, &s)), ==, 3);
	g_assert_cmpint(s.polls, ==, 1);
	g_assert_cmpuint(fake_now(fx), ==, start_time + RLN_NSEC_PER_SEC);
	s.returns = -EIO;
	start_time = fake_now(fx);
	g_assert_cmpint(join(start_stackless(leaves_things, &s)), ==, -EIO);
	g_assert_cmpuint(fake_now(fx), ==, start_time + 10);
	return 0;
}

/* Opens scopes it cannot close, with work in each; its end must close them. */
static int leaves_scopes(void *arg)
{
	struct stackless *s = arg;
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;

	s->polls++;
	o.deadline = fake_now(s->fx) + 100 * RLN_NSEC_PER_SEC;
	g_assert_cmpint(ringline_scope_open(&scope, &o), ==, 0);
	g_assert_cmpint(ringline_scope_close(scope), ==, -EDEADLK);
	leaves_things(s);
	g_assert_cmpint(ringline_scope_open(&scope, &o), ==, 0);
	return leaves_things(s);
}

static int stackless_end_closes_its_scopes(void *arg)
{
	struct stackless s = { .fx = arg, .returns = 0 };

	g_assert_cmpint(join(start_stackless(leaves_scopes, &s)), ==, 0);
	s.returns = -EIO;
	g_assert_cmpint(join(start_stackless(leaves_scopes, &s)), ==, -EIO);
	g_assert_cmpuint(rln_exec_current->scopes.live, ==, 0);
	g_assert_cmpuint(rln_exec_current->handles.live, ==, 0);
	g_assert_cmpuint(rln_exec_current->timers.len, ==, 0);
	return 0;
}

static int polls_until_cut(void *arg)
{
	struct ringline_scope_info info = { .size = sizeof(info) };
	int *polls = arg;

	++*polls;
	g_assert_cmpint(ringline_scope_state(NULL, &info), ==, 0);
	return info.reason ? info.reason : -EINPROGRESS;
}

static int stackless_polled_when_cut(void *arg)
{
	int polls = 0;
	struct ringline_task *t = start_stackless(polls_until_cut, &polls);

	(void)arg;
	g_assert_cmpint(ringline_sleep(1), ==, 0);
	g_assert_cmpint(polls, ==, 1);
	g_assert_cmpint(ringline_task_cancel(t), ==, 0);
	g_assert_cmpint(join(t), ==, -ECANCELED);
	g_assert_cmpint(polls, ==, 2);
	return 0;
}

static int joins_by_polling(void *arg)
{
	struct joiner *j = arg;

	j->returned = ringline_task_join(j->task, &j->result);
	return j->returned;
}

static int stackless_joins_ended_task(void *arg)
{
	struct joiner j = { .task = start(returns_arg, GINT_TO_POINTER(6)) };

	(void)arg;
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpint(join(start_stackless(joins_by_polling, &j)), ==, 0);
	g_assert_cmpint(j.result, ==, 6);
	return 0;
}

/* Limits and faults. */

static int task_limit(void *arg)
{
	struct ringline_task *t[3];
	struct ringline_task *more;
	int i;

	(void)arg;
	for (i = 0; i < 3; i++)
		t[i] = start(returns_arg, NULL);
	g_assert_cmpint(ringline_task_start(&more, returns_arg, NULL, NULL), ==, -EAGAIN);
	g_assert_cmpint(ringline_spawn(returns_arg, NULL), ==, -EAGAIN);
	g_assert_cmpint(join(t[0]), ==, 0);
	t[0] = start(returns_arg, GINT_TO_POINTER(8));
	g_assert_cmpint(join(t[0]), ==, 8);
	for (i = 1; i < 3; i++)
		g_assert_cmpint(join(t[i]), ==, 0);
	return 0;
}

static int children(const struct rln_scope *s)
{
	struct rln_list *it;
	int n = 0;

	rln_list_for_each (it, &s->children)
		n++;
	return n;
}

/* Fails each request on the way of one more task, until a start needs none that fails. */
static void fault_everywhere(enum rln_fault_point point)
{
	uint32_t skip;
	bool failed = true;

	for (skip = 0; failed; skip++) {
		struct ringline_task *t[200];
		uint64_t live = rln_exec_current->tasks.live;
		int n = 0;
		int r = 0;

		rln_fault_arm(point, skip, 1, ENOMEM);
		while (n < 200 && (r = ringline_task_start(&t[n], returns_arg, GINT_TO_POINTER(n), NULL)) == 0)
			n++;
		failed = rln_fault_failed(point) > 0;
		rln_fault_disarm_all();
		g_assert_cmpint(r, ==, n < 200 ? -ENOMEM : 0);
		g_assert_cmpuint(rln_exec_current->tasks.live, ==, live + (unsigned int)n);
		g_assert_cmpint(children(rln_task_current()->scope), ==, n);
		while (n--)
			g_assert_cmpint(join(t[n]), ==, n);
		g_assert_cmpuint(skip, <, 1000);
	}
}

static int out_of_memory(void *arg)
{
	(void)arg;
	fault_everywhere(RLN_FAULT_ALLOC);
	fault_everywhere(RLN_FAULT_MMAP);
	return 0;
}

static int parked_source(void *arg)
{
	int64_t result;

	return rln_wait_on(arg, &result, NULL, NULL);
}

static int hundred_thousand_parked(void *arg)
{
	uint32_t n = fake_scaled(100000);
	struct rln_source s;
	uint32_t i;

	(void)arg;
	rln_source_init(&s);
	for (i = 0; i < n; i++)
		g_assert_cmpint(ringline_spawn(parked_source, &s), ==, 0);
	g_assert_cmpint(ringline_sleep(1), ==, 0);
	g_assert_cmpuint(rln_exec_current->tasks.live, ==, n + 1);
	for (i = 0; i < n; i++)
		g_assert_true(rln_source_fire_one(&s, 0));
	g_assert_false(rln_source_fire_one(&s, 0));
	g_assert_cmpint(ringline_sleep(1), ==, 0);
	g_assert_cmpuint(rln_exec_current->tasks.live, ==, 1);
	return 0;
}

/* Outside. */

static void test_outside(void)
{
	struct ringline_task *t = NULL;
	struct fixture fx;

	fixture_init(&fx, NULL);
	g_assert_cmpint(ringline_spawn(returns_arg, NULL), ==, -EPERM);
	g_assert_cmpuint(fx.log_lines, ==, 1);
	g_assert_cmpstr(fx.last_log, ==, "ringline_spawn: called outside a task");
	g_assert_cmpint(ringline_task_start(&t, returns_arg, NULL, NULL), ==, -EPERM);
	g_assert_cmpint(ringline_task_join(t, NULL), ==, -EPERM);
	g_assert_cmpint(ringline_yield(), ==, -EPERM);
	g_assert_cmpint(ringline_sleep(1), ==, -EPERM);
	g_assert_cmpint(ringline_sleep_until(1), ==, -EPERM);
	g_assert_cmpint(ringline_task_set_name(NULL, "x"), ==, -EPERM);
	g_assert_cmpuint(fx.log_lines, ==, 7);
	g_assert_cmpuint(ringline_task_id(), ==, 0);
	fixture_fini(&fx);
}

static gpointer foreign(gpointer data)
{
	struct ringline_task *t = data;

	g_assert_cmpint(ringline_spawn(returns_arg, NULL), ==, -EPERM);
	g_assert_cmpint(ringline_task_cancel(t), ==, -EPERM);
	g_assert_cmpint(ringline_task_detach(t), ==, -EPERM);
	g_assert_cmpint(ringline_task_join(t, NULL), ==, -EPERM);
	g_assert_cmpint(ringline_task_set_name(t, "x"), ==, -EPERM);
	g_assert_cmpuint(ringline_task_id(), ==, 0);
	return NULL;
}

static int foreign_thread(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_task *t = start(returns_arg, GINT_TO_POINTER(1));

	g_thread_join(g_thread_new("foreign", foreign, t));
	g_assert_cmpuint(fx->log_lines, ==, 5);
	g_assert_cmpstr(fx->last_log, ==, "ringline_task_set_name: called on a thread that is not a worker");
	g_assert_cmpint(join(t), ==, 1);
	return 0;
}

/* --- locals ------------------------------------------------------------------------------------------------------- */

static int destroyed_values;

static void destroy_value(void *value)
{
	destroyed_values += *(int *)value;
}

struct local_keys {
	uint64_t own;
	uint64_t inherited;
	int value[3];
};

static int child_of_locals(void *arg)
{
	struct local_keys *k = arg;

	g_assert_null(ringline_local_get(k->own));
	g_assert_true(ringline_local_get(k->inherited) == &k->value[1]);
	g_assert_cmpint(ringline_local_set(k->own, &k->value[2]), ==, 0);
	g_assert_cmpint(ringline_local_set(k->inherited, NULL), ==, 0);
	return 0;
}

static int locals(void *fx)
{
	struct local_keys k = { .value = { 1, 10, 100 } };
	uint64_t others[RINGLINE_LOCALS_MAX];
	uint64_t none;
	struct ringline_task *t;
	int i;

	(void)fx;
	destroyed_values = 0;
	g_assert_cmpint(ringline_local_new(&k.own, destroy_value, 0), ==, 0);
	g_assert_cmpint(ringline_local_new(&k.inherited, NULL, RINGLINE_LOCAL_INHERIT), ==, 0);
	g_assert_cmpint(ringline_local_new(&none, destroy_value, RINGLINE_LOCAL_INHERIT), ==, -EINVAL);
	g_assert_cmpint(ringline_local_new(NULL, NULL, 0), ==, -EINVAL);
	for (i = 2; i < (int)RINGLINE_LOCALS_MAX; i++)
		g_assert_cmpint(ringline_local_new(&others[i], NULL, 0), ==, 0);
	g_assert_cmpint(ringline_local_new(&none, NULL, 0), ==, -EAGAIN);
	g_assert_cmpint(ringline_local_set(k.own, &k.value[0]), ==, 0);
	g_assert_cmpint(ringline_local_set(k.inherited, &k.value[1]), ==, 0);
	g_assert_cmpint(ringline_task_start(&t, child_of_locals, &k, NULL), ==, 0);
	g_assert_cmpint(ringline_task_join(t, NULL), ==, 0);
	g_assert_cmpint(destroyed_values, ==, 100);
	g_assert_true(ringline_local_get(k.own) == &k.value[0]);
	g_assert_true(ringline_local_get(k.inherited) == &k.value[1]);
	g_assert_cmpint(ringline_local_set(k.own, &k.value[2]), ==, 0);
	g_assert_cmpint(destroyed_values, ==, 101);
	for (i = 2; i < (int)RINGLINE_LOCALS_MAX; i++)
		g_assert_cmpint(ringline_local_free(others[i]), ==, 0);
	g_assert_cmpint(ringline_local_free(k.own), ==, 0);
	g_assert_cmpint(ringline_local_free(k.own), ==, -EBADF);
	g_assert_cmpint(ringline_local_set(k.own, NULL), ==, -EBADF);
	g_assert_cmpint(ringline_local_new(&none, NULL, 0), ==, 0);   /* in the same place, and nothing is found there */
	g_assert_null(ringline_local_get(none));
	g_assert_null(ringline_local_get(k.own));
	g_assert_cmpint(ringline_local_free(none), ==, 0);
	g_assert_cmpint(ringline_local_free(k.inherited), ==, 0);
	return 0;
}

/* --- classes ------------------------------------------------------------------------------------------------------ */

struct runner {
	uint32_t runs;
	uint32_t turns;
};

static int yields_for_ever(void *arg)
{
	struct runner *r = arg;

	while (ringline_yield() == 0)
		r->runs++;
	return 0;
}

static void start_class(struct ringline_task **t, uint32_t task_class, struct runner *r)
{
	struct ringline_task_options o = RINGLINE_TASK_OPTIONS_INIT;

	o.task_class = task_class;
	g_assert_cmpint(ringline_task_start(t, yields_for_ever, r, &o), ==, 0);
}

#define CROWD 50

/* Many of both: the latency class runs each time, and the bulk class has its share of each turn. */
static int classes_share(void *fx)
{
	struct runner latency = { 0, 0 };
	struct runner bulk = { 0, 0 };
	struct ringline_task *t[2 * CROWD];
	uint64_t turns;
	int i;

	for (i = 0; i < CROWD; i++) {
		start_class(&t[i], RINGLINE_TASK_LATENCY, &latency);
		start_class(&t[CROWD + i], RINGLINE_TASK_BULK, &bulk);
	}
	turns = rln_stat_get(&((struct fixture *)fx)->x.stats.turns);
	for (i = 0; i < 100; i++)
		g_assert_cmpint(ringline_yield(), ==, 0);
	turns = rln_stat_get(&((struct fixture *)fx)->x.stats.turns) - turns;
	g_assert_cmpuint(latency.runs, >=, 98 * CROWD);
	g_assert_cmpuint(bulk.runs, >=, (turns - 8) * RLN_BULK_SHARE - CROWD);
	g_assert_cmpuint(bulk.runs, <=, (turns + 1) * RLN_BULK_SHARE);
	for (i = 0; i < 2 * CROWD; i++) {
		g_assert_cmpint(ringline_task_cancel(t[i]), ==, 0);
		g_assert_cmpint(ringline_task_join(t[i], NULL), ==, 0);
	}
	return 0;
}

static int class_of_child(void *arg)
{
	(void)arg;
	return rln_task_current()->class;
}

static int starts_child(void *arg)
{
	struct ringline_task *t;
	int result;

	(void)arg;
	g_assert_cmpint(ringline_task_start(&t, class_of_child, NULL, NULL), ==, 0);
	g_assert_cmpint(ringline_task_join(t, &result), ==, 0);
	return result;
}

static int class_is_inherited(void *fx)
{
	struct ringline_task_options o = RINGLINE_TASK_OPTIONS_INIT;
	struct ringline_task *t;
	int result;

	(void)fx;
	o.task_class = RINGLINE_TASK_BULK;
	g_assert_cmpint(ringline_task_start(&t, starts_child, NULL, &o), ==, 0);
	g_assert_cmpint(ringline_task_join(t, &result), ==, 0);
	g_assert_cmpint(result, ==, RINGLINE_TASK_BULK);
	o.task_class = 3;
	g_assert_cmpint(ringline_task_start(&t, starts_child, NULL, &o), ==, -EINVAL);
	o.task_class = 0;
	o.flags = 2;
	g_assert_cmpint(ringline_task_start(&t, starts_child, NULL, &o), ==, -EINVAL);
	return 0;
}

/* A slice that has passed makes a checkpoint yield; before, it returns at once. */
static int checkpoint(void *arg)
{
	struct fixture *fx = arg;
	struct runner r = { 0, 0 };
	struct ringline_task *t;

	start_class(&t, RINGLINE_TASK_LATENCY, &r);
	g_assert_cmpint(ringline_yield(), ==, 0);
	r.runs = 0;
	g_assert_cmpint(ringline_checkpoint(), ==, 0);
	g_assert_cmpuint(r.runs, ==, 0);
	fx->f->clock.virtual_now += RLN_SLICE_DEFAULT;
	g_assert_cmpint(ringline_checkpoint(), ==, 0);
	g_assert_cmpuint(r.runs, ==, 1);
	g_assert_cmpint(ringline_task_cancel(t), ==, 0);
	g_assert_cmpint(ringline_task_join(t, NULL), ==, 0);
	return 0;
}

static const struct fixture_case cases[] = {
	{ "/task/run-in-the-order-they-became-runnable", fifo, { 0 } },
	{ "/task/wake-during-own-run-is-kept", wake_during_own_run, { 0 } },
	{ "/task/many-wakes-are-one-run", woken_twice_runs_once, { 0 } },
	{ "/task/wake-of-an-ended-task-leaves-nothing", wake_of_ended_task, { 0 } },
	{ "/task/stale-id-does-not-wake-the-slots-next-owner", stale_id, { 0 } },
	{ "/task/ids-are-not-used-again", ids_are_not_used_again, { 0 } },
	{ "/task/joined-handle-is-ebadf", joined_handle_is_gone, { 0 } },
	{ "/task/double-detach-is-ebadf-while-it-runs", double_detach, { 0 } },
	{ "/task/second-joiner-gets-ebadf", two_joiners, { 0 } },
	{ "/task/detach-under-a-joiner-is-safe", detach_under_a_joiner, { 0 } },
	{ "/task/join-of-the-same-task-twice-drops-one-handle", join_same_task_twice_in_one_call, { 0 } },
	{ "/task/join-many", join_many, { 0 } },
	{ "/task/join-cut-short-keeps-the-handle", join_cut_short, { 0 } },
	{ "/task/join-refuses-bad-arguments-and-drops-none", join_bad_arguments, { 0 } },
	{ "/task/bad-arguments", bad_arguments, { 0 } },
	{ "/task/names", names, { 0 } },
	{ "/task/cancel-before-first-run", cancel_before_first_run, { 0 } },
	{ "/task/cancel-while-running", cancel_while_running, { 0 } },
	{ "/task/cancel-parked", cancel_parked, { 0 } },
	{ "/task/cancel-ended-has-no-effect", cancel_ended, { 0 } },
	{ "/task/ends-after-its-children", parent_ends_after_children, { 0 } },
	{ "/task/stackless-is-polled-when-its-op-is-done", stackless_polled_when_op_done, { 0 } },
	{ "/task/stackless-may-not-park", stackless_may_not_park, { 0 } },
	{ "/task/stackless-ends-after-its-children-and-ops", stackless_ends_after_children_and_ops, { 0 } },
	{ "/task/stackless-end-closes-its-scopes", stackless_end_closes_its_scopes, { 0 } },
	{ "/task/stackless-is-polled-when-cut", stackless_polled_when_cut, { 0 } },
	{ "/task/stackless-joins-an-ended-task", stackless_joins_ended_task, { 0 } },
	{ "/task/locals", locals, { 0 } },
	{ "/task/classes-share-each-turn", classes_share, { 0 } },
	{ "/task/class-is-inherited", class_is_inherited, { 0 } },
	{ "/task/checkpoint-yields-after-a-slice", checkpoint, { 0 } },
	{ "/task/limit-is-eagain", task_limit, { .max_tasks = 4 } },
	{ "/task/out-of-memory-anywhere-leaves-nothing", out_of_memory, { 0 } },
	{ "/task/hundred-thousand-parked", hundred_thousand_parked, { 0 } },
	{ "/task/foreign-thread-is-refused-and-logged", foreign_thread, { 0 } },
};

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	fixture_add_cases(cases, G_N_ELEMENTS(cases));
	g_test_add_func("/task/outside-a-task-is-refused-and-logged", test_outside);
	return g_test_run();
}
