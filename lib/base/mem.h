/* SPDX-License-Identifier: MIT */
/*
 * Allocation through the host's allocator, every call a fault point.
 *
 * The allocator is process-wide: it is installed before the first runtime exists and must be thread-safe. Sizes are
 * never zero. All library memory but fiber stacks, rings and receive buffers (which are mapped) comes from here; the
 * number of live blocks is counted so that a test can demand that nothing was left behind.
 */
#ifndef RLN_BASE_MEM_H
#define RLN_BASE_MEM_H

#include "base/compiler.h"

struct rln_allocator {
	void *(*alloc)(size_t size, size_t align, void *arg);
	void (*free)(void *ptr, void *arg);
	void *arg;
};

/* NULL restores malloc. 0, or -EBUSY while blocks of the present allocator are live. Any thread. */
int rln_mem_set_allocator(const struct rln_allocator *a);

void *rln_mem_alloc(size_t size) rln_must_check;
void *rln_mem_zalloc(size_t size) rln_must_check;
void *rln_mem_alloc_aligned(size_t size, size_t align) rln_must_check;
char *rln_mem_strdup(const char *s) rln_must_check;
void rln_mem_free(void *ptr);

/* Blocks allocated and not yet freed, over all threads. */
uint64_t rln_mem_live(void);

#endif
