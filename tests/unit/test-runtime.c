/* SPDX-License-Identifier: MIT */
/*
 * The runtime under failing resources. Every request the library makes on its way up is made to fail once: the start
 * returns an errno, nothing is left behind, and the same runtime starts when the fault is over. Then the same for what
 * connections need while they live, and for a backend that breaks under way.
 */
#include <errno.h>
#include <glib.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ringline/ringline.h>

#include "base/fault.h"
#include "base/mem.h"
#include "unit/valgrind.h"

static uint32_t engine;

static unsigned int count_fds(void)
{
	GDir *dir = g_dir_open("/proc/self/fd", 0, NULL);
	unsigned int n = 0;

	while (g_dir_read_name(dir))
		n++;
	g_dir_close(dir);
	return n;
}

static void echo(struct ringline_conn *conn, void *arg)
{
	const void *data;
	ssize_t n;

	(void)arg;
	while ((n = ringline_conn_peek(conn, &data)) > 0) {
		if (ringline_conn_send(conn, data, (size_t)n) < 0)
			break;
		ringline_conn_consume(conn, (size_t)n);
	}
}

static struct ringline_config config_of_engine(void)
{
	struct ringline_config c = RINGLINE_CONFIG_INIT;

	c.backend = engine;
	c.workers = 2;
	return c;
}

/* A runtime with a listener; 0, or the error of whatever failed, with nothing left. */
static int make(struct ringline_runtime **rt)
{
	struct ringline_config c = config_of_engine();
	int r = ringline_runtime_new(rt, &c);

	if (r < 0)
		return r;
	r = ringline_runtime_listen(*rt, NULL, "tcp:127.0.0.1:0", echo, NULL, NULL);
	if (r < 0)
		g_assert_cmpint(ringline_runtime_free(*rt), ==, 0);
	return r;
}

static void end(struct ringline_runtime *rt)
{
	g_assert_cmpint(ringline_runtime_shutdown(rt), ==, 0);
	g_assert_cmpint(ringline_runtime_join(rt), ==, 0);
	g_assert_cmpint(ringline_runtime_free(rt), ==, 0);
}

/* One attempt with the fault armed; true if the fault was met. */
static bool attempt(enum rln_fault_point point, uint32_t skip, int error)
{
	unsigned int fds = count_fds();
	uint64_t mem = rln_mem_live();
	struct ringline_runtime *rt;
	bool met;
	int r;

	rln_fault_arm(point, skip, 1, error);
	r = make(&rt);
	if (r == 0) {
		r = ringline_runtime_start(rt);
		met = rln_fault_failed(point);
		rln_fault_disarm_all();
		if (r < 0)        /* what failed once does not have to fail again */
			g_assert_cmpint(ringline_runtime_start(rt), ==, 0);
		end(rt);
	} else {
		met = rln_fault_failed(point);
		rln_fault_disarm_all();
		g_assert_true(met);
	}
	g_assert_true(r == 0 || (met && r < 0 && r >= -4095));
	g_assert_cmpuint(count_fds(), ==, fds);
	g_assert_cmpuint(rln_mem_live(), ==, mem);
	return met;
}

static void start_fails(gconstpointer data)
{
	static const struct {
		enum rln_fault_point point;
		int error;
	} faults[] = {
		{ RLN_FAULT_ALLOC, ENOMEM },      { RLN_FAULT_MMAP, ENOMEM },     { RLN_FAULT_THREAD, EAGAIN },
		{ RLN_FAULT_SOCKET, EMFILE },     { RLN_FAULT_BIND, EADDRINUSE }, { RLN_FAULT_LISTEN, EADDRINUSE },
		{ RLN_FAULT_EVENTFD, EMFILE },    { RLN_FAULT_EPOLL, ENOMEM },    { RLN_FAULT_RING_SETUP, EMFILE },
		{ RLN_FAULT_RING_REGISTER, EPERM },
	};
	unsigned int met = 0;

	engine = GPOINTER_TO_UINT(data);
	for (size_t i = 0; i < G_N_ELEMENTS(faults); i++)
		for (uint32_t skip = 0; attempt(faults[i].point, skip, faults[i].error); skip++)
			met++;
	g_test_message("%u failures met", met);
	g_assert_cmpuint(met, >=, 20);
}

/* Memory for rings may be bounded per user: when a worker does not get its own, all of them turn to epoll, aloud. */
static void ring_of_a_worker_fails(void)
{
	struct ringline_runtime *rt;

	engine = RINGLINE_BACKEND_AUTO;
	g_assert_cmpint(make(&rt), ==, 0);
	rln_fault_arm(RLN_FAULT_RING_SETUP, 1, 100, ENOMEM);   /* the probe's is the first */
	g_assert_cmpint(ringline_runtime_start(rt), ==, 0);
	rln_fault_disarm_all();
	g_assert_cmpstr(ringline_runtime_backend(rt), ==, "epoll");
	g_assert_nonnull(strstr(ringline_runtime_backend_reason(rt), "could not open its ring"));
	end(rt);
}

static void signalfd_fails(void)
{
	struct ringline_runtime *rt;

	engine = RINGLINE_BACKEND_EPOLL;
	g_assert_cmpint(make(&rt), ==, 0);
	rln_fault_arm(RLN_FAULT_SIGNALFD, 0, 1, EMFILE);
	g_assert_cmpint(ringline_runtime_run(rt), ==, -EMFILE);
	rln_fault_disarm_all();
	g_assert_cmpint(ringline_runtime_free(rt), ==, 0);
}

/* --- connections -------------------------------------------------------------------------------------------------- */

struct talk {
	char address[RINGLINE_ADDRESS_SIZE];
	enum rln_fault_point point;
	int error;
	unsigned int met;
};

/* Connects, sends, receives; whatever fails returns an errno or loses the connection, and nothing else. */
static void talk_once(const struct talk *t)
{
	struct ringline_conn *c;
	char buf[3000] = "x";
	ssize_t r;

	r = ringline_connect(&c, t->address, NULL);
	if (r < 0)
		return;
	r = ringline_conn_send(c, buf, sizeof(buf));
	g_assert_true(r == sizeof(buf) || (r < 0 && r >= -4095));
	if (r > 0) {              /* what was not sent does not come back */
		r = ringline_conn_recv_exact(c, buf, sizeof(buf));
		g_assert_true(r == sizeof(buf) || (r <= 0 && r >= -4095));
	}
	ringline_conn_close(c);
}

static int talk(void *arg)
{
	struct talk *t = arg;

	for (uint32_t skip = 0;; skip++) {
		rln_fault_arm(t->point, skip, 1, t->error);
		talk_once(t);
		if (!rln_fault_failed(t->point))
			break;
		t->met++;
	}
	rln_fault_disarm_all();
	talk_once(t);
	g_assert_cmpint(ringline_runtime_shutdown(ringline_runtime_current()), ==, 0);
	return 0;
}

static void life_fails(gconstpointer data)
{
	static const struct {
		enum rln_fault_point point;
		int error;
	} faults[] = {
		{ RLN_FAULT_ALLOC, ENOMEM },  { RLN_FAULT_SOCKET, EMFILE },    { RLN_FAULT_ACCEPT, EMFILE },
		{ RLN_FAULT_SEND, ECONNRESET }, { RLN_FAULT_RECV, ECONNRESET }, { RLN_FAULT_RING_ENTER, EBUSY },
		{ RLN_FAULT_EPOLL, ENOMEM },
	};

	engine = GPOINTER_TO_UINT(data);
	for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
		struct talk t = { .point = faults[i].point, .error = faults[i].error };
		struct ringline_config c = config_of_engine();
		unsigned int fds = count_fds();
		uint64_t mem = rln_mem_live();
		struct ringline_runtime *rt;

		c.workers = 1;
		g_assert_cmpint(ringline_runtime_new(&rt, &c), ==, 0);
		g_assert_cmpint(ringline_runtime_listen(rt, t.address, "tcp:127.0.0.1:0", echo, NULL, NULL), ==, 0);
		g_assert_cmpint(ringline_runtime_on_start(rt, talk, &t), ==, 0);
		g_assert_cmpint(ringline_runtime_run(rt), ==, 0);
		g_assert_cmpint(ringline_runtime_free(rt), ==, 0);
		g_assert_cmpuint(count_fds(), ==, fds);
		g_assert_cmpuint(rln_mem_live(), ==, mem);
		g_test_message("fault point %d: met %u times", (int)t.point, t.met);
	}
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static _Atomic int blocks;
static _Atomic int allocations;

static void *count_alloc(size_t size, size_t align, void *arg)
{
	void *p = NULL;

	g_assert_true(arg == &blocks);
	if (posix_memalign(&p, align, size))
		return NULL;
	blocks++;
	allocations++;
	return p;
}

static void count_free(void *ptr, void *arg)
{
	g_assert_true(arg == &blocks);
	blocks--;
	free(ptr);
}

/* All of it comes from the host's allocator and goes back there; it cannot be changed in between. */
static void host_allocator(void)
{
	struct ringline_allocator a = RINGLINE_ALLOCATOR_INIT;
	struct ringline_runtime *rt;

	g_assert_cmpint(ringline_set_allocator(&a), ==, -EINVAL);
	a.alloc = count_alloc;
	a.free = count_free;
	a.arg = &blocks;
	g_assert_cmpint(ringline_set_allocator(&a), ==, 0);
	engine = RINGLINE_BACKEND_EPOLL;
	g_assert_cmpint(make(&rt), ==, 0);
	g_assert_cmpint(ringline_set_allocator(NULL), ==, -EBUSY);
	g_assert_cmpint(ringline_runtime_start(rt), ==, 0);
	end(rt);
	g_assert_cmpint(allocations, >, 5);
	g_assert_cmpint(blocks, ==, 0);
	g_assert_cmpint(ringline_set_allocator(NULL), ==, 0);
}

/* --- a backend that breaks ---------------------------------------------------------------------------------------- */

static int break_backend(void *arg)
{
	(void)arg;
	rln_fault_arm(engine == RINGLINE_BACKEND_EPOLL ? RLN_FAULT_EPOLL_WAIT : RLN_FAULT_RING_ENTER, 0, UINT32_MAX, EPERM);
	ringline_sleep_until(RINGLINE_NEVER);
	return 0;
}

/* The run returns the error, and the memory that operations in flight name is not freed. */
static void backend_breaks(gconstpointer data)
{
	struct ringline_runtime *rt;
	pid_t child;
	int status;

	engine = GPOINTER_TO_UINT(data);
	child = fork();           /* it leaks by design, so it is not this process that does */
	if (child == 0) {
		int ok = make(&rt) == 0 && ringline_runtime_on_start(rt, break_backend, NULL) == 0 &&
		         ringline_runtime_run(rt) == -EPERM && ringline_runtime_free(rt) == -EBUSY;

		_exit(!ok);
	}
	g_assert_cmpint(waitpid(child, &status, 0), ==, child);
	g_assert_true(WIFEXITED(status));
	g_assert_cmpint(WEXITSTATUS(status), ==, 0);
}

static bool ring_starts(void)
{
	struct ringline_runtime *rt;
	bool starts;

	engine = RINGLINE_BACKEND_IO_URING;
	g_assert_cmpint(make(&rt), ==, 0);
	starts = ringline_runtime_start(rt) == 0;
	if (starts)
		end(rt);
	else
		g_assert_cmpint(ringline_runtime_free(rt), ==, 0);
	return starts;
}

static void ring_under_valgrind(void)
{
	g_test_skip(RING_UNDER_VALGRIND);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/runtime/start-fails/epoll", GUINT_TO_POINTER(RINGLINE_BACKEND_EPOLL), start_fails);
	g_test_add_data_func("/runtime/life-fails/epoll", GUINT_TO_POINTER(RINGLINE_BACKEND_EPOLL), life_fails);
	g_test_add_data_func("/runtime/backend-breaks/epoll", GUINT_TO_POINTER(RINGLINE_BACKEND_EPOLL), backend_breaks);
	g_test_add_func("/runtime/signalfd-fails", signalfd_fails);
	g_test_add_func("/runtime/host-allocator", host_allocator);
	if (on_valgrind()) {
		g_test_add_func("/runtime/on-io_uring", ring_under_valgrind);
	} else if (ring_starts()) {
		g_test_add_data_func("/runtime/start-fails/io_uring", GUINT_TO_POINTER(RINGLINE_BACKEND_IO_URING),
		                     start_fails);
		g_test_add_data_func("/runtime/life-fails/io_uring", GUINT_TO_POINTER(RINGLINE_BACKEND_IO_URING),
		                     life_fails);
		g_test_add_data_func("/runtime/backend-breaks/io_uring", GUINT_TO_POINTER(RINGLINE_BACKEND_IO_URING),
		                     backend_breaks);
		g_test_add_func("/runtime/ring-of-a-worker-fails", ring_of_a_worker_fails);
	}
	return g_test_run();
}
