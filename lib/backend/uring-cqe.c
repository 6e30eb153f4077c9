/* SPDX-License-Identifier: MIT */
/*
 * Completion entries to results.
 *
 * A completion either ends the op (no F_MORE), or is one of several, or is no result at all:
 *
 *   -EINTR, -ERESTART*   the op goes in again
 *   -EAGAIN              the kernel polls for it, then it goes in again
 *   -ECANCELED           that nobody asked for (a worker thread of the kernel could not be made): it goes in again
 *   -ENOBUFS             a receive without a buffer: it starves until one comes back
 *   -ENOTSOCK            a pipe or a terminal: it goes in again as a read, or is polled and written
 *   data, no F_MORE      a multishot that the kernel ended for reasons of its own: armed again, its owner sees F_MORE
 *
 * A quiet send has no completion unless something is left to do, and one that has is tried again as any other. The kernel
 * posts it before the enter that took the send in returns, so that silence after it means success.
 *
 * Whoever asked for a cancel gets bytes that were moved rather than the cancellation.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "backend/attempt.h"
#include "backend/uring.h"
#include "base/fault.h"
#include "core/file-op.h"

/* The kernel's restart codes, which leak out of interrupted work. */
#define ERESTART_FIRST 512

static void complete(struct rln_op *op, int64_t res, uint32_t flags)
{
	struct rln_completion c = { .res = res, .flags = flags };

	if (!(flags & RLN_C_MORE))
		rln_uring_set_place(op, RLN_URING_IDLE);
	rln_op_complete(op, &c);
}

void rln_uring_finish(struct rln_uring *u, struct rln_op *op, int64_t result)
{
	rln_uring_set_place(op, RLN_URING_FINISHED);
	op->progress = (uint64_t)result;
	rln_list_add_tail(&u->finished, &op->link);
}

/* What a delivery finishes in turn is delivered by the next wait. */
unsigned int rln_uring_deliver_finished(struct rln_uring *u)
{
	struct rln_list batch;
	struct rln_list *node;
	unsigned int n = 0;

	rln_list_init(&batch);
	rln_list_splice_tail(&batch, &u->finished);
	for (; (node = rln_list_pop(&batch)); n++) {
		struct rln_op *op = rln_list_entry(node, struct rln_op, link);

		complete(op, (int64_t)op->progress, 0);
	}
	return n;
}

static bool cancelled(const struct rln_op *op)
{
	return op->flags & RLN_OPF_CANCELLED;
}

/* Bytes that were moved before something ended the op early, else that something. */
static int64_t moved_or(const struct rln_op *op, int res)
{
	return op->progress ? (int64_t)op->progress : res;
}

static uint32_t poll_events(const struct rln_op *op)
{
	switch (op->opcode) {
	case RLN_OP_SEND:
	case RLN_OP_SENDMSG:
	case RLN_OP_CONNECT:
		return POLLOUT;
	default:
		return POLLIN;
	}
}

static bool is_send(const struct rln_op *op)
{
	return op->opcode == RLN_OP_SEND || op->opcode == RLN_OP_SENDMSG;
}

static bool is_transfer(const struct rln_op *op)
{
	return op->opcode == RLN_OP_RECV || op->opcode == RLN_OP_RECV_POOL || is_send(op);
}

static void starve(struct rln_uring *u, struct rln_op *op)
{
	rln_stat_add(&u->base.stats.starved, 1);
	if (rln_uring_bufs_grow(u)) {
		rln_uring_issue(u, op);
		return;
	}
	rln_uring_set_place(op, RLN_URING_STARVED);
	rln_list_add_tail(&u->starved, &op->link);
}

/* True if the error was no result: the op is on its way again. */
static bool retried(struct rln_uring *u, struct rln_op *op, int res)
{
	if (cancelled(op) || op->opcode == RLN_OP_CLOSE)
		return false;
	if (rln_opcode_is_file(op->opcode) && (res == -EAGAIN || res == -ECANCELED))
		return false;     /* the layer above has another way */
	if (res == -ENOBUFS && op->opcode == RLN_OP_RECV_POOL) {
		starve(u, op);
	} else if (res == -EAGAIN || (op->opcode == RLN_OP_CONNECT && (res == -EINPROGRESS || res == -EALREADY))) {
		rln_uring_issue_poll(u, op, poll_events(op));
	} else if (res == -ENOTSOCK && is_transfer(op) && !(op->backend_state & RLN_URING_NOSOCK)) {
		op->backend_state |= RLN_URING_NOSOCK;
		if (is_send(op))
			rln_uring_issue_poll(u, op, POLLOUT);
		else
			rln_uring_issue(u, op);
	} else if (res == -EINTR || res == -ECANCELED || res <= -ERESTART_FIRST) {
		rln_uring_issue(u, op);
	} else {
		return false;
	}
	return true;
}

/* An early end that was asked for may show as any of several errors. */
static int normalise(const struct rln_op *op, int res)
{
	bool untried = res == -ENOTSOCK && is_transfer(op) && !(op->backend_state & RLN_URING_NOSOCK);

	if (cancelled(op) && (res == -EINTR || res == -EAGAIN || res == -ENOBUFS || res <= -ERESTART_FIRST || untried))
		return -ECANCELED;
	return res;
}

/* A receive into provided buffers delivered *n* bytes. */
static void pool_data(struct rln_uring *u, struct rln_op *op, const struct io_uring_cqe *cqe)
{
	bool more = cqe->flags & IORING_CQE_F_MORE;
	struct rln_completion c = { .res = cqe->res };

	rln_uring_bufs_take(u, cqe->flags, (uint32_t)cqe->res, &c);
	if (!more && !cancelled(op) && !(op->flags & RLN_OPF_ONESHOT)) {
		rln_stat_add(&u->base.stats.rearms, 1);
		rln_uring_issue(u, op);
		more = true;
	}
	if (more)
		c.flags |= RLN_C_MORE;
	else
		rln_uring_set_place(op, RLN_URING_IDLE);
	if (rln_uring_bufs_scarce(u))
		c.flags |= RLN_C_SCARCE;
	rln_op_complete(op, &c);
}

/* A buffer that came with no bytes to deliver goes straight back. */
static void drop_buffer(struct rln_uring *u, const struct io_uring_cqe *cqe)
{
	struct rln_completion c = { 0 };

	if (!(cqe->flags & IORING_CQE_F_BUFFER))
		return;
	rln_uring_bufs_take(u, cqe->flags, cqe->res > 0 ? (uint32_t)cqe->res : 0, &c);
	rln_buf_unref(c.buf);
}

/*
 * Pipes and terminals are polled through the ring and written by plain calls: the ring's write would raise SIGPIPE in this
 * thread, and knows no "all or nothing".
 */
static void write_part(struct rln_uring *u, struct rln_op *op)
{
	struct rln_fdstate st = { .fd = op->fd, .kind = RLN_KIND_FILE };
	int64_t n = rln_attempt_send(&u->base.stats, &st, op);

	if (n == -EAGAIN || n == RLN_ATTEMPT_LATER || (n >= 0 && op->progress < op->len))
		rln_uring_issue_poll(u, op, POLLOUT);
	else
		complete(op, moved_or(op, (int)rln_min(n, 0)), 0);
}

static void connected(struct rln_op *op)
{
	socklen_t size = sizeof(int);
	int error = 0;

	if (getsockopt(op->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	complete(op, -error, 0);
}

static void polled(struct rln_uring *u, struct rln_op *op, int res)
{
	if (cancelled(op) || (res < 0 && res != -EINTR))
		complete(op, moved_or(op, normalise(op, res < 0 ? res : -ECANCELED)), 0);
	else if (op->opcode == RLN_OP_CONNECT)
		connected(op);
	else if (is_send(op) && (op->backend_state & RLN_URING_NOSOCK))
		write_part(u, op);
	else
		rln_uring_issue(u, op);
}

static void sent(struct rln_op *op, int res)
{
	if (res > 0)
		op->progress += (uint64_t)res;
	complete(op, moved_or(op, res), 0);
}

/* A quiet send that was heard of: not all bytes were taken. */
static void quiet_failed(struct rln_uring *u, struct rln_op *op, int res)
{
	if (res > 0)
		op->progress += (uint64_t)res;
	if (op->progress == op->len)
		complete(op, (int64_t)op->progress, 0);
	else if (cancelled(op))
		complete(op, moved_or(op, normalise(op, res < 0 ? res : -ECANCELED)), 0);
	else if (res >= 0)
		rln_uring_issue(u, op);
	else if (!retried(u, op, res))
		complete(op, moved_or(op, res), 0);
}

void rln_uring_deliver_quiet(struct rln_uring *u)
{
	struct rln_list *node;

	while ((node = rln_list_pop(&u->quiet_entered))) {
		struct rln_op *op = rln_list_entry(node, struct rln_op, link);

		complete(op, (int64_t)op->len, 0);
	}
}

/* The engine cannot: tried again as a send like any other. */
static bool zero_copy_refused(int res)
{
	return res == -EOPNOTSUPP || res == -EINVAL || res == -ENOMEM || res == -ENOBUFS;
}

static bool try_again(const struct rln_op *op, int res)
{
	return !cancelled(op) && (res == -EAGAIN || res == -EINTR || res == -ECANCELED || res <= -ERESTART_FIRST);
}

/*
 * The result of a zero-copy send. If the kernel still uses the bytes it is delivered all the same, so that the stream goes
 * on; a try that must be repeated waits until it does not.
 */
static void zero_copy_result(struct rln_uring *u, struct rln_op *op, int res, bool more)
{
	if (res > 0)
		op->progress += (uint64_t)res;
	if (zero_copy_refused(res) && !cancelled(op))
		op->flags &= (uint8_t)~RLN_OPF_ZERO_COPY;
	else if (res >= 0)
		rln_stat_add(&u->base.stats.zero_copies, 1);
	op->arg = zero_copy_refused(res) || try_again(op, res);
	if (!more && op->arg && !cancelled(op)) {
		rln_uring_issue(u, op);
		return;
	}
	if (more)
		rln_uring_set_place(op, RLN_URING_NOTIFYING);
	if (!more || !op->arg)
		complete(op, moved_or(op, normalise(op, res)), more ? RLN_C_MORE : 0);
}

/* The kernel has let go of the bytes. */
static void zero_copy_notified(struct rln_uring *u, struct rln_op *op, int res)
{
	if ((uint32_t)res & RLN_NOTIF_USAGE_COPIED)
		rln_stat_add(&u->base.stats.zero_copy_fails, 1);
	if (op->arg && !cancelled(op))
		rln_uring_issue(u, op);
	else
		complete(op, op->arg ? moved_or(op, -ECANCELED) : (int64_t)op->progress, 0);
}

/* An operation on a file as the kernel tells of it; a test may have it told otherwise. */
static int file_result(int res)
{
	int error = rln_fault(RLN_FAULT_RING_FILE);

	return error ? -error : res;
}

static rln_cold void file_failed(struct rln_uring *u, struct rln_op *op, int res)
{
	if (!retried(u, op, res))
		complete(op, normalise(op, res), 0);
}

static void file_completed(struct rln_uring *u, struct rln_op *op, int res)
{
	if (rln_likely(res >= 0))
		complete(op, res, 0);
	else
		file_failed(u, op, res);
}

static bool waits_for_readiness(const struct rln_op *op)
{
	return op->opcode == RLN_OP_READABLE || op->opcode == RLN_OP_WRITABLE;
}

/* Which events they were the next try will see. */
static int ready(const struct rln_op *op, int res)
{
	return res > 0 ? 0 : normalise(op, res);
}

static rln_noinline void stream_completed(struct rln_uring *u, struct rln_op *op, const struct io_uring_cqe *cqe)
{
	bool more = cqe->flags & IORING_CQE_F_MORE;

	if (rln_uring_place(op) == RLN_URING_NOTIFYING) {
		zero_copy_notified(u, op, cqe->res);
	} else if (op->opcode == RLN_OP_SEND && op->flags & RLN_OPF_ZERO_COPY) {
		zero_copy_result(u, op, cqe->res, more);
	} else if (rln_uring_place(op) == RLN_URING_POLLING) {
		polled(u, op, cqe->res);
	} else if (rln_uring_place(op) == RLN_URING_QUIET) {
		quiet_failed(u, op, cqe->res);
	} else if (op->opcode == RLN_OP_RECV_POOL && cqe->res > 0) {
		pool_data(u, op, cqe);
	} else {
		drop_buffer(u, cqe);
		if (!more && cqe->res < 0 && retried(u, op, cqe->res))
			return;
		if (is_send(op))
			sent(op, normalise(op, cqe->res));
		else
			complete(op, waits_for_readiness(op) ? ready(op, cqe->res) : normalise(op, cqe->res), more ? RLN_C_MORE : 0);
	}
}

/* Nobody is left to take what the completion carries. */
static rln_cold void unknown(struct rln_uring *u, const struct io_uring_cqe *cqe)
{
	rln_stat_add(&u->base.stats.unknown, 1);
	drop_buffer(u, cqe);
}

/* An operation of the backend's own. */
static rln_cold void own_completed(struct rln_uring *u, uint64_t user_data)
{
	if (user_data == RLN_UD_WAKE)
		u->wake_armed = false;
	else if (user_data == RLN_UD_NVME)
		u->nvme->polled = false;
}

void rln_uring_dispatch(struct rln_uring *u, const struct io_uring_cqe *cqe)
{
	struct rln_op *op;

	if (rln_unlikely(cqe->user_data < RLN_UD_INTERNAL)) {
		own_completed(u, cqe->user_data);
		return;
	}
	op = rln_uring_find(cqe->user_data);
	if (rln_unlikely(!op)) {
		unknown(u, cqe);
		return;
	}
	if (rln_list_linked(&op->link) && !(cqe->flags & IORING_CQE_F_MORE))
		rln_list_del(&op->link);   /* from the cancels that wait for an entry, or the quiet sends */
	if (rln_opcode_is_file(op->opcode))
		file_completed(u, op, file_result(cqe->res));
	else
		stream_completed(u, op, cqe);
}
