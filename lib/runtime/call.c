/* SPDX-License-Identifier: MIT */
/*
 * Having another worker do something: a function it runs outside any task, and a request whose answer is waited for.
 *
 * A call lies on the stack of the task that waits for it and travels as messages:
 *
 *     caller                         worker
 *       there  ------------------->  starts a task; if it cannot, answers at once
 *       (cut) stop  -------------->  cancels the task, if it has not ended
 *       <------------------  stopped
 *       <---------------------  back    the task has ended, and all it started
 *
 * Messages of one thread to a worker arrive in order, so `stop` finds the task started or ended. The caller goes on when
 * everything it has sent has come back; until then its worker stays open, and so does its stack.
 */
#include <errno.h>

#include "base/mem.h"
#include "core/scope.h"
#include "core/task.h"
#include "core/waker.h"
#include "runtime/runtime.h"

/* Functions */

struct post_msg {
	struct rln_msg msg;
	void (*fn)(void *arg);
	void *arg;
};

/* A worker that ends runs what is left as well, but is none any more. */
static void run_post(struct rln_msg *m, struct rln_exec *x)
{
	struct post_msg *p = rln_container_of(m, struct post_msg, msg);
	struct rln_exec *self = rln_exec_current;

	if (!x)
		rln_exec_bind(NULL);
	p->fn(p->arg);
	rln_exec_bind(self);
	rln_mem_free(p);
}

int ringline_worker_post(struct ringline_runtime *rt, uint32_t worker, void (*fn)(void *arg), void *arg)
{
	struct post_msg *p;
	int r = fn ? rln_runtime_check(rt, worker) : -EINVAL;

	if (r < 0)
		return r;
	p = rln_mem_alloc(sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->msg.deliver = run_post;
	p->fn = fn;
	p->arg = arg;
	r = rln_worker_post(&rt->workers[worker], &p->msg, false);
	if (r < 0)
		rln_mem_free(p);
	return r;
}

/* Requests */

struct call {
	struct rln_msg there;
	struct rln_msg stop;
	struct rln_msg stopped;
	struct rln_msg back;
	struct rln_exec *caller;
	struct rln_worker *worker;
	int (*fn)(void *arg);
	void *arg;
	struct ringline_task *task;       /* the worker's; NULL: not started, or over */
	int result;
	uint32_t under_way;               /* answers that the caller waits for; its own */
	struct rln_wait wait;
};

static const struct rln_what what_call = { .name = "another worker" };

/* The caller's worker cannot close: its task waits. But it may as soon as the message has arrived. */
static void answer(struct call *c, struct rln_msg *m)
{
	struct rln_exec *caller = c->caller;

	if (!rln_exec_enter(caller))
		return;
	if (rln_exec_post(caller, m, true) < 0)
		__builtin_unreachable();   /* urgent messages are never refused */
	rln_exec_leave(caller);
}

static void answered(struct call *c)
{
	if (--c->under_way == 0)
		rln_wait_fire(&c->wait, 0);
}

static void came_back(struct rln_msg *m, struct rln_exec *x)
{
	(void)x;
	answered(rln_container_of(m, struct call, back));
}

static void came_to_a_stop(struct rln_msg *m, struct rln_exec *x)
{
	(void)x;
	answered(rln_container_of(m, struct call, stopped));
}

/* The answer comes after what the function has started has ended: its arguments may be the caller's. */
static int call_main(void *arg)
{
	struct call *c = arg;
	int result = c->fn(c->arg);

	rln_scope_close_all(rln_task_current(), result);
	c->task = NULL;
	c->result = result;
	answer(c, &c->back);
	return result;
}

static void start(struct rln_msg *m, struct rln_exec *x)
{
	struct call *c = rln_container_of(m, struct call, there);
	struct rln_task_start how = { .fn = call_main, .arg = c, .name = "call" };

	c->result = -ESHUTDOWN;
	if (x && !x->root.reason) {
		how.scope = &x->root;
		c->result = rln_task_start(&c->task, &how);
	}
	if (c->result < 0)
		answer(c, &c->back);
	else
		rln_task_release(c->task);
}

static void stop(struct rln_msg *m, struct rln_exec *x)
{
	struct call *c = rln_container_of(m, struct call, stop);

	if (x && c->task)
		rln_scope_cut(&c->task->base, -ECANCELED, false);
	answer(c, &c->stopped);
}

/* Waits for the answer; a cut has the task cancelled, and its end is waited for. */
static int wait_for_answer(struct call *c, struct rln_parker *p)
{
	int cut = rln_park(p);

	if (!cut)
		return c->result;
	c->under_way++;
	if (rln_worker_post(c->worker, &c->stop, true) < 0)
		c->under_way--;           /* the worker has ended, and so has the task */
	rln_park_shielded(p);
	return cut;
}

static int call(struct rln_worker *w, struct ringline_task *t, int (*fn)(void *arg), void *arg)
{
	struct call c = {
		.there.deliver = start, .stop.deliver = stop, .stopped.deliver = came_to_a_stop, .back.deliver = came_back,
		.caller = rln_exec_current, .worker = w, .fn = fn, .arg = arg, .under_way = 1,
	};
	struct rln_parker p;
	int r;

	rln_parker_init(&p, t, &what_call, w);
	rln_wait_arm(&c.wait, &p, NULL);
	r = rln_worker_post(w, &c.there, false);
	return r < 0 ? r : wait_for_answer(&c, &p);
}

int ringline_worker_call(struct ringline_runtime *rt, uint32_t worker, int (*fn)(void *arg), void *arg)
{
	struct ringline_task *t;
	int r = rln_task_get_parking(&t, __func__);

	if (r < 0)
		return r;
	r = fn ? rln_runtime_check(rt, worker) : -EINVAL;
	if (r == 0)
		r = t->scope->reason;
	if (r < 0)
		return r;
	if (&rt->workers[worker] == rln_exec_current->worker)
		return fn(arg);
	return call(&rt->workers[worker], t, fn, arg);
}
