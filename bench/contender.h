/* SPDX-License-Identifier: MIT */
/*
 * What the echo servers of the benchmark share, so that they differ in their loops only: one option, one way to listen,
 * one way to end. They have one thread each.
 *
 *     -l ADDRESS   tcp:ADDRESS:PORT (IPv4), udp:ADDRESS:PORT, unix:PATH or unix:@NAME; port 0 picks one [tcp:127.0.0.1:0]
 *
 * A server prints "listening on ADDRESS" with the real port when it accepts, and ends with 0 at SIGTERM or SIGINT. Bad
 * options end it with 2, anything else that fails with 1.
 */
#ifndef BENCH_CONTENDER_H
#define BENCH_CONTENDER_H

#include <stdbool.h>
#include <stddef.h>

/* What a stream reads at once: as much as libuv suggests. */
#define CONTENDER_READ_SIZE (64 * 1024)

#define CONTENDER_BACKLOG   4096

struct contender {
	int fd;                   /* the listening socket */
	bool local;               /* it is a unix socket */
	bool datagrams;           /* it is a UDP socket, and does not listen */
	char address[160];        /* as it is announced */
};

/*
 * Takes the options, listens with *flags* (SOCK_NONBLOCK or 0), ignores SIGPIPE and lifts the limit of descriptors.
 * TCP_NODELAY is set on the listener: connections inherit it. Ends the process if something fails.
 */
void contender_start(struct contender *c, int argc, char **argv, int flags);

/* Blocks SIGTERM and SIGINT and returns a descriptor that is readable when one has come. For those without a library. */
int contender_signals(void);

/* Tells the world. */
void contender_announce(const struct contender *c);

/* Removes what the listener left in the file system, and closes it unless somebody else did: then fd is -1. */
void contender_end(struct contender *c);

/* "NAME: WHAT: the text of *error*" on standard error, then exit(1). */
_Noreturn void contender_die(const char *what, int error);

/* Memory (more of it if *old* is not NULL), or the end. */
void *contender_alloc(void *old, size_t count, size_t size);

/* For loops that tell when a socket is ready: one that waits, and what its peer is owed. All zero to begin with. */
struct contender_stream {
	unsigned char *owed;      /* NULL unless the peer did not take all */
	size_t sent;
	size_t size;
};

enum contender_wish { CONTENDER_READ, CONTENDER_WRITE, CONTENDER_CLOSE };

/*
 * Serves a non-blocking socket that is ready for what was wished last, CONTENDER_READ at first, and returns what to wait
 * for now. A message costs two calls: what there is goes into one buffer that all streams share and that therefore stays
 * in the cache, and is sent at once; it does not ask whether there is more. What the peer does not take is copied, and
 * nothing is read until it has. After CONTENDER_CLOSE the stream holds nothing.
 */
enum contender_wish contender_serve(struct contender_stream *s, int fd);

/* Accepts a non-blocking connection; -1 if there is none now. Without free descriptors it waits a little, not to spin. */
int contender_accept(int fd);

#endif
