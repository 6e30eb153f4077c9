/* SPDX-License-Identifier: MIT */
/* What is measured by so many tasks at once. */
#ifndef BENCH_TASKS_H
#define BENCH_TASKS_H

#include <ringline/ringline.h>

/* Runs fn(NULL) in n tasks, and waits for all. 0 or -errno. */
static inline int tasks_run(unsigned long n, int (*fn)(void *arg))
{
	struct ringline_scope *scope;
	int r = ringline_scope_open(&scope, NULL);

	while (r == 0 && n--)
		r = ringline_scope_spawn(scope, fn, NULL);
	return r == 0 ? ringline_scope_close(scope) : r;
}

#endif
