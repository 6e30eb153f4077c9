/* SPDX-License-Identifier: MIT */
/* What a test runs under, and how large it may be there. */
#ifndef RLN_TESTS_SCALE_H
#define RLN_TESTS_SCALE_H

#include "fiber/sanitize.h"

#if defined(RLN_ASAN) || defined(RLN_TSAN)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#ifndef RUNNING_ON_VALGRIND
#define RUNNING_ON_VALGRIND 0
#endif

/* *n* as it is, or a fiftieth of it where everything is instrumented; never below *least*. */
static inline uint32_t scaled(uint32_t n, uint32_t least)
{
	return SANITIZED || RUNNING_ON_VALGRIND ? rln_max(n / 50, least) : n;
}

#endif
