/* SPDX-License-Identifier: MIT */
/*
 * Mutexes, rwlocks and semaphores; sync.h tells the idea.
 *
 *     release:  free += n, then while the head of the queue wants no more than is free: claim it, take, land
 *     acquire:  nobody queues and enough is free: take. Otherwise queue behind the others
 *     cut:      leave the queue; who comes next may want less, so the head is looked at again
 *
 * Claim before take: a waiter that another worker's node, a cut or another case of its select has won already is only
 * dropped from the queue, and the permits stay free for the next one.
 *
 * Invariants: permits are free or held; nobody heads the queue whom the free ones would satisfy.
 */
#include "core/sync.h"

#define WRITER UINT32_MAX                 /* a writer takes what this many readers would */

/* What a handle may be NULL of is only given a type. */
static struct rln_permits *permits_of(void *handle)
{
	return handle;
}

static const struct ringline_task *holder(const void *object)
{
	return rln_permits_holder(object);
}

static const struct rln_what what_permits = { .name = "lock", .describe = rln_object_describe, .holder = holder };

static bool is_lock(const struct rln_permits *p)
{
	return p->o.kind != RLN_OBJECT_SEMAPHORE;
}

static void set_holder(struct rln_permits *p, const struct ringline_task *t)
{
	atomic_store_explicit(&p->holder, t, memory_order_relaxed);
}

static void take(struct rln_permits *p, uint64_t n, const struct ringline_task *t)
{
	p->free -= n;
	set_holder(p, is_lock(p) && !p->free ? t : NULL);
}

/* Those who came before come first. */
static bool available(const struct rln_permits *p, uint64_t n)
{
	return p->free >= n && !rln_source_waited_on(&p->waiters);
}

static bool try_take(struct rln_permits *p, uint64_t n, const struct ringline_task *t)
{
	if (!available(p, n))
		return false;
	take(p, n, t);
	return true;
}

/* Serves the queue from its head; locked. */
static void grant(struct rln_permits *p)
{
	struct rln_exchange *e;

	while ((e = rln_exchange_first(&p->waiters)) && e->n <= p->free) {
		if (!rln_wait_claim(&e->wait))
			continue;
		take(p, e->n, e->wait.parker->task);
		rln_exchange_land(e, 0);
	}
}

static void give(struct rln_permits *p, uint64_t n)
{
	rln_object_lock(&p->o);
	p->free += n;
	set_holder(p, NULL);
	grant(p);
	rln_object_unlock(&p->o);
}

/* Off the queue; whoever is behind may be satisfied now. Unlocked. */
static void leave_queue(struct rln_permits *p, struct rln_exchange *e)
{
	rln_object_lock(&p->o);
	rln_wait_disarm(&e->wait);
	grant(p);
	rln_object_unlock(&p->o);
	rln_object_unref(&p->o);
}

/* Locked when it is called, unlocked when it returns. */
static int wait_for(struct rln_permits *p, uint64_t n, struct ringline_task *t, bool shielded)
{
	struct rln_parker parker;
	struct rln_exchange e;
	int r = 0;

	rln_parker_init(&parker, t, &what_permits, p);
	e.n = n;
	rln_exchange_arm(&e, &parker, &p->waiters, &p->o);
	rln_object_unlock(&p->o);
	if (shielded)
		rln_park_shielded(&parker);
	else
		r = rln_park(&parker);
	leave_queue(p, &e);
	return r < 0 ? r : (int)e.wait.result;
}

static int acquire(struct rln_permits *p, uint64_t n, struct ringline_task *t, bool shielded)
{
	rln_object_lock(&p->o);
	if (rln_unlikely(!try_take(p, n, t)))
		return wait_for(p, n, t, shielded);
	rln_object_unlock(&p->o);
	return 0;
}

static int acquire_lock(struct rln_permits *p, uint64_t n, enum rln_object_kind kind, const char *call)
{
	struct ringline_task *t;
	int r = rln_object_check_park(rln_object_of(p), kind, &t, call);

	if (r == 0)
		r = rln_permits_holder(p) == t ? -EDEADLK : rln_object_pace(t);
	if (r == 0)
		r = acquire(p, n, t, false);
	if (r == 0)
		t->locks++;
	return r;
}

static int try_lock(struct rln_permits *p, uint64_t n, enum rln_object_kind kind, const char *call)
{
	struct ringline_task *t = rln_task_get(call);
	int r = rln_object_check(rln_object_of(p), kind, call);
	bool taken;

	if (r < 0)
		return r;
	if (!t)
		return rln_not_here();
	rln_object_lock(&p->o);
	taken = try_take(p, n, t);
	rln_object_unlock(&p->o);
	if (!taken)
		return -EAGAIN;
	t->locks++;
	return 0;
}

static void give_lock(struct rln_permits *p, uint64_t n, struct ringline_task *t)
{
	if (t->locks)
		t->locks--;
	give(p, n);
}

static int new_permits(struct rln_permits **ret, enum rln_object_kind kind, uint64_t n, uint64_t most,
                       const struct ringline_sync_options *options, const char *call)
{
	struct rln_object *o;
	int r = rln_object_new(&o, kind, options, call);

	if (r < 0)
		return r;
	*ret = rln_container_of(o, struct rln_permits, o);
	rln_source_init(&(*ret)->waiters);
	(*ret)->free = n;
	(*ret)->most = most;
	return 0;
}

/* One that is held is not freed: its holder would give back what is not there. */
static int free_permits(struct rln_permits *p, enum rln_object_kind kind, const char *call)
{
	int r = p ? rln_object_check(rln_object_of(p), kind, call) : 0;
	bool held;

	if (r < 0 || !p)
		return r;
	rln_object_lock(&p->o);
	held = is_lock(p) && p->free < p->most;
	rln_object_unlock(&p->o);
	if (held)
		return -EBUSY;
	rln_object_kill(&p->o, &p->waiters);
	return 0;
}

/* Mutex */

int ringline_mutex_new(struct ringline_mutex **ret, const struct ringline_sync_options *options)
{
	struct rln_permits *p;
	int r = ret ? new_permits(&p, RLN_OBJECT_MUTEX, 1, 1, options, __func__) : -EINVAL;

	if (r == 0)
		*ret = rln_container_of(p, struct ringline_mutex, permits);
	return r;
}

int ringline_mutex_lock(struct ringline_mutex *mutex)
{
	return acquire_lock(permits_of(mutex), 1, RLN_OBJECT_MUTEX, __func__);
}

int ringline_mutex_try_lock(struct ringline_mutex *mutex)
{
	return try_lock(permits_of(mutex), 1, RLN_OBJECT_MUTEX, __func__);
}

int rln_mutex_release(struct ringline_mutex *m, struct ringline_task *t)
{
	if (rln_permits_holder(&m->permits) != t)
		return -EPERM;
	give_lock(&m->permits, 1, t);
	return 0;
}

int rln_mutex_retake(struct ringline_mutex *m, struct ringline_task *t)
{
	int r = acquire(&m->permits, 1, t, true);

	if (r == 0)
		t->locks++;
	return r;
}

int ringline_mutex_unlock(struct ringline_mutex *mutex)
{
	int r = rln_object_check(rln_object_of(mutex), RLN_OBJECT_MUTEX, __func__);
	struct ringline_task *t;

	if (r < 0)
		return r;
	t = rln_task_get(__func__);
	return t ? rln_mutex_release(mutex, t) : rln_not_here();
}

int ringline_mutex_free(struct ringline_mutex *mutex)
{
	return free_permits(permits_of(mutex), RLN_OBJECT_MUTEX, __func__);
}

/* Rwlock */

int ringline_rwlock_new(struct ringline_rwlock **ret, const struct ringline_sync_options *options)
{
	struct rln_permits *p;
	int r = ret ? new_permits(&p, RLN_OBJECT_RWLOCK, WRITER, WRITER, options, __func__) : -EINVAL;

	if (r == 0)
		*ret = rln_container_of(p, struct ringline_rwlock, permits);
	return r;
}

int ringline_rwlock_read(struct ringline_rwlock *rwlock)
{
	return acquire_lock(permits_of(rwlock), 1, RLN_OBJECT_RWLOCK, __func__);
}

int ringline_rwlock_write(struct ringline_rwlock *rwlock)
{
	return acquire_lock(permits_of(rwlock), WRITER, RLN_OBJECT_RWLOCK, __func__);
}

int ringline_rwlock_try_read(struct ringline_rwlock *rwlock)
{
	return try_lock(permits_of(rwlock), 1, RLN_OBJECT_RWLOCK, __func__);
}

int ringline_rwlock_try_write(struct ringline_rwlock *rwlock)
{
	return try_lock(permits_of(rwlock), WRITER, RLN_OBJECT_RWLOCK, __func__);
}

/* Held by others for reading, or by nobody, or by another writer. */
static bool may_end_reading(struct rln_permits *p)
{
	bool may;

	rln_object_lock(&p->o);
	may = p->free && p->free < WRITER;
	rln_object_unlock(&p->o);
	return may;
}

int ringline_rwlock_unlock(struct ringline_rwlock *rwlock)
{
	struct rln_permits *p = permits_of(rwlock);
	int r = rln_object_check(rln_object_of(p), RLN_OBJECT_RWLOCK, __func__);
	struct ringline_task *t;

	if (r < 0)
		return r;
	t = rln_task_get(__func__);
	if (!t)
		return rln_not_here();
	if (rln_permits_holder(p) == t)
		give_lock(p, WRITER, t);
	else if (t->locks && may_end_reading(p))
		give_lock(p, 1, t);
	else
		return -EPERM;
	return 0;
}

int ringline_rwlock_free(struct ringline_rwlock *rwlock)
{
	return free_permits(permits_of(rwlock), RLN_OBJECT_RWLOCK, __func__);
}

/* Semaphore */

int ringline_semaphore_new(struct ringline_semaphore **ret, uint32_t permits, const struct ringline_sync_options *options)
{
	struct rln_permits *p;
	int r = ret ? new_permits(&p, RLN_OBJECT_SEMAPHORE, permits, UINT32_MAX, options, __func__) : -EINVAL;

	if (r == 0)
		*ret = rln_container_of(p, struct ringline_semaphore, permits);
	return r;
}

int ringline_semaphore_acquire(struct ringline_semaphore *semaphore, uint32_t n)
{
	struct rln_permits *p = permits_of(semaphore);
	struct ringline_task *t;
	int r = rln_object_check_park(rln_object_of(p), RLN_OBJECT_SEMAPHORE, &t, __func__);

	if (r == 0)
		r = n ? rln_object_pace(t) : -EINVAL;
	return r == 0 ? acquire(p, n, t, false) : r;
}

int ringline_semaphore_try_acquire(struct ringline_semaphore *semaphore, uint32_t n)
{
	struct rln_permits *p = permits_of(semaphore);
	int r = rln_object_check(rln_object_of(p), RLN_OBJECT_SEMAPHORE, __func__);

	if (r < 0 || !n)
		return r < 0 ? r : -EINVAL;
	rln_object_lock(&p->o);
	r = try_take(p, n, NULL) ? 0 : -EAGAIN;
	rln_object_unlock(&p->o);
	return r;
}

int ringline_semaphore_release(struct ringline_semaphore *semaphore, uint32_t n)
{
	struct rln_permits *p = permits_of(semaphore);
	int r = rln_object_check(rln_object_of(p), RLN_OBJECT_SEMAPHORE, __func__);

	if (r < 0 || !n)
		return r < 0 ? r : -EINVAL;
	rln_object_lock(&p->o);
	if (n <= p->most - p->free) {
		p->free += n;
		grant(p);
	} else {
		r = -EOVERFLOW;
	}
	rln_object_unlock(&p->o);
	return r;
}

int ringline_semaphore_free(struct ringline_semaphore *semaphore)
{
	return free_permits(permits_of(semaphore), RLN_OBJECT_SEMAPHORE, __func__);
}

/* Cases of select */

static int arm(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *parker, enum rln_object_kind kind,
               uint64_t want)
{
	struct rln_permits *p = c->object;
	int r = rln_object_case_check(c, kind);

	if (r)
		return r;
	if (!want)
		return -EINVAL;
	if (is_lock(p) && rln_permits_holder(p) == parker->task)
		return -EDEADLK;
	n->exchange.n = want;
	n->task = parker->task;
	n->taken = false;
	c->result = 0;
	rln_object_lock(&p->o);
	if (!available(p, want)) {
		rln_exchange_arm(&n->exchange, parker, &p->waiters, &p->o);
		r = RLN_CASE_WAITS;
	} else if (!rln_parker_close(parker)) {
		r = RLN_CASE_LOST;
	} else {
		take(p, want, parker->task);
		n->taken = true;
		r = RLN_CASE_TAKEN;
	}
	rln_object_unlock(&p->o);
	return r;
}

static void chosen(struct ringline_case *c, struct rln_select_node *n)
{
	if (is_lock(c->object) && c->result == 0)
		n->task->locks++;
	if (!n->taken)
		leave_queue(c->object, &n->exchange);
}

static void disarm(struct ringline_case *c, struct rln_select_node *n)
{
	leave_queue(c->object, &n->exchange);
}

static int arm_mutex(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	return arm(c, n, p, RLN_OBJECT_MUTEX, 1);
}

static int arm_read(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	return arm(c, n, p, RLN_OBJECT_RWLOCK, 1);
}

static int arm_write(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	return arm(c, n, p, RLN_OBJECT_RWLOCK, WRITER);
}

static int arm_semaphore(struct ringline_case *c, struct rln_select_node *n, struct rln_parker *p)
{
	return c->value > UINT32_MAX ? -EINVAL : arm(c, n, p, RLN_OBJECT_SEMAPHORE, c->value);
}

#define PERMITS_CASE(how) { .arm = how, .take = chosen, .disarm = disarm, .unlinks = true }

static const struct rln_case_kind mutex_case = PERMITS_CASE(arm_mutex);
static const struct rln_case_kind read_case = PERMITS_CASE(arm_read);
static const struct rln_case_kind write_case = PERMITS_CASE(arm_write);
static const struct rln_case_kind semaphore_case = PERMITS_CASE(arm_semaphore);

void rln_permits_select_init(struct rln_exec *x)
{
	x->case_kinds[RINGLINE_CASE_MUTEX] = &mutex_case;
	x->case_kinds[RINGLINE_CASE_READ_LOCK] = &read_case;
	x->case_kinds[RINGLINE_CASE_WRITE_LOCK] = &write_case;
	x->case_kinds[RINGLINE_CASE_SEMAPHORE] = &semaphore_case;
}
