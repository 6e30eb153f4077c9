/* SPDX-License-Identifier: MIT */
/*
 * Fibers: running and parking, what a switch keeps, and what a parked fiber costs. The cost is asked of the kernel
 * (mincore, smaps_rollup, maps), not of our own counters.
 */
#include <fenv.h>
#include <glib.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fiber-fixture.h"

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

/* A chain of calls, each with a frame of its own, down to a suspend. */
struct deep {
	struct env *env;
	int depth;
	void *caller[8];          /* where each call returns to */
};

static rln_noinline void goes_down(struct deep *d)
{
	d->caller[d->depth] = __builtin_return_address(0);
	if (++d->depth < 4)
		goes_down(d);
	else
		rln_fiber_suspend(&d->env->thread);
	__asm__ volatile("" : : : "memory");         /* the call above is not a jump */
}

static void deep_main(void *arg)
{
	goes_down(arg);
}

/* The unwinder, called on a parked fiber's own stack, finds its callers, and the fiber does not notice. */
static void test_backtrace(void)
{
	void *frames[32] = { NULL };
	struct rln_fiber *f;
	struct deep d = { 0 };
	struct env e;
	size_t found = 0;
	size_t n;
	size_t i;

	env_init(&e, 0, true);
	d.env = &e;
	f = new_fiber(&e, deep_main, &d);
	g_assert_cmpuint(rln_fiber_backtrace(f, frames, 32), ==, 0);   /* it has not run yet */
	g_assert_false(rln_fiber_resume(&e.thread, f));
	n = rln_fiber_backtrace(f, frames, 32);
#if defined(RLN_HAVE_BACKTRACE) && defined(RLN_FIBER_ASM)
	g_assert_cmpuint(n, >=, 5);
	for (i = 0; i < n && found < 4; i++)
		found += frames[i] == d.caller[3 - found];
	g_assert_cmpuint(found, ==, 4);
	g_assert_cmpuint(rln_fiber_backtrace(f, frames, 2), ==, 2);
#else
	g_assert_cmpuint(n, ==, 0);
	(void)i;
	(void)found;
#endif
	finish(&e, f);
	env_fini(&e);
}

static void uses_much(void *arg)
{
	volatile char much[20000];
	size_t i;

	for (i = 0; i < sizeof(much); i += 64)
		much[i] = 1;
	rln_fiber_suspend(arg);
	much[0] = 2;
}

static void test_peak(void)
{
	struct rln_fiber *f;
	struct env e;

	if (SANITIZED) {
		g_test_skip("frames are not on the stack");
		return;
	}
	env_init(&e, 0, true);
	rln_stack_pool_measure(e.pool);
	f = new_fiber(&e, uses_much, &e.thread);
	g_assert_false(rln_fiber_resume(&e.thread, f));
	g_assert_cmpuint(rln_fiber_stack_used(f), >=, 20000);
	g_assert_cmpuint(rln_fiber_stack_peak(f), >=, 20000);
	g_assert_cmpuint(rln_fiber_stack_peak(f), <, 30000);
	finish(&e, f);
	g_assert_cmpuint(stats_of(&e).peak, >=, 20000);
	f = new_fiber(&e, parks, &e.thread);          /* on the same stack, which was emptied */
	g_assert_false(rln_fiber_resume(&e.thread, f));
	g_assert_cmpuint(rln_fiber_stack_peak(f), <, 10000);
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
 * test_hold(fn, arg, in, out): loads every callee-saved register with the words at *in*, calls fn(arg), and stores
 * what is in them afterwards at *out*.
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

/* Values of every kind that a function holds while it is suspended, in registers if the compiler thinks it may. */
struct values {
	struct env *env;
	uint64_t seed;
	bool kept;
};

/* More than the callee-saved registers can hold. Opaque, so that the compiler cannot compute them anew. */
static uint64_t opaque(uint64_t x)
{
	__asm__("" : "+r"(x));
	return x;
}

static double real(uint64_t x)
{
	return (double)opaque(x);
}

static void hold_words(void *arg)
{
	struct values *v = arg;
	uint64_t s = v->seed;
	uint64_t a = opaque(s + 1), b = opaque(s + 2), c = opaque(s + 3), d = opaque(s + 4), e = opaque(s + 5);
	uint64_t f = opaque(s + 6), g = opaque(s + 7), h = opaque(s + 8), i = opaque(s + 9), j = opaque(s + 10);

	rln_fiber_suspend(&v->env->thread);
	v->kept = a == s + 1 && b == s + 2 && c == s + 3 && d == s + 4 && e == s + 5 && f == s + 6 && g == s + 7 &&
	          h == s + 8 && i == s + 9 && j == s + 10;
}

static void hold_reals(void *arg)
{
	struct values *v = arg;
	uint64_t s = v->seed;
	double a = real(s + 1), b = real(s + 2), c = real(s + 3), d = real(s + 4), e = real(s + 5), f = real(s + 6);
	double g = real(s + 7), h = real(s + 8), i = real(s + 9), j = real(s + 10), k = real(s + 11), l = real(s + 12);
	double m = real(s + 13), n = real(s + 14), o = real(s + 15), p = real(s + 16);
	long double wide = (long double)opaque(s + 17);
	double sum;

	rln_fiber_suspend(&v->env->thread);
	sum = a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j + 11 * k + 12 * l + 13 * m;
	sum += 14 * n + 15 * o + 16 * p;
	v->kept = (uint64_t)sum == 136 * s + 1496 && (uint64_t)wide == s + 17;
}

/*
 * A function that calls nothing but the switch, which is no call: the compiler might keep its locals below the stack
 * pointer, where the switch pushes.
 */
static rln_noinline uint64_t hold_locals(struct rln_fiber_thread *t, uint64_t seed)
{
	volatile uint64_t local[12];
	uint64_t sum = 0;
	int i;

	for (i = 0; i < 12; i++)
		local[i] = seed + (uint64_t)i;
	rln_switch_inline(&t->current->sp, t->sp);
	for (i = 0; i < 12; i++)
		sum += local[i] ^ (seed + (uint64_t)i);
	return sum;
}

static void hold_below(void *arg)
{
	struct values *v = arg;

	v->kept = hold_locals(&v->env->thread, v->seed) == 0;
}

static void assert_values_kept(void (*fn)(void *))
{
	struct values v[3];
	struct rln_fiber *f[3];
	struct env e;
	bool more = true;
	int i;

	env_init(&e, 0, true);
	for (i = 0; i < 3; i++) {
		v[i] = (struct values){ .env = &e, .seed = (uint64_t)(i + 1) * 1000003, .kept = true };
		f[i] = new_fiber(&e, fn, &v[i]);
	}
	while (more)
		for (i = 0; i < 3; i++)
			more = !rln_fiber_resume(&e.thread, f[i]);
	for (i = 0; i < 3; i++) {
		g_assert_true(v[i].kept);
		rln_fiber_free(f[i]);
	}
	env_fini(&e);
}

static void test_values(void)
{
	assert_values_kept(hold_words);
	assert_values_kept(hold_reals);
}

static void test_below_the_stack_pointer(void)
{
	if (SANITIZED)
		g_test_skip("sanitizers must be told of a switch, and that is a call");
	else
		assert_values_kept(hold_below);
}

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
	g_test_skip("only x86-64 is known to have two");
}

#endif

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
	return sizeof(void *) < 8 ? 20000 : scaled(100000, 2000);   /* 32 bits are not enough for 100,000 stacks */
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

static const struct test_case cases[] = {
	{ "/fiber/runs-when-resumed-until-it-suspends-or-ends", test_runs_when_resumed },
	{ "/fiber/runs-in-the-order-it-is-resumed", test_resume_order },
	{ "/fiber/lies-within-its-bounds", test_current },
	{ "/fiber/never-resumed-can-be-freed", test_never_resumed },
	{ "/fiber/backtrace-of-a-parked-one", test_backtrace },
	{ "/fiber/peak-of-its-stack", test_peak },
	{ "/fiber/misuse-is-caught-in-test-builds", test_misuse },
	{ "/fiber/callee-saved-registers-survive", test_registers },
	{ "/fiber/values-held-across-a-switch-survive", test_values },
	{ "/fiber/locals-below-the-stack-pointer-survive", test_below_the_stack_pointer },
	{ "/fiber/rounding-mode-is-each-fibers-own", test_rounding },
	{ "/fiber/each-control-word-survives-by-itself", test_control_words },
	{ "/fiber/deep-recursion-fits", test_deep_recursion },
	{ "/fiber/a-million-switches", test_many_switches },
	{ "/fiber/threads-have-fibers-of-their-own", test_threads },
	{ "/fiber/hundred-thousand-parked-cost-a-page-each", test_parked_cost },
	{ "/fiber/hundred-thousand-park-without-kernel-guards", test_many_without_kernel_guards },
	{ "/fiber/parked-is-one-page", test_parked_is_one_page },
	{ "/fiber/tops-are-coloured", test_colours },
};

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_message("the switch is %s", rln_fiber_kind);
	add_cases(cases, G_N_ELEMENTS(cases));
	return g_test_run();
}
