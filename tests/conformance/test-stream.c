/* SPDX-License-Identifier: MIT */
/* Byte streams: what is sent arrives, whole, in order, once; then the end or the error. */
#include <sys/uio.h>

#include "support/conformance.h"

#define MANY_SENDERS 8
#define RECORDS      40

static void close_peer(struct conf_line *l)
{
	close(l->peer);
	l->peer = -1;
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

static int put_late(void *arg)
{
	conf_pause();
	conf_put(*(int *)arg, "later", 5);
	return 0;
}

static void recv_body(struct conf_line *l)
{
	char buf[16];

	conf_put(l->peer, "first", 5);
	g_assert_cmpint(ringline_conn_recv(l->conn, buf, sizeof(buf)), ==, 5);
	g_assert_cmpmem(buf, 5, "first", 5);
	CONF_OK(ringline_spawn(put_late, &l->peer));
	g_assert_cmpint(ringline_conn_recv(l->conn, buf, sizeof(buf)), ==, 5);
	g_assert_cmpmem(buf, 5, "later", 5);
	g_assert_cmpint(ringline_conn_recv(l->conn, buf, 0), ==, 0);
	conf_put(l->peer, "abcd", 4);
	g_assert_cmpint(ringline_conn_recv(l->conn, buf, 1), ==, 1);
	g_assert_cmpint(ringline_conn_recv(l->conn, buf + 1, 3), ==, 3);
	g_assert_cmpmem(buf, 4, "abcd", 4);
}

static void test_recv(enum conf_kind kind)
{
	conf_run_line(kind, recv_body);
}

static int put_pieces(void *arg)
{
	char buf[1000];
	int i;

	for (i = 0; i < 10; i++) {
		conf_fill(buf, sizeof(buf), 1, (uint64_t)i * sizeof(buf));
		conf_put(*(int *)arg, buf, sizeof(buf));
		conf_pause();
	}
	return 0;
}

static void exact_body(struct conf_line *l)
{
	char *buf = g_malloc(10000);

	CONF_OK(ringline_spawn(put_pieces, &l->peer));
	g_assert_cmpint(ringline_conn_recv_exact(l->conn, buf, 9990), ==, 9990);
	conf_check(buf, 9990, 1, 0);
	g_assert_cmpint(ringline_conn_recv_exact(l->conn, buf, 10), ==, 10);
	conf_check(buf, 10, 1, 9990);
	g_free(buf);
}

static void test_recv_exact(enum conf_kind kind)
{
	conf_run_line(kind, exact_body);
}

static void exact_end_body(struct conf_line *l)
{
	struct ringline_conn_info info = { sizeof(info), 0, 0, 0, 0, 0 };
	char buf[8];

	conf_put(l->peer, "abc", 3);
	CONF_OK(shutdown(l->peer, SHUT_WR));
	g_assert_cmpint(ringline_conn_recv_exact(l->conn, buf, 8), ==, -ENODATA);
	CONF_OK(ringline_conn_info(l->conn, &info));
	g_assert_cmpuint(info.bytes_received, ==, 3);
	g_assert_cmpint(ringline_conn_recv_exact(l->conn, buf, 8), ==, 0);
	g_assert_cmpint(ringline_conn_recv(l->conn, buf, 8), ==, 0);
}

static void test_recv_exact_end(enum conf_kind kind)
{
	conf_run_line(kind, exact_end_body);
}

static void peek_body(struct conf_line *l)
{
	const void *data;
	const void *again;
	char buf[8];

	conf_put(l->peer, "abcdef", 6);
	g_assert_cmpint(ringline_conn_peek(l->conn, &data), ==, 6);
	g_assert_cmpmem(data, 6, "abcdef", 6);
	g_assert_cmpint(ringline_conn_peek(l->conn, &again), ==, 6);
	g_assert_true(data == again);
	g_assert_cmpint(ringline_conn_consume(l->conn, 7), ==, -EINVAL);
	CONF_OK(ringline_conn_consume(l->conn, 2));
	g_assert_cmpint(ringline_conn_peek(l->conn, &data), ==, 4);
	g_assert_cmpmem(data, 4, "cdef", 4);
	CONF_OK(ringline_conn_consume(l->conn, 0));
	g_assert_cmpint(ringline_conn_recv(l->conn, buf, 2), ==, 2);
	CONF_OK(ringline_conn_consume(l->conn, 2));
	g_assert_cmpint(ringline_conn_consume(l->conn, 1), ==, -EINVAL);
	CONF_OK(shutdown(l->peer, SHUT_WR));
	g_assert_cmpint(ringline_conn_peek(l->conn, &data), ==, 0);
}

static void test_peek_consume(enum conf_kind kind)
{
	conf_run_line(kind, peek_body);
}

/* --- a thread at the other end ------------------------------------------------------------------------------------ */

struct feeder {
	int fd;
	size_t total;
	uint32_t seed;
};

/* Everything in pieces of random sizes. */
static void *feed(void *arg)
{
	struct feeder *f = arg;
	GRand *rand = g_rand_new_with_seed(f->seed);
	char *buf = g_malloc(100000);
	size_t off = 0;

	while (off < f->total) {
		size_t n = (size_t)g_rand_int_range(rand, 1, 100000);

		n = MIN(n, f->total - off);
		conf_fill(buf, n, f->seed, off);
		conf_put(f->fd, buf, n);
		off += n;
	}
	g_free(buf);
	g_rand_free(rand);
	return NULL;
}

static void *eat(void *arg)
{
	struct feeder *f = arg;
	char *buf = g_malloc(50000);
	size_t off = 0;

	while (off < f->total) {
		ssize_t n = recv(f->fd, buf, 50000, 0);

		if (n < 0 && errno == EAGAIN) {
			conf_pause();
			continue;
		}
		g_assert_cmpint(n, >, 0);
		conf_check(buf, (size_t)n, f->seed, off);
		off += (size_t)n;
	}
	g_assert_cmpuint(off, ==, f->total);
	g_free(buf);
	return NULL;
}


static pthread_t start_thread(struct conf_line *l, void *(*fn)(void *), struct feeder *f)
{
	pthread_t thread;

	f->fd = l->peer;
	CONF_OK(pthread_create(&thread, NULL, fn, f));
	return thread;
}

/* --- receiving much ----------------------------------------------------------------------------------------------- */

/* Whatever mixture of calls takes the bytes, they are the bytes. */
static void take_mixed(struct ringline_conn *conn, size_t total, uint32_t seed)
{
	GRand *rand = g_rand_new_with_seed(seed);
	char *buf = g_malloc(200000);
	size_t off = 0;

	while (off < total) {
		size_t want = (size_t)g_rand_int_range(rand, 1, g_rand_boolean(rand) ? 200000 : 2000);
		const void *data;
		ssize_t n;

		want = MIN(want, total - off);
		switch (g_rand_int_range(rand, 0, 3)) {
		case 0:
			n = ringline_conn_recv(conn, buf, want);
			data = buf;
			break;
		case 1:
			n = ringline_conn_recv_exact(conn, buf, want);
			g_assert_cmpint(n, ==, want);
			data = buf;
			break;
		default:
			n = ringline_conn_peek(conn, &data);
			n = MIN(n, (ssize_t)want);
			break;
		}
		g_assert_cmpint(n, >, 0);
		conf_check(data, (size_t)n, seed, off);
		if (data != buf)
			CONF_OK(ringline_conn_consume(conn, (size_t)n));
		off += (size_t)n;
	}
	g_free(buf);
	g_rand_free(rand);
}

static void mixed_body(struct conf_line *l)
{
	struct feeder f = { .total = 4 << 20, .seed = 7 };
	pthread_t thread = start_thread(l, feed, &f);

	take_mixed(l->conn, f.total, f.seed);
	pthread_join(thread, NULL);
}

static void test_mixed(enum conf_kind kind)
{
	conf_run_line(kind, mixed_body);
}

static uint64_t count_of(const char *operation)
{
	uint64_t n;

	CONF_OK(ringline_worker_op_count(NULL, 0, operation, conf_is("epoll") ? "epoll" : "io_uring", &n));
	return n;
}

/* A reader that wants much after smaller receives: its memory and the pool's buffers, in the order of the bytes. */
static void direct_body(struct conf_line *l)
{
	struct feeder f = { .total = 3 << 20, .seed = 3 };
	char *buf = g_malloc(1 << 20);
	pthread_t thread = start_thread(l, feed, &f);
	int i;

	g_assert_cmpint(ringline_conn_recv_exact(l->conn, buf, 1000), ==, 1000);
	conf_check(buf, 1000, 3, 0);
	for (i = 0; i < 2; i++) {
		g_assert_cmpint(ringline_conn_recv_exact(l->conn, buf, 1 << 20), ==, 1 << 20);
		conf_check(buf, 1 << 20, 3, 1000 + ((uint64_t)i << 20));
	}
	g_assert_cmpint(ringline_conn_recv_exact(l->conn, buf, (1 << 20) - 1000), ==, (1 << 20) - 1000);
	conf_check(buf, (1 << 20) - 1000, 3, 1000 + (2 << 20));
	pthread_join(thread, NULL);
	g_free(buf);
}

static void test_direct(enum conf_kind kind)
{
	conf_run_line(kind, direct_body);
}

/* A reader that wants much and finds nothing has its memory filled without a buffer in between. */
static void direct_end_body(struct conf_line *l)
{
	char *buf = g_malloc(100000);

	CONF_OK(ringline_spawn(put_late, &l->peer));
	g_assert_cmpint(ringline_conn_recv(l->conn, buf, 100000), ==, 5);
	g_assert_cmpuint(count_of("recv"), ==, 1);
	g_assert_cmpuint(count_of("recv_pool"), ==, 0);
	CONF_OK(shutdown(l->peer, SHUT_WR));
	g_assert_cmpint(ringline_conn_recv(l->conn, buf, 100000), ==, 0);
	g_assert_cmpint(ringline_conn_recv_exact(l->conn, buf, 100000), ==, 0);
	g_free(buf);
}

static void test_direct_end(enum conf_kind kind)
{
	conf_run_line(kind, direct_end_body);
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

static void sizes_body(struct conf_line *l)
{
	static const size_t slots[] = { 4096, 16384, 65536 };
	char *in = g_malloc(64 * 65536);
	char *out = g_malloc(64 * 65536);
	size_t i;
	size_t k;

	for (i = 0; i < G_N_ELEMENTS(slots); i++) {
		const size_t sizes[] = { 1, slots[i] - 1, slots[i], slots[i] + 1, 3 * slots[i] + 1, 64 * slots[i] };

		for (k = 0; k < G_N_ELEMENTS(sizes); k++) {
			struct feeder f = { .total = sizes[k], .seed = 5 };
			pthread_t thread;

			conf_fill(out, sizes[k], 5, 0);
			thread = start_thread(l, eat, &f);
			g_assert_cmpint(ringline_conn_send(l->conn, out, sizes[k]), ==, sizes[k]);
			pthread_join(thread, NULL);
		}
	}
	g_assert_cmpint(ringline_conn_send(l->conn, out, 0), ==, 0);
	g_assert_cmpuint(conf_take_some(l->peer, in, 1), ==, 0);
	g_free(in);
	g_free(out);
}

static void test_send_sizes(enum conf_kind kind)
{
	conf_run_line(kind, sizes_body);
}

static void sendv_of(struct conf_line *l, size_t pieces, size_t size)
{
	struct iovec *iov = g_new(struct iovec, pieces);
	char *out = g_malloc(pieces * size + 1);
	struct feeder f = { .seed = (uint32_t)pieces };
	pthread_t thread;
	size_t i;

	for (i = 0; i < pieces; i++) {
		iov[i].iov_base = i % 5 == 2 ? NULL : out + f.total;   /* every fifth is empty */
		iov[i].iov_len = i % 5 == 2 ? 0 : 1 + i % size;
		f.total += iov[i].iov_len;
	}
	conf_fill(out, f.total, f.seed, 0);
	thread = start_thread(l, eat, &f);
	g_assert_cmpint(ringline_conn_sendv(l->conn, iov, pieces), ==, f.total);
	pthread_join(thread, NULL);
	g_free(out);
	g_free(iov);
}

static void sendv_body(struct conf_line *l)
{
	static const size_t counts[] = { 1, 2, 3, 63, 64, 65, 128, 1000 };
	struct iovec none[4] = { 0 };
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(counts); i++) {
		sendv_of(l, counts[i], 10);
		sendv_of(l, counts[i], 5000);
	}
	g_assert_cmpint(ringline_conn_sendv(l->conn, none, 4), ==, 0);
	g_assert_cmpint(ringline_conn_sendv(l->conn, NULL, 0), ==, 0);
	g_assert_cmpint(ringline_conn_sendv(l->conn, NULL, 1), ==, -EINVAL);
	none[1].iov_len = 1;
	g_assert_cmpint(ringline_conn_sendv(l->conn, none, 4), ==, -EINVAL);
	none[0] = (struct iovec){ .iov_base = none, .iov_len = (size_t)-1 >> 1 };
	none[1] = (struct iovec){ .iov_base = none, .iov_len = 1 };
	g_assert_cmpint(ringline_conn_sendv(l->conn, none, 4), ==, -EINVAL);
}

static void test_sendv_pieces(enum conf_kind kind)
{
	conf_run_line(kind, sendv_body);
}

struct both {
	struct ringline_conn *conn;
	size_t total;
};

static int send_all(void *arg)
{
	struct both *b = arg;
	GRand *rand = g_rand_new_with_seed(99);
	char *buf = g_malloc(300000);
	size_t off = 0;

	while (off < b->total) {
		size_t n = (size_t)g_rand_int_range(rand, 1, g_rand_boolean(rand) ? 300000 : 3000);

		n = MIN(n, b->total - off);
		conf_fill(buf, n, 11, off);
		g_assert_cmpint(ringline_conn_send(b->conn, buf, n), ==, n);
		off += n;
	}
	g_free(buf);
	g_rand_free(rand);
	return 0;
}

/* 16 MiB each way at once, in random pieces. */
static void both_ways_body(struct conf_line *l)
{
	struct both b = { l->conn, 16 << 20 };
	struct feeder in = { .total = b.total, .seed = 12 };
	struct feeder out = { .total = b.total, .seed = 11 };
	struct ringline_conn_info info = { sizeof(info), 0, 0, 0, 0, 0 };
	pthread_t feeder = start_thread(l, feed, &in);
	pthread_t eater = start_thread(l, eat, &out);
	struct ringline_task *sender;

	CONF_OK(ringline_task_start(&sender, send_all, &b, NULL));
	take_mixed(l->conn, b.total, 12);
	CONF_OK(ringline_task_join(sender, NULL));
	pthread_join(feeder, NULL);
	pthread_join(eater, NULL);
	CONF_OK(ringline_conn_info(l->conn, &info));
	g_assert_cmpuint(info.bytes_received, ==, b.total);
	g_assert_cmpuint(info.bytes_sent, ==, b.total);
	g_assert_cmpuint(info.bytes_buffered, ==, 0);
	g_assert_cmpuint(info.bytes_queued, ==, 0);
}

static void test_both_ways(enum conf_kind kind)
{
	conf_run_line(kind, both_ways_body);
}

/* Records of one tag each, from many tasks at once; one in three as pieces. */
struct sender {
	struct ringline_conn *conn;
	unsigned char tag;
};

static int send_records(void *arg)
{
	struct sender *s = arg;
	GRand *rand = g_rand_new_with_seed(s->tag);
	unsigned char *buf = g_malloc(20004);
	uint32_t i;

	for (i = 0; i < RECORDS; i++) {
		uint32_t n = (uint32_t)g_rand_int_range(rand, 1, 20000);
		struct iovec iov[3] = { { buf, 5 }, { buf + 5, n / 2 }, { buf + 5 + n / 2, n - n / 2 } };

		buf[0] = s->tag;
		memcpy(buf + 1, &n, 4);
		memset(buf + 5, s->tag, n - 1);
		iov[2].iov_len = n - 1 - n / 2;
		if (n == 1)
			iov[1].iov_len = iov[2].iov_len = 0;
		if (i % 3)
			g_assert_cmpint(ringline_conn_send(s->conn, buf, n + 4), ==, n + 4);
		else
			g_assert_cmpint(ringline_conn_sendv(s->conn, iov, 3), ==, n + 4);
	}
	g_free(buf);
	g_rand_free(rand);
	return 0;
}

static void take_record(int fd, unsigned int *count)
{
	unsigned char *buf = g_malloc(20004);
	uint32_t n;
	uint32_t i;

	conf_take(fd, buf, 5);
	g_assert_cmpuint(buf[0], <, MANY_SENDERS);
	memcpy(&n, buf + 1, 4);
	g_assert_cmpuint(n, <, 20000);
	count[buf[0]]++;
	conf_take(fd, buf + 5, n - 1);
	for (i = 0; i < n - 1; i++)
		g_assert_cmpuint(buf[5 + i], ==, buf[0]);
	g_free(buf);
}

static void many_body(struct conf_line *l)
{
	struct sender s[MANY_SENDERS];
	unsigned int count[MANY_SENDERS] = { 0 };
	unsigned int i;

	for (i = 0; i < MANY_SENDERS; i++) {
		s[i] = (struct sender){ l->conn, (unsigned char)i };
		CONF_OK(ringline_spawn(send_records, &s[i]));
	}
	for (i = 0; i < MANY_SENDERS * RECORDS; i++)
		take_record(l->peer, count);
	for (i = 0; i < MANY_SENDERS; i++)
		g_assert_cmpuint(count[i], ==, RECORDS);
}

static void test_many_senders(enum conf_kind kind)
{
	conf_run_line(kind, many_body);
}

/* --- order and ends ----------------------------------------------------------------------------------------------- */

#define QUEUED      100
#define QUEUED_SIZE 100000

struct queue {
	struct ringline_conn *conn;
	unsigned int next;
};

static int send_one(void *arg)
{
	struct queue *q = arg;
	char *buf = g_malloc(QUEUED_SIZE);

	conf_fill(buf, QUEUED_SIZE, 21, (uint64_t)q->next++ * QUEUED_SIZE);
	g_assert_cmpint(ringline_conn_send(q->conn, buf, QUEUED_SIZE), ==, QUEUED_SIZE);
	g_free(buf);
	return 0;
}

/* Has 100 tasks send while the peer does not read. */
static void queue_sends(struct conf_line *l, struct queue *q)
{
	struct ringline_conn_info info = { sizeof(info), 0, 0, 0, 0, 0 };
	unsigned int i;

	conf_shrink(l->peer);
	q->conn = l->conn;
	q->next = 0;
	for (i = 0; i < QUEUED; i++)
		CONF_OK(ringline_spawn(send_one, q));
	CONF_UNTIL(q->next == QUEUED);
	CONF_OK(ringline_conn_info(l->conn, &info));
	g_assert_cmpuint(info.bytes_queued + info.bytes_sent, ==, QUEUED * QUEUED_SIZE);
}

static void take_queued(struct conf_line *l)
{
	char *buf = g_malloc(QUEUED * QUEUED_SIZE);

	g_assert_cmpuint(conf_take_all(l->peer, buf, QUEUED * QUEUED_SIZE), ==, QUEUED * QUEUED_SIZE);
	conf_check(buf, QUEUED * QUEUED_SIZE, 21, 0);
	g_free(buf);
}

static void shutdown_body(struct conf_line *l)
{
	struct queue q;

	queue_sends(l, &q);
	CONF_OK(ringline_conn_shutdown_write(l->conn));
	g_assert_cmpint(ringline_conn_send(l->conn, "x", 1), ==, -EPIPE);
	take_queued(l);
}

static void test_shutdown_queues(enum conf_kind kind)
{
	conf_run_line(kind, shutdown_body);
}

static void close_body(struct conf_line *l)
{
	struct queue q;

	queue_sends(l, &q);
	CONF_OK(ringline_conn_close(l->conn));
	l->conn = NULL;
	take_queued(l);
}

static void test_close_queues(enum conf_kind kind)
{
	conf_run_line(kind, close_body);
}

static void half_close_ours_body(struct conf_line *l)
{
	char buf[8];

	g_assert_cmpint(ringline_conn_send(l->conn, "out", 3), ==, 3);
	CONF_OK(ringline_conn_shutdown_write(l->conn));
	CONF_OK(ringline_conn_shutdown_write(l->conn));
	g_assert_cmpint(ringline_conn_send(l->conn, "x", 1), ==, -EPIPE);
	conf_take(l->peer, buf, 3);
	conf_expect_end(l->peer, 0);
	conf_put(l->peer, "back", 4);
	g_assert_cmpint(ringline_conn_recv_exact(l->conn, buf, 4), ==, 4);
	g_assert_cmpmem(buf, 4, "back", 4);
	close_peer(l);
	g_assert_cmpint(ringline_conn_recv(l->conn, buf, 4), ==, 0);
}

static void test_half_close_ours(enum conf_kind kind)
{
	conf_run_line(kind, half_close_ours_body);
}

static void half_close_theirs_body(struct conf_line *l)
{
	char buf[8];

	conf_put(l->peer, "in", 2);
	CONF_OK(shutdown(l->peer, SHUT_WR));
	g_assert_cmpint(ringline_conn_recv(l->conn, buf, 8), ==, 2);
	g_assert_cmpint(ringline_conn_recv(l->conn, buf, 8), ==, 0);
	g_assert_cmpint(ringline_conn_send(l->conn, "still", 5), ==, 5);
	conf_take(l->peer, buf, 5);
	g_assert_cmpint(ringline_conn_recv(l->conn, buf, 8), ==, 0);
}

static void test_half_close_theirs(enum conf_kind kind)
{
	conf_run_line(kind, half_close_theirs_body);
}

static void end_after_data_body(struct conf_line *l)
{
	struct feeder f = { .fd = l->peer, .total = 300000, .seed = 9 };
	char *buf = g_malloc(f.total);
	pthread_t thread = start_thread(l, feed, &f);
	size_t off = 0;
	ssize_t n;

	/* the first receive arms; the rest and the end arrive while nobody waits */
	n = ringline_conn_recv(l->conn, buf, 1);
	g_assert_cmpint(n, ==, 1);
	off = 1;
	while (off < 200000) {
		n = ringline_conn_recv(l->conn, buf + off, 1000);
		g_assert_cmpint(n, >, 0);
		off += (size_t)n;
	}
	pthread_join(thread, NULL);
	close_peer(l);
	conf_pause();
	while ((n = ringline_conn_recv(l->conn, buf + off, f.total - off ? f.total - off : 1)) > 0)
		off += (size_t)n;
	g_assert_cmpint(n, ==, 0);
	g_assert_cmpuint(off, ==, f.total);
	conf_check(buf, f.total, 9, 0);
	g_assert_cmpint(ringline_conn_recv(l->conn, buf, 1), ==, 0);
	g_free(buf);
}

static void test_end_after_data(enum conf_kind kind)
{
	conf_run_line(kind, end_after_data_body);
}

static void error_after_data_body(struct conf_line *l)
{
	char buf[2000];
	ssize_t n;

	conf_put(l->peer, "a", 1);
	g_assert_cmpint(ringline_conn_recv(l->conn, buf, 1), ==, 1);
	conf_fill(buf, 1000, 4, 0);
	conf_put(l->peer, buf, 1000);
	conf_reset(l->peer);
	l->peer = -1;
	memset(buf, 0, sizeof(buf));
	conf_pause();
	g_assert_cmpint(ringline_conn_recv_exact(l->conn, buf, 1000), ==, 1000);
	conf_check(buf, 1000, 4, 0);
	g_assert_cmpint(ringline_conn_recv(l->conn, buf, 1), ==, -ECONNRESET);
	g_assert_cmpint(ringline_conn_recv(l->conn, buf, 1), ==, -ECONNRESET);
	n = ringline_conn_send(l->conn, "x", 1);
	g_assert_true(n == -EPIPE || n == -ECONNRESET);
	g_assert_cmpint(ringline_conn_send(l->conn, "x", 1), <, 0);
}

static void error_after_data_case(void)
{
	conf_run_line(CONF_TCP, error_after_data_body);
}

static void send_error_body(struct conf_line *l)
{
	char *buf = g_malloc0(1 << 20);
	ssize_t n;

	close_peer(l);
	do {
		n = ringline_conn_send(l->conn, buf, 1 << 20);
	} while (n > 0);
	g_assert_true(n == -EPIPE || n == -ECONNRESET);
	g_assert_cmpint(ringline_conn_send(l->conn, buf, 1), ==, n);
	g_free(buf);
}

/* Bytes that peek lent may leave behind the caller's back: what they meet is the next call's, and the reader is not left. */
static void lent_send_error_body(struct conf_line *l)
{
	static const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	const void *data;
	ssize_t n;

	conf_put(l->peer, "bytes", 5);
	g_assert_cmpint(ringline_conn_peek(l->conn, &data), ==, 5);
	setsockopt(l->peer, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close_peer(l);
	n = ringline_conn_send(l->conn, data, 5);
	g_assert_true(n == 5 || n == -EPIPE || n == -ECONNRESET);
	CONF_OK(ringline_conn_consume(l->conn, 5));
	n = ringline_conn_peek(l->conn, &data);
	g_assert_true(n == 0 || n == -ECONNRESET);
	n = ringline_conn_send(l->conn, "more", 4);
	g_assert_true(n == -EPIPE || n == -ECONNRESET);
}

static void test_lent_send_error(enum conf_kind kind)
{
	conf_run_line(kind, lent_send_error_body);
}

/* What was lent can be sent in pieces and consumed at once; it arrives whole and in order, before what is queued behind. */
static void lent_send_order_body(struct conf_line *l)
{
	static char out[40000];
	static char in[40000];
	size_t total = 0;
	const void *data;
	ssize_t n;

	conf_fill(out, sizeof(out), 5, 0);
	conf_put(l->peer, out, sizeof(out));
	while (total < sizeof(out)) {
		n = ringline_conn_peek(l->conn, &data);
		g_assert_cmpint(n, >, 0);
		n = n > 1000 ? 1000 : n;
		g_assert_cmpint(ringline_conn_send(l->conn, data, (size_t)n), ==, n);
		CONF_OK(ringline_conn_consume(l->conn, (size_t)n));
		total += (size_t)n;
	}
	CONF_OK(ringline_conn_shutdown_write(l->conn));
	for (total = 0; total < sizeof(in); total += (size_t)n) {
		n = recv(l->peer, in + total, sizeof(in) - total, 0);
		g_assert_cmpint(n, >, 0);
		conf_pause();
	}
	conf_check(in, sizeof(in), 5, 0);
}

static void test_lent_send_order(enum conf_kind kind)
{
	conf_run_line(kind, lent_send_order_body);
}

static void test_send_error(enum conf_kind kind)
{
	conf_run_line(kind, send_error_body);
}

/* --- limits ------------------------------------------------------------------------------------------------------- */

#define INPUT_LIMIT  65536u
#define BUFFER_LIMIT 524288u

static void throttle_body(struct conf_line *l)
{
	struct feeder f = { .total = 4 << 20, .seed = 31 };
	struct ringline_conn_info info = { sizeof(info), 0, 0, 0, 0, 0 };
	struct ringline_worker_stats s;
	char byte;
	pthread_t thread = start_thread(l, feed, &f);

	g_assert_cmpint(ringline_conn_recv(l->conn, &byte, 1), ==, 1);
	CONF_UNTIL((s = conf_stats(NULL)).throttled > 0);
	CONF_OK(ringline_conn_info(l->conn, &info));
	g_assert_cmpuint(info.bytes_buffered, >=, INPUT_LIMIT);
	g_assert_cmpuint(info.bytes_received, ==, info.bytes_buffered + 1);
	/* what was under way when the limit was reached is no more than there are buffers */
	g_assert_cmpuint(info.bytes_buffered, <=, INPUT_LIMIT + BUFFER_LIMIT);
	while (info.bytes_buffered) {
		const void *data;
		ssize_t n = ringline_conn_peek(l->conn, &data);

		g_assert_cmpint(n, >, 0);
		conf_check(data, (size_t)n, 31, info.bytes_received - info.bytes_buffered);
		CONF_OK(ringline_conn_consume(l->conn, (size_t)n));
		CONF_OK(ringline_conn_info(l->conn, &info));
		if (info.bytes_received == f.total || info.bytes_buffered)
			continue;
		g_assert_cmpint(ringline_conn_peek(l->conn, &data), >, 0);
		CONF_OK(ringline_conn_info(l->conn, &info));
	}
	pthread_join(thread, NULL);
	g_assert_cmpuint(info.bytes_received, ==, f.total);
}

static void throttle_case(void)
{
	struct ringline_config c;

	conf_config(&c);
	c.input_limit = INPUT_LIMIT;
	if (!conf_is("tiny")) {
		c.receive_buffer_size = 16384;
		c.receive_buffer_limit = BUFFER_LIMIT;
	}
	conf_run_line_with(&c, CONF_TCP, throttle_body);
}

/* Those who do not read must not keep another from its bytes, however few buffers there are. */
#define SLEEPERS 6

static int hold_some(void *arg)
{
	struct conf_line *l = arg;
	char byte;

	g_assert_cmpint(ringline_conn_recv(l->conn, &byte, 1), ==, 1);
	g_assert_cmpint(ringline_sleep_until(RINGLINE_NEVER), ==, -ECANCELED);
	return 0;
}

static void slow_body(struct conf_line *l)
{
	struct feeder f = { .total = 1 << 20, .seed = 17 };
	struct conf_line sleeper[SLEEPERS];
	struct ringline_scope *scope;
	pthread_t thread;
	char buf[5000];
	size_t i;

	CONF_OK(ringline_scope_open(&scope, NULL));
	for (i = 0; i < SLEEPERS; i++) {
		sleeper[i].conn = conf_open(CONF_TCP, &sleeper[i].peer);
		CONF_OK(ringline_scope_spawn(scope, hold_some, &sleeper[i]));
		conf_put(sleeper[i].peer, "some bytes", 10);
		conf_pause();
		/* so that theirs come to lie in more buffers than one */
		conf_fill(buf, sizeof(buf), 18, 0);
		conf_put(l->peer, buf, sizeof(buf));
		g_assert_cmpint(ringline_conn_recv_exact(l->conn, buf, sizeof(buf)), ==, sizeof(buf));
		conf_check(buf, sizeof(buf), 18, 0);
	}
	thread = start_thread(l, feed, &f);
	take_mixed(l->conn, f.total, f.seed);
	pthread_join(thread, NULL);
	CONF_OK(ringline_scope_cancel(scope));
	g_assert_cmpint(ringline_scope_close(scope), ==, -ECANCELED);
	for (i = 0; i < SLEEPERS; i++) {
		char rest[16];

		g_assert_cmpint(ringline_conn_recv(sleeper[i].conn, rest, sizeof(rest)), ==, 9);
		g_assert_cmpmem(rest, 9, "ome bytes", 9);
		CONF_OK(ringline_conn_close(sleeper[i].conn));
		close(sleeper[i].peer);
	}
}

static void test_slow_others(enum conf_kind kind)
{
	conf_run_line(kind, slow_body);
}

/* --- bulk --------------------------------------------------------------------------------------------------------- */

#define BULK_CLIENTS 24
#define BULK_ROUNDS  12
#define BULK_SIZE    65536

static void lend_and_send(struct ringline_conn *conn, void *arg)
{
	const void *data;
	ssize_t n;

	(void)arg;
	while ((n = ringline_conn_peek(conn, &data)) > 0) {
		if (ringline_conn_send(conn, data, (size_t)n) < 0)
			break;
		CONF_OK(ringline_conn_consume(conn, (size_t)n));
	}
}

struct bulk_client {
	const char *address;
	uint32_t seed;
};

static int bulk_task(void *arg)
{
	struct bulk_client *c = arg;
	struct ringline_conn *conn;
	char *out = g_malloc(BULK_SIZE);
	char *in = g_malloc(BULK_SIZE);
	uint64_t i;

	CONF_OK(ringline_connect(&conn, c->address, NULL));
	for (i = 0; i < BULK_ROUNDS; i++) {
		conf_fill(out, BULK_SIZE, c->seed, i * BULK_SIZE);
		g_assert_cmpint(ringline_conn_send(conn, out, BULK_SIZE), ==, BULK_SIZE);
		g_assert_cmpint(ringline_conn_recv_exact(conn, in, BULK_SIZE), ==, BULK_SIZE);
		conf_check(in, BULK_SIZE, c->seed, i * BULK_SIZE);
	}
	CONF_OK(ringline_conn_close(conn));
	g_free(in);
	g_free(out);
	return 0;
}

static int bulk_main(void *arg)
{
	struct bulk_client c[BULK_CLIENTS];
	struct ringline_scope *scope;
	uint32_t i;

	CONF_OK(ringline_scope_open(&scope, NULL));
	for (i = 0; i < BULK_CLIENTS; i++) {
		c[i] = (struct bulk_client){ arg, i };
		CONF_OK(ringline_scope_spawn(scope, bulk_task, &c[i]));
	}
	return ringline_scope_close(scope);
}

/* More at once than the receive buffers hold: who finds none must be heard again. On the tiny ring that is nearly all. */
static void test_bulk(enum conf_kind kind)
{
	char address[RINGLINE_ADDRESS_SIZE];
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt = conf_serve(NULL, 2, conf_address(kind, address), bound, lend_and_send, NULL);

	CONF_OK(conf_call(rt, 1, bulk_main, bound));
	CONF_UNTIL(conf_stats(rt).connections == 0);
	g_assert_cmpuint(conf_stats(rt).bytes_received, ==, 2ul * BULK_CLIENTS * BULK_ROUNDS * BULK_SIZE);
	if (conf_is("tiny"))
		g_assert_cmpuint(conf_stats(rt).starved, >, 0);
	CONF_OK(conf_stop(rt));
}

/* --- what a connection tells -------------------------------------------------------------------------------------- */

static void names_body(struct conf_line *l)
{
	char text[RINGLINE_ADDRESS_SIZE];
	char cut[5];
	ssize_t n = ringline_conn_peer(l->conn, text, sizeof(text));

	g_assert_cmpint(n, ==, strlen(text));
	g_assert_true(g_str_has_prefix(text, l->kind == CONF_TCP ? "tcp:127.0.0.1:" : "unix:@ringline-test-"));
	g_assert_cmpint(ringline_conn_peer(l->conn, cut, sizeof(cut)), ==, n);
	g_assert_cmpmem(cut, 4, text, 4);
	g_assert_cmpint(cut[4], ==, 0);
	g_assert_cmpint(ringline_conn_peer(l->conn, NULL, 0), ==, n);
	g_assert_cmpint(ringline_conn_local(l->conn, text, sizeof(text)), >, 0);
	if (l->kind == CONF_TCP)
		g_assert_true(g_str_has_prefix(text, "tcp:127.0.0.1:"));
	else
		g_assert_cmpstr(text, ==, "unix:");
}

static void test_names(enum conf_kind kind)
{
	conf_run_line(kind, names_body);
}

static void add(void)
{
	static const struct {
		const char *name;
		void (*fn)(enum conf_kind kind);
	} cases[] = {
		{ "recv", test_recv },
		{ "recv-exact", test_recv_exact },
		{ "recv-exact-stops-at-the-end", test_recv_exact_end },
		{ "peek-lends-and-consume-gives-back", test_peek_consume },
		{ "mixed-receives-are-exact", test_mixed },
		{ "large-receive-goes-to-the-caller", test_direct },
		{ "large-receive-meets-the-end", test_direct_end },
		{ "send-sizes", test_send_sizes },
		{ "sendv-pieces", test_sendv_pieces },
		{ "both-ways-16-mib", test_both_ways },
		{ "many-senders-never-mix", test_many_senders },
		{ "shutdown-queues-behind-100-sends", test_shutdown_queues },
		{ "close-queues-behind-100-sends", test_close_queues },
		{ "half-close-ours", test_half_close_ours },
		{ "half-close-theirs", test_half_close_theirs },
		{ "end-comes-after-data", test_end_after_data },
		{ "send-error-stays", test_send_error },
		{ "lent-sends-keep-their-order", test_lent_send_order },
		{ "lent-send-error-is-told", test_lent_send_error },
		{ "slow-readers-do-not-starve-others", test_slow_others },
		{ "starved-receivers-are-heard-again", test_bulk },
		{ "names", test_names },
	};
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(cases); i++)
		conf_add_kinds("stream", cases[i].name, cases[i].fn);
	conf_add("/stream/tcp/error-comes-after-data", error_after_data_case);
	conf_add("/stream/tcp/input-limit-throttles", throttle_case);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "stream", add);
}
