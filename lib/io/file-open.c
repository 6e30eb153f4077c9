/* SPDX-License-Identifier: MIT */
/*
 * Opening files.
 *
 * An open may wait without bound: a FIFO for its peer, a device for whatever it likes, a server of files for its network. And
 * it must be able to end there for real: tried with O_NONBLOCK first it would mean something else. So a thread does it, in two
 * steps:
 *
 *   1  class io, or wait below a directory that a server has: the name is looked up (O_PATH), which tells what it is. A
 *      regular file, a directory, or one that is to be made, is opened at once.
 *   2  class wait: everything else, by way of what the first step has found, so that a name which changed meanwhile makes no
 *      difference. Its threads may be stuck, and nothing else waits for them.
 *
 * A name that is in the cache, of a regular file or a directory on a file system that is known to be this machine's, is opened
 * by the worker itself (RESOLVE_CACHED, 5.12): first as O_PATH, which starts nothing, to see what it is, then for real, with
 * O_NONBLOCK so that not even a name that has changed meanwhile, or a lease, can make it wait.
 *
 * The first step of an open that may make or empty a file is waited for, so that it has not done so behind its caller's back;
 * but for one below a directory that a server has. All others own their memory, the path and a duplicate of the directory among
 * it: a cut abandons them, and the thread closes what it gets in the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/sized.h"
#include "io/file.h"
#include "io/locality.h"
#include "ringline/blocking.h"

#define FIRST_STEP_DONE 0
#define WAITS_FOR_MORE  1

#define RACES 100

#define KNOWN_RESOLVE (RINGLINE_RESOLVE_NO_XDEV | RINGLINE_RESOLVE_NO_MAGICLINKS | RINGLINE_RESOLVE_NO_SYMLINKS | \
                       RINGLINE_RESOLVE_BENEATH | RINGLINE_RESOLVE_IN_ROOT | RINGLINE_RESOLVE_CACHED)

struct opening {
	struct open_how how;
	struct rln_file_facts facts;      /* of the file, once it is open */
	int dir;                          /* of the file that is held, a duplicate, or AT_FDCWD */
	bool owns_dir;
	bool tried;                       /* the first step was taken, with */
	int result;
	int found;                        /* O_PATH, from the first step; -1: none */
	int fd;
	char path[];
};

/*
 * While something is renamed, wherever that is, the kernel may be unable to tell whether ".." has led out of the directory. That
 * is no answer, and to be asked for again (openat2(2)); one that is for ever unable is believed.
 */
static bool raced(const struct open_how *how, int *tries)
{
	return errno == EAGAIN && how->resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT) && !(how->resolve & RESOLVE_CACHED) &&
	       ++*tries < RACES;
}

static int sys_open(int dir, const char *path, const struct open_how *how)
{
	int error = rln_fault(RLN_FAULT_OPEN);
	int tries = 0;
	long fd;

	if (error)
		return -error;
	do
		fd = syscall(SYS_openat2, dir, path, how, sizeof(*how));
	while (fd < 0 && (errno == EINTR || raced(how, &tries)));
	if (fd < 0 && errno == ENOSYS && !how->resolve)
		fd = openat(dir, path, (int)how->flags, (mode_t)how->mode);
	return fd < 0 ? -errno : (int)fd;
}

/* On the worker */

/* What the name stands for, from the cache alone: a device of this machine, and something that does not wait to be opened. */
static bool looks_easy(struct rln_io *io, int dir, const char *path, const struct open_how *how, struct statx *sx)
{
	struct open_how look = { .flags = O_PATH | O_CLOEXEC | (how->flags & O_NOFOLLOW),
		                 .resolve = how->resolve | RESOLVE_CACHED };
	int fd = sys_open(dir, path, &look);
	bool told;

	if (fd < 0)
		return false;
	told = statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, sx) == 0;
	close(fd);
	return told && (S_ISREG(sx->stx_mode) || S_ISDIR(sx->stx_mode)) &&
	       rln_locality_known(io, makedev(sx->stx_dev_major, sx->stx_dev_minor));
}

static bool is_that(int fd, const struct statx *sx)
{
	struct statx now;

	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &now) == 0 &&
	       now.stx_ino == sx->stx_ino && now.stx_dev_major == sx->stx_dev_major && now.stx_dev_minor == sx->stx_dev_minor;
}

/* Opens it without waiting. The descriptor; negative: a thread has to do it, and to say what is wrong. */
static int open_easily(struct rln_io *io, int dir, const char *path, const struct open_how *how)
{
	struct open_how open = *how;
	struct statx sx;
	int fd;

	if (how->flags & (O_CREAT | O_TRUNC | O_PATH | (O_TMPFILE & ~O_DIRECTORY)) || !looks_easy(io, dir, path, how, &sx))
		return -EAGAIN;
	open.flags |= O_NONBLOCK;
	open.resolve |= RESOLVE_CACHED;
	fd = sys_open(dir, path, &open);
	if (fd < 0)
		return fd;
	if (is_that(fd, &sx) && (how->flags & O_NONBLOCK || fcntl(fd, F_SETFL, (int)how->flags) == 0))
		return fd;
	close(fd);
	return -EAGAIN;
}

static int open_inline(struct rln_file_facts *facts, struct rln_io *io, const struct ringline_file *dir, const char *path,
                       const struct open_how *how)
{
	int fd = open_easily(io, rln_file_dirfd(dir), path, how);
	int r;

	if (fd < 0)
		return fd;
	r = rln_file_find_out_local(facts, fd);
	if (r < 0)
		close(fd);
	return r;
}

/* On a thread */

/* May there be a file afterwards that there was not, or one that is empty now? */
static bool leaves_traces(uint64_t flags)
{
	return flags & (O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY));
}

/* Can this open only end at once, whatever the name stands for? */
static bool never_waits(uint64_t flags)
{
	return flags & (O_PATH | O_DIRECTORY) || (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
}

/* What the name stands for: true if opening it could wait; `found` is it then. */
static bool could_wait(struct opening *o)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC | (o->how.flags & O_NOFOLLOW), .resolve = o->how.resolve };
	struct rln_file_facts facts;
	int fd = sys_open(o->dir, o->path, &how);

	if (fd < 0)
		return false;     /* the open itself says why, or makes it */
	if (rln_file_find_out(&facts, fd) == 0 && (facts.remote || (facts.type != S_IFREG && facts.type != S_IFDIR))) {
		o->found = fd;
		return facts.type != S_IFLNK;
	}
	close(fd);
	return false;
}

static int open_name(struct opening *o)
{
	int r = sys_open(o->dir, o->path, &o->how);

	if (r < 0)
		return r;
	o->fd = r;
	r = rln_file_find_out(&o->facts, r);
	return r < 0 ? r : FIRST_STEP_DONE;
}

static int first_step(void *arg)
{
	struct opening *o = arg;

	o->tried = true;
	o->result = !never_waits(o->how.flags) && could_wait(o) ? WAITS_FOR_MORE : open_name(o);
	return o->result;
}

/* By way of what was found; without /proc by its name once more. */
static int second_step(void *arg)
{
	struct opening *o = arg;
	struct open_how how = { .flags = o->how.flags & ~(uint64_t)(O_NOFOLLOW | O_CREAT), .mode = 0 };
	char link[32];
	int r;

	if (o->how.flags & O_EXCL && o->how.flags & O_CREAT)
		return open_name(o);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", o->found);
	r = sys_open(AT_FDCWD, link, &how);
	if (r == -ENOENT || r == -ENOTDIR)
		return open_name(o);
	if (r < 0)
		return r;
	o->fd = r;
	r = rln_file_find_out(&o->facts, r);
	return r < 0 ? r : 0;
}

/* Life */

static void close_all(struct opening *o)
{
	if (o->found >= 0)
		close(o->found);
	if (o->owns_dir)
		close(o->dir);
	rln_mem_free(o);
}

/* Nobody wants it. Any thread. */
static void dispose(void *arg, int result)
{
	struct opening *o = arg;

	(void)result;
	if (o->fd >= 0)
		close(o->fd);
	close_all(o);
}

/* A name that begins at the root needs no directory, unless that is to be the root. */
static bool needs_dir(const struct ringline_file *dir, const char *path, const struct open_how *how)
{
	return dir && (path[0] != '/' || how->resolve & RINGLINE_RESOLVE_IN_ROOT);
}

static int opening_new(struct opening **ret, const struct ringline_file *dir, const char *path, const struct open_how *how)
{
	size_t len = strlen(path) + 1;
	struct opening *o = rln_mem_alloc(sizeof(*o) + len);

	if (!o)
		return -ENOMEM;
	o->how = *how;
	o->found = -1;
	o->fd = -1;
	o->dir = needs_dir(dir, path, how) ? dir->fd : AT_FDCWD;
	o->owns_dir = false;
	o->tried = false;
	memcpy(o->path, path, len);
	*ret = o;
	return 0;
}

static void let_go(struct ringline_file *dir)
{
	if (dir)
		rln_file_leave(dir);
}

/* From here on it may outlive the call and the directory, which is let go. Negative: the opening is disposed of. */
static int own_dir(struct opening *o, struct ringline_file *dir)
{
	int r = 0;

	if (o->dir != AT_FDCWD) {
		o->dir = fcntl(o->dir, F_DUPFD_CLOEXEC, 0);
		o->owns_dir = o->dir >= 0;
		r = o->owns_dir ? 0 : -errno;
	}
	let_go(dir);
	if (r < 0)
		dispose(o, r);
	return r;
}

/* A step that may be abandoned. Negative: the opening is disposed of, or will be. */
static int run_abandonable(struct opening *o, int (*step)(void *arg), uint32_t job_class)
{
	struct ringline_blocking_options options = RINGLINE_BLOCKING_OPTIONS_INIT;

	options.job_class = job_class;
	return ringline_blocking_detached(step, o, dispose, &options);
}

/* One that is waited for: what it has made is told even if there was a cut. As above. */
static int run_whole(struct opening *o)
{
	struct ringline_blocking_options options = RINGLINE_BLOCKING_OPTIONS_INIT;
	int r;

	options.job_class = RINGLINE_BLOCKING_IO;
	r = ringline_blocking(first_step, o, &options);
	if (o->tried)
		r = o->result;
	if (r < 0)
		dispose(o, r);
	return r;
}

/* Lets the directory go as soon as it is not needed any more. */
static int run_first(struct opening *o, struct ringline_file *dir)
{
	bool far = dir && dir->remote;
	int r;

	if (far || !leaves_traces(o->how.flags)) {
		r = own_dir(o, dir);
		return r < 0 ? r : run_abandonable(o, first_step, far ? RINGLINE_BLOCKING_WAIT : RINGLINE_BLOCKING_IO);
	}
	r = run_whole(o);
	if (r != WAITS_FOR_MORE) {
		let_go(dir);
		return r;
	}
	r = own_dir(o, dir);
	return r < 0 ? r : WAITS_FOR_MORE;
}

static int run_steps(struct opening *o, struct ringline_file *dir)
{
	int r = run_first(o, dir);

	return r == WAITS_FOR_MORE ? run_abandonable(o, second_step, RINGLINE_BLOCKING_WAIT) : r;
}

/* The calls */

struct open_args {
	struct ringline_file **ret;
	struct ringline_file *dir;        /* held */
	const char *path;
	struct open_how how;
};

static void count(struct rln_io *io, enum rln_engine engine)
{
	rln_stat_add(&io->exec->stats.completions[RLN_OP_OPEN][engine], 1);
}

/* The file is open, and becomes an object. */
static int keep(struct ringline_file **ret, struct rln_io *io, const struct rln_file_facts *facts)
{
	*ret = rln_file_new(io, facts);
	if (!*ret)
		close(facts->fd);
	return *ret ? 0 : -ENOMEM;
}

static bool opened_inline(struct rln_file_facts *facts, struct rln_io *io, const struct open_args *a)
{
	if ((a->dir && a->dir->remote) || !rln_request_may_try(io) || open_inline(facts, io, a->dir, a->path, &a->how) < 0)
		return false;
	count(io, RLN_ENGINE_INLINE);
	return true;
}

static int open_on_thread(struct rln_io *io, const struct open_args *a)
{
	struct opening *o = NULL;
	int r = opening_new(&o, a->dir, a->path, &a->how);

	if (r < 0) {
		let_go(a->dir);
		return r;
	}
	r = run_steps(o, a->dir);
	count(io, RLN_ENGINE_POOL);
	if (r < 0)
		return r;
	if (!o->facts.remote && !o->facts.stream)
		rln_locality_learn(io, o->facts.device);
	r = keep(a->ret, io, &o->facts);
	close_all(o);
	return r;
}

static int64_t open_steps(void *arg)
{
	const struct open_args *a = arg;
	struct rln_io *io = rln_io_current();
	struct rln_file_facts facts;
	int r = rln_task_current()->scope->reason;

	if (r == 0 && !opened_inline(&facts, io, a))
		return open_on_thread(io, a);
	let_go(a->dir);
	return r < 0 ? r : keep(a->ret, io, &facts);
}

static int read_args(struct open_args *a, int flags, uint32_t mode, const struct ringline_file_open_options *options)
{
	struct ringline_file_open_options o;
	int r = rln_sized_in(&o, sizeof(o), options);

	if (r < 0)
		return r;
	if (!a->ret || !a->path || o.reserved || o.resolve & ~KNOWN_RESOLVE)
		return -EINVAL;
	a->how = (struct open_how){ .flags = (uint64_t)(uint32_t)flags | O_CLOEXEC, .resolve = o.resolve };
	if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE)
		a->how.mode = mode & 07777;
	return 0;
}

int ringline_file_open(struct ringline_file **ret, struct ringline_file *dir, const char *path, int flags, uint32_t mode,
                       const struct ringline_file_open_options *options)
{
	struct open_args a = { .ret = ret, .dir = dir, .path = path };
	struct ringline_task *t;
	int r = rln_file_check_dir(dir, __func__);

	if (r == 0)
		r = read_args(&a, flags, mode, options);
	if (r == 0)
		r = rln_task_get_parking(&t, __func__);
	if (r < 0)
		return r;
	if (dir)
		rln_file_enter(dir);
	return (int)open_steps(&a);
}

static void close_unwanted(void *args, int64_t result)
{
	if (result == 0)
		rln_file_begin_close(*((struct open_args *)args)->ret);
}

int ringline_file_open_begin(struct ringline_op **ret, struct ringline_file **file, struct ringline_file *dir,
                             const char *path, int flags, uint32_t mode, const struct ringline_file_open_options *options)
{
	static const struct rln_steps steps = { .run = open_steps, .dispose = close_unwanted };
	struct open_args a = { .ret = file, .dir = dir, .path = path };
	int r = rln_file_check_dir(dir, __func__);

	if (r == 0)
		r = ret ? read_args(&a, flags, mode, options) : -EINVAL;
	if (r == 0 && !rln_task_get(__func__))
		r = rln_not_here();
	if (r < 0)
		return r;
	if (dir)
		rln_file_enter(dir);
	r = rln_handle_steps(ret, &steps, &a, sizeof(a));
	if (r < 0)
		let_go(dir);
	return r;
}

/* A descriptor of the host's */

static int find_out_job(void *arg)
{
	struct rln_file_facts *facts = arg;

	return rln_file_find_out(facts, facts->fd);
}

static int adopt(struct ringline_file **ret, int fd)
{
	struct ringline_blocking_options options = RINGLINE_BLOCKING_OPTIONS_INIT;
	struct rln_file_facts facts = { .fd = fd };
	int r;

	options.job_class = RINGLINE_BLOCKING_WAIT;
	r = ringline_blocking(find_out_job, &facts, &options);
	if (r < 0)
		return r;
	*ret = rln_file_new(rln_io_current(), &facts);
	return *ret ? 0 : -ENOMEM;
}

int ringline_file_from_fd(struct ringline_file **ret, int fd)
{
	struct ringline_task *t;
	int r = rln_task_get_parking(&t, __func__);

	if (r < 0)
		return r;
	if (!ret)
		return -EINVAL;
	return fd < 0 ? -EBADF : adopt(ret, fd);
}

struct adopt_args {
	struct ringline_file **ret;
	int fd;
};

static int64_t adopt_steps(void *args)
{
	struct adopt_args *a = args;

	return adopt(a->ret, a->fd);
}

/* Nobody knows of the file: the descriptor is the caller's again. */
static void give_back(void *args, int64_t result)
{
	if (result == 0)
		(void)ringline_file_release(*((struct adopt_args *)args)->ret);
}

int ringline_file_from_fd_begin(struct ringline_op **ret, struct ringline_file **file, int fd)
{
	static const struct rln_steps steps = { .run = adopt_steps, .dispose = give_back };
	struct adopt_args a = { .ret = file, .fd = fd };

	if (!rln_task_get(__func__))
		return rln_not_here();
	if (!ret || !file)
		return -EINVAL;
	return fd < 0 ? -EBADF : rln_handle_steps(ret, &steps, &a, sizeof(a));
}
