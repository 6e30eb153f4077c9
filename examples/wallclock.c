/* SPDX-License-Identifier: MIT */
/*
 * wallclock [-i SECONDS] [-n TIMES]: tells the time of day at each full minute, or every SECONDS, on the dot.
 *
 * A timer on the clock that may be set. When it is set, what was computed from it is stale: the timer says so, and the next
 * full minute is computed anew. Between two of them the program sleeps; it does not look.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ringline/ringline.h>

struct plan {
	uint64_t interval;
	uint64_t times;                   /* 0: for ever */
};

static void tell(const char *what)
{
	time_t now = (time_t)(ringline_clock_now(RINGLINE_CLOCK_REALTIME) / RINGLINE_NSEC_PER_SEC);
	struct tm tm;
	char text[32];

	localtime_r(&now, &tm);
	strftime(text, sizeof(text), "%H:%M:%S", &tm);
	printf("%s%s\n", text, what);
	fflush(stdout);
}

/* The next multiple of the interval. */
static int arm(struct ringline_timer *timer, const struct plan *plan)
{
	uint64_t now = ringline_clock_now(RINGLINE_CLOCK_REALTIME);

	return ringline_timer_set(timer, now - now % plan->interval + plan->interval, plan->interval);
}

static int run(void *arg)
{
	struct ringline_timer_options o = RINGLINE_TIMER_OPTIONS_INIT;
	struct plan *plan = arg;
	struct ringline_timer *timer;
	int64_t r;

	o.clock = RINGLINE_CLOCK_REALTIME;
	o.flags = RINGLINE_TIMER_STEPS;
	r = ringline_timer_new(&timer, &o);
	if (r < 0)
		return (int)r;
	r = arm(timer, plan);
	while (r >= 0) {
		r = ringline_timer_wait(timer);
		if (r > 0)
			tell("");
		if (r > 0 && plan->times && !--plan->times)
			break;
		if (r == -ESTALE) {
			tell(" the clock was set");
			r = arm(timer, plan);
		}
	}
	ringline_timer_free(timer);
	return r < 0 ? (int)r : 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: wallclock [-i SECONDS] [-n TIMES]\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct plan plan = { 60 * RINGLINE_NSEC_PER_SEC, 0 };
	int r;
	int i;

	for (i = 1; i + 1 < argc; i += 2) {
		uint64_t value = strtoull(argv[i + 1], NULL, 10);

		if (!strcmp(argv[i], "-i") && value)
			plan.interval = value * RINGLINE_NSEC_PER_SEC;
		else if (!strcmp(argv[i], "-n"))
			plan.times = value;
		else
			return usage();
	}
	if (i < argc)
		return usage();
	r = ringline_run(NULL, run, &plan);
	if (r < 0)
		fprintf(stderr, "wallclock: %s\n", strerror(-r));
	return r < 0;
}
