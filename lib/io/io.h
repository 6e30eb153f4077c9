/* SPDX-License-Identifier: MIT */
/*
 * What the connections and listeners of one worker share: tables, limits, counters.
 *
 * Stopping is driven by the runtime: rln_io_stop_accepting() closes the listeners, rln_io_close_all() closes gracefully
 * what no task will close any more, and ends watches, timers and listeners that nobody has ended, rln_io_abort_all() cuts off what is still open. The worker may end once rln_io_idle().
 */
#ifndef RLN_IO_IO_H
#define RLN_IO_IO_H

#include <stdatomic.h>

#include "base/list.h"
#include "base/slab.h"
#include "core/executor.h"
#include "io/clock.h"

struct ringline_fd_watch;

struct rln_io_config {
	uint32_t max_connections;         /* 0: no limit */
	uint64_t input_limit;             /* bytes buffered per connection before it stops receiving */
	uint64_t close_timeout;           /* nanoseconds a graceful close may take */
};

/* Written by the owner, read by anyone (relaxed). */
struct rln_io_stats {
	_Atomic uint64_t accepted;
	_Atomic uint64_t accept_errors;   /* accept failed for want of descriptors or memory */
	_Atomic uint64_t refused;         /* accepted and closed at once: no memory for it */
	_Atomic uint64_t connected;
	_Atomic uint64_t closed;
	_Atomic uint64_t aborted;         /* of these, cut off by an abort or the close timeout */
	_Atomic uint64_t bytes_received;
	_Atomic uint64_t bytes_sent;
	_Atomic uint64_t bytes_copied;    /* received bytes moved out of scarce receive buffers */
	_Atomic uint64_t open;            /* a gauge: connections that hold a descriptor */
	_Atomic uint64_t throttled;       /* times a connection stopped receiving at its input limit */
};

struct rln_io {
	struct rln_exec *exec;
	struct rln_slab conns;            /* struct ringline_conn */
	struct rln_slab segments;         /* struct rln_segment */
	struct rln_slab lent_sends;       /* struct rln_lent_send */
	struct rln_list open;             /* ringline_conn.link: connections that hold a descriptor */
	struct rln_list listeners;        /* rln_listener.link */
	struct rln_list held;             /* rln_segment.held: unread bytes in the backend's buffers */
	struct rln_slab takers;           /* struct ringline_listener */
	struct rln_slab timers;           /* struct ringline_timer */
	struct rln_alarm_clock realtime;
	struct rln_alarm_clock boottime;
	struct rln_slab watches;          /* struct ringline_fd_watch */
	struct ringline_fd_watch **watch_by_fd;
	uint32_t nwatch_by_fd;
	int probe_fd;                     /* an epoll descriptor that tells what can be polled; -1: not needed yet */
	uint32_t nopen;
	struct rln_io_config config;
	struct rln_io_stats stats;
};

void rln_io_init(struct rln_io *io, struct rln_exec *x, const struct rln_io_config *config);

/* No connection may be open; listeners that never accepted are dropped. Handles that the host never dropped are counted, logged and freed. */
void rln_io_fini(struct rln_io *io);

bool rln_io_idle(const struct rln_io *io);
void rln_io_start_accepting(struct rln_io *io);
void rln_io_stop_accepting(struct rln_io *io);
void rln_io_close_all(struct rln_io *io);
void rln_io_abort_all(struct rln_io *io);

/* A descriptor was given back: listeners that paused at a limit may go on. */
void rln_io_descriptor_freed(struct rln_io *io);

static inline struct rln_io *rln_io_current(void)
{
	return rln_exec_current->io;
}

#endif
