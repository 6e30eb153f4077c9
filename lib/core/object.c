/* SPDX-License-Identifier: MIT */
/* Making, finding, ending synchronisation objects, and waiting on them; object.h tells the idea. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/sized.h"
#include "core/chan.h"
#include "core/object.h"
#include "core/sync.h"

union any_object {
	struct ringline_event event;
	struct rln_permits permits;
	struct ringline_condition condition;
	struct ringline_waitgroup waitgroup;
	struct ringline_once once;
	struct ringline_chan chan;
	struct ringline_broadcast broadcast;
	struct ringline_subscription subscription;
};

const size_t rln_object_size = sizeof(union any_object);

/* The slots of shared objects. Their memory goes back when there is none. */
static struct {
	struct rln_lock lock;
	struct rln_slab slab;
} process = { .lock = RLN_LOCK_INIT };

static struct rln_object *alloc_shared(void)
{
	struct rln_object *o;

	rln_lock(&process.lock);
	if (!process.slab.size)
		rln_slab_init(&process.slab, rln_object_size, 64, 0);
	o = rln_slab_alloc(&process.slab);
	if (!o && !process.slab.live)
		rln_slab_fini(&process.slab);
	rln_unlock(&process.lock);
	return o;
}

static void free_shared(struct rln_object *o)
{
	rln_lock(&process.lock);
	rln_slab_free(&process.slab, o);
	if (!process.slab.live)
		rln_slab_fini(&process.slab);
	rln_unlock(&process.lock);
}

static void object_init(struct rln_object *o, struct rln_exec *owner, enum rln_object_kind kind, const char *name)
{
	memset((char *)o + sizeof(o->slot), 0, rln_object_size - sizeof(o->slot));
	o->owner = owner;
	rln_lock_init(&o->lock);
	o->refs = 1;
	o->kind = (uint8_t)kind;
	if (name)
		memcpy(o->name, name, strnlen(name, sizeof(o->name) - 1));
}

int rln_object_new(struct rln_object **ret, enum rln_object_kind kind, const struct ringline_sync_options *options,
                   const char *call)
{
	struct ringline_sync_options o;
	struct rln_exec *x = NULL;
	int r = rln_sized_in(&o, sizeof(o), options);

	if (r < 0)
		return r;
	if (!ret || o.flags & ~RINGLINE_SYNC_SHARED || o.reserved)
		return -EINVAL;
	if (!(o.flags & RINGLINE_SYNC_SHARED) && !(x = rln_exec_get(call)))
		return rln_not_here();
	*ret = x ? rln_slab_alloc(&x->objects) : alloc_shared();
	if (!*ret)
		return -ENOMEM;
	object_init(*ret, x, kind, o.name);
	return 0;
}

int rln_object_refuse(const struct rln_object *o, enum rln_object_kind kind, const char *call)
{
	struct rln_exec *x = rln_exec_current;

	if (!o)
		return -EINVAL;
	if (x && !x->alive)
		return -ECHILD;
	if (!rln_slot_live(&o->slot))
		return x ? -EBADF : -EPERM;
	if (o->owner && o->owner != x) {
		if (call)
			rln_log(RLN_LOG_ERROR, "%s: called on a thread that does not own the object", call);
		return -EPERM;
	}
	return o->kind == kind ? -EBADF : -EINVAL;
}

int rln_object_check_park(const struct rln_object *o, enum rln_object_kind kind, struct ringline_task **task,
                          const char *call)
{
	int r = rln_task_get_parking(task, call);

	if (r == 0)
		r = rln_object_check(o, kind, call);
	return r == 0 ? (*task)->scope->reason : r;
}

void rln_object_unref(struct rln_object *o)
{
	bool last;

	rln_object_lock(o);
	last = --o->refs == 0;
	rln_object_unlock(o);
	if (!last)
		return;
	if (o->kind == RLN_OBJECT_CHAN)
		rln_chan_fini((struct ringline_chan *)(void *)o);
	else if (o->kind == RLN_OBJECT_BROADCAST)
		rln_broadcast_fini((struct ringline_broadcast *)(void *)o);
	if (o->owner)
		rln_slab_free(&o->owner->objects, o);
	else
		free_shared(o);
}

void rln_object_kill(struct rln_object *o, struct rln_source *source)
{
	rln_object_lock(o);
	o->dead = true;
	if (source)
		rln_exchange_land_all(source, -EBADF);
	rln_object_unlock(o);
	rln_object_unref(o);
}

/* On the waiter's worker; it cannot end before its task has gone on. */
static void deliver(struct rln_msg *m, struct rln_exec *x)
{
	struct rln_exchange *e = rln_container_of(m, struct rln_exchange, msg);

	(void)x;
	rln_wait_land(&e->wait, e->wait.result);
}

void rln_exchange_arm(struct rln_exchange *e, struct rln_parker *p, struct rln_source *source, struct rln_object *o)
{
	e->msg.deliver = deliver;
	e->exec = rln_exec_current;
	o->refs++;
	if (!o->owner && !p->shared)  /* others read it from the first such node on */
		p->shared = true;
	rln_wait_arm(&e->wait, p, source);
}

void rln_exchange_disarm(struct rln_exchange *e, struct rln_object *o)
{
	rln_object_lock(o);
	rln_wait_disarm(&e->wait);
	rln_object_unlock(o);
	rln_object_unref(o);
}

void rln_exchange_land(struct rln_exchange *e, int64_t result)
{
	if (e->exec == rln_exec_current) {
		rln_wait_land(&e->wait, result);
		return;
	}
	e->wait.result = result;
	if (rln_exec_post(e->exec, &e->msg, true) < 0)
		__builtin_unreachable();   /* urgent messages are never refused */
}

void rln_exchange_land_all(struct rln_source *source, int64_t result)
{
	struct rln_exchange *e;

	while ((e = rln_exchange_first(source)))
		if (rln_wait_claim(&e->wait))
			rln_exchange_land(e, result);
}

int rln_object_pace_slow(struct ringline_task *t)
{
	return rln_task_yield(t);
}

static void each_of(const struct rln_slab *slab, void (*see)(const struct rln_object *o, void *arg), void *arg)
{
	uint32_t i;

	for (i = 0; i < slab->fresh; i++) {
		const struct rln_object *o = rln_slab_at(slab, i);

		if (rln_slot_live(&o->slot))
			see(o, arg);
	}
}

void rln_objects_each(struct rln_exec *x, void (*see)(const struct rln_object *o, void *arg), void *arg)
{
	each_of(&x->objects, see, arg);
	rln_lock(&process.lock);
	each_of(&process.slab, see, arg);
	rln_unlock(&process.lock);
}

void rln_object_describe(const void *object, char *text, size_t size)
{
	static const char *const kinds[] = {
		[RLN_OBJECT_EVENT] = "event", [RLN_OBJECT_MUTEX] = "mutex", [RLN_OBJECT_RWLOCK] = "rwlock",
		[RLN_OBJECT_SEMAPHORE] = "semaphore", [RLN_OBJECT_CONDITION] = "condition",
		[RLN_OBJECT_WAITGROUP] = "waitgroup", [RLN_OBJECT_ONCE] = "once", [RLN_OBJECT_CHAN] = "channel",
		[RLN_OBJECT_BROADCAST] = "broadcast", [RLN_OBJECT_SUBSCRIPTION] = "subscription",
	};
	const struct rln_object *o = object;

	snprintf(text, size, "%s%s %p%s%s%s", o->owner ? "" : "shared ", kinds[o->kind], object, *o->name ? " \"" : "",
	         o->name, *o->name ? "\"" : "");
}
