/* SPDX-License-Identifier: MIT */
/*
 * Type-stable object slabs with generations.
 *
 * Objects of one type live in chunks that are never moved and never returned before rln_slab_fini(), so a stale
 * pointer always points at an object of the right type. Every object starts with a struct rln_slot; its generation
 * changes each time the object is handed out or freed, so a 64-bit id (generation and index) taken earlier is
 * recognised as stale, for as many as 2^31 further lives of the slot.
 *
 * A slab belongs to one thread. An object is zero but for its slot when it is handed out for the first time, and as it
 * was left later, but for the link that follows the slot: free objects are linked through it. The free list is LIFO, so
 * the next object is the one whose cache lines are warm.
 *
 * Chunks double in size (8, 16, 32, ...) so that a small process stays small and a table of a million objects needs few
 * allocations. What of a chunk was never handed out is not touched, and so not resident.
 */
#ifndef RLN_BASE_SLAB_H
#define RLN_BASE_SLAB_H

#include "base/compiler.h"

#define RLN_SLAB_FIRST_CHUNK 8u
#define RLN_SLAB_CHUNKS      28u

/* First member of every object of a slab. */
struct rln_slot {
	uint32_t index;
	uint32_t gen;             /* odd while the object is live, even while it is free */
};

struct rln_slab_free;

struct rln_slab {
	void *chunk[RLN_SLAB_CHUNKS];   /* chunk k holds RLN_SLAB_FIRST_CHUNK << k objects */
	struct rln_slab_free *free;     /* what was given back, last first */
	uint32_t fresh;                 /* the lowest index that was never handed out */
	uint32_t nchunks;
	uint32_t live;
	uint32_t capacity;
	uint32_t max;
	uint32_t align;
	size_t size;
};

/*
 * *size* includes the slot, and room for a pointer behind it; it is rounded up to *align* (a power of two). At most
 * *max* objects are live (0: no limit).
 */
void rln_slab_init(struct rln_slab *s, size_t size, size_t align, uint32_t max);

/* Frees all memory. Live objects are the caller's bug; their number is returned, to be asserted or logged. */
uint32_t rln_slab_fini(struct rln_slab *s);

/* Returns an object, or NULL when *max* are live or memory is short. */
void *rln_slab_alloc(struct rln_slab *s) rln_must_check;

/* Gives a live object back and moves its generation on. */
void rln_slab_free(struct rln_slab *s, void *object);

/* Where the object of an index that has been handed out lies. */
static inline void *rln_slab_place(const struct rln_slab *s, uint32_t index)
{
	uint32_t scaled = index / RLN_SLAB_FIRST_CHUNK + 1;
	uint32_t k = 31u - (uint32_t)__builtin_clz(scaled);

	index -= RLN_SLAB_FIRST_CHUNK * ((1u << k) - 1);
	return (char *)s->chunk[k] + (size_t)index * s->size;
}

/* The object at *index*, live or not; NULL if there never was one. */
static inline void *rln_slab_at(const struct rln_slab *s, uint32_t index)
{
	return index < s->fresh ? rln_slab_place(s, index) : NULL;
}

/* The live object whose id is *id*, or NULL if it was freed since (or never existed). */
void *rln_slab_find(const struct rln_slab *s, uint64_t id);

/* True if the object, live or not, came from this slab. */
static inline bool rln_slab_owns(const struct rln_slab *s, const struct rln_slot *slot)
{
	return rln_slab_at(s, slot->index) == (const void *)slot;
}

static inline uint64_t rln_slot_id(const struct rln_slot *slot)
{
	return (uint64_t)slot->gen << 32 | slot->index;
}

static inline bool rln_slot_live(const struct rln_slot *slot)
{
	return slot->gen & 1u;
}

#endif
