/* SPDX-License-Identifier: MIT */
/* A runtime as two handles of a libuv loop: a poll of its descriptor, and a timer. */
#include <errno.h>
#include <stdlib.h>
#include <uv.h>

#include "loop.h"

struct handles {
	struct embedded *embedded;
	uv_poll_t poll;
	uv_timer_t timer;
	int open;
};

/* Handles are memory of the loop's until it has said that they are closed. */
static void closed(uv_handle_t *handle)
{
	struct handles *h = handle->data;

	if (--h->open == 0)
		free(h);
}

static void close_handles(struct handles *h)
{
	uv_close((uv_handle_t *)&h->timer, closed);
	uv_close((uv_handle_t *)&h->poll, closed);
}

static void dispatch(struct handles *h);

static void on_poll(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	dispatch(poll->data);
}

static void on_timer(uv_timer_t *timer)
{
	dispatch(timer->data);
}

/* libuv counts milliseconds, from when it last looked at the clock. */
static void set_timer(struct handles *h)
{
	uint64_t deadline = ringline_runtime_next_deadline(h->embedded->rt);
	uint64_t now = ringline_now();

	uv_timer_stop(&h->timer);
	if (deadline == RINGLINE_NEVER)
		return;
	uv_update_time(h->timer.loop);
	now = deadline > now ? deadline - now : 0;
	uv_timer_start(&h->timer, on_timer, (now + RINGLINE_NSEC_PER_MSEC - 1) / RINGLINE_NSEC_PER_MSEC, 0);
}

static void dispatch(struct handles *h)
{
	struct embedded *e = h->embedded;
	int r = ringline_runtime_dispatch(e->rt);

	if (r > 0) {
		set_timer(h);
		return;
	}
	close_handles(h);
	e->result = r;
	e->ended(e);
}

int embed_in_libuv(struct embedded *e, struct uv_loop_s *loop)
{
	struct handles *h = calloc(1, sizeof(*h));
	int fd = ringline_runtime_fd(e->rt);
	int r = !h ? -ENOMEM : fd < 0 ? fd : uv_poll_init(loop, &h->poll, fd);

	if (r < 0) {
		free(h);
		return r;
	}
	uv_timer_init(loop, &h->timer);
	h->poll.data = h;
	h->timer.data = h;
	h->open = 2;
	h->embedded = e;
	r = uv_poll_start(&h->poll, UV_READABLE, on_poll);
	if (r < 0)
		close_handles(h);
	else
		set_timer(h);
	return r;
}
