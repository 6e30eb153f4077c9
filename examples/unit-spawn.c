/* SPDX-License-Identifier: MIT */
/*
 * From a unit's file to a process.
 *
 * Its environment is the supervisor's, without what is between the supervisor and its own manager (NOTIFY_SOCKET, WATCHDOG_*,
 * LISTEN_*), with what the file says and what this supervisor says to it. Its descriptors are /dev/null, a pipe to the log, and
 * its sockets from 3 on.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit-reap.h"
#include "unit-run.h"
#include "unit.h"

#define FIRST_SOCKET 3
#define OURS_MAX     4               /* variables that are set here, and the end */

extern char **environ;

/* Environment */

struct environment {
	const char **entries;
	size_t n;
	char notify[128];
	char watchdog[48];
	char fds[24];
	char names[UNIT_SOCKETS_MAX * 256 + 16];
};

static bool same_name(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return n == strcspn(b, "=") && !strncmp(a, b, n);
}

static bool is_between_managers(const char *entry)
{
	return !strncmp(entry, "NOTIFY_SOCKET=", 14) || !strncmp(entry, "WATCHDOG_", 9) || !strncmp(entry, "LISTEN_", 7);
}

static void inherit(struct environment *e, const struct unit_list *own)
{
	char **at;
	size_t i;

	for (at = environ; *at; at++) {
		for (i = 0; i < own->n && !same_name(own->word[i], *at); i++)
			continue;
		if (i == own->n && !is_between_managers(*at))
			e->entries[e->n++] = *at;
	}
	for (i = 0; i < own->n; i++)
		e->entries[e->n++] = own->word[i];
}

static void name_sockets(struct environment *e, const struct unit_sockets *s)
{
	size_t n = (size_t)snprintf(e->names, sizeof(e->names), "LISTEN_FDNAMES=");
	size_t i;

	for (i = 0; i < s->n; i++)
		n += (size_t)snprintf(e->names + n, sizeof(e->names) - n, "%s%s", i ? ":" : "", s->s[i].name);
	snprintf(e->fds, sizeof(e->fds), "LISTEN_FDS=%zu", s->n);
	e->entries[e->n++] = e->fds;
	e->entries[e->n++] = e->names;
}

static struct environment *make_environment(const struct unit_run *run)
{
	const struct unit_conf *c = run->unit->conf;
	struct environment *e = calloc(1, sizeof(*e));
	size_t n = c->environment.n + OURS_MAX + 1;
	char **at;

	for (at = environ; *at; at++)
		n++;
	if (e)
		e->entries = calloc(n, sizeof(*e->entries));
	if (!e || !e->entries) {
		free(e);
		return NULL;
	}
	inherit(e, &c->environment);
	if (run->notify) {
		snprintf(e->notify, sizeof(e->notify), "NOTIFY_SOCKET=%s", run->notify_path);
		e->entries[e->n++] = e->notify;
	}
	if (c->watchdog) {
		snprintf(e->watchdog, sizeof(e->watchdog), "WATCHDOG_USEC=%llu", (unsigned long long)c->watchdog / 1000);
		e->entries[e->n++] = e->watchdog;
	}
	if (run->unit->sockets.n)
		name_sockets(e, &run->unit->sockets);
	return e;
}

/* Its number, which only the process itself knows: where it is asked for. */
static void name_pid(const struct unit_run *run, const char **names)
{
	size_t n = 0;

	if (run->unit->sockets.n)
		names[n++] = "LISTEN_PID";
	if (run->unit->conf->watchdog)
		names[n++] = "WATCHDOG_PID";
	names[n] = NULL;
}

/* Descriptors */

static size_t give_fds(struct unit_run *run, struct ringline_process_fd *fds)
{
	const struct unit_sockets *s = &run->unit->sockets;
	size_t i;

	fds[0] = (struct ringline_process_fd){ .target = STDIN_FILENO, .kind = RINGLINE_PROCESS_NULL };
	fds[1] = (struct ringline_process_fd){ .target = STDOUT_FILENO, .kind = RINGLINE_PROCESS_PIPE_OUT, .conn = &run->output };
	fds[2] = (struct ringline_process_fd){ .target = STDERR_FILENO, .kind = RINGLINE_PROCESS_SAME, .fd = STDOUT_FILENO };
	for (i = 0; i < s->n; i++)
		fds[FIRST_SOCKET + i] = (struct ringline_process_fd){ .target = FIRST_SOCKET + (int)i, .kind = RINGLINE_PROCESS_FD,
			                                              .fd = s->s[i].fd };
	return FIRST_SOCKET + s->n;
}

/* The rest */

static void set_identity(struct ringline_process_options *o, const struct unit_conf *c)
{
	if (c->has_user) {
		o->set |= RINGLINE_PROCESS_SET_UID;
		o->uid = c->uid;
	}
	if (c->has_user || c->has_group) {
		o->set |= RINGLINE_PROCESS_SET_GID;
		o->gid = c->gid;
	}
	o->capabilities = c->capabilities;
	if (c->no_new_privileges)
		o->flags |= RINGLINE_PROCESS_NO_NEW_PRIVS;
}

static void set_place(struct ringline_process_options *o, const struct unit *u)
{
	const struct unit_conf *c = u->conf;

	o->flags |= RINGLINE_PROCESS_NEW_SESSION;
	o->cwd = c->directory ? c->directory : "/";
	o->limits = c->limits;
	o->nlimits = c->nlimits;
	if (c->has_nice) {
		o->set |= RINGLINE_PROCESS_SET_NICE;
		o->nice = c->nice;
	}
	if (u->tree.cgroup >= 0) {
		o->set |= RINGLINE_PROCESS_SET_CGROUP;
		o->cgroup_fd = u->tree.cgroup;
	}
}

int unit_spawn(struct unit_run *run, uint32_t *stage)
{
	struct ringline_process_options o = RINGLINE_PROCESS_OPTIONS_INIT;
	struct ringline_process_fd fds[FIRST_SOCKET + UNIT_SOCKETS_MAX];
	struct environment *e = make_environment(run);
	const char *names[3];
	int r;

	*stage = RINGLINE_PROCESS_STAGE_PREPARE;
	if (!e)
		return -ENOMEM;
	name_pid(run, names);
	o.stage = stage;
	o.envp = e->entries;
	o.pid_names = names;
	o.fds = fds;
	o.nfds = give_fds(run, fds);
	set_identity(&o, run->unit->conf);
	set_place(&o, run->unit);
	unit_reap_hold();
	r = ringline_process_spawn(&run->first, run->unit->conf->exec.word, &o);
	unit_reap_release();
	free(e->entries);
	free(e);
	return r;
}
