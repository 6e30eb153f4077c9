/* SPDX-License-Identifier: MIT */
/*
 * Sleeping on a word of memory: futex(2), private to the process.
 *
 * The word is an atomic of the caller's; what it means is, too. A sleep may end without a reason, so the caller looks at
 * the word again.
 */
#ifndef RLN_BASE_FUTEX_H
#define RLN_BASE_FUTEX_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"

/* Sleeps while *word* is *value*, at most until the absolute CLOCK_MONOTONIC time *deadline*. */
static inline void rln_futex_wait(_Atomic uint32_t *word, uint32_t value, uint64_t deadline)
{
	struct timespec ts = {
		.tv_sec = (time_t)(deadline / RLN_NSEC_PER_SEC),
		.tv_nsec = (long)(deadline % RLN_NSEC_PER_SEC),
	};

	syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value, &ts, NULL, FUTEX_BITSET_MATCH_ANY);
}

static inline void rln_futex_wake_one(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

#endif
