/* SPDX-License-Identifier: MIT */
/*
 * Operations on files: which of them this kernel's ring carries out, how they become submission entries, and memory that is
 * kept mapped for them.
 *
 * Reads and writes of what is in the cache are over in the enter that takes them in; the rest goes to threads of the kernel,
 * whose number is bounded (uring.c). What may wait without bound does not come here: that is decided above (io/request.c).
 *
 * Regions are registered buffers in a table that is made when the first is added. The kernel counts them against
 * RLIMIT_MEMLOCK; a region it refuses is none, and costs no more than plain memory.
 */
#include <errno.h>
#include <fcntl.h>

#include "backend/uring.h"
#include "base/fault.h"
#include "core/file-op.h"

#define REGIONS_MAX  64u
#define OP_FTRUNCATE 55u              /* newer than the headers of liburing 2.3 */

static const struct {
	uint8_t opcode;           /* enum rln_opcode */
	uint8_t ring;             /* IORING_OP_* */
} carried[] = {
	{ RLN_OP_READ, IORING_OP_READ },
	{ RLN_OP_WRITE, IORING_OP_WRITE },
	{ RLN_OP_READV, IORING_OP_READV },
	{ RLN_OP_WRITEV, IORING_OP_WRITEV },
	{ RLN_OP_FSYNC, IORING_OP_FSYNC },
	{ RLN_OP_SYNC_RANGE, IORING_OP_SYNC_FILE_RANGE },
	{ RLN_OP_FALLOCATE, IORING_OP_FALLOCATE },
	{ RLN_OP_FTRUNCATE, OP_FTRUNCATE },
	{ RLN_OP_FADVISE, IORING_OP_FADVISE },
	{ RLN_OP_STATX, IORING_OP_STATX },
	{ RLN_OP_RENAME, IORING_OP_RENAMEAT },
	{ RLN_OP_UNLINK, IORING_OP_UNLINKAT },
	{ RLN_OP_MKDIR, IORING_OP_MKDIRAT },
	{ RLN_OP_LINK, IORING_OP_LINKAT },
	{ RLN_OP_SYMLINK, IORING_OP_SYMLINKAT },
	{ RLN_OP_GETXATTR, IORING_OP_FGETXATTR },
	{ RLN_OP_SETXATTR, IORING_OP_FSETXATTR },
	{ RLN_OP_NVME, IORING_OP_URING_CMD },
};

_Static_assert(RLN_OP_MAX <= 64, "opcodes fit in a mask");

static bool supported(const struct io_uring_probe *probe, unsigned int ring_op)
{
	return ring_op <= probe->last_op && probe->ops[ring_op].flags & IO_URING_OP_SUPPORTED;
}

/* Without memory for the question nothing is carried, and everything is done by threads. */
void rln_uring_files_init(struct rln_uring *u)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(&u->ring);
	size_t i;

	for (i = 0; probe && i < rln_array_size(carried); i++)
		if (supported(probe, carried[i].ring))
			u->base.carries |= UINT64_C(1) << carried[i].opcode;
	io_uring_free_probe(probe);
}

static unsigned int bytes(const struct rln_op *op)
{
	return (unsigned int)rln_min(op->len, RLN_URING_TRANSFER_MAX);
}

static void prep_transfer(struct io_uring_sqe *sqe, const struct rln_file_op *f)
{
	const struct rln_op *op = &f->op;
	bool write = op->opcode == RLN_OP_WRITE;

	if (f->region && write)
		io_uring_prep_write_fixed(sqe, op->fd, op->ptr, bytes(op), op->arg, (int)f->region - 1);
	else if (f->region)
		io_uring_prep_read_fixed(sqe, op->fd, op->ptr, bytes(op), op->arg, (int)f->region - 1);
	else if (write)
		io_uring_prep_write(sqe, op->fd, op->ptr, bytes(op), op->arg);
	else
		io_uring_prep_read(sqe, op->fd, op->ptr, bytes(op), op->arg);
	sqe->rw_flags = (int)f->flags;
}

static void prep_vector(struct io_uring_sqe *sqe, const struct rln_file_op *f)
{
	const struct rln_op *op = &f->op;

	if (op->opcode == RLN_OP_READV)
		io_uring_prep_readv(sqe, op->fd, op->ptr, (unsigned int)op->len, op->arg);
	else
		io_uring_prep_writev(sqe, op->fd, op->ptr, (unsigned int)op->len, op->arg);
	sqe->rw_flags = (int)f->flags;
}

/* The entry has 32 bits for the length of a range; what is longer means to the end here, which is as good as that. */
static void prep_range(struct io_uring_sqe *sqe, const struct rln_file_op *f, int ring_op)
{
	uint64_t len = f->op.len > UINT32_MAX ? 0 : f->op.len;

	io_uring_prep_rw(ring_op, sqe, f->op.fd, NULL, (unsigned int)len, f->op.arg);
	sqe->sync_range_flags = f->flags;
}

static void prep_data(struct io_uring_sqe *sqe, const struct rln_file_op *f)
{
	const struct rln_op *op = &f->op;

	switch (op->opcode) {
	case RLN_OP_READV:
	case RLN_OP_WRITEV:
		prep_vector(sqe, f);
		break;
	case RLN_OP_FSYNC:
		io_uring_prep_fsync(sqe, op->fd, f->flags ? IORING_FSYNC_DATASYNC : 0);
		break;
	case RLN_OP_FALLOCATE:
		io_uring_prep_fallocate(sqe, op->fd, (int)f->flags, op->arg, op->len);
		break;
	case RLN_OP_FTRUNCATE:
		io_uring_prep_rw((int)OP_FTRUNCATE, sqe, op->fd, NULL, 0, op->arg);
		break;
	case RLN_OP_SYNC_RANGE:
		prep_range(sqe, f, IORING_OP_SYNC_FILE_RANGE);
		break;
	default:
		prep_range(sqe, f, IORING_OP_FADVISE);
		break;
	}
}

static void prep_name(struct io_uring_sqe *sqe, const struct rln_file_op *f)
{
	const struct rln_op *op = &f->op;

	switch (op->opcode) {
	case RLN_OP_STATX:
		io_uring_prep_statx(sqe, op->fd, op->ptr, (int)f->flags, f->mode, f->ptr2);
		break;
	case RLN_OP_RENAME:
		io_uring_prep_renameat(sqe, op->fd, op->ptr, f->fd2, f->ptr2, f->flags);
		break;
	case RLN_OP_UNLINK:
		io_uring_prep_unlinkat(sqe, op->fd, op->ptr, (int)f->flags);
		break;
	case RLN_OP_MKDIR:
		io_uring_prep_mkdirat(sqe, op->fd, op->ptr, f->mode);
		break;
	case RLN_OP_LINK:
		io_uring_prep_linkat(sqe, op->fd, op->ptr, f->fd2, f->ptr2, (int)f->flags);
		break;
	case RLN_OP_SYMLINK:
		io_uring_prep_symlinkat(sqe, f->ptr2, op->fd, op->ptr);
		break;
	case RLN_OP_GETXATTR:
		io_uring_prep_fgetxattr(sqe, op->fd, f->ptr2, f->ptr3, (unsigned int)op->len);
		break;
	default:
		io_uring_prep_fsetxattr(sqe, op->fd, f->ptr2, f->ptr3, (int)f->flags, (unsigned int)op->len);
		break;
	}
}

void rln_uring_prep_file(struct io_uring_sqe *sqe, const struct rln_op *op)
{
	const struct rln_file_op *f = rln_file_op_of(op);

	if (rln_likely(op->opcode <= RLN_OP_WRITE))
		prep_transfer(sqe, f);
	else if (op->opcode < RLN_OP_STATX)
		prep_data(sqe, f);
	else
		prep_name(sqe, f);
}

/* Regions */

static int make_table(struct rln_uring *u)
{
	int error = rln_fault(RLN_FAULT_RING_REGISTER);
	int r;

	if (u->regions_made)
		return 0;
	r = error ? -error : io_uring_register_buffers_sparse(&u->ring, REGIONS_MAX);
	u->regions_made = r == 0;
	return r;
}

static int set_entry(struct rln_uring *u, uint32_t index, void *memory, size_t len)
{
	struct iovec iov = { .iov_base = memory, .iov_len = len };
	__u64 tag = 0;
	int r = io_uring_register_buffers_update_tag(&u->ring, index, &iov, &tag, 1);

	return r < 0 ? r : r == 1 ? 0 : -EINVAL;
}

int rln_uring_region_add(struct rln_backend *b, void *memory, size_t len)
{
	struct rln_uring *u = rln_uring_of(b);
	uint32_t index = 0;
	int r = make_table(u);

	if (r < 0)
		return r;
	while (index < REGIONS_MAX && u->regions >> index & 1)
		index++;
	if (index == REGIONS_MAX)
		return -ENOSPC;
	r = set_entry(u, index, memory, len);
	if (r < 0)
		return r;
	u->regions |= UINT64_C(1) << index;
	return (int)index + 1;
}

void rln_uring_region_remove(struct rln_backend *b, uint32_t region)
{
	struct rln_uring *u = rln_uring_of(b);

	(void)set_entry(u, region - 1, NULL, 0);
	u->regions &= ~(UINT64_C(1) << (region - 1));
}
