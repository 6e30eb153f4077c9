/* SPDX-License-Identifier: MIT */
/*
 * Dumps: of the calling worker at once, of a runtime by asking each worker.
 *
 * A question is a message with memory of its own, which the worker or the one who asked frees, whoever comes last: a worker
 * that does not answer in time may still do so later.
 *
 *     asked --worker writes--> answered          the asker takes the text, then its reference
 *       | nobody waits any more
 *       +--> given up                            the worker frees it
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/futex.h"
#include "base/mem.h"
#include "base/sized.h"
#include "base/text.h"
#include "core/dump.h"
#include "core/task.h"
#include "core/waker.h"
#include "io/handler.h"
#include "ringline/debug.h"
#include "runtime/runtime.h"

#define PATIENCE RLN_NSEC_PER_SEC

static int write_all(int fd, const char *data, size_t n)
{
	while (n) {
		ssize_t done = write(fd, data, n);

		if (done < 0 && errno != EINTR)
			return -errno;
		if (done > 0) {
			data += done;
			n -= (size_t)done;
		}
	}
	return 0;
}

static int write_text(int fd, struct rln_text *t)
{
	int r = t->data ? write_all(fd, t->data, t->len) : 0;

	if (r == 0 && t->truncated)
		r = -ENOMEM;
	rln_text_free(t);
	return r;
}

static void describe(struct rln_worker *w, struct rln_text *out)
{
	uint32_t idle;

	rln_text_add(out, "worker %u (%s): %llu tasks, %llu turns\n", w->index, w->exec.backend->ops->name,
	             (unsigned long long)rln_exec_tasks(&w->exec), (unsigned long long)rln_stat_get(&w->exec.stats.turns));
	rln_dump_tasks(&w->exec, out);
	idle = rln_handlers_idle(&w->io);
	if (idle)
		rln_text_add(out, "%u handlers without stacks wait for their connections\n", idle);
}

int ringline_task_dump(int fd)
{
	struct rln_exec *x = rln_exec_get(__func__);
	struct rln_text text = RLN_TEXT_INIT;

	if (!x)
		return rln_not_here();
	if (fd < 0)
		return -EBADF;
	describe(x->worker, &text);
	return write_text(fd, &text);
}

struct question {
	struct rln_msg msg;
	_Atomic uint32_t refs;
	_Atomic uint32_t answered;
	struct rln_text text;
};

static void drop(struct question *q)
{
	if (atomic_fetch_sub(&q->refs, 1) != 1)
		return;
	rln_text_free(&q->text);
	rln_mem_free(q);
}

static void answer(struct rln_msg *m, struct rln_exec *x)
{
	struct question *q = rln_container_of(m, struct question, msg);

	if (x)
		describe(x->worker, &q->text);
	atomic_store(&q->answered, 1);
	rln_futex_wake_one(&q->answered);
	drop(q);
}

static bool wait_for_answer(struct question *q)
{
	uint64_t until = rln_time_add(rln_clock_now(&rln_clock_real), PATIENCE);

	while (!atomic_load(&q->answered) && rln_clock_now(&rln_clock_real) < until)
		rln_futex_wait(&q->answered, 0, until);
	return atomic_load(&q->answered);
}

/* From outside: what is said may be over by now. */
static void describe_busy(struct rln_worker *w, struct rln_text *out)
{
	rln_text_add(out, "worker %u does not answer", w->index);
	if (!rln_watch_snapshot(w)) {
		rln_text_add(out, "\n");
		return;
	}
	rln_text_add(out, ": it runs task %llu \"%s\"\n", (unsigned long long)w->snapshot.id, w->snapshot.name);
	rln_watch_describe(w, out);
}

static int dump_worker(struct rln_worker *w, int fd)
{
	struct question *q = rln_mem_zalloc(sizeof(*q));
	struct rln_text busy = RLN_TEXT_INIT;
	int r;

	if (!q)
		return -ENOMEM;
	q->msg.deliver = answer;
	atomic_init(&q->refs, 2);
	r = rln_worker_post(w, &q->msg, true);
	if (r < 0) {
		rln_mem_free(q);
		return r;
	}
	if (wait_for_answer(q)) {
		r = write_text(fd, &q->text);
	} else {
		describe_busy(w, &busy);
		r = write_text(fd, &busy);
	}
	drop(q);
	return r;
}

int ringline_runtime_dump(struct ringline_runtime *rt, int fd)
{
	int first = 0;
	uint32_t i;

	if (!rt)
		return -EINVAL;
	if (rln_exec_current)
		return -EPERM;
	if (rln_runtime_forked(rt))
		return -ECHILD;
	if (atomic_load(&rt->state) != RLN_RUNTIME_STARTED)
		return -ESHUTDOWN;
	rln_lock(&rt->watch.looking);
	for (i = 0; i < rt->nworkers; i++) {
		int r = dump_worker(&rt->workers[i], fd);

		if (r < 0 && !first)
			first = r;
	}
	rln_unlock(&rt->watch.looking);
	return first;
}

/* One task */

static uint32_t state_of(const struct ringline_task *t)
{
	static const uint32_t states[] = {
		[RLN_TASK_IDLE] = RINGLINE_TASK_WAITING,
		[RLN_TASK_QUEUED] = RINGLINE_TASK_READY,
		[RLN_TASK_RUNNING] = RINGLINE_TASK_RUNNING,
		[RLN_TASK_RUNNING_NOTIFIED] = RINGLINE_TASK_RUNNING,
		[RLN_TASK_ENDED] = RINGLINE_TASK_ENDED,
	};

	return states[t->state];
}

int ringline_task_info(const struct ringline_task *task, struct ringline_task_info *info)
{
	struct ringline_task_info out = { .size = sizeof(out) };
	int r = 0;

	if (!info)
		return -EINVAL;
	if (!task && !(task = rln_task_get(__func__)))
		return rln_not_here();
	if (task != rln_exec_current->current)
		r = rln_task_check(task, __func__);
	if (r < 0)
		return r;
	out.id = rln_slot_id(&task->slot);
	out.state = state_of(task);
	out.task_class = task->class;
	if (task->fiber) {
		out.stack_size = rln_fiber_stack_size(task->fiber);
		out.stack_used = rln_fiber_stack_used(task->fiber);
		out.stack_peak = rln_fiber_stack_peak(task->fiber);
	}
	out.locks = task->locks;
	memcpy(out.name, task->name, sizeof(out.name));
	return rln_sized_out(info, &out, sizeof(out));
}
