/* SPDX-License-Identifier: MIT */
/* Tokens: the tree, its references, scopes on this worker and on others, cancelling that races with closing. */
#include "base/mem.h"
#include "support/fake-backend.h"

static struct ringline_token *token(struct ringline_token *parent)
{
	struct ringline_token *t;

	g_assert_cmpint(ringline_token_new(&t, parent), ==, 0);
	return t;
}

static struct ringline_scope *open_with(struct ringline_token *t, uint32_t flags)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *s;

	o.token = t;
	o.flags = flags;
	g_assert_cmpint(ringline_scope_open(&s, &o), ==, 0);
	return s;
}

static int sleeps_for_ever(void *arg)
{
	(void)arg;
	return ringline_sleep_until(RINGLINE_NEVER);
}

static void test_tree(void)
{
	uint64_t mem = rln_mem_live();
	struct ringline_token *root = token(NULL);
	struct ringline_token *a = token(root);
	struct ringline_token *b = token(root);
	struct ringline_token *aa = token(a);
	struct ringline_token *late;

	g_assert_cmpint(ringline_token_cancelled(aa), ==, 0);
	g_assert_cmpint(ringline_token_cancel(a), ==, 0);
	g_assert_cmpint(ringline_token_cancel(a), ==, 0);
	g_assert_cmpint(ringline_token_cancelled(root), ==, 0);
	g_assert_cmpint(ringline_token_cancelled(a), ==, 1);
	g_assert_cmpint(ringline_token_cancelled(aa), ==, 1);
	g_assert_cmpint(ringline_token_cancelled(b), ==, 0);
	late = token(aa);
	g_assert_cmpint(ringline_token_cancelled(late), ==, 1);    /* born cancelled */
	g_assert_cmpint(ringline_token_cancel(root), ==, 0);
	g_assert_cmpint(ringline_token_cancelled(b), ==, 1);
	ringline_token_unref(root);
	ringline_token_unref(a);
	ringline_token_unref(late);
	ringline_token_unref(b);
	ringline_token_unref(aa);
	g_assert_cmpuint(rln_mem_live(), ==, mem);
}

/* A child keeps its parents; a dropped child is out of the tree. */
static void test_refs(void)
{
	uint64_t mem = rln_mem_live();
	struct ringline_token *root = token(NULL);
	struct ringline_token *child = token(root);
	struct ringline_token *grandchild = token(child);

	g_assert_true(ringline_token_ref(root) == root);
	g_assert_null(ringline_token_ref(NULL));
	ringline_token_unref(NULL);
	ringline_token_unref(root);
	ringline_token_unref(child);      /* the grandchild has it */
	g_assert_cmpint(ringline_token_cancel(root), ==, 0);
	g_assert_cmpint(ringline_token_cancelled(grandchild), ==, 1);
	ringline_token_unref(grandchild);
	g_assert_cmpint(ringline_token_cancel(root), ==, 0);
	ringline_token_unref(root);
	g_assert_cmpuint(rln_mem_live(), ==, mem);
}

static void test_bad_arguments(void)
{
	g_assert_cmpint(ringline_token_new(NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_token_cancel(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_token_cancelled(NULL), ==, -EINVAL);
}

static int cancel_cuts(void *arg)
{
	struct ringline_token *t = token(NULL);
	struct ringline_scope *s = open_with(t, 0);

	(void)arg;
	g_assert_cmpint(ringline_scope_spawn(s, sleeps_for_ever, NULL), ==, 0);
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpint(ringline_token_cancel(t), ==, 0);
	ringline_token_unref(t);
	g_assert_cmpint(ringline_sleep_until(RINGLINE_NEVER), ==, -ECANCELED);
	g_assert_cmpint(ringline_scope_close(s), ==, -ECANCELED);
	return 0;
}

static int parent_cuts(void *arg)
{
	struct ringline_token *root = token(NULL);
	struct ringline_token *mid = token(root);
	struct ringline_token *leaf = token(mid);
	struct ringline_scope *s = open_with(leaf, RINGLINE_SCOPE_SHIELDED);

	(void)arg;
	ringline_token_unref(mid);
	ringline_token_unref(leaf);       /* the scope has it */
	g_assert_cmpint(ringline_token_cancel(root), ==, 0);
	g_assert_cmpint(ringline_sleep_until(RINGLINE_NEVER), ==, -ECANCELED);
	g_assert_cmpint(ringline_scope_close(s), ==, -ECANCELED);
	ringline_token_unref(root);
	return 0;
}

static int cancelled_before(void *arg)
{
	struct ringline_token *t = token(NULL);
	struct ringline_scope_info info = { .size = sizeof(info) };
	struct ringline_scope *s;

	(void)arg;
	g_assert_cmpint(ringline_token_cancel(t), ==, 0);
	s = open_with(t, 0);
	g_assert_cmpint(ringline_scope_state(s, &info), ==, 0);
	g_assert_cmpint(info.reason, ==, -ECANCELED);
	g_assert_cmpint(ringline_sleep(1), ==, -ECANCELED);
	g_assert_cmpint(ringline_scope_close(s), ==, -ECANCELED);
	ringline_token_unref(t);
	return 0;
}

static int dropped_cancels_nothing(void *arg)
{
	struct ringline_token *t = token(NULL);
	struct ringline_scope *s = open_with(t, 0);

	(void)arg;
	ringline_token_unref(t);
	g_assert_cmpint(ringline_sleep(1), ==, 0);
	return ringline_scope_close(s);
}

/* The message is under way when the scope closes: it finds nobody, and above all not the slot's next owner. */
static int closed_before_delivery(void *arg)
{
	struct ringline_token *t = token(NULL);
	struct ringline_scope *s = open_with(t, 0);
	struct ringline_scope *next;

	(void)arg;
	g_assert_cmpint(ringline_token_cancel(t), ==, 0);
	g_assert_cmpint(ringline_scope_close(s), ==, 0);
	g_assert_cmpint(ringline_scope_open(&next, NULL), ==, 0);
	g_assert_true(next == s);
	g_assert_cmpint(ringline_sleep(1), ==, 0);
	g_assert_cmpint(ringline_scope_close(next), ==, 0);
	ringline_token_unref(t);
	return 0;
}

static void never_fires(void *arg)
{
	(void)arg;
	g_assert_not_reached();
}

/* The same, and the worker ends before the message is delivered. */
static void test_ended_before_delivery(void)
{
	struct ringline_token *t = token(NULL);
	struct rln_token_link *link;
	struct fixture fx;

	fixture_init(&fx, NULL);
	g_assert_cmpint(rln_token_attach(&link, t, &fx.x, never_fires, NULL), ==, 0);
	g_assert_cmpint(ringline_token_cancel(t), ==, 0);
	rln_token_detach(link);
	rln_token_detach(NULL);
	fixture_fini(&fx);
	ringline_token_unref(t);
}

static int many_scopes(void *arg)
{
	struct ringline_token *t = token(NULL);
	struct ringline_scope *s[20];
	int i;

	(void)arg;
	for (i = 0; i < 20; i++)
		s[i] = open_with(t, RINGLINE_SCOPE_SHIELDED);
	g_assert_cmpint(ringline_token_cancel(t), ==, 0);
	g_assert_cmpint(ringline_sleep_until(RINGLINE_NEVER), ==, -ECANCELED);
	for (i = 20; i--;)
		g_assert_cmpint(ringline_scope_close(s[i]), ==, -ECANCELED);
	ringline_token_unref(t);
	return 0;
}

/* An inbox at its limit does not keep a cancellation out. */
struct filler {
	struct rln_msg msg;
};

static void filler_deliver(struct rln_msg *m, struct rln_exec *x)
{
	(void)m;
	(void)x;
}

static int full_inbox(void *arg)
{
	struct fixture *fx = arg;
	struct filler fill[2] = { { .msg.deliver = filler_deliver }, { .msg.deliver = filler_deliver } };
	struct ringline_token *t = token(NULL);
	struct ringline_scope *s = open_with(t, 0);

	g_assert_cmpint(rln_exec_post(&fx->x, &fill[0].msg, false), ==, 0);
	g_assert_cmpint(rln_exec_post(&fx->x, &fill[1].msg, false), ==, -EAGAIN);
	g_assert_cmpint(ringline_token_cancel(t), ==, 0);
	g_assert_cmpint(ringline_sleep_until(RINGLINE_NEVER), ==, -ECANCELED);
	g_assert_cmpint(ringline_scope_close(s), ==, -ECANCELED);
	ringline_token_unref(t);
	return 0;
}

/* Threads. */

static gpointer cancels(gpointer t)
{
	g_assert_cmpint(ringline_token_cancel(t), ==, 0);
	ringline_token_unref(t);
	return NULL;
}

static int cancelled_by_thread(void *arg)
{
	struct fixture *fx = arg;
	uint32_t rounds = fake_scaled(2000);

	fx->f->threaded = true;
	while (rounds--) {
		struct ringline_token *root = token(NULL);
		struct ringline_token *t = token(root);
		struct ringline_scope *s = open_with(t, 0);
		GThread *thread = g_thread_new("cancels", cancels, root);

		ringline_token_unref(t);
		g_assert_cmpint(ringline_sleep_until(RINGLINE_NEVER), ==, -ECANCELED);
		g_assert_cmpint(ringline_scope_close(s), ==, -ECANCELED);
		g_thread_join(thread);
	}
	return 0;
}

/* Scopes open and close as fast as they can while other threads build up the tree, cancel it and drop it. */
struct storm {
	struct ringline_token *root;
	_Atomic bool stop;
	uint32_t rounds;
	struct fixture *fx;
};

static gpointer storms(gpointer data)
{
	struct storm *s = data;
	uint32_t i;

	for (i = 0; i < s->rounds; i++) {
		struct ringline_token *a = token(s->root);
		struct ringline_token *b = token(a);

		g_assert_cmpint(ringline_token_cancel(i % 3 ? a : b), ==, 0);
		ringline_token_unref(a);
		g_assert_cmpint(ringline_token_cancelled(b), ==, 1);
		ringline_token_unref(b);
		if (i % 16 == 0)
			g_thread_yield();
	}
	return NULL;
}

/* Tokens in use by the worker; the canceller takes one out of the slot and cancels it. */
static _Atomic(struct ringline_token *) slot[4];

static gpointer cancels_slots(gpointer data)
{
	struct storm *s = data;
	unsigned int i;

	for (i = 0; !atomic_load(&s->stop); i++) {
		struct ringline_token *t = atomic_exchange(&slot[i % 4], NULL);

		if (t) {
			g_assert_cmpint(ringline_token_cancel(t), ==, 0);
			ringline_token_unref(t);
		} else {
			g_thread_yield();
		}
	}
	return NULL;
}

static void put(unsigned int i, struct ringline_token *t)
{
	ringline_token_unref(atomic_exchange(&slot[i % 4], t));
}

/* Opens, perhaps yields, and closes: the cancellation comes before, between or after. */
static int opens_and_closes(void *arg)
{
	struct storm *st = arg;
	uint32_t i;

	for (i = 0; i < st->rounds; i++) {
		struct ringline_token *t = token(st->root);
		struct ringline_scope *s = open_with(t, 0);
		int r;

		put(i, t);
		if (i % 3)
			(void)ringline_yield();
		r = ringline_scope_close(s);
		g_assert_true(r == 0 || r == -ECANCELED);
	}
	return 0;
}

static gpointer worker_main(gpointer data)
{
	struct storm *s = data;

	fixture_init(s->fx, NULL);
	s->fx->shares_memory = true;
	s->fx->f->threaded = true;
	g_assert_cmpint(fixture_run(s->fx, opens_and_closes, s), ==, 0);
	fixture_fini(s->fx);
	return NULL;
}

static void test_storm(void)
{
	static struct fixture fx[2];
	uint64_t mem = rln_mem_live();
	struct storm s = { .root = token(NULL), .rounds = fake_scaled(30000) };
	struct storm worker[2] = { s, s };
	GThread *thread[4];
	int i;

	for (i = 0; i < 2; i++) {
		worker[i].fx = &fx[i];
		thread[i] = g_thread_new("worker", worker_main, &worker[i]);
	}
	thread[2] = g_thread_new("storms", storms, &s);
	thread[3] = g_thread_new("cancels", cancels_slots, &s);
	for (i = 0; i < 3; i++)
		g_thread_join(thread[i]);
	atomic_store(&s.stop, true);
	g_thread_join(thread[3]);
	for (i = 0; i < 4; i++)
		put((unsigned int)i, NULL);
	ringline_token_unref(s.root);
	g_assert_cmpuint(rln_mem_live(), ==, mem);
}

static const struct fixture_case cases[] = {
	{ "/token/cancel-cuts-its-scope", cancel_cuts, { 0 } },
	{ "/token/cancel-of-a-parent-cuts-below", parent_cuts, { 0 } },
	{ "/token/cancelled-before-it-is-attached", cancelled_before, { 0 } },
	{ "/token/dropped-cancels-nothing", dropped_cancels_nothing, { 0 } },
	{ "/token/scope-closed-before-delivery-is-not-cut", closed_before_delivery, { 0 } },
	{ "/token/many-scopes", many_scopes, { 0 } },
	{ "/token/full-inbox-does-not-stop-it", full_inbox, { .inbox_limit = 1 } },
	{ "/token/cancelled-by-another-thread", cancelled_by_thread, { 0 } },
};

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/token/tree", test_tree);
	g_test_add_func("/token/references", test_refs);
	g_test_add_func("/token/bad-arguments", test_bad_arguments);
	g_test_add_func("/token/worker-ended-before-delivery", test_ended_before_delivery);
	fixture_add_cases(cases, G_N_ELEMENTS(cases));
	g_test_add_func("/token/cancel-races-with-close", test_storm);
	return g_test_run();
}
