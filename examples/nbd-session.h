/* SPDX-License-Identifier: MIT */
/*
 * The transmission phase of a connection.
 *
 *     reader --job--+-- read, in the cache ---------------> replies --> sender --> free
 *                   +-- task: read, write, flush, trim ... --^
 *
 * nbd-session.c reads requests and carries them out, nbd-reply.c answers them.
 */
#ifndef EXAMPLES_NBD_SESSION_H
#define EXAMPLES_NBD_SESSION_H

#include <ringline/ringline.h>

#include "nbd-job.h"
#include "nbd-protocol.h"

/* How long something is kept waiting for company. */
#define NBD_HOLD (60 * RINGLINE_NSEC_PER_USEC)

/* Reads of so many bytes are sent from the file. */
#define NBD_FROM_FILE (64u * 1024)

struct nbd_session {
	struct ringline_conn *conn;
	struct ringline_file *file;
	const struct nbd_terms *terms;
	struct ringline_scope *scope;     /* of all jobs' tasks */
	struct ringline_semaphore *permits;
	struct ringline_event *company;   /* as many replies wait as the sender waits for */
	struct nbd_job *first;            /* replies that wait to leave */
	struct nbd_job **last;
	uint32_t waiting;                 /* how many they are */
	uint32_t together;                /* how many leave together at least; 1: the client has no more under way */
	uint32_t wanted;                  /* how many the sender waits for this time */
	uint32_t sends;                   /* since that was changed */
	uint32_t patience;                /* sends after which it is tried whether there are more */
	uint32_t alone;                   /* the same, while there was no more than one under way: it grows */
	uint32_t plain;                   /* requests since the last one that was not a small read of what is in the cache */
	uint32_t gathered;                /* requests that the kernel lets come together; 0: it cannot */
	bool urgent;                      /* one of them has been waited for by now */
	bool sending;                     /* there is a task that sends them */
	bool broken;                      /* there is nobody to send them to */
};

/* Serves requests until the client disconnects, breaks the protocol or is gone, or the server shuts down; what is under way
 * has then ended. Suspends. Returns 0, or why it ended. */
int nbd_session_run(struct ringline_conn *conn, struct ringline_file *file, const struct nbd_terms *terms);

/* The end of a job: its request is answered, with an error or with nothing, with the data it has read (or, from NBD_FROM_FILE
 * on, the file has), or with so many extents. at_once: its client has not had to wait. The job is ended when that has left. */
void nbd_reply_status(struct nbd_job *job, uint32_t error, bool at_once);
void nbd_reply_read(struct nbd_job *job, bool at_once);
void nbd_reply_extents(struct nbd_job *job, size_t n);

/* So many are all that the client has under way: it has had no answer for a while. */
void nbd_reply_all_there(struct nbd_session *s, uint32_t n);

/* Gives a job's memory and permits back. */
void nbd_session_end_job(struct nbd_job *job);

/* Has a task of the session run fn(arg), or runs it here if there is none to be had. */
void nbd_session_start(struct nbd_session *s, int (*fn)(void *arg), void *arg);

/* Runs fn(arg) where no shutdown reaches it before the drain time is over. */
int64_t nbd_session_shielded(int64_t (*fn)(void *arg), void *arg);

#endif
