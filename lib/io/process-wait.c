/* SPDX-License-Identifier: MIT */
/*
 * How processes end, and who waits for that.
 *
 * A pidfd becomes readable when its process has ended; then waitid(2) takes how. It fails if somebody else was faster, or if the
 * host ignores SIGCHLD and the kernel forgot: then the pidfd itself may still know (PIDFD_GET_INFO, 6.15). That may be a
 * moment before it does, when the other is just about to take it (and was made to wait in the midst of that), so it is asked
 * again, for a second.
 *
 *     readable --waitid: taken------------------------------------> ENDED
 *        ^         |  nothing yet (a tracer has it first): a while, then again
 *        |         +-- not ours --the pidfd knows-----------------> ENDED
 *        |                |  not yet: a while, then again
 *        +-- cancelled    +-- it never will ----------------------> ENDED, lost
 */
#include <errno.h>
#include <linux/ioctl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/sized.h"
#include "core/select.h"
#include "core/task.h"
#include "io/process-sys.h"
#include "io/process.h"

#define RETRY     RINGLINE_NSEC_PER_MSEC
#define TRIES_MAX 10u                /* the times in between double */
#define SLOW      (10 * RINGLINE_NSEC_PER_MSEC)

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* As in <linux/pidfd.h> of 6.15. */
struct pidfd_info {
	uint64_t mask;
	uint64_t cgroupid;
	uint32_t pid;
	uint32_t tgid;
	uint32_t ppid;
	uint32_t ids[8];
	int32_t exit_code;
};

#define INFO_EXIT (UINT64_C(1) << 3)
#define GET_INFO  _IOWR(0xFF, 11, struct pidfd_info)

/* What is told */

static uint64_t nanoseconds(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * RINGLINE_NSEC_PER_SEC + (uint64_t)t->tv_usec * RINGLINE_NSEC_PER_USEC;
}

static void read_usage(struct ringline_process_status *s, const struct rusage *u)
{
	s->usage = 1;
	s->user_time = nanoseconds(&u->ru_utime);
	s->system_time = nanoseconds(&u->ru_stime);
	s->max_resident = (uint64_t)u->ru_maxrss * 1024;
	s->minor_faults = (uint64_t)u->ru_minflt;
	s->major_faults = (uint64_t)u->ru_majflt;
	s->blocks_read = (uint64_t)u->ru_inblock;
	s->blocks_written = (uint64_t)u->ru_oublock;
	s->switches = (uint64_t)u->ru_nvcsw;
	s->preemptions = (uint64_t)u->ru_nivcsw;
}

static void read_siginfo(struct ringline_process_status *s, const siginfo_t *info)
{
	s->how = info->si_code == CLD_EXITED ? RINGLINE_PROCESS_EXITED : RINGLINE_PROCESS_KILLED;
	s->code = info->si_status;
	s->core = info->si_code == CLD_DUMPED;
}

static void read_code(struct ringline_process_status *s, int code)
{
	s->how = WIFSIGNALED(code) ? RINGLINE_PROCESS_KILLED : RINGLINE_PROCESS_EXITED;
	s->code = WIFSIGNALED(code) ? WTERMSIG(code) : WEXITSTATUS(code);
	s->core = WIFSIGNALED(code) && WCOREDUMP(code);
}

/*
 * The kernel looks for the end first and for the process then: if both change in between it knows neither, though it does when
 * it is asked once more.
 */
static int get_info(int pidfd, struct pidfd_info *info)
{
	int tries;
	int r = -1;

	for (tries = 0; tries < 2 && r < 0; tries++) {
		*info = (struct pidfd_info){ .mask = INFO_EXIT };
		r = ioctl(pidfd, GET_INFO, info);
	}
	return r;
}

/* 0: it is known. -EAGAIN: not yet. -ESRCH: it never will be. */
static int ask_pidfd(struct ringline_process *p)
{
	struct pidfd_info info;

	if (p->io->config.disabled & RLN_FEATURE_PIDFD_INFO || get_info(p->pidfd, &info) < 0)
		return -ESRCH;
	if (!(info.mask & INFO_EXIT))
		return -EAGAIN;
	read_code(&p->status, info.exit_code);
	return 0;
}

static int ask_waitid(struct ringline_process *p)
{
	struct rusage usage;
	siginfo_t info;
	long r;

	info.si_pid = 0;
	r = rln_sys(SYS_waitid, P_PIDFD, p->pidfd, &info, WEXITED | WNOHANG | __WALL, &usage);
	if (r < 0)
		return (int)r;
	if (!info.si_pid)
		return -EAGAIN;
	read_siginfo(&p->status, &info);
	read_usage(&p->status, &usage);
	return 0;
}

/* Operations that wait */

struct wait_op {
	struct rln_list link;             /* ringline_process.ops */
	struct ringline_op *handle;
	struct ringline_process_status *status;
};

static void end_op(struct wait_op *w, int result)
{
	struct ringline_op *h = w->handle;

	rln_list_del(&w->link);
	rln_mem_free(w);
	rln_handle_done(h, result);
}

static int tell(const struct ringline_process *p, struct ringline_process_status *status)
{
	return status ? rln_sized_out(status, &p->status, sizeof(p->status)) : 0;
}

void rln_process_fail_ops(struct ringline_process *p, int error)
{
	while (!rln_list_empty(&p->ops)) {
		struct wait_op *w = rln_list_entry(rln_list_first(&p->ops), struct wait_op, link);

		end_op(w, error ? error : tell(p, w->status));
	}
}

/* The end */

static void end(struct ringline_process *p)
{
	p->state = RLN_PROCESS_ENDED;
	p->status.size = sizeof(p->status);
	if (p->status.how == RINGLINE_PROCESS_LOST)
		rln_stat_add(&p->io->stats.processes_lost, 1);
	rln_source_fire_all(&p->waiters, 0);
	rln_process_fail_ops(p, 0);
	rln_process_progress(p);
}

/* Without memory for the timer, the poll brings it up again. */
static void later(struct ringline_process *p, uint64_t delay)
{
	struct rln_exec *x = p->io->exec;

	if (rln_timer_arm(x, &p->again, rln_time_add(rln_clock_now(x->clock), delay)) < 0)
		rln_process_poll(p);
}

static void reap(struct ringline_process *p)
{
	uint64_t delay = SLOW;
	int r = ask_waitid(p);

	if (r < 0 && r != -EAGAIN) {
		r = ask_pidfd(p);
		if (r == -EAGAIN && p->tries == TRIES_MAX)
			r = -ESRCH;
		delay = RETRY << p->tries++;
	}
	if (r == -EAGAIN) {
		later(p, delay);
		return;
	}
	if (r < 0)
		p->status.how = RINGLINE_PROCESS_LOST;
	end(p);
}

void rln_process_reap_last(struct ringline_process *p)
{
	if (p->state == RLN_PROCESS_RUNNING && ask_waitid(p) == 0)
		p->state = RLN_PROCESS_ENDED;
}

/* Whatever it says: a poll that was not to be had is tried again after a while, as is one that had nothing to say. */
void rln_process_polled(struct rln_op *op, const struct rln_completion *c)
{
	struct ringline_process *p = rln_container_of(op, struct ringline_process, op);

	(void)c;
	if (p->leaving)
		rln_process_progress(p);
	else
		reap(p);
}

void rln_process_poll(struct ringline_process *p)
{
	if (rln_op_inflight(&p->op))
		return;
	p->op.opcode = RLN_OP_POLL;
	p->op.fd = p->pidfd;
	p->op.arg = POLLIN;
	rln_op_submit(&p->op);
}

/* Waiting */

static void describe(const void *object, char *text, size_t size)
{
	snprintf(text, size, "%lld", (long long)((const struct ringline_process *)object)->pid);
}

static const struct rln_what what_process = { .name = "process", .describe = describe };

static int park_until_end(struct ringline_process *p)
{
	int64_t fired;
	int r;

	while (p->state == RLN_PROCESS_RUNNING) {
		r = rln_wait_on(&p->waiters, &fired, &what_process, p);
		if (r < 0)
			return r;
		if (fired < 0)
			return (int)fired;
	}
	return 0;
}

void rln_process_await_end(struct ringline_process *p)
{
	struct rln_parker parker;
	struct rln_wait w;

	while (p->state == RLN_PROCESS_RUNNING) {
		rln_parker_init(&parker, rln_task_current(), &what_process, p);
		rln_wait_arm(&w, &parker, &p->waiters);
		rln_park_shielded(&parker);
		rln_wait_disarm(&w);
	}
}

static int wait_end(struct ringline_process *p, struct ringline_process_status *status)
{
	int r;

	rln_process_enter(p);
	r = park_until_end(p);
	if (r == 0)
		r = tell(p, status);
	rln_process_leave(p);
	return r;
}

static int check(const struct ringline_process *p, const struct ringline_process_status *status, const char *call)
{
	int r = rln_process_check(p, call);

	return r == 0 && status && status->size < sizeof(status->size) ? -EINVAL : r;
}

int ringline_process_wait(struct ringline_process *process, struct ringline_process_status *status)
{
	struct ringline_task *t;
	int r = rln_task_get_parking(&t, __func__);

	if (r == 0)
		r = check(process, status, __func__);
	if (r == 0)
		r = t->scope->reason;
	return r < 0 ? r : wait_end(process, status);
}

int ringline_process_status(struct ringline_process *process, struct ringline_process_status *status)
{
	int r = check(process, status, __func__);

	if (r < 0)
		return r;
	return process->state == RLN_PROCESS_ENDED ? tell(process, status) : -EAGAIN;
}

static void wait_cancel(struct ringline_op *h)
{
	end_op(h->work.ptr, -ECANCELED);
}

static const struct rln_handle_kind wait_kind = { .cancel = wait_cancel };

static int begin_wait(struct ringline_op **ret, struct ringline_process *p, struct ringline_process_status *status)
{
	struct wait_op *w;
	int r = rln_handle_new(ret, &wait_kind);

	if (r < 0)
		return r;
	w = rln_mem_alloc(sizeof(*w));
	if (!w) {
		rln_handle_drop(*ret);
		return -ENOMEM;
	}
	w->handle = *ret;
	w->status = status;
	(*ret)->work.ptr = w;
	rln_list_init(&w->link);
	rln_list_add_tail(&p->ops, &w->link);
	if (p->state == RLN_PROCESS_ENDED)
		end_op(w, tell(p, status));
	return 0;
}

int ringline_process_wait_begin(struct ringline_op **ret, struct ringline_process *process,
                                struct ringline_process_status *status)
{
	int r;

	if (!rln_task_get(__func__))
		return rln_not_here();
	if (!ret)
		return -EINVAL;
	r = check(process, status, __func__);
	return r < 0 ? r : begin_wait(ret, process, status);
}

/* As a case of select */

static int arm_case(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	struct ringline_process *process = c->object;
	int r = rln_case_check(c, n, &rln_io_current()->process_slab);

	if (r)
		return r;
	if (process->closed) {
		c->result = -EBADF;
		return RLN_CASE_GONE;
	}
	if (process->state == RLN_PROCESS_ENDED) {
		c->result = 0;
		return RLN_CASE_READY;
	}
	rln_wait_arm(&n->wait, p, &process->waiters);
	return RLN_CASE_WAITS;
}

/* What was fired is the result, even if the process is gone by now. */
static const struct rln_case_kind process_case = { .arm = arm_case };

void rln_process_wait_init(struct rln_io *io)
{
	io->exec->case_kinds[RINGLINE_CASE_PROCESS] = &process_case;
}
