/* SPDX-License-Identifier: MIT */
/*
 * What a worker knows of its children; process.h draws their states.
 *
 * The slot of a process is in use as long as its handle is open, somebody uses it, or it is polled: it goes when the last of these
 * is over (rln_process_progress()), and its pidfd is closed then, by way of the backend.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "io/process-sys.h"
#include "io/process.h"

#define SIGNAL_GROUP 4u              /* PIDFD_SIGNAL_PROCESS_GROUP (6.9) */

/* Life */

static void again(struct rln_timer *t)
{
	rln_process_poll(rln_container_of(t, struct ringline_process, again));
}

struct ringline_process *rln_process_new(struct rln_io *io)
{
	struct ringline_process *p = rln_slab_alloc(&io->process_slab);

	if (!p)
		return NULL;
	memset((char *)p + sizeof(p->slot), 0, sizeof(*p) - sizeof(p->slot));
	p->io = io;
	p->pidfd = -1;
	p->cgroup = -1;
	rln_list_init(&p->link);
	rln_list_init(&p->ops);
	rln_source_init(&p->waiters);
	rln_timer_init(&p->again, again);
	rln_op_init(&p->op, rln_process_polled);
	return p;
}

static void free_slot(struct ringline_process *p)
{
	if (p->cgroup >= 0)
		close(p->cgroup);
	if (rln_list_linked(&p->link))
		rln_stat_add(&p->io->stats.processes, UINT64_MAX);
	rln_list_del(&p->link);
	rln_slab_free(&p->io->process_slab, p);
}

void rln_process_discard(struct ringline_process *p)
{
	free_slot(p);
}

void rln_process_begin(struct ringline_process *p)
{
	rln_list_add_tail(&p->io->processes, &p->link);
	rln_stat_add(&p->io->stats.processes, 1);
	rln_process_poll(p);
}

static void closed(struct rln_op *op, const struct rln_completion *c)
{
	(void)c;
	free_slot(rln_container_of(op, struct ringline_process, op));
}

static void close_pidfd(struct ringline_process *p)
{
	p->closing = true;
	rln_op_init(&p->op, closed);
	p->op.opcode = RLN_OP_CLOSE;
	p->op.fd = p->pidfd;
	rln_op_submit(&p->op);
}

void rln_process_progress(struct ringline_process *p)
{
	if (!p->closed || p->calls || p->closing)
		return;
	if (p->state == RLN_PROCESS_RUNNING && !p->leaving)
		return;
	rln_timer_cancel(p->io->exec, &p->again);
	if (rln_op_inflight(&p->op))
		rln_op_cancel(&p->op);
	else
		close_pidfd(p);
}

void rln_process_enter(struct ringline_process *p)
{
	p->calls++;
}

void rln_process_leave(struct ringline_process *p)
{
	p->calls--;
	rln_process_progress(p);
}

static int send_signal(const struct ringline_process *p, int signal, unsigned int flags)
{
	return (int)rln_sys(SYS_pidfd_send_signal, p->pidfd, signal, NULL, flags);
}

void rln_process_drop(struct ringline_process *p)
{
	if (p->kill_on_close && p->state == RLN_PROCESS_RUNNING)
		send_signal(p, SIGKILL, 0);
	p->closed = true;
	p->leaving |= p->guest;
	rln_source_fire_all(&p->waiters, -EBADF);
	rln_process_fail_ops(p, -EBADF);
	rln_process_progress(p);
}

/* The calls */

int rln_process_check(const struct ringline_process *p, const char *call)
{
	int r;

	if (!p)
		return -EINVAL;
	if (!rln_exec_get(call))
		return rln_not_here();
	r = rln_exec_check_handle(&rln_io_current()->process_slab, &p->slot, call);
	return r == 0 && p->closed ? -EBADF : r;
}

int ringline_process_kill(struct ringline_process *process, int signal)
{
	int r = rln_process_check(process, __func__);

	if (r == 0)
		r = process->state == RLN_PROCESS_ENDED ? -ESRCH : send_signal(process, signal, 0);
	return r;
}

/* By the number of the group, which is the process's for as long as it has not been waited for. */
static int kill_group_by_number(const struct ringline_process *p, int signal)
{
	if (p->state == RLN_PROCESS_ENDED || getpgid((pid_t)p->pid) != p->pid)
		return -ESRCH;
	return kill((pid_t)-p->pid, signal) < 0 ? -errno : 0;
}

static bool is_signal(int signal)
{
	return signal >= 0 && signal <= SIGRTMAX;
}

int rln_process_signal_group(struct ringline_process *p, int signal)
{
	int r = p->io->config.disabled & RLN_FEATURE_PIDFD_GROUP ? -EINVAL : send_signal(p, signal, SIGNAL_GROUP);

	return r == -EINVAL ? kill_group_by_number(p, signal) : r;
}

int ringline_process_kill_group(struct ringline_process *process, int signal)
{
	int r = rln_process_check(process, __func__);

	if (r == 0 && !is_signal(signal))
		r = -EINVAL;
	return r < 0 ? r : rln_process_signal_group(process, signal);
}

int64_t ringline_process_pid(const struct ringline_process *process)
{
	int r = rln_process_check(process, __func__);

	return r < 0 ? r : process->pid;
}

int ringline_process_pidfd(const struct ringline_process *process)
{
	int r = rln_process_check(process, __func__);

	return r < 0 ? r : process->pidfd;
}

int ringline_process_close(struct ringline_process *process)
{
	int r = process ? rln_process_check(process, __func__) : 0;

	if (r == 0 && process)
		rln_process_drop(process);
	return r;
}

int ringline_process_release(struct ringline_process *process)
{
	int r = rln_process_check(process, __func__);
	int fd;

	if (r == 0 && process->state == RLN_PROCESS_ENDED)
		r = -ESRCH;
	if (r < 0)
		return r;
	fd = rln_fault(RLN_FAULT_SOCKET) ? -1 : fcntl(process->pidfd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -EMFILE;
	process->leaving = true;
	process->kill_on_close = false;
	rln_process_drop(process);
	return fd;
}

/* Adopting */

/* "Pid:" of what /proc tells of a descriptor; -1: it is no pidfd, or nobody can tell. */
static int64_t number_of(int pidfd)
{
	char text[512];
	char path[48];
	const char *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[rln_max(n, 0)] = 0;
	at = strstr(text, "\nPid:");
	return at ? strtoll(at + 5, NULL, 10) : -1;
}

static int adopt(struct ringline_process **ret, int pidfd, int64_t pid)
{
	struct ringline_process *p = rln_process_new(rln_io_current());

	if (!p)
		return -ENOMEM;
	p->pidfd = pidfd;
	p->pid = pid;
	rln_process_begin(p);
	*ret = p;
	return 0;
}

int ringline_process_adopt(struct ringline_process **ret, int64_t pid)
{
	int error;
	long fd;
	int r;

	if (!rln_exec_get(__func__))
		return rln_not_here();
	if (!ret || pid <= 0 || pid != (pid_t)pid)
		return -EINVAL;
	error = rln_fault(RLN_FAULT_PIDFD);
	fd = error ? -error : rln_sys(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return (int)fd;
	r = adopt(ret, (int)fd, pid);
	if (r < 0)
		close((int)fd);
	else
		(*ret)->guest = true;
	return r;
}

int ringline_process_adopt_pidfd(struct ringline_process **ret, int pidfd)
{
	long r;

	if (!rln_exec_get(__func__))
		return rln_not_here();
	if (!ret)
		return -EINVAL;
	r = rln_sys(SYS_pidfd_send_signal, pidfd, 0, NULL, 0);
	if (r < 0 && r != -ESRCH)         /* that one has ended; it can be waited for all the same */
		return (int)r;
	return adopt(ret, pidfd, number_of(pidfd));
}

/* Names */

const char *ringline_process_stage_name(uint32_t stage)
{
	static const char *const names[] = {
		"none", "prepare", "pipe", "pty", "file", "clone", "pidfd", "map", "cgroup", "join", "session", "group",
		"scheduler", "nice", "affinity", "oom_score", "fds", "tty", "close", "limits", "umask", "root", "inheritable",
		"bounding", "groups", "gid", "uid", "ambient", "securebits", "cwd", "no_new_privs", "landlock", "signals",
		"seccomp", "exec",
	};

	_Static_assert(rln_array_size(names) == RINGLINE_PROCESS_STAGE_EXEC + 1, "each stage has a name");
	return stage < rln_array_size(names) ? names[stage] : "unknown";
}

/* The worker's */

void rln_processes_init(struct rln_io *io)
{
	rln_slab_init(&io->process_slab, sizeof(struct ringline_process), 64, 0);
	rln_list_init(&io->processes);
	rln_process_wait_init(io);
}

/* Of a worker that broke, or handles that nobody closed. */
void rln_processes_fini(struct rln_io *io)
{
	struct rln_list *node;

	while ((node = rln_list_first(&io->processes))) {
		struct ringline_process *p = rln_list_entry(node, struct ringline_process, link);

		close(p->pidfd);
		free_slot(p);
	}
	rln_slab_fini(&io->process_slab);
}

bool rln_processes_idle(const struct rln_io *io)
{
	return rln_list_empty(&io->processes);
}

/* One that is killed with its handle is waited for, unless there is no more time for that. */
static void end_process(struct ringline_process *p, bool force)
{
	if (!p->closed)
		rln_process_drop(p);
	if (p->leaving || p->closing || (p->kill_on_close && !force))
		return;
	rln_process_reap_last(p);
	p->leaving = true;
	rln_process_progress(p);
}

void rln_processes_end_all(struct rln_io *io, bool force)
{
	struct rln_list *it;
	struct rln_list *tmp;

	rln_list_for_each_safe (it, tmp, &io->processes)
		end_process(rln_list_entry(it, struct ringline_process, link), force);
}
