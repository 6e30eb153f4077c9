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
struct ringline_buf;
struct ringline_conn;
struct ringline_op;

/* Room for any address as text, with the terminating zero. */
#define RINGLINE_ADDRESS_SIZE 128

struct ringline_connect_options {
	size_t size;
	uint32_t flags;                   /* RINGLINE_CONNECT_* */
	uint32_t reserved;                /* zero */
	uint64_t timeout;                 /* nanoseconds, of all that is done; 0: the kernel's. -ETIMEDOUT when it passes */
	uint64_t attempt_delay;           /* nanoseconds until the next address is tried too; 0: 250 milliseconds */
	const char *source;               /* the local address, in the form of the other; NULL: any. TCP port 0: any port */
};

#define RINGLINE_CONNECT_OPTIONS_INIT { sizeof(struct ringline_connect_options), 0, 0, 0, 0, NULL }

/* TCP: send what is sent first with the request to connect, where both ends know how (TCP_FASTOPEN_CONNECT). */
#define RINGLINE_CONNECT_FASTOPEN (UINT32_C(1) << 0)

struct ringline_conn_info {
	size_t size;
	uint64_t id;
	uint64_t bytes_received;          /* taken from the kernel */
	uint64_t bytes_sent;              /* taken by the kernel */
	uint64_t bytes_buffered;          /* received and not yet consumed */
	uint64_t bytes_queued;            /* handed to a send call and not yet taken by the kernel */
};

/* Who made the other end of a unix socket's connection, as it was then. */
struct ringline_peer_cred {
	size_t size;
	int64_t pid;
	uint32_t uid;
	uint32_t gid;
};

/* What the kernel knows of a TCP connection (tcp(7), TCP_INFO). */
struct ringline_tcp_info {
	size_t size;
	uint32_t state;                   /* TCP_ESTABLISHED and the others of <netinet/tcp.h> */
	uint32_t retransmits;             /* segments sent again, in all */
	uint32_t send_mss;                /* bytes */
	uint32_t send_window;             /* congestion window, segments */
	uint32_t unacknowledged;          /* segments */
	uint32_t lost;                    /* segments */
	uint64_t rtt;                     /* nanoseconds, smoothed */
	uint64_t rtt_variance;            /* nanoseconds */
	uint64_t delivery_rate;           /* bytes per second, of late */
	uint64_t bytes_acknowledged;
};

/* Options of a connection. Times are nanoseconds; the kernel's own are rounded up to its units. */
#define RINGLINE_CONN_NODELAY            1u   /* TCP: send small segments at once; set on all connections the library makes */
#define RINGLINE_CONN_KEEPALIVE          2u   /* TCP: ask a silent peer whether it is there */
#define RINGLINE_CONN_KEEPALIVE_IDLE     3u   /* after this time */
#define RINGLINE_CONN_KEEPALIVE_INTERVAL 4u   /* and again after this */
#define RINGLINE_CONN_KEEPALIVE_COUNT    5u   /* as often */
#define RINGLINE_CONN_SEND_BUFFER        6u   /* bytes; the kernel doubles them */
#define RINGLINE_CONN_RECEIVE_BUFFER     7u
#define RINGLINE_CONN_TOS                8u   /* type of service, or IPv6 traffic class */
#define RINGLINE_CONN_MARK               9u   /* SO_MARK; takes CAP_NET_ADMIN */
#define RINGLINE_CONN_USER_TIMEOUT       10u  /* TCP: how long sent data may stay unacknowledged */
#define RINGLINE_CONN_RESET_ON_CLOSE     11u  /* the close resets, once what was sent before has been taken by the kernel */
#define RINGLINE_CONN_UNSENT_LIMIT       12u  /* TCP: bytes the kernel takes beyond those it can send; 0: the system's */
#define RINGLINE_CONN_RECEIVE_TOGETHER   13u  /* TCP: bytes that must have come before a call that waits is told of any; 1: any */
#define RINGLINE_CONN_READ_TIMEOUT       16u  /* how long a call that receives may wait: -ETIMEDOUT; 0: for ever */
#define RINGLINE_CONN_WRITE_TIMEOUT      17u  /* the same for a call that sends */
#define RINGLINE_CONN_IDLE_TIMEOUT       18u  /* aborts the connection when no byte moved for so long; calls return -ETIMEDOUT */
#define RINGLINE_CONN_CLOSE_TIMEOUT      19u  /* how long a graceful close may take; 0: the configured one */
#define RINGLINE_CONN_INPUT_LIMIT        20u  /* bytes received and not consumed; 0: the configured one */
#define RINGLINE_CONN_OUTPUT_LIMIT       21u  /* bytes queued; 0: the configured one */
#define RINGLINE_CONN_RECEIVE_FDS        22u  /* unix: descriptors that may wait to be taken; to be set once, before receiving */

/* Until the end of the stream. */
#define RINGLINE_FORWARD_ALL UINT64_MAX

/*
 * Connects to "tcp:ADDRESS:PORT" (a numeric IPv4 address, or an IPv6 address in brackets), "unix:/PATH" or
 * "unix:@ABSTRACT". options may be NULL. TCP_NODELAY is set.
 *
 * Returns 0 and the connection in *ret, for the caller to close; -EINVAL (an address, or two families), -ENODEV (IPv6 zone),
 * -ENAMETOOLONG (unix path), -E2BIG (unknown options), -EADDRINUSE, -EADDRNOTAVAIL (the source), -EAGAIN (the worker's connection limit; a unix listener's backlog is full), -ENOMEM, -EMFILE,
 * -ENFILE; what connect(2) says, such as -ECONNREFUSED, -ENOENT, -EACCES, -ENETUNREACH; -ETIMEDOUT; -ETIME, -ECANCELED,
 * -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_connect(struct ringline_conn **ret, const char *address,
                                       const struct ringline_connect_options *options) RINGLINE_MUST_CHECK;

/*
 * Connects to a host and a service, by name or number, over TCP. The name is looked up as ringline_resolve() does; its
 * addresses are tried as RFC 8305 asks: the families take turns, beginning with that of the first address; the
 * next one is tried when one fails or takes longer than the attempt delay; the first connection wins, and the others are
 * given up.
 *
 * Returns 0 and the connection in *ret, for the caller to close; -ENOENT (no such name, or it has no address), -EREMOTEIO
 * (the name servers failed), -EINVAL (also an unknown service), -EAFNOSUPPORT (no address of the family of the source); if no
 * address could be connected to, the error of the first of ringline_connect(); -EAGAIN (no thread of the pool to be had) and
 * what else it returns.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_connect_host(struct ringline_conn **ret, const char *host, const char *service,
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
 * From now on the connection's handler, which must be a polled one (ringline_runtime_listen()), is poll(conn, arg): how the
 * first call, which knows the listener's arg, hands over to the next, which has what it made for this connection. Never
 * suspends.
 *
 * Returns 0; -EINVAL (no such handler, or it has returned; poll is NULL), -EBADF (closed), -EPERM.
 * Since: 0.1
 */
int ringline_conn_set_poll(struct ringline_conn *conn, int (*poll)(struct ringline_conn *conn, void *arg), void *arg);

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
 * As ringline_conn_recv(), but returns -EAGAIN instead of waiting; the connection goes on to receive then, and a polled handler
 * is called when there is something. In a scope that was cut -ETIME or -ECANCELED takes the place of -EAGAIN. Not a
 * suspending call, but for a task or a callback of the worker.
 *
 * Returns the number of bytes; 0 at the end of the stream (or if len is 0); -EAGAIN, -EBUSY (a task is receiving), -EINVAL,
 * -ETIME, -ECANCELED, -ECONNRESET and what else the kernel reports, after all data, -EBADF (closed), -ETIMEDOUT, -ENOMEM,
 * -EPERM.
 * Since: 0.1
 */
ssize_t ringline_conn_recv_nowait(struct ringline_conn *conn, void *buf, size_t len) RINGLINE_MUST_CHECK;

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
 * As ringline_conn_peek(), without waiting: -EAGAIN, and else as ringline_conn_recv_nowait().
 * Since: 0.1
 */
ssize_t ringline_conn_peek_nowait(struct ringline_conn *conn, const void **data) RINGLINE_MUST_CHECK;

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
 * Takes the bytes that have been received out of the connection as a buffer (buf.h), at most max and those that lie in one
 * piece, waiting if there are none. Nothing is copied.
 *
 * Returns the number of bytes, with a reference in *ret; 0 at the end of the stream; errors as ringline_conn_recv().
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_conn_take(struct ringline_conn *conn, size_t max,
                                             struct ringline_buf **ret) RINGLINE_MUST_CHECK;

/*
 * Waits until there is something to receive, or the end of the stream is reached. Any number of tasks may wait.
 *
 * Returns 0; errors as ringline_conn_recv(), but -EBUSY.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_conn_wait_readable(struct ringline_conn *conn) RINGLINE_MUST_CHECK;

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
 * Queues the bytes, behind what was sent before, and returns at once. They are copied, or left where they lie if they are
 * in a receive buffer as ringline_conn_peek() lends them; either way the caller may consume or reuse them. A polled handler
 * that was told -EAGAIN is called when half of what may be queued has left. An error that they meet is returned by the next
 * call that sends. Not a suspending call, but for a task or a callback of the worker.
 *
 * Returns 0; -EAGAIN (as much is queued as the output limit allows; ringline_conn_wait_writable()), -ENOBUFS (the worker's
 * memory limit), -ENOMEM, -EPIPE, -ECONNRESET and what else ended the sending, -EBADF (closed), -EINVAL, -EPERM.
 * Since: 0.1
 */
int ringline_conn_send_nowait(struct ringline_conn *conn, const void *data, size_t len) RINGLINE_MUST_CHECK;

/*
 * The same for a buffer of the worker, of any connection, without a copy: the connection keeps a reference until the bytes
 * have left.
 *
 * Returns as ringline_conn_send_nowait().
 * Since: 0.1
 */
int ringline_conn_send_buf(struct ringline_conn *conn, struct ringline_buf *buf) RINGLINE_MUST_CHECK;

/*
 * The same for memory of the caller's, which must stay as it is until release(arg) is called: once, on this worker and outside
 * of any task, when neither the library nor the kernel needs it any more, which may be long after the bytes have left. From
 * the configured zero_copy_min on, and on io_uring over TCP, the kernel sends from the memory itself. Whether that pays
 * depends on the network card, and has not been measured: over the loopback device the kernel always copies. If the call fails
 * release is not called.
 *
 * Returns as ringline_conn_send_nowait(); -EINVAL also if len is 0.
 * Since: 0.1
 */
int ringline_conn_send_zc(struct ringline_conn *conn, const void *data, size_t len, void (*release)(void *arg),
                          void *arg) RINGLINE_MUST_CHECK;

/*
 * Waits until no more than half of what the output limit allows is queued.
 *
 * Returns 0; errors as ringline_conn_send().
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_conn_wait_writable(struct ringline_conn *conn) RINGLINE_MUST_CHECK;

/*
 * Waits until the kernel has taken all that is queued.
 *
 * Returns 0; errors as ringline_conn_send().
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_conn_flush(struct ringline_conn *conn) RINGLINE_MUST_CHECK;

/*
 * Sends len bytes of a file, from an offset on, behind what was sent before. The kernel moves them from its cache; what is not
 * there is read by a thread of the pool. The file's own position does not move.
 *
 * Returns len; -ENODATA (the file ends before); errors of pread(2), of ringline_blocking() and of ringline_conn_send(). After
 * an error a part may have left.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int64_t ringline_conn_sendfile(struct ringline_conn *conn, int fd, uint64_t offset,
                                                 uint64_t len) RINGLINE_MUST_CHECK;

/*
 * Receives len bytes from one connection and sends them on another, both of the calling worker. With RINGLINE_FORWARD_ALL
 * it goes on until the end of the stream, which it passes on as ringline_conn_shutdown_write() would. Nobody else receives on
 * from meanwhile (-EBUSY), and what others send on to waits. No more is received than can be sent. When much comes at a time
 * it is moved through a pipe (splice(2)) rather than copied; the counters bytes_lent and bytes_spliced tell.
 *
 * Returns the number of bytes: len, or with RINGLINE_FORWARD_ALL as many as there were; 0 if the stream ended before the
 * first byte; -ENODATA if it ended before len; otherwise errors of ringline_conn_recv() and ringline_conn_send(). What was
 * received and not sent can still be received.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int64_t ringline_conn_forward(struct ringline_conn *from, struct ringline_conn *to,
                                                uint64_t len) RINGLINE_MUST_CHECK;

/*
 * Sends bytes, at least one, and with the first of them n descriptors (at most 253, unix(7)), over a unix socket. The
 * descriptors stay the caller's.
 *
 * Returns and errors as ringline_conn_send(); -EOPNOTSUPP (not a unix socket), -EBADF (one is not open; the connection is
 * then good for nothing more), -ETOOMANYREFS, -ENOMEM.
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_conn_send_fds(struct ringline_conn *conn, const void *data, size_t len, const int *fds,
                                                 size_t n) RINGLINE_MUST_CHECK;

/*
 * Takes up to n of the descriptors that came with what has been received so far, whether or not that was consumed, in their
 * order; they are close-on-exec and the caller's. RINGLINE_CONN_RECEIVE_FDS says how many may wait; what comes beyond is
 * closed and counted (fds_dropped). Never suspends.
 *
 * Returns how many; -EOPNOTSUPP (RINGLINE_CONN_RECEIVE_FDS was not set), -EINVAL, -EBADF, -EPERM.
 * Since: 0.1
 */
ssize_t ringline_conn_take_fds(struct ringline_conn *conn, int *fds, size_t n) RINGLINE_MUST_CHECK;

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
 * Makes a connection of a descriptor: a connected stream socket, a pipe, a terminal. On success it is the library's, which
 * closes it in the end. Its file status flags stay as they are, whoever shares them. shutdown_write has no effect on what is
 * no socket. Never suspends.
 *
 * Returns 0 and the connection in *ret, for the caller to close; -EINVAL (a file, a directory, a datagram or listening
 * socket), -ENOTCONN, -EBADF, -EAGAIN (the worker's connection limit), -ENOMEM, -EPERM.
 * Since: 0.1
 */
int ringline_conn_from_fd(struct ringline_conn **ret, int fd) RINGLINE_MUST_CHECK;

/*
 * Sets an option, RINGLINE_CONN_*.
 *
 * Returns 0; -EINVAL (unknown, or out of range); -ENOMEM, -EBUSY (RINGLINE_CONN_RECEIVE_FDS was set), -EOPNOTSUPP and
 * what else setsockopt(2) says: not an option of such a socket; -EBADF, -EPERM.
 * Since: 0.1
 */
int ringline_conn_set_option(struct ringline_conn *conn, uint32_t option, uint64_t value);

/*
 * The value of an option.
 *
 * Returns it, 0 or more; errors as ringline_conn_set_option().
 * Since: 0.1
 */
int64_t ringline_conn_get_option(const struct ringline_conn *conn, uint32_t option);

/*
 * Fills *cred, whose size must be set, for a unix socket.
 *
 * Returns 0; -EOPNOTSUPP (not a unix socket), -EINVAL, -EBADF, -EPERM.
 * Since: 0.1
 */
int ringline_conn_peer_cred(const struct ringline_conn *conn, struct ringline_peer_cred *cred);

/*
 * A pidfd (pidfd_open(2)) of the process that made the other end of a unix socket, close-on-exec and the caller's: unlike a
 * process number it cannot come to mean another process.
 *
 * Returns it; -EOPNOTSUPP (not a unix socket, or a kernel before 6.5), -ESRCH (the process is gone, on some kernels), -EMFILE,
 * -ENFILE, -EINVAL, -EBADF, -EPERM.
 * Since: 0.1
 */
int ringline_conn_peer_pidfd(const struct ringline_conn *conn) RINGLINE_MUST_CHECK;

/*
 * The security label of the peer (SO_PEERSEC), cut to size - 1 bytes.
 *
 * Returns its length; -EOPNOTSUPP (no security module has labels here), -EINVAL, -EBADF, -EPERM.
 * Since: 0.1
 */
ssize_t ringline_conn_peer_label(const struct ringline_conn *conn, char *text, size_t size);

/*
 * Fills *info, whose size must be set, for a TCP connection.
 *
 * Returns 0; -EOPNOTSUPP or -ENOPROTOOPT (not TCP), -EINVAL, -EBADF, -EPERM.
 * Since: 0.1
 */
int ringline_conn_tcp_info(const struct ringline_conn *conn, struct ringline_tcp_info *info);

/*
 * Calls fn for each open connection of the worker, until it returns something other than 0. fn may close the connection it is
 * given, and must not suspend.
 *
 * Returns what the last fn returned, 0 if there was none; -EINVAL, -EPERM.
 * Since: 0.1
 */
int ringline_conn_each(int (*fn)(struct ringline_conn *conn, void *arg), void *arg);

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
