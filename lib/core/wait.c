/* SPDX-License-Identifier: MIT */
/*
 * Parking and firing; wait.h tells the idea.
 *
 * rln_park() is a loop because a wake is a hint, not a promise: a task may be woken for a cut that a shielded wait
 * ignores, or by a node that fired before the task came round to parking.
 */
#include <errno.h>

#include "core/executor.h"
#include "core/task.h"
#include "core/wait.h"

/* The winner of a parker that was cut before anything had fired. */
static struct rln_wait cut_mark;

/* In the path of each wake: rln_wait_fire() has it inline. */
static inline void land(struct rln_wait *w, int64_t result)
{
	struct rln_parker *p = w->parker;

	w->result = result;
	p->landed = true;
	if (rln_unlikely(p->fired != NULL))
		p->fired(p);
	else if (p->task->state != RLN_TASK_RUNNING || !p->task->fiber)   /* a running fiber sees the winner before it parks */
		rln_task_wake(p->task);
}

void rln_wait_land(struct rln_wait *w, int64_t result)
{
	land(w, result);
}

bool rln_wait_fire(struct rln_wait *w, int64_t result)
{
	if (!rln_wait_claim(w))
		return false;
	land(w, result);
	return true;
}

bool rln_source_fire_one(struct rln_source *s, int64_t result)
{
	struct rln_list *node;

	while ((node = rln_list_first(&s->waiters)))
		if (rln_wait_fire(rln_list_entry(node, struct rln_wait, link), result))
			return true;
	return false;
}

void rln_source_fire_all(struct rln_source *s, int64_t result)
{
	struct rln_list *node;

	while ((node = rln_list_first(&s->waiters)))
		rln_wait_fire(rln_list_entry(node, struct rln_wait, link), result);
}

bool rln_parker_close(struct rln_parker *p)
{
	struct rln_wait *none = NULL;

	if (p->shared)
		return atomic_compare_exchange_strong(&p->winner, &none, &cut_mark);
	return !rln_parker_winner(p);
}

/* What another worker has claimed it is still handing over. */
static void wait_landed(struct rln_parker *p)
{
	while (!p->landed)
		rln_task_suspend(p->task);
}

static void park_begin(struct ringline_task *t, struct rln_parker *p)
{
	p->since = rln_exec_current->now;
	t->parked = p;
}

/* Until a node has fired, or the scope is cut: then its reason. */
static int wait_for_winner(struct rln_parker *p, struct ringline_task *t)
{
	while (!rln_parker_winner(p)) {
		int reason = t->scope->reason;

		if (reason && rln_parker_close(p))
			return reason;
		if (reason)
			break;
		t->cuttable = true;
		rln_task_suspend(t);
		t->cuttable = false;
	}
	wait_landed(p);
	return 0;
}

int rln_park(struct rln_parker *p)
{
	struct ringline_task *t = p->task;
	int r;

	if (!t->fiber)
		return -EDEADLK;
	park_begin(t, p);
	r = wait_for_winner(p, t);
	t->parked = NULL;
	return r;
}

void rln_park_shielded(struct rln_parker *p)
{
	park_begin(p->task, p);
	while (!rln_parker_winner(p))
		rln_task_suspend(p->task);
	wait_landed(p);
	p->task->parked = NULL;
}

int rln_wait_on(struct rln_source *source, int64_t *result, const struct rln_what *what, const void *object)
{
	struct rln_parker p;
	struct rln_wait w;
	int r;

	rln_parker_init(&p, rln_task_current(), what, object);
	rln_wait_arm(&w, &p, source);
	r = rln_park(&p);
	rln_wait_disarm(&w);
	*result = w.result;
	return r;
}
