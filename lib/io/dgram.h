/* SPDX-License-Identifier: MIT */
/*
 * Datagram sockets.
 *
 * Receiving. The engine only tells when a socket has become readable; the datagrams are fetched by recvmmsg(2), up to 32 at a
 * time, into a *batch*: memory of the worker's that a socket has while it holds something that was not received by the host.
 * Nothing else is faster: a multishot receive of io_uring takes as much time for each datagram, copies its header before the
 * bytes, and ends at every empty one. The kernel's receive buffer is the queue, so it is bounded, and what is dropped is counted
 * there.
 *
 *     EMPTY --fetch: some--> FETCHED --the host has received all--> EMPTY
 *       |  --fetch: none, or fewer than asked for--> armed: RLN_OP_READABLE is in flight
 *       +--<--readable: fetch again, wake who waits
 *
 * Invariants: when no batch is held and `more` is not set, the operation is in flight or nobody has asked yet; it is submitted
 * right after a fetch that came back short, with no look of the engine's in between, because an edge that is told while nobody
 * waits for it is forgotten. `more` says that there may be something the engine will not tell of again.
 *
 * Errors. IP_RECVERR is on: what the network reports waits in the socket's error queue with the destination it is about. It also
 * makes the next call on the socket fail, whichever that is: a send that fails so is made again, once, and the error left to
 * the receivers.
 *
 * Sending is a system call. When the socket has no room the caller waits for RLN_OP_WRITABLE; senders wait in a row.
 *
 *     OPEN --close--> CLOSING --no operation in flight--> (close) --nobody in a call--> gone
 */
#ifndef RLN_IO_DGRAM_H
#define RLN_IO_DGRAM_H

#include "base/slab.h"
#include "core/op.h"
#include "core/task.h"
#include "core/wait.h"
#include "io/addr.h"
#include "io/bind.h"
#include "io/dgram-batch.h"
#include "io/io.h"
#include "ringline/dgram.h"

struct ringline_dgram {
	struct rln_slot slot;
	struct rln_list link;             /* rln_io.dgrams */
	struct rln_io *io;
	int fd;
	int family;
	uint32_t flags;                   /* RINGLINE_DGRAM_* */
	uint32_t calls;                   /* under way: the slot stays */
	bool closing;
	bool closed;                      /* the descriptor is gone */
	bool listening;                   /* seqpacket */
	bool connected;
	bool more;                        /* there may be datagrams that nobody will tell of */
	uint32_t multicast_if;            /* IPv4: as it was set */
	bool asks_errors;                 /* IP_RECVERR is set */
	bool errors;                      /* there may be something in the error queue */
	bool large;                       /* the last fetch brought large datagrams */
	bool no_runs;                     /* batches are not joined: it failed before */
	bool over;                        /* seqpacket: the peer has closed */
	int read_error;                   /* met by a fetch; 0: none */
	int error;                        /* for the next receiver; 0: none */
	struct ringline_sockaddr error_about;
	struct rln_dgram_batch *batch;    /* NULL: nothing is fetched */
	struct rln_source readers;
	uint32_t nreading;                /* calls that receive */
	struct rln_source writers;
	uint64_t received;
	uint64_t sent;
	uint64_t bytes_received;
	uint64_t bytes_sent;
	uint64_t truncated;
	uint64_t nerrors;
	uint64_t fds_dropped;
	struct rln_addr addr;             /* what it is bound to, of a socket file that is to be removed */
	struct rln_socket_path path;
	struct rln_op recv rln_aligned(64);
	struct rln_op send rln_aligned(64);   /* and close */
};

void rln_dgrams_init(struct rln_io *io);
void rln_dgrams_fini(struct rln_io *io);
void rln_dgrams_close_all(struct rln_io *io);

/* A new socket that owns *fd*. NULL: no memory, and the descriptor stays the caller's. */
struct ringline_dgram *rln_dgram_new(struct rln_io *io, int fd, uint32_t flags) rln_must_check;

/* The guards of public calls: 0, -EINVAL, -EPERM, -EBADF; of suspending ones also -EDEADLK, -ETIME, -ECANCELED. */
int rln_dgram_check(const struct ringline_dgram *s, const char *call);
int rln_dgram_check_park(const struct ringline_dgram *s, struct ringline_task **t, const char *call);

/* For the time of a call that parks. */
void rln_dgram_enter(struct ringline_dgram *s);
void rln_dgram_leave(struct ringline_dgram *s);

/* Goes on with a close: when no operation is in flight the descriptor is closed. */
void rln_dgram_progress(struct ringline_dgram *s);

void rln_dgram_describe(const void *sock, char *text, size_t size);

/* Completions. */
void rln_dgram_readable(struct rln_op *op, const struct rln_completion *c);
void rln_dgram_writable(struct rln_op *op, const struct rln_completion *c);

/* Waits to be told that there is something; for whoever found nothing. 0, or why not. */
int rln_dgram_wait_readable(struct ringline_dgram *s, struct ringline_task *t) rln_must_check;
void rln_dgram_arm_read(struct ringline_dgram *s);
void rln_dgram_arm_write(struct ringline_dgram *s);

/* Datagrams that were fetched and not received. */
static inline uint32_t rln_dgram_queued(const struct ringline_dgram *s)
{
	return s->batch ? rln_dgram_batch_left(s->batch) : 0;
}

/* Is there something to receive: a datagram, an error, the end? Fetches if that may be. */
bool rln_dgram_has_some(struct ringline_dgram *s);

/* A send has met an error that waits in the error queue. */
void rln_dgram_errors_told(struct ringline_dgram *s);

/* Gives up what was fetched: the socket closes. */
void rln_dgram_drop_batch(struct ringline_dgram *s);

/* Enters the kinds of ringline_select() that are datagram sockets. */
void rln_dgram_select_init(struct rln_io *io);

#endif
