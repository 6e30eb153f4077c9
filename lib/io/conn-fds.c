/* SPDX-License-Identifier: MIT */
/* Passing descriptors; conn-fds.h. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/buf.h"
#include "io/conn-fds.h"
#include "io/conn-send.h"
#include "io/transport.h"

#define FDS_MAX    253u                   /* of one message: SCM_MAX_FD, unix(7) */
#define QUEUE_MAX  65536u
#define BLOCK_SIZE (16u * 1024)
#define ROOM_MIN   2048u

struct rln_fds {
	uint32_t max;                     /* descriptors that may wait */
	uint32_t n;
	struct rln_buf *block;            /* what is received into; NULL: none yet */
	size_t used;
	struct msghdr msg;
	struct iovec iov;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(FDS_MAX * sizeof(int))];
	int fd[];
};

static void drop_block(struct rln_fds *f)
{
	if (f->block)
		rln_buf_unref(f->block);
	f->block = NULL;
	f->used = 0;
}

/* Receiving */

static bool have_room(struct ringline_conn *c, struct rln_fds *f)
{
	if (f->block && f->block->refs == 1)
		f->used = 0;
	if (f->block && f->used + ROOM_MIN > BLOCK_SIZE)
		drop_block(f);
	if (!f->block)
		f->block = rln_block_new(c->io, BLOCK_SIZE);
	return f->block;
}

bool rln_conn_fds_receive(struct ringline_conn *c)
{
	struct rln_fds *f = c->extra->fds;

	if (!have_room(c, f))
		return false;
	f->iov = (struct iovec){ .iov_base = f->block->mem + f->used, .iov_len = BLOCK_SIZE - f->used };
	f->msg = (struct msghdr){ .msg_iov = &f->iov, .msg_iovlen = 1, .msg_control = f->control,
		                  .msg_controllen = sizeof(f->control) };
	c->recv.opcode = RLN_OP_RECVMSG;
	c->recv.ptr = &f->msg;
	c->recv.len = f->iov.iov_len;
	c->recv.flags = 0;
	c->transport->submit(c, &c->recv);
	return true;
}

static void keep(struct ringline_conn *c, struct rln_fds *f, int fd)
{
	if (f->n < f->max && c->state == RLN_CONN_OPEN) {
		f->fd[f->n++] = fd;
		return;
	}
	close(fd);
	rln_stat_add(&c->io->stats.fds_dropped, 1);
}

/* The array may lie at any address behind the header, hence memcpy(). */
static void keep_all(struct ringline_conn *c, struct rln_fds *f)
{
	struct cmsghdr *m;

	for (m = CMSG_FIRSTHDR(&f->msg); m; m = CMSG_NXTHDR(&f->msg, m)) {
		size_t n = (m->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		size_t i;

		for (i = 0; i < n && m->cmsg_level == SOL_SOCKET && m->cmsg_type == SCM_RIGHTS; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(m) + i * sizeof(int), sizeof(int));
			keep(c, f, fd);
		}
	}
}

void rln_conn_fds_received(struct ringline_conn *c, struct rln_completion *done)
{
	struct rln_fds *f = c->extra->fds;

	if (done->res < 0)
		return;
	keep_all(c, f);
	done->buf = rln_buf_ref(f->block);
	done->data = f->block->mem + f->used;
	f->used += (size_t)done->res;
}

/* Life */

static void close_all(struct rln_fds *f)
{
	while (f->n)
		close(f->fd[--f->n]);
}

void rln_conn_fds_free(struct ringline_conn *c)
{
	struct rln_fds *f = c->extra->fds;

	if (!f)
		return;
	close_all(f);
	drop_block(f);
	rln_mem_free(f);
	c->extra->fds = NULL;
}

static int make(struct ringline_conn *c, uint32_t max)
{
	struct rln_fds *f = rln_mem_zalloc(sizeof(*f) + max * sizeof(int));

	if (!f)
		return -ENOMEM;
	f->max = max;
	c->extra->fds = f;
	c->transport->cancel(c, &c->recv);    /* what receives without descriptors; armed again the new way */
	return 0;
}

int rln_conn_want_fds(struct ringline_conn *c, uint32_t max)
{
	if (c->family != AF_UNIX)
		return -EOPNOTSUPP;
	if (max > QUEUE_MAX)
		return -EINVAL;
	if (c->extra->fds)
		return c->extra->fds->max == max ? 0 : -EBUSY;
	return max ? make(c, max) : 0;
}

uint32_t rln_conn_fds_wanted(const struct ringline_conn *c)
{
	return rln_conn_wants_fds(c) ? c->extra->fds->max : 0;
}

/* The calls */

ssize_t ringline_conn_take_fds(struct ringline_conn *conn, int *fds, size_t n)
{
	int r = rln_conn_check(conn, __func__);
	struct rln_fds *f;
	uint32_t k;

	if (r < 0)
		return r;
	if (!fds && n)
		return -EINVAL;
	if (!rln_conn_wants_fds(conn))
		return -EOPNOTSUPP;
	f = conn->extra->fds;
	k = (uint32_t)rln_min(n, (size_t)f->n);
	memcpy(fds, f->fd, k * sizeof(int));
	f->n -= k;
	memmove(f->fd, f->fd + k, f->n * sizeof(int));
	return (ssize_t)k;
}

struct outgoing {
	struct rln_send item;
	struct iovec piece;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

static void pack(struct outgoing *o, const int *fds, size_t n)
{
	struct cmsghdr *m = (struct cmsghdr *)o->control;

	memset(o->control, 0, sizeof(o->control));
	m->cmsg_level = SOL_SOCKET;
	m->cmsg_type = SCM_RIGHTS;
	m->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(m), fds, n * sizeof(int));
	o->item.control = o->control;
	o->item.control_len = CMSG_SPACE(n * sizeof(int));
}

static ssize_t send_with_fds(struct ringline_conn *c, const void *data, size_t len, const int *fds, size_t n,
                             struct ringline_task *t)
{
	struct outgoing o = { .piece = { .iov_base = (void *)(uintptr_t)data, .iov_len = len } };
	ssize_t r;

	if (!rln_conn_reserve_batch(c))
		return -ENOMEM;
	rln_send_init(&o.item, &o.piece, 1, len);
	pack(&o, fds, n);
	rln_conn_enter(c);
	r = rln_conn_send_item(c, &o.item, t);
	rln_conn_leave(c);
	return r;
}

ssize_t ringline_conn_send_fds(struct ringline_conn *conn, const void *data, size_t len, const int *fds, size_t n)
{
	struct ringline_task *t;
	int r = rln_conn_check_park(conn, &t, __func__);

	if (r == 0)
		r = rln_conn_may_send(conn);
	if (r < 0)
		return r;
	if (!data || !len || len > SSIZE_MAX || !fds || !n || n > FDS_MAX)
		return -EINVAL;
	if (conn->family != AF_UNIX)
		return -EOPNOTSUPP;
	return send_with_fds(conn, data, len, fds, n, t);
}
