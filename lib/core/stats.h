/* SPDX-License-Identifier: MIT */
/* Counters of one worker's core. Written by the owner only, read by anyone: relaxed atomics, no lock. */
#ifndef RLN_CORE_STATS_H
#define RLN_CORE_STATS_H

#include "core/backend.h"

struct rln_stats {
	_Atomic uint64_t turns;
	_Atomic uint64_t switches;        /* tasks run */
	_Atomic uint64_t tasks_started;
	_Atomic uint64_t tasks_ended;
	_Atomic uint64_t ops_submitted;
	_Atomic uint64_t ops_ended;       /* terminal completions; submitted - ended are in flight */
	_Atomic uint64_t ops_cancelled;   /* cancel requests */
	_Atomic uint64_t timers_fired;
	_Atomic uint64_t posts;           /* messages from other threads */
	_Atomic uint64_t completions[RLN_OP_MAX][RLN_ENGINE_MAX];
};

#endif
