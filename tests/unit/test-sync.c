/* SPDX-License-Identifier: MIT */
/*
 * Mutexes, rwlocks, semaphores, conditions, waitgroups and once, on the scripted backend: who is served when, what a cut
 * leaves behind, and that select takes exactly one. What can be shared is tested in both kinds; the workers that share it are
 * in conformance/test-shared.
 */
#include "core/sync.h"
#include "ringline/select.h"
#include "support/fake-backend.h"

#define OK(call) g_assert_cmpint((call), ==, 0)

static struct ringline_sync_options options = RINGLINE_SYNC_OPTIONS_INIT;   /* of the case that runs */

/* Tasks that take something, note it in the trace, hold it for a while and give it back. */
struct user {
	struct fixture *fx;
	char name;
	void *object;
	int (*take)(struct user *u);
	int (*give)(struct user *u);
	uint32_t n;
	uint64_t hold;
	int result;
};

static int use(void *arg)
{
	struct user *u = arg;

	u->result = u->take(u);
	if (u->result < 0)
		return 0;
	g_string_append_c(u->fx->trace, u->name);
	OK(ringline_sleep(u->hold));
	OK(u->give(u));
	return 0;
}

static struct ringline_task *start(struct user *u)
{
	struct ringline_task *t;

	OK(ringline_task_start(&t, use, u, NULL));
	OK(ringline_yield());
	return t;
}

static void join(struct ringline_task *t)
{
	OK(ringline_task_join(t, NULL));
}

static void cancel(struct ringline_task *t)
{
	OK(ringline_task_cancel(t));
	join(t);
}

static void trace_is(struct fixture *fx, const char *want)
{
	g_assert_cmpstr(fx->trace->str, ==, want);
}

/* --- mutex -------------------------------------------------------------------------------------------------------- */

static struct ringline_mutex *mutex(void)
{
	struct ringline_mutex *m;

	OK(ringline_mutex_new(&m, &options));
	return m;
}

static int take_mutex(struct user *u)
{
	return ringline_mutex_lock(u->object);
}

static int give_mutex(struct user *u)
{
	return ringline_mutex_unlock(u->object);
}

static struct user locker(void *fx, char name, struct ringline_mutex *m)
{
	return (struct user){ fx, name, m, take_mutex, give_mutex, 1, 100, 0 };
}

static int mutex_is_handed_on_in_order(void *fx)
{
	struct ringline_mutex *m = mutex();
	struct user u[] = { locker(fx, 'a', m), locker(fx, 'b', m), locker(fx, 'c', m) };
	struct ringline_task *t[3];
	int i;

	for (i = 0; i < 3; i++)
		t[i] = start(&u[i]);
	trace_is(fx, "a");
	g_assert_cmpint(ringline_mutex_try_lock(m), ==, -EAGAIN);
	OK(ringline_sleep(150));
	trace_is(fx, "ab");
	g_assert_cmpint(ringline_mutex_unlock(m), ==, -EPERM);
	OK(ringline_mutex_lock(m));                           /* behind c */
	trace_is(fx, "abc");
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 300);
	g_assert_cmpint(ringline_mutex_lock(m), ==, -EDEADLK);
	g_assert_cmpint(ringline_mutex_free(m), ==, -EBUSY);
	OK(ringline_mutex_unlock(m));
	for (i = 0; i < 3; i++)
		join(t[i]);
	OK(ringline_mutex_try_lock(m));
	OK(ringline_mutex_unlock(m));
	OK(ringline_mutex_free(m));
	return 0;
}

static int mutex_cut_waiter_leaves_the_queue(void *fx)
{
	struct ringline_mutex *m = mutex();
	struct user u[] = { locker(fx, 'a', m), locker(fx, 'b', m), locker(fx, 'c', m) };
	struct ringline_task *t[3];
	int i;

	for (i = 0; i < 3; i++)
		t[i] = start(&u[i]);
	cancel(t[1]);
	g_assert_cmpint(u[1].result, ==, -ECANCELED);
	join(t[0]);
	join(t[2]);
	trace_is(fx, "ac");
	OK(ringline_mutex_free(m));
	return 0;
}

/* Handed over and cut in the same turn: what was handed over is had. */
static int lock_and_unlock(void *arg)
{
	OK(ringline_mutex_lock(arg));
	OK(ringline_mutex_unlock(arg));
	return 1;
}

static int mutex_granted_though_cut(void *fx)
{
	struct ringline_mutex *m = mutex();
	struct ringline_task *t;
	int result;

	(void)fx;
	OK(ringline_mutex_lock(m));
	OK(ringline_task_start(&t, lock_and_unlock, m, NULL));
	OK(ringline_yield());
	OK(ringline_mutex_unlock(m));
	OK(ringline_task_cancel(t));
	OK(ringline_task_join(t, &result));
	g_assert_cmpint(result, ==, 1);
	OK(ringline_mutex_free(m));
	return 0;
}

static int hold_and_be_cut(void *arg)
{
	OK(ringline_mutex_lock(arg));
	g_assert_cmpint(ringline_sleep(1000), ==, -ECANCELED);
	OK(ringline_mutex_unlock(arg));
	return 0;
}

static int mutex_unlock_works_in_a_cut_scope(void *fx)
{
	struct ringline_mutex *m = mutex();
	struct ringline_task *t;

	(void)fx;
	OK(ringline_task_start(&t, hold_and_be_cut, m, NULL));
	OK(ringline_yield());
	cancel(t);
	OK(ringline_mutex_free(m));
	return 0;
}

static int bad_handles(void *fx)
{
	struct ringline_semaphore *s;
	struct ringline_mutex *m = mutex();
	struct ringline_mutex *none;
	struct ringline_sync_options o = { .size = sizeof(o), .flags = 1u << 7 };

	(void)fx;
	OK(ringline_semaphore_new(&s, 1, &options));
	g_assert_cmpint(ringline_mutex_new(NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_mutex_new(&none, &o), ==, -EINVAL);
	g_assert_cmpint(ringline_mutex_lock(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_mutex_lock((struct ringline_mutex *)(void *)s), ==, -EINVAL);
	g_assert_cmpint(ringline_mutex_unlock(m), ==, -EPERM);
	g_assert_cmpint(ringline_mutex_unlock(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_mutex_free((struct ringline_mutex *)(void *)s), ==, -EINVAL);
	OK(ringline_mutex_free(NULL));
	OK(ringline_semaphore_free(s));
	OK(ringline_mutex_free(m));
	if (!(options.flags & RINGLINE_SYNC_SHARED))
		g_assert_cmpint(ringline_mutex_lock(m), ==, -EBADF);
	return 0;
}

/* --- rwlock ------------------------------------------------------------------------------------------------------- */

static int take_read(struct user *u)
{
	return ringline_rwlock_read(u->object);
}

static int take_write(struct user *u)
{
	return ringline_rwlock_write(u->object);
}

static int give_rwlock(struct user *u)
{
	return ringline_rwlock_unlock(u->object);
}

static int rwlock_is_fair(void *fx)
{
	struct ringline_rwlock *l;
	struct user r1 = { fx, 'r', NULL, take_read, give_rwlock, 1, 100, 0 };
	struct user r2 = r1;
	struct user w = { fx, 'W', NULL, take_write, give_rwlock, 1, 100, 0 };
	struct user r3 = r1;
	struct ringline_task *t[4];
	int i;

	OK(ringline_rwlock_new(&l, &options));
	r1.object = r2.object = w.object = r3.object = l;
	t[0] = start(&r1);
	t[1] = start(&r2);
	trace_is(fx, "rr");
	t[2] = start(&w);
	t[3] = start(&r3);
	trace_is(fx, "rr");                                   /* the reader does not overtake the writer */
	g_assert_cmpint(ringline_rwlock_try_read(l), ==, -EAGAIN);
	g_assert_cmpint(ringline_rwlock_unlock(l), ==, -EPERM);
	g_assert_cmpint(ringline_rwlock_free(l), ==, -EBUSY);
	for (i = 0; i < 4; i++)
		join(t[i]);
	trace_is(fx, "rrWr");
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 300);
	OK(ringline_rwlock_try_write(l));
	g_assert_cmpint(ringline_rwlock_read(l), ==, -EDEADLK);
	OK(ringline_rwlock_unlock(l));
	OK(ringline_rwlock_free(l));
	return 0;
}

/* A writer that gives up lets the readers behind it in. */
static int rwlock_cut_writer_lets_readers_in(void *fx)
{
	struct ringline_rwlock *l;
	struct user r1 = { fx, 'r', NULL, take_read, give_rwlock, 1, 100, 0 };
	struct user w = { fx, 'W', NULL, take_write, give_rwlock, 1, 100, 0 };
	struct user r2 = { fx, 's', NULL, take_read, give_rwlock, 1, 100, 0 };
	struct ringline_task *t[3];

	OK(ringline_rwlock_new(&l, &options));
	r1.object = w.object = r2.object = l;
	t[0] = start(&r1);
	t[1] = start(&w);
	t[2] = start(&r2);
	cancel(t[1]);
	OK(ringline_yield());
	trace_is(fx, "rs");
	join(t[0]);
	join(t[2]);
	OK(ringline_rwlock_free(l));
	return 0;
}

/* --- semaphore ---------------------------------------------------------------------------------------------------- */

static struct ringline_semaphore *semaphore(uint32_t n)
{
	struct ringline_semaphore *s;

	OK(ringline_semaphore_new(&s, n, &options));
	return s;
}

static int take_permits(struct user *u)
{
	return ringline_semaphore_acquire(u->object, u->n);
}

static int give_permits(struct user *u)
{
	return ringline_semaphore_release(u->object, u->n);
}

static struct user taker(void *fx, char name, struct ringline_semaphore *s, uint32_t n)
{
	return (struct user){ fx, name, s, take_permits, give_permits, n, 100, 0 };
}

static int semaphore_keeps_the_order_of_large_and_small(void *fx)
{
	struct ringline_semaphore *s = semaphore(3);
	struct user u[] = { taker(fx, 'a', s, 2), taker(fx, 'b', s, 3), taker(fx, 'c', s, 1) };
	struct ringline_task *t[3];
	int i;

	for (i = 0; i < 3; i++)
		t[i] = start(&u[i]);
	trace_is(fx, "a");                                    /* c could have one, but b came first */
	g_assert_cmpint(ringline_semaphore_try_acquire(s, 1), ==, -EAGAIN);
	for (i = 0; i < 3; i++)
		join(t[i]);
	trace_is(fx, "abc");
	OK(ringline_semaphore_try_acquire(s, 3));
	OK(ringline_semaphore_release(s, 3));
	OK(ringline_semaphore_free(s));
	return 0;
}

static int semaphore_cut_head_lets_the_next_in(void *fx)
{
	struct ringline_semaphore *s = semaphore(3);
	struct user u[] = { taker(fx, 'a', s, 2), taker(fx, 'b', s, 3), taker(fx, 'c', s, 1) };
	struct ringline_task *t[3];
	int i;

	for (i = 0; i < 3; i++)
		t[i] = start(&u[i]);
	cancel(t[1]);
	OK(ringline_yield());
	trace_is(fx, "ac");
	join(t[0]);
	join(t[2]);
	OK(ringline_semaphore_free(s));
	return 0;
}

static int semaphore_bounds(void *fx)
{
	struct ringline_semaphore *s = semaphore(UINT32_MAX - 1);

	(void)fx;
	g_assert_cmpint(ringline_semaphore_acquire(s, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_semaphore_try_acquire(s, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_semaphore_release(s, 0), ==, -EINVAL);
	OK(ringline_semaphore_release(s, 1));
	g_assert_cmpint(ringline_semaphore_release(s, 1), ==, -EOVERFLOW);
	OK(ringline_semaphore_acquire(s, UINT32_MAX));
	OK(ringline_semaphore_free(s));
	return 0;
}

static int semaphore_freed_while_waited_on(void *fx)
{
	struct ringline_semaphore *s = semaphore(0);
	struct user u = taker(fx, 'a', s, 1);
	struct ringline_task *t = start(&u);

	OK(ringline_semaphore_free(s));
	g_assert_cmpint(ringline_semaphore_release(s, 1), ==, -EBADF);   /* its waiter has not left yet */
	join(t);
	g_assert_cmpint(u.result, ==, -EBADF);
	return 0;
}

/* --- event, condition, waitgroup, once ---------------------------------------------------------------------------- */

static int what_cannot_be_shared(void *fx)
{
	struct ringline_sync_options o = { .size = sizeof(o), .flags = RINGLINE_SYNC_SHARED };
	struct ringline_event *e;
	struct ringline_condition *c;
	struct ringline_waitgroup *w;
	struct ringline_once *n;

	(void)fx;
	g_assert_cmpint(ringline_event_new(&e, &o), ==, -EINVAL);
	g_assert_cmpint(ringline_condition_new(&c, &o), ==, -EINVAL);
	g_assert_cmpint(ringline_waitgroup_new(&w, &o), ==, -EINVAL);
	g_assert_cmpint(ringline_once_new(&n, &o), ==, -EINVAL);
	return 0;
}

struct conditional {
	struct ringline_mutex *mutex;
	struct ringline_condition *condition;
	int woken;
	int result;
};

static int wait_for_condition(void *arg)
{
	struct conditional *c = arg;

	OK(ringline_mutex_lock(c->mutex));
	c->result = ringline_condition_wait(c->condition, c->mutex);
	c->woken++;
	OK(ringline_mutex_unlock(c->mutex));                  /* it is held again, whatever happened */
	return 0;
}

static int condition_signal_and_broadcast(void *fx)
{
	struct conditional c = { .mutex = mutex() };
	struct ringline_task *t[3];
	int i;

	(void)fx;
	OK(ringline_condition_new(&c.condition, NULL));
	for (i = 0; i < 3; i++)
		OK(ringline_task_start(&t[i], wait_for_condition, &c, NULL));
	OK(ringline_yield());
	OK(ringline_condition_signal(c.condition));
	OK(ringline_yield());
	OK(ringline_yield());
	g_assert_cmpint(c.woken, ==, 1);
	OK(ringline_mutex_lock(c.mutex));
	OK(ringline_condition_broadcast(c.condition));
	OK(ringline_yield());
	g_assert_cmpint(c.woken, ==, 1);                      /* they wait for the mutex now */
	OK(ringline_mutex_unlock(c.mutex));
	for (i = 0; i < 3; i++)
		join(t[i]);
	g_assert_cmpint(c.woken, ==, 3);
	g_assert_cmpint(ringline_condition_wait(c.condition, c.mutex), ==, -EPERM);
	OK(ringline_condition_free(c.condition));
	OK(ringline_mutex_free(c.mutex));
	return 0;
}

static int condition_cut_takes_the_mutex_again(void *fx)
{
	struct conditional c = { .mutex = mutex() };
	struct ringline_task *t;

	(void)fx;
	OK(ringline_condition_new(&c.condition, NULL));
	OK(ringline_task_start(&t, wait_for_condition, &c, NULL));
	OK(ringline_yield());
	OK(ringline_mutex_lock(c.mutex));
	OK(ringline_task_cancel(t));
	OK(ringline_yield());
	OK(ringline_yield());
	g_assert_cmpint(c.woken, ==, 0);                      /* it waits for the mutex though it is cut */
	OK(ringline_mutex_unlock(c.mutex));
	join(t);
	g_assert_cmpint(c.result, ==, -ECANCELED);
	OK(ringline_condition_free(c.condition));
	OK(ringline_mutex_free(c.mutex));
	return 0;
}

static int condition_freed_while_waited_on(void *fx)
{
	struct conditional c = { .mutex = mutex() };
	struct ringline_task *t;

	(void)fx;
	OK(ringline_condition_new(&c.condition, NULL));
	OK(ringline_task_start(&t, wait_for_condition, &c, NULL));
	OK(ringline_yield());
	OK(ringline_condition_free(c.condition));
	join(t);
	g_assert_cmpint(c.result, ==, -EBADF);
	OK(ringline_mutex_free(c.mutex));
	return 0;
}

static int finish_later(void *arg)
{
	OK(ringline_sleep(100));
	OK(ringline_waitgroup_done(arg));
	return 0;
}

static int waitgroup_waits_for_all(void *fx)
{
	struct ringline_waitgroup *w;

	OK(ringline_waitgroup_new(&w, NULL));
	OK(ringline_waitgroup_wait(w));
	g_assert_cmpint(ringline_waitgroup_done(w), ==, -ERANGE);
	OK(ringline_waitgroup_add(w, 2));
	OK(ringline_spawn(finish_later, w));
	OK(ringline_spawn(finish_later, w));
	OK(ringline_waitgroup_wait(w));
	g_assert_cmpuint(fake_now(fx), ==, FAKE_START + 100);
	OK(ringline_waitgroup_free(w));
	return 0;
}

struct runs {
	struct ringline_once *once;
	int runs;
	int fail;                 /* so many of the first */
	int results[3];
	int ended;
};

static int run_slowly(void *arg)
{
	struct runs *r = arg;

	OK(ringline_sleep(100));
	g_assert_cmpint(ringline_once_run(r->once, run_slowly, r), ==, -EDEADLK);
	return r->runs++ < r->fail ? -EIO : 7;
}

static int run_the_once(void *arg)
{
	struct runs *r = arg;
	int result = ringline_once_run(r->once, run_slowly, r);

	r->results[r->ended++] = result;
	return 0;
}

static int once_runs_until_it_works(void *fx)
{
	struct runs r = { .fail = 1 };
	int i;

	(void)fx;
	OK(ringline_once_new(&r.once, NULL));
	for (i = 0; i < 3; i++)
		OK(ringline_spawn(run_the_once, &r));
	g_assert_cmpint(ringline_once_done(r.once), ==, 0);
	OK(ringline_sleep(1000));
	g_assert_cmpint(r.runs, ==, 2);
	g_assert_cmpint(r.results[0], ==, -EIO);
	g_assert_cmpint(r.results[1], ==, 0);
	g_assert_cmpint(r.results[2], ==, 0);
	g_assert_cmpint(ringline_once_done(r.once), ==, 1);
	OK(ringline_once_free(r.once));
	return 0;
}

/* --- select ------------------------------------------------------------------------------------------------------- */

struct kinds {
	struct ringline_mutex *mutex;
	struct ringline_rwlock *rwlock;
	struct ringline_semaphore *semaphore;
	struct ringline_condition *condition;
	struct ringline_waitgroup *waitgroup;
	struct ringline_once *once;
};

static int always_works(void *arg)
{
	(void)arg;
	return 0;
}

#define NKINDS 7

static void fill(struct ringline_case *c, const struct kinds *k)
{
	c[0] = (struct ringline_case){ .kind = RINGLINE_CASE_MUTEX, .object = k->mutex };
	c[1] = (struct ringline_case){ .kind = RINGLINE_CASE_READ_LOCK, .object = k->rwlock };
	c[2] = (struct ringline_case){ .kind = RINGLINE_CASE_WRITE_LOCK, .object = k->rwlock };
	c[3] = (struct ringline_case){ .kind = RINGLINE_CASE_SEMAPHORE, .object = k->semaphore, .value = 2 };
	c[4] = (struct ringline_case){ .kind = RINGLINE_CASE_CONDITION, .object = k->condition };
	c[5] = (struct ringline_case){ .kind = RINGLINE_CASE_WAITGROUP, .object = k->waitgroup };
	c[6] = (struct ringline_case){ .kind = RINGLINE_CASE_ONCE, .object = k->once };
}

static void open_kinds(struct kinds *k)
{
	k->mutex = mutex();
	OK(ringline_rwlock_new(&k->rwlock, &options));
	k->semaphore = semaphore(1);
	OK(ringline_condition_new(&k->condition, NULL));
	OK(ringline_waitgroup_new(&k->waitgroup, NULL));
	OK(ringline_once_new(&k->once, NULL));
}

static void close_kinds(struct kinds *k)
{
	OK(ringline_mutex_free(k->mutex));
	OK(ringline_rwlock_free(k->rwlock));
	OK(ringline_semaphore_free(k->semaphore));
	OK(ringline_condition_free(k->condition));
	OK(ringline_waitgroup_free(k->waitgroup));
	OK(ringline_once_free(k->once));
}

/* Another task holds everything, and lets go of one thing. */
struct keeper {
	struct kinds *k;
	int which;
};

static int keep(void *arg)
{
	struct keeper *p = arg;
	struct kinds *k = p->k;

	OK(ringline_mutex_lock(k->mutex));
	OK(ringline_rwlock_write(k->rwlock));
	OK(ringline_waitgroup_add(k->waitgroup, 1));
	OK(ringline_sleep(100));
	if (p->which == 0)
		OK(ringline_mutex_unlock(k->mutex));
	if (p->which == 1 || p->which == 2)
		OK(ringline_rwlock_unlock(k->rwlock));
	if (p->which == 3)
		OK(ringline_semaphore_release(k->semaphore, 1));
	if (p->which == 4)
		OK(ringline_condition_signal(k->condition));
	if (p->which == 5)
		OK(ringline_waitgroup_done(k->waitgroup));
	if (p->which == 6)
		OK(ringline_once_run(k->once, always_works, NULL));
	OK(ringline_sleep(100));
	if (p->which != 0)
		OK(ringline_mutex_unlock(k->mutex));
	if (p->which != 1 && p->which != 2)
		OK(ringline_rwlock_unlock(k->rwlock));
	if (p->which != 5)
		OK(ringline_waitgroup_done(k->waitgroup));
	return 0;
}

static void select_one_kind(struct fixture *fx, int which)
{
	struct kinds k;
	struct keeper p = { &k, which };
	struct ringline_case c[NKINDS];
	struct ringline_task *t;
	uint64_t start = fake_now(fx);

	open_kinds(&k);
	fill(c, &k);
	OK(ringline_task_start(&t, keep, &p, NULL));
	OK(ringline_yield());
	g_assert_cmpint(ringline_select(c, NKINDS, sizeof(*c), RINGLINE_SELECT_NOWAIT), ==, -EAGAIN);
	if (which == 2)
		c[1].kind = RINGLINE_CASE_NONE;       /* else the reader, which comes first, has it */
	g_assert_cmpint(ringline_select(c, NKINDS, sizeof(*c), RINGLINE_SELECT_BIASED), ==, which);
	g_assert_cmpint(c[which].result, ==, 0);
	g_assert_cmpuint(fake_now(fx), ==, start + 100);
	if (which == 0)
		OK(ringline_mutex_unlock(k.mutex));
	if (which == 1 || which == 2)
		OK(ringline_rwlock_unlock(k.rwlock));
	if (which == 3)
		OK(ringline_semaphore_release(k.semaphore, 1));
	join(t);
	OK(ringline_mutex_try_lock(k.mutex));                 /* nobody who lost is left in a queue */
	OK(ringline_mutex_unlock(k.mutex));
	OK(ringline_rwlock_try_write(k.rwlock));
	OK(ringline_rwlock_unlock(k.rwlock));
	OK(ringline_semaphore_try_acquire(k.semaphore, 1));
	close_kinds(&k);
}

static int select_each_kind(void *fx)
{
	int i;

	for (i = 0; i < NKINDS; i++)
		select_one_kind(fx, i);
	return 0;
}

static int select_what_is_free_already(void *fx)
{
	struct kinds k;
	struct ringline_case c[NKINDS];

	(void)fx;
	open_kinds(&k);
	fill(c, &k);
	g_assert_cmpint(ringline_select(c, NKINDS, sizeof(*c), RINGLINE_SELECT_BIASED), ==, 0);
	g_assert_cmpint(ringline_select(c, 1, sizeof(*c), 0), ==, -EDEADLK);
	g_assert_cmpint(ringline_select(c + 1, NKINDS - 1, sizeof(*c), RINGLINE_SELECT_BIASED), ==, 0);
	OK(ringline_rwlock_unlock(k.rwlock));
	g_assert_cmpint(ringline_select(c + 2, NKINDS - 2, sizeof(*c), RINGLINE_SELECT_BIASED), ==, 0);
	OK(ringline_rwlock_unlock(k.rwlock));
	g_assert_cmpint(ringline_select(c + 3, NKINDS - 3, sizeof(*c), RINGLINE_SELECT_BIASED), ==, 2);
	c[3].value = 0;
	g_assert_cmpint(ringline_select(c + 3, 1, sizeof(*c), 0), ==, -EINVAL);
	OK(ringline_mutex_unlock(k.mutex));
	OK(ringline_mutex_free(k.mutex));
	if (!(options.flags & RINGLINE_SYNC_SHARED)) {
		g_assert_cmpint(ringline_select(c, 1, sizeof(*c), 0), ==, 0);
		g_assert_cmpint(c[0].result, ==, -EBADF);
	}
	k.mutex = NULL;
	close_kinds(&k);
	return 0;
}

/* --- everybody has a turn ----------------------------------------------------------------------------------------- */

static int count_turns(void *arg)
{
	uint32_t *turns = arg;

	while (ringline_yield() == 0)
		++*turns;
	return 0;
}

static int who_never_waits_lets_others_run(void *fx)
{
	struct ringline_mutex *m = mutex();
	struct ringline_task *t;
	uint32_t turns = 0;
	int i;

	(void)fx;
	OK(ringline_task_start(&t, count_turns, &turns, NULL));
	for (i = 0; i < 10000; i++) {
		OK(ringline_mutex_lock(m));
		OK(ringline_mutex_unlock(m));
	}
	g_assert_cmpuint(turns, >=, 10000 / RLN_CALLS_MAX - 1);
	cancel(t);
	OK(ringline_mutex_free(m));
	return 0;
}

static const struct fixture_case either[] = {
	{ .path = "mutex/handed-on-in-order", .fn = mutex_is_handed_on_in_order },
	{ .path = "mutex/cut-waiter-leaves", .fn = mutex_cut_waiter_leaves_the_queue },
	{ .path = "mutex/granted-though-cut", .fn = mutex_granted_though_cut },
	{ .path = "mutex/unlock-in-a-cut-scope", .fn = mutex_unlock_works_in_a_cut_scope },
	{ .path = "bad-handles", .fn = bad_handles },
	{ .path = "rwlock/fair", .fn = rwlock_is_fair },
	{ .path = "rwlock/cut-writer-lets-readers-in", .fn = rwlock_cut_writer_lets_readers_in },
	{ .path = "semaphore/order", .fn = semaphore_keeps_the_order_of_large_and_small },
	{ .path = "semaphore/cut-head-lets-the-next-in", .fn = semaphore_cut_head_lets_the_next_in },
	{ .path = "semaphore/bounds", .fn = semaphore_bounds },
	{ .path = "semaphore/freed-while-waited-on", .fn = semaphore_freed_while_waited_on },
	{ .path = "condition/signal-and-broadcast", .fn = condition_signal_and_broadcast },
	{ .path = "condition/cut-takes-the-mutex-again", .fn = condition_cut_takes_the_mutex_again },
	{ .path = "condition/freed-while-waited-on", .fn = condition_freed_while_waited_on },
	{ .path = "select/each-kind", .fn = select_each_kind },
	{ .path = "select/free-already", .fn = select_what_is_free_already },
	{ .path = "everybody-has-a-turn", .fn = who_never_waits_lets_others_run },
};

static const struct fixture_case local[] = {
	{ .path = "/sync/what-cannot-be-shared", .fn = what_cannot_be_shared },
	{ .path = "/sync/waitgroup/waits-for-all", .fn = waitgroup_waits_for_all },
	{ .path = "/sync/once/runs-until-it-works", .fn = once_runs_until_it_works },
};

static void run_either(const struct fixture_case *c, uint32_t flags)
{
	struct fixture fx;

	options.flags = flags;
	fixture_init(&fx, &c->config);
	OK(fixture_run(&fx, c->fn, &fx));
	fixture_fini(&fx);
}

static void run_local(gconstpointer data)
{
	run_either(data, 0);
}

static void run_shared(gconstpointer data)
{
	run_either(data, RINGLINE_SYNC_SHARED);
}

int main(int argc, char **argv)
{
	size_t i;

	g_test_init(&argc, &argv, NULL);
	for (i = 0; i < G_N_ELEMENTS(either); i++) {
		g_autofree char *one = g_strdup_printf("/sync/local/%s", either[i].path);
		g_autofree char *all = g_strdup_printf("/sync/shared/%s", either[i].path);

		g_test_add_data_func(one, &either[i], run_local);
		g_test_add_data_func(all, &either[i], run_shared);
	}
	fixture_add_cases(local, G_N_ELEMENTS(local));
	return g_test_run();
}
