/* SPDX-License-Identifier: MIT */
/* Waiting for descriptors that are not the library's: once, again and again, cut, closed, and what cannot be waited for. */
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>

#include "support/conformance.h"

static void put(int fd, char c)
{
	g_assert_cmpint(write(fd, &c, 1), ==, 1);
}

static char get(int fd)
{
	char c;

	g_assert_cmpint(read(fd, &c, 1), ==, 1);
	return c;
}

static void open_pipe(int fd[2])
{
	CONF_OK(pipe2(fd, O_CLOEXEC | O_NONBLOCK));
}

static void close_both(const int fd[2])
{
	CONF_OK(close(fd[0]));
	CONF_OK(close(fd[1]));
}

/* Does something to a descriptor after a while. */
struct later {
	uint64_t ns;
	int fd;
	struct ringline_fd_watch *watch;
	void (*act)(struct later *l);
};

static int act_later(void *arg)
{
	struct later *l = arg;

	CONF_OK(ringline_sleep(l->ns));
	l->act(l);
	return 0;
}

static void do_later(struct later *l)
{
	CONF_OK(ringline_spawn(act_later, l));
}

static void write_to(struct later *l)
{
	put(l->fd, 'x');
}

static void close_it(struct later *l)
{
	CONF_OK(ringline_fd_close(l->fd));
}

static void free_watch(struct later *l)
{
	CONF_OK(ringline_fd_watch_free(l->watch));
}

/* --- once --------------------------------------------------------------------------------------------------------- */

static int wait_main(void *arg)
{
	int fd[2];
	struct later l = { .ns = 5 * MSEC, .act = write_to };

	(void)arg;
	open_pipe(fd);
	l.fd = fd[1];
	do_later(&l);
	g_assert_cmpint(ringline_fd_wait(fd[0], POLLIN), ==, POLLIN);
	g_assert_cmpint(ringline_fd_wait(fd[0], POLLIN), ==, POLLIN);     /* a level, not an edge */
	get(fd[0]);
	g_assert_cmpint(ringline_fd_wait(fd[1], POLLOUT), ==, POLLOUT);
	CONF_OK(close(fd[1]));
	g_assert_cmpint(ringline_fd_wait(fd[0], POLLIN), ==, POLLHUP);
	CONF_OK(close(fd[0]));
	return 0;
}

static void test_wait(void)
{
	CONF_OK(conf_run(wait_main, NULL));
}

static int kinds_main(void *arg)
{
	struct itimerspec spec = { .it_value = { 0, 1000000 } };
	int fd[3] = { eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC),
	              inotify_init1(IN_CLOEXEC | IN_NONBLOCK) };
	char path[] = "watched-XXXXXX";
	int file;
	int i;

	(void)arg;
	CONF_OK(eventfd_write(fd[0], 1));
	CONF_OK(timerfd_settime(fd[1], 0, &spec, NULL));
	g_assert_cmpint(inotify_add_watch(fd[2], ".", IN_CREATE), >, 0);
	file = mkstemp(path);
	g_assert_cmpint(file, >=, 0);
	for (i = 0; i < 3; i++) {
		g_assert_cmpint(ringline_fd_wait(fd[i], POLLIN), ==, POLLIN);
		CONF_OK(close(fd[i]));
	}
	g_assert_cmpint(ringline_fd_wait(file, POLLIN), ==, -EPERM);
	CONF_OK(close(file));
	CONF_OK(unlink(path));
	return 0;
}

static void test_kinds(void)
{
	CONF_OK(conf_run(kinds_main, NULL));
}

/* --- what is refused ---------------------------------------------------------------------------------------------- */

static int refused_main(void *arg)
{
	static const char *const paths[] = { "/", "/dev/null", "/proc/self/stat", "/proc/self/exe" };
	struct ringline_fd_watch *w;
	struct ringline_fd_watch *other;
	struct ringline_op *op;
	int fd[2];
	size_t i;
	int file;

	(void)arg;
	for (i = 0; i < G_N_ELEMENTS(paths); i++) {
		file = open(paths[i], O_RDONLY | O_CLOEXEC);
		g_assert_cmpint(file, >=, 0);
		g_assert_cmpint(ringline_fd_wait(file, POLLIN), ==, -EPERM);
		g_assert_cmpint(ringline_fd_watch_new(&w, file, POLLIN), ==, -EPERM);
		g_assert_cmpint(ringline_fd_wait_begin(&op, file, POLLIN), ==, -EPERM);
		CONF_OK(close(file));
		g_assert_cmpint(ringline_fd_wait(file, POLLIN), ==, -EBADF);
	}
	open_pipe(fd);
	g_assert_cmpint(ringline_fd_wait(-1, POLLIN), ==, -EBADF);
	g_assert_cmpint(ringline_fd_wait(fd[0], 0), ==, -EINVAL);
	g_assert_cmpint(ringline_fd_wait(fd[0], POLLIN | POLLNVAL), ==, -EINVAL);
	g_assert_cmpint(ringline_fd_watch_new(NULL, fd[0], POLLIN), ==, -EINVAL);
	g_assert_cmpint(ringline_fd_wait_begin(NULL, fd[0], POLLIN), ==, -EINVAL);
	g_assert_cmpint(ringline_fd_watch_wait(NULL), ==, -EINVAL);
	CONF_OK(ringline_fd_watch_new(&w, fd[0], POLLIN));
	g_assert_cmpint(ringline_fd_wait(fd[0], POLLIN), ==, -EBUSY);
	g_assert_cmpint(ringline_fd_watch_new(&other, fd[0], POLLIN), ==, -EBUSY);
	g_assert_cmpint(ringline_fd_watch_set(w, 0), ==, -EINVAL);
	CONF_OK(ringline_fd_watch_free(w));
	g_assert_cmpint(ringline_fd_watch_free(w), ==, -EBADF);
	g_assert_cmpint(ringline_fd_watch_wait(w), ==, -EBADF);
	g_assert_cmpint(ringline_fd_watch_set(w, POLLIN), ==, -EBADF);
	CONF_OK(ringline_fd_watch_free(NULL));
	g_assert_cmpint(ringline_fd_close(-1), ==, -EBADF);
	close_both(fd);
	return 0;
}

static void test_refused(void)
{
	struct ringline_fd_watch *w;

	CONF_OK(conf_run(refused_main, NULL));
	conf_log_allow("outside a task");
	conf_log_allow("not a worker");
	g_assert_cmpint(ringline_fd_wait(0, POLLIN), ==, -EPERM);
	g_assert_cmpint(ringline_fd_watch_new(&w, 0, POLLIN), ==, -EPERM);
	g_assert_cmpint(ringline_fd_close(0), ==, -EPERM);
}

/* --- watches ------------------------------------------------------------------------------------------------------ */

static int watch_main(void *arg)
{
	struct ringline_fd_watch *w;
	uint64_t polls;
	int fd[2];
	int i;

	(void)arg;
	open_pipe(fd);
	CONF_OK(ringline_fd_watch_new(&w, fd[0], POLLIN));
	for (i = 0; i < 20; i++) {
		struct later l = { .ns = i % 2 ? 0 : MSEC, .fd = fd[1], .act = write_to };

		do_later(&l);
		g_assert_cmpint(ringline_fd_watch_wait(w), ==, POLLIN);
		if (i % 3 == 0)
			g_assert_cmpint(ringline_fd_watch_wait(w), ==, POLLIN);   /* it has not been read */
		get(fd[0]);
	}
	CONF_OK(ringline_worker_op_count(NULL, 0, "poll", conf_is("epoll") ? "epoll" : "io_uring", &polls));
	g_assert_cmpuint(polls, ==, 27);
	CONF_OK(ringline_fd_watch_free(w));
	close_both(fd);
	return 0;
}

static void test_watch(void)
{
	CONF_OK(conf_run(watch_main, NULL));
}

static int watch_set_main(void *arg)
{
	struct ringline_fd_watch *w;
	int fd[2];

	(void)arg;
	CONF_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd));
	CONF_OK(ringline_fd_watch_new(&w, fd[0], POLLIN));
	CONF_OK(ringline_fd_watch_set(w, POLLOUT));
	g_assert_cmpint(ringline_fd_watch_wait(w), ==, POLLOUT);
	CONF_OK(ringline_fd_watch_set(w, POLLIN | POLLOUT));
	put(fd[1], 'a');
	g_assert_cmpint(ringline_fd_watch_wait(w), ==, POLLIN | POLLOUT);
	CONF_OK(ringline_fd_watch_free(w));
	close_both(fd);
	return 0;
}

static void test_watch_set(void)
{
	CONF_OK(conf_run(watch_set_main, NULL));
}

static void set_out(struct later *l)
{
	CONF_OK(ringline_fd_watch_set(l->watch, POLLOUT));
}

/* Who waits when the events change waits for the new ones. */
static int watch_set_waiting_main(void *arg)
{
	struct later l = { .ns = MSEC, .act = set_out };
	int fd[2];

	(void)arg;
	CONF_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd));
	CONF_OK(ringline_fd_watch_new(&l.watch, fd[0], POLLIN));
	do_later(&l);
	g_assert_cmpint(ringline_fd_watch_wait(l.watch), ==, POLLOUT);
	CONF_OK(ringline_fd_watch_free(l.watch));
	close_both(fd);
	return 0;
}

static void test_watch_set_waiting(void)
{
	CONF_OK(conf_run(watch_set_waiting_main, NULL));
}

/* --- cuts --------------------------------------------------------------------------------------------------------- */

static int cut_main(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_fd_watch *w;
	struct ringline_scope *scope;
	struct ringline_op *op;
	int fd[2];
	int i;

	(void)arg;
	open_pipe(fd);
	for (i = 0; i < 3; i++) {
		o.deadline = ringline_now() + 5 * MSEC;
		CONF_OK(ringline_scope_open(&scope, &o));
		switch (i) {
		case 0:
			g_assert_cmpint(ringline_fd_wait(fd[0], POLLIN), ==, -ETIME);
			break;
		case 1:
			CONF_OK(ringline_fd_watch_new(&w, fd[0], POLLIN));
			g_assert_cmpint(ringline_fd_watch_wait(w), ==, -ETIME);
			CONF_OK(ringline_fd_watch_free(w));
			break;
		default:
			CONF_OK(ringline_fd_wait_begin(&op, fd[0], POLLIN));
			g_assert_cmpint(ringline_op_await(op), ==, -ECANCELED);
			break;
		}
		g_assert_cmpint(ringline_scope_close(scope), ==, -ETIME);
	}
	CONF_OK(ringline_fd_wait_begin(&op, fd[0], POLLIN));
	CONF_OK(ringline_op_cancel(op));
	g_assert_cmpint(ringline_op_await(op), ==, -ECANCELED);
	put(fd[1], 'z');
	CONF_OK(ringline_fd_wait_begin(&op, fd[0], POLLIN));
	g_assert_cmpint(ringline_op_await(op), ==, POLLIN);
	CONF_OK(ringline_scope_open(&scope, NULL));
	get(fd[0]);
	CONF_OK(ringline_fd_wait_begin(&op, fd[0], POLLIN));
	CONF_OK(ringline_scope_close(scope));         /* nobody has awaited it */
	close_both(fd);
	return 0;
}

static void test_cut(void)
{
	CONF_OK(conf_run(cut_main, NULL));
}

static int parked_main(void *arg)
{
	return ringline_fd_wait(*(int *)arg, POLLIN);
}

/* Parked for ever, and nothing else happens: the shutdown must reach it. */
static void test_shutdown(void)
{
	struct ringline_runtime *rt = conf_serve(NULL, 1, NULL, NULL, NULL, NULL);
	int fd[2];

	open_pipe(fd);
	CONF_OK(ringline_worker_spawn(rt, 0, parked_main, &fd[0]));
	CONF_UNTIL(conf_stats(rt).operations_submitted > 0);
	CONF_OK(conf_stop(rt));
	close_both(fd);
}

static int leak_main(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_fd_watch *w;
	struct ringline_scope *scope;

	CONF_OK(ringline_fd_watch_new(&w, *(int *)arg, POLLIN));
	o.deadline = ringline_now() + MSEC;
	CONF_OK(ringline_scope_open(&scope, &o));
	g_assert_cmpint(ringline_fd_watch_wait(w), ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(scope), ==, -ETIME);
	return 0;
}

/* A watch that nobody frees, armed, does not keep the worker from ending. */
static void test_leaked(void)
{
	struct ringline_runtime *rt = conf_serve(NULL, 1, NULL, NULL, NULL, NULL);
	int fd[2];

	open_pipe(fd);
	CONF_OK(conf_call(rt, 0, leak_main, &fd[0]));
	CONF_OK(conf_stop(rt));
	close_both(fd);
}

/* --- closed while waited for -------------------------------------------------------------------------------------- */

static int close_main(void *arg)
{
	struct ringline_fd_watch *w;
	struct ringline_op *op;
	struct later l = { .ns = MSEC, .act = close_it };
	int fd[2];
	int i;

	(void)arg;
	for (i = 0; i < 4; i++) {
		open_pipe(fd);
		l.fd = fd[0];
		do_later(&l);
		switch (i) {
		case 0:
			g_assert_cmpint(ringline_fd_wait(fd[0], POLLIN), ==, -EBADF);
			break;
		case 1:
			CONF_OK(ringline_fd_watch_new(&w, fd[0], POLLIN));
			g_assert_cmpint(ringline_fd_watch_wait(w), ==, -EBADF);
			g_assert_cmpint(ringline_fd_watch_wait(w), ==, -EBADF);
			CONF_OK(ringline_fd_watch_free(w));
			break;
		case 2:
			CONF_OK(ringline_fd_wait_begin(&op, fd[0], POLLIN));
			g_assert_cmpint(ringline_op_await(op), ==, -EBADF);
			break;
		default:
			CONF_OK(ringline_fd_watch_new(&l.watch, fd[0], POLLIN));
			l.act = free_watch;
			g_assert_cmpint(ringline_fd_watch_wait(l.watch), ==, -EBADF);
			CONF_OK(ringline_fd_close(fd[0]));
			break;
		}
		CONF_OK(ringline_sleep(2 * MSEC));
		g_assert_cmpint(fcntl(fd[0], F_GETFD), ==, -1);
		CONF_OK(close(fd[1]));
	}
	return 0;
}

static void test_close(void)
{
	CONF_OK(conf_run(close_main, NULL));
}

/* The number is given to another file, which is another matter. */
static int reuse_main(void *arg)
{
	struct ringline_fd_watch *w;
	int fd[2];
	int again[2];
	int i;

	(void)arg;
	for (i = 0; i < 50; i++) {
		struct later l = { .ns = 0, .act = write_to };

		open_pipe(fd);
		CONF_OK(ringline_fd_watch_new(&w, fd[0], POLLIN));
		put(fd[1], 'a');
		if (i % 2)
			g_assert_cmpint(ringline_fd_watch_wait(w), ==, POLLIN);
		CONF_OK(ringline_fd_watch_free(w));
		close_both(fd);                       /* the plain close(2) */
		open_pipe(again);
		g_assert_cmpint(again[0], ==, fd[0]);
		l.fd = again[1];
		do_later(&l);
		CONF_OK(ringline_fd_watch_new(&w, again[0], POLLIN));
		g_assert_cmpint(ringline_fd_watch_wait(w), ==, POLLIN);
		g_assert_cmpint(get(again[0]), ==, 'x');
		CONF_OK(ringline_fd_watch_free(w));
		CONF_OK(ringline_fd_close(again[0]));
		CONF_OK(ringline_fd_close(again[1]));
	}
	return 0;
}

static void test_reuse(void)
{
	CONF_OK(conf_run(reuse_main, NULL));
}

/* --- netlink ------------------------------------------------------------------------------------------------------ */

/* Asks the kernel for its links, and reads the answer as it comes. */
static int netlink_main(void *arg)
{
	struct { struct nlmsghdr h; struct ifinfomsg m; } ask = {
		{ .nlmsg_len = sizeof(ask), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP }, { 0 } };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	struct ringline_fd_watch *w;
	_Alignas(struct nlmsghdr) char buf[32768];
	bool done = false;
	int links = 0;

	(void)arg;
	g_assert_cmpint(fd, >=, 0);
	CONF_OK(ringline_fd_watch_new(&w, fd, POLLIN));
	g_assert_cmpint(send(fd, &ask, sizeof(ask), 0), ==, sizeof(ask));
	while (!done) {
		struct nlmsghdr *h = (struct nlmsghdr *)(void *)buf;
		ssize_t n;

		g_assert_cmpint(ringline_fd_watch_wait(w), ==, POLLIN);
		n = recv(fd, buf, sizeof(buf), 0);
		g_assert_cmpint(n, >, 0);
		for (; NLMSG_OK(h, (size_t)n); h = NLMSG_NEXT(h, n)) {
			links += h->nlmsg_type == RTM_NEWLINK;
			done |= h->nlmsg_type == NLMSG_DONE;
		}
	}
	g_assert_cmpint(links, >=, 1);
	CONF_OK(ringline_fd_watch_free(w));
	CONF_OK(ringline_fd_close(fd));
	return 0;
}

static void test_netlink(void)
{
	CONF_OK(conf_run(netlink_main, NULL));
}

static void add(void)
{
	conf_add("/fd/wait-once", test_wait);
	conf_add("/fd/eventfd-timerfd-inotify", test_kinds);
	conf_add("/fd/what-cannot-be-polled-is-eperm", test_refused);
	conf_add("/fd/watch-again-and-again", test_watch);
	conf_add("/fd/watch-changes-its-events", test_watch_set);
	conf_add("/fd/watch-changes-its-events-while-waited-for", test_watch_set_waiting);
	conf_add("/fd/cut", test_cut);
	conf_add("/fd/shutdown-reaches-a-parked-wait", test_shutdown);
	conf_add("/fd/leaked-watch-does-not-hold-the-worker", test_leaked);
	conf_add("/fd/closed-while-waited-for", test_close);
	conf_add("/fd/number-is-used-again", test_reuse);
	conf_add("/fd/netlink", test_netlink);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "fd", add);
}
