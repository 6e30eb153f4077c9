/* SPDX-License-Identifier: MIT */
/*
 * Slabs. One test compares a slab with a table too simple to be wrong, by random steps; g_test prints the seed, and
 * --seed repeats it.
 */
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/slab.h"
#include "cases.h"

struct object {
	struct rln_slot slot;
	uint64_t payload[3];
};

static struct object *slab_alloc(struct rln_slab *s)
{
	struct object *o = rln_slab_alloc(s);

	g_assert_nonnull(o);
	g_assert_true(rln_slot_live(&o->slot));
	return o;
}

static void fini_empty_slab(struct rln_slab *s)
{
	g_assert_cmpuint(rln_slab_fini(s), ==, 0);
}

static void test_slab_objects_stay(void)
{
	const uint32_t n = 100000;
	struct object **objects = g_new(struct object *, n);
	struct rln_slab s;
	uint32_t i;

	rln_slab_init(&s, sizeof(struct object), 8, 0);
	for (i = 0; i < n; i++) {
		objects[i] = slab_alloc(&s);
		memset(objects[i]->payload, (int)i & 0xff, sizeof(objects[i]->payload));
		objects[i]->payload[0] = i;
	}
	for (i = 0; i < n; i++) {
		g_assert_cmpuint(objects[i]->slot.index, ==, i);
		g_assert_cmpuint(objects[i]->payload[0], ==, i);
		g_assert_true(rln_slab_at(&s, i) == objects[i]);
		g_assert_true(rln_slab_find(&s, rln_slot_id(&objects[i]->slot)) == objects[i]);
	}
	for (i = 0; i < n; i++)
		rln_slab_free(&s, objects[i]);
	fini_empty_slab(&s);
	g_free(objects);
}

static void test_slab_stale_id(void)
{
	struct rln_slab s;
	struct object *second;
	struct object *first;
	uint64_t id;

	rln_slab_init(&s, sizeof(struct object), 8, 0);
	g_assert_null(rln_slab_find(&s, 0));
	first = slab_alloc(&s);
	id = rln_slot_id(&first->slot);
	g_assert_true(rln_slab_find(&s, id) == first);
	rln_slab_free(&s, first);
	g_assert_null(rln_slab_find(&s, id));
	g_assert_null(rln_slab_find(&s, rln_slot_id(&first->slot)));
	second = slab_alloc(&s);
	g_assert_true(second == first);
	g_assert_null(rln_slab_find(&s, id));
	g_assert_true(rln_slab_find(&s, rln_slot_id(&second->slot)) == second);
	g_assert_null(rln_slab_find(&s, rln_slot_id(&second->slot) + 1000));
	rln_slab_free(&s, second);
	fini_empty_slab(&s);
}

static void test_slab_lifo(void)
{
	struct rln_slab s;
	struct object *o[3];
	int i;

	rln_slab_init(&s, sizeof(struct object), 8, 0);
	for (i = 0; i < 3; i++)
		o[i] = slab_alloc(&s);
	rln_slab_free(&s, o[2]);
	rln_slab_free(&s, o[0]);
	rln_slab_free(&s, o[1]);
	g_assert_true(slab_alloc(&s) == o[1]);
	g_assert_true(slab_alloc(&s) == o[0]);
	g_assert_true(slab_alloc(&s) == o[2]);
	g_assert_cmpuint(rln_slab_fini(&s), ==, 3);
}

static void test_slab_max(void)
{
	struct rln_slab s;
	struct object *o;
	int i;

	rln_slab_init(&s, sizeof(struct object), 8, 10);
	for (i = 0; i < 10; i++)
		o = slab_alloc(&s);
	g_assert_null(rln_slab_alloc(&s));
	rln_slab_free(&s, o);
	g_assert_true(slab_alloc(&s) == o);
	g_assert_null(rln_slab_alloc(&s));
	g_assert_cmpuint(rln_slab_fini(&s), ==, 10);
}

static void test_slab_never_handed_out(void)
{
	struct rln_slab s;

	rln_slab_init(&s, sizeof(struct object), 8, 0);
	g_assert_null(rln_slab_at(&s, 0));
	slab_alloc(&s);
	g_assert_nonnull(rln_slab_at(&s, 0));
	g_assert_null(rln_slab_at(&s, 1));
	g_assert_null(rln_slab_at(&s, RLN_SLAB_FIRST_CHUNK));
	g_assert_null(rln_slab_at(&s, UINT32_MAX));
	g_assert_null(rln_slab_find(&s, UINT64_MAX));
	g_assert_cmpuint(rln_slab_fini(&s), ==, 1);
}

static void test_slab_alignment(void)
{
	struct rln_slab s;
	int i;

	rln_slab_init(&s, 65, 64, 0);
	g_assert_cmpuint(s.size, ==, 128);
	for (i = 0; i < 100; i++)
		g_assert_cmpuint((uintptr_t)rln_slab_alloc(&s) % 64, ==, 0);
	g_assert_cmpuint(rln_slab_fini(&s), ==, 100);
}

static void *junk_alloc(size_t size, size_t align, void *arg)
{
	void *p = NULL;

	(void)arg;
	g_assert_cmpint(posix_memalign(&p, align, size), ==, 0);
	return memset(p, 0xa5, size);
}

static void junk_free(void *p, void *arg)
{
	(void)arg;
	free(p);
}

static void test_slab_new_memory_is_zero(void)
{
	const struct rln_allocator junk = { junk_alloc, junk_free, NULL };
	const uint64_t zero[3] = { 0 };
	struct rln_slab s;
	int i;

	g_assert_cmpint(rln_mem_set_allocator(&junk), ==, 0);
	rln_slab_init(&s, sizeof(struct object), 8, 0);
	for (i = 0; i < 50; i++) {
		struct object *o = slab_alloc(&s);

		g_assert_cmpmem(o->payload, sizeof(o->payload), zero, sizeof(zero));
	}
	g_assert_cmpuint(rln_slab_fini(&s), ==, 50);
	g_assert_cmpint(rln_mem_set_allocator(NULL), ==, 0);
}

static void *page_alloc(size_t size, size_t align, void *arg)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	g_assert_true(p != MAP_FAILED && (uintptr_t)p % align == 0);
	*(size_t *)arg = size;
	return p;
}

static void page_free(void *p, void *arg)
{
	(void)p;                  /* its size is not known here: the test unmaps it */
	(void)arg;
}

/* The first chunk is used up, and one object of the second, twice as large: the other pages of that are not there. */
static void test_slab_unused_is_not_resident(void)
{
	const uint32_t second = 2 * RLN_SLAB_FIRST_CHUNK;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t last_size = 0;
	const struct rln_allocator pages = { page_alloc, page_free, &last_size };
	unsigned char resident[2 * RLN_SLAB_FIRST_CHUNK];
	struct rln_slab s;
	void *chunk[2];
	uint32_t i;

	g_assert_cmpint(rln_mem_set_allocator(&pages), ==, 0);
	rln_slab_init(&s, page, 64, 0);
	for (i = 0; i <= RLN_SLAB_FIRST_CHUNK; i++)
		slab_alloc(&s);
	g_assert_cmpuint(last_size, ==, second * page);
	g_assert_cmpint(mincore(s.chunk[1], last_size, resident), ==, 0);
	g_assert_true(resident[0] & 1);
	for (i = 1; i < second; i++)
		g_assert_false(resident[i] & 1);
	chunk[0] = s.chunk[0];
	chunk[1] = s.chunk[1];
	g_assert_cmpuint(rln_slab_fini(&s), ==, RLN_SLAB_FIRST_CHUNK + 1);
	g_assert_cmpint(rln_mem_set_allocator(NULL), ==, 0);
	munmap(chunk[0], RLN_SLAB_FIRST_CHUNK * page);
	munmap(chunk[1], last_size);
}

/* Fails each of the first requests in turn. What was there stays usable, and nothing is lost. */
static void test_slab_out_of_memory(void)
{
	uint32_t skip;

	for (skip = 0; skip < 4; skip++) {
		struct rln_slab s;
		uint32_t n = 0;

		rln_slab_init(&s, sizeof(struct object), 8, 0);
		rln_fault_arm(RLN_FAULT_ALLOC, skip, 1, ENOMEM);
		while (rln_slab_alloc(&s))
			n++;
		g_assert_cmpuint(n, ==, RLN_SLAB_FIRST_CHUNK * ((1u << skip) - 1));
		g_assert_cmpuint(s.live, ==, n);
		g_assert_cmpuint(slab_alloc(&s)->slot.index, ==, n);
		rln_slab_fini(&s);
		g_assert_cmpuint(rln_fault_failed(RLN_FAULT_ALLOC), ==, 1);
		rln_fault_disarm_all();
		g_assert_cmpuint(rln_mem_live(), ==, 0);
	}
}

static void test_slab_free_needs_no_memory(void)
{
	struct object *o[500];
	struct rln_slab s;
	int i;

	rln_slab_init(&s, sizeof(struct object), 8, 0);
	for (i = 0; i < 500; i++)
		o[i] = slab_alloc(&s);
	rln_fault_arm(RLN_FAULT_ALLOC, 0, UINT32_MAX, ENOMEM);
	for (i = 0; i < 500; i++)
		rln_slab_free(&s, o[i]);
	for (i = 0; i < 500; i++)
		slab_alloc(&s);
	g_assert_cmpuint(rln_fault_passed(RLN_FAULT_ALLOC), ==, 0);
	rln_fault_disarm_all();
	g_assert_cmpuint(rln_slab_fini(&s), ==, 500);
}

static void test_slab_double_free(void)
{
	struct rln_slab s;
	struct object *o;

	if (g_test_subprocess()) {
		rln_slab_init(&s, sizeof(*o), 8, 0);
		o = slab_alloc(&s);
		rln_slab_free(&s, o);
		rln_slab_free(&s, o);
		_exit(0);
	}
	g_test_trap_subprocess(NULL, 0, 0);
	g_test_trap_assert_failed();
}

/* The model: a table of what is live, and the id each object had. */
static void test_slab_model(void)
{
	struct object *live[300];
	uint64_t stale[64] = { 0 };
	struct rln_slab s;
	uint32_t nlive = 0;
	int step;

	rln_slab_init(&s, sizeof(struct object), 8, 300);
	for (step = 0; step < 50000; step++) {
		if (g_test_rand_bit()) {
			struct object *o = rln_slab_alloc(&s);

			g_assert_true(!!o == (nlive < 300));
			if (!o)
				continue;
			o->payload[1] = rln_slot_id(&o->slot);
			live[nlive++] = o;
		} else if (nlive) {
			uint32_t i = (uint32_t)g_test_rand_int_range(0, (gint32)nlive);

			g_assert_cmpuint(live[i]->payload[1], ==, rln_slot_id(&live[i]->slot));
			g_assert_true(rln_slab_find(&s, live[i]->payload[1]) == live[i]);
			stale[step % 64] = live[i]->payload[1];
			rln_slab_free(&s, live[i]);
			live[i] = live[--nlive];
		}
		g_assert_null(rln_slab_find(&s, stale[g_test_rand_int_range(0, 64)]));
		g_assert_cmpuint(s.live, ==, nlive);
	}
	g_assert_cmpuint(rln_slab_fini(&s), ==, nlive);
}

static const struct test_case cases[] = {
	{ "/slab/objects-stay-where-they-are", test_slab_objects_stay },
	{ "/slab/stale-id-is-not-found", test_slab_stale_id },
	{ "/slab/next-object-is-the-last-freed", test_slab_lifo },
	{ "/slab/more-than-max-is-refused", test_slab_max },
	{ "/slab/what-was-never-handed-out-is-not-found", test_slab_never_handed_out },
	{ "/slab/objects-are-aligned", test_slab_alignment },
	{ "/slab/new-memory-is-zero", test_slab_new_memory_is_zero },
	{ "/slab/what-was-never-handed-out-is-not-resident", test_slab_unused_is_not_resident },
	{ "/slab/out-of-memory-leaves-it-usable", test_slab_out_of_memory },
	{ "/slab/free-needs-no-memory", test_slab_free_needs_no_memory },
	{ "/slab/double-free-is-caught-in-test-builds", test_slab_double_free },
	{ "/slab/agrees-with-a-table", test_slab_model },
};

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	add_cases(cases, G_N_ELEMENTS(cases));
	return g_test_run();
}
