/* SPDX-License-Identifier: MIT */
/*
 * An echo server for datagrams: each worker has a socket of its own on the same port, and answers as many datagrams at a time
 * as there are.
 *
 *     udp-echo [-l udp:ADDRESS:PORT] [-b auto|io_uring|epoll] [-1]
 *
 * With -1 it receives and answers one by one, which is simpler and takes more time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ringline/ringline.h>

#define BATCH 32

static const char *address = "udp:127.0.0.1:7878";
static char bound[RINGLINE_ADDRESS_SIZE];
static int one_by_one;

static int open_socket(struct ringline_dgram **sock, const char *where)
{
	struct ringline_dgram_options options = RINGLINE_DGRAM_OPTIONS_INIT;

	options.flags = RINGLINE_DGRAM_SHARE_PORT;
	return ringline_dgram_open(sock, bound, where, &options);
}

static int echo_each(struct ringline_dgram *sock)
{
	struct ringline_sockaddr peer;
	static __thread char buf[65536];
	ssize_t n;

	do {
		n = ringline_dgram_recv_from(sock, buf, sizeof(buf), &peer);
		if (n >= 0 && ringline_dgram_send_to(sock, buf, (size_t)n, &peer) < 0)
			continue;         /* it is lost, as datagrams are */
	} while (n >= 0 || n == -ECONNREFUSED || n == -EHOSTUNREACH);
	return ringline_dgram_close(sock);
}

static int echo(struct ringline_dgram *sock)
{
	struct ringline_dgram_msg msgs[BATCH];
	ssize_t n;

	if (one_by_one)
		return echo_each(sock);
	while ((n = ringline_dgram_recv_batch(sock, msgs, BATCH, sizeof(*msgs))) > 0) {
		ssize_t done = 0;

		if (msgs[0].result)       /* what the network says of an answer concerns its peer alone */
			continue;
		while (done < n) {
			ssize_t sent = ringline_dgram_send_batch(sock, msgs + done, (size_t)(n - done), sizeof(*msgs));

			done += sent > 0 ? sent : 1;   /* an answer that cannot be sent is lost, as datagrams are */
		}
	}
	return ringline_dgram_close(sock);
}

/* The other workers' sockets have the port that the first one got. */
static int serve(void *arg)
{
	struct ringline_dgram *sock;
	int r;

	(void)arg;
	r = open_socket(&sock, bound);
	return r < 0 ? r : echo(sock);
}

static int serve_first(void *arg)
{
	struct ringline_runtime *rt = arg;
	struct ringline_dgram *sock;
	uint32_t i;
	int r;

	if (ringline_worker_index() != 0)
		return 0;
	r = open_socket(&sock, address);
	for (i = 1; r == 0 && i < ringline_runtime_workers(rt); i++)
		r = ringline_worker_spawn(rt, i, serve, NULL);
	if (r < 0)
		return r;
	printf("listening on %s\n", bound);
	fflush(stdout);
	return echo(sock);
}

static int parse_backend(const char *name, uint32_t *backend)
{
	static const char *const names[] = { "auto", "io_uring", "epoll" };
	uint32_t i;

	for (i = 0; i < 3; i++)
		if (!strcmp(name, names[i])) {
			*backend = i;
			return 0;
		}
	return -1;
}

int main(int argc, char **argv)
{
	struct ringline_config config = RINGLINE_CONFIG_INIT;
	struct ringline_runtime *rt;
	int bad = 0;
	int c;
	int r;

	while ((c = getopt(argc, argv, "l:b:1")) != -1) {
		if (c == 'l')
			address = optarg;
		else if (c == '1')
			one_by_one = 1;
		else
			bad |= c != 'b' || parse_backend(optarg, &config.backend) < 0;
	}
	if (bad || optind < argc) {
		fprintf(stderr, "usage: udp-echo [-l udp:ADDRESS:PORT] [-b auto|io_uring|epoll] [-1]\n");
		return 2;
	}
	r = ringline_runtime_new(&rt, &config);
	if (r == 0)
		r = ringline_runtime_on_start(rt, serve_first, rt);
	if (r == 0)
		r = ringline_runtime_run(rt);
	if (r < 0)
		fprintf(stderr, "udp-echo: %s\n", strerror(-r));
	return r < 0;
}
