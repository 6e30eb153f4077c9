/* SPDX-License-Identifier: MIT */
/* What requests about names have in common. */
#ifndef RLN_IO_PATH_H
#define RLN_IO_PATH_H

#include <linux/limits.h>

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
 * A name below a directory for calls that know no directories, by way of /proc; on a thread. Where the way there makes it too
 * long, all but its last part is opened.
 */
struct rln_path_full {
	const char *path;
	int fd;                           /* of the part that was opened; -1: none */
	char room[PATH_MAX];
};

/* 0 or -errno. What was begun with 0 is to be ended. */
int rln_path_full_begin(struct rln_path_full *full, int dirfd, const char *path);
void rln_path_full_end(const struct rln_path_full *full);

#endif
