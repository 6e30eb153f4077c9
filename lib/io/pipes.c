/* SPDX-License-Identifier: MIT */
/* A worker's pipes; pipes.h. */
#include <fcntl.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "io/pipes.h"

#define KEPT_MAX  8u
#define PIPE_SIZE (1024 * 1024)           /* asked for; a user near his limit of pipe memory gets less */

static struct rln_pipe *pipe_new(void)
{
	struct rln_pipe *p = rln_fault(RLN_FAULT_SOCKET) ? NULL : rln_mem_alloc(sizeof(*p));

	if (!p)
		return NULL;
	if (pipe2(p->fd, O_CLOEXEC | O_NONBLOCK) < 0) {
		rln_mem_free(p);
		return NULL;
	}
	fcntl(p->fd[0], F_SETPIPE_SZ, PIPE_SIZE);
	rln_list_init(&p->link);
	return p;
}

struct rln_pipe *rln_pipe_get(struct rln_io *io)
{
	struct rln_list *node = rln_list_pop(&io->pipes);

	if (!node)
		return pipe_new();
	io->npipes--;
	return rln_list_entry(node, struct rln_pipe, link);
}

void rln_pipe_put(struct rln_io *io, struct rln_pipe *p)
{
	if (io->npipes >= KEPT_MAX) {
		rln_pipe_drop(io, p);
		return;
	}
	io->npipes++;
	rln_list_add_head(&io->pipes, &p->link);
}

void rln_pipe_drop(struct rln_io *io, struct rln_pipe *p)
{
	close(p->fd[0]);
	close(p->fd[1]);
	rln_mem_free(p);
	rln_io_descriptor_freed(io);
}

void rln_pipes_init(struct rln_io *io)
{
	rln_list_init(&io->pipes);
}

void rln_pipes_fini(struct rln_io *io)
{
	struct rln_list *node;

	while ((node = rln_list_pop(&io->pipes))) {
		struct rln_pipe *p = rln_list_entry(node, struct rln_pipe, link);

		close(p->fd[0]);
		close(p->fd[1]);
		rln_mem_free(p);
	}
}
