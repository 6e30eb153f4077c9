/* SPDX-License-Identifier: MIT */
/*
 * A 4-ary min-heap of 64-bit keys, with a front: the timer queue.
 *
 * Four children per node make the tree half as deep as a binary one and keep the children of a node in one or two
 * cache lines, because key and node pointer sit side by side in the array. A node knows its position, so removal
 * costs O(log n) without a search. Equal keys leave the heap in the order they were inserted.
 *
 * In a large heap the smallest key is the dearest one: it climbs from a leaf to the root, and when it goes, what takes
 * its place sinks all the way down. It is also a frequent one, where many timers are far away and some are near. So a
 * few of the smallest are kept apart in a heap of their own, the front; none of them is larger than any that is not
 * there. What is sooner than all the rest comes and goes in the front; when that is full, its largest moves on.
 */
#ifndef RLN_BASE_HEAP_H
#define RLN_BASE_HEAP_H

#include "base/compiler.h"

#define RLN_HEAP_NOWHERE UINT32_MAX
#define RLN_HEAP_FRONT   32u

struct rln_heap_node {
	uint32_t pos;             /* RLN_HEAP_NOWHERE while not in a heap */
	uint32_t seq;             /* order of insertion among equal keys */
};

struct rln_heap_entry {
	uint64_t key;
	struct rln_heap_node *node;
};

struct rln_heap_part {
	struct rln_heap_entry *entry;
	uint32_t len;
};

/* Refers to itself: it must not be copied or moved. */
struct rln_heap {
	struct rln_heap_part near;        /* the front; no key in it is larger than one in far */
	struct rln_heap_part far;
	uint32_t far_cap;
	uint32_t len;                     /* of both */
	uint32_t seq;
	struct rln_heap_entry front[RLN_HEAP_FRONT];
};

void rln_heap_init(struct rln_heap *h);
void rln_heap_fini(struct rln_heap *h);

static inline void rln_heap_node_init(struct rln_heap_node *n)
{
	n->pos = RLN_HEAP_NOWHERE;
	n->seq = 0;
}

static inline bool rln_heap_contains(const struct rln_heap_node *n)
{
	return n->pos != RLN_HEAP_NOWHERE;
}

/* Makes sure that *n* nodes fit, so that later insertions cannot fail. 0 or -ENOMEM. */
int rln_heap_reserve(struct rln_heap *h, uint32_t n) rln_must_check;

/* Inserts a node that is in no heap. 0 or -ENOMEM. */
int rln_heap_insert(struct rln_heap *h, struct rln_heap_node *n, uint64_t key) rln_must_check;

/* Removes a node; no effect if it is in no heap. */
void rln_heap_remove(struct rln_heap *h, struct rln_heap_node *n);

/* The node with the smallest key, and that key in *key; NULL when empty. */
static inline struct rln_heap_node *rln_heap_min(const struct rln_heap *h, uint64_t *key)
{
	const struct rln_heap_part *p = h->near.len ? &h->near : &h->far;

	if (!p->len)
		return NULL;
	*key = p->entry[0].key;
	return p->entry[0].node;
}

#endif
