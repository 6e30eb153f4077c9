/* SPDX-License-Identifier: MIT */
/*
 * What lies between a connection and its descriptor.
 *
 * A connection speaks to its transport in operations: its receive (RECV, RECV_POOL) and its send (SEND, SENDMSG), with the
 * completions and the contract of core/op.h. The plain transport hands them to the backend as they are. One that encrypts
 * would run operations of its own on the descriptor and complete the connection's with what comes out; to the connection
 * nothing changes, so security needs no second kind of connection. Connecting and closing concern the descriptor and go
 * past the transport.
 *
 *   submit      takes the op over; exactly one terminal completion follows. False: it was over at once (rln_op_submit())
 *   cancel      a request, idempotent; the terminal completion still comes
 *   shut_down   ends the outgoing stream; nothing is in flight on the send side. Does not wait
 */
#ifndef RLN_IO_TRANSPORT_H
#define RLN_IO_TRANSPORT_H

#include "core/op.h"

struct ringline_conn;

struct rln_transport {
	const char *name;
	bool (*submit)(struct ringline_conn *c, struct rln_op *op);
	void (*cancel)(struct ringline_conn *c, struct rln_op *op);
	void (*shut_down)(struct ringline_conn *c);
};

extern const struct rln_transport rln_transport_plain;

#endif
