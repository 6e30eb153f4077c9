/* SPDX-License-Identifier: MIT */
/* Latencies in a histogram of 64 linear steps in each power of two: the error is below 2 %. */
#include <string.h>

#include "load.h"

#define STEPS     64
#define HISTOGRAM (STEPS * 60)

static uint64_t histogram[HISTOGRAM];
static uint64_t total;

static unsigned int bucket(uint64_t v)
{
	unsigned int shift = 0;

	while (v >= 2 * STEPS) {
		v >>= 1;
		shift++;
	}
	return shift * STEPS + (unsigned int)v;
}

static uint64_t bucket_value(unsigned int b)
{
	if (b < 2 * STEPS)
		return b;
	return (uint64_t)(b % STEPS + STEPS) << (b / STEPS - 1);
}

void latency_reset(void)
{
	memset(histogram, 0, sizeof(histogram));
	total = 0;
}

void latency_note(uint64_t ns, uint32_t weight)
{
	unsigned int b = bucket(ns);

	histogram[b < HISTOGRAM ? b : HISTOGRAM - 1] += weight;
	total += weight;
}

double latency_percentile_us(double p)
{
	uint64_t wanted = (uint64_t)((double)total * p);
	uint64_t seen = 0;
	unsigned int b;

	for (b = 0; b < HISTOGRAM; b++) {
		seen += histogram[b];
		if (seen > wanted)
			return (double)bucket_value(b) / 1000;
	}
	return 0;
}
