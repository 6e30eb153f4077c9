/* SPDX-License-Identifier: MIT */
/* The inbox; mpsc.h tells the idea and the orderings. */
#include "base/mpsc.h"

void rln_mpsc_init(struct rln_mpsc *q)
{
	atomic_init(&q->top, NULL);
}

bool rln_mpsc_push(struct rln_mpsc *q, struct rln_mpsc_node *n)
{
	struct rln_mpsc_node *top = atomic_load_explicit(&q->top, memory_order_relaxed);

	do
		n->next = top;
	while (!atomic_compare_exchange_weak_explicit(&q->top, &top, n, memory_order_seq_cst, memory_order_relaxed));
	return top == NULL;
}

struct rln_mpsc_node *rln_mpsc_drain(struct rln_mpsc *q)
{
	struct rln_mpsc_node *n = atomic_exchange_explicit(&q->top, NULL, memory_order_acquire);
	struct rln_mpsc_node *oldest_first = NULL;

	while (n) {
		struct rln_mpsc_node *next = n->next;

		n->next = oldest_first;
		oldest_first = n;
		n = next;
	}
	return oldest_first;
}
