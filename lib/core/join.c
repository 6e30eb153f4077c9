/* SPDX-License-Identifier: MIT */
/*
 * Waiting for tasks to end.
 *
 * A joiner waits on the task's `ended` source. It takes a reference of its own for the time of the call, so that the
 * result stays readable however late the joiner comes round, and whoever joins or detaches the same task meanwhile. Joining
 * many is joining one after the other: the order of the waits does not change when the last one ends.
 */
#include <errno.h>
#include <stdio.h>

#include "core/executor.h"
#include "core/task.h"

static int check_join(const struct ringline_task *t, const struct ringline_task *self)
{
	int r;

	if (!t)
		return -EINVAL;
	r = rln_exec_check_handle(&rln_exec_current->tasks, &t->slot, "ringline_join");
	if (r < 0)
		return r;
	if (!rln_task_live(t))
		return -EBADF;
	return t == self ? -EDEADLK : 0;
}

static void describe_task(const void *object, char *text, size_t size)
{
	const struct ringline_task *t = object;

	snprintf(text, size, "task %llu \"%s\"", (unsigned long long)rln_slot_id(&t->slot), t->name);
}

static const struct ringline_task *joined(const void *object)
{
	return object;
}

static const struct rln_what what_join = { .name = "join", .describe = describe_task, .holder = joined };

/* Waits without dropping the handle. */
static int wait_ended(struct ringline_task *t)
{
	int64_t ignored;

	return t->state == RLN_TASK_ENDED ? 0 : rln_wait_on(&t->ended, &ignored, &what_join, t);
}

static int wait_all(struct ringline_task *const *tasks, size_t n)
{
	size_t i;
	int r;

	for (i = 0; i < n; i++)
		if ((r = wait_ended(tasks[i])) < 0)
			return r;
	for (i = 0; i < n; i++)
		if (!rln_task_live(tasks[i]))
			return -EBADF;    /* someone else dropped the handle during the wait */
	return 0;
}

int ringline_join(struct ringline_task *const *tasks, size_t n, int *results)
{
	struct ringline_task *self = rln_task_get(__func__);
	size_t i;
	int r;

	if (!self)
		return rln_not_here();
	if (!tasks && n)
		return -EINVAL;
	for (i = 0; i < n; i++)
		if ((r = check_join(tasks[i], self)) < 0)
			return r;
	for (i = 0; i < n; i++)
		rln_task_ref(tasks[i]);
	r = wait_all(tasks, n);
	for (i = 0; i < n; i++) {
		if (r == 0 && results)
			results[i] = tasks[i]->result;
		if (r == 0)
			rln_task_release(tasks[i]);
		rln_task_unref(tasks[i]);
	}
	return r;
}

int ringline_task_join(struct ringline_task *task, int *result)
{
	return ringline_join(&task, 1, result);
}
