/* SPDX-License-Identifier: MIT */
/* One worker in a loop of poll(2): it sleeps when the worker does, wakes when that has something to do, and ends in order. */
#include <poll.h>
#include <stdatomic.h>

#include "support/conformance.h"

static struct ringline_runtime *embed(void)
{
	struct ringline_runtime *rt;
	struct ringline_config c;

	conf_config(&c);
	c.workers = 1;
	CONF_OK(ringline_runtime_new(&rt, &c));
	CONF_OK(ringline_runtime_embed(rt));
	return rt;
}

/* One step of the host's loop. How often it has polled is counted. */
static int step(struct ringline_runtime *rt, unsigned int *polls)
{
	struct pollfd p = { .fd = ringline_runtime_fd(rt), .events = POLLIN };
	uint64_t due = ringline_runtime_next_deadline(rt);
	uint64_t now = ringline_now();
	int timeout = due == RINGLINE_NEVER ? -1 : due <= now ? 0 : (int)((due - now + MSEC - 1) / MSEC);

	g_assert_cmpint(p.fd, >=, 0);
	g_assert_cmpint(poll(&p, 1, timeout), >=, 0);
	++*polls;
	return ringline_runtime_dispatch(rt);
}

/* Goes on until it has ended, then frees it. */
static void finish(struct ringline_runtime *rt)
{
	unsigned int polls = 0;
	int r;

	CONF_OK(ringline_runtime_shutdown(rt));
	while ((r = step(rt, &polls)) > 0)
		;
	CONF_OK(r);
	g_assert_cmpint(ringline_runtime_dispatch(rt), ==, -ENOTCONN);
	g_assert_cmpint(ringline_runtime_fd(rt), ==, -ENOTCONN);
	conf_finish(rt);
}

struct visitor {
	struct ringline_runtime *rt;
	_Atomic int runs;
	int wanted;
};

static int sleeps_some(void *arg)
{
	struct visitor *v = arg;
	int i;

	for (i = 0; i < 10; i++)
		CONF_OK(ringline_sleep(3 * MSEC));
	v->runs++;
	return 0;
}

static void test_timers(void)
{
	struct visitor v = { .rt = embed() };
	unsigned int polls = 0;

	CONF_OK(ringline_worker_spawn(v.rt, 0, sleeps_some, &v));
	while (!v.runs)
		g_assert_cmpint(step(v.rt, &polls), ==, 1);
	g_assert_cmpuint(polls, <, 100);      /* it waits, it does not spin */
	finish(v.rt);
}

struct client {
	char address[RINGLINE_ADDRESS_SIZE];
	_Atomic int done;
};

static void *chats(void *arg)
{
	struct client *c = arg;
	int fd = conf_connect_raw(c->address);
	char buf[1000];
	int i;

	for (i = 0; i < 200; i++) {
		conf_fill(buf, sizeof(buf), 7, (uint64_t)i * sizeof(buf));
		conf_put(fd, buf, sizeof(buf));
		conf_take(fd, buf, sizeof(buf));
		conf_check(buf, sizeof(buf), 7, (uint64_t)i * sizeof(buf));
	}
	c->done = 1;                  /* before the end of the connection, which the host's loop sees */
	close(fd);
	return NULL;
}

/* It serves, it is idle in between, and an idle one is not dispatched. */
static void test_serves(void)
{
	struct client c = { .done = 0 };
	struct ringline_runtime *rt;
	struct ringline_config config;
	unsigned int polls = 0;
	struct pollfd p;
	pthread_t thread;

	conf_config(&config);
	config.workers = 1;
	CONF_OK(ringline_runtime_new(&rt, &config));
	CONF_OK(ringline_runtime_listen(rt, c.address, "tcp:127.0.0.1:0", conf_echo, NULL, NULL));
	CONF_OK(ringline_runtime_embed(rt));
	while (ringline_runtime_next_deadline(rt) != RINGLINE_NEVER || polls == 0)
		g_assert_cmpint(step(rt, &polls), ==, 1);
	p = (struct pollfd){ .fd = ringline_runtime_fd(rt), .events = POLLIN };
	g_assert_cmpint(poll(&p, 1, 50), ==, 0);
	CONF_OK(pthread_create(&thread, NULL, chats, &c));
	while (!c.done || conf_stats(rt).connections)
		g_assert_cmpint(step(rt, &polls), ==, 1);
	CONF_OK(pthread_join(thread, NULL));
	finish(rt);
}

/* Another thread's post ends the host's sleep. */
static void run(void *arg)
{
	((struct visitor *)arg)->runs++;
}

static void *posts(void *arg)
{
	struct visitor *v = arg;
	int i;

	for (i = 0; i < v->wanted; i++) {
		CONF_OK(ringline_worker_post(v->rt, 0, run, v));
		while (v->runs <= i)
			conf_pause();
	}
	return NULL;
}

static void test_posts(void)
{
	struct visitor v = { .rt = embed(), .wanted = 1000 };
	unsigned int polls = 0;
	pthread_t thread;

	CONF_OK(pthread_create(&thread, NULL, posts, &v));
	while (v.runs < v.wanted)
		g_assert_cmpint(step(v.rt, &polls), ==, 1);
	CONF_OK(pthread_join(thread, NULL));
	finish(v.rt);
}

/* A task that always has something to do leaves the host its turn. */
static int never_waits(void *arg)
{
	struct visitor *v = arg;

	while (ringline_yield() == 0)
		v->runs++;
	return 0;
}

static void test_busy(void)
{
	struct visitor v = { .rt = embed() };
	unsigned int polls = 0;

	CONF_OK(ringline_worker_spawn(v.rt, 0, never_waits, &v));
	while (polls < 100)
		g_assert_cmpint(step(v.rt, &polls), ==, 1);
	g_assert_cmpint(v.runs, >, 100);
	finish(v.rt);
}

/* Two of them in one thread, one loop. */
static void test_two(void)
{
	struct visitor v[2] = { { .rt = embed() }, { .rt = embed() } };
	unsigned int polls = 0;
	int i;

	for (i = 0; i < 2; i++)
		CONF_OK(ringline_worker_spawn(v[i].rt, 0, sleeps_some, &v[i]));
	while (!v[0].runs || !v[1].runs)
		for (i = 0; i < 2; i++)
			g_assert_cmpint(step(v[i].rt, &polls), ==, 1);
	finish(v[0].rt);
	finish(v[1].rt);
}

static void *dispatches(void *arg)
{
	struct ringline_runtime *rt = arg;

	g_assert_cmpint(ringline_runtime_dispatch(rt), ==, -EPERM);
	g_assert_cmpint(ringline_runtime_fd(rt), ==, -EPERM);
	return NULL;
}

static int dispatches_inside(void *arg)
{
	struct visitor *v = arg;

	g_assert_cmpint(ringline_runtime_dispatch(v->rt), ==, -EPERM);
	v->runs++;
	return 0;
}

static void test_misuse(void)
{
	struct visitor v = { .rt = NULL };
	struct ringline_runtime *rt;
	struct ringline_config c;
	unsigned int polls = 0;
	pthread_t thread;

	conf_config(&c);
	c.workers = 2;
	CONF_OK(ringline_runtime_new(&rt, &c));
	g_assert_cmpint(ringline_runtime_embed(rt), ==, -EINVAL);
	g_assert_cmpint(ringline_runtime_dispatch(rt), ==, -ENOTCONN);
	g_assert_cmpuint(ringline_runtime_next_deadline(rt), ==, RINGLINE_NEVER);
	CONF_OK(ringline_runtime_free(rt));
	g_assert_cmpint(ringline_runtime_embed(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_runtime_dispatch(NULL), ==, -EINVAL);

	v.rt = embed();
	g_assert_cmpint(ringline_runtime_embed(v.rt), ==, -EBUSY);
	g_assert_cmpint(ringline_worker_index(), ==, -EPERM);
	CONF_OK(pthread_create(&thread, NULL, dispatches, v.rt));
	CONF_OK(pthread_join(thread, NULL));
	CONF_OK(ringline_worker_spawn(v.rt, 0, dispatches_inside, &v));
	while (!v.runs)
		g_assert_cmpint(step(v.rt, &polls), ==, 1);
	finish(v.rt);
}

static void add_cases(void)
{
	conf_add("/embed/timers", test_timers);
	conf_add("/embed/serves", test_serves);
	conf_add("/embed/posts-end-the-sleep", test_posts);
	conf_add("/embed/a-busy-task-leaves-the-host-its-turn", test_busy);
	conf_add("/embed/two-in-one-thread", test_two);
	conf_add("/embed/misuse", test_misuse);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "embed", add_cases);
}
