/* SPDX-License-Identifier: MIT */
/*
 * Scopes: opening, cutting, closing; scope.h tells the idea.
 *
 * A cut walks the subtree without recursion (a chain of spawns may be as long as memory allows) and prunes at nodes that
 * have a reason already: everything below them has one too. A task is woken by a cut only if it is parked in the very
 * node, and in a wait that a cut may end; whoever runs, or is shielded, finds the reason at its next park.
 */
#include <errno.h>

#include "base/sized.h"
#include "core/executor.h"
#include "core/handle.h"
#include "core/scope.h"
#include "core/task.h"
#include "core/token.h"
#include "ringline/scope.h"

#define KNOWN_FLAGS (RINGLINE_SCOPE_COLLECT | RINGLINE_SCOPE_SHIELDED)

void rln_scope_init(struct rln_scope *s, struct rln_scope *parent, struct ringline_task *task, uint16_t flags)
{
	bool inherits = parent && !(flags & RINGLINE_SCOPE_SHIELDED);

	s->parent = parent;
	s->task = task;
	s->flags = flags;
	s->live = 0;
	s->pending = 0;
	s->error = 0;
	s->reason = inherits ? parent->reason : 0;
	s->deadline = inherits ? parent->deadline : RINGLINE_NEVER;
	rln_list_init(&s->children);
	rln_list_init(&s->sibling);
	rln_list_init(&s->handles);
	if (parent)
		rln_list_add_tail(&parent->children, &s->sibling);
}

void rln_scope_fini(struct rln_scope *s)
{
	rln_list_del(&s->sibling);
}

/* The next node of a walk in pre-order below *top*, NULL at its end. */
static struct rln_scope *walk_next(struct rln_scope *s, const struct rln_scope *top, bool descend)
{
	if (descend && !rln_list_empty(&s->children))
		return rln_list_entry(s->children.next, struct rln_scope, sibling);
	while (s != top) {
		if (s->sibling.next != &s->parent->children)
			return rln_list_entry(s->sibling.next, struct rln_scope, sibling);
		s = s->parent;
	}
	return NULL;
}

static void interrupt(const struct rln_scope *s)
{
	struct ringline_task *t = s->task;

	if (t && t->scope == s && (t->cuttable || !t->fiber))
		rln_task_wake(t);
}

void rln_scope_cut(struct rln_scope *top, int reason, bool force)
{
	struct rln_scope *s;
	bool descend;

	for (s = top; s; s = walk_next(s, top, descend)) {
		descend = force || (!s->reason && (s == top || !(s->flags & RINGLINE_SCOPE_SHIELDED)));
		if (!descend || s->reason)
			continue;
		s->reason = (int16_t)reason;
		interrupt(s);
	}
}

void rln_scope_notify(struct rln_scope *s)
{
	struct ringline_task *t = s->task;

	if (!t || t == rln_exec_current->current)     /* what a task does itself it knows */
		return;
	if (!t->fiber || (s->flags & RLN_SCOPE_SETTLING && !s->live && !s->pending))
		rln_task_wake(t);
}

/* A child that returned an error because it was cut has not failed, and is no failure of the scope's. */
void rln_scope_child_ended(struct rln_scope *s, struct ringline_task *child, int result)
{
	s->live--;
	if (child->failed) {
		if (!s->error)
			s->error = result;
		if (!(s->flags & RINGLINE_SCOPE_COLLECT))
			rln_scope_cut(s, -ECANCELED, false);
	}
	rln_scope_notify(s);
}

/*
 * A loop, because between the last event and the owner's turn somebody may spawn into the scope or claim a handle. No
 * wait node: there is only one who can wait, and what it waits for is what the loop looks at.
 */
static void wait_idle(struct rln_scope *s)
{
	s->flags |= RLN_SCOPE_SETTLING;
	while (s->live || s->pending)
		rln_task_suspend(s->task);
	s->flags &= (uint16_t)~RLN_SCOPE_SETTLING;
}

void rln_scope_settle(struct rln_scope *s)
{
	if (!s->live && !s->pending && rln_list_empty(&s->handles))
		return;
	rln_handles_cancel(s);    /* all there will be: only the task that waits now could begin more in it */
	wait_idle(s);
	rln_handles_dispose(s);
}

static bool try_settle(struct rln_scope *s)
{
	rln_handles_cancel(s);
	if (s->live || s->pending)
		return false;
	rln_handles_dispose(s);
	return true;
}

static void scope_close(struct ringline_scope *scope)
{
	struct rln_exec *x = rln_exec_current;

	rln_scope_settle(&scope->node);
	rln_timer_cancel(x, &scope->timer);
	rln_token_detach(scope->token);
	scope->node.task->scope = scope->node.parent;
	rln_scope_fini(&scope->node);
	rln_slab_free(&x->scopes, scope);
}

void rln_scope_close_all(struct ringline_task *t, int result)
{
	while (t->scope != &t->base) {
		if (result < 0)
			rln_scope_cut(t->scope, -ECANCELED, false);
		scope_close(rln_container_of(t->scope, struct ringline_scope, node));
	}
	if (result < 0)
		rln_scope_cut(&t->base, -ECANCELED, false);
	rln_scope_settle(&t->base);
}

bool rln_scope_try_close_all(struct ringline_task *t, int result)
{
	for (;;) {
		struct rln_scope *s = t->scope;

		if (result < 0)
			rln_scope_cut(s, -ECANCELED, false);
		if (!try_settle(s))
			return false;
		if (s == &t->base)
			return true;
		scope_close(rln_container_of(s, struct ringline_scope, node));
	}
}

static void deadline_passed(struct rln_timer *timer)
{
	rln_scope_cut(&rln_container_of(timer, struct ringline_scope, timer)->node, -ETIME, false);
}

/* The scope's own deadline, where it is nearer than what it inherits. */
static int arm_deadline(struct rln_exec *x, struct ringline_scope *scope, uint64_t deadline)
{
	if (!deadline || deadline >= scope->node.deadline)
		return 0;
	scope->node.deadline = deadline;
	if (deadline > x->now)
		return rln_timer_arm(x, &scope->timer, deadline);
	rln_scope_cut(&scope->node, -ETIME, false);
	return 0;
}

static void token_cancelled(void *arg)
{
	rln_scope_cut(&((struct ringline_scope *)arg)->node, -ECANCELED, false);
}

/* One that is cancelled already cuts the scope at once. */
static int attach_token(struct rln_exec *x, struct ringline_scope *scope, struct ringline_token *token)
{
	int r = rln_token_attach(&scope->token, token, x, token_cancelled, scope);

	if (r == 0 && !scope->token)
		rln_scope_cut(&scope->node, -ECANCELED, false);
	return r;
}

static int scope_open(struct rln_exec *x, struct ringline_scope *scope, const struct ringline_scope_options *o)
{
	struct ringline_task *self = x->current;
	int r;

	rln_timer_init(&scope->timer, deadline_passed);
	scope->token = NULL;
	rln_scope_init(&scope->node, self->scope, self, (uint16_t)o->flags);
	r = arm_deadline(x, scope, o->deadline);
	if (r == 0 && o->token)
		r = attach_token(x, scope, o->token);
	if (r < 0) {
		rln_timer_cancel(x, &scope->timer);
		rln_scope_fini(&scope->node);
		return r;
	}
	self->scope = &scope->node;
	return 0;
}

/* The public calls. */

int ringline_scope_open(struct ringline_scope **ret, const struct ringline_scope_options *options)
{
	struct rln_exec *x = rln_exec_current;
	struct ringline_scope_options o;
	struct ringline_scope *scope;
	int r;

	if (!rln_task_get(__func__))
		return rln_not_here();
	r = rln_sized_in(&o, sizeof(o), options);
	if (r < 0)
		return r;
	if (!ret || o.flags & ~KNOWN_FLAGS || o.reserved)
		return -EINVAL;
	scope = rln_slab_alloc(&x->scopes);
	if (!scope)
		return x->scopes.max && x->scopes.live >= x->scopes.max ? -EAGAIN : -ENOMEM;
	r = scope_open(x, scope, &o);
	if (r < 0) {
		rln_slab_free(&x->scopes, scope);
		return r;
	}
	*ret = scope;
	return 0;
}

static int check_scope(const struct ringline_scope *scope, const char *call)
{
	if (!scope)
		return -EINVAL;
	if (!rln_exec_get(call))
		return rln_not_here();
	return rln_exec_check_handle(&rln_exec_current->scopes, &scope->slot, call);
}

int ringline_scope_spawn(struct ringline_scope *scope, int (*fn)(void *arg), void *arg)
{
	int r = check_scope(scope, __func__);

	if (r < 0)
		return r;
	if (!rln_task_get(__func__))
		return rln_not_here();
	if (!fn)
		return -EINVAL;
	return rln_task_start(NULL, &(struct rln_task_start){ .fn = fn, .arg = arg, .scope = &scope->node });
}

int ringline_scope_cancel(struct ringline_scope *scope)
{
	int r = check_scope(scope, __func__);

	if (r == 0)
		rln_scope_cut(&scope->node, -ECANCELED, false);
	return r;
}

int ringline_scope_close(struct ringline_scope *scope)
{
	struct ringline_task *self;
	int result;
	int r;

	r = check_scope(scope, __func__);
	if (r < 0)
		return r;
	self = rln_task_get(__func__);
	if (!self || scope->node.task != self)
		return -EPERM;
	if (!self->fiber)
		return -EDEADLK;
	if (self->scope != &scope->node)
		return -EBUSY;
	rln_scope_settle(&scope->node);
	result = scope->node.error ? scope->node.error : scope->node.reason;
	scope_close(scope);
	return result;
}

int ringline_scope_state(const struct ringline_scope *scope, struct ringline_scope_info *info)
{
	struct ringline_scope_info out = { .size = sizeof(out) };
	const struct rln_scope *s;
	struct ringline_task *self;
	int r;

	if (!info)
		return -EINVAL;
	if (scope) {
		r = check_scope(scope, __func__);
		if (r < 0)
			return r;
		s = &scope->node;
	} else {
		self = rln_task_get(__func__);
		if (!self)
			return rln_not_here();
		s = self->scope;
	}
	out.reason = s->reason;
	out.error = s->error;
	out.deadline = s->deadline;
	out.children = s->live;
	return rln_sized_out(info, &out, sizeof(out));
}
