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
#include "core/waker.h"

bool rln_wait_fire(struct rln_wait *w, int64_t result)
{
	struct rln_parker *p = w->parker;

	rln_list_del(&w->link);
	if (p->winner)
		return false;
	w->result = result;
	p->winner = w;
	if (p->task->state != RLN_TASK_RUNNING || !p->task->fiber)   /* a running fiber sees the winner before it parks */
		rln_task_wake(p->task);
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

int rln_park(struct rln_parker *p)
{
	struct ringline_task *t = p->task;

	if (!t->fiber)
		return -EDEADLK;
	while (!p->winner) {
		if (t->scope->reason)
			return t->scope->reason;
		t->cuttable = true;
		rln_task_suspend(t);
		t->cuttable = false;
	}
	return 0;
}

void rln_park_shielded(struct rln_parker *p)
{
	while (!p->winner)
		rln_task_suspend(p->task);
}

int rln_wait_on(struct rln_source *source, int64_t *result)
{
	struct rln_parker p;
	struct rln_wait w;
	int r;

	rln_parker_init(&p, rln_task_current());
	rln_wait_arm(&w, &p, source);
	r = rln_park(&p);
	rln_wait_disarm(&w);
	*result = w.result;
	return r;
}
