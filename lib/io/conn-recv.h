/* SPDX-License-Identifier: MIT */
/* What the files that receive share: the reader, and the input queue. */
#ifndef RLN_IO_CONN_RECV_H
#define RLN_IO_CONN_RECV_H

#include "io/conn.h"

/* The task that waits for input; on its stack. */
struct rln_reader {
	struct rln_wait wait;
	unsigned char *buf;               /* NULL: peek */
	size_t want;
	size_t min;                       /* it is satisfied with this many */
	size_t got;
	struct ringline_conn *sink;       /* it stops waiting when this one closes; NULL: none */
};

/*
 * Waits until the reader is satisfied. 0 if it is, or has met the end of the stream (c->eof); otherwise -errno. The caller
 * has entered the connection.
 */
int rln_conn_receive(struct ringline_conn *c, struct rln_reader *r, struct ringline_task *t) rln_must_check;

/* The same for whoever has the turn to receive. */
int rln_conn_receive_in_turn(struct ringline_conn *c, struct rln_reader *r, struct ringline_task *t) rln_must_check;

/* What a call returns that does not wait and found nothing: 0 at the end; the error; the cut of its scope; -EAGAIN. */
ssize_t rln_conn_nothing_yet(struct ringline_conn *c);

/* Does a task receive already? */
static inline bool rln_conn_read_busy(const struct ringline_conn *c)
{
	return rln_source_waited_on(&c->reader) || c->recv_turn;
}

/* The first segment of the queue, which is not empty. */
static inline struct rln_segment *rln_conn_head(const struct ringline_conn *c)
{
	return rln_list_entry(c->input.next, struct rln_segment, link);
}

/* Its bytes are on their way to somebody: from now on it cannot be moved. */
static inline void rln_segment_lend(struct rln_segment *s)
{
	rln_list_del(&s->held);
	s->lent = true;
}

/* Puts *n* bytes of a block before all that is buffered. Takes over the reference. 0 or -ENOMEM. */
int rln_conn_unreceive(struct ringline_conn *c, struct rln_buf *block, size_t n) rln_must_check;

/* Drops the first *n* buffered bytes, of which there are as many. */
void rln_conn_drop(struct ringline_conn *c, size_t n);

/* Frees a segment, on the queue or not. */
void rln_segment_free(struct ringline_conn *c, struct rln_segment *s);

#endif
