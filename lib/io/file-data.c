/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing.
 *
 * What is in the cache is read by the worker at once; the rest goes the way of all requests. Streams are read and written as
 * connections are, by the operations that wait for readiness, since a thread or a slot of the kernel that waits for a peer
 * would be gone for as long.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "io/file.h"

/* Streams */

static uint64_t bytes_in(const struct iovec *iov, size_t n)
{
	uint64_t sum = 0;

	while (n--)
		sum += iov++->iov_len;
	return sum;
}

static bool is_vector(const struct rln_request *q)
{
	return q->opcode == RLN_OP_READV || q->opcode == RLN_OP_WRITEV;
}

/* Not a byte to move: that never waits, and is no matter of streams. */
static bool moves_nothing(const struct rln_request *q)
{
	return is_vector(q) ? !bytes_in(q->f.op.ptr, q->f.op.len) : !q->f.op.len;
}

static void stream_of_vector(struct rln_request *q)
{
	struct iovec *iov = q->f.op.ptr;
	size_t n = q->f.op.len;

	while (n > 1 && !iov->iov_len) {
		iov++;
		n--;
	}
	q->f.op.ptr = iov->iov_base;
	q->f.op.len = iov->iov_len;
}

/*
 * A stream gives what it has, so the first piece of memory will do; what is written goes whole, piece after piece. One that is
 * not open for it would never be ready.
 */
static rln_noinline int prepare_stream(struct rln_request *q, const struct ringline_file *file)
{
	bool reads = q->opcode == RLN_OP_READ || q->opcode == RLN_OP_READV;

	q->f.op.arg = RINGLINE_FILE_POSITION;
	if (moves_nothing(q))
		return 0;
	if (reads ? !file->readable : !file->writable)
		return -EBADF;
	if (is_vector(q))
		stream_of_vector(q);
	q->f.op.opcode = reads ? RLN_OP_RECV : RLN_OP_SEND;
	q->flags = RLN_REQUEST_STREAM;
	return 0;
}

/* Checks */

static bool misaligned(const struct ringline_file *file, const void *memory, uint64_t len, uint64_t offset)
{
	uint64_t unit = file->offset_alignment;

	if (!file->direct || !file->memory_alignment || !unit)
		return false;
	if (offset != RINGLINE_FILE_POSITION && offset % unit)
		return true;
	return (uintptr_t)memory % file->memory_alignment || len % unit;
}

static int check_range(uint64_t offset, uint64_t len)
{
	if (len > SSIZE_MAX || (offset != RINGLINE_FILE_POSITION && (offset > INT64_MAX || len > INT64_MAX - offset)))
		return -EINVAL;
	return 0;
}

static int check_memory(const struct ringline_file *file, const void *data, size_t len, uint64_t offset)
{
	int r = data || !len ? check_range(offset, len) : -EINVAL;

	return r == 0 && misaligned(file, data, len, offset) ? -EINVAL : r;
}

static int check_vector(const struct ringline_file *file, const struct iovec *iov, int n, uint64_t offset)
{
	int i;

	if (n < 0 || n > IOV_MAX || (!iov && n))
		return -EINVAL;
	for (i = 0; i < n; i++)
		if (misaligned(file, iov[i].iov_base, iov[i].iov_len, 0))
			return -EINVAL;
	if (misaligned(file, NULL, 0, offset))
		return -EINVAL;
	return check_range(offset, bytes_in(iov, (size_t)n));
}

/* Requests */

static int prepare(struct rln_request *q, struct ringline_file *file, unsigned int opcode, void *memory, size_t len,
                    uint64_t offset)
{
	rln_request_init(q, opcode, file);
	q->f.op.ptr = memory;
	q->f.op.len = len;
	q->f.op.arg = offset;
	if (!file->cannot_try && (opcode == RLN_OP_READ || (opcode == RLN_OP_READV && offset != RINGLINE_FILE_POSITION)))
		q->flags |= RLN_REQUEST_INLINE;
	if (file->direct)
		q->f.op.flags |= RLN_OPF_EAGER;
	return rln_unlikely(file->stream) ? prepare_stream(q, file) : 0;
}

int rln_file_prepare_transfer(struct rln_request *q, unsigned int opcode, struct ringline_file *file, const void *data,
                              size_t len, uint64_t offset, const char *call)
{
	int r = rln_file_check(file, call);

	if (r == 0)
		r = check_memory(file, data, len, offset);
	if (r == 0)
		r = prepare(q, file, opcode, (void *)data, len, offset);
	return r;
}

static int prepare_vector(struct rln_request *q, struct ringline_file *file, unsigned int opcode, const struct iovec *iov,
                          int n, uint64_t offset, const char *call)
{
	int r = rln_file_check(file, call);

	if (r == 0)
		r = check_vector(file, iov, n, offset);
	if (r == 0)
		r = prepare(q, file, opcode, (void *)iov, (size_t)n, offset);
	return r;
}

ssize_t ringline_file_read(struct ringline_file *file, void *data, size_t len, uint64_t offset)
{
	struct rln_request q;
	int r = rln_file_prepare_transfer(&q, RLN_OP_READ, file, data, len, offset, __func__);

	return rln_request_run(&q, r, __func__);
}

ssize_t ringline_file_write(struct ringline_file *file, const void *data, size_t len, uint64_t offset)
{
	struct rln_request q;
	int r = rln_file_prepare_transfer(&q, RLN_OP_WRITE, file, data, len, offset, __func__);

	return rln_request_run(&q, r, __func__);
}

ssize_t ringline_file_readv(struct ringline_file *file, const struct iovec *iov, int n, uint64_t offset)
{
	struct rln_request q;
	int r = prepare_vector(&q, file, RLN_OP_READV, iov, n, offset, __func__);

	return rln_request_run(&q, r, __func__);
}

ssize_t ringline_file_writev(struct ringline_file *file, const struct iovec *iov, int n, uint64_t offset)
{
	struct rln_request q;
	int r = prepare_vector(&q, file, RLN_OP_WRITEV, iov, n, offset, __func__);

	return rln_request_run(&q, r, __func__);
}

ssize_t ringline_file_try_read(struct ringline_file *file, void *data, size_t len, uint64_t offset)
{
	struct rln_request q;
	int r = rln_file_prepare_transfer(&q, RLN_OP_READ, file, data, len, offset, __func__);

	return rln_request_try(&q, r);
}

int ringline_file_read_begin(struct ringline_op **ret, struct ringline_file *file, void *data, size_t len, uint64_t offset)
{
	struct rln_request q;
	int r = rln_file_prepare_transfer(&q, RLN_OP_READ, file, data, len, offset, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

int ringline_file_write_begin(struct ringline_op **ret, struct ringline_file *file, const void *data, size_t len,
                              uint64_t offset)
{
	struct rln_request q;
	int r = rln_file_prepare_transfer(&q, RLN_OP_WRITE, file, data, len, offset, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

int ringline_file_readv_begin(struct ringline_op **ret, struct ringline_file *file, const struct iovec *iov, int n,
                              uint64_t offset)
{
	struct rln_request q;
	int r = prepare_vector(&q, file, RLN_OP_READV, iov, n, offset, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

int ringline_file_writev_begin(struct ringline_op **ret, struct ringline_file *file, const struct iovec *iov, int n,
                               uint64_t offset)
{
	struct rln_request q;
	int r = prepare_vector(&q, file, RLN_OP_WRITEV, iov, n, offset, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

/* At the end */

static int prepare_append(struct rln_request *q, struct ringline_file *file, const void *data, size_t len, const char *call)
{
	int r = rln_file_prepare_transfer(q, RLN_OP_WRITE, file, data, len, 0, call);

	if (r == 0)
		q->f.flags = RWF_APPEND;
	return r;
}

ssize_t ringline_file_append(struct ringline_file *file, const void *data, size_t len)
{
	struct rln_request q;
	int r = prepare_append(&q, file, data, len, __func__);

	return rln_request_run(&q, r, __func__);
}

int ringline_file_append_begin(struct ringline_op **ret, struct ringline_file *file, const void *data, size_t len)
{
	struct rln_request q;
	int r = prepare_append(&q, file, data, len, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}
