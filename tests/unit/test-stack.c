/* SPDX-License-Identifier: MIT */
/* The stack pool: sizes, reuse, giving memory back, guards, and what happens when the kernel refuses something. */
#include <errno.h>
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "fiber-fixture.h"

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
	env_fini(&e);
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
		memset(s[i].base, i, stack_size(&e));
	}
	for (i = 0; i < 40; i++) {
		size_t size = stack_size(&e);
		const char *bytes = s[i].base;

		g_assert_true(bytes[0] == i && bytes[size - 1] == i && !memcmp(bytes, bytes + 1, size - 1));
		rln_stack_release(e.pool, s[i]);
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
	rln_stack_release(e.pool, s);
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
	rln_stack_release(e.pool, s[1]);
	rln_stack_release(e.pool, s[2]);
	rln_stack_release(e.pool, s[0]);
	g_assert_true(acquire(&e).base == s[0].base);
	g_assert_true(acquire(&e).base == s[2].base);
	g_assert_true(acquire(&e).base == s[1].base);
	for (i = 0; i < 3; i++)
		rln_stack_release(e.pool, s[i]);
	env_fini(&e);
}

static unsigned int resident_over(const struct env *e, const struct rln_stack *s, int n)
{
	unsigned int pages = 0;
	int i;

	for (i = 0; i < n; i++)
		pages += resident_pages(s[i].base, stack_size(e));
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
		memset(s[i].base, 1, stack_size(&e));
	}
	for (i = 0; i < 16; i++)
		rln_stack_release(e.pool, s[i]);
	g_assert_cmpuint(resident_over(&e, s, 16), ==, 16 * stack_size(&e) / page_size());
	rln_stack_pool_trim(e.pool, 4);
	g_assert_cmpuint(resident_over(&e, s, 16), ==, 4 * stack_size(&e) / page_size());
	g_assert_cmpuint(resident_pages(s[15].base, stack_size(&e)), ==, stack_size(&e) / page_size());
	g_assert_cmpuint(stats_of(&e).warm, ==, 4);
	rln_stack_pool_trim(e.pool, 0);
	g_assert_cmpuint(resident_over(&e, s, 16), ==, 0);
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
		rln_stack_release(e.pool, s[i]);
	rln_stack_pool_trim(e.pool, 0);
	g_assert_cmpuint(stats_of(&e).mapped, ==, 16 * (stack_size(&e) + page_size()));
	g_assert_cmpuint(stats_of(&e).mapped, <, peak);
	g_assert_cmpuint(stats_of(&e).idle, ==, 15);
	memset(s[0].base, 1, stack_size(&e));
	for (i = 1; i < 200; i++)
		s[i] = acquire(&e);
	for (i = 0; i < 200; i++)
		rln_stack_release(e.pool, s[i]);
	env_fini(&e);
}

static void test_warm_stock(void)
{
	struct rln_stack s[300];
	struct env e;
	int i;

	env_init(&e, 0, true);
	for (i = 0; i < 300; i++) {
		s[i] = acquire(&e);
		memset(s[i].base, 1, stack_size(&e));
	}
	for (i = 0; i < 300; i++)
		rln_stack_release(e.pool, s[i]);
	g_assert_cmpuint(stats_of(&e).warm, ==, 300);
	g_assert_true(rln_stack_pool_swollen(e.pool));
	rln_stack_pool_age(e.pool);                   /* all have been needed since the last look */
	g_assert_cmpuint(stats_of(&e).warm, ==, 300);
	s[0] = acquire(&e);
	s[1] = acquire(&e);
	rln_stack_release(e.pool, s[0]);
	rln_stack_release(e.pool, s[1]);
	rln_stack_pool_age(e.pool);                   /* now only two were, and the stock stays */
	g_assert_cmpuint(stats_of(&e).warm, ==, 64);
	g_assert_false(rln_stack_pool_swollen(e.pool));
	g_assert_cmpuint(stats_of(&e).trimmed, ==, 300 - 64);
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
	g_assert_cmpuint(s.slot->guard, ==, RLN_GUARD_MPROTECT);
	rln_stack_release(e.pool, s);
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
	} while (s.slot->guard != RLN_GUARD_CANARY);
	return stacks;
}

static void release_all(struct env *e, GArray *stacks)
{
	guint i;

	for (i = 0; i < stacks->len; i++)
		rln_stack_release(e->pool, g_array_index(stacks, struct rln_stack, i));
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
	rln_stack_release(e.pool, *damaged);
	*damaged = acquire(&e);
	g_assert_cmpuint(damaged->slot->guard, ==, RLN_GUARD_CANARY);
	g_assert_cmpuint(stats_of(&e).overflows, ==, 0);
	memset(damaged->base, 0, 8);
	rln_stack_release(e.pool, *damaged);
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
		g_assert_cmpuint(s[i].slot->guard, ==, i < 3 || i == 16 ? RLN_GUARD_MADVISE : RLN_GUARD_MPROTECT);
		memset(s[i].base, 1, stack_size(&e));
		rln_stack_release(e.pool, s[i]);
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
	pid_t pid;

	if (SANITIZED) {
		g_test_skip("sanitizers lock no memory");
		return;
	}
	pid = fork();
	if (pid == 0) {
		if (mlockall(MCL_FUTURE) < 0)
			_exit(77);
		env_init(&e, 0, true);
		s = acquire(&e);
		memset(s.base, 1, stack_size(&e));
		status = s.slot->guard == RLN_GUARD_MPROTECT ? 0 : 1;
		rln_stack_release(e.pool, s);
		env_fini(&e);
		_exit(status);
	}
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		g_test_skip("memory may not be locked");
	else
		g_assert_cmpint(WEXITSTATUS(status), ==, 0);
}

static const struct test_case cases[] = {
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

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	add_cases(cases, G_N_ELEMENTS(cases));
	return g_test_run();
}
