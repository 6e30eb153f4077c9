/* SPDX-License-Identifier: MIT */
/*
 * The one seam between the core and the kernel.
 *
 * A backend carries operations out and delivers their completions. It is completion-shaped, because readiness can be
 * lifted to completion (backend/readiness.c) and not the other way round. It knows neither tasks nor timers nor
 * connections; the core sees no SQE, no CQE, no readiness and no errno.
 *
 * One backend object per worker; every call on the worker's thread but wake(). The contract:
 *
 *   submit  takes the op over until its terminal completion. Never fails and never calls rln_op_complete(): a full queue
 *           is flushed or put off, an immediate result is delivered by the next wait(). But for an op with
 *           RLN_OPF_INLINE: its immediate result may be left in op->progress, with op->state set to RLN_OP_DONE.
 *   cancel  a request. The terminal completion still comes, soon; bytes already moved are reported, not lost.
 *   wait    flushes what was submitted, sleeps until *deadline* (absolute; 0: not at all; RINGLINE_NEVER) unless there is
 *           something to deliver, and delivers completions through rln_op_complete(). Never returns early without a
 *           reason, but may; EINTR and the like are not reasons. Negative: the backend is broken (-errno) and the worker
 *           cannot go on.
 *   holder  the receive buffer that the bytes lie in, if sends from it need the buffer rather than the caller to wait for
 *           them; otherwise NULL. Such bytes can be sent behind the caller's back, because the buffer stays as long as it
 *           is referenced.
 *   wake    any thread, async-signal-safe, coalescing: makes the present or next wait() return.
 *   fd      becomes readable when a wait() would have something to deliver, for loops of others that poll it; of a backend
 *           that was opened to be `pollable`.
 *   rest    how long that can be relied on: RINGLINE_NEVER if nothing is to be done before, 0 if something is now, or the
 *           absolute time of what the backend itself has to do.
 *   region_add     keeps memory mapped, for operations on files that name it as their region. Its number, from 1 on, or -errno:
 *           they do without.
 *   region_remove  lets go of it; no op that names it is in flight.
 *   forget  the descriptor is others' from now on, and what is known of its number may soon be wrong. No op that names it is in
 *           flight. NULL: nothing is known of numbers.
 *   close   frees everything; no op may be in flight.
 *
 * At most one read-side (RECV, RECVMSG, RECV_POOL, ACCEPT, READABLE), one write-side op (SEND, SENDMSG, CONNECT, WRITABLE) but
 * for zero-copy sends whose result is known, and one POLL per descriptor
 * are in flight; CLOSE comes alone.
 */
#ifndef RLN_CORE_BACKEND_H
#define RLN_CORE_BACKEND_H

#include <stdatomic.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "core/op.h"

/* What carried an operation out. */
enum rln_engine {
	RLN_ENGINE_IO_URING,
	RLN_ENGINE_EPOLL,
	RLN_ENGINE_POOL,          /* a thread */
	RLN_ENGINE_INLINE,        /* the worker, by a call that does not wait */
	RLN_ENGINE_FAKE,          /* unit tests */
	RLN_ENGINE_MAX
};

/* Optional features that RINGLINE_DISABLE forces off. */
enum rln_feature {
	RLN_FEATURE_INC       = 1u << 0,   /* incremental provided buffers */
	RLN_FEATURE_GUARD     = 1u << 1,   /* MADV_GUARD_INSTALL */
	RLN_FEATURE_MULTISHOT = 1u << 2,   /* multishot accept and receive */
	RLN_FEATURE_NO_IOWAIT = 1u << 3,
	RLN_FEATURE_RING_FD   = 1u << 4,   /* registered ring descriptor */
	RLN_FEATURE_PWAIT2    = 1u << 5,   /* epoll_pwait2 */
	RLN_FEATURE_QUIET     = 1u << 6,   /* sends that post no completion when all goes well */
	RLN_FEATURE_FILES     = 1u << 7,   /* operations on files by the backend */
	RLN_FEATURE_INLINE    = 1u << 8,   /* and by calls that do not wait */
	RLN_FEATURE_CLONE3    = 1u << 9,
	RLN_FEATURE_PIDFD     = 1u << 10,  /* that comes with a process; clone3 does without it neither */
	RLN_FEATURE_PIDFD_GROUP = 1u << 11, /* signals to process groups by it */
	RLN_FEATURE_PIDFD_INFO = 1u << 12, /* PIDFD_GET_INFO */
	RLN_FEATURE_CLOSE_RANGE = 1u << 13,
	RLN_FEATURE_CGROUP_KILL = 1u << 14,
};

struct rln_backend_config {
	const struct rln_clock *clock;
	uint32_t disabled;        /* enum rln_feature bits */
	uint32_t sq_entries;      /* 0: default */
	uint32_t cq_entries;
	uint32_t buf_count;       /* receive buffers to start with; 0: default */
	uint32_t buf_size;        /* bytes each; 0: default */
	uint64_t buf_limit;       /* bytes of receive buffers the worker may grow to; 0: default */
	bool pollable;            /* a host's loop is going to poll fd() */
};

/* Written by the owner, read by anyone (relaxed). */
struct rln_backend_stats {
	_Atomic uint64_t waits;           /* calls of wait() */
	_Atomic uint64_t syscalls;        /* system calls made by the backend */
	_Atomic uint64_t sq_flushes;      /* submissions forced by a full submission queue */
	_Atomic uint64_t cq_overflows;    /* times the kernel reported an overflowed completion queue */
	_Atomic uint64_t starved;         /* receives that found no buffer */
	_Atomic uint64_t rearms;          /* multishot operations armed again */
	_Atomic uint64_t bufs_total;      /* receive buffers that exist */
	_Atomic uint64_t bufs_free;       /* and those nobody but the kernel or the pool holds */
	_Atomic uint64_t zero_copies;     /* zero-copy sends the kernel took in */
	_Atomic uint64_t zero_copy_fails; /* of these, sends it copied all the same */
	_Atomic uint64_t unknown;         /* completions that named no live operation */
};

struct rln_backend {
	const struct rln_backend_ops *ops;
	uint64_t carries;         /* file opcodes that submit() takes, a bit each; set by open() */
	struct rln_backend_stats stats;
};

struct rln_backend_ops {
	const char *name;         /* "io_uring", "epoll" */
	enum rln_engine engine;

	/*
	 * Can this process on this kernel run it? Tries by doing. 0, or -errno with the reason in *why* (one line for the
	 * log: the call that failed, the limit and the number needed).
	 */
	int (*probe)(const struct rln_backend_config *cfg, char *why, size_t why_size);
	int (*open)(struct rln_backend **ret, const struct rln_backend_config *cfg);
	void (*close)(struct rln_backend *b);
	void (*submit)(struct rln_backend *b, struct rln_op *op);
	void (*cancel)(struct rln_backend *b, struct rln_op *op);
	struct rln_buf *(*holder)(struct rln_backend *b, const void *data, size_t len);
	int (*wait)(struct rln_backend *b, uint64_t deadline);
	void (*wake)(struct rln_backend *b);
	int (*fd)(const struct rln_backend *b);
	uint64_t (*rest)(struct rln_backend *b);
	int (*region_add)(struct rln_backend *b, void *memory, size_t len);
	void (*region_remove)(struct rln_backend *b, uint32_t region);
	void (*forget)(struct rln_backend *b, int fd);
};

/* Does it carry the opcode out? Of those that are not on files: always. */
static inline bool rln_backend_carries(const struct rln_backend *b, unsigned int opcode)
{
	return opcode < RLN_OP_FILES || (b->carries >> opcode & 1);
}

/* Counts in a statistic that only the owner thread writes. */
static inline void rln_stat_add(_Atomic uint64_t *s, uint64_t n)
{
	atomic_store_explicit(s, atomic_load_explicit(s, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline uint64_t rln_stat_get(const _Atomic uint64_t *s)
{
	return atomic_load_explicit((_Atomic uint64_t *)s, memory_order_relaxed);
}

#endif
