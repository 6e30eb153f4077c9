/* SPDX-License-Identifier: MIT */
/*
 * What the programs share that run other programs: how many, in how much memory, and the report.
 *
 *     NAME DEPTH COUNT MIB
 *
 * /bin/true is run COUNT times, DEPTH of them at any time, by a process of which MIB mebibytes are resident. The processor time is
 * that of the process and of its children.
 */
#ifndef BENCH_PROGRAMS_H
#define BENCH_PROGRAMS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct spawns {
	unsigned long depth;
	unsigned long count;
	unsigned long left;               /* to be run */
	unsigned long ended;
	double began;
};

static const char *const spawn_argv[] = { "/bin/true", NULL };

static inline double spawn_cpu_of(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return ((double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec) * 1e9 +
	       ((double)u.ru_utime.tv_usec + (double)u.ru_stime.tv_usec) * 1e3;
}

static inline double spawn_cpu_ns(void)
{
	return spawn_cpu_of(RUSAGE_SELF) + spawn_cpu_of(RUSAGE_CHILDREN);
}

/* Memory that is there, touched page by page, and not given back. */
static inline void spawn_fill_memory(unsigned long mib)
{
	size_t size = (size_t)mib << 20;
	char *memory = malloc(size);

	if (!memory) {
		fprintf(stderr, "no %lu MiB\n", mib);
		exit(2);
	}
	memset(memory, 1, size);
}

static inline void spawn_read(struct spawns *s, int argc, char **argv)
{
	s->depth = argc > 3 ? strtoul(argv[1], NULL, 10) : 0;
	s->count = argc > 3 ? strtoul(argv[2], NULL, 10) : 0;
	if (!s->depth || !s->count) {
		fprintf(stderr, "usage: %s DEPTH COUNT MIB\n", argv[0]);
		exit(2);
	}
	spawn_fill_memory(strtoul(argv[3], NULL, 10));
	s->left = s->count;
	s->ended = 0;
	s->began = spawn_cpu_ns();
}

/* Is there another one to run? */
static inline int spawn_next(struct spawns *s)
{
	if (!s->left)
		return 0;
	s->left--;
	return 1;
}

static inline int spawn_report(const struct spawns *s, const char *engine)
{
	printf("engine=%s\njobs=%lu\ncpu_ns=%.0f\n", engine, s->ended, spawn_cpu_ns() - s->began);
	return s->ended != s->count;
}

#endif
