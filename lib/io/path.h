/* SPDX-License-Identifier: MIT */
/* What requests about names have in common. */
#ifndef RLN_IO_PATH_H
#define RLN_IO_PATH_H

#include "io/file.h"
#include "io/request.h"
#include "ringline/path.h"

/* A request about a name: checked, with the directory held. 0 or -errno. */
int rln_path_prepare(struct rln_request *q, unsigned int opcode, struct ringline_file *dir, const char *path,
                     const char *call);

/* The second name of a request that has two. */
int rln_path_prepare_second(struct rln_request *q, struct ringline_file *dir, const char *path, const char *call);

/* Fills in a statx of the file (path NULL) or of the name. */
int rln_path_prepare_stat(struct rln_request *q, struct ringline_file *file, const char *path, int flags, uint32_t mask,
                          struct ringline_stat *stat, const char *call);

/* What statx(2) told, as the caller knows it; *out* with its size set. */
int rln_path_stat_out(struct ringline_stat *out, const struct statx *sx);

/*
 * A name below a directory for calls that know no directories, by way of /proc; on a thread. *room* for PATH_MAX bytes. NULL:
 * too long.
 */
const char *rln_path_full(char *room, int dirfd, const char *path);

#endif
