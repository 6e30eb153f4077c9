/* SPDX-License-Identifier: MIT */
/*
 * The blocking pool: threads for work that would hold a worker up.
 *
 * One pool per runtime, shared by its workers. Jobs are of a class (bulk, io, dns, wait); each class has a queue and a limit of
 * jobs that run at once, and the threads are as many as all the limits together, so no class ever waits for another. A
 * thread starts when there is work that nobody will come for, and ends when it was idle for a while.
 *
 *     job:  IDLE --submit--> STAGED --end of the turn--> QUEUED --a thread takes it--> RUNNING --returns--> ENDED --> done()
 *                               |                          |                             |
 *                               +--------withdraw----------+--> IDLE                     +--abandon--> LOST --> disposed of
 *
 * The jobs of a turn are handed over together, under one lock and with one wake: as a rule one thread is on its way at any
 * time (`searching`), and whoever takes a job fetches the next one if there is more to take. So a run of short jobs is
 * done by one thread, and long ones get as many as are allowed. One that was sent for and does not come waits for a processor,
 * behind a thread that is busy; another one is sent for then, which may find one that is idle.
 *
 * The end of a job is a message to the worker it came from. A job that its owner abandoned is disposed of by its thread
 * instead; nothing of the worker is touched any more.
 *
 * Of class io, abandoned jobs that have not ended do not count against the limit, up to a bound: files of this machine have
 * threads, however many wait for a server that does not answer. In other classes waiting is what jobs are for, and a name server
 * that is gone is not given as many threads as there may be at once.
 *
 * A job may wait for something that only another job brings about. When a class is at its limit with jobs queued, and not
 * one was taken for a while, it is allowed one thread more, and again, up to a bound; so jobs that wait for jobs end.
 *
 * Lock order: the pool's lock is innermost. What is read without it is atomic.
 */
#ifndef RLN_CORE_POOL_H
#define RLN_CORE_POOL_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/list.h"
#include "core/waker.h"

#define RLN_POOL_GROWTH_MAX 256u      /* threads a class may get beyond its limit by growing, and as many for what is stuck */

struct rln_exec;
struct rln_pool;

enum rln_job_class {
	RLN_JOB_BULK,
	RLN_JOB_IO,
	RLN_JOB_DNS,
	RLN_JOB_WAIT,
	RLN_JOB_CLASSES
};

/* In the order in which they are taken. */
enum rln_job_priority {
	RLN_JOB_HIGH,
	RLN_JOB_NORMAL,
	RLN_JOB_LOW,
	RLN_JOB_PRIORITIES
};

enum rln_job_state {
	RLN_JOB_IDLE,
	RLN_JOB_STAGED,
	RLN_JOB_QUEUED,
	RLN_JOB_RUNNING,
	RLN_JOB_ENDED,
	RLN_JOB_LOST,
};

struct rln_job {
	struct rln_msg msg;
	struct rln_list link;             /* staged or queued */
	struct rln_exec *exec;            /* where it came from */
	int (*fn)(void *arg);
	void *arg;
	int result;
	uint8_t job_class;                /* enum rln_job_class */
	uint8_t priority;                 /* enum rln_job_priority */
	_Atomic uint8_t state;            /* enum rln_job_state */
	void (*done)(struct rln_job *job);      /* on the worker, with the result */
	void (*lost)(struct rln_job *job);      /* on a pool thread: an abandoned job has ended. NULL: it never is */
};

/* Written by many, read by anyone. */
struct rln_pool_stats {
	_Atomic uint64_t submitted;
	_Atomic uint64_t completed;       /* ran to their end */
	_Atomic uint64_t withdrawn;       /* cancelled before they ran */
	_Atomic uint64_t refused;         /* the queue was full */
	_Atomic uint64_t abandoned;
	_Atomic uint64_t stuck;           /* a gauge: abandoned and still running */
	_Atomic uint64_t grown;           /* times the limit was exceeded because nothing moved */
	_Atomic uint64_t running;         /* a gauge */
};

struct rln_pool_class {
	struct rln_list queue[RLN_JOB_PRIORITIES];
	_Atomic uint32_t queued;          /* staged ones included */
	uint32_t running;
	uint32_t limit;
	uint32_t stuck_free;              /* so many stuck jobs do not count */
	uint32_t allowed;                 /* the limit, and what it was grown by */
	uint64_t taken;
	uint64_t taken_before;            /* at the last look for a stall */
	uint64_t looked_at;
	struct rln_pool_stats stats;
};

struct rln_pool_config {
	uint32_t limit[RLN_JOB_CLASSES];  /* jobs that run at once; at least 1 */
	uint32_t queue_limit;             /* jobs of a class that wait for a thread without a task waiting for them */
	uint64_t idle;                    /* nanoseconds after which an idle thread ends */
	uint64_t stall;                   /* nanoseconds without progress after which a class grows */
};

struct rln_pool {
	pthread_mutex_t lock;
	pthread_cond_t changed;           /* a thread has ended; rln_pool_stop() waits for that */
	struct rln_pool_config config;
	struct rln_pool_class class[RLN_JOB_CLASSES];
	struct rln_list idle;             /* rln_pool_thread.link */
	struct rln_list gone;             /* threads that have ended, to be joined */
	uint32_t threads;                 /* that have not ended */
	uint32_t busy;                    /* that run a job */
	uint32_t searching;               /* woken or started, and have not looked at the queues yet */
	uint64_t sent_at;                 /* when the last of those was sent for */
	bool stopping;
	_Atomic bool short_of_threads;    /* the last one could not be started: it is tried again, but not told again */
	cpu_set_t cpus;                   /* where its threads may run: not only where the worker may that started them */
	_Atomic uint64_t threads_now;     /* for the statistics */
	_Atomic uint64_t threads_peak;
};

/* 0 or -ENOMEM. Starts no thread. */
int rln_pool_init(struct rln_pool *p, const struct rln_pool_config *config) rln_must_check;

/*
 * When all workers have ended: ends the threads but for those that run an abandoned job, and waits for them.
 */
void rln_pool_stop(struct rln_pool *p);

/* 0, or -EBUSY while an abandoned job runs: then nothing has been freed. After rln_pool_stop(), or when none was used. */
int rln_pool_fini(struct rln_pool *p) rln_must_check;

/* Fills the fields of a job in; `exec` is the calling worker's. */
void rln_job_init(struct rln_job *job, int (*fn)(void *arg), void *arg, uint8_t job_class, uint8_t priority,
                  void (*done)(struct rln_job *job));

/*
 * Hands the job over; done() will be called, unless it is withdrawn or abandoned. 0, or -EAGAIN if it is not *patient* and
 * the queue is full. A patient job's memory is its own bound: a task waits for it.
 */
int rln_job_submit(struct rln_job *job, bool patient) rln_must_check;

/* -EAGAIN, counted as a job that was refused: who queues jobs for the pool has a full queue. */
int rln_job_refuse(uint8_t job_class);

/* Takes a job back that no thread has taken yet. False: it runs or has ended. */
bool rln_job_withdraw(struct rln_job *job);

/* Lets go of a running job: lost() will be called on its thread. False: it has ended, and done() will be called. */
bool rln_job_abandon(struct rln_job *job);

/* The end of a turn: hands over what was staged (rln_exec.flush). */
void rln_pool_flush(struct rln_deferred *d);

/* Looks for a class that does not move (rln_exec.pool_timer). */
void rln_pool_look(struct rln_timer *t);

/* True on a thread of a pool. */
bool rln_pool_here(void);

#endif
