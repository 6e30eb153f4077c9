/* SPDX-License-Identifier: MIT */
/*
 * Looking at stacks: how full they are, and who called whom.
 *
 * A suspended fiber is unwound by calling the unwinder on its own stack (rln_switch_visit_context()): what the library that
 * does the unwinding knows of the thread stays true, and nothing of the fiber is changed but memory below its stack pointer.
 */
#include "fiber/fiber.h"

#ifdef RLN_HAVE_BACKTRACE
#include <execinfo.h>
#endif

/* What the unwinder needs, with room to spare. */
#define UNWINDER_STACK (12u * 1024)

size_t rln_fiber_stack_size(const struct rln_fiber *f)
{
	return rln_stack_pool_size(f->pool);
}

bool rln_fiber_guards(const struct rln_fiber *f, const void *address)
{
	uintptr_t base = (uintptr_t)f->stack.base;

	return (uintptr_t)address < base && (uintptr_t)address >= base - rln_stack_pool_guard_size(f->pool);
}

size_t rln_fiber_stack_used(const struct rln_fiber *f)
{
	uintptr_t sp = f->thread && f->thread->current == f ? (uintptr_t)__builtin_frame_address(0) : (uintptr_t)f->sp;

	return (uintptr_t)f->stack.base + rln_stack_pool_size(f->pool) - sp;
}

size_t rln_fiber_stack_peak(const struct rln_fiber *f)
{
	return rln_stack_peak(f->pool, f->stack);
}

size_t rln_backtrace_here(void **frames, size_t max)
{
#ifdef RLN_HAVE_BACKTRACE
	int n = backtrace(frames, max < 1024 ? (int)max : 1024);

	return n > 0 ? (size_t)n : 0;
#else
	(void)frames;
	(void)max;
	return 0;
#endif
}

struct visit {
	void **frames;
	size_t max;
	size_t n;
};

static void visit(void *arg)
{
	struct visit *v = arg;

	v->n = rln_backtrace_here(v->frames, v->max);
}

/* The frames of the visit itself, which are above the fiber's. */
#define OWN_FRAMES 3u

size_t rln_fiber_backtrace(struct rln_fiber *f, void **frames, size_t max)
{
	void *all[64 + OWN_FRAMES];
	struct visit v = { .frames = all, .max = rln_min(max + OWN_FRAMES, rln_array_size(all)) };
	void *first[2];
	size_t i;

	if (f->ended || !f->thread || f->thread->current == f || (char *)f->sp - (char *)f->stack.base < UNWINDER_STACK)
		return 0;
	(void)rln_backtrace_here(first, 2);   /* loads the unwinder, on a stack that is large enough for it */
	if (!rln_switch_visit_context(f->sp, visit, &v) || v.n <= OWN_FRAMES)
		return 0;
	for (i = OWN_FRAMES; i < v.n; i++)
		frames[i - OWN_FRAMES] = all[i];
	return v.n - OWN_FRAMES;
}
