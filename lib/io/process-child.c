/* SPDX-License-Identifier: MIT */
/*
 * What a child does between its birth and its program: a list of steps, each of which the options may have asked for.
 *
 * The memory is the parent's. All that is written is the plan and this stack; all that is called is in this file or a system call.
 * The step that is under way is in the plan, so whatever fails, the parent knows where.
 *
 * The order: what takes privileges comes before they are given up, what could be used to regain them (descriptors, the filter)
 * last. The working directory is entered as who the process becomes. All but what was asked for is marked close-on-exec as soon
 * as the descriptors are in their places.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "io/process-sys.h"
#include "io/process.h"

#define SIGNALS            64
#define CLOSE_RANGE_MARK   4         /* CLOSE_RANGE_CLOEXEC (5.11) */
#define FIRST_UNASKED      3

/* Setting ids of 32 bits, on machines that had them with 16. */
#ifdef SYS_setresuid32
#define NR_setresuid SYS_setresuid32
#define NR_setresgid SYS_setresgid32
#define NR_setgroups SYS_setgroups32
#else
#define NR_setresuid SYS_setresuid
#define NR_setresgid SYS_setresgid
#define NR_setgroups SYS_setgroups
#endif

struct step {
	uint32_t stage;
	long (*run)(struct rln_process_plan *p);
};

static RLN_IN_CHILD bool is_set(const struct rln_process_plan *p, uint64_t bit)
{
	return p->o.set & bit;
}

static RLN_IN_CHILD _Noreturn void leave(void)
{
	for (;;)
		rln_sys(SYS_exit_group, 127);
}

/* Whoever cuts looks whether there is a child, after the cut; the child looks whether there was a cut, after it is there. */
static RLN_IN_CHILD bool is_wanted(struct rln_process_plan *p)
{
	atomic_store(&p->born, true);
	return !atomic_load(&p->cut);
}

/* Until the parent has written the maps, or given up. */
static RLN_IN_CHILD long pass_gate(struct rln_process_plan *p)
{
	uint32_t gate;

	if (!p->gated)
		return 0;
	while ((gate = atomic_load(&p->gate)) == RLN_GATE_SHUT)
		rln_sys(SYS_futex, &p->gate, FUTEX_WAIT_PRIVATE, RLN_GATE_SHUT, NULL);
	if (gate == RLN_GATE_GIVEN_UP)
		leave();
	return 0;
}

/* Relations to others */

/* Ends of texts are looked for by hand: the compiler knows a function of the C library for that, and sanitizers listen there. */
static RLN_IN_CHILD const char *end_of(const char *text)
{
	const volatile char *at = text;

	while (*at)
		at++;
	return (const char *)at;
}

static RLN_IN_CHILD long write_text(int dir, const char *path, const char *text)
{
	long fd = rln_sys(SYS_openat, dir, path, O_WRONLY | O_CLOEXEC);
	long n = end_of(text) - text;
	long r;

	if (fd < 0)
		return fd;
	r = rln_sys(SYS_write, fd, text, n);
	rln_sys(SYS_close, fd);
	return r < 0 ? r : 0;
}

static RLN_IN_CHILD long enter_cgroup(struct rln_process_plan *p)
{
	return p->cgroup_by_hand ? write_text(p->cgroup, "cgroup.procs", "0") : 0;
}

static RLN_IN_CHILD long join_namespaces(struct rln_process_plan *p)
{
	long r = 0;
	size_t i;

	for (i = 0; r == 0 && i < p->o.njoin; i++)
		r = rln_sys(SYS_setns, p->o.join[i], 0);
	return r;
}

static RLN_IN_CHILD long new_session(struct rln_process_plan *p)
{
	long r = p->o.flags & RINGLINE_PROCESS_NEW_SESSION ? rln_sys(SYS_setsid, 0) : 0;

	return r < 0 ? r : 0;
}

static RLN_IN_CHILD long join_group(struct rln_process_plan *p)
{
	return is_set(p, RINGLINE_PROCESS_SET_GROUP) ? rln_sys(SYS_setpgid, 0, p->o.process_group) : 0;
}

static RLN_IN_CHILD long set_scheduler(struct rln_process_plan *p)
{
	return is_set(p, RINGLINE_PROCESS_SET_SCHEDULER) ?
	       rln_sys(SYS_sched_setscheduler, 0, p->o.policy, &p->o.priority) : 0;
}

static RLN_IN_CHILD long set_nice(struct rln_process_plan *p)
{
	return is_set(p, RINGLINE_PROCESS_SET_NICE) ? rln_sys(SYS_setpriority, PRIO_PROCESS, 0, p->o.nice) : 0;
}

static RLN_IN_CHILD long set_affinity(struct rln_process_plan *p)
{
	return p->o.cpus ? rln_sys(SYS_sched_setaffinity, 0, p->o.cpus_size, p->o.cpus) : 0;
}

static RLN_IN_CHILD long set_oom_score(struct rln_process_plan *p)
{
	return is_set(p, RINGLINE_PROCESS_SET_OOM_SCORE) ?
	       write_text(AT_FDCWD, "/proc/self/oom_score_adj", p->oom_score) : 0;
}

/* Descriptors */

static RLN_IN_CHILD bool is_target(const struct rln_process_plan *p, int fd)
{
	uint32_t i;

	for (i = 0; i < p->nmoves; i++)
		if (p->moves[i].to == fd)
			return true;
	return false;
}

/* What lies where something else is to be goes above all targets. */
static RLN_IN_CHILD long step_aside(const struct rln_process_plan *p, int *fd, int to)
{
	long r;

	if (*fd < 0 || *fd == to || !is_target(p, *fd))
		return 0;
	r = rln_sys(SYS_fcntl, *fd, F_DUPFD_CLOEXEC, p->top);
	if (r < 0)
		return r;
	*fd = (int)r;
	return 0;
}

static RLN_IN_CHILD long clear_targets(struct rln_process_plan *p)
{
	long r = 0;
	uint32_t i;

	for (i = 0; r == 0 && i < p->nmoves; i++)
		r = step_aside(p, &p->moves[i].from, p->moves[i].to);
	if (r == 0)
		r = step_aside(p, &p->dir, -1);
	if (r == 0)
		r = step_aside(p, &p->program, -1);
	return r == 0 ? step_aside(p, &p->landlock, -1) : r;
}

static RLN_IN_CHILD long place(const struct rln_process_move *m)
{
	long r;

	if (m->from != m->to)
		r = rln_sys(SYS_dup3, m->from, m->to, 0);
	else
		r = rln_sys(SYS_fcntl, m->to, F_SETFD, 0);
	return r < 0 ? r : 0;
}

static RLN_IN_CHILD long place_fds(struct rln_process_plan *p)
{
	long r = clear_targets(p);
	uint32_t i;

	for (i = 0; r == 0 && i < p->nmoves; i++)
		r = place(&p->moves[i]);
	return r;
}

static RLN_IN_CHILD long take_tty(struct rln_process_plan *p)
{
	return p->tty >= 0 ? rln_sys(SYS_ioctl, p->tty, TIOCSCTTY, 0) : 0;
}

static RLN_IN_CHILD long mark_range(const struct rln_process_plan *p, unsigned int first, unsigned int last)
{
	return p->disabled & RLN_FEATURE_CLOSE_RANGE ? -ENOSYS :
	       rln_sys(SYS_close_range, first, last, CLOSE_RANGE_MARK);
}

/* The gaps between the targets, which are sorted. */
static RLN_IN_CHILD long mark_ranges(const struct rln_process_plan *p)
{
	unsigned int next = FIRST_UNASKED;
	long r = 0;
	uint32_t i;

	for (i = 0; r == 0 && i < p->nmoves; i++) {
		unsigned int to = (unsigned int)p->moves[i].to;

		if (to < next)
			continue;
		if (to > next)
			r = mark_range(p, next, to - 1);
		next = to + 1;
	}
	return r == 0 ? mark_range(p, next, ~0u) : r;
}

struct entry {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

static RLN_IN_CHILD int number(const char *s)
{
	int n = 0;

	for (; *s >= '0' && *s <= '9'; s++)
		n = n * 10 + (*s - '0');
	return n;
}

static RLN_IN_CHILD void mark_entries(const struct rln_process_plan *p, const char *data, long len)
{
	long at;

	for (at = 0; at < len; at += ((const struct entry *)(const void *)(data + at))->len) {
		const struct entry *e = (const struct entry *)(const void *)(data + at);
		int fd = number(e->name);

		if (fd >= FIRST_UNASKED && !is_target(p, fd))
			rln_sys(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
	}
}

/* Before 5.11: one after the other, as /proc lists them. */
static RLN_IN_CHILD long mark_listed(const struct rln_process_plan *p)
{
	char data[1024] rln_aligned(8);
	long dir = rln_sys(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long n;

	if (dir < 0)
		return dir;
	while ((n = rln_sys(SYS_getdents64, dir, data, sizeof(data))) > 0)
		mark_entries(p, data, n);
	rln_sys(SYS_close, dir);
	return n;
}

static RLN_IN_CHILD long close_others(struct rln_process_plan *p)
{
	long r = mark_ranges(p);

	return r == -ENOSYS || r == -EINVAL ? mark_listed(p) : r;
}

/* Limits and the like */

static RLN_IN_CHILD long set_limits(struct rln_process_plan *p)
{
	const char *at = (const char *)p->o.limits;
	long r = 0;
	size_t i;

	for (i = 0; r == 0 && i < p->o.nlimits; i++, at += p->o.limit_size) {
		const struct ringline_process_limit *l = (const struct ringline_process_limit *)(const void *)at;
		const uint64_t both[2] = { l->soft, l->hard };

		r = rln_sys(SYS_prlimit64, 0, l->resource, both, NULL);
	}
	return r;
}

static RLN_IN_CHILD long set_umask(struct rln_process_plan *p)
{
	if (is_set(p, RINGLINE_PROCESS_SET_UMASK))
		rln_sys(SYS_umask, p->o.umask);
	return 0;
}

static RLN_IN_CHILD long change_root(struct rln_process_plan *p)
{
	long r = p->o.root ? rln_sys(SYS_chroot, p->o.root) : 0;

	return r == 0 && p->o.root ? rln_sys(SYS_chdir, "/") : r;
}

/* Who it is */

static RLN_IN_CHILD bool any(const uint32_t *words)
{
	return words[0] || words[1];
}

/* Does it have to keep capabilities over the change of its user id, to use them afterwards? */
static RLN_IN_CHILD bool keeps_caps(const struct rln_process_plan *p)
{
	return is_set(p, RINGLINE_PROCESS_SET_UID) &&
	       (any(p->caps.ambient) || is_set(p, RINGLINE_PROCESS_SET_SECUREBITS));
}

static RLN_IN_CHILD long get_caps(struct __user_cap_header_struct *head, struct __user_cap_data_struct *data)
{
	head->version = _LINUX_CAPABILITY_VERSION_3;
	head->pid = 0;
	return rln_sys(SYS_capget, head, data);
}

static RLN_IN_CHILD long set_inheritable(struct rln_process_plan *p)
{
	struct __user_cap_header_struct head;
	struct __user_cap_data_struct data[RLN_CAP_WORDS];
	long r;
	int i;

	if (!p->caps.wanted)
		return 0;
	r = get_caps(&head, data);
	for (i = 0; i < RLN_CAP_WORDS; i++)
		data[i].inheritable = p->caps.inheritable[i];
	return r == 0 ? rln_sys(SYS_capset, &head, data) : r;
}

static RLN_IN_CHILD long drop_bounding(struct rln_process_plan *p)
{
	long r = 0;
	int cap;

	for (cap = 0; r == 0 && cap < 32 * RLN_CAP_WORDS; cap++)
		if (p->caps.dropped[cap / 32] >> cap % 32 & 1)
			r = rln_sys(SYS_prctl, PR_CAPBSET_DROP, cap);
	if (r == 0 && keeps_caps(p))
		r = rln_sys(SYS_prctl, PR_SET_KEEPCAPS, 1);
	return r;
}

/* Who becomes somebody else leaves the groups too. Without the right to leave them there is none to give up. */
static RLN_IN_CHILD long set_groups(struct rln_process_plan *p)
{
	long r;

	if (is_set(p, RINGLINE_PROCESS_SET_GROUPS))
		return rln_sys(NR_setgroups, p->o.ngroups, p->o.groups);
	if (!is_set(p, RINGLINE_PROCESS_SET_UID | RINGLINE_PROCESS_SET_GID))
		return 0;
	r = rln_sys(NR_setgroups, 0, NULL);
	return r == -EPERM ? 0 : r;
}

static RLN_IN_CHILD long set_gid(struct rln_process_plan *p)
{
	return is_set(p, RINGLINE_PROCESS_SET_GID) ? rln_sys(NR_setresgid, p->o.gid, p->o.gid, p->o.gid) : 0;
}

static RLN_IN_CHILD long set_uid(struct rln_process_plan *p)
{
	return is_set(p, RINGLINE_PROCESS_SET_UID) ? rln_sys(NR_setresuid, p->o.uid, p->o.uid, p->o.uid) : 0;
}

/* What the change of the user id has left of its capabilities: to be used, or not any more. */
static RLN_IN_CHILD long use_kept(const struct rln_process_plan *p, bool use)
{
	struct __user_cap_header_struct head;
	struct __user_cap_data_struct data[RLN_CAP_WORDS];
	long r;
	int i;

	if (!keeps_caps(p))
		return 0;
	r = get_caps(&head, data);
	for (i = 0; i < RLN_CAP_WORDS; i++)
		data[i].effective = use ? data[i].permitted : 0;
	return r == 0 ? rln_sys(SYS_capset, &head, data) : r;
}

static RLN_IN_CHILD long raise_ambient(struct rln_process_plan *p)
{
	long r = use_kept(p, true);
	int cap;

	if (r < 0 || !p->caps.wanted)
		return r;
	r = rln_sys(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
	for (cap = 0; r == 0 && cap < 32 * RLN_CAP_WORDS; cap++)
		if (p->caps.ambient[cap / 32] >> cap % 32 & 1)
			r = rln_sys(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap);
	return r;
}

static RLN_IN_CHILD long set_securebits(struct rln_process_plan *p)
{
	long r = is_set(p, RINGLINE_PROCESS_SET_SECUREBITS) ? rln_sys(SYS_prctl, PR_SET_SECUREBITS, p->o.securebits) : 0;

	return r == 0 ? use_kept(p, false) : r;
}

static RLN_IN_CHILD long change_dir(struct rln_process_plan *p)
{
	long r = p->dir >= 0 ? rln_sys(SYS_fchdir, p->dir) : 0;

	return r == 0 && p->o.cwd ? rln_sys(SYS_chdir, p->o.cwd) : r;
}

/* What it may do from now on */

static RLN_IN_CHILD long set_no_new_privs(struct rln_process_plan *p)
{
	return p->o.flags & RINGLINE_PROCESS_NO_NEW_PRIVS ? rln_sys(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1) : 0;
}

static RLN_IN_CHILD long restrict_self(struct rln_process_plan *p)
{
	return p->landlock >= 0 ? rln_sys(SYS_landlock_restrict_self, p->landlock, 0) : 0;
}

/* As the kernel has it; there is nothing in it but the handler. */
struct action {
	void (*handler)(int sig);
	unsigned long rest[7];
};

static RLN_IN_CHILD long reset_signals(struct rln_process_plan *p)
{
	struct action action = { .handler = SIG_DFL };
	uint64_t mask = is_set(p, RINGLINE_PROCESS_SET_SIGNAL_MASK) ? p->o.signal_mask : 0;
	int sig;

	for (sig = 1; sig <= SIGNALS; sig++) {
		action.handler = p->o.signals_ignored >> (sig - 1) & 1 ? SIG_IGN : SIG_DFL;
		if (sig != SIGKILL && sig != SIGSTOP)
			rln_sys(SYS_rt_sigaction, sig, &action, NULL, sizeof(mask));
	}
	return rln_sys(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
}

static RLN_IN_CHILD long set_filter(struct rln_process_plan *p)
{
	return p->seccomp.filter ? rln_sys(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p->seccomp) : 0;
}

/* The program */

/* The number it has where it is: in a new namespace of processes, another one than the parent sees. */
static RLN_IN_CHILD void write_pid(char *to, long pid)
{
	long unit = 1;

	while (pid / unit >= 10)
		unit *= 10;
	for (; unit; unit /= 10)
		*to++ = (char)('0' + pid / unit % 10);
	*to = 0;
}

static RLN_IN_CHILD void write_pids(const struct rln_process_plan *p)
{
	char **entry = p->pids;

	for (; entry && *entry; entry++)
		write_pid((char *)end_of(*entry), rln_sys(SYS_getpid));
}

/* A name like this may be found elsewhere. */
static RLN_IN_CHILD bool not_here(long r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -EACCES || r == -ENODEV || r == -ESTALE || r == -ELOOP ||
	       r == -ENAMETOOLONG;
}

/* As execvp(3): what may not be executed is told if nothing else is found. */
static RLN_IN_CHILD long execute(struct rln_process_plan *p)
{
	const char *name = p->programs;
	long result = -ENOENT;
	long r;

	write_pids(p);
	if (!name)
		return rln_sys(SYS_execveat, p->program, "", p->argv, p->envp, AT_EMPTY_PATH);
	while (*name) {
		r = rln_sys(SYS_execve, name, p->argv, p->envp);
		if (!not_here(r))
			return r;
		if (r == -EACCES || result == -ENOENT)
			result = r;
		name = end_of(name) + 1;
	}
	return result;
}

static const struct step steps[] = {
	{ RINGLINE_PROCESS_STAGE_MAP, pass_gate },
	{ RINGLINE_PROCESS_STAGE_CGROUP, enter_cgroup },
	{ RINGLINE_PROCESS_STAGE_JOIN, join_namespaces },
	{ RINGLINE_PROCESS_STAGE_SESSION, new_session },
	{ RINGLINE_PROCESS_STAGE_GROUP, join_group },
	{ RINGLINE_PROCESS_STAGE_SCHEDULER, set_scheduler },
	{ RINGLINE_PROCESS_STAGE_NICE, set_nice },
	{ RINGLINE_PROCESS_STAGE_AFFINITY, set_affinity },
	{ RINGLINE_PROCESS_STAGE_OOM_SCORE, set_oom_score },
	{ RINGLINE_PROCESS_STAGE_FDS, place_fds },
	{ RINGLINE_PROCESS_STAGE_TTY, take_tty },
	{ RINGLINE_PROCESS_STAGE_CLOSE, close_others },
	{ RINGLINE_PROCESS_STAGE_LIMITS, set_limits },
	{ RINGLINE_PROCESS_STAGE_UMASK, set_umask },
	{ RINGLINE_PROCESS_STAGE_ROOT, change_root },
	{ RINGLINE_PROCESS_STAGE_INHERITABLE, set_inheritable },
	{ RINGLINE_PROCESS_STAGE_BOUNDING, drop_bounding },
	{ RINGLINE_PROCESS_STAGE_GROUPS, set_groups },
	{ RINGLINE_PROCESS_STAGE_GID, set_gid },
	{ RINGLINE_PROCESS_STAGE_UID, set_uid },
	{ RINGLINE_PROCESS_STAGE_AMBIENT, raise_ambient },
	{ RINGLINE_PROCESS_STAGE_SECUREBITS, set_securebits },
	{ RINGLINE_PROCESS_STAGE_CWD, change_dir },
	{ RINGLINE_PROCESS_STAGE_NO_NEW_PRIVS, set_no_new_privs },
	{ RINGLINE_PROCESS_STAGE_LANDLOCK, restrict_self },
	{ RINGLINE_PROCESS_STAGE_SIGNALS, reset_signals },
	{ RINGLINE_PROCESS_STAGE_SECCOMP, set_filter },
	{ RINGLINE_PROCESS_STAGE_EXEC, execute },
};

RLN_IN_CHILD void rln_process_child(void *plan)
{
	struct rln_process_plan *p = plan;
	long r = is_wanted(p) ? 0 : -ECANCELED;
	size_t i;

	for (i = 0; r == 0 && i < rln_array_size(steps); i++) {
		p->stage = steps[i].stage;
		r = p->fault_stage == p->stage ? -p->fault_error : steps[i].run(p);
	}
	p->error = (int)-r;
	leave();
}
