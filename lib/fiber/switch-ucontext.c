/* SPDX-License-Identifier: MIT */
/*
 * The switch by <ucontext.h>: works wherever libc has it, at the price of two system calls for the signal mask.
 *
 * The saved context lies on the stack that is being left, which stays as it is until it is continued. makecontext()
 * takes int arguments, so the two pointers travel in halves.
 */
#include "fiber/fiber.h"
#include "fiber/switch.h"

#ifdef RLN_FIBER_UCONTEXT

#include <ucontext.h>

const char rln_fiber_kind[] = "ucontext";

void rln_switch(void **save, void *to)
{
	ucontext_t here;

	*save = &here;
	swapcontext(&here, to);
	__asm__ volatile("" : : "r"(&here) : "memory");   /* *save is used while this frame is suspended */
}

static void *join(unsigned int high, unsigned int low)
{
	return (void *)(uintptr_t)((uint64_t)high << 32 | low);
}

static void start(unsigned int entry_high, unsigned int entry_low, unsigned int arg_high, unsigned int arg_low)
{
	void (*entry)(void *) = (void (*)(void *))(uintptr_t)join(entry_high, entry_low);

	entry(join(arg_high, arg_low));
}

bool rln_switch_visit_context(void *context, void (*fn)(void *arg), void *arg)
{
	(void)context;
	(void)fn;
	(void)arg;
	return false;             /* where its registers lie is libc's business */
}

void *rln_switch_prepare(void *top, size_t size, void (*entry)(void *), void *arg)
{
	uintptr_t at = ((uintptr_t)top - sizeof(ucontext_t)) & ~(uintptr_t)63;
	uint64_t e = (uintptr_t)entry;
	uint64_t a = (uintptr_t)arg;
	ucontext_t *context = (ucontext_t *)at;

	getcontext(context);
	context->uc_stack.ss_sp = (char *)top - size;
	context->uc_stack.ss_size = size - ((uintptr_t)top - at);
	context->uc_link = NULL;
	makecontext(context, (void (*)(void))start, 4, (unsigned int)(e >> 32), (unsigned int)e,
	            (unsigned int)(a >> 32), (unsigned int)a);
	return context;
}

#else

_Static_assert(sizeof(struct rln_stack) > 0, "an assembly switch is compiled instead");

#endif
