/* SPDX-License-Identifier: MIT */
/*
 * Channels and broadcasts.
 *
 * A channel is a bounded queue of elements of one size, those who want to send, and those who want to receive. Elements
 * are copied: into the queue, out of it, or from a sender straight to a receiver that waits.
 *
 *     OPEN --close--> CLOSED (what is queued can be received) --last handle--> dead
 *
 * Invariants: receivers wait only while the queue is empty, senders only while it is full; so the two never wait at once,
 * but for a channel without a queue, where a send ends when somebody has received. Elements are received in the order in
 * which they were sent, and those who wait are served in the order in which they came. An element belongs to the channel
 * from the end of a send that worked until it is received; what is never received goes to the destructor.
 *
 * A broadcast is a window on a sequence of elements. Each subscription has its place in the sequence; one that falls
 * behind the window has lost what it did not see, unless the sender is made to wait for the slowest.
 */
#ifndef RLN_CORE_CHAN_H
#define RLN_CORE_CHAN_H

#include "core/object.h"
#include "core/select.h"
#include "ringline/chan.h"

struct rln_element_store {
	unsigned char *slot;
	uint32_t size;                    /* of an element */
	uint32_t capacity;
	void (*destroy)(void *element, void *arg);
	void *arg;
};

struct ringline_chan {
	struct rln_object o;
	uint32_t users;                   /* handles */
	uint32_t flags;                   /* RINGLINE_CHAN_* */
	struct rln_element_store store;
	uint32_t head;                    /* the place of the oldest element */
	uint32_t len;
	bool closed;
	struct rln_source senders;        /* rln_exchange, whose elem is what they send */
	struct rln_source receivers;      /* rln_exchange, whose elem is where to */
};

struct ringline_broadcast {
	struct rln_object o;
	uint32_t users;
	uint32_t flags;
	struct rln_element_store store;
	uint64_t next;                    /* number of the next element sent */
	uint64_t first;                   /* of the oldest one in the window */
	bool closed;
	struct rln_list subscriptions;    /* ringline_subscription.link */
	struct rln_source senders;        /* only if they wait for the slowest */
	struct rln_source receivers;
};

/* An object of its own for its handle; everything else about it is under the broadcast's lock. */
struct ringline_subscription {
	struct rln_object o;
	struct ringline_broadcast *broadcast;
	struct rln_list link;
	uint64_t next;                    /* number of the next element to receive */
	bool waited_on;                   /* by the one task that may */
};

/* What the last reference does. */
void rln_chan_fini(struct ringline_chan *c);
void rln_broadcast_fini(struct ringline_broadcast *b);

/* Reads and checks options, *known* of whose flags mean something. 0, -EINVAL, -E2BIG. */
int rln_chan_options(struct ringline_chan_options *ret, const struct ringline_chan_options *options,
                     uint32_t known) rln_must_check;

/* An object of that kind, shared or not as they say. */
int rln_chan_object(struct rln_object **ret, enum rln_object_kind kind, const struct ringline_chan_options *o,
                    const char *call) rln_must_check;

/*
 * The longest waiting one that takes part, claimed; NULL if nobody does. Those of the parker *self* are passed over: a select
 * does not meet itself. Locked.
 */
struct rln_exchange *rln_exchange_claim_first(struct rln_source *s, const struct rln_parker *self);

/* Enter the kinds of ringline_select(). */
void rln_chan_select_init(struct rln_exec *x);
void rln_broadcast_select_init(struct rln_exec *x);

/* Room for *capacity* elements. 0, -EINVAL, -ENOMEM. */
int rln_store_init(struct rln_element_store *s, size_t size, uint32_t capacity,
                   const struct ringline_chan_options *o) rln_must_check;
void rln_store_fini(struct rln_element_store *s);

/* Most elements are a pointer or a number, and a copy of known size is an instruction. */
static inline void rln_element_copy(void *to, const void *from, uint32_t size)
{
	if (rln_likely(size == 8))
		__builtin_memcpy(to, from, 8);
	else
		__builtin_memcpy(to, from, size);
}

static inline unsigned char *rln_store_at(const struct rln_element_store *s, uint32_t place)
{
	return s->slot + (size_t)place * s->size;
}

/* Runs the destructor, if there is one. */
static inline void rln_store_destroy(const struct rln_element_store *s, uint32_t place)
{
	if (s->destroy)
		s->destroy(rln_store_at(s, place), s->arg);
}

#endif
