/* SPDX-License-Identifier: MIT */
/* Requests: which way they go, and how they end; request.h tells the idea. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "core/executor.h"
#include "core/task.h"
#include "io/file.h"
#include "io/region.h"
#include "io/request.h"

/* Calls that do not wait still take time: a turn has so many of them, then the others come first. */
#define INLINE_PER_TURN 64u

/* From so many reads in a turn on they cost less by the ring. */
#define COMPANY 4u

static void count(const struct rln_request *q, enum rln_engine engine)
{
	rln_stat_add(&rln_exec_current->stats.completions[q->opcode][engine], 1);
}

static bool closing(const struct rln_request *q)
{
	return (q->held[0] && q->held[0]->closing) || (q->held[1] && q->held[1]->closing);
}

/* What was read before the rest was asked for is not lost. What the close of a file took back was not the caller's wish. */
static int64_t in_all(const struct rln_request *q, int64_t result)
{
	if (q->moved)
		return (int64_t)q->moved + rln_max(result, (int64_t)0);
	if (result == -ECANCELED && closing(q))
		return -EBADF;
	return result;
}

static inline int64_t finished(struct rln_request *q, int64_t result)
{
	if (rln_unlikely(q->moved || result < 0))
		result = in_all(q, result);
	return rln_unlikely(q->finish != NULL) ? q->finish(q, result) : result;
}

/* Holding */

/* Whether the side of its stream that a request uses is taken. */
static bool *side(const struct rln_request *q)
{
	return q->f.op.opcode == RLN_OP_RECV ? &q->held[0]->reading : &q->held[0]->writing;
}

static void hold_file(struct rln_request *q, int i)
{
	rln_list_add_tail(&q->held[i]->requests[i], &q->link[i]);
	rln_file_enter(q->held[i]);
}

static void let_file_go(struct rln_request *q, int i)
{
	rln_list_del(&q->link[i]);
	rln_file_leave(q->held[i]);
}

static int hold(struct rln_request *q)
{
	if (q->flags & RLN_REQUEST_STREAM) {
		if (*side(q))
			return -EBUSY;
		*side(q) = true;
	}
	if (q->held[0])
		hold_file(q, 0);
	if (q->held[1])
		hold_file(q, 1);
	if (q->region)
		rln_region_enter(q->region);
	return 0;
}

static void let_go(struct rln_request *q)
{
	if (q->flags & RLN_REQUEST_STREAM)
		*side(q) = false;
	if (q->region)
		rln_region_leave(q->region);
	if (q->held[0])
		let_file_go(q, 0);
	if (q->held[1])
		let_file_go(q, 1);
}

/* The last thing that is done with a request, but for what done() does. */
static void complete(struct rln_request *q, int64_t result)
{
	q->result = finished(q, result);
	q->route = RLN_ROUTE_NONE;
	let_go(q);
	if (q->threads)
		rln_request_left_threads(q);
	q->done(q);
}

static bool cut(struct rln_request *q)
{
	return atomic_load_explicit(&q->cut, memory_order_relaxed);
}

/* On a thread */

static int64_t call_once(struct rln_request *q)
{
	int error = q->opcode == RLN_OP_CLOSE ? 0 : rln_fault(RLN_FAULT_FILE);

	return error ? -error : q->call(q);
}

/* Nothing is interrupted for good, but who has been cancelled need not try again. */
static int run_job(void *arg)
{
	struct rln_request *q = arg;

	do
		q->result = call_once(q);
	while (q->result == -EINTR && !cut(q));
	if (q->result == -EINTR)
		q->result = -ECANCELED;
	return 0;
}

/*
 * No thread could be had. The worker itself closes a descriptor, since nobody comes back for it, and kills those who may be the
 * reason.
 */
static rln_cold int64_t without_a_thread(struct rln_request *q, int error)
{
	return q->opcode == RLN_OP_CLOSE || q->opcode == RLN_OP_KILL_TREE ? q->call(q) : error;
}

static void job_done(struct rln_job *job)
{
	struct rln_request *q = rln_container_of(job, struct rln_request, way.job);

	if (rln_unlikely(job->result < 0))
		q->result = without_a_thread(q, job->result);
	count(q, RLN_ENGINE_POOL);
	complete(q, q->result);
}

static bool remote(const struct rln_request *q)
{
	return q->flags & RLN_REQUEST_REMOTE;
}

static int to_pool(struct rln_request *q, bool patient)
{
	q->route = RLN_ROUTE_POOL;
	rln_job_init(&q->way.job, run_job, q, remote(q) ? RLN_JOB_WAIT : RLN_JOB_IO, RLN_JOB_NORMAL, job_done);
	return rln_job_submit(&q->way.job, patient);
}

/* By the backend */

/* Nobody had it taken back: the kernel could not, and a thread can. */
static bool is_for_threads(struct rln_request *q, int64_t result)
{
	return (result == -EAGAIN || result == -ECANCELED) && !cut(q) && rln_opcode_is_file(q->f.op.opcode) &&
	       !(q->flags & RLN_REQUEST_RING_ONLY);
}

static void op_done(struct rln_op *op, const struct rln_completion *c)
{
	struct rln_request *q = rln_container_of(op, struct rln_request, f.op);

	if (rln_unlikely(is_for_threads(q, c->res)))
		(void)!to_pool(q, true);          /* a patient job is never refused */
	else
		complete(q, c->res);
}

static void to_ring(struct rln_request *q)
{
	q->route = RLN_ROUTE_RING;
	q->f.op.complete = op_done;
	rln_op_submit(&q->f.op);
}

static enum rln_request_route way_of(const struct rln_request *q, bool far)
{
	bool ring = !(q->flags & RLN_REQUEST_NO_RING) && !far &&
	            rln_backend_carries(rln_exec_current->backend, q->f.op.opcode);

	return ring ? RLN_ROUTE_RING : RLN_ROUTE_POOL;
}

int rln_request_go(struct rln_request *q, enum rln_request_route way, bool patient)
{
	if (way == RLN_ROUTE_POOL)
		return to_pool(q, patient);
	to_ring(q);
	return 0;
}

/*
 * Does it go to threads right away, the kernel's or ours, whose number others wait for? The ring tries transfers and commands
 * itself. A close, advice, or the end of a control group is not to be put off.
 */
static bool is_done_by_threads(const struct rln_request *q, enum rln_request_route way)
{
	unsigned int opcode = q->f.op.opcode;

	if (opcode == RLN_OP_FADVISE)
		return false;
	if (way == RLN_ROUTE_POOL)
		return opcode != RLN_OP_CLOSE && opcode != RLN_OP_KILL_TREE && !remote(q);
	return opcode >= RLN_OP_FSYNC && opcode != RLN_OP_NVME;
}

/* On the worker itself */

static void note_turn(struct rln_io *io)
{
	uint64_t turn = rln_stat_get(&io->exec->stats.turns);

	if (io->counted_turn == turn)
		return;
	io->readers_before = io->counted_turn + 1 == turn ? io->readers : 0;
	io->counted_turn = turn;
	io->inlined = 0;
	io->readers = 0;
	io->reader = NULL;
}

static bool had_enough(struct rln_io *io)
{
	note_turn(io);
	return io->inlined >= INLINE_PER_TURN;
}

bool rln_request_may_try(struct rln_io *io)
{
	if (!io->config.try_inline || had_enough(io))
		return false;
	io->inlined++;
	return true;
}

/*
 * A read by itself is over soonest by a call of its own. Of many in a turn the ring makes one call, which takes less time than
 * theirs: it has no vector to fetch, and enters the kernel once. The turn before tells which it will be.
 */
static bool in_company(struct rln_io *io, bool begun)
{
	const struct ringline_task *t = io->exec->current;

	note_turn(io);
	if (begun || io->reader != t)
		io->readers++;
	io->reader = t;
	return io->readers_before >= COMPANY;
}

static bool reads(const struct rln_request *q)
{
	return q->opcode == RLN_OP_READ || q->opcode == RLN_OP_READV;
}

static int64_t attempt(struct rln_io *io, struct rln_request *q)
{
	int64_t result;

	io->inlined++;
	result = rln_request_attempt(q);
	if (result != RLN_REQUEST_LATER)
		count(q, RLN_ENGINE_INLINE);
	return result;
}

static void run_deferred(struct rln_deferred *d)
{
	struct rln_io *io = rln_container_of(d, struct rln_io, more);
	struct rln_list *node;
	uint32_t n;

	for (n = 0; n < INLINE_PER_TURN && (node = rln_list_pop(&io->deferred)); n++) {
		struct rln_request *q = rln_list_entry(node, struct rln_request, way.deferred);
		int64_t result = attempt(io, q);

		if (result != RLN_REQUEST_LATER)
			complete(q, result);
		else
			(void)!rln_request_to_threads(q, RLN_ROUTE_POOL, true);
	}
	if (!rln_list_empty(&io->deferred))
		rln_exec_defer(io->exec, &io->more);
}

static void defer(struct rln_io *io, struct rln_request *q)
{
	q->route = RLN_ROUTE_DEFERRED;
	rln_list_init(&q->way.deferred);
	rln_list_add_tail(&io->deferred, &q->way.deferred);
	rln_exec_defer(io->exec, &io->more);
}

/* Starting */

static int send_on_its_way(struct rln_request *q, enum rln_request_route way, bool patient)
{
	int r;

	atomic_init(&q->cut, false);
	r = hold(q);
	if (rln_unlikely(r < 0))
		return r;
	if (way == RLN_ROUTE_DEFERRED)
		defer(rln_io_current(), q);
	else if (is_done_by_threads(q, way))
		r = rln_request_to_threads(q, way, patient);
	else
		r = rln_request_go(q, way, patient);
	if (r < 0)
		let_go(q);
	return r;
}

int rln_request_start(struct rln_request *q, bool patient)
{
	return send_on_its_way(q, way_of(q, remote(q)), patient);
}

/* NONE: it is over, with *result*; else the way it is to go. */
static rln_noinline enum rln_request_route try_at_once(struct rln_io *io, struct rln_request *q, enum rln_request_route way,
                                                       int64_t *result)
{
	if (had_enough(io))
		return way == RLN_ROUTE_RING ? way : RLN_ROUTE_DEFERRED;
	*result = attempt(io, q);
	if (*result == RLN_REQUEST_LATER)
		return way;
	*result = finished(q, *result);
	return RLN_ROUTE_NONE;
}

/* Tries it at once if that is best; what it returns, as above. */
static enum rln_request_route start(struct rln_request *q, bool begun, int64_t *result)
{
	struct rln_io *io = rln_io_current();
	bool far = remote(q);
	enum rln_request_route way = way_of(q, far);

	if (!(q->flags & RLN_REQUEST_INLINE) || far || !io->config.try_inline)
		return way;
	if (way == RLN_ROUTE_RING && reads(q) && in_company(io, begun))
		return way;
	return try_at_once(io, q, way, result);
}

int64_t rln_request_try(struct rln_request *q, int r)
{
	int64_t result = RLN_REQUEST_LATER;

	if (r < 0)
		return r;                 /* it may not even be a worker that calls */
	if (q->flags & RLN_REQUEST_INLINE && !remote(q) && rln_io_current()->config.try_inline)
		result = attempt(rln_io_current(), q);
	if (q->moved)
		return (int64_t)q->moved;
	return result == RLN_REQUEST_LATER ? -EAGAIN : result;
}

void rln_request_cancel(struct rln_request *q)
{
	if (q->route == RLN_ROUTE_NONE || cut(q))
		return;
	atomic_store_explicit(&q->cut, true, memory_order_relaxed);
	switch (q->route) {
	case RLN_ROUTE_RING:
		rln_op_cancel(&q->f.op);
		break;
	case RLN_ROUTE_DEFERRED:
		rln_list_del(&q->way.deferred);
		complete(q, -ECANCELED);
		break;
	case RLN_ROUTE_QUEUED:
		rln_request_leave_queue(q);
		complete(q, -ECANCELED);
		break;
	default:
		if (rln_job_withdraw(&q->way.job))
			complete(q, -ECANCELED);
		break;
	}
}

/* For a task */

static void wake_waiter(struct rln_request *q)
{
	rln_wait_fire(q->waiter.wait, 0);
}

static void describe(const void *object, char *text, size_t size)
{
	const struct rln_request *q = object;

	snprintf(text, size, "%s, fd %d", rln_opcode_name(q->opcode), q->f.op.fd);
}

static const struct rln_what what_request = { .name = "file", .describe = describe };

/* Until it has ended: a cut only asks it to. */
static int64_t wait_until_done(struct rln_request *q, struct rln_parker *p)
{
	int r = 0;

	if (q->flags & RLN_REQUEST_SHIELDED)
		rln_park_shielded(p);
	else
		r = rln_park(p);
	if (r < 0) {
		rln_request_cancel(q);
		rln_park_shielded(p);
	}
	return r < 0 && q->result == -ECANCELED ? r : q->result;
}

static int64_t wait_for(struct rln_request *q, struct ringline_task *t, enum rln_request_route way)
{
	struct rln_parker p;
	struct rln_wait w;
	int r;

	rln_parker_init(&p, t, &what_request, q);
	rln_wait_arm(&w, &p, NULL);
	q->done = wake_waiter;
	q->waiter.wait = &w;
	r = send_on_its_way(q, way, true);
	if (r < 0)
		return r;
	return wait_until_done(q, &p);
}

int64_t rln_request_run(struct rln_request *q, int r, const char *call)
{
	struct ringline_task *t = NULL;
	enum rln_request_route way;
	int64_t result;

	if (r == 0)
		r = rln_task_get_parking(&t, call);
	if (r == 0 && !(q->flags & RLN_REQUEST_SHIELDED))
		r = t->scope->reason;
	if (r < 0)
		return r;
	way = start(q, false, &result);
	return way == RLN_ROUTE_NONE ? result : wait_for(q, t, way);
}

/* For a handle */

struct slotted {
	struct rln_slot slot;
	struct rln_request q;
};

static void handle_done(struct rln_request *q)
{
	rln_handle_done(q->waiter.handle, q->result);
}

static void handle_cancel(struct ringline_op *h)
{
	rln_request_cancel(&((struct slotted *)h->work.ptr)->q);
}

static void handle_free(struct ringline_op *h)
{
	if (h->work.ptr)
		rln_slab_free(&rln_io_current()->requests, h->work.ptr);
}

/* What was over at once holds nothing. */
static void handle_dispose(struct ringline_op *h)
{
	struct slotted *s = h->work.ptr;

	if (s && s->q.dispose)
		s->q.dispose(&s->q);
	handle_free(h);
}

static const struct rln_handle_kind handle_kind = { .cancel = handle_cancel, .take = handle_free, .dispose = handle_dispose };

static void copy(struct rln_request *q, const struct rln_request *proto)
{
	memcpy(q, proto, offsetof(struct rln_request, way));
	memcpy(&q->u, &proto->u, proto->given);
	rln_list_init(&q->f.op.link);     /* the copy is linked to where it came from */
	rln_request_point_at_own(q);
}

static int start_for_handle(struct ringline_op *h, const struct rln_request *proto, enum rln_request_route way)
{
	struct slotted *s = rln_slab_alloc(&rln_io_current()->requests);
	int r;

	if (!s)
		return -ENOMEM;
	h->work.ptr = s;
	copy(&s->q, proto);
	s->q.done = handle_done;
	s->q.waiter.handle = h;
	r = send_on_its_way(&s->q, way, false);
	if (r < 0) {
		h->work.ptr = NULL;
		rln_slab_free(&rln_io_current()->requests, s);
	}
	return r;
}

int rln_request_begin(struct ringline_op **ret, struct rln_request *q, int r, const char *call)
{
	enum rln_request_route way;
	struct ringline_op *h;
	int64_t result;

	if (r == 0 && !ret)
		r = -EINVAL;
	if (r == 0 && !rln_task_get(call))
		r = rln_not_here();
	if (r == 0)
		r = rln_handle_new(&h, &handle_kind);
	if (r < 0)
		return r;
	h->work.ptr = NULL;
	way = start(q, true, &result);
	if (way == RLN_ROUTE_NONE)
		rln_handle_done(h, result);
	else
		r = start_for_handle(h, q, way);
	if (r < 0 && !q->moved) {
		rln_handle_drop(h);
		return r;
	}
	if (r < 0)
		rln_handle_done(h, in_all(q, r));   /* the position has moved: what was read is told, if not the rest */
	*ret = h;
	return 0;
}

/* The worker's */

void rln_requests_init(struct rln_io *io)
{
	rln_slab_init(&io->requests, sizeof(struct slotted), 64, 0);
	rln_list_init(&io->deferred);
	rln_request_queue_init(io);
	rln_list_init(&io->more.link);
	io->more.run = run_deferred;
}

void rln_requests_fini(struct rln_io *io)
{
	rln_request_queue_fini(io);
	rln_slab_fini(&io->requests);
}
