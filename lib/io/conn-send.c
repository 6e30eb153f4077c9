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
 * make the caller wait for no more than the buffer. Then the item is the library's own, with a reference on the buffer; an
 * error that it meets is the next call's.
 *
 * Operations ask for whole sends, so a short count is followed by the error at the next try, and nothing overtakes it.
 * What shutdown_write and close ask for happens when the queue is empty: after them nothing can be queued any more.
 */
#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/mem.h"
#include "io/conn.h"
#include "io/transport.h"

#define BATCH_MAX 64

/* One send call. */
struct rln_send {
	struct rln_list link;             /* ringline_conn.output */
	struct rln_wait wait;
	const struct iovec *iov;          /* the first piece with bytes left */
	size_t niov;
	size_t skip;                      /* bytes of it that have left */
	size_t left;                      /* bytes of the call that have not */
	bool in_kernel;
	bool withdrawn;                   /* the caller was cut and waits for the operation to end */
	bool lent;                        /* the send of a struct rln_lent_send */
};

/* A send from a receive buffer, for which nobody waits. */
struct rln_lent_send {
	struct rln_slot slot;
	struct rln_send send;
	struct iovec piece;
	struct rln_buf *buf;
};

const size_t rln_conn_lent_send_size = sizeof(struct rln_lent_send);

struct rln_send_batch {
	struct msghdr msg;
	struct iovec iov[BATCH_MAX];
};

static struct rln_send *head(const struct ringline_conn *c)
{
	return rln_list_entry(c->output.next, struct rln_send, link);
}

static void send_init(struct rln_send *s, const struct iovec *iov, size_t niov, size_t len)
{
	s->iov = iov;
	s->niov = niov;
	s->skip = 0;
	s->left = len;
	s->in_kernel = false;
	s->withdrawn = false;
	s->lent = false;
}

static void append(struct ringline_conn *c, struct rln_send *s)
{
	rln_list_init(&s->link);
	rln_list_add_tail(&c->output, &s->link);
	c->queued += s->left;
}

static void lent_send_free(struct ringline_conn *c, struct rln_send *s)
{
	struct rln_lent_send *l = rln_container_of(s, struct rln_lent_send, send);

	rln_buf_unref(l->buf);
	rln_slab_free(&c->io->lent_sends, l);
}

static void finish(struct ringline_conn *c, struct rln_send *s, int result)
{
	c->queued -= s->left;
	rln_list_del(&s->link);
	if (s->lent)
		lent_send_free(c, s);
	else
		rln_wait_fire(&s->wait, result);
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

static void gather(struct ringline_conn *c, struct rln_send_batch *b)
{
	struct rln_list *node;
	size_t total = 0;

	b->msg = (struct msghdr){ .msg_iov = b->iov };
	rln_list_for_each (node, &c->output) {
		struct rln_send *s = rln_list_entry(node, struct rln_send, link);

		if (b->msg.msg_iovlen == BATCH_MAX)
			break;
		s->in_kernel = true;
		if (!gather_item(b, s, &total))
			break;
	}
	c->send.opcode = RLN_OP_SENDMSG;
	c->send.ptr = &b->msg;
	c->send.len = total;
}

static void send_one_piece(struct ringline_conn *c, struct rln_send *s)
{
	s->in_kernel = true;
	c->send.opcode = RLN_OP_SEND;
	c->send.ptr = (char *)s->iov->iov_base + s->skip;
	c->send.len = s->iov->iov_len - s->skip;
}

static bool single_piece(const struct ringline_conn *c)
{
	const struct rln_send *s = head(c);

	return s->niov == 1 && s->link.next == &c->output;
}

static void send_complete(struct rln_op *op, const struct rln_completion *done);

/* True if the operation is in flight afterwards. */
static bool submit(struct ringline_conn *c, uint8_t flags)
{
	c->send.complete = send_complete;
	c->send.flags = flags;
	if (!single_piece(c) && !c->batch)
		c->batch = rln_mem_alloc(sizeof(*c->batch));
	if (single_piece(c) || !c->batch)     /* without memory for a batch it goes out piece by piece */
		send_one_piece(c, head(c));
	else
		gather(c, c->batch);
	return c->transport->submit(c, &c->send);
}

void rln_conn_send_start(struct ringline_conn *c)
{
	if (!rln_op_inflight(&c->send) && !rln_list_empty(&c->output))
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
	c->bytes_sent += n;
	c->queued -= n;
	rln_stat_add(&c->io->stats.bytes_sent, n);
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
	rln_source_fire_all(&c->writable, 0);
	rln_list_for_each_safe (it, tmp, &c->output) {
		struct rln_send *s = rln_list_entry(it, struct rln_send, link);

		if (!s->in_kernel)
			finish(c, s, error);
	}
}

void rln_conn_send_end(struct ringline_conn *c)
{
	rln_mem_free(c->batch);
	c->batch = NULL;
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
	rln_conn_progress(c);
}

static void send_complete(struct rln_op *op, const struct rln_completion *done)
{
	send_ended(rln_container_of(op, struct ringline_conn, send), done->res);
}

/* The calls */

/* The caller was cut: takes the item back, waiting for the kernel to let go of the memory if need be. */
static void withdraw(struct ringline_conn *c, struct rln_send *s, struct rln_parker *p)
{
	if (!s->in_kernel) {
		c->queued -= s->left;
		rln_list_del(&s->link);
		return;
	}
	s->withdrawn = true;
	c->transport->cancel(c, &c->send);
	rln_park_shielded(p);
}

/* A send that nothing is queued before. */
static void start_first(struct ringline_conn *c)
{
	uint8_t flags = rln_exec_may_inline(c->io->exec) ? RLN_OPF_INLINE : 0;

	if (!submit(c, flags))
		send_ended(c, (int64_t)c->send.progress);
}

static ssize_t send_item(struct ringline_conn *c, struct rln_send *s, struct ringline_task *t)
{
	bool first = rln_list_empty(&c->output);
	size_t len = s->left;
	struct rln_parker p;
	int cut;

	rln_parker_init(&p, t);
	rln_wait_arm(&s->wait, &p, NULL);
	append(c, s);
	if (first)
		start_first(c);
	cut = rln_park(&p);
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

/* False if there is no memory for it: then the caller waits. */
static bool send_lent(struct ringline_conn *c, const void *data, size_t len, struct rln_buf *buf)
{
	struct rln_lent_send *l = rln_slab_alloc(&c->io->lent_sends);

	if (!l)
		return false;
	l->buf = rln_buf_ref(buf);
	l->piece.iov_base = (void *)(uintptr_t)data;
	l->piece.iov_len = len;
	send_init(&l->send, &l->piece, 1, len);
	l->send.lent = true;
	append(c, &l->send);
	submit(c, 0);
	return true;
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
	if (c->send_error)
		return c->send_error;
	if (c->shut_wanted)
		return -EPIPE;
	send_init(&s, iov, n, (size_t)total);
	skip_empty(&s);
	buf = s.niov == 1 ? holder(c, s.iov->iov_base, s.iov->iov_len) : NULL;
	if (buf && send_lent(c, s.iov->iov_base, s.iov->iov_len, buf))
		return total;
	rln_conn_enter(c);
	r = send_item(c, &s, t);
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
