/* SPDX-License-Identifier: MIT */
/*
 * The switch: two functions per architecture, one of them in an inline form besides; everything else about fibers is
 * portable.
 *
 * A suspended context is one pointer. With the assembly switches it is the stack pointer, below which the callee-saved
 * registers lie in this order, from the pointer up, eight bytes each, so that a debugger can unwind a parked fiber:
 *
 *   x86-64    MXCSR and x87 control word (4 + 2 bytes), r15, r14, r13, r12, rbx, rbp, return address
 *   aarch64   x19 to x28, x29, x30 (the return address), d8 to d15, FPCR, padding
 *
 * Setting $pc to the address of the label rln_switch_resume and $sp to that pointer makes gdb's "bt" show the fiber.
 * With ucontext the pointer is a ucontext_t on the suspended stack.
 */
#ifndef RLN_FIBER_SWITCH_H
#define RLN_FIBER_SWITCH_H

#include "base/compiler.h"

/* Saves the running context, leaves a pointer to it in *save, and continues *to*; returns when it is continued. */
void rln_switch(void **save, void *to);

/*
 * The same without a call instruction, for the places where it matters.
 *
 * Processors predict returns from a stack of their own: calls push, returns pop (Intel 64 and IA-32 Architectures
 * Optimization Reference Manual, "Return stack"; AMD's 17h guide, "Return address stack"). A call that comes back by a
 * switch is never popped, so from then on every return is predicted one entry off: each return that a fiber makes after
 * it was resumed goes wrong, and there is one for every function between the task's code and the switch. Without the
 * call that stack stays balanced; and as most fibers of a server park in the same place, what the last one pushed there
 * is what the next one pops. Three returns deep, a round trip took 14 ns instead of 37.
 *
 * The return address is pushed by hand, below the stack pointer the compiler knows of: hence -mno-red-zone, without
 * which configure does not define RLN_SWITCH_INLINE. On a processor's side nothing else changes: what a parked context
 * looks like, and what a debugger is told, is the same.
 */
#if defined(RLN_SWITCH_INLINE) && defined(RLN_FIBER_ASM) && defined(__x86_64__)

#ifdef __AVX512F__
#define RLN_SWITCH_CLOBBERS_512 \
	, "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", \
	"xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#else
#define RLN_SWITCH_CLOBBERS_512
#endif

static rln_always_inline void rln_switch_inline(void **save, void *to)
{
	register void **rdi __asm__("rdi") = save;
	register void *rsi __asm__("rsi") = to;
	register void *rsp __asm__("rsp");        /* an operand, so that the frame is set up before */

	/* Clobbered is what the ABI lets a callee clobber. */
	__asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
	                 "pushq %%rax\n\t"
	                 "jmp rln_switch\n"
	                 "1:"
	                 : "+r"(rdi), "+r"(rsi), "+r"(rsp)
	                 :
	                 : "memory", "cc", "rax", "rcx", "rdx", "r8", "r9", "r10", "r11",
	                   "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)",
	                   "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
	                   "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
	                   RLN_SWITCH_CLOBBERS_512);
}

#else

static rln_always_inline void rln_switch_inline(void **save, void *to)
{
	rln_switch(save, to);
}

#endif

/*
 * Calls fn(arg) on the stack of a suspended context, below what lies there, and comes back. For the unwinder it is a call by
 * the function that was suspended. False, and nothing was called, with ucontext.
 */
bool rln_switch_visit_context(void *context, void (*fn)(void *arg), void *arg);

/* A context that will call entry(arg) on the stack that ends at *top* (16-byte aligned). entry must not return. */
void *rln_switch_prepare(void *top, size_t size, void (*entry)(void *), void *arg);

#endif
