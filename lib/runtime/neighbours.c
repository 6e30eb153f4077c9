/* SPDX-License-Identifier: MIT */
/*
 * Workers that help each other out.
 *
 * The kernel spreads connections over the workers' sockets without knowing how many each has. A worker that is full hands
 * what it accepts over to the neighbour that has the fewest. When all are full they stop accepting, and whoever has room
 * first tells those that wait: a worker says that it is full before it looks at the others, and they look for that after
 * they have freed a place, so one of the two sees the other.
 */
#include <unistd.h>

#include "base/mem.h"
#include "core/waker.h"
#include "runtime/runtime.h"

static struct rln_worker *worker_of(struct rln_io *io)
{
	return rln_container_of(io, struct rln_worker, io);
}

/* Connections it has or will have. */
static uint64_t load_of(const struct rln_worker *w)
{
	return rln_stat_get(&w->io.stats.open) + atomic_load_explicit((_Atomic uint32_t *)&w->incoming, memory_order_relaxed);
}

/* The other worker with the fewest connections, if it has room. */
static struct rln_worker *least_loaded(struct rln_worker *self)
{
	struct ringline_runtime *rt = self->rt;
	uint64_t least = rt->config.io.max_connections;
	struct rln_worker *found = NULL;
	uint32_t i;

	for (i = 0; i < rt->nworkers; i++) {
		struct rln_worker *w = &rt->workers[i];
		uint64_t n = load_of(w);

		if (w != self && n < least) {
			least = n;
			found = w;
		}
	}
	return found;
}

static bool have_room(struct rln_io *io)
{
	struct rln_worker *w = worker_of(io);

	atomic_store(&w->full, true);
	if (!least_loaded(w))
		return false;
	atomic_store(&w->full, false);
	return true;
}

/* Handing over */

struct handed {
	struct rln_msg msg;
	struct rln_worker *to;
	struct rln_listen *origin;
	int fd;
};

static void deliver_handed(struct rln_msg *m, struct rln_exec *x)
{
	struct handed *h = rln_container_of(m, struct handed, msg);

	atomic_fetch_sub(&h->to->incoming, 1);
	if (x && !x->root.reason)
		rln_listen_serve(h->to, h->origin, h->fd);
	else
		close(h->fd);
	rln_mem_free(h);
}

static bool hand_over(struct rln_io *io, struct rln_listen *origin, int fd)
{
	struct rln_worker *to = least_loaded(worker_of(io));
	struct handed *h = to ? rln_mem_alloc(sizeof(*h)) : NULL;

	if (!h)
		return false;
	*h = (struct handed){ .msg.deliver = deliver_handed, .to = to, .origin = origin, .fd = fd };
	atomic_fetch_add(&to->incoming, 1);
	if (rln_worker_post(to, &h->msg, false) == 0)
		return true;
	atomic_fetch_sub(&to->incoming, 1);
	rln_mem_free(h);
	return false;
}

/* Telling */

static void deliver_room(struct rln_msg *m, struct rln_exec *x)
{
	struct rln_worker *w = rln_container_of(m, struct rln_worker, room);

	atomic_store(&w->room_posted, false);
	if (x)
		rln_io_resume_listeners(&w->io);
}

static void tell(struct rln_worker *w)
{
	if (!atomic_load_explicit(&w->full, memory_order_relaxed) || !atomic_exchange(&w->full, false))
		return;
	if (atomic_exchange(&w->room_posted, true))
		return;
	w->room.deliver = deliver_room;
	if (rln_worker_post(w, &w->room, false) < 0)
		atomic_store(&w->room_posted, false);
}

static void freed(struct rln_io *io)
{
	struct ringline_runtime *rt = worker_of(io)->rt;
	uint32_t i;

	atomic_thread_fence(memory_order_seq_cst);
	for (i = 0; i < rt->nworkers; i++)
		if (&rt->workers[i] != worker_of(io))
			tell(&rt->workers[i]);
}

const struct rln_io_neighbours rln_neighbours = { .have_room = have_room, .hand_over = hand_over, .freed = freed };
