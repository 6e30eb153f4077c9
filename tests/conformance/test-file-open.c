/* SPDX-License-Identifier: MIT */
/*
 * Opening files: by name, below directories, without a name; and opens that are cut.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "support/files.h"

#define WAIT RINGLINE_BLOCKING_WAIT

static int by_name(struct ringline_file **file, struct ringline_file *dir, const char *name, int flags)
{
	return ringline_file_open(file, dir, name, flags, 0644, NULL);
}

/* What opening it says; what could be opened is closed. */
static int try(struct ringline_file *dir, const char *name, int flags, uint64_t resolve)
{
	struct ringline_file_open_options o = RINGLINE_FILE_OPEN_OPTIONS_INIT;
	struct ringline_file *file = NULL;
	int r;

	o.resolve = resolve;
	r = ringline_file_open(&file, dir, name, flags, 0644, &o);
	if (r == 0)
		CONF_OK(ringline_file_close(file));
	else
		g_assert_null(file);
	return r;
}

static struct ringline_file *open_dir(const char *dir)
{
	struct ringline_file *file;

	CONF_OK(by_name(&file, NULL, dir, O_PATH | O_DIRECTORY));
	return file;
}

/* --- errors ------------------------------------------------------------------------------------------------------- */

/* A file, a directory, links and a socket, below dir. */
static void make_all(const char *dir)
{
	static const char *const links[][2] = { { "file", "link" }, { "loop", "loop" }, { "nowhere", "dangling" }, { "sub", "to-sub" } };
	char *path = file_path(dir, "sub");
	size_t i;

	file_put(dir, "file", 10, 1);
	CONF_OK(mkdir(path, 0755));
	g_free(path);
	file_put(dir, "sub/inner", 10, 2);
	for (i = 0; i < G_N_ELEMENTS(links); i++) {
		path = file_path(dir, links[i][1]);
		CONF_OK(symlink(links[i][0], path));
		g_free(path);
	}
}

static const struct {
	const char *name;
	int flags;
	uint64_t resolve;
	int result;
} attempts[] = {
	{ "file", O_RDONLY, 0, 0 },
	{ "link", O_RDWR, 0, 0 },
	{ "sub", O_RDONLY, 0, 0 },
	{ "sub", O_RDONLY | O_DIRECTORY, 0, 0 },
	{ "sub/inner", O_RDONLY, 0, 0 },
	{ "to-sub/inner", O_RDONLY, 0, 0 },
	{ "", O_RDONLY, 0, -ENOENT },
	{ "missing", O_RDONLY, 0, -ENOENT },
	{ "missing/file", O_RDWR | O_CREAT, 0, -ENOENT },
	{ "dangling", O_RDONLY, 0, -ENOENT },
	{ "file/x", O_RDONLY, 0, -ENOTDIR },
	{ "file", O_RDONLY | O_DIRECTORY, 0, -ENOTDIR },
	{ "sub", O_WRONLY, 0, -EISDIR },
	{ "sub", O_RDWR | O_CREAT, 0, -EISDIR },
	{ "file", O_RDWR | O_CREAT | O_EXCL, 0, -EEXIST },
	{ "sub", O_RDWR | O_CREAT | O_EXCL, 0, -EEXIST },
	{ "dangling", O_RDWR | O_CREAT | O_EXCL, 0, -EEXIST },
	{ "loop", O_RDONLY, 0, -ELOOP },
	{ "loop/x", O_RDONLY, 0, -ELOOP },
	{ "link", O_RDONLY | O_NOFOLLOW, 0, -ELOOP },
	{ "link", O_PATH | O_NOFOLLOW, 0, 0 },
	{ "to-sub/inner", O_RDONLY | O_NOFOLLOW, 0, 0 },
	{ "file", O_RDONLY, RINGLINE_RESOLVE_NO_SYMLINKS, 0 },
	{ "link", O_RDONLY, RINGLINE_RESOLVE_NO_SYMLINKS, -ELOOP },
	{ "to-sub/inner", O_RDONLY, RINGLINE_RESOLVE_NO_SYMLINKS, -ELOOP },
	{ "/proc/self/exe", O_RDONLY, RINGLINE_RESOLVE_NO_MAGICLINKS, -ELOOP },
	{ "/proc/self/exe", O_RDONLY, 0, 0 },
	{ "/proc/self/exe", O_WRONLY, 0, -ETXTBSY },
	{ "../x", O_RDONLY, RINGLINE_RESOLVE_BENEATH, -EXDEV },
	{ "sub/../../x", O_RDONLY, RINGLINE_RESOLVE_BENEATH, -EXDEV },
	{ "/file", O_RDONLY, RINGLINE_RESOLVE_BENEATH, -EXDEV },
	{ "sub/../file", O_RDONLY, RINGLINE_RESOLVE_BENEATH, 0 },
	{ "/file", O_RDONLY, RINGLINE_RESOLVE_IN_ROOT, 0 },
	{ "../../sub/inner", O_RDONLY, RINGLINE_RESOLVE_IN_ROOT, 0 },
	{ "/proc/self/stat", O_RDONLY, RINGLINE_RESOLVE_NO_XDEV, -EXDEV },
	{ "file", O_RDONLY, RINGLINE_RESOLVE_BENEATH | RINGLINE_RESOLVE_IN_ROOT, -EINVAL },
	{ "file", O_RDONLY, UINT64_C(1) << 40, -EINVAL },
	{ "file", O_RDONLY, 0x40, -EINVAL },
	{ "file", O_PATH | O_RDWR, 0, -EINVAL },
	{ "file", O_RDONLY | (1 << 30), 0, -EINVAL },
	{ "unix", O_PATH, 0, 0 },
	{ "unix", O_RDONLY, 0, -ENXIO },  /* the last one: faultfs has no sockets */
};

static size_t count_attempts(void)
{
	return G_N_ELEMENTS(attempts) - place_is("fuse");
}

/* A socket has a short name only. */
static void make_socket(const char *dir)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int at = file_fd(dir, ".", O_PATH);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_snprintf(un.sun_path, sizeof(un.sun_path), "/proc/self/fd/%d/unix", at);
	CONF_OK(bind(fd, (struct sockaddr *)&un, sizeof(un)));
	CONF_OK(close(fd));
	CONF_OK(close(at));
}

static int errors_main(void *dir)
{
	struct ringline_file *at = open_dir(dir);
	char *long_name = g_strnfill(300, 'x');
	char *long_path = g_strnfill(5000, '/');
	size_t i;

	for (i = 0; i < count_attempts(); i++) {
		g_test_message("%s %#x %#x", attempts[i].name, (unsigned int)attempts[i].flags, (unsigned int)attempts[i].resolve);
		g_assert_cmpint(try(at, attempts[i].name, attempts[i].flags, attempts[i].resolve), ==, attempts[i].result);
	}
	g_assert_cmpint(try(at, long_name, O_RDWR | O_CREAT, 0), ==, -ENAMETOOLONG);
	g_assert_cmpint(try(at, long_path, O_RDONLY, 0), ==, -ENAMETOOLONG);
	g_free(long_name);
	g_free(long_path);
	CONF_OK(ringline_file_close(at));
	g_assert_cmpint(try(at, "file", O_RDONLY, 0), ==, -EBADF);
	g_assert_cmpint(try(at, "/", O_RDONLY, 0), ==, -EBADF);
	return 0;
}

static void run_attempts(const char *dir, int (*fn)(void *dir))
{
	make_all(dir);
	if (!place_is("fuse"))
		make_socket(dir);
	else
		file_put(dir, "unix", 0, 0);
	file_run(dir, fn);
}

static void test_errors(const char *dir)
{
	run_attempts(dir, errors_main);
}

/* The same as operations. */
static int errors_begin_main(void *dir)
{
	struct ringline_file_open_options o = RINGLINE_FILE_OPEN_OPTIONS_INIT;
	struct ringline_file *at = open_dir(dir);
	size_t i;

	for (i = 0; i < count_attempts(); i++) {
		struct ringline_file *file = NULL;
		struct ringline_op *op = NULL;
		int r;

		o.resolve = attempts[i].resolve;
		r = ringline_file_open_begin(&op, &file, at, attempts[i].name, attempts[i].flags, 0644, &o);
		if (r == 0)
			r = (int)ringline_op_await(op);
		g_assert_cmpint(r, ==, attempts[i].result);
		if (r == 0)
			CONF_OK(ringline_file_close(file));
	}
	return ringline_file_close(at);
}

static void test_errors_begin(const char *dir)
{
	run_attempts(dir, errors_begin_main);
}

static int arguments_main(void *dir)
{
	struct { struct ringline_file_open_options o; uint64_t more; } newer = { RINGLINE_FILE_OPEN_OPTIONS_INIT, 0 };
	struct ringline_file *file;
	struct ringline_op *op;

	g_assert_cmpint(ringline_file_open(NULL, NULL, dir, O_RDONLY, 0, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_file_open(&file, NULL, NULL, O_RDONLY, 0, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_file_open_begin(NULL, &file, NULL, dir, O_RDONLY, 0, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_file_open_begin(&op, NULL, NULL, dir, O_RDONLY, 0, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_file_open_begin(&op, &file, NULL, NULL, O_RDONLY, 0, NULL), ==, -EINVAL);
	newer.o.size = sizeof(newer);
	CONF_OK(ringline_file_open(&file, NULL, dir, O_RDONLY, 0, &newer.o));
	CONF_OK(ringline_file_close(file));
	newer.more = 1;
	g_assert_cmpint(ringline_file_open(&file, NULL, dir, O_RDONLY, 0, &newer.o), ==, -E2BIG);
	g_assert_cmpint(ringline_file_open_begin(&op, &file, NULL, dir, O_RDONLY, 0, &newer.o), ==, -E2BIG);
	newer.o.size = 4;
	g_assert_cmpint(ringline_file_open(&file, NULL, dir, O_RDONLY, 0, &newer.o), ==, -EINVAL);
	newer.o.size = offsetof(struct ringline_file_open_options, reserved);
	newer.o.reserved = 1;             /* it does not know that it has it */
	CONF_OK(ringline_file_open(&file, NULL, dir, O_RDONLY, 0, &newer.o));
	CONF_OK(ringline_file_close(file));
	newer.o.size = sizeof(newer.o);
	g_assert_cmpint(ringline_file_open(&file, NULL, dir, O_RDONLY, 0, &newer.o), ==, -EINVAL);
	return 0;
}

static void test_arguments(const char *dir)
{
	file_run(dir, arguments_main);
}

#define RENAMES_SEEN 2000

static atomic_bool enough;

static gpointer renames(gpointer dir)
{
	char *from = file_path(dir, "sub");
	char *to = file_path(dir, "renamed");

	while (!enough) {
		CONF_OK(rename(from, to));
		CONF_OK(rename(to, from));
	}
	g_free(from);
	g_free(to);
	return NULL;
}

/* Somebody renames something all the time, which the kernel may not be able to tell from what would lead out. */
static int renamed_main(void *dir)
{
	struct ringline_file *at = open_dir(dir);
	GThread *thread = g_thread_new("renames", renames, dir);
	int i;

	for (i = 0; i < RENAMES_SEEN; i++) {
		CONF_OK(try(at, "calm/../calm/../file", O_RDONLY, RINGLINE_RESOLVE_BENEATH));
		g_assert_cmpint(try(at, "calm/../../file", O_RDONLY, RINGLINE_RESOLVE_BENEATH), ==, -EXDEV);
	}
	enough = true;
	g_thread_join(thread);
	return ringline_file_close(at);
}

static void test_renamed(const char *dir)
{
	char *calm = file_path(dir, "calm");

	make_all(dir);
	CONF_OK(mkdir(calm, 0755));
	g_free(calm);
	enough = false;
	file_run(dir, renamed_main);
}

/* As somebody who may not do everything. */
static int stranger_main(void *dir)
{
	struct ringline_file *at = open_dir(dir);

	g_assert_cmpint(try(at, "secret", O_RDONLY, 0), ==, -EACCES);
	g_assert_cmpint(try(at, "file", O_WRONLY, 0), ==, -EACCES);
	g_assert_cmpint(try(at, "new", O_WRONLY | O_CREAT, 0), ==, -EACCES);
	g_assert_cmpint(try(at, "file", O_RDONLY | O_NOATIME, 0), ==, -EPERM);
	CONF_OK(try(at, "file", O_RDONLY, 0));
	return ringline_file_close(at);
}

static void be_a_stranger(const void *dir)
{
	CONF_OK(setresgid(65534, 65534, 65534));
	CONF_OK(setresuid(65534, 65534, 65534));
	file_run(dir, stranger_main);
}

static void test_stranger(const char *dir)
{
	char *path = file_path(dir, "secret");
	char *parent;
	bool closed_way;

	if (geteuid() != 0) {
		g_test_skip("only root can become somebody else");
		return;
	}
	file_put(dir, "file", 10, 1);
	file_put(dir, "secret", 10, 1);
	CONF_OK(chmod(path, 0600));
	g_free(path);
	/* where strangers cannot go at all there is nothing to find out */
	parent = g_strdup_printf("setpriv --reuid=65534 --regid=65534 --clear-groups test -r %s/file", dir);
	closed_way = !g_spawn_command_line_sync(parent, NULL, NULL, NULL, NULL) || system(parent) != 0;
	g_free(parent);
	if (closed_way)
		g_test_skip("the way to the directory is closed to others");
	else
		conf_fork(be_a_stranger, dir);
}

/* --- making files ------------------------------------------------------------------------------------------------- */

static mode_t mode_of(const char *dir, const char *name)
{
	char *path = file_path(dir, name);
	struct stat st;

	CONF_OK(stat(path, &st));
	g_free(path);
	return st.st_mode & 07777;
}

static void make(struct ringline_file *at, const char *name, uint32_t mode)
{
	struct ringline_file *file;

	CONF_OK(ringline_file_open(&file, at, name, O_WRONLY | O_CREAT | O_EXCL, mode, NULL));
	g_assert_cmpint(fcntl(ringline_file_fd(file), F_GETFD), ==, FD_CLOEXEC);
	CONF_OK(ringline_file_close(file));
}

static int make_main(void *dir)
{
	struct ringline_file *at = open_dir(dir);
	mode_t before = umask(027);
	struct ringline_file *file;

	make(at, "a", 0666);
	make(at, "b", S_IFREG | 0777);    /* what is no permission is not looked at */
	umask(0);
	make(at, "c", 0606);
	umask(before);
	g_assert_cmpint(mode_of(dir, "a"), ==, 0640);
	g_assert_cmpint(mode_of(dir, "b"), ==, 0750);
	g_assert_cmpint(mode_of(dir, "c"), ==, 0606);

	file_put(dir, "file", 1000, 1);
	CONF_OK(ringline_file_open(&file, at, "file", O_RDWR | O_CREAT, 0600, NULL));
	g_assert_cmpint(mode_of(dir, "file"), ==, 0644);
	g_assert_cmpuint(file_length(dir, "file"), ==, 1000);
	CONF_OK(ringline_file_close(file));
	CONF_OK(ringline_file_open(&file, at, "file", O_RDWR | O_TRUNC, 07777777, NULL));
	g_assert_cmpuint(file_length(dir, "file"), ==, 0);
	CONF_OK(ringline_file_close(file));
	CONF_OK(ringline_file_open(&file, at, "file", O_RDONLY, 07777777, NULL));
	g_assert_cmpint(fcntl(ringline_file_fd(file), F_GETFD), ==, FD_CLOEXEC);
	g_assert_cmpint(fcntl(ringline_file_fd(file), F_GETFL) & O_ACCMODE, ==, O_RDONLY);
	CONF_OK(ringline_file_close(file));
	return ringline_file_close(at);
}

static void test_make(const char *dir)
{
	file_run(dir, make_main);
}

/* --- directories -------------------------------------------------------------------------------------------------- */

static int dir_main(void *dir)
{
	struct ringline_file *at = open_dir(dir);
	struct ringline_file *sub;
	struct ringline_file *file;
	struct ringline_file *other;
	char *inner = file_path(dir, "sub/inner");
	char *from = file_path(dir, "sub");
	char *to = file_path(dir, "renamed");

	CONF_OK(by_name(&sub, at, "sub", O_RDONLY | O_DIRECTORY));
	CONF_OK(try(sub, "inner", O_RDONLY, 0));
	CONF_OK(try(sub, "../file", O_RDONLY, 0));
	CONF_OK(try(sub, inner, O_RDONLY, 0));
	CONF_OK(rename(from, to));
	CONF_OK(try(sub, "inner", O_RDONLY, 0));          /* the same directory, whatever its name */
	g_assert_cmpint(try(sub, inner, O_RDONLY, 0), ==, -ENOENT);
	CONF_OK(rename(to, from));

	CONF_OK(by_name(&file, at, "file", O_RDONLY));
	g_assert_cmpint(try(file, "inner", O_RDONLY, 0), ==, -ENOTDIR);
	CONF_OK(by_name(&other, file, inner, O_RDONLY));  /* a name from the root needs none */
	CONF_OK(ringline_file_close(other));
	CONF_OK(ringline_file_close(file));
	CONF_OK(ringline_file_close(sub));
	g_free(inner);
	g_free(from);
	g_free(to);
	return ringline_file_close(at);
}

static void test_dir(const char *dir)
{
	make_all(dir);
	file_run(dir, dir_main);
}

/* NULL is the working directory. */
static int cwd_main(void *arg)
{
	(void)arg;
	return try(NULL, "sub/inner", O_RDONLY, 0);
}

static void test_cwd(const char *dir)
{
	int before = open(".", O_PATH | O_CLOEXEC);

	make_all(dir);
	CONF_OK(chdir(dir));
	CONF_OK(conf_run(cwd_main, NULL));
	CONF_OK(fchdir(before));
	CONF_OK(close(before));
}

/* An open that has begun keeps the directory. */
static int dir_closed_main(void *dir)
{
	struct ringline_file *at = open_dir(dir);
	struct ringline_file *file;
	struct ringline_op *op;
	int64_t r;

	CONF_OK(ringline_file_open_begin(&op, &file, at, "file", O_RDONLY, 0, NULL));
	g_assert_cmpint(ringline_file_release(at), ==, -EBUSY);
	CONF_OK(ringline_file_close(at));
	r = ringline_op_await(op);
	g_assert_true(r == 0 || r == -EBADF);
	if (r == 0)
		CONF_OK(ringline_file_close(file));
	return 0;
}

static void test_dir_closed(const char *dir)
{
	make_all(dir);
	file_run(dir, dir_closed_main);
}

/* --- files without a name ----------------------------------------------------------------------------------------- */

static int link_to(struct ringline_file *file, struct ringline_file *at, const char *name)
{
	struct ringline_op *op;
	int r = ringline_file_link(file, at, name);

	if (r < 0)
		return r;
	CONF_OK(ringline_file_link_begin(&op, file, at, name));
	g_assert_cmpint(ringline_op_await(op), ==, -EEXIST);
	return 0;
}

static int tmpfile_main(void *dir)
{
	struct ringline_file *at = open_dir(dir);
	struct ringline_file *file = NULL;
	int r = ringline_file_open(&file, NULL, dir, O_RDWR | O_TMPFILE, 0640, NULL);
	char *path = file_path(dir, "path");
	char data[100];

	if (r < 0) {
		g_assert_cmpint(r, ==, -EOPNOTSUPP);
		g_test_skip("no O_TMPFILE here");
		g_free(path);
		return ringline_file_close(at);
	}
	conf_fill(data, sizeof(data), 3, 0);
	g_assert_cmpint(ringline_file_write_all(file, data, sizeof(data), 0), ==, sizeof(data));
	CONF_OK(link_to(file, at, "name"));
	CONF_OK(link_to(file, NULL, path));
	CONF_OK(link_to(file, at, "sub/name"));
	file_check(dir, "name", sizeof(data), 3);
	file_check(dir, "path", sizeof(data), 3);
	g_assert_cmpint(mode_of(dir, "name"), ==, 0640);
	g_assert_cmpint(ringline_file_link(file, at, "missing/name"), ==, -ENOENT);
	g_assert_cmpint(ringline_file_link(file, at, "file/name"), ==, -ENOTDIR);
	g_assert_cmpint(ringline_file_link(file, at, "file"), ==, -EEXIST);
	g_assert_cmpint(ringline_file_link(file, NULL, "/proc/self/name"), <, 0);
	g_assert_cmpint(ringline_file_link(file, at, NULL), ==, -EINVAL);
	CONF_OK(ringline_file_close(file));
	g_assert_cmpint(ringline_file_link(file, at, "more"), ==, -EBADF);

	CONF_OK(ringline_file_open(&file, at, ".", O_RDWR | O_TMPFILE | O_EXCL, 0600, NULL));
	g_assert_cmpint(ringline_file_link(file, at, "never"), ==, -ENOENT);
	CONF_OK(ringline_file_close(file));
	CONF_OK(ringline_file_open(&file, at, "file", O_RDWR, 0, NULL));
	CONF_OK(ringline_file_link(file, at, "another"));
	g_free(path);
	path = file_path(dir, "another");
	CONF_OK(unlink(path));
	g_free(path);
	path = file_path(dir, "file");
	CONF_OK(unlink(path));
	g_free(path);
	g_assert_cmpint(ringline_file_link(file, at, "gone"), ==, -ENOENT);
	CONF_OK(ringline_file_close(file));
	return ringline_file_close(at);
}

static void test_tmpfile(const char *dir)
{
	make_all(dir);
	file_run(dir, tmpfile_main);
}

static int other_device_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDONLY);

	g_assert_cmpint(ringline_file_link(file, NULL, "/dev/shm/ringline-test-link"), ==, -EXDEV);
	return ringline_file_close(file);
}

static void test_other_device(const char *dir)
{
	struct stat here;
	struct stat there;

	CONF_OK(stat(dir, &here));
	if (stat("/dev/shm", &there) != 0 || here.st_dev == there.st_dev) {
		g_test_skip("no other file system at /dev/shm");
		return;
	}
	make_all(dir);
	file_run(dir, other_device_main);
}

/* --- cut before, and what nobody awaits --------------------------------------------------------------------------- */

static int cut_main(void *dir)
{
	struct ringline_file *file = NULL;
	struct ringline_op *op = NULL;
	struct ringline_scope *scope;
	int fd = file_fd(dir, "file", O_RDONLY);
	unsigned int fds = file_fds();

	scope = file_cancelled();
	g_assert_cmpint(file_try_open(&file, dir, "new", O_RDWR | O_CREAT), ==, -ECANCELED);
	g_assert_cmpint(ringline_file_open_begin(&op, &file, NULL, dir, O_RDONLY, 0, NULL), ==, -ECANCELED);
	g_assert_cmpint(ringline_file_from_fd(&file, fd), ==, -ECANCELED);
	g_assert_cmpint(ringline_file_from_fd_begin(&op, &file, fd), ==, -ECANCELED);
	file_scope_end(scope, -ECANCELED);
	scope = file_scope(0);
	CONF_UNTIL(ringline_yield() == -ETIME);
	g_assert_cmpint(file_try_open(&file, dir, "new", O_RDWR | O_CREAT), ==, -ETIME);
	g_assert_cmpint(ringline_file_from_fd(&file, fd), ==, -ETIME);
	file_scope_end(scope, -ETIME);
	g_assert_null(file);
	g_assert_true(file_is_open(fd));
	CONF_OK(close(fd));
	g_assert_cmpuint(file_fds(), ==, fds - 1);
	fd = file_fd(dir, "new", O_RDWR | O_CREAT | O_EXCL);     /* nobody has made it */
	return close(fd);
}

static void test_cut(const char *dir)
{
	make_all(dir);
	file_run(dir, cut_main);
}

/* Each step, with its class's only thread busy. */
static int cut_queued_main(void *dir)
{
	static const uint32_t classes[] = { RINGLINE_BLOCKING_IO, RINGLINE_BLOCKING_WAIT };
	const char *name = place_is("fuse") ? "file" : "fifo";
	struct ringline_file *at = open_dir(dir);
	size_t i;

	for (i = 0; i < 2; i++) {
		struct ringline_blocking_stats before;
		struct ringline_scope *scope;
		struct ringline_file *file = NULL;
		struct ringline_op *op;
		struct file_hold h;
		unsigned int fds;

		file_hold(&h, classes[i]);
		fds = file_fds();
		before = file_jobs(classes[i]);
		CONF_OK(ringline_file_open_begin(&op, &file, at, name, O_RDONLY, 0, NULL));
		if (place_is("fuse") && !i) {
			g_assert_cmpint(ringline_op_await(op), ==, 0);       /* no job of this class at all */
			CONF_OK(ringline_file_close(file));
			file_let_go(&h);
			continue;
		}
		CONF_UNTIL(file_jobs(classes[i]).queued);
		CONF_OK(ringline_op_cancel(op));
		g_assert_cmpint(ringline_op_await(op), ==, -ECANCELED);
		g_assert_cmpuint(file_jobs(classes[i]).cancelled, ==, before.cancelled + 1);
		g_assert_cmpuint(file_jobs(classes[i]).abandoned, ==, before.abandoned);
		g_assert_cmpuint(file_fds(), ==, fds);
		scope = file_scope(2 * MSEC);
		g_assert_cmpint(ringline_file_open(&file, at, name, O_RDONLY, 0, NULL), ==, -ETIME);
		file_scope_end(scope, -ETIME);
		CONF_UNTIL(file_fds() == fds);
		file_let_go(&h);
	}
	return ringline_file_close(at);
}

static void test_cut_queued(const char *dir)
{
	struct ringline_config c;
	char *fifo = file_path(dir, "fifo");

	make_all(dir);
	if (!place_is("fuse"))
		CONF_OK(mkfifo(fifo, 0600));
	g_free(fifo);
	conf_config(&c);
	c.blocking_io_threads = 1;
	c.blocking_wait_threads = 1;
	CONF_OK(conf_run_with(&c, cut_queued_main, (void *)dir));
}

struct opener {
	const char *dir;
	struct ringline_file *file;
	int result;
};

static int opener_main(void *arg)
{
	struct opener *o = arg;

	o->result = file_try_open(&o->file, o->dir, "file", O_RDONLY);
	return 0;
}

/* A server that is asked and does not answer is left behind, on its thread. */
static int cut_stalled_main(void *dir)
{
	struct opener o = { .dir = dir };
	unsigned int fds = file_fds();
	struct ringline_task *t;

	place_fault("stall open");
	CONF_OK(ringline_task_start(&t, opener_main, &o, NULL));
	place_stalled("open");
	CONF_OK(ringline_task_cancel(t));
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_cmpint(o.result, ==, -ECANCELED);
	g_assert_null(o.file);
	g_assert_cmpuint(place_stalled_now("open"), ==, 1);
	g_assert_cmpuint(file_jobs(WAIT).stuck, ==, 1);
	place_fault("release open");
	CONF_UNTIL(file_jobs(WAIT).stuck == 0);
	g_assert_cmpuint(file_fds(), ==, fds);
	return 0;
}

static void test_cut_stalled(const char *dir)
{
	make_all(dir);
	file_run(dir, cut_stalled_main);
}

/* The same where nobody could know that the name leads to a server. */
static int cut_lookup_main(void *dir)
{
	char *path = file_path(dir, "not there");
	unsigned int fds = file_fds();
	struct ringline_file *file = NULL;
	struct ringline_op *op;

	place_fault("stall lookup");
	CONF_OK(ringline_file_open_begin(&op, &file, NULL, path, O_RDONLY, 0, NULL));
	place_stalled("lookup");
	CONF_OK(ringline_op_cancel(op));
	g_assert_cmpint(ringline_op_await(op), ==, -ECANCELED);
	g_assert_null(file);
	g_assert_cmpuint(place_stalled_now("lookup"), ==, 1);
	g_assert_cmpuint(file_jobs(RINGLINE_BLOCKING_IO).stuck, ==, 1);
	place_fault("release lookup");
	CONF_UNTIL(file_jobs(RINGLINE_BLOCKING_IO).stuck == 0);
	g_assert_cmpuint(file_fds(), ==, fds);
	g_free(path);
	return 0;
}

static void test_cut_lookup(const char *dir)
{
	file_run(dir, cut_lookup_main);
}

#define LEFT_BEHIND     6
#define LEFT_BEHIND_MAX 256     /* so many do not count */
#define IO_THREADS      2

static int no_work(void *arg)
{
	(void)arg;
	return 0;
}

/* Leaves threads behind that look something up, until there are *n*. */
static void leave_behind(const char *path, unsigned int n)
{
	struct ringline_file *file = NULL;
	struct ringline_op *op;
	unsigned int i;

	for (i = place_stalled_now("lookup") + 1; i <= n; i++) {
		CONF_OK(ringline_file_open_begin(&op, &file, NULL, path, O_RDONLY, 0, NULL));
		CONF_UNTIL(place_stalled_now("lookup") == i);
		CONF_OK(ringline_op_cancel(op));
		g_assert_cmpint(ringline_op_await(op), ==, -ECANCELED);
	}
	g_assert_cmpuint(file_jobs(RINGLINE_BLOCKING_IO).stuck, ==, n);
}

static void come_back(void)
{
	place_fault("release lookup");
	CONF_UNTIL(file_jobs(RINGLINE_BLOCKING_IO).stuck == 0);
}

static void work_is_done(void)
{
	struct ringline_blocking_options io = RINGLINE_BLOCKING_OPTIONS_INIT;

	io.job_class = RINGLINE_BLOCKING_IO;
	CONF_OK(ringline_blocking(no_work, NULL, &io));
}

/* Threads that are left behind, more than the class may have, do not count: others get theirs, and nothing had to grow. */
static int left_behind_main(void *dir)
{
	char *path = file_path(dir, "not there");
	unsigned int i;

	place_fault("stall lookup");
	for (i = 1; i <= LEFT_BEHIND; i++) {
		leave_behind(path, i);
		work_is_done();
	}
	g_assert_cmpuint(file_jobs(RINGLINE_BLOCKING_IO).grown, ==, 0);
	come_back();
	g_free(path);
	return 0;
}

static void run_with_few_threads(int (*fn)(void *dir), const char *dir)
{
	struct ringline_config c;

	conf_config(&c);
	c.blocking_io_threads = IO_THREADS;
	CONF_OK(conf_run_with(&c, fn, (void *)dir));
}

static void test_left_behind(const char *dir)
{
	run_with_few_threads(left_behind_main, dir);
}

/* A number that is bounded: from then on they count, and the class has to grow like any that is held up. */
static int too_many_main(void *dir)
{
	char *path = file_path(dir, "not there");

	place_fault("stall lookup");
	leave_behind(path, LEFT_BEHIND_MAX);
	work_is_done();
	g_assert_cmpuint(file_jobs(RINGLINE_BLOCKING_IO).grown, ==, 0);
	leave_behind(path, LEFT_BEHIND_MAX + IO_THREADS);
	work_is_done();
	g_assert_cmpuint(file_jobs(RINGLINE_BLOCKING_IO).grown, >=, 1);
	come_back();
	g_free(path);
	return 0;
}

static void test_too_many(const char *dir)
{
	run_with_few_threads(too_many_main, dir);
}

/* What a server says is told, and nothing is left of the try. */
static void server_says(struct ringline_file *at, struct ringline_file *file, const char *path, const char *name, int error)
{
	place_fault("fail open %s 1", name);
	g_assert_cmpint(try(at, "file", O_RDWR, 0), ==, error);
	place_fault("fail create %s 1", name);
	g_assert_cmpint(try(at, "new", O_RDWR | O_CREAT | O_EXCL, 0), ==, error);
	place_fault("fail lookup %s", name);      /* each: the kernel asks again for a name that it had */
	g_assert_cmpint(try(NULL, path, O_RDONLY, 0), ==, error);
	place_fault("clear");
	place_fault("fail link %s 1", name);
	g_assert_cmpint(ringline_file_link(file, at, "another"), ==, error);
	place_fault("clear");
	g_assert_cmpint(try(at, "new", O_RDONLY, 0), ==, -ENOENT);
	g_assert_cmpint(try(at, "another", O_RDONLY, 0), ==, -ENOENT);
}

static int server_says_main(void *dir)
{
	static const struct {
		const char *name;
		int value;
	} errors[] = { { "EIO", EIO }, { "EDQUOT", EDQUOT }, { "ENOSPC", ENOSPC }, { "EROFS", EROFS }, { "EACCES", EACCES } };
	struct ringline_file *file = file_open(dir, "file", O_RDWR);
	struct ringline_file *at = open_dir(dir);
	char *path = file_path(dir, "sub/inner");
	unsigned int fds = file_fds();
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(errors); i++)
		server_says(at, file, path, errors[i].name, -errors[i].value);
	g_free(path);
	g_assert_cmpuint(file_fds(), ==, fds);
	CONF_OK(ringline_file_link(file, at, "another"));
	CONF_OK(ringline_file_close(at));
	return ringline_file_close(file);
}

static void test_server_says(const char *dir)
{
	make_all(dir);
	file_run(dir, server_says_main);
}

static int not_awaited_main(void *dir)
{
	struct ringline_file *file;
	struct ringline_scope *scope;
	struct ringline_op *op;
	unsigned int fds = file_fds();
	char *path = file_path(dir, "file");
	int fd = -1;
	int i;

	for (i = 0; i < 20; i++) {
		CONF_OK(ringline_scope_open(&scope, NULL));
		CONF_OK(ringline_file_open_begin(&op, &file, NULL, path, O_RDWR, 0, NULL));
		if (i % 2)
			CONF_UNTIL(!file_jobs(WAIT).running && !file_jobs(RINGLINE_BLOCKING_IO).running && file_fds() > fds);
		file_turns(i % 3);
		file_scope_end(scope, 0);
		CONF_UNTIL(file_fds() == fds);
	}
	for (i = 0; i < 20; i++) {
		fd = file_fd(dir, "file", O_RDONLY);
		CONF_OK(ringline_scope_open(&scope, NULL));
		CONF_OK(ringline_file_from_fd_begin(&op, &file, fd));
		file_turns(i);
		file_scope_end(scope, 0);
		g_assert_true(file_is_open(fd));   /* it is still the caller's */
		CONF_OK(close(fd));
	}
	g_free(path);
	return 0;
}

static void test_not_awaited(const char *dir)
{
	make_all(dir);
	file_run(dir, not_awaited_main);
}

static void add(void)
{
	place_add_each("file-open", "errors-of-open", test_errors);
	place_add_each("file-open", "errors-of-open-begun", test_errors_begin);
	place_add("file-open", "here", "arguments", test_arguments);
	place_add("file-open", "here", "beneath-while-others-rename", test_renamed);
	place_add("file-open", "tmpfs", "strangers-may-not", test_stranger);
	place_add_each("file-open", "mode-and-umask", test_make);
	place_add_each("file-open", "below-directories", test_dir);
	place_add("file-open", "here", "null-is-the-working-directory", test_cwd);
	place_add_each("file-open", "begun-keeps-its-directory", test_dir_closed);
	place_add_each("file-open", "without-a-name-then-linked", test_tmpfile);
	place_add("file-open", "here", "not-linked-elsewhere", test_other_device);
	place_add_each("file-open", "cut-at-the-start-opens-nothing", test_cut);
	place_add_each("file-open", "cut-while-queued-takes-it-back", test_cut_queued);
	place_add("file-open", "fuse", "cut-while-stalled-is-told-at-once", test_cut_stalled);
	place_add("file-open", "fuse", "cut-while-the-name-is-looked-up", test_cut_lookup);
	place_add("file-open", "fuse", "threads-left-behind-do-not-count", test_left_behind);
	place_add("file-open", "fuse", "too-many-left-behind-count", test_too_many);
	place_add("file-open", "fuse", "errors-of-the-server", test_server_says);
	place_add_each("file-open", "not-awaited-is-closed", test_not_awaited);
}

int main(int argc, char **argv)
{
	return place_main(argc, argv, "file-open", add);
}
