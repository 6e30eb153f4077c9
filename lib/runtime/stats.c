/* SPDX-License-Identifier: MIT */
/* Reading the counters of a worker from any thread. */
#include <errno.h>
#include <string.h>

#include "base/sized.h"
#include "core/waker.h"
#include "ringline/blocking.h"
#include "ringline/stats.h"
#include "runtime/runtime.h"

static int find_worker(const struct rln_worker **ret, const struct ringline_runtime *rt, uint32_t worker)
{
	uint32_t state;

	if (!rt) {
		if (!rln_exec_current || !rln_exec_current->alive)
			return rln_not_here();
		*ret = rln_exec_current->worker;
		return worker ? -EINVAL : 0;
	}
	if (worker >= rt->nworkers)
		return -EINVAL;
	if (rln_runtime_forked(rt))
		return -ECHILD;
	state = atomic_load((_Atomic uint32_t *)&rt->state);
	if (state != RLN_RUNTIME_STARTED && state != RLN_RUNTIME_JOINED)
		return -ENOTCONN;
	*ret = &rt->workers[worker];
	return 0;
}

static void read_core(struct ringline_worker_stats *out, const struct rln_stats *s)
{
	out->tasks_started = rln_stat_get(&s->tasks_started);
	out->tasks_ended = rln_stat_get(&s->tasks_ended);
	out->task_switches = rln_stat_get(&s->switches);
	out->timers_fired = rln_stat_get(&s->timers_fired);
	out->messages = rln_stat_get(&s->posts);
	out->turns = rln_stat_get(&s->turns);
	out->operations_submitted = rln_stat_get(&s->ops_submitted);
	out->operations_ended = rln_stat_get(&s->ops_ended);
	out->operations_cancelled = rln_stat_get(&s->ops_cancelled);
}

static void read_io(struct ringline_worker_stats *out, const struct rln_io_stats *s)
{
	out->accepted = rln_stat_get(&s->accepted);
	out->accept_errors = rln_stat_get(&s->accept_errors);
	out->refused = rln_stat_get(&s->refused);
	out->connected = rln_stat_get(&s->connected);
	out->closed = rln_stat_get(&s->closed);
	out->aborted = rln_stat_get(&s->aborted);
	out->connections = rln_stat_get(&s->open);
	out->bytes_received = rln_stat_get(&s->bytes_received);
	out->bytes_sent = rln_stat_get(&s->bytes_sent);
	out->bytes_copied = rln_stat_get(&s->bytes_copied);
	out->throttled = rln_stat_get(&s->throttled);
	out->timed_out = rln_stat_get(&s->timed_out);
	out->rejected = rln_stat_get(&s->rejected);
	out->handed_over = rln_stat_get(&s->handed_over);
	out->fds_dropped = rln_stat_get(&s->fds_dropped);
	out->bytes_lent = rln_stat_get(&s->bytes_lent);
	out->bytes_spliced = rln_stat_get(&s->bytes_spliced);
	out->memory = rln_stat_get(&s->memory);
	out->processes = rln_stat_get(&s->processes);
	out->processes_spawned = rln_stat_get(&s->processes_spawned);
	out->processes_lost = rln_stat_get(&s->processes_lost);
	out->lookups = rln_stat_get(&s->lookups);
	out->lookups_merged = rln_stat_get(&s->lookups_merged);
	out->lookups_cached = rln_stat_get(&s->lookups_cached);
	out->signals = rln_stat_get(&s->signals);
	out->signals_lost = rln_stat_get(&s->signals_lost);
	out->files_queued = rln_stat_get(&s->files_queued);
}

static void read_backend(struct ringline_worker_stats *out, const struct rln_backend_stats *s)
{
	out->waits = rln_stat_get(&s->waits);
	out->system_calls = rln_stat_get(&s->syscalls);
	out->submission_flushes = rln_stat_get(&s->sq_flushes);
	out->completion_overflows = rln_stat_get(&s->cq_overflows);
	out->starved = rln_stat_get(&s->starved);
	out->rearmed = rln_stat_get(&s->rearms);
	out->receive_buffers = rln_stat_get(&s->bufs_total);
	out->receive_buffers_free = rln_stat_get(&s->bufs_free);
	out->zero_copy_sends = rln_stat_get(&s->zero_copies);
	out->zero_copy_copied = rln_stat_get(&s->zero_copy_fails);
	out->unknown_completions = rln_stat_get(&s->unknown);
}

/* The backend's counters while there is a backend, what they were in the end afterwards. */
static void read_backend_of(struct ringline_worker_stats *out, struct rln_worker *w)
{
	if (!rln_exec_enter(&w->exec)) {
		read_backend(out, &w->final);
		return;
	}
	read_backend(out, &w->exec.backend->stats);
	rln_exec_leave(&w->exec);
}

int ringline_worker_stats(const struct ringline_runtime *rt, uint32_t worker, struct ringline_worker_stats *stats)
{
	struct ringline_worker_stats out = { .size = sizeof(out) };
	const struct rln_worker *w;
	int r;

	if (!stats)
		return -EINVAL;
	r = find_worker(&w, rt, worker);
	if (r < 0)
		return r;
	read_core(&out, &w->exec.stats);
	out.stalls = rln_stat_get(&w->stalls);
	out.probes = rln_stat_get(&w->probes);
	read_io(&out, &w->io.stats);
	read_backend_of(&out, (struct rln_worker *)w);
	return rln_sized_out(stats, &out, sizeof(out));
}

static const char *const engines[RLN_ENGINE_MAX] = {
	[RLN_ENGINE_IO_URING] = "io_uring",
	[RLN_ENGINE_EPOLL] = "epoll",
	[RLN_ENGINE_POOL] = "pool",
	[RLN_ENGINE_INLINE] = "inline",
	[RLN_ENGINE_FAKE] = "",
};

static int find_engine(const char *name)
{
	int i;

	for (i = 0; i < RLN_ENGINE_MAX; i++)
		if (*engines[i] && !strcmp(engines[i], name))
			return i;
	return -ENOENT;
}

static int find_opcode(const char *name)
{
	int i;

	for (i = 0; i < RLN_OP_MAX; i++)
		if (!strcmp(rln_opcode_name((unsigned int)i), name))
			return i;
	return -ENOENT;
}

int ringline_worker_op_count(const struct ringline_runtime *rt, uint32_t worker, const char *operation,
                             const char *engine, uint64_t *count)
{
	const struct rln_worker *w;
	int opcode;
	int e;
	int r;

	if (!operation || !engine || !count)
		return -EINVAL;
	r = find_worker(&w, rt, worker);
	if (r < 0)
		return r;
	opcode = find_opcode(operation);
	e = find_engine(engine);
	if (opcode < 0 || e < 0)
		return -ENOENT;
	*count = rln_stat_get(&w->exec.stats.completions[opcode][e]);
	return 0;
}

int ringline_blocking_stats(const struct ringline_runtime *rt, uint32_t job_class, struct ringline_blocking_stats *stats)
{
	struct ringline_blocking_stats out = { .size = sizeof(out) };
	const struct rln_pool_class *c;
	const struct rln_pool *p;

	if (!stats || job_class >= RLN_JOB_CLASSES)
		return -EINVAL;
	if (!rt && !rln_exec_get(__func__))
		return rln_not_here();
	p = rt ? &rt->pool : rln_exec_current->pool;
	c = &p->class[job_class];
	out.submitted = rln_stat_get(&c->stats.submitted);
	out.completed = rln_stat_get(&c->stats.completed);
	out.cancelled = rln_stat_get(&c->stats.withdrawn);
	out.refused = rln_stat_get(&c->stats.refused);
	out.abandoned = rln_stat_get(&c->stats.abandoned);
	out.stuck = rln_stat_get(&c->stats.stuck);
	out.grown = rln_stat_get(&c->stats.grown);
	out.queued = atomic_load_explicit((_Atomic uint32_t *)&c->queued, memory_order_relaxed);
	out.running = rln_stat_get(&c->stats.running);
	out.threads = rln_stat_get(&p->threads_now);
	out.threads_peak = rln_stat_get(&p->threads_peak);
	return rln_sized_out(stats, &out, sizeof(out));
}
