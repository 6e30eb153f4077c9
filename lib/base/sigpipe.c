/* SPDX-License-Identifier: MIT */
/* Keeping SIGPIPE from the host; sigpipe.h. */
#include <errno.h>
#include <time.h>

#include "base/sigpipe.h"

static __thread bool blocked_for_good;

void rln_sigpipe_blocked(void)
{
	blocked_for_good = true;
}

static void pipe_only(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGPIPE);
}

void rln_sigpipe_hold(struct rln_sigpipe *s)
{
	sigset_t set;

	s->ours = false;
	if (blocked_for_good)
		return;
	pipe_only(&set);
	pthread_sigmask(SIG_BLOCK, &set, &s->old);
	s->ours = !sigismember(&s->old, SIGPIPE);
}

void rln_sigpipe_release(struct rln_sigpipe *s, bool raised)
{
	static const struct timespec now;
	int error = errno;
	sigset_t set;

	if (!s->ours)
		return;
	pipe_only(&set);
	while (raised && sigtimedwait(&set, NULL, &now) < 0 && errno == EINTR)
		;
	pthread_sigmask(SIG_SETMASK, &s->old, NULL);
	errno = error;
}
