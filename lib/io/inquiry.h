/* SPDX-License-Identifier: MIT */
/*
 * Lookups of one worker: who asks what, on a thread of the pool.
 *
 *     question --an equal inquiry is under way--> one asker more
 *         |     --an equal one was kept---------> over at once
 *         +-> ASKING: a job of class dns --ends--> every asker is told; then it is KEPT for a while, or gone
 *               | the last asker leaves
 *               +-- queued: the job is taken back, and it is gone
 *               +-- running: the job is abandoned, and its thread frees it
 *               +-- just ended: the end is under way to the worker, and the last asker waits for it
 *
 * Inquiries are found by what they ask, in a table. One that is abandoned is in it no more: the next asker gets a thread that
 * is not stuck. An inquiry under way has an asker, and so a task that keeps its worker alive.
 */
#ifndef RLN_IO_INQUIRY_H
#define RLN_IO_INQUIRY_H

#include "io/io.h"
#include "io/lookup.h"

struct rln_inquiry;

/* Somebody who wants an answer; in the memory of whoever asks. */
struct rln_asker {
	struct rln_list link;             /* rln_inquiry.askers */
	struct rln_inquiry *inquiry;
	void (*over)(struct rln_asker *a);
	struct ringline_lookup *found;    /* the asker's own reference, if the result is 0 */
	int code;                         /* EAI_*; 0: none */
	int result;                       /* 0 or -errno */
};

enum {
	RLN_ASKED,                        /* over() will be called */
	RLN_ANSWERED,                     /* it is over already, and over() will not be called */
};

/* Asks for *a* (over filled in). One of the above, or -EAGAIN, -ENOMEM. A patient asker's queue has no limit. */
int rln_asker_ask(struct rln_asker *a, const struct rln_question *q, bool patient) rln_must_check;

/* Stops waiting. False: over() is about to be called. */
bool rln_asker_leave(struct rln_asker *a) rln_must_check;

/* Asks and parks until it is over. 0 with a reference in *ret, or -errno; *code as rln_lookup_ask(). */
int rln_lookup_wait(struct ringline_lookup **ret, int *code, const struct rln_question *q, struct ringline_task *t) rln_must_check;

void rln_inquiries_init(struct rln_io *io);
void rln_inquiries_fini(struct rln_io *io);

#endif
