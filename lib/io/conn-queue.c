/* SPDX-License-Identifier: MIT */
/*
 * Sending without waiting.
 *
 * What is queued is the library's: a copy, or memory with a counted reference. A connection takes such bytes until as many
 * are queued as its output limit allows; the last that it takes may go beyond, so that a message of any length can be sent.
 * It is writable again when half of the limit has left.
 *
 * Small pieces are gathered: a copy goes behind the last one, into the same block, if that has not begun to leave.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "io/buf.h"
#include "io/conn-extra.h"
#include "io/conn-recv.h"
#include "io/conn-send.h"
#include "io/handler.h"

#define BLOCK_MIN 2048u

/* The host's memory, until it is told that nobody needs it any more. */
struct borrowed {
	struct rln_buf buf;
	void (*release)(void *arg);
	void *arg;
};

static void borrowed_release(struct rln_buf *buf)
{
	struct borrowed *b = rln_container_of(buf, struct borrowed, buf);

	b->release(b->arg);
	rln_mem_free(b);
}

/* 0 if the connection takes something to queue. */
static int may_queue(struct ringline_conn *c, const char *call)
{
	int r = rln_conn_check(c, call);

	if (r == 0)
		r = rln_conn_may_send(c);
	if (r == 0 && c->queued >= rln_conn_output_limit(c)) {
		rln_handler_want_output(c);
		r = -EAGAIN;
	}
	return r;
}

/* The buffer they lie in, if peek has lent them and nothing is queued before them: they need not be copied. */
static struct rln_buf *lent_in(const struct ringline_conn *c, const void *data, size_t len)
{
	const struct rln_segment *s = c->buffered ? rln_conn_head(c) : NULL;
	size_t offset = s ? (size_t)((uintptr_t)data - (uintptr_t)s->data) : 0;

	if (!s || !rln_list_empty(&c->output) || offset >= s->len || len > s->len - offset)
		return NULL;
	return s->buf;
}

static int queue_bytes(struct ringline_conn *c, const void *data, size_t len)
{
	size_t size = rln_max(len, (size_t)BLOCK_MIN);
	struct rln_buf *block = lent_in(c, data, len);
	int r;

	if (block && rln_conn_queue(c, block, data, len, 0, false) == 0)
		return 0;
	if (rln_conn_extend(c, data, len))
		return 0;
	if (rln_blocks_full(c->io))
		return -ENOBUFS;
	block = rln_block_new(c->io, size);
	if (!block)
		return -ENOMEM;
	memcpy(block->mem, data, len);
	r = rln_conn_queue(c, block, block->mem, len, size - len, false);
	rln_buf_unref(block);
	return r;
}

int ringline_conn_send_nowait(struct ringline_conn *conn, const void *data, size_t len)
{
	int r = may_queue(conn, __func__);

	if (r < 0)
		return r;
	if ((!data && len) || len > SSIZE_MAX)
		return -EINVAL;
	return len ? queue_bytes(conn, data, len) : 0;
}

int ringline_conn_send_buf(struct ringline_conn *conn, struct ringline_buf *buf)
{
	int r = may_queue(conn, __func__);

	if (r == 0)
		r = rln_buf_handle_check(buf, __func__);
	return r < 0 ? r : rln_conn_queue(conn, buf->buf, buf->data, buf->len, 0, false);
}

int ringline_conn_send_zc(struct ringline_conn *conn, const void *data, size_t len, void (*release)(void *arg), void *arg)
{
	struct borrowed *b;
	uint64_t least;
	int r = may_queue(conn, __func__);

	if (r < 0)
		return r;
	if (!data || !len || len > SSIZE_MAX || !release)
		return -EINVAL;
	least = conn->io->config.zero_copy_min;
	b = rln_mem_alloc(sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->buf = (struct rln_buf){ .refs = 1, .release = borrowed_release };
	b->release = release;
	b->arg = arg;
	r = rln_conn_queue(conn, &b->buf, data, len, 0, least && len >= least && conn->family != AF_UNIX);
	if (r < 0)
		rln_mem_free(b);
	else
		rln_buf_unref(&b->buf);
	return r;
}

static const struct rln_what what_writable = { .name = "writable", .describe = rln_conn_describe };

/* Waiting for room */

static int wait_until(struct ringline_conn *c, size_t queued, struct ringline_task *t)
{
	struct rln_parker p;
	struct rln_wait w;
	int r = 0;

	rln_conn_enter(c);
	while (r == 0 && c->state == RLN_CONN_OPEN && !c->send_error &&
	       (c->queued > queued || (!queued && !rln_list_empty(&c->output)))) {
		rln_parker_init(&p, t, &what_writable, c);
		rln_wait_arm(&w, &p, &c->writable);
		r = rln_conn_park(c, &p, &w, &c->writable, RLN_LIMIT_WRITE);
		rln_wait_disarm(&w);
	}
	if (r == 0 && c->state != RLN_CONN_OPEN)
		r = rln_conn_gone(c);
	else if (r == 0)
		r = c->send_error;
	rln_conn_leave(c);
	return r;
}

int ringline_conn_wait_writable(struct ringline_conn *conn)
{
	struct ringline_task *t;
	int r = rln_conn_check_park(conn, &t, __func__);

	if (r == 0)
		r = rln_conn_may_send(conn);
	return r < 0 ? r : wait_until(conn, rln_conn_output_limit(conn) / 2, t);
}

int ringline_conn_flush(struct ringline_conn *conn)
{
	struct ringline_task *t;
	int r = rln_conn_check_park(conn, &t, __func__);

	return r < 0 ? r : wait_until(conn, 0, t);
}
