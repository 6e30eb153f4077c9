/* SPDX-License-Identifier: MIT */
/*
 * Watches: readiness of descriptors that are not ours.
 *
 *     IDLE --somebody waits--> ARMED --events--> READY --taken--> IDLE
 *                                |
 *                                +--free, close--> ENDING --the operation is over--> gone (or dead, if its owner has yet
 *                                                                                    to free it)
 *
 * The poll operation stays armed from wait to wait until it has something to say, so waiting again costs nothing. A wait
 * for one descriptor is a watch for the time of the call, an operation one that ends with its first event.
 */
#ifndef RLN_IO_FD_H
#define RLN_IO_FD_H

#include "core/handle.h"
#include "core/op.h"
#include "core/wait.h"
#include "io/io.h"
#include "ringline/fd.h"

struct ringline_fd_watch {
	struct rln_slot slot;
	struct rln_io *io;
	int fd;                           /* -1: it was closed */
	uint32_t events;
	int64_t ready;                    /* events nobody has taken yet, or -errno; 0: none */
	bool freed;                       /* goes when its operation is over */
	struct rln_source waiters;
	struct ringline_op *handle;       /* the operation that it stands for; NULL */
	struct rln_op op;
};

void rln_fd_init(struct rln_io *io);
void rln_fd_fini(struct rln_io *io);

/* Ends what nobody will end any more: the worker stops. */
void rln_fd_end_all(struct rln_io *io);

#endif
