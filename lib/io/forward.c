/* SPDX-License-Identifier: MIT */
/*
 * From one connection to another.
 *
 * A task that forwards has the turn to receive on one connection and the turn to send on the other, so nobody else's bytes
 * come in between, and moves bytes in one of two ways:
 *
 *   lending   what was received is sent from where it lies: one copy in, one copy out, but few system calls
 *   splicing  pages go from socket to pipe to socket, uncopied, at two system calls a time (splice(2))
 *
 * Which pays depends on how much comes at a time, so that decides: a large piece begins the splicing, or some middling ones
 * in a row; some small ones in a row end it. A pipe is borrowed from the worker while there are bytes to move, not while the
 * task waits for some. When the task is cut with bytes in the pipe, they go back to the front of what can be received.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/sigpipe.h"
#include "io/buf.h"
#include "io/conn-extra.h"
#include "io/conn-recv.h"
#include "io/conn-turn.h"
#include "io/pipes.h"
#include "ringline/conn.h"

#define LARGE         (32u * 1024)        /* a piece from which splicing pays at once */
#define SMALL         4096u               /* one below which it does not */
#define IN_ROW        8u                  /* so many that are not small begin it, so many that are end it */
#define SPLICE_MAX    (512u * 1024)
#define BYTES_PER_GO  (1024u * 1024)      /* then the other tasks have their turn */

struct forwarding {
	struct rln_recv_turn from;
	struct rln_send_turn to;
	uint64_t left;
	uint64_t moved;
	uint64_t in_go;
	uint32_t small;                   /* small pieces in a row */
	uint32_t large;                   /* or others */
	struct rln_pipe *pipe;            /* while there are bytes to move */
	size_t in_pipe;
};

static int take_a_break(struct forwarding *f, size_t n)
{
	f->in_go += n;
	if (f->in_go < BYTES_PER_GO)
		return 0;
	f->in_go = 0;
	return ringline_yield();
}

static void moved(struct forwarding *f, size_t n, _Atomic uint64_t *counter)
{
	f->moved += n;
	f->left -= n;
	rln_stat_add(counter, n);
}

static bool over(const struct forwarding *f)
{
	const struct ringline_conn *c = f->from.conn;

	return !f->left || (!c->buffered && (c->eof || c->recv_error));
}

/* Lending */

/* Sends what is first in the input queue. */
static int lend_one(struct forwarding *f)
{
	struct ringline_conn *c = f->from.conn;
	struct rln_segment *s = rln_conn_head(c);
	size_t n = (size_t)rln_min(f->left, (uint64_t)s->len);
	struct rln_buf *buf = rln_buf_ref(s->buf);
	int r;

	rln_segment_lend(s);
	r = rln_send_turn_send(&f->to, s->data, n);
	rln_buf_unref(buf);
	if (r < 0)
		return r;
	if (c->state != RLN_CONN_OPEN)
		return rln_conn_gone(c);
	rln_conn_drop(c, n);
	moved(f, n, &c->io->stats.bytes_lent);
	return take_a_break(f, n);
}

/* What was received: does it come in such pieces that splicing pays? */
static bool would_splice(struct forwarding *f)
{
	size_t n = f->from.conn->buffered;

	f->large = n < SMALL ? 0 : f->large + 1;
	return (n >= LARGE || f->large >= IN_ROW) && f->left >= LARGE;
}

/* Receives and sends until it is over (0), or splicing pays (1). */
static int lend_all(struct forwarding *f)
{
	struct ringline_conn *c = f->from.conn;
	int r = 0;

	while (r == 0 && !over(f)) {
		struct rln_reader reader = { .min = 1, .sink = f->to.conn };

		r = rln_conn_receive_in_turn(c, &reader, f->from.task);
		if (r == 0 && f->to.conn->state != RLN_CONN_OPEN)
			r = rln_conn_gone(f->to.conn);
		if (r == 0 && would_splice(f))
			return 1;
		if (r == 0 && c->buffered)
			r = lend_one(f);
	}
	return r;
}

static int lend_rest(struct forwarding *f)
{
	int r = 0;

	while (r == 0 && f->left && f->from.conn->buffered)
		r = lend_one(f);
	return r;
}

/* Splicing */

/* EAGAIN of the one end is not told from that of the other, but an empty pipe takes and a full one gives. */
static ssize_t call_splice(int from, int to, size_t n)
{
	struct rln_sigpipe guard;
	ssize_t done;

	rln_sigpipe_hold(&guard);
	do {
		done = splice(from, NULL, to, NULL, n, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	} while (done < 0 && errno == EINTR);
	rln_sigpipe_release(&guard, done < 0 && errno == EPIPE);
	return done < 0 ? -errno : done;
}

static void give_pipe_back(struct forwarding *f)
{
	if (f->pipe)
		rln_pipe_put(f->from.conn->io, f->pipe);
	f->pipe = NULL;
}

/* Fills the pipe. 0, also at the end of the stream; -errno. */
static int fill_pipe(struct forwarding *f)
{
	struct ringline_conn *c = f->from.conn;
	ssize_t n;

	n = call_splice(c->fd, f->pipe->fd[1], (size_t)rln_min(f->left, (uint64_t)SPLICE_MAX));
	if (n == -EAGAIN) {
		give_pipe_back(f);
		return rln_recv_turn_wait(&f->from);
	}
	if (n < 0)
		c->recv_error = (int)n;
	if (n == 0)
		c->eof = true;
	if (n <= 0)
		return (int)n;
	rln_conn_count_received(c, (size_t)n);
	f->in_pipe = (size_t)n;
	f->small = (size_t)n < SMALL ? f->small + 1 : 0;
	return 0;
}

static int empty_pipe(struct forwarding *f)
{
	struct ringline_conn *c = f->to.conn;

	while (f->in_pipe) {
		ssize_t n = call_splice(f->pipe->fd[0], c->fd, f->in_pipe);
		int r = (int)rln_min(n, (ssize_t)0);

		if (n == -EAGAIN)
			r = rln_send_turn_wait(&f->to);
		else if (n < 0)
			c->send_error = r;
		if (r < 0)
			return r;
		if (n > 0) {
			f->in_pipe -= (size_t)n;
			rln_conn_count_sent(c, (size_t)n);
			moved(f, (size_t)n, &c->io->stats.bytes_spliced);
		}
	}
	return 0;
}

/* What did not leave can be received again. A gap would be worse than an end. */
static void rescue(struct forwarding *f)
{
	struct ringline_conn *c = f->from.conn;
	struct rln_buf *block;

	if (!f->in_pipe)
		return;
	block = c->state == RLN_CONN_OPEN ? rln_block_new(c->io, f->in_pipe) : NULL;
	if (block && read(f->pipe->fd[0], block->mem, f->in_pipe) != (ssize_t)f->in_pipe) {
		rln_buf_unref(block);
		block = NULL;
	}
	if (!block || rln_conn_unreceive(c, block, f->in_pipe) < 0)
		c->recv_error = -ENOMEM;
	rln_pipe_drop(c->io, f->pipe);
	f->pipe = NULL;
	f->in_pipe = 0;
}

static bool have_pipe(struct forwarding *f)
{
	if (!f->pipe)
		f->pipe = rln_pipe_get(f->from.conn->io);
	return f->pipe;
}

/* Moves bytes until it is over or splicing does not pay any more (0), or -errno. */
static int splice_all(struct forwarding *f)
{
	int r = 0;

	f->small = 0;
	f->large = 0;
	while (r == 0 && !over(f) && f->small < IN_ROW && have_pipe(f)) {
		size_t n;

		r = fill_pipe(f);
		n = f->in_pipe;
		if (r == 0)
			r = empty_pipe(f);
		if (r == 0)
			r = take_a_break(f, n);
		if (r == 0 && f->from.conn->state != RLN_CONN_OPEN)
			r = rln_conn_gone(f->from.conn);
	}
	rescue(f);
	give_pipe_back(f);
	return r;
}

static int splice_for_a_while(struct forwarding *f)
{
	int r = rln_recv_turn_by_hand(&f->from);

	if (r == 0)
		r = lend_rest(f);
	if (r == 0)
		r = splice_all(f);
	rln_recv_turn_by_library(&f->from);
	return r;
}

/* The call */

static int forward(struct forwarding *f)
{
	bool may_splice = rln_conn_by_hand(f->from.conn) && rln_conn_by_hand(f->to.conn);
	int r = 0;

	while (r == 0 && !over(f)) {
		r = lend_all(f);
		if (r != 1)
			break;
		r = may_splice ? splice_for_a_while(f) : lend_rest(f);
	}
	return r < 0 || !f->left ? r : f->from.conn->recv_error;
}

static int with_turns(struct forwarding *f, struct ringline_conn *from, struct ringline_conn *to, struct ringline_task *t)
{
	int r = rln_recv_turn_begin(&f->from, from, to, t);

	if (r < 0)
		return r;
	r = rln_send_turn_begin(&f->to, to, t);
	if (r == 0) {
		r = forward(f);
		if (r == 0 && f->left && f->left + f->moved == UINT64_MAX)
			to->shut_wanted = true;           /* the end of the stream goes along */
		rln_send_turn_end(&f->to);
	}
	rln_recv_turn_end(&f->from);
	return r;
}

int64_t ringline_conn_forward(struct ringline_conn *from, struct ringline_conn *to, uint64_t len)
{
	struct forwarding f = { .left = len };
	struct ringline_task *t;
	int r = rln_conn_check_park(from, &t, __func__);

	if (r == 0)
		r = rln_conn_check(to, __func__);
	if (r < 0)
		return r;
	if (!len || (len > INT64_MAX && len != UINT64_MAX))
		return len ? -EINVAL : 0;
	r = with_turns(&f, from, to, t);
	if (r < 0)
		return r;
	return !f.left || len == UINT64_MAX || !f.moved ? (int64_t)f.moved : -ENODATA;
}
