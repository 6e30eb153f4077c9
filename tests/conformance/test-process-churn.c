/* SPDX-License-Identifier: MIT */
/*
 * Many short lives where numbers are few: in a pid namespace with a small pid_max every number is soon another's. No end is
 * lost, none is told of the wrong one, and no kill reaches a stranger.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "support/process.h"

#define TASKS   4
#define PID_MAX "400"

static int rounds;

/* Three kinds of lives, each with an end of its own. */
static void live(int kind)
{
	static const char *const names[] = { "true", "false", "sleep" };
	const char *argv[] = { names[kind], kind == 2 ? "1000" : NULL, NULL };
	struct ringline_process *p;

	CONF_OK(ringline_process_spawn(&p, argv, NULL));
	if (kind == 2)
		CONF_OK(ringline_process_kill(p, SIGKILL));
	g_assert_cmpint(proc_end(p), ==, kind == 2 ? -SIGKILL : kind);
}

static int churn(void *arg)
{
	int i;

	for (i = 0; i < rounds / TASKS; i++)
		live((i + *(int *)arg) % 3);
	return 0;
}

static int churn_main(void *arg)
{
	struct ringline_scope *scope;
	int which[TASKS];
	int i;

	(void)arg;
	CONF_OK(ringline_scope_open(&scope, NULL));
	for (i = 0; i < TASKS; i++) {
		which[i] = i;
		CONF_OK(ringline_scope_spawn(scope, churn, &which[i]));
	}
	CONF_OK(ringline_scope_close(scope));
	g_assert_cmpuint(conf_stats(NULL).processes_lost, ==, 0);
	return 0;
}

/* The host has children of its own, which nobody may take from it. */
static void *host(void *arg)
{
	int i;

	for (i = 0; i < rounds / 10; i++) {
		int status;
		pid_t pid = fork();

		if (!pid)
			_exit(i % 100);
		g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
		g_assert_cmpint(WEXITSTATUS(status), ==, i % 100);
	}
	return arg;
}

static void churn_beside_host(const void *arg)
{
	pthread_t thread;

	(void)arg;
	CONF_OK(pthread_create(&thread, NULL, host, NULL));
	CONF_OK(conf_run(churn_main, NULL));
	CONF_OK(pthread_join(thread, NULL));
	proc_no_children();
}

/* Since 6.14 it is a namespace's own. */
static bool has_own_pid_max(void)
{
	struct utsname u;
	int major;
	int minor;

	g_assert_cmpint(uname(&u), ==, 0);
	return sscanf(u.release, "%d.%d", &major, &minor) == 2 && (major > 6 || (major == 6 && minor >= 14));
}

static void churn_in_namespace(const void *arg)
{
	int fd;

	(void)arg;
	g_assert_cmpint(getpid(), ==, 1);
	fd = open("/proc/sys/kernel/pid_max", O_WRONLY | O_CLOEXEC);
	g_assert_cmpint(write(fd, PID_MAX, sizeof(PID_MAX) - 1), ==, sizeof(PID_MAX) - 1);
	CONF_OK(close(fd));
	churn_beside_host(NULL);
}

static void enter_namespace(const void *arg)
{
	CONF_OK(unshare(CLONE_NEWPID));
	conf_fork(churn_in_namespace, arg);
}

static void test_namespace(void)
{
	if (!proc_can(CAP_SYS_ADMIN) || !has_own_pid_max() || access("/proc/sys/kernel/pid_max", W_OK) < 0) {
		g_test_skip("no pid namespace with a pid_max of its own");
		return;
	}
	rounds = conf_full() ? 20000 : 2000;
	conf_fork(enter_namespace, NULL);
}

/* And by the older ways. */
static void test_old_ways(void)
{
	static const char *const without[] = { "clone3", "pidfd", "pidfd,pidfd_info,close_range" };
	size_t i;

	rounds = conf_full() ? 2000 : 120;
	for (i = 0; i < G_N_ELEMENTS(without); i++) {
		proc_disable(without[i]);
		churn_beside_host(NULL);
		proc_enable_all();
	}
}

static void add(void)
{
	conf_add("/process-churn/where-numbers-are-few", test_namespace);
	conf_add("/process-churn/by-the-old-ways", test_old_ways);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "process-churn", add);
}
