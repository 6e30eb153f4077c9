/* SPDX-License-Identifier: MIT */
/*
 * Blocking work, as tasks see it: a call that parks, an operation, and both for jobs that may be abandoned.
 *
 * A job that the task waits for lies where the task does, on its stack or in its op handle. A job that may be abandoned
 * has memory of its own, because it may outlive both:
 *
 *     its owner waits --ends--> result to the owner          (negative: disposed of)
 *          | cut
 *          +-- still queued: taken back, disposed of by the owner
 *          +-- running: abandoned; its thread disposes of it
 *          +-- just ended: its message is under way and is waited for
 */
#include <errno.h>

#include "base/mem.h"
#include "base/sized.h"
#include "core/executor.h"
#include "core/handle.h"
#include "core/pool.h"
#include "core/task.h"
#include "ringline/blocking.h"

/* A job on the stack of the task that waits for it. */
struct waited_job {
	struct rln_job job;
	struct rln_wait wait;
};

/* A job that may be abandoned. Either a task waits for it or a handle stands for it. */
struct rln_detached_job {
	struct rln_job job;
	void (*dispose)(void *arg, int result);
	struct rln_wait *wait;
	struct ringline_op *handle;
};

static int read_options(struct ringline_blocking_options *o, const struct ringline_blocking_options *options)
{
	int r = rln_sized_in(o, sizeof(*o), options);

	if (r < 0)
		return r;
	if (o->job_class > RINGLINE_BLOCKING_WAIT || o->priority > RINGLINE_PRIORITY_LOW ||
	    o->flags & ~RINGLINE_BLOCKING_NOWAIT || o->reserved)
		return -EINVAL;
	return 0;
}

static void job_init(struct rln_job *job, int (*fn)(void *arg), void *arg, const struct ringline_blocking_options *o,
                     void (*done)(struct rln_job *job))
{
	static const uint8_t priority[] = {
		[RINGLINE_PRIORITY_NORMAL] = RLN_JOB_NORMAL,
		[RINGLINE_PRIORITY_HIGH] = RLN_JOB_HIGH,
		[RINGLINE_PRIORITY_LOW] = RLN_JOB_LOW,
	};

	rln_job_init(job, fn, arg, (uint8_t)o->job_class, priority[o->priority], done);
}

/* The calling task if it may park and has not been cut. */
static int parkable(struct ringline_task **ret, const char *call)
{
	int r = rln_task_get_parking(ret, call);

	return r < 0 ? r : (*ret)->scope->reason;
}

/* A job whose end is waited for */

static void wake_waiter(struct rln_job *job)
{
	rln_wait_fire(&rln_container_of(job, struct waited_job, job)->wait, job->result);
}

static const struct rln_what what_blocking = { .name = "blocking job" };

static int run_and_wait(struct waited_job *w, struct ringline_task *t, bool patient)
{
	struct rln_parker p;
	int r;

	rln_parker_init(&p, t, &what_blocking, NULL);
	rln_wait_arm(&w->wait, &p, NULL);
	r = rln_job_submit(&w->job, patient);
	if (r < 0)
		return r;
	r = rln_park(&p);
	if (r == 0)
		return (int)w->wait.result;
	if (!rln_job_withdraw(&w->job))
		rln_park_shielded(&p);
	return r;
}

int ringline_blocking(int (*fn)(void *arg), void *arg, const struct ringline_blocking_options *options)
{
	struct ringline_blocking_options o;
	struct ringline_task *t;
	struct waited_job w;
	int r = read_options(&o, options);

	if (r < 0)
		return r;
	if (!fn)
		return -EINVAL;
	if (rln_pool_here())
		return fn(arg);
	r = parkable(&t, __func__);
	if (r < 0)
		return r;
	job_init(&w.job, fn, arg, &o, wake_waiter);
	return run_and_wait(&w, t, !(o.flags & RINGLINE_BLOCKING_NOWAIT));
}

static void job_op_done(struct rln_job *job)
{
	rln_handle_done(rln_container_of(job, struct ringline_op, work.job), job->result);
}

static void job_op_cancel(struct ringline_op *h)
{
	if (rln_job_withdraw(&h->work.job))
		rln_handle_done(h, -ECANCELED);
}

static const struct rln_handle_kind job_op = { .cancel = job_op_cancel };

int ringline_blocking_begin(struct ringline_op **ret, int (*fn)(void *arg), void *arg,
                            const struct ringline_blocking_options *options)
{
	struct ringline_blocking_options o;
	struct ringline_op *h;
	int r = read_options(&o, options);

	if (r < 0)
		return r;
	if (!ret || !fn)
		return -EINVAL;
	if (!rln_task_get(__func__))
		return rln_not_here();
	r = rln_handle_new(&h, &job_op);
	if (r < 0)
		return r;
	job_init(&h->work.job, fn, arg, &o, job_op_done);
	r = rln_job_submit(&h->work.job, false);
	if (r < 0) {
		rln_handle_drop(h);
		return r;
	}
	*ret = h;
	return 0;
}

/* A job that may be abandoned */

static void dispose(struct rln_detached_job *d, int result)
{
	d->dispose(d->job.arg, result);
	rln_mem_free(d);
}

/* On the thread of the pool. */
static void detached_lost(struct rln_job *job)
{
	dispose(rln_container_of(job, struct rln_detached_job, job), job->result);
}

/* A result that is negative has been disposed of when it is told. */
static int detached_result(struct rln_detached_job *d)
{
	int result = d->job.result;

	if (result < 0)
		dispose(d, result);
	else
		rln_mem_free(d);
	return result;
}

static int detached_new(struct rln_detached_job **ret, int (*fn)(void *arg), void *arg,
                        void (*dispose_fn)(void *arg, int result), const struct ringline_blocking_options *o,
                        void (*done)(struct rln_job *job))
{
	struct rln_detached_job *d = rln_mem_alloc(sizeof(*d));

	if (!d)
		return -ENOMEM;
	job_init(&d->job, fn, arg, o, done);
	d->job.lost = detached_lost;
	d->dispose = dispose_fn;
	d->wait = NULL;
	d->handle = NULL;
	*ret = d;
	return 0;
}

static void detached_wake(struct rln_job *job)
{
	rln_wait_fire(rln_container_of(job, struct rln_detached_job, job)->wait, 0);
}

/* The job is the pool's or gone when this returns, unless its result is. */
static int wait_detached(struct rln_detached_job *d, struct ringline_task *t)
{
	struct rln_parker p;
	struct rln_wait w;
	int r;

	rln_parker_init(&p, t, &what_blocking, NULL);
	rln_wait_arm(&w, &p, NULL);
	d->wait = &w;
	r = rln_park(&p);
	if (r < 0 && rln_job_withdraw(&d->job)) {
		dispose(d, r);
		return r;
	}
	if (r < 0 && rln_job_abandon(&d->job))
		return r;
	if (r < 0)
		rln_park_shielded(&p);
	return detached_result(d);
}

static int start_detached(struct rln_detached_job **ret, int (*fn)(void *arg), void *arg,
                          void (*dispose_fn)(void *arg, int result), const struct ringline_blocking_options *options)
{
	struct ringline_blocking_options o;
	struct ringline_task *t;
	int r = read_options(&o, options);

	if (r == 0)
		r = parkable(&t, "ringline_blocking_detached");
	if (r == 0)
		r = detached_new(ret, fn, arg, dispose_fn, &o, detached_wake);
	if (r < 0)
		return r;
	r = rln_job_submit(&(*ret)->job, !(o.flags & RINGLINE_BLOCKING_NOWAIT));
	if (r < 0) {
		rln_mem_free(*ret);
		*ret = NULL;
	}
	return r;
}

int ringline_blocking_detached(int (*fn)(void *arg), void *arg, void (*dispose_fn)(void *arg, int result),
                               const struct ringline_blocking_options *options)
{
	struct rln_detached_job *d = NULL;
	int r;

	if (!fn || !dispose_fn)
		return -EINVAL;
	r = rln_pool_here() ? fn(arg) : start_detached(&d, fn, arg, dispose_fn, options);
	if (r < 0)
		dispose_fn(arg, r);
	return d && r == 0 ? wait_detached(d, rln_task_current()) : r;
}

/*
 * The operation. A negative result has been disposed of when the operation is done; any other stays in the job until it is
 * taken, or disposed of because nobody took it.
 */
static void detached_op_done(struct rln_job *job)
{
	struct rln_detached_job *d = rln_container_of(job, struct rln_detached_job, job);
	struct ringline_op *h = d->handle;
	int result = job->result;

	if (result < 0)
		dispose(d, result);
	rln_handle_done(h, result);
}

static void detached_op_cancel(struct ringline_op *h)
{
	struct rln_detached_job *d = h->work.ptr;

	if (rln_job_withdraw(&d->job))
		dispose(d, -ECANCELED);
	else if (!rln_job_abandon(&d->job))
		return;                   /* it has ended, and its message is under way */
	rln_handle_done(h, -ECANCELED);
}

static void detached_op_take(struct ringline_op *h)
{
	if (h->result >= 0)
		rln_mem_free(h->work.ptr);
}

static void detached_op_dispose(struct ringline_op *h)
{
	if (h->result >= 0)
		dispose(h->work.ptr, (int)h->result);
}

static const struct rln_handle_kind detached_op = {
	.cancel = detached_op_cancel,
	.take = detached_op_take,
	.dispose = detached_op_dispose,
};

static int begin_detached(struct ringline_op **ret, int (*fn)(void *arg), void *arg,
                          void (*dispose_fn)(void *arg, int result), const struct ringline_blocking_options *o)
{
	struct rln_detached_job *d;
	struct ringline_op *h;
	int r = rln_handle_new(&h, &detached_op);

	if (r < 0)
		return r;
	r = detached_new(&d, fn, arg, dispose_fn, o, detached_op_done);
	if (r == 0 && (r = rln_job_submit(&d->job, false)) < 0)
		rln_mem_free(d);
	if (r < 0) {
		rln_handle_drop(h);
		return r;
	}
	d->handle = h;
	h->work.ptr = d;
	*ret = h;
	return 0;
}

int ringline_blocking_detached_begin(struct ringline_op **ret, int (*fn)(void *arg), void *arg,
                                     void (*dispose_fn)(void *arg, int result),
                                     const struct ringline_blocking_options *options)
{
	struct ringline_blocking_options o;
	int r;

	if (!ret || !fn || !dispose_fn)
		return -EINVAL;
	r = read_options(&o, options);
	if (r == 0)
		r = rln_task_get(__func__) ? begin_detached(ret, fn, arg, dispose_fn, &o) : rln_not_here();
	if (r < 0)
		dispose_fn(arg, r);
	return r;
}
