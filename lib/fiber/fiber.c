/* SPDX-License-Identifier: MIT */
/*
 * Fibers on top of the switch; fiber.h tells the idea.
 *
 *     [guard][                stack, grows down                ][control block][colour]
 *            base                                              top             base + size
 *
 * The control block and the first frame share the topmost page. Tops are shifted by a multiple of a cache line that
 * varies from stack to stack (the colour): otherwise the hot lines of all fibers would fall into the same few cache
 * sets.
 */
#include <errno.h>

#include "fiber/fiber.h"
#include "fiber/switch.h"

#define CACHE_LINE 64u
#define COLOURS    8u

#ifdef RLN_HAVE_VALGRIND
_Atomic bool rln_sanitize_valgrind;
#endif

int rln_fiber_thread_init(struct rln_fiber_thread *t)
{
	t->sp = NULL;
	t->current = NULL;
	rln_sanitize_thread_init(&t->tool);
	return 0;
}

void rln_fiber_thread_fini(struct rln_fiber_thread *t)
{
	t->current = NULL;
}

static void fiber_main(void *arg)
{
	struct rln_fiber *f = arg;

	rln_sanitize_arrive(&f->tool, &f->thread->tool);
	f->fn(f->arg);
	f->ended = true;
	rln_fiber_leave(f, true);
	__builtin_unreachable();
}

static uintptr_t end_of(const struct rln_stack_pool *pool, const struct rln_stack *s)
{
	return (uintptr_t)s->base + rln_stack_pool_size(pool);
}

int rln_fiber_new(struct rln_fiber **ret, struct rln_stack_pool *pool, void (*fn)(void *), void *arg)
{
	struct rln_stack stack = rln_stack_acquire(pool);
	struct rln_fiber *f;
	uintptr_t top;

	if (!stack.base)
		return -ENOMEM;
	top = (end_of(pool, &stack) - sizeof(*f)) & ~(uintptr_t)(CACHE_LINE - 1);
	top -= stack.slot->index % COLOURS * CACHE_LINE;
	f = (struct rln_fiber *)top;
	f->thread = NULL;
	f->fn = fn;
	f->arg = arg;
	f->ended = false;
	f->pool = pool;
	f->stack = stack;
	rln_sanitize_fiber_init(&f->tool, stack.base, top - (uintptr_t)stack.base);
	f->sp = rln_switch_prepare((void *)top, top - (uintptr_t)stack.base, fiber_main, f);
	*ret = f;
	return 0;
}

void rln_fiber_free(struct rln_fiber *f)
{
	struct rln_stack_pool *pool = f->pool;
	struct rln_stack stack = f->stack;

	rln_assert(f->ended || !f->thread);
	rln_sanitize_fiber_fini(&f->tool);
	rln_sanitize_stack_reset(stack.base, end_of(pool, &stack) - (uintptr_t)stack.base);
	rln_stack_release(pool, stack);
}

void rln_fiber_bounds(const struct rln_fiber *f, void **low, void **high)
{
	*low = f->stack.base;
	*high = (void *)end_of(f->pool, &f->stack);
}

void *rln_fiber_sp(const struct rln_fiber *f)
{
	return f->sp;
}
