/* SPDX-License-Identifier: MIT */
/*
 * Which devices are file systems of this machine, as far as opens have shown. What lies on one can be looked at and opened by
 * the worker itself if its name is in the cache; of what else there is nobody knows how long that takes.
 *
 * A number may come to mean another file system when something is mounted. So the kernel is asked first whether anything was
 * (/proc/self/mountinfo, proc(5)): then all that is known is forgotten.
 */
#ifndef RLN_IO_LOCALITY_H
#define RLN_IO_LOCALITY_H

#include "io/io.h"

void rln_locality_init(struct rln_io *io);
void rln_locality_fini(struct rln_io *io);

/* A file system of this machine has that number. */
void rln_locality_learn(struct rln_io *io, uint64_t device);

/* Is it known to be one? Asks the kernel, and does not wait. */
bool rln_locality_known(struct rln_io *io, uint64_t device);

#endif
