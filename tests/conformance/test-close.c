/* SPDX-License-Identifier: MIT */
/* The end of connections: who is woken, what the peer sees, when a handle dies, and that no byte crosses to another. */
#include "support/conformance.h"

#define LARGE (256u * 1024)
#define BIG   (16u << 20)
#define CHURN 5000u
#define STORM 1500u

/* --- who waits is woken ------------------------------------------------------------------------------------------- */

struct waiter {
	struct ringline_conn *conn;
	ssize_t (*call)(struct ringline_conn *conn);
	ssize_t result;
};

static ssize_t wait_recv(struct ringline_conn *conn)
{
	char byte;

	return ringline_conn_recv(conn, &byte, 1);
}

static ssize_t wait_recv_large(struct ringline_conn *conn)
{
	char *buf = g_malloc(LARGE);
	ssize_t r = ringline_conn_recv_exact(conn, buf, LARGE);

	g_free(buf);
	return r;
}

static ssize_t wait_peek(struct ringline_conn *conn)
{
	const void *data;

	return ringline_conn_peek(conn, &data);
}

static ssize_t wait_send(struct ringline_conn *conn)
{
	char *buf = g_malloc0(BIG);
	ssize_t r = ringline_conn_send(conn, buf, BIG);

	memset(buf, 0xee, BIG);
	g_free(buf);
	return r;
}

static int waiter_main(void *arg)
{
	struct waiter *w = arg;

	w->result = w->call(w->conn);
	return 0;
}

static ssize_t (*const receives[])(struct ringline_conn *) = { wait_recv, wait_recv_large, wait_peek };

/* Parks a task in the call, ends the connection from this one, and returns what the call returned. */
static ssize_t ended_by(enum conf_kind kind, ssize_t (*call)(struct ringline_conn *),
                        int (*end)(struct ringline_conn *), int error)
{
	struct waiter w = { .call = call };
	struct ringline_task *task;
	int peer;

	w.conn = conf_open(kind, &peer);
	conf_shrink(peer);
	CONF_OK(ringline_task_start(&task, waiter_main, &w, NULL));
	conf_pause();
	CONF_OK(end(w.conn));
	CONF_OK(ringline_task_join(task, NULL));
	if (error >= 0)
		conf_expect_end(peer, error);
	close(peer);
	return w.result;
}

static int woken_main(void *arg)
{
	enum conf_kind kind = *(enum conf_kind *)arg;
	int reset = kind == CONF_TCP ? ECONNRESET : 0;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(receives); i++) {
		g_assert_cmpint(ended_by(kind, receives[i], ringline_conn_close, 0), ==, -ECONNABORTED);
		g_assert_cmpint(ended_by(kind, receives[i], ringline_conn_abort, reset), ==, -ECONNABORTED);
		g_assert_cmpint(ended_by(kind, receives[i], ringline_conn_unref, 0), ==, -ECONNABORTED);
	}
	g_assert_cmpint(ended_by(kind, wait_send, ringline_conn_abort, -1), ==, -ECONNABORTED);
	return 0;
}

static void test_woken(enum conf_kind kind)
{
	CONF_OK(conf_run(woken_main, &kind));
}

/* An abort drops what is queued; TCP tells the peer. */
static void abort_body(struct conf_line *l)
{
	struct waiter w = { l->conn, wait_send, 0 };
	struct ringline_worker_stats s;
	struct ringline_task *task;
	char *buf = g_malloc(BIG);
	ssize_t n;

	CONF_OK(ringline_task_start(&task, waiter_main, &w, NULL));
	conf_pause();
	CONF_OK(ringline_conn_abort(l->conn));
	l->conn = NULL;
	CONF_OK(ringline_task_join(task, NULL));
	g_assert_cmpint(w.result, ==, -ECONNABORTED);
	while ((n = recv(l->peer, buf, BIG, 0)) > 0 || (n < 0 && errno == EAGAIN))
		conf_pause();
	if (l->kind == CONF_TCP) {
		g_assert_cmpint(n, ==, -1);
		g_assert_cmpint(errno, ==, ECONNRESET);
	}
	CONF_UNTIL((s = conf_stats(NULL)).closed == 1);
	g_assert_cmpuint(s.aborted, ==, 1);
	g_free(buf);
}

static void test_abort(enum conf_kind kind)
{
	conf_run_line(kind, abort_body);
}

/* --- handles ------------------------------------------------------------------------------------------------------ */

static void expect_dead(struct ringline_conn *conn)
{
	struct ringline_conn *found;
	const void *data;
	char buf[64];

	g_assert_cmpint(ringline_conn_recv(conn, buf, 1), ==, -EBADF);
	g_assert_cmpint(ringline_conn_recv_exact(conn, buf, 1), ==, -EBADF);
	g_assert_cmpint(ringline_conn_peek(conn, &data), ==, -EBADF);
	g_assert_cmpint(ringline_conn_consume(conn, 0), ==, -EBADF);
	g_assert_cmpint(ringline_conn_send(conn, buf, 1), ==, -EBADF);
	g_assert_cmpint(ringline_conn_shutdown_write(conn), ==, -EBADF);
	g_assert_cmpint(ringline_conn_keep(conn), ==, -EBADF);
	g_assert_cmpint(ringline_conn_peer(conn, buf, sizeof(buf)), ==, -EBADF);
	g_assert_cmpint(ringline_conn_local(conn, buf, sizeof(buf)), ==, -EBADF);
	if (ringline_conn_id(conn))
		g_assert_cmpint(ringline_conn_find(&found, ringline_conn_id(conn)), ==, -ENOENT);
}

static void dead_body(struct conf_line *l)
{
	struct ringline_conn_info info = { sizeof(info), 0, 0, 0, 0, 0 };
	struct ringline_conn *same;
	uint64_t id = ringline_conn_id(l->conn);
	uint64_t closed = conf_stats(NULL).closed;

	g_assert_cmpuint(id, !=, 0);
	CONF_OK(ringline_conn_find(&same, id));
	g_assert_true(same == l->conn);
	CONF_OK(ringline_conn_close(l->conn));
	expect_dead(same);
	CONF_OK(ringline_conn_info(same, &info));
	g_assert_cmpuint(info.id, ==, id);
	CONF_UNTIL(conf_stats(NULL).closed == closed + 1);
	expect_dead(same);
	/* while a reference is left nobody else gets the memory */
	close(l->peer);
	l->conn = conf_open(l->kind, &l->peer);
	g_assert_true(l->conn != same);
	g_assert_cmpint(ringline_conn_close(same), ==, -EBADF);
	g_assert_cmpuint(ringline_conn_id(same), ==, 0);
	g_assert_cmpint(ringline_conn_info(same, &info), ==, -EBADF);
	g_assert_cmpint(ringline_conn_close(same), ==, -EBADF);
	g_assert_cmpint(ringline_conn_abort(same), ==, -EBADF);
	g_assert_cmpint(ringline_conn_unref(same), ==, -EBADF);
	expect_dead(same);
}

static void test_dead(enum conf_kind kind)
{
	conf_run_line(kind, dead_body);
}

/* Ids are not used again, though the memory is. */
static void ids_body(struct conf_line *l)
{
	uint64_t before = 0;
	unsigned int i;

	for (i = 0; i < 200; i++) {
		uint64_t id = ringline_conn_id(l->conn);
		struct ringline_conn *found;

		g_assert_cmpuint(id, !=, 0);
		g_assert_cmpuint(id, !=, before);
		if (before)
			g_assert_cmpint(ringline_conn_find(&found, before), ==, -ENOENT);
		before = id;
		CONF_OK(ringline_conn_close(l->conn));
		close(l->peer);
		CONF_UNTIL(conf_stats(NULL).connections == 0);
		l->conn = conf_open(l->kind, &l->peer);
	}
	g_assert_cmpint(ringline_conn_find(&l->conn, 0), ==, -ENOENT);
	g_assert_cmpint(ringline_conn_find(&l->conn, UINT64_MAX), ==, -ENOENT);
}

static void test_ids(enum conf_kind kind)
{
	conf_run_line(kind, ids_body);
}

/* The last reference closes, gracefully. */
static void unref_body(struct conf_line *l)
{
	struct ringline_conn *same;
	char buf[4];

	g_assert_cmpint(ringline_conn_keep(l->conn), ==, -EINVAL);
	CONF_OK(ringline_conn_find(&same, ringline_conn_id(l->conn)));
	CONF_OK(ringline_conn_unref(l->conn));
	g_assert_cmpint(ringline_conn_send(same, "last", 4), ==, 4);
	CONF_OK(ringline_conn_unref(same));
	l->conn = NULL;
	conf_take(l->peer, buf, 4);
	conf_expect_end(l->peer, 0);
}

static void test_unref(enum conf_kind kind)
{
	conf_run_line(kind, unref_body);
}

/* --- handlers ----------------------------------------------------------------------------------------------------- */

/* What a handler does is chosen by the first byte. */
struct served {
	struct ringline_conn *kept;
	struct ringline_conn *found;
	ssize_t child;
	int done;
};

static int child_reads(void *arg)
{
	struct waiter *w = arg;

	w->result = w->call(w->conn);
	/* the handler may be through; what it was given is still safe to name */
	g_assert_cmpint(ringline_conn_send(w->conn, "x", 1), ==, -EBADF);
	g_assert_cmpint(ringline_conn_close(w->conn), ==, -EBADF);
	g_free(w);
	return 0;
}

/* Nothing is left of it but this task's reference. */
static int finder(void *arg)
{
	struct served *s = arg;

	CONF_UNTIL(conf_stats(NULL).tasks_started == conf_stats(NULL).tasks_ended + 1);
	CONF_UNTIL(conf_stats(NULL).connections == 0);
	g_assert_cmpint(ringline_conn_send(s->found, "x", 1), ==, -EBADF);
	g_assert_cmpuint(ringline_conn_id(s->found), !=, 0);
	g_assert_cmpint(ringline_conn_close(s->found), ==, -EBADF);
	g_assert_cmpuint(ringline_conn_id(s->found), ==, 0);
	g_atomic_int_set(&s->done, 2);
	return 0;
}

static int child_drops(void *arg)
{
	conf_pause();
	return ringline_conn_unref(arg);
}

static void start_child(struct ringline_conn *conn)
{
	struct waiter *w = g_new0(struct waiter, 1);

	w->conn = conn;
	w->call = wait_recv;
	CONF_OK(ringline_spawn(child_reads, w));
	(void)ringline_yield();
	(void)ringline_yield();
}

static void serve(struct ringline_conn *conn, void *arg)
{
	struct served *s = arg;
	char what;

	g_assert_cmpint(ringline_conn_recv(conn, &what, 1), ==, 1);
	switch (what) {
	case 'r':         /* just returns */
		g_assert_cmpint(ringline_conn_unref(conn), ==, -EBADF);
		g_assert_cmpint(ringline_conn_send(conn, "reply", 5), ==, 5);
		break;
	case 'c':         /* closes by itself, twice */
		g_assert_cmpint(ringline_conn_send(conn, "reply", 5), ==, 5);
		CONF_OK(ringline_conn_close(conn));
		g_assert_cmpint(ringline_conn_close(conn), ==, -EBADF);
		g_assert_cmpint(ringline_conn_send(conn, "reply", 5), ==, -EBADF);
		break;
	case 'k':         /* keeps it */
		CONF_OK(ringline_conn_keep(conn));
		g_assert_cmpint(ringline_conn_keep(conn), ==, -EALREADY);
		s->kept = conn;
		break;
	case 'd':         /* keeps it and gives it back */
		CONF_OK(ringline_conn_keep(conn));
		g_assert_cmpint(ringline_conn_send(conn, "reply", 5), ==, 5);
		CONF_OK(ringline_conn_unref(conn));
		g_assert_cmpint(ringline_conn_unref(conn), ==, -EBADF);
		break;
	case 'u':         /* keeps it for a child that lives longer, and drops the last reference */
		CONF_OK(ringline_conn_keep(conn));
		CONF_OK(ringline_spawn(child_drops, conn));
		break;
	case 'p':         /* closes while a child reads */
		start_child(conn);
		CONF_OK(ringline_conn_close(conn));
		break;
	case 'q':         /* returns while a child reads */
		start_child(conn);
		break;
	case 'f':         /* closes while somebody else has a reference */
		CONF_OK(ringline_conn_find(&s->found, ringline_conn_id(conn)));
		CONF_OK(ringline_worker_spawn(ringline_runtime_current(), 0, finder, s));
		CONF_OK(ringline_conn_close(conn));
		break;
	default:
		g_assert_not_reached();
	}
	g_atomic_int_set(&s->done, 1);
}

static void expect_reply(const char *bound, char what)
{
	int fd = conf_connect_raw(bound);
	char buf[5];

	conf_put(fd, &what, 1);
	if (strchr("rcd", what)) {
		conf_take(fd, buf, 5);
		g_assert_cmpmem(buf, 5, "reply", 5);
	}
	conf_expect_end(fd, 0);
	close(fd);
}

static int use_kept(void *arg)
{
	struct served *s = arg;

	g_assert_cmpint(ringline_conn_send(s->kept, "kept", 4), ==, 4);
	return ringline_conn_close(s->kept);
}

static void test_handlers(enum conf_kind kind)
{
	char address[RINGLINE_ADDRESS_SIZE];
	char bound[RINGLINE_ADDRESS_SIZE];
	struct served s = { 0 };
	struct ringline_runtime *rt = conf_serve(NULL, 1, conf_address(kind, address), bound, serve, &s);
	const char *what;
	char buf[4];
	int fd;

	for (what = "rcdpqu"; *what; what++)
		expect_reply(bound, *what);

	g_atomic_int_set(&s.done, 0);
	fd = conf_connect_raw(bound);
	conf_put(fd, "k", 1);
	CONF_UNTIL(g_atomic_int_get(&s.done));
	CONF_OK(conf_call(rt, 0, use_kept, &s));
	conf_take(fd, buf, 4);
	conf_expect_end(fd, 0);
	close(fd);

	g_atomic_int_set(&s.done, 0);
	expect_reply(bound, 'f');
	CONF_UNTIL(g_atomic_int_get(&s.done) == 2);
	CONF_UNTIL(conf_stats(rt).connections == 0);
	g_assert_cmpuint(conf_stats(rt).accepted, ==, 8);
	g_assert_cmpuint(conf_stats(rt).closed, ==, 8);
	CONF_OK(conf_stop(rt));
	g_assert_false(conf_log_seen("never dropped"));
}

/* A kept connection nobody closed is closed by the shutdown; the handle that was never dropped is told of. */
static void test_forgotten(enum conf_kind kind)
{
	char address[RINGLINE_ADDRESS_SIZE];
	char bound[RINGLINE_ADDRESS_SIZE];
	struct served s = { 0 };
	struct ringline_runtime *rt = conf_serve(NULL, 1, conf_address(kind, address), bound, serve, &s);
	int fd = conf_connect_raw(bound);

	conf_put(fd, "k", 1);
	CONF_UNTIL(g_atomic_int_get(&s.done));
	CONF_OK(conf_stop(rt));
	conf_expect_end(fd, 0);
	close(fd);
	g_assert_true(conf_log_seen("1 connection handles were never dropped"));
}

/* --- lent bytes --------------------------------------------------------------------------------------------------- */

#define OTHERS (8u << 20)

struct lent {
	struct ringline_conn *conn;
	struct ringline_conn *to;
	uint64_t sent;
	ssize_t result;
};

/* Sends what it was lent, again and again, until the peer takes no more and somebody closes the connection. */
static int send_lent(void *arg)
{
	struct lent *l = arg;
	const void *data;
	ssize_t n = ringline_conn_peek(l->conn, &data);

	g_assert_cmpint(n, ==, 1000);
	while ((l->result = ringline_conn_send(l->to, data, (size_t)n)) == n)
		;
	return 0;
}

/* Other connections' bytes, through all of the receive memory there is. */
static void use_all_buffers(enum conf_kind kind)
{
	static char zeroes[1000];
	struct ringline_conn *conn;
	char buf[1000];
	size_t done;
	int peer;

	conn = conf_open(kind, &peer);
	for (done = 0; done < OTHERS; done += sizeof(buf)) {
		conf_put(peer, zeroes, sizeof(buf));
		g_assert_cmpint(ringline_conn_recv_exact(conn, buf, sizeof(buf)), ==, sizeof(buf));
	}
	CONF_OK(ringline_conn_close(conn));
	close(peer);
}

/* The connection is closed while bytes lent from it are on their way to its peer: nobody else's go out instead. */
static void lent_body(struct conf_line *l)
{
	struct lent lent = { .conn = l->conn, .to = l->conn };
	struct ringline_task *task;
	char buf[1000];
	ssize_t n;
	size_t i;

	memset(buf, 'x', sizeof(buf));
	conf_put(l->peer, buf, sizeof(buf));
	CONF_OK(ringline_task_start(&task, send_lent, &lent, NULL));
	for (i = 0; i < 50; i++)
		conf_pause();
	CONF_OK(ringline_conn_close(l->conn));
	l->conn = NULL;
	use_all_buffers(l->kind);
	while ((n = recv(l->peer, buf, sizeof(buf), 0)) != 0) {
		if (n < 0)
			conf_pause();
		for (i = 0; (ssize_t)i < n; i++)
			g_assert_cmpint(buf[i], ==, 'x');
	}
	CONF_OK(ringline_task_join(task, NULL));
}

static void test_lent(enum conf_kind kind)
{
	conf_run_line(kind, lent_body);
}

/* --- the close timeout -------------------------------------------------------------------------------------------- */

/* A peer that does not read cannot hold a connection for ever. */
static void stalled_body(struct conf_line *l)
{
	struct waiter w = { l->conn, wait_send, 0 };
	struct ringline_worker_stats s;
	struct ringline_task *task;

	conf_shrink(l->peer);
	CONF_OK(ringline_task_start(&task, waiter_main, &w, NULL));
	conf_pause();
	CONF_OK(ringline_conn_close(l->conn));
	l->conn = NULL;
	CONF_OK(ringline_task_join(task, NULL));
	g_assert_cmpint(w.result, ==, -ECONNABORTED);
	CONF_UNTIL((s = conf_stats(NULL)).closed == 1);
	g_assert_cmpuint(s.aborted, ==, 1);
}

static void test_close_timeout(enum conf_kind kind)
{
	struct ringline_config c;

	conf_config(&c);
	c.close_timeout = 20 * MSEC;
	conf_run_line_with(&c, kind, stalled_body);
}

/* --- many ends ---------------------------------------------------------------------------------------------------- */

struct client {
	const char *address;
	uint32_t first;
	uint32_t n;
};

/* One connection whose every byte is its own; ends at a random point in a random way. */
static void tagged_exchange(const char *address, uint32_t tag, GRand *rand)
{
	size_t n = (size_t)g_rand_int_range(rand, 1, 30000);
	struct ringline_conn *conn;
	char *buf = g_malloc(n);
	const void *data;
	size_t off = 0;
	int r;

	while ((r = ringline_connect(&conn, address, NULL)) == -EAGAIN)
		conf_pause();
	CONF_OK(r);
	conf_fill(buf, n, tag, 0);
	g_assert_cmpint(ringline_conn_send(conn, buf, n), ==, n);
	while (off < n) {
		ssize_t k;

		if (g_rand_int_range(rand, 0, 10) == 0)
			break;
		k = ringline_conn_peek(conn, &data);
		g_assert_cmpint(k, >, 0);
		conf_check(data, (size_t)k, tag, off);
		CONF_OK(ringline_conn_consume(conn, (size_t)k));
		off += (size_t)k;
	}
	g_assert_cmpuint(off, <=, n);
	g_free(buf);
	if (g_rand_boolean(rand))
		CONF_OK(ringline_conn_close(conn));
	else
		CONF_OK(ringline_conn_abort(conn));
}

static int storm_task(void *arg)
{
	struct client *c = arg;
	GRand *rand = g_rand_new_with_seed(c->first);
	uint32_t i;

	for (i = 0; i < c->n; i++)
		tagged_exchange(c->address, c->first + i, rand);
	g_rand_free(rand);
	return 0;
}

#define STORM_TASKS 15

static int storm_main(void *arg)
{
	struct client c[STORM_TASKS];
	struct ringline_scope *scope;
	uint32_t i;

	CONF_OK(ringline_scope_open(&scope, NULL));
	for (i = 0; i < STORM_TASKS; i++) {
		c[i] = (struct client){ arg, 1 + i * (STORM / STORM_TASKS), STORM / STORM_TASKS };
		CONF_OK(ringline_scope_spawn(scope, storm_task, &c[i]));
	}
	return ringline_scope_close(scope);
}

static void test_storm(enum conf_kind kind)
{
	char address[RINGLINE_ADDRESS_SIZE];
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt = conf_serve(NULL, 2, conf_address(kind, address), bound, conf_echo, NULL);

	CONF_OK(conf_call(rt, 0, storm_main, bound));
	CONF_UNTIL(conf_stats(rt).connections == 0);
	g_assert_cmpuint(conf_stats(rt).connected, ==, STORM);
	CONF_OK(conf_stop(rt));
}

static int churn_task(void *arg)
{
	struct client *c = arg;
	uint32_t i;

	for (i = 0; i < c->n; i++) {
		struct ringline_conn *conn;
		char buf[64];

		CONF_OK(ringline_connect(&conn, c->address, NULL));
		conf_fill(buf, sizeof(buf), c->first + i, 0);
		g_assert_cmpint(ringline_conn_send(conn, buf, sizeof(buf)), ==, sizeof(buf));
		memset(buf, 0, sizeof(buf));
		g_assert_cmpint(ringline_conn_recv_exact(conn, buf, sizeof(buf)), ==, sizeof(buf));
		conf_check(buf, sizeof(buf), c->first + i, 0);
		CONF_OK(ringline_conn_shutdown_write(conn));
		g_assert_cmpint(ringline_conn_recv(conn, buf, 1), ==, 0);
		CONF_OK(ringline_conn_close(conn));
	}
	return 0;
}

static int churn_main(void *arg)
{
	struct client c[10];
	struct ringline_scope *scope;
	uint32_t i;

	CONF_OK(ringline_scope_open(&scope, NULL));
	for (i = 0; i < 10; i++) {
		c[i] = (struct client){ arg, i * (CHURN / 10), CHURN / 10 };
		CONF_OK(ringline_scope_spawn(scope, churn_task, &c[i]));
	}
	return ringline_scope_close(scope);
}

static void test_churn(enum conf_kind kind)
{
	char address[RINGLINE_ADDRESS_SIZE];
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt = conf_serve(NULL, 2, conf_address(kind, address), bound, conf_echo, NULL);

	CONF_OK(conf_call(rt, 1, churn_main, bound));
	CONF_UNTIL(conf_stats(rt).connections == 0);
	g_assert_cmpuint(conf_stats(rt).connected, ==, CHURN);
	g_assert_cmpuint(conf_stats(rt).accepted, ==, CHURN);
	g_assert_cmpuint(conf_stats(rt).closed, ==, 2 * CHURN);
	g_assert_cmpuint(conf_stats(rt).aborted, ==, 0);
	CONF_OK(conf_stop(rt));
}

static void add(void)
{
	static const struct {
		const char *name;
		void (*fn)(enum conf_kind kind);
	} cases[] = {
		{ "who-waits-is-woken", test_woken },
		{ "abort-drops-and-resets", test_abort },
		{ "closed-is-ebadf", test_dead },
		{ "ids-are-not-used-again", test_ids },
		{ "last-reference-closes", test_unref },
		{ "handlers", test_handlers },
		{ "forgotten-handle-is-told-of", test_forgotten },
		{ "lent-bytes-are-nobody-elses", test_lent },
		{ "close-timeout-aborts", test_close_timeout },
		{ "no-byte-crosses", test_storm },
		{ "churn-5000", test_churn },
	};
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(cases); i++)
		conf_add_kinds("close", cases[i].name, cases[i].fn);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "close", add);
}
