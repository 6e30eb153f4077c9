/* SPDX-License-Identifier: MIT */
/*
 * The watchdog: a thread that notices tasks which do not give their worker back, and looks at the stack of a worker that is
 * busy.
 *
 * It compares, several times per limit, how often each worker has run a task: one that is in a task and has not run another
 * since the last looks is reported, once per run. While all workers sleep it sleeps too.
 *
 *     worker:  sleep_state = AWAKE          watchdog:  idle = 1
 *              idle? -> wake it                        anybody awake? -> idle = 0, go on; else sleep
 *
 * Both orders are sequentially consistent: either the worker sees that the watchdog sleeps, or the watchdog sees that the
 * worker is awake.
 *
 * A stack is looked at by its own thread, in the handler of SIGURG, which the watchdog takes if nobody else has: by default
 * that signal does nothing, so that one which comes by other ways does no harm. The handler runs on a stack of its own.
 */
#ifndef RLN_RUNTIME_WATCH_H
#define RLN_RUNTIME_WATCH_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/lock.h"
#include "ringline/task.h"

struct ringline_runtime;
struct rln_text;
struct rln_worker;

#define RLN_SNAPSHOT_FRAMES 48

/* What a worker's own thread writes in the handler. */
struct rln_snapshot {
	_Atomic uint32_t state;           /* 0 idle, 1 wanted, 2 there */
	uint32_t nframes;
	uint64_t id;                      /* of the task; 0: none runs */
	char name[RINGLINE_TASK_NAME_SIZE];
	void *frame[RLN_SNAPSHOT_FRAMES];
};

struct rln_watch {
	pthread_t thread;
	bool running;
	bool signals;                     /* stacks can be looked at */
	uint64_t limit;                   /* nanoseconds */
	struct rln_lock looking;          /* a worker has one snapshot */
	_Atomic uint32_t idle;            /* it sleeps until a worker wakes up */
	_Atomic uint32_t stop;
};

/* Reads the configuration, and takes the signal; before the workers. */
void rln_watch_init(struct ringline_runtime *rt);

/* Starts it, if the configuration asks for it; when the workers are ready. 0 or -EAGAIN. */
int rln_watch_start(struct ringline_runtime *rt) rln_must_check;

/* After the workers have ended. */
void rln_watch_stop(struct ringline_runtime *rt);

/* On a worker's thread, at its start and end: an alternate signal stack, and the signal. */
void rln_watch_enter(struct rln_worker *w);
void rln_watch_leave(struct rln_worker *w);

/* Has a busy worker look at its own stack. False if it cannot, or does not in time. One caller at a time. */
bool rln_watch_snapshot(struct rln_worker *w);

/* Adds what was seen. */
void rln_watch_describe(const struct rln_worker *w, struct rln_text *out);

/* Are alternate stacks wanted because a crash handler was installed? */
bool rln_crash_handled(void);

#endif
