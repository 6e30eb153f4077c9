/* SPDX-License-Identifier: MIT */
/* The life of a task: start, run, end, handles; task.h draws the states. */
#include <errno.h>
#include <string.h>

#include "base/sized.h"
#include "core/executor.h"
#include "core/task.h"

/* Settled before its scopes are closed, which may cut the task's own. */
static void returned(struct ringline_task *t, int result)
{
	t->result = result;
	t->failed = result < 0 && result != t->base.reason;
}

/* What a fiber runs. The scopes are settled on the task's own stack, because that may have to wait. */
static void task_main(void *arg)
{
	struct ringline_task *t = arg;

	returned(t, t->fn(t->arg));
	rln_scope_close_all(t, t->result);
}

static void copy_name(struct ringline_task *t, const char *name)
{
	size_t n = strnlen(name, sizeof(t->name) - 1);

	memcpy(t->name, name, n);
	t->name[n] = '\0';
}

static void inherit_name(struct ringline_task *t, const struct ringline_task *parent)
{
	static const char fallback[sizeof(t->name)] = "task";

	memcpy(t->name, parent ? parent->name : fallback, sizeof(t->name));
}

static void task_init(struct rln_exec *x, struct ringline_task *t, const struct rln_task_start *how)
{
	rln_list_init(&t->link);
	t->fiber = NULL;
	t->fn = how->fn;
	t->arg = how->arg;
	rln_source_init(&t->ended);
	t->result = 0;
	t->refs = 1;
	t->state = RLN_TASK_IDLE;
	t->held = false;
	t->failed = false;
	t->cuttable = false;
	t->yielding = false;
	t->class = how->class ? how->class : x->current ? x->current->class : RINGLINE_TASK_LATENCY;
	t->parked = NULL;
	t->locks = 0;
	t->locals = NULL;
	if (how->name)
		copy_name(t, how->name);
	else
		inherit_name(t, x->current);
	rln_scope_init(&t->base, how->scope, t, RLN_SCOPE_BASE | RINGLINE_SCOPE_COLLECT);
	t->scope = &t->base;
}

int rln_task_start(struct ringline_task **ret, const struct rln_task_start *how)
{
	struct rln_exec *x = rln_exec_current;
	struct ringline_task *t;

	if (how->scope->reason && !how->independent)
		return how->scope->reason;
	t = rln_slab_alloc(&x->tasks);
	if (!t)
		return x->tasks.max && x->tasks.live >= x->tasks.max ? -EAGAIN : -ENOMEM;
	task_init(x, t, how);
	if ((x->current && !how->independent && rln_locals_inherit(t, x->current) < 0) ||
	    (!how->stackless && rln_fiber_new(&t->fiber, x->stacks, task_main, t) < 0)) {
		rln_locals_end(t);
		rln_scope_fini(&t->base);
		rln_slab_free(&x->tasks, t);
		return -ENOMEM;
	}
	how->scope->live++;
	rln_stat_add(&x->stats.tasks_started, 1);
	rln_task_wake(t);
	if (ret) {
		t->held = true;
		rln_task_ref(t);
		*ret = t;
	}
	return 0;
}

void rln_task_ref(struct ringline_task *t)
{
	t->refs++;
}

void rln_task_release(struct ringline_task *t)
{
	if (!t->held)
		return;
	t->held = false;
	rln_task_unref(t);
}

void rln_task_unref(struct ringline_task *t)
{
	if (--t->refs == 0)
		rln_slab_free(&rln_exec_current->tasks, t);
}

void rln_task_ended(struct rln_exec *x, struct ringline_task *t)
{
	struct rln_scope *parent = t->base.parent;

	t->state = RLN_TASK_ENDED;
	rln_stat_add(&x->stats.tasks_ended, 1);
	if (t->fiber) {
		rln_fiber_free(t->fiber);
		t->fiber = NULL;
	}
	if (rln_unlikely(t->locals != NULL))
		rln_locals_end(t);
	rln_source_fire_all(&t->ended, 0);
	rln_scope_child_ended(parent, t, t->result);
	rln_scope_fini(&t->base);
	rln_task_unref(t);
}

bool rln_task_poll(struct ringline_task *t)
{
	if (t->fn) {
		int r = t->fn(t->arg);

		if (r == -EINPROGRESS)
			return false;
		returned(t, r);
		t->fn = NULL;     /* from here on it only waits for what it left behind */
	}
	return rln_scope_try_close_all(t, t->result);
}

/* The public calls. */

int ringline_spawn(int (*fn)(void *arg), void *arg)
{
	struct ringline_task *self = rln_task_get(__func__);

	if (!self)
		return rln_not_here();
	if (!fn)
		return -EINVAL;
	return rln_task_start(NULL, &(struct rln_task_start){ .fn = fn, .arg = arg, .scope = self->scope });
}

int ringline_task_start(struct ringline_task **ret, int (*fn)(void *arg), void *arg,
                        const struct ringline_task_options *options)
{
	struct ringline_task *self = rln_task_get(__func__);
	struct ringline_task_options o;
	struct rln_task_start how = { .fn = fn, .arg = arg };
	int r;

	if (!self)
		return rln_not_here();
	if (!ret || !fn)
		return -EINVAL;
	r = rln_sized_in(&o, sizeof(o), options);
	if (r < 0)
		return r;
	if (o.scope && (r = rln_exec_check_handle(&rln_exec_current->scopes, &o.scope->slot, __func__)) < 0)
		return r;
	if (o.flags & ~RINGLINE_TASK_STACKLESS || o.task_class > RINGLINE_TASK_BULK)
		return -EINVAL;
	how.scope = o.scope ? &o.scope->node : self->scope;
	how.name = o.name;
	how.class = (uint8_t)o.task_class;
	how.stackless = o.flags & RINGLINE_TASK_STACKLESS;
	return rln_task_start(ret, &how);
}

int rln_task_check(const struct ringline_task *t, const char *call)
{
	int r;

	if (!t)
		return -EINVAL;
	if (!rln_exec_get(call))
		return rln_not_here();
	r = rln_exec_check_handle(&rln_exec_current->tasks, &t->slot, call);
	return r == 0 && !rln_task_live(t) ? -EBADF : r;
}

int ringline_task_cancel(struct ringline_task *task)
{
	int r = rln_task_check(task, __func__);

	if (r == 0 && task->state != RLN_TASK_ENDED)
		rln_scope_cut(&task->base, -ECANCELED, false);
	return r;
}

int ringline_task_detach(struct ringline_task *task)
{
	int r = rln_task_check(task, __func__);

	if (r == 0)
		rln_task_release(task);
	return r;
}

int ringline_task_set_name(struct ringline_task *task, const char *name)
{
	int r;

	if (!name)
		return -EINVAL;
	if (task) {
		r = rln_task_check(task, __func__);
		if (r < 0)
			return r;
	} else {
		task = rln_task_get(__func__);
		if (!task)
			return rln_not_here();
	}
	copy_name(task, name);
	return 0;
}

uint64_t ringline_task_id(void)
{
	struct rln_exec *x = rln_exec_current;

	return x && x->current ? rln_slot_id(&x->current->slot) : 0;
}

int rln_task_yield(struct ringline_task *t)
{
	rln_task_wake(t);
	t->yielding = true;
	rln_task_suspend(t);
	t->yielding = false;
	return t->scope->reason;
}

int ringline_yield(void)
{
	struct ringline_task *self;
	int r = rln_task_get_parking(&self, __func__);

	return r < 0 ? r : rln_task_yield(self);
}

int ringline_checkpoint(void)
{
	struct rln_exec *x = rln_exec_current;
	struct ringline_task *self;
	int r = rln_task_get_parking(&self, __func__);

	if (r < 0)
		return r;
	if (self->scope->reason)
		return self->scope->reason;
	if (rln_clock_now(x->clock) - x->now < x->slice)
		return 0;
	return rln_task_yield(self);
}
