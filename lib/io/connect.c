/* SPDX-License-Identifier: MIT */
/*
 * Connecting.
 *
 * The connection object exists from the start and owns the descriptor, so a connect that is cut, times out or fails ends
 * the way every connection does: operations waited for, descriptor closed through the backend. A connect that succeeded
 * although it was being cancelled counts as a success.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/sized.h"
#include "io/addr.h"
#include "io/conn.h"

struct attempt {
	struct rln_wait wait;
	struct rln_timer timer;
};

static void connect_complete(struct rln_op *op, const struct rln_completion *done)
{
	struct ringline_conn *c = rln_container_of(op, struct ringline_conn, send);

	rln_source_fire_all(&c->reader, done->res);
}

static void timed_out(struct rln_timer *t)
{
	struct attempt *a = rln_container_of(t, struct attempt, timer);

	rln_wait_fire(&a->wait, -ETIMEDOUT);
}

/* Waits for the result; what cuts it short turns into a cancellation, and its terminal result is waited for. */
static int wait_result(struct ringline_conn *c, struct ringline_task *t, uint64_t timeout)
{
	struct rln_exec *x = c->io->exec;
	struct rln_parker p;
	struct attempt a;
	int cut = 0;

	rln_parker_init(&p, t);
	rln_wait_arm(&a.wait, &p, &c->reader);
	rln_timer_init(&a.timer, timed_out);
	if (timeout)
		cut = rln_timer_arm(x, &a.timer, rln_time_add(rln_clock_now(x->clock), timeout));
	if (!cut)
		cut = rln_park(&p);
	rln_timer_cancel(x, &a.timer);
	if (!cut && rln_op_inflight(&c->send)) {
		cut = -ETIMEDOUT;
		rln_parker_init(&p, t);
		rln_wait_arm(&a.wait, &p, &c->reader);
	}
	if (cut) {
		rln_op_cancel(&c->send);
		rln_park_shielded(&p);
	}
	return cut && a.wait.result < 0 ? cut : (int)a.wait.result;
}

static int open_socket(const struct rln_addr *a)
{
	static const int on = 1;
	int error = rln_fault(RLN_FAULT_SOCKET);
	int fd;

	if (error)
		return -error;
	fd = socket(rln_addr_family(a), SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (rln_addr_family(a) != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static int connect_to(struct ringline_conn **ret, struct rln_addr *a, struct ringline_task *t, uint64_t timeout)
{
	struct rln_io *io = rln_io_current();
	struct ringline_conn *c;
	int fd = open_socket(a);
	int r;

	if (fd < 0)
		return fd;
	c = rln_conn_new(io, fd, rln_addr_family(a), RLN_CONN_CONNECTING);
	if (!c) {
		close(fd);
		return -ENOMEM;
	}
	c->refs = 1;
	c->send.opcode = RLN_OP_CONNECT;
	c->send.complete = connect_complete;
	c->send.fd = fd;
	c->send.ptr = &a->sa;
	c->send.len = a->len;
	rln_op_submit(&c->send);
	r = wait_result(c, t, timeout);
	c->state = RLN_CONN_OPEN;
	if (r < 0) {
		rln_conn_abort(c);
		rln_conn_unref(c);
		return r;
	}
	rln_stat_add(&io->stats.connected, 1);
	*ret = c;
	return 0;
}

int ringline_connect(struct ringline_conn **ret, const char *address, const struct ringline_connect_options *options)
{
	struct ringline_connect_options o;
	struct ringline_task *t = rln_task_get(__func__);
	struct rln_addr a;
	int r;

	if (!t)
		return -EPERM;
	if (!t->fiber)
		return -EDEADLK;
	if (t->scope->reason)
		return t->scope->reason;
	r = rln_sized_in(&o, sizeof(o), options);
	if (r < 0)
		return r;
	if (!ret || o.flags || o.reserved)
		return -EINVAL;
	r = rln_addr_parse(&a, address);
	if (r < 0)
		return r;
	if (rln_io_current()->config.max_connections && rln_io_current()->nopen >= rln_io_current()->config.max_connections)
		return -EAGAIN;
	return connect_to(ret, &a, t, o.timeout);
}
