/* SPDX-License-Identifier: MIT */
/*
 * The log: what units write, and what the supervisor has to say about them.
 *
 *     web[4711]: a line the unit has written
 *     supervisor: web: ready, pid 4711
 *
 *     pipe of a unit --reader task--> lines --in turns--> buffer --a thread--> file
 *
 * A line of a unit is written when it has ended, or its writer has. What is longer than UNIT_LINE_MAX bytes is cut there, and the
 * log says how much is missing. Control characters become '?', so that no unit writes lines of another.
 *
 * Memory is bounded: one buffer fills while the other one is written. When both are full readers wait, in the order in which they
 * came, one line each, and units whose pipes are full wait in their turn. So a flood costs the others one line's time each, no
 * memory, and nothing is lost. The supervisor itself never waits for its log: some room is kept for it, and if that is not
 * enough the log says how many of its lines are missing.
 */
#ifndef EXAMPLES_UNIT_LOG_H
#define EXAMPLES_UNIT_LOG_H

#include <ringline/ringline.h>

#define UNIT_LINE_MAX 2048u

/* Opens it, to be appended to; NULL: standard output. 0 or -errno. */
int unit_log_open(const char *path);

/* Makes what it takes, on the worker. A task then runs unit_log_write(), until unit_log_finish() was called and all is written. */
int unit_log_init(void);
int unit_log_write(void *arg);
void unit_log_finish(void);
void unit_log_fini(void);

/* A line of the supervisor's about a unit (NULL: about none). Never suspends. */
void unit_log_say(const char *unit, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What a unit writes, and who it is. */
struct unit_writer {
	const char *name;
	int64_t pid;
	size_t used;
	uint64_t cut;                     /* bytes of this line that there was no room for */
	char line[UNIT_LINE_MAX];
};

/* Takes bytes, or the end, which makes a line of what is there. Suspends. 0 or -errno. */
int unit_writer_take(struct unit_writer *w, const char *data, size_t n);
int unit_writer_end(struct unit_writer *w);

#endif
