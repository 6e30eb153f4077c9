/* SPDX-License-Identifier: MIT */
/* Options and timeouts, adopted descriptors, passed descriptors, and what the kernel tells of the peer. */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pty.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>

#include "support/conformance.h"

/* --- options ------------------------------------------------------------------------------------------------------ */

static void set_and_get(struct conf_line *l, uint32_t option, uint64_t value, int64_t expected)
{
	CONF_OK(ringline_conn_set_option(l->conn, option, value));
	g_assert_cmpint(ringline_conn_get_option(l->conn, option), ==, expected);
}

static void options_body(struct conf_line *l)
{
	set_and_get(l, RINGLINE_CONN_RESET_ON_CLOSE, 1, 1);
	set_and_get(l, RINGLINE_CONN_RESET_ON_CLOSE, 0, 0);
	set_and_get(l, RINGLINE_CONN_READ_TIMEOUT, 5, 5);
	set_and_get(l, RINGLINE_CONN_WRITE_TIMEOUT, 5 * SEC, 5 * SEC);
	set_and_get(l, RINGLINE_CONN_IDLE_TIMEOUT, 60 * SEC, 60 * SEC);
	set_and_get(l, RINGLINE_CONN_CLOSE_TIMEOUT, SEC, SEC);
	set_and_get(l, RINGLINE_CONN_CLOSE_TIMEOUT, 0, 30 * SEC);
	set_and_get(l, RINGLINE_CONN_INPUT_LIMIT, 1000, 1000);
	set_and_get(l, RINGLINE_CONN_INPUT_LIMIT, 0, 1 << 20);
	set_and_get(l, RINGLINE_CONN_OUTPUT_LIMIT, 1000, 1000);
	CONF_OK(ringline_conn_set_option(l->conn, RINGLINE_CONN_SEND_BUFFER, 20000));
	g_assert_cmpint(ringline_conn_get_option(l->conn, RINGLINE_CONN_SEND_BUFFER), >=, 20000);
	g_assert_cmpint(ringline_conn_set_option(l->conn, 0, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_set_option(l->conn, 15, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_set_option(l->conn, 23, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_set_option(l->conn, RINGLINE_CONN_READ_TIMEOUT, UINT64_MAX), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_set_option(l->conn, RINGLINE_CONN_SEND_BUFFER, UINT64_C(1) << 40), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_get_option(l->conn, 99), ==, -EINVAL);
	if (l->kind == CONF_UNIX) {
		g_assert_cmpint(ringline_conn_set_option(l->conn, RINGLINE_CONN_NODELAY, 1), ==, -EOPNOTSUPP);
		return;
	}
	g_assert_cmpint(ringline_conn_get_option(l->conn, RINGLINE_CONN_NODELAY), ==, 1);
	set_and_get(l, RINGLINE_CONN_NODELAY, 0, 0);
	set_and_get(l, RINGLINE_CONN_KEEPALIVE, 1, 1);
	set_and_get(l, RINGLINE_CONN_KEEPALIVE_IDLE, 1500 * MSEC, 2 * SEC);
	set_and_get(l, RINGLINE_CONN_KEEPALIVE_INTERVAL, SEC, SEC);
	set_and_get(l, RINGLINE_CONN_KEEPALIVE_COUNT, 3, 3);
	set_and_get(l, RINGLINE_CONN_TOS, 0x10, 0x10);
	set_and_get(l, RINGLINE_CONN_MARK, 7, 7);
	set_and_get(l, RINGLINE_CONN_USER_TIMEOUT, 1500 * MSEC, 1500 * MSEC);
	set_and_get(l, RINGLINE_CONN_UNSENT_LIMIT, 16384, 16384);
	set_and_get(l, RINGLINE_CONN_RECEIVE_TOGETHER, 1000, 1000);
	g_assert_cmpint(ringline_conn_set_option(l->conn, RINGLINE_CONN_RECEIVE_FDS, 4), ==, -EOPNOTSUPP);
}

static void test_options(enum conf_kind kind)
{
	conf_run_line(kind, options_body);
}

static void reset_on_close_body(struct conf_line *l)
{
	CONF_OK(ringline_conn_set_option(l->conn, RINGLINE_CONN_RESET_ON_CLOSE, 1));
	CONF_OK(ringline_conn_close(l->conn));
	l->conn = NULL;
	conf_expect_end(l->peer, ECONNRESET);
}

static void test_reset_on_close(void)
{
	conf_run_line(CONF_TCP, reset_on_close_body);
}

/* --- timeouts ----------------------------------------------------------------------------------------------------- */

static void read_timeout_body(struct conf_line *l)
{
	static char big[100000];
	const void *p;
	char c;

	CONF_OK(ringline_conn_set_option(l->conn, RINGLINE_CONN_READ_TIMEOUT, 5 * MSEC));
	g_assert_cmpint(ringline_conn_recv(l->conn, &c, 1), ==, -ETIMEDOUT);
	g_assert_cmpint(ringline_conn_recv(l->conn, big, sizeof(big)), ==, -ETIMEDOUT);
	g_assert_cmpint(ringline_conn_peek(l->conn, &p), ==, -ETIMEDOUT);
	conf_put(l->peer, "ab", 2);
	g_assert_cmpint(ringline_conn_peek_at_least(l->conn, 3, &p), ==, -ETIMEDOUT);
	g_assert_cmpint(ringline_conn_recv(l->conn, big, sizeof(big)), ==, 2);
	CONF_OK(ringline_conn_set_option(l->conn, RINGLINE_CONN_READ_TIMEOUT, 0));
	conf_put(l->peer, "c", 1);
	g_assert_cmpint(ringline_conn_recv(l->conn, &c, 1), ==, 1);
}

static void test_read_timeout(enum conf_kind kind)
{
	conf_run_line(kind, read_timeout_body);
}

static void write_timeout_body(struct conf_line *l)
{
	unsigned char *data = g_malloc0(16u << 20);

	conf_shrink(l->peer);
	CONF_OK(ringline_conn_set_option(l->conn, RINGLINE_CONN_WRITE_TIMEOUT, 5 * MSEC));
	g_assert_cmpint(ringline_conn_send(l->conn, data, 16u << 20), ==, -ETIMEDOUT);
	CONF_OK(ringline_conn_set_option(l->conn, RINGLINE_CONN_OUTPUT_LIMIT, 10));
	CONF_OK(ringline_conn_send_nowait(l->conn, data, 8u << 20));
	g_assert_cmpint(ringline_conn_wait_writable(l->conn), ==, -ETIMEDOUT);
	g_assert_cmpint(ringline_conn_flush(l->conn), ==, -ETIMEDOUT);
	CONF_OK(ringline_conn_abort(l->conn));
	l->conn = NULL;
	g_free(data);
}

static void test_write_timeout(enum conf_kind kind)
{
	conf_run_line(kind, write_timeout_body);
}

static int flush_it(void *arg)
{
	return ringline_conn_flush(((struct conf_line *)arg)->conn);
}

static uint64_t taken_of_a_lot(struct ringline_conn *conn)
{
	static const unsigned char data[16u << 20];
	struct ringline_conn_info info = { .size = sizeof(info) };

	CONF_OK(ringline_conn_set_option(conn, RINGLINE_CONN_WRITE_TIMEOUT, 20 * MSEC));
	g_assert_cmpint(ringline_conn_send(conn, data, sizeof(data)), ==, -ETIMEDOUT);
	CONF_OK(ringline_conn_info(conn, &info));
	return info.bytes_sent;
}

/* The peer has a window of some KiB; without the limit the kernel takes megabytes. */
static void unsent_limit_body(struct conf_line *l)
{
	conf_shrink(l->peer);
	CONF_OK(ringline_conn_set_option(l->conn, RINGLINE_CONN_UNSENT_LIMIT, 4096));
	g_assert_cmpuint(taken_of_a_lot(l->conn), <=, 512 * 1024);
	CONF_OK(ringline_conn_abort(l->conn));
	l->conn = NULL;
}

static void test_unsent_limit(void)
{
	conf_run_line(CONF_TCP, unsent_limit_body);
}

struct together {
	struct conf_line *line;
	ssize_t got;
};

static int receive_some(void *arg)
{
	struct together *t = arg;
	char buf[200];

	t->got = ringline_conn_recv(t->line->conn, buf, sizeof(buf));
	return 0;
}

/* A call that waits gets so much; or what has come, when it is no longer to wait for more; or the end. */
static void receive_together_body(struct conf_line *l)
{
	struct together t = { .line = l };
	struct ringline_task *task;
	int i;

	CONF_OK(ringline_conn_set_option(l->conn, RINGLINE_CONN_RECEIVE_TOGETHER, 100));
	for (i = 0; i < 3; i++) {
		t.got = -EINPROGRESS;
		CONF_OK(ringline_task_start(&task, receive_some, &t, NULL));
		CONF_OK(ringline_sleep(5 * MSEC));
		conf_put(l->peer, "0123456789012345678901234567890123456789", 40);
		CONF_OK(ringline_sleep(20 * MSEC));
		g_assert_cmpint(t.got, ==, -EINPROGRESS);
		if (i == 0)
			conf_put(l->peer, "0123456789012345678901234567890123456789012345678901234567890", 60);
		else if (i == 1)
			CONF_OK(ringline_conn_set_option(l->conn, RINGLINE_CONN_RECEIVE_TOGETHER, 1));
		else
			shutdown(l->peer, SHUT_WR);
		CONF_OK(ringline_task_join(task, NULL));
		g_assert_cmpint(t.got, ==, i == 0 ? 100 : 40);
		CONF_OK(ringline_conn_set_option(l->conn, RINGLINE_CONN_RECEIVE_TOGETHER, 100));
	}
}

static void test_receive_together(void)
{
	conf_run_line(CONF_TCP, receive_together_body);
}

/* Several that wait for the same, and give up one after the other. */
static void many_timeouts_body(struct conf_line *l)
{
	unsigned char *data = g_malloc0(16u << 20);
	struct ringline_task *t[5];
	int i;

	conf_shrink(l->peer);
	CONF_OK(ringline_conn_set_option(l->conn, RINGLINE_CONN_WRITE_TIMEOUT, 5 * MSEC));
	CONF_OK(ringline_conn_send_nowait(l->conn, data, 16u << 20));
	for (i = 0; i < 5; i++) {
		CONF_OK(ringline_task_start(&t[i], flush_it, l, NULL));
		CONF_OK(ringline_sleep(MSEC));
	}
	for (i = 0; i < 5; i++) {
		int result;

		CONF_OK(ringline_task_join(t[i], &result));
		g_assert_cmpint(result, ==, -ETIMEDOUT);
	}
	CONF_OK(ringline_conn_abort(l->conn));
	l->conn = NULL;
	g_free(data);
}

static void test_many_timeouts(enum conf_kind kind)
{
	conf_run_line(kind, many_timeouts_body);
}

static int talk(void *arg)
{
	struct conf_line *l = arg;
	int i;

	for (i = 0; i < 10; i++) {
		conf_put(l->peer, "x", 1);
		CONF_OK(ringline_sleep(10 * MSEC));
	}
	return 0;
}

/* As long as something moves the connection stays; then who waits is told. */
static void idle_body(struct conf_line *l)
{
	int got = 0;
	ssize_t n;
	char c;

	CONF_OK(ringline_conn_set_option(l->conn, RINGLINE_CONN_IDLE_TIMEOUT, 60 * MSEC));
	CONF_OK(ringline_spawn(talk, l));
	while ((n = ringline_conn_recv(l->conn, &c, 1)) > 0)
		got++;
	g_assert_cmpint(n, ==, -ETIMEDOUT);
	g_assert_cmpint(got, ==, 10);
	g_assert_cmpint(ringline_conn_recv(l->conn, &c, 1), ==, -ETIMEDOUT);
	g_assert_cmpint(ringline_conn_send(l->conn, &c, 1), ==, -ETIMEDOUT);
	g_assert_cmpuint(conf_stats(NULL).timed_out, ==, 1);
	conf_expect_end(l->peer, l->kind == CONF_TCP ? ECONNRESET : 0);
}

static void test_idle(enum conf_kind kind)
{
	conf_run_line(kind, idle_body);
}

/* --- adopted ------------------------------------------------------------------------------------------------------ */

static int pipe_main(void *arg)
{
	struct ringline_conn *in;
	struct ringline_conn *out;
	int fd[2];
	int other;
	char buf[16];

	(void)arg;
	CONF_OK(pipe2(fd, O_CLOEXEC));
	other = dup(fd[1]);
	CONF_OK(ringline_conn_from_fd(&in, fd[0]));
	CONF_OK(ringline_conn_from_fd(&out, fd[1]));
	g_assert_cmpint(ringline_conn_send(out, "through", 7), ==, 7);
	g_assert_cmpint(ringline_conn_recv(in, buf, sizeof(buf)), ==, 7);
	g_assert_cmpmem(buf, 7, "through", 7);
	CONF_OK(ringline_conn_send_nowait(out, "more", 4));
	g_assert_cmpint(ringline_conn_recv_exact(in, buf, 4), ==, 4);
	g_assert_cmpint(fcntl(other, F_GETFL) & O_NONBLOCK, ==, 0);   /* whoever shares it finds it as it was */
	close(other);
	CONF_OK(ringline_conn_close(out));
	g_assert_cmpint(ringline_conn_recv(in, buf, sizeof(buf)), ==, 0);
	CONF_OK(ringline_conn_close(in));
	return 0;
}

static void test_pipe(void)
{
	CONF_OK(conf_run(pipe_main, NULL));
}

/* A pipe that nobody reads: an error, and no SIGPIPE, on the host's own thread too. */
static int sigpipe_main(void *arg)
{
	struct ringline_conn *out;
	struct ringline_conn *from;
	int fd[2];
	int peer;
	int file;
	int64_t n;

	(void)arg;
	CONF_OK(pipe2(fd, O_CLOEXEC));
	close(fd[0]);
	CONF_OK(ringline_conn_from_fd(&out, fd[1]));
	g_assert_cmpint(ringline_conn_send(out, "gone", 4), ==, -EPIPE);
	CONF_OK(ringline_conn_close(out));
	from = conf_open(CONF_TCP, &peer);
	conf_reset(peer);
	file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	CONF_OK(ringline_sleep(2 * MSEC));
	do
		n = ringline_conn_sendfile(from, file, 0, 1000);
	while (n > 0 || n == -ECONNRESET);
	g_assert_cmpint(n, ==, -EPIPE);
	close(file);
	CONF_OK(ringline_conn_close(from));
	return 0;
}

static void test_sigpipe(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	struct sigaction old;

	sigaction(SIGPIPE, &dfl, &old);
	CONF_OK(conf_run(sigpipe_main, NULL));
	sigaction(SIGPIPE, &old, NULL);
}

static int pty_main(void *arg)
{
	struct ringline_conn *c;
	struct termios raw;
	int master;
	int slave;
	char buf[16];

	(void)arg;
	CONF_OK(openpty(&master, &slave, NULL, NULL, NULL));
	CONF_OK(tcgetattr(slave, &raw));
	cfmakeraw(&raw);
	CONF_OK(tcsetattr(slave, TCSANOW, &raw));
	CONF_OK(ringline_conn_from_fd(&c, master));
	g_assert_cmpint(write(slave, "typed", 5), ==, 5);
	g_assert_cmpint(ringline_conn_recv(c, buf, sizeof(buf)), ==, 5);
	g_assert_cmpint(ringline_conn_send(c, "shown", 5), ==, 5);
	g_assert_cmpint(read(slave, buf, sizeof(buf)), ==, 5);
	g_assert_cmpmem(buf, 5, "shown", 5);
	CONF_OK(ringline_conn_close(c));
	close(slave);
	return 0;
}

static void test_pty(void)
{
	CONF_OK(conf_run(pty_main, NULL));
}

/* A socket that blocks stays one, and is used without blocking. */
static int socket_main(void *arg)
{
	struct ringline_conn *a;
	struct ringline_conn *b;
	unsigned char *data = g_malloc(1u << 20);
	int fd[2];
	int shared;
	ssize_t n;
	size_t at = 0;

	(void)arg;
	CONF_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd));
	shared = dup(fd[0]);
	CONF_OK(ringline_conn_from_fd(&a, fd[0]));
	CONF_OK(ringline_conn_from_fd(&b, fd[1]));
	conf_fill(data, 1u << 20, 1, 0);
	CONF_OK(ringline_conn_send_nowait(a, data, 1u << 20));
	while (at < 1u << 20) {
		n = ringline_conn_recv(b, data, 1u << 20);
		g_assert_cmpint(n, >, 0);
		conf_check(data, (size_t)n, 1, at);
		at += (size_t)n;
	}
	CONF_OK(ringline_conn_send_nowait(a, data, 50000));
	CONF_OK(ringline_conn_shutdown_write(a));
	g_assert_cmpint(ringline_conn_forward(b, b, 50000), ==, 50000);   /* a connection to itself: an echo */
	g_assert_cmpint(ringline_conn_recv_exact(a, data, 50000), ==, 50000);
	g_assert_cmpint(fcntl(shared, F_GETFL) & O_NONBLOCK, ==, 0);
	close(shared);
	CONF_OK(ringline_conn_close(a));
	CONF_OK(ringline_conn_close(b));
	g_free(data);
	return 0;
}

static void test_socket(void)
{
	CONF_OK(conf_run(socket_main, NULL));
}

static int refused_main(void *arg)
{
	struct ringline_conn *c;
	char address[RINGLINE_ADDRESS_SIZE];
	int fd;

	(void)arg;
	g_assert_cmpint(ringline_conn_from_fd(&c, -1), ==, -EBADF);
	g_assert_cmpint(ringline_conn_from_fd(&c, 999999), ==, -EBADF);
	g_assert_cmpint(ringline_conn_from_fd(NULL, 0), ==, -EINVAL);
	fd = open("/", O_RDONLY | O_CLOEXEC);
	g_assert_cmpint(ringline_conn_from_fd(&c, fd), ==, -EINVAL);
	close(fd);
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	g_assert_cmpint(ringline_conn_from_fd(&c, fd), ==, -EINVAL);
	close(fd);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	g_assert_cmpint(ringline_conn_from_fd(&c, fd), ==, -EINVAL);
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_assert_cmpint(ringline_conn_from_fd(&c, fd), ==, -ENOTCONN);
	close(fd);
	fd = conf_listen_raw(CONF_TCP, 1, address);
	g_assert_cmpint(ringline_conn_from_fd(&c, fd), ==, -EINVAL);
	close(fd);
	return 0;
}

static void test_refused(void)
{
	CONF_OK(conf_run(refused_main, NULL));
}

/* --- passed descriptors ------------------------------------------------------------------------------------------- */

/* By a plain program: n descriptors with one byte. */
static void send_raw(int fd, const int *fds, size_t n)
{
	union {
		char bytes[CMSG_SPACE(253 * sizeof(int))];
		struct cmsghdr align;
	} control = { .bytes = { 0 } };
	char byte = 'f';
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
		              .msg_controllen = CMSG_SPACE(n * sizeof(int)) };

	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(&control.align), fds, n * sizeof(int));
	g_assert_cmpint(sendmsg(fd, &msg, MSG_NOSIGNAL), ==, 1);
}

static size_t recv_raw(int fd, char *byte, int *fds, size_t max)
{
	union {
		char bytes[CMSG_SPACE(253 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
		              .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *m;
	size_t n;

	CONF_UNTIL(recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) == 1);
	m = CMSG_FIRSTHDR(&msg);
	if (!m)
		return 0;
	n = (m->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	g_assert_cmpuint(n, <=, max);
	memcpy(fds, CMSG_DATA(m), n * sizeof(int));
	return n;
}

static bool same_file(int a, int b)
{
	struct stat x;
	struct stat y;

	CONF_OK(fstat(a, &x));
	CONF_OK(fstat(b, &y));
	return x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

static void fds_body(struct conf_line *l)
{
	int file[3];
	int got[8];
	char byte[8];
	int i;

	for (i = 0; i < 3; i++)
		file[i] = open("/proc/self", O_PATH | O_CLOEXEC);
	CONF_OK(ringline_conn_set_option(l->conn, RINGLINE_CONN_RECEIVE_FDS, 4));
	CONF_OK(ringline_conn_set_option(l->conn, RINGLINE_CONN_RECEIVE_FDS, 4));
	g_assert_cmpint(ringline_conn_set_option(l->conn, RINGLINE_CONN_RECEIVE_FDS, 5), ==, -EBUSY);
	g_assert_cmpint(ringline_conn_take_fds(l->conn, got, 8), ==, 0);
	send_raw(l->peer, file, 2);
	send_raw(l->peer, file + 2, 1);
	conf_put(l->peer, "plain", 5);
	g_assert_cmpint(ringline_conn_recv_exact(l->conn, byte, 7), ==, 7);
	g_assert_cmpmem(byte, 7, "ffplain", 7);
	g_assert_cmpint(ringline_conn_take_fds(l->conn, got, 1), ==, 1);
	g_assert_cmpint(ringline_conn_take_fds(l->conn, got + 1, 7), ==, 2);
	for (i = 0; i < 3; i++) {
		g_assert_true(same_file(got[i], file[i]));
		g_assert_true(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
		close(got[i]);
	}
	g_assert_cmpint(ringline_conn_send_fds(l->conn, "abc", 3, file, 3), ==, 3);
	g_assert_cmpuint(recv_raw(l->peer, byte, got, 8), ==, 3);
	g_assert_cmpint(byte[0], ==, 'a');
	for (i = 0; i < 3; i++) {
		g_assert_true(same_file(got[i], file[i]));
		close(got[i]);
	}
	conf_take(l->peer, byte, 2);
	/* more than may wait: the rest is closed, and counted */
	for (i = 0; i < 3; i++)
		send_raw(l->peer, file, 2);
	g_assert_cmpint(ringline_conn_recv_exact(l->conn, byte, 3), ==, 3);
	g_assert_cmpuint(conf_stats(NULL).fds_dropped, ==, 2);
	for (i = 0; i < 3; i++)
		close(file[i]);
}

static void test_fds(void)
{
	conf_run_line(CONF_UNIX, fds_body);
}

/* Nobody asked for them, or nobody took them: none is left (the audit counts). */
static void unwanted_fds_body(struct conf_line *l)
{
	char byte[4];

	send_raw(l->peer, (int[]){ 0, 1 }, 2);
	g_assert_cmpint(ringline_conn_recv(l->conn, byte, 4), ==, 1);
	g_assert_cmpint(ringline_conn_take_fds(l->conn, (int[1]){ 0 }, 1), ==, -EOPNOTSUPP);
	CONF_OK(ringline_conn_set_option(l->conn, RINGLINE_CONN_RECEIVE_FDS, 10));
	send_raw(l->peer, (int[]){ 0, 1 }, 2);
	send_raw(l->peer, (int[]){ 0, 1 }, 2);
	g_assert_cmpint(ringline_conn_recv(l->conn, byte, 1), ==, 1);
	CONF_OK(ringline_sleep(2 * MSEC));
	send_raw(l->peer, (int[]){ 0, 1 }, 2);
}

static void test_unwanted_fds(void)
{
	conf_run_line(CONF_UNIX, unwanted_fds_body);
}

/* Among other sends, in their place. */
static void mixed_fds_body(struct conf_line *l)
{
	int got[8];
	char byte;
	int i;
	int k;

	for (i = 0; i < 20; i++) {
		CONF_OK(ringline_conn_send_nowait(l->conn, "p", 1));
		CONF_OK(ringline_conn_send_nowait(l->conn, "p", 1));
		g_assert_cmpint(ringline_conn_send_fds(l->conn, "f", 1, (int[]){ 0, 1, 2 }, 1 + (size_t)i % 3), ==, 1);
	}
	for (i = 0; i < 60; i++) {
		size_t n = recv_raw(l->peer, &byte, got, 8);

		g_assert_cmpint(byte, ==, i % 3 == 2 ? 'f' : 'p');
		g_assert_cmpuint(n, ==, i % 3 == 2 ? 1u + (unsigned int)(i / 3) % 3 : 0u);
		for (k = 0; k < (int)n; k++)
			close(got[k]);
	}
	g_assert_cmpint(ringline_conn_send_fds(l->conn, "x", 0, (int[]){ 0 }, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_send_fds(l->conn, "x", 1, NULL, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_send_fds(l->conn, "x", 1, (int[]){ 0 }, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_send_fds(l->conn, "x", 1, (int[]){ 0 }, 254), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_send_fds(l->conn, "x", 1, (int[]){ -1 }, 1), ==, -EBADF);
}

static void test_mixed_fds(void)
{
	conf_run_line(CONF_UNIX, mixed_fds_body);
}

/* --- the peer ----------------------------------------------------------------------------------------------------- */

static int count_conn(struct ringline_conn *c, void *arg)
{
	uint64_t *sum = arg;

	*sum += ringline_conn_id(c) != 0;
	return 0;
}

static int stop_at_once(struct ringline_conn *c, void *arg)
{
	(void)c;
	(void)arg;
	return 42;
}

static void peer_body(struct conf_line *l)
{
	struct ringline_peer_cred cred = { .size = sizeof(cred) };
	struct ringline_tcp_info info = { .size = sizeof(info) };
	uint64_t n = 0;
	char text[64];
	ssize_t len;
	int fd;

	CONF_OK(ringline_conn_each(count_conn, &n));
	g_assert_cmpuint(n, ==, 1);
	g_assert_cmpint(ringline_conn_each(stop_at_once, NULL), ==, 42);
	g_assert_cmpint(ringline_conn_each(NULL, NULL), ==, -EINVAL);
	if (l->kind == CONF_TCP) {
		g_assert_cmpint(ringline_conn_peer_cred(l->conn, &cred), ==, -EOPNOTSUPP);
		g_assert_cmpint(ringline_conn_peer_pidfd(l->conn), ==, -EOPNOTSUPP);
		g_assert_cmpint(ringline_conn_send(l->conn, "x", 1), ==, 1);
		CONF_OK(ringline_conn_tcp_info(l->conn, &info));
		g_assert_cmpuint(info.state, ==, TCP_ESTABLISHED);
		g_assert_cmpuint(info.send_mss, >, 0);
		return;
	}
	g_assert_cmpint(ringline_conn_tcp_info(l->conn, &info), <, 0);
	CONF_OK(ringline_conn_peer_cred(l->conn, &cred));
	g_assert_cmpint(cred.pid, ==, getpid());
	g_assert_cmpuint(cred.uid, ==, getuid());
	g_assert_cmpuint(cred.gid, ==, getgid());
	fd = ringline_conn_peer_pidfd(l->conn);
	if (fd >= 0) {
		g_assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		close(fd);
	} else {
		g_assert_cmpint(fd, ==, -EOPNOTSUPP);
	}
	len = ringline_conn_peer_label(l->conn, text, sizeof(text));
	g_assert_true(len == -EOPNOTSUPP || len >= 0);
}

static void test_peer(enum conf_kind kind)
{
	conf_run_line(kind, peer_body);
}

static void add(void)
{
	conf_add_kinds("adopt", "options", test_options);
	conf_add("/adopt/reset-on-close", test_reset_on_close);
	conf_add("/adopt/unsent-limit", test_unsent_limit);
	conf_add("/adopt/receive-together", test_receive_together);
	conf_add_kinds("adopt", "read-timeout", test_read_timeout);
	conf_add_kinds("adopt", "write-timeout", test_write_timeout);
	conf_add_kinds("adopt", "write-timeouts-of-many", test_many_timeouts);
	conf_add_kinds("adopt", "idle-timeout", test_idle);
	conf_add("/adopt/pipe", test_pipe);
	conf_add("/adopt/no-sigpipe", test_sigpipe);
	conf_add("/adopt/pty", test_pty);
	conf_add("/adopt/blocking-socket", test_socket);
	conf_add("/adopt/refused", test_refused);
	conf_add("/adopt/descriptors", test_fds);
	conf_add("/adopt/descriptors-nobody-wants", test_unwanted_fds);
	conf_add("/adopt/descriptors-among-others", test_mixed_fds);
	conf_add_kinds("adopt", "peer", test_peer);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "adopt", add);
}
