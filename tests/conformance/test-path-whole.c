/* SPDX-License-Identifier: MIT */
/*
 * Whole files: read into one buffer, however long they are and say to be, and replaced at one stroke, whoever reads them, fails
 * or dies meanwhile.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "support/at.h"
#include "support/places.h"

#define MIB  (1u << 20)
#define SIZE 1000

/* --- reading ------------------------------------------------------------------------------------------------------- */

/* Reads a file of that stream, which must have n bytes, in either form. */
static void read_expecting(struct ringline_file *dir, const char *name, uint64_t max, uint32_t seed, size_t n, bool begin)
{
	static char unset;
	struct ringline_buf *buf = (struct ringline_buf *)&unset;
	struct ringline_op *op;
	int64_t result;

	if (begin) {
		CONF_OK(ringline_path_read_all_begin(&op, &buf, dir, name, max));
		result = ringline_op_await(op);
	} else {
		result = ringline_path_read_all(&buf, dir, name, max);
	}
	g_assert_cmpint(result, ==, n);
	g_assert_true((buf != NULL) == (n > 0));
	g_assert_cmpuint(ringline_buf_size(buf), ==, n);
	conf_check(ringline_buf_data(buf), n, seed, 0);
	CONF_OK(ringline_buf_unref(buf));
}

static void reads(struct ringline_file *dir)
{
	static const size_t sizes[] = { 0, 1, SIZE, 4096, 65535, 65536, 65537, 5 * MIB + 3 };
	size_t i;
	int form;

	for (i = 0; i < G_N_ELEMENTS(sizes); i++) {
		size_t n = sizes[i];

		at_put(at_fd(dir), "file", (uint32_t)i, n);
		for (form = 0; form < 2; form++) {
			read_expecting(dir, "file", MAX(n, 1), (uint32_t)i, n, form);
			read_expecting(dir, "file", n + 1, (uint32_t)i, n, form);
			read_expecting(dir, "file", UINT64_MAX, (uint32_t)i, n, form);
		}
	}
	g_assert_cmpuint(conf_stats(NULL).memory, ==, 0);
}

static void test_reads(const char *path)
{
	at_run(path, reads);
}

static void too_long(struct ringline_file *dir)
{
	static const size_t sizes[] = { 2, SIZE, 65536, 5 * MIB };
	struct ringline_buf *buf;
	struct ringline_op *op;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(sizes); i++) {
		at_put(at_fd(dir), "file", 1, sizes[i]);
		AT_ERROR(ringline_path_read_all(&buf, dir, "file", sizes[i] - 1), EFBIG);
		AT_ERROR(ringline_path_read_all(&buf, dir, "file", 1), EFBIG);
		CONF_OK(ringline_path_read_all_begin(&op, &buf, dir, "file", sizes[i] - 1));
		AT_ERROR(ringline_op_await(op), EFBIG);
	}
	g_assert_cmpuint(conf_stats(NULL).memory, ==, 0);
}

static void test_too_long(const char *path)
{
	at_run(path, too_long);
}

/* A hole is read like any other part, and a file that is too long is not read at all. */
static void holes(struct ringline_file *dir)
{
	struct ringline_buf *buf;
	const char *data;
	size_t i;

	at_put(at_fd(dir), "file", 1, 1);
	CONF_OK(ringline_path_truncate(dir, "file", 3 * MIB));
	g_assert_cmpint(ringline_path_read_all(&buf, dir, "file", 3 * MIB), ==, 3 * MIB);
	data = ringline_buf_data(buf);
	conf_check(data, 1, 1, 0);
	for (i = 1; i < 3 * MIB; i++)
		g_assert_cmpint(data[i], ==, 0);
	CONF_OK(ringline_buf_unref(buf));
	CONF_OK(ringline_path_truncate(dir, "file", (uint64_t)1 << 40));
	AT_ERROR(ringline_path_read_all(&buf, dir, "file", MIB), EFBIG);
}

static void test_holes(const char *path)
{
	at_run(path, holes);
}

/* Files that say they are empty, or longer than they are. */
static void read_as_told(const char *path, size_t less)
{
	char *data = g_malloc(MIB);
	size_t n = at_read(AT_FDCWD, path, data, MIB);
	struct ringline_buf *buf;

	g_assert_cmpuint(n, >, less);
	g_assert_cmpint(ringline_path_read_all(&buf, NULL, path, n), ==, n);
	g_assert_cmpmem(ringline_buf_data(buf), n, data, n);
	CONF_OK(ringline_buf_unref(buf));
	AT_ERROR(ringline_path_read_all(&buf, NULL, path, n - 1), EFBIG);
	g_free(data);
}

static void told_otherwise(struct ringline_file *dir)
{
	static const char sysfs[] = "/sys/kernel/mm/transparent_hugepage/enabled";
	struct ringline_buf *buf;
	int64_t n;

	(void)dir;
	read_as_told("/proc/version", 10);
	read_as_told("/proc/filesystems", 10);
	n = ringline_path_read_all(&buf, NULL, "/proc/self/status", MIB);
	g_assert_cmpint(n, >, 100);
	g_assert_cmpmem(ringline_buf_data(buf), 5, "Name:", 5);
	g_assert_cmpint(((const char *)ringline_buf_data(buf))[n - 1], ==, '\n');
	CONF_OK(ringline_buf_unref(buf));
	if (access(sysfs, R_OK) == 0)
		read_as_told(sysfs, 5);
}

static void test_told_otherwise(const char *path)
{
	at_run(path, told_otherwise);
}

/* Only regular files have a whole, and others are not even opened: the FIFO has had no reader. */
static void no_whole(struct ringline_file *dir)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct ringline_buf *buf;
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = at_fd(dir);

	CONF_OK(mkfifoat(fd, "fifo", 0600));
	CONF_OK(symlinkat("fifo", fd, "way"));
	g_snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/socket", fd);
	CONF_OK(bind(s, (struct sockaddr *)&sa, sizeof(sa)));
	AT_ERROR(ringline_path_read_all(&buf, dir, "fifo", MIB), ESPIPE);
	AT_ERROR(ringline_path_read_all(&buf, dir, "way", MIB), ESPIPE);
	g_assert_cmpint(openat(fd, "fifo", O_WRONLY | O_NONBLOCK | O_CLOEXEC), ==, -1);
	g_assert_cmpint(errno, ==, ENXIO);
	AT_ERROR(ringline_path_read_all(&buf, dir, "socket", MIB), ESPIPE);
	AT_ERROR(ringline_path_read_all(&buf, NULL, "/dev/zero", MIB), ESPIPE);
	AT_ERROR(ringline_path_read_all(&buf, dir, ".", MIB), EISDIR);
	AT_ERROR(ringline_path_read_all(&buf, NULL, "/", MIB), EISDIR);
	CONF_OK(close(s));
}

static void test_no_whole(const char *path)
{
	at_run(path, no_whole);
}

/* What a file says when it is opened may be long ago when it is read. */
static void grows_while_read(struct ringline_file *dir)
{
	struct ringline_buf *buf;
	struct ringline_op *op;
	int round;

	for (round = 0; round < 2; round++) {
		at_put(at_fd(dir), "file", 1, SIZE);
		place_fault("stall read");
		CONF_OK(ringline_path_read_all_begin(&op, &buf, dir, "file", round ? 100 * SIZE : 100 * SIZE - 1));
		place_stalled("read");
		at_put(at_fd(dir), "file", 1, 100 * SIZE);
		place_fault("release read");
		if (!round) {
			AT_ERROR(ringline_op_await(op), EFBIG);
			continue;
		}
		g_assert_cmpint(ringline_op_await(op), ==, 100 * SIZE);
		conf_check(ringline_buf_data(buf), 100 * SIZE, 1, 0);
		CONF_OK(ringline_buf_unref(buf));
	}
}

static void test_grows_while_read(const char *path)
{
	at_run(path, grows_while_read);
}

struct appender {
	int fd;
	_Atomic bool stop;
};

static void *append(void *arg)
{
	struct appender *a = arg;
	char piece[4096];
	uint64_t offset;

	for (offset = 0; !a->stop && offset < 8 * MIB; offset += sizeof(piece)) {
		conf_fill(piece, sizeof(piece), 1, offset);
		g_assert_cmpint(write(a->fd, piece, sizeof(piece)), ==, sizeof(piece));
		g_usleep(20);
	}
	return NULL;
}

/* Each time it is a beginning of what is written, and no shorter than before. */
static void grows(struct ringline_file *dir)
{
	struct appender a = { .fd = openat(at_fd(dir), "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) };
	struct ringline_buf *buf;
	pthread_t thread;
	int64_t before = 0;
	int i;

	CONF_OK(pthread_create(&thread, NULL, append, &a));
	for (i = 0; i < 50 || !before; i++) {
		int64_t n = ringline_path_read_all(&buf, dir, "file", 8 * MIB);

		g_assert_cmpint(n, >=, before);
		conf_check(ringline_buf_data(buf), (size_t)n, 1, 0);
		CONF_OK(ringline_buf_unref(buf));
		before = n;
	}
	a.stop = true;
	CONF_OK(pthread_join(thread, NULL));
	CONF_OK(close(a.fd));
}

static void test_grows(const char *path)
{
	at_run(path, grows);
}

static void large(struct ringline_file *dir)
{
	at_put(at_fd(dir), "file", 1, 64 * MIB);
	read_expecting(dir, "file", 64 * MIB, 1, 64 * MIB, false);
}

static void test_large(const char *path)
{
	at_run(path, large);
}

/* --- its buffer ---------------------------------------------------------------------------------------------------- */

/* In whatever state it is when nobody wants it any more, the buffer is given back. */
static void not_awaited(struct ringline_file *dir)
{
	struct ringline_scope *scope;
	struct ringline_buf *buf;
	struct ringline_op *op;
	int round;
	int i;

	at_put(at_fd(dir), "file", 1, MIB);
	for (round = 0; round < 8; round++) {
		CONF_OK(ringline_scope_open(&scope, NULL));
		CONF_OK(ringline_path_read_all_begin(&op, &buf, dir, "file", MIB));
		for (i = 0; i < round; i++)
			conf_pause();
		if (round == 7)
			CONF_UNTIL(conf_stats(NULL).memory > 0);
		CONF_OK(ringline_scope_close(scope));
		g_assert_cmpuint(conf_stats(NULL).memory, ==, 0);
	}
}

static void test_not_awaited(const char *path)
{
	at_run(path, not_awaited);
}

static void memory_limit(struct ringline_file *dir)
{
	struct ringline_buf *first;
	struct ringline_buf *second;

	at_put(at_fd(dir), "file", 1, 2 * MIB);
	g_assert_cmpint(ringline_path_read_all(&first, dir, "file", 2 * MIB), ==, 2 * MIB);
	g_assert_cmpuint(conf_stats(NULL).memory, >=, 2 * MIB);
	AT_ERROR(ringline_path_read_all(&second, dir, "file", 2 * MIB), ENOBUFS);
	CONF_OK(ringline_path_unlink(dir, "file"));
	conf_check(ringline_buf_data(first), 2 * MIB, 1, 0);
	CONF_OK(ringline_buf_unref(first));
	at_put(at_fd(dir), "file", 1, 2 * MIB);
	g_assert_cmpint(ringline_path_read_all(&second, dir, "file", 2 * MIB), ==, 2 * MIB);
	CONF_OK(ringline_buf_unref(second));
}

static void test_memory_limit(const char *path)
{
	struct ringline_config c;

	conf_config(&c);
	c.memory_limit = MIB;
	at_run_with(&c, path, memory_limit);
}

/* --- replacing ----------------------------------------------------------------------------------------------------- */

static unsigned int temporaries(struct ringline_file *dir)
{
	return at_count_like(at_fd(dir), ".ringline-");
}

/* Replaces by n bytes of that stream, in either form. */
static int64_t replace(struct ringline_file *dir, const char *name, uint32_t seed, size_t n, bool begin)
{
	char *data = g_malloc(n + 1);
	struct ringline_op *op;
	int64_t result;

	conf_fill(data, n, seed, 0);
	if (begin) {
		CONF_OK(ringline_path_write_atomic_begin(&op, dir, name, data, n, 0644));
		result = ringline_op_await(op);
	} else {
		result = ringline_path_write_atomic(dir, name, data, n, 0644);
	}
	g_free(data);
	return result;
}

static void replaces(struct ringline_file *dir)
{
	static const size_t sizes[] = { 0, 1, SIZE, 65536, 5 * MIB + 3, 10 };
	size_t i;
	int form;

	for (i = 0; i < G_N_ELEMENTS(sizes); i++) {
		for (form = 0; form < 2; form++) {
			CONF_OK(replace(dir, "file", (uint32_t)i, sizes[i], form));
			g_assert_true(at_holds(at_fd(dir), "file", (uint32_t)i, sizes[i]));
		}
	}
	CONF_OK(ringline_path_write_atomic(dir, "empty", NULL, 0, 0600));
	g_assert_cmpint(at_stat(at_fd(dir), "empty").st_size, ==, 0);
	g_assert_cmpuint(at_count(at_fd(dir)), ==, 2);
}

static void test_replaces(const char *path)
{
	at_run(path, replaces);
}

/* Who has the old one open, or another name for it, goes on with that. */
static void old_one_stays(struct ringline_file *dir)
{
	int fd = at_fd(dir);
	char data[SIZE];
	int old;

	at_put(fd, "file", 1, SIZE);
	CONF_OK(linkat(fd, "file", fd, "other", 0));
	old = openat(fd, "file", O_RDONLY | O_CLOEXEC);
	CONF_OK(replace(dir, "file", 2, SIZE, false));
	g_assert_cmpint(read(old, data, SIZE), ==, SIZE);
	conf_check(data, SIZE, 1, 0);
	CONF_OK(close(old));
	g_assert_true(at_holds(fd, "other", 1, SIZE) && at_holds(fd, "file", 2, SIZE));
	g_assert_cmpuint(at_stat(fd, "other").st_nlink, ==, 1);
}

static void test_old_one_stays(const char *path)
{
	at_run(path, old_one_stays);
}

/* The umask takes its share, and a file that may not be written to is written all the same. */
static void modes(struct ringline_file *dir)
{
	static const uint32_t given[] = { 0666, 0600, 0444, 0, 0777 };
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(given); i++) {
		CONF_OK(ringline_path_write_atomic(dir, "file", "abc", 3, given[i]));
		g_assert_cmpuint(at_stat(at_fd(dir), "file").st_mode, ==, S_IFREG | (given[i] & ~027u));
		g_assert_cmpint(at_stat(at_fd(dir), "file").st_size, ==, 3);
	}
}

static void test_modes(const char *path)
{
	mode_t before = umask(027);

	at_run(path, modes);
	umask(before);
}

static void replaces_link(struct ringline_file *dir)
{
	int fd = at_fd(dir);

	at_put(fd, "target", 1, SIZE);
	CONF_OK(symlinkat("target", fd, "link"));
	CONF_OK(symlinkat("nothing", fd, "dangling"));
	CONF_OK(replace(dir, "link", 2, SIZE, false));
	CONF_OK(replace(dir, "dangling", 3, SIZE, false));
	g_assert_true(S_ISREG(at_stat(fd, "link").st_mode) && S_ISREG(at_stat(fd, "dangling").st_mode));
	g_assert_true(at_holds(fd, "target", 1, SIZE) && at_holds(fd, "link", 2, SIZE));
	g_assert_false(at_has(fd, "nothing"));
	g_assert_cmpuint(at_count(fd), ==, 3);
}

static void test_replaces_link(const char *path)
{
	at_run(path, replaces_link);
}

/* The temporary file is where the file is, and by way of links there. */
static void below(struct ringline_file *dir)
{
	int fd = at_fd(dir);

	CONF_OK(mkdirat(fd, "a", 0700));
	CONF_OK(mkdirat(fd, "a/b", 0700));
	CONF_OK(symlinkat("a/b", fd, "way"));
	CONF_OK(replace(dir, "a/b/file", 1, SIZE, false));
	CONF_OK(replace(dir, "way/file", 2, SIZE, false));
	CONF_OK(replace(dir, "a/../a//b/../file", 3, SIZE, false));
	g_assert_true(at_holds(fd, "a/b/file", 2, SIZE) && at_holds(fd, "a/file", 3, SIZE));
	AT_ERROR(replace(dir, "a/", 1, SIZE, false), EISDIR);
	AT_ERROR(replace(dir, "new/", 1, SIZE, false), EISDIR);
	AT_ERROR(replace(dir, "a", 1, SIZE, false), EISDIR);
	g_assert_cmpint(replace(dir, ".", 1, SIZE, false), <, 0);
	g_assert_cmpint(replace(dir, "a/..", 1, SIZE, false), <, 0);
	AT_ERROR(replace(NULL, "/", 1, SIZE, false), EISDIR);
	g_assert_cmpuint(at_count(fd), ==, 2);
	g_assert_cmpuint(temporaries(dir), ==, 0);
}

static void test_below(const char *path)
{
	at_run(path, below);
}

/* No room for all of it. */
static void no_room(struct ringline_file *dir)
{
	CONF_OK(replace(dir, "file", 1, 40 << 10, false));
	AT_ERROR(replace(dir, "file", 2, 40 << 10, false), ENOSPC);
	AT_ERROR(replace(dir, "file", 2, 5 * MIB, true), ENOSPC);
	AT_ERROR(replace(dir, "other", 2, 40 << 10, false), ENOSPC);
	g_assert_true(at_holds(at_fd(dir), "file", 1, 40 << 10));
	g_assert_cmpuint(at_count(at_fd(dir)), ==, 1);
	CONF_OK(ringline_path_unlink(dir, "file"));
	CONF_OK(replace(dir, "file", 2, 40 << 10, false));
}

static void test_no_room(const char *path)
{
	char *root = g_build_filename(path, "small", NULL);

	CONF_OK(mkdir(root, 0755));
	CONF_OK(mount("tmpfs", root, "tmpfs", 0, "size=64k"));
	at_run(root, no_room);
	CONF_OK(umount2(root, 0));
	g_free(root);
}

/* Limits of the process, in a task: no descriptor more; no longer file, of which no signal comes either. */
static void limits(struct ringline_file *dir)
{
	struct ringline_buf *buf;
	struct rlimit before;
	struct rlimit r;
	int next = fcntl(at_fd(dir), F_DUPFD_CLOEXEC, 0);

	CONF_OK(replace(dir, "file", 1, SIZE, false));
	CONF_OK(close(next));
	CONF_OK(getrlimit(RLIMIT_NOFILE, &before));
	r = (struct rlimit){ .rlim_cur = (rlim_t)next, .rlim_max = before.rlim_max };
	CONF_OK(setrlimit(RLIMIT_NOFILE, &r));
	AT_ERROR(ringline_path_read_all(&buf, dir, "file", SIZE), EMFILE);
	AT_ERROR(replace(dir, "file", 2, SIZE, false), EMFILE);
	CONF_OK(setrlimit(RLIMIT_NOFILE, &before));
	CONF_OK(getrlimit(RLIMIT_FSIZE, &before));
	r = (struct rlimit){ .rlim_cur = SIZE, .rlim_max = before.rlim_max };
	CONF_OK(setrlimit(RLIMIT_FSIZE, &r));
	AT_ERROR(replace(dir, "file", 2, SIZE + 1, false), EFBIG);
	AT_ERROR(ringline_path_truncate(dir, "file", SIZE + 1), EFBIG);
	CONF_OK(setrlimit(RLIMIT_FSIZE, &before));
	g_assert_true(at_holds(at_fd(dir), "file", 1, SIZE));
	g_assert_cmpuint(at_count(at_fd(dir)), ==, 1);
}

static void test_limits(const char *path)
{
	at_run(path, limits);
}

/* --- many at once --------------------------------------------------------------------------------------------------- */

#define WRITERS 50

/* Of the same name one is the last, and none is broken; of the others each is what it should be. */
static void many(struct ringline_file *dir)
{
	static char data[WRITERS][4096];
	struct ringline_op *op[2 * WRITERS];
	int64_t result[2 * WRITERS];
	char name[WRITERS][8];
	bool found = false;
	uint32_t i;

	for (i = 0; i < WRITERS; i++) {
		conf_fill(data[i], sizeof(data[i]), i, 0);
		g_snprintf(name[i], sizeof(name[i]), "f%u", i);
		CONF_OK(ringline_path_write_atomic_begin(&op[2 * i], dir, name[i], data[i], sizeof(data[i]), 0600));
		CONF_OK(ringline_path_write_atomic_begin(&op[2 * i + 1], dir, "same", data[i], sizeof(data[i]), 0600));
	}
	CONF_OK(ringline_op_await_all(op, 2 * WRITERS, result));
	for (i = 0; i < WRITERS; i++) {
		CONF_OK(result[2 * i]);
		CONF_OK(result[2 * i + 1]);
		g_assert_true(at_holds(at_fd(dir), name[i], i, sizeof(data[i])));
		found |= at_holds(at_fd(dir), "same", i, sizeof(data[i]));
	}
	g_assert_true(found);
	g_assert_cmpuint(at_count(at_fd(dir)), ==, WRITERS + 1);
}

static void test_many(const char *path)
{
	at_run(path, many);
}

/* A file that tells whether it is whole. */
struct header {
	uint32_t serial;
	uint32_t length;
};

#define CHECKED_MAX (128u << 10)

static size_t make_checked(char *data, uint32_t serial)
{
	struct header h = { .serial = serial, .length = (serial * 7919) % (CHECKED_MAX - sizeof(h)) };

	memcpy(data, &h, sizeof(h));
	conf_fill(data + sizeof(h), h.length, serial, 0);
	return sizeof(h) + h.length;
}

/* The serial of one that is whole. */
static uint32_t check_file(int dir)
{
	char *data = g_malloc(CHECKED_MAX + 1);
	size_t n = at_read(dir, "file", data, CHECKED_MAX + 1);
	struct header h;

	g_assert_cmpuint(n, >=, sizeof(h));
	memcpy(&h, data, sizeof(h));
	g_assert_cmpuint(n, ==, sizeof(h) + h.length);
	conf_check(data + sizeof(h), h.length, h.serial, 0);
	g_free(data);
	return h.serial;
}

struct reader {
	int dir;
	_Atomic bool stop;
	_Atomic unsigned int seen;        /* different ones */
};

static void *read_again(void *arg)
{
	struct reader *r = arg;
	uint32_t before = 0;

	while (!r->stop) {
		uint32_t serial = check_file(r->dir);

		g_assert_cmpuint(serial, >=, before);
		r->seen += serial > before;
		before = serial;
	}
	return NULL;
}

/* Until it has been done often, and seen in between. */
static void read_meanwhile(struct ringline_file *dir)
{
	struct reader r = { .dir = at_fd(dir) };
	char *data = g_malloc(CHECKED_MAX);
	pthread_t thread;
	uint32_t serial;

	CONF_OK(ringline_path_write_atomic(dir, "file", data, make_checked(data, 1), 0600));
	CONF_OK(pthread_create(&thread, NULL, read_again, &r));
	for (serial = 2; serial < 202 || r.seen < 10; serial++)
		CONF_OK(ringline_path_write_atomic(dir, "file", data, make_checked(data, serial), 0600));
	r.stop = true;
	CONF_OK(pthread_join(thread, NULL));
	g_assert_cmpuint(check_file(r.dir), ==, serial - 1);
	g_assert_cmpuint(at_count(r.dir), ==, 1);
	g_free(data);
}

static void test_read_meanwhile(const char *path)
{
	at_run(path, read_meanwhile);
}

/* --- the process dies ----------------------------------------------------------------------------------------------- */

static uint32_t next_serial;

static void replace_for_ever(struct ringline_file *dir)
{
	static char data[CHECKED_MAX];

	for (;;)
		CONF_OK(ringline_path_write_atomic(dir, "file", data, make_checked(data, next_serial++), 0600));
}

static pid_t start_replacing(const char *path)
{
	pid_t parent = getpid();
	pid_t pid;

	fflush(NULL);
	pid = fork();
	g_assert_cmpint(pid, >=, 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent)
		at_run(path, replace_for_ever);
	_exit(1);
}

static void kill_it(pid_t pid)
{
	int status;

	g_assert_cmpint(waitpid(pid, &status, WNOHANG), ==, 0);
	CONF_OK(kill(pid, SIGKILL));
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_true(WIFSIGNALED(status));
	g_assert_cmpint(WTERMSIG(status), ==, SIGKILL);
}

/* ".ringline-", some digits and ".tmp", which a daemon may remove when it starts. */
static void remove_temporaries(int dir)
{
	char *path = at_path(dir, ".");
	GDir *d = g_dir_open(path, 0, NULL);
	const char *name;

	while ((name = g_dir_read_name(d))) {
		const char *digits = name + strlen(".ringline-");

		if (!strcmp(name, "file"))
			continue;
		g_assert_true(g_str_has_prefix(name, ".ringline-"));
		g_assert_cmpstr(digits + strspn(digits, "0123456789"), ==, ".tmp");
		CONF_OK(unlinkat(dir, name, 0));
	}
	g_dir_close(d);
	g_free(path);
}

static void test_killed(const char *path)
{
	int dir = at_descriptor(AT_FDCWD, path);
	int rounds = conf_full() ? 500 : 50;
	char *data = g_malloc(CHECKED_MAX);
	unsigned int left = 0;
	uint32_t serial = 1;
	int fd;

	fd = openat(dir, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	g_assert_cmpint(write(fd, data, make_checked(data, serial)), >, 0);
	CONF_OK(close(fd));
	while (rounds--) {
		pid_t pid;

		next_serial = serial + 1;
		pid = start_replacing(path);
		CONF_UNTIL(check_file(dir) > serial);
		g_usleep((gulong)g_test_rand_int_range(0, 4000));
		kill_it(pid);
		serial = check_file(dir);
		left += at_count(dir) - 1;
		remove_temporaries(dir);
	}
	g_test_message("%u replacements, %u temporary files left behind", serial, left);
	g_free(data);
	CONF_OK(close(dir));
}

/* --- a file system that fails --------------------------------------------------------------------------------------- */

static const char *const errors[] = { "EIO", "EDQUOT", "ENOSPC", "ESTALE" };
static const int numbers[] = { EIO, EDQUOT, ENOSPC, ESTALE };

static void reading_fails(struct ringline_file *dir)
{
	static const char *const steps[] = { "lookup", "open", "read" };
	struct ringline_buf *buf;
	size_t i;
	size_t k;

	at_put(at_fd(dir), "file", 1, SIZE);
	for (i = 0; i < G_N_ELEMENTS(steps); i++) {
		for (k = 0; k < G_N_ELEMENTS(errors); k++) {
			place_fault("fail %s %s", steps[i], errors[k]);
			AT_ERROR(ringline_path_read_all(&buf, dir, "file", SIZE), numbers[k]);
			place_fault("clear");
		}
	}
	place_fault("short read 7");
	read_expecting(dir, "file", SIZE, 1, SIZE, false);
	place_fault("clear");
	g_assert_cmpuint(conf_stats(NULL).memory, ==, 0);
}

static void test_reading_fails(const char *path)
{
	at_run(path, reading_fails);
}

/* Whichever step fails, the old contents stand, and nothing is left behind. */
static void replacing_fails(struct ringline_file *dir)
{
	static const char *const steps[] = { "create", "write", "fsync", "flush", "rename" };
	size_t i;
	size_t k;
	int form;

	at_put(at_fd(dir), "file", 1, SIZE);
	for (i = 0; i < G_N_ELEMENTS(steps); i++) {
		for (k = 0; k < G_N_ELEMENTS(errors); k++) {
			for (form = 0; form < 2; form++) {
				place_fault("fail %s %s", steps[i], errors[k]);
				AT_ERROR(replace(dir, "file", 2, SIZE, form), numbers[k]);
				place_fault("clear");
				g_assert_true(at_holds(at_fd(dir), "file", 1, SIZE));
				g_assert_cmpuint(at_count(at_fd(dir)), ==, 1);
			}
		}
	}
	place_fault("short write 7");
	CONF_OK(replace(dir, "file", 2, SIZE, false));
	place_fault("clear");
	g_assert_true(at_holds(at_fd(dir), "file", 2, SIZE));
}

static void test_replacing_fails(const char *path)
{
	at_run(path, replacing_fails);
}

/* Counts are the server's, unless all of it is asked for. */
static void short_counts(struct ringline_file *dir)
{
	struct ringline_file *file;
	char data[SIZE];

	at_put(at_fd(dir), "file", 1, SIZE);
	CONF_OK(ringline_file_open(&file, dir, "file", O_RDWR, 0, NULL));
	place_fault("short read 7");
	place_fault("short write 5");
	g_assert_cmpint(ringline_file_read(file, data, SIZE, 100), ==, 7);
	conf_check(data, 7, 1, 100);
	g_assert_cmpint(ringline_file_write(file, data, SIZE, 100), ==, 5);
	g_assert_cmpint(ringline_file_read_all(file, data, SIZE, 0), ==, SIZE);
	conf_check(data, SIZE, 1, 0);
	g_assert_cmpint(ringline_file_write_all(file, data, SIZE, SIZE), ==, SIZE);
	place_fault("clear");
	g_assert_cmpint(at_stat(at_fd(dir), "file").st_size, ==, 2 * SIZE);
	CONF_OK(ringline_file_close(file));
}

static void test_short_counts(const char *path)
{
	at_run(path, short_counts);
}

/* The last step is the sync of the directory: the new contents are there, and it is told that they may go again. */
static void last_step_fails(struct ringline_file *dir)
{
	struct ringline_op *op;

	at_put(at_fd(dir), "file", 1, SIZE);
	place_fault("stall rename");
	CONF_OK(ringline_path_write_atomic_begin(&op, dir, "file", "new", 3, 0600));
	place_stalled("rename");
	place_fault("fail fsync EIO");
	place_fault("release rename");
	AT_ERROR(ringline_op_await(op), EIO);
	place_fault("clear");
	g_assert_cmpint(at_stat(at_fd(dir), "file").st_size, ==, 3);
	g_assert_cmpuint(at_count(at_fd(dir)), ==, 1);
}

static void test_last_step_fails(const char *path)
{
	at_run(path, last_step_fails);
}

/* A cut ends it between two pieces. */
static void cut_between(struct ringline_file *dir)
{
	static char data[9 * MIB];
	struct ringline_buf *buf;
	struct ringline_op *op;

	at_put(at_fd(dir), "file", 1, sizeof(data));
	place_fault("stall write");
	CONF_OK(ringline_path_write_atomic_begin(&op, dir, "file", data, sizeof(data), 0600));
	place_stalled("write");
	CONF_OK(ringline_op_cancel(op));
	place_fault("release write");
	AT_ERROR(ringline_op_await(op), ECANCELED);
	g_assert_true(at_holds(at_fd(dir), "file", 1, sizeof(data)));
	g_assert_cmpuint(at_count(at_fd(dir)), ==, 1);
	place_fault("stall read");
	CONF_OK(ringline_path_read_all_begin(&op, &buf, dir, "file", sizeof(data)));
	place_stalled("read");
	CONF_OK(ringline_op_cancel(op));
	place_fault("release read");
	AT_ERROR(ringline_op_await(op), ECANCELED);
	g_assert_cmpuint(conf_stats(NULL).memory, ==, 0);
}

static void test_cut_between(const char *path)
{
	at_run(path, cut_between);
}

/* --- the program ---------------------------------------------------------------------------------------------------- */

#define TOPIC "whole"

static void add_reading(void)
{
	place_add_each(TOPIC, "read-all-reads-all", test_reads);
	place_add_each(TOPIC, "one-byte-too-many-is-efbig", test_too_long);
	place_add_each(TOPIC, "holes", test_holes);
	place_add(TOPIC, "here", "lengths-that-are-not-true", test_told_otherwise);
	place_add_each(TOPIC, "only-regular-files-have-a-whole", test_no_whole);
	place_add(TOPIC, "fuse", "grows-between-open-and-read", test_grows_while_read);
	place_add_each(TOPIC, "grows-while-it-is-read", test_grows);
	place_add(TOPIC, "here", "64-mib", test_large);
	place_add_each(TOPIC, "not-awaited-gives-its-buffer-back", test_not_awaited);
	place_add(TOPIC, "here", "memory-limit-is-enobufs", test_memory_limit);
}

static void add_replacing(void)
{
	place_add_each(TOPIC, "replaces-and-makes", test_replaces);
	place_add_each(TOPIC, "old-one-stays-with-who-has-it", test_old_one_stays);
	place_add_each(TOPIC, "umask-takes-its-share", test_modes);
	place_add_each(TOPIC, "links-are-replaced-not-followed", test_replaces_link);
	place_add_each(TOPIC, "directories-in-the-name", test_below);
	place_add(TOPIC, "tmpfs", "no-room-leaves-the-old-one", test_no_room);
	place_add(TOPIC, "here", "limits-of-the-process", test_limits);
	place_add_each(TOPIC, "many-at-once", test_many);
	place_add_each(TOPIC, "readers-find-the-old-or-the-new", test_read_meanwhile);
	place_add(TOPIC, "here", "killed-at-any-moment", test_killed);
	place_add(TOPIC, "ext4", "killed-at-any-moment", test_killed);
}

static void add_failing(void)
{
	place_add(TOPIC, "fuse", "each-step-of-reading-fails", test_reading_fails);
	place_add(TOPIC, "fuse", "each-step-of-replacing-fails", test_replacing_fails);
	place_add(TOPIC, "fuse", "last-step-of-replacing-fails", test_last_step_fails);
	place_add(TOPIC, "fuse", "short-counts-are-told", test_short_counts);
	place_add(TOPIC, "fuse", "cut-between-two-pieces", test_cut_between);
}

static void add(void)
{
	add_reading();
	add_replacing();
	add_failing();
}

int main(int argc, char **argv)
{
	return place_main(argc, argv, TOPIC, add);
}
