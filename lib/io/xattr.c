/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes, of open files and of names.
 *
 * The system calls for names know no directories until Linux 6.13, so a name below one is looked up by way of /proc. Those that
 * get and set attributes of an open file are the ring's too.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/xattr.h>

#include "io/path.h"

static bool no_follow(const struct rln_request *q)
{
	return q->f.mode & AT_SYMLINK_NOFOLLOW;
}

static ssize_t call_named(const struct rln_request *q, const char *path)
{
	const char *name = q->f.ptr2;
	void *value = q->f.ptr3;
	size_t len = q->f.op.len;
	int flags = (int)q->f.flags;

	switch (q->opcode) {
	case RLN_OP_GETXATTR:
		return no_follow(q) ? lgetxattr(path, name, value, len) : getxattr(path, name, value, len);
	case RLN_OP_SETXATTR:
		return no_follow(q) ? lsetxattr(path, name, value, len, flags) : setxattr(path, name, value, len, flags);
	case RLN_OP_LISTXATTR:
		return no_follow(q) ? llistxattr(path, value, len) : listxattr(path, value, len);
	default:
		return no_follow(q) ? lremovexattr(path, name) : removexattr(path, name);
	}
}

static int64_t call_name(struct rln_request *q)
{
	struct rln_path_full full;
	int64_t n = rln_path_full_begin(&full, q->f.op.fd, q->f.op.ptr);

	if (n < 0)
		return n;
	n = call_named(q, full.path);
	if (n < 0)
		n = -errno;
	rln_path_full_end(&full);
	return n;
}

static int64_t call_file(struct rln_request *q)
{
	ssize_t n;

	if (q->opcode == RLN_OP_LISTXATTR)
		n = flistxattr(q->f.op.fd, q->f.ptr3, q->f.op.len);
	else
		n = fremovexattr(q->f.op.fd, q->f.ptr2);
	return n < 0 ? -errno : n;
}

/* What all of them are about: an attribute's name (not of a list), memory. */
struct attribute {
	const char *name;
	const void *value;
	size_t len;
	int flags;                /* of setting */
};

static int prepare(struct rln_request *q, unsigned int opcode, const struct attribute *a)
{
	if ((!a->name && opcode != RLN_OP_LISTXATTR) || (!a->value && a->len) || a->len > UINT32_MAX)
		return -EINVAL;
	q->f.ptr2 = (void *)a->name;
	q->f.ptr3 = (void *)a->value;
	q->f.op.len = a->len;
	q->f.flags = (uint32_t)a->flags;
	return 0;
}

static int prepare_file(struct rln_request *q, unsigned int opcode, struct ringline_file *file, struct attribute a,
                        const char *call)
{
	int r = rln_file_check(file, call);

	if (r < 0)
		return r;
	rln_request_init(q, opcode, file);
	if (opcode == RLN_OP_LISTXATTR || opcode == RLN_OP_REMOVEXATTR)
		q->call = call_file;
	return prepare(q, opcode, &a);
}

static int prepare_name(struct rln_request *q, unsigned int opcode, struct ringline_file *dir, const char *path,
                        struct attribute a, int flags, const char *call)
{
	int r = rln_path_prepare(q, opcode, dir, path, call);

	if (r == 0 && flags & ~AT_SYMLINK_NOFOLLOW)
		r = -EINVAL;
	if (r < 0)
		return r;
	q->f.mode = (uint32_t)flags;
	q->flags |= RLN_REQUEST_NO_RING;
	q->call = call_name;
	return prepare(q, opcode, &a);
}

ssize_t ringline_file_get_xattr(struct ringline_file *file, const char *name, void *value, size_t size)
{
	struct rln_request q;
	int r = prepare_file(&q, RLN_OP_GETXATTR, file, (struct attribute){ name, value, size, 0 }, __func__);

	return rln_request_run(&q, r, __func__);
}

int ringline_file_get_xattr_begin(struct ringline_op **ret, struct ringline_file *file, const char *name, void *value,
                                  size_t size)
{
	struct rln_request q;
	int r = prepare_file(&q, RLN_OP_GETXATTR, file, (struct attribute){ name, value, size, 0 }, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

int ringline_file_set_xattr(struct ringline_file *file, const char *name, const void *value, size_t size, int flags)
{
	struct rln_request q;
	int r = prepare_file(&q, RLN_OP_SETXATTR, file, (struct attribute){ name, value, size, flags }, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_file_set_xattr_begin(struct ringline_op **ret, struct ringline_file *file, const char *name,
                                  const void *value, size_t size, int flags)
{
	struct rln_request q;
	int r = prepare_file(&q, RLN_OP_SETXATTR, file, (struct attribute){ name, value, size, flags }, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

ssize_t ringline_file_list_xattr(struct ringline_file *file, char *names, size_t size)
{
	struct rln_request q;
	int r = prepare_file(&q, RLN_OP_LISTXATTR, file, (struct attribute){ NULL, names, size, 0 }, __func__);

	return rln_request_run(&q, r, __func__);
}

int ringline_file_list_xattr_begin(struct ringline_op **ret, struct ringline_file *file, char *names, size_t size)
{
	struct rln_request q;
	int r = prepare_file(&q, RLN_OP_LISTXATTR, file, (struct attribute){ NULL, names, size, 0 }, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

int ringline_file_remove_xattr(struct ringline_file *file, const char *name)
{
	struct rln_request q;
	int r = prepare_file(&q, RLN_OP_REMOVEXATTR, file, (struct attribute){ name, NULL, 0, 0 }, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_file_remove_xattr_begin(struct ringline_op **ret, struct ringline_file *file, const char *name)
{
	struct rln_request q;
	int r = prepare_file(&q, RLN_OP_REMOVEXATTR, file, (struct attribute){ name, NULL, 0, 0 }, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

ssize_t ringline_path_get_xattr(struct ringline_file *dir, const char *path, const char *name, void *value, size_t size,
                                int flags)
{
	struct rln_request q;
	int r = prepare_name(&q, RLN_OP_GETXATTR, dir, path, (struct attribute){ name, value, size, 0 }, flags, __func__);

	return rln_request_run(&q, r, __func__);
}

int ringline_path_get_xattr_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path, const char *name,
                                  void *value, size_t size, int flags)
{
	struct rln_request q;
	int r = prepare_name(&q, RLN_OP_GETXATTR, dir, path, (struct attribute){ name, value, size, 0 }, flags, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

int ringline_path_set_xattr(struct ringline_file *dir, const char *path, const char *name, const void *value, size_t size,
                            int xattr_flags, int flags)
{
	struct rln_request q;
	int r = prepare_name(&q, RLN_OP_SETXATTR, dir, path, (struct attribute){ name, value, size, xattr_flags }, flags, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_path_set_xattr_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path, const char *name,
                                  const void *value, size_t size, int xattr_flags, int flags)
{
	struct rln_request q;
	int r = prepare_name(&q, RLN_OP_SETXATTR, dir, path, (struct attribute){ name, value, size, xattr_flags }, flags, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

ssize_t ringline_path_list_xattr(struct ringline_file *dir, const char *path, char *names, size_t size, int flags)
{
	struct rln_request q;
	int r = prepare_name(&q, RLN_OP_LISTXATTR, dir, path, (struct attribute){ NULL, names, size, 0 }, flags, __func__);

	return rln_request_run(&q, r, __func__);
}

int ringline_path_list_xattr_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path, char *names,
                                   size_t size, int flags)
{
	struct rln_request q;
	int r = prepare_name(&q, RLN_OP_LISTXATTR, dir, path, (struct attribute){ NULL, names, size, 0 }, flags, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

int ringline_path_remove_xattr(struct ringline_file *dir, const char *path, const char *name, int flags)
{
	struct rln_request q;
	int r = prepare_name(&q, RLN_OP_REMOVEXATTR, dir, path, (struct attribute){ name, NULL, 0, 0 }, flags, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_path_remove_xattr_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path,
                                     const char *name, int flags)
{
	struct rln_request q;
	int r = prepare_name(&q, RLN_OP_REMOVEXATTR, dir, path, (struct attribute){ name, NULL, 0, 0 }, flags, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}
