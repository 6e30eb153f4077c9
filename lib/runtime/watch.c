/* SPDX-License-Identifier: MIT */
/* The watchdog; watch.h tells the idea. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/fault.h"
#include "base/futex.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/dump.h"
#include "core/task.h"
#include "core/waker.h"
#include "runtime/runtime.h"
#include "runtime/watch.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

#define LOOKS       4u                    /* per limit */
#define SHORTEST    RLN_NSEC_PER_MSEC
#define PATIENCE    (100 * RLN_NSEC_PER_MSEC)
#define SIGNAL      SIGURG
#define SIGNAL_ROOM (16u * 1024)          /* for a handler that unwinds, besides the frame of the signal */

enum {
	SNAPSHOT_IDLE,
	SNAPSHOT_WANTED,
	SNAPSHOT_THERE,
};

/* Looking at a stack */

static void look_at_self(int signal)
{
	struct rln_exec *x = rln_exec_current;
	struct rln_snapshot *s = x && x->worker ? &x->worker->snapshot : NULL;
	int saved = errno;

	(void)signal;
	if (!s || atomic_load(&s->state) != SNAPSHOT_WANTED)
		return;
	s->id = x->current ? rln_slot_id(&x->current->slot) : 0;
	if (x->current)
		memcpy(s->name, x->current->name, sizeof(s->name));
	s->nframes = (uint32_t)rln_backtrace_here(s->frame, RLN_SNAPSHOT_FRAMES);
	atomic_store(&s->state, SNAPSHOT_THERE);
	rln_futex_wake_one(&s->state);
	errno = saved;
}

bool rln_watch_snapshot(struct rln_worker *w)
{
	struct rln_snapshot *s = &w->snapshot;
	uint64_t until = rln_time_add(rln_clock_now(&rln_clock_real), PATIENCE);
	uint32_t wanted = SNAPSHOT_WANTED;

	if (!w->rt->watch.signals)
		return false;
	atomic_store(&s->state, SNAPSHOT_WANTED);
	if (pthread_kill(w->thread, SIGNAL))
		return false;
	while (atomic_load(&s->state) == SNAPSHOT_WANTED && rln_clock_now(&rln_clock_real) < until)
		rln_futex_wait(&s->state, SNAPSHOT_WANTED, until);
	return !atomic_compare_exchange_strong(&s->state, &wanted, SNAPSHOT_IDLE);
}

void rln_watch_describe(const struct rln_worker *w, struct rln_text *out)
{
	rln_dump_frames(out, w->snapshot.frame, w->snapshot.nframes);
}

/* Only where the signal does what it does by default: nothing. */
static bool take_signal(void)
{
	struct sigaction mine = { .sa_handler = look_at_self, .sa_flags = SA_RESTART | SA_ONSTACK };
	struct sigaction old;
	void *frame;

	if (sigaction(SIGNAL, NULL, &old) < 0)
		return false;
	if (!(old.sa_flags & SA_SIGINFO) && old.sa_handler == look_at_self)
		return true;
	if (old.sa_flags & SA_SIGINFO || old.sa_handler != SIG_DFL)
		return false;
	(void)rln_backtrace_here(&frame, 1);   /* loads the unwinder, which a handler must not */
	return sigaction(SIGNAL, &mine, NULL) == 0;
}

/* The workers' side */

void rln_watch_enter(struct rln_worker *w)
{
	size_t size = SIGNAL_ROOM + getauxval(AT_MINSIGSTKSZ);
	stack_t stack = { .ss_size = size };
	sigset_t set;

	if (!w->rt->watch.signals && !rln_crash_handled())
		return;
	w->signal_stack = rln_mem_alloc(size);
	if (!w->signal_stack)
		return;                   /* then a snapshot lies on the task's stack, and an overflow is not named */
	stack.ss_sp = w->signal_stack;
	sigaltstack(&stack, NULL);
	if (!w->rt->watch.signals)
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void rln_watch_leave(struct rln_worker *w)
{
	const stack_t none = { .ss_flags = SS_DISABLE };
	sigset_t set;

	if (!w->signal_stack)
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGNAL);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sigaltstack(&none, NULL);
	rln_mem_free(w->signal_stack);
	w->signal_stack = NULL;
}

/* The thread */

struct seen {
	uint64_t run;                     /* the worker's count of runs when it was looked at last */
	uint64_t since;                   /* when it was seen in that run first; 0: it was not in a task */
	bool reported;
};

/* A look from outside: what it says may be over already. */
__attribute__((no_sanitize("thread")))
static bool in_a_task(const struct rln_worker *w)
{
	return *(struct ringline_task *const volatile *)&w->exec.current != NULL;
}

static bool anybody_awake(struct ringline_runtime *rt)
{
	uint32_t i;

	for (i = 0; i < rt->nworkers; i++)
		if (atomic_load(&rt->workers[i].exec.sleep_state) != RLN_ASLEEP)
			return true;
	return false;
}

static void report(struct rln_worker *w, uint64_t ns)
{
	struct rln_text text = RLN_TEXT_INIT;
	char *line;
	char *rest;
	bool seen;

	rln_lock(&w->rt->watch.looking);
	seen = rln_watch_snapshot(w);
	rln_stat_add(&w->stalls, 1);
	rln_log(RLN_LOG_WARNING, "worker %u: task %llu \"%s\" has not given it back for %llu ms", w->index,
	        seen ? (unsigned long long)w->snapshot.id : 0, seen ? w->snapshot.name : "",
	        (unsigned long long)(ns / RLN_NSEC_PER_MSEC));
	if (seen)
		rln_watch_describe(w, &text);
	rln_unlock(&w->rt->watch.looking);
	for (line = text.data ? strtok_r(text.data, "\n", &rest) : NULL; line; line = strtok_r(NULL, "\n", &rest))
		rln_log(RLN_LOG_WARNING, "worker %u: %s", w->index, line);
	rln_text_free(&text);
}

static void look(struct rln_worker *w, struct seen *s, uint64_t limit, uint64_t now)
{
	uint64_t run = rln_stat_get(&w->exec.stats.switches);

	if (!in_a_task(w) || run != s->run || !s->since) {
		*s = (struct seen){ .run = run, .since = in_a_task(w) ? now : 0 };
		return;
	}
	if (s->reported || now - s->since < limit)
		return;
	s->reported = true;
	report(w, now - s->since);
}

static void sleep_a_while(struct ringline_runtime *rt, uint64_t period)
{
	struct rln_watch *watch = &rt->watch;
	uint64_t until = rln_time_add(rln_clock_now(&rln_clock_real), period);

	atomic_store(&watch->idle, 1);
	if (anybody_awake(rt)) {
		atomic_store(&watch->idle, 0);
		rln_futex_wait(&watch->stop, 0, until);
		return;
	}
	while (atomic_load(&watch->idle) && !atomic_load(&watch->stop))
		rln_futex_wait(&watch->idle, 1, RINGLINE_NEVER);
}

static void *watch_main(void *arg)
{
	struct ringline_runtime *rt = arg;
	uint64_t period = rln_max(rt->watch.limit / LOOKS, SHORTEST);
	struct seen *seen = rln_mem_zalloc(rt->nworkers * sizeof(*seen));
	uint32_t i;

	pthread_setname_np(pthread_self(), "ringline-watch");
	while (seen && !atomic_load(&rt->watch.stop)) {
		for (i = 0; i < rt->nworkers; i++)
			look(&rt->workers[i], &seen[i], rt->watch.limit, rln_clock_now(&rln_clock_real));
		sleep_a_while(rt, period);
	}
	rln_mem_free(seen);
	return NULL;
}

void rln_watch_init(struct ringline_runtime *rt)
{
	struct rln_watch *watch = &rt->watch;

	watch->limit = rt->config.stall_limit;
	if (!watch->limit)
		return;
	watch->signals = take_signal();
	if (!watch->signals)
		rln_log(RLN_LOG_WARNING, "the watchdog cannot look at stacks: SIGURG is the host's");
}

int rln_watch_start(struct ringline_runtime *rt)
{
	struct rln_watch *watch = &rt->watch;
	sigset_t all;
	sigset_t old;
	int r;

	if (!watch->limit)
		return 0;
	atomic_store(&watch->stop, 0);
	atomic_store(&watch->idle, 0);
	r = rln_fault(RLN_FAULT_THREAD);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (!r)
		r = pthread_create(&watch->thread, NULL, watch_main, rt);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	watch->running = !r;
	return -r;
}

void rln_watch_stop(struct ringline_runtime *rt)
{
	struct rln_watch *watch = &rt->watch;

	if (!watch->running)
		return;
	atomic_store(&watch->stop, 1);
	atomic_store(&watch->idle, 0);
	rln_futex_wake_one(&watch->stop);
	rln_futex_wake_one(&watch->idle);
	pthread_join(watch->thread, NULL);
	watch->running = false;
}
