/* SPDX-License-Identifier: MIT */
/*
 * What the programs share that hand jobs to a pool of threads: the job, which does next to nothing, and the report.
 *
 *     NAME DEPTH COUNT
 *
 * COUNT jobs are run, DEPTH of them under way at any time: when one is done the loop hands over the next one. A twentieth of
 * them is run before the measurement begins, so that the threads are there.
 */
#ifndef BENCH_JOBS_H
#define BENCH_JOBS_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

struct jobs {
	unsigned long depth;
	unsigned long count;
	unsigned long left;               /* to be handed over */
	unsigned long warm;               /* with so many left the measurement begins */
	double began;
};

static inline double jobs_cpu_ns(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return ((double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec) * 1e9 +
	       ((double)u.ru_utime.tv_usec + (double)u.ru_stime.tv_usec) * 1e3;
}

static inline int jobs_work(void *arg)
{
	volatile unsigned int n = 0;
	unsigned int i;

	(void)arg;
	for (i = 0; i < 100; i++)
		n += i;
	return 0;
}

static inline void jobs_read(struct jobs *j, int argc, char **argv)
{
	j->depth = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;
	j->count = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	if (!j->depth || j->count < 100) {
		fprintf(stderr, "usage: %s DEPTH COUNT\n", argv[0]);
		exit(2);
	}
	j->warm = j->count;
	j->left = j->count + j->count / 20;
	j->began = jobs_cpu_ns();
}

/* Is there another one to hand over? */
static inline int jobs_next(struct jobs *j)
{
	if (!j->left)
		return 0;
	if (j->left-- == j->warm)
		j->began = jobs_cpu_ns();
	return 1;
}

static inline void jobs_report(const struct jobs *j, const char *engine)
{
	printf("engine=%s\njobs=%lu\ncpu_ns=%.0f\n", engine, j->count, jobs_cpu_ns() - j->began);
}

#endif
