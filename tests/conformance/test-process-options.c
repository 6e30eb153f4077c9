/* SPDX-License-Identifier: MIT */
/* What a process gets: descriptors and no others, an identity, limits, a place. Each is read back from the process itself. */
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "support/process.h"

/* What a script says. */
static void expect(const char *script, const struct ringline_process_options *o, const char *answer)
{
	char *text = proc_output(script, o);

	g_assert_cmpstr(text, ==, answer);
	g_free(text);
}

static void expect_status(const char *name, const struct ringline_process_options *o, const char *answer)
{
	char *text = proc_status(name, o);

	g_assert_cmpstr(text, ==, answer);
	g_free(text);
}

/* --- the environment ---------------------------------------------------------------------------------------------- */

#define PRINT_ALL "echo $NOTIFY_SOCKET,$WATCHDOG_USEC,$WATCHDOG_PID,$LISTEN_FDS,$LISTEN_FDNAMES,$LISTEN_PID,$LISTEN_PIDFDID,$NOTIFY,$LISTEN_FDS_NOT"

static int environment_main(void *arg)
{
	static const char *const own[] = { "NOTIFY_SOCKET=/theirs", "PATH=/usr/bin:/bin", "LISTEN_FDS=1", NULL };
	struct ringline_process_options o = proc_options();

	(void)arg;
	expect(PRINT_ALL, NULL, ",,,,,,,a,b");
	expect("echo $NOTIFY_SOCKET_OF_OTHERS", NULL, "c");
	o.envp = own;
	expect(PRINT_ALL, &o, "/theirs,,,1,,,,,");
	return 0;
}

/* What a service manager says to the daemon is not said to its children; what it hands them itself is. */
static void test_environment(void)
{
	static const char *const names[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_FDNAMES",
	                                     "LISTEN_PID", "LISTEN_PIDFDID" };
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(names); i++)
		g_setenv(names[i], "1", TRUE);
	g_setenv("NOTIFY", "a", TRUE);
	g_setenv("LISTEN_FDS_NOT", "b", TRUE);
	g_setenv("NOTIFY_SOCKET_OF_OTHERS", "c", TRUE);
	CONF_OK(conf_run(environment_main, NULL));
	for (i = 0; i < G_N_ELEMENTS(names); i++) {
		g_assert_cmpstr(g_getenv(names[i]), ==, "1");
		g_unsetenv(names[i]);
	}
}

/* --- descriptors -------------------------------------------------------------------------------------------------- */

/* The numbers that are open in the shell itself. */
#define LIST "i=0; while [ $i -lt 100 ]; do [ -e /proc/$$/fd/$i ] && set -- $* $i; i=$((i+1)); done; echo $*"

static int leaks_main(void *arg)
{
	struct ringline_process_options o = proc_options();
	const struct ringline_process_fd fds[] = { { .target = 20, .kind = RINGLINE_PROCESS_NULL },
	                                           { .target = 5, .kind = RINGLINE_PROCESS_NULL },
	                                           { .target = 6, .kind = RINGLINE_PROCESS_SAME, .fd = 5 } };
	int fd[60];
	int i;

	(void)arg;
	for (i = 0; i < 60; i++)
		fd[i] = dup(0);                   /* not close-on-exec */
	expect(LIST, NULL, "0 1 2");
	o.fds = fds;
	o.nfds = 3;
	expect(LIST, &o, "0 1 2 5 6 20");
	for (i = 0; i < 60; i++)
		CONF_OK(close(fd[i]));
	return 0;
}

static void test_leaks(void)
{
	static const char *const without[] = { NULL, "close_range", "clone3", "pidfd" };
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(without); i++) {
		proc_disable(without[i]);
		CONF_OK(conf_run(leaks_main, NULL));
		proc_enable_all();
	}
	proc_no_children();
}

/* Pipes with a letter in each, at numbers of ours that are targets of others. */
static int collisions_main(void *arg)
{
	struct ringline_process_options o = proc_options();
	struct ringline_process_fd fds[6];
	int fd[6];
	int i;

	(void)arg;
	for (i = 0; i < 6; i++) {
		int pair[2];
		char letter = (char)('a' + i);

		CONF_OK(pipe2(pair, O_CLOEXEC));
		g_assert_cmpint(write(pair[1], &letter, 1), ==, 1);
		CONF_OK(close(pair[1]));
		fd[i] = pair[0];
	}
	/* each goes where the next one is, the last where the first is; and one to where it is already */
	for (i = 0; i < 6; i++)
		fds[i] = (struct ringline_process_fd){ .kind = RINGLINE_PROCESS_FD, .fd = fd[i],
		                                       .target = i == 5 ? fd[5] : fd[(i + 1) % 5] };
	o.fds = fds;
	o.nfds = 6;
	for (i = 0; i < 6; i++) {
		char *script = g_strdup_printf("dd if=/dev/fd/%d bs=1 count=1 2>/dev/null", i == 5 ? fd[5] : fd[(i + 1) % 5]);
		char letter[2] = { (char)('a' + i), 0 };

		expect(script, &o, letter);
		g_free(script);
	}
	for (i = 0; i < 6; i++)
		CONF_OK(close(fd[i]));
	return 0;
}

static void test_collisions(void)
{
	CONF_OK(conf_run(collisions_main, NULL));
}

/* The directory, the program and the like lie where something else is to be. */
static int aside_main(void *arg)
{
	struct ringline_process_options o = proc_options();
	struct ringline_process_fd fds[3];
	int i;

	(void)arg;
	o.dir_fd = open("/usr", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	o.program_fd = open("/bin/sh", O_RDONLY | O_CLOEXEC);
	o.set = RINGLINE_PROCESS_SET_DIR_FD | RINGLINE_PROCESS_SET_PROGRAM_FD;
	for (i = 0; i < 2; i++)
		fds[i] = (struct ringline_process_fd){ .target = i ? o.dir_fd : o.program_fd, .kind = RINGLINE_PROCESS_NULL };
	o.fds = fds;
	o.nfds = 2;
	expect("pwd -P", &o, "/usr");
	CONF_OK(close(o.dir_fd));
	CONF_OK(close(o.program_fd));
	return 0;
}

static void test_aside(void)
{
	CONF_OK(conf_run(aside_main, NULL));
}

static int stdio_main(void *arg)
{
	struct ringline_process_options o = proc_options();
	char *errors = g_strdup_printf("%s/errors-%d", g_get_tmp_dir(), (int)getpid());
	struct ringline_conn *both;
	const struct ringline_process_fd fds[] = {
		{ .target = 0, .kind = RINGLINE_PROCESS_SOCKET, .conn = &both },
		{ .target = 1, .kind = RINGLINE_PROCESS_SAME, .fd = 0 },
		{ .target = 2, .kind = RINGLINE_PROCESS_FILE, .path = errors, .flags = O_WRONLY | O_CREAT | O_TRUNC, .mode = 0600 },
	};
	struct ringline_process *p;
	struct stat st;
	char line[16];
	char *text;

	(void)arg;
	o.fds = fds;
	o.nfds = 3;
	p = proc_sh("read x; echo \"<$x>\"; echo to the file >&2", &o);
	g_assert_cmpint(ringline_conn_send(both, "hello\n", 6), ==, 6);
	g_assert_cmpint(ringline_conn_recv_exact(both, line, 8), ==, 8);
	g_assert_cmpint(memcmp(line, "<hello>\n", 8), ==, 0);
	g_assert_cmpint(ringline_conn_recv(both, line, 1), ==, 0);
	CONF_OK(ringline_conn_close(both));
	g_assert_cmpint(proc_end(p), ==, 0);
	g_assert_true(g_file_get_contents(errors, &text, NULL, NULL));
	g_assert_cmpstr(text, ==, "to the file\n");
	CONF_OK(stat(errors, &st));
	g_assert_cmpint(st.st_mode & 0777, ==, 0600);
	CONF_OK(unlink(errors));
	g_free(text);
	g_free(errors);
	return 0;
}

static void test_stdio(void)
{
	CONF_OK(conf_run(stdio_main, NULL));
}

/* What comes from a terminal, whose end is an error. */
static char *read_terminal(struct ringline_conn *pty)
{
	GString *text = g_string_new(NULL);
	char data[256];
	ssize_t n;

	while ((n = ringline_conn_recv(pty, data, sizeof(data))) > 0)
		g_string_append_len(text, data, n);
	g_assert_true(n == 0 || n == -EIO);
	return g_string_free(text, FALSE);
}

static int pty_main(void *arg)
{
	struct ringline_process_options o = proc_options();
	struct ringline_conn *pty;
	const struct ringline_process_fd fds[] = { { .target = 0, .kind = RINGLINE_PROCESS_PTY, .conn = &pty },
	                                           { .target = 1, .kind = RINGLINE_PROCESS_PTY },
	                                           { .target = 2, .kind = RINGLINE_PROCESS_PTY } };
	struct ringline_process *p;
	char *text;

	(void)arg;
	o.fds = fds;
	o.nfds = 3;
	o.flags = RINGLINE_PROCESS_NEW_SESSION | RINGLINE_PROCESS_CONTROLLING_TTY;
	o.rows = 33;
	o.columns = 77;
	p = proc_sh("read x; stty size; echo got $x >/dev/tty; test -t 1 && echo is one", &o);
	g_assert_cmpint(ringline_conn_send(pty, "word\n", 5), ==, 5);
	text = read_terminal(pty);
	g_assert_nonnull(strstr(text, "33 77"));
	g_assert_nonnull(strstr(text, "got word"));
	g_assert_nonnull(strstr(text, "is one"));
	g_free(text);
	CONF_OK(ringline_conn_close(pty));
	g_assert_cmpint(proc_end(p), ==, 0);
	return 0;
}

static void test_pty(void)
{
	if (access("/dev/ptmx", R_OK | W_OK) < 0)
		g_test_skip("no pseudo terminals here");
	else
		CONF_OK(conf_run(pty_main, NULL));
}

/* --- what is executed, and where ---------------------------------------------------------------------------------- */

static int program_main(void *arg)
{
	static const char *const envp[] = { "COLOUR=green", "PATH=/bin:/usr/bin", NULL };
	struct ringline_process_options o = proc_options();
	struct ringline_file *dir;

	(void)arg;
	expect("echo $0", NULL, "sh");
	o.program = "/bin/sh";
	o.envp = envp;
	expect("echo $COLOUR", &o, "green");
	o = proc_options();
	o.cwd = "/usr/bin";
	expect("pwd -P", &o, "/usr/bin");
	CONF_OK(ringline_file_open(&dir, NULL, "/usr", O_RDONLY | O_DIRECTORY, 0, NULL));
	o.dir = dir;
	o.cwd = "lib";
	expect("pwd -P", &o, "/usr/lib");
	o.cwd = NULL;
	expect("pwd -P", &o, "/usr");
	CONF_OK(ringline_file_close(dir));
	o = proc_options();
	o.set = RINGLINE_PROCESS_SET_UMASK;
	o.umask = 027;
	expect("umask", &o, "0027");
	return 0;
}

static void test_program(void)
{
	CONF_OK(conf_run(program_main, NULL));
}

/* Its number under the names that were asked for, once each, and what else there is stays. */
static int pid_names_main(void *arg)
{
	static const char *const envp[] = { "LISTEN_PID=1", "LISTEN_PIDS=2", "PATH=/bin:/usr/bin", "WATCHDOG_PID=", NULL };
	static const char *const names[] = { "LISTEN_PID", "WATCHDOG_PID", NULL };
	static const char *const none[] = { NULL };
	static const char *const wrong[] = { "LISTEN_PID", "A=B", NULL };
	static const char *const argv[] = { "/bin/true", NULL };
	const char *script = "test $LISTEN_PID = $$ && test $WATCHDOG_PID = $$ && tr '\\0' '\\n' </proc/$$/environ |"
			     " sed 's/=.*//' | tr '\\n' ' '; echo $LISTEN_PIDS";
	struct ringline_process_options o = proc_options();
	struct ringline_process *p;
	uint32_t stage;

	(void)arg;
	o.envp = envp;
	o.pid_names = names;
	expect(script, &o, "LISTEN_PIDS PATH LISTEN_PID WATCHDOG_PID 2");
	o.pid_names = none;
	expect("echo $LISTEN_PID$LISTEN_PIDS", &o, "12");
	o.envp = NULL;
	o.pid_names = names;
	expect("test $LISTEN_PID = $$ && echo ${PATH:+path}", &o, "path");
	o.pid_names = wrong;
	o.stage = &stage;
	g_assert_cmpint(ringline_process_spawn(&p, argv, &o), ==, -EINVAL);
	g_assert_cmpuint(stage, ==, RINGLINE_PROCESS_STAGE_PREPARE);
	return 0;
}

static void test_pid_names(void)
{
	CONF_OK(conf_run(pid_names_main, NULL));
}

/* A script may be found by an empty entry of PATH too; what must not be executed is told only if nothing else is found. */
static int path_main(void *arg)
{
	const char *argv[] = { "script-of-ours", NULL };
	struct ringline_process *p;
	uint32_t stage;
	struct ringline_process_options o = proc_options();

	(void)arg;
	o.stage = &stage;
	CONF_OK(ringline_process_spawn(&p, argv, &o));
	g_assert_cmpint(proc_end(p), ==, 44);
	CONF_OK(chmod("script-of-ours", 0644));
	g_assert_cmpint(ringline_process_spawn(&p, argv, &o), ==, -EACCES);
	g_assert_cmpuint(stage, ==, RINGLINE_PROCESS_STAGE_EXEC);
	return 0;
}

static void test_path(void)
{
	char *old = g_strdup(g_getenv("PATH"));
	char *dir = g_dir_make_tmp("ringline-XXXXXX", NULL);
	int before = open(".", O_PATH | O_CLOEXEC);

	CONF_OK(chdir(dir));
	g_assert_true(g_file_set_contents("script-of-ours", "#!/bin/sh\nexit 44\n", -1, NULL));
	CONF_OK(chmod("script-of-ours", 0755));
	g_setenv("PATH", "/nowhere/to/be/found::/bin", TRUE);
	CONF_OK(conf_run(path_main, NULL));
	g_setenv("PATH", old, TRUE);
	CONF_OK(unlink("script-of-ours"));
	CONF_OK(fchdir(before));
	CONF_OK(close(before));
	CONF_OK(rmdir(dir));
	g_free(dir);
	g_free(old);
}

static int root_main(void *arg)
{
	struct ringline_process_options o = proc_options();

	(void)arg;
	o.root = "/usr";
	o.program = "/bin/sh";
	o.cwd = "/lib";
	/* without its loader a program of /usr does not run; what fails then is the execution, in the new root */
	if (access("/usr/lib64/ld-linux-x86-64.so.2", F_OK) == 0)
		expect("pwd -P", &o, "/lib");
	return 0;
}

static void test_root(void)
{
	if (!proc_can(CAP_SYS_CHROOT))
		g_test_skip("no right to another root");
	else
		CONF_OK(conf_run(root_main, NULL));
}

/* --- limits, scheduling ------------------------------------------------------------------------------------------- */

static int limits_main(void *arg)
{
	const struct ringline_process_limit limits[] = { { .resource = RLIMIT_NOFILE, .soft = 64, .hard = 65 },
	                                                 { .resource = RLIMIT_CORE, .soft = 0, .hard = 0 } };
	struct ringline_process_options o = proc_options();
	cpu_set_t cpus;
	char *text;

	(void)arg;
	o.limits = limits;
	o.nlimits = 2;
	expect("ulimit -n; ulimit -Hn; ulimit -c", &o, "64\n65\n0");
	o = proc_options();
	o.set = RINGLINE_PROCESS_SET_NICE | RINGLINE_PROCESS_SET_SCHEDULER | RINGLINE_PROCESS_SET_OOM_SCORE;
	o.nice = 7;
	o.policy = SCHED_BATCH;
	o.oom_score_adj = 500;
	expect("nice; cat /proc/self/oom_score_adj", &o, "7\n500");
	text = proc_output("set -- $(cat /proc/self/stat); shift 40; echo $1", &o);
	g_assert_cmpint(atoi(text), ==, SCHED_BATCH);
	g_free(text);
	CONF_OK(sched_getaffinity(getpid(), sizeof(cpus), &cpus));
	expect("nproc", NULL, (text = g_strdup_printf("%d", CPU_COUNT(&cpus))));
	g_free(text);
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	o = proc_options();
	o.cpus = &cpus;
	o.cpus_size = sizeof(cpus);
	expect_status("Cpus_allowed_list", &o, "0");
	return 0;
}

static void test_limits(void)
{
	CONF_OK(conf_run(limits_main, NULL));
}

/* --- groups and sessions ------------------------------------------------------------------------------------------ */

#define GROUP_AND_SESSION "set -- $(cat /proc/$$/stat); echo $(($5 == $$)) $(($6 == $$))"

static int session_main(void *arg)
{
	struct ringline_process_options o = proc_options();
	struct ringline_process *first;
	char *text;

	(void)arg;
	expect(GROUP_AND_SESSION, NULL, "0 0");
	o.set = RINGLINE_PROCESS_SET_GROUP;
	expect(GROUP_AND_SESSION, &o, "1 0");
	first = proc_sh("exec sleep 1000", &o);
	o.process_group = ringline_process_pid(first);
	text = proc_output("set -- $(cat /proc/$$/stat); echo $5", &o);
	g_assert_cmpint(atoi(text), ==, o.process_group);
	g_free(text);
	CONF_OK(ringline_process_kill(first, SIGKILL));
	g_assert_cmpint(proc_end(first), ==, -SIGKILL);
	o = proc_options();
	o.flags = RINGLINE_PROCESS_NEW_SESSION;
	expect(GROUP_AND_SESSION, &o, "1 1");
	return 0;
}

static void test_session(void)
{
	CONF_OK(conf_run(session_main, NULL));
}

/* --- signals ------------------------------------------------------------------------------------------------------ */

static int signals_main(void *arg)
{
	struct ringline_process_options o = proc_options();

	(void)arg;
	expect_status("SigBlk", NULL, "0000000000000000");
	expect_status("SigIgn", NULL, "0000000000000000");
	o.set = RINGLINE_PROCESS_SET_SIGNAL_MASK;
	o.signal_mask = UINT64_C(1) << (SIGUSR1 - 1);
	o.signals_ignored = UINT64_C(1) << (SIGUSR2 - 1) | UINT64_C(1) << (SIGPIPE - 1);
	expect_status("SigBlk", &o, "0000000000000200");
	expect_status("SigIgn", &o, "0000000000001800");
	return 0;
}

/* Whatever is ignored here, as SIGPIPE is by so many. */
static void test_signals(void)
{
	static const char *const without[] = { NULL, "clone3" };
	size_t i;

	g_assert_true(signal(SIGPIPE, SIG_IGN) == SIG_DFL);
	g_assert_true(signal(SIGHUP, SIG_IGN) == SIG_DFL);
	for (i = 0; i < G_N_ELEMENTS(without); i++) {
		proc_disable(without[i]);
		CONF_OK(conf_run(signals_main, NULL));
		proc_enable_all();
	}
	signal(SIGPIPE, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
}

/* --- who it is ---------------------------------------------------------------------------------------------------- */

static int ids_main(void *arg)
{
	static const uint32_t groups[] = { 5, 7 };
	struct ringline_process_options o = proc_options();

	(void)arg;
	o.set = RINGLINE_PROCESS_SET_UID | RINGLINE_PROCESS_SET_GID;
	o.uid = 65534;
	o.gid = 65533;
	expect_status("Uid", &o, "65534\t65534\t65534\t65534");
	expect_status("Gid", &o, "65533\t65533\t65533\t65533");
	expect_status("Groups", &o, "");          /* nobody has asked for the caller's */
	expect_status("CapEff", &o, "0000000000000000");
	o.set |= RINGLINE_PROCESS_SET_GROUPS;
	o.groups = groups;
	o.ngroups = 2;
	expect_status("Groups", &o, "5 7");
	g_assert_cmpint(prctl(PR_GET_DUMPABLE), ==, 1);   /* that the child was somebody else is no matter of ours */
	return 0;
}

static void ids_in_child(const void *arg)
{
	static const gid_t mine[] = { 0, 4 };

	(void)arg;
	CONF_OK(syscall(SYS_setgroups, 2, mine));
	CONF_OK(conf_run(ids_main, NULL));
}

static void test_ids(void)
{
	if (!proc_can(CAP_SETUID) || !proc_can(CAP_SETGID))
		g_test_skip("no right to become somebody else");
	else
		conf_fork(ids_in_child, NULL);
}

static void expect_caps(const char *name, const struct ringline_process_options *o, uint64_t caps)
{
	char *text = proc_status(name, o);

	g_assert_cmphex(strtoull(text, NULL, 16), ==, caps);
	g_free(text);
}

static uint64_t bounding_of_ours(void)
{
	uint64_t caps = 0;
	int cap;

	for (cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_READ, cap) == 1)
			caps |= UINT64_C(1) << cap;
	return caps;
}

#define BIT(cap) (UINT64_C(1) << (cap))

static int caps_main(void *arg)
{
	struct ringline_process_options o = proc_options();
	struct ringline_process_options libcap = proc_options();

	(void)arg;
	o.set = RINGLINE_PROCESS_SET_UID | RINGLINE_PROCESS_SET_GID;
	o.uid = 65534;
	o.gid = 65534;
	o.capabilities = "!cap_sys_admin,^cap_net_bind_service,%cap_chown";
	expect_caps("CapAmb", &o, BIT(CAP_NET_BIND_SERVICE));
	expect_caps("CapEff", &o, BIT(CAP_NET_BIND_SERVICE));
	expect_caps("CapPrm", &o, BIT(CAP_NET_BIND_SERVICE));
	expect_caps("CapInh", &o, BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_CHOWN));
	expect_caps("CapBnd", &o, bounding_of_ours() & ~BIT(CAP_SYS_ADMIN));
	libcap.capabilities_iab = cap_iab_from_text("!cap_sys_chroot");
	expect_caps("CapBnd", &libcap, bounding_of_ours() & ~BIT(CAP_SYS_CHROOT));
	expect_caps("CapEff", &libcap, bounding_of_ours() & ~BIT(CAP_SYS_CHROOT));        /* root has what there is */
	cap_free(libcap.capabilities_iab);
	o.capabilities = "^cap_net_bind_service";
	o.set |= RINGLINE_PROCESS_SET_SECUREBITS;
	o.securebits = 0x3;               /* SECBIT_NOROOT, locked */
	expect_caps("CapAmb", &o, BIT(CAP_NET_BIND_SERVICE));
	o.set = RINGLINE_PROCESS_SET_SECUREBITS;
	o.capabilities = NULL;
	expect_caps("CapEff", &o, 0);     /* root is nobody special */
	return 0;
}

static void test_caps(void)
{
	if (!proc_can(CAP_SETPCAP) || !proc_can(CAP_SETUID) || !proc_can(CAP_NET_BIND_SERVICE) || !proc_can(CAP_CHOWN))
		g_test_skip("no capabilities to give");
	else
		CONF_OK(conf_run(caps_main, NULL));
}

/* Two at once, of which one becomes somebody else: our own memory stays ours. */
static int dumpable_main(void *arg)
{
	struct ringline_process_options o = proc_options();
	struct ringline_process *p[8];
	struct ringline_op *op[8];
	static const char *const argv[] = { "true", NULL };
	int i;

	(void)arg;
	o.set = RINGLINE_PROCESS_SET_UID;
	o.uid = 65534;
	for (i = 0; i < 8; i++)
		CONF_OK(ringline_process_spawn_begin(&op[i], &p[i], argv, i % 2 ? &o : NULL));
	CONF_OK(ringline_op_await_all(op, 8, NULL));
	g_assert_cmpint(prctl(PR_GET_DUMPABLE), ==, 1);
	for (i = 0; i < 8; i++)
		g_assert_cmpint(proc_end(p[i]), ==, 0);
	return 0;
}

static void test_dumpable(void)
{
	if (!proc_can(CAP_SETUID))
		g_test_skip("no right to become somebody else");
	else
		CONF_OK(conf_run(dumpable_main, NULL));
}

/* --- what it may do ----------------------------------------------------------------------------------------------- */

static int sandbox_main(void *arg)
{
	/* mkdir(2) and mkdirat(2) fail with EROFS */
	static const struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef SYS_mkdir
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdir, 1, 0),
#endif
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdirat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EROFS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct ringline_process_options o = proc_options();

	(void)arg;
	o.flags = RINGLINE_PROCESS_NO_NEW_PRIVS;
	expect_status("NoNewPrivs", &o, "1");
	o.seccomp = filter;
	o.seccomp_len = G_N_ELEMENTS(filter);
	expect_status("Seccomp", &o, "2");
	expect("mkdir dir 2>/dev/null || echo no", &o, "no");
	return 0;
}

static void test_sandbox(void)
{
	CONF_OK(conf_run(sandbox_main, NULL));
}

static int landlock_main(void *arg)
{
	struct ringline_process_options o = proc_options();

	o.flags = RINGLINE_PROCESS_NO_NEW_PRIVS;
	o.set = RINGLINE_PROCESS_SET_LANDLOCK;
	o.landlock_fd = *(const int *)arg;
	expect("mkdir dir 2>/dev/null || echo no", &o, "no");
	return 0;
}

static void test_landlock(void)
{
	const struct landlock_ruleset_attr attr = { .handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_DIR };
	int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (fd < 0) {
		g_test_skip("no landlock in this kernel");
		return;
	}
	CONF_OK(conf_run(landlock_main, &fd));
	CONF_OK(close(fd));
}

/* --- namespaces --------------------------------------------------------------------------------------------------- */

static int namespaces_main(void *arg)
{
	static const char *const names[] = { "LISTEN_PID", NULL };
	struct ringline_process_options o = proc_options();
	char host[65];
	char *text;
	int fd;

	(void)arg;
	CONF_OK(gethostname(host, sizeof(host)));
	o.namespaces = CLONE_NEWPID;
	o.pid_names = names;
	expect("echo $$ $LISTEN_PID", &o, "1 1");
	o.pid_names = NULL;
	o.namespaces = CLONE_NEWUTS;
	expect("hostname elsewhere; hostname", &o, "elsewhere");
	expect("hostname", NULL, host);
	fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
	o = proc_options();
	o.join = &fd;
	o.njoin = 1;
	expect("hostname", &o, host);
	CONF_OK(close(fd));
	o = proc_options();
	o.namespaces = CLONE_NEWUSER;
	text = g_strdup_printf("0 %u 1", (unsigned int)geteuid());
	o.uid_map = text;
	o.gid_map = "0 0 1";
	o.set = RINGLINE_PROCESS_SET_UID | RINGLINE_PROCESS_SET_GID | RINGLINE_PROCESS_SET_GROUPS;
	expect("id -u; id -g", &o, "0\n0");
	g_free(text);
	return 0;
}

static void test_namespaces(void)
{
	static const char *const without[] = { NULL, "clone3", "pidfd" };
	size_t i;

	if (!proc_can(CAP_SYS_ADMIN) || !proc_can(CAP_SETUID)) {
		g_test_skip("no right to make namespaces");
		return;
	}
	for (i = 0; i < G_N_ELEMENTS(without); i++) {
		proc_disable(without[i]);
		CONF_OK(conf_run(namespaces_main, NULL));
		proc_enable_all();
	}
	proc_no_children();
}

static int cgroup_main(void *arg)
{
	struct ringline_process_options o = proc_options();
	char *path = g_path_get_basename(*(char *const *)arg);
	char *text;

	o.set = RINGLINE_PROCESS_SET_CGROUP;
	o.cgroup_fd = open(*(char *const *)arg, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	text = proc_output("while read l; do case $l in 0::*) echo $l;; esac; done </proc/$$/cgroup", &o);
	g_assert_true(g_str_has_suffix(text, path));
	CONF_OK(close(o.cgroup_fd));
	g_free(text);
	g_free(path);
	return 0;
}

static void test_cgroup(void)
{
	static const char *const without[] = { NULL, "clone3", "pidfd" };
	char *cgroup = proc_cgroup_new();
	size_t i;

	if (!cgroup) {
		g_test_skip("no cgroup of version 2 may be made");
		return;
	}
	for (i = 0; i < G_N_ELEMENTS(without); i++) {
		proc_disable(without[i]);
		CONF_OK(conf_run(cgroup_main, &cgroup));
		proc_enable_all();
	}
	proc_cgroup_free(cgroup);
}

/* Elements that are larger than the library knows them, as of a later version. */
static int larger_main(void *arg)
{
	struct later {
		struct ringline_process_fd fd;
		uint64_t news;
	} fds[2] = { { .fd = { .target = 9, .kind = RINGLINE_PROCESS_NULL } }, { .fd = { .target = 8, .kind = RINGLINE_PROCESS_NULL } } };
	struct ringline_process_options o = proc_options();
	static const char *const argv[] = { "true", NULL };
	struct ringline_process *p;

	(void)arg;
	o.fds = &fds[0].fd;
	o.nfds = 2;
	o.fd_size = sizeof(fds[0]);
	expect(LIST, &o, "0 1 2 8 9");
	fds[1].news = 1;
	g_assert_cmpint(ringline_process_spawn(&p, argv, &o), ==, -E2BIG);
	return 0;
}

static void test_larger(void)
{
	CONF_OK(conf_run(larger_main, NULL));
}

static void add(void)
{
	conf_add("/process-options/environment", test_environment);
	conf_add("/process-options/no-descriptor-leaks", test_leaks);
	conf_add("/process-options/descriptors-collide", test_collisions);
	conf_add("/process-options/what-the-child-needs-is-out-of-the-way", test_aside);
	conf_add("/process-options/socket-same-and-file", test_stdio);
	conf_add("/process-options/terminal", test_pty);
	conf_add("/process-options/program-and-directory", test_program);
	conf_add("/process-options/its-number-in-its-environment", test_pid_names);
	conf_add("/process-options/path", test_path);
	conf_add("/process-options/root", test_root);
	conf_add("/process-options/limits-and-scheduling", test_limits);
	conf_add("/process-options/groups-and-sessions", test_session);
	conf_add("/process-options/signals", test_signals);
	conf_add("/process-options/ids", test_ids);
	conf_add("/process-options/capabilities", test_caps);
	conf_add("/process-options/the-caller-stays-dumpable", test_dumpable);
	conf_add("/process-options/seccomp", test_sandbox);
	conf_add("/process-options/landlock", test_landlock);
	conf_add("/process-options/namespaces", test_namespaces);
	conf_add("/process-options/cgroup", test_cgroup);
	conf_add("/process-options/larger-elements", test_larger);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "process-options", add);
}
