/* SPDX-License-Identifier: MIT */
/*
 * Select as an operation: for tasks that cannot park, and for those that have other things to do meanwhile.
 *
 *     armed --a node fires--> settling (at the end of the turn) --> done, or armed anew
 *       | cancel
 *       +-- nothing had fired: done, -ECANCELED. Otherwise it settles as if nothing were
 *
 * What fired is settled in deferred work and not where it fires, because there somebody walks the list that the nodes of
 * this select are on.
 */
#include "base/mem.h"
#include "core/handle.h"
#include "core/select.h"

struct select_op {
	struct rln_select select;
	struct rln_deferred settling;
	struct ringline_task *task;
	struct ringline_op *handle;
	struct rln_select_node nodes[];
};

static void settle(struct rln_deferred *d);

static void fired(struct rln_parker *p)
{
	struct select_op *o = rln_container_of(p, struct select_op, select.parker);

	rln_exec_defer(o->select.exec, &o->settling);
}

static void over(struct select_op *o, int64_t result)
{
	struct ringline_op *h = o->handle;

	rln_mem_free(o);
	h->work.ptr = NULL;
	rln_handle_done(h, result);
}

/* Rounds until one waits, or ends it. */
static ssize_t arm(struct select_op *o)
{
	ssize_t which;

	do
		which = rln_select_arm(&o->select, o->task, fired);
	while (which == RLN_SELECT_AGAIN);
	return which;
}

static void settle(struct rln_deferred *d)
{
	struct select_op *o = rln_container_of(d, struct select_op, settling);
	ssize_t which = rln_select_settle(&o->select);

	if (which == RLN_SELECT_AGAIN)
		which = arm(o);
	if (which != RLN_SELECT_WAIT)
		over(o, which);
}

static void cancel(struct ringline_op *h)
{
	struct select_op *o = h->work.ptr;

	if (!rln_parker_close(&o->select.parker))
		return;
	rln_select_disarm(&o->select);
	over(o, -ECANCELED);
}

static const struct rln_handle_kind select_op = { .cancel = cancel };

static int begin(struct ringline_op **ret, const struct rln_select *s, struct ringline_task *t)
{
	struct ringline_op *h;
	struct select_op *o;
	ssize_t which;
	int r = rln_handle_new(&h, &select_op);

	if (r < 0)
		return r;
	o = s->n > (SIZE_MAX - sizeof(*o)) / sizeof(o->nodes[0]) ? NULL :
	    rln_mem_alloc(sizeof(*o) + s->n * sizeof(o->nodes[0]));
	if (!o) {
		rln_handle_drop(h);
		return -ENOMEM;
	}
	o->select = *s;
	o->select.nodes = o->nodes;
	o->task = t;
	o->handle = h;
	rln_list_init(&o->settling.link);
	o->settling.run = settle;
	h->work.ptr = o;
	which = arm(o);
	if (which < 0 && which != RLN_SELECT_WAIT) {
		rln_mem_free(o);
		rln_handle_drop(h);
		return (int)which;
	}
	*ret = h;
	if (which >= 0)
		over(o, which);
	return 0;
}

int ringline_select_begin(struct ringline_op **ret, struct ringline_case *cases, size_t n, size_t case_size, uint32_t flags)
{
	struct ringline_task *t = rln_task_get(__func__);
	struct rln_select s;
	int r;

	if (!t)
		return rln_not_here();
	if (!ret || flags & RINGLINE_SELECT_NOWAIT)
		return -EINVAL;
	r = rln_select_check(&s, cases, n, case_size, flags);
	return r < 0 ? r : begin(ret, &s, t);
}
