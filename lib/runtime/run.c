/* SPDX-License-Identifier: MIT */
/*
 * The two ways to run on the calling thread: as the one that waits for signals, or as the only worker.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/signals.h"
#include "core/task.h"
#include "runtime/runtime.h"

/* Waiting for signals */

struct run {
	struct rln_signal_listener listener;
	struct ringline_runtime *rt;
	enum rln_stop level;              /* that the next signal raises it to; under the lock of the exchange */
};

/* The first signal drains, the second ends the draining. */
static void hear(struct rln_signal_listener *l, const struct signalfd_siginfo *info)
{
	struct run *run = rln_container_of(l, struct run, listener);

	if (info->ssi_signo == SIGHUP) {
		ringline_runtime_reload(run->rt);         /* fails while shutting down, or without memory */
		return;
	}
	rln_runtime_stop(run->rt, run->level);
	run->level = RLN_FORCE;
}

static void choose_signals(sigset_t *set, const struct ringline_runtime *rt)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	if (!rln_list_empty(&rt->on_reload))
		sigaddset(set, SIGHUP);
}

static void wait_for_end(struct ringline_runtime *rt, int signal_fd)
{
	struct pollfd fds[2] = { { .fd = rt->done_fd, .events = POLLIN }, { .fd = signal_fd, .events = POLLIN } };

	while (!(fds[0].revents & POLLIN)) {
		if (poll(fds, 2, -1) > 0 && (fds[1].revents & POLLIN))
			rln_signals_read(signal_fd);
	}
}

static int run_with_signals(struct ringline_runtime *rt)
{
	struct run run = { .listener.hear = hear, .rt = rt, .level = RLN_DRAIN };
	sigset_t old;
	int fd;
	int r;

	choose_signals(&run.listener.set, rt);
	fd = rln_signals_open(-1, &run.listener.set);
	if (fd < 0)
		return fd;
	pthread_sigmask(SIG_BLOCK, &run.listener.set, &old);
	r = ringline_runtime_start(rt);
	if (r == 0) {
		rln_list_init(&run.listener.link);
		rln_signals_listen(&run.listener);
		wait_for_end(rt, fd);
		rln_signals_leave(&run.listener);
		r = ringline_runtime_join(rt);
	}
	close(fd);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

int ringline_runtime_run(struct ringline_runtime *rt)
{
	int r;

	if (!rt)
		return -EINVAL;
	if (rln_exec_current)
		return -EPERM;
	if (!(rt->config.flags & RINGLINE_CONFIG_NO_SIGNALS))
		return run_with_signals(rt);
	r = ringline_runtime_start(rt);
	return r < 0 ? r : ringline_runtime_join(rt);
}

/* One worker on this thread */

struct main_task {
	struct ringline_runtime *rt;
	int (*fn)(void *arg);
	void *arg;
	int result;
};

static int run_main(void *arg)
{
	struct main_task *m = arg;

	m->result = m->fn(m->arg);
	rln_runtime_stop(m->rt, RLN_DRAIN);
	return 0;
}

static int run_here(struct ringline_runtime *rt, struct main_task *m)
{
	struct rln_worker *w;
	int r = rln_runtime_prepare(rt);

	if (r < 0)
		return r;
	w = &rt->workers[0];
	w->thread = pthread_self();
	r = rln_worker_open(w);
	if (r < 0 && rln_runtime_fall_back(rt, r))
		r = rln_worker_open(w);
	if (r == 0 && (r = rln_watch_start(rt)) < 0)
		rln_worker_close(w);
	if (r < 0)
		return r;
	atomic_store(&rt->state, RLN_RUNTIME_STARTED);
	rln_service_started(rt);
	r = rln_task_start(NULL, &(struct rln_task_start){
		.fn = run_main, .arg = m, .scope = &w->exec.root, .name = "main" });
	if (r == 0)
		r = rln_worker_loop(w);
	rln_watch_stop(rt);
	rln_runtime_end_worker(w, r);
	rln_pool_stop(&rt->pool);
	atomic_store(&rt->state, RLN_RUNTIME_JOINED);
	return r;
}

int ringline_run(const struct ringline_config *config, int (*main_task)(void *arg), void *arg)
{
	struct main_task m = { .fn = main_task, .arg = arg };
	struct ringline_runtime *rt;
	int r;

	if (!main_task)
		return -EINVAL;
	if (rln_exec_current)
		return -EPERM;
	r = ringline_runtime_new(&rt, config);
	if (r < 0)
		return r;
	rt->nworkers = 1;
	m.rt = rt;
	r = run_here(rt, &m);
	ringline_runtime_free(rt);
	return r < 0 ? r : m.result;
}
