/* SPDX-License-Identifier: MIT */
/*
 * Channels and broadcasts, on the scripted backend: order, bounds, ends, and that every element is received once or
 * destroyed once. Each case runs on a channel of the worker's and on a shared one; the workers that share it are in
 * conformance/test-shared.
 */
#include "base/fault.h"
#include "core/chan.h"
#include "ringline/select.h"
#include "support/fake-backend.h"

#define OK(call) g_assert_cmpint((call), ==, 0)

static uint32_t shared;                   /* RINGLINE_CHAN_SHARED or 0, of the case that runs */
static int destroyed;

static void destroy(void *element, void *arg)
{
	g_assert_true(arg == &destroyed);
	destroyed += *(int *)element;
}

static struct ringline_chan *chan(uint32_t capacity, uint32_t flags)
{
	const struct ringline_chan_options o = {
		.size = sizeof(o), .flags = shared | flags, .name = "test", .destroy = destroy, .arg = &destroyed,
	};
	struct ringline_chan *c;

	destroyed = 0;
	OK(ringline_chan_new(&c, sizeof(int), capacity, &o));
	return c;
}

static void ends(struct ringline_chan *c, int sum)
{
	OK(ringline_chan_unref(c));
	g_assert_cmpint(destroyed, ==, sum);
}

static void put(struct ringline_chan *c, int value)
{
	OK(ringline_chan_try_send(c, &value));
}

static void got(struct ringline_chan *c, int want)
{
	int value = -1;

	OK(ringline_chan_try_recv(c, &value));
	g_assert_cmpint(value, ==, want);
}

static int sends_to(struct ringline_chan *c, int value)
{
	return ringline_chan_send(c, &value);
}

/* Tasks that send or receive one element, parked. */
struct party {
	struct ringline_chan *chan;
	int value;
	int result;
	struct ringline_task *task;
};

static int party_sends(void *arg)
{
	struct party *p = arg;

	p->result = ringline_chan_send(p->chan, &p->value);
	return 0;
}

static int party_receives(void *arg)
{
	struct party *p = arg;

	p->result = ringline_chan_recv(p->chan, &p->value);
	return 0;
}

static void start(struct party *p, struct ringline_chan *c, int (*fn)(void *arg), int value)
{
	*p = (struct party){ .chan = c, .value = value, .result = 1 };
	OK(ringline_task_start(&p->task, fn, p, NULL));
	OK(ringline_yield());
}

static void over(struct party *p, int result, int value)
{
	OK(ringline_task_join(p->task, NULL));
	g_assert_cmpint(p->result, ==, result);
	g_assert_cmpint(p->value, ==, value);
}

static int first_in_first_out(void *fx)
{
	struct ringline_chan *c = chan(3, 0);
	int value = 4;
	int i;

	(void)fx;
	for (i = 0; i < 5; i++) {             /* the ring wraps */
		put(c, 1);
		put(c, 2);
		put(c, 3);
		g_assert_cmpint(ringline_chan_try_send(c, &value), ==, -EAGAIN);
		g_assert_cmpint(ringline_chan_len(c), ==, 3);
		got(c, 1);
		put(c, 4);
		got(c, 2);
		got(c, 3);
		got(c, 4);
		g_assert_cmpint(ringline_chan_try_recv(c, &value), ==, -EAGAIN);
	}
	ends(c, 0);
	return 0;
}

static int senders_wait_in_order(void *fx)
{
	struct ringline_chan *c = chan(1, 0);
	struct party p[3];
	int i;

	(void)fx;
	for (i = 0; i < 3; i++)
		start(&p[i], c, party_sends, i + 1);
	g_assert_cmpint(p[0].result, ==, 0);
	g_assert_cmpint(p[1].result, ==, 1);
	for (i = 0; i < 3; i++)
		got(c, i + 1);
	for (i = 0; i < 3; i++)
		over(&p[i], 0, i + 1);
	ends(c, 0);
	return 0;
}

static int receivers_wait_in_order(void *fx)
{
	struct ringline_chan *c = chan(1, 0);
	struct party p[3];
	int i;

	(void)fx;
	for (i = 0; i < 3; i++)
		start(&p[i], c, party_receives, -1);
	for (i = 0; i < 3; i++)
		put(c, i + 1);                /* straight to those who wait: one slot is enough */
	g_assert_cmpint(ringline_chan_len(c), ==, 0);
	for (i = 0; i < 3; i++)
		over(&p[i], 0, i + 1);
	ends(c, 0);
	return 0;
}

static int without_a_queue(void *fx)
{
	struct ringline_chan *c = chan(0, 0);
	struct party sender;
	struct party receiver;
	int value = 1;

	(void)fx;
	g_assert_cmpint(ringline_chan_try_send(c, &value), ==, -EAGAIN);
	start(&sender, c, party_sends, 5);
	g_assert_cmpint(sender.result, ==, 1);
	got(c, 5);
	over(&sender, 0, 5);
	start(&receiver, c, party_receives, -1);
	OK(sends_to(c, 6));
	over(&receiver, 0, 6);
	ends(c, 0);
	return 0;
}

static int close_drains(void *fx)
{
	struct ringline_chan *c = chan(2, 0);
	struct party sender;
	int value;

	(void)fx;
	put(c, 1);
	put(c, 2);
	start(&sender, c, party_sends, 3);
	OK(ringline_chan_close(c));
	OK(ringline_chan_close(c));
	over(&sender, -EPIPE, 3);
	g_assert_cmpint(sends_to(c, 4), ==, -EPIPE);
	got(c, 1);
	got(c, 2);
	g_assert_cmpint(ringline_chan_recv(c, &value), ==, -EPIPE);
	ends(c, 0);
	return 0;
}

static int close_wakes_receivers(void *fx)
{
	struct ringline_chan *c = chan(2, 0);
	struct party p[2];

	(void)fx;
	start(&p[0], c, party_receives, -1);
	start(&p[1], c, party_receives, -1);
	OK(ringline_chan_close(c));
	over(&p[0], -EPIPE, -1);
	over(&p[1], -EPIPE, -1);
	ends(c, 0);
	return 0;
}

static int the_last_handle_ends_it(void *fx)
{
	struct ringline_chan *c = chan(2, 0);
	struct party sender;

	(void)fx;
	put(c, 10);
	put(c, 20);
	start(&sender, c, party_sends, 3);
	OK(ringline_chan_ref(c));
	OK(ringline_chan_unref(c));
	g_assert_cmpint(destroyed, ==, 0);
	OK(ringline_chan_unref(c));
	g_assert_cmpint(ringline_chan_len(c), ==, -EBADF);      /* the sender has not left yet */
	g_assert_cmpint(ringline_chan_unref(c), ==, -EBADF);
	over(&sender, -EBADF, 3);
	g_assert_cmpint(destroyed, ==, 30);                     /* but what was not sent is the sender's */
	return 0;
}

static int a_cut_sends_and_receives_nothing(void *fx)
{
	struct ringline_chan *c = chan(0, 0);
	struct party p;

	(void)fx;
	start(&p, c, party_sends, 3);
	OK(ringline_task_cancel(p.task));
	over(&p, -ECANCELED, 3);
	start(&p, c, party_receives, -1);
	OK(ringline_task_cancel(p.task));
	over(&p, -ECANCELED, -1);
	start(&p, c, party_receives, -1);
	put(c, 7);
	OK(ringline_task_cancel(p.task));                       /* too late: it was handed over */
	over(&p, 0, 7);
	ends(c, 0);
	return 0;
}

static int oneshot(void *fx)
{
	struct ringline_chan *c = chan(1, RINGLINE_CHAN_ONESHOT);
	struct party p[2];
	int value = 1;

	(void)fx;
	put(c, 9);
	g_assert_cmpint(ringline_chan_try_send(c, &value), ==, -EPIPE);
	got(c, 9);
	g_assert_cmpint(ringline_chan_recv(c, &value), ==, -EPIPE);
	ends(c, 0);

	c = chan(1, RINGLINE_CHAN_ONESHOT);
	start(&p[0], c, party_receives, -1);
	start(&p[1], c, party_receives, -1);
	put(c, 9);
	over(&p[0], 0, 9);
	over(&p[1], -EPIPE, -1);
	ends(c, 0);
	return 0;
}

struct large {
	char bytes[1000];
};

static int elements_of_any_size(void *fx)
{
	const struct ringline_chan_options o = { .size = sizeof(o), .flags = shared };
	struct ringline_chan *c;
	struct large in = { "large" };
	struct large out;

	(void)fx;
	OK(ringline_chan_new(&c, sizeof(in), 2, &o));
	OK(ringline_chan_send(c, &in));
	OK(ringline_chan_recv(c, &out));
	g_assert_cmpmem(&in, sizeof(in), &out, sizeof(out));
	OK(ringline_chan_unref(c));
	OK(ringline_chan_new(&c, 1, 2, &o));
	OK(ringline_chan_send(c, "x"));
	OK(ringline_chan_recv(c, out.bytes));
	g_assert_cmpint(out.bytes[0], ==, 'x');
	OK(ringline_chan_unref(c));
	return 0;
}

static int bad_calls(void *fx)
{
	struct ringline_chan_options o = { .size = sizeof(o), .flags = shared };
	struct ringline_chan *c = NULL;
	struct ringline_broadcast *b;
	int value = 0;

	(void)fx;
	g_assert_cmpint(ringline_chan_new(NULL, 4, 1, &o), ==, -EINVAL);
	g_assert_cmpint(ringline_chan_new(&c, 0, 1, &o), ==, -EINVAL);
	g_assert_cmpint(ringline_chan_new(&c, RINGLINE_CHAN_ELEMENT_MAX + 1, 1, &o), ==, -EINVAL);
	o.flags = shared | RINGLINE_CHAN_ONESHOT;
	g_assert_cmpint(ringline_chan_new(&c, 4, 2, &o), ==, -EINVAL);
	o.flags = shared | RINGLINE_CHAN_WAIT;
	g_assert_cmpint(ringline_chan_new(&c, 4, 2, &o), ==, -EINVAL);
	g_assert_cmpint(ringline_broadcast_new(&b, 4, 0, &o), ==, -EINVAL);
	g_assert_cmpint(ringline_chan_send(NULL, &value), ==, -EINVAL);
	c = chan(1, 0);
	g_assert_cmpint(ringline_chan_send(c, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_chan_try_recv(c, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_broadcast_try_send((struct ringline_broadcast *)(void *)c, &value), ==, -EINVAL);
	OK(ringline_chan_unref(NULL));
	ends(c, 0);
	return 0;
}

#ifdef RLN_FAULT_INJECTION
static int no_memory(void *fx)
{
	const struct ringline_chan_options o = { .size = sizeof(o), .flags = shared };
	struct ringline_broadcast *b;
	struct ringline_chan *c;
	uint32_t skip;

	(void)fx;
	for (skip = 0; skip < 2; skip++) {
		rln_fault_arm(RLN_FAULT_ALLOC, skip, 1, ENOMEM);
		if (ringline_chan_new(&c, 4, 2, &o) == 0)
			OK(ringline_chan_unref(c));
		rln_fault_arm(RLN_FAULT_ALLOC, skip, 1, ENOMEM);
		if (ringline_broadcast_new(&b, 4, 2, &o) == 0)
			OK(ringline_broadcast_unref(b));
	}
	rln_fault_disarm_all();
	return 0;
}
#endif

/* --- select ------------------------------------------------------------------------------------------------------- */

static struct ringline_case on(uint32_t kind, void *object, void *data)
{
	return (struct ringline_case){ .kind = kind, .object = object, .data = data, .result = 1 };
}

static ssize_t sel(struct ringline_case *c, size_t n)
{
	return ringline_select(c, n, sizeof(*c), RINGLINE_SELECT_BIASED);
}

static int select_sends_and_receives(void *fx)
{
	struct ringline_chan *in = chan(1, 0);
	struct ringline_chan *out = chan(1, 0);
	int received = -1;
	int sent = 5;
	struct ringline_case c[2] = { on(RINGLINE_CASE_RECEIVE, in, &received), on(RINGLINE_CASE_SEND, out, &sent) };
	struct party p;

	(void)fx;
	g_assert_cmpint(sel(c, 2), ==, 1);                      /* there is room */
	g_assert_cmpint(c[1].result, ==, 0);
	g_assert_cmpint(ringline_select(c, 2, sizeof(*c), RINGLINE_SELECT_NOWAIT), ==, -EAGAIN);
	put(in, 7);
	g_assert_cmpint(sel(c, 2), ==, 0);
	g_assert_cmpint(received, ==, 7);
	start(&p, in, party_sends, 8);
	g_assert_cmpint(sel(c, 2), ==, 0);
	g_assert_cmpint(received, ==, 8);
	over(&p, 0, 8);
	start(&p, out, party_receives, -1);                     /* takes what is queued, and makes room */
	g_assert_cmpint(sel(c, 2), ==, 1);
	over(&p, 0, 5);
	OK(ringline_chan_close(in));
	g_assert_cmpint(sel(c, 2), ==, 0);
	g_assert_cmpint(c[0].result, ==, -EPIPE);
	got(out, 5);
	OK(ringline_chan_unref(in));
	ends(out, 0);
	return 0;
}

static int feed_later(void *arg)
{
	OK(ringline_sleep(100));
	OK(sends_to(arg, 11));
	return 0;
}

static int drain_later(void *arg)
{
	OK(ringline_sleep(100));
	got(arg, 5);
	return 0;
}

static int select_waits(void *fx)
{
	struct ringline_chan *in = chan(1, 0);
	struct ringline_chan *out = chan(1, 0);
	int received = -1;
	int sent = 6;
	struct ringline_case c[2] = { on(RINGLINE_CASE_RECEIVE, in, &received), on(RINGLINE_CASE_SEND, out, &sent) };

	put(out, 5);
	OK(ringline_spawn(feed_later, in));
	g_assert_cmpint(sel(c, 2), ==, 0);
	g_assert_cmpint(received, ==, 11);
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 100);
	OK(ringline_spawn(drain_later, out));
	g_assert_cmpint(sel(c, 2), ==, 1);
	g_assert_cmpint(c[1].result, ==, 0);
	got(out, 6);
	g_assert_cmpint(ringline_chan_try_send(in, &sent), ==, 0);   /* nobody is left in the queue of receivers */
	got(in, 6);
	c[0].data = NULL;
	g_assert_cmpint(sel(c, 1), ==, -EINVAL);
	OK(ringline_chan_unref(in));
	ends(out, 0);
	return 0;
}

/* Two tasks select on both ends of a channel without a queue. */
static int select_meets_select(void *arg)
{
	struct party *p = arg;
	struct ringline_case c = on(RINGLINE_CASE_SEND, p->chan, &p->value);

	g_assert_cmpint(sel(&c, 1), ==, 0);
	p->result = (int)c.result;
	return 0;
}

static int selects_meet(void *fx)
{
	struct ringline_chan *c = chan(0, 0);
	int received = -1;
	struct ringline_case mine = on(RINGLINE_CASE_RECEIVE, c, &received);
	struct party p;

	(void)fx;
	start(&p, c, select_meets_select, 3);
	g_assert_cmpint(sel(&mine, 1), ==, 0);
	g_assert_cmpint(received, ==, 3);
	over(&p, 0, 3);
	ends(c, 0);
	return 0;
}

/* A send to a receiver that has won elsewhere in the same turn goes to the queue. */
static int select_both(void *arg)
{
	struct ringline_chan **two = arg;
	int value[2] = { -1, -1 };
	struct ringline_case c[2] = {
		on(RINGLINE_CASE_RECEIVE, two[0], &value[0]), on(RINGLINE_CASE_RECEIVE, two[1], &value[1]),
	};

	g_assert_cmpint(sel(c, 2), ==, 1);
	g_assert_cmpint(value[0], ==, -1);
	g_assert_cmpint(value[1], ==, 2);
	return 0;
}

static int a_loser_receives_nothing(void *fx)
{
	struct ringline_chan *two[2] = { chan(1, 0), chan(1, 0) };
	struct ringline_task *t;

	(void)fx;
	OK(ringline_task_start(&t, select_both, two, NULL));
	OK(ringline_yield());
	put(two[1], 2);
	put(two[0], 1);
	OK(ringline_task_join(t, NULL));
	got(two[0], 1);
	OK(ringline_chan_unref(two[0]));
	ends(two[1], 0);
	return 0;
}

/* --- broadcast ---------------------------------------------------------------------------------------------------- */

static struct ringline_broadcast *broadcast(uint32_t capacity, uint32_t flags)
{
	const struct ringline_chan_options o = {
		.size = sizeof(o), .flags = shared | flags, .destroy = destroy, .arg = &destroyed,
	};
	struct ringline_broadcast *b;

	destroyed = 0;
	OK(ringline_broadcast_new(&b, sizeof(int), capacity, &o));
	return b;
}

static struct ringline_subscription *subscribe(struct ringline_broadcast *b)
{
	struct ringline_subscription *s;

	OK(ringline_broadcast_subscribe(&s, b));
	return s;
}

static void tell(struct ringline_broadcast *b, int value)
{
	OK(ringline_broadcast_try_send(b, &value));
}

static void hears(struct ringline_subscription *s, int want)
{
	int value = -1;

	OK(ringline_subscription_try_recv(s, &value));
	g_assert_cmpint(value, ==, want);
}

static int64_t hears_nothing(struct ringline_subscription *s)
{
	int value = -1;
	int64_t r = ringline_subscription_try_recv(s, &value);

	g_assert_cmpint(value, ==, -1);
	return r;
}

static int everybody_hears_everything(void *fx)
{
	struct ringline_broadcast *b = broadcast(4, 0);
	struct ringline_subscription *s;
	struct ringline_subscription *late;
	int i;

	(void)fx;
	tell(b, 1);                           /* to nobody */
	s = subscribe(b);
	for (i = 2; i < 5; i++)
		tell(b, i);
	late = subscribe(b);
	tell(b, 5);
	for (i = 2; i < 6; i++)
		hears(s, i);
	hears(late, 5);
	g_assert_cmpint(hears_nothing(s), ==, -EAGAIN);
	OK(ringline_broadcast_close(b));
	g_assert_cmpint(hears_nothing(s), ==, -EPIPE);
	g_assert_cmpint(destroyed, ==, 1);
	OK(ringline_subscription_free(s));
	OK(ringline_subscription_free(late));
	OK(ringline_subscription_free(NULL));
	OK(ringline_broadcast_unref(b));
	g_assert_cmpint(destroyed, ==, 15);
	return 0;
}

static int who_is_slow_is_told_what_it_lost(void *fx)
{
	struct ringline_broadcast *b = broadcast(2, 0);
	struct ringline_subscription *s = subscribe(b);
	int i;

	(void)fx;
	for (i = 1; i <= 5; i++)
		tell(b, i);
	g_assert_cmpint(hears_nothing(s), ==, 3);
	hears(s, 4);
	hears(s, 5);
	OK(ringline_broadcast_unref(b));      /* subscriptions may outlive it */
	g_assert_cmpint(hears_nothing(s), ==, -EPIPE);
	OK(ringline_subscription_free(s));
	g_assert_cmpint(destroyed, ==, 15);
	return 0;
}

struct listener {
	struct ringline_subscription *subscription;
	int value;
	int64_t result;
	struct ringline_task *task;
};

static int listens(void *arg)
{
	struct listener *l = arg;

	l->result = ringline_subscription_recv(l->subscription, &l->value);
	return 0;
}

static void start_listening(struct listener *l, struct ringline_subscription *s)
{
	*l = (struct listener){ s, -1, 1, NULL };
	OK(ringline_task_start(&l->task, listens, l, NULL));
	OK(ringline_yield());
}

static void listened(struct listener *l, int64_t result, int value)
{
	OK(ringline_task_join(l->task, NULL));
	g_assert_cmpint(l->result, ==, result);
	g_assert_cmpint(l->value, ==, value);
}

static int those_who_wait_hear_at_once(void *fx)
{
	struct ringline_broadcast *b = broadcast(1, 0);
	struct ringline_subscription *s[2] = { subscribe(b), subscribe(b) };
	struct listener l[2];

	(void)fx;
	start_listening(&l[0], s[0]);
	start_listening(&l[1], s[1]);
	g_assert_cmpint(hears_nothing(s[0]), ==, -EBUSY);
	tell(b, 1);
	tell(b, 2);
	listened(&l[0], 0, 1);
	listened(&l[1], 0, 1);
	hears(s[0], 2);
	start_listening(&l[0], s[0]);
	OK(ringline_task_cancel(l[0].task));
	listened(&l[0], -ECANCELED, -1);
	start_listening(&l[0], s[0]);
	OK(ringline_subscription_free(s[0]));
	listened(&l[0], -EBADF, -1);
	hears(s[1], 2);
	start_listening(&l[1], s[1]);
	OK(ringline_broadcast_close(b));
	listened(&l[1], -EPIPE, -1);
	OK(ringline_subscription_free(s[1]));
	OK(ringline_broadcast_unref(b));
	return 0;
}

struct speaker {
	struct ringline_broadcast *broadcast;
	int value;
	int result;
};

static int speaks(void *arg)
{
	struct speaker *s = arg;

	s->result = ringline_broadcast_send(s->broadcast, &s->value);
	return 0;
}

static int a_sender_may_wait_for_the_slowest(void *fx)
{
	struct ringline_broadcast *b = broadcast(2, RINGLINE_CHAN_WAIT);
	struct ringline_subscription *fast = subscribe(b);
	struct ringline_subscription *slow = subscribe(b);
	struct speaker s[2] = { { b, 3, 1 }, { b, 4, 1 } };
	struct ringline_task *t[2];
	int i;

	(void)fx;
	tell(b, 1);
	tell(b, 2);
	for (i = 0; i < 2; i++)
		OK(ringline_task_start(&t[i], speaks, &s[i], NULL));
	OK(ringline_yield());
	g_assert_cmpint(s[0].result, ==, 1);
	hears(fast, 1);
	hears(fast, 2);
	OK(ringline_yield());
	g_assert_cmpint(s[0].result, ==, 1);
	hears(slow, 1);
	OK(ringline_yield());
	g_assert_cmpint(s[0].result, ==, 0);
	g_assert_cmpint(s[1].result, ==, 1);
	OK(ringline_subscription_free(slow));  /* nobody waits for it any more */
	hears(fast, 3);
	for (i = 0; i < 2; i++)
		OK(ringline_task_join(t[i], NULL));
	g_assert_cmpint(s[1].result, ==, 0);
	hears(fast, 4);
	OK(ringline_subscription_free(fast));
	OK(ringline_broadcast_unref(b));
	g_assert_cmpint(destroyed, ==, 10);
	return 0;
}

static int broadcast_in_select(void *fx)
{
	struct ringline_broadcast *b = broadcast(2, 0);
	struct ringline_subscription *s = subscribe(b);
	struct ringline_chan *other = chan(1, 0);
	int value = -1;
	struct ringline_case c[2] = {
		on(RINGLINE_CASE_SUBSCRIPTION, s, &value), on(RINGLINE_CASE_RECEIVE, other, &value),
	};
	struct speaker later = { b, 5, 1 };

	(void)fx;
	OK(ringline_spawn(speaks, &later));
	g_assert_cmpint(sel(c, 2), ==, 0);
	g_assert_cmpint(value, ==, 5);
	put(other, 6);
	g_assert_cmpint(sel(c, 2), ==, 1);
	tell(b, 7);
	g_assert_cmpint(sel(c, 2), ==, 0);
	g_assert_cmpint(value, ==, 7);
	OK(ringline_broadcast_unref(b));
	g_assert_cmpint(sel(c, 2), ==, 0);
	g_assert_cmpint(c[0].result, ==, -EPIPE);
	OK(ringline_subscription_free(s));
	OK(ringline_chan_unref(other));
	return 0;
}

static const struct fixture_case cases[] = {
	{ .path = "first-in-first-out", .fn = first_in_first_out },
	{ .path = "senders-wait-in-order", .fn = senders_wait_in_order },
	{ .path = "receivers-wait-in-order", .fn = receivers_wait_in_order },
	{ .path = "without-a-queue", .fn = without_a_queue },
	{ .path = "close/drains", .fn = close_drains },
	{ .path = "close/wakes-receivers", .fn = close_wakes_receivers },
	{ .path = "close/the-last-handle-ends-it", .fn = the_last_handle_ends_it },
	{ .path = "cut", .fn = a_cut_sends_and_receives_nothing },
	{ .path = "oneshot", .fn = oneshot },
	{ .path = "elements-of-any-size", .fn = elements_of_any_size },
	{ .path = "bad-calls", .fn = bad_calls },
#ifdef RLN_FAULT_INJECTION
	{ .path = "no-memory", .fn = no_memory },
#endif
	{ .path = "select/sends-and-receives", .fn = select_sends_and_receives },
	{ .path = "select/waits", .fn = select_waits },
	{ .path = "select/meets-select", .fn = selects_meet },
	{ .path = "select/a-loser-receives-nothing", .fn = a_loser_receives_nothing },
	{ .path = "broadcast/everybody-hears-everything", .fn = everybody_hears_everything },
	{ .path = "broadcast/lost", .fn = who_is_slow_is_told_what_it_lost },
	{ .path = "broadcast/waiting", .fn = those_who_wait_hear_at_once },
	{ .path = "broadcast/the-slowest", .fn = a_sender_may_wait_for_the_slowest },
	{ .path = "broadcast/select", .fn = broadcast_in_select },
};

static void run(const struct fixture_case *c, uint32_t flags)
{
	struct fixture fx;

	shared = flags;
	fixture_init(&fx, &c->config);
	OK(fixture_run(&fx, c->fn, &fx));
	fixture_fini(&fx);
}

static void run_local(gconstpointer data)
{
	run(data, 0);
}

static void run_shared(gconstpointer data)
{
	run(data, RINGLINE_CHAN_SHARED);
}

int main(int argc, char **argv)
{
	size_t i;

	g_test_init(&argc, &argv, NULL);
	for (i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *one = g_strdup_printf("/chan/local/%s", cases[i].path);
		g_autofree char *all = g_strdup_printf("/chan/shared/%s", cases[i].path);

		g_test_add_data_func(one, &cases[i], run_local);
		g_test_add_data_func(all, &cases[i], run_shared);
	}
	return g_test_run();
}
