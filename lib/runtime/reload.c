/* SPDX-License-Identifier: MIT */
/*
 * Reloading: functions that run, one after the other, in a task of the first worker, when somebody has asked for it.
 *
 *     IDLE --asked--> RUNNING --through--> IDLE
 *                        | asked            ^
 *                        +--> AGAIN --through, and once more--> RUNNING
 *
 * However often it was asked for while they ran, they run once more: what has changed before the last time is seen by that.
 */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "runtime/runtime.h"

enum {
	RELOAD_IDLE,
	RELOAD_RUNNING,
	RELOAD_AGAIN,
};

int ringline_runtime_on_reload(struct ringline_runtime *rt, int (*fn)(void *arg), void *arg)
{
	return rt ? rln_on_start_add(rt, &rt->on_reload, fn, arg) : -EINVAL;
}

static void run_all(struct ringline_runtime *rt)
{
	struct rln_list *it;

	rln_list_for_each (it, &rt->on_reload) {
		const struct rln_on_start *s = rln_list_entry(it, struct rln_on_start, link);
		int r = s->fn(s->arg);

		if (r < 0)
			rln_log(RLN_LOG_WARNING, "a reload failed: error %d", -r);
	}
}

static int reload_main(void *arg)
{
	struct ringline_runtime *rt = arg;
	uint32_t running;

	do {
		atomic_store(&rt->reload, RELOAD_RUNNING);
		rln_service_reloading(rt);
		run_all(rt);
		rln_service_reloaded(rt);
		running = RELOAD_RUNNING;
	} while (!atomic_compare_exchange_strong(&rt->reload, &running, RELOAD_IDLE));
	return 0;
}

/* Is it running, and will once more? */
static bool run_again(struct ringline_runtime *rt)
{
	uint32_t state = RELOAD_RUNNING;

	return atomic_compare_exchange_strong(&rt->reload, &state, RELOAD_AGAIN) || state == RELOAD_AGAIN;
}

int ringline_runtime_reload(struct ringline_runtime *rt)
{
	uint32_t state;
	int r;

	if (!rt)
		return -EINVAL;
	if (rln_list_empty(&rt->on_reload))
		return -ENOENT;
	if (atomic_load(&rt->stop) != RLN_RUN)
		return -ESHUTDOWN;
	do {
		state = RELOAD_IDLE;
		if (atomic_compare_exchange_strong(&rt->reload, &state, RELOAD_RUNNING)) {
			r = ringline_worker_spawn(rt, 0, reload_main, rt);
			if (r < 0)
				atomic_store(&rt->reload, RELOAD_IDLE);
			return r;
		}
	} while (!run_again(rt));
	return 0;
}
