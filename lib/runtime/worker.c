/* SPDX-License-Identifier: MIT */
/* The life of a worker; worker.h draws it. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "core/scope.h"
#include "core/timer.h"
#include "core/waker.h"
#include "ringline/common.h"
#include "runtime/runtime.h"
#include "runtime/worker.h"

static void drain_over(struct rln_timer *t);

int rln_worker_open(struct rln_worker *w)
{
	struct ringline_runtime *rt = w->rt;
	int r = rln_exec_init(&w->exec, &rt->config.exec);

	if (r < 0)
		return r;
	r = rt->backend->open(&w->exec.backend, &rt->config.io_backend);
	if (r < 0) {
		rln_exec_fini(&w->exec);
		return r;
	}
	rln_exec_bind(&w->exec);
	rln_io_init(&w->io, &w->exec, &rt->config.io);
	if (rt->nworkers > 1 && rt->config.io.max_connections)
		w->io.neighbours = &rln_neighbours;
	w->exec.worker = w;
	w->exec.watcher = rt->watch.limit ? &rt->watch.idle : NULL;
	w->stopping = RLN_RUN;
	rln_timer_init(&w->drain_timer, drain_over);
	rln_exec_open_door(&w->exec);
	r = rln_service_enter(w);
	if (r < 0)
		rln_worker_close(w);
	return r;
}

static void keep_stats(struct rln_worker *w)
{
	const _Atomic uint64_t *from = (const _Atomic uint64_t *)&w->exec.backend->stats;
	_Atomic uint64_t *to = (_Atomic uint64_t *)&w->final;
	size_t i;

	for (i = 0; i < sizeof(w->final) / sizeof(*to); i++)
		atomic_store_explicit(&to[i], rln_stat_get(&from[i]), memory_order_relaxed);
}

/* From here on no other thread comes in. */
static void shut_door(struct rln_worker *w)
{
	keep_stats(w);
	rln_exec_shut_door(&w->exec);
}

void rln_worker_abandon(struct rln_worker *w)
{
	shut_door(w);
	rln_exec_bind(NULL);
}

void rln_worker_close(struct rln_worker *w)
{
	shut_door(w);
	rln_timer_cancel(&w->exec, &w->drain_timer);
	rln_service_leave(w);
	rln_waker_drop_inbox(&w->exec);
	w->exec.backend->ops->close(w->exec.backend);
	w->exec.backend = NULL;
	rln_io_fini(&w->io);
	rln_exec_fini(&w->exec);
	rln_exec_bind(NULL);
}

static void force(struct rln_worker *w)
{
	w->stopping = RLN_FORCE;
	rln_scope_cut(&w->exec.root, -ECANCELED, true);
	rln_io_abort_all(&w->io);
}

static void drain_over(struct rln_timer *t)
{
	struct rln_worker *w = rln_container_of(t, struct rln_worker, drain_timer);

	rln_log(RLN_LOG_WARNING, "worker %u: drain timeout, cutting off %u connections and %llu tasks", w->index,
	        w->io.nopen, (unsigned long long)rln_exec_tasks(&w->exec));
	force(w);
}

static void drain(struct rln_worker *w)
{
	uint64_t deadline = rln_time_add(rln_clock_now(w->exec.clock), w->rt->config.drain_timeout);

	w->stopping = RLN_DRAIN;
	if (!w->index)
		rln_service_draining(w->rt);
	rln_io_stop_accepting(&w->io);
	rln_scope_cut(&w->exec.root, -ECANCELED, false);
	rln_io_cut_handlers(&w->io);
	if (rln_timer_arm(&w->exec, &w->drain_timer, deadline) < 0)
		force(w);         /* without memory for the timeout there is none to wait for */
}

bool rln_worker_stopped(struct rln_worker *w)
{
	uint32_t level = atomic_load_explicit(&w->rt->stop, memory_order_acquire);

	if (rln_likely(level == RLN_RUN))
		return false;
	if (w->stopping == RLN_RUN)
		drain(w);
	if (level == RLN_FORCE && w->stopping != RLN_FORCE)
		force(w);
	if (rln_exec_tasks(&w->exec) == 0)
		rln_io_close_all(&w->io);     /* what no task is left to close */
	return rln_exec_idle(&w->exec) && rln_io_idle(&w->io);
}

/* The last task may end in the very turn that would sleep afterwards: while stopping, tasks run without sleeping. */
static uint64_t turn_limit(const struct rln_worker *w)
{
	return w->stopping != RLN_RUN && rln_exec_runnable(&w->exec) ? 0 : RINGLINE_NEVER;
}

int rln_worker_loop(struct rln_worker *w)
{
	int r = 0;

	while (!rln_worker_stopped(w) && r == 0)
		r = rln_exec_turn(&w->exec, turn_limit(w));
	return r;
}
