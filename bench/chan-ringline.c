/* SPDX-License-Identifier: MIT */
/*
 * Channels between workers.
 *
 *     chan-ringline stream COUNT       elements from a task of one worker to a task of another, 64 slots
 *     chan-ringline ping-pong COUNT    there and back, one at a time
 *
 * Prints the engine that ran, and passes per second.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ringline/ringline.h>

struct bench {
	struct ringline_runtime *rt;
	struct ringline_chan *there;
	struct ringline_chan *back;
	uint64_t count;
	uint64_t started;
	uint64_t ended;
};

static struct bench b;

static void must(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "chan-ringline: %s: %s\n", what, strerror(-r));
	exit(1);
}

static int sends(void *arg)
{
	uint64_t i;

	(void)arg;
	b.started = ringline_now();
	for (i = 0; i < b.count; i++)
		must(ringline_chan_send(b.there, &i), "send");
	return ringline_chan_close(b.there);
}

static int receives(void *arg)
{
	uint64_t sum = 0;
	uint64_t v;

	(void)arg;
	while (ringline_chan_recv(b.there, &v) == 0)
		sum += v;
	must(sum == b.count * (b.count - 1) / 2 ? 0 : -1, "the sum");
	b.ended = ringline_now();
	return ringline_runtime_shutdown(b.rt);
}

static int serves(void *arg)
{
	uint64_t i;
	uint64_t v;

	(void)arg;
	b.started = ringline_now();
	for (i = 0; i < b.count; i++) {
		must(ringline_chan_send(b.there, &i), "send");
		must(ringline_chan_recv(b.back, &v), "receive");
		must(v == i ? 0 : -1, "the value");
	}
	b.ended = ringline_now();
	must(ringline_chan_close(b.there), "close");
	return ringline_runtime_shutdown(b.rt);
}

static int answers(void *arg)
{
	uint64_t v;

	(void)arg;
	while (ringline_chan_recv(b.there, &v) == 0)
		must(ringline_chan_send(b.back, &v), "send back");
	return 0;
}

static struct ringline_chan *chan(uint32_t slots)
{
	struct ringline_chan_options o = RINGLINE_CHAN_OPTIONS_INIT;
	struct ringline_chan *c;

	o.flags = RINGLINE_CHAN_SHARED;
	must(ringline_chan_new(&c, sizeof(uint64_t), slots, &o), "channel");
	return c;
}

int main(int argc, char **argv)
{
	struct ringline_config config = RINGLINE_CONFIG_INIT;
	int stream = argc == 3 && !strcmp(argv[1], "stream");
	double seconds;

	if (argc != 3 || (!stream && strcmp(argv[1], "ping-pong")))
		return 2;
	config.workers = 2;
	b.count = strtoull(argv[2], NULL, 10);
	b.there = chan(stream ? 64 : 1);
	b.back = chan(1);
	must(ringline_runtime_new(&b.rt, &config), "runtime");
	must(ringline_runtime_start(b.rt), "start");
	must(ringline_worker_spawn(b.rt, 0, stream ? receives : answers, NULL), "spawn");
	must(ringline_worker_spawn(b.rt, 1, stream ? sends : serves, NULL), "spawn");
	must(ringline_runtime_join(b.rt), "join");
	seconds = (double)(b.ended - b.started) / 1e9;
	printf("engine=%s\nper_second=%.0f\n", ringline_runtime_backend(b.rt), (double)b.count / seconds);
	must(ringline_chan_unref(b.there), "free");
	must(ringline_chan_unref(b.back), "free");
	must(ringline_runtime_free(b.rt), "free");
	return 0;
}
