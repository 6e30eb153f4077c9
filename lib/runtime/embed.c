/* SPDX-License-Identifier: MIT */
/*
 * One worker in somebody else's loop.
 *
 *     ringline_runtime_embed()   opens the worker on this thread; nothing runs yet
 *     the host's loop            polls ringline_runtime_fd() for reading, at most until ringline_runtime_next_deadline()
 *     ringline_runtime_dispatch()  turns that do not sleep
 *
 * Between two dispatches the thread is the host's: the library is not "on a worker" there, and whoever wants something of the
 * worker posts to it, which makes the descriptor readable. Several runtimes may be embedded in one thread, and in loops that
 * are nested in each other.
 */
#include <errno.h>

#include "core/task.h"
#include "runtime/runtime.h"

/* Turns of a dispatch, then the host has its turn. */
#define TURNS 16u

/* The worker, if the call comes from its thread, and not from one of its tasks. */
static int check(struct rln_worker **ret, const struct ringline_runtime *rt)
{
	if (!rt)
		return -EINVAL;
	if (rln_runtime_forked(rt))
		return -ECHILD;
	if (atomic_load((_Atomic uint32_t *)&rt->state) != RLN_RUNTIME_STARTED || !rt->embedded)
		return -ENOTCONN;
	if (!pthread_equal(rt->workers[0].thread, pthread_self()) || rln_exec_current)
		return -EPERM;
	*ret = &rt->workers[0];
	return 0;
}

static int open_worker(struct ringline_runtime *rt, struct rln_worker *w)
{
	int r = rln_worker_open(w);

	if (r < 0 && rln_runtime_fall_back(rt, r))
		r = rln_worker_open(w);
	if (r == 0 && ((r = rln_listens_attach(rt, w)) < 0 || (r = rln_watch_start(rt)) < 0 || (r = rln_listens_go_live(rt)) < 0)) {
		rln_worker_close(w);
		rln_watch_stop(rt);
	}
	return r;
}

static int start(struct ringline_runtime *rt, struct rln_worker *w)
{
	int r;

	w->thread = pthread_self();
	r = open_worker(rt, w);
	if (r < 0)
		return r;
	rt->embedded = true;
	atomic_store(&rt->state, RLN_RUNTIME_STARTED);
	rln_io_start_accepting(&w->io);
	r = rln_on_start_run(rt, w);
	if (r < 0) {
		rln_runtime_fail(rt, r);
		rln_runtime_stop(rt, RLN_FORCE);
	}
	r = w->exec.backend->ops->wait(w->exec.backend, 0);       /* hands over what was submitted, the wake-up too */
	w->exec.backend->ops->wake(w->exec.backend);              /* so that the host's first look finds it readable */
	rln_exec_bind(NULL);
	rln_service_started(rt);
	return r;
}

int ringline_runtime_embed(struct ringline_runtime *rt)
{
	uint32_t expected = RLN_RUNTIME_NEW;
	int r;

	if (!rt || rt->nworkers != 1)
		return -EINVAL;
	if (rln_exec_current)
		return -EPERM;
	if (!atomic_compare_exchange_strong(&rt->state, &expected, RLN_RUNTIME_STARTING))
		return -EBUSY;
	rt->config.io_backend.pollable = true;
	r = rln_runtime_prepare(rt);
	if (r == 0) {
		r = start(rt, &rt->workers[0]);
		if (r < 0)
			rln_runtime_unprepare(rt);
	}
	if (r < 0)
		atomic_store(&rt->state, RLN_RUNTIME_NEW);
	return r;
}

int ringline_runtime_fd(const struct ringline_runtime *rt)
{
	struct rln_worker *w;
	int r = check(&w, rt);

	return r < 0 ? r : w->exec.backend->ops->fd(w->exec.backend);
}

uint64_t ringline_runtime_next_deadline(const struct ringline_runtime *rt)
{
	struct rln_worker *w;

	if (check(&w, rt) < 0)
		return RINGLINE_NEVER;
	return rln_exec_due(&w->exec);
}

static void end(struct ringline_runtime *rt, struct rln_worker *w, int result)
{
	if (result < 0)
		rln_runtime_fail(rt, result);
	rln_watch_stop(rt);
	rln_runtime_end_worker(w, result);
	rln_pool_stop(&rt->pool);
	rln_listens_free(rt);
	rt->embedded = false;
	atomic_store(&rt->state, RLN_RUNTIME_JOINED);
}

int ringline_runtime_dispatch(struct ringline_runtime *rt)
{
	struct rln_worker *w;
	bool over;
	int r = check(&w, rt);

	if (r < 0)
		return r;
	rln_exec_bind(&w->exec);
	over = rln_worker_stopped(w);
	if (!over) {
		r = rln_exec_dispatch(&w->exec, TURNS);
		over = rln_worker_stopped(w);
	}
	if (r < 0 || over)
		end(rt, w, r);
	rln_exec_bind(NULL);
	return r < 0 ? r : !over;
}
