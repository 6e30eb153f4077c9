/* SPDX-License-Identifier: MIT */
/*
 * Operations on top of readiness: "try, would block, arm".
 *
 * Everything a backend needs that is told which descriptors are ready, but carries out the transfers itself. Such a
 * backend embeds a struct rln_readiness, tells it of events, and asks it to deliver; epoll.c is the only one so far.
 */
#ifndef RLN_BACKEND_READINESS_H
#define RLN_BACKEND_READINESS_H

#include "backend/bufpool.h"
#include "backend/fdtable.h"
#include "base/clock.h"
#include "base/list.h"
#include "core/backend.h"

struct rln_readiness;

/* What the backend below provides. Events and masks are those of epoll (and poll). */
struct rln_poller {
	/*
	 * Asks for the events of *mask* (EPOLLET and EPOLLONESHOT included), be they true already or later. Must work
	 * whether or not the kernel knows the descriptor: its number may have been reused behind our back. 0, -EPERM if
	 * it is always ready, or another -errno.
	 */
	int (*arm)(struct rln_readiness *r, struct rln_fdstate *st, uint32_t mask);
	void (*disarm)(struct rln_readiness *r, struct rln_fdstate *st);
};

struct rln_readiness {
	const struct rln_poller *poller;
	struct rln_backend_stats *stats;
	const struct rln_clock *clock;
	struct rln_fdtable fds;
	struct rln_bufpool *pool;
	struct rln_list done;     /* terminal result known */
	struct rln_list hot;      /* to be tried in the next wait() */
	struct rln_list starved;  /* RECV_POOL without a buffer, in order of arrival */
	struct rln_list retry;    /* CONNECT to a unix listener whose queue is full */
	uint64_t retry_at;
	uint64_t retry_delay;
	uint64_t received;        /* bytes in this turn */
};

int rln_readiness_init(struct rln_readiness *r, const struct rln_backend_config *cfg, const struct rln_poller *poller,
		       struct rln_backend_stats *stats) rln_must_check;
void rln_readiness_fini(struct rln_readiness *r);

void rln_readiness_submit(struct rln_readiness *r, struct rln_op *op);
void rln_readiness_cancel(struct rln_readiness *r, struct rln_op *op);

/* The descriptor is others' from now on. One that somebody of ours still waits for is kept. */
void rln_readiness_forget(struct rln_readiness *r, int fd);

/* The kernel reported *events* for the registration whose key is *key*. Calls nobody back. */
void rln_readiness_event(struct rln_readiness *r, uint64_t key, uint32_t events);

/* To be called before sleeping: gives buffers that came back to those that wait for one. */
void rln_readiness_feed(struct rln_readiness *r);

/* Tries what is hot or due, delivers what is done; the number of completions. */
uint32_t rln_readiness_deliver(struct rln_readiness *r);

/* Is there something to deliver, or to try, without any event? */
static inline bool rln_readiness_busy(const struct rln_readiness *r)
{
	return !rln_list_empty(&r->done) || !rln_list_empty(&r->hot);
}

/* Is there only something to deliver? */
static inline bool rln_readiness_only_done(const struct rln_readiness *r)
{
	return !rln_list_empty(&r->done) && rln_list_empty(&r->hot);
}

/* When the next connect is to be retried; UINT64_MAX for never. */
static inline uint64_t rln_readiness_next(const struct rln_readiness *r)
{
	return rln_list_empty(&r->retry) ? UINT64_MAX : r->retry_at;
}

#endif
