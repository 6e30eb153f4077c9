/* SPDX-License-Identifier: MIT */
/*
 * Layer 1: the switch, fibers, and the pool their stacks come from.
 *
 * What a fiber costs is asked of the kernel (mincore, smaps_rollup, maps), not of our own counters. Sanitizers and valgrind
 * have memory of their own and put red zones into frames: there the figures are not looked at, and the numbers are smaller.
 * Who needs a kernel with MADV_GUARD_INSTALL skips without it.
 */
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <glib.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "fiber/fiber.h"
#include "scale.h"

struct env {
	struct rln_fiber_thread thread;
	struct rln_stack_pool *pool;
};

static void env_init(struct env *e, size_t size, bool madvise_guard)
{
	g_assert_cmpint(rln_fiber_thread_init(&e->thread), ==, 0);
	g_assert_cmpint(rln_stack_pool_new(&e->pool, size, madvise_guard), ==, 0);
}

static struct rln_stack_pool_stats stats_of(const struct env *e)
{
	struct rln_stack_pool_stats s;

	rln_stack_pool_stats(e->pool, &s);
	return s;
}

static void env_fini(struct env *e)
{
	g_assert_cmpuint(stats_of(e).live, ==, 0);
	rln_stack_pool_free(e->pool);
	rln_fiber_thread_fini(&e->thread);
}

static struct rln_fiber *new_fiber(struct env *e, void (*fn)(void *), void *arg)
{
	struct rln_fiber *f = NULL;

	g_assert_cmpint(rln_fiber_new(&f, e->pool, fn, arg), ==, 0);
	return f;
}

/* Resumes a fiber that is about to end, and frees it. */
static void finish(struct env *e, struct rln_fiber *f)
{
	g_assert_true(rln_fiber_resume(&e->thread, f));
	rln_fiber_free(f);
}

static void run(struct env *e, void (*fn)(void *), void *arg)
{
	finish(e, new_fiber(e, fn, arg));
}

static struct rln_stack acquire(struct env *e)
{
	struct rln_stack s = { 0 };

	g_assert_cmpint(rln_stack_acquire(e->pool, &s), ==, 0);
	return s;
}

static bool kernel_guards(void)
{
	struct rln_stack s;
	struct env e;

	env_init(&e, 0, true);
	s = acquire(&e);
	rln_stack_release(e.pool, &s);
	env_fini(&e);
	return s.guard == RLN_GUARD_MADVISE;
}

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static unsigned int resident_pages(const void *base, size_t size)
{
	unsigned char *vec = g_malloc0(size / page_size());
	unsigned int n = 0;
	size_t i;

	g_assert_cmpint(mincore((void *)(uintptr_t)base, size, vec), ==, 0);
	for (i = 0; i < size / page_size(); i++)
		n += vec[i] & 1u;
	g_free(vec);
	return n;
}

/* --- running, suspending, ending --- */

struct walker {
	struct env *env;
	GString *trace;
	char name;
	int steps;
};

static void walk(void *arg)
{
	struct walker *w = arg;
	int step;

	for (step = 0; step < w->steps; step++) {
		g_string_append_printf(w->trace, "%c%d ", w->name, step);
		rln_fiber_suspend(&w->env->thread);
	}
	g_string_append_printf(w->trace, "%cx ", w->name);
}

static void test_runs_when_resumed(void)
{
	struct walker w = { .name = 'a', .steps = 1, .trace = g_string_new(NULL) };
	struct rln_fiber *f;
	struct env e;

	w.env = &e;
	env_init(&e, 0, true);
	f = new_fiber(&e, walk, &w);
	g_assert_cmpstr(w.trace->str, ==, "");
	g_assert_false(rln_fiber_resume(&e.thread, f));
	g_assert_cmpstr(w.trace->str, ==, "a0 ");
	g_assert_null(e.thread.current);
	finish(&e, f);
	g_assert_cmpstr(w.trace->str, ==, "a0 ax ");
	env_fini(&e);
	g_string_free(w.trace, TRUE);
}

/* The caller decides who runs: in turn, one twice, then backwards. */
static void test_resume_order(void)
{
	GString *trace = g_string_new(NULL);
	struct walker w[3];
	struct rln_fiber *f[3];
	struct env e;
	int i;

	env_init(&e, 0, true);
	for (i = 0; i < 3; i++) {
		w[i] = (struct walker){ .env = &e, .trace = trace, .name = (char)('a' + i), .steps = 2 + (i == 1) };
		f[i] = new_fiber(&e, walk, &w[i]);
	}
	for (i = 0; i < 3; i++)
		g_assert_false(rln_fiber_resume(&e.thread, f[i]));
	g_assert_false(rln_fiber_resume(&e.thread, f[1]));
	for (i = 2; i >= 0; i--)
		g_assert_false(rln_fiber_resume(&e.thread, f[i]));
	for (i = 2; i >= 0; i--)
		finish(&e, f[i]);
	g_assert_cmpstr(trace->str, ==, "a0 b0 c0 b1 c1 b2 a1 cx bx ax ");
	env_fini(&e);
	g_string_free(trace, TRUE);
}

static void parks(void *arg)
{
	rln_fiber_suspend(arg);
}

static void test_current(void)
{
	struct rln_fiber *f;
	struct env e;
	void *high;
	void *low;

	env_init(&e, 0, true);
	f = new_fiber(&e, parks, &e.thread);
	g_assert_false(rln_fiber_resume(&e.thread, f));
	rln_fiber_bounds(f, &low, &high);
	g_assert_cmpuint((uintptr_t)high - (uintptr_t)low, ==, RLN_STACK_DEFAULT_SIZE);
	g_assert_true(rln_fiber_sp(f) > low && rln_fiber_sp(f) < high);
	g_assert_true((void *)f > rln_fiber_sp(f) && (void *)f < high);
	finish(&e, f);
	env_fini(&e);
}

static void test_never_resumed(void)
{
	struct env e;
	int i;

	env_init(&e, 0, true);
	for (i = 0; i < 100; i++)
		rln_fiber_free(new_fiber(&e, parks, &e.thread));
	g_assert_cmpuint(stats_of(&e).live, ==, 0);
	g_assert_cmpuint(stats_of(&e).warm, ==, 1);
	env_fini(&e);
}

static void free_suspended(struct env *e)
{
	struct rln_fiber *f = new_fiber(e, parks, &e->thread);

	rln_fiber_resume(&e->thread, f);
	rln_fiber_free(f);
}

static void suspend_the_thread(struct env *e)
{
	rln_fiber_suspend(&e->thread);
}

static void resume_ended(struct env *e)
{
	struct rln_fiber *f = new_fiber(e, parks, &e->thread);

	while (!rln_fiber_resume(&e->thread, f))
		;
	rln_fiber_resume(&e->thread, f);
}

static void (*const misuses[])(struct env *e) = { free_suspended, suspend_the_thread, resume_ended };

static void test_misuse(void)
{
	struct env e;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(misuses); i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			env_init(&e, 0, true);
			signal(SIGILL, SIG_DFL);
			signal(SIGTRAP, SIG_DFL);
			misuses[i](&e);
			_exit(0);
		}
		g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
		g_assert_true(WIFSIGNALED(status));
		g_assert_true(WTERMSIG(status) == SIGILL || WTERMSIG(status) == SIGTRAP);
	}
}

/* --- what a switch keeps --- */

/*
 * test_hold(fn, arg, in, out): loads every callee-saved register with the words at *in*, calls fn(arg), and stores what is
 * in them afterwards at *out*.
 */
#if defined(__x86_64__) && defined(__LP64__)
#define HELD 6
__asm__(".pushsection .text\n"
	".type test_hold, %function\n"
	"test_hold:\n"
	"	endbr64\n"
	"	push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15; push %rcx\n"
	"	mov %rdi, %rax\n"
	"	mov %rsi, %rdi\n"
	"	mov 0(%rdx), %rbx; mov 8(%rdx), %rbp; mov 16(%rdx), %r12\n"
	"	mov 24(%rdx), %r13; mov 32(%rdx), %r14; mov 40(%rdx), %r15\n"
	"	call *%rax\n"
	"	pop %rcx\n"
	"	mov %rbx, 0(%rcx); mov %rbp, 8(%rcx); mov %r12, 16(%rcx)\n"
	"	mov %r13, 24(%rcx); mov %r14, 32(%rcx); mov %r15, 40(%rcx)\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp\n"
	"	ret\n"
	".size test_hold, . - test_hold\n"
	".popsection\n");
#elif defined(__aarch64__)
#define HELD 18
__asm__(".pushsection .text\n"
	".type test_hold, %function\n"
	"test_hold:\n"
	"	hint #34\n"
	"	sub sp, sp, #176\n"
	"	stp x29, x30, [sp]\n"
	"	stp x19, x20, [sp, #16]; stp x21, x22, [sp, #32]; stp x23, x24, [sp, #48]\n"
	"	stp x25, x26, [sp, #64]; stp x27, x28, [sp, #80]\n"
	"	stp d8, d9, [sp, #96]; stp d10, d11, [sp, #112]\n"
	"	stp d12, d13, [sp, #128]; stp d14, d15, [sp, #144]\n"
	"	str x3, [sp, #160]\n"
	"	ldp x19, x20, [x2]; ldp x21, x22, [x2, #16]; ldp x23, x24, [x2, #32]\n"
	"	ldp x25, x26, [x2, #48]; ldp x27, x28, [x2, #64]\n"
	"	ldp d8, d9, [x2, #80]; ldp d10, d11, [x2, #96]\n"
	"	ldp d12, d13, [x2, #112]; ldp d14, d15, [x2, #128]\n"
	"	mov x9, x0\n"
	"	mov x0, x1\n"
	"	blr x9\n"
	"	ldr x3, [sp, #160]\n"
	"	stp x19, x20, [x3]; stp x21, x22, [x3, #16]; stp x23, x24, [x3, #32]\n"
	"	stp x25, x26, [x3, #48]; stp x27, x28, [x3, #64]\n"
	"	stp d8, d9, [x3, #80]; stp d10, d11, [x3, #96]\n"
	"	stp d12, d13, [x3, #112]; stp d14, d15, [x3, #128]\n"
	"	ldp x29, x30, [sp]\n"
	"	ldp x19, x20, [sp, #16]; ldp x21, x22, [sp, #32]; ldp x23, x24, [sp, #48]\n"
	"	ldp x25, x26, [sp, #64]; ldp x27, x28, [sp, #80]\n"
	"	ldp d8, d9, [sp, #96]; ldp d10, d11, [sp, #112]\n"
	"	ldp d12, d13, [sp, #128]; ldp d14, d15, [sp, #144]\n"
	"	add sp, sp, #176\n"
	"	ret\n"
	".size test_hold, . - test_hold\n"
	".popsection\n");
#endif

#ifdef HELD

void test_hold(void (*fn)(void *), void *arg, const uint64_t *in, uint64_t *out);

struct holder {
	struct env *env;
	uint64_t in[HELD];
	uint64_t out[HELD];
};

static void init_holder(struct holder *h, struct env *e, uint64_t seed)
{
	int i;

	h->env = e;
	for (i = 0; i < HELD; i++)
		h->in[i] = seed * 1000 + (uint64_t)i;
}

static void suspend_thrice(void *arg)
{
	int i;

	for (i = 0; i < 3; i++)
		rln_fiber_suspend(arg);
}

static void hold(void *arg)
{
	struct holder *h = arg;

	test_hold(suspend_thrice, &h->env->thread, h->in, h->out);
}

struct pair {
	struct env *env;
	struct rln_fiber *fiber[2];
};

static void resume_both(void *arg)
{
	struct pair *p = arg;
	int i;

	for (i = 0; i < 8; i++)
		rln_fiber_resume(&p->env->thread, p->fiber[i % 2]);
}

static void test_registers(void)
{
	struct holder h[3];
	struct pair p;
	struct env e;
	int i;

	env_init(&e, 0, true);
	p.env = &e;
	for (i = 0; i < 3; i++)
		init_holder(&h[i], &e, (uint64_t)i + 1);
	for (i = 0; i < 2; i++)
		p.fiber[i] = new_fiber(&e, hold, &h[i]);
	test_hold(resume_both, &p, h[2].in, h[2].out);
	for (i = 0; i < 3; i++)
		g_assert_cmpmem(h[i].out, sizeof(h[i].out), h[i].in, sizeof(h[i].in));
	for (i = 0; i < 2; i++)
		rln_fiber_free(p.fiber[i]);
	env_fini(&e);
}

#else

static void test_registers(void)
{
	g_test_skip("this machine's callee-saved registers are not known to the test");
}

#endif

struct rounder {
	struct env *env;
	int mode;
	int inherited;
	int after[3];
};

static void keep_rounding(void *arg)
{
	struct rounder *r = arg;
	int i;

	r->inherited = fegetround();
	fesetround(r->mode);
	for (i = 0; i < 3; i++) {
		rln_fiber_suspend(&r->env->thread);
		r->after[i] = fegetround();
	}
}

static void test_rounding(void)
{
	struct rounder r[2] = { { .mode = FE_DOWNWARD }, { .mode = FE_UPWARD } };
	struct rln_fiber *f[2];
	struct env e;
	int i;

	env_init(&e, 0, true);
	for (i = 0; i < 2; i++) {
		r[i].env = &e;
		fesetround(i ? FE_TOWARDZERO : FE_TONEAREST);
		f[i] = new_fiber(&e, keep_rounding, &r[i]);
	}
	fesetround(FE_TONEAREST);
	for (i = 0; i < 8; i++) {
		rln_fiber_resume(&e.thread, f[i % 2]);
		g_assert_cmpint(fegetround(), ==, FE_TONEAREST);
	}
	for (i = 0; i < 3; i++) {
		g_assert_cmpint(r[0].after[i], ==, FE_DOWNWARD);
		g_assert_cmpint(r[1].after[i], ==, FE_UPWARD);
	}
	g_assert_cmpint(r[0].inherited, ==, FE_TONEAREST);
	g_assert_cmpint(r[1].inherited, ==, FE_TOWARDZERO);
	rln_fiber_free(f[0]);
	rln_fiber_free(f[1]);
	env_fini(&e);
}

#ifdef __x86_64__

#define MXCSR_ROUND 0x6000u
#define X87_ROUND   0x0c00u

struct controls {
	uint32_t mxcsr;
	uint16_t x87;
};

static struct controls get_controls(void)
{
	struct controls c;

	__asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(c.mxcsr), "=m"(c.x87));
	return c;
}

static void set_controls(struct controls c)
{
	__asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(c.mxcsr), "m"(c.x87));
}

struct setter {
	struct env *env;
	uint32_t mxcsr;
	uint16_t x87;
	bool kept;
};

static void keep_controls(void *arg)
{
	struct setter *s = arg;
	struct controls c = get_controls();

	c.mxcsr ^= s->mxcsr;
	c.x87 ^= s->x87;
	set_controls(c);
	rln_fiber_suspend(&s->env->thread);
	s->kept = (get_controls().mxcsr & MXCSR_ROUND) == (c.mxcsr & MXCSR_ROUND) && get_controls().x87 == c.x87;
}

/* One fiber changes only the one control word, the other only the other. */
static void test_control_words(void)
{
	struct setter s[2] = { { .mxcsr = MXCSR_ROUND }, { .x87 = X87_ROUND } };
	struct controls own = get_controls();
	struct rln_fiber *f[2];
	struct env e;
	int i;

	env_init(&e, 0, true);
	for (i = 0; i < 2; i++) {
		s[i].env = &e;
		f[i] = new_fiber(&e, keep_controls, &s[i]);
	}
	for (i = 0; i < 4; i++) {
		rln_fiber_resume(&e.thread, f[i % 2]);
		g_assert_cmpuint(get_controls().mxcsr & MXCSR_ROUND, ==, own.mxcsr & MXCSR_ROUND);
		g_assert_cmpuint(get_controls().x87, ==, own.x87);
	}
	for (i = 0; i < 2; i++) {
		g_assert_true(s[i].kept);
		rln_fiber_free(f[i]);
	}
	env_fini(&e);
}

#else

static void test_control_words(void)
{
	g_test_skip("there is one control word here, which /fiber/rounding-mode-is-each-fibers-own looks at");
}

#endif

static uint32_t descend(uint32_t depth)
{
	volatile char frame[200];

	memset((char *)(uintptr_t)frame, (int)depth, sizeof(frame));
	if (!depth)
		return 1;
	return descend(depth - 1) + (frame[199] == (char)depth);
}

static void descends(void *arg)
{
	uint32_t *depth = arg;

	*depth = descend(*depth);
}

static void test_deep_recursion(void)
{
	uint32_t depth = 2000;
	struct env e;
	int i;

	env_init(&e, 2u << 20, true);
	for (i = 0; i < 3; i++) {
		depth = 2000;
		run(&e, descends, &depth);
		g_assert_cmpuint(depth, ==, 2001);
	}
	env_fini(&e);
}

struct spinner {
	struct env *env;
	uint32_t switches;
	uint32_t seen;
};

static void spin(void *arg)
{
	struct spinner *s = arg;

	for (s->seen = 0; s->seen < s->switches; s->seen++)
		rln_fiber_suspend(&s->env->thread);
}

static void many_switches(struct env *e)
{
	struct spinner s = { .env = e, .switches = scaled(1000000, 50000) };
	struct rln_fiber *f = new_fiber(e, spin, &s);
	uint32_t resumed = 0;

	while (!rln_fiber_resume(&e->thread, f))
		resumed++;
	g_assert_cmpuint(resumed, ==, s.switches);
	g_assert_cmpuint(s.seen, ==, s.switches);
	rln_fiber_free(f);
}

static void test_many_switches(void)
{
	struct env e;

	env_init(&e, 0, true);
	many_switches(&e);
	env_fini(&e);
}

static void *own_worker(void *arg)
{
	struct env e;

	(void)arg;
	env_init(&e, 0, true);
	many_switches(&e);
	env_fini(&e);
	return NULL;
}

static void test_threads(void)
{
	pthread_t threads[3];
	int i;

	for (i = 0; i < 3; i++)
		g_assert_cmpint(pthread_create(&threads[i], NULL, own_worker, NULL), ==, 0);
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

/* --- what a fiber costs --- */

static unsigned long rss_kib(void)
{
	unsigned long kib = 0;
	char line[256];
	FILE *f = fopen("/proc/self/smaps_rollup", "re");

	g_assert_nonnull(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Rss: %lu kB", &kib) == 1)
			break;
	fclose(f);
	g_assert_cmpuint(kib, >, 0);
	return kib;
}

static unsigned int mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned int n = 0;
	int c;

	g_assert_nonnull(f);
	while ((c = fgetc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

static uint32_t many(void)
{
#ifdef RLN_TSAN
	return 2000;              /* the thread sanitizer has room for 8,000 threads and fibers */
#else
	return scaled(100000, 2000);
#endif
}

static struct rln_fiber **park_many(struct env *e, uint32_t n)
{
	struct rln_fiber **f = g_new0(struct rln_fiber *, n);
	uint32_t i;

	memset(f, 0xff, n * sizeof(*f));   /* resident before anything is measured */
	for (i = 0; i < n; i++) {
		f[i] = new_fiber(e, parks, &e->thread);
		g_assert_false(rln_fiber_resume(&e->thread, f[i]));
	}
	return f;
}

static void finish_many(struct env *e, struct rln_fiber **f, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		finish(e, f[i]);
	g_free(f);
}

static void test_parked_cost(void)
{
	const uint32_t n = many();
	struct rln_fiber **f;
	unsigned int maps;
	unsigned long rss;
	struct env e;

	if (!kernel_guards()) {
		g_test_skip("MADV_GUARD_INSTALL is refused");
		return;
	}
	env_init(&e, 0, true);
	maps = mappings();
	rss = rss_kib();
	f = park_many(&e, n);
	maps = mappings() - maps;
	rss = rss_kib() - rss - n * sizeof(*f) / 1024;
	g_test_message("%u fibers parked: %.3f KiB each, %u mappings", n, (double)rss / n, maps);
	if (!SANITIZED && !RUNNING_ON_VALGRIND) {
		g_assert_cmpuint(rss * 10, <=, n * 43ul);
		g_assert_cmpuint(maps, <=, 200);
	}
	g_assert_cmpuint(stats_of(&e).live, ==, n);
	g_assert_cmpuint(stats_of(&e).guard[RLN_GUARD_MADVISE], >=, n);
	finish_many(&e, f, n);
	env_fini(&e);
}

/* More stacks than a process may have mappings, without the kernel's guards. */
static void test_many_without_kernel_guards(void)
{
	const uint32_t n = many();
	struct rln_fiber **f;
	struct env e;

	env_init(&e, 0, false);
	f = park_many(&e, n);
	g_assert_cmpuint(stats_of(&e).guard[RLN_GUARD_MADVISE], ==, 0);
	g_assert_cmpuint(stats_of(&e).guard[RLN_GUARD_MPROTECT], <=, 8192);
	finish_many(&e, f, n);
	g_assert_cmpuint(stats_of(&e).overflows, ==, 0);
	env_fini(&e);
}

static void test_parked_is_one_page(void)
{
	struct rln_fiber *f[8];
	struct env e;
	void *high;
	void *low;
	int i;

	if (SANITIZED || RUNNING_ON_VALGRIND) {
		g_test_skip("frames are larger under a sanitizer");
		return;
	}
	env_init(&e, 0, true);
	for (i = 0; i < 8; i++) {
		f[i] = new_fiber(&e, parks, &e.thread);
		rln_fiber_resume(&e.thread, f[i]);
		rln_fiber_bounds(f[i], &low, &high);
		g_assert_cmpuint(resident_pages(low, (size_t)((char *)high - (char *)low)), ==, 1);
	}
	for (i = 0; i < 8; i++)
		finish(&e, f[i]);
	env_fini(&e);
}

static void test_colours(void)
{
	struct rln_fiber *f[8];
	GHashTable *offsets = g_hash_table_new(NULL, NULL);
	struct env e;
	int i;

	env_init(&e, 0, true);
	for (i = 0; i < 8; i++) {
		f[i] = new_fiber(&e, parks, &e.thread);
		g_hash_table_add(offsets, GSIZE_TO_POINTER((uintptr_t)rln_fiber_sp(f[i]) % page_size()));
	}
	g_assert_cmpuint(g_hash_table_size(offsets), ==, 8);
	for (i = 0; i < 8; i++)
		rln_fiber_free(f[i]);
	env_fini(&e);
	g_hash_table_destroy(offsets);
}

/* --- stacks --- */

static void test_sizes(void)
{
	size_t least = 16 * 1024 + getauxval(AT_MINSIGSTKSZ);
	struct rln_stack_pool *pool = NULL;
	struct env e;

	env_init(&e, 0, true);
	g_assert_cmpuint(rln_stack_pool_size(e.pool), ==, RLN_STACK_DEFAULT_SIZE);
	env_fini(&e);
	env_init(&e, 1, true);
	g_assert_cmpuint(rln_stack_pool_size(e.pool), >=, least);
	g_assert_cmpuint(rln_stack_pool_size(e.pool), <, least + page_size());
	g_assert_cmpuint(rln_stack_pool_size(e.pool) % page_size(), ==, 0);
	env_fini(&e);
	env_init(&e, 100001, true);
	g_assert_cmpuint(rln_stack_pool_size(e.pool), ==, (100001 + page_size() - 1) / page_size() * page_size());
	g_assert_cmpuint(acquire(&e).size, ==, rln_stack_pool_size(e.pool));
	rln_stack_pool_free(e.pool);
	g_assert_cmpint(rln_stack_pool_new(&pool, SIZE_MAX, true), ==, -EINVAL);
	rln_stack_pool_free(NULL);
}

/* All of a stack can be written, its neighbours unharmed. */
static void test_disjoint(void)
{
	struct rln_stack s[40];
	struct env e;
	int i;

	env_init(&e, 0, true);
	for (i = 0; i < 40; i++) {
		s[i] = acquire(&e);
		memset(s[i].base, i, s[i].size);
	}
	for (i = 0; i < 40; i++) {
		const char *bytes = s[i].base;

		g_assert_true(bytes[0] == i && bytes[s[i].size - 1] == i && !memcmp(bytes, bytes + 1, s[i].size - 1));
		rln_stack_release(e.pool, &s[i]);
	}
	env_fini(&e);
}

static void test_large_slab_is_bounded(void)
{
	struct rln_stack s;
	struct env e;

	env_init(&e, (size_t)100 << 20, true);
	s = acquire(&e);
	g_assert_cmpuint(stats_of(&e).mapped, <, (uint64_t)128 << 20);
	rln_stack_release(e.pool, &s);
	env_fini(&e);
}

static void test_lifo(void)
{
	struct rln_stack s[3];
	struct env e;
	int i;

	env_init(&e, 0, true);
	for (i = 0; i < 3; i++)
		s[i] = acquire(&e);
	rln_stack_release(e.pool, &s[1]);
	rln_stack_release(e.pool, &s[2]);
	rln_stack_release(e.pool, &s[0]);
	g_assert_true(acquire(&e).base == s[0].base);
	g_assert_true(acquire(&e).base == s[2].base);
	g_assert_true(acquire(&e).base == s[1].base);
	for (i = 0; i < 3; i++)
		rln_stack_release(e.pool, &s[i]);
	env_fini(&e);
}

static unsigned int resident_over(const struct rln_stack *s, int n)
{
	unsigned int pages = 0;
	int i;

	for (i = 0; i < n; i++)
		pages += resident_pages(s[i].base, s[i].size);
	return pages;
}

static void test_trim(void)
{
	struct rln_stack s[16];
	struct env e;
	int i;

	env_init(&e, 0, true);
	for (i = 0; i < 16; i++) {
		s[i] = acquire(&e);
		memset(s[i].base, 1, s[i].size);
	}
	for (i = 0; i < 16; i++)
		rln_stack_release(e.pool, &s[i]);
	g_assert_cmpuint(resident_over(s, 16), ==, 16 * s[0].size / page_size());
	rln_stack_pool_trim(e.pool, 4);
	g_assert_cmpuint(resident_over(s, 16), ==, 4 * s[0].size / page_size());
	g_assert_cmpuint(resident_pages(s[15].base, s[15].size), ==, s[15].size / page_size());
	g_assert_cmpuint(stats_of(&e).warm, ==, 4);
	rln_stack_pool_trim(e.pool, 0);
	g_assert_cmpuint(resident_over(s, 16), ==, 0);
	g_assert_cmpuint(stats_of(&e).trimmed, ==, 16);
	g_assert_cmpuint(stats_of(&e).idle, ==, 16);
	env_fini(&e);
}

static void test_trim_unmaps(void)
{
	struct rln_stack s[200];
	uint64_t peak;
	struct env e;
	int i;

	env_init(&e, 0, true);
	for (i = 0; i < 200; i++)
		s[i] = acquire(&e);
	peak = stats_of(&e).mapped;
	for (i = 1; i < 200; i++)
		rln_stack_release(e.pool, &s[i]);
	rln_stack_pool_trim(e.pool, 0);
	g_assert_cmpuint(stats_of(&e).mapped, ==, 16 * (s[0].size + page_size()));
	g_assert_cmpuint(stats_of(&e).mapped, <, peak);
	g_assert_cmpuint(stats_of(&e).idle, ==, 15);
	memset(s[0].base, 1, s[0].size);
	for (i = 1; i < 200; i++)
		s[i] = acquire(&e);
	for (i = 0; i < 200; i++)
		rln_stack_release(e.pool, &s[i]);
	env_fini(&e);
}

static void test_warm_stock(void)
{
	struct rln_stack s[300];
	unsigned int per_stack;
	struct env e;
	int i;

	env_init(&e, 0, true);
	for (i = 0; i < 300; i++) {
		s[i] = acquire(&e);
		memset(s[i].base, 1, s[i].size);
	}
	per_stack = (unsigned int)(s[0].size / page_size());
	for (i = 0; i < 300; i++)
		rln_stack_release(e.pool, &s[i]);
	g_assert_cmpuint(stats_of(&e).warm, ==, 64);
	g_assert_cmpuint(resident_over(s, 300), ==, 64 * per_stack);
	env_fini(&e);
}

/* --- guards --- */

static const char *guard_low;
static const char *guard_high;

/* Runs on the alternate stack of the child that overflowed. */
static void on_fault(int signal_number, siginfo_t *info, void *context)
{
	const char *at = info->si_addr;

	(void)signal_number;
	(void)context;
	_exit(at >= guard_low && at < guard_high ? 42 : 43);
}

static void overflow_in_child(bool madvise_guard)
{
	static char handler_stack[65536];
	const stack_t alternate = { .ss_sp = handler_stack, .ss_size = sizeof(handler_stack) };
	const struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	uint32_t depth = 1000000;
	struct rln_fiber *f;
	struct env e;
	void *high;
	void *low;

	sigaltstack(&alternate, NULL);
	sigaction(SIGSEGV, &action, NULL);
	env_init(&e, 0, madvise_guard);
	f = new_fiber(&e, descends, &depth);
	rln_fiber_bounds(f, &low, &high);
	guard_low = (char *)low - page_size();
	guard_high = low;
	rln_fiber_resume(&e.thread, f);
	_exit(0);
}

static void assert_guarded(bool madvise_guard)
{
	int status;
	pid_t pid;

	if (SANITIZED || RUNNING_ON_VALGRIND) {
		g_test_skip("sanitizers and valgrind watch stack overflows themselves");
		return;
	}
	pid = fork();
	if (pid == 0)
		overflow_in_child(madvise_guard);
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_true(WIFEXITED(status));
	g_assert_cmpint(WEXITSTATUS(status), ==, 42);
}

static void test_kernel_guard(void)
{
	if (!kernel_guards())
		g_test_skip("MADV_GUARD_INSTALL is refused");
	else
		assert_guarded(true);
}

static void test_mprotect_guard(void)
{
	struct rln_stack s;
	struct env e;

	env_init(&e, 0, false);
	s = acquire(&e);
	g_assert_cmpuint(s.guard, ==, RLN_GUARD_MPROTECT);
	rln_stack_release(e.pool, &s);
	env_fini(&e);
	assert_guarded(false);
}

/* Without a handler the process dies of it, which is what a host sees. */
static void test_guard_kills(void)
{
	uint32_t depth = 1000000;
	int status;
	pid_t pid;

	if (SANITIZED || RUNNING_ON_VALGRIND) {
		g_test_skip("sanitizers and valgrind watch stack overflows themselves");
		return;
	}
	pid = fork();
	if (pid == 0) {
		struct env e;

		signal(SIGSEGV, SIG_DFL);
		env_init(&e, 0, true);
		run(&e, descends, &depth);
		_exit(0);
	}
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_true(WIFSIGNALED(status));
	g_assert_cmpint(WTERMSIG(status), ==, SIGSEGV);
}

static void count_line(int level, const char *message, void *arg)
{
	g_assert_cmpint(level, ==, RLN_LOG_ERROR);
	g_assert_nonnull(strstr(message, "overflowed its stack"));
	(*(int *)arg)++;
}

/* Acquires stacks until the budget of mprotect() guards is spent; the last one has a canary. */
static GArray *spend_guards(struct env *e)
{
	GArray *stacks = g_array_new(FALSE, FALSE, sizeof(struct rln_stack));
	struct rln_stack s;

	do {
		s = acquire(e);
		g_array_append_val(stacks, s);
		g_assert_cmpuint(stacks->len, <=, 8193);
	} while (s.guard != RLN_GUARD_CANARY);
	return stacks;
}

static void release_all(struct env *e, GArray *stacks)
{
	guint i;

	for (i = 0; i < stacks->len; i++)
		rln_stack_release(e->pool, &g_array_index(stacks, struct rln_stack, i));
	g_array_free(stacks, TRUE);
}

static void test_canary(void)
{
	struct rln_stack *damaged;
	GArray *stacks;
	int lines = 0;
	struct env e;

	rln_log_set(count_line, &lines);
	env_init(&e, 0, false);
	stacks = spend_guards(&e);
	damaged = &g_array_index(stacks, struct rln_stack, stacks->len - 1);
	rln_stack_release(e.pool, damaged);
	*damaged = acquire(&e);
	g_assert_cmpuint(damaged->guard, ==, RLN_GUARD_CANARY);
	g_assert_cmpuint(stats_of(&e).overflows, ==, 0);
	memset(damaged->base, 0, 8);
	rln_stack_release(e.pool, damaged);
	g_assert_cmpuint(stats_of(&e).overflows, ==, 1);
	g_assert_cmpint(lines, ==, 1);
	*damaged = acquire(&e);
	release_all(&e, stacks);
	g_assert_cmpuint(stats_of(&e).overflows, ==, 1);
	env_fini(&e);
	rln_log_set(NULL, NULL);
}

static void test_budget_comes_back(void)
{
	GArray *stacks;
	guint first;
	struct env e;
	int round;

	for (round = 0; round < 2; round++) {
		env_init(&e, 0, false);
		stacks = spend_guards(&e);
		if (round == 0)
			first = stacks->len;
		g_assert_cmpuint(stacks->len, ==, first);
		release_all(&e, stacks);
		env_fini(&e);
	}
}

/* --- when something is refused --- */

static void test_mmap_refused(void)
{
	struct rln_fiber *f = NULL;
	struct env e;

	env_init(&e, 0, true);
	rln_fault_arm(RLN_FAULT_MMAP, 0, 1, ENOMEM);
	g_assert_cmpint(rln_fiber_new(&f, e.pool, parks, &e.thread), ==, -ENOMEM);
	g_assert_null(f);
	g_assert_cmpuint(stats_of(&e).mapped, ==, 0);
	g_assert_cmpuint(rln_mem_live(), ==, 1);
	rln_fault_disarm_all();
	rln_fiber_free(new_fiber(&e, parks, &e.thread));
	env_fini(&e);
}

/* The slab that was refused falls back; the next one asks again. */
static void test_guard_refused(void)
{
	struct rln_stack s[17];
	struct env e;
	int i;

	if (!kernel_guards()) {
		g_test_skip("MADV_GUARD_INSTALL is refused anyway");
		return;
	}
	env_init(&e, 0, true);
	rln_fault_arm(RLN_FAULT_GUARD, 3, 1, EINVAL);
	for (i = 0; i < 17; i++)
		s[i] = acquire(&e);
	g_assert_cmpuint(rln_fault_failed(RLN_FAULT_GUARD), ==, 1);
	rln_fault_disarm_all();
	for (i = 0; i < 17; i++) {
		g_assert_cmpuint(s[i].guard, ==, i < 3 || i == 16 ? RLN_GUARD_MADVISE : RLN_GUARD_MPROTECT);
		memset(s[i].base, 1, s[i].size);
		rln_stack_release(e.pool, &s[i]);
	}
	g_assert_cmpuint(stats_of(&e).guard[RLN_GUARD_MPROTECT], ==, 13);
	env_fini(&e);
}

static void test_out_of_memory(void)
{
	struct rln_stack_pool *pool = NULL;
	struct rln_fiber *f = NULL;
	struct env e;

	rln_fault_arm(RLN_FAULT_ALLOC, 0, 1, ENOMEM);
	g_assert_cmpint(rln_stack_pool_new(&pool, 0, true), ==, -ENOMEM);
	g_assert_null(pool);
	env_init(&e, 0, true);
	rln_fault_arm(RLN_FAULT_ALLOC, 0, 1, ENOMEM);
	g_assert_cmpint(rln_fiber_new(&f, e.pool, parks, &e.thread), ==, -ENOMEM);
	rln_fault_disarm_all();
	g_assert_cmpuint(stats_of(&e).mapped, ==, 0);
	rln_fiber_free(new_fiber(&e, parks, &e.thread));
	env_fini(&e);
}

static void test_locked_memory(void)
{
	struct rln_stack s;
	struct env e;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (mlockall(MCL_FUTURE) < 0)
			_exit(77);
		env_init(&e, 0, true);
		s = acquire(&e);
		memset(s.base, 1, s.size);
		rln_stack_release(e.pool, &s);
		env_fini(&e);
		_exit(s.guard == RLN_GUARD_MPROTECT ? 0 : 1);
	}
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		g_test_skip("memory may not be locked");
	else
		g_assert_cmpint(WEXITSTATUS(status), ==, 0);
}

static const struct test_case {
	const char *path;
	void (*run)(void);
} cases[] = {
	{ "/fiber/runs-when-resumed-until-it-suspends-or-ends", test_runs_when_resumed },
	{ "/fiber/runs-in-the-order-it-is-resumed", test_resume_order },
	{ "/fiber/lies-within-its-bounds", test_current },
	{ "/fiber/never-resumed-can-be-freed", test_never_resumed },
	{ "/fiber/misuse-is-caught-in-test-builds", test_misuse },
	{ "/fiber/callee-saved-registers-survive", test_registers },
	{ "/fiber/rounding-mode-is-each-fibers-own", test_rounding },
	{ "/fiber/each-control-word-survives-by-itself", test_control_words },
	{ "/fiber/deep-recursion-fits", test_deep_recursion },
	{ "/fiber/a-million-switches", test_many_switches },
	{ "/fiber/threads-have-fibers-of-their-own", test_threads },
	{ "/fiber/hundred-thousand-parked-cost-a-page-each", test_parked_cost },
	{ "/fiber/hundred-thousand-park-without-kernel-guards", test_many_without_kernel_guards },
	{ "/fiber/parked-is-one-page", test_parked_is_one_page },
	{ "/fiber/tops-are-coloured", test_colours },
	{ "/stack/sizes-are-rounded-raised-and-limited", test_sizes },
	{ "/stack/neighbours-are-disjoint", test_disjoint },
	{ "/stack/slab-of-large-stacks-is-bounded", test_large_slab_is_bounded },
	{ "/stack/reuse-is-lifo", test_lifo },
	{ "/stack/trim-gives-pages-back-oldest-first", test_trim },
	{ "/stack/trim-unmaps-free-slabs", test_trim_unmaps },
	{ "/stack/warm-stock-is-bounded", test_warm_stock },
	{ "/stack/overflow-hits-the-kernels-guard", test_kernel_guard },
	{ "/stack/overflow-hits-the-mprotect-guard", test_mprotect_guard },
	{ "/stack/overflow-is-sigsegv", test_guard_kills },
	{ "/stack/damaged-canary-is-counted-and-logged", test_canary },
	{ "/stack/guard-budget-comes-back", test_budget_comes_back },
	{ "/stack/mmap-refused-is-enomem", test_mmap_refused },
	{ "/stack/guard-refused-falls-back-for-one-slab", test_guard_refused },
	{ "/stack/out-of-memory-leaves-nothing", test_out_of_memory },
	{ "/stack/locked-memory-falls-back-to-mprotect", test_locked_memory },
};

static void run_case(gconstpointer data)
{
	((const struct test_case *)data)->run();
	g_assert_cmpuint(rln_mem_live(), ==, 0);
}

int main(int argc, char **argv)
{
	size_t i;

	g_test_init(&argc, &argv, NULL);
	g_test_message("the switch is %s", rln_fiber_kind);
	for (i = 0; i < G_N_ELEMENTS(cases); i++)
		g_test_add_data_func(cases[i].path, &cases[i], run_case);
	return g_test_run();
}
