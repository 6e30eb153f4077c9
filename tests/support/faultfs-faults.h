/* SPDX-License-Identifier: MIT */
/*
 * What faultfs does to requests on demand. Each request of an operation passes faults_meet() before it does anything:
 * there it is counted, waits while its operation is stalled, and learns how it is to fail. Reads and writes ask
 * faults_cut() besides how much they may move.
 *
 * A request that is stalled ends in one of four ways: by "release" or "clear", or at the end of the file system, and
 * then it goes on as if nothing had been; by an interrupt, once "interruptible" was said; or because its caller is
 * being killed, or has exited and is closing its files: a process that cannot die would keep the whole test run. The
 * last two fail with EINTR.
 */
#ifndef RLN_TESTS_FAULTFS_FAULTS_H
#define RLN_TESTS_FAULTFS_FAULTS_H

#include <stddef.h>

#include "support/faultfs.h"

enum fault_op {
	FAULT_OPEN,
	FAULT_CREATE,
	FAULT_READ,
	FAULT_WRITE,
	FAULT_FSYNC,
	FAULT_GETATTR,
	FAULT_READDIR,
	FAULT_RENAME,
	FAULT_UNLINK,
	FAULT_MKDIR,
	FAULT_RMDIR,
	FAULT_LINK,
	FAULT_SYMLINK,
	FAULT_READLINK,
	FAULT_TRUNCATE,
	FAULT_FALLOCATE,
	FAULT_CHMOD,
	FAULT_CHOWN,
	FAULT_UTIMENS,
	FAULT_SETXATTR,
	FAULT_GETXATTR,
	FAULT_LISTXATTR,
	FAULT_REMOVEXATTR,
	FAULT_RELEASE,
	FAULT_FLUSH,
	FAULT_LOOKUP,
	FAULT_OPS,
};

/* 0, or the errno that the request is to be answered with. */
int faults_meet(fuse_req_t req, enum fault_op op);

/* How many of n bytes the request may move. */
size_t faults_cut(enum fault_op op, size_t n);

/* What was written to the control file: lines. 0 or an errno: the lines before the one that is wrong were obeyed. */
int faults_control(const char *text, size_t n);

/* The text of the file of counts; to be freed by g_free(). */
char *faults_counts(void);

/* Nothing waits any more, and nothing will. */
void faults_end(void);

#endif
