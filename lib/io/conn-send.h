/* SPDX-License-Identifier: MIT */
/* What the files that send share: the items of the output queue. */
#ifndef RLN_IO_CONN_SEND_H
#define RLN_IO_CONN_SEND_H

#include <sys/uio.h>

#include "io/conn.h"

/* What is to leave, or a task's turn at the descriptor. On the stack of the call that waits for it, or the library's. */
struct rln_send {
	struct rln_list link;             /* ringline_conn.output */
	struct rln_wait wait;             /* of the call; not used if it is queued */
	const struct iovec *iov;          /* the first piece with bytes left */
	size_t niov;
	size_t skip;                      /* bytes of it that have left */
	size_t left;                      /* bytes of the item that have not */
	const void *control;              /* ancillary data that goes with its first byte; NULL: none */
	size_t control_len;
	bool in_kernel;                   /* or, of a turn: it has been given */
	bool withdrawn;                   /* the caller was cut and waits for the operation to end */
	bool queued;                      /* the send of a struct rln_queued_send: nobody waits for it */
	bool turn;                        /* nothing to send: while it is first, whoever put it there writes by himself */
	bool zero_copy;                   /* queued, and the kernel may send it from where it lies */
};

void rln_send_init(struct rln_send *s, const struct iovec *iov, size_t niov, size_t len);

/* 0 if something may be queued; -EPIPE, or what ended the sending. */
int rln_conn_may_send(const struct ringline_conn *c);

/* Queues the item of a parked call and waits until it has left. Its length, or -errno. The caller has entered. */
ssize_t rln_conn_send_item(struct ringline_conn *c, struct rln_send *s, struct ringline_task *t);

/*
 * Queues bytes that lie in *buf*, of which it takes a reference, and returns at once. *room* bytes behind them are free, if
 * it is a block of one's own. 0 or -ENOMEM.
 */
int rln_conn_queue(struct ringline_conn *c, struct rln_buf *buf, const void *data, size_t len, size_t room,
                   bool zero_copy) rln_must_check;

/* Copies bytes behind those of the last item, if that has room and is not on its way. */
bool rln_conn_extend(struct ringline_conn *c, const void *data, size_t len);

/* At the end of the queue, and out of it. */
void rln_conn_append(struct ringline_conn *c, struct rln_send *s);
void rln_conn_remove(struct ringline_conn *c, struct rln_send *s);

/* Makes sure that a vectored send, which ancillary data needs, finds its memory. False: there is none. */
bool rln_conn_reserve_batch(struct ringline_conn *c);

/* Cancels what is in flight. */
void rln_conn_send_cancel(struct ringline_conn *c);

/* Is a send operation in flight? */
static inline bool rln_conn_sending(const struct ringline_conn *c)
{
	return rln_op_inflight(&c->send) || c->zero_copying;
}

#endif
