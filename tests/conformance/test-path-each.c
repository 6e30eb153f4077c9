/* SPDX-License-Identifier: MIT */
/*
 * Names in file systems. Every call of path.h is in a table, in both of its forms, and what holds for all of them is
 * tested for each: that it does its work wherever it is, who carries it out, what it refuses, what cuts do to it, what
 * becomes of the errors of a file system. Then follows what each of them is for.
 */
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/xattr.h>

#include "support/at.h"
#include "support/files.h"
#include "support/places.h"

#define SIZE    1000
#define SHORTER 10
#define NAMES   3
#define NOBODY  65534

/* --- the table ---------------------------------------------------------------------------------------------------- */

/* What a call finds, and what it leaves. Everything lies in a directory of its own, and each call is made once. */
struct bench {
	int fd;                           /* of the directory, the test's own */
	struct ringline_file *dir;
	struct ringline_stat stat;
	struct ringline_stat stats[NAMES];
	int results[NAMES];
	char target[16];
	char value[16];
	char names[512];
	struct ringline_buf *buf;
};

static const char *const three_names[NAMES] = { "file", "link", "empty" };
static const struct ringline_timestamp first_time = { .sec = 1000, .nsec = 5 };
static const struct ringline_timestamp second_time = { .sec = 2000, .nsec = 7 };

#define CALL(name, ...) \
	static int64_t call_##name(struct bench *b) \
	{ \
		return ringline_path_##name(__VA_ARGS__); \
	} \
	static int begin_##name(struct ringline_op **op, struct bench *b) \
	{ \
		return ringline_path_##name##_begin(op, __VA_ARGS__); \
	}

CALL(stat, b->dir, "file", 0, 0, &b->stat)
CALL(stat_many, b->dir, three_names, NAMES, 0, 0, b->stats, sizeof(b->stats[0]), b->results)
CALL(rename, b->dir, "file", b->dir, "renamed", 0)
CALL(unlink, b->dir, "file")
CALL(rmdir, b->dir, "empty")
CALL(mkdir, b->dir, "made", 0755)
CALL(link, b->dir, "file", b->dir, "linked", 0)
CALL(symlink, "target", b->dir, "pointer")
CALL(readlink, b->dir, "link", b->target, sizeof(b->target))
CALL(truncate, b->dir, "file", SHORTER)
CALL(chmod, b->dir, "file", 0604, 0)
CALL(chown, b->dir, "file", 1234, RINGLINE_KEEP_ID, 0)
CALL(set_times, b->dir, "file", &first_time, &second_time, 0)
CALL(get_xattr, b->dir, "file", "user.a", b->value, sizeof(b->value), 0)
CALL(set_xattr, b->dir, "file", "user.b", "new", 3, 0, 0)
CALL(list_xattr, b->dir, "file", b->names, sizeof(b->names), 0)
CALL(remove_xattr, b->dir, "file", "user.a", 0)
CALL(read_all, &b->buf, b->dir, "file", SIZE)
CALL(write_atomic, b->dir, "file", "whole", 5, 0600)

/* Whether it has been done, which is not to be asked in between. */

static bool done_stat(struct bench *b)
{
	return b->stat.length == SIZE;
}

static bool done_stat_many(struct bench *b)
{
	return !b->results[0] && !b->results[1] && !b->results[2] && b->stats[1].length == SIZE;
}

static bool done_rename(struct bench *b)
{
	bool there = at_has(b->fd, "renamed");

	g_assert_true(there != at_has(b->fd, "file"));
	return there;
}

static bool done_unlink(struct bench *b)
{
	return !at_has(b->fd, "file");
}

static bool done_rmdir(struct bench *b)
{
	return !at_has(b->fd, "empty");
}

static bool done_mkdir(struct bench *b)
{
	return at_has(b->fd, "made") && S_ISDIR(at_stat(b->fd, "made").st_mode);
}

static bool done_link(struct bench *b)
{
	return at_has(b->fd, "linked") && at_stat(b->fd, "linked").st_nlink == 2;
}

static bool done_symlink(struct bench *b)
{
	return at_has(b->fd, "pointer") && S_ISLNK(at_stat(b->fd, "pointer").st_mode);
}

static bool done_readlink(struct bench *b)
{
	return !strcmp(b->target, "file");
}

static bool done_truncate(struct bench *b)
{
	return at_stat(b->fd, "file").st_size == SHORTER;
}

static bool done_chmod(struct bench *b)
{
	return at_stat(b->fd, "file").st_mode == (S_IFREG | 0604);
}

static bool done_chown(struct bench *b)
{
	return at_stat(b->fd, "file").st_uid == 1234;
}

static bool done_set_times(struct bench *b)
{
	struct stat st = at_stat(b->fd, "file");

	return st.st_atim.tv_sec == 1000 && st.st_mtim.tv_sec == 2000;
}

static bool done_get_xattr(struct bench *b)
{
	return !strncmp(b->value, "value", 5);
}

static bool has_xattr(struct bench *b, const char *name)
{
	char *path = at_path(b->fd, "file");
	ssize_t n = getxattr(path, name, NULL, 0);

	g_free(path);
	return n >= 0;
}

static bool done_set_xattr(struct bench *b)
{
	return has_xattr(b, "user.b");
}

static bool done_list_xattr(struct bench *b)
{
	return memmem(b->names, sizeof(b->names), "user.a", 7) != NULL;
}

static bool done_remove_xattr(struct bench *b)
{
	return !has_xattr(b, "user.a");
}

static bool done_read_all(struct bench *b)
{
	if (!b->buf)
		return false;
	g_assert_cmpuint(ringline_buf_size(b->buf), ==, SIZE);
	conf_check(ringline_buf_data(b->buf), SIZE, 1, 0);
	return true;
}

static bool done_write_atomic(struct bench *b)
{
	return at_stat(b->fd, "file").st_size == 5;
}

/* flags of an entry */
enum {
	RING    = 1 << 0,         /* io_uring carries it */
	XATTR   = 1 << 1,         /* takes user.* attributes */
	ROOT    = 1 << 2,         /* takes root */
	WRITES  = 1 << 3,         /* changes something on the disk */
	CHANGES = 1 << 4,         /* what becomes of "file", or its name, is changed */
	REMOVES = 1 << 5,         /* takes a name away */
	PIECES  = 1 << 6,         /* a cut ends it in the middle */
};

struct entry {
	const char *name;
	const char *counter;              /* of ringline_worker_op_count() */
	const char *fault;                /* of faultfs */
	unsigned int flags;
	int64_t result;                   /* at least that many, of a list */
	int stranger;                     /* the errno for one who may only read */
	int64_t (*call)(struct bench *b);
	int (*begin)(struct ringline_op **op, struct bench *b);
	bool (*done)(struct bench *b);
};

#define ENTRY(name, counter, fault, flags, result, stranger) \
	{ #name, counter, fault, flags, result, stranger, call_##name, begin_##name, done_##name }

static const struct entry table[] = {
	ENTRY(stat, "statx", "lookup", RING, 0, 0),
	ENTRY(stat_many, "statx_many", "lookup", PIECES, 0, 0),
	ENTRY(rename, "rename", "rename", RING | WRITES | CHANGES | REMOVES, 0, EACCES),
	ENTRY(unlink, "unlink", "unlink", RING | WRITES | CHANGES | REMOVES, 0, EACCES),
	ENTRY(rmdir, "unlink", "rmdir", RING | WRITES | REMOVES, 0, EACCES),
	ENTRY(mkdir, "mkdir", "mkdir", RING | WRITES, 0, EACCES),
	ENTRY(link, "link", "link", RING | WRITES | CHANGES, 0, EPERM),
	ENTRY(symlink, "symlink", "symlink", RING | WRITES, 0, EACCES),
	ENTRY(readlink, "readlink", "readlink", 0, 4, 0),
	ENTRY(truncate, "truncate", "truncate", WRITES | CHANGES, 0, EACCES),
	ENTRY(chmod, "chmod", "chmod", WRITES | CHANGES, 0, EPERM),
	ENTRY(chown, "chown", "chown", WRITES | CHANGES | ROOT, 0, EPERM),
	ENTRY(set_times, "utimens", "utimens", WRITES | CHANGES, 0, EPERM),
	ENTRY(get_xattr, "getxattr", "getxattr", XATTR, 5, 0),
	ENTRY(set_xattr, "setxattr", "setxattr", XATTR | WRITES | CHANGES, 0, EACCES),
	ENTRY(list_xattr, "listxattr", "listxattr", XATTR, 7, 0),
	ENTRY(remove_xattr, "removexattr", "removexattr", XATTR | WRITES | CHANGES, 0, EACCES),
	ENTRY(read_all, "read_file", "read", PIECES, SIZE, 0),
	ENTRY(write_atomic, "write_atomic", "write", WRITES | CHANGES | REMOVES, 0, EACCES),
};

/* For one after the other: *e* is each entry. */
#define EACH_ENTRY(e) (e) = table; (e) < table + G_N_ELEMENTS(table); (e)++

/* --- one of the table ---------------------------------------------------------------------------------------------- */

/* Makes what the calls find. False: there are no attributes here. */
static bool fill(int fd)
{
	char *path = at_path(fd, "file");
	bool xattrs;

	at_put(fd, "file", 1, SIZE);
	CONF_OK(symlinkat("file", fd, "link"));
	CONF_OK(mkdirat(fd, "empty", 0755));
	xattrs = setxattr(path, "user.a", "value", 5, 0) == 0;
	g_assert_true(xattrs || errno == EOPNOTSUPP);
	g_free(path);
	return xattrs;
}

/* In a filled directory. */
static void bench_take(struct bench *b, int fd)
{
	memset(b, 0, sizeof(*b));
	memset(b->results, 1, sizeof(b->results));
	b->stat.size = sizeof(b->stat);
	b->fd = fd;
	b->dir = at_adopt(fd);
}

/* Another one, below *dir*. False: not for this entry. */
static bool bench_open(struct bench *b, struct ringline_file *dir, const struct entry *e)
{
	static unsigned int serial;
	char name[20];
	int fd;

	if (e->flags & ROOT && geteuid() != 0)
		return false;
	g_snprintf(name, sizeof(name), "bench-%u", serial++);
	CONF_OK(mkdirat(at_fd(dir), name, 0755));
	fd = at_descriptor(at_fd(dir), name);
	if (!fill(fd) && e->flags & XATTR) {
		CONF_OK(close(fd));
		return false;
	}
	bench_take(b, fd);
	return true;
}

static void bench_close(struct bench *b)
{
	if (b->buf)
		CONF_OK(ringline_buf_unref(b->buf));
	if (b->dir)
		CONF_OK(ringline_file_close(b->dir));
	CONF_OK(close(b->fd));
}

static void assert_worked(const struct entry *e, struct bench *b, int64_t result)
{
	if (e->result == 7 ? result < 7 : result != e->result)
		g_error("%s: %" PRId64, e->name, result);
	if (!e->done(b))
		g_error("%s: it was not done", e->name);
}

static void assert_failed(const struct entry *e, struct bench *b, int64_t result, int error)
{
	if (result != -error)
		g_error("%s: %" PRId64 ", not %d", e->name, result, -error);
	if (e->done(b))
		g_error("%s: it was done nevertheless", e->name);
}

/* In either form. */
static int64_t perform(const struct entry *e, struct bench *b, bool begin)
{
	struct ringline_op *op;
	int r;

	if (!begin)
		return e->call(b);
	r = e->begin(&op, b);
	return r < 0 ? r : ringline_op_await(op);
}

/* --- what holds for all of them ----------------------------------------------------------------------------------- */

static void works(struct ringline_file *dir)
{
	const struct entry *e;
	struct bench b;
	int form;

	for (EACH_ENTRY(e)) {
		for (form = 0; form < 2; form++) {
			if (!bench_open(&b, dir, e))
				continue;
			assert_worked(e, &b, perform(e, &b, form));
			bench_close(&b);
		}
	}
}

static void test_works(const char *path)
{
	at_run(path, works);
}

static uint64_t count(const char *operation, const char *engine)
{
	uint64_t n;

	CONF_OK(ringline_worker_op_count(NULL, 0, operation, engine, &n));
	return n;
}

static const char *carrier(const struct entry *e)
{
	return e->flags & RING && file_ring() && !place_is("fuse") ? "io_uring" : "pool";
}

static void counts(struct ringline_file *dir)
{
	static const char *const engines[] = { "io_uring", "epoll", "pool", "inline" };
	const struct entry *e;
	struct bench b;
	size_t i;

	for (EACH_ENTRY(e)) {
		uint64_t before[G_N_ELEMENTS(engines)];

		if (!bench_open(&b, dir, e))
			continue;
		for (i = 0; i < G_N_ELEMENTS(engines); i++)
			before[i] = count(e->counter, engines[i]);
		assert_worked(e, &b, perform(e, &b, false));
		for (i = 0; i < G_N_ELEMENTS(engines); i++)
			g_assert_cmpuint(count(e->counter, engines[i]) - before[i], ==, !strcmp(engines[i], carrier(e)));
		bench_close(&b);
	}
}

static void test_counts(const char *path)
{
	if (file_ring() && !file_kernel_is(5, 15))
		g_test_skip("an older kernel, whose ring does not know all of them");
	else
		at_run(path, counts);
}

/* --- the working directory ------------------------------------------------------------------------------------------- */

static const char *case_path;

/* Each entry once more with another directory: *dir* is what the call is given. */
static void works_given(struct ringline_file *dir, struct ringline_file *given)
{
	const struct entry *e;
	struct bench b;

	for (EACH_ENTRY(e)) {
		struct ringline_file *own;

		if (!bench_open(&b, dir, e))
			continue;
		CONF_OK(fchdir(b.fd));
		own = b.dir;
		b.dir = given;
		assert_worked(e, &b, e->call(&b));
		b.dir = own;
		bench_close(&b);
	}
	CONF_OK(chdir(case_path));
}

static void in_working_directory(struct ringline_file *dir)
{
	works_given(dir, NULL);
}

/* fchdir(2) to an O_PATH descriptor does. */
static void test_working_directory(const char *path)
{
	char *before = g_get_current_dir();

	case_path = path;
	CONF_OK(chdir(path));
	at_run(path, in_working_directory);
	CONF_OK(chdir(before));
	g_free(before);
}

/* --- what is refused ---------------------------------------------------------------------------------------------- */

static void closed(struct ringline_file *dir)
{
	const struct entry *e;
	struct bench b;
	int form;

	for (EACH_ENTRY(e)) {
		if (!bench_open(&b, dir, e))
			continue;
		CONF_OK(ringline_file_close(b.dir));
		for (form = 0; form < 2; form++)
			assert_failed(e, &b, perform(e, &b, form), EBADF);
		b.dir = NULL;
		bench_close(&b);
	}
}

static void test_closed(const char *path)
{
	at_run(path, closed);
}

/* Of two names the second has a directory, too. */
static void second_closed(struct ringline_file *dir)
{
	struct ringline_file *other = at_open(dir, ".");

	at_put(at_fd(dir), "file", 1, SIZE);
	CONF_OK(ringline_file_close(other));
	AT_ERROR(ringline_path_rename(dir, "file", other, "renamed", 0), EBADF);
	AT_ERROR(ringline_path_link(dir, "file", other, "linked", 0), EBADF);
	AT_ERROR(ringline_path_rename(other, "file", dir, "renamed", 0), EBADF);
	AT_ERROR(ringline_path_link(other, "file", dir, "linked", 0), EBADF);
	g_assert_cmpuint(at_count(at_fd(dir)), ==, 1);
}

static void test_second_closed(const char *path)
{
	at_run(path, second_closed);
}

struct elsewhere {
	const char *path;
	struct ringline_file *dir;
	struct bench b[G_N_ELEMENTS(table)];
	bool open[G_N_ELEMENTS(table)];
};

static int open_benches(void *arg)
{
	struct elsewhere *w = arg;
	size_t i;

	w->dir = at_open(NULL, w->path);
	for (i = 0; i < G_N_ELEMENTS(table); i++)
		w->open[i] = bench_open(&w->b[i], w->dir, &table[i]);
	return 0;
}

static int use_benches(void *arg)
{
	struct elsewhere *w = arg;
	size_t i;
	int form;

	for (i = 0; i < G_N_ELEMENTS(table); i++)
		for (form = 0; w->open[i] && form < 2; form++)
			assert_failed(&table[i], &w->b[i], perform(&table[i], &w->b[i], form), EPERM);
	return 0;
}

static int close_benches(void *arg)
{
	struct elsewhere *w = arg;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(table); i++)
		if (w->open[i])
			bench_close(&w->b[i]);
	CONF_OK(ringline_file_close(w->dir));
	return 0;
}

static void test_other_worker(const char *path)
{
	struct ringline_runtime *rt = conf_serve(NULL, 2, NULL, NULL, NULL, NULL);
	static struct elsewhere w;

	w.path = path;
	conf_log_allow("does not own");
	CONF_OK(conf_call(rt, 0, open_benches, &w));
	CONF_OK(conf_call(rt, 1, use_benches, &w));
	CONF_OK(conf_call(rt, 0, close_benches, &w));
	CONF_OK(conf_stop(rt));
}

static int in_a_job(void *arg)
{
	const struct entry *e;
	struct bench *b = arg;
	struct ringline_op *op;

	for (EACH_ENTRY(e)) {
		AT_ERROR(e->call(b), EPERM);
		AT_ERROR(e->begin(&op, b), EPERM);
	}
	return 0;
}

static void no_task(struct ringline_file *dir)
{
	struct bench b = { .dir = NULL };

	(void)dir;
	CONF_OK(ringline_blocking(in_a_job, &b, NULL));
}

static void test_no_task(const char *path)
{
	struct bench b = { .dir = NULL };

	conf_log_allow("not a worker");
	CONF_OK(in_a_job(&b));
	at_run(path, no_task);
}

struct stackless {
	struct ringline_file *dir;
	struct ringline_op *op;
	struct ringline_stat stat;
};

/* Calls that park are refused; an operation is begun, and its result taken when it is there. */
static int poll_stat(void *arg)
{
	struct bench b = { .dir = ((struct stackless *)arg)->dir, .stat = RINGLINE_STAT_INIT };
	struct stackless *s = arg;
	const struct entry *e;

	for (EACH_ENTRY(e))
		if (!s->op)
			AT_ERROR(e->call(&b), EDEADLK);
	if (!s->op)
		CONF_OK(ringline_path_stat_begin(&s->op, s->dir, "file", 0, 0, &s->stat));
	return (int)ringline_op_result(s->op);
}

static void stackless(struct ringline_file *dir)
{
	struct ringline_task_options o = RINGLINE_TASK_OPTIONS_INIT;
	struct stackless s = { .dir = dir, .stat = RINGLINE_STAT_INIT };
	struct ringline_task *t;
	int result;

	at_put(at_fd(dir), "file", 1, SIZE);
	o.flags = RINGLINE_TASK_STACKLESS;
	CONF_OK(ringline_task_start(&t, poll_stat, &s, &o));
	CONF_OK(ringline_task_join(t, &result));
	CONF_OK(result);
	g_assert_cmpuint(s.stat.length, ==, SIZE);
	g_assert_cmpuint(at_count(at_fd(dir)), ==, 1);
}

static void test_stackless(const char *path)
{
	conf_log_allow("stackless");
	at_run(path, stackless);
}

/* Without room for a handle, without an operation left, in a scope that was cut. */
static void not_begun(struct ringline_file *dir)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *cancelled;
	struct ringline_scope *late;
	const struct entry *e;
	struct ringline_op *op;
	struct at_gate g;
	struct bench b;

	o.deadline = 1;
	for (EACH_ENTRY(e)) {
		if (!bench_open(&b, dir, e))
			continue;
		assert_failed(e, &b, e->begin(NULL, &b), EINVAL);
		at_gate_close(&g, RINGLINE_BLOCKING_BULK);
		assert_failed(e, &b, e->begin(&op, &b), EAGAIN);
		at_gate_open(&g);
		CONF_OK(ringline_scope_open(&cancelled, NULL));
		CONF_OK(ringline_scope_cancel(cancelled));
		assert_failed(e, &b, e->begin(&op, &b), ECANCELED);
		assert_failed(e, &b, e->call(&b), ECANCELED);
		AT_ERROR(ringline_scope_close(cancelled), ECANCELED);
		CONF_OK(ringline_scope_open(&late, &o));
		assert_failed(e, &b, e->begin(&op, &b), ETIME);
		assert_failed(e, &b, e->call(&b), ETIME);
		AT_ERROR(ringline_scope_close(late), ETIME);
		assert_worked(e, &b, e->call(&b));
		bench_close(&b);
	}
}

static void test_not_begun(const char *path)
{
	struct ringline_config c;

	conf_config(&c);
	c.max_operations = 1;
	at_run_with(&c, path, not_begun);
}

static struct ringline_blocking_stats pool_stats(uint32_t job_class)
{
	struct ringline_blocking_stats s = RINGLINE_BLOCKING_STATS_INIT;

	CONF_OK(ringline_blocking_stats(NULL, job_class, &s));
	return s;
}

/* A task that waits for its result waits for its turn, too; an operation is refused. */
static void queue_full(struct ringline_file *dir)
{
	char target[2][10];
	struct ringline_op *op[2];
	struct at_gate g;

	CONF_OK(symlinkat("target", at_fd(dir), "link"));
	at_gate_close(&g, RINGLINE_BLOCKING_IO);
	CONF_OK(ringline_path_readlink_begin(&op[0], dir, "link", target[0], sizeof(target[0])));
	AT_ERROR(ringline_path_readlink_begin(&op[1], dir, "link", target[1], sizeof(target[1])), EAGAIN);
	g_assert_cmpuint(pool_stats(RINGLINE_BLOCKING_IO).refused, ==, 1);
	at_gate_open(&g);
	g_assert_cmpint(ringline_op_await(op[0]), ==, 6);
	g_assert_cmpint(ringline_path_readlink(dir, "link", target[1], sizeof(target[1])), ==, 6);
}

static void test_queue_full(const char *path)
{
	struct ringline_config c;

	conf_config(&c);
	c.blocking_queue = 1;
	c.blocking_io_threads = 1;
	at_run_with(&c, path, queue_full);
}

static void nothing_given(struct ringline_file *dir)
{
	struct ringline_timestamp bad = { .nsec = 1000000000 };
	struct ringline_timestamp odd = { .reserved = 1 };
	struct ringline_stat st = RINGLINE_STAT_INIT;
	struct ringline_buf *buf;
	char room[10];
	int result;
	const char *name = "file";

	at_put(at_fd(dir), "file", 1, SIZE);
	AT_ERROR(ringline_path_stat(dir, NULL, 0, 0, &st), EINVAL);
	AT_ERROR(ringline_path_stat(dir, "file", 0, 0, NULL), EINVAL);
	AT_ERROR(ringline_path_stat(dir, "file", 1 << 30, 0, &st), EINVAL);
	AT_ERROR(ringline_path_stat(dir, "file", 0, UINT32_C(1) << 31, &st), EINVAL);
	st.size = sizeof(st.size) - 1;
	AT_ERROR(ringline_path_stat(dir, "file", 0, 0, &st), EINVAL);
	AT_ERROR(ringline_path_stat_many(dir, NULL, 1, 0, 0, &st, sizeof(st), &result), EINVAL);
	AT_ERROR(ringline_path_stat_many(dir, &name, 1, 0, 0, NULL, sizeof(st), &result), EINVAL);
	AT_ERROR(ringline_path_stat_many(dir, &name, 1, 0, 0, &st, sizeof(st), NULL), EINVAL);
	AT_ERROR(ringline_path_stat_many(dir, &name, 1, 0, 0, &st, sizeof(st.size) - 1, &result), EINVAL);
	AT_ERROR(ringline_path_rename(dir, NULL, dir, "b", 0), EINVAL);
	AT_ERROR(ringline_path_rename(dir, "file", dir, NULL, 0), EINVAL);
	AT_ERROR(ringline_path_rename(dir, "file", dir, "b", 1u << 31), EINVAL);
	AT_ERROR(ringline_path_rename(dir, "file", dir, "b", RENAME_NOREPLACE | RENAME_EXCHANGE), EINVAL);
	AT_ERROR(ringline_path_unlink(dir, NULL), EINVAL);
	AT_ERROR(ringline_path_rmdir(dir, NULL), EINVAL);
	AT_ERROR(ringline_path_mkdir(dir, NULL, 0700), EINVAL);
	AT_ERROR(ringline_path_link(dir, NULL, dir, "b", 0), EINVAL);
	AT_ERROR(ringline_path_link(dir, "file", dir, NULL, 0), EINVAL);
	AT_ERROR(ringline_path_link(dir, "file", dir, "b", 1 << 30), EINVAL);
	AT_ERROR(ringline_path_symlink(NULL, dir, "b"), EINVAL);
	AT_ERROR(ringline_path_symlink("a", dir, NULL), EINVAL);
	AT_ERROR(ringline_path_readlink(dir, NULL, room, sizeof(room)), EINVAL);
	AT_ERROR(ringline_path_readlink(dir, "file", NULL, sizeof(room)), EINVAL);
	AT_ERROR(ringline_path_readlink(dir, "file", room, 0), EINVAL);
	AT_ERROR(ringline_path_truncate(dir, NULL, 0), EINVAL);
	AT_ERROR(ringline_path_truncate(dir, "file", (uint64_t)INT64_MAX + 1), EINVAL);
	AT_ERROR(ringline_path_chmod(dir, NULL, 0600, 0), EINVAL);
	AT_ERROR(ringline_path_chmod(dir, "file", 010000, 0), EINVAL);
	AT_ERROR(ringline_path_chmod(dir, "file", 0600, AT_SYMLINK_FOLLOW), EINVAL);
	AT_ERROR(ringline_path_chown(dir, NULL, 0, 0, 0), EINVAL);
	AT_ERROR(ringline_path_chown(dir, "file", 0, 0, 1 << 30), EINVAL);
	AT_ERROR(ringline_path_set_times(dir, NULL, NULL, NULL, 0), EINVAL);
	AT_ERROR(ringline_path_set_times(dir, "file", NULL, NULL, AT_EMPTY_PATH), EINVAL);
	AT_ERROR(ringline_path_set_times(dir, "file", &bad, NULL, 0), EINVAL);
	AT_ERROR(ringline_path_set_times(dir, "file", NULL, &odd, 0), EINVAL);
	AT_ERROR(ringline_path_get_xattr(dir, NULL, "user.a", room, 1, 0), EINVAL);
	AT_ERROR(ringline_path_get_xattr(dir, "file", NULL, room, 1, 0), EINVAL);
	AT_ERROR(ringline_path_get_xattr(dir, "file", "user.a", NULL, 1, 0), EINVAL);
	AT_ERROR(ringline_path_get_xattr(dir, "file", "user.a", room, 1, 1), EINVAL);
	AT_ERROR(ringline_path_set_xattr(dir, "file", NULL, room, 1, 0, 0), EINVAL);
	AT_ERROR(ringline_path_set_xattr(dir, "file", "user.a", NULL, 1, 0, 0), EINVAL);
	AT_ERROR(ringline_path_set_xattr(dir, "file", "user.a", room, 1, 0, 1), EINVAL);
	AT_ERROR(ringline_path_set_xattr(dir, NULL, "user.a", room, 1, 0, 0), EINVAL);
	AT_ERROR(ringline_path_list_xattr(dir, NULL, room, 1, 0), EINVAL);
	AT_ERROR(ringline_path_list_xattr(dir, "file", NULL, 1, 0), EINVAL);
	AT_ERROR(ringline_path_list_xattr(dir, "file", room, 1, 1), EINVAL);
	AT_ERROR(ringline_path_remove_xattr(dir, NULL, "user.a", 0), EINVAL);
	AT_ERROR(ringline_path_remove_xattr(dir, "file", NULL, 0), EINVAL);
	AT_ERROR(ringline_path_remove_xattr(dir, "file", "user.a", 1), EINVAL);
	AT_ERROR(ringline_path_read_all(NULL, dir, "file", 1), EINVAL);
	AT_ERROR(ringline_path_read_all(&buf, dir, NULL, 1), EINVAL);
	AT_ERROR(ringline_path_read_all(&buf, dir, "file", 0), EINVAL);
	AT_ERROR(ringline_path_write_atomic(dir, NULL, "a", 1, 0600), EINVAL);
	AT_ERROR(ringline_path_write_atomic(dir, "file", NULL, 1, 0600), EINVAL);
	AT_ERROR(ringline_path_write_atomic(dir, "file", "a", 1, 010000), EINVAL);
	g_assert_true(at_holds(at_fd(dir), "file", 1, SIZE));
	g_assert_cmpuint(at_count(at_fd(dir)), ==, 1);
}

static void test_nothing_given(const char *path)
{
	at_run(path, nothing_given);
}

/* An empty name is none, whatever the call has to do with directories. */
static void empty_name(struct ringline_file *dir)
{
	struct ringline_stat st = RINGLINE_STAT_INIT;
	struct ringline_buf *buf;
	char room[10];

	AT_ERROR(ringline_path_stat(dir, "", 0, 0, &st), ENOENT);
	AT_ERROR(ringline_path_rename(dir, "", dir, "b", 0), ENOENT);
	AT_ERROR(ringline_path_unlink(dir, ""), ENOENT);
	AT_ERROR(ringline_path_rmdir(dir, ""), ENOENT);
	AT_ERROR(ringline_path_mkdir(dir, "", 0700), ENOENT);
	AT_ERROR(ringline_path_link(dir, "", dir, "b", 0), ENOENT);
	AT_ERROR(ringline_path_symlink("a", dir, ""), ENOENT);
	AT_ERROR(ringline_path_symlink("", dir, "b"), ENOENT);
	AT_ERROR(ringline_path_readlink(dir, "", room, sizeof(room)), ENOENT);
	AT_ERROR(ringline_path_truncate(dir, "", 0), ENOENT);
	AT_ERROR(ringline_path_chmod(dir, "", 0700, 0), ENOENT);
	AT_ERROR(ringline_path_chown(dir, "", RINGLINE_KEEP_ID, RINGLINE_KEEP_ID, 0), ENOENT);
	AT_ERROR(ringline_path_set_times(dir, "", NULL, NULL, 0), ENOENT);
	AT_ERROR(ringline_path_get_xattr(dir, "", "user.a", room, 1, 0), ENOENT);
	AT_ERROR(ringline_path_set_xattr(dir, "", "user.a", "a", 1, 0, 0), ENOENT);
	AT_ERROR(ringline_path_list_xattr(dir, "", room, 1, 0), ENOENT);
	AT_ERROR(ringline_path_remove_xattr(dir, "", "user.a", 0), ENOENT);
	AT_ERROR(ringline_path_read_all(&buf, dir, "", 1), ENOENT);
	AT_ERROR(ringline_path_write_atomic(dir, "", "a", 1, 0600), ENOENT);
}

static void test_empty_name(const char *path)
{
	at_run(path, empty_name);
}

/* --- who may ------------------------------------------------------------------------------------------------------ */

#define NOT_TRIED (-1)

/* Of many names all fail. */
static int error_of(const struct entry *e, const struct bench *b, int64_t result)
{
	int i;

	if (e->call != call_stat_many)
		return (int)-result;
	g_assert_cmpint(result, ==, NAMES);
	for (i = 1; i < NAMES; i++)
		g_assert_cmpint(b->results[i], ==, b->results[0]);
	return -b->results[0];
}

static void assert_error(const struct entry *e, int error, int wanted)
{
	if (error != wanted)
		g_error("%s: errno %d, not %d", e->name, error, wanted);
}

/* A filled directory for each entry, and what it says to somebody else there. */
struct other_user {
	int fd[G_N_ELEMENTS(table)];      /* negative: not this one */
	int (*error)(const struct entry *e);
};

static void try_both_forms(const struct other_user *u, size_t i)
{
	const struct entry *e = &table[i];
	struct bench b;
	int form;

	for (form = 0; u->error(e) != NOT_TRIED && form < 2; form++) {
		int64_t result;

		bench_take(&b, fcntl(u->fd[i], F_DUPFD_CLOEXEC, 0));
		result = perform(e, &b, form);
		if (u->error(e))
			assert_error(e, error_of(e, &b, result), u->error(e));
		else
			assert_worked(e, &b, result);
		bench_close(&b);
	}
}

static int as_other_user(void *arg)
{
	const struct other_user *u = arg;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(table); i++)
		if (u->fd[i] >= 0)
			try_both_forms(u, i);
	return 0;
}

/* A ring may be denied to users. */
static void become_other_user(const void *arg)
{
	struct other_user u = *(const struct other_user *)arg;
	int r;

	CONF_OK(setgroups(0, NULL));
	CONF_OK(setgid(NOBODY));
	CONF_OK(setuid(NOBODY));
	r = conf_run(as_other_user, &u);
	if (r != -EPERM || conf_is("epoll"))
		CONF_OK(r);
}

/* The directory of an entry; negative: not for this one. */
static int make_filled(int dir, size_t i, mode_t mode)
{
	char name[20];
	int fd;

	g_snprintf(name, sizeof(name), "bench-%zu", i);
	CONF_OK(mkdirat(dir, name, 0755));
	fd = at_descriptor(dir, name);
	if (!fill(fd) && table[i].flags & XATTR) {
		CONF_OK(close(fd));
		return -1;
	}
	CONF_OK(fchmodat(dir, name, mode, 0));
	return fd;
}

static void test_other_user(const char *path, mode_t mode, int (*error)(const struct entry *e))
{
	struct other_user u = { .error = error };
	int dir = at_descriptor(AT_FDCWD, path);
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(table); i++)
		u.fd[i] = make_filled(dir, i, mode);
	if (geteuid() == 0)
		conf_fork(become_other_user, &u);
	else
		g_test_skip("not root");
	for (i = 0; i < G_N_ELEMENTS(table); i++)
		if (u.fd[i] >= 0)
			CONF_OK(close(u.fd[i]));
	CONF_OK(close(dir));
}

/* Where this is allowed, it is for the directory to say no. */
static bool may_link_what_is_not_his(void)
{
	char said[2] = "1";

	(void)at_read(AT_FDCWD, "/proc/sys/fs/protected_hardlinks", said, 1);
	return said[0] == '0';
}

static int error_of_stranger(const struct entry *e)
{
	return e->call == call_link && may_link_what_is_not_his() ? EACCES : e->stranger;
}

static void test_stranger(const char *path)
{
	test_other_user(path, 0755, error_of_stranger);
}

static int error_of_locked(const struct entry *e)
{
	(void)e;
	return EACCES;
}

static void test_locked(const char *path)
{
	test_other_user(path, 0700, error_of_locked);
}

static int error_of_sticky(const struct entry *e)
{
	return e->flags & REMOVES ? EPERM : NOT_TRIED;
}

static void test_sticky(const char *path)
{
	test_other_user(path, 01777, error_of_sticky);
}

/* What may not be changed may be read. */
static void set_immutable(struct bench *b, bool on)
{
	int fd = openat(b->fd, "file", O_RDONLY | O_CLOEXEC);
	int flags;

	CONF_OK(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	flags = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
	CONF_OK(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	CONF_OK(close(fd));
}

static void immutable(struct ringline_file *dir)
{
	const struct entry *e;
	struct bench b;
	int form;

	for (EACH_ENTRY(e)) {
		for (form = 0; form < 2; form++) {
			int64_t result;

			if (!bench_open(&b, dir, e))
				continue;
			set_immutable(&b, true);
			result = perform(e, &b, form);
			if (e->flags & CHANGES)
				assert_failed(e, &b, result, EPERM);
			else
				assert_worked(e, &b, result);
			set_immutable(&b, false);
			g_assert_cmpuint(at_count_like(b.fd, ".ringline-"), ==, 0);
			bench_close(&b);
		}
	}
}

static void test_immutable(const char *path)
{
	at_run(path, immutable);
}

/* --- file systems that cannot -------------------------------------------------------------------------------------- */

/* A small tmpfs below a directory. */
static char *mount_small(const char *path, const char *options)
{
	char *root = g_build_filename(path, "small", NULL);

	CONF_OK(mkdir(root, 0755));
	CONF_OK(mount("tmpfs", root, "tmpfs", 0, options));
	return root;
}

static void unmount(char *root)
{
	CONF_OK(umount2(root, 0));
	g_free(root);
}

static void read_only(struct ringline_file *dir)
{
	const struct entry *e;
	struct bench b;
	size_t i = 0;
	int form;

	for (EACH_ENTRY(e)) {
		char name[20];

		g_snprintf(name, sizeof(name), "bench-%zu", i++);
		for (form = 0; at_has(at_fd(dir), name) && form < 2; form++) {
			bench_take(&b, at_descriptor(at_fd(dir), name));
			if (e->flags & WRITES)
				assert_failed(e, &b, perform(e, &b, form), EROFS);
			else
				assert_worked(e, &b, perform(e, &b, form));
			bench_close(&b);
		}
	}
}

static void test_read_only(const char *path)
{
	char *root = mount_small(path, "size=1m");
	int dir = at_descriptor(AT_FDCWD, root);
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(table); i++) {
		int fd = make_filled(dir, i, 0755);

		if (fd >= 0)
			CONF_OK(close(fd));
	}
	CONF_OK(close(dir));
	CONF_OK(mount(NULL, root, NULL, MS_REMOUNT | MS_RDONLY, NULL));
	at_run(root, read_only);
	unmount(root);
}

/* Directories until there is no inode left. */
static void use_up(int dir)
{
	char name[20];
	unsigned int i = 0;

	do
		g_snprintf(name, sizeof(name), "d%u", i++);
	while (mkdirat(dir, name, 0700) == 0);
	g_assert_cmpint(errno, ==, ENOSPC);
}

/* Every name takes an inode, and contents take room. */
static void no_room(struct ringline_file *dir)
{
	static const char data[64 << 10];

	at_put(at_fd(dir), "file", 1, SIZE);
	use_up(at_fd(dir));
	AT_ERROR(ringline_path_mkdir(dir, "made", 0700), ENOSPC);
	AT_ERROR(ringline_path_symlink("target", dir, "pointer"), ENOSPC);
	AT_ERROR(ringline_path_link(dir, "file", dir, "linked", 0), ENOSPC);
	AT_ERROR(ringline_path_write_atomic(dir, "file", data, 1, 0600), ENOSPC);
	CONF_OK(ringline_path_rmdir(dir, "d0"));
	AT_ERROR(ringline_path_write_atomic(dir, "file", data, sizeof(data), 0600), ENOSPC);
	g_assert_cmpuint(at_count_like(at_fd(dir), ".ringline-"), ==, 0);
	g_assert_true(at_holds(at_fd(dir), "file", 1, SIZE));
	CONF_OK(ringline_path_write_atomic(dir, "file", data, 1, 0600));
}

static void test_no_room(const char *path)
{
	char *root = mount_small(path, "size=16k,nr_inodes=10");

	at_run(root, no_room);
	unmount(root);
}

static void across(struct ringline_file *dir)
{
	struct ringline_file *small = at_open(dir, "small");

	at_put(at_fd(dir), "file", 1, SIZE);
	AT_ERROR(ringline_path_rename(dir, "file", small, "file", 0), EXDEV);
	AT_ERROR(ringline_path_rename(dir, "file", dir, "small/file", 0), EXDEV);
	AT_ERROR(ringline_path_link(dir, "file", small, "file", 0), EXDEV);
	AT_ERROR(ringline_path_rmdir(dir, "small"), EBUSY);
	AT_ERROR(ringline_path_rename(dir, "small", dir, "large", 0), EBUSY);
	CONF_OK(ringline_path_write_atomic(dir, "small/file", "a", 1, 0600));
	g_assert_true(at_has(at_fd(small), "file"));
	CONF_OK(ringline_file_close(small));
}

static void test_across(const char *path)
{
	char *root = mount_small(path, "size=1m");

	at_run(path, across);
	unmount(root);
}

/* ext4 counts 65000. */
static void links_run_out(struct ringline_file *dir)
{
	char name[20];
	int i = 0;

	at_put(at_fd(dir), "file", 1, SIZE);
	do
		g_snprintf(name, sizeof(name), "l%d", i++);
	while (linkat(at_fd(dir), "file", at_fd(dir), name, 0) == 0);
	g_assert_cmpint(errno, ==, EMLINK);
	AT_ERROR(ringline_path_link(dir, "file", dir, "linked", 0), EMLINK);
	CONF_OK(ringline_path_unlink(dir, "l0"));
	CONF_OK(ringline_path_link(dir, "file", dir, "linked", 0));
}

static void test_links_run_out(const char *path)
{
	at_run(path, links_run_out);
}

/* --- cuts --------------------------------------------------------------------------------------------------------- */

/* A ring has no queue that could be held up. */
static bool queues(const struct entry *e)
{
	return !strcmp(carrier(e), "pool");
}

static bool cancel_queued(const struct entry *e, struct bench *b)
{
	struct ringline_op *op;

	CONF_OK(e->begin(&op, b));
	CONF_OK(ringline_op_cancel(op));
	assert_failed(e, b, ringline_op_await(op), ECANCELED);
	return true;
}

/* What nobody awaits goes with its scope. */
static bool leave_queued(const struct entry *e, struct bench *b)
{
	struct ringline_scope *scope;
	struct ringline_op *op;

	CONF_OK(ringline_scope_open(&scope, NULL));
	CONF_OK(e->begin(&op, b));
	CONF_OK(ringline_scope_close(scope));
	assert_failed(e, b, -ECANCELED, ECANCELED);
	return true;
}

/* The directory is closed under it, which does not wait for its turn either. */
static bool close_under_queued(const struct entry *e, struct bench *b)
{
	struct ringline_op *op;

	CONF_OK(e->begin(&op, b));
	CONF_OK(ringline_file_close(b->dir));
	b->dir = NULL;
	assert_failed(e, b, ringline_op_await(op), EBADF);
	return true;
}

/* A class in which nothing moves gets a thread more in the end, so it may be done all the same: once more then. */
static bool miss_deadline_queued(const struct entry *e, struct bench *b)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;
	int64_t result;

	o.deadline = ringline_now() + 2 * MSEC;
	CONF_OK(ringline_scope_open(&scope, &o));
	result = e->call(b);
	(void)ringline_scope_close(scope);
	if (e->done(b))
		assert_worked(e, b, result);
	else
		assert_failed(e, b, result, ETIME);
	return result == -ETIME;
}

/* Behind a gate that stays closed until it is over; again until it is true. */
static void queued(struct ringline_file *dir, bool (*fn)(const struct entry *e, struct bench *b))
{
	const struct entry *e;
	struct at_gate g;
	struct bench b;
	bool over;

	for (EACH_ENTRY(e)) {
		for (over = !queues(e); !over; bench_close(&b)) {
			if (!bench_open(&b, dir, e))
				break;
			at_gate_close(&g, at_class());
			over = fn(e, &b);
			at_gate_open(&g);
		}
	}
}

static void cancelled_queued(struct ringline_file *dir)
{
	queued(dir, cancel_queued);
	queued(dir, leave_queued);
	g_assert_cmpuint(pool_stats(at_class()).cancelled, >=, 10);
}

static void test_cancelled_queued(const char *path)
{
	at_run_queued(path, cancelled_queued);
}

static void late_queued(struct ringline_file *dir)
{
	queued(dir, miss_deadline_queued);
}

static void test_late_queued(const char *path)
{
	at_run_queued(path, late_queued);
}

static void closed_queued(struct ringline_file *dir)
{
	queued(dir, close_under_queued);
}

static void test_closed_queued(const char *path)
{
	at_run_queued(path, closed_queued);
}

/* Of two directories either may be closed. */
static void close_second_queued(struct ringline_file *dir)
{
	struct ringline_file *first = at_open(dir, ".");
	struct ringline_file *second = at_open(dir, ".");
	struct ringline_op *op[2];
	struct at_gate g;

	at_put(at_fd(dir), "file", 1, SIZE);
	at_gate_close(&g, at_class());
	CONF_OK(ringline_path_rename_begin(&op[0], first, "file", second, "renamed", 0));
	CONF_OK(ringline_path_link_begin(&op[1], first, "file", second, "linked", 0));
	CONF_OK(ringline_file_close(second));
	AT_ERROR(ringline_op_await(op[0]), EBADF);
	AT_ERROR(ringline_op_await(op[1]), EBADF);
	at_gate_open(&g);
	g_assert_cmpuint(at_count(at_fd(dir)), ==, 1);
	CONF_OK(ringline_file_close(first));
}

static void test_close_second_queued(const char *path)
{
	at_run_queued(path, close_second_queued);
}

static void assert_told(const struct entry *e, struct bench *b, int64_t result)
{
	if (result < 0)
		assert_failed(e, b, result, ECANCELED);
	else
		assert_worked(e, b, result);
}

/* Whatever stage it was at: what was cancelled has not been done, what was done says so. */
static void told(struct ringline_file *dir)
{
	const struct entry *e;
	struct ringline_op *op;
	struct bench b;
	int round;
	int i;

	for (EACH_ENTRY(e)) {
		for (round = 0; round < 6; round++) {
			if (!bench_open(&b, dir, e))
				continue;
			CONF_OK(e->begin(&op, &b));
			for (i = 0; i < round; i++)
				CONF_OK(ringline_yield());
			CONF_OK(ringline_op_cancel(op));
			assert_told(e, &b, ringline_op_await(op));
			bench_close(&b);
		}
	}
}

static void test_told(const char *path)
{
	at_run(path, told);
}

/* --- a server that does not answer --------------------------------------------------------------------------------- */

/* After a cut: what was in the middle of it breaks off, everything else has been done. */
static void assert_ended(const struct entry *e, struct bench *b, int64_t result, int error)
{
	if (e->flags & PIECES)
		assert_failed(e, b, result, error);
	else
		assert_worked(e, b, result);
}

static void cut_running(struct ringline_file *dir)
{
	const struct entry *e;
	struct ringline_op *op;
	struct bench b;
	int i;

	for (EACH_ENTRY(e)) {
		if (!bench_open(&b, dir, e))
			continue;
		place_fault("stall %s", e->fault);
		CONF_OK(e->begin(&op, &b));
		place_stalled(e->fault);
		CONF_OK(ringline_op_cancel(op));
		for (i = 0; i < 5; i++)
			conf_pause();
		AT_ERROR(ringline_op_result(op), EINPROGRESS);
		place_fault("release %s", e->fault);
		assert_ended(e, &b, ringline_op_await(op), ECANCELED);
		bench_close(&b);
	}
}

static void test_cut_running(const char *path)
{
	at_run(path, cut_running);
}

struct victim {
	const struct entry *entry;
	struct bench b;
	bool returned;
	int64_t result;
	int after;
};

/* Another call of the same scope comes too late, whatever it asks for. */
static int victim_main(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;
	struct victim *v = arg;

	o.deadline = ringline_now() + 20 * MSEC;
	CONF_OK(ringline_scope_open(&scope, &o));
	v->result = v->entry->call(&v->b);
	v->returned = true;
	v->after = ringline_path_unlink(v->b.dir, "empty");
	(void)ringline_scope_close(scope);
	return 0;
}

/* Whether the deadline came when the call was under way. */
static bool miss_deadline(struct victim *v)
{
	const char *fault = v->entry->fault;
	struct ringline_task *t;

	v->returned = false;
	place_fault("stall %s", fault);
	CONF_OK(ringline_task_start(&t, victim_main, v, NULL));
	CONF_UNTIL(v->returned || place_stalled_now(fault));
	if (!v->returned) {
		CONF_OK(ringline_sleep(30 * MSEC));
		g_assert_false(v->returned);
	}
	place_fault("release %s", fault);
	CONF_OK(ringline_task_join(t, NULL));
	AT_ERROR(v->after, ETIME);
	if (v->result == -ETIME && !(v->entry->flags & PIECES))
		return false;
	assert_ended(v->entry, &v->b, v->result, ETIME);
	return true;
}

static void late_running(struct ringline_file *dir)
{
	const struct entry *e;

	for (EACH_ENTRY(e)) {
		struct victim v = { .entry = e };
		bool over = false;

		while (!over && bench_open(&v.b, dir, e)) {
			over = miss_deadline(&v);
			bench_close(&v.b);
		}
	}
}

static void test_late_running(const char *path)
{
	at_run(path, late_running);
}

/* Who closes the directory waits for what runs below it. */
static void close_running(struct ringline_file *dir)
{
	struct ringline_op *op[2];
	const struct entry *e;
	struct bench b;

	for (EACH_ENTRY(e)) {
		if (!bench_open(&b, dir, e))
			continue;
		place_fault("stall %s", e->fault);
		CONF_OK(e->begin(&op[0], &b));
		place_stalled(e->fault);
		CONF_OK(ringline_file_close_begin(&op[1], b.dir));
		conf_pause();
		AT_ERROR(ringline_op_result(op[0]), EINPROGRESS);
		AT_ERROR(ringline_op_result(op[1]), EINPROGRESS);
		place_fault("release %s", e->fault);
		assert_ended(e, &b, ringline_op_await(op[0]), EBADF);
		CONF_OK(ringline_op_await(op[1]));
		b.dir = NULL;
		bench_close(&b);
	}
}

static void test_close_running(const char *path)
{
	at_run(path, close_running);
}

/* All are in their first lookup when the runtime is shut down. */
struct last {
	const char *path;
	struct bench b[G_N_ELEMENTS(table)];
	bool open[G_N_ELEMENTS(table)];
	unsigned int nopen;
	unsigned int i;
};

static int open_last(void *arg)
{
	struct last *l = arg;
	struct ringline_file *dir = at_open(NULL, l->path);
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(table); i++) {
		l->open[i] = bench_open(&l->b[i], dir, &table[i]);
		l->nopen += l->open[i];
	}
	return 0;
}

/* The files are left to the worker. */
static int perform_last(void *arg)
{
	struct last *l = arg;
	unsigned int i;
	int64_t result;

	do
		i = l->i++;
	while (!l->open[i]);
	result = table[i].call(&l->b[i]);
	assert_told(&table[i], &l->b[i], result);
	if (l->b[i].buf)
		CONF_OK(ringline_buf_unref(l->b[i].buf));
	return 0;
}

static unsigned int running(const struct ringline_runtime *rt, uint32_t job_class)
{
	struct ringline_blocking_stats s = RINGLINE_BLOCKING_STATS_INIT;

	CONF_OK(ringline_blocking_stats(rt, job_class, &s));
	return (unsigned int)s.running;
}

static void test_shutdown(const char *path)
{
	static struct last l;
	struct ringline_runtime *rt;
	struct ringline_config c;
	unsigned int i;

	memset(&l, 0, sizeof(l));
	l.path = path;
	conf_config(&c);
	c.drain_timeout = 1;
	rt = conf_serve(&c, 1, NULL, NULL, NULL, NULL);
	CONF_OK(conf_call(rt, 0, open_last, &l));
	place_fault("stall lookup");
	for (i = 0; i < l.nopen; i++)
		CONF_OK(ringline_worker_spawn(rt, 0, perform_last, &l));
	CONF_UNTIL(running(rt, RINGLINE_BLOCKING_WAIT) == l.nopen);
	CONF_OK(ringline_runtime_shutdown(rt));
	for (i = 0; i < 20; i++)
		conf_pause();
	g_assert_cmpuint(running(rt, RINGLINE_BLOCKING_WAIT), ==, l.nopen);
	place_fault("release lookup");
	CONF_OK(conf_stop(rt));
	for (i = 0; i < G_N_ELEMENTS(table); i++)
		if (l.open[i])
			CONF_OK(close(l.b[i].fd));
}

/* Many that are stuck, each kind in its turn. */
#define STUCK 32

struct stuck {
	struct ringline_file *dir;
	struct ringline_stat stat[STUCK];
	struct ringline_file *file[STUCK];
	struct ringline_op *op[STUCK];
	struct ringline_file *shared;
	char name[STUCK][8];
	char to[STUCK][8];
	char byte[STUCK];
};

struct kind {
	const char *fault;
	int (*begin)(struct stuck *s, int i);
	int64_t result;
};

static int stick_stat(struct stuck *s, int i)
{
	s->stat[i] = (struct ringline_stat)RINGLINE_STAT_INIT;
	return ringline_path_stat_begin(&s->op[i], s->dir, s->name[i], 0, 0, &s->stat[i]);
}

static int stick_rename(struct stuck *s, int i)
{
	g_snprintf(s->to[i], sizeof(s->to[i]), "m%d", i);
	return ringline_path_rename_begin(&s->op[i], s->dir, s->name[i], s->dir, s->to[i], 0);
}

static int stick_unlink(struct stuck *s, int i)
{
	return ringline_path_unlink_begin(&s->op[i], s->dir, s->to[i]);
}

static int stick_open(struct stuck *s, int i)
{
	return ringline_file_open_begin(&s->op[i], &s->file[i], s->dir, s->name[i], O_RDONLY, 0, NULL);
}

static int stick_close(struct stuck *s, int i)
{
	return ringline_file_close_begin(&s->op[i], s->file[i]);
}

static int stick_read(struct stuck *s, int i)
{
	return ringline_file_read_begin(&s->op[i], s->shared, &s->byte[i], 1, (uint64_t)i);
}

static int stick_create(struct stuck *s, int i)
{
	g_snprintf(s->name[i], sizeof(s->name[i]), "new-%d", i);
	return ringline_file_open_begin(&s->op[i], &s->file[i], s->dir, s->name[i], O_WRONLY | O_CREAT | O_EXCL, 0600, NULL);
}

/* In this order: what is opened is closed, what is renamed is removed. */
static const struct kind kinds[] = {
	{ "lookup", stick_stat, 0 },
	{ "open", stick_open, 0 },
	{ "flush", stick_close, 0 },
	{ "read", stick_read, 1 },
	{ "rename", stick_rename, 0 },
	{ "unlink", stick_unlink, 0 },
	{ "create", stick_create, 0 },
	{ "flush", stick_close, 0 },
};

static const char *local_path;

/* Each kind of call here, and a connection, with a single thread of class io. */
static void others_go_on(void)
{
	struct ringline_file *dir = at_open(NULL, local_path);
	struct ringline_conn *conn;
	const struct entry *e;
	struct bench b;
	char byte = 'x';
	int peer;

	for (EACH_ENTRY(e)) {
		if (!bench_open(&b, dir, e))
			continue;
		assert_worked(e, &b, e->call(&b));
		bench_close(&b);
	}
	conn = conf_open(CONF_UNIX, &peer);
	conf_put(peer, &byte, 1);
	g_assert_cmpint(ringline_conn_recv_exact(conn, &byte, 1), ==, 1);
	CONF_OK(ringline_conn_close(conn));
	close(peer);
	CONF_OK(ringline_file_close(dir));
}

static void stick(struct stuck *s, const struct kind *k)
{
	int i;

	place_fault("stall %s", k->fault);
	for (i = 0; i < STUCK; i++)
		CONF_OK(k->begin(s, i));
	place_stalled(k->fault);
	CONF_UNTIL(running(NULL, RINGLINE_BLOCKING_WAIT) == STUCK);
	others_go_on();
	g_assert_cmpuint(running(NULL, RINGLINE_BLOCKING_WAIT), ==, STUCK);
	place_fault("release %s", k->fault);
	for (i = 0; i < STUCK; i++)
		g_assert_cmpint(ringline_op_await(s->op[i]), ==, k->result);
}

static void stuck(struct ringline_file *dir)
{
	static struct stuck s;
	size_t i;

	s.dir = dir;
	for (i = 0; i < STUCK; i++) {
		g_snprintf(s.name[i], sizeof(s.name[i]), "n%zu", i);
		at_put(at_fd(dir), s.name[i], 1, SIZE);
	}
	at_put(at_fd(dir), "shared", 1, SIZE);
	CONF_OK(ringline_file_open(&s.shared, dir, "shared", O_RDONLY, 0, NULL));
	for (i = 0; i < G_N_ELEMENTS(kinds); i++)
		stick(&s, &kinds[i]);
	conf_check(s.byte, STUCK, 1, 0);
	CONF_OK(ringline_file_close(s.shared));
}

static void test_stuck(const char *path)
{
	struct ringline_config c;

	local_path = place_dir("here");
	conf_config(&c);
	c.blocking_io_threads = 1;
	at_run_with(&c, path, stuck);
}

/* --- a file system that fails --------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int error;
} faults[] = {
	{ "EIO", EIO }, { "EDQUOT", EDQUOT }, { "ENOSPC", ENOSPC }, { "ESTALE", ESTALE }, { "EACCES", EACCES },
	{ "EBUSY", EBUSY }, { "ENOMEM", ENOMEM }, { "EROFS", EROFS }, { "EPERM", EPERM },
	{ "EMLINK", EMLINK }, { "ENOTEMPTY", ENOTEMPTY }, { "ETIMEDOUT", ETIMEDOUT },
};

static void fails(struct ringline_file *dir)
{
	const struct entry *e;
	struct bench b;
	size_t i;
	int form;

	for (EACH_ENTRY(e)) {
		if (!bench_open(&b, dir, e))
			continue;
		for (i = 0; i < G_N_ELEMENTS(faults); i++) {
			place_fault("fail %s %s", e->fault, faults[i].name);
			for (form = 0; form < 2; form++)
				assert_error(e, error_of(e, &b, perform(e, &b, form)), faults[i].error);
			place_fault("clear");
			g_assert_true(e->call == call_stat_many || !e->done(&b));
		}
		assert_worked(e, &b, e->call(&b));
		g_assert_cmpuint(at_count_like(b.fd, ".ringline-"), ==, 0);
		bench_close(&b);
	}
}

static void test_fails(const char *path)
{
	at_run(path, fails);
}

/* A call that a signal ended is made again. */
static void interrupted(struct ringline_file *dir)
{
	const struct entry *e;
	struct bench b;

	for (EACH_ENTRY(e)) {
		if (!bench_open(&b, dir, e))
			continue;
		place_fault("fail %s EINTR 3", e->fault);
		assert_worked(e, &b, e->call(&b));
		bench_close(&b);
	}
}

static void test_interrupted(const char *path)
{
	at_run(path, interrupted);
}

/* --- the program ---------------------------------------------------------------------------------------------------- */

#define TOPIC "path"

/* On file systems of this machine. */
static void add_local(const char *name, void (*fn)(const char *dir))
{
	place_add(TOPIC, "here", name, fn);
	place_add(TOPIC, "tmpfs", name, fn);
	place_add(TOPIC, "ext4", name, fn);
	place_add(TOPIC, "xfs", name, fn);
}

static void add_calls(void)
{
	place_add_each(TOPIC, "each-call-does-its-work", test_works);
	place_add_each(TOPIC, "counted-as-the-manual-says", test_counts);
	place_add_each(TOPIC, "names-begin-at-the-working-directory", test_working_directory);
	place_add(TOPIC, "here", "closed-directory-is-ebadf", test_closed);
	place_add(TOPIC, "here", "second-directory-closed-is-ebadf", test_second_closed);
	place_add(TOPIC, "here", "another-worker-is-eperm", test_other_worker);
	place_add(TOPIC, "here", "no-task-is-eperm", test_no_task);
	place_add(TOPIC, "here", "stackless-may-begin-but-not-park", test_stackless);
	place_add(TOPIC, "here", "not-begun-means-not-done", test_not_begun);
	place_add(TOPIC, "here", "full-queue-refuses-operations-only", test_queue_full);
	place_add(TOPIC, "here", "nothing-given-is-einval", test_nothing_given);
	place_add_each(TOPIC, "empty-name-is-enoent", test_empty_name);
	add_local("strangers-may-not-change", test_stranger);
	add_local("locked-directory-is-eacces", test_locked);
	add_local("sticky-directory-is-eperm", test_sticky);
	place_add(TOPIC, "ext4", "immutable-is-eperm", test_immutable);
	place_add(TOPIC, "tmpfs", "read-only-is-erofs", test_read_only);
	place_add(TOPIC, "tmpfs", "no-room-is-enospc", test_no_room);
	place_add(TOPIC, "tmpfs", "across-mounts-is-exdev", test_across);
	place_add(TOPIC, "ext4", "links-run-out", test_links_run_out);
}

static void add_cuts(void)
{
	place_add_each(TOPIC, "cancelled-in-the-queue-is-not-done", test_cancelled_queued);
	place_add_each(TOPIC, "late-in-the-queue-is-not-done", test_late_queued);
	place_add_each(TOPIC, "close-of-the-directory-ends-what-is-queued", test_closed_queued);
	place_add(TOPIC, "fuse", "close-of-the-second-directory-does-so-too", test_close_second_queued);
	place_add_each(TOPIC, "a-cut-tells-whether-it-was-done", test_told);
	place_add(TOPIC, "fuse", "cancelled-while-it-runs-is-waited-for", test_cut_running);
	place_add(TOPIC, "fuse", "late-while-it-runs-is-waited-for", test_late_running);
	place_add(TOPIC, "fuse", "close-of-the-directory-waits-for-what-runs", test_close_running);
	place_add(TOPIC, "fuse", "shutdown-waits-for-what-runs", test_shutdown);
	place_add(TOPIC, "fuse", "stuck-calls-hold-up-nobody-else", test_stuck);
	place_add(TOPIC, "fuse", "every-fault-is-told", test_fails);
	place_add(TOPIC, "fuse", "interrupted-calls-are-made-again", test_interrupted);
}

static void add(void)
{
	add_calls();
	add_cuts();
}

int main(int argc, char **argv)
{
	return place_main(argc, argv, TOPIC, add);
}
