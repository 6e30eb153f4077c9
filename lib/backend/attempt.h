/* SPDX-License-Identifier: MIT */
/*
 * One attempt at one transfer, without ever blocking.
 *
 * Sockets are asked with MSG_DONTWAIT. Other descriptors (pipes, terminals, eventfds) may be shared with processes that
 * do not expect O_NONBLOCK, so that flag is never set on them: they are asked with RWF_NOWAIT, and where the kernel
 * does not know that, with a poll first. What a descriptor is, is found out at the first occasion and kept in its
 * entry.
 *
 * All return what was moved, or -errno: -EAGAIN if the attempt would have blocked, -EINPROGRESS from a connect that has
 * begun; never -EINTR. Every system call is counted.
 */
#ifndef RLN_BACKEND_ATTEMPT_H
#define RLN_BACKEND_ATTEMPT_H

#include "backend/fdtable.h"
#include "core/backend.h"

struct msghdr;

/* A result that only a fault point makes: would block, but no event will come. */
#define RLN_ATTEMPT_LATER (-4096)

/* Asks the kernel what kind of socket it is, unless that is known. */
void rln_attempt_classify(struct rln_backend_stats *stats, struct rln_fdstate *st);

/* *drained*: the read found the end of what there was, so that the next one needs a new event. */
int64_t rln_attempt_recv(struct rln_backend_stats *stats, struct rln_fdstate *st, void *ptr, size_t len, bool *drained);

/* A message of a socket with what came with it; descriptors are close-on-exec. */
int64_t rln_attempt_recvmsg(struct rln_backend_stats *stats, int fd, struct msghdr *msg);

/* Would a read find something, be it the end? */
bool rln_attempt_readable(struct rln_backend_stats *stats, int fd);

/* The rest of a SEND or SENDMSG; moves the op's progress on. *st*: NULL while nothing is known of the descriptor. */
int64_t rln_attempt_send(struct rln_backend_stats *stats, struct rln_fdstate *st, struct rln_op *op);

/* A new descriptor. The network errors of accept(2) that concern one connection only are -ECONNABORTED. */
int rln_attempt_accept(struct rln_backend_stats *stats, int fd);

/* Makes the descriptor non-blocking and begins. */
int rln_attempt_connect(struct rln_backend_stats *stats, const struct rln_op *op);

/* How a connect that was in progress ended: 0 or -errno. */
int rln_attempt_connected(struct rln_backend_stats *stats, int fd);

#endif
