/* SPDX-License-Identifier: MIT */
/*
 * Events. Setting one fires whoever waits, and a waiter that was fired goes on even if the event is reset before its turn
 * comes: it was set while somebody waited.
 */
#include <errno.h>

#include "core/event.h"
#include "core/executor.h"
#include "core/task.h"

static int check(const struct ringline_event *e, const char *call)
{
	if (!e)
		return -EINVAL;
	if (!rln_exec_get(call))
		return -EPERM;
	return rln_exec_check_handle(&rln_exec_current->events, &e->slot, call);
}

int ringline_event_new(struct ringline_event **ret)
{
	struct rln_exec *x = rln_exec_get(__func__);
	struct ringline_event *e;

	if (!x)
		return -EPERM;
	if (!ret)
		return -EINVAL;
	e = rln_slab_alloc(&x->events);
	if (!e)
		return -ENOMEM;
	rln_source_init(&e->waiters);
	e->set = false;
	*ret = e;
	return 0;
}

int ringline_event_set(struct ringline_event *event)
{
	int r = check(event, __func__);

	if (r < 0)
		return r;
	event->set = true;
	rln_source_fire_all(&event->waiters, 0);
	return 0;
}

int ringline_event_reset(struct ringline_event *event)
{
	int r = check(event, __func__);

	if (r == 0)
		event->set = false;
	return r;
}

int ringline_event_wait(struct ringline_event *event)
{
	struct ringline_task *t;
	int64_t result = 0;
	int r = rln_task_get_parking(&t, __func__);

	if (r == 0)
		r = check(event, __func__);
	if (r == 0)
		r = t->scope->reason;
	if (r == 0 && !event->set)
		r = rln_wait_on(&event->waiters, &result);
	return r < 0 ? r : (int)result;
}

int ringline_event_free(struct ringline_event *event)
{
	int r = event ? check(event, __func__) : 0;

	if (r < 0 || !event)
		return r;
	rln_source_fire_all(&event->waiters, -EBADF);
	rln_slab_free(&rln_exec_current->events, event);
	return 0;
}

static int arm(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	struct ringline_event *e = c->object;
	int r = rln_case_check(c, n, &rln_exec_current->events);

	if (r)
		return r;
	if (e->set) {
		c->result = 0;
		return RLN_CASE_READY;
	}
	rln_wait_arm(&n->wait, p, &e->waiters);
	return RLN_CASE_WAITS;
}

const struct rln_case_kind rln_event_case = { .arm = arm };
