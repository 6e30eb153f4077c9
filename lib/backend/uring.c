/* SPDX-License-Identifier: MIT */
/*
 * The io_uring backend: set-up, waiting, tear-down.
 *
 * The ring has one issuer and runs its completions when that issuer asks (SINGLE_ISSUER, DEFER_TASKRUN), so nothing
 * happens behind the worker's back and a whole turn's submissions and completions cost one system call. The enter is made
 * here rather than by liburing's helpers, because they cannot pass every flag and do not tell how many calls they made.
 *
 * A wait:  what waits for submission entries goes in  ->  returned buffers go to the kernel, starved receives are armed
 *          ->  results known without the kernel are delivered  ->  enter  ->  completions are delivered one by one
 *          ->  quiet sends that the enter took in, and that no completion was found of, are done
 *
 * Each completion entry is copied and released before it is delivered: a callback may submit, which may enter.
 *
 * Tear-down is orderly, because the kernel's own is asynchronous and would keep a listening port bound: the wake-up read,
 * and the poll of a second ring (uring-nvme.c), are the only operations left; they are cancelled and waited for before
 * anything is unmapped.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "backend/uring.h"
#include "base/fault.h"
#include "base/mem.h"
#include "ringline/common.h"

#define SQ_ENTRIES      256u
#define CQ_ENTRIES      1024u
#define SQ_SMALL        64u
#define CQ_SMALL        256u
#define IOWQ_WORKERS    16u
#define MAX_SKIPPED     16u

/* Set-up */

/* Entries are handed over in their order, so what the ring's array says of them is said here once and for all. */
static void fill_array(struct io_uring *ring)
{
	unsigned int i;

	if (ring->flags & RLN_SETUP_NO_SQARRAY)
		return;
	for (i = 0; i < *ring->sq.kring_entries; i++)
		ring->sq.array[i] = i;
}

int rln_uring_make(struct io_uring *ring, uint32_t sq, struct io_uring_params *params)
{
	int r = -rln_fault(RLN_FAULT_RING_SETUP);

	if (r == 0)
		r = io_uring_queue_init_params(sq, ring, params);
	if (r == 0)
		fill_array(ring);
	return r;
}

/*
 * Work that the kernel puts off until the worker enters is cheapest. But who sleeps in a poll of the ring is not woken for
 * such work, nor, where the cause was a write to an eventfd, is an eventfd that was registered with the ring told of it in
 * time: a ring that a host's loop polls does without.
 */
static int try_setup(struct io_uring *ring, uint32_t sq, uint32_t cq, bool pollable)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_SINGLE_ISSUER | (pollable ? 0 : IORING_SETUP_DEFER_TASKRUN) | IORING_SETUP_SUBMIT_ALL |
		         IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
		.cq_entries = cq,
	};

	return rln_uring_make(ring, sq, &p);
}

/* Memory for rings may be bounded per user, and is credited back late: smaller, then once more after a moment. */
static int setup_with_retries(struct io_uring *ring, uint32_t sq, uint32_t cq, bool pollable)
{
	static const struct timespec moment = { .tv_nsec = 10 * (long)RLN_NSEC_PER_MSEC };
	int r = try_setup(ring, sq, cq, pollable);

	if (r == -ENOMEM && (sq > SQ_SMALL || cq > CQ_SMALL)) {
		sq = rln_min(sq, SQ_SMALL);
		cq = rln_min(cq, CQ_SMALL);
		r = try_setup(ring, sq, cq, pollable);
	}
	if (r == -ENOMEM) {
		nanosleep(&moment, NULL);
		r = try_setup(ring, sq, cq, pollable);
	}
	return r;
}

int rln_uring_setup(struct io_uring *ring, const struct rln_backend_config *cfg, unsigned int *enter_flags)
{
	unsigned int workers[2] = { IOWQ_WORKERS, IOWQ_WORKERS };
	uint32_t sq = cfg->sq_entries ? cfg->sq_entries : SQ_ENTRIES;
	uint32_t cq = cfg->cq_entries ? cfg->cq_entries : rln_max(CQ_ENTRIES, 4 * sq);
	int r;

	*enter_flags = 0;
	r = setup_with_retries(ring, sq, cq, cfg->pollable);
	if (r < 0)
		return r;
	io_uring_ring_dontfork(ring);
	io_uring_register_iowq_max_workers(ring, workers);   /* older kernels do without the bound */
	if ((ring->features & RLN_FEAT_NO_IOWAIT) && !(cfg->disabled & RLN_FEATURE_NO_IOWAIT))
		*enter_flags |= RLN_ENTER_NO_IOWAIT;
	if (!(cfg->disabled & RLN_FEATURE_RING_FD) && io_uring_register_ring_fd(ring) == 1)
		*enter_flags |= IORING_ENTER_REGISTERED_RING;
	return 0;
}

/* Entering */

/* Publishes the entries that were filled in; the number the kernel has not taken yet. */
static unsigned int publish(struct io_uring *ring)
{
	struct io_uring_sq *sq = &ring->sq;

	sq->sqe_head = sq->sqe_tail;
	io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
	return sq->sqe_tail - io_uring_smp_load_acquire(sq->khead);
}

int rln_uring_enter(struct io_uring *ring, unsigned int enter_flags, unsigned int want, unsigned int flags,
                    struct __kernel_timespec *ts)
{
	struct io_uring_getevents_arg arg = { .ts = (uint64_t)(uintptr_t)ts };
	int error = rln_fault(RLN_FAULT_RING_ENTER);

	if (error)
		return -error;
	if (ts)
		return io_uring_enter2((unsigned int)ring->enter_ring_fd, publish(ring), want,
		                       flags | enter_flags | IORING_ENTER_EXT_ARG, (sigset_t *)&arg, sizeof(arg));
	return io_uring_enter2((unsigned int)ring->enter_ring_fd, publish(ring), want, flags | enter_flags, NULL, 0);
}

/* Opening and closing */

static void close_parts(struct rln_uring *u)
{
	rln_uring_nvme_close(u);
	rln_uring_bufs_fini(u);
	io_uring_queue_exit(&u->ring);
	if (u->wake_fd >= 0)
		close(u->wake_fd);
	rln_mem_free(u);
}

static int open_wake(struct rln_uring *u)
{
	int error = rln_fault(RLN_FAULT_EVENTFD);

	u->wake_fd = error ? -1 : eventfd(0, EFD_CLOEXEC);
	if (u->wake_fd < 0)
		return error ? -error : -errno;
	return 0;
}

static int uring_open(struct rln_backend **ret, const struct rln_backend_config *cfg)
{
	struct rln_uring *u = rln_mem_zalloc(sizeof(*u));
	int r;

	if (!u)
		return -ENOMEM;
	u->base.ops = &rln_backend_uring;
	u->clock = cfg->clock;
	u->wake_fd = -1;
	u->multishot = !(cfg->disabled & RLN_FEATURE_MULTISHOT);
	u->quiet = !(cfg->disabled & RLN_FEATURE_QUIET);
	rln_list_init(&u->backlog);
	rln_list_init(&u->cancels);
	rln_list_init(&u->starved);
	rln_list_init(&u->quiet_queued);
	rln_list_init(&u->quiet_entered);
	rln_list_init(&u->finished);
	r = rln_uring_setup(&u->ring, cfg, &u->enter_flags);
	if (r < 0) {
		rln_mem_free(u);
		return r;
	}
	r = open_wake(u);
	if (r == 0)
		r = rln_uring_bufs_init(u, cfg);
	if (r == 0 && !(cfg->disabled & RLN_FEATURE_FILES))
		rln_uring_files_init(u);
	if (r < 0) {
		close_parts(u);
		return r;
	}
	*ret = &u->base;
	return 0;
}

/* Waiting */

static void arm_wake(struct rln_uring *u)
{
	struct io_uring_sqe *sqe;

	if (u->wake_armed)
		return;
	sqe = rln_uring_sqe(u);
	if (!sqe)
		return;           /* the caller does not sleep without it */
	io_uring_prep_read(sqe, u->wake_fd, &u->wake_value, sizeof(u->wake_value), 0);
	io_uring_sqe_set_data64(sqe, RLN_UD_WAKE);
	u->wake_armed = true;
}

/* What a callback's enter adds meanwhile is left to the next wait. Nobody else takes any out. */
static unsigned int drain(struct rln_uring *u)
{
	const struct io_uring_cq *cq = &u->ring.cq;
	unsigned int n = io_uring_cq_ready(&u->ring);
	unsigned int head = *cq->khead;
	unsigned int end = head + n;

	while (head != end) {
		struct io_uring_cqe cqe = cq->cqes[head & *cq->kring_mask];

		io_uring_smp_store_release(cq->khead, ++head);
		rln_uring_dispatch(u, &cqe);
	}
	return n;
}

static bool overflowed(const struct rln_uring *u)
{
	return IO_URING_READ_ONCE(*u->ring.sq.kflags) & IORING_SQ_CQ_OVERFLOW;
}

static bool recoverable(int error)
{
	return error == -EINTR || error == -EAGAIN || error == -EBUSY || error == -ETIME;
}

/* A sleep that a signal may have ended: the count of submissions, or -EINTR, and nothing to deliver. */
static bool interrupted(const struct rln_uring *u, int r)
{
	return (r >= 0 || r == -EINTR) && !io_uring_cq_ready(&u->ring) && !overflowed(u);
}

static bool may_skip_enter(struct rln_uring *u)
{
	if (!io_uring_cq_ready(&u->ring) || io_uring_sq_ready(&u->ring) || u->skipped == MAX_SKIPPED)
		return false;
	u->skipped++;
	return true;
}

/* One enter, which sleeps until *deadline* if that is not 0. */
static int enter(struct rln_uring *u, uint64_t deadline)
{
	struct __kernel_timespec ts;
	uint64_t now = 0;

	u->skipped = 0;
	rln_stat_add(&u->base.stats.syscalls, 1);
	if (deadline && deadline != RINGLINE_NEVER)
		now = rln_clock_now(u->clock);
	if (deadline <= now)
		return rln_uring_enter(&u->ring, u->enter_flags, 0, IORING_ENTER_GETEVENTS, NULL);
	ts.tv_sec = (int64_t)((deadline - now) / RLN_NSEC_PER_SEC);
	ts.tv_nsec = (long long)((deadline - now) % RLN_NSEC_PER_SEC);
	return rln_uring_enter(&u->ring, u->enter_flags, 1, IORING_ENTER_GETEVENTS, deadline == RINGLINE_NEVER ? NULL : &ts);
}

/* Completions that did not fit wait in the kernel and are moved over by an enter, as room is made. */
static int fetch_overflow(struct rln_uring *u)
{
	int r = 0;

	while (overflowed(u) && (r >= 0 || recoverable(r))) {
		rln_stat_add(&u->base.stats.cq_overflows, 1);
		r = enter(u, 0);
		if (!drain(u))
			break;
	}
	return r;
}

/* True if there is nothing to do before the kernel has something to tell. */
static bool may_sleep(const struct rln_uring *u)
{
	return u->wake_armed && rln_list_empty(&u->backlog) && rln_list_empty(&u->cancels) &&
	       rln_list_empty(&u->quiet_queued) && !io_uring_cq_ready(&u->ring) && !overflowed(u) &&
	       (rln_list_empty(&u->starved) || !u->bufs.in_kernel) && (!u->nvme || rln_uring_nvme_may_sleep(u));
}

/* Everything that was queued has been taken in: what quiet sends have to tell is in the completion queue. */
static void note_entered(struct rln_uring *u)
{
	u->eager = 0;
	if (!io_uring_sq_ready(&u->ring))
		rln_list_splice_tail(&u->quiet_entered, &u->quiet_queued);
}

static bool fatal(int r)
{
	return r < 0 && !recoverable(r);
}

static int uring_wait(struct rln_backend *b, uint64_t deadline)
{
	struct rln_uring *u = rln_uring_of(b);
	int second;
	int r = 0;

	rln_stat_add(&b->stats.waits, 1);
	rln_uring_bufs_replenish(u);
	rln_uring_flush_waiting(u);
	arm_wake(u);
	second = rln_uring_nvme_enter(u);
	if (rln_uring_deliver_finished(u) || !may_sleep(u))
		deadline = 0;
	if (!may_skip_enter(u))
		do
			r = enter(u, deadline);
		while (interrupted(u, r) && deadline > rln_clock_now(u->clock));
	note_entered(u);
	drain(u);
	rln_uring_nvme_drain(u);
	if (!fatal(r))
		r = fetch_overflow(u);
	if (!overflowed(u))
		rln_uring_deliver_quiet(u);
	return fatal(r) ? r : fatal(second) ? second : 0;
}

/* Any thread, async-signal-safe. The counter saturates only after 2^64 - 2 wakes that nobody read. */
static void uring_wake(struct rln_backend *b)
{
	static const uint64_t one = 1;
	ssize_t ignored = write(rln_uring_of(b)->wake_fd, &one, sizeof(one));

	(void)ignored;
}

/* The operations of the backend's own: the wake-up read, and the poll of the second ring. */
static bool armed(const struct rln_uring *u)
{
	return u->wake_armed || (u->nvme && u->nvme->polled);
}

static void note_ended(struct rln_uring *u, uint64_t user_data)
{
	if (user_data == RLN_UD_WAKE)
		u->wake_armed = false;
	if (user_data == RLN_UD_NVME)
		u->nvme->polled = false;
}

/* Cancels them, and whatever a broken ring left behind, and waits until the kernel has let go of them. */
static void cancel_rest(struct rln_uring *u)
{
	struct io_uring_sqe *sqe = armed(u) ? rln_uring_sqe(u) : NULL;

	if (!sqe)
		return;
	io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY);
	io_uring_sqe_set_data64(sqe, RLN_UD_IGNORED);
	while (armed(u)) {
		struct io_uring_cqe *cqe;
		int r = rln_uring_enter(&u->ring, u->enter_flags, 1, IORING_ENTER_GETEVENTS, NULL);

		if (r < 0 && !recoverable(r))
			break;
		while (io_uring_peek_cqe(&u->ring, &cqe) == 0) {
			note_ended(u, cqe->user_data);
			io_uring_cqe_seen(&u->ring, cqe);
		}
	}
}

static void uring_close(struct rln_backend *b)
{
	struct rln_uring *u = rln_uring_of(b);

	cancel_rest(u);
	close_parts(u);
}

static struct rln_buf *uring_holder(struct rln_backend *b, const void *data, size_t len)
{
	return rln_uring_bufs_holder(rln_uring_of(b), data, len);
}

static int uring_fd(const struct rln_backend *b)
{
	return rln_container_of(b, const struct rln_uring, base)->ring.ring_fd;
}

static uint64_t uring_rest(struct rln_backend *b)
{
	struct rln_uring *u = rln_uring_of(b);
	bool quiet = may_sleep(u) && !io_uring_sq_ready(&u->ring) && rln_list_empty(&u->finished) &&
		     rln_list_empty(&u->quiet_entered);

	return quiet ? RINGLINE_NEVER : 0;
}

const struct rln_backend_ops rln_backend_uring = {
	.name = "io_uring",
	.engine = RLN_ENGINE_IO_URING,
	.probe = rln_uring_probe,
	.open = uring_open,
	.close = uring_close,
	.submit = rln_uring_submit,
	.cancel = rln_uring_cancel,
	.holder = uring_holder,
	.wait = uring_wait,
	.wake = uring_wake,
	.fd = uring_fd,
	.rest = uring_rest,
	.region_add = rln_uring_region_add,
	.region_remove = rln_uring_region_remove,
};
