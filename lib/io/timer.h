/* SPDX-License-Identifier: MIT */
/*
 * Timer objects: on the worker's own clock a timer of the core, on the others an alarm (clock.h).
 *
 * Expirations are counted until somebody waits. The next one of a periodic timer is computed from the time it was armed
 * for, so it does not drift; those that were missed are counted.
 */
#ifndef RLN_IO_TIMER_H
#define RLN_IO_TIMER_H

#include "base/slab.h"
#include "core/timer.h"
#include "core/wait.h"
#include "io/clock.h"
#include "io/io.h"
#include "ringline/timer.h"

struct ringline_timer {
	struct rln_slot slot;
	struct rln_io *io;
	struct rln_alarm_clock *clock;    /* NULL: the worker's own */
	uint64_t interval;                /* 0: once */
	uint64_t expirations;             /* since the last wait */
	bool stepped;                     /* the clock was set, and nobody has been told */
	struct rln_source waiters;
	struct rln_alarm alarm;
	struct rln_timer timer;
	uint64_t when;                    /* what `timer` is armed for */
};

void rln_timers_init(struct rln_io *io);
void rln_timers_fini(struct rln_io *io);

/* Ends what nobody will end any more: the worker stops. */
void rln_timers_end_all(struct rln_io *io);

#endif
