/* SPDX-License-Identifier: MIT */
/*
 * Op handles for what takes several steps: a task of its own takes them, in the scope of the handle, and its result is the
 * handle's. The arguments are copied, so the task needs nothing of the call that began it. Cancelling the operation cancels
 * the task; the handle is done when the task's function has returned.
 */
#include <string.h>

#include "base/mem.h"
#include "core/executor.h"
#include "core/handle.h"
#include "core/task.h"

struct begun {
	struct ringline_op *handle;
	struct ringline_task *task;
	const struct rln_steps *steps;
	unsigned char args[] rln_aligned(16);
};

static int run(void *arg)
{
	struct begun *b = arg;
	struct ringline_task *t = b->task;
	int64_t result = b->steps->run(b->args);

	b->task = NULL;
	rln_task_release(t);
	rln_handle_done(b->handle, result);
	return 0;
}

static void begun_cancel(struct ringline_op *h)
{
	struct begun *b = h->work.ptr;

	rln_scope_cut(&b->task->base, -ECANCELED, false);
}

static void begun_take(struct ringline_op *h)
{
	rln_mem_free(h->work.ptr);
}

static void begun_dispose(struct ringline_op *h)
{
	struct begun *b = h->work.ptr;

	if (b->steps->dispose)
		b->steps->dispose(b->args, h->result);
	rln_mem_free(b);
}

static const struct rln_handle_kind begun_kind = {
	.cancel = begun_cancel,
	.take = begun_take,
	.dispose = begun_dispose,
};

int rln_handle_steps(struct ringline_op **ret, const struct rln_steps *steps, const void *args, size_t size)
{
	struct rln_task_start how = { .fn = run, .scope = rln_exec_current->current->scope };
	struct ringline_op *h;
	struct begun *b;
	int r = rln_handle_new(&h, &begun_kind);

	if (r < 0)
		return r;
	b = rln_mem_alloc(sizeof(*b) + size);
	r = b ? 0 : -ENOMEM;
	if (r == 0) {
		b->handle = h;
		b->steps = steps;
		memcpy(b->args, args, size);
		h->work.ptr = b;
		how.arg = b;
		r = rln_task_start(&b->task, &how);
	}
	if (r < 0) {
		rln_mem_free(b);
		rln_handle_drop(h);
		return r;
	}
	*ret = h;
	return 0;
}
