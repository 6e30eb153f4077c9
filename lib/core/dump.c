/* SPDX-License-Identifier: MIT */
/*
 * Dumps: each task with its state, what it waits for and since when, what it holds, and its stack.
 *
 *     task 4294967297 "conn": waits for 12.034 s: receive (connection 8589934593, fd 9), deadline in 17.966 s
 *         at serve+0x1f (daemon+0x12ab)
 *         in ringline_conn_recv+0xd2 (libringline.so.0+0x1a2b2)
 *     deadlock: task 1 "a" (mutex 0x... "db") -> task 2 "b" (mutex 0x... "log") -> task 1
 *
 * Who waits for whom is a function: a task waits in one place, and what it waits for there has at most one holder. So a walk
 * from each task along its holders, which stops where an earlier walk has been, finds every cycle once.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "core/dump.h"
#include "core/object.h"
#include "core/sync.h"

#define FRAMES 32

/* Addresses */

static const char *file_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void add_address(struct rln_text *out, const char *before, void *address)
{
	Dl_info info;

	if (!dladdr(address, &info) || !info.dli_fname) {
		rln_text_add(out, "    %s %p\n", before, address);
		return;
	}
	rln_text_add(out, "    %s ", before);
	if (info.dli_sname)
		rln_text_add(out, "%s+%#zx ", info.dli_sname, (size_t)((char *)address - (char *)info.dli_saddr));
	rln_text_add(out, "(%s+%#zx)\n", file_of(info.dli_fname), (size_t)((char *)address - (char *)info.dli_fbase));
}

void rln_dump_frames(struct rln_text *out, void *const *frames, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		add_address(out, "in", frames[i]);
}

/* Tasks, one after the other */

static struct ringline_task *task_at(const struct rln_exec *x, uint32_t index)
{
	struct ringline_task *t = rln_slab_at(&x->tasks, index);

	return t && rln_slot_live(&t->slot) && t->state != RLN_TASK_ENDED ? t : NULL;
}

static void add_name(struct rln_text *out, const struct ringline_task *t)
{
	rln_text_add(out, "task %llu \"%s\"", (unsigned long long)rln_slot_id(&t->slot), t->name);
}

static void add_seconds(struct rln_text *out, uint64_t ns)
{
	rln_text_add(out, "%llu.%03llu s", (unsigned long long)(ns / RLN_NSEC_PER_SEC),
	             (unsigned long long)(ns / RLN_NSEC_PER_MSEC % 1000));
}

static void add_wait(struct rln_text *out, const struct rln_parker *p, uint64_t now)
{
	char which[96];

	rln_text_add(out, "waits for ");
	add_seconds(out, now - p->since);
	rln_text_add(out, ": %s", p->what ? p->what->name : "something");
	if (!p->what || !p->object)
		return;
	if (p->what->describe)
		p->what->describe(p->object, which, sizeof(which));
	else
		snprintf(which, sizeof(which), "%p", p->object);
	rln_text_add(out, " (%s)", which);
}

static void add_state(struct rln_text *out, const struct rln_exec *x, const struct ringline_task *t, uint64_t now)
{
	if (t == x->current)
		rln_text_add(out, "runs");
	else if (t->state == RLN_TASK_QUEUED)
		rln_text_add(out, "is ready to run");
	else if (t->parked)
		add_wait(out, t->parked, now);
	else if (t->scope->flags & RLN_SCOPE_SETTLING || t->scope->live)
		rln_text_add(out, "waits for its scope: %u tasks, %u operations", t->scope->live, t->scope->pending);
	else
		rln_text_add(out, "is polled when one of its %u operations is done", t->scope->pending);
}

static void add_scope(struct rln_text *out, const struct rln_scope *s, uint64_t now)
{
	if (s->reason == -ETIME)
		rln_text_add(out, ", its deadline has passed");
	else if (s->reason)
		rln_text_add(out, ", cancelled");
	else if (s->deadline != RINGLINE_NEVER) {
		rln_text_add(out, ", deadline in ");
		add_seconds(out, s->deadline > now ? s->deadline - now : 0);
	}
}

struct holdings {
	struct rln_text *out;
	const struct ringline_task *task;
};

static void add_if_held(const struct rln_object *o, void *arg)
{
	const struct holdings *h = arg;
	char which[96];

	if (o->kind != RLN_OBJECT_MUTEX && o->kind != RLN_OBJECT_RWLOCK)
		return;
	if (rln_permits_holder((const struct rln_permits *)(const void *)o) != h->task)
		return;
	rln_object_describe(o, which, sizeof(which));
	rln_text_add(h->out, "    holds %s\n", which);
}

static void add_stack(struct rln_text *out, struct ringline_task *t)
{
	void *frames[FRAMES];
	size_t n;

	if (!t->fiber) {
		add_address(out, "poll function", (void *)(uintptr_t)t->fn);
		return;
	}
	n = rln_fiber_backtrace(t->fiber, frames, FRAMES);
	if (n)
		rln_dump_frames(out, frames, n);
	else
		add_address(out, "began in", (void *)(uintptr_t)t->fn);
}

static void add_task(struct rln_text *out, struct rln_exec *x, struct ringline_task *t, uint64_t now)
{
	struct holdings h = { .out = out, .task = t };

	add_name(out, t);
	rln_text_add(out, "%s: ", t->class == RINGLINE_TASK_BULK ? ", bulk" : "");
	add_state(out, x, t, now);
	add_scope(out, t->scope, now);
	if (t->locks)
		rln_text_add(out, ", holds %u locks", t->locks);
	rln_text_add(out, "\n");
	if (t->locks)
		rln_objects_each(x, add_if_held, &h);
	add_stack(out, t);
}

/* Cycles */

/* Whose move it is; NULL if that is not known, or not a task of this worker. */
static const struct ringline_task *waits_for(const struct rln_exec *x, const struct ringline_task *t)
{
	const struct rln_parker *p = t->parked;
	const struct ringline_task *holder = p && p->what && p->what->holder ? p->what->holder(p->object) : NULL;

	if (!holder || !rln_slab_owns(&x->tasks, &holder->slot))
		return NULL;
	return task_at(x, holder->slot.index);
}

static void add_cycle(struct rln_text *out, const struct rln_exec *x, const struct ringline_task *first)
{
	const struct ringline_task *t = first;
	char which[96];

	rln_text_add(out, "deadlock: ");
	do {
		add_name(out, t);
		if (t->parked->what->describe) {
			t->parked->what->describe(t->parked->object, which, sizeof(which));
			rln_text_add(out, " (%s)", which);
		}
		rln_text_add(out, " -> ");
		t = waits_for(x, t);
	} while (t != first);
	rln_text_add(out, "task %llu\n", (unsigned long long)rln_slot_id(&first->slot));
}

/* seen[index]: 1 + the index of the task whose walk came by. A walk that meets itself has gone round. */
static void add_cycles(struct rln_text *out, const struct rln_exec *x, uint32_t *seen)
{
	uint32_t i;

	for (i = 0; i < x->tasks.fresh; i++) {
		const struct ringline_task *t = task_at(x, i);

		while (t && !seen[t->slot.index]) {
			seen[t->slot.index] = i + 1;
			t = waits_for(x, t);
		}
		if (t && seen[t->slot.index] == i + 1 && waits_for(x, t))
			add_cycle(out, x, t);
	}
}

void rln_dump_tasks(struct rln_exec *x, struct rln_text *out)
{
	uint64_t now = rln_clock_now(x->clock);
	uint32_t *seen;
	uint32_t i;

	for (i = 0; i < x->tasks.fresh; i++) {
		struct ringline_task *t = task_at(x, i);

		if (t)
			add_task(out, x, t, now);
	}
	seen = x->tasks.fresh ? rln_mem_zalloc(x->tasks.fresh * sizeof(*seen)) : NULL;
	if (seen)
		add_cycles(out, x, seen);
	rln_mem_free(seen);
}
