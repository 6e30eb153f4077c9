/* SPDX-License-Identifier: MIT */
/*
 * Receiving.
 *
 * The read-side operation adapts to what the reader wants:
 *
 *   pool     (RLN_OP_RECV_POOL, multishot) the backend fills buffers of its own as bytes arrive, whether or not anyone
 *            waits. A completion becomes a segment of `input`; while a reader is parked with memory of its own and
 *            nothing is queued before it, the bytes are copied straight there and the buffer goes home at once.
 *   direct   (RLN_OP_RECV, one-shot) a parked reader that wants much gets its memory handed to the kernel: no copy, no
 *            buffer. If the pool operation is in flight it is cancelled first; its late bytes are delivered in order.
 *
 * The operation is armed when a task first waits and stays armed, up to the input limit: then it is cancelled, so that the
 * peer's window closes, and armed again when half of the input was consumed.
 *
 * When the backend runs short of buffers (RLN_C_SCARCE) all bytes that are queued, on whatever connection, are copied out,
 * so that tasks which do not read cannot hold the memory others need. Only what peek has lent stays in its buffer, and it
 * cannot be more than what was received before they ran short: what comes from then on is copied before it can be lent.
 *
 * Invariants: one reader at a time; a reader's memory is out of everyone's reach before its call returns; data comes
 * before the end of the stream and before an error.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "io/buf.h"
#include "io/conn-extra.h"
#include "io/conn-fds.h"
#include "io/conn-recv.h"
#include "io/handler.h"
#include "io/transport.h"

/* From this want on the kernel writes to the reader's memory itself: below, a copy is cheaper than leaving the multishot. */
#define DIRECT_MIN (64u * 1024)

static struct rln_reader *parked_reader(const struct ringline_conn *c)
{
	struct rln_list *node = rln_list_first(&c->reader.waiters);

	return node ? rln_container_of(node, struct rln_reader, wait.link) : NULL;
}

static bool satisfied(const struct ringline_conn *c, const struct rln_reader *r)
{
	return r->buf ? r->got >= r->min : c->buffered > 0;
}

static bool wants_direct(const struct ringline_conn *c, const struct rln_reader *r)
{
	return r && r->buf && r->want - r->got >= DIRECT_MIN && !c->buffered && !rln_conn_wants_fds(c);
}

/* Arming */

static void submit_direct(struct ringline_conn *c, struct rln_reader *r)
{
	c->recv.opcode = RLN_OP_RECV;
	c->recv.ptr = r->buf + r->got;
	c->recv.len = r->want - r->got;
	c->recv.flags = 0;
	c->transport->submit(c, &c->recv);
}

static void submit_pool(struct ringline_conn *c)
{
	if (rln_conn_wants_fds(c) && rln_conn_fds_receive(c))
		return;
	c->recv.opcode = RLN_OP_RECV_POOL;
	c->recv.ptr = NULL;
	c->recv.len = 0;
	/* older kernels lose the end of the stream of a multishot receive on unix sockets */
	c->recv.flags = c->family == AF_UNIX ? RLN_OPF_ONESHOT : 0;
	c->transport->submit(c, &c->recv);
}

/* A worker whose memory is at its limit receives for those only who have used up what they have. */
static size_t input_limit(const struct ringline_conn *c)
{
	return rln_unlikely(rln_blocks_full(c->io)) ? 1 : rln_conn_input_limit(c);
}

void rln_conn_recv_arm(struct ringline_conn *c)
{
	struct rln_reader *r = parked_reader(c);

	if (c->state != RLN_CONN_OPEN || c->eof || c->recv_error || c->recv_by_hand)
		return;
	if (rln_op_inflight(&c->recv)) {
		if (c->recv.opcode == RLN_OP_RECV_POOL && wants_direct(c, r))
			c->transport->cancel(c, &c->recv);
	} else if (wants_direct(c, r)) {
		submit_direct(c, r);
	} else if (c->buffered < input_limit(c)) {
		c->throttled = false;
		submit_pool(c);
	}
}

static void throttle(struct ringline_conn *c)
{
	if (c->throttled || c->buffered < input_limit(c))
		return;
	c->throttled = true;
	rln_stat_add(&c->io->stats.throttled, 1);
	c->transport->cancel(c, &c->recv);
}

/* The input queue */

void rln_segment_free(struct ringline_conn *c, struct rln_segment *s)
{
	rln_list_del(&s->link);
	rln_list_del(&s->held);
	rln_buf_unref(s->buf);
	rln_slab_free(&c->io->segments, s);
}

/*
 * Moves a segment's bytes to a block, if there is memory: otherwise it keeps the buffer. The memory limit is not asked: this
 * is what lets the others go on, and a connection that has something buffered receives no more beyond the limit.
 */
static void segment_copy_out(struct rln_io *io, struct rln_segment *s)
{
	struct rln_buf *block = rln_block_new(io, s->len);

	if (!block)
		return;
	memcpy(block->mem, s->data, s->len);
	s->data = block->mem;
	rln_buf_unref(s->buf);
	s->buf = block;
	rln_list_del(&s->held);
	rln_stat_add(&io->stats.bytes_copied, s->len);
}

/* Takes the buffers back in which bytes lie that nobody reads, whosever they are. What was lent stays where it is. */
static void reclaim_buffers(struct rln_io *io)
{
	struct rln_list *it;
	struct rln_list *tmp;

	rln_list_for_each_safe (it, tmp, &io->held)
		segment_copy_out(io, rln_list_entry(it, struct rln_segment, held));
}

/* Takes over the reference on the buffer. */
static void enqueue(struct ringline_conn *c, const struct rln_completion *done, unsigned char *data, size_t n)
{
	struct rln_segment *s = rln_slab_alloc(&c->io->segments);

	if (!s) {
		rln_buf_unref(done->buf);
		c->recv_error = -ENOMEM;
		c->transport->cancel(c, &c->recv);   /* behind a gap nothing may be delivered */
		return;
	}
	s->buf = done->buf;
	s->room = 0;
	s->lent = false;
	s->data = data;
	s->len = n;
	rln_list_init(&s->link);
	rln_list_add_tail(&c->input, &s->link);
	rln_list_init(&s->held);
	rln_list_add_tail(&c->io->held, &s->held);
	c->buffered += n;
}

void rln_conn_drop(struct ringline_conn *c, size_t n)
{
	c->buffered -= n;
	while (n) {
		struct rln_segment *s = rln_list_entry(c->input.next, struct rln_segment, link);
		size_t k = rln_min(n, s->len);

		s->data += k;
		s->len -= k;
		n -= k;
		if (!s->len)
			rln_segment_free(c, s);
	}
	if (c->throttled && c->buffered <= input_limit(c) / 2)
		rln_conn_recv_arm(c);
}

/* Copies what is buffered into the reader's memory. */
static void drain(struct ringline_conn *c, struct rln_reader *r)
{
	while (r->got < r->want && c->buffered) {
		struct rln_segment *s = rln_list_entry(c->input.next, struct rln_segment, link);
		size_t k = rln_min(r->want - r->got, s->len);

		memcpy(r->buf + r->got, s->data, k);
		r->got += k;
		rln_conn_drop(c, k);
	}
}

/* Completions */

static void deliver_pool(struct ringline_conn *c, const struct rln_completion *done)
{
	struct rln_reader *r = parked_reader(c);
	unsigned char *data = done->data;
	size_t n = (size_t)done->res;

	rln_conn_count_received(c, n);
	if (c->state != RLN_CONN_OPEN || c->recv_error) {
		rln_buf_unref(done->buf);
		return;
	}
	if (r && r->buf && !c->buffered) {
		size_t k = rln_min(r->want - r->got, n);

		memcpy(r->buf + r->got, data, k);
		r->got += k;
		data += k;
		n -= k;
	}
	if (n)
		enqueue(c, done, data, n);
	else
		rln_buf_unref(done->buf);
	if (done->flags & RLN_C_SCARCE)
		reclaim_buffers(c->io);
	throttle(c);
}

static void deliver_direct(struct ringline_conn *c, size_t n)
{
	struct rln_reader *r = parked_reader(c);

	rln_conn_count_received(c, n);
	r->got += n;
}

static void note_end(struct ringline_conn *c, int64_t res)
{
	if (res == 0)
		c->eof = true;
	else if (res < 0 && res != -ECANCELED)
		c->recv_error = (int)res;
}

/* After a completion: wake who has what he wants or will not get it, else go on receiving. */
static void serve_reader(struct ringline_conn *c)
{
	struct rln_reader *r = parked_reader(c);
	bool over = c->eof || c->recv_error;

	if (c->buffered || over)
		rln_conn_tell_readable(c);
	if (r && (satisfied(c, r) || over))
		rln_wait_fire(&r->wait, 0);
	else if (r || rln_source_waited_on(&c->readable))
		rln_conn_recv_arm(c);
}

/* The reader has been cut, or the connection ends: it waits no longer, whatever it got. */
static void release_reader(struct ringline_conn *c)
{
	rln_source_fire_all(&c->reader, 0);
}

void rln_conn_recv_complete(struct rln_op *op, const struct rln_completion *done)
{
	struct ringline_conn *c = rln_container_of(op, struct ringline_conn, recv);
	bool terminal = !(done->flags & RLN_C_MORE);
	struct rln_completion with_fds;

	if (rln_unlikely(op->opcode == RLN_OP_RECVMSG)) {
		with_fds = *done;
		rln_conn_fds_received(c, &with_fds);
		done = &with_fds;
	}
	if (done->res > 0) {
		if (op->opcode != RLN_OP_RECV)
			deliver_pool(c, done);
		else
			deliver_direct(c, (size_t)done->res);
	} else if (terminal && op->opcode != RLN_OP_READABLE) {
		note_end(c, done->res);
	}
	if (rln_unlikely(c->recv_by_hand)) {
		rln_conn_tell_readable(c);
	} else if (c->state != RLN_CONN_OPEN) {
		if (terminal)
			release_reader(c);
		rln_conn_progress(c);
	} else if (op->opcode == RLN_OP_RECV && (op->flags & RLN_OPF_CANCELLED)) {
		release_reader(c);
		serve_reader(c);          /* others may wait until it is readable */
	} else {
		serve_reader(c);
	}
}

/* A reader whose memory the kernel may still write to is released by the end of the direct receive. */
void rln_conn_recv_end(struct ringline_conn *c)
{
	struct rln_list *it;
	struct rln_list *tmp;

	rln_list_for_each_safe (it, tmp, &c->input) {
		struct rln_segment *s = rln_list_entry(it, struct rln_segment, link);

		if (!s->lent)
			rln_segment_free(c, s);
	}
	c->buffered = 0;
	rln_conn_tell_readable(c);
	if (!(rln_op_inflight(&c->recv) && c->recv.opcode == RLN_OP_RECV))
		release_reader(c);
	c->transport->cancel(c, &c->recv);
}

void rln_conn_recv_free(struct ringline_conn *c)
{
	struct rln_list *node;

	while ((node = rln_list_first(&c->input)))
		rln_segment_free(c, rln_list_entry(node, struct rln_segment, link));
}

/* The calls */

static const struct rln_what what_receive = { .name = "receive", .describe = rln_conn_describe };

/* Parks until the reader is satisfied or will not be. Returns the cut, or 0. */
static int park(struct ringline_conn *c, struct rln_reader *r, struct ringline_task *t)
{
	struct rln_parker p;
	struct rln_wait sink;
	int cut;

	rln_parker_init(&p, t, &what_receive, c);
	rln_wait_arm(&r->wait, &p, &c->reader);
	if (rln_unlikely(r->sink != NULL))
		rln_wait_arm(&sink, &p, &r->sink->writable);
	rln_conn_recv_arm(c);
	cut = rln_conn_park(c, &p, &r->wait, &c->reader, RLN_LIMIT_READ);
	if (cut && rln_op_inflight(&c->recv) && c->recv.opcode == RLN_OP_RECV) {
		c->transport->cancel(c, &c->recv);
		rln_park_shielded(&p);
	}
	rln_wait_disarm(&r->wait);
	if (rln_unlikely(r->sink != NULL))
		rln_wait_disarm(&sink);
	return cut;
}

/* Why a reader that waited, or need not wait, got less than it asked for. */
static int why_short(const struct ringline_conn *c, int cut)
{
	if (c->state != RLN_CONN_OPEN)
		return rln_conn_gone(c);
	if (cut)
		return cut;
	return c->recv_error;     /* 0 at the end of the stream */
}

int rln_conn_receive(struct ringline_conn *c, struct rln_reader *r, struct ringline_task *t)
{
	return rln_conn_read_busy(c) ? -EBUSY : rln_conn_receive_in_turn(c, r, t);
}

int rln_conn_receive_in_turn(struct ringline_conn *c, struct rln_reader *r, struct ringline_task *t)
{
	int cut = 0;

	if (r->buf)
		drain(c, r);
	if (!satisfied(c, r) && !c->eof && !c->recv_error)
		cut = park(c, r, t);
	return satisfied(c, r) ? 0 : why_short(c, cut);
}

ssize_t rln_conn_nothing_yet(struct ringline_conn *c)
{
	const struct ringline_task *t = rln_task_current();

	if (c->recv_error || c->eof)
		return c->recv_error;
	if (t && t->scope->reason)
		return t->scope->reason;
	rln_conn_recv_arm(c);
	rln_handler_want_input(c);
	return -EAGAIN;
}

static ssize_t recv_min(struct ringline_conn *c, void *buf, size_t len, size_t min, const char *call)
{
	struct rln_reader r = { .buf = buf, .want = len, .min = min };
	struct ringline_task *t;
	int error = rln_conn_check_park(c, &t, call);

	if (error < 0)
		return error;
	if (!buf && len)
		return -EINVAL;
	if (!len)
		return 0;
	rln_conn_enter(c);
	error = rln_conn_receive(c, &r, t);
	rln_conn_leave(c);
	if (error < 0)
		return error;
	return r.got >= min || !r.got ? (ssize_t)r.got : -ENODATA;
}

ssize_t ringline_conn_recv(struct ringline_conn *conn, void *buf, size_t len)
{
	return recv_min(conn, buf, len, 1, __func__);
}

ssize_t ringline_conn_recv_exact(struct ringline_conn *conn, void *buf, size_t len)
{
	return recv_min(conn, buf, len, len, __func__);
}

ssize_t ringline_conn_recv_nowait(struct ringline_conn *conn, void *buf, size_t len)
{
	struct rln_reader r = { .buf = buf, .want = len, .min = 1 };
	int error = rln_conn_check(conn, __func__);

	if (error < 0)
		return error;
	if (!buf && len)
		return -EINVAL;
	if (rln_conn_read_busy(conn))
		return -EBUSY;
	if (len && !conn->buffered)
		return rln_conn_nothing_yet(conn);
	drain(conn, &r);
	return (ssize_t)r.got;
}
