/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the load generator share.
 *
 *     load.c           options, and the run that ends by itself
 *     load-slices.c    the run that is told by commands when to load and when to be quiet
 *     load-rounds.c    connections, rounds, and whether the bytes are right
 *     load-latency.c   percentiles
 *     load-epoll.c     the engine that moves bytes by plain system calls
 *
 * A round is what one connection sends at once, and all of it coming back.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define LOAD_CHUNK (256 * 1024)

struct connection {
	int fd;
	uint32_t index;
	uint64_t offset;          /* bytes of the stream before the present round */
	size_t sent;              /* of the round */
	size_t received;
	uint64_t started;         /* of the round, nanoseconds */
};

/* How bytes are moved. Each function returns false after load_fail(). */
struct engine {
	const char *name;
	bool (*open)(void);
	bool (*add)(struct connection *c);
	/* Sends what is left of the round, now or when there is room. */
	bool (*send)(struct connection *c);
	/* Waits for at most *ms* milliseconds, and tells load_received() of what came. */
	bool (*wait)(int ms);
};

extern const struct engine load_epoll;

struct load {
	/* options */
	struct sockaddr_storage address;
	socklen_t address_len;
	uint32_t connections;
	size_t size;
	uint32_t depth;
	double seconds;
	uint64_t max_requests;
	long pid;
	long softirq_pid;
	bool churn;
	bool slices;

	/* now */
	const struct engine *engine;
	bool look;                /* compare the bytes; else they are only counted, and where it can be not even copied */
	bool stopping;            /* begin no round */
	uint32_t in_flight;       /* rounds */
	uint64_t progress;        /* when a round ended last */

	/* since load_reset() */
	uint64_t requests;
	uint64_t bytes;
	uint64_t bytes_verified;
	uint64_t errors;
};

extern struct load load;

/* What a run came to. The times are CPU times of processes. */
struct result {
	uint64_t wall_ns;
	uint64_t server_ns;
	uint64_t softirq_ns;
	uint64_t load_ns;
};

uint64_t load_now(void);
bool load_fail(const char *what, int error);

/* load-rounds.c */
bool load_prepare(void);
size_t load_round_size(void);
const unsigned char *load_expected(const struct connection *c, uint64_t offset);
bool load_received(struct connection *c, const unsigned char *data, size_t n);
bool load_open(void);
bool load_run(double seconds, uint64_t max_requests, struct result *result);

/* load-slices.c */
int load_slices(void);

/* load-latency.c */
void latency_reset(void);
void latency_note(uint64_t ns, uint32_t weight);
double latency_percentile_us(double p);

#endif
