/* SPDX-License-Identifier: MIT */
/*
 * A small init: runs the units of a directory, restarts them, holds their sockets, hears what they say, and keeps what they write.
 *
 *     supervisor -d UNITS [OPTION]...                      runs them
 *     supervisor --control SOCKET COMMAND [NAME]           asks one that runs (unit-control.h)
 *     supervisor check UNITS                               says what is wrong with unit files (unit-file.h)
 *
 *     supervise --+-- log: the writer                      shielded: they outlive the units
 *                 +-- reaper of orphans
 *                 +-- units --+-- unit --- run --- reader of its output
 *                             +-- unit ...
 *
 * SIGTERM and SIGINT stop all units at once, each in its own time, and then end the supervisor; SIGHUP has it read the directory
 * again: new units are started, missing ones stopped, changed ones restarted.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common.h"
#include "unit-control.h"
#include "unit-file.h"
#include "unit-log.h"
#include "unit-notify.h"
#include "unit-reap.h"
#include "unit-tree.h"
#include "unit.h"

#define RUN_DIR   "/run/supervisor"
#define LAST_TIME (10 * RINGLINE_NSEC_PER_SEC)      /* for the log, in the end */
#define DRAIN     (24 * 60 * 60 * RINGLINE_NSEC_PER_SEC)   /* each unit has its stop_timeout; a second signal ends that */

static const char *dir;
static const char *run_dir = RUN_DIR;
static const char *log_file;
static const char *cgroup;
static struct ringline_listen_options limits = RINGLINE_LISTEN_OPTIONS_INIT;
static struct ringline_event *units_over;

/* The tasks */

static int run_units(void *arg)
{
	int r = units_run(arg);

	ringline_event_set(units_over);
	return r;
}

/* All units have ended: the rest of the log. */
static void finish(struct ringline_task *writer, struct ringline_task *reaper)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;

	unit_log_say(NULL, "ended");
	ringline_task_cancel(reaper);
	ringline_task_detach(reaper);
	unit_log_finish();
	o.deadline = ringline_now() + LAST_TIME;
	if (ringline_scope_open(&scope, &o) == 0) {
		if (ringline_task_join(writer, NULL) < 0) {
			ringline_task_cancel(writer);
			ringline_task_detach(writer);
		}
		ringline_scope_close(scope);
	}
}

/* The first one belongs to the scope outside, which the end of the supervisor reaches. */
static int start_all(struct ringline_scope *outside, struct ringline_task **writer, struct ringline_task **reaper)
{
	int r = ringline_scope_spawn(outside, run_units, (void *)dir);

	if (r == 0)
		r = ringline_task_start(writer, unit_log_write, NULL, NULL);
	return r == 0 ? ringline_task_start(reaper, unit_reap, NULL, NULL) : r;
}

static int in_shield(struct ringline_scope *outside)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_task *writer;
	struct ringline_task *reaper;
	struct ringline_scope *shield;
	int r;

	o.flags = RINGLINE_SCOPE_SHIELDED;
	r = ringline_scope_open(&shield, &o);
	if (r < 0)
		return r;
	r = start_all(outside, &writer, &reaper);
	if (r == 0) {
		ringline_event_wait(units_over);
		finish(writer, reaper);
	}
	ringline_scope_close(shield);
	return r;
}

static int supervise(void *arg)
{
	struct ringline_scope *outside;
	int r = ringline_scope_open(&outside, NULL);

	(void)arg;
	if (r == 0) {
		r = in_shield(outside);
		ringline_scope_close(outside);
	}
	if (r < 0 && r != -ECANCELED)
		fprintf(stderr, "supervisor: %s\n", strerror(-r));
	unit_reap_fini();
	unit_log_fini();
	ringline_event_free(units_over);
	return r;
}

static int start(void *arg)
{
	int r = unit_log_init();

	if (r == 0)
		r = unit_reap_init();
	if (r == 0)
		r = ringline_event_new(&units_over, NULL);
	return r == 0 ? ringline_spawn(supervise, arg) : r;
}

static int prepare(struct ringline_runtime *rt)
{
	int r = ringline_runtime_on_start(rt, start, NULL);

	return r == 0 ? ringline_runtime_on_reload(rt, units_reload, (void *)dir) : r;
}

/* Options */

static bool take_option(int letter, const char *value)
{
	unsigned long uid;

	switch (letter) {
	case 'd':
		dir = value;
		return true;
	case 'r':
		run_dir = value;
		return true;
	case 'o':
		log_file = value;
		return true;
	case 'g':
		cgroup = value;
		return true;
	default:
		return example_number(value, 0, UINT32_MAX - 1, &uid) && control_allow((uint32_t)uid);
	}
}

static bool complain(const char *what, int error)
{
	fprintf(stderr, "supervisor: %s: %s\n", what, strerror(error));
	return false;
}

static bool check_options(void)
{
	struct stat st;
	int r;

	if (!dir) {
		fprintf(stderr, "supervisor: -d UNITS is missing\n");
		return false;
	}
	if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
		return complain(dir, ENOTDIR);
	if (mkdir(run_dir, 0711) < 0 && errno != EEXIST)
		return complain(run_dir, errno);
	unit_notify_in(run_dir);
	r = cgroup ? unit_tree_below(cgroup) : 0;
	if (r < 0)
		return complain(cgroup, -r);
	r = unit_log_open(log_file);
	return r < 0 ? complain(log_file, -r) : true;
}

static void configure(struct ringline_config *config)
{
	config->workers = 1;                  /* whatever was said: units are one worker's */
	config->flags |= RINGLINE_CONFIG_SERVICE;
	config->drain_timeout = DRAIN;
}

static const struct example_daemon supervisor = {
	.purpose = "Runs the units of a directory.\n\n"
	           "   or: supervisor --control SOCKET COMMAND [NAME]\n"
	           "       list, status NAME, start NAME, stop NAME, restart NAME, reload, shutdown\n"
	           "   or: supervisor check UNITS",
	.usage = "  -d UNITS               directory of unit files, NAME.unit (unit-file.h)\n"
	         "  -r DIRECTORY           of its sockets for units [" RUN_DIR "]\n"
	         "  -o FILE                the log [standard output]\n"
	         "  -g DIRECTORY           a cgroup (v2) in which units get one each [none: process groups]\n"
	         "  -a UID                 may control it too; repeatable\n",
	.options = "d:r:o:g:a:",
	.address = "unix:" RUN_DIR "/control",
	.option = take_option,
	.check = check_options,
	.configure = configure,
	.prepare = prepare,
	.serve = control_serve,
	.listen = &limits,
};

static int check_units(const char *units_dir)
{
	struct unit_conf *list;
	struct unit_conf *next;
	int r = unit_dir_read(units_dir, &list, stderr);

	if (r < 0)
		complain(units_dir, -r);
	for (; r >= 0 && list; list = next) {
		next = list->next;
		printf("%s: good\n", list->name);
		unit_conf_free(list);
	}
	return r != 0;
}

int main(int argc, char **argv)
{
	int status;
	int r;

	if (argc == 3 && !strcmp(argv[1], "check"))
		return check_units(argv[2]);
	if (argc > 3 && !strcmp(argv[1], "--control"))
		return control_ask(argv[2], argc - 3, argv + 3);
	limits.flags = RINGLINE_LISTEN_MODE;
	limits.mode = 0666;                   /* who may not is told so */
	limits.max_connections = CONTROL_CLIENTS_MAX;
	r = unit_reap_prepare();
	if (r < 0)
		return complain("signals", -r), 1;
	status = example_daemon_main(argc, argv, &supervisor);
	r = unit_reap_strays();
	if (r < 0)
		complain("strays", -r);
	return status;
}
