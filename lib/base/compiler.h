/* SPDX-License-Identifier: MIT */
/* Attributes and small helpers that every layer uses. */
#ifndef RLN_BASE_COMPILER_H
#define RLN_BASE_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define rln_unused        __attribute__((unused))
#define rln_must_check    __attribute__((warn_unused_result))
#define rln_noinline      __attribute__((noinline))
#define rln_always_inline inline __attribute__((always_inline))
#define rln_cold          __attribute__((cold))
#define rln_printf(f, a)  __attribute__((format(printf, f, a)))
#define rln_aligned(n)    __attribute__((aligned(n)))

#define rln_likely(x)     __builtin_expect(!!(x), 1)
#define rln_unlikely(x)   __builtin_expect(!!(x), 0)

/* Marks a public function as part of the ABI; everything else is hidden by -fvisibility=hidden. */
#define RLN_PUBLIC        __attribute__((visibility("default")))

/* The structure that embeds *ptr* as its *member*. */
#define rln_container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#define rln_array_size(a) (sizeof(a) / sizeof((a)[0]))

#define rln_min(a, b) ((a) < (b) ? (a) : (b))
#define rln_max(a, b) ((a) > (b) ? (a) : (b))

/* A claim about the library itself. It is checked where tests run; the library that is shipped never stops its host. */
#ifdef RLN_FAULT_INJECTION
#define rln_assert(x) (rln_likely(x) ? (void)0 : __builtin_trap())
#else
#define rln_assert(x) ((void)sizeof(!(x)))
#endif

#endif
