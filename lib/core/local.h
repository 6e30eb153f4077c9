/* SPDX-License-Identifier: MIT */
/*
 * Values that belong to a task, by key.
 *
 * Keys are the process's: a table of a few, with a generation each, so that a value which was set under a key that was freed
 * since is never found under the next one. A task that has set a value has an array as long as the table; most have none.
 */
#ifndef RLN_CORE_LOCAL_H
#define RLN_CORE_LOCAL_H

#include "base/compiler.h"

struct ringline_task;

struct rln_local_value {
	void *value;
	uint32_t gen;             /* of the key when it was set */
};

/* Gives a new task what it inherits. 0 or -ENOMEM. */
int rln_locals_inherit(struct ringline_task *t, const struct ringline_task *parent) rln_must_check;

/* Destroys what a task leaves, and frees the array. */
void rln_locals_end(struct ringline_task *t);

#endif
