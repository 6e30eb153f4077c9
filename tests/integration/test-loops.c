/* SPDX-License-Identifier: MIT */
/*
 * Workers in loops of other libraries: in each of them, and in all at once, one inside the other:
 *
 *     libevent { worker, GLib { worker, sd-event { worker, libuv { worker } } } }
 *
 * The innermost worker is dispatched only if each loop wakes for what the next one waits for.
 */
#include <event2/event.h>
#include <glib.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <uv.h>

#include "loop.h"
#include "support/conformance.h"

#define LOOPS 4

/* --- one server, and its client ------------------------------------------------------------------------------------- */

struct server {
	struct embedded embedded;
	char address[RINGLINE_ADDRESS_SIZE];
	_Atomic int ticks;
	_Atomic int ended;
};

static int ticks(void *arg)
{
	struct server *s = arg;

	while (ringline_sleep(2 * MSEC) == 0)
		s->ticks++;
	return 0;
}

static void note_end(struct embedded *e)
{
	((struct server *)e->arg)->ended = 1;
}

static void open_server(struct server *s)
{
	struct ringline_config c;

	conf_config(&c);
	c.workers = 1;
	CONF_OK(ringline_runtime_new(&s->embedded.rt, &c));
	CONF_OK(ringline_runtime_listen(s->embedded.rt, s->address, "tcp:127.0.0.1:0", conf_echo, NULL, NULL));
	CONF_OK(ringline_runtime_embed(s->embedded.rt));
	CONF_OK(ringline_worker_spawn(s->embedded.rt, 0, ticks, s));
	s->embedded.arg = s;
	s->embedded.ended = note_end;
}

static void close_server(struct server *s)
{
	g_assert_cmpint(s->ended, ==, 1);
	CONF_OK(s->embedded.result);
	conf_finish(s->embedded.rt);
}

static void chat(struct server *s, uint32_t seed)
{
	int fd = conf_connect_raw(s->address);
	char buf[5000];
	int i;

	for (i = 0; i < 50; i++) {
		conf_fill(buf, sizeof(buf), seed, (uint64_t)i);
		conf_put(fd, buf, sizeof(buf));
		conf_take(fd, buf, sizeof(buf));
		conf_check(buf, sizeof(buf), seed, (uint64_t)i);
	}
	close(fd);
}

struct visit {
	struct server *server;
	size_t n;
};

/* Chats with each, waits until timers have moved all of them with nothing else going on, and ends them. */
static void *visits(void *arg)
{
	struct visit *v = arg;
	size_t i;

	for (i = 0; i < v->n; i++)
		chat(&v->server[i], (uint32_t)i);
	for (i = 0; i < v->n; i++) {
		int before = v->server[i].ticks;

		CONF_UNTIL(v->server[i].ticks > before + 5);
	}
	for (i = 0; i < v->n; i++)
		CONF_OK(ringline_runtime_shutdown(v->server[i].embedded.rt));
	return NULL;
}

/* --- each by itself ------------------------------------------------------------------------------------------------- */

static void run_glib(struct server *s)
{
	GMainContext *context = g_main_context_new();

	CONF_OK(embed_in_glib(&s->embedded, context));
	while (!s->ended)
		g_main_context_iteration(context, TRUE);
	g_main_context_unref(context);
}

static void run_sd_event(struct server *s)
{
	sd_event *event;

	CONF_OK(sd_event_new(&event));
	CONF_OK(embed_in_sd_event(&s->embedded, event));
	while (!s->ended)
		g_assert_cmpint(sd_event_run(event, UINT64_MAX), >=, 0);
	sd_event_unref(event);
}

static void run_libuv(struct server *s)
{
	uv_loop_t loop;

	CONF_OK(uv_loop_init(&loop));
	CONF_OK(embed_in_libuv(&s->embedded, &loop));
	CONF_OK(uv_run(&loop, UV_RUN_DEFAULT));
	CONF_OK(uv_loop_close(&loop));
}

static void run_libevent(struct server *s)
{
	struct event_base *base = event_base_new();

	CONF_OK(embed_in_libevent(&s->embedded, base));
	g_assert_cmpint(event_base_dispatch(base), ==, 1);
	event_base_free(base);
}

static void alone(void (*run)(struct server *s))
{
	struct server s = { .ended = 0 };
	struct visit v = { &s, 1 };
	pthread_t thread;

	open_server(&s);
	CONF_OK(pthread_create(&thread, NULL, visits, &v));
	run(&s);
	CONF_OK(pthread_join(thread, NULL));
	close_server(&s);
}

static void test_glib(void)
{
	alone(run_glib);
}

static void test_sd_event(void)
{
	alone(run_sd_event);
}

static void test_libuv(void)
{
	alone(run_libuv);
}

static void test_libevent(void)
{
	alone(run_libevent);
}

/* --- libuv in sd-event ---------------------------------------------------------------------------------------------- */

struct uv_in_sd {
	uv_loop_t loop;
	sd_event_source *io;
	sd_event_source *time;
};

static int run_uv(struct uv_in_sd *u)
{
	int timeout;

	uv_run(&u->loop, UV_RUN_NOWAIT);
	timeout = uv_backend_timeout(&u->loop);
	if (timeout < 0)
		return sd_event_source_set_enabled(u->time, SD_EVENT_OFF);
	CONF_OK(sd_event_source_set_time_relative(u->time, (uint64_t)timeout * 1000));
	return sd_event_source_set_enabled(u->time, SD_EVENT_ONESHOT);
}

static int uv_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	(void)source;
	(void)fd;
	(void)revents;
	return run_uv(userdata);
}

static int uv_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	return run_uv(userdata);
}

static void open_uv(struct uv_in_sd *u, sd_event *event, struct server *s)
{
	CONF_OK(uv_loop_init(&u->loop));
	CONF_OK(embed_in_libuv(&s->embedded, &u->loop));
	g_assert_cmpint(sd_event_add_io(event, &u->io, uv_backend_fd(&u->loop), EPOLLIN, uv_io, u), >=, 0);
	g_assert_cmpint(sd_event_add_time_relative(event, &u->time, CLOCK_MONOTONIC, 0, 1, uv_time, u), >=, 0);
}

static void close_uv(struct uv_in_sd *u)
{
	sd_event_source_disable_unref(u->io);
	sd_event_source_disable_unref(u->time);
	uv_run(&u->loop, UV_RUN_DEFAULT);
	CONF_OK(uv_loop_close(&u->loop));
}

/* --- sd-event in GLib ----------------------------------------------------------------------------------------------- */

struct sd_in_glib {
	GSource base;
	sd_event *event;
};

static gboolean sd_prepare(GSource *base, gint *timeout)
{
	*timeout = -1;
	return sd_event_prepare(((struct sd_in_glib *)base)->event) > 0;
}

static gboolean sd_check(GSource *base)
{
	sd_event *event = ((struct sd_in_glib *)base)->event;

	return sd_event_get_state(event) == SD_EVENT_PENDING || sd_event_wait(event, 0) > 0;
}

static gboolean sd_run(GSource *base, GSourceFunc callback, gpointer data)
{
	(void)callback;
	(void)data;
	g_assert_cmpint(sd_event_dispatch(((struct sd_in_glib *)base)->event), >, 0);
	return G_SOURCE_CONTINUE;
}

static GSource *open_sd(GMainContext *context, sd_event **event, struct server *s)
{
	static GSourceFuncs functions = { .prepare = sd_prepare, .check = sd_check, .dispatch = sd_run };
	GSource *source = g_source_new(&functions, sizeof(struct sd_in_glib));

	CONF_OK(sd_event_new(event));
	((struct sd_in_glib *)source)->event = *event;
	CONF_OK(embed_in_sd_event(&s->embedded, *event));
	g_source_add_unix_fd(source, sd_event_get_fd(*event), G_IO_IN);
	g_source_attach(source, context);
	return source;
}

static void close_sd(GSource *source, sd_event *event)
{
	g_source_destroy(source);
	g_source_unref(source);
	sd_event_unref(event);
}

/* --- GLib in libevent ----------------------------------------------------------------------------------------------- */

#define FDS 8

struct glib_in_event {
	GMainContext *context;
	struct event_base *base;
	struct event *event[FDS + 1];
	GPollFD fd[FDS];
	gint n;
	gint priority;
};

static void glib_wait(struct glib_in_event *g);

static void glib_forget(struct glib_in_event *g)
{
	gint i;

	for (i = 0; i <= g->n; i++)
		event_free(g->event[i]);
}

static void glib_woken(evutil_socket_t fd, short what, void *arg)
{
	struct glib_in_event *g = arg;

	(void)fd;
	(void)what;
	glib_forget(g);
	g_poll(g->fd, (guint)g->n, 0);
	if (g_main_context_check(g->context, g->priority, g->fd, g->n))
		g_main_context_dispatch(g->context);
	glib_wait(g);
}

static void glib_wait(struct glib_in_event *g)
{
	struct timeval tv;
	gint timeout;
	gint i;

	(void)g_main_context_prepare(g->context, &g->priority);   /* that something is ready the query's timeout says */
	g->n = g_main_context_query(g->context, g->priority, &timeout, g->fd, FDS);
	g_assert_cmpint(g->n, <=, FDS);
	for (i = 0; i < g->n; i++) {
		g->event[i] = event_new(g->base, g->fd[i].fd, EV_READ, glib_woken, g);
		CONF_OK(event_add(g->event[i], NULL));
	}
	g->event[g->n] = evtimer_new(g->base, glib_woken, g);
	tv = (struct timeval){ .tv_sec = timeout / 1000, .tv_usec = timeout % 1000 * 1000 };
	if (timeout >= 0)
		CONF_OK(event_add(g->event[g->n], &tv));
}

/* --- all of them ---------------------------------------------------------------------------------------------------- */

static bool all_ended(const struct server *s)
{
	size_t i;

	for (i = 0; i < LOOPS; i++)
		if (!s[i].ended)
			return false;
	return true;
}

static void test_nested(void)
{
	struct server s[LOOPS] = { { .ended = 0 } };
	struct visit v = { s, LOOPS };
	struct glib_in_event g = { .context = g_main_context_new(), .base = event_base_new() };
	struct uv_in_sd u;
	sd_event *event;
	GSource *source;
	pthread_t thread;
	size_t i;

	for (i = 0; i < LOOPS; i++)
		open_server(&s[i]);
	CONF_OK(embed_in_libevent(&s[0].embedded, g.base));
	CONF_OK(embed_in_glib(&s[1].embedded, g.context));
	source = open_sd(g.context, &event, &s[2]);
	open_uv(&u, event, &s[3]);
	g_assert_true(g_main_context_acquire(g.context));
	glib_wait(&g);
	CONF_OK(pthread_create(&thread, NULL, visits, &v));
	while (!all_ended(s))
		g_assert_cmpint(event_base_loop(g.base, EVLOOP_ONCE), ==, 0);
	CONF_OK(pthread_join(thread, NULL));
	glib_forget(&g);
	close_uv(&u);
	close_sd(source, event);
	g_main_context_release(g.context);
	g_main_context_unref(g.context);
	event_base_free(g.base);
	for (i = 0; i < LOOPS; i++)
		close_server(&s[i]);
}

/* The first loop of a process opens descriptors of libuv's own, which it keeps. */
static void warm_libuv(void)
{
	uv_loop_t loop;

	CONF_OK(uv_loop_init(&loop));
	CONF_OK(uv_loop_close(&loop));
}

static void add_cases(void)
{
	warm_libuv();
	conf_add("/loops/glib", test_glib);
	conf_add("/loops/sd-event", test_sd_event);
	conf_add("/loops/libuv", test_libuv);
	conf_add("/loops/libevent", test_libevent);
	conf_add("/loops/nested", test_nested);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "loops", add_cases);
}
