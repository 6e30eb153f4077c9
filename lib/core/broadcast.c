/* SPDX-License-Identifier: MIT */
/*
 * Broadcasts; chan.h tells the idea.
 *
 *       first                       next
 *     ... |  e  |  e  |  e  |  e  |  e  | ...      the window: elements first .. next - 1, at most `capacity`
 *              ^ subscription        ^ subscription that has seen everything, and may wait
 *
 * A send makes room (the oldest element goes, if nobody has to see it any more, or nobody is waited for), stores, and copies
 * to each subscription that waits. With RINGLINE_CHAN_WAIT a receive of the oldest element, or the end of a subscription,
 * may make room, and then the sender that waits longest sends.
 */
#include "core/chan.h"

static const struct rln_what what_send = { .name = "send to", .describe = rln_object_describe };
static const struct rln_what what_recv = { .name = "receive from", .describe = rln_object_describe };

static uint32_t place(const struct ringline_broadcast *b, uint64_t number)
{
	return (uint32_t)(number % b->store.capacity);
}

/* Has every subscription seen the oldest element? */
static bool oldest_is_seen(const struct ringline_broadcast *b)
{
	struct rln_list *it;

	rln_list_for_each (it, &b->subscriptions)
		if (rln_list_entry(it, struct ringline_subscription, link)->next <= b->first)
			return false;
	return true;
}

static bool make_room(struct ringline_broadcast *b)
{
	if (b->next - b->first < b->store.capacity)
		return true;
	if (b->flags & RINGLINE_CHAN_WAIT && !oldest_is_seen(b))
		return false;
	rln_store_destroy(&b->store, place(b, b->first++));
	return true;
}

/* To those who wait, which have seen everything before it. One that has lost elsewhere finds it in the window later. */
static void hand_out(struct ringline_broadcast *b, const void *element)
{
	struct rln_exchange *e;

	while ((e = rln_exchange_claim_first(&b->receivers, NULL))) {
		struct ringline_subscription *s = (void *)(uintptr_t)e->n;

		rln_element_copy(e->elem, element, b->store.size);
		s->next++;
		rln_exchange_land(e, 0);
	}
}

/* Locked. 0, -EPIPE, -EAGAIN. */
static int send_now(struct ringline_broadcast *b, const void *element)
{
	if (b->closed)
		return -EPIPE;
	if (!make_room(b))
		return -EAGAIN;
	rln_element_copy(rln_store_at(&b->store, place(b, b->next++)), element, b->store.size);
	hand_out(b, element);
	return 0;
}

/* Room may have been made for those who wait to send. */
static void send_waiting(struct ringline_broadcast *b)
{
	struct rln_exchange *e;

	while (rln_source_waited_on(&b->senders) && make_room(b) && (e = rln_exchange_claim_first(&b->senders, NULL)))
		rln_exchange_land(e, send_now(b, e->elem));
}

/* Locked. 0, what was lost, -EPIPE, -EAGAIN. */
static int64_t recv_now(struct ringline_subscription *s, void *element)
{
	struct ringline_broadcast *b = s->broadcast;
	int64_t lost = 0;

	if (s->next < b->first) {
		lost = (int64_t)(b->first - s->next);
		s->next = b->first;
		return lost;
	}
	if (s->next == b->next)
		return b->closed ? -EPIPE : -EAGAIN;
	rln_element_copy(element, rln_store_at(&b->store, place(b, s->next++)), b->store.size);
	send_waiting(b);
	return 0;
}

/* Making and ending */

int ringline_broadcast_new(struct ringline_broadcast **ret, size_t element_size, uint32_t capacity,
                           const struct ringline_chan_options *options)
{
	struct ringline_chan_options o;
	struct ringline_broadcast *b;
	struct rln_object *object;
	int r = rln_chan_options(&o, options, RINGLINE_CHAN_SHARED | RINGLINE_CHAN_WAIT);

	if (r < 0)
		return r;
	if (!ret || !capacity)
		return -EINVAL;
	r = rln_chan_object(&object, RLN_OBJECT_BROADCAST, &o, __func__);
	if (r < 0)
		return r;
	b = rln_container_of(object, struct ringline_broadcast, o);
	b->users = 1;
	b->flags = o.flags;
	rln_list_init(&b->subscriptions);
	rln_source_init(&b->senders);
	rln_source_init(&b->receivers);
	r = rln_store_init(&b->store, element_size, capacity, &o);
	if (r < 0) {
		rln_object_unref(&b->o);
		return r;
	}
	*ret = b;
	return 0;
}

void rln_broadcast_fini(struct ringline_broadcast *b)
{
	for (; b->first < b->next; b->first++)
		rln_store_destroy(&b->store, place(b, b->first));
	rln_store_fini(&b->store);
}

int ringline_broadcast_ref(struct ringline_broadcast *broadcast)
{
	int r = rln_object_check(rln_object_of(broadcast), RLN_OBJECT_BROADCAST, __func__);

	if (r < 0)
		return r;
	rln_object_lock(&broadcast->o);
	broadcast->users++;
	rln_object_unlock(&broadcast->o);
	return 0;
}

static void close_locked(struct ringline_broadcast *b)
{
	b->closed = true;
	rln_exchange_land_all(&b->senders, -EPIPE);
	rln_exchange_land_all(&b->receivers, -EPIPE);
}

int ringline_broadcast_close(struct ringline_broadcast *broadcast)
{
	int r = rln_object_check(rln_object_of(broadcast), RLN_OBJECT_BROADCAST, __func__);

	if (r < 0)
		return r;
	rln_object_lock(&broadcast->o);
	close_locked(broadcast);
	rln_object_unlock(&broadcast->o);
	return 0;
}

int ringline_broadcast_unref(struct ringline_broadcast *broadcast)
{
	int r = broadcast ? rln_object_check(rln_object_of(broadcast), RLN_OBJECT_BROADCAST, __func__) : 0;
	bool last;

	if (r < 0 || !broadcast)
		return r;
	rln_object_lock(&broadcast->o);
	last = --broadcast->users == 0;
	if (last)
		close_locked(broadcast);
	rln_object_unlock(&broadcast->o);
	if (last)
		rln_object_kill(&broadcast->o, NULL);
	return 0;
}

int ringline_broadcast_subscribe(struct ringline_subscription **ret, struct ringline_broadcast *broadcast)
{
	int r = rln_object_check(rln_object_of(broadcast), RLN_OBJECT_BROADCAST, __func__);
	const struct ringline_chan_options o = { .flags = broadcast && r == 0 ? broadcast->flags : 0 };
	struct ringline_subscription *s;
	struct rln_object *object;

	if (r < 0 || !ret)
		return r < 0 ? r : -EINVAL;
	r = rln_chan_object(&object, RLN_OBJECT_SUBSCRIPTION, &o, __func__);
	if (r < 0)
		return r;
	s = rln_container_of(object, struct ringline_subscription, o);
	s->broadcast = broadcast;
	rln_list_init(&s->link);
	rln_object_lock(&broadcast->o);
	r = broadcast->closed ? -EPIPE : 0;
	if (r == 0) {
		broadcast->o.refs++;
		s->next = broadcast->next;
		rln_list_add_tail(&broadcast->subscriptions, &s->link);
	}
	rln_object_unlock(&broadcast->o);
	if (r == 0)
		*ret = s;
	else
		rln_object_unref(&s->o);
	return r;
}

/* The one that waits in it, if somebody does. */
static void land_waiter(struct ringline_subscription *s, int64_t result)
{
	struct rln_list *it;
	struct rln_list *tmp;

	rln_list_for_each_safe (it, tmp, &s->broadcast->receivers.waiters) {
		struct rln_exchange *e = rln_container_of(it, struct rln_exchange, wait.link);

		if (e->n == (uintptr_t)s && rln_wait_claim(&e->wait))
			rln_exchange_land(e, result);
	}
}

int ringline_subscription_free(struct ringline_subscription *subscription)
{
	int r = subscription ? rln_object_check(rln_object_of(subscription), RLN_OBJECT_SUBSCRIPTION, __func__) : 0;
	struct ringline_broadcast *b;

	if (r < 0 || !subscription)
		return r;
	b = subscription->broadcast;
	rln_object_lock(&b->o);
	rln_list_del(&subscription->link);
	land_waiter(subscription, -EBADF);
	send_waiting(b);
	rln_object_unlock(&b->o);
	rln_object_kill(&subscription->o, NULL);
	rln_object_unref(&b->o);
	return 0;
}

/* Sending */

/* Locked when it is called, unlocked when it returns. */
static int wait_to_send(struct ringline_broadcast *b, const void *element, struct ringline_task *t)
{
	struct rln_parker p;
	struct rln_exchange e = { .elem = (void *)(uintptr_t)element };
	int r;

	rln_parker_init(&p, t, &what_send, b);
	rln_exchange_arm(&e, &p, &b->senders, &b->o);
	rln_object_unlock(&b->o);
	r = rln_park(&p);
	rln_exchange_disarm(&e, &b->o);
	return r < 0 ? r : (int)e.wait.result;
}

int ringline_broadcast_send(struct ringline_broadcast *broadcast, const void *element)
{
	struct ringline_task *t;
	int r = rln_object_check_park(rln_object_of(broadcast), RLN_OBJECT_BROADCAST, &t, __func__);

	if (r == 0)
		r = element ? rln_object_pace(t) : -EINVAL;
	if (r < 0)
		return r;
	rln_object_lock(&broadcast->o);
	r = send_now(broadcast, element);
	if (r == -EAGAIN)
		return wait_to_send(broadcast, element, t);
	rln_object_unlock(&broadcast->o);
	return r;
}

int ringline_broadcast_try_send(struct ringline_broadcast *broadcast, const void *element)
{
	int r = rln_object_check(rln_object_of(broadcast), RLN_OBJECT_BROADCAST, __func__);

	if (r < 0 || !element)
		return r < 0 ? r : -EINVAL;
	rln_object_lock(&broadcast->o);
	r = send_now(broadcast, element);
	rln_object_unlock(&broadcast->o);
	return r;
}

/* Receiving */

/* Both locks: the broadcast's for the place in the queue, the reference of the subscription for its handle. Locked. */
static void arm_recv(struct ringline_subscription *s, struct rln_exchange *e, struct rln_parker *p, void *element)
{
	e->elem = element;
	e->n = (uintptr_t)s;
	s->waited_on = true;
	rln_exchange_arm(e, p, &s->broadcast->receivers, &s->broadcast->o);
}

static void disarm_recv(struct ringline_subscription *s, struct rln_exchange *e)
{
	struct ringline_broadcast *b = s->broadcast;

	rln_object_lock(&b->o);
	rln_wait_disarm(&e->wait);
	s->waited_on = false;
	rln_object_unlock(&b->o);
	rln_object_unref(&b->o);
	rln_object_unref(&s->o);
}

/* Locked when it is called, unlocked when it returns. */
static int64_t wait_to_recv(struct ringline_subscription *s, void *element, struct ringline_task *t)
{
	struct rln_parker p;
	struct rln_exchange e;
	int r;

	rln_parker_init(&p, t, &what_recv, s);
	arm_recv(s, &e, &p, element);
	rln_object_unlock(&s->broadcast->o);
	r = rln_park(&p);
	disarm_recv(s, &e);
	return r < 0 ? r : e.wait.result;
}

/* The subscription stays while the call lasts: its reference is taken before the broadcast is locked. */
static void hold(struct ringline_subscription *s)
{
	rln_object_lock(&s->o);
	s->o.refs++;
	rln_object_unlock(&s->o);
}

int64_t ringline_subscription_recv(struct ringline_subscription *subscription, void *element)
{
	struct ringline_task *t;
	int64_t r = rln_object_check_park(rln_object_of(subscription), RLN_OBJECT_SUBSCRIPTION, &t, __func__);

	if (r == 0)
		r = element ? rln_object_pace(t) : -EINVAL;
	if (r < 0)
		return r;
	hold(subscription);
	rln_object_lock(&subscription->broadcast->o);
	r = subscription->waited_on ? -EBUSY : recv_now(subscription, element);
	if (r == -EAGAIN)
		return wait_to_recv(subscription, element, t);
	rln_object_unlock(&subscription->broadcast->o);
	rln_object_unref(&subscription->o);
	return r;
}

int64_t ringline_subscription_try_recv(struct ringline_subscription *subscription, void *element)
{
	int64_t r = rln_object_check(rln_object_of(subscription), RLN_OBJECT_SUBSCRIPTION, __func__);

	if (r < 0 || !element)
		return r < 0 ? r : -EINVAL;
	rln_object_lock(&subscription->broadcast->o);
	r = subscription->waited_on ? -EBUSY : recv_now(subscription, element);
	rln_object_unlock(&subscription->broadcast->o);
	return r;
}

/* As a case of select */

static int arm(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	struct ringline_subscription *s = c->object;
	int r = rln_object_case_check(c, RLN_OBJECT_SUBSCRIPTION);
	struct ringline_broadcast *b;

	if (r)
		return r;
	if (!c->data)
		return -EINVAL;
	b = s->broadcast;
	n->taken = false;
	hold(s);
	rln_object_lock(&b->o);
	if (s->waited_on) {
		r = -EBUSY;
	} else if (s->next == b->next && !b->closed) {
		arm_recv(s, &n->exchange, p, c->data);
	} else if (!rln_parker_close(p)) {
		r = RLN_CASE_LOST;
	} else {
		c->result = recv_now(s, c->data);
		n->taken = true;
		r = RLN_CASE_TAKEN;
	}
	rln_object_unlock(&b->o);
	if (r)
		rln_object_unref(&s->o);
	return r;
}

static void disarm(struct ringline_case *c, struct rln_select_node *n)
{
	if (!n->taken)
		disarm_recv(c->object, &n->exchange);
}

static const struct rln_case_kind subscription_case = { .arm = arm, .take = disarm, .disarm = disarm, .unlinks = true };

void rln_broadcast_select_init(struct rln_exec *x)
{
	x->case_kinds[RINGLINE_CASE_SUBSCRIPTION] = &subscription_case;
}
