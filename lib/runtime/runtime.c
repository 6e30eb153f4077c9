/* SPDX-License-Identifier: MIT */
/*
 * Making, starting, stopping and freeing a runtime.
 *
 * The start is a meeting of all workers: each opens its backend and its tables on its own thread and reports; when all
 * have succeeded the sockets begin to listen and the word is "go", otherwise it is "give up" and every worker undoes what
 * it did. So a runtime that failed to start can be started again, and no client ever reaches a worker that is not there.
 *
 * Threads start with all signals blocked but for faults: signals are the host's, or come through a signalfd.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/registry.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/sigpipe.h"
#include "base/mem.h"
#include "core/task.h"
#include "core/waker.h"
#include "ringline/common.h"
#include "ringline/scope.h"
#include "runtime/runtime.h"

/* Every runtime of the process, for debuggers (gdb/ringline_gdb.py). */
struct rln_runtimes {
	struct rln_lock lock;
	struct rln_list list;
};

struct rln_runtimes rln_runtimes = { RLN_LOCK_INIT, { &rln_runtimes.list, &rln_runtimes.list } };

static void enter_list(struct ringline_runtime *rt)
{
	rln_list_init(&rt->all);
	rln_lock(&rln_runtimes.lock);
	rln_list_add_tail(&rln_runtimes.list, &rt->all);
	rln_unlock(&rln_runtimes.lock);
}

static void leave_list(struct ringline_runtime *rt)
{
	rln_lock(&rln_runtimes.lock);
	rln_list_del(&rt->all);
	rln_unlock(&rln_runtimes.lock);
}

int ringline_runtime_new(struct ringline_runtime **ret, const struct ringline_config *config)
{
	struct ringline_runtime *rt;
	int r;

	if (!ret)
		return -EINVAL;
	rt = rln_mem_zalloc(sizeof(*rt));
	if (!rt)
		return -ENOMEM;
	r = rln_config_read(&rt->config, config);
	if (r == 0)
		r = rln_pool_init(&rt->pool, &rt->config.pool);
	if (r < 0) {
		rln_mem_free(rt);
		return r;
	}
	rt->config.exec.pool = &rt->pool;
	rln_list_init(&rt->listens);
	rln_list_init(&rt->on_start);
	rln_list_init(&rt->on_reload);
	rln_topology_read(&rt->topology);
	rt->nworkers = rt->config.workers ? rt->config.workers : rln_topology_workers(&rt->topology);
	rt->done_fd = -1;
	atomic_init(&rt->refs, 1);
	rln_lock_init(&rt->watch.looking);
	enter_list(rt);
	pthread_mutex_init(&rt->lock, NULL);
	pthread_cond_init(&rt->changed, NULL);
	*ret = rt;
	return 0;
}

static void free_on_start(struct rln_list *list)
{
	struct rln_list *node;

	while ((node = rln_list_pop(list)))
		rln_mem_free(rln_list_entry(node, struct rln_on_start, link));
}

/* Memory for the workers that a child of fork() does not see. */
static int alloc_region(struct ringline_runtime *rt)
{
	size_t size = sizeof(struct rln_region) + rt->nworkers * sizeof(struct rln_worker);
	struct rln_region *region = rln_fault(RLN_FAULT_MMAP) ? MAP_FAILED :
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (region == MAP_FAILED)
		return -ENOMEM;
	(void)madvise(region, size, MADV_WIPEONFORK);   /* kernels before 4.14: the child must know better */
	region->size = size;
	region->alive = true;
	rt->region = region;
	rt->workers = region->worker;
	return 0;
}

static void free_region(struct ringline_runtime *rt)
{
	if (rt->region)
		munmap(rt->region, rt->region->size);
	rt->region = NULL;
	rt->workers = NULL;
}

static void close_done_fd(struct ringline_runtime *rt)
{
	if (rt->done_fd >= 0)
		close(rt->done_fd);
	rt->done_fd = -1;
}

int ringline_runtime_free(struct ringline_runtime *rt)
{
	uint32_t state;

	if (!rt)
		return 0;
	if (rln_runtime_forked(rt))
		return -ECHILD;
	state = atomic_load(&rt->state);
	if (state == RLN_RUNTIME_FREED)
		return -EBADF;
	if (state == RLN_RUNTIME_STARTING || state == RLN_RUNTIME_STARTED || atomic_load(&rt->broken))
		return -EBUSY;
	if (rln_pool_fini(&rt->pool) < 0)
		return -EBUSY;
	rln_listens_free(rt);
	free_on_start(&rt->on_start);
	free_on_start(&rt->on_reload);
	close_done_fd(rt);
	leave_list(rt);
	atomic_store(&rt->state, RLN_RUNTIME_FREED);
	ringline_runtime_unref(rt);
	return 0;
}

struct ringline_runtime *ringline_runtime_ref(struct ringline_runtime *rt)
{
	if (rt)
		atomic_fetch_add_explicit(&rt->refs, 1, memory_order_relaxed);
	return rt;
}

/* The workers' memory goes with the last handle: who has one may be looking whether they still take messages. */
void ringline_runtime_unref(struct ringline_runtime *rt)
{
	if (!rt || atomic_fetch_sub_explicit(&rt->refs, 1, memory_order_acq_rel) != 1)
		return;
	free_region(rt);
	pthread_cond_destroy(&rt->changed);
	pthread_mutex_destroy(&rt->lock);
	rln_mem_free(rt);
}

int rln_on_start_add(struct ringline_runtime *rt, struct rln_list *list, int (*fn)(void *arg), void *arg)
{
	struct rln_on_start *s;

	if (!fn)
		return -EINVAL;
	if (atomic_load(&rt->state) != RLN_RUNTIME_NEW)
		return -EBUSY;
	s = rln_mem_alloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->fn = fn;
	s->arg = arg;
	rln_list_init(&s->link);
	rln_list_add_tail(list, &s->link);
	return 0;
}

int ringline_runtime_on_start(struct ringline_runtime *rt, int (*fn)(void *arg), void *arg)
{
	return rt ? rln_on_start_add(rt, &rt->on_start, fn, arg) : -EINVAL;
}

/* Choosing the backend */

static int choose_backend(struct ringline_runtime *rt)
{
	uint32_t disabled;
	int wanted;
	int r;

	r = rln_registry_disabled(&disabled);
	if (r < 0)
		return r;
	rt->config.exec.disabled = disabled;
	rt->config.io_backend.disabled = disabled;
	rt->config.io.disabled = disabled;
	rt->config.io.try_inline = !(disabled & RLN_FEATURE_INLINE);
	r = rln_registry_wanted((int)rt->config.backend, &wanted);
	if (r < 0)
		return r;
	rt->may_fall_back = wanted == RLN_WANT_AUTO;
	return rln_registry_choose(&rt->backend, wanted, &rt->config.io_backend, rt->reason, sizeof(rt->reason));
}

/*
 * A probe is one small ring; that all workers get theirs is known when they have them (memory for rings is bounded per
 * user). All workers run on the same engine, so one that cannot open it sends all of them to epoll.
 */
bool rln_runtime_fall_back(struct ringline_runtime *rt, int error)
{
	char scratch[64];   /* an explicit choice of epoll explains nothing */

	if (!rt->may_fall_back || rt->backend->engine != RLN_ENGINE_IO_URING)
		return false;
	if (error != -ENOMEM && error != -EPERM && error != -ENOSYS && error != -EACCES)
		return false;
	rt->may_fall_back = false;
	snprintf(rt->reason, sizeof(rt->reason),
	         "epoll instead of io_uring: a worker could not open its ring: error %d (RLIMIT_MEMLOCK?)", -error);
	rln_log(RLN_LOG_WARNING, "%s", rt->reason);
	return rln_registry_choose(&rt->backend, RLN_WANT_EPOLL, &rt->config.io_backend, scratch, sizeof(scratch)) == 0;
}

int rln_runtime_prepare(struct ringline_runtime *rt)
{
	uint32_t i;
	int r = choose_backend(rt);

	if (r < 0)
		return r;
	r = alloc_region(rt);
	if (r < 0)
		return r;
	for (i = 0; i < rt->nworkers; i++) {
		rt->workers[i].rt = rt;
		rt->workers[i].index = i;
		rt->workers[i].cpu = rt->topology.ncpus ? rt->topology.cpu[i % rt->topology.ncpus] : -1;
		atomic_store(&rt->workers[i].exec.closed, true);
	}
	rln_watch_init(rt);
	rln_service_init(rt);
	rt->done_fd = rln_fault(RLN_FAULT_EVENTFD) ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (rt->done_fd < 0) {
		rln_runtime_unprepare(rt);
		return -EMFILE;
	}
	return 0;
}

void rln_runtime_unprepare(struct ringline_runtime *rt)
{
	close_done_fd(rt);
	free_region(rt);
}

/* Stopping */

void rln_runtime_stop(struct ringline_runtime *rt, enum rln_stop level)
{
	uint32_t now = atomic_load(&rt->stop);
	uint32_t i;

	while (now < level && !atomic_compare_exchange_weak(&rt->stop, &now, level))
		;
	if (atomic_load(&rt->state) != RLN_RUNTIME_STARTED)
		return;           /* a start under way finds the level by itself */
	for (i = 0; i < rt->nworkers; i++) {
		struct rln_worker *w = &rt->workers[i];

		if (rln_exec_enter(&w->exec)) {
			w->exec.backend->ops->wake(w->exec.backend);
			rln_exec_leave(&w->exec);
		}
	}
}

int ringline_runtime_shutdown(struct ringline_runtime *rt)
{
	if (!rt)
		return -EINVAL;
	if (rln_runtime_forked(rt))
		return -ECHILD;
	rln_runtime_stop(rt, RLN_DRAIN);
	return 0;
}

void rln_runtime_fail(struct ringline_runtime *rt, int error)
{
	int none = 0;

	atomic_compare_exchange_strong(&rt->result, &none, error);
}

/* The worker threads */

/* Reports that this worker is ready, or why not, and waits for the word. */
static bool meet(struct ringline_runtime *rt, int result)
{
	bool go;

	pthread_mutex_lock(&rt->lock);
	rt->reported++;
	if (result < 0 && !rt->start_error)
		rt->start_error = result;
	pthread_cond_broadcast(&rt->changed);
	while (!rt->go)
		pthread_cond_wait(&rt->changed, &rt->lock);
	go = rt->go > 0;
	pthread_mutex_unlock(&rt->lock);
	return go;
}

static void pin(const struct rln_worker *w)
{
	cpu_set_t one;
	int r;

	if (w->cpu < 0 || (w->rt->config.flags & RINGLINE_CONFIG_NO_PINNING))
		return;
	CPU_ZERO(&one);
	CPU_SET((unsigned int)w->cpu, &one);
	r = pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
	if (r)
		rln_log(RLN_LOG_WARNING, "worker %u: cannot be pinned to processor %d: error %d", w->index, w->cpu, r);
}

static void name_thread(const struct rln_worker *w)
{
	char name[16];

	snprintf(name, sizeof(name), "ringline-%u", w->index);
	pthread_setname_np(pthread_self(), name);
}

/* Returns the error of a backend that broke; what could still be ended in order has been. */
static int run_worker(struct rln_worker *w)
{
	struct ringline_runtime *rt = w->rt;
	int r;

	rln_io_start_accepting(&w->io);
	r = rln_on_start_run(rt, w);
	if (r < 0) {
		rln_runtime_fail(rt, r);
		rln_runtime_stop(rt, RLN_FORCE);
	}
	r = rln_worker_loop(w);
	if (r < 0) {
		rln_log(RLN_LOG_ERROR, "worker %u: its %s broke: error %d", w->index, rt->backend->name, -r);
		rln_runtime_fail(rt, r);
		rln_runtime_stop(rt, RLN_FORCE);
	}
	return r;
}

/* A worker whose backend broke with operations in flight is left as it is: the kernel may still use its memory. */
void rln_runtime_end_worker(struct rln_worker *w, int result)
{
	if (result < 0 && !rln_exec_idle(&w->exec)) {
		atomic_store(&w->rt->broken, true);
		rln_worker_abandon(w);
	} else {
		rln_worker_close(w);
	}
}

/* The last worker tells ringline_runtime_run(), which may be waiting for signals. */
static void worker_gone(struct ringline_runtime *rt)
{
	static const uint64_t one = 1;

	if (atomic_fetch_sub(&rt->running, 1) == 1 && write(rt->done_fd, &one, sizeof(one)) < 0)
		rln_log(RLN_LOG_ERROR, "cannot report the end of the last worker");
}

static void *worker_main(void *arg)
{
	struct rln_worker *w = arg;
	struct ringline_runtime *rt = w->rt;
	int r;

	rln_sigpipe_blocked();
	name_thread(w);
	pin(w);
	rln_watch_enter(w);
	r = rln_worker_open(w);
	if (r == 0 && (r = rln_listens_attach(rt, w)) < 0)
		rln_worker_close(w);
	if (!meet(rt, r)) {
		if (r == 0)
			rln_worker_close(w);
		rln_watch_leave(w);
		return NULL;
	}
	rln_runtime_end_worker(w, run_worker(w));
	rln_watch_leave(w);
	worker_gone(rt);
	return NULL;
}

/* The start */

/* But for those that a thread raises by what it does: a host's handler for crashes is for workers, too. */
static void fill_but_faults(sigset_t *set)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS };
	size_t i;

	sigfillset(set);
	for (i = 0; i < rln_array_size(faults); i++)
		sigdelset(set, faults[i]);
}

static int start_threads(struct ringline_runtime *rt)
{
	sigset_t all;
	sigset_t old;
	int r = 0;

	fill_but_faults(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (rt->nthreads = 0; rt->nthreads < rt->nworkers && r == 0; rt->nthreads += r == 0) {
		struct rln_worker *w = &rt->workers[rt->nthreads];

		r = rln_fault(RLN_FAULT_THREAD);
		if (!r)
			r = pthread_create(&w->thread, NULL, worker_main, w);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

static int wait_for_reports(struct ringline_runtime *rt)
{
	int r;

	pthread_mutex_lock(&rt->lock);
	while (rt->reported < rt->nthreads)
		pthread_cond_wait(&rt->changed, &rt->lock);
	r = rt->start_error;
	pthread_mutex_unlock(&rt->lock);
	return r;
}

static void give_word(struct ringline_runtime *rt, int word)
{
	pthread_mutex_lock(&rt->lock);
	rt->go = word;
	pthread_cond_broadcast(&rt->changed);
	pthread_mutex_unlock(&rt->lock);
}

static void join_threads(struct ringline_runtime *rt)
{
	while (rt->nthreads)
		pthread_join(rt->workers[--rt->nthreads].thread, NULL);
}

/* All workers ready and all sockets live, or nothing. */
static int start_workers(struct ringline_runtime *rt)
{
	int reported;
	int r;

	rt->reported = 0;
	rt->start_error = 0;
	rt->go = 0;
	r = start_threads(rt);
	reported = wait_for_reports(rt);
	if (r == 0)
		r = reported;
	if (r == 0)
		r = rln_watch_start(rt);
	if (r == 0)
		r = rln_listens_go_live(rt);
	if (r == 0) {
		atomic_store(&rt->running, rt->nworkers);
		atomic_store(&rt->state, RLN_RUNTIME_STARTED);
		give_word(rt, 1);
		rln_service_started(rt);
		return 0;
	}
	give_word(rt, -1);
	join_threads(rt);
	rln_watch_stop(rt);
	return r;
}

static int start(struct ringline_runtime *rt)
{
	int r = rln_runtime_prepare(rt);

	if (r < 0)
		return r;
	r = start_workers(rt);
	if (r < 0 && rln_runtime_fall_back(rt, r))
		r = start_workers(rt);
	if (r < 0)
		rln_runtime_unprepare(rt);
	return r;
}

int ringline_runtime_start(struct ringline_runtime *rt)
{
	uint32_t expected = RLN_RUNTIME_NEW;
	int r;

	if (!rt)
		return -EINVAL;
	if (!atomic_compare_exchange_strong(&rt->state, &expected, RLN_RUNTIME_STARTING))
		return -EBUSY;
	r = start(rt);
	if (r < 0)
		atomic_store(&rt->state, RLN_RUNTIME_NEW);
	return r;
}

int ringline_runtime_join(struct ringline_runtime *rt)
{
	if (!rt)
		return -EINVAL;
	if (rln_runtime_forked(rt))
		return -ECHILD;
	if (rln_exec_current)
		return -EPERM;
	if (atomic_load(&rt->state) == RLN_RUNTIME_JOINED)
		return atomic_load(&rt->result);
	if (atomic_load(&rt->state) != RLN_RUNTIME_STARTED)
		return -ENOTCONN;
	join_threads(rt);
	rln_watch_stop(rt);
	rln_pool_stop(&rt->pool);
	rln_listens_free(rt);
	atomic_store(&rt->state, RLN_RUNTIME_JOINED);
	return atomic_load(&rt->result);
}

/* What is asked about a runtime */

uint32_t ringline_runtime_workers(const struct ringline_runtime *rt)
{
	return rt ? rt->nworkers : 0;
}

static bool chosen(const struct ringline_runtime *rt)
{
	return rt && atomic_load((_Atomic uint32_t *)&rt->state) >= RLN_RUNTIME_STARTED;
}

const char *ringline_runtime_backend(const struct ringline_runtime *rt)
{
	return chosen(rt) ? rt->backend->name : NULL;
}

const char *ringline_runtime_backend_reason(const struct ringline_runtime *rt)
{
	return chosen(rt) ? rt->reason : "";
}

int ringline_worker_index(void)
{
	const struct rln_exec *x = rln_exec_current;

	return x && x->alive ? (int)x->worker->index : rln_not_here();
}

struct ringline_runtime *ringline_runtime_current(void)
{
	const struct rln_exec *x = rln_exec_current;

	return x && x->alive ? x->worker->rt : NULL;
}
