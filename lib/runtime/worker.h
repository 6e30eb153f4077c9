/* SPDX-License-Identifier: MIT */
/*
 * A worker: an executor, a backend and the connections on it, bound to one thread.
 *
 *     rln_worker_open()   on the thread: makes everything that may fail
 *     rln_worker_loop()   turns until it was told to stop and nothing is left
 *     rln_worker_close()  frees
 *
 * Stopping: the runtime raises its stop level and wakes the worker, which looks at the level after every turn.
 *
 *     RUN --drain--> listeners closed, tasks cut --drain timeout, or force--> shields down, connections aborted
 *
 * Other threads reach a worker through the door of its executor only (core/waker.h).
 */
#ifndef RLN_RUNTIME_WORKER_H
#define RLN_RUNTIME_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/backend.h"
#include "core/executor.h"
#include "core/waker.h"
#include "io/io.h"
#include "runtime/service.h"
#include "runtime/watch.h"

struct ringline_runtime;

enum rln_stop {
	RLN_RUN,
	RLN_DRAIN,
	RLN_FORCE,
};

struct rln_worker {
	struct rln_exec exec;
	struct rln_io io;
	struct ringline_runtime *rt;
	uint32_t index;
	int32_t cpu;                      /* to pin to; -1: none */
	pthread_t thread;
	struct rln_timer drain_timer;
	enum rln_stop stopping;           /* how far this worker has got */
	_Atomic uint32_t incoming;        /* connections that others are handing over to it */
	_Atomic bool full;                /* it wants to be told when another one has room */
	_Atomic bool room_posted;         /* `room` is on its way */
	struct rln_msg room;
	struct rln_backend_stats final;   /* the backend's counters when it was closed */
	void *signal_stack;               /* for handlers (watch.h); NULL: none */
	struct rln_snapshot snapshot;
	struct rln_probe probe;
	_Atomic uint64_t probes;          /* answered */
	_Atomic uint64_t stalls;          /* tasks that the watchdog has reported */
};

/* Everything a worker needs, on the calling thread. On failure nothing is left. */
int rln_worker_open(struct rln_worker *w) rln_must_check;

/* Follows the runtime's stop level. True when nothing is left to wait for. */
bool rln_worker_stopped(struct rln_worker *w);

/* Runs until the runtime stops. 0 or the backend's -errno. */
int rln_worker_loop(struct rln_worker *w);

void rln_worker_close(struct rln_worker *w);

/*
 * Ends a worker whose backend broke with operations in flight: the kernel may still write to the memory they name, so
 * nothing is freed, and neither can the runtime be.
 */
void rln_worker_abandon(struct rln_worker *w);

#endif
