/* SPDX-License-Identifier: MIT */
/*
 * What workers share: channels, broadcasts, mutexes, rwlocks, semaphores. Every element arrives once, whatever is cut, closed
 * or chosen at the same moment; a lock is held by one; and nobody is left asleep.
 *
 * What each protocol relies on is in core/wait.h and core/waker.h, with the tables of interleavings; here they are run into
 * by numbers, also under the thread sanitizer.
 */
#include <stdatomic.h>

#include "support/conformance.h"

#define WORKERS 3

static uint32_t many(void)
{
	return conf_full() ? 200000 : 4000;
}

static uint32_t rnd(uint32_t *state, uint32_t n)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % n;
}

static struct ringline_runtime *start(void)
{
	return conf_serve(NULL, WORKERS, NULL, NULL, NULL, NULL);
}

static void spawn(struct ringline_runtime *rt, uint32_t worker, int (*fn)(void *arg), void *arg)
{
	CONF_OK(ringline_worker_spawn(rt, worker, fn, arg));
}

static struct ringline_chan *chan(uint32_t capacity)
{
	struct ringline_chan_options o = RINGLINE_CHAN_OPTIONS_INIT;
	struct ringline_chan *c;

	o.flags = RINGLINE_CHAN_SHARED;
	CONF_OK(ringline_chan_new(&c, sizeof(uint64_t), capacity, &o));
	return c;
}

/* --- channels ----------------------------------------------------------------------------------------------------- */

/* Senders and receivers of one channel, on all workers; how they do it differs. */
struct traffic {
	struct ringline_chan *chan;
	struct ringline_chan *other;      /* of those who select */
	uint32_t each;                    /* elements of a sender */
	bool cut;                         /* calls are cut short at random */
	bool select;
	_Atomic uint32_t seeds;
	_Atomic uint32_t senders;         /* that have not ended */
	_Atomic uint32_t receivers;
	_Atomic uint64_t sent;            /* sums of what was */
	_Atomic uint64_t received;
	_Atomic uint32_t cuts;
	_Atomic uint64_t last[64];        /* by sender: what was received of it last */
	_Atomic uint32_t disorder;
};

static bool cut(int64_t r)
{
	return r == -ETIME || r == -ECANCELED;
}

static int64_t pass_by_select(struct traffic *t, uint32_t kind, uint64_t *element, uint32_t *seed)
{
	struct ringline_case c[2] = {
		{ .kind = kind, .object = t->chan, .data = element },
		{ .kind = kind, .object = t->other, .data = element },
	};
	ssize_t r = ringline_select(c, 2, sizeof(*c), rnd(seed, 2) ? RINGLINE_SELECT_BIASED : 0);

	return r < 0 ? r : c[r].result;
}

/* One pass within a scope that ends soon; tried again until it works. */
static int64_t pass(struct traffic *t, bool sends, uint64_t *element, uint32_t *seed)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;
	int64_t r;

	do {
		if (t->cut) {
			o.deadline = ringline_now() + rnd(seed, 30) * 1000;
			CONF_OK(ringline_scope_open(&scope, &o));
		}
		if (t->select)
			r = pass_by_select(t, sends ? RINGLINE_CASE_SEND : RINGLINE_CASE_RECEIVE, element, seed);
		else
			r = sends ? ringline_chan_send(t->chan, element) : ringline_chan_recv(t->chan, element);
		if (t->cut)
			(void)ringline_scope_close(scope);
		t->cuts += cut(r);
	} while (cut(r));
	return r;
}

static int sends(void *arg)
{
	struct traffic *t = arg;
	uint32_t id = t->seeds++;
	uint32_t seed = id + 1;
	uint64_t i;

	for (i = 1; i <= t->each; i++) {
		uint64_t element = (uint64_t)id << 32 | i;

		CONF_OK((int)pass(t, true, &element, &seed));
		t->sent += element;
		if (t->cut && !rnd(&seed, 8))          /* so that receivers wait, until about their deadlines */
			CONF_OK(ringline_sleep(rnd(&seed, 60) * 1000));
	}
	if (--t->senders == 0) {
		CONF_OK(ringline_chan_close(t->chan));
		if (t->other)
			CONF_OK(ringline_chan_close(t->other));
	}
	return 0;
}

static int receives(void *arg)
{
	struct traffic *t = arg;
	uint32_t seed = 1000 + t->seeds++;
	uint64_t element = 0;
	int64_t r;

	while ((r = pass(t, false, &element, &seed)) == 0) {
		t->received += element;
		if (t->receivers > 1 || t->select)
			continue;
		t->disorder += (uint32_t)element <= (uint32_t)t->last[element >> 32];
		t->last[element >> 32] = element;
	}
	g_assert_cmpint(r, ==, -EPIPE);
	if (t->other) {                       /* one is closed and drained: the rest of the other */
		while (ringline_chan_recv(t->chan, &element) == 0)
			t->received += element;
		while (ringline_chan_recv(t->other, &element) == 0)
			t->received += element;
	}
	t->receivers--;
	return 0;
}

static void run_traffic(struct traffic *t, uint32_t capacity, uint32_t senders, uint32_t receivers)
{
	struct ringline_runtime *rt = start();
	uint32_t i;

	t->chan = chan(capacity);
	t->other = t->select ? chan(capacity) : NULL;
	t->each = many();
	t->senders = senders;
	t->receivers = receivers;
	for (i = 0; i < senders; i++)
		spawn(rt, i % WORKERS, sends, t);
	for (i = 0; i < receivers; i++)
		spawn(rt, (i + 1) % WORKERS, receives, t);
	CONF_UNTIL(t->senders == 0 && t->receivers == 0);
	CONF_OK(conf_stop(rt));
	g_assert_cmpuint(t->sent, ==, t->received);
	g_assert_cmpuint(t->disorder, ==, 0);
	CONF_OK(ringline_chan_unref(t->chan));
	CONF_OK(ringline_chan_unref(t->other));
}

static void test_chan(void)
{
	struct traffic t = { .cut = false };

	run_traffic(&t, 16, 3, 3);
}

static void test_order(void)
{
	struct traffic t = { .cut = false };

	run_traffic(&t, 4, 3, 1);
}

static void test_rendezvous(void)
{
	struct traffic t = { .cut = false };

	run_traffic(&t, 0, 3, 3);
}

static void test_chan_cut(void)
{
	struct traffic t = { .cut = true };

	run_traffic(&t, 1, 3, 3);
	g_assert_cmpuint(t.cuts, >, 0);
}

static void test_chan_select(void)
{
	struct traffic t = { .select = true };

	run_traffic(&t, 1, 4, 4);
}

static void test_chan_select_cut(void)
{
	struct traffic t = { .select = true, .cut = true };

	run_traffic(&t, 0, 4, 4);
	g_assert_cmpuint(t.cuts, >, 0);
}

/* Threads that are no workers send and receive without waiting. */
static void *thread_sends(void *arg)
{
	struct traffic *t = arg;
	uint64_t i;

	for (i = 1; i <= t->each; i++) {
		int r;

		while ((r = ringline_chan_try_send(t->chan, &i)) == -EAGAIN)
			conf_pause();
		CONF_OK(r);
		t->sent += i;
	}
	CONF_OK(ringline_chan_close(t->chan));
	return NULL;
}

static void test_threads(void)
{
	struct traffic t = { .each = many(), .receivers = 2 };
	struct ringline_runtime *rt = start();
	uint64_t element;
	pthread_t thread;

	t.chan = chan(8);
	g_assert_cmpint(ringline_chan_try_recv(t.chan, &element), ==, -EAGAIN);
	conf_log_allow("outside a task");
	g_assert_cmpint(ringline_chan_recv(t.chan, &element), ==, -EPERM);
	spawn(rt, 0, receives, &t);
	spawn(rt, 1, receives, &t);
	CONF_OK(pthread_create(&thread, NULL, thread_sends, &t));
	CONF_UNTIL(t.receivers == 0);
	CONF_OK(pthread_join(thread, NULL));
	g_assert_cmpuint(t.sent, ==, t.received);
	CONF_OK(conf_stop(rt));
	CONF_OK(ringline_chan_unref(t.chan));
}

/* Tasks that wait for ever, when the runtime shuts down, or the channel ends. */
struct sleepers {
	struct ringline_chan *chan;
	_Atomic int parked;
	_Atomic int result;
};

static int sleeps_in_recv(void *arg)
{
	struct sleepers *s = arg;
	uint64_t element;

	s->parked++;
	s->result = ringline_chan_recv(s->chan, &element);
	s->parked--;
	return 0;
}

static void test_shutdown(void)
{
	struct sleepers s = { .chan = chan(1) };
	struct ringline_runtime *rt = start();
	uint32_t i;

	for (i = 0; i < 2 * WORKERS; i++)
		spawn(rt, i % WORKERS, sleeps_in_recv, &s);
	CONF_UNTIL(s.parked == 2 * WORKERS);
	CONF_OK(conf_stop(rt));
	g_assert_cmpint(s.parked, ==, 0);
	g_assert_cmpint(s.result, ==, -ECANCELED);
	CONF_OK(ringline_chan_unref(s.chan));
}

static void test_ended_elsewhere(void)
{
	struct sleepers s = { .chan = chan(1) };
	struct ringline_runtime *rt = start();
	uint32_t i;

	for (i = 0; i < 2 * WORKERS; i++)
		spawn(rt, i % WORKERS, sleeps_in_recv, &s);
	CONF_UNTIL(s.parked == 2 * WORKERS);
	conf_pause();
	CONF_OK(ringline_chan_unref(s.chan));  /* the only handle */
	CONF_UNTIL(s.parked == 0);
	g_assert_cmpint(s.result, ==, -EBADF);
	CONF_OK(conf_stop(rt));
}

/* --- locks -------------------------------------------------------------------------------------------------------- */

struct contest {
	struct ringline_mutex *mutex;
	struct ringline_rwlock *rwlock;
	struct ringline_semaphore *semaphore;
	_Atomic uint32_t seeds;
	_Atomic uint32_t running;
	_Atomic int inside;               /* of the mutex, or writing */
	_Atomic int reading;
	_Atomic uint32_t entered;
	uint64_t plain;                   /* guarded by the lock, and by nothing else */
	_Atomic uint32_t cuts;
};

/* True if the lock was taken; a deadline may come first. */
static bool taken(struct contest *c, int (*take)(struct contest *c), uint32_t *seed)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;
	int r;

	o.deadline = ringline_now() + 1000 + rnd(seed, 50) * 1000;
	CONF_OK(ringline_scope_open(&scope, &o));
	r = take(c);
	(void)ringline_scope_close(scope);
	g_assert_true(r == 0 || cut(r));
	c->cuts += r != 0;
	return r == 0;
}

static int take_mutex(struct contest *c)
{
	return ringline_mutex_lock(c->mutex);
}

static int take_write(struct contest *c)
{
	return ringline_rwlock_write(c->rwlock);
}

static int take_read(struct contest *c)
{
	return ringline_rwlock_read(c->rwlock);
}

static int locks(void *arg)
{
	struct contest *c = arg;
	uint32_t seed = 1 + c->seeds++;
	uint32_t i;

	for (i = 0; i < many() / 4; i++) {
		if (!taken(c, take_mutex, &seed))
			continue;
		g_assert_cmpint(c->inside++, ==, 0);
		c->plain++;
		c->entered++;
		if (!rnd(&seed, 4))
			CONF_OK(ringline_yield());
		g_assert_cmpint(c->inside--, ==, 1);
		CONF_OK(ringline_mutex_unlock(c->mutex));
	}
	c->running--;
	return 0;
}

static void run_contest(struct contest *c, int (*fn)(void *arg), uint32_t tasks)
{
	struct ringline_sync_options o = RINGLINE_SYNC_OPTIONS_INIT;
	struct ringline_runtime *rt = start();
	uint32_t i;

	o.flags = RINGLINE_SYNC_SHARED;
	CONF_OK(ringline_mutex_new(&c->mutex, &o));
	CONF_OK(ringline_rwlock_new(&c->rwlock, &o));
	CONF_OK(ringline_semaphore_new(&c->semaphore, 2, &o));
	c->running = tasks;
	for (i = 0; i < tasks; i++)
		spawn(rt, i % WORKERS, fn, c);
	CONF_UNTIL(c->running == 0);
	CONF_OK(conf_stop(rt));
	CONF_OK(ringline_mutex_free(c->mutex));
	CONF_OK(ringline_rwlock_free(c->rwlock));
	CONF_OK(ringline_semaphore_free(c->semaphore));
}

static void test_mutex(void)
{
	struct contest c = { .inside = 0 };

	run_contest(&c, locks, 2 * WORKERS);
	g_assert_cmpuint(c.plain, ==, c.entered);
	g_assert_cmpuint(c.entered + c.cuts, ==, 2 * WORKERS * (many() / 4));
}

static int reads_or_writes(void *arg)
{
	struct contest *c = arg;
	uint32_t seed = 1 + c->seeds++;
	uint32_t i;

	for (i = 0; i < many() / 4; i++) {
		bool writes = !rnd(&seed, 3);

		if (!taken(c, writes ? take_write : take_read, &seed))
			continue;
		if (writes) {
			g_assert_cmpint(c->inside++, ==, 0);
			g_assert_cmpint(c->reading, ==, 0);
			c->plain++;
			c->entered++;
			CONF_OK(ringline_yield());
			g_assert_cmpint(c->inside--, ==, 1);
		} else {
			c->reading++;
			g_assert_cmpint(c->inside, ==, 0);
			CONF_OK(ringline_yield());
			c->reading--;
		}
		CONF_OK(ringline_rwlock_unlock(c->rwlock));
	}
	c->running--;
	return 0;
}

static void test_rwlock(void)
{
	struct contest c = { .inside = 0 };

	run_contest(&c, reads_or_writes, 2 * WORKERS);
	g_assert_cmpuint(c.plain, ==, c.entered);
}

static int acquires(void *arg)
{
	struct contest *c = arg;
	uint32_t seed = 1 + c->seeds++;
	uint32_t i;

	for (i = 0; i < many() / 4; i++) {
		uint32_t n = 1 + rnd(&seed, 2);

		CONF_OK(ringline_semaphore_acquire(c->semaphore, n));
		g_assert_cmpint(c->inside += (int)n, <=, 2);
		if (!rnd(&seed, 4))
			CONF_OK(ringline_yield());
		c->inside -= (int)n;
		CONF_OK(ringline_semaphore_release(c->semaphore, n));
	}
	c->running--;
	return 0;
}

static void test_semaphore(void)
{
	struct contest c = { .inside = 0 };

	run_contest(&c, acquires, 2 * WORKERS);
}

/* --- broadcast ---------------------------------------------------------------------------------------------------- */

struct crowd {
	struct ringline_broadcast *broadcast;
	_Atomic uint32_t subscribed;
	_Atomic uint32_t left;
	_Atomic uint64_t heard;
	_Atomic uint64_t lost;
};

#define LISTENERS 4

static int listens(void *arg)
{
	struct crowd *c = arg;
	struct ringline_subscription *s;
	uint64_t element = 0;
	uint64_t next = 0;
	int64_t r;

	CONF_OK(ringline_broadcast_subscribe(&s, c->broadcast));
	c->subscribed++;
	while ((r = ringline_subscription_recv(s, &element)) >= 0) {
		if (r == 0) {
			g_assert_cmpuint(element, ==, next++);
			c->heard++;
		}
		next += (uint64_t)r;
		c->lost += (uint64_t)r;
	}
	g_assert_cmpint(r, ==, -EPIPE);
	CONF_OK(ringline_subscription_free(s));
	c->left--;
	return 0;
}

static int speaks(void *arg)
{
	struct crowd *c = arg;
	uint64_t i;

	CONF_UNTIL(c->subscribed == LISTENERS);
	for (i = 0; i < many(); i++)
		CONF_OK(ringline_broadcast_send(c->broadcast, &i));
	return ringline_broadcast_close(c->broadcast);
}

static void run_broadcast(uint32_t flags)
{
	struct ringline_chan_options o = RINGLINE_CHAN_OPTIONS_INIT;
	struct crowd c = { .left = LISTENERS };
	struct ringline_runtime *rt = start();
	uint32_t i;

	o.flags = RINGLINE_CHAN_SHARED | flags;
	CONF_OK(ringline_broadcast_new(&c.broadcast, sizeof(uint64_t), 8, &o));
	for (i = 0; i < LISTENERS; i++)
		spawn(rt, i % WORKERS, listens, &c);
	spawn(rt, 0, speaks, &c);
	CONF_UNTIL(c.left == 0);
	CONF_OK(conf_stop(rt));
	g_assert_cmpuint(c.heard + c.lost, ==, (uint64_t)LISTENERS * many());
	if (flags)
		g_assert_cmpuint(c.lost, ==, 0);
	CONF_OK(ringline_broadcast_unref(c.broadcast));
}

static void test_broadcast(void)
{
	run_broadcast(0);
}

static void test_broadcast_waits(void)
{
	run_broadcast(RINGLINE_CHAN_WAIT);
}

/* --- what is not shared ------------------------------------------------------------------------------------------- */

struct mine {
	struct ringline_chan *chan;
	struct ringline_mutex *mutex;
	struct ringline_event *event;
};

static int make(void *arg)
{
	struct mine *m = arg;

	CONF_OK(ringline_chan_new(&m->chan, 8, 1, NULL));
	CONF_OK(ringline_mutex_new(&m->mutex, NULL));
	return ringline_event_new(&m->event, NULL);
}

static int misuse(void *arg)
{
	struct mine *m = arg;
	uint64_t element = 0;

	g_assert_cmpint(ringline_chan_send(m->chan, &element), ==, -EPERM);
	g_assert_cmpint(ringline_mutex_lock(m->mutex), ==, -EPERM);
	g_assert_cmpint(ringline_event_set(m->event), ==, -EPERM);
	g_assert_cmpint(ringline_chan_unref(m->chan), ==, -EPERM);
	return 0;
}

static int unmake(void *arg)
{
	struct mine *m = arg;

	CONF_OK(ringline_chan_unref(m->chan));
	CONF_OK(ringline_mutex_free(m->mutex));
	return ringline_event_free(m->event);
}

static void test_local(void)
{
	struct ringline_runtime *rt = start();
	struct mine m;
	struct ringline_chan *c;

	conf_log_allow("does not own the object");
	conf_log_allow("not a worker");
	conf_log_allow("outside a task");
	g_assert_cmpint(ringline_chan_new(&c, 8, 1, NULL), ==, -EPERM);
	CONF_OK(conf_call(rt, 0, make, &m));
	CONF_OK(conf_call(rt, 1, misuse, &m));
	CONF_OK(misuse(&m));
	CONF_OK(conf_call(rt, 0, unmake, &m));
	CONF_OK(conf_stop(rt));
}

static void add_cases(void)
{
	conf_add("/shared/chan/every-element-once", test_chan);
	conf_add("/shared/chan/order-of-each-sender", test_order);
	conf_add("/shared/chan/without-a-queue", test_rendezvous);
	conf_add("/shared/chan/cut-at-any-moment", test_chan_cut);
	conf_add("/shared/chan/select-among-two", test_chan_select);
	conf_add("/shared/chan/select-cut-at-any-moment", test_chan_select_cut);
	conf_add("/shared/chan/other-threads", test_threads);
	conf_add("/shared/chan/shutdown-reaches-who-waits", test_shutdown);
	conf_add("/shared/chan/ended-elsewhere", test_ended_elsewhere);
	conf_add("/shared/mutex-excludes", test_mutex);
	conf_add("/shared/rwlock-excludes", test_rwlock);
	conf_add("/shared/semaphore-bounds", test_semaphore);
	conf_add("/shared/broadcast/lost-are-counted", test_broadcast);
	conf_add("/shared/broadcast/sender-waits", test_broadcast_waits);
	conf_add("/shared/what-is-not-shared-is-refused", test_local);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "shared", add_cases);
}
