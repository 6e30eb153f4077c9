/* SPDX-License-Identifier: MIT */
/*
 * Slabs; slab.h tells the idea.
 *
 * Chunk k holds RLN_SLAB_FIRST_CHUNK << k objects, so the chunk of an index is found from the position of its highest
 * bit. The stack of free indices is grown together with the chunks: giving an object back cannot fail.
 *
 * Indices from `used` on were never handed out, and their memory was never touched: a chunk costs what is used of it, not
 * what it holds. Invariant: live + nfree == used <= capacity.
 */
#include <string.h>

#include "base/mem.h"
#include "base/slab.h"

void rln_slab_init(struct rln_slab *s, size_t size, size_t align, uint32_t max)
{
	memset(s, 0, sizeof(*s));
	s->size = (size + align - 1) & ~(align - 1);
	s->align = (uint32_t)align;
	s->max = max ? max : UINT32_MAX;
}

uint32_t rln_slab_fini(struct rln_slab *s)
{
	uint32_t live = s->live;
	uint32_t k;

	for (k = 0; k < s->nchunks; k++)
		rln_mem_free(s->chunk[k]);
	rln_mem_free(s->free);
	memset(s, 0, sizeof(*s));
	return live;
}

static struct rln_slot *slot_at(const struct rln_slab *s, uint32_t index)
{
	uint32_t scaled = index / RLN_SLAB_FIRST_CHUNK + 1;
	uint32_t k = 31u - (uint32_t)__builtin_clz(scaled);

	index -= RLN_SLAB_FIRST_CHUNK * ((1u << k) - 1);
	return (struct rln_slot *)(void *)((char *)s->chunk[k] + (size_t)index * s->size);
}

void *rln_slab_at(const struct rln_slab *s, uint32_t index)
{
	return index < s->used ? slot_at(s, index) : NULL;
}

/* Called when the stack is empty, so there is nothing to copy. */
static bool grow_free(struct rln_slab *s, uint32_t capacity)
{
	uint32_t *grown;
	size_t size;

	if (__builtin_mul_overflow(capacity, sizeof(*grown), &size))
		return false;
	grown = rln_mem_alloc(size);
	if (!grown)
		return false;
	rln_mem_free(s->free);
	s->free = grown;
	return true;
}

/* Adds a chunk, whose objects are handed out in order of address. */
static bool grow(struct rln_slab *s)
{
	uint32_t n = RLN_SLAB_FIRST_CHUNK << s->nchunks;
	size_t size;
	void *chunk;

	if (s->nchunks == RLN_SLAB_CHUNKS || __builtin_mul_overflow(n, s->size, &size) || !grow_free(s, s->capacity + n))
		return false;
	chunk = rln_mem_alloc_aligned(size, s->align);
	if (!chunk)
		return false;
	s->chunk[s->nchunks++] = chunk;
	s->capacity += n;
	return true;
}

/* An object that is handed out for the first time. */
static struct rln_slot *fresh(struct rln_slab *s)
{
	struct rln_slot *slot;

	if (s->used == s->capacity && !grow(s))
		return NULL;
	slot = slot_at(s, s->used);
	memset(slot, 0, s->size);
	slot->index = s->used++;
	return slot;
}

void *rln_slab_alloc(struct rln_slab *s)
{
	struct rln_slot *slot;

	if (s->live >= s->max)
		return NULL;
	slot = s->nfree ? slot_at(s, s->free[--s->nfree]) : fresh(s);
	if (!slot)
		return NULL;
	slot->gen++;
	s->live++;
	return slot;
}

void rln_slab_free(struct rln_slab *s, void *object)
{
	struct rln_slot *slot = object;

	rln_assert(rln_slot_live(slot) && rln_slab_at(s, slot->index) == slot);
	slot->gen++;
	s->free[s->nfree++] = slot->index;
	s->live--;
}

void *rln_slab_find(const struct rln_slab *s, uint64_t id)
{
	struct rln_slot *slot = rln_slab_at(s, (uint32_t)id);

	return slot && slot->gen == (uint32_t)(id >> 32) && rln_slot_live(slot) ? slot : NULL;
}
