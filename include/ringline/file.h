/* SPDX-License-Identifier: MIT */
/*
 * Files: reading and writing, everything that is done to an open file.
 *
 * What is done to names (rename, stat, unlink) is in path.h, reading directories and watching them in dir.h.
 *
 * Every call that suspends has a form with _begin, an operation (op.h) with the same result; what its arguments point at
 * must stay as it is until the operation is over, and one task can have as many under way as it likes. What carries an
 * operation out, io_uring or a thread, is the library's choice, and differs in nothing but speed; ringline-files(7) says
 * which it is, ringline_worker_op_count() counts it.
 *
 * A cut (deadline, cancellation) takes back what has not begun. What has begun is waited for, since the kernel may be
 * using the caller's memory, and its result returned, so nothing that was moved is lost.
 *
 * A call whose file is closed by another task meanwhile returns -EBADF. One that needs a thread when there is none, and none can
 * be started, returns -EAGAIN; a close does not need one.
 *
 * A file belongs to its worker; any of its tasks may use it, also at once. `dir` arguments are directories opened like any
 * file, and NULL stands for the working directory of the process, which threads must not change for themselves
 * (unshare(2)); names that begin with a slash need none. Calls run with the credentials that the calling thread, or the
 * threads of the process, have at the time.
 */
#ifndef RINGLINE_FILE_H
#define RINGLINE_FILE_H

#include <sys/uio.h>

#include <ringline/common.h>

RINGLINE_BEGIN_DECLS

struct ringline_conn;
struct ringline_file;
struct ringline_op;
struct ringline_region;

/* An offset: the file's own position, which moves along. Calls under way at once move it in any order. */
#define RINGLINE_FILE_POSITION UINT64_MAX

/* resolve of struct ringline_file_open_options: openat2(2)'s RESOLVE_* */
#define RINGLINE_RESOLVE_NO_XDEV       UINT64_C(0x01)
#define RINGLINE_RESOLVE_NO_MAGICLINKS UINT64_C(0x02)
#define RINGLINE_RESOLVE_NO_SYMLINKS   UINT64_C(0x04)
#define RINGLINE_RESOLVE_BENEATH       UINT64_C(0x08)
#define RINGLINE_RESOLVE_IN_ROOT       UINT64_C(0x10)
#define RINGLINE_RESOLVE_CACHED        UINT64_C(0x20)

struct ringline_file_open_options {
	size_t size;
	uint64_t resolve;                 /* RINGLINE_RESOLVE_* */
	uint64_t reserved;                /* zero */
};

#define RINGLINE_FILE_OPEN_OPTIONS_INIT { sizeof(struct ringline_file_open_options), 0, 0 }

/*
 * Opens a file: flags are open(2)'s O_*, mode the permissions of a file that is made. It is closed on exec always. An open
 * that waits (a FIFO without a peer, a device, a server that does not answer) waits on a thread, of its own class once that is
 * known, and a cut is told at once: the thread closes what it gets, if it ever gets it. One that may make or empty a file
 * (O_CREAT, O_TRUNC, O_TMPFILE) is waited for until that is known; but below a directory, dir, of such a server it may yet do
 * so after a cut. options may be NULL.
 *
 * Returns 0; -EINVAL, -E2BIG, the errors of openat2(2) (-ENOENT, -EACCES, -EEXIST, -ELOOP, -EXDEV, -EMFILE, -EAGAIN, ...),
 * -EBADF (dir is closed), -ENOMEM, -ETIME, -ECANCELED, -EPERM, -EDEADLK. _begin: 0, or -EINVAL, -E2BIG, -EBADF, -EAGAIN
 * (the worker's limit of operations, or of jobs in the queue), -ENOMEM, -ETIME, -ECANCELED, -EPERM.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_file_open(struct ringline_file **ret, struct ringline_file *dir, const char *path, int flags,
                                         uint32_t mode, const struct ringline_file_open_options *options);
int ringline_file_open_begin(struct ringline_op **ret, struct ringline_file **file, struct ringline_file *dir,
                             const char *path, int flags, uint32_t mode,
                             const struct ringline_file_open_options *options) RINGLINE_MUST_CHECK;

/*
 * Makes a file of a descriptor, which is the file's from then on. On failure, and when the operation was cancelled, it stays
 * the caller's.
 *
 * Returns 0; -EBADF, -EINVAL, -ENOMEM, -ETIME, -ECANCELED, -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_file_from_fd(struct ringline_file **ret, int fd);
int ringline_file_from_fd_begin(struct ringline_op **ret, struct ringline_file **file, int fd) RINGLINE_MUST_CHECK;

/* The descriptor, which stays the file's; -EINVAL, -EBADF, -EPERM. Since: 0.1 */
int ringline_file_fd(const struct ringline_file *file);

/*
 * Gives the descriptor up: the file is gone, the descriptor the caller's, for ringline_conn_from_fd() for example.
 *
 * Returns it; -EBUSY (operations are under way), -EINVAL, -EBADF, -EPERM.
 * Since: 0.1
 */
int ringline_file_release(struct ringline_file *file);

/*
 * Closes a file. Operations under way are cancelled and waited for first; new ones are refused (-EBADF). A cut ends the wait,
 * not the close, which goes on by itself. NULL is allowed. A file that nobody has closed is closed when its worker ends.
 *
 * Returns 0; an error of close(2) (-EIO, -ENOSPC, -EDQUOT; it is closed nevertheless), -EBADF (closed already), -ETIME,
 * -ECANCELED (it is being closed), -EPERM, -EDEADLK. _begin: 0, or -EBADF, -EAGAIN, -ENOMEM, -EPERM, and the file is open.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_file_close(struct ringline_file *file);
int ringline_file_close_begin(struct ringline_op **ret, struct ringline_file *file) RINGLINE_MUST_CHECK;

/* flags of struct ringline_file_info */
#define RINGLINE_FILE_REMOTE (UINT32_C(1) << 0)    /* its file system asks somebody else: FUSE, NFS, SMB, 9p, Ceph, AFS */
#define RINGLINE_FILE_STREAM (UINT32_C(1) << 1)    /* a FIFO, a terminal, a socket: offsets mean nothing */
#define RINGLINE_FILE_DIRECT (UINT32_C(1) << 2)    /* opened with O_DIRECT */
#define RINGLINE_FILE_NVME   (UINT32_C(1) << 3)    /* a device that takes commands (nvme.h) */

struct ringline_file_info {
	size_t size;
	int32_t fd;
	uint32_t type;                    /* stat(2)'s S_IFMT part of st_mode */
	uint32_t flags;                   /* RINGLINE_FILE_* */
	uint32_t operations;              /* under way */
	uint32_t memory_alignment;        /* O_DIRECT: bytes; 0: not known, the kernel checks */
	uint32_t offset_alignment;        /* of offsets and lengths; 0: the same */
};

#define RINGLINE_FILE_INFO_INIT { sizeof(struct ringline_file_info), 0, 0, 0, 0, 0, 0 }

/* Fills *info, whose size must be set. 0; -EINVAL, -EBADF, -EPERM. Since: 0.1 */
int ringline_file_info(const struct ringline_file *file, struct ringline_file_info *info);

/*
 * Reads and writes at an offset, or at RINGLINE_FILE_POSITION. Counts are the kernel's: a read is short where the file ends,
 * and 0 is the end. With O_DIRECT memory, offset and length must be aligned (ringline_buf_alloc()); if the file system tells
 * how, misaligned requests never reach it. A stream has one reader and one writer at a time.
 *
 * Return the number of bytes; -EINVAL (a bad range, or misaligned), -EBADF (closed, or not opened for it), -EBUSY (a stream
 * somebody else reads, or writes), -EFAULT, -EISDIR, -EIO, -ENOSPC, -EDQUOT, -EFBIG, -EPIPE, -ENOMEM, other errors of
 * read(2) and write(2), -ETIME, -ECANCELED, -EPERM, -EDEADLK. _begin: 0, or -EINVAL, -EBADF, -EBUSY, -EAGAIN (a limit, as above),
 * -ENOMEM, -ETIME, -ECANCELED, -EPERM.
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_file_read(struct ringline_file *file, void *data, size_t len, uint64_t offset);
RINGLINE_SUSPENDS ssize_t ringline_file_write(struct ringline_file *file, const void *data, size_t len, uint64_t offset);
RINGLINE_SUSPENDS ssize_t ringline_file_readv(struct ringline_file *file, const struct iovec *iov, int n, uint64_t offset);
RINGLINE_SUSPENDS ssize_t ringline_file_writev(struct ringline_file *file, const struct iovec *iov, int n, uint64_t offset);
int ringline_file_read_begin(struct ringline_op **ret, struct ringline_file *file, void *data, size_t len,
                             uint64_t offset) RINGLINE_MUST_CHECK;
int ringline_file_write_begin(struct ringline_op **ret, struct ringline_file *file, const void *data, size_t len,
                              uint64_t offset) RINGLINE_MUST_CHECK;
int ringline_file_readv_begin(struct ringline_op **ret, struct ringline_file *file, const struct iovec *iov, int n,
                              uint64_t offset) RINGLINE_MUST_CHECK;
int ringline_file_writev_begin(struct ringline_op **ret, struct ringline_file *file, const struct iovec *iov, int n,
                               uint64_t offset) RINGLINE_MUST_CHECK;

/*
 * Reads as ringline_file_read() does what is in the cache, and does not suspend: for a server that answers at once what it can,
 * and starts a task for the rest, which the kernel has begun to read by then. A stackless task or a handler may call it. A
 * scope's cut does not matter to it.
 *
 * Returns the number of bytes, which may be fewer than those wanted where the file goes on; 0 at its end; -EAGAIN (nothing of it
 * can be had without waiting: it is not in the cache, or the file is not a regular one, or opened with O_DIRECT, or on a remote
 * file system or one that does not tell; or RINGLINE_DISABLE has "inline"), -EINVAL, -EBADF, -EFAULT, -EIO, other errors of
 * read(2), -EPERM.
 * Since: 0.1
 */
ssize_t ringline_file_try_read(struct ringline_file *file, void *data, size_t len, uint64_t offset) RINGLINE_MUST_CHECK;

/*
 * Read and write all of the bytes: go on after short counts.
 *
 * Return len; -ENODATA (the file ends before), and the errors above. After an error part of the bytes may have been moved.
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_file_read_all(struct ringline_file *file, void *data, size_t len, uint64_t offset);
RINGLINE_SUSPENDS ssize_t ringline_file_write_all(struct ringline_file *file, const void *data, size_t len, uint64_t offset);
int ringline_file_read_all_begin(struct ringline_op **ret, struct ringline_file *file, void *data, size_t len,
                                 uint64_t offset) RINGLINE_MUST_CHECK;
int ringline_file_write_all_begin(struct ringline_op **ret, struct ringline_file *file, const void *data, size_t len,
                                  uint64_t offset) RINGLINE_MUST_CHECK;

/* Writes behind the end, wherever that is when it happens. As ringline_file_write(). Since: 0.1 */
RINGLINE_SUSPENDS ssize_t ringline_file_append(struct ringline_file *file, const void *data, size_t len);
int ringline_file_append_begin(struct ringline_op **ret, struct ringline_file *file, const void *data,
                               size_t len) RINGLINE_MUST_CHECK;

/*
 * Waits until what was written is on the disk: sync with all attributes, datasync with those that reading it back takes.
 * sync_range (flags: sync_file_range(2)'s) is for scheduling write-back; it makes nothing safe.
 *
 * Return 0; -EIO, -ENOSPC, -EDQUOT, -EROFS, -EINVAL (cannot be synced), -EBADF, -ETIME, -ECANCELED, -EPERM, -EDEADLK. _begin as above.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_file_sync(struct ringline_file *file);
RINGLINE_SUSPENDS int ringline_file_datasync(struct ringline_file *file);
RINGLINE_SUSPENDS int ringline_file_sync_range(struct ringline_file *file, uint64_t offset, uint64_t len, uint32_t flags);
int ringline_file_sync_begin(struct ringline_op **ret, struct ringline_file *file) RINGLINE_MUST_CHECK;
int ringline_file_datasync_begin(struct ringline_op **ret, struct ringline_file *file) RINGLINE_MUST_CHECK;
int ringline_file_sync_range_begin(struct ringline_op **ret, struct ringline_file *file, uint64_t offset, uint64_t len,
                                   uint32_t flags) RINGLINE_MUST_CHECK;

/*
 * Sets the length; makes or takes away space (mode: fallocate(2)'s); tells how it is going to be used (advice:
 * posix_fadvise(2)'s).
 *
 * Return 0; -EINVAL, -EFBIG, -ENOSPC, -EDQUOT, -EIO, -EOPNOTSUPP (the file system cannot), -EROFS, -ETXTBSY, -ESPIPE, -EBADF,
 * -EPERM (also: sealed, append-only), -ETIME, -ECANCELED, -EDEADLK. _begin as above.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_file_truncate(struct ringline_file *file, uint64_t len);
RINGLINE_SUSPENDS int ringline_file_allocate(struct ringline_file *file, int mode, uint64_t offset, uint64_t len);
RINGLINE_SUSPENDS int ringline_file_advise(struct ringline_file *file, uint64_t offset, uint64_t len, int advice);
int ringline_file_truncate_begin(struct ringline_op **ret, struct ringline_file *file, uint64_t len) RINGLINE_MUST_CHECK;
int ringline_file_allocate_begin(struct ringline_op **ret, struct ringline_file *file, int mode, uint64_t offset,
                                 uint64_t len) RINGLINE_MUST_CHECK;
int ringline_file_advise_begin(struct ringline_op **ret, struct ringline_file *file, uint64_t offset, uint64_t len,
                               int advice) RINGLINE_MUST_CHECK;

/* A point in time of a file, as stat(2) has it. */
struct ringline_timestamp {
	int64_t sec;                      /* since 1970, may be negative */
	uint32_t nsec;
	uint32_t reserved;
};

/* What statx(2) tells. `mask` says which of it is there. */
struct ringline_stat {
	size_t size;
	uint32_t mask;                    /* STATX_* */
	uint32_t mode;                    /* type and permissions */
	uint32_t links;
	uint32_t uid;
	uint32_t gid;
	uint32_t block_size;              /* for efficient I/O */
	uint64_t inode;
	uint64_t length;                  /* bytes */
	uint64_t blocks;                  /* of 512 bytes */
	uint64_t attributes;              /* STATX_ATTR_* */
	uint64_t attributes_mask;         /* those of them the file system knows */
	struct ringline_timestamp accessed;
	struct ringline_timestamp changed;
	struct ringline_timestamp modified;
	struct ringline_timestamp created;
	uint32_t device_major;
	uint32_t device_minor;
	uint32_t special_major;           /* of a device */
	uint32_t special_minor;
	uint64_t mount;
	uint32_t direct_memory_alignment; /* for O_DIRECT; 0: not told, or not possible */
	uint32_t direct_offset_alignment;
};

#define RINGLINE_STAT_INIT { sizeof(struct ringline_stat), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
	{ 0, 0, 0 }, { 0, 0, 0 }, { 0, 0, 0 }, { 0, 0, 0 }, 0, 0, 0, 0, 0, 0, 0 }

/*
 * Tells about an open file. mask: what is wanted (statx(2)'s STATX_*; 0: STATX_BASIC_STATS). stat->size must be set.
 *
 * Returns 0; -EINVAL, -EIO, -EBADF, -ENOMEM, -ETIME, -ECANCELED, -EPERM, -EDEADLK. _begin as above.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_file_stat(struct ringline_file *file, uint32_t mask, struct ringline_stat *stat);
int ringline_file_stat_begin(struct ringline_op **ret, struct ringline_file *file, uint32_t mask,
                             struct ringline_stat *stat) RINGLINE_MUST_CHECK;

/* An owner or a group that stays as it is. */
#define RINGLINE_KEEP_ID UINT32_MAX

/* nsec of a time to be set: now, or as it is (utimensat(2)'s values). */
#define RINGLINE_TIME_NOW  UINT32_C(0x3fffffff)
#define RINGLINE_TIME_KEEP UINT32_C(0x3ffffffe)

/*
 * Set permissions, owner and group, times (NULL: now).
 *
 * Return 0; -EPERM, -EROFS, -EIO, -EINVAL, -EDQUOT, -EBADF, -ETIME, -ECANCELED, -EDEADLK. _begin as above.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_file_chmod(struct ringline_file *file, uint32_t mode);
RINGLINE_SUSPENDS int ringline_file_chown(struct ringline_file *file, uint32_t uid, uint32_t gid);
RINGLINE_SUSPENDS int ringline_file_set_times(struct ringline_file *file, const struct ringline_timestamp *accessed,
                                              const struct ringline_timestamp *modified);
int ringline_file_chmod_begin(struct ringline_op **ret, struct ringline_file *file, uint32_t mode) RINGLINE_MUST_CHECK;
int ringline_file_chown_begin(struct ringline_op **ret, struct ringline_file *file, uint32_t uid,
                              uint32_t gid) RINGLINE_MUST_CHECK;
int ringline_file_set_times_begin(struct ringline_op **ret, struct ringline_file *file,
                                  const struct ringline_timestamp *accessed,
                                  const struct ringline_timestamp *modified) RINGLINE_MUST_CHECK;

/*
 * Extended attributes: the value of one (with size 0: how long it is), setting one (flags: XATTR_CREATE, XATTR_REPLACE),
 * all names one after the other, each ended by a zero byte; removing one.
 *
 * Return 0 or the number of bytes; -ENODATA (no such attribute), -ERANGE (does not fit), -EEXIST, -EOPNOTSUPP, -ENOSPC,
 * -EDQUOT, -E2BIG, -EPERM, -EACCES, -EROFS, -EIO, -EINVAL, -EBADF, -ETIME, -ECANCELED, -EDEADLK. _begin as above.
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_file_get_xattr(struct ringline_file *file, const char *name, void *value, size_t size);
RINGLINE_SUSPENDS int ringline_file_set_xattr(struct ringline_file *file, const char *name, const void *value, size_t size,
                                              int flags);
RINGLINE_SUSPENDS ssize_t ringline_file_list_xattr(struct ringline_file *file, char *names, size_t size);
RINGLINE_SUSPENDS int ringline_file_remove_xattr(struct ringline_file *file, const char *name);
int ringline_file_get_xattr_begin(struct ringline_op **ret, struct ringline_file *file, const char *name, void *value,
                                  size_t size) RINGLINE_MUST_CHECK;
int ringline_file_set_xattr_begin(struct ringline_op **ret, struct ringline_file *file, const char *name,
                                  const void *value, size_t size, int flags) RINGLINE_MUST_CHECK;
int ringline_file_list_xattr_begin(struct ringline_op **ret, struct ringline_file *file, char *names,
                                   size_t size) RINGLINE_MUST_CHECK;
int ringline_file_remove_xattr_begin(struct ringline_op **ret, struct ringline_file *file,
                                     const char *name) RINGLINE_MUST_CHECK;

/*
 * Copies a range from file to file, in the kernel where it can (copy_file_range(2)), sharing blocks where the file system
 * does that. Neither position moves. A cut ends it between two pieces. reflink shares the blocks or fails; both offsets
 * must be multiples of the file system's block size, and len 0 means to the end.
 *
 * copy_range returns the number of bytes, fewer than len only at the end of the file or after a cut or an error that came
 * when some had been copied; reflink 0. -EINVAL, -EXDEV, -EOPNOTSUPP (reflink: not here), -ENOSPC, -EDQUOT, -EFBIG, -EIO,
 * -EISDIR, -ETXTBSY, -EBADF, -ENOMEM, -ETIME, -ECANCELED, -EPERM, -EDEADLK. _begin as above.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int64_t ringline_file_copy_range(struct ringline_file *from, uint64_t from_offset,
                                                   struct ringline_file *to, uint64_t to_offset, uint64_t len);
RINGLINE_SUSPENDS int ringline_file_reflink(struct ringline_file *from, uint64_t from_offset, struct ringline_file *to,
                                            uint64_t to_offset, uint64_t len);
int ringline_file_copy_range_begin(struct ringline_op **ret, struct ringline_file *from, uint64_t from_offset,
                                   struct ringline_file *to, uint64_t to_offset, uint64_t len) RINGLINE_MUST_CHECK;
int ringline_file_reflink_begin(struct ringline_op **ret, struct ringline_file *from, uint64_t from_offset,
                                struct ringline_file *to, uint64_t to_offset, uint64_t len) RINGLINE_MUST_CHECK;

/*
 * Between files and connections. send sends len bytes of the file (as ringline_conn_sendfile(), with the file kept open);
 * receive writes what a connection brings to the file, len bytes or, with RINGLINE_RECEIVE_ALL, all until its end. Bytes
 * that were received and could not be written stay the connection's.
 *
 * send returns len, or -errno as ringline_conn_sendfile(); receive the number of bytes written, fewer than len at the end of
 * the stream, or when an error or a cut came after some had been written (the next call tells it), and 0 at the end; the
 * errors of ringline_conn_recv() and ringline_file_write().
 * _begin: 0, or -EINVAL, -EBADF, -EAGAIN, -ENOMEM, -ETIME, -ECANCELED, -EPERM.
 * Since: 0.1
 */
#define RINGLINE_RECEIVE_ALL UINT64_MAX

RINGLINE_SUSPENDS int64_t ringline_file_send(struct ringline_file *file, uint64_t offset, uint64_t len,
                                             struct ringline_conn *conn) RINGLINE_MUST_CHECK;
RINGLINE_SUSPENDS int64_t ringline_file_receive(struct ringline_file *file, uint64_t offset, uint64_t len,
                                                struct ringline_conn *conn) RINGLINE_MUST_CHECK;
int ringline_file_send_begin(struct ringline_op **ret, struct ringline_file *file, uint64_t offset, uint64_t len,
                             struct ringline_conn *conn) RINGLINE_MUST_CHECK;
int ringline_file_receive_begin(struct ringline_op **ret, struct ringline_file *file, uint64_t offset, uint64_t len,
                                struct ringline_conn *conn) RINGLINE_MUST_CHECK;

/* type of a lock */
#define RINGLINE_LOCK_SHARED    0u
#define RINGLINE_LOCK_EXCLUSIVE 1u

/*
 * Locks a range against other open files (fcntl(2)'s OFD locks: they belong to the open file, not to the process or the
 * thread, and go when it is closed). len 0 means to the end, wherever that is. lock waits, on a thread of its own (256
 * of a worker at most) that a cut, or the close of the file, takes out of the wait at once; try_lock does not wait, and a cut
 * does not reach unlock.
 *
 * Return 0; -EAGAIN (try_lock: somebody has it; lock: no thread to wait on), -EDEADLK (a stackless task), -EINVAL,
 * -EBADF (closed, or not opened for it), -ENOLCK, -ENOMEM, -ETIME, -ECANCELED, -EPERM. _begin as above.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_file_lock(struct ringline_file *file, uint32_t type, uint64_t offset, uint64_t len);
RINGLINE_SUSPENDS int ringline_file_try_lock(struct ringline_file *file, uint32_t type, uint64_t offset, uint64_t len);
RINGLINE_SUSPENDS int ringline_file_unlock(struct ringline_file *file, uint64_t offset, uint64_t len);
int ringline_file_lock_begin(struct ringline_op **ret, struct ringline_file *file, uint32_t type, uint64_t offset,
                             uint64_t len) RINGLINE_MUST_CHECK;
int ringline_file_try_lock_begin(struct ringline_op **ret, struct ringline_file *file, uint32_t type, uint64_t offset,
                                 uint64_t len) RINGLINE_MUST_CHECK;
int ringline_file_unlock_begin(struct ringline_op **ret, struct ringline_file *file, uint64_t offset,
                               uint64_t len) RINGLINE_MUST_CHECK;

/*
 * Gives a file that was opened with O_TMPFILE a name.
 *
 * Returns 0; -EEXIST, -ENOENT (it has been removed, or no such directory), -EXDEV, -EACCES, -EPERM, -ENOSPC, -EDQUOT, -EROFS,
 * -EBADF, -EINVAL, -ETIME, -ECANCELED, -EDEADLK. _begin as above.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_file_link(struct ringline_file *file, struct ringline_file *dir, const char *path);
int ringline_file_link_begin(struct ringline_op **ret, struct ringline_file *file, struct ringline_file *dir,
                             const char *path) RINGLINE_MUST_CHECK;

/*
 * Regions: memory of the host's that is read into and written from often. io_uring keeps it mapped (registered buffers,
 * which count against RLIMIT_MEMLOCK); where that is refused, and on epoll, a region is only memory with bounds that are
 * checked. The memory must stay until the region is freed, and belongs to the worker's tasks meanwhile.
 *
 * new returns 0; -EINVAL (nothing, or it wraps around), -EFAULT, -ENOMEM, -EPERM. free waits for the operations that use the
 * region: 0; -EBADF, -ETIME, -ECANCELED (it goes when they have ended; the memory must stay until then), -EPERM, -EDEADLK.
 * Since: 0.1
 */
int ringline_region_new(struct ringline_region **ret, void *memory, size_t len) RINGLINE_MUST_CHECK;
RINGLINE_SUSPENDS int ringline_region_free(struct ringline_region *region);
int ringline_region_free_begin(struct ringline_op **ret, struct ringline_region *region) RINGLINE_MUST_CHECK;

/* 1 if the kernel keeps it mapped, 0 if not; -EINVAL, -EBADF, -EPERM. Since: 0.1 */
int ringline_region_registered(const struct ringline_region *region);

/*
 * Read into and write from a region, at `at` bytes from its beginning. As ringline_file_read() and _write(); -ERANGE (beyond
 * the region).
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_file_read_region(struct ringline_file *file, struct ringline_region *region, size_t at,
                                                    size_t len, uint64_t offset);
RINGLINE_SUSPENDS ssize_t ringline_file_write_region(struct ringline_file *file, struct ringline_region *region, size_t at,
                                                     size_t len, uint64_t offset);
int ringline_file_read_region_begin(struct ringline_op **ret, struct ringline_file *file, struct ringline_region *region,
                                    size_t at, size_t len, uint64_t offset) RINGLINE_MUST_CHECK;
int ringline_file_write_region_begin(struct ringline_op **ret, struct ringline_file *file, struct ringline_region *region,
                                     size_t at, size_t len, uint64_t offset) RINGLINE_MUST_CHECK;

RINGLINE_END_DECLS

#endif
