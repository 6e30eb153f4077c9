/* SPDX-License-Identifier: MIT */
/*
 * A closed-loop load generator for echo servers: each connection sends a message, waits for all of it to come back,
 * compares every byte, and sends the next. It uses nothing of the library, so that it can judge it.
 *
 *     load -a ADDRESS [-c CONNECTIONS] [-s SIZE] [-d DEPTH] [-t SECONDS] [-n REQUESTS] [-p SERVER-PID] [--churn]
 *     load -a ADDRESS --slices [-c CONNECTIONS] [-s SIZE] [-d DEPTH] [-p SERVER-PID] [-k SOFTIRQ-PID] [--churn]
 *
 * DEPTH messages are sent at once and count as as many requests. With --churn every request has a connection of its own.
 * It ends after SECONDS or REQUESTS, whichever comes first. ADDRESS is tcp:127.x.y.z:PORT or unix:PATH (or unix:@NAME):
 * other hosts are refused. With --slices it is told by commands what to do (load-slices.c).
 *
 * Prints KEY=VALUE lines. Exit status 1 if a byte was wrong, a connection failed, or nothing was done.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>

#include "load.h"

#define MAX_CONNECTIONS 20000
#define MAX_SIZE        (64u << 20)
#define MAX_SECONDS     3600

struct load load = { .connections = 1, .size = 64, .depth = 1, .seconds = 5, .max_requests = UINT64_MAX };

uint64_t load_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

bool load_fail(const char *what, int error)
{
	if (!load.errors++)
		fprintf(stderr, "load: %s: %s\n", what, strerror(error));
	load.stopping = true;
	return false;
}

static int run(void)
{
	struct result r = { 0 };
	bool ok = load_open();

	load.requests = 0;
	load.bytes_verified = 0;
	latency_reset();
	load.look = true;
	ok = ok && load_run(load.seconds, load.max_requests, &r);

	printf("requests=%llu\nseconds=%.3f\nrequests_per_second=%.0f\n", (unsigned long long)load.requests,
	       (double)r.wall_ns / 1e9, r.wall_ns ? (double)load.requests * 1e9 / (double)r.wall_ns : 0);
	printf("p50_us=%.1f\np99_us=%.1f\np999_us=%.1f\n", latency_percentile_us(0.5), latency_percentile_us(0.99),
	       latency_percentile_us(0.999));
	printf("bytes_verified=%llu\nerrors=%llu\n", (unsigned long long)load.bytes_verified,
	       (unsigned long long)load.errors);
	if (load.pid && load.requests)
		printf("server_cpu_us_per_request=%.3f\n", (double)r.server_ns / 1000 / (double)load.requests);
	return !ok || !load.requests;
}

/* Options */

static bool parse_tcp(const char *text)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&load.address;
	const char *colon = strrchr(text, ':');
	char host[64];

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return false;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)atoi(colon + 1));
	load.address_len = sizeof(*in);
	return inet_pton(AF_INET, host, &in->sin_addr) == 1 && ntohl(in->sin_addr.s_addr) >> 24 == 127;
}

static bool parse_unix(const char *path)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&load.address;
	size_t n = strlen(path);

	if (!n || n >= sizeof(un->sun_path))
		return false;
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, n);
	if (path[0] == '@')
		un->sun_path[0] = '\0';
	load.address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (path[0] != '@'));
	return true;
}

static bool parse_address(const char *text)
{
	if (!strncmp(text, "tcp:", 4))
		return parse_tcp(text + 4);
	return !strncmp(text, "unix:", 5) && parse_unix(text + 5);
}

static bool within(double v, double low, double high)
{
	return v >= low && v <= high;
}

static bool parse_option(int c)
{
	double v = optarg ? strtod(optarg, NULL) : 0;

	switch (c) {
	case 'a':
		return parse_address(optarg);
	case 'c':
		load.connections = (uint32_t)v;
		return within(v, 1, MAX_CONNECTIONS);
	case 's':
		load.size = (size_t)v;
		return within(v, 1, MAX_SIZE);
	case 'd':
		load.depth = (uint32_t)v;
		return within(v, 1, 4096);
	case 't':
		load.seconds = v;
		return within(v, 0.001, MAX_SECONDS);
	case 'n':
		load.max_requests = (uint64_t)v;
		return within(v, 1, 1e12);
	case 'p':
		load.pid = (long)v;
		return within(v, 1, 1 << 30);
	case 'k':
		load.softirq_pid = (long)v;
		return within(v, 1, 1 << 30);
	case 'C':
		load.churn = true;
		return true;
	case 'S':
		load.slices = true;
		return true;
	default:
		return false;
	}
}

static bool server_is_there(void)
{
	clockid_t clock;

	if (!load.pid || clock_getcpuclockid((pid_t)load.pid, &clock) == 0)
		return true;
	fprintf(stderr, "load: there is no process %ld\n", load.pid);
	return false;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = { { "churn", no_argument, NULL, 'C' },
		                                      { "slices", no_argument, NULL, 'S' },
		                                      { NULL, 0, NULL, 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "a:c:s:d:t:n:p:k:", long_options, NULL)) != -1) {
		if (!parse_option(c)) {
			fprintf(stderr, "load: bad option or value; addresses are on this machine only\n");
			return 2;
		}
	}
	if (optind != argc || !load.address_len) {
		fprintf(stderr, "usage: load -a ADDRESS [-c CONNECTIONS] [-s SIZE] [-d DEPTH] [-t SECONDS]\n"
		                "            [-n REQUESTS] [-p SERVER-PID] [-k SOFTIRQ-PID] [--churn] [--slices]\n");
		return 2;
	}
	load.engine = &load_epoll;
	if (!load_prepare() || !server_is_there())
		return 1;
	return load.slices ? load_slices() : run();
}
