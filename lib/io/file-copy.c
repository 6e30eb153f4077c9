/* SPDX-License-Identifier: MIT */
/*
 * From file to file: copying a range, and sharing its blocks.
 *
 * A thread copies piece by piece, so that a cut ends it soon. The kernel copies where it can (copy_file_range(2)); between file
 * systems that it cannot copy between, and from files that only pretend to have a length (/proc), bytes are read and written.
 */
#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/file.h"

#define PIECE  (16u * 1024 * 1024)
#define BUFFER (256u * 1024)

/*
 * malloc() would begin 16 bytes into a page, where processors that copy by REP MOVSB need four times as long to put a page of the
 * cache (https://sourceware.org/bugzilla/show_bug.cgi?id=30994).
 */
#define BUFFER_ALIGN 4096

struct copy {
	const struct rln_request *q;
	int from;
	int to;
	off_t from_offset;
	off_t to_offset;
	uint64_t left;
	uint64_t done;
};

static bool cut(const struct copy *c)
{
	return atomic_load_explicit(&c->q->cut, memory_order_relaxed);
}

static void count(struct copy *c, size_t n)
{
	c->left -= n;
	c->done += n;
}

/* Within one file an invalid range is one that overlaps; otherwise the kernel means that it cannot. */
static bool same_file(const struct copy *c)
{
	struct stat a;
	struct stat b;

	return fstat(c->from, &a) == 0 && fstat(c->to, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static bool another_way(const struct copy *c, ssize_t n)
{
	return n == 0 || errno == EXDEV || errno == EOPNOTSUPP || errno == ENOSYS || (errno == EINVAL && !same_file(c));
}

/* 0 at the end; 1: this is not the way; -errno. */
static int copy_in_kernel(struct copy *c)
{
	while (c->left && !cut(c)) {
		ssize_t n = copy_file_range(c->from, &c->from_offset, c->to, &c->to_offset,
		                            (size_t)rln_min(c->left, (uint64_t)PIECE), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 && !c->done && another_way(c, n))
			return 1;
		if (n <= 0)
			return n == 0 ? 0 : -errno;
		count(c, (size_t)n);
	}
	return 0;
}

static int write_piece(struct copy *c, const char *data, size_t n)
{
	while (n) {
		ssize_t k = pwrite(c->to, data, n, c->to_offset);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k < 0 ? -errno : -EIO;
		c->to_offset += k;
		c->from_offset += k;
		count(c, (size_t)k);
		data += k;
		n -= (size_t)k;
	}
	return 0;
}

static int copy_with(struct copy *c, char *buffer)
{
	int r = 0;

	while (r == 0 && c->left && !cut(c)) {
		ssize_t n = pread(c->from, buffer, (size_t)rln_min(c->left, (uint64_t)BUFFER), c->from_offset);

		if (n == 0)
			return 0;
		if (n < 0)
			r = errno == EINTR ? 0 : -errno;
		else
			r = write_piece(c, buffer, (size_t)n);
	}
	return r;
}

static int copy_by_hand(struct copy *c)
{
	char *buffer = rln_mem_alloc_aligned(BUFFER, BUFFER_ALIGN);
	int r = buffer ? copy_with(c, buffer) : -ENOMEM;

	rln_mem_free(buffer);
	return r;
}

static int64_t call_copy(struct rln_request *q)
{
	struct copy c = {
		.q = q,
		.from = q->f.op.fd,
		.to = q->f.fd2,
		.from_offset = (off_t)q->f.op.arg,
		.to_offset = (off_t)q->u.to_offset,
		.left = q->f.op.len,
	};
	int r = copy_in_kernel(&c);

	if (r == 1)
		r = copy_by_hand(&c);
	if (c.done)
		return (int64_t)c.done;
	return r == 0 && cut(&c) ? -ECANCELED : r;
}

static int64_t call_reflink(struct rln_request *q)
{
	struct file_clone_range range = {
		.src_fd = q->f.op.fd,
		.src_offset = q->f.op.arg,
		.src_length = q->f.op.len,
		.dest_offset = q->u.to_offset,
	};

	if (ioctl(q->f.fd2, FICLONERANGE, &range) == 0)
		return 0;
	return errno == ENOTTY || errno == ENOSYS ? -EOPNOTSUPP : -errno;
}

static int prepare(struct rln_request *q, unsigned int opcode, struct ringline_file *from, uint64_t from_offset,
                   struct ringline_file *to, uint64_t to_offset, uint64_t len, const char *call)
{
	int r = rln_file_check(from, call);

	if (r == 0)
		r = rln_file_check(to, call);
	if (r < 0)
		return r;
	if (from->stream || to->stream)
		return -EINVAL;
	if (from_offset > INT64_MAX || to_offset > INT64_MAX || len > INT64_MAX - rln_max(from_offset, to_offset))
		return -EINVAL;
	rln_request_init(q, opcode, from);
	rln_request_add_file(q, to);
	q->f.fd2 = to->fd;
	q->f.op.arg = from_offset;
	q->f.op.len = len;
	q->u.to_offset = to_offset;
	q->given = sizeof(q->u.to_offset);
	q->call = opcode == RLN_OP_REFLINK ? call_reflink : call_copy;
	return 0;
}

int64_t ringline_file_copy_range(struct ringline_file *from, uint64_t from_offset, struct ringline_file *to,
                                 uint64_t to_offset, uint64_t len)
{
	struct rln_request q;
	int r = prepare(&q, RLN_OP_COPY_RANGE, from, from_offset, to, to_offset, len, __func__);

	return rln_request_run(&q, r, __func__);
}

int ringline_file_copy_range_begin(struct ringline_op **ret, struct ringline_file *from, uint64_t from_offset,
                                   struct ringline_file *to, uint64_t to_offset, uint64_t len)
{
	struct rln_request q;
	int r = prepare(&q, RLN_OP_COPY_RANGE, from, from_offset, to, to_offset, len, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

int ringline_file_reflink(struct ringline_file *from, uint64_t from_offset, struct ringline_file *to, uint64_t to_offset,
                          uint64_t len)
{
	struct rln_request q;
	int r = prepare(&q, RLN_OP_REFLINK, from, from_offset, to, to_offset, len, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_file_reflink_begin(struct ringline_op **ret, struct ringline_file *from, uint64_t from_offset,
                                struct ringline_file *to, uint64_t to_offset, uint64_t len)
{
	struct rln_request q;
	int r = prepare(&q, RLN_OP_REFLINK, from, from_offset, to, to_offset, len, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}
