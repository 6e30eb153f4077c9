/* SPDX-License-Identifier: MIT */
/* Sending datagrams; dgram.h tells how. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fault.h"
#include "core/object.h"
#include "io/dgram.h"
#include "ringline/task.h"

#define BATCH_MAX    32u
#define CONTROL_MAX  128u                       /* without descriptors */
#define PAUSE_MIN    RLN_NSEC_PER_MSEC
#define PAUSE_MAX    (20 * RLN_NSEC_PER_MSEC)

void rln_dgram_writable(struct rln_op *op, const struct rln_completion *c)
{
	struct ringline_dgram *s = rln_container_of(op, struct ringline_dgram, send);

	(void)c;                  /* an error is the next send's */
	if (s->closing)
		rln_dgram_progress(s);
	else
		rln_source_fire_all(&s->writers, 0);
}

void rln_dgram_arm_write(struct ringline_dgram *s)
{
	if (s->closing || rln_op_inflight(&s->send))
		return;
	s->send.opcode = RLN_OP_WRITABLE;
	s->send.fd = s->fd;
	s->send.flags = 0;
	rln_op_submit(&s->send);
}

static const struct rln_what what_send = { .name = "send a datagram", .describe = rln_dgram_describe };

/* Until the socket has room. 0, or why not. The caller has entered. */
static int await_room(struct ringline_dgram *s, struct ringline_task *t)
{
	struct rln_parker p;
	struct rln_wait w;
	int r;

	rln_parker_init(&p, t, &what_send, s);
	rln_wait_arm(&w, &p, &s->writers);
	rln_dgram_arm_write(s);
	r = rln_park(&p);
	rln_wait_disarm(&w);
	return s->closing ? -ECONNABORTED : r;
}

/*
 * Room in the queue of a unix socket that one is not connected to: of that the kernel tells nobody, and calls the socket
 * writable. So there are pauses.
 */
static int await_peer(struct ringline_dgram *s, struct ringline_task *t, uint64_t *pause)
{
	int r = s->family == AF_UNIX && !s->connected ? ringline_sleep(*pause) : await_room(s, t);

	*pause = rln_min(*pause * 2, PAUSE_MAX);
	return s->closing ? -ECONNABORTED : r;
}

/* A message as the kernel takes it */

static int fill(struct msghdr *h, struct iovec *iov, const struct ringline_dgram_msg *m)
{
	if ((!m->data && m->length) || m->peer.length > sizeof(m->peer.address))
		return -EINVAL;
	iov->iov_base = m->data;
	iov->iov_len = m->length;
	*h = (struct msghdr){ .msg_iov = iov, .msg_iovlen = 1 };
	if (m->peer.length) {
		h->msg_name = (void *)(uintptr_t)&m->peer.address;
		h->msg_namelen = m->peer.length;
	}
	return 0;
}

static bool is_plain(const struct ringline_dgram_msg *m)
{
	return !m->segment && !m->interface && !m->nfds && !(m->flags & (RINGLINE_MSG_LOCAL | RINGLINE_MSG_TOS | RINGLINE_MSG_TTL));
}

/* IPv4 addresses on an IPv6 socket are sent to as IPv4. */
static int family_of(const struct ringline_dgram *s, const struct ringline_dgram_msg *m)
{
	const struct sockaddr_in6 *to = &m->peer.address.in6;

	if (s->family == AF_INET6 && m->peer.length >= sizeof(*to) && IN6_IS_ADDR_V4MAPPED(&to->sin6_addr))
		return AF_INET;
	return s->family;
}

static int fill_control(const struct ringline_dgram *s, struct msghdr *h, const struct ringline_dgram_msg *m,
                        unsigned char *control, bool with_fds)
{
	int n;

	if (is_plain(m))
		return 0;
	n = rln_dgram_write_control(control, m, family_of(s, m), with_fds);
	if (n > 0) {
		h->msg_control = control;
		h->msg_controllen = (size_t)n;
	}
	return rln_min(n, 0);
}

static void count(struct ringline_dgram *s, const struct ringline_dgram_msg *m)
{
	s->sent += m->segment ? (m->length + m->segment - 1) / m->segment : 1;
	s->bytes_sent += m->length;
}

/* The calls of the kernel */

/* What an earlier datagram has met, and not this one: errors that come over the network, on a socket that asks for them. */
static bool is_of_another(const struct ringline_dgram *s, int error)
{
	return s->asks_errors && (error == -ECONNREFUSED || error == -EHOSTUNREACH || error == -ENETUNREACH || error == -EPROTO ||
	                          error == -EMSGSIZE || error == -EACCES || error == -EOPNOTSUPP || error == -EHOSTDOWN ||
	                          error == -ENONET || error == -ENOPROTOOPT);
}

static int try_batch(struct ringline_dgram *s, struct mmsghdr *h, unsigned int n)
{
	int error = rln_fault(RLN_FAULT_SEND);
	int r = error ? -1 : n == 1 ? (int)sendmsg(s->fd, &h->msg_hdr, MSG_DONTWAIT | MSG_NOSIGNAL)
	                            : sendmmsg(s->fd, h, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (r < 0)
		return error ? -error : -errno;
	return n == 1 ? 1 : r;
}

/*
 * How many went, or -errno. The socket's pending error makes a send fail that has nothing to do with it, and is gone then: a
 * second failure is the datagram's own.
 */
static int send_some(struct ringline_dgram *s, struct mmsghdr *h, unsigned int n)
{
	int r = try_batch(s, h, n);

	if (rln_likely(r >= 0) || !is_of_another(s, r))
		return r;
	r = try_batch(s, h, n);
	rln_dgram_errors_told(s);
	return r;
}

/* One datagram; -EAGAIN if there is no room. */
static ssize_t send_one(struct ringline_dgram *s, const struct ringline_dgram_msg *m)
{
	rln_aligned(16) unsigned char control[RLN_DGRAM_CONTROL];
	struct mmsghdr h;
	struct iovec iov;
	int r = fill(&h.msg_hdr, &iov, m);

	if (r == 0)
		r = fill_control(s, &h.msg_hdr, m, control, true);
	if (r == 0)
		r = send_some(s, &h, 1);
	if (r < 0)
		return r;
	count(s, m);
	return (ssize_t)m->length;
}

/* The calls */

static ssize_t send_waiting(struct ringline_dgram *s, const struct ringline_dgram_msg *m, struct ringline_task *t)
{
	uint64_t pause = PAUSE_MIN;
	ssize_t r = send_one(s, m);
	int w = 0;

	if (rln_likely(r != -EAGAIN))
		return r;
	rln_dgram_enter(s);
	while (r == -EAGAIN && w == 0) {
		w = await_peer(s, t, &pause);
		if (w == 0)
			r = send_one(s, m);
	}
	rln_dgram_leave(s);
	return w < 0 ? w : r;
}

static int check_message(const struct ringline_dgram_msg *m)
{
	return !m || (m->nfds && !m->fds) ? -EINVAL : 0;
}

ssize_t ringline_dgram_send(struct ringline_dgram *sock, const struct ringline_dgram_msg *msg)
{
	struct ringline_task *t;
	int r = rln_dgram_check_park(sock, &t, __func__);

	if (r == 0)
		r = check_message(msg);
	return r < 0 ? r : send_waiting(sock, msg, t);
}

ssize_t ringline_dgram_send_nowait(struct ringline_dgram *sock, const struct ringline_dgram_msg *msg)
{
	int r = rln_dgram_check(sock, __func__);

	if (r == 0)
		r = check_message(msg);
	return r < 0 ? r : send_one(sock, msg);
}

ssize_t ringline_dgram_send_to(struct ringline_dgram *sock, const void *data, size_t len, const struct ringline_sockaddr *peer)
{
	struct ringline_dgram_msg m;

	/* of the rest only these are looked at */
	m.data = (void *)(uintptr_t)data;
	m.length = len;
	m.flags = 0;
	m.segment = 0;
	m.interface = 0;
	m.nfds = 0;
	m.fds = NULL;
	m.peer.length = 0;
	if (peer && peer->length <= sizeof(peer->address)) {
		m.peer.length = peer->length;
		memcpy(&m.peer.address, &peer->address, peer->length);
	} else if (peer) {
		return -EINVAL;
	}
	return ringline_dgram_send(sock, &m);
}

/*
 * Runs: datagrams of one length for one peer, one after the other, of which the last may be shorter. The kernel takes them as
 * one message and cuts them apart late (UDP_SEGMENT, udp(7)), so they go through most of it together.
 */

#define RUN_MAX   64u                           /* UDP_MAX_SEGMENTS of older kernels */
#define RUN_BYTES 60000u

static bool may_join(const struct ringline_dgram *s, const struct ringline_dgram_msg *m)
{
	return !s->no_runs && s->family != AF_UNIX && is_plain(m) && m->length;
}

static bool follows(const struct ringline_dgram_msg *first, const struct ringline_dgram_msg *m)
{
	return is_plain(m) && m->length && m->data && m->length <= first->length && m->peer.length == first->peer.length &&
	       !memcmp(&m->peer.address, &first->peer.address, m->peer.length);
}

static unsigned int run_length(const struct ringline_dgram *s, const struct ringline_dgram_msg *m, size_t n)
{
	size_t most = rln_min(n, (size_t)RUN_MAX);
	unsigned int k = 1;

	if (!may_join(s, m))
		return 1;
	most = rln_min(most, RUN_BYTES / m->length);
	while (k < most && m[k - 1].length == m->length && follows(m, &m[k]))
		k++;
	return k;
}

/* What one sendmmsg(2) takes. */
struct outgoing {
	struct mmsghdr h[BATCH_MAX];
	struct iovec iov[BATCH_MAX];
	unsigned int run[BATCH_MAX];              /* datagrams in each */
	unsigned int n;
	rln_aligned(16) unsigned char control[BATCH_MAX][CONTROL_MAX];
};

/* Adds a run of *k* datagrams whose iovecs begin at *iov*. */
static int add_run(const struct ringline_dgram *s, struct outgoing *o, struct iovec *iov, const struct ringline_dgram_msg *m,
                   unsigned int k)
{
	struct msghdr *h = &o->h[o->n].msg_hdr;
	struct ringline_dgram_msg joined = { .segment = (uint32_t)m->length };
	unsigned int i;
	int r = fill(h, iov, m);

	if (r == 0)
		r = fill_control(s, h, k > 1 ? &joined : m, o->control[o->n], false);
	if (r < 0)
		return r;
	for (i = 1; i < k; i++)
		iov[i] = (struct iovec){ .iov_base = m[i].data, .iov_len = m[i].length };
	h->msg_iovlen = k;
	o->run[o->n++] = k;
	return 0;
}

/* Datagrams in the first *n* runs. */
static int sum(const struct outgoing *o, int n)
{
	int total = 0;
	int i;

	for (i = 0; i < n; i++)
		total += (int)o->run[i];
	return total;
}

/* As many of the array as one system call takes. How many went, or -errno. */
static int send_array(struct ringline_dgram *s, const struct ringline_dgram_msg *msgs, size_t n)
{
	struct outgoing o;
	unsigned int taken = 0;
	int r = 0;
	int i;

	o.n = 0;
	while (taken < n && taken < BATCH_MAX && r == 0) {
		unsigned int k = run_length(s, &msgs[taken], rln_min(n, (size_t)BATCH_MAX) - taken);

		r = add_run(s, &o, &o.iov[taken], &msgs[taken], k);
		taken += k;
	}
	if (r < 0 && !o.n)        /* those before it are sent first */
		return r;
	r = send_some(s, o.h, o.n);
	if (r < 0 && r != -EAGAIN && o.run[0] > 1) {
		/* a device that does not cut, or datagrams larger than it takes whole: never again on this socket */
		s->no_runs = true;
		return send_array(s, msgs, n);
	}
	r = r > 0 ? sum(&o, r) : r;
	for (i = 0; i < r; i++)
		count(s, &msgs[i]);
	return r;
}

ssize_t ringline_dgram_send_batch(struct ringline_dgram *sock, const struct ringline_dgram_msg *msgs, size_t n, size_t msg_size)
{
	uint64_t pause = PAUSE_MIN;
	struct ringline_task *t;
	size_t done = 0;
	int r = rln_dgram_check_park(sock, &t, __func__);

	if (r < 0)
		return r;
	if ((!msgs && n) || msg_size < sizeof(*msgs))
		return -EINVAL;
	if (msg_size > sizeof(*msgs))
		return -E2BIG;
	rln_dgram_enter(sock);
	while (r >= 0 && done < n) {
		r = send_array(sock, msgs + done, n - done);
		if (r > 0)
			done += (size_t)r;
		else if (r == -EAGAIN && !done)
			r = await_peer(sock, t, &pause);
	}
	rln_dgram_leave(sock);
	return done ? (ssize_t)done : r;
}

/* Room for a datagram of the largest kind is not to be known: half of the send buffer is what the kernel calls writable. */
int ringline_dgram_wait_sendable(struct ringline_dgram *sock)
{
	struct ringline_task *t;
	int r = rln_dgram_check_park(sock, &t, __func__);

	if (r < 0)
		return r;
	rln_dgram_enter(sock);
	r = await_room(sock, t);
	rln_dgram_leave(sock);
	return r;
}
