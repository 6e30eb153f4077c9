/* SPDX-License-Identifier: MIT */
/*
 * A backend without a core around it, for tests of the seam.
 *
 * RINGLINE_TEST_ENGINE says which: epoll (the default), io_uring, or tiny, which is an io_uring with queues of 4 and 8
 * entries and two receive buffers. Every test ends with an audit: as many terminal completions as submissions, all
 * receive buffers home, no block of memory and no descriptor left.
 */
#ifndef RLN_TESTS_BACKEND_FIXTURE_H
#define RLN_TESTS_BACKEND_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "backend/epoll.h"
#include "base/mem.h"
#include "core/executor.h"
#include "ringline/common.h"

#ifdef RLN_HAVE_LIBURING
#include "backend/uring.h"
#endif

#define MSEC RLN_NSEC_PER_MSEC

enum test_engine {
	TEST_EPOLL,
	TEST_IO_URING,
	TEST_TINY,
};

static enum test_engine test_engine;
static struct rln_backend *backend;
static struct rln_exec test_exec;
static uint64_t mem_before;
static unsigned int fds_before;

/* An op and what became of it. */
struct request {
	struct rln_op op;
	int64_t res;              /* of the terminal completion, or of the last one before */
	unsigned int ended;       /* terminal completions */
	unsigned int more;        /* others */
	GByteArray *bytes;        /* RECV_POOL: what came; NULL: not kept */
	GQueue *held;             /* RECV_POOL: buffers not returned yet; NULL: returned at once */
	void (*then)(struct request *q, const struct rln_completion *c);
	void *arg;
	bool scarce;
};

static inline uint64_t now(void)
{
	return rln_clock_now(&rln_clock_real);
}

static inline unsigned int count_fds(void)
{
	GDir *dir = g_dir_open("/proc/self/fd", 0, NULL);
	unsigned int n = 0;

	while (g_dir_read_name(dir))
		n++;
	g_dir_close(dir);
	return n;
}

static inline void request_complete(struct rln_op *op, const struct rln_completion *c)
{
	struct request *q = rln_container_of(op, struct request, op);

	q->res = c->res;
	if (c->flags & RLN_C_MORE)
		q->more++;
	else
		q->ended++;
	g_assert_cmpuint(q->ended, <=, 1);
	if (c->flags & RLN_C_SCARCE)
		q->scarce = true;
	if (c->buf) {
		g_assert_cmpint(c->res, >, 0);
		if (q->bytes)
			g_byte_array_append(q->bytes, c->data, (guint)c->res);
		if (q->held)
			g_queue_push_tail(q->held, c->buf);
		else
			rln_buf_unref(c->buf);
	}
	if (q->then)
		q->then(q, c);
}

static inline void request_init(struct request *q, enum rln_opcode opcode, int fd, void *ptr, size_t len)
{
	memset(q, 0, sizeof(*q));
	rln_op_init(&q->op, request_complete);
	q->op.opcode = (uint8_t)opcode;
	q->op.fd = fd;
	q->op.ptr = ptr;
	q->op.len = len;
}

static inline void request_submit(struct request *q)
{
	q->ended = 0;
	q->more = 0;
	rln_op_submit(&q->op);
	g_assert_cmpuint(q->ended, ==, 0);
}

/* An array of requests; ops are cache lines, which g_new() does not know. */
static inline struct request *requests_new(size_t n)
{
	void *p = aligned_alloc(_Alignof(struct request), n * sizeof(struct request));

	g_assert_nonnull(p);
	return memset(p, 0, n * sizeof(struct request));
}

static inline void request_start(struct request *q, enum rln_opcode opcode, int fd, void *ptr, size_t len)
{
	request_init(q, opcode, fd, ptr, len);
	request_submit(q);
}

static inline void turn(uint64_t deadline)
{
	g_assert_cmpint(backend->ops->wait(backend, deadline), ==, 0);
}

/* Runs the backend until *cond* holds; ten seconds at most. */
#define RUN_UNTIL(cond) \
	do { \
		uint64_t limit_ = now() + 10000 * MSEC; \
		while (!(cond)) { \
			g_assert_cmpuint(now(), <, limit_); \
			turn(now() + 20 * MSEC); \
		} \
	} while (0)

/* Runs the backend for a while in which nothing is expected. */
static inline void run_for(unsigned int ms)
{
	uint64_t end = now() + ms * MSEC;

	do
		turn(end);
	while (now() < end);
}

static inline int64_t finish(struct request *q)
{
	RUN_UNTIL(q->ended);
	return q->res;
}

static inline int64_t perform(enum rln_opcode opcode, int fd, void *ptr, size_t len)
{
	struct request q;

	request_start(&q, opcode, fd, ptr, len);
	return finish(&q);
}

static inline void close_fd(int fd)
{
	g_assert_cmpint(perform(RLN_OP_CLOSE, fd, NULL, 0), ==, 0);
}

static inline void close_pair(const int fd[2])
{
	close_fd(fd[0]);
	close(fd[1]);
}

/* --- sockets ------------------------------------------------------------------------------------------------------ */

static inline int listen_tcp(struct sockaddr_in *address, int backlog)
{
	socklen_t len = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memset(address, 0, sizeof(*address));
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	g_assert_cmpint(bind(fd, (struct sockaddr *)address, sizeof(*address)), ==, 0);
	g_assert_cmpint(listen(fd, backlog), ==, 0);
	g_assert_cmpint(getsockname(fd, (struct sockaddr *)address, &len), ==, 0);
	return fd;
}

static inline int listen_unix(struct sockaddr_un *address, socklen_t *len, int backlog)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* an abstract name that the kernel chooses */
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	g_assert_cmpint(bind(fd, (struct sockaddr *)address, sizeof(sa_family_t)), ==, 0);
	*len = sizeof(*address);
	g_assert_cmpint(getsockname(fd, (struct sockaddr *)address, len), ==, 0);
	g_assert_cmpint(listen(fd, backlog), ==, 0);
	return fd;
}

static inline int connect_tcp(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_assert_cmpint(connect(fd, (const struct sockaddr *)address, sizeof(*address)), ==, 0);
	return fd;
}

enum pair_kind {
	PAIR_UNIX,
	PAIR_TCP,
};

/* fd[0] is for the backend, fd[1] is the peer, used with plain calls. */
static inline void make_pair(enum pair_kind kind, int fd[2])
{
	struct sockaddr_in address;
	int listener;

	if (kind == PAIR_UNIX) {
		g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), ==, 0);
		return;
	}
	listener = listen_tcp(&address, 1);
	fd[1] = connect_tcp(&address);
	g_assert_cmpint(poll(&(struct pollfd){ .fd = listener, .events = POLLIN }, 1, 5000), ==, 1);
	fd[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	g_assert_cmpint(fd[0], >=, 0);
	close(listener);
}

static inline enum pair_kind kind_of(gconstpointer data)
{
	return (enum pair_kind)GPOINTER_TO_INT(data);
}

static inline void put(int fd, const void *data, size_t len)
{
	g_assert_cmpint(send(fd, data, len, MSG_NOSIGNAL), ==, (ssize_t)len);
}

/* Reads what is there without waiting; the number of bytes, checked to continue the pattern at *offset*. */
static inline size_t drain(int fd, size_t offset)
{
	unsigned char buf[65536];
	size_t total = 0;
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			g_assert_cmpuint(buf[i], ==, (unsigned char)((offset + total + (size_t)i) % 251));
		total += (size_t)n;
	}
	return total;
}

static inline unsigned char *pattern(size_t len)
{
	unsigned char *p = g_malloc(len);

	for (size_t i = 0; i < len; i++)
		p[i] = (unsigned char)(i % 251);
	return p;
}

static inline void assert_pattern(const GByteArray *bytes)
{
	for (guint i = 0; i < bytes->len; i++)
		g_assert_cmpuint(bytes->data[i], ==, i % 251);
}

/* The next close resets the connection. */
static inline void set_reset(int fd)
{
	struct linger l = { .l_onoff = 1, .l_linger = 0 };

	g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), ==, 0);
}

/* --- set-up and audit --------------------------------------------------------------------------------------------- */

static inline const struct rln_backend_ops *engine_ops(void)
{
#ifdef RLN_HAVE_LIBURING
	if (test_engine != TEST_EPOLL)
		return &rln_backend_uring;
#endif
	return &rln_backend_epoll;
}

static inline void fixture_config(struct rln_backend_config *cfg)
{
	memset(cfg, 0, sizeof(*cfg));
	cfg->clock = &rln_clock_real;
	if (test_engine == TEST_TINY) {
		cfg->sq_entries = 4;
		cfg->cq_entries = 8;
		cfg->buf_count = 2;
		cfg->buf_size = 4096;
		cfg->buf_limit = 8192;
	}
}

static inline void fixture_open(const struct rln_backend_config *cfg)
{
	mem_before = rln_mem_live();
	fds_before = count_fds();
	memset(&test_exec, 0, sizeof(test_exec));
	g_assert_cmpint(engine_ops()->open(&backend, cfg), ==, 0);
	test_exec.backend = backend;
	rln_exec_current = &test_exec;
}

static inline void fixture_set_up(void)
{
	struct rln_backend_config cfg;

	fixture_config(&cfg);
	fixture_open(&cfg);
}

static inline bool bufs_home(void)
{
	return rln_stat_get(&backend->stats.bufs_free) == rln_stat_get(&backend->stats.bufs_total);
}

static inline void fixture_close(void)
{
	g_assert_cmpuint(rln_stat_get(&test_exec.stats.ops_submitted), ==, rln_stat_get(&test_exec.stats.ops_ended));
	engine_ops()->close(backend);
	backend = NULL;
	rln_exec_current = NULL;
	/* a ring's descriptor is gone at once, its memory's accounting need not be */
	g_assert_cmpuint(count_fds(), ==, fds_before);
}

static inline void fixture_tear_down(void)
{
	RUN_UNTIL(bufs_home());
	fixture_close();
	g_assert_cmpuint(rln_mem_live(), ==, mem_before);
}

/* Reads RINGLINE_TEST_ENGINE. False: this build or this kernel cannot run it. */
static inline bool fixture_init(void)
{
	const char *name = g_getenv("RINGLINE_TEST_ENGINE");
	struct rln_backend_config cfg;
	char why[256] = "not built";

	if (g_strcmp0(name, "io_uring") == 0)
		test_engine = TEST_IO_URING;
	else if (g_strcmp0(name, "tiny") == 0)
		test_engine = TEST_TINY;
	fixture_config(&cfg);
	if ((test_engine == TEST_EPOLL) == (engine_ops() == &rln_backend_epoll) &&
	    engine_ops()->probe(&cfg, why, sizeof(why)) == 0)
		return true;
	g_print("1..0 # SKIP %s: %s\n", name ? name : "epoll", why);
	return false;
}

/* A test with its fixture around it; BOTH runs it on a unix and on a TCP connection. */
#define ONE(name, fn)  { "/backend/" name, fn, NULL }
#define BOTH(name, fn) \
	{ "/backend/" name "/unix", fn, GINT_TO_POINTER(PAIR_UNIX) }, \
	{ "/backend/" name "/tcp", fn, GINT_TO_POINTER(PAIR_TCP) }

struct fixture_test {
	const char *path;
	void (*run)(gconstpointer data);
	gconstpointer data;
};

static inline void fixture_run(gconstpointer data)
{
	const struct fixture_test *t = data;

	fixture_set_up();
	t->run(t->data);
	fixture_tear_down();
}

static inline void fixture_add(const struct fixture_test *t, size_t n)
{
	for (size_t i = 0; i < n; i++)
		g_test_add_data_func(t[i].path, &t[i], fixture_run);
}

#endif
