/* SPDX-License-Identifier: MIT */
/*
 * CLOCK_MONOTONIC in nanoseconds, or a clock that a test moves by hand.
 *
 * Everything that reads time reads it through a struct rln_clock, so a unit test can run an hour of timers in a
 * millisecond and always with the same result.
 */
#ifndef RLN_BASE_CLOCK_H
#define RLN_BASE_CLOCK_H

#include <time.h>

#include "base/compiler.h"

#define RLN_NSEC_PER_SEC  UINT64_C(1000000000)
#define RLN_NSEC_PER_MSEC UINT64_C(1000000)

struct rln_clock {
	uint64_t (*now)(const struct rln_clock *c);
	uint64_t virtual_now;     /* the time of a virtual clock; unused by the real one */
};

extern const struct rln_clock rln_clock_real;

static inline uint64_t rln_clock_now(const struct rln_clock *c)
{
	return c->now(c);
}

/* The time of a clock of the system in nanoseconds. */
uint64_t rln_clock_read(clockid_t id);

void rln_clock_virtual_init(struct rln_clock *c, uint64_t now);
void rln_clock_virtual_advance(struct rln_clock *c, uint64_t ns);

/* a + b, UINT64_MAX ("never") instead of wrapping. */
static inline uint64_t rln_time_add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

#endif
