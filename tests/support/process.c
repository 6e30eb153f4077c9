/* SPDX-License-Identifier: MIT */
/* What the programs about child processes share; process.h. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "support/process.h"

#define CGROUP2_MAGIC 0x63677270

struct ringline_process_options proc_options(void)
{
	struct ringline_process_options o = RINGLINE_PROCESS_OPTIONS_INIT;

	return o;
}

struct ringline_process *proc_sh(const char *script, const struct ringline_process_options *o)
{
	const char *argv[] = { "sh", "-c", script, NULL };
	struct ringline_process *p;

	CONF_OK(ringline_process_spawn(&p, argv, o));
	return p;
}

int proc_end(struct ringline_process *p)
{
	struct ringline_process_status s = RINGLINE_PROCESS_STATUS_INIT;

	CONF_OK(ringline_process_wait(p, &s));
	CONF_OK(ringline_process_close(p));
	g_assert_cmpuint(s.how, !=, RINGLINE_PROCESS_LOST);
	return s.how == RINGLINE_PROCESS_EXITED ? s.code : -s.code;
}

char *proc_output(const char *script, const struct ringline_process_options *o)
{
	struct ringline_process_run_options run = RINGLINE_PROCESS_RUN_OPTIONS_INIT;
	struct ringline_process_status s = RINGLINE_PROCESS_STATUS_INIT;
	const char *argv[] = { "sh", "-c", script, NULL };
	struct ringline_buf *out;
	char *text;

	run.process = o;
	CONF_OK(ringline_process_run(argv, NULL, 0, &out, NULL, &run, &s));
	g_assert_cmpuint(s.how, ==, RINGLINE_PROCESS_EXITED);
	g_assert_cmpint(s.code, ==, 0);
	text = g_strndup(out ? ringline_buf_data(out) : "", ringline_buf_size(out));
	CONF_OK(ringline_buf_unref(out));
	return g_strchomp(text);
}

char *proc_status(const char *name, const struct ringline_process_options *o)
{
	char *script = g_strdup_printf("while IFS='' read -r l; do case $l in %s:*) echo \"$l\";; esac; done </proc/$$/status", name);
	char *line = proc_output(script, o);
	char *value = g_strdup(g_strstrip(line + strlen(name) + 1));

	g_free(script);
	g_free(line);
	return value;
}

void proc_disable(const char *features)
{
	if (features)
		g_setenv("RINGLINE_DISABLE", features, TRUE);
}

void proc_enable_all(void)
{
	g_unsetenv("RINGLINE_DISABLE");
}

bool proc_can(int capability)
{
	char *text;
	const char *at;
	uint64_t bits;

	g_assert_true(g_file_get_contents("/proc/self/status", &text, NULL, NULL));
	at = strstr(text, "\nCapEff:");
	g_assert_nonnull(at);
	bits = strtoull(at + 8, NULL, 16);
	g_free(text);
	return bits >> capability & 1;
}

void proc_no_children(void)
{
	siginfo_t info;

	g_assert_cmpint(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL), ==, -1);
	g_assert_cmpint(errno, ==, ECHILD);
}

char *proc_cgroup_new(void)
{
	static const char *const roots[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	struct statfs fs;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(roots); i++) {
		char *path = g_strdup_printf("%s/ringline-test-XXXXXX", roots[i]);

		if (statfs(roots[i], &fs) == 0 && fs.f_type == CGROUP2_MAGIC && mkdtemp(path))
			return path;
		g_free(path);
	}
	return NULL;
}

/* It takes until the last one in it is reaped. */
void proc_cgroup_free(char *path)
{
	while (rmdir(path) < 0) {
		g_assert_cmpint(errno, ==, EBUSY);
		conf_pause();
	}
	g_free(path);
}

bool proc_kernel_remembers(void)
{
	struct utsname u;
	int major;
	int minor;

	g_assert_cmpint(uname(&u), ==, 0);
	g_assert_cmpint(sscanf(u.release, "%d.%d", &major, &minor), ==, 2);
	return major > 6 || (major == 6 && minor >= 15);
}
