/* SPDX-License-Identifier: MIT */
/* The figures of scopes and of select, and a million tasks; micro.c tells what each is. */
#include "micro.h"
#include "ringline/select.h"
#include "ringline/sync.h"

/* A million */

#define MILLION 1000000u
#define ALIVE   1000u

static int returns(void *arg)
{
	(void)arg;
	return 0;
}

static int starts_and_joins(void *arg)
{
	static struct ringline_task *t[ALIVE];
	double *seconds = arg;
	uint64_t start = real_ns();
	uint32_t i;
	uint32_t j;

	for (i = 0; i < MILLION; i += ALIVE) {
		for (j = 0; j < ALIVE; j++)
			must(ringline_task_start(&t[j], returns, NULL, NULL) == 0, "no task");
		must(ringline_join(t, ALIVE, NULL) == 0, "no join");
	}
	*seconds = (double)(real_ns() - start) / 1e9;
	return 0;
}

void measure_million(void)
{
	double seconds;

	in_a_task(starts_and_joins, &seconds);
	report_value("million_tasks_s", seconds, 1);
}

/* Scopes */

#define SCOPES 8192u

static int opens_and_closes(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;
	struct series *s = arg;
	uint64_t start;
	uint32_t i;

	o.deadline = FAKE_START + RLN_NSEC_PER_SEC;
	do {
		start = real_ns();
		for (i = 0; i < SCOPES; i++) {
			must(ringline_scope_open(&scope, &o) == 0, "no scope");
			must(ringline_scope_close(scope) == 0, "no close");
		}
	} while (sample(s, start, SCOPES));
	return 0;
}

void measure_scope(void)
{
	static struct series s;

	in_a_task(opens_and_closes, &s);
	report_series("scope_deadline", &s, 60);
}

/* Select */

#define ROUNDS   2048u
#define CASES    100u

struct chooser {
	struct ringline_case cases[CASES];
	size_t n;
	struct chooser *peer;
	bool stop;
};

static void chooser_init(struct chooser *c, size_t n, struct chooser *peer)
{
	struct ringline_event *e;
	size_t i;

	c->n = n;
	c->peer = peer;
	c->stop = false;
	for (i = 0; i < n; i++) {
		must(ringline_event_new(&e, NULL) == 0, "no event");
		c->cases[i] = (struct ringline_case){ .kind = RINGLINE_CASE_EVENT, .object = e };
	}
}

static void chooser_fini(struct chooser *c)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		must(ringline_event_free(c->cases[i].object) == 0, "an event that cannot be freed");
}

/* From a table, because a random number costs as much as a few cases. */
static void wake_peer(struct chooser *c, uint32_t turn)
{
	static uint32_t which[ROUNDS];

	if (!which[0])
		for (uint32_t i = 0; i < ROUNDS; i++)
			which[i] = 1 + (uint32_t)prng() % 1000003;
	must(ringline_event_set(c->peer->cases[which[turn % ROUNDS] % c->n].object) == 0, "an event that cannot be set");
}

static void choose(struct chooser *c)
{
	ssize_t i = ringline_select(c->cases, c->n, sizeof(c->cases[0]), 0);

	must(i >= 0 && ringline_event_reset(c->cases[i].object) == 0, "nothing chosen");
}

static int answers(void *arg)
{
	struct chooser *c = arg;
	uint32_t turn = 0;

	for (;;) {
		choose(c);
		if (c->stop)
			return 0;
		wake_peer(c, turn++);
	}
}

struct match {
	struct series *series;
	size_t n;
};

static int plays(void *arg)
{
	static struct chooser a;
	static struct chooser b;
	const struct match *m = arg;
	struct ringline_task *t;
	uint64_t start;
	uint32_t i;

	chooser_init(&a, m->n, &b);
	chooser_init(&b, m->n, &a);
	must(ringline_task_start(&t, answers, &b, NULL) == 0, "no task");
	must(ringline_yield() == 0, "no yield");
	do {
		start = real_ns();
		for (i = 0; i < ROUNDS; i++) {
			wake_peer(&a, i);
			choose(&a);
		}
	} while (sample(m->series, start, 2 * ROUNDS));
	b.stop = true;
	wake_peer(&a, 0);
	must(ringline_task_join(t, NULL) == 0, "no join");
	chooser_fini(&a);
	chooser_fini(&b);
	return 0;
}

void measure_select(void)
{
	static struct series s;

	in_a_task(plays, &(struct match){ &s, 2 });
	report_series("select_2", &s, 0);
	in_a_task(plays, &(struct match){ &s, 10 });
	report_series("select_10", &s, 150);
	in_a_task(plays, &(struct match){ &s, CASES });
	report_series("select_100", &s, 0);
}
