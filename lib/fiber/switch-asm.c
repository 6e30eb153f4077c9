/* SPDX-License-Identifier: MIT */
/* Laying out the first frame for the assembly switches; switch.h has the order of the registers. */
#include "fiber/fiber.h"
#include "fiber/switch.h"

#ifdef RLN_FIBER_ASM

void rln_switch_start(void);
void rln_switch_visit(void *context, void (*fn)(void *arg), void *arg);

bool rln_switch_visit_context(void *context, void (*fn)(void *arg), void *arg)
{
	rln_switch_visit(context, fn, arg);
	return true;
}

#if defined(__x86_64__)

const char rln_fiber_kind[] = "x86-64";

#define FRAME_WORDS 8
enum { CONTROL_WORDS = 0, ARGUMENT = 4, ENTRY = 5, FRAME_POINTER = 6, RETURN = 7 };

/* Straight into the frame: to load what they store would take longer than all the rest. */
static void store_control_words(uintptr_t *to)
{
	__asm__ volatile("stmxcsr (%0)\n\tfnstcw 4(%0)" : : "r"(to) : "memory");
}

#elif defined(__aarch64__)

const char rln_fiber_kind[] = "aarch64";

#define FRAME_WORDS 22
enum { ENTRY = 0, ARGUMENT = 1, FRAME_POINTER = 10, RETURN = 11, CONTROL_WORDS = 20 };

static void store_control_words(uintptr_t *to)
{
	__asm__ volatile("mrs %0, fpcr" : "=r"(*to));
}

#endif

void *rln_switch_prepare(void *top, size_t size, void (*entry)(void *), void *arg)
{
	uintptr_t *frame = (uintptr_t *)top - FRAME_WORDS;
	int i;

	(void)size;
	for (i = 0; i < FRAME_WORDS; i++)
		frame[i] = 0;
	store_control_words(&frame[CONTROL_WORDS]);       /* a fiber starts with its creator's */
	frame[ENTRY] = (uintptr_t)entry;
	frame[ARGUMENT] = (uintptr_t)arg;
	frame[FRAME_POINTER] = 0;
	frame[RETURN] = (uintptr_t)rln_switch_start;
	return frame;
}

#else

_Static_assert(sizeof(struct rln_stack) > 0, "switch-ucontext.c is compiled instead");

#endif
