/* SPDX-License-Identifier: MIT */
/*
 * A 4-ary min-heap of 64-bit keys: the timer queue.
 *
 * Four children per node make the tree half as deep as a binary one and keep the children of a node in one or two
 * cache lines, because key and node pointer sit side by side in the array. A node knows its position, so removal
 * costs O(log n) without a search. Equal keys leave the heap in the order they were inserted.
 */
#ifndef RLN_BASE_HEAP_H
#define RLN_BASE_HEAP_H

#include "base/compiler.h"

#define RLN_HEAP_NOWHERE UINT32_MAX

struct rln_heap_node {
	uint32_t pos;             /* RLN_HEAP_NOWHERE while not in a heap */
	uint32_t seq;             /* order of insertion among equal keys */
};

struct rln_heap_entry {
	uint64_t key;
	struct rln_heap_node *node;
};

struct rln_heap {
	struct rln_heap_entry *entry;
	uint32_t len;
	uint32_t cap;
	uint32_t seq;
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
	if (!h->len)
		return NULL;
	*key = h->entry[0].key;
	return h->entry[0].node;
}

#endif
