/* SPDX-License-Identifier: MIT */
/*
 * What the io_uring engine promises beyond the seam's contract: its price, what it does without each optional feature,
 * how it fails, and that a completion which belongs to nobody does no harm.
 */
#include "base/fault.h"
#include "backend-fixture.h"

#ifdef RLN_HAVE_LIBURING

#define BIG (1024 * 1024)

static void reopen(const struct rln_backend_config *cfg)
{
	fixture_tear_down();
	fixture_open(cfg);
}

static struct rln_uring *uring(void)
{
	return rln_uring_of(backend);
}

/* Bytes in and out, with a receive that starves and one that does not. */
static void stream(void)
{
	unsigned char *data = pattern(BIG);
	unsigned char *back = g_malloc(BIG);
	size_t sent = 0;
	struct request in;
	struct request out;
	int fd[2];

	make_pair(PAIR_TCP, fd);
	request_init(&in, RLN_OP_RECV_POOL, fd[0], NULL, 0);
	in.bytes = g_byte_array_new();
	request_submit(&in);
	while (in.bytes->len < BIG) {
		ssize_t n = sent < BIG ? send(fd[1], data + sent, BIG - sent, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

		sent += n > 0 ? (size_t)n : 0;
		turn(now() + MSEC);
		g_assert_cmpuint(in.ended, ==, 0);
	}
	assert_pattern(in.bytes);

	request_start(&out, RLN_OP_SEND, fd[0], data, BIG);
	for (size_t got = 0; got < BIG; turn(now() + MSEC))
		got += drain(fd[1], got);
	g_assert_cmpint(finish(&out), ==, BIG);
	shutdown(fd[1], SHUT_WR);
	g_assert_cmpint(finish(&in), ==, 0);
	g_byte_array_unref(in.bytes);
	close_pair(fd);
	g_free(back);
	g_free(data);
}

static void plain(gconstpointer data rln_unused)
{
	stream();
}

static void without(gconstpointer data)
{
	struct rln_backend_config cfg;

	fixture_config(&cfg);
	cfg.disabled = (uint32_t)GPOINTER_TO_UINT(data);
	reopen(&cfg);
	if (cfg.disabled & RLN_FEATURE_INC)
		g_assert_false(uring()->bufs.incremental);
	if (cfg.disabled & RLN_FEATURE_MULTISHOT)
		g_assert_false(uring()->multishot);
	if (cfg.disabled & RLN_FEATURE_RING_FD)
		g_assert_cmpuint(uring()->enter_flags & IORING_ENTER_REGISTERED_RING, ==, 0);
	stream();
}

/* An accept without multishot still delivers connection after connection, one per submission. */
static void accept_without_multishot(gconstpointer data rln_unused)
{
	struct rln_backend_config cfg;
	struct sockaddr_in address;
	struct request q;
	int listener;

	fixture_config(&cfg);
	cfg.disabled = RLN_FEATURE_MULTISHOT;
	reopen(&cfg);
	listener = listen_tcp(&address, 8);
	for (int i = 0; i < 3; i++) {
		int peer = connect_tcp(&address);

		request_start(&q, RLN_OP_ACCEPT, listener, NULL, 0);
		g_assert_cmpint(finish(&q), >=, 0);
		close((int)q.res);
		close(peer);
	}
	close(listener);
}

/* Twenty echoes in flight at once cost two calls a round, not forty. */
static void batches(gconstpointer data rln_unused)
{
	static struct request q[20];
	int fd[20][2];
	uint64_t before;

	for (int i = 0; i < 20; i++) {
		make_pair(PAIR_UNIX, fd[i]);
		request_start(&q[i], RLN_OP_SEND, fd[i][0], (void *)"x", 1);
	}
	before = rln_stat_get(&backend->stats.syscalls);
	for (int i = 0; i < 20; i++)
		finish(&q[i]);
	g_assert_cmpuint(rln_stat_get(&backend->stats.syscalls) - before, <=, 2);
	for (int i = 0; i < 20; i++)
		close_pair(fd[i]);
}

/* Bytes of several connections lie in one incremental buffer; each holder keeps it, and it comes home with the last. */
static void shared_buffer(gconstpointer data rln_unused)
{
	static struct request q[4];
	char byte;
	int fd[4][2];

	if (!uring()->bufs.incremental) {
		g_test_skip("this kernel has no incremental buffers");
		return;
	}
	for (int i = 0; i < 4; i++) {
		make_pair(PAIR_TCP, fd[i]);
		request_init(&q[i], RLN_OP_RECV_POOL, fd[i][0], NULL, 0);
		q[i].bytes = g_byte_array_new();
		q[i].held = g_queue_new();
		request_submit(&q[i]);
	}
	for (int i = 0; i < 4; i++) {
		byte = (char)('a' + i);
		put(fd[i][1], &byte, 1);
		RUN_UNTIL(q[i].bytes->len == 1);
	}
	for (int i = 0; i < 4; i++) {
		struct rln_buf *b = g_queue_peek_head(q[i].held);

		g_assert_true(b == g_queue_peek_head(q[0].held));
		g_assert_cmpuint(b->refs, ==, 5);
		g_assert_cmpint(q[i].bytes->data[0], ==, 'a' + i);
	}
	for (int i = 0; i < 4; i++) {
		rln_buf_unref(g_queue_pop_head(q[i].held));
		rln_op_cancel(&q[i].op);
		g_assert_cmpint(finish(&q[i]), ==, -ECANCELED);
		g_queue_free(q[i].held);
		g_byte_array_unref(q[i].bytes);
		close_pair(fd[i]);
	}
}

/* The buffers a kernel without increments uses up come back and go out again; a starved receive makes more. */
/* As long as buffers come back the pool stays as it is; when all are held it grows, to its limit and no further. */
static void pool_grows(gconstpointer data rln_unused)
{
	struct rln_backend_config cfg;
	struct request in;
	unsigned char *bytes = pattern(16 * 4096);
	int fd[2];

	fixture_config(&cfg);
	cfg.disabled = RLN_FEATURE_INC;
	cfg.buf_count = 1;
	cfg.buf_size = 4096;
	cfg.buf_limit = 8 * 4096;
	reopen(&cfg);
	stream();
	g_assert_cmpuint(rln_stat_get(&backend->stats.starved), >, 0);
	g_assert_cmpuint(rln_stat_get(&backend->stats.bufs_total), ==, 1);

	make_pair(PAIR_UNIX, fd);
	request_init(&in, RLN_OP_RECV_POOL, fd[0], NULL, 0);
	in.held = g_queue_new();
	in.bytes = g_byte_array_new();
	request_submit(&in);
	put(fd[1], bytes, 16 * 4096);
	RUN_UNTIL(g_queue_get_length(in.held) == 8);
	run_for(10);
	g_assert_cmpuint(rln_stat_get(&backend->stats.bufs_total), ==, 8);
	g_assert_cmpuint(in.bytes->len, ==, 8 * 4096);
	g_assert_true(in.scarce);
	while (in.bytes->len < 16 * 4096 || !g_queue_is_empty(in.held)) {
		while (!g_queue_is_empty(in.held))
			rln_buf_unref(g_queue_pop_head(in.held));
		turn(now() + MSEC);
	}
	assert_pattern(in.bytes);
	rln_op_cancel(&in.op);
	finish(&in);
	g_byte_array_unref(in.bytes);
	g_queue_free(in.held);
	close_pair(fd);
	g_free(bytes);
}

/* One buffer, which is held: a receive starves, and its peer sends and resets meanwhile. The data comes, then the end. */
static void starved_reset(gconstpointer data rln_unused)
{
	struct rln_backend_config cfg = { .clock = &rln_clock_real, .buf_count = 1, .buf_size = 4096, .buf_limit = 4096 };
	static unsigned char full[4096];
	struct request holder;
	struct request q;
	int other[2];
	int fd[2];

	reopen(&cfg);
	make_pair(PAIR_UNIX, other);
	make_pair(PAIR_TCP, fd);
	request_init(&holder, RLN_OP_RECV_POOL, other[0], NULL, 0);
	holder.op.flags = RLN_OPF_ONESHOT;
	holder.held = g_queue_new();
	request_submit(&holder);
	put(other[1], full, sizeof(full));
	g_assert_cmpint(finish(&holder), ==, sizeof(full));

	request_init(&q, RLN_OP_RECV_POOL, fd[0], NULL, 0);
	q.bytes = g_byte_array_new();
	request_submit(&q);
	put(fd[1], "abc", 3);
	RUN_UNTIL(rln_stat_get(&backend->stats.starved) > 0);
	set_reset(fd[1]);
	close(fd[1]);
	rln_buf_unref(g_queue_pop_head(holder.held));
	RUN_UNTIL(q.ended);
	g_assert_cmpuint(q.bytes->len, ==, 3);
	g_assert_cmpint(q.res, ==, -ECONNRESET);
	g_byte_array_unref(q.bytes);
	g_queue_free(holder.held);
	close_fd(fd[0]);
	close_pair(other);
}

static void forge(uint64_t user_data, int res, uint32_t flags)
{
	struct io_uring_cqe cqe = { .user_data = user_data, .res = res, .flags = flags };

	rln_uring_dispatch(uring(), &cqe);
}

/* Completions of an earlier life of an op: counted, dropped, and the op's own result still comes. */
static void stale_completions(gconstpointer data rln_unused)
{
	struct request q;
	char byte = 0;
	int fd[2];

	make_pair(PAIR_UNIX, fd);
	request_start(&q, RLN_OP_RECV, fd[0], &byte, 1);
	forge(rln_uring_user_data(&q.op) ^ 1, 1, 0);
	g_assert_cmpuint(q.ended, ==, 0);
	g_assert_cmpuint(rln_stat_get(&backend->stats.unknown), ==, 1);
	put(fd[1], "y", 1);
	g_assert_cmpint(finish(&q), ==, 1);
	forge(rln_uring_user_data(&q.op), 1, 0);
	g_assert_cmpuint(rln_stat_get(&backend->stats.unknown), ==, 2);
	g_assert_cmpuint(q.ended, ==, 1);
	forge(RLN_UD_IGNORED, -ENOENT, 0);
	g_assert_cmpuint(rln_stat_get(&backend->stats.unknown), ==, 2);
	close_pair(fd);
}

/* Results that are none: the op goes in again and the caller never sees them. */
static void spurious_errors(gconstpointer data rln_unused)
{
	static const int errors[] = { -EINTR, -ECANCELED, -512, -513 };
	struct request q;

	for (size_t i = 0; i < G_N_ELEMENTS(errors); i++) {
		uint64_t user_data;

		request_start(&q, RLN_OP_NOP, -1, NULL, 0);
		user_data = rln_uring_user_data(&q.op);
		forge(user_data, errors[i], 0);
		g_assert_cmpuint(q.ended, ==, 0);
		g_assert_cmpuint(rln_uring_user_data(&q.op), !=, user_data);
		g_assert_cmpint(finish(&q), ==, 0);
	}
	RUN_UNTIL(rln_stat_get(&backend->stats.unknown) == G_N_ELEMENTS(errors));
}

/* A cancel that the kernel answers with one of its restart codes is a cancel. */
static void restart_codes_after_cancel(gconstpointer data rln_unused)
{
	struct request q;

	request_start(&q, RLN_OP_NOP, -1, NULL, 0);
	rln_op_cancel(&q.op);
	forge(rln_uring_user_data(&q.op), -512, 0);
	g_assert_cmpuint(q.ended, ==, 1);
	g_assert_cmpint(q.res, ==, -ECANCELED);
	RUN_UNTIL(rln_stat_get(&backend->stats.unknown) == 1);
}

/* A kernel that takes nothing just now is asked again; nothing is lost and nobody is told. */
static void enter_refused(gconstpointer data rln_unused)
{
	static const int errors[] = { EINTR, EAGAIN, EBUSY };

	for (size_t i = 0; i < G_N_ELEMENTS(errors); i++) {
		rln_fault_arm(RLN_FAULT_RING_ENTER, 0, 3, errors[i]);
		g_assert_cmpint(perform(RLN_OP_NOP, -1, NULL, 0), ==, 0);
		g_assert_cmpuint(rln_fault_failed(RLN_FAULT_RING_ENTER), ==, 3);
	}
	rln_fault_disarm_all();
}

/* The queue is full and cannot be flushed: the ops wait in the backlog, in order, and can be cancelled there. */
static void backlog(gconstpointer data rln_unused)
{
	struct request *q = requests_new(600);
	unsigned int ended = 0;

	rln_fault_arm(RLN_FAULT_RING_ENTER, 0, UINT32_MAX, EBUSY);
	for (int i = 0; i < 600; i++)
		request_start(&q[i], RLN_OP_NOP, -1, NULL, 0);
	rln_op_cancel(&q[599].op);
	g_assert_cmpuint(q[599].ended, ==, 0);
	rln_fault_disarm_all();
	while (ended < 600) {
		turn(now() + MSEC);
		for (int i = ended = 0; i < 600; i++)
			ended += q[i].ended;
	}
	g_assert_cmpint(q[598].res, ==, 0);
	g_assert_cmpint(q[599].res, ==, -ECANCELED);
	free(q);
}

static void start_eagerly(struct request *q, int n)
{
	for (int i = 0; i < n; i++) {
		request_init(&q[i], RLN_OP_NOP, -1, NULL, 0);
		q[i].op.flags |= RLN_OPF_EAGER;
		request_submit(&q[i]);
	}
}

static void end_all(struct request *q, int n)
{
	for (int i = 0; i < n; i++)
		g_assert_cmpint(finish(&q[i]), ==, 0);
}

/* What a device has to do it gets eight at a time; the last come with the wait. Where nothing is taken in, nothing is lost. */
static void eager(gconstpointer data rln_unused)
{
	struct request *q = requests_new(600);
	uint64_t before = rln_stat_get(&backend->stats.syscalls);
	uint64_t flushes = rln_stat_get(&backend->stats.sq_flushes);

	start_eagerly(q, 32);
	g_assert_cmpuint(rln_stat_get(&backend->stats.syscalls) - before, ==, 3);
	g_assert_cmpuint(rln_stat_get(&backend->stats.sq_flushes), ==, flushes);
	end_all(q, 32);
	rln_fault_arm(RLN_FAULT_RING_ENTER, 0, UINT32_MAX, EBUSY);
	start_eagerly(q, 600);
	rln_fault_disarm_all();
	end_all(q, 600);
	free(q);
}

/* A filter that was put on the process later makes the ring unusable: the worker is told, once, by its wait. */
static void enter_forbidden(gconstpointer data rln_unused)
{
	rln_fault_arm(RLN_FAULT_RING_ENTER, 0, 1, EPERM);
	g_assert_cmpint(backend->ops->wait(backend, 0), ==, -EPERM);
	rln_fault_disarm_all();
}

/* After a close with an armed accept the port is free at once: the kernel's own tear-down would take milliseconds. */
static void port_is_free_at_once(gconstpointer data rln_unused)
{
	struct rln_backend_config cfg;
	struct sockaddr_in address;
	struct request q;
	int fd = listen_tcp(&address, 8);

	fds_before++;     /* the listener stays over the re-openings */
	fixture_config(&cfg);
	for (int i = 0; i < 50; i++) {
		request_start(&q, RLN_OP_ACCEPT, fd, NULL, 0);
		turn(0);
		rln_op_cancel(&q.op);
		g_assert_cmpint(finish(&q), ==, -ECANCELED);
		close_fd(fd);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
		g_assert_cmpint(listen(fd, 8), ==, 0);
		fixture_close();
		fixture_open(&cfg);
	}
	close(fd);
	fds_before--;
}

/* Every step of the set-up fails once: an errno, and nothing left. */
static void set_up_fails(gconstpointer data rln_unused)
{
	static const enum rln_fault_point points[] = {
		RLN_FAULT_ALLOC, RLN_FAULT_MMAP, RLN_FAULT_RING_SETUP, RLN_FAULT_RING_REGISTER, RLN_FAULT_EVENTFD };
	struct rln_backend_config cfg;
	unsigned int failures = 0;

	fixture_config(&cfg);
	for (size_t p = 0; p < G_N_ELEMENTS(points); p++) {
		for (uint32_t skip = 0;; skip++) {
			struct rln_backend *b = NULL;
			unsigned int fds = count_fds();
			uint64_t mem = rln_mem_live();
			int r;

			rln_fault_arm(points[p], skip, 1, points[p] == RLN_FAULT_EVENTFD ? EMFILE : EPERM);
			r = engine_ops()->open(&b, &cfg);
			if (rln_fault_failed(points[p]) == 0) {
				g_assert_cmpint(r, ==, 0);
				engine_ops()->close(b);
				break;
			}
			failures++;
			g_assert_cmpint(r, <, 0);
			g_assert_cmpuint(count_fds(), ==, fds);
			g_assert_cmpuint(rln_mem_live(), ==, mem);
		}
		rln_fault_disarm_all();
	}
	g_assert_cmpuint(failures, >=, 7);
}

/* Quiet sends: success is silent, and everything else is not. */

/* A send that fits makes no completion at all: nothing is in the queue when it is done. */
static void quiet_success(gconstpointer data rln_unused)
{
	struct request q;
	int fd[2];
	char c = 0;

	make_pair(PAIR_UNIX, fd);
	request_start(&q, RLN_OP_SEND, fd[0], (void *)"x", 1);
	g_assert_cmpint(rln_uring_place(&q.op), ==, RLN_URING_QUIET);
	g_assert_cmpint(rln_uring_enter(&uring()->ring, uring()->enter_flags, 0, IORING_ENTER_GETEVENTS, NULL), ==, 1);
	g_assert_cmpuint(io_uring_cq_ready(&uring()->ring), ==, 0);
	g_assert_cmpint(recv(fd[1], &c, 1, MSG_DONTWAIT), ==, 1);
	g_assert_cmpint(finish(&q), ==, 1);
	close_pair(fd);
}

/* A send that does not fit goes on from where the first try ended. */
static void quiet_short(gconstpointer data)
{
	unsigned char *bytes = pattern(BIG);
	struct request q;
	size_t got = 0;
	int fd[2];

	make_pair(kind_of(data), fd);
	g_assert_cmpint(setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &(int){ 65536 }, sizeof(int)), ==, 0);
	request_start(&q, RLN_OP_SEND, fd[0], bytes, BIG);
	run_for(20);
	g_assert_cmpuint(q.ended, ==, 0);
	g_assert_cmpint(rln_uring_place(&q.op), ==, RLN_URING_RING);
	g_assert_cmpuint(q.op.progress, >, 0);
	for (; got < BIG; turn(now() + MSEC))
		got += drain(fd[1], got);
	g_assert_cmpint(finish(&q), ==, BIG);
	close_pair(fd);
	g_free(bytes);
}

/* Fills the socket's buffer; the number of bytes. */
static size_t stuff(int fd)
{
	static unsigned char zeros[4096];
	size_t total = 0;
	ssize_t n;

	while ((n = send(fd, zeros, sizeof(zeros), MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
		total += (size_t)n;
	return total;
}

/* Cancelled before its first try it is sent nevertheless; stuck behind a full buffer it ends with what it moved. */
static void quiet_cancel(gconstpointer data rln_unused)
{
	struct request q;
	int fd[2];

	make_pair(PAIR_UNIX, fd);
	request_start(&q, RLN_OP_SEND, fd[0], (void *)"xyz", 3);
	rln_op_cancel(&q.op);
	g_assert_cmpint(finish(&q), ==, 3);

	stuff(fd[0]);
	request_start(&q, RLN_OP_SEND, fd[0], (void *)"xyz", 3);
	rln_op_cancel(&q.op);
	g_assert_cmpint(finish(&q), ==, -ECANCELED);

	request_start(&q, RLN_OP_SEND, fd[0], (void *)"xyz", 3);
	run_for(10);
	rln_op_cancel(&q.op);
	g_assert_cmpint(finish(&q), ==, -ECANCELED);
	close_pair(fd);
}

/* The peer is gone: that is told. */
static void quiet_error(gconstpointer data rln_unused)
{
	int fd[2];

	make_pair(PAIR_UNIX, fd);
	close(fd[1]);
	g_assert_cmpint(perform(RLN_OP_SEND, fd[0], (void *)"x", 1), ==, -EPIPE);
	close_fd(fd[0]);
	g_assert_cmpint(perform(RLN_OP_SEND, fd[0], (void *)"x", 1), ==, -EBADF);
}

/*
 * More failures at once than the completion queue holds: those that overflowed are not taken for success. Half of the
 * sockets are full, so success and failure come mixed, through flushes of the tiny submission queue.
 */
static void quiet_overflow(gconstpointer data rln_unused)
{
	struct rln_backend_config cfg = { .clock = &rln_clock_real, .sq_entries = 4, .cq_entries = 8 };
	static struct request q[40];
	size_t stuffed[40];
	int fd[40][2];

	reopen(&cfg);
	for (int i = 0; i < 40; i++) {
		make_pair(PAIR_UNIX, fd[i]);
		stuffed[i] = i % 2 ? stuff(fd[i][0]) : 0;
		request_start(&q[i], RLN_OP_SEND, fd[i][0], (void *)"!", 1);
	}
	run_for(20);
	g_assert_cmpuint(rln_stat_get(&backend->stats.cq_overflows), >, 0);
	for (int i = 0; i < 40; i++)
		g_assert_cmpuint(q[i].ended, ==, i % 2 ? 0 : 1);
	for (int i = 0; i < 40; i++) {
		char buf[4096];
		char last = 0;
		ssize_t n;
		size_t total = 0;

		while (total < stuffed[i] + 1) {
			while ((n = recv(fd[i][1], buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
				total += (size_t)n;
				last = buf[n - 1];
			}
			turn(now() + MSEC);
		}
		g_assert_cmpuint(total, ==, stuffed[i] + 1);
		g_assert_cmpint(last, ==, '!');
		g_assert_cmpint(finish(&q[i]), ==, 1);
		close_pair(fd[i]);
	}
}

#define WITHOUT(name, bits) { "/uring/without-" name, without, GUINT_TO_POINTER(bits) }
#define URING(name, fn) { "/uring/" name, fn, NULL }

static const struct fixture_test tests[] = {
	URING("stream", plain),
	WITHOUT("incremental-buffers", RLN_FEATURE_INC),
	WITHOUT("multishot", RLN_FEATURE_MULTISHOT),
	WITHOUT("registered-ring", RLN_FEATURE_RING_FD),
	WITHOUT("no-iowait", RLN_FEATURE_NO_IOWAIT),
	WITHOUT("quiet-sends", RLN_FEATURE_QUIET),
	WITHOUT("any-of-them",
	        RLN_FEATURE_INC | RLN_FEATURE_MULTISHOT | RLN_FEATURE_RING_FD | RLN_FEATURE_NO_IOWAIT | RLN_FEATURE_QUIET),
	URING("accept-without-multishot", accept_without_multishot),
	URING("a-batch-is-one-call", batches),
	URING("quiet-send/success-is-silent", quiet_success),
	{ "/uring/quiet-send/goes-on-after-a-short-try/unix", quiet_short, GINT_TO_POINTER(PAIR_UNIX) },
	{ "/uring/quiet-send/goes-on-after-a-short-try/tcp", quiet_short, GINT_TO_POINTER(PAIR_TCP) },
	URING("quiet-send/cancel", quiet_cancel),
	URING("quiet-send/errors-are-told", quiet_error),
	URING("quiet-send/overflow-is-no-success", quiet_overflow),
	URING("a-buffer-is-shared-and-comes-home-with-the-last", shared_buffer),
	URING("pool-grows-to-its-limit", pool_grows),
	URING("starved-receive-sees-the-end-behind-its-data", starved_reset),
	URING("stale-completions-are-dropped", stale_completions),
	URING("spurious-errors-are-no-results", spurious_errors),
	URING("restart-codes-after-a-cancel", restart_codes_after_cancel),
	URING("enter-refused-is-tried-again", enter_refused),
	URING("backlog-keeps-and-cancels", backlog),
	URING("a-device-begins-before-the-wait", eager),
	URING("enter-forbidden-is-fatal", enter_forbidden),
	URING("port-is-free-at-once", port_is_free_at_once),
	URING("set-up-fails-without-trace", set_up_fails),
};

int main(int argc, char **argv)
{
	g_setenv("RINGLINE_TEST_ENGINE", "io_uring", TRUE);
	g_test_init(&argc, &argv, NULL);
	if (!fixture_init())
		return 0;
	fixture_add(tests, G_N_ELEMENTS(tests));
	return g_test_run();
}

#else

int main(void)
{
	g_print("1..0 # SKIP built without liburing\n");
	return 0;
}

#endif
