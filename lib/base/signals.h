/* SPDX-License-Identifier: MIT */
/*
 * Signals of the process, and all who want to hear of them.
 *
 * A signal that is blocked everywhere waits until somebody reads it, and is gone then. So whoever reads one, through a signalfd
 * of its own, tells all the others; it does not matter who that is, nor of which runtime.
 *
 *     listener A, signalfd ---+
 *     listener B, signalfd ---+--- first to read --> hear() of each listener that wants the signal
 *     listener C, signalfd ---+
 *
 * One lock is over the list and over what hear() writes to; hear() runs on any thread, with that lock, and must not wait.
 */
#ifndef RLN_BASE_SIGNALS_H
#define RLN_BASE_SIGNALS_H

#include <signal.h>
#include <sys/signalfd.h>

#include "base/list.h"

struct rln_signal_listener {
	struct rln_list link;
	sigset_t set;
	void (*hear)(struct rln_signal_listener *l, const struct signalfd_siginfo *info);
};

/* The lock. */
void rln_signals_lock(void);
void rln_signals_unlock(void);

/* From now on it hears, with link and hear filled in; and no longer. The set is changed with the lock held. */
void rln_signals_listen(struct rln_signal_listener *l);
void rln_signals_leave(struct rln_signal_listener *l);

/* A signalfd(2) for a set: a new one for -1, or a change of that one. The descriptor, or -errno. */
int rln_signals_open(int fd, const sigset_t *set) rln_must_check;

/* Reads what there is and tells everybody. */
void rln_signals_read(int fd);

#endif
