/* SPDX-License-Identifier: MIT */
/* Handlers that are polled: called when something happens, through when they say so, told of every end. */
#include <stdatomic.h>

#include "support/conformance.h"

static struct ringline_runtime *new_runtime(uint32_t max_tasks)
{
	struct ringline_runtime *rt;
	struct ringline_config c;

	conf_config(&c);
	c.workers = 1;
	c.max_tasks = max_tasks;
	c.drain_timeout = 100 * MSEC;
	CONF_OK(ringline_runtime_new(&rt, &c));
	return rt;
}

static struct ringline_runtime *serve_on(struct ringline_runtime *rt, enum conf_kind kind, char *bound,
                                         int (*poll)(struct ringline_conn *conn, void *arg), void *arg)
{
	struct ringline_listen_options o = RINGLINE_LISTEN_OPTIONS_INIT;
	char room[RINGLINE_ADDRESS_SIZE];

	o.poll = poll;
	CONF_OK(ringline_runtime_listen(rt, bound, conf_address(kind, room), NULL, arg, &o));
	CONF_OK(ringline_runtime_start(rt));
	return rt;
}

/* --- traffic ------------------------------------------------------------------------------------------------------ */

static int echo(struct ringline_conn *conn, void *arg)
{
	const void *data;
	ssize_t n;

	(void)arg;
	while ((n = ringline_conn_peek_nowait(conn, &data)) > 0) {
		int r = ringline_conn_send_nowait(conn, data, (size_t)n);

		if (r < 0)
			return r == -EAGAIN ? -EINPROGRESS : r;
		CONF_OK(ringline_conn_consume(conn, (size_t)n));
	}
	return n == -EAGAIN ? -EINPROGRESS : (int)n;
}

/* Through memory of its own, in small pieces. */
static int echo_copied(struct ringline_conn *conn, void *arg)
{
	char buf[700];
	ssize_t n;

	(void)arg;
	while ((n = ringline_conn_recv_nowait(conn, buf, sizeof(buf))) > 0)
		CONF_OK(ringline_conn_send_nowait(conn, buf, (size_t)n));
	return n == -EAGAIN ? -EINPROGRESS : (int)n;
}

static void chat(const char *address, uint32_t seed)
{
	int fd = conf_connect_raw(address);
	char buf[30000];
	size_t n;
	int i;

	for (i = 0; i < 50; i++) {
		n = 1 + (size_t)i * 599 % sizeof(buf);
		conf_fill(buf, n, seed, (uint64_t)i);
		conf_put(fd, buf, n);
		conf_take(fd, buf, n);
		conf_check(buf, n, seed, (uint64_t)i);
	}
	CONF_OK(shutdown(fd, SHUT_WR));
	conf_expect_end(fd, 0);
	close(fd);
}

static void traffic(enum conf_kind kind, int (*poll)(struct ringline_conn *conn, void *arg))
{
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt = serve_on(new_runtime(0), kind, bound, poll, NULL);
	uint32_t i;

	for (i = 0; i < 5; i++)
		chat(bound, i);
	CONF_OK(conf_stop(rt));
}

static void test_lent(enum conf_kind kind)
{
	traffic(kind, echo);
}

static void test_copied(enum conf_kind kind)
{
	traffic(kind, echo_copied);
}

/* A peer that sends and does not read stops the handler, and finds everything when it does. */
static void *writes(void *arg)
{
	char buf[4096];
	uint64_t done;

	for (done = 0; done < (4u << 20); done += sizeof(buf)) {
		conf_fill(buf, sizeof(buf), 5, done);
		conf_put(*(int *)arg, buf, sizeof(buf));
	}
	return NULL;
}

static void test_room(enum conf_kind kind)
{
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt = serve_on(new_runtime(0), kind, bound, echo, NULL);
	int fd = conf_connect_raw(bound);
	char buf[4096];
	pthread_t thread;
	uint64_t done;

	CONF_OK(pthread_create(&thread, NULL, writes, &fd));
	CONF_UNTIL(conf_stats(rt).bytes_received > (256u << 10));
	for (done = 0; done < (4u << 20); done += sizeof(buf)) {
		conf_take(fd, buf, sizeof(buf));
		conf_check(buf, sizeof(buf), 5, done);
	}
	CONF_OK(pthread_join(thread, NULL));
	close(fd);
	CONF_OK(conf_stop(rt));
}

static void expect_dump(struct ringline_runtime *rt, const char *line)
{
	char text[4096] = "";
	int fd[2];

	CONF_OK(pipe(fd));
	CONF_OK(ringline_runtime_dump(rt, fd[1]));
	g_assert_cmpint(read(fd[0], text, sizeof(text) - 1), >, 0);
	g_assert_nonnull(strstr(text, line));
	close(fd[0]);
	close(fd[1]);
}

/* Idle connections have no tasks. */
static void test_idle(enum conf_kind kind)
{
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt = serve_on(new_runtime(0), kind, bound, echo, NULL);
	struct ringline_worker_stats s;
	char byte = 'x';
	int fd[100];
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(fd); i++)
		fd[i] = conf_connect_raw(bound);
	for (i = 0; i < G_N_ELEMENTS(fd); i++) {
		conf_put(fd[i], &byte, 1);
		conf_take(fd[i], &byte, 1);
	}
	do {
		conf_pause();
		s = conf_stats(rt);
	} while (s.tasks_started != s.tasks_ended);
	g_assert_cmpuint(s.connections, ==, G_N_ELEMENTS(fd));
	expect_dump(rt, "100 handlers without stacks wait for their connections");
	for (i = 0; i < G_N_ELEMENTS(fd); i++)
		close(fd[i]);
	CONF_OK(conf_stop(rt));
}

/* --- ends --------------------------------------------------------------------------------------------------------- */

/* What handlers with a state of their own saw last. */
struct ends {
	_Atomic int begun;
	_Atomic int ended;
	_Atomic int last;
	int limit;                        /* they set this idle timeout, milliseconds; 0: none */
	bool stubborn;                    /* they go on whatever they are told */
};

struct state {
	struct ends *ends;
	int calls;
};

static int goes_on(struct ringline_conn *conn, void *arg)
{
	struct state *s = arg;
	char byte;
	ssize_t n;

	s->calls++;
	while ((n = ringline_conn_recv_nowait(conn, &byte, 1)) > 0)
		CONF_OK(ringline_conn_send_nowait(conn, &byte, 1));
	s->ends->last = (int)n;
	if (n == -EAGAIN || (s->ends->stubborn && n == -ECANCELED))
		return -EINPROGRESS;
	s->ends->ended++;
	g_free(s);
	return (int)n;
}

/* The first call knows the listener's arg, the next ones the connection's. */
static int first(struct ringline_conn *conn, void *arg)
{
	struct ends *e = arg;
	struct state *s = g_new0(struct state, 1);

	if (e->limit)
		CONF_OK(ringline_conn_set_option(conn, RINGLINE_CONN_IDLE_TIMEOUT, e->limit * (int64_t)MSEC));
	s->ends = e;
	e->begun++;
	g_assert_cmpint(ringline_conn_set_poll(conn, NULL, s), ==, -EINVAL);
	CONF_OK(ringline_conn_set_poll(conn, goes_on, s));
	g_assert_cmpint(ringline_yield(), ==, -EDEADLK);
	g_assert_cmpint(ringline_conn_recv(conn, s, 1), ==, -EDEADLK);
	return goes_on(conn, s);
}

struct party {
	struct ringline_runtime *rt;
	struct ends ends;
	int fd[20];
};

static void meet(struct party *p, enum conf_kind kind)
{
	char bound[RINGLINE_ADDRESS_SIZE];
	char byte = 'y';
	size_t i;

	p->rt = serve_on(new_runtime(0), kind, bound, first, &p->ends);
	for (i = 0; i < G_N_ELEMENTS(p->fd); i++) {
		p->fd[i] = conf_connect_raw(bound);
		conf_put(p->fd[i], &byte, 1);
		conf_take(p->fd[i], &byte, 1);
	}
	g_assert_cmpint(p->ends.begun, ==, G_N_ELEMENTS(p->fd));
	if (!p->ends.limit)               /* who has one may have waited too long for the last to come */
		g_assert_cmpint(p->ends.ended, ==, 0);
}

static void part(struct party *p, bool running)
{
	size_t i;

	if (running)
		CONF_OK(conf_stop(p->rt));
	for (i = 0; i < G_N_ELEMENTS(p->fd); i++)
		if (p->fd[i] >= 0)
			close(p->fd[i]);
	g_assert_cmpint(p->ends.ended, ==, G_N_ELEMENTS(p->fd));
}

static void test_reset(enum conf_kind kind)
{
	struct party p = { .rt = NULL };
	size_t i;

	meet(&p, kind);
	for (i = 0; i < G_N_ELEMENTS(p.fd); i++) {
		conf_reset(p.fd[i]);
		p.fd[i] = -1;
	}
	CONF_UNTIL(p.ends.ended == G_N_ELEMENTS(p.fd));
	part(&p, true);
}

static void test_drain(enum conf_kind kind)
{
	struct party p = { .rt = NULL };

	meet(&p, kind);
	part(&p, true);
	g_assert_cmpint(p.ends.last, ==, -ECANCELED);
}

/* A handler that ignores the drain is told again when its connection is cut off. */
static void test_stubborn(enum conf_kind kind)
{
	struct party p = { .ends.stubborn = true };

	meet(&p, kind);
	part(&p, true);
	g_assert_cmpint(p.ends.last, ==, -EBADF);
}

static void test_timeout(enum conf_kind kind)
{
	struct party p = { .ends.limit = 20 };

	meet(&p, kind);
	CONF_UNTIL(p.ends.ended == G_N_ELEMENTS(p.fd));
	g_assert_cmpint(p.ends.last, ==, -ETIMEDOUT);
	part(&p, true);
}

static int abort_one(struct ringline_conn *conn, void *arg)
{
	(void)arg;
	return ringline_conn_abort(conn);
}

static int abort_all(void *arg)
{
	(void)arg;
	return ringline_conn_each(abort_one, NULL);
}

/* Somebody else closes the connections of handlers that are not running. */
static void test_aborted(enum conf_kind kind)
{
	struct party p = { .rt = NULL };

	meet(&p, kind);
	CONF_OK(conf_call(p.rt, 0, abort_all, NULL));
	CONF_UNTIL(p.ends.ended == G_N_ELEMENTS(p.fd));
	g_assert_cmpint(p.ends.last, ==, -EBADF);
	part(&p, true);
}

/* --- what is left behind between two calls ------------------------------------------------------------------------- */

struct slow {
	struct ringline_op *op;
	struct ringline_conn *conn;
	_Atomic int children;
	_Atomic int calls;
	_Atomic uint64_t id;
};

static int child(void *arg)
{
	struct slow *s = arg;

	CONF_OK(ringline_sleep(5 * MSEC));
	s->children++;
	return 0;
}

/* Answers after a while: an operation and a child keep its task between the calls. */
static int waits_for_op(struct ringline_conn *conn, void *arg)
{
	struct slow *s = arg;
	int64_t r;

	s->calls++;
	if (!s->op) {
		s->id = ringline_task_id();
		CONF_OK(ringline_spawn(child, s));
		CONF_OK(ringline_sleep_begin(&s->op, 20 * MSEC));
	}
	g_assert_cmpuint(s->id, ==, ringline_task_id());
	r = ringline_op_result(s->op);
	if (r == -EINPROGRESS)
		return -EINPROGRESS;
	CONF_OK(r);
	return ringline_conn_send_nowait(conn, "!", 1);
}

static void test_operation(enum conf_kind kind)
{
	struct slow s = { .op = NULL };
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt = serve_on(new_runtime(0), kind, bound, waits_for_op, &s);
	int fd = conf_connect_raw(bound);
	char byte;

	conf_take(fd, &byte, 1);
	conf_expect_end(fd, 0);
	g_assert_cmpint(s.children, ==, 1);
	g_assert_cmpint(s.calls, >=, 2);
	close(fd);
	CONF_OK(conf_stop(rt));
}

/* A child that still names the connection when its handler is through. */
static int late_child(void *arg)
{
	struct slow *s = arg;

	CONF_OK(ringline_sleep(10 * MSEC));
	g_assert_cmpint(ringline_conn_send_nowait(s->conn, "?", 1), ==, -EBADF);
	s->children++;
	return 0;
}

static int leaves_a_child(struct ringline_conn *conn, void *arg)
{
	struct slow *s = arg;

	s->calls++;
	s->conn = conn;
	CONF_OK(ringline_spawn(late_child, s));
	return 0;
}

static void test_late_child(enum conf_kind kind)
{
	struct slow s = { .op = NULL };
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt = serve_on(new_runtime(0), kind, bound, leaves_a_child, &s);
	int fd = conf_connect_raw(bound);

	conf_expect_end(fd, 0);
	CONF_UNTIL(s.children == 1);
	g_assert_cmpint(s.calls, ==, 1);
	close(fd);
	CONF_OK(conf_stop(rt));
}

static int user(void *arg)
{
	struct ringline_conn *conn = arg;
	char byte;

	g_assert_cmpint(ringline_conn_recv(conn, &byte, 1), ==, 1);
	g_assert_cmpint(ringline_conn_send(conn, &byte, 1), ==, 1);
	CONF_OK(ringline_conn_close(conn));
	return 0;
}

static int keeps(struct ringline_conn *conn, void *arg)
{
	(void)arg;
	CONF_OK(ringline_conn_keep(conn));
	CONF_OK(ringline_worker_spawn(arg, 0, user, conn));
	return 0;
}

static void test_keep(enum conf_kind kind)
{
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt = new_runtime(0);
	char byte = 'k';
	int fd;

	serve_on(rt, kind, bound, keeps, rt);
	fd = conf_connect_raw(bound);
	conf_put(fd, &byte, 1);
	conf_take(fd, &byte, 1);
	conf_expect_end(fd, 0);
	close(fd);
	CONF_OK(conf_stop(rt));
}

/* --- limits and misuse -------------------------------------------------------------------------------------------- */

struct hogs {
	_Atomic int running;
	_Atomic bool over;
};

static int hog(void *arg)
{
	struct hogs *h = arg;

	h->running++;
	while (!h->over && ringline_sleep(MSEC) == 0)
		;
	return 0;
}

/* Input that there is no task for waits until there is. */
static void test_no_task(enum conf_kind kind)
{
	struct hogs h = { .running = 0 };
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt = serve_on(new_runtime(4), kind, bound, echo, NULL);
	int fd = conf_connect_raw(bound);
	struct ringline_worker_stats s;
	char byte = 'z';
	int i;

	do {
		conf_pause();
		s = conf_stats(rt);
	} while (s.connections != 1 || s.tasks_started != s.tasks_ended);
	for (i = 0; i < 4; i++)
		CONF_OK(ringline_worker_spawn(rt, 0, hog, &h));
	CONF_UNTIL(h.running == 4);
	conf_put(fd, &byte, 1);
	CONF_UNTIL(conf_stats(rt).bytes_received == 1);
	g_assert_cmpuint(conf_stats(rt).bytes_sent, ==, 0);
	h.over = true;
	conf_take(fd, &byte, 1);
	close(fd);
	CONF_OK(conf_stop(rt));
}

static void fiber(struct ringline_conn *conn, void *arg)
{
	g_assert_cmpint(ringline_conn_set_poll(conn, echo, arg), ==, -EINVAL);
}

static int opens(void *arg)
{
	struct ringline_listen_options o = RINGLINE_LISTEN_OPTIONS_INIT;
	struct ringline_listener *l;
	char byte;

	(void)arg;
	o.poll = echo;
	g_assert_cmpint(ringline_listener_open(&l, NULL, "tcp:127.0.0.1:0", &o), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_recv_nowait(NULL, &byte, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_peek_nowait(NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_set_poll(NULL, echo, NULL), ==, -EINVAL);
	return 0;
}

static void test_misuse(enum conf_kind kind)
{
	struct ringline_listen_options o = RINGLINE_LISTEN_OPTIONS_INIT;
	char bound[RINGLINE_ADDRESS_SIZE];
	char room[RINGLINE_ADDRESS_SIZE];
	const char *address = conf_address(kind, room);
	struct ringline_runtime *rt = new_runtime(0);
	int fd;

	g_assert_cmpint(ringline_runtime_listen(rt, bound, address, NULL, NULL, NULL), ==, -EINVAL);
	o.poll = echo;
	g_assert_cmpint(ringline_runtime_listen(rt, bound, address, fiber, NULL, &o), ==, -EINVAL);
	CONF_OK(ringline_runtime_listen(rt, bound, address, fiber, NULL, NULL));
	CONF_OK(ringline_runtime_start(rt));
	fd = conf_connect_raw(bound);
	conf_expect_end(fd, 0);
	close(fd);
	CONF_OK(conf_call(rt, 0, opens, NULL));
	CONF_OK(conf_stop(rt));
}

static void one_line(struct conf_line *l)
{
	char buf[4];
	const void *data;

	g_assert_cmpint(ringline_conn_recv_nowait(l->conn, NULL, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_peek_nowait(l->conn, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_recv_nowait(l->conn, buf, 0), ==, 0);
	g_assert_cmpint(ringline_conn_peek_nowait(l->conn, &data), ==, -EAGAIN);
	conf_put(l->peer, "abc", 3);
	CONF_OK(ringline_conn_wait_readable(l->conn));
	g_assert_cmpint(ringline_conn_peek_nowait(l->conn, &data), ==, 3);
	g_assert_cmpint(ringline_conn_recv_nowait(l->conn, buf, 2), ==, 2);
	g_assert_cmpint(ringline_conn_recv_nowait(l->conn, buf, 4), ==, 1);
	g_assert_cmpint(buf[0], ==, 'c');
	CONF_OK(shutdown(l->peer, SHUT_WR));
	CONF_OK(ringline_conn_wait_readable(l->conn));
	g_assert_cmpint(ringline_conn_recv_nowait(l->conn, buf, 4), ==, 0);
}

/* The calls in a task with a stack. */
static void test_in_fiber(enum conf_kind kind)
{
	conf_run_line(kind, one_line);
}

static void add_cases(void)
{
	conf_add_kinds("handler", "lent", test_lent);
	conf_add_kinds("handler", "copied", test_copied);
	conf_add_kinds("handler", "waits-for-room", test_room);
	conf_add_kinds("handler", "idle-has-no-task", test_idle);
	conf_add_kinds("handler", "reset", test_reset);
	conf_add_kinds("handler", "drained", test_drain);
	conf_add_kinds("handler", "ignores-the-drain", test_stubborn);
	conf_add_kinds("handler", "idle-timeout", test_timeout);
	conf_add_kinds("handler", "aborted-by-another", test_aborted);
	conf_add_kinds("handler", "operation-between-calls", test_operation);
	conf_add_kinds("handler", "child-outlives-it", test_late_child);
	conf_add_kinds("handler", "keep", test_keep);
	conf_add_kinds("handler", "no-task-for-it", test_no_task);
	conf_add_kinds("handler", "misuse", test_misuse);
	conf_add_kinds("handler", "in-a-fiber", test_in_fiber);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "handler", add_cases);
}
