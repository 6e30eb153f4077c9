/* SPDX-License-Identifier: MIT */
/* Timers and sleeping, on a clock that only the test moves. */
#include "base/fault.h"
#include "support/fake-backend.h"

#define SECOND RLN_NSEC_PER_SEC

struct probe {
	struct rln_timer timer;
	struct fixture *fx;
	uint64_t deadline;
	char letter;
	int fired;
	uint64_t at;
};

static void probe_fired(struct rln_timer *t)
{
	struct probe *p = rln_container_of(t, struct probe, timer);

	g_assert_cmpuint(fake_now(p->fx), >=, p->deadline);    /* never early */
	p->fired++;
	p->at = fake_now(p->fx);
	if (p->letter)
		g_string_append_c(p->fx->trace, p->letter);
}

static void arm(struct fixture *fx, struct probe *p, uint64_t deadline, char letter)
{
	*p = (struct probe){ .fx = fx, .deadline = deadline, .letter = letter };
	rln_timer_init(&p->timer, probe_fired);
	g_assert_false(rln_timer_armed(&p->timer));
	g_assert_cmpint(rln_timer_arm(&fx->x, &p->timer, deadline), ==, 0);
	g_assert_true(rln_timer_armed(&p->timer));
}

static int deadline_order(void *arg)
{
	struct fixture *fx = arg;
	struct probe p[5];

	arm(fx, &p[0], FAKE_START + 30, 'c');
	arm(fx, &p[1], FAKE_START + 10, 'a');
	arm(fx, &p[2], FAKE_START + 50, 'e');
	arm(fx, &p[3], FAKE_START + 20, 'b');
	arm(fx, &p[4], FAKE_START + 40, 'd');
	g_assert_cmpint(ringline_sleep(100), ==, 0);
	g_assert_cmpstr(fx->trace->str, ==, "abcde");
	return 0;
}

static int equal_deadlines(void *arg)
{
	struct fixture *fx = arg;
	struct probe p[26];
	int i;

	for (i = 0; i < 26; i++)
		arm(fx, &p[i], FAKE_START + 10, (char)('a' + i));
	g_assert_cmpint(ringline_sleep(100), ==, 0);
	g_assert_cmpstr(fx->trace->str, ==, "abcdefghijklmnopqrstuvwxyz");
	return 0;
}

/* The backend comes back early again and again; a timer does not fire before its time for that. */
static int early_wakes(void *arg)
{
	struct fixture *fx = arg;
	struct probe p;

	fx->f->early = 20;
	arm(fx, &p, FAKE_START + SECOND, 0);
	g_assert_cmpint(ringline_sleep(SECOND), ==, 0);
	g_assert_cmpuint(fx->f->early, ==, 0);
	g_assert_cmpuint(p.at, >=, FAKE_START + SECOND);
	return 0;
}

static int past_deadline(void *arg)
{
	struct fixture *fx = arg;
	struct probe p[2];
	uint64_t turns = rln_stat_get(&fx->x.stats.turns);

	arm(fx, &p[0], 1, 0);
	arm(fx, &p[1], FAKE_START, 0);
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpint(p[0].fired, ==, 1);
	g_assert_cmpint(p[1].fired, ==, 1);
	g_assert_cmpuint(rln_stat_get(&fx->x.stats.turns), ==, turns + 1);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START);
	return 0;
}

static int cancelled_does_not_fire(void *arg)
{
	struct fixture *fx = arg;
	struct probe p[3];

	arm(fx, &p[0], FAKE_START + 10, 'a');
	arm(fx, &p[1], FAKE_START + 10, 'b');
	arm(fx, &p[2], FAKE_START + 10, 'c');
	rln_timer_cancel(&fx->x, &p[1].timer);
	rln_timer_cancel(&fx->x, &p[1].timer);
	g_assert_false(rln_timer_armed(&p[1].timer));
	g_assert_cmpint(ringline_sleep(20), ==, 0);
	g_assert_cmpstr(fx->trace->str, ==, "ac");
	return 0;
}

/* A timer that is armed again forgets its first deadline. */
static int armed_again(void *arg)
{
	struct fixture *fx = arg;
	struct probe p;

	arm(fx, &p, FAKE_START + 10, 0);
	rln_timer_cancel(&fx->x, &p.timer);
	p.deadline = FAKE_START + 100;
	g_assert_cmpint(rln_timer_arm(&fx->x, &p.timer, p.deadline), ==, 0);
	g_assert_cmpint(ringline_sleep(50), ==, 0);
	g_assert_cmpint(p.fired, ==, 0);
	g_assert_cmpint(ringline_sleep(50), ==, 0);
	g_assert_cmpint(p.fired, ==, 1);
	g_assert_cmpuint(p.at, ==, FAKE_START + 100);
	return 0;
}

/* Timers that cancel and arm others from their callbacks. */
struct chained {
	struct rln_timer timer;
	struct fixture *fx;
	struct probe *cancel;
	struct probe *arm;
};

static void chained_fired(struct rln_timer *t)
{
	struct chained *c = rln_container_of(t, struct chained, timer);

	rln_timer_cancel(&c->fx->x, &c->cancel->timer);
	arm(c->fx, c->arm, FAKE_START + 20, 'n');
}

static int reentrant(void *arg)
{
	struct fixture *fx = arg;
	struct probe victim;
	struct probe next;
	struct chained c = { .fx = fx, .cancel = &victim, .arm = &next };

	rln_timer_init(&c.timer, chained_fired);
	g_assert_cmpint(rln_timer_arm(&fx->x, &c.timer, FAKE_START + 10), ==, 0);
	arm(fx, &victim, FAKE_START + 10, 'v');
	g_assert_cmpint(ringline_sleep(100), ==, 0);
	g_assert_cmpstr(fx->trace->str, ==, "n");
	return 0;
}

/* Half of a million is cancelled; the rest fires in order, none early. */
struct mass {
	struct rln_timer timer;
	uint64_t deadline;
};

static struct {
	uint64_t last;
	uint32_t fired;
	const struct fixture *fx;
} seen;

static void mass_fired(struct rln_timer *t)
{
	struct mass *m = rln_container_of(t, struct mass, timer);

	g_assert_cmpuint(m->deadline, >=, seen.last);
	g_assert_cmpuint(m->deadline, <=, fake_now(seen.fx));
	seen.last = m->deadline;
	seen.fired++;
	m->deadline = 0;
}

static int million(void *arg)
{
	struct fixture *fx = arg;
	uint32_t n = fake_scaled(1000000);
	struct mass *m = g_new0(struct mass, n);
	uint32_t i;

	seen.last = 0;
	seen.fired = 0;
	seen.fx = fx;
	for (i = 0; i < n; i++) {
		rln_timer_init(&m[i].timer, mass_fired);
		m[i].deadline = FAKE_START + 1 + (uint64_t)g_test_rand_int_range(0, 100000000);
		g_assert_cmpint(rln_timer_arm(&fx->x, &m[i].timer, m[i].deadline), ==, 0);
	}
	for (i = 0; i < n; i += 2)
		rln_timer_cancel(&fx->x, &m[i].timer);
	g_assert_cmpuint(rln_timers_next(&fx->x), >, FAKE_START);
	g_assert_cmpint(ringline_sleep(100000001), ==, 0);
	g_assert_cmpuint(seen.fired, ==, n / 2);
	for (i = 0; i < n; i++)
		g_assert_true((m[i].deadline == 0) == (i % 2 == 1));
	g_assert_cmpuint(rln_timers_next(&fx->x), ==, RINGLINE_NEVER);
	g_free(m);
	return 0;
}

static int never_is_not_reached(void *arg)
{
	struct fixture *fx = arg;
	struct probe p;

	arm(fx, &p, RINGLINE_NEVER, 'x');
	g_assert_cmpint(ringline_sleep(1000 * SECOND), ==, 0);
	g_assert_cmpint(p.fired, ==, 0);
	rln_timer_cancel(&fx->x, &p.timer);
	return 0;
}

static int sleeps(void *arg)
{
	struct fixture *fx = arg;

	g_assert_cmpuint(ringline_now(), ==, FAKE_START);
	g_assert_cmpint(ringline_sleep(SECOND), ==, 0);
	g_assert_cmpuint(ringline_now(), ==, FAKE_START + SECOND);
	g_assert_cmpint(ringline_sleep_until(FAKE_START + 3 * SECOND), ==, 0);
	g_assert_cmpuint(ringline_now(), ==, FAKE_START + 3 * SECOND);
	g_assert_cmpuint(ringline_now(), ==, fake_now(fx));
	return 0;
}

/* The turn's cached time lies in the past when a task computes for long; its sleep counts from the call. */
static int sleep_counts_from_the_call(void *arg)
{
	struct fixture *fx = arg;

	rln_clock_virtual_advance(&fx->f->clock, SECOND);
	g_assert_cmpuint(fx->x.now, ==, FAKE_START);
	g_assert_cmpint(ringline_sleep(10), ==, 0);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + SECOND + 10);
	return 0;
}

static int appends(void *arg)
{
	g_string_append_c(((struct fixture *)arg)->trace, 'o');
	return 0;
}

static int passed_sleep_lets_others_run(void *arg)
{
	struct fixture *fx = arg;

	g_assert_cmpint(ringline_spawn(appends, fx), ==, 0);
	g_assert_cmpint(ringline_sleep_until(1), ==, 0);
	g_assert_cmpstr(fx->trace->str, ==, "o");
	g_assert_cmpint(ringline_spawn(appends, fx), ==, 0);
	g_assert_cmpint(ringline_sleep(0), ==, 0);
	g_assert_cmpstr(fx->trace->str, ==, "oo");
	return 0;
}

/* The longest sleep does not wrap around to a short one. */
static int sleep_does_not_wrap(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *s;

	o.deadline = FAKE_START + 500 * SECOND;
	g_assert_cmpint(ringline_scope_open(&s, &o), ==, 0);
	g_assert_cmpint(ringline_sleep(UINT64_MAX), ==, -ETIME);
	g_assert_cmpint(ringline_sleep(UINT64_MAX - 1), ==, -ETIME);
	g_assert_cmpuint(fake_now(fx), ==, o.deadline);
	g_assert_cmpint(ringline_scope_close(s), ==, -ETIME);
	return 0;
}

/* A sleep that was cut leaves no timer that could fire into the next owner of its stack. */
static int cut_sleep_leaves_no_timer(void *arg)
{
	struct fixture *fx = arg;
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *s;

	o.deadline = FAKE_START + 10;
	g_assert_cmpint(ringline_scope_open(&s, &o), ==, 0);
	g_assert_cmpint(ringline_sleep(SECOND), ==, -ETIME);
	g_assert_cmpuint(fx->x.timers.len, ==, 0);
	g_assert_cmpint(ringline_scope_close(s), ==, -ETIME);
	g_assert_cmpint(ringline_sleep(2 * SECOND), ==, 0);
	return 0;
}

static int sleeps_for_ever(void *arg)
{
	(void)arg;
	return ringline_sleep_until(RINGLINE_NEVER);
}

/* Fails each allocation that a growing heap makes, in turn. */
static int out_of_memory(void *arg)
{
	struct fixture *fx = arg;
	struct probe first[RLN_HEAP_FRONT];
	struct ringline_scope *s;
	bool failed = true;
	uint32_t skip;
	uint32_t i;

	for (skip = 0; failed; skip++) {
		struct probe *p = g_new(struct probe, 2000);
		uint32_t before = fx->x.timers.len;
		int n = 0;
		int r = 0;

		rln_heap_fini(&fx->x.timers);     /* starts from nothing each time */
		rln_heap_init(&fx->x.timers);
		rln_fault_arm(RLN_FAULT_ALLOC, skip, 1, ENOMEM);
		for (n = 0; n < 2000; n++) {
			p[n] = (struct probe){ .fx = fx };
			rln_timer_init(&p[n].timer, probe_fired);
			r = rln_timer_arm(&fx->x, &p[n].timer, FAKE_START + (uint64_t)n);
			if (r < 0)
				break;
		}
		failed = rln_fault_failed(RLN_FAULT_ALLOC) > 0;
		if (failed) {
			g_assert_false(rln_timer_armed(&p[n].timer));
			g_assert_cmpuint(fx->x.timers.len, ==, before + (uint32_t)n);
		}
		rln_fault_disarm_all();
		g_assert_cmpint(r, ==, n < 2000 ? -ENOMEM : 0);
		while (n--)
			rln_timer_cancel(&fx->x, &p[n].timer);
		g_free(p);
		g_assert_cmpuint(skip, <, 100);
	}

	/* and the call that needs one, when those are under way that need none */
	rln_heap_fini(&fx->x.timers);
	rln_heap_init(&fx->x.timers);
	for (i = 0; i < RLN_HEAP_FRONT; i++)
		arm(fx, &first[i], RINGLINE_NEVER, 0);
	rln_fault_arm(RLN_FAULT_ALLOC, 0, 1, ENOMEM);
	g_assert_cmpint(ringline_sleep(1), ==, -ENOMEM);
	rln_fault_disarm_all();
	g_assert_cmpint(ringline_scope_open(&s, NULL), ==, 0);
	g_assert_cmpint(ringline_scope_spawn(s, sleeps_for_ever, NULL), ==, 0);
	g_assert_cmpint(ringline_sleep(1), ==, 0);
	g_assert_cmpint(ringline_scope_cancel(s), ==, 0);
	g_assert_cmpint(ringline_scope_close(s), ==, -ECANCELED);
	for (i = 0; i < RLN_HEAP_FRONT; i++)
		rln_timer_cancel(&fx->x, &first[i].timer);
	return 0;
}

static const struct fixture_case cases[] = {
	{ "/timer/fire-in-order-of-deadlines", deadline_order, { 0 } },
	{ "/timer/equal-deadlines-fire-in-order-of-arming", equal_deadlines, { 0 } },
	{ "/timer/never-early-though-the-backend-is", early_wakes, { 0 } },
	{ "/timer/past-deadline-fires-in-the-next-turn", past_deadline, { 0 } },
	{ "/timer/cancelled-does-not-fire", cancelled_does_not_fire, { 0 } },
	{ "/timer/armed-again-forgets-its-old-deadline", armed_again, { 0 } },
	{ "/timer/callbacks-may-cancel-and-arm", reentrant, { 0 } },
	{ "/timer/million-with-half-cancelled", million, { 0 } },
	{ "/timer/never-is-not-reached", never_is_not_reached, { 0 } },
	{ "/timer/sleep", sleeps, { 0 } },
	{ "/timer/sleep-counts-from-the-call", sleep_counts_from_the_call, { 0 } },
	{ "/timer/sleep-that-has-passed-lets-others-run", passed_sleep_lets_others_run, { 0 } },
	{ "/timer/sleep-does-not-wrap", sleep_does_not_wrap, { 0 } },
	{ "/timer/cut-sleep-leaves-no-timer", cut_sleep_leaves_no_timer, { 0 } },
	{ "/timer/out-of-memory-anywhere-leaves-nothing", out_of_memory, { 0 } },
};

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	fixture_add_cases(cases, G_N_ELEMENTS(cases));
	return g_test_run();
}
