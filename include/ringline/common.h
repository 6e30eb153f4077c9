/* SPDX-License-Identifier: MIT */
/*
 * What every libringline header needs: annotations, time, and the rules all calls share.
 *
 * Results: 0 or positive on success, a negated errno value on failure; errno itself is never set.
 * Times: nanoseconds in a uint64_t; deadlines are absolute CLOCK_MONOTONIC times, RINGLINE_NEVER is none.
 * Threads: objects belong to the worker they were made on. A call from anywhere else returns -EPERM, unless its
 *   description says "any thread".
 * Suspending calls (RINGLINE_SUSPENDS) park the calling task. They honour the scope the task is in: -ETIME when the
 *   deadline of a scope cut them short, -ECANCELED when the scope, the task or a token was cancelled. They return -EPERM
 *   outside a task and -EDEADLK in a stackless task.
 * Sized structures: set size to sizeof the structure and the rest to zero (an initialiser does both); zero means default.
 *   A size the library does not know is accepted as long as the unknown tail is zero, and is -E2BIG otherwise.
 */
#ifndef RINGLINE_COMMON_H
#define RINGLINE_COMMON_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What is declared between these two is C, and exported by the library. */
#if defined(__GNUC__)
#define RINGLINE_VISIBLE_BEGIN _Pragma("GCC visibility push(default)")
#define RINGLINE_VISIBLE_END _Pragma("GCC visibility pop")
#else
#define RINGLINE_VISIBLE_BEGIN
#define RINGLINE_VISIBLE_END
#endif

#ifdef __cplusplus
#define RINGLINE_BEGIN_DECLS RINGLINE_VISIBLE_BEGIN extern "C" {
#define RINGLINE_END_DECLS } RINGLINE_VISIBLE_END
#else
#define RINGLINE_BEGIN_DECLS RINGLINE_VISIBLE_BEGIN
#define RINGLINE_END_DECLS RINGLINE_VISIBLE_END
#endif

/* Marks a call that may park the calling task; expands to nothing. */
#define RINGLINE_SUSPENDS

#if defined(__GNUC__) && !defined(RINGLINE_NO_ATTRIBUTES)
#define RINGLINE_MUST_CHECK __attribute__((warn_unused_result))
#else
#define RINGLINE_MUST_CHECK
#endif

/* A deadline that never comes. */
#define RINGLINE_NEVER UINT64_MAX

#define RINGLINE_NSEC_PER_USEC UINT64_C(1000)
#define RINGLINE_NSEC_PER_MSEC UINT64_C(1000000)
#define RINGLINE_NSEC_PER_SEC  UINT64_C(1000000000)

#endif
