/* SPDX-License-Identifier: MIT */
/*
 * Sending from a file.
 *
 * sendfile(2) moves pages of the cache to the socket, and blocks the thread when a page is not there. So a part of the file
 * is looked at first: its first and last byte are read if that can be done without waiting (RWF_NOWAIT, 4.14). If it cannot,
 * a thread of the pool reads the part, which brings it into the cache.
 *
 * Where the descriptor cannot be written to by hand, or the kernel cannot map the file, a thread of the pool reads parts
 * into a block, and they are sent from there.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/sigpipe.h"
#include "io/buf.h"
#include "io/conn-extra.h"
#include "io/conn-turn.h"
#include "ringline/blocking.h"
#include "ringline/conn.h"

#define PART     (1024u * 1024)
#define COPY     (128u * 1024)

struct part {
	int fd;
	off_t offset;
	size_t len;
	void *to;
};

/* Is the byte in the cache? A file that cannot be asked counts as if it were. */
static bool at_hand(int fd, off_t offset)
{
	char byte;
	struct iovec one = { .iov_base = &byte, .iov_len = 1 };

	return preadv2(fd, &one, 1, offset, RWF_NOWAIT) >= 0 || errno != EAGAIN;
}

/* Jobs */

static int read_part(void *arg)
{
	struct part *p = arg;
	size_t done = 0;

	while (done < p->len) {
		ssize_t n = pread(p->fd, (char *)p->to + done, p->len - done, p->offset + (off_t)done);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -ENODATA;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int warm_up(void *arg)
{
	struct part *whole = arg;
	char scratch[16 * 1024];
	size_t done;
	int r = 0;

	for (done = 0; done < whole->len && r == 0; done += sizeof(scratch)) {
		struct part p = { whole->fd, whole->offset + (off_t)done, rln_min(whole->len - done, sizeof(scratch)), scratch };

		r = read_part(&p);
	}
	return r == -ENODATA ? 0 : r;         /* sendfile() will see where the file ends */
}

static int on_the_pool(int (*fn)(void *arg), struct part *p)
{
	struct ringline_blocking_options o = RINGLINE_BLOCKING_OPTIONS_INIT;

	o.job_class = RINGLINE_BLOCKING_IO;
	return ringline_blocking(fn, p, &o);
}

/* Sending */

static ssize_t call_sendfile(struct ringline_conn *c, struct part *p)
{
	struct rln_sigpipe guard;
	ssize_t n;

	rln_sigpipe_hold(&guard);
	do {
		n = sendfile(c->fd, p->fd, &p->offset, p->len);
	} while (n < 0 && errno == EINTR);
	rln_sigpipe_release(&guard, n < 0 && errno == EPIPE);
	return n < 0 ? -errno : n;
}

/*
 * Sends a part that is in the cache. 0; -EINVAL: not this way; another -errno, which may be the file's: a socket that is broken
 * tells the next one too.
 */
static int send_cached(struct rln_send_turn *turn, struct part *p)
{
	while (p->len) {
		ssize_t n = call_sendfile(turn->conn, p);
		int r = n == 0 ? -ENODATA : (int)rln_min(n, (ssize_t)0);

		if (n == -EAGAIN)
			r = rln_send_turn_wait(turn);
		else if (n > 0)
			rln_conn_count_sent(turn->conn, (size_t)n);
		if (r < 0)
			return r;
		p->len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int send_mapped(struct rln_send_turn *turn, int fd, off_t *offset, uint64_t *left)
{
	while (*left) {
		struct part p = { .fd = fd, .offset = *offset, .len = (size_t)rln_min(*left, (uint64_t)PART) };
		size_t len = p.len;
		int r = 0;

		if (!at_hand(fd, p.offset) || !at_hand(fd, p.offset + (off_t)p.len - 1))
			r = on_the_pool(warm_up, &p);
		if (r == 0)
			r = send_cached(turn, &p);
		*offset += (off_t)(len - p.len);
		*left -= len - p.len;
		if (r == 0)
			r = ringline_yield();
		if (r < 0)
			return r;
	}
	return 0;
}

static int send_copied(struct rln_send_turn *turn, int fd, off_t offset, uint64_t left)
{
	struct rln_buf *block = rln_block_new(turn->conn->io, (size_t)rln_min(left, (uint64_t)COPY));
	int r = block ? 0 : -ENOMEM;

	while (r == 0 && left) {
		struct part p = { fd, offset, (size_t)rln_min(left, (uint64_t)COPY), block->mem };

		r = on_the_pool(read_part, &p);
		if (r == 0)
			r = rln_send_turn_send(turn, block->mem, p.len);
		offset += (off_t)p.len;
		left -= p.len;
	}
	if (block)
		rln_buf_unref(block);
	return r;
}

int64_t ringline_conn_sendfile(struct ringline_conn *conn, int fd, uint64_t offset, uint64_t len)
{
	struct rln_send_turn turn;
	struct ringline_task *t;
	off_t at = (off_t)offset;
	uint64_t left = len;
	int r = rln_conn_check_park(conn, &t, __func__);

	if (r < 0)
		return r;
	if (offset > INT64_MAX || len > INT64_MAX - offset)
		return -EINVAL;
	if (fd < 0)
		return -EBADF;
	if (!len)
		return 0;
	r = rln_send_turn_begin(&turn, conn, t);
	if (r < 0)
		return r;
	r = rln_conn_by_hand(conn) ? send_mapped(&turn, fd, &at, &left) : -EINVAL;
	if (r == -EINVAL || r == -ENOSYS)
		r = send_copied(&turn, fd, at, left);
	rln_send_turn_end(&turn);
	return r < 0 ? r : (int64_t)len;
}
