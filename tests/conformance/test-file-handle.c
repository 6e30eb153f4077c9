/* SPDX-License-Identifier: MIT */
/*
 * Files as handles: made of descriptors, given up, what they tell, and how they are closed: once, by whom, while they are
 * used, while a server does not answer.
 */
#include <sys/resource.h>
#include <sys/socket.h>

#include "support/files.h"

static int by_name(struct ringline_file **file, struct ringline_file *dir, const char *name, int flags)
{
	return ringline_file_open(file, dir, name, flags, 0644, NULL);
}

/* --- descriptors -------------------------------------------------------------------------------------------------- */

static int from_fd_main(void *dir)
{
	struct ringline_file *file = NULL;
	struct ringline_op *op;
	int fd = file_fd(dir, "file", O_RDWR);
	char data[10];

	g_assert_cmpint(ringline_file_from_fd(NULL, fd), ==, -EINVAL);
	g_assert_cmpint(ringline_file_from_fd(&file, -1), ==, -EBADF);
	g_assert_cmpint(ringline_file_from_fd(&file, 1 << 20), ==, -EBADF);
	g_assert_cmpint(ringline_file_from_fd_begin(NULL, &file, fd), ==, -EINVAL);
	g_assert_cmpint(ringline_file_from_fd_begin(&op, NULL, fd), ==, -EINVAL);
	g_assert_cmpint(ringline_file_from_fd_begin(&op, &file, -1), ==, -EBADF);
	g_assert_null(file);
	CONF_OK(ringline_file_from_fd(&file, fd));
	g_assert_cmpint(ringline_file_fd(file), ==, fd);
	g_assert_cmpint(ringline_file_read(file, data, 10, 0), ==, 10);
	conf_check(data, 10, 1, 0);
	g_assert_cmpint(ringline_file_release(file), ==, fd);
	g_assert_cmpint(ringline_file_read(file, data, 10, 0), ==, -EBADF);
	g_assert_cmpint(ringline_file_fd(file), ==, -EBADF);
	g_assert_cmpint(ringline_file_release(file), ==, -EBADF);
	g_assert_cmpint(ringline_file_close(file), ==, -EBADF);
	g_assert_true(file_is_open(fd));
	CONF_OK(ringline_file_from_fd_begin(&op, &file, fd));
	g_assert_cmpint(ringline_op_await(op), ==, 0);
	CONF_OK(ringline_file_close(file));
	g_assert_false(file_is_open(fd));
	g_assert_cmpint(ringline_file_release(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_file_fd(NULL), ==, -EINVAL);
	return 0;
}

static void test_from_fd(const char *dir)
{
	file_put(dir, "file", 10, 1);
	file_run(dir, from_fd_main);
}

struct reader {
	struct ringline_file *file;
	char data[100];
	ssize_t result;
	bool returned;
};

static int read_stream(void *arg)
{
	struct reader *r = arg;

	r->result = ringline_file_read(r->file, r->data, sizeof(r->data), 0);
	r->returned = true;
	return 0;
}

/* A socket read as a file, given up and made a connection, whose number the engine knows from before. */
static int release_main(void *arg)
{
	struct reader r = { NULL };
	struct ringline_conn *conn;
	struct ringline_task *t;
	int fd[2];

	(void)arg;
	CONF_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd));
	CONF_OK(ringline_file_from_fd(&r.file, fd[0]));
	CONF_OK(ringline_task_start(&t, read_stream, &r, NULL));
	file_turns(3);
	g_assert_cmpint(ringline_file_release(r.file), ==, -EBUSY);
	conf_put(fd[1], "abc", 3);
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_cmpint(r.result, ==, 3);
	g_assert_cmpint(ringline_file_release(r.file), ==, fd[0]);
	CONF_OK(ringline_conn_from_fd(&conn, fd[0]));
	g_assert_cmpint(ringline_conn_send(conn, "x", 1), ==, 1);
	conf_take(fd[1], r.data, 1);
	conf_put(fd[1], "de", 2);
	g_assert_cmpint(ringline_conn_recv_exact(conn, r.data, 2), ==, 2);
	g_assert_cmpmem(r.data, 2, "de", 2);
	CONF_OK(close(fd[1]));
	g_assert_cmpint(ringline_conn_recv(conn, r.data, 1), ==, 0);
	return ringline_conn_close(conn);
}

static void test_release(void)
{
	CONF_OK(conf_run(release_main, NULL));
}

static void check_info(const char *dir, const char *name, int flags, uint32_t type, uint32_t expected)
{
	struct ringline_file_info info = RINGLINE_FILE_INFO_INIT;
	struct ringline_file *file = name[0] == '/' ? NULL : file_open(dir, name, flags);

	if (!file)
		CONF_OK(by_name(&file, NULL, name, flags));
	CONF_OK(ringline_file_info(file, &info));
	g_assert_cmpuint(info.size, ==, sizeof(info));
	g_assert_cmpint(info.fd, ==, ringline_file_fd(file));
	g_assert_cmphex(info.type, ==, type);
	g_assert_cmphex(info.flags, ==, expected);
	g_assert_cmpuint(info.operations, ==, 0);
	g_assert_cmpuint(info.memory_alignment | info.offset_alignment, ==, 0);
	CONF_OK(ringline_file_close(file));
}

static int info_main(void *dir)
{
	uint32_t remote = place_is("fuse") ? RINGLINE_FILE_REMOTE : 0;
	struct { struct ringline_file_info info; uint64_t more; } newer = { RINGLINE_FILE_INFO_INIT, 1 };
	struct ringline_file_info older;
	struct ringline_file *file = file_open(dir, "file", O_RDONLY);

	check_info(dir, "file", O_RDONLY, S_IFREG, remote);
	check_info(dir, ".", O_RDONLY, S_IFDIR, remote);
	check_info(dir, ".", O_PATH, S_IFDIR, remote);
	check_info(dir, "link", O_PATH | O_NOFOLLOW, S_IFLNK, remote);
	check_info(dir, "/dev/null", O_RDWR, S_IFCHR, 0);
	check_info(dir, "/proc/self/stat", O_RDONLY, S_IFREG, 0);
	if (!place_is("fuse"))
		check_info(dir, "fifo", O_RDWR, S_IFIFO, RINGLINE_FILE_STREAM);
	memset(&older, 0x77, sizeof(older));
	older.size = offsetof(struct ringline_file_info, flags);
	CONF_OK(ringline_file_info(file, &older));
	g_assert_cmpuint(older.size, ==, offsetof(struct ringline_file_info, flags));
	g_assert_cmphex(older.type, ==, S_IFREG);
	g_assert_cmphex(older.flags, ==, 0x77777777);
	newer.info.size = sizeof(newer);
	CONF_OK(ringline_file_info(file, &newer.info));
	g_assert_cmpuint(newer.info.size, ==, sizeof(newer));
	g_assert_cmpuint(newer.more, ==, 0);
	older.size = 3;
	g_assert_cmpint(ringline_file_info(file, &older), ==, -EINVAL);
	g_assert_cmpint(ringline_file_info(file, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_file_info(NULL, &newer.info), ==, -EINVAL);
	CONF_OK(ringline_file_close(file));
	g_assert_cmpint(ringline_file_info(file, &newer.info), ==, -EBADF);
	return 0;
}

static void test_info(const char *dir)
{
	char *fifo = file_path(dir, "fifo");
	char *link = file_path(dir, "link");

	file_put(dir, "file", 10, 1);
	CONF_OK(symlink("file", link));
	if (!place_is("fuse"))
		CONF_OK(mkfifo(fifo, 0600));
	g_free(fifo);
	g_free(link);
	file_run(dir, info_main);
}

/* --- few descriptors ---------------------------------------------------------------------------------------------- */

/* So many more can be opened. */
static struct rlimit allow(unsigned int n)
{
	struct rlimit before;
	struct rlimit now;
	int first = fcntl(0, F_DUPFD_CLOEXEC, 0);

	g_assert_cmpint(first, >=, 0);
	CONF_OK(close(first));
	CONF_OK(getrlimit(RLIMIT_NOFILE, &before));
	now = before;
	now.rlim_cur = (rlim_t)first + n;
	CONF_OK(setrlimit(RLIMIT_NOFILE, &now));
	return before;
}

static int few_main(void *dir)
{
	struct ringline_file *at = file_open(dir, ".", O_PATH | O_DIRECTORY);
	struct ringline_file *file = NULL;
	struct rlimit before;

	before = allow(0);
	g_assert_cmpint(by_name(&file, at, "file", O_RDONLY), ==, -EMFILE);
	g_assert_cmpint(file_try_open(&file, dir, "file", O_RDONLY), ==, -EMFILE);
	g_assert_cmpint(file_try_open(&file, dir, ".", O_RDONLY | O_DIRECTORY), ==, -EMFILE);
	CONF_OK(setrlimit(RLIMIT_NOFILE, &before));
	g_assert_null(file);
	file = file_open(dir, "file", O_RDONLY);
	CONF_OK(ringline_file_close(file));
	return ringline_file_close(at);
}

static void test_few(const char *dir)
{
	file_put(dir, "file", 10, 1);
	file_run(dir, few_main);
}

/* A terminal is a stream, and must not be taken for anything else because there was no descriptor to find that out. */
static int few_stream_main(void *arg)
{
	struct ringline_file_info info = RINGLINE_FILE_INFO_INIT;
	struct ringline_file *file = NULL;
	struct rlimit before;
	unsigned int n;
	int fd;
	int r;

	(void)arg;
	for (n = 0; n < 5; n++) {
		before = allow(n);
		r = by_name(&file, NULL, "/dev/ptmx", O_RDWR | O_NOCTTY);
		CONF_OK(setrlimit(RLIMIT_NOFILE, &before));
		if (r < 0) {
			g_assert_cmpint(r, ==, -EMFILE);
			continue;
		}
		CONF_OK(ringline_file_info(file, &info));
		g_assert_cmphex(info.flags, ==, RINGLINE_FILE_STREAM);
		CONF_OK(ringline_file_close(file));
	}
	g_assert_cmpint(r, ==, 0);
	fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	before = allow(0);
	r = ringline_file_from_fd(&file, fd);
	CONF_OK(setrlimit(RLIMIT_NOFILE, &before));
	if (r < 0) {
		g_assert_cmpint(r, ==, -EMFILE);
		return close(fd);
	}
	CONF_OK(ringline_file_info(file, &info));
	g_assert_cmphex(info.flags, ==, RINGLINE_FILE_STREAM);
	return ringline_file_close(file);
}

static void test_few_stream(void)
{
	if (access("/dev/ptmx", R_OK | W_OK) != 0)
		g_test_skip("no /dev/ptmx");
	else
		CONF_OK(conf_run(few_stream_main, NULL));
}

/* --- closing ------------------------------------------------------------------------------------------------------ */

static int close_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR);
	struct ringline_scope *scope;
	struct ringline_op *op;
	int fd = ringline_file_fd(file);

	CONF_OK(ringline_file_close(file));
	g_assert_false(file_is_open(fd));
	g_assert_cmpint(ringline_file_close(file), ==, -EBADF);
	g_assert_cmpint(ringline_file_close_begin(&op, file), ==, -EBADF);
	CONF_OK(ringline_file_close(NULL));
	g_assert_cmpint(ringline_file_close_begin(&op, NULL), ==, -EINVAL);

	file = file_open(dir, "file", O_RDWR);
	fd = ringline_file_fd(file);
	g_assert_cmpint(ringline_file_close_begin(NULL, file), ==, -EINVAL);
	CONF_OK(ringline_file_close_begin(&op, file));
	g_assert_cmpint(ringline_file_close(file), ==, -EBADF);
	g_assert_cmpint(ringline_op_await(op), ==, 0);
	g_assert_false(file_is_open(fd));

	file = file_open(dir, "file", O_RDWR);
	fd = ringline_file_fd(file);
	CONF_OK(ringline_file_close_begin(&op, file));
	CONF_OK(ringline_op_cancel(op));
	g_assert_cmpint(ringline_op_await(op), ==, -ECANCELED);
	CONF_UNTIL(!file_is_open(fd));         /* it is closed all the same */

	file = file_open(dir, "file", O_RDWR);
	fd = ringline_file_fd(file);
	CONF_OK(ringline_scope_open(&scope, NULL));
	CONF_OK(ringline_file_close_begin(&op, file));
	file_scope_end(scope, 0);
	CONF_UNTIL(!file_is_open(fd));
	return 0;
}

static void test_close(const char *dir)
{
	file_put(dir, "file", 10, 1);
	file_run(dir, close_main);
}

/* A cut ends the wait of the close, and not the close. */
static int close_cut_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR);
	struct ringline_scope *scope = file_cancelled();
	struct ringline_op *op;
	int fd = ringline_file_fd(file);
	int r;

	g_assert_cmpint(ringline_file_close_begin(&op, file), ==, -ECANCELED);
	r = ringline_file_close(file);
	g_assert_true(r == 0 || (place_is("fuse") && r == -ECANCELED));
	g_assert_cmpint(ringline_file_fd(file), ==, -EBADF);
	CONF_UNTIL(!file_is_open(fd));
	file_scope_end(scope, -ECANCELED);
	return 0;
}

static void test_close_cut(const char *dir)
{
	file_put(dir, "file", 10, 1);
	file_run(dir, close_cut_main);
}

/* Whoever reads it is told, and then it is closed. */
static int close_read_main(void *dir)
{
	struct reader r[2];
	struct ringline_task *t[2];
	int fd;
	int i;

	for (i = 0; i < 2; i++) {
		r[i] = (struct reader){ .file = file_open(dir, "fifo", O_RDWR) };
		fd = ringline_file_fd(r[i].file);
		CONF_OK(ringline_task_start(&t[i], read_stream, &r[i], NULL));
		file_turns(3);
		if (i) {
			struct ringline_op *op;

			CONF_OK(ringline_file_close_begin(&op, r[i].file));
			g_assert_cmpint(ringline_op_await(op), ==, 0);
		} else {
			CONF_OK(ringline_file_close(r[i].file));
		}
		CONF_OK(ringline_task_join(t[i], NULL));
		g_assert_cmpint(r[i].result, ==, -EBADF);
		g_assert_false(file_is_open(fd));
	}
	return 0;
}

static void test_close_read(const char *dir)
{
	char *path = file_path(dir, "fifo");

	CONF_OK(mkfifo(path, 0600));
	g_free(path);
	file_run(dir, close_read_main);
}

/* What is left open is closed by the worker when it ends: the audit of the case counts descriptors. */
static int leave_main(void *dir)
{
	struct ringline_file *file;
	int i;

	for (i = 0; i < 10; i++) {
		file = file_open(dir, "file", i % 2 ? O_RDWR : O_RDONLY);
		g_assert_cmpint(ringline_file_write(file, "x", 1, 0), ==, i % 2 ? 1 : -EBADF);
	}
	CONF_OK(file_try_open(&file, dir, ".", O_RDONLY));
	return 0;
}

static void test_leave(const char *dir)
{
	file_put(dir, "file", 10, 1);
	file_run(dir, leave_main);
}

static int close_fails_main(void *dir)
{
	struct ringline_file *file;
	struct ringline_op *op;
	int fd;

	place_fault("fail flush EIO 1");
	file = file_open(dir, "file", O_RDWR);
	fd = ringline_file_fd(file);
	g_assert_cmpint(ringline_file_close(file), ==, -EIO);
	g_assert_false(file_is_open(fd));
	g_assert_cmpint(ringline_file_close(file), ==, -EBADF);
	place_fault("fail flush EDQUOT 1");
	file = file_open(dir, "file", O_RDWR);
	CONF_OK(ringline_file_close_begin(&op, file));
	g_assert_cmpint(ringline_op_await(op), ==, -EDQUOT);
	return 0;
}

static void test_close_fails(const char *dir)
{
	file_put(dir, "file", 10, 1);
	file_run(dir, close_fails_main);
}

/* A server that does not answer keeps the descriptor, and nobody else. */
static int close_stalled_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR);
	struct ringline_scope *scope;
	unsigned int fds = file_fds();

	place_fault("stall flush");
	scope = file_scope(5 * MSEC);
	g_assert_cmpint(ringline_file_close(file), ==, -ETIME);
	file_scope_end(scope, -ETIME);
	place_stalled("flush");
	g_assert_cmpint(ringline_file_fd(file), ==, -EBADF);
	place_fault("release flush");
	CONF_UNTIL(file_fds() == fds - 1);
	return 0;
}

static void test_close_stalled(const char *dir)
{
	file_put(dir, "file", 10, 1);
	file_run(dir, close_stalled_main);
}

static void add(void)
{
	place_add_each("file-handle", "descriptors-come-and-go", test_from_fd);
	conf_add("/file-handle/released-becomes-a-connection", test_release);
	place_add_each("file-handle", "info", test_info);
	place_add_each("file-handle", "no-descriptors-is-emfile", test_few);
	conf_add("/file-handle/few-descriptors-and-a-terminal", test_few_stream);
	place_add_each("file-handle", "close-closes-once", test_close);
	place_add_each("file-handle", "close-that-is-cut-goes-on", test_close_cut);
	place_add("file-handle", "here", "close-tells-the-reader", test_close_read);
	place_add_each("file-handle", "left-open-is-closed-at-the-end", test_leave);
	place_add("file-handle", "fuse", "close-fails-and-is-closed", test_close_fails);
	place_add("file-handle", "fuse", "close-while-stalled", test_close_stalled);
}

int main(int argc, char **argv)
{
	return place_main(argc, argv, "file-handle", add);
}
