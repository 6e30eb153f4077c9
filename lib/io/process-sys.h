/* SPDX-License-Identifier: MIT */
/*
 * System calls as a child that shares its parent's memory may make them: without errno, which is the parent's thread's, and without
 * the C library's ideas of what is to be done for the other threads (setresuid(2)).
 *
 * And the one that makes such a child: it begins on a stack of its own, in a function that does not return, since there is nothing
 * to return to.
 *
 * Elsewhere than on x86-64 and aarch64 the C library's syscall() and clone() do the same; errno then is the thread's that waits.
 * Here they do not: sanitizers would take such a clone() for a fork().
 */
#ifndef RLN_IO_PROCESS_SYS_H
#define RLN_IO_PROCESS_SYS_H

#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/compiler.h"

/* Of code that runs in the child: sanitizers keep books in memory that is the parent's. */
#define RLN_IN_CHILD __attribute__((no_sanitize("address", "thread", "undefined")))

#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_landlock_restrict_self
#define SYS_landlock_restrict_self 446
#endif

/* struct clone_args of clone(2), as long as it is used here (5.7). */
struct rln_clone_args {
	uint64_t flags;
	uint64_t pidfd;
	uint64_t child_tid;
	uint64_t parent_tid;
	uint64_t exit_signal;
	uint64_t stack;
	uint64_t stack_size;
	uint64_t tls;
	uint64_t set_tid;
	uint64_t set_tid_size;
	uint64_t cgroup;
};

#if defined(__x86_64__) && defined(__LP64__)

static inline RLN_IN_CHILD long rln_sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
	                 : "rcx", "r11", "memory");
	return r;
}

/* The process in the parent, or -errno; the child calls fn(arg). */
static inline long rln_sys_clone3(const struct rln_clone_args *args, void (*fn)(void *arg), void *arg)
{
	register void (*r8)(void *) __asm__("r8") = fn;
	register void *r9 __asm__("r9") = arg;
	long r;

	__asm__ volatile("syscall\n\t"
	                 "test %%rax, %%rax\n\t"
	                 "jnz 1f\n\t"
	                 "xor %%ebp, %%ebp\n\t"
	                 "mov %%r9, %%rdi\n\t"
	                 "call *%%r8\n\t"
	                 "ud2\n"
	                 "1:"
	                 : "=a"(r) : "a"(SYS_clone3), "D"(args), "S"(sizeof(*args)), "r"(r8), "r"(r9)
	                 : "rcx", "r11", "cc", "memory");
	return r;
}

/* The same by the older call, of which some flags say what the others are. */
static inline long rln_sys_clone(unsigned long flags, void *stack_top, int *pidfd, void *child_tid,
                                 void (*fn)(void *arg), void *arg)
{
	register void *r10 __asm__("r10") = child_tid;
	register long r8 __asm__("r8") = 0;
	register void (*r9)(void *) __asm__("r9") = fn;
	register void *r12 __asm__("r12") = arg;
	long r;

	__asm__ volatile("syscall\n\t"
	                 "test %%rax, %%rax\n\t"
	                 "jnz 1f\n\t"
	                 "xor %%ebp, %%ebp\n\t"
	                 "mov %%r12, %%rdi\n\t"
	                 "call *%%r9\n\t"
	                 "ud2\n"
	                 "1:"
	                 : "=a"(r) : "a"(SYS_clone), "D"(flags), "S"(stack_top), "d"(pidfd), "r"(r10), "r"(r8), "r"(r9), "r"(r12)
	                 : "rcx", "r11", "cc", "memory");
	return r;
}

#elif defined(__aarch64__) && defined(__LP64__)

static inline RLN_IN_CHILD long rln_sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}

static inline long rln_sys_clone3(const struct rln_clone_args *args, void (*fn)(void *arg), void *arg)
{
	register long x8 __asm__("x8") = SYS_clone3;
	register long x0 __asm__("x0") = (long)args;
	register long x1 __asm__("x1") = sizeof(*args);
	register void (*x2)(void *) __asm__("x2") = fn;
	register void *x3 __asm__("x3") = arg;

	__asm__ volatile("svc #0\n\t"
	                 "cbnz x0, 1f\n\t"
	                 "mov x29, #0\n\t"
	                 "mov x0, x3\n\t"
	                 "blr x2\n\t"
	                 "brk #1\n"
	                 "1:"
	                 : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
}

static inline long rln_sys_clone(unsigned long flags, void *stack_top, int *pidfd, void *child_tid,
                                 void (*fn)(void *arg), void *arg)
{
	register long x8 __asm__("x8") = SYS_clone;
	register long x0 __asm__("x0") = (long)flags;
	register void *x1 __asm__("x1") = stack_top;
	register int *x2 __asm__("x2") = pidfd;
	register long x3 __asm__("x3") = 0;
	register void *x4 __asm__("x4") = child_tid;
	register void (*x5)(void *) __asm__("x5") = fn;
	register void *x6 __asm__("x6") = arg;

	__asm__ volatile("svc #0\n\t"
	                 "cbnz x0, 1f\n\t"
	                 "mov x29, #0\n\t"
	                 "mov x0, x6\n\t"
	                 "blr x5\n\t"
	                 "brk #1\n"
	                 "1:"
	                 : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5), "r"(x6) : "memory");
	return x0;
}

#else

static inline RLN_IN_CHILD long rln_sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	long r = syscall(nr, a, b, c, d, e, f);

	return r < 0 ? -errno : r;
}

static inline long rln_sys_clone3(const struct rln_clone_args *args, void (*fn)(void *arg), void *arg)
{
	(void)args;
	(void)fn;
	(void)arg;
	return -ENOSYS;
}

static inline long rln_sys_clone(unsigned long flags, void *stack_top, int *pidfd, void *child_tid,
                                 void (*fn)(void *arg), void *arg)
{
	int r = clone((int (*)(void *))(void (*)(void))fn, stack_top, (int)flags, arg, pidfd, NULL, child_tid);

	return r < 0 ? -errno : r;
}

#endif

/* rln_sys(SYS_..., up to six arguments): the result, or -errno. */
#define rln_sys(...) RLN_SYS_PAD(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define RLN_SYS_PAD(nr, a, b, c, d, e, f, ...) \
	rln_sys6((long)(nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

#endif
