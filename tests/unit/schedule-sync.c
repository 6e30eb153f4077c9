/* SPDX-License-Identifier: MIT */
/*
 * Every element has a number, and an entry in the model that says where it is: not sent, on its way, received, destroyed. It
 * moves there once. Locks count who is inside.
 *
 * Every call that may wait is made within a scope with a deadline, so that no schedule stands still.
 */
#include <string.h>

#include "ringline/chan.h"
#include "ringline/sync.h"
#include "schedule-sync.h"

#define CHANS    3
#define LOCKS    3
#define ELEMENTS 4096

enum where {
	NOWHERE,
	UNDER_WAY,
	RECEIVED,
	DESTROYED,
};

static struct {
	random_fn *random;
	const struct fixture *fx;
	struct ringline_chan *chan[CHANS];
	struct ringline_mutex *mutex[LOCKS];
	struct ringline_rwlock *rwlock[LOCKS];
	struct ringline_semaphore *semaphore[LOCKS];
	int inside[LOCKS];                /* of the mutex */
	int readers[LOCKS];
	int writers[LOCKS];
	uint32_t permits[LOCKS];          /* acquired */
	uint32_t next;
	uint8_t where[ELEMENTS];
} s;

static void moves(uint32_t element, enum where from, enum where to)
{
	g_assert_cmpuint(element, <, ELEMENTS);
	g_assert_cmpint(s.where[element], ==, from);
	s.where[element] = to;
}

static void destroyed(void *element, void *arg)
{
	(void)arg;
	moves(*(uint32_t *)element, UNDER_WAY, DESTROYED);
}

static struct ringline_scope *within(uint64_t ns)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;

	o.deadline = fake_now(s.fx) + ns;
	g_assert_cmpint(ringline_scope_open(&scope, &o), ==, 0);
	return scope;
}

static bool is_cut(int64_t r)
{
	return r == -ETIME || r == -ECANCELED;
}

/* Channels */

static struct ringline_chan **some_chan(void)
{
	struct ringline_chan_options o = RINGLINE_CHAN_OPTIONS_INIT;
	struct ringline_chan **c = &s.chan[s.random(CHANS)];

	if (!*c) {
		o.flags = s.random(2) ? RINGLINE_CHAN_SHARED : 0;
		o.destroy = destroyed;
		g_assert_cmpint(ringline_chan_new(c, sizeof(uint32_t), s.random(3), &o), ==, 0);
	}
	return c;
}

/* A call holds a handle of its own: another task may end the channel meanwhile. */
static struct ringline_chan *hold(struct ringline_chan **c)
{
	g_assert_cmpint(ringline_chan_ref(*c), ==, 0);
	return *c;
}

static void not_sent(uint32_t element, int64_t r, bool tried)
{
	moves(element, UNDER_WAY, NOWHERE);
	g_assert_true(r == -EPIPE || (tried ? r == -EAGAIN : is_cut(r)));
}

static void sends(bool tries)
{
	struct ringline_chan *c = hold(some_chan());
	uint32_t element = s.next++;
	struct ringline_scope *scope = within(s.random(100));
	int r;

	moves(element, NOWHERE, UNDER_WAY);
	r = tries ? ringline_chan_try_send(c, &element) : ringline_chan_send(c, &element);
	if (r < 0)
		not_sent(element, r, tries);
	(void)ringline_scope_close(scope);
	g_assert_cmpint(ringline_chan_unref(c), ==, 0);
}

static void receives(bool tries)
{
	struct ringline_chan *c = hold(some_chan());
	struct ringline_scope *scope = within(s.random(100));
	uint32_t element = ELEMENTS;
	int r = tries ? ringline_chan_try_recv(c, &element) : ringline_chan_recv(c, &element);

	if (r == 0)
		moves(element, UNDER_WAY, RECEIVED);
	else
		g_assert_true(element == ELEMENTS && (r == -EPIPE || (tries ? r == -EAGAIN : is_cut(r))));
	(void)ringline_scope_close(scope);
	g_assert_cmpint(ringline_chan_unref(c), ==, 0);
}

/* Both directions of any channels at once, by a call or by an operation. */
static void selects(void)
{
	struct ringline_chan *c[4];
	uint32_t element[4];
	struct ringline_case cases[4];
	struct ringline_scope *scope;
	struct ringline_op *op;
	int64_t which;
	int i;

	for (i = 0; i < 4; i++) {
		bool send = s.random(2);

		c[i] = hold(some_chan());
		element[i] = send ? s.next++ : ELEMENTS;
		if (send)
			moves(element[i], NOWHERE, UNDER_WAY);
		cases[i] = (struct ringline_case){
			.kind = send ? RINGLINE_CASE_SEND : RINGLINE_CASE_RECEIVE, .object = c[i], .data = &element[i],
		};
	}
	scope = within(s.random(100));
	if (s.random(2)) {
		which = ringline_select(cases, 4, sizeof(cases[0]), s.random(2));
	} else {
		which = ringline_select_begin(&op, cases, 4, sizeof(cases[0]), s.random(2));
		if (which == 0)
			which = ringline_op_await(op);
	}
	for (i = 0; i < 4; i++) {
		bool done = which == i && cases[i].result == 0;

		if (cases[i].kind == RINGLINE_CASE_SEND && !done)
			moves(element[i], UNDER_WAY, NOWHERE);
		else if (cases[i].kind == RINGLINE_CASE_RECEIVE && done)
			moves(element[i], UNDER_WAY, RECEIVED);
		else if (cases[i].kind == RINGLINE_CASE_RECEIVE)
			g_assert_cmpuint(element[i], ==, ELEMENTS);
	}
	g_assert_true(which >= 0 || is_cut(which));
	(void)ringline_scope_close(scope);
	for (i = 0; i < 4; i++)
		g_assert_cmpint(ringline_chan_unref(c[i]), ==, 0);
}

static void ends_one(void)
{
	struct ringline_chan **c = some_chan();

	g_assert_cmpint(ringline_chan_close(*c), ==, 0);
	if (s.random(2))
		return;
	g_assert_cmpint(ringline_chan_unref(*c), ==, 0);
	*c = NULL;
}

/* Locks */

static uint32_t some_lock(void)
{
	struct ringline_sync_options o = RINGLINE_SYNC_OPTIONS_INIT;
	uint32_t i = s.random(LOCKS);

	if (s.mutex[i])
		return i;
	o.flags = s.random(2) ? RINGLINE_SYNC_SHARED : 0;
	g_assert_cmpint(ringline_mutex_new(&s.mutex[i], &o), ==, 0);
	g_assert_cmpint(ringline_rwlock_new(&s.rwlock[i], &o), ==, 0);
	g_assert_cmpint(ringline_semaphore_new(&s.semaphore[i], 3, &o), ==, 0);
	return i;
}

/* What one does inside takes a while, or ends early. */
static void stay(void)
{
	if (s.random(2))
		(void)ringline_sleep(s.random(40));
	else
		(void)ringline_yield();
}

static void uses_mutex(uint32_t i)
{
	int r = ringline_mutex_lock(s.mutex[i]);

	g_assert_true(r == 0 || is_cut(r));
	if (r < 0)
		return;
	g_assert_cmpint(s.inside[i]++, ==, 0);
	stay();
	g_assert_cmpint(--s.inside[i], ==, 0);
	g_assert_cmpint(ringline_mutex_unlock(s.mutex[i]), ==, 0);
}

static void reads(uint32_t i)
{
	int r = ringline_rwlock_read(s.rwlock[i]);

	g_assert_true(r == 0 || is_cut(r));
	if (r < 0)
		return;
	s.readers[i]++;
	g_assert_cmpint(s.writers[i], ==, 0);
	stay();
	s.readers[i]--;
	g_assert_cmpint(ringline_rwlock_unlock(s.rwlock[i]), ==, 0);
}

static void writes(uint32_t i)
{
	int r = ringline_rwlock_write(s.rwlock[i]);

	g_assert_true(r == 0 || is_cut(r));
	if (r < 0)
		return;
	g_assert_cmpint(s.writers[i]++, ==, 0);
	g_assert_cmpint(s.readers[i], ==, 0);
	stay();
	s.writers[i]--;
	g_assert_cmpint(ringline_rwlock_unlock(s.rwlock[i]), ==, 0);
}

static void uses_permits(uint32_t i)
{
	uint32_t n = 1 + s.random(3);
	int r = ringline_semaphore_acquire(s.semaphore[i], n);

	g_assert_true(r == 0 || is_cut(r));
	if (r < 0)
		return;
	s.permits[i] += n;
	g_assert_cmpuint(s.permits[i], <=, 3);
	stay();
	s.permits[i] -= n;
	g_assert_cmpint(ringline_semaphore_release(s.semaphore[i], n), ==, 0);
}

/* All locks of a kind or two, chosen by select. */
static void selects_lock(uint32_t i)
{
	struct ringline_case c[2] = {
		{ .kind = RINGLINE_CASE_MUTEX, .object = s.mutex[i] },
		{ .kind = RINGLINE_CASE_SEMAPHORE, .object = s.semaphore[i], .value = 1 + s.random(3) },
	};
	ssize_t which = ringline_select(c, 2, sizeof(c[0]), s.random(2));

	g_assert_true(which >= 0 || is_cut(which));
	if (which == 0) {
		g_assert_cmpint(s.inside[i]++, ==, 0);
		stay();
		s.inside[i]--;
		g_assert_cmpint(ringline_mutex_unlock(s.mutex[i]), ==, 0);
	} else if (which == 1) {
		s.permits[i] += (uint32_t)c[1].value;
		g_assert_cmpuint(s.permits[i], <=, 3);
		stay();
		s.permits[i] -= (uint32_t)c[1].value;
		g_assert_cmpint(ringline_semaphore_release(s.semaphore[i], (uint32_t)c[1].value), ==, 0);
	}
}

static void uses_lock(void)
{
	static void (*const uses[])(uint32_t i) = { uses_mutex, reads, writes, uses_permits, selects_lock };
	struct ringline_scope *scope = within(s.random(100));

	uses[s.random(G_N_ELEMENTS(uses))](some_lock());
	(void)ringline_scope_close(scope);
}

void sync_step(void)
{
	switch (s.random(8)) {
	case 0: case 1:
		sends(s.random(3) == 0);
		break;
	case 2: case 3:
		receives(s.random(3) == 0);
		break;
	case 4:
		selects();
		break;
	case 5:
		if (s.random(3) == 0)
			ends_one();
		break;
	default:
		uses_lock();
		break;
	}
}

void sync_begin(random_fn *random, const struct fixture *fx)
{
	memset(&s, 0, sizeof(s));
	s.random = random;
	s.fx = fx;
}

void sync_end(void)
{
	uint32_t i;

	for (i = 0; i < CHANS; i++)
		g_assert_cmpint(ringline_chan_unref(s.chan[i]), ==, 0);
	for (i = 0; i < LOCKS; i++) {
		g_assert_cmpint(ringline_mutex_free(s.mutex[i]), ==, 0);
		g_assert_cmpint(ringline_rwlock_free(s.rwlock[i]), ==, 0);
		if (s.semaphore[i])
			g_assert_cmpint(ringline_semaphore_try_acquire(s.semaphore[i], 3), ==, 0);
		g_assert_cmpint(ringline_semaphore_free(s.semaphore[i]), ==, 0);
	}
	for (i = 0; i < s.next; i++)
		g_assert_cmpint(s.where[i], !=, UNDER_WAY);
}
