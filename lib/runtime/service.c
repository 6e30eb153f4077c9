/* SPDX-License-Identifier: MIT */
/* The runtime and the service manager; service.h tells the idea. */
#include <errno.h>

#include "base/log.h"
#include "ringline/service.h"
#include "runtime/runtime.h"
#include "runtime/service.h"

static bool speaks(const struct ringline_runtime *rt)
{
	return rt->config.flags & RINGLINE_CONFIG_SERVICE;
}

static void note(const char *what, int r)
{
	if (r < 0)
		rln_log(RLN_LOG_WARNING, "the service manager could not be told %s: error %d", what, -r);
}

void rln_service_started(struct ringline_runtime *rt)
{
	if (speaks(rt))
		note("READY", ringline_service_ready());
}

void rln_service_draining(struct ringline_runtime *rt)
{
	if (speaks(rt))
		note("STOPPING", ringline_service_stopping());
}

void rln_service_reloading(struct ringline_runtime *rt)
{
	if (speaks(rt))
		note("RELOADING", ringline_service_reloading());
}

void rln_service_reloaded(struct ringline_runtime *rt)
{
	if (speaks(rt))
		note("READY", ringline_service_ready());
}

/* The watchdog */

static void answer(struct rln_msg *m, struct rln_exec *x)
{
	struct rln_probe *p = rln_container_of(m, struct rln_probe, msg);
	struct rln_worker *w = p->worker;

	if (!x)
		return;                   /* the worker has ended: an answer is missing for good */
	atomic_store(&p->out, false);
	rln_stat_add(&w->probes, 1);
	if (atomic_fetch_sub(&w->rt->service.missing, 1) == 1)
		note("WATCHDOG", ringline_service_notify("WATCHDOG=1", NULL, 0));
}

static void ask(struct ringline_runtime *rt, uint64_t now)
{
	uint32_t i;

	rt->service.asked = now;
	rt->service.complained = false;
	atomic_store(&rt->service.missing, rt->nworkers);
	for (i = 0; i < rt->nworkers; i++) {
		struct rln_probe *p = &rt->workers[i].probe;

		atomic_store(&p->out, true);
		(void)!rln_worker_post(p->worker, &p->msg, true);      /* fails if the worker has ended */
	}
}

static void complain(struct ringline_runtime *rt, uint64_t now)
{
	uint32_t i;

	for (i = 0; i < rt->nworkers && !rt->service.complained; i++)
		if (atomic_load(&rt->workers[i].probe.out))
			rln_log(RLN_LOG_WARNING, "worker %u has not answered for %llu ms, and so the service manager's watchdog is not told",
			        i, (unsigned long long)((now - rt->service.asked) / RLN_NSEC_PER_MSEC));
	rt->service.complained = true;
}

static void tick(struct rln_timer *t)
{
	struct rln_service *s = rln_container_of(t, struct rln_service, timer);
	struct ringline_runtime *rt = rln_container_of(s, struct ringline_runtime, service);
	struct rln_exec *x = &rt->workers[0].exec;

	if (atomic_load(&rt->stop) != RLN_RUN)
		return;
	if (atomic_load(&s->missing))
		complain(rt, x->now);
	else
		ask(rt, x->now);
	/* it goes back to the heap that it has just left: there is room for it */
	(void)!rln_timer_arm(x, t, rln_time_add(x->now, s->interval / 2));
}

void rln_service_init(struct ringline_runtime *rt)
{
	rt->service.interval = speaks(rt) ? ringline_service_watchdog() : 0;
	atomic_store(&rt->service.missing, 0);
	rln_timer_init(&rt->service.timer, tick);
}

int rln_service_enter(struct rln_worker *w)
{
	struct rln_service *s = &w->rt->service;

	w->probe.worker = w;
	w->probe.msg.deliver = answer;
	atomic_store(&w->probe.out, false);
	if (!s->interval || w->index)
		return 0;
	return rln_timer_arm(&w->exec, &s->timer, rln_time_add(rln_clock_now(w->exec.clock), s->interval / 2));
}

void rln_service_leave(struct rln_worker *w)
{
	if (!w->index)
		rln_timer_cancel(&w->exec, &w->rt->service.timer);
}
