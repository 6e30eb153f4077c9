/* SPDX-License-Identifier: MIT */
/* Lending what was received: where it lies, and in one piece, however it came. */
#include <sys/uio.h>

#include "support/conformance.h"

/* What the peer sends in pieces of a size, from a task of its own. */
struct feeder {
	struct conf_line *line;
	size_t size;
	size_t piece;
	bool ends;
};

static int feed(void *arg)
{
	struct feeder f = *(struct feeder *)arg;      /* the caller may be gone before the feeder */
	unsigned char *data = g_malloc(f.size);
	size_t at;

	conf_fill(data, f.size, 1, 0);
	for (at = 0; at < f.size; at += MIN(f.piece, f.size - at)) {
		conf_put(f.line->peer, data + at, MIN(f.piece, f.size - at));
		CONF_OK(ringline_yield());
	}
	g_free(data);
	if (!f.ends)
		return 0;
	close(f.line->peer);
	f.line->peer = -1;
	return 0;
}

static void start_feeding(struct feeder *f)
{
	CONF_OK(ringline_spawn(feed, f));
}

/* --- in one piece ------------------------------------------------------------------------------------------------- */

static void at_least_body(struct conf_line *l)
{
	struct feeder f = { .line = l, .size = 50000, .piece = 700, .ends = true };
	static const size_t wants[] = { 1, 10, 699, 700, 701, 2000, 9000, 30000, 50000 };
	const void *data;
	size_t i;

	start_feeding(&f);
	for (i = 0; i < G_N_ELEMENTS(wants); i++) {
		ssize_t n = ringline_conn_peek_at_least(l->conn, wants[i], &data);

		g_assert_cmpint(n, >=, (ssize_t)wants[i]);
		conf_check(data, (size_t)n, 1, 0);
	}
	CONF_OK(ringline_conn_consume(l->conn, 49990));
	g_assert_cmpint(ringline_conn_peek_at_least(l->conn, 11, &data), ==, -ENODATA);
	g_assert_cmpint(ringline_conn_peek_at_least(l->conn, 10, &data), ==, 10);
	conf_check(data, 10, 1, 49990);
	CONF_OK(ringline_conn_consume(l->conn, 10));
	g_assert_cmpint(ringline_conn_peek_at_least(l->conn, 1, &data), ==, 0);
}

static void test_at_least(enum conf_kind kind)
{
	conf_run_line(kind, at_least_body);
}

#define BIG (8u << 20)

/* Far more than the input limit, asked for at once, and then bit by bit. */
static void big_body(struct conf_line *l)
{
	struct feeder f = { .line = l, .size = 2ul * BIG, .piece = 60000, .ends = true };
	const void *data;
	size_t want = 1;
	ssize_t n;

	start_feeding(&f);
	n = ringline_conn_peek_at_least(l->conn, BIG, &data);
	g_assert_cmpint(n, >=, BIG);
	conf_check(data, (size_t)n, 1, 0);
	CONF_OK(ringline_conn_consume(l->conn, BIG));
	while (want < BIG) {
		n = ringline_conn_peek_at_least(l->conn, want, &data);
		g_assert_cmpint(n, >=, (ssize_t)want);
		want = (size_t)n + 100000;
	}
	n = ringline_conn_peek_at_least(l->conn, BIG, &data);
	g_assert_cmpint(n, ==, BIG);
	conf_check(data, BIG, 1, BIG);
	CONF_OK(ringline_conn_consume(l->conn, BIG));
}

static void test_big(enum conf_kind kind)
{
	conf_run_line(kind, big_body);
}

/* Mixed with all the other ways to receive, in every order: no byte is lost or seen twice. */
static void mixed_body(struct conf_line *l)
{
	struct feeder f = { .line = l, .size = 600000, .piece = 3001, .ends = true };
	unsigned char *buf = g_malloc(20000);
	struct iovec iov[4];
	const void *data;
	uint64_t at = 0;
	ssize_t n = 1;
	int i;
	int k;

	start_feeding(&f);
	for (i = 0; n > 0 && n != -ENODATA; i++) {
		size_t want = 1 + (size_t)i * 977 % 15000;

		switch (i % 4) {
		case 0:
			n = ringline_conn_peek_at_least(l->conn, want, &data);
			if (n <= 0)
				break;
			conf_check(data, (size_t)n, 1, at);
			CONF_OK(ringline_conn_consume(l->conn, MIN(want, (size_t)n)));
			at += MIN(want, (size_t)n);
			break;
		case 1:
			n = ringline_conn_recv(l->conn, buf, MIN(want, 20000));
			if (n > 0)
				conf_check(buf, (size_t)n, 1, at);
			at += n > 0 ? (uint64_t)n : 0;
			break;
		case 2:
			n = ringline_conn_peekv(l->conn, iov, 4);
			for (k = 0; k < n; k++) {
				conf_check(iov[k].iov_base, iov[k].iov_len, 1, at);
				at += iov[k].iov_len;
			}
			for (k = 0; k < n; k++)
				CONF_OK(ringline_conn_consume(l->conn, iov[k].iov_len));
			break;
		default:
			n = ringline_conn_peek(l->conn, &data);
			if (n > 0)
				conf_check(data, (size_t)n, 1, at);
			break;
		}
	}
	g_assert_true(n == 0 || n == -ENODATA);
	while ((n = ringline_conn_recv(l->conn, buf, 20000)) > 0) {
		conf_check(buf, (size_t)n, 1, at);
		at += (uint64_t)n;
	}
	g_assert_cmpint(n, ==, 0);
	g_assert_cmpuint(at, ==, f.size);
	g_free(buf);
}

static void test_mixed(enum conf_kind kind)
{
	conf_run_line(kind, mixed_body);
}

/* --- up to a delimiter -------------------------------------------------------------------------------------------- */

static void put(struct conf_line *l, const char *text)
{
	conf_put(l->peer, text, strlen(text));
	CONF_OK(ringline_sleep(2 * MSEC));            /* so that it comes as a piece of its own */
}

static ssize_t until(struct conf_line *l, size_t max, const void **data)
{
	return ringline_conn_peek_until(l->conn, "\r\n", 2, max, data);
}

static void until_body(struct conf_line *l)
{
	const void *data;

	put(l, "one\r\ntwo\r\nth");
	g_assert_cmpint(until(l, 100, &data), ==, 5);
	g_assert_cmpint(memcmp(data, "one\r\n", 5), ==, 0);
	CONF_OK(ringline_conn_consume(l->conn, 5));
	g_assert_cmpint(until(l, 5, &data), ==, 5);
	g_assert_cmpint(until(l, 4, &data), ==, -EMSGSIZE);
	CONF_OK(ringline_conn_consume(l->conn, 5));
	put(l, "ree\r");
	put(l, "\nfour");
	g_assert_cmpint(until(l, 100, &data), ==, 7);
	g_assert_cmpint(memcmp(data, "three\r\n", 7), ==, 0);
	CONF_OK(ringline_conn_consume(l->conn, 7));
	g_assert_cmpint(until(l, 4, &data), ==, -EMSGSIZE);
	close(l->peer);
	l->peer = -1;
	g_assert_cmpint(until(l, 100, &data), ==, -ENODATA);
	g_assert_cmpint(ringline_conn_peek(l->conn, &data), ==, 4);
	CONF_OK(ringline_conn_consume(l->conn, 4));
	g_assert_cmpint(until(l, 100, &data), ==, 0);
}

static void test_until(enum conf_kind kind)
{
	conf_run_line(kind, until_body);
}

#define LONG_LINE 300000

static int feed_line(void *arg)
{
	struct conf_line *l = arg;
	char *text = g_malloc(LONG_LINE);
	size_t at;

	memset(text, 'x', LONG_LINE);
	memcpy(text + LONG_LINE - 2, "\r\n", 2);
	for (at = 0; at < LONG_LINE; at += MIN(1009, LONG_LINE - at)) {
		conf_put(l->peer, text + at, MIN(1009, LONG_LINE - at));
		CONF_OK(ringline_yield());
	}
	g_free(text);
	return 0;
}

static void long_line_body(struct conf_line *l)
{
	const void *data;

	CONF_OK(ringline_spawn(feed_line, l));
	g_assert_cmpint(until(l, LONG_LINE, &data), ==, LONG_LINE);
	g_assert_cmpint(((const char *)data)[LONG_LINE - 3], ==, 'x');
	CONF_OK(ringline_conn_consume(l->conn, LONG_LINE));
}

static void test_long_line(enum conf_kind kind)
{
	conf_run_line(kind, long_line_body);
}

/* --- cuts, ends, bad calls ---------------------------------------------------------------------------------------- */

static int close_conn(void *arg)
{
	return ringline_conn_close(((struct conf_line *)arg)->conn);
}

static void cut_body(struct conf_line *l)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;
	const void *data;

	put(l, "half");
	o.deadline = ringline_now() + 5 * MSEC;
	CONF_OK(ringline_scope_open(&scope, &o));
	g_assert_cmpint(ringline_conn_peek_at_least(l->conn, 100000, &data), ==, -ETIME);
	g_assert_cmpint(until(l, 100, &data), ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(scope), ==, -ETIME);
	g_assert_cmpint(ringline_conn_peek(l->conn, &data), ==, 4);   /* what had come is still there */
	g_assert_cmpint(memcmp(data, "half", 4), ==, 0);
	put(l, " more");
	g_assert_cmpint(ringline_conn_peek_at_least(l->conn, 9, &data), ==, 9);
	g_assert_cmpint(memcmp(data, "half more", 9), ==, 0);
}

static void test_cut(enum conf_kind kind)
{
	conf_run_line(kind, cut_body);
}

static int closed_main(void *arg)
{
	struct conf_line l = { .kind = *(enum conf_kind *)arg };
	const void *data;
	int i;

	for (i = 0; i < 2; i++) {
		l.conn = conf_open(l.kind, &l.peer);
		put(&l, "half");
		CONF_OK(ringline_spawn(close_conn, &l));
		if (i)
			g_assert_cmpint(until(&l, 100, &data), ==, -ECONNABORTED);
		else
			g_assert_cmpint(ringline_conn_peek_at_least(l.conn, 100000, &data), ==, -ECONNABORTED);
		close(l.peer);
	}
	return 0;
}

static void test_closed(enum conf_kind kind)
{
	CONF_OK(conf_run(closed_main, &kind));
}

static void bad_body(struct conf_line *l)
{
	struct iovec iov;
	const void *data;

	g_assert_cmpint(ringline_conn_peek_at_least(l->conn, 0, &data), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_peek_at_least(l->conn, SIZE_MAX, &data), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_peek_at_least(l->conn, 1, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_peek_until(l->conn, "x", 0, 1, &data), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_peek_until(l->conn, "xy", 2, 1, &data), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_peek_until(l->conn, NULL, 1, 1, &data), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_peek_until(l->conn, "x", 1, 1, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_peekv(l->conn, &iov, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_peekv(l->conn, NULL, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_peekv(NULL, &iov, 1), ==, -EINVAL);
}

static void test_bad(void)
{
	conf_run_line(CONF_TCP, bad_body);
}

static void add(void)
{
	conf_add_kinds("peek", "at-least", test_at_least);
	conf_add_kinds("peek", "eight-mib-at-once-and-bit-by-bit", test_big);
	conf_add_kinds("peek", "mixed-with-other-receives", test_mixed);
	conf_add_kinds("peek", "until-a-delimiter", test_until);
	conf_add_kinds("peek", "until-the-end-of-a-long-line", test_long_line);
	conf_add_kinds("peek", "cut-loses-nothing", test_cut);
	conf_add_kinds("peek", "closed-meanwhile", test_closed);
	conf_add("/peek/bad-calls", test_bad);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "peek", add);
}
