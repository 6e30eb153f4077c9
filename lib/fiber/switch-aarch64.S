/* SPDX-License-Identifier: MIT */
/*
 * The switch for AArch64 (AAPCS64): x19 to x30, the low halves of v8 to v15, the stack pointer and FPCR are the
 * callee's to preserve. The return address lies on a stack of our own and the callers' frames sign theirs, so it is
 * not signed here; a ret needs no landing pad. Guarded control stacks would need one per fiber: the object is not
 * marked for GCS.
 */
#if defined(__aarch64__) && defined(RLN_FIBER_ASM)

#define FRAME 176

	.text

/* void rln_switch(void **save, void *to) */
	.globl	rln_switch
	.hidden	rln_switch
	.type	rln_switch, %function
	.p2align 6
rln_switch:
	.cfi_startproc
	hint	#34			/* bti c */
	sub	sp, sp, #FRAME
	.cfi_def_cfa_offset FRAME
	stp	x19, x20, [sp, #0]
	stp	x21, x22, [sp, #16]
	stp	x23, x24, [sp, #32]
	stp	x25, x26, [sp, #48]
	stp	x27, x28, [sp, #64]
	stp	x29, x30, [sp, #80]
	stp	d8, d9, [sp, #96]
	stp	d10, d11, [sp, #112]
	stp	d12, d13, [sp, #128]
	stp	d14, d15, [sp, #144]
	mrs	x9, fpcr
	str	x9, [sp, #160]
	.cfi_offset 19, -FRAME
	.cfi_offset 20, -FRAME + 8
	.cfi_offset 21, -FRAME + 16
	.cfi_offset 22, -FRAME + 24
	.cfi_offset 23, -FRAME + 32
	.cfi_offset 24, -FRAME + 40
	.cfi_offset 25, -FRAME + 48
	.cfi_offset 26, -FRAME + 56
	.cfi_offset 27, -FRAME + 64
	.cfi_offset 28, -FRAME + 72
	.cfi_offset 29, -FRAME + 80
	.cfi_offset 30, -FRAME + 88
	.cfi_offset 72, -FRAME + 96
	.cfi_offset 73, -FRAME + 104
	.cfi_offset 74, -FRAME + 112
	.cfi_offset 75, -FRAME + 120
	.cfi_offset 76, -FRAME + 128
	.cfi_offset 77, -FRAME + 136
	.cfi_offset 78, -FRAME + 144
	.cfi_offset 79, -FRAME + 152

	mov	x10, sp
	str	x10, [x0]
	mov	sp, x1

	.globl	rln_switch_resume
	.hidden	rln_switch_resume
rln_switch_resume:
	ldr	x10, [sp, #160]
	cmp	x9, x10			/* writing FPCR is slow, and it hardly ever differs */
	b.eq	1f
	msr	fpcr, x10
1:	ldp	x19, x20, [sp, #0]
	ldp	x21, x22, [sp, #16]
	ldp	x23, x24, [sp, #32]
	ldp	x25, x26, [sp, #48]
	ldp	x27, x28, [sp, #64]
	ldp	x29, x30, [sp, #80]
	ldp	d8, d9, [sp, #96]
	ldp	d10, d11, [sp, #112]
	ldp	d12, d13, [sp, #128]
	ldp	d14, d15, [sp, #144]
	add	sp, sp, #FRAME
	.cfi_def_cfa_offset 0
	.cfi_restore 19
	.cfi_restore 20
	.cfi_restore 21
	.cfi_restore 22
	.cfi_restore 23
	.cfi_restore 24
	.cfi_restore 25
	.cfi_restore 26
	.cfi_restore 27
	.cfi_restore 28
	.cfi_restore 29
	.cfi_restore 30
	.cfi_restore 72
	.cfi_restore 73
	.cfi_restore 74
	.cfi_restore 75
	.cfi_restore 76
	.cfi_restore 77
	.cfi_restore 78
	.cfi_restore 79
	ret
	.cfi_endproc
	.size	rln_switch, . - rln_switch

/* void rln_switch_visit(void *context, void (*fn)(void *), void *arg): as for x86-64. */
	.globl	rln_switch_visit
	.hidden	rln_switch_visit
	.type	rln_switch_visit, %function
	.p2align 4
rln_switch_visit:
	.cfi_startproc
	hint	#34			/* bti c */
	stp	x19, x30, [sp, #-16]!
	.cfi_def_cfa_offset 16
	.cfi_offset 19, -16
	.cfi_offset 30, -8
	mov	x19, sp
	mov	sp, x0
	.cfi_remember_state
	.cfi_def_cfa sp, FRAME
	.cfi_offset 19, -FRAME
	.cfi_offset 20, -FRAME + 8
	.cfi_offset 21, -FRAME + 16
	.cfi_offset 22, -FRAME + 24
	.cfi_offset 23, -FRAME + 32
	.cfi_offset 24, -FRAME + 40
	.cfi_offset 25, -FRAME + 48
	.cfi_offset 26, -FRAME + 56
	.cfi_offset 27, -FRAME + 64
	.cfi_offset 28, -FRAME + 72
	.cfi_offset 29, -FRAME + 80
	.cfi_offset 30, -FRAME + 88
	mov	x0, x2
	blr	x1
	mov	sp, x19
	.cfi_restore_state
	ldp	x19, x30, [sp], #16
	.cfi_def_cfa_offset 0
	.cfi_restore 19
	.cfi_restore 30
	ret
	.cfi_endproc
	.size	rln_switch_visit, . - rln_switch_visit

/* The first frame of a fiber: x19 is the entry function, x20 its argument. No caller: the unwinder stops here. */
	.globl	rln_switch_start
	.hidden	rln_switch_start
	.type	rln_switch_start, %function
	.p2align 4
	.cfi_startproc
	.cfi_undefined 30
	nop				/* an unwinder looks up the return address minus one */
rln_switch_start:
	hint	#36			/* bti j */
	mov	x0, x20
	blr	x19
	brk	#1
	.cfi_endproc
	.size	rln_switch_start, . - rln_switch_start

	.section .note.gnu.property, "a"
	.p2align 3
	.word	4			/* length of the name */
	.word	16			/* length of the properties */
	.word	5			/* NT_GNU_PROPERTY_TYPE_0 */
	.asciz	"GNU"
	.word	0xc0000000		/* GNU_PROPERTY_AARCH64_FEATURE_1_AND */
	.word	4
	.word	3			/* BTI, PAC */
	.word	0

#endif

	.section .note.GNU-stack, "", %progbits
