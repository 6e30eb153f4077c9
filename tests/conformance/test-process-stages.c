/* SPDX-License-Identifier: MIT */
/* Each stage of making a process that can be made to fail says its own name, leaves no child behind, and no descriptor. */
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "support/process.h"

struct failure {
	const char *stage;
	int error;                        /* what it is; 0: any */
	void (*prepare)(struct ringline_process_options *o);
};

static void try_failure(const struct failure *f, const char *const *argv)
{
	struct ringline_process_options o = proc_options();
	struct ringline_process *p = NULL;
	struct ringline_conn *conn = NULL;
	uint32_t stage = 99;
	int r;

	/* one that has a connection, which has to go as well */
	const struct ringline_process_fd fd = { .target = 1, .kind = RINGLINE_PROCESS_PIPE_OUT, .conn = &conn };

	o.stage = &stage;
	o.fds = &fd;
	o.nfds = 1;
	f->prepare(&o);
	r = ringline_process_spawn(&p, argv, &o);
	if (r >= 0 || strcmp(ringline_process_stage_name(stage), f->stage) || (f->error && r != -f->error))
		g_error("stage %s: got %d (%s) at %s", f->stage, r, g_strerror(-r), ringline_process_stage_name(stage));
	g_assert_null(p);
	g_assert_null(conn);
}

static const char *const true_argv[] = { "true", NULL };

static int try_main(void *arg)
{
	try_failure(arg, true_argv);
	return 0;
}

static void try(const void *arg)
{
	CONF_OK(conf_run(try_main, (void *)arg));
	proc_no_children();
}

/* --- arguments ---------------------------------------------------------------------------------------------------- */

static void bad_bits(struct ringline_process_options *o)
{
	o->set = UINT64_C(1) << 40;
}

static void bad_flags(struct ringline_process_options *o)
{
	o->flags = UINT32_C(1) << 30;
}

static void bad_caps(struct ringline_process_options *o)
{
	o->capabilities = "cap_of_no_such_name";
}

static void no_id(struct ringline_process_options *o)
{
	o->set = RINGLINE_PROCESS_SET_UID;
	o->uid = UINT32_MAX;
}

static void bad_oom_score(struct ringline_process_options *o)
{
	o->set = RINGLINE_PROCESS_SET_OOM_SCORE;
	o->oom_score_adj = 1001;
}

static void tty_without_session(struct ringline_process_options *o)
{
	o->flags = RINGLINE_PROCESS_CONTROLLING_TTY;
}

static void twice_the_same_target(struct ringline_process_options *o)
{
	static const struct ringline_process_fd fds[] = { { .target = 5, .kind = RINGLINE_PROCESS_NULL },
	                                                  { .target = 5, .kind = RINGLINE_PROCESS_NULL } };

	o->fds = fds;
	o->nfds = 2;
}

static void same_as_same(struct ringline_process_options *o)
{
	static const struct ringline_process_fd fds[] = { { .target = 5, .kind = RINGLINE_PROCESS_SAME, .fd = 6 },
	                                                  { .target = 6, .kind = RINGLINE_PROCESS_SAME, .fd = 1 } };

	o->fds = fds;
	o->nfds = 2;
}

static void terminal_without_master(struct ringline_process_options *o)
{
	static const struct ringline_process_fd fd = { .target = 0, .kind = RINGLINE_PROCESS_PTY };

	o->fds = &fd;
}

static void negative_fd(struct ringline_process_options *o)
{
	o->set = RINGLINE_PROCESS_SET_DIR_FD;
	o->dir_fd = -1;
}

static void no_name(struct ringline_process_options *o)
{
	o->program = "";
}

static const struct failure arguments[] = {
	{ "prepare", EINVAL, bad_bits }, { "prepare", EINVAL, bad_flags }, { "prepare", EINVAL, bad_caps },
	{ "prepare", EINVAL, no_id }, { "prepare", EINVAL, bad_oom_score }, { "prepare", EINVAL, tty_without_session },
	{ "prepare", EINVAL, twice_the_same_target }, { "prepare", EINVAL, same_as_same },
	{ "prepare", EINVAL, terminal_without_master }, { "prepare", EBADF, negative_fd }, { "prepare", ENOENT, no_name },
};

/* --- whoever asks ------------------------------------------------------------------------------------------------- */

static void no_such_file(struct ringline_process_options *o)
{
	static const struct ringline_process_fd fd = { .target = 0, .kind = RINGLINE_PROCESS_FILE, .path = "/nowhere/at/all",
	                                               .flags = O_RDONLY };

	o->fds = &fd;
}

static void no_cgroup(struct ringline_process_options *o)
{
	o->set = RINGLINE_PROCESS_SET_CGROUP;
	o->cgroup_fd = 0;                 /* no directory, let alone of a cgroup */
}

static void no_namespace(struct ringline_process_options *o)
{
	static const int join[] = { 2 };

	o->join = join;
	o->njoin = 1;
}

/* A new session's leader may not go to another group. */
static void no_group(struct ringline_process_options *o)
{
	o->flags = RINGLINE_PROCESS_NEW_SESSION;
	o->set = RINGLINE_PROCESS_SET_GROUP;
	o->process_group = 1;
}

static void no_policy(struct ringline_process_options *o)
{
	o->set = RINGLINE_PROCESS_SET_SCHEDULER;
	o->policy = 77;
}

static void no_processor(struct ringline_process_options *o)
{
	static const cpu_set_t none;

	o->cpus = &none;
	o->cpus_size = sizeof(none);
}

static void no_descriptor(struct ringline_process_options *o)
{
	static const struct ringline_process_fd fd = { .target = 0, .kind = RINGLINE_PROCESS_FD, .fd = 1000 };

	o->fds = &fd;
}

static void no_terminal(struct ringline_process_options *o)
{
	static const struct ringline_process_fd fd = { .target = 0, .kind = RINGLINE_PROCESS_NULL };

	o->fds = &fd;
	o->flags = RINGLINE_PROCESS_NEW_SESSION | RINGLINE_PROCESS_CONTROLLING_TTY;
}

static void no_resource(struct ringline_process_options *o)
{
	static const struct ringline_process_limit limit = { .resource = 99, .soft = 1, .hard = 1 };

	o->limits = &limit;
	o->nlimits = 1;
}

static void no_directory(struct ringline_process_options *o)
{
	o->cwd = "/nowhere/at/all";
}

static void no_ruleset(struct ringline_process_options *o)
{
	o->set = RINGLINE_PROCESS_SET_LANDLOCK;
	o->landlock_fd = 2;
	o->flags = RINGLINE_PROCESS_NO_NEW_PRIVS;
}

static void no_filter(struct ringline_process_options *o)
{
	static const struct sock_filter filter[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0) };    /* does not return */

	o->flags = RINGLINE_PROCESS_NO_NEW_PRIVS;
	o->seccomp = filter;
	o->seccomp_len = 1;
}

static void no_program(struct ringline_process_options *o)
{
	o->program = "/nowhere/at/all";
}

static void no_executable(struct ringline_process_options *o)
{
	o->program = "/dev/null";
}

static void nowhere_in_path(struct ringline_process_options *o)
{
	o->program = "a-program-that-nobody-has-written";
}

static const struct failure failures[] = {
	{ "file", ENOENT, no_such_file }, { "cgroup", EBADF, no_cgroup }, { "join", 0, no_namespace },
	{ "group", EPERM, no_group }, { "scheduler", EINVAL, no_policy }, { "affinity", EINVAL, no_processor },
	{ "fds", EBADF, no_descriptor }, { "tty", ENOTTY, no_terminal }, { "limits", EINVAL, no_resource },
	{ "cwd", ENOENT, no_directory }, { "landlock", 0, no_ruleset }, { "seccomp", EINVAL, no_filter },
	{ "exec", ENOENT, no_program }, { "exec", EACCES, no_executable }, { "exec", ENOENT, nowhere_in_path },
};

/* --- whoever has no privileges ------------------------------------------------------------------------------------ */

static void lower_nice(struct ringline_process_options *o)
{
	o->set = RINGLINE_PROCESS_SET_NICE;
	o->nice = -20;
}

static void lower_oom_score(struct ringline_process_options *o)
{
	o->set = RINGLINE_PROCESS_SET_OOM_SCORE;
	o->oom_score_adj = -1000;
}

static void a_root(struct ringline_process_options *o)
{
	o->root = "/";
}

static void groups(struct ringline_process_options *o)
{
	o->set = RINGLINE_PROCESS_SET_GROUPS;
}

static void root_uid(struct ringline_process_options *o)
{
	o->set = RINGLINE_PROCESS_SET_UID;
}

static void root_gid(struct ringline_process_options *o)
{
	o->set = RINGLINE_PROCESS_SET_GID;
}

static void inheritable(struct ringline_process_options *o)
{
	o->capabilities = "%cap_net_raw";
}

static void bounding(struct ringline_process_options *o)
{
	o->capabilities = "!cap_net_raw";
}

static void securebits(struct ringline_process_options *o)
{
	o->set = RINGLINE_PROCESS_SET_SECUREBITS;
	o->securebits = 1;
}

static void new_namespace(struct ringline_process_options *o)
{
	o->namespaces = CLONE_NEWUTS;
}

static void filter_without_right(struct ringline_process_options *o)
{
	static const struct sock_filter filter[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };

	o->seccomp = filter;
	o->seccomp_len = 1;
}

static const struct failure unprivileged[] = {
	{ "nice", EACCES, lower_nice }, { "oom_score", EACCES, lower_oom_score }, { "root", EPERM, a_root },
	{ "groups", EPERM, groups }, { "uid", EPERM, root_uid }, { "gid", EPERM, root_gid },
	{ "inheritable", EPERM, inheritable }, { "bounding", EPERM, bounding }, { "securebits", EPERM, securebits },
	{ "clone", EPERM, new_namespace }, { "seccomp", EACCES, filter_without_right },
};

static void try_as_nobody(const void *arg)
{
	CONF_OK(syscall(SYS_setresgid, 65534, 65534, 65534));
	CONF_OK(syscall(SYS_setresuid, 65534, 65534, 65534));
	/* /proc/self is its own again */
	CONF_OK(prctl(PR_SET_DUMPABLE, 1));
	try(arg);
}

static void try_unprivileged(const void *arg)
{
	if (geteuid() == 0 && !proc_can(CAP_SETUID))
		g_test_skip("root without the right to become somebody else");
	else
		conf_fork(geteuid() == 0 ? try_as_nobody : try, arg);
}

/* --- whoever may not give what he has ----------------------------------------------------------------------------- */

static void ambient(struct ringline_process_options *o)
{
	o->capabilities = "^cap_net_raw";
}

static void forbid_ambient(const void *arg)
{
	CONF_OK(prctl(PR_SET_SECUREBITS, 1 << 6));    /* SECBIT_NO_CAP_AMBIENT_RAISE */
	try(arg);
}

static void test_ambient(void)
{
	static const struct failure f = { "ambient", EPERM, ambient };

	if (!proc_can(CAP_SETPCAP) || !proc_can(CAP_NET_RAW))
		g_test_skip("no capability to give");
	else
		conf_fork(forbid_ambient, &f);
}

static void bad_map(struct ringline_process_options *o)
{
	o->namespaces = CLONE_NEWUSER;
	o->uid_map = "this is no map";
}

static void test_map(void)
{
	static const struct failure f = { "map", EINVAL, bad_map };

	if (!proc_can(CAP_SETUID))
		g_test_skip("no right to write a map");
	else
		try(&f);
}

static void a_pipe(struct ringline_process_options *o)
{
	(void)o;
}

static void a_terminal(struct ringline_process_options *o)
{
	static struct ringline_conn *conn;
	static const struct ringline_process_fd fd = { .target = 0, .kind = RINGLINE_PROCESS_PTY, .conn = &conn };

	o->fds = &fd;
}

/* Uses up the descriptors but for *spare*. */
static int without_descriptors(const struct failure *f, int spare)
{
	struct rlimit old;
	struct rlimit r;
	int fd = dup(0);

	CONF_OK(close(fd));               /* the lowest that is free */
	CONF_OK(getrlimit(RLIMIT_NOFILE, &old));
	r = old;
	r.rlim_cur = (rlim_t)(fd + spare);
	CONF_OK(setrlimit(RLIMIT_NOFILE, &r));
	try_failure(f, true_argv);
	CONF_OK(setrlimit(RLIMIT_NOFILE, &old));
	return 0;
}

static int descriptors_main(void *arg)
{
	static const struct failure pipe = { "pipe", EMFILE, a_pipe };
	static const struct failure pty = { "pty", EMFILE, a_terminal };

	(void)arg;
	return without_descriptors(&pipe, 1) + without_descriptors(&pty, 1);
}

static void test_descriptors(void)
{
	CONF_OK(conf_run(descriptors_main, NULL));
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static void test_names(void)
{
	uint32_t i;
	uint32_t k;

	for (i = 0; i <= RINGLINE_PROCESS_STAGE_EXEC; i++)
		for (k = 0; k < i; k++)
			g_assert_cmpstr(ringline_process_stage_name(i), !=, ringline_process_stage_name(k));
	g_assert_cmpstr(ringline_process_stage_name(RINGLINE_PROCESS_STAGE_EXEC), ==, "exec");
	g_assert_cmpstr(ringline_process_stage_name(RINGLINE_PROCESS_STAGE_EXEC + 1), ==, "unknown");
}

static void add_failures(const char *who, const struct failure *f, size_t n, void (*fn)(const void *arg))
{
	size_t i;

	for (i = 0; i < n; i++) {
		char *path = g_strdup_printf("/process-stages/%s/%s-%zu", who, f[i].stage, i);

		conf_add_with(path, fn, &f[i]);
		g_free(path);
	}
}

/* One case for all the arguments: nothing is made. */
static int arguments_main(void *arg)
{
	size_t i;

	(void)arg;
	for (i = 0; i < G_N_ELEMENTS(arguments); i++)
		try_failure(&arguments[i], true_argv);
	return 0;
}

static void test_arguments(void)
{
	CONF_OK(conf_run(arguments_main, NULL));
	proc_no_children();
}

/* The ways in which a process is made that kernels of old have. */
static void test_old_ways(void)
{
	static const char *const without[] = { "clone3", "pidfd", "close_range" };
	size_t i;
	size_t k;

	for (i = 0; i < G_N_ELEMENTS(without); i++) {
		proc_disable(without[i]);
		for (k = 0; k < G_N_ELEMENTS(failures); k++)
			if (failures[k].prepare != no_cgroup)     /* which they find out otherwise */
				try(&failures[k]);
		proc_enable_all();
	}
}

static void add(void)
{
	conf_add("/process-stages/each-has-a-name", test_names);
	conf_add("/process-stages/arguments", test_arguments);
	add_failures("anybody", failures, G_N_ELEMENTS(failures), try);
	add_failures("unprivileged", unprivileged, G_N_ELEMENTS(unprivileged), try_unprivileged);
	conf_add("/process-stages/ambient", test_ambient);
	conf_add("/process-stages/map", test_map);
	conf_add("/process-stages/descriptors", test_descriptors);
	conf_add("/process-stages/the-old-ways-fail-the-same", test_old_ways);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "process-stages", add);
}
