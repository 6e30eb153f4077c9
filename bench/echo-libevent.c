/* SPDX-License-Identifier: MIT */
/*
 * An echo server as a competent user of libevent writes it: a bufferevent per connection, whose input is moved to its
 * output without a copy. A peer that does not read is not read from until it has taken what it is owed.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "contender.h"

#define OUTPUT_LIMIT (256 * 1024)

static struct contender self;

static size_t owed(struct bufferevent *bev)
{
	return evbuffer_get_length(bufferevent_get_output(bev));
}

static void on_read(struct bufferevent *bev, void *arg)
{
	(void)arg;
	bufferevent_write_buffer(bev, bufferevent_get_input(bev));
	if (owed(bev) > OUTPUT_LIMIT)
		bufferevent_disable(bev, EV_READ);
}

/* All was written. */
static void on_written(struct bufferevent *bev, void *arg)
{
	(void)arg;
	if (!(bufferevent_get_enabled(bev) & EV_READ))
		bufferevent_enable(bev, EV_READ);
}

static void on_last_written(struct bufferevent *bev, void *arg)
{
	(void)arg;
	bufferevent_free(bev);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)arg;
	if ((what & BEV_EVENT_EOF) && owed(bev))
		bufferevent_setcb(bev, NULL, on_last_written, on_event, NULL);
	else
		bufferevent_free(bev);
}

static void on_connect(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer, int len, void *arg)
{
	struct event_base *base = evconnlistener_get_base(listener);
	struct bufferevent *bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);

	(void)peer;
	(void)len;
	(void)arg;
	if (!bev) {
		evutil_closesocket(fd);
		return;
	}
	bufferevent_setcb(bev, on_read, on_written, on_event, NULL);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static void on_signal(evutil_socket_t number, short what, void *base)
{
	(void)number;
	(void)what;
	event_base_loopbreak(base);
}

int main(int argc, char **argv)
{
	static struct event_base *base;   /* connections are reached from it to the end */
	struct evconnlistener *listener;
	struct event *terminate;
	struct event *interrupt;

	contender_start(&self, argc, argv, SOCK_NONBLOCK);
	base = event_base_new();
	if (!base)
		contender_die("event base", ENOMEM);
	listener = evconnlistener_new(base, on_connect, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, self.fd);
	terminate = evsignal_new(base, SIGTERM, on_signal, base);
	interrupt = evsignal_new(base, SIGINT, on_signal, base);
	if (!listener || !terminate || !interrupt || event_add(terminate, NULL) < 0 || event_add(interrupt, NULL) < 0)
		contender_die("listener", ENOMEM);
	contender_announce(&self);
	event_base_dispatch(base);
	evconnlistener_free(listener);
	self.fd = -1;
	event_free(terminate);
	event_free(interrupt);
	contender_end(&self);
	return 0;
}
