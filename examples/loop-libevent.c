/* SPDX-License-Identifier: MIT */
/* A runtime as one event of a libevent base: its descriptor, with a timeout at its next deadline. */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "loop.h"

struct watch {
	struct embedded *embedded;
	struct event *event;
};

/* The event is not persistent: it is added again with a new timeout each time. */
static int add(struct watch *w)
{
	uint64_t deadline = ringline_runtime_next_deadline(w->embedded->rt);
	uint64_t now = ringline_now();
	uint64_t left = deadline > now ? deadline - now : 0;
	struct timeval timeout = { .tv_sec = (time_t)(left / RINGLINE_NSEC_PER_SEC) };

	timeout.tv_usec = (suseconds_t)(left % RINGLINE_NSEC_PER_SEC / RINGLINE_NSEC_PER_USEC);
	return event_add(w->event, deadline == RINGLINE_NEVER ? NULL : &timeout);
}

static void end(struct watch *w, int result)
{
	struct embedded *e = w->embedded;

	event_free(w->event);
	free(w);
	e->result = result;
	e->ended(e);
}

static void dispatch(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;
	int r = ringline_runtime_dispatch(w->embedded->rt);

	(void)fd;
	(void)what;
	if (r > 0 && add(w) < 0)
		r = -ENOMEM;
	if (r <= 0)
		end(w, r);
}

int embed_in_libevent(struct embedded *e, struct event_base *base)
{
	struct watch *w = calloc(1, sizeof(*w));
	int fd = ringline_runtime_fd(e->rt);

	if (w && fd >= 0) {
		w->embedded = e;
		w->event = event_new(base, fd, EV_READ, dispatch, w);
	}
	if (w && w->event && add(w) == 0)
		return 0;
	if (w && w->event)
		event_free(w->event);
	free(w);
	return fd < 0 ? fd : -ENOMEM;
}
