/* SPDX-License-Identifier: MIT */
/* Laying out the first frame for the assembly switches; switch.h has the order of the registers. */
#include "fiber/fiber.h"
#include "fiber/switch.h"

#ifdef RLN_FIBER_ASM

void rln_switch_start(void);

#if defined(__x86_64__)

const char rln_fiber_kind[] = "x86-64";

#define FRAME_WORDS 8
enum { CONTROL_WORDS = 0, ARGUMENT = 4, ENTRY = 5, FRAME_POINTER = 6, RETURN = 7 };

/* The control words a new fiber starts with are its creator's. */
static uintptr_t control_words(void)
{
	uint32_t mxcsr;
	uint16_t x87;

	__asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
	return (uintptr_t)x87 << 32 | mxcsr;
}

#elif defined(__aarch64__)

const char rln_fiber_kind[] = "aarch64";

#define FRAME_WORDS 22
enum { ENTRY = 0, ARGUMENT = 1, FRAME_POINTER = 10, RETURN = 11, CONTROL_WORDS = 20 };

static uintptr_t control_words(void)
{
	uintptr_t fpcr;

	__asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
	return fpcr;
}

#endif

void *rln_switch_prepare(void *top, size_t size, void (*entry)(void *), void *arg)
{
	uintptr_t *frame = (uintptr_t *)top - FRAME_WORDS;
	int i;

	(void)size;
	for (i = 0; i < FRAME_WORDS; i++)
		frame[i] = 0;
	frame[CONTROL_WORDS] = control_words();
	frame[ENTRY] = (uintptr_t)entry;
	frame[ARGUMENT] = (uintptr_t)arg;
	frame[FRAME_POINTER] = 0;
	frame[RETURN] = (uintptr_t)rln_switch_start;
	return frame;
}

#else

_Static_assert(sizeof(struct rln_stack) > 0, "switch-ucontext.c is compiled instead");

#endif
