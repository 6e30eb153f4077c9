/* SPDX-License-Identifier: MIT */
/* Empty pipes of a worker, for splice(2): a few are kept, so that a burst of bytes does not cost two descriptors anew. */
#ifndef RLN_IO_PIPES_H
#define RLN_IO_PIPES_H

#include "base/list.h"
#include "io/io.h"

struct rln_pipe {
	struct rln_list link;             /* rln_io.pipes */
	int fd[2];                        /* to read from, to write to; non-blocking */
};

/* NULL: no descriptors, or no memory. */
struct rln_pipe *rln_pipe_get(struct rln_io *io) rln_must_check;

/* Back, empty; or for good, with what is in it. */
void rln_pipe_put(struct rln_io *io, struct rln_pipe *p);
void rln_pipe_drop(struct rln_io *io, struct rln_pipe *p);

void rln_pipes_init(struct rln_io *io);
void rln_pipes_fini(struct rln_io *io);

#endif
