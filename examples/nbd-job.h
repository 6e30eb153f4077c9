/* SPDX-License-Identifier: MIT */
/*
 * Jobs: requests under way, or the pieces of large writes, with the memory for their data and their reply.
 *
 *     [ ... | head | data ... ]        a reply's header is written so that it ends where the data begins:
 *            ^reply                    header and data leave as one piece of memory
 *
 * They come from a pool of the worker's that keeps what was given back, by size, up to a limit: nothing is allocated for a
 * request of a kind the worker has had before, and the memory used last, which is still in the processor's cache, is used
 * again first.
 */
#ifndef EXAMPLES_NBD_JOB_H
#define EXAMPLES_NBD_JOB_H

#include <stdalign.h>

#include <ringline/ringline.h>

#include "nbd-protocol.h"

/* What is received at a time: larger writes are cut into pieces. */
#define NBD_PIECE ((uint32_t)256 * 1024)

#define NBD_HEAD 64u

struct nbd_session;

struct nbd_job {
	struct nbd_job *next;             /* of those that wait to leave, or of the pool's */
	struct nbd_session *session;
	struct nbd_job *whole;            /* of which it is a piece; NULL: it is all of its request */
	int64_t (*run)(struct nbd_job *job);
	struct nbd_request request;       /* of a piece: offset and length are its own */
	bool from_file;                   /* its reply is a header; the data are sent behind it from the file */
	uint32_t pieces;                  /* of a whole: that have not ended */
	uint32_t error;                   /* of a whole: the first of its pieces' */
	uint32_t permits;                 /* of the session's, that it holds */
	uint32_t room;                    /* bytes of data */
	const unsigned char *reply;
	size_t reply_length;
	alignas(64) unsigned char head[NBD_HEAD];
	unsigned char data[];
};

/* One with room for length bytes of data, at most NBD_PIECE; NULL: no memory. On the calling worker. */
struct nbd_job *nbd_job_new(size_t length);
void nbd_job_free(struct nbd_job *job);

/* What all workers keep; they must have ended. */
void nbd_jobs_fini(void);

#endif
