/* SPDX-License-Identifier: MIT */
/*
 * Making the child, on a thread of the pool.
 *
 *     clone3()  with all that it can do: the pidfd, the cgroup, handlers reset (and once more without the cgroup, if that kills it)
 *        | not there, or forbidden where clone() is not (containers)
 *     clone()   with the pidfd; into the cgroup by a step of the child's
 *        | too old for that
 *     clone()   gated: the child waits until its pidfd was opened by its number, which nobody can take from it meanwhile
 *
 * As a rule the child has the caller's memory and the thread stands still until it executes or exits (CLONE_VFORK). One that
 * is *gated* runs beside its thread: then the end of the sharing is told by the word that the kernel clears (CLONE_CHILD_CLEARTID).
 *
 * Before it executes, a child has no signal for its parent: a host that waits for any child, or counts SIGCHLD, never hears
 * of one that failed. execve(2) makes it SIGCHLD.
 *
 * Setting ids in the child marks the memory, which is the parent's too, as not dumpable (prctl(2)): no core dumps any more, and
 * nobody but root may look into /proc/self. That is undone when no child is left that shares it as somebody else. Not before:
 * until then the mark keeps others of that user id from reading the parent's memory by way of the child.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "base/lock.h"
#include "io/process-sys.h"
#include "io/process.h"

#define STACK_SIZE  65536u
#define STACKS_KEPT 4u

#define FLAG_PIDFD         UINT64_C(0x00001000)   /* CLONE_PIDFD */
#define FLAG_CLEAR_SIGHAND UINT64_C(0x100000000)  /* CLONE_CLEAR_SIGHAND (5.5) */
#define FLAG_INTO_CGROUP   UINT64_C(0x200000000)  /* CLONE_INTO_CGROUP (5.7) */

/* Children that share our memory as somebody else. */
static struct {
	struct rln_lock lock;
	uint32_t n;
	int dumpable;
} others = { .lock = RLN_LOCK_INIT };

/* Of children, a few of which are kept: to unmap one takes a word with every processor that the process runs on. */
static struct {
	struct rln_lock lock;
	uint32_t n;
	void *free[STACKS_KEPT];
} stacks = { .lock = RLN_LOCK_INIT };

static void others_enter(void)
{
	rln_lock(&others.lock);
	if (others.n++ == 0)
		others.dumpable = prctl(PR_GET_DUMPABLE);
	rln_unlock(&others.lock);
}

static void others_leave(void)
{
	rln_lock(&others.lock);
	if (--others.n == 0 && others.dumpable == 1 && prctl(PR_GET_DUMPABLE) != 1)
		prctl(PR_SET_DUMPABLE, 1);
	rln_unlock(&others.lock);
}

/* The three ways */

static uint64_t sharing(const struct rln_process_plan *p)
{
	return CLONE_VM | (p->gated ? CLONE_CHILD_CLEARTID : CLONE_VFORK) | p->o.namespaces;
}

static bool into_cgroup(const struct rln_process_plan *p)
{
	return p->cgroup >= 0 && !p->cgroup_by_hand;
}

static long by_clone3(struct rln_process_plan *p, void *stack)
{
	struct rln_clone_args args = {
		.flags = sharing(p) | FLAG_PIDFD | FLAG_CLEAR_SIGHAND | (into_cgroup(p) ? FLAG_INTO_CGROUP : 0),
		.pidfd = (uintptr_t)&p->pidfd,
		.child_tid = (uintptr_t)&p->lives,
		.stack = (uintptr_t)stack,
		.stack_size = STACK_SIZE,
		.cgroup = into_cgroup(p) ? (uint64_t)p->cgroup : 0,
	};

	if (p->disabled & (RLN_FEATURE_CLONE3 | RLN_FEATURE_PIDFD))
		return -ENOSYS;
	return rln_sys_clone3(&args, rln_process_child, p);
}

static long by_clone(struct rln_process_plan *p, void *stack, uint64_t flags)
{
	if (p->o.namespaces & CSIGNAL)
		return -EINVAL;   /* CLONE_NEWTIME stands where this call has a signal */
	return rln_sys_clone((unsigned long)(sharing(p) | flags), (char *)stack + STACK_SIZE, (int *)&p->pidfd, &p->lives,
	                     rln_process_child, p);
}

/* May a kernel, or a filter, that says this know an older way? */
static bool not_known(long r)
{
	return r == -ENOSYS || r == -EPERM || r == -EINVAL || r == -E2BIG;
}

static long by_any(struct rln_process_plan *p, void *stack)
{
	int error = rln_fault(RLN_FAULT_SPAWN);
	long pid = error ? -error : by_clone3(p, stack);

	if (error || !not_known(pid))
		return pid;
	p->pidfd = -1;
	p->cgroup_by_hand = p->cgroup >= 0;
	pid = p->disabled & RLN_FEATURE_PIDFD ? -EINVAL : by_clone(p, stack, FLAG_PIDFD);
	if (pid != -EINVAL)
		return pid;
	p->gated = true;
	p->pidfd = -1;
	return by_clone(p, stack, 0);
}

/* Through the gate */

static int write_proc(const struct rln_process_plan *p, const char *name, const char *text)
{
	size_t len = strlen(text);
	char path[64];
	int error = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%lld/%s", (long long)p->pid, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len)
		error = -errno;
	close(fd);
	return error;
}

/* Who may not map groups as he likes may do so once they cannot be dropped. */
static int write_maps(struct rln_process_plan *p)
{
	int r = p->o.uid_map ? write_proc(p, "uid_map", p->o.uid_map) : 0;

	if (r < 0 || !p->o.gid_map)
		return r;
	r = write_proc(p, "gid_map", p->o.gid_map);
	if (r == -EPERM && write_proc(p, "setgroups", "deny") == 0)
		r = write_proc(p, "gid_map", p->o.gid_map);
	return r;
}

static int open_pidfd(struct rln_process_plan *p)
{
	int error = rln_fault(RLN_FAULT_PIDFD);
	long fd = error ? -error : rln_sys(SYS_pidfd_open, p->pid, 0);

	if (fd < 0)
		return (int)fd;
	p->pidfd = (int)fd;
	return 0;
}

/* The kernel wakes those of a word that is not private. */
static void await_execution(struct rln_process_plan *p)
{
	uint32_t lives;

	while ((lives = atomic_load(&p->lives)))
		rln_sys(SYS_futex, &p->lives, FUTEX_WAIT, lives, NULL);
}

static void let_through(struct rln_process_plan *p)
{
	uint32_t stage = RINGLINE_PROCESS_STAGE_PIDFD;
	int r = p->pidfd < 0 ? open_pidfd(p) : 0;

	if (r == 0) {
		stage = RINGLINE_PROCESS_STAGE_MAP;
		r = atomic_load(&p->cut) ? -ECANCELED : write_maps(p);
	}
	atomic_store(&p->gate, r == 0 ? RLN_GATE_OPEN : RLN_GATE_GIVEN_UP);
	rln_sys(SYS_futex, &p->gate, FUTEX_WAKE_PRIVATE, 1);
	await_execution(p);
	if (r < 0) {
		p->stage = stage;
		p->error = -r;
	}
}

/* What became of it */

/* By its number if that is all there is: nobody else is told of a child that never executed a program. */
static long wait_for_end(const struct rln_process_plan *p)
{
	long r = p->pidfd < 0 ? -EINVAL : rln_sys(SYS_waitid, P_PIDFD, p->pidfd, NULL, WEXITED | __WALL, NULL);

	return r == -EINVAL ? rln_sys(SYS_wait4, p->pid, NULL, __WALL, NULL) : r;
}

/* It was not to be. */
static void bury(struct rln_process_plan *p)
{
	while (wait_for_end(p) == -EINTR)
		;
	rln_lock(&p->lock);
	atomic_store(&p->born, false);
	rln_unlock(&p->lock);
	if (p->pidfd >= 0)
		close(p->pidfd);
	p->pidfd = -1;
}

static void kill_born(struct rln_process_plan *p)
{
	rln_lock(&p->lock);
	if (atomic_load(&p->born) && p->pidfd >= 0)
		rln_sys(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
	rln_unlock(&p->lock);
}

void rln_process_clone_cut(struct rln_process_plan *p)
{
	atomic_store(&p->cut, true);
	kill_born(p);
}

void rln_process_clone_undo(struct rln_process_plan *p)
{
	kill_born(p);
	bury(p);
}

static int born(struct rln_process_plan *p)
{
	if (p->gated)
		let_through(p);
	if (!p->error)
		return 0;
	bury(p);
	return -p->error;
}

/* Errors that only the cgroup can have caused. */
static uint32_t stage_of(const struct rln_process_plan *p, long error)
{
	bool cgroup = p->cgroup >= 0 && (error == -EBADF || error == -EBUSY || error == -EOPNOTSUPP || error == -EACCES ||
	                                 error == -ENODEV || error == -ENOENT);

	return cgroup ? RINGLINE_PROCESS_STAGE_CGROUP : RINGLINE_PROCESS_STAGE_CLONE;
}

static int give_birth(struct rln_process_plan *p, void *stack)
{
	long pid;

	p->stage = RINGLINE_PROCESS_STAGE_CLONE;
	atomic_store(&p->gate, RLN_GATE_SHUT);
	atomic_store(&p->lives, 1);
	p->error = 0;
	pid = by_any(p, stack);
	p->pid = pid;
	if (pid >= 0)
		return born(p);
	p->stage = stage_of(p, pid);
	return (int)pid;
}

/*
 * Killed before its first step. So are all (6.14 to 6.18 at least) that are to be born in a cgroup that was killed sometime, for not
 * having been told of that: the kernel compares how often with the caller's.
 */
static bool stillborn(const struct rln_process_plan *p)
{
	return into_cgroup(p) && p->stage == RINGLINE_PROCESS_STAGE_CLONE && !atomic_load(&p->cut);
}

static int make(struct rln_process_plan *p, void *stack)
{
	int r;

	if (p->creds)
		others_enter();
	r = give_birth(p, stack);
	if (r == 0 && stillborn(p)) {
		bury(p);
		p->cgroup_by_hand = true;
		r = give_birth(p, stack);
	}
	if (p->creds)
		others_leave();
	return r;
}

#ifdef RLN_FAULT_INJECTION

/* Which stage a test wants to fail: the child cannot ask. */
static void choose_fault(struct rln_process_plan *p)
{
	uint32_t stage;

	for (stage = RINGLINE_PROCESS_STAGE_MAP; !p->fault_stage && stage <= RINGLINE_PROCESS_STAGE_EXEC; stage++) {
		p->fault_error = rln_fault(RLN_FAULT_CHILD);
		if (p->fault_error)
			p->fault_stage = stage;
	}
}

#else

static void choose_fault(struct rln_process_plan *p)
{
	(void)p;
}

#endif

/* Stacks */

static void *take_stack(void)
{
	void *stack = NULL;

	if (rln_fault(RLN_FAULT_MMAP))
		return NULL;
	rln_lock(&stacks.lock);
	if (stacks.n)
		stack = stacks.free[--stacks.n];
	rln_unlock(&stacks.lock);
	if (stack)
		return stack;
	stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	return stack == MAP_FAILED ? NULL : stack;
}

static void give_stack_back(void *stack)
{
	bool kept;

	rln_lock(&stacks.lock);
	kept = stacks.n < STACKS_KEPT;
	if (kept)
		stacks.free[stacks.n++] = stack;
	rln_unlock(&stacks.lock);
	if (!kept)
		munmap(stack, STACK_SIZE);
}

int rln_process_clone(struct rln_process_plan *p)
{
	void *stack = take_stack();
	int r;

	p->stage = RINGLINE_PROCESS_STAGE_CLONE;
	if (!stack)
		return -ENOMEM;
	choose_fault(p);
	r = make(p, stack);
	give_stack_back(stack);
	return r;
}
