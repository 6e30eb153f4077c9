/* SPDX-License-Identifier: MIT */
/*
 * What tasks wait for, under failing resources. Every request of a scenario is made to fail once, one after the other: each
 * call returns an errno or works, and when the runtime has ended nothing is left, neither memory nor a descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ringline/ringline.h>

#include "base/fault.h"
#include "base/mem.h"
#include "unit/valgrind.h"

#define MSEC RINGLINE_NSEC_PER_MSEC
#define MANY 200

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

static bool is_errno(int64_t r)
{
	return r < 0 && r >= -4095;
}

/* --- scenarios ---------------------------------------------------------------------------------------------------- */

static _Atomic int owned;         /* arguments of detached jobs that nobody has disposed of or got back */

static int work(void *arg)
{
	(void)arg;
	return 0;
}

static int fail(void *arg)
{
	(void)arg;
	return -EIO;
}

static void dispose(void *arg, int result)
{
	(void)arg;
	(void)result;
	owned--;
}

static int detached(int (*fn)(void *arg))
{
	int r;

	owned++;
	r = ringline_blocking_detached(fn, NULL, dispose, NULL);
	if (r >= 0)
		owned--;
	return r;
}

static int blocking(void *arg)
{
	struct ringline_op *op;
	int64_t r;

	(void)arg;
	r = ringline_blocking(work, NULL, NULL);
	g_assert_true(r == 0 || is_errno(r));
	r = detached(work);
	g_assert_true(r == 0 || is_errno(r));
	r = detached(fail);
	g_assert_true(is_errno(r));
	r = ringline_blocking_begin(&op, fail, NULL, NULL);
	if (r == 0)
		g_assert_true(is_errno(ringline_op_await(op)));
	owned++;
	r = ringline_blocking_detached_begin(&op, work, NULL, dispose, NULL);
	if (r == 0 && ringline_op_await(op) >= 0)
		owned--;
	owned++;
	r = ringline_blocking_detached_begin(&op, work, NULL, dispose, NULL);   /* nobody awaits it */
	g_assert_true(r == 0 || is_errno(r));
	return 0;
}

static int watching(void *arg)
{
	struct ringline_fd_watch *w;
	struct ringline_op *op;
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	int64_t r;

	(void)arg;
	r = ringline_fd_wait(fd, POLLIN);
	g_assert_true(r == POLLIN || is_errno(r));
	r = ringline_fd_wait_begin(&op, fd, POLLIN);
	if (r == 0)
		r = ringline_op_await(op);
	g_assert_true(r == POLLIN || is_errno(r));
	r = ringline_fd_watch_new(&w, fd, POLLIN);
	if (r == 0) {
		r = ringline_fd_watch_wait(w);
		g_assert_true(r == POLLIN || is_errno(r));
		g_assert_cmpint(ringline_fd_watch_free(w), ==, 0);
	}
	g_assert_cmpint(ringline_fd_close(fd), ==, 0);
	return 0;
}

static int resolving(void *arg)
{
	static const char *const hosts[] = { "localhost", "localhost", "127.0.0.1" };
	struct ringline_sockaddr address;
	struct ringline_lookup *found;
	struct ringline_op *op;
	size_t i;
	int64_t r;

	(void)arg;
	for (i = 0; i < G_N_ELEMENTS(hosts); i++) {
		r = ringline_resolve(&found, hosts[i], "80", NULL);
		g_assert_true(r == 0 || is_errno(r));
		if (r == 0)
			ringline_lookup_free(found);
		r = ringline_resolve_begin(&op, &found, hosts[i], NULL, NULL);
		if (r == 0 && (r = ringline_op_await(op)) == 0)
			ringline_lookup_free(found);
		g_assert_true(r == 0 || is_errno(r));
	}
	g_assert_cmpint(ringline_sockaddr_parse(&address, "udp:127.0.0.1:80"), ==, 0);
	r = ringline_resolve_reverse(&found, &address, NULL);
	g_assert_true(r == 0 || is_errno(r));
	if (r == 0)
		ringline_lookup_free(found);
	r = ringline_resolve_begin(&op, &found, "localhost", "81", NULL);     /* nobody awaits it */
	g_assert_true(r == 0 || is_errno(r));
	return 0;
}

static int signalling(void *arg)
{
	static const int usr1[] = { SIGUSR1 };
	struct ringline_signal_info info = RINGLINE_SIGNAL_INFO_INIT;
	struct ringline_signal *s;
	struct ringline_op *op;
	int64_t r;

	(void)arg;
	r = ringline_signal_new(&s, usr1, 1, NULL);
	g_assert_true(r == 0 || is_errno(r));
	if (r < 0)
		return 0;
	g_assert_cmpint(kill(getpid(), SIGUSR1), ==, 0);
	g_assert_cmpint(ringline_signal_read(s, &info), ==, 0);
	r = ringline_signal_read_begin(&op, s, &info);
	g_assert_true(r == 0 || is_errno(r));
	if (r == 0) {
		g_assert_cmpint(kill(getpid(), SIGUSR1), ==, 0);
		g_assert_cmpint(ringline_op_await(op), ==, 0);
	}
	g_assert_cmpint(ringline_signal_free(s), ==, 0);
	return 0;
}

/* Nobody listens, so the best that can come of it is an error. */
static int notifying(void *arg)
{
	int fd = STDERR_FILENO;

	(void)arg;
	g_setenv("NOTIFY_SOCKET", "@ringline-nobody", true);
	g_assert_true(is_errno(ringline_service_ready()));
	g_assert_true(is_errno(ringline_service_reloading()));
	g_assert_true(is_errno(ringline_service_status("serving")));
	g_assert_true(is_errno(ringline_service_store("name", &fd, 1, 0)));
	g_unsetenv("NOTIFY_SOCKET");
	return 0;
}

static int timing(void *arg)
{
	struct ringline_timer_options o = RINGLINE_TIMER_OPTIONS_INIT;
	struct ringline_timer *t;
	int64_t r;

	(void)arg;
	for (o.clock = 0; o.clock < 3; o.clock++) {
		o.flags = o.clock == RINGLINE_CLOCK_REALTIME ? RINGLINE_TIMER_STEPS : 0;
		r = ringline_timer_new(&t, &o);
		g_assert_true(r == 0 || is_errno(r));
		if (r < 0)
			continue;
		r = ringline_timer_set(t, ringline_clock_now(o.clock) + MSEC, MSEC);
		if (r == 0)
			r = ringline_timer_wait(t);
		g_assert_true(r >= 1 || is_errno(r));
		g_assert_cmpint(ringline_timer_free(t), ==, 0);
	}
	return 0;
}

static int meeting(void *arg)
{
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_listener *l;
	struct ringline_conn *client;
	struct ringline_conn *server;
	struct ringline_op *op;
	int64_t r;

	(void)arg;
	r = ringline_listener_open(&l, bound, "tcp:127.0.0.1:0", NULL);
	g_assert_true(r == 0 || is_errno(r));
	if (r < 0)
		return 0;
	r = ringline_connect_begin(&op, &client, bound, NULL);
	if (r == 0)
		r = ringline_op_await(op);
	g_assert_true(r == 0 || is_errno(r));
	if (r == 0) {
		struct ringline_case c[2] = { { .kind = RINGLINE_CASE_ACCEPT, .object = l },
		                              { .kind = RINGLINE_CASE_READABLE, .object = client } };

		r = ringline_select(c, 2, sizeof(*c), 0);
		g_assert_true(r >= 0 || is_errno(r));
		if (r == 0 && ringline_listener_accept(l, &server) == 0)
			g_assert_cmpint(ringline_conn_close(server), ==, 0);
		g_assert_cmpint(ringline_conn_close(client), ==, 0);
	}
	g_assert_cmpint(ringline_listener_close(l), ==, 0);
	return 0;
}

static int selecting(void *arg)
{
	static struct ringline_case c[MANY];
	struct ringline_token *token;
	struct ringline_event *e;
	ssize_t r;
	int i;

	(void)arg;
	if (ringline_event_new(&e, NULL) < 0)
		return 0;
	for (i = 0; i < MANY; i++)
		c[i] = (struct ringline_case){ .kind = RINGLINE_CASE_EVENT, .object = e };
	c[0] = (struct ringline_case){ .kind = RINGLINE_CASE_DEADLINE, .value = ringline_now() + MSEC };
	if (ringline_token_new(&token, NULL) == 0) {
		c[1] = (struct ringline_case){ .kind = RINGLINE_CASE_TOKEN, .object = token };
		r = ringline_select(c, 2, sizeof(*c), 0);
		g_assert_true(r == 0 || r == -ENOMEM);
		ringline_token_unref(token);
		c[1] = c[2];
	}
	r = ringline_select(c, MANY, sizeof(*c), 0);
	g_assert_true(r == 0 || r == -ENOMEM);
	g_assert_cmpint(ringline_event_free(e), ==, 0);
	return 0;
}

/* Two connected ends; false: they could not be had. */
static bool open_pair(struct ringline_conn **a, struct ringline_conn **b)
{
	int fd[2];

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd), ==, 0);
	if (ringline_conn_from_fd(a, fd[0]) < 0) {
		close(fd[0]);
		close(fd[1]);
		return false;
	}
	if (ringline_conn_from_fd(b, fd[1]) < 0) {
		g_assert_cmpint(ringline_conn_close(*a), ==, 0);
		close(fd[1]);
		return false;
	}
	ringline_conn_set_option(*a, RINGLINE_CONN_READ_TIMEOUT, 30 * MSEC);
	ringline_conn_set_option(*a, RINGLINE_CONN_WRITE_TIMEOUT, 30 * MSEC);
	ringline_conn_set_option(*b, RINGLINE_CONN_READ_TIMEOUT, 30 * MSEC);
	ringline_conn_set_option(*b, RINGLINE_CONN_WRITE_TIMEOUT, 30 * MSEC);
	return true;
}

static void tolerate(int64_t r)
{
	g_assert_true(r >= 0 || is_errno(r));
}

static void given_back(void *arg)
{
	(void)arg;
	owned--;
}

/* From a to b in all ways. */
static void send_all_ways(struct ringline_conn *a, struct ringline_conn *b)
{
	static char data[300000];
	struct ringline_buf *buf;
	const void *p;
	int64_t r;

	tolerate(ringline_conn_send_nowait(a, data, 5000));
	tolerate(ringline_conn_peek_at_least(b, 3000, &p));
	tolerate(ringline_conn_peek_until(b, "x", 1, 4000, &p));
	r = ringline_conn_take(b, 2000, &buf);
	tolerate(r);
	if (r > 0) {
		tolerate(ringline_conn_send_buf(b, buf));
		ringline_buf_unref(buf);
	}
	r = ringline_conn_send_zc(a, data, 1000, given_back, NULL);
	tolerate(r);
	owned += r == 0;
	tolerate(ringline_conn_send_nowait(a, data, sizeof(data)));
	tolerate(ringline_conn_peek_at_least(b, sizeof(data), &p));
	tolerate(ringline_conn_flush(a));
}

static void pass_fds(struct ringline_conn *a, struct ringline_conn *b)
{
	int fd;
	char byte;

	tolerate(ringline_conn_set_option(b, RINGLINE_CONN_RECEIVE_FDS, 4));
	tolerate(ringline_conn_send_fds(a, "f", 1, (int[]){ 0 }, 1));
	tolerate(ringline_conn_recv(b, &byte, 1));
	if (ringline_conn_take_fds(b, &fd, 1) == 1)
		close(fd);
}

static int streaming(void *arg)
{
	struct ringline_conn *a;
	struct ringline_conn *b;
	struct ringline_conn *c;
	struct ringline_conn *d;
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)arg;
	if (open_pair(&a, &b)) {
		send_all_ways(a, b);
		if (open_pair(&c, &d)) {
			tolerate(ringline_conn_sendfile(a, file, 0, 100000));
			tolerate(ringline_conn_forward(b, c, 150000));
			pass_fds(d, c);
			g_assert_cmpint(ringline_conn_close(c), ==, 0);
			g_assert_cmpint(ringline_conn_close(d), ==, 0);
		}
		g_assert_cmpint(ringline_conn_abort(a), ==, 0);
		g_assert_cmpint(ringline_conn_close(b), ==, 0);
	}
	tolerate(ringline_connect_host(&a, "127.0.0.1", "1", NULL));
	close(file);
	return 0;
}

/* Everything that is done to files, in a directory that is taken away afterwards. */

static char *place;

static void await(int r, struct ringline_op **op)
{
	tolerate(r);
	if (r == 0)
		tolerate(ringline_op_await(*op));
}

static void use_file(struct ringline_file *dir, struct ringline_file *file)
{
	static char data[300000];
	struct ringline_stat st = RINGLINE_STAT_INIT;
	struct ringline_region *region;
	struct ringline_op *op;

	tolerate(ringline_file_write_all(file, data, sizeof(data), 0));
	tolerate(ringline_file_read(file, data, sizeof(data), 0));
	await(ringline_file_write_begin(&op, file, data, 10, 5), &op);
	await(ringline_file_read_all_begin(&op, file, data, 10, 5), &op);
	tolerate(ringline_file_sync(file));
	tolerate(ringline_file_stat(file, 0, &st));
	tolerate(ringline_file_chmod(file, 0600));
	tolerate(ringline_file_copy_range(file, 0, file, 1000000, 100000));
	tolerate(ringline_file_lock(file, RINGLINE_LOCK_EXCLUSIVE, 0, 0));
	await(ringline_file_lock_begin(&op, file, RINGLINE_LOCK_SHARED, 0, 0), &op);
	if (ringline_region_new(&region, data, sizeof(data)) == 0) {
		tolerate(ringline_file_write_region(file, region, 0, 100, 0));
		g_assert_cmpint(ringline_region_free(region), ==, 0);
	}
	tolerate(ringline_file_write_begin(&op, file, data, 10, 5));      /* nobody awaits it */
	tolerate(ringline_path_rename(dir, "file", dir, "file2", 0));
}

static void wait_for_lock(struct ringline_file *dir, struct ringline_file *owner)
{
	struct ringline_file *other;
	struct ringline_op *op;
	int r = ringline_file_open(&other, dir, "file2", O_RDWR | O_CREAT, 0600, NULL);

	tolerate(r);
	if (r < 0)
		return;
	r = ringline_file_lock_begin(&op, other, RINGLINE_LOCK_EXCLUSIVE, 0, 0);
	tolerate(ringline_yield());
	tolerate(ringline_file_unlock(owner, 0, 0));
	if (r == 0) {
		tolerate(ringline_op_cancel(op));
		tolerate(ringline_op_await(op));
	}
	await(ringline_file_close_begin(&op, other), &op);
}

static void use_names(struct ringline_file *dir)
{
	static struct ringline_buf *late;         /* of an operation that outlives the call */
	struct ringline_dirent entry = RINGLINE_DIRENT_INIT;
	struct ringline_dir *stream;
	struct ringline_buf *buf;
	struct ringline_op *op;
	int64_t r;

	tolerate(ringline_path_write_atomic(dir, "whole", "bytes", 5, 0600));
	r = ringline_path_read_all(&buf, dir, "whole", 100);
	tolerate(r);
	if (r > 0)
		g_assert_cmpint(ringline_buf_unref(buf), ==, 0);
	tolerate(ringline_path_read_all_begin(&op, &late, dir, "whole", 100));    /* nobody awaits it */
	if (ringline_buf_alloc(&buf, 8192, 4096) == 0)
		g_assert_cmpint(ringline_buf_unref(buf), ==, 0);
	r = ringline_dir_open(&stream, dir, ".");
	tolerate(r);
	if (r < 0)
		return;
	while ((r = ringline_dir_read(stream, &entry)) > 0)
		tolerate(ringline_path_unlink(dir, entry.name));
	tolerate(r);
	tolerate(ringline_dir_close(stream));
}

static int notified(void *arg)
{
	struct ringline_inotify_event event = RINGLINE_INOTIFY_EVENT_INIT;
	struct ringline_inotify *n;

	(void)arg;
	if (ringline_inotify_new(&n) < 0)
		return 0;
	if (ringline_inotify_add(n, NULL, place, 0x100) >= 0 && ringline_path_mkdir(NULL, place, 0700) == -EEXIST)
		tolerate(ringline_inotify_read_nowait(n, &event));
	g_assert_cmpint(ringline_inotify_close(n), ==, 0);
	return 0;
}

static int filing(void *arg)
{
	struct ringline_file *dir;
	struct ringline_file *file;
	static struct ringline_file *lost;        /* of an operation that outlives the call */
	struct ringline_op *op;

	(void)arg;
	if (ringline_file_open(&dir, NULL, place, O_RDONLY | O_DIRECTORY, 0, NULL) < 0)
		return 0;
	if (ringline_file_open(&file, dir, "file", O_RDWR | O_CREAT, 0600, NULL) == 0) {
		use_file(dir, file);
		wait_for_lock(dir, file);
		tolerate(ringline_file_close(file));
	}
	tolerate(ringline_file_open_begin(&op, &lost, dir, "file", O_RDWR | O_CREAT, 0600, NULL));    /* nobody awaits it */
	use_names(dir);
	notified(NULL);
	tolerate(ringline_file_close(dir));
	return 0;
}

/* Of one that may have failed. */
static void end_process(struct ringline_process *p)
{
	struct ringline_process_status s = RINGLINE_PROCESS_STATUS_INIT;

	tolerate(ringline_process_kill_tree(p));
	tolerate(ringline_process_kill(p, 9));
	tolerate(ringline_process_wait(p, &s));
	g_assert_cmpint(ringline_process_close(p), ==, 0);
}

static int spawning(void *arg)
{
	static const char *const argv[] = { "true", NULL };
	static struct ringline_process *lost;     /* of operations that outlive the call */
	static struct ringline_conn *conn[3];
	static const struct ringline_process_fd fds[] = {
		{ .target = 0, .kind = RINGLINE_PROCESS_PTY, .conn = &conn[0] },
		{ .target = 1, .kind = RINGLINE_PROCESS_PIPE_OUT, .conn = &conn[1] },
		{ .target = 2, .kind = RINGLINE_PROCESS_FILE, .path = "/dev/null", .flags = O_WRONLY },
		{ .target = 3, .kind = RINGLINE_PROCESS_NULL },
	};
	struct ringline_process_options o = RINGLINE_PROCESS_OPTIONS_INIT;
	struct ringline_process *p;
	struct ringline_buf *out;
	struct ringline_op *op;
	int i;

	(void)arg;
	o.fds = fds;
	o.nfds = 4;
	o.flags = RINGLINE_PROCESS_NEW_SESSION;
	o.capabilities = "";
	if (ringline_process_spawn(&p, argv, &o) == 0) {
		if (ringline_process_wait_begin(&op, p, NULL) == 0)
			tolerate(ringline_op_await(op));
		for (i = 0; i < 2; i++)
			g_assert_cmpint(ringline_conn_close(conn[i]), ==, 0);
		i = ringline_process_release(p);
		if (i >= 0 && ringline_process_adopt_pidfd(&p, i) < 0)
			close(i);
		else
			end_process(p);
	}
	if (ringline_process_adopt(&p, getppid()) == 0)
		g_assert_cmpint(ringline_process_close(p), ==, 0);
	tolerate(ringline_process_run(argv, "text", 4, &out, NULL, NULL, NULL));
	g_assert_cmpint(ringline_buf_unref(out), ==, 0);
	tolerate(ringline_process_spawn_begin(&op, &lost, argv, NULL));       /* nobody awaits it */
	return 0;
}

/* --- the sweep ---------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int (*fn)(void *arg);
} scenarios[] = {
	{ "blocking", blocking },
	{ "watching", watching },
	{ "resolving", resolving },
	{ "signalling", signalling },
	{ "notifying", notifying },
	{ "timing", timing },
	{ "meeting", meeting },
	{ "selecting", selecting },
	{ "streaming", streaming },
	{ "filing", filing },
	{ "spawning", spawning },
};

static const struct {
	enum rln_fault_point point;
	int error;
} faults[] = {
	{ RLN_FAULT_ALLOC, ENOMEM },
	{ RLN_FAULT_THREAD, EAGAIN },
	{ RLN_FAULT_SOCKET, EMFILE },
	{ RLN_FAULT_BIND, EADDRINUSE },
	{ RLN_FAULT_LISTEN, EADDRINUSE },
	{ RLN_FAULT_EPOLL, EMFILE },
	{ RLN_FAULT_TIMERFD, EMFILE },
	{ RLN_FAULT_SIGNALFD, EMFILE },
	{ RLN_FAULT_CLOCK_STEP, ECANCELED },
	{ RLN_FAULT_MMAP, ENOMEM },
	{ RLN_FAULT_RECV, ECONNRESET },
	{ RLN_FAULT_SEND, EPIPE },
	{ RLN_FAULT_OPEN, EMFILE },
	{ RLN_FAULT_RESOLVE, EMFILE },
	{ RLN_FAULT_FILE, EIO },
	{ RLN_FAULT_FILE, EINTR },
	{ RLN_FAULT_RING_REGISTER, ENOMEM },
	{ RLN_FAULT_RING_FILE, EINTR },
	{ RLN_FAULT_RING_FILE, 512 },                 /* ERESTARTSYS, which the kernel lets out */
	{ RLN_FAULT_RING_FILE, EIO },
	{ RLN_FAULT_SPAWN, EAGAIN },
	{ RLN_FAULT_PIDFD, EMFILE },
	{ RLN_FAULT_CHILD, EIO },
};

struct armed {
	int (*fn)(void *arg);
	enum rln_fault_point point;
	int error;
	uint32_t skip;
	bool met;
};

/* The fault is armed when the runtime is up: how that fails is another test's. */
static int run_armed(void *arg)
{
	struct armed *a = arg;
	struct ringline_scope *scope;

	g_assert_cmpint(ringline_scope_open(&scope, NULL), ==, 0);
	rln_fault_arm(a->point, a->skip, 1, a->error);
	a->fn(NULL);
	a->met = rln_fault_failed(a->point) > 0;
	rln_fault_disarm_all();
	return ringline_scope_close(scope);
}

static bool attempt(struct armed *a)
{
	struct ringline_config c = RINGLINE_CONFIG_INIT;
	unsigned int fds = count_fds();
	uint64_t mem = rln_mem_live();

	c.backend = engine;
	c.lookup_cache = 1;
	a->met = false;
	owned = 0;
	g_assert_cmpint(ringline_run(&c, run_armed, a), ==, 0);
	g_assert_cmpint(owned, ==, 0);
	g_assert_cmpuint(count_fds(), ==, fds);
	g_assert_cmpuint(rln_mem_live(), ==, mem);
	return a->met;
}

static void sweep(gconstpointer data)
{
	size_t s = GPOINTER_TO_SIZE(data);
	size_t f;

	if (scenarios[s].fn == spawning && on_valgrind()) {
		g_test_skip("under valgrind a child has memory of its own, and cannot say what fails");
		return;
	}
	for (f = 0; f < G_N_ELEMENTS(faults); f++) {
		struct armed a = { .fn = scenarios[s].fn, .point = faults[f].point, .error = faults[f].error };

		while (attempt(&a))
			a.skip++;
		g_test_message("%s: fault %d met %u times", scenarios[s].name, (int)faults[f].point, a.skip);
		if (faults[f].point == RLN_FAULT_ALLOC)
			g_assert_cmpuint(a.skip, >, 1);
	}
}

/* --- the ring says no ---------------------------------------------------------------------------------------------- */

static uint64_t counted(const char *operation, const char *by)
{
	uint64_t n;

	g_assert_cmpint(ringline_worker_op_count(NULL, 0, operation, by, &n), ==, 0);
	return n;
}

/* The kernel had no thread for it, or would have waited: one of ours does it, and nobody notices. */
static int refused_main(void *arg)
{
	int error = GPOINTER_TO_INT(arg);
	struct ringline_file *file;
	char data[16];

	g_assert_cmpint(ringline_file_open(&file, NULL, "/proc/self/exe", O_RDONLY, 0, NULL), ==, 0);
	rln_fault_arm(RLN_FAULT_RING_FILE, 0, 1, error);
	g_assert_cmpint(ringline_file_read(file, data, sizeof(data), 0), ==, sizeof(data));
	g_assert_cmpmem(data, 4, "\177ELF", 4);
	if (engine == RINGLINE_BACKEND_IO_URING)
		g_assert_cmpuint(rln_fault_failed(RLN_FAULT_RING_FILE), ==, 1);
	g_assert_cmpuint(counted("read", "pool"), ==, 1);
	rln_fault_disarm_all();
	return ringline_file_close(file);
}

static void test_refused(void)
{
	struct ringline_config c = RINGLINE_CONFIG_INIT;

	c.backend = engine;
	g_setenv("RINGLINE_DISABLE", "inline", true);
	g_assert_cmpint(ringline_run(&c, refused_main, GINT_TO_POINTER(ECANCELED)), ==, 0);
	g_assert_cmpint(ringline_run(&c, refused_main, GINT_TO_POINTER(EAGAIN)), ==, 0);
	g_unsetenv("RINGLINE_DISABLE");
}

/* The system has no lock to give: the caller is told, has none, and gets the next one. */
static int no_locks_main(void *arg)
{
	struct ringline_file *file;

	(void)arg;
	g_assert_cmpint(ringline_file_open(&file, NULL, "/proc/self/exe", O_RDONLY, 0, NULL), ==, 0);
	rln_fault_arm(RLN_FAULT_FILE, 0, 2, ENOLCK);
	g_assert_cmpint(ringline_file_try_lock(file, RINGLINE_LOCK_SHARED, 0, 0), ==, -ENOLCK);
	g_assert_cmpint(ringline_file_lock(file, RINGLINE_LOCK_SHARED, 0, 0), ==, -ENOLCK);
	g_assert_cmpuint(rln_fault_failed(RLN_FAULT_FILE), ==, 2);
	rln_fault_disarm_all();
	g_assert_cmpint(ringline_file_lock(file, RINGLINE_LOCK_SHARED, 0, 0), ==, 0);
	g_assert_cmpuint(counted("lock", "pool"), ==, 3);
	return ringline_file_close(file);
}

static void test_no_locks(void)
{
	struct ringline_config c = RINGLINE_CONFIG_INIT;

	c.backend = engine;
	g_setenv("RINGLINE_DISABLE", "inline", true);
	g_assert_cmpint(ringline_run(&c, no_locks_main, NULL), ==, 0);
	g_unsetenv("RINGLINE_DISABLE");
}

/* --- single faults ------------------------------------------------------------------------------------------------ */

static int stepped_main(void *arg)
{
	struct ringline_timer_options o = RINGLINE_TIMER_OPTIONS_INIT;
	struct ringline_timer *told;
	struct ringline_timer *due;

	(void)arg;
	o.clock = RINGLINE_CLOCK_REALTIME;
	g_assert_cmpint(ringline_timer_new(&due, &o), ==, 0);
	o.flags = RINGLINE_TIMER_STEPS;
	g_assert_cmpint(ringline_timer_new(&told, &o), ==, 0);
	rln_fault_arm(RLN_FAULT_CLOCK_STEP, 0, 1, ECANCELED);
	g_assert_cmpint(ringline_timer_set(due, ringline_clock_now(o.clock), 0), ==, 0);
	g_assert_cmpint(ringline_timer_wait(told), ==, -ESTALE);
	g_assert_cmpint(ringline_timer_wait(due), ==, 1);
	rln_fault_disarm_all();
	g_assert_cmpint(ringline_timer_free(told), ==, 0);
	g_assert_cmpint(ringline_timer_free(due), ==, 0);
	return 0;
}

static void test_stepped(void)
{
	struct ringline_config c = RINGLINE_CONFIG_INIT;

	c.backend = engine;
	g_assert_cmpint(ringline_run(&c, stepped_main, NULL), ==, 0);
}

/* Jobs of several tasks when no thread can be had: all are told, and the next ones run. */
static int no_thread_task(void *arg)
{
	int *failed = arg;
	int r = ringline_blocking(work, NULL, NULL);

	*failed += r == -EAGAIN;
	return 0;
}

static int no_thread_main(void *arg)
{
	struct ringline_scope *scope;
	int failed = 0;
	int i;

	(void)arg;
	g_assert_cmpint(ringline_scope_open(&scope, NULL), ==, 0);
	rln_fault_arm(RLN_FAULT_THREAD, 0, 1, EAGAIN);
	for (i = 0; i < 10; i++)
		g_assert_cmpint(ringline_scope_spawn(scope, no_thread_task, &failed), ==, 0);
	g_assert_cmpint(ringline_scope_close(scope), ==, 0);
	g_assert_cmpint(failed, ==, 10);
	g_assert_cmpint(ringline_blocking(work, NULL, NULL), ==, 0);
	rln_fault_disarm_all();
	return 0;
}

static void test_no_thread(void)
{
	struct ringline_config c = RINGLINE_CONFIG_INIT;

	c.backend = engine;
	g_assert_cmpint(ringline_run(&c, no_thread_main, NULL), ==, 0);
}

static struct ringline_blocking_stats pool_stats(void)
{
	struct ringline_blocking_stats s = RINGLINE_BLOCKING_STATS_INIT;

	g_assert_cmpint(ringline_blocking_stats(NULL, RINGLINE_BLOCKING_BULK, &s), ==, 0);
	return s;
}

/* From now on, until faults are disarmed. */
static void lose_threads(void)
{
	while (pool_stats().threads)
		g_assert_cmpint(ringline_sleep(MSEC), ==, 0);
	rln_fault_arm(RLN_FAULT_THREAD, 0, UINT32_MAX, EAGAIN);
}

static void run_threadless(int (*fn)(void *arg))
{
	struct ringline_config c = RINGLINE_CONFIG_INIT;

	c.backend = engine;
	c.blocking_idle = 1;
	g_setenv("RINGLINE_DISABLE", "inline,files", true);
	g_assert_cmpint(ringline_run(&c, fn, NULL), ==, 0);
	g_unsetenv("RINGLINE_DISABLE");
}

/* Operations that threads have to carry out, when the last one has gone: they are not taken for done, and a close is one. */
static int threadless_main(void *arg)
{
	g_autofree char *path = g_strdup_printf("%s/threadless-%d", g_get_tmp_dir(), (int)getpid());
	static char data[16];
	struct ringline_file *file;
	int fd;

	(void)arg;
	g_assert_cmpint(ringline_file_open(&file, NULL, path, O_RDWR | O_CREAT, 0600, NULL), ==, 0);
	g_assert_cmpint(unlink(path), ==, 0);
	fd = ringline_file_fd(file);
	lose_threads();
	g_assert_cmpint(ringline_file_write(file, data, sizeof(data), 0), ==, -EAGAIN);
	g_assert_cmpint(ringline_file_read(file, data, sizeof(data), 0), ==, -EAGAIN);
	g_assert_cmpint(ringline_file_sync(file), ==, -EAGAIN);
	g_assert_cmpint(ringline_path_unlink(NULL, "/nowhere/at/all"), ==, -EAGAIN);
	g_assert_cmpint(ringline_file_close(file), ==, 0);
	g_assert_cmpint(fcntl(fd, F_GETFD), ==, -1);
	rln_fault_disarm_all();
	return 0;
}

static void test_threadless(void)
{
	run_threadless(threadless_main);
}

/* Those who are to be killed may be the reason why there is no thread. */
static int kill_threadless_main(void *arg)
{
	static const char *const argv[] = { "sleep", "100", NULL };
	struct ringline_process_status s = RINGLINE_PROCESS_STATUS_INIT;
	struct ringline_process_options o = RINGLINE_PROCESS_OPTIONS_INIT;
	struct ringline_process *p;

	(void)arg;
	o.flags = RINGLINE_PROCESS_NEW_SESSION;
	g_assert_cmpint(ringline_process_spawn(&p, argv, &o), ==, 0);
	lose_threads();
	g_assert_cmpint(ringline_process_kill_tree(p), ==, 0);
	g_assert_cmpint(ringline_process_wait(p, &s), ==, 0);
	rln_fault_disarm_all();
	g_assert_cmpuint(s.how, ==, RINGLINE_PROCESS_KILLED);
	g_assert_cmpint(s.code, ==, SIGKILL);
	return ringline_process_close(p);
}

static void test_kill_threadless(void)
{
	if (on_valgrind())
		g_test_skip("under valgrind children cannot be killed by their descriptors");
	else
		run_threadless(kill_threadless_main);
}

static int waits(void *arrival)
{
	sem_wait(arrival);
	return 0;
}

static int arrives(void *arrival)
{
	sem_post(arrival);
	return 0;
}

/*
 * A job waits for another one, for which a thread cannot be started at first, by the worker or by the thread of the one that
 * waits; and nothing else happens.
 */
static int short_main(void *arg)
{
	uint32_t by_thread = GPOINTER_TO_UINT(arg);
	struct ringline_op *first;
	struct ringline_op *second;
	sem_t arrival;

	g_assert_cmpint(sem_init(&arrival, 0, 0), ==, 0);
	rln_fault_arm(RLN_FAULT_THREAD, 1, 1, EAGAIN);
	g_assert_cmpint(ringline_blocking_begin(&first, waits, &arrival, NULL), ==, 0);
	while (!by_thread && !pool_stats().running)
		g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpint(ringline_blocking_begin(&second, arrives, &arrival, NULL), ==, 0);
	g_assert_cmpint(ringline_op_await(second), ==, 0);
	g_assert_cmpint(ringline_op_await(first), ==, 0);
	g_assert_cmpuint(rln_fault_failed(RLN_FAULT_THREAD), ==, 1);
	rln_fault_disarm_all();
	return sem_destroy(&arrival);
}

static void test_short(void)
{
	struct ringline_config c = RINGLINE_CONFIG_INIT;

	c.backend = engine;
	g_assert_cmpint(ringline_run(&c, short_main, GUINT_TO_POINTER(0)), ==, 0);
	g_assert_cmpint(ringline_run(&c, short_main, GUINT_TO_POINTER(1)), ==, 0);
}

/* Descriptors whose kind only epoll knows, while there is none left for asking it. */
static int no_probe_main(void *arg)
{
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

	(void)arg;
	rln_fault_arm(RLN_FAULT_EPOLL, 0, 1, EMFILE);
	g_assert_cmpint(ringline_fd_wait(fd, POLLIN), ==, -EMFILE);
	rln_fault_disarm_all();
	g_assert_cmpint(ringline_fd_wait(fd, POLLIN), ==, POLLIN);
	g_assert_cmpint(ringline_fd_close(fd), ==, 0);
	return 0;
}

static void test_no_probe(void)
{
	struct ringline_config c = RINGLINE_CONFIG_INIT;

	c.backend = engine;
	g_assert_cmpint(ringline_run(&c, no_probe_main, NULL), ==, 0);
}

/* Those, too, that nobody can make fail otherwise. */
static int stages_main(void *arg)
{
	static const char *const argv[] = { "true", NULL };
	struct ringline_process_options o = RINGLINE_PROCESS_OPTIONS_INIT;
	struct ringline_process *p;
	uint32_t stage;
	uint32_t i;

	(void)arg;
	o.stage = &stage;
	for (i = RINGLINE_PROCESS_STAGE_MAP; i <= RINGLINE_PROCESS_STAGE_EXEC; i++) {
		rln_fault_arm(RLN_FAULT_CHILD, i - RINGLINE_PROCESS_STAGE_MAP, 1, ENOTNAM);
		g_assert_cmpint(ringline_process_spawn(&p, argv, &o), ==, -ENOTNAM);
		rln_fault_disarm_all();
		g_assert_cmpuint(stage, ==, i);
	}
	rln_fault_arm(RLN_FAULT_SPAWN, 0, 1, EAGAIN);
	g_assert_cmpint(ringline_process_spawn(&p, argv, &o), ==, -EAGAIN);
	rln_fault_disarm_all();
	g_assert_cmpuint(stage, ==, RINGLINE_PROCESS_STAGE_CLONE);
	return 0;
}

static int pidfd_main(void *arg)
{
	static const char *const argv[] = { "true", NULL };
	struct ringline_process_options o = RINGLINE_PROCESS_OPTIONS_INIT;
	struct ringline_process *p;
	uint32_t stage;

	(void)arg;
	o.stage = &stage;
	rln_fault_arm(RLN_FAULT_PIDFD, 0, 1, EMFILE);
	g_assert_cmpint(ringline_process_spawn(&p, argv, &o), ==, -EMFILE);
	rln_fault_disarm_all();
	g_assert_cmpuint(stage, ==, RINGLINE_PROCESS_STAGE_PIDFD);
	g_assert_cmpint(ringline_process_spawn(&p, argv, &o), ==, 0);
	g_assert_cmpint(ringline_process_wait(p, NULL), ==, 0);
	return ringline_process_close(p);
}

static void test_stages(void)
{
	struct ringline_config c = RINGLINE_CONFIG_INIT;

	if (on_valgrind()) {
		g_test_skip("under valgrind a child has memory of its own, and cannot say what fails");
		return;
	}
	c.backend = engine;
	g_assert_cmpint(ringline_run(&c, stages_main, NULL), ==, 0);
	g_setenv("RINGLINE_DISABLE", "pidfd", TRUE);
	g_assert_cmpint(ringline_run(&c, pidfd_main, NULL), ==, 0);
	g_unsetenv("RINGLINE_DISABLE");
	g_assert_cmpint(waitpid(-1, NULL, WNOHANG | __WALL), ==, -1);
	g_assert_cmpint(errno, ==, ECHILD);
}

static void remove_place(void)
{
	GDir *dir = g_dir_open(place, 0, NULL);
	const char *name;

	while ((name = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename(place, name, NULL);

		unlink(path);
	}
	g_dir_close(dir);
	rmdir(place);
	g_free(place);
}

int main(int argc, char **argv)
{
	const char *name = g_getenv("RINGLINE_TEST_ENGINE");
	size_t s;
	int r;

	engine = name && strcmp(name, "epoll") ? RINGLINE_BACKEND_IO_URING : RINGLINE_BACKEND_EPOLL;
	if (engine == RINGLINE_BACKEND_IO_URING && on_valgrind()) {
		g_print("1..0 # SKIP %s\n", RING_UNDER_VALGRIND);
		return 0;
	}
	g_assert_cmpint(ringline_signal_block((const int[]){ SIGUSR1 }, 1), ==, 0);
	g_test_init(&argc, &argv, NULL);
	place = g_dir_make_tmp("ringline-waiting-XXXXXX", NULL);
	for (s = 0; s < G_N_ELEMENTS(scenarios); s++) {
		g_autofree char *path = g_strdup_printf("/waiting/everything-fails-once/%s", scenarios[s].name);

		g_test_add_data_func(path, GSIZE_TO_POINTER(s), sweep);
	}
	g_test_add_func("/waiting/what-the-ring-refuses-a-thread-does", test_refused);
	g_test_add_func("/waiting/no-locks-are-left", test_no_locks);
	g_test_add_func("/waiting/told-that-the-clock-was-set", test_stepped);
	g_test_add_func("/waiting/no-thread-fails-the-jobs", test_no_thread);
	g_test_add_func("/waiting/short-of-threads-for-a-moment", test_short);
	g_test_add_func("/waiting/files-without-a-thread", test_threadless);
	g_test_add_func("/waiting/a-tree-is-killed-without-a-thread", test_kill_threadless);
	g_test_add_func("/waiting/no-descriptor-to-ask-epoll", test_no_probe);
	g_test_add_func("/waiting/each-stage-of-a-process-fails-by-its-name", test_stages);
	r = g_test_run();
	remove_place();
	return r;
}
