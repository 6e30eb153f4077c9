/* SPDX-License-Identifier: MIT */
/*
 * An echo server in somebody else's loop.
 *
 *     embed glib|sd-event|libuv|libevent [ADDRESS]
 *
 * The program has one thread, which is the loop's. SIGTERM and SIGINT end it.
 */
#include <event2/event.h>
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <uv.h>

#include "loop.h"

static struct embedded server;

static void echo(struct ringline_conn *conn, void *arg)
{
	const void *data;
	ssize_t n;

	(void)arg;
	while ((n = ringline_conn_peek(conn, &data)) > 0) {
		if (ringline_conn_send(conn, data, (size_t)n) < 0)
			break;
		ringline_conn_consume(conn, (size_t)n);
	}
}

/* A signal handler may call this. */
static void stop(int number)
{
	(void)number;
	ringline_runtime_shutdown(server.rt);
}

static void quit_glib(struct embedded *e)
{
	g_main_loop_quit(e->arg);
}

static int run_glib(void)
{
	int r;

	server.arg = g_main_loop_new(NULL, FALSE);
	server.ended = quit_glib;
	r = embed_in_glib(&server, NULL);
	if (r == 0)
		g_main_loop_run(server.arg);
	g_main_loop_unref(server.arg);
	return r;
}

static void quit_sd_event(struct embedded *e)
{
	sd_event_exit(e->arg, 0);
}

static int run_sd_event(void)
{
	sd_event *event;
	int r = sd_event_new(&event);

	if (r < 0)
		return r;
	server.arg = event;
	server.ended = quit_sd_event;
	r = embed_in_sd_event(&server, event);
	if (r == 0)
		r = sd_event_loop(event);
	sd_event_unref(event);
	return r;
}

/* The other two end by themselves when they have nothing to do. */
static void just_end(struct embedded *e)
{
	(void)e;
}

static int run_libuv(void)
{
	uv_loop_t loop;
	int r = uv_loop_init(&loop);

	if (r < 0)
		return r;
	server.ended = just_end;
	r = embed_in_libuv(&server, &loop);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	return r;
}

static int run_libevent(void)
{
	struct event_base *base = event_base_new();
	int r;

	if (!base)
		return -1;
	server.ended = just_end;
	r = embed_in_libevent(&server, base);
	if (r == 0)
		event_base_dispatch(base);
	event_base_free(base);
	return r;
}

static const struct {
	const char *name;
	int (*run)(void);
} loops[] = {
	{ "glib", run_glib },
	{ "sd-event", run_sd_event },
	{ "libuv", run_libuv },
	{ "libevent", run_libevent },
};

static int serve(int (*run)(void), const char *address)
{
	struct ringline_config config = RINGLINE_CONFIG_INIT;
	struct sigaction action = { .sa_handler = stop };
	char bound[RINGLINE_ADDRESS_SIZE];
	int r;

	config.workers = 1;
	r = ringline_runtime_new(&server.rt, &config);
	if (r < 0)
		return r;
	r = ringline_runtime_listen(server.rt, bound, address, echo, NULL, NULL);
	if (r == 0)
		r = ringline_runtime_embed(server.rt);
	if (r == 0) {
		printf("listening on %s\n", bound);
		fflush(stdout);
		sigaction(SIGTERM, &action, NULL);
		sigaction(SIGINT, &action, NULL);
		r = run();
	}
	if (r == 0)
		r = server.result;
	ringline_runtime_free(server.rt);
	return r;
}

int main(int argc, char **argv)
{
	size_t i;
	int r;

	for (i = 0; argc >= 2 && argc <= 3 && i < sizeof(loops) / sizeof(loops[0]); i++) {
		if (strcmp(argv[1], loops[i].name))
			continue;
		r = serve(loops[i].run, argc == 3 ? argv[2] : "tcp:127.0.0.1:7878");
		if (r < 0)
			fprintf(stderr, "embed: %s\n", strerror(-r));
		return r < 0;
	}
	fprintf(stderr, "usage: embed glib|sd-event|libuv|libevent [ADDRESS]\n");
	return 2;
}
