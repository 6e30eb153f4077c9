/* SPDX-License-Identifier: MIT */
/* Opens that wait: FIFOs, whose sides meet, are cut, are many, and outlive a shutdown. */
#include "support/files.h"

#define WAIT    RINGLINE_BLOCKING_WAIT
#define WAITERS 64

/* --- FIFOs -------------------------------------------------------------------------------------------------------- */

struct opener {
	const char *dir;
	int flags;
	struct ringline_file *file;
	int result;
	bool returned;
};

static int opener_main(void *arg)
{
	struct opener *o = arg;

	o->result = file_try_open(&o->file, o->dir, "fifo", o->flags);
	o->returned = true;
	return 0;
}

static struct ringline_task *open_fifo(struct opener *o, const char *dir, int flags)
{
	struct ringline_task *t;

	*o = (struct opener){ .dir = dir, .flags = flags };
	CONF_OK(ringline_task_start(&t, opener_main, o, NULL));
	return t;
}

/* Its other side, without waiting, as soon as somebody is there. */
static int meet(const char *dir, int flags)
{
	char *path = file_path(dir, "fifo");
	int fd;

	CONF_UNTIL((fd = open(path, flags | O_NONBLOCK | O_CLOEXEC)) >= 0);
	g_free(path);
	return fd;
}

static void with_fifo(const char *dir, int (*fn)(void *dir))
{
	char *path = file_path(dir, "fifo");

	CONF_OK(mkfifo(path, 0600));
	g_free(path);
	file_put(dir, "file", 10, 1);
	file_run(dir, fn);
}

static int meeting_main(void *dir)
{
	struct opener reader;
	struct opener writer;
	struct ringline_task *t[2];
	char data[5];

	t[0] = open_fifo(&reader, dir, O_RDONLY);
	CONF_UNTIL(file_jobs(WAIT).running == 1);
	g_assert_false(reader.returned);
	t[1] = open_fifo(&writer, dir, O_WRONLY);
	CONF_OK(ringline_join(t, 2, NULL));
	CONF_OK(reader.result);
	CONF_OK(writer.result);
	g_assert_cmpint(ringline_file_write(writer.file, "hello", 5, 0), ==, 5);
	g_assert_cmpint(ringline_file_read(reader.file, data, 5, 0), ==, 5);
	g_assert_cmpmem(data, 5, "hello", 5);
	CONF_OK(ringline_file_close(writer.file));
	g_assert_cmpint(ringline_file_read(reader.file, data, 5, 0), ==, 0);
	CONF_OK(ringline_file_close(reader.file));
	return 0;
}

static void test_meeting(const char *dir)
{
	with_fifo(dir, meeting_main);
}

/* Each side waits for the other as long as it takes; with O_NONBLOCK, and with both sides in one, neither does. */
static int one_side_main(void *dir)
{
	static const int sides[][2] = { { O_RDONLY, O_WRONLY }, { O_WRONLY, O_RDONLY } };
	struct ringline_file *file = NULL;
	struct opener o;
	struct ringline_task *t;
	size_t i;
	int fd;

	g_assert_cmpint(file_try_open(&file, dir, "fifo", O_WRONLY | O_NONBLOCK), ==, -ENXIO);
	CONF_OK(file_try_open(&file, dir, "fifo", O_RDONLY | O_NONBLOCK));
	CONF_OK(ringline_file_close(file));
	CONF_OK(file_try_open(&file, dir, "fifo", O_RDWR));
	CONF_OK(ringline_file_close(file));
	CONF_OK(file_try_open(&file, dir, "fifo", O_PATH));
	CONF_OK(ringline_file_close(file));
	for (i = 0; i < 2; i++) {
		t = open_fifo(&o, dir, sides[i][0]);
		CONF_UNTIL(file_jobs(WAIT).running == 1);
		g_assert_false(o.returned);
		fd = meet(dir, sides[i][1]);
		CONF_OK(ringline_task_join(t, NULL));
		CONF_OK(o.result);
		g_assert_cmpint(fcntl(ringline_file_fd(o.file), F_GETFL) & (O_ACCMODE | O_NONBLOCK), ==, sides[i][0]);
		CONF_OK(ringline_file_close(o.file));
		CONF_OK(close(fd));
	}
	return 0;
}

static void test_one_side(const char *dir)
{
	with_fifo(dir, one_side_main);
}

/* O_CREAT and O_NOFOLLOW are for names; what is there already is opened as it is. */
static int fifo_flags_main(void *dir)
{
	struct ringline_file *file = NULL;

	CONF_OK(file_try_open(&file, dir, "fifo", O_RDWR | O_CREAT | O_NOFOLLOW | O_TRUNC | O_APPEND));
	g_assert_cmpint(fcntl(ringline_file_fd(file), F_GETFL) & O_APPEND, ==, O_APPEND);
	CONF_OK(ringline_file_close(file));
	g_assert_cmpint(file_try_open(&file, dir, "fifo", O_RDWR | O_CREAT | O_EXCL), ==, -EEXIST);
	g_assert_cmpint(file_try_open(&file, dir, "fifo", O_RDONLY | O_DIRECTORY), ==, -ENOTDIR);
	return 0;
}

static void test_fifo_flags(const char *dir)
{
	with_fifo(dir, fifo_flags_main);
}

enum cut {
	BY_DEADLINE,
	BY_TASK,
	BY_OPERATION,
	BY_SCOPE,
	CUTS
};

/* One that comes before it is known that there is a FIFO has nobody wait for its other side; then the next one comes later. */
static void cut_by_deadline(const char *dir)
{
	struct ringline_file *file = NULL;
	uint64_t after;

	for (after = 5 * MSEC; !file_jobs(WAIT).stuck; after *= 2) {
		struct ringline_scope *scope = file_scope(after);

		g_assert_cmpint(file_try_open(&file, dir, "fifo", O_RDONLY), ==, -ETIME);
		file_scope_end(scope, -ETIME);
		CONF_UNTIL(file_jobs(RINGLINE_BLOCKING_IO).stuck == 0);
	}
	g_assert_null(file);
}

static void cut_fifo(const char *dir, enum cut how)
{
	struct ringline_file *file = NULL;
	struct ringline_scope *scope;
	struct ringline_task *t;
	struct ringline_op *op;
	struct opener o;
	char *path = file_path(dir, "fifo");

	if (how == BY_DEADLINE) {
		cut_by_deadline(dir);
	} else if (how == BY_TASK) {
		t = open_fifo(&o, dir, O_RDONLY);
		CONF_UNTIL(file_jobs(WAIT).running == 1);
		CONF_OK(ringline_task_cancel(t));
		CONF_OK(ringline_task_join(t, NULL));
		g_assert_cmpint(o.result, ==, -ECANCELED);
	} else {
		CONF_OK(ringline_scope_open(&scope, NULL));
		CONF_OK(ringline_file_open_begin(&op, &file, NULL, path, O_RDONLY, 0, NULL));
		CONF_UNTIL(file_jobs(WAIT).running == 1);
		if (how == BY_OPERATION) {
			CONF_OK(ringline_op_cancel(op));
			g_assert_cmpint(ringline_op_await(op), ==, -ECANCELED);
		}
		file_scope_end(scope, 0);
	}
	g_assert_null(file);
	g_free(path);
}

/* The thread is left behind until somebody comes, and closes what it gets. */
static int cut_fifo_main(void *dir)
{
	unsigned int fds = file_fds();
	int i;

	for (i = 0; i < CUTS; i++) {
		int fd;

		cut_fifo(dir, (enum cut)i);
		g_assert_cmpuint(file_jobs(WAIT).stuck, ==, 1);
		g_assert_cmpuint(file_jobs(WAIT).abandoned, ==, (uint64_t)i + 1);
		fd = meet(dir, O_WRONLY);
		CONF_UNTIL(file_jobs(WAIT).stuck == 0);
		CONF_OK(close(fd));
		g_assert_cmpuint(file_fds(), ==, fds);
	}
	return 0;
}

static void test_cut_fifo(const char *dir)
{
	with_fifo(dir, cut_fifo_main);
}

static void others_go_on(const char *dir)
{
	struct ringline_stat st = RINGLINE_STAT_INIT;
	struct ringline_file *file = file_open(dir, "file", O_RDWR);
	char data[10];

	CONF_OK(ringline_file_stat(file, 0, &st));
	g_assert_cmpuint(st.length, ==, 10);
	g_assert_cmpint(ringline_file_read(file, data, 10, 0), ==, 10);
	g_assert_cmpint(ringline_file_write(file, data, 10, 0), ==, 10);
	CONF_OK(ringline_file_chmod(file, 0600));
	CONF_OK(ringline_file_sync(file));
	CONF_OK(ringline_file_close(file));
}

static int many_main(void *dir)
{
	struct opener *o = g_new0(struct opener, WAITERS);
	struct ringline_task *t[WAITERS];
	struct ringline_file *both;
	int i;

	for (i = 0; i < WAITERS; i++)
		t[i] = open_fifo(&o[i], dir, O_RDONLY);
	CONF_UNTIL(file_jobs(WAIT).running == WAITERS);
	others_go_on(dir);
	g_assert_cmpuint(file_jobs(WAIT).running, ==, WAITERS);
	/* another one of the class finds no thread, until the class has noticed that nothing moves */
	CONF_OK(file_try_open(&both, dir, "fifo", O_RDWR));
	CONF_OK(ringline_join(t, WAITERS, NULL));
	for (i = 0; i < WAITERS; i++) {
		CONF_OK(o[i].result);
		CONF_OK(ringline_file_close(o[i].file));
	}
	CONF_OK(ringline_file_close(both));
	g_free(o);
	return 0;
}

static void test_many(const char *dir)
{
	with_fifo(dir, many_main);
}

/* A shutdown leaves it behind, too. */
static void test_shutdown(const char *dir)
{
	struct ringline_runtime *rt = conf_serve(NULL, 1, NULL, NULL, NULL, NULL);
	struct ringline_blocking_stats s = RINGLINE_BLOCKING_STATS_INIT;
	struct opener o = { .dir = dir, .flags = O_RDONLY };
	char *path = file_path(dir, "fifo");
	int fd;

	CONF_OK(mkfifo(path, 0600));
	g_free(path);
	CONF_OK(ringline_worker_spawn(rt, 0, opener_main, &o));
	do {
		conf_pause();
		CONF_OK(ringline_blocking_stats(rt, WAIT, &s));
	} while (!s.running);
	CONF_OK(ringline_runtime_shutdown(rt));
	CONF_OK(ringline_runtime_join(rt));
	g_assert_cmpint(o.result, ==, -ECANCELED);
	g_assert_cmpint(ringline_runtime_free(rt), ==, -EBUSY);
	fd = meet(dir, O_WRONLY);
	do {
		conf_pause();
		CONF_OK(ringline_blocking_stats(rt, WAIT, &s));
	} while (s.threads);
	g_assert_cmpuint(s.stuck, ==, 0);
	CONF_OK(close(fd));
	conf_finish(rt);
}

static void add(void)
{
	place_add("file-fifo", "here", "sides-meet", test_meeting);
	place_add("file-fifo", "here", "one-side-waits", test_one_side);
	place_add("file-fifo", "here", "flags-of-names", test_fifo_flags);
	place_add("file-fifo", "here", "cut-is-told-at-once", test_cut_fifo);
	place_add("file-fifo", "here", "many-wait-and-others-go-on", test_many);
	place_add("file-fifo", "here", "shutdown-leaves-it-behind", test_shutdown);
}

int main(int argc, char **argv)
{
	return place_main(argc, argv, "file-fifo", add);
}
