/* SPDX-License-Identifier: MIT */
/*
 * Wakes, and why none is lost.
 *
 * Worker W                                 Poster P
 *   w1  sleep_state = ASLEEP                 p1  push message
 *   w2  inbox empty? -> sleep                p2  old = exchange(sleep_state, NOTIFIED)
 *   w3  ... woken: sleep_state = AWAKE       p3  old == ASLEEP -> backend wake()
 *   w4  drain inbox
 *
 * All four accesses are sequentially consistent, so either w2 comes after p1 and W sees the message and does not sleep,
 * or w2 comes before p1, hence w1 before p2, and P sees ASLEEP and wakes W. A wake() before W sleeps is kept by the
 * backend. Between w3 and w4 another poster may find AWAKE and leave the waking out: its push came before p2, so w4 sees
 * it or the next w2 does. NOTIFIED makes the posters after the first save their system call.
 */
#include <errno.h>
#include <sched.h>

#include "base/futex.h"
#include "core/backend.h"
#include "core/task.h"
#include "core/waker.h"

void rln_task_wake_id(struct rln_exec *x, uint64_t id)
{
	struct ringline_task *t = rln_slab_find(&x->tasks, id);

	if (t)
		rln_task_wake(t);
}

/* The counter is raised before the push and lowered after the drain, so it never falls below what is queued. */
int rln_exec_post(struct rln_exec *x, struct rln_msg *m, bool urgent)
{
	uint32_t len = atomic_fetch_add_explicit(&x->inbox_len, 1, memory_order_relaxed);

	if (len >= x->inbox_limit && !urgent) {
		atomic_fetch_sub_explicit(&x->inbox_len, 1, memory_order_relaxed);
		return -EAGAIN;
	}
	rln_mpsc_push(&x->inbox, &m->node);
	if (atomic_exchange(&x->sleep_state, RLN_NOTIFIED) == RLN_ASLEEP)
		x->backend->ops->wake(x->backend);
	return 0;
}

bool rln_exec_enter(struct rln_exec *x)
{
	atomic_fetch_add(&x->visitors, 1);
	if (!atomic_load(&x->closed))
		return true;
	atomic_fetch_sub(&x->visitors, 1);
	return false;
}

void rln_exec_leave(struct rln_exec *x)
{
	atomic_fetch_sub(&x->visitors, 1);
}

void rln_exec_open_door(struct rln_exec *x)
{
	atomic_store(&x->closed, false);
}

void rln_exec_shut_door(struct rln_exec *x)
{
	atomic_store(&x->closed, true);
	while (atomic_load(&x->visitors))
		sched_yield();
}

bool rln_waker_may_sleep(struct rln_exec *x)
{
	atomic_store(&x->sleep_state, RLN_ASLEEP);
	if (rln_mpsc_empty(&x->inbox))
		return true;
	atomic_store(&x->sleep_state, RLN_AWAKE);
	return false;
}

void rln_waker_awake(struct rln_exec *x)
{
	if (atomic_load_explicit(&x->sleep_state, memory_order_relaxed) != RLN_AWAKE)
		atomic_store(&x->sleep_state, RLN_AWAKE);
	if (rln_unlikely(x->watcher && atomic_load(x->watcher))) {
		atomic_store(x->watcher, 0);
		rln_futex_wake_one(x->watcher);
	}
}

static void deliver_all(struct rln_exec *x, struct rln_exec *to)
{
	struct rln_mpsc_node *n = rln_mpsc_drain(&x->inbox);

	while (n) {
		struct rln_msg *m = rln_container_of(n, struct rln_msg, node);

		n = n->next;      /* before the delivery, which may free the message */
		atomic_fetch_sub_explicit(&x->inbox_len, 1, memory_order_relaxed);
		m->deliver(m, to);
		rln_stat_add(&x->stats.posts, 1);
	}
}

void rln_waker_drain(struct rln_exec *x)
{
	if (!rln_mpsc_empty(&x->inbox))
		deliver_all(x, x);
}

void rln_waker_drop_inbox(struct rln_exec *x)
{
	deliver_all(x, NULL);
}
