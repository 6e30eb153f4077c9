/* SPDX-License-Identifier: MIT */
/*
 * Alarms on the clocks of timerfd_create(2); clock.h tells the idea.
 *
 * The timerfd is armed anew when another alarm is the earliest, and left alone when that one is cancelled but for the last:
 * an expiration for nobody costs less than a system call for each cancellation.
 */
#include <errno.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "io/clock.h"
#include "ringline/common.h"

#ifndef TFD_TIMER_CANCEL_ON_SET
#define TFD_TIMER_CANCEL_ON_SET (1 << 1)
#endif

struct polled {
	struct rln_op op;
	struct rln_alarm_clock *clock;
};

void rln_alarm_clock_init(struct rln_alarm_clock *c, clockid_t id)
{
	c->id = id;
	c->fd = -1;
	c->armed = false;
	c->set_for = 0;
	c->tells = false;
	c->poll = NULL;
	rln_heap_init(&c->alarms);
	rln_list_init(&c->watchers);
}

void rln_alarm_clock_fini(struct rln_alarm_clock *c)
{
	if (c->fd >= 0)
		close(c->fd);
	if (c->poll)
		rln_mem_free(rln_container_of(c->poll, struct polled, op));
	rln_heap_fini(&c->alarms);
}

/* The timerfd */

static void poll_over(struct rln_op *op, const struct rln_completion *done);

int rln_alarm_clock_open(struct rln_alarm_clock *c)
{
	struct polled *p;

	if (c->fd >= 0)
		return 0;
	p = rln_mem_alloc_aligned(sizeof(*p), 64);
	if (!p)
		return -ENOMEM;
	c->fd = rln_fault(RLN_FAULT_TIMERFD) ? -1 : timerfd_create(c->id, TFD_CLOEXEC | TFD_NONBLOCK);
	if (c->fd < 0) {
		rln_mem_free(p);
		return errno == ENFILE ? -ENFILE : -EMFILE;
	}
	rln_op_init(&p->op, poll_over);
	p->clock = c;
	c->poll = &p->op;
	return 0;
}

static void tell_watchers(struct rln_alarm_clock *c)
{
	struct rln_list *it;
	struct rln_list *tmp;

	rln_list_for_each_safe (it, tmp, &c->watchers) {
		struct rln_alarm *a = rln_list_entry(it, struct rln_alarm, watcher);

		a->stepped(a);
	}
}

/* Arms the timerfd. That the clock was set since it was armed last is told here, too: the new time stands nevertheless. */
static void set_timerfd(struct rln_alarm_clock *c, uint64_t when, bool tells)
{
	uint64_t at = rln_max(when, 1);           /* zero would disarm it */
	struct itimerspec spec = {
		.it_value = { .tv_sec = (time_t)(at / RLN_NSEC_PER_SEC), .tv_nsec = (long)(at % RLN_NSEC_PER_SEC) },
	};

	c->armed = true;
	c->set_for = when;
	c->tells = tells;
	if (timerfd_settime(c->fd, TFD_TIMER_ABSTIME | (tells ? TFD_TIMER_CANCEL_ON_SET : 0), &spec, NULL) < 0 &&
	    errno == ECANCELED)
		tell_watchers(c);
}

static uint64_t earliest(const struct rln_alarm_clock *c)
{
	uint64_t when;

	return rln_heap_min(&c->alarms, &when) ? when : RINGLINE_NEVER;
}

/* Asks for the earliest alarm, and keeps the operation in flight while there is something to hear of. */
static void update(struct rln_alarm_clock *c)
{
	bool tells = !rln_list_empty(&c->watchers);
	uint64_t next = earliest(c);

	if (!c->alarms.len && !tells) {
		rln_op_cancel(c->poll);
		return;
	}
	if (!c->armed || next != c->set_for || tells != c->tells)
		set_timerfd(c, next, tells);
	if (rln_op_inflight(c->poll))
		return;
	c->poll->opcode = RLN_OP_POLL;
	c->poll->fd = c->fd;
	c->poll->arg = POLLIN;
	rln_op_submit(c->poll);
}

static bool was_set(const struct rln_alarm_clock *c)
{
	int error = rln_fault(RLN_FAULT_CLOCK_STEP);
	uint64_t expirations;

	return read(c->fd, &expirations, sizeof(expirations)) < 0 ? errno == ECANCELED : error == ECANCELED;
}

/* An alarm that is to fire again goes back to the heap, in which there is room for it. */
static void fire_due(struct rln_alarm_clock *c)
{
	uint64_t now = rln_clock_read(c->id);
	struct rln_heap_node *n;
	uint64_t when;

	while ((n = rln_heap_min(&c->alarms, &when)) && when <= now) {
		struct rln_alarm *a = rln_container_of(n, struct rln_alarm, node);
		uint64_t next;

		rln_heap_remove(&c->alarms, n);
		next = a->fire(a, when, now);
		if (next != RINGLINE_NEVER)
			(void)!rln_heap_insert(&c->alarms, n, next);
	}
}

static void poll_over(struct rln_op *op, const struct rln_completion *done)
{
	struct rln_alarm_clock *c = rln_container_of(op, struct polled, op)->clock;

	if (done->res > 0) {
		c->armed = false;         /* it has expired, or the clock has moved */
		if (was_set(c))
			tell_watchers(c);
		fire_due(c);
	}
	update(c);
}

void rln_alarm_clock_end(struct rln_alarm_clock *c)
{
	struct rln_heap_node *n;
	uint64_t when;

	while ((n = rln_heap_min(&c->alarms, &when)))
		rln_heap_remove(&c->alarms, n);
	while (!rln_list_empty(&c->watchers))
		rln_list_pop(&c->watchers);
	if (c->poll)
		rln_op_cancel(c->poll);
}

/* Alarms */

void rln_alarm_init(struct rln_alarm *a, uint64_t (*fire)(struct rln_alarm *a, uint64_t when, uint64_t now),
                    void (*stepped)(struct rln_alarm *a))
{
	rln_heap_node_init(&a->node);
	rln_list_init(&a->watcher);
	a->fire = fire;
	a->stepped = stepped;
}

void rln_alarm_watch(struct rln_alarm_clock *c, struct rln_alarm *a)
{
	rln_list_add_tail(&c->watchers, &a->watcher);
	update(c);
}

int rln_alarm_arm(struct rln_alarm_clock *c, struct rln_alarm *a, uint64_t when)
{
	int r = rln_heap_insert(&c->alarms, &a->node, when);

	if (r == 0)
		update(c);
	return r;
}

void rln_alarm_cancel(struct rln_alarm_clock *c, struct rln_alarm *a, bool forget)
{
	rln_heap_remove(&c->alarms, &a->node);
	if (forget)
		rln_list_del(&a->watcher);
	if (!c->alarms.len && rln_list_empty(&c->watchers) && c->poll)
		update(c);
}
