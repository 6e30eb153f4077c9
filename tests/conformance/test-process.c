/* SPDX-License-Identifier: MIT */
/* Children: how they end, who waits, who kills, who lets go; and hosts that do as they like with SIGCHLD. */
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "support/process.h"

/* --- how they end ------------------------------------------------------------------------------------------------- */

static int endings_main(void *arg)
{
	(void)arg;
	g_assert_cmpint(proc_end(proc_sh("exit 0", NULL)), ==, 0);
	g_assert_cmpint(proc_end(proc_sh("exit 1", NULL)), ==, 1);
	g_assert_cmpint(proc_end(proc_sh("exit 9", NULL)), ==, 9);
	g_assert_cmpint(proc_end(proc_sh("exit 255", NULL)), ==, 255);
	g_assert_cmpint(proc_end(proc_sh("kill -9 $$", NULL)), ==, -9);
	g_assert_cmpint(proc_end(proc_sh("kill -TERM $$", NULL)), ==, -SIGTERM);
	return 0;
}

static void test_endings(void)
{
	CONF_OK(conf_run(endings_main, NULL));
	proc_no_children();
}

/*
 * Whether a core is dumped is for the machine to say, and the same for a child made by hand. Each in a directory of the test's
 * own: of two that dump to one file at once one does not.
 */
static bool dumps_core(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		struct rlimit r = { RLIM_INFINITY, RLIM_INFINITY };

		(void)!setrlimit(RLIMIT_CORE, &r);
		(void)!chdir(g_get_tmp_dir());
		execl("/bin/sh", "sh", "-c", "kill -QUIT $$", NULL);
		_exit(1);
	}
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	return WCOREDUMP(status);
}

static int core_main(void *arg)
{
	const struct ringline_process_limit limit = { .resource = RLIMIT_CORE, .soft = UINT64_MAX, .hard = UINT64_MAX };
	struct ringline_process_status s = RINGLINE_PROCESS_STATUS_INIT;
	struct ringline_process_options o = proc_options();
	struct ringline_process *p;
	struct rlimit r;

	CONF_OK(getrlimit(RLIMIT_CORE, &r));
	if (r.rlim_max == RLIM_INFINITY) {
		o.limits = &limit;
		o.nlimits = 1;
	}
	o.cwd = g_get_tmp_dir();
	p = proc_sh("kill -QUIT $$", &o);
	CONF_OK(ringline_process_wait(p, &s));
	g_assert_cmpuint(s.how, ==, RINGLINE_PROCESS_KILLED);
	g_assert_cmpint(s.code, ==, SIGQUIT);
	g_assert_cmpint(!!s.core, ==, *(const bool *)arg && r.rlim_max == RLIM_INFINITY);
	return ringline_process_close(p);
}

static void test_core(void)
{
	bool core = dumps_core();

	CONF_OK(conf_run(core_main, &core));
}

static int usage_main(void *arg)
{
	struct ringline_process_status s = RINGLINE_PROCESS_STATUS_INIT;
	struct ringline_process *p = proc_sh("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done", NULL);

	(void)arg;
	CONF_OK(ringline_process_wait(p, &s));
	g_assert_cmpuint(s.usage, ==, 1);
	g_assert_cmpuint(s.user_time + s.system_time, >, 0);
	g_assert_cmpuint(s.user_time, <, 60 * SEC);
	g_assert_cmpuint(s.max_resident, >, 100 * 1024);
	g_assert_cmpuint(s.minor_faults, >, 0);
	return ringline_process_close(p);
}

static void test_usage(void)
{
	CONF_OK(conf_run(usage_main, NULL));
}

/* --- who waits ---------------------------------------------------------------------------------------------------- */

static int one_waiter(void *arg)
{
	struct ringline_process_status s = RINGLINE_PROCESS_STATUS_INIT;

	CONF_OK(ringline_process_wait(arg, &s));
	g_assert_cmpint(s.code, ==, 5);
	return 0;
}

static int many_main(void *arg)
{
	struct ringline_process_status s[3] = { RINGLINE_PROCESS_STATUS_INIT, RINGLINE_PROCESS_STATUS_INIT,
	                                        RINGLINE_PROCESS_STATUS_INIT };
	struct ringline_conn *in;
	const struct ringline_process_fd fd = { .target = 0, .kind = RINGLINE_PROCESS_PIPE_IN, .conn = &in };
	struct ringline_process_options o = proc_options();
	struct ringline_scope *scope;
	struct ringline_process *p;
	struct ringline_op *op[3];
	int i;

	(void)arg;
	o.fds = &fd;
	o.nfds = 1;
	p = proc_sh("read x; exit 5", &o);
	g_assert_cmpint(ringline_process_status(p, &s[0]), ==, -EAGAIN);
	CONF_OK(ringline_scope_open(&scope, NULL));
	for (i = 0; i < 5; i++)
		CONF_OK(ringline_scope_spawn(scope, one_waiter, p));
	for (i = 0; i < 3; i++)
		CONF_OK(ringline_process_wait_begin(&op[i], p, i ? &s[i] : NULL));
	CONF_OK(ringline_op_cancel(op[2]));
	g_assert_cmpint(ringline_op_await(op[2]), ==, -ECANCELED);
	g_assert_cmpint(ringline_conn_send(in, "\n", 1), ==, 1);
	CONF_OK(ringline_op_await_all(op, 2, NULL));
	g_assert_cmpint(s[1].code, ==, 5);
	CONF_OK(ringline_scope_close(scope));
	CONF_OK(one_waiter(p));
	CONF_OK(ringline_process_status(p, &s[2]));
	g_assert_cmpint(s[2].code, ==, 5);
	CONF_OK(ringline_process_wait_begin(&op[0], p, NULL));
	CONF_OK(ringline_op_await(op[0]));
	CONF_OK(ringline_conn_close(in));
	return ringline_process_close(p);
}

static void test_many(void)
{
	CONF_OK(conf_run(many_main, NULL));
}

static int cut_main(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_process *p = proc_sh("exec sleep 1000", NULL);
	struct ringline_scope *scope;
	struct ringline_op *op;

	(void)arg;
	o.deadline = ringline_now() + 5 * MSEC;
	CONF_OK(ringline_scope_open(&scope, &o));
	g_assert_cmpint(ringline_process_wait(p, NULL), ==, -ETIME);
	g_assert_cmpint(ringline_process_wait_begin(&op, p, NULL), ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(scope), ==, -ETIME);
	CONF_OK(ringline_scope_open(&scope, NULL));
	CONF_OK(ringline_process_wait_begin(&op, p, NULL));
	CONF_OK(ringline_scope_close(scope));             /* nobody awaits it */
	CONF_OK(ringline_process_kill(p, SIGKILL));
	g_assert_cmpint(proc_end(p), ==, -SIGKILL);
	return 0;
}

static void test_cut(void)
{
	CONF_OK(conf_run(cut_main, NULL));
	proc_no_children();
}

static int select_main(void *arg)
{
	struct ringline_process *p = proc_sh("exit 3", NULL);
	struct ringline_process *q = proc_sh("exec sleep 1000", NULL);
	struct ringline_case c[2] = { { .kind = RINGLINE_CASE_PROCESS, .object = p },
	                              { .kind = RINGLINE_CASE_PROCESS, .object = q } };

	(void)arg;
	g_assert_cmpint(ringline_select(c, 2, sizeof(*c), 0), ==, 0);
	g_assert_cmpint(c[0].result, ==, 0);
	g_assert_cmpint(ringline_select(c, 2, sizeof(*c), RINGLINE_SELECT_NOWAIT), ==, 0);
	CONF_OK(ringline_process_kill(q, SIGTERM));
	g_assert_cmpint(ringline_select(c + 1, 1, sizeof(*c), 0), ==, 0);
	g_assert_cmpint(proc_end(q), ==, -SIGTERM);
	g_assert_cmpint(proc_end(p), ==, 3);
	g_assert_cmpint(ringline_select(c, 1, sizeof(*c), 0), ==, 0);
	g_assert_cmpint(c[0].result, ==, -EBADF);
	return 0;
}

static void test_select(void)
{
	CONF_OK(conf_run(select_main, NULL));
}

static int waits_for_closed(void *arg)
{
	g_assert_cmpint(ringline_process_wait(arg, NULL), ==, -EBADF);
	return 0;
}

static int closed_main(void *arg)
{
	struct ringline_process *p = proc_sh("exec sleep 1000", NULL);
	int64_t pid = ringline_process_pid(p);
	struct ringline_scope *scope;
	struct ringline_op *op;

	(void)arg;
	CONF_OK(ringline_scope_open(&scope, NULL));
	CONF_OK(ringline_scope_spawn(scope, waits_for_closed, p));
	CONF_OK(ringline_process_wait_begin(&op, p, NULL));
	CONF_OK(ringline_yield());
	CONF_OK(ringline_process_close(p));
	g_assert_cmpint(ringline_op_await(op), ==, -EBADF);
	CONF_OK(ringline_scope_close(scope));
	g_assert_cmpint(ringline_process_kill(p, 0), ==, -EBADF);
	g_assert_cmpint(ringline_process_close(p), ==, -EBADF);
	CONF_OK(kill((pid_t)pid, SIGKILL));       /* it goes on, and is still our child */
	return 0;
}

/* The audit waits until it is reaped. */
static void test_closed(void)
{
	CONF_OK(conf_run(closed_main, NULL));
	proc_no_children();
}

/* --- killing ------------------------------------------------------------------------------------------------------ */

static int kill_main(void *arg)
{
	struct ringline_process *p = proc_sh("exec sleep 1000", NULL);

	(void)arg;
	CONF_OK(ringline_process_kill(p, 0));
	g_assert_cmpint(ringline_process_kill(p, 1000), ==, -EINVAL);
	g_assert_cmpint(ringline_process_kill_tree(p), ==, -EOPNOTSUPP);
	CONF_OK(ringline_process_kill(p, SIGKILL));
	CONF_OK(ringline_process_wait(p, NULL));
	g_assert_cmpint(ringline_process_kill(p, SIGKILL), ==, -ESRCH);
	g_assert_cmpint(ringline_process_release(p), ==, -ESRCH);
	return ringline_process_close(p);
}

static void test_kill(void)
{
	CONF_OK(conf_run(kill_main, NULL));
}

/* A shell whose children hold the pipe too: its end is the end of them all. */
static struct ringline_process *family(const char *script, struct ringline_process_options *o, struct ringline_conn **out)
{
	struct ringline_process_fd fd = { .target = 1, .kind = RINGLINE_PROCESS_PIPE_OUT, .conn = out };
	struct ringline_process *p;
	char byte;

	o->fds = &fd;
	o->nfds = 1;
	p = proc_sh(script, o);
	g_assert_cmpint(ringline_conn_recv_exact(*out, &byte, 1), ==, 1);
	return p;
}

static void all_gone(struct ringline_conn *out)
{
	char byte;

	g_assert_cmpint(ringline_conn_recv(out, &byte, 1), ==, 0);
	CONF_OK(ringline_conn_close(out));
}

#define FAMILY "sleep 1000 & sleep 1000 & (sleep 1000 & sleep 1000) & echo; wait"

static int group_main(void *arg)
{
	struct ringline_process_options o = proc_options();
	struct ringline_process *p;
	struct ringline_conn *out;

	(void)arg;
	o.set = RINGLINE_PROCESS_SET_GROUP;       /* of its own */
	p = family(FAMILY, &o, &out);
	CONF_OK(ringline_process_kill_group(p, 0));
	g_assert_cmpint(ringline_process_kill_group(p, -1), ==, -EINVAL);
	CONF_OK(ringline_process_kill_group(p, SIGKILL));
	all_gone(out);
	g_assert_cmpint(proc_end(p), ==, -SIGKILL);
	o.set = 0;
	o.flags = RINGLINE_PROCESS_NEW_SESSION;
	p = family(FAMILY, &o, &out);
	CONF_OK(ringline_process_kill_tree(p));
	all_gone(out);
	g_assert_cmpint(proc_end(p), ==, -SIGKILL);
	return 0;
}

static void test_group(void)
{
	static const char *const without[] = { NULL, "pidfd_group" };
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(without); i++) {
		proc_disable(without[i]);
		CONF_OK(conf_run(group_main, NULL));
		proc_enable_all();
	}
	proc_no_children();
}

/* Out of the group, out of the session, and its parent has gone: only the cgroup knows. */
static int tree_main(void *arg)
{
	struct ringline_process_options o = proc_options();
	struct ringline_process *p;
	struct ringline_conn *out;
	struct ringline_op *op;

	o.set = RINGLINE_PROCESS_SET_CGROUP;
	o.cgroup_fd = *(const int *)arg;
	p = family("(setsid sh -c 'sleep 1000 & sleep 1000 & echo' &) & wait; exit 4", &o, &out);
	g_assert_cmpint(ringline_process_wait(p, NULL), ==, 0);
	CONF_OK(ringline_process_kill_tree(p));
	all_gone(out);
	CONF_OK(ringline_process_kill_tree_begin(&op, p));
	CONF_OK(ringline_op_await(op));
	g_assert_cmpint(proc_end(p), ==, 4);
	return 0;
}

static void test_tree(void)
{
	static const char *const without[] = { NULL, "cgroup_kill", "clone3" };
	char *cgroup = proc_cgroup_new();
	size_t i;
	int fd;

	if (!cgroup) {
		g_test_skip("no cgroup of version 2 may be made");
		return;
	}
	fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	g_assert_cmpint(fd, >=, 0);
	for (i = 0; i < G_N_ELEMENTS(without); i++) {
		proc_disable(without[i]);
		CONF_OK(conf_run(tree_main, &fd));
		proc_enable_all();
	}
	CONF_OK(close(fd));
	proc_cgroup_free(cgroup);
}

/* --- letting go --------------------------------------------------------------------------------------------------- */

static int release_main(void *arg)
{
	struct ringline_process *p = proc_sh("exec sleep 1000", NULL);
	struct ringline_process *q;
	siginfo_t info;
	int fd = ringline_process_release(p);

	(void)arg;
	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(ringline_process_kill(p, 0), ==, -EBADF);
	CONF_OK(ringline_process_adopt_pidfd(&q, fd));
	CONF_OK(ringline_process_kill(q, SIGTERM));
	g_assert_cmpint(proc_end(q), ==, -SIGTERM);
	p = proc_sh("exit 11", NULL);
	fd = ringline_process_release(p);
	if (fd == -ESRCH)         /* it was faster */
		return ringline_process_close(p);
	CONF_OK(waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
	g_assert_cmpint(info.si_status, ==, 11);
	CONF_OK(close(fd));
	return 0;
}

static void test_release(void)
{
	CONF_OK(conf_run(release_main, NULL));
	proc_no_children();
}

static pid_t fork_sleeper(void)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/bin/sh", "sh", "-c", "exec sleep 1000", NULL);
		_exit(1);
	}
	return pid;
}

/* Who asks after a process again and again does not collect descriptors until it ends. */
static void adopt_often(pid_t pid)
{
	unsigned int before = conf_count_fds();
	int i;

	for (i = 0; i < 200; i++) {
		struct ringline_process *p;

		CONF_OK(ringline_process_adopt(&p, pid));
		if (i % 2)
			CONF_OK(ringline_yield());
		CONF_OK(ringline_process_close(p));
	}
	while (conf_count_fds() > before)
		CONF_OK(ringline_yield());
}

static int adopt_main(void *arg)
{
	struct ringline_process *p;
	int fd[2];
	pid_t pid = *(const pid_t *)arg;

	adopt_often(pid);
	adopt_often(getppid());
	CONF_OK(ringline_process_adopt(&p, pid));
	g_assert_cmpint(ringline_process_pid(p), ==, pid);
	CONF_OK(ringline_process_kill(p, SIGKILL));
	g_assert_cmpint(proc_end(p), ==, -SIGKILL);
	g_assert_cmpint(ringline_process_adopt(&p, pid), ==, -ESRCH);
	g_assert_cmpint(ringline_process_adopt(&p, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_process_adopt(&p, -5), ==, -EINVAL);
	g_assert_cmpint(ringline_process_adopt_pidfd(&p, -1), ==, -EBADF);
	CONF_OK(pipe2(fd, O_CLOEXEC));
	g_assert_cmpint(ringline_process_adopt_pidfd(&p, fd[0]), ==, -EBADF);
	CONF_OK(close(fd[0]));
	CONF_OK(close(fd[1]));
	return 0;
}

static void test_adopt(void)
{
	pid_t pid = fork_sleeper();

	CONF_OK(conf_run(adopt_main, &pid));
	proc_no_children();
}

static int adopt_pidfd_main(void *arg)
{
	pid_t pid = *(const pid_t *)arg;
	struct ringline_process *p;

	CONF_OK(ringline_process_adopt_pidfd(&p, (int)syscall(SYS_pidfd_open, pid, 0)));
	g_assert_cmpint(ringline_process_pid(p), ==, pid);
	CONF_OK(ringline_process_kill(p, SIGTERM));
	g_assert_cmpint(proc_end(p), ==, -SIGTERM);
	return 0;
}

static void test_adopt_pidfd(void)
{
	pid_t pid = fork_sleeper();

	CONF_OK(conf_run(adopt_pidfd_main, &pid));
	proc_no_children();
}

/* Its parent is a shell, and may wait for it when it likes. */
static int stranger_main(void *arg)
{
	struct ringline_process_status s = RINGLINE_PROCESS_STATUS_INIT;
	struct ringline_process_options o = proc_options();
	struct ringline_process *child;
	struct ringline_process *p;
	struct ringline_conn *out;
	struct ringline_process_fd fd = { .target = 1, .kind = RINGLINE_PROCESS_PIPE_OUT, .conn = &out };
	const void *line;

	(void)arg;
	o.fds = &fd;
	o.nfds = 1;
	p = proc_sh("sleep 1000 & echo $!; wait $! 2>/dev/null; exit 0", &o);
	g_assert_cmpint(ringline_conn_peek_until(out, "\n", 1, 20, &line), >, 0);
	CONF_OK(ringline_process_adopt(&child, strtol(line, NULL, 10)));
	CONF_OK(ringline_process_kill(child, SIGKILL));
	CONF_OK(ringline_process_wait(child, &s));
	if (proc_kernel_remembers()) {
		g_assert_cmpuint(s.how, ==, RINGLINE_PROCESS_KILLED);
		g_assert_cmpint(s.code, ==, SIGKILL);
	}
	CONF_OK(ringline_process_close(child));
	CONF_OK(ringline_conn_close(out));
	g_assert_cmpint(proc_end(p), ==, 0);
	return 0;
}

static void test_stranger(void)
{
	CONF_OK(conf_run(stranger_main, NULL));
}

static int kill_on_close_main(void *arg)
{
	struct ringline_process_options o = proc_options();

	(void)arg;
	o.flags = RINGLINE_PROCESS_KILL_ON_CLOSE;
	return ringline_process_close(proc_sh("exec sleep 1000", &o));
}

static void test_kill_on_close(void)
{
	CONF_OK(conf_run(kill_on_close_main, NULL));
	proc_no_children();
}

/* --- the worker ends ---------------------------------------------------------------------------------------------- */

static int64_t left[3];

static int leave_main(void *arg)
{
	struct ringline_process_options o = proc_options();
	struct ringline_process *p = proc_sh("exec sleep 1000", NULL);

	(void)arg;
	left[0] = ringline_process_pid(p);
	CONF_OK(ringline_process_close(p));
	left[1] = ringline_process_pid(proc_sh("exec sleep 1000", NULL));
	o.flags = RINGLINE_PROCESS_KILL_ON_CLOSE;
	left[2] = ringline_process_pid(proc_sh("exec sleep 1000", &o));
	return 0;
}

/* What runs goes on and is the host's from then on; what is to be killed is, and is reaped. */
static void test_shutdown(void)
{
	struct ringline_runtime *rt = conf_serve(NULL, 1, NULL, NULL, NULL, NULL);
	int i;

	CONF_OK(conf_call(rt, 0, leave_main, NULL));
	CONF_OK(conf_stop(rt));
	for (i = 0; i < 2; i++) {
		CONF_OK(kill((pid_t)left[i], SIGKILL));
		g_assert_cmpint(waitpid((pid_t)left[i], NULL, 0), ==, left[i]);
	}
	proc_no_children();
}

/* --- operations --------------------------------------------------------------------------------------------------- */

static int operations_main(void *arg)
{
	static const char *const argv[] = { "sh", "-c", "read x; exit 6", NULL };
	struct ringline_process_options o = proc_options();
	struct ringline_process *p = NULL;
	struct ringline_conn *in = NULL;
	const struct ringline_process_fd fd = { .target = 0, .kind = RINGLINE_PROCESS_PIPE_IN, .conn = &in };
	struct ringline_scope *scope;
	struct ringline_op *op;
	uint64_t spawns;

	(void)arg;
	o.fds = &fd;
	o.nfds = 1;
	CONF_OK(ringline_process_spawn_begin(&op, &p, argv, &o));
	CONF_OK(ringline_op_await(op));
	CONF_OK(ringline_conn_close(in));
	g_assert_cmpint(proc_end(p), ==, 6);
	CONF_OK(ringline_process_spawn_begin(&op, &p, argv, &o));
	CONF_OK(ringline_op_cancel(op));
	g_assert_cmpint(ringline_op_await(op), ==, -ECANCELED);   /* it was not begun */
	CONF_OK(ringline_scope_open(&scope, NULL));
	CONF_OK(ringline_process_spawn_begin(&op, &p, argv, &o));
	CONF_OK(ringline_scope_close(scope));
	CONF_OK(ringline_scope_open(&scope, NULL));
	CONF_OK(ringline_process_spawn_begin(&op, &p, argv, &o));
	CONF_UNTIL(conf_stats(NULL).processes_spawned == 2);
	CONF_OK(ringline_scope_close(scope));     /* it is there and nobody has taken it: its input ends, and so does it */
	CONF_OK(ringline_worker_op_count(NULL, 0, "spawn", "pool", &spawns));
	g_assert_cmpuint(spawns, >=, 2);
	g_assert_cmpuint(conf_stats(NULL).processes_spawned, ==, spawns);
	return 0;
}

static void test_operations(void)
{
	CONF_OK(conf_run(operations_main, NULL));
	proc_no_children();
}

static int refused_main(void *arg)
{
	static const char *const argv[] = { "true", NULL };
	static const char *const none[] = { NULL };
	struct ringline_process_status s = { .size = 1 };
	struct ringline_process *p;
	struct ringline_op *op;

	(void)arg;
	g_assert_cmpint(ringline_process_spawn(NULL, argv, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_process_spawn(&p, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_process_spawn(&p, none, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_process_spawn_begin(NULL, &p, argv, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_process_spawn_begin(&op, NULL, argv, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_process_wait(NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_process_wait_begin(&op, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_process_kill(NULL, 9), ==, -EINVAL);
	g_assert_cmpint(ringline_process_kill_group(NULL, 9), ==, -EINVAL);
	g_assert_cmpint(ringline_process_kill_tree(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_process_pid(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_process_pidfd(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_process_release(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_process_adopt(NULL, 1), ==, -EINVAL);
	CONF_OK(ringline_process_close(NULL));
	p = proc_sh("exit 0", NULL);
	g_assert_cmpint(ringline_process_wait(p, &s), ==, -EINVAL);
	g_assert_cmpint(ringline_process_wait_begin(NULL, p, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_process_pidfd(p), >=, 0);
	g_assert_cmpint(proc_end(p), ==, 0);
	return 0;
}

static void test_refused(void)
{
	static const char *const argv[] = { "true", NULL };
	struct ringline_process *p;

	CONF_OK(conf_run(refused_main, NULL));
	conf_log_allow("outside a task");
	conf_log_allow("not a worker");
	g_assert_cmpint(ringline_process_spawn(&p, argv, NULL), ==, -EPERM);
	g_assert_cmpint(ringline_process_adopt(&p, 1), ==, -EPERM);
}

/* --- SIGCHLD ------------------------------------------------------------------------------------------------------ */

#define CHILDREN 40

/* Right, or nobody can know; never something else. */
static int count_lost(void)
{
	struct ringline_process_status s = RINGLINE_PROCESS_STATUS_INIT;
	char script[32];
	int lost = 0;
	int i;

	for (i = 0; i < CHILDREN; i++) {
		struct ringline_process *p;

		g_snprintf(script, sizeof(script), "exit %d", i);
		p = proc_sh(script, NULL);
		CONF_OK(ringline_process_wait(p, &s));
		CONF_OK(ringline_process_close(p));
		if (s.how == RINGLINE_PROCESS_LOST)
			lost++;
		else
			g_assert_cmpint(s.code, ==, i);
	}
	return lost;
}

static int count_lost_main(void *arg)
{
	*(int *)arg = count_lost();
	g_assert_cmpuint(conf_stats(NULL).processes_lost, ==, *(int *)arg);
	return 0;
}

static int lost_without(const char *features)
{
	int lost = -1;

	proc_disable(features);
	CONF_OK(conf_run(count_lost_main, &lost));
	proc_enable_all();
	return lost;
}

static void ignored_in_child(const void *arg)
{
	int lost;

	(void)arg;
	signal(SIGCHLD, SIG_IGN);
	g_assert_cmpint(lost_without("pidfd_info"), ==, CHILDREN);
	lost = lost_without(NULL);
	g_assert_cmpint(lost, ==, proc_kernel_remembers() ? 0 : CHILDREN);
	g_assert_true(signal(SIGCHLD, SIG_DFL) == SIG_IGN);
}

static void test_ignored(void)
{
	conf_fork(ignored_in_child, NULL);
}

static _Atomic bool stealing;

static void *steal(void *arg)
{
	int *stolen = arg;

	while (stealing)
		if (waitpid(-1, NULL, 0) > 0)
			++*stolen;
		else
			g_usleep(100);
	return NULL;
}

static void stolen_in_child(const void *arg)
{
	pthread_t thread;
	int stolen = 0;
	int lost;

	(void)arg;
	stealing = true;
	CONF_OK(pthread_create(&thread, NULL, steal, &stolen));
	if (proc_kernel_remembers())
		g_assert_cmpint(lost_without(NULL), ==, 0);
	lost = lost_without("pidfd_info");
	stealing = false;
	CONF_OK(pthread_join(thread, NULL));
	g_assert_cmpint(lost, <=, stolen);
	g_test_message("%d were stolen, of %d without the kernel's memory nobody knew", stolen, lost);
}

static void test_stolen(void)
{
	conf_fork(stolen_in_child, NULL);
}

static _Atomic int signals;

static void count_signal(int sig)
{
	(void)sig;
	signals++;
}

static int handled_main(void *arg)
{
	static const char *const argv[] = { "/nowhere/to/be/found", NULL };
	struct ringline_process *p;
	int i;

	(void)arg;
	for (i = 0; i < 20; i++)
		g_assert_cmpint(ringline_process_spawn(&p, argv, NULL), ==, -ENOENT);
	g_assert_cmpint(signals, ==, 0);          /* nothing was ever executed: the host has not to know */
	g_assert_cmpint(proc_end(proc_sh("exit 2", NULL)), ==, 2);
	return 0;
}

/* The handler is the host's, and stays. */
static void test_handled(void)
{
	struct sigaction ours = { .sa_handler = count_signal, .sa_flags = SA_RESTART };
	struct sigaction old;
	struct sigaction now;

	signals = 0;
	CONF_OK(sigaction(SIGCHLD, &ours, &old));
	CONF_OK(conf_run(handled_main, NULL));
	CONF_OK(sigaction(SIGCHLD, &old, &now));
	g_assert_true(now.sa_handler == count_signal);
	g_assert_cmpint(signals, ==, 1);
	proc_no_children();
}

static void add(void)
{
	conf_add("/process/each-end-is-told-apart", test_endings);
	conf_add("/process/a-core-is-told-as-the-kernel-tells-it", test_core);
	conf_add("/process/resource-usage", test_usage);
	conf_add("/process/many-wait-and-later-ones-too", test_many);
	conf_add("/process/a-wait-is-cut", test_cut);
	conf_add("/process/a-case-of-select", test_select);
	conf_add("/process/closing-tells-those-who-wait", test_closed);
	conf_add("/process/kill", test_kill);
	conf_add("/process/kill-group", test_group);
	conf_add("/process/kill-tree-by-cgroup", test_tree);
	conf_add("/process/released-ones-are-the-hosts", test_release);
	conf_add("/process/adopted-by-number", test_adopt);
	conf_add("/process/adopted-by-pidfd", test_adopt_pidfd);
	conf_add("/process/adopted-and-not-a-child", test_stranger);
	conf_add("/process/killed-when-closed", test_kill_on_close);
	conf_add("/process/a-worker-ends-before-its-children", test_shutdown);
	conf_add("/process/operations", test_operations);
	conf_add("/process/what-is-refused", test_refused);
	conf_add("/process/sigchld-ignored", test_ignored);
	conf_add("/process/sigchld-stolen", test_stolen);
	conf_add("/process/sigchld-handled-by-the-host", test_handled);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "process", add);
}
