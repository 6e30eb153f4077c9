/* SPDX-License-Identifier: MIT */
/*
 * Lending what was received.
 *
 * peek and peekv tell where the bytes lie, in the buffers that the kernel filled. Who needs a message in one piece,
 * peek_at_least and peek_until, gets it where it lies if it lies in one; otherwise it is copied, once, to memory of the
 * connection's own that has room for more, and what still comes is received straight behind it:
 *
 *     input:  [ab][cde]              peek_at_least(8)
 *             [abcde...]             one segment with room, taken off the queue while more is received into it
 *             [abcdefgh][ij]         back at the head; what did not fit is behind it
 *
 * The room doubles when it is used up, so a message that grows is copied less than twice over; a large one not at all, since
 * its memory can grow (buf.h).
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/uio.h>

#include "io/buf.h"
#include "io/conn-recv.h"

#define ROOM_MIN 4096u

/* Waits until something is buffered. 0, also at the end of the stream; -errno. */
static int wait_for_some(struct ringline_conn *c, struct ringline_task *t)
{
	struct rln_reader r = { .min = 1 };
	int error = 0;

	if (c->buffered)
		return 0;
	rln_conn_enter(c);
	error = rln_conn_receive(c, &r, t);
	rln_conn_leave(c);
	return error;
}

static ssize_t lend_head(struct ringline_conn *c, const void **data)
{
	struct rln_segment *s = rln_conn_head(c);

	rln_segment_lend(s);
	*data = s->data;
	return (ssize_t)s->len;
}

ssize_t ringline_conn_peek(struct ringline_conn *conn, const void **data)
{
	struct ringline_task *t;
	int error = rln_conn_check_park(conn, &t, __func__);

	if (error < 0)
		return error;
	if (!data)
		return -EINVAL;
	error = wait_for_some(conn, t);
	return error < 0 || !conn->buffered ? error : lend_head(conn, data);
}

ssize_t ringline_conn_peek_nowait(struct ringline_conn *conn, const void **data)
{
	int error = rln_conn_check(conn, __func__);

	if (error < 0)
		return error;
	if (!data)
		return -EINVAL;
	if (rln_conn_read_busy(conn))
		return -EBUSY;
	return conn->buffered ? lend_head(conn, data) : rln_conn_nothing_yet(conn);
}

ssize_t ringline_conn_peekv(struct ringline_conn *conn, struct iovec *iov, size_t n)
{
	struct rln_list *it;
	struct ringline_task *t;
	size_t count = 0;
	int error = rln_conn_check_park(conn, &t, __func__);

	if (error < 0)
		return error;
	if (!iov || !n)
		return -EINVAL;
	error = wait_for_some(conn, t);
	if (error < 0)
		return error;
	rln_list_for_each (it, &conn->input) {
		struct rln_segment *s = rln_list_entry(it, struct rln_segment, link);

		if (count == n)
			break;
		rln_segment_lend(s);
		iov[count++] = (struct iovec){ .iov_base = s->data, .iov_len = s->len };
	}
	return (ssize_t)count;
}

ssize_t ringline_conn_take(struct ringline_conn *conn, size_t max, struct ringline_buf **ret)
{
	struct rln_segment *s;
	struct ringline_task *t;
	size_t n;
	int error = rln_conn_check_park(conn, &t, __func__);

	if (error < 0)
		return error;
	if (!ret || !max)
		return -EINVAL;
	error = wait_for_some(conn, t);
	if (error < 0 || !conn->buffered)
		return error;
	s = rln_conn_head(conn);
	n = rln_min(max, s->len);
	*ret = rln_buf_handle_new(conn->io, s->buf, s->data, n);
	if (!*ret)
		return -ENOMEM;
	rln_buf_ref(s->buf);
	rln_conn_drop(conn, n);
	return (ssize_t)n;
}

static const struct rln_what what_readable = { .name = "readable", .describe = rln_conn_describe };

int ringline_conn_wait_readable(struct ringline_conn *conn)
{
	struct rln_wait w;
	struct rln_parker p;
	struct ringline_task *t;
	int r = rln_conn_check_park(conn, &t, __func__);

	if (r < 0)
		return r;
	rln_conn_enter(conn);
	while (r == 0 && conn->state == RLN_CONN_OPEN && !conn->buffered && !conn->eof && !conn->recv_error) {
		rln_parker_init(&p, t, &what_readable, conn);
		rln_wait_arm(&w, &p, &conn->readable);
		rln_conn_recv_arm(conn);
		r = rln_park(&p);
		rln_wait_disarm(&w);
	}
	if (r == 0 && conn->state != RLN_CONN_OPEN)
		r = rln_conn_gone(conn);
	else if (r == 0 && !conn->buffered)
		r = conn->recv_error;
	rln_conn_leave(conn);
	return r;
}

/* In one piece */

/* A segment of *buf*, empty, on no queue. Takes over the reference. NULL: no memory. */
static struct rln_segment *new_segment(struct ringline_conn *c, struct rln_buf *buf, size_t room)
{
	struct rln_segment *s = buf ? rln_slab_alloc(&c->io->segments) : NULL;

	if (!s) {
		if (buf)
			rln_buf_unref(buf);
		return NULL;
	}
	s->buf = buf;
	s->data = buf->mem;
	s->len = 0;
	s->room = room;
	s->lent = false;
	rln_list_init(&s->link);
	rln_list_init(&s->held);
	return s;
}

/* Moves bytes from the head of the queue into *s*, until that holds *n*. */
static void fill(struct ringline_conn *c, struct rln_segment *s, size_t n)
{
	while (s->len < n) {
		struct rln_segment *from = rln_conn_head(c);
		size_t k = rln_min(n - s->len, from->len);

		memcpy(s->data + s->len, from->data, k);
		s->len += k;
		s->room -= k;
		rln_conn_drop(c, k);
	}
}

static void put_back(struct ringline_conn *c, struct rln_segment *s)
{
	rln_list_add_head(&c->input, &s->link);
	c->buffered += s->len;
}

int rln_conn_unreceive(struct ringline_conn *c, struct rln_buf *block, size_t n)
{
	struct rln_segment *s = new_segment(c, block, n);

	if (!s)
		return -ENOMEM;
	s->len = n;
	s->room = 0;
	put_back(c, s);
	return 0;
}

/* The first segment off the queue, if it has room for *n* in all; NULL if not. */
static struct rln_segment *take_roomy(struct ringline_conn *c, size_t n)
{
	struct rln_segment *s = c->buffered ? rln_conn_head(c) : NULL;

	if (!s || s->len + s->room < n)
		return NULL;
	rln_list_del(&s->link);
	c->buffered -= s->len;
	return s;
}

/* The same, with the room made. NULL if the segment's memory cannot grow where it is. */
static struct rln_segment *take_and_grow(struct ringline_conn *c, size_t size)
{
	struct rln_segment *s = c->buffered ? rln_conn_head(c) : NULL;
	size_t offset = s ? (size_t)(s->data - s->buf->mem) : 0;
	struct rln_buf *grown = s ? rln_block_grow(s->buf, offset + size) : NULL;

	if (!grown)
		return NULL;
	s->buf = grown;
	s->data = grown->mem + offset;
	s->room = size - s->len;
	rln_list_del(&s->link);
	c->buffered -= s->len;
	return s;
}

/*
 * Makes the first segment hold min(n, buffered) bytes, and have room for n in all. The room doubles, so that asking for a
 * little more again and again does not copy everything each time. 0, -ENOMEM, -ENOBUFS.
 */
static int gather(struct ringline_conn *c, size_t n)
{
	size_t have = rln_min(n, c->buffered);
	size_t size = rln_max(rln_max(n, 2 * have), (size_t)ROOM_MIN);
	struct rln_segment *s;

	if (c->buffered && rln_conn_head(c)->len >= n)
		return 0;
	s = take_roomy(c, n);
	if (!s && n > ROOM_MIN && rln_blocks_full(c->io))
		return -ENOBUFS;
	if (!s)
		s = take_and_grow(c, size);
	if (!s)
		s = new_segment(c, rln_block_new(c->io, size), size);
	if (!s)
		return -ENOMEM;
	fill(c, s, have);
	put_back(c, s);
	return 0;
}

/*
 * Receives at least *min* bytes behind the first segment, which holds all that is buffered. 0, also at the end of the stream;
 * -errno. The segment is off the queue meanwhile: what overflows its room lines up behind it, and a connection that is
 * closed does not take it along.
 */
static int receive_behind(struct ringline_conn *c, size_t min, struct ringline_task *t)
{
	struct rln_segment *s = rln_conn_head(c);
	struct rln_reader r = { .buf = s->data + s->len, .want = s->room, .min = min };
	int error;

	rln_list_del(&s->link);
	c->buffered -= s->len;
	rln_conn_enter(c);
	error = rln_conn_receive(c, &r, t);
	s->len += r.got;
	s->room -= r.got;
	if (c->state != RLN_CONN_OPEN)
		error = rln_conn_gone(c);
	if (c->state == RLN_CONN_OPEN && s->len)
		put_back(c, s);
	else
		rln_segment_free(c, s);
	rln_conn_leave(c);
	return error;
}

/* What a call returns that wanted more than there was. */
static ssize_t short_of(const struct ringline_conn *c, int error)
{
	if (error < 0)
		return error;
	return c->buffered ? -ENODATA : 0;
}

ssize_t ringline_conn_peek_at_least(struct ringline_conn *conn, size_t n, const void **data)
{
	struct ringline_task *t;
	int error = rln_conn_check_park(conn, &t, __func__);

	if (error < 0)
		return error;
	if (!data || !n || n > SSIZE_MAX / 2)
		return -EINVAL;
	if (rln_conn_read_busy(conn))
		return -EBUSY;
	error = gather(conn, n);
	if (error == 0 && rln_conn_head(conn)->len < n)
		error = receive_behind(conn, n - rln_conn_head(conn)->len, t);
	if (error < 0 || !conn->buffered || rln_conn_head(conn)->len < n)
		return short_of(conn, error);
	return lend_head(conn, data);
}

/* The length of what ends with the delimiter, searched for behind the first *from* bytes; 0: it is not there. */
static size_t find(const struct rln_segment *s, size_t from, const void *delimiter, size_t n)
{
	const unsigned char *found;

	from = from >= n ? from - n + 1 : 0;      /* a part of it may lie before */
	found = memmem(s->data + from, s->len - from, delimiter, n);
	return found ? (size_t)(found - s->data) + n : 0;
}

/* Looks at more and more of the stream until the delimiter is there. Its end, or as the call. */
static ssize_t search(struct ringline_conn *c, const void *delimiter, size_t n, size_t max, struct ringline_task *t)
{
	size_t seen = 0;
	size_t end;
	int error;

	for (;;) {
		error = gather(c, c->buffered);
		if (error < 0)
			return error;
		end = find(rln_conn_head(c), seen, delimiter, n);
		if (end)
			return end <= max ? (ssize_t)end : -EMSGSIZE;
		seen = c->buffered;
		if (seen >= max)
			return -EMSGSIZE;
		error = gather(c, seen + 1);
		if (error == 0)
			error = receive_behind(c, 1, t);
		if (error < 0)
			return error;
		if (c->buffered == seen)
			return -ENODATA;
	}
}

ssize_t ringline_conn_peek_until(struct ringline_conn *conn, const void *delimiter, size_t n, size_t max, const void **data)
{
	struct ringline_task *t;
	ssize_t end;
	int error = rln_conn_check_park(conn, &t, __func__);

	if (error < 0)
		return error;
	if (!data || !delimiter || !n || n > max || max > SSIZE_MAX / 2)
		return -EINVAL;
	if (rln_conn_read_busy(conn))
		return -EBUSY;
	error = wait_for_some(conn, t);
	if (error < 0 || !conn->buffered)
		return error;
	end = search(conn, delimiter, n, max, t);
	if (end > 0)
		lend_head(conn, data);
	return end;
}

int ringline_conn_consume(struct ringline_conn *conn, size_t n)
{
	int r = rln_conn_check(conn, __func__);

	if (r < 0)
		return r;
	if (n > conn->buffered)
		return -EINVAL;
	rln_conn_drop(conn, n);
	return 0;
}
