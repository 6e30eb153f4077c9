/* SPDX-License-Identifier: MIT */
/*
 * How many connections an address has, in all and from each source.
 *
 * The listeners of all workers on one address share a crowd. A connection enters when it is accepted and leaves when its
 * descriptor is closed. A source is an IP address; of a unix socket, the user at the other end. Any thread; one lock, taken
 * for connections of listeners that have such a limit and for nothing else.
 */
#ifndef RLN_IO_CROWD_H
#define RLN_IO_CROWD_H

#include "base/compiler.h"

struct rln_crowd;
struct rln_crowd_place;

/* With one reference. 0: no limit. NULL: no memory. */
struct rln_crowd *rln_crowd_new(uint32_t max, uint32_t max_per_source) rln_must_check;
struct rln_crowd *rln_crowd_ref(struct rln_crowd *c);
void rln_crowd_unref(struct rln_crowd *c);

/* Counts an accepted socket, and takes a reference on the crowd. NULL: there are too many, or no memory. */
struct rln_crowd_place *rln_crowd_enter(struct rln_crowd *c, int fd) rln_must_check;

/* No effect without a crowd. */
void rln_crowd_leave(struct rln_crowd *c, struct rln_crowd_place *p);

#endif
