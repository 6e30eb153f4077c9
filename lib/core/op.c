/* SPDX-License-Identifier: MIT */
/* The life of an operation; op.h draws it. */
#include "core/executor.h"
#include "core/op.h"

static const char *const names[RLN_OP_MAX] = {
	[RLN_OP_NOP] = "nop",
	[RLN_OP_ACCEPT] = "accept",
	[RLN_OP_CONNECT] = "connect",
	[RLN_OP_RECV] = "recv",
	[RLN_OP_RECVMSG] = "recvmsg",
	[RLN_OP_RECV_POOL] = "recv_pool",
	[RLN_OP_SEND] = "send",
	[RLN_OP_SENDMSG] = "sendmsg",
	[RLN_OP_READABLE] = "readable",
	[RLN_OP_WRITABLE] = "writable",
	[RLN_OP_POLL] = "poll",
	[RLN_OP_CLOSE] = "close",
};

const char *rln_opcode_name(unsigned int opcode)
{
	return opcode < RLN_OP_MAX ? names[opcode] : "unknown";
}

static void count_end(struct rln_exec *x, const struct rln_op *op, bool last)
{
	rln_stat_add(&x->stats.completions[op->opcode][x->backend->ops->engine], 1);
	if (last)
		rln_stat_add(&x->stats.ops_ended, 1);
}

bool rln_op_submit(struct rln_op *op)
{
	struct rln_exec *x = rln_exec_current;

	op->state = RLN_OP_INFLIGHT;
	op->flags &= (uint8_t)~RLN_OPF_CANCELLED;
	op->progress = 0;
	rln_stat_add(&x->stats.ops_submitted, 1);
	x->backend->ops->submit(x->backend, op);
	if (rln_likely(op->state == RLN_OP_INFLIGHT))
		return true;
	count_end(x, op, true);
	return false;
}

void rln_op_cancel(struct rln_op *op)
{
	struct rln_exec *x = rln_exec_current;

	if (op->state != RLN_OP_INFLIGHT || (op->flags & RLN_OPF_CANCELLED))
		return;
	op->flags |= RLN_OPF_CANCELLED;
	rln_stat_add(&x->stats.ops_cancelled, 1);
	x->backend->ops->cancel(x->backend, op);
}

void rln_op_complete(struct rln_op *op, const struct rln_completion *c)
{
	bool last = !(c->flags & RLN_C_MORE);

	if (last)
		op->state = RLN_OP_DONE;
	count_end(rln_exec_current, op, last);
	op->complete(op, c);
}
