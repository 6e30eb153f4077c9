/* SPDX-License-Identifier: MIT */
/* Datagram sockets as cases of ringline_select(). A socket is kept from going while it is waited for. */
#include <errno.h>

#include "core/select.h"
#include "io/dgram.h"

static int enter_case(struct ringline_case *c, struct rln_select_node *n)
{
	struct ringline_dgram *s = c->object;
	int r = rln_case_check(c, n, &rln_io_current()->dgram_slab);

	if (r)
		return r;
	if (s->closing) {
		c->result = -EBADF;
		return RLN_CASE_GONE;
	}
	rln_dgram_enter(s);
	return 0;
}

static void leave_case(struct ringline_case *c, struct rln_select_node *n)
{
	(void)n;
	rln_dgram_leave(c->object);
}

/* How many there are; 0: an error or the end, which the call will tell, or a peer to accept. */
static bool receivable(struct ringline_case *c, const struct rln_select_node *n)
{
	struct ringline_dgram *s = c->object;

	(void)n;
	c->result = s->closing ? -ECONNABORTED : 0;
	if (s->closing || (s->listening && s->more))
		return true;
	if (!rln_dgram_has_some(s))
		return false;
	c->result = rln_dgram_queued(s);
	return true;
}

static int arm_receivable(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	struct ringline_dgram *s = c->object;
	int r = enter_case(c, n);

	if (r)
		return r;
	if (receivable(c, n))
		return RLN_CASE_READY;
	rln_wait_arm(&n->wait, p, &s->readers);
	rln_dgram_arm_read(s);
	return RLN_CASE_WAITS;
}

/* Whether there is room only the engine knows. */
static int arm_sendable(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	struct ringline_dgram *s = c->object;
	int r = enter_case(c, n);

	if (r)
		return r;
	rln_wait_arm(&n->wait, p, &s->writers);
	rln_dgram_arm_write(s);
	return RLN_CASE_WAITS;
}

static bool sendable(struct ringline_case *c, const struct rln_select_node *n)
{
	const struct ringline_dgram *s = c->object;

	(void)n;
	c->result = s->closing ? -ECONNABORTED : 0;
	return true;
}

static const struct rln_case_kind receive_case = {
	.arm = arm_receivable, .settle = receivable, .take = leave_case, .disarm = leave_case
};
static const struct rln_case_kind send_case = {
	.arm = arm_sendable, .settle = sendable, .take = leave_case, .disarm = leave_case
};

void rln_dgram_select_init(struct rln_io *io)
{
	io->exec->case_kinds[RINGLINE_CASE_DATAGRAM] = &receive_case;
	io->exec->case_kinds[RINGLINE_CASE_SENDABLE] = &send_case;
}
