/* SPDX-License-Identifier: MIT */
/* Seeing inside: dumps, what is told of one task, the watchdog, and the crash handler. */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "support/conformance.h"

/* --- dumps -------------------------------------------------------------------------------------------------------- */

/* What a call writes to a descriptor. */
static char *written(int (*dump)(void *arg, int fd), void *arg)
{
	char name[] = "/tmp/ringline-dump.XXXXXX";
	int fd = mkostemp(name, O_CLOEXEC);
	gsize len;
	char *text;

	g_assert_cmpint(fd, >=, 0);
	CONF_OK(dump(arg, fd));
	g_assert_true(g_file_get_contents(name, &text, &len, NULL));
	close(fd);
	unlink(name);
	return text;
}

static int dump_here(void *arg, int fd)
{
	(void)arg;
	return ringline_task_dump(fd);
}

static int dump_runtime(void *rt, int fd)
{
	return ringline_runtime_dump(rt, fd);
}

static void says(const char *text, const char *part)
{
	if (!strstr(text, part))
		g_error("\"%s\" is not in:\n%s", part, text);
}

struct locks {
	struct ringline_mutex *a;
	struct ringline_mutex *b;
};

static void named(const char *name)
{
	CONF_OK(ringline_task_set_name(NULL, name));
}

static int locks_a_then_b(void *arg)
{
	struct locks *l = arg;

	named("first");
	CONF_OK(ringline_mutex_lock(l->a));
	CONF_OK(ringline_yield());
	if (ringline_mutex_lock(l->b) == 0)           /* the other was cancelled first, and has given it back */
		CONF_OK(ringline_mutex_unlock(l->b));
	return ringline_mutex_unlock(l->a);
}

static int locks_b_then_a(void *arg)
{
	struct locks *l = arg;

	named("second");
	CONF_OK(ringline_mutex_lock(l->b));
	CONF_OK(ringline_yield());
	if (ringline_mutex_lock(l->a) == 0)
		CONF_OK(ringline_mutex_unlock(l->a));
	return ringline_mutex_unlock(l->b);
}

static int sleeps(void *arg)
{
	named("sleeper");
	(void)arg;
	return ringline_sleep_until(RINGLINE_NEVER);
}

static int polls(void *arg)
{
	struct ringline_op **op = arg;

	if (!*op)
		CONF_OK(ringline_sleep_begin(op, RINGLINE_NEVER));
	return (int)ringline_op_result(*op);
}

static int dump_main(void *arg)
{
	struct ringline_sync_options so = RINGLINE_SYNC_OPTIONS_INIT;
	struct ringline_task_options to = RINGLINE_TASK_OPTIONS_INIT;
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;
	struct ringline_op *op = NULL;
	struct ringline_task *t;
	struct locks l;
	char *text;

	(void)arg;
	so.name = "alpha";
	CONF_OK(ringline_mutex_new(&l.a, &so));
	so.name = "beta";
	CONF_OK(ringline_mutex_new(&l.b, &so));
	o.deadline = ringline_now() + 1000 * SEC;
	CONF_OK(ringline_scope_open(&scope, &o));
	CONF_OK(ringline_spawn(locks_a_then_b, &l));
	CONF_OK(ringline_spawn(locks_b_then_a, &l));
	CONF_OK(ringline_spawn(sleeps, NULL));
	to.flags = RINGLINE_TASK_STACKLESS;
	to.task_class = RINGLINE_TASK_BULK;
	to.name = "poller";
	CONF_OK(ringline_task_start(&t, polls, &op, &to));
	CONF_OK(ringline_task_detach(t));
	CONF_OK(ringline_sleep(1000000));

	text = written(dump_here, NULL);
	says(text, "\"first\": waits for 0.0");
	says(text, "lock (mutex ");
	says(text, "holds 1 locks");
	says(text, "    holds mutex ");
	says(text, "\"alpha\"");
	says(text, "\"beta\"");
	says(text, "\"sleeper\": waits for");
	says(text, ": sleep");
	says(text, "deadline in 999.");
	says(text, "\"poller\", bulk: is polled when one of its 1 operations is done");
	says(text, "poll function");
	says(text, "\"main\": runs");
	says(text, "deadlock: task ");
	says(text, "\"first\" (mutex ");
#if defined(RLN_HAVE_BACKTRACE) && defined(RLN_FIBER_ASM)
	says(text, "in ringline_mutex_lock+");
	says(text, "in ringline_sleep_until+");
#endif
	g_free(text);
	g_assert_cmpint(ringline_task_dump(-1), ==, -EBADF);
	CONF_OK(ringline_scope_cancel(scope));
	g_assert_cmpint(ringline_scope_close(scope), ==, -ECANCELED);
	CONF_OK(ringline_mutex_free(l.a));
	return ringline_mutex_free(l.b);
}

static void test_dump(void)
{
	CONF_OK(conf_run(dump_main, NULL));
}

struct busy {
	_Atomic int inside;
	_Atomic int stop;
};

/* Does not give its worker back. */
static int hogs(void *arg)
{
	struct busy *b = arg;

	named("hog");
	b->inside = 1;
	while (!b->stop)
		;
	return 0;
}

static struct ringline_runtime *start(uint64_t stall_limit)
{
	struct ringline_config c;

	conf_config(&c);
	c.stall_limit = stall_limit;
	return conf_serve(&c, 2, NULL, NULL, NULL, NULL);
}

static void test_dump_from_outside(void)
{
	struct ringline_runtime *rt = start(1000 * SEC);
	struct busy b = { .inside = 0 };
	char *text;

	CONF_OK(ringline_worker_spawn(rt, 0, sleeps, NULL));
	CONF_UNTIL(conf_stats(rt).tasks_started == 1);
	text = written(dump_runtime, rt);
	says(text, "worker 0 (");
	says(text, "worker 1 (");
	says(text, "\"sleeper\": waits for");
	g_free(text);

	CONF_OK(ringline_worker_spawn(rt, 1, hogs, &b));
	CONF_UNTIL(b.inside);
	text = written(dump_runtime, rt);
	says(text, "worker 1 does not answer: it runs task");
	says(text, "\"hog\"");
	g_free(text);
	b.stop = 1;
	g_assert_cmpint(ringline_runtime_dump(NULL, 1), ==, -EINVAL);
	CONF_OK(conf_stop(rt));
}

/* --- one task ----------------------------------------------------------------------------------------------------- */

static int uses_stack(void *arg)
{
	volatile char room[30000];
	size_t i;

	(void)arg;
	for (i = 0; i < sizeof(room); i += 100)
		room[i] = 1;
	return ringline_sleep_until(RINGLINE_NEVER) + 0 * room[0];
}

static int info_main(void *arg)
{
	struct ringline_task_info info = RINGLINE_TASK_INFO_INIT;
	struct ringline_task *t;

	(void)arg;
	CONF_OK(ringline_task_info(NULL, &info));
	g_assert_cmpuint(info.id, ==, ringline_task_id());
	g_assert_cmpuint(info.state, ==, RINGLINE_TASK_RUNNING);
	g_assert_cmpuint(info.task_class, ==, RINGLINE_TASK_LATENCY);
	g_assert_cmpstr(info.name, ==, "main");
	g_assert_cmpuint(info.stack_used, >, 0);
	g_assert_cmpuint(info.stack_used, <, info.stack_size);
	CONF_OK(ringline_task_start(&t, uses_stack, NULL, NULL));
	CONF_OK(ringline_task_info(t, &info));
	g_assert_cmpuint(info.state, ==, RINGLINE_TASK_READY);
	CONF_OK(ringline_yield());
	CONF_OK(ringline_task_info(t, &info));
	g_assert_cmpuint(info.state, ==, RINGLINE_TASK_WAITING);
#ifndef __SANITIZE_ADDRESS__
	g_assert_cmpuint(info.stack_peak, >=, 30000);
#endif
	g_assert_cmpuint(info.stack_peak, <=, info.stack_size);
	CONF_OK(ringline_task_cancel(t));
	CONF_OK(ringline_yield());
	CONF_OK(ringline_task_info(t, &info));
	g_assert_cmpuint(info.state, ==, RINGLINE_TASK_ENDED);
	g_assert_cmpint(ringline_task_info(t, NULL), ==, -EINVAL);
	return ringline_task_detach(t);
}

static void test_info(void)
{
	struct ringline_config c;

	conf_config(&c);
	c.flags |= RINGLINE_CONFIG_STACK_USAGE;
	CONF_OK(conf_run_with(&c, info_main, NULL));
}

/* --- the watchdog ------------------------------------------------------------------------------------------------- */

static void test_watchdog(void)
{
	struct ringline_runtime *rt = start(20 * MSEC);
	struct busy b = { .inside = 0 };

	CONF_OK(ringline_worker_spawn(rt, 1, hogs, &b));
	CONF_UNTIL(conf_log_seen("\"hog\" has not given it back for"));
#if defined(RLN_HAVE_BACKTRACE)
	CONF_UNTIL(conf_log_seen("worker 1:     in "));
#endif
	usleep(100000);               /* several limits */
	g_assert_cmpuint(conf_stats(rt).stalls, ==, 1);
	b.stop = 1;
	CONF_OK(conf_stop(rt));
}

/* --- the crash handler -------------------------------------------------------------------------------------------- */

static __attribute__((noinline)) int recurses(volatile char *before)
{
	volatile char frame[512];

	frame[0] = before[0];
	return frame[0] ? 0 : recurses(frame) + frame[1];
}

static int overflows(void *arg)
{
	volatile char c = 0;

	(void)arg;
	named("deep");
	return recurses(&c);
}

/* In a process of its own, whose standard error is a file. */
static void crash(int fd)
{
	struct ringline_runtime *rt;
	struct ringline_config c;

	dup2(fd, STDERR_FILENO);
	signal(SIGSEGV, SIG_DFL);
	CONF_OK(ringline_install_crash_handler());
	CONF_OK(ringline_install_crash_handler());
	conf_config(&c);
	c.workers = 1;
	CONF_OK(ringline_runtime_new(&rt, &c));
	CONF_OK(ringline_runtime_start(rt));
	CONF_OK(ringline_worker_spawn(rt, 0, overflows, NULL));
	(void)ringline_runtime_join(rt);
	_exit(0);
}

static int run_and_crash(void *arg, int fd)
{
	int *status = arg;
	pid_t pid = fork();

	if (!pid)
		crash(fd);
	g_assert_cmpint(waitpid(pid, status, 0), ==, pid);
	return 0;
}

static void test_crash(void)
{
	int status = 0;
	char *text;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	g_test_skip("the sanitizer takes the signal");
	return;
#endif
	text = written(run_and_crash, &status);
	g_assert_true(WIFSIGNALED(status));
	g_assert_cmpint(WTERMSIG(status), ==, SIGSEGV);
	says(text, "\"deep\" has overflowed its stack of 65536 bytes");
	g_free(text);
}

static void add_cases(void)
{
	conf_add("/debug/dump", test_dump);
	conf_add("/debug/dump-from-outside", test_dump_from_outside);
	conf_add("/debug/info", test_info);
	conf_add("/debug/watchdog", test_watchdog);
	conf_add("/debug/crash-names-the-task", test_crash);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "debug", add_cases);
}
