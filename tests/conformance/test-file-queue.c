/* SPDX-License-Identifier: MIT */
/* Operations on files that are queued in the worker, because threads have enough of them while its connections are busy. */
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "support/files.h"

#define COUNT  64
#define ENOUGH 16
#define PAGE   4096

/* --- what the cases have in common -------------------------------------------------------------------------------- */

/* Many operations that threads have to carry out, begun one after the other. */
struct many {
	struct ringline_op *op[COUNT];
	struct ringline_stat stat[COUNT];
	struct ringline_file *dir;
};

static char names[COUNT][16];
static struct ringline_conn *line;
static int peer;

/* In the turns after this one a connection of the worker is busy. */
static void hear(void)
{
	char byte;

	conf_put(peer, "x", 1);
	g_assert_cmpint(ringline_conn_recv(line, &byte, 1), ==, 1);
}

static void be_busy(void)
{
	line = conf_open(CONF_UNIX, &peer);
	hear();
}

static void be_quiet(void)
{
	CONF_OK(ringline_conn_close(line));
	CONF_OK(close(peer));
}

static uint64_t queued(void)
{
	return conf_stats(NULL).files_queued;
}

/* Of each file, whose length is its number, the length is asked for. How many could be begun. */
static int begin_stats(struct many *m)
{
	int r = 0;
	int i;

	for (i = 0; i < COUNT; i++) {
		m->stat[i].size = sizeof(m->stat[i]);
		r = ringline_path_stat_begin(&m->op[i], m->dir, names[i], 0, 0, &m->stat[i]);
		if (r < 0)
			break;
	}
	g_assert_true(r == 0 || r == -EAGAIN);
	return i;
}

static void get_ready(struct many *m, const char *dir)
{
	m->dir = file_open(dir, ".", O_RDONLY | O_DIRECTORY);
	be_busy();
}

static int be_done(struct many *m)
{
	be_quiet();
	return ringline_file_close(m->dir);
}

static void take(struct many *m, int i, int result)
{
	g_assert_cmpint(ringline_op_await(m->op[i]), ==, result);
	if (result == 0)
		g_assert_cmpuint(m->stat[i].length, ==, (uint64_t)i);
}

static void put_files(const char *dir)
{
	int i;

	for (i = 0; i < COUNT; i++) {
		snprintf(names[i], sizeof(names[i]), "%d", i);
		file_put(dir, names[i], (size_t)i, 1);
	}
}

static void run_with(const char *dir, uint32_t jobs, int (*fn)(void *dir))
{
	struct ringline_config c;

	put_files(dir);
	conf_config(&c);
	c.blocking_io_threads = ENOUGH - 4;       /* so that the bound for the kernel's threads and for ours is the same */
	c.blocking_queue = jobs;
	CONF_OK(conf_run_with(&c, fn, (void *)dir));
}

/* --- which are queued --------------------------------------------------------------------------------------------- */

/* The class of threads that asks somebody else's file system has a bound of its own. */
static int enough_main(void *dir)
{
	struct many m = { 0 };
	int i;

	get_ready(&m, dir);
	g_assert_cmpint(begin_stats(&m), ==, COUNT);
	g_assert_cmpuint(queued(), ==, place_is("fuse") ? 0 : COUNT - ENOUGH);
	for (i = COUNT; i-- > 0;)
		take(&m, i, 0);
	return be_done(&m);
}

static void test_enough(const char *dir)
{
	run_with(dir, 0, enough_main);
}

static void take_all(struct many *m)
{
	int i;

	for (i = 0; i < COUNT; i++)
		take(m, i, 0);
}

/* Nothing was received, or nothing since the worker slept. */
static int quiet_main(void *dir)
{
	struct many m = { 0 };

	m.dir = file_open(dir, ".", O_RDONLY | O_DIRECTORY);
	g_assert_cmpint(begin_stats(&m), ==, COUNT);
	g_assert_cmpuint(queued(), ==, 0);
	take_all(&m);
	be_busy();
	g_assert_cmpint(begin_stats(&m), ==, COUNT);
	g_assert_cmpuint(queued(), ==, COUNT - ENOUGH);
	take_all(&m);
	CONF_OK(ringline_sleep(20 * RINGLINE_NSEC_PER_MSEC));
	g_assert_cmpint(begin_stats(&m), ==, COUNT);
	g_assert_cmpuint(queued(), ==, COUNT - ENOUGH);
	take_all(&m);
	return be_done(&m);
}

static void test_quiet(const char *dir)
{
	run_with(dir, 0, quiet_main);
}

/* For the pool no more wait than may wait in it. */
static int full_main(void *dir)
{
	struct many m = { 0 };
	int n;
	int i;

	get_ready(&m, dir);
	n = begin_stats(&m);
	g_assert_cmpint(n, ==, file_ring() ? COUNT : ENOUGH + 20);
	g_assert_cmpuint(queued(), ==, (uint64_t)n - ENOUGH);
	g_assert_cmpuint(file_jobs(RINGLINE_BLOCKING_IO).refused, ==, file_ring() ? 0 : 1);
	for (i = 0; i < n; i++)
		take(&m, i, 0);
	return be_done(&m);
}

static void test_full(const char *dir)
{
	run_with(dir, 20, full_main);
}

/* --- taken back --------------------------------------------------------------------------------------------------- */

static int cancelled_main(void *dir)
{
	struct many m = { 0 };
	int i;

	get_ready(&m, dir);
	g_assert_cmpint(begin_stats(&m), ==, COUNT);
	for (i = ENOUGH; i < COUNT; i += 3)
		CONF_OK(ringline_op_cancel(m.op[i]));
	for (i = 0; i < COUNT; i++)
		take(&m, i, i >= ENOUGH && (i - ENOUGH) % 3 == 0 ? -ECANCELED : 0);
	return be_done(&m);
}

static void test_cancelled(const char *dir)
{
	run_with(dir, 0, cancelled_main);
}

/* Operations that nobody took: a scope that closes takes them back. */
static int dropped_main(void *dir)
{
	struct ringline_scope *scope;
	struct many m = { 0 };

	get_ready(&m, dir);
	CONF_OK(ringline_scope_open(&scope, NULL));
	g_assert_cmpint(begin_stats(&m), ==, COUNT);
	g_assert_cmpuint(queued(), ==, COUNT - ENOUGH);
	ringline_scope_close(scope);
	return be_done(&m);
}

static void test_dropped(const char *dir)
{
	run_with(dir, 0, dropped_main);
}

static int stat_main(void *path)
{
	struct ringline_stat s = { .size = sizeof(s) };
	int r = ringline_path_stat(NULL, path, 0, 0, &s);

	g_assert_true(r == 0 || r == -ECANCELED);
	return 0;
}

static int cut_main(void *dir)
{
	char *path = file_path(dir, "7");
	struct ringline_scope *scope;
	int i;

	be_busy();
	CONF_OK(ringline_scope_open(&scope, NULL));
	for (i = 0; i < COUNT; i++)
		CONF_OK(ringline_scope_spawn(scope, stat_main, path));
	file_turns(1);
	g_assert_cmpuint(queued(), >, 0);
	ringline_scope_cancel(scope);
	file_scope_end(scope, -ECANCELED);
	g_free(path);
	be_quiet();
	return 0;
}

static void test_cut(const char *dir)
{
	run_with(dir, 0, cut_main);
}

static int closed_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "9", O_RDWR);
	struct ringline_op *op[COUNT];
	int i;

	be_busy();
	for (i = 0; i < COUNT; i++)
		CONF_OK(ringline_file_datasync_begin(&op[i], file));
	g_assert_cmpuint(queued(), ==, COUNT - ENOUGH);
	CONF_OK(ringline_file_close(file));
	for (i = 0; i < COUNT; i++) {
		int64_t r = ringline_op_await(op[i]);

		g_assert_true(r == -EBADF || (r == 0 && i < ENOUGH));
	}
	be_quiet();
	return 0;
}

static void test_closed(const char *dir)
{
	run_with(dir, 0, closed_main);
}

/* --- threads that wait -------------------------------------------------------------------------------------------- */

/* Memory whose pages are not there until somebody says so: a system call that writes to one waits. */
struct absent {
	char *memory;
	int fd;
};

static bool is_registered(const struct absent *a)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	reg.range.start = (uintptr_t)a->memory;
	reg.range.len = (size_t)COUNT * PAGE;
	return a->fd >= 0 && ioctl(a->fd, UFFDIO_API, &api) == 0 && ioctl(a->fd, UFFDIO_REGISTER, &reg) == 0;
}

static void end_absent(struct absent *a)
{
	CONF_OK(munmap(a->memory, (size_t)COUNT * PAGE));
	if (a->fd >= 0)
		CONF_OK(close(a->fd));
}

static bool make_absent(struct absent *a)
{
	a->memory = mmap(NULL, (size_t)COUNT * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	g_assert_true(a->memory != MAP_FAILED);
	a->fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (is_registered(a))
		return true;
	end_absent(a);
	return false;
}

static void make_present(struct absent *a)
{
	struct uffdio_zeropage zero = { .range = { .start = (uintptr_t)a->memory, .len = (size_t)COUNT * PAGE } };

	CONF_OK(ioctl(a->fd, UFFDIO_ZEROPAGE, &zero));
}

static void hang(struct ringline_file *file, struct absent *a, struct ringline_op **op)
{
	int i;

	for (i = 0; i < ENOUGH; i++)
		CONF_OK(ringline_file_get_xattr_begin(&op[i], file, "user.name", a->memory + (size_t)i * PAGE, PAGE));
	g_assert_cmpuint(queued(), ==, 0);
}

/* What threads were given by the worker, of the kernel or of the pool. */
static uint64_t given(void)
{
	return file_jobs(RINGLINE_BLOCKING_IO).submitted + (file_ring() ? conf_stats(NULL).operations_submitted : 0);
}

/* What waits with the kernel's threads does not hold up what is for ours. */
static void be_at_the_pool(const char *link)
{
	char target[16];

	if (file_ring())
		g_assert_cmpint(ringline_path_readlink(NULL, link, target, sizeof(target)), ==, 6);
	g_assert_cmpuint(queued(), ==, 0);
}

/* All that threads have waits, but what is queued behind it goes on, though the connection is busy. */
static int waiting_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "1", O_RDONLY);
	struct ringline_stat stat = { .size = sizeof(stat) };
	char *link = file_path(dir, "link");
	struct ringline_op *op[ENOUGH + 1];
	struct absent a;
	uint64_t before;
	int i;

	if (!make_absent(&a)) {
		g_test_skip("there is no userfaultfd for us");
		g_free(link);
		return ringline_file_close(file);
	}
	be_busy();
	hang(file, &a, op);
	be_at_the_pool(link);
	hear();
	before = given();
	CONF_OK(ringline_path_stat_begin(&op[ENOUGH], NULL, link, 0, 0, &stat));
	g_assert_cmpuint(queued(), ==, 1);
	g_assert_cmpuint(given(), ==, before);
	while (given() == before) {
		if (!file_ring())         /* there a receive would count, too */
			hear();
		conf_pause();
	}
	make_present(&a);
	for (i = 0; i < ENOUGH; i++)
		g_assert_cmpint(ringline_op_await(op[i]), ==, 5);
	g_assert_cmpint(ringline_op_await(op[ENOUGH]), ==, -ENOENT);
	end_absent(&a);
	be_quiet();
	g_free(link);
	return ringline_file_close(file);
}

static void test_waiting(const char *dir)
{
	char *link = file_path(dir, "link");
	char *file = file_path(dir, "1");

	put_files(dir);
	CONF_OK(symlink("target", link));
	CONF_OK(setxattr(file, "user.name", "value", 5, 0));
	file_run_with_threads(dir, ENOUGH - 4, waiting_main);
	g_free(link);
	g_free(file);
}

static void add(void)
{
	place_add_each("file-queue", "threads-have-enough", test_enough);
	place_add("file-queue", "here", "connections-are-quiet", test_quiet);
	place_add("file-queue", "here", "full", test_full);
	place_add("file-queue", "here", "cancelled", test_cancelled);
	place_add("file-queue", "here", "dropped", test_dropped);
	place_add("file-queue", "here", "cut", test_cut);
	place_add("file-queue", "here", "file-closed", test_closed);
	place_add("file-queue", "ext4", "threads-wait", test_waiting);
}

int main(int argc, char **argv)
{
	return place_main(argc, argv, "file-queue", add);
}
