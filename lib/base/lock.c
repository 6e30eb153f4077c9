/* SPDX-License-Identifier: MIT */
/* The slow half of the lock; lock.h tells the idea. */
#include "base/futex.h"
#include "base/lock.h"

#define LOOKS 100

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static bool try_for_a_while(struct rln_lock *l)
{
	unsigned int i;

	for (i = 0; i < LOOKS; i++) {
		uint32_t free = 0;

		if (atomic_load_explicit(&l->word, memory_order_relaxed) == 0 &&
		    atomic_compare_exchange_weak_explicit(&l->word, &free, 1, memory_order_acquire, memory_order_relaxed))
			return true;
		relax();
	}
	return false;
}

/* Who has slept takes it as "somebody sleeps": it cannot know whether it was the last one. */
void rln_lock_contended(struct rln_lock *l)
{
	if (try_for_a_while(l))
		return;
	while (atomic_exchange_explicit(&l->word, 2, memory_order_acquire))
		rln_futex_wait(&l->word, 2, UINT64_MAX);
}

void rln_unlock_contended(struct rln_lock *l)
{
	rln_futex_wake_one(&l->word);
}
