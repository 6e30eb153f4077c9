/* SPDX-License-Identifier: MIT */
/*
 * The two ways to run on the calling thread: as the one that waits for signals, or as the only worker.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "core/task.h"
#include "runtime/runtime.h"

/* Waiting for signals */

static int open_signalfd(sigset_t *old)
{
	int error = rln_fault(RLN_FAULT_SIGNALFD);
	sigset_t taken;
	int fd;

	if (error)
		return -error;
	sigemptyset(&taken);
	sigaddset(&taken, SIGTERM);
	sigaddset(&taken, SIGINT);
	fd = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	pthread_sigmask(SIG_BLOCK, &taken, old);
	return fd;
}

/* The first signal drains, the second ends the draining. */
static void wait_for_end(struct ringline_runtime *rt, int signal_fd)
{
	struct pollfd fds[2] = { { .fd = rt->done_fd, .events = POLLIN }, { .fd = signal_fd, .events = POLLIN } };
	enum rln_stop level = RLN_DRAIN;

	while (!(fds[0].revents & POLLIN)) {
		struct signalfd_siginfo info;

		if (poll(fds, 2, -1) < 0)
			continue;
		if ((fds[1].revents & POLLIN) && read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
			rln_runtime_stop(rt, level);
			level = RLN_FORCE;
		}
	}
}

static int run_with_signals(struct ringline_runtime *rt)
{
	sigset_t old;
	int fd = open_signalfd(&old);
	int r;

	if (fd < 0)
		return fd;
	r = ringline_runtime_start(rt);
	if (r == 0) {
		wait_for_end(rt, fd);
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
