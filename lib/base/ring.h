/* SPDX-License-Identifier: MIT */
/*
 * A bounded FIFO of fixed-size elements in one allocation.
 *
 * The capacity is rounded up to a power of two; head and tail run freely and wrap by masking, so all slots are usable
 * and "full" and "empty" are never confused. One thread.
 */
#ifndef RLN_BASE_RING_H
#define RLN_BASE_RING_H

#include "base/compiler.h"

struct rln_ring {
	unsigned char *slot;
	uint32_t elem_size;
	uint32_t mask;
	uint32_t head;            /* next to pop */
	uint32_t tail;            /* next to push */
};

/* Room for at least *capacity* elements of *elem_size* bytes. 0, -EINVAL for zero or an overflow, -ENOMEM. */
int rln_ring_init(struct rln_ring *r, uint32_t capacity, uint32_t elem_size) rln_must_check;
void rln_ring_fini(struct rln_ring *r);

static inline uint32_t rln_ring_len(const struct rln_ring *r)
{
	return r->tail - r->head;
}

static inline bool rln_ring_full(const struct rln_ring *r)
{
	return rln_ring_len(r) > r->mask;
}

/* Copies one element in or out; false when full or empty. */
bool rln_ring_push(struct rln_ring *r, const void *elem) rln_must_check;
bool rln_ring_pop(struct rln_ring *r, void *elem) rln_must_check;

#endif
