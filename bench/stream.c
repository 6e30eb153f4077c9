/* SPDX-License-Identifier: MIT */
/*
 * Large streams. One measurement per run, printed as "name=value" lines; bench/compare takes them in turns.
 *
 *     stream recv ENGINE BYTES       recv() of 64 KiB on a connection that never runs dry; ENGINE: io_uring, epoll, or raw:
 *                                    hand-written one-shot receives on a ring
 *     stream grow ENGINE BYTES       one message that is asked for in larger and larger parts, contiguous; raw: read(2) into
 *                                    fresh memory of the final size
 *     stream sink                    prints an address; answers each stream there with its length
 *     stream push ADDRESS BYTES PID  sends so much there, waits for the sink's word, and tells how long it took and what
 *                                    processor time process PID used
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifdef BENCH_LIBURING
#include <liburing.h>
#endif

#include <ringline/ringline.h>

#define PIECE (64u * 1024)
#define STEP  (1u << 20)
#define CHUNK (256u * 1024)

static char chunk[CHUNK];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned int)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);          /* as far as it may */
}

/* Sockets */

static int listen_any(uint16_t *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&in, len) < 0 || listen(fd, 16) < 0 ||
	    getsockname(fd, (struct sockaddr *)&in, &len) < 0)
		die("listen");
	*port = ntohs(in.sin_port);
	return fd;
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port),
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0)
		die("connect");
	return fd;
}

static void push_bytes(int fd, uint64_t bytes)
{
	while (bytes) {
		ssize_t n = send(fd, chunk, bytes < CHUNK ? bytes : CHUNK, MSG_NOSIGNAL);

		if (n < 0)
			die("send");
		bytes -= (uint64_t)n;
	}
}

/* The other end, on a processor of its own. */

struct source {
	uint16_t port;
	uint64_t bytes;
};

static void *run_source(void *arg)
{
	const struct source *s = arg;
	int fd;

	pin(1);
	fd = connect_to(s->port);
	push_bytes(fd, s->bytes);
	close(fd);
	return NULL;
}

/* Hand-written */

static uint64_t recv_raw(int fd)
{
	uint64_t total = 0;
#ifdef BENCH_LIBURING
	struct io_uring ring;
	struct io_uring_params p = { .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN };
	int res = 1;

	if (io_uring_queue_init_params(8, &ring, &p) < 0)
		die("io_uring");
	while (res > 0) {
		struct io_uring_cqe *cqe;

		io_uring_prep_recv(io_uring_get_sqe(&ring), fd, chunk, PIECE, 0);
		io_uring_submit_and_wait(&ring, 1);
		if (io_uring_peek_cqe(&ring, &cqe) < 0)
			die("peek");
		res = cqe->res;
		io_uring_cqe_seen(&ring, cqe);
		total += res > 0 ? (uint64_t)res : 0;
	}
	io_uring_queue_exit(&ring);
#else
	ssize_t n;

	while ((n = recv(fd, chunk, PIECE, 0)) > 0)
		total += (uint64_t)n;
#endif
	return total;
}

static uint64_t grow_raw(int fd, uint64_t bytes)
{
	char *memory = malloc(bytes);
	uint64_t total = 0;
	ssize_t n;

	while (total < bytes && (n = read(fd, memory + total, bytes - total)) > 0)
		total += (uint64_t)n;
	free(memory);
	return total;
}

/* The library's */

struct run {
	int fd;
	uint64_t bytes;
	uint64_t total;
	bool grow;
	double cpu;
	double wall;
};

static uint64_t recv_all(struct ringline_conn *c)
{
	uint64_t total = 0;
	ssize_t n;

	while ((n = ringline_conn_recv(c, chunk, PIECE)) > 0)
		total += (uint64_t)n;
	return total;
}

static uint64_t grow_all(struct ringline_conn *c, uint64_t bytes)
{
	const void *data;
	ssize_t n = 0;
	uint64_t want;

	for (want = STEP; want <= bytes && n >= 0; want += STEP)
		n = ringline_conn_peek_at_least(c, want, &data);
	return n > 0 ? (uint64_t)n : 0;
}

static int run_library(void *arg)
{
	struct run *r = arg;
	struct ringline_conn *c;
	int e = ringline_conn_from_fd(&c, r->fd);

	if (e < 0)
		return e;
	r->wall = now(CLOCK_MONOTONIC);
	r->cpu = now(CLOCK_THREAD_CPUTIME_ID);
	r->total = r->grow ? grow_all(c, r->bytes) : recv_all(c);
	r->cpu = now(CLOCK_THREAD_CPUTIME_ID) - r->cpu;
	r->wall = now(CLOCK_MONOTONIC) - r->wall;
	return ringline_conn_close(c);
}

static void run_raw(struct run *r)
{
	r->wall = now(CLOCK_MONOTONIC);
	r->cpu = now(CLOCK_THREAD_CPUTIME_ID);
	r->total = r->grow ? grow_raw(r->fd, r->bytes) : recv_raw(r->fd);
	r->cpu = now(CLOCK_THREAD_CPUTIME_ID) - r->cpu;
	r->wall = now(CLOCK_MONOTONIC) - r->wall;
	close(r->fd);
}

static int receive(bool grow, const char *engine, uint64_t bytes)
{
	struct ringline_config c = RINGLINE_CONFIG_INIT;
	struct source s = { .bytes = bytes };
	struct run r = { .bytes = bytes, .grow = grow };
	int listener = listen_any(&s.port);
	pthread_t t;
	int e = 0;

	pin(0);
	pthread_create(&t, NULL, run_source, &s);
	r.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (r.fd < 0)
		die("accept");
	c.backend = strcmp(engine, "epoll") ? RINGLINE_BACKEND_IO_URING : RINGLINE_BACKEND_EPOLL;
	if (!strcmp(engine, "raw"))
		run_raw(&r);
	else
		e = ringline_run(&c, run_library, &r);
	pthread_join(t, NULL);
	if (e || r.total < bytes) {
		fprintf(stderr, "stream: error %d after %llu bytes\n", e, (unsigned long long)r.total);
		return 1;
	}
	printf("bytes=%llu\ncpu_ns=%.0f\nwall_ns=%.0f\n", (unsigned long long)r.total, r.cpu, r.wall);
	return 0;
}

/* Sink and push */

static void *answer(void *arg)
{
	int fd = (int)(intptr_t)arg;
	uint64_t total = 0;
	char *data = malloc(CHUNK);
	ssize_t n;

	while ((n = recv(fd, data, CHUNK, 0)) > 0)
		total += (uint64_t)n;
	if (send(fd, &total, sizeof(total), MSG_NOSIGNAL) != sizeof(total))
		perror("answer");
	free(data);
	close(fd);
	return NULL;
}

static _Noreturn void sink(void)
{
	uint16_t port;
	int listener = listen_any(&port);

	printf("listening on tcp:127.0.0.1:%u\n", port);
	fflush(stdout);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		pthread_t t;

		if (fd < 0)
			die("accept");
		pthread_create(&t, NULL, answer, (void *)(intptr_t)fd);
		pthread_detach(t);
	}
}

/* User and system time of a process and all its threads, nanoseconds. */
static double cpu_of(const char *pid)
{
	unsigned long long user = 0;
	unsigned long long system = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2)
		die(path);
	fclose(f);
	return (double)(user + system) * 1e9 / (double)sysconf(_SC_CLK_TCK);
}

static int push(const char *address, uint64_t bytes, const char *pid)
{
	int fd = connect_to((uint16_t)atoi(strrchr(address, ':') + 1));
	double cpu = cpu_of(pid);
	double start = now(CLOCK_MONOTONIC);
	uint64_t told = 0;

	push_bytes(fd, bytes);
	shutdown(fd, SHUT_WR);
	if (recv(fd, &told, sizeof(told), MSG_WAITALL) != sizeof(told) || told != bytes) {
		fprintf(stderr, "stream: %llu bytes sent, %llu arrived\n", (unsigned long long)bytes, (unsigned long long)told);
		return 1;
	}
	printf("bytes=%llu\nwall_ns=%.0f\ncpu_ns=%.0f\n", (unsigned long long)bytes, now(CLOCK_MONOTONIC) - start,
	       cpu_of(pid) - cpu);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "sink"))
		sink();
	if (argc == 5 && !strcmp(argv[1], "push"))
		return push(argv[2], strtoull(argv[3], NULL, 10), argv[4]);
	if (argc == 4 && (!strcmp(argv[1], "recv") || !strcmp(argv[1], "grow")))
		return receive(argv[1][0] == 'g', argv[2], strtoull(argv[3], NULL, 10));
	fputs("stream: see the source\n", stderr);
	return 2;
}
