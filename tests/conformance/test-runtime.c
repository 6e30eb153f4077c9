/* SPDX-License-Identifier: MIT */
/* Runtimes: starting, stopping, running on the caller's thread, and what they tell about themselves. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>

#include "support/conformance.h"

static struct ringline_runtime *new_runtime(uint32_t workers)
{
	struct ringline_runtime *rt;
	struct ringline_config c;

	conf_config(&c);
	c.workers = workers;
	CONF_OK(ringline_runtime_new(&rt, &c));
	return rt;
}

static int forever(void *arg)
{
	if (arg)
		g_atomic_int_inc((int *)arg);
	return ringline_sleep_until(RINGLINE_NEVER);
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int count_up(void *arg)
{
	g_atomic_int_inc((int *)arg);
	return 0;
}

/* --- starting ----------------------------------------------------------------------------------------------------- */

/* A socket on the same port that does not share: whoever listens second is refused. */
static int rival_of(const char *bound)
{
	static const int on = 1;
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_port = htons((uint16_t)atoi(strrchr(bound, ':') + 1));
	CONF_OK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	CONF_OK(bind(fd, (struct sockaddr *)&in, sizeof(in)));
	CONF_OK(listen(fd, 1));
	return fd;
}

static void expect_echo(const char *bound)
{
	int fd = conf_connect_raw(bound);
	char byte = '?';

	conf_pause();             /* the server looks before there is anything to see */
	conf_put(fd, &byte, 1);
	conf_take(fd, &byte, 1);
	close(fd);
}

/* When one listener fails none accepts, nothing is left behind, and it may be tried again. */
static void fail_and_retry(int workers)
{
	struct ringline_runtime *rt = new_runtime((uint32_t)workers);
	struct ringline_worker_stats s = RINGLINE_WORKER_STATS_INIT;
	char local[RINGLINE_ADDRESS_SIZE];
	char good[RINGLINE_ADDRESS_SIZE];
	char bad[RINGLINE_ADDRESS_SIZE];
	int started = 0;
	int rival;
	int i;

	CONF_OK(ringline_runtime_on_start(rt, count_up, &started));
	CONF_OK(ringline_runtime_listen(rt, NULL, conf_address(CONF_UNIX, local), conf_echo, NULL, NULL));
	CONF_OK(ringline_runtime_listen(rt, good, "tcp:127.0.0.1:0", conf_echo, NULL, NULL));
	CONF_OK(ringline_runtime_listen(rt, bad, "tcp:127.0.0.1:0", conf_echo, NULL, NULL));
	rival = rival_of(bad);
	for (i = 0; i < 3; i++) {
		g_assert_cmpint(ringline_runtime_start(rt), ==, -EADDRINUSE);
		g_assert_cmpint(conf_try_connect_raw(good), ==, -ECONNREFUSED);
		g_assert_cmpint(conf_try_connect_raw(local), ==, -ECONNREFUSED);
		g_assert_null(ringline_runtime_backend(rt));
		g_assert_cmpint(ringline_worker_stats(rt, 0, &s), ==, -ENOTCONN);
	}
	g_assert_cmpint(started, ==, 0);
	close(rival);
	CONF_OK(ringline_runtime_start(rt));
	expect_echo(local);
	for (i = 0; i < 4 * workers; i++) {
		expect_echo(good);
		expect_echo(bad);
	}
	CONF_UNTIL(g_atomic_int_get(&started) == workers);
	CONF_OK(conf_stop(rt));
}

static void test_transactional(void)
{
	fail_and_retry(1);
	fail_and_retry(2);
}

/* One that was never started, and one that failed to, are freed whole. */
static void test_free_unstarted(void)
{
	struct ringline_runtime *rt = new_runtime(3);
	char bound[RINGLINE_ADDRESS_SIZE];
	int rival;

	CONF_OK(ringline_runtime_on_start(rt, nothing, NULL));
	CONF_OK(ringline_runtime_listen(rt, bound, "tcp:127.0.0.1:0", conf_echo, NULL, NULL));
	CONF_OK(ringline_runtime_free(rt));
	rt = new_runtime(3);
	CONF_OK(ringline_runtime_listen(rt, bound, "tcp:127.0.0.1:0", conf_echo, NULL, NULL));
	rival = rival_of(bound);
	g_assert_cmpint(ringline_runtime_start(rt), ==, -EADDRINUSE);
	close(rival);
	CONF_OK(ringline_runtime_free(rt));
}

static void test_busy(void)
{
	struct ringline_runtime *rt = new_runtime(1);

	g_assert_cmpint(ringline_runtime_join(rt), ==, -ENOTCONN);
	g_assert_cmpint(ringline_worker_spawn(rt, 0, nothing, NULL), ==, -ESHUTDOWN);
	g_assert_cmpstr(ringline_runtime_backend_reason(rt), ==, "");
	CONF_OK(ringline_runtime_start(rt));
	g_assert_cmpint(ringline_runtime_start(rt), ==, -EBUSY);
	g_assert_cmpint(ringline_runtime_run(rt), ==, -EBUSY);
	g_assert_cmpint(ringline_runtime_free(rt), ==, -EBUSY);
	g_assert_cmpint(ringline_runtime_on_start(rt, nothing, NULL), ==, -EBUSY);
	CONF_OK(ringline_runtime_shutdown(rt));
	CONF_OK(ringline_runtime_shutdown(rt));
	CONF_OK(ringline_runtime_join(rt));
	CONF_OK(ringline_runtime_join(rt));
	CONF_OK(ringline_runtime_shutdown(rt));
	g_assert_cmpint(ringline_worker_spawn(rt, 0, nothing, NULL), ==, -ESHUTDOWN);
	g_assert_cmpint(ringline_runtime_listen(rt, NULL, "tcp:127.0.0.1:0", conf_echo, NULL, NULL), ==, -ESHUTDOWN);
	g_assert_cmpint(ringline_runtime_start(rt), ==, -EBUSY);
	conf_finish(rt);
}

/* --- workers ------------------------------------------------------------------------------------------------------ */

static int own_index(void *arg)
{
	struct ringline_runtime *rt = arg;

	g_assert_true(ringline_runtime_current() == rt);
	return ringline_worker_index();
}

static void test_workers(void)
{
	struct ringline_runtime *rt = new_runtime(4);
	int started = 0;
	uint32_t i;

	CONF_OK(ringline_runtime_on_start(rt, count_up, &started));
	CONF_OK(ringline_runtime_on_start(rt, count_up, &started));
	g_assert_cmpuint(ringline_runtime_workers(rt), ==, 4);
	CONF_OK(ringline_runtime_start(rt));
	g_assert_cmpstr(ringline_runtime_backend(rt), ==, conf_is("epoll") ? "epoll" : "io_uring");
	for (i = 0; i < 4; i++)
		g_assert_cmpint(conf_call(rt, i, own_index, rt), ==, i);
	CONF_UNTIL(g_atomic_int_get(&started) == 8);
	CONF_OK(conf_stop(rt));
}

/* As many as there are processors to use, and pinned without harm. */
static void test_default_workers(void)
{
	struct ringline_runtime *rt;
	struct ringline_config c;
	int started = 0;

	conf_config(&c);
	c.flags = 0;
	CONF_OK(ringline_runtime_new(&rt, &c));
	g_assert_cmpuint(ringline_runtime_workers(rt), >=, 1);
	CONF_OK(ringline_runtime_on_start(rt, count_up, &started));
	CONF_OK(ringline_runtime_start(rt));
	CONF_UNTIL(g_atomic_int_get(&started) == (int)ringline_runtime_workers(rt));
	CONF_OK(conf_stop(rt));
}

#define SPAWNS 2000

struct spawner {
	struct ringline_runtime *rt;
	int *count;
};

static void *spawn_many(void *arg)
{
	struct spawner *s = arg;
	int i;

	for (i = 0; i < SPAWNS; i++)
		CONF_OK(ringline_worker_spawn(s->rt, (uint32_t)i % 2, count_up, s->count));
	return NULL;
}

static void test_spawn_from_threads(void)
{
	struct ringline_runtime *rt = conf_serve(NULL, 2, NULL, NULL, NULL, NULL);
	int count = 0;
	struct spawner s = { rt, &count };
	pthread_t thread[4];
	int i;

	for (i = 0; i < 4; i++)
		CONF_OK(pthread_create(&thread[i], NULL, spawn_many, &s));
	for (i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	CONF_UNTIL(g_atomic_int_get(&count) == 4 * SPAWNS);
	CONF_UNTIL(conf_stats(rt).messages == 4 * SPAWNS);
	CONF_OK(conf_stop(rt));
}

struct gate {
	int reached;
	int open;
};

/* Holds up the worker, as no task should. */
static int block_worker(void *arg)
{
	struct gate *g = arg;

	g_atomic_int_set(&g->reached, 1);
	while (!g_atomic_int_get(&g->open))
		g_usleep(100);
	return 0;
}

static void test_inbox_limit(void)
{
	struct gate g = { 0, 0 };
	struct ringline_runtime *rt;
	struct ringline_config c;
	int count = 0;
	int i;

	conf_config(&c);
	c.inbox_limit = 3;
	rt = conf_serve(&c, 1, NULL, NULL, NULL, NULL);
	CONF_OK(ringline_worker_spawn(rt, 0, block_worker, &g));
	CONF_UNTIL(g_atomic_int_get(&g.reached));
	for (i = 0; i < 3; i++)
		CONF_OK(ringline_worker_spawn(rt, 0, count_up, &count));
	g_assert_cmpint(ringline_worker_spawn(rt, 0, count_up, &count), ==, -EAGAIN);
	g_atomic_int_set(&g.open, 1);
	CONF_UNTIL(g_atomic_int_get(&count) == 3);
	CONF_OK(ringline_worker_spawn(rt, 0, count_up, &count));
	CONF_UNTIL(g_atomic_int_get(&count) == 4);
	CONF_OK(conf_stop(rt));
}

/* An idle worker is not woken by anything. */
static void test_idle(void)
{
	struct ringline_runtime *rt = conf_serve(NULL, 1, NULL, NULL, NULL, NULL);
	struct ringline_worker_stats before;
	struct ringline_worker_stats after;

	CONF_OK(conf_call(rt, 0, nothing, NULL));
	do {
		before = conf_stats(rt);
		g_usleep(20000);
		after = conf_stats(rt);
	} while (before.waits != after.waits);
	g_usleep(300000);
	after = conf_stats(rt);
	g_assert_cmpuint(after.waits, ==, before.waits);
	g_assert_cmpuint(after.system_calls, ==, before.system_calls);
	CONF_OK(conf_stop(rt));
}

/* --- on_start ----------------------------------------------------------------------------------------------------- */

static int fail_on_first(void *arg)
{
	(void)arg;
	return ringline_worker_index() == 0 ? -EIO : ringline_sleep_until(RINGLINE_NEVER);
}

static void test_on_start_error(void)
{
	struct ringline_runtime *rt = new_runtime(3);

	CONF_OK(ringline_runtime_on_start(rt, fail_on_first, NULL));
	CONF_OK(ringline_runtime_start(rt));
	g_assert_cmpint(ringline_runtime_join(rt), ==, -EIO);
	conf_finish(rt);
}

/* One that lives as long as the runtime ends because it is cancelled, which is no error. */
static void test_on_start_forever(void)
{
	struct ringline_runtime *rt = new_runtime(2);
	int running = 0;

	CONF_OK(ringline_runtime_on_start(rt, forever, &running));
	CONF_OK(ringline_runtime_start(rt));
	CONF_UNTIL(g_atomic_int_get(&running) == 2);
	CONF_OK(conf_stop(rt));
}

/* --- stopping ----------------------------------------------------------------------------------------------------- */

static int shut_down(void *arg)
{
	return ringline_runtime_shutdown(arg);
}

static void test_shutdown_from_task(void)
{
	struct ringline_runtime *rt = conf_serve(NULL, 2, NULL, NULL, NULL, NULL);

	CONF_OK(ringline_worker_spawn(rt, 1, forever, NULL));
	CONF_OK(ringline_worker_spawn(rt, 0, shut_down, rt));
	CONF_OK(ringline_runtime_join(rt));
	conf_finish(rt);
}

static struct ringline_runtime *signalled;

static void on_signal(int number)
{
	(void)number;
	ringline_runtime_shutdown(signalled);
}

static void test_shutdown_from_handler(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct sigaction old;

	CONF_OK(sigaction(SIGUSR1, &action, &old));
	signalled = conf_serve(NULL, 2, NULL, NULL, NULL, NULL);
	CONF_OK(ringline_worker_spawn(signalled, 1, forever, NULL));
	CONF_OK(raise(SIGUSR1));
	CONF_OK(ringline_runtime_join(signalled));
	CONF_OK(sigaction(SIGUSR1, &old, NULL));
	conf_finish(signalled);
}

static void test_shutdown_before_start(void)
{
	struct ringline_runtime *rt = new_runtime(2);
	int running = 0;

	CONF_OK(ringline_runtime_on_start(rt, forever, &running));
	CONF_OK(ringline_runtime_shutdown(rt));
	CONF_OK(ringline_runtime_run(rt));
	conf_finish(rt);
}

static int stubborn(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *shield;
	int r;

	o.flags = RINGLINE_SCOPE_SHIELDED;
	CONF_OK(ringline_scope_open(&shield, &o));
	g_atomic_int_inc((int *)arg);
	r = ringline_sleep_until(RINGLINE_NEVER);
	(void)ringline_scope_close(shield);
	return r;
}

/* What will not end by itself is cut off when the drain time is over. */
static void test_drain_timeout(void)
{
	struct ringline_runtime *rt;
	struct ringline_config c;
	int running = 0;
	uint64_t began;

	conf_config(&c);
	c.drain_timeout = 50 * MSEC;
	rt = conf_serve(&c, 2, NULL, NULL, NULL, NULL);
	CONF_OK(ringline_worker_spawn(rt, 1, stubborn, &running));
	CONF_UNTIL(g_atomic_int_get(&running));
	began = ringline_now();
	CONF_OK(conf_stop(rt));
	g_assert_cmpuint(ringline_now(), >=, began + c.drain_timeout);
	g_assert_true(conf_log_seen("drain timeout"));
}

#define BLOB (16u << 20)

/* Closes behind a send that the peer does not take. */
static int send_blob(void *arg)
{
	char *blob = g_malloc0(BLOB);
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *shield;
	ssize_t n;

	o.flags = RINGLINE_SCOPE_SHIELDED;
	CONF_OK(ringline_scope_open(&shield, &o));
	n = ringline_conn_send(arg, blob, BLOB);
	g_assert_true(n == -ECONNABORTED || n == -ECANCELED);
	(void)ringline_scope_close(shield);
	g_free(blob);
	return 0;
}

static void serve_blob(struct ringline_conn *conn, void *arg)
{
	CONF_OK(ringline_spawn(send_blob, conn));
	(void)ringline_yield();
	g_atomic_int_inc((int *)arg);
}

static void test_drain_stalled(enum conf_kind kind)
{
	char address[RINGLINE_ADDRESS_SIZE];
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt;
	struct ringline_config c;
	int sending = 0;
	int fd[5];
	int i;

	conf_config(&c);
	c.drain_timeout = 20 * MSEC;
	rt = conf_serve(&c, 1, conf_address(kind, address), bound, serve_blob, &sending);
	for (i = 0; i < 5; i++)
		fd[i] = conf_connect_raw(bound);
	CONF_UNTIL(g_atomic_int_get(&sending) == 5);
	CONF_OK(ringline_runtime_shutdown(rt));
	CONF_OK(ringline_runtime_join(rt));
	g_assert_cmpuint(conf_stats(rt).aborted, ==, 5);
	conf_finish(rt);
	for (i = 0; i < 5; i++)
		close(fd[i]);
}

/* Data on its way out gets the time it needs. */
static int send_patient(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *shield;
	char *blob = g_malloc(BLOB);

	conf_fill(blob, BLOB, 8, 0);
	o.flags = RINGLINE_SCOPE_SHIELDED;
	CONF_OK(ringline_scope_open(&shield, &o));
	g_assert_cmpint(ringline_conn_send(arg, blob, BLOB), ==, BLOB);
	CONF_OK(ringline_scope_close(shield));
	g_free(blob);
	return 0;
}

static void serve_patient(struct ringline_conn *conn, void *arg)
{
	CONF_OK(ringline_spawn(send_patient, conn));
	(void)ringline_yield();
	g_atomic_int_inc((int *)arg);
}

static void test_drain_finishes(enum conf_kind kind)
{
	char address[RINGLINE_ADDRESS_SIZE];
	char bound[RINGLINE_ADDRESS_SIZE];
	char *blob = g_malloc(BLOB);
	int sending = 0;
	struct ringline_runtime *rt = conf_serve(NULL, 1, conf_address(kind, address), bound, serve_patient, &sending);
	int fd = conf_connect_raw(bound);

	CONF_UNTIL(g_atomic_int_get(&sending));
	CONF_OK(ringline_runtime_shutdown(rt));
	g_assert_cmpuint(conf_take_all(fd, blob, BLOB), ==, BLOB);
	conf_check(blob, BLOB, 8, 0);
	CONF_OK(ringline_runtime_join(rt));
	g_assert_cmpuint(conf_stats(rt).aborted, ==, 0);
	conf_finish(rt);
	close(fd);
	g_free(blob);
}

/* --- a connect that has succeeded, and whose task does not know yet, when everything is cut off ---------------------- */

static int connect_late(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_conn *conn;
	struct ringline_scope *shield;
	int r;

	o.flags = RINGLINE_SCOPE_SHIELDED;
	CONF_OK(ringline_scope_open(&shield, &o));
	CONF_OK(ringline_runtime_shutdown(ringline_runtime_current()));
	CONF_OK(ringline_yield());
	/* the drain time ends in the turn that brings the result */
	r = ringline_connect(&conn, arg, NULL);
	g_assert_true(r == 0 || r == -ECANCELED);
	if (r == 0)
		(void)ringline_conn_close(conn);
	(void)ringline_scope_close(shield);
	return 0;
}

static void test_cut_off_at_connect(enum conf_kind kind)
{
	char address[RINGLINE_ADDRESS_SIZE];
	int listener = conf_listen_raw(kind, 8, address);
	struct ringline_runtime *rt;
	struct ringline_config c;

	conf_config(&c);
	c.drain_timeout = 1;
	rt = conf_serve(&c, 1, NULL, NULL, NULL, NULL);
	CONF_OK(ringline_worker_spawn(rt, 0, connect_late, address));
	CONF_OK(ringline_runtime_join(rt));
	conf_finish(rt);
	close(listener);
}

/* --- on the caller's thread --------------------------------------------------------------------------------------- */

static int returns_seven(void *arg)
{
	(void)arg;
	CONF_OK(ringline_spawn(forever, NULL));
	return 7;
}

static int nested_main(void *arg)
{
	struct ringline_runtime *rt = arg;

	g_assert_cmpint(ringline_run(NULL, nothing, NULL), ==, -EPERM);
	g_assert_cmpint(ringline_runtime_run(rt), ==, -EPERM);
	g_assert_cmpint(ringline_runtime_join(rt), ==, -EPERM);
	g_assert_cmpint(ringline_runtime_join(ringline_runtime_current()), ==, -EPERM);
	g_assert_cmpint(ringline_runtime_free(ringline_runtime_current()), ==, -EBUSY);
	g_assert_cmpint(ringline_worker_index(), ==, 0);
	g_assert_cmpuint(ringline_runtime_workers(ringline_runtime_current()), ==, 1);
	return -EXDEV;
}

static void test_run(void)
{
	struct ringline_runtime *rt = new_runtime(1);
	struct ringline_config c;

	conf_config(&c);
	g_assert_cmpint(ringline_run(&c, returns_seven, NULL), ==, 7);
	g_assert_cmpint(conf_run(nested_main, rt), ==, -EXDEV);
	CONF_OK(ringline_runtime_free(rt));
}

static void *raise_term(void *arg)
{
	struct ringline_runtime *rt = arg;

	CONF_UNTIL(ringline_runtime_backend(rt));
	CONF_OK(kill(getpid(), SIGTERM));
	return NULL;
}

/* In children, because the signals go to the whole process. */
static void run_until_sigterm(const void *arg)
{
	struct ringline_runtime *rt = new_runtime(2);
	sigset_t before;
	sigset_t after;
	sigset_t term;
	pthread_t thread;

	(void)arg;
	/* the thread must have them blocked, this one gets its mask back */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	CONF_OK(pthread_sigmask(SIG_BLOCK, &term, NULL));
	CONF_OK(ringline_runtime_on_start(rt, forever, NULL));
	CONF_OK(pthread_create(&thread, NULL, raise_term, rt));
	sigemptyset(&before);
	sigaddset(&before, SIGUSR2);
	CONF_OK(pthread_sigmask(SIG_SETMASK, &before, NULL));
	CONF_OK(ringline_runtime_run(rt));
	CONF_OK(pthread_sigmask(SIG_SETMASK, NULL, &after));
	g_assert_false(sigismember(&after, SIGTERM));
	g_assert_false(sigismember(&after, SIGINT));
	g_assert_true(sigismember(&after, SIGUSR2));
	pthread_join(thread, NULL);
	conf_finish(rt);
}

static void *raise_two(void *arg)
{
	struct ringline_runtime *rt = arg;

	CONF_UNTIL(ringline_runtime_backend(rt) && conf_stats(rt).tasks_started == 2);
	CONF_OK(kill(getpid(), SIGINT));
	g_usleep(20000);
	CONF_OK(kill(getpid(), SIGTERM));
	return NULL;
}

/* The second signal does not wait for the drain time, which is longer than any test. */
static void run_until_second(const void *arg)
{
	struct ringline_runtime *rt;
	struct ringline_config c;
	sigset_t both;
	pthread_t thread;
	int running = 0;

	(void)arg;
	sigemptyset(&both);
	sigaddset(&both, SIGTERM);
	sigaddset(&both, SIGINT);
	CONF_OK(pthread_sigmask(SIG_BLOCK, &both, NULL));
	conf_config(&c);
	c.workers = 2;
	c.drain_timeout = 3600 * SEC;
	CONF_OK(ringline_runtime_new(&rt, &c));
	CONF_OK(ringline_runtime_on_start(rt, stubborn, &running));
	CONF_OK(pthread_create(&thread, NULL, raise_two, rt));
	CONF_OK(ringline_runtime_run(rt));
	pthread_join(thread, NULL);
	conf_finish(rt);
}

static void run_without_signals(const void *arg)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct ringline_config c;
	pthread_t thread;

	(void)arg;
	CONF_OK(sigaction(SIGTERM, &action, NULL));
	conf_config(&c);
	c.workers = 1;
	c.flags |= RINGLINE_CONFIG_NO_SIGNALS;
	CONF_OK(ringline_runtime_new(&signalled, &c));
	CONF_OK(pthread_create(&thread, NULL, raise_term, signalled));
	CONF_OK(ringline_runtime_run(signalled));
	pthread_join(thread, NULL);
	conf_finish(signalled);
}

static void test_signals(void)
{
	conf_fork(run_until_sigterm, NULL);
	conf_fork(run_until_second, NULL);
	conf_fork(run_without_signals, NULL);
}

/* --- what ran ----------------------------------------------------------------------------------------------------- */

static int talk(void *arg)
{
	struct ringline_conn *conn;
	char *buf = g_malloc0(100000);

	CONF_OK(ringline_connect(&conn, arg, NULL));
	g_assert_cmpint(ringline_conn_send(conn, buf, 100000), ==, 100000);
	g_assert_cmpint(ringline_conn_recv_exact(conn, buf, 100000), ==, 100000);
	g_free(buf);
	return ringline_conn_close(conn);
}

static void test_op_counts(void)
{
	static const char *const used[] = { "accept", "connect", "recv", "recv_pool", "send", "close" };
	const char *mine = conf_is("epoll") ? "epoll" : "io_uring";
	const char *other = conf_is("epoll") ? "io_uring" : "epoll";
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt = conf_serve(NULL, 1, "tcp:127.0.0.1:0", bound, conf_echo, NULL);
	uint64_t n;
	size_t i;

	CONF_OK(conf_call(rt, 0, talk, bound));
	CONF_UNTIL(conf_stats(rt).connections == 0);
	for (i = 0; i < G_N_ELEMENTS(used); i++) {
		CONF_OK(ringline_worker_op_count(rt, 0, used[i], mine, &n));
		g_assert_cmpuint(n, >, 0);
		CONF_OK(ringline_worker_op_count(rt, 0, used[i], other, &n));
		g_assert_cmpuint(n, ==, 0);
	}
	CONF_OK(conf_stop(rt));
}

static void talk_to_self(uint32_t backend, const char *expected)
{
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt;
	struct ringline_config c;

	conf_config(&c);
	c.backend = backend;
	rt = conf_serve(&c, 1, "tcp:127.0.0.1:0", bound, conf_echo, NULL);
	g_assert_cmpstr(ringline_runtime_backend(rt), ==, expected);
	CONF_OK(conf_call(rt, 0, talk, bound));
	CONF_OK(conf_stop(rt));
}

/* The environment decides what the configuration leaves open, and nothing else. */
static void obey_environment(const void *arg)
{
	const char *mine = conf_is("epoll") ? "epoll" : "io_uring";
	const char *other = conf_is("epoll") ? "io_uring" : "epoll";
	struct ringline_runtime *rt;
	struct ringline_config c;

	(void)arg;
	g_setenv("RINGLINE_BACKEND", other, TRUE);
	talk_to_self(conf_is("epoll") ? RINGLINE_BACKEND_EPOLL : RINGLINE_BACKEND_IO_URING, mine);
	g_setenv("RINGLINE_BACKEND", mine, TRUE);
	talk_to_self(RINGLINE_BACKEND_AUTO, mine);
	g_setenv("RINGLINE_BACKEND", "kqueue", TRUE);
	conf_log_allow("RINGLINE_BACKEND is");
	conf_config(&c);
	c.backend = RINGLINE_BACKEND_AUTO;
	CONF_OK(ringline_runtime_new(&rt, &c));
	g_assert_cmpint(ringline_runtime_start(rt), ==, -EINVAL);
	g_assert_true(conf_log_seen("\"kqueue\""));
	g_setenv("RINGLINE_BACKEND", "auto", TRUE);
	CONF_OK(ringline_runtime_start(rt));
	CONF_OK(conf_stop(rt));
}

static void test_environment(void)
{
	conf_fork(obey_environment, NULL);
}

static void talk_without(const void *arg)
{
	g_setenv("RINGLINE_DISABLE", arg, TRUE);
	talk_to_self(conf_is("epoll") ? RINGLINE_BACKEND_EPOLL : RINGLINE_BACKEND_IO_URING,
	             conf_is("epoll") ? "epoll" : "io_uring");
	if (strstr(arg, "teleport"))
		g_assert_true(conf_log_seen("\"teleport\" is no feature"));
}

/* Each optional feature off, then all of them: the same bytes. */
static void test_downgrades(void)
{
	static const char *const features[] = {
		"inc", "guard", "multishot", "no_iowait", "ring_fd", "pwait2", "quiet",
		"inc,guard,multishot,no_iowait,ring_fd,pwait2,quiet", ",,inc,,teleport,", "",
	};
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(features); i++)
		conf_fork(talk_without, features[i]);
}

static void add(void)
{
	conf_add("/runtime/start-is-all-or-nothing", test_transactional);
	conf_add("/runtime/free-what-never-started", test_free_unstarted);
	conf_add("/runtime/busy", test_busy);
	conf_add("/runtime/workers", test_workers);
	conf_add("/runtime/default-workers", test_default_workers);
	conf_add("/runtime/spawn-from-threads", test_spawn_from_threads);
	conf_add("/runtime/inbox-limit", test_inbox_limit);
	conf_add("/runtime/idle-worker-is-idle", test_idle);
	conf_add("/runtime/on-start-error-ends-it", test_on_start_error);
	conf_add("/runtime/on-start-cancelled-is-no-error", test_on_start_forever);
	conf_add("/runtime/shutdown-from-a-task", test_shutdown_from_task);
	conf_add("/runtime/shutdown-from-a-signal-handler", test_shutdown_from_handler);
	conf_add("/runtime/shutdown-before-the-start", test_shutdown_before_start);
	conf_add("/runtime/drain-timeout-cuts-off", test_drain_timeout);
	conf_add("/runtime/run", test_run);
	conf_add("/runtime/signals", test_signals);
	conf_add("/runtime/operations-by-engine", test_op_counts);
	conf_add("/runtime/environment", test_environment);
	conf_add("/runtime/each-feature-off", test_downgrades);
	conf_add_kinds("runtime", "drain-cuts-off-stalled-peers", test_drain_stalled);
	conf_add_kinds("runtime", "drain-lets-data-out", test_drain_finishes);
	conf_add_kinds("runtime", "cut-off-at-a-connect", test_cut_off_at_connect);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "runtime", add);
}
