/* SPDX-License-Identifier: MIT */
/*
 * The stack pool; stack.h tells the idea.
 *
 *     idle, warm  <--release--  live  --acquire-->     warm: LIFO, still holds pages
 *         | beyond the stock and not needed for a while (age), trim
 *         v
 *     idle, cold   its pages were given back; used when no warm one is left
 *
 * Pages are not given back at the release: a worker whose tasks come in waves would fetch them again, at fifty times the
 * price of a task. What the lowest level of the warm ones was since the last look is what nobody needed.
 *
 * Slabs start small and double, up to 512 stacks or 64 MiB: where overcommit is forbidden a mapping counts whole,
 * whatever it is used for.
 *
 * Guards: MADV_GUARD_INSTALL costs no mapping but is refused on old kernels and on locked memory, so every slab asks
 * anew; mprotect() splits the mapping in two per stack and would exhaust vm.max_map_count for the whole process, so
 * a budget bounds it; beyond that a canary word at the low end is looked at when the stack comes back.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "fiber/sanitize.h"
#include "fiber/stack.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

#define MIN_SIZE        (16u * 1024)
#define MAX_SIZE        ((size_t)1 << 30)
#define FIRST_SLAB      16u
#define LARGEST_SLAB    512u
#define LARGEST_MAPPING ((size_t)64 << 20)
#define WARM_MIN        64u
#define COOL_MIN        256u
#define MPROTECT_BUDGET 8192u
#define MAP_COUNT       65530u
#define CANARY          UINT64_C(0x7269676c696e6521)

struct rln_stack_slab {
	struct rln_list link;             /* pool->slabs */
	char *map;
	size_t map_size;
	uint32_t count;
	uint32_t cold;                    /* valid within trim() */
	bool madvise_guard;               /* not refused yet */
	struct rln_stack_slot slot[];
};

struct rln_stack_pool {
	struct rln_list slabs;
	struct rln_list warm;             /* most recently used first */
	struct rln_list cold;
	size_t page;
	size_t size;                      /* usable bytes per stack */
	uint32_t next_count;              /* stacks of the next slab */
	bool madvise_guard;               /* allowed */
	bool measure;
	struct rln_stack_pool_stats stats;   /* but for idle */
	uint64_t lowest;                  /* the fewest warm ones since the last look */
	uint64_t made;                    /* stacks there are: idle ones are those that are not live */
};

/* Stacks of this process that are guarded by mprotect(). */
static _Atomic uint32_t mprotect_used;

static uint32_t mprotect_budget(void)
{
	static _Atomic uint32_t cached;
	uint32_t budget = atomic_load_explicit(&cached, memory_order_relaxed);
	unsigned int count = MAP_COUNT;
	FILE *f;

	if (budget)
		return budget;
	f = fopen("/proc/sys/vm/max_map_count", "re");
	if (f) {
		if (fscanf(f, "%u", &count) != 1)
			count = MAP_COUNT;
		fclose(f);
	}
	budget = rln_min(count / 4, MPROTECT_BUDGET);
	atomic_store_explicit(&cached, budget, memory_order_relaxed);
	return budget;
}

static size_t round_up(size_t n, size_t unit)
{
	return (n + unit - 1) / unit * unit;
}

int rln_stack_pool_new(struct rln_stack_pool **ret, size_t size, bool allow_madvise_guard)
{
	struct rln_stack_pool *p;
	size_t least = MIN_SIZE + getauxval(AT_MINSIGSTKSZ);

	if (size > MAX_SIZE)
		return -EINVAL;
	p = rln_mem_zalloc(sizeof(*p));
	if (!p)
		return -ENOMEM;
	rln_list_init(&p->slabs);
	rln_list_init(&p->warm);
	rln_list_init(&p->cold);
	p->page = (size_t)sysconf(_SC_PAGESIZE);
	p->size = round_up(rln_max(size ? size : RLN_STACK_DEFAULT_SIZE, least), p->page);
	p->next_count = FIRST_SLAB;
	p->madvise_guard = allow_madvise_guard;
	*ret = p;
	return 0;
}

size_t rln_stack_pool_size(const struct rln_stack_pool *p)
{
	return p->size;
}

size_t rln_stack_pool_guard_size(const struct rln_stack_pool *p)
{
	return p->page;
}

static char *stack_base(const struct rln_stack_pool *p, const struct rln_stack_slot *s)
{
	return s->slab->map + s->index * (p->size + p->page) + p->page;
}

/* Guards */

static bool guard_by_madvise(const struct rln_stack_pool *p, struct rln_stack_slab *slab, char *guard)
{
	if (!slab->madvise_guard)
		return false;
	if (!rln_fault(RLN_FAULT_GUARD) && madvise(guard, p->page, MADV_GUARD_INSTALL) == 0)
		return true;
	slab->madvise_guard = false;
	return false;
}

static bool guard_by_mprotect(const struct rln_stack_pool *p, char *guard)
{
	if (atomic_fetch_add(&mprotect_used, 1) < mprotect_budget() && mprotect(guard, p->page, PROT_NONE) == 0)
		return true;
	atomic_fetch_sub(&mprotect_used, 1);
	return false;
}

static void guard(struct rln_stack_pool *p, struct rln_stack_slot *s)
{
	char *low = stack_base(p, s) - p->page;

	if (guard_by_madvise(p, s->slab, low))
		s->guard = RLN_GUARD_MADVISE;
	else if (guard_by_mprotect(p, low))
		s->guard = RLN_GUARD_MPROTECT;
	else
		s->guard = RLN_GUARD_CANARY;
	p->stats.guard[s->guard]++;
}

static void set_canary(const struct rln_stack_pool *p, const struct rln_stack_slot *s)
{
	if (s->guard == RLN_GUARD_CANARY)
		*(uint64_t *)(void *)stack_base(p, s) = CANARY;
}

static void check_canary(struct rln_stack_pool *p, const struct rln_stack_slot *s)
{
	if (rln_likely(s->guard != RLN_GUARD_CANARY) || *(uint64_t *)(void *)stack_base(p, s) == CANARY)
		return;
	p->stats.overflows++;
	rln_log(RLN_LOG_ERROR, "a task has overflowed its stack of %zu bytes: memory next to it is damaged", p->size);
}

/* Slabs */

static void *map_slab(size_t size)
{
	void *map;

	if (rln_fault(RLN_FAULT_MMAP))
		return MAP_FAILED;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (map != MAP_FAILED)
		madvise(map, size, MADV_NOHUGEPAGE);   /* a huge page would be resident whole for one frame */
	return map;
}

static uint32_t next_count(const struct rln_stack_pool *p)
{
	size_t fit = LARGEST_MAPPING / (p->size + p->page);

	return (uint32_t)rln_min(p->next_count, rln_max(fit, (size_t)1));
}

static rln_cold int add_slab(struct rln_stack_pool *p)
{
	uint32_t n = next_count(p);
	struct rln_stack_slab *slab = rln_mem_zalloc(sizeof(*slab) + n * sizeof(slab->slot[0]));
	uint32_t i;

	if (!slab)
		return -ENOMEM;
	slab->count = n;
	slab->madvise_guard = p->madvise_guard;
	slab->map_size = n * (p->size + p->page);
	slab->map = map_slab(slab->map_size);
	if (slab->map == MAP_FAILED) {
		rln_mem_free(slab);
		return -ENOMEM;
	}
	rln_list_init(&slab->link);
	rln_list_add_tail(&p->slabs, &slab->link);
	for (i = 0; i < n; i++) {
		struct rln_stack_slot *s = &slab->slot[i];

		s->slab = slab;
		s->index = i;
		rln_list_init(&s->link);
		guard(p, s);
		rln_list_add_tail(&p->cold, &s->link);
	}
	p->made += n;
	p->stats.mapped += slab->map_size;
	p->next_count = rln_min(p->next_count * 2, LARGEST_SLAB);
	return 0;
}

static void free_slab(struct rln_stack_pool *p, struct rln_stack_slab *slab)
{
	uint32_t i;

	for (i = 0; i < slab->count; i++) {
		rln_list_del(&slab->slot[i].link);
		if (slab->slot[i].guard == RLN_GUARD_MPROTECT)
			atomic_fetch_sub(&mprotect_used, 1);
	}
	p->made -= slab->count;
	p->stats.mapped -= slab->map_size;
	munmap(slab->map, slab->map_size);
	rln_list_del(&slab->link);
	rln_mem_free(slab);
}

void rln_stack_pool_free(struct rln_stack_pool *p)
{
	struct rln_list *node;

	if (!p)
		return;
	while ((node = rln_list_first(&p->slabs)))
		free_slab(p, rln_list_entry(node, struct rln_stack_slab, link));
	rln_mem_free(p);
}

/* Stacks */

static rln_noinline struct rln_list *take_cold(struct rln_stack_pool *p)
{
	return rln_list_empty(&p->cold) && add_slab(p) < 0 ? NULL : rln_list_pop(&p->cold);
}

struct rln_stack rln_stack_acquire(struct rln_stack_pool *p)
{
	struct rln_list *node = p->warm.next;
	struct rln_stack_slot *s;

	if (rln_likely(node != &p->warm)) {
		rln_list_del(node);
		p->stats.warm--;
		if (p->stats.warm < p->lowest)
			p->lowest = p->stats.warm;
	} else {
		node = take_cold(p);
		if (!node)
			return (struct rln_stack){ NULL, NULL };
	}
	s = rln_list_entry(node, struct rln_stack_slot, link);
	p->stats.live++;
	set_canary(p, s);
	return (struct rln_stack){ .base = stack_base(p, s), .slot = s };
}

/* Gives back the pages of the warm stack that was used longest ago. */
static rln_noinline void cool_one(struct rln_stack_pool *p)
{
	struct rln_stack_slot *s = rln_list_entry(p->warm.prev, struct rln_stack_slot, link);

	if (madvise(stack_base(p, s), p->size, MADV_DONTNEED) == 0)
		p->stats.trimmed++;       /* refused where the host locks its memory */
	rln_list_del(&s->link);
	rln_list_add_head(&p->cold, &s->link);
	p->stats.warm--;
}

/* Word by word from the low end: what was never written to is zero. Not for sanitizers, which mark what is no object. */
__attribute__((no_sanitize("address", "thread")))
size_t rln_stack_peak(const struct rln_stack_pool *p, struct rln_stack stack)
{
	const uint64_t *low = stack.base;
	const uint64_t *word = low + (stack.slot->guard == RLN_GUARD_CANARY);
	const uint64_t *end = low + p->size / sizeof(*low);

	rln_sanitize_stack_look(stack.base, p->size);
	while (word < end && !*word)
		word++;
	return (size_t)((const char *)end - (const char *)word);
}

void rln_stack_pool_measure(struct rln_stack_pool *p)
{
	p->measure = true;
}

static void measure(struct rln_stack_pool *p, struct rln_stack stack)
{
	size_t peak = rln_stack_peak(p, stack);

	p->stats.peak = rln_max(p->stats.peak, peak);
	memset((char *)stack.base + p->size - peak, 0, peak);
}

void rln_stack_release(struct rln_stack_pool *p, struct rln_stack stack)
{
	struct rln_stack_slot *s = stack.slot;

	check_canary(p, s);
	if (rln_unlikely(p->measure))
		measure(p, stack);
	p->stats.live--;
	p->stats.warm++;
	rln_list_add_head(&p->warm, &s->link);
}

static uint64_t stock(const struct rln_stack_pool *p)
{
	return rln_max(WARM_MIN, p->stats.live / 8);
}

bool rln_stack_pool_swollen(const struct rln_stack_pool *p)
{
	return p->stats.warm > stock(p);
}

static void count_cold(struct rln_stack_pool *p)
{
	struct rln_list *it;

	rln_list_for_each (it, &p->slabs)
		rln_list_entry(it, struct rln_stack_slab, link)->cold = 0;
	rln_list_for_each (it, &p->cold)
		rln_list_entry(it, struct rln_stack_slot, link)->slab->cold++;
}

/* The first slab stays, so that a pool that idles and wakes again does not map and unmap. */
static void free_cold_slabs(struct rln_stack_pool *p)
{
	struct rln_list *it;
	struct rln_list *tmp;

	count_cold(p);
	rln_list_for_each_safe (it, tmp, &p->slabs) {
		struct rln_stack_slab *slab = rln_list_entry(it, struct rln_stack_slab, link);

		if (slab->cold == slab->count && it != p->slabs.next)
			free_slab(p, slab);
	}
}

void rln_stack_pool_trim(struct rln_stack_pool *p, uint64_t keep)
{
	while (p->stats.warm > keep)
		cool_one(p);
	free_cold_slabs(p);
}

void rln_stack_pool_age(struct rln_stack_pool *p)
{
	uint64_t spare = rln_stack_pool_swollen(p) ? p->stats.warm - stock(p) : 0;
	uint64_t n = rln_min(rln_min(p->lowest, spare), rln_max(COOL_MIN, p->stats.warm / 4));

	while (n--)
		cool_one(p);
	p->lowest = p->stats.warm;
	if (!p->stats.live && !rln_stack_pool_swollen(p))
		free_cold_slabs(p);
}

void rln_stack_pool_stats(const struct rln_stack_pool *p, struct rln_stack_pool_stats *ret)
{
	*ret = p->stats;
	ret->idle = p->made - p->stats.live;
}
