/* SPDX-License-Identifier: MIT */
/* What is done to a file as a whole or to a range of it: making it safe, its length, its space, how it will be used. */
#include <errno.h>

#include "io/file.h"

static int prepare(struct rln_request *q, struct ringline_file *file, unsigned int opcode, const char *call)
{
	int r = rln_file_check(file, call);

	if (r == 0)
		rln_request_init(q, opcode, file);
	return r;
}

static int prepare_sync(struct rln_request *q, struct ringline_file *file, uint32_t data_only, const char *call)
{
	int r = prepare(q, file, RLN_OP_FSYNC, call);

	if (r == 0)
		q->f.flags = data_only;
	return r;
}

/* An entry of the ring has 32 bits for the length of these ranges. */
static int prepare_range(struct rln_request *q, struct ringline_file *file, unsigned int opcode, uint64_t offset,
                         uint64_t len, uint32_t flags, const char *call)
{
	int r = prepare(q, file, opcode, call);

	if (r < 0)
		return r;
	if (offset > INT64_MAX || len > INT64_MAX - offset)
		return -EINVAL;
	q->f.op.arg = offset;
	q->f.op.len = len;
	q->f.flags = flags;
	if (opcode != RLN_OP_FALLOCATE && len > UINT32_MAX)
		q->flags |= RLN_REQUEST_NO_RING;
	return 0;
}

static int prepare_truncate(struct rln_request *q, struct ringline_file *file, uint64_t len, const char *call)
{
	int r = prepare(q, file, RLN_OP_FTRUNCATE, call);

	if (r == 0 && len > INT64_MAX)
		r = -EINVAL;
	if (r == 0)
		q->f.op.arg = len;
	return r;
}

int ringline_file_sync(struct ringline_file *file)
{
	struct rln_request q;
	int r = prepare_sync(&q, file, 0, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_file_sync_begin(struct ringline_op **ret, struct ringline_file *file)
{
	struct rln_request q;
	int r = prepare_sync(&q, file, 0, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

int ringline_file_datasync(struct ringline_file *file)
{
	struct rln_request q;
	int r = prepare_sync(&q, file, 1, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_file_datasync_begin(struct ringline_op **ret, struct ringline_file *file)
{
	struct rln_request q;
	int r = prepare_sync(&q, file, 1, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

int ringline_file_sync_range(struct ringline_file *file, uint64_t offset, uint64_t len, uint32_t flags)
{
	struct rln_request q;
	int r = prepare_range(&q, file, RLN_OP_SYNC_RANGE, offset, len, flags, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_file_sync_range_begin(struct ringline_op **ret, struct ringline_file *file, uint64_t offset, uint64_t len,
                                   uint32_t flags)
{
	struct rln_request q;
	int r = prepare_range(&q, file, RLN_OP_SYNC_RANGE, offset, len, flags, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

int ringline_file_truncate(struct ringline_file *file, uint64_t len)
{
	struct rln_request q;
	int r = prepare_truncate(&q, file, len, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_file_truncate_begin(struct ringline_op **ret, struct ringline_file *file, uint64_t len)
{
	struct rln_request q;
	int r = prepare_truncate(&q, file, len, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

int ringline_file_allocate(struct ringline_file *file, int mode, uint64_t offset, uint64_t len)
{
	struct rln_request q;
	int r = prepare_range(&q, file, RLN_OP_FALLOCATE, offset, len, (uint32_t)mode, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_file_allocate_begin(struct ringline_op **ret, struct ringline_file *file, int mode, uint64_t offset,
                                 uint64_t len)
{
	struct rln_request q;
	int r = prepare_range(&q, file, RLN_OP_FALLOCATE, offset, len, (uint32_t)mode, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

int ringline_file_advise(struct ringline_file *file, uint64_t offset, uint64_t len, int advice)
{
	struct rln_request q;
	int r = prepare_range(&q, file, RLN_OP_FADVISE, offset, len, (uint32_t)advice, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_file_advise_begin(struct ringline_op **ret, struct ringline_file *file, uint64_t offset, uint64_t len,
                               int advice)
{
	struct rln_request q;
	int r = prepare_range(&q, file, RLN_OP_FADVISE, offset, len, (uint32_t)advice, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}
