/* SPDX-License-Identifier: MIT */
/*
 * Channels; chan.h tells the idea.
 *
 *     send:  closed? -> a receiver waits: claim it, copy to it, land
 *                    -> there is room: copy to the queue
 *                    -> wait; a receiver will claim, copy and land
 *     recv:  something is queued: copy it out; a sender that waits: claim it, copy to the queue, land
 *                    -> a sender waits (no queue): claim it, copy, land
 *                    -> closed? -> wait
 *
 * The copy lies between claim and land: a waiter that was claimed cannot leave before it has landed, so its memory is
 * there, and one that has left cannot be claimed.
 */
#include "base/mem.h"
#include "base/sized.h"
#include "core/chan.h"

static const struct rln_what what_send = { .name = "send to", .describe = rln_object_describe };
static const struct rln_what what_recv = { .name = "receive from", .describe = rln_object_describe };

/* Elements */

int rln_store_init(struct rln_element_store *s, size_t size, uint32_t capacity, const struct ringline_chan_options *o)
{
	if (!size || size > RINGLINE_CHAN_ELEMENT_MAX)
		return -EINVAL;
	s->size = (uint32_t)size;
	s->capacity = capacity;
	s->destroy = o->destroy;
	s->arg = o->arg;
	s->slot = capacity ? rln_mem_alloc(size * capacity) : NULL;
	return capacity && !s->slot ? -ENOMEM : 0;
}

void rln_store_fini(struct rln_element_store *s)
{
	rln_mem_free(s->slot);
}

static uint32_t place(const struct ringline_chan *c, uint32_t i)
{
	uint64_t at = (uint64_t)c->head + i;

	return (uint32_t)(at < c->store.capacity ? at : at - c->store.capacity);
}

static void push(struct ringline_chan *c, const void *element)
{
	rln_element_copy(rln_store_at(&c->store, place(c, c->len++)), element, c->store.size);
}

static void pop(struct ringline_chan *c, void *element)
{
	rln_element_copy(element, rln_store_at(&c->store, c->head), c->store.size);
	c->head = place(c, 1);
	c->len--;
}

/* The first that is not *self*'s. */
static struct rln_exchange *first_other(const struct rln_source *s, const struct rln_parker *self)
{
	struct rln_list *it;

	rln_list_for_each (it, &s->waiters) {
		struct rln_exchange *e = rln_container_of(it, struct rln_exchange, wait.link);

		if (e->wait.parker != self)
			return e;
	}
	return NULL;
}

struct rln_exchange *rln_exchange_claim_first(struct rln_source *s, const struct rln_parker *self)
{
	struct rln_exchange *e;

	while ((e = first_other(s, self)))
		if (rln_wait_claim(&e->wait))
			return e;
	return NULL;
}

/* Locked. 0, -EPIPE, -EAGAIN. */
static int send_now(struct ringline_chan *c, const void *element, const struct rln_parker *self)
{
	struct rln_exchange *receiver;

	if (c->closed)
		return -EPIPE;
	if (!c->len && (receiver = rln_exchange_claim_first(&c->receivers, self))) {
		rln_element_copy(receiver->elem, element, c->store.size);
		rln_exchange_land(receiver, 0);
	} else if (c->len < c->store.capacity) {
		push(c, element);
	} else {
		return -EAGAIN;
	}
	c->closed = c->flags & RINGLINE_CHAN_ONESHOT;
	return 0;
}

/* Locked. 0, -EPIPE, -EAGAIN. */
static int recv_now(struct ringline_chan *c, void *element, const struct rln_parker *self)
{
	struct rln_exchange *sender;

	if (c->len) {
		pop(c, element);
		if (rln_source_waited_on(&c->senders) && (sender = rln_exchange_claim_first(&c->senders, self))) {
			push(c, sender->elem);
			rln_exchange_land(sender, 0);
		}
		return 0;
	}
	sender = rln_exchange_claim_first(&c->senders, self);
	if (!sender)
		return c->closed ? -EPIPE : -EAGAIN;
	rln_element_copy(element, sender->elem, c->store.size);
	rln_exchange_land(sender, 0);
	return 0;
}

/* A oneshot that was sent lets nobody wait for more. */
static void settle_oneshot(struct ringline_chan *c)
{
	if (c->flags & RINGLINE_CHAN_ONESHOT && c->closed && !c->len) {
		rln_exchange_land_all(&c->receivers, -EPIPE);
		rln_exchange_land_all(&c->senders, -EPIPE);
	}
}

static int attempt(struct ringline_chan *c, void *element, bool sends, const struct rln_parker *self)
{
	int r = sends ? send_now(c, element, self) : recv_now(c, element, self);

	if (rln_unlikely(c->flags & RINGLINE_CHAN_ONESHOT))
		settle_oneshot(c);
	return r;
}

/* Locked when it is called, unlocked when it returns. */
static rln_noinline int wait_for(struct ringline_chan *c, void *element, bool sends, struct ringline_task *t)
{
	struct rln_parker p;
	struct rln_exchange e = { .elem = element };
	int r;

	rln_parker_init(&p, t, sends ? &what_send : &what_recv, c);
	rln_exchange_arm(&e, &p, sends ? &c->senders : &c->receivers, &c->o);
	rln_object_unlock(&c->o);
	r = rln_park(&p);
	rln_exchange_disarm(&e, &c->o);
	return r < 0 ? r : (int)e.wait.result;
}

static int pass(struct ringline_chan *c, void *element, bool sends, const char *call)
{
	struct ringline_task *t;
	int r = rln_object_check_park(rln_object_of(c), RLN_OBJECT_CHAN, &t, call);

	if (r == 0)
		r = element ? rln_object_pace(t) : -EINVAL;
	if (r < 0)
		return r;
	rln_object_lock(&c->o);
	r = attempt(c, element, sends, NULL);
	if (r == -EAGAIN)
		return wait_for(c, element, sends, t);
	rln_object_unlock(&c->o);
	return r;
}

static int try_pass(struct ringline_chan *c, void *element, bool sends, const char *call)
{
	int r = rln_object_check(rln_object_of(c), RLN_OBJECT_CHAN, call);

	if (r < 0 || !element)
		return r < 0 ? r : -EINVAL;
	rln_object_lock(&c->o);
	r = attempt(c, element, sends, NULL);
	rln_object_unlock(&c->o);
	return r;
}

/* The public calls */

int rln_chan_options(struct ringline_chan_options *ret, const struct ringline_chan_options *options, uint32_t known)
{
	int r = rln_sized_in(ret, sizeof(*ret), options);

	if (r < 0)
		return r;
	return ret->flags & ~known || ret->reserved ? -EINVAL : 0;
}

int rln_chan_object(struct rln_object **ret, enum rln_object_kind kind, const struct ringline_chan_options *o,
                    const char *call)
{
	const struct ringline_sync_options how = {
		.size = sizeof(how),
		.flags = o->flags & RINGLINE_CHAN_SHARED ? RINGLINE_SYNC_SHARED : 0,
		.name = o->name,
	};

	return rln_object_new(ret, kind, &how, call);
}

int ringline_chan_new(struct ringline_chan **ret, size_t element_size, uint32_t capacity,
                      const struct ringline_chan_options *options)
{
	struct ringline_chan_options o;
	struct rln_object *object;
	struct ringline_chan *c;
	int r = rln_chan_options(&o, options, RINGLINE_CHAN_SHARED | RINGLINE_CHAN_ONESHOT);

	if (r < 0)
		return r;
	if (!ret || (o.flags & RINGLINE_CHAN_ONESHOT && capacity != 1))
		return -EINVAL;
	r = rln_chan_object(&object, RLN_OBJECT_CHAN, &o, __func__);
	if (r < 0)
		return r;
	c = rln_container_of(object, struct ringline_chan, o);
	c->users = 1;
	c->flags = o.flags;
	rln_source_init(&c->senders);
	rln_source_init(&c->receivers);
	r = rln_store_init(&c->store, element_size, capacity, &o);
	if (r < 0) {
		rln_object_unref(&c->o);
		return r;
	}
	*ret = c;
	return 0;
}

int ringline_chan_ref(struct ringline_chan *chan)
{
	int r = rln_object_check(rln_object_of(chan), RLN_OBJECT_CHAN, __func__);

	if (r < 0)
		return r;
	rln_object_lock(&chan->o);
	chan->users++;
	rln_object_unlock(&chan->o);
	return 0;
}

int ringline_chan_unref(struct ringline_chan *chan)
{
	int r = chan ? rln_object_check(rln_object_of(chan), RLN_OBJECT_CHAN, __func__) : 0;
	bool last;

	if (r < 0 || !chan)
		return r;
	rln_object_lock(&chan->o);
	last = --chan->users == 0;
	if (last)
		rln_exchange_land_all(&chan->senders, -EBADF);
	rln_object_unlock(&chan->o);
	if (last)
		rln_object_kill(&chan->o, &chan->receivers);
	return 0;
}

/* Nobody refers to it any more. */
void rln_chan_fini(struct ringline_chan *c)
{
	for (; c->len; c->len--, c->head = place(c, 1))
		rln_store_destroy(&c->store, c->head);
	rln_store_fini(&c->store);
}

int ringline_chan_send(struct ringline_chan *chan, const void *element)
{
	return pass(chan, (void *)(uintptr_t)element, true, __func__);
}

int ringline_chan_try_send(struct ringline_chan *chan, const void *element)
{
	return try_pass(chan, (void *)(uintptr_t)element, true, __func__);
}

int ringline_chan_recv(struct ringline_chan *chan, void *element)
{
	return pass(chan, element, false, __func__);
}

int ringline_chan_try_recv(struct ringline_chan *chan, void *element)
{
	return try_pass(chan, element, false, __func__);
}

int ringline_chan_close(struct ringline_chan *chan)
{
	int r = rln_object_check(rln_object_of(chan), RLN_OBJECT_CHAN, __func__);

	if (r < 0)
		return r;
	rln_object_lock(&chan->o);
	chan->closed = true;
	rln_exchange_land_all(&chan->senders, -EPIPE);
	rln_exchange_land_all(&chan->receivers, -EPIPE);
	rln_object_unlock(&chan->o);
	return 0;
}

ssize_t ringline_chan_len(struct ringline_chan *chan)
{
	ssize_t r = rln_object_check(rln_object_of(chan), RLN_OBJECT_CHAN, __func__);

	if (r < 0)
		return r;
	rln_object_lock(&chan->o);
	r = chan->len;
	rln_object_unlock(&chan->o);
	return r;
}

/* Cases of select */

/* Could the case be carried out now? Locked. Waiters that have lost elsewhere make this a guess: see arm(). */
static bool possible(const struct ringline_chan *c, bool sends, const struct rln_parker *self)
{
	if (c->closed && (sends || !c->len))
		return true;
	if (sends)
		return c->len < c->store.capacity || first_other(&c->receivers, self);
	return c->len || first_other(&c->senders, self);
}

/*
 * What was passed cannot be taken back, so the select is decided first. If those who seemed to wait on the other side have all
 * lost elsewhere the select has to begin anew, which RLN_CASE_RETRY says.
 */
static int arm(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p, bool sends)
{
	struct ringline_chan *chan = c->object;
	int r = rln_object_case_check(c, RLN_OBJECT_CHAN);

	if (r)
		return r;
	if (!c->data)
		return -EINVAL;
	n->exchange.elem = c->data;
	n->taken = false;
	rln_object_lock(&chan->o);
	if (!possible(chan, sends, p)) {
		rln_exchange_arm(&n->exchange, p, sends ? &chan->senders : &chan->receivers, &chan->o);
		r = RLN_CASE_WAITS;
	} else if (!rln_parker_close(p)) {
		r = RLN_CASE_LOST;
	} else {
		c->result = attempt(chan, c->data, sends, p);
		n->taken = true;
		r = c->result == -EAGAIN ? RLN_CASE_RETRY : RLN_CASE_TAKEN;
	}
	rln_object_unlock(&chan->o);
	return r;
}

static int arm_send(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	return arm(c, n, p, true);
}

static int arm_receive(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	return arm(c, n, p, false);
}

static void disarm(struct ringline_case *c, struct rln_select_node *n)
{
	struct ringline_chan *chan = c->object;

	if (!n->taken)
		rln_exchange_disarm(&n->exchange, &chan->o);
}

static const struct rln_case_kind send_case = { .arm = arm_send, .take = disarm, .disarm = disarm, .unlinks = true };
static const struct rln_case_kind receive_case = { .arm = arm_receive, .take = disarm, .disarm = disarm, .unlinks = true };

void rln_chan_select_init(struct rln_exec *x)
{
	x->case_kinds[RINGLINE_CASE_SEND] = &send_case;
	x->case_kinds[RINGLINE_CASE_RECEIVE] = &receive_case;
}
