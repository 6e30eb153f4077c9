/* SPDX-License-Identifier: MIT */
/*
 * pipeline [-w WORKERS] N: counts the primes below N, on all workers.
 *
 * Three stages with channels between them. The first cuts the numbers into ranges; the second, one task on each worker, counts
 * the primes of a range; the third adds up. The channels are bounded and shared: the first stage waits when the others are
 * behind, a worker that is done sooner takes the next range sooner, and closing a channel ends the stage behind it.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ringline/ringline.h>

#define RANGE 10000u

struct range {
	uint64_t from;
	uint64_t to;
};

struct pipeline {
	uint64_t limit;
	struct ringline_chan *ranges;
	struct ringline_chan *counts;
	_Atomic uint32_t counting;        /* tasks of the second stage that go on */
	uint64_t primes;
};

static struct pipeline p;

/* The first stage, on the first worker. */
static int cut(void)
{
	struct range r;
	int error = 0;

	for (r.from = 2; r.from < p.limit && error == 0; r.from = r.to) {
		r.to = p.limit - r.from < RANGE ? p.limit : r.from + RANGE;
		error = ringline_chan_send(p.ranges, &r);
	}
	ringline_chan_close(p.ranges);
	return error;
}

static int is_prime(uint64_t n)
{
	uint64_t d;

	for (d = 2; d * d <= n; d++)
		if (n % d == 0)
			return 0;
	return 1;
}

/* The second: a range takes long, so the worker's other tasks have a turn now and then. */
static int count(void)
{
	struct range r;
	int error;

	while ((error = ringline_chan_recv(p.ranges, &r)) == 0) {
		uint64_t primes = 0;
		uint64_t n;

		for (n = r.from; n < r.to; n++) {
			primes += (uint64_t)is_prime(n);
			if (n % 1000 == 0 && (error = ringline_checkpoint()) < 0)
				return error;
		}
		error = ringline_chan_send(p.counts, &primes);
		if (error < 0)
			return error;
	}
	return error == -EPIPE ? 0 : error;
}

static int counts(void *arg)
{
	int error = count();

	(void)arg;
	if (--p.counting == 0)
		ringline_chan_close(p.counts);
	return error;
}

/* The third, and the end. */
static int add(void *arg)
{
	uint64_t primes;

	(void)arg;
	while (ringline_chan_recv(p.counts, &primes) == 0)
		p.primes += primes;
	return ringline_runtime_shutdown(ringline_runtime_current());
}

/* On each worker. */
static int start(void *arg)
{
	int r = ringline_spawn(counts, NULL);

	if (r == 0 && ringline_worker_index() == 0) {
		r = ringline_spawn(add, arg);
		if (r == 0)
			r = cut();
	}
	return r;
}

static int shared_chan(struct ringline_chan **ret, size_t size)
{
	struct ringline_chan_options o = RINGLINE_CHAN_OPTIONS_INIT;

	o.flags = RINGLINE_CHAN_SHARED;
	return ringline_chan_new(ret, size, 16, &o);
}

static int run(struct ringline_runtime *rt)
{
	int r = shared_chan(&p.ranges, sizeof(struct range));

	if (r == 0)
		r = shared_chan(&p.counts, sizeof(uint64_t));
	if (r == 0)
		r = ringline_runtime_on_start(rt, start, NULL);
	p.counting = ringline_runtime_workers(rt);
	return r < 0 ? r : ringline_runtime_run(rt);
}

int main(int argc, char **argv)
{
	struct ringline_config config = RINGLINE_CONFIG_INIT;
	struct ringline_runtime *rt;
	int option;
	int r;

	while ((option = getopt(argc, argv, "w:")) == 'w')
		config.workers = (uint32_t)strtoul(optarg, NULL, 10);
	if (option != -1 || optind + 1 != argc || !(p.limit = strtoull(argv[optind], NULL, 10))) {
		fprintf(stderr, "usage: %s [-w WORKERS] N\n", argv[0]);
		return 2;
	}
	r = ringline_runtime_new(&rt, &config);
	if (r == 0) {
		r = run(rt);
		ringline_chan_unref(p.ranges);
		ringline_chan_unref(p.counts);
		ringline_runtime_free(rt);
	}
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", argv[0], strerror(-r));
		return 1;
	}
	printf("%llu\n", (unsigned long long)p.primes);
	return 0;
}
