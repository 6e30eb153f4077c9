/* SPDX-License-Identifier: MIT */
/*
 * Timers: a heap of absolute deadlines per worker, fired between turns.
 *
 * The kernel sees one deadline, that of the next wait; arming and cancelling a timer is a matter of memory. A timer never
 * fires early, equal deadlines fire in the order they were armed, and a deadline in the past fires in the next turn. The
 * callback runs on the worker, outside any task: it wakes tasks and cuts scopes, it does not park.
 */
#ifndef RLN_CORE_TIMER_H
#define RLN_CORE_TIMER_H

#include "base/heap.h"

struct rln_exec;

struct rln_timer {
	struct rln_heap_node node;
	void (*fire)(struct rln_timer *t);
};

static inline void rln_timer_init(struct rln_timer *t, void (*fire)(struct rln_timer *t))
{
	rln_heap_node_init(&t->node);
	t->fire = fire;
}

static inline bool rln_timer_armed(const struct rln_timer *t)
{
	return rln_heap_contains(&t->node);
}

/* Arms a timer that is not armed. RINGLINE_NEVER is a deadline like any other: it does not come. 0 or -ENOMEM. */
int rln_timer_arm(struct rln_exec *x, struct rln_timer *t, uint64_t deadline) rln_must_check;

/* Disarms; no effect if it is not armed. Its callback will not run. */
void rln_timer_cancel(struct rln_exec *x, struct rln_timer *t);

/* Fires what is due at x->now. */
void rln_timers_fire(struct rln_exec *x);

/* The earliest deadline, RINGLINE_NEVER if none. */
uint64_t rln_timers_next(const struct rln_exec *x);

#endif
