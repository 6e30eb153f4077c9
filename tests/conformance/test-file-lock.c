/* SPDX-License-Identifier: MIT */
/* Locks of files: who excludes whom, who waits, who is cut, and that in the end nobody has what he does not know of. */
#include <stdio.h>

#include "support/files.h"

#define SHARED    RINGLINE_LOCK_SHARED
#define EXCLUSIVE RINGLINE_LOCK_EXCLUSIVE
#define WAITERS   50
#define THREADS   256

/* Whether another open file could have the range, as the system says. */
static bool is_free(const char *dir, uint64_t offset, uint64_t len)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)offset, .l_len = (off_t)len };
	int fd = file_fd(dir, "file", O_RDWR);

	CONF_OK(fcntl(fd, F_OFD_GETLK, &lock));
	CONF_OK(close(fd));
	return lock.l_type == F_UNLCK;
}

/* A lock that a task of its own waits for. */
struct waiter {
	struct ringline_file *file;
	uint64_t offset;
	int result;
	bool returned;
};

static int waiter_main(void *arg)
{
	struct waiter *w = arg;

	w->result = ringline_file_lock(w->file, EXCLUSIVE, w->offset, 10);
	w->returned = true;
	return 0;
}

/* It waits when this returns, or is about to. */
static struct ringline_task *wait_for_lock(struct waiter *w, struct ringline_file *file)
{
	struct ringline_task *t;

	*w = (struct waiter){ .file = file };
	CONF_OK(ringline_task_start(&t, waiter_main, w, NULL));
	file_turns(5);
	g_assert_false(w->returned);
	return t;
}

/* --- in a root where there is nothing ----------------------------------------------------------------------------- */

static int chroot_main(void *arg)
{
	struct ringline_scope *scope;
	struct ringline_file *a;
	struct ringline_file *b;

	CONF_OK(ringline_file_from_fd(&a, ((int *)arg)[0]));
	CONF_OK(ringline_file_from_fd(&b, ((int *)arg)[1]));
	CONF_OK(ringline_file_lock(a, EXCLUSIVE, 0, 0));
	scope = file_scope(5 * MSEC);
	g_assert_cmpint(ringline_file_lock(b, EXCLUSIVE, 0, 0), ==, -ETIME);
	file_scope_end(scope, -ETIME);
	CONF_OK(ringline_file_close(a));
	return ringline_file_close(b);
}

static void in_chroot(const void *arg)
{
	const char *dir = arg;
	int fd[2] = { file_fd(dir, "file", O_RDWR), file_fd(dir, "file", O_RDWR) };
	char *root = file_path(dir, "root");
	struct ringline_runtime *rt;

	CONF_OK(mkdir(root, 0755));
	rt = conf_serve(NULL, 1, NULL, NULL, NULL, NULL);
	CONF_OK(chroot(root));
	CONF_OK(chdir("/"));
	CONF_OK(conf_call(rt, 0, chroot_main, fd));
	CONF_OK(ringline_runtime_shutdown(rt));
	CONF_OK(ringline_runtime_join(rt));
}

/* A daemon that has locked itself in finds no libraries any more. */
static void test_chroot(const char *dir)
{
	if (geteuid() != 0) {
		g_test_skip("only root can change its root");
		return;
	}
	file_put(dir, "file", 100, 1);
	conf_fork(in_chroot, dir);
}

/* --- who excludes whom -------------------------------------------------------------------------------------------- */

static int exclude_main(void *dir)
{
	struct ringline_file *a = file_open(dir, "file", O_RDWR);
	struct ringline_file *b = file_open(dir, "file", O_RDWR);
	struct ringline_op *op;

	CONF_OK(ringline_file_lock(a, EXCLUSIVE, 0, 10));
	g_assert_cmpint(ringline_file_try_lock(b, EXCLUSIVE, 0, 10), ==, -EAGAIN);
	g_assert_cmpint(ringline_file_try_lock(b, SHARED, 9, 1), ==, -EAGAIN);
	CONF_OK(ringline_file_try_lock(b, EXCLUSIVE, 10, 10));
	CONF_OK(ringline_file_lock(a, EXCLUSIVE, 0, 10));            /* it has it */
	CONF_OK(ringline_file_lock(a, SHARED, 0, 10));               /* it gives part of it up */
	CONF_OK(ringline_file_lock(b, SHARED, 0, 10));
	g_assert_cmpint(ringline_file_try_lock(a, EXCLUSIVE, 0, 10), ==, -EAGAIN);
	CONF_OK(ringline_file_unlock(b, 0, 10));
	CONF_OK(ringline_file_try_lock(a, EXCLUSIVE, 0, 10));
	CONF_OK(ringline_file_unlock(a, 3, 4));                      /* a hole in the middle */
	CONF_OK(ringline_file_try_lock(b, EXCLUSIVE, 3, 4));
	g_assert_cmpint(ringline_file_try_lock(b, EXCLUSIVE, 2, 1), ==, -EAGAIN);
	CONF_OK(ringline_file_unlock(a, 0, 0));
	CONF_OK(ringline_file_unlock(b, 0, 0));
	CONF_OK(ringline_file_unlock(b, 5, 5));                      /* nothing to give up */
	g_assert_true(is_free(dir, 0, 0));

	CONF_OK(ringline_file_lock(a, EXCLUSIVE, 100, 0));           /* to the end, wherever that is */
	g_assert_cmpint(ringline_file_try_lock(b, SHARED, INT64_MAX - 1, 1), ==, -EAGAIN);
	CONF_OK(ringline_file_try_lock(b, EXCLUSIVE, 0, 100));
	CONF_OK(ringline_file_try_lock_begin(&op, b, SHARED, 100, 1));
	g_assert_cmpint(ringline_op_await(op), ==, -EAGAIN);
	CONF_OK(ringline_file_unlock_begin(&op, a, 0, 0));
	g_assert_cmpint(ringline_op_await(op), ==, 0);
	CONF_OK(ringline_file_try_lock_begin(&op, b, SHARED, 100, 1));
	g_assert_cmpint(ringline_op_await(op), ==, 0);
	CONF_OK(ringline_file_lock_begin(&op, a, SHARED, 100, 1));
	g_assert_cmpint(ringline_op_await(op), ==, 0);
	CONF_OK(ringline_file_close(a));
	CONF_OK(ringline_file_close(b));
	g_assert_true(is_free(dir, 0, 0));
	return 0;
}

static void test_exclude(const char *dir)
{
	file_put(dir, "file", 100, 1);
	file_run(dir, exclude_main);
}

static int refused_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR);
	struct ringline_file *reader = file_open(dir, "file", O_RDONLY);
	struct ringline_file *writer = file_open(dir, "file", O_WRONLY);
	struct ringline_file *name = file_open(dir, "file", O_PATH);
	struct ringline_op *op;

	g_assert_cmpint(ringline_file_lock(file, 2, 0, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_file_try_lock(file, UINT32_MAX, 0, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_file_lock_begin(&op, file, 2, 0, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_file_try_lock_begin(&op, file, 2, 0, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_file_lock(file, SHARED, (uint64_t)INT64_MAX + 1, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_file_lock(file, SHARED, 1, INT64_MAX), ==, -EINVAL);
	g_assert_cmpint(ringline_file_lock_begin(&op, file, SHARED, 1, INT64_MAX), ==, -EINVAL);
	g_assert_cmpint(ringline_file_unlock(file, 2, INT64_MAX - 1), ==, -EINVAL);
	g_assert_cmpint(ringline_file_unlock_begin(&op, file, UINT64_MAX, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_file_lock(reader, EXCLUSIVE, 0, 1), ==, -EBADF);
	CONF_OK(ringline_file_lock(reader, SHARED, 0, 1));
	g_assert_cmpint(ringline_file_lock(writer, SHARED, 0, 1), ==, -EBADF);
	CONF_OK(ringline_file_lock(writer, EXCLUSIVE, 1, 1));
	g_assert_cmpint(ringline_file_lock(name, SHARED, 0, 1), ==, -EBADF);
	CONF_OK(ringline_file_close(name));
	CONF_OK(ringline_file_close(writer));
	CONF_OK(ringline_file_close(reader));
	g_assert_true(is_free(dir, 0, 0));
	return ringline_file_close(file);
}

static void test_refused(const char *dir)
{
	file_put(dir, "file", 100, 1);
	file_run(dir, refused_main);
}

/* --- waiting ------------------------------------------------------------------------------------------------------ */

static int wait_main(void *dir)
{
	struct ringline_file *a = file_open(dir, "file", O_RDWR);
	struct ringline_file *b = file_open(dir, "file", O_RDWR);
	uint64_t waits = file_count("lock", "pool");
	struct ringline_task *t;
	struct waiter w;
	int i;

	for (i = 0; i < 2; i++) {
		CONF_OK(ringline_file_lock(a, EXCLUSIVE, 0, 10));
		t = wait_for_lock(&w, b);
		if (i)
			CONF_OK(ringline_file_close(a));       /* its locks go with it */
		else
			CONF_OK(ringline_file_unlock(a, 0, 0));
		CONF_OK(ringline_task_join(t, NULL));
		CONF_OK(w.result);
		g_assert_false(is_free(dir, 0, 10));
		CONF_OK(ringline_file_unlock(b, 0, 0));
		g_assert_true(is_free(dir, 0, 0));
	}
	if (file_inline() && !place_is("fuse"))
		g_assert_cmpuint(file_count("lock", "pool"), ==, waits + 2);
	return ringline_file_close(b);
}

static void test_wait(const char *dir)
{
	file_put(dir, "file", 100, 1);
	file_run(dir, wait_main);
}

/* For somebody else's process. */
static int wait_raw_main(void *dir)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct ringline_file *file = file_open(dir, "file", O_RDWR);
	int fd = file_fd(dir, "file", O_RDWR);
	struct ringline_task *t;
	struct waiter w;

	CONF_OK(fcntl(fd, F_OFD_SETLK, &lock));
	g_assert_cmpint(ringline_file_try_lock(file, SHARED, 0, 1), ==, -EAGAIN);
	t = wait_for_lock(&w, file);
	CONF_OK(close(fd));
	CONF_OK(ringline_task_join(t, NULL));
	CONF_OK(w.result);
	return ringline_file_close(file);
}

static void test_wait_raw(const char *dir)
{
	file_put(dir, "file", 100, 1);
	file_run(dir, wait_raw_main);
}

enum cut {
	BY_DEADLINE,
	BY_TASK,
	BY_OPERATION,
	BY_SCOPE,
	CUTS
};

static void cut_wait(enum cut how, struct ringline_file *file)
{
	struct ringline_scope *scope;
	struct ringline_task *t;
	struct ringline_op *op;
	struct waiter w;

	if (how == BY_DEADLINE) {
		scope = file_scope(5 * MSEC);
		g_assert_cmpint(ringline_file_lock(file, EXCLUSIVE, 0, 10), ==, -ETIME);
		file_scope_end(scope, -ETIME);
	} else if (how == BY_TASK) {
		t = wait_for_lock(&w, file);
		CONF_OK(ringline_task_cancel(t));
		CONF_OK(ringline_task_join(t, NULL));
		g_assert_cmpint(w.result, ==, -ECANCELED);
	} else {
		CONF_OK(ringline_scope_open(&scope, NULL));
		CONF_OK(ringline_file_lock_begin(&op, file, EXCLUSIVE, 0, 10));
		file_turns(5);
		if (how == BY_OPERATION) {
			CONF_OK(ringline_op_cancel(op));
			g_assert_cmpint(ringline_op_await(op), ==, -ECANCELED);
		}
		file_scope_end(scope, 0);
	}
}

/* It comes back while the other one still has it, and when that gives it up nobody has it. */
static int cut_main(void *dir)
{
	struct ringline_file *a = file_open(dir, "file", O_RDWR);
	struct ringline_file *b = file_open(dir, "file", O_RDWR);
	struct ringline_scope *scope;
	int i;

	for (i = 0; i < CUTS; i++) {
		CONF_OK(ringline_file_lock(a, EXCLUSIVE, 0, 10));
		cut_wait((enum cut)i, b);
		g_assert_false(is_free(dir, 0, 10));
		CONF_OK(ringline_file_unlock(a, 0, 0));
		g_assert_true(is_free(dir, 0, 0));
	}
	/* whoever was cut gives up what he has */
	CONF_OK(ringline_file_lock(a, EXCLUSIVE, 0, 10));
	scope = file_cancelled();
	CONF_OK(ringline_file_unlock(a, 0, 0));
	file_scope_end(scope, -ECANCELED);
	g_assert_true(is_free(dir, 0, 0));
	CONF_OK(ringline_file_close(a));
	return ringline_file_close(b);
}

static void test_cut(const char *dir)
{
	file_put(dir, "file", 100, 1);
	file_run(dir, cut_main);
}

/* The close of a file takes its waiters out of the wait. */
static int closed_main(void *dir)
{
	struct ringline_file *a = file_open(dir, "file", O_RDWR);
	struct ringline_file *b = file_open(dir, "file", O_RDWR);
	struct ringline_task *t[3];
	struct waiter w[3];
	int i;

	CONF_OK(ringline_file_lock(a, EXCLUSIVE, 0, 10));
	for (i = 0; i < 3; i++)
		t[i] = wait_for_lock(&w[i], b);
	CONF_OK(ringline_file_close(b));
	for (i = 0; i < 3; i++) {
		CONF_OK(ringline_task_join(t[i], NULL));
		g_assert_cmpint(w[i].result, ==, -EBADF);
	}
	CONF_OK(ringline_file_unlock(a, 0, 0));
	g_assert_true(is_free(dir, 0, 0));
	return ringline_file_close(a);
}

static void test_closed(const char *dir)
{
	file_put(dir, "file", 100, 1);
	file_run(dir, closed_main);
}

/* Closed between the try and the wait. */
static int closed_early_main(void *dir)
{
	struct ringline_file *a = file_open(dir, "file", O_RDWR);
	int i;

	CONF_OK(ringline_file_lock(a, EXCLUSIVE, 0, 10));
	for (i = 0; i < 20; i++) {
		struct ringline_file *b = file_open(dir, "file", O_RDWR);
		struct ringline_op *close;
		struct ringline_op *op;

		CONF_OK(ringline_file_lock_begin(&op, b, EXCLUSIVE, 0, 10));
		file_turns(i % 6);
		CONF_OK(ringline_file_close_begin(&close, b));
		g_assert_cmpint(ringline_op_await(op), ==, -EBADF);
		g_assert_cmpint(ringline_op_await(close), ==, 0);
	}
	CONF_OK(ringline_file_unlock(a, 0, 0));
	g_assert_true(is_free(dir, 0, 0));
	return ringline_file_close(a);
}

static void test_closed_early(const char *dir)
{
	file_put(dir, "file", 100, 1);
	file_run(dir, closed_early_main);
}

/* --- many --------------------------------------------------------------------------------------------------------- */

struct crowd {
	const char *dir;
	int inside;
	int had_it;
	int cut;
};

static int in_turn(void *arg)
{
	struct crowd *c = arg;
	struct ringline_file *file = file_open(c->dir, "file", O_RDWR);

	CONF_OK(ringline_file_lock(file, EXCLUSIVE, 0, 10));
	g_assert_cmpint(++c->inside, ==, 1);
	c->had_it++;
	CONF_OK(ringline_yield());
	g_assert_cmpint(c->inside--, ==, 1);
	if (c->had_it % 2)
		CONF_OK(ringline_file_unlock(file, 0, 10));
	return ringline_file_close(file);
}

static int crowd_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR);
	struct crowd c = { .dir = dir };
	struct ringline_scope *scope;
	int i;

	CONF_OK(ringline_file_lock(file, EXCLUSIVE, 0, 10));
	CONF_OK(ringline_scope_open(&scope, NULL));
	for (i = 0; i < WAITERS; i++)
		CONF_OK(ringline_scope_spawn(scope, in_turn, &c));
	file_turns(20);
	g_assert_cmpint(c.had_it, ==, 0);
	CONF_OK(ringline_file_close(file));
	CONF_OK(ringline_scope_close(scope));
	g_assert_cmpint(c.had_it, ==, WAITERS);
	g_assert_true(is_free(dir, 0, 0));
	return 0;
}

static void test_crowd(const char *dir)
{
	file_put(dir, "file", 100, 1);
	file_run(dir, crowd_main);
}

/* Cuts against unlocks: whoever was told that he has it is the only one, and whoever was told that he has not has not. */
static int hammer_task(void *arg)
{
	struct crowd *c = arg;
	struct ringline_file *file = file_open(c->dir, "file", O_RDWR);
	uint32_t i;

	for (i = 0; i < (conf_full() ? 2000u : 60u); i++) {
		struct ringline_scope *scope = file_scope((i * 7 + (uint32_t)ringline_task_id() * 13) % 31 * 20000);
		int r = ringline_file_lock(file, EXCLUSIVE, 0, 10);

		(void)ringline_scope_close(scope);
		if (r < 0) {
			g_assert_cmpint(r, ==, -ETIME);
			c->cut++;
			continue;
		}
		g_assert_cmpint(++c->inside, ==, 1);
		c->had_it++;
		(void)ringline_sleep(i % 5 * 10000);
		g_assert_cmpint(c->inside--, ==, 1);
		CONF_OK(ringline_file_unlock(file, 0, 10));
	}
	return ringline_file_close(file);
}

static int hammer_main(void *dir)
{
	struct crowd c = { .dir = dir };
	struct ringline_scope *scope;
	struct ringline_file *file;
	int i;

	CONF_OK(ringline_scope_open(&scope, NULL));
	for (i = 0; i < 8; i++)
		CONF_OK(ringline_scope_spawn(scope, hammer_task, &c));
	CONF_OK(ringline_scope_close(scope));
	g_test_message("%d had it, %d were cut", c.had_it, c.cut);
	g_assert_true(is_free(dir, 0, 0));
	file = file_open(dir, "file", O_RDWR);
	CONF_OK(ringline_file_try_lock(file, EXCLUSIVE, 0, 0));
	return ringline_file_close(file);
}

static void test_hammer(const char *dir)
{
	file_put(dir, "file", 100, 1);
	file_run(dir, hammer_main);
}

/* The unlock and the cut at the same moment: afterwards the lock is the waiter's or nobody's, as he was told. */
static int race_main(void *dir)
{
	struct ringline_file *a = file_open(dir, "file", O_RDWR);
	struct ringline_file *b = file_open(dir, "file", O_RDWR);
	int given = 0;
	int i;

	for (i = 0; i < (conf_full() ? 5000 : 200); i++) {
		struct ringline_task *t;
		struct waiter w;

		CONF_OK(ringline_file_lock(a, EXCLUSIVE, 0, 10));
		t = wait_for_lock(&w, b);
		if (i % 2) {
			CONF_OK(ringline_file_unlock(a, 0, 0));
			CONF_OK(ringline_task_cancel(t));
		} else {
			CONF_OK(ringline_task_cancel(t));
			CONF_OK(ringline_file_unlock(a, 0, 0));
		}
		CONF_OK(ringline_task_join(t, NULL));
		g_assert_true(w.result == 0 || w.result == -ECANCELED);
		g_assert_cmpint(is_free(dir, 0, 10), ==, w.result != 0);
		given += w.result == 0;
		CONF_OK(ringline_file_unlock(b, 0, 0));
	}
	g_test_message("given %d times of %d", given, i);
	CONF_OK(ringline_file_close(a));
	return ringline_file_close(b);
}

static void test_race(const char *dir)
{
	file_put(dir, "file", 100, 1);
	file_run(dir, race_main);
}

/* --- limits ------------------------------------------------------------------------------------------------------- */

static int limit_main(void *dir)
{
	struct ringline_file *a = file_open(dir, "file", O_RDWR);
	struct ringline_file *b = file_open(dir, "file", O_RDWR);
	struct ringline_task **t = g_new0(struct ringline_task *, THREADS);
	struct waiter *w = g_new0(struct waiter, THREADS);
	const char *engine = file_inline() ? "inline" : "pool";
	uint64_t tried;
	int i;

	CONF_OK(ringline_file_lock(a, EXCLUSIVE, 0, 0));
	tried = file_count("lock", engine);
	for (i = 0; i < THREADS; i++) {
		w[i] = (struct waiter){ .file = b };
		CONF_OK(ringline_task_start(&t[i], waiter_main, &w[i], NULL));
	}
	while (file_count("lock", engine) < tried + THREADS)
		file_turns(1);
	file_turns(2);                                 /* all have tried in vain, and wait */
	g_assert_cmpint(ringline_file_lock(b, EXCLUSIVE, 0, 10), ==, -EAGAIN);
	CONF_OK(ringline_file_unlock(a, 0, 0));
	for (i = 0; i < THREADS; i++) {
		CONF_OK(ringline_task_join(t[i], NULL));
		CONF_OK(w[i].result);                  /* all of one file: it excludes nobody */
	}
	CONF_OK(ringline_file_close(a));
	CONF_OK(ringline_file_close(b));
	g_free(t);
	g_free(w);
	return 0;
}

static void test_limit(const char *dir)
{
	file_put(dir, "file", 100, 1);
	file_run(dir, limit_main);
}

/* A worker that ends takes its tasks out of their waits. */
static int leave_main(void *arg)
{
	struct waiter *w = arg;

	w->file = file_open((const char *)w->file, "file", O_RDWR);
	return waiter_main(w);
}

static void test_shutdown(const char *dir)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct waiter w = { .file = (struct ringline_file *)(uintptr_t)dir };
	struct ringline_runtime *rt;
	uint64_t n = 0;
	int fd;

	file_put(dir, "file", 100, 1);
	fd = file_fd(dir, "file", O_RDWR);
	CONF_OK(fcntl(fd, F_OFD_SETLK, &lock));
	rt = conf_serve(NULL, 1, NULL, NULL, NULL, NULL);
	CONF_OK(ringline_worker_spawn(rt, 0, leave_main, &w));
	while (!n) {
		conf_pause();
		CONF_OK(ringline_worker_op_count(rt, 0, "lock", file_inline() ? "inline" : "pool", &n));
	}
	CONF_OK(conf_stop(rt));
	g_assert_cmpint(w.result, ==, -ECANCELED);
	CONF_OK(close(fd));
	g_assert_true(is_free(dir, 0, 0));
}

static void add(void)
{
	static const char *const places[] = { "here", "fuse" };
	size_t i;

	place_add("file-lock", "here", "cut-in-a-root-without-libraries", test_chroot);
	for (i = 0; i < 2; i++) {
		place_add("file-lock", places[i], "who-excludes-whom", test_exclude);
		place_add("file-lock", places[i], "refused", test_refused);
		place_add("file-lock", places[i], "waits-and-is-given", test_wait);
		place_add("file-lock", places[i], "waits-for-others", test_wait_raw);
		place_add("file-lock", places[i], "cut-is-prompt-and-leaves-no-lock", test_cut);
		place_add("file-lock", places[i], "closed-while-waiting-is-ebadf", test_closed);
		place_add("file-lock", places[i], "closed-before-waiting-is-ebadf", test_closed_early);
		place_add("file-lock", places[i], "each-has-it-once", test_crowd);
		place_add("file-lock", places[i], "hammer-of-cuts", test_hammer);
		place_add("file-lock", places[i], "unlock-against-cut", test_race);
	}
	place_add("file-lock", "here", "so-many-wait-and-no-more", test_limit);
	place_add("file-lock", "here", "shutdown-ends-the-wait", test_shutdown);
}

int main(int argc, char **argv)
{
	return place_main(argc, argv, "file-lock", add);
}
