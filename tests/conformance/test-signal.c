/* SPDX-License-Identifier: MIT */
/*
 * Signals as something to wait for: everybody who has subscribed hears, with all that is known, and nothing else happens.
 *
 * main() blocks what the cases send, as a daemon does.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/conformance.h"

static const int usr1[] = { SIGUSR1 };

/* --- helpers ------------------------------------------------------------------------------------------------------ */

static struct ringline_signal *subscribe(int signal)
{
	struct ringline_signal *s;

	CONF_OK(ringline_signal_new(&s, &signal, 1, NULL));
	return s;
}

static struct ringline_signal_info next_of(struct ringline_signal *s)
{
	struct ringline_signal_info info = RINGLINE_SIGNAL_INFO_INIT;

	CONF_OK(ringline_signal_read(s, &info));
	return info;
}

static void send_self(int signal)
{
	CONF_OK(kill(getpid(), signal));
}

/* Waits for room in the queue of the process. */
static void queue_self(int signal, int value)
{
	while (sigqueue(getpid(), signal, (union sigval){ .sival_int = value }) != 0) {
		g_assert_cmpint(errno, ==, EAGAIN);
		conf_pause();
	}
}

/* --- several subscribers ------------------------------------------------------------------------------------------ */

#define WORKERS 3

struct crowd {
	_Atomic int ready;
	_Atomic int heard;
};

static int listen_twice(void *arg)
{
	struct crowd *c = arg;
	struct ringline_signal *a = subscribe(SIGUSR1);
	struct ringline_signal *b = subscribe(SIGUSR1);
	struct ringline_signal_info info;

	c->ready++;
	info = next_of(a);
	g_assert_cmpint(info.signal, ==, SIGUSR1);
	g_assert_cmpint(info.code, ==, SI_USER);
	g_assert_cmpuint(info.pid, ==, getpid());
	g_assert_cmpuint(info.uid, ==, getuid());
	g_assert_cmpint(next_of(b).signal, ==, SIGUSR1);
	c->heard++;
	CONF_OK(ringline_signal_free(a));
	CONF_OK(ringline_signal_free(b));
	return 0;
}

/* Two runtimes, and all their workers. */
static void test_several(void)
{
	struct ringline_runtime *rt[2];
	struct crowd c = { .ready = 0 };
	uint32_t w;
	int i;

	for (i = 0; i < 2; i++) {
		rt[i] = conf_serve(NULL, WORKERS, NULL, NULL, NULL, NULL);
		for (w = 0; w < WORKERS; w++)
			CONF_OK(ringline_worker_spawn(rt[i], w, listen_twice, &c));
	}
	CONF_UNTIL(c.ready == 2 * WORKERS);
	send_self(SIGUSR1);
	CONF_UNTIL(c.heard == 2 * WORKERS);
	for (i = 0; i < 2; i++)
		CONF_OK(conf_stop(rt[i]));
}

/* --- what is told ------------------------------------------------------------------------------------------------- */

static int values_main(void *arg)
{
	struct ringline_signal_options o = RINGLINE_SIGNAL_OPTIONS_INIT;
	struct ringline_signal_info info = RINGLINE_SIGNAL_INFO_INIT;
	struct ringline_signal *small;
	struct ringline_signal *s = subscribe(SIGRTMIN);
	int signal = SIGRTMIN;
	int i;

	(void)arg;
	o.queue = 4;
	CONF_OK(ringline_signal_new(&small, &signal, 1, &o));
	for (i = 0; i < 10; i++)
		queue_self(SIGRTMIN, 100 + i);
	for (i = 0; i < 10; i++) {
		info = next_of(s);
		g_assert_cmpint(info.signal, ==, SIGRTMIN);
		g_assert_cmpint(info.code, ==, SI_QUEUE);
		g_assert_cmpint(info.value_int, ==, 100 + i);
		g_assert_cmpuint(info.lost, ==, 0);
	}
	for (i = 0; i < 4; i++) {
		CONF_OK(ringline_signal_read_nowait(small, &info));
		g_assert_cmpint(info.value_int, ==, 100 + i);
		g_assert_cmpuint(info.lost, ==, i ? 0 : 6);
	}
	g_assert_cmpint(ringline_signal_read_nowait(small, &info), ==, -EAGAIN);
	g_assert_cmpuint(conf_stats(NULL).signals, ==, 14);
	g_assert_cmpuint(conf_stats(NULL).signals_lost, ==, 6);
	CONF_OK(ringline_signal_free(small));
	CONF_OK(ringline_signal_free(s));
	return 0;
}

static void test_values(void)
{
	CONF_OK(conf_run(values_main, NULL));
}

/* A queue full of one signal has room for another; the same one is there once. */
static int once_main(void *arg)
{
	static const int three[] = { SIGUSR1, SIGUSR2, 0 };
	struct ringline_signal_options o = RINGLINE_SIGNAL_OPTIONS_INIT;
	struct ringline_signal_info info = RINGLINE_SIGNAL_INFO_INIT;
	int signals[] = { three[0], three[1], SIGRTMIN + 1 };
	struct ringline_signal *witness = subscribe(SIGUSR1);
	struct ringline_signal *s;
	int i;

	(void)arg;
	o.queue = 1;
	CONF_OK(ringline_signal_new(&s, signals, 3, &o));
	for (i = 0; i < 5; i++) {
		send_self(SIGUSR1);
		queue_self(SIGRTMIN + 1, i);
		g_assert_cmpint(next_of(witness).signal, ==, SIGUSR1);
	}
	send_self(SIGUSR2);
	CONF_UNTIL(ringline_signal_read_nowait(witness, &info) == -EAGAIN);
	for (i = 0; i < 3; i++) {
		info = next_of(s);
		g_assert_true(info.signal == SIGUSR1 || info.signal == SIGUSR2 || info.value_int == 0);
	}
	g_assert_cmpint(ringline_signal_read_nowait(s, &info), ==, -EAGAIN);
	CONF_OK(ringline_signal_free(s));
	CONF_OK(ringline_signal_free(witness));
	return 0;
}

static void test_once(void)
{
	CONF_OK(conf_run(once_main, NULL));
}

/* --- ways to wait ------------------------------------------------------------------------------------------------- */

static int ways_main(void *arg)
{
	struct ringline_signal_info info = RINGLINE_SIGNAL_INFO_INIT;
	struct ringline_signal *a = subscribe(SIGUSR1);
	struct ringline_signal *b = subscribe(SIGUSR2);
	struct ringline_case cases[] = { { .kind = RINGLINE_CASE_SIGNAL, .object = a },
	                                 { .kind = RINGLINE_CASE_SIGNAL, .object = b } };
	struct ringline_op *op;

	(void)arg;
	g_assert_cmpint(ringline_select(cases, 2, sizeof(*cases), RINGLINE_SELECT_NOWAIT), ==, -EAGAIN);
	CONF_OK(ringline_select_begin(&op, cases, 2, sizeof(*cases), 0));
	send_self(SIGUSR2);
	g_assert_cmpint(ringline_op_await(op), ==, 1);
	g_assert_cmpint(cases[1].result, ==, 1);
	g_assert_cmpint(ringline_select(cases, 2, sizeof(*cases), 0), ==, 1);
	CONF_OK(ringline_signal_read_nowait(b, &info));
	g_assert_cmpint(info.signal, ==, SIGUSR2);
	g_assert_cmpint(ringline_select(cases, 2, sizeof(*cases), RINGLINE_SELECT_NOWAIT), ==, -EAGAIN);

	CONF_OK(ringline_signal_read_begin(&op, a, &info));
	g_assert_cmpint(ringline_op_result(op), ==, -EINPROGRESS);
	send_self(SIGUSR1);
	CONF_OK(ringline_op_await(op));
	g_assert_cmpint(info.signal, ==, SIGUSR1);
	CONF_OK(ringline_signal_read_begin(&op, a, &info));
	CONF_OK(ringline_op_cancel(op));
	g_assert_cmpint(ringline_op_await(op), ==, -ECANCELED);
	CONF_OK(ringline_signal_read_begin(&op, a, &info));
	CONF_OK(ringline_yield());
	CONF_OK(ringline_signal_free(a));
	g_assert_cmpint(ringline_op_await(op), ==, -EBADF);
	g_assert_cmpint(ringline_select(cases, 2, sizeof(*cases), 0), ==, 0);
	g_assert_cmpint(cases[0].result, ==, -EBADF);
	g_assert_cmpint(ringline_signal_read_nowait(a, &info), ==, -EBADF);
	g_assert_cmpint(ringline_signal_free(a), ==, -EBADF);
	CONF_OK(ringline_signal_free(b));
	return 0;
}

static void test_ways(void)
{
	CONF_OK(conf_run(ways_main, NULL));
}

static int cut_main(void *arg)
{
	struct ringline_signal_info info = RINGLINE_SIGNAL_INFO_INIT;
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_signal *s = subscribe(SIGUSR1);
	struct ringline_scope *scope;

	(void)arg;
	o.deadline = ringline_now() + MSEC;
	CONF_OK(ringline_scope_open(&scope, &o));
	g_assert_cmpint(ringline_signal_read(s, &info), ==, -ETIME);
	send_self(SIGUSR1);
	g_assert_cmpint(ringline_signal_read(s, &info), ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(scope), ==, -ETIME);
	g_assert_cmpint(next_of(s).signal, ==, SIGUSR1);                /* was not lost */
	return ringline_signal_free(s);
}

static void test_cut(void)
{
	CONF_OK(conf_run(cut_main, NULL));
}

/* --- many --------------------------------------------------------------------------------------------------------- */

#define MANY 2000

static int hear_many(void *arg)
{
	struct ringline_signal_options o = RINGLINE_SIGNAL_OPTIONS_INIT;
	struct crowd *c = arg;
	struct ringline_signal *s;
	int signal = SIGRTMIN;
	int sum = 0;
	int i;

	o.queue = MANY;
	CONF_OK(ringline_signal_new(&s, &signal, 1, &o));
	c->ready++;
	for (i = 0; i < MANY; i++)
		sum += next_of(s).value_int;
	g_assert_cmpint(sum, ==, MANY / 2 * (MANY - 1));
	c->heard++;
	return ringline_signal_free(s);
}

/* Each is read by one worker and told to all. */
static void test_many(void)
{
	struct ringline_runtime *rt = conf_serve(NULL, WORKERS, NULL, NULL, NULL, NULL);
	struct crowd c = { .ready = 0 };
	uint32_t w;
	int i;

	for (w = 0; w < WORKERS; w++)
		CONF_OK(ringline_worker_spawn(rt, w, hear_many, &c));
	CONF_UNTIL(c.ready == WORKERS);
	for (i = 0; i < MANY; i++)
		queue_self(SIGRTMIN, i);
	CONF_UNTIL(c.heard == WORKERS);
	CONF_OK(conf_stop(rt));
}

static int leave_main(void *arg)
{
	(void)arg;
	(void)subscribe(SIGUSR1);
	return 0;
}

/* The worker ends all the same, and nothing is left. */
static void test_left_behind(void)
{
	struct ringline_runtime *rt = conf_serve(NULL, 1, NULL, NULL, NULL, NULL);

	CONF_OK(conf_call(rt, 0, leave_main, NULL));
	CONF_OK(conf_stop(rt));
	g_assert_true(conf_log_seen("subscriptions to signals were never freed"));
	send_self(SIGUSR1);
	g_assert_cmpint(sigwaitinfo(&(sigset_t){ { 1u << (SIGUSR1 - 1) } }, NULL), ==, SIGUSR1);
}

/* --- who may ------------------------------------------------------------------------------------------------------ */

static int refused_main(void *arg)
{
	static const int impossible[] = { SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS, 0, -1, 32, 99 };
	static const int winch[] = { SIGWINCH };
	struct ringline_signal_options o = RINGLINE_SIGNAL_OPTIONS_INIT;
	struct ringline_signal_info none = { .size = 0 };
	struct ringline_signal *s;
	struct ringline_op *op;
	size_t i;

	(void)arg;
	for (i = 0; i < G_N_ELEMENTS(impossible); i++) {
		g_assert_cmpint(ringline_signal_new(&s, &impossible[i], 1, NULL), ==, -EINVAL);
		g_assert_cmpint(ringline_signal_block(&impossible[i], 1), ==, -EINVAL);
	}
	g_assert_cmpint(ringline_signal_new(&s, winch, 1, NULL), ==, -EINVAL);
	g_assert_true(conf_log_seen("is not blocked in this thread"));
	g_assert_cmpint(ringline_signal_new(&s, usr1, 0, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_signal_new(&s, NULL, 1, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_signal_new(NULL, usr1, 1, NULL), ==, -EINVAL);
	o.queue = 65537;
	g_assert_cmpint(ringline_signal_new(&s, usr1, 1, &o), ==, -EINVAL);
	s = subscribe(SIGUSR1);
	g_assert_cmpint(ringline_signal_read(s, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_signal_read_nowait(s, &none), ==, -EINVAL);
	g_assert_cmpint(ringline_signal_read_begin(&op, s, &none), ==, -EINVAL);
	g_assert_cmpint(ringline_signal_read(NULL, &none), ==, -EINVAL);
	CONF_OK(ringline_signal_free(NULL));
	return ringline_signal_free(s);
}

static void test_refused(void)
{
	struct ringline_signal *s;

	CONF_OK(conf_run(refused_main, NULL));
	conf_log_allow("ringline_signal_new");
	g_assert_cmpint(ringline_signal_new(&s, usr1, 1, NULL), ==, -EPERM);
}

static uint64_t mask_of(const char *task)
{
	g_autofree char *path = g_strdup_printf("/proc/self/task/%s/status", task);
	g_autofree char *text = NULL;
	const char *at;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	at = strstr(text, "SigBlk:");
	g_assert_nonnull(at);
	return g_strstr_len(text, -1, "Name:\tringline-") ? strtoull(at + strlen("SigBlk:"), NULL, 16) : UINT64_MAX;
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int use_pool(void *arg)
{
	return ringline_blocking(nothing, arg, NULL);
}

/* Whatever the host blocks, signals are no business of the library's threads: workers, the pool's, and the watchdog's. */
static void test_masks(void)
{
	static const int some[] = { SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGCHLD, SIGWINCH, SIGALRM, SIGQUIT };
	struct ringline_runtime *rt;
	struct ringline_config c;
	const char *task;
	GDir *dir;
	size_t i;

	conf_config(&c);
	c.stall_limit = 100 * SEC;
	rt = conf_serve(&c, 2, NULL, NULL, NULL, NULL);
	CONF_OK(conf_call(rt, 0, use_pool, NULL));
	dir = g_dir_open("/proc/self/task", 0, NULL);
	while ((task = g_dir_read_name(dir)))
		for (i = 0; i < G_N_ELEMENTS(some); i++)
			g_assert_true(mask_of(task) & (UINT64_C(1) << (some[i] - 1)));
	g_dir_close(dir);
	CONF_OK(conf_stop(rt));
}

/* --- ringline_runtime_run() --------------------------------------------------------------------------------------- */

struct daemon {
	struct ringline_runtime *rt;
	_Atomic int reloads;
	_Atomic bool held;                        /* a reload waits */
	_Atomic bool ready;
	_Atomic int heard;
	pthread_t thread;
};

static int reload(void *arg)
{
	struct daemon *d = arg;

	g_assert_cmpint(ringline_worker_index(), ==, 0);
	d->reloads++;
	while (d->held)
		CONF_OK(ringline_sleep(MSEC));
	return -EIO;                              /* is logged */
}

static int hear_the_end(void *arg)
{
	static const int both[] = { SIGTERM, SIGHUP };
	struct ringline_signal_info info = RINGLINE_SIGNAL_INFO_INIT;
	struct daemon *d = arg;
	struct ringline_signal *s;

	CONF_OK(ringline_signal_new(&s, both, 2, NULL));
	d->ready = true;
	while (ringline_signal_read(s, &info) == 0)
		d->heard += info.signal == SIGHUP ? 1 : 100;
	while (ringline_signal_read_nowait(s, &info) == 0)        /* the drain may have come first */
		d->heard += info.signal == SIGHUP ? 1 : 100;
	return ringline_signal_free(s);
}

static void *run_daemon(void *arg)
{
	struct daemon *d = arg;

	CONF_OK(ringline_runtime_run(d->rt));
	return NULL;
}

static void test_reload(void)
{
	struct daemon d = { .held = true };
	struct ringline_config c;

	conf_config(&c);
	c.workers = 2;
	CONF_OK(ringline_runtime_new(&d.rt, &c));
	g_assert_cmpint(ringline_runtime_reload(d.rt), ==, -ENOENT);
	g_assert_cmpint(ringline_runtime_reload(NULL), ==, -EINVAL);
	CONF_OK(ringline_runtime_on_reload(d.rt, reload, &d));
	g_assert_cmpint(ringline_runtime_on_reload(d.rt, NULL, &d), ==, -EINVAL);
	g_assert_cmpint(ringline_runtime_reload(d.rt), ==, -ESHUTDOWN);
	CONF_OK(ringline_runtime_on_start(d.rt, hear_the_end, &d));
	CONF_OK(pthread_create(&d.thread, NULL, run_daemon, &d));
	CONF_UNTIL(d.ready);
	send_self(SIGHUP);
	CONF_UNTIL(d.reloads == 1 && d.heard >= 1);
	g_assert_cmpint(ringline_runtime_on_reload(d.rt, reload, &d), ==, -EBUSY);
	CONF_OK(ringline_runtime_reload(d.rt));               /* three of them, and one run more */
	CONF_OK(ringline_runtime_reload(d.rt));
	CONF_OK(ringline_runtime_reload(d.rt));
	d.held = false;
	CONF_UNTIL(d.reloads == 2);
	CONF_UNTIL(conf_log_seen("a reload failed"));
	send_self(SIGTERM);
	CONF_OK(pthread_join(d.thread, NULL));
	g_assert_cmpint(d.reloads, ==, 2);
	g_assert_cmpint(d.heard, >=, 100);                    /* subscriptions hear of what ends the run */
	g_assert_cmpint(ringline_runtime_reload(d.rt), ==, -ESHUTDOWN);
	conf_finish(d.rt);
}

static void add(void)
{
	conf_add("/signal/everybody-hears", test_several);
	conf_add("/signal/values-and-what-is-lost", test_values);
	conf_add("/signal/standard-ones-are-queued-once", test_once);
	conf_add("/signal/ways-to-wait", test_ways);
	conf_add("/signal/cut-loses-nothing", test_cut);
	conf_add("/signal/two-thousand-told-to-three", test_many);
	conf_add("/signal/left-behind", test_left_behind);
	conf_add("/signal/refused", test_refused);
	conf_add("/signal/threads-have-them-blocked", test_masks);
	conf_add("/signal/reload-and-drain", test_reload);
}

int main(int argc, char **argv)
{
	const int signals[] = { SIGHUP, SIGTERM, SIGUSR1, SIGUSR2, SIGRTMIN, SIGRTMIN + 1 };

	CONF_OK(ringline_signal_block(signals, G_N_ELEMENTS(signals)));
	return conf_main(argc, argv, "signal", add);
}
