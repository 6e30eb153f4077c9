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
};

/*
 * Waits until the reader is satisfied. 0 if it is, or has met the end of the stream (c->eof); otherwise -errno. The caller
 * has entered the connection.
 */
int rln_conn_receive(struct ringline_conn *c, struct rln_reader *r, struct ringline_task *t) rln_must_check;

/* Drops the first *n* buffered bytes, of which there are as many. */
void rln_conn_drop(struct ringline_conn *c, size_t n);

/* Frees a segment, on the queue or not. */
void rln_segment_free(struct ringline_conn *c, struct rln_segment *s);

#endif
