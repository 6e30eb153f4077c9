/* SPDX-License-Identifier: MIT */
/* Reads that do not wait: what is in the cache, what is not, part of it; and who may call. */
#include <sys/mman.h>

#include "support/files.h"

#define PAGE     4096
#define SIZE     (3 * PAGE)
#define POSITION RINGLINE_FILE_POSITION

/* Does the file system of this case tell what is in its cache, and may the worker look? */
static bool told(void)
{
	return file_inline() && (place_is("ext4") || place_is("xfs"));
}

/* All of it, or nothing where nobody can tell. What was read is right, and the ring and threads had no part in it. */
static void try_all(struct ringline_file *file, size_t n, uint64_t offset, ssize_t expected)
{
	char *data = g_malloc0(n);
	ssize_t done = ringline_file_try_read(file, data, n, offset);

	if (told() || done != -EAGAIN)
		g_assert_cmpint(done, ==, expected);
	if (done > 0)
		conf_check(data, (size_t)done, 1, offset);
	g_free(data);
}

static int cached_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDONLY);
	uint64_t inlined;
	char data[SIZE];

	g_assert_cmpint(ringline_file_read_all(file, data, SIZE, 0), ==, SIZE);
	inlined = file_count("read", "inline");
	try_all(file, SIZE, 0, SIZE);
	try_all(file, 100, 50, 100);
	try_all(file, SIZE, 100, SIZE - 100);
	try_all(file, 100, SIZE, 0);
	try_all(file, 100, INT64_MAX - 100, 0);
	if (told())
		g_assert_cmpuint(file_count("read", "inline"), ==, inlined + 5);
	return ringline_file_close(file);
}

static void test_cached(const char *dir)
{
	file_put(dir, "file", SIZE, 1);
	file_run(dir, cached_main);
}

/* A try has the kernel begin with what was not there, so it may be there at any time. */
static int part_main(void *dir)
{
	struct ringline_file *file = file_half_cached(dir, "file");
	char data[SIZE];
	ssize_t n = ringline_file_try_read(file, data, SIZE, POSITION);

	if (told() || n != -EAGAIN)
		g_assert_true(n >= PAGE && n <= SIZE);
	n = n == -EAGAIN ? 0 : n;
	conf_check(data, (size_t)n, 1, 0);
	g_assert_cmpint(lseek(ringline_file_fd(file), 0, SEEK_CUR), ==, n);
	while (n < SIZE) {
		ssize_t more = ringline_file_try_read(file, data + n, SIZE - (size_t)n, POSITION);

		if (more == -EAGAIN)
			more = ringline_file_read(file, data + n, SIZE - (size_t)n, POSITION);
		g_assert_cmpint(more, >, 0);
		n += more;
	}
	conf_check(data, SIZE, 1, 0);
	return ringline_file_close(file);
}

static void test_part(const char *dir)
{
	file_put(dir, "file", SIZE, 1);
	file_run(dir, part_main);
}

/* Somebody else's file system, and a stream, are never tried: the one may be gone, the other is waited for. */
static int never_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDONLY);
	struct ringline_file *fifo;
	char data[10];
	int fds[2];

	g_assert_cmpint(ringline_file_read(file, data, 10, 0), ==, 10);
	g_assert_cmpint(ringline_file_try_read(file, data, 10, 0), ==, -EAGAIN);
	CONF_OK(pipe2(fds, O_CLOEXEC | O_NONBLOCK));
	g_assert_cmpint(write(fds[1], "0123456789", 10), ==, 10);
	CONF_OK(ringline_file_from_fd(&fifo, fds[0]));
	g_assert_cmpint(ringline_file_try_read(fifo, data, 10, POSITION), ==, -EAGAIN);
	g_assert_cmpint(ringline_file_read(fifo, data, 10, POSITION), ==, 10);
	CONF_OK(ringline_file_close(fifo));
	CONF_OK(close(fds[1]));
	return ringline_file_close(file);
}

static void test_never(const char *dir)
{
	file_put(dir, "file", 10, 1);
	file_run(dir, never_main);
}

static int errors_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_WRONLY);
	void *hole = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char data[10];

	g_assert_cmpint(ringline_file_try_read(NULL, data, 10, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_file_try_read(file, NULL, 10, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_file_try_read(file, data, 10, UINT64_C(1) << 63), ==, -EINVAL);
	if (told())
		g_assert_cmpint(ringline_file_try_read(file, data, 10, 0), ==, -EBADF);
	CONF_OK(ringline_file_close(file));
	g_assert_cmpint(ringline_file_try_read(file, data, 10, 0), ==, -EBADF);
	file = file_open(dir, "file", O_RDONLY);
	if (told())
		g_assert_cmpint(ringline_file_try_read(file, hole, 10, 0), ==, -EFAULT);
	CONF_OK(munmap(hole, PAGE));
	return ringline_file_close(file);
}

static void test_errors(const char *dir)
{
	conf_log_allow("closed");
	file_put(dir, "file", 10, 1);
	file_run(dir, errors_main);
}

/* It does not suspend, so a task without a stack may call it, and one that was cut. */
static int try_main(void *file)
{
	try_all(file, 10, 0, 10);
	return 0;
}

static int anybody_main(void *dir)
{
	struct ringline_task_options o = RINGLINE_TASK_OPTIONS_INIT;
	struct ringline_file *file = file_open(dir, "file", O_RDONLY);
	struct ringline_scope *scope;
	struct ringline_task *t;
	char data[10];

	g_assert_cmpint(ringline_file_read(file, data, 10, 0), ==, 10);
	o.flags = RINGLINE_TASK_STACKLESS;
	CONF_OK(ringline_task_start(&t, try_main, file, &o));
	CONF_OK(ringline_task_join(t, NULL));
	scope = file_cancelled();
	try_main(file);
	file_scope_end(scope, -ECANCELED);
	return ringline_file_close(file);
}

static void test_anybody(const char *dir)
{
	file_put(dir, "file", 10, 1);
	file_run(dir, anybody_main);
}

static void add(void)
{
	place_add_each("file-try", "what-is-in-the-cache", test_cached);
	place_add_each("file-try", "part-of-it-is", test_part);
	place_add("file-try", "fuse", "what-is-never-tried", test_never);
	place_add("file-try", "ext4", "errors", test_errors);
	place_add("file-try", "here", "errors", test_errors);
	place_add("file-try", "ext4", "by-anybody", test_anybody);
	place_add("file-try", "here", "by-anybody", test_anybody);
}

int main(int argc, char **argv)
{
	return place_main(argc, argv, "file-try", add);
}
