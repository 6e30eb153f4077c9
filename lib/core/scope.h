/* SPDX-License-Identifier: MIT */
/*
 * The cancellation tree.
 *
 * Every node is a struct rln_scope. A worker has a root; each task embeds a base scope, child of the scope it was started
 * in; each scope a task opens is a child of the scope that was current for it. "Cut" is the word for what cancellation
 * and deadlines do: a node that is cut has a reason (-ECANCELED or -ETIME), the first one stays, and every suspending
 * call made in it fails with that reason. Cutting walks the subtree once and writes the reason into each node (shielded
 * ones and what is below them left out), so the check before each park is one load, however deep the tree.
 *
 *        root ── task A's base ── scope opened by A ──┬─ task B's base ── ...
 *                                                     └─ task C's base
 *
 * Invariants: a node's parent outlives it; task->scope is the innermost open node of the task; a node with a reason has
 * no descendant without one, except below a shield; live counts the child tasks that have not ended.
 */
#ifndef RLN_CORE_SCOPE_H
#define RLN_CORE_SCOPE_H

#include "base/list.h"
#include "base/slab.h"
#include "core/timer.h"
#include "core/wait.h"

struct ringline_task;
struct ringline_token;
struct rln_exec;
struct rln_token_link;

/* internal flags, above the public ones of scope.h */
enum {
	RLN_SCOPE_BASE     = 1u << 15,    /* embedded in a task, or the worker's root */
	RLN_SCOPE_SETTLING = 1u << 14,    /* its task waits until nothing is left in it */
};

struct rln_scope {
	struct rln_scope *parent;
	struct rln_list children;         /* rln_scope.sibling: nested scopes and base scopes of child tasks */
	struct rln_list sibling;
	struct ringline_task *task;       /* whose calls it governs; NULL for the root */
	struct rln_list handles;          /* ringline_op.scope_link: operations begun in it, not yet consumed */
	uint64_t deadline;                /* the nearest of its own and the inherited ones */
	uint32_t live;                    /* child tasks that have not ended */
	uint32_t pending;                 /* op handles that are not done, or claimed by someone who waits */
	int error;                        /* the first child's */
	int16_t reason;                   /* 0, -ETIME, -ECANCELED */
	uint16_t flags;
};

/* What ringline_scope_open() makes: a node with a deadline of its own and perhaps a token. */
struct ringline_scope {
	struct rln_slot slot;
	struct rln_scope node;
	struct rln_timer timer;
	struct rln_token_link *token;
};

/* Links a node below *parent* and inherits the parent's state. */
void rln_scope_init(struct rln_scope *s, struct rln_scope *parent, struct ringline_task *task, uint16_t flags);
void rln_scope_fini(struct rln_scope *s);

/* Cuts a subtree. With *force* shields do not hold. */
void rln_scope_cut(struct rln_scope *s, int reason, bool force);

/* Tells the scope that a child task ended with *result*. */
void rln_scope_child_ended(struct rln_scope *s, struct ringline_task *child, int result);

/* Something ended: wakes the owner if it waits for that. A stackless owner is woken for every such event. */
void rln_scope_notify(struct rln_scope *s);

/* Waits until all children are gone, cancels and frees what op handles are left. Current task; cannot be cut short. */
void rln_scope_settle(struct rln_scope *s);

/* Closes the scopes a task left open when its function returned *result*, then settles its base scope. */
void rln_scope_close_all(struct ringline_task *t, int result);

/* The same as far as it goes without waiting; true when it is through. For stackless tasks: called again at each wake. */
bool rln_scope_try_close_all(struct ringline_task *t, int result);

#endif
