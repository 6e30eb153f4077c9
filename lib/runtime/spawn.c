/* SPDX-License-Identifier: MIT */
/*
 * Starting tasks on workers: from any thread, and at the start.
 *
 * A spawn from outside travels as a message. The poster holds the worker open while it posts, so the message is delivered
 * or, if the worker has ended its loop, dropped by it; in both cases the message's memory is freed there.
 */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/task.h"
#include "core/waker.h"
#include "runtime/runtime.h"

struct spawn_msg {
	struct rln_msg msg;
	int (*fn)(void *arg);
	void *arg;
};

static void spawn_here(struct rln_msg *m, struct rln_exec *x)
{
	struct spawn_msg *s = rln_container_of(m, struct spawn_msg, msg);

	if (x && !x->root.reason) {
		int r = rln_task_start(NULL, &(struct rln_task_start){ .fn = s->fn, .arg = s->arg, .scope = &x->root });

		if (r < 0)
			rln_log(RLN_LOG_ERROR, "a task spawned from another thread could not be started: error %d", -r);
	}
	rln_mem_free(s);
}

int rln_worker_post(struct rln_worker *w, struct rln_msg *m, bool urgent)
{
	int r;

	if (!rln_exec_enter(&w->exec))
		return -ESHUTDOWN;
	r = urgent || atomic_load(&w->rt->stop) == RLN_RUN ? rln_exec_post(&w->exec, m, urgent) : -ESHUTDOWN;
	rln_exec_leave(&w->exec);
	return r;
}

int rln_runtime_check(const struct ringline_runtime *rt, uint32_t worker)
{
	if (!rt || worker >= rt->nworkers)
		return -EINVAL;
	if (rln_runtime_forked(rt))
		return -ECHILD;
	return atomic_load((_Atomic uint32_t *)&rt->state) == RLN_RUNTIME_STARTED ? 0 : -ESHUTDOWN;
}

int ringline_worker_spawn(struct ringline_runtime *rt, uint32_t worker, int (*fn)(void *arg), void *arg)
{
	struct spawn_msg *s;
	int r;

	if (!fn)
		return -EINVAL;
	r = rln_runtime_check(rt, worker);
	if (r < 0)
		return r;
	s = rln_mem_alloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->msg.deliver = spawn_here;
	s->fn = fn;
	s->arg = arg;
	r = rln_worker_post(&rt->workers[worker], &s->msg, false);
	if (r < 0)
		rln_mem_free(s);
	return r;
}

static int on_start_main(void *arg)
{
	struct rln_on_start *s = arg;
	int r = s->fn(s->arg);

	/* an end because the runtime shuts down anyway is no failure */
	if (r < 0 && r != rln_task_current()->base.reason) {
		rln_runtime_fail(rln_exec_current->worker->rt, r);
		rln_runtime_stop(rln_exec_current->worker->rt, RLN_DRAIN);
	}
	return r;
}

int rln_on_start_run(struct ringline_runtime *rt, struct rln_worker *w)
{
	struct rln_list *node;

	rln_list_for_each (node, &rt->on_start) {
		struct rln_task_start how = {
			.fn = on_start_main,
			.arg = rln_list_entry(node, struct rln_on_start, link),
			.scope = &w->exec.root,
			.name = "start",
		};
		int r = rln_task_start(NULL, &how);

		if (r < 0)
			return r;
	}
	return 0;
}
