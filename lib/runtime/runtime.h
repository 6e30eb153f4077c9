/* SPDX-License-Identifier: MIT */
/* The runtime as its own files see it. */
#ifndef RLN_RUNTIME_RUNTIME_H
#define RLN_RUNTIME_RUNTIME_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "core/pool.h"
#include "io/addr.h"
#include "io/bind.h"
#include "io/listener.h"
#include "runtime/config.h"
#include "runtime/service.h"
#include "runtime/topology.h"
#include "runtime/watch.h"
#include "runtime/worker.h"

enum rln_runtime_state {
	RLN_RUNTIME_NEW,          /* not started */
	RLN_RUNTIME_STARTING,
	RLN_RUNTIME_STARTED,
	RLN_RUNTIME_JOINED,
	RLN_RUNTIME_FREED,        /* and somebody still has a handle */
};

/* An address to listen on. */
struct rln_listen {
	struct rln_list link;             /* ringline_runtime.listens */
	struct rln_addr addr;
	void (*serve)(struct ringline_conn *conn, void *arg);   /* NULL: options.poll */
	void *arg;
	struct ringline_listen_options options;   /* defaults filled in */
	struct rln_crowd *crowd;          /* counts the connections; NULL: nobody does */
	struct rln_socket_path path;
	bool inherited;                   /* the socket listened before */
	bool gone;                        /* nobody listens any more */
	int *fd;                          /* one per worker; -1 once it is the worker's */
};

/* A function each worker runs as a task when it starts, or the first one at a reload. */
struct rln_on_start {
	struct rln_list link;
	int (*fn)(void *arg);
	void *arg;
};

/*
 * The workers' memory. A child of fork() finds it wiped (MADV_WIPEONFORK): there every guard sees an executor that is not
 * alive, and nothing of the parent's, neither its rings nor its queues, is touched.
 */
struct rln_region {
	size_t size;
	bool alive;
	struct rln_worker worker[] rln_aligned(64);
};

struct ringline_runtime {
	_Atomic uint32_t refs;            /* handles: its memory stays as long as there is one */
	struct rln_list all;              /* of the process, for debuggers */
	struct rln_config config;
	struct rln_topology topology;
	const struct rln_backend_ops *backend;
	char reason[256];
	bool may_fall_back;

	struct rln_pool pool;
	struct rln_list listens;
	struct rln_list on_start;
	struct rln_list on_reload;        /* rln_on_start.link */
	_Atomic uint32_t reload;          /* how far it has got (reload.c) */

	uint32_t nworkers;
	struct rln_region *region;        /* from the start until the last handle goes */
	struct rln_worker *workers;       /* in it */
	struct rln_watch watch;
	struct rln_service service;
	bool embedded;                    /* the worker's turns are the host's to ask for */
	uint32_t nthreads;                /* threads to join */
	int done_fd;                      /* becomes readable when the last worker has ended */

	_Atomic uint32_t stop;            /* enum rln_stop */
	_Atomic uint32_t running;         /* workers that have not ended */
	_Atomic bool broken;              /* a worker was abandoned: its memory must stay */
	_Atomic int result;               /* the first error of a worker or an on_start task */
	_Atomic uint32_t state;           /* enum rln_runtime_state */

	/* the start: workers report that they are ready, then wait for the word to go or to give up */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint32_t reported;
	int start_error;
	int go;                           /* 0: wait, 1: go, -1: give up */
};

/* Chooses the backend and makes the workers' array. */
int rln_runtime_prepare(struct ringline_runtime *rt) rln_must_check;
void rln_runtime_unprepare(struct ringline_runtime *rt);

/* Turns to epoll if *error* kept a worker from opening its ring and the choice was ours to make. */
bool rln_runtime_fall_back(struct ringline_runtime *rt, int error);

/* Raises the stop level and wakes all workers. Any thread, also in a signal handler. */
void rln_runtime_stop(struct ringline_runtime *rt, enum rln_stop level);

/* Closes a worker whose loop returned *result*, or abandons it. */
void rln_runtime_end_worker(struct rln_worker *w, int result);

/* Keeps the first error. */
void rln_runtime_fail(struct ringline_runtime *rt, int error);

/* Gives worker *w* its listeners, not yet accepting. 0 or -ENOMEM. */
int rln_listens_attach(struct ringline_runtime *rt, struct rln_worker *w) rln_must_check;

/* Makes the sockets listen; on failure none does. */
int rln_listens_go_live(struct ringline_runtime *rt) rln_must_check;

/* Begins a connection that another worker has accepted for it. */
void rln_listen_serve(struct rln_worker *w, struct rln_listen *l, int fd);

/*
 * Delivers a message on a worker that runs; an urgent one also while it shuts down, and whatever its inbox holds. 0,
 * -ESHUTDOWN, -EAGAIN (its inbox is full). Any thread.
 */
int rln_worker_post(struct rln_worker *w, struct rln_msg *m, bool urgent) rln_must_check;

/* Is this a child of fork(), and the runtime its parent's? */
static inline bool rln_runtime_forked(const struct ringline_runtime *rt)
{
	return rt->region && !rt->region->alive;
}

/* The guard of calls that reach a worker of a runtime that runs. 0, -EINVAL, -ECHILD, -ESHUTDOWN. */
int rln_runtime_check(const struct ringline_runtime *rt, uint32_t worker) rln_must_check;

/* How workers with a limit of connections help each other out. */
extern const struct rln_io_neighbours rln_neighbours;

/* Closes what no worker has taken over and removes the socket files. */
void rln_listens_free(struct ringline_runtime *rt);

/* Adds a function to one of the two lists, before the start. 0, -EINVAL, -EBUSY, -ENOMEM. */
int rln_on_start_add(struct ringline_runtime *rt, struct rln_list *list, int (*fn)(void *arg), void *arg) rln_must_check;

/* Starts the on_start tasks on the calling worker. */
int rln_on_start_run(struct ringline_runtime *rt, struct rln_worker *w) rln_must_check;

#endif
