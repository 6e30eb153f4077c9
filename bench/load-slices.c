/* SPDX-License-Identifier: MIT */
/*
 * The mode for comparing servers that take turns: the connections are opened once, and stay. Commands come on standard
 * input, one per line, and each is answered by one line of KEY=VALUE pairs; between them nothing is in flight.
 *
 *     run SECONDS     load the server for so long
 *     requests N      load the server until so many requests were answered
 *     check N         the same, and compare every byte
 *     quit            close everything and end; the end of the input does the same
 *
 * Before the first command such a line is printed too, when all connections are there and each has had a checked round.
 * "run" and "requests" count the bytes of rounds above 16 KiB and do not compare them: that would make this process slower
 * than the server.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

#define MAX_LOOK (16 * 1024)
#define FOREVER  (24 * 3600.0)

static void reset(void)
{
	latency_reset();
	load.requests = 0;
	load.bytes = 0;
	load.bytes_verified = 0;
}

static void answer(const struct result *r)
{
	printf("requests=%llu seconds=%.6f server_cpu_ns=%llu softirq_cpu_ns=%llu load_cpu_ns=%llu p50_us=%.1f p99_us=%.1f "
	       "bytes=%llu bytes_verified=%llu errors=%llu\n",
	       (unsigned long long)load.requests, (double)r->wall_ns / 1e9, (unsigned long long)r->server_ns,
	       (unsigned long long)r->softirq_ns, (unsigned long long)r->load_ns, latency_percentile_us(0.5),
	       latency_percentile_us(0.99), (unsigned long long)load.bytes, (unsigned long long)load.bytes_verified,
	       (unsigned long long)load.errors);
	fflush(stdout);
}

static bool run(double seconds, uint64_t requests, bool look)
{
	struct result r = { 0 };
	bool ok;

	reset();
	load.look = look;
	ok = load_run(seconds, requests, &r);
	answer(&r);
	return ok;
}

static bool command(const char *line)
{
	bool look = load.churn || load_round_size() <= MAX_LOOK;
	double v;

	if (sscanf(line, "run %lf", &v) == 1 && v > 0)
		return run(v, UINT64_MAX, look);
	if (sscanf(line, "requests %lf", &v) == 1 && v >= 1)
		return run(FOREVER, (uint64_t)v, look);
	if (sscanf(line, "check %lf", &v) == 1 && v >= 1)
		return run(FOREVER, (uint64_t)v, true);
	fprintf(stderr, "load: no command: %s", line);
	load.errors++;
	return false;
}

int load_slices(void)
{
	struct result r = { 0 };
	char line[128];
	bool ok = load_open();

	answer(&r);
	while (ok && fgets(line, sizeof(line), stdin) && strcmp(line, "quit\n"))
		ok = command(line);
	return !ok;
}
