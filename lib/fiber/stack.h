/* SPDX-License-Identifier: MIT */
/*
 * A per-worker pool of fiber stacks.
 *
 * Stacks are cut from large mappings (slabs), each stack with an inaccessible guard page below it. Where the kernel
 * has MADV_GUARD_INSTALL (6.13) guards cost no extra mapping; otherwise mprotect() is used within a budget well
 * below vm.max_map_count, and beyond the budget a canary word stands in, checked when the stack comes back. Only
 * touched pages are resident; transparent huge pages are switched off for the slabs.
 *
 * Reuse is LIFO. A small stock of idle stacks stays warm; beyond it a stack that comes back gives its pages to the
 * kernel. Slabs are mapped on demand, small ones first.
 */
#ifndef RLN_FIBER_STACK_H
#define RLN_FIBER_STACK_H

#include "base/compiler.h"
#include "base/list.h"

#define RLN_STACK_DEFAULT_SIZE (64u * 1024)

enum rln_guard_kind {
	RLN_GUARD_MADVISE,        /* MADV_GUARD_INSTALL */
	RLN_GUARD_MPROTECT,       /* PROT_NONE page */
	RLN_GUARD_CANARY,         /* a word at the low end, checked at release */
};

struct rln_stack_slab;

/* A stack in the books. They lie outside the stacks, so that an idle one needs no page. */
struct rln_stack_slot {
	struct rln_list link;             /* in the pool while idle */
	struct rln_stack_slab *slab;
	uint32_t index;                   /* within the slab */
	uint32_t guard;                   /* enum rln_guard_kind */
};

/* A stack that was handed out. Two words, which travel in registers. */
struct rln_stack {
	void *base;               /* lowest usable address, above the guard; NULL: none */
	struct rln_stack_slot *slot;
};

struct rln_stack_pool_stats {
	uint64_t live;            /* stacks handed out */
	uint64_t idle;            /* stacks in the pool */
	uint64_t warm;            /* idle stacks that still hold pages */
	uint64_t mapped;          /* bytes of address space */
	uint64_t guard[3];        /* stacks ever made, by enum rln_guard_kind */
	uint64_t trimmed;         /* times a stack gave its pages back */
	uint64_t overflows;       /* canaries found damaged */
	uint64_t peak;            /* the most bytes a stack had in use; only if they are measured */
};

struct rln_stack_pool;

/*
 * *size*: usable bytes per stack, 0 for the default; rounded up to pages, raised to a minimum of 16 KiB plus the
 * signal frame. *allow_madvise_guard* false forces the fallback ("guard" in RINGLINE_DISABLE). 0, -EINVAL (absurd
 * size), -ENOMEM.
 */
int rln_stack_pool_new(struct rln_stack_pool **ret, size_t size, bool allow_madvise_guard) rln_must_check;

/* All stacks must have been released. Accepts NULL. */
void rln_stack_pool_free(struct rln_stack_pool *p);

/* A stack, warm if there is one. Its base is NULL if there is no memory. */
struct rln_stack rln_stack_acquire(struct rln_stack_pool *p) rln_must_check;
void rln_stack_release(struct rln_stack_pool *p, struct rln_stack s);

/* Gives the pages of all idle stacks but *keep* back to the kernel, and the mappings in which none is warm or live. */
void rln_stack_pool_trim(struct rln_stack_pool *p, uint64_t keep);

/* Are there more warm stacks than a stock? Then age() is to be called now and then, until there are not. */
bool rln_stack_pool_swollen(const struct rln_stack_pool *p);

/* Gives back the pages of stacks beyond the stock that nobody has needed since the last call; a part of them each time. */
void rln_stack_pool_age(struct rln_stack_pool *p);

/*
 * From now on looks how much of each stack was used when it comes back, and empties it: the peak of the next user is its own.
 * Costs in proportion to that.
 */
void rln_stack_pool_measure(struct rln_stack_pool *p);

/* Bytes from the top that have been written to since the stack was last empty. */
size_t rln_stack_peak(const struct rln_stack_pool *p, struct rln_stack s);

void rln_stack_pool_stats(const struct rln_stack_pool *p, struct rln_stack_pool_stats *ret);

/* Usable bytes per stack after rounding, and those of the guard below. */
size_t rln_stack_pool_size(const struct rln_stack_pool *p);
size_t rln_stack_pool_guard_size(const struct rln_stack_pool *p);

#endif
