/* SPDX-License-Identifier: MIT */
/*
 * How a token reaches the scopes it is attached to.
 *
 * A link stands between a token, which any thread may cancel, and a scope, which belongs to one worker. Cancelling posts
 * the link's message to the worker; there it cuts the scope. A scope that closes first leaves its link behind if the
 * message is under way, and the delivery frees it.
 */
#ifndef RLN_CORE_TOKEN_H
#define RLN_CORE_TOKEN_H

#include "base/compiler.h"

struct ringline_token;
struct rln_exec;
struct rln_scope;
struct rln_token_link;

/* A token that is cancelled already cuts the scope at once and *ret is NULL. 0 or -ENOMEM. */
int rln_token_attach(struct rln_token_link **ret, struct ringline_token *token, struct rln_exec *x,
                     struct rln_scope *scope) rln_must_check;

/* NULL is allowed. */
void rln_token_detach(struct rln_token_link *link);

#endif
