/* SPDX-License-Identifier: MIT */
/*
 * Select: arm the cases one after the other, and park if none was ready; select.h tells what a case does.
 *
 *     round:  arm case by case --one is ready--> disarm those before it, take it
 *               | none                                    ^
 *               park --a node fired, and it settles-------+
 *                 |    +---- the reason has gone: disarm all, next round
 *                 +--cut: disarm all
 *
 * Fair: each round begins at another case, so that one which is always ready does not hide the others. Nodes lie on the
 * stack: a task that selects has a frame as large as its cases need, in two sizes, and only beyond those takes memory.
 */
#include <errno.h>
#include <stdio.h>

#include "base/mem.h"
#include "core/chan.h"
#include "core/executor.h"
#include "core/handle.h"
#include "core/select.h"
#include "core/sync.h"
#include "core/task.h"
#include "core/token.h"

#define NODES_FEW  16
#define NODES_MANY 128

static void describe(const void *object, char *text, size_t size)
{
	snprintf(text, size, "%zu cases", ((const struct rln_select *)object)->n);
}

static const struct rln_what what_select = { .name = "select", .describe = describe };

static struct ringline_case *case_at(const struct rln_select *s, size_t i)
{
	return (struct ringline_case *)(void *)(s->cases + i * s->size);
}

static size_t next_case(const struct rln_select *s, size_t i)
{
	return i + 1 == s->n ? 0 : i + 1;
}

static const struct rln_case_kind *kind_of(const struct rln_select *s, const struct ringline_case *c)
{
	return s->exec->case_kinds[c->kind];
}

/* Takes back the first *count* cases of a round, but for the one that is chosen. */
static void disarm(struct rln_select *s, size_t count, const struct ringline_case *chosen)
{
	size_t i = s->first;

	for (; count; count--, i = next_case(s, i)) {
		struct ringline_case *c = case_at(s, i);

		if (c == chosen || !c->kind)
			continue;
		if (!kind_of(s, c)->unlinks)
			rln_wait_disarm(&s->nodes[i].wait);
		if (kind_of(s, c)->disarm)
			kind_of(s, c)->disarm(c, &s->nodes[i]);
	}
}

static ssize_t choose(struct rln_select *s, size_t which, size_t armed)
{
	struct ringline_case *c = case_at(s, which);

	disarm(s, armed, c);
	if (kind_of(s, c)->take)
		kind_of(s, c)->take(c, &s->nodes[which]);
	return (ssize_t)which;
}

/* The round is over before anything was waited for, unless another worker has fired a case that is armed already. */
static ssize_t not_waiting(struct rln_select *s, size_t which, int r)
{
	struct ringline_case *c = case_at(s, which);

	if (r == RLN_CASE_LOST)
		return RLN_SELECT_WAIT;
	if (r == RLN_CASE_RETRY) {
		disarm(s, s->armed, NULL);
		return RLN_SELECT_AGAIN;
	}
	if (r == RLN_CASE_TAKEN || rln_parker_close(&s->parker)) {
		if (r == RLN_CASE_READY || r == RLN_CASE_TAKEN)
			return choose(s, which, s->armed);
		disarm(s, s->armed, NULL);
		return r == RLN_CASE_GONE ? (ssize_t)which : r;
	}
	if (r == RLN_CASE_READY && kind_of(s, c)->disarm)
		kind_of(s, c)->disarm(c, &s->nodes[which]);
	return RLN_SELECT_WAIT;
}

ssize_t rln_select_arm(struct rln_select *s, struct ringline_task *t, void (*fired)(struct rln_parker *p))
{
	size_t i;

	rln_parker_init(&s->parker, t, &what_select, s);
	s->parker.fired = fired;
	s->first = s->flags & RINGLINE_SELECT_BIASED ? 0 : s->exec->selects++ % s->n;
	for (s->armed = 0, i = s->first; s->armed < s->n; s->armed++, i = next_case(s, i)) {
		struct ringline_case *c = case_at(s, i);
		int r;

		rln_list_init(&s->nodes[i].wait.link);
		if (!c->kind)
			continue;
		r = kind_of(s, c)->arm(c, &s->nodes[i], &s->parker);
		if (r != RLN_CASE_WAITS)
			return not_waiting(s, i, r);
	}
	return RLN_SELECT_WAIT;
}

void rln_select_disarm(struct rln_select *s)
{
	disarm(s, s->armed, NULL);
}

ssize_t rln_select_settle(struct rln_select *s)
{
	size_t which = (size_t)(rln_container_of(rln_parker_winner(&s->parker), struct rln_select_node, wait) - s->nodes);
	struct ringline_case *c = case_at(s, which);
	const struct rln_select_node *n = &s->nodes[which];

	c->result = n->wait.result;
	if (!kind_of(s, c)->settle || kind_of(s, c)->settle(c, n))
		return choose(s, which, s->armed);
	rln_select_disarm(s);
	return RLN_SELECT_AGAIN;
}

/* Waits for the first of those that are armed. 0 or the cut. */
static int wait_for_one(struct rln_select *s)
{
	if (s->flags & RINGLINE_SELECT_NOWAIT && rln_parker_close(&s->parker))
		return -EAGAIN;
	return rln_park(&s->parker);
}

/* One round. AGAIN: there is to be another. */
static ssize_t round_of(struct rln_select *s)
{
	ssize_t which = rln_select_arm(s, s->exec->current, NULL);
	int cut;

	if (which != RLN_SELECT_WAIT)
		return which;
	cut = wait_for_one(s);
	if (!cut)
		return rln_select_settle(s);
	rln_select_disarm(s);
	return cut;
}

static ssize_t run(struct rln_select *s, struct rln_select_node *nodes)
{
	ssize_t which;

	s->nodes = nodes;
	do
		which = round_of(s);
	while (which == RLN_SELECT_AGAIN);
	return which;
}

static ssize_t run_few(struct rln_select *s)
{
	struct rln_select_node nodes[NODES_FEW];

	return run(s, nodes);
}

static __attribute__((noinline)) ssize_t run_many(struct rln_select *s)
{
	struct rln_select_node nodes[NODES_MANY];

	return run(s, nodes);
}

static __attribute__((noinline)) ssize_t run_any(struct rln_select *s)
{
	struct rln_select_node *nodes = s->n > SIZE_MAX / sizeof(*nodes) ? NULL : rln_mem_alloc(s->n * sizeof(*nodes));
	ssize_t which;

	if (!nodes)
		return -ENOMEM;
	which = run(s, nodes);
	rln_mem_free(nodes);
	return which;
}

/* The arguments */

static bool zero_tail(const struct ringline_case *c, size_t size)
{
	const unsigned char *p = (const unsigned char *)c;
	size_t i;

	for (i = sizeof(*c); i < size; i++)
		if (p[i])
			return false;
	return true;
}

static int check_cases(const struct rln_select *s)
{
	size_t used = 0;
	size_t i;

	for (i = 0; i < s->n; i++) {
		const struct ringline_case *c = case_at(s, i);

		if (c->kind >= RLN_CASE_KINDS || c->reserved || (c->kind && !kind_of(s, c)))
			return -EINVAL;
		if (s->size > sizeof(*c) && !zero_tail(c, s->size))
			return -E2BIG;
		used += c->kind != RINGLINE_CASE_NONE;
	}
	return used ? 0 : -EINVAL;
}

int rln_select_check(struct rln_select *s, struct ringline_case *cases, size_t n, size_t case_size, uint32_t flags)
{
	if (!cases || !n || case_size < sizeof(*cases) || flags & ~(RINGLINE_SELECT_BIASED | RINGLINE_SELECT_NOWAIT))
		return -EINVAL;
	s->exec = rln_exec_current;
	s->cases = (unsigned char *)cases;
	s->n = n;
	s->size = case_size;
	s->flags = flags;
	return check_cases(s);
}

ssize_t ringline_select(struct ringline_case *cases, size_t n, size_t case_size, uint32_t flags)
{
	struct rln_select s;
	struct ringline_task *t;
	int r = rln_task_get_parking(&t, __func__);

	if (r == 0)
		r = rln_select_check(&s, cases, n, case_size, flags);
	if (r == 0)
		r = t->scope->reason;
	if (r == 0 && !(flags & RINGLINE_SELECT_NOWAIT))
		r = rln_object_pace(t);   /* also if there is always something ready */
	if (r < 0)
		return r;
	if (n <= NODES_FEW)
		return run_few(&s);
	return n <= NODES_MANY ? run_many(&s) : run_any(&s);
}

/* The kinds of this layer */

static void fire_timer(struct rln_timer *t)
{
	rln_wait_fire(&rln_container_of(t, struct rln_select_node, own.timer)->wait, 0);
}

static int arm_deadline(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	struct rln_exec *x = rln_exec_current;

	rln_timer_init(&n->own.timer, fire_timer);
	if (c->value <= x->now) {
		c->result = 0;
		return RLN_CASE_READY;
	}
	rln_wait_arm(&n->wait, p, NULL);
	return rln_timer_arm(x, &n->own.timer, c->value);
}

static void disarm_deadline(struct ringline_case *c, struct rln_select_node *n)
{
	(void)c;
	rln_timer_cancel(rln_exec_current, &n->own.timer);
}

static void fire_token(void *arg)
{
	rln_wait_fire(&((struct rln_select_node *)arg)->wait, 0);
}

static int arm_token(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	int r;

	if (!c->object)
		return -EINVAL;
	rln_wait_arm(&n->wait, p, NULL);
	r = rln_token_attach(&n->own.token, c->object, rln_exec_current, fire_token, n);
	if (r < 0 || n->own.token)
		return r;
	c->result = 0;
	return RLN_CASE_READY;
}

static void disarm_token(struct ringline_case *c, struct rln_select_node *n)
{
	(void)c;
	rln_token_detach(n->own.token);
}

static int arm_task(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	struct ringline_task *t = c->object;
	int r = rln_case_check(c, n, &rln_exec_current->tasks);

	if (r)
		return r;
	if (t == p->task)
		return -EDEADLK;
	if (!rln_task_live(t)) {
		c->result = -EBADF;
		return RLN_CASE_GONE;
	}
	rln_task_ref(t);
	if (t->state == RLN_TASK_ENDED)
		return RLN_CASE_READY;
	rln_wait_arm(&n->wait, p, &t->ended);
	return RLN_CASE_WAITS;
}

static void take_task(struct ringline_case *c, struct rln_select_node *n)
{
	struct ringline_task *t = c->object;

	(void)n;
	c->result = t->result;
	c->kind = RINGLINE_CASE_NONE;
	rln_task_release(t);
	rln_task_unref(t);
}

static void disarm_task(struct ringline_case *c, struct rln_select_node *n)
{
	(void)n;
	rln_task_unref(c->object);
}

static int arm_op(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	struct ringline_op *h = c->object;
	int r = rln_case_check(c, n, &rln_exec_current->handles);

	if (r == 0)
		r = rln_handle_claim(h);
	if (r)
		return r;
	if (!rln_handle_pending(h))
		return RLN_CASE_READY;
	rln_wait_arm(&n->wait, p, &h->waiters);
	return RLN_CASE_WAITS;
}

static void take_op(struct ringline_case *c, struct rln_select_node *n)
{
	(void)n;
	c->result = rln_handle_take(c->object);
	c->kind = RINGLINE_CASE_NONE;
}

static void disarm_op(struct ringline_case *c, struct rln_select_node *n)
{
	(void)n;
	rln_handle_unclaim(c->object);
}

static const struct rln_case_kind deadline_case = {
	.arm = arm_deadline, .take = disarm_deadline, .disarm = disarm_deadline
};
static const struct rln_case_kind token_case = { .arm = arm_token, .take = disarm_token, .disarm = disarm_token };
static const struct rln_case_kind task_case = { .arm = arm_task, .take = take_task, .disarm = disarm_task };
static const struct rln_case_kind op_case = { .arm = arm_op, .take = take_op, .disarm = disarm_op };

void rln_select_init(struct rln_exec *x)
{
	x->case_kinds[RINGLINE_CASE_DEADLINE] = &deadline_case;
	x->case_kinds[RINGLINE_CASE_TOKEN] = &token_case;
	x->case_kinds[RINGLINE_CASE_TASK] = &task_case;
	x->case_kinds[RINGLINE_CASE_OP] = &op_case;
	rln_permits_select_init(x);
	rln_notify_select_init(x);
	rln_chan_select_init(x);
	rln_broadcast_select_init(x);
}
