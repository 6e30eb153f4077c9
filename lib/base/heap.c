/* SPDX-License-Identifier: MIT */
/* The 4-ary heap; heap.h tells the idea. */
#include <errno.h>
#include <string.h>

#include "base/heap.h"
#include "base/mem.h"

#define ARITY 4u

void rln_heap_init(struct rln_heap *h)
{
	memset(h, 0, sizeof(*h));
}

void rln_heap_fini(struct rln_heap *h)
{
	rln_mem_free(h->entry);
	memset(h, 0, sizeof(*h));
}

/* Insertion order decides among equal keys; the difference makes the comparison survive a wrap of the counter. */
static bool before(const struct rln_heap_entry *a, const struct rln_heap_entry *b)
{
	if (a->key != b->key)
		return a->key < b->key;
	return (int32_t)(a->node->seq - b->node->seq) < 0;
}

static void put(struct rln_heap *h, uint32_t pos, struct rln_heap_entry e)
{
	h->entry[pos] = e;
	e.node->pos = pos;
}

static void sift_up(struct rln_heap *h, uint32_t pos, struct rln_heap_entry e)
{
	while (pos) {
		uint32_t parent = (pos - 1) / ARITY;

		if (!before(&e, &h->entry[parent]))
			break;
		put(h, pos, h->entry[parent]);
		pos = parent;
	}
	put(h, pos, e);
}

static uint32_t least_child(const struct rln_heap *h, uint32_t first)
{
	uint32_t end = rln_min(first + ARITY, h->len);
	uint32_t least = first;
	uint32_t i;

	for (i = first + 1; i < end; i++)
		if (before(&h->entry[i], &h->entry[least]))
			least = i;
	return least;
}

static void sift_down(struct rln_heap *h, uint32_t pos, struct rln_heap_entry e)
{
	uint32_t first;

	while ((first = pos * ARITY + 1) < h->len) {
		uint32_t child = least_child(h, first);

		if (!before(&h->entry[child], &e))
			break;
		put(h, pos, h->entry[child]);
		pos = child;
	}
	put(h, pos, e);
}

int rln_heap_reserve(struct rln_heap *h, uint32_t n)
{
	struct rln_heap_entry *grown;
	uint32_t cap = h->cap ? h->cap : 16;
	size_t size;

	if (n <= h->cap)
		return 0;
	while (cap < n)
		cap = cap > UINT32_MAX / 2 ? UINT32_MAX : cap * 2;
	if (__builtin_mul_overflow(cap, sizeof(*grown), &size))
		return -ENOMEM;
	grown = rln_mem_alloc(size);
	if (!grown)
		return -ENOMEM;
	if (h->len)
		memcpy(grown, h->entry, h->len * sizeof(*grown));
	rln_mem_free(h->entry);
	h->entry = grown;
	h->cap = cap;
	return 0;
}

int rln_heap_insert(struct rln_heap *h, struct rln_heap_node *n, uint64_t key)
{
	rln_assert(!rln_heap_contains(n));
	if (h->len == h->cap) {
		int r = h->len == UINT32_MAX ? -ENOMEM : rln_heap_reserve(h, h->len + 1);

		if (r < 0)
			return r;
	}
	n->seq = h->seq++;
	sift_up(h, h->len++, (struct rln_heap_entry){ .key = key, .node = n });
	return 0;
}

void rln_heap_remove(struct rln_heap *h, struct rln_heap_node *n)
{
	struct rln_heap_entry last;
	uint32_t pos = n->pos;

	if (pos == RLN_HEAP_NOWHERE)
		return;
	n->pos = RLN_HEAP_NOWHERE;
	last = h->entry[--h->len];
	if (pos == h->len)
		return;
	if (pos && before(&last, &h->entry[(pos - 1) / ARITY]))
		sift_up(h, pos, last);
	else
		sift_down(h, pos, last);
}
