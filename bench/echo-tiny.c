/* SPDX-License-Identifier: MIT */
/*
 * The echo example with queues so small that every limit is met all the time: four submission and eight completion entries,
 * two receive buffers of 4 KiB. Not for its speed: no byte may be lost and nobody may be forgotten.
 *
 *     echo-tiny -l ADDRESS
 */
#include <stdio.h>
#include <string.h>

#include <ringline/ringline.h>

static char bound[RINGLINE_ADDRESS_SIZE];

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

static int announce(void *arg)
{
	(void)arg;
	printf("listening on %s\n", bound);
	fflush(stdout);
	return 0;
}

static int run(struct ringline_runtime *rt, const char *address)
{
	struct ringline_worker_stats stats = RINGLINE_WORKER_STATS_INIT;
	uint64_t received = 0;
	int r = ringline_runtime_listen(rt, bound, address, echo, NULL, NULL);

	if (r == 0)
		r = ringline_runtime_on_start(rt, announce, NULL);
	if (r == 0)
		r = ringline_runtime_run(rt);
	if (r == 0)
		r = ringline_worker_stats(rt, 0, &stats);
	if (r == 0)
		r = ringline_worker_op_count(rt, 0, "recv_pool", "io_uring", &received);
	fprintf(stderr, "engine=%s\nstarved=%llu\nsubmission_flushes=%llu\ncompletion_overflows=%llu\n",
	        received ? "io_uring" : "none", (unsigned long long)stats.starved,
	        (unsigned long long)stats.submission_flushes, (unsigned long long)stats.completion_overflows);
	return r;
}

int main(int argc, char **argv)
{
	struct ringline_config config = RINGLINE_CONFIG_INIT;
	struct ringline_runtime *rt;
	int r;

	if (argc != 3 || strcmp(argv[1], "-l")) {
		fprintf(stderr, "usage: %s -l ADDRESS\n", argv[0]);
		return 2;
	}
	config.backend = RINGLINE_BACKEND_IO_URING;
	config.workers = 1;
	config.submission_entries = 4;
	config.completion_entries = 8;
	config.receive_buffers = 2;
	config.receive_buffer_size = 4096;
	config.receive_buffer_limit = 8192;
	r = ringline_runtime_new(&rt, &config);
	if (r < 0)
		return 1;
	r = run(rt, argv[2]);
	if (r < 0)
		fprintf(stderr, "%s: %s\n", argv[0], strerror(-r));
	ringline_runtime_free(rt);
	return r < 0;
}
