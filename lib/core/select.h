/* SPDX-License-Identifier: MIT */
/*
 * What a kind of thing does to be a case of ringline_select().
 *
 * The select loop knows wait nodes only. Each kind arms one on whatever it waits for and takes part in four steps; the
 * table of kinds is the executor's, and each layer enters its own.
 *
 *     arm      RLN_CASE_WAITS: n->wait is armed. RLN_CASE_READY: it is not, c->result says what there is. RLN_CASE_GONE: the
 *              object was freed, c->result says so. -errno: a bad argument. The last two have done nothing.
 *              A kind that cannot take back what it does when it is ready closes the parker first (rln_parker_close()).
 *              RLN_CASE_TAKEN: so it did, and this is the case. RLN_CASE_LOST: another worker had fired a node before.
 *              RLN_CASE_RETRY: it closed the parker, and then was not ready after all
 *     settle   the node has fired with n->wait.result: true if the case is ready (c->result), false if the reason has
 *              gone meanwhile. NULL: what was fired is the result
 *     take     the case was chosen: consumes what is to be consumed, and takes back what arm did
 *     disarm   another case was chosen: takes back what arm did. The node itself is disarmed by the loop, unless the kind
 *              says that it `unlinks` (because that needs a lock)
 *
 * Every arm that waits, is ready or has taken is followed by exactly one take or disarm; both may be NULL. Objects are of slabs, so a
 * pointer to one that was freed meanwhile can be looked at: its generation is another than the node's.
 */
#ifndef RLN_CORE_SELECT_H
#define RLN_CORE_SELECT_H

#include <errno.h>

#include "base/slab.h"
#include "core/object.h"
#include "core/timer.h"
#include "core/wait.h"
#include "ringline/select.h"

struct rln_exec;
struct rln_token_link;

enum {
	RLN_CASE_WAITS,
	RLN_CASE_READY,
	RLN_CASE_GONE,
	RLN_CASE_TAKEN,
	RLN_CASE_LOST,
	RLN_CASE_RETRY,
};

struct rln_select_node {
	union {
		struct rln_wait wait;
		struct rln_exchange exchange;     /* of kinds in which something changes hands */
		struct {
			struct rln_wait first;
			union {
				struct rln_timer timer;
				struct rln_token_link *token;
			} own;
		};
	};
	struct ringline_task *task;       /* who selects; of exchanges */
	uint32_t gen;                     /* of the object when it was armed */
	bool taken;                       /* ready when it was armed, and taken at once; of exchanges */
};

struct rln_case_kind {
	int (*arm)(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p);
	bool (*settle)(struct ringline_case *c, const struct rln_select_node *n);
	void (*take)(struct ringline_case *c, struct rln_select_node *n);
	void (*disarm)(struct ringline_case *c, struct rln_select_node *n);
	bool unlinks;                     /* take and disarm take the node off its source by themselves */
};

/* A select under way: a call that is parked, or an operation. */
struct rln_select {
	struct rln_exec *exec;
	unsigned char *cases;
	size_t size;                      /* of a case */
	size_t n;
	size_t first;                     /* the case a round begins with */
	size_t armed;                     /* how many of its cases wait */
	uint32_t flags;                   /* RINGLINE_SELECT_* */
	struct rln_select_node *nodes;
	struct rln_parker parker;
};

/* what the steps below may return besides the index of a case and an error */
#define RLN_SELECT_WAIT  (-EINPROGRESS)
#define RLN_SELECT_AGAIN (-ERESTART)

/* Checks the arguments. 0, -EINVAL, -E2BIG. */
int rln_select_check(struct rln_select *s, struct ringline_case *cases, size_t n, size_t case_size,
                     uint32_t flags) rln_must_check;

/* Begins a round: the index of a case that is ready, WAIT if those that are armed are to be waited for, AGAIN, or -errno. */
ssize_t rln_select_arm(struct rln_select *s, struct ringline_task *t, void (*fired)(struct rln_parker *p));

/* Ends it after a node has fired: the index of its case, or AGAIN. */
ssize_t rln_select_settle(struct rln_select *s);

/* Ends it though none has. */
void rln_select_disarm(struct rln_select *s);

/* Enters the kinds of this layer. */
void rln_select_init(struct rln_exec *x);

/* For arm: the object is of *slab*. 0 if it is live (n->gen is set), RLN_CASE_GONE, -errno. */
static inline int rln_case_check(struct ringline_case *c, struct rln_select_node *n, const struct rln_slab *slab)
{
	const struct rln_slot *slot = c->object;

	if (rln_unlikely(!slot))
		return -EINVAL;
	if (rln_unlikely(!rln_slab_owns(slab, slot)))
		return -EPERM;
	n->gen = slot->gen;
	if (rln_likely(rln_slot_live(slot)))
		return 0;
	c->result = -EBADF;
	return RLN_CASE_GONE;
}

/* The same for synchronisation objects. */
static inline int rln_object_case_check(struct ringline_case *c, enum rln_object_kind kind)
{
	int r = rln_object_check(c->object, kind, NULL);

	if (r != -EBADF)
		return r;
	c->result = -EBADF;
	return RLN_CASE_GONE;
}

/* For settle: has the object been freed since it was armed? */
static inline bool rln_case_gone(const struct ringline_case *c, const struct rln_select_node *n)
{
	return ((const struct rln_slot *)c->object)->gen != n->gen;
}

#endif
