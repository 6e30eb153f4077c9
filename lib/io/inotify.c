/* SPDX-License-Identifier: MIT */
/* Being told what changes in directories; inotify.h tells the idea. */
#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/sized.h"
#include "io/inotify.h"
#include "io/path.h"
#include "ringline/dir.h"

/* At least one event with the longest name fits (inotify(7)). */
#define EVENTS_SIZE 8192u

static int check(const struct ringline_inotify *n, const char *call)
{
	int r;

	if (!n)
		return -EINVAL;
	if (!rln_exec_get(call))
		return rln_not_here();
	r = rln_exec_check_handle(&rln_io_current()->inotifies, &n->slot, call);
	return r == 0 && n->closing ? -EBADF : r;
}

/* Life */

static void release(struct ringline_inotify *n)
{
	rln_mem_free(n->events);
	n->events = NULL;
	rln_slab_free(&n->io->inotifies, n);
}

static int open_file(struct ringline_file **ret, struct rln_io *io)
{
	struct rln_file_facts facts = { .stream = true };
	int error = rln_fault(RLN_FAULT_SOCKET);

	facts.fd = error ? -1 : inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (facts.fd < 0)
		return error ? -error : -errno;
	*ret = rln_file_new(io, &facts);
	if (*ret)
		return 0;
	close(facts.fd);
	return -ENOMEM;
}

int ringline_inotify_new(struct ringline_inotify **ret)
{
	struct rln_exec *x = rln_exec_get(__func__);
	struct ringline_inotify *n;
	int r;

	if (!x)
		return rln_not_here();
	if (!ret)
		return -EINVAL;
	n = rln_slab_alloc(&x->io->inotifies);
	if (!n)
		return -ENOMEM;
	n->io = x->io;
	n->at = 0;
	n->len = 0;
	n->busy = false;
	n->closing = false;
	n->events = rln_mem_alloc(EVENTS_SIZE);
	r = n->events ? open_file(&n->file, x->io) : -ENOMEM;
	if (r < 0) {
		release(n);
		return r;
	}
	*ret = n;
	return 0;
}

int ringline_inotify_close(struct ringline_inotify *inotify)
{
	int r = inotify ? check(inotify, __func__) : 0;

	if (r < 0 || !inotify)
		return r;
	inotify->closing = true;
	rln_file_begin_close(inotify->file);
	if (!inotify->busy)
		release(inotify);
	return 0;
}

int ringline_inotify_fd(const struct ringline_inotify *inotify)
{
	int r = check(inotify, __func__);

	return r < 0 ? r : inotify->file->fd;
}

/* Watches */

static int64_t call_add(struct rln_request *q)
{
	struct rln_path_full full;
	int watch = rln_path_full_begin(&full, q->f.op.fd, q->f.op.ptr);

	if (watch < 0)
		return watch;
	watch = inotify_add_watch(q->f.fd2, full.path, q->f.flags);
	if (watch < 0)
		watch = -errno;
	rln_path_full_end(&full);
	return watch;
}

static int prepare_add(struct rln_request *q, struct ringline_inotify *n, struct ringline_file *dir, const char *path,
                       uint32_t mask, const char *call)
{
	int r = check(n, call);

	if (r == 0)
		r = rln_path_prepare(q, RLN_OP_INOTIFY_ADD, dir, path, call);
	if (r < 0)
		return r;
	q->call = call_add;
	rln_request_add_file(q, n->file);
	q->f.fd2 = n->file->fd;
	q->f.flags = mask;
	return 0;
}

int ringline_inotify_add(struct ringline_inotify *inotify, struct ringline_file *dir, const char *path, uint32_t mask)
{
	struct rln_request q;
	int r = prepare_add(&q, inotify, dir, path, mask, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_inotify_add_begin(struct ringline_op **ret, struct ringline_inotify *inotify, struct ringline_file *dir,
                               const char *path, uint32_t mask)
{
	struct rln_request q;
	int r = prepare_add(&q, inotify, dir, path, mask, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

int ringline_inotify_remove(struct ringline_inotify *inotify, int watch)
{
	int r = check(inotify, __func__);

	if (r < 0)
		return r;
	return inotify_rm_watch(inotify->file->fd, watch) < 0 ? -errno : 0;
}

/* Events */

static int hand_out(struct ringline_inotify *n, struct ringline_inotify_event *to)
{
	const struct inotify_event *e = (const struct inotify_event *)(n->events + n->at);
	struct ringline_inotify_event out = {
		.size = sizeof(out),
		.watch = e->wd,
		.mask = e->mask,
		.cookie = e->cookie,
		.length = e->len ? (uint32_t)strlen(e->name) : 0,
		.name = e->len ? e->name : NULL,
	};

	n->at += sizeof(*e) + e->len;
	return rln_sized_out(to, &out, sizeof(out));
}

static int took(struct ringline_inotify *n, ssize_t len)
{
	n->at = 0;
	n->len = len > 0 ? (size_t)len : 0;
	return len > 0 ? 0 : len < 0 ? (int)len : -EIO;
}

/*
 * Waits for events, unless some are left, and unless the scope was cut. The instance may be closed meanwhile, and goes with its
 * last reader.
 */
static int read_event(struct ringline_inotify *n, struct ringline_inotify_event *event)
{
	int r = rln_task_current()->scope->reason;

	n->busy = true;
	if (r == 0 && n->at == n->len)
		r = took(n, ringline_file_read(n->file, n->events, EVENTS_SIZE, RINGLINE_FILE_POSITION));
	n->busy = false;
	if (n->closing) {
		release(n);
		return -EBADF;
	}
	return r < 0 ? r : hand_out(n, event);
}

static int check_read(struct ringline_inotify *n, const struct ringline_inotify_event *event, const char *call)
{
	int r = check(n, call);

	if (r == 0 && (!event || event->size < sizeof(event->size)))
		r = -EINVAL;
	return r == 0 && n->busy ? -EBUSY : r;
}

int ringline_inotify_read(struct ringline_inotify *inotify, struct ringline_inotify_event *event)
{
	struct ringline_task *t;
	int r = check_read(inotify, event, __func__);

	if (r == 0)
		r = rln_task_get_parking(&t, __func__);
	return r < 0 ? r : read_event(inotify, event);
}

struct read_args {
	struct ringline_inotify *inotify;
	struct ringline_inotify_event *event;
};

static int64_t read_steps(void *args)
{
	struct read_args *a = args;
	struct ringline_file *file = a->inotify->file;
	int r = read_event(a->inotify, a->event);

	rln_file_leave(file);
	return r;
}

int ringline_inotify_read_begin(struct ringline_op **ret, struct ringline_inotify *inotify,
                                struct ringline_inotify_event *event)
{
	static const struct rln_steps steps = { .run = read_steps };
	struct read_args a = { .inotify = inotify, .event = event };
	int r = check_read(inotify, event, __func__);

	if (r == 0)
		r = rln_file_begin_steps(ret, &steps, &a, sizeof(a), inotify->file, __func__);
	if (r == 0)
		inotify->busy = true;
	return r;
}

int ringline_inotify_read_nowait(struct ringline_inotify *inotify, struct ringline_inotify_event *event)
{
	int r = check_read(inotify, event, __func__);

	if (r < 0)
		return r;
	if (inotify->at == inotify->len) {
		ssize_t n = read(inotify->file->fd, inotify->events, EVENTS_SIZE);

		r = took(inotify, n < 0 ? -errno : n);
	}
	return r < 0 ? r : hand_out(inotify, event);
}

/* The worker's */

void rln_inotifies_init(struct rln_io *io)
{
	rln_slab_init(&io->inotifies, sizeof(struct ringline_inotify), 64, 0);
}

void rln_inotifies_fini(struct rln_io *io)
{
	struct ringline_inotify *n;
	uint32_t i;

	for (i = 0; (n = rln_slab_at(&io->inotifies, i)); i++)
		if (rln_slot_live(&n->slot))
			rln_mem_free(n->events);
	rln_slab_fini(&io->inotifies);
}
