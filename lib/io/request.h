/* SPDX-License-Identifier: MIT */
/*
 * Requests: operations on files, whoever carries them out.
 *
 *            +-- INLINE    by a call that does not wait, on the worker; a bounded number per turn, and not reads that come
 *            |             in numbers, since the ring takes many for less
 *     start -+-- RING      by the backend, if it carries the opcode
 *            +-- DEFERRED  it would be inline, but the turn has had enough of them and the backend does not carry it
 *            +-- POOL      by a thread: of class io, or of class wait where a server of files that may be gone is asked
 *            +-- QUEUED    it is for threads, the kernel's or ours, and these have enough while connections are busy
 *
 *     every one ends once, in done(), on the worker: with its result, or -ECANCELED if it was taken back
 *
 * A request is on the stack of the task that waits for it, or in the worker's slab while an op handle stands for it. It holds
 * the files it is about, so that no descriptor is closed under it; a file that is being closed cancels its requests and waits
 * for them. Cancelling is a request to whoever has it: what is queued is taken back, what runs is waited for.
 *
 * The ring may say that it cannot just now (-EAGAIN, or a -ECANCELED that nobody asked for, when the kernel has no thread):
 * then a thread of ours does it, if it is something that a thread can do.
 */
#ifndef RLN_IO_REQUEST_H
#define RLN_IO_REQUEST_H

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

#include "core/file-op.h"
#include "core/handle.h"
#include "core/pool.h"
#include "io/io.h"

/* A result of an attempt: it would have to wait. */
#define RLN_REQUEST_LATER (-4097)

struct ringline_file;
struct ringline_region;
struct rln_request;

/* flags of a request */
enum {
	RLN_REQUEST_NO_RING   = 1u << 0,  /* the backend must not have it, whatever it carries */
	RLN_REQUEST_INLINE    = 1u << 1,  /* may be tried by a call that does not wait */
	RLN_REQUEST_STREAM    = 1u << 2,  /* has its side of a stream to itself: f.op is RECV or SEND */
	RLN_REQUEST_SHIELDED  = 1u << 3,  /* a task waits for it whatever becomes of its scope */
	RLN_REQUEST_REMOTE    = 1u << 4,  /* a server is asked: the one of a file that is held, or another */
	RLN_REQUEST_RING_ONLY = 1u << 5,  /* by the backend, which carries it, or not at all */
};

enum rln_request_route {
	RLN_ROUTE_NONE,
	RLN_ROUTE_RING,
	RLN_ROUTE_DEFERRED,
	RLN_ROUTE_QUEUED,
	RLN_ROUTE_POOL,
};

/* What every way needs comes first, and in few cache lines. */
struct rln_request {
	struct rln_file_op f;             /* first: as the backend has it */
	struct rln_list link[2];          /* ringline_file.requests[i] of held[i], or unlinked */
	struct ringline_file *held[2];    /* NULL: none */
	struct ringline_region *region;   /* the memory lies in it; NULL: in none */
	struct rln_threads *threads;      /* that have it, or in whose queue it is; NULL: none */
	int64_t (*finish)(struct rln_request *q, int64_t result);   /* on the worker, before it is told; NULL: as it is */
	void (*dispose)(struct rln_request *q);       /* nobody takes the result of an op handle; NULL: it holds nothing */
	uint64_t moved;                   /* bytes read before the rest was asked for */
	void *out;                        /* of the caller, for finish() */
	union {
		struct rln_wait *wait;
		struct ringline_op *handle;
	} waiter;
	void (*done)(struct rln_request *q);
	int64_t (*call)(struct rln_request *q);       /* on a thread: the result, or -errno */
	int64_t result;
	uint8_t route;                    /* enum rln_request_route */
	uint8_t flags;                    /* RLN_REQUEST_* */
	uint8_t opcode;                   /* as it is counted; f.op.opcode is how it is carried out */
	atomic_bool cut;                  /* cancelled: calls of several steps look at it in between */
	uint16_t given;                   /* bytes of u that are arguments */
	union {
		struct rln_list deferred; /* rln_io.deferred */
		struct rln_list queued;   /* rln_threads.queued */
		struct rln_job job;
	} way;
	union {
		struct statx statx;
		struct timespec times[2];
		struct flock lock;
		struct msghdr msg;
		uint64_t to_offset;
		struct {
			struct rln_nvme_command command;
			uint64_t value;
		} nvme;
		struct {
			const char *const *paths;
			size_t n;
			size_t stride;
			int *results;
		} many;
	} u;
};

/*
 * An empty one is made by rln_request_init(), and told of a second file by rln_request_add_file(), which are in io/file.h because
 * they have to know what a file is.
 */

/* Some are carried out on what lies in the request itself: to be said when such a one was prepared, and of each copy. */
static inline void rln_request_point_at_own(struct rln_request *q)
{
	if (q->opcode == RLN_OP_STATX)
		q->f.ptr2 = &q->u.statx;
	if (q->opcode == RLN_OP_NVME) {
		q->f.op.ptr = &q->u.nvme.command;
		q->f.ptr2 = &q->u.nvme.value;
	}
}

/*
 * Starts a request and waits for it. *r*: what preparing it came to; negative: that is returned at once. The result; the
 * reason of a cut if it was taken back.
 */
int64_t rln_request_run(struct rln_request *q, int r, const char *call);

/* What of it can be had at once; *r* as above. The result, or -EAGAIN if that is nothing. */
int64_t rln_request_try(struct rln_request *q, int r);

/* Begins a copy of *q*, unless it is over at once. 0 or -errno. */
int rln_request_begin(struct ringline_op **ret, struct rln_request *q, int r, const char *call) rln_must_check;

/* May the worker do something of this kind by itself, or had the turn enough of that? Counts it. */
bool rln_request_may_try(struct rln_io *io) rln_must_check;

/* Cancels one that is under way. */
void rln_request_cancel(struct rln_request *q);

/* Without anyone who waits: done() is the caller's. Never inline. 0, or -EAGAIN if the queue of jobs is full and not *patient*. */
int rln_request_start(struct rln_request *q, bool patient) rln_must_check;

/* request-calls.c: the system call of an opcode, on a thread; and the attempt that does not wait. */
int64_t rln_request_call(struct rln_request *q);
int64_t rln_request_call_lock(struct rln_request *q);
int64_t rln_request_attempt(struct rln_request *q);

/* By the ring or the pool, at once. As rln_request_start(). */
int rln_request_go(struct rln_request *q, enum rln_request_route way, bool patient) rln_must_check;

/* request-queue.c: by the kernel's threads or ours, once these may have it. As rln_request_start(). */
int rln_request_to_threads(struct rln_request *q, enum rln_request_route way, bool patient) rln_must_check;

/* The threads are rid of it. */
void rln_request_left_threads(struct rln_request *q);

/* It was taken back. */
void rln_request_leave_queue(struct rln_request *q);

void rln_request_queue_init(struct rln_io *io);
void rln_request_queue_fini(struct rln_io *io);

void rln_requests_init(struct rln_io *io);
void rln_requests_fini(struct rln_io *io);

#endif
