/* SPDX-License-Identifier: MIT */
/*
 * Intrusive circular doubly linked lists.
 *
 * The head is a node like any other. A node that is on no list points to itself, so unlinking twice is harmless and
 * "is it linked?" is one comparison; rln_list_init() must therefore run before a node is first used.
 */
#ifndef RLN_BASE_LIST_H
#define RLN_BASE_LIST_H

#include "base/compiler.h"

struct rln_list {
	struct rln_list *next;
	struct rln_list *prev;
};

static inline void rln_list_init(struct rln_list *l)
{
	l->next = l;
	l->prev = l;
}

/* True for an empty head, and for a node that is on no list. */
static inline bool rln_list_empty(const struct rln_list *l)
{
	return l->next == l;
}

static inline bool rln_list_linked(const struct rln_list *l)
{
	return l->next != l;
}

static inline void rln_list_insert(struct rln_list *prev, struct rln_list *next, struct rln_list *node)
{
	node->prev = prev;
	node->next = next;
	prev->next = node;
	next->prev = node;
}

static inline void rln_list_add_head(struct rln_list *head, struct rln_list *node)
{
	rln_list_insert(head, head->next, node);
}

static inline void rln_list_add_tail(struct rln_list *head, struct rln_list *node)
{
	rln_list_insert(head->prev, head, node);
}

/* Unlinks *node* from whatever list it is on and leaves it self-linked. */
static inline void rln_list_del(struct rln_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	rln_list_init(node);
}

static inline struct rln_list *rln_list_first(const struct rln_list *head)
{
	return rln_list_empty(head) ? NULL : head->next;
}

static inline struct rln_list *rln_list_pop(struct rln_list *head)
{
	struct rln_list *node = rln_list_first(head);

	if (node)
		rln_list_del(node);
	return node;
}

/* Moves all of *from* to the tail of *to*, keeping the order; *from* is empty afterwards. */
static inline void rln_list_splice_tail(struct rln_list *to, struct rln_list *from)
{
	if (rln_list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	rln_list_init(from);
}

#define rln_list_entry(node, type, member) rln_container_of(node, type, member)

/* Iterates over nodes; the body may unlink *it* but no other node. */
#define rln_list_for_each_safe(it, tmp, head) \
	for ((it) = (head)->next, (tmp) = (it)->next; (it) != (head); (it) = (tmp), (tmp) = (it)->next)

#define rln_list_for_each(it, head) \
	for ((it) = (head)->next; (it) != (head); (it) = (it)->next)

#endif
