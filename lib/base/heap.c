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
	h->near.entry = h->front;
}

void rln_heap_fini(struct rln_heap *h)
{
	rln_mem_free(h->far.entry);
	memset(h, 0, sizeof(*h));
}

/* Insertion order decides among equal keys; the difference makes the comparison survive a wrap of the counter. */
static bool before(const struct rln_heap_entry *a, const struct rln_heap_entry *b)
{
	if (a->key != b->key)
		return a->key < b->key;
	return (int32_t)(a->node->seq - b->node->seq) < 0;
}

static void put(struct rln_heap_part *p, uint32_t pos, struct rln_heap_entry e)
{
	p->entry[pos] = e;
	e.node->pos = pos;
}

static void sift_up(struct rln_heap_part *p, uint32_t pos, struct rln_heap_entry e)
{
	while (pos) {
		uint32_t parent = (pos - 1) / ARITY;

		if (!before(&e, &p->entry[parent]))
			break;
		put(p, pos, p->entry[parent]);
		pos = parent;
	}
	put(p, pos, e);
}

static uint32_t least_child(const struct rln_heap_part *p, uint32_t first)
{
	uint32_t end = rln_min(first + ARITY, p->len);
	uint32_t least = first;
	uint32_t i;

	for (i = first + 1; i < end; i++)
		if (before(&p->entry[i], &p->entry[least]))
			least = i;
	return least;
}

static void sift_down(struct rln_heap_part *p, uint32_t pos, struct rln_heap_entry e)
{
	uint32_t first;

	while ((first = pos * ARITY + 1) < p->len) {
		uint32_t child = least_child(p, first);

		if (!before(&p->entry[child], &e))
			break;
		put(p, pos, p->entry[child]);
		pos = child;
	}
	put(p, pos, e);
}

static void add(struct rln_heap_part *p, struct rln_heap_entry e)
{
	sift_up(p, p->len++, e);
}

static void remove_at(struct rln_heap_part *p, uint32_t pos)
{
	struct rln_heap_entry last = p->entry[--p->len];

	if (pos == p->len)
		return;
	if (pos && before(&last, &p->entry[(pos - 1) / ARITY]))
		sift_up(p, pos, last);
	else
		sift_down(p, pos, last);
}

/* The largest of the front, which is full, and so a leaf. */
static uint32_t largest(const struct rln_heap *h)
{
	uint32_t most = (RLN_HEAP_FRONT - 2) / ARITY + 1;
	uint32_t i;

	for (i = most + 1; i < RLN_HEAP_FRONT; i++)
		if (before(&h->front[most], &h->front[i]))
			most = i;
	return most;
}

int rln_heap_reserve(struct rln_heap *h, uint32_t n)
{
	struct rln_heap_entry *grown;
	uint32_t cap = h->far_cap ? h->far_cap : 2 * RLN_HEAP_FRONT;
	size_t size;

	if (n <= h->far_cap)
		return 0;
	while (cap < n)
		cap = cap > UINT32_MAX / 2 ? UINT32_MAX : cap * 2;
	if (__builtin_mul_overflow(cap, sizeof(*grown), &size))
		return -ENOMEM;
	grown = rln_mem_alloc(size);
	if (!grown)
		return -ENOMEM;
	if (h->far.len)
		memcpy(grown, h->far.entry, h->far.len * sizeof(*grown));
	rln_mem_free(h->far.entry);
	h->far.entry = grown;
	h->far_cap = cap;
	return 0;
}

/* Where there is room for it. A key that equals others was inserted after them, so it belongs behind them. */
static struct rln_heap_part *part_for(struct rln_heap *h, uint64_t key)
{
	uint32_t last;

	if (h->far.len && key >= h->far.entry[0].key)
		return &h->far;
	if (h->near.len < RLN_HEAP_FRONT)
		return &h->near;
	last = largest(h);
	if (key >= h->front[last].key)
		return &h->far;
	add(&h->far, h->front[last]);
	remove_at(&h->near, last);
	return &h->near;
}

int rln_heap_insert(struct rln_heap *h, struct rln_heap_node *n, uint64_t key)
{
	rln_assert(!rln_heap_contains(n));
	if (rln_unlikely(h->far.len == h->far_cap && h->len >= RLN_HEAP_FRONT)) {
		int r = h->len == UINT32_MAX ? -ENOMEM : rln_heap_reserve(h, h->far.len + 1);

		if (r < 0)
			return r;
	}
	n->seq = h->seq++;
	h->len++;
	add(part_for(h, key), (struct rln_heap_entry){ .key = key, .node = n });
	return 0;
}

void rln_heap_remove(struct rln_heap *h, struct rln_heap_node *n)
{
	uint32_t pos = n->pos;

	if (pos == RLN_HEAP_NOWHERE)
		return;
	n->pos = RLN_HEAP_NOWHERE;
	h->len--;
	remove_at(pos < h->near.len && h->front[pos].node == n ? &h->near : &h->far, pos);
}
