/* SPDX-License-Identifier: MIT */
/* Directories: reading them as a stream, and being told what changes in them (inotify(7)). */
#ifndef RINGLINE_DIR_H
#define RINGLINE_DIR_H

#include <ringline/common.h>
#include <ringline/file.h>

RINGLINE_BEGIN_DECLS

struct ringline_dir;
struct ringline_inotify;

/* An entry. The name lies in the stream and is valid until the next call that reads, seeks or closes. */
struct ringline_dirent {
	size_t size;
	const char *name;
	uint64_t inode;
	uint64_t cookie;                  /* where the next one is: for ringline_dir_seek() */
	uint32_t type;                    /* DT_* of readdir(3); DT_UNKNOWN: the file system does not tell */
	uint32_t length;                  /* of the name */
};

#define RINGLINE_DIRENT_INIT { sizeof(struct ringline_dirent), NULL, 0, 0, 0, 0 }

/*
 * Opens a directory to be read; "." and ".." are left out. One task at a time uses a stream.
 *
 * Returns 0; -ENOTDIR and the other errors of ringline_file_open().
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_dir_open(struct ringline_dir **ret, struct ringline_file *dir, const char *path);
int ringline_dir_open_begin(struct ringline_op **ret, struct ringline_dir **stream, struct ringline_file *dir,
                            const char *path) RINGLINE_MUST_CHECK;

/*
 * Makes a stream of a directory that is open, from where its position is; the file is the stream's from then on. So a
 * directory can be opened as ringline_file_open() opens, without following links for example. Never suspends.
 *
 * Returns 0; -ENOTDIR, -EBADF (closed), -EBUSY (operations are under way on it), -EINVAL, -ENOMEM, -EPERM. What was opened
 * with O_PATH cannot be read: the first read says -EBADF.
 * Since: 0.1
 */
int ringline_dir_from_file(struct ringline_dir **ret, struct ringline_file *file) RINGLINE_MUST_CHECK;

/*
 * The next entry. entry->size must be set. Many come with one system call, so most calls do not wait.
 *
 * Returns 1 and an entry, 0 at the end; -ENOENT (the directory was removed), -EIO, -EBUSY (another task reads), -EINVAL, -EBADF,
 * -ETIME, -ECANCELED, -EPERM, -EDEADLK. _begin as in file.h.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_dir_read(struct ringline_dir *stream, struct ringline_dirent *entry);
int ringline_dir_read_begin(struct ringline_op **ret, struct ringline_dir *stream,
                            struct ringline_dirent *entry) RINGLINE_MUST_CHECK;

/* Goes on at a cookie; 0 is the beginning. 0; -EBUSY, -EINVAL, -EBADF, -EPERM. Since: 0.1 */
int ringline_dir_seek(struct ringline_dir *stream, uint64_t cookie);

/* The directory as a file, for calls that take a `dir`; it stays the stream's. NULL if the stream is not open. Since: 0.1 */
struct ringline_file *ringline_dir_file(struct ringline_dir *stream);

/* Closes a stream. NULL is allowed. Returns as ringline_file_close(); -EBUSY (another task reads). Since: 0.1 */
RINGLINE_SUSPENDS int ringline_dir_close(struct ringline_dir *stream);
int ringline_dir_close_begin(struct ringline_op **ret, struct ringline_dir *stream) RINGLINE_MUST_CHECK;

/* What has changed. The name lies in the instance and is valid until the next call that reads from it. */
struct ringline_inotify_event {
	size_t size;
	int32_t watch;                    /* -1: of none, when events were lost */
	uint32_t mask;                    /* IN_*; IN_Q_OVERFLOW: the kernel's queue was full and events are missing */
	uint32_t cookie;                  /* joins the two halves of a rename */
	uint32_t length;                  /* of the name */
	const char *name;                 /* of the entry, NULL if it is about the watched file itself */
};

#define RINGLINE_INOTIFY_EVENT_INIT { sizeof(struct ringline_inotify_event), 0, 0, 0, 0, NULL }

/*
 * Makes an instance, which has watches and a queue in the kernel (fs.inotify.max_queued_events). Never suspends.
 *
 * Returns 0; -EMFILE (also: the user's limit of instances), -ENFILE, -ENOMEM, -EINVAL, -EPERM.
 * Since: 0.1
 */
int ringline_inotify_new(struct ringline_inotify **ret) RINGLINE_MUST_CHECK;

/*
 * Watches a file or directory, or changes what it is watched for (mask: IN_*). remove ends a watch; IN_IGNORED follows.
 *
 * add returns the watch, 0 or more; remove 0. -ENOENT, -ENOTDIR, -EEXIST (IN_MASK_CREATE), -EACCES, -ENOSPC (the user's limit of
 * watches), -EINVAL (also: no such watch), -EBADF, -ENOMEM, -ETIME, -ECANCELED, -EPERM, -EDEADLK. _begin as in file.h.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_inotify_add(struct ringline_inotify *inotify, struct ringline_file *dir, const char *path,
                                           uint32_t mask);
int ringline_inotify_add_begin(struct ringline_op **ret, struct ringline_inotify *inotify, struct ringline_file *dir,
                               const char *path, uint32_t mask) RINGLINE_MUST_CHECK;
int ringline_inotify_remove(struct ringline_inotify *inotify, int watch);

/*
 * Waits for the next event. event->size must be set. nowait returns -EAGAIN instead of waiting.
 *
 * Returns 0; -EBUSY (another task waits), -EINVAL, -EBADF (closed, before or during the wait), -ENOMEM, -ETIME, -ECANCELED, -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_inotify_read(struct ringline_inotify *inotify, struct ringline_inotify_event *event);
int ringline_inotify_read_begin(struct ringline_op **ret, struct ringline_inotify *inotify,
                                struct ringline_inotify_event *event) RINGLINE_MUST_CHECK;
int ringline_inotify_read_nowait(struct ringline_inotify *inotify, struct ringline_inotify_event *event);

/* The descriptor, for ringline_fd_watch_new() and ringline_select(); it stays the instance's. -EINVAL, -EBADF, -EPERM. Since: 0.1 */
int ringline_inotify_fd(const struct ringline_inotify *inotify);

/* Ends all watches; who waits gets -EBADF. NULL is allowed. Returns 0; -EBADF, -EPERM. Never suspends. Since: 0.1 */
int ringline_inotify_close(struct ringline_inotify *inotify);

RINGLINE_END_DECLS

#endif
