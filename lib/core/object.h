/* SPDX-License-Identifier: MIT */
/*
 * What synchronisation objects have in common: a handle, an owner, a name, and waits in which something changes hands.
 *
 * An object is its worker's, or *shared*: then any thread may use it, and tasks of all workers may wait for it. The code
 * of an object is the same in both cases. It calls rln_object_lock() around what it does, which is nothing for an object
 * of one worker, and lands what it hands over with rln_exchange_land(), which is a wake for a waiter of the same worker
 * and a message for others.
 *
 *     LIVE --free--> DEAD --last reference--> slot free
 *
 * References: one for the handle, one for each wait. A dead object answers -EBADF; its slot is reused when nobody waits
 * for it any more. Slots of one worker's objects are of its executor, those of shared ones of the process.
 *
 * Invariants: waiters, state and references change under the lock only. A waiter that was handed something by another
 * worker takes the lock once before it goes on (rln_exchange_disarm()), and so outlasts whoever is posting to its worker.
 */
#ifndef RLN_CORE_OBJECT_H
#define RLN_CORE_OBJECT_H

#include <errno.h>

#include "base/lock.h"
#include "base/slab.h"
#include "core/executor.h"
#include "core/task.h"
#include "core/wait.h"
#include "core/waker.h"
#include "ringline/sync.h"

/* A task has so many calls that need not wait, then the others have a turn. */
#define RLN_CALLS_MAX 128u

enum rln_object_kind {
	RLN_OBJECT_EVENT = 1,
	RLN_OBJECT_MUTEX,
	RLN_OBJECT_RWLOCK,
	RLN_OBJECT_SEMAPHORE,
	RLN_OBJECT_CONDITION,
	RLN_OBJECT_WAITGROUP,
	RLN_OBJECT_ONCE,
	RLN_OBJECT_CHAN,
	RLN_OBJECT_BROADCAST,
	RLN_OBJECT_SUBSCRIPTION,
};

struct rln_object {
	struct rln_slot slot;
	struct rln_exec *owner;           /* NULL: shared */
	struct rln_lock lock;             /* of a shared one */
	uint32_t refs;
	uint8_t kind;                     /* enum rln_object_kind */
	bool dead;
	char name[RINGLINE_SYNC_NAME_SIZE];
};

/* A wait on an object. */
struct rln_exchange {
	struct rln_wait wait;
	struct rln_msg msg;
	struct rln_exec *exec;            /* the waiter's */
	uint64_t n;                       /* what the object's kind wants to know of it */
	void *elem;
};

/* The object a handle, which may be NULL, stands for. */
#define rln_object_of(handle) ((struct rln_object *)(void *)(handle))

/* A live object of *kind* with one reference. 0, -EINVAL, -E2BIG (options), -ENOMEM, -EPERM (not on a worker). */
int rln_object_new(struct rln_object **ret, enum rln_object_kind kind, const struct ringline_sync_options *options,
                   const char *call) rln_must_check;

/* Why not; logged for *call*, unless that is NULL. */
int rln_object_refuse(const struct rln_object *o, enum rln_object_kind kind, const char *call) rln_cold;

static inline bool rln_object_usable(const struct rln_object *o, enum rln_object_kind kind, const struct rln_exec *x)
{
	return o && rln_slot_live(&o->slot) && !o->dead && o->kind == kind && (o->owner == x ? !x || x->alive : !o->owner);
}

/* The guard of public calls: 0, -EINVAL, -EPERM, -EBADF, -ECHILD. */
static inline int rln_object_check(const struct rln_object *o, enum rln_object_kind kind, const char *call)
{
	return rln_likely(rln_object_usable(o, kind, rln_exec_current)) ? 0 : rln_object_refuse(o, kind, call);
}

/* The guard of suspending calls: the task too, and its scope. Adds -EDEADLK, -ETIME, -ECANCELED. */
int rln_object_check_park(const struct rln_object *o, enum rln_object_kind kind, struct ringline_task **task,
                          const char *call) rln_must_check;

static inline void rln_object_lock(struct rln_object *o)
{
	if (rln_unlikely(!o->owner))
		rln_lock(&o->lock);
}

static inline void rln_object_unlock(struct rln_object *o)
{
	if (rln_unlikely(!o->owner))
		rln_unlock(&o->lock);
}

/* Drops a reference; unlocked. */
void rln_object_unref(struct rln_object *o);

/* Marks it dead, and tells all who wait on *source* (or NULL) that it is: -EBADF. Drops the handle's reference. */
void rln_object_kill(struct rln_object *o, struct rln_source *source);

/* Starts waiting on a source of the object; locked. */
void rln_exchange_arm(struct rln_exchange *e, struct rln_parker *p, struct rln_source *source, struct rln_object *o);

/* Ends it, whether it was handed something or not; unlocked. Each arm has its disarm. */
void rln_exchange_disarm(struct rln_exchange *e, struct rln_object *o);

/* Hands over to a waiter that was claimed (rln_wait_claim()); locked. */
void rln_exchange_land(struct rln_exchange *e, int64_t result);

/* The longest waiting one, NULL if there is none; locked. */
static inline struct rln_exchange *rln_exchange_first(const struct rln_source *s)
{
	struct rln_list *node = rln_list_first(&s->waiters);

	return node ? rln_container_of(node, struct rln_exchange, wait.link) : NULL;
}

/* Lands *result* with everybody who waits on *source*; locked. */
void rln_exchange_land_all(struct rln_source *source, int64_t result);

/* Lets the other tasks have a turn if the calling one has had many calls that did not wait. 0 or the cut. */
int rln_object_pace_slow(struct ringline_task *t);

static inline int rln_object_pace(struct ringline_task *t)
{
	struct rln_exec *x = rln_exec_current;

	return rln_likely(++x->paced < RLN_CALLS_MAX) ? 0 : rln_object_pace_slow(t);
}

/* For dumps: every live object of the worker, and every shared one. */
void rln_objects_each(struct rln_exec *x, void (*see)(const struct rln_object *o, void *arg), void *arg);
void rln_object_describe(const void *object, char *text, size_t size);

extern const size_t rln_object_size;      /* of a slot that any kind fits in */

#endif
