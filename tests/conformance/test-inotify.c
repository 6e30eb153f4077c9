/* SPDX-License-Identifier: MIT */
/* Being told what changes: each kind of change, by whom it is told, that nothing is lost but where it is said, and the ends. */
#include <fcntl.h>
#include <grp.h>
#include <linux/limits.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/resource.h>

#include "support/at.h"
#include "support/places.h"

#define NOBODY 65534
#define LONG   255
#define SOME   300
#define CROWD  20000

static struct ringline_inotify *new_instance(void)
{
	struct ringline_inotify *n;

	CONF_OK(ringline_inotify_new(&n));
	return n;
}

static int watch(struct ringline_inotify *n, struct ringline_file *dir, const char *path, uint32_t mask)
{
	int w = ringline_inotify_add(n, dir, path, mask);

	g_assert_cmpint(w, >=, 0);
	return w;
}

static void make(int dir, const char *name)
{
	CONF_OK(mknodat(dir, name, S_IFREG | 0600, 0));
}

static struct ringline_inotify_event next(struct ringline_inotify *n)
{
	struct ringline_inotify_event e = RINGLINE_INOTIFY_EVENT_INIT;

	CONF_OK(ringline_inotify_read(n, &e));
	return e;
}

/* The next event is this one; its cookie. */
static uint32_t expect_event(struct ringline_inotify *n, int w, uint32_t mask, const char *name)
{
	struct ringline_inotify_event e = next(n);

	g_assert_cmpint(e.watch, ==, w);
	g_assert_cmphex(e.mask, ==, mask);
	g_assert_cmpstr(e.name, ==, name);
	g_assert_cmpuint(e.length, ==, name ? strlen(name) : 0);
	g_assert_true((e.cookie != 0) == ((mask & (IN_MOVED_FROM | IN_MOVED_TO)) != 0));
	return e.cookie;
}

static void expect_none(struct ringline_inotify *n)
{
	struct ringline_inotify_event e = RINGLINE_INOTIFY_EVENT_INIT;

	AT_ERROR(ringline_inotify_read_nowait(n, &e), EAGAIN);
}

/* --- kinds --------------------------------------------------------------------------------------------------------- */

static void use_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDWR | O_CLOEXEC);
	char c;

	g_assert_cmpint(write(fd, "a", 1), ==, 1);
	g_assert_cmpint(pread(fd, &c, 1, 0), ==, 1);
	CONF_OK(close(fd));
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	CONF_OK(close(fd));
	CONF_OK(fchmodat(dir, name, 0640, 0));
}

static void kinds_of_files(struct ringline_inotify *n, int dir, int w)
{
	uint32_t cookie;

	make(dir, "file");
	expect_event(n, w, IN_CREATE, "file");
	use_file(dir, "file");
	expect_event(n, w, IN_OPEN, "file");
	expect_event(n, w, IN_MODIFY, "file");
	expect_event(n, w, IN_ACCESS, "file");
	expect_event(n, w, IN_CLOSE_WRITE, "file");
	expect_event(n, w, IN_OPEN, "file");
	expect_event(n, w, IN_CLOSE_NOWRITE, "file");
	expect_event(n, w, IN_ATTRIB, "file");
	CONF_OK(renameat(dir, "file", dir, "moved"));
	cookie = expect_event(n, w, IN_MOVED_FROM, "file");
	g_assert_cmpuint(expect_event(n, w, IN_MOVED_TO, "moved"), ==, cookie);
	CONF_OK(unlinkat(dir, "moved", 0));
	expect_event(n, w, IN_DELETE, "moved");
}

static void kinds_of_directories(struct ringline_inotify *n, int dir, int w)
{
	uint32_t cookie;
	uint32_t first;

	CONF_OK(mkdirat(dir, "sub", 0700));
	expect_event(n, w, IN_CREATE | IN_ISDIR, "sub");
	CONF_OK(renameat(dir, "sub", dir, "other"));
	first = expect_event(n, w, IN_MOVED_FROM | IN_ISDIR, "sub");
	g_assert_cmpuint(expect_event(n, w, IN_MOVED_TO | IN_ISDIR, "other"), ==, first);
	CONF_OK(renameat(dir, "other", dir, "sub"));
	cookie = expect_event(n, w, IN_MOVED_FROM | IN_ISDIR, "other");
	g_assert_cmpuint(cookie, !=, first);
	g_assert_cmpuint(expect_event(n, w, IN_MOVED_TO | IN_ISDIR, "sub"), ==, cookie);
	CONF_OK(unlinkat(dir, "sub", AT_REMOVEDIR));
	expect_event(n, w, IN_DELETE | IN_ISDIR, "sub");
}

static void kinds(struct ringline_file *dir)
{
	struct ringline_inotify *n = new_instance();
	int w = watch(n, dir, ".", IN_ALL_EVENTS & ~(uint32_t)IN_DELETE_SELF);

	kinds_of_files(n, at_fd(dir), w);
	kinds_of_directories(n, at_fd(dir), w);
	expect_none(n);
	CONF_OK(ringline_inotify_close(n));
}

static void test_kinds(const char *path)
{
	at_run(path, kinds);
}

/* What happens to what is watched itself has no name, and its end ends the watch. */
static void selves(struct ringline_file *dir)
{
	struct ringline_inotify *n = new_instance();
	int fd = at_fd(dir);
	int of_file;
	int of_dir;

	make(fd, "file");
	CONF_OK(mkdirat(fd, "sub", 0700));
	of_file = watch(n, dir, "file", IN_MOVE_SELF | IN_DELETE_SELF);
	of_dir = watch(n, dir, "sub", IN_DELETE_SELF);
	g_assert_cmpint(of_file, !=, of_dir);
	CONF_OK(renameat(fd, "file", fd, "moved"));
	expect_event(n, of_file, IN_MOVE_SELF, NULL);
	CONF_OK(unlinkat(fd, "moved", 0));
	CONF_OK(unlinkat(fd, "sub", AT_REMOVEDIR));
	expect_event(n, of_file, IN_DELETE_SELF, NULL);
	expect_event(n, of_file, IN_IGNORED, NULL);
	expect_event(n, of_dir, IN_DELETE_SELF, NULL);
	expect_event(n, of_dir, IN_IGNORED, NULL);
	AT_ERROR(ringline_inotify_remove(n, of_dir), EINVAL);
	expect_none(n);
	CONF_OK(ringline_inotify_close(n));
}

static void test_selves(const char *path)
{
	at_run(path, selves);
}

static void watches(struct ringline_file *dir)
{
	struct ringline_inotify *n = new_instance();
	int fd = at_fd(dir);
	char name[20];
	int w[10];
	int i;

	for (i = 0; i < 10; i++) {
		g_snprintf(name, sizeof(name), "d%d", i);
		CONF_OK(mkdirat(fd, name, 0700));
		w[i] = watch(n, dir, name, IN_CREATE);
	}
	for (i = 9; i >= 0; i--) {
		g_snprintf(name, sizeof(name), "d%d/f%d", i, i);
		make(fd, name);
	}
	for (i = 9; i >= 0; i--) {
		g_snprintf(name, sizeof(name), "f%d", i);
		expect_event(n, w[i], IN_CREATE, name);
	}
	CONF_OK(ringline_inotify_remove(n, w[3]));
	expect_event(n, w[3], IN_IGNORED, NULL);
	make(fd, "d3/x");
	make(fd, "d4/x");
	expect_event(n, w[4], IN_CREATE, "x");
	AT_ERROR(ringline_inotify_remove(n, w[3]), EINVAL);
	AT_ERROR(ringline_inotify_remove(n, -1), EINVAL);
	AT_ERROR(ringline_inotify_remove(n, 12345), EINVAL);
	expect_none(n);
	CONF_OK(ringline_inotify_close(n));
}

static void test_watches(const char *path)
{
	at_run(path, watches);
}

/* What inotify_add_watch(2) can be told besides events. */
static void masks(struct ringline_file *dir)
{
	struct ringline_inotify *n = new_instance();
	int fd = at_fd(dir);
	int w = watch(n, dir, ".", IN_CREATE);
	int of_link;

	g_assert_cmpint(watch(n, dir, ".", IN_DELETE), ==, w);
	make(fd, "file");
	CONF_OK(unlinkat(fd, "file", 0));
	expect_event(n, w, IN_DELETE, "file");
	g_assert_cmpint(watch(n, dir, ".", IN_CREATE | IN_MASK_ADD), ==, w);
	make(fd, "file");
	CONF_OK(unlinkat(fd, "file", 0));
	expect_event(n, w, IN_CREATE, "file");
	expect_event(n, w, IN_DELETE, "file");
	AT_ERROR(ringline_inotify_add(n, dir, ".", IN_CREATE | IN_MASK_CREATE), EEXIST);
	make(fd, "file");
	expect_event(n, w, IN_CREATE, "file");
	AT_ERROR(ringline_inotify_add(n, dir, "file", IN_MODIFY | IN_ONLYDIR), ENOTDIR);
	CONF_OK(symlinkat("file", fd, "link"));
	expect_event(n, w, IN_CREATE, "link");
	of_link = watch(n, dir, "link", IN_DELETE_SELF | IN_DONT_FOLLOW);
	CONF_OK(unlinkat(fd, "file", 0));
	expect_event(n, w, IN_DELETE, "file");
	g_assert_cmpint(watch(n, dir, ".", IN_MODIFY), ==, w);
	CONF_OK(unlinkat(fd, "link", 0));
	expect_event(n, of_link, IN_DELETE_SELF, NULL);
	expect_event(n, of_link, IN_IGNORED, NULL);
	expect_none(n);
	CONF_OK(ringline_inotify_close(n));
}

static void test_masks(const char *path)
{
	at_run(path, masks);
}

/* Once, and no more. */
static void one_shot(struct ringline_file *dir)
{
	struct ringline_inotify *n = new_instance();
	int w = watch(n, dir, ".", IN_CREATE | IN_ONESHOT);

	make(at_fd(dir), "a");
	make(at_fd(dir), "b");
	expect_event(n, w, IN_CREATE, "a");
	expect_event(n, w, IN_IGNORED, NULL);
	expect_none(n);
	CONF_OK(ringline_inotify_close(n));
}

static void test_one_shot(const char *path)
{
	at_run(path, one_shot);
}

/* Where a watch is asked for: below a directory, at the root, at the working directory, with long names. */
static const char *case_path;

static void names(struct ringline_file *dir)
{
	struct ringline_inotify *n = new_instance();
	char *path = g_malloc(PATH_MAX + 1);
	char name[LONG + 1];
	int w = watch(n, NULL, case_path, IN_CREATE);
	int i;

	g_assert_cmpint(watch(n, dir, ".", IN_CREATE), ==, w);
	g_assert_cmpint(watch(n, dir, case_path, IN_CREATE), ==, w);
	g_assert_cmpint(watch(n, NULL, ".", IN_CREATE), ==, w);
	for (i = 0; i < PATH_MAX; i++)
		path[i] = i % 2 ? '/' : '.';
	path[PATH_MAX - 1] = '\0';
	g_assert_cmpint(watch(n, dir, path, IN_CREATE), ==, w);
	path[PATH_MAX - 1] = '/';
	path[PATH_MAX] = '\0';
	AT_ERROR(ringline_inotify_add(n, dir, path, IN_CREATE), ENAMETOOLONG);
	memset(name, 'n', LONG);
	name[LONG] = '\0';
	for (i = 0; i < 100; i++) {
		g_snprintf(name + LONG - 4, 5, "-%03d", i);
		make(at_fd(dir), name);
	}
	for (i = 0; i < 100; i++) {
		g_snprintf(name + LONG - 4, 5, "-%03d", i);
		expect_event(n, w, IN_CREATE, name);
	}
	CONF_OK(ringline_inotify_close(n));
	g_free(path);
}

static void test_names(const char *path)
{
	char *before = g_get_current_dir();

	case_path = path;
	CONF_OK(chdir(path));
	at_run(path, names);
	CONF_OK(chdir(before));
	g_free(before);
}

/* A program that was compiled with another version of the structure. */
static void sizes(struct ringline_file *dir)
{
	struct { struct ringline_inotify_event e; char more[16]; } large;
	struct ringline_inotify_event e = RINGLINE_INOTIFY_EVENT_INIT;
	const size_t small = offsetof(struct ringline_inotify_event, cookie);
	struct ringline_inotify *n = new_instance();
	struct ringline_op *op;
	int w = watch(n, dir, ".", IN_CREATE);

	make(at_fd(dir), "a");
	make(at_fd(dir), "b");
	e.size = sizeof(e.size) - 1;
	AT_ERROR(ringline_inotify_read(n, &e), EINVAL);
	AT_ERROR(ringline_inotify_read_nowait(n, &e), EINVAL);
	AT_ERROR(ringline_inotify_read_begin(&op, n, &e), EINVAL);
	memset(&e, 1, sizeof(e));
	e.size = small;
	CONF_OK(ringline_inotify_read(n, &e));
	g_assert_cmpint(e.watch, ==, w);
	g_assert_cmphex(e.mask, ==, IN_CREATE);
	g_assert_cmphex(e.cookie, ==, 0x01010101);
	memset(&large, 1, sizeof(large));
	large.e.size = sizeof(large);
	CONF_OK(ringline_inotify_read(n, &large.e));
	g_assert_cmpstr(large.e.name, ==, "b");
	g_assert_cmpuint(large.e.size, ==, sizeof(large));
	g_assert_cmpint(large.more[0] | large.more[15], ==, 0);
	CONF_OK(ringline_inotify_close(n));
}

static void test_sizes(const char *path)
{
	at_run(path, sizes);
}

/* --- what is refused ------------------------------------------------------------------------------------------------ */

static void refused(struct ringline_file *dir)
{
	struct ringline_inotify_event e = RINGLINE_INOTIFY_EVENT_INIT;
	struct ringline_file *closed = at_open(dir, ".");
	struct ringline_inotify *n = new_instance();
	struct ringline_op *op;

	make(at_fd(dir), "file");
	CONF_OK(symlinkat("loop", at_fd(dir), "loop"));
	AT_ERROR(ringline_inotify_new(NULL), EINVAL);
	AT_ERROR(ringline_inotify_add(NULL, dir, ".", IN_CREATE), EINVAL);
	AT_ERROR(ringline_inotify_add(n, dir, NULL, IN_CREATE), EINVAL);
	AT_ERROR(ringline_inotify_add(n, dir, ".", 0), EINVAL);
	AT_ERROR(ringline_inotify_add(n, dir, ".", IN_MASK_ADD | IN_MASK_CREATE | IN_CREATE), EINVAL);
	AT_ERROR(ringline_inotify_add(n, dir, "nothing", IN_CREATE), ENOENT);
	AT_ERROR(ringline_inotify_add(n, dir, "", IN_CREATE), ENOENT);
	AT_ERROR(ringline_inotify_add(n, dir, "file/x", IN_CREATE), ENOTDIR);
	AT_ERROR(ringline_inotify_add(n, dir, "loop", IN_CREATE), ELOOP);
	AT_ERROR(ringline_inotify_add_begin(NULL, n, dir, ".", IN_CREATE), EINVAL);
	CONF_OK(ringline_inotify_add_begin(&op, n, dir, "nothing", IN_CREATE));
	AT_ERROR(ringline_op_await(op), ENOENT);
	CONF_OK(ringline_file_close(closed));
	AT_ERROR(ringline_inotify_add(n, closed, ".", IN_CREATE), EBADF);
	AT_ERROR(ringline_inotify_add_begin(&op, n, closed, ".", IN_CREATE), EBADF);
	AT_ERROR(ringline_inotify_read(n, NULL), EINVAL);
	AT_ERROR(ringline_inotify_read_nowait(n, NULL), EINVAL);
	AT_ERROR(ringline_inotify_read_begin(NULL, n, &e), EINVAL);
	AT_ERROR(ringline_inotify_read(NULL, &e), EINVAL);
	AT_ERROR(ringline_inotify_remove(NULL, 1), EINVAL);
	AT_ERROR(ringline_inotify_fd(NULL), EINVAL);
	expect_none(n);
	CONF_OK(ringline_inotify_close(n));
	CONF_OK(ringline_inotify_close(NULL));
}

static void test_refused(const char *path)
{
	at_run(path, refused);
}

static void closed(struct ringline_file *dir)
{
	struct ringline_inotify_event e = RINGLINE_INOTIFY_EVENT_INIT;
	struct ringline_inotify *n = new_instance();
	struct ringline_op *op;
	int fd = ringline_inotify_fd(n);

	g_assert_cmpint(fcntl(fd, F_GETFD), ==, FD_CLOEXEC);
	CONF_OK(ringline_inotify_close(n));
	AT_ERROR(ringline_inotify_add(n, dir, ".", IN_CREATE), EBADF);
	AT_ERROR(ringline_inotify_add_begin(&op, n, dir, ".", IN_CREATE), EBADF);
	AT_ERROR(ringline_inotify_remove(n, 1), EBADF);
	AT_ERROR(ringline_inotify_read(n, &e), EBADF);
	AT_ERROR(ringline_inotify_read_begin(&op, n, &e), EBADF);
	AT_ERROR(ringline_inotify_read_nowait(n, &e), EBADF);
	AT_ERROR(ringline_inotify_fd(n), EBADF);
	AT_ERROR(ringline_inotify_close(n), EBADF);
	CONF_UNTIL(fcntl(fd, F_GETFD) == -1);
}

static void test_closed(const char *path)
{
	at_run(path, closed);
}

static struct ringline_inotify *shared;

static int make_shared(void *arg)
{
	shared = new_instance();
	watch(shared, NULL, arg, IN_CREATE);
	return 0;
}

static int use_shared(void *arg)
{
	struct ringline_inotify_event e = RINGLINE_INOTIFY_EVENT_INIT;
	struct ringline_op *op;

	AT_ERROR(ringline_inotify_add(shared, NULL, arg, IN_CREATE), EPERM);
	AT_ERROR(ringline_inotify_add_begin(&op, shared, NULL, arg, IN_CREATE), EPERM);
	AT_ERROR(ringline_inotify_remove(shared, 1), EPERM);
	AT_ERROR(ringline_inotify_read(shared, &e), EPERM);
	AT_ERROR(ringline_inotify_read_begin(&op, shared, &e), EPERM);
	AT_ERROR(ringline_inotify_read_nowait(shared, &e), EPERM);
	AT_ERROR(ringline_inotify_fd(shared), EPERM);
	AT_ERROR(ringline_inotify_close(shared), EPERM);
	return 0;
}

/* An instance that nobody closes is closed when its worker ends. */
static void test_elsewhere(const char *path)
{
	struct ringline_runtime *rt = conf_serve(NULL, 2, NULL, NULL, NULL, NULL);
	struct ringline_inotify *n;
	char *dir = g_strdup(path);

	conf_log_allow("does not own");
	conf_log_allow("not a worker");
	CONF_OK(conf_call(rt, 0, make_shared, dir));
	CONF_OK(conf_call(rt, 1, use_shared, dir));
	CONF_OK(use_shared(dir));
	AT_ERROR(ringline_inotify_new(&n), EPERM);
	CONF_OK(conf_stop(rt));
	g_free(dir);
}

struct stackless {
	struct ringline_file *dir;
	struct ringline_inotify *instance;
	struct ringline_inotify_event event;
	struct ringline_op *op;
	int step;
};

static int poll_events(void *arg)
{
	struct stackless *s = arg;

	if (!s->instance) {
		s->instance = new_instance();
		AT_ERROR(ringline_inotify_add(s->instance, s->dir, ".", IN_CREATE), EDEADLK);
		AT_ERROR(ringline_inotify_read(s->instance, &s->event), EDEADLK);
		CONF_OK(ringline_inotify_add_begin(&s->op, s->instance, s->dir, ".", IN_CREATE));
	}
	if (s->step == 0) {
		int w = (int)ringline_op_result(s->op);

		if (w == -EINPROGRESS)
			return w;
		g_assert_cmpint(w, >=, 0);
		CONF_OK(ringline_inotify_read_begin(&s->op, s->instance, &s->event));
		make(at_fd(s->dir), "file");
		s->step = 1;
	}
	return (int)ringline_op_result(s->op);
}

static void stackless(struct ringline_file *dir)
{
	struct ringline_task_options o = RINGLINE_TASK_OPTIONS_INIT;
	struct stackless s = { .dir = dir, .event = RINGLINE_INOTIFY_EVENT_INIT };
	struct ringline_task *t;
	int result;

	o.flags = RINGLINE_TASK_STACKLESS;
	CONF_OK(ringline_task_start(&t, poll_events, &s, &o));
	CONF_OK(ringline_task_join(t, &result));
	CONF_OK(result);
	g_assert_cmpstr(s.event.name, ==, "file");
	CONF_OK(ringline_inotify_close(s.instance));
}

static void test_stackless(const char *path)
{
	conf_log_allow("stackless");
	at_run(path, stackless);
}

static int as_nobody(void *arg)
{
	struct ringline_file *dir = at_adopt(*(int *)arg);
	struct ringline_inotify *n = new_instance();

	AT_ERROR(ringline_inotify_add(n, dir, "secret", IN_MODIFY), EACCES);
	AT_ERROR(ringline_inotify_add(n, dir, "locked/below", IN_CREATE), EACCES);
	watch(n, dir, ".", IN_CREATE);
	CONF_OK(ringline_inotify_close(n));
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

	make(fd, "secret");
	CONF_OK(mkdirat(fd, "locked", 0700));
	CONF_OK(mkdirat(fd, "locked/below", 0755));
	if (geteuid() == 0)
		conf_fork(become_nobody, &fd);
	else
		g_test_skip("not root");
	CONF_OK(close(fd));
}

/* Limits of the user, in a user namespace, whose limits are its own. */
static bool set_limit(const char *name, const char *value)
{
	int fd = open(name, O_WRONLY | O_CLOEXEC);
	bool set = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);

	if (fd >= 0)
		close(fd);
	return set;
}

static int use_limits(void *arg)
{
	struct ringline_inotify *n[3];
	const char *path = arg;
	char *below = g_build_filename(path, "below", NULL);
	char *more = g_build_filename(path, "more", NULL);

	n[0] = new_instance();
	n[1] = new_instance();
	AT_ERROR(ringline_inotify_new(&n[2]), EMFILE);
	watch(n[0], NULL, path, IN_CREATE);
	watch(n[1], NULL, below, IN_CREATE);
	AT_ERROR(ringline_inotify_add(n[1], NULL, more, IN_CREATE), ENOSPC);
	CONF_OK(ringline_inotify_close(n[0]));
	CONF_UNTIL(ringline_inotify_new(&n[0]) == 0);
	watch(n[0], NULL, more, IN_CREATE);
	CONF_OK(ringline_inotify_close(n[0]));
	CONF_OK(ringline_inotify_close(n[1]));
	g_free(below);
	g_free(more);
	return 0;
}

static void enter_limits(const void *arg)
{
	int r;

	if (unshare(CLONE_NEWUSER) != 0 || !set_limit("/proc/self/uid_map", "0 0 1") ||
	    !set_limit("/proc/sys/user/max_inotify_instances", "2") || !set_limit("/proc/sys/user/max_inotify_watches", "2"))
		conf_fork_skip("limits of our own");
	r = conf_run(use_limits, (void *)arg);
	if (r != -EPERM || conf_is("epoll"))
		CONF_OK(r);
}

static void test_limits(const char *path)
{
	int fd = at_descriptor(AT_FDCWD, path);

	CONF_OK(mkdirat(fd, "below", 0755));
	CONF_OK(mkdirat(fd, "more", 0755));
	CONF_OK(close(fd));
	conf_fork(enter_limits, path);
}

/* A limit of the process. */
static void no_descriptor(struct ringline_file *dir)
{
	struct ringline_inotify *n;
	struct rlimit before;
	struct rlimit r;
	int free_fd = fcntl(at_fd(dir), F_DUPFD_CLOEXEC, 0);

	CONF_OK(close(free_fd));
	CONF_OK(getrlimit(RLIMIT_NOFILE, &before));
	r = (struct rlimit){ .rlim_cur = (rlim_t)free_fd, .rlim_max = before.rlim_max };
	CONF_OK(setrlimit(RLIMIT_NOFILE, &r));
	AT_ERROR(ringline_inotify_new(&n), EMFILE);
	CONF_OK(setrlimit(RLIMIT_NOFILE, &before));
	CONF_OK(ringline_inotify_close(new_instance()));
}

static void test_no_descriptor(const char *path)
{
	at_run(path, no_descriptor);
}

/* --- readers -------------------------------------------------------------------------------------------------------- */

static void busy(struct ringline_inotify *n)
{
	struct ringline_inotify_event e = RINGLINE_INOTIFY_EVENT_INIT;
	struct ringline_op *op;

	AT_ERROR(ringline_inotify_read(n, &e), EBUSY);
	AT_ERROR(ringline_inotify_read_nowait(n, &e), EBUSY);
	AT_ERROR(ringline_inotify_read_begin(&op, n, &e), EBUSY);
}

static int read_one(void *arg)
{
	struct ringline_inotify_event e = RINGLINE_INOTIFY_EVENT_INIT;

	return ringline_inotify_read(arg, &e);
}

/* While one waits, watches are still added and removed. */
static void two_readers(struct ringline_file *dir)
{
	struct ringline_inotify *n = new_instance();
	struct ringline_task *t;
	int result;
	int w;

	CONF_OK(ringline_task_start(&t, read_one, n, NULL));
	CONF_OK(ringline_yield());
	busy(n);
	w = watch(n, dir, ".", IN_CREATE);
	busy(n);
	make(at_fd(dir), "file");
	CONF_OK(ringline_task_join(t, &result));
	CONF_OK(result);
	CONF_OK(ringline_inotify_remove(n, w));
	expect_event(n, w, IN_IGNORED, NULL);
	CONF_OK(ringline_inotify_close(n));
}

static void test_two_readers(const char *path)
{
	at_run(path, two_readers);
}

/* Operations, whether their event is there, has been brought by the one before, or has to come; nobody reads afterwards. */
static void operations(struct ringline_file *dir)
{
	struct ringline_inotify_event e = RINGLINE_INOTIFY_EVENT_INIT;
	struct ringline_inotify *n = new_instance();
	struct ringline_op *op;
	int w = watch(n, dir, ".", IN_CREATE);
	char name[20];
	int i;

	for (i = 0; i < 10; i++) {
		g_snprintf(name, sizeof(name), "f%d", i);
		make(at_fd(dir), name);
	}
	for (i = 0; i < 20; i++) {
		CONF_OK(ringline_inotify_read_begin(&op, n, &e));
		busy(n);
		g_snprintf(name, sizeof(name), "f%d", i);
		if (i >= 10)
			make(at_fd(dir), name);
		CONF_OK(ringline_op_await(op));
		g_assert_cmpstr(e.name, ==, name);
		g_assert_cmpint(e.watch, ==, w);
	}
	expect_none(n);
	make(at_fd(dir), "a");
	make(at_fd(dir), "b");
	make(at_fd(dir), "c");
	CONF_OK(ringline_inotify_read_begin(&op, n, &e));
	CONF_OK(ringline_op_await(op));
	expect_event(n, w, IN_CREATE, "b");
	CONF_OK(ringline_inotify_read_nowait(n, &e));
	g_assert_cmpstr(e.name, ==, "c");
	CONF_OK(ringline_inotify_close(n));
}

static void test_operations(const char *path)
{
	at_run(path, operations);
}

static void watched(struct ringline_file *dir)
{
	struct ringline_inotify_event e = RINGLINE_INOTIFY_EVENT_INIT;
	struct ringline_inotify *n = new_instance();
	struct ringline_case c[1] = { { .kind = RINGLINE_CASE_FD } };
	struct ringline_fd_watch *fw;
	int w = watch(n, dir, ".", IN_CREATE);
	int i;

	CONF_OK(ringline_fd_watch_new(&fw, ringline_inotify_fd(n), POLLIN));
	c[0].object = fw;
	make(at_fd(dir), "a");
	make(at_fd(dir), "b");
	g_assert_cmpint(ringline_fd_watch_wait(fw), ==, POLLIN);
	for (i = 0; i < 2; i++) {
		CONF_OK(ringline_inotify_read_nowait(n, &e));
		g_assert_cmpint(e.watch, ==, w);
		g_assert_cmpint(e.name[0], ==, 'a' + i);
	}
	expect_none(n);
	make(at_fd(dir), "c");
	g_assert_cmpint(ringline_select(c, 1, sizeof(c[0]), 0), ==, 0);
	g_assert_cmpint(c[0].result, ==, POLLIN);
	CONF_OK(ringline_inotify_read_nowait(n, &e));
	g_assert_cmpstr(e.name, ==, "c");
	CONF_OK(ringline_fd_watch_free(fw));
	make(at_fd(dir), "d");
	expect_event(n, w, IN_CREATE, "d");
	make(at_fd(dir), "e");
	g_assert_cmpint(ringline_fd_wait(ringline_inotify_fd(n), POLLIN), ==, POLLIN);
	expect_event(n, w, IN_CREATE, "e");
	CONF_OK(ringline_inotify_close(n));
}

static void test_watched(const char *path)
{
	at_run(path, watched);
}

#define INSTANCES 30

static int own_events(void *arg)
{
	struct ringline_file *dir = arg;
	struct ringline_inotify *n = new_instance();
	static unsigned int serial;
	char sub[20];
	char name[64];
	int w;
	int i;

	g_snprintf(sub, sizeof(sub), "own-%u", serial++);
	CONF_OK(mkdirat(at_fd(dir), sub, 0700));
	w = watch(n, dir, sub, IN_CREATE);
	for (i = 0; i < 50; i++) {
		g_snprintf(name, sizeof(name), "%s/%s-%d", sub, sub, i);
		make(at_fd(dir), name);
		if (i % 3)
			CONF_OK(ringline_yield());
		expect_event(n, w, IN_CREATE, strchr(name, '/') + 1);
	}
	expect_none(n);
	CONF_OK(ringline_inotify_close(n));
	return 0;
}

static void many_instances(struct ringline_file *dir)
{
	struct ringline_scope *scope;
	int i;

	CONF_OK(ringline_scope_open(&scope, NULL));
	for (i = 0; i < INSTANCES; i++)
		CONF_OK(ringline_scope_spawn(scope, own_events, dir));
	CONF_OK(ringline_scope_close(scope));
}

static void test_many_instances(const char *path)
{
	at_run(path, many_instances);
}

static uint64_t count(const char *operation, const char *engine)
{
	uint64_t n;

	CONF_OK(ringline_worker_op_count(NULL, 0, operation, engine, &n));
	return n;
}

/* A thread adds watches; events are waited for by the engine, as bytes of a connection are. */
static void counts(struct ringline_file *dir)
{
	const char *engine = conf_is("epoll") ? "epoll" : "io_uring";
	struct ringline_inotify_event e = RINGLINE_INOTIFY_EVENT_INIT;
	struct ringline_inotify *n = new_instance();
	uint64_t adds = count("inotify_add", "pool");
	uint64_t recvs = count("recv", engine);
	struct ringline_op *op;

	watch(n, dir, ".", IN_CREATE);
	g_assert_cmpuint(count("inotify_add", "pool"), ==, adds + 1);
	CONF_OK(ringline_inotify_read_begin(&op, n, &e));
	CONF_OK(ringline_yield());
	make(at_fd(dir), "file");
	CONF_OK(ringline_op_await(op));
	g_assert_cmpuint(count("recv", engine), ==, recvs + 1);
	CONF_OK(ringline_inotify_close(n));
}

static void test_counts(const char *path)
{
	at_run(path, counts);
}

/* --- cuts, and what is lost ----------------------------------------------------------------------------------------- */

struct maker {
	int dir;
	int n;
};

static void *make_slowly(void *arg)
{
	struct maker *m = arg;
	char name[20];
	int i;

	for (i = 0; i < m->n; i++) {
		g_snprintf(name, sizeof(name), "f%d", i);
		make(m->dir, name);
		if (i % 7 == 0)
			g_usleep(300);
	}
	return NULL;
}

/* Read within this time, or not. */
static int read_until(struct ringline_inotify *n, struct ringline_inotify_event *e, uint64_t deadline)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;
	int r;

	o.deadline = deadline;
	CONF_OK(ringline_scope_open(&scope, &o));
	r = ringline_inotify_read(n, e);
	(void)ringline_scope_close(scope);
	return r;
}

/* Cancelled at one moment or another. */
static int read_cancelled(struct ringline_inotify *n, struct ringline_inotify_event *e, int moment)
{
	struct ringline_op *op;

	CONF_OK(ringline_inotify_read_begin(&op, n, e));
	while (moment--)
		CONF_OK(ringline_yield());
	CONF_OK(ringline_op_cancel(op));
	return (int)ringline_op_await(op);
}

/* Each of them comes, in order, however often a read is cut in between. */
static void loses_nothing(struct ringline_file *dir)
{
	struct ringline_inotify_event e = RINGLINE_INOTIFY_EVENT_INIT;
	struct ringline_inotify *n = new_instance();
	struct maker m = { .dir = at_fd(dir), .n = 2000 };
	unsigned int cuts = 0;
	pthread_t thread;
	int i = 0;

	watch(n, dir, ".", IN_CREATE);
	AT_ERROR(read_until(n, &e, ringline_now() + MSEC), ETIME);
	AT_ERROR(read_cancelled(n, &e, 2), ECANCELED);
	CONF_OK(pthread_create(&thread, NULL, make_slowly, &m));
	while (i < m.n) {
		int r = cuts % 2 ? read_until(n, &e, ringline_now() + 100000) : read_cancelled(n, &e, (int)(cuts % 5));
		char name[20];

		cuts++;
		if (r < 0) {
			g_assert_true(r == -ETIME || r == -ECANCELED);
			continue;
		}
		CONF_OK(r);
		g_snprintf(name, sizeof(name), "f%d", i++);
		g_assert_cmpstr(e.name, ==, name);
	}
	CONF_OK(pthread_join(thread, NULL));
	expect_none(n);
	CONF_OK(ringline_inotify_close(n));
}

static void test_loses_nothing(const char *path)
{
	at_run(path, loses_nothing);
}

/* What an event of an operation that nobody awaits tells is gone, the next one is not. */
static void left_alone(struct ringline_file *dir)
{
	struct ringline_inotify_event e = RINGLINE_INOTIFY_EVENT_INIT;
	struct ringline_inotify *n = new_instance();
	struct ringline_scope *scope;
	struct ringline_op *op;
	int w = watch(n, dir, ".", IN_CREATE);
	int i;

	for (i = 0; i < 4; i++) {
		CONF_OK(ringline_scope_open(&scope, NULL));
		CONF_OK(ringline_inotify_read_begin(&op, n, &e));
		if (i % 2)
			conf_pause();
		CONF_OK(ringline_scope_close(scope));
	}
	make(at_fd(dir), "a");
	expect_event(n, w, IN_CREATE, "a");
	CONF_OK(ringline_inotify_close(n));
}

static void test_left_alone(const char *path)
{
	at_run(path, left_alone);
}

static void cut_before(struct ringline_file *dir)
{
	struct ringline_inotify_event e = RINGLINE_INOTIFY_EVENT_INIT;
	struct ringline_inotify *n = new_instance();
	struct ringline_scope *scope;
	struct ringline_op *op;
	int w = watch(n, dir, ".", IN_CREATE);

	make(at_fd(dir), "a");
	make(at_fd(dir), "b");
	expect_event(n, w, IN_CREATE, "a");
	CONF_OK(ringline_scope_open(&scope, NULL));
	CONF_OK(ringline_scope_cancel(scope));
	AT_ERROR(ringline_inotify_read(n, &e), ECANCELED);
	AT_ERROR(ringline_inotify_read_begin(&op, n, &e), ECANCELED);
	AT_ERROR(ringline_inotify_add(n, dir, ".", IN_CREATE), ECANCELED);
	AT_ERROR(ringline_inotify_add_begin(&op, n, dir, ".", IN_CREATE), ECANCELED);
	CONF_OK(ringline_inotify_read_nowait(n, &e));         /* does not suspend */
	g_assert_cmpstr(e.name, ==, "b");
	AT_ERROR(ringline_scope_close(scope), ECANCELED);
	CONF_OK(ringline_inotify_close(n));
}

static void test_cut_before(const char *path)
{
	at_run(path, cut_before);
}

/* In the queue nothing is watched yet; the close of the instance ends that at once. */
static void add_queued(struct ringline_file *dir)
{
	struct ringline_inotify *n = new_instance();
	struct ringline_inotify *other = new_instance();
	struct ringline_op *op[2];
	struct at_gate g;

	at_gate_close(&g, at_class());
	CONF_OK(ringline_inotify_add_begin(&op[0], n, dir, ".", IN_CREATE));
	CONF_OK(ringline_inotify_add_begin(&op[1], other, dir, ".", IN_CREATE));
	CONF_OK(ringline_op_cancel(op[0]));
	AT_ERROR(ringline_op_await(op[0]), ECANCELED);
	CONF_OK(ringline_inotify_close(other));
	AT_ERROR(ringline_op_await(op[1]), EBADF);
	at_gate_open(&g);
	make(at_fd(dir), "file");
	expect_none(n);
	CONF_OK(ringline_inotify_close(n));
}

static void test_add_queued(const char *path)
{
	at_run_queued(path, add_queued);
}

static void add_running(struct ringline_file *dir)
{
	struct ringline_inotify *n = new_instance();
	struct ringline_op *op;
	int w;

	CONF_OK(mkdirat(at_fd(dir), "sub", 0700));
	place_fault("fail lookup EIO");
	AT_ERROR(ringline_inotify_add(n, dir, "sub", IN_CREATE), EIO);
	place_fault("clear");
	place_fault("stall lookup");
	CONF_OK(ringline_inotify_add_begin(&op, n, dir, "sub", IN_CREATE));
	place_stalled("lookup");
	CONF_OK(ringline_op_cancel(op));
	conf_pause();
	AT_ERROR(ringline_op_result(op), EINPROGRESS);
	place_fault("release lookup");
	w = (int)ringline_op_await(op);
	g_assert_cmpint(w, >=, 0);
	make(at_fd(dir), "sub/file");
	expect_event(n, w, IN_CREATE, "file");
	CONF_OK(ringline_inotify_close(n));
}

static void test_add_running(const char *path)
{
	at_run(path, add_running);
}

/* The kernel's queue, which is for the whole machine to say how long it is. */
static int queue_length(void)
{
	char text[16] = "";

	(void)at_read(AT_FDCWD, "/proc/sys/fs/inotify/max_queued_events", text, sizeof(text) - 1);
	return atoi(text);
}

/* Different ones, so that none is merged with the one before. */
static void make_and_remove(int dir, int n)
{
	char name[20];
	int i;

	for (i = 0; i < n; i++) {
		g_snprintf(name, sizeof(name), "f%d", i);
		make(dir, name);
		CONF_OK(unlinkat(dir, name, 0));
	}
}

static void overflow(struct ringline_file *dir)
{
	struct ringline_inotify *n = new_instance();
	int w = watch(n, dir, ".", IN_CREATE | IN_DELETE);
	char name[20];
	int i;

	make_and_remove(at_fd(dir), CROWD);
	for (i = 0; i < queue_length(); i++) {
		g_snprintf(name, sizeof(name), "f%d", i / 2);
		expect_event(n, w, i % 2 ? IN_DELETE : IN_CREATE, name);
	}
	expect_event(n, -1, IN_Q_OVERFLOW, NULL);
	expect_none(n);
	make(at_fd(dir), "after");
	expect_event(n, w, IN_CREATE, "after");
	CONF_OK(ringline_inotify_close(n));
}

static void test_overflow(const char *path)
{
	int length = queue_length();

	if (length < 1 || length > 32768)
		g_test_skip("the kernel's queue is too long");
	else
		at_run(path, overflow);
}

/* --- ends ----------------------------------------------------------------------------------------------------------- */

/* Who waits is woken, at whatever stage the wait is, and whether events are left or not. */
static void closed_while_waited_for(struct ringline_file *dir)
{
	struct ringline_inotify_event e = RINGLINE_INOTIFY_EVENT_INIT;
	struct ringline_inotify *n;
	struct ringline_task *t;
	struct ringline_op *op;
	int result;
	int i;

	n = new_instance();
	watch(n, dir, ".", IN_CREATE);
	CONF_OK(ringline_task_start(&t, read_one, n, NULL));
	CONF_OK(ringline_yield());
	CONF_OK(ringline_inotify_close(n));
	AT_ERROR(ringline_inotify_read(n, &e), EBADF);
	CONF_OK(ringline_task_join(t, &result));
	AT_ERROR(result, EBADF);
	for (i = 0; i < 4; i++) {
		n = new_instance();
		watch(n, dir, ".", IN_DELETE);
		make(at_fd(dir), "file");
		CONF_OK(unlinkat(at_fd(dir), "file", 0));
		if (i % 2)
			expect_event(n, 1, IN_DELETE, "file");
		CONF_OK(ringline_inotify_read_begin(&op, n, &e));
		if (i == 3)
			CONF_OK(ringline_yield());
		CONF_OK(ringline_inotify_close(n));
		AT_ERROR(ringline_op_await(op), EBADF);
	}
}

static void test_closed_while_waited_for(const char *path)
{
	at_run(path, closed_while_waited_for);
}

static int wait_for_ever(void *arg)
{
	struct ringline_inotify_event e = RINGLINE_INOTIFY_EVENT_INIT;
	struct ringline_inotify *n = new_instance();

	watch(n, NULL, arg, IN_CREATE);
	return ringline_inotify_read(n, &e);
}

static void test_shutdown(const char *path)
{
	char *dir = g_strdup(path);
	struct ringline_runtime *rt;
	struct ringline_config c;

	conf_config(&c);
	c.drain_timeout = 1;
	rt = conf_serve(&c, 1, NULL, NULL, NULL, NULL);
	CONF_OK(ringline_worker_spawn(rt, 0, wait_for_ever, dir));
	CONF_UNTIL(conf_stats(rt).operations_submitted > 0);
	CONF_OK(conf_stop(rt));
	g_free(dir);
}

/* --- the program ---------------------------------------------------------------------------------------------------- */

#define TOPIC "inotify"

static void add_events(void)
{
	place_add_each(TOPIC, "each-kind-of-event", test_kinds);
	place_add_each(TOPIC, "what-happens-to-the-watched-itself", test_selves);
	place_add_each(TOPIC, "watches-are-told-apart", test_watches);
	place_add_each(TOPIC, "masks", test_masks);
	place_add_each(TOPIC, "one-shot", test_one_shot);
	place_add_each(TOPIC, "names", test_names);
	place_add(TOPIC, "here", "structures-of-other-sizes", test_sizes);
	place_add(TOPIC, "tmpfs", "overflow-is-told", test_overflow);
}

static void add_refused(void)
{
	place_add_each(TOPIC, "refused", test_refused);
	place_add(TOPIC, "here", "closed-is-ebadf", test_closed);
	place_add(TOPIC, "here", "elsewhere-is-eperm", test_elsewhere);
	place_add(TOPIC, "here", "stackless-begins-each", test_stackless);
	place_add(TOPIC, "here", "unreadable-is-eacces", test_permissions);
	place_add(TOPIC, "here", "limits-of-the-user", test_limits);
	place_add(TOPIC, "here", "no-descriptor-is-emfile", test_no_descriptor);
}

static void add_readers(void)
{
	place_add(TOPIC, "here", "two-readers-are-ebusy", test_two_readers);
	place_add(TOPIC, "here", "operations", test_operations);
	place_add(TOPIC, "here", "descriptor-can-be-watched", test_watched);
	place_add(TOPIC, "here", "many-instances", test_many_instances);
	place_add(TOPIC, "here", "counted-as-the-manual-says", test_counts);
	place_add_each(TOPIC, "cuts-lose-nothing", test_loses_nothing);
	place_add(TOPIC, "here", "left-alone", test_left_alone);
	place_add(TOPIC, "here", "cut-before", test_cut_before);
	place_add_each(TOPIC, "add-cut-in-the-queue", test_add_queued);
	place_add(TOPIC, "fuse", "add-cut-while-it-runs-is-waited-for", test_add_running);
	place_add(TOPIC, "here", "close-wakes-who-waits", test_closed_while_waited_for);
	place_add(TOPIC, "here", "shutdown-reaches-who-waits", test_shutdown);
}

static void add(void)
{
	add_events();
	add_refused();
	add_readers();
}

int main(int argc, char **argv)
{
	return place_main(argc, argv, TOPIC, add);
}
