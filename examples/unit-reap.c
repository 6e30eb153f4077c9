/* SPDX-License-Identifier: MIT */
/* Orphans; unit-reap.h tells the idea. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "unit-log.h"
#include "unit-reap.h"
#include "unit-run.h"
#include "unit.h"

#define STRAYS_TIME 5                /* seconds in which some child must have ended */

static const int chld[] = { SIGCHLD };

struct ringline_event *unit_reaped;
static struct ringline_event *look;
static struct ringline_signal *signals;
static unsigned int held;

int unit_reap_prepare(void)
{
	int r = ringline_signal_block(chld, 1);

	return r == 0 && prctl(PR_SET_CHILD_SUBREAPER, 1L) < 0 ? -errno : r;
}

int unit_reap_init(void)
{
	int r = ringline_event_new(&unit_reaped, NULL);

	if (r == 0)
		r = ringline_event_new(&look, NULL);
	return r == 0 ? ringline_signal_new(&signals, chld, 1, NULL) : r;
}

void unit_reap_fini(void)
{
	ringline_signal_free(signals);
	ringline_event_free(look);
	ringline_event_free(unit_reaped);
}

void unit_reap_hold(void)
{
	held++;
}

void unit_reap_release(void)
{
	held--;
	ringline_event_set(look);
}

void unit_reap_look(void)
{
	ringline_event_set(look);
}

static bool is_a_units(int64_t pid)
{
	const struct unit *u;

	for (u = units; u; u = u->next)
		if (u->run && unit_run_waits_for(u->run, pid))
			return true;
	return false;
}

/* Everything that has ended and is not the library's. */
static void take_all(void)
{
	siginfo_t info = { 0 };

	while (!held && waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid > 0) {
		if (is_a_units(info.si_pid))
			break;
		if (waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG) < 0)
			break;
		info.si_pid = 0;
	}
	ringline_event_set(unit_reaped);
	ringline_event_reset(unit_reaped);
}

int unit_reap(void *arg)
{
	struct ringline_signal_info info = RINGLINE_SIGNAL_INFO_INIT;
	struct ringline_case cases[] = {
		{ .kind = RINGLINE_CASE_SIGNAL, .object = signals },
		{ .kind = RINGLINE_CASE_EVENT, .object = look },
	};

	(void)arg;
	while (ringline_select(cases, 2, sizeof(*cases), 0) >= 0) {
		ringline_event_reset(look);
		while (ringline_signal_read_nowait(signals, &info) == 0)
			continue;
		take_all();
	}
	return 0;
}

/* Strays */

/* Children that have ended are among them until they are taken, which nobody else does: no number here can be another's. */
static void kill_children_of(const char *thread)
{
	char name[300];
	FILE *list;
	long pid;

	snprintf(name, sizeof(name), "/proc/self/task/%s/children", thread);
	list = fopen(name, "re");
	while (list && fscanf(list, "%ld", &pid) == 1)
		kill((pid_t)pid, SIGKILL);
	if (list)
		fclose(list);
}

static void kill_children(void)
{
	DIR *threads = opendir("/proc/self/task");
	const struct dirent *e;

	while (threads && (e = readdir(threads)))
		if (*e->d_name != '.')
			kill_children_of(e->d_name);
	if (threads)
		closedir(threads);
}

static void take_ended(void)
{
	siginfo_t info = { 0 };

	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | __WALL) == 0 && info.si_pid > 0)
		info.si_pid = 0;
}

static bool have_children(void)
{
	return waitid(P_ALL, 0, NULL, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

/* What dies leaves its own children to us: again, until there are none. The signal is still blocked. */
int unit_reap_strays(void)
{
	const struct timespec patience = { .tv_sec = STRAYS_TIME };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (;;) {
		kill_children();
		take_ended();
		if (!have_children())
			return 0;
		if (sigtimedwait(&set, NULL, &patience) < 0 && errno == EAGAIN)
			return -EBUSY;
	}
}
