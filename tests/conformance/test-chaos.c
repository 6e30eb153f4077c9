/* SPDX-License-Identifier: MIT */
/*
 * Random schedules: many streams at once, each with a task that sends in all ways there are and one that receives in all
 * ways there are, cut by deadlines, closed and aborted at any moment, with few receive buffers and little memory. Every byte
 * that arrives is the one that was sent at its place; a stream that ended well is whole; nothing is left (the audit).
 *
 * The seed is printed; RINGLINE_TEST_SEED repeats a schedule.
 */
#include <sys/uio.h>

#include "support/conformance.h"

#define STREAMS 12
#define PIECE   20000

struct stream {
	GRand *rand;
	uint32_t seed;
	struct ringline_conn *from;
	struct ringline_conn *to;
	struct ringline_conn *relay[2];               /* in between, if it is forwarded; NULL: it is not */
	uint64_t sent;                                /* handed to calls that succeeded */
	uint64_t received;
	bool broken;                                  /* something was cut or aborted */
	int released;
	int lent;
};

static uint64_t steps;
static uint64_t steps_wanted;

static uint32_t pick(struct stream *s, uint32_t n)
{
	return (uint32_t)g_rand_int_range(s->rand, 0, (gint32)n);
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

static void released(void *arg)
{
	struct stream *s = arg;

	s->released++;
}

static int send_plain(struct stream *s, unsigned char *data, size_t n)
{
	ssize_t r;

	if (pick(s, 2)) {
		struct iovec iov[3] = { { data, n / 3 }, { data + n / 3, 0 }, { data + n / 3, n - n / 3 } };

		r = ringline_conn_sendv(s->from, iov, 3);
	} else {
		r = ringline_conn_send(s->from, data, n);
	}
	return r < 0 ? (int)r : 0;
}

static int send_queued(struct stream *s, const unsigned char *data, size_t n)
{
	struct ringline_buf *b = NULL;
	int r;

	if (pick(s, 2)) {
		r = ringline_conn_send_nowait(s->from, data, n);
	} else {
		r = ringline_buf_new(&b, data, n);
		if (r == 0)
			r = ringline_conn_send_buf(s->from, b);
		ringline_buf_unref(b);
	}
	if (r != -EAGAIN && r != -ENOBUFS)
		return r;
	r = ringline_conn_wait_writable(s->from);
	return r < 0 ? r : -EAGAIN;
}

static int send_lent(struct stream *s, unsigned char *keep, size_t n)
{
	int r = ringline_conn_send_zc(s->from, keep, n, released, s);

	if (r == 0) {
		s->lent++;
		while (r == 0 && s->released < s->lent)   /* its memory is used again */
			r = ringline_sleep(MSEC / 10);
		while (s->released < s->lent) {           /* cut: it is not ours yet */
			struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
			struct ringline_scope *scope;

			ringline_conn_abort(s->from);
			s->from = NULL;
			s->broken = true;
			o.flags = RINGLINE_SCOPE_SHIELDED;
			CONF_OK(ringline_scope_open(&scope, &o));
			while (s->released < s->lent)
				CONF_OK(ringline_sleep(MSEC));
			ringline_scope_close(scope);
			return -ECANCELED;
		}
	}
	return r;
}

static int send_one(struct stream *s, unsigned char *data)
{
	size_t n = 1 + pick(s, pick(s, 8) ? 500 : PIECE);
	int r;

	conf_fill(data, n, s->seed, s->sent);
	switch (pick(s, 6)) {
	case 0:
	case 1:
		r = send_plain(s, data, n);
		break;
	case 2:
		r = send_lent(s, data, n);
		break;
	case 3:
		r = ringline_conn_flush(s->from);
		n = 0;
		break;
	default:
		r = send_queued(s, data, n);
		break;
	}
	if (r == -EAGAIN)
		return 0;
	if (r == 0)
		s->sent += n;
	return r;
}

static int sender(void *arg)
{
	struct stream *s = arg;
	unsigned char *data = g_malloc(PIECE + 1);
	uint32_t n = 5 + pick(s, 60);
	int r = 0;

	while (n-- && r == 0) {
		steps++;
		r = send_one(s, data);
		if (r == 0 && !pick(s, 200))
			r = -ECANCELED;
		if (r == 0 && !pick(s, 4))
			r = ringline_yield();
	}
	s->broken |= r != 0;
	if (s->from && r && pick(s, 2))
		CONF_OK(ringline_conn_abort(s->from));
	else if (s->from)
		ringline_conn_close(s->from);
	g_free(data);
	return 0;
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

static void saw(struct stream *s, const void *data, size_t n)
{
	conf_check(data, n, s->seed, s->received);
	s->received += n;
}

static ssize_t consume(struct stream *s, const void *data, ssize_t n)
{
	size_t k;

	if (n <= 0)
		return n;
	k = 1 + pick(s, (uint32_t)n);
	saw(s, data, k);
	CONF_OK(ringline_conn_consume(s->to, k));
	return (ssize_t)k;
}

static ssize_t receive_pieces(struct stream *s)
{
	struct iovec iov[4];
	ssize_t n = ringline_conn_peekv(s->to, iov, 4);
	ssize_t i;

	for (i = 0; i < n; i++) {
		saw(s, iov[i].iov_base, iov[i].iov_len);
		CONF_OK(ringline_conn_consume(s->to, iov[i].iov_len));
	}
	return n;
}

static ssize_t receive_taken(struct stream *s)
{
	struct ringline_buf *b;
	ssize_t n = ringline_conn_take(s->to, 1 + pick(s, PIECE), &b);

	if (n > 0) {
		saw(s, ringline_buf_data(b), (size_t)n);
		CONF_OK(ringline_buf_unref(b));
	}
	return n;
}

static ssize_t receive_one(struct stream *s, unsigned char *data)
{
	size_t want = 1 + pick(s, pick(s, 4) ? 1000 : PIECE);
	const void *lent;
	ssize_t n;

	switch (pick(s, 7)) {
	case 0:
		n = ringline_conn_recv(s->to, data, want);
		if (n > 0)
			saw(s, data, (size_t)n);
		return n;
	case 1:
		n = ringline_conn_peek_at_least(s->to, want, &lent);
		return n == -ENODATA || n == -ENOBUFS ? 1 : consume(s, lent, n);
	case 2:
		return receive_pieces(s);
	case 3:
		return receive_taken(s);
	case 4:
		n = ringline_conn_peek_until(s->to, "\0", 1, want, &lent);
		return n == -ENODATA || n == -EMSGSIZE || n == -ENOBUFS ? 1 : consume(s, lent, n);
	case 5:
		n = ringline_conn_wait_readable(s->to);
		return n == 0 ? 1 : n;
	default:
		n = ringline_conn_peek(s->to, &lent);
		return consume(s, lent, n);
	}
}

static int receiver(void *arg)
{
	struct stream *s = arg;
	unsigned char *data = g_malloc(PIECE + 1);
	ssize_t n = 1;

	while (n > 0) {
		steps++;
		n = receive_one(s, data);
		if (!pick(s, 300))
			break;
		if (!pick(s, 5) && ringline_yield() < 0)
			break;
	}
	s->broken |= n != 0;
	if (n && pick(s, 2))
		CONF_OK(ringline_conn_abort(s->to));
	else
		ringline_conn_close(s->to);
	g_free(data);
	return 0;
}

static int relay(void *arg)
{
	struct stream *s = arg;
	int64_t n = ringline_conn_forward(s->relay[0], s->relay[1], RINGLINE_FORWARD_ALL);

	s->broken |= n < 0;
	CONF_OK(ringline_conn_close(s->relay[0]));
	CONF_OK(ringline_conn_close(s->relay[1]));
	return 0;
}

/* --- a stream ----------------------------------------------------------------------------------------------------- */

static int bystander(void *arg)
{
	uint64_t *rounds = arg;

	while (ringline_yield() == 0 && *rounds)
		--*rounds;
	return 0;
}

/* One at a time, so that each gets its own other end. */
static void connect_pair(struct ringline_listener *l, const char *address, struct ringline_conn **a,
                         struct ringline_conn **b)
{
	static bool connecting;

	while (connecting)
		CONF_OK(ringline_yield());
	connecting = true;
	CONF_OK(ringline_connect(a, address, NULL));
	CONF_OK(ringline_listener_accept(l, b));
	connecting = false;
}

static void run_stream(struct stream *s, struct ringline_listener *l, const char *address)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;
	uint64_t rounds = 50;
	bool forwarded = pick(s, 3) == 0;

	s->sent = s->received = 0;
	s->broken = false;
	s->released = s->lent = 0;
	connect_pair(l, address, &s->from, forwarded ? &s->relay[0] : &s->to);
	if (forwarded)
		connect_pair(l, address, &s->relay[1], &s->to);
	if (!pick(s, 3))
		o.deadline = ringline_now() + pick(s, 20) * MSEC;
	o.flags = RINGLINE_SCOPE_COLLECT;
	CONF_OK(ringline_scope_open(&scope, &o));
	if (ringline_scope_spawn(scope, sender, s) < 0) {
		CONF_OK(ringline_conn_abort(s->from));
		s->broken = true;
	}
	if (ringline_scope_spawn(scope, receiver, s) < 0) {
		CONF_OK(ringline_conn_abort(s->to));
		s->broken = true;
	}
	if (forwarded && ringline_scope_spawn(scope, relay, s) < 0) {
		CONF_OK(ringline_conn_abort(s->relay[0]));
		CONF_OK(ringline_conn_abort(s->relay[1]));
		s->broken = true;
	}
	if (ringline_scope_spawn(scope, bystander, &rounds) < 0)
		s->broken = true;
	if (ringline_scope_close(scope) < 0)
		s->broken = true;
	g_assert_cmpint(s->released, ==, s->lent);
	g_assert_cmpuint(s->received, <=, s->sent + PIECE + 1);
	if (!s->broken)
		g_assert_cmpuint(s->received, ==, s->sent);
}

static struct ringline_listener *listener;
static char bound[RINGLINE_ADDRESS_SIZE];

static int streams(void *arg)
{
	struct stream *s = arg;

	while (steps < steps_wanted)
		run_stream(s, listener, bound);
	return 0;
}

static int chaos_main(void *arg)
{
	char address[RINGLINE_ADDRESS_SIZE];
	struct stream s[STREAMS];
	struct ringline_task *t[STREAMS];
	uint32_t seed = g_test_rand_int();
	const char *given = g_getenv("RINGLINE_TEST_SEED");
	int i;

	if (given)
		seed = (uint32_t)strtoul(given, NULL, 10);
	g_test_message("seed %u", seed);
	CONF_OK(ringline_listener_open(&listener, bound, conf_address(*(enum conf_kind *)arg, address), NULL));
	for (i = 0; i < STREAMS; i++) {
		s[i] = (struct stream){ .rand = g_rand_new_with_seed(seed + (uint32_t)i), .seed = (uint32_t)i + 1 };
		CONF_OK(ringline_task_start(&t[i], streams, &s[i], NULL));
	}
	for (i = 0; i < STREAMS; i++) {
		int result;

		CONF_OK(ringline_task_join(t[i], &result));
		g_rand_free(s[i].rand);
	}
	CONF_OK(ringline_listener_close(listener));
	return 0;
}

static void run(enum conf_kind kind, bool starved)
{
	struct ringline_config c = RINGLINE_CONFIG_INIT;

	conf_config(&c);
	c.zero_copy_min = 1000;
	if (starved) {
		c.receive_buffers = 2;
		c.receive_buffer_size = 4096;
		c.receive_buffer_limit = 8 * 4096;
		c.input_limit = 8192;
		c.output_limit = 4096;
		c.memory_limit = 100000;
	}
	steps = 0;
	steps_wanted = conf_full() ? 1000000 : 10000;
	CONF_OK(conf_run_with(&c, chaos_main, &kind));
}

static void test_plenty(enum conf_kind kind)
{
	run(kind, false);
}

static void test_starved(enum conf_kind kind)
{
	run(kind, true);
}

static void add(void)
{
	conf_add_kinds("chaos", "plenty", test_plenty);
	conf_add_kinds("chaos", "starved", test_starved);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "chaos", add);
}
