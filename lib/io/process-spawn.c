/* SPDX-License-Identifier: MIT */
/*
 * Making a process, as tasks see it: a job for a thread, which may be held up for long.
 *
 *     BEGUN --a thread: files, clone--> over, on the worker --taken--> the caller's
 *       |                                  +-- nobody takes it: its handle is dropped, like any other
 *       +-- cut: queued: the job is taken back
 *                running: the child is killed; what there is is the thread's, which buries the child and frees it
 *                over: what was made is returned nevertheless
 *
 * The object is there before the process is, so that nothing can fail any more once it runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/fault.h"
#include "base/mem.h"
#include "core/pool.h"
#include "core/task.h"
#include "io/process.h"

struct spawn {
	struct rln_job job;
	_Atomic uint32_t refs;            /* the worker, and the thread once the job is abandoned */
	struct rln_process_plan *plan;
	struct ringline_process *process;
	struct ringline_process **ret;
	union {
		struct rln_wait *wait;
		struct ringline_op *handle;
	} waiter;
};

static struct spawn *spawn_of(struct rln_job *job)
{
	return rln_container_of(job, struct spawn, job);
}

static void unref(struct spawn *s)
{
	if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
		return;
	rln_process_plan_free(s->plan);
	rln_mem_free(s);
}

/* On a thread */

static int make(void *arg)
{
	struct rln_process_plan *p = ((struct spawn *)arg)->plan;
	int r = rln_process_fds_open(p);

	if (r == 0)
		r = rln_process_clone(p);
	rln_process_fds_close(p);
	return r;
}

static void lost(struct rln_job *job)
{
	if (job->result == 0)
		rln_process_clone_undo(spawn_of(job)->plan);
	unref(spawn_of(job));
}

/* On the worker: how it ends */

static void tell_stage(const struct rln_process_plan *p)
{
	if (p->o.stage)
		*p->o.stage = p->stage;
}

/* What of it is the worker's. */
static void let_go(struct spawn *s)
{
	rln_process_plan_let_go(s->plan);
	rln_process_discard(s->process);
}

static void give_up(struct spawn *s)
{
	let_go(s);
	unref(s);
}

/* False: it is over, and the word of that is under way. */
static bool cut(struct spawn *s)
{
	if (rln_job_withdraw(&s->job)) {
		give_up(s);
		return true;
	}
	atomic_store(&s->refs, 2);
	if (!rln_job_abandon(&s->job)) {
		atomic_store(&s->refs, 1);
		return false;
	}
	rln_process_clone_cut(s->plan);
	tell_stage(s->plan);
	give_up(s);
	return true;
}

/* There is a process; or it is given up. */
static int settle(struct spawn *s)
{
	int r = s->job.result;

	if (r < 0) {
		tell_stage(s->plan);
		give_up(s);
		return r;
	}
	s->process->pidfd = s->plan->pidfd;
	s->process->pid = s->plan->pid;
	rln_stat_add(&s->process->io->stats.processes_spawned, 1);
	rln_process_begin(s->process);
	return 0;
}

static void hand_over(struct spawn *s)
{
	*s->ret = s->process;
	rln_process_conns_keep(s->plan);
	rln_process_plan_let_go(s->plan);
	unref(s);
}

/* How it begins */

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

static uint8_t class_of(const struct rln_process_plan *p)
{
	return opens_files(p) ? RLN_JOB_WAIT : RLN_JOB_IO;
}

static int spawn_new(struct spawn **ret, struct rln_process_plan *p, struct ringline_process **process,
                     void (*done)(struct rln_job *job))
{
	struct spawn *s = rln_mem_zalloc(sizeof(*s));
	int r = s ? new_process(&s->process, p) : -ENOMEM;

	if (r < 0) {
		rln_mem_free(s);
		return r;
	}
	rln_job_init(&s->job, make, s, class_of(p), RLN_JOB_NORMAL, done);
	s->job.lost = lost;
	atomic_init(&s->refs, 1);
	s->plan = p;
	s->ret = process;
	*ret = s;
	return 0;
}

static int prepare(struct spawn **ret, struct ringline_process **process, const char *const *argv,
                   const struct ringline_process_options *options, void (*done)(struct rln_job *job))
{
	struct rln_process_plan *p = NULL;
	int r = process ? rln_process_plan_new(&p, argv, options) : -EINVAL;

	if (r < 0)
		return r;
	r = spawn_new(ret, p, process, done);
	if (r < 0) {
		rln_process_plan_let_go(p);
		rln_process_plan_free(p);
	}
	return r;
}

static void count(const struct spawn *s)
{
	rln_stat_add(&s->process->io->exec->stats.completions[RLN_OP_SPAWN][RLN_ENGINE_POOL], 1);
}

/* The call that parks */

static void wake(struct rln_job *job)
{
	count(spawn_of(job));
	rln_wait_fire(spawn_of(job)->waiter.wait, 0);
}

static void describe(const void *object, char *text, size_t size)
{
	const char *name = ((const struct rln_process_plan *)object)->argv[0];

	snprintf(text, size, "%s", name ? name : "");
}

static const struct rln_what what_spawn = { .name = "spawn", .describe = describe };

static int wait_for(struct spawn *s, struct ringline_task *t)
{
	struct rln_parker p;
	struct rln_wait w;
	int r;

	rln_parker_init(&p, t, &what_spawn, s->plan);
	rln_wait_arm(&w, &p, NULL);
	s->waiter.wait = &w;
	(void)!rln_job_submit(&s->job, true);     /* a patient job is never refused */
	r = rln_park(&p);
	if (r < 0 && cut(s))
		return r;
	if (r < 0)
		rln_park_shielded(&p);
	r = settle(s);
	if (r == 0)
		hand_over(s);
	return r;
}

int ringline_process_spawn(struct ringline_process **ret, const char *const *argv,
                           const struct ringline_process_options *options)
{
	struct ringline_task *t;
	struct spawn *s = NULL;
	int r = rln_task_get_parking(&t, __func__);

	if (r == 0)
		r = t->scope->reason;
	if (r == 0)
		r = prepare(&s, ret, argv, options, wake);
	return r < 0 ? r : wait_for(s, t);
}

/* The operation */

static void op_over(struct rln_job *job)
{
	struct ringline_op *h = spawn_of(job)->waiter.handle;

	count(spawn_of(job));
	rln_handle_done(h, settle(spawn_of(job)));
}

static void op_cancel(struct ringline_op *h)
{
	if (cut(h->work.ptr))
		rln_handle_done(h, -ECANCELED);
}

static void op_take(struct ringline_op *h)
{
	if (h->result == 0)
		hand_over(h->work.ptr);
}

static void op_dispose(struct ringline_op *h)
{
	struct spawn *s = h->work.ptr;

	if (h->result < 0)
		return;
	rln_process_drop(s->process);
	rln_process_plan_let_go(s->plan);
	unref(s);
}

static const struct rln_handle_kind spawn_op = { .cancel = op_cancel, .take = op_take, .dispose = op_dispose };

/* The handle comes first: what is asked of the scope is refused before anything is made. */
static int begin(struct ringline_op *h, struct ringline_process **process, const char *const *argv,
                 const struct ringline_process_options *options)
{
	struct spawn *s = NULL;
	int r = prepare(&s, process, argv, options, op_over);

	if (r < 0)
		return r;
	s->waiter.handle = h;
	h->work.ptr = s;
	r = rln_job_submit(&s->job, false);
	if (r < 0)
		give_up(s);
	return r;
}

int ringline_process_spawn_begin(struct ringline_op **ret, struct ringline_process **process, const char *const *argv,
                                 const struct ringline_process_options *options)
{
	struct ringline_op *h;
	int r;

	if (!rln_task_get(__func__))
		return rln_not_here();
	if (!ret)
		return -EINVAL;
	r = rln_handle_new(&h, &spawn_op);
	if (r < 0)
		return r;
	r = begin(h, process, argv, options);
	if (r < 0)
		rln_handle_drop(h);
	else
		*ret = h;
	return r;
}
