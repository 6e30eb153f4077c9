/* SPDX-License-Identifier: MIT */
/* Directories as streams: that each entry comes once, wherever one goes on, and what cuts, faults and two readers do. */
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "support/at.h"
#include "support/places.h"

#define NOBODY   65534
#define LONG     255
#define SOME     300
#define MANY     1000
#define CROWD    10000
#define READERS  64

static struct ringline_dir *open_dir(struct ringline_file *dir, const char *path)
{
	struct ringline_dir *d;

	CONF_OK(ringline_dir_open(&d, dir, path));
	return d;
}

/* The numbers at the end of names that begin like this; -1: of another. */
static int number_of(const char *name, const char *prefix)
{
	return g_str_has_prefix(name, prefix) ? atoi(name + strlen(prefix)) : -1;
}

static void make(int dir, const char *prefix, int n)
{
	char name[LONG + 1];
	int i;

	for (i = 0; i < n; i++) {
		g_snprintf(name, sizeof(name), "%s%d", prefix, i);
		CONF_OK(mknodat(dir, name, S_IFREG | 0600, 0));
	}
}

/* --- entries ------------------------------------------------------------------------------------------------------- */

static int next(struct ringline_dir *d, struct ringline_dirent *e, bool begin)
{
	struct ringline_op *op;

	if (!begin)
		return ringline_dir_read(d, e);
	CONF_OK(ringline_dir_read_begin(&op, d, e));
	return (int)ringline_op_await(op);
}

/* The rest of a stream of files with this prefix: each of the n once, if none of them was read before. */
static int read_rest(struct ringline_dir *d, const char *prefix, int n, bool begin)
{
	struct ringline_dirent e = RINGLINE_DIRENT_INIT;
	bool *seen = g_new0(bool, n + 1);
	int count = 0;
	int r;

	while ((r = next(d, &e, begin)) == 1) {
		int i = number_of(e.name, prefix);

		g_assert_true(i >= 0 && i < n && !seen[i]);
		seen[i] = true;
		count++;
		g_assert_cmpuint(e.length, ==, strlen(e.name));
		g_assert_true(e.type == DT_REG || e.type == DT_UNKNOWN);
	}
	CONF_OK(r);
	CONF_OK(next(d, &e, begin));
	g_free(seen);
	return count;
}

static void lists(struct ringline_file *dir)
{
	struct ringline_dir *d;
	int form;

	for (form = 0; form < 2; form++) {
		d = open_dir(dir, ".");
		g_assert_cmpint(read_rest(d, "x", 0, form), ==, 0);
		CONF_OK(ringline_dir_close(d));
	}
	make(at_fd(dir), "only", 1);
	d = open_dir(dir, ".");
	g_assert_cmpint(read_rest(d, "only", 1, false), ==, 1);
	CONF_OK(ringline_dir_close(d));
	CONF_OK(unlinkat(at_fd(dir), "only0", 0));
	make(at_fd(dir), "f", MANY);
	for (form = 0; form < 2; form++) {
		d = open_dir(dir, ".");
		g_assert_cmpint(read_rest(d, "f", MANY, form), ==, MANY);
		CONF_OK(ringline_dir_close(d));
	}
}

static void test_lists(const char *path)
{
	at_run(path, lists);
}

static uint64_t count(const char *operation, const char *engine)
{
	uint64_t n;

	CONF_OK(ringline_worker_op_count(NULL, 0, operation, engine, &n));
	return n;
}

/* Many come with one system call, which a thread makes. */
static void lists_crowd(struct ringline_file *dir)
{
	struct ringline_dir *d;
	uint64_t before;

	make(at_fd(dir), "f", CROWD);
	d = open_dir(dir, ".");
	before = count("getdents", "pool");
	g_assert_cmpint(read_rest(d, "f", CROWD, false), ==, CROWD);
	g_assert_cmpuint(count("getdents", "pool") - before, <, CROWD / 50);
	g_assert_cmpuint(count("getdents", "pool") - before, >, 1);
	CONF_OK(ringline_dir_close(d));
}

static void test_lists_crowd(const char *path)
{
	at_run(path, lists_crowd);
}

static void long_names(struct ringline_file *dir)
{
	char prefix[LONG + 1];
	struct ringline_dirent e = RINGLINE_DIRENT_INIT;
	struct ringline_dir *d;
	int i;

	memset(prefix, 'n', sizeof(prefix));
	for (i = 0; i < SOME; i++) {
		g_snprintf(prefix + LONG - 6, 7, "-%05d", i);
		CONF_OK(mknodat(at_fd(dir), prefix, S_IFREG | 0600, 0));
	}
	d = open_dir(dir, ".");
	for (i = 0; ringline_dir_read(d, &e) == 1; i++) {
		g_assert_cmpuint(e.length, ==, LONG);
		g_assert_cmpint(strncmp(e.name, prefix, LONG - 5), ==, 0);
	}
	g_assert_cmpint(i, ==, SOME);
	CONF_OK(ringline_dir_close(d));
}

static void test_long_names(const char *path)
{
	at_run(path, long_names);
}

/* Each type, and devices for root. */
static int make_types(int dir)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CONF_OK(mknodat(dir, "file", S_IFREG | 0600, 0));
	CONF_OK(mkdirat(dir, "directory", 0700));
	CONF_OK(symlinkat("nothing", dir, "link"));
	CONF_OK(mkfifoat(dir, "fifo", 0600));
	g_snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/socket", dir);
	CONF_OK(bind(s, (struct sockaddr *)&sa, sizeof(sa)));
	CONF_OK(close(s));
	if (geteuid() != 0)
		return 5;
	CONF_OK(mknodat(dir, "character", S_IFCHR | 0600, makedev(1, 3)));
	CONF_OK(mknodat(dir, "block", S_IFBLK | 0600, makedev(7, 0)));
	return 7;
}

static void tells(struct ringline_file *dir)
{
	struct ringline_dirent e = RINGLINE_DIRENT_INIT;
	int n = make_types(at_fd(dir));
	struct ringline_dir *d = open_dir(dir, ".");

	while (ringline_dir_read(d, &e) == 1) {
		struct stat st = at_stat(at_fd(dir), e.name);

		g_assert_cmpuint(e.inode, ==, st.st_ino);
		g_assert_true(e.type == IFTODT(st.st_mode) || e.type == DT_UNKNOWN);
		g_assert_cmpuint(e.length, ==, strlen(e.name));
		g_assert_cmpuint(e.size, ==, sizeof(e));
		n--;
	}
	g_assert_cmpint(n, ==, 0);
	CONF_OK(ringline_dir_close(d));
}

static void test_tells(const char *path)
{
	at_run(path, tells);
}

/* A program that was compiled with another version of the structure. */
static void sizes(struct ringline_file *dir)
{
	struct { struct ringline_dirent e; char more[16]; } large;
	struct ringline_dirent e = RINGLINE_DIRENT_INIT;
	const size_t small = offsetof(struct ringline_dirent, cookie);
	struct ringline_dir *d;

	make(at_fd(dir), "f", 2);
	d = open_dir(dir, ".");
	e.size = sizeof(e.size) - 1;
	AT_ERROR(ringline_dir_read(d, &e), EINVAL);
	AT_ERROR(ringline_dir_read(d, NULL), EINVAL);
	memset(&e, 1, sizeof(e));
	e.size = small;
	g_assert_cmpint(ringline_dir_read(d, &e), ==, 1);
	g_assert_cmpint(number_of(e.name, "f"), >=, 0);
	g_assert_cmpuint(e.inode, ==, at_stat(at_fd(dir), e.name).st_ino);
	g_assert_cmphex(e.length, ==, 0x01010101);
	memset(&large, 1, sizeof(large));
	large.e.size = sizeof(large);
	g_assert_cmpint(ringline_dir_read(d, &large.e), ==, 1);
	g_assert_cmpuint(large.e.length, ==, 2);
	g_assert_cmpint(large.more[0] | large.more[15], ==, 0);
	g_assert_cmpuint(large.e.size, ==, sizeof(large));
	CONF_OK(ringline_dir_read(d, &large.e));
	CONF_OK(ringline_dir_close(d));
}

static void test_sizes(const char *path)
{
	at_run(path, sizes);
}

/* --- going on elsewhere --------------------------------------------------------------------------------------------- */

/* What follows each entry, and where it is. */
struct order {
	char name[MANY][12];
	uint64_t cookie[MANY];
	int n;
};

static void read_order(struct ringline_dir *d, struct order *o)
{
	struct ringline_dirent e = RINGLINE_DIRENT_INIT;

	for (o->n = 0; ringline_dir_read(d, &e) == 1; o->n++) {
		g_assert_cmpint(o->n, <, MANY);
		g_strlcpy(o->name[o->n], e.name, sizeof(o->name[o->n]));
		o->cookie[o->n] = e.cookie;
	}
}

static void expect_next(struct ringline_dir *d, const struct order *o, int i)
{
	struct ringline_dirent e = RINGLINE_DIRENT_INIT;

	g_assert_cmpint(ringline_dir_read(d, &e), ==, i < o->n);
	if (i < o->n)
		g_assert_cmpstr(e.name, ==, o->name[i]);
}

static void seeks(struct ringline_file *dir)
{
	static struct order o;
	static struct order again;
	struct ringline_dir *d;
	int i;

	make(at_fd(dir), "f", MANY);
	d = open_dir(dir, ".");
	read_order(d, &o);
	g_assert_cmpint(o.n, ==, MANY);
	for (i = o.n - 1; i >= 0; i -= 7) {
		CONF_OK(ringline_dir_seek(d, o.cookie[i]));
		expect_next(d, &o, i + 1);
	}
	for (i = 0; i < o.n; i += 50) {
		CONF_OK(ringline_dir_seek(d, o.cookie[i]));
		expect_next(d, &o, i + 1);
		if (i + 1 < o.n)
			expect_next(d, &o, i + 2);
	}
	CONF_OK(ringline_dir_seek(d, 0));
	read_order(d, &again);
	g_assert_cmpmem(&again, sizeof(again), &o, sizeof(o));
	AT_ERROR(ringline_dir_seek(d, (uint64_t)INT64_MAX + 1), EINVAL);
	AT_ERROR(ringline_dir_seek(d, UINT64_MAX), EINVAL);
	CONF_OK(ringline_dir_close(d));
}

static void test_seeks(const char *path)
{
	at_run(path, seeks);
}

/* A seek that fails leaves the stream where it is. */
static void seeks_in_vain(struct ringline_file *dir)
{
	struct ringline_dirent e = RINGLINE_DIRENT_INIT;
	struct ringline_dir *d;

	make(at_fd(dir), "f", SOME);
	d = open_dir(dir, ".");
	g_assert_cmpint(ringline_dir_read(d, &e), ==, 1);
	AT_ERROR(ringline_dir_seek(d, UINT64_MAX), EINVAL);
	g_assert_cmpint(read_rest(d, "f", SOME, false), ==, SOME - 1);
	CONF_OK(ringline_dir_close(d));
}

static void test_seeks_in_vain(const char *path)
{
	at_run(path, seeks_in_vain);
}

/* The beginning shows what was made since. */
static void sees_new(struct ringline_file *dir)
{
	struct ringline_dir *d = open_dir(dir, ".");

	g_assert_cmpint(read_rest(d, "f", 0, false), ==, 0);
	make(at_fd(dir), "f", SOME);
	CONF_OK(ringline_dir_seek(d, 0));
	g_assert_cmpint(read_rest(d, "f", SOME, false), ==, SOME);
	CONF_OK(ringline_dir_close(d));
}

static void test_sees_new(const char *path)
{
	at_run(path, sees_new);
}

/* A directory that is open becomes a stream, which goes on from its position and closes it. */
static void from_file(struct ringline_file *dir)
{
	static struct order o;
	struct ringline_dirent e = RINGLINE_DIRENT_INIT;
	struct ringline_file *file;
	struct ringline_dir *d;
	int fd;

	make(at_fd(dir), "f", SOME);
	d = open_dir(dir, ".");
	read_order(d, &o);
	CONF_OK(ringline_dir_close(d));
	CONF_OK(ringline_file_open(&file, dir, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, NULL));
	fd = at_fd(file);
	g_assert_cmpint(lseek(fd, (off_t)o.cookie[SOME / 2], SEEK_SET), >=, 0);
	CONF_OK(ringline_dir_from_file(&d, file));
	g_assert_true(ringline_dir_file(d) == file);
	expect_next(d, &o, SOME / 2 + 1);
	CONF_OK(ringline_dir_seek(d, 0));
	g_assert_cmpint(read_rest(d, "f", SOME, false), ==, SOME);
	CONF_OK(ringline_dir_close(d));
	AT_ERROR(ringline_file_close(file), EBADF);
	g_assert_cmpint(fcntl(fd, F_GETFD), ==, -1);
	CONF_OK(ringline_dir_from_file(&d, at_open(dir, ".")));
	AT_ERROR(ringline_dir_read(d, &e), EBADF);            /* O_PATH */
	CONF_OK(ringline_dir_close(d));
}

static void test_from_file(const char *path)
{
	at_run(path, from_file);
}

/* What does not become a stream stays the caller's. */
static void not_from_file(struct ringline_file *dir)
{
	struct ringline_stat st = RINGLINE_STAT_INIT;
	struct ringline_file *file;
	struct ringline_dir *d;
	struct ringline_op *op;
	struct at_gate g;

	make(at_fd(dir), "f", 1);
	CONF_OK(ringline_file_open(&file, dir, "f0", O_RDONLY, 0, NULL));
	AT_ERROR(ringline_dir_from_file(&d, file), ENOTDIR);
	CONF_OK(ringline_file_stat(file, 0, &st));
	CONF_OK(ringline_file_close(file));
	AT_ERROR(ringline_dir_from_file(&d, file), EBADF);
	AT_ERROR(ringline_dir_from_file(&d, NULL), EINVAL);
	CONF_OK(ringline_file_open(&file, dir, ".", O_RDONLY | O_DIRECTORY, 0, NULL));
	AT_ERROR(ringline_dir_from_file(NULL, file), EINVAL);
	at_gate_close(&g, at_class());
	CONF_OK(ringline_path_chmod_begin(&op, file, "f0", 0600, 0));
	AT_ERROR(ringline_dir_from_file(&d, file), EBUSY);
	at_gate_open(&g);
	CONF_OK(ringline_op_await(op));
	CONF_OK(ringline_dir_from_file(&d, file));
	g_assert_cmpint(read_rest(d, "f", 1, false), ==, 1);
	CONF_OK(ringline_dir_close(d));
}

static void test_not_from_file(const char *path)
{
	at_run_queued(path, not_from_file);
}

/* The stream's directory is where its entries are; all of them are met though they go meanwhile. */
static void sweeps(struct ringline_file *dir)
{
	struct ringline_dirent e = RINGLINE_DIRENT_INIT;
	struct ringline_stat st = RINGLINE_STAT_INIT;
	struct ringline_dir *d;
	int n = 0;

	make(at_fd(dir), "f", 2 * MANY);
	d = open_dir(dir, ".");
	while (ringline_dir_read(d, &e) == 1) {
		if (n++ % 100 == 0) {
			CONF_OK(ringline_path_stat(ringline_dir_file(d), e.name, 0, 0, &st));
			g_assert_cmpuint(st.inode, ==, e.inode);
		}
		CONF_OK(ringline_path_unlink(ringline_dir_file(d), e.name));
	}
	g_assert_cmpint(n, ==, 2 * MANY);
	g_assert_cmpuint(at_count(at_fd(dir)), ==, 0);
	CONF_OK(ringline_dir_close(d));
}

static void test_sweeps(const char *path)
{
	at_run(path, sweeps);
}

static struct ringline_file *shared_dir;

static int reader(void *arg)
{
	struct ringline_dir *d = open_dir(shared_dir, ".");

	(void)arg;
	g_assert_cmpint(read_rest(d, "f", MANY, false), ==, MANY);
	CONF_OK(ringline_dir_close(d));
	return 0;
}

static void many_streams(struct ringline_file *dir)
{
	struct ringline_scope *scope;
	int i;

	make(at_fd(dir), "f", MANY);
	shared_dir = dir;
	CONF_OK(ringline_scope_open(&scope, NULL));
	for (i = 0; i < READERS; i++)
		CONF_OK(ringline_scope_spawn(scope, reader, NULL));
	CONF_OK(ringline_scope_close(scope));
}

static void test_many_streams(const char *path)
{
	at_run(path, many_streams);
}

/* --- what is refused ------------------------------------------------------------------------------------------------ */

static void no_directory(struct ringline_file *dir)
{
	struct ringline_file *closed = at_open(dir, ".");
	struct ringline_dir *d;
	struct ringline_op *op;

	make(at_fd(dir), "file", 1);
	CONF_OK(symlinkat("file0", at_fd(dir), "link"));
	CONF_OK(symlinkat("loop", at_fd(dir), "loop"));
	AT_ERROR(ringline_dir_open(&d, dir, "file0"), ENOTDIR);
	AT_ERROR(ringline_dir_open(&d, dir, "link"), ENOTDIR);
	AT_ERROR(ringline_dir_open(&d, dir, "file0/x"), ENOTDIR);
	AT_ERROR(ringline_dir_open(&d, NULL, "/dev/null"), ENOTDIR);
	AT_ERROR(ringline_dir_open(&d, dir, "nothing"), ENOENT);
	AT_ERROR(ringline_dir_open(&d, dir, ""), ENOENT);
	AT_ERROR(ringline_dir_open(&d, dir, "loop"), ELOOP);
	AT_ERROR(ringline_dir_open(&d, dir, NULL), EINVAL);
	AT_ERROR(ringline_dir_open(NULL, dir, "."), EINVAL);
	AT_ERROR(ringline_dir_open_begin(NULL, &d, dir, "."), EINVAL);
	AT_ERROR(ringline_dir_open_begin(NULL, &d, NULL, "/"), EINVAL);
	AT_ERROR(ringline_dir_open_begin(&op, NULL, dir, "."), EINVAL);
	AT_ERROR(ringline_dir_open_begin(&op, &d, dir, NULL), EINVAL);
	CONF_OK(ringline_dir_open_begin(&op, &d, dir, "file0"));
	AT_ERROR(ringline_op_await(op), ENOTDIR);
	CONF_OK(ringline_file_close(closed));
	AT_ERROR(ringline_dir_open(&d, closed, "."), EBADF);
	AT_ERROR(ringline_dir_open_begin(&op, &d, closed, "."), EBADF);
}

static void test_no_directory(const char *path)
{
	at_run(path, no_directory);
}

static void closed(struct ringline_file *dir)
{
	struct ringline_dirent e = RINGLINE_DIRENT_INIT;
	struct ringline_dir *d = open_dir(dir, ".");
	struct ringline_op *op;

	CONF_OK(ringline_dir_close(d));
	AT_ERROR(ringline_dir_read(d, &e), EBADF);
	AT_ERROR(ringline_dir_read_begin(&op, d, &e), EBADF);
	AT_ERROR(ringline_dir_seek(d, 0), EBADF);
	AT_ERROR(ringline_dir_close(d), EBADF);
	AT_ERROR(ringline_dir_close_begin(&op, d), EBADF);
	g_assert_null(ringline_dir_file(d));
	d = open_dir(dir, ".");
	AT_ERROR(ringline_dir_close_begin(NULL, d), EINVAL);
	AT_ERROR(ringline_dir_read_begin(NULL, d, &e), EINVAL);
	g_assert_cmpint(read_rest(d, "f", 0, false), ==, 0);
	CONF_OK(ringline_dir_close_begin(&op, d));
	AT_ERROR(ringline_dir_read(d, &e), EBADF);
	CONF_OK(ringline_op_await(op));
	CONF_OK(ringline_dir_close(NULL));
	AT_ERROR(ringline_dir_close_begin(&op, NULL), EINVAL);
	AT_ERROR(ringline_dir_read(NULL, &e), EINVAL);
	AT_ERROR(ringline_dir_seek(NULL, 0), EINVAL);
	g_assert_null(ringline_dir_file(NULL));
}

static void test_closed(const char *path)
{
	at_run(path, closed);
}

static struct ringline_dir *shared_stream;
static struct ringline_file *shared_file;

static int open_shared(void *arg)
{
	CONF_OK(ringline_dir_open(&shared_stream, NULL, arg));
	CONF_OK(ringline_file_open(&shared_file, NULL, arg, O_RDONLY | O_DIRECTORY, 0, NULL));
	return 0;
}

static int use_shared(void *arg)
{
	struct ringline_dirent e = RINGLINE_DIRENT_INIT;
	struct ringline_dir *d;
	struct ringline_op *op;

	(void)arg;
	AT_ERROR(ringline_dir_from_file(&d, shared_file), EPERM);
	AT_ERROR(ringline_dir_read(shared_stream, &e), EPERM);
	AT_ERROR(ringline_dir_read_begin(&op, shared_stream, &e), EPERM);
	AT_ERROR(ringline_dir_seek(shared_stream, 0), EPERM);
	AT_ERROR(ringline_dir_close(shared_stream), EPERM);
	AT_ERROR(ringline_dir_close_begin(&op, shared_stream), EPERM);
	g_assert_null(ringline_dir_file(shared_stream));
	return 0;
}

static int open_here(void *arg)
{
	struct ringline_dir *d;
	struct ringline_op *op;

	AT_ERROR(ringline_dir_open(&d, NULL, arg), EPERM);
	AT_ERROR(ringline_dir_open_begin(&op, &d, NULL, arg), EPERM);
	return 0;
}

/* A stream that nobody closes is closed when its worker ends. */
static void test_elsewhere(const char *path)
{
	struct ringline_runtime *rt = conf_serve(NULL, 2, NULL, NULL, NULL, NULL);
	char *dir = g_strdup(path);

	conf_log_allow("does not own");
	conf_log_allow("outside a task");
	conf_log_allow("not a worker");
	CONF_OK(conf_call(rt, 0, open_shared, dir));
	CONF_OK(conf_call(rt, 1, use_shared, NULL));
	CONF_OK(use_shared(NULL));
	CONF_OK(open_here(dir));
	CONF_OK(conf_stop(rt));
	g_free(dir);
}

struct stackless {
	struct ringline_file *dir;
	struct ringline_dir *stream;
	struct ringline_dirent entry;
	struct ringline_op *op;
	int step;
};

/* One operation after the other: opens, reads to the end, closes. */
static int poll_stream(void *arg)
{
	struct stackless *s = arg;
	struct ringline_dir *d;
	int r = 0;

	if (!s->op) {
		AT_ERROR(ringline_dir_open(&d, s->dir, "."), EDEADLK);
		CONF_OK(ringline_dir_open_begin(&s->op, &s->stream, s->dir, "."));
	}
	while ((r = (int)ringline_op_result(s->op)) != -EINPROGRESS && s->step < SOME + 2) {
		g_assert_cmpint(r, ==, s->step > 0 && s->step <= SOME);
		if (s->step < 2) {
			AT_ERROR(ringline_dir_close(s->stream), EDEADLK);
			AT_ERROR(ringline_dir_read(s->stream, &s->entry), EDEADLK);
		}
		if (s->step++ <= SOME)
			CONF_OK(ringline_dir_read_begin(&s->op, s->stream, &s->entry));
		else
			CONF_OK(ringline_dir_close_begin(&s->op, s->stream));
	}
	return r;
}

static void stackless(struct ringline_file *dir)
{
	struct ringline_task_options o = RINGLINE_TASK_OPTIONS_INIT;
	struct stackless s = { .dir = dir, .entry = RINGLINE_DIRENT_INIT };
	struct ringline_task *t;
	int result;

	make(at_fd(dir), "f", SOME);
	o.flags = RINGLINE_TASK_STACKLESS;
	CONF_OK(ringline_task_start(&t, poll_stream, &s, &o));
	CONF_OK(ringline_task_join(t, &result));
	CONF_OK(result);
}

static void test_stackless(const char *path)
{
	conf_log_allow("stackless");
	at_run(path, stackless);
}

/* One may go through a directory that may not be read. */
static int as_nobody(void *arg)
{
	struct ringline_file *dir = at_adopt(*(int *)arg);
	struct ringline_dir *d;

	AT_ERROR(ringline_dir_open(&d, dir, "through"), EACCES);
	AT_ERROR(ringline_dir_open(&d, dir, "locked/below"), EACCES);
	d = open_dir(dir, "through/open");
	CONF_OK(ringline_dir_close(d));
	CONF_OK(ringline_file_close(dir));
	return 0;
}

static void become_nobody(const void *arg)
{
	int fd = *(const int *)arg;
	int r;

	CONF_OK(setgroups(0, NULL));
	CONF_OK(setgid(NOBODY));
	CONF_OK(setuid(NOBODY));
	r = conf_run(as_nobody, &fd);
	if (r != -EPERM || conf_is("epoll"))
		CONF_OK(r);
}

static void test_permissions(const char *path)
{
	int fd = at_descriptor(AT_FDCWD, path);

	CONF_OK(mkdirat(fd, "through", 0711));
	CONF_OK(mkdirat(fd, "through/open", 0755));
	CONF_OK(mkdirat(fd, "locked", 0700));
	CONF_OK(mkdirat(fd, "locked/below", 0755));
	if (geteuid() == 0)
		conf_fork(become_nobody, &fd);
	else
		g_test_skip("not root");
	CONF_OK(close(fd));
}

/* Nothing is found in what is no more, and nothing is made up. */
static void removed(struct ringline_file *dir)
{
	struct ringline_dirent e = RINGLINE_DIRENT_INIT;
	struct ringline_dir *d;
	int r;

	CONF_OK(mkdirat(at_fd(dir), "sub", 0700));
	d = open_dir(dir, "sub");
	CONF_OK(unlinkat(at_fd(dir), "sub", AT_REMOVEDIR));
	r = ringline_dir_read(d, &e);
	g_assert_true(r == 0 || r == -ENOENT);
	CONF_OK(ringline_dir_seek(d, 0));
	r = ringline_dir_read(d, &e);
	g_assert_true(r == 0 || r == -ENOENT);
	CONF_OK(ringline_dir_close(d));
}

static void test_removed(const char *path)
{
	at_run(path, removed);
}

/* --- two readers, and cuts ------------------------------------------------------------------------------------------ */

static void busy(struct ringline_dir *d)
{
	struct ringline_dirent e = RINGLINE_DIRENT_INIT;
	struct ringline_op *op;

	AT_ERROR(ringline_dir_read(d, &e), EBUSY);
	AT_ERROR(ringline_dir_read_begin(&op, d, &e), EBUSY);
	AT_ERROR(ringline_dir_seek(d, 0), EBUSY);
	AT_ERROR(ringline_dir_close(d), EBUSY);
	AT_ERROR(ringline_dir_close_begin(&op, d), EBUSY);
	g_assert_nonnull(ringline_dir_file(d));
}

static int read_one(void *arg)
{
	struct ringline_dirent e = RINGLINE_DIRENT_INIT;

	return ringline_dir_read(arg, &e);
}

static void two_readers(struct ringline_file *dir)
{
	struct ringline_dirent e = RINGLINE_DIRENT_INIT;
	struct ringline_task *t;
	struct ringline_dir *d;
	struct ringline_op *op;
	struct at_gate g;
	int result;

	make(at_fd(dir), "f", SOME);
	d = open_dir(dir, ".");
	at_gate_close(&g, at_class());
	CONF_OK(ringline_task_start(&t, read_one, d, NULL));
	CONF_OK(ringline_yield());
	busy(d);
	at_gate_open(&g);
	CONF_OK(ringline_task_join(t, &result));
	g_assert_cmpint(result, ==, 1);
	CONF_OK(ringline_dir_read_begin(&op, d, &e));         /* what has been brought */
	busy(d);
	g_assert_cmpint(ringline_op_await(op), ==, 1);
	g_assert_cmpint(read_rest(d, "f", SOME, false), ==, SOME - 2);
	CONF_OK(ringline_dir_close(d));
}

static void test_two_readers(const char *path)
{
	at_run_queued(path, two_readers);
}

/* Cancelled, late or left alone in the queue, nothing is lost. */
static void cut_queued(struct ringline_file *dir)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_dirent e = RINGLINE_DIRENT_INIT;
	struct ringline_scope *scope;
	struct ringline_dir *d;
	struct ringline_op *op;
	struct at_gate g;
	int r;

	make(at_fd(dir), "f", SOME);
	d = open_dir(dir, ".");
	at_gate_close(&g, at_class());
	CONF_OK(ringline_dir_read_begin(&op, d, &e));
	CONF_OK(ringline_op_cancel(op));
	AT_ERROR(ringline_op_await(op), ECANCELED);
	CONF_OK(ringline_dir_read_begin(&op, d, &e));
	CONF_OK(ringline_yield());
	CONF_OK(ringline_op_cancel(op));
	AT_ERROR(ringline_op_await(op), ECANCELED);
	CONF_OK(ringline_scope_open(&scope, NULL));
	CONF_OK(ringline_dir_read_begin(&op, d, &e));
	CONF_OK(ringline_scope_close(scope));
	o.deadline = ringline_now() + MSEC;
	CONF_OK(ringline_scope_open(&scope, &o));
	r = ringline_dir_read(d, &e);
	(void)ringline_scope_close(scope);
	g_assert_true(r == -ETIME || r == 1);                 /* the class may have got a thread more */
	at_gate_open(&g);
	g_assert_cmpint(read_rest(d, "f", SOME, false), ==, r == 1 ? SOME - 1 : SOME);
	CONF_OK(ringline_dir_close(d));
}

static void test_cut_queued(const char *path)
{
	at_run_queued(path, cut_queued);
}

/* In a scope that was cut even what has been brought is not read, nor lost; and the stream is closed all the same. */
static void cut_before(struct ringline_file *dir)
{
	struct ringline_dirent e = RINGLINE_DIRENT_INIT;
	struct ringline_scope *scope;
	struct ringline_dir *other;
	struct ringline_dir *d;
	struct ringline_op *op;
	int round;
	int r;

	make(at_fd(dir), "f", SOME);
	for (round = 0; round < 2; round++) {
		d = open_dir(dir, ".");
		if (round)
			g_assert_cmpint(ringline_dir_read(d, &e), ==, 1);
		CONF_OK(ringline_scope_open(&scope, NULL));
		CONF_OK(ringline_dir_read_begin(&op, d, &e));
		CONF_OK(ringline_scope_cancel(scope));
		AT_ERROR(ringline_op_await(op), ECANCELED);
		AT_ERROR(ringline_dir_open(&other, dir, "."), ECANCELED);
		AT_ERROR(ringline_dir_open_begin(&op, &other, dir, "."), ECANCELED);
		AT_ERROR(ringline_dir_read(d, &e), ECANCELED);
		AT_ERROR(ringline_dir_read_begin(&op, d, &e), ECANCELED);
		AT_ERROR(ringline_scope_close(scope), ECANCELED);
		g_assert_cmpint(read_rest(d, "f", SOME, false), ==, SOME - round);
		CONF_OK(ringline_scope_open(&scope, NULL));
		CONF_OK(ringline_scope_cancel(scope));
		r = ringline_dir_close(d);
		g_assert_true(r == 0 || r == -ECANCELED);
		AT_ERROR(ringline_dir_read(d, &e), EBADF);
		AT_ERROR(ringline_scope_close(scope), ECANCELED);
	}
}

static void test_cut_before(const char *path)
{
	at_run(path, cut_before);
}

/* Wherever it is when nobody wants it any more, the stream is closed. */
static void open_not_awaited(struct ringline_file *dir)
{
	struct ringline_file_info info = RINGLINE_FILE_INFO_INIT;
	struct ringline_scope *scope;
	struct ringline_dir *d;
	struct ringline_op *op;
	int round;
	int i;

	for (round = 0; round < 8; round++) {
		CONF_OK(ringline_scope_open(&scope, NULL));
		CONF_OK(ringline_dir_open_begin(&op, &d, round % 2 ? dir : NULL, round % 2 ? "." : "/"));
		for (i = 0; i < round; i++)
			conf_pause();
		if (round >= 6)
			CONF_UNTIL(ringline_file_info(dir, &info) == 0 && !info.operations);
		CONF_OK(ringline_scope_close(scope));
	}
}

static void test_open_not_awaited(const char *path)
{
	at_run(path, open_not_awaited);
}

/* --- a server that does not answer, or answers with errors ------------------------------------------------------------ */

/* What was read when the cut came is not lost: it is the result. */
static void cut_running(struct ringline_file *dir)
{
	struct ringline_dirent e = RINGLINE_DIRENT_INIT;
	struct ringline_dir *d;
	struct ringline_op *op;
	int i;

	make(at_fd(dir), "f", SOME);
	d = open_dir(dir, ".");
	place_fault("stall readdir");
	CONF_OK(ringline_dir_read_begin(&op, d, &e));
	place_stalled("readdir");
	CONF_OK(ringline_op_cancel(op));
	for (i = 0; i < 5; i++)
		conf_pause();
	AT_ERROR(ringline_op_result(op), EINPROGRESS);
	busy(d);
	place_fault("release readdir");
	g_assert_cmpint(ringline_op_await(op), ==, 1);
	g_assert_cmpint(number_of(e.name, "f"), >=, 0);
	g_assert_cmpint(read_rest(d, "f", SOME, false), ==, SOME - 1);
	CONF_OK(ringline_dir_close(d));
}

static void test_cut_running(const char *path)
{
	at_run(path, cut_running);
}

struct late {
	struct ringline_dir *stream;
	int result;
	bool returned;
};

static int read_late(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_dirent e = RINGLINE_DIRENT_INIT;
	struct ringline_scope *scope;
	struct late *l = arg;

	o.deadline = ringline_now() + 20 * MSEC;
	CONF_OK(ringline_scope_open(&scope, &o));
	l->result = ringline_dir_read(l->stream, &e);
	l->returned = true;
	AT_ERROR(ringline_scope_close(scope), ETIME);
	return 0;
}

static void late_running(struct ringline_file *dir)
{
	struct ringline_task *t;
	struct late l = { .returned = false };

	make(at_fd(dir), "f", SOME);
	l.stream = open_dir(dir, ".");
	place_fault("stall readdir");
	CONF_OK(ringline_task_start(&t, read_late, &l, NULL));
	CONF_UNTIL(l.returned || place_stalled_now("readdir"));
	if (!l.returned)
		CONF_OK(ringline_sleep(30 * MSEC));
	g_assert_true(!l.returned || l.result == -ETIME);
	place_fault("release readdir");
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_true(l.result == 1 || l.result == -ETIME);
	g_assert_cmpint(read_rest(l.stream, "f", SOME, false), ==, l.result == 1 ? SOME - 1 : SOME);
	CONF_OK(ringline_dir_close(l.stream));
}

static void test_late_running(const char *path)
{
	at_run(path, late_running);
}

static struct ringline_blocking_stats waiting(const struct ringline_runtime *rt)
{
	struct ringline_blocking_stats s = RINGLINE_BLOCKING_STATS_INIT;

	CONF_OK(ringline_blocking_stats(rt, RINGLINE_BLOCKING_WAIT, &s));
	return s;
}

/* An open is let go of at once; its thread closes what it gets. */
static void open_cut(struct ringline_file *dir)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;
	struct ringline_dir *d;
	struct ringline_op *op;

	CONF_OK(mkdirat(at_fd(dir), "sub", 0700));
	place_fault("stall lookup");
	CONF_OK(ringline_dir_open_begin(&op, &d, dir, "sub"));
	place_stalled("lookup");
	CONF_OK(ringline_op_cancel(op));
	AT_ERROR(ringline_op_await(op), ECANCELED);
	o.deadline = ringline_now() + 5 * MSEC;
	CONF_OK(ringline_scope_open(&scope, &o));
	AT_ERROR(ringline_dir_open(&d, dir, "sub"), ETIME);
	AT_ERROR(ringline_scope_close(scope), ETIME);
	g_assert_cmpuint(place_stalled_now("lookup"), >=, 1);
	g_assert_cmpuint(waiting(NULL).stuck, >=, 1);
	place_fault("release lookup");
	CONF_UNTIL(!waiting(NULL).stuck);
}

static void test_open_cut(const char *path)
{
	at_run(path, open_cut);
}

#define STUCK 32

static const char *local_path;

/* Streams of this machine are read, and a connection is, with a single thread of class io. */
static void others_go_on(void)
{
	struct ringline_file *dir = at_open(NULL, local_path);
	struct ringline_dir *d = open_dir(dir, ".");
	struct ringline_conn *conn;
	char byte = 'x';
	int peer;

	(void)read_rest(d, "places", 1, false);
	CONF_OK(ringline_dir_close(d));
	conn = conf_open(CONF_UNIX, &peer);
	conf_put(peer, &byte, 1);
	g_assert_cmpint(ringline_conn_recv_exact(conn, &byte, 1), ==, 1);
	CONF_OK(ringline_conn_close(conn));
	close(peer);
	CONF_OK(ringline_file_close(dir));
}

static void stuck(struct ringline_file *dir)
{
	static struct ringline_dirent e[STUCK];
	struct ringline_dir *d[STUCK];
	struct ringline_op *op[STUCK];
	int i;

	CONF_OK(mkdirat(at_fd(dir), "sub", 0700));
	make(at_fd(dir), "sub/f", SOME);
	place_fault("stall lookup");
	for (i = 0; i < STUCK; i++)
		CONF_OK(ringline_dir_open_begin(&op[i], &d[i], dir, "sub"));
	CONF_UNTIL(waiting(NULL).running == STUCK);
	others_go_on();
	place_fault("release lookup");
	for (i = 0; i < STUCK; i++)
		CONF_OK(ringline_op_await(op[i]));
	place_fault("stall readdir");
	for (i = 0; i < STUCK; i++) {
		e[i] = (struct ringline_dirent)RINGLINE_DIRENT_INIT;
		CONF_OK(ringline_dir_read_begin(&op[i], d[i], &e[i]));
	}
	CONF_UNTIL(waiting(NULL).running == STUCK);
	others_go_on();
	place_fault("release readdir");
	for (i = 0; i < STUCK; i++) {
		g_assert_cmpint(ringline_op_await(op[i]), ==, 1);
		g_assert_cmpint(read_rest(d[i], "f", SOME, false), ==, SOME - 1);
		CONF_OK(ringline_dir_close(d[i]));
	}
}

static void test_stuck(const char *path)
{
	struct ringline_config c;

	local_path = place_dir("here");
	conf_config(&c);
	c.blocking_io_threads = 1;
	at_run_with(&c, path, stuck);
}

static int read_last(void *arg)
{
	struct ringline_dirent e = RINGLINE_DIRENT_INIT;
	struct ringline_dir *d = open_dir(NULL, arg);
	int r = ringline_dir_read(d, &e);

	g_assert_true(r == 1 || r == -ECANCELED);
	return 0;                                             /* the stream is left to the worker */
}

static void test_shutdown(const char *path)
{
	char *dir = g_strdup(path);
	struct ringline_runtime *rt;
	struct ringline_config c;
	int i;

	conf_config(&c);
	c.drain_timeout = 1;
	rt = conf_serve(&c, 1, NULL, NULL, NULL, NULL);
	place_fault("stall readdir");
	for (i = 0; i < 4; i++)
		CONF_OK(ringline_worker_spawn(rt, 0, read_last, dir));
	CONF_UNTIL(waiting(rt).running == 4 && place_stalled_now("readdir"));
	CONF_OK(ringline_runtime_shutdown(rt));
	for (i = 0; i < 20; i++)
		conf_pause();
	g_assert_cmpuint(waiting(rt).running, ==, 4);
	place_fault("release readdir");
	CONF_OK(conf_stop(rt));
	g_free(dir);
}

/* An error is told, and is no end. */
static void fails(struct ringline_file *dir)
{
	static const char *const names[] = { "EIO", "ESTALE", "ENOMEM", "EACCES", "EINVAL", "ETIMEDOUT" };
	static const int errors[] = { EIO, ESTALE, ENOMEM, EACCES, EINVAL, ETIMEDOUT };
	struct ringline_dirent e = RINGLINE_DIRENT_INIT;
	struct ringline_dir *other;
	struct ringline_dir *d;
	size_t i;

	CONF_OK(mkdirat(at_fd(dir), "sub", 0700));
	make(at_fd(dir), "sub/f", SOME);
	for (i = 0; i < G_N_ELEMENTS(names); i++) {
		d = open_dir(dir, "sub");
		place_fault("fail readdir %s", names[i]);
		AT_ERROR(next(d, &e, false), errors[i]);
		AT_ERROR(next(d, &e, true), errors[i]);
		place_fault("clear");
		place_fault("fail lookup %s", names[i]);
		AT_ERROR(ringline_dir_open(&other, dir, "sub"), errors[i]);
		place_fault("clear");
		place_fault("fail readdir EINTR 2");
		g_assert_cmpint(read_rest(d, "f", SOME, false), ==, SOME);
		CONF_OK(ringline_dir_close(d));
	}
}

static void test_fails(const char *path)
{
	at_run(path, fails);
}

/* --- the program ---------------------------------------------------------------------------------------------------- */

#define TOPIC "dir"

static void add_entries(void)
{
	place_add_each(TOPIC, "each-entry-comes-once", test_lists);
	place_add(TOPIC, "here", "ten-thousand-entries", test_lists_crowd);
	place_add(TOPIC, "tmpfs", "ten-thousand-entries", test_lists_crowd);
	place_add(TOPIC, "ext4", "ten-thousand-entries", test_lists_crowd);
	place_add(TOPIC, "xfs", "ten-thousand-entries", test_lists_crowd);
	place_add_each(TOPIC, "long-names", test_long_names);
	place_add_each(TOPIC, "types-and-numbers", test_tells);
	place_add(TOPIC, "here", "structures-of-other-sizes", test_sizes);
	place_add_each(TOPIC, "goes-on-at-cookies", test_seeks);
	place_add_each(TOPIC, "a-bad-cookie-changes-nothing", test_seeks_in_vain);
	place_add_each(TOPIC, "the-beginning-shows-what-is-new", test_sees_new);
	place_add_each(TOPIC, "open-directories-become-streams", test_from_file);
	place_add_each(TOPIC, "what-does-not-stays-the-callers", test_not_from_file);
	place_add_each(TOPIC, "entries-removed-while-it-is-read", test_sweeps);
	place_add_each(TOPIC, "many-streams-of-one-directory", test_many_streams);
}

static void add_refused(void)
{
	place_add_each(TOPIC, "no-directory-is-enotdir", test_no_directory);
	place_add(TOPIC, "here", "closed-is-ebadf", test_closed);
	place_add(TOPIC, "here", "elsewhere-is-eperm", test_elsewhere);
	place_add(TOPIC, "here", "stackless-begins-each", test_stackless);
	place_add(TOPIC, "here", "unreadable-is-eacces", test_permissions);
	place_add_each(TOPIC, "removed-while-it-is-open", test_removed);
}

static void add_cuts(void)
{
	place_add_each(TOPIC, "two-readers-are-ebusy", test_two_readers);
	place_add_each(TOPIC, "cut-in-the-queue-loses-nothing", test_cut_queued);
	place_add_each(TOPIC, "cut-before", test_cut_before);
	place_add_each(TOPIC, "open-not-awaited-is-closed", test_open_not_awaited);
	place_add(TOPIC, "fuse", "cancelled-while-it-runs-loses-nothing", test_cut_running);
	place_add(TOPIC, "fuse", "late-while-it-runs-loses-nothing", test_late_running);
	place_add(TOPIC, "fuse", "open-is-cut-at-once", test_open_cut);
	place_add(TOPIC, "fuse", "stuck-streams-hold-up-nobody-else", test_stuck);
	place_add(TOPIC, "fuse", "shutdown-waits-for-what-runs", test_shutdown);
	place_add(TOPIC, "fuse", "every-fault-is-told", test_fails);
}

static void add(void)
{
	add_entries();
	add_refused();
	add_cuts();
}

int main(int argc, char **argv)
{
	return place_main(argc, argv, TOPIC, add);
}
