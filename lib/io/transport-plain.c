/* SPDX-License-Identifier: MIT */
/*
 * The transport of connections whose bytes go over the wire as they are.
 *
 * shutdown(2) is called directly: it never waits, nothing is in flight on the send side, and io_uring would hand it to a
 * kernel thread. It fails only if the peer is gone, which the next operation on the connection reports.
 */
#include <sys/socket.h>

#include "io/conn.h"
#include "io/transport.h"

static bool plain_submit(struct ringline_conn *c, struct rln_op *op)
{
	op->fd = c->fd;
	return rln_op_submit(op);
}

static void plain_cancel(struct ringline_conn *c, struct rln_op *op)
{
	(void)c;
	rln_op_cancel(op);
}

static void plain_shut_down(struct ringline_conn *c)
{
	shutdown(c->fd, SHUT_WR);
}

const struct rln_transport rln_transport_plain = {
	.name = "plain",
	.submit = plain_submit,
	.cancel = plain_cancel,
	.shut_down = plain_shut_down,
};
