/* SPDX-License-Identifier: MIT */
/*
 * The echo server that a careful programmer writes on epoll by hand. What the library and the others are measured against.
 *
 * Readiness is level-triggered: a connection is added once, for EPOLLIN, and is never modified as long as its peer takes
 * what it is sent. A turn takes what there is into one buffer that all connections share and that therefore stays in the
 * cache, and sends it at once: two calls per message and the epoll_wait that all of a batch share. It does not ask
 * whether there is more; if there is, the next epoll_wait says so.
 *
 *     reading   EPOLLIN    nothing is owed to the peer
 *     blocked   EPOLLOUT   the peer does not read: what it is owed was copied, and nothing more is taken from it
 *
 * A peer that ended its half while blocked gets what it is owed first: the end is seen when EPOLLIN is on again.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "contender.h"

#define EVENTS        512
#define ACCEPT_BURST  64
#define ACCEPT_PAUSE  10000       /* microseconds */

/* What a blocked peer is owed; *bytes* is NULL for all others. */
struct connection {
	unsigned char *bytes;
	size_t sent;
	size_t size;
};

static struct contender self;
static int epoll_fd;
static int signal_fd;
static struct connection *connections;    /* by descriptor */
static size_t capacity;
static unsigned char buffer[CONTENDER_READ_SIZE];

static int control(int op, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	return epoll_ctl(epoll_fd, op, fd, &e);
}

/* Closing takes the descriptor out of the epoll set: there is no duplicate of it. */
static void destroy(int fd)
{
	free(connections[fd].bytes);
	connections[fd].bytes = NULL;
	close(fd);
}

/* The number of bytes the peer took, less than *n* if it blocks; -1 if it is gone. */
static ssize_t send_some(int fd, const unsigned char *p, size_t n)
{
	ssize_t r = send(fd, p, n, MSG_NOSIGNAL);

	return r < 0 && errno == EAGAIN ? 0 : r;
}

static void block(int fd, const unsigned char *p, size_t n)
{
	struct connection *c = &connections[fd];

	c->bytes = contender_alloc(NULL, n, 1);
	memcpy(c->bytes, p, n);
	c->sent = 0;
	c->size = n;
	control(EPOLL_CTL_MOD, fd, EPOLLOUT);
}

static void on_readable(int fd)
{
	ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
	ssize_t sent;

	if (n < 0 && errno == EAGAIN)
		return;
	sent = n > 0 ? send_some(fd, buffer, (size_t)n) : -1;
	if (sent < 0)
		destroy(fd);
	else if (sent < n)
		block(fd, buffer + sent, (size_t)(n - sent));
}

static void on_writable(int fd)
{
	struct connection *c = &connections[fd];
	ssize_t n = send_some(fd, c->bytes + c->sent, c->size - c->sent);

	if (n < 0) {
		destroy(fd);
		return;
	}
	c->sent += (size_t)n;
	if (c->sent < c->size)
		return;
	free(c->bytes);
	c->bytes = NULL;
	control(EPOLL_CTL_MOD, fd, EPOLLIN);
}

static void make_room(int fd)
{
	size_t old = capacity;

	if ((size_t)fd < capacity)
		return;
	capacity = 2 * (size_t)fd;
	connections = contender_alloc(connections, capacity, sizeof(*connections));
	memset(connections + old, 0, (capacity - old) * sizeof(*connections));
}

/* False if no more can be taken now. */
static bool accept_one(void)
{
	int fd = accept4(self.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		/* Without descriptors the listener stays readable: that must not spin. */
		if (errno == EMFILE || errno == ENFILE)
			usleep(ACCEPT_PAUSE);
		return errno == ECONNABORTED;
	}
	make_room(fd);
	if (control(EPOLL_CTL_ADD, fd, EPOLLIN) < 0)
		destroy(fd);
	return true;
}

static void on_connect(void)
{
	int left = ACCEPT_BURST;

	while (left-- && accept_one())
		;
}

/* False when a signal has ended the server. */
static bool turn(void)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(epoll_fd, events, EVENTS, -1);
	int i;

	for (i = 0; i < n; i++) {
		int fd = events[i].data.fd;

		if (fd == signal_fd)
			return false;
		if (fd == self.fd)
			on_connect();
		else if (connections[fd].bytes)
			on_writable(fd);
		else
			on_readable(fd);
	}
	return true;
}

int main(int argc, char **argv)
{
	contender_start(&self, argc, argv, SOCK_NONBLOCK);
	signal_fd = contender_signals();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		contender_die("epoll_create1", errno);
	if (control(EPOLL_CTL_ADD, self.fd, EPOLLIN) < 0 || control(EPOLL_CTL_ADD, signal_fd, EPOLLIN) < 0)
		contender_die("epoll_ctl", errno);
	contender_announce(&self);
	while (turn())
		;
	contender_end(&self);
	return 0;
}
