/* SPDX-License-Identifier: MIT */
/*
 * Memory that bytes of streams lie in, beside the backend's receive buffers.
 *
 *   block         memory of the worker's own, as a struct rln_buf: what was copied out of scarce receive buffers, messages
 *                 gathered in one piece, what send_nowait queues. All of it counts against the worker's memory limit.
 *                 Large ones are mapped, so that they can grow without being copied
 *   ringline_buf  the host's handle on a range of either kind: taken from a connection, or made of a copy
 *
 * Both are counted references of one thread. Whoever sends from such memory holds a reference until it has left.
 */
#ifndef RLN_IO_BUF_H
#define RLN_IO_BUF_H

#include "base/slab.h"
#include "core/buf.h"
#include "io/io.h"
#include "ringline/buf.h"

struct ringline_buf {
	struct rln_slot slot;
	struct rln_io *io;
	struct rln_buf *buf;
	const unsigned char *data;
	size_t len;
	uint32_t refs;
	bool writable;                    /* by the host, who had it made empty */
};

/* A block of *size* bytes with one reference. NULL: no memory. The limit is the caller's to look at. */
struct rln_buf *rln_block_new(struct rln_io *io, size_t size) rln_must_check;

/* The same in two steps: made by any thread, and then the worker's. */
struct rln_buf *rln_block_make(size_t size) rln_must_check;
void rln_block_adopt(struct rln_io *io, struct rln_buf *buf);

/* One that was made and not adopted is given back so; any thread. */
void rln_block_discard(struct rln_buf *buf);

/*
 * The same block, larger, maybe elsewhere; its bytes are as they were. NULL: that takes a new one and a copy, because it is no
 * block, or small, or somebody else has a reference.
 */
struct rln_buf *rln_block_grow(struct rln_buf *buf, size_t size) rln_must_check;

/* Has the worker as much memory in blocks as it may? */
static inline bool rln_blocks_full(const struct rln_io *io)
{
	return rln_stat_get(&io->stats.memory) >= io->config.memory_limit;
}

/* A handle with one reference, which takes over the one on *buf*. NULL: no memory, and nothing is taken over. */
struct ringline_buf *rln_buf_handle_new(struct rln_io *io, struct rln_buf *buf, const void *data, size_t len) rln_must_check;

/* The guard of calls on handles. 0, -EINVAL, -EPERM, -EBADF. */
int rln_buf_handle_check(const struct ringline_buf *b, const char *call);

void rln_bufs_init(struct rln_io *io);

/* Frees handles that the host never dropped; returns how many. */
uint32_t rln_bufs_fini(struct rln_io *io);

#endif
