/* SPDX-License-Identifier: MIT */
/* Connections: making, references, names; conn.h draws the states. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/sized.h"
#include "io/addr.h"
#include "io/conn-extra.h"
#include "io/transport.h"
#include "ringline/scope.h"

struct ringline_conn *rln_conn_new(struct rln_io *io, int fd, int family, enum rln_conn_state state)
{
	struct ringline_conn *c = rln_slab_alloc(&io->conns);

	if (!c)
		return NULL;
	memset((char *)c + sizeof(c->slot), 0, sizeof(*c) - sizeof(c->slot));
	c->io = io;
	c->transport = &rln_transport_plain;
	c->fd = fd;
	c->family = (uint16_t)family;
	c->state = state;
	rln_list_init(&c->input);
	rln_list_init(&c->output);
	rln_source_init(&c->reader);
	rln_source_init(&c->readable);
	rln_source_init(&c->writable);
	rln_op_init(&c->recv, rln_conn_recv_complete);
	rln_op_init(&c->send, NULL);
	io->nopen++;
	rln_stat_add(&io->stats.open, 1);
	return c;
}

struct ringline_conn *rln_conn_next(struct rln_io *io, uint32_t *index)
{
	while (*index < io->conns.fresh) {
		struct ringline_conn *c = rln_slab_at(&io->conns, (*index)++);

		if (rln_slot_live(&c->slot) && c->state != RLN_CONN_CLOSED)
			return c;
	}
	return NULL;
}

void rln_conn_describe(const void *conn, char *text, size_t size)
{
	const struct ringline_conn *c = conn;

	snprintf(text, size, "connection %llu, fd %d", (unsigned long long)rln_slot_id(&c->slot), c->fd);
}

void rln_conn_free_unused(struct ringline_conn *c)
{
	if (c->state != RLN_CONN_CLOSED || c->refs || c->calls)
		return;
	rln_conn_recv_free(c);
	rln_conn_extra_free(c);
	rln_slab_free(&c->io->conns, c);
}

void rln_conn_enter(struct ringline_conn *c)
{
	c->calls++;
}

void rln_conn_leave(struct ringline_conn *c)
{
	c->calls--;
	rln_conn_free_unused(c);
}

void rln_conn_unref(struct ringline_conn *c)
{
	c->refs--;
	if (!c->refs && !c->handled && c->state == RLN_CONN_OPEN)
		rln_conn_close(c);
	else
		rln_conn_free_unused(c);
}

/* An object of another worker: logged here, since this thread is a worker too. */
static int foreign(const char *call)
{
	rln_log(RLN_LOG_ERROR, "%s: called on a worker that does not own the connection", call);
	return -EPERM;
}

static int check_live(const struct ringline_conn *c, const char *call)
{
	if (!c)
		return -EINVAL;
	if (!rln_exec_get(call))
		return rln_not_here();
	if (!rln_slot_live(&c->slot))
		return -EBADF;
	return c->io == rln_io_current() ? 0 : foreign(call);
}

int rln_conn_refuse(const struct ringline_conn *c, const char *call)
{
	int r = check_live(c, call);

	if (r < 0)
		return r;
	return c->timed_out ? -ETIMEDOUT : -EBADF;
}

int rln_conn_refuse_park(const struct ringline_conn *c, const char *call)
{
	int r = rln_conn_check(c, call);
	struct ringline_task *t;

	if (r < 0)
		return r;
	t = rln_task_get(call);
	if (!t)
		return rln_not_here();
	return t->fiber ? t->scope->reason : -EDEADLK;
}

/* The public calls. */

int ringline_conn_keep(struct ringline_conn *conn)
{
	int r = rln_conn_check(conn, __func__);

	if (r < 0)
		return r;
	if (!conn->handled)
		return -EINVAL;
	if (conn->kept)
		return -EALREADY;
	conn->kept = true;
	conn->lent = false;
	conn->refs++;
	return 0;
}

int ringline_conn_set_poll(struct ringline_conn *conn, int (*poll)(struct ringline_conn *conn, void *arg), void *arg)
{
	int r = rln_conn_check(conn, __func__);

	if (r < 0)
		return r;
	if (!conn->polled || !poll)
		return -EINVAL;
	conn->poll = poll;
	conn->handler_arg = arg;
	return 0;
}

/* Gives back the user's reference. The handler's first close of what it did not keep has none to give. */
static void drop_user_ref(struct ringline_conn *c)
{
	bool lent = c->lent && c->handler == rln_task_current();

	if (lent)
		c->lent = false;
	else if (c->refs)
		rln_conn_unref(c);
}

static int end_and_drop(struct ringline_conn *c, void (*end)(struct ringline_conn *c), const char *call)
{
	int r = check_live(c, call);

	if (r < 0)
		return r;
	if (c->state == RLN_CONN_OPEN)
		end(c);
	else if (!c->timed_out)
		r = -EBADF;       /* it was closed before; by the library: not */
	drop_user_ref(c);
	return r;
}

int ringline_conn_close(struct ringline_conn *conn)
{
	return end_and_drop(conn, rln_conn_close, __func__);
}

int ringline_conn_abort(struct ringline_conn *conn)
{
	return end_and_drop(conn, rln_conn_abort, __func__);
}

int ringline_conn_unref(struct ringline_conn *conn)
{
	int r = check_live(conn, __func__);

	if (r < 0)
		return r;
	if (!conn->refs)
		return -EBADF;
	rln_conn_unref(conn);
	return 0;
}

uint64_t ringline_conn_id(const struct ringline_conn *conn)
{
	return conn && rln_slot_live(&conn->slot) ? rln_slot_id(&conn->slot) : 0;
}

int ringline_conn_find(struct ringline_conn **ret, uint64_t id)
{
	struct rln_exec *x = rln_exec_get(__func__);
	struct ringline_conn *c;

	if (!ret)
		return -EINVAL;
	if (!x)
		return rln_not_here();
	c = rln_slab_find(&x->io->conns, id);
	if (!c || c->state != RLN_CONN_OPEN)
		return -ENOENT;
	c->refs++;
	*ret = c;
	return 0;
}

static ssize_t name(const struct ringline_conn *c, int (*get)(int, struct sockaddr *, socklen_t *), char *text,
                    size_t size, const char *call)
{
	struct rln_addr a = { .len = sizeof(a.sa) };
	int r = rln_conn_check(c, call);

	if (r < 0)
		return r;
	if (!text && size)
		return -EINVAL;
	if (get(c->fd, (struct sockaddr *)&a.sa, &a.len) < 0)
		return -errno;
	return (ssize_t)rln_addr_format(&a, text, size);
}

ssize_t ringline_conn_peer(const struct ringline_conn *conn, char *text, size_t size)
{
	return name(conn, getpeername, text, size, __func__);
}

ssize_t ringline_conn_local(const struct ringline_conn *conn, char *text, size_t size)
{
	return name(conn, getsockname, text, size, __func__);
}

int ringline_conn_info(const struct ringline_conn *conn, struct ringline_conn_info *info)
{
	struct ringline_conn_info out = { .size = sizeof(out) };
	int r = check_live(conn, __func__);

	if (r < 0)
		return r;
	if (!info)
		return -EINVAL;
	out.id = rln_slot_id(&conn->slot);
	out.bytes_received = conn->bytes_received;
	out.bytes_sent = conn->bytes_sent;
	out.bytes_buffered = conn->buffered;
	out.bytes_queued = conn->queued;
	return rln_sized_out(info, &out, sizeof(out));
}
