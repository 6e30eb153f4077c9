/* SPDX-License-Identifier: MIT */
/*
 * Making a process, as tasks see it: a request (request.h) that only a thread can carry out.
 *
 * The object is there before the process is, so that nothing can fail any more once it runs. What was made and is not taken, by an
 * operation that nobody awaits, is closed like any other handle: the process goes on, and is reaped.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/fault.h"
#include "io/file.h"
#include "io/process.h"
#include "ringline/conn.h"

/*
 * What a request carries: the plan in f.op.ptr until it is over, the object in f.ptr2 and where it goes in out, the entries of the
 * options in f.ptr3, f.op.len and f.op.arg.
 */
static struct rln_process_plan *plan_of(const struct rln_request *q)
{
	return q->f.op.ptr;
}

/* On a thread */
static int64_t call_spawn(struct rln_request *q)
{
	struct rln_process_plan *p = plan_of(q);
	int r = rln_process_fds_open(p);

	if (r == 0)
		r = rln_process_clone(p);
	rln_process_fds_close(p);
	return r;
}

static void give_up(struct rln_process_plan *p, struct ringline_process *process)
{
	rln_process_conns_drop(p);
	rln_process_discard(process);
	rln_process_plan_free(p);
}

static void succeed(struct rln_process_plan *p, struct ringline_process *process)
{
	process->pidfd = p->pidfd;
	process->pid = p->pid;
	rln_process_conns_keep(p);
	rln_process_plan_free(p);
	rln_stat_add(&process->io->stats.processes_spawned, 1);
	rln_process_begin(process);
}

/* On the worker, before it is told. */
static int64_t finish_spawn(struct rln_request *q, int64_t result)
{
	struct rln_process_plan *p = plan_of(q);
	struct ringline_process *process = q->f.ptr2;

	q->f.op.ptr = NULL;
	if (result < 0) {
		if (p->o.stage)
			*p->o.stage = p->stage;
		give_up(p, process);
		return result;
	}
	*(struct ringline_process **)q->out = process;
	succeed(p, process);
	return 0;
}

/* Nobody has taken it: *out* and the entries are still there, as they are until the operation is over. */
static void dispose_spawn(struct rln_request *q)
{
	const char *at = q->f.ptr3;
	size_t i;

	if (q->result < 0)
		return;
	for (i = 0; i < q->f.op.len; i++, at += q->f.op.arg) {
		const struct ringline_process_fd *e = (const struct ringline_process_fd *)(const void *)at;

		if (e->conn)
			(void)ringline_conn_abort(*e->conn);
	}
	rln_process_drop(q->f.ptr2);
}

/* The cgroup, for the day it is killed. */
static int keep_cgroup(struct ringline_process *process, const struct rln_process_plan *p)
{
	int error;

	if (p->cgroup < 0)
		return 0;
	error = rln_fault(RLN_FAULT_SOCKET);
	process->cgroup = error ? -1 : fcntl(p->cgroup, F_DUPFD_CLOEXEC, 0);
	return process->cgroup >= 0 ? 0 : error ? -error : -errno;
}

static bool opens_files(const struct rln_process_plan *p)
{
	size_t i;

	for (i = 0; i < p->o.nfds; i++)
		if (((const struct ringline_process_fd *)(const void *)((const char *)p->o.fds + i * p->o.fd_size))->kind ==
		    RINGLINE_PROCESS_FILE)
			return true;
	return false;
}

static int new_process(struct ringline_process **ret, struct rln_process_plan *p)
{
	struct ringline_process *process = rln_process_new(rln_io_current());
	int r = process ? keep_cgroup(process, p) : -ENOMEM;

	if (r == 0) {
		process->kill_on_close = p->o.flags & RINGLINE_PROCESS_KILL_ON_CLOSE;
		process->leads = p->o.flags & RINGLINE_PROCESS_NEW_SESSION ||
		                 (p->o.set & RINGLINE_PROCESS_SET_GROUP && p->o.process_group == 0);
		*ret = process;
		return 0;
	}
	if (process)
		rln_process_discard(process);
	if (p->o.stage)
		*p->o.stage = RINGLINE_PROCESS_STAGE_PREPARE;
	return r;
}

static int prepare(struct rln_request *q, struct ringline_process **ret, const char *const *argv,
                   const struct ringline_process_options *options, const char *call)
{
	struct ringline_process *process = NULL;
	struct rln_process_plan *p;
	int r;

	rln_request_init(q, RLN_OP_SPAWN, NULL);
	if (!rln_task_get(call))
		return rln_not_here();
	r = ret ? rln_process_plan_new(&p, argv, options) : -EINVAL;
	if (r < 0)
		return r;
	r = new_process(&process, p);
	if (r < 0) {
		rln_process_conns_drop(p);
		rln_process_plan_free(p);
		return r;
	}
	q->f.op.ptr = p;
	q->f.op.len = p->nmoves;
	q->f.op.arg = p->o.fd_size;
	q->f.ptr2 = process;
	q->f.ptr3 = (void *)p->o.fds;
	q->out = ret;
	q->call = call_spawn;
	q->finish = finish_spawn;
	q->dispose = dispose_spawn;
	q->flags = opens_files(p) ? RLN_REQUEST_NO_RING | RLN_REQUEST_REMOTE : RLN_REQUEST_NO_RING;
	return 0;
}

/* It was never begun. */
static void undo(struct rln_request *q)
{
	if (plan_of(q))
		give_up(plan_of(q), q->f.ptr2);
}

int ringline_process_spawn(struct ringline_process **ret, const char *const *argv,
                           const struct ringline_process_options *options)
{
	struct rln_request q;
	int r = prepare(&q, ret, argv, options, __func__);

	r = (int)rln_request_run(&q, r, __func__);
	if (r < 0)
		undo(&q);
	return r;
}

int ringline_process_spawn_begin(struct ringline_op **ret, struct ringline_process **process, const char *const *argv,
                                 const struct ringline_process_options *options)
{
	struct rln_request q;
	int r = prepare(&q, process, argv, options, __func__);

	r = rln_request_begin(ret, &q, r, __func__);
	if (r < 0)
		undo(&q);
	return r;
}
