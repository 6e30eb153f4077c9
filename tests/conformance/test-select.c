/* SPDX-License-Identifier: MIT */
/* Select over what the kernel brings: connections, listeners, descriptors, timers, operations; mixed, closed, and idle. */
#include <poll.h>
#include <sys/eventfd.h>

#include "support/conformance.h"

static struct ringline_case on(uint32_t kind, void *object)
{
	return (struct ringline_case){ .kind = kind, .object = object, .result = -1000 };
}

static ssize_t sel(struct ringline_case *c, size_t n)
{
	return ringline_select(c, n, sizeof(*c), RINGLINE_SELECT_BIASED);
}

static int close_conn(void *arg)
{
	return ringline_conn_close(arg);
}

static int abort_conn(void *arg)
{
	return ringline_conn_abort(arg);
}

/* --- connections -------------------------------------------------------------------------------------------------- */

struct kind_arg {
	enum conf_kind kind;
};

static int readable_main(void *arg)
{
	struct ringline_conn *conn[3];
	struct ringline_case c[3];
	char buf[8];
	int peer[3];
	int i;

	for (i = 0; i < 3; i++) {
		conn[i] = conf_open(((struct kind_arg *)arg)->kind, &peer[i]);
		c[i] = on(RINGLINE_CASE_READABLE, conn[i]);
	}
	for (i = 0; i < 30; i++) {
		int k = i * 7 % 3;

		conf_put(peer[k], "hello", 5);
		g_assert_cmpint(sel(c, 3), ==, k);
		g_assert_cmpint(c[k].result, >=, 1);
		g_assert_cmpint(ringline_conn_recv_exact(conn[k], buf, 5), ==, 5);
		g_assert_cmpint(memcmp(buf, "hello", 5), ==, 0);
	}
	close(peer[1]);
	g_assert_cmpint(sel(c, 3), ==, 1);
	g_assert_cmpint(c[1].result, ==, 0);
	g_assert_cmpint(ringline_conn_recv(conn[1], buf, 1), ==, 0);
	CONF_OK(ringline_conn_close(conn[1]));
	c[1].kind = RINGLINE_CASE_NONE;
	CONF_OK(ringline_spawn(close_conn, conn[2]));
	g_assert_cmpint(sel(c, 3), ==, 2);            /* closed by another task during the wait */
	g_assert_cmpint(c[2].result, ==, -ECONNABORTED);
	CONF_OK(ringline_spawn(abort_conn, conn[0]));
	c[2].kind = RINGLINE_CASE_NONE;
	g_assert_cmpint(sel(c, 3), ==, 0);
	g_assert_cmpint(c[0].result, ==, -ECONNABORTED);
	g_assert_cmpint(sel(c, 3), ==, 0);            /* and before it */
	g_assert_cmpint(c[0].result, ==, -EBADF);
	close(peer[0]);
	close(peer[2]);
	return 0;
}

static void test_readable(enum conf_kind kind)
{
	CONF_OK(conf_run(readable_main, &(struct kind_arg){ kind }));
}

static int reset_main(void *arg)
{
	struct ringline_case c;
	int peer;
	struct ringline_conn *conn = conf_open(CONF_TCP, &peer);

	(void)arg;
	c = on(RINGLINE_CASE_READABLE, conn);
	conf_reset(peer);
	g_assert_cmpint(sel(&c, 1), ==, 0);
	g_assert_cmpint(c.result, ==, -ECONNRESET);
	CONF_OK(ringline_conn_close(conn));
	return 0;
}

static void test_reset(void)
{
	CONF_OK(conf_run(reset_main, NULL));
}

struct filler {
	struct ringline_conn *conn;
	char *data;
	size_t size;
	ssize_t result;
	bool done;
};

static int fill_main(void *arg)
{
	struct filler *f = arg;

	f->result = ringline_conn_send(f->conn, f->data, f->size);
	f->done = true;
	return 0;
}

#define FILL (4u << 20)

static int writable_main(void *arg)
{
	struct filler f = { .size = FILL, .data = g_malloc0(FILL) };
	char *sink = g_malloc(FILL);
	struct ringline_case c;
	size_t got = 0;
	int peer;

	f.conn = conf_open(((struct kind_arg *)arg)->kind, &peer);
	conf_shrink(peer);
	CONF_OK(ringline_conn_set_option(f.conn, RINGLINE_CONN_SEND_BUFFER, 65536));   /* the kernel has no room for all */
	c = on(RINGLINE_CASE_WRITABLE, f.conn);
	g_assert_cmpint(sel(&c, 1), ==, 0);
	CONF_OK(ringline_spawn(fill_main, &f));
	CONF_OK(ringline_yield());
	g_assert_cmpint(ringline_select(&c, 1, sizeof(c), RINGLINE_SELECT_NOWAIT), ==, -EAGAIN);
	while (got < FILL) {
		got += conf_take_some(peer, sink, FILL - got);
		CONF_OK(ringline_yield());
	}
	g_assert_cmpint(sel(&c, 1), ==, 0);
	g_assert_cmpint(c.result, ==, 0);
	CONF_UNTIL(f.done);
	g_assert_cmpint(f.result, ==, FILL);
	f.done = false;
	CONF_OK(ringline_spawn(fill_main, &f));
	CONF_OK(ringline_spawn(abort_conn, f.conn));
	CONF_OK(ringline_yield());
	g_assert_cmpint(sel(&c, 1), ==, 0);
	g_assert_cmpint(c.result, ==, -EBADF);
	CONF_UNTIL(f.done);
	g_assert_true(f.result == FILL || f.result == -ECONNABORTED);     /* the kernel may have had room for all */
	close(peer);
	g_free(sink);
	g_free(f.data);
	return 0;
}

static void test_writable(enum conf_kind kind)
{
	CONF_OK(conf_run(writable_main, &(struct kind_arg){ kind }));
}

static int shut_main(void *arg)
{
	struct ringline_case c;
	int peer;
	struct ringline_conn *conn = conf_open(CONF_TCP, &peer);

	(void)arg;
	c = on(RINGLINE_CASE_WRITABLE, conn);
	CONF_OK(ringline_conn_shutdown_write(conn));
	g_assert_cmpint(sel(&c, 1), ==, 0);
	g_assert_cmpint(c.result, ==, -EPIPE);
	CONF_OK(ringline_conn_close(conn));
	close(peer);
	return 0;
}

static void test_shut(void)
{
	CONF_OK(conf_run(shut_main, NULL));
}

/* --- listeners ---------------------------------------------------------------------------------------------------- */

static int accept_main(void *arg)
{
	char room[RINGLINE_ADDRESS_SIZE];
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_listener *l;
	struct ringline_conn *conn;
	struct ringline_case c;
	char buf[4];
	int fd;
	int i;

	CONF_OK(ringline_listener_open(&l, bound, conf_address(((struct kind_arg *)arg)->kind, room), NULL));
	c = on(RINGLINE_CASE_ACCEPT, l);
	for (i = 0; i < 5; i++) {
		fd = conf_connect_raw(bound);
		if (i % 2) {
			g_assert_cmpint(sel(&c, 1), ==, 0);
			g_assert_cmpint(c.result, ==, 1);
		}
		CONF_OK(ringline_listener_accept(l, &conn));
		conf_put(fd, "ping", 4);
		g_assert_cmpint(ringline_conn_recv_exact(conn, buf, 4), ==, 4);
		CONF_OK(ringline_conn_close(conn));
		conf_expect_end(fd, 0);
		close(fd);
	}
	g_assert_cmpint(ringline_select(&c, 1, sizeof(c), RINGLINE_SELECT_NOWAIT), ==, -EAGAIN);
	fd = conf_connect_raw(bound);         /* one that nobody takes */
	g_assert_cmpint(sel(&c, 1), ==, 0);
	CONF_OK(ringline_listener_close(l));
	g_assert_cmpint(ringline_listener_close(l), ==, -EBADF);
	g_assert_cmpint(ringline_listener_accept(l, &conn), ==, -EBADF);
	g_assert_cmpint(sel(&c, 1), ==, 0);
	g_assert_cmpint(c.result, ==, -EBADF);
	close(fd);
	return 0;
}

static void test_accept(enum conf_kind kind)
{
	CONF_OK(conf_run(accept_main, &(struct kind_arg){ kind }));
}

static int close_listener(void *arg)
{
	return ringline_listener_close(arg);
}

static int accept_closed_main(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_listener *l;
	struct ringline_listener *other;
	struct ringline_scope *scope;
	struct ringline_conn *conn;
	struct ringline_case c;

	(void)arg;
	CONF_OK(ringline_listener_open(&l, bound, "tcp:127.0.0.1:0", NULL));
	g_assert_cmpint(ringline_listener_open(&other, NULL, bound, NULL), ==, -EADDRINUSE);
	g_assert_cmpint(ringline_listener_open(NULL, NULL, bound, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_listener_open(&other, NULL, "bad", NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_listener_accept(l, NULL), ==, -EINVAL);
	o.deadline = ringline_now() + 2 * MSEC;
	CONF_OK(ringline_scope_open(&scope, &o));
	g_assert_cmpint(ringline_listener_accept(l, &conn), ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(scope), ==, -ETIME);
	CONF_OK(ringline_spawn(close_listener, l));
	g_assert_cmpint(ringline_listener_accept(l, &conn), ==, -EBADF);
	CONF_OK(ringline_listener_open(&l, bound, "tcp:127.0.0.1:0", NULL));
	CONF_OK(ringline_spawn(close_listener, l));
	c = on(RINGLINE_CASE_ACCEPT, l);
	g_assert_cmpint(sel(&c, 1), ==, 0);
	g_assert_cmpint(c.result, ==, -EBADF);
	CONF_OK(ringline_listener_open(&l, NULL, "tcp:127.0.0.1:0", NULL));
	CONF_OK(ringline_listener_close(NULL));
	return 0;                 /* the last one is the shutdown's to close */
}

/* What the task leaves armed is the shutdown's to end. */
static void run_untidy(int (*fn)(void *arg), void *arg)
{
	struct ringline_runtime *rt = conf_serve(NULL, 1, NULL, NULL, NULL, NULL);

	CONF_OK(conf_call(rt, 0, fn, arg));
	CONF_OK(conf_stop(rt));
}

static void test_accept_closed(void)
{
	run_untidy(accept_closed_main, NULL);
}

static int path_main(void *arg)
{
	struct ringline_listener *l;

	CONF_OK(ringline_listener_open(&l, NULL, arg, NULL));
	g_assert_true(g_file_test((char *)arg + 5, G_FILE_TEST_EXISTS));
	return 0;
}

/* A socket file is removed, whoever closes. */
static void test_path(void)
{
	char path[] = "unix:taken.socket";

	run_untidy(path_main, path);
	g_assert_false(g_file_test(path + 5, G_FILE_TEST_EXISTS));
}

#define CROWD 300

static int crowd_main(void *arg)
{
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_listener *l;
	struct ringline_conn *conn;
	static int fd[CROWD];
	int i;

	(void)arg;
	CONF_OK(ringline_listener_open(&l, bound, "tcp:127.0.0.1:0", NULL));
	for (i = 0; i < CROWD; i++)
		fd[i] = conf_connect_raw(bound);
	CONF_OK(ringline_sleep(5 * MSEC));            /* the queue is full, the rest waits in the kernel */
	for (i = 0; i < CROWD; i++) {
		CONF_OK(ringline_listener_accept(l, &conn));
		CONF_OK(ringline_conn_close(conn));
	}
	for (i = 0; i < CROWD; i++)
		close(fd[i]);
	CONF_OK(ringline_listener_close(l));
	g_assert_cmpuint(conf_stats(NULL).refused, ==, 0);
	return 0;
}

static void test_crowd(void)
{
	CONF_OK(conf_run(crowd_main, NULL));
}

static int limit_main(void *arg)
{
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_listener *l;
	struct ringline_conn *conn[3];
	struct ringline_task *t;
	int fd[3];
	int i;

	(void)arg;
	CONF_OK(ringline_listener_open(&l, bound, "tcp:127.0.0.1:0", NULL));
	for (i = 0; i < 3; i++)
		fd[i] = conf_connect_raw(bound);
	CONF_OK(ringline_listener_accept(l, &conn[0]));
	CONF_OK(ringline_listener_accept(l, &conn[1]));
	CONF_OK(ringline_task_start(&t, close_conn, conn[0], NULL));
	CONF_OK(ringline_listener_accept(l, &conn[2]));       /* waits until there is room */
	CONF_OK(ringline_task_join(t, NULL));
	CONF_OK(ringline_conn_close(conn[1]));
	CONF_OK(ringline_conn_close(conn[2]));
	for (i = 0; i < 3; i++)
		close(fd[i]);
	CONF_OK(ringline_listener_close(l));
	return 0;
}

static void test_limit(void)
{
	struct ringline_config c;

	conf_config(&c);
	c.max_connections = 2;
	CONF_OK(conf_run_with(&c, limit_main, NULL));
}

/* --- connecting as an operation ----------------------------------------------------------------------------------- */

static int connect_main(void *arg)
{
	char address[RINGLINE_ADDRESS_SIZE];
	struct ringline_connect_options o = RINGLINE_CONNECT_OPTIONS_INIT;
	struct ringline_conn *conn[8];
	struct ringline_scope *scope;
	struct ringline_op *op[8];
	int64_t result[8];
	int listener = conf_listen_raw(CONF_TCP, 64, address);
	int i;

	(void)arg;
	for (i = 0; i < 8; i++)
		CONF_OK(ringline_connect_begin(&op[i], &conn[i], i == 7 ? "unix:@nobody-is-here" : address, NULL));
	CONF_OK(ringline_op_await_all(op, 8, result));
	for (i = 0; i < 7; i++) {
		CONF_OK((int)result[i]);
		CONF_OK(ringline_conn_close(conn[i]));
	}
	g_assert_cmpint(result[7], ==, -ECONNREFUSED);
	CONF_OK(ringline_scope_open(&scope, NULL));
	CONF_OK(ringline_connect_begin(&op[0], &conn[0], address, NULL));
	CONF_OK(ringline_connect_begin(&op[1], &conn[1], address, NULL));
	CONF_OK(ringline_sleep(5 * MSEC));
	CONF_OK(ringline_scope_close(scope));         /* nobody took them: they are closed */
	CONF_UNTIL(conf_stats(NULL).connections == 0);
	CONF_OK(ringline_connect_begin(&op[0], &conn[0], address, NULL));
	CONF_OK(ringline_op_cancel(op[0]));
	result[0] = ringline_op_await(op[0]);
	g_assert_true(result[0] == 0 || result[0] == -ECANCELED);
	if (result[0] == 0)
		CONF_OK(ringline_conn_close(conn[0]));
	g_assert_cmpint(ringline_connect_begin(NULL, &conn[0], address, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_connect_begin(&op[0], NULL, address, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_connect_begin(&op[0], &conn[0], "bad", NULL), ==, -EINVAL);
	o.flags = UINT32_C(1) << 30;
	g_assert_cmpint(ringline_connect_begin(&op[0], &conn[0], address, &o), ==, -EINVAL);
	close(listener);
	return 0;
}

static void test_connect(void)
{
	CONF_OK(conf_run(connect_main, NULL));
}

/* An address that does not answer: a listener whose queue is full. The timeout ends it, as does a cancel. */
static int connect_timeout_main(void *arg)
{
	struct ringline_connect_options o = RINGLINE_CONNECT_OPTIONS_INIT;
	char address[RINGLINE_ADDRESS_SIZE];
	struct ringline_conn *conn[4];
	struct ringline_op *op[4];
	int listener = conf_listen_raw(CONF_UNIX, 0, address);
	int filler = conf_connect_raw(address);
	struct ringline_case c[2];

	(void)arg;
	o.timeout = 20 * MSEC;
	CONF_OK(ringline_connect_begin(&op[0], &conn[0], address, &o));
	CONF_OK(ringline_connect_begin(&op[1], &conn[1], address, NULL));
	c[0] = on(RINGLINE_CASE_OP, op[0]);
	c[1] = on(RINGLINE_CASE_OP, op[1]);
	g_assert_cmpint(sel(c, 2), ==, 0);
	g_assert_cmpint(c[0].result, ==, -ETIMEDOUT);
	CONF_OK(ringline_op_cancel(op[1]));
	g_assert_cmpint(sel(c, 2), ==, 1);
	g_assert_cmpint(c[1].result, ==, -ECANCELED);
	close(filler);
	close(listener);
	return 0;
}

static void test_connect_timeout(void)
{
	CONF_OK(conf_run(connect_timeout_main, NULL));
}

/* --- all together ------------------------------------------------------------------------------------------------- */

static int returns_five(void *arg)
{
	CONF_OK(ringline_sleep(MSEC));
	(void)arg;
	return 5;
}

static int job(void *arg)
{
	(void)arg;
	return 6;
}

#define MIX 8

static int mix_main(void *arg)
{
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_fd_watch *watch;
	struct ringline_listener *l;
	struct ringline_timer *timer;
	struct ringline_event *event;
	struct ringline_token *token;
	struct ringline_conn *conn;
	struct ringline_case c[MIX];
	struct ringline_task *t;
	struct ringline_op *op;
	unsigned int seen = 0;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int client;
	int peer;

	(void)arg;
	conn = conf_open(CONF_TCP, &peer);
	CONF_OK(ringline_listener_open(&l, bound, "tcp:127.0.0.1:0", NULL));
	CONF_OK(ringline_timer_new(&timer, NULL));
	CONF_OK(ringline_event_new(&event, NULL));
	CONF_OK(ringline_token_new(&token, NULL));
	CONF_OK(ringline_fd_watch_new(&watch, fd, POLLIN));
	CONF_OK(ringline_task_start(&t, returns_five, NULL, NULL));
	CONF_OK(ringline_blocking_begin(&op, job, NULL, NULL));
	c[0] = on(RINGLINE_CASE_READABLE, conn);
	c[1] = on(RINGLINE_CASE_ACCEPT, l);
	c[2] = on(RINGLINE_CASE_TIMER, timer);
	c[3] = on(RINGLINE_CASE_EVENT, event);
	c[4] = on(RINGLINE_CASE_TOKEN, token);
	c[5] = on(RINGLINE_CASE_FD, watch);
	c[6] = on(RINGLINE_CASE_TASK, t);
	c[7] = on(RINGLINE_CASE_OP, op);
	conf_put(peer, "x", 1);
	client = conf_connect_raw(bound);
	CONF_OK(ringline_timer_set(timer, ringline_now() + MSEC, 0));
	CONF_OK(ringline_event_set(event));
	CONF_OK(ringline_token_cancel(token));
	CONF_OK(eventfd_write(fd, 1));
	while (seen != (1u << MIX) - 1) {
		ssize_t which = ringline_select(c, MIX, sizeof(*c), 0);

		g_assert_true(which >= 0 && which < MIX);
		g_assert_cmpint(c[which % MIX].result, !=, -1000);
		g_assert_cmpuint(seen & 1u << which, ==, 0);
		seen |= 1u << which;
		c[which % MIX].kind = RINGLINE_CASE_NONE;
	}
	g_assert_cmpint(c[0].result, ==, 1);
	g_assert_cmpint(c[1].result, ==, 1);
	g_assert_cmpint(c[2].result, ==, 1);
	g_assert_cmpint(c[5].result, ==, POLLIN);
	g_assert_cmpint(c[6].result, ==, 5);
	g_assert_cmpint(c[7].result, ==, 6);
	CONF_OK(ringline_conn_close(conn));
	CONF_OK(ringline_listener_close(l));
	CONF_OK(ringline_timer_free(timer));
	CONF_OK(ringline_event_free(event));
	ringline_token_unref(token);
	CONF_OK(ringline_fd_watch_free(watch));
	close(client);
	close(peer);
	close(fd);
	return 0;
}

static void test_mix(void)
{
	CONF_OK(conf_run(mix_main, NULL));
}

/* --- idle rounds -------------------------------------------------------------------------------------------------- */

struct ticker {
	struct ringline_event *event;
	int left;
};

static int ticks(void *arg)
{
	struct ticker *t = arg;

	while (t->left--) {
		CONF_OK(ringline_event_set(t->event));
		CONF_OK(ringline_yield());
	}
	return 0;
}

#define TICKS 200

/* Rounds that an event ends, while a connection, a listener, a descriptor and a timer wait: no operation is submitted. */
static int idle_main(void *arg)
{
	struct ringline_fd_watch *watch;
	struct ringline_listener *l;
	struct ringline_timer *timer;
	struct ticker tick = { .left = TICKS };
	struct ringline_timer_options o = RINGLINE_TIMER_OPTIONS_INIT;
	struct ringline_conn *conn;
	struct ringline_case c[5];
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t submitted;
	uint64_t cancelled;
	int peer;
	int i;

	(void)arg;
	conn = conf_open(CONF_TCP, &peer);
	o.clock = RINGLINE_CLOCK_BOOTTIME;
	CONF_OK(ringline_listener_open(&l, NULL, "tcp:127.0.0.1:0", NULL));
	CONF_OK(ringline_timer_new(&timer, &o));
	CONF_OK(ringline_timer_set(timer, ringline_clock_now(o.clock) + 3600 * SEC, 0));
	CONF_OK(ringline_event_new(&tick.event, NULL));
	CONF_OK(ringline_fd_watch_new(&watch, fd, POLLIN));
	c[0] = on(RINGLINE_CASE_READABLE, conn);
	c[1] = on(RINGLINE_CASE_ACCEPT, l);
	c[2] = on(RINGLINE_CASE_FD, watch);
	c[3] = on(RINGLINE_CASE_TIMER, timer);
	c[4] = on(RINGLINE_CASE_EVENT, tick.event);
	g_assert_cmpint(ringline_select(c, 5, sizeof(*c), RINGLINE_SELECT_NOWAIT), ==, -EAGAIN);
	submitted = conf_stats(NULL).operations_submitted;
	cancelled = conf_stats(NULL).operations_cancelled;
	CONF_OK(ringline_spawn(ticks, &tick));
	for (i = 0; i < TICKS; i++) {
		g_assert_cmpint(ringline_select(c, 5, sizeof(*c), 0), ==, 4);
		CONF_OK(ringline_event_reset(tick.event));
	}
	g_assert_cmpuint(conf_stats(NULL).operations_submitted, ==, submitted);
	g_assert_cmpuint(conf_stats(NULL).operations_cancelled, ==, cancelled);
	CONF_OK(ringline_conn_close(conn));
	CONF_OK(ringline_listener_close(l));
	CONF_OK(ringline_timer_free(timer));
	CONF_OK(ringline_event_free(tick.event));
	CONF_OK(ringline_fd_watch_free(watch));
	close(peer);
	close(fd);
	return 0;
}

static void test_idle(void)
{
	CONF_OK(conf_run(idle_main, NULL));
}

/* --- parked for ever ---------------------------------------------------------------------------------------------- */

enum cut {
	BY_DEADLINE,
	BY_TOKEN,
	CUTS
};

struct parked {
	enum cut cut;
	struct ringline_token *token;
	_Atomic bool waits;
};

/* What never becomes ready, of each kind that the kernel has a part in. */
static int parked_main(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_fd_watch *watch;
	struct ringline_listener *l;
	struct ringline_timer *timer;
	struct ringline_scope *scope;
	struct ringline_conn *conn;
	struct ringline_case c[4];
	struct parked *p = arg;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int peer;

	conn = conf_open(CONF_TCP, &peer);
	CONF_OK(ringline_listener_open(&l, NULL, "tcp:127.0.0.1:0", NULL));
	CONF_OK(ringline_timer_new(&timer, NULL));
	CONF_OK(ringline_fd_watch_new(&watch, fd, POLLIN));
	c[0] = on(RINGLINE_CASE_READABLE, conn);
	c[1] = on(RINGLINE_CASE_ACCEPT, l);
	c[2] = on(RINGLINE_CASE_FD, watch);
	c[3] = on(RINGLINE_CASE_TIMER, timer);
	o.deadline = p->cut == BY_DEADLINE ? ringline_now() + 5 * MSEC : 0;
	o.token = p->cut == BY_TOKEN ? p->token : NULL;
	CONF_OK(ringline_scope_open(&scope, &o));
	p->waits = true;
	g_assert_cmpint(ringline_select(c, 4, sizeof(*c), 0), ==, p->cut == BY_DEADLINE ? -ETIME : -ECANCELED);
	g_assert_cmpint(ringline_scope_close(scope), ==, p->cut == BY_DEADLINE ? -ETIME : -ECANCELED);
	CONF_OK(ringline_conn_close(conn));
	CONF_OK(ringline_listener_close(l));
	CONF_OK(ringline_timer_free(timer));
	CONF_OK(ringline_fd_watch_free(watch));
	close(peer);
	close(fd);
	return 0;
}

static void *cancels(void *arg)
{
	struct parked *p = arg;

	CONF_UNTIL(p->waits);
	conf_pause();
	CONF_OK(ringline_token_cancel(p->token));
	return NULL;
}

static void test_parked(void)
{
	struct parked p = { .cut = BY_DEADLINE };
	pthread_t thread;

	CONF_OK(conf_run(parked_main, &p));
	p = (struct parked){ .cut = BY_TOKEN };
	CONF_OK(ringline_token_new(&p.token, NULL));
	CONF_OK(pthread_create(&thread, NULL, cancels, &p));
	CONF_OK(conf_run(parked_main, &p));
	CONF_OK(pthread_join(thread, NULL));
	ringline_token_unref(p.token);
}

/* The token is itself a case, and cancelled by another thread. */
static int token_case_main(void *arg)
{
	struct parked *p = arg;
	struct ringline_case c = on(RINGLINE_CASE_TOKEN, p->token);

	p->waits = true;
	g_assert_cmpint(sel(&c, 1), ==, 0);
	return 0;
}

static void test_token_case(void)
{
	struct parked p = { .cut = BY_TOKEN };
	pthread_t thread;
	int i;

	for (i = 0; i < 20; i++) {
		p.waits = false;
		CONF_OK(ringline_token_new(&p.token, NULL));
		CONF_OK(pthread_create(&thread, NULL, cancels, &p));
		CONF_OK(conf_run(token_case_main, &p));
		CONF_OK(pthread_join(thread, NULL));
		ringline_token_unref(p.token);
	}
}

static int say_so(void *said)
{
	*(bool *)said = true;
	return 0;
}

/* Whoever always finds something ready lets the others go on all the same. */
static int greedy_main(void *arg)
{
	struct ringline_event *event;
	struct ringline_case c;
	bool said = false;

	(void)arg;
	CONF_OK(ringline_event_new(&event, NULL));
	CONF_OK(ringline_event_set(event));
	CONF_OK(ringline_spawn(say_so, &said));
	c = on(RINGLINE_CASE_EVENT, event);
	while (!said)
		g_assert_cmpint(sel(&c, 1), ==, 0);
	return ringline_event_free(event);
}

static void test_greedy(void)
{
	CONF_OK(conf_run(greedy_main, NULL));
}

static int wrong_worker_main(void *arg)
{
	struct ringline_case c = on(RINGLINE_CASE_EVENT, arg);

	g_assert_cmpint(sel(&c, 1), ==, -EPERM);
	return 0;
}

static int make_event(void *arg)
{
	return ringline_event_new(arg, NULL);
}

static int drop_event(void *arg)
{
	return ringline_event_free(arg);
}

static void test_wrong_worker(void)
{
	struct ringline_runtime *rt = conf_serve(NULL, 2, NULL, NULL, NULL, NULL);
	struct ringline_event *e;
	struct ringline_case c;

	CONF_OK(conf_call(rt, 0, make_event, &e));
	CONF_OK(conf_call(rt, 1, wrong_worker_main, e));
	CONF_OK(conf_call(rt, 0, drop_event, e));
	conf_log_allow("outside a task");
	c = on(RINGLINE_CASE_EVENT, e);
	g_assert_cmpint(sel(&c, 1), ==, -EPERM);
	CONF_OK(conf_stop(rt));
}

static void add(void)
{
	conf_add_kinds("select", "readable", test_readable);
	conf_add("/select/readable-is-told-of-a-reset", test_reset);
	conf_add_kinds("select", "writable", test_writable);
	conf_add("/select/writable-after-the-end", test_shut);
	conf_add_kinds("select", "accept", test_accept);
	conf_add("/select/listener-closed-or-cut", test_accept_closed);
	conf_add("/select/listener-removes-its-file", test_path);
	conf_add("/select/listener-with-a-crowd", test_crowd);
	conf_add("/select/listener-at-the-connection-limit", test_limit);
	conf_add("/select/connect-as-an-operation", test_connect);
	conf_add("/select/connect-times-out-or-is-cancelled", test_connect_timeout);
	conf_add("/select/all-together", test_mix);
	conf_add("/select/idle-rounds-submit-nothing", test_idle);
	conf_add("/select/cut-while-parked-for-ever", test_parked);
	conf_add("/select/token-cancelled-by-another-thread", test_token_case);
	conf_add("/select/always-ready-lets-others-go-on", test_greedy);
	conf_add("/select/wrong-worker", test_wrong_worker);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "select", add);
}
