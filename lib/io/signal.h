/* SPDX-License-Identifier: MIT */
/*
 * Subscriptions to signals, and the port through which a worker hears of them.
 *
 * A worker with subscriptions has one signalfd, for the signals of all of them, a poll operation on it, and one listener in the
 * exchange (base/signals.h). Whoever reads a signal, this worker or another, puts it into the queue of each subscription, under
 * the exchange's lock, and posts a message to the worker; that wakes those who wait.
 *
 *     signalfd readable --poll--> read, tell all --hear()--> queues, message --deliver--> readers
 *
 * What the lock is over: the list of subscriptions, their queues, `posted`. All else is the worker's.
 */
#ifndef RLN_IO_SIGNAL_H
#define RLN_IO_SIGNAL_H

#include "base/signals.h"
#include "base/slab.h"
#include "core/op.h"
#include "core/wait.h"
#include "core/waker.h"
#include "io/io.h"

struct ringline_signal {
	struct rln_slot slot;
	struct rln_list link;             /* rln_signal_port.subs */
	struct rln_io *io;
	sigset_t set;
	struct rln_source readers;
	struct signalfd_siginfo *queue;   /* a ring */
	uint32_t room;                    /* of it */
	uint32_t first;
	uint32_t n;
	uint32_t nqueued;                 /* real-time signals among them */
	uint32_t limit;                   /* of those */
	sigset_t pending;                 /* standard signals in the queue: each is there once */
	uint64_t lost;                    /* since the last one was read */
};

struct rln_signal_port {
	struct rln_op poll;
	struct rln_signal_listener listener;
	struct rln_msg msg;
	struct rln_io *io;
	struct rln_list subs;             /* ringline_signal.link */
	int fd;
	bool posted;                      /* msg is under way */
	bool ended;                       /* the worker stops */
};

void rln_signals_init(struct rln_io *io);
void rln_signals_fini(struct rln_io *io);

/* The worker stops: nothing is heard any more. */
void rln_signals_end_all(struct rln_io *io);

#endif
