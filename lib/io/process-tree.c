/* SPDX-License-Identifier: MIT */
/*
 * Killing a process with all that it has made, on a thread: the kernel looks at every process of a cgroup.
 *
 *     cgroup.kill (5.14)                 the kernel kills all at once, nothing is born meanwhile
 *        | there is none
 *     cgroup.procs, again and again      until nothing is listed: each by a pidfd, which is looked at once more when it is open
 *     no cgroup: the process group
 *
 * Before 5.14 cgroups below the one it was born in are not reached.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "io/file.h"
#include "io/process-sys.h"
#include "io/process.h"

/* Rounds without success after which a cgroup that makes processes faster than they can be killed has won. */
#define ROUNDS_MAX 1000

static int kill_cgroup(int cgroup)
{
	int fd = openat(cgroup, "cgroup.kill", O_WRONLY | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, "1", 1) < 0)
		r = -errno;
	close(fd);
	return r;
}

static FILE *open_list(int cgroup)
{
	int error = rln_fault(RLN_FAULT_OPEN);
	int fd = error ? -1 : openat(cgroup, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	FILE *list = fd < 0 ? NULL : fdopen(fd, "r");

	if (!list && fd >= 0)
		close(fd);
	return list;
}

/* Is it (still) in there? */
static bool lists(int cgroup, long pid)
{
	FILE *list = open_list(cgroup);
	bool found = false;
	long n;

	while (list && !found && fscanf(list, "%ld", &n) == 1)
		found = n == pid;
	if (list)
		fclose(list);
	return found;
}

/* What was listed when its pidfd was open is who was meant, whoever has the number later. */
static void kill_member(int cgroup, long pid)
{
	long fd = rln_sys(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		return;
	if (lists(cgroup, pid))
		rln_sys(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	close((int)fd);
}

/* How many were listed, or -errno. */
static int kill_listed(int cgroup)
{
	FILE *list = open_list(cgroup);
	int n = 0;
	long pid;

	if (!list)
		return errno ? -errno : -ENOMEM;
	while (fscanf(list, "%ld", &pid) == 1) {
		kill_member(cgroup, pid);
		n++;
	}
	fclose(list);
	return n;
}

static int kill_one_by_one(int cgroup)
{
	int n = 1;
	int i;

	for (i = 0; i < ROUNDS_MAX && n > 0; i++) {
		n = kill_listed(cgroup);
		if (n > 0)
			usleep(1000);     /* they take their time to go */
	}
	return n > 0 ? -EAGAIN : n;
}

/* On a thread */
static int64_t call_cgroup(struct rln_request *q)
{
	int cgroup = q->f.op.fd;
	int r = q->f.flags & RLN_FEATURE_CGROUP_KILL ? -ENOENT : kill_cgroup(cgroup);

	return r == -ENOENT && faccessat(cgroup, "cgroup.procs", F_OK, 0) == 0 ? kill_one_by_one(cgroup) : r;
}

/* A group takes one call, which the worker makes in the end: nothing is left for the thread. */
static int64_t call_nothing(struct rln_request *q)
{
	(void)q;
	return 0;
}

static int kill_own_group(struct ringline_process *p)
{
	int r = p->leads ? rln_process_signal_group(p, SIGKILL) : -EOPNOTSUPP;

	return r == -ESRCH ? 0 : r;
}

static int64_t finish(struct rln_request *q, int64_t result)
{
	struct ringline_process *p = q->f.ptr2;

	q->f.ptr2 = NULL;
	if (result == 0 && p->cgroup < 0)
		result = kill_own_group(p);
	rln_process_leave(p);
	return result;
}

static int prepare(struct rln_request *q, struct ringline_process *p, const char *call)
{
	int r = rln_process_check(p, call);

	rln_request_init(q, RLN_OP_KILL_TREE, NULL);
	q->flags = RLN_REQUEST_NO_RING;
	q->finish = finish;
	if (r < 0)
		return r;
	q->call = p->cgroup >= 0 ? call_cgroup : call_nothing;
	q->f.op.fd = p->cgroup;
	q->f.flags = p->io->config.disabled;
	q->f.ptr2 = p;
	rln_process_enter(p);
	return 0;
}

/* It was never begun. */
static int undo(struct rln_request *q, int r)
{
	if (r < 0 && q->f.ptr2)
		rln_process_leave(q->f.ptr2);
	return r;
}

int ringline_process_kill_tree(struct ringline_process *process)
{
	struct rln_request q;
	int r = prepare(&q, process, __func__);

	return undo(&q, (int)rln_request_run(&q, r, __func__));
}

int ringline_process_kill_tree_begin(struct ringline_op **ret, struct ringline_process *process)
{
	struct rln_request q;
	int r = prepare(&q, process, __func__);

	return undo(&q, rln_request_begin(ret, &q, r, __func__));
}
