/* SPDX-License-Identifier: MIT */
/*
 * Signals as something to wait for.
 *
 *     static const int signals[] = { SIGUSR1, SIGUSR2 };
 *
 *     ringline_signal_block(signals, 2);                   first thing in main()
 *     ...
 *     ringline_signal_new(&sub, signals, 2, NULL);         in a task, on any worker
 *     while (ringline_signal_read(sub, &info) == 0)
 *             ...
 *
 * No handler is installed and nothing is taken unasked. A signal that is to be waited for must be blocked in all threads of
 * the process: the library's are so from their start, the host's are the host's business. Every subscription to a signal hears of
 * it, whichever runtime and worker it is of, and so does ringline_runtime_run(), if the signal is one of its own.
 *
 * A standard signal is queued once in a subscription, as in the kernel; real-time signals are queued as often as they come,
 * up to a limit.
 */
#ifndef RINGLINE_SIGNAL_H
#define RINGLINE_SIGNAL_H

#include <ringline/common.h>

RINGLINE_BEGIN_DECLS

struct ringline_op;
struct ringline_signal;

struct ringline_signal_options {
	size_t size;
	uint32_t queue;                   /* real-time signals that wait to be read, at most 65536; 0: 64 */
	uint32_t reserved;                /* zero */
};

#define RINGLINE_SIGNAL_OPTIONS_INIT { sizeof(struct ringline_signal_options), 0, 0 }

/* What is known of a signal (sigaction(2), siginfo_t); zero where it does not apply. */
struct ringline_signal_info {
	size_t size;
	int32_t signal;                   /* SIG* */
	int32_t code;                     /* SI_USER, SI_QUEUE, CLD_EXITED, ... */
	int32_t error;                    /* errno */
	uint32_t pid;                     /* who sent it */
	uint32_t uid;                     /* the same, real */
	int32_t status;                   /* SIGCHLD: exit code or signal */
	int32_t fd;                       /* SIGIO */
	uint32_t band;                    /* SIGIO */
	uint32_t timer;                   /* SI_TIMER: the kernel's id */
	uint32_t overrun;                 /* SI_TIMER */
	int32_t value_int;                /* SI_QUEUE: what sigqueue(3) sent */
	uint32_t reserved;
	uint64_t value_ptr;               /* the same as a pointer */
	uint64_t user_time;               /* SIGCHLD: clock ticks */
	uint64_t system_time;             /* SIGCHLD: clock ticks */
	uint64_t lost;                    /* signals this subscription had no room for, since the last one was read */
};

#define RINGLINE_SIGNAL_INFO_INIT { sizeof(struct ringline_signal_info), \
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/*
 * Blocks n signals in the calling thread, and so in those that it creates from then on. To be called in main() before any other
 * thread is there. Any thread.
 *
 * Returns 0; -EINVAL (NULL, or a signal that cannot be waited for).
 * Since: 0.1
 */
int ringline_signal_block(const int *signals, size_t n);

/*
 * Subscribes to n signals, on the calling worker. options may be NULL. Never suspends. SIGKILL, SIGSTOP and the signals of faults
 * cannot be waited for.
 *
 * Returns 0; -EINVAL (NULL, no signal, one that cannot be waited for or is not blocked in the calling thread, which is logged),
 * -E2BIG (unknown options), -ENOMEM, -EMFILE, -ENFILE, -EPERM (not on a worker), -ECHILD.
 * Since: 0.1
 */
int ringline_signal_new(struct ringline_signal **ret, const int *signals, size_t n,
                        const struct ringline_signal_options *options) RINGLINE_MUST_CHECK;

/*
 * Waits for the next signal and fills *info, whose size must be set. Of several tasks that wait each signal goes to one.
 * ringline_signal_read_nowait() does not wait. RINGLINE_CASE_SIGNAL of ringline_select() says when there is one.
 *
 * Returns 0; -EAGAIN (nowait: there is none), -EBADF (freed, before or during the wait), -EINVAL, -ETIME, -ECANCELED, -EPERM,
 * -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_signal_read(struct ringline_signal *sub, struct ringline_signal_info *info);
int ringline_signal_read_nowait(struct ringline_signal *sub, struct ringline_signal_info *info);

/*
 * Begins to read as an operation (op.h), whose result is that of ringline_signal_read(). *info must stay valid until it is
 * over. Never suspends.
 *
 * Returns 0; -EBADF, -EINVAL, -ENOMEM, -EAGAIN (the worker's limit of operations is reached), -ETIME, -ECANCELED, -EPERM.
 * Since: 0.1
 */
int ringline_signal_read_begin(struct ringline_op **ret, struct ringline_signal *sub,
                               struct ringline_signal_info *info) RINGLINE_MUST_CHECK;

/*
 * Ends the subscription; who waits gets -EBADF. The signals stay blocked. NULL is allowed.
 *
 * Returns 0; -EBADF (freed already), -EPERM.
 * Since: 0.1
 */
int ringline_signal_free(struct ringline_signal *sub);

RINGLINE_END_DECLS

#endif
