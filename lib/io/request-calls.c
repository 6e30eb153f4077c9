/* SPDX-License-Identifier: MIT */
/*
 * The system calls behind requests: what a thread of the pool does, and what the worker may do itself because it does not
 * wait. All return a result or -errno.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/sigpipe.h"
#include "io/file.h"
#include "io/request.h"

/* Data */

static off_t offset_of(const struct rln_request *q)
{
	return q->f.op.arg == RINGLINE_FILE_POSITION ? -1 : (off_t)q->f.op.arg;
}

/* The memory of a transfer as a vector. */
static const struct iovec *vector(const struct rln_request *q, struct iovec *one, int *n)
{
	if (q->f.op.opcode == RLN_OP_READV || q->f.op.opcode == RLN_OP_WRITEV) {
		*n = (int)q->f.op.len;
		return q->f.op.ptr;
	}
	one->iov_base = q->f.op.ptr;
	one->iov_len = q->f.op.len;
	*n = 1;
	return one;
}

static ssize_t call_read(struct rln_request *q)
{
	struct iovec one;
	int n;
	const struct iovec *iov = vector(q, &one, &n);

	return preadv2(q->f.op.fd, iov, n, offset_of(q), (int)q->f.flags);
}

/* A device may know no flags (RWF_APPEND), and has no end to append to either. */
static ssize_t write_vector(const struct rln_request *q, const struct iovec *iov, int n)
{
	ssize_t done = pwritev2(q->f.op.fd, iov, n, offset_of(q), (int)q->f.flags);

	if (done < 0 && errno == EOPNOTSUPP && q->f.flags && q->held[0]->type == S_IFCHR)
		done = pwritev2(q->f.op.fd, iov, n, offset_of(q), 0);
	return done;
}

/* A pipe or a device that is no stream to us may raise SIGPIPE all the same. */
static ssize_t call_write(struct rln_request *q)
{
	struct rln_sigpipe guard;
	struct iovec one;
	int n;
	const struct iovec *iov = vector(q, &one, &n);
	ssize_t done;

	rln_sigpipe_hold(&guard);
	done = write_vector(q, iov, n);
	rln_sigpipe_release(&guard, done < 0 && errno == EPIPE);
	return done;
}

static int call_space(struct rln_request *q)
{
	const struct rln_op *op = &q->f.op;

	switch (op->opcode) {
	case RLN_OP_FSYNC:
		return q->f.flags ? fdatasync(op->fd) : fsync(op->fd);
	case RLN_OP_SYNC_RANGE:
		return sync_file_range(op->fd, (off_t)op->arg, (off_t)op->len, q->f.flags);
	case RLN_OP_FALLOCATE:
		return fallocate(op->fd, (int)q->f.flags, (off_t)op->arg, (off_t)op->len);
	case RLN_OP_FTRUNCATE:
		return ftruncate(op->fd, (off_t)op->arg);
	default:
		errno = posix_fadvise(op->fd, (off_t)op->arg, (off_t)op->len, (int)q->f.flags);
		return errno ? -1 : 0;
	}
}

/* Names */

static int call_name(struct rln_request *q)
{
	const struct rln_op *op = &q->f.op;

	switch (op->opcode) {
	case RLN_OP_STATX:
		return statx(op->fd, op->ptr, (int)q->f.flags, q->f.mode, q->f.ptr2);
	case RLN_OP_RENAME:
		return renameat2(op->fd, op->ptr, q->f.fd2, q->f.ptr2, q->f.flags);
	case RLN_OP_UNLINK:
		return unlinkat(op->fd, op->ptr, (int)q->f.flags);
	case RLN_OP_MKDIR:
		return mkdirat(op->fd, op->ptr, q->f.mode);
	case RLN_OP_LINK:
		return linkat(op->fd, op->ptr, q->f.fd2, q->f.ptr2, (int)q->f.flags);
	default:
		return symlinkat(q->f.ptr2, op->fd, op->ptr);
	}
}

static ssize_t call_data(struct rln_request *q)
{
	switch (q->f.op.opcode) {
	case RLN_OP_READ:
	case RLN_OP_READV:
		return call_read(q);
	case RLN_OP_WRITE:
	case RLN_OP_WRITEV:
		return call_write(q);
	case RLN_OP_GETXATTR:
		return fgetxattr(q->f.op.fd, q->f.ptr2, q->f.ptr3, q->f.op.len);
	case RLN_OP_SETXATTR:
		return fsetxattr(q->f.op.fd, q->f.ptr2, q->f.ptr3, q->f.op.len, (int)q->f.flags);
	default:
		return q->f.op.opcode < RLN_OP_STATX ? call_space(q) : call_name(q);
	}
}

/* A close is over, whatever it says; nothing else ends by a signal. */
static int64_t call_close(int fd)
{
	return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

int64_t rln_request_call(struct rln_request *q)
{
	ssize_t n;

	if (q->f.op.opcode == RLN_OP_CLOSE)
		return call_close(q->f.op.fd);
	n = call_data(q);
	return n < 0 ? -errno : n;
}

/* What does not wait */

/*
 * The C library's preadv2() is a cancellation point, which in a process with threads costs as much as the rest of it. (Where a
 * sanitizer looks on it shall see it.)
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__LP64__)
#define sys_preadv2 preadv2
#else
static inline ssize_t sys_preadv2(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
	return syscall(SYS_preadv2, fd, iov, n, offset, 0, flags);
}
#endif

/* After part of it: the rest is still to be read. */
static void read_on(struct rln_request *q, size_t n)
{
	q->moved += n;
	q->f.op.ptr = (char *)q->f.op.ptr + n;
	q->f.op.len -= n;
	if (q->f.op.arg != RINGLINE_FILE_POSITION)
		q->f.op.arg += n;
}

/* RWF_NOWAIT (4.14): reads what is in the cache. A short count is the end of the file or of what is there. */
static int64_t try_read(struct rln_request *q)
{
	while (q->f.op.len) {
		struct iovec iov = { .iov_base = q->f.op.ptr, .iov_len = q->f.op.len };
		ssize_t n = sys_preadv2(q->f.op.fd, &iov, 1, offset_of(q), RWF_NOWAIT | (int)q->f.flags);

		if (n < 0 && errno == EOPNOTSUPP)
			q->held[0]->cannot_try = true;
		if (n < 0)
			return errno == EOPNOTSUPP || errno == EAGAIN || errno == EINTR ? RLN_REQUEST_LATER : -errno;
		if ((size_t)n == q->f.op.len && !q->moved)
			return n;
		read_on(q, (size_t)n);
		if (n == 0)
			break;
	}
	return 0;         /* and what was read before */
}

/* All of a vector or nothing of it: what came short is read once more by the others, so the position must not move. */
static int64_t try_readv(struct rln_request *q)
{
	const struct iovec *iov = q->f.op.ptr;
	uint64_t whole = 0;
	uint64_t i;
	ssize_t n;

	for (i = 0; i < q->f.op.len; i++)
		whole += iov[i].iov_len;
	n = sys_preadv2(q->f.op.fd, iov, (int)q->f.op.len, offset_of(q), RWF_NOWAIT);
	if (n < 0 && errno == EOPNOTSUPP)
		q->held[0]->cannot_try = true;
	if (n < 0)
		return errno == EOPNOTSUPP || errno == EAGAIN || errno == EINTR ? RLN_REQUEST_LATER : -errno;
	return (uint64_t)n == whole ? n : RLN_REQUEST_LATER;
}

/* What an open file of this machine tells of itself is in memory. */
static int64_t try_stat(struct rln_request *q)
{
	return statx(q->f.op.fd, "", AT_EMPTY_PATH, q->f.mode, q->f.ptr2) < 0 ? -errno : 0;
}

int64_t rln_request_call_lock(struct rln_request *q)
{
	if (fcntl(q->f.op.fd, F_OFD_SETLK, &q->u.lock) == 0)
		return 0;
	return errno == EACCES ? -EAGAIN : -errno;
}

int64_t rln_request_attempt(struct rln_request *q)
{
	switch (q->opcode) {
	case RLN_OP_READ:
		return try_read(q);
	case RLN_OP_READV:
		return try_readv(q);
	case RLN_OP_STATX:
		return try_stat(q);
	default:
		return rln_request_call_lock(q);
	}
}
