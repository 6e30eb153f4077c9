/* SPDX-License-Identifier: MIT */
/*
 * Heaps. One test compares a heap with a linear search, by random steps; g_test prints the seed, and --seed repeats it.
 */
#include <errno.h>
#include <glib.h>

#include "base/fault.h"
#include "base/heap.h"
#include "base/mem.h"
#include "cases.h"

struct timer {
	struct rln_heap_node node;
	uint64_t key;
	uint32_t number;
};

static void assert_part(const struct rln_heap_part *p)
{
	uint32_t i;

	for (i = 0; i < p->len; i++) {
		g_assert_cmpuint(p->entry[i].node->pos, ==, i);
		if (i)
			g_assert_cmpuint(p->entry[(i - 1) / 4].key, <=, p->entry[i].key);
	}
}

static void assert_heap(const struct rln_heap *h)
{
	uint32_t i;

	g_assert_cmpuint(h->near.len, <=, RLN_HEAP_FRONT);
	g_assert_cmpuint(h->near.len + h->far.len, ==, h->len);
	assert_part(&h->near);
	assert_part(&h->far);
	for (i = 0; i < h->near.len && h->far.len; i++)
		g_assert_cmpuint(h->front[i].key, <=, h->far.entry[0].key);
}

static struct timer *pop(struct rln_heap *h, uint64_t *key)
{
	struct rln_heap_node *n = rln_heap_min(h, key);

	if (!n)
		return NULL;
	rln_heap_remove(h, n);
	g_assert_false(rln_heap_contains(n));
	return rln_container_of(n, struct timer, node);
}

static void insert(struct rln_heap *h, struct timer *t, uint64_t key)
{
	t->key = key;
	rln_heap_node_init(&t->node);
	g_assert_cmpint(rln_heap_insert(h, &t->node, key), ==, 0);
}

static void test_heap_million(void)
{
	uint32_t n = scaled(1000000, 20000);
	struct timer *timers = g_new0(struct timer, n);
	uint64_t last = 0;
	struct rln_heap h;
	uint64_t key;
	uint32_t i;

	rln_heap_init(&h);
	for (i = 0; i < n; i++)
		insert(&h, &timers[i], (uint64_t)g_test_rand_int_range(0, G_MAXINT32) << 20);
	g_assert_cmpuint(h.len, ==, n);
	assert_heap(&h);
	for (i = 0; i < n; i += 2)
		rln_heap_remove(&h, &timers[i].node);
	assert_heap(&h);
	for (i = 0; i < n / 2; i++) {
		struct timer *t = pop(&h, &key);

		g_assert_cmpuint(t->key, ==, key);
		g_assert_cmpuint(key, >=, last);
		g_assert_cmpuint((t - timers) % 2, ==, 1);
		last = key;
	}
	g_assert_null(pop(&h, &key));
	rln_heap_fini(&h);
	g_free(timers);
}

static void assert_insertion_order(uint32_t first_seq)
{
	struct timer timers[1000];
	struct rln_heap h;
	uint64_t key;
	uint32_t i;

	rln_heap_init(&h);
	h.seq = first_seq;
	for (i = 0; i < 1000; i++) {
		timers[i].number = i;
		insert(&h, &timers[i], 7 + i % 3);
	}
	for (i = 0; i < 1000; i++) {
		uint32_t expected = i < 334 ? i * 3 : i < 667 ? (i - 334) * 3 + 1 : (i - 667) * 3 + 2;

		g_assert_cmpuint(pop(&h, &key)->number, ==, expected);
	}
	rln_heap_fini(&h);
}

static void test_heap_equal_keys(void)
{
	assert_insertion_order(0);
}

static void test_heap_counter_wraps(void)
{
	assert_insertion_order(UINT32_MAX - 500);
}

static struct timer *model_min(struct timer *timers, int n)
{
	struct timer *least = NULL;
	int i;

	for (i = 0; i < n; i++) {
		struct timer *t = &timers[i];

		if (rln_heap_contains(&t->node) &&
		    (!least || t->key < least->key || (t->key == least->key && t->number < least->number)))
			least = t;
	}
	return least;
}

static void test_heap_model(void)
{
	struct timer timers[200];
	struct rln_heap h;
	uint32_t number = 0;
	uint64_t key;
	int step;
	int i;

	rln_heap_init(&h);
	for (i = 0; i < 200; i++)
		rln_heap_node_init(&timers[i].node);
	for (step = 0; step < 20000; step++) {
		struct timer *t = &timers[g_test_rand_int_range(0, 200)];

		if (!rln_heap_contains(&t->node)) {
			t->number = number++;
			insert(&h, t, (uint64_t)g_test_rand_int_range(0, 50));
		} else if (g_test_rand_bit()) {
			rln_heap_remove(&h, &t->node);
		} else {
			t = model_min(timers, 200);
			g_assert_true(pop(&h, &key) == t);
			g_assert_cmpuint(key, ==, t->key);
		}
		if (step % 64 == 0)
			assert_heap(&h);
	}
	rln_heap_fini(&h);
}

/* Each is sooner than all before it: it goes to the front, and what was there moves on. */
static void test_heap_sooner_and_sooner(void)
{
	struct timer timers[500];
	struct rln_heap h;
	uint64_t key;
	int i;

	rln_heap_init(&h);
	for (i = 0; i < 500; i++) {
		insert(&h, &timers[i], (uint64_t)(1000 - i));
		g_assert_true(rln_heap_min(&h, &key) == &timers[i].node);
		g_assert_cmpuint(h.near.len, ==, rln_min((uint32_t)i + 1, RLN_HEAP_FRONT));
		assert_heap(&h);
	}
	for (i = 499; i >= 0; i--)
		g_assert_true(pop(&h, &key) == &timers[i]);
	rln_heap_fini(&h);
}

/* With the front full of the soonest, the next soonest costs a place in the front, not a way through the whole heap. */
static void test_heap_front_is_used_again(void)
{
	struct timer timers[500];
	struct timer t;
	struct rln_heap h;
	int i;

	rln_heap_init(&h);
	for (i = 0; i < 500; i++)
		insert(&h, &timers[i], (uint64_t)(100 + i));
	for (i = 0; i < 10; i++) {
		insert(&h, &t, (uint64_t)(i % 2));
		g_assert_cmpuint(t.node.pos, <, RLN_HEAP_FRONT);
		g_assert_true(h.front[t.node.pos].node == &t.node);
		g_assert_cmpuint(h.near.len, ==, RLN_HEAP_FRONT);
		rln_heap_remove(&h, &t.node);
		assert_heap(&h);
	}
	g_assert_cmpuint(h.len, ==, 500);
	rln_heap_fini(&h);
}

/* Keys that are equal keep their order also where some of them are in the front and some are not. */
static void test_heap_equal_keys_across_the_front(void)
{
	struct timer sooner[RLN_HEAP_FRONT];
	struct timer equal[100];
	struct rln_heap h;
	uint64_t key;
	int i;

	rln_heap_init(&h);
	for (i = 0; i < 50; i++)
		insert(&h, &equal[i], 7);
	for (i = 0; i < 20; i++)
		insert(&h, &sooner[i], 3);
	for (i = 50; i < 100; i++)
		insert(&h, &equal[i], 7);
	assert_heap(&h);
	for (i = 0; i < 20; i++)
		g_assert_true(pop(&h, &key) == &sooner[i]);
	for (i = 0; i < 100; i++)
		g_assert_true(pop(&h, &key) == &equal[i]);
	rln_heap_fini(&h);
}

static void test_heap_remove_unlinked(void)
{
	struct timer in;
	struct timer out;
	struct rln_heap h;

	rln_heap_init(&h);
	insert(&h, &in, 1);
	rln_heap_node_init(&out.node);
	rln_heap_remove(&h, &out.node);
	g_assert_cmpuint(h.len, ==, 1);
	rln_heap_remove(&h, &in.node);
	rln_heap_remove(&h, &in.node);
	g_assert_cmpuint(h.len, ==, 0);
	rln_heap_fini(&h);
}

static void test_heap_reserve(void)
{
	struct timer timers[1000];
	struct rln_heap h;
	int i;

	rln_heap_init(&h);
	g_assert_cmpint(rln_heap_reserve(&h, 1000), ==, 0);
	rln_fault_arm(RLN_FAULT_ALLOC, 0, UINT32_MAX, ENOMEM);
	for (i = 0; i < 1000; i++)
		insert(&h, &timers[i], (uint64_t)i);
	g_assert_cmpint(rln_heap_reserve(&h, 1000), ==, 0);
	g_assert_cmpint(rln_heap_reserve(&h, 100000), ==, -ENOMEM);
	rln_fault_disarm_all();
	rln_heap_fini(&h);
}

/* The first few need no memory at all. */
static void test_heap_front_needs_no_memory(void)
{
	struct timer timers[RLN_HEAP_FRONT];
	struct rln_heap h;
	uint32_t i;

	rln_heap_init(&h);
	rln_fault_arm(RLN_FAULT_ALLOC, 0, UINT32_MAX, ENOMEM);
	for (i = 0; i < RLN_HEAP_FRONT; i++)
		insert(&h, &timers[i], i);
	g_assert_cmpuint(rln_fault_passed(RLN_FAULT_ALLOC), ==, 0);
	rln_fault_disarm_all();
	rln_heap_fini(&h);
}

/* Fails the insertion that needs memory, of a key before, among and behind the others. */
static void test_heap_out_of_memory(void)
{
	const uint32_t n = RLN_HEAP_FRONT;
	struct timer timers[RLN_HEAP_FRONT + 1];
	struct rln_heap h;
	uint64_t keys[] = { 0, RLN_HEAP_FRONT / 2, RLN_HEAP_FRONT + 1 };
	uint64_t key;
	uint32_t k;
	uint32_t i;

	for (k = 0; k < G_N_ELEMENTS(keys); k++) {
		rln_heap_init(&h);
		for (i = 0; i < n; i++)
			insert(&h, &timers[i], n - i);
		rln_heap_node_init(&timers[n].node);
		rln_fault_arm(RLN_FAULT_ALLOC, 0, 1, ENOMEM);
		g_assert_cmpint(rln_heap_insert(&h, &timers[n].node, keys[k]), ==, -ENOMEM);
		rln_fault_disarm_all();
		g_assert_false(rln_heap_contains(&timers[n].node));
		assert_heap(&h);
		for (i = n; i-- > 0;)
			g_assert_true(pop(&h, &key) == &timers[i]);
		rln_heap_fini(&h);
		g_assert_cmpuint(rln_mem_live(), ==, 0);
	}
}

static const struct test_case cases[] = {
	{ "/heap/million-keys-leave-in-order", test_heap_million },
	{ "/heap/equal-keys-leave-in-order-of-insertion", test_heap_equal_keys },
	{ "/heap/order-survives-a-wrap-of-the-counter", test_heap_counter_wraps },
	{ "/heap/agrees-with-a-linear-search", test_heap_model },
	{ "/heap/sooner-and-sooner-keys-push-the-front-on", test_heap_sooner_and_sooner },
	{ "/heap/front-is-used-again", test_heap_front_is_used_again },
	{ "/heap/equal-keys-keep-their-order-across-the-front", test_heap_equal_keys_across_the_front },
	{ "/heap/removing-what-is-not-in-it-is-harmless", test_heap_remove_unlinked },
	{ "/heap/insert-within-the-reserve-cannot-fail", test_heap_reserve },
	{ "/heap/front-needs-no-memory", test_heap_front_needs_no_memory },
	{ "/heap/out-of-memory-changes-nothing", test_heap_out_of_memory },
};

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	add_cases(cases, G_N_ELEMENTS(cases));
	return g_test_run();
}
