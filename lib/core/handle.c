/* SPDX-License-Identifier: MIT */
/*
 * Op handles and the calls that wait for them; handle.h tells the idea.
 *
 * Whoever waits for a handle claims it first: the claim is the exclusive right to consume it, so a handle cannot vanish
 * under a waiter. A second claim is -EBUSY. A scope counts as pending what is not done and what is claimed; when that
 * number is zero, what is left may be disposed of.
 */
#include <errno.h>

#include "base/mem.h"
#include "core/executor.h"
#include "core/handle.h"
#include "core/scope.h"
#include "core/task.h"

#define RLN_NODES_ON_STACK 8

static void scope_pending_drop(struct rln_scope *s)
{
	s->pending--;
	rln_scope_notify(s);
}

int rln_handle_new(struct ringline_op **ret, const struct rln_handle_kind *kind)
{
	struct rln_exec *x = rln_exec_current;
	struct rln_scope *s = x->current->scope;
	struct ringline_op *h;

	if (s->reason)
		return s->reason;
	h = rln_slab_alloc(&x->handles);
	if (!h)
		return x->handles.max && x->handles.live >= x->handles.max ? -EAGAIN : -ENOMEM;
	h->scope = s;
	h->kind = kind;
	h->result = -EINPROGRESS;
	h->claimed = false;
	rln_source_init(&h->waiters);
	rln_list_init(&h->scope_link);
	rln_list_add_tail(&s->handles, &h->scope_link);
	s->pending++;
	*ret = h;
	return 0;
}

void rln_handle_done(struct ringline_op *h, int64_t result)
{
	h->result = result;
	rln_source_fire_all(&h->waiters, result);
	if (h->claimed)
		rln_scope_notify(h->scope);
	else
		scope_pending_drop(h->scope);
}

void rln_handle_free(struct ringline_op *h)
{
	rln_list_del(&h->scope_link);
	rln_slab_free(&rln_exec_current->handles, h);
}

void rln_handle_drop(struct ringline_op *h)
{
	rln_handle_done(h, -ECANCELED);
	rln_handle_free(h);
}

void rln_handles_cancel(struct rln_scope *s)
{
	struct rln_list *it;
	struct rln_list *tmp;

	rln_list_for_each_safe (it, tmp, &s->handles) {
		struct ringline_op *h = rln_list_entry(it, struct ringline_op, scope_link);

		if (rln_handle_pending(h))
			h->kind->cancel(h);
	}
}

void rln_handles_dispose(struct rln_scope *s)
{
	struct rln_list *node;

	while ((node = rln_list_first(&s->handles))) {
		struct ringline_op *h = rln_list_entry(node, struct ringline_op, scope_link);

		if (h->kind->dispose)
			h->kind->dispose(h);
		rln_handle_free(h);
	}
}

static void backend_op_complete(struct rln_op *op, const struct rln_completion *c)
{
	rln_handle_done(rln_container_of(op, struct ringline_op, work.op), c->res);
}

static void backend_op_cancel(struct ringline_op *h)
{
	rln_op_cancel(&h->work.op);
}

const struct rln_handle_kind rln_handle_backend_op = { .cancel = backend_op_cancel };

void rln_handle_submit(struct ringline_op *h)
{
	h->work.op.complete = backend_op_complete;
	rln_op_submit(&h->work.op);
}

/* Claims */

int rln_handle_claim(struct ringline_op *h)
{
	if (h->claimed)
		return -EBUSY;
	h->claimed = true;
	if (!rln_handle_pending(h))
		h->scope->pending++;
	return 0;
}

void rln_handle_unclaim(struct ringline_op *h)
{
	h->claimed = false;
	if (!rln_handle_pending(h))
		scope_pending_drop(h->scope);
}

int64_t rln_handle_take(struct ringline_op *h)
{
	struct rln_scope *s = h->scope;
	int64_t result = h->result;

	if (h->kind->take)
		h->kind->take(h);
	rln_handle_free(h);
	scope_pending_drop(s);
	return result;
}

/* The public calls. */

static inline int check_handle(const struct ringline_op *h, const char *call)
{
	struct rln_exec *x;

	if (!h)
		return -EINVAL;
	x = rln_exec_get(call);
	return x ? rln_exec_check_handle(&x->handles, &h->slot, call) : rln_not_here();
}

static int claim(struct ringline_op *h, const char *call)
{
	int r = check_handle(h, call);

	return r < 0 ? r : rln_handle_claim(h);
}

static void unclaim_all(struct ringline_op **ops, size_t n)
{
	while (n--)
		if (ops[n])
			rln_handle_unclaim(ops[n]);
}

/* Claims the operations of an array, passing over NULL entries; all or none. The number claimed, or -errno. */
static ssize_t claim_all(struct ringline_op **ops, size_t n, const char *call)
{
	ssize_t claimed = 0;
	size_t i;

	if (!ops && n)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		int r = ops[i] ? claim(ops[i], call) : 0;

		if (r < 0) {
			unclaim_all(ops, i);
			return r;
		}
		claimed += ops[i] != NULL;
	}
	return claimed;
}

static const struct rln_what what_op = { .name = "operation" };
static const struct rln_what what_ops = { .name = "operations" };

/* Waits until a claimed handle is done. Returns 0, or unless *shielded* the cut that came first. */
static int wait_done(struct ringline_op *h, struct ringline_task *t, bool shielded)
{
	struct rln_parker p;
	struct rln_wait w;
	int r = 0;

	if (!rln_handle_pending(h))
		return 0;
	rln_parker_init(&p, t, &what_op, h);
	rln_wait_arm(&w, &p, &h->waiters);
	if (shielded)
		rln_park_shielded(&p);
	else
		r = rln_park(&p);
	rln_wait_disarm(&w);
	return r;
}

static void cancel_pending(struct ringline_op **ops, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (ops[i] && rln_handle_pending(ops[i]))
			ops[i]->kind->cancel(ops[i]);
}

int64_t ringline_op_await(struct ringline_op *op)
{
	struct ringline_task *t;
	int r;

	r = rln_task_get_parking(&t, __func__);
	if (r == 0)
		r = claim(op, __func__);
	if (r < 0)
		return r;
	if (wait_done(op, t, false) < 0) {
		cancel_pending(&op, 1);
		(void)wait_done(op, t, true);
	}
	return rln_handle_take(op);
}

int ringline_op_await_all(struct ringline_op **ops, size_t n, int64_t *results)
{
	struct ringline_task *t;
	ssize_t claimed;
	int cut;
	size_t i;

	cut = rln_task_get_parking(&t, __func__);
	if (cut < 0)
		return cut;
	claimed = claim_all(ops, n, __func__);
	if (claimed < 0)
		return (int)claimed;

	for (i = 0; i < n; i++) {
		int64_t result = 0;

		/* the first cut cancels all that is left, at once rather than one after the other */
		if (ops[i] && !cut && (cut = wait_done(ops[i], t, false)) < 0)
			cancel_pending(ops + i, n - i);
		if (ops[i]) {
			(void)wait_done(ops[i], t, true);
			result = rln_handle_take(ops[i]);
		}
		if (results)
			results[i] = result;
		ops[i] = NULL;
	}
	return cut;
}

static ssize_t first_done(struct ringline_op **ops, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (ops[i] && !rln_handle_pending(ops[i]))
			return (ssize_t)i;
	return -EINPROGRESS;
}

/* Parks on all the handles at once; 0 when one of them is done, or the cut. */
static int park_on_any(struct ringline_op **ops, size_t n, struct rln_wait *nodes, struct ringline_task *t)
{
	struct rln_parker p;
	size_t i;
	int r;

	rln_parker_init(&p, t, &what_ops, NULL);
	for (i = 0; i < n; i++)
		if (ops[i])
			rln_wait_arm(&nodes[i], &p, &ops[i]->waiters);
	r = rln_park(&p);
	for (i = 0; i < n; i++)
		if (ops[i])
			rln_wait_disarm(&nodes[i]);
	return r;
}

static ssize_t wait_any(struct ringline_op **ops, size_t n, struct ringline_task *t)
{
	struct rln_wait on_stack[RLN_NODES_ON_STACK];
	struct rln_wait *nodes = on_stack;
	int r;

	if (n > RLN_NODES_ON_STACK) {
		nodes = rln_mem_alloc(n * sizeof(*nodes));
		if (!nodes)
			return -ENOMEM;
	}
	r = park_on_any(ops, n, nodes, t);
	if (nodes != on_stack)
		rln_mem_free(nodes);
	return r < 0 ? r : first_done(ops, n);
}

/* Is it given once more? Then it would be gone when that is looked at. */
static bool given_again(struct ringline_op **ops, size_t n, size_t i)
{
	size_t k;

	for (k = i + 1; k < n; k++)
		if (ops[k] == ops[i])
			return true;
	return false;
}

/* The first that is done before anything is waited for: claimed, and the others left alone. -EINPROGRESS: there is none. */
static ssize_t claim_done(struct ringline_op **ops, size_t n, const char *call)
{
	size_t i;

	for (i = 0; i < n; i++) {
		int r = ops[i] ? check_handle(ops[i], call) : 0;

		if (r < 0)
			return r;
		if (ops[i] && !rln_handle_pending(ops[i])) {
			r = given_again(ops, n, i) ? -EBUSY : rln_handle_claim(ops[i]);
			return r < 0 ? r : (ssize_t)i;
		}
	}
	return -EINPROGRESS;
}

/* Waits until one is done; that one is claimed when this returns, the others are not. */
static ssize_t claim_next(struct ringline_op **ops, size_t n, struct ringline_task *t, const char *call)
{
	ssize_t which = claim_all(ops, n, call);
	struct ringline_op *winner = NULL;

	if (which <= 0)
		return which < 0 ? which : -EINVAL;
	which = wait_any(ops, n, t);
	if (which >= 0) {
		winner = ops[which];
		ops[which] = NULL;
	}
	unclaim_all(ops, n);
	if (winner)
		ops[which] = winner;
	return which;
}

ssize_t ringline_op_await_any(struct ringline_op **ops, size_t n, int64_t *result)
{
	struct ringline_task *t;
	ssize_t which;
	int64_t value;
	int r;

	r = rln_task_get_parking(&t, __func__);
	if (r < 0)
		return r;
	if (!ops && n)
		return -EINVAL;
	which = claim_done(ops, n, __func__);
	if (which == -EINPROGRESS)
		which = claim_next(ops, n, t, __func__);
	if (which < 0)
		return which;
	value = rln_handle_take(ops[which]);
	if (result)
		*result = value;
	ops[which] = NULL;
	return which;
}

int ringline_op_cancel(struct ringline_op *op)
{
	int r = check_handle(op, __func__);

	if (r == 0 && rln_handle_pending(op))
		op->kind->cancel(op);
	return r;
}

int64_t ringline_op_result(struct ringline_op *op)
{
	int r = check_handle(op, __func__);

	if (r == 0 && op->claimed)
		r = -EBUSY;
	if (r < 0)
		return r;
	if (rln_handle_pending(op) && op->scope->reason)
		op->kind->cancel(op);
	if (rln_handle_pending(op))
		return -EINPROGRESS;
	op->scope->pending++;     /* as a claim does; taking the result gives it back */
	return rln_handle_take(op);
}
