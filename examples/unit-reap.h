/* SPDX-License-Identifier: MIT */
/*
 * Orphans: the supervisor is the parent of whatever its units leave behind (PR_SET_CHILD_SUBREAPER), and takes note of their ends.
 *
 * The library waits for the processes it has made itself, and for no others, without SIGCHLD. So that signal is the host's, and
 * tells that some child has ended. Which one, waitid() says without taking it (WNOWAIT): one of the units' processes is left to
 * the library, whose wait ends before long and has us look again, since others may be behind it; all others are ours to take. A
 * process that is just being made is not known yet: meanwhile nothing is taken.
 */
#ifndef EXAMPLES_UNIT_REAP_H
#define EXAMPLES_UNIT_REAP_H

#include <stdbool.h>

#include <ringline/ringline.h>

/* Some orphans have ended, or a unit's process: set and reset each time. */
extern struct ringline_event *unit_reaped;

/* First thing in main(). 0 or -errno. */
int unit_reap_prepare(void);

/* On the worker. Then a task runs unit_reap(), until it is cancelled. */
int unit_reap_init(void);
int unit_reap(void *arg);
void unit_reap_fini(void);

/* Processes are being made; or not any more. */
void unit_reap_hold(void);
void unit_reap_release(void);

/* The library has waited for a process. */
void unit_reap_look(void);

/* When there is no runtime any more: kills whatever is left of all units, and waits for its end. 0; -EBUSY: something does
 * not end. */
int unit_reap_strays(void);

#endif
