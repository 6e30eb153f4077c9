/* SPDX-License-Identifier: MIT */
/*
 * Timers as objects: periodic, on any clock, and told when the wall clock was set.
 *
 * ringline_sleep() and deadlines are enough for most; a timer is for what happens at a time of day, every so often, or as a
 * case of ringline_select() (RINGLINE_CASE_TIMER). However many timers there are, a worker has one descriptor for each clock
 * but the monotonic one, which needs none.
 */
#ifndef RINGLINE_TIMER_H
#define RINGLINE_TIMER_H

#include <ringline/common.h>

RINGLINE_BEGIN_DECLS

struct ringline_timer;

#define RINGLINE_CLOCK_MONOTONIC 0u   /* CLOCK_MONOTONIC: that of sleeps and deadlines; stands still while suspended */
#define RINGLINE_CLOCK_REALTIME  1u   /* CLOCK_REALTIME: the time of day, which may be set */
#define RINGLINE_CLOCK_BOOTTIME  2u   /* CLOCK_BOOTTIME: monotonic, and goes on while the machine is suspended */

/* flags: a wait returns -ESTALE when the clock was set (RINGLINE_CLOCK_REALTIME only; TFD_TIMER_CANCEL_ON_SET) */
#define RINGLINE_TIMER_STEPS (UINT32_C(1) << 0)

struct ringline_timer_options {
	size_t size;
	uint32_t clock;                   /* RINGLINE_CLOCK_* */
	uint32_t flags;                   /* RINGLINE_TIMER_STEPS */
};

#define RINGLINE_TIMER_OPTIONS_INIT { sizeof(struct ringline_timer_options), 0, 0 }

/*
 * Makes a timer, not armed. options may be NULL: monotonic. Never suspends.
 *
 * Returns 0; -EINVAL, -E2BIG (options), -ENOMEM, -EMFILE, -ENFILE, -EPERM (not on a worker).
 * Since: 0.1
 */
int ringline_timer_new(struct ringline_timer **ret, const struct ringline_timer_options *options) RINGLINE_MUST_CHECK;

/*
 * Arms the timer to expire at an absolute time of its clock (RINGLINE_NEVER: disarms it), and then every interval
 * nanoseconds (0: once). Expirations that nobody has waited for are forgotten. A time that has passed expires at once.
 *
 * Returns 0; -ENOMEM, -EBADF (freed), -EINVAL, -EPERM.
 * Since: 0.1
 */
int ringline_timer_set(struct ringline_timer *timer, uint64_t when, uint64_t interval);

/*
 * Waits until the timer has expired, or the clock was set. A timer that is not armed is waited for until somebody arms it.
 *
 * Returns how often it has expired since the last wait, at least 1; -ESTALE (the clock was set; the timer stays armed for
 * the same time of its clock), -EBADF (freed, before or during the wait), -ETIME, -ECANCELED, -EINVAL, -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int64_t ringline_timer_wait(struct ringline_timer *timer);

/*
 * Frees the timer; who waits for it gets -EBADF. NULL is allowed.
 *
 * Returns 0; -EBADF (freed already), -EPERM.
 * Since: 0.1
 */
int ringline_timer_free(struct ringline_timer *timer);

/*
 * The present time of a clock in nanoseconds; 0 for an unknown one. Any thread.
 * Since: 0.1
 */
uint64_t ringline_clock_now(uint32_t clock);

RINGLINE_END_DECLS

#endif
