/* SPDX-License-Identifier: MIT */
/*
 * Datagrams in bulk over the loopback interface: 44 of 1448 bytes in each send, cut by the kernel (GSO), and joined again for
 * the receiver (GRO). After every 16 sends the sender waits for a word of the receiver's, so that nothing is lost.
 *
 *     udp-bulk ENGINE BYTES     ENGINE: io_uring, epoll; raw: two threads that block in recvmsg(2), which serve nobody else
 *                               meanwhile; or raw-epoll: the same as loops that could serve others
 *
 * Prints bytes, processor time and time as "name=value" lines.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <ringline/ringline.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define SEGMENT 1448u
#define PIECE   (44u * SEGMENT)
#define WINDOW  16u
#define ROOM    (8 << 20)

static unsigned char piece[PIECE];
static uint64_t sends;

static void must(int64_t r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "udp-bulk: %s: %s\n", what, strerror((int)(r == -1 ? errno : -r)));
	exit(1);
}

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* By hand */

static int sender;
static int receiver;
static int with_epoll;

static int open_epoll(int fd)
{
	struct epoll_event e = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	must(epoll, "epoll");
	must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e), "epoll");
	return epoll;
}

static ssize_t receive(int fd, int epoll, struct msghdr *h)
{
	struct epoll_event e;
	ssize_t n;

	while ((n = recvmsg(fd, h, with_epoll ? MSG_DONTWAIT : 0)) < 0 && errno == EAGAIN)
		epoll_wait(epoll, &e, 1, -1);
	must(n, "recvmsg");
	return n;
}

static int open_raw(struct sockaddr_in *at)
{
	socklen_t n = sizeof(*at);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int room = ROOM;

	*at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	must(bind(fd, (struct sockaddr *)at, sizeof(*at)), "bind");
	must(getsockname(fd, (struct sockaddr *)at, &n), "name");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	return fd;
}

static void *receive_raw(void *arg)
{
	static unsigned char buf[65536];
	char control[128];
	int epoll = open_epoll(receiver);
	uint64_t left = sends * PIECE;
	uint64_t since = 0;

	while (left) {
		struct iovec iov = { buf, sizeof(buf) };
		struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
		ssize_t n = receive(receiver, epoll, &h);

		left -= (uint64_t)n;
		since += (uint64_t)n;
		if (since < (uint64_t)WINDOW * PIECE && left)
			continue;
		since = 0;
		must(send(receiver, "!", 1, 0), "send");
	}
	close(epoll);
	return arg;
}

static void run_raw(void)
{
	static const int on = 1;
	static const int segment = SEGMENT;
	struct sockaddr_in a;
	struct sockaddr_in b;
	pthread_t thread;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr word = { .msg_iov = &iov, .msg_iovlen = 1 };
	uint64_t i;
	int epoll;

	sender = open_raw(&a);
	receiver = open_raw(&b);
	must(connect(sender, (struct sockaddr *)&b, sizeof(b)), "connect");
	must(connect(receiver, (struct sockaddr *)&a, sizeof(a)), "connect");
	must(setsockopt(sender, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)), "segment");
	must(setsockopt(receiver, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)), "gro");
	epoll = open_epoll(sender);
	must(-pthread_create(&thread, NULL, receive_raw, NULL), "thread");
	for (i = 1; i <= sends; i++) {
		must(send(sender, piece, PIECE, 0), "send");
		if (i % WINDOW == 0 || i == sends)
			receive(sender, epoll, &word);
	}
	pthread_join(thread, NULL);
	close(epoll);
	close(sender);
	close(receiver);
}

/* By the library */

static struct ringline_runtime *rt;
static char address[RINGLINE_ADDRESS_SIZE];

static int receive_all(void *arg)
{
	struct ringline_dgram *sock = arg;
	struct ringline_dgram_msg m[32];
	uint64_t left = sends * PIECE;
	uint64_t since = 0;

	while (left) {
		ssize_t n = ringline_dgram_recv_batch(sock, m, 32, sizeof(*m));
		ssize_t i;

		must(n, "receive");
		for (i = 0; i < n; i++) {
			left -= m[i].length;
			since += m[i].length;
		}
		if (since < (uint64_t)WINDOW * PIECE && left)
			continue;
		since = 0;
		must(ringline_dgram_send_to(sock, "!", 1, &m[0].peer), "answer");
	}
	return ringline_dgram_close(sock);
}

static int send_all(void *arg)
{
	struct ringline_dgram_options o = RINGLINE_DGRAM_OPTIONS_INIT;
	struct ringline_dgram_msg m = { .data = piece, .length = PIECE, .segment = SEGMENT };
	struct ringline_dgram *sock;
	uint64_t i;
	char byte;

	(void)arg;
	o.peer = address;
	must(ringline_dgram_open(&sock, NULL, NULL, &o), "open");
	for (i = 1; i <= sends; i++) {
		must(ringline_dgram_send(sock, &m), "send");
		if (i % WINDOW == 0 || i == sends)
			must(ringline_dgram_recv_from(sock, &byte, 1, NULL), "word");
	}
	must(ringline_dgram_close(sock), "close");
	return ringline_runtime_shutdown(rt);
}

static int begin(void *arg)
{
	struct ringline_dgram_options o = RINGLINE_DGRAM_OPTIONS_INIT;
	struct ringline_dgram *sock;

	(void)arg;
	o.flags = RINGLINE_DGRAM_GRO;
	o.receive_buffer = ROOM;
	must(ringline_dgram_open(&sock, address, "udp:127.0.0.1:0", &o), "open");
	must(ringline_spawn(receive_all, sock), "spawn");
	return ringline_worker_spawn(rt, 1, send_all, NULL);
}

static void run_library(uint32_t backend)
{
	struct ringline_config config = RINGLINE_CONFIG_INIT;

	config.workers = 2;
	config.backend = backend;
	must(ringline_runtime_new(&rt, &config), "runtime");
	must(ringline_runtime_start(rt), "start");
	must(ringline_worker_spawn(rt, 0, begin, NULL), "spawn");
	must(ringline_runtime_join(rt), "join");
	must(ringline_runtime_free(rt), "free");
}

int main(int argc, char **argv)
{
	double start = now(CLOCK_MONOTONIC);

	if (argc != 3 || (sends = strtoull(argv[2], NULL, 10) / PIECE) < 1)
		return 2;
	with_epoll = !strcmp(argv[1], "raw-epoll");
	if (!strcmp(argv[1], "raw") || with_epoll)
		run_raw();
	else if (!strcmp(argv[1], "io_uring"))
		run_library(RINGLINE_BACKEND_IO_URING);
	else if (!strcmp(argv[1], "epoll"))
		run_library(RINGLINE_BACKEND_EPOLL);
	else
		return 2;
	printf("bytes=%llu\ncpu_ns=%.0f\nwall_ns=%.0f\n", (unsigned long long)(sends * PIECE), now(CLOCK_PROCESS_CPUTIME_ID),
	       now(CLOCK_MONOTONIC) - start);
	return 0;
}
