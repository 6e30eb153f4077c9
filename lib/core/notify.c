/* SPDX-License-Identifier: MIT */
/*
 * Events, conditions, waitgroups and once: flags and counters of one worker, and those who wait for a change.
 *
 * A waiter that was told goes on even if the state has changed back before its turn comes: it was so while it waited. Only
 * a condition's waiters have to look again, because the mutex may have been another's in between.
 */
#include "core/sync.h"

static const struct ringline_task *once_runner(const void *object)
{
	return ((const struct ringline_once *)object)->runner;
}

static const struct rln_what what_notify = { .name = "wait", .describe = rln_object_describe };
static const struct rln_what what_once = { .name = "wait", .describe = rln_object_describe, .holder = once_runner };

/* These objects are of one worker; what says "shared" is refused. */
static int new_local(struct rln_object **ret, enum rln_object_kind kind, const struct ringline_sync_options *options,
                     const char *call)
{
	int r = rln_object_new(ret, kind, options, call);

	if (r < 0 || (*ret)->owner)
		return r;
	rln_object_unref(*ret);
	return -EINVAL;
}

/* Parks until *source* fires. What it fired, or the cut. */
static int wait_on(struct rln_object *o, struct rln_source *source, struct ringline_task *t, const struct rln_what *what)
{
	struct rln_parker p;
	struct rln_exchange e = { .n = 1 };
	int r;

	rln_parker_init(&p, t, what, o);
	rln_exchange_arm(&e, &p, source, o);
	r = rln_park(&p);
	rln_exchange_disarm(&e, o);
	return r < 0 ? r : (int)e.wait.result;
}

static int free_local(void *handle, struct rln_source *waiters, enum rln_object_kind kind, const char *call)
{
	int r = handle ? rln_object_check(handle, kind, call) : 0;

	if (r == 0 && handle)
		rln_object_kill(handle, waiters);
	return r;
}

/* Event */

int ringline_event_new(struct ringline_event **ret, const struct ringline_sync_options *options)
{
	struct rln_object *o;
	int r = ret ? new_local(&o, RLN_OBJECT_EVENT, options, __func__) : -EINVAL;

	if (r < 0)
		return r;
	*ret = rln_container_of(o, struct ringline_event, o);
	rln_source_init(&(*ret)->waiters);
	return 0;
}

int ringline_event_set(struct ringline_event *event)
{
	int r = rln_object_check(rln_object_of(event), RLN_OBJECT_EVENT, __func__);

	if (r < 0)
		return r;
	event->set = true;
	rln_source_fire_all(&event->waiters, 0);
	return 0;
}

int ringline_event_reset(struct ringline_event *event)
{
	int r = rln_object_check(rln_object_of(event), RLN_OBJECT_EVENT, __func__);

	if (r == 0)
		event->set = false;
	return r;
}

int ringline_event_wait(struct ringline_event *event)
{
	struct ringline_task *t;
	int r = rln_object_check_park(rln_object_of(event), RLN_OBJECT_EVENT, &t, __func__);

	if (r < 0)
		return r;
	return event->set ? rln_object_pace(t) : wait_on(&event->o, &event->waiters, t, &what_notify);
}

int ringline_event_free(struct ringline_event *event)
{
	return free_local(event, event ? &event->waiters : NULL, RLN_OBJECT_EVENT, __func__);
}

/* Condition */

int ringline_condition_new(struct ringline_condition **ret, const struct ringline_sync_options *options)
{
	struct rln_object *o;
	int r = ret ? new_local(&o, RLN_OBJECT_CONDITION, options, __func__) : -EINVAL;

	if (r < 0)
		return r;
	*ret = rln_container_of(o, struct ringline_condition, o);
	rln_source_init(&(*ret)->waiters);
	return 0;
}

/* The mutex is given back when the wait is armed, so that no signal falls in between. */
static int wait_unlocked(struct ringline_condition *c, struct ringline_mutex *m, struct ringline_task *t)
{
	struct rln_parker p;
	struct rln_exchange e;
	int r;

	rln_parker_init(&p, t, &what_notify, c);
	rln_exchange_arm(&e, &p, &c->waiters, &c->o);
	r = rln_mutex_release(m, t);
	if (r == 0)
		r = rln_park(&p);
	rln_exchange_disarm(&e, &c->o);
	return r < 0 ? r : (int)e.wait.result;
}

int ringline_condition_wait(struct ringline_condition *condition, struct ringline_mutex *mutex)
{
	struct ringline_task *t;
	int retaken;
	int r = rln_object_check_park(rln_object_of(condition), RLN_OBJECT_CONDITION, &t, __func__);

	if (r == 0)
		r = rln_object_check(rln_object_of(mutex), RLN_OBJECT_MUTEX, __func__);
	if (r == 0 && rln_permits_holder(&mutex->permits) != t)
		r = -EPERM;
	if (r < 0)
		return r;
	r = wait_unlocked(condition, mutex, t);
	retaken = rln_mutex_retake(mutex, t);
	return retaken < 0 ? retaken : r;
}

int ringline_condition_signal(struct ringline_condition *condition)
{
	int r = rln_object_check(rln_object_of(condition), RLN_OBJECT_CONDITION, __func__);

	if (r == 0)
		rln_source_fire_one(&condition->waiters, 0);
	return r;
}

int ringline_condition_broadcast(struct ringline_condition *condition)
{
	int r = rln_object_check(rln_object_of(condition), RLN_OBJECT_CONDITION, __func__);

	if (r == 0)
		rln_source_fire_all(&condition->waiters, 0);
	return r;
}

int ringline_condition_free(struct ringline_condition *condition)
{
	return free_local(condition, condition ? &condition->waiters : NULL, RLN_OBJECT_CONDITION, __func__);
}

/* Waitgroup */

int ringline_waitgroup_new(struct ringline_waitgroup **ret, const struct ringline_sync_options *options)
{
	struct rln_object *o;
	int r = ret ? new_local(&o, RLN_OBJECT_WAITGROUP, options, __func__) : -EINVAL;

	if (r < 0)
		return r;
	*ret = rln_container_of(o, struct ringline_waitgroup, o);
	rln_source_init(&(*ret)->waiters);
	return 0;
}

int ringline_waitgroup_add(struct ringline_waitgroup *waitgroup, uint32_t n)
{
	int r = rln_object_check(rln_object_of(waitgroup), RLN_OBJECT_WAITGROUP, __func__);

	if (r == 0)
		waitgroup->count += n;
	return r;
}

int ringline_waitgroup_done(struct ringline_waitgroup *waitgroup)
{
	int r = rln_object_check(rln_object_of(waitgroup), RLN_OBJECT_WAITGROUP, __func__);

	if (r < 0)
		return r;
	if (!waitgroup->count)
		return -ERANGE;
	if (--waitgroup->count == 0)
		rln_source_fire_all(&waitgroup->waiters, 0);
	return 0;
}

int ringline_waitgroup_wait(struct ringline_waitgroup *waitgroup)
{
	struct ringline_task *t;
	int r = rln_object_check_park(rln_object_of(waitgroup), RLN_OBJECT_WAITGROUP, &t, __func__);

	if (r < 0)
		return r;
	return waitgroup->count ? wait_on(&waitgroup->o, &waitgroup->waiters, t, &what_notify) : rln_object_pace(t);
}

int ringline_waitgroup_free(struct ringline_waitgroup *waitgroup)
{
	return free_local(waitgroup, waitgroup ? &waitgroup->waiters : NULL, RLN_OBJECT_WAITGROUP, __func__);
}

/* Once */

int ringline_once_new(struct ringline_once **ret, const struct ringline_sync_options *options)
{
	struct rln_object *o;
	int r = ret ? new_local(&o, RLN_OBJECT_ONCE, options, __func__) : -EINVAL;

	if (r < 0)
		return r;
	*ret = rln_container_of(o, struct ringline_once, o);
	rln_source_init(&(*ret)->waiters);
	return 0;
}

/* Who waits in ringline_once_run(), n = 1, rather than in a select, n = 0, may run it. */
static void wake_next_runner(struct ringline_once *o)
{
	struct rln_list *it;

	rln_list_for_each (it, &o->waiters.waiters) {
		struct rln_exchange *e = rln_container_of(it, struct rln_exchange, wait.link);

		if (e->n) {
			rln_wait_fire(&e->wait, -EAGAIN);
			return;
		}
	}
}

/* A run that fails is none: the longest waiting task runs it next. */
static int run_once(struct ringline_once *o, struct ringline_task *t, int (*fn)(void *arg), void *arg)
{
	int r;

	o->state = RLN_ONCE_RUNNING;
	o->runner = t;
	o->o.refs++;              /* fn may free it */
	r = fn(arg);
	o->runner = NULL;
	o->state = r < 0 ? RLN_ONCE_IDLE : RLN_ONCE_DONE;
	if (r < 0)
		wake_next_runner(o);
	else
		rln_source_fire_all(&o->waiters, 0);
	rln_object_unref(&o->o);
	return rln_min(r, 0);
}

int ringline_once_run(struct ringline_once *once, int (*fn)(void *arg), void *arg)
{
	struct ringline_task *t;
	int r = rln_object_check_park(rln_object_of(once), RLN_OBJECT_ONCE, &t, __func__);

	if (r < 0)
		return r;
	if (!fn)
		return -EINVAL;
	while (once->state == RLN_ONCE_RUNNING) {
		if (once->runner == t)
			return -EDEADLK;
		r = wait_on(&once->o, &once->waiters, t, &what_once);
		if (r < 0 && r != -EAGAIN)
			return r;
		if (r == 0)
			return 0;
	}
	return once->state == RLN_ONCE_DONE ? rln_object_pace(t) : run_once(once, t, fn, arg);
}

int ringline_once_done(const struct ringline_once *once)
{
	int r = rln_object_check(rln_object_of(once), RLN_OBJECT_ONCE, __func__);

	return r < 0 ? r : once->state == RLN_ONCE_DONE;
}

int ringline_once_free(struct ringline_once *once)
{
	return free_local(once, once ? &once->waiters : NULL, RLN_OBJECT_ONCE, __func__);
}

/* Cases of select */

static int arm(struct rln_select_node *n, struct rln_parker *p, struct rln_object *o, struct rln_source *source)
{
	n->exchange.n = 0;
	rln_exchange_arm(&n->exchange, p, source, o);
	return RLN_CASE_WAITS;
}

static int ready(struct ringline_case *c, struct rln_select_node *n)
{
	n->taken = true;
	c->result = 0;
	return RLN_CASE_READY;
}

static void disarm(struct ringline_case *c, struct rln_select_node *n)
{
	if (!n->taken)
		rln_exchange_disarm(&n->exchange, c->object);
}

static int arm_event(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	struct ringline_event *e = c->object;
	int r = rln_object_case_check(c, RLN_OBJECT_EVENT);

	n->taken = false;
	if (r)
		return r;
	return e->set ? ready(c, n) : arm(n, p, &e->o, &e->waiters);
}

static int arm_condition(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	struct ringline_condition *d = c->object;
	int r = rln_object_case_check(c, RLN_OBJECT_CONDITION);

	n->taken = false;
	return r ? r : arm(n, p, &d->o, &d->waiters);
}

static int arm_waitgroup(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	struct ringline_waitgroup *w = c->object;
	int r = rln_object_case_check(c, RLN_OBJECT_WAITGROUP);

	n->taken = false;
	if (r)
		return r;
	return w->count ? arm(n, p, &w->o, &w->waiters) : ready(c, n);
}

static int arm_once(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	struct ringline_once *o = c->object;
	int r = rln_object_case_check(c, RLN_OBJECT_ONCE);

	n->taken = false;
	if (r)
		return r;
	return o->state == RLN_ONCE_DONE ? ready(c, n) : arm(n, p, &o->o, &o->waiters);
}

#define NOTIFY_CASE(how) { .arm = how, .take = disarm, .disarm = disarm, .unlinks = true }

static const struct rln_case_kind event_case = NOTIFY_CASE(arm_event);
static const struct rln_case_kind condition_case = NOTIFY_CASE(arm_condition);
static const struct rln_case_kind waitgroup_case = NOTIFY_CASE(arm_waitgroup);
static const struct rln_case_kind once_case = NOTIFY_CASE(arm_once);

void rln_notify_select_init(struct rln_exec *x)
{
	x->case_kinds[RINGLINE_CASE_EVENT] = &event_case;
	x->case_kinds[RINGLINE_CASE_CONDITION] = &condition_case;
	x->case_kinds[RINGLINE_CASE_WAITGROUP] = &waitgroup_case;
	x->case_kinds[RINGLINE_CASE_ONCE] = &once_case;
}
