/* SPDX-License-Identifier: MIT */
/*
 * Turns: a task moves bytes between a connection's descriptor and somewhere else, past the queues.
 *
 * A turn to send is an item of the output queue. It comes when all that was queued before has left, and what is queued
 * meanwhile waits behind it. A turn to receive keeps other tasks from receiving; its owner may receive in the usual way, or
 * stop the library's own receiving and read by hand once what was buffered is used up.
 *
 * While a turn lasts the descriptor stays open, whatever becomes of the connection: an abort wakes its owner, who finds
 * the connection gone and ends the turn, and with the end of the last turn the descriptor is closed.
 */
#ifndef RLN_IO_CONN_TURN_H
#define RLN_IO_CONN_TURN_H

#include "io/conn-send.h"

struct rln_send_turn {
	struct rln_send item;
	struct ringline_conn *conn;
	struct ringline_task *task;
};

/* Waits for it. 0, or why it did not come. */
int rln_send_turn_begin(struct rln_send_turn *turn, struct ringline_conn *c, struct ringline_task *t) rln_must_check;
void rln_send_turn_end(struct rln_send_turn *turn);

/* Sends all bytes, or -errno. */
int rln_send_turn_send(struct rln_send_turn *turn, const void *data, size_t len) rln_must_check;

/* Waits until the descriptor may be writable. 0 or -errno. */
int rln_send_turn_wait(struct rln_send_turn *turn) rln_must_check;

struct rln_recv_turn {
	struct ringline_conn *conn;
	struct ringline_task *task;
	struct ringline_conn *sink;       /* waiting ends when this one closes */
};

/* 0; -EBUSY: another task receives. */
int rln_recv_turn_begin(struct rln_recv_turn *turn, struct ringline_conn *c, struct ringline_conn *sink,
                        struct ringline_task *t) rln_must_check;
void rln_recv_turn_end(struct rln_recv_turn *turn);

/* The library's own receiving stops, and begins again. What it still had under way may be buffered when this returns. */
int rln_recv_turn_by_hand(struct rln_recv_turn *turn) rln_must_check;
void rln_recv_turn_by_library(struct rln_recv_turn *turn);

/* Waits until the descriptor may be readable. 0 or -errno. By hand only. */
int rln_recv_turn_wait(struct rln_recv_turn *turn) rln_must_check;

/*
 * Can bytes be moved by calls on the descriptor itself that do not block? Not through a transport that changes them, not
 * where that would take a flag which the descriptor shares with others, and not where other descriptors may come along.
 */
bool rln_conn_by_hand(struct ringline_conn *c);

#endif
