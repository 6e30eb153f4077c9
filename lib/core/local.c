/* SPDX-License-Identifier: MIT */
/* Task-locals; local.h tells the idea. */
#include <errno.h>
#include <stdatomic.h>

#include "base/lock.h"
#include "base/mem.h"
#include "core/local.h"
#include "core/task.h"

/* A key is its place and the generation it was made in, which is odd while it is live. */
struct key {
	_Atomic uint32_t gen;
	uint32_t flags;
	void (*destroy)(void *value);
};

static struct {
	struct rln_lock lock;
	struct key key[RINGLINE_LOCALS_MAX];
} table = { .lock = RLN_LOCK_INIT };

static uint64_t handle_of(uint32_t index, uint32_t gen)
{
	return (uint64_t)gen << 32 | index;
}

static const struct key *find(uint64_t handle)
{
	uint32_t index = (uint32_t)handle;
	const struct key *k = index < RINGLINE_LOCALS_MAX ? &table.key[index] : NULL;
	uint32_t gen = k ? atomic_load_explicit((_Atomic uint32_t *)&k->gen, memory_order_acquire) : 0;

	return gen & 1u && gen == (uint32_t)(handle >> 32) ? k : NULL;
}

int ringline_local_new(uint64_t *ret, void (*destroy)(void *value), uint32_t flags)
{
	uint32_t i;
	int r = -EAGAIN;

	if (!ret || flags & ~RINGLINE_LOCAL_INHERIT || (flags && destroy))
		return -EINVAL;
	rln_lock(&table.lock);
	for (i = 0; i < RINGLINE_LOCALS_MAX && r < 0; i++) {
		struct key *k = &table.key[i];
		uint32_t gen = atomic_load(&k->gen);

		if (gen & 1u)
			continue;
		k->flags = flags;
		k->destroy = destroy;
		atomic_store_explicit(&k->gen, gen + 1, memory_order_release);
		*ret = handle_of(i, gen + 1);
		r = 0;
	}
	rln_unlock(&table.lock);
	return r;
}

int ringline_local_free(uint64_t key)
{
	struct key *k;

	rln_lock(&table.lock);
	k = (struct key *)(uintptr_t)find(key);
	if (k)
		atomic_fetch_add(&k->gen, 1);
	rln_unlock(&table.lock);
	return k ? 0 : -EBADF;
}

static struct rln_local_value *place(struct ringline_task *t, uint64_t key)
{
	return &t->locals[(uint32_t)key];
}

static int make_room(struct ringline_task *t)
{
	if (!t->locals)
		t->locals = rln_mem_zalloc(RINGLINE_LOCALS_MAX * sizeof(*t->locals));
	return t->locals ? 0 : -ENOMEM;
}

int ringline_local_set(uint64_t key, void *value)
{
	struct ringline_task *t = rln_task_get(__func__);
	struct rln_local_value *v;
	void *before;

	if (!t)
		return rln_not_here();
	if (!find(key))
		return -EBADF;
	if (make_room(t) < 0)
		return -ENOMEM;
	v = place(t, key);
	before = v->gen == (uint32_t)(key >> 32) ? v->value : NULL;
	*v = (struct rln_local_value){ .value = value, .gen = (uint32_t)(key >> 32) };
	if (before && before != value && find(key)->destroy)
		find(key)->destroy(before);
	return 0;
}

void *ringline_local_get(uint64_t key)
{
	struct rln_exec *x = rln_exec_current;
	struct ringline_task *t = x ? x->current : NULL;
	const struct rln_local_value *v;

	if (!t || !t->locals || !find(key))
		return NULL;
	v = place(t, key);
	return v->gen == (uint32_t)(key >> 32) ? v->value : NULL;
}

int rln_locals_inherit(struct ringline_task *t, const struct ringline_task *parent)
{
	uint32_t i;

	for (i = 0; parent->locals && i < RINGLINE_LOCALS_MAX; i++) {
		const struct rln_local_value *v = &parent->locals[i];
		const struct key *k = find(handle_of(i, v->gen));

		if (!k || !(k->flags & RINGLINE_LOCAL_INHERIT) || !v->value)
			continue;
		if (make_room(t) < 0)
			return -ENOMEM;
		t->locals[i] = *v;
	}
	return 0;
}

void rln_locals_end(struct ringline_task *t)
{
	struct rln_local_value *values = t->locals;
	uint32_t i;

	t->locals = NULL;
	for (i = 0; values && i < RINGLINE_LOCALS_MAX; i++) {
		const struct key *k = find(handle_of(i, values[i].gen));

		if (k && k->destroy && values[i].value)
			k->destroy(values[i].value);
	}
	rln_mem_free(values);
}
