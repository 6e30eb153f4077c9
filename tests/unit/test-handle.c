/* SPDX-License-Identifier: MIT */
/* Op handles: await, any, all, cancel, result, and what closing a scope does with them. */
#include "base/fault.h"
#include "support/fake-backend.h"

#define SECOND RLN_NSEC_PER_SEC

static struct ringline_op *begin(struct fixture *fx, struct fake_script script)
{
	struct ringline_op *op;

	g_assert_cmpint(fake_begin(fx, &op, &script), ==, 0);
	return op;
}

static struct ringline_scope *open_until(uint64_t deadline)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *s;

	o.deadline = deadline;
	g_assert_cmpint(ringline_scope_open(&s, &o), ==, 0);
	return s;
}

static int await(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_op *op = fake_op(fx, 10, 42);

	g_assert_cmpint(ringline_op_await(op), ==, 42);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 10);
	g_assert_cmpint(ringline_op_await(op), ==, -EBADF);
	op = fake_op(fx, 0, -EPIPE);
	g_assert_cmpint(ringline_sleep(5), ==, 0);
	g_assert_cmpint(ringline_op_await(op), ==, -EPIPE);     /* done before */
	return 0;
}

static int await_cut_waits_for_terminal(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_scope *s = open_until(FAKE_START + 10);
	struct ringline_op *op = begin(fx, (struct fake_script){ .delay = FAKE_NEVER, .cancel_delay = 500 });

	g_assert_cmpint(ringline_op_await(op), ==, -ECANCELED);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 510);
	g_assert_cmpuint(fx->x.handles.live, ==, 0);
	g_assert_cmpint(ringline_scope_close(s), ==, -ETIME);
	return 0;
}

static int await_cut_success_not_prevented(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_scope *s = open_until(FAKE_START + 10);
	struct fake_script loses = { .delay = 1000, .result = 7, .on_cancel = FAKE_CANCEL_LOSES };
	struct fake_script ignored = { .delay = 1000, .result = 8, .on_cancel = FAKE_CANCEL_IGNORED };
	struct ringline_op *a = begin(fx, loses);
	struct ringline_op *b = begin(fx, ignored);

	g_assert_cmpint(ringline_op_await(a), ==, 7);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 10);
	g_assert_cmpint(ringline_op_await(b), ==, 8);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 1000);
	g_assert_cmpint(ringline_scope_close(s), ==, -ETIME);
	return 0;
}

/* In a scope that is cut already, what is done is returned, and what is not is cancelled. */
static int await_in_cut_scope(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_scope *s = open_until(0);
	struct ringline_op *done = fake_op(fx, 0, 1);
	struct ringline_op *never = begin(fx, (struct fake_script){ .delay = FAKE_NEVER });
	struct ringline_op *refused;

	g_assert_cmpint(ringline_sleep(1), ==, 0);
	g_assert_cmpint(ringline_scope_cancel(s), ==, 0);
	g_assert_cmpint(fake_begin(fx, &refused, &(struct fake_script){ 0 }), ==, -ECANCELED);
	g_assert_cmpint(ringline_sleep_begin(&refused, 1), ==, -ECANCELED);
	g_assert_cmpint(ringline_op_await(done), ==, 1);
	g_assert_cmpint(ringline_op_await(never), ==, -ECANCELED);
	g_assert_cmpint(ringline_scope_close(s), ==, -ECANCELED);
	return 0;
}

static int any_consumes_winner(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_op *op[4] = { fake_op(fx, 30, 3), fake_op(fx, 10, 1), NULL, fake_op(fx, 20, 2) };
	int64_t result;

	g_assert_cmpint(ringline_op_await_any(op, 4, &result), ==, 1);
	g_assert_cmpint(result, ==, 1);
	g_assert_null(op[1]);
	g_assert_cmpuint(fx->x.handles.live, ==, 2);
	g_assert_cmpint(ringline_op_await_any(op, 4, &result), ==, 3);
	g_assert_cmpint(result, ==, 2);
	g_assert_cmpint(ringline_op_await_any(op, 4, NULL), ==, 0);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 30);
	g_assert_cmpint(ringline_op_await_any(op, 4, &result), ==, -EINVAL);    /* nothing is left to wait for */
	return 0;
}

static int any_takes_lowest(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_op *op[3] = { fake_op(fx, 99, 3), fake_op(fx, 5, 1), fake_op(fx, 0, 2) };
	int64_t result;

	g_assert_cmpint(ringline_sleep(10), ==, 0);
	g_assert_cmpint(ringline_op_await_any(op, 3, &result), ==, 1);
	g_assert_cmpint(ringline_op_await_any(op, 3, &result), ==, 2);
	g_assert_cmpint(ringline_op_await(op[0]), ==, 3);
	return 0;
}

static int any_cut_consumes_nothing(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_op *op[2] = { fake_op(fx, 50, 3), fake_op(fx, 60, 4) };
	struct ringline_scope *s = open_until(FAKE_START + 10);
	int64_t result = 77;

	g_assert_cmpint(ringline_op_await_any(op, 2, &result), ==, -ETIME);
	g_assert_cmpint(result, ==, 77);
	g_assert_true(op[0] && op[1]);
	g_assert_cmpint(ringline_scope_close(s), ==, -ETIME);
	g_assert_cmpint(ringline_op_await_any(op, 2, &result), ==, 0);    /* they were not cancelled */
	g_assert_cmpint(result, ==, 3);
	g_assert_cmpint(ringline_op_await(op[1]), ==, 4);
	g_assert_cmpuint(rln_stat_get(&fx->x.stats.ops_cancelled), ==, 0);
	return 0;
}

/* More than fit on the stack. */
static int any_of_many(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_op *op[40];
	int64_t result;
	int i;

	for (i = 0; i < 40; i++)
		op[i] = fake_op(fx, (uint64_t)(100 - i), i);
	rln_fault_arm(RLN_FAULT_ALLOC, 0, 1, ENOMEM);
	g_assert_cmpint(ringline_op_await_any(op, 40, &result), ==, -ENOMEM);
	rln_fault_disarm_all();
	g_assert_cmpuint(fx->x.handles.live, ==, 40);
	for (i = 39; i >= 0; i--) {
		g_assert_cmpint(ringline_op_await_any(op, 40, &result), ==, i);
		g_assert_cmpint(result, ==, i);
		g_assert_null(op[i]);
	}
	return 0;
}

static int all(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_op *op[4] = { fake_op(fx, 30, 3), NULL, fake_op(fx, 10, 1), fake_op(fx, 20, -EIO) };
	int64_t results[4] = { 77, 77, 77, 77 };
	int i;

	g_assert_cmpint(ringline_op_await_all(op, 4, results), ==, 0);
	g_assert_cmpint(results[0], ==, 3);
	g_assert_cmpint(results[2], ==, 1);
	g_assert_cmpint(results[3], ==, -EIO);
	for (i = 0; i < 4; i++)
		g_assert_null(op[i]);
	g_assert_cmpint(ringline_op_await_all(op, 4, NULL), ==, 0);
	g_assert_cmpint(ringline_op_await_all(NULL, 0, NULL), ==, 0);
	return 0;
}

/* The first cut cancels all at once: three cancels that take a second each take one second together. */
static int all_cut(void *arg)
{
	struct fixture *fx = arg;
	struct fake_script slow = { .delay = FAKE_NEVER, .cancel_delay = SECOND };
	struct fake_script ignored = { .delay = 900, .result = 6, .on_cancel = FAKE_CANCEL_IGNORED };
	struct ringline_scope *s = open_until(FAKE_START + 10);
	struct ringline_op *op[5] = { fake_op(fx, 0, 5), begin(fx, slow), begin(fx, slow), begin(fx, ignored),
	                              begin(fx, slow) };
	int64_t results[5];

	g_assert_cmpint(ringline_op_await_all(op, 5, results), ==, -ETIME);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 10 + SECOND);
	g_assert_cmpint(results[0], ==, 5);
	g_assert_cmpint(results[1], ==, -ECANCELED);
	g_assert_cmpint(results[2], ==, -ECANCELED);
	g_assert_cmpint(results[3], ==, 6);
	g_assert_cmpint(results[4], ==, -ECANCELED);
	g_assert_cmpint(ringline_scope_close(s), ==, -ETIME);
	return 0;
}

struct claimer {
	struct ringline_op *op;
	int64_t result;
};

static int awaits(void *arg)
{
	struct claimer *c = arg;

	c->result = ringline_op_await(c->op);
	return 0;
}

static int claims(void *arg)
{
	struct fixture *fx = arg;
	struct claimer c = { .op = fake_op(fx, 100, 9) };
	struct ringline_op *other = fake_op(fx, 100, 10);
	struct ringline_op *op[2] = { other, c.op };
	struct ringline_op *twice[2] = { other, other };
	struct ringline_task *t;
	int64_t results[2];

	g_assert_cmpint(ringline_task_start(&t, awaits, &c, NULL), ==, 0);
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpint(ringline_op_await(c.op), ==, -EBUSY);
	g_assert_cmpint(ringline_op_result(c.op), ==, -EBUSY);
	g_assert_cmpint(ringline_op_await_any(op, 2, results), ==, -EBUSY);
	g_assert_cmpint(ringline_op_await_all(op, 2, results), ==, -EBUSY);
	g_assert_cmpint(ringline_op_await_any(twice, 2, results), ==, -EBUSY);
	g_assert_cmpint(ringline_op_await_all(twice, 2, results), ==, -EBUSY);
	g_assert_cmpint(ringline_op_await(other), ==, 10);     /* the refusals gave their claims back */
	g_assert_cmpint(ringline_task_join(t, NULL), ==, 0);
	g_assert_cmpint(c.result, ==, 9);
	return 0;
}

/* Claims on what is done already are counted and given back just so. */
static int claims_of_done(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_scope *s = open_until(0);
	struct ringline_op *done = fake_op(fx, 0, 1);
	struct ringline_op *twice[2] = { done, done };
	int64_t results[2];

	g_assert_cmpint(ringline_sleep(1), ==, 0);
	g_assert_cmpuint(s->node.pending, ==, 0);
	g_assert_cmpint(ringline_op_await_any(twice, 2, results), ==, -EBUSY);
	g_assert_cmpuint(s->node.pending, ==, 0);
	g_assert_false(done->claimed);
	g_assert_cmpint(ringline_op_result(done), ==, 1);
	g_assert_cmpuint(s->node.pending, ==, 0);
	return ringline_scope_close(s);
}

/* The owner closes its scope while another task waits for one of its handles. */
static int close_under_a_waiter(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_scope *s = open_until(0);
	struct claimer c = { .op = begin(fx, (struct fake_script){ .delay = FAKE_NEVER, .cancel_delay = 5 }) };
	struct rln_task_start how = { .fn = awaits, .arg = &c, .scope = &fx->x.root };
	struct ringline_task *t;

	g_assert_cmpint(rln_task_start(&t, &how), ==, 0);
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpint(ringline_scope_close(s), ==, 0);
	g_assert_cmpuint(fx->x.handles.live, ==, 0);
	g_assert_cmpint(c.result, ==, -ECANCELED);
	return ringline_task_join(t, NULL);
}

static int result(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_op *op = fake_op(fx, 10, 6);

	g_assert_cmpint(ringline_op_result(op), ==, -EINPROGRESS);
	g_assert_cmpint(ringline_sleep(5), ==, 0);
	g_assert_cmpint(ringline_op_result(op), ==, -EINPROGRESS);
	g_assert_cmpint(ringline_sleep(5), ==, 0);
	g_assert_cmpint(ringline_op_result(op), ==, 6);
	g_assert_cmpint(ringline_op_result(op), ==, -EBADF);
	return 0;
}

static int cancel(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_op *op = begin(fx, (struct fake_script){ .delay = FAKE_NEVER, .cancel_delay = 10 });

	g_assert_cmpint(ringline_op_cancel(op), ==, 0);
	g_assert_cmpint(ringline_op_cancel(op), ==, 0);
	g_assert_cmpint(ringline_op_result(op), ==, -EINPROGRESS);
	g_assert_cmpint(ringline_op_await(op), ==, -ECANCELED);
	g_assert_cmpint(ringline_op_cancel(op), ==, -EBADF);
	op = fake_op(fx, 0, 4);
	g_assert_cmpint(ringline_sleep(1), ==, 0);
	g_assert_cmpint(ringline_op_cancel(op), ==, 0);
	g_assert_cmpint(ringline_op_await(op), ==, 4);
	return 0;
}

/* A handle of a kind whose results hold something. */
static int disposed;

static void counting_dispose(struct ringline_op *h)
{
	disposed += (int)h->result;
}

static void counting_cancel(struct ringline_op *h)
{
	rln_op_cancel(&h->work.op);
}

static const struct rln_handle_kind counting = { .cancel = counting_cancel, .dispose = counting_dispose };

static struct ringline_op *begin_counting(struct fixture *fx, uint64_t delay, int64_t res)
{
	struct fake_script script = { .delay = delay, .result = res, .on_cancel = FAKE_CANCEL_LOSES };
	struct ringline_op *h;

	g_assert_cmpint(rln_handle_new(&h, &counting), ==, 0);
	fake_script(fx->f, RLN_OP_NOP, &script);
	rln_op_init(&h->work.op, NULL);
	rln_handle_submit(h);
	return h;
}

static int close_disposes(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_scope *s = open_until(0);
	struct ringline_op *taken = begin_counting(fx, 1, 1000);

	disposed = 0;
	begin_counting(fx, 1, 1);
	begin_counting(fx, FAKE_NEVER, 10);
	begin_counting(fx, 100 * SECOND, 100);
	g_assert_cmpint(ringline_op_await(taken), ==, 1000);
	g_assert_cmpint(ringline_scope_close(s), ==, 0);
	g_assert_cmpint(disposed, ==, 111);     /* each once, and what was taken not at all */
	g_assert_cmpuint(fx->x.handles.live, ==, 0);
	return 0;
}

static int close_waits_for_terminal(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_scope *s = open_until(0);

	begin(fx, (struct fake_script){ .delay = FAKE_NEVER, .cancel_delay = SECOND });
	begin(fx, (struct fake_script){ .delay = 3 * SECOND, .on_cancel = FAKE_CANCEL_IGNORED });
	g_assert_cmpint(ringline_scope_close(s), ==, 0);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 3 * SECOND);
	return 0;
}

static int many_in_flight(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_op *op[256];
	int64_t results[256];
	int i;

	for (i = 0; i < 256; i++)
		op[i] = fake_op(fx, (uint64_t)((i * 37) % 256), i);
	g_assert_cmpuint(g_hash_table_size(fx->f->inflight), ==, 256);
	g_assert_cmpint(ringline_op_await_all(op, 256, results), ==, 0);
	for (i = 0; i < 256; i++)
		g_assert_cmpint(results[i], ==, i);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 255);
	return 0;
}

static int sleep_begin(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_op *op[3];
	int i;

	for (i = 0; i < 3; i++)
		g_assert_cmpint(ringline_sleep_begin(&op[i], (uint64_t)(30 - 10 * i)), ==, 0);
	g_assert_cmpint(ringline_op_await_any(op, 3, NULL), ==, 2);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 10);
	g_assert_cmpint(ringline_op_cancel(op[0]), ==, 0);
	g_assert_cmpint(ringline_op_await(op[0]), ==, -ECANCELED);
	g_assert_cmpint(ringline_op_await(op[1]), ==, 0);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 20);
	g_assert_cmpint(ringline_sleep_begin(&op[0], UINT64_MAX), ==, 0);    /* left to the end of the task */
	return 0;
}

static int sleep_begin_cut(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_scope *s = open_until(FAKE_START + 10);
	struct ringline_op *op[3];
	int64_t results[3];
	int i;

	for (i = 0; i < 3; i++)
		g_assert_cmpint(ringline_sleep_begin(&op[i], SECOND), ==, 0);
	g_assert_cmpint(ringline_op_await(op[0]), ==, -ECANCELED);
	g_assert_cmpint(ringline_op_await_all(&op[1], 2, results), ==, -ETIME);
	g_assert_cmpint(results[0], ==, -ECANCELED);
	g_assert_cmpint(results[1], ==, -ECANCELED);
	g_assert_cmpuint(fx->x.timers.len, ==, 0);
	g_assert_cmpint(ringline_scope_close(s), ==, -ETIME);
	return 0;
}

static int bad_arguments(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_op *op[2] = { fake_op(fx, 1, 1), NULL };
	struct ringline_op *stale;

	g_assert_cmpint(ringline_op_await(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_op_cancel(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_op_result(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_op_await_any(NULL, 1, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_op_await_any(NULL, 0, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_op_await_any(op + 1, 1, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_op_await_all(NULL, 1, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_sleep_begin(NULL, 1), ==, -EINVAL);
	stale = fake_op(fx, 0, 0);
	g_assert_cmpint(ringline_op_await(stale), ==, 0);
	op[1] = stale;
	g_assert_cmpint(ringline_op_await_all(op, 2, NULL), ==, -EBADF);
	g_assert_cmpint(ringline_op_await_any(op, 2, NULL), ==, -EBADF);
	g_assert_cmpint(ringline_op_await(op[0]), ==, 1);
	return 0;
}

static int handle_limit(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_op *op[4];
	int i;

	for (i = 0; i < 4; i++)
		op[i] = fake_op(fx, 1, i);
	g_assert_cmpint(ringline_sleep_begin(&op[0], 1), ==, -EAGAIN);
	g_assert_cmpint(ringline_op_await(op[3]), ==, 3);
	g_assert_cmpint(ringline_sleep_begin(&op[3], 1), ==, 0);
	g_assert_cmpint(ringline_op_await_all(op, 4, NULL), ==, 0);
	return 0;
}

static int out_of_memory(void *arg)
{
	struct fixture *fx = arg;
	bool failed = true;
	uint32_t skip;

	for (skip = 0; failed; skip++) {
		struct ringline_op *op[300];
		int n = 0;
		int r = 0;

		rln_fault_arm(RLN_FAULT_ALLOC, skip, 1, ENOMEM);
		while (n < 300 && (r = ringline_sleep_begin(&op[n], 10)) == 0)
			n++;
		failed = rln_fault_failed(RLN_FAULT_ALLOC) > 0;
		rln_fault_disarm_all();
		g_assert_cmpint(r, ==, n < 300 ? -ENOMEM : 0);
		g_assert_cmpuint(fx->x.handles.live, ==, (unsigned int)n);
		g_assert_cmpuint(fx->x.timers.len, ==, (unsigned int)n);
		g_assert_cmpuint(rln_task_current()->base.pending, ==, (unsigned int)n);
		g_assert_cmpint(ringline_op_await_all(op, (size_t)n, NULL), ==, 0);
		g_assert_cmpuint(skip, <, 100);
	}
	return 0;
}

static gpointer foreign(gpointer data)
{
	struct ringline_op *op = data;
	int64_t res;

	g_assert_cmpint(ringline_op_await(op), ==, -EPERM);
	g_assert_cmpint(ringline_op_await_any(&op, 1, &res), ==, -EPERM);
	g_assert_cmpint(ringline_op_await_all(&op, 1, &res), ==, -EPERM);
	g_assert_cmpint(ringline_op_cancel(op), ==, -EPERM);
	g_assert_cmpint(ringline_op_result(op), ==, -EPERM);
	g_assert_cmpint(ringline_sleep_begin(&op, 1), ==, -EPERM);
	return NULL;
}

static int foreign_thread(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_op *op = fake_op(fx, 1, 2);

	g_thread_join(g_thread_new("foreign", foreign, op));
	g_assert_cmpuint(fx->log_lines, ==, 6);
	g_assert_cmpint(ringline_op_await(op), ==, 2);
	return 0;
}

static const struct fixture_case cases[] = {
	{ "/handle/await", await, { 0 } },
	{ "/handle/await-cut-short-waits-for-the-terminal-result", await_cut_waits_for_terminal, { 0 } },
	{ "/handle/await-cut-short-returns-success-not-prevented", await_cut_success_not_prevented, { 0 } },
	{ "/handle/await-in-a-cut-scope", await_in_cut_scope, { 0 } },
	{ "/handle/any-consumes-the-winner-only", any_consumes_winner, { 0 } },
	{ "/handle/any-takes-the-lowest-that-is-done", any_takes_lowest, { 0 } },
	{ "/handle/any-cut-short-consumes-nothing", any_cut_consumes_nothing, { 0 } },
	{ "/handle/any-of-many-and-out-of-memory", any_of_many, { 0 } },
	{ "/handle/all", all, { 0 } },
	{ "/handle/all-cut-short-cancels-at-once", all_cut, { 0 } },
	{ "/handle/second-claim-is-ebusy", claims, { 0 } },
	{ "/handle/refused-claim-of-a-done-op-is-given-back", claims_of_done, { 0 } },
	{ "/handle/close-under-a-foreign-waiter", close_under_a_waiter, { 0 } },
	{ "/handle/result-is-einprogress-until-done", result, { 0 } },
	{ "/handle/cancel-is-a-request", cancel, { 0 } },
	{ "/handle/close-disposes-of-what-nobody-took", close_disposes, { 0 } },
	{ "/handle/close-waits-for-the-terminal-results", close_waits_for_terminal, { 0 } },
	{ "/handle/256-in-flight", many_in_flight, { 0 } },
	{ "/handle/sleep-begin", sleep_begin, { 0 } },
	{ "/handle/sleep-begin-cut-short", sleep_begin_cut, { 0 } },
	{ "/handle/bad-arguments", bad_arguments, { 0 } },
	{ "/handle/limit-is-eagain", handle_limit, { .max_ops = 4 } },
	{ "/handle/out-of-memory-anywhere-leaves-nothing", out_of_memory, { 0 } },
	{ "/handle/foreign-thread-is-refused-and-logged", foreign_thread, { 0 } },
};

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	fixture_add_cases(cases, G_N_ELEMENTS(cases));
	return g_test_run();
}
