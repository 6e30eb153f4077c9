/* SPDX-License-Identifier: MIT */
/* Files that have no offsets: FIFOs, terminals, sockets, and descriptors that count or tick. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <termios.h>

#include "support/files.h"

#define LARGE ((size_t)1 << 20)       /* more than a pipe holds */

static struct ringline_file *from_fd(int fd)
{
	struct ringline_file *file;

	g_assert_cmpint(fd, >=, 0);
	CONF_OK(ringline_file_from_fd(&file, fd));
	return file;
}

/* A pipe: its two ends as files, or one of them as a descriptor that does not block. */
struct pipe {
	struct ringline_file *reader;
	struct ringline_file *writer;
	int fd;
};

enum ends { BOTH, READER, WRITER };

static struct pipe open_pipe(enum ends files)
{
	struct pipe p = { NULL, NULL, -1 };
	int fd[2];
	int other;

	CONF_OK(pipe2(fd, O_CLOEXEC));
	if (files != WRITER)
		p.reader = from_fd(fd[0]);
	if (files != READER)
		p.writer = from_fd(fd[1]);
	if (files == BOTH)
		return p;
	other = files == READER ? fd[1] : fd[0];
	CONF_OK(fcntl(other, F_SETFL, O_NONBLOCK));
	p.fd = other;
	return p;
}

static void close_pipe(struct pipe *p)
{
	if (p->reader)
		CONF_OK(ringline_file_close(p->reader));
	if (p->writer)
		CONF_OK(ringline_file_close(p->writer));
	if (p->fd >= 0)
		CONF_OK(close(p->fd));
}

/* A transfer by a task of its own. */
struct mover {
	struct ringline_file *file;
	char *data;
	size_t len;
	bool write;
	ssize_t result;
	bool returned;
};

static int mover_main(void *arg)
{
	struct mover *m = arg;

	if (m->write)
		m->result = ringline_file_write(m->file, m->data, m->len, 0);
	else
		m->result = ringline_file_read(m->file, m->data, m->len, RINGLINE_FILE_POSITION);
	m->returned = true;
	return 0;
}

/* It is parked when this returns. */
static struct ringline_task *move(struct mover *m, struct ringline_file *file, char *data, size_t len, bool write)
{
	struct ringline_task *t;

	*m = (struct mover){ .file = file, .data = data, .len = len, .write = write };
	CONF_OK(ringline_task_start(&t, mover_main, m, NULL));
	file_turns(4);
	g_assert_false(m->returned);
	return t;
}

static uint64_t by_pool(void)
{
	return file_count("read", "pool") + file_count("write", "pool") + file_count("readv", "pool") +
	       file_count("writev", "pool");
}

/* --- pipes -------------------------------------------------------------------------------------------------------- */

static int both_ways_main(void *arg)
{
	struct pipe p = open_pipe(BOTH);
	struct ringline_op *op;
	struct mover m;
	struct ringline_task *t;
	char data[100];

	(void)arg;
	t = move(&m, p.reader, data, sizeof(data), false);
	g_assert_cmpint(ringline_file_write(p.writer, "hello", 5, 12345), ==, 5);
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_cmpint(m.result, ==, 5);
	g_assert_cmpmem(data, 5, "hello", 5);
	CONF_OK(ringline_file_read_begin(&op, p.reader, data, 3, 99));
	g_assert_cmpint(ringline_file_append(p.writer, "again", 5), ==, 5);
	g_assert_cmpint(ringline_op_await(op), ==, 3);
	g_assert_cmpmem(data, 3, "aga", 3);
	g_assert_cmpint(ringline_file_read_all(p.reader, data, 2, 0), ==, 2);
	g_assert_cmpint(ringline_file_read(p.writer, data, 1, 0), ==, -EBADF);
	g_assert_cmpint(ringline_file_write(p.reader, data, 1, 0), ==, -EBADF);
	CONF_OK(ringline_file_close(p.writer));
	p.writer = NULL;
	g_assert_cmpint(ringline_file_read(p.reader, data, 1, 0), ==, 0);
	g_assert_cmpint(ringline_file_read_all(p.reader, data, 1, 0), ==, -ENODATA);
	g_assert_cmpuint(by_pool(), ==, 0);
	close_pipe(&p);
	return 0;
}

static void test_both_ways(void)
{
	CONF_OK(conf_run(both_ways_main, NULL));
}

static int empty_main(void *arg)
{
	struct pipe p = open_pipe(READER);
	char data[10];
	struct iovec none[3] = { { data, 0 }, { NULL, 0 }, { data, 0 } };
	struct iovec some[3] = { { NULL, 0 }, { data, 4 }, { data + 4, 6 } };

	(void)arg;
	g_assert_cmpint(ringline_file_read(p.reader, data, 0, 0), ==, 0);
	g_assert_cmpint(ringline_file_read(p.reader, NULL, 0, 0), ==, 0);
	g_assert_cmpint(ringline_file_readv(p.reader, none, 3, 0), ==, 0);
	g_assert_cmpint(ringline_file_readv(p.reader, none, 0, 0), ==, 0);
	g_assert_cmpint(write(p.fd, "abcdefgh", 8), ==, 8);
	g_assert_cmpint(ringline_file_readv(p.reader, none, 3, 0), ==, 0);
	g_assert_cmpint(ringline_file_readv(p.reader, some, 3, 0), ==, 4);
	g_assert_cmpmem(data, 4, "abcd", 4);
	g_assert_cmpint(ringline_file_readv(p.reader, some + 1, 2, 0), ==, 4);
	g_assert_cmpmem(data, 4, "efgh", 4);
	close_pipe(&p);
	p = open_pipe(WRITER);
	g_assert_cmpint(ringline_file_write(p.writer, data, 0, 0), ==, 0);
	g_assert_cmpint(ringline_file_writev(p.writer, none, 3, 0), ==, 0);
	g_assert_cmpint(ringline_file_writev(p.writer, some, 3, 0), ==, 4);
	g_assert_cmpint(read(p.fd, data, 10), ==, 4);
	g_assert_cmpmem(data, 4, "efgh", 4);
	close_pipe(&p);
	return 0;
}

static void test_empty(void)
{
	CONF_OK(conf_run(empty_main, NULL));
}

static int busy_main(void *arg)
{
	struct pipe p = open_pipe(BOTH);
	char *full = g_malloc0(LARGE);
	char data[100];
	struct iovec iov = { data, 10 };
	struct ringline_op *op;
	struct mover r;
	struct mover w;
	struct ringline_task *t;

	(void)arg;
	t = move(&r, p.reader, data, 1, false);
	g_assert_cmpint(ringline_file_read(p.reader, data, 1, 0), ==, -EBUSY);
	g_assert_cmpint(ringline_file_readv(p.reader, &iov, 1, 0), ==, -EBUSY);
	g_assert_cmpint(ringline_file_read_begin(&op, p.reader, data, 1, 0), ==, -EBUSY);
	g_assert_cmpint(ringline_file_readv_begin(&op, p.reader, &iov, 1, 0), ==, -EBUSY);
	g_assert_cmpint(ringline_file_read_all(p.reader, data, 1, 0), ==, -EBUSY);
	g_assert_cmpint(ringline_file_read(p.reader, data, 0, 0), ==, 0);
	g_assert_cmpint(ringline_file_write(p.writer, "x", 1, 0), ==, 1);
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_cmpint(r.result, ==, 1);

	t = move(&w, p.writer, full, LARGE, true);
	g_assert_cmpint(ringline_file_write(p.writer, data, 1, 0), ==, -EBUSY);
	g_assert_cmpint(ringline_file_writev(p.writer, &iov, 1, 0), ==, -EBUSY);
	g_assert_cmpint(ringline_file_write_begin(&op, p.writer, data, 1, 0), ==, -EBUSY);
	g_assert_cmpint(ringline_file_append_begin(&op, p.writer, data, 1), ==, -EBUSY);
	g_assert_cmpint(ringline_file_read_all(p.reader, full, LARGE, 0), ==, LARGE);
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_cmpint(w.result, ==, LARGE);
	g_free(full);
	close_pipe(&p);
	return 0;
}

static void test_busy(void)
{
	CONF_OK(conf_run(busy_main, NULL));
}

/* One descriptor for both sides may be read and written at once. */
static int one_for_both_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "fifo", O_RDWR);
	struct ringline_task *t;
	struct mover m;
	char data[10];

	t = move(&m, file, data, 10, false);
	g_assert_cmpint(ringline_file_write(file, "abc", 3, 0), ==, 3);
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_cmpint(m.result, ==, 3);
	g_assert_cmpmem(data, 3, "abc", 3);
	return ringline_file_close(file);
}

static void test_one_for_both(const char *dir)
{
	char *path = file_path(dir, "fifo");

	CONF_OK(mkfifo(path, 0600));
	g_free(path);
	file_run(dir, one_for_both_main);
}

/* Bytes of a stream that the other side takes in its own time arrive whole, with one call. */
static int large_main(void *arg)
{
	struct pipe p = open_pipe(WRITER);
	char *data = g_malloc(LARGE);
	char *got = g_malloc(LARGE);
	struct ringline_task *t;
	struct mover m;
	size_t n = 0;

	(void)arg;
	conf_fill(data, LARGE, 1, 0);
	t = move(&m, p.writer, data, LARGE, true);
	while (n < LARGE) {
		ssize_t k = read(p.fd, got + n, MIN(LARGE - n, 10007));

		if (k > 0)
			n += (size_t)k;
		else
			conf_pause();
	}
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_cmpint(m.result, ==, LARGE);
	conf_check(got, LARGE, 1, 0);
	g_free(data);
	g_free(got);
	close_pipe(&p);
	return 0;
}

static void test_large(void)
{
	CONF_OK(conf_run(large_main, NULL));
}

static int broken_main(void *arg)
{
	struct pipe p = open_pipe(WRITER);
	char *data = g_malloc0(LARGE);
	struct iovec iov = { data, 10 };
	struct ringline_task *t;
	struct mover m;
	ssize_t n;

	(void)arg;
	t = move(&m, p.writer, data, LARGE, true);
	n = read(p.fd, data, 100);
	g_assert_cmpint(n, ==, 100);
	CONF_OK(close(p.fd));
	p.fd = -1;
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_true(m.result == -EPIPE || (m.result > 0 && m.result < (ssize_t)LARGE));
	g_assert_cmpint(ringline_file_write(p.writer, data, 1, 0), ==, -EPIPE);
	g_assert_cmpint(ringline_file_writev(p.writer, &iov, 1, 0), ==, -EPIPE);
	g_assert_cmpint(ringline_file_write_all(p.writer, data, 10, 0), ==, -EPIPE);
	g_free(data);
	close_pipe(&p);
	return 0;
}

/* SIGPIPE would end the program. */
static void test_broken(void)
{
	struct sigaction before;
	struct sigaction now = { .sa_handler = SIG_DFL };

	CONF_OK(sigaction(SIGPIPE, &now, &before));
	CONF_OK(conf_run(broken_main, NULL));
	CONF_OK(sigaction(SIGPIPE, &before, NULL));
}

/* --- cuts --------------------------------------------------------------------------------------------------------- */

static int cut_read_main(void *arg)
{
	struct pipe p = open_pipe(READER);
	struct ringline_scope *scope;
	struct ringline_task *t;
	struct ringline_op *op;
	struct mover m;
	char data[10];

	(void)arg;
	scope = file_scope(2 * MSEC);
	g_assert_cmpint(ringline_file_read(p.reader, data, 10, 0), ==, -ETIME);
	file_scope_end(scope, -ETIME);
	t = move(&m, p.reader, data, 10, false);
	CONF_OK(ringline_task_cancel(t));
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_cmpint(m.result, ==, -ECANCELED);
	CONF_OK(ringline_file_read_begin(&op, p.reader, data, 10, 0));
	file_turns(2);
	CONF_OK(ringline_op_cancel(op));
	g_assert_cmpint(ringline_op_await(op), ==, -ECANCELED);
	CONF_OK(ringline_scope_open(&scope, NULL));
	CONF_OK(ringline_file_read_begin(&op, p.reader, data, 10, 0));
	file_turns(2);
	file_scope_end(scope, 0);
	g_assert_cmpint(write(p.fd, "0123456789", 10), ==, 10);
	g_assert_cmpint(ringline_file_read(p.reader, data, 10, 0), ==, 10);
	g_assert_cmpmem(data, 10, "0123456789", 10);
	close_pipe(&p);
	return 0;
}

static void test_cut_read(void)
{
	CONF_OK(conf_run(cut_read_main, NULL));
}

/* What was written until the cut is told, and nothing of it is written twice. */
static int cut_write_main(void *arg)
{
	struct pipe p = open_pipe(WRITER);
	char *data = g_malloc(LARGE);
	struct ringline_task *t;
	struct ringline_op *op;
	struct mover m;
	ssize_t n;
	ssize_t k;

	(void)arg;
	conf_fill(data, LARGE, 1, 0);
	t = move(&m, p.writer, data, LARGE, true);
	CONF_OK(ringline_task_cancel(t));
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_cmpint(m.result, >, 0);
	g_assert_cmpint(m.result, <, (ssize_t)LARGE);
	CONF_OK(ringline_file_write_begin(&op, p.writer, data, 1, 0));    /* it is full */
	file_turns(2);
	CONF_OK(ringline_op_cancel(op));
	g_assert_cmpint(ringline_op_await(op), ==, -ECANCELED);
	for (n = 0; n < m.result; n += k) {
		k = read(p.fd, data, LARGE);
		g_assert_cmpint(k, >, 0);
		conf_check(data, (size_t)k, 1, (uint64_t)n);
	}
	g_assert_cmpint(n, ==, m.result);
	g_assert_cmpint(read(p.fd, data, 1), ==, -1);
	g_assert_cmpint(errno, ==, EAGAIN);
	g_free(data);
	close_pipe(&p);
	return 0;
}

static void test_cut_write(void)
{
	CONF_OK(conf_run(cut_write_main, NULL));
}

#define HAMMER 3000

struct hammer {
	struct pipe pipe;
	uint64_t sent;
	uint64_t total;
};

static int hammer_writer(void *arg)
{
	struct hammer *h = arg;
	char data[7];

	while (h->sent < h->total) {
		size_t n = MIN(1 + h->sent % 7, h->total - h->sent);

		conf_fill(data, n, 1, h->sent);
		g_assert_cmpint(write(h->pipe.fd, data, n), ==, n);
		h->sent += n;
		if (h->sent % 3)
			CONF_OK(ringline_yield());
		else
			CONF_OK(ringline_sleep(20 * 1000));
	}
	return 0;
}

/* Reads that are cut at any moment: each byte comes once, in its place. */
static int hammer_main(void *arg)
{
	struct hammer h = { .pipe = open_pipe(READER), .total = conf_full() ? 20 * HAMMER : HAMMER };
	uint64_t got = 0;
	uint64_t cuts = 0;
	uint32_t i;

	(void)arg;
	CONF_OK(ringline_spawn(hammer_writer, &h));
	for (i = 0; got < h.total; i++) {
		struct ringline_scope *scope = file_scope(i % 11 * 5000);
		struct ringline_op *op;
		char data[5];
		int64_t n = -ETIME;

		if (i % 2) {
			n = ringline_file_read(h.pipe.reader, data, sizeof(data), 0);
		} else if (ringline_file_read_begin(&op, h.pipe.reader, data, sizeof(data), 0) == 0) {
			if (i % 3 == 0)
				CONF_OK(ringline_op_cancel(op));
			n = ringline_op_await(op);
		}
		if (n != -ETIME && n != -ECANCELED)
			g_assert_cmpint(n, >, 0);
		if (n > 0)
			conf_check(data, (size_t)n, 1, got);
		got += (uint64_t)MAX(n, 0);
		cuts += n < 0;
		(void)ringline_scope_close(scope);
		if (n < 0)
			(void)ringline_yield();
	}
	g_test_message("%" G_GUINT64_FORMAT " cuts", cuts);
	close_pipe(&h.pipe);
	return 0;
}

static void test_hammer(void)
{
	CONF_OK(conf_run(hammer_main, NULL));
}

/* --- numbers ------------------------------------------------------------------------------------------------------ */

/* A descriptor's number is another file's after the close, whoever closed it, and whatever the engine knew of it. */
static int again_main(void *arg)
{
	int number = -1;
	int i;

	(void)arg;
	for (i = 0; i < 40; i++) {
		struct ringline_scope *scope;
		struct ringline_file *file;
		struct ringline_task *t;
		struct mover m;
		char data[10];
		int fd[2];

		CONF_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd));
		file = from_fd(fd[0]);
		g_assert_true(number < 0 || fd[0] == number);
		number = fd[0];
		scope = file_scope(i % 3 * 100000);
		g_assert_cmpint(ringline_file_read(file, data, 10, 0), ==, -ETIME);
		file_scope_end(scope, -ETIME);
		t = move(&m, file, data, 10, false);
		conf_put(fd[1], "x", 1);
		CONF_OK(ringline_task_join(t, NULL));
		g_assert_cmpint(m.result, ==, 1);
		if (i % 2)
			CONF_OK(ringline_file_close(file));
		else
			CONF_OK(close(ringline_file_release(file)));
		CONF_OK(close(fd[1]));
	}
	return 0;
}

static void test_again(void)
{
	CONF_OK(conf_run(again_main, NULL));
}

/* Sockets, pipes, terminals and plain files, one after the other with the same number. */
static int kinds_again_main(void *dir)
{
	int number = -1;
	int i;

	for (i = 0; i < 40; i++) {
		struct ringline_file *file;
		struct ringline_task *t;
		struct mover m;
		char data[10];
		int fd[2] = { -1, -1 };

		switch (i % 4) {
		case 0:
			CONF_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd));
			break;
		case 1:
			CONF_OK(pipe2(fd, O_CLOEXEC));
			break;
		case 2:
			CONF_OK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fd));
			break;
		default:
			fd[0] = file_fd(dir, "file", O_RDWR);
			break;
		}
		g_assert_true(number < 0 || fd[0] == number);
		number = fd[0];
		file = from_fd(fd[0]);
		if (fd[1] >= 0) {
			t = move(&m, file, data, 10, false);
			g_assert_cmpint(write(fd[1], "y", 1), ==, 1);
			CONF_OK(ringline_task_join(t, NULL));
			g_assert_cmpint(m.result, ==, 1);
			CONF_OK(close(fd[1]));
		} else {
			g_assert_cmpint(ringline_file_read(file, data, 10, 0), ==, 10);
			conf_check(data, 10, 1, 0);
		}
		CONF_OK(ringline_file_close(file));
	}
	return 0;
}

static void test_kinds_again(const char *dir)
{
	file_put(dir, "file", 10, 1);
	file_run(dir, kinds_again_main);
}

/* --- terminals ---------------------------------------------------------------------------------------------------- */

static int terminal_main(void *arg)
{
	struct ringline_file_info info = RINGLINE_FILE_INFO_INIT;
	struct ringline_file *master;
	struct ringline_file *slave;
	struct ringline_task *t;
	struct termios raw;
	struct mover m;
	char name[64];
	char data[10];

	(void)arg;
	CONF_OK(ringline_file_open(&master, NULL, "/dev/ptmx", O_RDWR | O_NOCTTY, 0, NULL));
	CONF_OK(unlockpt(ringline_file_fd(master)));
	CONF_OK(ptsname_r(ringline_file_fd(master), name, sizeof(name)));
	CONF_OK(ringline_file_open(&slave, NULL, name, O_RDWR | O_NOCTTY, 0, NULL));
	CONF_OK(ringline_file_info(slave, &info));
	g_assert_cmphex(info.flags, ==, RINGLINE_FILE_STREAM);
	CONF_OK(tcgetattr(ringline_file_fd(slave), &raw));
	cfmakeraw(&raw);
	CONF_OK(tcsetattr(ringline_file_fd(slave), TCSANOW, &raw));
	t = move(&m, slave, data, 10, false);
	g_assert_cmpint(ringline_file_write(master, "typed", 5, 0), ==, 5);
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_cmpint(m.result, ==, 5);
	g_assert_cmpmem(data, 5, "typed", 5);
	t = move(&m, master, data, 10, false);
	g_assert_cmpint(ringline_file_write(slave, "shown", 5, 0), ==, 5);
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_cmpint(m.result, ==, 5);
	g_assert_cmpmem(data, 5, "shown", 5);
	t = move(&m, master, data, 10, false);
	CONF_OK(ringline_file_close(slave));
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_cmpint(m.result, ==, -EIO);
	g_assert_cmpuint(by_pool(), ==, 0);
	return ringline_file_close(master);
}

static void test_terminal(void)
{
	if (access("/dev/ptmx", R_OK | W_OK) != 0)
		g_test_skip("no /dev/ptmx");
	else
		CONF_OK(conf_run(terminal_main, NULL));
}

/* --- sockets ------------------------------------------------------------------------------------------------------ */

static int sockets_main(void *arg)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	size_t i;

	(void)arg;
	for (i = 0; i < G_N_ELEMENTS(types); i++) {
		struct ringline_file *file;
		struct ringline_task *t;
		struct mover m;
		char data[10];
		int fd[2];

		CONF_OK(socketpair(AF_UNIX, types[i] | SOCK_CLOEXEC, 0, fd));
		file = from_fd(fd[0]);
		t = move(&m, file, data, 10, false);
		g_assert_cmpint(ringline_file_write(file, "abc", 3, 7), ==, 3);
		g_assert_cmpint(recv(fd[1], data, 10, 0), ==, 3);
		g_assert_cmpint(send(fd[1], "12345", 5, 0), ==, 5);
		CONF_OK(ringline_task_join(t, NULL));
		g_assert_cmpint(m.result, ==, 5);
		g_assert_cmpmem(data, 5, "12345", 5);
		CONF_OK(close(fd[1]));
		if (types[i] != SOCK_DGRAM)
			g_assert_cmpint(ringline_file_read(file, data, 10, 0), ==, 0);
		CONF_OK(ringline_file_close(file));
	}
	return 0;
}

static void test_sockets(void)
{
	CONF_OK(conf_run(sockets_main, NULL));
}

/* --- what counts and ticks ---------------------------------------------------------------------------------------- */

/* They wait as streams do: no thread is held meanwhile, and a cut ends it. */
static int counters_main(void *arg)
{
	struct itimerspec soon = { .it_value = { 0, 2000000 } };
	struct ringline_file *event = from_fd(eventfd(0, EFD_CLOEXEC));
	struct ringline_file *timer = from_fd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
	struct ringline_scope *scope;
	struct ringline_task *t;
	struct mover m;
	uint64_t value;

	(void)arg;
	scope = file_scope(2 * MSEC);
	g_assert_cmpint(ringline_file_read(event, &value, 8, 0), ==, -ETIME);
	file_scope_end(scope, -ETIME);
	scope = file_scope(2 * MSEC);
	g_assert_cmpint(ringline_file_read(timer, &value, 8, 0), ==, -ETIME);
	file_scope_end(scope, -ETIME);
	t = move(&m, event, (char *)&value, 8, false);
	CONF_OK(eventfd_write(ringline_file_fd(event), 7));
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_cmpint(m.result, ==, 8);
	g_assert_cmpuint(value, ==, 7);
	CONF_OK(timerfd_settime(ringline_file_fd(timer), 0, &soon, NULL));
	g_assert_cmpint(ringline_file_read(timer, &value, 8, 0), ==, 8);
	g_assert_cmpuint(value, ==, 1);
	value = 3;
	g_assert_cmpint(ringline_file_write(event, &value, 8, 0), ==, 8);
	g_assert_cmpint(ringline_file_read(event, &value, 8, 0), ==, 8);
	g_assert_cmpuint(value, ==, 3);
	CONF_OK(ringline_file_close(event));
	return ringline_file_close(timer);
}

static void test_counters(void)
{
	CONF_OK(conf_run(counters_main, NULL));
}

static void add(void)
{
	conf_add("/file-stream/both-ways", test_both_ways);
	conf_add("/file-stream/empty-transfers-do-not-wait", test_empty);
	conf_add("/file-stream/a-second-one-is-ebusy", test_busy);
	place_add("file-stream", "here", "one-file-for-both-sides", test_one_for_both);
	conf_add("/file-stream/large-writes-go-whole", test_large);
	conf_add("/file-stream/broken-is-epipe-and-no-signal", test_broken);
	conf_add("/file-stream/cut-read-loses-nothing", test_cut_read);
	conf_add("/file-stream/cut-write-tells-what-it-wrote", test_cut_write);
	conf_add("/file-stream/hammer-of-cuts", test_hammer);
	conf_add("/file-stream/number-is-used-again", test_again);
	place_add("file-stream", "here", "number-is-used-again-by-another-kind", test_kinds_again);
	conf_add("/file-stream/terminal", test_terminal);
	conf_add("/file-stream/sockets", test_sockets);
	conf_add("/file-stream/what-counts-and-ticks", test_counters);
}

int main(int argc, char **argv)
{
	return place_main(argc, argv, "file-stream", add);
}
