/* SPDX-License-Identifier: MIT */
/* Deadlines and cancellation reach every call that waits; bytes are never lost, and memory is let go of. */
#include <sys/uio.h>

#include "support/conformance.h"

#define LARGE   (256u * 1024)
#define BIG     (8u << 20)
#define ROUNDS  200

/* --- what cuts ---------------------------------------------------------------------------------------------------- */

enum cut {
	BY_DEADLINE,
	BY_SCOPE,
	BY_TASK,
	BY_TOKEN,
	BY_CUT_BEFORE,
	CUTS
};

struct victim {
	enum cut cut;
	int64_t (*call)(struct victim *v);
	struct ringline_conn *conn;
	int peer;
	const char *address;
	struct ringline_scope *scope;
	struct ringline_token *token;
	bool entered;
	int64_t result;
	uint64_t began;
	uint64_t ended;
};

static int expected(enum cut cut)
{
	return cut == BY_DEADLINE ? -ETIME : -ECANCELED;
}

static int victim_main(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct victim *v = arg;
	int r;

	v->began = ringline_now();
	o.deadline = v->cut == BY_DEADLINE ? v->began + 20 * MSEC : 0;
	o.token = v->cut == BY_TOKEN ? v->token : NULL;
	CONF_OK(ringline_scope_open(&v->scope, &o));
	if (v->cut == BY_CUT_BEFORE)
		CONF_OK(ringline_scope_cancel(v->scope));
	v->entered = true;
	v->result = v->call(v);
	v->ended = ringline_now();
	r = ringline_scope_close(v->scope);
	g_assert_cmpint(r, ==, v->cut == BY_TASK ? -ECANCELED : expected(v->cut));
	return 0;
}

/* Has the call parked for ever, but for the cut; with a deadline nothing else happens on the worker. */
static void cut_short(struct victim *v, enum cut cut)
{
	struct ringline_task *task;

	*v = (struct victim){ .cut = cut, .call = v->call, .conn = v->conn, .peer = v->peer, .address = v->address };
	CONF_OK(ringline_token_new(&v->token, NULL));
	CONF_OK(ringline_task_start(&task, victim_main, v, NULL));
	if (cut != BY_DEADLINE && cut != BY_CUT_BEFORE) {
		CONF_UNTIL(v->entered);
		conf_pause();
		if (cut == BY_SCOPE)
			CONF_OK(ringline_scope_cancel(v->scope));
		else if (cut == BY_TASK)
			CONF_OK(ringline_task_cancel(task));
		else
			CONF_OK(ringline_token_cancel(v->token));
	}
	CONF_OK(ringline_task_join(task, NULL));
	ringline_token_unref(v->token);
	g_assert_cmpint(v->result, ==, expected(cut));
	if (cut == BY_DEADLINE)
		g_assert_cmpuint(v->ended, >=, v->began + 20 * MSEC);
}

static void cut_all_ways(struct victim *v)
{
	int cut;

	for (cut = 0; cut < CUTS; cut++)
		cut_short(v, (enum cut)cut);
}

/* --- the calls that park for ever --------------------------------------------------------------------------------- */

static int64_t call_sleep(struct victim *v)
{
	(void)v;
	return ringline_sleep_until(RINGLINE_NEVER);
}

static int forever(void *arg)
{
	(void)arg;
	return ringline_sleep_until(RINGLINE_NEVER);
}

/* The one who is joined goes on: it is not in the scope. */
static struct ringline_task *joined;

static int64_t call_join(struct victim *v)
{
	(void)v;
	return ringline_task_join(joined, NULL);
}

/* An await returns the operation's result, which was cancelled; the scope knows why. */
static int64_t call_await(struct victim *v)
{
	struct ringline_scope_info info = { .size = sizeof(info) };
	struct ringline_op *op;
	int r = ringline_sleep_begin(&op, 3600 * SEC);

	if (r < 0)
		return r;
	g_assert_cmpint(ringline_op_await(op), ==, -ECANCELED);
	CONF_OK(ringline_scope_state(v->scope, &info));
	return info.reason;
}

static int waits_main(void *arg)
{
	struct victim v = { .call = call_sleep };

	(void)arg;
	cut_all_ways(&v);
	v.call = call_await;
	cut_all_ways(&v);
	CONF_OK(ringline_task_start(&joined, forever, NULL, NULL));
	v.call = call_join;
	cut_all_ways(&v);
	CONF_OK(ringline_task_cancel(joined));
	CONF_OK(ringline_task_join(joined, NULL));
	return 0;
}

static void test_waits(void)
{
	CONF_OK(conf_run(waits_main, NULL));
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

static int64_t call_recv(struct victim *v)
{
	char buf[100];

	return ringline_conn_recv(v->conn, buf, sizeof(buf));
}

static int64_t call_recv_exact(struct victim *v)
{
	char buf[100];

	return ringline_conn_recv_exact(v->conn, buf, sizeof(buf));
}

static int64_t call_peek(struct victim *v)
{
	const void *data;

	return ringline_conn_peek(v->conn, &data);
}

static int64_t call_recv_large(struct victim *v)
{
	char *buf = g_malloc(LARGE);
	int64_t r = ringline_conn_recv(v->conn, buf, LARGE);

	g_free(buf);      /* whoever still wrote to it would be caught here */
	return r;
}

static int64_t call_exact_large(struct victim *v)
{
	char *buf = g_malloc(LARGE);
	int64_t r = ringline_conn_recv_exact(v->conn, buf, LARGE);

	g_free(buf);
	return r;
}

struct line {
	enum conf_kind kind;
	void (*body)(struct victim *v);
};

static int line_main(void *arg)
{
	struct line *l = arg;
	struct victim v = { 0 };

	v.conn = conf_open(l->kind, &v.peer);
	l->body(&v);
	CONF_OK(ringline_conn_close(v.conn));
	close(v.peer);
	return 0;
}

static void run_line(enum conf_kind kind, void (*body)(struct victim *v))
{
	struct line l = { kind, body };

	CONF_OK(conf_run(line_main, &l));
}

static void receives_body(struct victim *v)
{
	static int64_t (*const calls[])(struct victim *) = {
		call_recv, call_recv_exact, call_peek, call_recv_large, call_exact_large, call_recv,
	};
	char buf[8];
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(calls); i++) {
		v->call = calls[i];
		cut_all_ways(v);
	}
	conf_put(v->peer, "intact", 6);
	g_assert_cmpint(ringline_conn_recv_exact(v->conn, buf, 6), ==, 6);
	g_assert_cmpmem(buf, 6, "intact", 6);
}

static void test_receives(enum conf_kind kind)
{
	run_line(kind, receives_body);
}

/* --- no byte is lost ---------------------------------------------------------------------------------------------- */

/* Cuts come at random moments while bytes arrive; what all the calls got is the stream. */
struct reader {
	struct ringline_conn *conn;
	size_t want;
	size_t off;
	size_t total;
	uint32_t seed;
};

static uint64_t taken(struct ringline_conn *conn)
{
	struct ringline_conn_info info = { sizeof(info), 0, 0, 0, 0, 0 };

	CONF_OK(ringline_conn_info(conn, &info));
	return info.bytes_received - info.bytes_buffered;
}

static ssize_t receive_once(struct reader *r, char *buf, bool exact, uint64_t deadline)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;
	uint64_t before = taken(r->conn);
	ssize_t n;

	o.deadline = deadline;
	CONF_OK(ringline_scope_open(&scope, &o));
	if (exact)
		n = ringline_conn_recv_exact(r->conn, buf, r->want);
	else
		n = ringline_conn_recv(r->conn, buf, r->want);
	g_assert_true(n > 0 || n == -ETIME);
	if (exact && n < 0)
		n = (ssize_t)(taken(r->conn) - before);
	if (n < 0)
		n = 0;
	g_assert_cmpuint(taken(r->conn) - before, ==, n);
	(void)ringline_scope_close(scope);
	return n;
}

static int read_with_cuts(void *arg)
{
	struct reader *r = arg;
	GRand *rand = g_rand_new_with_seed(r->seed);
	char *buf = g_malloc(r->want);
	unsigned int i;

	for (i = 0; r->off < r->total; i++) {
		uint64_t deadline = ringline_now() + (uint64_t)g_rand_int_range(rand, 1, 300) * 1000;
		ssize_t n;

		memset(buf, 0, r->want);
		n = receive_once(r, buf, i % 2, deadline);
		conf_check(buf, (size_t)n, r->seed, r->off);
		r->off += (size_t)n;
		memset(buf, 0xee, r->want);       /* nobody may write here any more */
		(void)ringline_yield();
		g_assert_cmpint((unsigned char)buf[r->want - 1], ==, 0xee);
		g_assert_cmpint((unsigned char)buf[0], ==, 0xee);
	}
	g_free(buf);
	g_rand_free(rand);
	return 0;
}

static void lossless(struct victim *v, size_t want)
{
	struct reader r = { .conn = v->conn, .want = want, .total = ROUNDS * 3000, .seed = (uint32_t)want };
	GRand *rand = g_rand_new_with_seed(r.seed);
	struct ringline_task *task;
	char buf[3000];
	size_t off = 0;

	CONF_OK(ringline_task_start(&task, read_with_cuts, &r, NULL));
	while (off < r.total) {
		size_t n = (size_t)g_rand_int_range(rand, 1, sizeof(buf));

		n = MIN(n, r.total - off);
		conf_fill(buf, n, r.seed, off);
		conf_put(v->peer, buf, n);
		off += n;
		CONF_OK(ringline_sleep((uint64_t)g_rand_int_range(rand, 1, 200) * 1000));
	}
	CONF_OK(ringline_task_join(task, NULL));
	g_rand_free(rand);
}

static void lossless_small_body(struct victim *v)
{
	lossless(v, 2000);
}

static void lossless_large_body(struct victim *v)
{
	lossless(v, 128 * 1024);
}

static void test_lossless_small(enum conf_kind kind)
{
	run_line(kind, lossless_small_body);
}

static void test_lossless_large(enum conf_kind kind)
{
	run_line(kind, lossless_large_body);
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

static uint64_t bytes_sent(struct ringline_conn *conn)
{
	struct ringline_conn_info info = { sizeof(info), 0, 0, 0, 0, 0 };

	CONF_OK(ringline_conn_info(conn, &info));
	return info.bytes_sent;
}

/* The peer has exactly the first bytes_sent of stream 1. */
static void check_peer(struct victim *v, uint64_t sent)
{
	char *buf = g_malloc(sent + 1);

	conf_take(v->peer, buf, sent);
	conf_check(buf, sent, 1, 0);
	g_assert_cmpuint(conf_take_some(v->peer, buf, 1), ==, 0);
	g_free(buf);
}

static int64_t call_send_big(struct victim *v)
{
	char *buf = g_malloc(BIG);
	int64_t r;

	conf_fill(buf, BIG, 1, 0);
	r = ringline_conn_send(v->conn, buf, BIG);
	memset(buf, 0xee, BIG);
	g_free(buf);
	return r;
}

static int64_t call_sendv_big(struct victim *v)
{
	struct iovec iov[100];
	char *buf = g_malloc(BIG);
	int64_t r;
	int i;

	conf_fill(buf, BIG, 1, 0);
	for (i = 0; i < 100; i++)
		iov[i] = (struct iovec){ buf + (size_t)i * (BIG / 100), BIG / 100 };
	r = ringline_conn_sendv(v->conn, iov, 100);
	memset(buf, 0xee, BIG);
	g_free(buf);
	return r;
}

/* In the kernel, and stalled. */
static void one_stalled(enum conf_kind kind, int64_t (*call)(struct victim *), enum cut cut)
{
	struct victim v = { .call = call };

	v.conn = conf_open(kind, &v.peer);
	conf_shrink(v.peer);
	cut_short(&v, cut);
	if (cut != BY_CUT_BEFORE)
		g_assert_cmpuint(bytes_sent(v.conn), >, 0);
	check_peer(&v, bytes_sent(v.conn));
	/* and the connection goes on */
	g_assert_cmpint(ringline_conn_send(v.conn, "after", 5), ==, 5);
	CONF_OK(ringline_conn_close(v.conn));
	conf_take(v.peer, (char[5]){ 0 }, 5);
	conf_expect_end(v.peer, 0);
	close(v.peer);
}

static int stalled_main(void *arg)
{
	int cut;

	for (cut = 0; cut < CUTS; cut++) {
		one_stalled(*(enum conf_kind *)arg, call_send_big, (enum cut)cut);
		one_stalled(*(enum conf_kind *)arg, call_sendv_big, (enum cut)cut);
	}
	return 0;
}

static void test_stalled_sends(enum conf_kind kind)
{
	CONF_OK(conf_run(stalled_main, &kind));
}

static int64_t call_send_queued(struct victim *v)
{
	return ringline_conn_send(v->conn, "this must never leave", 21);
}

struct blocker {
	struct ringline_conn *conn;
	size_t n;
	ssize_t result;
};

static int block(void *arg)
{
	struct blocker *b = arg;
	char *buf = g_malloc(b->n);

	conf_fill(buf, b->n, 1, 0);
	b->result = ringline_conn_send(b->conn, buf, b->n);
	g_free(buf);
	return 0;
}

/* Behind another call that is stalled: none of it leaves, and the other is not disturbed. */
static void queued_body(struct victim *v)
{
	struct blocker b = { v->conn, BIG, 0 };
	struct ringline_task *blocker;
	int cut;

	conf_shrink(v->peer);
	CONF_OK(ringline_task_start(&blocker, block, &b, NULL));
	conf_pause();
	v->call = call_send_queued;
	for (cut = 0; cut < CUTS; cut++)
		cut_short(v, (enum cut)cut);
	check_peer(v, BIG);
	CONF_OK(ringline_task_join(blocker, NULL));
	g_assert_cmpint(b.result, ==, BIG);
}

static void test_queued_sends(enum conf_kind kind)
{
	run_line(kind, queued_body);
}

/* Several calls joined in one vectored send: one is cut, the others arrive whole and in order. */
#define JOINED      20
#define JOINED_SIZE 500000u

struct joined {
	struct ringline_conn *conn;
	unsigned int index;
	ssize_t result;
};

static int send_joined(void *arg)
{
	struct joined *j = arg;
	unsigned char *buf = g_malloc(JOINED_SIZE);

	memset(buf, (int)j->index, JOINED_SIZE);
	j->result = ringline_conn_send(j->conn, buf, JOINED_SIZE);
	memset(buf, 0xee, JOINED_SIZE);
	g_free(buf);
	return 0;
}

static bool all_ended(const struct joined *j)
{
	unsigned int i;

	for (i = 0; i < JOINED; i++)
		if (!j[i].result)
			return false;
	return true;
}

/* Runs of one tag each, in the order of the calls. */
static void take_runs(struct victim *v, uint64_t *count, const struct joined *j)
{
	unsigned char *buf = g_malloc(65536);
	unsigned int last = 0;
	uint64_t total = 0;
	size_t n;
	size_t i;

	while (!all_ended(j) || total < bytes_sent(v->conn)) {
		n = conf_take_some(v->peer, buf, 65536);
		for (i = 0; i < n; i++) {
			g_assert_cmpuint(buf[i], >=, last);
			g_assert_cmpuint(buf[i], <, JOINED);
			last = buf[i];
			count[last]++;
		}
		total += n;
		if (!n)
			conf_pause();
	}
	g_free(buf);
}

static void joined_body(struct victim *v)
{
	static const unsigned int cut[] = { 3, JOINED - 2 };
	uint64_t count[JOINED] = { 0 };
	struct joined j[JOINED];
	struct ringline_task *task[JOINED];
	unsigned int i;

	conf_shrink(v->peer);
	for (i = 0; i < JOINED; i++) {
		j[i] = (struct joined){ v->conn, i, 0 };
		CONF_OK(ringline_task_start(&task[i], send_joined, &j[i], NULL));
	}
	conf_pause();
	for (i = 0; i < 2; i++)
		CONF_OK(ringline_task_cancel(task[cut[i]]));
	take_runs(v, count, j);
	CONF_OK(ringline_join(task, JOINED, NULL));
	for (i = 0; i < JOINED; i++) {
		g_assert_true(j[i].result == JOINED_SIZE || (j[i].result == -ECANCELED && (i == cut[0] || i == cut[1])));
		if (j[i].result > 0)
			g_assert_cmpuint(count[i], ==, JOINED_SIZE);
	}
	g_assert_cmpint(j[JOINED - 2].result, ==, -ECANCELED);
	g_assert_cmpuint(count[JOINED - 2], ==, 0);
}

static void test_joined_sends(enum conf_kind kind)
{
	run_line(kind, joined_body);
}

/* --- connecting --------------------------------------------------------------------------------------------------- */

/* A listener whose queue is full: the next one waits for ever. */
static int full_listener(enum conf_kind kind, char *address, int *filler, unsigned int n)
{
	int listener = conf_listen_raw(kind, 0, address);
	unsigned int i;

	for (i = 0; i < n; i++)
		filler[i] = conf_connect_raw(address);
	return listener;
}

static int64_t call_connect(struct victim *v)
{
	struct ringline_conn *conn;

	return ringline_connect(&conn, v->address, NULL);
}

static void connect_times_out(const char *address)
{
	struct ringline_connect_options o = RINGLINE_CONNECT_OPTIONS_INIT;
	struct ringline_conn *conn = NULL;
	uint64_t began = ringline_now();

	o.timeout = 20 * MSEC;
	g_assert_cmpint(ringline_connect(&conn, address, &o), ==, -ETIMEDOUT);
	g_assert_cmpuint(ringline_now(), >=, began + o.timeout);
	g_assert_null(conn);
}

static int connect_main(void *arg)
{
	enum conf_kind kind = *(enum conf_kind *)arg;
	char address[RINGLINE_ADDRESS_SIZE];
	struct victim v = { .call = call_connect, .address = address };
	int filler[1];
	int listener = full_listener(kind, address, filler, 1);

	cut_all_ways(&v);
	connect_times_out(address);
	close(filler[0]);
	close(listener);
	return 0;
}

static void test_connect(enum conf_kind kind)
{
	CONF_OK(conf_run(connect_main, &kind));
}

/* A timeout that does not pass costs nothing, and the connection is whole. */
static int connect_in_time_main(void *arg)
{
	struct ringline_connect_options o = RINGLINE_CONNECT_OPTIONS_INIT;
	char address[RINGLINE_ADDRESS_SIZE];
	struct ringline_conn *conn;
	int listener = conf_listen_raw(*(enum conf_kind *)arg, 1, address);
	int peer;

	o.timeout = 60 * SEC;
	CONF_OK(ringline_connect(&conn, address, &o));
	peer = accept(listener, NULL, NULL);
	g_assert_cmpint(ringline_conn_send(conn, "hi", 2), ==, 2);
	conf_take(peer, (char[2]){ 0 }, 2);
	CONF_OK(ringline_conn_close(conn));
	close(peer);
	close(listener);
	return 0;
}

static void test_connect_in_time(enum conf_kind kind)
{
	CONF_OK(conf_run(connect_in_time_main, &kind));
}

/* --- the end of a runtime ----------------------------------------------------------------------------------------- */

struct served {
	int entered;
	ssize_t result;
	ssize_t cleanup;
};

/* Parked in a receive; on its way out it says good-bye from behind a shield. */
static void serve_until_cancelled(struct ringline_conn *conn, void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *shield;
	struct served *s = arg;
	char buf[16];

	g_atomic_int_inc(&s->entered);
	s->result = ringline_conn_recv(conn, buf, sizeof(buf));
	g_assert_cmpint(ringline_conn_send(conn, "no", 2), ==, -ECANCELED);
	o.flags = RINGLINE_SCOPE_SHIELDED;
	CONF_OK(ringline_scope_open(&shield, &o));
	s->cleanup = ringline_conn_send(conn, "good-bye", 8);
	CONF_OK(ringline_scope_close(shield));
}

static void test_accepted(enum conf_kind kind)
{
	char address[RINGLINE_ADDRESS_SIZE];
	char bound[RINGLINE_ADDRESS_SIZE];
	struct served s = { 0 };
	struct ringline_runtime *rt;
	char buf[8];
	int fd;

	rt = conf_serve(NULL, 1, conf_address(kind, address), bound, serve_until_cancelled, &s);
	fd = conf_connect_raw(bound);
	CONF_UNTIL(g_atomic_int_get(&s.entered));
	CONF_OK(conf_stop(rt));
	g_assert_cmpint(s.result, ==, -ECANCELED);
	g_assert_cmpint(s.cleanup, ==, 8);
	conf_take(fd, buf, 8);
	g_assert_cmpmem(buf, 8, "good-bye", 8);
	conf_expect_end(fd, 0);
	close(fd);
}

/* --- why ---------------------------------------------------------------------------------------------------------- */

/* The reason is the nearest cut that came first. */
static int reasons_main(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *outer;
	struct ringline_scope *inner;
	struct ringline_conn *conn;
	char byte;
	int peer;

	(void)arg;
	conn = conf_open(CONF_TCP, &peer);
	CONF_OK(ringline_scope_open(&outer, NULL));
	o.deadline = ringline_now() + 5 * MSEC;
	CONF_OK(ringline_scope_open(&inner, &o));
	g_assert_cmpint(ringline_conn_recv(conn, &byte, 1), ==, -ETIME);
	CONF_OK(ringline_scope_cancel(outer));
	g_assert_cmpint(ringline_conn_recv(conn, &byte, 1), ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(inner), ==, -ETIME);
	g_assert_cmpint(ringline_conn_recv(conn, &byte, 1), ==, -ECANCELED);
	g_assert_cmpint(ringline_conn_send(conn, &byte, 1), ==, -ECANCELED);
	o.flags = RINGLINE_SCOPE_SHIELDED;
	o.deadline = ringline_now() + 5 * MSEC;
	CONF_OK(ringline_scope_open(&inner, &o));
	g_assert_cmpint(ringline_conn_recv(conn, &byte, 1), ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(inner), ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(outer), ==, -ECANCELED);
	conf_put(peer, "x", 1);
	g_assert_cmpint(ringline_conn_recv(conn, &byte, 1), ==, 1);
	CONF_OK(ringline_conn_close(conn));
	close(peer);
	return 0;
}

static void test_reasons(void)
{
	CONF_OK(conf_run(reasons_main, NULL));
}

/*
 * A large receive hands the caller's memory to the kernel. Once it has returned, cut, the memory is the caller's: bytes that
 * arrive at that very moment, before the worker enters the kernel again, wait for the next call.
 */
static int let_go_main(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;
	struct ringline_conn *conn;
	const size_t size = 256 * 1024;
	unsigned char *memory = g_malloc(size);
	char bytes[1000];
	int peer;

	conn = conf_open((enum conf_kind)GPOINTER_TO_INT(arg), &peer);
	o.deadline = ringline_now() + 5 * MSEC;
	CONF_OK(ringline_scope_open(&scope, &o));
	g_assert_cmpint(ringline_conn_recv(conn, memory, size), ==, -ETIME);
	memset(memory, 0xaa, size);
	conf_fill(bytes, sizeof(bytes), 3, 0);
	g_assert_cmpint(send(peer, bytes, sizeof(bytes), MSG_NOSIGNAL), ==, sizeof(bytes));
	g_assert_cmpint(ringline_scope_close(scope), ==, -ETIME);
	CONF_OK(ringline_sleep(5 * MSEC));
	for (size_t i = 0; i < size; i++)
		g_assert_cmpuint(memory[i], ==, 0xaa);
	g_assert_cmpint(ringline_conn_recv_exact(conn, bytes, sizeof(bytes)), ==, sizeof(bytes));
	conf_check(bytes, sizeof(bytes), 3, 0);
	CONF_OK(ringline_conn_close(conn));
	close(peer);
	g_free(memory);
	return 0;
}

static void test_let_go(enum conf_kind kind)
{
	CONF_OK(conf_run(let_go_main, GINT_TO_POINTER(kind)));
}

/* A connect in flight when the runtime is cut off at once: it must come back, although nothing was drained. */
static int connect_shielded(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *shield;
	struct ringline_conn *conn;
	int r;

	o.flags = RINGLINE_SCOPE_SHIELDED;
	CONF_OK(ringline_scope_open(&shield, &o));
	r = ringline_connect(&conn, arg, NULL);
	g_assert_cmpint(r, ==, -ECANCELED);
	(void)ringline_scope_close(shield);
	return 0;
}

static void test_connect_forced(enum conf_kind kind)
{
	char address[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt;
	struct ringline_config c;
	int filler[1];
	int listener = full_listener(kind, address, filler, 1);

	conf_config(&c);
	c.drain_timeout = 10 * MSEC;
	rt = conf_serve(&c, 1, NULL, NULL, NULL, NULL);
	CONF_OK(ringline_worker_spawn(rt, 0, connect_shielded, address));
	CONF_UNTIL(conf_stats(rt).operations_submitted > 0);
	CONF_OK(conf_stop(rt));
	g_assert_true(conf_log_seen("drain timeout"));
	close(filler[0]);
	close(listener);
}

static void add(void)
{
	static const struct {
		const char *name;
		void (*fn)(enum conf_kind kind);
	} cases[] = {
		{ "receives", test_receives },
		{ "cut-receives-lose-nothing", test_lossless_small },
		{ "cut-large-receives-lose-nothing", test_lossless_large },
		{ "memory-is-let-go", test_let_go },
		{ "stalled-sends-count-what-left", test_stalled_sends },
		{ "queued-sends-never-leave", test_queued_sends },
		{ "joined-sends-go-on-without-it", test_joined_sends },
		{ "connect", test_connect },
		{ "connect-in-time", test_connect_in_time },
		{ "connect-cut-off", test_connect_forced },
		{ "accepted-cleans-up-behind-a-shield", test_accepted },
	};
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(cases); i++)
		conf_add_kinds("cancel", cases[i].name, cases[i].fn);
	conf_add("/cancel/sleep-join-await", test_waits);
	conf_add("/cancel/reasons", test_reasons);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "cancel", add);
}
