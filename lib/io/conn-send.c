/* SPDX-License-Identifier: MIT */
/*
 * Sending.
 *
 * Each send call puts one item, which lies on its stack, at the tail of the connection's queue and parks. The head of the
 * queue is in the kernel: one operation at a time, made of as many items as fit one vectored send, submitted with the
 * turn's batch. A completion tells how many bytes left; they are credited to the items from the head on, so each call gets
 * its own result however the kernel cut the stream.
 *
 *     send() -> queued --gathered--> in the kernel --bytes credited--> done
 *                  |                     | short: an error or a cancel came in between; the rest is gathered again
 *                  +---- cut: withdrawn  +---- cut: the operation is cancelled and waited for, then withdrawn
 *
 * A call on an empty queue need not park, in two cases: the engine sends by a system call and it took all (the operation
 * is over at once, RLN_OPF_INLINE); or the bytes lie in a receive buffer, as those that peek lends do, and the engine would
 * make the caller wait for no more than the buffer. Then the item is *queued*: the library's own, with a reference on the
 * memory the bytes lie in; an error that it meets is the next call's. The calls that do not wait (conn-queue.c) make such
 * items too.
 *
 * A *turn* is an item without bytes. When it comes to the head its owner is woken and writes to the descriptor by himself
 * (conn-turn.c), so that what bypasses the queue still has its place in it.
 *
 * Operations ask for whole sends, so a short count is followed by the error at the next try, and nothing overtakes it.
 * What shutdown_write and close ask for happens when the queue is empty: after them nothing can be queued any more.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/mem.h"
#include "io/conn-extra.h"
#include "io/conn-send.h"
#include "io/transport.h"

#define BATCH_MAX 64

/* An item for which nobody waits. */
struct rln_queued_send {
	struct rln_slot slot;
	struct rln_send send;
	struct iovec piece;
	struct rln_buf *buf;
	size_t room;                      /* bytes of the block behind the piece that are free */
};

const size_t rln_conn_queued_send_size = sizeof(struct rln_queued_send);

/* A send that the kernel carries out from where the bytes lie: it may use them long after the stream has gone on. */
struct rln_zero_copy {
	struct rln_slot slot;
	struct rln_op op;
	struct ringline_conn *conn;
	struct rln_buf *buf;
};

const size_t rln_conn_zero_copy_size = sizeof(struct rln_zero_copy);

struct rln_send_batch {
	struct msghdr msg;
	struct iovec iov[BATCH_MAX];
};

static struct rln_send *head(const struct ringline_conn *c)
{
	return rln_list_entry(c->output.next, struct rln_send, link);
}

static struct rln_queued_send *queued(struct rln_send *s)
{
	return rln_container_of(s, struct rln_queued_send, send);
}

void rln_send_init(struct rln_send *s, const struct iovec *iov, size_t niov, size_t len)
{
	*s = (struct rln_send){ .iov = iov, .niov = niov, .left = len };
}

void rln_conn_append(struct ringline_conn *c, struct rln_send *s)
{
	rln_list_init(&s->link);
	rln_list_add_tail(&c->output, &s->link);
	c->queued += s->left;
}

void rln_conn_remove(struct ringline_conn *c, struct rln_send *s)
{
	c->queued -= s->left;
	rln_list_del(&s->link);
}

static void finish(struct ringline_conn *c, struct rln_send *s, int result)
{
	rln_conn_remove(c, s);
	if (!s->queued) {
		rln_wait_fire(&s->wait, result);
		return;
	}
	rln_buf_unref(queued(s)->buf);
	rln_slab_free(&c->io->queued_sends, queued(s));
}

/* Gathering */

/* Appends the unsent pieces of *s* to the batch; false when the batch is full before all of them fit. */
static bool gather_item(struct rln_send_batch *b, struct rln_send *s, size_t *total)
{
	size_t skip = s->skip;
	size_t i;

	for (i = 0; i < s->niov; i++, skip = 0) {
		struct iovec *v = &b->iov[b->msg.msg_iovlen];

		if (b->msg.msg_iovlen == BATCH_MAX)
			return false;
		v->iov_base = (char *)s->iov[i].iov_base + skip;
		v->iov_len = s->iov[i].iov_len - skip;
		*total += v->iov_len;
		b->msg.msg_iovlen++;
	}
	return true;
}

/* What must have an operation of its own: it goes first in one, or not in this one. */
static bool stands_alone(const struct rln_send *s)
{
	return s->control || s->turn || s->zero_copy;
}

static void gather(struct ringline_conn *c, struct rln_send_batch *b)
{
	struct rln_list *node;
	size_t total = 0;

	b->msg = (struct msghdr){ .msg_iov = b->iov };
	b->msg.msg_control = (void *)(uintptr_t)head(c)->control;
	b->msg.msg_controllen = head(c)->control_len;
	rln_list_for_each (node, &c->output) {
		struct rln_send *s = rln_list_entry(node, struct rln_send, link);

		if (b->msg.msg_iovlen == BATCH_MAX || (total && (stands_alone(s) || head(c)->control)))
			break;
		s->in_kernel = true;
		if (!gather_item(b, s, &total))
			break;
	}
	c->send.opcode = RLN_OP_SENDMSG;
	c->send.ptr = &b->msg;
	c->send.len = total;
}

static void send_one_piece(struct rln_op *op, struct rln_send *s)
{
	s->in_kernel = true;
	op->opcode = RLN_OP_SEND;
	op->ptr = (char *)s->iov->iov_base + s->skip;
	op->len = s->iov->iov_len - s->skip;
}

static bool single_piece(const struct ringline_conn *c)
{
	const struct rln_send *s = head(c);

	return s->niov == 1 && s->link.next == &c->output && !s->control;
}

static void send_complete(struct rln_op *op, const struct rln_completion *done);

bool rln_conn_reserve_batch(struct ringline_conn *c)
{
	if (!rln_conn_extra(c))
		return false;
	if (!c->extra->batch)
		c->extra->batch = rln_mem_alloc(sizeof(*c->extra->batch));
	return c->extra->batch;
}

/* True if the operation is in flight afterwards. */
static bool submit(struct ringline_conn *c, uint8_t flags)
{
	c->send.complete = send_complete;
	c->send.flags = flags;
	if (single_piece(c) || !rln_conn_reserve_batch(c))   /* without memory for a batch it goes out piece by piece */
		send_one_piece(&c->send, head(c));
	else
		gather(c, c->extra->batch);
	return c->transport->submit(c, &c->send);
}

static bool submit_zero_copy(struct ringline_conn *c);

void rln_conn_send_start(struct ringline_conn *c)
{
	struct rln_send *s = head(c);

	if (rln_conn_sending(c) || rln_list_empty(&c->output))
		return;
	if (s->turn) {
		if (!s->in_kernel) {
			s->in_kernel = true;
			rln_wait_fire(&s->wait, 0);
		}
		return;
	}
	if (!s->zero_copy || !submit_zero_copy(c))
		submit(c, 0);
}

/* Completion */

static void skip_empty(struct rln_send *s)
{
	while (s->niov && s->skip == s->iov->iov_len) {
		s->iov++;
		s->niov--;
		s->skip = 0;
	}
}

static void advance(struct rln_send *s, size_t n)
{
	s->left -= n;
	s->control = NULL;
	s->control_len = 0;
	while (n) {
		size_t k = rln_min(n, s->iov->iov_len - s->skip);

		s->skip += k;
		n -= k;
		skip_empty(s);
	}
}

/* Credits *n* bytes that have left to the items from the head on. */
static void credit(struct ringline_conn *c, size_t n)
{
	rln_conn_count_sent(c, n);
	c->queued -= n;
	while (n) {
		struct rln_send *s = head(c);
		size_t k = rln_min(n, s->left);

		advance(s, k);
		n -= k;
		if (!s->left)
			finish(c, s, 0);
	}
}

/* Takes the items off the queue whose callers were cut, and puts the others back to waiting. */
static void settle_withdrawn(struct ringline_conn *c)
{
	struct rln_list *it;
	struct rln_list *tmp;

	rln_list_for_each_safe (it, tmp, &c->output) {
		struct rln_send *s = rln_list_entry(it, struct rln_send, link);

		if (!s->in_kernel)
			break;
		s->in_kernel = false;
		if (s->withdrawn)
			finish(c, s, -ECANCELED);
	}
}

void rln_conn_send_fail(struct ringline_conn *c, int error)
{
	struct rln_list *it;
	struct rln_list *tmp;

	c->send_error = error;
	rln_conn_tell_writable(c);
	rln_list_for_each_safe (it, tmp, &c->output) {
		struct rln_send *s = rln_list_entry(it, struct rln_send, link);

		if (!s->in_kernel)
			finish(c, s, error);
	}
}

static void send_ended(struct ringline_conn *c, int64_t res)
{
	if (res > 0)
		credit(c, (size_t)res);
	settle_withdrawn(c);
	if (res < 0 && res != -ECANCELED && !c->send_error)
		rln_conn_send_fail(c, (int)res);
	else if (c->send_error)
		rln_conn_send_fail(c, c->send_error);
	else if (!rln_list_empty(&c->output) && c->queued <= rln_conn_output_limit(c) / 2)
		rln_conn_tell_writable(c);   /* of an empty queue rln_conn_progress() tells */
	rln_conn_progress(c);
}

static void send_complete(struct rln_op *op, const struct rln_completion *done)
{
	send_ended(rln_container_of(op, struct ringline_conn, send), done->res);
}

/* Zero copy */

/* The first completion says how the stream went on; with the last one the kernel lets go of the bytes. */
static void zero_copy_complete(struct rln_op *op, const struct rln_completion *done)
{
	struct rln_zero_copy *z = rln_container_of(op, struct rln_zero_copy, op);
	struct ringline_conn *c = z->conn;

	if (c->zero_copying && c->extra->zero_copy == z) {
		c->zero_copying = false;
		send_ended(c, done->res);
	}
	if (done->flags & RLN_C_MORE)
		return;
	c->io->nzero_copy--;
	c->nzero_copy--;
	rln_buf_unref(z->buf);
	rln_slab_free(&c->io->zero_copies, z);
	if (c->state == RLN_CONN_CLOSING)
		rln_conn_progress(c);             /* the close may have waited for this */
	rln_conn_leave(c);
}

/* False: there is no memory for it, or there are too many, and it is copied like any other. */
static bool submit_zero_copy(struct ringline_conn *c)
{
	struct rln_zero_copy *z = c->nzero_copy < UINT16_MAX && rln_conn_extra(c) ? rln_slab_alloc(&c->io->zero_copies) : NULL;

	if (!z)
		return false;
	rln_op_init(&z->op, zero_copy_complete);
	z->conn = c;
	z->buf = rln_buf_ref(queued(head(c))->buf);
	send_one_piece(&z->op, head(c));
	z->op.flags = RLN_OPF_ZERO_COPY;
	c->zero_copying = true;
	c->extra->zero_copy = z;
	c->io->nzero_copy++;
	c->nzero_copy++;
	rln_conn_enter(c);
	c->transport->submit(c, &z->op);
	return true;
}

void rln_conn_send_cancel(struct ringline_conn *c)
{
	c->transport->cancel(c, &c->send);
	if (c->zero_copying)
		c->transport->cancel(c, &c->extra->zero_copy->op);
}

/* The calls */

/* The caller was cut: takes the item back, waiting for the kernel to let go of the memory if need be. */
static void withdraw(struct ringline_conn *c, struct rln_send *s, struct rln_parker *p)
{
	if (!s->in_kernel) {
		rln_conn_remove(c, s);
		return;
	}
	s->withdrawn = true;
	rln_conn_send_cancel(c);
	rln_park_shielded(p);
}

/* A send that nothing is queued before. */
static void start_first(struct ringline_conn *c)
{
	uint8_t flags = rln_exec_may_inline(c->io->exec) ? RLN_OPF_INLINE : 0;

	if (!submit(c, flags))
		send_ended(c, (int64_t)c->send.progress);
}

static const struct rln_what what_send = { .name = "send", .describe = rln_conn_describe };

ssize_t rln_conn_send_item(struct ringline_conn *c, struct rln_send *s, struct ringline_task *t)
{
	bool first = rln_list_empty(&c->output);
	size_t len = s->left;
	struct rln_parker p;
	int cut;

	rln_parker_init(&p, t, &what_send, c);
	rln_wait_arm(&s->wait, &p, NULL);
	rln_conn_append(c, s);
	if (first)
		start_first(c);
	cut = rln_conn_park(c, &p, &s->wait, NULL, RLN_LIMIT_WRITE);
	if (cut)
		withdraw(c, s, &p);
	if (!s->left)
		return (ssize_t)len;
	return cut ? cut : (ssize_t)s->wait.result;
}

/*
 * The receive buffer that the bytes lie in, if they can be sent without the caller: nothing is queued before them. Not on
 * unix sockets, whose receive is armed anew for each message (conn-recv.c): a caller that did not wait would arm it
 * together with the send, too early for the answer, and each message would be polled for. That costs more than the wait.
 */
static struct rln_buf *holder(const struct ringline_conn *c, const void *data, size_t len)
{
	struct rln_backend *b = c->io->exec->backend;

	if (c->family == AF_UNIX || !rln_list_empty(&c->output))
		return NULL;
	return b->ops->holder(b, data, len);
}

int rln_conn_queue(struct ringline_conn *c, struct rln_buf *buf, const void *data, size_t len, size_t room, bool zero_copy)
{
	struct rln_queued_send *q = rln_slab_alloc(&c->io->queued_sends);

	if (!q)
		return -ENOMEM;
	q->buf = rln_buf_ref(buf);
	q->piece.iov_base = (void *)(uintptr_t)data;
	q->piece.iov_len = len;
	q->room = room;
	rln_send_init(&q->send, &q->piece, 1, len);
	q->send.queued = true;
	q->send.zero_copy = zero_copy;
	rln_conn_append(c, &q->send);
	rln_conn_send_start(c);
	return 0;
}

bool rln_conn_extend(struct ringline_conn *c, const void *data, size_t len)
{
	struct rln_send *tail = rln_list_entry(c->output.prev, struct rln_send, link);

	if (rln_list_empty(&c->output) || !tail->queued || tail->in_kernel || queued(tail)->room < len)
		return false;
	memcpy((char *)queued(tail)->piece.iov_base + queued(tail)->piece.iov_len, data, len);
	queued(tail)->piece.iov_len += len;
	queued(tail)->room -= len;
	tail->left += len;
	c->queued += len;
	return true;
}

int rln_conn_may_send(const struct ringline_conn *c)
{
	if (c->send_error)
		return c->send_error;
	return c->shut_wanted ? -EPIPE : 0;
}

static ssize_t total_length(const struct iovec *iov, size_t n)
{
	size_t total = 0;
	size_t i;

	if (!iov && n)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		if (iov[i].iov_len > SSIZE_MAX - total || (!iov[i].iov_base && iov[i].iov_len))
			return -EINVAL;
		total += iov[i].iov_len;
	}
	return (ssize_t)total;
}

/* Sends *total* bytes, of pieces that have been checked. */
static ssize_t send_pieces(struct ringline_conn *c, const struct iovec *iov, size_t n, ssize_t total,
                           struct ringline_task *t)
{
	struct rln_buf *buf;
	struct rln_send s;
	ssize_t r;

	if (total <= 0)
		return total;
	r = rln_conn_may_send(c);
	if (r < 0)
		return r;
	rln_send_init(&s, iov, n, (size_t)total);
	skip_empty(&s);
	buf = s.niov == 1 ? holder(c, s.iov->iov_base, s.iov->iov_len) : NULL;
	if (buf && rln_conn_queue(c, buf, s.iov->iov_base, s.iov->iov_len, 0, false) == 0)
		return total;
	rln_conn_enter(c);
	r = rln_conn_send_item(c, &s, t);
	rln_conn_leave(c);
	return r;
}

ssize_t ringline_conn_send(struct ringline_conn *conn, const void *data, size_t len)
{
	struct iovec one = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	struct ringline_task *t;
	int r = rln_conn_check_park(conn, &t, __func__);

	if (r < 0)
		return r;
	if ((!data && len) || len > SSIZE_MAX)
		return -EINVAL;
	return send_pieces(conn, &one, 1, (ssize_t)len, t);
}

ssize_t ringline_conn_sendv(struct ringline_conn *conn, const struct iovec *iov, size_t n)
{
	struct ringline_task *t;
	int r = rln_conn_check_park(conn, &t, __func__);

	return r < 0 ? r : send_pieces(conn, iov, n, total_length(iov, n), t);
}

int ringline_conn_shutdown_write(struct ringline_conn *conn)
{
	int r = rln_conn_check(conn, __func__);

	if (r < 0)
		return r;
	conn->shut_wanted = true;
	rln_conn_progress(conn);
	return 0;
}
