/* SPDX-License-Identifier: MIT */
/*
 * Between files and connections.
 *
 * A file of this machine is sent as ringline_conn_sendfile() sends descriptors. One whose server may be slow is read first, by
 * the way such files are always read, because the kernel would read it in the middle of the sending.
 *
 * What a connection brings is written from where it lies, several pieces with one call, and consumed when it has been written:
 * so an error of the file leaves the rest in the connection.
 */
#include <errno.h>
#include <sys/uio.h>

#include "io/buf.h"
#include "io/conn-turn.h"
#include "io/conn.h"
#include "io/file.h"

#define BLOCK  (128u * 1024)
#define PIECES 16

struct move_args {
	struct ringline_file *file;
	uint64_t offset;
	uint64_t len;
	struct ringline_conn *conn;
};

/* File to connection */

static int send_pieces(struct rln_send_turn *turn, struct rln_buf *block, const struct move_args *a)
{
	uint64_t done = 0;
	int r = 0;

	while (r == 0 && done < a->len) {
		ssize_t n = ringline_file_read(a->file, block->mem, (size_t)rln_min(a->len - done, (uint64_t)BLOCK),
		                               a->offset + done);

		if (n <= 0)
			return n < 0 ? (int)n : -ENODATA;
		r = rln_send_turn_send(turn, block->mem, (size_t)n);
		done += (uint64_t)n;
	}
	return r;
}

static int64_t send_read(const struct move_args *a)
{
	struct rln_send_turn turn;
	struct ringline_task *t;
	struct rln_buf *block;
	int r = rln_conn_check_park(a->conn, &t, "ringline_file_send");

	if (r < 0)
		return r;
	if (a->offset > INT64_MAX || a->len > INT64_MAX - a->offset)
		return -EINVAL;
	block = rln_block_new(a->file->io, BLOCK);
	if (!block)
		return -ENOMEM;
	r = rln_send_turn_begin(&turn, a->conn, t);
	if (r == 0) {
		r = send_pieces(&turn, block, a);
		rln_send_turn_end(&turn);
	}
	rln_buf_unref(block);
	return r < 0 ? r : (int64_t)a->len;
}

static int64_t send_file(const struct move_args *a)
{
	if (a->file->remote)
		return send_read(a);
	return ringline_conn_sendfile(a->conn, a->file->fd, a->offset, a->len);
}

/* The close of the file ends it, though it may be the peer that is waited for. */
static int64_t in_use(const struct move_args *a, int64_t (*move)(const struct move_args *a), const char *call)
{
	struct rln_file_use use;
	struct ringline_task *t;
	int r = rln_task_get_parking(&t, call);

	if (r < 0)
		return r;
	rln_file_use_begin(&use, a->file, t);
	return rln_file_use_end(&use, move(a));
}

int64_t ringline_file_send(struct ringline_file *file, uint64_t offset, uint64_t len, struct ringline_conn *conn)
{
	struct move_args a = { .file = file, .offset = offset, .len = len, .conn = conn };
	int64_t n = rln_file_check(file, __func__);

	return n < 0 ? n : in_use(&a, send_file, __func__);
}

/* Connection to file */

/* Cuts the pieces to so many bytes; the number of pieces that is left. */
static int limit(struct iovec *iov, ssize_t n, uint64_t left, size_t *bytes)
{
	int i;

	*bytes = 0;
	for (i = 0; i < n && left; i++) {
		iov[i].iov_len = (size_t)rln_min((uint64_t)iov[i].iov_len, left);
		left -= iov[i].iov_len;
		*bytes += iov[i].iov_len;
	}
	return i;
}

/* Receives some and writes it. The number of bytes, 0 at the end of the stream, or -errno. */
static ssize_t receive_some(const struct move_args *a, uint64_t done)
{
	struct iovec iov[PIECES];
	ssize_t n = ringline_conn_peekv(a->conn, iov, PIECES);
	size_t bytes;
	int r;

	if (n <= 0)
		return n;
	n = ringline_file_writev(a->file, iov, limit(iov, n, a->len - done, &bytes), a->offset + done);
	if (n <= 0)
		return n < 0 ? n : -EIO;
	r = ringline_conn_consume(a->conn, (size_t)n);
	return r < 0 ? r : n;
}

static int64_t receive(const struct move_args *a)
{
	uint64_t done = 0;

	while (done < a->len) {
		ssize_t n = receive_some(a, done);

		if (n < 0 && !done)
			return n;
		if (n <= 0)
			break;    /* an error is told by the next call: nothing it met is lost */
		done += (uint64_t)n;
	}
	return (int64_t)done;
}

static bool bad_range(const struct move_args *a)
{
	return a->offset > INT64_MAX || (a->len != RINGLINE_RECEIVE_ALL && a->len > INT64_MAX - a->offset);
}

int64_t ringline_file_receive(struct ringline_file *file, uint64_t offset, uint64_t len, struct ringline_conn *conn)
{
	struct move_args a = { .file = file, .offset = offset, .len = len, .conn = conn };
	int64_t n = rln_file_check(file, __func__);

	if (n < 0)
		return n;
	if (!conn || bad_range(&a))
		return -EINVAL;
	return in_use(&a, receive, __func__);
}

/* As operations */

static int64_t send_steps(void *args)
{
	struct move_args *a = args;
	int64_t n = in_use(a, send_file, "ringline_file_send");

	rln_file_leave(a->file);
	rln_conn_leave(a->conn);
	return n;
}

static int64_t receive_steps(void *args)
{
	struct move_args *a = args;
	int64_t n = in_use(a, receive, "ringline_file_receive");

	rln_file_leave(a->file);
	rln_conn_leave(a->conn);
	return n;
}

static int begin(struct ringline_op **ret, const struct rln_steps *steps, const struct move_args *a, const char *call)
{
	int r = rln_conn_check(a->conn, call);

	if (r < 0)
		return r;
	rln_conn_enter(a->conn);
	r = rln_file_begin_steps(ret, steps, a, sizeof(*a), a->file, call);
	if (r < 0)
		rln_conn_leave(a->conn);
	return r;
}

int ringline_file_send_begin(struct ringline_op **ret, struct ringline_file *file, uint64_t offset, uint64_t len,
                             struct ringline_conn *conn)
{
	static const struct rln_steps steps = { .run = send_steps };
	struct move_args a = { .file = file, .offset = offset, .len = len, .conn = conn };

	return begin(ret, &steps, &a, __func__);
}

int ringline_file_receive_begin(struct ringline_op **ret, struct ringline_file *file, uint64_t offset, uint64_t len,
                                struct ringline_conn *conn)
{
	static const struct rln_steps steps = { .run = receive_steps };
	struct move_args a = { .file = file, .offset = offset, .len = len, .conn = conn };

	return bad_range(&a) ? -EINVAL : begin(ret, &steps, &a, __func__);
}
