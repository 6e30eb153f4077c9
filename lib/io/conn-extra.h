/* SPDX-License-Identifier: MIT */
/*
 * What only some connections have: limits and timeouts of their own, received descriptors, a place in a listener's count,
 * the scratch of vectored sends, a close that takes time.
 *
 * Allocated when the first of it is set, so that a connection that uses none of it pays a pointer.
 *
 * Two kinds of timeout. One bounds what a single call may wait (read, write): a timer of the call's. The other bounds how
 * long nothing may move (idle): a timer of the connection's that looks, when it fires, whether something has moved since it
 * was armed, so that traffic costs it nothing but a time stamp.
 */
#ifndef RLN_IO_CONN_EXTRA_H
#define RLN_IO_CONN_EXTRA_H

#include "core/timer.h"
#include "io/conn.h"

struct rln_crowd;
struct rln_crowd_place;
struct rln_send_batch;
struct rln_zero_copy;

enum rln_conn_limit {
	RLN_LIMIT_READ,
	RLN_LIMIT_WRITE,
	RLN_LIMIT_IDLE,
	RLN_LIMIT_CLOSE,
	RLN_LIMITS
};

struct rln_conn_extra {
	struct ringline_conn *conn;
	uint64_t timeout[RLN_LIMITS];     /* nanoseconds; 0: none, or the configured one */
	size_t input_limit;               /* 0: the configured one */
	size_t output_limit;
	struct rln_timer linger;          /* how long a graceful close may take */
	struct rln_timer idle;
	uint64_t moved;                   /* when bytes last did */
	int unsent;                       /* bytes the kernel had to send when the idle timer last looked */
	struct rln_send_batch *batch;     /* scratch of a vectored send (conn-send.c); NULL while not needed */
	struct rln_zero_copy *zero_copy;  /* the send under way, while the connection says so */
	struct rln_fds *fds;              /* received descriptors (conn-fds.c); NULL: not wanted */
	struct rln_crowd *crowd;          /* where the connection counts (crowd.h); NULL: nowhere */
	struct rln_crowd_place *place;
};

/* The connection's, made if there is none yet. NULL: no memory. */
struct rln_conn_extra *rln_conn_extra(struct ringline_conn *c) rln_must_check;

/* The connection closes: timers stop, and what is held goes. Then the memory. */
void rln_conn_extra_end(struct ringline_conn *c);
void rln_conn_extra_free(struct ringline_conn *c);

/* Starts anew to count how long nothing moves. 0 or -ENOMEM. */
int rln_conn_idle_restart(struct ringline_conn *c);

/* How long a graceful close may take, nanoseconds. */
uint64_t rln_conn_close_timeout(const struct ringline_conn *c);

/*
 * Parks until *w*, which is armed on *source* (NULL: on none), has fired, or that limit of the connection's passes: -ETIMEDOUT,
 * like the other cuts. The wait is armed again then, for whoever has to wait until what it waited for has come to its end.
 */
int rln_conn_park_limited(struct ringline_conn *c, struct rln_parker *p, struct rln_wait *w, struct rln_source *source,
                          enum rln_conn_limit limit);

static inline int rln_conn_park(struct ringline_conn *c, struct rln_parker *p, struct rln_wait *w, struct rln_source *source,
                                enum rln_conn_limit limit)
{
	if (rln_likely(!c->extra || !c->extra->timeout[limit]))
		return rln_park(p);
	return rln_conn_park_limited(c, p, w, source, limit);
}

static inline size_t rln_conn_input_limit(const struct ringline_conn *c)
{
	return c->extra && c->extra->input_limit ? c->extra->input_limit : c->io->config.input_limit;
}

static inline size_t rln_conn_output_limit(const struct ringline_conn *c)
{
	return c->extra && c->extra->output_limit ? c->extra->output_limit : c->io->config.output_limit;
}

/* Bytes have moved. */
static inline void rln_conn_moved(struct ringline_conn *c)
{
	if (rln_unlikely(c->extra))
		c->extra->moved = c->io->exec->now;
}

static inline void rln_conn_count_sent(struct ringline_conn *c, size_t n)
{
	c->bytes_sent += n;
	rln_stat_add(&c->io->stats.bytes_sent, n);
	rln_conn_moved(c);
}

static inline void rln_conn_count_received(struct ringline_conn *c, size_t n)
{
	c->bytes_received += n;
	rln_stat_add(&c->io->stats.bytes_received, n);
	rln_io_heard(c->io);
	rln_conn_moved(c);
}

#endif
