/* SPDX-License-Identifier: MIT */
/*
 * Fault points: places where a test can make the next resource request fail.
 *
 * A point is named by what it stands for (an allocation, a system call). A test arms one: let *skip* requests pass,
 * then fail *repeat* of them with *error*. Built only with --enable-fault-injection; otherwise rln_fault() is the
 * constant 0 and costs nothing.
 */
#ifndef RLN_BASE_FAULT_H
#define RLN_BASE_FAULT_H

#include "base/compiler.h"

enum rln_fault_point {
	RLN_FAULT_ALLOC,          /* rln_mem_alloc() and its siblings */
	RLN_FAULT_MMAP,           /* stacks, buffers */
	RLN_FAULT_THREAD,         /* pthread_create() */
	RLN_FAULT_SOCKET,         /* socket(), and descriptors in general */
	RLN_FAULT_BIND,
	RLN_FAULT_LISTEN,
	RLN_FAULT_ACCEPT,         /* a completion or call of accept fails */
	RLN_FAULT_RING_SETUP,     /* io_uring_setup() */
	RLN_FAULT_RING_ENTER,     /* io_uring_enter() */
	RLN_FAULT_RING_REGISTER,  /* io_uring_register() */
	RLN_FAULT_EPOLL,          /* epoll_create1(), epoll_ctl() */
	RLN_FAULT_EPOLL_WAIT,
	RLN_FAULT_EVENTFD,
	RLN_FAULT_SIGNALFD,
	RLN_FAULT_GUARD,          /* MADV_GUARD_INSTALL is refused */
	RLN_FAULT_SEND,           /* a send is cut short or fails (epoll) */
	RLN_FAULT_RECV,
	RLN_FAULT_TIMERFD,        /* timerfd_create() */
	RLN_FAULT_OPEN,           /* openat2() */
	RLN_FAULT_RING_FILE,      /* io_uring: an operation on a file completes so, whatever it did */
	RLN_FAULT_FILE,           /* a system call on a file, on a thread */
	RLN_FAULT_RESOLVE,        /* getaddrinfo(), getnameinfo(): EAI_SYSTEM */
	RLN_FAULT_CLOCK_STEP,     /* ECANCELED: a timerfd tells that its clock was set */
	RLN_FAULT_SPAWN,          /* clone3() */
	RLN_FAULT_PIDFD,          /* pidfd_open() */
	RLN_FAULT_CHILD,          /* a stage of a child: asked once for each, in their order, by its parent */
	RLN_FAULT_MAX
};

#ifdef RLN_FAULT_INJECTION

/* Any thread; one arming per point. *error* is a positive errno. */
void rln_fault_arm(enum rln_fault_point p, uint32_t skip, uint32_t repeat, int error);
void rln_fault_disarm_all(void);

/* How often the point was passed since it was last armed or disarmed, and how often it failed. */
uint64_t rln_fault_passed(enum rln_fault_point p);
uint64_t rln_fault_failed(enum rln_fault_point p);

/* 0, or the positive errno this request must fail with. */
int rln_fault(enum rln_fault_point p);

#else

static inline int rln_fault(enum rln_fault_point p)
{
	(void)p;
	return 0;
}

#endif
#endif
