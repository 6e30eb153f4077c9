/* SPDX-License-Identifier: MIT */
/*
 * The io_uring backend as its own files see it.
 *
 *   uring.c        set-up, the wait loop, tear-down
 *   uring-probe.c  can this process run it? found out by doing
 *   uring-sqe.c    operations to submission entries, and cancellation
 *   uring-cqe.c    completion entries to results
 *   uring-bufs.c   receive buffers provided to the kernel
 *   uring-files.c  operations on files, and memory registered for them
 *   uring-nvme.c   commands to NVMe devices, on a ring of their own
 *
 * An operation in the backend is in one of these places:
 *
 *     BACKLOG    the submission queue was full and the kernel would not take more; goes in with the next wait
 *     RING       the kernel has it (or will with the next enter); a cancel is a request to the kernel
 *     QUIET      a first try of a send, in the queue or in the kernel, which tells nothing if all bytes were taken. Done
 *                when the enter that took it in has returned and no completion of it was found; RING otherwise
 *     POLLING    the kernel polls for it, because the call said "try again"; it goes back to RING afterwards
 *     STARVED    a receive that found no buffer; armed again when buffers come back, as many as there are buffers
 *     FINISHED   the result is known without the kernel (a cancel hit BACKLOG or STARVED); delivered by the next wait
 *
 *     NOTIFYING  a zero-copy send whose result is known, and delivered unless it must be tried again; the kernel still uses
 *                the bytes. Every first completion with F_MORE, errors too, is followed by one with F_NOTIF
 *
 * user_data is the op's address; its low bits, which are zero in the address, hold a tag that changes with each submission
 * to the kernel, so that a completion which belongs to an earlier life of the op is recognised, counted and dropped.
 * Values below that alignment are internal.
 */
#ifndef RLN_BACKEND_URING_H
#define RLN_BACKEND_URING_H

#include "core/backend.h"

extern const struct rln_backend_ops rln_backend_uring;

#ifdef RLN_HAVE_LIBURING

#include <liburing.h>

/* Newer than the headers of liburing 2.3; the values are the kernel's. */
#define RLN_PBUF_RING_INC       2u
#define RLN_CQE_F_BUF_MORE      (1u << 4)
#define RLN_FEAT_NO_IOWAIT      (1u << 17)
#define RLN_ENTER_NO_IOWAIT     (1u << 7)
#define RLN_SETUP_NO_SQARRAY    (1u << 16)   /* later versions of liburing ask for it by themselves */

#define RLN_ZC_REPORT_USAGE     (1u << 3)
#define RLN_NOTIF_USAGE_COPIED  (1u << 31)

/* The kernel's limit for one transfer (MAX_RW_COUNT). */
#define RLN_URING_TRANSFER_MAX 0x7ffff000u

#define RLN_UD_WAKE             1u
#define RLN_UD_IGNORED          2u
#define RLN_UD_NVME             3u
#define RLN_UD_INTERNAL         RLN_OP_ALIGN
#define RLN_BUF_GROUP           0

enum rln_uring_place {
	RLN_URING_IDLE,
	RLN_URING_BACKLOG,
	RLN_URING_RING,
	RLN_URING_QUIET,
	RLN_URING_POLLING,
	RLN_URING_STARVED,
	RLN_URING_FINISHED,
	RLN_URING_NOTIFYING,
};

/* op->backend_state: the place, whether the descriptor turned out to be no socket, and the submission's tag. */
#define RLN_URING_PLACE     0x07u
#define RLN_URING_NOSOCK    0x08u
#define RLN_URING_TAG_SHIFT 4
#define RLN_URING_TAGS      (RLN_OP_ALIGN - 1)

_Static_assert(RLN_URING_TAGS <= 0xff >> RLN_URING_TAG_SHIFT, "a tag fits beside the place");

struct rln_uring_bufs {
	struct io_uring_buf_ring *ring;
	size_t ring_size;
	uint32_t entries;                 /* of the ring: a power of two, at least limit */
	unsigned char *mem;               /* address space for limit of them, each at a multiple of 1 << stride_shift */
	struct rln_buf *buf;              /* limit of them */
	uint32_t size;
	uint32_t total;                   /* buffers in use so far */
	uint32_t limit;
	uint32_t stock;                   /* as many as the kernel is given */
	uint32_t in_kernel;               /* of these, with the kernel */
	uint32_t *returned;               /* stack of ids that came back and are not with the kernel yet */
	uint32_t nreturned;
	uint8_t stride_shift;
	bool incremental;
};

/* The second ring; uring-nvme.c tells the idea. */
struct rln_uring_nvme {
	struct io_uring ring;
	struct rln_list backlog;          /* in BACKLOG: not in this ring yet */
	uint32_t inflight;                /* commands in it */
	uint32_t limit;                   /* at most so many */
	bool polled;                      /* the first ring polls it */
};

struct rln_uring {
	struct rln_backend base;
	const struct rln_clock *clock;
	struct io_uring ring;
	unsigned int enter_flags;         /* on every enter */
	bool multishot;
	bool quiet;                       /* sends try quietly first */
	int wake_fd;
	uint64_t wake_value;
	bool wake_armed;
	uint8_t tag;
	uint32_t eager;                   /* entries for devices since the last enter (uring-sqe.c) */
	uint32_t skipped;                 /* waits in a row that did without an enter */
	struct rln_list backlog;
	struct rln_list cancels;          /* ops in RING whose cancel found no submission entry */
	struct rln_list starved;
	struct rln_list quiet_queued;     /* in QUIET, since the last wait's enter */
	struct rln_list quiet_entered;    /* in QUIET, and taken in by an enter: what is left after its completions is done */
	struct rln_list finished;
	struct rln_uring_bufs bufs;
	uint64_t regions;                 /* entries of the table of registered buffers that are in use */
	bool regions_made;                /* there is a table */
	struct rln_uring_nvme *nvme;      /* NULL until it is needed */
};

/* uring.c: a ring for rln_uring_enter(). 0 or -errno. */
int rln_uring_make(struct io_uring *ring, uint32_t sq, struct io_uring_params *params) rln_must_check;

/* The set-up shared by the backend and the probe. 0 or -errno. */
int rln_uring_setup(struct io_uring *ring, const struct rln_backend_config *cfg, unsigned int *enter_flags);

/* One io_uring_enter: submits what is in the queue. 0 or more, or -errno. */
int rln_uring_enter(struct io_uring *ring, unsigned int enter_flags, unsigned int want, unsigned int flags,
                    struct __kernel_timespec *ts);

/* uring-probe.c */
int rln_uring_probe(const struct rln_backend_config *cfg, char *why, size_t why_size);

/* uring-sqe.c */
void rln_uring_submit(struct rln_backend *b, struct rln_op *op);
void rln_uring_cancel(struct rln_backend *b, struct rln_op *op);

/* Puts an op into the submission queue, or the backlog. */
void rln_uring_issue(struct rln_uring *u, struct rln_op *op);

/* Waits for *events* on the op's descriptor, then issues it again. */
void rln_uring_issue_poll(struct rln_uring *u, struct rln_op *op, uint32_t events);

/* uring-sqe.c: flushes the full queue. */
struct io_uring_sqe *rln_uring_sqe_slow(struct rln_uring *u) rln_cold;

/* A submission entry, flushing the queue if it is full; NULL if the kernel takes no more now. */
static inline struct io_uring_sqe *rln_uring_sqe(struct rln_uring *u)
{
	/* by the library's own function: which of the two empties an entry, it or io_uring_prep_rw(), depends on the version */
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	return rln_likely(sqe != NULL) ? sqe : rln_uring_sqe_slow(u);
}

/* Moves what waits for submission entries into the queue. */
void rln_uring_flush_waiting(struct rln_uring *u);

/* uring-files.c */
void rln_uring_files_init(struct rln_uring *u);
void rln_uring_prep_file(struct io_uring_sqe *sqe, const struct rln_op *op);
int rln_uring_region_add(struct rln_backend *b, void *memory, size_t len);
void rln_uring_region_remove(struct rln_backend *b, uint32_t region);

/* uring-nvme.c */
void rln_uring_nvme_issue(struct rln_uring *u, struct rln_op *op);

/* Asks for the end of a command in the kernel. False: there was no submission entry. */
bool rln_uring_nvme_cancel(struct rln_uring *u, const struct rln_op *op);

/* If there is a second ring: hands over what waits for it, and has it polled. 0 or more, or -errno. */
int rln_uring_nvme_enter(struct rln_uring *u);

/* Whether it will be heard of if the worker sleeps. */
bool rln_uring_nvme_may_sleep(const struct rln_uring *u);

/* Delivers its completions. */
void rln_uring_nvme_drain(struct rln_uring *u);

void rln_uring_nvme_close(struct rln_uring *u);
void rln_uring_prep_nvme(struct io_uring_sqe *sqe, const struct rln_op *op);

/* uring-cqe.c */

void rln_uring_dispatch(struct rln_uring *u, const struct io_uring_cqe *cqe);

/* The quiet sends of the last enter that were not heard of have sent all their bytes. */
void rln_uring_deliver_quiet(struct rln_uring *u);

/* Delivers results that were known without the kernel; the number delivered. */
unsigned int rln_uring_deliver_finished(struct rln_uring *u);
void rln_uring_finish(struct rln_uring *u, struct rln_op *op, int64_t result);

/* uring-bufs.c */
int rln_uring_bufs_init(struct rln_uring *u, const struct rln_backend_config *cfg) rln_must_check;
void rln_uring_bufs_fini(struct rln_uring *u);

/* The buffer a completion names; fills c->buf and c->data. *n* bytes of it were written. */
void rln_uring_bufs_take(struct rln_uring *u, uint32_t cqe_flags, uint32_t n, struct rln_completion *c);

/* The buffer that the bytes lie in, NULL if they lie elsewhere. */
struct rln_buf *rln_uring_bufs_holder(struct rln_uring *u, const void *data, size_t len);

/* Gives returned buffers to the kernel and arms starved receives. */
void rln_uring_bufs_replenish(struct rln_uring *u);

/* A receive found no buffer: makes more, as far as the limit allows. True if there are now some. */
bool rln_uring_bufs_grow(struct rln_uring *u);
bool rln_uring_bufs_scarce(const struct rln_uring *u);

static inline struct rln_uring *rln_uring_of(struct rln_backend *b)
{
	return rln_container_of(b, struct rln_uring, base);
}

static inline enum rln_uring_place rln_uring_place(const struct rln_op *op)
{
	return (enum rln_uring_place)(op->backend_state & RLN_URING_PLACE);
}

static inline uint64_t rln_uring_user_data(const struct rln_op *op)
{
	return (uint64_t)(uintptr_t)op | (uint64_t)(op->backend_state >> RLN_URING_TAG_SHIFT);
}

static inline void rln_uring_set_place(struct rln_op *op, enum rln_uring_place place)
{
	op->backend_state = (uint8_t)((op->backend_state & ~RLN_URING_PLACE) | place);
}

/* Gives a submission entry the op's address with a tag of its own, which is never 0, and the op its place. */
static inline void rln_uring_tag(struct rln_uring *u, struct rln_op *op, struct io_uring_sqe *sqe, enum rln_uring_place place)
{
	u->tag = u->tag == RLN_URING_TAGS ? 1 : u->tag + 1;
	op->backend_state = (uint8_t)((op->backend_state & RLN_URING_NOSOCK) | u->tag << RLN_URING_TAG_SHIFT | place);
	io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)op | u->tag);
}

static inline bool rln_uring_in_kernel(const struct rln_op *op)
{
	const unsigned int places = 1u << RLN_URING_RING | 1u << RLN_URING_QUIET | 1u << RLN_URING_POLLING | 1u << RLN_URING_NOTIFYING;

	return places >> rln_uring_place(op) & 1;
}

/* The op in the kernel that a completion is for; NULL: it is of an earlier life. */
static inline struct rln_op *rln_uring_find(uint64_t user_data)
{
	struct rln_op *op = (struct rln_op *)(uintptr_t)(user_data & ~(uint64_t)(RLN_UD_INTERNAL - 1));

	return op->state == RLN_OP_INFLIGHT && rln_uring_user_data(op) == user_data && rln_uring_in_kernel(op) ? op : NULL;
}

#endif
#endif
