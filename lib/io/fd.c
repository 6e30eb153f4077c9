/* SPDX-License-Identifier: MIT */
/*
 * Watches; fd.h draws their states.
 *
 * A table by descriptor number finds the watch of a descriptor: there is one at most, since a backend polls each
 * descriptor once.
 *
 * Whether a file can be polled is asked of the kernel, because io_uring does not tell: it calls every file that cannot
 * ready. Sockets and pipes always can; of the others epoll(7) knows, so one is asked for that alone.
 */
#include <errno.h>
#include <stdio.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "core/select.h"
#include "core/task.h"
#include "io/fd.h"

#define EVENTS (POLLIN | POLLOUT | POLLPRI | POLLRDHUP)

/* The table */

static struct ringline_fd_watch *watch_on(const struct rln_io *io, int fd)
{
	return fd >= 0 && (uint32_t)fd < io->nwatch_by_fd ? io->watch_by_fd[fd] : NULL;
}

static int reserve_entry(struct rln_io *io, int fd)
{
	uint32_t n = io->nwatch_by_fd ? io->nwatch_by_fd : 64;
	struct ringline_fd_watch **table;

	if ((uint32_t)fd < io->nwatch_by_fd)
		return 0;
	while (n <= (uint32_t)fd)
		n *= 2;
	table = rln_mem_zalloc(n * sizeof(struct ringline_fd_watch *));
	if (!table)
		return -ENOMEM;
	if (io->nwatch_by_fd)
		memcpy(table, io->watch_by_fd, io->nwatch_by_fd * sizeof(struct ringline_fd_watch *));
	rln_mem_free(io->watch_by_fd);
	io->watch_by_fd = table;
	io->nwatch_by_fd = n;
	return 0;
}

/* Can it be polled? */

static int ask_epoll(struct rln_io *io, int fd)
{
	struct epoll_event none = { 0 };

	if (io->probe_fd < 0)
		io->probe_fd = rln_fault(RLN_FAULT_EPOLL) ? -1 : epoll_create1(EPOLL_CLOEXEC);
	if (io->probe_fd < 0)
		return -EMFILE;
	if (epoll_ctl(io->probe_fd, EPOLL_CTL_ADD, fd, &none) < 0)
		return -errno;
	epoll_ctl(io->probe_fd, EPOLL_CTL_DEL, fd, &none);
	return 0;
}

static int check_pollable(struct rln_io *io, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISSOCK(st.st_mode) || S_ISFIFO(st.st_mode))
		return 0;
	return ask_epoll(io, fd);
}

/* Life */

static void leave_table(struct ringline_fd_watch *w)
{
	if (w->fd >= 0)
		w->io->watch_by_fd[w->fd] = NULL;
	w->fd = -1;
}

/* Who waits looks for himself, and who waits for the end of the operation sees it. */
static void polled(struct rln_op *op, const struct rln_completion *c)
{
	struct ringline_fd_watch *w = rln_container_of(op, struct ringline_fd_watch, op);

	if (c->res != -ECANCELED)
		w->ready = c->res;
	rln_source_fire_all(&w->waiters, 0);
	if (w->handle) {
		leave_table(w);
		rln_handle_done(w->handle, w->ready ? w->ready : c->res);
		w->freed = true;
	}
	if (w->freed)
		rln_slab_free(&w->io->watches, w);
}

static int watch_new(struct ringline_fd_watch **ret, int fd, uint32_t events)
{
	struct rln_io *io = rln_io_current();
	struct ringline_fd_watch *w;
	int r;

	if (!events || events & ~(uint32_t)EVENTS)
		return -EINVAL;
	if (fd < 0)
		return -EBADF;
	r = check_pollable(io, fd);
	if (r == 0)
		r = watch_on(io, fd) ? -EBUSY : reserve_entry(io, fd);
	if (r < 0)
		return r;
	w = rln_slab_alloc(&io->watches);
	if (!w)
		return -ENOMEM;
	w->io = io;
	w->fd = fd;
	w->events = events;
	w->ready = 0;
	w->freed = false;
	w->handle = NULL;
	rln_source_init(&w->waiters);
	rln_op_init(&w->op, polled);
	io->watch_by_fd[fd] = w;
	*ret = w;
	return 0;
}

static void arm(struct ringline_fd_watch *w)
{
	if (w->ready || rln_op_inflight(&w->op))
		return;
	w->op.opcode = RLN_OP_POLL;
	w->op.fd = w->fd;
	w->op.arg = w->events;
	rln_op_submit(&w->op);
}

static void watch_free(struct ringline_fd_watch *w)
{
	leave_table(w);
	rln_source_fire_all(&w->waiters, -EBADF);
	if (rln_op_inflight(&w->op)) {
		w->freed = true;
		rln_op_cancel(&w->op);
	} else {
		rln_slab_free(&w->io->watches, w);
	}
}

/* The descriptor goes: whoever waits for it, now or later, gets -EBADF. The watch stays its owner's. */
static void kill_watch(struct ringline_fd_watch *w)
{
	leave_table(w);
	w->ready = -EBADF;
	rln_source_fire_all(&w->waiters, -EBADF);
}

static void describe_watch(const void *object, char *text, size_t size)
{
	snprintf(text, size, "fd %d", ((const struct ringline_fd_watch *)object)->fd);
}

static const struct rln_what what_watch = { .name = "descriptor", .describe = describe_watch };

/* Cancels the operation of a watch and waits for its end; the watch may be freed meanwhile. */
static void end_op(struct ringline_fd_watch *w, struct ringline_task *t)
{
	uint32_t gen = w->slot.gen;

	while (w->slot.gen == gen && rln_op_inflight(&w->op)) {
		struct rln_parker p;
		struct rln_wait n;

		rln_op_cancel(&w->op);
		rln_parker_init(&p, t, &what_watch, w);
		rln_wait_arm(&n, &p, &w->waiters);
		rln_park_shielded(&p);
		rln_wait_disarm(&n);
	}
}

static int take(struct ringline_fd_watch *w)
{
	int events = (int)w->ready;

	if (w->fd >= 0)
		w->ready = 0;     /* that it is closed stays so */
	return events;
}

/*
 * Waits for events. Who else waits may have taken them, hence the loop; and the watch may be gone, even another's, when the
 * task comes round: then it was fired with an error.
 */
static int wait_ready(struct ringline_fd_watch *w)
{
	uint32_t gen = w->slot.gen;

	while (!w->ready) {
		int64_t fired;
		int r;

		arm(w);
		r = rln_wait_on(&w->waiters, &fired, &what_watch, w);
		if (r < 0)
			return r;
		if (w->slot.gen != gen)
			return -EBADF;
	}
	return take(w);
}

void rln_fd_end_all(struct rln_io *io)
{
	uint32_t i;

	for (i = 0; i < io->nwatch_by_fd; i++)
		if (io->watch_by_fd[i])
			watch_free(io->watch_by_fd[i]);
}

/* The calls */

static int check_handle(const struct ringline_fd_watch *w, const char *call)
{
	if (!w)
		return -EINVAL;
	if (!rln_exec_get(call))
		return rln_not_here();
	return rln_exec_check_handle(&rln_io_current()->watches, &w->slot, call);
}

/* A watch that was freed is live until its operation is over. */
static int check_watch(const struct ringline_fd_watch *w, const char *call)
{
	int r = check_handle(w, call);

	return r == 0 && w->freed ? -EBADF : r;
}

int ringline_fd_wait(int fd, uint32_t events)
{
	struct ringline_fd_watch *w;
	struct ringline_task *t;
	int r = rln_task_get_parking(&t, __func__);

	if (r == 0)
		r = t->scope->reason;
	if (r == 0)
		r = watch_new(&w, fd, events);
	if (r < 0)
		return r;
	r = wait_ready(w);
	end_op(w, t);
	watch_free(w);
	return r;
}

static void wait_op_cancel(struct ringline_op *h)
{
	struct ringline_fd_watch *w = h->work.ptr;

	rln_op_cancel(&w->op);
}

static const struct rln_handle_kind wait_op = { .cancel = wait_op_cancel };

int ringline_fd_wait_begin(struct ringline_op **ret, int fd, uint32_t events)
{
	struct ringline_fd_watch *w;
	struct ringline_op *h;
	int r;

	if (!ret)
		return -EINVAL;
	if (!rln_task_get(__func__))
		return rln_not_here();
	r = rln_handle_new(&h, &wait_op);
	if (r < 0)
		return r;
	r = watch_new(&w, fd, events);
	if (r < 0) {
		rln_handle_drop(h);
		return r;
	}
	w->handle = h;
	h->work.ptr = w;
	arm(w);
	*ret = h;
	return 0;
}

int ringline_fd_watch_new(struct ringline_fd_watch **ret, int fd, uint32_t events)
{
	if (!ret)
		return -EINVAL;
	if (!rln_exec_get(__func__))
		return rln_not_here();
	return watch_new(ret, fd, events);
}

int ringline_fd_watch_wait(struct ringline_fd_watch *watch)
{
	struct ringline_task *t;
	int r = rln_task_get_parking(&t, __func__);

	if (r == 0)
		r = check_watch(watch, __func__);
	if (r == 0 && !watch->ready)
		r = t->scope->reason;
	return r < 0 ? r : wait_ready(watch);
}

/* An operation for the old events is cancelled; its end wakes who waits, and that arms it anew. */
int ringline_fd_watch_set(struct ringline_fd_watch *watch, uint32_t events)
{
	int r = check_watch(watch, __func__);

	if (r < 0)
		return r;
	if (!events || events & ~(uint32_t)EVENTS)
		return -EINVAL;
	watch->events = events;
	if (watch->ready > 0)
		watch->ready &= events | POLLERR | POLLHUP;
	rln_op_cancel(&watch->op);
	return 0;
}

int ringline_fd_watch_free(struct ringline_fd_watch *watch)
{
	int r;

	if (!watch)
		return 0;
	r = check_watch(watch, __func__);
	if (r < 0)
		return r;
	watch_free(watch);
	return 0;
}

static const struct rln_what what_close = { .name = "close" };

struct closing {
	struct rln_op op;
	struct rln_wait wait;
};

static void closed(struct rln_op *op, const struct rln_completion *c)
{
	rln_wait_fire(&rln_container_of(op, struct closing, op)->wait, c->res);
}

/* Through the backend, which may have a registration to take back. */
static int close_and_wait(int fd, struct ringline_task *t)
{
	struct closing c;
	struct rln_parker p;

	rln_op_init(&c.op, closed);
	c.op.opcode = RLN_OP_CLOSE;
	c.op.fd = fd;
	rln_parker_init(&p, t, &what_close, NULL);
	rln_wait_arm(&c.wait, &p, NULL);
	rln_op_submit(&c.op);
	rln_park_shielded(&p);
	return (int)c.wait.result;
}

int ringline_fd_close(int fd)
{
	struct ringline_fd_watch *w;
	struct ringline_task *t;
	int r = rln_task_get_parking(&t, __func__);

	if (r < 0)
		return r;
	w = watch_on(rln_io_current(), fd);
	if (w) {
		kill_watch(w);
		end_op(w, t);
	}
	return close_and_wait(fd, t);
}

/* As a case of select */

static int arm_case(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	struct ringline_fd_watch *w = c->object;
	int r = rln_case_check(c, n, &rln_io_current()->watches);

	if (r)
		return r;
	if (w->freed) {
		c->result = -EBADF;
		return RLN_CASE_GONE;
	}
	if (w->ready) {
		c->result = take(w);
		return RLN_CASE_READY;
	}
	arm(w);
	rln_wait_arm(&n->wait, p, &w->waiters);
	return RLN_CASE_WAITS;
}

static bool settle_case(struct ringline_case *c, const struct rln_select_node *n)
{
	struct ringline_fd_watch *w = c->object;

	if (rln_case_gone(c, n) || w->freed)
		c->result = -EBADF;
	else if (w->ready)
		c->result = take(w);
	else
		return false;
	return true;
}

static const struct rln_case_kind watch_case = { .arm = arm_case, .settle = settle_case };

/* The worker */

void rln_fd_init(struct rln_io *io)
{
	rln_slab_init(&io->watches, sizeof(struct ringline_fd_watch), 64, 0);
	io->probe_fd = -1;
	io->exec->case_kinds[RINGLINE_CASE_FD] = &watch_case;
}

void rln_fd_fini(struct rln_io *io)
{
	rln_mem_free(io->watch_by_fd);
	rln_slab_fini(&io->watches);
	if (io->probe_fd >= 0)
		close(io->probe_fd);
}
