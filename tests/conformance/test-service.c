/* SPDX-License-Identifier: MIT */
/*
 * What the service manager is told: a socket of the test's own is the manager, as sd_notify(3) describes it.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "support/conformance.h"

/* --- a manager ---------------------------------------------------------------------------------------------------- */

#define FDS 4

struct manager {
	int fd;
	char *path;                               /* NULL: an abstract name */
};

struct message {
	char text[512];
	int fds[FDS];
	size_t nfds;
	pid_t pid;
};

static void manager_open(struct manager *m, bool abstract)
{
	static unsigned int serial;
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	g_autofree char *name = g_strdup_printf("%s/notify-%d-%u", abstract ? "@ringline" : g_get_tmp_dir(), getpid(), serial++);
	const int on = 1;

	m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	g_assert_cmpint(m->fd, >=, 0);
	m->path = abstract ? NULL : g_strdup(name);
	g_assert_cmpuint(strlen(name), <, sizeof(un.sun_path));
	memcpy(un.sun_path, name, strlen(name));
	if (abstract)
		un.sun_path[0] = '\0';
	CONF_OK(bind(m->fd, (struct sockaddr *)&un, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + !abstract)));
	CONF_OK(setsockopt(m->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	g_assert_true(g_setenv("NOTIFY_SOCKET", name, true));
}

static void manager_close(struct manager *m)
{
	g_unsetenv("NOTIFY_SOCKET");
	if (m->path)
		unlink(m->path);
	g_free(m->path);
	close(m->fd);
}

static void take_control(struct message *to, struct msghdr *h)
{
	struct cmsghdr *c;
	struct ucred cred;

	for (c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&cred, CMSG_DATA(c), sizeof(cred));
			to->pid = cred.pid;
		} else if (c->cmsg_type == SCM_RIGHTS) {
			to->nfds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(to->fds, CMSG_DATA(c), to->nfds * sizeof(int));
		}
	}
}

/* False: there is none. */
static bool take(struct manager *m, struct message *to)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(FDS * sizeof(int))];
	struct iovec iov = { .iov_base = to->text, .iov_len = sizeof(to->text) - 1 };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(m->fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return false;
	to->text[n] = '\0';
	to->nfds = 0;
	take_control(to, &h);
	return true;
}

static void expect(struct manager *m, const char *text)
{
	struct message got;

	CONF_UNTIL(take(m, &got));
	g_assert_cmpstr(got.text, ==, text);
	g_assert_cmpint(got.pid, ==, getpid());
	g_assert_cmpuint(got.nfds, ==, 0);
}

/* A reload or the end, and what the watchdog was told in between. */
static void expect_late(struct manager *m, const char *prefix)
{
	struct message got;

	do
		CONF_UNTIL(take(m, &got));
	while (!strcmp(got.text, "WATCHDOG=1"));
	g_assert_true(g_str_has_prefix(got.text, prefix));
}

/* --- the calls ---------------------------------------------------------------------------------------------------- */

static void words(bool abstract)
{
	struct manager m;
	struct message got;
	guint64 before = (guint64)g_get_monotonic_time();

	manager_open(&m, abstract);
	g_assert_cmpint(ringline_service_ready(), ==, 1);
	expect(&m, "READY=1");
	g_assert_cmpint(ringline_service_stopping(), ==, 1);
	expect(&m, "STOPPING=1");
	g_assert_cmpint(ringline_service_status("serving 3 clients: 100%"), ==, 1);
	expect(&m, "STATUS=serving 3 clients: 100%");
	g_assert_cmpint(ringline_service_main_pid(4711), ==, 1);
	expect(&m, "MAINPID=4711");
	g_assert_cmpint(ringline_service_extend_timeout(5 * SEC), ==, 1);
	expect(&m, "EXTEND_TIMEOUT_USEC=5000000");
	g_assert_cmpint(ringline_service_notify("X_OWN=1\nERRNO=2", NULL, 0), ==, 1);
	expect(&m, "X_OWN=1\nERRNO=2");
	g_assert_cmpint(ringline_service_reloading(), ==, 1);
	CONF_UNTIL(take(&m, &got));
	g_assert_true(g_str_has_prefix(got.text, "RELOADING=1\nMONOTONIC_USEC="));
	g_assert_cmpuint(g_ascii_strtoull(strrchr(got.text, '=') + 1, NULL, 10), >=, before);
	g_assert_cmpuint(g_ascii_strtoull(strrchr(got.text, '=') + 1, NULL, 10), <=, (guint64)g_get_monotonic_time());
	manager_close(&m);
}

static void test_words(void)
{
	words(false);
	words(true);
}

static int fill_queue(void *arg)
{
	int r;

	(void)arg;
	while ((r = ringline_service_status("x")) == 1)
		;
	g_assert_cmpint(r, ==, -EAGAIN);
	return 0;
}

static void test_refused(void)
{
	static const char *const bad[] = { "relative", "@", "/", "vsock:2:1234" };
	g_autofree char *longest = g_strnfill(300, '/');
	struct manager m;
	int many[254] = { 0 };
	size_t i;

	g_unsetenv("NOTIFY_SOCKET");
	CONF_OK(ringline_service_ready());
	CONF_OK(ringline_service_store("name", many, 1, 0));
	for (i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_setenv("NOTIFY_SOCKET", bad[i], true);
		g_assert_cmpint(ringline_service_ready(), ==, -EINVAL);
	}
	g_setenv("NOTIFY_SOCKET", longest, true);
	g_assert_cmpint(ringline_service_ready(), ==, -ENAMETOOLONG);
	g_setenv("NOTIFY_SOCKET", "/nowhere/at-all", true);
	g_assert_cmpint(ringline_service_ready(), ==, -ENOENT);
	manager_open(&m, false);
	g_assert_cmpint(ringline_service_notify(NULL, NULL, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_service_notify("", NULL, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_service_notify("X=1", NULL, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_service_notify("X=1", many, 254), ==, -E2BIG);
	g_assert_cmpint(ringline_service_status(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_service_status("two\nlines"), ==, -EINVAL);
	g_assert_cmpint(ringline_service_main_pid(0), ==, -EINVAL);
	many[0] = -1;
	g_assert_cmpint(ringline_service_store("name", many, 1, 0), ==, -EBADF);
	CONF_OK(conf_run(fill_queue, NULL));
	close(m.fd);
	m.fd = -1;
	g_assert_cmpint(ringline_service_ready(), ==, -ECONNREFUSED);
	manager_close(&m);
}

/* --- descriptors -------------------------------------------------------------------------------------------------- */

static void test_store(void)
{
	static const char *const bad[] = { "", "a:b", "a b", "line\nend", "\303\244" };
	g_autofree char *longest = g_strnfill(256, 'n');
	struct manager m;
	struct message got;
	struct stat sent;
	struct stat kept;
	int pipes[2];
	size_t i;

	manager_open(&m, true);
	CONF_OK(pipe2(pipes, O_CLOEXEC));
	for (i = 0; i < G_N_ELEMENTS(bad); i++)
		g_assert_cmpint(ringline_service_store(bad[i], pipes, 2, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_service_store(longest, pipes, 2, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_service_store("pipe", pipes, 0, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_service_store("pipe", pipes, 2, 1u << 31), ==, -EINVAL);
	g_assert_cmpint(ringline_service_unstore(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_service_store("pipe", pipes, 2, 0), ==, 1);
	CONF_UNTIL(take(&m, &got));
	g_assert_cmpstr(got.text, ==, "FDSTORE=1\nFDNAME=pipe");
	g_assert_cmpuint(got.nfds, ==, 2);
	for (i = 0; i < 2; i++) {
		CONF_OK(fstat(pipes[i], &sent));
		CONF_OK(fstat(got.fds[i], &kept));
		g_assert_cmpuint(sent.st_ino, ==, kept.st_ino);
		close(got.fds[i]);
	}
	g_assert_cmpint(ringline_service_store("pipe", pipes, 1, RINGLINE_SERVICE_KEEP), ==, 1);
	CONF_UNTIL(take(&m, &got));
	g_assert_cmpstr(got.text, ==, "FDSTORE=1\nFDNAME=pipe\nFDPOLL=0");
	g_assert_cmpuint(got.nfds, ==, 1);
	close(got.fds[0]);
	g_assert_cmpint(ringline_service_unstore("pipe"), ==, 1);
	expect(&m, "FDSTOREREMOVE=1\nFDNAME=pipe");
	close(pipes[0]);
	close(pipes[1]);
	manager_close(&m);
}

static void find_fds(const void *arg)
{
	g_autofree char *pid = g_strdup_printf("%d", getpid());
	int fds[4] = { -1, -1, -1, -1 };
	int fd;

	(void)arg;
	for (fd = 3; fd < 6; fd++)
		g_assert_cmpint(dup2(STDERR_FILENO, fd), ==, fd);
	g_assert_cmpuint(ringline_service_fds("a", fds, 4), ==, 0);
	g_setenv("LISTEN_FDS", "3", true);
	g_setenv("LISTEN_FDNAMES", "a:b:a", true);
	g_setenv("LISTEN_PID", "1", true);
	g_assert_cmpuint(ringline_service_fds(NULL, fds, 4), ==, 0);
	g_setenv("LISTEN_PID", pid, true);
	g_assert_cmpuint(ringline_service_fds("a", fds, 1), ==, 2);
	g_assert_cmpint(fds[0], ==, 3);
	g_assert_cmpint(fds[1], ==, -1);
	g_assert_cmpuint(ringline_service_fds("a", fds, 4), ==, 2);
	g_assert_cmpint(fds[1], ==, 5);
	g_assert_cmpint(fcntl(5, F_GETFD), ==, FD_CLOEXEC);
	g_assert_cmpuint(ringline_service_fds("c", fds, 4), ==, 0);
	g_assert_cmpuint(ringline_service_fds(NULL, NULL, 0), ==, 3);
	g_unsetenv("LISTEN_FDNAMES");
	g_assert_cmpuint(ringline_service_fds("unknown", fds, 4), ==, 3);
	fds[1] = -1;
	close(4);                                 /* one that is not there any more is none */
	g_assert_cmpuint(ringline_service_fds("unknown", NULL, 0), ==, 2);
	g_assert_cmpuint(ringline_service_fds("unknown", fds, 4), ==, 2);
	g_assert_cmpint(fds[1], ==, 5);
}

static void test_fds(void)
{
	conf_fork(find_fds, NULL);
}

/* --- the runtime speaks for itself -------------------------------------------------------------------------------- */

static _Atomic int reloads;

static int reload(void *arg)
{
	(void)arg;
	reloads++;
	return 0;
}

static struct ringline_runtime *start(uint32_t workers)
{
	struct ringline_runtime *rt;
	struct ringline_config c;

	conf_config(&c);
	c.flags |= RINGLINE_CONFIG_SERVICE;
	c.workers = workers;
	CONF_OK(ringline_runtime_new(&rt, &c));
	CONF_OK(ringline_runtime_on_reload(rt, reload, NULL));
	CONF_OK(ringline_runtime_start(rt));
	return rt;
}

static void test_life(void)
{
	struct ringline_runtime *rt;
	struct manager m;
	struct message got;

	reloads = 0;
	manager_open(&m, false);
	rt = start(2);
	expect(&m, "READY=1");
	CONF_OK(ringline_runtime_reload(rt));
	expect_late(&m, "RELOADING=1\nMONOTONIC_USEC=");
	expect(&m, "READY=1");
	g_assert_cmpint(reloads, ==, 1);
	CONF_OK(conf_stop(rt));
	expect(&m, "STOPPING=1");
	g_assert_false(take(&m, &got));
	manager_close(&m);
	CONF_OK(conf_stop(start(1)));                 /* nobody to tell */
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

/* A runtime that was not asked to says nothing. */
static void test_silent(void)
{
	struct manager m;
	struct message got;

	manager_open(&m, false);
	CONF_OK(conf_run(nothing, NULL));
	g_assert_false(take(&m, &got));
	manager_close(&m);
}

static int wait_for_ping(void *arg)
{
	struct manager *m = arg;

	expect(m, "READY=1");
	expect(m, "WATCHDOG=1");
	expect(m, "WATCHDOG=1");
	return 0;
}

static void test_one_worker(void)
{
	struct ringline_config c;
	struct manager m;

	g_setenv("WATCHDOG_USEC", "20000", true);
	manager_open(&m, true);
	conf_config(&c);
	c.flags |= RINGLINE_CONFIG_SERVICE;
	CONF_OK(conf_run_with(&c, wait_for_ping, &m));
	expect_late(&m, "STOPPING=1");
	manager_close(&m);
	g_unsetenv("WATCHDOG_USEC");
}

static void test_intervals(void)
{
	static const struct {
		const char *usec;
		const char *pid;
		uint64_t interval;
	} table[] = {
		{ NULL, NULL, 0 },          { "", NULL, 0 },        { "30000000", NULL, 30 * SEC }, { "1x", NULL, 0 },
		{ "-5", NULL, 0 },          { "5", "1", 0 },        { "5", "self", 5000 },          { "5", "", 0 },
		{ "99999999999999999999", NULL, 0 },                { "18446744073709551615", NULL, 0 },
	};
	g_autofree char *self = g_strdup_printf("%d", getpid());
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(table); i++) {
		g_unsetenv("WATCHDOG_USEC");
		g_unsetenv("WATCHDOG_PID");
		if (table[i].usec)
			g_setenv("WATCHDOG_USEC", table[i].usec, true);
		if (table[i].pid)
			g_setenv("WATCHDOG_PID", strcmp(table[i].pid, "self") ? table[i].pid : self, true);
		g_assert_cmpuint(ringline_service_watchdog(), ==, table[i].interval);
	}
	g_unsetenv("WATCHDOG_USEC");
	g_unsetenv("WATCHDOG_PID");
}

/* --- the watchdog ------------------------------------------------------------------------------------------------- */

#define WORKERS  3
#define INTERVAL 40000            /* microseconds */

struct hold {
	_Atomic bool held;
	_Atomic bool go;
};

/* Keeps its worker from everything else. */
static int hold(void *arg)
{
	struct hold *h = arg;

	h->held = true;
	while (!h->go)
		g_usleep(1000);
	h->held = false;
	return 0;
}

static unsigned int count_pings(struct manager *m)
{
	struct message got;
	unsigned int n = 0;

	for (; take(m, &got); n++)
		g_assert_cmpstr(got.text, ==, "WATCHDOG=1");
	return n;
}

/*
 * While one worker is held, no word comes, however long that is, but for the questions that it had answered before; afterwards
 * one does.
 */
static void stick(struct ringline_runtime *rt, struct manager *m, uint32_t worker)
{
	g_autofree char *complaint = g_strdup_printf("worker %u has not answered", worker);
	struct hold h = { .held = false };

	CONF_OK(ringline_worker_spawn(rt, worker, hold, &h));
	CONF_UNTIL(h.held);
	count_pings(m);
	g_usleep(5 * INTERVAL);
	g_assert_cmpuint(count_pings(m), <=, 1);
	if (worker)
		CONF_UNTIL(conf_log_seen(complaint));         /* worker 0 is the one that asks */
	h.go = true;
	CONF_UNTIL(!h.held);
	expect(m, "WATCHDOG=1");
}

static void test_stuck(void)
{
	struct ringline_runtime *rt;
	struct manager m;
	uint32_t w;

	g_setenv("WATCHDOG_USEC", G_STRINGIFY(INTERVAL), true);
	manager_open(&m, true);
	rt = start(WORKERS);
	expect(&m, "READY=1");
	expect(&m, "WATCHDOG=1");
	for (w = 0; w < WORKERS; w++)
		stick(rt, &m, w);
	g_assert_cmpuint(conf_stats(rt).probes, >=, 4 * WORKERS);
	CONF_OK(conf_stop(rt));
	expect_late(&m, "STOPPING=1");
	manager_close(&m);
	g_unsetenv("WATCHDOG_USEC");
}

/* The watchdog is another process's. */
static void test_not_ours(void)
{
	struct ringline_runtime *rt;
	struct manager m;
	struct message got;

	g_setenv("WATCHDOG_USEC", "2000", true);
	g_setenv("WATCHDOG_PID", "1", true);
	manager_open(&m, true);
	rt = start(1);
	expect(&m, "READY=1");
	g_usleep(20000);
	g_assert_false(take(&m, &got));
	g_assert_cmpuint(conf_stats(rt).probes, ==, 0);
	CONF_OK(conf_stop(rt));
	manager_close(&m);
	g_unsetenv("WATCHDOG_USEC");
	g_unsetenv("WATCHDOG_PID");
}

static void add(void)
{
	conf_add("/service/words", test_words);
	conf_add("/service/refused", test_refused);
	conf_add("/service/descriptors-to-keep", test_store);
	conf_add("/service/descriptors-that-were-kept", test_fds);
	conf_add("/service/intervals", test_intervals);
	conf_add("/service/silent-unasked", test_silent);
	conf_add("/service/life", test_life);
	conf_add("/service/one-worker", test_one_worker);
	conf_add("/service/stuck-worker-stops-the-ping", test_stuck);
	conf_add("/service/watchdog-of-another", test_not_ours);
}

int main(int argc, char **argv)
{
	g_unsetenv("NOTIFY_SOCKET");
	g_unsetenv("WATCHDOG_USEC");
	g_unsetenv("WATCHDOG_PID");
	return conf_main(argc, argv, "service", add);
}
