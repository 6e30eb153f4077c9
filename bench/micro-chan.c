/* SPDX-License-Identifier: MIT */
/* The figures of channels and locks on one worker; micro.c tells what each is. */
#include "micro.h"
#include "ringline/chan.h"
#include "ringline/sync.h"

#define PASSES 8192u

static int sends_and_receives(void *arg)
{
	struct series *s = arg;
	struct ringline_chan *c;
	uint64_t element = 1;
	uint64_t start;
	uint32_t i;

	must(ringline_chan_new(&c, sizeof(element), 64, NULL) == 0, "no channel");
	do {
		start = real_ns();
		for (i = 0; i < PASSES; i++) {
			must(ringline_chan_send(c, &element) == 0, "not sent");
			must(ringline_chan_recv(c, &element) == 0, "not received");
		}
	} while (sample(s, start, PASSES));
	must(ringline_chan_unref(c) == 0, "a channel that cannot be freed");
	return 0;
}

static int sends_for_ever(void *arg)
{
	uint64_t element = 1;

	while (ringline_chan_send(arg, &element) == 0)
		;
	return 0;
}

/* Without a queue: each element is one switch. */
static int receives_what_another_sends(void *arg)
{
	struct series *s = arg;
	struct ringline_chan *c;
	uint64_t element;
	uint64_t start;
	uint32_t i;

	must(ringline_chan_new(&c, sizeof(element), 0, NULL) == 0, "no channel");
	must(ringline_spawn(sends_for_ever, c) == 0, "no task");
	do {
		start = real_ns();
		for (i = 0; i < PASSES; i++)
			must(ringline_chan_recv(c, &element) == 0, "not received");
	} while (sample(s, start, PASSES));
	must(ringline_chan_close(c) == 0, "a channel that cannot be closed");
	must(ringline_yield() == 0, "no yield");
	must(ringline_chan_unref(c) == 0, "a channel that cannot be freed");
	return 0;
}

void measure_chan(void)
{
	static struct series s;

	in_a_task(sends_and_receives, &s);
	report_series("chan_pass", &s, 25);
	in_a_task(receives_what_another_sends, &s);
	report_series("chan_pass_switch", &s, 80);
}

static int locks_and_unlocks(void *arg)
{
	struct series *s = arg;
	struct ringline_mutex *m;
	uint64_t start;
	uint32_t i;

	must(ringline_mutex_new(&m, NULL) == 0, "no mutex");
	do {
		start = real_ns();
		for (i = 0; i < PASSES; i++) {
			must(ringline_mutex_lock(m) == 0, "not locked");
			must(ringline_mutex_unlock(m) == 0, "not unlocked");
		}
	} while (sample(s, start, PASSES));
	must(ringline_mutex_free(m) == 0, "a mutex that cannot be freed");
	return 0;
}

void measure_lock(void)
{
	static struct series s;

	in_a_task(locks_and_unlocks, &s);
	report_series("mutex", &s, 10);
}
