/* SPDX-License-Identifier: MIT */
/* Between threads: posts, calls to other workers, handles on a runtime that ends, and what a child of fork() is told. */
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "support/conformance.h"

static struct ringline_runtime *start(uint32_t workers)
{
	return conf_serve(NULL, workers, NULL, NULL, NULL, NULL);
}

/* --- posts -------------------------------------------------------------------------------------------------------- */

static void count_here(void *arg)
{
	g_assert_cmpint(ringline_worker_index(), ==, 1);
	g_assert_cmpuint(ringline_task_id(), ==, 0);
	++*(_Atomic int *)arg;
}

static void test_post(void)
{
	struct ringline_runtime *rt = start(2);
	_Atomic int n = 0;
	int i;

	for (i = 0; i < 100; i++)
		CONF_OK(ringline_worker_post(rt, 1, count_here, &n));
	CONF_UNTIL(n == 100);
	g_assert_cmpint(ringline_worker_post(rt, 2, count_here, &n), ==, -EINVAL);
	g_assert_cmpint(ringline_worker_post(rt, 1, NULL, &n), ==, -EINVAL);
	g_assert_cmpint(ringline_worker_post(NULL, 0, count_here, &n), ==, -EINVAL);
	CONF_OK(conf_stop(rt));
}

static void count(void *arg)
{
	++*(_Atomic int *)arg;
}

/* Whatever was accepted has run when the runtime has ended; what comes later is refused. */
static void *posts_until_refused(void *arg)
{
	_Atomic int *counts = arg;
	struct ringline_runtime *rt = *(struct ringline_runtime **)(void *)(counts + 2);
	int r;

	while ((r = ringline_worker_post(rt, 0, count, &counts[0])) == 0 || r == -EAGAIN)
		counts[1] += r == 0;
	g_assert_cmpint(r, ==, -ESHUTDOWN);
	ringline_runtime_unref(rt);
	return NULL;
}

static void test_handles(void)
{
	struct {
		_Atomic int counts[2];
		struct ringline_runtime *rt;
	} shared = { .rt = start(1) };
	struct ringline_runtime *rt = shared.rt;
	pthread_t thread[2];
	int i;

	for (i = 0; i < 2; i++) {
		g_assert_true(ringline_runtime_ref(rt) == rt);
		CONF_OK(pthread_create(&thread[i], NULL, posts_until_refused, &shared));
	}
	CONF_UNTIL(shared.counts[1] > 100);
	(void)ringline_runtime_ref(rt);
	CONF_OK(conf_stop(rt));
	for (i = 0; i < 2; i++)
		CONF_OK(pthread_join(thread[i], NULL));
	g_assert_cmpint(shared.counts[0], ==, shared.counts[1]);
	g_assert_cmpint(ringline_worker_spawn(rt, 0, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_worker_post(rt, 0, count, shared.counts), ==, -ESHUTDOWN);
	g_assert_cmpint(ringline_runtime_free(rt), ==, -EBADF);
	ringline_runtime_unref(rt);
	ringline_runtime_unref(NULL);
	g_assert_null(ringline_runtime_ref(NULL));
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

struct request {
	struct ringline_runtime *rt;
	int number;
	int answer;
	_Atomic int begun;
	_Atomic int over;
};

static int squares(void *arg)
{
	struct request *r = arg;

	g_assert_cmpint(ringline_worker_index(), ==, 1);
	CONF_OK(ringline_sleep(1000));
	r->answer = r->number * r->number;
	return 5;
}

static int asks(void *arg)
{
	struct request *r = arg;
	int i;

	for (i = 0; i < 200; i++) {
		r->number = i;
		g_assert_cmpint(ringline_worker_call(r->rt, 1, squares, r), ==, 5);
		g_assert_cmpint(r->answer, ==, i * i);
	}
	g_assert_cmpint(ringline_worker_call(r->rt, 7, squares, r), ==, -EINVAL);
	g_assert_cmpint(ringline_worker_call(r->rt, 1, NULL, r), ==, -EINVAL);
	return 0;
}

static void test_call(void)
{
	struct request r = { .rt = start(2) };

	CONF_OK(conf_call(r.rt, 0, asks, &r));
	conf_log_allow("outside a task");
	g_assert_cmpint(ringline_worker_call(r.rt, 1, squares, &r), ==, -EPERM);
	CONF_OK(conf_stop(r.rt));
}

static int waits_for_ever(void *arg)
{
	struct request *r = arg;
	int result;

	r->begun++;
	result = ringline_sleep_until(RINGLINE_NEVER);
	r->over++;
	return result;
}

/* Starts one more, which the answer waits for. */
static int spawns_one(void *arg)
{
	int r = ringline_spawn(waits_for_ever, arg);

	g_assert_true(r == 0 || r == -ECANCELED);     /* it may be cancelled before it begins */
	return waits_for_ever(arg);
}

static int asks_with_deadline(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct request *r = arg;
	struct ringline_scope *scope;
	int i;

	for (i = 0; i < 50; i++) {
		int before = r->begun;
		int result;

		o.deadline = ringline_now() + (uint64_t)(i % 10) * 20000;
		CONF_OK(ringline_scope_open(&scope, &o));
		result = ringline_worker_call(r->rt, 1, spawns_one, r);
		g_assert_cmpint(result, ==, -ETIME);
		g_assert_cmpint(r->begun, ==, r->over);       /* nothing of it goes on */
		g_assert_cmpint(r->begun - before, <=, 2);
		g_assert_cmpint(ringline_scope_close(scope), ==, -ETIME);
	}
	return 0;
}

static void test_call_cut(void)
{
	struct request r = { .rt = start(2) };

	CONF_OK(conf_call(r.rt, 0, asks_with_deadline, &r));
	g_assert_cmpint(r.begun, >, 0);
	CONF_OK(conf_stop(r.rt));
}

static int asks_for_ever(void *arg)
{
	struct request *r = arg;
	int result = ringline_worker_call(r->rt, 1 - (uint32_t)ringline_worker_index(), waits_for_ever, r);

	g_assert_true(result == -ECANCELED || result == -ESHUTDOWN);
	return 0;
}

/* Workers that wait for each other when the shutdown comes. */
static void test_call_shutdown(void)
{
	struct request r = { .rt = start(2) };
	int i;

	for (i = 0; i < 8; i++)
		CONF_OK(ringline_worker_spawn(r.rt, (uint32_t)i % 2, asks_for_ever, &r));
	CONF_UNTIL(r.begun == 8);
	CONF_OK(conf_stop(r.rt));
	g_assert_cmpint(r.over, ==, 8);
}

/* --- fork --------------------------------------------------------------------------------------------------------- */

struct forker {
	struct ringline_runtime *rt;
	struct ringline_conn *conn;
	struct ringline_chan *chan;
	struct ringline_event *event;
	int status;
};

#define CHILD(call, want) do { long r_ = (long)(call); if (r_ != (want)) _exit(__LINE__ & 0xff ? __LINE__ & 0xff : 1); } while (0)

static void use_everything(struct forker *f)
{
	struct ringline_scope *scope;
	struct ringline_event *e;
	struct ringline_op *op;
	char byte = 0;

	CHILD(ringline_sleep(1), -ECHILD);
	CHILD(ringline_yield(), -ECHILD);
	CHILD(ringline_sleep_begin(&op, 1), -ECHILD);
	CHILD(ringline_spawn(waits_for_ever, f), -ECHILD);
	CHILD(ringline_scope_open(&scope, NULL), -ECHILD);
	CHILD(ringline_event_new(&e, NULL), -ECHILD);
	CHILD(ringline_event_set(f->event), -ECHILD);
	CHILD(ringline_chan_send(f->chan, &byte), -ECHILD);
	CHILD(ringline_chan_try_send(f->chan, &byte), -ECHILD);
	CHILD(ringline_conn_send(f->conn, &byte, 1), -ECHILD);
	CHILD(ringline_conn_recv(f->conn, &byte, 1), -ECHILD);
	CHILD(ringline_conn_close(f->conn), -ECHILD);
	CHILD(ringline_worker_index(), -ECHILD);
	CHILD(ringline_task_dump(2), -ECHILD);
	CHILD(ringline_worker_spawn(f->rt, 0, waits_for_ever, f), -ECHILD);
	CHILD(ringline_worker_post(f->rt, 0, count, f), -ECHILD);
	CHILD(ringline_runtime_shutdown(f->rt), -ECHILD);
	CHILD(ringline_runtime_free(f->rt), -ECHILD);
	CHILD(ringline_runtime_current() == NULL, 1);
	_exit(0);
}

/* A task forks. The child is refused everything; the parent's connection goes on. */
static void forks(struct conf_line *l)
{
	struct forker f = { .rt = ringline_runtime_current(), .conn = l->conn };
	char byte = 'x';
	pid_t pid;

	CONF_OK(ringline_chan_new(&f.chan, 1, 1, NULL));
	CONF_OK(ringline_event_new(&f.event, NULL));
	pid = fork();
	g_assert_cmpint(pid, >=, 0);
	if (!pid)
		use_everything(&f);
	g_assert_cmpint(waitpid(pid, &f.status, 0), ==, pid);
	g_assert_true(WIFEXITED(f.status));
	g_assert_cmpint(WEXITSTATUS(f.status), ==, 0);
	CONF_OK(ringline_sleep(1000));
	g_assert_cmpint(ringline_conn_send(l->conn, &byte, 1), ==, 1);
	conf_take(l->peer, &byte, 1);
	conf_put(l->peer, "y", 1);
	g_assert_cmpint(ringline_conn_recv(l->conn, &byte, 1), ==, 1);
	g_assert_cmpint(byte, ==, 'y');
	CONF_OK(ringline_chan_unref(f.chan));
	CONF_OK(ringline_event_free(f.event));
}

static void test_fork(void)
{
	conf_run_line(CONF_TCP, forks);
}

/* A runtime that was not started when the process forked is the child's as well. */
static void run_in_child(const void *arg)
{
	struct ringline_runtime *rt = *(struct ringline_runtime *const *)arg;

	CONF_OK(ringline_runtime_start(rt));
	CONF_OK(ringline_runtime_shutdown(rt));
	CONF_OK(ringline_runtime_join(rt));
	CONF_OK(ringline_runtime_free(rt));
}

static void test_fork_before_start(void)
{
	struct ringline_runtime *rt;
	struct ringline_config c;

	conf_config(&c);
	c.workers = 2;
	CONF_OK(ringline_runtime_new(&rt, &c));
	conf_fork(run_in_child, &rt);
	CONF_OK(ringline_runtime_free(rt));
}

static void add_cases(void)
{
	conf_add("/threads/post", test_post);
	conf_add("/threads/handles-outlive-the-runtime", test_handles);
	conf_add("/threads/call", test_call);
	conf_add("/threads/call-cut", test_call_cut);
	conf_add("/threads/call-shutdown", test_call_shutdown);
	conf_add("/threads/fork-in-a-task", test_fork);
	conf_add("/threads/fork-before-the-start", test_fork_before_start);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "threads", add_cases);
}
