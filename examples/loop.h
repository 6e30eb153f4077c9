/* SPDX-License-Identifier: MIT */
/*
 * A worker in a loop that the program has already: of GLib, systemd, libuv or libevent. Each of the files loop-*.c is whole in
 * itself; take the one you need.
 *
 * All do the same. The runtime's descriptor is watched for reading, level-triggered, and a timer is set to its next deadline;
 * when either comes the runtime is dispatched, and the timer set anew. What the loop does meanwhile the worker cannot see, so
 * the program asks it by ringline_worker_post() and ringline_worker_spawn().
 */
#ifndef EXAMPLES_LOOP_H
#define EXAMPLES_LOOP_H

#include <ringline/ringline.h>

struct _GMainContext;
struct event_base;
struct sd_event;
struct uv_loop_s;

/* A runtime in a loop; it must stay where it is until it has ended. */
struct embedded {
	struct ringline_runtime *rt;      /* ringline_runtime_embed() was called */
	void (*ended)(struct embedded *e);   /* by the loop, when the runtime can be freed */
	void *arg;
	int result;                       /* 0, or why it ended */
};

/* 0 or -errno. */
int embed_in_glib(struct embedded *e, struct _GMainContext *context);
int embed_in_sd_event(struct embedded *e, struct sd_event *event);
int embed_in_libuv(struct embedded *e, struct uv_loop_s *loop);
int embed_in_libevent(struct embedded *e, struct event_base *base);

#endif
