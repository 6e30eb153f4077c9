/* SPDX-License-Identifier: MIT */
/* The scripted backend and its fixture; fake-backend.h tells the idea. */
#include <string.h>

#include "base/mem.h"
#include "fake-backend.h"

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef RUNNING_ON_VALGRIND
#define RUNNING_ON_VALGRIND 0
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

struct fake_entry {
	struct rln_list link;     /* in the schedule, in `never`, or in the batch that is being delivered */
	struct rln_op *op;
	struct fake_script script;
	uint64_t due;
	bool decided;             /* cancelled, or about to be delivered: the outcome stands */
};

static struct fake_backend *from_base(struct rln_backend *b)
{
	return rln_container_of(b, struct fake_backend, base);
}

/* Keeps the schedule sorted. Most entries belong at or near its end. */
static void schedule(struct fake_backend *f, struct fake_entry *e, uint64_t due)
{
	struct rln_list *after = f->schedule.prev;

	e->due = due;
	if (due == FAKE_NEVER) {
		rln_list_add_tail(&f->never, &e->link);
		return;
	}
	while (after != &f->schedule && rln_list_entry(after, struct fake_entry, link)->due > due)
		after = after->prev;
	rln_list_insert(after, after->next, &e->link);
}

static uint64_t in(const struct fake_backend *f, uint64_t delay)
{
	return rln_time_add(f->clock.virtual_now, delay);
}

static void fake_submit(struct rln_backend *b, struct rln_op *op)
{
	struct fake_backend *f = from_base(b);
	struct fake_entry *e;

	g_assert_null(g_hash_table_lookup(f->inflight, op));
	g_assert_cmpint(op->state, ==, RLN_OP_INFLIGHT);
	g_assert_cmpint(op->opcode, <, RLN_OP_MAX);
	e = g_new0(struct fake_entry, 1);
	e->op = op;
	e->script = f->script[op->opcode];
	schedule(f, e, in(f, e->script.delay));
	g_hash_table_insert(f->inflight, op, e);
}

static void fake_cancel_op(struct rln_backend *b, struct rln_op *op)
{
	struct fake_backend *f = from_base(b);
	struct fake_entry *e = g_hash_table_lookup(f->inflight, op);

	g_assert_nonnull(e);
	g_assert_cmpint(op->state, ==, RLN_OP_INFLIGHT);
	if (e->decided || e->script.on_cancel == FAKE_CANCEL_IGNORED)
		return;
	e->decided = true;
	e->script.more = 0;
	if (e->script.on_cancel == FAKE_CANCEL_WINS)
		e->script.result = -ECANCELED;
	rln_list_del(&e->link);
	schedule(f, e, in(f, e->script.cancel_delay));
}

static void deliver(struct fake_backend *f, struct fake_entry *e)
{
	struct rln_completion c = { .res = e->script.result };
	struct rln_op *op = e->op;

	g_assert_true(g_hash_table_lookup(f->inflight, op) == e);
	g_assert_cmpint(op->state, ==, RLN_OP_INFLIGHT);
	if (e->script.more) {
		e->script.more--;
		c.flags = RLN_C_MORE;
		e->decided = false;
		schedule(f, e, in(f, e->script.delay));
	} else {
		g_hash_table_remove(f->inflight, op);
	}
	rln_op_complete(op, &c);
}

/* Delivers what is due now. What the deliveries submit is left for the next wait. */
static bool deliver_due(struct fake_backend *f)
{
	struct rln_list batch;
	struct rln_list *node;
	bool any = false;

	rln_list_init(&batch);
	while ((node = rln_list_first(&f->schedule))) {
		struct fake_entry *e = rln_list_entry(node, struct fake_entry, link);

		if (e->due > f->clock.virtual_now)
			break;
		rln_list_del(node);
		e->decided = true;
		rln_list_add_tail(&batch, node);
	}
	while ((node = rln_list_pop(&batch))) {
		any = true;
		deliver(f, rln_list_entry(node, struct fake_entry, link));
	}
	return any;
}

static bool take_wake(struct fake_backend *f)
{
	bool woken;

	pthread_mutex_lock(&f->lock);
	woken = f->woken;
	f->woken = false;
	pthread_mutex_unlock(&f->lock);
	return woken;
}

static void block(struct fake_backend *f)
{
	pthread_mutex_lock(&f->lock);
	while (!f->woken)
		pthread_cond_wait(&f->cond, &f->lock);
	f->woken = false;
	pthread_mutex_unlock(&f->lock);
}

static void sleep_for_ever(struct fake_backend *f)
{
	if (rln_exec_idle(rln_exec_current))
		return;           /* the last task has ended in this turn */
	if (f->threaded)
		block(f);
	else if (f->may_hang)
		f->hung = true;
	else
		g_error("would sleep for ever: no deadline, no completion, and nobody to wake");
}

static void let_time_pass(struct fake_backend *f, uint64_t deadline)
{
	struct rln_list *first = rln_list_first(&f->schedule);
	uint64_t next = first ? rln_list_entry(first, struct fake_entry, link)->due : FAKE_NEVER;
	uint64_t until = rln_min(next, deadline);

	f->sleeps++;
	if (until == FAKE_NEVER) {
		sleep_for_ever(f);
		return;
	}
	if (until <= f->clock.virtual_now)
		return;
	if (f->early) {
		f->early--;
		until = f->clock.virtual_now + (until - f->clock.virtual_now) / 2;
	}
	f->clock.virtual_now = until;
}

static int fake_wait(struct rln_backend *b, uint64_t deadline)
{
	struct fake_backend *f = from_base(b);

	g_assert_false(f->waiting);
	f->waiting = true;
	f->waits++;
	f->last_deadline = deadline;
	if (f->on_wait)
		f->on_wait(f, deadline);
	if (!f->broken && !deliver_due(f) && deadline && !take_wake(f)) {
		let_time_pass(f, deadline);
		deliver_due(f);
	}
	f->waiting = false;
	return f->broken;
}

static void fake_wake(struct rln_backend *b)
{
	struct fake_backend *f = from_base(b);

	atomic_fetch_add(&f->wakes, 1);
	pthread_mutex_lock(&f->lock);
	f->woken = true;
	pthread_cond_signal(&f->cond);
	pthread_mutex_unlock(&f->lock);
}

static void fake_close(struct rln_backend *b)
{
	struct fake_backend *f = from_base(b);

	g_assert_cmpuint(g_hash_table_size(f->inflight), ==, 0);
	g_assert_true(rln_list_empty(&f->schedule));
	g_assert_true(rln_list_empty(&f->never));
	g_hash_table_destroy(f->inflight);
	pthread_cond_destroy(&f->cond);
	pthread_mutex_destroy(&f->lock);
	g_free(f);
}

static int fake_probe(const struct rln_backend_config *cfg, char *why, size_t why_size)
{
	(void)cfg;
	g_strlcpy(why, "", why_size);
	return 0;
}

static int fake_open(struct rln_backend **ret, const struct rln_backend_config *cfg)
{
	(void)cfg;
	*ret = &fake_new()->base;
	return 0;
}

static struct rln_buf *fake_holder(struct rln_backend *b, const void *data, size_t len)
{
	(void)b;
	(void)data;
	(void)len;
	return NULL;
}

static const struct rln_backend_ops fake_ops = {
	.name = "fake",
	.engine = RLN_ENGINE_FAKE,
	.probe = fake_probe,
	.open = fake_open,
	.close = fake_close,
	.submit = fake_submit,
	.holder = fake_holder,
	.cancel = fake_cancel_op,
	.wait = fake_wait,
	.wake = fake_wake,
};

struct fake_backend *fake_new(void)
{
	struct fake_backend *f = g_new0(struct fake_backend, 1);

	f->base.ops = &fake_ops;
	rln_clock_virtual_init(&f->clock, FAKE_START);
	rln_list_init(&f->schedule);
	rln_list_init(&f->never);
	f->inflight = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->cond, NULL);
	return f;
}

void fake_free(struct fake_backend *f)
{
	f->base.ops->close(&f->base);
}

void fake_script(struct fake_backend *f, enum rln_opcode opcode, const struct fake_script *script)
{
	f->script[opcode] = *script;
}

int fake_begin(struct fixture *fx, struct ringline_op **ret, const struct fake_script *script)
{
	int r = rln_handle_new(ret, &rln_handle_backend_op);

	if (r < 0)
		return r;
	fake_script(fx->f, RLN_OP_NOP, script);
	rln_op_init(&(*ret)->work.op, NULL);
	rln_handle_submit(*ret);
	return 0;
}

struct ringline_op *fake_op(struct fixture *fx, uint64_t delay, int64_t result)
{
	struct ringline_op *op;

	g_assert_cmpint(fake_begin(fx, &op, &(struct fake_script){ .delay = delay, .result = result }), ==, 0);
	return op;
}

/* The fixture. */

static void log_line(int level, const char *message, void *arg)
{
	struct fixture *fx = arg;

	(void)level;
	if (atomic_fetch_add(&fx->log_lines, 1) == 0 || !fx->f->threaded)
		g_strlcpy(fx->last_log, message, sizeof(fx->last_log));
}

void fixture_init(struct fixture *fx, const struct rln_exec_config *config)
{
	struct rln_exec_config c = config ? *config : (struct rln_exec_config){ 0 };

	memset(fx, 0, sizeof(*fx));
	fx->mem = rln_mem_live();
	fx->turn_limit = UINT64_C(20000000);
	fx->trace = g_string_new(NULL);
	fx->f = fake_new();
	c.clock = &fx->f->clock;
	g_assert_cmpint(rln_exec_init(&fx->x, &c), ==, 0);
	fx->x.backend = &fx->f->base;
	rln_exec_bind(&fx->x);
	rln_log_set(log_line, fx);
}

void fixture_audit(struct fixture *fx)
{
	struct rln_stack_pool_stats stacks;
	struct rln_exec *x = &fx->x;

	g_assert_null(x->current);
	g_assert_cmpuint(x->tasks.live, ==, 0);
	g_assert_cmpuint(x->scopes.live, ==, 0);
	g_assert_cmpuint(x->handles.live, ==, 0);
	g_assert_cmpuint(x->objects.live, ==, 0);
	if (rln_mpsc_empty(&x->inbox))
		g_assert_cmpuint(x->token_links.live, ==, 0);
	g_assert_true(rln_list_empty(&x->staged));
	g_assert_cmpuint(x->timers.len, ==, rln_timer_armed(&x->stack_timer));
	g_assert_true(rln_list_empty(&x->runq));
	g_assert_true(rln_list_empty(&x->yielded));
	g_assert_true(rln_list_empty(&x->deferred));
	g_assert_true(rln_list_empty(&x->root.children));
	g_assert_true(rln_list_empty(&x->root.handles));
	g_assert_cmpuint(x->root.live, ==, 0);
	g_assert_cmpuint(x->root.pending, ==, 0);
	g_assert_cmpuint(g_hash_table_size(fx->f->inflight), ==, 0);
	g_assert_cmpuint(rln_stat_get(&x->stats.ops_submitted), ==, rln_stat_get(&x->stats.ops_ended));
	g_assert_cmpuint(rln_stat_get(&x->stats.tasks_started), ==, rln_stat_get(&x->stats.tasks_ended));
	rln_stack_pool_stats(x->stacks, &stacks);
	g_assert_cmpuint(stacks.live, ==, 0);
	g_assert_cmpuint(stacks.overflows, ==, 0);
}

void fixture_fini(struct fixture *fx)
{
	fixture_audit(fx);
	rln_exec_fini(&fx->x);
	rln_exec_bind(NULL);
	rln_log_set(NULL, NULL);
	fake_free(fx->f);
	g_string_free(fx->trace, TRUE);
	if (!fx->shares_memory)
		g_assert_cmpuint(rln_mem_live(), ==, fx->mem);
}

static void turn(struct fixture *fx, uint64_t limit)
{
	g_assert_cmpint(rln_exec_turn(&fx->x, limit), ==, 0);
	g_assert_cmpuint(rln_stat_get(&fx->x.stats.turns), <, fx->turn_limit);
}

void fixture_turn(struct fixture *fx)
{
	turn(fx, 0);
}

int fixture_run(struct fixture *fx, int (*fn)(void *arg), void *arg)
{
	struct ringline_task *t;
	int result;
	int r;

	r = rln_task_start(&t, &(struct rln_task_start){ .fn = fn, .arg = arg, .scope = &fx->x.root, .name = "main" });
	g_assert_cmpint(r, ==, 0);
	while (t->state != RLN_TASK_ENDED || fx->x.root.live || g_hash_table_size(fx->f->inflight))
		turn(fx, RINGLINE_NEVER);
	result = t->result;
	rln_task_unref(t);
	fixture_turn(fx);     /* what the last turn put off, and messages that came too late */
	return result;
}

static void run_case(gconstpointer data)
{
	const struct fixture_case *c = data;
	static struct fixture fx;

	fixture_init(&fx, &c->config);
	g_assert_cmpint(fixture_run(&fx, c->fn, &fx), ==, 0);
	fixture_fini(&fx);
}

void fixture_add_cases(const struct fixture_case *cases, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		g_test_add_data_func(cases[i].path, &cases[i], run_case);
}

uint32_t fake_scaled(uint32_t n)
{
	return SANITIZED || RUNNING_ON_VALGRIND ? rln_max(n / 50, 64u) : n;
}

uint64_t fake_now(const struct fixture *fx)
{
	return fx->f->clock.virtual_now;
}
