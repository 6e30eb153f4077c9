/* SPDX-License-Identifier: MIT */
/*
 * Commands to NVMe devices, past the block layer (uring_cmd).
 *
 * They need a ring whose entries are twice as large, in both directions. To give the first one such entries would double
 * everybody's memory, so there is a second, made when the first command comes; a worker that sends none has none. What
 * cannot be made for want of memory or descriptors, or because the kernel knows no such rings, is the result of that
 * command, and concerns nobody else.
 *
 *     first ring:   poll of the second, armed while commands are in flight  ->  ends the sleep
 *     second ring:  commands, and requests to cancel them. The worker never sleeps in it
 *
 * The second ring does not put its work off until it is entered (DEFER_TASKRUN), as the first does: nobody who polls such a
 * ring is told of work that was put off. So a completion is posted while the worker sleeps in the first ring, or enters the
 * kernel for any reason (COOP_TASKRUN), and that wakes the poll.
 *
 * Invariants: of `limit` commands and a cancel for each the completions fit into the queue, so it cannot overflow; what is
 * more waits in order. Results are told as they are: a command that was aborted may have been carried out, so nothing is
 * sent twice. In particular -EINTR does not mean "again" here, as it does elsewhere, but that the driver gave the command up.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "backend/uring.h"
#include "base/fault.h"
#include "base/mem.h"
#include "core/file-op.h"

#define SQ_ENTRIES     64u
#define SQ_SMALL       8u
#define CQ_PER_SQ      8u

/* Where the command lies in an entry of 128 bytes: struct io_uring_sqe's cmd. */
#define COMMAND_OFFSET 48u
#define COMMAND_ROOM   80u

/* The kernel's restart codes, which leak out of interrupted work. */
#define ERESTART_FIRST 512

_Static_assert(offsetof(struct io_uring_sqe, cmd) == COMMAND_OFFSET, "where commands lie");
_Static_assert(sizeof(struct io_uring_sqe) == 64 && sizeof(struct rln_nvme_command) <= COMMAND_ROOM, "commands fit");

/* Making it */

static int setup(struct io_uring *ring, uint32_t sq)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_SQE128 | IORING_SETUP_CQE32 | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN |
		         IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
		.cq_entries = CQ_PER_SQ * sq,
	};

	return rln_uring_make(ring, sq, &p);
}

/* Rings count against RLIMIT_MEMLOCK. An unknown flag is -EINVAL. */
static int setup_or_smaller(struct io_uring *ring, uint32_t sq)
{
	int r = setup(ring, sq);

	if (r == -ENOMEM && sq > SQ_SMALL)
		r = setup(ring, SQ_SMALL);
	return r == -EINVAL ? -EOPNOTSUPP : r;
}

static int make(struct rln_uring *u)
{
	struct rln_uring_nvme *n = rln_mem_zalloc(sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	r = setup_or_smaller(&n->ring, rln_min(SQ_ENTRIES, u->ring.sq.ring_entries));
	if (r < 0) {
		rln_mem_free(n);
		return r;
	}
	io_uring_ring_dontfork(&n->ring);
	rln_list_init(&n->backlog);
	n->limit = n->ring.cq.ring_entries / 2;
	u->nvme = n;
	return 0;
}

void rln_uring_nvme_close(struct rln_uring *u)
{
	if (!u->nvme)
		return;
	io_uring_queue_exit(&u->nvme->ring);
	rln_mem_free(u->nvme);
	u->nvme = NULL;
}

/* Submitting */

void rln_uring_prep_nvme(struct io_uring_sqe *sqe, const struct rln_op *op)
{
	memset(sqe, 0, 2 * sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = op->fd;
	sqe->cmd_op = rln_file_op_of(op)->mode;
	memcpy((unsigned char *)sqe + COMMAND_OFFSET, op->ptr, sizeof(struct rln_nvme_command));
}

static int submit(struct rln_uring *u)
{
	rln_stat_add(&u->base.stats.syscalls, 1);
	return rln_uring_enter(&u->nvme->ring, 0, 0, 0, NULL);
}

static struct io_uring_sqe *entry(struct rln_uring *u)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->nvme->ring);

	if (sqe)
		return sqe;
	rln_stat_add(&u->base.stats.sq_flushes, 1);
	return submit(u) < 0 ? NULL : io_uring_get_sqe(&u->nvme->ring);
}

/* False: not now. */
static bool issued(struct rln_uring *u, struct rln_op *op)
{
	struct rln_uring_nvme *n = u->nvme;
	struct io_uring_sqe *sqe = n->inflight < n->limit ? entry(u) : NULL;

	if (!sqe)
		return false;
	rln_uring_prep_nvme(sqe, op);
	rln_uring_tag(u, op, sqe, RLN_URING_RING);
	n->inflight++;
	return true;
}

void rln_uring_nvme_issue(struct rln_uring *u, struct rln_op *op)
{
	int r = u->nvme ? 0 : make(u);

	if (r < 0) {
		rln_uring_finish(u, op, r);
	} else if (!rln_list_empty(&u->nvme->backlog) || !issued(u, op)) {
		rln_uring_set_place(op, RLN_URING_BACKLOG);
		rln_list_add_tail(&u->nvme->backlog, &op->link);
	}
}

bool rln_uring_nvme_cancel(struct rln_uring *u, const struct rln_op *op)
{
	struct io_uring_sqe *sqe = entry(u);

	if (!sqe)
		return false;
	memset(sqe, 0, 2 * sizeof(*sqe));
	io_uring_prep_cancel64(sqe, rln_uring_user_data(op), 0);
	io_uring_sqe_set_data64(sqe, RLN_UD_IGNORED);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	return true;
}

/* Entering */

static void flush_backlog(struct rln_uring *u)
{
	struct rln_list *node;

	while ((node = rln_list_first(&u->nvme->backlog)) && u->nvme->inflight < u->nvme->limit) {
		struct rln_op *op = rln_list_entry(node, struct rln_op, link);

		rln_list_del(node);
		if (!issued(u, op)) {
			rln_list_add_head(&u->nvme->backlog, node);
			return;
		}
	}
}

/* Without an entry for it now, the worker does not sleep. */
static void arm_poll(struct rln_uring *u)
{
	struct io_uring_sqe *sqe = rln_uring_sqe(u);

	if (!sqe)
		return;
	io_uring_prep_poll_add(sqe, u->nvme->ring.ring_fd, POLLIN);
	io_uring_sqe_set_data64(sqe, RLN_UD_NVME);
	u->nvme->polled = true;
}

int rln_uring_nvme_enter(struct rln_uring *u)
{
	struct rln_uring_nvme *n = u->nvme;
	int r;

	if (!n)
		return 0;
	flush_backlog(u);
	r = io_uring_sq_ready(&n->ring) ? submit(u) : 0;
	if (n->inflight && !n->polled && !io_uring_cq_ready(&n->ring))
		arm_poll(u);
	return r;
}

bool rln_uring_nvme_may_sleep(const struct rln_uring *u)
{
	const struct rln_uring_nvme *n = u->nvme;

	return (n->polled || !n->inflight) && (rln_list_empty(&n->backlog) || n->inflight == n->limit) &&
	       !io_uring_sq_ready(&n->ring) && !io_uring_cq_ready(&n->ring);
}

/* Completions */

static int64_t result(const struct rln_op *op, int res)
{
	if (res == -ECANCELED && !(op->flags & RLN_OPF_CANCELLED))
		return -EAGAIN;   /* the kernel had no thread to try it with: it was not sent */
	return res <= -ERESTART_FIRST ? -EINTR : res;
}

static void dispatch(struct rln_uring *u, uint64_t user_data, int res, uint64_t value)
{
	struct rln_completion c = { .res = 0 };
	struct rln_op *op;

	if (user_data < RLN_UD_INTERNAL)
		return;
	op = rln_uring_find(user_data);
	if (!op) {
		rln_stat_add(&u->base.stats.unknown, 1);
		return;
	}
	u->nvme->inflight--;
	rln_list_del(&op->link);          /* from the cancels that wait for an entry, if it is there */
	rln_uring_set_place(op, RLN_URING_IDLE);
	c.res = result(op, res);
	if (c.res >= 0)
		*(uint64_t *)rln_file_op_of(op)->ptr2 = value;
	rln_op_complete(op, &c);
}

void rln_uring_nvme_drain(struct rln_uring *u)
{
	struct io_uring *ring = u->nvme ? &u->nvme->ring : NULL;
	unsigned int n = ring ? io_uring_cq_ready(ring) : 0;
	struct io_uring_cqe *cqe;

	while (n-- && io_uring_peek_cqe(ring, &cqe) == 0) {
		uint64_t user_data = cqe->user_data;
		uint64_t value = cqe->big_cqe[0];
		int res = cqe->res;

		io_uring_cqe_seen(ring, cqe);
		dispatch(u, user_data, res, value);
	}
}
