/* SPDX-License-Identifier: MIT */
/*
 * A run of a unit: from the making of its process to the end of all that came of it.
 *
 *     spawn --> watch: its end, what it says, deadlines, what is asked for
 *                 |
 *                 +-- it has ended, and is not to be restarted: what it left behind lives on, until all is gone or a stop
 *                 v
 *     stop signal to the main process and its group --ended, or stop_timeout--> everything left is killed
 *                 --> its output is read to the end --> over
 *
 * The scope of the run has one more task, which reads the output. Ending is shielded: the supervisor's own end reaches the watch,
 * and then each unit has the time that its file gives it.
 */
#ifndef EXAMPLES_UNIT_RUN_H
#define EXAMPLES_UNIT_RUN_H

#include <stdbool.h>

#include <ringline/ringline.h>

#include "unit-log.h"

struct unit;

struct unit_run {
	struct unit *unit;
	struct ringline_process *first;   /* that was made; it leads the process group */
	struct ringline_process *main;    /* that counts: the same, or another of the unit's (MAINPID) */
	struct ringline_conn *output;     /* both of them; the reader's */
	struct ringline_scope *reader;    /* its shield; NULL: it has ended */
	struct ringline_event *output_over;
	struct ringline_dgram *notify;    /* NULL: it says nothing */
	char notify_path[108];
	uint32_t stage;                   /* at which making it failed */
	unsigned long refused;            /* datagrams */
	unsigned int moves;               /* of the main process */
	uint64_t deadline;                /* to be ready, or to be heard of */
	uint64_t since;                   /* it was started */
	bool ready;
	bool failed;
	struct unit_writer writer;
};

/* A run of u; what came of it is in u->result. 0; -ECANCELED and the like: everything is to end. */
int unit_run(struct unit *u, bool *failed);

/* Will the library wait for this process, which has ended? */
bool unit_run_waits_for(const struct unit_run *run, int64_t pid);

/* Is it one of the unit's? */
bool unit_run_has(const struct unit_run *run, int64_t pid);

/* -1: none lives. */
int64_t unit_run_pid(const struct unit_run *run);

/* What it says of itself. The process becomes the run's. */
void unit_run_ready(struct unit_run *run);
void unit_run_alive(struct unit_run *run);
void unit_run_set_main(struct unit_run *run, struct ringline_process *process);

/* unit-spawn.c: makes the process. 0 or -errno, with the stage. */
int unit_spawn(struct unit_run *run, uint32_t *stage);

#endif
