/* SPDX-License-Identifier: MIT */
/* Receiving datagrams; dgram.h draws the states. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/sized.h"
#include "core/object.h"
#include "io/buf.h"
#include "io/dgram.h"
#include "io/sockaddr.h"

/* Fetching */

#define LARGE       16384u
#define LARGE_SLOTS 4u

void rln_dgram_arm_read(struct ringline_dgram *s)
{
	if (s->closing || rln_op_inflight(&s->recv))
		return;
	s->recv.opcode = RLN_OP_READABLE;
	s->recv.fd = s->fd;
	s->recv.flags = 0;
	rln_op_submit(&s->recv);
}

void rln_dgram_drop_batch(struct ringline_dgram *s)
{
	struct rln_dgram_batch *b = s->batch;

	if (!b)
		return;
	for (; b->head < b->count; b->head++) {
		struct ringline_dgram_msg m = { .nfds = 0 };

		s->fds_dropped += rln_dgram_parse_control(&b->msg[b->head].msg_hdr, &m);
	}
	s->batch = NULL;
	rln_buf_unref(&b->buf);
}

/* An empty batch that is this socket's alone: the one it has, if nobody was given a part of it. */
static struct rln_dgram_batch *take_batch(struct ringline_dgram *s)
{
	if (s->batch && s->batch->buf.refs > 1)
		rln_dgram_drop_batch(s);
	if (!s->batch)
		s->batch = rln_dgram_batch_get(s->io);
	return s->batch;
}

/* A fetch failed. What it says may be in the error queue too, and there with whom it is about. */
static void note_failure(struct ringline_dgram *s, int error)
{
	s->read_error = error;
	s->errors = s->asks_errors;
}

static bool is_end(const struct ringline_dgram *s)
{
	return s->flags & RINGLINE_DGRAM_SEQPACKET && s->batch->count && !s->batch->msg[s->batch->count - 1].msg_len &&
	       !s->batch->msg[s->batch->count - 1].msg_hdr.msg_controllen;
}

/* Past the end of a seqpacket stream each record is empty. Large datagrams are fetched while they fit the cache. */
static uint32_t fetch_max(const struct ringline_dgram *s)
{
	if (s->flags & RINGLINE_DGRAM_SEQPACKET)
		return 1;
	return s->large ? LARGE_SLOTS : RLN_DGRAM_SLOTS;
}

/*
 * Fills the socket's batch, which holds nothing. With *told* the engine has just called the socket readable: if there is nothing
 * to fetch then, it meant the error queue. 0; -ENOMEM.
 */
static int fetch(struct ringline_dgram *s, bool told)
{
	struct rln_dgram_batch *b = take_batch(s);
	uint32_t max = fetch_max(s);
	int n;

	if (!b)
		return -ENOMEM;
	n = rln_dgram_batch_fetch(b, s->fd, max);
	if (n == -EAGAIN)
		s->errors |= told && s->asks_errors;
	else if (n < 0)
		note_failure(s, n);
	if (n > 0)
		rln_io_heard(s->io);
	s->large = n > 0 && b->msg[n - 1].msg_len >= LARGE;
	if (n > 0 && is_end(s)) {
		b->count--;
		s->over = true;
	}
	s->more = (n == (int)max || s->errors || s->read_error) && !s->over;
	if (!s->more && !s->over)
		rln_dgram_arm_read(s);
	return 0;
}

/* What the network said */

/* The destination an error is about, and the error. 0: there is none. */
static int read_error_queue(struct ringline_dgram *s, struct ringline_sockaddr *about)
{
	rln_aligned(16) unsigned char control[512];
	unsigned char quote[64];          /* of the datagram itself */
	struct iovec iov = { quote, sizeof(quote) };
	struct msghdr h = { .msg_name = &about->address, .msg_namelen = sizeof(about->address), .msg_iov = &iov,
		.msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };

	if (recvmsg(s->fd, &h, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return 0;
	about->length = h.msg_namelen;
	return rln_dgram_parse_error(&h);
}

/*
 * Reads the next error that is queued, if there may be one and none is held. What a fetch failed with is the same error, and
 * forgotten; by itself it is told without whom it is about.
 */
static void load_error(struct ringline_dgram *s)
{
	if (s->error || !(s->errors || s->read_error))
		return;
	if (s->errors)
		s->error = read_error_queue(s, &s->error_about);
	s->errors = s->error != 0;
	if (!s->error) {
		s->error = s->read_error;
		s->error_about.length = 0;
	}
	if (s->error == s->read_error)
		s->read_error = 0;
}

static bool has_some_now(struct ringline_dgram *s)
{
	if (rln_dgram_queued(s) || s->over)
		return true;
	load_error(s);
	return s->error;
}

static bool look(struct ringline_dgram *s, bool told)
{
	if (!has_some_now(s) && s->more && !s->listening && fetch(s, told) < 0)
		s->read_error = -ENOMEM;
	if (has_some_now(s))
		return true;
	/* it was told of an error that is gone: look again, or nobody would wait for input */
	if (s->more && !s->listening && !told)
		rln_dgram_arm_read(s);
	return false;
}

bool rln_dgram_has_some(struct ringline_dgram *s)
{
	return look(s, false);
}

/* One of those who wait for each datagram; an error or the end is everybody's. */
static void wake_readers(struct ringline_dgram *s)
{
	uint32_t n = rln_dgram_queued(s);

	if (s->listening || s->errors || s->error || s->over) {
		rln_source_fire_all(&s->readers, 0);
		return;
	}
	while (n-- && rln_source_fire_one(&s->readers, 0))
		;
}

/* What is fetched already is received first; then whoever asks next fetches. */
void rln_dgram_readable(struct rln_op *op, const struct rln_completion *c)
{
	struct ringline_dgram *s = rln_container_of(op, struct ringline_dgram, recv);

	if (s->closing) {
		rln_dgram_progress(s);
		return;
	}
	if (c->res < 0 && c->res != -ECANCELED)
		s->read_error = (int)c->res;
	s->more = true;
	if (s->listening || !rln_source_waited_on(&s->readers)) {
		rln_source_fire_all(&s->readers, 0);
		return;
	}
	if (!look(s, true))
		look(s, false);
	wake_readers(s);
}

void rln_dgram_errors_told(struct ringline_dgram *s)
{
	s->errors = s->asks_errors;
	if (s->errors)
		wake_readers(s);
}

/* An error for the host, or 0. */
static int next_error(struct ringline_dgram *s, struct ringline_dgram_msg *m)
{
	int r = s->error;

	if (r == 0)
		return 0;
	s->error = 0;
	s->nerrors++;
	memset(m, 0, sizeof(*m));
	m->result = r;
	m->peer = s->error_about;
	return r;
}

/* Giving to the host */

/* Where the bytes are, and all that is known of them; m->fds and m->nfds are kept for what the control messages say. */
static void describe(struct ringline_dgram *s, uint32_t i, struct ringline_dgram_msg *m)
{
	struct msghdr *h = &s->batch->msg[i].msg_hdr;
	struct rln_dgram_slot *slot = &s->batch->slot[i];
	int *fds = m->fds;
	uint32_t nfds = m->nfds;

	memset(m, 0, offsetof(struct ringline_dgram_msg, peer));
	m->fds = fds;
	m->nfds = nfds;
	m->data = slot->iov.iov_base;
	m->datagram = s->batch->msg[i].msg_len;
	m->length = rln_min(m->datagram, (size_t)RLN_DGRAM_SIZE);
	m->segment = slot->segment;
	m->peer = slot->peer;
	if (m->peer.length <= sizeof(sa_family_t))
		m->peer.length = 0;
	m->local.length = 0;
	if (m->length < m->datagram)
		m->flags |= RINGLINE_MSG_TRUNCATED;
	s->fds_dropped += rln_dgram_parse_control(h, m);
}

static void count(struct ringline_dgram *s, const struct ringline_dgram_msg *m)
{
	s->received += m->segment ? (m->length + m->segment - 1) / m->segment : 1;
	s->bytes_received += m->length;
	s->truncated += !!(m->flags & RINGLINE_MSG_TRUNCATED);
}

/* The next datagram of the first slot: all of it, or one of those that it was joined of. */
static ssize_t copy_next(struct ringline_dgram *s, struct ringline_dgram_msg *msg)
{
	struct rln_dgram_slot *slot = &s->batch->slot[s->batch->head];
	struct ringline_dgram_msg m = { .fds = msg->fds, .nfds = msg->nfds };
	size_t length;

	describe(s, s->batch->head, &m);
	length = m.length - slot->offset;
	if (m.segment)
		length = rln_min(length, (size_t)m.segment);
	m.segment = 0;
	m.data = msg->data;
	if (!(m.flags & RINGLINE_MSG_TRUNCATED))
		m.datagram = length;
	m.length = rln_min(length, msg->length);
	if (m.length < length)
		m.flags |= RINGLINE_MSG_TRUNCATED;
	if (m.length)
		memcpy(m.data, (unsigned char *)slot->iov.iov_base + slot->offset, m.length);
	slot->offset += (uint32_t)length;
	if (!slot->segment || slot->offset >= s->batch->msg[s->batch->head].msg_len)
		s->batch->head++;
	count(s, &m);
	*msg = m;
	return (ssize_t)m.length;
}

/* Joined datagrams of which some were received already: the rest. */
static void skip_received(struct ringline_dgram *s, struct ringline_dgram_msg *m, uint32_t i)
{
	uint32_t offset = s->batch->slot[i].offset;

	m->data = (unsigned char *)m->data + offset;
	m->length -= offset;
	m->datagram -= offset;
}

static void take_slot(struct ringline_dgram *s, struct ringline_dgram_msg *m)
{
	uint32_t i = s->batch->head++;

	describe(s, i, m);
	skip_received(s, m, i);
	count(s, m);
}

/* Waiting */

static const struct rln_what what_receive = { .name = "receive a datagram", .describe = rln_dgram_describe };

int rln_dgram_wait_readable(struct ringline_dgram *s, struct ringline_task *t)
{
	struct rln_parker p;
	struct rln_wait w;
	int r;

	if (s->batch && !rln_dgram_queued(s))
		rln_dgram_drop_batch(s);
	rln_parker_init(&p, t, &what_receive, s);
	rln_wait_arm(&w, &p, &s->readers);
	rln_dgram_arm_read(s);
	r = rln_park(&p);
	rln_wait_disarm(&w);
	return s->closing ? -ECONNABORTED : r;
}

/* Until there is something. 0, or why not. The caller has entered. */
static int await(struct ringline_dgram *s, struct ringline_task *t)
{
	int r = 0;

	while (r == 0 && !rln_dgram_has_some(s))
		r = rln_dgram_wait_readable(s, t);
	return r;
}

/* Who receives is alone, unless the socket was opened for several. */
static int begin(struct ringline_dgram *s)
{
	if (s->listening)
		return -EINVAL;
	if (s->nreading && !(s->flags & RINGLINE_DGRAM_MANY_READERS))
		return -EBUSY;
	return 0;
}

static int await_in_turn(struct ringline_dgram *s, struct ringline_task *t)
{
	int r = begin(s);

	if (r < 0)
		return r;
	if (rln_dgram_queued(s))
		return 0;
	s->nreading++;
	rln_dgram_enter(s);
	r = await(s, t);
	s->nreading--;
	if (s->closing)
		r = -ECONNABORTED;
	rln_dgram_leave(s);
	return r;
}

/* An error, the end, or 0: there is a datagram. */
static int before_next(struct ringline_dgram *s, struct ringline_dgram_msg *m)
{
	int r = rln_dgram_queued(s) ? 0 : next_error(s, m);

	if (r == 0 && !rln_dgram_queued(s) && s->over)
		r = -EPIPE;
	return r;
}

/* The calls */

/* Once more, if what woke us was gone when we looked. */
static int await_datagram(struct ringline_dgram *s, struct ringline_dgram_msg *m, struct ringline_task *t)
{
	int r;

	do {
		r = await_in_turn(s, t);
		if (r == 0)
			r = before_next(s, m);
	} while (r == 0 && !rln_dgram_queued(s));
	return r;
}

static bool has_room(const struct ringline_dgram_msg *m)
{
	return (m->data || !m->length) && (m->fds || !m->nfds);
}

ssize_t ringline_dgram_recv(struct ringline_dgram *sock, struct ringline_dgram_msg *msg)
{
	struct ringline_task *t;
	int r = rln_dgram_check_park(sock, &t, __func__);

	if (r < 0)
		return r;
	if (!msg || !has_room(msg))
		return -EINVAL;
	r = await_datagram(sock, msg, t);
	return r < 0 ? r : copy_next(sock, msg);
}

ssize_t ringline_dgram_recv_nowait(struct ringline_dgram *sock, struct ringline_dgram_msg *msg)
{
	const struct ringline_task *t;
	int r = rln_dgram_check(sock, __func__);

	if (r < 0)
		return r;
	if (!msg || !has_room(msg))
		return -EINVAL;
	r = begin(sock);
	sock->more = true;        /* what the engine has not told of yet is to be had, too */
	if (r == 0 && rln_dgram_has_some(sock))
		r = before_next(sock, msg);
	if (r < 0)
		return r;
	if (rln_dgram_queued(sock))
		return copy_next(sock, msg);
	t = rln_task_current();
	return t && t->scope->reason ? t->scope->reason : -EAGAIN;
}

ssize_t ringline_dgram_recv_from(struct ringline_dgram *sock, void *buf, size_t len, struct ringline_sockaddr *peer)
{
	struct ringline_dgram_msg m = { .data = buf, .length = len };
	ssize_t n = ringline_dgram_recv(sock, &m);

	if (peer)
		*peer = m.peer;
	return n;
}

ssize_t ringline_dgram_recv_in_place(struct ringline_dgram *sock, struct ringline_dgram_msg *msg, struct ringline_buf **ret)
{
	struct ringline_task *t;
	int r = rln_dgram_check_park(sock, &t, __func__);
	struct rln_dgram_batch *b;

	if (r < 0)
		return r;
	if (!msg || !ret || (!msg->fds && msg->nfds))
		return -EINVAL;
	r = await_datagram(sock, msg, t);
	if (r < 0)
		return r;
	b = sock->batch;
	*ret = rln_buf_handle_new(sock->io, &b->buf, b->slot[b->head].iov.iov_base,
	                          rln_min(b->msg[b->head].msg_len, RLN_DGRAM_SIZE));
	if (!*ret)
		return -ENOMEM;
	rln_buf_ref(&b->buf);
	take_slot(sock, msg);
	return (ssize_t)msg->length;
}

ssize_t ringline_dgram_recv_batch(struct ringline_dgram *sock, struct ringline_dgram_msg *msgs, size_t n, size_t msg_size)
{
	struct ringline_task *t;
	int r = rln_dgram_check_park(sock, &t, __func__);
	size_t done;

	if (r < 0)
		return r;
	if (!msgs || !n || msg_size < sizeof(*msgs))
		return -EINVAL;
	if (msg_size > sizeof(*msgs))
		return -E2BIG;
	msgs[0].result = 0;
	r = await_datagram(sock, &msgs[0], t);
	if (r < 0)
		return msgs[0].result ? 1 : r;
	for (done = 0; done < n && rln_dgram_queued(sock); done++) {
		msgs[done].fds = NULL;
		msgs[done].nfds = 0;
		take_slot(sock, &msgs[done]);
	}
	return (ssize_t)done;
}
