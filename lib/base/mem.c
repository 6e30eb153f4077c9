/* SPDX-License-Identifier: MIT */
/* Allocation; mem.h tells the rules. */
#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/mem.h"

static void *default_alloc(size_t size, size_t align, void *arg)
{
	void *p;

	(void)arg;
	if (align <= alignof(max_align_t))
		return malloc(size);
	return posix_memalign(&p, align, size) == 0 ? p : NULL;
}

static void default_free(void *ptr, void *arg)
{
	(void)arg;
	free(ptr);
}

static const struct rln_allocator fallback = { default_alloc, default_free, NULL };
static struct rln_allocator allocator = { default_alloc, default_free, NULL };
static _Atomic uint64_t live;

int rln_mem_set_allocator(const struct rln_allocator *a)
{
	if (atomic_load(&live))
		return -EBUSY;
	allocator = a ? *a : fallback;
	return 0;
}

void *rln_mem_alloc_aligned(size_t size, size_t align)
{
	void *p;

	if (rln_fault(RLN_FAULT_ALLOC))
		return NULL;
	p = allocator.alloc(size, align, allocator.arg);
	if (p)
		atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
	return p;
}

void *rln_mem_alloc(size_t size)
{
	return rln_mem_alloc_aligned(size, alignof(max_align_t));
}

void *rln_mem_zalloc(size_t size)
{
	void *p = rln_mem_alloc(size);

	return p ? memset(p, 0, size) : NULL;
}

char *rln_mem_strdup(const char *s)
{
	size_t size = strlen(s) + 1;
	char *p = rln_mem_alloc(size);

	return p ? memcpy(p, s, size) : NULL;
}

void rln_mem_free(void *ptr)
{
	if (!ptr)
		return;
	atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
	allocator.free(ptr, allocator.arg);
}

uint64_t rln_mem_live(void)
{
	return atomic_load_explicit(&live, memory_order_relaxed);
}
