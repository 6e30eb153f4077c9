/* SPDX-License-Identifier: MIT */
/*
 * Connections: byte streams over TCP and unix sockets.
 *
 * Bytes leave in the order of the calls; shutdown_write and close queue behind data. Bytes arrive in order, before the end
 * of the stream and before an error. One task may receive while another sends; several may send, and their bytes never
 * mix within one call.
 *
 * A handle is a counted reference. ringline_conn_close(), _abort() and _unref() drop one; after a close every call on the
 * connection returns -EBADF, and the memory is not used for another connection before the last reference is gone. The
 * connection a handler was given is held by the library until the handler returns.
 *
 * A call that waits on a connection which someone else closes or aborts returns -ECONNABORTED.
 */
#ifndef RINGLINE_CONN_H
#define RINGLINE_CONN_H

#include <ringline/common.h>

RINGLINE_BEGIN_DECLS

struct iovec;
struct ringline_conn;
struct ringline_op;

/* Room for any address as text, with the terminating zero. */
#define RINGLINE_ADDRESS_SIZE 128

struct ringline_connect_options {
	size_t size;
	uint32_t flags;                   /* zero */
	uint32_t reserved;                /* zero */
	uint64_t timeout;                 /* nanoseconds; 0: the kernel's. -ETIMEDOUT when it passes */
};

#define RINGLINE_CONNECT_OPTIONS_INIT { sizeof(struct ringline_connect_options), 0, 0, 0 }

struct ringline_conn_info {
	size_t size;
	uint64_t id;
	uint64_t bytes_received;          /* taken from the kernel */
	uint64_t bytes_sent;              /* taken by the kernel */
	uint64_t bytes_buffered;          /* received and not yet consumed */
	uint64_t bytes_queued;            /* handed to a send call and not yet taken by the kernel */
};

/*
 * Connects to "tcp:ADDRESS:PORT" (a numeric IPv4 address, or an IPv6 address in brackets), "unix:/PATH" or
 * "unix:@ABSTRACT". options may be NULL. TCP_NODELAY is set.
 *
 * Returns 0 and the connection in *ret, for the caller to close; -EINVAL (address), -ENODEV (IPv6 zone), -ENAMETOOLONG (unix path), -E2BIG
 * (unknown options), -EAGAIN (the worker's connection limit; a unix listener's backlog is full), -ENOMEM, -EMFILE,
 * -ENFILE; what connect(2) says, such as -ECONNREFUSED, -ENOENT, -EACCES, -ENETUNREACH; -ETIMEDOUT; -ETIME, -ECANCELED,
 * -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_connect(struct ringline_conn **ret, const char *address,
                                       const struct ringline_connect_options *options) RINGLINE_MUST_CHECK;

/*
 * Begins to connect, as an operation (op.h) whose result is 0 or an error of ringline_connect(). The connection is stored in
 * *conn by the call that takes the result, which must be valid until then; an operation that nobody takes closes it. Never
 * suspends.
 *
 * Returns 0; the errors above that are known at once; -EAGAIN (the worker's limit of operations is reached too).
 * Since: 0.1
 */
int ringline_connect_begin(struct ringline_op **ret, struct ringline_conn **conn, const char *address,
                           const struct ringline_connect_options *options) RINGLINE_MUST_CHECK;

/*
 * Receives between 1 and len bytes into buf, waiting if there are none; bytes that arrive meanwhile go straight there.
 *
 * Returns the number of bytes; 0 at the end of the stream (or if len is 0); -ECONNRESET and what else the kernel reports,
 * after all data; -ECONNABORTED, -EBADF (closed), -EBUSY (another task is receiving), -ENOMEM, -EINVAL, -ETIME,
 * -ECANCELED, -EPERM, -EDEADLK. Bytes that were moved
 * before a cut are returned, and the next call returns the cut.
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_conn_recv(struct ringline_conn *conn, void *buf, size_t len) RINGLINE_MUST_CHECK;

/*
 * Receives exactly len bytes.
 *
 * Returns len; 0 if the stream ended before the first byte; -ENODATA if it ended after some; otherwise as
 * ringline_conn_recv(), where after an error the byte counter says how far it came.
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_conn_recv_exact(struct ringline_conn *conn, void *buf, size_t len) RINGLINE_MUST_CHECK;

/*
 * Lends the bytes that have been received, waiting if there are none: *data points at the first, in the library's memory,
 * valid until they are consumed or, after a close, the last reference to the connection is gone. Nothing is copied.
 *
 * Returns the number of bytes at *data, which may be less than what is buffered in all; 0 at the end of the stream; errors
 * as ringline_conn_recv().
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_conn_peek(struct ringline_conn *conn, const void **data) RINGLINE_MUST_CHECK;

/*
 * The same for all that is buffered, without a copy: fills up to n elements of iov, in order.
 *
 * Returns how many were filled; 0 at the end of the stream; errors as ringline_conn_recv(), -EINVAL also if n is 0.
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_conn_peekv(struct ringline_conn *conn, struct iovec *iov, size_t n) RINGLINE_MUST_CHECK;

/*
 * Waits until at least n bytes are buffered, and lends them in one piece. They are copied only if they came in several, or
 * more is to come; a message that grows is copied less than twice over. n may be larger than the connection's input limit: so
 * much memory is taken. What a call of the peek family lent before is no longer valid.
 *
 * Returns the number of bytes at *data, n or more; 0 if the stream ended before the first byte; -ENODATA if it ended after
 * fewer than n, which stay buffered; errors as ringline_conn_recv().
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_conn_peek_at_least(struct ringline_conn *conn, size_t n, const void **data)
	RINGLINE_MUST_CHECK;

/*
 * Waits until the n bytes of the delimiter have come, and lends all up to and with them in one piece, at most max bytes.
 * Copies and validity as above.
 *
 * Returns the number of bytes, the delimiter included; 0 if the stream ended before the first byte; -ENODATA if it ended
 * without the delimiter; -EMSGSIZE if it is not among the first max bytes (in both cases they stay buffered); -EINVAL also if
 * n is 0 or more than max; errors as ringline_conn_recv().
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_conn_peek_until(struct ringline_conn *conn, const void *delimiter, size_t n, size_t max,
                                                   const void **data) RINGLINE_MUST_CHECK;

/*
 * Gives back the first n buffered bytes.
 *
 * Returns 0; -EINVAL (more than is buffered; nothing is consumed), -EBADF, -EPERM.
 * Since: 0.1
 */
int ringline_conn_consume(struct ringline_conn *conn, size_t n);

/*
 * Sends all of the bytes and returns when the kernel has taken them; the memory is not used afterwards. Bytes that
 * ringline_conn_peek() lends (of whichever connection of the worker) may also leave later, without the caller: they can be
 * consumed at once, and an error that they meet is returned by the next call that sends.
 *
 * Returns len, or an error: -EPIPE (after shutdown_write, or the peer is gone), -ECONNRESET and what else the kernel
 * reports, -ECONNABORTED, -EBADF (closed), -EINVAL, -ETIME, -ECANCELED, -EPERM, -EDEADLK. After an error a part may have
 * left; ringline_conn_info() says how many bytes did.
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_conn_send(struct ringline_conn *conn, const void *data, size_t len) RINGLINE_MUST_CHECK;

/*
 * As ringline_conn_send(), for the n pieces of iov, one after the other. -EINVAL also if the sum exceeds SSIZE_MAX.
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_conn_sendv(struct ringline_conn *conn, const struct iovec *iov,
                                              size_t n) RINGLINE_MUST_CHECK;

/*
 * Ends the outgoing stream once what was sent before has left: the peer reads the end of the stream. Receiving goes on.
 * Does not wait.
 *
 * Returns 0 (also when called again); -EBADF, -EINVAL, -EPERM.
 * Since: 0.1
 */
int ringline_conn_shutdown_write(struct ringline_conn *conn);

/*
 * Closes the connection after what was sent before has left (within the configured close timeout, then it is aborted),
 * and drops the caller's reference. Does not wait. Bytes that were received and not consumed are dropped.
 *
 * Returns 0; -EBADF (closed already; the reference is dropped nevertheless), -EINVAL, -EPERM.
 * Since: 0.1
 */
int ringline_conn_close(struct ringline_conn *conn);

/*
 * Closes the connection at once, dropping what is queued; a TCP peer sees a reset. Drops the caller's reference.
 *
 * Returns 0; -EBADF (closed already; the reference is dropped nevertheless), -EINVAL, -EPERM.
 * Since: 0.1
 */
int ringline_conn_abort(struct ringline_conn *conn);

/*
 * Keeps the connection open when its handler returns; the caller gets a reference, which it must give to
 * ringline_conn_close(), _abort() or _unref() in the end.
 *
 * Returns 0; -EALREADY (kept before), -EINVAL (NULL, or not a handler's connection), -EBADF, -EPERM.
 * Since: 0.1
 */
int ringline_conn_keep(struct ringline_conn *conn);

/*
 * Drops a reference without closing. The last reference of an open connection closes it as ringline_conn_close() does.
 *
 * Returns 0; -EBADF (no reference is left), -EINVAL, -EPERM.
 * Since: 0.1
 */
int ringline_conn_unref(struct ringline_conn *conn);

/*
 * The connection's id: never 0, never used again by this worker; what to remember instead of a handle. 0 for NULL or a
 * dead handle.
 * Since: 0.1
 */
uint64_t ringline_conn_id(const struct ringline_conn *conn);

/*
 * The open connection of this worker with that id, with a new reference for the caller.
 *
 * Returns 0; -ENOENT (closed, or never was), -EINVAL, -EPERM.
 * Since: 0.1
 */
int ringline_conn_find(struct ringline_conn **ret, uint64_t id) RINGLINE_MUST_CHECK;

/*
 * The peer's or the local address as text in the form ringline_connect() takes; an unnamed unix socket is "unix:". The
 * text is cut to size - 1 bytes.
 *
 * Returns the length of the whole text; -EBADF, -EINVAL, -ENOTCONN, -EPERM.
 * Since: 0.1
 */
ssize_t ringline_conn_peer(const struct ringline_conn *conn, char *text, size_t size);
ssize_t ringline_conn_local(const struct ringline_conn *conn, char *text, size_t size);

/*
 * Fills *info, whose size must be set. Works until the last reference is dropped, also after a close.
 *
 * Returns 0; -EBADF, -EINVAL, -EPERM.
 * Since: 0.1
 */
int ringline_conn_info(const struct ringline_conn *conn, struct ringline_conn_info *info);

RINGLINE_END_DECLS

#endif
