/* SPDX-License-Identifier: MIT */
/*
 * The epoll engine: readiness.c with epoll underneath.
 *
 * A descriptor is registered once, edge-triggered, when an op on it first has to wait; the interest is widened when the
 * other direction has to wait too. (Asking for EPOLLOUT from the start would cost every connection a wake-up, and unix
 * sockets one per message that the peer reads.) A request on a connection thus costs one receive, one send, and its
 * share of an epoll_wait.
 *
 * wait() polls the kernel in every call, with one exception: if results only have to be handed out, and the last call
 * did poll, it hands them out first. A turn of "receive, send, receive again" then costs one epoll_wait and not two.
 *
 * The wake-up is an eventfd that is never read: registered edge-triggered, each write to it is an event. Its counter
 * would need 2^64 writes to overflow, and there is at most one per wait().
 *
 * Nothing here is shared between threads but the eventfd and the `woken` flag. wake() sets it and writes if it was
 * clear; wait() clears it when it returns because of it. A waker that finds it set relies on the write of the one that
 * set it, which has not been answered yet: wait() clears the flag before its caller looks at what the wakers left.
 */
#include <errno.h>
#include <limits.h>
#include <linux/time_types.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend/epoll.h"
#include "backend/readiness.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "ringline/common.h"

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

#define BATCH      256
#define KEY_WAKE   UINT64_MAX
#define IDLE_AFTER RLN_NSEC_PER_SEC   /* a swollen buffer pool is trimmed after a sleep of this length */

struct epoll {
	struct rln_backend base;
	struct rln_readiness ready;
	const struct rln_clock *clock;
	int epfd;
	int wakefd;
	uint32_t armed;           /* descriptors registered, not counting the eventfd */
	bool pwait2;              /* epoll_pwait2() works, as far as is known */
	bool put_off;             /* the last wait() did not poll the kernel */
	atomic_bool woken;
	struct epoll_event event[BATCH];
};

static struct epoll *epoll_of(struct rln_backend *b)
{
	return rln_container_of(b, struct epoll, base);
}

/* --- registration ------------------------------------------------------------------------------------------------- */

static int control(struct epoll *e, int op, int fd, uint32_t mask, uint64_t key)
{
	struct epoll_event ev = { .events = mask, .data = { .u64 = key } };
	int fault = rln_fault(RLN_FAULT_EPOLL);

	if (fault)
		return -fault;
	rln_stat_add(&e->base.stats.syscalls, 1);
	return epoll_ctl(e->epfd, op, fd, &ev) < 0 ? -errno : 0;
}

static void forget(struct epoll *e, struct rln_fdstate *st)
{
	if (st->flags & RLN_FD_ARMED)
		e->armed--;
	st->flags &= (uint8_t)~RLN_FD_ARMED;
	st->mask = 0;
}

/* What we believe is tried first, and the kernel corrects us. */
static int arm(struct rln_readiness *r, struct rln_fdstate *st, uint32_t mask)
{
	struct epoll *e = rln_container_of(r, struct epoll, ready);
	int res = -ENOENT;

	if (st->flags & RLN_FD_ARMED)
		res = control(e, EPOLL_CTL_MOD, st->fd, mask, rln_fdstate_key(st));
	if (res == -ENOENT) {
		forget(e, st);
		res = control(e, EPOLL_CTL_ADD, st->fd, mask, rln_fdstate_key(st));
	}
	if (res == -EEXIST)
		res = control(e, EPOLL_CTL_MOD, st->fd, mask, rln_fdstate_key(st));
	if (res < 0)
		return res;
	if (!(st->flags & RLN_FD_ARMED))
		e->armed++;
	st->flags |= RLN_FD_ARMED;
	st->mask = mask;
	return 0;
}

static void disarm(struct rln_readiness *r, struct rln_fdstate *st)
{
	struct epoll *e = rln_container_of(r, struct epoll, ready);

	control(e, EPOLL_CTL_DEL, st->fd, 0, 0);
	forget(e, st);
}

static const struct rln_poller poller = {
	.arm = arm,
	.disarm = disarm,
};

/* --- life --------------------------------------------------------------------------------------------------------- */

static int open_epoll(struct epoll *e)
{
	int fault = rln_fault(RLN_FAULT_EPOLL);

	rln_stat_add(&e->base.stats.syscalls, 1);
	e->epfd = fault ? -1 : epoll_create1(EPOLL_CLOEXEC);
	if (e->epfd < 0)
		return fault ? -fault : -errno;
	return 0;
}

static int open_eventfd(struct epoll *e)
{
	int fault = rln_fault(RLN_FAULT_EVENTFD);

	rln_stat_add(&e->base.stats.syscalls, 1);
	e->wakefd = fault ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->wakefd < 0)
		return fault ? -fault : -errno;
	return 0;
}

static void close_fds(struct epoll *e)
{
	if (e->wakefd >= 0)
		close(e->wakefd);
	if (e->epfd >= 0)
		close(e->epfd);
}

/* Both descriptors; on failure none, and the name of the call that failed. */
static int open_fds(struct epoll *e, const char **call)
{
	int r;

	e->epfd = -1;
	e->wakefd = -1;
	*call = "epoll_create1";
	r = open_epoll(e);
	if (r == 0) {
		*call = "eventfd";
		r = open_eventfd(e);
	}
	if (r == 0) {
		*call = "epoll_ctl";
		r = control(e, EPOLL_CTL_ADD, e->wakefd, EPOLLIN | EPOLLET, KEY_WAKE);
	}
	if (r < 0)
		close_fds(e);
	return r;
}

static int epoll_probe(const struct rln_backend_config *cfg, char *why, size_t why_size)
{
	const char *call;
	struct epoll *e;
	int r;

	(void)cfg;
	e = rln_mem_zalloc(sizeof(*e));
	if (!e) {
		snprintf(why, why_size, "epoll: out of memory");
		return -ENOMEM;
	}
	r = open_fds(e, &call);
	if (r < 0)
		snprintf(why, why_size, "epoll: %s() failed with errno %d", call, -r);
	else
		close_fds(e);
	rln_mem_free(e);
	return r;
}

static int epoll_open(struct rln_backend **ret, const struct rln_backend_config *cfg)
{
	const char *call;
	struct epoll *e = rln_mem_zalloc(sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	e->base.ops = &rln_backend_epoll;
	e->clock = cfg->clock;
	e->pwait2 = !(cfg->disabled & RLN_FEATURE_PWAIT2);
	r = rln_readiness_init(&e->ready, cfg, &poller, &e->base.stats);
	if (r == 0) {
		r = open_fds(e, &call);
		if (r < 0)
			rln_readiness_fini(&e->ready);
	}
	if (r < 0) {
		rln_mem_free(e);
		return r;
	}
	*ret = &e->base;
	return 0;
}

static void epoll_close(struct rln_backend *b)
{
	struct epoll *e = epoll_of(b);

	rln_readiness_fini(&e->ready);
	close_fds(e);
	rln_mem_free(e);
}

/* --- waiting ------------------------------------------------------------------------------------------------------ */

/* epoll_wait() counts milliseconds: rounded up, never early. */
static int wait_ms(struct epoll *e, uint64_t timeout)
{
	uint64_t ms = timeout / RLN_NSEC_PER_MSEC + (timeout % RLN_NSEC_PER_MSEC != 0);

	if (timeout == UINT64_MAX)
		return epoll_wait(e->epfd, e->event, BATCH, -1);
	return epoll_wait(e->epfd, e->event, BATCH, ms > INT_MAX ? INT_MAX : (int)ms);
}

static int wait_ns(struct epoll *e, uint64_t timeout)
{
	struct __kernel_timespec ts = {
		.tv_sec = (long long)(timeout / RLN_NSEC_PER_SEC),
		.tv_nsec = (long long)(timeout % RLN_NSEC_PER_SEC),
	};

	return (int)syscall(SYS_epoll_pwait2, e->epfd, e->event, BATCH, &ts, NULL, 0);
}

/* One call, for at most *timeout* nanoseconds. The number of events, or -errno. */
static int wait_once(struct epoll *e, uint64_t timeout)
{
	int fault = rln_fault(RLN_FAULT_EPOLL_WAIT);
	/* Whole milliseconds, zero and "for ever" need no nanoseconds. */
	bool fine = e->pwait2 && timeout != UINT64_MAX && timeout % RLN_NSEC_PER_MSEC;
	int n;

	rln_stat_add(&e->base.stats.syscalls, 1);
	if (fault)
		n = -fault;
	else if ((n = fine ? wait_ns(e, timeout) : wait_ms(e, timeout)) < 0)
		n = -errno;
	if (fine && (n == -ENOSYS || n == -EPERM)) {
		rln_log(RLN_LOG_INFO, "epoll: no epoll_pwait2(), timeouts are rounded up to milliseconds");
		e->pwait2 = false;
		return -EINTR;
	}
	return n;
}

/* Sleeps until *until* (0: not at all) or an event. The number of events, or -errno. */
static int wait_until(struct epoll *e, uint64_t until)
{
	uint64_t timeout = until;
	uint64_t now;
	int n;

	do {
		if (until && until != RINGLINE_NEVER) {
			now = rln_clock_now(e->clock);
			timeout = until > now ? until - now : 0;
		}
		n = wait_once(e, timeout);
	} while (n == -EINTR);
	return n;
}

/* Takes the events in. Whether a wake-up was among them. */
static bool take_events(struct epoll *e, int n)
{
	bool woken = false;

	for (int i = 0; i < n; i++) {
		if (e->event[i].data.u64 == KEY_WAKE)
			woken = true;
		else
			rln_readiness_event(&e->ready, e->event[i].data.u64, e->event[i].events);
	}
	if (woken)
		atomic_store(&e->woken, false);
	return woken;
}

/*
 * Sleeps and takes the events in. A worker whose buffer pool is larger than an idle one needs sleeps in two parts, and
 * gives the rest back between them. 1: woken, 0, or -errno.
 */
static int sleep_until(struct epoll *e, uint64_t until)
{
	uint64_t idle = UINT64_MAX;
	int n;

	if (until && rln_bufpool_swollen(e->ready.pool))
		idle = rln_time_add(rln_clock_now(e->clock), IDLE_AFTER);
	n = wait_until(e, rln_min(until, idle));
	if (n == 0 && idle < until) {
		rln_bufpool_trim(e->ready.pool);
		n = wait_until(e, until);
	}
	if (n < 0)
		return n;
	return take_events(e, n);
}

/* Is it this call's turn to leave the kernel alone? */
static bool put_off(struct epoll *e, uint64_t deadline)
{
	e->put_off = !e->put_off && deadline && rln_readiness_only_done(&e->ready);
	return e->put_off;
}

static bool passed(struct epoll *e, uint64_t deadline)
{
	return deadline != RINGLINE_NEVER && (!deadline || rln_clock_now(e->clock) >= deadline);
}

static int epoll_wait_op(struct rln_backend *b, uint64_t deadline)
{
	struct epoll *e = epoll_of(b);
	int woken = 0;

	rln_stat_add(&b->stats.waits, 1);
	rln_readiness_feed(&e->ready);
	if (put_off(e, deadline)) {
		rln_readiness_deliver(&e->ready);
		return 0;
	}
	for (;;) {
		uint64_t until = rln_min(deadline, rln_readiness_next(&e->ready));

		if (rln_readiness_busy(&e->ready))
			until = 0;
		if (until || e->armed || atomic_load(&e->woken))
			woken = sleep_until(e, until);
		if (woken < 0)
			return woken;
		if (rln_readiness_deliver(&e->ready) || woken || passed(e, deadline))
			return 0;
	}
}

static void epoll_wake(struct rln_backend *b)
{
	static const uint64_t one = 1;
	struct epoll *e = epoll_of(b);
	int saved = errno;
	ssize_t n;

	if (atomic_exchange(&e->woken, true))
		return;
	do {
		n = write(e->wakefd, &one, sizeof(one));
	} while (n < 0 && errno == EINTR);
	errno = saved;
}

static void epoll_submit(struct rln_backend *b, struct rln_op *op)
{
	rln_readiness_submit(&epoll_of(b)->ready, op);
}

static void epoll_cancel(struct rln_backend *b, struct rln_op *op)
{
	rln_readiness_cancel(&epoll_of(b)->ready, op);
}

/* A send is over when its system call returns, or is worth waiting for. */
static struct rln_buf *epoll_holder(struct rln_backend *b, const void *data, size_t len)
{
	(void)b;
	(void)data;
	(void)len;
	return NULL;
}

static int epoll_fd(const struct rln_backend *b)
{
	return rln_container_of(b, const struct epoll, base)->epfd;
}

static uint64_t epoll_rest(struct rln_backend *b)
{
	struct epoll *e = epoll_of(b);

	return rln_readiness_busy(&e->ready) || atomic_load(&e->woken) ? 0 : rln_readiness_next(&e->ready);
}

/* Whoever reads into it does so by system calls. */
static int epoll_region_add(struct rln_backend *b, void *memory, size_t len)
{
	(void)b;
	(void)memory;
	(void)len;
	return -EOPNOTSUPP;
}

static void epoll_region_remove(struct rln_backend *b, uint32_t region)
{
	(void)b;
	(void)region;
}

static void epoll_forget(struct rln_backend *b, int fd)
{
	rln_readiness_forget(&epoll_of(b)->ready, fd);
}

const struct rln_backend_ops rln_backend_epoll = {
	.name = "epoll",
	.engine = RLN_ENGINE_EPOLL,
	.probe = epoll_probe,
	.open = epoll_open,
	.close = epoll_close,
	.submit = epoll_submit,
	.cancel = epoll_cancel,
	.holder = epoll_holder,
	.wait = epoll_wait_op,
	.wake = epoll_wake,
	.fd = epoll_fd,
	.rest = epoll_rest,
	.region_add = epoll_region_add,
	.region_remove = epoll_region_remove,
	.forget = epoll_forget,
};
