/* SPDX-License-Identifier: MIT */
/*
 * The one way to park.
 *
 * Whatever can be waited for is, or has, a *source*: a list of wait nodes. A task that wants to wait puts a *parker* and
 * one wait node per source on its stack, arms the nodes, and parks. Firing a node records it as the parker's winner and
 * wakes the task. Only the first node of a parker to fire wins: a source that hands something over (a channel's element,
 * a lock) learns whether the waiter took it. Waiting for one thing and waiting for many differ in the number of nodes,
 * nothing else; cancellation and deadlines act on the parked task, so they reach every wait alike.
 *
 *     struct rln_parker p;                         p.winner == NULL
 *     struct rln_wait w;
 *     rln_parker_init(&p, task, &what, object);
 *     rln_wait_arm(&w, &p, source);                the source may now call rln_wait_fire(&w, result)
 *     r = rln_park(&p);                            0: p.winner has fired; -ETIME, -ECANCELED: the scope was cut
 *     rln_wait_disarm(&w);                         harmless if it fired
 *
 * A node on an object that workers share (core/object.h) may be fired by any of them. Firing has two steps then: *claim*
 * makes the node the winner, if there is none, and *land* tells the parker's worker. The parker is marked `shared` before
 * the first such node is armed: from then on the winner is settled by compare-and-exchange, also between two nodes of one
 * worker and between a node and a cut, and the task goes on only when the landing has arrived, because until then the
 * other side is still writing to its stack.
 *
 *     worker of the waiter             another worker, under the object's lock
 *       cut: NULL -> CUT, return         claim: NULL -> node      one of the two succeeds
 *       sees the node, not landed:       hand over
 *       goes on waiting                  land: post the message   ordered by the inbox
 *       message: landed, goes on
 *
 * Invariants: an armed node is on its source's list; a fired or disarmed one is on none; a parker does not go away while
 * one of its nodes is armed, or has been claimed and not landed. A result that was fired is delivered even if the scope
 * was cut meanwhile: nothing is lost.
 */
#ifndef RLN_CORE_WAIT_H
#define RLN_CORE_WAIT_H

#include <stdatomic.h>

#include "base/compiler.h"
#include "base/list.h"

struct ringline_task;
struct rln_wait;

struct rln_source {
	struct rln_list waiters;
};

/* What a wait is for, in words: for those who look at parked tasks. */
struct rln_what {
	const char *name;                 /* "mutex", "connection readable" */
	/* Says which one. *object* is what rln_parker_init() was given. NULL: the address says all. */
	void (*describe)(const void *object, char *text, size_t size);
	/* Which task must act before the wait can end; NULL: not known. */
	const struct ringline_task *(*holder)(const void *object);
};

struct rln_parker {
	struct ringline_task *task;
	_Atomic(struct rln_wait *) winner;   /* the first node that fired */
	void (*fired)(struct rln_parker *p); /* is told instead of the task, on its worker; NULL: the task is woken */
	const struct rln_what *what;
	const void *object;
	uint64_t since;                   /* when it parked; the turn's time */
	bool shared;                      /* other workers may fire it */
	bool landed;                      /* they have, and that is over; the owner's */
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

static inline void rln_parker_init(struct rln_parker *p, struct ringline_task *task, const struct rln_what *what,
                                   const void *object)
{
	p->task = task;
	atomic_init(&p->winner, NULL);
	p->fired = NULL;
	p->what = what;
	p->object = object;
	p->since = 0;
	p->shared = false;
	p->landed = false;
}

/* The first node that fired, NULL if none has. */
static inline struct rln_wait *rln_parker_winner(struct rln_parker *p)
{
	return atomic_load_explicit(&p->winner, memory_order_acquire);
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

/* Takes a node off its source and makes it the winner. False if another one, or a cut, came first. */
static inline bool rln_wait_claim(struct rln_wait *w)
{
	struct rln_parker *p = w->parker;
	struct rln_wait *none = NULL;

	rln_list_del(&w->link);
	if (rln_unlikely(p->shared))
		return atomic_compare_exchange_strong(&p->winner, &none, w);
	if (atomic_load_explicit(&p->winner, memory_order_relaxed))
		return false;
	atomic_store_explicit(&p->winner, w, memory_order_relaxed);
	return true;
}

/*
 * Nothing has fired, and from now on nothing will: true. Of a shared parker this is settled here. False: a node has fired,
 * and rln_park() returns at once or soon.
 */
bool rln_parker_close(struct rln_parker *p);

/* Tells the parker of a node that was claimed; on its worker. */
void rln_wait_land(struct rln_wait *w, int64_t result);

/* Fires a node. False if another node of its parker has won before: nothing was delivered. */
bool rln_wait_fire(struct rln_wait *w, int64_t result);

/* Fires the longest waiting node that has not lost; false if there is none. */
bool rln_source_fire_one(struct rln_source *s, int64_t result);

/* Fires all nodes. */
void rln_source_fire_all(struct rln_source *s, int64_t result);

/*
 * Parks the calling task until a node of the parker has fired (0) or its scope is cut (-ETIME, -ECANCELED; nothing has
 * fired then). -EDEADLK in a stackless task. A shared parker that was cut is not parked on again.
 */
int rln_park(struct rln_parker *p) rln_must_check;

/* Parks until a node has fired, whatever happens to the scope: for waits whose end is certain. */
void rln_park_shielded(struct rln_parker *p);

/* Arms one node on *source* and parks; the fired result goes to *result*. Returns as rln_park(). */
int rln_wait_on(struct rln_source *source, int64_t *result, const struct rln_what *what,
                const void *object) rln_must_check;

#endif
