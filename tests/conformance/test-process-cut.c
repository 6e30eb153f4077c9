/* SPDX-License-Identifier: MIT */
/*
 * Processes that come to be too slowly: a deadline or a cancel ends the call at once, whatever its thread and the half-made
 * child wait for. The child is killed before it runs its program, nobody else's memory is looked at any more, and nothing of
 * it is left when whatever it waited for goes on.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "support/files.h"
#include "support/places.h"
#include "support/process.h"

#define IO   RINGLINE_BLOCKING_IO
#define WAIT RINGLINE_BLOCKING_WAIT

/* What a cut call was given is freed at once; the sanitizers, and the case itself, tell who looks at it still. */
struct order {
	struct ringline_process_options o;
	struct ringline_process_fd fds[2];
	struct ringline_process *process;
	struct ringline_conn *out;
	char *argv[3];
	char *path;
	uint32_t stage;
};

static struct order *order_new(const char *program)
{
	struct order *d = g_new0(struct order, 1);

	d->o = proc_options();
	d->argv[0] = g_strdup(program);
	d->argv[1] = g_strdup("argument");
	d->fds[0] = (struct ringline_process_fd){ .target = 1, .kind = RINGLINE_PROCESS_PIPE_OUT, .conn = &d->out };
	d->o.fds = d->fds;
	d->o.nfds = 1;
	d->o.stage = &d->stage;
	return d;
}

static void order_free(struct order *d)
{
	g_assert_null(d->process);
	g_assert_null(d->out);
	g_free(d->argv[0]);
	g_free(d->argv[1]);
	g_free(d->path);
	memset(d, 0x5a, sizeof(*d));
	g_free(d);
}

static int spawn_task(void *arg)
{
	struct order *d = arg;

	return ringline_process_spawn(&d->process, (const char *const *)d->argv, &d->o);
}

static void no_zombie(void)
{
	siginfo_t info = { .si_pid = 0 };

	if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0)
		g_assert_cmpint(info.si_pid, ==, 0);
	else
		g_assert_cmpint(errno, ==, ECHILD);
}

static uint64_t abandoned(void)
{
	return file_jobs(IO).abandoned + file_jobs(WAIT).abandoned;
}

static uint64_t stuck(void)
{
	return file_jobs(IO).stuck + file_jobs(WAIT).stuck;
}

/* Until it *waits*, then cut: once a task that waits for the call, once an operation. *stage*: NONE: it may be any. */
static void cut_task(struct order *d, void (*waits)(void), uint32_t stage)
{
	uint64_t before = abandoned();
	struct ringline_task *t;
	int result;

	CONF_OK(ringline_task_start(&t, spawn_task, d, NULL));
	waits();
	CONF_OK(ringline_task_cancel(t));
	CONF_OK(ringline_task_join(t, &result));
	g_assert_cmpint(result, ==, -ECANCELED);
	if (stage)
		g_assert_cmpstr(ringline_process_stage_name(d->stage), ==, ringline_process_stage_name(stage));
	g_assert_cmpuint(abandoned(), ==, before + 1);
	order_free(d);
}

static void cut_op(struct order *d, void (*waits)(void))
{
	struct ringline_op *op;

	CONF_OK(ringline_process_spawn_begin(&op, &d->process, (const char *const *)d->argv, &d->o));
	waits();
	CONF_OK(ringline_op_cancel(op));
	g_assert_cmpint(ringline_op_result(op), ==, -ECANCELED);
	order_free(d);
}

/* By the deadline of a scope, which is what most will use. */
static void cut_late(struct order *d, uint64_t after)
{
	struct ringline_scope_options so = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;

	so.deadline = ringline_now() + after;
	CONF_OK(ringline_scope_open(&scope, &so));
	g_assert_cmpint(spawn_task(d), ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(scope), ==, -ETIME);
	order_free(d);
}

static void all_over(unsigned int fds)
{
	CONF_UNTIL(stuck() == 0);
	no_zombie();
	CONF_UNTIL(file_fds() == fds);
	g_assert_cmpuint(conf_stats(NULL).processes_spawned, ==, 0);
}

/* --- a server of files that does not answer ----------------------------------------------------------------------- */

static const char *stalled;

static void until_stalled(void)
{
	place_stalled(stalled);
}

static void put_script(const char *dir)
{
	char *path = file_path(dir, "program");
	char *text = g_strdup_printf("#!/bin/sh\necho >%s/ran\n", dir);

	g_assert_true(g_file_set_contents(path, text, -1, NULL));
	CONF_OK(chmod(path, 0755));
	g_free(text);
	g_free(path);
}

static void stall(const char *operation)
{
	stalled = operation;
	place_fault("stall %s", operation);
}

/*
 * What it was to do it never did. Whether the kill gets a child out of its wait for the server is the kernel's business, and so
 * is whether a thread is still stuck: it is in the end that nothing may be.
 */
static void release(const char *dir, unsigned int fds)
{
	char *ran = file_path(dir, "ran");

	place_fault("release %s", stalled);
	all_over(fds);
	g_assert_cmpint(access(ran, F_OK), ==, -1);
	g_free(ran);
}

/* A deadline before which the server was asked: on a slow machine not the first one. */
static void cut_while_stalled(const char *program)
{
	uint64_t asked = place_count(stalled);
	uint64_t after = 10 * MSEC;

	do {
		cut_late(order_new(program), after);
		after *= 2;
	} while (place_count(stalled) == asked);
}

static int exec_main(void *dir)
{
	static const char *const operations[] = { "lookup", "open", "read" };
	char *program = file_path(dir, "program");
	unsigned int fds = file_fds();
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(operations); i++) {
		stall(operations[i]);
		cut_task(order_new(program), until_stalled, RINGLINE_PROCESS_STAGE_EXEC);
		release(dir, fds);
		stall(operations[i]);
		cut_op(order_new(program), until_stalled);
		release(dir, fds);
		stall(operations[i]);
		cut_while_stalled(program);
		release(dir, fds);
	}
	g_free(program);
	return 0;
}

static void test_exec(const char *dir)
{
	put_script(dir);
	file_run(dir, exec_main);
}

static struct order *order_in(const char *dir)
{
	struct order *d = order_new("true");

	d->path = g_strdup(dir);
	d->o.cwd = d->path;
	return d;
}

static int cwd_main(void *dir)
{
	unsigned int fds = file_fds();

	stall("lookup");
	cut_task(order_in(dir), until_stalled, RINGLINE_PROCESS_STAGE_CWD);
	release(dir, fds);
	stall("lookup");
	cut_op(order_in(dir), until_stalled);
	release(dir, fds);
	return 0;
}

static void test_cwd(const char *dir)
{
	file_run(dir, cwd_main);
}

/* By the ways of old kernels, too. */
static void test_old_ways(const char *dir)
{
	static const char *const without[] = { "clone3", "pidfd" };
	size_t i;

	put_script(dir);
	for (i = 0; i < G_N_ELEMENTS(without); i++) {
		proc_disable(without[i]);
		file_run(dir, exec_main);
		proc_enable_all();
	}
}

/* --- a file that has no other end --------------------------------------------------------------------------------- */

static void until_running(void)
{
	CONF_UNTIL(file_jobs(WAIT).running == 1);
}

static struct order *order_of_fifo(const char *path)
{
	struct order *d = order_new("true");

	d->path = g_strdup(path);
	d->fds[1] = (struct ringline_process_fd){ .target = 0, .kind = RINGLINE_PROCESS_FILE, .path = d->path, .flags = O_RDONLY };
	d->o.nfds = 2;
	return d;
}

/* Lets whoever opens it go on. Was there one, who would have waited for ever? */
static bool be_the_other_end(const char *path)
{
	bool waited = false;

	while (stuck()) {
		int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

		waited |= fd >= 0;
		if (fd >= 0)
			CONF_OK(close(fd));
		conf_pause();
	}
	return waited;
}

/* A thread that runs may have been cut before it opened anything: until one was not. */
static int fifo_main(void *dir)
{
	char *path = file_path(dir, "fifo");
	unsigned int fds = file_fds();

	CONF_OK(mkfifo(path, 0600));
	do
		cut_task(order_of_fifo(path), until_running, RINGLINE_PROCESS_STAGE_NONE);
	while (!be_the_other_end(path));
	do
		cut_op(order_of_fifo(path), until_running);
	while (!be_the_other_end(path));
	all_over(fds);
	g_free(path);
	return 0;
}

static void test_fifo(const char *dir)
{
	file_run(dir, fifo_main);
}

/* --- a program that somebody holds a lease of --------------------------------------------------------------------- */

static sigset_t leases;

/* The kernel asks the holder to let go before anybody opens it. */
static void until_asked(void)
{
	const struct timespec none = { 0 };

	CONF_UNTIL(sigtimedwait(&leases, NULL, &none) == SIGIO);
}

static int lease_main(void *dir)
{
	char *program = file_path(dir, "program");
	char *ran = file_path(dir, "ran");
	unsigned int fds = file_fds();
	int fd = open(program, O_RDONLY | O_CLOEXEC);
	int i;

	for (i = 0; i < 2; i++) {
		CONF_OK(fcntl(fd, F_SETLEASE, F_WRLCK));
		if (i)
			cut_op(order_new(program), until_asked);
		else
			cut_task(order_new(program), until_asked, RINGLINE_PROCESS_STAGE_EXEC);
		CONF_UNTIL(stuck() == 0);         /* killed, it waits no longer, though nobody has let go */
		no_zombie();
		CONF_OK(fcntl(fd, F_SETLEASE, F_UNLCK));
	}
	CONF_OK(close(fd));
	all_over(fds);
	g_assert_cmpint(access(ran, F_OK), ==, -1);
	g_free(ran);
	g_free(program);
	return 0;
}

static bool may_lease(const char *dir)
{
	char *program = file_path(dir, "program");
	int fd = open(program, O_RDONLY | O_CLOEXEC);
	bool may = fcntl(fd, F_SETLEASE, F_WRLCK) == 0;

	CONF_OK(close(fd));
	g_free(program);
	return may;
}

static void test_lease(const char *dir)
{
	put_script(dir);
	sigemptyset(&leases);
	sigaddset(&leases, SIGIO);
	CONF_OK(pthread_sigmask(SIG_BLOCK, &leases, NULL));
	if (may_lease(dir))
		file_run(dir, lease_main);
	else
		g_test_skip("no leases here");
	CONF_OK(pthread_sigmask(SIG_UNBLOCK, &leases, NULL));
}

/* --- whenever it happens to be ------------------------------------------------------------------------------------ */

#define ROUNDS 300

/* Before, while and after: a process or a cut, never both, and never neither. */
static int any_time_main(void *dir)
{
	static const char *const argv[] = { "sleep", "1000", NULL };
	unsigned int fds = file_fds();
	unsigned int made = 0;
	int i;

	(void)dir;
	for (i = 0; i < ROUNDS; i++) {
		struct ringline_process *p = NULL;
		struct ringline_op *op;
		int r;

		CONF_OK(ringline_process_spawn_begin(&op, &p, argv, NULL));
		if (i % 3)
			CONF_OK(ringline_sleep((uint64_t)i % 50 * 20 * RINGLINE_NSEC_PER_USEC));
		CONF_OK(ringline_op_cancel(op));
		r = (int)ringline_op_await(op);
		g_assert_true(r == 0 || r == -ECANCELED);
		g_assert_true((r == 0) == (p != NULL));
		made += r == 0;
		if (p) {
			CONF_OK(ringline_process_kill(p, SIGKILL));
			g_assert_cmpint(proc_end(p), ==, -SIGKILL);
		}
	}
	CONF_UNTIL(stuck() == 0);                 /* what was made in the moment of the cut was killed, too */
	no_zombie();
	CONF_UNTIL(file_fds() == fds);
	g_assert_cmpuint(conf_stats(NULL).processes_spawned, ==, made);
	g_test_message("%u of %d were made, %u cut while they were", made, ROUNDS, (unsigned int)abandoned());
	return 0;
}

static void test_any_time(const char *dir)
{
	file_run(dir, any_time_main);
}

static void add(void)
{
	place_add("process-cut", "fuse", "the-program-is-not-answered-for", test_exec);
	place_add("process-cut", "fuse", "by-the-old-ways", test_old_ways);
	place_add("process-cut", "fuse", "the-working-directory-is-not-answered-for", test_cwd);
	place_add("process-cut", "here", "a-file-without-its-other-end", test_fifo);
	place_add("process-cut", "tmpfs", "a-program-that-is-leased", test_lease);
	place_add("process-cut", "here", "at-any-time", test_any_time);
}

int main(int argc, char **argv)
{
	return place_main(argc, argv, "process-cut", add);
}
