/* SPDX-License-Identifier: MIT */
/*
 * A table of cases, the demand that each leaves no block of memory behind, and how large a case may be where it runs.
 */
#ifndef RLN_TESTS_CASES_H
#define RLN_TESTS_CASES_H

#include <glib.h>

#include "base/mem.h"
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

struct test_case {
	const char *path;
	void (*run)(void);
};

static inline void run_case(gconstpointer data)
{
	((const struct test_case *)data)->run();
	g_assert_cmpuint(rln_mem_live(), ==, 0);
}

static inline void add_cases(const struct test_case *cases, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		g_test_add_data_func(cases[i].path, &cases[i], run_case);
}

#endif
