/* SPDX-License-Identifier: MIT */
/*
 * The end of a connection, and the one place that decides what comes next.
 *
 * rln_conn_progress() runs after every completion and every request to end. It sends what is queued; when nothing is, it
 * does what waits behind the data: shut down the outgoing stream, or cancel the receive, wait until no operation is in
 * flight, and close the descriptor through the backend. A connection that is aborted skips the queue. A graceful close also
 * waits for the memory of zero-copy sends: only as long as there is a descriptor can the kernel be made to let go of it.
 */
#include <errno.h>
#include <sys/socket.h>

#include "io/conn-extra.h"
#include "io/conn-send.h"
#include "io/listener.h"
#include "io/transport.h"

static void shut_down(struct ringline_conn *c)
{
	c->shut_done = true;
	c->transport->shut_down(c);
}

static void closed(struct rln_op *op, const struct rln_completion *done)
{
	struct ringline_conn *c = rln_container_of(op, struct ringline_conn, send);
	struct rln_io *io = c->io;

	(void)done;               /* the descriptor is gone whatever close(2) says */
	c->state = RLN_CONN_CLOSED;
	c->fd = -1;
	io->nopen--;
	rln_stat_add(&io->stats.open, UINT64_MAX);
	rln_stat_add(&io->stats.closed, 1);
	if (c->aborted)
		rln_stat_add(&io->stats.aborted, 1);
	rln_conn_free_unused(c);
	rln_io_descriptor_freed(io);
}

static void submit_close(struct ringline_conn *c)
{
	rln_conn_extra_end(c);
	c->send.opcode = RLN_OP_CLOSE;
	c->send.complete = closed;
	c->send.fd = c->fd;
	c->send.flags = 0;
	rln_op_submit(&c->send);
}

/* Cancels what is in flight; when nothing is, closes. Called again by each completion in between. */
static void finish(struct ringline_conn *c)
{
	c->state = RLN_CONN_FINISHING;
	c->transport->cancel(c, &c->recv);
	rln_conn_send_cancel(c);
	if (!rln_op_inflight(&c->recv) && !rln_conn_sending(c) && !c->recv_turn && !c->send_turn)
		submit_close(c);
}

void rln_conn_progress(struct ringline_conn *c)
{
	if (c->state == RLN_CONN_FINISHING) {
		if (c->send.opcode != RLN_OP_CLOSE)
			finish(c);
		return;
	}
	if (rln_conn_sending(c))
		return;
	if (!rln_list_empty(&c->output)) {
		rln_conn_send_start(c);
		return;
	}
	rln_conn_tell_writable(c);
	if (c->shut_wanted && !c->shut_done)
		shut_down(c);
	if (c->state == RLN_CONN_CLOSING && !c->nzero_copy)
		finish(c);
}

/* Without memory for the timer the close cannot be bounded, so it is not graceful unless it is immediate. */
static bool may_linger(struct ringline_conn *c)
{
	if (rln_list_empty(&c->output) && !c->nzero_copy)
		return true;
	return rln_conn_extra(c) &&
	       rln_timer_arm(c->io->exec, &c->extra->linger,
	                     rln_time_add(rln_clock_now(c->io->exec->clock), rln_conn_close_timeout(c))) == 0;
}

void rln_conn_close(struct ringline_conn *c)
{
	if (c->state != RLN_CONN_OPEN)
		return;
	if (!may_linger(c)) {
		rln_conn_abort(c);
		return;
	}
	c->state = RLN_CONN_CLOSING;
	rln_conn_tell_writable(c);
	rln_conn_recv_end(c);
	rln_handler_wake(c);
	rln_conn_progress(c);
}

void rln_conn_abort(struct ringline_conn *c)
{

	static const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	if (c->state >= RLN_CONN_FINISHING)
		return;
	if (c->state == RLN_CONN_CONNECTING) {
		rln_op_cancel(&c->send);   /* it ends with who connects, who may have yet to see that it is over */
		return;
	}
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));   /* on a unix socket it has no effect */
	c->aborted = true;
	c->state = RLN_CONN_FINISHING;
	rln_conn_recv_end(c);
	rln_conn_send_fail(c, rln_conn_gone(c));
	rln_handler_wake(c);
	finish(c);
}

void rln_conn_time_out(struct ringline_conn *c)
{
	rln_stat_add(&c->io->stats.timed_out, 1);
	c->timed_out = true;
	rln_conn_abort(c);
}
