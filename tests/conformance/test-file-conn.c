/* SPDX-License-Identifier: MIT */
/* Between files and connections: all bytes, in both directions; what an error, a cut and a close leave where. */
#include <poll.h>
#include <stdio.h>

#include "support/files.h"

#define MIB   ((size_t)1 << 20)
#define SIZE  300000
#define LARGE (64 * MIB)

static const enum conf_kind kinds[] = { CONF_TCP, CONF_UNIX };

/* A connection, and the socket at its other end. */
struct line {
	struct ringline_conn *conn;
	int peer;
};

static struct line open_line(size_t kind)
{
	struct line l;

	l.conn = conf_open(kinds[kind], &l.peer);
	return l;
}

static void close_line(struct line *l)
{
	if (l->conn)
		CONF_OK(ringline_conn_close(l->conn));
	if (l->peer >= 0)
		CONF_OK(close(l->peer));
}

/* --- a peer with a thread of its own ------------------------------------------------------------------------------ */

struct peer {
	int fd;
	size_t total;
	uint32_t seed;
	pthread_t thread;
};

static void ready(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	g_assert_cmpint(poll(&p, 1, -1), ==, 1);
}

static void *take_all(void *arg)
{
	struct peer *p = arg;
	char *data = g_malloc(MIB);
	size_t done = 0;

	while (done < p->total) {
		ssize_t n = recv(p->fd, data, MIB, MSG_DONTWAIT);

		if (n < 0) {
			ready(p->fd, POLLIN);
			continue;
		}
		g_assert_cmpint(n, >, 0);
		conf_check(data, (size_t)n, p->seed, done);
		done += (size_t)n;
	}
	g_free(data);
	return NULL;
}

static void *put_all(void *arg)
{
	struct peer *p = arg;
	char *data = g_malloc(MIB);
	size_t done = 0;

	while (done < p->total) {
		size_t n = MIN(MIB, p->total - done);
		size_t sent = 0;

		conf_fill(data, n, p->seed, done);
		while (sent < n) {
			ssize_t k = send(p->fd, data + sent, n - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

			if (k < 0)
				ready(p->fd, POLLOUT);
			else
				sent += (size_t)k;
		}
		done += n;
	}
	CONF_OK(shutdown(p->fd, SHUT_WR));
	g_free(data);
	return NULL;
}

static void start_peer(struct peer *p, int fd, size_t total, uint32_t seed, void *(*fn)(void *arg))
{
	*p = (struct peer){ .fd = fd, .total = total, .seed = seed };
	CONF_OK(pthread_create(&p->thread, NULL, fn, p));
}

static size_t large(void)
{
	return place_is("here") ? LARGE : 8 * MIB;
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

static int send_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDONLY);
	struct ringline_op *op;
	struct peer peer;
	size_t i;

	for (i = 0; i < 2; i++) {
		struct line l = open_line(i);

		start_peer(&peer, l.peer, large(), 1, take_all);
		if (i) {
			CONF_OK(ringline_file_send_begin(&op, file, 0, large(), l.conn));
			g_assert_cmpint(ringline_op_await(op), ==, large());
		} else {
			g_assert_cmpint(ringline_file_send(file, 0, large(), l.conn), ==, large());
		}
		CONF_OK(ringline_conn_flush(l.conn));
		CONF_OK(pthread_join(peer.thread, NULL));
		close_line(&l);
	}
	return ringline_file_close(file);
}

static void test_send(const char *dir)
{
	file_put(dir, "file", large(), 1);
	file_run(dir, send_main);
}

static int send_ranges_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDONLY);
	struct ringline_op *op;
	char *data = g_malloc(SIZE);
	size_t i;

	for (i = 0; i < 2; i++) {
		struct line l = open_line(i);
		int64_t n;

		g_assert_cmpint(ringline_file_send(file, 1000, 2000, l.conn), ==, 2000);
		conf_take(l.peer, data, 2000);
		conf_check(data, 2000, 1, 1000);
		g_assert_cmpint(ringline_file_send(file, 5, 0, l.conn), ==, 0);
		g_assert_cmpint(ringline_file_send(file, SIZE - 10, 10, l.conn), ==, 10);
		conf_take(l.peer, data, 10);
		conf_check(data, 10, 1, SIZE - 10);
		g_assert_cmpint(ringline_file_send(file, SIZE, 1, l.conn), ==, -ENODATA);
		g_assert_cmpint(ringline_file_send(file, (uint64_t)INT64_MAX + 1, 1, l.conn), ==, -EINVAL);
		g_assert_cmpint(ringline_file_send(file, 1, INT64_MAX, l.conn), ==, -EINVAL);
		g_assert_cmpint(ringline_file_send(file, 0, 1, NULL), ==, -EINVAL);
		g_assert_cmpint(ringline_file_send(NULL, 0, 1, l.conn), ==, -EINVAL);
		g_assert_cmpint(ringline_file_send_begin(&op, NULL, 0, 1, l.conn), ==, -EINVAL);
		g_assert_cmpint(ringline_file_send_begin(&op, file, 0, 1, NULL), ==, -EINVAL);
		g_assert_cmpint(ringline_file_send_begin(NULL, file, 0, 1, l.conn), ==, -EINVAL);
		n = ringline_file_send(file, SIZE - 100, 200, l.conn);
		g_assert_cmpint(n, ==, -ENODATA);
		conf_take(l.peer, data, 100);        /* what there was has been sent */
		conf_check(data, 100, 1, SIZE - 100);
		g_assert_cmpint(ringline_conn_send(l.conn, "x", 1), ==, 1);
		conf_take(l.peer, data, 1);
		close_line(&l);
		g_assert_cmpint(ringline_file_send(file, 0, 1, l.conn), ==, -EBADF);
		g_assert_cmpint(ringline_file_send_begin(&op, file, 0, 1, l.conn), ==, -EBADF);
	}
	CONF_OK(ringline_file_close(file));
	g_free(data);
	return 0;
}

static void test_send_ranges(const char *dir)
{
	file_put(dir, "file", SIZE, 1);
	file_run(dir, send_ranges_main);
}

/* The peer is gone; the file's server fails. */
static int send_errors_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDONLY);
	struct ringline_file *writer = file_open(dir, "file", O_WRONLY);
	char data[100];
	size_t i;

	for (i = 0; i < 2; i++) {
		struct line l = open_line(i);
		int64_t n;

		g_assert_cmpint(ringline_file_send(writer, 0, 100, l.conn), ==, -EBADF);
		if (place_is("fuse")) {
			place_fault("fail read EIO 1");
			g_assert_cmpint(ringline_file_send(file, 0, 100, l.conn), ==, -EIO);
		}
		g_assert_cmpint(ringline_file_send(file, 0, 100, l.conn), ==, 100);
		conf_take(l.peer, data, 100);
		conf_check(data, 100, 1, 0);
		conf_reset(l.peer);
		l.peer = -1;
		do
			n = ringline_file_send(file, 0, SIZE, l.conn);
		while (n >= 0);
		g_assert_true(n == -EPIPE || n == -ECONNRESET);
		close_line(&l);
	}
	CONF_OK(ringline_file_close(writer));
	return ringline_file_close(file);
}

static void test_send_errors(const char *dir)
{
	file_put(dir, "file", SIZE, 1);
	file_run(dir, send_errors_main);
}

/* Nobody reads: the send waits, until it is cut, or the file is closed. */
static int send_ends_main(void *dir)
{
	size_t i;

	for (i = 0; i < 4; i++) {
		struct ringline_file *file = file_open(dir, "file", O_RDONLY);
		struct line l = open_line(i % 2);
		struct ringline_op *close;
		struct ringline_op *op;
		size_t n;

		CONF_OK(ringline_file_send_begin(&op, file, 0, 8 * MIB, l.conn));
		file_turns(30);
		g_assert_cmpint(ringline_op_result(op), ==, -EINPROGRESS);
		if (i < 2) {
			CONF_OK(ringline_op_cancel(op));
			g_assert_cmpint(ringline_op_await(op), ==, -ECANCELED);
			CONF_OK(ringline_file_close(file));
		} else {
			CONF_OK(ringline_file_close_begin(&close, file));
			g_assert_cmpint(ringline_op_await(op), ==, -EBADF);
			g_assert_cmpint(ringline_op_await(close), ==, 0);
		}
		CONF_OK(ringline_conn_close(l.conn));
		l.conn = NULL;
		n = 0;
		while (n < 8 * MIB) {
			char data[4096];
			ssize_t k = recv(l.peer, data, sizeof(data), MSG_DONTWAIT);

			if (k < 0) {
				conf_pause();
				continue;
			}
			if (k == 0)
				break;
			conf_check(data, (size_t)k, 1, n);   /* what was sent is the beginning of it */
			n += (size_t)k;
		}
		g_assert_cmpuint(n, <, 8 * MIB);
		close_line(&l);
	}
	return 0;
}

static void test_send_ends(const char *dir)
{
	file_put(dir, "file", 8 * MIB, 1);
	file_run(dir, send_ends_main);
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

static int receive_main(void *dir)
{
	struct ringline_op *op;
	struct peer peer;
	size_t i;

	for (i = 0; i < 2; i++) {
		struct ringline_file *file = file_open(dir, "file", O_RDWR | O_CREAT | O_TRUNC);
		struct line l = open_line(i);

		start_peer(&peer, l.peer, large(), 2, put_all);
		if (i) {
			CONF_OK(ringline_file_receive_begin(&op, file, 0, RINGLINE_RECEIVE_ALL, l.conn));
			g_assert_cmpint(ringline_op_await(op), ==, large());
		} else {
			g_assert_cmpint(ringline_file_receive(file, 0, large(), l.conn), ==, large());
		}
		g_assert_cmpint(ringline_file_receive(file, 0, 100, l.conn), ==, 0);
		g_assert_cmpint(ringline_file_receive(file, 0, RINGLINE_RECEIVE_ALL, l.conn), ==, 0);
		CONF_OK(pthread_join(peer.thread, NULL));
		file_check(dir, "file", large(), 2);
		close_line(&l);
		CONF_OK(ringline_file_close(file));
	}
	return 0;
}

static void test_receive(const char *dir)
{
	file_run(dir, receive_main);
}

static int receive_ranges_main(void *dir)
{
	struct ringline_op *op;
	char *data = g_malloc0(SIZE);
	size_t i;

	conf_fill(data, 1000, 3, 0);
	for (i = 0; i < 2; i++) {
		struct ringline_file *file = file_open(dir, "file", O_RDWR | O_CREAT | O_TRUNC);
		struct line l = open_line(i);
		int64_t n;

		conf_put(l.peer, data, 1000);
		g_assert_cmpint(ringline_file_receive(file, 0, 400, l.conn), ==, 400);
		g_assert_cmpint(ringline_file_receive(file, 400, 0, l.conn), ==, 0);
		g_assert_cmpint(ringline_file_receive(file, 400, 600, l.conn), ==, 600);
		file_check(dir, "file", 1000, 3);
		conf_put(l.peer, data, 100);
		g_assert_cmpint(ringline_file_receive(file, 5000, 100, l.conn), ==, 100);
		g_assert_cmpuint(file_length(dir, "file"), ==, 5100);
		g_assert_cmpint(ringline_file_receive(file, (uint64_t)INT64_MAX + 1, 1, l.conn), ==, -EINVAL);
		g_assert_cmpint(ringline_file_receive(file, 1, INT64_MAX, l.conn), ==, -EINVAL);
		g_assert_cmpint(ringline_file_receive(file, 0, 1, NULL), ==, -EINVAL);
		g_assert_cmpint(ringline_file_receive(NULL, 0, 1, l.conn), ==, -EINVAL);
		g_assert_cmpint(ringline_file_receive_begin(&op, file, UINT64_MAX, 1, l.conn), ==, -EINVAL);
		g_assert_cmpint(ringline_file_receive_begin(&op, file, 0, 1, NULL), ==, -EINVAL);
		g_assert_cmpint(ringline_file_receive_begin(&op, NULL, 0, 1, l.conn), ==, -EINVAL);
		conf_put(l.peer, data, 50);
		CONF_OK(shutdown(l.peer, SHUT_WR));
		n = ringline_file_receive(file, 0, 200, l.conn);         /* the stream ends before */
		g_assert_cmpint(n, ==, 50);
		g_assert_cmpint(ringline_file_receive(file, 0, 200, l.conn), ==, 0);
		close_line(&l);
		g_assert_cmpint(ringline_file_receive(file, 0, 1, l.conn), ==, -EBADF);
		CONF_OK(ringline_file_close(file));
	}
	g_free(data);
	return 0;
}

static void test_receive_ranges(const char *dir)
{
	file_run(dir, receive_ranges_main);
}

/* What could not be written stays the connection's. */
static int receive_errors_main(void *dir)
{
	char *data = g_malloc0(1000);
	size_t i;

	for (i = 0; i < 2; i++) {
		struct ringline_file *reader = file_open(dir, "file", O_RDONLY | O_CREAT);
		struct ringline_file *file = file_open(dir, "file", O_RDWR | O_TRUNC);
		struct ringline_file *full;
		struct line l = open_line(i);

		CONF_OK(ringline_file_open(&full, NULL, "/dev/full", O_WRONLY, 0, NULL));
		conf_fill(data, 1000, 4, 0);
		conf_put(l.peer, data, 1000);
		g_assert_cmpint(ringline_file_receive(reader, 0, 1000, l.conn), ==, -EBADF);
		g_assert_cmpint(ringline_file_receive(full, 0, 1000, l.conn), ==, -ENOSPC);
		if (place_is("fuse")) {
			place_fault("fail write EDQUOT 1");
			g_assert_cmpint(ringline_file_receive(file, 0, 1000, l.conn), ==, -EDQUOT);
			place_fault("short write 100 1\nfail write EIO 1");
			/* the first order met is the failure: nothing of it is written */
			g_assert_cmpint(ringline_file_receive(file, 0, 1000, l.conn), ==, -EIO);
			place_fault("clear\nshort write 100");
		}
		g_assert_cmpint(ringline_file_receive(file, 0, 1000, l.conn), ==, 1000);
		file_check(dir, "file", 1000, 4);
		conf_put(l.peer, data, 10);
		g_assert_cmpint(ringline_conn_recv_exact(l.conn, data, 10), ==, 10);
		CONF_OK(ringline_file_close(full));
		CONF_OK(ringline_file_close(reader));
		close_line(&l);
		CONF_OK(ringline_file_close(file));
		if (place_is("fuse"))
			place_fault("clear");
	}
	g_free(data);
	return 0;
}

static void test_receive_errors(const char *dir)
{
	file_run(dir, receive_errors_main);
}

/* An error after part has been written: the part is told, the rest is still there, and the next call tells the error. */
static int receive_part_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR | O_CREAT);
	struct line l = open_line(0);
	struct ringline_op *op;
	char data[1000];

	conf_fill(data, 1000, 4, 0);
	CONF_OK(ringline_file_receive_begin(&op, file, 0, 1000, l.conn));
	conf_put(l.peer, data, 400);
	CONF_UNTIL(file_length(dir, "file") == 400);
	place_fault("fail write ENOSPC");
	conf_put(l.peer, data + 400, 600);
	g_assert_cmpint(ringline_op_await(op), ==, 400);
	g_assert_cmpint(ringline_file_receive(file, 400, 600, l.conn), ==, -ENOSPC);
	place_fault("clear");
	g_assert_cmpint(ringline_file_receive(file, 400, 600, l.conn), ==, 600);
	file_check(dir, "file", 1000, 4);
	close_line(&l);
	return ringline_file_close(file);
}

static void test_receive_part(const char *dir)
{
	file_run(dir, receive_part_main);
}

/* Nothing comes: it waits, until it is cut, or the file is closed, or the connection is. */
static int receive_ends_main(void *dir)
{
	size_t i;

	for (i = 0; i < 8; i++) {
		struct ringline_file *file = file_open(dir, "file", O_RDWR | O_CREAT | O_TRUNC);
		struct line l = open_line(i % 2);
		struct ringline_op *close = NULL;
		struct ringline_scope *scope;
		struct ringline_op *op;
		char data[10];

		if (i / 2 == 0) {
			scope = file_scope(2 * MSEC);
			g_assert_cmpint(ringline_file_receive(file, 0, 10, l.conn), ==, -ETIME);
			file_scope_end(scope, -ETIME);
		} else {
			CONF_OK(ringline_file_receive_begin(&op, file, 0, 10, l.conn));
			file_turns(4);
			g_assert_cmpint(ringline_op_result(op), ==, -EINPROGRESS);
		}
		switch (i / 2) {
		case 0:
			break;
		case 1:
			CONF_OK(ringline_op_cancel(op));
			g_assert_cmpint(ringline_op_await(op), ==, -ECANCELED);
			break;
		case 2:
			g_assert_cmpint(ringline_file_release(file), ==, -EBUSY);
			CONF_OK(ringline_file_close_begin(&close, file));
			g_assert_cmpint(ringline_op_await(op), ==, -EBADF);
			g_assert_cmpint(ringline_op_await(close), ==, 0);
			break;
		default:
			CONF_OK(ringline_conn_abort(l.conn));
			l.conn = NULL;
			g_assert_cmpint(ringline_op_await(op), <, 0);
			break;
		}
		if (i / 2 < 3) {
			conf_put(l.peer, "0123456789", 10);
			g_assert_cmpint(ringline_conn_recv_exact(l.conn, data, 10), ==, 10);     /* nothing was lost */
			g_assert_cmpmem(data, 10, "0123456789", 10);
		}
		close_line(&l);
		if (!close)
			CONF_OK(ringline_file_close(file));
	}
	return 0;
}

static void test_receive_ends(const char *dir)
{
	file_run(dir, receive_ends_main);
}

#define ROUNDS 200

/* Cut at any moment: what is in the file and what comes after is the stream. */
static int hammer_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR | O_CREAT);
	struct line l = open_line(0);
	struct peer peer;
	uint64_t done = 0;
	uint32_t i;

	start_peer(&peer, l.peer, 2 * MIB, 5, put_all);
	for (i = 0; done < 2 * MIB; i++) {
		struct ringline_scope *scope = file_scope(i < ROUNDS ? i % 13 * 20000 : SEC * 60);
		int64_t n = ringline_file_receive(file, done, RINGLINE_RECEIVE_ALL, l.conn);

		g_assert_true(n > 0 || n == -ETIME);
		done += (uint64_t)MAX(n, 0);
		(void)ringline_scope_close(scope);
	}
	CONF_OK(pthread_join(peer.thread, NULL));
	file_check(dir, "file", 2 * MIB, 5);
	close_line(&l);
	return ringline_file_close(file);
}

static void test_hammer(const char *dir)
{
	file_run(dir, hammer_main);
}

/* What nobody awaits ends with its scope. */
static int scope_main(void *dir)
{
	int i;

	for (i = 0; i < 20; i++) {
		struct ringline_file *file = file_open(dir, "file", O_RDWR);
		struct line l = open_line((size_t)i % 2);
		struct ringline_scope *scope;
		struct ringline_op *op;

		CONF_OK(ringline_scope_open(&scope, NULL));
		CONF_OK(ringline_file_receive_begin(&op, file, 0, 10, l.conn));
		CONF_OK(ringline_file_send_begin(&op, file, 0, SIZE, l.conn));
		file_turns(i % 5);
		if (i % 3)
			file_scope_end(scope, 0);
		CONF_OK(ringline_file_close(file));
		if (i % 3 == 0)
			file_scope_end(scope, 0);
		close_line(&l);
	}
	return 0;
}

static void test_scope(const char *dir)
{
	file_put(dir, "file", SIZE, 1);
	file_run(dir, scope_main);
}

static void add(void)
{
	static const char *const places[] = { "here", "fuse" };
	size_t i;

	for (i = 0; i < 2; i++) {
		place_add("file-conn", places[i], "send-all", test_send);
		place_add("file-conn", places[i], "send-ranges", test_send_ranges);
		place_add("file-conn", places[i], "send-errors", test_send_errors);
		place_add("file-conn", places[i], "send-is-ended-by-a-cut-or-a-close", test_send_ends);
		place_add("file-conn", places[i], "receive-all", test_receive);
		place_add("file-conn", places[i], "receive-ranges", test_receive_ranges);
		place_add("file-conn", places[i], "receive-errors-lose-nothing", test_receive_errors);
		place_add("file-conn", places[i], "receive-is-ended-by-a-cut-or-a-close", test_receive_ends);
		place_add("file-conn", places[i], "receive-hammer-of-cuts", test_hammer);
		place_add("file-conn", places[i], "scope-ends-what-nobody-awaits", test_scope);
	}
	place_add("file-conn", "fuse", "receive-tells-the-part-before-an-error", test_receive_part);
}

int main(int argc, char **argv)
{
	return place_main(argc, argv, "file-conn", add);
}
