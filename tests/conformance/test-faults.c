/* SPDX-License-Identifier: MIT */
/* faultfs delivers every fault that can be ordered, and no other. All calls are the system's. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "support/places.h"

#define MANY    40
#define A_WHILE 100000        /* microseconds in which what must not happen would happen */
#define SIZE    1000

static char *path_in(const char *dir, const char *name)
{
	return g_build_filename(dir, name, NULL);
}

/* The errno of a system call that has returned this. */
static int error_of(ssize_t r)
{
	return r < 0 ? errno : 0;
}

static int open_in(const char *dir, const char *name, int flags)
{
	char *path = path_in(dir, name);
	int fd = open(path, flags | O_CLOEXEC, 0644);

	g_free(path);
	return fd;
}

/* A file of SIZE bytes of that stream. */
static void put_file(const char *dir, const char *name, uint32_t seed)
{
	int fd = open_in(dir, name, O_WRONLY | O_CREAT | O_TRUNC);
	char data[SIZE];

	g_assert_cmpint(fd, >=, 0);
	conf_fill(data, sizeof(data), seed, 0);
	g_assert_cmpint(write(fd, data, sizeof(data)), ==, sizeof(data));
	CONF_OK(close(fd));
}

static void check_file(const char *dir, const char *name, uint32_t seed)
{
	int fd = open_in(dir, name, O_RDONLY);
	char data[SIZE + 1];

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(read(fd, data, sizeof(data)), ==, SIZE);
	conf_check(data, SIZE, seed, 0);
	CONF_OK(close(fd));
}

static unsigned int count_names(const char *dir)
{
	GDir *d = g_dir_open(dir, 0, NULL);
	unsigned int n = 0;

	while (g_dir_read_name(d))
		n++;
	g_dir_close(d);
	return n;
}

/* --- one request of each operation -------------------------------------------------------------------------------- */

/* What the calls below find: a file, a symbolic link, and an attribute. Everything else they make themselves. */
struct bench {
	const char *dir;
	char *file;
	char *link;
	char *other;
};

static void bench_open(struct bench *b, const char *dir)
{
	*b = (struct bench){ .dir = dir, .file = path_in(dir, "file"), .link = path_in(dir, "link"),
	                     .other = path_in(dir, "other") };
	put_file(dir, "file", 1);
	CONF_OK(symlink("nowhere", b->link));
	CONF_OK(setxattr(b->file, "user.a", "value", 5, 0));
}

static void bench_close(struct bench *b)
{
	g_free(b->file);
	g_free(b->link);
	g_free(b->other);
}

/* A call on the open file; that it is opened and closed is not the matter. */
static int with_fd(const struct bench *b, int (*fn)(int fd))
{
	int fd = open(b->file, O_RDWR | O_CLOEXEC);
	int error;

	if (fd < 0)
		return errno;
	error = fn(fd);
	close(fd);
	return error;
}

static int read_fd(int fd)
{
	char data[SIZE];

	return error_of(pread(fd, data, sizeof(data), 0));
}

static int write_fd(int fd)
{
	return error_of(pwrite(fd, "x", 1, SIZE));
}

static int sync_fd(int fd)
{
	return error_of(fsync(fd));
}

static int stat_fd(int fd)
{
	struct stat st;

	return error_of(fstat(fd, &st));
}

static int truncate_fd(int fd)
{
	return error_of(ftruncate(fd, SIZE));
}

static int allocate_fd(int fd)
{
	return error_of(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, SIZE));
}

static int nothing_fd(int fd)
{
	(void)fd;
	return 0;
}

static int call_open(const struct bench *b)
{
	return with_fd(b, nothing_fd);
}

static int call_create(const struct bench *b)
{
	int fd = open(b->other, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno;
	close(fd);
	return error_of(unlink(b->other));
}

static int call_read(const struct bench *b)
{
	return with_fd(b, read_fd);
}

static int call_write(const struct bench *b)
{
	return with_fd(b, write_fd);
}

static int call_fsync(const struct bench *b)
{
	return with_fd(b, sync_fd);
}

static int call_getattr(const struct bench *b)
{
	return with_fd(b, stat_fd);
}

static int call_readdir(const struct bench *b)
{
	DIR *d = opendir(b->dir);
	int error;

	g_assert_nonnull(d);
	errno = 0;
	error = readdir(d) ? 0 : errno;
	closedir(d);
	return error;
}

static int call_rename(const struct bench *b)
{
	int error = error_of(rename(b->file, b->other));

	return error ? error : error_of(rename(b->other, b->file));
}

static int call_unlink(const struct bench *b)
{
	int fd = open(b->other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	close(fd);
	return error_of(unlink(b->other));
}

static int call_mkdir(const struct bench *b)
{
	int error = error_of(mkdir(b->other, 0700));

	return error ? error : error_of(rmdir(b->other));
}

static int call_rmdir(const struct bench *b)
{
	if (mkdir(b->other, 0700) < 0)
		g_assert_cmpint(errno, ==, EEXIST);
	return error_of(rmdir(b->other));
}

static int call_link(const struct bench *b)
{
	int error = error_of(link(b->file, b->other));

	return error ? error : error_of(unlink(b->other));
}

static int call_symlink(const struct bench *b)
{
	int error = error_of(symlink("nowhere", b->other));

	return error ? error : error_of(unlink(b->other));
}

static int call_readlink(const struct bench *b)
{
	char target[20];

	return error_of(readlink(b->link, target, sizeof(target)));
}

static int call_truncate(const struct bench *b)
{
	return with_fd(b, truncate_fd);
}

static int call_fallocate(const struct bench *b)
{
	return with_fd(b, allocate_fd);
}

static int call_chmod(const struct bench *b)
{
	return error_of(chmod(b->file, 0600));
}

static int call_chown(const struct bench *b)
{
	return error_of(chown(b->file, geteuid(), getegid()));
}

static int call_utimens(const struct bench *b)
{
	return error_of(utimensat(AT_FDCWD, b->file, NULL, 0));
}

static int call_setxattr(const struct bench *b)
{
	return error_of(setxattr(b->file, "user.a", "again", 5, 0));
}

static int call_getxattr(const struct bench *b)
{
	char value[20];

	return error_of(getxattr(b->file, "user.a", value, sizeof(value)));
}

static int call_listxattr(const struct bench *b)
{
	char names[64];

	return error_of(listxattr(b->file, names, sizeof(names)));
}

static int call_removexattr(const struct bench *b)
{
	CONF_OK(setxattr(b->file, "user.b", "value", 5, 0));
	return error_of(removexattr(b->file, "user.b"));
}

static int call_flush(const struct bench *b)
{
	return error_of(close(open(b->file, O_RDONLY | O_CLOEXEC)));
}

static int call_lookup(const struct bench *b)
{
	struct stat st;

	return error_of(lstat(b->file, &st));
}

static const struct call {
	const char *operation;
	int (*call)(const struct bench *b);
	bool unheard;                 /* nobody waits for the answer */
} calls[] = {
	{ "open", call_open, false },
	{ "create", call_create, false },
	{ "read", call_read, false },
	{ "write", call_write, false },
	{ "fsync", call_fsync, false },
	{ "getattr", call_getattr, false },
	{ "readdir", call_readdir, false },
	{ "rename", call_rename, false },
	{ "unlink", call_unlink, false },
	{ "mkdir", call_mkdir, false },
	{ "rmdir", call_rmdir, false },
	{ "link", call_link, false },
	{ "symlink", call_symlink, false },
	{ "readlink", call_readlink, false },
	{ "truncate", call_truncate, false },
	{ "fallocate", call_fallocate, false },
	{ "chmod", call_chmod, false },
	{ "chown", call_chown, false },
	{ "utimens", call_utimens, false },
	{ "setxattr", call_setxattr, false },
	{ "getxattr", call_getxattr, false },
	{ "listxattr", call_listxattr, false },
	{ "removexattr", call_removexattr, false },
	{ "release", call_open, true },
	{ "flush", call_flush, false },
	{ "lookup", call_lookup, false },
};

/* --- faults ------------------------------------------------------------------------------------------------------- */

static void every_operation_fails(const char *dir)
{
	struct bench b;
	size_t i;

	bench_open(&b, dir);
	for (i = 0; i < G_N_ELEMENTS(calls); i++) {
		const struct call *c = &calls[i];

		g_test_message("%s", c->operation);
		CONF_OK(c->call(&b));
		place_fault("fail %s ESTALE", c->operation);
		g_assert_cmpint(c->call(&b), ==, c->unheard ? 0 : ESTALE);
		place_fault("clear");
		CONF_OK(c->call(&b));
	}
	bench_close(&b);
}

static void every_operation_is_counted(const char *dir)
{
	struct bench b;
	uint64_t n;
	size_t i;

	bench_open(&b, dir);
	for (i = 0; i < G_N_ELEMENTS(calls); i++) {
		g_test_message("%s", calls[i].operation);
		n = place_count(calls[i].operation);
		CONF_OK(calls[i].call(&b));
		/* a release is sent behind our back */
		CONF_UNTIL(place_count(calls[i].operation) > n);
	}
	bench_close(&b);
}

static void counts_are_exact(const char *dir)
{
	int fd = open_in(dir, "file", O_RDWR | O_CREAT);
	uint64_t writes = place_count("write");
	uint64_t reads = place_count("read");
	char byte = 'x';
	int i;

	for (i = 0; i < 5; i++)
		g_assert_cmpint(pwrite(fd, &byte, 1, 0), ==, 1);
	place_fault("fail write EIO");
	g_assert_cmpint(error_of(pwrite(fd, &byte, 1, 0)), ==, EIO);
	g_assert_cmpuint(place_count("write"), ==, writes + 6);
	g_assert_cmpuint(place_count("read"), ==, reads);
	g_assert_cmpuint(place_stalled_now("write"), ==, 0);
	CONF_OK(close(fd));
}

static const struct {
	const char *name;
	int value;
} errors[] = {
	{ "EIO", EIO }, { "EDQUOT", EDQUOT }, { "ENOSPC", ENOSPC }, { "EROFS", EROFS }, { "EACCES", EACCES },
	{ "EINTR", EINTR }, { "ESTALE", ESTALE }, { "ENOMEM", ENOMEM }, { "EMFILE", EMFILE }, { "ETIMEDOUT", ETIMEDOUT },
};

static void every_error(const char *dir)
{
	struct bench b;
	size_t i;

	bench_open(&b, dir);
	for (i = 0; i < G_N_ELEMENTS(errors); i++) {
		place_fault("fail write %s", errors[i].name);
		g_assert_cmpint(call_write(&b), ==, errors[i].value);
	}
	bench_close(&b);
}

static void fails_so_many_times(const char *dir)
{
	struct bench b;

	bench_open(&b, dir);
	place_fault("fail write ENOSPC 2");
	g_assert_cmpint(call_write(&b), ==, ENOSPC);
	CONF_OK(call_read(&b));
	g_assert_cmpint(call_write(&b), ==, ENOSPC);
	CONF_OK(call_write(&b));
	place_fault("fail write EIO 1\nfail read EIO 1\n");
	g_assert_cmpint(call_read(&b), ==, EIO);
	g_assert_cmpint(call_write(&b), ==, EIO);
	CONF_OK(call_read(&b));
	bench_close(&b);
}

static void short_reads_and_writes(const char *dir)
{
	int fd = open_in(dir, "file", O_RDWR | O_CREAT);
	char data[SIZE];
	struct stat st;

	conf_fill(data, sizeof(data), 1, 0);
	place_fault("short write 7 2");
	g_assert_cmpint(pwrite(fd, data, sizeof(data), 0), ==, 7);
	CONF_OK(fstat(fd, &st));
	g_assert_cmpint(st.st_size, ==, 7);
	g_assert_cmpint(pwrite(fd, data + 7, sizeof(data) - 7, 7), ==, 7);
	g_assert_cmpint(pwrite(fd, data + 14, sizeof(data) - 14, 14), ==, SIZE - 14);
	place_fault("short read 9");
	memset(data, 0, sizeof(data));
	g_assert_cmpint(pread(fd, data, sizeof(data), 0), ==, 9);
	g_assert_cmpint(pread(fd, data + 9, 5, 9), ==, 5);
	place_fault("clear");
	g_assert_cmpint(pread(fd, data + 14, sizeof(data) - 14, 14), ==, SIZE - 14);
	conf_check(data, sizeof(data), 1, 0);
	CONF_OK(close(fd));
}

static void refuses_nonsense(const char *dir)
{
	static const char *const lines[] = {
		"nonsense", "fail", "fail write", "fail nothing EIO", "fail write ENOTHING", "fail write EIO 0",
		"fail write EIO x", "fail write EIO 1 2", "short fsync 1", "short read x", "stall", "stall nothing",
		"release nothing", "clear all", "clear\nnonsense",
	};
	int fd = open_in(place_dir("fuse"), ".control", O_WRONLY);
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(lines); i++) {
		g_test_message("%s", lines[i]);
		g_assert_cmpint(error_of(write(fd, lines[i], strlen(lines[i]))), ==, EINVAL);
	}
	CONF_OK(close(fd));
	put_file(dir, "file", 1);
	check_file(dir, "file", 1);
}

/* Neither can they be made to fail, nor harmed, nor are they seen. */
static void its_own_files(const char *dir)
{
	const char *root = place_dir("fuse");
	char *control = path_in(root, ".control");
	char *counts = path_in(root, ".counts");
	struct stat st;
	size_t i;

	(void)dir;
	g_assert_cmpuint(count_names(root), ==, 1);
	g_assert_cmpint(error_of(unlink(control)), ==, EPERM);
	g_assert_cmpint(error_of(rename(counts, control)), ==, EPERM);
	for (i = 0; i < G_N_ELEMENTS(calls); i++)
		place_fault("fail %s EIO", calls[i].operation);
	CONF_OK(stat(control, &st));
	CONF_OK(truncate(control, 0));
	g_assert_cmpuint(place_count("link"), >, 0);
	place_fault("clear");
	g_free(control);
	g_free(counts);
}

/* --- stalls ------------------------------------------------------------------------------------------------------- */

/* A call on a thread of its own. */
struct runner {
	const struct bench *bench;
	int (*call)(const struct bench *b);
	int result;
	int done;
	pthread_t thread;
};

static void *run_call(void *arg)
{
	struct runner *r = arg;

	r->result = r->call(r->bench);
	g_atomic_int_set(&r->done, 1);
	return NULL;
}

static void start(struct runner *r, const struct bench *b, int (*call)(const struct bench *b))
{
	*r = (struct runner){ .bench = b, .call = call };
	CONF_OK(pthread_create(&r->thread, NULL, run_call, r));
}

static int finish(struct runner *r)
{
	CONF_OK(pthread_join(r->thread, NULL));
	return r->result;
}

static void every_operation_stalls(const char *dir)
{
	struct runner r;
	struct bench b;
	size_t i;

	bench_open(&b, dir);
	for (i = 0; i < G_N_ELEMENTS(calls); i++) {
		const struct call *c = &calls[i];

		g_test_message("%s", c->operation);
		place_fault("stall %s", c->operation);
		start(&r, &b, c->call);
		place_stalled(c->operation);
		g_assert_true(c->unheard || !g_atomic_int_get(&r.done));
		place_fault("release %s", c->operation);
		CONF_OK(finish(&r));
		CONF_UNTIL(!place_stalled_now(c->operation));
	}
	bench_close(&b);
}

static void others_go_on(const char *dir)
{
	struct runner r[MANY];
	struct bench b;
	int i;

	bench_open(&b, dir);
	place_fault("stall read");
	for (i = 0; i < MANY; i++)
		start(&r[i], &b, call_read);
	place_stalled_many("read", MANY);
	CONF_OK(call_write(&b));
	CONF_OK(call_rename(&b));
	CONF_OK(call_readdir(&b));
	g_assert_cmpuint(place_stalled_now("read"), ==, MANY);
	place_fault("clear");
	for (i = 0; i < MANY; i++)
		CONF_OK(finish(&r[i]));
	bench_close(&b);
}

static void stalls_then_fails(const char *dir)
{
	struct runner r;
	struct bench b;

	bench_open(&b, dir);
	place_fault("stall fsync\nfail fsync EIO 1");
	start(&r, &b, call_fsync);
	place_stalled("fsync");
	place_fault("release fsync");
	g_assert_cmpint(finish(&r), ==, EIO);
	CONF_OK(call_fsync(&b));
	bench_close(&b);
}

/* The one that was released goes, even if the next is stalled before it has noticed. */
static void released_and_stalled_again(const char *dir)
{
	struct runner first;
	struct runner second;
	struct bench b;

	bench_open(&b, dir);
	place_fault("stall read");
	start(&first, &b, call_read);
	place_stalled("read");
	place_fault("release read\nstall read");
	CONF_OK(finish(&first));
	start(&second, &b, call_read);
	place_stalled("read");
	place_fault("clear");
	CONF_OK(finish(&second));
	bench_close(&b);
}

static void ignore(int sig)
{
	(void)sig;
}

static void interrupted_only_on_demand(const char *dir)
{
	static const struct sigaction plain = { .sa_handler = ignore };
	struct sigaction before;
	struct runner r;
	struct bench b;

	CONF_OK(sigaction(SIGUSR1, &plain, &before));
	bench_open(&b, dir);
	place_fault("stall read");
	start(&r, &b, call_read);
	place_stalled("read");
	CONF_OK(pthread_kill(r.thread, SIGUSR1));
	g_usleep(A_WHILE);
	g_assert_cmpuint(place_stalled_now("read"), ==, 1);
	place_fault("interruptible");
	g_assert_cmpint(finish(&r), ==, EINTR);
	bench_close(&b);
	CONF_OK(sigaction(SIGUSR1, &before, NULL));
}

/* A process that makes the call, and ends without closing a thing. */
static pid_t fork_call(const struct bench *b, int (*call)(const struct bench *b))
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	g_assert_cmpint(pid, >=, 0);
	if (!pid)
		_exit(call(b));
	return pid;
}

static int wait_for(pid_t pid)
{
	int status;

	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	return status;
}

static void the_killed_die(const char *dir)
{
	struct bench b;
	int status;
	pid_t pid;

	bench_open(&b, dir);
	place_fault("stall read");
	pid = fork_call(&b, call_read);
	place_stalled("read");
	CONF_OK(kill(pid, SIGKILL));
	status = wait_for(pid);
	g_assert_true(WIFSIGNALED(status));
	g_assert_cmpint(WTERMSIG(status), ==, SIGKILL);
	CONF_UNTIL(!place_stalled_now("read"));
	bench_close(&b);
}

static int leave_open(const struct bench *b)
{
	return open(b->file, O_RDONLY) < 0;
}

static void the_exiting_end(const char *dir)
{
	uint64_t flushes;
	struct bench b;

	bench_open(&b, dir);
	flushes = place_count("flush");
	place_fault("stall flush");
	g_assert_cmpint(wait_for(fork_call(&b, leave_open)), ==, 0);
	g_assert_cmpuint(place_count("flush"), >, flushes);
	bench_close(&b);
}

static void ends_in_spite_of_stalls(const char *dir)
{
	struct runner r[MANY];
	struct bench b;
	int i;

	bench_open(&b, dir);
	place_fault("stall read");
	for (i = 0; i < MANY; i++)
		start(&r[i], &b, call_read);
	place_stalled_many("read", MANY);
	place_end("fuse");
	for (i = 0; i < MANY; i++)
		CONF_OK(finish(&r[i]));
	bench_close(&b);

	g_assert_nonnull(place_dir("fuse"));
	g_assert_cmpuint(place_count("read"), ==, 0);
	g_assert_cmpuint(count_names(place_dir("fuse")), ==, 0);
}

/* --- the program -------------------------------------------------------------------------------------------------- */

static void add(void)
{
	place_add("faults", "fuse", "every-operation-fails", every_operation_fails);
	place_add("faults", "fuse", "every-operation-is-counted", every_operation_is_counted);
	place_add("faults", "fuse", "counts-are-exact", counts_are_exact);
	place_add("faults", "fuse", "every-error", every_error);
	place_add("faults", "fuse", "fails-so-many-times", fails_so_many_times);
	place_add("faults", "fuse", "short-reads-and-writes", short_reads_and_writes);
	place_add("faults", "fuse", "refuses-nonsense", refuses_nonsense);
	place_add("faults", "fuse", "its-own-files", its_own_files);
	place_add("faults", "fuse", "every-operation-stalls", every_operation_stalls);
	place_add("faults", "fuse", "others-go-on", others_go_on);
	place_add("faults", "fuse", "stalls-then-fails", stalls_then_fails);
	place_add("faults", "fuse", "released-and-stalled-again", released_and_stalled_again);
	place_add("faults", "fuse", "interrupted-only-on-demand", interrupted_only_on_demand);
	place_add("faults", "fuse", "the-killed-die", the_killed_die);
	place_add("faults", "fuse", "the-exiting-end", the_exiting_end);
	place_add("faults", "fuse", "ends-in-spite-of-stalls", ends_in_spite_of_stalls);
}

int main(int argc, char **argv)
{
	return place_main(argc, argv, "faults", add);
}
