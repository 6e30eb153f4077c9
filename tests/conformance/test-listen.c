/* SPDX-License-Identifier: MIT */
/* Listeners: addresses, ports, socket files, and what happens at the limits. */
#include <fcntl.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

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

static int listen_at(struct ringline_runtime *rt, char *bound, const char *address)
{
	return ringline_runtime_listen(rt, bound, address, conf_echo, NULL, NULL);
}

static void expect_byte(int fd)
{
	char byte;

	conf_take(fd, &byte, 1);
	g_assert_cmpint(byte, ==, '!');
}

static void expect_echo(int fd)
{
	conf_put(fd, "!", 1);
	expect_byte(fd);
}

/* --- addresses ---------------------------------------------------------------------------------------------------- */

static const char *const malformed[] = {
	"", "tcp", "tcp:", "tcp::80", "tcp:127.0.0.1", "tcp:127.0.0.1:", "tcp:127.0.0.1:x", "tcp:127.0.0.1:-1",
	"tcp:127.0.0.1:65536", "tcp:127.0.0.1:123456", "tcp:127.0.0.1: 80", "tcp:127.0.0:80", "tcp:localhost:80",
	"tcp:::1:80", "tcp:[::1:80", "tcp:[::1]", "tcp:[]:80", "tcp:[127.0.0.1]:80", "tcp:256.0.0.1:80", "unix", "unix:",
	"unix:@", "udp:127.0.0.1:80", "TCP:127.0.0.1:80", "127.0.0.1:80", " tcp:127.0.0.1:80",
};

static int malformed_main(void *arg)
{
	struct ringline_conn *conn;
	char path[200];
	size_t i;

	(void)arg;
	for (i = 0; i < G_N_ELEMENTS(malformed); i++)
		g_assert_cmpint(ringline_connect(&conn, malformed[i], NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_connect(&conn, NULL, NULL), ==, -EINVAL);
	memset(path, 'x', sizeof(path));
	memcpy(path, "unix:/", 6);
	path[5 + 108] = '\0';
	g_assert_cmpint(ringline_connect(&conn, path, NULL), ==, -ENAMETOOLONG);
	path[5 + 107] = '\0';
	g_assert_cmpint(ringline_connect(&conn, path, NULL), ==, -ENOENT);
	g_assert_cmpint(ringline_connect(&conn, "unix:@ringline-nobody", NULL), ==, -ECONNREFUSED);
	g_assert_cmpint(ringline_connect(&conn, "tcp:127.0.0.1:1", NULL), ==, -ECONNREFUSED);
	return 0;
}

static void test_malformed(void)
{
	struct ringline_runtime *rt = new_runtime(1);
	char path[200];
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(malformed); i++)
		g_assert_cmpint(listen_at(rt, NULL, malformed[i]), ==, -EINVAL);
	g_assert_cmpint(listen_at(rt, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(listen_at(rt, NULL, "unix:/ringline-no-such-directory/x"), ==, -ENOENT);
	g_assert_cmpint(listen_at(rt, NULL, "tcp:203.0.113.1:0"), ==, -EADDRNOTAVAIL);
	memset(path, 'x', sizeof(path));
	memcpy(path, "unix:@", 6);
	path[5 + 109] = '\0';
	g_assert_cmpint(listen_at(rt, NULL, path), ==, -ENAMETOOLONG);
	path[5 + 108] = '\0';
	CONF_OK(listen_at(rt, NULL, path));
	CONF_OK(ringline_runtime_free(rt));
	CONF_OK(conf_run(malformed_main, NULL));
}

static void test_bound(enum conf_kind kind)
{
	char address[RINGLINE_ADDRESS_SIZE];
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt = conf_serve(NULL, 2, conf_address(kind, address), bound, conf_echo, NULL);
	int fd = conf_connect_raw(bound);

	if (kind == CONF_TCP) {
		g_assert_true(g_str_has_prefix(bound, "tcp:127.0.0.1:"));
		g_assert_cmpstr(bound, !=, address);
	} else {
		g_assert_cmpstr(bound, ==, address);
	}
	expect_echo(fd);
	close(fd);
	CONF_OK(conf_stop(rt));
	g_assert_cmpint(conf_try_connect_raw(bound), ==, -ECONNREFUSED);
}

static int talk_to(void *arg)
{
	struct ringline_conn *conn;
	char text[RINGLINE_ADDRESS_SIZE];
	char byte;

	CONF_OK(ringline_connect(&conn, arg, NULL));
	g_assert_cmpint(ringline_conn_send(conn, "6", 1), ==, 1);
	g_assert_cmpint(ringline_conn_recv(conn, &byte, 1), ==, 1);
	g_assert_cmpint(ringline_conn_peer(conn, text, sizeof(text)), >, 0);
	g_assert_cmpstr(text, ==, arg);
	return ringline_conn_close(conn);
}

static void test_ipv6(void)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool have = fd >= 0 && bind(fd, (struct sockaddr *)&in6, sizeof(in6)) == 0;
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt;

	if (fd >= 0)
		close(fd);
	if (!have) {
		g_test_skip("no IPv6 on this machine");
		return;
	}
	rt = conf_serve(NULL, 1, "tcp:[::1]:0", bound, conf_echo, NULL);
	g_assert_true(g_str_has_prefix(bound, "tcp:[::1]:"));
	CONF_OK(conf_call(rt, 0, talk_to, bound));
	CONF_OK(conf_stop(rt));
}

/* --- who else listens --------------------------------------------------------------------------------------------- */

static void test_in_use(enum conf_kind kind)
{
	char address[RINGLINE_ADDRESS_SIZE];
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *other = conf_serve(NULL, 2, conf_address(kind, address), bound, conf_echo, NULL);
	struct ringline_runtime *rt = new_runtime(2);
	int fd = conf_listen_raw(kind, 1, address);

	g_assert_cmpint(listen_at(rt, NULL, bound), ==, -EADDRINUSE);
	g_assert_cmpint(listen_at(rt, NULL, address), ==, -EADDRINUSE);
	CONF_OK(conf_stop(other));
	close(fd);
	/* at once, in the same process */
	CONF_OK(listen_at(rt, NULL, bound));
	CONF_OK(listen_at(rt, NULL, address));
	CONF_OK(ringline_runtime_free(rt));
}

static void test_share_port(void)
{
	struct ringline_listen_options o = RINGLINE_LISTEN_OPTIONS_INIT;
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt = new_runtime(1);
	struct ringline_runtime *other = conf_serve(NULL, 1, "tcp:127.0.0.1:0", bound, conf_echo, NULL);
	int fd;

	o.flags = RINGLINE_LISTEN_SHARE_PORT;
	CONF_OK(ringline_runtime_listen(rt, NULL, bound, conf_echo, NULL, &o));
	CONF_OK(ringline_runtime_start(rt));
	CONF_OK(conf_stop(other));
	fd = conf_connect_raw(bound);
	expect_echo(fd);
	close(fd);
	CONF_OK(conf_stop(rt));
}

/* The kernel spreads connections over the workers' sockets. */
static void test_all_workers(void)
{
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt = conf_serve(NULL, 2, "tcp:127.0.0.1:0", bound, conf_echo, NULL);
	struct ringline_worker_stats s = RINGLINE_WORKER_STATS_INIT;
	unsigned int i;

	for (i = 0; i < 100; i++) {
		int fd = conf_connect_raw(bound);

		expect_echo(fd);
		close(fd);
	}
	for (i = 0; i < 2; i++) {
		CONF_OK(ringline_worker_stats(rt, i, &s));
		g_assert_cmpuint(s.accepted, >, 0);
	}
	CONF_OK(conf_stop(rt));
}

static void greet(struct ringline_conn *conn, void *arg)
{
	g_assert_cmpint(ringline_conn_send(conn, arg, 1), ==, 1);
}

static void test_several(void)
{
	enum { LISTENERS = 5 };
	static char tag[LISTENERS];
	char bound[LISTENERS][RINGLINE_ADDRESS_SIZE];
	char address[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt = new_runtime(2);
	unsigned int i;

	for (i = 0; i < LISTENERS; i++) {
		tag[i] = (char)('a' + i);
		CONF_OK(ringline_runtime_listen(rt, bound[i], conf_address(i % 2 ? CONF_UNIX : CONF_TCP, address), greet,
		                                &tag[i], NULL));
	}
	CONF_OK(ringline_runtime_start(rt));
	for (i = 0; i < 4 * LISTENERS; i++) {
		int fd = conf_connect_raw(bound[i % LISTENERS]);
		char got;

		conf_take(fd, &got, 1);
		g_assert_cmpint(got, ==, tag[i % LISTENERS]);
		conf_expect_end(fd, 0);
		close(fd);
	}
	CONF_OK(conf_stop(rt));
}

/* --- socket files ------------------------------------------------------------------------------------------------- */

static char *scratch_path(void)
{
	char *dir = g_dir_make_tmp("rlXXXXXX", NULL);
	char *path = g_strdup_printf("unix:%s/s", dir);

	g_assert_nonnull(dir);
	g_free(dir);
	return path;
}

static void remove_scratch(char *path)
{
	char *dir = g_path_get_dirname(path + 5);

	unlink(path + 5);
	CONF_OK(rmdir(dir));
	g_free(dir);
	g_free(path);
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path + 5, &st) == 0;
}

/* What a daemon that was killed leaves behind. */
static void leave_stale(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_strlcpy(un.sun_path, path + 5, sizeof(un.sun_path));
	CONF_OK(bind(fd, (struct sockaddr *)&un, sizeof(un)));
	close(fd);
	g_assert_true(exists(path));
}

static void test_stale_file(void)
{
	char *path = scratch_path();
	struct ringline_runtime *rt;
	int fd;

	leave_stale(path);
	rt = conf_serve(NULL, 2, path, NULL, conf_echo, NULL);
	fd = conf_connect_raw(path);
	expect_echo(fd);
	close(fd);
	CONF_OK(conf_stop(rt));
	g_assert_false(exists(path));
	remove_scratch(path);
}

static void test_live_file(void)
{
	char *path = scratch_path();
	struct ringline_runtime *live = conf_serve(NULL, 1, path, NULL, conf_echo, NULL);
	struct ringline_runtime *rt = new_runtime(1);
	int fd;

	g_assert_cmpint(listen_at(rt, NULL, path), ==, -EADDRINUSE);
	CONF_OK(ringline_runtime_free(rt));
	g_assert_true(exists(path));
	fd = conf_connect_raw(path);
	expect_echo(fd);
	close(fd);
	CONF_OK(conf_stop(live));
	remove_scratch(path);
}

/* What is no socket is left alone, and so is a file that took the place of ours. */
static void test_other_file(void)
{
	char *path = scratch_path();
	struct ringline_runtime *rt = new_runtime(1);

	g_assert_true(g_file_set_contents(path + 5, "mine", 4, NULL));
	g_assert_cmpint(listen_at(rt, NULL, path), ==, -EADDRINUSE);
	g_assert_true(exists(path));
	CONF_OK(unlink(path + 5));
	CONF_OK(listen_at(rt, NULL, path));
	CONF_OK(unlink(path + 5));
	g_assert_true(g_file_set_contents(path + 5, "mine", 4, NULL));
	CONF_OK(ringline_runtime_free(rt));
	g_assert_true(exists(path));
	remove_scratch(path);
}

/* --- limits ------------------------------------------------------------------------------------------------------- */

#define LIMIT   4
#define CLIENTS 30

/* A worker at its limit lets the rest wait, and serves them when there is room. */
static void test_max_connections(enum conf_kind kind)
{
	char address[RINGLINE_ADDRESS_SIZE];
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt;
	struct ringline_config c;
	int fd[CLIENTS];
	unsigned int i;

	conf_config(&c);
	c.max_connections = LIMIT;
	rt = conf_serve(&c, 1, conf_address(kind, address), bound, conf_echo, NULL);
	for (i = 0; i < CLIENTS; i++)
		fd[i] = conf_connect_raw(bound);
	for (i = 0; i < LIMIT; i++)
		expect_echo(fd[i]);
	g_assert_cmpuint(conf_stats(rt).connections, ==, LIMIT);
	g_assert_cmpuint(conf_stats(rt).accepted, ==, LIMIT);
	for (i = 0; i < CLIENTS; i++) {
		expect_echo(fd[i]);
		g_assert_cmpuint(conf_stats(rt).connections, <=, LIMIT);
		close(fd[i]);
	}
	CONF_UNTIL(conf_stats(rt).connections == 0);
	g_assert_cmpuint(conf_stats(rt).accepted, ==, CLIENTS);
	g_assert_cmpuint(conf_stats(rt).refused, ==, 0);
	CONF_OK(conf_stop(rt));
}

/* At the end of a runtime, too, those that wait for room are closed and not forgotten. */
static void test_max_connections_shutdown(enum conf_kind kind)
{
	char address[RINGLINE_ADDRESS_SIZE];
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt;
	struct ringline_config c;
	int fd[CLIENTS];
	unsigned int i;

	conf_config(&c);
	c.max_connections = 1;
	rt = conf_serve(&c, 1, conf_address(kind, address), bound, conf_echo, NULL);
	for (i = 0; i < CLIENTS; i++)
		fd[i] = conf_connect_raw(bound);
	expect_echo(fd[0]);
	CONF_OK(conf_stop(rt));
	for (i = 0; i < CLIENTS; i++)
		close(fd[i]);
}

static int connect_limit_main(void *arg)
{
	struct ringline_conn *conn[LIMIT];
	struct ringline_conn *more;
	char address[RINGLINE_ADDRESS_SIZE];
	int listener = conf_listen_raw(CONF_TCP, 16, address);
	unsigned int i;

	(void)arg;
	for (i = 0; i < LIMIT; i++)
		CONF_OK(ringline_connect(&conn[i], address, NULL));
	g_assert_cmpint(ringline_connect(&more, address, NULL), ==, -EAGAIN);
	CONF_OK(ringline_conn_close(conn[0]));
	CONF_UNTIL(conf_stats(NULL).connections < LIMIT);
	CONF_OK(ringline_connect(&conn[0], address, NULL));
	for (i = 0; i < LIMIT; i++)
		CONF_OK(ringline_conn_close(conn[i]));
	close(listener);
	return 0;
}

static void test_connect_limit(void)
{
	struct ringline_config c;

	conf_config(&c);
	c.max_connections = LIMIT;
	CONF_OK(conf_run_with(&c, connect_limit_main, NULL));
}

/* Tasks are limited too: what cannot be served is closed and counted. */
static void test_max_tasks(void)
{
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt;
	struct ringline_config c;
	int fd[3];

	conf_config(&c);
	c.max_tasks = 2;
	rt = conf_serve(&c, 1, "tcp:127.0.0.1:0", bound, conf_echo, NULL);
	fd[0] = conf_connect_raw(bound);
	expect_echo(fd[0]);
	fd[1] = conf_connect_raw(bound);
	expect_echo(fd[1]);
	fd[2] = conf_connect_raw(bound);
	conf_expect_end(fd[2], ECONNRESET);
	g_assert_cmpuint(conf_stats(rt).refused, ==, 1);
	close(fd[2]);
	close(fd[1]);
	CONF_UNTIL(conf_stats(rt).tasks_ended == 1);
	fd[1] = conf_connect_raw(bound);
	expect_echo(fd[1]);
	close(fd[0]);
	close(fd[1]);
	CONF_OK(conf_stop(rt));
}

#define FILLERS 64

/* In a process of its own: the limit is the process's. */
static void out_of_descriptors(const void *arg)
{
	char address[RINGLINE_ADDRESS_SIZE];
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt;
	struct rlimit limit = { FILLERS, FILLERS };
	int first;
	int spare[FILLERS];
	unsigned int n = 0;
	uint64_t errors;
	int fd;

	/* first of all: io_uring remembers the limit with each request */
	CONF_OK(setrlimit(RLIMIT_NOFILE, &limit));
	rt = conf_serve(NULL, 1, conf_address(*(const enum conf_kind *)arg, address), bound, conf_echo, NULL);
	first = conf_connect_raw(bound);
	expect_echo(first);
	while ((spare[n] = dup(first)) >= 0)
		n++;
	g_assert_cmpint(errno, ==, EMFILE);
	close(spare[--n]);
	fd = conf_connect_raw(bound);     /* takes the last descriptor */
	CONF_UNTIL(conf_stats(rt).accept_errors > 0);
	CONF_UNTIL(conf_log_seen("pausing until resources are free"));   /* it is counted before it is logged */
	expect_echo(first);               /* the others are served meanwhile */
	errors = conf_stats(rt).accept_errors;
	CONF_UNTIL(conf_stats(rt).accept_errors > errors);
	while (n)
		close(spare[--n]);
	expect_echo(fd);
	g_assert_cmpuint(conf_stats(rt).accepted, ==, 2);
	CONF_OK(conf_stop(rt));
}

static void test_descriptors(enum conf_kind kind)
{
	conf_fork(out_of_descriptors, &kind);
}

/* --- the end ------------------------------------------------------------------------------------------------------- */

#define LATE 100u        /* more than are begun in a turn */

struct gate {
	sem_t held;
	sem_t open;
};

static void hold_worker(void *arg)
{
	struct gate *g = arg;

	sem_post(&g->held);
	sem_wait(&g->open);
}

/* What must be done though all tasks have been cancelled. */
static struct ringline_scope *shield(void)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;

	o.flags = RINGLINE_SCOPE_SHIELDED;
	CONF_OK(ringline_scope_open(&scope, &o));
	return scope;
}

static void answer_yet(struct ringline_conn *conn, void *arg)
{
	struct ringline_scope *scope = shield();
	char byte;

	(void)arg;
	if (ringline_conn_recv(conn, &byte, 1) == 1)
		g_assert_cmpint(ringline_conn_send(conn, &byte, 1), ==, 1);
	ringline_scope_close(scope);
}

/* Clients that nobody has accepted when the shutdown comes: to them the connection is there. */
static void shut_down_over(struct ringline_runtime *rt, const char *address, int fd[LATE])
{
	struct gate gate;
	unsigned int i;

	sem_init(&gate.held, 0, 0);
	sem_init(&gate.open, 0, 0);
	CONF_OK(ringline_worker_post(rt, 0, hold_worker, &gate));
	sem_wait(&gate.held);
	for (i = 0; i < LATE; i++) {
		fd[i] = conf_connect_raw(address);
		conf_put(fd[i], "!", 1);
	}
	CONF_OK(ringline_runtime_shutdown(rt));
	sem_post(&gate.open);
	CONF_OK(ringline_runtime_join(rt));
	sem_destroy(&gate.held);
	sem_destroy(&gate.open);
}

static void expect_answers(const int fd[LATE])
{
	unsigned int i;

	for (i = 0; i < LATE; i++) {
		expect_byte(fd[i]);
		conf_expect_end(fd[i], 0);
		close(fd[i]);
	}
}

static void test_shutdown_serves_the_backlog(enum conf_kind kind)
{
	char address[RINGLINE_ADDRESS_SIZE];
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt;
	struct ringline_config c;
	int fd[LATE];

	conf_config(&c);
	rt = conf_serve(&c, 1, conf_address(kind, address), bound, answer_yet, NULL);
	shut_down_over(rt, bound, fd);
	expect_answers(fd);
	conf_finish(rt);
}

/* On a socket that somebody else has, too, they wait for who listens next. */
static void test_shutdown_leaves_the_backlog(enum conf_kind kind)
{
	char bound[RINGLINE_ADDRESS_SIZE];
	char address[20];
	int listener = conf_listen_raw(kind, LATE, bound);
	struct ringline_runtime *rt;
	struct ringline_config c;
	unsigned int left = 0;
	int fd[LATE];
	int next;

	conf_config(&c);
	g_snprintf(address, sizeof(address), "fd:%d", fcntl(listener, F_DUPFD_CLOEXEC, 0));
	rt = conf_serve(&c, 1, address, NULL, answer_yet, NULL);
	shut_down_over(rt, bound, fd);
	while ((next = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {      /* not blocking, since it was adopted */
		char byte;

		conf_take(next, &byte, 1);
		conf_put(next, &byte, 1);
		close(next);
		left++;
	}
	g_assert_cmpint(errno, ==, EAGAIN);
	g_assert_cmpuint(left, >, 0);
	expect_answers(fd);
	fd[0] = conf_connect_raw(bound);        /* it listens yet */
	close(fd[0]);
	conf_finish(rt);
	close(listener);
}

/* While its listener is being closed: either nobody is there, or the connection is one that is served. */
static void come_late(const char *bound)
{
	struct ringline_scope *scope = shield();
	struct ringline_conn *conn;
	int r = ringline_connect(&conn, bound, NULL);
	char byte;

	if (r == 0) {
		g_assert_cmpint(ringline_conn_send(conn, "!", 1), ==, 1);
		g_assert_cmpint(ringline_conn_recv(conn, &byte, 1), ==, 1);
		CONF_OK(ringline_conn_close(conn));
	} else {
		g_assert_cmpint(r, ==, -ECONNREFUSED);
	}
	ringline_scope_close(scope);
}

/* One byte is answered, "?" is the client of whom another one learns that the shutdown has come. */
static void answer_or_come_late(struct ringline_conn *conn, void *arg)
{
	const void *data;

	if (ringline_conn_peek(conn, &data) != 1 || *(const char *)data != '?') {
		answer_yet(conn, NULL);
		return;
	}
	answer_yet(conn, NULL);
	g_assert_cmpint(ringline_sleep(RINGLINE_NEVER), ==, -ECANCELED);
	come_late(arg);
}

static void test_shutdown_resets_nobody(enum conf_kind kind)
{
	char address[RINGLINE_ADDRESS_SIZE];
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt;
	struct ringline_config c;
	char byte;
	int fd;

	conf_config(&c);
	rt = conf_serve(&c, 2, conf_address(kind, address), bound, answer_or_come_late, bound);
	fd = conf_connect_raw(bound);
	conf_put(fd, "?", 1);
	conf_take(fd, &byte, 1);
	CONF_OK(ringline_runtime_shutdown(rt));
	CONF_OK(ringline_runtime_join(rt));
	conf_expect_end(fd, 0);
	close(fd);
	conf_finish(rt);
}

static void add(void)
{
	conf_add_kinds("listen", "shutdown-serves-the-backlog", test_shutdown_serves_the_backlog);
	conf_add_kinds("listen", "shutdown-leaves-the-backlog-of-others", test_shutdown_leaves_the_backlog);
	conf_add_kinds("listen", "shutdown-resets-nobody", test_shutdown_resets_nobody);
	conf_add_kinds("listen", "bound-address", test_bound);
	conf_add_kinds("listen", "in-use", test_in_use);
	conf_add_kinds("listen", "connection-limit-pauses-and-resumes", test_max_connections);
	conf_add_kinds("listen", "shutdown-at-the-connection-limit", test_max_connections_shutdown);
	conf_add_kinds("listen", "out-of-descriptors-pauses-and-resumes", test_descriptors);
	conf_add("/listen/malformed-addresses", test_malformed);
	conf_add("/listen/ipv6", test_ipv6);
	conf_add("/listen/share-port", test_share_port);
	conf_add("/listen/all-workers-accept", test_all_workers);
	conf_add("/listen/several-listeners", test_several);
	conf_add("/listen/stale-socket-file-is-replaced", test_stale_file);
	conf_add("/listen/live-socket-file-is-in-use", test_live_file);
	conf_add("/listen/other-files-are-left-alone", test_other_file);
	conf_add("/listen/connect-limit", test_connect_limit);
	conf_add("/listen/task-limit-refuses", test_max_tasks);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "listen", add);
}
