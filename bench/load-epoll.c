/* SPDX-License-Identifier: MIT */
/*
 * The engine of plain system calls: edge-triggered epoll, one send() and one recv() per round where the round fits. In a
 * closed loop nothing can come before the next round was sent, so a round that is complete needs no recv() that finds
 * nothing; what comes then makes a new edge.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "load.h"

static int epoll_fd = -1;

static bool epoll_open(void)
{
	if (epoll_fd < 0)
		epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return epoll_fd >= 0 || load_fail("epoll_create1", errno);
}

static bool epoll_add(struct connection *c)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e) == 0 || load_fail("epoll_ctl", errno);
}

static bool epoll_send(struct connection *c)
{
	while (c->sent < load_round_size()) {
		size_t left = load_round_size() - c->sent;
		ssize_t n = send(c->fd, load_expected(c, c->offset + c->sent), left < LOAD_CHUNK ? left : LOAD_CHUNK,
		                 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0)
			return load_fail("send", errno);
		c->sent += (size_t)n;
	}
	return true;
}

/* MSG_TRUNC lets TCP drop the bytes without copying them; a unix socket copies all the same. */
static bool receive(struct connection *c)
{
	static unsigned char buf[LOAD_CHUNK];

	for (;;) {
		size_t left = load_round_size() - c->received;
		size_t want = left < LOAD_CHUNK ? left : LOAD_CHUNK;
		ssize_t n = recv(c->fd, buf, want, MSG_DONTWAIT | (load.look ? 0 : MSG_TRUNC));

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0)
			return load_fail(n ? "recv" : "the server closed the connection", n ? errno : ECONNRESET);
		if (!load_received(c, load.look ? buf : NULL, (size_t)n))
			return false;
		/* after a whole round, *c* may be another connection */
		if ((size_t)n == left || (size_t)n < want)
			return true;
	}
}

static bool epoll_wait_events(int ms)
{
	struct epoll_event events[256];
	int n = epoll_wait(epoll_fd, events, 256, ms);
	int i;

	if (n < 0 && errno != EINTR)
		return load_fail("epoll_wait", errno);
	for (i = 0; i < n; i++) {
		struct connection *c = events[i].data.ptr;

		if (c->sent < load_round_size() && !epoll_send(c))
			return false;
		if (c->received < load_round_size() && !receive(c))
			return false;
	}
	return true;
}

const struct engine load_epoll = {
	.name = "epoll",
	.open = epoll_open,
	.add = epoll_add,
	.send = epoll_send,
	.wait = epoll_wait_events,
};
