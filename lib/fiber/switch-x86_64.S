/* SPDX-License-Identifier: MIT */
/*
 * The switch for x86-64 (System V ABI): rbx, rbp, r12 to r15, the stack pointer, and the control bits of MXCSR and
 * of the x87 unit are the callee's to preserve.
 *
 * The routine ends in pop and jump instead of ret: a ret to another stack is always mispredicted. That is also why
 * the object is marked for IBT and not for SHSTK: with user shadow stacks the jump would leave a stale entry behind,
 * and without one shadow stack per fiber a ret could not work either. A process that links the library therefore
 * runs without shadow stacks, which is safe; claiming them would not be.
 */
#if defined(__x86_64__) && defined(RLN_FIBER_ASM)

	.text

/* void rln_switch(void **save, void *to) */
	.globl	rln_switch
	.hidden	rln_switch
	.type	rln_switch, @function
	.p2align 6
rln_switch:
	.cfi_startproc
	endbr64
	/* first, because a load of what they store is slow to come: the pushes fill that time (the red zone is ours) */
	stmxcsr	-56(%rsp)
	fnstcw	-52(%rsp)
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r15, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	movl	(%rsp), %eax
	movzwl	4(%rsp), %ecx

	movq	%rsp, (%rdi)
	movq	%rsi, %rsp

	.globl	rln_switch_resume
	.hidden	rln_switch_resume
rln_switch_resume:
	/* loading control words is slow, and they hardly ever differ; rounding modes and masks count, status flags do not */
	xorl	(%rsp), %eax
	testl	$0xffc0, %eax
	jnz	.Lload_mxcsr
.Lcheck_x87:
	cmpw	4(%rsp), %cx
	jne	.Lload_x87
.Lregisters:
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	popq	%rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register %rip, %rcx
	notrack jmp *%rcx
	.cfi_endproc

	.cfi_startproc
	.cfi_def_cfa %rsp, 64
	.cfi_offset %rbp, -16
	.cfi_offset %rbx, -24
	.cfi_offset %r12, -32
	.cfi_offset %r13, -40
	.cfi_offset %r14, -48
	.cfi_offset %r15, -56
.Lload_mxcsr:
	ldmxcsr	(%rsp)
	jmp	.Lcheck_x87
.Lload_x87:
	fldcw	4(%rsp)
	jmp	.Lregisters
	.cfi_endproc
	.size	rln_switch, . - rln_switch

/*
 * void rln_switch_visit(void *context, void (*fn)(void *), void *arg): calls fn on the stack of a suspended context, as if
 * that had called it where it was suspended. What the unwinder is told of the call is what rln_switch_resume tells: the
 * registers lie where the context says, so that a backtrace made by fn shows the fiber's functions.
 */
	.globl	rln_switch_visit
	.hidden	rln_switch_visit
	.type	rln_switch_visit, @function
	.p2align 4
rln_switch_visit:
	.cfi_startproc
	endbr64
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	movq	%rsp, %rbx
	movq	%rdi, %rsp		/* a multiple of 16, as a call wants it */
	.cfi_remember_state
	.cfi_def_cfa %rsp, 64
	.cfi_offset %rbp, -16
	.cfi_offset %rbx, -24
	.cfi_offset %r12, -32
	.cfi_offset %r13, -40
	.cfi_offset %r14, -48
	.cfi_offset %r15, -56
	movq	%rdx, %rdi
	call	*%rsi
	movq	%rbx, %rsp
	.cfi_restore_state
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	ret
	.cfi_endproc
	.size	rln_switch_visit, . - rln_switch_visit

/*
 * The first frame of a fiber: rbx is the entry function, r12 its argument. No caller: the unwinder stops here. Not a
 * call, because the entry function never returns: see rln_switch_inline() in switch.h.
 */
	.globl	rln_switch_start
	.hidden	rln_switch_start
	.type	rln_switch_start, @function
	.p2align 4
	.cfi_startproc
	.cfi_undefined %rip
	nop				/* an unwinder looks up the return address minus one */
rln_switch_start:
	endbr64
	movq	%r12, %rdi
	leaq	.Lreturn(%rip), %rax
	pushq	%rax
	jmp	*%rbx
.Lreturn:
	ud2
	.cfi_endproc
	.size	rln_switch_start, . - rln_switch_start

	.section .note.gnu.property, "a"
	.p2align 3
	.long	4			/* length of the name */
	.long	16			/* length of the properties */
	.long	5			/* NT_GNU_PROPERTY_TYPE_0 */
	.asciz	"GNU"
	.long	0xc0000002		/* GNU_PROPERTY_X86_FEATURE_1_AND */
	.long	4
	.long	1			/* IBT */
	.long	0

#endif

	.section .note.GNU-stack, "", %progbits
