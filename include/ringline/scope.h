/* SPDX-License-Identifier: MIT */
/*
 * Scopes: structured concurrency, deadlines and cancellation.
 *
 * A task opens a scope, starts children in it, and closes it, which waits for all of them. What a scope's deadline or
 * cancellation reaches: every suspending call the owner makes while the scope is open, and all children, and their
 * scopes, as deep as they go. Nested scopes take the nearest deadline. Scopes of a task close in LIFO order; what a task
 * leaves open is closed when it ends (and cancelled first if the task returns an error).
 *
 * A shielded scope is not reached by the cancellation and deadlines outside it: clean-up can finish in it. Its own
 * deadline and ringline_scope_cancel() do reach it, and so does the end of the runtime's drain time.
 */
#ifndef RINGLINE_SCOPE_H
#define RINGLINE_SCOPE_H

#include <ringline/common.h>

RINGLINE_BEGIN_DECLS

struct ringline_scope;
struct ringline_token;

/* flags of struct ringline_scope_options */
#define RINGLINE_SCOPE_COLLECT  (UINT32_C(1) << 0)  /* a failing child does not cancel its siblings */
#define RINGLINE_SCOPE_SHIELDED (UINT32_C(1) << 1)  /* not reached by what is cancelled outside */

struct ringline_scope_options {
	size_t size;
	uint32_t flags;
	uint32_t reserved;                /* zero */
	uint64_t deadline;                /* absolute; 0: none of its own */
	struct ringline_token *token;     /* cancels the scope when it is cancelled; NULL: none. Not consumed */
};

#define RINGLINE_SCOPE_OPTIONS_INIT { sizeof(struct ringline_scope_options), 0, 0, 0, NULL }

struct ringline_scope_info {
	size_t size;
	int32_t reason;                   /* 0, or why calls in it fail: -ETIME, -ECANCELED */
	int32_t error;                    /* the first child's error, or 0 */
	uint64_t deadline;                /* the nearest that applies, RINGLINE_NEVER if none */
	uint64_t children;                /* tasks started in it that have not ended */
};

/*
 * Opens a scope inside the calling task's current one. options may be NULL. Never suspends.
 *
 * By default the first child that returns an error (< 0) cancels the scope; with RINGLINE_SCOPE_COLLECT the others go on.
 *
 * Returns 0; -EINVAL (unknown flags, NULL), -E2BIG (unknown options), -ENOMEM, -EAGAIN (the worker's limit of scopes),
 * -EPERM (not in a task). A scope may be opened inside one that was cut; it is then cut from the start unless shielded.
 * Since: 0.1
 */
int ringline_scope_open(struct ringline_scope **ret, const struct ringline_scope_options *options) RINGLINE_MUST_CHECK;

/*
 * Starts fn(arg) as a child of the scope. The scope may be the caller's own or that of a task further up on the same
 * worker, as long as it is open (while its owner waits in ringline_scope_close(), its children may still add others).
 *
 * Returns 0, or the errors of ringline_spawn(); -EBADF (closed).
 * Since: 0.1
 */
int ringline_scope_spawn(struct ringline_scope *scope, int (*fn)(void *arg), void *arg) RINGLINE_MUST_CHECK;

/*
 * Cancels the scope: every suspending call in it, now and later, returns -ECANCELED. Any task of the worker may call it.
 *
 * Returns 0; -EBADF (closed), -EINVAL (NULL), -EPERM.
 * Since: 0.1
 */
int ringline_scope_cancel(struct ringline_scope *scope);

/*
 * Waits for all children, cancels and reaps the operations that were begun in the scope and never awaited, and closes it.
 * The wait itself cannot be cut short: a cancellation reaches the children, and the call returns when they have ended.
 *
 * Returns 0; the first child's error; -ETIME or -ECANCELED if the scope was cut; -EBUSY (a scope opened later is still
 * open; nothing was done), -EBADF (closed), -EINVAL (NULL), -EPERM (not the owner).
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_scope_close(struct ringline_scope *scope);

/*
 * Describes the scope (NULL: the calling task's current one). info->size must be set.
 *
 * Returns 0; -EBADF, -EINVAL, -EPERM.
 * Since: 0.1
 */
int ringline_scope_state(const struct ringline_scope *scope, struct ringline_scope_info *info);

/*
 * Tokens: cancellation from anywhere. A token may be attached to any number of scopes on any number of workers;
 * cancelling it cancels them and all tokens made with it as parent. Reference-counted; every call is for any thread.
 */

/* Makes a token with one reference. parent may be NULL. 0, -EINVAL, -ENOMEM. Since: 0.1 */
int ringline_token_new(struct ringline_token **ret, struct ringline_token *parent) RINGLINE_MUST_CHECK;

/* Takes, drops a reference. NULL is allowed. A token that was dropped without being cancelled cancels nothing. Since: 0.1 */
struct ringline_token *ringline_token_ref(struct ringline_token *token);
void ringline_token_unref(struct ringline_token *token);

/* Cancels the token, the tokens below it and their scopes; later calls have no effect. 0, -EINVAL. Since: 0.1 */
int ringline_token_cancel(struct ringline_token *token);

/* 1 if the token was cancelled, 0 if not, -EINVAL. Since: 0.1 */
int ringline_token_cancelled(const struct ringline_token *token);

RINGLINE_END_DECLS

#endif
