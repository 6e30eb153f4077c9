/* SPDX-License-Identifier: MIT */
/*
 * What the programs share that read a file at random.
 *
 *     NAME WAY FILE MS [direct]
 *
 * DEPTH reads of a block are under way at any time, for MS milliseconds, after a tenth of that which is not counted. Each
 * block of the file begins with its number (bench/files.py makes it so), which is looked at. Prints the engine, the number of
 * reads, processor time of the process with all its threads, and time.
 */
#ifndef BENCH_FILE_H
#define BENCH_FILE_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define BLOCK 4096u
#define DEPTH 32u

struct reads {
	const char *way;
	const char *path;
	int flags;                        /* to open it with */
	uint64_t blocks;
	uint64_t random;
	uint64_t count;
	double length;                    /* nanoseconds to be measured */
	double begin;                     /* of the measurement; before it, its time to come */
	double end;
	double cpu;
	bool counts;
	bool over;
};

static inline void must(int64_t r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror((int)(r == -1 ? errno : -r)));
	exit(1);
}

static inline double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline void reads_init(struct reads *r, int argc, char **argv)
{
	struct stat st;

	if (argc != 4 && (argc != 5 || strcmp(argv[4], "direct") != 0)) {
		fprintf(stderr, "usage: %s WAY FILE MS [direct]\n", argv[0]);
		exit(2);
	}
	*r = (struct reads){ .way = argv[1], .path = argv[2], .random = 88172645463325252u };
	r->flags = O_RDONLY | O_CLOEXEC | (argc == 5 ? O_DIRECT : 0);
	must(stat(r->path, &st), r->path);
	r->blocks = (uint64_t)st.st_size / BLOCK;
	r->length = strtod(argv[3], NULL) * 1e6;
	r->begin = now(CLOCK_MONOTONIC) + r->length / 10;
}

/* Looks at the clock, and begins or ends the measurement. */
static inline void reads_clock(struct reads *r)
{
	double t = now(CLOCK_MONOTONIC);

	if (r->counts && t >= r->begin + r->length) {
		r->over = true;
		r->end = t;
		r->cpu = now(CLOCK_PROCESS_CPUTIME_ID) - r->cpu;
	} else if (!r->counts && t >= r->begin) {
		r->counts = true;
		r->begin = t;
		r->cpu = now(CLOCK_PROCESS_CPUTIME_ID);
		r->count = 0;
	}
}

/* Is there another one to be done, and where? Counts it; those under way at the beginning make up for those at the end. */
static inline bool reads_next(struct reads *r, uint64_t *offset)
{
	if (r->count % DEPTH == 0 && !r->over)
		reads_clock(r);
	if (r->over)
		return false;
	r->count++;
	r->random ^= r->random << 13;
	r->random ^= r->random >> 7;
	r->random ^= r->random << 17;
	*offset = ((r->random >> 32) * r->blocks >> 32) * BLOCK;
	return true;
}

/* The result of a read. */
static inline void reads_check(const void *block, uint64_t offset, int64_t n)
{
	uint64_t number;

	must(n, "read");
	memcpy(&number, block, sizeof(number));
	if (n == BLOCK && number == offset / BLOCK)
		return;
	fprintf(stderr, "%lld bytes at %llu, of block %llu\n", (long long)n, (unsigned long long)offset, (unsigned long long)number);
	exit(1);
}

static inline void reads_report(const struct reads *r, const char *engine)
{
	printf("engine=%s\nreads=%llu\ncpu_ns=%.0f\nwall_ns=%.0f\n", engine, (unsigned long long)r->count, r->cpu,
	       r->end - r->begin);
}

#endif
