/* SPDX-License-Identifier: MIT */
/*
 * A proxy: every connection is forwarded to a target, both ways, the ends of the streams included.
 *
 * Each direction is a task that forwards until the end of its stream. They are children of one scope, so when one fails the
 * other is cut, and closing the scope waits for both. Backpressure needs no line of code: nothing is received that cannot be
 * sent.
 */
#include <stdio.h>
#include <string.h>

#include "common.h"

static const char *target;
static const char *stats_address;
static uint64_t idle;
static struct ringline_listen_options limits = RINGLINE_LISTEN_OPTIONS_INIT;

/* Forwarding */

struct direction {
	struct ringline_conn *from;
	struct ringline_conn *to;
};

static int forward(void *arg)
{
	struct direction *d = arg;
	int64_t n = ringline_conn_forward(d->from, d->to, RINGLINE_FORWARD_ALL);

	return n < 0 ? (int)n : 0;
}

static int forward_both_ways(struct ringline_conn *client, struct ringline_conn *server)
{
	struct direction there = { client, server };
	struct direction back = { server, client };
	struct ringline_scope *scope;
	int r = ringline_scope_open(&scope, NULL);

	if (r < 0)
		return r;
	r = ringline_scope_spawn(scope, forward, &there);
	if (r == 0)
		r = forward(&back);
	if (r < 0)
		ringline_scope_cancel(scope);
	ringline_scope_close(scope);
	return r;
}

/* "tcp:..." and "unix:..." are addresses, anything else is NAME:SERVICE. */
static int connect_to_target(struct ringline_conn **ret)
{
	const char *colon = strrchr(target, ':');
	char name[256];

	if (!strncmp(target, "tcp:", 4) || !strncmp(target, "unix:", 5))
		return ringline_connect(ret, target, NULL);
	snprintf(name, sizeof(name), "%.*s", (int)(colon - target), target);
	return ringline_connect_host(ret, name, colon + 1, NULL);
}

static void serve(struct ringline_conn *client, void *arg)
{
	struct ringline_conn *server;

	(void)arg;
	if (connect_to_target(&server) < 0) {
		ringline_conn_abort(client);
		return;
	}
	ringline_conn_set_option(client, RINGLINE_CONN_IDLE_TIMEOUT, idle);
	ringline_conn_set_option(server, RINGLINE_CONN_IDLE_TIMEOUT, idle);
	if (forward_both_ways(client, server) < 0) {
		ringline_conn_abort(server);
		ringline_conn_abort(client);
	} else {
		ringline_conn_close(server);
	}
}

/* What it does just now, for whoever connects to the other socket: "name=value" lines. */
static void tell_stats(struct ringline_conn *conn, void *arg)
{
	struct ringline_runtime *rt = arg;
	char text[512];
	uint32_t w;

	for (w = 0; w < ringline_runtime_workers(rt); w++) {
		struct ringline_worker_stats s = RINGLINE_WORKER_STATS_INIT;
		int n;

		if (ringline_worker_stats(rt, w, &s) < 0)
			return;
		n = snprintf(text, sizeof(text),
		             "worker=%u connections=%llu accepted=%llu rejected=%llu timed_out=%llu bytes_lent=%llu "
		             "bytes_spliced=%llu memory=%llu\n",
		             w, (unsigned long long)s.connections, (unsigned long long)s.accepted, (unsigned long long)s.rejected,
		             (unsigned long long)s.timed_out, (unsigned long long)s.bytes_lent,
		             (unsigned long long)s.bytes_spliced, (unsigned long long)s.memory);
		if (ringline_conn_send(conn, text, (size_t)n) < 0)
			return;
	}
}

/* Options */

static bool take_option(int letter, const char *value)
{
	unsigned long n = 0;

	switch (letter) {
	case 't':
		target = value;
		return strrchr(value, ':') != NULL;
	case 's':
		stats_address = value;
		return true;
	case 'i':
		if (!example_number(value, 0, 1000000, &n))
			return false;
		idle = n * RINGLINE_NSEC_PER_SEC;
		return true;
	case 'm':
		if (!example_number(value, 0, 1000000, &n))
			return false;
		limits.max_connections = (uint32_t)n;
		return true;
	default:
		if (!example_number(value, 0, 1000000, &n))
			return false;
		limits.max_per_source = (uint32_t)n;
		return true;
	}
}

static bool has_target(void)
{
	if (!target)
		fputs("proxy: where to? -t TARGET\n", stderr);
	return target;
}

static int listen_for_stats(struct ringline_runtime *rt)
{
	return stats_address ? ringline_runtime_listen(rt, NULL, stats_address, tell_stats, rt, NULL) : 0;
}

int main(int argc, char **argv)
{
	static const struct example_daemon proxy = {
		.purpose = "Forwards connections to a target.",
		.usage = "  -t TARGET              an address as above, or NAME:SERVICE\n"
		         "  -i SECONDS             cuts off who is silent so long [never]\n"
		         "  -m NUMBER              connections at a time [no limit]\n"
		         "  -p NUMBER              connections from one source at a time [no limit]\n"
		         "  -s ADDRESS             tells counters to whoever connects there\n",
		.options = "t:i:m:p:s:",
		.option = take_option,
		.check = has_target,
		.prepare = listen_for_stats,
		.serve = serve,
		.listen = &limits,
	};

	return example_daemon_main(argc, argv, &proxy);
}
