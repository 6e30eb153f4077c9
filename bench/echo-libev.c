/* SPDX-License-Identifier: MIT */
/*
 * An echo server as a competent user of libev writes it: one watcher per connection, which waits for input and is changed
 * only while the peer does not take what it is sent.
 */
#include <ev.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "contender.h"

/* The watcher is what libev gives back, so it comes first. */
struct connection {
	ev_io watcher;
	struct contender_stream stream;
};

static struct contender self;

static void wait_for(struct ev_loop *loop, ev_io *w, int events)
{
	ev_io_stop(loop, w);
	ev_io_set(w, w->fd, events);
	ev_io_start(loop, w);
}

static void on_ready(struct ev_loop *loop, ev_io *w, int events)
{
	struct connection *c = (struct connection *)w;

	switch (contender_serve(&c->stream, w->fd)) {
	case CONTENDER_READ:
		if (events & EV_WRITE)
			wait_for(loop, w, EV_READ);
		break;
	case CONTENDER_WRITE:
		if (events & EV_READ)
			wait_for(loop, w, EV_WRITE);
		break;
	case CONTENDER_CLOSE:
		ev_io_stop(loop, w);
		close(w->fd);
		free(c);
		break;
	}
}

static void on_connect(struct ev_loop *loop, ev_io *w, int events)
{
	int fd;

	(void)events;
	while ((fd = contender_accept(w->fd)) >= 0) {
		struct connection *c = contender_alloc(NULL, 1, sizeof(*c));

		c->stream = (struct contender_stream){ .owed = NULL };
		ev_io_init(&c->watcher, on_ready, fd, EV_READ);
		ev_io_start(loop, &c->watcher);
	}
}

static void on_signal(struct ev_loop *loop, ev_signal *w, int events)
{
	(void)w;
	(void)events;
	ev_break(loop, EVBREAK_ALL);
}

int main(int argc, char **argv)
{
	struct ev_loop *loop = ev_default_loop(EVBACKEND_EPOLL);
	ev_signal terminate;
	ev_signal interrupt;
	ev_io listener;

	contender_start(&self, argc, argv, SOCK_NONBLOCK);
	ev_io_init(&listener, on_connect, self.fd, EV_READ);
	ev_io_start(loop, &listener);
	ev_signal_init(&terminate, on_signal, SIGTERM);
	ev_signal_start(loop, &terminate);
	ev_signal_init(&interrupt, on_signal, SIGINT);
	ev_signal_start(loop, &interrupt);
	contender_announce(&self);
	ev_run(loop, 0);
	contender_end(&self);
	return 0;
}
