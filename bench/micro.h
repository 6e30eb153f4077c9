/* SPDX-License-Identifier: MIT */
/* What the files of micro share; micro.c tells what is measured. */
#ifndef BENCH_MICRO_H
#define BENCH_MICRO_H

#include <stdio.h>

#include "support/fake-backend.h"

#define SAMPLES 401

struct series {
	double sample[SAMPLES];
	uint32_t n;
};

extern struct fixture fx;

static inline uint64_t real_ns(void)
{
	return rln_clock_now(&rln_clock_real);
}

/* A pseudo-random number generator of one's own: the same numbers each time. */
uint64_t prng(void);

/* The end, if it is not so. */
void must(bool ok, const char *what);

/* The time since *start*, shared by *n* operations, becomes a sample. True while more are wanted. */
bool sample(struct series *s, uint64_t start, uint32_t n);

/* Prints a figure, and judges it if *bar* is not 0. */
void report_series(const char *name, struct series *s, double bar);
void report_value(const char *key, double value, double bar);

/* Runs one function as the only root task of an executor of its own, and checks that nothing was left. */
void in_a_task(int (*fn)(void *arg), void *arg);

void measure_chan(void);
void measure_lock(void);
void measure_million(void);
void measure_scope(void);
void measure_select(void);

#endif
