/* SPDX-License-Identifier: MIT */
/*
 * Units: each has a task, which does one thing after the other and owns all that belongs to the unit.
 *
 *     stopped --start--> waiting --others settled--> starting --READY=1, or at once--> running
 *        ^                  ^                            |                               |
 *        |                  +---delay--- restarting <----+---------- it ended -----------+
 *        |                                                                |
 *        +------ stopping <--stop-- exited (what it left behind lives) <--+--> failed
 *
 *     listening: nobody has connected yet (start=on-demand)
 *
 * Others tell the task what they want by flags and a poke, and watch what comes of it: every change of any unit is news. All of
 * that is on one worker.
 */
#ifndef EXAMPLES_UNIT_H
#define EXAMPLES_UNIT_H

#include <stdbool.h>

#include <ringline/ringline.h>

#include "unit-file.h"
#include "unit-sockets.h"
#include "unit-tree.h"

#define UNIT_STARTS_MAX 64           /* a start_limit beyond is taken for this */
#define UNIT_TEXT_MAX   160

struct unit_run;

enum unit_state {
	UNIT_STOPPED,
	UNIT_LISTENING,
	UNIT_WAITING,
	UNIT_STARTING,
	UNIT_RUNNING,
	UNIT_EXITED,
	UNIT_STOPPING,
	UNIT_RESTARTING,
	UNIT_FAILED,
};

struct unit {
	struct unit *next;
	struct unit_conf *conf;
	struct unit_conf *new_conf;       /* of a reload, to be taken when it does not run; NULL: none */
	struct ringline_event *poke;      /* the flags below have changed, or something its task waits for */
	enum unit_state state;
	bool wanted;                      /* it is to run */
	bool again;                       /* and to be stopped before */
	bool gone;                        /* its file is: it is stopped, and its task ends */
	bool demanded;                    /* on-demand: somebody has connected */
	struct unit_sockets sockets;
	struct unit_tree tree;
	struct unit_run *run;             /* NULL: it does not run */
	uint64_t delay;                   /* before its next restart */
	uint64_t starts[UNIT_STARTS_MAX]; /* when the last ones were, as a ring */
	unsigned long nstarts;            /* since it was started by hand, that one too */
	char status[UNIT_TEXT_MAX];       /* STATUS= */
	char result[UNIT_TEXT_MAX];       /* how its last run ended */
};

/* All units, by name. */
extern struct unit *units;

const char *unit_state_name(enum unit_state state);
struct unit *unit_find(const char *name);

/* Is nothing under way that will change it by itself before long? */
bool unit_settled(const struct unit *u);

/* Its state is another one from now on; or something else to be seen. */
void unit_set_state(struct unit *u, enum unit_state state);
void unit_news(void);

/* Waits for news. */
int unit_wait_for_news(void);

/* Wishes; what comes of them is news. */
void unit_start(struct unit *u);
void unit_stop(struct unit *u);
void unit_restart(struct unit *u);

/* Tasks: one that has the units of a directory run until it is cancelled, and then stops them; and one that reads it again. */
int units_run(void *dir);
int units_reload(void *dir);

/* How many readings of the directory were begun, and have ended. */
extern unsigned long units_reloads_begun;
extern unsigned long units_reloads_ended;

#endif
