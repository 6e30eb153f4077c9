/* SPDX-License-Identifier: MIT */
/*
 * How a token reaches what is attached to it: scopes, and tasks that select on it.
 *
 * A link stands between a token, which any thread may cancel, and something that belongs to one worker. Cancelling posts
 * the link's message to the worker; there it fires. What goes first leaves its link behind if the message is under way,
 * and the delivery frees it.
 */
#ifndef RLN_CORE_TOKEN_H
#define RLN_CORE_TOKEN_H

#include "base/compiler.h"

#include <stddef.h>

struct ringline_token;
struct rln_exec;
struct rln_token_link;

extern const size_t rln_token_link_size;

/*
 * Has fire(arg) called on the worker when the token is cancelled, once. If it is cancelled already nothing is called and
 * *ret is NULL. 0 or -ENOMEM.
 */
int rln_token_attach(struct rln_token_link **ret, struct ringline_token *token, struct rln_exec *x, void (*fire)(void *arg),
                     void *arg) rln_must_check;

/* NULL is allowed. */
void rln_token_detach(struct rln_token_link *link);

#endif
