/* SPDX-License-Identifier: MIT */
/* Names: renaming, removing, making and linking them; and where a symbolic link points. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/path.h"

/* A name that begins at the root does not depend on the directory, nor on who serves it. */
static struct ringline_file *needed(struct ringline_file *dir, const char *path)
{
	return path[0] == '/' ? NULL : dir;
}

int rln_path_prepare(struct rln_request *q, unsigned int opcode, struct ringline_file *dir, const char *path,
                     const char *call)
{
	int r = rln_file_check_dir(dir, call);

	if (r == 0 && !path)
		r = -EINVAL;
	if (r < 0)
		return r;
	rln_request_init(q, opcode, needed(dir, path));
	q->f.op.fd = rln_file_dirfd(q->held[0]);
	q->f.op.ptr = (void *)path;
	return 0;
}

int rln_path_prepare_second(struct rln_request *q, struct ringline_file *dir, const char *path, const char *call)
{
	int r = rln_file_check_dir(dir, call);

	if (r == 0 && !path)
		r = -EINVAL;
	if (r < 0)
		return r;
	rln_request_add_file(q, needed(dir, path));
	q->f.fd2 = rln_file_dirfd(q->held[1]);
	q->f.ptr2 = (void *)path;
	return 0;
}

static bool fill(struct rln_path_full *full, int dirfd, const char *path)
{
	full->path = full->room;
	return snprintf(full->room, sizeof(full->room), "/proc/self/fd/%d/%s", dirfd, path) < (int)sizeof(full->room);
}

/* Opens all but the last part of a long name. */
static int open_most(struct rln_path_full *full, int dirfd, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	if (!len || len >= sizeof(full->room))
		return -ENAMETOOLONG;
	memcpy(full->room, path, len);
	full->room[len] = '\0';
	full->fd = openat(dirfd, full->room, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (full->fd < 0)
		return -errno;
	if (fill(full, full->fd, slash + 1))
		return 0;
	close(full->fd);
	return -ENAMETOOLONG;
}

/* An empty name is none, and must not become the directory. */
int rln_path_full_begin(struct rln_path_full *full, int dirfd, const char *path)
{
	full->fd = -1;
	full->path = path;
	if (dirfd == AT_FDCWD || !path[0] || path[0] == '/' || fill(full, dirfd, path))
		return 0;
	return strlen(path) < PATH_MAX ? open_most(full, dirfd, path) : -ENAMETOOLONG;
}

void rln_path_full_end(const struct rln_path_full *full)
{
	if (full->fd >= 0)
		close(full->fd);
}

/* Two names */

static int prepare_two(struct rln_request *q, unsigned int opcode, struct ringline_file *dir, const char *path,
                       struct ringline_file *to_dir, const char *to, uint32_t flags, const char *call)
{
	int r = rln_path_prepare(q, opcode, dir, path, call);

	if (r == 0)
		r = rln_path_prepare_second(q, to_dir, to, call);
	if (r == 0)
		q->f.flags = flags;
	return r;
}

int ringline_path_rename(struct ringline_file *dir, const char *path, struct ringline_file *to_dir, const char *to,
                         uint32_t flags)
{
	struct rln_request q;
	int r = prepare_two(&q, RLN_OP_RENAME, dir, path, to_dir, to, flags, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_path_rename_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path,
                               struct ringline_file *to_dir, const char *to, uint32_t flags)
{
	struct rln_request q;
	int r = prepare_two(&q, RLN_OP_RENAME, dir, path, to_dir, to, flags, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

int ringline_path_link(struct ringline_file *dir, const char *path, struct ringline_file *to_dir, const char *to, int flags)
{
	struct rln_request q;
	int r = prepare_two(&q, RLN_OP_LINK, dir, path, to_dir, to, (uint32_t)flags, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_path_link_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path,
                             struct ringline_file *to_dir, const char *to, int flags)
{
	struct rln_request q;
	int r = prepare_two(&q, RLN_OP_LINK, dir, path, to_dir, to, (uint32_t)flags, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

/* A file without a name is linked by way of /proc: by its descriptor alone it takes a capability (open(2)). */
static int64_t link_file(struct rln_request *q)
{
	char name[32];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", q->f.op.fd);
	return linkat(AT_FDCWD, name, q->f.fd2, q->f.ptr2, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

static int prepare_link_file(struct rln_request *q, struct ringline_file *file, struct ringline_file *dir,
                             const char *path, const char *call)
{
	int r = rln_file_check(file, call);

	if (r < 0)
		return r;
	rln_request_init(q, RLN_OP_LINK, file);
	q->flags |= RLN_REQUEST_NO_RING;
	q->call = link_file;
	return rln_path_prepare_second(q, dir, path, call);
}

int ringline_file_link(struct ringline_file *file, struct ringline_file *dir, const char *path)
{
	struct rln_request q;
	int r = prepare_link_file(&q, file, dir, path, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_file_link_begin(struct ringline_op **ret, struct ringline_file *file, struct ringline_file *dir,
                             const char *path)
{
	struct rln_request q;
	int r = prepare_link_file(&q, file, dir, path, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

/* One name */

static int prepare_unlink(struct rln_request *q, struct ringline_file *dir, const char *path, int flags, const char *call)
{
	int r = rln_path_prepare(q, RLN_OP_UNLINK, dir, path, call);

	if (r == 0)
		q->f.flags = (uint32_t)flags;
	return r;
}

int ringline_path_unlink(struct ringline_file *dir, const char *path)
{
	struct rln_request q;
	int r = prepare_unlink(&q, dir, path, 0, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_path_unlink_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path)
{
	struct rln_request q;
	int r = prepare_unlink(&q, dir, path, 0, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

int ringline_path_rmdir(struct ringline_file *dir, const char *path)
{
	struct rln_request q;
	int r = prepare_unlink(&q, dir, path, AT_REMOVEDIR, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_path_rmdir_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path)
{
	struct rln_request q;
	int r = prepare_unlink(&q, dir, path, AT_REMOVEDIR, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

static int prepare_mkdir(struct rln_request *q, struct ringline_file *dir, const char *path, uint32_t mode,
                         const char *call)
{
	int r = rln_path_prepare(q, RLN_OP_MKDIR, dir, path, call);

	if (r == 0)
		q->f.mode = mode;
	return r;
}

int ringline_path_mkdir(struct ringline_file *dir, const char *path, uint32_t mode)
{
	struct rln_request q;
	int r = prepare_mkdir(&q, dir, path, mode, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_path_mkdir_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path, uint32_t mode)
{
	struct rln_request q;
	int r = prepare_mkdir(&q, dir, path, mode, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

static int prepare_symlink(struct rln_request *q, const char *target, struct ringline_file *dir, const char *path,
                           const char *call)
{
	int r = rln_path_prepare(q, RLN_OP_SYMLINK, dir, path, call);

	if (r == 0 && !target)
		r = -EINVAL;
	if (r == 0)
		q->f.ptr2 = (void *)target;
	return r;
}

int ringline_path_symlink(const char *target, struct ringline_file *dir, const char *path)
{
	struct rln_request q;
	int r = prepare_symlink(&q, target, dir, path, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_path_symlink_begin(struct ringline_op **ret, const char *target, struct ringline_file *dir, const char *path)
{
	struct rln_request q;
	int r = prepare_symlink(&q, target, dir, path, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

/* readlink(2) cuts silently; one byte too many tells. */
static int64_t call_readlink(struct rln_request *q)
{
	char *target = q->f.ptr2;
	ssize_t n = readlinkat(q->f.op.fd, q->f.op.ptr, target, q->f.op.len);

	if (n < 0)
		return -errno;
	if ((uint64_t)n == q->f.op.len)
		return -ERANGE;
	target[n] = '\0';
	return n;
}

static int prepare_readlink(struct rln_request *q, struct ringline_file *dir, const char *path, char *target, size_t size,
                            const char *call)
{
	int r = rln_path_prepare(q, RLN_OP_READLINK, dir, path, call);

	if (r == 0 && (!target || !size || size > SSIZE_MAX))
		r = -EINVAL;
	if (r < 0)
		return r;
	q->f.ptr2 = target;
	q->f.op.len = rln_min(size, (size_t)INT_MAX);     /* of which the system call takes no more */
	q->call = call_readlink;
	return 0;
}

ssize_t ringline_path_readlink(struct ringline_file *dir, const char *path, char *target, size_t size)
{
	struct rln_request q;
	int r = prepare_readlink(&q, dir, path, target, size, __func__);

	return rln_request_run(&q, r, __func__);
}

int ringline_path_readlink_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path, char *target,
                                 size_t size)
{
	struct rln_request q;
	int r = prepare_readlink(&q, dir, path, target, size, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}
