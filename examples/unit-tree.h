/* SPDX-License-Identifier: MIT */
/*
 * What belongs to a unit: all there is in its cgroup, whoever made it and whatever it did since. Without cgroups (version 2,
 * and the right to make some) it is the process group that the unit's first process leads, which a process can leave: then it is no longer
 * the unit's, and is killed when the supervisor ends.
 */
#ifndef EXAMPLES_UNIT_TREE_H
#define EXAMPLES_UNIT_TREE_H

#include <limits.h>
#include <stdbool.h>

#include <ringline/ringline.h>

#define UNIT_TREE_NAME 80            /* bytes of a path that its own name may take */

struct unit_tree {
	int cgroup;                       /* its directory; -1: none */
	int events;                       /* its cgroup.events */
	int64_t leader;                   /* of the process group */
	struct ringline_process *born;    /* the same; NULL: there was none yet, or it is over */
	char path[PATH_MAX];
};

/* The cgroup in which those of units are made; before anything else, if at all. 0 or -errno. */
int unit_tree_below(const char *cgroup);

/* Without a cgroup, if there is none to be had: -errno then. */
int unit_tree_open(struct unit_tree *t, const char *unit);
void unit_tree_close(struct unit_tree *t);

/* Has this process been made by the unit? Only sure as long as it lives. */
bool unit_tree_has(const struct unit_tree *t, int64_t pid);

bool unit_tree_empty(struct unit_tree *t);

/* Waits until it is empty, or the event is set: 0; -errno. */
int unit_tree_wait(struct unit_tree *t, struct ringline_event *event);

#endif
