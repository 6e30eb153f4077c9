/* SPDX-License-Identifier: MIT */
/* Datagram sockets: opening, connecting, closing; dgram.h tells the idea. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/sized.h"
#include "io/dgram.h"
#include "io/sockaddr.h"
#include "ringline/conn.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define KNOWN_FLAGS (RINGLINE_DGRAM_SHARE_PORT | RINGLINE_DGRAM_REUSE | RINGLINE_DGRAM_V6ONLY | RINGLINE_DGRAM_BROADCAST | \
                     RINGLINE_DGRAM_MANY_READERS | RINGLINE_DGRAM_INFO | RINGLINE_DGRAM_TIMESTAMP | RINGLINE_DGRAM_GRO | \
                     RINGLINE_DGRAM_CREDENTIALS | RINGLINE_DGRAM_SEQPACKET | RINGLINE_DGRAM_NO_ERRORS)
#define INET_FLAGS  (RINGLINE_DGRAM_SHARE_PORT | RINGLINE_DGRAM_REUSE | RINGLINE_DGRAM_V6ONLY | RINGLINE_DGRAM_BROADCAST | \
                     RINGLINE_DGRAM_INFO | RINGLINE_DGRAM_GRO | RINGLINE_DGRAM_NO_ERRORS)
#define UNIX_FLAGS  (RINGLINE_DGRAM_CREDENTIALS | RINGLINE_DGRAM_SEQPACKET)

/* The table */

void rln_dgrams_init(struct rln_io *io)
{
	rln_slab_init(&io->dgram_slab, sizeof(struct ringline_dgram), 64, 0);
	rln_list_init(&io->dgrams);
	rln_dgram_batches_init(io);
}

void rln_dgrams_fini(struct rln_io *io)
{
	rln_slab_fini(&io->dgram_slab);
	rln_dgram_batches_fini(io);
}

struct ringline_dgram *rln_dgram_new(struct rln_io *io, int fd, uint32_t flags)
{
	struct ringline_dgram *s = rln_slab_alloc(&io->dgram_slab);

	if (!s)
		return NULL;
	memset((char *)s + sizeof(s->slot), 0, sizeof(*s) - sizeof(s->slot));
	s->io = io;
	s->fd = fd;
	s->flags = flags;
	s->more = true;
	rln_source_init(&s->readers);
	rln_source_init(&s->writers);
	rln_op_init(&s->recv, rln_dgram_readable);
	rln_op_init(&s->send, rln_dgram_writable);
	rln_list_init(&s->link);
	rln_list_add_tail(&io->dgrams, &s->link);
	return s;
}

void rln_dgram_describe(const void *sock, char *text, size_t size)
{
	const struct ringline_dgram *s = sock;

	snprintf(text, size, "socket %llu, fd %d", (unsigned long long)rln_slot_id(&s->slot), s->fd);
}

int rln_dgram_check(const struct ringline_dgram *s, const char *call)
{
	int r;

	if (!s)
		return -EINVAL;
	if (!rln_exec_get(call))
		return rln_not_here();
	r = rln_exec_check_handle(&rln_io_current()->dgram_slab, &s->slot, call);
	return r == 0 && s->closing ? -EBADF : r;
}

int rln_dgram_check_park(const struct ringline_dgram *s, struct ringline_task **t, const char *call)
{
	int r = rln_dgram_check(s, call);

	if (r == 0)
		r = rln_task_get_parking(t, call);
	return r == 0 ? (*t)->scope->reason : r;
}

void rln_dgram_enter(struct ringline_dgram *s)
{
	s->calls++;
}

static void free_unused(struct ringline_dgram *s)
{
	if (s->closed && !s->calls)
		rln_slab_free(&s->io->dgram_slab, s);
}

void rln_dgram_leave(struct ringline_dgram *s)
{
	s->calls--;
	free_unused(s);
}

/* Closing */

static void descriptor_closed(struct rln_op *op, const struct rln_completion *c)
{
	struct ringline_dgram *s = rln_container_of(op, struct ringline_dgram, send);

	(void)c;                  /* the descriptor is gone whatever close(2) says */
	s->fd = -1;
	s->closed = true;
	rln_list_del(&s->link);
	free_unused(s);
}

void rln_dgram_progress(struct ringline_dgram *s)
{
	if (!s->closing || rln_op_inflight(&s->recv) || rln_op_inflight(&s->send) || s->closed)
		return;
	s->send.opcode = RLN_OP_CLOSE;
	s->send.complete = descriptor_closed;
	s->send.fd = s->fd;
	rln_op_submit(&s->send);
}

static void begin_close(struct ringline_dgram *s)
{
	if (s->closing)
		return;
	s->closing = true;
	rln_socket_path_remove(&s->path, &s->addr);
	rln_dgram_drop_batch(s);
	rln_source_fire_all(&s->readers, 0);
	rln_source_fire_all(&s->writers, 0);
	rln_op_cancel(&s->recv);
	rln_op_cancel(&s->send);
	rln_dgram_progress(s);
}

void rln_dgrams_close_all(struct rln_io *io)
{
	struct rln_list *it;
	struct rln_list *tmp;

	rln_list_for_each_safe (it, tmp, &io->dgrams)
		begin_close(rln_list_entry(it, struct ringline_dgram, link));
}

/* Opening */

static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* One that a kernel may lack. */
static int set_if_there(int fd, int level, int option, int value)
{
	int r = set(fd, level, option, value);

	return r == -ENOPROTOOPT ? -EOPNOTSUPP : r;
}

static int want_info(int fd, int family)
{
	int r = 0;

	if (family == AF_INET6) {
		r = set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
		if (r == 0)
			r = set(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
		if (r == 0)
			r = set(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
	} else {
		r = set(fd, IPPROTO_IP, IP_PKTINFO, 1);
	}
	/* a socket of IPv6 is told these of IPv4 datagrams */
	if (r == 0)
		r = set(fd, IPPROTO_IP, IP_RECVTOS, 1);
	if (r == 0)
		r = set(fd, IPPROTO_IP, IP_RECVTTL, 1);
	return r;
}

static int want_errors(int fd, int family)
{
	int r = set(fd, IPPROTO_IP, IP_RECVERR, 1);

	return r == 0 && family == AF_INET6 ? set(fd, IPPROTO_IPV6, IPV6_RECVERR, 1) : r;
}

static int set_inet(int fd, int family, uint32_t flags)
{
	int r = 0;

	if (flags & RINGLINE_DGRAM_SHARE_PORT)
		r = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (r == 0 && flags & RINGLINE_DGRAM_REUSE)
		r = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (r == 0 && family == AF_INET6)
		r = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !!(flags & RINGLINE_DGRAM_V6ONLY));
	if (r == 0 && flags & RINGLINE_DGRAM_BROADCAST)
		r = set(fd, SOL_SOCKET, SO_BROADCAST, 1);
	if (r == 0 && flags & RINGLINE_DGRAM_INFO)
		r = want_info(fd, family);
	if (r == 0 && flags & RINGLINE_DGRAM_GRO)
		r = set_if_there(fd, SOL_UDP, UDP_GRO, 1);
	if (r == 0 && !(flags & RINGLINE_DGRAM_NO_ERRORS))
		r = want_errors(fd, family);
	return r;
}

static int set_options(int fd, int family, const struct ringline_dgram_options *o)
{
	int r = 0;

	if (o->receive_buffer)
		r = set(fd, SOL_SOCKET, SO_RCVBUF, (int)o->receive_buffer);
	if (r == 0 && o->send_buffer)
		r = set(fd, SOL_SOCKET, SO_SNDBUF, (int)o->send_buffer);
	if (r == 0 && o->flags & RINGLINE_DGRAM_TIMESTAMP)
		r = set(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	if (r == 0 && o->flags & RINGLINE_DGRAM_CREDENTIALS)
		r = set(fd, SOL_SOCKET, SO_PASSCRED, 1);
	return r == 0 && family != AF_UNIX ? set_inet(fd, family, o->flags) : r;
}

static int connect_to(int fd, const struct rln_addr *peer)
{
	int r;

	do
		r = connect(fd, (const struct sockaddr *)&peer->sa, peer->len);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

static int type_of(const struct ringline_dgram_options *o)
{
	return o->flags & RINGLINE_DGRAM_SEQPACKET ? SOCK_SEQPACKET : SOCK_DGRAM;
}

static int open_socket(int family, const struct ringline_dgram_options *o)
{
	int error = rln_fault(RLN_FAULT_SOCKET);
	int fd = error ? -1 : socket(family, type_of(o) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return error ? -error : fd < 0 ? -errno : fd;
}

/* What the address and the options ask for. */
struct opening {
	const struct ringline_dgram_options *options;
	struct rln_addr address;          /* length 0: whatever the kernel takes */
	struct rln_addr peer;             /* length 0: none */
	struct rln_socket_path path;
	int family;
};

/* Binds, connects, or listens, as is asked for. */
static int settle(int fd, struct opening *w)
{
	int r = 0;

	if (w->address.len)
		r = rln_bind_any(fd, &w->address, &w->path, type_of(w->options));
	if (r == 0 && w->peer.len)
		r = connect_to(fd, &w->peer);
	if (r == 0 && !w->peer.len && w->options->flags & RINGLINE_DGRAM_SEQPACKET)
		r = rln_bind_listen(fd, RLN_BACKLOG_DEFAULT);
	return r;
}

static int open_fd(struct opening *w)
{
	int fd = open_socket(w->family, w->options);
	int r;

	if (fd < 0)
		return fd;
	r = set_options(fd, w->family, w->options);
	if (r == 0)
		r = settle(fd, w);
	if (r == 0)
		return fd;
	rln_socket_path_remove(&w->path, &w->address);
	close(fd);
	return r;
}

static int number(int fd, int option, int *value)
{
	socklen_t n = sizeof(*value);

	return getsockopt(fd, SOL_SOCKET, option, value, &n) < 0 ? -errno : 0;
}

/* "fd:N" */
static int adopt_fd(const char *text, struct opening *w)
{
	char *end;
	long fd = strtol(text, &end, 10);
	int type;
	int r;

	if (end == text || *end || fd < 0 || fd > INT32_MAX || w->peer.len)
		return -EINVAL;
	r = number((int)fd, SO_TYPE, &type);
	if (r == 0)
		r = number((int)fd, SO_DOMAIN, &w->family);
	if (r == 0 && type != type_of(w->options))
		r = -EINVAL;
	if (r == 0 && fcntl((int)fd, F_SETFL, fcntl((int)fd, F_GETFL) | O_NONBLOCK) < 0)
		r = -errno;
	if (r == 0 && fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
		r = -errno;
	if (r == 0)
		r = set_options((int)fd, w->family, w->options);
	return r < 0 ? r : (int)fd;
}

static int check_family(const struct opening *w)
{
	uint32_t flags = w->options->flags;

	if (w->family == AF_UNIX ? flags & INET_FLAGS : flags & UNIX_FLAGS)
		return -EOPNOTSUPP;
	return w->address.len && w->peer.len && w->address.sa.ss_family != w->peer.sa.ss_family ? -EINVAL : 0;
}

static int read_address(struct opening *w, const char *address)
{
	int r = 0;

	if (w->options->peer)
		r = rln_dgram_address(&w->peer, w->options->peer);
	if (r == 0 && address)
		r = rln_dgram_address(&w->address, address);
	w->family = w->address.len ? w->address.sa.ss_family : w->peer.sa.ss_family;
	if (r == 0 && !w->address.len && !w->peer.len)
		r = -EINVAL;
	return r < 0 ? r : check_family(w);
}

/* A descriptor, or -errno. */
static int open_as(struct opening *w, const char *address)
{
	int r;

	if (address && !strncmp(address, "fd:", 3)) {
		r = adopt_fd(address + 3, w);
		return r < 0 ? r : check_family(w) ? -EOPNOTSUPP : r;
	}
	r = read_address(w, address);
	return r < 0 ? r : open_fd(w);
}

static void tell_bound(int fd, char *bound)
{
	struct rln_addr a = { .len = sizeof(a.sa) };

	if (!bound || getsockname(fd, (struct sockaddr *)&a.sa, &a.len) < 0)
		return;
	rln_addr_format_as(&a, "udp", bound, RINGLINE_ADDRESS_SIZE);
}

int ringline_dgram_open(struct ringline_dgram **ret, char *bound, const char *address,
                        const struct ringline_dgram_options *options)
{
	struct rln_exec *x = rln_exec_get(__func__);
	struct ringline_dgram_options o;
	struct opening w = { .options = &o };
	struct ringline_dgram *s;
	int r = rln_sized_in(&o, sizeof(o), options);

	if (!x)
		return rln_not_here();
	if (r < 0)
		return r;
	if (!ret || o.flags & ~KNOWN_FLAGS || o.reserved || o.receive_buffer > INT32_MAX || o.send_buffer > INT32_MAX)
		return -EINVAL;
	r = open_as(&w, address);
	if (r < 0)
		return r;
	s = rln_dgram_new(x->io, r, o.flags);
	if (!s) {
		rln_socket_path_remove(&w.path, &w.address);
		close(r);
		return -ENOMEM;
	}
	s->addr = w.address;
	s->path = w.path;
	s->connected = w.peer.len;
	s->asks_errors = w.family != AF_UNIX && !(o.flags & RINGLINE_DGRAM_NO_ERRORS);
	s->family = w.family;
	s->listening = o.flags & RINGLINE_DGRAM_SEQPACKET && !s->connected;
	tell_bound(s->fd, bound);
	*ret = s;
	return 0;
}

/* An unspecified address takes a connection back (connect(2)). */
int ringline_dgram_connect(struct ringline_dgram *sock, const struct ringline_sockaddr *peer)
{
	struct rln_addr none = { .sa.ss_family = AF_UNSPEC, .len = sizeof(sa_family_t) };
	struct rln_addr to;
	int r = rln_dgram_check(sock, __func__);

	if (r < 0)
		return r;
	if (sock->flags & RINGLINE_DGRAM_SEQPACKET)
		return -EISCONN;
	if (peer && !rln_sockaddr_get(&to, peer))
		return -EINVAL;
	r = connect_to(sock->fd, peer ? &to : &none);
	if (r == 0)
		sock->connected = peer;
	return r;
}

int ringline_dgram_close(struct ringline_dgram *sock)
{
	int r = sock ? rln_dgram_check(sock, __func__) : 0;

	if (r == 0 && sock)
		begin_close(sock);
	return r;
}
