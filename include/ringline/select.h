/* SPDX-License-Identifier: MIT */
/*
 * Waiting for the first of several things.
 *
 *     struct ringline_case cases[] = {
 *             { .kind = RINGLINE_CASE_READABLE, .object = conn },
 *             { .kind = RINGLINE_CASE_EVENT, .object = reload },
 *             { .kind = RINGLINE_CASE_DEADLINE, .value = ringline_now() + 30 * SEC },
 *     };
 *
 *     which = ringline_select(cases, 3, sizeof(*cases), 0);
 *
 * The array may be used again as it is. Nothing stays registered when the call returns, and a call that finds nothing to do
 * makes no system call and takes no memory (of up to 128 cases).
 */
#ifndef RINGLINE_SELECT_H
#define RINGLINE_SELECT_H

#include <ringline/common.h>

RINGLINE_BEGIN_DECLS

/* kind of struct ringline_case, what `object` is, and what `result` says when the case is chosen */
#define RINGLINE_CASE_NONE     0u     /* passed over */
#define RINGLINE_CASE_READABLE 1u     /* a connection: bytes that can be received now, 0 at the end of the stream, -errno */
#define RINGLINE_CASE_WRITABLE 2u     /* a connection: 0 as ringline_conn_wait_writable(), -errno */
#define RINGLINE_CASE_ACCEPT   3u     /* a listener: connections that ringline_listener_accept() has for you, -errno */
#define RINGLINE_CASE_TASK     4u     /* a task handle, which is consumed: what the task returned */
#define RINGLINE_CASE_OP       5u     /* an operation, which is consumed: its result */
#define RINGLINE_CASE_TIMER    6u     /* a timer: as ringline_timer_wait() */
#define RINGLINE_CASE_DEADLINE 7u     /* none, but an absolute CLOCK_MONOTONIC time in `value`: 0 */
#define RINGLINE_CASE_TOKEN    8u     /* a token: 0 when it is cancelled */
#define RINGLINE_CASE_EVENT    9u     /* an event: 0 when it is set */
#define RINGLINE_CASE_FD       10u    /* a watch of a descriptor: as ringline_fd_watch_wait() */
#define RINGLINE_CASE_SEND     11u    /* a channel: the element at `data` was sent, 0, or -EPIPE */
#define RINGLINE_CASE_RECEIVE  12u    /* a channel: an element was received to `data`, 0, or -EPIPE */
#define RINGLINE_CASE_SUBSCRIPTION 13u /* one to a broadcast: as ringline_subscription_recv() to `data` */
#define RINGLINE_CASE_MUTEX    14u    /* a mutex: locked, 0 */
#define RINGLINE_CASE_READ_LOCK 15u   /* an rwlock: locked for reading, 0 */
#define RINGLINE_CASE_WRITE_LOCK 16u  /* an rwlock: locked for writing, 0 */
#define RINGLINE_CASE_SEMAPHORE 17u   /* a semaphore: `value` permits were acquired, 0 */
#define RINGLINE_CASE_CONDITION 18u   /* a condition: it was signalled, 0. The mutex is neither given back nor taken */
#define RINGLINE_CASE_WAITGROUP 19u   /* a waitgroup: it is at zero, 0 */
#define RINGLINE_CASE_ONCE     20u    /* a once: its function has run, 0 */
#define RINGLINE_CASE_DATAGRAM 21u    /* a datagram socket: datagrams that can be received now, 0: an error, the end, a peer to accept */
#define RINGLINE_CASE_SENDABLE 22u    /* a datagram socket: there is room to send, 0 */
#define RINGLINE_CASE_PROCESS  23u    /* a process: it has ended, 0; -EBADF: it was closed */
#define RINGLINE_CASE_SIGNAL   24u    /* a subscription to signals: how many there are to read; -EBADF */

struct ringline_op;

struct ringline_case {
	uint32_t kind;                    /* RINGLINE_CASE_*; becomes NONE when the object was consumed */
	uint32_t reserved;                /* zero */
	void *object;
	void *data;                       /* SEND, RECEIVE, SUBSCRIPTION: the element, or room for one */
	uint64_t value;
	int64_t result;                   /* written for the case that was chosen */
};

/* Take the first case that is ready, in the order of the array, rather than each in its turn. */
#define RINGLINE_SELECT_BIASED (UINT32_C(1) << 0)

/* Do not wait: -EAGAIN if no case is ready. */
#define RINGLINE_SELECT_NOWAIT (UINT32_C(1) << 1)

/*
 * Waits until one of the n cases is ready, and chooses it. case_size is the size of an element of the array. An object that
 * is closed, before or during the wait, makes its case ready, with the error in its result (-EBADF, -ECONNABORTED).
 *
 * Returns the index of the case; -ETIME, -ECANCELED, -EAGAIN (NOWAIT), -EINVAL (no case to wait for, an unknown kind or
 * flag, no object), -E2BIG (larger cases that are not zero behind what is known), -EBUSY (another task waits for an
 * operation, or it was given twice), -EDEADLK (a task selecting on itself, or a stackless task), -ENOMEM, -EPERM.
 * Since: 0.1
 */
RINGLINE_SUSPENDS ssize_t ringline_select(struct ringline_case *cases, size_t n, size_t case_size, uint32_t flags);

/*
 * Begins a select as an operation (op.h), whose result is the index of the case. The array and what its cases point to must
 * stay valid until the operation is over. It is how a stackless task waits. Never suspends.
 *
 * Returns 0; the errors of ringline_select(); -EAGAIN (the worker's limit of operations is reached), -EINVAL (NOWAIT).
 * Since: 0.1
 */
int ringline_select_begin(struct ringline_op **ret, struct ringline_case *cases, size_t n, size_t case_size,
                          uint32_t flags) RINGLINE_MUST_CHECK;

RINGLINE_END_DECLS

#endif
