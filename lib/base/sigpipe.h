/* SPDX-License-Identifier: MIT */
/*
 * No SIGPIPE of our making reaches the host.
 *
 * Calls that know no MSG_NOSIGNAL (write, splice, sendfile) are made between hold and release: the signal is blocked, one
 * that the call raised is taken, and the thread's mask is what it was. A thread on which it is blocked anyway, like the
 * library's own, says so once and pays nothing.
 */
#ifndef RLN_BASE_SIGPIPE_H
#define RLN_BASE_SIGPIPE_H

#include <signal.h>

#include "base/compiler.h"

struct rln_sigpipe {
	sigset_t old;
	bool ours;                        /* it was not blocked before */
};

/* The calling thread has the signal blocked for good. */
void rln_sigpipe_blocked(void);

/* Keeps errno. *raised*: the call in between failed with EPIPE. */
void rln_sigpipe_hold(struct rln_sigpipe *s);
void rln_sigpipe_release(struct rln_sigpipe *s, bool raised);

#endif
