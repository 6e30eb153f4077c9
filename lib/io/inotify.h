/* SPDX-License-Identifier: MIT */
/*
 * inotify(7): a descriptor as a file that is a stream, and the events that were read from it and not handed out.
 *
 *     OPEN --close--> CLOSING --nobody reads any more--> gone
 */
#ifndef RLN_IO_INOTIFY_H
#define RLN_IO_INOTIFY_H

#include "base/slab.h"
#include "io/io.h"

struct ringline_file;

struct ringline_inotify {
	struct rln_slot slot;
	struct rln_io *io;
	struct ringline_file *file;
	char *events;
	size_t at;
	size_t len;
	bool busy;                        /* somebody reads */
	bool closing;
};

void rln_inotifies_init(struct rln_io *io);

/* Frees what instances hold that nobody has closed; their files are closed already. */
void rln_inotifies_fini(struct rln_io *io);

#endif
