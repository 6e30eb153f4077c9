/* SPDX-License-Identifier: MIT */
/* The exchange of signals; signals.h tells the idea. */
#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/lock.h"
#include "base/signals.h"

#define BATCH 8

static struct rln_lock lock = RLN_LOCK_INIT;
static struct rln_list listeners = { &listeners, &listeners };
static _Atomic pid_t owner;               /* the process whose listeners these are */

/* A child of fork() has none: its parent's are not to be told, and nobody holds the lock. */
static void forget_the_parent(void)
{
	pid_t self = getpid();

	if (atomic_load_explicit(&owner, memory_order_relaxed) == self)
		return;
	if (atomic_exchange(&owner, self) == 0)
		return;
	rln_lock_init(&lock);
	rln_list_init(&listeners);
}

void rln_signals_lock(void)
{
	rln_lock(&lock);
}

void rln_signals_unlock(void)
{
	rln_unlock(&lock);
}

void rln_signals_listen(struct rln_signal_listener *l)
{
	forget_the_parent();
	rln_lock(&lock);
	if (!rln_list_linked(&l->link))
		rln_list_add_tail(&listeners, &l->link);
	rln_unlock(&lock);
}

void rln_signals_leave(struct rln_signal_listener *l)
{
	rln_lock(&lock);
	rln_list_del(&l->link);
	rln_unlock(&lock);
}

int rln_signals_open(int fd, const sigset_t *set)
{
	int error = fd < 0 ? rln_fault(RLN_FAULT_SIGNALFD) : 0;

	if (error)
		return -error;
	fd = signalfd(fd, set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static void tell(const struct signalfd_siginfo *info)
{
	struct rln_list *it;

	rln_list_for_each (it, &listeners) {
		struct rln_signal_listener *l = rln_list_entry(it, struct rln_signal_listener, link);

		if (sigismember(&l->set, (int)info->ssi_signo) == 1)
			l->hear(l, info);
	}
}

void rln_signals_read(int fd)
{
	struct signalfd_siginfo info[BATCH];
	ssize_t n;
	size_t i;

	while ((n = read(fd, info, sizeof(info))) > 0) {
		rln_lock(&lock);
		for (i = 0; i < (size_t)n / sizeof(*info); i++)
			tell(&info[i]);
		rln_unlock(&lock);
	}
}
