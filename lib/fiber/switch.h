/* SPDX-License-Identifier: MIT */
/*
 * The switch: two functions per architecture, everything else about fibers is portable.
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

/* A context that will call entry(arg) on the stack that ends at *top* (16-byte aligned). entry must not return. */
void *rln_switch_prepare(void *top, size_t size, void (*entry)(void *), void *arg);

#endif
