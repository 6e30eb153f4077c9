/* SPDX-License-Identifier: MIT */
/* Permissions, owners and times, of open files and of names; and the length of a name. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/path.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

/* A request about an open file (path NULL) or about a name. */
static int prepare(struct rln_request *q, unsigned int opcode, struct ringline_file *file, const char *path, int flags,
                   const char *call)
{
	int r = path ? rln_path_prepare(q, opcode, file, path, call) : rln_file_check(file, call);

	if (r == 0 && flags & ~AT_SYMLINK_NOFOLLOW)
		r = -EINVAL;
	if (r < 0)
		return r;
	if (!path)
		rln_request_init(q, opcode, file);
	q->f.flags = (uint32_t)flags;
	return 0;
}

static int named(const char *path)
{
	return path ? 0 : -EINVAL;
}

/* Permissions: a link's own since Linux 6.6, where the file system has such */

static int64_t call_chmod(struct rln_request *q)
{
	int r;

	if (!q->f.op.ptr)
		r = fchmod(q->f.op.fd, q->f.mode);
	else if (q->f.flags)
		r = (int)syscall(SYS_fchmodat2, q->f.op.fd, q->f.op.ptr, q->f.mode, q->f.flags);
	else
		r = fchmodat(q->f.op.fd, q->f.op.ptr, q->f.mode, 0);
	return r == 0 ? 0 : errno == ENOSYS ? -EOPNOTSUPP : -errno;
}

static int prepare_chmod(struct rln_request *q, struct ringline_file *file, const char *path, uint32_t mode, int flags,
                         const char *call)
{
	int r = prepare(q, RLN_OP_CHMOD, file, path, flags, call);

	if (r == 0 && mode & ~07777u)
		r = -EINVAL;
	if (r < 0)
		return r;
	q->f.mode = mode;
	q->call = call_chmod;
	return 0;
}

int ringline_file_chmod(struct ringline_file *file, uint32_t mode)
{
	struct rln_request q;
	int r = prepare_chmod(&q, file, NULL, mode, 0, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_file_chmod_begin(struct ringline_op **ret, struct ringline_file *file, uint32_t mode)
{
	struct rln_request q;
	int r = prepare_chmod(&q, file, NULL, mode, 0, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

int ringline_path_chmod(struct ringline_file *dir, const char *path, uint32_t mode, int flags)
{
	struct rln_request q;
	int r = named(path);

	if (r == 0)
		r = prepare_chmod(&q, dir, path, mode, flags, __func__);
	return (int)rln_request_run(&q, r, __func__);
}

int ringline_path_chmod_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path, uint32_t mode,
                              int flags)
{
	struct rln_request q;
	int r = named(path);

	if (r == 0)
		r = prepare_chmod(&q, dir, path, mode, flags, __func__);
	return rln_request_begin(ret, &q, r, __func__);
}

/* Owner and group */

static int64_t call_chown(struct rln_request *q)
{
	int r;

	if (q->f.op.ptr)
		r = fchownat(q->f.op.fd, q->f.op.ptr, q->f.mode, (gid_t)q->f.op.arg, (int)q->f.flags);
	else
		r = fchown(q->f.op.fd, q->f.mode, (gid_t)q->f.op.arg);
	return r < 0 ? -errno : 0;
}

static int prepare_chown(struct rln_request *q, struct ringline_file *file, const char *path, uint32_t uid, uint32_t gid,
                         int flags, const char *call)
{
	int r = prepare(q, RLN_OP_CHOWN, file, path, flags, call);

	if (r < 0)
		return r;
	q->f.mode = uid;
	q->f.op.arg = gid;
	q->call = call_chown;
	return 0;
}

int ringline_file_chown(struct ringline_file *file, uint32_t uid, uint32_t gid)
{
	struct rln_request q;
	int r = prepare_chown(&q, file, NULL, uid, gid, 0, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_file_chown_begin(struct ringline_op **ret, struct ringline_file *file, uint32_t uid, uint32_t gid)
{
	struct rln_request q;
	int r = prepare_chown(&q, file, NULL, uid, gid, 0, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

int ringline_path_chown(struct ringline_file *dir, const char *path, uint32_t uid, uint32_t gid, int flags)
{
	struct rln_request q;
	int r = named(path);

	if (r == 0)
		r = prepare_chown(&q, dir, path, uid, gid, flags, __func__);
	return (int)rln_request_run(&q, r, __func__);
}

int ringline_path_chown_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path, uint32_t uid,
                              uint32_t gid, int flags)
{
	struct rln_request q;
	int r = named(path);

	if (r == 0)
		r = prepare_chown(&q, dir, path, uid, gid, flags, __func__);
	return rln_request_begin(ret, &q, r, __func__);
}

/* Times */

static int64_t call_set_times(struct rln_request *q)
{
	int r;

	if (q->f.op.ptr)
		r = utimensat(q->f.op.fd, q->f.op.ptr, q->u.times, (int)q->f.flags);
	else
		r = futimens(q->f.op.fd, q->u.times);
	return r < 0 ? -errno : 0;
}

static int read_time(struct timespec *ts, const struct ringline_timestamp *t)
{
	*ts = (struct timespec){ .tv_nsec = UTIME_NOW };
	if (!t)
		return 0;
	if (t->reserved || (t->nsec > 999999999 && t->nsec != RINGLINE_TIME_NOW && t->nsec != RINGLINE_TIME_KEEP))
		return -EINVAL;
	ts->tv_sec = (time_t)t->sec;
	ts->tv_nsec = (long)t->nsec;
	return ts->tv_sec == t->sec ? 0 : -EOVERFLOW;
}

static int prepare_set_times(struct rln_request *q, struct ringline_file *file, const char *path,
                             const struct ringline_timestamp *accessed, const struct ringline_timestamp *modified,
                             int flags, const char *call)
{
	int r = prepare(q, RLN_OP_UTIMENS, file, path, flags, call);

	if (r == 0)
		r = read_time(&q->u.times[0], accessed);
	if (r == 0)
		r = read_time(&q->u.times[1], modified);
	if (r < 0)
		return r;
	q->given = sizeof(q->u.times);
	q->call = call_set_times;
	return 0;
}

int ringline_file_set_times(struct ringline_file *file, const struct ringline_timestamp *accessed,
                            const struct ringline_timestamp *modified)
{
	struct rln_request q;
	int r = prepare_set_times(&q, file, NULL, accessed, modified, 0, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_file_set_times_begin(struct ringline_op **ret, struct ringline_file *file,
                                  const struct ringline_timestamp *accessed, const struct ringline_timestamp *modified)
{
	struct rln_request q;
	int r = prepare_set_times(&q, file, NULL, accessed, modified, 0, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

int ringline_path_set_times(struct ringline_file *dir, const char *path, const struct ringline_timestamp *accessed,
                            const struct ringline_timestamp *modified, int flags)
{
	struct rln_request q;
	int r = named(path);

	if (r == 0)
		r = prepare_set_times(&q, dir, path, accessed, modified, flags, __func__);
	return (int)rln_request_run(&q, r, __func__);
}

int ringline_path_set_times_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path,
                                  const struct ringline_timestamp *accessed, const struct ringline_timestamp *modified,
                                  int flags)
{
	struct rln_request q;
	int r = named(path);

	if (r == 0)
		r = prepare_set_times(&q, dir, path, accessed, modified, flags, __func__);
	return rln_request_begin(ret, &q, r, __func__);
}

/* Length of a name */

static int64_t call_truncate(struct rln_request *q)
{
	struct rln_path_full full;
	int r = rln_path_full_begin(&full, q->f.op.fd, q->f.op.ptr);

	if (r < 0)
		return r;
	r = truncate(full.path, (off_t)q->f.op.arg) < 0 ? -errno : 0;
	rln_path_full_end(&full);
	return r;
}

static int prepare_truncate(struct rln_request *q, struct ringline_file *dir, const char *path, uint64_t len,
                            const char *call)
{
	int r = rln_path_prepare(q, RLN_OP_TRUNCATE, dir, path, call);

	if (r == 0 && len > INT64_MAX)
		r = -EINVAL;
	if (r < 0)
		return r;
	q->f.op.arg = len;
	q->call = call_truncate;
	return 0;
}

int ringline_path_truncate(struct ringline_file *dir, const char *path, uint64_t len)
{
	struct rln_request q;
	int r = prepare_truncate(&q, dir, path, len, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_path_truncate_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path, uint64_t len)
{
	struct rln_request q;
	int r = prepare_truncate(&q, dir, path, len, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}
