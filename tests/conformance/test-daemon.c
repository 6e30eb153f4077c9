/* SPDX-License-Identifier: MIT */
/*
 * A daemon's life on worker threads: many clients at once, clients that vanish, ends in the middle of everything, one
 * start after the other; and sandboxes that forbid io_uring before and behind the library's back.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>

#include "support/conformance.h"

#ifdef HAVE_SECCOMP
#include <seccomp.h>
#endif

/* --- many ----------------------------------------------------------------------------------------------------------- */

#define MANY 1000

/* A thousand connections at once, each with bytes of its own under way in both directions. */
static void a_thousand_at_once(void)
{
	char address[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt = conf_serve(NULL, 2, "tcp:127.0.0.1:0", address, conf_echo, NULL);
	static int fd[MANY];
	char buf[300];

	for (uint32_t i = 0; i < MANY; i++)
		fd[i] = conf_connect_raw(address);
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < MANY; i++) {
			conf_fill(buf, sizeof(buf), i, (uint64_t)round * sizeof(buf));
			conf_put(fd[i], buf, sizeof(buf));
		}
		for (uint32_t i = 0; i < MANY; i++) {
			conf_take(fd[i], buf, sizeof(buf));
			conf_check(buf, sizeof(buf), i, (uint64_t)round * sizeof(buf));
		}
	}
	g_assert_cmpuint(conf_stats(rt).connections, ==, MANY);
	for (uint32_t i = 0; i < MANY; i++)
		close(fd[i]);
	CONF_UNTIL(conf_stats(rt).connections == 0);
	CONF_OK(conf_stop(rt));
}

/* 64 MiB to the daemon and back while the client sends and receives at once; the end of the stream follows the bytes. */
struct pump {
	int fd;
	size_t total;
};

static void *pump_in(void *arg)
{
	const struct pump *p = arg;
	char *buf = g_malloc(65536);

	for (size_t at = 0; at < p->total; at += 65536) {
		conf_fill(buf, 65536, 7, at);
		conf_put(p->fd, buf, 65536);
	}
	shutdown(p->fd, SHUT_WR);
	g_free(buf);
	return NULL;
}

static void sixty_four_mib(enum conf_kind kind)
{
	char address[RINGLINE_ADDRESS_SIZE];
	char room[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt = conf_serve(NULL, 1, conf_address(kind, room), address, conf_echo, NULL);
	struct pump p = { .fd = conf_connect_raw(address), .total = conf_is("tiny") ? 16 << 20 : 64 << 20 };
	char *buf = g_malloc(65536);
	pthread_t thread;

	pthread_create(&thread, NULL, pump_in, &p);
	for (size_t at = 0; at < p.total; at += 65536) {
		conf_take(p.fd, buf, 65536);
		conf_check(buf, 65536, 7, at);
	}
	conf_expect_end(p.fd, 0);
	pthread_join(thread, NULL);
	close(p.fd);
	g_free(buf);
	CONF_UNTIL(conf_stats(rt).connections == 0);
	CONF_OK(conf_stop(rt));
}

/* --- clients that vanish ------------------------------------------------------------------------------------------ */

static _Atomic int send_result;

static void flood(struct ringline_conn *conn, void *arg)
{
	static const char junk[65536];
	ssize_t r;

	(void)arg;
	while ((r = ringline_conn_send(conn, junk, sizeof(junk))) > 0)
		;
	send_result = (int)r;
}

/* The peer resets while the daemon's send waits for room: the send fails with a name, and nothing is left. */
static void reset_in_mid_send(void)
{
	char address[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt = conf_serve(NULL, 1, "tcp:127.0.0.1:0", address, flood, NULL);

	for (int i = 0; i < 20; i++) {
		int fd = conf_connect_raw(address);
		uint64_t before;
		char byte;

		send_result = 0;
		conf_take(fd, &byte, 1);
		do {              /* until the window is full and nothing leaves any more */
			before = conf_stats(rt).bytes_sent;
			conf_pause();
		} while (conf_stats(rt).bytes_sent != before);
		conf_reset(fd);
		CONF_UNTIL(conf_stats(rt).connections == 0 && send_result);
		g_assert_true(send_result == -ECONNRESET || send_result == -EPIPE);
	}
	CONF_OK(conf_stop(rt));
}

/* --- ends ------------------------------------------------------------------------------------------------------------ */

static int sleeper(void *arg)
{
	_Atomic int *parked = arg;

	(*parked)++;
	g_assert_cmpint(ringline_sleep_until(RINGLINE_NEVER), ==, -ECANCELED);
	return 0;
}

static _Atomic int connected;

static int connector(void *arg)
{
	struct ringline_conn *c;
	ssize_t r;
	char byte;

	CONF_OK(ringline_connect(&c, arg, NULL));
	connected++;
	r = ringline_conn_recv(c, &byte, 1);
	g_assert_true(r == -ECANCELED || r == 0);   /* the other end's worker may be the first to stop */
	CONF_OK(ringline_conn_close(c));
	return 0;
}

/* Readers, writers, sleepers, accepts, all parked; the shutdown reaches every one of them, also with no other event. */
static void shutdown_with_everything_in_flight(void)
{
	struct ringline_config config;
	char reads[RINGLINE_ADDRESS_SIZE];
	char floods[RINGLINE_ADDRESS_SIZE];
	static _Atomic int parked;
	struct ringline_runtime *rt;
	int reader[10];
	int writer[10];

	parked = 0;
	connected = 0;
	conf_config(&config);
	config.workers = 2;
	config.drain_timeout = 200 * MSEC;   /* the floods' queued bytes can never leave */
	CONF_OK(ringline_runtime_new(&rt, &config));
	CONF_OK(ringline_runtime_listen(rt, reads, "tcp:127.0.0.1:0", conf_echo, NULL, NULL));
	CONF_OK(ringline_runtime_listen(rt, floods, "tcp:127.0.0.1:0", flood, NULL, NULL));
	CONF_OK(ringline_runtime_on_start(rt, sleeper, &parked));
	CONF_OK(ringline_runtime_start(rt));
	for (int i = 0; i < 10; i++) {
		char byte;

		reader[i] = conf_connect_raw(reads);
		writer[i] = conf_connect_raw(floods);
		conf_take(writer[i], &byte, 1);
		CONF_OK(ringline_worker_spawn(rt, (uint32_t)i % 2, connector, reads));
	}
	CONF_UNTIL(parked == 2 && connected == 10 && conf_stats(rt).connections == 40);
	CONF_OK(conf_stop(rt));
	for (int i = 0; i < 10; i++) {
		close(reader[i]);
		close(writer[i]);
	}
}

/* Two hundred lives of one process on one port: no descriptor more, and the port is free each time. */
static void two_hundred_lives(void)
{
	char address[RINGLINE_ADDRESS_SIZE] = "tcp:127.0.0.1:0";
	unsigned int fds = 0;

	for (int i = 0; i < 200; i++) {
		struct ringline_runtime *rt = conf_serve(NULL, 1, address, address, conf_echo, NULL);
		int fd = conf_connect_raw(address);
		char byte = 'x';

		conf_put(fd, &byte, 1);
		conf_take(fd, &byte, 1);
		if (i % 2) {
			conf_reset(fd);
			CONF_OK(conf_stop(rt));
		} else {
			CONF_OK(conf_stop(rt));
			close(fd);
		}
		if (i == 0)
			fds = conf_count_fds();
		g_assert_cmpuint(conf_count_fds(), ==, fds);
	}
}

static void the_port_is_taken(void)
{
	char address[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt = conf_serve(NULL, 2, "tcp:127.0.0.1:0", address, conf_echo, NULL);
	struct ringline_runtime *second;

	CONF_OK(ringline_runtime_new(&second, NULL));
	g_assert_cmpint(ringline_runtime_listen(second, NULL, address, conf_echo, NULL, NULL), ==, -EADDRINUSE);
	CONF_OK(ringline_runtime_free(second));
	CONF_OK(conf_stop(rt));
}

/* --- handles of another worker ------------------------------------------------------------------------------------ */

struct foreign {
	struct ringline_task *task;
	struct ringline_scope *scope;
	struct ringline_op *op;
	_Atomic int step;
};

static int sleeps(void *arg)
{
	(void)arg;
	g_assert_cmpint(ringline_sleep_until(RINGLINE_NEVER), ==, -ECANCELED);
	return 0;
}

/* Holds a task, a scope and an operation open while somebody else tries them. */
static int owner(void *arg)
{
	struct foreign *f = arg;

	CONF_OK(ringline_scope_open(&f->scope, NULL));
	CONF_OK(ringline_sleep_begin(&f->op, 3600 * SEC));
	CONF_OK(ringline_task_start(&f->task, sleeps, NULL, NULL));
	f->step = 1;
	while (f->step == 1)
		conf_pause();
	CONF_OK(ringline_task_cancel(f->task));
	CONF_OK(ringline_task_detach(f->task));
	CONF_OK(ringline_scope_close(f->scope));
	f->step = 3;
	return 0;
}

static int stranger(void *arg)
{
	struct foreign *f = arg;

	g_assert_cmpint(ringline_task_cancel(f->task), ==, -EPERM);
	g_assert_cmpint(ringline_task_join(f->task, NULL), ==, -EPERM);
	g_assert_cmpint(ringline_scope_cancel(f->scope), ==, -EPERM);
	g_assert_cmpint(ringline_scope_close(f->scope), ==, -EPERM);
	g_assert_cmpint(ringline_op_cancel(f->op), ==, -EPERM);
	g_assert_cmpint((int)ringline_op_await(f->op), ==, -EPERM);
	return 0;
}

static void handles_of_another_worker(void)
{
	static struct foreign f;
	struct ringline_runtime *rt;

	conf_log_allow("does not own");
	f.step = 0;
	rt = conf_serve(NULL, 2, NULL, NULL, NULL, NULL);
	CONF_OK(ringline_worker_spawn(rt, 0, owner, &f));
	CONF_UNTIL(f.step == 1);
	CONF_OK(conf_call(rt, 1, stranger, &f));
	g_assert_true(conf_log_seen("does not own"));
	f.step = 2;
	CONF_UNTIL(f.step == 3);
	CONF_OK(conf_stop(rt));
}

/* --- sandboxes -------------------------------------------------------------------------------------------------------- */

#ifdef HAVE_SECCOMP

/* From now on the process's io_uring system calls end in *action*. */
static void forbid_io_uring(uint32_t action)
{
	static const char *const calls[] = { "io_uring_setup", "io_uring_enter", "io_uring_register" };
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	g_assert_nonnull(filter);
	for (size_t i = 0; i < G_N_ELEMENTS(calls); i++)
		g_assert_cmpint(seccomp_rule_add(filter, action, seccomp_syscall_resolve_name(calls[i]), 0), ==, 0);
	g_assert_cmpint(seccomp_load(filter), ==, 0);
	seccomp_release(filter);
}

static int echo_once(void *arg)
{
	struct ringline_conn *c;
	char bytes[5];

	CONF_OK(ringline_connect(&c, arg, NULL));
	g_assert_cmpint(ringline_conn_send(c, "hello", 5), ==, 5);
	g_assert_cmpint(ringline_conn_recv_exact(c, bytes, 5), ==, 5);
	g_assert_cmpint(memcmp(bytes, "hello", 5), ==, 0);
	CONF_OK(ringline_conn_close(c));
	return 0;
}

static void serve_in_sandbox(uint32_t backend, const char *expected)
{
	struct ringline_config config;
	char address[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt;

	conf_config(&config);
	config.backend = backend;
	rt = conf_serve(&config, 2, "tcp:127.0.0.1:0", address, conf_echo, NULL);
	g_assert_cmpstr(ringline_runtime_backend(rt), ==, expected);
	if (backend == RINGLINE_BACKEND_AUTO)   /* a library built for epoll only has a reason of its own */
		g_assert_true(strstr(ringline_runtime_backend_reason(rt), "forbidden") ||
		              strstr(ringline_runtime_backend_reason(rt), "built without"));
	CONF_OK(conf_call(rt, 0, echo_once, address));
	CONF_OK(conf_call(rt, 1, echo_once, address));
	CONF_OK(conf_stop(rt));
}

/* A single io_uring call would kill this process. */
static void epoll_under_a_deadly_filter(const void *arg)
{
	(void)arg;
	forbid_io_uring(SCMP_ACT_KILL_PROCESS);
	serve_in_sandbox(RINGLINE_BACKEND_EPOLL, "epoll");
}

static void epoll_makes_no_io_uring_call(void)
{
	conf_fork(epoll_under_a_deadly_filter, NULL);
}

static void falls_back_in_child(const void *arg)
{
	struct ringline_config config;
	struct ringline_runtime *rt;
	int r;

	(void)arg;
	forbid_io_uring(SCMP_ACT_ERRNO(EPERM));
	serve_in_sandbox(RINGLINE_BACKEND_AUTO, "epoll");
	g_assert_true(conf_log_seen("epoll instead of io_uring"));

	conf_config(&config);
	config.backend = RINGLINE_BACKEND_IO_URING;
	conf_log_allow("io_uring was demanded");
	CONF_OK(ringline_runtime_new(&rt, &config));
	r = ringline_runtime_start(rt);
	g_assert_true(r == -EPERM || r == -ENOSYS);
	CONF_OK(ringline_runtime_free(rt));
}

static void forbidden_io_uring_falls_back_aloud(void)
{
	conf_fork(falls_back_in_child, NULL);
}

#endif

static void add(void)
{
	conf_add("/daemon/a-thousand-at-once", a_thousand_at_once);
	conf_add_kinds("daemon", "sixty-four-mib-both-ways", sixty_four_mib);
	conf_add("/daemon/reset-in-mid-send", reset_in_mid_send);
	conf_add("/daemon/shutdown-with-everything-in-flight", shutdown_with_everything_in_flight);
	conf_add("/daemon/two-hundred-lives-on-one-port", two_hundred_lives);
	conf_add("/daemon/the-port-is-taken", the_port_is_taken);
	conf_add("/daemon/handles-of-another-worker", handles_of_another_worker);
#ifdef HAVE_SECCOMP
	conf_add("/daemon/epoll-makes-no-io_uring-call", epoll_makes_no_io_uring_call);
	conf_add("/daemon/forbidden-io_uring-falls-back-aloud", forbidden_io_uring_falls_back_aloud);
#endif
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "daemon", add);
}
