/* SPDX-License-Identifier: MIT */
/* Log lines; log.h tells the rules. */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static rln_log_fn *callback;
static void *callback_arg;

void rln_log_set(rln_log_fn *fn, void *arg)
{
	pthread_mutex_lock(&lock);
	callback = fn;
	callback_arg = arg;
	pthread_mutex_unlock(&lock);
}

static bool debugging(void)
{
	const char *value = secure_getenv("RINGLINE_DEBUG");

	return value && !strcmp(value, "1");
}

/* The lock is not held during the call: the callback may log, or replace itself. */
static void deliver(int level, const char *line)
{
	rln_log_fn *fn;
	void *arg;

	pthread_mutex_lock(&lock);
	fn = callback;
	arg = callback_arg;
	pthread_mutex_unlock(&lock);
	if (fn)
		fn(level, line, arg);
	else if (debugging())
		fprintf(stderr, "ringline: %s\n", line);
}

void rln_log(enum rln_log_level level, const char *format, ...)
{
	char line[RLN_LOG_LINE];
	int saved = errno;
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	deliver((int)level, line);
	errno = saved;
}
