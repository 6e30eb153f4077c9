/* SPDX-License-Identifier: MIT */
/*
 * A lock between workers, held for a few instructions and never across a wait.
 *
 *     0 free   1 held   2 held, and somebody sleeps
 *
 * Who finds it held looks again a few times, since the holder is about to leave, and then sleeps in the kernel: a holder
 * that was preempted costs nobody a processor. Any thread; not recursive.
 */
#ifndef RLN_BASE_LOCK_H
#define RLN_BASE_LOCK_H

#include <stdatomic.h>

#include "base/compiler.h"

struct rln_lock {
	_Atomic uint32_t word;
};

#define RLN_LOCK_INIT { 0 }

void rln_lock_contended(struct rln_lock *l) rln_cold;
void rln_unlock_contended(struct rln_lock *l) rln_cold;

static inline void rln_lock_init(struct rln_lock *l)
{
	atomic_init(&l->word, 0);
}

static inline void rln_lock(struct rln_lock *l)
{
	uint32_t free = 0;

	if (rln_unlikely(!atomic_compare_exchange_strong_explicit(&l->word, &free, 1, memory_order_acquire,
	                                                          memory_order_relaxed)))
		rln_lock_contended(l);
}

static inline void rln_unlock(struct rln_lock *l)
{
	if (rln_unlikely(atomic_exchange_explicit(&l->word, 0, memory_order_release) == 2))
		rln_unlock_contended(l);
}

#endif
