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
	[RLN_OP_READ] = "read",
	[RLN_OP_WRITE] = "write",
	[RLN_OP_READV] = "readv",
	[RLN_OP_WRITEV] = "writev",
	[RLN_OP_FSYNC] = "fsync",
	[RLN_OP_SYNC_RANGE] = "sync_range",
	[RLN_OP_FALLOCATE] = "fallocate",
	[RLN_OP_FTRUNCATE] = "ftruncate",
	[RLN_OP_FADVISE] = "fadvise",
	[RLN_OP_STATX] = "statx",
	[RLN_OP_RENAME] = "rename",
	[RLN_OP_UNLINK] = "unlink",
	[RLN_OP_MKDIR] = "mkdir",
	[RLN_OP_LINK] = "link",
	[RLN_OP_SYMLINK] = "symlink",
	[RLN_OP_GETXATTR] = "getxattr",
	[RLN_OP_SETXATTR] = "setxattr",
	[RLN_OP_NVME] = "nvme",
	[RLN_OP_OPEN] = "open",
	[RLN_OP_READLINK] = "readlink",
	[RLN_OP_CHMOD] = "chmod",
	[RLN_OP_CHOWN] = "chown",
	[RLN_OP_UTIMENS] = "utimens",
	[RLN_OP_TRUNCATE] = "truncate",
	[RLN_OP_LISTXATTR] = "listxattr",
	[RLN_OP_REMOVEXATTR] = "removexattr",
	[RLN_OP_COPY_RANGE] = "copy_range",
	[RLN_OP_REFLINK] = "reflink",
	[RLN_OP_GETDENTS] = "getdents",
	[RLN_OP_LOCK] = "lock",
	[RLN_OP_READ_FILE] = "read_file",
	[RLN_OP_WRITE_ATOMIC] = "write_atomic",
	[RLN_OP_STATX_MANY] = "statx_many",
	[RLN_OP_INOTIFY_ADD] = "inotify_add",
	[RLN_OP_SPAWN] = "spawn",
	[RLN_OP_KILL_TREE] = "kill_tree",
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

	rln_assert(!rln_list_linked(&op->link));
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
