/* SPDX-License-Identifier: MIT */
/*
 * What gdb-fiber.sh looks at: a fiber parked three functions deep, and another one that is three functions deep when it
 * calls breakpoint_here(). The program does no harm if it is run by itself.
 */
#include <stdio.h>

#include "fiber/fiber.h"

void *volatile parked_sp;                 /* of the parked fiber, for the debugger */

static struct rln_fiber_thread thread;

/* Keeps a function from being inlined, cloned, or left by a jump. */
#define HERE() __asm__ volatile("" : : : "memory")

static rln_noinline void breakpoint_here(void)
{
	HERE();
}

static rln_noinline void parked_inner(void)
{
	rln_fiber_suspend(&thread);
	HERE();
}

static rln_noinline void parked_middle(void)
{
	parked_inner();
	HERE();
}

static rln_noinline void parked_outer(void *arg)
{
	(void)arg;
	parked_middle();
	HERE();
}

static rln_noinline void running_inner(void)
{
	breakpoint_here();
	HERE();
}

static rln_noinline void running_middle(void)
{
	running_inner();
	HERE();
}

static rln_noinline void running_outer(void *arg)
{
	(void)arg;
	running_middle();
	HERE();
}

static int run(struct rln_stack_pool *pool)
{
	struct rln_fiber *running;
	struct rln_fiber *parked;

	if (rln_fiber_new(&parked, pool, parked_outer, NULL) < 0 || rln_fiber_new(&running, pool, running_outer, NULL) < 0)
		return 1;
	rln_fiber_resume(&thread, parked);
	parked_sp = rln_fiber_sp(parked);
	rln_fiber_resume(&thread, running);
	rln_fiber_resume(&thread, parked);
	rln_fiber_free(running);
	rln_fiber_free(parked);
	return 0;
}

int main(void)
{
	struct rln_stack_pool *pool;
	int r;

	if (rln_fiber_thread_init(&thread) < 0 || rln_stack_pool_new(&pool, 0, true) < 0)
		return 1;
	puts(rln_fiber_kind);
	fflush(stdout);
	r = run(pool);
	rln_stack_pool_free(pool);
	rln_fiber_thread_fini(&thread);
	return r;
}
