/* SPDX-License-Identifier: MIT */
/*
 * Fibers: a second stack and a way to switch to it and back. Nothing else; when to switch is the core's business.
 *
 * A worker thread has one struct rln_fiber_thread for its own stack and any number of fibers. Control passes
 *
 *     thread --rln_fiber_resume(f)--> fiber --rln_fiber_suspend()--> thread
 *
 * and never from fiber to fiber. The fiber's control block lies at the top of its stack, in the page the first frame
 * touches anyway, so a parked fiber that did little costs one page.
 *
 * A fiber ends when its entry function returns: rln_fiber_resume() then returns true, and the fiber must be freed
 * from the thread's own stack with rln_fiber_free(). Callee-saved registers, the stack pointer and the
 * floating-point control words are saved, as the ABIs demand; the signal mask is not. errno is per thread and is
 * saved by nobody: callers that need it across a switch keep it themselves (the library never uses it).
 *
 * Sanitizers (address, thread) and valgrind are told of every stack and switch.
 */
#ifndef RLN_FIBER_FIBER_H
#define RLN_FIBER_FIBER_H

#include "base/compiler.h"
#include "fiber/sanitize.h"
#include "fiber/stack.h"
#include "fiber/switch.h"

struct rln_fiber_thread;

/* One cache line. Open only so that resuming and suspending can be inline; nobody else looks inside. */
struct rln_fiber {
	void *sp;                         /* while suspended */
	struct rln_fiber_thread *thread;  /* who resumed it last; NULL before the first time */
	void (*fn)(void *);
	void *arg;
	struct rln_stack_pool *pool;
	struct rln_stack stack;
	bool ended;
	struct rln_sanitize tool;
};

#if !defined(RLN_ASAN) && !defined(RLN_TSAN)
_Static_assert(sizeof(struct rln_fiber) <= 64, "a control block is one cache line");
#endif

/* The context of the thread's own stack; one per worker, lives as long as the worker. */
struct rln_fiber_thread {
	void *sp;                 /* where to return to while a fiber runs */
	struct rln_fiber *current;
	struct rln_sanitize tool;
};

int rln_fiber_thread_init(struct rln_fiber_thread *t) rln_must_check;
void rln_fiber_thread_fini(struct rln_fiber_thread *t);

/* A fiber that will run fn(arg) when first resumed. 0 or -ENOMEM. */
int rln_fiber_new(struct rln_fiber **ret, struct rln_stack_pool *pool, void (*fn)(void *), void *arg) rln_must_check;

/* Releases the stack of a fiber that has ended or was never resumed. */
void rln_fiber_free(struct rln_fiber *f);

/*
 * Runs *f* until it suspends or ends. From the thread's own stack only. True if it ended. Inline, like suspending: each
 * return between a switch and the loop that made it is one the processor predicts wrongly (switch.h).
 */
static rln_always_inline bool rln_fiber_resume(struct rln_fiber_thread *t, struct rln_fiber *f)
{
	rln_assert(!t->current && !f->ended);
	f->thread = t;
	t->current = f;
	rln_sanitize_leave(&t->tool, &f->tool, false);
	rln_switch_inline(&t->sp, f->sp);
	rln_sanitize_arrive(&t->tool, &f->tool);
	t->current = NULL;
	return f->ended;
}

/* Goes back to the thread that resumed *f*. The running fiber only; returns when it is resumed. */
static rln_always_inline void rln_fiber_leave(struct rln_fiber *f, bool ends)
{
	rln_sanitize_leave(&f->tool, &f->thread->tool, ends);
	rln_switch_inline(&f->sp, f->thread->sp);
	rln_sanitize_arrive(&f->tool, &f->thread->tool);
}

/* The same without knowing which fiber runs. */
static rln_always_inline void rln_fiber_suspend(struct rln_fiber_thread *t)
{
	rln_assert(t->current);
	rln_fiber_leave(t->current, false);
}

/* Fetches the lines that resuming will touch first. */
static inline void rln_fiber_prefetch(const struct rln_fiber *f)
{
	__builtin_prefetch(f->sp);
	__builtin_prefetch((const char *)f->sp + 64);
	__builtin_prefetch((const char *)f->sp + 128);
}

/* The lowest and highest address of the fiber's stack. */
void rln_fiber_bounds(const struct rln_fiber *f, void **low, void **high);

/* How large its stack is; and does the guard below it lie at *address*? Async-signal-safe. */
size_t rln_fiber_stack_size(const struct rln_fiber *f);
bool rln_fiber_guards(const struct rln_fiber *f, const void *address);

/* The bytes of its stack that are in use; of the running fiber: as of now. */
size_t rln_fiber_stack_used(const struct rln_fiber *f);

/*
 * The most that has ever been in use, as far as can be told: bytes that were written to since the stack was last empty, which
 * may have been by a fiber before this one.
 */
size_t rln_fiber_stack_peak(const struct rln_fiber *f);

/*
 * The return addresses of a suspended fiber, innermost first; how many. 0 where it cannot be told (ucontext, no unwinder, a
 * stack that is nearly full). From the thread's own stack, or from another fiber.
 */
size_t rln_fiber_backtrace(struct rln_fiber *f, void **frames, size_t max);

/* Those of the caller. Async-signal-safe once it has been called before. */
size_t rln_backtrace_here(void **frames, size_t max);

/* The saved stack pointer of a suspended fiber, for debuggers and dumps; switch.h tells what lies there. */
void *rln_fiber_sp(const struct rln_fiber *f);

/* "x86-64", "aarch64" or "ucontext": which switch was compiled in. */
extern const char rln_fiber_kind[];

#endif
