/* SPDX-License-Identifier: MIT */
/*
 * What the programs share that look a name up again and again: the arguments and the report.
 *
 *     NAME DEPTH COUNT
 *
 * "localhost" is looked up COUNT times, DEPTH of them under way at any time, by as many threads as the library's class of such
 * jobs has. A twentieth of them comes before the measurement begins, so that the threads are there.
 */
#ifndef BENCH_RESOLVE_H
#define BENCH_RESOLVE_H

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RESOLVE_THREADS 8
#define RESOLVE_HOST    "localhost"
#define RESOLVE_SERVICE "80"

struct resolve {
	unsigned long depth;
	unsigned long count;
	_Atomic long left;                /* to be begun */
	double began;
};

static inline double resolve_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline void resolve_read(struct resolve *r, int argc, char **argv)
{
	r->depth = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;
	r->count = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	if (!r->depth || r->count < 100) {
		fprintf(stderr, "usage: %s DEPTH COUNT\n", argv[0]);
		exit(2);
	}
	r->left = (long)(r->count + r->count / 20);
	r->began = resolve_seconds();
}

/* Is there another one to begin? */
static inline int resolve_next(struct resolve *r)
{
	long left = atomic_fetch_sub(&r->left, 1);

	if (left == (long)r->count)
		r->began = resolve_seconds();
	return left > 0;
}

static inline void resolve_report(const struct resolve *r, const char *engine)
{
	printf("engine=%s\nper_second=%.0f\n", engine, (double)r->count / (resolve_seconds() - r->began));
}

#endif
