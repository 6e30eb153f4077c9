/* SPDX-License-Identifier: MIT */
/*
 * Connections as cases of ringline_select(): readable, writable.
 *
 * A connection is kept from going while it is waited for, as it is during any call. It becomes readable by receiving, so a
 * wait arms the receive if nothing is buffered; that stays armed, and the next wait finds it so. It is writable when no more
 * than half of what may be queued is.
 */
#include <errno.h>

#include "core/select.h"
#include "io/conn-extra.h"

/* Both begin alike. */
static int enter(struct ringline_case *c, struct rln_select_node *n)
{
	struct ringline_conn *conn = c->object;
	int r = rln_case_check(c, n, &rln_io_current()->conns);

	if (r)
		return r;
	if (conn->state != RLN_CONN_OPEN) {
		c->result = -EBADF;
		return RLN_CASE_GONE;
	}
	rln_conn_enter(conn);
	return 0;
}

static void leave(struct ringline_case *c, struct rln_select_node *n)
{
	(void)n;
	rln_conn_leave(c->object);
}

static bool is_readable(struct ringline_case *c, const struct rln_select_node *n)
{
	const struct ringline_conn *conn = c->object;

	(void)n;
	c->result = (int64_t)conn->buffered;
	if (conn->state != RLN_CONN_OPEN)
		c->result = rln_conn_gone(conn);
	else if (!conn->buffered)
		c->result = conn->recv_error;
	return c->result || conn->eof;
}

static int arm_readable(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	struct ringline_conn *conn = c->object;
	int r = enter(c, n);

	if (r)
		return r;
	if (is_readable(c, n))
		return RLN_CASE_READY;
	rln_wait_arm(&n->wait, p, &conn->readable);
	rln_conn_recv_arm(conn);
	return RLN_CASE_WAITS;
}

static bool is_writable(struct ringline_case *c, const struct rln_select_node *n)
{
	const struct ringline_conn *conn = c->object;

	(void)n;
	c->result = conn->send_error;
	if (conn->state != RLN_CONN_OPEN)
		c->result = rln_conn_gone(conn);
	else if (!conn->send_error && conn->shut_wanted)
		c->result = -EPIPE;
	return c->result || conn->queued <= rln_conn_output_limit(conn) / 2;
}

static int arm_writable(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	struct ringline_conn *conn = c->object;
	int r = enter(c, n);

	if (r)
		return r;
	if (is_writable(c, n))
		return RLN_CASE_READY;
	rln_wait_arm(&n->wait, p, &conn->writable);
	return RLN_CASE_WAITS;
}

static const struct rln_case_kind readable_case = {
	.arm = arm_readable, .settle = is_readable, .take = leave, .disarm = leave
};
static const struct rln_case_kind writable_case = {
	.arm = arm_writable, .settle = is_writable, .take = leave, .disarm = leave
};

void rln_conn_select_init(struct rln_io *io)
{
	io->exec->case_kinds[RINGLINE_CASE_READABLE] = &readable_case;
	io->exec->case_kinds[RINGLINE_CASE_WRITABLE] = &writable_case;
}
