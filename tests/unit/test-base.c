/* SPDX-License-Identifier: MIT */
/* Layer 0 but for slabs and heaps: list, inbox, ring, clock, memory, its fault points, sized structures, log. */
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/mpsc.h"
#include "base/ring.h"
#include "base/sized.h"
#include "cases.h"

/* --- list --- */

struct item {
	int value;
	struct rln_list link;
};

static void init_items(struct item *items, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		items[i].value = i;
		rln_list_init(&items[i].link);
	}
}

static void assert_list(struct rln_list *head, const char *expected)
{
	GString *found = g_string_new(NULL);
	struct rln_list *it;

	rln_list_for_each (it, head) {
		g_assert_true(it->next->prev == it && it->prev->next == it);
		g_string_append_printf(found, "%d", rln_list_entry(it, struct item, link)->value);
	}
	g_assert_cmpstr(found->str, ==, expected);
	g_string_free(found, TRUE);
}

static void test_list_order(void)
{
	struct item items[4];
	struct rln_list head;

	rln_list_init(&head);
	init_items(items, 4);
	rln_list_add_tail(&head, &items[1].link);
	rln_list_add_tail(&head, &items[2].link);
	rln_list_add_head(&head, &items[0].link);
	rln_list_add_tail(&head, &items[3].link);
	assert_list(&head, "0123");
	g_assert_true(rln_list_pop(&head) == &items[0].link);
	g_assert_true(rln_list_first(&head) == &items[1].link);
	assert_list(&head, "123");
}

static void test_list_unlink_twice(void)
{
	struct item items[3];
	struct rln_list head;
	int i;

	rln_list_init(&head);
	init_items(items, 3);
	for (i = 0; i < 3; i++)
		rln_list_add_tail(&head, &items[i].link);
	rln_list_del(&items[1].link);
	rln_list_del(&items[1].link);
	g_assert_false(rln_list_linked(&items[1].link));
	assert_list(&head, "02");
}

static void test_list_empty(void)
{
	struct rln_list head;

	rln_list_init(&head);
	g_assert_true(rln_list_empty(&head));
	g_assert_null(rln_list_first(&head));
	g_assert_null(rln_list_pop(&head));
	assert_list(&head, "");
}

static void test_list_splice(void)
{
	struct rln_list from;
	struct rln_list to;
	struct item items[4];

	rln_list_init(&from);
	rln_list_init(&to);
	init_items(items, 4);
	rln_list_add_tail(&to, &items[0].link);
	rln_list_splice_tail(&to, &from);
	assert_list(&to, "0");
	rln_list_add_tail(&from, &items[1].link);
	rln_list_add_tail(&from, &items[2].link);
	rln_list_splice_tail(&to, &from);
	assert_list(&to, "012");
	g_assert_true(rln_list_empty(&from));
	rln_list_add_tail(&from, &items[3].link);
	assert_list(&from, "3");
}

static void test_list_unlink_while_walking(void)
{
	struct item items[6];
	struct rln_list head;
	struct rln_list *tmp;
	struct rln_list *it;
	int i;

	rln_list_init(&head);
	init_items(items, 6);
	for (i = 0; i < 6; i++)
		rln_list_add_tail(&head, &items[i].link);
	rln_list_for_each_safe (it, tmp, &head)
		if (rln_list_entry(it, struct item, link)->value % 2)
			rln_list_del(it);
	assert_list(&head, "024");
}

/* --- inbox --- */

#define PRODUCERS 4

struct message {
	struct rln_mpsc_node node;
	uint32_t producer;
	uint32_t number;
	uint64_t payload;         /* written before the push without an atomic: the push must publish it */
};

struct producer {
	struct rln_mpsc *inbox;
	struct message *messages;
	uint32_t id;
	uint32_t count;
	uint32_t wakes;
	pthread_t thread;
};

static void *produce(void *arg)
{
	struct producer *p = arg;
	uint32_t i;

	for (i = 0; i < p->count; i++) {
		struct message *m = &p->messages[i];

		m->producer = p->id;
		m->number = i;
		m->payload = (uint64_t)p->id << 32 | i;
		if (rln_mpsc_push(p->inbox, &m->node))
			p->wakes++;
	}
	return NULL;
}

static uint32_t consume(struct rln_mpsc_node *n, uint32_t *next)
{
	uint32_t taken = 0;

	for (; n; n = n->next) {
		struct message *m = rln_container_of(n, struct message, node);

		g_assert_cmpuint(m->number, ==, next[m->producer]);
		g_assert_cmpuint(m->payload, ==, (uint64_t)m->producer << 32 | m->number);
		next[m->producer]++;
		taken++;
	}
	return taken;
}

static void test_mpsc_threads(void)
{
	struct producer producers[PRODUCERS];
	uint32_t count = scaled(200000, 10000);
	uint32_t next[PRODUCERS] = { 0 };
	uint32_t batches = 0;
	uint32_t taken = 0;
	uint32_t wakes = 0;
	struct rln_mpsc q;
	uint32_t i;

	rln_mpsc_init(&q);
	for (i = 0; i < PRODUCERS; i++) {
		producers[i] = (struct producer){ .inbox = &q, .messages = g_new(struct message, count), .id = i, .count = count };
		g_assert_cmpint(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), ==, 0);
	}
	while (taken < count * PRODUCERS) {
		struct rln_mpsc_node *n = rln_mpsc_drain(&q);

		batches += n != NULL;
		taken += consume(n, next);
	}
	for (i = 0; i < PRODUCERS; i++) {
		pthread_join(producers[i].thread, NULL);
		wakes += producers[i].wakes;
		g_assert_cmpuint(next[i], ==, count);
		g_free(producers[i].messages);
	}
	g_assert_true(rln_mpsc_empty(&q));
	g_assert_cmpuint(wakes, ==, batches);
}

static void test_mpsc_wakes_once(void)
{
	struct message m[3];
	struct rln_mpsc q;

	rln_mpsc_init(&q);
	g_assert_true(rln_mpsc_empty(&q));
	g_assert_true(rln_mpsc_push(&q, &m[0].node));
	g_assert_false(rln_mpsc_push(&q, &m[1].node));
	g_assert_false(rln_mpsc_empty(&q));
	g_assert_true(rln_mpsc_drain(&q) == &m[0].node);
	g_assert_true(m[0].node.next == &m[1].node);
	g_assert_null(m[1].node.next);
	g_assert_true(rln_mpsc_push(&q, &m[2].node));
	g_assert_true(rln_mpsc_drain(&q) == &m[2].node);
}

static void test_mpsc_drain_empty(void)
{
	struct rln_mpsc q;

	rln_mpsc_init(&q);
	g_assert_null(rln_mpsc_drain(&q));
	g_assert_true(rln_mpsc_empty(&q));
}

/* --- ring --- */

static void test_ring_fifo(void)
{
	struct rln_ring r;
	uint64_t value;
	uint64_t i;

	g_assert_cmpint(rln_ring_init(&r, 5, sizeof(uint64_t)), ==, 0);
	for (i = 0; i < 8; i++)
		g_assert_true(rln_ring_push(&r, &i));
	g_assert_true(rln_ring_full(&r));
	g_assert_cmpuint(rln_ring_len(&r), ==, 8);
	g_assert_false(rln_ring_push(&r, &i));
	for (i = 0; i < 8; i++) {
		g_assert_true(rln_ring_pop(&r, &value));
		g_assert_cmpuint(value, ==, i);
	}
	g_assert_false(rln_ring_pop(&r, &value));
	g_assert_cmpuint(value, ==, 7);
	rln_ring_fini(&r);
}

static void test_ring_counters_wrap(void)
{
	uint16_t popped = 0;
	struct rln_ring r;
	uint16_t value;
	uint16_t i;

	g_assert_cmpint(rln_ring_init(&r, 4, sizeof(uint16_t)), ==, 0);
	r.head = r.tail = UINT32_MAX - 6;
	for (i = 0; i < 100; i++) {
		g_assert_true(rln_ring_push(&r, &i));
		if (!rln_ring_full(&r))
			continue;
		g_assert_true(rln_ring_pop(&r, &value));
		g_assert_cmpuint(value, ==, popped++);
	}
	g_assert_cmpuint(rln_ring_len(&r), ==, 3);
	rln_ring_fini(&r);
}

static void test_ring_bad_arguments(void)
{
	struct rln_ring r;

	g_assert_cmpint(rln_ring_init(&r, 0, 8), ==, -EINVAL);
	g_assert_cmpint(rln_ring_init(&r, 8, 0), ==, -EINVAL);
	g_assert_cmpint(rln_ring_init(&r, (UINT32_C(1) << 31) + 1, 1), ==, -EINVAL);
	rln_fault_arm(RLN_FAULT_ALLOC, 0, 1, ENOMEM);
	g_assert_cmpint(rln_ring_init(&r, 8, 8), ==, -ENOMEM);
	rln_fault_disarm_all();
	rln_ring_fini(&r);
}

static void test_ring_one_slot(void)
{
	struct rln_ring r;
	char c = 'a';

	g_assert_cmpint(rln_ring_init(&r, 1, 1), ==, 0);
	g_assert_true(rln_ring_push(&r, &c));
	c = 'b';
	g_assert_false(rln_ring_push(&r, &c));
	g_assert_true(rln_ring_pop(&r, &c));
	g_assert_cmpint(c, ==, 'a');
	rln_ring_fini(&r);
}

/* --- clock --- */

static void test_clock_real(void)
{
	uint64_t before = (uint64_t)g_get_monotonic_time() * 1000;
	uint64_t now = rln_clock_now(&rln_clock_real);
	uint64_t last = now;
	int i;

	g_assert_cmpuint(now, >=, before);
	for (i = 0; i < 10000; i++) {
		now = rln_clock_now(&rln_clock_real);
		g_assert_cmpuint(now, >=, last);
		last = now;
	}
	g_assert_cmpuint(last / 1000, <=, (uint64_t)g_get_monotonic_time());
}

static void test_clock_virtual(void)
{
	struct rln_clock c;

	rln_clock_virtual_init(&c, 1000);
	g_assert_cmpuint(rln_clock_now(&c), ==, 1000);
	g_assert_cmpuint(rln_clock_now(&c), ==, 1000);
	rln_clock_virtual_advance(&c, 234);
	g_assert_cmpuint(rln_clock_now(&c), ==, 1234);
	rln_clock_virtual_advance(&c, UINT64_MAX);
	g_assert_cmpuint(rln_clock_now(&c), ==, UINT64_MAX);
}

static void test_clock_never(void)
{
	g_assert_cmpuint(rln_time_add(5, 6), ==, 11);
	g_assert_cmpuint(rln_time_add(UINT64_MAX - 1, 1), ==, UINT64_MAX);
	g_assert_cmpuint(rln_time_add(UINT64_MAX - 1, 2), ==, UINT64_MAX);
	g_assert_cmpuint(rln_time_add(1, UINT64_MAX), ==, UINT64_MAX);
}

/* --- memory --- */

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

struct host {
	uint64_t allocated;
	uint64_t freed;
};

static void *host_alloc(size_t size, size_t align, void *arg)
{
	struct host *h = arg;

	h->allocated++;
	return junk_alloc(size, align, NULL);
}

static void host_free(void *p, void *arg)
{
	struct host *h = arg;

	g_assert_nonnull(p);
	h->freed++;
	free(p);
}

static void test_mem_host_allocator(void)
{
	struct host h = { 0 };
	const struct rln_allocator a = { host_alloc, host_free, &h };
	void *p;

	g_assert_cmpint(rln_mem_set_allocator(&a), ==, 0);
	p = rln_mem_alloc(10);
	g_assert_cmpuint(h.allocated, ==, 1);
	rln_mem_free(p);
	rln_mem_free(NULL);
	g_assert_cmpuint(h.freed, ==, 1);
	g_assert_cmpint(rln_mem_set_allocator(NULL), ==, 0);
	rln_mem_free(rln_mem_alloc(10));
	g_assert_cmpuint(h.allocated, ==, 1);
}

static void test_mem_busy(void)
{
	struct host h = { 0 };
	const struct rln_allocator a = { host_alloc, host_free, &h };
	void *p = rln_mem_alloc(1);

	g_assert_cmpuint(rln_mem_live(), ==, 1);
	g_assert_cmpint(rln_mem_set_allocator(&a), ==, -EBUSY);
	g_assert_cmpint(rln_mem_set_allocator(NULL), ==, -EBUSY);
	rln_mem_free(p);
	g_assert_cmpuint(rln_mem_live(), ==, 0);
	g_assert_cmpuint(h.allocated + h.freed, ==, 0);
	g_assert_cmpint(rln_mem_set_allocator(&a), ==, 0);
	g_assert_cmpint(rln_mem_set_allocator(NULL), ==, 0);
}

static void test_mem_kinds(void)
{
	const struct rln_allocator junk = { junk_alloc, junk_free, NULL };
	const char zero[300] = { 0 };
	char *text;
	void *p;
	int i;

	g_assert_cmpint(rln_mem_set_allocator(&junk), ==, 0);
	p = rln_mem_zalloc(sizeof(zero));
	g_assert_cmpmem(p, sizeof(zero), zero, sizeof(zero));
	text = rln_mem_strdup("ringline");
	g_assert_cmpstr(text, ==, "ringline");
	rln_mem_free(text);
	rln_mem_free(p);
	g_assert_cmpint(rln_mem_set_allocator(NULL), ==, 0);
	for (i = 0; i < 13; i++) {
		p = rln_mem_alloc_aligned(100, (size_t)1 << i);
		g_assert_cmpuint((uintptr_t)p % ((uintptr_t)1 << i), ==, 0);
		rln_mem_free(p);
	}
}

static void test_mem_fault(void)
{
	rln_fault_arm(RLN_FAULT_ALLOC, 0, 4, ENOMEM);
	g_assert_null(rln_mem_alloc(1));
	g_assert_null(rln_mem_zalloc(1));
	g_assert_null(rln_mem_alloc_aligned(1, 64));
	g_assert_null(rln_mem_strdup("x"));
	g_assert_cmpuint(rln_mem_live(), ==, 0);
	rln_mem_free(rln_mem_alloc(1));
	g_assert_cmpuint(rln_fault_failed(RLN_FAULT_ALLOC), ==, 4);
	g_assert_cmpuint(rln_fault_passed(RLN_FAULT_ALLOC), ==, 5);
	rln_fault_disarm_all();
}

static void *allocate_and_free(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 20000; i++)
		rln_mem_free(rln_mem_alloc(16));
	return rln_mem_alloc(16);
}

static void test_mem_live_over_threads(void)
{
	pthread_t threads[4];
	void *left[4];
	int i;

	for (i = 0; i < 4; i++)
		g_assert_cmpint(pthread_create(&threads[i], NULL, allocate_and_free, NULL), ==, 0);
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], &left[i]);
	g_assert_cmpuint(rln_mem_live(), ==, 4);
	for (i = 0; i < 4; i++)
		rln_mem_free(left[i]);
	g_assert_cmpuint(rln_mem_live(), ==, 0);
}

/* --- fault points --- */

static void test_fault_counts_down(void)
{
	const int expected[] = { 0, 0, EMFILE, EMFILE, EMFILE, 0, 0 };
	size_t i;

	rln_fault_arm(RLN_FAULT_SOCKET, 2, 3, EMFILE);
	for (i = 0; i < G_N_ELEMENTS(expected); i++)
		g_assert_cmpint(rln_fault(RLN_FAULT_SOCKET), ==, expected[i]);
	g_assert_cmpuint(rln_fault_passed(RLN_FAULT_SOCKET), ==, 7);
	g_assert_cmpuint(rln_fault_failed(RLN_FAULT_SOCKET), ==, 3);
	rln_fault_arm(RLN_FAULT_SOCKET, 0, 1, ENFILE);
	g_assert_cmpuint(rln_fault_passed(RLN_FAULT_SOCKET), ==, 0);
	g_assert_cmpint(rln_fault(RLN_FAULT_SOCKET), ==, ENFILE);
	rln_fault_disarm_all();
}

static void test_fault_points_are_independent(void)
{
	int p;

	rln_fault_arm(RLN_FAULT_BIND, 0, UINT32_MAX, EADDRINUSE);
	for (p = 0; p < RLN_FAULT_MAX; p++)
		g_assert_cmpint(rln_fault((enum rln_fault_point)p), ==, p == RLN_FAULT_BIND ? EADDRINUSE : 0);
	rln_fault_disarm_all();
	for (p = 0; p < RLN_FAULT_MAX; p++) {
		g_assert_cmpuint(rln_fault_passed((enum rln_fault_point)p), ==, 0);
		g_assert_cmpint(rln_fault((enum rln_fault_point)p), ==, 0);
	}
	rln_fault_disarm_all();
}

/* --- sized structures --- */

struct options {
	size_t size;
	uint32_t a;
	uint32_t b;
};

struct longer_options {
	struct options known;
	uint64_t unknown;
};

static void test_sized_defaults(void)
{
	struct options o;

	memset(&o, 0xff, sizeof(o));
	g_assert_cmpint(rln_sized_in(&o, sizeof(o), NULL), ==, 0);
	g_assert_cmpuint(o.size, ==, sizeof(o));
	g_assert_cmpuint(o.a | o.b, ==, 0);
}

static void test_sized_shorter(void)
{
	const struct options in = { .size = offsetof(struct options, b), .a = 1, .b = 2 };
	struct options o;

	g_assert_cmpint(rln_sized_in(&o, sizeof(o), &in), ==, 0);
	g_assert_cmpuint(o.a, ==, 1);
	g_assert_cmpuint(o.b, ==, 0);
	g_assert_cmpuint(o.size, ==, sizeof(o));
}

static void test_sized_longer(void)
{
	struct longer_options in = { .known = { .size = sizeof(in), .a = 1, .b = 2 }, .unknown = 0 };
	struct options o;

	g_assert_cmpint(rln_sized_in(&o, sizeof(o), &in), ==, 0);
	g_assert_cmpuint(o.b, ==, 2);
	in.unknown = UINT64_C(1) << 63;
	g_assert_cmpint(rln_sized_in(&o, sizeof(o), &in), ==, -E2BIG);
	in.known.size = sizeof(size_t) - 1;
	g_assert_cmpint(rln_sized_in(&o, sizeof(o), &in), ==, -EINVAL);
}

static void test_sized_out(void)
{
	const struct options stats = { .size = sizeof(stats), .a = 1, .b = 2 };
	struct longer_options out;

	memset(&out, 0xff, sizeof(out));
	out.known.size = sizeof(out);
	g_assert_cmpint(rln_sized_out(&out, &stats, sizeof(stats)), ==, 0);
	g_assert_cmpuint(out.known.size, ==, sizeof(out));
	g_assert_cmpuint(out.known.b, ==, 2);
	g_assert_cmpuint(out.unknown, ==, 0);
	memset(&out, 0xff, sizeof(out));
	out.known.size = offsetof(struct options, b);
	g_assert_cmpint(rln_sized_out(&out, &stats, sizeof(stats)), ==, 0);
	g_assert_cmpuint(out.known.a, ==, 1);
	g_assert_cmpuint(out.known.b, ==, UINT32_MAX);
	out.known.size = 0;
	g_assert_cmpint(rln_sized_out(&out, &stats, sizeof(stats)), ==, -EINVAL);
}

/* --- log --- */

struct lines {
	int level;
	int count;
	char last[2 * RLN_LOG_LINE];
};

static void keep_line(int level, const char *message, void *arg)
{
	struct lines *l = arg;

	l->level = level;
	l->count++;
	g_strlcpy(l->last, message, sizeof(l->last));
	errno = EIO;
}

static void test_log_callback(void)
{
	struct lines l = { 0 };

	rln_log_set(keep_line, &l);
	rln_log(RLN_LOG_WARNING, "%s of %d", "one", 2);
	rln_log_set(NULL, NULL);
	g_assert_cmpint(l.level, ==, 4);
	g_assert_cmpstr(l.last, ==, "one of 2");
	rln_log(RLN_LOG_ERROR, "nobody listens");
	g_assert_cmpint(l.count, ==, 1);
}

static void test_log_cut(void)
{
	struct lines l = { 0 };
	char *text = g_strnfill(3 * RLN_LOG_LINE, 'x');

	rln_log_set(keep_line, &l);
	rln_log(RLN_LOG_INFO, "%s", text);
	rln_log_set(NULL, NULL);
	g_assert_cmpuint(strlen(l.last), ==, RLN_LOG_LINE - 1);
	g_free(text);
}

static void test_log_errno(void)
{
	struct lines l = { 0 };

	rln_log_set(keep_line, &l);
	errno = ENOTTY;
	rln_log(RLN_LOG_DEBUG, "%m");
	g_assert_cmpint(errno, ==, ENOTTY);
	rln_log_set(NULL, NULL);
	g_assert_cmpstr(l.last, ==, g_strerror(ENOTTY));
}

static void log_again(int level, const char *message, void *arg)
{
	(void)message;
	rln_log_set(keep_line, arg);
	rln_log((enum rln_log_level)level, "from the callback");
}

static void test_log_from_callback(void)
{
	struct lines l = { 0 };

	rln_log_set(log_again, &l);
	rln_log(RLN_LOG_INFO, "first");
	rln_log_set(NULL, NULL);
	g_assert_cmpstr(l.last, ==, "from the callback");
	g_assert_cmpint(l.count, ==, 1);
}

/* Both answers of a callback that must be called with its own argument. */
static void check_argument(int level, const char *message, void *arg)
{
	(void)level;
	g_assert_cmpstr(message, ==, "x");
	g_assert_cmpint(*(int *)arg, ==, 1);
}

static void check_other_argument(int level, const char *message, void *arg)
{
	(void)level;
	g_assert_cmpstr(message, ==, "x");
	g_assert_cmpint(*(int *)arg, ==, 2);
}

static void *log_often(void *arg)
{
	uint32_t i;

	(void)arg;
	for (i = 0; i < scaled(20000, 2000); i++)
		rln_log(RLN_LOG_INFO, "x");
	return NULL;
}

static void test_log_replaced_while_logging(void)
{
	int one = 1;
	int two = 2;
	pthread_t thread;
	uint32_t i;

	g_assert_cmpint(pthread_create(&thread, NULL, log_often, NULL), ==, 0);
	for (i = 0; i < scaled(20000, 2000); i++)
		rln_log_set(i % 2 ? check_argument : check_other_argument, i % 2 ? &one : &two);
	pthread_join(thread, NULL);
	rln_log_set(NULL, NULL);
}

static void log_in_subprocess(const char *debug)
{
	if (debug)
		g_setenv("RINGLINE_DEBUG", debug, TRUE);
	else
		g_unsetenv("RINGLINE_DEBUG");
	rln_log(RLN_LOG_ERROR, "seen at %d", 1);
}

static void test_log_silent(void)
{
	if (g_test_subprocess()) {
		log_in_subprocess(NULL);
		log_in_subprocess("0");
		return;
	}
	g_test_trap_subprocess(NULL, 0, 0);
	g_test_trap_assert_passed();
	g_test_trap_assert_stderr_unmatched("*seen at*");
}

static void test_log_debug(void)
{
	if (g_test_subprocess()) {
		log_in_subprocess("1");
		return;
	}
	g_test_trap_subprocess(NULL, 0, 0);
	g_test_trap_assert_passed();
	g_test_trap_assert_stderr("*ringline: seen at 1\n*");
}

static const struct test_case cases[] = {
	{ "/list/order-is-kept", test_list_order },
	{ "/list/unlink-twice-is-harmless", test_list_unlink_twice },
	{ "/list/empty-has-no-first", test_list_empty },
	{ "/list/splice-keeps-the-order-and-empties-the-source", test_list_splice },
	{ "/list/walk-survives-unlinking-its-node", test_list_unlink_while_walking },
	{ "/mpsc/each-producers-order-is-kept-and-each-batch-woken-once", test_mpsc_threads },
	{ "/mpsc/only-the-first-push-wakes", test_mpsc_wakes_once },
	{ "/mpsc/drain-of-empty-is-null", test_mpsc_drain_empty },
	{ "/ring/fifo-up-to-the-rounded-capacity", test_ring_fifo },
	{ "/ring/counters-may-wrap", test_ring_counters_wrap },
	{ "/ring/bad-arguments-are-refused", test_ring_bad_arguments },
	{ "/ring/one-slot-is-enough", test_ring_one_slot },
	{ "/clock/real-is-monotonic-time", test_clock_real },
	{ "/clock/virtual-moves-by-hand-only", test_clock_virtual },
	{ "/clock/sum-beyond-the-end-is-never", test_clock_never },
	{ "/mem/host-allocator-gets-every-call", test_mem_host_allocator },
	{ "/mem/allocator-is-busy-while-blocks-live", test_mem_busy },
	{ "/mem/zeroed-copied-aligned", test_mem_kinds },
	{ "/mem/every-allocation-is-a-fault-point", test_mem_fault },
	{ "/mem/live-blocks-are-counted-over-threads", test_mem_live_over_threads },
	{ "/fault/skips-then-fails-then-passes", test_fault_counts_down },
	{ "/fault/points-are-independent", test_fault_points_are_independent },
	{ "/sized/null-is-all-defaults", test_sized_defaults },
	{ "/sized/what-the-caller-does-not-know-is-zero", test_sized_shorter },
	{ "/sized/what-the-library-does-not-know-must-be-zero", test_sized_longer },
	{ "/sized/out-writes-what-the-caller-knows-and-no-more", test_sized_out },
	{ "/log/callback-gets-level-and-line", test_log_callback },
	{ "/log/long-line-is-cut", test_log_cut },
	{ "/log/errno-is-kept", test_log_errno },
	{ "/log/callback-may-log-and-replace-itself", test_log_from_callback },
	{ "/log/callback-and-argument-change-together", test_log_replaced_while_logging },
	{ "/log/nothing-is-printed", test_log_silent },
	{ "/log/debug-prints-to-stderr", test_log_debug },
};

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	add_cases(cases, G_N_ELEMENTS(cases));
	return g_test_run();
}
