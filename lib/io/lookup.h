/* SPDX-License-Identifier: MIT */
/*
 * What is asked of the C library's resolver, and what it has found.
 *
 * A question is about the addresses of a host and a service, or about the names of an address. Asking blocks; any thread. What
 * was found is one block of memory that does not change, with counted references: those who asked together share it, and it
 * is good on any thread.
 */
#ifndef RLN_IO_LOOKUP_H
#define RLN_IO_LOOKUP_H

#include <stdatomic.h>

#include "io/addr.h"
#include "ringline/resolve.h"

struct rln_question {
	const char *host;                 /* NULL: none */
	const char *service;              /* NULL: none */
	const struct rln_addr *address;   /* whose names are asked for; NULL: addresses are, of the two above */
	int32_t family;
	int32_t type;
	int32_t protocol;
	int32_t how;                      /* AI_*, NI_* */
	bool fresh;                       /* neither joins another nor is kept */
};

struct rln_lookup_address {
	int32_t family;
	int32_t type;
	int32_t protocol;
	struct ringline_sockaddr address;
};

struct ringline_lookup {
	_Atomic uint32_t refs;
	uint32_t n;
	const char *host;                 /* these two behind the entries; NULL: none */
	const char *service;
	struct rln_lookup_address entry[];
};

/* Asks. 0 with a reference in *ret, or -errno; *code receives the EAI_* code, 0 without one. */
int rln_lookup_ask(struct ringline_lookup **ret, int *code, const struct rln_question *q) rln_must_check;

/* Are the answers in the question? Then asking does not block. */
bool rln_lookup_is_numeric(const struct rln_question *q);

static inline struct ringline_lookup *rln_lookup_ref(struct ringline_lookup *l)
{
	atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
	return l;
}

#endif
