/* SPDX-License-Identifier: MIT */
/*
 * Where tests of files run. A place is a directory on a file system of a kind:
 *
 *     here     a fresh directory in the test's own working directory
 *     tmpfs    64 MiB
 *     ext4     64 MiB, an image that is mounted through a loop device
 *     xfs      320 MiB, the same
 *     fuse     faultfs, which fails and stalls on demand: tests/support/faultfs.c tells its orders, and what one must
 *              know of the locks that a stalled request holds
 *
 * A place is made when a case needs it first, and stays until the program ends. What the machine cannot give is skipped
 * with the reason, by each case that would have run there.
 *
 * Root gets a mount namespace of its own, so that nobody else sees the mounts and they end with the process, however it
 * ends; who is not root has no tmpfs, ext4 and xfs, and gets fuse where fusermount3 helps. faultfs is a child that dies
 * with the test. No descriptors are left in the test, and the files behind the mounts have no names any more once they
 * are mounted.
 */
#ifndef RLN_TESTS_PLACES_H
#define RLN_TESTS_PLACES_H

#include <stdbool.h>
#include <stdint.h>

#include "support/conformance.h"

/* --- the program -------------------------------------------------------------------------------------------------- */

/* conf_main() of a program that has places; it takes the namespace, and clears up. */
int place_main(int argc, char **argv, const char *topic, void (*add)(void));

/*
 * The case on that place, as /TOPIC/KIND/NAME. *dir* is a fresh directory there, which is removed afterwards with all
 * that is in it; on fuse, nothing fails or waits at the start, and what the case ordered is cleared at its end.
 */
void place_add(const char *topic, const char *kind, const char *name, void (*fn)(const char *dir));

/* The case once on each place. */
void place_add_each(const char *topic, const char *name, void (*fn)(const char *dir));

/* The kind of the place on which the case runs, or NULL; and whether it is that one. */
const char *place_kind(void);
bool place_is(const char *kind);

/* --- places ------------------------------------------------------------------------------------------------------- */

/* The root of a place; NULL if it cannot be had. Like place_end(), only on the main thread, and not in a task. */
const char *place_dir(const char *kind);

/* Why not. */
const char *place_why_not(const char *kind);

/* The place is no more; whoever asks for it next gets a new one. faultfs has ended in order. */
void place_end(const char *kind);

/* --- faults ------------------------------------------------------------------------------------------------------- */

/* An order to faultfs, like "fail write ENOSPC 1". In a task and on a thread. */
void place_fault(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Waits until at least one request of that operation, or so many, are stalled. */
void place_stalled(const char *operation);
void place_stalled_many(const char *operation, unsigned int n);

/* How many are stalled now; how many requests of that operation there have been since the place was made. */
unsigned int place_stalled_now(const char *operation);
uint64_t place_count(const char *operation);

#endif
