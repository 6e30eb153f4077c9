/* SPDX-License-Identifier: MIT */
/* A runtime as two sources of an sd_event loop: its descriptor, and its next deadline. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

#include "loop.h"

#define ACCURACY 1u                       /* microseconds; 0 would be a quarter of a second */

struct sources {
	struct embedded *embedded;
	sd_event_source *io;
	sd_event_source *time;
};

static void free_sources(struct sources *s)
{
	sd_event_source_disable_unref(s->io);
	sd_event_source_disable_unref(s->time);
	free(s);
}

static int set_timer(struct sources *s)
{
	uint64_t deadline = ringline_runtime_next_deadline(s->embedded->rt);
	int r;

	if (deadline == RINGLINE_NEVER)
		return sd_event_source_set_enabled(s->time, SD_EVENT_OFF);
	r = sd_event_source_set_time(s->time, deadline / RINGLINE_NSEC_PER_USEC + 1);
	return r < 0 ? r : sd_event_source_set_enabled(s->time, SD_EVENT_ONESHOT);
}

static int dispatch(struct sources *s)
{
	struct embedded *e = s->embedded;
	int r = ringline_runtime_dispatch(e->rt);

	if (r > 0)
		return set_timer(s);
	free_sources(s);
	e->result = r;
	e->ended(e);
	return 0;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	(void)source;
	(void)fd;
	(void)revents;
	return dispatch(userdata);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	return dispatch(userdata);
}

int embed_in_sd_event(struct embedded *e, struct sd_event *event)
{
	struct sources *s = calloc(1, sizeof(*s));
	int fd = ringline_runtime_fd(e->rt);
	int r = !s ? -ENOMEM : fd < 0 ? fd : 0;

	if (r == 0) {
		s->embedded = e;
		r = sd_event_add_io(event, &s->io, fd, EPOLLIN, on_io, s);
	}
	if (r >= 0)
		r = sd_event_add_time(event, &s->time, CLOCK_MONOTONIC, UINT64_MAX, ACCURACY, on_time, s);
	if (r >= 0)
		r = set_timer(s);
	if (r < 0 && s)
		free_sources(s);
	return r < 0 ? r : 0;
}
