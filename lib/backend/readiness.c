/* SPDX-License-Identifier: MIT */
/*
 * Readiness lifted to completion.
 *
 * An op in flight is in one of these states (op->backend_state):
 *
 *     PARKED    in its descriptor's entry, waiting for an event; on no list
 *     HOT       in its entry and on the hot list: the next wait() tries it
 *     STARVED   in its entry and on the starved list: RECV_POOL that found no buffer
 *     RETRY     in its entry and on the retry list: CONNECT that is tried again after a while
 *     DONE      in no entry, on the done list; op->progress is its result
 *
 * submit() tries sends, connects and reads that may succeed at once, so that bytes leave early and in order; the
 * results go to the done list. Multishot ops only ever run from deliver(). Events make parked ops hot and do nothing
 * else, so no callback runs while the kernel's events are being read.
 *
 * Invariants. An op that parks has its events armed, and armed before the last attempt or armed anew after it, so no
 * edge is lost. RLN_READY_IN is cleared only by an attempt that proved the descriptor empty; an edge sets it again.
 * After a callback nothing is used but the op itself, which is still in flight (terminal results are delivered by
 * deliver_done() or last thing in a function) and whose state says what the callback did to it. Lists are taken over
 * and popped one by one, so a callback may unlink any op, and what it adds waits for the next wait().
 *
 * A turn receives a bounded number of bytes; what is hot beyond stays so. Bytes that were received are used while they
 * are in the cache: 200 connections with 64 KiB each, received first and sent then, cost 2.5 times as much.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/attempt.h"
#include "backend/readiness.h"

#define MASK_READ     (EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLET)
#define MASK_WRITE    (EPOLLOUT | EPOLLET)
#define MASK_POLL     0xffffu           /* what a POLL may ask for: the bits of poll(2) */
#define EVENTS_LAST   (EPOLLRDHUP | EPOLLPRI | EPOLLHUP | EPOLLERR)
#define EVENTS_READ   (EPOLLIN | EVENTS_LAST)
#define EVENTS_WRITE  (EPOLLOUT | EPOLLHUP | EPOLLERR)

#define ACCEPTS_PER_TURN 64u
#define READS_PER_TURN   2u
#define SENDS_PER_TURN   8u
#define BYTES_PER_TURN   (256u * 1024)
#define RETRY_FIRST      RLN_NSEC_PER_MSEC
#define RETRY_MAX        (16 * RLN_NSEC_PER_MSEC)

enum state {
	IDLE,
	PARKED,
	HOT,
	STARVED,
	RETRY,
	DONE,
};

int rln_readiness_init(struct rln_readiness *r, const struct rln_backend_config *cfg, const struct rln_poller *poller,
		       struct rln_backend_stats *stats)
{
	r->poller = poller;
	r->stats = stats;
	r->clock = cfg->clock;
	r->retry_at = 0;
	r->retry_delay = RETRY_FIRST;
	rln_list_init(&r->done);
	rln_list_init(&r->hot);
	rln_list_init(&r->starved);
	rln_list_init(&r->retry);
	rln_fdtable_init(&r->fds);
	return rln_bufpool_new(&r->pool, cfg, stats);
}

void rln_readiness_fini(struct rln_readiness *r)
{
	rln_bufpool_free(r->pool);
	rln_fdtable_fini(&r->fds);
}

/* --- states ------------------------------------------------------------------------------------------------------- */

static enum rln_fdside side_of(const struct rln_op *op)
{
	switch (op->opcode) {
	case RLN_OP_ACCEPT:
	case RLN_OP_READABLE:
	case RLN_OP_RECV:
	case RLN_OP_RECVMSG:
	case RLN_OP_RECV_POOL:
		return RLN_SIDE_READ;
	case RLN_OP_POLL:
		return RLN_SIDE_POLL;
	default:
		return RLN_SIDE_WRITE;
	}
}

/* Out of its list and its entry. */
static void leave(struct rln_readiness *r, struct rln_op *op)
{
	struct rln_fdstate *st = rln_fdtable_find(&r->fds, op->fd);

	rln_list_del(&op->link);
	if (st && st->op[side_of(op)] == op)
		st->op[side_of(op)] = NULL;
	op->backend_state = IDLE;
}

/* The terminal result, to be delivered by the present or next wait(). */
static void finish(struct rln_readiness *r, struct rln_op *op, int64_t res)
{
	leave(r, op);
	op->progress = (uint64_t)res;
	op->backend_state = DONE;
	rln_list_add_tail(&r->done, &op->link);
}

/* The terminal result, now. The last thing a caller does with the op. */
static void complete_now(struct rln_readiness *r, struct rln_op *op, const struct rln_completion *c)
{
	leave(r, op);
	rln_op_complete(op, c);
}

static void make_hot(struct rln_readiness *r, struct rln_op *op)
{
	rln_list_del(&op->link);
	op->backend_state = HOT;
	rln_list_add_tail(&r->hot, &op->link);
}

static void park(struct rln_op *op)
{
	rln_list_del(&op->link);
	op->backend_state = PARKED;
}

/* Bytes a send has moved are reported, not lost; the error comes with the next one. */
static int64_t partial_or(const struct rln_op *op, int64_t error)
{
	bool counts = op->opcode == RLN_OP_SEND || op->opcode == RLN_OP_SENDMSG;

	return counts && op->progress ? (int64_t)op->progress : error;
}

/* Parks an op until one of the events of *mask*; registers them if they are not yet. */
static void await(struct rln_readiness *r, struct rln_fdstate *st, struct rln_op *op, uint32_t mask)
{
	uint32_t all = (st->mask & ~(uint32_t)EPOLLONESHOT) | mask;
	int res = 0;

	if (all != st->mask)
		res = st->flags & RLN_FD_UNPOLLABLE ? -EPERM : r->poller->arm(r, st, all);
	if (res == -EPERM) {
		st->flags |= RLN_FD_UNPOLLABLE | RLN_FD_NO_NOWAIT;
		st->ready |= RLN_READY_IN;
		make_hot(r, op);
	} else if (res < 0) {
		finish(r, op, partial_or(op, res));
	} else {
		park(op);
	}
}

/* The entry of the op's descriptor, with the op in it; NULL: the op has failed. */
static struct rln_fdstate *enter(struct rln_readiness *r, struct rln_op *op)
{
	struct rln_fdstate *st;
	int res = rln_fdtable_get(&r->fds, op->fd, &st);

	if (res < 0) {
		finish(r, op, partial_or(op, res));
		return NULL;
	}
	st->op[side_of(op)] = op;
	return st;
}

static void clear_ready(struct rln_fdstate *st, int64_t res, bool drained)
{
	if (res == -EAGAIN)
		st->ready = 0;
	else if (drained && !(st->ready & RLN_READY_LAST))
		st->ready &= (uint8_t)~RLN_READY_IN;
}

/* What an attempt to receive tells: of the descriptor, and of the turn. */
static void note_received(struct rln_readiness *r, struct rln_fdstate *st, int64_t res, bool drained)
{
	if (res > 0)
		r->received += (uint64_t)res;
	clear_ready(st, res, drained);
}

/* --- one-shot ops ------------------------------------------------------------------------------------------------- */

static void run_recv(struct rln_readiness *r, struct rln_fdstate *st, struct rln_op *op)
{
	bool drained = false;
	int64_t res;

	if (op->opcode == RLN_OP_RECVMSG)
		res = rln_attempt_recvmsg(r->stats, op->fd, op->ptr);
	else
		res = rln_attempt_recv(r->stats, st, op->ptr, op->len, &drained);
	note_received(r, st, res, drained);
	if (res == -EAGAIN)
		await(r, st, op, MASK_READ);
	else if (res == RLN_ATTEMPT_LATER)
		make_hot(r, op);
	else
		finish(r, op, res);
}

static void start_recv(struct rln_readiness *r, struct rln_op *op)
{
	struct rln_fdstate *st = enter(r, op);

	if (!st)
		return;
	if (st->ready & RLN_READY_IN)
		run_recv(r, st, op);
	else
		await(r, st, op, MASK_READ);
}

/*
 * Whoever waits for readiness has tried by himself and found nothing, so what was known from before his try is not true any
 * more; an edge from after it is still to be read.
 */
static void start_readable(struct rln_readiness *r, struct rln_op *op)
{
	struct rln_fdstate *st = enter(r, op);

	if (!st)
		return;
	if ((st->ready & RLN_READY_LAST) && rln_attempt_readable(r->stats, op->fd)) {
		finish(r, op, 0);
		return;
	}
	st->ready &= (uint8_t)~RLN_READY_IN;
	await(r, st, op, MASK_READ);
}

static void start_writable(struct rln_readiness *r, struct rln_op *op)
{
	struct rln_fdstate *st = enter(r, op);

	if (st)
		await(r, st, op, MASK_WRITE);
}

/* Sends until all is gone (true) or no more goes. *res* is the last attempt's. */
static bool send_all(struct rln_readiness *r, struct rln_fdstate *st, struct rln_op *op, int64_t *res)
{
	for (uint32_t n = 0; n < SENDS_PER_TURN; n++) {
		*res = rln_attempt_send(r->stats, st, op);
		if (*res < 0)
			return false;
		if (op->progress >= op->len || !*res)
			return true;
	}
	*res = RLN_ATTEMPT_LATER;
	return false;
}

/* *st* is NULL until the descriptor must be remembered: one that never would block needs no entry. */
static void run_send(struct rln_readiness *r, struct rln_fdstate *st, struct rln_op *op)
{
	int64_t res;

	if (send_all(r, st, op, &res)) {
		finish(r, op, (int64_t)op->progress);
		return;
	}
	if (res != -EAGAIN && res != -ENOTSOCK && res != RLN_ATTEMPT_LATER) {
		finish(r, op, partial_or(op, res));
		return;
	}
	st = enter(r, op);
	if (!st)
		return;
	if (res == -EAGAIN) {
		await(r, st, op, MASK_WRITE);
		return;
	}
	if (res == -ENOTSOCK)
		st->kind = RLN_KIND_FILE;
	make_hot(r, op);
}

static void wait_and_retry(struct rln_readiness *r, struct rln_op *op)
{
	if (rln_list_empty(&r->retry)) {
		r->retry_delay = RETRY_FIRST;
		r->retry_at = rln_time_add(rln_clock_now(r->clock), r->retry_delay);
	}
	rln_list_del(&op->link);
	op->backend_state = RETRY;
	rln_list_add_tail(&r->retry, &op->link);
}

/*
 * The registration is made anew whatever the entry says: the number may have been reused behind our back, and an event
 * from before the connect must not be taken for its end.
 */
static void await_connected(struct rln_readiness *r, struct rln_fdstate *st, struct rln_op *op)
{
	uint8_t armed = st->flags & RLN_FD_ARMED;

	rln_fdstate_renew(st);
	st->flags = armed;
	await(r, st, op, MASK_READ | MASK_WRITE);
}

static void start_connect(struct rln_readiness *r, struct rln_op *op)
{
	int res = rln_attempt_connect(r->stats, op);
	bool full = res == -EAGAIN && op->len >= sizeof(sa_family_t) &&
		    ((const struct sockaddr *)op->ptr)->sa_family == AF_UNIX;
	struct rln_fdstate *st;

	if (res != -EINPROGRESS && !full) {
		finish(r, op, res);
		return;
	}
	st = enter(r, op);
	if (!st)
		return;
	if (full)
		wait_and_retry(r, op);
	else
		await_connected(r, st, op);
}

static void start_poll(struct rln_readiness *r, struct rln_op *op)
{
	struct rln_fdstate *st = enter(r, op);
	uint32_t mask = (uint32_t)op->arg & MASK_POLL;
	int res;

	if (!st)
		return;
	/* Armed each time: the caller reads and writes by himself, so we know nothing, and the kernel looks again. */
	if (st->mask & EPOLLET)
		mask |= st->mask;
	else
		mask |= EPOLLONESHOT;
	res = r->poller->arm(r, st, mask);
	if (res < 0)
		finish(r, op, res);
	else
		park(op);
}

/* The descriptor goes, or turns out to be another file than the one we knew. */
static void forget(struct rln_readiness *r, struct rln_fdstate *st)
{
	/* Not left to close(): a duplicate in another process would keep the registration alive. */
	if (st->flags & RLN_FD_ARMED)
		r->poller->disarm(r, st);
	rln_fdstate_renew(st);
}

void rln_readiness_forget(struct rln_readiness *r, int fd)
{
	struct rln_fdstate *st = rln_fdtable_find(&r->fds, fd);

	if (st && !st->op[RLN_SIDE_READ] && !st->op[RLN_SIDE_WRITE] && !st->op[RLN_SIDE_POLL])
		forget(r, st);
}

static int64_t do_close(struct rln_readiness *r, int fd)
{
	struct rln_fdstate *st = rln_fdtable_find(&r->fds, fd);

	if (st)
		forget(r, st);
	rln_stat_add(&r->stats->syscalls, 1);
	if (close(fd) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

/* --- multishot ops ------------------------------------------------------------------------------------------------ */

static void start_multishot(struct rln_readiness *r, struct rln_op *op)
{
	struct rln_fdstate *st = enter(r, op);

	if (!st)
		return;
	if (st->ready & RLN_READY_IN)
		make_hot(r, op);
	else
		await(r, st, op, MASK_READ);
}

/* A new descriptor: whatever its entry says is about a file that is gone. It is of the listener's kind. */
static void adopt(struct rln_readiness *r, struct rln_fdstate *listener, int fd)
{
	struct rln_fdstate *st;

	if (rln_fdtable_get(&r->fds, fd, &st) < 0)
		return;
	forget(r, st);
	st->kind = listener->kind;
}

static void accept_failed(struct rln_readiness *r, struct rln_fdstate *st, struct rln_op *op, int res)
{
	if (res == RLN_ATTEMPT_LATER) {
		make_hot(r, op);
	} else if (res == -EAGAIN) {
		st->ready = 0;
		await(r, st, op, MASK_READ);
	} else {
		finish(r, op, res);
	}
}

/* One accepted descriptor to its receiver. Returns whether the op wants to go on. */
static bool deliver_accepted(struct rln_readiness *r, struct rln_op *op, int fd)
{
	struct rln_completion c = { .res = fd, .flags = RLN_C_MORE };

	if (op->flags & RLN_OPF_ONESHOT) {
		c.flags = 0;
		complete_now(r, op, &c);
		return false;
	}
	make_hot(r, op);
	rln_op_complete(op, &c);
	return op->backend_state == HOT;
}

static uint32_t run_accept(struct rln_readiness *r, struct rln_fdstate *st, struct rln_op *op)
{
	uint32_t delivered = 0;

	for (uint32_t n = 0; n < ACCEPTS_PER_TURN; n++) {
		int fd = rln_attempt_accept(r->stats, op->fd);

		if (fd == -ECONNABORTED)
			continue;
		if (fd < 0) {
			accept_failed(r, st, op, fd);
			return delivered;
		}
		rln_attempt_classify(r->stats, st);
		adopt(r, st, fd);
		delivered++;
		if (!deliver_accepted(r, op, fd))
			return delivered;
	}
	make_hot(r, op);
	return delivered;
}

static void starve(struct rln_readiness *r, struct rln_op *op)
{
	if (!rln_bufpool_lent(r->pool)) {
		finish(r, op, -ENOMEM);
		return;
	}
	rln_list_del(&op->link);
	op->backend_state = STARVED;
	rln_list_add_tail(&r->starved, &op->link);
	rln_stat_add(&r->stats->starved, 1);
}

/* Hands *n* bytes of the current block over. Returns whether the op wants to go on. */
static bool deliver_bytes(struct rln_readiness *r, struct rln_fdstate *st, struct rln_op *op, struct rln_buf *buf,
			  int64_t n)
{
	struct rln_completion c = { .res = n, .buf = buf, .data = buf->mem + buf->used };

	rln_bufpool_commit(r->pool, (size_t)n);
	if (rln_bufpool_scarce(r->pool))
		c.flags |= RLN_C_SCARCE;
	if (op->flags & RLN_OPF_ONESHOT) {
		complete_now(r, op, &c);
		return false;
	}
	c.flags |= RLN_C_MORE;
	if (st->ready & RLN_READY_IN)
		make_hot(r, op);
	else
		await(r, st, op, MASK_READ);
	rln_op_complete(op, &c);
	return op->backend_state == HOT;
}

static uint32_t run_recv_pool(struct rln_readiness *r, struct rln_fdstate *st, struct rln_op *op)
{
	for (uint32_t n = 0; n < READS_PER_TURN; n++) {
		struct rln_buf *buf = rln_bufpool_current(r->pool);
		bool drained;
		int64_t res;

		if (!buf) {
			starve(r, op);
			return n;
		}
		res = rln_attempt_recv(r->stats, st, buf->mem + buf->used, buf->size - buf->used, &drained);
		note_received(r, st, res, drained);
		if (res == -EAGAIN) {
			await(r, st, op, MASK_READ);
			return n;
		}
		if (res == RLN_ATTEMPT_LATER)
			break;
		if (res <= 0) {
			finish(r, op, res);
			return n;
		}
		if (!deliver_bytes(r, st, op, buf, res))
			return n + 1;
	}
	make_hot(r, op);
	return READS_PER_TURN;
}

/* --- delivery ----------------------------------------------------------------------------------------------------- */

static uint32_t run(struct rln_readiness *r, struct rln_op *op)
{
	struct rln_fdstate *st = rln_fdtable_find(&r->fds, op->fd);

	switch (op->opcode) {
	case RLN_OP_ACCEPT:
		return run_accept(r, st, op);
	case RLN_OP_RECV_POOL:
		return run_recv_pool(r, st, op);
	case RLN_OP_RECV:
	case RLN_OP_RECVMSG:
		run_recv(r, st, op);
		return 0;
	case RLN_OP_READABLE:
	case RLN_OP_WRITABLE:
		finish(r, op, 0);
		return 0;
	case RLN_OP_CONNECT:
		finish(r, op, rln_attempt_connected(r->stats, op->fd));
		return 0;
	default:
		run_send(r, st, op);
		return 0;
	}
}

/* What the turn has no room for comes first in the next one. */
static uint32_t run_hot(struct rln_readiness *r)
{
	struct rln_list batch;
	struct rln_list *node;
	uint32_t delivered = 0;

	r->received = 0;
	rln_list_init(&batch);
	rln_list_splice_tail(&batch, &r->hot);
	while (r->received < BYTES_PER_TURN && (node = rln_list_pop(&batch)))
		delivered += run(r, rln_list_entry(node, struct rln_op, link));
	rln_list_splice_tail(&batch, &r->hot);
	rln_list_splice_tail(&r->hot, &batch);
	return delivered;
}

static uint32_t deliver_done(struct rln_readiness *r)
{
	struct rln_list batch;
	struct rln_list *node;
	uint32_t delivered = 0;

	rln_list_init(&batch);
	rln_list_splice_tail(&batch, &r->done);
	while ((node = rln_list_pop(&batch))) {
		struct rln_op *op = rln_list_entry(node, struct rln_op, link);
		struct rln_completion c = { .res = (int64_t)op->progress };

		op->backend_state = IDLE;
		rln_op_complete(op, &c);
		delivered++;
	}
	return delivered;
}

/* All that wait are tried together; the delay doubles as long as some stay. */
static void run_retries(struct rln_readiness *r)
{
	struct rln_list batch;
	struct rln_list *node;
	uint64_t delay;
	uint64_t now;

	if (rln_list_empty(&r->retry))
		return;
	now = rln_clock_now(r->clock);
	if (now < r->retry_at)
		return;
	delay = rln_min(2 * r->retry_delay, RETRY_MAX);
	rln_list_init(&batch);
	rln_list_splice_tail(&batch, &r->retry);
	while ((node = rln_list_pop(&batch)))
		start_connect(r, rln_list_entry(node, struct rln_op, link));
	r->retry_delay = delay;
	r->retry_at = rln_time_add(now, delay);
}

uint32_t rln_readiness_deliver(struct rln_readiness *r)
{
	uint32_t delivered;

	run_retries(r);
	delivered = run_hot(r) + deliver_done(r);
	rln_bufpool_settle(r->pool);
	return delivered;
}

void rln_readiness_feed(struct rln_readiness *r)
{
	struct rln_list *node;
	uint32_t n;

	if (rln_list_empty(&r->starved))
		return;
	for (n = rln_bufpool_available(r->pool); n && (node = rln_list_first(&r->starved)); n--) {
		make_hot(r, rln_list_entry(node, struct rln_op, link));
		rln_stat_add(&r->stats->rearms, 1);
	}
}

/* --- entry points ------------------------------------------------------------------------------------------------- */

void rln_readiness_event(struct rln_readiness *r, uint64_t key, uint32_t events)
{
	struct rln_fdstate *st = rln_fdtable_find(&r->fds, (int)(uint32_t)key);
	struct rln_op *op;

	if (!st || st->gen != key >> 32) {
		rln_stat_add(&r->stats->unknown, 1);
		return;
	}
	if (st->mask & EPOLLONESHOT)
		st->mask = 0;
	if (events & EVENTS_READ)
		st->ready |= RLN_READY_IN;
	if (events & EVENTS_LAST)
		st->ready |= RLN_READY_LAST;

	op = st->op[RLN_SIDE_READ];
	if (op && op->backend_state == PARKED && (st->ready & RLN_READY_IN))
		make_hot(r, op);
	op = st->op[RLN_SIDE_WRITE];
	if (op && op->backend_state == PARKED && (events & EVENTS_WRITE))
		make_hot(r, op);
	op = st->op[RLN_SIDE_POLL];
	if (op)
		events &= ((uint32_t)op->arg & MASK_POLL) | EPOLLERR | EPOLLHUP;
	if (op && events)
		finish(r, op, events);
}

/* The caller takes the result of a send itself. */
static void return_done(struct rln_op *op)
{
	rln_list_del(&op->link);
	op->backend_state = IDLE;
	op->state = RLN_OP_DONE;
}

void rln_readiness_submit(struct rln_readiness *r, struct rln_op *op)
{
	op->backend_state = IDLE;
	switch (op->opcode) {
	case RLN_OP_NOP:
		finish(r, op, 0);
		break;
	case RLN_OP_ACCEPT:
	case RLN_OP_RECV_POOL:
		start_multishot(r, op);
		break;
	case RLN_OP_CONNECT:
		start_connect(r, op);
		break;
	case RLN_OP_RECV:
	case RLN_OP_RECVMSG:
		start_recv(r, op);
		break;
	case RLN_OP_READABLE:
		start_readable(r, op);
		break;
	case RLN_OP_WRITABLE:
		start_writable(r, op);
		break;
	case RLN_OP_SEND:
	case RLN_OP_SENDMSG:
		run_send(r, rln_fdtable_find(&r->fds, op->fd), op);
		if (op->backend_state == DONE && (op->flags & RLN_OPF_INLINE))
			return_done(op);
		break;
	case RLN_OP_POLL:
		start_poll(r, op);
		break;
	case RLN_OP_CLOSE:
		finish(r, op, do_close(r, op->fd));
		break;
	default:
		finish(r, op, -EINVAL);
		break;
	}
}

/* A result that is known already stands. */
void rln_readiness_cancel(struct rln_readiness *r, struct rln_op *op)
{
	if (op->backend_state != DONE)
		finish(r, op, partial_or(op, -ECANCELED));
}
