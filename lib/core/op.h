/* SPDX-License-Identifier: MIT */
/*
 * An operation: one request to the backend, from submission to its terminal result.
 *
 *     IDLE --submit--> INFLIGHT --complete (last)--> DONE --submit--> ...
 *                        |  ^
 *                        +--+  complete with RLN_C_MORE (multishot), cancel (a request; the terminal still comes)
 *
 * The op is embedded in what needs it: a connection's receive, its send, an op handle. The op and the memory it names
 * belong to the backend from submit until the terminal completion, and to their owner otherwise. The address of the op is
 * what the kernel carries around for us (io_uring's user_data), so op memory is type-stable: it comes from a slab or from
 * something that waits for the terminal completion before it goes away.
 *
 * Invariants: every submit is followed by exactly one terminal completion; completions are delivered from inside the
 * backend's wait() only, never from submit() or cancel(); nothing is rejected (a full queue is the backend's problem).
 * The one exception is asked for by name: an op with RLN_OPF_INLINE may be over when rln_op_submit() returns, which says
 * so, and then has no completion. An engine that sends by a system call knows the result then, and its caller is spared
 * the way through the queues.
 *
 * Entry points: rln_op_submit(), rln_op_complete(), rln_op_cancel(). Handles for tasks, with a release hook for results that
 * nobody takes, are built on top (core/handle.h).
 */
#ifndef RLN_CORE_OP_H
#define RLN_CORE_OP_H

#include "base/compiler.h"
#include "base/list.h"
#include "core/buf.h"

struct rln_op;

enum rln_opcode {
	RLN_OP_NOP,               /* completes with 0 */
	RLN_OP_ACCEPT,            /* multishot: res = new descriptor, close-on-exec (non-blocking or not: backend's choice) */
	RLN_OP_CONNECT,           /* ptr, len: address */
	RLN_OP_RECV,              /* ptr, len: res = bytes (at least 1), 0 at EOF */
	RLN_OP_RECVMSG,           /* ptr: struct msghdr: as RECV, and what came with it */
	RLN_OP_RECV_POOL,         /* multishot into the backend's buffers: res, data, buf; 0 at EOF (terminal) */
	RLN_OP_SEND,              /* ptr, len: res = len, or less if an error or a cancel came in between */
	RLN_OP_SENDMSG,           /* ptr: struct msghdr (the backend may change it and its iovecs), len: total; as SEND */
	RLN_OP_READABLE,          /* read side: 0 when the descriptor may have become readable */
	RLN_OP_WRITABLE,          /* write side: 0 when it may have become writable */
	RLN_OP_POLL,              /* events in arg; res = ready events; one-shot */
	RLN_OP_CLOSE,             /* closes fd; no other op may name it */

	RLN_OP_FILES,             /* from here on: operations on files (core/file-op.h) */
	RLN_OP_READ = RLN_OP_FILES,
	RLN_OP_WRITE,
	RLN_OP_READV,
	RLN_OP_WRITEV,
	RLN_OP_FSYNC,
	RLN_OP_SYNC_RANGE,
	RLN_OP_FALLOCATE,
	RLN_OP_FTRUNCATE,
	RLN_OP_FADVISE,
	RLN_OP_STATX,
	RLN_OP_RENAME,
	RLN_OP_UNLINK,
	RLN_OP_MKDIR,
	RLN_OP_LINK,
	RLN_OP_SYMLINK,
	RLN_OP_GETXATTR,
	RLN_OP_SETXATTR,
	RLN_OP_NVME,

	/* what no backend has to know */
	RLN_OP_OPEN,
	RLN_OP_READLINK,
	RLN_OP_CHMOD,
	RLN_OP_CHOWN,
	RLN_OP_UTIMENS,
	RLN_OP_TRUNCATE,
	RLN_OP_LISTXATTR,
	RLN_OP_REMOVEXATTR,
	RLN_OP_COPY_RANGE,
	RLN_OP_REFLINK,
	RLN_OP_GETDENTS,
	RLN_OP_LOCK,
	RLN_OP_READ_FILE,
	RLN_OP_WRITE_ATOMIC,
	RLN_OP_STATX_MANY,
	RLN_OP_INOTIFY_ADD,
	RLN_OP_SPAWN,
	RLN_OP_KILL_TREE,
	RLN_OP_MAX
};

enum rln_op_state {
	RLN_OP_IDLE,
	RLN_OP_INFLIGHT,
	RLN_OP_DONE,
};

/* flags of an op */
enum {
	RLN_OPF_CANCELLED = 1u << 0,   /* cancel was requested since the last submit */
	RLN_OPF_ONESHOT   = 1u << 1,   /* RECV_POOL, ACCEPT: one completion per submit */
	RLN_OPF_INLINE    = 1u << 2,   /* SEND: may be over when submit returns */
	RLN_OPF_ZERO_COPY = 1u << 3,   /* SEND: from where the bytes lie, if the engine can. A first completion with the result
	                                  may then have RLN_C_MORE: the terminal one says that the bytes are not needed any more */
	RLN_OPF_EAGER     = 1u << 4,   /* READ, WRITE: a device can begin with it while the turn goes on */
};

/* flags of a completion */
enum {
	RLN_C_MORE   = 1u << 0,        /* not terminal: the op stays in flight */
	RLN_C_SCARCE = 1u << 1,        /* buffers run short: copy the bytes and give the buffer back */
};

struct rln_completion {
	int64_t res;              /* as the opcode says, or -errno */
	uint32_t flags;
	struct rln_buf *buf;      /* RECV_POOL: holds the bytes; one reference passes to the receiver */
	unsigned char *data;      /* RECV_POOL: res bytes inside buf */
};

typedef void rln_op_complete_fn(struct rln_op *op, const struct rln_completion *c);

/* The low bits of an op's address are a backend's to use. Frames of 64-bit machines are aligned so without being asked. */
#define RLN_OP_ALIGN 16u

/* The size of a cache line. Not its alignment, which a frame on a stack would have to make; whoever lies elsewhere may ask for it. */
struct rln_op {
	struct rln_list link;     /* the backend's while in flight */
	rln_op_complete_fn *complete;
	int32_t fd;
	uint8_t opcode;           /* enum rln_opcode */
	uint8_t state;            /* enum rln_op_state */
	uint8_t flags;            /* RLN_OPF_* */
	uint8_t backend_state;    /* the backend's */
	void *ptr;
	uint64_t len;
	uint64_t arg;
	uint64_t progress;        /* the backend's: bytes moved so far; the result of an op that was over at once */
} rln_aligned(RLN_OP_ALIGN);

_Static_assert(sizeof(void *) != 8 || sizeof(struct rln_op) == 64, "an op has the size of a cache line");

static inline void rln_op_init(struct rln_op *op, rln_op_complete_fn *complete)
{
	rln_list_init(&op->link);
	op->complete = complete;
	op->fd = -1;
	op->opcode = RLN_OP_NOP;
	op->state = RLN_OP_IDLE;
	op->flags = 0;
	op->backend_state = 0;
	op->ptr = NULL;
	op->len = 0;
	op->arg = 0;
	op->progress = 0;
}

static inline bool rln_op_inflight(const struct rln_op *op)
{
	return op->state == RLN_OP_INFLIGHT;
}

/*
 * Hands the op to the backend of the current worker. Cannot fail; what goes wrong is the op's result. False: it was over at
 * once, and its result is (int64_t)op->progress; only with RLN_OPF_INLINE.
 */
bool rln_op_submit(struct rln_op *op);

/* Asks for an early end. Idempotent, no effect unless in flight; the terminal completion still comes. */
void rln_op_cancel(struct rln_op *op);

/* The backend's side: delivers a result. May re-enter submit and cancel. */
void rln_op_complete(struct rln_op *op, const struct rln_completion *c);

/* "accept", "recv", ... for logs and stats; never NULL. */
const char *rln_opcode_name(unsigned int opcode);

#endif
