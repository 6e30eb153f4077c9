/* SPDX-License-Identifier: MIT */
/*
 * Log lines for the host.
 *
 * The library prints nothing: it hands lines to a callback. Without one they are dropped, unless RINGLINE_DEBUG=1 is in
 * the environment of a process that is not setuid, which sends them to stderr. Levels are those of syslog(3). Lines are
 * formatted on the caller's stack (at most RLN_LOG_LINE bytes, cut beyond), never allocated; logging is for events, not
 * for hot paths.
 */
#ifndef RLN_BASE_LOG_H
#define RLN_BASE_LOG_H

#include "base/compiler.h"

#define RLN_LOG_LINE 512

enum rln_log_level {
	RLN_LOG_ERROR = 3,
	RLN_LOG_WARNING = 4,
	RLN_LOG_INFO = 6,
	RLN_LOG_DEBUG = 7,
};

typedef void rln_log_fn(int level, const char *message, void *arg);

/* Process-wide; any thread. NULL removes the callback. */
void rln_log_set(rln_log_fn *fn, void *arg);

void rln_log(enum rln_log_level level, const char *format, ...) rln_printf(2, 3) rln_cold;

#endif
