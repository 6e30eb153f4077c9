/* SPDX-License-Identifier: MIT */
/* Listeners of tasks; accept.h tells the idea. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sized.h"
#include "core/select.h"
#include "core/task.h"
#include "io/accept.h"
#include "io/conn.h"
#include "io/crowd.h"
#include "io/inherit.h"
#include "io/listener.h"

void rln_accept_notify(struct ringline_listener *l)
{
	rln_source_fire_all(&l->acceptors, 0);
}

void rln_accept_closed(struct ringline_listener *l)
{
	l->listener = NULL;
	rln_socket_path_remove(&l->path, &l->addr);
	rln_source_fire_all(&l->acceptors, -EBADF);
}

/* Opening */

#define KNOWN_FLAGS (RINGLINE_LISTEN_SHARE_PORT | RINGLINE_LISTEN_V6ONLY | RINGLINE_LISTEN_DELAY | \
                     RINGLINE_LISTEN_KEEPALIVE | RINGLINE_LISTEN_MODE | RINGLINE_LISTEN_OWNER)

int rln_listen_read_options(struct ringline_listen_options *o, const struct ringline_listen_options *options)
{
	int r = rln_sized_in(o, sizeof(*o), options);

	if (r < 0)
		return r;
	if (o->flags & ~KNOWN_FLAGS || o->reserved || o->backlog > INT32_MAX || o->fastopen > INT32_MAX || o->mode > 0777)
		return -EINVAL;
	if (!o->backlog)
		o->backlog = RLN_BACKLOG_DEFAULT;
	return 0;
}

int rln_listen_new_crowd(struct rln_crowd **ret, const struct ringline_listen_options *o)
{
	*ret = NULL;
	if (!o->max_connections && !o->max_per_source)
		return 0;
	*ret = rln_crowd_new(o->max_connections, o->max_per_source);
	return *ret ? 0 : -ENOMEM;
}

static int bind_to(struct ringline_listener *l, const struct ringline_listen_options *o)
{
	int fd;

	l->path.owned = false;
	if (rln_addr_family(&l->addr) == AF_UNIX)
		fd = rln_bind_unix(&l->addr, &l->path, o);
	else
		fd = rln_bind_tcp(&l->addr, o->flags & RINGLINE_LISTEN_SHARE_PORT, o);
	if (fd >= 0) {
		int r = rln_bind_listen(fd, (int)o->backlog);

		if (r == 0)
			return fd;
		close(fd);
		rln_socket_path_remove(&l->path, &l->addr);
		return r;
	}
	return fd;
}

/* A listening descriptor of the address. */
static int open_descriptor(struct ringline_listener *l, const char *address, const struct ringline_listen_options *o)
{
	int fds[RLN_INHERIT_MAX];
	int n;

	l->path.owned = false;
	if (!rln_inherit_is(address)) {
		n = rln_addr_parse(&l->addr, address);
		return n < 0 ? n : bind_to(l, o);
	}
	n = rln_inherit(fds, address);
	if (n < 0)
		return n;
	return n == 1 ? fds[0] : -ENOTUNIQ;
}

static int go_live(struct ringline_listener *l, int fd, const struct ringline_listen_options *o)
{
	struct rln_listener_how how = { .taker = l, .budget = o->accept_budget };
	int r = rln_inherit_address(fd, &l->addr);

	if (r == 0)
		r = rln_listen_new_crowd(&how.crowd, o);
	if (r < 0)
		return r;
	how.family = rln_addr_family(&l->addr);
	r = rln_listener_open(l->io, fd, &how);
	rln_crowd_unref(how.crowd);
	return r;
}

static int open_listener(struct ringline_listener *l, const char *address, const struct ringline_listen_options *o)
{
	int fd = open_descriptor(l, address, o);
	int r;

	if (fd < 0)
		return fd;
	r = go_live(l, fd, o);
	if (r < 0) {
		if (!rln_inherit_is(address))
			close(fd);
		rln_socket_path_remove(&l->path, &l->addr);
	}
	return r;
}

int ringline_listener_open(struct ringline_listener **ret, char *bound, const char *address,
                           const struct ringline_listen_options *options)
{
	struct rln_exec *x = rln_exec_get(__func__);
	struct ringline_listen_options o;
	struct ringline_listener *l;
	int r;

	if (!x)
		return rln_not_here();
	r = ret ? rln_listen_read_options(&o, options) : -EINVAL;
	if (r == 0 && o.poll)
		r = -EINVAL;      /* it is taken from, it serves nobody */
	if (r < 0)
		return r;
	l = rln_slab_alloc(&x->io->takers);
	if (!l)
		return -ENOMEM;
	l->io = x->io;
	rln_source_init(&l->acceptors);
	r = open_listener(l, address, &o);
	if (r < 0) {
		rln_slab_free(&x->io->takers, l);
		return r;
	}
	rln_listener_resume(l->listener);
	if (bound)
		rln_addr_format(&l->addr, bound, RINGLINE_ADDRESS_SIZE);
	*ret = l;
	return 0;
}

/* Using */

static int check(const struct ringline_listener *l, const char *call)
{
	if (!l)
		return -EINVAL;
	if (!rln_exec_get(call))
		return rln_not_here();
	return rln_exec_check_handle(&rln_io_current()->takers, &l->slot, call);
}

static struct ringline_conn *take(struct ringline_listener *l)
{
	struct ringline_conn *c = rln_listener_take(l->listener);

	if (c)
		c->refs = 1;
	return c;
}

static const struct rln_what what_accept = { .name = "accept" };

/* What came may be taken by another task before this one has its turn; and the listener may be freed meanwhile. */
static int wait_and_take(struct ringline_listener *l, struct ringline_conn **ret)
{
	uint32_t gen = l->slot.gen;
	int64_t fired;
	int r;

	for (;;) {
		if (l->slot.gen != gen || !l->listener)
			return -EBADF;
		*ret = take(l);
		if (*ret)
			return 0;
		r = rln_wait_on(&l->acceptors, &fired, &what_accept, l);
		if (r < 0)
			return r;
	}
}

int ringline_listener_accept(struct ringline_listener *listener, struct ringline_conn **ret)
{
	struct ringline_task *t;
	int r = rln_task_get_parking(&t, __func__);

	if (r == 0)
		r = check(listener, __func__);
	if (r < 0)
		return r;
	if (!ret)
		return -EINVAL;
	return t->scope->reason ? t->scope->reason : wait_and_take(listener, ret);
}

static int with_listener(struct ringline_listener *l, void (*fn)(struct rln_listener *l), const char *call)
{
	int r = check(l, call);

	if (r < 0)
		return r;
	if (!l->listener)
		return -EBADF;
	fn(l->listener);
	return 0;
}

int ringline_listener_pause(struct ringline_listener *listener)
{
	return with_listener(listener, rln_listener_pause, __func__);
}

int ringline_listener_resume(struct ringline_listener *listener)
{
	return with_listener(listener, rln_listener_unpause, __func__);
}

int ringline_listener_close(struct ringline_listener *listener)
{
	int r = listener ? check(listener, __func__) : 0;

	if (r < 0 || !listener)
		return r;
	if (listener->listener)
		rln_listener_close(listener->listener);
	rln_slab_free(&rln_io_current()->takers, listener);
	return 0;
}

/* As a case of select */

static int arm_case(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	struct ringline_listener *l = c->object;
	int r = rln_case_check(c, n, &rln_io_current()->takers);

	if (r)
		return r;
	if (!l->listener) {
		c->result = -EBADF;
		return RLN_CASE_GONE;
	}
	c->result = rln_listener_waiting(l->listener);
	if (c->result)
		return RLN_CASE_READY;
	rln_wait_arm(&n->wait, p, &l->acceptors);
	return RLN_CASE_WAITS;
}

static bool settle_case(struct ringline_case *c, const struct rln_select_node *n)
{
	const struct ringline_listener *l = c->object;

	c->result = rln_case_gone(c, n) || !l->listener ? -EBADF : (int64_t)rln_listener_waiting(l->listener);
	return c->result != 0;
}

static const struct rln_case_kind accept_case = { .arm = arm_case, .settle = settle_case };

/* The worker */

void rln_accept_init(struct rln_io *io)
{
	rln_slab_init(&io->takers, sizeof(struct ringline_listener), 8, 0);
	io->exec->case_kinds[RINGLINE_CASE_ACCEPT] = &accept_case;
}

void rln_accept_fini(struct rln_io *io)
{
	if (rln_slab_fini(&io->takers))
		rln_log(RLN_LOG_WARNING, "listeners were never closed");
}
