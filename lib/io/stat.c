/* SPDX-License-Identifier: MIT */
/*
 * What there is to know about files: of open ones, of names, of many names at once.
 *
 * The kernel's structure is not the caller's: it is filled in inside the request, and converted on the worker.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

#include "base/sized.h"
#include "io/path.h"

static struct ringline_timestamp timestamp(const struct statx_timestamp *t)
{
	return (struct ringline_timestamp){ .sec = t->tv_sec, .nsec = t->tv_nsec };
}

/* What older headers lack lies at fixed places (linux/stat.h). */
static uint64_t mount_of(const struct statx *sx)
{
	uint64_t mount;

	memcpy(&mount, (const char *)sx + 0x90, sizeof(mount));
	return mount;
}

static void alignment_of(struct ringline_stat *st, const struct statx *sx)
{
	memcpy(&st->direct_memory_alignment, (const char *)sx + 0x98, sizeof(uint32_t));
	memcpy(&st->direct_offset_alignment, (const char *)sx + 0x9c, sizeof(uint32_t));
}

int rln_path_stat_out(struct ringline_stat *out, const struct statx *sx)
{
	struct ringline_stat st = {
		.size = sizeof(st),
		.mask = sx->stx_mask,
		.mode = sx->stx_mode,
		.links = sx->stx_nlink,
		.uid = sx->stx_uid,
		.gid = sx->stx_gid,
		.block_size = sx->stx_blksize,
		.inode = sx->stx_ino,
		.length = sx->stx_size,
		.blocks = sx->stx_blocks,
		.attributes = sx->stx_attributes,
		.attributes_mask = sx->stx_attributes_mask,
		.accessed = timestamp(&sx->stx_atime),
		.changed = timestamp(&sx->stx_ctime),
		.modified = timestamp(&sx->stx_mtime),
		.created = timestamp(&sx->stx_btime),
		.device_major = sx->stx_dev_major,
		.device_minor = sx->stx_dev_minor,
		.special_major = sx->stx_rdev_major,
		.special_minor = sx->stx_rdev_minor,
		.mount = mount_of(sx),
	};

	alignment_of(&st, sx);
	return rln_sized_out(out, &st, sizeof(st));
}

/* One */

static int64_t convert(struct rln_request *q, int64_t result)
{
	return result < 0 ? result : rln_path_stat_out(q->out, &q->u.statx);
}

int rln_path_prepare_stat(struct rln_request *q, struct ringline_file *file, const char *path, int flags, uint32_t mask,
                          struct ringline_stat *stat, const char *call)
{
	int r = path ? rln_path_prepare(q, RLN_OP_STATX, file, path, call) : rln_file_check(file, call);

	if (r == 0 && (!stat || stat->size < sizeof(stat->size)))
		r = -EINVAL;
	if (r < 0)
		return r;
	if (!path) {
		rln_request_init(q, RLN_OP_STATX, file);
		q->f.op.ptr = (void *)"";
		q->flags |= RLN_REQUEST_INLINE;
		flags = AT_EMPTY_PATH;
	}
	rln_request_point_at_own(q);
	q->f.flags = (uint32_t)flags;
	q->f.mode = mask ? mask : STATX_BASIC_STATS;
	q->finish = convert;
	q->out = stat;
	return 0;
}

int ringline_file_stat(struct ringline_file *file, uint32_t mask, struct ringline_stat *stat)
{
	struct rln_request q;
	int r = rln_path_prepare_stat(&q, file, NULL, 0, mask, stat, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_file_stat_begin(struct ringline_op **ret, struct ringline_file *file, uint32_t mask,
                             struct ringline_stat *stat)
{
	struct rln_request q;
	int r = rln_path_prepare_stat(&q, file, NULL, 0, mask, stat, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

int ringline_path_stat(struct ringline_file *dir, const char *path, int flags, uint32_t mask, struct ringline_stat *stat)
{
	struct rln_request q;
	int r = path ? rln_path_prepare_stat(&q, dir, path, flags, mask, stat, __func__) : -EINVAL;

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_path_stat_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path, int flags,
                             uint32_t mask, struct ringline_stat *stat)
{
	struct rln_request q;
	int r = path ? rln_path_prepare_stat(&q, dir, path, flags, mask, stat, __func__) : -EINVAL;

	return rln_request_begin(ret, &q, r, __func__);
}

/* Many: a thread looks at one name after the other. */

#define MANY_IN_ROW 32u

static bool many_cut(const struct rln_request *q)
{
	return atomic_load_explicit(&q->cut, memory_order_relaxed);
}

/* A call that was interrupted is made again, like all others (request.c). */
static int stat_one(const struct rln_request *q, size_t i)
{
	struct ringline_stat *out = (struct ringline_stat *)((char *)q->out + i * q->u.many.stride);
	struct statx sx;
	int r;

	memset(&sx, 0, sizeof(sx));
	if (!q->u.many.paths[i])
		return -EINVAL;
	do
		r = statx(q->f.op.fd, q->u.many.paths[i], (int)q->f.flags, q->f.mode, &sx) < 0 ? -errno : 0;
	while (r == -EINTR && !many_cut(q));
	if (r < 0)
		return r == -EINTR ? -ECANCELED : r;
	out->size = q->u.many.stride;
	return rln_path_stat_out(out, &sx);
}

static int64_t stat_all(struct rln_request *q)
{
	int64_t failed = 0;
	bool cut = false;
	size_t i;

	for (i = 0; i < q->u.many.n; i++) {
		cut = cut || many_cut(q);
		q->u.many.results[i] = cut ? -ECANCELED : stat_one(q, i);
		cut = q->u.many.results[i] == -ECANCELED;
		failed += q->u.many.results[i] < 0;
		if (i % MANY_IN_ROW == MANY_IN_ROW - 1)
			sched_yield();    /* whoever serves connections may need the processor */
	}
	return cut ? -ECANCELED : failed;
}

static int prepare_many(struct rln_request *q, struct ringline_file *dir, const char *const *paths, size_t n, int flags,
                        uint32_t mask, struct ringline_stat *stats, size_t stat_size, int *results, const char *call)
{
	int r = rln_path_prepare(q, RLN_OP_STATX_MANY, dir, "", call);

	if (r == 0 && (!paths || !stats || !results || stat_size < sizeof(stats->size) || n > INT32_MAX))
		r = -EINVAL;
	if (r < 0)
		return r;
	q->call = stat_all;
	q->out = stats;
	q->f.flags = (uint32_t)flags;
	q->f.mode = mask ? mask : STATX_BASIC_STATS;
	q->u.many.paths = paths;
	q->u.many.n = n;
	q->u.many.stride = stat_size;
	q->u.many.results = results;
	q->given = sizeof(q->u.many);
	while (n--)
		results[n] = -ECANCELED;          /* until somebody has looked */
	return 0;
}

int64_t ringline_path_stat_many(struct ringline_file *dir, const char *const *paths, size_t n, int flags, uint32_t mask,
                                struct ringline_stat *stats, size_t stat_size, int *results)
{
	struct rln_request q;
	int r = prepare_many(&q, dir, paths, n, flags, mask, stats, stat_size, results, __func__);

	return rln_request_run(&q, r, __func__);
}

int ringline_path_stat_many_begin(struct ringline_op **ret, struct ringline_file *dir, const char *const *paths, size_t n,
                                  int flags, uint32_t mask, struct ringline_stat *stats, size_t stat_size, int *results)
{
	struct rln_request q;
	int r = prepare_many(&q, dir, paths, n, flags, mask, stats, stat_size, results, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}
