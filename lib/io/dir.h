/* SPDX-License-Identifier: MIT */
/*
 * Directories as streams: a file, and the entries that the last getdents64(2) brought.
 *
 * One task reads at a time; what it waits for is a request on the file.
 */
#ifndef RLN_IO_DIR_H
#define RLN_IO_DIR_H

#include "base/slab.h"
#include "io/io.h"

struct ringline_file;

struct ringline_dir {
	struct rln_slot slot;
	struct rln_io *io;
	struct ringline_file *file;
	char *entries;
	size_t at;
	size_t len;
	bool busy;
};

void rln_dirs_init(struct rln_io *io);

/* Frees what the streams hold that nobody has closed; their files are closed already. */
void rln_dirs_fini(struct rln_io *io);

#endif
