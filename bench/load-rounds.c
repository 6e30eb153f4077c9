/* SPDX-License-Identifier: MIT */
/*
 * Connections and their rounds. The byte at each place of each connection's stream is known, so whatever comes back can be
 * judged alone: a byte that is lost, doubled, or of another connection is a wrong byte.
 *
 * A run begins a round on each connection, and another whenever one ends, until it is to stop; then it waits for the rounds
 * in flight, so that between two runs nothing is under way.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

/* The stream has a period that divides no power of two. */
#define PERIOD        251

/* Connections that are opened at once: less than any backlog. */
#define OPEN_TOGETHER 64

/* A server that sends nothing for so long has stalled. */
#define STALL_NS      (15 * UINT64_C(1000000000))

/* What the server does after its last answer (for one thing, close) is counted too, hence is waited for. */
#define SETTLE_NS     500000

static struct connection *connections;
static unsigned char pattern[LOAD_CHUNK + PERIOD];

bool load_prepare(void)
{
	size_t i;

	for (i = 0; i < sizeof(pattern); i++)
		pattern[i] = (unsigned char)(i % PERIOD);
	connections = calloc(load.connections, sizeof(*connections));
	if (!connections)
		return load_fail("connections", errno);
	for (i = 0; i < load.connections; i++) {
		connections[i].fd = -1;
		connections[i].index = (uint32_t)i;
	}
	return true;
}

size_t load_round_size(void)
{
	return load.size * load.depth;
}

/* What stands at *offset* of a connection's stream; at least LOAD_CHUNK bytes of it. */
const unsigned char *load_expected(const struct connection *c, uint64_t offset)
{
	return pattern + (offset + c->index * 7u) % PERIOD;
}

/* --- one connection ------------------------------------------------------------------------------------------------- */

/* In churn each connection leaves a port in TIME_WAIT behind; with many source addresses there are enough. */
static bool bind_somewhere(int fd)
{
	static const int on = 1;
	static uint32_t next;
	struct sockaddr_in in = { .sin_family = AF_INET };

	in.sin_addr.s_addr = htonl((INADDR_LOOPBACK & 0xffffff00u) + 1 + next++ % 250);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	return bind(fd, (struct sockaddr *)&in, sizeof(in)) == 0;
}

static bool open_connection(struct connection *c)
{
	static const int on = 1;

	c->fd = socket(load.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return load_fail("socket", errno);
	if (load.churn && load.address.ss_family == AF_INET && !bind_somewhere(c->fd))
		return load_fail("bind", errno);
	if (connect(c->fd, (struct sockaddr *)&load.address, load.address_len) < 0)
		return load_fail("connect", errno);
	if (load.address.ss_family != AF_UNIX)
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->offset = 0;
	c->sent = load_round_size();
	c->received = load_round_size();
	return load.engine->add(c);
}

static bool begin_round(struct connection *c, uint64_t now)
{
	if (load.churn && !open_connection(c))
		return false;
	if (!load.churn)
		c->offset += load_round_size();
	c->sent = 0;
	c->received = 0;
	c->started = now;
	load.in_flight++;
	return load.engine->send(c);
}

static bool end_round(struct connection *c)
{
	uint64_t now = load_now();

	latency_note(now - c->started, load.depth);
	load.progress = now;
	load.requests += load.depth;
	load.in_flight--;
	if (load.churn) {
		close(c->fd);
		c->fd = -1;
	}
	if (load.requests >= load.max_requests)
		load.stopping = true;
	return load.stopping || begin_round(c, now);
}

/* *n* bytes of the round came; *data* is NULL if they are only counted. */
bool load_received(struct connection *c, const unsigned char *data, size_t n)
{
	if (n > load_round_size() - c->received)
		return load_fail("more came back than was sent", EILSEQ);
	if (data && memcmp(data, load_expected(c, c->offset + c->received), n))
		return load_fail("a byte came back wrong", EILSEQ);
	load.bytes += n;
	if (data)
		load.bytes_verified += n;
	c->received += n;
	return c->received < load_round_size() || end_round(c);
}

/* --- all of them ---------------------------------------------------------------------------------------------------- */

static bool loop(uint64_t end)
{
	load.progress = load_now();
	while (load.in_flight) {
		uint64_t now;

		if (!load.engine->wait(100))
			return false;
		now = load_now();
		if (now >= end)
			load.stopping = true;
		if (now > load.progress + STALL_NS)
			return load_fail("the server has stalled", ETIMEDOUT);
	}
	return true;
}

/* One round on each of *n* connections. */
static bool one_round(struct connection *c, uint32_t n)
{
	uint32_t i;

	load.look = true;
	load.stopping = true;
	for (i = 0; i < n; i++) {
		if (!begin_round(&c[i], load_now()))
			return false;
	}
	return loop(UINT64_MAX);
}

/* Opens the connections, and has one verified round on each. In churn there is nothing to open. */
bool load_open(void)
{
	uint32_t i;

	if (!load.engine->open())
		return false;
	if (load.churn)
		return true;
	for (i = 0; i < load.connections; i++) {
		if (!open_connection(&connections[i]))
			return false;
		if ((i + 1) % OPEN_TOGETHER == 0 && !one_round(&connections[i + 1 - OPEN_TOGETHER], OPEN_TOGETHER))
			return false;
	}
	i = load.connections % OPEN_TOGETHER;
	return one_round(&connections[load.connections - i], i);
}

/* --- the run -------------------------------------------------------------------------------------------------------- */

static uint64_t cpu_time(long pid)
{
	struct timespec ts;
	clockid_t clock;

	if (!pid || clock_getcpuclockid((pid_t)pid, &clock) || clock_gettime(clock, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static struct result times(void)
{
	return (struct result){
		.server_ns = cpu_time(load.pid),
		.softirq_ns = cpu_time(load.softirq_pid),
		.load_ns = cpu_time(getpid()),
	};
}

static void settle(void)
{
	static const struct timespec ts = { .tv_nsec = SETTLE_NS };

	nanosleep(&ts, NULL);
}

bool load_run(double seconds, uint64_t max_requests, struct result *result)
{
	struct result before = times();
	uint64_t begin = load_now();
	bool ok = true;
	uint32_t i;

	load.stopping = false;
	load.max_requests = max_requests;
	for (i = 0; i < load.connections && ok && !load.stopping; i++)
		ok = begin_round(&connections[i], load_now());
	ok = ok && loop(begin + (uint64_t)(seconds * 1e9));
	result->wall_ns = load_now() - begin;
	settle();
	*result = (struct result){
		.wall_ns = result->wall_ns,
		.server_ns = cpu_time(load.pid) - before.server_ns,
		.softirq_ns = cpu_time(load.softirq_pid) - before.softirq_ns,
		.load_ns = cpu_time(getpid()) - before.load_ns,
	};
	return ok;
}
