/* SPDX-License-Identifier: MIT */
/* Children at the edges: of what the host is like, of what may be asked for, and of what is already over. */
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "support/process.h"

static const char *const true_argv[] = { "true", NULL };

static int spawn_at(const char *const *argv, struct ringline_process_options *o, struct ringline_process **p, const char **stage)
{
	uint32_t at = 99;
	int r;

	o->stage = &at;
	r = ringline_process_spawn(p, argv, o);
	*stage = ringline_process_stage_name(at);
	return r;
}

static void fails(const char *const *argv, struct ringline_process_options *o, int error, const char *where)
{
	struct ringline_process *p;
	const char *stage;

	g_assert_cmpint(spawn_at(argv, o, &p, &stage), ==, -error);
	g_assert_cmpstr(stage, ==, where);
}

/* --- the host ----------------------------------------------------------------------------------------------------- */

/* Without anything at 0 to 2, what the library opens itself lies there. */
static int closed_main(void *arg)
{
	struct ringline_process_options o = proc_options();
	struct ringline_process_fd fds[] = { { .target = 0, .kind = RINGLINE_PROCESS_NULL },
	                                     { .target = 2, .kind = RINGLINE_PROCESS_NULL } };
	char *text;

	(void)arg;
	o.fds = fds;
	o.nfds = 2;
	text = proc_output("echo hello; exec 3</dev/null && for i in 0 1 2 4 5 6 7 8 9; do [ -e /proc/$$/fd/$i ] && echo $i; done; :", &o);
	g_assert_cmpstr(text, ==, "hello\n0\n1\n2");
	g_free(text);
	text = proc_output("echo hello", NULL);
	g_assert_cmpstr(text, ==, "hello");
	g_free(text);
	return 0;
}

static void run_closed(const void *arg)
{
	int saved = fcntl(1, F_DUPFD_CLOEXEC, 100);
	int i;

	(void)arg;
	for (i = 0; i < 3; i++)
		close(i);
	CONF_OK(conf_run(closed_main, NULL));
	for (i = 0; i < 3; i++)
		CONF_OK(dup2(saved, i) == i ? 0 : -1);
}

static void test_closed(void)
{
	conf_fork(run_closed, NULL);
}

static int no_wait_main(void *arg)
{
	struct ringline_process_status s = RINGLINE_PROCESS_STATUS_INIT;
	struct ringline_process *p = proc_sh("exit 6", NULL);

	(void)arg;
	CONF_OK(ringline_process_wait(p, &s));
	if (proc_kernel_remembers())
		g_assert_cmpuint(s.how, ==, RINGLINE_PROCESS_EXITED);
	if (s.how == RINGLINE_PROCESS_EXITED)
		g_assert_cmpint(s.code, ==, 6);
	return ringline_process_close(p);
}

/* As SIG_IGN, by another name. */
static void run_no_wait(const void *arg)
{
	const struct sigaction a = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT };

	(void)arg;
	CONF_OK(sigaction(SIGCHLD, &a, NULL));
	CONF_OK(conf_run(no_wait_main, NULL));
}

static void test_no_wait(void)
{
	conf_fork(run_no_wait, NULL);
}

static int no_process_main(void *arg)
{
	struct ringline_process_options o = proc_options();

	(void)arg;
	fails(true_argv, &o, EAGAIN, "clone");
	return 0;
}

/* Somebody who has as many processes as he may: threads are such, too, and the pool's must be there before. */
static int warm_up(void *arg)
{
	(void)arg;
	return 0;
}

static int nproc_main(void *arg)
{
	struct rlimit r = { 1, 1 };

	CONF_OK(ringline_blocking(warm_up, NULL, NULL));
	CONF_OK(setrlimit(RLIMIT_NPROC, &r));
	return no_process_main(arg);
}

static void run_nproc(const void *arg)
{
	(void)arg;
	CONF_OK(syscall(SYS_setresgid, 65534, 65534, 65534));
	CONF_OK(syscall(SYS_setresuid, 65534, 65534, 65534));
	CONF_OK(conf_run(nproc_main, NULL));
	proc_no_children();
}

static void test_nproc(void)
{
	if (geteuid() != 0 || !proc_can(CAP_SETUID))
		g_test_skip("nobody to become");
	else
		conf_fork(run_nproc, NULL);
}

/* --- what is asked for -------------------------------------------------------------------------------------------- */

static int high_main(void *arg)
{
	struct ringline_process_fd fds[] = { { .target = 1 << 20, .kind = RINGLINE_PROCESS_NULL } };
	struct ringline_process_options o = proc_options();
	struct rlimit old;
	struct rlimit r;

	(void)arg;
	CONF_OK(getrlimit(RLIMIT_NOFILE, &old));
	r = old;
	r.rlim_cur = MIN(old.rlim_cur, 1024);
	CONF_OK(setrlimit(RLIMIT_NOFILE, &r));
	o.fds = fds;
	o.nfds = 1;
	fails(true_argv, &o, EBADF, "fds");
	fds[0].target = INT32_MAX;
	fails(true_argv, &o, EBADF, "fds");
	fds[0].target = (int32_t)r.rlim_cur - 1;  /* the last one there is */
	{
		struct ringline_process *p;
		const char *stage;

		CONF_OK(spawn_at(true_argv, &o, &p, &stage));
		g_assert_cmpint(proc_end(p), ==, 0);
	}
	CONF_OK(setrlimit(RLIMIT_NOFILE, &old));
	return 0;
}

static void test_high(void)
{
	CONF_OK(conf_run(high_main, NULL));
	proc_no_children();
}

static int large_main(void *arg)
{
	struct ringline_process_options o = proc_options();
	g_autofree char *text = g_strnfill(100000, 'x');
	g_autofree const char **many = g_new0(const char *, 1001);
	const char *argv[] = { "true", NULL, NULL };
	g_autofree char *huge = g_strnfill(4 << 20, 'x');
	struct ringline_process *p;
	const char *stage;
	int i;

	(void)arg;
	argv[1] = text;                           /* one of nearly what the kernel takes */
	CONF_OK(spawn_at(argv, &o, &p, &stage));
	g_assert_cmpint(proc_end(p), ==, 0);
	argv[1] = huge;
	fails(argv, &o, E2BIG, "exec");
	for (i = 0; i < 1000; i++)
		many[i] = text;
	o.envp = many;
	argv[1] = NULL;
	fails(argv, &o, E2BIG, "exec");
	return 0;
}

static void test_large(void)
{
	CONF_OK(conf_run(large_main, NULL));
	proc_no_children();
}

/* Without arguments the kernel (5.18) gives an empty one, and without an environment there is none. */
static int empty_main(void *arg)
{
	static const char *const none[] = { NULL };
	static const char *const sh[] = { "sh", "-c", "exit 0", NULL };
	struct ringline_process_options o = proc_options();
	struct ringline_process *p;
	const char *stage;

	(void)arg;
	o.program = "true";
	CONF_OK(spawn_at(none, &o, &p, &stage));
	(void)proc_end(p);
	o.program = NULL;
	o.envp = none;
	CONF_OK(spawn_at(sh, &o, &p, &stage));
	g_assert_cmpint(proc_end(p), ==, 0);
	return 0;
}

static void test_empty(void)
{
	CONF_OK(conf_run(empty_main, NULL));
	proc_no_children();
}

/* --- what is over ------------------------------------------------------------------------------------------------- */

/* Its leader has ended and was waited for; the others are still there. */
static int orphans_main(void *arg)
{
	struct ringline_process_options o = proc_options();
	struct ringline_conn *out;
	struct ringline_process_fd fd = { .target = 1, .kind = RINGLINE_PROCESS_PIPE_OUT, .conn = &out };
	struct ringline_process *p;
	char byte;

	(void)arg;
	o.fds = &fd;
	o.nfds = 1;
	o.flags = RINGLINE_PROCESS_NEW_SESSION;
	p = proc_sh("sleep 1000 & exit 3", &o);
	CONF_OK(ringline_process_wait(p, NULL));
	CONF_OK(ringline_process_kill_group(p, 0));
	CONF_OK(ringline_process_kill_tree(p));
	g_assert_cmpint(ringline_conn_recv(out, &byte, 1), ==, 0);
	CONF_OK(ringline_conn_close(out));
	CONF_UNTIL(ringline_process_kill_group(p, 0) == -ESRCH);
	CONF_OK(ringline_process_kill_tree(p));   /* nothing is left */
	g_assert_cmpint(proc_end(p), ==, 3);
	return 0;
}

/* PIDFD_SIGNAL_PROCESS_GROUP (6.9) finds a group without its leader. */
static bool kernel_finds_groups(void)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	bool finds = syscall(SYS_pidfd_send_signal, fd, 0, NULL, 4) == 0 || errno != EINVAL;

	CONF_OK(close(fd));
	return finds;
}

static void test_orphans(void)
{
	if (kernel_finds_groups())
		CONF_OK(conf_run(orphans_main, NULL));
	else
		g_test_skip("no way to a group whose leader has ended");
}

static int zombie_main(void *arg)
{
	struct ringline_process *p;
	pid_t pid = *(const pid_t *)arg;

	CONF_OK(ringline_process_adopt(&p, pid));
	g_assert_cmpint(proc_end(p), ==, 9);
	g_assert_cmpint(ringline_process_adopt(&p, pid), ==, -ESRCH);
	return 0;
}

static void test_zombie(void)
{
	siginfo_t info;
	pid_t pid = fork();

	if (!pid)
		_exit(9);
	CONF_OK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
	CONF_OK(conf_run(zombie_main, &pid));
	proc_no_children();
}

static _Atomic int thread_id;
static _Atomic bool leave;

static void *thread_main(void *arg)
{
	thread_id = (int)syscall(SYS_gettid);
	while (!leave)
		g_usleep(100);
	return arg;
}

/* A thread is no process; nor is what has never been; and this one will not end while it is asked. */
static int strange_main(void *arg)
{
	struct ringline_process *p;
	int r;

	(void)arg;
	r = ringline_process_adopt(&p, thread_id);
	g_assert_true(r == -EINVAL || r == -ENOENT);
	g_assert_cmpint(ringline_process_adopt(&p, INT32_MAX), ==, -ESRCH);
	g_assert_cmpint(ringline_process_adopt(&p, INT64_MAX), ==, -EINVAL);
	CONF_OK(ringline_process_adopt(&p, getpid()));
	g_assert_cmpint(ringline_process_status(p, NULL), ==, -EAGAIN);
	CONF_OK(ringline_process_kill(p, 0));
	g_assert_cmpint(ringline_process_kill_tree(p), ==, -EOPNOTSUPP);
	g_assert_cmpint(close(ringline_process_release(p)), ==, 0);
	return 0;
}

static void test_strange(void)
{
	pthread_t thread;

	leave = false;
	thread_id = 0;
	CONF_OK(pthread_create(&thread, NULL, thread_main, NULL));
	CONF_UNTIL(thread_id);
	CONF_OK(conf_run(strange_main, NULL));
	leave = true;
	CONF_OK(pthread_join(thread, NULL));
}

#define WAITERS 500

static int waiter(void *arg)
{
	struct ringline_process_status s = RINGLINE_PROCESS_STATUS_INIT;

	CONF_OK(ringline_process_wait(arg, &s));
	return s.code;
}

/* The first one that is woken closes the handle: the others were told the end already. */
static int closing_waiter(void *arg)
{
	int code = waiter(arg);

	CONF_OK(ringline_process_close(arg));
	return code;
}

static int waiters_main(void *arg)
{
	struct ringline_process *p = proc_sh("exit 0", NULL);
	struct ringline_scope *scope;
	int i;

	(void)arg;
	CONF_OK(ringline_scope_open(&scope, NULL));
	CONF_OK(ringline_scope_spawn(scope, closing_waiter, p));
	for (i = 0; i < WAITERS; i++)
		CONF_OK(ringline_scope_spawn(scope, waiter, p));
	CONF_OK(ringline_scope_close(scope));
	g_assert_cmpint(ringline_process_wait(p, NULL), ==, -EBADF);
	return 0;
}

static void test_waiters(void)
{
	CONF_OK(conf_run(waiters_main, NULL));
	proc_no_children();
}

static void add(void)
{
	conf_add("/process-edges/nothing-at-0-to-2", test_closed);
	conf_add("/process-edges/host-does-not-wait", test_no_wait);
	conf_add("/process-edges/as-many-as-may-be", test_nproc);
	conf_add("/process-edges/above-the-limit-of-descriptors", test_high);
	conf_add("/process-edges/large", test_large);
	conf_add("/process-edges/empty", test_empty);
	conf_add("/process-edges/group-without-its-leader", test_orphans);
	conf_add("/process-edges/zombie", test_zombie);
	conf_add("/process-edges/thread-nobody-and-myself", test_strange);
	conf_add("/process-edges/one-of-many-waiters-closes", test_waiters);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "process-edges", add);
}
