/* SPDX-License-Identifier: MIT */
/*
 * Receive memory for engines that read by themselves.
 *
 * Blocks are mapped when first needed, up to a limit, and reused last in, first out, so that the next read lands in
 * memory that is still in the cache. Within one batch, small reads share a block: the pool's *current* block is filled
 * piece by piece, every piece carries a reference, and the block goes home when the last of them is returned.
 *
 *     block = rln_bufpool_current(p)           room to read into, or NULL
 *     n = read(block->mem + block->used, block->size - block->used)
 *     rln_bufpool_commit(p, n)                 the n bytes belong to the receiver, with one reference
 *     rln_bufpool_settle(p)                    end of the batch
 *
 * Blocks may outlive the pool: those that receivers still hold when it is freed go away one by one.
 */
#ifndef RLN_BACKEND_BUFPOOL_H
#define RLN_BACKEND_BUFPOOL_H

#include "core/backend.h"
#include "core/buf.h"

struct rln_bufpool;

/* Uses buf_count (blocks kept when idle), buf_size and buf_limit of *cfg*. 0, -EINVAL, -ENOMEM. */
int rln_bufpool_new(struct rln_bufpool **ret, const struct rln_backend_config *cfg,
		    struct rln_backend_stats *stats) rln_must_check;
void rln_bufpool_free(struct rln_bufpool *p);

/* The block to read into; NULL at the limit, or when memory is short. */
struct rln_buf *rln_bufpool_current(struct rln_bufpool *p);
void rln_bufpool_commit(struct rln_bufpool *p, size_t n);
void rln_bufpool_settle(struct rln_bufpool *p);

/* Blocks that could be had now, if memory permits. */
uint32_t rln_bufpool_available(const struct rln_bufpool *p);

/* Does anyone hold a block that will come back? */
bool rln_bufpool_lent(const struct rln_bufpool *p);

/* Is less than a quarter of the limit left? */
bool rln_bufpool_scarce(const struct rln_bufpool *p);

/* Does the pool hold more than the stock of an idle worker? And the way back to it. */
bool rln_bufpool_swollen(const struct rln_bufpool *p);
void rln_bufpool_trim(struct rln_bufpool *p);

#endif
