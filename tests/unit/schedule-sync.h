/* SPDX-License-Identifier: MIT */
/* Channels and locks in random schedules, with a model of their own; see test-schedule.c. */
#ifndef RLN_TESTS_SCHEDULE_SYNC_H
#define RLN_TESTS_SCHEDULE_SYNC_H

#include <stdint.h>

#include "ringline/select.h"
#include "support/fake-backend.h"

/* A number below n, from the schedule's source. */
typedef uint32_t random_fn(uint32_t n);

void sync_begin(random_fn *random, const struct fixture *fx);

/* One step of a task. */
void sync_step(void);

/* At the end of a schedule: what was sent was received or destroyed, and nobody holds anything. */
void sync_end(void);

#endif
