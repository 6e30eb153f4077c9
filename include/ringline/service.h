/* SPDX-License-Identifier: MIT */
/*
 * The service manager: what a daemon tells systemd, or whoever else listens on $NOTIFY_SOCKET (sd_notify(3)).
 *
 * With RINGLINE_CONFIG_SERVICE a runtime speaks for itself: READY=1 when it has started, RELOADING=1 and READY=1 around a reload,
 * STOPPING=1 when it begins to drain, and WATCHDOG=1 as long as every worker answers. The calls below say the rest, or all of it.
 *
 * These variables stay set, as other code may look at them too, but are the daemon's alone: a process that it makes without an
 * environment of its own (process.h) gets none of $NOTIFY_SOCKET, $WATCHDOG_USEC, $WATCHDOG_PID, $LISTEN_FDS, $LISTEN_FDNAMES,
 * $LISTEN_PID, $LISTEN_PIDFDID.
 *
 * Nothing of systemd is linked to. Without a manager the calls do nothing and return 0. None suspends; a manager whose queue is
 * full is not waited for.
 */
#ifndef RINGLINE_SERVICE_H
#define RINGLINE_SERVICE_H

#include <ringline/common.h>

RINGLINE_BEGIN_DECLS

/*
 * Sends assignments, one per line ("READY=1\nSTATUS=..."), with nfds descriptors, which stay the caller's. Any thread.
 *
 * Returns 1; 0 (there is no manager: $NOTIFY_SOCKET is not set); -EINVAL (NULL, or an address of another form than "/PATH" and
 * "@NAME"), -ENAMETOOLONG (that address), -EAGAIN (the manager's queue is full), -EMSGSIZE, -ECONNREFUSED, -ENOENT (nobody listens),
 * -EACCES, -EBADF, -ETOOMANYREFS (a descriptor), -E2BIG (more than 253 descriptors), -EMFILE, -ENFILE, -ENOMEM.
 * Since: 0.1
 */
int ringline_service_notify(const char *state, const int *fds, size_t nfds);

/*
 * READY=1: the daemon serves, or has reloaded. STOPPING=1: it ends. RELOADING=1, with the time (MONOTONIC_USEC): it reads its
 * configuration; ready follows. STATUS: a line of text for people to read. MAINPID: another process is the main one from now
 * on. EXTEND_TIMEOUT_USEC: the start, reload or end that is under way takes so many nanoseconds more. Any thread.
 *
 * Return as ringline_service_notify(); -EINVAL (status: NULL, or a line end in it; pid below 1).
 * Since: 0.1
 */
int ringline_service_ready(void);
int ringline_service_stopping(void);
int ringline_service_reloading(void);
int ringline_service_status(const char *status);
int ringline_service_main_pid(int32_t pid);
int ringline_service_extend_timeout(uint64_t timeout);

/* flags: the manager is not to drop a descriptor when its other end is gone (FDPOLL=0) */
#define RINGLINE_SERVICE_KEEP (UINT32_C(1) << 0)

/*
 * FDSTORE=1: has the manager keep descriptors beyond a restart of the daemon, under a name, of at most 255 printable characters
 * but ':'. The daemon's next run has them among those it is started with: ringline_service_fds(), or "systemd:NAME" as
 * an address to listen on. ringline_service_unstore() has it let go of those of a name. Any thread.
 *
 * Return as ringline_service_notify(); -EINVAL (the name, no descriptor, an unknown flag).
 * Since: 0.1
 */
int ringline_service_store(const char *name, const int *fds, size_t nfds, uint32_t flags);
int ringline_service_unstore(const char *name);

/*
 * The descriptors of a name that this process was started with ($LISTEN_FDS, $LISTEN_FDNAMES, $LISTEN_PID), at most n of
 * them, made close-on-exec; NULL: all. They are the caller's. Any thread.
 *
 * Returns how many there are, also if that is more than n; 0: none.
 * Since: 0.1
 */
size_t ringline_service_fds(const char *name, int *fds, size_t n);

/*
 * How often the manager wants to hear WATCHDOG=1, in nanoseconds ($WATCHDOG_USEC, $WATCHDOG_PID); 0: it does not. Any thread.
 * Since: 0.1
 */
uint64_t ringline_service_watchdog(void);

RINGLINE_END_DECLS

#endif
