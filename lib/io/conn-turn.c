/* SPDX-License-Identifier: MIT */
/* Turns; conn-turn.h tells the idea. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "io/conn-fds.h"
#include "io/conn-recv.h"
#include "io/conn-turn.h"
#include "io/transport.h"

bool rln_conn_by_hand(struct ringline_conn *c)
{
	int flags;

	if (c->transport != &rln_transport_plain || c->family == AF_UNSPEC || rln_conn_wants_fds(c))
		return false;
	if (c->nonblocking)
		return true;
	flags = fcntl(c->fd, F_GETFL);
	if (flags < 0 || (c->adopted && !(flags & O_NONBLOCK)))
		return false;
	c->nonblocking = (flags & O_NONBLOCK) || fcntl(c->fd, F_SETFL, flags | O_NONBLOCK) == 0;
	return c->nonblocking;
}

static const struct rln_what what_turn = { .name = "turn at the descriptor", .describe = rln_conn_describe };

/*
 * Waits for the end of an operation whose completion fires *s*. A cut cancels it, and so does the close of *sink*, if there is
 * one; the cut is returned when it has ended.
 */
static int await(struct ringline_conn *c, struct rln_op *op, struct rln_source *s, const struct rln_recv_turn *turn,
                 struct ringline_task *t, enum rln_conn_limit limit)
{
	struct ringline_conn *sink = turn ? turn->sink : NULL;
	struct rln_parker p;
	struct rln_wait other;
	struct rln_wait w;
	int cut = 0;

	while (rln_op_inflight(op)) {
		rln_parker_init(&p, t, &what_turn, c);
		rln_wait_arm(&w, &p, s);
		rln_wait_arm(&other, &p, sink ? &sink->writable : NULL);
		if (cut)
			rln_park_shielded(&p);
		else
			cut = rln_conn_park(c, &p, &w, s, limit);
		rln_wait_disarm(&w);
		rln_wait_disarm(&other);
		if (!cut && sink && sink->state != RLN_CONN_OPEN)
			cut = rln_conn_gone(sink);
		if (cut)
			rln_op_cancel(op);
	}
	return cut;
}

/* What a turn's owner gets to know when an operation of his is over. */
static int outcome(const struct ringline_conn *c, int cut)
{
	if (c->state >= RLN_CONN_FINISHING)
		return rln_conn_gone(c);
	return cut;
}

/* Sending */

int rln_send_turn_begin(struct rln_send_turn *turn, struct ringline_conn *c, struct ringline_task *t)
{
	struct rln_parker p;
	int r = rln_conn_may_send(c);

	if (r < 0)
		return r;
	turn->conn = c;
	turn->task = t;
	rln_send_init(&turn->item, NULL, 0, 0);
	turn->item.turn = true;
	rln_conn_enter(c);
	rln_parker_init(&p, t, &what_turn, c);
	rln_wait_arm(&turn->item.wait, &p, NULL);
	rln_conn_append(c, &turn->item);
	rln_conn_send_start(c);
	r = rln_conn_park(c, &p, &turn->item.wait, NULL, RLN_LIMIT_WRITE);
	if (r)
		rln_conn_remove(c, &turn->item);
	else
		r = (int)turn->item.wait.result;
	c->send_turn = r == 0;
	if (r)
		rln_conn_leave(c);
	return r;
}

void rln_send_turn_end(struct rln_send_turn *turn)
{
	struct ringline_conn *c = turn->conn;

	c->send_turn = false;
	rln_conn_remove(c, &turn->item);
	if (c->state < RLN_CONN_FINISHING && c->send_error)
		rln_conn_send_fail(c, c->send_error);
	rln_conn_progress(c);
	rln_conn_leave(c);
}

static void turn_complete(struct rln_op *op, const struct rln_completion *done)
{
	struct ringline_conn *c = rln_container_of(op, struct ringline_conn, send);

	op->arg = (uint64_t)done->res;
	rln_source_fire_all(&c->writable, 0);
}

static int run_send(struct rln_send_turn *turn, enum rln_opcode opcode, const void *data, size_t len)
{
	struct ringline_conn *c = turn->conn;
	struct rln_op *op = &c->send;
	int r = outcome(c, 0);

	op->arg = 0;
	if (r < 0)
		return r;         /* whoever ended it has cancelled what was in flight, and will not come again */
	op->opcode = (uint8_t)opcode;
	op->complete = turn_complete;
	op->ptr = (void *)(uintptr_t)data;
	op->len = len;
	op->flags = opcode == RLN_OP_SEND && rln_exec_may_inline(c->io->exec) ? RLN_OPF_INLINE : 0;
	if (!c->transport->submit(c, op))
		op->arg = op->progress;
	r = await(c, op, &c->writable, NULL, turn->task, RLN_LIMIT_WRITE);
	return outcome(c, r);
}

int rln_send_turn_send(struct rln_send_turn *turn, const void *data, size_t len)
{
	struct ringline_conn *c = turn->conn;
	size_t sent = 0;

	while (sent < len) {
		int r = run_send(turn, RLN_OP_SEND, (const char *)data + sent, len - sent);
		int64_t n = (int64_t)c->send.arg;

		if (n > 0)
			rln_conn_count_sent(c, (size_t)n);
		sent += n > 0 ? (size_t)n : 0;
		if (sent == len)
			break;
		if (r == 0 && n < 0) {
			c->send_error = (int)n;
			r = (int)n;
		}
		if (r)
			return r;
	}
	return 0;
}

int rln_send_turn_wait(struct rln_send_turn *turn)
{
	int r = run_send(turn, RLN_OP_WRITABLE, NULL, 0);

	return r ? r : (int)rln_min((int64_t)turn->conn->send.arg, (int64_t)0);
}

/* Receiving */

int rln_recv_turn_begin(struct rln_recv_turn *turn, struct ringline_conn *c, struct ringline_conn *sink,
                        struct ringline_task *t)
{
	if (rln_conn_read_busy(c))
		return -EBUSY;
	turn->conn = c;
	turn->task = t;
	turn->sink = sink;
	c->recv_turn = true;
	rln_conn_enter(c);
	return 0;
}

void rln_recv_turn_end(struct rln_recv_turn *turn)
{
	struct ringline_conn *c = turn->conn;

	c->recv_by_hand = false;
	c->recv_turn = false;
	if (rln_source_waited_on(&c->readable))
		rln_conn_recv_arm(c);
	rln_conn_progress(c);
	rln_conn_leave(c);
}

int rln_recv_turn_by_hand(struct rln_recv_turn *turn)
{
	struct ringline_conn *c = turn->conn;
	int r;

	c->recv_by_hand = true;
	c->transport->cancel(c, &c->recv);
	r = await(c, &c->recv, &c->readable, turn, turn->task, RLN_LIMIT_READ);
	return outcome(c, r);
}

void rln_recv_turn_by_library(struct rln_recv_turn *turn)
{
	turn->conn->recv_by_hand = false;
}

int rln_recv_turn_wait(struct rln_recv_turn *turn)
{
	struct ringline_conn *c = turn->conn;
	int r;

	if (c->state != RLN_CONN_OPEN)
		return rln_conn_gone(c);
	c->recv.opcode = RLN_OP_READABLE;
	c->recv.flags = 0;
	c->transport->submit(c, &c->recv);
	r = await(c, &c->recv, &c->readable, turn, turn->task, RLN_LIMIT_READ);
	return outcome(c, r);
}
