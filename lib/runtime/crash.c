/* SPDX-License-Identifier: MIT */
/*
 * The opt-in crash handler: names the task whose stack overflowed.
 *
 * A task that runs out of stack touches the guard page below it. The handler runs on the worker's alternate stack, compares
 * the address with the guard of the running task, says who it was, puts the former handler back and returns: the instruction
 * faults again, and what would have happened without us happens. Async-signal-safe throughout.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "core/task.h"
#include "ringline/debug.h"
#include "runtime/watch.h"

static _Atomic bool installed;
static struct sigaction former_segv;
static struct sigaction former_bus;

bool rln_crash_handled(void)
{
	return atomic_load(&installed);
}

struct line {
	char text[160];
	size_t len;
};

static void add(struct line *l, const char *s)
{
	while (*s && l->len < sizeof(l->text))
		l->text[l->len++] = *s++;
}

static void add_number(struct line *l, uint64_t n)
{
	char digits[20];
	size_t i = sizeof(digits);

	do
		digits[--i] = (char)('0' + n % 10);
	while (n /= 10);
	while (i < sizeof(digits) && l->len < sizeof(l->text))
		l->text[l->len++] = digits[i++];
}

static void say_overflow(const struct ringline_task *t)
{
	struct line l = { .len = 0 };
	ssize_t ignored;

	add(&l, "ringline: task ");
	add_number(&l, rln_slot_id(&t->slot));
	add(&l, " \"");
	add(&l, t->name);
	add(&l, "\" has overflowed its stack of ");
	add_number(&l, rln_fiber_stack_size(t->fiber));
	add(&l, " bytes\n");
	ignored = write(STDERR_FILENO, l.text, l.len);
	(void)ignored;
}

static void crashed(int signal, siginfo_t *info, void *context)
{
	const struct rln_exec *x = rln_exec_current;
	const struct ringline_task *t = x ? x->current : NULL;
	int saved = errno;

	(void)context;
	if (t && t->fiber && rln_fiber_guards(t->fiber, info->si_addr))
		say_overflow(t);
	sigaction(signal, signal == SIGSEGV ? &former_segv : &former_bus, NULL);
	errno = saved;
}

int ringline_install_crash_handler(void)
{
	struct sigaction mine = { .sa_sigaction = crashed, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	bool none = false;

	if (!atomic_compare_exchange_strong(&installed, &none, true))
		return 0;
	if (sigaction(SIGSEGV, &mine, &former_segv) < 0 || sigaction(SIGBUS, &mine, &former_bus) < 0) {
		atomic_store(&installed, false);
		return -errno;
	}
	return 0;
}
