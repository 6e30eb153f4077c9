/* SPDX-License-Identifier: MIT */
/*
 * What the packages are tried with: a server and its client in one process, on the engine that is named, or on the one the
 * library chooses. Sends a megabyte, compares every byte that comes back, and prints which engine did it.
 *
 *     round-trip [io_uring|epoll]
 */
#include <ringline/ringline.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOTAL (1024u * 1024u)
#define CHUNK 16384u

static char address[RINGLINE_ADDRESS_SIZE];
static char sent[CHUNK];
static char received[CHUNK];

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

static int compare(struct ringline_conn *conn)
{
	unsigned done;

	for (done = 0; done < TOTAL; done += CHUNK) {
		ssize_t n;

		memset(sent, (int)(1 + done / CHUNK), CHUNK);
		n = ringline_conn_send(conn, sent, CHUNK);
		if (n >= 0)
			n = ringline_conn_recv_exact(conn, received, CHUNK);
		if (n != (ssize_t)CHUNK || memcmp(sent, received, CHUNK) != 0) {
			fprintf(stderr, "round-trip: wrong after %u bytes: %zd\n", done, n);
			return -1;
		}
	}
	return 0;
}

static int client(void *arg)
{
	struct ringline_runtime *rt = arg;
	struct ringline_conn *conn;
	int r;

	r = ringline_connect(&conn, address, NULL);
	if (r == 0) {
		r = compare(conn);
		ringline_conn_close(conn);
	}
	ringline_runtime_shutdown(rt);
	return r;
}

int main(int argc, char **argv)
{
	struct ringline_config config = RINGLINE_CONFIG_INIT;
	struct ringline_runtime *rt;
	int r;

	if (argc > 1)
		config.backend = strcmp(argv[1], "epoll") == 0 ? RINGLINE_BACKEND_EPOLL : RINGLINE_BACKEND_IO_URING;
	config.workers = 1;

	r = ringline_runtime_new(&rt, &config);
	if (r < 0) {
		fprintf(stderr, "round-trip: %s\n", strerror(-r));
		return 1;
	}
	r = ringline_runtime_listen(rt, address, "tcp:127.0.0.1:0", echo, NULL, NULL);
	if (r == 0)
		r = ringline_runtime_on_start(rt, client, rt);
	if (r == 0)
		r = ringline_runtime_run(rt);
	if (r == 0)
		printf("libringline %s on %s: %u bytes there and back\n", ringline_version(), ringline_runtime_backend(rt), TOTAL);
	else
		fprintf(stderr, "round-trip: %s\n", strerror(-r));
	ringline_runtime_free(rt);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
