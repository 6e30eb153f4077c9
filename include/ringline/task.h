/* SPDX-License-Identifier: MIT */
/*
 * Tasks: functions that run concurrently on one worker, each written in plain blocking style.
 *
 * A task runs until it calls something that suspends; then the worker runs others. Nothing else interrupts it, so data
 * that only tasks of one worker touch needs no lock. A task lives inside a scope (scope.h) and never outlives it: without
 * an open scope it belongs to the task that started it, which does not end before its children have.
 */
#ifndef RINGLINE_TASK_H
#define RINGLINE_TASK_H

#include <ringline/common.h>

RINGLINE_BEGIN_DECLS

struct ringline_op;
struct ringline_scope;
struct ringline_task;

/* Longest task name kept, including the terminating zero; longer ones are cut. */
#define RINGLINE_TASK_NAME_SIZE 16

/* task_class of struct ringline_task_options */
#define RINGLINE_TASK_INHERIT 0u      /* the starter's; of tasks without one: latency */
#define RINGLINE_TASK_LATENCY 1u      /* run as soon as they are runnable */
#define RINGLINE_TASK_BULK    2u      /* run behind those, but some in each turn: neither class starves the other */

/* flags of struct ringline_task_options: fn is a poll function, and the task has no stack (ringline-fibers(7)) */
#define RINGLINE_TASK_STACKLESS (UINT32_C(1) << 0)

struct ringline_task_options {
	size_t size;
	const char *name;                 /* copied; NULL: the starter's name */
	struct ringline_scope *scope;     /* NULL: the current scope of the calling task */
	uint32_t flags;                   /* RINGLINE_TASK_STACKLESS */
	uint32_t task_class;              /* RINGLINE_TASK_* */
};

#define RINGLINE_TASK_OPTIONS_INIT { sizeof(struct ringline_task_options), NULL, NULL, 0, 0 }

/*
 * Starts fn(arg) as a child of the calling task's current scope, without a handle. Its result reaches the scope only.
 * Never suspends; the child first runs when the caller suspends. fn is run even if the task is cancelled before that.
 *
 * Returns 0; -EINVAL (fn is NULL), -ENOMEM, -EAGAIN (the worker's task limit is reached), -ETIME or -ECANCELED (the
 * scope has been cut; nothing was started), -EPERM (not in a task).
 * Since: 0.1
 */
int ringline_spawn(int (*fn)(void *arg), void *arg) RINGLINE_MUST_CHECK;

/*
 * As ringline_spawn(), with a handle in *ret that must be given to ringline_task_join() or ringline_task_detach().
 * options may be NULL.
 *
 * Returns 0; the errors of ringline_spawn(); -E2BIG (unknown options), -EBADF (options->scope is closed).
 * Since: 0.1
 */
int ringline_task_start(struct ringline_task **ret, int (*fn)(void *arg), void *arg,
                        const struct ringline_task_options *options) RINGLINE_MUST_CHECK;

/*
 * Waits until the task has ended, stores what it returned in *result (if not NULL), and drops the handle.
 *
 * Returns 0; -ETIME or -ECANCELED (the wait was cut short: the task goes on, the handle stays valid), -EDEADLK (a task
 * joining itself), -EBADF (not a live handle), -EINVAL (NULL), -EPERM.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_task_join(struct ringline_task *task, int *result) RINGLINE_MUST_CHECK;

/*
 * Waits until all n tasks have ended; results[i] (if results is not NULL) receives what tasks[i] returned. All handles
 * are dropped on success, none on failure.
 *
 * Returns 0, or the errors of ringline_task_join().
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_join(struct ringline_task *const *tasks, size_t n, int *results) RINGLINE_MUST_CHECK;

/*
 * Cancels the task and everything in its scopes: each of their suspending calls, now and later, returns -ECANCELED.
 * Does not wait. Cancelling a task that has ended has no effect.
 *
 * Returns 0; -EBADF (not a live handle), -EINVAL (NULL), -EPERM.
 * Since: 0.1
 */
int ringline_task_cancel(struct ringline_task *task);

/*
 * Drops the handle; the task goes on.
 *
 * Returns 0; -EBADF (not a live handle), -EINVAL (NULL), -EPERM.
 * Since: 0.1
 */
int ringline_task_detach(struct ringline_task *task);

/*
 * Names a task for logs and debuggers; task NULL names the calling task. The name is copied and cut to
 * RINGLINE_TASK_NAME_SIZE - 1 bytes.
 *
 * Returns 0; -EINVAL (name is NULL), -EBADF, -EPERM.
 * Since: 0.1
 */
int ringline_task_set_name(struct ringline_task *task, const char *name);

/*
 * Task-locals: values that belong to a task, by key. A key is for the whole process; there are at most RINGLINE_LOCALS_MAX.
 */
#define RINGLINE_LOCALS_MAX 32u

/* flags of ringline_local_new(): tasks start with the value of the task that starts them; such a key has no destroy */
#define RINGLINE_LOCAL_INHERIT (UINT32_C(1) << 0)

/*
 * Makes a key. destroy, if not NULL, gets what a task has set under it when the task ends or sets another value, on its worker;
 * it must not call what suspends. Any thread.
 *
 * Returns 0; -EAGAIN (there are as many as there can be), -EINVAL (NULL, an unknown flag, INHERIT with a destroy).
 * Since: 0.1
 */
int ringline_local_new(uint64_t *ret, void (*destroy)(void *value), uint32_t flags) RINGLINE_MUST_CHECK;

/*
 * Frees a key. What tasks have set under it is forgotten, and not destroyed. Any thread.
 *
 * Returns 0; -EBADF (freed already, or no key).
 * Since: 0.1
 */
int ringline_local_free(uint64_t key);

/*
 * Sets the calling task's value under a key; NULL: none.
 *
 * Returns 0; -EBADF (no such key), -ENOMEM, -EPERM (not in a task).
 * Since: 0.1
 */
int ringline_local_set(uint64_t key, void *value);

/* The calling task's value under a key; NULL if there is none, or no such key, or outside a task. Since: 0.1 */
void *ringline_local_get(uint64_t key);

/*
 * A number that names the calling task and is never used again in this worker; 0 outside a task.
 * Since: 0.1
 */
uint64_t ringline_task_id(void);

/*
 * Lets the other runnable tasks of the worker and its completions go first.
 *
 * Returns 0; -ETIME, -ECANCELED, -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_yield(void);

/*
 * For long computations: yields as ringline_yield() does if the worker has not looked at its I/O for longer than a slice
 * (task_slice of struct ringline_config), and otherwise returns at once. It reads the clock.
 *
 * Returns 0; -ETIME, -ECANCELED, -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_checkpoint(void);

/*
 * Suspends for at least ns nanoseconds, or until the absolute time deadline (RINGLINE_NEVER: until cut). A deadline that
 * has passed still lets the others run once.
 *
 * Returns 0; -ETIME, -ECANCELED, -ENOMEM, -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_sleep(uint64_t ns);
RINGLINE_SUSPENDS int ringline_sleep_until(uint64_t deadline);

/*
 * Begins a sleep as an operation (op.h) that completes with 0 after ns nanoseconds. Never suspends.
 *
 * Returns 0; -ENOMEM, -EAGAIN (the worker's limit of operations is reached), -ETIME or -ECANCELED (the scope has been
 * cut), -EINVAL, -EPERM.
 * Since: 0.1
 */
int ringline_sleep_begin(struct ringline_op **ret, uint64_t ns) RINGLINE_MUST_CHECK;

/*
 * The present CLOCK_MONOTONIC time in nanoseconds. Any thread.
 * Since: 0.1
 */
uint64_t ringline_now(void);

RINGLINE_END_DECLS

#endif
