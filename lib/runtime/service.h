/* SPDX-License-Identifier: MIT */
/*
 * A runtime that tells the service manager how it is (RINGLINE_CONFIG_SERVICE).
 *
 * The watchdog is told that all is well only when it is: twice per interval each worker is sent a question, which its loop
 * answers between two turns, and whoever answers last tells the manager.
 *
 *     timer of worker 0 --> a question to each worker --> the last answer --> WATCHDOG=1
 *          | an answer is missing: the log names the worker, and no new question is asked
 *
 * So a worker that is held by a task, or whose loop stands, keeps the manager from being told; and worker 0 itself does by not
 * asking. The first question is asked when the runtime has started, the last one before it drains.
 */
#ifndef RLN_RUNTIME_SERVICE_H
#define RLN_RUNTIME_SERVICE_H

#include <stdatomic.h>

#include "core/timer.h"
#include "core/waker.h"

struct ringline_runtime;
struct rln_worker;

struct rln_service {
	uint64_t interval;                /* nanoseconds; 0: no watchdog. Set once, before the workers */
	struct rln_timer timer;           /* worker 0's, as are the next two */
	uint64_t asked;                   /* when */
	bool complained;                  /* of the answers that are missing */
	_Atomic uint32_t missing;         /* answers */
};

/* What a worker is asked with, once at a time. */
struct rln_probe {
	struct rln_msg msg;
	struct rln_worker *worker;
	_Atomic bool out;                 /* not answered yet */
};

/* Reads what the manager wants; before the workers. */
void rln_service_init(struct ringline_runtime *rt);

/* The runtime has started; begins to drain (on worker 0); begins to reload; has reloaded. */
void rln_service_started(struct ringline_runtime *rt);
void rln_service_draining(struct ringline_runtime *rt);
void rln_service_reloading(struct ringline_runtime *rt);
void rln_service_reloaded(struct ringline_runtime *rt);

/* On a worker, when it opens and closes. Without memory for a timer: -ENOMEM. */
int rln_service_enter(struct rln_worker *w) rln_must_check;
void rln_service_leave(struct rln_worker *w);

#endif
