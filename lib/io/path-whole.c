/* SPDX-License-Identifier: MIT */
/*
 * Files as a whole: read into one buffer, replaced at one stroke. A thread takes all the steps, so that it is one way there and
 * back however many there are.
 *
 * Replacing: a temporary file beside it, written and synced; renamed over it; the directory synced. Up to the rename an error
 * removes the temporary file and leaves everything as it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/buf.h"
#include "io/path.h"

#define FIRST_SIZE (64u * 1024)       /* of a buffer for a file that does not tell its length */
#define PIECE      (4u * 1024 * 1024)
#define TRIES      100

static bool cut(const struct rln_request *q)
{
	return atomic_load_explicit(&q->cut, memory_order_relaxed);
}

/* Reading. The request's ptr3 is the block; out is the caller's handle. */

struct reading {
	int fd;
	struct rln_buf *block;
	size_t size;              /* of the block */
	size_t done;
	uint64_t max;
};

/* Only regular files have a whole; what else there is is not opened for real, because that could mean something. */
static int check_whole(int dir, const char *path)
{
	struct stat st;

	if (fstatat(dir, path, &st, 0) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return S_ISREG(st.st_mode) ? 0 : -ESPIPE;
}

static int open_whole(int dir, const char *path, struct stat *st)
{
	int r = check_whole(dir, path);
	int fd;

	if (r < 0)
		return r;
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode))
		return fd;
	close(fd);
	return -ESPIPE;           /* it has become something else meanwhile */
}

static int grow(struct reading *g, size_t size)
{
	struct rln_buf *block = rln_block_make(size);

	if (!block)
		return -ENOMEM;
	if (g->block) {
		memcpy(block->mem, g->block->mem, g->done);
		rln_block_discard(g->block);
	}
	g->block = block;
	g->size = size;
	return 0;
}

/* Reads to the end. One byte more than max tells that it is too long. */
static int read_rest(struct rln_request *q, struct reading *g)
{
	for (;;) {
		ssize_t n;

		if (g->done > g->max)
			return -EFBIG;
		if (cut(q))
			return -ECANCELED;
		if (g->done == g->size && grow(g, 2 * g->size) < 0)
			return -ENOMEM;
		n = read(g->fd, g->block->mem + g->done, rln_min(g->size - g->done, (size_t)PIECE));
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		g->done += n > 0 ? (size_t)n : 0;
	}
}

/* A length without blocks may not be true: sysfs says 4096 of all its files. Reading on tells. */
static size_t first_size(const struct stat *st, uint64_t max)
{
	return st->st_size ? (size_t)rln_min((uint64_t)st->st_size, max) + 1 : FIRST_SIZE;
}

static int read_whole(struct rln_request *q, struct reading *g)
{
	struct stat st = { 0 };
	int r;

	g->fd = open_whole(q->f.op.fd, q->f.op.ptr, &st);
	if (g->fd < 0)
		return g->fd;
	r = (uint64_t)st.st_size > g->max && st.st_blocks ? -EFBIG : grow(g, first_size(&st, g->max));
	if (r == 0)
		r = read_rest(q, g);
	close(g->fd);
	return r;
}

static int64_t call_read(struct rln_request *q)
{
	struct reading g = { .max = q->f.op.len };
	int r = read_whole(q, &g);

	if (r == 0 && g.done) {
		q->f.ptr3 = g.block;
		return (int64_t)g.done;
	}
	if (g.block)
		rln_block_discard(g.block);
	return r;
}

/* On the worker: the block becomes a buffer. */
static int64_t to_buffer(struct rln_request *q, int64_t result)
{
	struct ringline_buf **ret = q->out;
	struct rln_io *io = rln_io_current();
	struct rln_buf *block = q->f.ptr3;

	*ret = NULL;
	if (result <= 0)
		return result;
	if (rln_blocks_full(io)) {
		rln_block_discard(block);
		return -ENOBUFS;
	}
	rln_block_adopt(io, block);
	*ret = rln_buf_handle_new(io, block, block->mem, (size_t)result);
	if (*ret)
		return result;
	rln_buf_unref(block);
	return -ENOMEM;
}

static void drop_buffer(struct rln_request *q)
{
	if (q->result > 0)
		(void)ringline_buf_unref(*(struct ringline_buf **)q->out);
}

static int prepare_read(struct rln_request *q, struct ringline_buf **buf, struct ringline_file *dir, const char *path,
                        uint64_t max, const char *call)
{
	int r = rln_path_prepare(q, RLN_OP_READ_FILE, dir, path, call);

	if (r == 0 && (!buf || !max))
		r = -EINVAL;
	if (r < 0)
		return r;
	q->call = call_read;
	q->finish = to_buffer;
	q->dispose = drop_buffer;
	q->out = buf;
	q->f.op.len = rln_min(max, (uint64_t)SSIZE_MAX / 4);
	return 0;
}

int64_t ringline_path_read_all(struct ringline_buf **ret, struct ringline_file *dir, const char *path, uint64_t max)
{
	struct rln_request q;
	int r = prepare_read(&q, ret, dir, path, max, __func__);

	return rln_request_run(&q, r, __func__);
}

int ringline_path_read_all_begin(struct ringline_op **ret, struct ringline_buf **buf, struct ringline_file *dir,
                                 const char *path, uint64_t max)
{
	struct rln_request q;
	int r = prepare_read(&q, buf, dir, path, max, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

/* Replacing */

struct replacing {
	int dir;                  /* where the file is */
	const char *name;         /* in there */
	char temporary[64];
	int fd;
};

/* The directory of a name, opened to be synced, and the name in it. */
static int open_dir(struct replacing *p, int dir, const char *path)
{
	const char *slash = strrchr(path, '/');
	char room[PATH_MAX];
	size_t len = slash ? rln_max((size_t)(slash - path), (size_t)1) : 0;

	p->name = slash ? slash + 1 : path;
	if (!*p->name)
		return *path ? -EISDIR : -ENOENT;
	if (strlen(path) >= sizeof(room))
		return -ENAMETOOLONG;
	memcpy(room, slash ? path : ".", slash ? len : 1);
	room[slash ? len : 1] = '\0';
	p->dir = openat(dir, room, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return p->dir < 0 ? -errno : 0;
}

static int open_temporary(struct replacing *p, uint32_t mode)
{
	static atomic_uint serial;
	int tries;

	for (tries = 0; tries < TRIES; tries++) {
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		snprintf(p->temporary, sizeof(p->temporary), ".ringline-%d%u%ld.tmp", (int)getpid(), atomic_fetch_add(&serial, 1),
		         now.tv_nsec);
		p->fd = openat(p->dir, p->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
		if (p->fd >= 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int write_whole(struct rln_request *q, int fd)
{
	const char *data = q->f.ptr2;
	size_t left = q->f.op.len;

	while (left) {
		ssize_t n;

		if (cut(q))
			return -ECANCELED;
		n = write(fd, data, rln_min(left, (size_t)PIECE));
		if (n < 0 && errno != EINTR)
			return -errno;
		data += n > 0 ? n : 0;
		left -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int write_and_sync(struct rln_request *q, int fd)
{
	int r = write_whole(q, fd);

	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0 && errno != EINTR)
		r = -errno;
	return r;
}

static int replace(struct rln_request *q, struct replacing *p)
{
	int r = open_temporary(p, q->f.mode);

	if (r < 0)
		return r;
	r = write_and_sync(q, p->fd);
	if (r == 0 && renameat(p->dir, p->temporary, p->dir, p->name) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(p->dir, p->temporary, 0);
		return r;
	}
	return fsync(p->dir) < 0 ? -errno : 0;
}

static int64_t call_write(struct rln_request *q)
{
	struct replacing p;
	int r = open_dir(&p, q->f.op.fd, q->f.op.ptr);

	if (r < 0)
		return r;
	r = replace(q, &p);
	close(p.dir);
	return r;
}

static int prepare_write(struct rln_request *q, struct ringline_file *dir, const char *path, const void *data, size_t len,
                         uint32_t mode, const char *call)
{
	int r = rln_path_prepare(q, RLN_OP_WRITE_ATOMIC, dir, path, call);

	if (r == 0 && ((!data && len) || len > SSIZE_MAX || mode & ~07777u))
		r = -EINVAL;
	if (r < 0)
		return r;
	q->call = call_write;
	q->f.ptr2 = (void *)data;
	q->f.op.len = len;
	q->f.mode = mode;
	return 0;
}

int ringline_path_write_atomic(struct ringline_file *dir, const char *path, const void *data, size_t len, uint32_t mode)
{
	struct rln_request q;
	int r = prepare_write(&q, dir, path, data, len, mode, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_path_write_atomic_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path,
                                     const void *data, size_t len, uint32_t mode)
{
	struct rln_request q;
	int r = prepare_write(&q, dir, path, data, len, mode, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}
