/* SPDX-License-Identifier: MIT */
/*
 * What the tests of fibers and of stacks share: a thread's context with a pool, and entry functions.
 *
 * Sanitizers and valgrind have memory of their own and put red zones into frames: there figures are not looked at,
 * and the numbers are smaller. Who needs a kernel with MADV_GUARD_INSTALL skips without it.
 */
#ifndef RLN_TESTS_FIBER_FIXTURE_H
#define RLN_TESTS_FIBER_FIXTURE_H

#include <glib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases.h"
#include "fiber/fiber.h"

struct env {
	struct rln_fiber_thread thread;
	struct rln_stack_pool *pool;
};

static inline void env_init(struct env *e, size_t size, bool madvise_guard)
{
	g_assert_cmpint(rln_fiber_thread_init(&e->thread), ==, 0);
	g_assert_cmpint(rln_stack_pool_new(&e->pool, size, madvise_guard), ==, 0);
}

static inline struct rln_stack_pool_stats stats_of(const struct env *e)
{
	struct rln_stack_pool_stats s;

	rln_stack_pool_stats(e->pool, &s);
	return s;
}

static inline void env_fini(struct env *e)
{
	g_assert_cmpuint(stats_of(e).live, ==, 0);
	rln_stack_pool_free(e->pool);
	rln_fiber_thread_fini(&e->thread);
}

static inline struct rln_fiber *new_fiber(struct env *e, void (*fn)(void *), void *arg)
{
	struct rln_fiber *f = NULL;

	g_assert_cmpint(rln_fiber_new(&f, e->pool, fn, arg), ==, 0);
	return f;
}

/* Resumes a fiber that is about to end, and frees it. */
static inline void finish(struct env *e, struct rln_fiber *f)
{
	g_assert_true(rln_fiber_resume(&e->thread, f));
	rln_fiber_free(f);
}

static inline void run(struct env *e, void (*fn)(void *), void *arg)
{
	finish(e, new_fiber(e, fn, arg));
}

static inline struct rln_stack acquire(struct env *e)
{
	struct rln_stack s = rln_stack_acquire(e->pool);

	g_assert_nonnull(s.base);
	return s;
}

/* Usable bytes of each stack. */
static inline size_t stack_size(const struct env *e)
{
	return rln_stack_pool_size(e->pool);
}

static inline bool kernel_guards(void)
{
	uint64_t guarded;
	struct env e;

	env_init(&e, 0, true);
	rln_stack_release(e.pool, acquire(&e));
	guarded = stats_of(&e).guard[RLN_GUARD_MADVISE];
	env_fini(&e);
	return guarded > 0;
}

static inline size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static inline unsigned int resident_pages(const void *base, size_t size)
{
	unsigned char *vec = g_malloc0(size / page_size());
	unsigned int n = 0;
	size_t i;

	g_assert_cmpint(mincore((void *)(uintptr_t)base, size, vec), ==, 0);
	for (i = 0; i < size / page_size(); i++)
		n += vec[i] & 1u;
	g_free(vec);
	return n;
}

/* Entry functions */

static inline void parks(void *arg)
{
	rln_fiber_suspend(arg);
}

static inline uint32_t descend(uint32_t depth)
{
	volatile char frame[200];

	memset((char *)(uintptr_t)frame, (int)depth, sizeof(frame));
	if (!depth)
		return 1;
	return descend(depth - 1) + (frame[199] == (char)depth);
}

static inline void descends(void *arg)
{
	uint32_t *depth = arg;

	*depth = descend(*depth);
}

#endif
