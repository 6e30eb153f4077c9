/* SPDX-License-Identifier: MIT */
/*
 * What scopes promise, case by case as the suites of other libraries with structured concurrency state it: what a failing
 * child does to its siblings, what a cancelled task may still do, which deadline ends what, and how far a token reaches.
 */
#include <stdatomic.h>

#include "support/conformance.h"

/* A task parked in one of many ways; all of them must end by a cancel, and none loses anything. */
struct parked {
	struct ringline_chan *chan;
	struct ringline_mutex *mutex;
	struct ringline_event *event;
	struct ringline_listener *listener;
	int cancelled;
};

static void note(struct parked *p, int64_t r)
{
	g_assert_cmpint(r, ==, -ECANCELED);
	p->cancelled++;
}

static int in_chan(void *arg)
{
	struct parked *p = arg;
	int value;

	note(p, ringline_chan_recv(p->chan, &value));
	return 0;
}

static int in_mutex(void *arg)
{
	struct parked *p = arg;

	note(p, ringline_mutex_lock(p->mutex));
	return 0;
}

static int in_accept(void *arg)
{
	struct parked *p = arg;
	struct ringline_conn *conn;

	note(p, ringline_listener_accept(p->listener, &conn));
	return 0;
}

static int in_select(void *arg)
{
	struct parked *p = arg;
	int value = 0;
	struct ringline_case c[] = {
		{ .kind = RINGLINE_CASE_RECEIVE, .object = p->chan, .data = &value },
		{ .kind = RINGLINE_CASE_MUTEX, .object = p->mutex },
		{ .kind = RINGLINE_CASE_EVENT, .object = p->event },
		{ .kind = RINGLINE_CASE_ACCEPT, .object = p->listener },
	};

	note(p, ringline_select(c, G_N_ELEMENTS(c), sizeof(*c), 0));
	return 0;
}

static int in_sleep(void *arg)
{
	note(arg, ringline_sleep_until(RINGLINE_NEVER));
	return 0;
}

static int fails(void *arg)
{
	(void)arg;
	CONF_OK(ringline_sleep(5 * MSEC));
	return -EPROTO;
}

static void open_parked(struct parked *p)
{
	*p = (struct parked){ .cancelled = 0 };
	CONF_OK(ringline_chan_new(&p->chan, sizeof(int), 1, NULL));
	CONF_OK(ringline_mutex_new(&p->mutex, NULL));
	CONF_OK(ringline_mutex_lock(p->mutex));
	CONF_OK(ringline_event_new(&p->event, NULL));
	CONF_OK(ringline_listener_open(&p->listener, NULL, "tcp:127.0.0.1:0", NULL));
}

/* Nobody waits any more, and everything can be used as before. */
static void close_parked(struct parked *p)
{
	int value = 7;

	CONF_OK(ringline_chan_try_send(p->chan, &value));
	CONF_OK(ringline_chan_recv(p->chan, &value));
	CONF_OK(ringline_mutex_unlock(p->mutex));
	CONF_OK(ringline_mutex_lock(p->mutex));
	CONF_OK(ringline_mutex_unlock(p->mutex));
	CONF_OK(ringline_listener_close(p->listener));
	CONF_OK(ringline_event_free(p->event));
	CONF_OK(ringline_mutex_free(p->mutex));
	CONF_OK(ringline_chan_unref(p->chan));
}

static int (*const ways[])(void *arg) = { in_chan, in_mutex, in_accept, in_select, in_sleep };

static void start_all(struct ringline_scope *s, struct parked *p)
{
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(ways); i++)
		CONF_OK(ringline_scope_spawn(s, ways[i], p));
}

/* The first failure cancels the siblings, whatever they wait for, and the body; it is what the close returns. */
static int fail_fast_main(void *arg)
{
	struct ringline_scope *s;
	struct parked p;

	(void)arg;
	open_parked(&p);
	CONF_OK(ringline_scope_open(&s, NULL));
	start_all(s, &p);
	CONF_OK(ringline_scope_spawn(s, fails, NULL));
	g_assert_cmpint(ringline_sleep_until(RINGLINE_NEVER), ==, -ECANCELED);
	g_assert_cmpint(ringline_scope_close(s), ==, -EPROTO);
	g_assert_cmpint(p.cancelled, ==, G_N_ELEMENTS(ways));
	CONF_OK(ringline_sleep(1));
	close_parked(&p);
	return 0;
}

static void test_fail_fast(void)
{
	CONF_OK(conf_run(fail_fast_main, NULL));
}

static int counts(void *arg)
{
	CONF_OK(ringline_sleep(10 * MSEC));
	(*(int *)arg)++;
	return 0;
}

/* With COLLECT the others finish, and the failure is told at the end. */
static int collect_main(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *s;
	int done = 0;

	(void)arg;
	o.flags = RINGLINE_SCOPE_COLLECT;
	CONF_OK(ringline_scope_open(&s, &o));
	CONF_OK(ringline_scope_spawn(s, fails, NULL));
	CONF_OK(ringline_scope_spawn(s, counts, &done));
	CONF_OK(ringline_scope_spawn(s, counts, &done));
	CONF_OK(ringline_sleep(7 * MSEC));
	g_assert_cmpint(ringline_scope_close(s), ==, -EPROTO);
	g_assert_cmpint(done, ==, 2);
	return 0;
}

static void test_collect(void)
{
	CONF_OK(conf_run(collect_main, NULL));
}

/* An inner deadline ends what is inside it and nothing more; an outer one that is nearer ends both. */
static int deadlines_main(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *outer;
	struct ringline_scope *inner;

	(void)arg;
	o.deadline = ringline_now() + 60 * SEC;
	CONF_OK(ringline_scope_open(&outer, &o));
	o.deadline = ringline_now() + 2 * MSEC;
	CONF_OK(ringline_scope_open(&inner, &o));
	g_assert_cmpint(ringline_sleep_until(RINGLINE_NEVER), ==, -ETIME);
	g_assert_cmpint(ringline_sleep(0), ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(inner), ==, -ETIME);
	CONF_OK(ringline_sleep(1));
	CONF_OK(ringline_scope_close(outer));

	o.deadline = ringline_now() + 2 * MSEC;
	CONF_OK(ringline_scope_open(&outer, &o));
	o.deadline = ringline_now() + 60 * SEC;
	CONF_OK(ringline_scope_open(&inner, &o));
	g_assert_cmpint(ringline_sleep_until(RINGLINE_NEVER), ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(inner), ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(outer), ==, -ETIME);
	return 0;
}

static void test_deadlines(void)
{
	CONF_OK(conf_run(deadlines_main, NULL));
}

struct cleanup {
	struct ringline_chan *chan;
	int said;
};

/* A cancelled task cannot wait any more, however often it tries, but in a shield it can say good-bye. */
static int says_goodbye(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct cleanup *c = arg;
	struct ringline_scope *shield;
	int value = 9;
	int i;

	g_assert_cmpint(ringline_sleep_until(RINGLINE_NEVER), ==, -ECANCELED);
	for (i = 0; i < 3; i++) {
		g_assert_cmpint(ringline_chan_recv(c->chan, &value), ==, -ECANCELED);
		g_assert_cmpint(ringline_yield(), ==, -ECANCELED);
	}
	o.flags = RINGLINE_SCOPE_SHIELDED;
	o.deadline = ringline_now() + 60 * SEC;
	CONF_OK(ringline_scope_open(&shield, &o));
	CONF_OK(ringline_sleep(2 * MSEC));
	value = 9;
	CONF_OK(ringline_chan_send(c->chan, &value));
	CONF_OK(ringline_scope_close(shield));
	g_assert_cmpint(ringline_sleep(1), ==, -ECANCELED);
	c->said++;
	return -ECANCELED;
}

static int shield_main(void *arg)
{
	struct cleanup c = { .said = 0 };
	struct ringline_task *t;
	int result;
	int value = 0;

	(void)arg;
	CONF_OK(ringline_chan_new(&c.chan, sizeof(int), 1, NULL));
	CONF_OK(ringline_task_start(&t, says_goodbye, &c, NULL));
	CONF_OK(ringline_yield());
	CONF_OK(ringline_task_cancel(t));
	CONF_OK(ringline_chan_recv(c.chan, &value));
	g_assert_cmpint(value, ==, 9);
	CONF_OK(ringline_task_join(t, &result));
	g_assert_cmpint(result, ==, -ECANCELED);
	g_assert_cmpint(c.said, ==, 1);
	CONF_OK(ringline_chan_unref(c.chan));
	return 0;
}

static void test_shield(void)
{
	CONF_OK(conf_run(shield_main, NULL));
}

/* A select that a deadline ends has taken nothing; one in a shield goes on to the end. */
static int select_main(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *s;
	struct ringline_op *op;
	struct parked p;
	int value = 0;

	(void)arg;
	open_parked(&p);
	struct ringline_case c[] = {
		{ .kind = RINGLINE_CASE_RECEIVE, .object = p.chan, .data = &value },
		{ .kind = RINGLINE_CASE_EVENT, .object = p.event },
	};
	o.deadline = ringline_now() + 2 * MSEC;
	CONF_OK(ringline_scope_open(&s, &o));
	g_assert_cmpint(ringline_select(c, G_N_ELEMENTS(c), sizeof(*c), 0), ==, -ETIME);
	value = 5;
	CONF_OK(ringline_chan_try_send(p.chan, &value));
	g_assert_cmpint(ringline_select(c, G_N_ELEMENTS(c), sizeof(*c), 0), ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(s), ==, -ETIME);
	CONF_OK(ringline_chan_recv(p.chan, &value));
	g_assert_cmpint(value, ==, 5);

	/* one that was begun in a scope ends with it */
	CONF_OK(ringline_scope_open(&s, NULL));
	CONF_OK(ringline_select_begin(&op, c, G_N_ELEMENTS(c), sizeof(*c), 0));
	CONF_OK(ringline_scope_close(s));
	CONF_OK(ringline_event_set(p.event));
	g_assert_cmpint(ringline_select(c, G_N_ELEMENTS(c), sizeof(*c), 0), ==, 1);
	close_parked(&p);
	return 0;
}

static void test_select(void)
{
	CONF_OK(conf_run(select_main, NULL));
}

/* --- tokens over threads -------------------------------------------------------------------------------------------- */

#define BRANCHES 2
#define WORKERS  2

struct branch {
	struct ringline_token *token;
	_Atomic int parked;
	_Atomic int ended;
};

struct tree {
	struct ringline_runtime *rt;
	struct ringline_token *root;
	struct branch branch[BRANCHES];
};

/* A scope with the branch's token, a child in it, and a select on the token itself. */
static int hangs_on(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct branch *b = arg;
	struct ringline_case c = { .kind = RINGLINE_CASE_TOKEN, .object = b->token };
	struct ringline_scope *s;
	struct parked p;

	open_parked(&p);
	o.token = b->token;
	CONF_OK(ringline_scope_open(&s, &o));
	start_all(s, &p);
	CONF_OK(ringline_yield());
	b->parked++;
	g_assert_cmpint(ringline_sleep_until(RINGLINE_NEVER), ==, -ECANCELED);
	g_assert_cmpint(ringline_scope_close(s), ==, -ECANCELED);
	g_assert_cmpint(p.cancelled, ==, G_N_ELEMENTS(ways));
	g_assert_cmpint(ringline_select(&c, 1, sizeof(c), 0), ==, 0);
	close_parked(&p);
	b->ended++;
	return 0;
}

static int opens_late(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *s;

	o.token = arg;
	CONF_OK(ringline_scope_open(&s, &o));
	g_assert_cmpint(ringline_sleep(SEC), ==, -ECANCELED);
	g_assert_cmpint(ringline_scope_close(s), ==, -ECANCELED);
	return 0;
}

static void plant(struct tree *t)
{
	struct ringline_config c;
	uint32_t i;

	conf_config(&c);
	t->rt = conf_serve(&c, WORKERS, NULL, NULL, NULL, NULL);
	CONF_OK(ringline_token_new(&t->root, NULL));
	for (i = 0; i < BRANCHES; i++)
		CONF_OK(ringline_token_new(&t->branch[i].token, t->root));
	for (i = 0; i < BRANCHES * WORKERS; i++)
		CONF_OK(ringline_worker_spawn(t->rt, i % WORKERS, hangs_on, &t->branch[i / WORKERS]));
	for (i = 0; i < BRANCHES; i++)
		CONF_UNTIL(t->branch[i].parked == WORKERS);
}

/* From a thread of the host's: a branch ends on all workers and the other stays; the root ends what is left. */
static void test_token_tree(void)
{
	struct tree t = { .rt = NULL };
	uint32_t i;

	plant(&t);
	CONF_OK(ringline_token_cancel(t.branch[0].token));
	CONF_UNTIL(t.branch[0].ended == WORKERS);
	g_assert_cmpint(t.branch[1].ended, ==, 0);
	g_assert_cmpint(ringline_token_cancelled(t.branch[1].token), ==, 0);
	CONF_OK(ringline_token_cancel(t.root));
	CONF_UNTIL(t.branch[1].ended == WORKERS);
	g_assert_cmpint(ringline_token_cancelled(t.branch[1].token), ==, 1);
	for (i = 0; i < WORKERS; i++)
		CONF_OK(conf_call(t.rt, i, opens_late, t.branch[1].token));
	for (i = 0; i < BRANCHES; i++)
		ringline_token_unref(t.branch[i].token);
	ringline_token_unref(t.root);
	CONF_OK(conf_stop(t.rt));
}

static void add_cases(void)
{
	conf_add("/policies/fail-fast", test_fail_fast);
	conf_add("/policies/collect", test_collect);
	conf_add("/policies/deadlines", test_deadlines);
	conf_add("/policies/shield", test_shield);
	conf_add("/policies/select", test_select);
	conf_add("/policies/token-tree-over-threads", test_token_tree);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "policies", add_cases);
}
