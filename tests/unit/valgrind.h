/* SPDX-License-Identifier: MIT */
/* What does not go under valgrind. */
#ifndef RLN_TESTS_VALGRIND_H
#define RLN_TESTS_VALGRIND_H

#include <glib.h>
#include <stdbool.h>

/* Valgrind 3.19 does not know that io_uring_enter() may block, and nobody else runs meanwhile: workers wait for ever. */
#define RING_UNDER_VALGRIND "valgrind lets no other thread run while one waits in io_uring"

static inline bool on_valgrind(void)
{
	return g_getenv("RINGLINE_TEST_WRAPPER") != NULL;
}

#endif
