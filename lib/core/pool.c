/* SPDX-License-Identifier: MIT */
/*
 * The blocking pool; pool.h tells the idea and draws the states.
 *
 * Why no job is left lying: "help is wanted" means that a class has a job and room to run it, while no thread is searching. The
 * condition can only come true when jobs are queued, when a search ends, when a limit grows, or when a job ends; each
 * of these looks at it under the lock, and the last one takes the job itself. That a search takes long is noticed by the same,
 * and if by none of them, the search finds the job yet.
 *
 * A thread sleeps on a word of its own. It is taken off the idle list before it is woken, under the lock, so one wake is
 * one thread. The one that has slept longest goes first: one that has just become idle has put its processor to sleep, and
 * to wake that too costs more than anything else here (jobs one after the other took twice the time).
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/fault.h"
#include "base/futex.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/executor.h"
#include "core/pool.h"

/* What a thread takes from its wake to the queues is less, unless no processor is free. */
#define PATIENCE (50 * UINT64_C(1000))
#define GRACE    (100 * (long)RLN_NSEC_PER_MSEC)     /* for what was abandoned, at the end */

struct rln_pool_thread {
	struct rln_list link;             /* rln_pool.idle or rln_pool.gone */
	struct rln_pool *pool;
	pthread_t id;
	_Atomic uint32_t woken;
};

/* What is to be done once the lock is released. */
struct help {
	struct rln_pool_thread *wake;
	bool start;
};

static __thread struct rln_pool_thread *here;

bool rln_pool_here(void)
{
	return here != NULL;
}

/* Under the lock: choosing */

static struct rln_list *first_job(struct rln_pool_class *c)
{
	int i;

	for (i = 0; i < RLN_JOB_PRIORITIES; i++)
		if (!rln_list_empty(&c->queue[i]))
			return &c->queue[i];
	return NULL;
}

/* Jobs that were abandoned and have not ended, as far as they do not count. */
static uint32_t left_behind(const struct rln_pool_class *c)
{
	uint32_t stuck = (uint32_t)rln_min(rln_stat_get(&c->stats.stuck), (uint64_t)c->stuck_free);

	return rln_min(stuck, c->running);        /* one that was never run, for want of a thread, may count for a moment */
}

/* What its limit is about. */
static uint32_t in_use(const struct rln_pool_class *c)
{
	return c->running - left_behind(c);
}

static bool takeable(struct rln_pool_class *c)
{
	return in_use(c) < c->allowed && first_job(c);
}

static void count_running(struct rln_pool *p, struct rln_pool_class *c, int by)
{
	c->running += (uint32_t)by;
	p->busy += (uint32_t)by;
	atomic_store_explicit(&c->stats.running, c->running, memory_order_relaxed);
}

/* Takes the next job, of the class with the smallest share of its limit in use; NULL if there is none. */
static struct rln_job *take(struct rln_pool *p)
{
	struct rln_pool_class *best = NULL;
	struct rln_job *job;
	int i;

	for (i = 0; i < RLN_JOB_CLASSES; i++) {
		struct rln_pool_class *c = &p->class[i];

		if (takeable(c) && (!best || (uint64_t)in_use(c) * best->limit < (uint64_t)in_use(best) * c->limit))
			best = c;
	}
	if (!best)
		return NULL;
	job = rln_list_entry(rln_list_pop(first_job(best)), struct rln_job, link);
	atomic_store_explicit(&job->state, RLN_JOB_RUNNING, memory_order_relaxed);
	atomic_fetch_sub_explicit(&best->queued, 1, memory_order_relaxed);
	best->taken++;
	count_running(p, best, 1);
	return job;
}

static uint32_t threads_allowed(const struct rln_pool *p)
{
	uint32_t n = 0;
	int i;

	for (i = 0; i < RLN_JOB_CLASSES; i++)
		n += p->class[i].allowed + left_behind(&p->class[i]);
	return n;
}

static bool any_takeable(struct rln_pool *p)
{
	int i;

	for (i = 0; i < RLN_JOB_CLASSES; i++)
		if (takeable(&p->class[i]))
			return true;
	return false;
}

/* Is there something to take, and nobody on his way who will take it soon? */
static bool help_wanted(struct rln_pool *p, uint64_t *now)
{
	if (!any_takeable(p))
		return false;
	*now = rln_clock_now(&rln_clock_real);
	return !p->searching || *now - p->sent_at >= PATIENCE;
}

static void count_threads(struct rln_pool *p, int by)
{
	p->threads += (uint32_t)by;
	atomic_store_explicit(&p->threads_now, p->threads, memory_order_relaxed);
	if (p->threads > rln_stat_get(&p->threads_peak))
		atomic_store_explicit(&p->threads_peak, p->threads, memory_order_relaxed);
}

/* Sends for a thread if one is needed. */
static struct help send_for_help(struct rln_pool *p)
{
	struct help h = { NULL, false };
	struct rln_list *node;
	uint64_t now;

	if (!help_wanted(p, &now))
		return h;
	node = rln_list_pop(&p->idle);
	if (node) {
		h.wake = rln_list_entry(node, struct rln_pool_thread, link);
		atomic_store_explicit(&h.wake->woken, 1, memory_order_relaxed);
	} else if (p->threads < threads_allowed(p)) {
		count_threads(p, 1);
		h.start = true;
	} else {
		return h;
	}
	p->searching++;
	p->sent_at = now;
	return h;
}

/* Ends */

static void deliver(struct rln_msg *m, struct rln_exec *x)
{
	struct rln_job *job = rln_container_of(m, struct rln_job, msg);

	if (x)
		job->done(job);
}

/* The job has a result. False: it was abandoned, and is gone. */
static bool settle(struct rln_job *job, int result)
{
	uint8_t running = RLN_JOB_RUNNING;

	job->result = result;
	if (atomic_compare_exchange_strong(&job->state, &running, RLN_JOB_ENDED))
		return true;
	job->lost(job);
	return false;
}

/*
 * Tells the worker. It cannot end before the message is delivered, since a task waits for it; the door keeps it there until
 * the wake is over, too. One whose backend broke is closed and was left as it is.
 */
static void post(struct rln_job *job)
{
	struct rln_exec *x = job->exec;

	if (!rln_exec_enter(x))
		return;
	if (rln_exec_post(x, &job->msg, true) < 0)
		__builtin_unreachable();  /* urgent messages are never refused */
	rln_exec_leave(x);
}

/* Whoever waits for the job; if it was abandoned nobody does. */
static void tell(struct rln_pool *p, struct rln_job *job, int result)
{
	struct rln_pool_class *c = &p->class[job->job_class];

	if (settle(job, result)) {
		post(job);
		return;
	}
	pthread_mutex_lock(&p->lock);
	rln_stat_add(&c->stats.stuck, UINT64_MAX);
	pthread_mutex_unlock(&p->lock);
}

/* Threads */

static void *thread_main(void *arg);

static int start_thread(struct rln_pool *p)
{
	struct rln_pool_thread *t = rln_mem_zalloc(sizeof(*t));
	int r = rln_fault(RLN_FAULT_THREAD);
	sigset_t all;
	sigset_t old;

	if (!t)
		return -ENOMEM;
	t->pool = p;
	rln_list_init(&t->link);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (!r)
		r = pthread_create(&t->id, NULL, thread_main, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r)
		rln_mem_free(t);
	return -r;
}

/* Without a single thread nobody would ever come for the jobs: they fail. */
static void fail_all(struct rln_pool *p, int error)
{
	struct rln_list failed;
	struct rln_list *node;
	int i;

	rln_list_init(&failed);
	pthread_mutex_lock(&p->lock);
	p->searching--;
	count_threads(p, -1);
	pthread_cond_signal(&p->changed);
	for (i = 0; i < RLN_JOB_CLASSES * RLN_JOB_PRIORITIES && !p->threads; i++) {
		struct rln_pool_class *c = &p->class[i / RLN_JOB_PRIORITIES];
		struct rln_list *queue = &c->queue[i % RLN_JOB_PRIORITIES];

		rln_list_for_each (node, queue) {
			atomic_store(&rln_list_entry(node, struct rln_job, link)->state, RLN_JOB_RUNNING);
			atomic_fetch_sub_explicit(&c->queued, 1, memory_order_relaxed);
		}
		rln_list_splice_tail(&failed, queue);
	}
	pthread_mutex_unlock(&p->lock);
	while ((node = rln_list_pop(&failed))) {
		struct rln_job *job = rln_list_entry(node, struct rln_job, link);

		tell(p, job, error);
	}
}

/* What send_for_help() decided, without the lock. False: no thread could be started. */
static bool give_help(struct rln_pool *p, struct help h)
{
	int r;

	if (h.wake)
		rln_futex_wake_one(&h.wake->woken);
	if (!h.start)
		return true;
	r = start_thread(p);
	if (!atomic_exchange_explicit(&p->short_of_threads, r < 0, memory_order_relaxed) && r < 0)
		rln_log(RLN_LOG_WARNING, "blocking pool: no thread could be started: error %d", -r);
	if (r < 0)
		fail_all(p, r);
	return r == 0;
}

/* Sleeps on the idle list. False: nobody wanted anything, and the thread is to end. Lock held before and after. */
static bool idle(struct rln_pool *p, struct rln_pool_thread *t)
{
	uint64_t deadline = rln_time_add(rln_clock_now(&rln_clock_real), p->config.idle);

	atomic_store_explicit(&t->woken, 0, memory_order_relaxed);
	rln_list_add_tail(&p->idle, &t->link);
	pthread_mutex_unlock(&p->lock);
	while (!atomic_load_explicit(&t->woken, memory_order_relaxed) && rln_clock_now(&rln_clock_real) < deadline)
		rln_futex_wait(&t->woken, 0, deadline);
	pthread_mutex_lock(&p->lock);
	if (atomic_load_explicit(&t->woken, memory_order_relaxed))
		return true;
	rln_list_del(&t->link);
	return false;
}

/* After a job: lets go of growth that is no longer needed. */
static void end_job(struct rln_pool *p, struct rln_pool_class *c)
{
	count_running(p, c, -1);
	if (c->allowed > c->limit && !first_job(c))
		c->allowed = rln_max(c->limit, in_use(c));
}

/* Joins the threads that have ended. Lock held before and after, not during. */
static void reap(struct rln_pool *p)
{
	struct rln_list *node;

	while ((node = rln_list_pop(&p->gone))) {
		struct rln_pool_thread *t = rln_list_entry(node, struct rln_pool_thread, link);

		pthread_mutex_unlock(&p->lock);
		pthread_join(t->id, NULL);
		rln_mem_free(t);
		pthread_mutex_lock(&p->lock);
	}
}

/* Runs a job. Lock held before and after, not during. */
static void work(struct rln_pool *p, struct rln_job *job)
{
	struct rln_pool_class *c = &p->class[job->job_class];
	struct help h = send_for_help(p);
	int result;

	pthread_mutex_unlock(&p->lock);
	(void)give_help(p, h);            /* if not, the others take what there is, or a worker looks again */
	result = job->fn(job->arg);
	atomic_fetch_add_explicit(&c->stats.completed, 1, memory_order_relaxed);
	tell(p, job, result);
	pthread_mutex_lock(&p->lock);
	end_job(p, c);
}

static void *thread_main(void *arg)
{
	struct rln_pool_thread *t = arg;
	struct rln_pool *p = t->pool;
	bool sent_for = true;
	struct rln_job *job;

	here = t;
	pthread_setname_np(pthread_self(), "ringline-pool");
	(void)!pthread_setaffinity_np(pthread_self(), sizeof(p->cpus), &p->cpus);
	pthread_mutex_lock(&p->lock);
	for (;;) {
		job = take(p);
		p->searching -= sent_for;
		sent_for = false;
		if (job)
			work(p, job);
		else if (p->stopping || !(sent_for = idle(p, t)))
			break;
	}
	reap(p);
	rln_list_add_tail(&p->gone, &t->link);
	count_threads(p, -1);
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* The pool as a whole */

static int init_condition(pthread_cond_t *c)
{
	pthread_condattr_t attr;
	int r;

	if (pthread_condattr_init(&attr))
		return -ENOMEM;
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	r = pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
	return r ? -ENOMEM : 0;
}

int rln_pool_init(struct rln_pool *p, const struct rln_pool_config *config)
{
	int i;
	int k;

	memset(p, 0, sizeof(*p));
	p->config = *config;
	rln_list_init(&p->idle);
	rln_list_init(&p->gone);
	CPU_ZERO(&p->cpus);
	(void)!sched_getaffinity(0, sizeof(p->cpus), &p->cpus);
	for (i = 0; i < RLN_JOB_CLASSES; i++) {
		p->class[i].limit = config->limit[i];
		p->class[i].allowed = config->limit[i];
		for (k = 0; k < RLN_JOB_PRIORITIES; k++)
			rln_list_init(&p->class[i].queue[k]);
	}
	p->class[RLN_JOB_IO].stuck_free = RLN_POOL_GROWTH_MAX;
	if (pthread_mutex_init(&p->lock, NULL))
		return -ENOMEM;
	if (init_condition(&p->changed) < 0) {
		pthread_mutex_destroy(&p->lock);
		return -ENOMEM;
	}
	return 0;
}

/*
 * What was abandoned a moment ago is most likely over in a moment: the making of a process that was cut has a child to bury. What
 * is stuck is left alone. Lock held.
 */
static void await_abandoned(struct rln_pool *p)
{
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += GRACE;
	until.tv_sec += until.tv_nsec / (long)RLN_NSEC_PER_SEC;
	until.tv_nsec %= (long)RLN_NSEC_PER_SEC;
	while (p->threads && r == 0)
		r = pthread_cond_timedwait(&p->changed, &p->lock, &until);
}

void rln_pool_stop(struct rln_pool *p)
{
	struct rln_list *node;

	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	while ((node = rln_list_pop(&p->idle))) {
		struct rln_pool_thread *t = rln_list_entry(node, struct rln_pool_thread, link);

		p->searching++;
		atomic_store_explicit(&t->woken, 1, memory_order_relaxed);
		rln_futex_wake_one(&t->woken);
	}
	while (p->threads > p->busy)
		pthread_cond_wait(&p->changed, &p->lock);
	await_abandoned(p);
	reap(p);
	if (p->threads)
		rln_log(RLN_LOG_WARNING, "blocking pool: %u abandoned jobs still run", p->threads);
	pthread_mutex_unlock(&p->lock);
}

int rln_pool_fini(struct rln_pool *p)
{
	pthread_mutex_lock(&p->lock);
	if (p->threads) {
		pthread_mutex_unlock(&p->lock);
		return -EBUSY;
	}
	reap(p);
	pthread_mutex_unlock(&p->lock);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	return 0;
}

/* Jobs, on their worker */

void rln_job_init(struct rln_job *job, int (*fn)(void *arg), void *arg, uint8_t job_class, uint8_t priority,
                  void (*done)(struct rln_job *job))
{
	job->msg.deliver = deliver;
	rln_list_init(&job->link);
	job->exec = rln_exec_current;
	job->fn = fn;
	job->arg = arg;
	job->result = 0;
	job->job_class = job_class;
	job->priority = priority;
	atomic_init(&job->state, RLN_JOB_IDLE);
	job->done = done;
	job->lost = NULL;
}

int rln_job_refuse(uint8_t job_class)
{
	atomic_fetch_add_explicit(&rln_exec_current->pool->class[job_class].stats.refused, 1, memory_order_relaxed);
	return -EAGAIN;
}

int rln_job_submit(struct rln_job *job, bool patient)
{
	struct rln_exec *x = job->exec;
	struct rln_pool_class *c = &x->pool->class[job->job_class];
	uint32_t queued = atomic_fetch_add_explicit(&c->queued, 1, memory_order_relaxed);

	if (!patient && queued >= x->pool->config.queue_limit) {
		atomic_fetch_sub_explicit(&c->queued, 1, memory_order_relaxed);
		return rln_job_refuse(job->job_class);
	}
	atomic_fetch_add_explicit(&c->stats.submitted, 1, memory_order_relaxed);
	atomic_store_explicit(&job->state, RLN_JOB_STAGED, memory_order_relaxed);
	rln_list_add_tail(&x->staged, &job->link);
	rln_exec_defer(x, &x->flush);
	return 0;
}

/* A class that has more jobs than room for them is looked at until it has not. */
static void watch(struct rln_exec *x)
{
	struct rln_pool *p = x->pool;

	if (rln_timer_armed(&x->pool_timer))
		return;
	/* without memory for the timer the next submission tries again */
	(void)!rln_timer_arm(x, &x->pool_timer, rln_time_add(rln_clock_now(x->clock), p->config.stall));
}

static bool crowded(struct rln_pool_class *c)
{
	return in_use(c) >= c->allowed && first_job(c);
}

/*
 * Will jobs be left when those have come that were sent for? Then a class may be crowded, or one of them could not start a
 * thread for the next job; and nobody tells the worker.
 */
static bool any_will_be_left(struct rln_pool *p)
{
	uint64_t n = 0;
	int i;

	for (i = 0; i < RLN_JOB_CLASSES; i++) {
		struct rln_pool_class *c = &p->class[i];
		uint32_t queued = first_job(c) ? atomic_load_explicit(&c->queued, memory_order_relaxed) : 0;

		if (queued && in_use(c) + queued > c->allowed)
			return true;
		n += queued;
	}
	return n > p->searching;
}

/* After the queues or the limits changed: sends for help, releases the lock, and looks again later if there is a need to. */
static void unlock_and_help(struct rln_exec *x)
{
	struct rln_pool *p = x->pool;
	struct help h = send_for_help(p);
	bool late = any_will_be_left(p);

	pthread_mutex_unlock(&p->lock);
	if (!give_help(p, h) || late)
		watch(x);
}

void rln_pool_flush(struct rln_deferred *d)
{
	struct rln_exec *x = rln_container_of(d, struct rln_exec, flush);
	struct rln_pool *p = x->pool;
	struct rln_list *node;

	pthread_mutex_lock(&p->lock);
	while ((node = rln_list_pop(&x->staged))) {
		struct rln_job *job = rln_list_entry(node, struct rln_job, link);
		struct rln_pool_class *c = &p->class[job->job_class];

		atomic_store_explicit(&job->state, RLN_JOB_QUEUED, memory_order_relaxed);
		rln_list_add_tail(&c->queue[job->priority], &job->link);
	}
	unlock_and_help(x);
}

/*
 * One thread more for a class that has not taken a job since the last look, which was long enough ago. The more it has grown
 * the longer that is: jobs that are merely slow should not multiply as those do that wait for each other.
 */
static void grow(struct rln_pool *p, struct rln_pool_class *c, uint64_t now)
{
	uint64_t patience = p->config.stall + p->config.stall / 8 * (c->allowed - c->limit);
	bool stalled = crowded(c) && c->taken == c->taken_before;

	if (now < rln_time_add(c->looked_at, patience))
		return;           /* it has not been long, or another worker has just looked */
	c->looked_at = now;
	c->taken_before = c->taken;
	if (!stalled || c->allowed - c->limit >= RLN_POOL_GROWTH_MAX)
		return;
	c->allowed++;
	rln_stat_add(&c->stats.grown, 1);
}

void rln_pool_look(struct rln_timer *t)
{
	struct rln_exec *x = rln_container_of(t, struct rln_exec, pool_timer);
	struct rln_pool *p = x->pool;
	int i;

	pthread_mutex_lock(&p->lock);
	for (i = 0; i < RLN_JOB_CLASSES; i++)
		grow(p, &p->class[i], x->now);
	unlock_and_help(x);
}

bool rln_job_withdraw(struct rln_job *job)
{
	struct rln_pool *p = job->exec->pool;
	struct rln_pool_class *c = &p->class[job->job_class];
	bool idle_again;

	pthread_mutex_lock(&p->lock);
	idle_again = atomic_load(&job->state) == RLN_JOB_QUEUED || atomic_load(&job->state) == RLN_JOB_STAGED;
	if (idle_again) {
		rln_list_del(&job->link);
		atomic_store_explicit(&job->state, RLN_JOB_IDLE, memory_order_relaxed);
		atomic_fetch_sub_explicit(&c->queued, 1, memory_order_relaxed);
		rln_stat_add(&c->stats.withdrawn, 1);
	}
	pthread_mutex_unlock(&p->lock);
	return idle_again;
}

/* Its thread, which may just be at its end, counts it off under the same lock. */
bool rln_job_abandon(struct rln_job *job)
{
	struct rln_exec *x = job->exec;
	struct rln_pool_class *c = &x->pool->class[job->job_class];
	uint8_t running = RLN_JOB_RUNNING;
	bool lost;

	pthread_mutex_lock(&x->pool->lock);
	lost = atomic_compare_exchange_strong(&job->state, &running, RLN_JOB_LOST);
	if (lost) {
		rln_stat_add(&c->stats.abandoned, 1);
		rln_stat_add(&c->stats.stuck, 1);
	}
	pthread_mutex_unlock(&x->pool->lock);
	if (lost)
		rln_exec_defer(x, &x->flush);     /* there may be room for another one */
	return lost;
}
