/* SPDX-License-Identifier: MIT */
/* What the epoll engine promises beyond the seam's contract: its price, its fallbacks, its failures. */
#include "backend/bufpool.h"
#include "backend/fdtable.h"
#include "base/fault.h"
#include "backend-fixture.h"

#define CLIENTS 50

static uint64_t syscalls(void)
{
	return rln_stat_get(&backend->stats.syscalls);
}

static void reopen(const struct rln_backend_config *cfg)
{
	fixture_tear_down();
	fixture_open(cfg);
}

/* --- the price of a request --------------------------------------------------------------------------------------- */

struct echo {
	struct request recv;
	struct request send;
	char buf[64];
	int fd[2];
};

static void echo_received(struct request *q, const struct rln_completion *c)
{
	struct echo *e = rln_container_of(q, struct echo, recv);

	if (c->res <= 0)
		return;
	memcpy(e->buf, c->data, (size_t)c->res);
	request_start(&e->send, RLN_OP_SEND, e->fd[0], e->buf, (size_t)c->res);
}

/* 50 connections in lockstep: one receive and one send each, and next to nothing for epoll. */
static void price(gconstpointer data)
{
	static struct echo e[CLIENTS];
	char buf[64] = { 0 };
	uint64_t before = 0;

	for (size_t i = 0; i < CLIENTS; i++) {
		make_pair(kind_of(data), e[i].fd);
		request_init(&e[i].recv, RLN_OP_RECV_POOL, e[i].fd[0], NULL, 0);
		e[i].recv.then = echo_received;
		request_submit(&e[i].recv);
	}
	for (unsigned int round = 0; round < 110; round++) {
		if (round == 10)
			before = syscalls();
		for (size_t i = 0; i < CLIENTS; i++) {
			e[i].send.ended = 0;
			put(e[i].fd[1], buf, sizeof(buf));
		}
		for (size_t i = 0; i < CLIENTS; i++) {
			RUN_UNTIL(e[i].send.ended);
			g_assert_cmpint(recv(e[i].fd[1], buf, sizeof(buf), MSG_WAITALL), ==, sizeof(buf));
		}
	}
	g_assert_cmpuint(syscalls() - before, <=, 100 * CLIENTS * 205 / 100);
	for (size_t i = 0; i < CLIENTS; i++) {
		rln_op_cancel(&e[i].recv.op);
		finish(&e[i].recv);
		close_pair(e[i].fd);
	}
}

/* A descriptor that never has to wait is never registered. */
static void price_of_a_send(gconstpointer data)
{
	uint64_t before;
	int fd[2];

	make_pair(kind_of(data), fd);
	before = syscalls();
	g_assert_cmpint(perform(RLN_OP_SEND, fd[0], (char[]){ "abc" }, 3), ==, 3);
	close_fd(fd[0]);
	g_assert_cmpuint(syscalls() - before, ==, 2);
	close(fd[1]);
}

static void price_of_idleness(gconstpointer data rln_unused)
{
	uint64_t before = syscalls();

	turn(0);
	g_assert_cmpuint(syscalls(), ==, before);
	turn(now() + 50 * MSEC);
	g_assert_cmpuint(syscalls() - before, <=, 3);
}

/* --- short reads that do not mean "empty" ------------------------------------------------------------------------- */

static void receive_exactly(int fd, size_t len)
{
	struct request q;

	request_init(&q, RLN_OP_RECV_POOL, fd, NULL, 0);
	q.bytes = g_byte_array_new();
	request_submit(&q);
	RUN_UNTIL(q.bytes->len >= len);
	g_assert_cmpuint(q.bytes->len, ==, len);
	rln_op_cancel(&q.op);
	g_assert_cmpint(finish(&q), ==, -ECANCELED);
	g_byte_array_unref(q.bytes);
}

/* TCP stops at the mark of urgent data. */
static void urgent(gconstpointer data rln_unused)
{
	int fd[2];

	make_pair(PAIR_TCP, fd);
	put(fd[1], "before", 6);
	g_assert_cmpint(send(fd[1], "!", 1, MSG_OOB), ==, 1);
	put(fd[1], "after", 5);
	g_usleep(20000);
	receive_exactly(fd[0], 11);
	close_pair(fd);
}

static void send_descriptor(int fd, int what)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = (char[]){ "fd" }, .iov_len = 2 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	memset(&control, 0, sizeof(control));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &what, sizeof(int));
	g_assert_cmpint(sendmsg(fd, &msg, MSG_NOSIGNAL), ==, 2);
}

/* A unix stream stops behind a message that carried descriptors. */
static void ancillary(gconstpointer data rln_unused)
{
	int fd[2];

	make_pair(PAIR_UNIX, fd);
	/* the first read finds out what kind of socket it is */
	put(fd[1], "x", 1);
	receive_exactly(fd[0], 1);
	for (unsigned int i = 0; i < 5; i++)
		send_descriptor(fd[1], 0);
	put(fd[1], "end", 3);
	receive_exactly(fd[0], 13);
	close_pair(fd);
}

/* Messages are read one by one. */
static void messages(gconstpointer data rln_unused)
{
	int fd[2];

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), ==, 0);
	for (unsigned int i = 0; i < 20; i++)
		put(fd[1], "message", 7);
	receive_exactly(fd[0], 140);
	close_pair(fd);
}

static void regular_file(gconstpointer data rln_unused)
{
	char name[] = "ringline-epoll-XXXXXX";
	int fd = mkstemp(name);
	struct request q;
	char buf[16];

	unlink(name);
	g_assert_cmpint(perform(RLN_OP_SEND, fd, (char[]){ "file" }, 4), ==, 4);
	g_assert_cmpint(lseek(fd, 0, SEEK_SET), ==, 0);
	g_assert_cmpint(perform(RLN_OP_RECV, fd, buf, sizeof(buf)), ==, 4);
	g_assert_cmpint(perform(RLN_OP_RECV, fd, buf, sizeof(buf)), ==, 0);
	request_init(&q, RLN_OP_POLL, fd, NULL, 0);
	q.op.arg = POLLIN;
	request_submit(&q);
	g_assert_cmpint(finish(&q), ==, -EPERM);
	close_fd(fd);
}

/* --- buffers ------------------------------------------------------------------------------------------------------ */

/* Small reads of one batch share a block. */
static void buffers_shared(gconstpointer data)
{
	struct request q[20];
	GQueue *held = g_queue_new();
	int fd[20][2];

	for (size_t i = 0; i < 20; i++) {
		make_pair(kind_of(data), fd[i]);
		put(fd[i][1], "abc", 3);
		request_init(&q[i], RLN_OP_RECV_POOL, fd[i][0], NULL, 0);
		q[i].held = held;
		request_submit(&q[i]);
	}
	RUN_UNTIL(g_queue_get_length(held) == 20);
	g_assert_cmpuint(rln_stat_get(&backend->stats.bufs_total), <=, 3);
	for (size_t i = 0; i < 20; i++) {
		rln_buf_unref(g_queue_pop_head(held));
		rln_op_cancel(&q[i].op);
		finish(&q[i]);
		close_pair(fd[i]);
	}
	g_queue_free(held);
}

/* Blocks that are still lent when the pool goes stay readable until they are returned. */
static void buffers_outlive(gconstpointer data rln_unused)
{
	struct request q;
	struct rln_buf *buf;
	int fd[2];

	make_pair(PAIR_UNIX, fd);
	request_init(&q, RLN_OP_RECV_POOL, fd[0], NULL, 0);
	q.op.flags = RLN_OPF_ONESHOT;
	q.held = g_queue_new();
	put(fd[1], "abc", 3);
	request_submit(&q);
	g_assert_cmpint(finish(&q), ==, 3);
	close_pair(fd);
	buf = g_queue_pop_head(q.held);
	g_queue_free(q.held);
	fixture_close();
	g_assert_cmpint(memcmp(buf->mem, "abc", 3), ==, 0);
	rln_buf_unref(buf);
	g_assert_cmpuint(rln_mem_live(), ==, mem_before);
	fixture_set_up();
}

/* Memory that a burst needed is given back: at once on demand, otherwise after many batches that did not need it. */
static void buffers_trimmed(gconstpointer data rln_unused)
{
	struct rln_backend_stats stats = { 0 };
	struct rln_backend_config cfg = { .buf_count = 2, .buf_size = 4096, .buf_limit = 64 * 4096 };
	struct rln_buf *held[64];
	struct rln_bufpool *p;

	g_assert_cmpint(rln_bufpool_new(&p, &cfg, &stats), ==, 0);
	for (unsigned int round = 0; round < 2; round++) {
		for (size_t i = 0; i < 64; i++) {
			held[i] = rln_bufpool_current(p);
			g_assert_nonnull(held[i]);
			rln_bufpool_commit(p, 4096);
			g_assert_true(rln_bufpool_scarce(p) == (i >= 48));
		}
		g_assert_null(rln_bufpool_current(p));
		g_assert_cmpuint(rln_bufpool_available(p), ==, 0);
		for (size_t i = 0; i < 64; i++)
			rln_buf_unref(held[i]);
		g_assert_true(rln_bufpool_swollen(p));
		g_assert_false(rln_bufpool_lent(p));
		if (round == 0)
			rln_bufpool_trim(p);
		else
			for (unsigned int i = 0; i < 10000; i++)
				rln_bufpool_settle(p);
		g_assert_cmpuint(rln_stat_get(&stats.bufs_total), ==, 2);
		g_assert_cmpuint(rln_stat_get(&stats.bufs_free), ==, 2);
	}
	rln_bufpool_free(p);
}

/* A worker that sleeps gives back first, and without being woken for it again and again. */
static void buffers_idle(gconstpointer data rln_unused)
{
	struct request q[12];
	GQueue *held = g_queue_new();
	struct rln_backend_config cfg;
	uint64_t before;
	int fd[12][2];

	fixture_config(&cfg);
	cfg.buf_size = 4096;
	reopen(&cfg);
	for (size_t i = 0; i < 12; i++) {
		make_pair(PAIR_UNIX, fd[i]);
		put(fd[i][1], "abc", 3);
		request_init(&q[i], RLN_OP_RECV_POOL, fd[i][0], NULL, 0);
		q[i].held = held;
		request_submit(&q[i]);
	}
	RUN_UNTIL(g_queue_get_length(held) == 12);
	g_assert_cmpuint(rln_stat_get(&backend->stats.bufs_total), >=, 12);
	for (size_t i = 0; i < 12; i++)
		rln_buf_unref(g_queue_pop_head(held));
	before = syscalls();
	turn(now() + 1100 * MSEC);
	g_assert_cmpuint(rln_stat_get(&backend->stats.bufs_total), <, 12);
	g_assert_cmpuint(syscalls() - before, <=, 4);
	for (size_t i = 0; i < 12; i++) {
		rln_op_cancel(&q[i].op);
		finish(&q[i]);
		close_pair(fd[i]);
	}
	g_queue_free(held);
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

static void table(gconstpointer data rln_unused)
{
	struct rln_fdtable t;
	struct rln_fdstate *first;
	struct rln_fdstate *st;
	int high = fcntl(0, F_DUPFD_CLOEXEC, 600);

	rln_fdtable_init(&t);
	g_assert_null(rln_fdtable_find(&t, 0));
	g_assert_cmpint(rln_fdtable_get(&t, -1, &st), ==, -EBADF);
	g_assert_cmpint(rln_fdtable_get(&t, 1 << 30, &st), ==, -EBADF);
	g_assert_cmpint(rln_fdtable_get(&t, 0, &first), ==, 0);
	g_assert_cmpint(first->fd, ==, 0);
	g_assert_cmpint(rln_fdtable_get(&t, high, &st), ==, 0);
	g_assert_cmpint(st->fd, ==, high);
	g_assert_true(rln_fdtable_find(&t, 0) == first);
	g_assert_true(rln_fdtable_find(&t, high) == st);
	rln_fdtable_fini(&t);
	close(high);
}

/* --- fallbacks and failures --------------------------------------------------------------------------------------- */

static void no_pwait2(gconstpointer data rln_unused)
{
	struct rln_backend_config cfg;
	uint64_t until;

	fixture_config(&cfg);
	cfg.disabled = RLN_FEATURE_PWAIT2;
	reopen(&cfg);
	for (unsigned int i = 0; i < 20; i++) {
		until = now() + 100001 * i;
		turn(until);
		g_assert_cmpuint(now(), >=, until);
	}
}

#ifdef RLN_FAULT_INJECTION
static void fault_wait(gconstpointer data rln_unused)
{
	uint64_t until = now() + 3333333;

	rln_fault_arm(RLN_FAULT_EPOLL_WAIT, 0, 1, ENOSYS);
	turn(until);
	g_assert_cmpuint(now(), >=, until);
	rln_fault_arm(RLN_FAULT_EPOLL_WAIT, 0, 5, EINTR);
	turn(now() + 100);
	rln_fault_arm(RLN_FAULT_EPOLL_WAIT, 0, 1, EBADF);
	g_assert_cmpint(backend->ops->wait(backend, now() + MSEC), ==, -EBADF);
	rln_fault_disarm_all();
}

/* Whatever fails while it opens, nothing is left behind. */
static void fault_open(gconstpointer data rln_unused)
{
	static const enum rln_fault_point point[] = { RLN_FAULT_ALLOC, RLN_FAULT_EPOLL, RLN_FAULT_EVENTFD };
	struct rln_backend_config cfg;
	unsigned int fds = count_fds();
	uint64_t mem = rln_mem_live();
	struct rln_backend *other;
	char why[128];

	fixture_config(&cfg);
	for (size_t i = 0; i < G_N_ELEMENTS(point); i++) {
		for (uint32_t skip = 0; skip < 2; skip++) {
			rln_fault_arm(point[i], skip, 1, ENOMEM);
			if (skip == 0 || point[i] != RLN_FAULT_EVENTFD)
				g_assert_cmpint(rln_backend_epoll.open(&other, &cfg), ==, -ENOMEM);
			rln_fault_arm(point[i], 0, 1, ENOMEM);
			g_assert_cmpint(rln_backend_epoll.probe(&cfg, why, sizeof(why)), ==, -ENOMEM);
			g_assert_nonnull(strstr(why, "epoll"));
		}
	}
	rln_fault_disarm_all();
	g_assert_cmpuint(count_fds(), ==, fds);
	g_assert_cmpuint(rln_mem_live(), ==, mem);
}

static void fault_transfer(gconstpointer data)
{
	struct request q;
	char buf[64];
	int fd[2];

	make_pair(kind_of(data), fd);
	/* would block, though no event will come */
	put(fd[1], "abc", 3);
	rln_fault_arm(RLN_FAULT_RECV, 0, 3, EAGAIN);
	g_assert_cmpint(perform(RLN_OP_RECV, fd[0], buf, sizeof(buf)), ==, 3);
	rln_fault_arm(RLN_FAULT_SEND, 0, 3, EAGAIN);
	g_assert_cmpint(perform(RLN_OP_SEND, fd[0], buf, 3), ==, 3);
	put(fd[1], "abc", 3);
	rln_fault_arm(RLN_FAULT_RECV, 0, 3, EAGAIN);
	receive_exactly(fd[0], 3);

	rln_fault_arm(RLN_FAULT_SEND, 0, 1, ENOBUFS);
	g_assert_cmpint(perform(RLN_OP_SEND, fd[0], buf, 3), ==, -ENOBUFS);
	put(fd[1], "abc", 3);
	rln_fault_arm(RLN_FAULT_RECV, 0, 1, ECONNRESET);
	g_assert_cmpint(perform(RLN_OP_RECV, fd[0], buf, sizeof(buf)), ==, -ECONNRESET);
	g_assert_cmpint(perform(RLN_OP_RECV, fd[0], buf, sizeof(buf)), ==, 3);

	/* no watch is to be had */
	rln_fault_arm(RLN_FAULT_EPOLL, 0, 1, ENOSPC);
	request_init(&q, RLN_OP_POLL, fd[0], NULL, 0);
	q.op.arg = POLLIN;
	request_submit(&q);
	g_assert_cmpint(finish(&q), ==, -ENOSPC);
	rln_fault_disarm_all();
	close_pair(fd);
}

static void fault_accept(gconstpointer data rln_unused)
{
	struct sockaddr_in address;
	int listener = listen_tcp(&address, 8);
	int client = connect_tcp(&address);
	struct request q;

	request_init(&q, RLN_OP_ACCEPT, listener, NULL, 0);
	rln_fault_arm(RLN_FAULT_ACCEPT, 0, 1, ENOBUFS);
	request_submit(&q);
	g_assert_cmpint(finish(&q), ==, -ENOBUFS);
	q.op.flags = RLN_OPF_ONESHOT;
	rln_fault_arm(RLN_FAULT_ACCEPT, 0, 100, ECONNABORTED);
	request_submit(&q);
	g_assert_cmpint(finish(&q), >=, 0);
	rln_fault_disarm_all();
	close_fd((int)q.res);
	close(client);
	close_fd(listener);
}

/* Memory is short at the first op on a descriptor, and at the first receive into a buffer. */
static void fault_memory(gconstpointer data rln_unused)
{
	struct request q;
	char buf[8];
	int fd[2];

	make_pair(PAIR_UNIX, fd);
	for (uint32_t skip = 0; skip < 2; skip++) {
		rln_fault_arm(RLN_FAULT_ALLOC, skip, 1, ENOMEM);
		request_start(&q, RLN_OP_RECV, fd[0], buf, sizeof(buf));
		g_assert_cmpint(finish(&q), ==, -ENOMEM);
	}
	put(fd[1], "abc", 3);
	rln_fault_arm(RLN_FAULT_MMAP, 0, 1, ENOMEM);
	request_start(&q, RLN_OP_RECV_POOL, fd[0], NULL, 0);
	g_assert_cmpint(finish(&q), ==, -ENOMEM);
	rln_fault_disarm_all();
	receive_exactly(fd[0], 3);
	close_pair(fd);
}

/* A buffer is lent and no other can be had: the op waits for it, without spinning. */
static void fault_memory_starves(gconstpointer data rln_unused)
{
	struct request q[2];
	GQueue *held = g_queue_new();
	uint64_t before;
	int fd[2][2];

	for (size_t i = 0; i < 2; i++) {
		make_pair(PAIR_UNIX, fd[i]);
		put(fd[i][1], "abc", 3);
		request_init(&q[i], RLN_OP_RECV_POOL, fd[i][0], NULL, 0);
		q[i].held = held;
		request_submit(&q[i]);
		run_for(5);
		rln_fault_arm(RLN_FAULT_MMAP, 0, 1000, ENOMEM);
	}
	g_assert_cmpuint(q[1].more, ==, 0);
	before = syscalls();
	run_for(50);
	g_assert_cmpuint(syscalls() - before, <, 10);
	rln_buf_unref(g_queue_pop_head(held));
	RUN_UNTIL(q[1].more);
	rln_buf_unref(g_queue_pop_head(held));
	rln_fault_disarm_all();
	for (size_t i = 0; i < 2; i++) {
		rln_op_cancel(&q[i].op);
		finish(&q[i]);
		close_pair(fd[i]);
	}
	g_queue_free(held);
}
#endif

static const struct fixture_test tests[] = {
	BOTH("epoll/price", price),
	BOTH("epoll/price-of-a-send", price_of_a_send),
	ONE("epoll/price-of-idleness", price_of_idleness),
	ONE("epoll/urgent", urgent),
	ONE("epoll/ancillary", ancillary),
	ONE("epoll/messages", messages),
	ONE("epoll/regular-file", regular_file),
	BOTH("epoll/buffers/shared", buffers_shared),
	ONE("epoll/buffers/outlive", buffers_outlive),
	ONE("epoll/buffers/trimmed", buffers_trimmed),
	ONE("epoll/buffers/idle", buffers_idle),
	ONE("epoll/table", table),
	ONE("epoll/no-pwait2", no_pwait2),
#ifdef RLN_FAULT_INJECTION
	ONE("epoll/fault/wait", fault_wait),
	ONE("epoll/fault/open", fault_open),
	BOTH("epoll/fault/transfer", fault_transfer),
	ONE("epoll/fault/accept", fault_accept),
	ONE("epoll/fault/memory", fault_memory),
	ONE("epoll/fault/memory-starves", fault_memory_starves),
#endif
};

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_setenv("RINGLINE_TEST_ENGINE", "epoll", TRUE);
	if (!fixture_init())
		return 0;
	fixture_add(tests, G_N_ELEMENTS(tests));
	return g_test_run();
}
