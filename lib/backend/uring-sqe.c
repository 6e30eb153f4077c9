/* SPDX-License-Identifier: MIT */
/*
 * Operations to submission entries.
 *
 * The queue is never full to a caller: a full one is flushed by an enter that does not wait, and if the kernel takes
 * nothing now (its completion queue has overflowed) the op goes to the backlog, which the next wait empties first, in
 * order. Cancels that find no entry wait in a list of their own.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "backend/uring.h"

/* So many for a device are worth an enter of their own. */
#define EAGER_MAX 8u

/* Lets the kernel take in what is queued, and waits for nothing. */
static bool take_in(struct rln_uring *u)
{
	u->eager = 0;
	rln_stat_add(&u->base.stats.syscalls, 1);
	return rln_uring_enter(&u->ring, u->enter_flags, 0, 0, NULL) >= 0;
}

struct io_uring_sqe *rln_uring_sqe_slow(struct rln_uring *u)
{
	rln_stat_add(&u->base.stats.sq_flushes, 1);
	return take_in(u) ? io_uring_get_sqe(&u->ring) : NULL;
}

static unsigned int transfer(const struct rln_op *op)
{
	uint64_t left = op->len - op->progress;

	return (unsigned int)rln_min(left, RLN_URING_TRANSFER_MAX);
}

static void prep_recv_pool(const struct rln_uring *u, struct io_uring_sqe *sqe, const struct rln_op *op)
{
	if (op->backend_state & RLN_URING_NOSOCK) {
		io_uring_prep_read(sqe, op->fd, NULL, 0, (uint64_t)-1);
	} else {
		io_uring_prep_recv(sqe, op->fd, NULL, 0, 0);
		if (u->multishot && !(op->flags & RLN_OPF_ONESHOT))
			sqe->ioprio |= IORING_RECV_MULTISHOT;
	}
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = RLN_BUF_GROUP;
}

static void prep_recv(struct io_uring_sqe *sqe, const struct rln_op *op)
{
	if (op->backend_state & RLN_URING_NOSOCK)
		io_uring_prep_read(sqe, op->fd, op->ptr, transfer(op), (uint64_t)-1);
	else
		io_uring_prep_recv(sqe, op->fd, op->ptr, transfer(op), 0);
}

static void prep_accept(const struct rln_uring *u, struct io_uring_sqe *sqe, const struct rln_op *op)
{
	if (u->multishot && !(op->flags & RLN_OPF_ONESHOT))
		io_uring_prep_multishot_accept(sqe, op->fd, NULL, NULL, SOCK_CLOEXEC);
	else
		io_uring_prep_accept(sqe, op->fd, NULL, NULL, SOCK_CLOEXEC);
}

static void prep_send(struct io_uring_sqe *sqe, const struct rln_op *op)
{
	io_uring_prep_send(sqe, op->fd, (const char *)op->ptr + op->progress, transfer(op), MSG_WAITALL | MSG_NOSIGNAL);
}

/* At once and only once, and with a completion only if not all bytes were taken. */
static void prep_quiet_send(struct io_uring_sqe *sqe, const struct rln_op *op)
{
	prep_send(sqe, op);
	sqe->msg_flags |= MSG_DONTWAIT;
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

static void prep_send_zero_copy(struct io_uring_sqe *sqe, const struct rln_op *op)
{
	io_uring_prep_send_zc(sqe, op->fd, (const char *)op->ptr + op->progress, transfer(op), MSG_WAITALL | MSG_NOSIGNAL,
	                      RLN_ZC_REPORT_USAGE);
}

static void prep(const struct rln_uring *u, struct io_uring_sqe *sqe, const struct rln_op *op)
{
	switch (op->opcode) {
	case RLN_OP_ACCEPT:
		prep_accept(u, sqe, op);
		break;
	case RLN_OP_CONNECT:
		io_uring_prep_connect(sqe, op->fd, op->ptr, (socklen_t)op->len);
		break;
	case RLN_OP_RECV:
		prep_recv(sqe, op);
		break;
	case RLN_OP_RECVMSG:
		io_uring_prep_recvmsg(sqe, op->fd, op->ptr, MSG_CMSG_CLOEXEC);
		break;
	case RLN_OP_READABLE:
		io_uring_prep_poll_add(sqe, op->fd, POLLIN | POLLRDHUP);
		break;
	case RLN_OP_WRITABLE:
		io_uring_prep_poll_add(sqe, op->fd, POLLOUT);
		break;
	case RLN_OP_RECV_POOL:
		prep_recv_pool(u, sqe, op);
		break;
	case RLN_OP_SEND:
		if (op->flags & RLN_OPF_ZERO_COPY)
			prep_send_zero_copy(sqe, op);
		else
			prep_send(sqe, op);
		break;
	case RLN_OP_SENDMSG:
		io_uring_prep_sendmsg(sqe, op->fd, op->ptr, MSG_WAITALL | MSG_NOSIGNAL);
		break;
	case RLN_OP_POLL:
		io_uring_prep_poll_add(sqe, op->fd, (unsigned int)op->arg);
		break;
	case RLN_OP_CLOSE:
		io_uring_prep_close(sqe, op->fd);
		break;
	case RLN_OP_NOP:
		io_uring_prep_nop(sqe);
		break;
	default:
		rln_uring_prep_file(sqe, op);
		break;
	}
}

static void put_off(struct rln_uring *u, struct rln_op *op)
{
	rln_uring_set_place(op, RLN_URING_BACKLOG);
	rln_list_add_tail(&u->backlog, &op->link);
}

/* An entry for an op; NULL: the op waits for one. */
static struct io_uring_sqe *entry_for(struct rln_uring *u, struct rln_op *op)
{
	struct io_uring_sqe *sqe = rln_list_empty(&u->backlog) ? rln_uring_sqe(u) : NULL;

	if (rln_unlikely(!sqe))
		put_off(u, op);
	return sqe;
}

void rln_uring_issue(struct rln_uring *u, struct rln_op *op)
{
	struct io_uring_sqe *sqe = entry_for(u, op);

	if (!sqe)
		return;
	prep(u, sqe, op);
	rln_uring_tag(u, op, sqe, RLN_URING_RING);
}

static void issue_quietly(struct rln_uring *u, struct rln_op *op)
{
	struct io_uring_sqe *sqe = entry_for(u, op);

	if (!sqe)
		return;
	prep_quiet_send(sqe, op);
	rln_uring_tag(u, op, sqe, RLN_URING_QUIET);
	rln_list_add_tail(&u->quiet_queued, &op->link);
}

void rln_uring_issue_poll(struct rln_uring *u, struct rln_op *op, uint32_t events)
{
	struct io_uring_sqe *sqe = rln_uring_sqe(u);

	if (!sqe) {
		put_off(u, op);
		return;
	}
	io_uring_prep_poll_add(sqe, op->fd, events);
	rln_uring_tag(u, op, sqe, RLN_URING_POLLING);
}

/* A device works on what it was given while the worker goes on with the turn, instead of waiting for its end. */
static void issue_eagerly(struct rln_uring *u, struct rln_op *op)
{
	if (u->eager == EAGER_MAX)
		(void)take_in(u);         /* what it does not take is queued as before */
	u->eager++;
	rln_uring_issue(u, op);
}

static bool tries_quietly(const struct rln_uring *u, const struct rln_op *op)
{
	return op->opcode == RLN_OP_SEND && u->quiet && op->len && op->len <= RLN_URING_TRANSFER_MAX && !(op->flags & RLN_OPF_ZERO_COPY);
}

void rln_uring_submit(struct rln_backend *b, struct rln_op *op)
{
	struct rln_uring *u = rln_uring_of(b);

	op->backend_state = RLN_URING_IDLE;
	if (tries_quietly(u, op))
		issue_quietly(u, op);
	else if (rln_unlikely(op->opcode == RLN_OP_NVME))
		rln_uring_nvme_issue(u, op);
	else if (op->flags & RLN_OPF_EAGER)
		issue_eagerly(u, op);
	else
		rln_uring_issue(u, op);
}

/* Cancelling */

static bool submit_cancel(struct rln_uring *u, const struct rln_op *op)
{
	struct io_uring_sqe *sqe;

	if (op->opcode == RLN_OP_NVME)
		return rln_uring_nvme_cancel(u, op);
	sqe = rln_uring_sqe(u);
	if (!sqe)
		return false;
	io_uring_prep_cancel64(sqe, rln_uring_user_data(op), 0);
	io_uring_sqe_set_data64(sqe, RLN_UD_IGNORED);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	return true;
}

void rln_uring_cancel(struct rln_backend *b, struct rln_op *op)
{
	struct rln_uring *u = rln_uring_of(b);

	switch (rln_uring_place(op)) {
	case RLN_URING_BACKLOG:
	case RLN_URING_STARVED:
		rln_list_del(&op->link);
		rln_uring_finish(u, op, op->progress ? (int64_t)op->progress : -ECANCELED);
		break;
	case RLN_URING_RING:
	case RLN_URING_POLLING:
		if (!submit_cancel(u, op))
			rln_list_add_tail(&u->cancels, &op->link);
		break;
	default:
		break;            /* its result is on the way; a quiet send has it by the end of the next wait */
	}
}

void rln_uring_flush_waiting(struct rln_uring *u)
{
	struct rln_list batch;
	struct rln_list *node;

	while ((node = rln_list_first(&u->cancels))) {
		if (!submit_cancel(u, rln_list_entry(node, struct rln_op, link)))
			return;
		rln_list_del(node);
	}
	rln_list_init(&batch);
	rln_list_splice_tail(&batch, &u->backlog);
	while ((node = rln_list_pop(&batch))) {
		rln_uring_issue(u, rln_list_entry(node, struct rln_op, link));
		if (!rln_list_empty(&u->backlog)) {
			rln_list_splice_tail(&u->backlog, &batch);
			return;
		}
	}
}
