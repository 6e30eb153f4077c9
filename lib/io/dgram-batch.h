/* SPDX-License-Identifier: MIT */
/*
 * Memory for datagrams, and what the kernel tells about them.
 *
 * A batch has 32 slots of 64 KiB, mapped and not resident before they are used, each with room for an address and for control
 * messages. Slots begin at different offsets of their pages, because small datagrams would otherwise all lie in the same few
 * sets of the cache. References: the socket's that fetches into it, and one for each buffer that was handed out in place; then
 * it goes back to the worker, which keeps two and unmaps the others.
 */
#ifndef RLN_IO_DGRAM_BATCH_H
#define RLN_IO_DGRAM_BATCH_H

#include <sys/socket.h>

#include "base/list.h"
#include "core/buf.h"
#include "ringline/dgram.h"

struct rln_io;

#define RLN_DGRAM_SLOTS   32u
#define RLN_DGRAM_SIZE    (64u << 10)
#define RLN_DGRAM_CONTROL 1280u   /* 253 descriptors, the most there can be (SCM_MAX_FD), and all the rest */

struct rln_dgram_slot {
	struct ringline_sockaddr peer;
	struct iovec iov;
	uint32_t segment;                 /* GRO: bytes of each datagram; 0: it is one */
	uint32_t offset;                  /* GRO: where the next one begins */
	rln_aligned(16) unsigned char control[RLN_DGRAM_CONTROL];
};

struct rln_dgram_batch {
	struct rln_buf buf;               /* the whole of it, counted */
	struct rln_list link;             /* rln_io.batches, while it is free */
	uint32_t head;                    /* the first slot that was not received */
	uint32_t count;                   /* how many were fetched */
	uint32_t used;                    /* slots whose headers are not as they were made */
	struct mmsghdr msg[RLN_DGRAM_SLOTS];
	struct rln_dgram_slot slot[RLN_DGRAM_SLOTS];
};

void rln_dgram_batches_init(struct rln_io *io);
void rln_dgram_batches_fini(struct rln_io *io);

/* One with a single reference, empty. NULL: no memory. */
struct rln_dgram_batch *rln_dgram_batch_get(struct rln_io *io) rln_must_check;

/* Receives up to *max* datagrams into it, which is empty and nobody else's. Their number; -EAGAIN and the errors of recvmmsg(2). */
int rln_dgram_batch_fetch(struct rln_dgram_batch *b, int fd, uint32_t max) rln_must_check;

/* Its datagrams that were not received. */
static inline uint32_t rln_dgram_batch_left(const struct rln_dgram_batch *b)
{
	return b->count - b->head;
}

/*
 * What a control buffer of a received message says, to *m*. Descriptors go to m->fds as far as m->nfds says; the others are
 * closed. Returns how many were.
 */
uint32_t rln_dgram_parse_control(struct msghdr *h, struct ringline_dgram_msg *m);

/* The error that a message of the error queue tells of, negative. */
int rln_dgram_parse_error(struct msghdr *h);

/* How long each of the datagrams is that the kernel has joined to one of *length* bytes (GRO); 0: it is one. */
uint32_t rln_dgram_segment(struct msghdr *h, uint32_t length);

/* Bytes that control messages of *m* take, written to *control* (room for RLN_DGRAM_CONTROL). -EINVAL. */
int rln_dgram_write_control(unsigned char *control, const struct ringline_dgram_msg *m, int family, bool with_fds);

#endif
