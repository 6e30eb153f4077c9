/* SPDX-License-Identifier: MIT */
/*
 * The clocks that are not the worker's own: the time of day, and the one that goes on while the machine is suspended.
 *
 * Each is a heap of alarms, a timerfd that is armed for the earliest of them, and a poll operation on that, which is in
 * flight while there is something to wait for. The kernel keeps a timer of a clock that is set; and told to, it reports that
 * it was set (TFD_TIMER_CANCEL_ON_SET), which concerns those who asked for it.
 */
#ifndef RLN_IO_CLOCK_H
#define RLN_IO_CLOCK_H

#include <time.h>

#include "base/heap.h"
#include "base/list.h"
#include "core/op.h"

struct rln_io;

struct rln_alarm {
	struct rln_heap_node node;
	struct rln_list watcher;                  /* rln_alarm_clock.watchers, for those who want to know of steps */
	/* It was armed for *when*, and *now* is not earlier. Returns when it is to fire next, or RINGLINE_NEVER. */
	uint64_t (*fire)(struct rln_alarm *a, uint64_t when, uint64_t now);
	void (*stepped)(struct rln_alarm *a);
};

struct rln_alarm_clock {
	clockid_t id;
	int fd;                                   /* -1: not needed yet */
	struct rln_heap alarms;
	struct rln_list watchers;
	bool armed;                               /* the timerfd is, */
	uint64_t set_for;                         /* for this time, */
	bool tells;                               /* and it tells of steps */
	struct rln_op *poll;                      /* allocated with the descriptor */
};

void rln_alarm_clock_init(struct rln_alarm_clock *c, clockid_t id);
void rln_alarm_clock_fini(struct rln_alarm_clock *c);

/* Drops what is armed and cancels the operation: the worker stops. */
void rln_alarm_clock_end(struct rln_alarm_clock *c);

/* Makes the descriptor if there is none. 0, -EMFILE, -ENFILE, -ENOMEM. */
int rln_alarm_clock_open(struct rln_alarm_clock *c) rln_must_check;

void rln_alarm_init(struct rln_alarm *a, uint64_t (*fire)(struct rln_alarm *a, uint64_t when, uint64_t now),
                    void (*stepped)(struct rln_alarm *a));

/* Has stepped() called from now on. */
void rln_alarm_watch(struct rln_alarm_clock *c, struct rln_alarm *a);

/* Arms an alarm that is not armed, for a time of its clock. 0 or -ENOMEM. */
int rln_alarm_arm(struct rln_alarm_clock *c, struct rln_alarm *a, uint64_t when) rln_must_check;

/* Disarms it; with *forget* it is no longer told of steps. */
void rln_alarm_cancel(struct rln_alarm_clock *c, struct rln_alarm *a, bool forget);

#endif
