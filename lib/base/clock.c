/* SPDX-License-Identifier: MIT */
/* The real clock and the one tests move by hand. */
#include "base/clock.h"

uint64_t rln_clock_read(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * RLN_NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static uint64_t real_now(const struct rln_clock *c)
{
	(void)c;
	return rln_clock_read(CLOCK_MONOTONIC);
}

const struct rln_clock rln_clock_real = { .now = real_now };

static uint64_t virtual_now(const struct rln_clock *c)
{
	return c->virtual_now;
}

void rln_clock_virtual_init(struct rln_clock *c, uint64_t now)
{
	c->now = virtual_now;
	c->virtual_now = now;
}

void rln_clock_virtual_advance(struct rln_clock *c, uint64_t ns)
{
	c->virtual_now = rln_time_add(c->virtual_now, ns);
}
