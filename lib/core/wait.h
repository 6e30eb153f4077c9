/* SPDX-License-Identifier: MIT */
/*
 * The one way to park.
 *
 * Whatever can be waited for is, or has, a *source*: a list of wait nodes. A task that wants to wait puts a *parker* and
 * one wait node per source on its stack, arms the nodes, and parks. Firing a node records it as the parker's winner and
 * wakes the task. Only the first node of a parker to fire wins: a source that hands something over (a channel's element,
 * a lock) learns from rln_wait_fire() whether the waiter took it. Waiting for one thing and waiting for many differ in
 * the number of nodes, nothing else; cancellation and deadlines act on the parked task, so they reach every wait alike.
 *
 *     struct rln_parker p;                         p.winner == NULL
 *     struct rln_wait w;
 *     rln_parker_init(&p, task);
 *     rln_wait_arm(&w, &p, source);                the source may now call rln_wait_fire(&w, result)
 *     r = rln_park(&p);                            0: p.winner has fired; -ETIME, -ECANCELED: the scope was cut
 *     rln_wait_disarm(&w);                         harmless if it fired
 *
 * Invariants: an armed node is on its source's list; a fired or disarmed one is on none; a parker does not go away while
 * one of its nodes is armed. A result that was fired is delivered even if the scope was cut meanwhile: nothing is lost.
 */
#ifndef RLN_CORE_WAIT_H
#define RLN_CORE_WAIT_H

#include "base/compiler.h"
#include "base/list.h"

struct ringline_task;
struct rln_wait;

struct rln_source {
	struct rln_list waiters;
};

struct rln_parker {
	struct ringline_task *task;
	struct rln_wait *winner;          /* the first node that fired */
};

struct rln_wait {
	struct rln_list link;
	struct rln_parker *parker;
	int64_t result;                   /* valid once it has won */
};

static inline void rln_source_init(struct rln_source *s)
{
	rln_list_init(&s->waiters);
}

static inline bool rln_source_waited_on(const struct rln_source *s)
{
	return !rln_list_empty(&s->waiters);
}

static inline void rln_parker_init(struct rln_parker *p, struct ringline_task *task)
{
	p->task = task;
	p->winner = NULL;
}

/* Starts waiting, behind those who wait already. source NULL: whoever knows the node fires it directly. */
static inline void rln_wait_arm(struct rln_wait *w, struct rln_parker *p, struct rln_source *source)
{
	w->parker = p;
	w->result = 0;
	rln_list_init(&w->link);
	if (source)
		rln_list_add_tail(&source->waiters, &w->link);
}

static inline void rln_wait_disarm(struct rln_wait *w)
{
	rln_list_del(&w->link);
}

/* Fires a node. False if another node of its parker has won before: nothing was delivered. */
bool rln_wait_fire(struct rln_wait *w, int64_t result);

/* Fires the longest waiting node that has not lost; false if there is none. */
bool rln_source_fire_one(struct rln_source *s, int64_t result);

/* Fires all nodes. */
void rln_source_fire_all(struct rln_source *s, int64_t result);

/*
 * Parks the calling task until a node of the parker has fired (0) or its scope is cut (-ETIME, -ECANCELED; nothing has
 * fired then). -EDEADLK in a stackless task.
 */
int rln_park(struct rln_parker *p) rln_must_check;

/* Parks until a node has fired, whatever happens to the scope: for waits whose end is certain. */
void rln_park_shielded(struct rln_parker *p);

/* Arms one node on *source* and parks; the fired result goes to *result. Returns as rln_park(). */
int rln_wait_on(struct rln_source *source, int64_t *result) rln_must_check;

#endif
