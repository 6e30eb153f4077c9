/* SPDX-License-Identifier: MIT */
/*
 * Loads a UDP echo server: each of some sockets keeps some datagrams under way. One that was lost is sent again after a while.
 *
 *     udp-load -a udp:ADDRESS:PORT -p PID [-k PID] [-c SOCKETS] [-d OUTSTANDING] [-s SIZE]
 *
 * The protocol on standard input and output is that of bench/load --slices.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SOCKETS_MAX 64
#define BATCH       64
#define SIZE_MAX_   2048
#define PATIENCE_MS 50

static struct sockaddr_in server;
static int sockets = 4;
static int outstanding = 32;
static int size = 64;
static long pid;
static long softirq;
static struct pollfd fds[SOCKETS_MAX];
static int under_way[SOCKETS_MAX];
static unsigned char out[SIZE_MAX_];
static struct mmsghdr msg[BATCH];
static struct iovec iov[BATCH];
static unsigned char in[BATCH][SIZE_MAX_];
static unsigned long long errors;

static void die(const char *what)
{
	fprintf(stderr, "udp-load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t cpu_time(long process)
{
	struct timespec ts;
	clockid_t clock;

	if (!process || clock_getcpuclockid((pid_t)process, &clock) || clock_gettime(clock, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void fill_up(int i, int most)
{
	int n = outstanding - under_way[i];
	int k;

	n = n < most ? n : most;
	n = n < BATCH ? n : BATCH;
	for (k = 0; k < n; k++) {
		iov[k] = (struct iovec){ out, (size_t)size };
		msg[k].msg_hdr = (struct msghdr){ .msg_iov = &iov[k], .msg_iovlen = 1 };
	}
	k = n > 0 ? sendmmsg(fds[i].fd, msg, (unsigned int)n, MSG_DONTWAIT) : 0;
	under_way[i] += k > 0 ? k : 0;
}

/* How many came back. */
static int collect(int i, int look)
{
	int n;
	int k;

	for (k = 0; k < BATCH; k++) {
		iov[k] = (struct iovec){ in[k], SIZE_MAX_ };
		msg[k].msg_hdr = (struct msghdr){ .msg_iov = &iov[k], .msg_iovlen = 1 };
	}
	n = recvmmsg(fds[i].fd, msg, BATCH, MSG_DONTWAIT, NULL);
	for (k = 0; k < n; k++)
		if (msg[k].msg_len != (unsigned int)size || (look && memcmp(in[k], out, (size_t)size)))
			errors++;
	n = n > 0 ? n : 0;
	under_way[i] = under_way[i] > n ? under_way[i] - n : 0;
	return n;
}

/* What does not come back any more is taken for lost. */
static void forget(void)
{
	memset(under_way, 0, sizeof(under_way));
}

static int any_under_way(void)
{
	int i;

	for (i = 0; i < sockets; i++)
		if (under_way[i])
			return 1;
	return 0;
}

static void run(double seconds, unsigned long long most, int look)
{
	uint64_t begin = now();
	uint64_t end = begin + (uint64_t)(seconds * 1e9);
	uint64_t server_ns = cpu_time(pid);
	uint64_t softirq_ns = cpu_time(softirq);
	uint64_t load_ns = cpu_time(getpid());
	unsigned long long count = 0;
	int stopping = seconds <= 0;
	int i;

	for (;;) {
		stopping = stopping || count >= most || now() >= end;
		for (i = 0; i < sockets && !stopping; i++)
			fill_up(i, BATCH);
		if (stopping && !any_under_way())
			break;
		if (poll(fds, (nfds_t)sockets, PATIENCE_MS) == 0) {
			forget();
			continue;
		}
		for (i = 0; i < sockets; i++)
			if (fds[i].revents)
				count += (unsigned long long)collect(i, look);
	}
	printf("requests=%llu seconds=%.6f server_cpu_ns=%llu softirq_cpu_ns=%llu load_cpu_ns=%llu p50_us=0 p99_us=0 bytes=%llu "
	       "bytes_verified=%llu errors=%llu\n",
	       count, (double)(now() - begin) / 1e9, (unsigned long long)(cpu_time(pid) - server_ns),
	       (unsigned long long)(cpu_time(softirq) - softirq_ns), (unsigned long long)(cpu_time(getpid()) - load_ns),
	       count * (unsigned long long)size, look ? count * (unsigned long long)size : 0, errors);
	fflush(stdout);
}

static void open_sockets(void)
{
	int i;

	for (i = 0; i < sockets; i++) {
		fds[i] = (struct pollfd){ .fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), .events = POLLIN };
		if (fds[i].fd < 0 || connect(fds[i].fd, (struct sockaddr *)&server, sizeof(server)) < 0)
			die("socket");
	}
	for (i = 0; i < SIZE_MAX_; i++)
		out[i] = (unsigned char)(i * 31 + 7);
}

static void parse_address(const char *text)
{
	char host[INET_ADDRSTRLEN];
	const char *colon = strrchr(text, ':');

	if (strncmp(text, "udp:", 4) || !colon || (size_t)(colon - text - 4) >= sizeof(host))
		exit(2);
	memcpy(host, text + 4, (size_t)(colon - text - 4));
	host[colon - text - 4] = '\0';
	server.sin_family = AF_INET;
	server.sin_port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(AF_INET, host, &server.sin_addr) != 1)
		exit(2);
}

static void parse(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "a:p:k:c:d:s:")) != -1) {
		switch (c) {
		case 'a':
			parse_address(optarg);
			break;
		case 'p':
			pid = atol(optarg);
			break;
		case 'k':
			softirq = atol(optarg);
			break;
		case 'c':
			sockets = atoi(optarg);
			break;
		case 'd':
			outstanding = atoi(optarg);
			break;
		case 's':
			size = atoi(optarg);
			break;
		default:
			exit(2);
		}
	}
	if (!server.sin_port || sockets < 1 || sockets > SOCKETS_MAX || outstanding < 1 || size < 1 || size > SIZE_MAX_)
		exit(2);
}

int main(int argc, char **argv)
{
	char line[128];
	double v;

	parse(argc, argv);
	open_sockets();
	run(0, 0, 0);
	while (fgets(line, sizeof(line), stdin) && strcmp(line, "quit\n")) {
		if (sscanf(line, "run %lf", &v) == 1)
			run(v, UINT64_MAX, 0);
		else if (sscanf(line, "requests %lf", &v) == 1)
			run(86400, (unsigned long long)v, 0);
		else if (sscanf(line, "check %lf", &v) == 1)
			run(86400, (unsigned long long)v, 1);
		else
			return 2;
	}
	return errors > 0;
}
