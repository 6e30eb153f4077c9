/* SPDX-License-Identifier: MIT */
/* Peers of a seqpacket socket. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fault.h"
#include "io/dgram.h"

/* A descriptor, -EAGAIN, or why not. Peers that were gone before anybody looked are passed over. */
static int take_peer(const struct ringline_dgram *s)
{
	int error = rln_fault(RLN_FAULT_ACCEPT);
	int fd;

	if (error)
		return -error;
	do
		fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	while (fd < 0 && (errno == ECONNABORTED || errno == EINTR));
	return fd < 0 ? -errno : fd;
}

static int await_peer(struct ringline_dgram *s, struct ringline_task *t)
{
	int fd = take_peer(s);
	int r = 0;

	while (fd == -EAGAIN && r == 0) {
		s->more = false;
		r = rln_dgram_wait_readable(s, t);
		if (r == 0)
			fd = take_peer(s);
	}
	return r < 0 ? r : fd;
}

int ringline_dgram_accept(struct ringline_dgram *sock, struct ringline_dgram **ret)
{
	struct ringline_task *t;
	int r = rln_dgram_check_park(sock, &t, __func__);

	if (r < 0)
		return r;
	if (!ret || !sock->listening)
		return -EINVAL;
	if (sock->nreading && !(sock->flags & RINGLINE_DGRAM_MANY_READERS))
		return -EBUSY;
	sock->nreading++;
	rln_dgram_enter(sock);
	r = await_peer(sock, t);
	sock->nreading--;
	if (r >= 0) {
		*ret = rln_dgram_new(sock->io, r, sock->flags);
		if (*ret) {
			(*ret)->family = AF_UNIX;
			(*ret)->connected = true;
		} else {
			close(r);
			r = -ENOMEM;
		}
	}
	rln_dgram_leave(sock);
	return rln_min(r, 0);
}
