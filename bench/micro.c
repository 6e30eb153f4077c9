/* SPDX-License-Identifier: MIT */
/*
 * What the core's primitives cost, one by one, on the layers as they are shipped (base, fiber, core: the very objects
 * of the library, without fault points) and the unit tests' scripted backend. No kernel, no sockets: the clock is
 * virtual, and a wait of the backend takes no time of its own but for its book-keeping.
 *
 *     micro [--check] [GROUP...]
 *
 * Prints KEY=VALUE lines. A time in nanoseconds, KEY_ns, is the median over many short batches of the mean of a batch;
 * KEY_ns_min is the best batch. Where other guests take the processor away, that hardly moves the median and does not
 * move the minimum. With --check each figure that has a bar gets a line PASS or FAIL, judged by the median, and the
 * exit status is 1 if one failed. GROUPs restrict what is run: memory fiber task scope wake select chan lock timer
 * cancel.
 *
 *   fiber_switch          one way, half of a resume and a suspend; floating-point control words included
 *   fiber_switch_cold     the same, going round 1,000 fibers instead of staying with one
 *   spawn_run_finish      ringline_spawn() of a function that returns at once, its run on a stack of the pool, its end;
 *                         32 per turn, so a thirty-second of a yield and of a turn is in it
 *   spawn_join            one task after the other through ringline_task_start() and ringline_task_join(): the parent's
 *                         parking and waking is in it
 *   million_tasks         seconds for 1,000,000 tasks started and joined, at most 1,000 of them alive
 *   scope_deadline        ringline_scope_open() with a deadline of its own, and ringline_scope_close()
 *   select_N              two tasks that each select over N events and set one of the other's, chosen at random; per
 *                         select: arming N nodes, parking, the switches, the wake, disarming, resetting and setting
 *   chan_pass             ringline_chan_send() and ringline_chan_recv() of eight bytes by one task, which never waits
 *   chan_pass_switch      one element from a task to another through a channel without a queue: a switch each
 *   mutex                 ringline_mutex_lock() and ringline_mutex_unlock(), nobody else wants it
 *   same_worker_wake      two tasks that wake each other in turn; per wake: arming a wait node, parking, the switch to
 *                         the executor, its hop to the next task, the switch to that one, firing the node that wakes
 *                         the other
 *   timer_arm_cancel      arm and cancel one timer while 100,000 others are armed, its deadline anywhere among theirs
 *   timer_soonest         the same, its deadline before all of theirs
 *   timer_latest          the same, its deadline behind all of theirs
 *   timer_rearm           one of the 100,000, chosen at random, is cancelled and armed again. Not judged: it is the
 *                         price of two or three lines that lie in the last-level cache or beyond, and so depends on
 *                         who else uses that
 *   timer_fire            a timer's share of firing all 100,000, in order
 *   parked_fiber          growth of resident memory per task, with 100,000 tasks parked: its stack, the task, and the
 *                         library's books; and how many mappings that took
 *   cancel_parked_op      from ringline_op_cancel() to the task that awaits the operation being runnable: the backend's
 *                         cancel, its completion in the next turn, the wake. 64 per turn
 *   cancel_parked_task    the same from ringline_task_cancel(): the cut, a run of the task, in which it cancels what it
 *                         waits for, and all of the above
 *   cancel_parked_token   the same from ringline_token_cancel(): besides, a message to the worker
 *   fake_backend_cancel   what of these three is the scripted backend's own, and no part of the library
 */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "micro.h"

#define TIMERS   100000u
#define PARKED   100000u
#define SPAN     (60 * RLN_NSEC_PER_SEC)

static bool check;
static int failures;

struct fixture fx;

/* xorshift64, G. Marsaglia, 2003. */
uint64_t prng(void)
{
	static uint64_t s = 88172645463325252u;

	s ^= s << 13;
	s ^= s >> 7;
	s ^= s << 17;
	return s;
}

void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "micro: %s\n", what);
	exit(2);
}

/* Figures */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static void judge(const char *key, double value, double bar)
{
	if (!check || bar <= 0)
		return;
	printf("%s %s %.4g <= %.4g\n", value <= bar ? "PASS" : "FAIL", key, value, bar);
	failures += value > bar;
}

bool sample(struct series *s, uint64_t start, uint32_t n)
{
	s->sample[s->n++] = (double)(real_ns() - start) / n;
	return s->n < SAMPLES;
}

void report_series(const char *name, struct series *s, double bar)
{
	char key[64];

	must(s->n > 0, "a figure without a sample");
	qsort(s->sample, s->n, sizeof(s->sample[0]), compare);
	snprintf(key, sizeof(key), "%s_ns", name);
	printf("%s=%.2f\n%s_min=%.2f\n", key, s->sample[s->n / 2], key, s->sample[0]);
	judge(key, s->sample[s->n / 2], bar);
	fflush(stdout);
	s->n = 0;
}

void report_value(const char *key, double value, double bar)
{
	printf("%s=%.4g\n", key, value);
	judge(key, value, bar);
	fflush(stdout);
}

/* Fibers */

#define SWITCHES 20000u
#define COLD     1000u

static struct rln_fiber_thread thread;

static void switches_back(void *arg)
{
	const bool *stop = arg;

	while (!*stop)
		rln_fiber_suspend(&thread);
}

static void measure_switch(const char *name, uint32_t count, double bar)
{
	struct rln_fiber **f = g_new(struct rln_fiber *, count);
	struct rln_stack_pool *pool;
	static struct series s;
	bool stop = false;
	uint64_t start;
	uint32_t i;

	must(rln_stack_pool_new(&pool, 0, true) == 0 && rln_fiber_thread_init(&thread) == 0, "no stacks");
	for (i = 0; i < count; i++) {
		must(rln_fiber_new(&f[i], pool, switches_back, &stop) == 0, "no fiber");
		rln_fiber_resume(&thread, f[i]);
	}
	do {
		start = real_ns();
		for (i = 0; i < SWITCHES; i++)
			rln_fiber_resume(&thread, f[count == 1 ? 0 : i % count]);
	} while (sample(&s, start, 2 * SWITCHES));
	stop = true;
	for (i = 0; i < count; i++) {
		must(rln_fiber_resume(&thread, f[i]), "a fiber that does not end");
		rln_fiber_free(f[i]);
	}
	rln_fiber_thread_fini(&thread);
	rln_stack_pool_free(pool);
	g_free(f);
	report_series(name, &s, bar);
}

static void measure_fiber(void)
{
	measure_switch("fiber_switch", 1, 12);
	measure_switch("fiber_switch_cold", COLD, 0);
}

/* Tasks */

#define SPAWNS         8192u
#define SPAWN_PER_TURN 32u

void in_a_task(int (*fn)(void *arg), void *arg)
{
	fixture_init(&fx, NULL);
	must(fixture_run(&fx, fn, arg) == 0, "a measurement failed");
	fixture_fini(&fx);
}

static int returns(void *arg)
{
	(void)arg;
	return 0;
}

static int spawns(void *arg)
{
	struct series *s = arg;
	uint64_t start;
	uint32_t i;
	uint32_t j;

	do {
		start = real_ns();
		for (i = 0; i < SPAWNS; i += SPAWN_PER_TURN) {
			for (j = 0; j < SPAWN_PER_TURN; j++)
				must(ringline_spawn(returns, NULL) == 0, "no task");
			must(ringline_yield() == 0, "no yield");
		}
	} while (sample(s, start, SPAWNS));
	return 0;
}

static int spawns_and_joins(void *arg)
{
	struct series *s = arg;
	struct ringline_task *t;
	uint64_t start;
	uint32_t i;

	do {
		start = real_ns();
		for (i = 0; i < SPAWNS; i++) {
			must(ringline_task_start(&t, returns, NULL, NULL) == 0, "no task");
			must(ringline_task_join(t, NULL) == 0, "no join");
		}
	} while (sample(s, start, SPAWNS));
	return 0;
}

static void measure_task(void)
{
	static struct series s;

	in_a_task(spawns, &s);
	report_series("spawn_run_finish", &s, 60);
	in_a_task(spawns_and_joins, &s);
	report_series("spawn_join", &s, 0);
	measure_million();
}

/* Wakes */

#define ROUNDS 8192u

struct player {
	struct rln_source mine;
	struct player *peer;
	bool stop;
};

static int answers(void *arg)
{
	struct player *p = arg;
	int64_t result;

	while (!p->stop) {
		must(rln_wait_on(&p->mine, &result, NULL, NULL) == 0, "a wait was cut");
		rln_source_fire_one(&p->peer->mine, 0);
	}
	return 0;
}

static int serves(void *arg)
{
	struct series *s = arg;
	static struct player a;
	static struct player b = { .peer = &a };     /* static: it ends after this function has returned */
	int64_t result;
	uint64_t start;
	uint32_t i;

	rln_source_init(&a.mine);
	rln_source_init(&b.mine);
	must(ringline_spawn(answers, &b) == 0, "no task");
	must(ringline_yield() == 0, "no yield");
	do {
		start = real_ns();
		for (i = 0; i < ROUNDS; i++) {
			rln_source_fire_one(&b.mine, 0);
			must(rln_wait_on(&a.mine, &result, NULL, NULL) == 0, "a wait was cut");
		}
	} while (sample(s, start, 2 * ROUNDS));
	b.stop = true;
	rln_source_fire_one(&b.mine, 0);
	return 0;
}

static void measure_wake(void)
{
	static struct series s;

	in_a_task(serves, &s);
	report_series("same_worker_wake", &s, 30);
}

/* Timers */

#define ARMS      4096u
#define TIMER_BAR 40       /* whatever its deadline */

static struct rln_timer *armed;
static uint64_t deadline[ARMS];
static uint32_t victim[ARMS];
static uint32_t fired;

static void counts(struct rln_timer *t)
{
	(void)t;
	fired++;
}

static void arm(struct rln_timer *t, uint64_t at)
{
	must(rln_timer_arm(&fx.x, t, at) == 0, "no timer");
}

static void measure_arm_cancel(const char *name, uint64_t from, uint64_t span)
{
	static struct series s;
	struct rln_timer t;
	uint64_t start;
	uint32_t i;

	rln_timer_init(&t, counts);
	do {
		for (i = 0; i < ARMS; i++)
			deadline[i] = FAKE_START + from + prng() % span;
		start = real_ns();
		for (i = 0; i < ARMS; i++) {
			arm(&t, deadline[i]);
			rln_timer_cancel(&fx.x, &t);
		}
	} while (sample(&s, start, ARMS));
	report_series(name, &s, TIMER_BAR);
}

static void measure_rearm(void)
{
	static struct series s;
	uint64_t start;
	uint32_t i;

	do {
		for (i = 0; i < ARMS; i++) {
			deadline[i] = FAKE_START + RLN_NSEC_PER_SEC + prng() % SPAN;
			victim[i] = (uint32_t)(prng() % TIMERS);
		}
		start = real_ns();
		for (i = 0; i < ARMS; i++) {
			struct rln_timer *t = &armed[victim[i]];

			rln_timer_cancel(&fx.x, t);
			arm(t, deadline[i]);
		}
	} while (sample(&s, start, ARMS));
	report_series("timer_rearm", &s, 0);
}

/* All of them, in the turns of one virtual second each. */
static void measure_fire(void)
{
	static struct series s;
	uint64_t start;
	uint32_t i;

	fired = 0;
	rln_clock_virtual_advance(&fx.f->clock, RLN_NSEC_PER_SEC / 2);
	start = real_ns();
	for (i = 0; fired < TIMERS; i++) {
		must(i < 100, "a timer that does not fire");
		rln_clock_virtual_advance(&fx.f->clock, RLN_NSEC_PER_SEC);
		fixture_turn(&fx);
	}
	sample(&s, start, TIMERS);
	report_series("timer_fire", &s, 0);
}

static void measure_timer(void)
{
	uint32_t i;

	fixture_init(&fx, NULL);
	armed = g_new(struct rln_timer, TIMERS);
	for (i = 0; i < TIMERS; i++) {
		rln_timer_init(&armed[i], counts);
		arm(&armed[i], FAKE_START + RLN_NSEC_PER_SEC + prng() % SPAN);
	}
	measure_arm_cancel("timer_arm_cancel", RLN_NSEC_PER_SEC, SPAN);
	measure_arm_cancel("timer_soonest", 1, RLN_NSEC_PER_SEC - 1);
	measure_arm_cancel("timer_latest", RLN_NSEC_PER_SEC + SPAN, SPAN);
	measure_rearm();
	measure_fire();
	g_free(armed);
	fixture_fini(&fx);
}

/* Memory */

struct crowd {
	struct rln_source source;
	uint32_t parked;
};

static int parks(void *arg)
{
	struct crowd *c = arg;
	int64_t result;

	c->parked++;
	return rln_wait_on(&c->source, &result, NULL, NULL);
}

static double resident(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	must(f && fscanf(f, "%*u %lu", &pages) == 1, "/proc/self/statm cannot be read");
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	double n = 0;
	int c;

	must(f != NULL, "/proc/self/maps cannot be read");
	while ((c = getc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

static struct crowd crowd;

static void park(uint32_t n)
{
	struct rln_task_start how = { .fn = parks, .arg = &crowd, .scope = &fx.x.root };
	uint32_t i;

	for (i = 0; i < n; i++) {
		must(rln_task_start(NULL, &how) == 0, "no task");
		if (i % 256 == 0)
			fixture_turn(&fx);
	}
	fixture_turn(&fx);
}

/* What is there only once is not counted: it comes with the first task. */
static void measure_memory(void)
{
	double before;
	double maps;

	fixture_init(&fx, NULL);
	rln_source_init(&crowd.source);
	park(1);
	maps = mappings();
	before = resident();
	park(PARKED);
	must(crowd.parked == PARKED + 1, "not all tasks have parked");
	report_value("parked_fiber_bytes", (resident() - before) / PARKED, 4.3 * 1024);
	report_value("parked_fiber_mappings", mappings() - maps, 200);
	rln_source_fire_all(&crowd.source, 0);
	while (rln_exec_tasks(&fx.x))
		fixture_turn(&fx);
	fixture_fini(&fx);
	printf("task_bytes=%zu\n", sizeof(struct ringline_task));
}

/* Cancels */

#define CANCELS 64u

static const struct fake_script never = { .delay = FAKE_NEVER };

static struct waiting {
	struct ringline_task *task;
	struct ringline_token *token;
	struct ringline_op *op;
} waiting[CANCELS];

static int awaits(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct waiting *w = arg;
	struct ringline_scope *scope;

	o.token = w->token;
	must(!o.token || ringline_scope_open(&scope, &o) == 0, "no scope");
	must(fake_begin(&fx, &w->op, &never) == 0, "no operation");
	must(ringline_op_await(w->op) == -ECANCELED, "an operation that was not cancelled");
	return 0;
}

static void cancel_op(struct waiting *w)
{
	must(ringline_op_cancel(w->op) == 0, "no cancel");
}

static void cancel_task(struct waiting *w)
{
	must(ringline_task_cancel(w->task) == 0, "no cancel");
}

static void cancel_token(struct waiting *w)
{
	must(ringline_token_cancel(w->token) == 0, "no cancel");
}

static void start_waiting(bool with_token)
{
	struct rln_task_start how = { .fn = awaits, .scope = &fx.x.root };
	uint32_t i;

	for (i = 0; i < CANCELS; i++) {
		must(!with_token || ringline_token_new(&waiting[i].token, NULL) == 0, "no token");
		how.arg = &waiting[i];
		must(rln_task_start(&waiting[i].task, &how) == 0, "no task");
	}
	fixture_turn(&fx);
}

static void stop_waiting(void)
{
	uint32_t i;

	fixture_turn(&fx);
	for (i = 0; i < CANCELS; i++) {
		must(waiting[i].task->state == RLN_TASK_ENDED, "a task that does not end");
		rln_task_release(waiting[i].task);
		ringline_token_unref(waiting[i].token);
		waiting[i].token = NULL;
	}
}

/* *turns*: after how many the operations have completed. */
static void measure_cancels(const char *name, void (*cancel)(struct waiting *w), bool with_token, int turns, double bar)
{
	static struct series s;
	uint64_t start;
	bool more;
	uint32_t i;

	fixture_init(&fx, NULL);
	do {
		start_waiting(with_token);
		start = real_ns();
		for (i = 0; i < CANCELS; i++)
			cancel(&waiting[i]);
		for (i = 0; i < (uint32_t)turns; i++)
			fixture_turn(&fx);
		more = sample(&s, start, CANCELS);
		for (i = 0; i < CANCELS; i++)
			must(waiting[i].task->state == RLN_TASK_QUEUED, "a task that is not runnable");
		stop_waiting();
	} while (more);
	fixture_fini(&fx);
	report_series(name, &s, bar);
}

static void ignores(struct rln_op *op, const struct rln_completion *c)
{
	(void)op;
	(void)c;
}

static void measure_fake(void)
{
	static struct rln_op op[CANCELS];
	static struct series s;
	uint64_t start;
	uint32_t i;

	fixture_init(&fx, NULL);
	fake_script(fx.f, RLN_OP_NOP, &never);
	do {
		for (i = 0; i < CANCELS; i++) {
			rln_op_init(&op[i], ignores);
			rln_op_submit(&op[i]);
		}
		start = real_ns();
		for (i = 0; i < CANCELS; i++)
			rln_op_cancel(&op[i]);
		fixture_turn(&fx);
	} while (sample(&s, start, CANCELS));
	fixture_fini(&fx);
	report_series("fake_backend_cancel", &s, 0);
}

static void measure_cancel(void)
{
	measure_cancels("cancel_parked_op", cancel_op, false, 1, 100);
	measure_cancels("cancel_parked_task", cancel_task, false, 1, 0);
	measure_cancels("cancel_parked_token", cancel_token, true, 2, 0);
	measure_fake();
}

/* Memory comes first: what the others leave in the heap would be in its figures. */
static const struct {
	const char *name;
	void (*measure)(void);
} groups[] = {
	{ "memory", measure_memory },
	{ "fiber", measure_fiber },
	{ "task", measure_task },
	{ "scope", measure_scope },
	{ "wake", measure_wake },
	{ "select", measure_select },
	{ "chan", measure_chan },
	{ "lock", measure_lock },
	{ "timer", measure_timer },
	{ "cancel", measure_cancel },
};

static bool chosen(const char *name, char **argv)
{
	bool all = true;

	for (; *argv; argv++) {
		if (!strcmp(*argv, name))
			return true;
		all = false;
	}
	return all;
}

static bool known(const char *name)
{
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(groups); i++)
		if (!strcmp(groups[i].name, name))
			return true;
	return false;
}

/* What was measured may not be what is shipped: let the reader know. */
static void warn_of_build(void)
{
#ifndef __OPTIMIZE__
	fprintf(stderr, "micro: built without optimisation\n");
#endif
#ifdef RLN_FAULT_INJECTION
	fprintf(stderr, "micro: built with fault points and assertions\n");
#endif
}

int main(int argc, char **argv)
{
	size_t i;

	argv++;
	if (argc > 1 && !strcmp(*argv, "--check")) {
		check = true;
		argv++;
	}
	for (i = 0; argv[i]; i++) {
		if (known(argv[i]))
			continue;
		fprintf(stderr, "usage: micro [--check] [memory|fiber|task|scope|wake|select|chan|lock|timer|cancel]...\n");
		return 2;
	}
	warn_of_build();
	printf("fiber_kind=%s\n", rln_fiber_kind);
	for (i = 0; i < G_N_ELEMENTS(groups); i++)
		if (chosen(groups[i].name, argv))
			groups[i].measure();
	return check && failures;
}
