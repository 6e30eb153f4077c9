/* SPDX-License-Identifier: MIT */
/*
 * The blocking pool: results, limits, what a cut does to a job that is queued, runs, or is stuck, and who disposes of what
 * nobody waits for any more.
 *
 * A gate holds jobs as long as a case wants; a case that leaves one closed would never end.
 */
#include <sched.h>
#include <stdatomic.h>

#include "support/conformance.h"

/* --- gates -------------------------------------------------------------------------------------------------------- */

struct gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool open;
	_Atomic int inside;               /* jobs that have come to it */
	_Atomic int passed;
	_Atomic int disposed;
	_Atomic int disposed_result;
	int result;
	_Atomic bool on_worker;           /* where it was disposed of */
};

#define GATE_INIT { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER }

static void gate_open(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->open = true;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

/* A job: waits until the gate is opened. */
static int through(void *arg)
{
	struct gate *g = arg;

	g->inside++;
	pthread_mutex_lock(&g->lock);
	while (!g->open)
		pthread_cond_wait(&g->changed, &g->lock);
	pthread_mutex_unlock(&g->lock);
	g->passed++;
	return g->result;
}

static void gate_disposed(void *arg, int result)
{
	struct gate *g = arg;

	g->on_worker = ringline_worker_index() >= 0;
	g->disposed_result = result;
	g->disposed++;
}

static struct ringline_blocking_stats pool_stats(const struct ringline_runtime *rt, uint32_t job_class)
{
	struct ringline_blocking_stats s = RINGLINE_BLOCKING_STATS_INIT;

	CONF_OK(ringline_blocking_stats(rt, job_class, &s));
	return s;
}

static struct ringline_blocking_stats bulk(void)
{
	return pool_stats(NULL, RINGLINE_BLOCKING_BULK);
}

/* One bulk thread, so that one closed gate makes the others queue. */
static void run_with_one_thread(int (*fn)(void *arg), void *arg)
{
	struct ringline_config c;

	conf_config(&c);
	c.blocking_threads = 1;
	CONF_OK(conf_run_with(&c, fn, arg));
}

/* --- results ------------------------------------------------------------------------------------------------------ */

struct add {
	int a;
	int b;
	pthread_t thread;
};

static int add(void *arg)
{
	struct add *x = arg;

	x->thread = pthread_self();
	return x->a + x->b;
}

static int result_main(void *arg)
{
	struct add x = { .a = 40, .b = 2 };

	(void)arg;
	g_assert_cmpint(ringline_blocking(add, &x, NULL), ==, 42);
	g_assert_false(pthread_equal(x.thread, pthread_self()));
	x.b = -50;
	g_assert_cmpint(ringline_blocking(add, &x, NULL), ==, -10);
	g_assert_cmpuint(bulk().completed, ==, 2);
	g_assert_cmpuint(bulk().threads_peak, <=, 2);     /* the first may be about to go idle when the second job comes */
	return 0;
}

static int processors(void *arg)
{
	cpu_set_t *set = arg;

	return sched_getaffinity(0, sizeof(*set), set) == 0 ? CPU_COUNT(set) : -errno;
}

static int affinity_main(void *arg)
{
	cpu_set_t set;

	g_assert_cmpint(ringline_blocking(processors, &set, NULL), ==, *(int *)arg);
	return 0;
}

/* A worker is pinned; the threads of the pool, which it starts, are not. */
static void test_affinity(void)
{
	struct ringline_runtime *rt;
	struct ringline_config c;
	cpu_set_t set;
	int n = processors(&set);

	conf_config(&c);
	c.flags = 0;
	rt = conf_serve(&c, 1, NULL, NULL, NULL, NULL);
	CONF_OK(conf_call(rt, 0, affinity_main, &n));
	CONF_OK(conf_stop(rt));
}

static void test_result(void)
{
	CONF_OK(conf_run(result_main, NULL));
}

#define DEPTH 200

static int depth_main(void *arg)
{
	struct ringline_op *op[DEPTH];
	struct add x[DEPTH];
	int64_t result[DEPTH];
	ssize_t which;
	int64_t r;
	int i;

	(void)arg;
	for (i = 0; i < DEPTH; i++) {
		x[i] = (struct add){ .a = i, .b = 1000 };
		CONF_OK(ringline_blocking_begin(&op[i], add, &x[i], NULL));
	}
	which = ringline_op_await_any(op, DEPTH, &r);
	g_assert_cmpint(which, >=, 0);
	g_assert_cmpint(r, ==, 1000 + which);
	g_assert_null(op[which]);
	CONF_OK(ringline_op_await_all(op, DEPTH, result));
	for (i = 0; i < DEPTH; i++)
		g_assert_cmpint(result[i], ==, i == which ? 0 : 1000 + i);
	return 0;
}

static void test_depth(void)
{
	CONF_OK(conf_run(depth_main, NULL));
}

static int calls_inside(void *arg)
{
	struct add *x = arg;
	int r = ringline_blocking(add, x, NULL);

	g_assert_true(pthread_equal(x->thread, pthread_self()));
	return r;
}

static int inside_main(void *arg)
{
	struct add x = { .a = 1, .b = 2 };

	(void)arg;
	g_assert_cmpint(ringline_blocking(calls_inside, &x, NULL), ==, 3);
	return 0;
}

static void test_inside(void)
{
	run_with_one_thread(inside_main, NULL);
}

/* --- bad calls ---------------------------------------------------------------------------------------------------- */

static int bad_main(void *arg)
{
	struct ringline_blocking_options o = RINGLINE_BLOCKING_OPTIONS_INIT;
	struct ringline_blocking_stats s = RINGLINE_BLOCKING_STATS_INIT;
	struct gate g = GATE_INIT;
	struct ringline_op *op;

	(void)arg;
	g_assert_cmpint(ringline_blocking(NULL, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_blocking_begin(NULL, add, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_blocking_detached(add, &g, NULL, NULL), ==, -EINVAL);
	o.job_class = RINGLINE_BLOCKING_WAIT + 1;
	g_assert_cmpint(ringline_blocking(add, NULL, &o), ==, -EINVAL);
	g_assert_cmpint(ringline_blocking_detached(through, &g, gate_disposed, &o), ==, -EINVAL);
	g_assert_cmpint(ringline_blocking_detached_begin(&op, through, &g, gate_disposed, &o), ==, -EINVAL);
	g_assert_cmpint(g.disposed, ==, 2);
	o = (struct ringline_blocking_options)RINGLINE_BLOCKING_OPTIONS_INIT;
	o.priority = 3;
	g_assert_cmpint(ringline_blocking(add, NULL, &o), ==, -EINVAL);
	o.priority = 0;
	o.flags = 2;
	g_assert_cmpint(ringline_blocking(add, NULL, &o), ==, -EINVAL);
	o.flags = 0;
	o.reserved = 1;
	g_assert_cmpint(ringline_blocking(add, NULL, &o), ==, -EINVAL);
	g_assert_cmpint(ringline_blocking_stats(NULL, RINGLINE_BLOCKING_WAIT + 1, &s), ==, -EINVAL);
	g_assert_cmpint(ringline_blocking_stats(NULL, 0, NULL), ==, -EINVAL);
	return 0;
}

static void test_bad(void)
{
	struct ringline_blocking_stats s = RINGLINE_BLOCKING_STATS_INIT;
	struct ringline_op *op;
	struct gate g = GATE_INIT;

	CONF_OK(conf_run(bad_main, NULL));
	conf_log_allow("outside a task");
	conf_log_allow("not a worker");
	g_assert_cmpint(ringline_blocking(add, NULL, NULL), ==, -EPERM);
	g_assert_cmpint(ringline_blocking_begin(&op, add, NULL, NULL), ==, -EPERM);
	g_assert_cmpint(ringline_blocking_detached(through, &g, gate_disposed, NULL), ==, -EPERM);
	g_assert_cmpint(g.disposed, ==, 1);
	g_assert_cmpint(ringline_blocking_stats(NULL, 0, &s), ==, -EPERM);
}

/* --- cuts --------------------------------------------------------------------------------------------------------- */

enum cut {
	BY_DEADLINE,
	BY_SCOPE,
	BY_TOKEN,
	BY_TASK,
	CUTS
};

struct victim {
	enum cut cut;
	uint64_t patience;                /* BY_DEADLINE: nanoseconds */
	bool detached;
	struct gate *gate;
	struct ringline_token *token;
	struct ringline_scope *scope;
	bool ready;
	bool returned;
	int result;
};

static int victim_main(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct victim *v = arg;

	if (v->cut == BY_DEADLINE)
		o.deadline = ringline_now() + v->patience;
	o.token = v->token;
	CONF_OK(ringline_scope_open(&v->scope, &o));
	v->ready = true;
	v->result = v->detached ? ringline_blocking_detached(through, v->gate, gate_disposed, NULL) :
	                          ringline_blocking(through, v->gate, NULL);
	v->returned = true;
	(void)ringline_scope_close(v->scope);
	return 0;
}

static struct ringline_task *start_victim(struct victim *v)
{
	struct ringline_task *t;

	if (!v->patience)
		v->patience = 20 * MSEC;
	if (v->cut == BY_TOKEN)
		CONF_OK(ringline_token_new(&v->token, NULL));
	CONF_OK(ringline_task_start(&t, victim_main, v, NULL));
	CONF_UNTIL(v->ready);
	return t;
}

static void cut(struct victim *v, struct ringline_task *t)
{
	if (v->cut == BY_SCOPE)
		CONF_OK(ringline_scope_cancel(v->scope));
	if (v->cut == BY_TOKEN)
		CONF_OK(ringline_token_cancel(v->token));
	if (v->cut == BY_TASK)
		CONF_OK(ringline_task_cancel(t));
}

static void end_victim(struct victim *v, struct ringline_task *t)
{
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_cmpint(v->result, ==, v->cut == BY_DEADLINE ? -ETIME : -ECANCELED);
	ringline_token_unref(v->token);
}

/* A job in the queue never runs; nothing else happens on the worker meanwhile. */
static int cut_queued_main(void *arg)
{
	bool detached = *(const bool *)arg;
	int i;

	for (i = 0; i < CUTS; i++) {
		struct gate before = GATE_INIT;
		struct gate g = GATE_INIT;
		struct victim v = { .cut = (enum cut)i, .detached = detached, .gate = &g };
		struct ringline_task *t;
		struct ringline_op *op;

		CONF_OK(ringline_blocking_begin(&op, through, &before, NULL));
		CONF_UNTIL(before.inside);
		t = start_victim(&v);
		cut(&v, t);
		end_victim(&v, t);
		g_assert_cmpint(g.inside, ==, 0);
		g_assert_cmpint(g.disposed, ==, detached);
		g_assert_cmpuint(bulk().queued, ==, 0);
		gate_open(&before);
		CONF_OK(ringline_op_await(op));
	}
	g_assert_cmpuint(bulk().cancelled, ==, CUTS);
	return 0;
}

static void test_cut_queued(void)
{
	bool detached = false;

	run_with_one_thread(cut_queued_main, &detached);
}

static void test_cut_queued_detached(void)
{
	bool detached = true;

	run_with_one_thread(cut_queued_main, &detached);
}

/* Its job runs when this returns. On a busy machine the deadline may come before that: once more, with a later one. */
static struct ringline_task *start_running(struct victim *v)
{
	const struct victim proto = *v;
	uint64_t patience = 20 * MSEC;

	for (;;) {
		struct ringline_task *t;

		*v = proto;
		*v->gate = (struct gate)GATE_INIT;
		v->patience = patience;
		t = start_victim(v);
		CONF_UNTIL(v->gate->inside || v->returned);
		if (v->gate->inside)
			return t;
		end_victim(v, t);
		patience *= 2;
	}
}

/* Once it runs, the cut is told when it ends: its argument is on the fiber's stack. */
static int cut_running_main(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < CUTS; i++) {
		struct gate g = GATE_INIT;
		struct victim v = { .cut = (enum cut)i, .gate = &g };
		struct ringline_task *t = start_running(&v);

		cut(&v, t);
		if (v.cut == BY_DEADLINE)
			CONF_OK(ringline_sleep(v.patience + 10 * MSEC));
		CONF_OK(ringline_yield());
		CONF_OK(ringline_yield());
		g_assert_false(v.returned);
		gate_open(&g);
		end_victim(&v, t);
		g_assert_cmpint(g.passed, ==, 1);
	}
	return 0;
}

static void test_cut_running(void)
{
	CONF_OK(conf_run(cut_running_main, NULL));
}

/* A job that owns its memory is let go of at once, and its thread disposes of it in the end. */
static int cut_detached_main(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < CUTS; i++) {
		struct gate g = GATE_INIT;
		struct victim v = { .cut = (enum cut)i, .detached = true, .gate = &g };
		struct ringline_task *t = start_running(&v);

		cut(&v, t);
		end_victim(&v, t);
		g_assert_cmpint(g.disposed, ==, 0);
		g_assert_cmpuint(bulk().stuck, ==, 1);
		g.result = i;
		gate_open(&g);
		CONF_UNTIL(bulk().stuck == 0);
		g_assert_cmpint(g.disposed, ==, 1);
		g_assert_cmpint(g.disposed_result, ==, i);
		g_assert_false(g.on_worker);
	}
	g_assert_cmpuint(bulk().abandoned, ==, CUTS);
	return 0;
}

static void test_cut_detached(void)
{
	CONF_OK(conf_run(cut_detached_main, NULL));
}

/* --- who disposes ------------------------------------------------------------------------------------------------- */

static int dispose_main(void *arg)
{
	struct gate g = GATE_INIT;

	(void)arg;
	g.open = true;
	g.result = 7;
	g_assert_cmpint(ringline_blocking_detached(through, &g, gate_disposed, NULL), ==, 7);
	g_assert_cmpint(g.disposed, ==, 0);
	g.result = -EIO;
	g_assert_cmpint(ringline_blocking_detached(through, &g, gate_disposed, NULL), ==, -EIO);
	g_assert_cmpint(g.disposed, ==, 1);
	g_assert_cmpint(g.disposed_result, ==, -EIO);
	g_assert_true(g.on_worker);
	return 0;
}

static void test_dispose(void)
{
	CONF_OK(conf_run(dispose_main, NULL));
}

/* What an operation brought and nobody took goes with its scope, and so does what is still under way. */
static int dispose_op_main(void *arg)
{
	struct gate done = GATE_INIT;
	struct gate running = GATE_INIT;
	struct gate taken = GATE_INIT;
	struct gate failed = GATE_INIT;
	struct ringline_scope *scope;
	struct ringline_op *op[4];

	(void)arg;
	done.open = taken.open = failed.open = true;
	failed.result = -EIO;
	CONF_OK(ringline_scope_open(&scope, NULL));
	CONF_OK(ringline_blocking_detached_begin(&op[0], through, &done, gate_disposed, NULL));
	CONF_OK(ringline_blocking_detached_begin(&op[1], through, &running, gate_disposed, NULL));
	CONF_OK(ringline_blocking_detached_begin(&op[2], through, &taken, gate_disposed, NULL));
	CONF_OK(ringline_blocking_detached_begin(&op[3], through, &failed, gate_disposed, NULL));
	CONF_OK(ringline_op_await(op[2]));
	g_assert_cmpint(ringline_op_await(op[3]), ==, -EIO);
	CONF_UNTIL(done.passed && running.inside);
	CONF_UNTIL(bulk().running == 1);
	CONF_OK(ringline_yield());
	CONF_OK(ringline_yield());
	CONF_OK(ringline_scope_close(scope));
	g_assert_cmpint(done.disposed, ==, 1);
	g_assert_cmpint(done.disposed_result, ==, 0);
	g_assert_cmpint(failed.disposed, ==, 1);
	g_assert_cmpint(taken.disposed, ==, 0);
	g_assert_cmpint(running.disposed, ==, 0);
	gate_open(&running);
	CONF_UNTIL(running.disposed == 1);
	CONF_UNTIL(bulk().stuck == 0);
	return 0;
}

static void test_dispose_op(void)
{
	CONF_OK(conf_run(dispose_op_main, NULL));
}

static int cancel_op_main(void *arg)
{
	struct gate first = GATE_INIT;
	struct gate queued = GATE_INIT;
	struct gate owned = GATE_INIT;
	struct ringline_op *op[3];

	(void)arg;
	CONF_OK(ringline_blocking_begin(&op[0], through, &first, NULL));
	CONF_UNTIL(first.inside);
	CONF_OK(ringline_blocking_begin(&op[1], through, &queued, NULL));
	CONF_OK(ringline_blocking_detached_begin(&op[2], through, &owned, gate_disposed, NULL));
	CONF_OK(ringline_op_cancel(op[1]));
	CONF_OK(ringline_op_cancel(op[2]));
	g_assert_cmpint(ringline_op_await(op[1]), ==, -ECANCELED);
	g_assert_cmpint(ringline_op_await(op[2]), ==, -ECANCELED);
	g_assert_cmpint(owned.disposed, ==, 1);
	CONF_OK(ringline_op_cancel(op[0]));       /* too late: it runs */
	g_assert_cmpint(ringline_op_result(op[0]), ==, -EINPROGRESS);
	first.result = 5;
	gate_open(&first);
	g_assert_cmpint(ringline_op_await(op[0]), ==, 5);
	g_assert_cmpint(queued.inside + owned.inside, ==, 0);
	return 0;
}

static void test_cancel_op(void)
{
	run_with_one_thread(cancel_op_main, NULL);
}

/* --- stuck -------------------------------------------------------------------------------------------------------- */

/* A job that runs. */
static int abandon(int (*job)(void *arg), struct gate *g)
{
	struct ringline_op *op;

	CONF_OK(ringline_blocking_detached_begin(&op, job, g, gate_disposed, NULL));
	CONF_UNTIL(g->inside);
	CONF_OK(ringline_op_cancel(op));
	g_assert_cmpint(ringline_op_await(op), ==, -ECANCELED);
	return 0;
}

static int stuck_main(void *gate)
{
	return abandon(through, gate);
}

/* The shutdown does not wait for it, but nothing it may touch is freed before it has ended. */
static void test_stuck(void)
{
	struct ringline_runtime *rt = conf_serve(NULL, 1, NULL, NULL, NULL, NULL);
	struct gate g = GATE_INIT;

	CONF_OK(conf_call(rt, 0, stuck_main, &g));
	CONF_OK(ringline_runtime_shutdown(rt));
	CONF_OK(ringline_runtime_join(rt));
	g_assert_cmpint(ringline_runtime_free(rt), ==, -EBUSY);
	g_assert_cmpuint(pool_stats(rt, RINGLINE_BLOCKING_BULK).stuck, ==, 1);
	g_assert_cmpint(g.disposed, ==, 0);
	gate_open(&g);
	CONF_UNTIL(pool_stats(rt, RINGLINE_BLOCKING_BULK).threads == 0);
	g_assert_cmpint(g.disposed, ==, 1);
	conf_finish(rt);
}

static int slow(void *arg)
{
	struct gate *g = arg;

	g->inside++;
	g_usleep(5000);
	return 0;
}

static int slow_main(void *gate)
{
	return abandon(slow, gate);
}

/* What is over in a moment is given that. On a machine that is too busy for it once in ten times is enough. */
static void test_slow(void)
{
	struct ringline_blocking_stats s;
	int i;

	for (i = 0; i < 10; i++) {
		struct ringline_runtime *rt = conf_serve(NULL, 1, NULL, NULL, NULL, NULL);
		struct gate g = GATE_INIT;

		CONF_OK(conf_call(rt, 0, slow_main, &g));
		CONF_OK(ringline_runtime_shutdown(rt));
		CONF_OK(ringline_runtime_join(rt));
		s = pool_stats(rt, RINGLINE_BLOCKING_BULK);
		CONF_UNTIL(pool_stats(rt, RINGLINE_BLOCKING_BULK).threads == 0);
		g_assert_cmpint(g.disposed, ==, 1);
		conf_finish(rt);
		if (!s.stuck)
			return;
	}
	g_assert_cmpuint(s.stuck, ==, 0);
}

/* --- limits ------------------------------------------------------------------------------------------------------- */

static int wait_through(void *arg)
{
	return ringline_blocking(through, arg, NULL);
}

static int queue_main(void *arg)
{
	struct ringline_blocking_options nowait = RINGLINE_BLOCKING_OPTIONS_INIT;
	struct gate first = GATE_INIT;
	struct gate others = GATE_INIT;
	struct gate refused = GATE_INIT;
	struct ringline_op *op[3];
	struct ringline_op *more;
	struct ringline_task *t;

	(void)arg;
	nowait.flags = RINGLINE_BLOCKING_NOWAIT;
	CONF_OK(ringline_blocking_begin(&op[0], through, &first, NULL));
	CONF_UNTIL(first.inside);
	CONF_OK(ringline_blocking_begin(&op[1], through, &others, NULL));
	CONF_OK(ringline_blocking_begin(&op[2], through, &others, NULL));
	g_assert_cmpint(ringline_blocking_begin(&more, through, &others, NULL), ==, -EAGAIN);
	g_assert_cmpint(ringline_blocking(through, &others, &nowait), ==, -EAGAIN);
	g_assert_cmpint(ringline_blocking_detached(through, &refused, gate_disposed, &nowait), ==, -EAGAIN);
	g_assert_cmpint(ringline_blocking_detached_begin(&more, through, &refused, gate_disposed, NULL), ==, -EAGAIN);
	g_assert_cmpint(refused.disposed, ==, 2);
	g_assert_cmpuint(bulk().refused, ==, 4);
	CONF_OK(ringline_task_start(&t, wait_through, &others, NULL));    /* one that waits finds room in its own memory */
	CONF_UNTIL(bulk().queued == 3);
	gate_open(&others);
	gate_open(&first);
	CONF_OK(ringline_op_await_all(op, 3, NULL));
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_cmpint(others.passed, ==, 3);
	return 0;
}

static void test_queue(void)
{
	struct ringline_config c;

	conf_config(&c);
	c.blocking_threads = 1;
	c.blocking_queue = 2;
	CONF_OK(conf_run_with(&c, queue_main, NULL));
}

static int class_main(void *arg)
{
	struct ringline_blocking_options o = RINGLINE_BLOCKING_OPTIONS_INIT;
	struct gate g = GATE_INIT;
	struct add x = { .a = 1, .b = 1 };
	struct ringline_op *op[8];
	int i;

	(void)arg;
	for (i = 0; i < 8; i++)
		CONF_OK(ringline_blocking_begin(&op[i], through, &g, NULL));
	CONF_UNTIL(g.inside == 2);
	o.job_class = RINGLINE_BLOCKING_IO;
	g_assert_cmpint(ringline_blocking(add, &x, &o), ==, 2);
	o.job_class = RINGLINE_BLOCKING_DNS;
	g_assert_cmpint(ringline_blocking(add, &x, &o), ==, 2);
	g_assert_cmpuint(pool_stats(NULL, RINGLINE_BLOCKING_DNS).completed, ==, 1);
	gate_open(&g);
	CONF_OK(ringline_op_await_all(op, 8, NULL));
	return 0;
}

static void test_class(void)
{
	struct ringline_config c;

	conf_config(&c);
	c.blocking_threads = 2;
	c.blocking_io_threads = 1;
	c.blocking_dns_threads = 1;
	CONF_OK(conf_run_with(&c, class_main, NULL));
}

struct order {
	GString *trace;
	char name;
};

static int note(void *arg)
{
	const struct order *o = arg;

	g_string_append_c(o->trace, o->name);
	return 0;
}

static int priority_main(void *arg)
{
	static const char names[] = "nlhnlh";
	struct ringline_blocking_options o = RINGLINE_BLOCKING_OPTIONS_INIT;
	struct gate g = GATE_INIT;
	struct ringline_op *first;
	struct ringline_op *op[6];
	struct order order[6];
	GString *trace = g_string_new(NULL);
	int i;

	(void)arg;
	CONF_OK(ringline_blocking_begin(&first, through, &g, NULL));
	CONF_UNTIL(g.inside);
	for (i = 0; i < 6; i++) {
		order[i] = (struct order){ trace, names[i] };
		o.priority = names[i] == 'h' ? RINGLINE_PRIORITY_HIGH :
		             names[i] == 'l' ? RINGLINE_PRIORITY_LOW : RINGLINE_PRIORITY_NORMAL;
		CONF_OK(ringline_blocking_begin(&op[i], note, &order[i], &o));
	}
	gate_open(&g);
	CONF_OK(ringline_op_await(first));
	CONF_OK(ringline_op_await_all(op, 6, NULL));
	g_assert_cmpstr(trace->str, ==, "hhnnll");
	g_string_free(trace, TRUE);
	return 0;
}

static void test_priority(void)
{
	run_with_one_thread(priority_main, NULL);
}

static int idle_main(void *arg)
{
	struct add x = { .a = 1, .b = 1 };
	int i;

	(void)arg;
	for (i = 0; i < 3; i++) {
		g_assert_cmpint(ringline_blocking(add, &x, NULL), ==, 2);
		CONF_UNTIL(bulk().threads == 0);
	}
	return 0;
}

static void test_idle(void)
{
	struct ringline_config c;

	conf_config(&c);
	c.blocking_idle = MSEC;
	CONF_OK(conf_run_with(&c, idle_main, NULL));
}

/* --- jobs that wait for jobs -------------------------------------------------------------------------------------- */

#define CHAIN 6

struct link {
	struct ringline_runtime *rt;
	int left;
	struct gate gate;
};

static int link_job(void *arg);

static int link_task(void *arg)
{
	struct link *l = arg;

	(void)ringline_blocking(link_job, l, NULL);
	gate_open(&l->gate);
	return 0;
}

/* Waits for a task that waits for a job of the same class, and so on. */
static int link_job(void *arg)
{
	struct link *l = arg;
	struct link next = { .rt = l->rt, .left = l->left - 1, .gate = GATE_INIT };

	if (!l->left)
		return 0;
	CONF_OK(ringline_worker_spawn(l->rt, 0, link_task, &next));
	return through(&next.gate);
}

static int chain_main(void *arg)
{
	struct link l = { .rt = ringline_runtime_current(), .left = CHAIN, .gate = GATE_INIT };

	(void)arg;
	CONF_OK(ringline_blocking(link_job, &l, NULL));
	g_assert_cmpuint(bulk().grown, >=, CHAIN);
	CONF_UNTIL(bulk().running == 0);
	return 0;
}

static void test_chain(void)
{
	run_with_one_thread(chain_main, NULL);
}

#define MEETING 3

struct meeting {
	struct gate gate;
	_Atomic int missing;
};

static int meet_job(void *arg)
{
	struct meeting *m = arg;

	if (!--m->missing)
		gate_open(&m->gate);
	return through(&m->gate);
}

static int meet_task(void *arg)
{
	return ringline_blocking(meet_job, arg, NULL);
}

/* All are there from the start: nothing happens any more that would have the worker look, but for its own looking. */
static int meeting_main(void *arg)
{
	struct meeting m = { .gate = GATE_INIT, .missing = MEETING };
	struct ringline_scope *scope;
	int i;

	(void)arg;
	CONF_OK(ringline_scope_open(&scope, NULL));
	for (i = 0; i < MEETING; i++)
		CONF_OK(ringline_scope_spawn(scope, meet_task, &m));
	CONF_OK(ringline_scope_close(scope));
	g_assert_cmpuint(bulk().grown, >=, MEETING - 1);
	return 0;
}

static void test_meeting(void)
{
	run_with_one_thread(meeting_main, NULL);
}

/* --- many --------------------------------------------------------------------------------------------------------- */

#define HAMMER_TASKS 40

struct hammer {
	_Atomic uint64_t ran;
	_Atomic uint64_t disposed;
	uint32_t rounds;
};

static int count_run(void *arg)
{
	((struct hammer *)arg)->ran++;
	return 0;
}

static int fail_run(void *arg)
{
	((struct hammer *)arg)->ran++;
	return -EIO;
}

static void count_disposed(void *arg, int result)
{
	(void)result;
	((struct hammer *)arg)->disposed++;
}

static void hammer_round(struct hammer *h, uint32_t i, uint64_t *owed)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;
	struct ringline_op *op;
	int r;

	o.deadline = i % 3 ? 0 : ringline_now() + i % 7 * 10000;
	CONF_OK(ringline_scope_open(&scope, &o));
	switch (i % 5) {
	case 0:
		r = ringline_blocking(count_run, h, NULL);
		g_assert_true(r == 0 || r == -ETIME);
		break;
	case 1:
		r = ringline_blocking_detached(i % 2 ? count_run : fail_run, h, count_disposed, NULL);
		*owed += r < 0;
		break;
	case 2:
		r = ringline_blocking_detached_begin(&op, count_run, h, count_disposed, NULL);
		(*owed)++;
		break;
	case 3:
		r = ringline_blocking_begin(&op, count_run, h, NULL);
		if (r == 0 && i % 2)
			CONF_OK(ringline_op_cancel(op));
		break;
	default:
		r = ringline_blocking_begin(&op, count_run, h, NULL);
		g_assert_true(r == 0 || r == -ETIME);
		break;
	}
	(void)ringline_scope_close(scope);
}

static int hammer_task(void *arg)
{
	struct hammer *h = arg;
	uint64_t owed = 0;
	uint32_t i;

	for (i = 0; i < h->rounds; i++)
		hammer_round(h, i + (uint32_t)ringline_task_id(), &owed);
	h->disposed -= owed;              /* back at zero when all has been disposed of that was owed */
	return 0;
}

static int hammer_main(void *arg)
{
	struct ringline_scope *scope;
	int i;

	CONF_OK(ringline_scope_open(&scope, NULL));
	for (i = 0; i < HAMMER_TASKS; i++)
		CONF_OK(ringline_scope_spawn(scope, hammer_task, arg));
	return ringline_scope_close(scope);
}

static int noop_main(void *arg)
{
	(void)arg;
	return 0;
}

/* From two workers at once, every form, with deadlines of a few microseconds. */
static void test_hammer(void)
{
	struct hammer h = { .rounds = conf_full() ? 5000 : 300 };
	struct ringline_runtime *rt;
	struct ringline_config c;

	conf_config(&c);
	c.blocking_threads = 3;
	rt = conf_serve(&c, 2, NULL, NULL, NULL, NULL);
	CONF_OK(ringline_worker_spawn(rt, 1, hammer_main, &h));
	CONF_OK(conf_call(rt, 0, hammer_main, &h));
	CONF_UNTIL(conf_stats(rt).tasks_started == conf_stats(rt).tasks_ended);
	CONF_OK(conf_call(rt, 1, noop_main, NULL));
	CONF_UNTIL(pool_stats(rt, 0).stuck == 0);
	g_assert_cmpuint(h.disposed, ==, 0);
	g_assert_cmpuint(pool_stats(rt, 0).completed, ==, h.ran);
	g_assert_cmpuint(pool_stats(rt, 0).submitted, ==, pool_stats(rt, 0).completed + pool_stats(rt, 0).cancelled);
	g_assert_cmpuint(pool_stats(rt, 0).queued, ==, 0);
	CONF_OK(conf_stop(rt));
}

static void add_cases(void)
{
	conf_add("/blocking/result-comes-back", test_result);
	conf_add("/blocking/threads-run-anywhere", test_affinity);
	conf_add("/blocking/two-hundred-at-once", test_depth);
	conf_add("/blocking/inside-a-job-runs-at-once", test_inside);
	conf_add("/blocking/bad-calls", test_bad);
	conf_add("/blocking/cut-while-queued-never-runs", test_cut_queued);
	conf_add("/blocking/cut-while-queued-is-disposed-of", test_cut_queued_detached);
	conf_add("/blocking/cut-while-running-is-told-at-its-end", test_cut_running);
	conf_add("/blocking/cut-while-running-is-abandoned", test_cut_detached);
	conf_add("/blocking/negative-results-are-disposed-of", test_dispose);
	conf_add("/blocking/scope-disposes-of-what-nobody-took", test_dispose_op);
	conf_add("/blocking/cancelled-operations", test_cancel_op);
	conf_add("/blocking/stuck-job-does-not-hold-the-shutdown", test_stuck);
	conf_add("/blocking/slow-job-is-over-after-the-shutdown", test_slow);
	conf_add("/blocking/full-queue-is-eagain-or-a-wait", test_queue);
	conf_add("/blocking/classes-do-not-starve-each-other", test_class);
	conf_add("/blocking/priorities", test_priority);
	conf_add("/blocking/idle-threads-end", test_idle);
	conf_add("/blocking/jobs-that-wait-for-jobs", test_chain);
	conf_add("/blocking/jobs-that-meet", test_meeting);
	conf_add("/blocking/hammer", test_hammer);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "blocking", add_cases);
}
