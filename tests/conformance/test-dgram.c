/* SPDX-License-Identifier: MIT */
/* Datagrams: every one arrives whole, once, with what is known of it, or is counted; and what does not arrive is told. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "support/conformance.h"

#define ANY4 "udp:127.0.0.1:0"
#define ANY6 "udp:[::1]:0"

static struct ringline_dgram *open_with(const char *address, uint32_t flags, const char *peer, char *bound)
{
	struct ringline_dgram_options o = RINGLINE_DGRAM_OPTIONS_INIT;
	struct ringline_dgram *s;

	o.flags = flags;
	o.peer = peer;
	CONF_OK(ringline_dgram_open(&s, bound, address, &o));
	return s;
}

static struct ringline_sockaddr address_of(struct ringline_dgram *s)
{
	struct ringline_dgram_info info = RINGLINE_DGRAM_INFO_INIT;

	CONF_OK(ringline_dgram_info(s, &info));
	return info.local;
}

static bool same_address(const struct ringline_sockaddr *a, const struct ringline_sockaddr *b)
{
	return a->length == b->length && !memcmp(&a->address, &b->address, a->length);
}

/* Two sockets, and where they are. */
struct pair {
	struct ringline_dgram *a;
	struct ringline_dgram *b;
	struct ringline_sockaddr at_a;
	struct ringline_sockaddr at_b;
};

/* Addresses of this process's own, since other variants of the program may run at the same time. */
static char unix_a[RINGLINE_ADDRESS_SIZE];
static char unix_b[RINGLINE_ADDRESS_SIZE];

struct kind {
	const char *name;
	const char *first;
	const char *second;
};

static const struct kind kinds[] = {
	{ "udp4", ANY4, ANY4 },
	{ "udp6", ANY6, ANY6 },
	{ "unix", unix_a, unix_b },
};

static const struct kind *kind;

static void open_pair(struct pair *p, uint32_t flags)
{
	p->a = open_with(kind->first, flags, NULL, NULL);
	p->b = open_with(kind->second, flags, NULL, NULL);
	p->at_a = address_of(p->a);
	p->at_b = address_of(p->b);
}

static void close_pair(struct pair *p)
{
	CONF_OK(ringline_dgram_close(p->a));
	CONF_OK(ringline_dgram_close(p->b));
}

/* Runs a body as a task, with each kind of socket. */
static void on_each(int (*body)(void *arg))
{
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(kinds); i++) {
		kind = &kinds[i];
		g_test_message("%s", kind->name);
		CONF_OK(conf_run(body, NULL));
	}
}

/* --- there and back --------------------------------------------------------------------------------------------------- */

static void put(struct ringline_dgram *s, size_t n, uint32_t seed, const struct ringline_sockaddr *to)
{
	char *buf = g_malloc(n + 1);

	conf_fill(buf, n, seed, 0);
	g_assert_cmpint(ringline_dgram_send_to(s, buf, n, to), ==, n);
	g_free(buf);
}

static void take(struct ringline_dgram *s, size_t n, uint32_t seed, const struct ringline_sockaddr *from)
{
	struct ringline_sockaddr peer;
	char *buf = g_malloc(70000);

	g_assert_cmpint(ringline_dgram_recv_from(s, buf, 70000, &peer), ==, n);
	conf_check(buf, n, seed, 0);
	if (from)
		g_assert_true(same_address(&peer, from));
	g_free(buf);
}

/* Empty ones and the largest, mixed: each arrives as it was. */
static int sizes_main(void *arg)
{
	static const size_t sizes[] = { 1, 0, 65507, 0, 0, 1400, 1, 65507, 0, 512, 30000 };
	struct pair p;
	size_t i;

	(void)arg;
	open_pair(&p, 0);
	for (i = 0; i < 40; i++) {
		size_t n = sizes[i % G_N_ELEMENTS(sizes)];

		put(p.a, n, (uint32_t)i, &p.at_b);
		take(p.b, n, (uint32_t)i, &p.at_a);
		put(p.b, n, (uint32_t)i + 1, &p.at_a);
		take(p.a, n, (uint32_t)i + 1, &p.at_b);
	}
	close_pair(&p);
	return 0;
}

static void test_sizes(void)
{
	on_each(sizes_main);
}

/* A hundred empty ones in a row do not stop the receiving. */
static int empty_main(void *arg)
{
	struct pair p;
	int i;

	(void)arg;
	open_pair(&p, 0);
	for (i = 0; i < 100; i++) {
		put(p.a, 0, 0, &p.at_b);
		if (i % 10 == 9) {
			int k;

			for (k = 0; k < 10; k++)
				take(p.b, 0, 0, &p.at_a);
		}
	}
	put(p.a, 5, 3, &p.at_b);
	take(p.b, 5, 3, &p.at_a);
	close_pair(&p);
	return 0;
}

static void test_empty(void)
{
	on_each(empty_main);
}

/* Room that is too small: what fits, the flag, and the length it had; the next one is whole. */
static int truncated_main(void *arg)
{
	struct ringline_dgram_info info = RINGLINE_DGRAM_INFO_INIT;
	struct ringline_dgram_msg m = { 0 };
	struct pair p;
	char buf[100];

	(void)arg;
	open_pair(&p, 0);
	put(p.a, 5000, 1, &p.at_b);
	put(p.a, 100, 2, &p.at_b);
	m.data = buf;
	m.length = sizeof(buf);
	g_assert_cmpint(ringline_dgram_recv(p.b, &m), ==, 100);
	conf_check(buf, 100, 1, 0);
	g_assert_cmpuint(m.flags & RINGLINE_MSG_TRUNCATED, !=, 0);
	g_assert_cmpuint(m.datagram, ==, 5000);
	m.length = sizeof(buf);
	g_assert_cmpint(ringline_dgram_recv(p.b, &m), ==, 100);
	conf_check(buf, 100, 2, 0);
	g_assert_cmpuint(m.flags & RINGLINE_MSG_TRUNCATED, ==, 0);
	g_assert_cmpuint(m.datagram, ==, 100);
	CONF_OK(ringline_dgram_info(p.b, &info));
	g_assert_cmpuint(info.truncated, ==, 1);
	g_assert_cmpuint(info.received, ==, 2);
	close_pair(&p);
	return 0;
}

static void test_truncated(void)
{
	on_each(truncated_main);
}

static int too_long_main(void *arg)
{
	char *buf = g_malloc0(1 << 20);
	struct pair p;

	(void)arg;
	open_pair(&p, 0);
	g_assert_cmpint(ringline_dgram_send_to(p.a, buf, 1 << 20, &p.at_b), ==, -EMSGSIZE);
	g_assert_cmpint(ringline_dgram_send_to(p.a, buf, 1 << 20, &p.at_b), ==, -EMSGSIZE);
	put(p.a, 10, 1, &p.at_b);
	take(p.b, 10, 1, &p.at_a);
	close_pair(&p);
	g_free(buf);
	return 0;
}

static void test_too_long(void)
{
	on_each(too_long_main);
}

/* --- many at a time ----------------------------------------------------------------------------------------------------- */

#define MANY 100

static void put_batch(struct ringline_dgram *s, const struct ringline_sockaddr *to, size_t n)
{
	static struct ringline_dgram_msg m[MANY];
	static char buf[MANY][200];
	size_t done = 0;
	size_t i;

	memset(m, 0, sizeof(m));
	for (i = 0; i < n; i++) {
		conf_fill(buf[i], i, (uint32_t)i, 0);
		m[i].data = buf[i];
		m[i].length = i;
		m[i].peer = *to;
	}
	while (done < n) {
		ssize_t r = ringline_dgram_send_batch(s, m + done, n - done, sizeof(*m));

		g_assert_cmpint(r, >, 0);
		done += (size_t)r;
	}
}

static int puts_many(void *arg)
{
	struct pair *p = arg;

	put_batch(p->a, &p->at_b, MANY);
	return 0;
}

static int batch_main(void *arg)
{
	struct ringline_dgram_msg m[MANY];
	struct pair p;
	size_t done = 0;

	(void)arg;
	open_pair(&p, 0);
	CONF_OK(ringline_spawn(puts_many, &p));
	while (done < MANY) {
		ssize_t n = ringline_dgram_recv_batch(p.b, m, MANY, sizeof(*m));
		ssize_t i;

		g_assert_cmpint(n, >, 0);
		for (i = 0; i < n; i++, done++) {
			g_assert_cmpint(m[i].result, ==, 0);
			g_assert_cmpuint(m[i].length, ==, done);
			conf_check(m[i].data, m[i].length, (uint32_t)done, 0);
			g_assert_true(same_address(&m[i].peer, &p.at_a));
		}
	}
	close_pair(&p);
	return 0;
}

static void test_batch(void)
{
	on_each(batch_main);
}

/* What is joined on its way to the kernel is apart again at the other end: runs to one peer, shorter ones, empty ones, others. */
static int runs_main(void *arg)
{
	static const size_t lengths[] = { 700, 700, 700, 300, 300, 0, 0, 300, 400, 30000, 30000, 30000, 1, 1, 1, 1, 700, 700 };
	static char buf[G_N_ELEMENTS(lengths)][30000];
	struct ringline_dgram_msg m[2 * G_N_ELEMENTS(lengths)] = { { 0 } };
	struct ringline_dgram_info info = RINGLINE_DGRAM_INFO_INIT;
	struct pair p;
	size_t done = 0;
	size_t i;

	(void)arg;
	open_pair(&p, 0);
	for (i = 0; i < G_N_ELEMENTS(m); i++) {
		size_t n = lengths[i % G_N_ELEMENTS(lengths)];

		conf_fill(buf[i % G_N_ELEMENTS(lengths)], n, (uint32_t)(i % G_N_ELEMENTS(lengths)), 0);
		m[i].data = buf[i % G_N_ELEMENTS(lengths)];
		m[i].length = n;
		/* the second half alternates between the two sockets */
		m[i].peer = i >= G_N_ELEMENTS(lengths) && i % 2 ? p.at_a : p.at_b;
	}
	while (done < G_N_ELEMENTS(m)) {
		ssize_t r = ringline_dgram_send_batch(p.a, m + done, 2, sizeof(*m));

		g_assert_cmpint(r, >, 0);
		for (i = done; i < done + (size_t)r; i++) {
			bool home = i >= G_N_ELEMENTS(lengths) && i % 2;

			take(home ? p.a : p.b, m[i].length, (uint32_t)(i % G_N_ELEMENTS(lengths)), &p.at_a);
		}
		done += (size_t)r;
	}
	CONF_OK(ringline_dgram_info(p.a, &info));
	g_assert_cmpuint(info.sent, ==, G_N_ELEMENTS(m));

	/* all at once */
	g_assert_cmpint(ringline_dgram_send_batch(p.a, m, 5, sizeof(*m)), ==, 5);
	for (i = 0; i < 5; i++)
		take(p.b, lengths[i], (uint32_t)i, &p.at_a);
	close_pair(&p);
	return 0;
}

static void test_runs(void)
{
	on_each(runs_main);
}

/* Buffers in place outlive the next fetches, and the socket. */
static int in_place_main(void *arg)
{
	struct ringline_buf *buf[MANY];
	struct ringline_dgram_msg m = { 0 };
	struct pair p;
	size_t i;

	(void)arg;
	open_pair(&p, 0);
	CONF_OK(ringline_spawn(puts_many, &p));
	for (i = 0; i < MANY; i++) {
		g_assert_cmpint(ringline_dgram_recv_in_place(p.b, &m, &buf[i]), ==, i);
		g_assert_true(m.data == ringline_buf_data(buf[i]));
		g_assert_cmpuint(ringline_buf_size(buf[i]), ==, i);
	}
	close_pair(&p);
	for (i = 0; i < MANY; i++) {
		conf_check(ringline_buf_data(buf[i]), i, (uint32_t)i, 0);
		CONF_OK(ringline_buf_unref(buf[i]));
	}
	return 0;
}

static void test_in_place(void)
{
	on_each(in_place_main);
}

/* Sent are: those that were received, and those that the kernel dropped and counted. */
static int flood_main(void *arg)
{
	struct ringline_dgram_options o = RINGLINE_DGRAM_OPTIONS_INIT;
	struct ringline_dgram_info sent = RINGLINE_DGRAM_INFO_INIT;
	struct ringline_dgram_info got = RINGLINE_DGRAM_INFO_INIT;
	struct ringline_dgram_msg m[32];
	struct ringline_dgram *a = open_with(ANY4, 0, NULL, NULL);
	struct ringline_dgram *b;
	struct ringline_sockaddr to;
	char byte;
	int i;

	(void)arg;
	o.receive_buffer = 8192;
	CONF_OK(ringline_dgram_open(&b, NULL, ANY4, &o));
	to = address_of(b);
	for (i = 0; i < 20000; i++) {
		put(a, (size_t)(i % 700), 1, &to);
		if (i % 100 == 0) {
			struct ringline_dgram_msg one = { .data = &byte, .length = 1 };

			g_assert_cmpint(ringline_dgram_recv_nowait(b, &one), >=, 0);
		}
	}
	while (ringline_dgram_recv_nowait(b, &(struct ringline_dgram_msg){ .data = &byte, .length = 1 }) != -EAGAIN)
		;
	CONF_OK(ringline_dgram_info(a, &sent));
	CONF_OK(ringline_dgram_info(b, &got));
	g_assert_cmpuint(sent.sent, ==, 20000);
	g_assert_cmpuint(got.dropped, >, 0);
	g_assert_cmpuint(got.received + got.dropped, ==, sent.sent);
	g_assert_cmpuint(got.queued, ==, 0);
	put(a, 3, 1, &to);
	g_assert_cmpint(ringline_dgram_recv_batch(b, m, 32, sizeof(*m)), ==, 1);
	CONF_OK(ringline_dgram_close(a));
	CONF_OK(ringline_dgram_close(b));
	return 0;
}

static void test_flood(void)
{
	CONF_OK(conf_run(flood_main, NULL));
}

/* --- what is known of a datagram ----------------------------------------------------------------------------------------- */

static void check_info(const char *address, const char *to, int family)
{
	struct ringline_dgram *b = open_with(address, RINGLINE_DGRAM_INFO | RINGLINE_DGRAM_TIMESTAMP, NULL, NULL);
	struct ringline_dgram *a = open_with(to, 0, NULL, NULL);
	struct ringline_sockaddr at_b = address_of(b);
	struct ringline_sockaddr dest;
	struct ringline_dgram_msg out = { 0 };
	struct ringline_dgram_msg in = { 0 };
	char buf[16] = "hello";
	uint64_t before = ringline_clock_now(RINGLINE_CLOCK_REALTIME);

	CONF_OK(ringline_sockaddr_parse(&dest, to));
	if (family == AF_INET)
		dest.address.in.sin_port = at_b.address.any.sa_family == AF_INET ? at_b.address.in.sin_port
		                                                                 : at_b.address.in6.sin6_port;
	else
		dest.address.in6.sin6_port = at_b.address.in6.sin6_port;
	out.data = buf;
	out.length = 5;
	out.peer = dest;
	out.flags = RINGLINE_MSG_TOS | RINGLINE_MSG_TTL;
	out.tos = 0xb9;           /* EF, ECT(1) */
	out.ttl = 17;
	g_assert_cmpint(ringline_dgram_send(a, &out), ==, 5);
	in.data = buf;
	in.length = sizeof(buf);
	g_assert_cmpint(ringline_dgram_recv(b, &in), ==, 5);
	g_assert_cmpuint(in.flags, ==, RINGLINE_MSG_LOCAL | RINGLINE_MSG_TOS | RINGLINE_MSG_TTL | RINGLINE_MSG_TIMESTAMP);
	g_assert_cmpint(in.tos, ==, 0xb9);
	g_assert_cmpint(in.ttl, ==, 17);
	g_assert_cmpuint(in.interface, ==, if_nametoindex("lo"));
	g_assert_cmpuint(in.local.length, >, 0);
	g_assert_cmpuint(in.timestamp, >=, before - SEC);
	g_assert_cmpuint(in.timestamp, <=, ringline_clock_now(RINGLINE_CLOCK_REALTIME) + SEC);

	/* an answer from where it was sent to */
	out = (struct ringline_dgram_msg){ .data = buf, .length = 3, .peer = in.peer, .local = in.local,
		.flags = RINGLINE_MSG_LOCAL, .interface = in.interface };
	g_assert_cmpint(ringline_dgram_send(b, &out), ==, 3);
	in = (struct ringline_dgram_msg){ .data = buf, .length = sizeof(buf) };
	g_assert_cmpint(ringline_dgram_recv(a, &in), ==, 3);
	g_assert_true(same_address(&in.peer, &dest));
	CONF_OK(ringline_dgram_close(a));
	CONF_OK(ringline_dgram_close(b));
}

static int info_main(void *arg)
{
	(void)arg;
	check_info(ANY4, ANY4, AF_INET);
	check_info("udp:0.0.0.0:0", ANY4, AF_INET);
	check_info(ANY6, ANY6, AF_INET6);
	check_info("udp:[::]:0", ANY6, AF_INET6);
	check_info("udp:[::]:0", ANY4, AF_INET);
	return 0;
}

static void test_info(void)
{
	CONF_OK(conf_run(info_main, NULL));
}

/* The kernel cuts what is sent (GSO) and joins what comes (GRO); whoever receives gets the datagrams or the joined ones. */
static int segments_main(void *arg)
{
	struct ringline_dgram *a = open_with(ANY4, 0, NULL, NULL);
	struct ringline_dgram *plain = open_with(ANY4, 0, NULL, NULL);
	struct ringline_dgram *joins = open_with(ANY4, RINGLINE_DGRAM_GRO, NULL, NULL);
	struct ringline_sockaddr to[2] = { address_of(plain), address_of(joins) };
	struct ringline_dgram *from[2] = { plain, joins };
	struct ringline_dgram_info info = RINGLINE_DGRAM_INFO_INIT;
	struct ringline_dgram_msg in = { 0 };
	char *big = g_malloc(65536);
	char buf[2000];
	size_t i;
	size_t k;

	(void)arg;
	conf_fill(big, 64000, 6, 0);
	for (i = 0; i < 2; i++) {
		struct ringline_dgram_msg out = { .data = big, .length = 12345, .segment = 1000, .peer = to[i] };

		g_assert_cmpint(ringline_dgram_send(a, &out), ==, 12345);
		for (k = 0; k < 13; k++) {
			size_t n = k < 12 ? 1000 : 345;

			in = (struct ringline_dgram_msg){ .data = buf, .length = sizeof(buf) };
			g_assert_cmpint(ringline_dgram_recv(from[i], &in), ==, n);
			g_assert_cmpuint(in.datagram, ==, n);
			g_assert_cmpuint(in.segment, ==, 0);
			conf_check(buf, n, 6, k * 1000);
		}
		CONF_OK(ringline_dgram_info(from[i], &info));
		g_assert_cmpuint(info.received, ==, 13);
	}
	CONF_OK(ringline_dgram_info(a, &info));
	g_assert_cmpuint(info.sent, ==, 26);

	/* in place: all at once, and how long each is; the first two were taken one by one */
	for (k = 0; k < 2; k++) {
		struct ringline_dgram_msg out = { .data = big, .length = 4500, .segment = 1000, .peer = to[1] };
		ssize_t n;

		g_assert_cmpint(ringline_dgram_send(a, &out), ==, 4500);
		for (i = 0; i < 2 * k; i++) {
			in = (struct ringline_dgram_msg){ .data = buf, .length = sizeof(buf) };
			g_assert_cmpint(ringline_dgram_recv(joins, &in), ==, 1000);
		}
		n = ringline_dgram_recv_batch(joins, &in, 1, sizeof(in));
		g_assert_cmpint(n, ==, 1);
		g_assert_cmpuint(in.segment, ==, 1000);
		g_assert_cmpuint(in.length, ==, 4500 - 2000 * k);
		conf_check(in.data, in.length, 6, 2000 * k);
	}
	CONF_OK(ringline_dgram_close(a));
	CONF_OK(ringline_dgram_close(plain));
	CONF_OK(ringline_dgram_close(joins));
	g_free(big);
	return 0;
}

static void test_segments(void)
{
	CONF_OK(conf_run(segments_main, NULL));
}

/* A relay that drops some and lets others wait, by a seed: what was sent was relayed and received, or dropped and counted. */

struct relay {
	struct ringline_dgram *sock;
	struct ringline_sockaddr to;
	GRand *rand;
	int dropped;
	int swapped;
};

static int relays(void *arg)
{
	struct relay *r = arg;
	char held[64];
	ssize_t nheld = -1;
	char buf[64];
	ssize_t n;

	while ((n = ringline_dgram_recv_from(r->sock, buf, sizeof(buf), NULL)) > 0) {
		if (n > 1 && g_rand_int_range(r->rand, 0, 10) < 2) {
			r->dropped++;
		} else if (n > 1 && nheld < 0 && g_rand_int_range(r->rand, 0, 10) < 3) {
			memcpy(held, buf, (size_t)n);
			nheld = n;
			r->swapped++;
		} else {
			g_assert_cmpint(ringline_dgram_send_to(r->sock, buf, (size_t)n, &r->to), ==, n);
			if (nheld > 0)
				g_assert_cmpint(ringline_dgram_send_to(r->sock, held, (size_t)nheld, &r->to), ==, nheld);
			nheld = -1;
			if (n == 1)
				break;
		}
	}
	return 0;
}

#define RELAYED 3000

/* What has arrived, each number once. */
struct arrivals {
	bool seen[RELAYED];
	uint32_t last;
	int received;
	int late;
	bool ended;
};

static void note_arrival(struct arrivals *a, const char *buf, ssize_t n)
{
	uint32_t number;

	a->ended |= n == 1;
	if (n == 1)
		return;
	g_assert_cmpint(n, ==, sizeof(number));
	memcpy(&number, buf, sizeof(number));
	g_assert_cmpuint(number, <, RELAYED);
	g_assert_false(a->seen[number]);
	a->seen[number] = true;
	a->late += number < a->last;
	a->last = number;
	a->received++;
}

static void take_arrivals(struct ringline_dgram *s, struct arrivals *a)
{
	char buf[64];
	ssize_t n;

	while ((n = ringline_dgram_recv_nowait(s, &(struct ringline_dgram_msg){ .data = buf, .length = sizeof(buf) })) > 0)
		note_arrival(a, buf, n);
	g_assert_cmpint(n, ==, -EAGAIN);
}

static int relay_main(void *arg)
{
	struct ringline_dgram *a = open_with(ANY4, 0, NULL, NULL);
	struct ringline_dgram *b = open_with(ANY4, 0, NULL, NULL);
	struct relay r = { .sock = open_with(ANY4, 0, NULL, NULL), .to = address_of(b),
		.rand = g_rand_new_with_seed((guint32)g_test_rand_int()) };
	struct ringline_sockaddr via = address_of(r.sock);
	struct arrivals got = { .last = 0 };
	struct ringline_task *t;
	char buf[64] = "";
	uint32_t i;

	(void)arg;
	CONF_OK(ringline_task_start(&t, relays, &r, NULL));
	for (i = 0; i < RELAYED; i++) {
		memcpy(buf, &i, sizeof(i));
		g_assert_cmpint(ringline_dgram_send_to(a, buf, sizeof(i), &via), ==, sizeof(i));
		if (i % 20 == 0)
			CONF_OK(ringline_yield());
		take_arrivals(b, &got);
	}
	/* one byte, which the relay lets through, and then all that it had held back */
	g_assert_cmpint(ringline_dgram_send_to(a, buf, 1, &via), ==, 1);
	CONF_OK(ringline_task_join(t, NULL));
	take_arrivals(b, &got);
	g_assert_true(got.ended);
	g_assert_cmpint(got.received + r.dropped, ==, RELAYED);
	g_assert_cmpint(r.dropped, >, 0);
	g_assert_cmpint(got.late, >, 0);
	g_assert_cmpint(got.late, <=, r.swapped);
	g_rand_free(r.rand);
	CONF_OK(ringline_dgram_close(a));
	CONF_OK(ringline_dgram_close(b));
	CONF_OK(ringline_dgram_close(r.sock));
	return 0;
}

static void test_relay(void)
{
	CONF_OK(conf_run(relay_main, NULL));
}

/* --- errors of the network ------------------------------------------------------------------------------------------------- */

/* An address nobody receives at any more. */
static struct ringline_sockaddr dead_end(const char *address)
{
	struct ringline_dgram *s = open_with(address, 0, NULL, NULL);
	struct ringline_sockaddr at = address_of(s);

	CONF_OK(ringline_dgram_close(s));
	CONF_OK(ringline_sleep(MSEC));        /* the descriptor is closed in the next turn */
	return at;
}

static void check_errors(const char *address)
{
	struct ringline_dgram *a = open_with(address, 0, NULL, NULL);
	struct ringline_dgram *b = open_with(address, 0, NULL, NULL);
	struct ringline_sockaddr to_a = address_of(a);
	struct ringline_sockaddr to_b = address_of(b);
	struct ringline_sockaddr dead[2] = { dead_end(address), dead_end(address) };
	struct ringline_dgram_info info = RINGLINE_DGRAM_INFO_INIT;
	struct ringline_dgram_msg m[4];
	struct ringline_sockaddr about;
	char buf[16];
	int seen[2] = { 0, 0 };
	int i;

	/* the error comes to who receives, with the destination; and none to the next send */
	put(a, 5, 1, &dead[0]);
	put(a, 5, 2, &dead[1]);
	put(a, 5, 3, &to_b);
	take(b, 5, 3, NULL);
	for (i = 0; i < 2; i++) {
		g_assert_cmpint(ringline_dgram_recv_from(a, buf, sizeof(buf), &about), ==, -ECONNREFUSED);
		seen[0] += same_address(&about, &dead[0]);
		seen[1] += same_address(&about, &dead[1]);
	}
	g_assert_cmpint(seen[0], ==, 1);
	g_assert_cmpint(seen[1], ==, 1);
	CONF_OK(ringline_dgram_info(a, &info));
	g_assert_cmpuint(info.errors, ==, 2);

	/* a datagram that came is not lost for it, and a batch tells of an error as of a datagram */
	put(a, 5, 1, &dead[0]);
	g_assert_cmpint(ringline_dgram_recv_batch(a, m, 4, sizeof(*m)), ==, 1);
	g_assert_cmpint(m[0].result, ==, -ECONNREFUSED);
	g_assert_true(same_address(&m[0].peer, &dead[0]));
	put(b, 7, 4, &to_a);
	take(a, 7, 4, &to_b);
	CONF_OK(ringline_dgram_close(a));
	CONF_OK(ringline_dgram_close(b));
}

static int errors_main(void *arg)
{
	(void)arg;
	check_errors(ANY4);
	check_errors(ANY6);
	return 0;
}

static void test_errors(void)
{
	CONF_OK(conf_run(errors_main, NULL));
}

/* Who waits for ever for an answer is told that there will be none. */
static int refused_main(void *arg)
{
	struct ringline_sockaddr dead = dead_end(ANY4);
	char text[RINGLINE_ADDRESS_SIZE];
	struct ringline_dgram *a;
	char buf[4];

	(void)arg;
	g_assert_cmpint(ringline_sockaddr_format(&dead, text, sizeof(text)), >, 0);
	a = open_with(NULL, 0, text, NULL);
	g_assert_cmpint(ringline_dgram_send_to(a, "x", 1, NULL), ==, 1);
	g_assert_cmpint(ringline_dgram_recv_from(a, buf, sizeof(buf), NULL), ==, -ECONNREFUSED);
	CONF_OK(ringline_dgram_close(a));

	/* one that does not ask for errors is told by the socket, without a name */
	a = open_with(NULL, RINGLINE_DGRAM_NO_ERRORS, text, NULL);
	g_assert_cmpint(ringline_dgram_send_to(a, "x", 1, NULL), ==, 1);
	g_assert_cmpint(ringline_dgram_recv_from(a, buf, sizeof(buf), NULL), ==, -ECONNREFUSED);
	CONF_OK(ringline_dgram_close(a));
	return 0;
}

static void test_refused(void)
{
	CONF_OK(conf_run(refused_main, NULL));
}

/* --- waiting, cuts and ends -------------------------------------------------------------------------------------------------- */

struct waiter {
	struct ringline_dgram *s;
	ssize_t result;
	int over;
};

static int waits(void *arg)
{
	struct waiter *w = arg;
	char buf[100];

	w->result = ringline_dgram_recv_from(w->s, buf, sizeof(buf), NULL);
	w->over++;
	return 0;
}

static int cut_main(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;
	struct waiter w = { .over = 0 };
	struct ringline_task *t;
	struct pair p;
	char buf[10];

	(void)arg;
	open_pair(&p, 0);
	o.deadline = ringline_now() + 5 * MSEC;
	CONF_OK(ringline_scope_open(&scope, &o));
	g_assert_cmpint(ringline_dgram_recv_from(p.b, buf, sizeof(buf), NULL), ==, -ETIME);
	g_assert_cmpint(ringline_scope_close(scope), ==, -ETIME);

	w.s = p.b;
	CONF_OK(ringline_task_start(&t, waits, &w, NULL));
	CONF_OK(ringline_sleep(2 * MSEC));
	g_assert_cmpint(ringline_dgram_recv_from(p.b, buf, sizeof(buf), NULL), ==, -EBUSY);
	CONF_OK(ringline_task_cancel(t));
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_cmpint(w.result, ==, -ECANCELED);

	/* what comes after a cut is for the next one */
	put(p.a, 9, 5, &p.at_b);
	take(p.b, 9, 5, &p.at_a);

	CONF_OK(ringline_task_start(&t, waits, &w, NULL));
	CONF_OK(ringline_sleep(2 * MSEC));
	close_pair(&p);
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_cmpint(w.result, ==, -ECONNABORTED);
	g_assert_cmpint(ringline_dgram_close(p.b), ==, -EBADF);
	g_assert_cmpint(ringline_dgram_send_to(p.a, buf, 1, &p.at_b), ==, -EBADF);
	return 0;
}

static void test_cut(void)
{
	on_each(cut_main);
}

/* Several readers: each datagram to one of them, and all of them served. */
static int readers_main(void *arg)
{
	struct waiter w[4] = { { .over = 0 } };
	struct pair p;
	int i;

	(void)arg;
	open_pair(&p, RINGLINE_DGRAM_MANY_READERS);
	for (i = 0; i < 4; i++) {
		w[i].s = p.b;
		CONF_OK(ringline_spawn(waits, &w[i]));
	}
	CONF_OK(ringline_sleep(2 * MSEC));
	for (i = 0; i < 4; i++)
		put(p.a, (size_t)i + 1, 1, &p.at_b);
	CONF_UNTIL(w[0].over + w[1].over + w[2].over + w[3].over == 4);
	g_assert_cmpint(w[0].result + w[1].result + w[2].result + w[3].result, ==, 10);
	close_pair(&p);
	return 0;
}

static void test_readers(void)
{
	on_each(readers_main);
}

static int fires(void *arg)
{
	struct pair *p = arg;

	CONF_OK(ringline_sleep(3 * MSEC));
	put(p->a, 4, 1, &p->at_b);
	return 0;
}

static int select_main(void *arg)
{
	struct ringline_event *event;
	struct pair p;
	ssize_t which;

	(void)arg;
	open_pair(&p, 0);
	CONF_OK(ringline_event_new(&event, NULL));
	struct ringline_case c[] = {
		{ .kind = RINGLINE_CASE_EVENT, .object = event },
		{ .kind = RINGLINE_CASE_DATAGRAM, .object = p.b },
	};
	CONF_OK(ringline_spawn(fires, &p));
	which = ringline_select(c, 2, sizeof(*c), 0);
	g_assert_cmpint(which, ==, 1);
	g_assert_cmpint(c[1].result, ==, 1);
	g_assert_cmpint(ringline_select(c, 2, sizeof(*c), 0), ==, 1);
	take(p.b, 4, 1, &p.at_a);
	CONF_OK(ringline_event_set(event));
	g_assert_cmpint(ringline_select(c, 2, sizeof(*c), 0), ==, 0);
	c[1].kind = RINGLINE_CASE_SENDABLE;
	CONF_OK(ringline_event_reset(event));
	g_assert_cmpint(ringline_select(c, 2, sizeof(*c), 0), ==, 1);
	CONF_OK(ringline_event_free(event));
	close_pair(&p);
	return 0;
}

static void test_select(void)
{
	on_each(select_main);
}

/* A socket with no room: who sends waits, and goes on; nothing is dropped on the way to a unix socket. */
static int drains(void *arg)
{
	struct pair *p = arg;
	int i;

	for (i = 0; i < 2000; i++) {
		take(p->b, 3000, (uint32_t)i, &p->at_a);
		if (i % 100 == 0)
			CONF_OK(ringline_sleep(MSEC / 10));
	}
	return 0;
}

static int full_main(void *arg)
{
	struct ringline_dgram_msg m = { 0 };
	struct ringline_task *t;
	struct pair p;
	char buf[3000];
	int i;

	(void)arg;
	kind = &kinds[2];
	open_pair(&p, 0);
	if (arg)
		CONF_OK(ringline_dgram_connect(p.a, &p.at_b));
	m.data = buf;
	m.length = sizeof(buf);
	m.peer = p.at_b;
	if (arg)
		m.peer.length = 0;
	for (i = 0; i < 2000; i++) {
		conf_fill(buf, sizeof(buf), (uint32_t)i, 0);
		if (ringline_dgram_send_nowait(p.a, &m) == -EAGAIN)
			break;
	}
	g_assert_cmpint(i, <, 2000);
	CONF_OK(ringline_task_start(&t, drains, &p, NULL));
	for (; i < 2000; i++) {
		conf_fill(buf, sizeof(buf), (uint32_t)i, 0);
		g_assert_cmpint(ringline_dgram_send(p.a, &m), ==, sizeof(buf));
	}
	CONF_OK(ringline_dgram_wait_sendable(p.a));
	CONF_OK(ringline_task_join(t, NULL));
	close_pair(&p);
	return 0;
}

static void test_full(void)
{
	static char connected;

	CONF_OK(conf_run(full_main, NULL));
	CONF_OK(conf_run(full_main, &connected));
}

struct sender {
	struct ringline_dgram *s;
	ssize_t result;
};

static int sends_for_ever(void *arg)
{
	struct sender *s = arg;
	char buf[3000] = "";

	do
		s->result = ringline_dgram_send_to(s->s, buf, sizeof(buf), NULL);
	while (s->result >= 0);
	return 0;
}

/* Who waits for room is cut like anybody else, and told of a close. */
static int cut_sender_main(void *arg)
{
	struct sender s = { .result = 0 };
	struct ringline_task *t;
	struct pair p;

	(void)arg;
	kind = &kinds[2];
	open_pair(&p, 0);
	CONF_OK(ringline_dgram_connect(p.a, &p.at_b));
	s.s = p.a;
	CONF_OK(ringline_task_start(&t, sends_for_ever, &s, NULL));
	CONF_OK(ringline_sleep(3 * MSEC));
	CONF_OK(ringline_task_cancel(t));
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_cmpint(s.result, ==, -ECANCELED);
	CONF_OK(ringline_task_start(&t, sends_for_ever, &s, NULL));
	CONF_OK(ringline_sleep(3 * MSEC));
	close_pair(&p);
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_cmpint(s.result, ==, -ECONNABORTED);
	return 0;
}

static void test_cut_sender(void)
{
	CONF_OK(conf_run(cut_sender_main, NULL));
}

static int broadcast_main(void *arg)
{
	struct ringline_dgram *b = open_with("udp:0.0.0.0:0", 0, NULL, NULL);
	struct ringline_dgram *a = open_with(ANY4, RINGLINE_DGRAM_BROADCAST, NULL, NULL);
	struct ringline_dgram *may_not = open_with(ANY4, 0, NULL, NULL);
	struct ringline_sockaddr to;

	(void)arg;
	CONF_OK(ringline_sockaddr_parse(&to, "udp:127.255.255.255:0"));
	to.address.in.sin_port = address_of(b).address.in.sin_port;
	g_assert_cmpint(ringline_dgram_send_to(may_not, "x", 1, &to), ==, -EACCES);
	put(a, 50, 1, &to);
	take(b, 50, 1, NULL);
	CONF_OK(ringline_dgram_close(a));
	CONF_OK(ringline_dgram_close(b));
	CONF_OK(ringline_dgram_close(may_not));
	return 0;
}

static void test_broadcast(void)
{
	CONF_OK(conf_run(broadcast_main, NULL));
}

/* --- groups ------------------------------------------------------------------------------------------------------------------- */

static void check_group(const char *bind_to, const char *group_text, const char *source_text)
{
	struct ringline_dgram *b = open_with(bind_to, RINGLINE_DGRAM_REUSE, NULL, NULL);
	struct ringline_dgram *a = open_with(source_text, 0, NULL, NULL);
	struct ringline_sockaddr at = address_of(b);
	struct ringline_sockaddr group;
	struct ringline_sockaddr source = address_of(a);
	struct ringline_dgram_msg m = { 0 };
	uint32_t lo = if_nametoindex("lo");
	int64_t value;
	char buf[8];

	CONF_OK(ringline_sockaddr_parse(&group, group_text));
	CONF_OK(ringline_dgram_join(b, &group, lo, NULL));
	g_assert_cmpint(ringline_dgram_join(b, &group, lo, NULL), ==, -EADDRINUSE);
	CONF_OK(ringline_dgram_set_option(a, RINGLINE_DGRAM_MULTICAST_IF, lo));
	CONF_OK(ringline_dgram_get_option(a, RINGLINE_DGRAM_MULTICAST_IF, &value));
	g_assert_cmpint(value, ==, lo);
	CONF_OK(ringline_dgram_set_option(a, RINGLINE_DGRAM_MULTICAST_LOOP, 1));
	CONF_OK(ringline_dgram_set_option(a, RINGLINE_DGRAM_MULTICAST_TTL, 3));
	if (group.address.any.sa_family == AF_INET)
		group.address.in.sin_port = at.address.in.sin_port;
	else
		group.address.in6.sin6_port = at.address.in6.sin6_port;
	put(a, 5, 1, &group);
	take(b, 5, 1, &source);
	CONF_OK(ringline_dgram_leave(b, &group, lo, NULL));
	g_assert_cmpint(ringline_dgram_leave(b, &group, lo, NULL), ==, -EADDRNOTAVAIL);
	put(a, 5, 1, &group);

	/* from one source only */
	CONF_OK(ringline_dgram_join(b, &group, lo, &source));
	put(a, 6, 2, &group);
	take(b, 6, 2, &source);
	CONF_OK(ringline_dgram_leave(b, &group, lo, &source));
	m.data = buf;
	m.length = sizeof(buf);
	g_assert_cmpint(ringline_dgram_recv_nowait(b, &m), ==, -EAGAIN);
	CONF_OK(ringline_dgram_close(a));
	CONF_OK(ringline_dgram_close(b));
}

static int groups_main(void *arg)
{
	(void)arg;
	check_group("udp:0.0.0.0:0", "udp:239.1.2.3:0", ANY4);
	return 0;
}

static void test_groups(void)
{
	CONF_OK(conf_run(groups_main, NULL));
}

/* --- unix sockets ------------------------------------------------------------------------------------------------------------- */

static int unix_main(void *arg)
{
	struct ringline_dgram *b = open_with(unix_a, RINGLINE_DGRAM_CREDENTIALS, NULL, NULL);
	struct ringline_dgram *a = open_with(NULL, 0, unix_a, NULL);
	struct ringline_dgram_msg out = { 0 };
	struct ringline_dgram_msg in = { 0 };
	struct ringline_dgram_info info = RINGLINE_DGRAM_INFO_INIT;
	int sent[3];
	int got[2];
	char buf[8];

	(void)arg;
	sent[0] = sent[1] = sent[2] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	out.data = buf;
	out.length = 3;
	out.fds = sent;
	out.nfds = 3;
	g_assert_cmpint(ringline_dgram_send(a, &out), ==, 3);
	in.data = buf;
	in.length = sizeof(buf);
	in.fds = got;
	in.nfds = 2;
	g_assert_cmpint(ringline_dgram_recv(b, &in), ==, 3);
	g_assert_cmpuint(in.nfds, ==, 2);
	g_assert_cmpuint(in.flags, ==, RINGLINE_MSG_CREDENTIALS | RINGLINE_MSG_FDS_LOST);
	g_assert_cmpint(in.pid, ==, getpid());
	g_assert_cmpuint(in.uid, ==, getuid());
	g_assert_cmpuint(in.peer.length, ==, 0);
	g_assert_cmpint(fcntl(got[0], F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
	close(got[0]);
	close(got[1]);
	CONF_OK(ringline_dgram_info(b, &info));
	g_assert_cmpuint(info.fds_dropped, ==, 1);

	/* what nobody takes is closed: by a receive without room, and by the close */
	out.nfds = 1;
	g_assert_cmpint(ringline_dgram_send(a, &out), ==, 3);
	g_assert_cmpint(ringline_dgram_recv_from(b, buf, sizeof(buf), NULL), ==, 3);
	g_assert_cmpint(ringline_dgram_send(a, &out), ==, 3);
	g_assert_cmpint(ringline_dgram_send(a, &out), ==, 3);
	g_assert_cmpint(ringline_dgram_recv_from(b, buf, sizeof(buf), NULL), ==, 3);
	CONF_OK(ringline_dgram_close(b));
	CONF_OK(ringline_sleep(MSEC));
	g_assert_cmpint(ringline_dgram_send(a, &out), ==, -ECONNREFUSED);
	CONF_OK(ringline_dgram_close(a));
	close(sent[0]);
	return 0;
}

static void test_unix(void)
{
	CONF_OK(conf_run(unix_main, NULL));
}

/* A path is made, replaced if nobody has it open, and removed. */
static int path_main(void *arg)
{
	char path[] = "/tmp/ringline-dgram-XXXXXX";
	char *address;
	struct ringline_dgram *a;
	struct ringline_dgram *b;
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct stat st;
	int fd;

	(void)arg;
	g_assert_nonnull(g_mkdtemp(path));
	address = g_strdup_printf("unix:%s/s", path);
	a = open_with(address, 0, NULL, NULL);
	g_assert_cmpint(ringline_dgram_open(&b, NULL, address, NULL), ==, -EADDRINUSE);
	CONF_OK(ringline_dgram_close(a));
	g_assert_cmpint(stat(address + 5, &st), ==, -1);

	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	g_strlcpy(un.sun_path, address + 5, sizeof(un.sun_path));
	CONF_OK(bind(fd, (struct sockaddr *)&un, sizeof(un)));
	close(fd);
	a = open_with(address, 0, NULL, NULL);
	CONF_OK(ringline_dgram_close(a));
	g_assert_cmpint(rmdir(path), ==, 0);
	g_free(address);
	return 0;
}

static void test_path(void)
{
	CONF_OK(conf_run(path_main, NULL));
}

static int serves_one(void *arg)
{
	struct ringline_dgram *l = arg;
	struct ringline_dgram *s;
	char buf[100];
	ssize_t n;

	CONF_OK(ringline_dgram_accept(l, &s));
	while ((n = ringline_dgram_recv_from(s, buf, sizeof(buf), NULL)) > 0)
		g_assert_cmpint(ringline_dgram_send_to(s, buf, (size_t)n, NULL), ==, n);
	g_assert_cmpint(n, ==, -EPIPE);
	g_assert_cmpint(ringline_dgram_recv_from(s, buf, sizeof(buf), NULL), ==, -EPIPE);
	CONF_OK(ringline_dgram_close(s));
	return 0;
}

/* Records in order, one for one, and an end. */
static int seqpacket_main(void *arg)
{
	struct ringline_dgram *l = open_with(unix_a, RINGLINE_DGRAM_SEQPACKET, NULL, NULL);
	struct ringline_dgram *c;
	struct ringline_task *t;
	struct ringline_dgram *none;
	char buf[100];
	int i;

	(void)arg;
	CONF_OK(ringline_task_start(&t, serves_one, l, NULL));
	CONF_OK(ringline_sleep(MSEC));
	g_assert_cmpint(ringline_dgram_accept(l, &none), ==, -EBUSY);
	c = open_with(NULL, RINGLINE_DGRAM_SEQPACKET, unix_a, NULL);
	for (i = 1; i < 100; i++) {
		put(c, (size_t)i, (uint32_t)i, NULL);
		take(c, (size_t)i, (uint32_t)i, NULL);
	}
	g_assert_cmpint(ringline_dgram_accept(c, &none), ==, -EINVAL);
	g_assert_cmpint(ringline_dgram_recv_from(l, buf, 1, NULL), ==, -EINVAL);
	CONF_OK(ringline_dgram_close(c));
	CONF_OK(ringline_task_join(t, NULL));
	CONF_OK(ringline_dgram_close(l));
	return 0;
}

static void test_seqpacket(void)
{
	CONF_OK(conf_run(seqpacket_main, NULL));
}

/* --- limits and misuse ---------------------------------------------------------------------------------------------------------- */

static int misuse_main(void *arg)
{
	struct ringline_dgram_options o = RINGLINE_DGRAM_OPTIONS_INIT;
	struct ringline_dgram_msg m = { 0 };
	struct ringline_dgram *s;
	struct ringline_sockaddr a;
	int64_t value;
	char text[20];
	int fd;

	(void)arg;
	g_assert_cmpint(ringline_dgram_open(&s, NULL, "tcp:127.0.0.1:0", NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_dgram_open(&s, NULL, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_dgram_open(NULL, NULL, ANY4, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_dgram_open(&s, NULL, "udp:203.0.113.1:1", NULL), ==, -EADDRNOTAVAIL);
	o.flags = RINGLINE_DGRAM_CREDENTIALS;
	g_assert_cmpint(ringline_dgram_open(&s, NULL, ANY4, &o), ==, -EOPNOTSUPP);
	o.flags = RINGLINE_DGRAM_GRO;
	g_assert_cmpint(ringline_dgram_open(&s, NULL, "unix:@ringline-x", &o), ==, -EOPNOTSUPP);
	o.flags = UINT32_C(1) << 31;
	g_assert_cmpint(ringline_dgram_open(&s, NULL, ANY4, &o), ==, -EINVAL);
	s = open_with(ANY4, 0, NULL, NULL);
	g_assert_cmpint(ringline_dgram_send_to(s, "x", 1, NULL), ==, -EDESTADDRREQ);
	g_assert_cmpint(ringline_dgram_send_to(s, NULL, 1, NULL), ==, -EINVAL);
	m.length = 1;
	g_assert_cmpint(ringline_dgram_recv(s, &m), ==, -EINVAL);
	g_assert_cmpint(ringline_dgram_recv(s, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_dgram_recv(NULL, &m), ==, -EINVAL);
	g_assert_cmpint(ringline_dgram_recv_batch(s, &m, 1, sizeof(m) - 1), ==, -EINVAL);
	g_assert_cmpint(ringline_dgram_recv_batch(s, &m, 1, sizeof(m) + 8), ==, -E2BIG);
	g_assert_cmpint(ringline_dgram_set_option(s, 0, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_dgram_set_option(s, 99, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_dgram_set_option(s, RINGLINE_DGRAM_TOS, 256), ==, -EINVAL);
	CONF_OK(ringline_dgram_set_option(s, RINGLINE_DGRAM_TOS, 16));
	CONF_OK(ringline_dgram_get_option(s, RINGLINE_DGRAM_TOS, &value));
	g_assert_cmpint(value, ==, 16);
	CONF_OK(ringline_sockaddr_parse(&a, "udp:[::1]:5"));
	g_assert_cmpint(ringline_dgram_join(s, &a, 0, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_dgram_connect(s, &a), ==, -EAFNOSUPPORT);
	g_assert_cmpint(ringline_sockaddr_format(&a, text, sizeof(text)), ==, 11);
	g_assert_cmpstr(text, ==, "udp:[::1]:5");
	g_assert_cmpint(ringline_sockaddr_parse(&a, "udp:x:5"), ==, -EINVAL);
	CONF_OK(ringline_dgram_close(s));
	CONF_OK(ringline_dgram_close(NULL));

	fd = socket(AF_INET, SOCK_DGRAM, 0);
	g_snprintf(text, sizeof(text), "fd:%d", fd);
	CONF_OK(ringline_dgram_open(&s, NULL, text, NULL));
	CONF_OK(ringline_dgram_close(s));
	g_assert_cmpint(ringline_dgram_open(&s, NULL, "fd:9999", NULL), ==, -EBADF);
	return 0;
}

static void test_misuse(void)
{
	CONF_OK(conf_run(misuse_main, NULL));
}

/* One socket per worker on one port: together they get everything. */
static _Atomic int shared_received;
static char shared_address[RINGLINE_ADDRESS_SIZE];

static int serves_share(void *arg)
{
	struct ringline_dgram *s = open_with(shared_address, RINGLINE_DGRAM_SHARE_PORT, NULL, NULL);
	char buf[10];

	atomic_fetch_add((_Atomic int *)arg, 1);
	while (ringline_dgram_recv_from(s, buf, sizeof(buf), NULL) >= 0)
		shared_received++;
	return ringline_dgram_close(s);
}

static int opens_first(void *arg)
{
	struct ringline_dgram *s = open_with(ANY4, RINGLINE_DGRAM_SHARE_PORT, NULL, shared_address);

	(void)arg;
	return ringline_dgram_close(s);
}

static void test_share(void)
{
	struct ringline_runtime *rt = conf_serve(NULL, 2, NULL, NULL, NULL, NULL);
	struct ringline_sockaddr to;
	_Atomic int up = 0;
	int i;

	CONF_OK(conf_call(rt, 0, opens_first, NULL));
	CONF_OK(ringline_worker_spawn(rt, 0, serves_share, &up));
	CONF_OK(ringline_worker_spawn(rt, 1, serves_share, &up));
	CONF_UNTIL(up == 2);
	CONF_OK(ringline_sockaddr_parse(&to, shared_address));
	shared_received = 0;
	for (i = 0; i < 100; i++) {
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		g_assert_cmpint(sendto(fd, "x", 1, 0, &to.address.any, to.length), ==, 1);
		close(fd);
	}
	CONF_UNTIL(shared_received == 100);
	CONF_OK(conf_stop(rt));
}

static void add_cases(void)
{
	conf_add("/dgram/sizes", test_sizes);
	conf_add("/dgram/a-hundred-empty-ones", test_empty);
	conf_add("/dgram/truncated", test_truncated);
	conf_add("/dgram/too-long", test_too_long);
	conf_add("/dgram/batch", test_batch);
	conf_add("/dgram/runs", test_runs);
	conf_add("/dgram/in-place", test_in_place);
	conf_add("/dgram/flood-is-accounted-for", test_flood);
	conf_add("/dgram/relayed-dropped-and-reordered", test_relay);
	conf_add("/dgram/info", test_info);
	conf_add("/dgram/segments", test_segments);
	conf_add("/dgram/errors-with-their-destination", test_errors);
	conf_add("/dgram/refused", test_refused);
	conf_add("/dgram/cut", test_cut);
	conf_add("/dgram/several-readers", test_readers);
	conf_add("/dgram/select", test_select);
	conf_add("/dgram/no-room", test_full);
	conf_add("/dgram/cut-while-sending", test_cut_sender);
	conf_add("/dgram/broadcast", test_broadcast);
	conf_add("/dgram/groups", test_groups);
	conf_add("/dgram/unix-credentials-and-descriptors", test_unix);
	conf_add("/dgram/unix-path", test_path);
	conf_add("/dgram/seqpacket", test_seqpacket);
	conf_add("/dgram/misuse", test_misuse);
	conf_add("/dgram/one-socket-per-worker", test_share);
}

int main(int argc, char **argv)
{
	conf_address(CONF_UNIX, unix_a);
	conf_address(CONF_UNIX, unix_b);
	return conf_main(argc, argv, "dgram", add_cases);
}
