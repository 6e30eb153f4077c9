/* SPDX-License-Identifier: MIT */
/*
 * A closed-loop load generator for echo servers: each connection sends a message, waits for all of it to come back,
 * compares every byte, and sends the next. It uses plain system calls and epoll and nothing of the library, so that it can
 * judge it.
 *
 *     load -a ADDRESS [-c CONNECTIONS] [-s SIZE] [-d DEPTH] [-t SECONDS] [-n REQUESTS] [-p SERVER-PID] [--churn]
 *
 * DEPTH messages are sent at once and count as as many requests. With --churn every request has a connection of its own.
 * It ends after SECONDS or REQUESTS, whichever comes first. ADDRESS is tcp:127.x.y.z:PORT or unix:PATH (or unix:@NAME):
 * other hosts are refused.
 *
 * Prints KEY=VALUE lines. Exit status 1 if a byte was wrong, a connection failed, or nothing was done.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 20000
#define MAX_SIZE        (64u << 20)
#define MAX_SECONDS     3600
#define CHUNK           (256 * 1024)

/* Latencies: 64 linear steps in each power of two, so the error is below 2 %. */
#define STEPS           64
#define HISTOGRAM       (STEPS * 60)

struct connection {
	int fd;
	uint32_t index;
	uint64_t offset;          /* bytes of the stream before the present round */
	size_t sent;              /* of the round */
	size_t received;
	uint64_t started;         /* of the round, nanoseconds */
};

static struct {
	struct sockaddr_storage address;
	socklen_t address_len;
	uint32_t connections;
	size_t size;
	uint32_t depth;
	double seconds;
	uint64_t max_requests;
	long pid;
	bool churn;
} options = { .connections = 1, .size = 64, .depth = 1, .seconds = 5, .max_requests = UINT64_MAX };

static struct connection *connections;
static unsigned char pattern[CHUNK + 256];
static uint64_t histogram[HISTOGRAM];
static uint64_t requests;
static uint64_t bytes_verified;
static uint64_t errors;
static int epoll_fd;
static bool stopping;

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Latencies */

static unsigned int bucket(uint64_t v)
{
	unsigned int shift = 0;

	while (v >= 2 * STEPS) {
		v >>= 1;
		shift++;
	}
	return shift * STEPS + (unsigned int)v;
}

static uint64_t bucket_value(unsigned int b)
{
	if (b < 2 * STEPS)
		return b;
	return (uint64_t)(b % STEPS + STEPS) << (b / STEPS - 1);
}

static void note_latency(uint64_t ns)
{
	unsigned int b = bucket(ns);

	histogram[b < HISTOGRAM ? b : HISTOGRAM - 1] += options.depth;
}

static double percentile(double p)
{
	uint64_t wanted = (uint64_t)((double)requests * p);
	uint64_t seen = 0;
	unsigned int b;

	for (b = 0; b < HISTOGRAM; b++) {
		seen += histogram[b];
		if (seen > wanted)
			return (double)bucket_value(b) / 1000;
	}
	return 0;
}

/* Connections */

static size_t round_size(void)
{
	return options.size * options.depth;
}

/* Byte *offset* of a connection's stream: depends on both, with a period that divides no power of two. */
static const unsigned char *expected(const struct connection *c, uint64_t offset)
{
	return pattern + (offset + c->index * 7u) % 251;
}

static bool fail(const char *what, int error)
{
	if (!errors++)
		fprintf(stderr, "load: %s: %s\n", what, strerror(error));
	stopping = true;
	return false;
}

static bool send_some(struct connection *c)
{
	while (c->sent < round_size()) {
		size_t left = round_size() - c->sent;
		ssize_t n = send(c->fd, expected(c, c->offset + c->sent), left < CHUNK ? left : CHUNK,
		                 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0)
			return fail("send", errno);
		c->sent += (size_t)n;
	}
	return true;
}

static bool begin_round(struct connection *c)
{
	c->offset += c->received;
	c->sent = 0;
	c->received = 0;
	c->started = now();
	return send_some(c);
}

static bool open_connection(struct connection *c)
{
	static const int on = 1;
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };

	c->fd = socket(options.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return fail("socket", errno);
	if (connect(c->fd, (struct sockaddr *)&options.address, options.address_len) < 0)
		return fail("connect", errno);
	if (options.address.ss_family != AF_UNIX)
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e) < 0)
		return fail("epoll_ctl", errno);
	c->offset = 0;
	c->received = 0;
	return begin_round(c);
}

static bool end_round(struct connection *c)
{
	note_latency(now() - c->started);
	requests += options.depth;
	if (requests >= options.max_requests)
		stopping = true;
	if (stopping || !options.churn)
		return stopping || begin_round(c);
	close(c->fd);
	return open_connection(c);
}

static bool receive_some(struct connection *c)
{
	static unsigned char buf[CHUNK];

	for (;;) {
		size_t left = round_size() - c->received;
		ssize_t n = recv(c->fd, buf, left < CHUNK ? left : CHUNK, MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0)
			return fail(n ? "recv" : "the server closed the connection", n ? errno : ECONNRESET);
		if (memcmp(buf, expected(c, c->offset + c->received), (size_t)n))
			return fail("a byte came back wrong", EILSEQ);
		bytes_verified += (uint64_t)n;
		c->received += (size_t)n;
		if (c->received == round_size()) {
			int fd = c->fd;

			if (!end_round(c) || stopping || c->fd != fd)
				return !errors;
		}
	}
}

/* The run */

static void loop(uint64_t end)
{
	struct epoll_event events[256];

	while (!stopping) {
		int n = epoll_wait(epoll_fd, events, 256, 100);
		int i;

		for (i = 0; i < n && !stopping; i++) {
			struct connection *c = events[i].data.ptr;

			if (c->sent < round_size() && !send_some(c))
				break;
			if (!receive_some(c))
				break;
		}
		if (now() >= end)
			stopping = true;
	}
}

static uint64_t cpu_time(clockid_t clock)
{
	struct timespec ts;

	if (!options.pid || clock_gettime(clock, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int run(void)
{
	clockid_t clock = CLOCK_MONOTONIC;
	uint64_t cpu;
	uint64_t begin;
	uint64_t wall;
	uint32_t i;

	if (options.pid && clock_getcpuclockid((pid_t)options.pid, &clock)) {
		fprintf(stderr, "load: there is no process %ld\n", options.pid);
		return 1;
	}
	begin = now();
	cpu = cpu_time(clock);
	for (i = 0; i < options.connections && !stopping; i++) {
		connections[i].index = i;
		open_connection(&connections[i]);
	}
	loop(begin + (uint64_t)(options.seconds * 1e9));
	wall = now() - begin;
	cpu = cpu_time(clock) - cpu;

	printf("requests=%llu\nseconds=%.3f\nrequests_per_second=%.0f\n", (unsigned long long)requests,
	       (double)wall / 1e9, (double)requests * 1e9 / (double)wall);
	printf("p50_us=%.1f\np99_us=%.1f\np999_us=%.1f\n", percentile(0.5), percentile(0.99), percentile(0.999));
	printf("bytes_verified=%llu\nerrors=%llu\n", (unsigned long long)bytes_verified, (unsigned long long)errors);
	if (options.pid && requests)
		printf("server_cpu_us_per_request=%.3f\n", (double)cpu / 1000 / (double)requests);
	return errors || !requests;
}

/* Options */

static bool parse_tcp(const char *text)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&options.address;
	const char *colon = strrchr(text, ':');
	char host[64];

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return false;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)atoi(colon + 1));
	options.address_len = sizeof(*in);
	return inet_pton(AF_INET, host, &in->sin_addr) == 1 && ntohl(in->sin_addr.s_addr) >> 24 == 127;
}

static bool parse_unix(const char *path)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&options.address;
	size_t n = strlen(path);

	if (!n || n >= sizeof(un->sun_path))
		return false;
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, n);
	if (path[0] == '@')
		un->sun_path[0] = '\0';
	options.address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (path[0] != '@'));
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
		options.connections = (uint32_t)v;
		return within(v, 1, MAX_CONNECTIONS);
	case 's':
		options.size = (size_t)v;
		return within(v, 1, MAX_SIZE);
	case 'd':
		options.depth = (uint32_t)v;
		return within(v, 1, 4096);
	case 't':
		options.seconds = v;
		return within(v, 0.001, MAX_SECONDS);
	case 'n':
		options.max_requests = (uint64_t)v;
		return within(v, 1, 1e12);
	case 'p':
		options.pid = (long)v;
		return within(v, 1, 1 << 30);
	case 'C':
		options.churn = true;
		return true;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = { { "churn", no_argument, NULL, 'C' }, { NULL, 0, NULL, 0 } };
	size_t i;
	int c;

	while ((c = getopt_long(argc, argv, "a:c:s:d:t:n:p:", long_options, NULL)) != -1) {
		if (!parse_option(c)) {
			fprintf(stderr, "load: bad option or value; addresses are on this machine only\n");
			return 2;
		}
	}
	if (optind != argc || !options.address_len) {
		fprintf(stderr, "usage: load -a ADDRESS [-c CONNECTIONS] [-s SIZE] [-d DEPTH] [-t SECONDS]\n"
		                "            [-n REQUESTS] [-p SERVER-PID] [--churn]\n");
		return 2;
	}
	for (i = 0; i < sizeof(pattern); i++)
		pattern[i] = (unsigned char)(i % 251);
	connections = calloc(options.connections, sizeof(*connections));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!connections || epoll_fd < 0) {
		fprintf(stderr, "load: %s\n", strerror(errno));
		return 1;
	}
	return run();
}
