/* SPDX-License-Identifier: MIT */
/*
 * Datagrams: UDP, unix datagram and seqpacket sockets.
 *
 *     ringline_dgram_open(&sock, bound, "udp:127.0.0.1:5353", NULL);
 *     while ((n = ringline_dgram_recv_from(sock, buf, sizeof(buf), &peer)) >= 0)
 *             ringline_dgram_send_to(sock, buf, n, &peer);
 *
 * A socket belongs to the worker it was opened on. Datagrams wait in the kernel's receive buffer; up to 32 are fetched at a
 * time when a task wants one. The library drops none: what the kernel drops for want of room is counted. Received bytes are
 * copied to the host's memory (recv, recv_from), or handed over where they lie (recv_batch, recv_in_place).
 *
 * Errors that the network reports about what was sent (ICMP) come from the calls that receive, with the destination they are
 * about; a call that sends never fails for an earlier datagram.
 */
#ifndef RINGLINE_DGRAM_H
#define RINGLINE_DGRAM_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include <ringline/common.h>

RINGLINE_BEGIN_DECLS

struct ringline_buf;
struct ringline_dgram;

/* The address of a datagram. */
struct ringline_sockaddr {
	uint32_t length;                  /* bytes; 0: none, or a unix socket without a name */
	uint32_t reserved;
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
		uint64_t room[14];
	} address;
};

/*
 * From "udp:IPV4:PORT", "udp:[IPV6]:PORT" (with %zone), "unix:/PATH" or "unix:@ABSTRACT". Any thread.
 *
 * Returns 0; -EINVAL, -ENAMETOOLONG (unix), -ENODEV (zone).
 * Since: 0.1
 */
int ringline_sockaddr_parse(struct ringline_sockaddr *ret, const char *text) RINGLINE_MUST_CHECK;

/*
 * Writes the same form, cut to size - 1 bytes. Any thread.
 *
 * Returns its whole length; -EINVAL.
 * Since: 0.1
 */
ssize_t ringline_sockaddr_format(const struct ringline_sockaddr *address, char *text, size_t size);

/* flags of struct ringline_dgram_options */
#define RINGLINE_DGRAM_SHARE_PORT   (UINT32_C(1) << 0)  /* other sockets may have the port: the kernel spreads the peers over them */
#define RINGLINE_DGRAM_REUSE        (UINT32_C(1) << 1)  /* other sockets may have the port: each gets every multicast datagram */
#define RINGLINE_DGRAM_V6ONLY       (UINT32_C(1) << 2)  /* no IPv4 on "[::]" */
#define RINGLINE_DGRAM_BROADCAST    (UINT32_C(1) << 3)  /* may send to broadcast addresses */
#define RINGLINE_DGRAM_MANY_READERS (UINT32_C(1) << 4)  /* several tasks receive; each datagram goes to one */
#define RINGLINE_DGRAM_INFO         (UINT32_C(1) << 5)  /* `local`, `interface`, `tos`, `ttl` of what is received */
#define RINGLINE_DGRAM_TIMESTAMP    (UINT32_C(1) << 6)  /* `timestamp` */
#define RINGLINE_DGRAM_GRO          (UINT32_C(1) << 7)  /* UDP: the kernel may join datagrams of one peer; costs at small sizes */
#define RINGLINE_DGRAM_CREDENTIALS  (UINT32_C(1) << 8)  /* unix: `pid`, `uid`, `gid` */
#define RINGLINE_DGRAM_SEQPACKET    (UINT32_C(1) << 9)  /* unix: connected, in order, with an end; to be accepted from unless peer is set */
#define RINGLINE_DGRAM_NO_ERRORS    (UINT32_C(1) << 10) /* UDP: what the network reports is not asked for */

struct ringline_dgram_options {
	size_t size;
	uint32_t flags;                   /* RINGLINE_DGRAM_* */
	uint32_t receive_buffer;          /* bytes in the kernel (SO_RCVBUF); 0: the system's default */
	uint32_t send_buffer;
	uint32_t reserved;                /* zero */
	const char *peer;                 /* connects to this address; NULL: to none */
};

#define RINGLINE_DGRAM_OPTIONS_INIT { sizeof(struct ringline_dgram_options), 0, 0, 0, 0, NULL }

/*
 * Opens a socket on the calling worker. Addresses as in ringline_sockaddr_parse(), with port 0 for a free one, or "fd:N" for a
 * bound socket of the host's, which the library closes in the end; NULL with a peer: whatever the kernel takes. A unix socket
 * file nobody has open any more is replaced, and the file is removed by the close. bound, if not NULL, points at room for
 * RINGLINE_ADDRESS_SIZE bytes. Never suspends.
 *
 * Returns 0; -EINVAL, -ENAMETOOLONG, -ENODEV (address), -E2BIG (unknown options), -EOPNOTSUPP (an option that this family or
 * kernel does not have), -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -ENOENT, -ECONNREFUSED (peer, unix), -ENETUNREACH (peer),
 * -EBADF, -ENOTSOCK ("fd:N"), -EMFILE, -ENFILE, -ENOMEM, -EPERM, -ECHILD.
 * Since: 0.1
 */
int ringline_dgram_open(struct ringline_dgram **ret, char *bound, const char *address,
                        const struct ringline_dgram_options *options) RINGLINE_MUST_CHECK;

/*
 * Connects a socket: from now on only datagrams of the peer come, and those sent need no address. peer NULL: to none again.
 * Never suspends.
 *
 * Returns 0; -EINVAL, -EAFNOSUPPORT (the peer's family), -ENETUNREACH, -EACCES, -ECONNREFUSED, -ENOENT, -EPROTOTYPE (unix: the
 * peer is of another type), -EISCONN (seqpacket), -EBADF (closed), -EPERM.
 * Since: 0.1
 */
int ringline_dgram_connect(struct ringline_dgram *sock, const struct ringline_sockaddr *peer) RINGLINE_MUST_CHECK;

/*
 * Waits for a peer of a seqpacket socket, which becomes a socket of the caller's. It takes the flags of the first one.
 *
 * Returns 0; -EINVAL (no seqpacket that was opened without a peer), -EBUSY (another task accepts), -ECONNABORTED (closed
 * meanwhile), -EBADF (closed), -EMFILE, -ENFILE, -ENOMEM, -ETIME, -ECANCELED, -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_dgram_accept(struct ringline_dgram *sock, struct ringline_dgram **ret) RINGLINE_MUST_CHECK;

/* flags of struct ringline_dgram_msg: what is known */
#define RINGLINE_MSG_TRUNCATED   (UINT32_C(1) << 0)  /* the datagram had more bytes: `datagram` of them */
#define RINGLINE_MSG_LOCAL       (UINT32_C(1) << 1)  /* `local`, `interface`; to be sent from there */
#define RINGLINE_MSG_TOS         (UINT32_C(1) << 2)  /* `tos` */
#define RINGLINE_MSG_TTL         (UINT32_C(1) << 3)  /* `ttl` */
#define RINGLINE_MSG_TIMESTAMP   (UINT32_C(1) << 4)  /* `timestamp` */
#define RINGLINE_MSG_CREDENTIALS (UINT32_C(1) << 5)  /* `pid`, `uid`, `gid` */
#define RINGLINE_MSG_FDS_LOST    (UINT32_C(1) << 6)  /* descriptors came that there was no room for, and were closed */

/* A datagram. Members that are not spoken of are ignored by sends and zero after receives. */
struct ringline_dgram_msg {
	void *data;                       /* receive: room, or where the bytes lie; send: the bytes */
	size_t length;                    /* receive: room, then bytes at data; send: bytes */
	size_t datagram;                  /* receive: bytes of the datagram itself */
	uint32_t flags;                   /* RINGLINE_MSG_* */
	int32_t result;                   /* 0; receive: an error (negative) of what was sent to `peer` instead of a datagram */
	uint32_t segment;                 /* data is several datagrams of so many bytes, the last may be shorter; 0: it is one */
	uint32_t interface;               /* index; sends: 0: as routed */
	int32_t tos;                      /* type of service, with ECN in the lowest two bits */
	int32_t ttl;
	uint64_t timestamp;               /* CLOCK_REALTIME when the kernel had it, nanoseconds */
	int64_t pid;
	uint32_t uid;
	uint32_t gid;
	int *fds;                         /* unix: descriptors that come along; receive: room, close-on-exec, the caller's */
	uint32_t nfds;                    /* receive: room, then how many came */
	uint32_t reserved;
	uint64_t more[4];                 /* for what is to come */
	struct ringline_sockaddr peer;    /* receive: whence; send: where to, length 0: connected */
	struct ringline_sockaddr local;   /* the address it was sent to, without a port; send: the source */
};

/*
 * Receives the next datagram to msg->data, which has room for msg->length bytes (and msg->fds for msg->nfds descriptors), and
 * tells all about it. Of joined datagrams (GRO) each comes by itself. A datagram may be empty.
 *
 * Returns the bytes received; -EPIPE (seqpacket: the peer has closed), an error about what was sent to msg->peer
 * (-ECONNREFUSED, -EHOSTUNREACH, -EMSGSIZE ...), -EBUSY (another task receives), -EINVAL, -ECONNABORTED (closed meanwhile),
 * -EBADF (closed), -ENOMEM, -ETIME, -ECANCELED, -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_dgram_recv(struct ringline_dgram *sock, struct ringline_dgram_msg *msg) RINGLINE_MUST_CHECK;

/*
 * The same for bytes and peer, which may be NULL.
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_dgram_recv_from(struct ringline_dgram *sock, void *buf, size_t len,
                                                   struct ringline_sockaddr *peer) RINGLINE_MUST_CHECK;

/*
 * Receives without waiting; in a scope that was cut -ETIME or -ECANCELED takes the place of -EAGAIN. Not a suspending call,
 * but for a task or a callback of the worker.
 *
 * Returns as ringline_dgram_recv(); -EAGAIN (nothing is there).
 * Since: 0.1
 */
ssize_t ringline_dgram_recv_nowait(struct ringline_dgram *sock, struct ringline_dgram_msg *msg) RINGLINE_MUST_CHECK;

/*
 * Receives the next datagram where it lies: *ret is a buffer of it, the caller's to drop (buf.h). Of joined datagrams it has
 * all, and msg->segment the size of each. msg->data points into the buffer; its fds and nfds are as in ringline_dgram_recv().
 *
 * Returns as ringline_dgram_recv().
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_dgram_recv_in_place(struct ringline_dgram *sock, struct ringline_dgram_msg *msg,
                                                       struct ringline_buf **ret) RINGLINE_MUST_CHECK;

/*
 * Receives up to n datagrams where they lie, waiting for the first. msg_size is the size of an element of the array. The bytes
 * are valid until the next call that receives from the socket, or its close. Joined datagrams are one element with `segment`;
 * descriptors are not taken. An error about what was sent is an element with `result`.
 *
 * Returns how many; the other errors of ringline_dgram_recv(); -E2BIG (larger elements than the library knows).
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_dgram_recv_batch(struct ringline_dgram *sock, struct ringline_dgram_msg *msgs, size_t n,
                                                    size_t msg_size) RINGLINE_MUST_CHECK;

/*
 * Sends a datagram, waiting if the socket has no room. With msg->segment the kernel cuts the bytes into datagrams of that size
 * (GSO); they may be 65,507 bytes and 64 datagrams in all (udp(7)). A unix socket that is not connected cannot be waited for
 * when its peer's queue is full; there the call tries again after pauses of up to 20 milliseconds.
 *
 * Returns msg->length; -EMSGSIZE (too long for a datagram), -EDESTADDRREQ (not connected, and no peer), -EISCONN,
 * -ENETUNREACH, -EHOSTUNREACH, -EACCES (broadcast, or a firewall), -EPERM (a firewall; or the wrong thread), -ENOBUFS (the
 * kernel's queue is full, the datagram is lost), -ECONNREFUSED, -ENOENT, -EPROTOTYPE, -ECONNRESET (unix: the peer), -EPIPE
 * (seqpacket: the peer has closed), -EOPNOTSUPP, -EIO (GSO: not on this interface), -ETOOMANYREFS, -EINVAL, -ECONNABORTED
 * (closed meanwhile), -EBADF, -ENOMEM, -ETIME, -ECANCELED, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_dgram_send(struct ringline_dgram *sock,
                                              const struct ringline_dgram_msg *msg) RINGLINE_MUST_CHECK;

/*
 * The same for bytes; peer NULL: connected.
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_dgram_send_to(struct ringline_dgram *sock, const void *data, size_t len,
                                                 const struct ringline_sockaddr *peer) RINGLINE_MUST_CHECK;

/*
 * Sends n datagrams with as few system calls as may be, and without their descriptors. Those of one length to one peer, one
 * after the other, are cut apart by the kernel as late as it can (GSO).
 *
 * Returns how many were sent, in the order of the array, at least 1 if n is: the error of the next one comes from the call that
 * begins with it; the errors of ringline_dgram_send() if that is the first.
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_dgram_send_batch(struct ringline_dgram *sock, const struct ringline_dgram_msg *msgs, size_t n,
                                                    size_t msg_size) RINGLINE_MUST_CHECK;

/*
 * Sends without waiting. Not a suspending call, but for a task or a callback of the worker.
 *
 * Returns as ringline_dgram_send(); -EAGAIN (the socket has no room).
 * Since: 0.1
 */
ssize_t ringline_dgram_send_nowait(struct ringline_dgram *sock, const struct ringline_dgram_msg *msg) RINGLINE_MUST_CHECK;

/*
 * Waits until the socket has room: until the kernel calls it writable.
 *
 * Returns 0; -ECONNABORTED (closed meanwhile), -EBADF (closed), -EINVAL, -ETIME, -ECANCELED, -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_dgram_wait_sendable(struct ringline_dgram *sock) RINGLINE_MUST_CHECK;

/* options of ringline_dgram_set_option() */
#define RINGLINE_DGRAM_TTL             1u  /* of what is sent; -1: the system's default */
#define RINGLINE_DGRAM_TOS             2u
#define RINGLINE_DGRAM_MULTICAST_TTL   3u
#define RINGLINE_DGRAM_MULTICAST_LOOP  4u  /* 1: sockets of this machine get what it sends to groups */
#define RINGLINE_DGRAM_MULTICAST_IF    5u  /* the interface's index; 0: as routed */
#define RINGLINE_DGRAM_MTU_DISCOVER    6u  /* IP_PMTUDISC_* of ip(7) */
#define RINGLINE_DGRAM_RECEIVE_BUFFER  7u  /* bytes */
#define RINGLINE_DGRAM_SEND_BUFFER     8u

/*
 * Sets and gets an option. Never suspend.
 *
 * Return 0; -EINVAL (unknown, or the value), -EOPNOTSUPP (not of this family), -EBADF (closed), -EPERM.
 * Since: 0.1
 */
int ringline_dgram_set_option(struct ringline_dgram *sock, uint32_t option, int64_t value);
int ringline_dgram_get_option(struct ringline_dgram *sock, uint32_t option, int64_t *value);

/*
 * Joins a multicast group and leaves it, on an interface (index; 0: as routed), from all sources or from one (NULL: all). The
 * ports of the addresses are ignored. Never suspend.
 *
 * Return 0; -EINVAL (no group, or families do not agree), -EADDRINUSE (joined already), -EADDRNOTAVAIL (not joined), -ENODEV
 * (interface), -ENOBUFS (too many groups), -EOPNOTSUPP, -EBADF (closed), -EPERM.
 * Since: 0.1
 */
int ringline_dgram_join(struct ringline_dgram *sock, const struct ringline_sockaddr *group, uint32_t interface,
                        const struct ringline_sockaddr *source);
int ringline_dgram_leave(struct ringline_dgram *sock, const struct ringline_sockaddr *group, uint32_t interface,
                         const struct ringline_sockaddr *source);

/* What a socket has seen. */
struct ringline_dgram_info {
	size_t size;
	uint64_t received;                /* datagrams given to the host, segments counted one by one */
	uint64_t sent;                    /* datagrams, segments counted one by one */
	uint64_t bytes_received;
	uint64_t bytes_sent;
	uint64_t dropped;                 /* by the kernel, for want of room in the receive buffer */
	uint64_t truncated;
	uint64_t errors;                  /* that the network has reported */
	uint64_t queued;                  /* fetched, and not received by the host yet */
	uint64_t fds_dropped;             /* received descriptors there was no room for */
	struct ringline_sockaddr local;
	struct ringline_sockaddr peer;    /* length 0: not connected */
};

#define RINGLINE_DGRAM_INFO_INIT { sizeof(struct ringline_dgram_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, \
	{ 0, 0, { { 0, { 0 } } } }, { 0, 0, { { 0, { 0 } } } } }

/*
 * Never suspends.
 *
 * Returns 0; -EINVAL, -EBADF (closed), -EPERM.
 * Since: 0.1
 */
int ringline_dgram_info(struct ringline_dgram *sock, struct ringline_dgram_info *info);

/*
 * Closes the socket; who waits on it gets -ECONNABORTED. What was sent has left, or is the kernel's. NULL is allowed. Never
 * suspends.
 *
 * Returns 0; -EBADF (closed already), -EPERM.
 * Since: 0.1
 */
int ringline_dgram_close(struct ringline_dgram *sock);

RINGLINE_END_DECLS

#endif
