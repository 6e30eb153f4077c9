/* SPDX-License-Identifier: MIT */
/*
 * A lock-free inbox: many threads push, one drains everything at once.
 *
 * Producers push onto a stack by compare-and-swap; the consumer takes the whole stack with one exchange and reverses
 * it. Nobody ever pops a single node, hence no ABA problem, and the order of delivery is the order of the pushes.
 *
 * Ordering: the push is a release that pairs with the acquire of the drain: what a producer wrote before its push is
 * visible to the consumer that sees the node. Push and rln_mpsc_empty() are sequentially consistent besides, so that
 * "look once more, then sleep" can be paired with "push, then look whether it sleeps" (core/waker.c).
 */
#ifndef RLN_BASE_MPSC_H
#define RLN_BASE_MPSC_H

#include <stdatomic.h>

#include "base/compiler.h"

struct rln_mpsc_node {
	struct rln_mpsc_node *next;
};

struct rln_mpsc {
	_Atomic(struct rln_mpsc_node *) top;
};

void rln_mpsc_init(struct rln_mpsc *q);

/* Any thread. Returns true if the inbox was empty before, that is, if this push is the one that must wake the owner. */
bool rln_mpsc_push(struct rln_mpsc *q, struct rln_mpsc_node *n);

/* Owner only. Takes everything, oldest first, as a list linked by next; NULL when empty. */
struct rln_mpsc_node *rln_mpsc_drain(struct rln_mpsc *q);

static inline bool rln_mpsc_empty(struct rln_mpsc *q)
{
	return atomic_load_explicit(&q->top, memory_order_seq_cst) == NULL;
}

#endif
