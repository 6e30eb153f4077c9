/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that come and go with the bytes of a unix socket (SCM_RIGHTS, unix(7)).
 *
 * A connection that wants descriptors receives by recvmsg(2) into blocks of its own; those that came wait in a bounded queue
 * until they are taken, in the order in which they came. What nobody wanted, or nobody took, is closed.
 */
#ifndef RLN_IO_CONN_FDS_H
#define RLN_IO_CONN_FDS_H

#include "io/conn-extra.h"

/* At most *max* wait; 0: none is wanted any more. 0, -ENOMEM, -EOPNOTSUPP (no unix socket). */
int rln_conn_want_fds(struct ringline_conn *c, uint32_t max) rln_must_check;
uint32_t rln_conn_fds_wanted(const struct ringline_conn *c);

static inline bool rln_conn_wants_fds(const struct ringline_conn *c)
{
	return rln_unlikely(c->extra && c->extra->fds);
}

/* Starts a receive. False: there is no memory. */
bool rln_conn_fds_receive(struct ringline_conn *c);

/* What it brought: fills buf (a reference) and data of a completion with *res* bytes, and keeps the descriptors. */
void rln_conn_fds_received(struct ringline_conn *c, struct rln_completion *done);

void rln_conn_fds_free(struct ringline_conn *c);

#endif
