/* SPDX-License-Identifier: MIT */
/* Events: a flag, and those who wait for it. Objects of the worker's slab. */
#ifndef RLN_CORE_EVENT_H
#define RLN_CORE_EVENT_H

#include "base/slab.h"
#include "core/select.h"
#include "core/wait.h"
#include "ringline/sync.h"

struct ringline_event {
	struct rln_slot slot;
	struct rln_source waiters;
	bool set;
};

extern const struct rln_case_kind rln_event_case;

#endif
