/* SPDX-License-Identifier: MIT */
/* Listeners: added and removed at run time, paused, limited, inherited, and workers that help each other out. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>

#include "support/conformance.h"

/* Says which worker it is, and keeps the connection until the peer closes. */
static void greet(struct ringline_conn *conn, void *arg)
{
	char which = (char)('0' + ringline_worker_index());
	const void *data;

	(void)arg;
	if (ringline_conn_send(conn, &which, 1) == 1)
		g_assert_cmpint(ringline_conn_peek(conn, &data), <=, 0);
}

static int greeting(int fd)
{
	char which;

	conf_take(fd, &which, 1);
	return which - '0';
}

static uint64_t connections(const struct ringline_runtime *rt)
{
	return conf_stats(rt).connections;
}

static bool refuses(const char *address)
{
	int fd = conf_try_connect_raw(address);

	if (fd >= 0)
		close(fd);
	return fd < 0;
}

/* --- at run time -------------------------------------------------------------------------------------------------- */

static void test_add_and_remove(enum conf_kind kind)
{
	struct ringline_runtime *rt = conf_serve(NULL, 2, NULL, NULL, NULL, NULL);
	char address[RINGLINE_ADDRESS_SIZE];
	char bound[RINGLINE_ADDRESS_SIZE];
	int round;
	int kept = -1;

	for (round = 0; round < 3; round++) {
		int fd;

		CONF_OK(ringline_runtime_listen(rt, bound, conf_address(kind, address), greet, NULL, NULL));
		fd = conf_connect_raw(bound);
		greeting(fd);
		CONF_OK(ringline_runtime_unlisten(rt, bound));
		g_assert_cmpint(ringline_runtime_unlisten(rt, bound), ==, -ENOENT);
		CONF_UNTIL(refuses(bound));
		if (kept >= 0)
			close(kept);
		kept = fd;                                    /* what was accepted lives on */
	}
	CONF_UNTIL(connections(rt) == 1);
	close(kept);
	CONF_OK(conf_stop(rt));
}

static void test_removed_before_the_start(void)
{
	struct ringline_config c = RINGLINE_CONFIG_INIT;
	struct ringline_runtime *rt;
	char bound[RINGLINE_ADDRESS_SIZE];

	conf_config(&c);
	CONF_OK(ringline_runtime_new(&rt, &c));
	CONF_OK(ringline_runtime_listen(rt, bound, "tcp:127.0.0.1:0", greet, NULL, NULL));
	g_assert_cmpint(ringline_runtime_listen_pause(rt, bound), ==, -ENOTCONN);
	CONF_OK(ringline_runtime_unlisten(rt, bound));
	g_assert_cmpint(ringline_runtime_unlisten(rt, bound), ==, -ENOENT);
	g_assert_cmpint(ringline_runtime_unlisten(rt, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_runtime_unlisten(NULL, bound), ==, -EINVAL);
	CONF_OK(ringline_runtime_free(rt));
}

static void test_pause(enum conf_kind kind)
{
	char address[RINGLINE_ADDRESS_SIZE];
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt = conf_serve(NULL, 2, conf_address(kind, address), bound, greet, NULL);
	int fd[4];
	int i;

	CONF_OK(ringline_runtime_listen_pause(rt, bound));
	g_usleep(20000);
	for (i = 0; i < 4; i++)
		fd[i] = conf_connect_raw(bound);
	g_usleep(20000);
	g_assert_cmpuint(connections(rt), ==, 0);
	CONF_OK(ringline_runtime_listen_resume(rt, bound));
	for (i = 0; i < 4; i++) {
		greeting(fd[i]);
		close(fd[i]);
	}
	g_assert_cmpint(ringline_runtime_listen_pause(rt, "tcp:1.2.3.4:5"), ==, -ENOENT);
	CONF_OK(conf_stop(rt));
}

static int task_pause_main(void *arg)
{
	char address[RINGLINE_ADDRESS_SIZE];
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_listener *l;
	struct ringline_conn *c;
	int fd;

	CONF_OK(ringline_listener_open(&l, bound, conf_address(*(enum conf_kind *)arg, address), NULL));
	CONF_OK(ringline_listener_pause(l));
	CONF_OK(ringline_sleep(2 * MSEC));
	fd = conf_connect_raw(bound);
	CONF_OK(ringline_sleep(5 * MSEC));
	g_assert_cmpuint(conf_stats(NULL).accepted, ==, 0);
	CONF_OK(ringline_listener_resume(l));
	CONF_OK(ringline_listener_accept(l, &c));
	CONF_OK(ringline_conn_close(c));
	close(fd);
	CONF_OK(ringline_listener_close(l));
	g_assert_cmpint(ringline_listener_pause(l), ==, -EBADF);
	g_assert_cmpint(ringline_listener_resume(NULL), ==, -EINVAL);
	return 0;
}

static void test_task_pause(enum conf_kind kind)
{
	CONF_OK(conf_run(task_pause_main, &kind));
}

/* --- limits ------------------------------------------------------------------------------------------------------- */

static bool served(int fd)
{
	char which;
	ssize_t n = recv(fd, &which, 1, 0);

	return n == 1;
}

static struct ringline_runtime *serve_with(uint32_t workers, const struct ringline_config *config, enum conf_kind kind,
                                           char *bound, const struct ringline_listen_options *o)
{
	struct ringline_runtime *rt = conf_serve(config, workers, NULL, NULL, NULL, NULL);
	char address[RINGLINE_ADDRESS_SIZE];

	CONF_OK(ringline_runtime_listen(rt, bound, conf_address(kind, address), greet, NULL, o));
	return rt;
}

static void limited(enum conf_kind kind, bool by_source)
{
	struct ringline_listen_options o = RINGLINE_LISTEN_OPTIONS_INIT;
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt;
	int fd[3];
	int i;
	int round;

	*(by_source ? &o.max_per_source : &o.max_connections) = 3;
	rt = serve_with(2, NULL, kind, bound, &o);
	for (i = 0; i < 3; i++) {
		fd[i] = conf_connect_raw(bound);
		g_assert_true(served(fd[i]));
	}
	for (round = 1; round < 4; round++) {
		int more = conf_connect_raw(bound);

		g_assert_false(served(more));
		close(more);
		CONF_UNTIL(conf_stats(rt).rejected == (uint64_t)round);
		close(fd[0]);
		CONF_UNTIL(connections(rt) == 2);
		fd[0] = conf_connect_raw(bound);
		g_assert_true(served(fd[0]));
	}
	for (i = 0; i < 3; i++)
		close(fd[i]);
	CONF_OK(conf_stop(rt));
}

static void test_limit(enum conf_kind kind)
{
	limited(kind, false);
}

static void test_limit_per_source(enum conf_kind kind)
{
	limited(kind, true);
}

/* A budget of one: all are served all the same. */
static void test_budget(enum conf_kind kind)
{
	struct ringline_listen_options o = RINGLINE_LISTEN_OPTIONS_INIT;
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt;
	int fd[50];
	int i;

	o.accept_budget = 1;
	rt = serve_with(1, NULL, kind, bound, &o);
	for (i = 0; i < 50; i++)
		fd[i] = conf_connect_raw(bound);
	for (i = 0; i < 50; i++) {
		g_assert_true(served(fd[i]));
		close(fd[i]);
	}
	CONF_OK(conf_stop(rt));
}

/* The kernel does not know who is full: all places of all workers can be taken, and no more. */
static void test_hand_over(enum conf_kind kind)
{
	struct ringline_config c = RINGLINE_CONFIG_INIT;
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt;
	int fd[13];
	int of[2] = { 0, 0 };
	int i;

	conf_config(&c);
	c.max_connections = 6;
	rt = serve_with(2, &c, kind, bound, NULL);
	for (i = 0; i < 12; i++) {
		fd[i] = conf_connect_raw(bound);
		of[greeting(fd[i])]++;
	}
	g_assert_cmpint(of[0], ==, 6);
	g_assert_cmpint(of[1], ==, 6);
	fd[12] = conf_connect_raw(bound);
	g_usleep(10000);
	g_assert_cmpuint(connections(rt), ==, 12);
	close(fd[0]);                                         /* on whichever worker: a place is a place */
	greeting(fd[12]);
	for (i = 1; i < 13; i++)
		close(fd[i]);
	CONF_OK(conf_stop(rt));
}

/* Full, freed and filled again and again, from both sides: nobody is forgotten. */
static void test_hand_over_churn(enum conf_kind kind)
{
	struct ringline_config c = RINGLINE_CONFIG_INIT;
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt;
	int fd[8];
	int i;

	conf_config(&c);
	c.max_connections = 2;
	rt = serve_with(2, &c, kind, bound, NULL);
	for (i = 0; i < 8; i++)
		fd[i] = conf_connect_raw(bound);
	for (i = 0; i < 200; i++) {
		int at = 0;
		char which;

		while (recv(fd[at], &which, 1, MSG_DONTWAIT) != 1) {
			at = (at + 1) % 8;
			conf_pause();
		}
		close(fd[at]);
		fd[at] = conf_connect_raw(bound);
	}
	for (i = 0; i < 8; i++)
		close(fd[i]);
	CONF_OK(conf_stop(rt));
}

/* --- socket files ------------------------------------------------------------------------------------------------- */

static void test_mode(void)
{
	struct ringline_listen_options o = RINGLINE_LISTEN_OPTIONS_INIT;
	char *dir = g_dir_make_tmp("ringline-XXXXXX", NULL);
	char *path = g_build_filename(dir, "socket", NULL);
	char *address = g_strconcat("unix:", path, NULL);
	struct ringline_runtime *rt = conf_serve(NULL, 2, NULL, NULL, NULL, NULL);
	struct stat st;

	o.flags = RINGLINE_LISTEN_MODE | RINGLINE_LISTEN_OWNER;
	o.mode = 0640;
	o.uid = getuid();
	o.gid = UINT32_MAX;
	CONF_OK(ringline_runtime_listen(rt, NULL, address, greet, NULL, &o));
	CONF_OK(stat(path, &st));
	g_assert_cmpuint(st.st_mode & 0777, ==, 0640);
	g_assert_true(S_ISSOCK(st.st_mode));
	CONF_OK(ringline_runtime_unlisten(rt, address));
	g_assert_cmpint(stat(path, &st), ==, -1);             /* at once */
	o.mode = 01777;
	g_assert_cmpint(ringline_runtime_listen(rt, NULL, address, greet, NULL, &o), ==, -EINVAL);
	o.mode = 0;
	o.flags = UINT32_C(1) << 20;
	g_assert_cmpint(ringline_runtime_listen(rt, NULL, address, greet, NULL, &o), ==, -EINVAL);
	CONF_OK(conf_stop(rt));
	g_rmdir(dir);
	g_free(address);
	g_free(path);
	g_free(dir);
}

static int greeted(void *arg)
{
	struct ringline_conn *c;
	char which;

	CONF_OK(ringline_connect(&c, arg, NULL));
	g_assert_cmpint(ringline_conn_recv(c, &which, 1), ==, 1);
	return ringline_conn_close(c);
}

static void test_tcp_options(void)
{
	struct ringline_listen_options o = RINGLINE_LISTEN_OPTIONS_INIT;
	struct ringline_runtime *rt = conf_serve(NULL, 1, NULL, NULL, NULL, NULL);
	char bound[RINGLINE_ADDRESS_SIZE];
	char v4[RINGLINE_ADDRESS_SIZE];
	int r;

	o.flags = RINGLINE_LISTEN_V6ONLY | RINGLINE_LISTEN_KEEPALIVE | RINGLINE_LISTEN_DELAY;
	o.fastopen = 16;
	r = ringline_runtime_listen(rt, bound, "tcp:[::1]:0", greet, NULL, &o);
	if (r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT) {
		g_test_skip("no IPv6 on this machine");
		CONF_OK(conf_stop(rt));
		return;
	}
	CONF_OK(r);
	CONF_OK(conf_call(rt, 0, greeted, bound));
	CONF_OK(ringline_runtime_unlisten(rt, bound));
	CONF_OK(ringline_runtime_listen(rt, bound, "tcp:[::]:0", greet, NULL, &o));
	g_snprintf(v4, sizeof(v4), "tcp:127.0.0.1%s", strrchr(bound, ':'));
	g_assert_true(refuses(v4));
	CONF_OK(conf_stop(rt));
}

/* --- inherited ---------------------------------------------------------------------------------------------------- */

static void talk(const char *address)
{
	int fd = conf_connect_raw(address);

	g_assert_true(served(fd));
	close(fd);
}

static void test_fd(enum conf_kind kind)
{
	struct ringline_runtime *rt = conf_serve(NULL, 2, NULL, NULL, NULL, NULL);
	char address[RINGLINE_ADDRESS_SIZE];
	char bound[RINGLINE_ADDRESS_SIZE];
	int fd = conf_listen_raw(kind, 10, address);
	char text[32];

	g_snprintf(text, sizeof(text), "fd:%d", fd);
	CONF_OK(ringline_runtime_listen(rt, bound, text, greet, NULL, NULL));
	g_assert_cmpstr(bound, ==, address);
	talk(address);
	g_assert_cmpint(ringline_runtime_listen(rt, NULL, "fd:", greet, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_runtime_listen(rt, NULL, "fd:x", greet, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_runtime_listen(rt, NULL, "fd:-1", greet, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_runtime_listen(rt, NULL, "fd:99999", greet, NULL, NULL), ==, -EBADF);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	g_snprintf(text, sizeof(text), "fd:%d", fd);
	g_assert_cmpint(ringline_runtime_listen(rt, NULL, text, greet, NULL, NULL), ==, -ENOTSOCK);
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_snprintf(text, sizeof(text), "fd:%d", fd);
	g_assert_cmpint(ringline_runtime_listen(rt, NULL, text, greet, NULL, NULL), ==, -EINVAL);
	close(fd);
	CONF_OK(conf_stop(rt));
}

/* As a service manager passes them: two called "web" among others. */
static void pass(int fds, const char *names, int pid)
{
	char text[32];

	g_snprintf(text, sizeof(text), "%d", fds);
	g_setenv("LISTEN_FDS", text, TRUE);
	g_snprintf(text, sizeof(text), "%d", pid);
	g_setenv("LISTEN_PID", text, TRUE);
	if (names)
		g_setenv("LISTEN_FDNAMES", names, TRUE);
	else
		g_unsetenv("LISTEN_FDNAMES");
}

static void test_systemd(void)
{
	enum { FIRST = 40 };
	struct ringline_runtime *rt = conf_serve(NULL, 2, NULL, NULL, NULL, NULL);
	char address[2][RINGLINE_ADDRESS_SIZE];
	GString *names = g_string_new(NULL);
	int i;

	for (i = 3; i < FIRST; i++)
		g_string_append(names, "other:");
	g_string_append(names, "web:web");
	for (i = 0; i < 2; i++) {
		int fd = conf_listen_raw(i ? CONF_UNIX : CONF_TCP, 10, address[i]);

		g_assert_cmpint(dup2(fd, FIRST + i), ==, FIRST + i);
		close(fd);
	}
	pass(FIRST + 2 - 3, names->str, getpid() + 1);
	g_assert_cmpint(ringline_runtime_listen(rt, NULL, "systemd:web", greet, NULL, NULL), ==, -ENOENT);
	pass(FIRST + 2 - 3, names->str, getpid());
	g_assert_cmpint(ringline_runtime_listen(rt, NULL, "systemd:we", greet, NULL, NULL), ==, -ENOENT);
	g_assert_cmpint(ringline_runtime_listen(rt, NULL, "systemd:", greet, NULL, NULL), ==, -EINVAL);
	CONF_OK(ringline_runtime_listen(rt, NULL, "systemd:web", greet, NULL, NULL));
	talk(address[0]);
	talk(address[1]);
	pass(0, NULL, getpid());
	g_assert_cmpint(ringline_runtime_listen(rt, NULL, "systemd:web", greet, NULL, NULL), ==, -ENOENT);
	g_setenv("LISTEN_FDS", "1x", TRUE);
	g_assert_cmpint(ringline_runtime_listen(rt, NULL, "systemd:unknown", greet, NULL, NULL), ==, -ENOENT);
	g_unsetenv("LISTEN_FDS");
	g_unsetenv("LISTEN_PID");
	g_string_free(names, TRUE);
	CONF_OK(conf_stop(rt));
}

static int task_fd_main(void *arg)
{
	char address[RINGLINE_ADDRESS_SIZE];
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_listener *l;
	struct ringline_conn *c;
	char text[32];
	int fd = conf_listen_raw(*(enum conf_kind *)arg, 10, address);

	g_snprintf(text, sizeof(text), "fd:%d", fd);
	CONF_OK(ringline_listener_open(&l, bound, text, NULL));
	g_assert_cmpstr(bound, ==, address);
	fd = conf_connect_raw(bound);
	CONF_OK(ringline_listener_accept(l, &c));
	CONF_OK(ringline_conn_close(c));
	close(fd);
	CONF_OK(ringline_listener_close(l));
	return 0;
}

static void test_task_fd(enum conf_kind kind)
{
	CONF_OK(conf_run(task_fd_main, &kind));
}

static void add(void)
{
	conf_add_kinds("accept", "added-and-removed-at-run-time", test_add_and_remove);
	conf_add("/accept/removed-before-the-start", test_removed_before_the_start);
	conf_add_kinds("accept", "paused", test_pause);
	conf_add_kinds("accept", "task-listener-paused", test_task_pause);
	conf_add_kinds("accept", "limit", test_limit);
	conf_add_kinds("accept", "limit-per-source", test_limit_per_source);
	conf_add_kinds("accept", "budget", test_budget);
	conf_add_kinds("accept", "hand-over", test_hand_over);
	conf_add_kinds("accept", "hand-over-churn", test_hand_over_churn);
	conf_add("/accept/socket-file", test_mode);
	conf_add("/accept/tcp-options", test_tcp_options);
	conf_add_kinds("accept", "fd", test_fd);
	conf_add("/accept/systemd", test_systemd);
	conf_add_kinds("accept", "task-listener-fd", test_task_fd);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "accept", add);
}
