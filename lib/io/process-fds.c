/* SPDX-License-Identifier: MIT */
/*
 * What a process gets as its descriptors.
 *
 * Each entry of the options becomes a move, from a descriptor of ours to a number of the child's. Pipes, sockets and the terminal
 * are made on the worker, since their other ends become connections; files are opened on the thread, which may wait. The
 * moves are sorted by their targets; the child gets them out of each other's way (process-child.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fault.h"
#include "io/process.h"
#include "ringline/conn.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

static const struct ringline_process_fd *entry(const struct rln_process_plan *p, uint32_t i)
{
	return (const struct ringline_process_fd *)(const void *)((const char *)p->o.fds + i * p->o.fd_size);
}

/* Checking */

static bool zero_behind(const struct rln_process_plan *p, uint32_t i)
{
	const unsigned char *e = (const unsigned char *)entry(p, i);
	size_t at;

	for (at = sizeof(struct ringline_process_fd); at < p->o.fd_size; at++)
		if (e[at])
			return false;
	return true;
}

static bool has_peer(uint32_t kind)
{
	return kind == RINGLINE_PROCESS_PIPE_IN || kind == RINGLINE_PROCESS_PIPE_OUT || kind == RINGLINE_PROCESS_SOCKET;
}

static int check_entry(const struct rln_process_plan *p, uint32_t i)
{
	const struct ringline_process_fd *e = entry(p, i);

	if (!zero_behind(p, i))
		return -E2BIG;
	if (e->target < 0 || e->kind > RINGLINE_PROCESS_PTY || e->reserved)
		return -EINVAL;
	if (e->kind == RINGLINE_PROCESS_FILE ? !e->path : e->path != NULL)
		return -EINVAL;
	if (has_peer(e->kind) ? !e->conn : e->conn && e->kind != RINGLINE_PROCESS_PTY)
		return -EINVAL;
	if (e->kind == RINGLINE_PROCESS_SAME && e->fd == e->target)
		return -EINVAL;
	return (e->kind == RINGLINE_PROCESS_FD || e->kind == RINGLINE_PROCESS_SAME) && e->fd < 0 ? -EBADF : 0;
}

/* Do two entries contradict each other? A target is named once, and nothing is the same as what is itself the same as another. */
static bool clash(const struct ringline_process_fd *a, const struct ringline_process_fd *b)
{
	return a->target == b->target ||
	       (a->kind == RINGLINE_PROCESS_SAME && b->kind == RINGLINE_PROCESS_SAME &&
	        (a->fd == b->target || b->fd == a->target));
}

/* A terminal has one master. */
static int check_together(const struct rln_process_plan *p)
{
	uint32_t terminals = 0;
	uint32_t masters = 0;
	uint32_t i;
	uint32_t k;

	for (i = 0; i < p->nmoves; i++) {
		terminals += entry(p, i)->kind == RINGLINE_PROCESS_PTY;
		masters += entry(p, i)->kind == RINGLINE_PROCESS_PTY && entry(p, i)->conn;
		for (k = 0; k < i; k++)
			if (clash(entry(p, k), entry(p, i)))
				return -EINVAL;
	}
	return masters == (terminals > 0) ? 0 : -EINVAL;
}

int rln_process_fds_check(const struct rln_process_plan *p)
{
	int r = 0;
	uint32_t i;

	for (i = 0; r == 0 && i < p->nmoves; i++)
		r = check_entry(p, i);
	return r == 0 ? check_together(p) : r;
}

/* On the worker: what has another end */

static int adopt(struct ringline_conn **ret, int fd)
{
	int r = ringline_conn_from_fd(ret, fd);

	if (r < 0)
		close(fd);
	return r;
}

/* ends[0] is the child's. */
static int make_ends(int ends[2], uint32_t kind)
{
	int error = rln_fault(RLN_FAULT_SOCKET);
	int pair[2];

	if (error)
		return -error;
	if (kind == RINGLINE_PROCESS_SOCKET)
		return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ? -errno : 0;
	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	ends[0] = pair[kind == RINGLINE_PROCESS_PIPE_OUT];
	ends[1] = pair[kind == RINGLINE_PROCESS_PIPE_IN];
	return 0;
}

static int make_pair(struct rln_process_plan *p, uint32_t i)
{
	int ends[2];
	int r = make_ends(ends, entry(p, i)->kind);

	if (r < 0)
		return r;
	p->opened[i] = ends[0];
	p->moves[i].from = ends[0];
	return adopt(&p->conns[i], ends[1]);
}

static int open_terminal(struct rln_process_plan *p, int master)
{
	struct winsize size = { .ws_row = p->o.rows, .ws_col = p->o.columns };
	int unlocked = 0;

	if (ioctl(master, TIOCSPTLCK, &unlocked) < 0)
		return -errno;
	if ((size.ws_row || size.ws_col) && ioctl(master, TIOCSWINSZ, &size) < 0)
		return -errno;
	p->slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	return p->slave < 0 ? -errno : 0;
}

static int make_terminal(struct rln_process_plan *p, uint32_t i)
{
	int error = rln_fault(RLN_FAULT_SOCKET);
	int master = error ? -1 : open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	int r;

	if (master < 0)
		return error ? -error : -errno;
	r = open_terminal(p, master);
	if (r == 0)
		return adopt(&p->conns[i], master);
	close(master);
	return r;
}

static int make_other_end(struct rln_process_plan *p, uint32_t i)
{
	const struct ringline_process_fd *e = entry(p, i);

	if (has_peer(e->kind)) {
		p->stage = RINGLINE_PROCESS_STAGE_PIPE;
		return make_pair(p, i);
	}
	if (e->kind == RINGLINE_PROCESS_PTY && e->conn) {
		p->stage = RINGLINE_PROCESS_STAGE_PTY;
		return make_terminal(p, i);
	}
	return 0;
}

/* Its terminal, or what it has as descriptor 0. */
static int choose_tty(const struct rln_process_plan *p)
{
	uint32_t i;

	if (!(p->o.flags & RINGLINE_PROCESS_CONTROLLING_TTY))
		return -1;
	for (i = 0; i < p->nmoves; i++)
		if (entry(p, i)->kind == RINGLINE_PROCESS_PTY)
			return entry(p, i)->target;
	return STDIN_FILENO;
}

int rln_process_fds_prepare(struct rln_process_plan *p)
{
	int r = 0;
	uint32_t i;

	p->top = STDERR_FILENO + 1;
	for (i = 0; r == 0 && i < p->nmoves; i++) {
		p->moves[i].to = entry(p, i)->target;
		if (p->moves[i].to < INT32_MAX)   /* which no limit allows: putting something there fails */
			p->top = rln_max(p->top, p->moves[i].to + 1);
		r = make_other_end(p, i);
	}
	p->tty = choose_tty(p);
	return r;
}

/* On the thread */

static int open_null(struct rln_process_plan *p)
{
	int error = rln_fault(RLN_FAULT_OPEN);

	if (p->null < 0 && !error)
		p->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	return p->null >= 0 ? p->null : error ? -error : -errno;
}

static int open_file(struct rln_process_plan *p, uint32_t i)
{
	const struct ringline_process_fd *e = entry(p, i);
	int error = rln_fault(RLN_FAULT_OPEN);

	do
		p->opened[i] = error ? -1 : open(e->path, e->flags | O_CLOEXEC | O_NOCTTY, (mode_t)e->mode);
	while (p->opened[i] < 0 && !error && errno == EINTR && !atomic_load(&p->cut));
	return p->opened[i] >= 0 ? p->opened[i] : error ? -error : -errno;
}

static int from_of(struct rln_process_plan *p, uint32_t i)
{
	const struct ringline_process_fd *e = entry(p, i);

	switch (e->kind) {
	case RINGLINE_PROCESS_INHERIT:
		return e->target;
	case RINGLINE_PROCESS_NULL:
		return open_null(p);
	case RINGLINE_PROCESS_FILE:
		return open_file(p, i);
	case RINGLINE_PROCESS_PTY:
		return p->slave;
	case RINGLINE_PROCESS_FD:
	case RINGLINE_PROCESS_SAME:
		return e->fd;
	default:
		return p->opened[i];
	}
}

/* What is the same as another is so when the others are known. */
static void resolve_same(struct rln_process_plan *p)
{
	uint32_t i;
	uint32_t k;

	for (i = 0; i < p->nmoves; i++)
		for (k = 0; entry(p, i)->kind == RINGLINE_PROCESS_SAME && k < p->nmoves; k++)
			if (entry(p, k)->target == entry(p, i)->fd)
				p->moves[i].from = p->moves[k].from;
}

static int by_target(const void *a, const void *b)
{
	const struct rln_process_move *x = a;
	const struct rln_process_move *y = b;

	return (x->to > y->to) - (x->to < y->to);
}

int rln_process_fds_open(struct rln_process_plan *p)
{
	uint32_t i;
	int fd;

	p->stage = RINGLINE_PROCESS_STAGE_FILE;
	for (i = 0; i < p->nmoves; i++) {
		fd = atomic_load(&p->cut) ? -ECANCELED : from_of(p, i);
		if (fd < 0)
			return fd;
		p->moves[i] = (struct rln_process_move){ .from = fd, .to = entry(p, i)->target };
	}
	resolve_same(p);
	qsort(p->moves, p->nmoves, sizeof(*p->moves), by_target);
	return 0;
}

/* In the end */

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void rln_process_fds_close(struct rln_process_plan *p)
{
	uint32_t i;

	for (i = 0; i < p->nmoves; i++)
		close_one(&p->opened[i]);
	close_one(&p->null);
	close_one(&p->slave);
}

void rln_process_conns_keep(struct rln_process_plan *p)
{
	uint32_t i;

	for (i = 0; i < p->nmoves; i++) {
		if (p->conns[i])
			*entry(p, i)->conn = p->conns[i];
		p->conns[i] = NULL;
	}
}

void rln_process_conns_drop(struct rln_process_plan *p)
{
	uint32_t i;

	for (i = 0; i < p->nmoves; i++) {
		if (p->conns[i])
			(void)ringline_conn_abort(p->conns[i]);
		p->conns[i] = NULL;
	}
}
