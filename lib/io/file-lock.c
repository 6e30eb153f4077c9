/* SPDX-License-Identifier: MIT */
/*
 * Locks of open files (fcntl(2), F_OFD_*).
 *
 * One that is free is taken by the worker at once. One that is not is waited for by a thread of its own, since nothing else in
 * Linux waits for a lock and can be told to stop: a thread can, by pthread_cancel(). The thread looks once more when it is told,
 * so that a lock it was given at that very moment is not left behind:
 *
 *     WAITING --granted, or an error--> the result's message
 *        | cut: pthread_cancel()
 *        +--> tries without waiting: has it: 0; has it not: -ECANCELED --> the result's message
 *
 * The worker joins the thread when the message arrives. The close of the file is a cut, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unwind.h>

#include "base/fault.h"
#include "core/executor.h"
#include "core/waker.h"
#include "io/file.h"

#define THREADS_MAX 256u      /* that wait for locks, per worker */
#define STACK_SIZE  (128u * 1024)

struct lock_wait {
	struct rln_msg msg;
	struct rln_list link;     /* ringline_file.lock_waits */
	bool cancelled;
	struct rln_exec *exec;
	pthread_t thread;
	int fd;
	struct flock lock;
	int result;
	struct rln_wait wait;
};

/*
 * pthread_cancel() looks for the unwinder when it is called first, and ends the program if it is not to be found: after a
 * chroot(2), for example. Something of it is named here, so that it is loaded together with this library.
 */
static _Unwind_Reason_Code (*const unwinder)(struct _Unwind_Exception *e, _Unwind_Stop_Fn stop, void *arg)
	__attribute__((used)) = _Unwind_ForcedUnwind;

/* On the thread */

static int lock_error(void)
{
	return errno == EACCES ? -EAGAIN : -errno;
}

/* The last thing the thread does. The task that waits keeps the worker from ending before. */
static void tell(struct lock_wait *w)
{
	struct rln_exec *x = w->exec;

	if (!rln_exec_enter(x))
		return;
	if (rln_exec_post(x, &w->msg, true) < 0)
		__builtin_unreachable();  /* urgent messages are never refused */
	rln_exec_leave(x);
}

static void cancelled(void *arg)
{
	struct lock_wait *w = arg;

	w->result = fcntl(w->fd, F_OFD_SETLK, &w->lock) == 0 ? 0 : -ECANCELED;
	tell(w);
}

static void *wait_main(void *arg)
{
	struct lock_wait *w = arg;
	int r;
	int old;

	pthread_cleanup_push(cancelled, w);
	do
		r = fcntl(w->fd, F_OFD_SETLKW, &w->lock) == 0 ? 0 : lock_error();
	while (r == -EINTR);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	w->result = r;
	pthread_cleanup_pop(0);
	tell(w);
	return NULL;
}

/* On the worker */

static void told(struct rln_msg *m, struct rln_exec *x)
{
	struct lock_wait *w = rln_container_of(m, struct lock_wait, msg);

	if (x)
		rln_wait_fire(&w->wait, 0);
}

static int create(struct lock_wait *w)
{
	int r = rln_fault(RLN_FAULT_THREAD);
	pthread_attr_t attr;
	sigset_t all;
	sigset_t old;

	if (r)
		return -r;
	if (pthread_attr_init(&attr))
		return -ENOMEM;
	pthread_attr_setstacksize(&attr, rln_max((size_t)STACK_SIZE, (size_t)PTHREAD_STACK_MIN));
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&w->thread, &attr, wait_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return r == ENOMEM ? -ENOMEM : -r;
}

static void describe(const void *object, char *text, size_t size)
{
	const struct lock_wait *w = object;

	snprintf(text, size, "fd %d, from %lld", w->fd, (long long)w->lock.l_start);
}

static const struct rln_what what_lock = { .name = "lock of a file", .describe = describe };

static void interrupt(struct lock_wait *w)
{
	if (!w->cancelled)
		pthread_cancel(w->thread);
	w->cancelled = true;
}

void rln_file_cancel_lock_waits(struct ringline_file *file)
{
	struct rln_list *it;

	rln_list_for_each (it, &file->lock_waits)
		interrupt(rln_list_entry(it, struct lock_wait, link));
}

static int wait_for(struct lock_wait *w, struct ringline_file *file, struct ringline_task *t)
{
	struct rln_parker p;
	int r;

	w->msg.deliver = told;
	w->exec = rln_exec_current;
	rln_parker_init(&p, t, &what_lock, w);
	rln_wait_arm(&w->wait, &p, NULL);
	r = create(w);
	if (r < 0)
		return r;
	rln_list_init(&w->link);
	rln_list_add_tail(&file->lock_waits, &w->link);
	r = rln_park(&p);
	if (r < 0) {
		interrupt(w);
		rln_park_shielded(&p);
	}
	rln_list_del(&w->link);
	pthread_join(w->thread, NULL);
	if (w->result != -ECANCELED)
		return w->result;
	return r < 0 ? r : -EBADF;        /* the file is being closed */
}

static int wait_on_thread(struct ringline_file *file, const struct flock *lock)
{
	struct lock_wait w = { .fd = file->fd, .lock = *lock };
	struct rln_io *io = file->io;
	int r;

	if (io->nlock_waits >= THREADS_MAX)
		return -EAGAIN;
	io->nlock_waits++;
	r = wait_for(&w, file, rln_task_current());
	rln_stat_add(&io->exec->stats.completions[RLN_OP_LOCK][RLN_ENGINE_POOL], 1);
	io->nlock_waits--;
	return r;
}

/* Requests that do not wait */

static int read_range(struct flock *lock, short type, uint64_t offset, uint64_t len)
{
	if (offset > INT64_MAX || len > INT64_MAX - offset)
		return -EINVAL;
	*lock = (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)offset, .l_len = (off_t)len };
	return 0;
}

static int prepare(struct rln_request *q, struct ringline_file *file, short type, uint64_t offset, uint64_t len,
                   const char *call)
{
	int r = rln_file_check(file, call);

	if (r == 0)
		r = read_range(&q->u.lock, type, offset, len);
	if (r < 0)
		return r;
	rln_request_init(q, RLN_OP_LOCK, file);
	q->given = sizeof(q->u.lock);
	q->call = rln_request_call_lock;
	q->flags |= RLN_REQUEST_INLINE;
	return 0;
}

static int type_of(uint32_t type)
{
	return type == RINGLINE_LOCK_SHARED ? F_RDLCK : type == RINGLINE_LOCK_EXCLUSIVE ? F_WRLCK : -EINVAL;
}

static int prepare_try(struct rln_request *q, struct ringline_file *file, uint32_t type, uint64_t offset, uint64_t len,
                       const char *call)
{
	int l_type = type_of(type);

	return l_type < 0 ? l_type : prepare(q, file, (short)l_type, offset, len, call);
}

int ringline_file_try_lock(struct ringline_file *file, uint32_t type, uint64_t offset, uint64_t len)
{
	struct rln_request q;
	int r = prepare_try(&q, file, type, offset, len, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_file_try_lock_begin(struct ringline_op **ret, struct ringline_file *file, uint32_t type, uint64_t offset,
                                 uint64_t len)
{
	struct rln_request q;
	int r = prepare_try(&q, file, type, offset, len, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

/* What cleans up behind a cut must not be cut itself. */
int ringline_file_unlock(struct ringline_file *file, uint64_t offset, uint64_t len)
{
	struct rln_request q;
	int r = prepare(&q, file, F_UNLCK, offset, len, __func__);

	if (r == 0)
		q.flags |= RLN_REQUEST_SHIELDED;
	return (int)rln_request_run(&q, r, __func__);
}

int ringline_file_unlock_begin(struct ringline_op **ret, struct ringline_file *file, uint64_t offset, uint64_t len)
{
	struct rln_request q;
	int r = prepare(&q, file, F_UNLCK, offset, len, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

/* The one that waits */

int ringline_file_lock(struct ringline_file *file, uint32_t type, uint64_t offset, uint64_t len)
{
	struct rln_request q;
	int r = prepare_try(&q, file, type, offset, len, __func__);

	if (r < 0)
		return r;
	rln_file_enter(file);     /* it may be closed between the two */
	r = (int)rln_request_run(&q, 0, __func__);
	if (r == -EAGAIN)
		r = file->closing ? -EBADF : wait_on_thread(file, &q.u.lock);
	rln_file_leave(file);
	return r;
}

struct lock_args {
	struct ringline_file *file;
	uint32_t type;
	uint64_t offset;
	uint64_t len;
};

static int64_t lock_steps(void *args)
{
	struct lock_args *a = args;
	int r = ringline_file_lock(a->file, a->type, a->offset, a->len);

	rln_file_leave(a->file);
	return r;
}

int ringline_file_lock_begin(struct ringline_op **ret, struct ringline_file *file, uint32_t type, uint64_t offset,
                             uint64_t len)
{
	static const struct rln_steps steps = { .run = lock_steps };
	struct lock_args a = { .file = file, .type = type, .offset = offset, .len = len };
	struct flock ignored;
	int r = rln_file_check(file, __func__);

	if (r == 0)
		r = type_of(type) < 0 ? -EINVAL : read_range(&ignored, F_RDLCK, offset, len);
	return r < 0 ? r : rln_file_begin_steps(ret, &steps, &a, sizeof(a), file, __func__);
}
