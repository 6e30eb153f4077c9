/* SPDX-License-Identifier: MIT */
/*
 * What the address and thread sanitizers and valgrind must be told about stacks and switches. Without them
 * everything here is empty (but for a look whether it runs on valgrind, where its header was found).
 */
#ifndef RLN_FIBER_SANITIZE_H
#define RLN_FIBER_SANITIZE_H

#include "base/compiler.h"

#if defined(__has_feature)
#define RLN_HAS_FEATURE(x) __has_feature(x)
#else
#define RLN_HAS_FEATURE(x) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || RLN_HAS_FEATURE(address_sanitizer)
#define RLN_ASAN 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__SANITIZE_THREAD__) || RLN_HAS_FEATURE(thread_sanitizer)
#define RLN_TSAN 1
#include <sanitizer/tsan_interface.h>
#endif

#ifdef RLN_HAVE_VALGRIND
#include <stdatomic.h>
#include <valgrind/memcheck.h>

/* Whether anybody listens: a request costs some twenty instructions either way. Set before the first fiber is made. */
extern _Atomic bool rln_sanitize_valgrind;

#define RLN_ON_VALGRIND rln_unlikely(atomic_load_explicit(&rln_sanitize_valgrind, memory_order_relaxed))
#endif

/* About one context: a fiber or a thread's own stack. */
struct rln_sanitize {
#ifdef RLN_ASAN
	void *fake_stack;
	const void *bottom;
	size_t size;
#endif
#ifdef RLN_TSAN
	void *fiber;
#endif
#ifdef RLN_HAVE_VALGRIND
	unsigned int stack_id;
#else
	char unused;
#endif
};

static inline void rln_sanitize_thread_init(struct rln_sanitize *s)
{
	(void)s;
#ifdef RLN_ASAN
	s->bottom = NULL;         /* learnt at the first switch away from it */
	s->size = 0;
#endif
#ifdef RLN_TSAN
	s->fiber = __tsan_get_current_fiber();
#endif
#ifdef RLN_HAVE_VALGRIND
	atomic_store_explicit(&rln_sanitize_valgrind, RUNNING_ON_VALGRIND != 0, memory_order_relaxed);
#endif
}

static inline void rln_sanitize_fiber_init(struct rln_sanitize *s, void *base, size_t size)
{
	(void)s;
	(void)base;
	(void)size;
#ifdef RLN_ASAN
	s->fake_stack = NULL;
	s->bottom = base;
	s->size = size;
#endif
#ifdef RLN_TSAN
	s->fiber = __tsan_create_fiber(0);
#endif
#ifdef RLN_HAVE_VALGRIND
	if (RLN_ON_VALGRIND)
		s->stack_id = VALGRIND_STACK_REGISTER(base, (char *)base + size);
#endif
}

static inline void rln_sanitize_fiber_fini(struct rln_sanitize *s)
{
	(void)s;
#ifdef RLN_TSAN
	__tsan_destroy_fiber(s->fiber);
#endif
#ifdef RLN_HAVE_VALGRIND
	if (RLN_ON_VALGRIND)
		VALGRIND_STACK_DEREGISTER(s->stack_id);
#endif
}

/*
 * Right before a switch. *ends*: the context that is left will not be continued. Always inline: the thread sanitizer
 * counts calls and returns per fiber, and a call made in one fiber must not return in another.
 */
static rln_always_inline void rln_sanitize_leave(struct rln_sanitize *from, struct rln_sanitize *to, bool ends)
{
	(void)from;
	(void)to;
	(void)ends;
#ifdef RLN_ASAN
	__sanitizer_start_switch_fiber(ends ? NULL : &from->fake_stack, to->bottom, to->size);
#endif
#ifdef RLN_TSAN
	__tsan_switch_to_fiber(to->fiber, 0);
#endif
}

/* Right after arriving in *now*, coming from *before*. */
static inline void rln_sanitize_arrive(struct rln_sanitize *now, struct rln_sanitize *before)
{
	(void)now;
	(void)before;
#ifdef RLN_ASAN
	const void *bottom;
	size_t size;

	__sanitizer_finish_switch_fiber(now->fake_stack, &bottom, &size);
	before->bottom = bottom;
	before->size = size;
#endif
}

/* All of a stack is going to be looked at, what lies below its frames as well. */
static inline void rln_sanitize_stack_look(void *base, size_t size)
{
	(void)base;
	(void)size;
#ifdef RLN_HAVE_VALGRIND
	if (RLN_ON_VALGRIND)
		VALGRIND_MAKE_MEM_DEFINED(base, size);
#endif
}

/* The frames that lie on a stack are over: it is clean memory again. */
static inline void rln_sanitize_stack_reset(void *base, size_t size)
{
#ifdef RLN_ASAN
	ASAN_UNPOISON_MEMORY_REGION(base, size);
#endif
	rln_sanitize_stack_look(base, size);
}

#endif
