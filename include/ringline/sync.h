/* SPDX-License-Identifier: MIT */
/*
 * What tasks synchronise with: mutexes, rwlocks, semaphores, events, conditions, waitgroups, once.
 *
 * Between two calls that suspend, a task of a worker is alone with the data of that worker and needs none of these. They are
 * for what must hold across such calls, and for waiting. Whoever waits is served in the order in which it came, and what is
 * given back is handed to the next one: nobody overtakes. All of them are cases of ringline_select().
 *
 * An object is used by the tasks of the worker it was made on. Mutexes, rwlocks and semaphores may be shared instead
 * (RINGLINE_SYNC_SHARED): then they are made on any thread and used by the tasks of all workers.
 *
 * A freed object answers -EBADF, also to those who wait in it.
 */
#ifndef RINGLINE_SYNC_H
#define RINGLINE_SYNC_H

#include <ringline/common.h>

RINGLINE_BEGIN_DECLS

struct ringline_condition;
struct ringline_event;
struct ringline_mutex;
struct ringline_once;
struct ringline_rwlock;
struct ringline_semaphore;
struct ringline_waitgroup;

/* flags of struct ringline_sync_options: for tasks of all workers; mutexes, rwlocks, semaphores */
#define RINGLINE_SYNC_SHARED (UINT32_C(1) << 0)

/* Longest name kept, including the terminating zero; longer ones are cut. */
#define RINGLINE_SYNC_NAME_SIZE 16

struct ringline_sync_options {
	size_t size;
	uint32_t flags;                   /* RINGLINE_SYNC_SHARED */
	uint32_t reserved;                /* zero */
	const char *name;                 /* for dumps; copied; NULL: none */
};

#define RINGLINE_SYNC_OPTIONS_INIT { sizeof(struct ringline_sync_options), 0, 0, NULL }

/*
 * Make an object: a mutex that nobody holds, an rwlock that nobody holds, a semaphore with that many free permits, an event
 * that is not set, a condition, a waitgroup at zero, a once whose function has not run. options may be NULL. Never suspend.
 *
 * Return 0; -EINVAL (NULL, an unknown flag, an object that cannot be shared), -E2BIG (unknown options), -ENOMEM, -EPERM (not
 * on a worker, and not shared), -ECHILD.
 * Since: 0.1
 */
int ringline_mutex_new(struct ringline_mutex **ret, const struct ringline_sync_options *options) RINGLINE_MUST_CHECK;
int ringline_rwlock_new(struct ringline_rwlock **ret, const struct ringline_sync_options *options) RINGLINE_MUST_CHECK;
int ringline_semaphore_new(struct ringline_semaphore **ret, uint32_t permits,
                           const struct ringline_sync_options *options) RINGLINE_MUST_CHECK;
int ringline_event_new(struct ringline_event **ret, const struct ringline_sync_options *options) RINGLINE_MUST_CHECK;
int ringline_condition_new(struct ringline_condition **ret, const struct ringline_sync_options *options) RINGLINE_MUST_CHECK;
int ringline_waitgroup_new(struct ringline_waitgroup **ret, const struct ringline_sync_options *options) RINGLINE_MUST_CHECK;
int ringline_once_new(struct ringline_once **ret, const struct ringline_sync_options *options) RINGLINE_MUST_CHECK;

/*
 * Free an object; who waits in it gets -EBADF. NULL is allowed.
 *
 * Return 0; -EBADF (freed already), -EBUSY (a mutex or rwlock that is held), -EINVAL (another kind of object), -EPERM.
 * Since: 0.1
 */
int ringline_mutex_free(struct ringline_mutex *mutex);
int ringline_rwlock_free(struct ringline_rwlock *rwlock);
int ringline_semaphore_free(struct ringline_semaphore *semaphore);
int ringline_event_free(struct ringline_event *event);
int ringline_condition_free(struct ringline_condition *condition);
int ringline_waitgroup_free(struct ringline_waitgroup *waitgroup);
int ringline_once_free(struct ringline_once *once);

/*
 * Locks, and waits while another task holds it. ringline_mutex_try_lock() does not wait.
 *
 * Returns 0; -EDEADLK (the calling task holds it; a stackless task), -EAGAIN (try: it is held), -EBADF (freed), -ETIME,
 * -ECANCELED, -EINVAL, -EPERM.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_mutex_lock(struct ringline_mutex *mutex) RINGLINE_MUST_CHECK;
int ringline_mutex_try_lock(struct ringline_mutex *mutex) RINGLINE_MUST_CHECK;

/*
 * Gives the mutex to the task that has waited longest, or frees it. Never suspends.
 *
 * Returns 0; -EPERM (the calling task does not hold it), -EBADF, -EINVAL.
 * Since: 0.1
 */
int ringline_mutex_unlock(struct ringline_mutex *mutex);

/*
 * Lock for reading, together with others, or for writing, alone. Who came first goes first: a writer that waits keeps later
 * readers waiting. A task that reads does not lock the same rwlock again: a writer may have come in between.
 *
 * Return as ringline_mutex_lock() and ringline_mutex_try_lock().
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_rwlock_read(struct ringline_rwlock *rwlock) RINGLINE_MUST_CHECK;
RINGLINE_SUSPENDS int ringline_rwlock_write(struct ringline_rwlock *rwlock) RINGLINE_MUST_CHECK;
int ringline_rwlock_try_read(struct ringline_rwlock *rwlock) RINGLINE_MUST_CHECK;
int ringline_rwlock_try_write(struct ringline_rwlock *rwlock) RINGLINE_MUST_CHECK;

/*
 * Ends the reading or writing of the calling task. Never suspends.
 *
 * Returns 0; -EPERM (it does neither), -EBADF, -EINVAL.
 * Since: 0.1
 */
int ringline_rwlock_unlock(struct ringline_rwlock *rwlock);

/*
 * Acquires n permits at once, and waits until there are so many. ringline_semaphore_try_acquire() does not wait; any thread
 * if the semaphore is shared.
 *
 * Returns 0; -EAGAIN (try: there are not so many, or others wait), -EBADF (freed), -ETIME, -ECANCELED, -EINVAL (n is 0),
 * -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_semaphore_acquire(struct ringline_semaphore *semaphore, uint32_t n) RINGLINE_MUST_CHECK;
int ringline_semaphore_try_acquire(struct ringline_semaphore *semaphore, uint32_t n) RINGLINE_MUST_CHECK;

/*
 * Gives n permits back, or adds them: nobody keeps account of who has how many. Never suspends. Any thread if the semaphore
 * is shared.
 *
 * Returns 0; -EOVERFLOW (more than UINT32_MAX would be free), -EBADF, -EINVAL (n is 0), -EPERM.
 * Since: 0.1
 */
int ringline_semaphore_release(struct ringline_semaphore *semaphore, uint32_t n);

/*
 * An event is set or not; whoever waits goes on when it is set, and it stays set until it is reset. Setting and resetting
 * never suspend.
 *
 * Return 0; -EBADF (freed, before or during the wait), -EINVAL, -EPERM; waiting: -ETIME, -ECANCELED, -EDEADLK.
 * Since: 0.1
 */
int ringline_event_set(struct ringline_event *event);
int ringline_event_reset(struct ringline_event *event);
RINGLINE_SUSPENDS int ringline_event_wait(struct ringline_event *event);

/*
 * Unlocks the mutex, waits until the condition is signalled, and locks the mutex again, which is done whatever cuts the wait
 * short. What was waited for may have changed back by then: wait in a loop.
 *
 * Returns 0; -EPERM (the calling task does not hold the mutex), -EBADF (one of the two was freed), -ETIME, -ECANCELED,
 * -EINVAL, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_condition_wait(struct ringline_condition *condition, struct ringline_mutex *mutex);

/*
 * Wakes the task that has waited longest, or all. Never suspend.
 *
 * Return 0; -EBADF, -EINVAL, -EPERM.
 * Since: 0.1
 */
int ringline_condition_signal(struct ringline_condition *condition);
int ringline_condition_broadcast(struct ringline_condition *condition);

/*
 * A waitgroup counts what is under way: add before it begins, done when it has ended, wait until the count is zero.
 *
 * Return 0; -ERANGE (done: the count is zero), -EBADF (freed, before or during the wait), -EINVAL, -EPERM; waiting: -ETIME,
 * -ECANCELED, -EDEADLK.
 * Since: 0.1
 */
int ringline_waitgroup_add(struct ringline_waitgroup *waitgroup, uint32_t n);
int ringline_waitgroup_done(struct ringline_waitgroup *waitgroup);
RINGLINE_SUSPENDS int ringline_waitgroup_wait(struct ringline_waitgroup *waitgroup);

/*
 * Runs fn(arg) in the calling task if no call has done so before, and waits if another task is just running it. A run that
 * returns an error (< 0) is none: the error goes to its caller, and the next call, or the task that has waited longest, runs
 * its own function.
 *
 * Returns 0 (it has run, now or before); what a failing fn returned, -EBADF, -ETIME, -ECANCELED, -EINVAL, -EPERM, -EDEADLK
 * (called from fn; a stackless task).
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_once_run(struct ringline_once *once, int (*fn)(void *arg), void *arg) RINGLINE_MUST_CHECK;

/* 1 if the function has run, 0 if not; -EBADF, -EINVAL, -EPERM. Since: 0.1 */
int ringline_once_done(const struct ringline_once *once);

RINGLINE_END_DECLS

#endif
