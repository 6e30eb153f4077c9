/* SPDX-License-Identifier: MIT */
/* Copying between files: in the kernel and by hand, with holes, cut in between; and sharing of blocks. */
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "support/files.h"

#define MIB  ((size_t)1 << 20)
#define SIZE 100000
#define LONG (17 * MIB + 12345)       /* more than one piece */

static int64_t copy(struct ringline_file *from, uint64_t from_offset, struct ringline_file *to, uint64_t to_offset,
                    uint64_t len)
{
	return ringline_file_copy_range(from, from_offset, to, to_offset, len);
}

/* --- ranges ------------------------------------------------------------------------------------------------------- */

static int ranges_main(void *dir)
{
	struct ringline_file *from = file_open(dir, "from", O_RDONLY);
	struct ringline_file *to = file_open(dir, "to", O_RDWR | O_CREAT);
	struct ringline_op *op;
	char data[300];

	g_assert_cmpint(lseek(ringline_file_fd(from), 7, SEEK_SET), ==, 7);
	g_assert_cmpint(copy(from, 0, to, 0, SIZE), ==, SIZE);
	file_check(dir, "to", SIZE, 1);
	g_assert_cmpint(copy(from, 0, to, 0, 2 * SIZE), ==, SIZE);       /* it ends */
	g_assert_cmpint(copy(from, SIZE - 10, to, SIZE - 10, 100), ==, 10);
	g_assert_cmpint(copy(from, SIZE, to, 0, 100), ==, 0);
	g_assert_cmpint(copy(from, 5 * SIZE, to, 0, 100), ==, 0);
	g_assert_cmpint(copy(from, 0, to, 0, 0), ==, 0);
	file_check(dir, "to", SIZE, 1);
	CONF_OK(ringline_file_copy_range_begin(&op, from, 1000, to, SIZE + 100, 200));
	g_assert_cmpint(ringline_op_await(op), ==, 200);
	g_assert_cmpint(ringline_file_read_all(to, data, 300, SIZE), ==, 300);
	g_assert_cmpint(data[0] | data[99], ==, 0);
	conf_check(data + 100, 200, 1, 1000);
	g_assert_cmpint(lseek(ringline_file_fd(from), 0, SEEK_CUR), ==, 7);
	g_assert_cmpint(lseek(ringline_file_fd(to), 0, SEEK_CUR), ==, 0);
	CONF_OK(ringline_file_close(from));
	return ringline_file_close(to);
}

static void test_ranges(const char *dir)
{
	file_put(dir, "from", SIZE, 1);
	file_run(dir, ranges_main);
}

/* Within one file: ranges that do not overlap are copied, others are refused, whichever handles they are named by. */
static int same_file_main(void *dir)
{
	struct ringline_file *a = file_open(dir, "from", O_RDWR);
	struct ringline_file *b = file_open(dir, "from", O_RDWR);
	char data[1000];

	g_assert_cmpint(copy(a, 0, b, 50, 100), ==, -EINVAL);
	g_assert_cmpint(copy(a, 50, b, 0, 100), ==, -EINVAL);
	g_assert_cmpint(copy(a, 0, a, 0, SIZE), ==, -EINVAL);
	file_check(dir, "from", SIZE, 1);
	g_assert_cmpint(copy(a, 0, b, SIZE, 1000), ==, 1000);
	g_assert_cmpint(copy(a, 5000, a, SIZE + 1000, 1000), ==, 1000);
	g_assert_cmpint(ringline_file_read_all(a, data, 1000, SIZE), ==, 1000);
	conf_check(data, 1000, 1, 0);
	g_assert_cmpint(ringline_file_read_all(a, data, 1000, SIZE + 1000), ==, 1000);
	conf_check(data, 1000, 1, 5000);
	CONF_OK(ringline_file_close(a));
	return ringline_file_close(b);
}

static void test_same_file(const char *dir)
{
	file_put(dir, "from", SIZE, 1);
	file_run(dir, same_file_main);
}

static int refused_main(void *dir)
{
	struct ringline_file *from = file_open(dir, "from", O_RDONLY);
	struct ringline_file *to = file_open(dir, "to", O_RDWR | O_CREAT);
	struct ringline_file *writer = file_open(dir, "from", O_WRONLY);
	struct ringline_file *append = file_open(dir, "to", O_WRONLY | O_APPEND);
	struct ringline_file *at = file_open(dir, ".", O_RDONLY);
	struct ringline_file *pipe[2];
	struct ringline_op *op;
	int fd[2];

	CONF_OK(pipe2(fd, O_CLOEXEC));
	CONF_OK(ringline_file_from_fd(&pipe[0], fd[0]));
	CONF_OK(ringline_file_from_fd(&pipe[1], fd[1]));
	g_assert_cmpint(copy(from, (uint64_t)INT64_MAX + 1, to, 0, 1), ==, -EINVAL);
	g_assert_cmpint(copy(from, 0, to, (uint64_t)INT64_MAX + 1, 1), ==, -EINVAL);
	g_assert_cmpint(copy(from, 0, to, 1, INT64_MAX), ==, -EINVAL);
	g_assert_cmpint(copy(from, 0, to, 0, UINT64_MAX), ==, -EINVAL);
	g_assert_cmpint(ringline_file_reflink(from, UINT64_MAX, to, 0, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_file_copy_range_begin(NULL, from, 0, to, 0, 1), ==, -EINVAL);
	g_assert_cmpint(copy(from, 0, NULL, 0, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_file_reflink_begin(&op, NULL, 0, to, 0, 1), ==, -EINVAL);
	g_assert_cmpint(copy(writer, 0, to, 0, 10), ==, -EBADF);
	g_assert_cmpint(copy(from, 0, from, SIZE, 10), ==, -EBADF);
	g_assert_cmpint(copy(from, 0, append, 0, 10), ==, -EBADF);
	g_assert_cmpint(copy(at, 0, to, 0, 10), ==, -EISDIR);
	g_assert_cmpint(copy(pipe[0], 0, to, 0, 10), ==, -EINVAL);
	g_assert_cmpint(copy(from, 0, pipe[1], 0, 10), ==, -EINVAL);
	g_assert_cmpuint(file_length(dir, "to"), ==, 0);
	file_check(dir, "from", SIZE, 1);
	CONF_OK(ringline_file_close(to));
	g_assert_cmpint(copy(from, 0, to, 0, 10), ==, -EBADF);
	g_assert_cmpint(ringline_file_reflink(from, 0, to, 0, 10), ==, -EBADF);
	CONF_OK(ringline_file_close(from));
	CONF_OK(ringline_file_close(writer));
	CONF_OK(ringline_file_close(append));
	CONF_OK(ringline_file_close(at));
	CONF_OK(ringline_file_close(pipe[0]));
	return ringline_file_close(pipe[1]);
}

static void test_refused(const char *dir)
{
	file_put(dir, "from", SIZE, 1);
	file_run(dir, refused_main);
}

/* --- long ones ---------------------------------------------------------------------------------------------------- */

static int long_main(void *dir)
{
	struct ringline_file *from = file_open(dir, "from", O_RDONLY);
	struct ringline_file *to = file_open(dir, "to", O_RDWR | O_CREAT);

	g_assert_cmpint(copy(from, 0, to, 0, INT64_MAX), ==, LONG);
	file_check(dir, "to", LONG, 1);
	CONF_OK(ringline_file_close(from));
	return ringline_file_close(to);
}

static void test_long(const char *dir)
{
	file_put(dir, "from", LONG, 1);
	file_run(dir, long_main);
}

/* Islands in a hole that is more than one piece long. */
static int holes_main(void *dir)
{
	struct ringline_file *from = file_open(dir, "from", O_RDWR | O_CREAT);
	struct ringline_file *to = file_open(dir, "to", O_RDWR | O_CREAT);
	char *data = g_malloc(MIB);
	size_t at;

	conf_fill(data, 5000, 1, 0);
	g_assert_cmpint(ringline_file_write_all(from, data, 5000, 3 * MIB), ==, 5000);
	g_assert_cmpint(ringline_file_write_all(from, data, 5000, 17 * MIB - 2000), ==, 5000);
	CONF_OK(ringline_file_truncate(from, 18 * MIB));
	g_assert_cmpint(copy(from, 0, to, 0, 20 * MIB), ==, 18 * MIB);
	for (at = 0; at < 18 * MIB; at += MIB) {
		char *other = g_malloc(MIB);

		g_assert_cmpint(ringline_file_read_all(from, data, MIB, at), ==, MIB);
		g_assert_cmpint(ringline_file_read_all(to, other, MIB, at), ==, MIB);
		g_assert_cmpint(memcmp(data, other, MIB), ==, 0);
		g_free(other);
	}
	g_free(data);
	CONF_OK(ringline_file_close(from));
	return ringline_file_close(to);
}

static void test_holes(const char *dir)
{
	file_run(dir, holes_main);
}

/* --- from elsewhere ----------------------------------------------------------------------------------------------- */

/* A file that the kernel does not copy from here, of that stream. */
static struct ringline_file *elsewhere(size_t n)
{
	struct ringline_file *file;
	int fd = memfd_create("elsewhere", MFD_CLOEXEC);
	char *data = g_malloc(n);

	g_assert_cmpint(fd, >=, 0);
	conf_fill(data, n, 3, 0);
	g_assert_cmpint(pwrite(fd, data, n, 0), ==, n);
	g_free(data);
	CONF_OK(ringline_file_from_fd(&file, fd));
	return file;
}

static int elsewhere_main(void *dir)
{
	struct ringline_file *from = elsewhere(3 * MIB + 77);
	struct ringline_file *to = file_open(dir, "to", O_RDWR | O_CREAT);
	char *data;

	g_assert_cmpint(copy(from, 0, to, 0, 4 * MIB), ==, 3 * MIB + 77);
	file_check(dir, "to", 3 * MIB + 77, 3);
	CONF_OK(ringline_file_truncate(from, 0));
	data = g_malloc(2 * MIB);
	g_assert_cmpint(copy(to, MIB, from, 100, 2 * MIB), ==, 2 * MIB);  /* and back */
	g_assert_cmpint(ringline_file_read_all(from, data, 2 * MIB, 100), ==, 2 * MIB);
	conf_check(data, 2 * MIB, 3, MIB);
	g_free(data);
	CONF_OK(ringline_file_close(from));
	return ringline_file_close(to);
}

static void test_elsewhere(const char *dir)
{
	file_run(dir, elsewhere_main);
}

/* Files that do not say how long they are, and some that never end. */
static int special_main(void *dir)
{
	struct ringline_file *to = file_open(dir, "to", O_RDWR | O_CREAT);
	struct ringline_file *from;
	char *expected;
	char *got;
	gsize n;

	CONF_OK(ringline_file_open(&from, NULL, "/proc/filesystems", O_RDONLY, 0, NULL));
	g_assert_true(g_file_get_contents("/proc/filesystems", &expected, &n, NULL));
	g_assert_cmpint(copy(from, 0, to, 0, 1 << 20), ==, n);
	got = g_malloc(n);
	g_assert_cmpint(ringline_file_read_all(to, got, n, 0), ==, n);
	g_assert_cmpmem(got, n, expected, n);
	g_assert_cmpint(copy(from, 10, to, 0, 5), ==, 5);
	g_assert_cmpint(ringline_file_read_all(to, got, 5, 0), ==, 5);
	g_assert_cmpmem(got, 5, expected + 10, 5);
	g_free(expected);
	g_free(got);
	CONF_OK(ringline_file_close(from));
	CONF_OK(ringline_file_open(&from, NULL, "/dev/zero", O_RDONLY, 0, NULL));
	g_assert_cmpint(copy(from, 0, to, 0, 300000), ==, 300000);
	g_assert_cmpuint(file_length(dir, "to"), ==, 300000);
	CONF_OK(ringline_file_close(from));
	return ringline_file_close(to);
}

static void test_special(const char *dir)
{
	file_run(dir, special_main);
}

/* --- in between --------------------------------------------------------------------------------------------------- */

/* The pieces of a copy by hand go to a server that answers when it is told to. */
static int cut_main(void *dir)
{
	struct ringline_file *from = elsewhere(4 * MIB);
	struct ringline_file *to = file_open(dir, "to", O_RDWR | O_CREAT);
	struct ringline_op *op;
	int64_t n;

	place_fault("stall write");
	CONF_OK(ringline_file_copy_range_begin(&op, from, 0, to, 0, 4 * MIB));
	place_stalled("write");
	g_assert_cmpuint(file_jobs(RINGLINE_BLOCKING_WAIT).running, ==, 1);   /* it is enough that one of the two is a server's */
	CONF_OK(ringline_op_cancel(op));
	file_turns(3);
	g_assert_cmpint(ringline_op_result(op), ==, -EINPROGRESS);
	place_fault("release write");
	n = ringline_op_await(op);
	g_assert_cmpint(n, >, 0);
	g_assert_cmpint(n, <, 4 * MIB);
	file_check(dir, "to", (size_t)n, 3);
	CONF_OK(ringline_file_close(from));
	return ringline_file_close(to);
}

static void test_cut(const char *dir)
{
	file_run(dir, cut_main);
}

/* The close of either file is a cut, too. */
static int closed_main(void *dir)
{
	int i;

	for (i = 0; i < 2; i++) {
		struct ringline_file *from = elsewhere(4 * MIB);
		struct ringline_file *to = file_open(dir, "to", O_RDWR | O_CREAT | O_TRUNC);
		struct ringline_op *close;
		struct ringline_op *op;
		int64_t n;

		place_fault("stall write");
		CONF_OK(ringline_file_copy_range_begin(&op, from, 0, to, 0, 4 * MIB));
		place_stalled("write");
		CONF_OK(ringline_file_close_begin(&close, i ? to : from));
		file_turns(3);
		g_assert_cmpint(ringline_op_result(op), ==, -EINPROGRESS);
		place_fault("release write");
		n = ringline_op_await(op);
		g_assert_cmpint(n, >, 0);
		g_assert_cmpint(n, <, 4 * MIB);
		g_assert_cmpint(ringline_op_await(close), ==, 0);
		CONF_OK(ringline_file_close(i ? from : to));
	}
	return 0;
}

static void test_closed(const char *dir)
{
	file_run(dir, closed_main);
}

/* In the queue either close takes it back. */
static int closed_queued_main(void *dir)
{
	int i;

	for (i = 0; i < 2; i++) {
		struct ringline_file *from = file_open(dir, "from", O_RDONLY);
		struct ringline_file *to = file_open(dir, "to", O_RDWR | O_CREAT | O_TRUNC);
		struct ringline_op *close;
		struct ringline_op *op;
		struct file_hold h;

		file_hold(&h, RINGLINE_BLOCKING_IO);
		CONF_OK(ringline_file_copy_range_begin(&op, from, 0, to, 0, SIZE));
		CONF_OK(ringline_file_close_begin(&close, i ? to : from));
		g_assert_cmpint(ringline_op_await(op), ==, -EBADF);
		file_let_go(&h);
		g_assert_cmpint(ringline_op_await(close), ==, 0);
		g_assert_cmpuint(file_length(dir, "to"), ==, 0);
		CONF_OK(ringline_file_close(i ? from : to));
	}
	return 0;
}

static void test_closed_queued(const char *dir)
{
	file_put(dir, "from", SIZE, 1);
	file_run_with_threads(dir, 1, closed_queued_main);
}

/* An error after some has been copied is the next call's to tell. */
static int errors_main(void *dir)
{
	struct ringline_file *from = elsewhere(4 * MIB);
	struct ringline_file *to = file_open(dir, "to", O_RDWR | O_CREAT);
	struct ringline_op *op;
	int64_t n;

	place_fault("fail write ENOSPC 1");
	g_assert_cmpint(copy(from, 0, to, 0, 4 * MIB), ==, -ENOSPC);
	place_fault("fail read EIO 1");
	g_assert_cmpint(copy(to, 0, from, 0, 10), ==, -EIO);
	place_fault("clear\nstall write");
	CONF_OK(ringline_file_copy_range_begin(&op, from, 0, to, 0, 4 * MIB));
	place_stalled("write");
	place_fault("release write");
	CONF_UNTIL(place_count("write") > 1);
	place_fault("fail write EDQUOT");
	n = ringline_op_await(op);
	place_fault("clear");
	g_assert_true(n > 0 || n == -EDQUOT);
	file_check(dir, "to", (size_t)MAX(n, 0), 3);
	CONF_OK(ringline_file_close(from));
	return ringline_file_close(to);
}

static void test_errors(const char *dir)
{
	file_run(dir, errors_main);
}

static int full_main(void *dir)
{
	struct ringline_file *from;
	struct ringline_file *to = file_open(dir, "to", O_RDWR | O_CREAT);
	int64_t n;

	CONF_OK(ringline_file_open(&from, NULL, "/dev/zero", O_RDONLY, 0, NULL));
	n = copy(from, 0, to, 0, 100 * MIB);
	g_assert_cmpint(n, >, 0);
	g_assert_cmpint(n, <, 100 * MIB);
	g_assert_cmpint(copy(from, 0, to, (uint64_t)n, 100 * MIB), ==, -ENOSPC);
	CONF_OK(ringline_file_truncate(to, 0));
	CONF_OK(ringline_file_close(from));
	return ringline_file_close(to);
}

static void test_full(const char *dir)
{
	file_run(dir, full_main);
}

/* --- sharing ------------------------------------------------------------------------------------------------------ */

/* What FICLONERANGE says by itself: 0, or an errno. */
static int can_share(const char *dir)
{
	struct file_clone_range range = { .src_fd = file_fd(dir, "from", O_RDONLY), .src_length = 4096 };
	int to = file_fd(dir, "probe", O_RDWR | O_CREAT);
	int error = ioctl(to, FICLONERANGE, &range) == 0 ? 0 : errno;

	close(to);
	close((int)range.src_fd);
	return error;
}

static int cannot_share_main(void *dir)
{
	struct ringline_file *from = file_open(dir, "from", O_RDONLY);
	struct ringline_file *to = file_open(dir, "to", O_RDWR | O_CREAT);
	struct ringline_file *other = elsewhere(4096);
	struct ringline_op *op;

	g_assert_cmpint(ringline_file_reflink(from, 0, to, 0, 4096), ==, -EOPNOTSUPP);
	CONF_OK(ringline_file_reflink_begin(&op, from, 0, to, 0, 0));
	g_assert_cmpint(ringline_op_await(op), ==, -EOPNOTSUPP);
	g_assert_cmpint(ringline_file_reflink(other, 0, to, 0, 4096), ==, -EXDEV);
	g_assert_cmpuint(file_length(dir, "to"), ==, 0);
	CONF_OK(ringline_file_close(other));
	CONF_OK(ringline_file_close(from));
	return ringline_file_close(to);
}

static int share_main(void *dir)
{
	struct ringline_file *from = file_open(dir, "from", O_RDWR);
	struct ringline_file *to = file_open(dir, "to", O_RDWR | O_CREAT);
	struct ringline_file *other = elsewhere(4096);
	struct ringline_op *op;
	char data[4096];

	CONF_OK(ringline_file_reflink(from, 0, to, 0, 0));
	file_check(dir, "to", SIZE, 1);
	g_assert_cmpint(ringline_file_write(from, "changed", 7, 0), ==, 7);
	file_check(dir, "to", SIZE, 1);
	CONF_OK(ringline_file_reflink_begin(&op, to, 4096, from, 8192, 4096));
	g_assert_cmpint(ringline_op_await(op), ==, 0);
	g_assert_cmpint(ringline_file_read_all(from, data, 4096, 8192), ==, 4096);
	conf_check(data, 4096, 1, 4096);
	g_assert_cmpint(ringline_file_reflink(from, 1, to, 0, 4096), ==, -EINVAL);
	g_assert_cmpint(ringline_file_reflink(from, 0, to, 1, 4096), ==, -EINVAL);
	g_assert_cmpint(ringline_file_reflink(from, 0, to, 0, 100), ==, -EINVAL);
	g_assert_cmpint(ringline_file_reflink(other, 0, to, 0, 4096), ==, -EXDEV);
	CONF_OK(ringline_file_close(other));
	CONF_OK(ringline_file_close(from));
	return ringline_file_close(to);
}

static void test_share(const char *dir)
{
	file_put(dir, "from", SIZE, 1);
	if (can_share(dir) == 0)
		file_run(dir, share_main);
	else
		file_run(dir, cannot_share_main);
}

static void add(void)
{
	place_add_each("file-copy", "ranges", test_ranges);
	place_add_each("file-copy", "within-one-file", test_same_file);
	place_add_each("file-copy", "refused", test_refused);
	place_add_each("file-copy", "more-than-one-piece", test_long);
	place_add_each("file-copy", "holes", test_holes);
	place_add_each("file-copy", "from-elsewhere-and-back", test_elsewhere);
	place_add_each("file-copy", "files-without-a-length", test_special);
	place_add("file-copy", "fuse", "cut-between-pieces-tells-the-count", test_cut);
	place_add("file-copy", "fuse", "closed-between-pieces-tells-the-count", test_closed);
	place_add("file-copy", "here", "closed-while-queued-is-ebadf", test_closed_queued);
	place_add("file-copy", "fuse", "errors-are-told", test_errors);
	place_add("file-copy", "tmpfs", "no-space-is-enospc", test_full);
	place_add_each("file-copy", "blocks-are-shared-or-not", test_share);
}

int main(int argc, char **argv)
{
	return place_main(argc, argv, "file-copy", add);
}
