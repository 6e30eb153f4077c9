/* SPDX-License-Identifier: MIT */
/*
 * What holds for every call on an open file: who carries it out, what it says of a file that is closed, of no file, on the
 * wrong thread, in a task without a stack and in a scope that was cut; what a cut does while it is queued and while it
 * runs; what limits do to its form with _begin; how it stands to a close of the file, and to a scope that is closed under
 * it. One table has them all.
 */
#include <sys/xattr.h>

#include "support/files.h"

#define SIZE   8192
#define LONG   (UINT64_C(5) << 30)    /* more than an entry of the ring can say */
#define ROUNDS 20

/* What the calls are about. All of it is the caller's memory, which an operation must not touch after its end. */
struct bench {
	const char *dir;
	struct ringline_file *file;       /* SIZE bytes of stream 1, an attribute "user.a" */
	struct ringline_file *other;
	struct ringline_region *region;   /* data */
	char *linked;
	struct iovec iov[2];
	struct ringline_stat stat;
	struct ringline_timestamp time;
	char data[SIZE];
	char target[SIZE];
	char value[256];
	char names[256];
};

/* --- the table ---------------------------------------------------------------------------------------------------- */

#define PAIR(id, fn, ...) \
	static int64_t call_##id(struct bench *b) \
	{ \
		return fn(__VA_ARGS__); \
	} \
	static int begin_##id(struct bench *b, struct ringline_op **op) \
	{ \
		return fn##_begin(op, __VA_ARGS__); \
	}

PAIR(read, ringline_file_read, b->file, b->target, SIZE, 0)
PAIR(write, ringline_file_write, b->file, b->data, SIZE, 0)
PAIR(readv, ringline_file_readv, b->file, b->iov, 2, 0)
PAIR(writev, ringline_file_writev, b->file, b->iov, 2, 0)
PAIR(read_all, ringline_file_read_all, b->file, b->target, SIZE, 0)
PAIR(write_all, ringline_file_write_all, b->file, b->data, SIZE, 0)
PAIR(append, ringline_file_append, b->file, b->data, SIZE)
PAIR(read_region, ringline_file_read_region, b->file, b->region, 0, SIZE, 0)
PAIR(write_region, ringline_file_write_region, b->file, b->region, 0, SIZE, 0)
PAIR(sync, ringline_file_sync, b->file)
PAIR(datasync, ringline_file_datasync, b->file)
PAIR(sync_range, ringline_file_sync_range, b->file, 0, SIZE, SYNC_FILE_RANGE_WRITE)
PAIR(sync_long, ringline_file_sync_range, b->file, 0, LONG, SYNC_FILE_RANGE_WRITE)
PAIR(truncate, ringline_file_truncate, b->file, SIZE)
PAIR(allocate, ringline_file_allocate, b->file, FALLOC_FL_KEEP_SIZE, 0, SIZE)
PAIR(advise, ringline_file_advise, b->file, 0, SIZE, POSIX_FADV_WILLNEED)
PAIR(advise_long, ringline_file_advise, b->file, 0, LONG, POSIX_FADV_WILLNEED)
PAIR(stat, ringline_file_stat, b->file, 0, &b->stat)
PAIR(chmod, ringline_file_chmod, b->file, 0640)
PAIR(chown, ringline_file_chown, b->file, RINGLINE_KEEP_ID, RINGLINE_KEEP_ID)
PAIR(set_times, ringline_file_set_times, b->file, &b->time, &b->time)
PAIR(get_xattr, ringline_file_get_xattr, b->file, "user.a", b->value, sizeof(b->value))
PAIR(set_xattr, ringline_file_set_xattr, b->file, "user.a", "value", 5, 0)
PAIR(list_xattr, ringline_file_list_xattr, b->file, b->names, sizeof(b->names))
PAIR(remove_xattr, ringline_file_remove_xattr, b->file, "user.a")
PAIR(copy_range, ringline_file_copy_range, b->file, 0, b->other, 0, SIZE)
PAIR(copy_to, ringline_file_copy_range, b->other, 0, b->file, 0, SIZE)
PAIR(reflink, ringline_file_reflink, b->file, 0, b->other, 0, 4096)
PAIR(lock, ringline_file_lock, b->file, RINGLINE_LOCK_EXCLUSIVE, 0, 0)
PAIR(try_lock, ringline_file_try_lock, b->file, RINGLINE_LOCK_EXCLUSIVE, 0, 0)
PAIR(unlock, ringline_file_unlock, b->file, 0, 0)
PAIR(link, ringline_file_link, b->file, NULL, b->linked)

/* flags of an entry */
enum {
	INLINE   = 1 << 0,    /* by the worker itself, where nobody forbids it */
	RING     = 1 << 1,    /* by the ring */
	STEPS    = 1 << 2,    /* begun, it has a task, which waits where others would be refused */
	SHIELDED = 1 << 3,    /* a cut does not reach the call */
};

static const struct entry {
	const char *name;
	int64_t (*call)(struct bench *b);
	int (*begin)(struct bench *b, struct ringline_op **op);
	int64_t result;               /* in a fresh bench; reflink differs */
	const char *counted;
	unsigned int flags;
	const char *fault;            /* what it asks of faultfs; NULL: nothing that could be stalled */
	int minor;                    /* of Linux 6, before which the ring does not know it */
} entries[] = {
#define ENTRY(id, result, counted, flags, fault, minor) { #id, call_##id, begin_##id, result, counted, flags, fault, minor }
	ENTRY(read, SIZE, "read", INLINE | RING, "read", 0),
	ENTRY(write, SIZE, "write", RING, "write", 0),
	ENTRY(readv, SIZE, "readv", INLINE | RING, "read", 0),
	ENTRY(writev, SIZE, "writev", RING, "write", 0),
	ENTRY(read_all, SIZE, "read", INLINE | RING | STEPS, "read", 0),
	ENTRY(write_all, SIZE, "write", RING | STEPS, "write", 0),
	ENTRY(append, SIZE, "write", RING, "write", 0),
	ENTRY(read_region, SIZE, "read", INLINE | RING, "read", 0),
	ENTRY(write_region, SIZE, "write", RING, "write", 0),
	ENTRY(sync, 0, "fsync", RING, "fsync", 0),
	ENTRY(datasync, 0, "fsync", RING, "fsync", 0),
	ENTRY(sync_range, 0, "sync_range", RING, NULL, 0),
	ENTRY(sync_long, 0, "sync_range", 0, NULL, 0),
	ENTRY(truncate, 0, "ftruncate", RING, "truncate", 9),
	ENTRY(allocate, 0, "fallocate", RING, "fallocate", 0),
	ENTRY(advise, 0, "fadvise", RING, NULL, 0),
	ENTRY(advise_long, 0, "fadvise", 0, NULL, 0),
	ENTRY(stat, 0, "statx", INLINE | RING, "getattr", 0),
	ENTRY(chmod, 0, "chmod", 0, "chmod", 0),
	ENTRY(chown, 0, "chown", 0, NULL, 0),
	ENTRY(set_times, 0, "utimens", 0, "utimens", 0),
	ENTRY(get_xattr, 5, "getxattr", RING, "getxattr", 0),
	ENTRY(set_xattr, 0, "setxattr", RING, "setxattr", 0),
	ENTRY(list_xattr, 7, "listxattr", 0, "listxattr", 0),
	ENTRY(remove_xattr, 0, "removexattr", 0, "removexattr", 0),
	ENTRY(copy_range, SIZE, "copy_range", 0, "write", 0),
	ENTRY(copy_to, SIZE, "copy_range", 0, "write", 0),
	ENTRY(reflink, 0, "reflink", 0, NULL, 0),
	ENTRY(lock, 0, "lock", INLINE | STEPS, NULL, 0),
	ENTRY(try_lock, 0, "lock", INLINE, NULL, 0),
	ENTRY(unlock, 0, "lock", INLINE | SHIELDED, NULL, 0),
	ENTRY(link, 0, "link", 0, "link", 0),
};

/* How reflink ends is the file system's: xfs can, as far as mkfs made it so. Others never got as far as it, or can. */
static void check_result(const struct entry *e, int64_t result)
{
	if (e->call == call_reflink && result < 0 && !place_is("xfs"))
		g_assert_true(result == -EOPNOTSUPP || result == -EXDEV || result == -EINVAL);
	else
		g_assert_cmpint(result, ==, e->result);
}

/* The class of the threads that have it. */
static uint32_t job_class(void)
{
	return place_is("fuse") ? RINGLINE_BLOCKING_WAIT : RINGLINE_BLOCKING_IO;
}

static bool by_worker(const struct entry *e)
{
	return e->flags & INLINE && file_inline() && !place_is("fuse");
}

static bool by_ring(const struct entry *e)
{
	return e->flags & RING && file_ring() && !place_is("fuse") && file_kernel_is(6, e->minor);
}

static bool by_pool(const struct entry *e)
{
	return !by_worker(e) && !by_ring(e);
}

/* --- benches ------------------------------------------------------------------------------------------------------ */

static void prepare(const char *dir)
{
	char *path = file_path(dir, "file");

	file_put(dir, "file", SIZE, 1);
	file_put(dir, "other", SIZE, 2);
	CONF_OK(setxattr(path, "user.a", "value", 5, 0));
	g_free(path);
}

static struct bench *bench_new(const char *dir)
{
	struct bench *b = g_new0(struct bench, 1);

	prepare(dir);
	b->dir = dir;
	b->linked = file_path(dir, "linked");
	b->iov[0] = (struct iovec){ b->target, 100 };
	b->iov[1] = (struct iovec){ b->target + 100, SIZE - 100 };
	b->stat.size = sizeof(b->stat);
	b->time.sec = 1000;
	conf_fill(b->data, SIZE, 1, 0);
	conf_fill(b->target, SIZE, 1, 0);
	b->file = file_open(dir, "file", O_RDWR);
	b->other = file_open(dir, "other", O_RDWR);
	CONF_OK(ringline_region_new(&b->region, b->data, SIZE));
	return b;
}

/* The memory is not good for anything afterwards. */
static void bench_free(struct bench *b)
{
	CONF_OK(ringline_file_close(b->file));
	CONF_OK(ringline_file_close(b->other));
	CONF_OK(ringline_region_free(b->region));
	unlink(b->linked);
	g_free(b->linked);
	memset(b, 0xee, sizeof(*b));
	g_free(b);
}

/* Each entry with a bench of its own. */
static void each_entry(const char *dir, void (*fn)(const struct entry *e, struct bench *b))
{
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(entries); i++) {
		struct bench *b = bench_new(dir);

		g_test_message("%s", entries[i].name);
		fn(&entries[i], b);
		bench_free(b);
	}
}

/* A call of a task of its own. */
struct caller {
	const struct entry *entry;
	struct bench *bench;
	int64_t result;
	bool begun;
	bool returned;
};

static int caller_main(void *arg)
{
	struct caller *c = arg;

	c->begun = true;
	c->result = c->entry->call(c->bench);
	c->returned = true;
	return 0;
}

static struct ringline_task *start(struct caller *c, const struct entry *e, struct bench *b)
{
	struct ringline_task *t;

	*c = (struct caller){ .entry = e, .bench = b };
	CONF_OK(ringline_task_start(&t, caller_main, c, NULL));
	CONF_UNTIL(c->begun);
	return t;
}

/* --- who does it -------------------------------------------------------------------------------------------------- */

struct counts {
	uint64_t worker;
	uint64_t ring;
	uint64_t pool;
};

static struct counts count(const struct entry *e)
{
	return (struct counts){ file_count(e->counted, "inline"), file_count(e->counted, "io_uring"),
	                        file_count(e->counted, "pool") };
}

/* Whether reads can be tried is for the file system to say: of tmpfs older kernels cannot. */
static bool may_refuse_inline(const struct entry *e)
{
	return place_is("tmpfs") && (!strcmp(e->counted, "read") || !strcmp(e->counted, "readv"));
}

static void check_engine(const struct entry *e, const struct counts *before)
{
	struct counts now = count(e);
	uint64_t worker = now.worker - before->worker;
	uint64_t ring = now.ring - before->ring;
	uint64_t pool = now.pool - before->pool;

	g_assert_cmpuint(worker + ring + pool, ==, 1);
	if (by_worker(e) && (worker || !may_refuse_inline(e)))
		g_assert_cmpuint(worker, ==, 1);
	else
		g_assert_cmpuint(by_ring(e) ? ring : pool, ==, 1);
}

static void counted_call(const struct entry *e, struct bench *b)
{
	struct counts before = count(e);

	check_result(e, e->call(b));
	check_engine(e, &before);
}

static void counted_begin(const struct entry *e, struct bench *b)
{
	struct counts before = count(e);
	struct ringline_op *op;

	CONF_OK(e->begin(b, &op));
	check_result(e, ringline_op_await(op));
	check_engine(e, &before);
}

static int engines_main(void *dir)
{
	each_entry(dir, counted_call);
	each_entry(dir, counted_begin);
	return 0;
}

static void test_engines(const char *dir)
{
	file_run(dir, engines_main);
}

/* --- the caller's stack ------------------------------------------------------------------------------------------- */

#define DEEP 3000

static G_GNUC_NO_INLINE void begin_deep(const struct entry *e, struct bench *b, struct ringline_op **op)
{
	volatile char room[DEEP];

	room[0] = room[DEEP - 1] = 1;
	CONF_OK(e->begin(b, op));
}

static G_GNUC_NO_INLINE int64_t await_deep(struct ringline_op *op)
{
	volatile char room[2 * DEEP];
	int64_t result;
	size_t i;

	for (i = 0; i < sizeof(room); i++)
		room[i] = (char)i;
	result = ringline_op_await(op);
	for (i = 0; i < sizeof(room); i++)
		g_assert_cmpint(room[i], ==, (char)i);
	return result;
}

/* What was begun is in memory of its own: the stack from which it was begun has other things on it when it ends. */
static void on_another_stack(const struct entry *e, struct bench *b)
{
	struct ringline_op *op;

	begin_deep(e, b, &op);
	check_result(e, await_deep(op));
}

static int stack_main(void *dir)
{
	each_entry(dir, on_another_stack);
	return 0;
}

static void test_stack(const char *dir)
{
	file_run(dir, stack_main);
}

/* --- what is refused ---------------------------------------------------------------------------------------------- */

static void refused(const struct entry *e, struct bench *b, int error)
{
	struct ringline_op *op = NULL;

	g_assert_cmpint(e->call(b), ==, error);
	g_assert_cmpint(e->begin(b, &op), ==, error);
	g_assert_null(op);
}

static void closed(const struct entry *e, struct bench *b)
{
	struct ringline_file *file = b->file;

	CONF_OK(ringline_file_close(file));
	refused(e, b, -EBADF);
	b->file = file_open(b->dir, "file", O_RDWR);
}

static void no_file(const struct entry *e, struct bench *b)
{
	struct ringline_file *file = b->file;

	b->file = NULL;
	refused(e, b, -EINVAL);
	b->file = file;
	g_assert_cmpint(e->begin(b, NULL), ==, -EINVAL);
}

static int refused_main(void *dir)
{
	each_entry(dir, closed);
	each_entry(dir, no_file);
	return 0;
}

static void test_refused(const char *dir)
{
	file_run(dir, refused_main);
}

struct elsewhere {
	const char *dir;
	struct bench *bench;
	int ready;
	int release;
};

static int elsewhere_main(void *arg)
{
	struct elsewhere *w = arg;

	w->bench = bench_new(w->dir);
	g_atomic_int_set(&w->ready, 1);
	CONF_UNTIL(g_atomic_int_get(&w->release));
	bench_free(w->bench);
	return 0;
}

/* Objects of another worker. */
static int misuse_main(void *arg)
{
	struct ringline_file_info info = RINGLINE_FILE_INFO_INIT;
	struct ringline_file *file;
	struct bench *b = arg;
	struct ringline_op *op;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(entries); i++)
		refused(&entries[i], b, -EPERM);
	g_assert_cmpint(ringline_file_open(&file, b->file, "x", O_RDONLY, 0, NULL), ==, -EPERM);
	g_assert_cmpint(ringline_file_open_begin(&op, &file, b->file, "x", O_RDONLY, 0, NULL), ==, -EPERM);
	g_assert_cmpint(ringline_file_fd(b->file), ==, -EPERM);
	g_assert_cmpint(ringline_file_try_read(b->file, b, 1, 0), ==, -EPERM);
	g_assert_cmpint(ringline_file_release(b->file), ==, -EPERM);
	g_assert_cmpint(ringline_file_info(b->file, &info), ==, -EPERM);
	g_assert_cmpint(ringline_file_close(b->file), ==, -EPERM);
	g_assert_cmpint(ringline_file_close_begin(&op, b->file), ==, -EPERM);
	g_assert_cmpint(ringline_region_free(b->region), ==, -EPERM);
	g_assert_cmpint(ringline_region_free_begin(&op, b->region), ==, -EPERM);
	g_assert_cmpint(ringline_region_registered(b->region), ==, -EPERM);
	return 0;
}

/* What needs no object needs a worker. */
static void misuse_anywhere(void)
{
	struct ringline_region *region;
	struct ringline_file *file;
	struct ringline_op *op;
	char data[10];

	g_assert_cmpint(ringline_file_open(&file, NULL, "/", O_RDONLY, 0, NULL), ==, -EPERM);
	g_assert_cmpint(ringline_file_open_begin(&op, &file, NULL, "/", O_RDONLY, 0, NULL), ==, -EPERM);
	g_assert_cmpint(ringline_file_from_fd(&file, 0), ==, -EPERM);
	g_assert_cmpint(ringline_file_from_fd_begin(&op, &file, 0), ==, -EPERM);
	g_assert_cmpint(ringline_file_close(NULL), ==, -EPERM);
	g_assert_cmpint(ringline_region_new(&region, data, sizeof(data)), ==, -EPERM);
	g_assert_cmpint(ringline_region_free(NULL), ==, -EPERM);
}

/* From a thread that is no worker, and from another worker. */
static void test_elsewhere(const char *dir)
{
	struct elsewhere w = { .dir = dir };
	struct ringline_runtime *rt = conf_serve(NULL, 2, NULL, NULL, NULL, NULL);

	conf_log_allow("not a worker");
	conf_log_allow("outside a task");
	conf_log_allow("does not own the object");
	CONF_OK(ringline_worker_spawn(rt, 0, elsewhere_main, &w));
	CONF_UNTIL(g_atomic_int_get(&w.ready));
	misuse_anywhere();
	CONF_OK(misuse_main(w.bench));
	CONF_OK(conf_call(rt, 1, misuse_main, w.bench));
	g_atomic_int_set(&w.release, 1);
	CONF_OK(conf_stop(rt));
}

static const struct entry *stackless_entry;

/* Calls that would park are refused; operations can be begun. */
static int stackless(void *arg)
{
	struct bench *b = arg;
	struct ringline_op *op;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(entries); i++)
		g_assert_cmpint(entries[i].call(b), ==, -EDEADLK);
	CONF_OK(stackless_entry->begin(b, &op));
	return 0;                 /* its scope ends what it has begun */
}

static int stackless_main(void *dir)
{
	struct ringline_task_options o = RINGLINE_TASK_OPTIONS_INIT;
	struct bench *b = bench_new(dir);
	size_t i;

	o.flags = RINGLINE_TASK_STACKLESS;
	conf_log_allow("stackless");
	for (i = 0; i < G_N_ELEMENTS(entries); i++) {
		struct ringline_task *t;

		stackless_entry = &entries[i];
		CONF_OK(ringline_task_start(&t, stackless, b, &o));
		CONF_OK(ringline_task_join(t, NULL));
	}
	bench_free(b);
	return 0;
}

static void test_stackless(const char *dir)
{
	file_run(dir, stackless_main);
}

/* --- cut before it begins ----------------------------------------------------------------------------------------- */

static void cut_at_the_start(const struct entry *e, struct bench *b)
{
	struct ringline_scope *scope = file_cancelled();
	struct ringline_op *op;
	struct counts before = count(e);

	if (e->flags & SHIELDED)
		CONF_OK(e->call(b));
	else
		g_assert_cmpint(e->call(b), ==, -ECANCELED);
	g_assert_cmpint(e->begin(b, &op), ==, -ECANCELED);
	file_scope_end(scope, -ECANCELED);
	scope = file_scope(0);
	CONF_UNTIL(ringline_yield() == -ETIME);
	if (!(e->flags & SHIELDED))
		g_assert_cmpint(e->call(b), ==, -ETIME);
	g_assert_cmpint(e->begin(b, &op), ==, -ETIME);
	file_scope_end(scope, -ETIME);
	if (!(e->flags & SHIELDED)) {
		struct counts now = count(e);

		g_assert_cmpint(memcmp(&before, &now, sizeof(now)), ==, 0);
	}
}

static int cut_at_the_start_main(void *dir)
{
	each_entry(dir, cut_at_the_start);
	file_check(dir, "file", SIZE, 1);
	return 0;
}

static void test_cut_at_the_start(const char *dir)
{
	file_run(dir, cut_at_the_start_main);
}

/* --- cut while it is queued --------------------------------------------------------------------------------------- */

/* The one thread of the class has something else to do. */
static void queued(const struct entry *e, struct bench *b, void (*fn)(const struct entry *e, struct bench *b))
{
	struct file_hold h;

	if (!by_pool(e))
		return;
	file_hold(&h, job_class());
	fn(e, b);
	file_let_go(&h);
}

/* A class in which nothing moves for long is given a thread more, which has the job then. */
static bool took_it_back(const struct ringline_blocking_stats *before)
{
	struct ringline_blocking_stats now = file_jobs(job_class());

	if (now.grown > before->grown)
		return false;
	g_assert_cmpuint(now.cancelled, ==, before->cancelled + 1);
	g_assert_cmpuint(now.queued, ==, 0);
	return true;
}

static void cut_operation(const struct entry *e, struct bench *b)
{
	struct ringline_blocking_stats before = file_jobs(job_class());
	struct ringline_op *op;
	int64_t result;

	CONF_OK(e->begin(b, &op));
	if (e->flags & STEPS)
		CONF_UNTIL(file_jobs(job_class()).queued);
	CONF_OK(ringline_op_cancel(op));
	CONF_OK(ringline_op_cancel(op));
	result = ringline_op_await(op);
	if (took_it_back(&before))
		g_assert_cmpint(result, ==, -ECANCELED);
}

static void cut_by_deadline(const struct entry *e, struct bench *b)
{
	struct ringline_blocking_stats before = file_jobs(job_class());
	struct ringline_scope *scope = file_scope(2 * MSEC);
	int64_t result = e->call(b);

	if (took_it_back(&before))
		g_assert_cmpint(result, ==, -ETIME);
	(void)ringline_scope_close(scope);
}

/* What nobody awaits is cancelled by its scope, and its memory is let go of. */
static void cut_by_scope(const struct entry *e, struct bench *b)
{
	struct ringline_blocking_stats before = file_jobs(job_class());
	struct ringline_scope *scope;
	struct ringline_op *op;

	CONF_OK(ringline_scope_open(&scope, NULL));
	CONF_OK(e->begin(b, &op));
	if (e->flags & STEPS)
		CONF_UNTIL(file_jobs(job_class()).queued);
	file_scope_end(scope, 0);
	(void)took_it_back(&before);
}

static void cut_task(const struct entry *e, struct bench *b)
{
	struct ringline_blocking_stats before = file_jobs(job_class());
	struct ringline_task *t;
	struct caller c;

	t = start(&c, e, b);
	CONF_UNTIL(file_jobs(job_class()).queued || c.returned);
	CONF_OK(ringline_task_cancel(t));
	CONF_OK(ringline_task_join(t, NULL));
	if (took_it_back(&before))
		g_assert_cmpint(c.result, ==, -ECANCELED);
}

static void cut_in_the_queue(const struct entry *e, struct bench *b)
{
	queued(e, b, cut_operation);
	queued(e, b, cut_by_scope);
	if (e->flags & SHIELDED)
		return;
	queued(e, b, cut_by_deadline);
	queued(e, b, cut_task);
}

/* Nothing of it has happened: the next one finds everything as it was. */
static void cut_queued(const struct entry *e, struct bench *b)
{
	cut_in_the_queue(e, b);
	check_result(e, e->call(b));
}

static int cut_queued_main(void *dir)
{
	each_entry(dir, cut_queued);
	return 0;
}

static void with_one_thread(const char *dir, uint32_t queue, int (*fn)(void *dir))
{
	struct ringline_config c;

	conf_config(&c);
	c.blocking_io_threads = 1;
	c.blocking_wait_threads = 1;
	c.blocking_queue = queue;
	CONF_OK(conf_run_with(&c, fn, (void *)dir));
}

static void test_cut_queued(const char *dir)
{
	with_one_thread(dir, 0, cut_queued_main);
}

/* --- closed while it is queued ------------------------------------------------------------------------------------ */

static void close_it(const struct entry *e, struct bench *b)
{
	struct ringline_blocking_stats before = file_jobs(job_class());
	struct ringline_op *close;
	struct ringline_task *t;
	struct caller c;

	t = start(&c, e, b);
	CONF_UNTIL(file_jobs(job_class()).queued || c.returned);
	CONF_OK(ringline_file_close_begin(&close, b->file));
	CONF_OK(ringline_task_join(t, NULL));
	if (file_jobs(job_class()).grown == before.grown)
		g_assert_cmpint(c.result, ==, -EBADF);
	refused(e, b, -EBADF);
	b->file = NULL;
}

static void close_queued(const struct entry *e, struct bench *b)
{
	queued(e, b, close_it);
	if (!b->file)
		b->file = file_open(b->dir, "file", O_RDWR);
}

static int close_queued_main(void *dir)
{
	each_entry(dir, close_queued);
	return 0;
}

static void test_close_queued(const char *dir)
{
	with_one_thread(dir, 0, close_queued_main);
}

/* --- limits ------------------------------------------------------------------------------------------------------- */

static void refused_by_queue(const struct entry *e, struct bench *b)
{
	struct ringline_blocking_stats before = file_jobs(job_class());
	struct ringline_op *first;
	struct ringline_op *op;
	struct ringline_task *t;
	struct caller c;

	if (e->flags & STEPS)
		return;
	CONF_OK(ringline_file_chmod_begin(&first, b->other, 0600));
	g_assert_cmpint(e->begin(b, &op), ==, -EAGAIN);
	g_assert_cmpuint(file_jobs(job_class()).refused, ==, before.refused + 1);
	t = start(&c, e, b);      /* a task waits instead; the class grows, and it goes on */
	g_assert_cmpint(ringline_op_await(first), ==, 0);
	CONF_OK(ringline_task_join(t, NULL));
	check_result(e, c.result);
}

static void full_queue(const struct entry *e, struct bench *b)
{
	queued(e, b, refused_by_queue);
}

static int full_queue_main(void *dir)
{
	each_entry(dir, full_queue);
	return 0;
}

static void test_full_queue(const char *dir)
{
	with_one_thread(dir, 1, full_queue_main);
}

#define OPERATIONS 3

static void full_table(const struct entry *e, struct bench *b)
{
	struct ringline_op *others[OPERATIONS];
	struct ringline_file *file;
	struct ringline_op *op;
	int i;

	for (i = 0; i < OPERATIONS; i++)
		CONF_OK(ringline_sleep_begin(&others[i], SEC * 3600));
	g_assert_cmpint(e->begin(b, &op), ==, -EAGAIN);
	g_assert_cmpint(ringline_file_open_begin(&op, &file, NULL, "/", O_RDONLY, 0, NULL), ==, -EAGAIN);
	g_assert_cmpint(ringline_file_close_begin(&op, b->file), ==, -EAGAIN);
	g_assert_cmpint(ringline_region_free_begin(&op, b->region), ==, -EAGAIN);
	CONF_OK(ringline_op_cancel(others[0]));
	g_assert_cmpint(ringline_op_await(others[0]), ==, -ECANCELED);
	CONF_OK(e->begin(b, &op));
	check_result(e, ringline_op_await(op));
	for (i = 1; i < OPERATIONS; i++) {
		CONF_OK(ringline_op_cancel(others[i]));
		g_assert_cmpint(ringline_op_await(others[i]), ==, -ECANCELED);
	}
}

static int full_table_main(void *dir)
{
	each_entry(dir, full_table);
	return 0;
}

static void test_full_table(const char *dir)
{
	struct ringline_config c;

	conf_config(&c);
	c.max_operations = OPERATIONS;
	CONF_OK(conf_run_with(&c, full_table_main, (void *)dir));
}

/* --- while it runs: a server that does not answer ----------------------------------------------------------------- */

static void cut_while_stalled(const struct entry *e, struct bench *b)
{
	struct ringline_scope *scope;
	struct ringline_task *t;
	struct ringline_op *op;
	struct caller c;

	if (!e->fault)
		return;
	place_fault("stall %s", e->fault);
	t = start(&c, e, b);
	place_stalled(e->fault);
	CONF_OK(ringline_task_cancel(t));
	file_turns(5);
	g_assert_false(c.returned);
	place_fault("release %s", e->fault);
	CONF_OK(ringline_task_join(t, NULL));
	if (strcmp(e->name, "copy_range") != 0 && strcmp(e->name, "copy_to") != 0)
		check_result(e, c.result);
	unlink(b->linked);
	if (e->call == call_remove_xattr)
		return;
	place_fault("stall %s", e->fault);
	CONF_OK(ringline_scope_open(&scope, NULL));
	CONF_OK(e->begin(b, &op));
	place_stalled(e->fault);
	CONF_OK(ringline_op_cancel(op));
	file_turns(5);
	g_assert_cmpint(ringline_op_result(op), ==, -EINPROGRESS);
	place_fault("release %s", e->fault);
	file_scope_end(scope, 0);
}

static int cut_while_stalled_main(void *dir)
{
	each_entry(dir, cut_while_stalled);
	return 0;
}

static void test_cut_while_stalled(const char *dir)
{
	file_run(dir, cut_while_stalled_main);
}

struct closer {
	struct ringline_file *file;
	int result;
	bool returned;
};

static int closer_main(void *arg)
{
	struct closer *c = arg;

	c->result = ringline_file_close(c->file);
	c->returned = true;
	return 0;
}

/* The close waits, and goes on by itself when its wait is cut; the call that was there first has its result. */
static void close_while_stalled(const struct entry *e, struct bench *b)
{
	struct closer closer = { .file = b->file };
	struct ringline_task *closing;
	struct ringline_task *t;
	struct caller c;
	uint64_t flushes;

	if (!e->fault)
		return;
	place_fault("stall %s", e->fault);
	t = start(&c, e, b);
	place_stalled(e->fault);
	flushes = place_count("flush");
	CONF_OK(ringline_task_start(&closing, closer_main, &closer, NULL));
	file_turns(5);
	g_assert_false(c.returned || closer.returned);
	refused(e, b, -EBADF);
	g_assert_cmpint(ringline_file_close(b->file), ==, -EBADF);
	CONF_OK(ringline_task_cancel(closing));
	CONF_OK(ringline_task_join(closing, NULL));
	g_assert_cmpint(closer.result, ==, -ECANCELED);
	file_turns(5);
	g_assert_false(c.returned);
	g_assert_cmpuint(place_count("flush"), ==, flushes);
	place_fault("release %s", e->fault);
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_true(c.result == -EBADF || c.result == e->result);
	CONF_UNTIL(place_count("flush") > flushes);
	b->file = file_open(b->dir, "file", O_RDWR);
}

static int close_while_stalled_main(void *dir)
{
	each_entry(dir, close_while_stalled);
	return 0;
}

static void test_close_while_stalled(const char *dir)
{
	file_run(dir, close_while_stalled_main);
}

/* --- a scope that is closed under them ---------------------------------------------------------------------------- */

/* Their memory is freed right after, and that of handles is used again. */
static void all_in_a_scope(const char *dir, int wait)
{
	struct bench *b = bench_new(dir);
	struct ringline_scope *scope;
	struct ringline_op *op;
	size_t i;

	CONF_OK(ringline_scope_open(&scope, NULL));
	for (i = 0; i < G_N_ELEMENTS(entries); i++)
		CONF_OK(entries[i].begin(b, &op));
	file_turns(wait);
	file_scope_end(scope, 0);
	bench_free(b);
}

static int scope_closed_main(void *dir)
{
	int i;

	for (i = 0; i < (conf_full() ? 20 * ROUNDS : ROUNDS); i++)
		all_in_a_scope(dir, i % 8);
	return 0;
}

static void test_scope_closed(const char *dir)
{
	file_run(dir, scope_closed_main);
}

static void test_scope_closed_queued(const char *dir)
{
	with_one_thread(dir, 0, scope_closed_main);
}

/* The same by closing the file, with all of them under way. */
static int file_closed_main(void *dir)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		struct bench *b = bench_new(dir);
		struct ringline_op *op[G_N_ELEMENTS(entries)];
		int64_t result[G_N_ELEMENTS(entries)];
		size_t k;

		for (k = 0; k < G_N_ELEMENTS(entries); k++)
			CONF_OK(entries[k].begin(b, &op[k]));
		file_turns(i % 4);
		CONF_OK(ringline_file_close(b->file));
		CONF_OK(ringline_op_await_all(op, G_N_ELEMENTS(entries), result));
		for (k = 0; k < G_N_ELEMENTS(entries); k++)
			if (result[k] != -EBADF && strcmp(entries[k].counted, "getxattr") && strcmp(entries[k].counted, "listxattr"))
				check_result(&entries[k], result[k]);
		b->file = file_open(dir, "file", O_RDWR);
		bench_free(b);
	}
	return 0;
}

static void test_file_closed(const char *dir)
{
	file_run(dir, file_closed_main);
}

static void add(void)
{
	place_add_each("file-ops", "engines-are-as-documented", test_engines);
	place_add_each("file-ops", "begun-leaves-the-stack-alone", test_stack);
	place_add_each("file-ops", "closed-is-ebadf-and-none-is-einval", test_refused);
	place_add("file-ops", "here", "eperm-elsewhere", test_elsewhere);
	place_add("file-ops", "here", "edeadlk-without-a-stack", test_stackless);
	place_add_each("file-ops", "cut-at-the-start-does-nothing", test_cut_at_the_start);
	place_add_each("file-ops", "cut-while-queued-takes-it-back", test_cut_queued);
	place_add_each("file-ops", "closed-while-queued-is-ebadf", test_close_queued);
	place_add("file-ops", "here", "begin-with-a-full-queue-is-eagain", test_full_queue);   /* a queue of each class */
	place_add("file-ops", "fuse", "begin-with-a-full-queue-is-eagain", test_full_queue);
	place_add_each("file-ops", "begin-at-the-limit-of-operations-is-eagain", test_full_table);
	place_add("file-ops", "fuse", "cut-while-running-waits-for-the-result", test_cut_while_stalled);
	place_add("file-ops", "fuse", "close-waits-for-what-runs", test_close_while_stalled);
	place_add_each("file-ops", "scope-closed-lets-go-of-memory", test_scope_closed);
	place_add_each("file-ops", "scope-closed-lets-go-of-what-is-queued", test_scope_closed_queued);
	place_add_each("file-ops", "closed-with-all-under-way", test_file_closed);
}

int main(int argc, char **argv)
{
	return place_main(argc, argv, "file-ops", add);
}
