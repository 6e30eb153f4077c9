/* SPDX-License-Identifier: MIT */
/*
 * Unit files: what is to be run, and how.
 *
 *     # NAME.unit: one key=value per line
 *     exec=/usr/bin/thing --serve "one argument" 'another one'
 *     user=nobody
 *     restart=on-failure
 *
 * Words are separated by blanks; quotes of either kind keep blanks together, and a backslash, but within '', makes the
 * next character an ordinary one. Lines that are empty or begin with # say nothing. Everything else is an error, which is told with
 * file and line, and the unit is not run.
 *
 *     exec=WORD...                 the program and its arguments; a name without a slash is looked for in PATH
 *     user=, group=                name or number; without a group, that of the user
 *     capabilities=                as cap_iab_from_text(3): "^cap_net_bind_service,!cap_sys_admin"
 *     no_new_privileges=yes|no     [no]
 *     limit=NAME SOFT[:HARD]       repeatable: nofile, nproc, core, as ... ; numbers or "infinity"
 *     directory=PATH
 *     environment=NAME=VALUE...    repeatable
 *     nice=NUMBER
 *     start=now|manual|on-demand   on-demand: when somebody connects [now]
 *     after=NAME...                not started before these have settled
 *     listen=[NAME] ADDRESS        repeatable: tcp:ADDRESS:PORT or unix:/PATH, from descriptor 3 on; NAME: [the unit's]
 *     notify=yes|no                it says READY=1 (sd_notify(3)) when it serves [no]
 *     start_timeout=TIME           until it has [30s]
 *     watchdog=TIME                it says WATCHDOG=1 at least so often [never]
 *     restart=no|on-failure|always [no]
 *     restart_delay=TIME           before the first restart [100ms]; doubles up to
 *     restart_delay_max=TIME       [30s], until it ran for
 *     restart_reset=TIME           [10s]
 *     start_limit=NUMBER TIME      more starts than that in that time are a failure for good [5 10s]; 0: no limit
 *     stop_signal=NAME             [TERM]
 *     stop_timeout=TIME            then what is left of it is killed [10s]
 *
 * Times are numbers with "ms", "s" (or nothing) or "min".
 */
#ifndef EXAMPLES_UNIT_FILE_H
#define EXAMPLES_UNIT_FILE_H

#include <stdbool.h>
#include <stdio.h>

#include <ringline/ringline.h>

#define UNIT_NAME_MAX    64          /* with its zero */
#define UNIT_LIST_MAX    64          /* words of a list */
#define UNIT_SOCKETS_MAX 16
#define UNIT_LIMITS_MAX  16

enum unit_start { UNIT_START_NOW, UNIT_START_MANUAL, UNIT_START_ON_DEMAND };
enum unit_restart { UNIT_RESTART_NO, UNIT_RESTART_ON_FAILURE, UNIT_RESTART_ALWAYS };

struct unit_list {
	const char *word[UNIT_LIST_MAX + 1];   /* ends with NULL */
	size_t n;
};

struct unit_listen {
	const char *name;
	const char *address;
};

/* All times in nanoseconds; strings lie in `words`. */
struct unit_conf {
	struct unit_conf *next;           /* of a directory, by name */
	char name[UNIT_NAME_MAX];
	char *text;                       /* the file, to tell whether it has changed */
	char *words;                      /* the same, cut up */
	struct unit_list exec;
	struct unit_list environment;
	struct unit_list after;
	struct unit_listen listen[UNIT_SOCKETS_MAX];
	size_t nlisten;
	struct ringline_process_limit limits[UNIT_LIMITS_MAX];
	size_t nlimits;
	const char *capabilities;         /* NULL: as the supervisor's */
	const char *directory;            /* NULL: the same */
	bool has_user;
	bool has_group;
	bool has_nice;
	bool no_new_privileges;
	bool notify;
	bool ordered;                     /* it does not wait for itself */
	uint32_t uid;
	uint32_t gid;
	int32_t nice;
	enum unit_start start;
	enum unit_restart restart;
	int stop_signal;
	unsigned long start_limit;        /* 0: none */
	uint64_t start_limit_time;
	uint64_t start_timeout;
	uint64_t watchdog;                /* 0: none */
	uint64_t restart_delay;
	uint64_t restart_delay_max;
	uint64_t restart_reset;
	uint64_t stop_timeout;
};

/* Reads all NAME.unit of a directory, and writes to `errors` what is wrong with them, a line each. Returns how many were
 * wrong, with the others in *list; -errno: the directory cannot be read. Blocks. */
int unit_dir_read(const char *dir, struct unit_conf **list, FILE *errors);

void unit_conf_free(struct unit_conf *c);

#endif
