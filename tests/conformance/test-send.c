/* SPDX-License-Identifier: MIT */
/* Sending without waiting, buffers, memory of the host's: what is queued leaves, in order, once, and nothing is left. */
#include <sys/uio.h>

#include "support/conformance.h"

static void expect(int fd, uint32_t seed, uint64_t offset, size_t n)
{
	unsigned char *data = g_malloc(n);

	conf_take(fd, data, n);
	conf_check(data, n, seed, offset);
	g_free(data);
}

/* --- queued copies ------------------------------------------------------------------------------------------------ */

static void nowait_body(struct conf_line *l)
{
	unsigned char buf[100];
	int i;

	for (i = 0; i < 100; i++) {
		conf_fill(buf, sizeof(buf), 1, (uint64_t)i * sizeof(buf));
		CONF_OK(ringline_conn_send_nowait(l->conn, buf, sizeof(buf)));
		memset(buf, 0, sizeof(buf));                  /* it was copied */
	}
	CONF_OK(ringline_conn_send_nowait(l->conn, buf, 0));
	CONF_OK(ringline_conn_flush(l->conn));
	expect(l->peer, 1, 0, 100 * sizeof(buf));
	g_assert_cmpuint(conf_stats(NULL).memory, ==, 0);
}

static void test_nowait(enum conf_kind kind)
{
	conf_run_line(kind, nowait_body);
}

struct reader {
	int fd;
	size_t total;
	uint32_t seed;
};

static int read_it(void *arg)
{
	struct reader *r = arg;
	size_t at;

	for (at = 0; at < r->total; at += MIN(10000, r->total - at))
		expect(r->fd, r->seed, at, MIN(10000, r->total - at));
	return 0;
}

/* A peer that does not read: the limit is reached, and room is told of. */
static void limit_body(struct conf_line *l)
{
	static unsigned char buf[64 * 1024];
	struct reader r = { .fd = l->peer, .seed = 2 };
	struct ringline_task *t;
	int code;

	conf_shrink(l->peer);
	CONF_OK(ringline_conn_set_option(l->conn, RINGLINE_CONN_OUTPUT_LIMIT, 100000));
	for (;;) {
		conf_fill(buf, sizeof(buf), 2, r.total);
		code = ringline_conn_send_nowait(l->conn, buf, sizeof(buf));
		if (code)
			break;
		r.total += sizeof(buf);
		CONF_OK(ringline_yield());
	}
	g_assert_cmpint(code, ==, -EAGAIN);
	CONF_OK(ringline_task_start(&t, read_it, &r, NULL));
	CONF_OK(ringline_conn_wait_writable(l->conn));
	conf_fill(buf, 100, 2, r.total);
	r.total += 100;
	CONF_OK(ringline_conn_send_nowait(l->conn, buf, 100));
	CONF_OK(ringline_conn_flush(l->conn));
	CONF_OK(ringline_task_join(t, &code));
}

static void test_limit(enum conf_kind kind)
{
	conf_run_line(kind, limit_body);
}

/* Queued, waited for, joined: in the order of the calls. */
static void order_body(struct conf_line *l)
{
	unsigned char buf[3000];
	struct iovec iov[2] = { { buf, 1000 }, { buf + 1000, 2000 } };
	uint64_t at = 0;
	int i;

	for (i = 0; i < 60; i++) {
		size_t n = 1 + (size_t)i * 37 % 2999;

		conf_fill(buf, sizeof(buf), 3, at);
		if (i % 3 == 0) {
			CONF_OK(ringline_conn_send_nowait(l->conn, buf, n));
		} else if (i % 3 == 1) {
			g_assert_cmpint(ringline_conn_send(l->conn, buf, n), ==, (ssize_t)n);
		} else {
			n = 3000;
			g_assert_cmpint(ringline_conn_sendv(l->conn, iov, 2), ==, 3000);
		}
		expect(l->peer, 3, at, n);
		at += n;
	}
}

static void test_order(enum conf_kind kind)
{
	conf_run_line(kind, order_body);
}

static void nowait_error_body(struct conf_line *l)
{
	int r = 0;

	conf_reset(l->peer);
	l->peer = -1;
	while (r == 0) {
		r = ringline_conn_send_nowait(l->conn, "gone", 4);
		CONF_OK(ringline_sleep(MSEC));
	}
	g_assert_true(r == -EPIPE || r == -ECONNRESET);
	g_assert_true(ringline_conn_flush(l->conn) < 0);
	g_assert_true(ringline_conn_wait_writable(l->conn) < 0);
	g_assert_true(ringline_conn_send(l->conn, "x", 1) < 0);
}

static void test_nowait_error(enum conf_kind kind)
{
	conf_run_line(kind, nowait_error_body);
}

static void close_behind_body(struct conf_line *l)
{
	unsigned char *buf = g_malloc(200000);

	conf_fill(buf, 200000, 4, 0);
	CONF_OK(ringline_conn_send_nowait(l->conn, buf, 200000));
	g_free(buf);
	CONF_OK(ringline_conn_close(l->conn));
	l->conn = NULL;
	expect(l->peer, 4, 0, 200000);
	conf_expect_end(l->peer, 0);
}

static void test_close_behind(enum conf_kind kind)
{
	conf_run_line(kind, close_behind_body);
}

/* --- buffers ------------------------------------------------------------------------------------------------------ */

static void take_body(struct conf_line *l)
{
	struct ringline_buf *all;
	struct ringline_buf *part;
	struct ringline_buf *copy;
	ssize_t n;

	conf_put(l->peer, "hello, world", 12);
	CONF_OK(ringline_conn_wait_readable(l->conn));
	n = ringline_conn_take(l->conn, 5, &part);
	g_assert_cmpint(n, ==, 5);
	g_assert_cmpint(ringline_conn_take(l->conn, 100, &all), ==, 7);
	g_assert_cmpmem(ringline_buf_data(part), ringline_buf_size(part), "hello", 5);
	g_assert_cmpmem(ringline_buf_data(all), ringline_buf_size(all), ", world", 7);
	CONF_OK(ringline_buf_new(&copy, "bye", 3));
	CONF_OK(ringline_conn_send_buf(l->conn, part));
	CONF_OK(ringline_conn_send_buf(l->conn, all));
	CONF_OK(ringline_buf_unref(all));                     /* the connection has its own reference */
	CONF_OK(ringline_buf_slice(&all, part, 1, 3));
	CONF_OK(ringline_buf_unref(part));
	g_assert_cmpmem(ringline_buf_data(all), ringline_buf_size(all), "ell", 3);
	g_assert_true(ringline_buf_ref(all) == all);
	CONF_OK(ringline_buf_unref(all));
	CONF_OK(ringline_conn_send_buf(l->conn, all));
	CONF_OK(ringline_conn_send_buf(l->conn, copy));
	CONF_OK(ringline_buf_unref(all));
	CONF_OK(ringline_buf_unref(copy));
	CONF_OK(ringline_conn_flush(l->conn));
	{
		char got[19];

		conf_take(l->peer, got, 18);
		g_assert_cmpmem(got, 18, "hello, worldellbye", 18);
	}
	g_assert_cmpint(ringline_buf_slice(&part, copy, 0, 1), ==, -EBADF);
	g_assert_cmpint(ringline_buf_unref(all), ==, -EBADF);
	g_assert_null(ringline_buf_data(copy));
	CONF_OK(shutdown(l->peer, SHUT_WR));
	g_assert_cmpint(ringline_conn_take(l->conn, 1, &all), ==, 0);
}

static void test_take(enum conf_kind kind)
{
	conf_run_line(kind, take_body);
}

/* One buffer to many connections, as a chat does. */
#define CROWD 20

static int broadcast_main(void *arg)
{
	struct ringline_conn *c[CROWD];
	struct ringline_buf *b;
	int peer[CROWD];
	unsigned char *data = g_malloc(50000);
	int i;

	conf_fill(data, 50000, 5, 0);
	CONF_OK(ringline_buf_new(&b, data, 50000));
	g_free(data);
	for (i = 0; i < CROWD; i++) {
		c[i] = conf_open(*(enum conf_kind *)arg, &peer[i]);
		CONF_OK(ringline_conn_send_buf(c[i], b));
	}
	g_assert_cmpuint(conf_stats(NULL).memory, <, 100000);
	CONF_OK(ringline_buf_unref(b));
	for (i = 0; i < CROWD; i++) {
		expect(peer[i], 5, 0, 50000);
		CONF_OK(ringline_conn_close(c[i]));
		close(peer[i]);
	}
	return 0;
}

static void test_broadcast(enum conf_kind kind)
{
	CONF_OK(conf_run(broadcast_main, &kind));
}

static void bad_body(struct conf_line *l)
{
	struct ringline_buf *b;

	g_assert_cmpint(ringline_buf_new(&b, NULL, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_buf_new(&b, "x", 0), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_send_buf(l->conn, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_take(l->conn, 0, &b), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_take(l->conn, 1, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_send_nowait(l->conn, NULL, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_send_zc(l->conn, "x", 1, NULL, NULL), ==, -EINVAL);
	CONF_OK(ringline_buf_new(&b, "abc", 3));
	g_assert_cmpint(ringline_buf_slice(NULL, b, 0, 1), ==, -EINVAL);
	CONF_OK(ringline_buf_unref(b));
	CONF_OK(ringline_buf_unref(NULL));
	CONF_OK(ringline_conn_shutdown_write(l->conn));
	g_assert_cmpint(ringline_conn_send_nowait(l->conn, "x", 1), ==, -EPIPE);
	g_assert_cmpint(ringline_conn_wait_writable(l->conn), ==, -EPIPE);
	CONF_OK(ringline_conn_flush(l->conn));
}

static void test_bad(void)
{
	conf_run_line(CONF_TCP, bad_body);
}

/* --- memory of the host's ----------------------------------------------------------------------------------------- */

#define ZC_SIZE (1u << 20)

static void count_release(void *arg)
{
	++*(int *)arg;
}

static void zc_body(struct conf_line *l)
{
	unsigned char *data = g_malloc(ZC_SIZE);
	struct reader r = { .fd = l->peer, .seed = 6, .total = 3 * ZC_SIZE };
	struct ringline_task *t;
	int released[3] = { 0, 0, 0 };
	int code;
	int i;

	CONF_OK(ringline_conn_set_option(l->conn, RINGLINE_CONN_OUTPUT_LIMIT, 64u << 20));
	for (i = 0; i < 3; i++) {
		unsigned char *part = g_malloc(ZC_SIZE);

		conf_fill(part, ZC_SIZE, 6, (uint64_t)i * ZC_SIZE);
		memcpy(data, part, ZC_SIZE);
		CONF_OK(ringline_conn_send_zc(l->conn, part, ZC_SIZE, g_free, part));
	}
	CONF_OK(ringline_task_start(&t, read_it, &r, NULL));
	CONF_OK(ringline_task_join(t, &code));
	conf_fill(data, ZC_SIZE, 6, 0);
	for (i = 0; i < 3; i++)
		CONF_OK(ringline_conn_send_zc(l->conn, data + i * 1000, 1000, count_release, &released[i]));
	CONF_OK(ringline_conn_flush(l->conn));
	expect(l->peer, 6, 0, 3000);
	CONF_UNTIL(released[0] + released[1] + released[2] == 3);
	g_assert_true(released[0] == 1 && released[1] == 1 && released[2] == 1);
	if (l->kind == CONF_TCP && !conf_is("epoll"))
		g_assert_cmpuint(conf_stats(NULL).zero_copy_sends, >, 0);
	g_free(data);
}

static void run_zc(enum conf_kind kind, void (*body)(struct conf_line *l), uint64_t least)
{
	struct ringline_config c = RINGLINE_CONFIG_INIT;

	conf_config(&c);
	c.zero_copy_min = least;
	conf_run_line_with(&c, kind, body);
}

static void test_zc(enum conf_kind kind)
{
	run_zc(kind, zc_body, 1);
}

/* Released exactly once when the peer is gone in the middle, and when the connection is aborted. */
static void zc_killed_body(struct conf_line *l)
{
	unsigned char *data = g_malloc0(8 * ZC_SIZE);
	int released = 0;
	int r;

	CONF_OK(ringline_conn_set_option(l->conn, RINGLINE_CONN_OUTPUT_LIMIT, 64u << 20));
	conf_shrink(l->peer);
	CONF_OK(ringline_conn_send_zc(l->conn, data, 8 * ZC_SIZE, count_release, &released));
	CONF_OK(ringline_conn_send_zc(l->conn, data, 10, count_release, &released));
	CONF_OK(ringline_sleep(5 * MSEC));
	conf_reset(l->peer);
	l->peer = -1;
	CONF_UNTIL(released == 2);
	r = ringline_conn_send_zc(l->conn, data, 10, count_release, &released);
	g_assert_true(r < 0);
	CONF_OK(ringline_sleep(2 * MSEC));
	g_assert_cmpint(released, ==, 2);
	g_free(data);
}

static void test_zc_killed(enum conf_kind kind)
{
	run_zc(kind, zc_killed_body, 1);
}

static void zc_aborted_body(struct conf_line *l)
{
	unsigned char *data = g_malloc0(8 * ZC_SIZE);
	int released = 0;

	conf_shrink(l->peer);
	CONF_OK(ringline_conn_send_zc(l->conn, data, 8 * ZC_SIZE, count_release, &released));
	CONF_OK(ringline_sleep(5 * MSEC));
	CONF_OK(ringline_conn_abort(l->conn));
	l->conn = NULL;
	CONF_UNTIL(released == 1);
	g_free(data);
}

static void test_zc_aborted(enum conf_kind kind)
{
	run_zc(kind, zc_aborted_body, 1);
}

/* A graceful close waits for the kernel to let go, but no longer than it may. */
static void zc_closed_body(struct conf_line *l)
{
	unsigned char *data = g_malloc0(8 * ZC_SIZE);
	int released = 0;

	conf_shrink(l->peer);
	CONF_OK(ringline_conn_set_option(l->conn, RINGLINE_CONN_CLOSE_TIMEOUT, 20 * MSEC));
	CONF_OK(ringline_conn_send_zc(l->conn, data, 8 * ZC_SIZE, count_release, &released));
	CONF_OK(ringline_conn_close(l->conn));
	l->conn = NULL;
	CONF_OK(ringline_sleep(2 * MSEC));
	g_assert_cmpint(released, ==, 0);
	CONF_UNTIL(released == 1);
	CONF_UNTIL(conf_stats(NULL).aborted == 1);
	g_free(data);
}

static void test_zc_closed(enum conf_kind kind)
{
	run_zc(kind, zc_closed_body, 1);
}

/* --- limits of memory --------------------------------------------------------------------------------------------- */

static int memory_main(void *arg)
{
	unsigned char *data = g_malloc0(300000);
	struct ringline_conn *c;
	struct ringline_buf *b;
	const void *p;
	int peer;

	c = conf_open(*(enum conf_kind *)arg, &peer);
	CONF_OK(ringline_buf_new(&b, data, 300000));
	g_assert_cmpint(ringline_conn_send_nowait(c, data, 100), ==, -ENOBUFS);
	conf_put(peer, data, 100);
	g_assert_cmpint(ringline_conn_peek_at_least(c, 10000, &p), ==, -ENOBUFS);
	g_assert_cmpint(ringline_conn_peek(c, &p), >, 0);     /* what there is can be had */
	CONF_OK(ringline_buf_unref(b));
	CONF_OK(ringline_conn_send_nowait(c, data, 100));
	conf_put(peer, data, 9900);
	g_assert_cmpint(ringline_conn_peek_at_least(c, 10000, &p), ==, 10000);
	CONF_OK(ringline_conn_close(c));
	close(peer);
	g_free(data);
	return 0;
}

static void test_memory(enum conf_kind kind)
{
	struct ringline_config c = RINGLINE_CONFIG_INIT;

	conf_config(&c);
	c.memory_limit = 200000;
	CONF_OK(conf_run_with(&c, memory_main, &kind));
}

/* Many that hold what they peeked and never give it back do not keep one from receiving. */
#define HOLDERS 64

static int holders_main(void *arg)
{
	static unsigned char piece[8192];
	struct ringline_conn *c[HOLDERS + 1];
	unsigned char *got = g_malloc(1u << 20);
	const void *p;
	int peer[HOLDERS + 1];
	size_t at;
	int i;

	for (i = 0; i <= HOLDERS; i++)
		c[i] = conf_open(*(enum conf_kind *)arg, &peer[i]);
	for (i = 0; i < HOLDERS; i++) {
		conf_fill(piece, sizeof(piece), (uint32_t)i, 0);
		conf_put(peer[i], piece, sizeof(piece));
		g_assert_cmpint(ringline_conn_peek(c[i], &p), >, 0);
	}
	for (at = 0; at < 1u << 20; at += sizeof(piece)) {
		conf_fill(piece, sizeof(piece), 99, at);
		conf_put(peer[HOLDERS], piece, sizeof(piece));
		g_assert_cmpint(ringline_conn_recv_exact(c[HOLDERS], got + at, sizeof(piece)), ==, sizeof(piece));
	}
	conf_check(got, 1u << 20, 99, 0);
	for (i = 0; i <= HOLDERS; i++) {
		if (i < HOLDERS) {
			g_assert_cmpint(ringline_conn_recv_exact(c[i], got, sizeof(piece)), ==, sizeof(piece));
			conf_check(got, sizeof(piece), (uint32_t)i, 0);
		}
		CONF_OK(ringline_conn_close(c[i]));
		close(peer[i]);
	}
	g_free(got);
	return 0;
}

static void test_holders(enum conf_kind kind)
{
	struct ringline_config c = RINGLINE_CONFIG_INIT;

	conf_config(&c);
	c.receive_buffers = 2;
	c.receive_buffer_size = 16384;
	c.receive_buffer_limit = 8 * 16384;
	CONF_OK(conf_run_with(&c, holders_main, &kind));
}

static void add(void)
{
	conf_add_kinds("send", "nowait", test_nowait);
	conf_add_kinds("send", "output-limit-and-writable", test_limit);
	conf_add_kinds("send", "kinds-of-sends-keep-their-order", test_order);
	conf_add_kinds("send", "nowait-error-is-the-next-calls", test_nowait_error);
	conf_add_kinds("send", "close-behind-queued", test_close_behind);
	conf_add_kinds("send", "take-slice-and-send", test_take);
	conf_add_kinds("send", "one-buffer-to-many", test_broadcast);
	conf_add("/send/bad-calls", test_bad);
	conf_add_kinds("send", "zero-copy", test_zc);
	conf_add_kinds("send", "zero-copy-and-a-killed-peer", test_zc_killed);
	conf_add_kinds("send", "zero-copy-and-an-abort", test_zc_aborted);
	conf_add_kinds("send", "zero-copy-and-a-bounded-close", test_zc_closed);
	conf_add_kinds("send", "memory-limit", test_memory);
	conf_add_kinds("send", "holders-do-not-stall-others", test_holders);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "send", add);
}
