/* SPDX-License-Identifier: MIT */
/*
 * Waiting for descriptors that the host or another library owns: netlink, udev, sd-bus, libpq, inotify, timerfd, pipes.
 *
 * The library only tells when there is something to do; reading and writing are the owner's, without blocking. Events are
 * those of poll(2): POLLIN, POLLOUT, POLLPRI and POLLRDHUP are asked for, POLLERR and POLLHUP come without. They are level
 * events: what is not done yet is reported again.
 *
 * One wait or watch per descriptor and worker. End it, or call ringline_fd_close(), before the descriptor is closed: a wait
 * whose descriptor was closed behind its back goes on until it is cut, and never touches another file that got the number.
 */
#ifndef RINGLINE_FD_H
#define RINGLINE_FD_H

#include <ringline/common.h>

RINGLINE_BEGIN_DECLS

struct ringline_fd_watch;
struct ringline_op;

/*
 * Waits until one of the events has come. The form with _begin is an operation (op.h) with the same result.
 *
 * Returns the events (positive); -EPERM (a regular file, a directory, or another file that cannot be polled; or not a
 * task), -EBADF (not open, or closed by ringline_fd_close() during the wait), -EBUSY (there is a wait or a watch on it),
 * -EINVAL (no event, or an unknown one), -ETIME, -ECANCELED, -ENOMEM, -EMFILE, -ENOSPC (epoll(7)'s limit of watches), -EDEADLK. _begin: 0, or these, and -EAGAIN (the
 * worker's limit of operations is reached).
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_fd_wait(int fd, uint32_t events);
int ringline_fd_wait_begin(struct ringline_op **ret, int fd, uint32_t events) RINGLINE_MUST_CHECK;

/*
 * Watches a descriptor for as long as the watch lives, to be waited for again and again, alone or as a case of
 * ringline_select() (RINGLINE_CASE_FD). What came between two waits is reported by the next one; a round that finds nothing
 * new makes no system call. Never suspends.
 *
 * Returns 0; -EPERM, -EBADF, -EBUSY, -EINVAL, -ENOMEM, -EMFILE, -ENOSPC as above.
 * Since: 0.1
 */
int ringline_fd_watch_new(struct ringline_fd_watch **ret, int fd, uint32_t events) RINGLINE_MUST_CHECK;

/*
 * Waits until one of the events has come.
 *
 * Returns the events; -EBADF (the watch was freed or its descriptor closed, before or during the wait), -ETIME, -ECANCELED,
 * -EINVAL, -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_fd_watch_wait(struct ringline_fd_watch *watch);

/*
 * Changes the events that are watched, from the next wait on. Who waits meanwhile waits for the new ones.
 *
 * Returns 0; -EBADF, -EINVAL, -EPERM.
 * Since: 0.1
 */
int ringline_fd_watch_set(struct ringline_fd_watch *watch, uint32_t events);

/*
 * Ends a watch; who waits for it gets -EBADF. The descriptor stays open. NULL is allowed. Never suspends.
 *
 * Returns 0; -EBADF (freed already), -EPERM.
 * Since: 0.1
 */
int ringline_fd_watch_free(struct ringline_fd_watch *watch);

/*
 * Closes a descriptor: a wait or a watch of this worker on it ends with -EBADF first. The descriptor is closed when the call
 * returns, also if the scope is cut.
 *
 * Returns 0, or the error of close(2) (-EIO, -ENOSPC, -EDQUOT; it is closed nevertheless); -EBADF (not open), -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_fd_close(int fd);

RINGLINE_END_DECLS

#endif
