/* SPDX-License-Identifier: MIT */
/*
 * The system calls of a readiness backend.
 *
 * When does a read say that there is no more? An EAGAIN always does, but costs a call per request. A short read does
 * for TCP, unless the end, an error or urgent data (at whose mark the kernel stops) is at hand: the caller looks at
 * RLN_READY_LAST for that. A unix stream also stops at ancillary data; recvmsg() tells by MSG_CTRUNC. Sockets that keep
 * message boundaries, and all other files, must be asked until EAGAIN.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "backend/attempt.h"
#include "base/fault.h"
#include "base/sigpipe.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static inline void called(struct rln_backend_stats *stats)
{
	rln_stat_add(&stats->syscalls, 1);
}

/*
 * The C library's recv(), recvmsg() and send() are cancellation points, which in a process with threads costs as much as the
 * rest of the wrapper. Nothing is to be cancelled here. (Where a sanitizer looks on it shall see them.)
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(SYS_recvfrom)
#define sys_recv    recv
#define sys_recvmsg recvmsg
#define sys_send    send
#else
static inline ssize_t sys_recv(int fd, void *data, size_t len, int flags)
{
	return syscall(SYS_recvfrom, fd, data, len, flags, NULL, NULL);
}

static inline ssize_t sys_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return syscall(SYS_recvmsg, fd, msg, flags);
}

static inline ssize_t sys_send(int fd, const void *data, size_t len, int flags)
{
	return syscall(SYS_sendto, fd, data, len, flags, NULL, 0);
}
#endif

/* What an armed fault point stands for. */
static int64_t injected(int error)
{
	return error == EAGAIN ? RLN_ATTEMPT_LATER : -error;
}

static int socket_option(struct rln_backend_stats *stats, int fd, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	called(stats);
	return getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0 ? -1 : value;
}

static enum rln_fdkind kind_of_socket(struct rln_backend_stats *stats, int fd)
{
	int protocol = socket_option(stats, fd, SO_PROTOCOL);

	if (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP)
		return RLN_KIND_TCP;
	if (socket_option(stats, fd, SO_DOMAIN) == AF_UNIX && socket_option(stats, fd, SO_TYPE) == SOCK_STREAM)
		return RLN_KIND_UNIX;
	return RLN_KIND_OTHER;
}

void rln_attempt_classify(struct rln_backend_stats *stats, struct rln_fdstate *st)
{
	if (st->kind == RLN_KIND_UNKNOWN)
		st->kind = (uint8_t)kind_of_socket(stats, st->fd);
}

/* Whether the file is ready now: for files that know no other way of not blocking. */
static bool file_ready(struct rln_backend_stats *stats, int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	called(stats);
	return poll(&p, 1, 0) != 0;
}

bool rln_attempt_readable(struct rln_backend_stats *stats, int fd)
{
	return file_ready(stats, fd, POLLIN);
}

static bool nowait_refused(ssize_t n)
{
	return n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL);
}

static ssize_t file_read(struct rln_backend_stats *stats, struct rln_fdstate *st, void *ptr, size_t len)
{
	struct iovec iov = { .iov_base = ptr, .iov_len = len };
	ssize_t n;

	if (!(st->flags & RLN_FD_NO_NOWAIT)) {
		called(stats);
		n = preadv2(st->fd, &iov, 1, -1, RWF_NOWAIT);
		if (!nowait_refused(n))
			return n;
		st->flags |= RLN_FD_NO_NOWAIT;
	}
	if (!file_ready(stats, st->fd, POLLIN)) {
		errno = EAGAIN;
		return -1;
	}
	called(stats);
	return read(st->fd, ptr, len);
}

/* A pipe that polls writable takes PIPE_BUF bytes without blocking. */
static ssize_t file_write_raw(struct rln_backend_stats *stats, struct rln_fdstate *st, const struct iovec *iov,
			      int count)
{
	ssize_t n;

	if (!(st->flags & RLN_FD_NO_NOWAIT)) {
		called(stats);
		n = pwritev2(st->fd, iov, count, -1, RWF_NOWAIT);
		if (!nowait_refused(n))
			return n;
		st->flags |= RLN_FD_NO_NOWAIT;
	}
	while (count > 1 && !iov->iov_len) {
		iov++;
		count--;
	}
	if (!file_ready(stats, st->fd, POLLOUT)) {
		errno = EAGAIN;
		return -1;
	}
	called(stats);
	return write(st->fd, iov->iov_base, rln_min(iov->iov_len, (size_t)PIPE_BUF));
}

static ssize_t file_write(struct rln_backend_stats *stats, struct rln_fdstate *st, const struct iovec *iov, int count)
{
	struct rln_sigpipe guard;
	ssize_t n;

	rln_sigpipe_hold(&guard);
	n = file_write_raw(stats, st, iov, count);
	rln_sigpipe_release(&guard, n < 0 && errno == EPIPE);
	return n;
}

static ssize_t unix_recv(int fd, void *ptr, size_t len, bool *cut)
{
	struct iovec iov = { .iov_base = ptr, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n = sys_recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*cut = msg.msg_flags & MSG_CTRUNC;
	return n;
}

/* *whole*: whether a short count would mean "empty". */
static ssize_t recv_once(struct rln_backend_stats *stats, struct rln_fdstate *st, void *ptr, size_t len, bool *whole)
{
	bool cut = false;
	ssize_t n;

	if (st->kind == RLN_KIND_FILE)
		return file_read(stats, st, ptr, len);
	called(stats);
	if (st->kind == RLN_KIND_UNIX)
		n = unix_recv(st->fd, ptr, len, &cut);
	else
		n = sys_recv(st->fd, ptr, len, MSG_DONTWAIT);
	if (n < 0 && errno == ENOTSOCK) {
		st->kind = RLN_KIND_FILE;
		return file_read(stats, st, ptr, len);
	}
	*whole = st->kind == RLN_KIND_TCP || (st->kind == RLN_KIND_UNIX && !cut);
	return n;
}

int64_t rln_attempt_recv(struct rln_backend_stats *stats, struct rln_fdstate *st, void *ptr, size_t len, bool *drained)
{
	int fault = rln_fault(RLN_FAULT_RECV);
	bool whole = false;
	ssize_t n;

	*drained = false;
	if (fault)
		return injected(fault);
	do {
		n = recv_once(stats, st, ptr, len, &whole);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if ((size_t)n == len)
		return n;

	if (st->kind == RLN_KIND_UNKNOWN) {
		rln_attempt_classify(stats, st);
		whole = st->kind == RLN_KIND_TCP;
	}
	*drained = whole;
	return n;
}

int64_t rln_attempt_recvmsg(struct rln_backend_stats *stats, int fd, struct msghdr *msg)
{
	int fault = rln_fault(RLN_FAULT_RECV);
	ssize_t n;

	if (fault)
		return injected(fault);
	do {
		called(stats);
		n = sys_recvmsg(fd, msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Takes *n* sent bytes off the front. Ancillary data went with the first of them. */
static void advance(struct msghdr *msg, size_t n)
{
	msg->msg_control = NULL;
	msg->msg_controllen = 0;
	while (msg->msg_iovlen && n >= msg->msg_iov->iov_len) {
		n -= msg->msg_iov->iov_len;
		msg->msg_iov++;
		msg->msg_iovlen--;
	}
	if (n) {
		msg->msg_iov->iov_base = (char *)msg->msg_iov->iov_base + n;
		msg->msg_iov->iov_len -= n;
	}
}

static ssize_t send_file(struct rln_backend_stats *stats, struct rln_fdstate *st, const struct rln_op *op)
{
	const struct msghdr *msg = op->ptr;
	struct iovec rest;

	if (op->opcode == RLN_OP_SENDMSG)
		return file_write(stats, st, msg->msg_iov, (int)rln_min(msg->msg_iovlen, (size_t)IOV_MAX));
	rest.iov_base = (char *)op->ptr + op->progress;
	rest.iov_len = op->len - op->progress;
	return file_write(stats, st, &rest, 1);
}

static ssize_t send_once(struct rln_backend_stats *stats, struct rln_fdstate *st, const struct rln_op *op)
{
	const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;

	if (st && st->kind == RLN_KIND_FILE)
		return send_file(stats, st, op);
	called(stats);
	if (op->opcode == RLN_OP_SENDMSG)
		return sendmsg(op->fd, op->ptr, flags);
	return sys_send(op->fd, (const char *)op->ptr + op->progress, op->len - op->progress, flags);
}

int64_t rln_attempt_send(struct rln_backend_stats *stats, struct rln_fdstate *st, struct rln_op *op)
{
	int fault = rln_fault(RLN_FAULT_SEND);
	ssize_t n;

	if (fault)
		return injected(fault);
	do {
		n = send_once(stats, st, op);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	op->progress += (uint64_t)n;
	if (op->opcode == RLN_OP_SENDMSG)
		advance(op->ptr, (size_t)n);
	return n;
}

/* Errors of the connection at the head of the queue, not of the listener. EOPNOTSUPP is none: it comes for ever. */
static bool concerns_one_connection(int error)
{
	switch (error) {
	case ECONNABORTED:
	case EPROTO:
	case ENETDOWN:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case ENETUNREACH:
		return true;
	default:
		return false;
	}
}

int rln_attempt_accept(struct rln_backend_stats *stats, int fd)
{
	int fault = rln_fault(RLN_FAULT_ACCEPT);
	int n;

	if (fault)
		return concerns_one_connection(fault) ? -ECONNABORTED : (int)injected(fault);
	do {
		called(stats);
		n = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	return concerns_one_connection(errno) ? -ECONNABORTED : -errno;
}

static int make_nonblocking(struct rln_backend_stats *stats, int fd)
{
	int flags;

	called(stats);
	flags = fcntl(fd, F_GETFL);
	if (flags < 0)
		return -errno;
	if (flags & O_NONBLOCK)
		return 0;
	called(stats);
	return fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

int rln_attempt_connect(struct rln_backend_stats *stats, const struct rln_op *op)
{
	int r = make_nonblocking(stats, op->fd);

	if (r < 0)
		return r;
	called(stats);
	if (!connect(op->fd, op->ptr, (socklen_t)op->len))
		return 0;
	return errno == EINTR ? -EINPROGRESS : -errno;
}

int rln_attempt_connected(struct rln_backend_stats *stats, int fd)
{
	int error = socket_option(stats, fd, SO_ERROR);

	return error < 0 ? -EBADF : -error;
}
