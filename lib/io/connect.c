/* SPDX-License-Identifier: MIT */
/*
 * Connecting.
 *
 * The connection object exists from the start and owns the descriptor, so a connect that is cut, times out or fails ends
 * the way every connection does: operations waited for, descriptor closed through the backend. A connect that succeeded
 * although it was being cancelled counts as a success.
 *
 *     start --> CONNECTING --over--> done() --> taken: the caller's connection
 *                   |  cancel, timeout: the operation is cancelled, and done() still comes
 *                   +                        --> dropped: closed, because nobody wanted it any more
 *
 * The call that parks and the operation are the same but for what done() does.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/sized.h"
#include "core/handle.h"
#include "io/addr.h"
#include "io/conn.h"
#include "io/connect.h"

/* An attempt. Its address is the kernel's until it is over. */
struct rln_connecting {
	struct ringline_conn *conn;
	struct rln_addr addr;
	struct rln_addr source;           /* len 0: any */
	uint32_t flags;                   /* RINGLINE_CONNECT_* */
	struct rln_timer timer;
	bool timed_out;
	int result;
	void (*done)(struct rln_connecting *a);
};

static void connect_complete(struct rln_op *op, const struct rln_completion *c)
{
	struct rln_connecting *a = rln_container_of(op, struct ringline_conn, send)->attempt;

	rln_timer_cancel(rln_exec_current, &a->timer);
	a->result = c->res < 0 && a->timed_out ? -ETIMEDOUT : (int)c->res;
	a->done(a);
}

static void cancel(struct rln_connecting *a)
{
	rln_op_cancel(&a->conn->send);
}

static void time_out(struct rln_timer *t)
{
	struct rln_connecting *a = rln_container_of(t, struct rln_connecting, timer);

	a->timed_out = true;
	cancel(a);
}

static void set_on(int fd, int level, int option)
{
	static const int on = 1;

	setsockopt(fd, level, option, &on, sizeof(on));
}

/* The port is chosen when the other end is known, so that many connections can share one. */
static int bind_source(int fd, const struct rln_addr *source)
{
	if (!source->len)
		return 0;
	if (rln_addr_family(source) != AF_UNIX)
		set_on(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
	return bind(fd, (const struct sockaddr *)&source->sa, source->len) < 0 ? -errno : 0;
}

static int open_socket(const struct rln_addr *a, const struct rln_addr *source, uint32_t flags)
{
	int error = rln_fault(RLN_FAULT_SOCKET);
	int fd;
	int r;

	if (error)
		return -error;
	fd = socket(rln_addr_family(a), SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (rln_addr_family(a) != AF_UNIX)
		set_on(fd, IPPROTO_TCP, TCP_NODELAY);
	if (flags & RINGLINE_CONNECT_FASTOPEN)
		set_on(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT);
	r = bind_source(fd, source);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

/* The timer comes first: it is the only thing that can fail once there is a connection. */
static int arm_timeout(struct rln_connecting *a, uint64_t timeout)
{
	struct rln_exec *x = rln_exec_current;

	rln_timer_init(&a->timer, time_out);
	a->timed_out = false;
	return timeout ? rln_timer_arm(x, &a->timer, rln_time_add(rln_clock_now(x->clock), timeout)) : 0;
}

static int new_conn(struct rln_connecting *a)
{
	int fd = open_socket(&a->addr, &a->source, a->flags);

	if (fd < 0)
		return fd;
	a->conn = rln_conn_new(rln_io_current(), fd, rln_addr_family(&a->addr), RLN_CONN_CONNECTING);
	if (a->conn)
		return 0;
	close(fd);
	return -ENOMEM;
}

/* On success done() will be called, but not yet. */
static int start(struct rln_connecting *a, uint64_t timeout)
{
	int r = arm_timeout(a, timeout);

	if (r == 0)
		r = new_conn(a);
	if (r < 0) {
		rln_timer_cancel(rln_exec_current, &a->timer);
		return r;
	}
	a->conn->refs = 1;
	a->conn->attempt = a;
	a->conn->send.opcode = RLN_OP_CONNECT;
	a->conn->send.complete = connect_complete;
	a->conn->send.fd = a->conn->fd;
	a->conn->send.ptr = &a->addr.sa;
	a->conn->send.len = a->addr.len;
	rln_op_submit(&a->conn->send);
	return 0;
}

/* The attempt is over. A connection that did not come about, or that nobody wants. */
static void drop(struct rln_connecting *a)
{
	a->conn->state = RLN_CONN_OPEN;
	rln_conn_abort(a->conn);
	rln_conn_unref(a->conn);
}

static struct ringline_conn *take(struct rln_connecting *a)
{
	a->conn->state = RLN_CONN_OPEN;
	rln_stat_add(&a->conn->io->stats.connected, 1);
	return a->conn;
}

int rln_connect_read_options(struct ringline_connect_options *o, const struct ringline_connect_options *options)
{
	int r = rln_sized_in(o, sizeof(*o), options);

	return r == 0 && (o->flags & ~RINGLINE_CONNECT_FASTOPEN || o->reserved) ? -EINVAL : r;
}

int rln_connect_source(struct rln_addr *ret, const struct ringline_connect_options *o)
{
	ret->len = 0;
	return o->source ? rln_addr_parse(ret, o->source) : 0;
}

static int prepare(struct rln_connecting *a, const struct rln_addr *addr, const struct ringline_connect_options *o)
{
	const struct rln_io *io = rln_io_current();
	int r = rln_connect_source(&a->source, o);

	a->addr = *addr;
	a->flags = o->flags;
	if (r == 0 && a->source.len && rln_addr_family(&a->source) != rln_addr_family(addr))
		r = -EINVAL;
	if (r == 0 && rln_io_full(io))
		r = -EAGAIN;
	return r;
}

static int read_call(struct ringline_connect_options *o, struct rln_addr *addr, const char *address,
                     const struct ringline_connect_options *options)
{
	int r = rln_connect_read_options(o, options);

	return r == 0 ? rln_addr_parse(addr, address) : r;
}

/* The call */

struct waited_attempt {
	struct rln_connecting attempt;
	struct rln_wait wait;
};

static void wake_waiter(struct rln_connecting *a)
{
	rln_wait_fire(&rln_container_of(a, struct waited_attempt, attempt)->wait, a->result);
}

static const struct rln_what what_connect = { .name = "connect" };

static int connect_and_wait(struct waited_attempt *w, struct ringline_task *t, uint64_t timeout)
{
	struct rln_parker p;
	int cut;
	int r;

	w->attempt.done = wake_waiter;
	rln_parker_init(&p, t, &what_connect, NULL);
	rln_wait_arm(&w->wait, &p, NULL);
	r = start(&w->attempt, timeout);
	if (r < 0)
		return r;
	cut = rln_park(&p);
	if (cut) {
		cancel(&w->attempt);
		rln_park_shielded(&p);
	}
	r = (int)w->wait.result;
	if (r < 0)
		drop(&w->attempt);
	return r < 0 && cut ? cut : r;
}

int ringline_connect(struct ringline_conn **ret, const char *address, const struct ringline_connect_options *options)
{
	struct ringline_connect_options o;
	struct waited_attempt w;
	struct rln_addr addr;
	struct ringline_task *t;
	int r = rln_task_get_parking(&t, __func__);

	if (r == 0)
		r = t->scope->reason;
	if (r < 0)
		return r;
	if (!ret)
		return -EINVAL;
	r = read_call(&o, &addr, address, options);
	if (r == 0)
		r = prepare(&w.attempt, &addr, &o);
	if (r == 0)
		r = connect_and_wait(&w, t, o.timeout);
	if (r == 0)
		*ret = take(&w.attempt);
	return r;
}

/* The operation */

struct begun_attempt {
	struct rln_connecting attempt;
	struct ringline_op *handle;
	struct ringline_conn **ret;
};

static void tell_handle(struct rln_connecting *a)
{
	struct begun_attempt *b = rln_container_of(a, struct begun_attempt, attempt);
	struct ringline_op *h = b->handle;
	int result = a->result;

	if (result < 0) {
		drop(a);
		rln_mem_free(b);
	}
	rln_handle_done(h, result);
}

static void op_cancel(struct ringline_op *h)
{
	cancel(&((struct begun_attempt *)h->work.ptr)->attempt);
}

static void op_take(struct ringline_op *h)
{
	struct begun_attempt *b = h->work.ptr;

	if (h->result < 0)
		return;
	*b->ret = take(&b->attempt);
	rln_mem_free(b);
}

static void op_dispose(struct ringline_op *h)
{
	struct begun_attempt *b = h->work.ptr;

	if (h->result < 0)
		return;
	drop(&b->attempt);
	rln_mem_free(b);
}

static const struct rln_handle_kind connect_op = { .cancel = op_cancel, .take = op_take, .dispose = op_dispose };

static int begin(struct ringline_op *h, struct ringline_conn **conn, const struct rln_addr *a,
                 const struct ringline_connect_options *o)
{
	struct begun_attempt *b = rln_mem_alloc(sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	b->attempt.done = tell_handle;
	b->handle = h;
	b->ret = conn;
	r = prepare(&b->attempt, a, o);
	if (r == 0)
		r = start(&b->attempt, o->timeout);
	if (r < 0)
		rln_mem_free(b);
	else
		h->work.ptr = b;
	return r;
}

int rln_connect_begin(struct ringline_op **ret, struct ringline_conn **conn, const struct rln_addr *a,
                      const struct ringline_connect_options *o)
{
	struct ringline_op *h;
	int r = rln_handle_new(&h, &connect_op);

	if (r < 0)
		return r;
	r = begin(h, conn, a, o);
	if (r < 0) {
		rln_handle_drop(h);
		return r;
	}
	*ret = h;
	return 0;
}

int ringline_connect_begin(struct ringline_op **ret, struct ringline_conn **conn, const char *address,
                           const struct ringline_connect_options *options)
{
	struct ringline_connect_options o;
	struct rln_addr a;
	int r;

	if (!ret || !conn)
		return -EINVAL;
	if (!rln_task_get(__func__))
		return rln_not_here();
	r = read_call(&o, &a, address, options);
	return r < 0 ? r : rln_connect_begin(ret, conn, &a, &o);
}
