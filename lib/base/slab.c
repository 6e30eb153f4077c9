/* SPDX-License-Identifier: MIT */
/*
 * Slabs; slab.h tells the idea.
 *
 * Chunk k holds RLN_SLAB_FIRST_CHUNK << k objects, so the chunk of an index is found from the position of its highest
 * bit. Giving an object back needs no memory: the free list lies in the objects.
 *
 * The address sanitizer is told which objects are free; their slots alone may be looked at, by those who hold a stale
 * handle.
 */
#include <string.h>

#include "base/mem.h"
#include "base/slab.h"

#if defined(__SANITIZE_ADDRESS__)
#define RLN_SLAB_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RLN_SLAB_POISON 1
#endif
#endif

#ifdef RLN_SLAB_POISON
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(addr, size)   ((void)(addr), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(addr, size) ((void)(addr), (void)(size))
#endif

struct rln_slab_free {
	struct rln_slot slot;
	struct rln_slab_free *next;
};

void rln_slab_init(struct rln_slab *s, size_t size, size_t align, uint32_t max)
{
	rln_assert(size >= sizeof(struct rln_slab_free));
	memset(s, 0, sizeof(*s));
	s->size = (size + align - 1) & ~(align - 1);
	s->align = (uint32_t)align;
	s->max = max ? max : UINT32_MAX;
}

uint32_t rln_slab_fini(struct rln_slab *s)
{
	uint32_t live = s->live;
	uint32_t k;

	for (k = 0; k < s->nchunks; k++) {
		ASAN_UNPOISON_MEMORY_REGION(s->chunk[k], (RLN_SLAB_FIRST_CHUNK << k) * s->size);
		rln_mem_free(s->chunk[k]);
	}
	memset(s, 0, sizeof(*s));
	return live;
}

static bool grow(struct rln_slab *s)
{
	uint32_t n = RLN_SLAB_FIRST_CHUNK << s->nchunks;
	size_t size;
	void *chunk;

	if (s->nchunks == RLN_SLAB_CHUNKS || __builtin_mul_overflow(n, s->size, &size))
		return false;
	chunk = rln_mem_alloc_aligned(size, s->align);
	if (!chunk)
		return false;
	s->chunk[s->nchunks++] = chunk;
	s->capacity += n;
	return true;
}

/* Objects are handed out in order of address. */
static rln_noinline void *alloc_fresh(struct rln_slab *s)
{
	struct rln_slot *slot;

	if (s->fresh == s->capacity && !grow(s))
		return NULL;
	slot = memset(rln_slab_place(s, s->fresh), 0, s->size);
	slot->index = s->fresh++;
	return slot;
}

void *rln_slab_alloc(struct rln_slab *s)
{
	struct rln_slab_free *f = s->free;
	struct rln_slot *slot;

	if (rln_unlikely(s->live >= s->max))
		return NULL;
	if (rln_likely(f != NULL)) {
		ASAN_UNPOISON_MEMORY_REGION(&f->slot + 1, s->size - sizeof(f->slot));
		s->free = f->next;
		slot = &f->slot;
	} else {
		slot = alloc_fresh(s);
		if (!slot)
			return NULL;
	}
	slot->gen++;
	s->live++;
	return slot;
}

void rln_slab_free(struct rln_slab *s, void *object)
{
	struct rln_slab_free *f = object;

	rln_assert(rln_slot_live(&f->slot) && rln_slab_at(s, f->slot.index) == f);
	f->slot.gen++;
	f->next = s->free;
	s->free = f;
	s->live--;
	ASAN_POISON_MEMORY_REGION(&f->slot + 1, s->size - sizeof(f->slot));
}

void *rln_slab_find(const struct rln_slab *s, uint64_t id)
{
	struct rln_slot *slot = rln_slab_at(s, (uint32_t)id);

	return slot && slot->gen == (uint32_t)(id >> 32) && rln_slot_live(slot) ? slot : NULL;
}
