/* SPDX-License-Identifier: MIT */
/* From a file and from another connection: every byte, in its place, and nothing lost when it is cut. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/mman.h>

#include "support/conformance.h"

struct pair {
	enum conf_kind kind;
	struct ringline_conn *from;
	struct ringline_conn *to;
	int source;                                   /* the peer of from */
	int sink;                                     /* the peer of to */
	void (*body)(struct pair *p);
};

static int pair_main(void *arg)
{
	struct pair *p = arg;

	p->from = conf_open(p->kind, &p->source);
	p->to = conf_open(p->kind, &p->sink);
	p->body(p);
	if (p->from)
		CONF_OK(ringline_conn_close(p->from));
	if (p->to)
		CONF_OK(ringline_conn_close(p->to));
	if (p->source >= 0)
		close(p->source);
	if (p->sink >= 0)
		close(p->sink);
	return 0;
}

static void run_pair(enum conf_kind kind, void (*body)(struct pair *p))
{
	struct pair p = { .kind = kind, .body = body };

	CONF_OK(conf_run(pair_main, &p));
}

/* --- feeding and draining, in tasks ------------------------------------------------------------------------------- */

struct flow {
	int fd;
	uint32_t seed;
	size_t total;
	size_t piece;
	bool ends;
};

static int put_flow(void *arg)
{
	struct flow f = *(struct flow *)arg;
	unsigned char *data = g_malloc(f.piece);
	size_t at;

	for (at = 0; at < f.total; at += MIN(f.piece, f.total - at)) {
		size_t n = MIN(f.piece, f.total - at);

		conf_fill(data, n, f.seed, at);
		conf_put(f.fd, data, n);
		CONF_OK(ringline_yield());
	}
	g_free(data);
	if (f.ends)
		CONF_OK(shutdown(f.fd, SHUT_WR));
	return 0;
}

static int take_flow(void *arg)
{
	struct flow f = *(struct flow *)arg;
	unsigned char *data = g_malloc(f.piece);
	size_t at;

	for (at = 0; at < f.total; at += MIN(f.piece, f.total - at)) {
		size_t n = MIN(f.piece, f.total - at);

		conf_take(f.fd, data, n);
		conf_check(data, n, f.seed, at);
	}
	g_free(data);
	if (f.ends)
		conf_expect_end(f.fd, 0);
	return 0;
}

static struct ringline_task *start(int (*fn)(void *arg), struct flow *f)
{
	struct ringline_task *t;

	CONF_OK(ringline_task_start(&t, fn, f, NULL));
	return t;
}

static void join(struct ringline_task *t)
{
	int result;

	CONF_OK(ringline_task_join(t, &result));
	CONF_OK(result);
}

/* --- forward ------------------------------------------------------------------------------------------------------ */

static void move_all(struct pair *p, size_t total, size_t piece)
{
	struct flow in = { .fd = p->source, .seed = 1, .total = total, .piece = piece, .ends = true };
	struct flow out = { .fd = p->sink, .seed = 1, .total = total, .piece = piece, .ends = true };
	struct ringline_task *t[2] = { start(put_flow, &in), start(take_flow, &out) };

	g_assert_cmpint(ringline_conn_forward(p->from, p->to, RINGLINE_FORWARD_ALL), ==, (int64_t)total);
	join(t[0]);
	join(t[1]);
}

static void all_body(struct pair *p)
{
	struct ringline_worker_stats s;

	move_all(p, 8u << 20, 100000);
	s = conf_stats(NULL);
	g_assert_cmpuint(s.bytes_lent + s.bytes_spliced, ==, 8u << 20);
	g_assert_cmpuint(s.bytes_spliced, >, 0);
}

static void test_all(enum conf_kind kind)
{
	run_pair(kind, all_body);
}

static void small_body(struct pair *p)
{
	move_all(p, 30000, 100);
	g_assert_cmpuint(conf_stats(NULL).bytes_lent, >, 0);
}

static void test_small(enum conf_kind kind)
{
	run_pair(kind, small_body);
}

/* Large and small in turns: it changes over, and back. */
static void changing_body(struct pair *p)
{
	struct flow in = { .fd = p->source, .seed = 1, .total = 2u << 20, .piece = 200000, .ends = false };
	struct flow out = { .fd = p->sink, .seed = 1, .total = 2u << 20, .piece = 1000, .ends = false };
	struct ringline_task *t[2];
	char text[64];
	int i;
	int round;

	for (round = 0; round < 3; round++) {
		t[0] = start(put_flow, &in);
		t[1] = start(take_flow, &out);
		g_assert_cmpint(ringline_conn_forward(p->from, p->to, 2u << 20), ==, 2u << 20);
		join(t[0]);
		join(t[1]);
		for (i = 0; i < 30; i++) {
			conf_put(p->source, "small one", 9);
			g_assert_cmpint(ringline_conn_forward(p->from, p->to, 9), ==, 9);
			conf_take(p->sink, text, 9);
			g_assert_cmpmem(text, 9, "small one", 9);
		}
	}
}

static void test_changing(enum conf_kind kind)
{
	run_pair(kind, changing_body);
}

/* As many as were asked for, and the rest is still there. */
static void exact_body(struct pair *p)
{
	char text[32];

	conf_put(p->source, "0123456789abcdef", 16);
	g_assert_cmpint(ringline_conn_forward(p->from, p->to, 10), ==, 10);
	conf_take(p->sink, text, 10);
	g_assert_cmpmem(text, 10, "0123456789", 10);
	g_assert_cmpint(ringline_conn_recv_exact(p->from, text, 6), ==, 6);
	g_assert_cmpmem(text, 6, "abcdef", 6);
	g_assert_cmpint(ringline_conn_forward(p->from, p->to, 0), ==, 0);
	g_assert_cmpint(ringline_conn_forward(p->from, p->to, (uint64_t)INT64_MAX + 1), ==, -EINVAL);
	conf_put(p->source, "xyz", 3);
	CONF_OK(shutdown(p->source, SHUT_WR));
	g_assert_cmpint(ringline_conn_forward(p->from, p->to, 10), ==, -ENODATA);
	conf_take(p->sink, text, 3);
	g_assert_cmpint(ringline_conn_forward(p->from, p->to, 10), ==, 0);
	g_assert_cmpint(ringline_conn_send(p->to, "on", 2), ==, 2);   /* a length does not end the stream */
	conf_take(p->sink, text, 2);
}

static void test_exact(enum conf_kind kind)
{
	run_pair(kind, exact_body);
}

/* The sink does not read; the task is cut; what did not leave can still be received. */
static void cut_body(struct pair *p)
{
	const size_t total = 6u << 20;
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct flow in = { .fd = p->source, .seed = 7, .total = total, .piece = 100000, .ends = true };
	struct ringline_conn_info info = { .size = sizeof(info) };
	struct ringline_task *t = start(put_flow, &in);
	unsigned char *data = g_malloc(total);
	struct ringline_scope *scope;
	size_t left;

	conf_shrink(p->sink);
	o.deadline = ringline_now() + 30 * MSEC;
	CONF_OK(ringline_scope_open(&scope, &o));
	g_assert_cmpint(ringline_conn_forward(p->from, p->to, RINGLINE_FORWARD_ALL), ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(scope), ==, -ETIME);
	CONF_OK(ringline_conn_info(p->to, &info));
	left = total - info.bytes_sent;
	g_assert_cmpuint(left, >, 0);
	g_assert_cmpint(ringline_conn_recv_exact(p->from, data, left), ==, (ssize_t)left);
	conf_check(data, left, 7, info.bytes_sent);
	g_assert_cmpint(ringline_conn_recv(p->from, data, 1), ==, 0);
	join(t);
	{
		struct flow out = { .fd = p->sink, .seed = 7, .total = info.bytes_sent, .piece = 100000 };

		join(start(take_flow, &out));
	}
	g_free(data);
}

static void test_cut(enum conf_kind kind)
{
	run_pair(kind, cut_body);
}

static int forward_all(void *arg)
{
	struct pair *p = arg;
	int64_t n = ringline_conn_forward(p->from, p->to, RINGLINE_FORWARD_ALL);

	return n < 0 ? (int)n : 0;
}

/* While one forwards, others do not receive there, and what they send comes after. */
static void turns_body(struct pair *p)
{
	struct ringline_task *t;
	char text[64];

	CONF_OK(ringline_task_start(&t, forward_all, p, NULL));
	conf_put(p->source, "forwarded ", 10);
	conf_take(p->sink, text, 10);
	g_assert_cmpint(ringline_conn_recv(p->from, text, 1), ==, -EBUSY);
	g_assert_cmpint(ringline_conn_forward(p->from, p->to, 1), ==, -EBUSY);
	CONF_OK(ringline_conn_send_nowait(p->to, "mine", 4));
	conf_put(p->source, "more ", 5);
	conf_take(p->sink, text + 10, 5);
	g_assert_cmpmem(text, 15, "forwarded more ", 15);
	CONF_OK(shutdown(p->source, SHUT_WR));
	join(t);
	conf_take(p->sink, text, 4);
	g_assert_cmpmem(text, 4, "mine", 4);
	conf_expect_end(p->sink, 0);
}

static void test_turns(enum conf_kind kind)
{
	run_pair(kind, turns_body);
}

/* Either end closed or aborted under the task, while it waits to receive and while it waits to send. */
static void ended_body(struct pair *p, bool from, bool gracefully, bool full)
{
	int (*const end)(struct ringline_conn *c) = gracefully ? ringline_conn_close : ringline_conn_abort;
	struct flow in = { .fd = p->source, .seed = 1, .total = 3u << 20, .piece = 100000 };
	struct ringline_task *feeder = NULL;
	struct ringline_task *t;
	int result;

	CONF_OK(ringline_task_start(&t, forward_all, p, NULL));
	if (full) {
		conf_shrink(p->sink);
		CONF_OK(ringline_task_start(&feeder, put_flow, &in, NULL));
	}
	CONF_OK(ringline_sleep(10 * MSEC));
	if (from && !full) {
		CONF_OK(end(p->from));
		p->from = NULL;
	} else if (!from) {
		CONF_OK(ringline_conn_abort(p->to));
		p->to = NULL;
	} else {
		CONF_OK(ringline_task_cancel(t));
	}
	CONF_OK(ringline_task_join(t, &result));
	g_assert_cmpint(result, <, 0);
	if (feeder) {
		CONF_OK(ringline_task_cancel(feeder));
		while (conf_take_some(p->sink, (char[4096]){ 0 }, 4096))
			;
		if (p->from) {
			CONF_OK(ringline_conn_abort(p->from));
			p->from = NULL;
		}
	}
}

#define ENDED(name, from, gracefully, full) \
	static void name##_body(struct pair *p) { ended_body(p, from, gracefully, full); } \
	static void test_##name(enum conf_kind kind) { run_pair(kind, name##_body); }

ENDED(from_closed, true, true, false)
ENDED(from_aborted, true, false, false)
ENDED(to_aborted, false, false, false)

/* The sink is gone: its error, once, and the source keeps what was not sent. */
static void dead_sink_body(struct pair *p)
{
	struct flow in = { .fd = p->source, .seed = 1, .total = 600000, .piece = 60000, .ends = true };
	struct ringline_task *t = start(put_flow, &in);
	unsigned char *data = g_malloc(in.total);
	int64_t n;
	ssize_t k;

	conf_reset(p->sink);
	p->sink = -1;
	n = ringline_conn_forward(p->from, p->to, RINGLINE_FORWARD_ALL);
	g_assert_true(n == -EPIPE || n == -ECONNRESET);
	k = 1;
	while (k > 0)
		k = ringline_conn_recv(p->from, data, in.total);
	g_assert_cmpint(k, ==, 0);
	join(t);
	g_free(data);
}

static void test_dead_sink(enum conf_kind kind)
{
	run_pair(kind, dead_sink_body);
}

static void dead_source_body(struct pair *p)
{
	conf_put(p->source, "some", 4);
	if (p->kind == CONF_TCP) {
		conf_reset(p->source);
		p->source = -1;
		g_assert_cmpint(ringline_conn_forward(p->from, p->to, RINGLINE_FORWARD_ALL), ==, -ECONNRESET);
	}
}

static void test_dead_source(enum conf_kind kind)
{
	run_pair(kind, dead_source_body);
}

/* --- sendfile ----------------------------------------------------------------------------------------------------- */

static int make_file(size_t size, uint32_t seed)
{
	char *path = NULL;
	int fd = g_file_open_tmp("ringline-XXXXXX", &path, NULL);
	unsigned char *data = g_malloc(size);

	g_assert_cmpint(fd, >=, 0);
	conf_fill(data, size, seed, 0);
	g_assert_cmpint(write(fd, data, size), ==, (ssize_t)size);
	g_free(data);
	g_unlink(path);
	g_free(path);
	return fd;
}

static void file_body(struct pair *p)
{
	const size_t size = 5u << 20;
	int fd = make_file(size, 8);
	struct flow out = { .fd = p->sink, .seed = 8, .total = size, .piece = 70000 };
	struct ringline_task *t = start(take_flow, &out);
	unsigned char got[100];

	g_assert_cmpint(ringline_conn_sendfile(p->to, fd, 0, size), ==, (int64_t)size);
	join(t);
	g_assert_cmpint(ringline_conn_send(p->to, "|", 1), ==, 1);
	g_assert_cmpint(ringline_conn_sendfile(p->to, fd, 1000, 50), ==, 50);
	g_assert_cmpint(ringline_conn_send(p->to, "|", 1), ==, 1);
	conf_take(p->sink, got, 52);
	g_assert_true(got[0] == '|' && got[51] == '|');
	conf_check(got + 1, 50, 8, 1000);
	g_assert_cmpint(lseek(fd, 0, SEEK_CUR), ==, (off_t)size);
	/* out of the cache: a thread of the pool fetches it */
	fsync(fd);
	CONF_OK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	t = start(take_flow, &out);
	g_assert_cmpint(ringline_conn_sendfile(p->to, fd, 0, size), ==, (int64_t)size);
	join(t);
	close(fd);
}

static void test_file(enum conf_kind kind)
{
	run_pair(kind, file_body);
}

static void file_errors_body(struct pair *p)
{
	int fd = make_file(1000, 8);
	int pipe_fd[2];
	char got[1000];

	g_assert_cmpint(ringline_conn_sendfile(p->to, fd, 0, 0), ==, 0);
	g_assert_cmpint(ringline_conn_sendfile(p->to, -1, 0, 1), ==, -EBADF);
	g_assert_cmpint(ringline_conn_sendfile(p->to, fd, UINT64_MAX, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_sendfile(p->to, fd, 900, 200), ==, -ENODATA);
	conf_take(p->sink, got, 100);
	conf_check(got, 100, 8, 900);
	CONF_OK(pipe(pipe_fd));
	g_assert_cmpint(ringline_conn_sendfile(p->to, pipe_fd[0], 0, 10), <, 0);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	CONF_OK(ringline_conn_shutdown_write(p->to));
	g_assert_cmpint(ringline_conn_sendfile(p->to, fd, 0, 10), ==, -EPIPE);
	conf_expect_end(p->sink, 0);
	close(fd);
}

static void test_file_errors(enum conf_kind kind)
{
	run_pair(kind, file_errors_body);
}

/* A file that no cache can be asked of, and no page moved from, is read and copied. */
static void odd_file_body(struct pair *p)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	char got[50];
	char want[50];

	g_assert_cmpint(pread(fd, want, sizeof(want), 0), ==, sizeof(want));
	g_assert_cmpint(ringline_conn_sendfile(p->to, fd, 0, sizeof(want)), ==, sizeof(want));
	conf_take(p->sink, got, sizeof(got));
	g_assert_cmpmem(got, sizeof(got), want, sizeof(want));
	close(fd);
}

static void test_odd_file(enum conf_kind kind)
{
	run_pair(kind, odd_file_body);
}

static int send_file_task(void *arg)
{
	struct pair *p = arg;
	int fd = make_file(4u << 20, 9);
	int64_t n = ringline_conn_sendfile(p->to, fd, 0, 4u << 20);

	close(fd);
	return n < 0 ? (int)n : 0;
}

/* A peer that does not read: cut, aborted; nothing is left behind. */
static void file_cut_body(struct pair *p)
{
	struct ringline_task *t;
	int result;
	int round;

	conf_shrink(p->sink);
	for (round = 0; round < 2; round++) {
		CONF_OK(ringline_task_start(&t, send_file_task, p, NULL));
		CONF_OK(ringline_sleep(10 * MSEC));
		if (round) {
			CONF_OK(ringline_conn_abort(p->to));
			p->to = NULL;
		} else {
			CONF_OK(ringline_task_cancel(t));
		}
		CONF_OK(ringline_task_join(t, &result));
		g_assert_cmpint(result, ==, round ? -ECONNABORTED : -ECANCELED);
	}
}

static void test_file_cut(enum conf_kind kind)
{
	run_pair(kind, file_cut_body);
}

/* Aborted in the very turn in which the task goes on by itself: it must notice before it waits. */
static int abort_soon(void *arg)
{
	struct pair *p = arg;
	int i;

	for (i = 0; i < 3 && ringline_yield() == 0; i++)
		;
	CONF_OK(ringline_conn_abort(p->to));
	p->to = NULL;
	return 0;
}

static void raced_body(struct pair *p)
{
	int fd = make_file(16u << 20, 9);
	int64_t n;

	conf_shrink(p->sink);
	CONF_OK(ringline_spawn(abort_soon, p));
	n = ringline_conn_sendfile(p->to, fd, 0, 16u << 20);
	g_assert_cmpint(n, ==, -ECONNABORTED);
	close(fd);
}

static void test_raced(enum conf_kind kind)
{
	run_pair(kind, raced_body);
}

static void add(void)
{
	conf_add_kinds("forward", "all-and-the-end", test_all);
	conf_add_kinds("forward", "small-pieces", test_small);
	conf_add_kinds("forward", "large-and-small", test_changing);
	conf_add_kinds("forward", "exactly-as-many", test_exact);
	conf_add_kinds("forward", "cut-loses-nothing", test_cut);
	conf_add_kinds("forward", "turns", test_turns);
	conf_add_kinds("forward", "source-closed-meanwhile", test_from_closed);
	conf_add_kinds("forward", "source-aborted-meanwhile", test_from_aborted);
	conf_add_kinds("forward", "sink-aborted-meanwhile", test_to_aborted);
	conf_add_kinds("forward", "dead-sink", test_dead_sink);
	conf_add_kinds("forward", "dead-source", test_dead_source);
	conf_add_kinds("forward", "sendfile", test_file);
	conf_add_kinds("forward", "sendfile-errors", test_file_errors);
	conf_add_kinds("forward", "sendfile-of-an-odd-file", test_odd_file);
	conf_add_kinds("forward", "sendfile-cut", test_file_cut);
	conf_add_kinds("forward", "sendfile-raced-by-an-abort", test_raced);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "forward", add);
}
