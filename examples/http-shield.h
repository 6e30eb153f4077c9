/* SPDX-License-Identifier: MIT */
/*
 * The end of the daemon cancels all its tasks. What must be done nevertheless, a response that has begun first of all, is done
 * in a shielded scope, which only its own deadline cuts short, and the end of the drain time.
 */
#ifndef EXAMPLES_HTTP_SHIELD_H
#define EXAMPLES_HTTP_SHIELD_H

#include <ringline/ringline.h>

/* To be closed with ringline_scope_close(). deadline: ringline_now() and some more, or 0 for none. */
static inline int http_shield(struct ringline_scope **ret, uint64_t deadline)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;

	o.flags = RINGLINE_SCOPE_SHIELDED;
	o.deadline = deadline;
	return ringline_scope_open(ret, &o);
}

#endif
