/* SPDX-License-Identifier: MIT */
/*
 * Running a program to its end, with what it reads and writes.
 *
 * One task does it all: it selects over the pipes and the process. The pipes are read by hand rather than as connections, since
 * what was written before the end must be there at the end, and only reading until there is nothing says so.
 *
 *     spawn --> select: room for input, output, error output, the end --the end--> read what is left --> done
 *                  | a limit, an error, a cut
 *                  +--> kill, wait for the end
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/sigpipe.h"
#include "base/sized.h"
#include "core/task.h"
#include "io/buf.h"
#include "io/process.h"
#include "ringline/fd.h"

#define FIRST_SIZE    4096u
#define PIECE         65536u
#define LIMIT_DEFAULT (UINT64_C(1) << 20)

enum { IN, OUT, ERR, STREAMS };

struct stream {
	int fd;                           /* -1: none, or over */
	int child;                        /* its end; -1: it has it */
	struct ringline_fd_watch *watch;
	const char *input;
	struct rln_buf *block;            /* what was read */
	size_t size;                      /* of the block */
	size_t done;
	uint64_t limit;                   /* of bytes to be read; to be written */
	struct ringline_buf **ret;
};

struct run_args {
	const char *const *argv;
	const void *input;
	size_t len;
	struct ringline_buf **output;
	struct ringline_buf **error;
	struct ringline_process_run_options o;
	struct ringline_process_status *status;
};

struct run {
	struct rln_io *io;
	struct ringline_process *process;
	struct ringline_process_options spawn;
	struct stream stream[STREAMS];
};

/* Streams */

static int open_stream(struct stream *s, bool in)
{
	int error = rln_fault(RLN_FAULT_SOCKET);
	int pair[2];

	if (error || pipe2(pair, O_CLOEXEC) < 0)
		return error ? -error : -errno;
	s->fd = pair[in];
	s->child = pair[!in];
	(void)!fcntl(s->fd, F_SETFL, O_NONBLOCK);
	return ringline_fd_watch_new(&s->watch, s->fd, in ? POLLOUT : POLLIN);
}

static void close_stream(struct stream *s)
{
	if (s->fd >= 0)
		(void)ringline_fd_close(s->fd);
	(void)ringline_fd_watch_free(s->watch);
	s->fd = -1;
	s->watch = NULL;
}

static void close_childs(struct run *r)
{
	int i;

	for (i = 0; i < STREAMS; i++) {
		if (r->stream[i].child >= 0)
			close(r->stream[i].child);
		r->stream[i].child = -1;
	}
}

/* A program need not read what it is sent. */
static int put(struct stream *s)
{
	struct rln_sigpipe guard;
	ssize_t n;

	rln_sigpipe_hold(&guard);
	n = write(s->fd, s->input + s->done, rln_min(s->limit - s->done, (uint64_t)PIECE));
	rln_sigpipe_release(&guard, n < 0 && errno == EPIPE);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : 0;
	s->done += (size_t)n;
	return s->done < s->limit ? -EAGAIN : 0;
}

static int grow(struct run *r, struct stream *s)
{
	size_t size = rln_min(s->size ? 2 * (uint64_t)s->size : FIRST_SIZE, s->limit);
	struct rln_buf *block;

	if (rln_blocks_full(r->io))
		return -ENOBUFS;
	block = rln_block_make(size);
	if (!block)
		return -ENOMEM;
	if (s->block) {
		memcpy(block->mem, s->block->mem, s->done);
		rln_block_discard(s->block);
	}
	s->block = block;
	s->size = size;
	return 0;
}

/* At the limit, only the end may come. */
static int expect_end(const struct stream *s)
{
	char one;
	ssize_t n = read(s->fd, &one, 1);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : -errno;
	return n ? -ENOBUFS : 0;
}

/* 0 at the end; -EAGAIN: there is nothing just now. 1: there may be more. */
static int get(struct run *r, struct stream *s)
{
	int error = 0;
	ssize_t n;

	if (s->done == s->limit)
		return expect_end(s);
	if (s->done == s->size)
		error = grow(r, s);
	if (error < 0)
		return error;
	n = read(s->fd, s->block->mem + s->done, s->size - s->done);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : -errno;
	s->done += (size_t)n;
	return n > 0;
}

/* The bytes as a buffer of the caller's. */
static int hand_over(struct run *r, struct stream *s)
{
	if (!s->done) {
		if (s->block)
			rln_block_discard(s->block);
		s->block = NULL;
		return 0;
	}
	rln_block_adopt(r->io, s->block);
	*s->ret = rln_buf_handle_new(r->io, s->block, s->block->mem, s->done);
	if (!*s->ret)
		rln_buf_unref(s->block);
	s->block = NULL;
	return *s->ret ? 0 : -ENOMEM;
}

/* Beginning */

static int open_streams(struct run *r, const struct run_args *a)
{
	struct stream *s = r->stream;
	int e = 0;

	s[IN].input = a->input;
	s[IN].limit = a->len;
	s[OUT].ret = a->output;
	s[OUT].limit = a->o.output_limit ? a->o.output_limit : LIMIT_DEFAULT;
	s[ERR].ret = a->error;
	s[ERR].limit = a->o.error_limit ? a->o.error_limit : LIMIT_DEFAULT;
	if (a->len)
		e = open_stream(&s[IN], true);
	if (e == 0 && a->output)
		e = open_stream(&s[OUT], false);
	if (e == 0 && a->error)
		e = open_stream(&s[ERR], false);
	return e;
}

static struct ringline_process_fd *at(void *fds, size_t i, size_t size)
{
	return (struct ringline_process_fd *)(void *)((char *)fds + i * size);
}

/* What the run itself says of a descriptor; false: it is left to the options. */
static bool own_entry(struct ringline_process_fd *e, const struct run *r, int32_t target, bool asked)
{
	e->target = target;
	if (target >= STREAMS)
		return false;
	e->kind = r->stream[target].child >= 0 ? RINGLINE_PROCESS_FD : RINGLINE_PROCESS_NULL;
	e->fd = r->stream[target].child;
	return r->stream[target].child >= 0 || (target == IN && !asked);
}

static bool names(const struct ringline_process_options *o, size_t size, int32_t target)
{
	size_t i;

	for (i = 0; i < o->nfds; i++)
		if (at((void *)o->fds, i, size)->target == target)
			return true;
	return false;
}

/* The options' entries, with those of the run in their place. */
static size_t merge(void *to, const struct run *r, size_t size)
{
	const struct ringline_process_options *o = &r->spawn;
	struct ringline_process_fd own;
	size_t n = 0;
	size_t i;

	for (i = 0; i < o->nfds; i++) {
		struct ringline_process_fd *e = at((void *)o->fds, i, size);

		if (!own_entry(&own, r, e->target, true))
			memcpy(at(to, n++, size), e, size);
	}
	for (i = 0; i < STREAMS; i++)
		if (own_entry(at(to, n, size), r, (int32_t)i, names(o, size, (int32_t)i)))
			n++;
	return n;
}

/* Connections would be nobody's when the run is over. */
static bool has_conns(const struct ringline_process_options *o, size_t size)
{
	size_t i;

	for (i = 0; i < o->nfds; i++)
		if (at((void *)o->fds, i, size)->conn)
			return true;
	return false;
}

static int spawn(struct run *r, const struct run_args *a)
{
	size_t size = r->spawn.fd_size ? r->spawn.fd_size : sizeof(struct ringline_process_fd);
	void *fds;
	int e;

	if (size < sizeof(struct ringline_process_fd) || (r->spawn.nfds && !r->spawn.fds) || has_conns(&r->spawn, size))
		return -EINVAL;
	fds = rln_mem_zalloc((r->spawn.nfds + STREAMS) * size);
	if (!fds)
		return -ENOMEM;
	r->spawn.nfds = merge(fds, r, size);
	r->spawn.fds = fds;
	r->spawn.fd_size = size;
	e = ringline_process_spawn(&r->process, a->argv, &r->spawn);
	close_childs(r);
	rln_mem_free(fds);
	return e;
}

/* Under way */

static void fill_cases(const struct run *r, struct ringline_case *c)
{
	int i;

	for (i = 0; i < STREAMS; i++)
		c[i] = (struct ringline_case){ .kind = r->stream[i].watch ? RINGLINE_CASE_FD : RINGLINE_CASE_NONE,
		                               .object = r->stream[i].watch };
	c[STREAMS] = (struct ringline_case){ .kind = RINGLINE_CASE_PROCESS, .object = r->process };
}

/* 0 or what ends it. */
static int serve(struct run *r, int which)
{
	struct stream *s = &r->stream[which];
	int e = which == IN ? put(s) : get(r, s);

	if (e == 0)
		close_stream(s);
	return e == -EAGAIN || e > 0 ? 0 : e;
}

static int run_until_end(struct run *r)
{
	struct ringline_case c[STREAMS + 1];
	ssize_t which;
	int e;

	do {
		fill_cases(r, c);
		which = ringline_select(c, STREAMS + 1, sizeof(*c), 0);
		e = which < 0 ? (int)which : which < STREAMS ? serve(r, (int)which) : 0;
	} while (e == 0 && which < STREAMS);
	return e;
}

static int read_rest(struct run *r)
{
	int e = 0;
	int i;

	for (i = OUT; e == 0 && i < STREAMS; i++) {
		while (r->stream[i].fd >= 0 && (e = get(r, &r->stream[i])) > 0)
			;
		e = e == -EAGAIN ? 0 : e;
	}
	return e;
}

/* The process with its group and its cgroup. False: it may not be killed by this one, and goes on. */
static bool kill_all(struct run *r)
{
	int e = ringline_process_kill(r->process, SIGKILL);

	if (r->process->leads)
		(void)ringline_process_kill_group(r->process, SIGKILL);
	if (r->process->cgroup >= 0)
		(void)ringline_process_kill_tree(r->process);
	return e == 0 || e == -ESRCH;
}

static int finish(struct run *r, const struct run_args *a, int e)
{
	int i;

	if (e == 0 || kill_all(r))
		rln_process_await_end(r->process);
	if (a->status)
		(void)!rln_sized_out(a->status, &r->process->status, sizeof(r->process->status));
	(void)ringline_process_close(r->process);
	if (e == 0)
		e = read_rest(r);
	for (i = OUT; i < STREAMS; i++)
		if (r->stream[i].ret && hand_over(r, &r->stream[i]) < 0)
			e = -ENOMEM;
	return e;
}

static int run(struct run *r, const struct run_args *a)
{
	int e = open_streams(r, a);

	if (e == 0)
		e = spawn(r, a);
	return e < 0 ? e : finish(r, a, run_until_end(r));
}

static int64_t run_steps(void *arg)
{
	const struct run_args *a = arg;
	struct run r = { .io = rln_io_current() };
	int i;
	int e;

	for (i = 0; i < STREAMS; i++)
		r.stream[i].fd = r.stream[i].child = -1;
	if (a->output)
		*a->output = NULL;
	if (a->error)
		*a->error = NULL;
	e = rln_sized_in(&r.spawn, sizeof(r.spawn), a->o.process);
	if (e == 0)
		e = run(&r, a);
	close_childs(&r);
	for (i = 0; i < STREAMS; i++)
		close_stream(&r.stream[i]);
	return e;
}

/* The calls */

static int read_args(struct run_args *a, const struct ringline_process_run_options *options)
{
	int r = rln_sized_in(&a->o, sizeof(a->o), options);

	if (r < 0)
		return r;
	if (!a->argv || (a->len && !a->input) || (a->status && a->status->size < sizeof(a->status->size)))
		return -EINVAL;
	return a->o.output_limit > SIZE_MAX / 4 || a->o.error_limit > SIZE_MAX / 4 ? -EINVAL : 0;
}

int ringline_process_run(const char *const *argv, const void *input, size_t len, struct ringline_buf **output,
                         struct ringline_buf **error, const struct ringline_process_run_options *options,
                         struct ringline_process_status *status)
{
	struct run_args a = { .argv = argv, .input = input, .len = len, .output = output, .error = error, .status = status };
	struct ringline_task *t;
	int r = rln_task_get_parking(&t, __func__);

	if (r == 0)
		r = read_args(&a, options);
	return r < 0 ? r : (int)run_steps(&a);
}

static void dispose(void *args, int64_t result)
{
	const struct run_args *a = args;

	(void)result;
	if (a->output)
		(void)ringline_buf_unref(*a->output);
	if (a->error)
		(void)ringline_buf_unref(*a->error);
}

int ringline_process_run_begin(struct ringline_op **ret, const char *const *argv, const void *input, size_t len,
                               struct ringline_buf **output, struct ringline_buf **error,
                               const struct ringline_process_run_options *options, struct ringline_process_status *status)
{
	static const struct rln_steps steps = { .run = run_steps, .dispose = dispose };
	struct run_args a = { .argv = argv, .input = input, .len = len, .output = output, .error = error, .status = status };
	int r = ret ? read_args(&a, options) : -EINVAL;

	if (r == 0 && !rln_task_get(__func__))
		r = rln_not_here();
	return r < 0 ? r : rln_handle_steps(ret, &steps, &a, sizeof(a));
}
