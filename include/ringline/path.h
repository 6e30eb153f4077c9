/* SPDX-License-Identifier: MIT */
/*
 * Names in file systems: what can be done without opening the file. file.h has the rules for all of it: what `dir` is, how
 * long arguments must stay, what a cut does, and that each call has a form with _begin.
 */
#ifndef RINGLINE_PATH_H
#define RINGLINE_PATH_H

#include <ringline/common.h>
#include <ringline/file.h>

RINGLINE_BEGIN_DECLS

struct ringline_buf;

/*
 * Tells about a file. flags: statx(2)'s AT_SYMLINK_NOFOLLOW, AT_NO_AUTOMOUNT, AT_EMPTY_PATH, AT_STATX_*; mask and stat as
 * in ringline_file_stat().
 *
 * Returns 0; -ENOENT, -ENOTDIR, -EACCES, -ELOOP, -ENAMETOOLONG, -EIO, -EINVAL, -EBADF, -ENOMEM, -ETIME, -ECANCELED, -EPERM,
 * -EDEADLK. _begin: 0, or -EINVAL, -EBADF, -EAGAIN (the worker's limit of operations, or of jobs), -ENOMEM, -ETIME,
 * -ECANCELED, -EPERM; so do all below.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_path_stat(struct ringline_file *dir, const char *path, int flags, uint32_t mask,
                                         struct ringline_stat *stat);
int ringline_path_stat_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path, int flags,
                             uint32_t mask, struct ringline_stat *stat) RINGLINE_MUST_CHECK;

/*
 * The same of n names at once, which costs about as much as so many system calls. stats is an array of n structures that lie
 * stat_size bytes apart, and their size members need not be set; results[i] receives 0 or the -errno of paths[i].
 *
 * Returns how many could not be told of (0: none); -ETIME or -ECANCELED (cut between two of them: the results of those that
 * were not looked at are -ECANCELED), the other errors above for the call as a whole.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int64_t ringline_path_stat_many(struct ringline_file *dir, const char *const *paths, size_t n, int flags,
                                                  uint32_t mask, struct ringline_stat *stats, size_t stat_size,
                                                  int *results);
int ringline_path_stat_many_begin(struct ringline_op **ret, struct ringline_file *dir, const char *const *paths, size_t n,
                                  int flags, uint32_t mask, struct ringline_stat *stats, size_t stat_size,
                                  int *results) RINGLINE_MUST_CHECK;

/*
 * Rename (flags: renameat2(2)'s RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT), unlink, remove and make directories,
 * link (flags: AT_SYMLINK_FOLLOW), make a symbolic link to target.
 *
 * Return 0; -ENOENT, -EEXIST, -ENOTDIR, -EISDIR, -ENOTEMPTY, -EXDEV, -EBUSY, -EACCES, -EMLINK, -ELOOP, -ENAMETOOLONG, -EROFS,
 * -ENOSPC, -EDQUOT, -EIO, -EINVAL, -EBADF, -ETIME, -ECANCELED, -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_path_rename(struct ringline_file *dir, const char *path, struct ringline_file *to_dir,
                                           const char *to, uint32_t flags);
RINGLINE_SUSPENDS int ringline_path_unlink(struct ringline_file *dir, const char *path);
RINGLINE_SUSPENDS int ringline_path_rmdir(struct ringline_file *dir, const char *path);
RINGLINE_SUSPENDS int ringline_path_mkdir(struct ringline_file *dir, const char *path, uint32_t mode);
RINGLINE_SUSPENDS int ringline_path_link(struct ringline_file *dir, const char *path, struct ringline_file *to_dir,
                                         const char *to, int flags);
RINGLINE_SUSPENDS int ringline_path_symlink(const char *target, struct ringline_file *dir, const char *path);
int ringline_path_rename_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path,
                               struct ringline_file *to_dir, const char *to, uint32_t flags) RINGLINE_MUST_CHECK;
int ringline_path_unlink_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path) RINGLINE_MUST_CHECK;
int ringline_path_rmdir_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path) RINGLINE_MUST_CHECK;
int ringline_path_mkdir_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path,
                              uint32_t mode) RINGLINE_MUST_CHECK;
int ringline_path_link_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path,
                             struct ringline_file *to_dir, const char *to, int flags) RINGLINE_MUST_CHECK;
int ringline_path_symlink_begin(struct ringline_op **ret, const char *target, struct ringline_file *dir,
                                const char *path) RINGLINE_MUST_CHECK;

/*
 * What a symbolic link points at, with a zero byte behind it.
 *
 * Returns its length without that byte; -ERANGE (does not fit), -EINVAL (no link), -ENOENT, -ENOTDIR, -EACCES, -ELOOP,
 * -ENAMETOOLONG, -EIO, -EBADF, -ETIME, -ECANCELED, -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_path_readlink(struct ringline_file *dir, const char *path, char *target, size_t size);
int ringline_path_readlink_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path, char *target,
                                 size_t size) RINGLINE_MUST_CHECK;

/*
 * As ringline_file_truncate(), _chmod(), _chown(), _set_times() and the calls for extended attributes, of a name; flags: 0 or
 * AT_SYMLINK_NOFOLLOW. Directories are given to the calls without a form of their own for it by way of /proc.
 *
 * Return as those; -ENOENT, -ENOTDIR, -EACCES, -ELOOP, -ENAMETOOLONG, -EISDIR, -EOPNOTSUPP (links have no permissions here).
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_path_truncate(struct ringline_file *dir, const char *path, uint64_t len);
RINGLINE_SUSPENDS int ringline_path_chmod(struct ringline_file *dir, const char *path, uint32_t mode, int flags);
RINGLINE_SUSPENDS int ringline_path_chown(struct ringline_file *dir, const char *path, uint32_t uid, uint32_t gid,
                                          int flags);
RINGLINE_SUSPENDS int ringline_path_set_times(struct ringline_file *dir, const char *path,
                                              const struct ringline_timestamp *accessed,
                                              const struct ringline_timestamp *modified, int flags);
RINGLINE_SUSPENDS ssize_t ringline_path_get_xattr(struct ringline_file *dir, const char *path, const char *name,
                                                  void *value, size_t size, int flags);
RINGLINE_SUSPENDS int ringline_path_set_xattr(struct ringline_file *dir, const char *path, const char *name,
                                              const void *value, size_t size, int xattr_flags, int flags);
RINGLINE_SUSPENDS ssize_t ringline_path_list_xattr(struct ringline_file *dir, const char *path, char *names, size_t size,
                                                   int flags);
RINGLINE_SUSPENDS int ringline_path_remove_xattr(struct ringline_file *dir, const char *path, const char *name, int flags);
int ringline_path_truncate_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path,
                                 uint64_t len) RINGLINE_MUST_CHECK;
int ringline_path_chmod_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path, uint32_t mode,
                              int flags) RINGLINE_MUST_CHECK;
int ringline_path_chown_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path, uint32_t uid,
                              uint32_t gid, int flags) RINGLINE_MUST_CHECK;
int ringline_path_set_times_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path,
                                  const struct ringline_timestamp *accessed,
                                  const struct ringline_timestamp *modified, int flags) RINGLINE_MUST_CHECK;
int ringline_path_get_xattr_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path,
                                  const char *name, void *value, size_t size, int flags) RINGLINE_MUST_CHECK;
int ringline_path_set_xattr_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path,
                                  const char *name, const void *value, size_t size, int xattr_flags,
                                  int flags) RINGLINE_MUST_CHECK;
int ringline_path_list_xattr_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path, char *names,
                                   size_t size, int flags) RINGLINE_MUST_CHECK;
int ringline_path_remove_xattr_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path,
                                     const char *name, int flags) RINGLINE_MUST_CHECK;

/*
 * The whole of a file as a buffer; of a file that is empty, *ret is NULL. One that grows meanwhile is read to its end, up to
 * max bytes.
 *
 * Returns the number of bytes; -EFBIG (more than max), the errors of ringline_file_open() and ringline_file_read(), -ENOBUFS (the
 * worker's memory limit). A FIFO is -ESPIPE: it has no whole.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int64_t ringline_path_read_all(struct ringline_buf **ret, struct ringline_file *dir, const char *path,
                                                 uint64_t max);
int ringline_path_read_all_begin(struct ringline_op **ret, struct ringline_buf **buf, struct ringline_file *dir,
                                 const char *path, uint64_t max) RINGLINE_MUST_CHECK;

/*
 * Replaces a file, or makes it: written to a temporary file beside it, synced, renamed, and the directory synced. Whoever
 * reads it finds the old contents or the new, also after a crash at any moment; a crash may leave a file named
 * ".ringline-", some digits and ".tmp" behind. mode: the permissions, of which the umask takes its share. A symbolic link is replaced, not followed.
 *
 * Returns 0; the errors of ringline_file_open(), _write(), _sync() and ringline_path_rename(): the old contents stand, unless
 * only the last step failed (-EIO of the directory).
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_path_write_atomic(struct ringline_file *dir, const char *path, const void *data, size_t len,
                                                 uint32_t mode);
int ringline_path_write_atomic_begin(struct ringline_op **ret, struct ringline_file *dir, const char *path,
                                     const void *data, size_t len, uint32_t mode) RINGLINE_MUST_CHECK;

RINGLINE_END_DECLS

#endif
