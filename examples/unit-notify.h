/* SPDX-License-Identifier: MIT */
/*
 * What a unit says of itself: the other end of sd_notify(3), a datagram socket per unit, whose file is the unit's user's alone.
 *
 * Who has sent something the kernel tells (SCM_CREDENTIALS): it counts only if that process is the unit's (unit-tree.h), and still
 * there. READY, STATUS, WATCHDOG and MAINPID are understood, the last only of a process of the unit; anything else is
 * passed over, and descriptors are closed.
 */
#ifndef EXAMPLES_UNIT_NOTIFY_H
#define EXAMPLES_UNIT_NOTIFY_H

#include <stdbool.h>

struct unit_run;

/* The directory of the sockets, which must exist. */
void unit_notify_in(const char *dir);

/* Opens the socket of a run, and writes where it is. 0 or -errno. */
int unit_notify_open(struct unit_run *run);

/* Takes what has been said, a few datagrams at most; were there any? Never suspends. */
bool unit_notify_take(struct unit_run *run);

#endif
