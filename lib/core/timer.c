/* SPDX-License-Identifier: MIT */
/* Timers; timer.h tells the idea. */
#include "core/executor.h"
#include "core/timer.h"
#include "ringline/common.h"

int rln_timer_arm(struct rln_exec *x, struct rln_timer *t, uint64_t deadline)
{
	return rln_heap_insert(&x->timers, &t->node, deadline);
}

void rln_timer_cancel(struct rln_exec *x, struct rln_timer *t)
{
	rln_heap_remove(&x->timers, &t->node);
}

void rln_timers_fire(struct rln_exec *x)
{
	struct rln_heap_node *n;
	uint64_t key;

	while ((n = rln_heap_min(&x->timers, &key)) && key <= x->now) {
		struct rln_timer *t = rln_container_of(n, struct rln_timer, node);

		rln_heap_remove(&x->timers, n);
		rln_stat_add(&x->stats.timers_fired, 1);
		t->fire(t);
	}
}

uint64_t rln_timers_next(const struct rln_exec *x)
{
	uint64_t key;

	return rln_heap_min(&x->timers, &key) ? key : RINGLINE_NEVER;
}
