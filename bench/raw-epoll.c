/* SPDX-License-Identifier: MIT */
/*
 * The echo server that a careful programmer writes on epoll by hand: what readiness can do without a library.
 *
 * Readiness is level-triggered: a connection is added once, for EPOLLIN, and is not modified as long as its peer takes
 * what it is sent. One that does not is waited for with EPOLLOUT, and nothing is read from it meanwhile; that it ended its
 * half is seen when EPOLLIN is on again, so it gets what it is owed first.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "contender.h"

#define EVENTS       512
#define ACCEPT_BURST 64

static struct contender self;
static int epoll_fd;
static int signal_fd;
static struct contender_stream *streams;  /* by descriptor */
static size_t capacity;

static int control(int op, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	return epoll_ctl(epoll_fd, op, fd, &e);
}

static void on_ready(int fd)
{
	bool blocked = streams[fd].owed;

	switch (contender_serve(&streams[fd], fd)) {
	case CONTENDER_READ:
		if (blocked)
			control(EPOLL_CTL_MOD, fd, EPOLLIN);
		break;
	case CONTENDER_WRITE:
		if (!blocked)
			control(EPOLL_CTL_MOD, fd, EPOLLOUT);
		break;
	case CONTENDER_CLOSE:
		close(fd);        /* there is no duplicate: this takes it out of the set */
		break;
	}
}

static void make_room(int fd)
{
	size_t old = capacity;

	if ((size_t)fd < capacity)
		return;
	capacity = 2 * (size_t)fd;
	streams = contender_alloc(streams, capacity, sizeof(*streams));
	memset(streams + old, 0, (capacity - old) * sizeof(*streams));
}

static void on_connect(void)
{
	int left = ACCEPT_BURST;
	int fd;

	while (left-- && (fd = contender_accept(self.fd)) >= 0) {
		make_room(fd);
		if (control(EPOLL_CTL_ADD, fd, EPOLLIN) < 0)
			close(fd);
	}
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
		else
			on_ready(fd);
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
