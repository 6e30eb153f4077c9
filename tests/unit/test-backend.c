/* SPDX-License-Identifier: MIT */
/* The contract of core/backend.h, on any engine: transfers, connects and accepts, each in every state it can be in. */
#include "backend-fixture.h"

#define BIG (8u << 20)

/* --- one op at a time --------------------------------------------------------------------------------------------- */

static void nop(gconstpointer data rln_unused)
{
	struct request q;

	request_start(&q, RLN_OP_NOP, -1, NULL, 0);
	g_assert_cmpint(finish(&q), ==, 0);
	g_assert_cmpuint(q.more, ==, 0);
}

static void recv_now_and_later(gconstpointer data)
{
	struct request q;
	char buf[64];
	int fd[2];

	make_pair(kind_of(data), fd);
	put(fd[1], "early", 5);
	g_assert_cmpint(perform(RLN_OP_RECV, fd[0], buf, sizeof(buf)), ==, 5);

	request_start(&q, RLN_OP_RECV, fd[0], buf, sizeof(buf));
	run_for(20);
	g_assert_cmpuint(q.ended, ==, 0);
	put(fd[1], "late!", 5);
	g_assert_cmpint(finish(&q), ==, 5);
	g_assert_cmpint(memcmp(buf, "late!", 5), ==, 0);

	/* less than what is there: the rest stays */
	put(fd[1], "abcdef", 6);
	g_assert_cmpint(perform(RLN_OP_RECV, fd[0], buf, 2), ==, 2);
	g_assert_cmpint(perform(RLN_OP_RECV, fd[0], buf, 64), ==, 4);
	g_assert_cmpint(memcmp(buf, "cdef", 4), ==, 0);
	close_pair(fd);
}

static void recv_end(gconstpointer data)
{
	struct request q;
	char buf[64];
	int fd[2];

	make_pair(kind_of(data), fd);
	put(fd[1], "last", 4);
	shutdown(fd[1], SHUT_WR);
	g_assert_cmpint(perform(RLN_OP_RECV, fd[0], buf, sizeof(buf)), ==, 4);
	g_assert_cmpint(perform(RLN_OP_RECV, fd[0], buf, sizeof(buf)), ==, 0);
	g_assert_cmpint(perform(RLN_OP_RECV, fd[0], buf, sizeof(buf)), ==, 0);
	close_pair(fd);

	make_pair(kind_of(data), fd);
	request_start(&q, RLN_OP_RECV, fd[0], buf, sizeof(buf));
	turn(now() + 5 * MSEC);
	close(fd[1]);
	g_assert_cmpint(finish(&q), ==, 0);
	close_fd(fd[0]);
}

static void recv_reset(gconstpointer data rln_unused)
{
	struct request q;
	char buf[64];
	int fd[2];

	make_pair(PAIR_TCP, fd);
	request_start(&q, RLN_OP_RECV, fd[0], buf, sizeof(buf));
	turn(now() + 5 * MSEC);
	set_reset(fd[1]);
	close(fd[1]);
	g_assert_cmpint(finish(&q), ==, -ECONNRESET);
	close_fd(fd[0]);
}

/* A cancel ends the wait; bytes are delivered or still there, never lost. */
static void recv_cancel(gconstpointer data)
{
	struct request q;
	char buf[64];
	int fd[2];

	make_pair(kind_of(data), fd);
	request_start(&q, RLN_OP_RECV, fd[0], buf, sizeof(buf));
	rln_op_cancel(&q.op);
	g_assert_cmpuint(q.ended, ==, 0);
	g_assert_cmpint(finish(&q), ==, -ECANCELED);

	request_submit(&q);
	run_for(10);
	rln_op_cancel(&q.op);
	rln_op_cancel(&q.op);
	g_assert_cmpint(finish(&q), ==, -ECANCELED);

	put(fd[1], "bytes", 5);
	request_submit(&q);
	rln_op_cancel(&q.op);
	if (finish(&q) == -ECANCELED)
		g_assert_cmpint(perform(RLN_OP_RECV, fd[0], buf, sizeof(buf)), ==, 5);
	else
		g_assert_cmpint(q.res, ==, 5);
	close_pair(fd);
}

static void bad_descriptor(gconstpointer data rln_unused)
{
	static const enum rln_opcode opcode[] = {
		RLN_OP_RECV, RLN_OP_RECV_POOL, RLN_OP_ACCEPT, RLN_OP_SEND, RLN_OP_POLL, RLN_OP_CLOSE,
	};
	struct request q;
	char buf[4] = "abc";
	int fd = dup(0);

	close(fd);
	for (size_t i = 0; i < G_N_ELEMENTS(opcode); i++) {
		request_init(&q, opcode[i], fd, buf, sizeof(buf));
		q.op.arg = POLLIN;
		request_submit(&q);
		g_assert_cmpint(finish(&q), ==, -EBADF);
		g_assert_cmpuint(q.more, ==, 0);
		request_start(&q, opcode[i], -1, buf, sizeof(buf));
		g_assert_cmpint(finish(&q), ==, -EBADF);
	}
}

static void send_whole(gconstpointer data)
{
	unsigned char *big = pattern(BIG);
	struct request q;
	size_t got = 0;
	int fd[2];

	make_pair(kind_of(data), fd);
	g_assert_cmpint(perform(RLN_OP_SEND, fd[0], big, 1000), ==, 1000);
	g_assert_cmpuint(drain(fd[1], 0), ==, 1000);

	request_start(&q, RLN_OP_SEND, fd[0], big, BIG);
	run_for(10);
	g_assert_cmpuint(q.ended, ==, 0);
	while (got < BIG) {
		got += drain(fd[1], got);
		turn(now() + 2 * MSEC);
	}
	g_assert_cmpint(finish(&q), ==, BIG);
	g_assert_cmpuint(got, ==, BIG);
	close_pair(fd);
	g_free(big);
}

/* Pieces of odd sizes, so that the kernel's cuts fall inside them. */
static void sendmsg_whole(gconstpointer data)
{
	unsigned char *big = pattern(BIG);
	struct iovec iov[4] = {
		{ big, 1 },
		{ big + 1, 999999 },
		{ big + 1000000, 0 },
		{ big + 1000000, BIG - 1000000 },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 4 };
	struct request q;
	size_t got = 0;
	int fd[2];

	make_pair(kind_of(data), fd);
	request_start(&q, RLN_OP_SENDMSG, fd[0], &msg, BIG);
	while (got < BIG) {
		turn(now() + 2 * MSEC);
		got += drain(fd[1], got);
	}
	g_assert_cmpint(finish(&q), ==, BIG);
	close_pair(fd);
	g_free(big);
}

/* What a cancelled send reports is what the peer gets, to the byte. */
static void send_cancel_partial(gconstpointer data)
{
	unsigned char *big = pattern(2 * BIG);
	struct iovec iov[2] = { { big, 12345 }, { big + 12345, 2 * BIG - 12345 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	for (int vectored = 0; vectored < 2; vectored++) {
		struct request q;
		size_t got = 0;
		int64_t sent;
		int fd[2];

		make_pair(kind_of(data), fd);
		if (vectored)
			request_start(&q, RLN_OP_SENDMSG, fd[0], &msg, 2 * BIG);
		else
			request_start(&q, RLN_OP_SEND, fd[0], big, 2 * BIG);
		run_for(20);
		got += drain(fd[1], got);
		run_for(5);
		rln_op_cancel(&q.op);
		sent = finish(&q);
		g_assert_cmpint(sent, >, 0);
		g_assert_cmpint(sent, <, 2 * BIG);
		close_fd(fd[0]);
		while (poll(&(struct pollfd){ .fd = fd[1], .events = POLLIN }, 1, 5000) == 1) {
			size_t n = drain(fd[1], got);

			if (!n)
				break;
			got += n;
		}
		g_assert_cmpuint(got, ==, (size_t)sent);
		close(fd[1]);
	}
	g_free(big);
}

/* A send that cannot move a byte is cancelled without a count. */
static void send_cancel_empty(gconstpointer data)
{
	unsigned char *big = pattern(2 * BIG);
	struct request q;
	int fd[2];

	make_pair(kind_of(data), fd);
	while (send(fd[0], big, 65536, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		continue;
	request_start(&q, RLN_OP_SEND, fd[0], big, 100);
	run_for(5);
	g_assert_cmpuint(q.ended, ==, 0);
	rln_op_cancel(&q.op);
	g_assert_cmpint(finish(&q), ==, -ECANCELED);
	close_pair(fd);
	g_free(big);
}

static void send_to_nobody(gconstpointer data)
{
	unsigned char *big = pattern(2 * BIG);
	struct request q;
	int fd[2];

	make_pair(kind_of(data), fd);
	close(fd[1]);
	/* TCP learns of it by the answer to the first bytes */
	perform(RLN_OP_SEND, fd[0], big, 100);
	run_for(20);
	g_assert_cmpint(perform(RLN_OP_SEND, fd[0], big, 100), ==, -EPIPE);
	close_fd(fd[0]);

	/* while it waits: what went is reported, and the next one fails */
	make_pair(kind_of(data), fd);
	request_start(&q, RLN_OP_SEND, fd[0], big, 2 * BIG);
	run_for(5);
	set_reset(fd[1]);
	close(fd[1]);
	g_assert_cmpint(finish(&q), >, 0);
	g_assert_cmpint(q.res, <, 2 * BIG);
	g_assert_cmpint(perform(RLN_OP_SEND, fd[0], big, 100), <, 0);
	close_fd(fd[0]);
	g_free(big);
}

/* --- connect and accept ------------------------------------------------------------------------------------------- */

static void connect_tcp_op(gconstpointer data rln_unused)
{
	struct sockaddr_in address;
	int listener = listen_tcp(&address, 8);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char buf[8];
	int peer;

	g_assert_cmpint(perform(RLN_OP_CONNECT, fd, &address, sizeof(address)), ==, 0);
	peer = accept(listener, NULL, NULL);
	put(peer, "hello", 5);
	g_assert_cmpint(perform(RLN_OP_RECV, fd, buf, sizeof(buf)), ==, 5);
	g_assert_cmpint(perform(RLN_OP_SEND, fd, buf, 5), ==, 5);
	close_fd(fd);
	close(peer);
	close(listener);

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_assert_cmpint(perform(RLN_OP_CONNECT, fd, &address, sizeof(address)), ==, -ECONNREFUSED);
	close_fd(fd);
}

/* The listener's queue is full, so the handshake does not end. */
static void connect_tcp_cancel(gconstpointer data rln_unused)
{
	struct sockaddr_in address;
	int listener = listen_tcp(&address, 0);
	int filler[4];
	struct request q;
	int fd;

	for (size_t i = 0; i < G_N_ELEMENTS(filler); i++) {
		filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(filler[i], (struct sockaddr *)&address, sizeof(address));
	}
	run_for(10);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	request_start(&q, RLN_OP_CONNECT, fd, &address, sizeof(address));
	run_for(20);
	g_assert_cmpuint(q.ended, ==, 0);
	rln_op_cancel(&q.op);
	g_assert_cmpint(finish(&q), ==, -ECANCELED);
	close_fd(fd);
	for (size_t i = 0; i < G_N_ELEMENTS(filler); i++)
		close(filler[i]);
	close(listener);
}

static void connect_unix_op(gconstpointer data rln_unused)
{
	struct sockaddr_un address;
	socklen_t len;
	int listener = listen_unix(&address, &len, 8);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_assert_cmpint(perform(RLN_OP_CONNECT, fd, &address, len), ==, 0);
	close_fd(fd);
	close(listener);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_assert_cmpint(perform(RLN_OP_CONNECT, fd, &address, len), ==, -ECONNREFUSED);
	close_fd(fd);
}

/* A unix listener with a full queue cannot be polled for room. */
static void connect_unix_full(gconstpointer data rln_unused)
{
	struct sockaddr_un address;
	socklen_t len;
	int listener = listen_unix(&address, &len, 0);
	int fd[4];
	struct request q[4];
	unsigned int parked = 0;
	int accepted;

	for (size_t i = 0; i < 4; i++) {
		fd[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		request_start(&q[i], RLN_OP_CONNECT, fd[i], &address, len);
	}
	run_for(30);
	for (size_t i = 0; i < 4; i++)
		parked += !q[i].ended;
	g_assert_cmpuint(parked, >=, 2);
	g_assert_cmpuint(q[3].ended, ==, 0);

	rln_op_cancel(&q[3].op);
	g_assert_cmpint(finish(&q[3]), ==, -ECANCELED);
	for (size_t i = 0; i < 3; i++) {
		RUN_UNTIL((accepted = accept(listener, NULL, NULL)) >= 0);
		close(accepted);
	}
	for (size_t i = 0; i < 3; i++)
		g_assert_cmpint(finish(&q[i]), ==, 0);
	for (size_t i = 0; i < 4; i++)
		close_fd(fd[i]);
	close(listener);
}

static void note_accepted(struct request *q, const struct rln_completion *c)
{
	GArray *fds = q->arg;

	if (c->res >= 0) {
		int fd = (int)c->res;

		g_assert_cmpint(fcntl(fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
		g_array_append_val(fds, fd);
	}
}

static void accept_many(gconstpointer data rln_unused)
{
	GArray *fds = g_array_new(FALSE, FALSE, sizeof(int));
	struct sockaddr_in address;
	int listener = listen_tcp(&address, 256);
	struct request q;
	int client[200];

	request_init(&q, RLN_OP_ACCEPT, listener, NULL, 0);
	q.then = note_accepted;
	q.arg = fds;
	for (size_t i = 0; i < 100; i++)
		client[i] = connect_tcp(&address);
	request_submit(&q);
	for (size_t i = 100; i < 200; i++)
		client[i] = connect_tcp(&address);
	while (fds->len < 200) {
		RUN_UNTIL(q.ended || fds->len == 200);
		/* an engine may end a multishot any time, if it says so */
		if (q.ended)
			request_submit(&q);
	}
	if (!q.ended) {
		rln_op_cancel(&q.op);
		g_assert_cmpint(finish(&q), ==, -ECANCELED);
	}
	for (guint i = 0; i < fds->len; i++)
		close_fd(g_array_index(fds, int, i));
	for (size_t i = 0; i < 200; i++)
		close(client[i]);
	close_fd(listener);
	g_array_free(fds, TRUE);
}

static void accept_one(gconstpointer data rln_unused)
{
	GArray *fds = g_array_new(FALSE, FALSE, sizeof(int));
	struct sockaddr_in address;
	int listener = listen_tcp(&address, 8);
	int client[2] = { connect_tcp(&address), connect_tcp(&address) };
	struct request q;

	request_init(&q, RLN_OP_ACCEPT, listener, NULL, 0);
	q.op.flags = RLN_OPF_ONESHOT;
	q.then = note_accepted;
	q.arg = fds;
	for (guint i = 1; i <= 2; i++) {
		request_submit(&q);
		g_assert_cmpint(finish(&q), >=, 0);
		g_assert_cmpuint(q.more, ==, 0);
		run_for(5);
		g_assert_cmpuint(fds->len, ==, i);
	}
	for (guint i = 0; i < 2; i++) {
		close_fd(g_array_index(fds, int, i));
		close(client[i]);
	}
	close_fd(listener);
	g_array_free(fds, TRUE);
}

/* Out of descriptors: told once, and the connection is still there afterwards. */
static void accept_no_descriptors(gconstpointer data rln_unused)
{
	GArray *fds = g_array_new(FALSE, FALSE, sizeof(int));
	struct sockaddr_in address;
	int listener = listen_tcp(&address, 8);
	int client = connect_tcp(&address);
	struct rlimit old;
	struct rlimit low;
	struct request q;
	int top = dup(0);

	close(top);
	g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &old), ==, 0);
	low = old;
	low.rlim_cur = (rlim_t)top;
	request_init(&q, RLN_OP_ACCEPT, listener, NULL, 0);
	q.then = note_accepted;
	q.arg = fds;
	setrlimit(RLIMIT_NOFILE, &low);
	request_submit(&q);
	RUN_UNTIL(q.ended);
	setrlimit(RLIMIT_NOFILE, &old);
	g_assert_cmpint(q.res, ==, -EMFILE);
	g_assert_cmpuint(q.more, ==, 0);

	request_submit(&q);
	RUN_UNTIL(fds->len == 1);
	rln_op_cancel(&q.op);
	finish(&q);
	close_fd(g_array_index(fds, int, 0));
	close(client);
	close_fd(listener);
	g_array_free(fds, TRUE);
}

/* --- receiving into the backend's buffers ------------------------------------------------------------------------- */

/* As connections do: on unix sockets one completion at a time, because there kernels lose the end of a multishot. */
static void pool_init(struct request *q, int fd)
{
	socklen_t size = sizeof(int);
	int domain = 0;

	request_init(q, RLN_OP_RECV_POOL, fd, NULL, 0);
	g_assert_cmpint(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size), ==, 0);
	if (domain == AF_UNIX)
		q->op.flags |= RLN_OPF_ONESHOT;
	q->bytes = g_byte_array_new();
}

static void pool_fini(struct request *q)
{
	g_byte_array_unref(q->bytes);
	if (q->held)
		g_queue_free(q->held);
}

static void give_back(struct request *q)
{
	struct rln_buf *b = g_queue_pop_head(q->held);

	if (b)
		rln_buf_unref(b);
}

/* An engine may end a multishot receive with bytes; then it is submitted anew. */
static bool pool_over(struct request *q)
{
	if (q->ended && q->res > 0)
		request_submit(q);
	return q->ended;
}

static void pool_messages(gconstpointer data)
{
	struct request q;
	int fd[2];

	make_pair(kind_of(data), fd);
	pool_init(&q, fd[0]);
	put(fd[1], "one", 3);
	request_submit(&q);
	RUN_UNTIL(q.bytes->len == 3 || pool_over(&q));
	put(fd[1], "two", 3);
	RUN_UNTIL(q.bytes->len == 6 || pool_over(&q));
	put(fd[1], "end", 3);
	close(fd[1]);
	RUN_UNTIL(pool_over(&q));
	g_assert_cmpint(q.res, ==, 0);
	g_assert_cmpuint(q.bytes->len, ==, 9);
	g_assert_cmpint(memcmp(q.bytes->data, "onetwoend", 9), ==, 0);
	pool_fini(&q);
	close_fd(fd[0]);
}

static void pool_cancel_and_reset(gconstpointer data rln_unused)
{
	struct request q;
	int fd[2];

	make_pair(PAIR_TCP, fd);
	pool_init(&q, fd[0]);
	request_submit(&q);
	rln_op_cancel(&q.op);
	g_assert_cmpint(finish(&q), ==, -ECANCELED);
	request_submit(&q);
	run_for(5);
	rln_op_cancel(&q.op);
	g_assert_cmpint(finish(&q), ==, -ECANCELED);
	request_submit(&q);
	run_for(5);
	set_reset(fd[1]);
	close(fd[1]);
	g_assert_cmpint(finish(&q), ==, -ECONNRESET);
	pool_fini(&q);
	close_fd(fd[0]);
}

static void pool_oneshot(gconstpointer data)
{
	struct request q;
	int fd[2];

	make_pair(kind_of(data), fd);
	pool_init(&q, fd[0]);
	q.op.flags = RLN_OPF_ONESHOT;
	put(fd[1], "abc", 3);
	request_submit(&q);
	g_assert_cmpint(finish(&q), ==, 3);
	put(fd[1], "def", 3);
	run_for(5);
	g_assert_cmpuint(q.bytes->len, ==, 3);
	request_submit(&q);
	g_assert_cmpint(finish(&q), ==, 3);
	g_assert_cmpint(memcmp(q.bytes->data, "abcdef", 6), ==, 0);
	pool_fini(&q);
	close_pair(fd);
}

struct writer {
	int fd;
	unsigned char *data;
};

static void *write_all(void *arg)
{
	struct writer *w = arg;
	size_t done = 0;

	while (done < BIG) {
		ssize_t n = send(w->fd, w->data + done, BIG - done, MSG_NOSIGNAL);

		g_assert_cmpint(n, >, 0);
		done += (size_t)n;
	}
	shutdown(w->fd, SHUT_WR);
	return NULL;
}

/* 8 MiB through buffers that come back late and out of step with the receives. */
static void pool_stream(gconstpointer data)
{
	struct writer w = { .data = pattern(BIG) };
	struct request q;
	pthread_t thread;
	unsigned int turns = 0;
	int fd[2];

	make_pair(kind_of(data), fd);
	w.fd = fd[1];
	pool_init(&q, fd[0]);
	q.held = g_queue_new();
	request_submit(&q);
	pthread_create(&thread, NULL, write_all, &w);
	while (!pool_over(&q)) {
		turn(now() + MSEC);
		if (turns++ % 3 == 0)
			give_back(&q);
		if (turns % 16 == 0)
			give_back(&q);
	}
	pthread_join(thread, NULL);
	while (!g_queue_is_empty(q.held))
		give_back(&q);
	g_assert_cmpint(q.res, ==, 0);
	g_assert_cmpuint(q.bytes->len, ==, BIG);
	assert_pattern(q.bytes);
	pool_fini(&q);
	g_free(w.data);
	close_pair(fd);
}

/* Two buffers, ten connections: nobody is forgotten, nobody spins while there is nothing to be had. */
static void pool_starved(gconstpointer data)
{
	struct rln_backend_config cfg;
	struct request q[10];
	GQueue *held = g_queue_new();
	unsigned char *bytes = pattern(100);
	uint64_t waits;
	int fd[10][2];

	fixture_tear_down();
	fixture_config(&cfg);
	cfg.buf_count = 2;
	cfg.buf_size = 4096;
	cfg.buf_limit = 8192;
	cfg.disabled = RLN_FEATURE_INC;
	fixture_open(&cfg);

	for (size_t i = 0; i < 10; i++) {
		make_pair(kind_of(data), fd[i]);
		put(fd[i][1], bytes, 100);
		pool_init(&q[i], fd[i][0]);
		q[i].held = held;
		request_submit(&q[i]);
	}
	run_for(20);
	g_assert_cmpuint(g_queue_get_length(held), ==, 2);
	g_assert_cmpuint(rln_stat_get(&backend->stats.starved), >, 0);

	/* nothing comes back: it sleeps */
	waits = rln_stat_get(&backend->stats.syscalls);
	run_for(100);
	g_assert_cmpuint(rln_stat_get(&backend->stats.syscalls) - waits, <, 20);
	g_assert_cmpuint(g_queue_get_length(held), ==, 2);

	/* one at a time */
	for (size_t got = 0; got < 1000;) {
		rln_buf_unref(g_queue_pop_head(held));
		RUN_UNTIL(g_queue_get_length(held) == 2 || rln_stat_get(&backend->stats.bufs_free) > 0);
		turn(now() + MSEC);
		for (size_t i = got = 0; i < 10; i++) {
			pool_over(&q[i]);
			got += q[i].bytes->len;
		}
		if (g_queue_is_empty(held))
			RUN_UNTIL(!g_queue_is_empty(held));
	}
	for (size_t i = 0; i < 10; i++) {
		g_assert_cmpuint(q[i].bytes->len, ==, 100);
		assert_pattern(q[i].bytes);
		if (!q[i].ended) {
			rln_op_cancel(&q[i].op);
			g_assert_cmpint(finish(&q[i]), ==, -ECANCELED);
		}
		close_pair(fd[i]);
		g_byte_array_unref(q[i].bytes);
	}
	while (!g_queue_is_empty(held))
		rln_buf_unref(g_queue_pop_head(held));
	g_queue_free(held);
	g_free(bytes);
}

/* Starved, then cancelled: one terminal, and nobody gets its buffer. */
static void pool_starved_cancel(gconstpointer data rln_unused)
{
	struct rln_backend_config cfg;
	struct request q[3];
	int fd[3][2];

	fixture_tear_down();
	fixture_config(&cfg);
	cfg.buf_count = 2;
	cfg.buf_size = 4096;
	cfg.buf_limit = 8192;
	cfg.disabled = RLN_FEATURE_INC;
	fixture_open(&cfg);
	for (size_t i = 0; i < 3; i++) {
		make_pair(PAIR_UNIX, fd[i]);
		put(fd[i][1], "x", 1);
		pool_init(&q[i], fd[i][0]);
		q[i].held = g_queue_new();
		request_submit(&q[i]);
		run_for(5);
	}
	g_assert_cmpuint(q[2].more, ==, 0);
	g_assert_true(q[1].scarce);
	for (size_t i = 0; i < 3; i++) {
		rln_op_cancel(&q[i].op);
		finish(&q[i]);
	}
	g_assert_cmpint(q[2].res, ==, -ECANCELED);
	for (size_t i = 0; i < 3; i++) {
		give_back(&q[i]);
		pool_fini(&q[i]);
		close_pair(fd[i]);
	}
}

static const struct fixture_test tests[] = {
	ONE("nop", nop),
	BOTH("recv/now-and-later", recv_now_and_later),
	BOTH("recv/end", recv_end),
	ONE("recv/reset", recv_reset),
	BOTH("recv/cancel", recv_cancel),
	ONE("bad-descriptor", bad_descriptor),
	BOTH("send/whole", send_whole),
	BOTH("sendmsg/whole", sendmsg_whole),
	BOTH("send/cancel-partial", send_cancel_partial),
	BOTH("send/cancel-empty", send_cancel_empty),
	BOTH("send/nobody", send_to_nobody),
	ONE("connect/tcp", connect_tcp_op),
	ONE("connect/tcp-cancel", connect_tcp_cancel),
	ONE("connect/unix", connect_unix_op),
	ONE("connect/unix-full", connect_unix_full),
	ONE("accept/many", accept_many),
	ONE("accept/one", accept_one),
	ONE("accept/no-descriptors", accept_no_descriptors),
	BOTH("recv-pool/messages", pool_messages),
	ONE("recv-pool/cancel-and-reset", pool_cancel_and_reset),
	BOTH("recv-pool/oneshot", pool_oneshot),
	BOTH("recv-pool/stream", pool_stream),
	BOTH("recv-pool/starved", pool_starved),
	ONE("recv-pool/starved-cancel", pool_starved_cancel),
};

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	if (!fixture_init())
		return 0;
	fixture_add(tests, G_N_ELEMENTS(tests));
	return g_test_run();
}
