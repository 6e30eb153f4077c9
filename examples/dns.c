/* SPDX-License-Identifier: MIT */
/*
 * A small DNS server: authoritative for the zones of a file, and a forwarder for everything else.
 *
 *     dns [-l ADDRESS:PORT] [-z ZONEFILE] [-u UPSTREAM:PORT] [-w WORKERS]
 *
 * Queries come by UDP and by TCP on one port. What is not in the zones is asked of the upstream, by the protocol the client
 * came by: over UDP from a fresh port with a fresh number each time, three times with a second of patience. Without an
 * upstream it is refused. What is no query is answered FORMERR or NOTIMP, or dropped and counted.
 */
#include <errno.h>
#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <ringline/ringline.h>

#include "dns-message.h"
#include "dns-zone.h"

#define BATCH       32
#define TRIES       3
#define PATIENCE    RINGLINE_NSEC_PER_SEC
#define TCP_IDLE    (10 * RINGLINE_NSEC_PER_SEC)
#define FORWARD_MAX 500                          /* questions to the upstream at a time, on each worker */

static struct {
	const char *listen;
	const char *upstream;
	char udp_upstream[RINGLINE_ADDRESS_SIZE];
	char tcp_upstream[RINGLINE_ADDRESS_SIZE];
	char udp_address[RINGLINE_ADDRESS_SIZE];
} options = { .listen = "127.0.0.1:5353" };

static struct {
	_Atomic unsigned long answered;
	_Atomic unsigned long forwarded;
	_Atomic unsigned long failed;            /* the upstream did not answer */
	_Atomic unsigned long wrong;             /* FORMERR, NOTIMP */
	_Atomic unsigned long dropped;
} count;

/* An answer without records. */
static size_t just(int rcode, const struct dns_query *q, const unsigned char *question, unsigned char *bytes, size_t room)
{
	struct dns_answer a;

	dns_begin(&a, bytes, room, q, question);
	return dns_end(&a, q, rcode, false);
}

/* What can be said at once; 0: the upstream is to be asked, or (*drop) nothing is said. */
static size_t answer(struct dns_query *q, const unsigned char *query, size_t n, unsigned char *bytes, size_t room, bool udp, bool *drop)
{
	int rcode = dns_parse(q, query, n);
	size_t length;

	*drop = rcode == DNS_DROP;
	if (*drop) {
		count.dropped++;
		return 0;
	}
	if (rcode != DNS_NOERROR) {
		count.wrong++;
		return just(rcode, q, NULL, bytes, room);
	}
	if (udp && room > q->limit)
		room = q->limit;
	length = zone_answer(q, query + DNS_HEADER, bytes, room);
	if (!length && !options.upstream)
		length = just(DNS_REFUSED, q, query + DNS_HEADER, bytes, room);
	count.answered += length > 0;
	return length;
}

/* Forwarding over UDP */

struct forward {
	struct ringline_dgram *sock;              /* the client's */
	struct ringline_sockaddr client;
	struct dns_query q;
	size_t n;
	unsigned char query[DNS_UDP_MOST];
	unsigned char reply[4096];
};

static __thread unsigned int forwarding;

/* Of this question and no other: the answers of others are what somebody else may send. */
static bool is_reply(const struct forward *f, size_t n)
{
	return n >= DNS_HEADER + f->q.question && !memcmp(f->reply, f->query, 2) && f->reply[2] & 0x80 &&
	       !memcmp(f->reply + DNS_HEADER, f->query + DNS_HEADER, f->q.question);
}

static ssize_t ask_once(struct forward *f, struct ringline_dgram *up)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;
	ssize_t n;
	int r;

	o.deadline = ringline_now() + PATIENCE;
	r = ringline_scope_open(&scope, &o);
	if (r < 0)
		return r;
	n = ringline_dgram_send_to(up, f->query, f->n, NULL);
	while (n >= 0) {
		n = ringline_dgram_recv_from(up, f->reply, sizeof(f->reply), NULL);
		if (n >= 0 && is_reply(f, (size_t)n))
			break;
	}
	ringline_scope_close(scope);
	return n;
}

static ssize_t ask(struct forward *f)
{
	struct ringline_dgram_options o = RINGLINE_DGRAM_OPTIONS_INIT;
	struct ringline_dgram *up;
	ssize_t n = -ETIME;
	int i;
	int r;

	o.peer = options.udp_upstream;
	r = ringline_dgram_open(&up, NULL, NULL, &o);
	if (r < 0)
		return r;
	for (i = 0; i < TRIES && (n == -ETIME || n == -ECONNREFUSED); i++)
		n = getrandom(f->query, 2, 0) == 2 ? ask_once(f, up) : -EIO;
	ringline_dgram_close(up);
	return n;
}

static int forward_main(void *arg)
{
	struct forward *f = arg;
	ssize_t n = ask(f);

	count.forwarded += n >= 0;
	count.failed += n < 0;
	f->query[0] = (unsigned char)(f->q.id >> 8);
	f->query[1] = (unsigned char)f->q.id;
	if (n < 0) {
		n = (ssize_t)just(DNS_SERVFAIL, &f->q, f->query + DNS_HEADER, f->reply, sizeof(f->reply));
	} else if ((size_t)n > f->q.limit) {
		n = (ssize_t)just(DNS_NOERROR, &f->q, f->query + DNS_HEADER, f->reply, sizeof(f->reply));
		f->reply[2] |= 2;         /* truncated: the client comes back by TCP */
	}
	memcpy(f->reply, f->query, 2);
	if (ringline_dgram_send_to(f->sock, f->reply, (size_t)n, &f->client) < 0)
		count.dropped++;
	forwarding--;
	free(f);
	return 0;
}

/* 0; negative: the caller answers for it. */
static int forward(struct ringline_dgram *sock, const struct dns_query *q, const struct ringline_dgram_msg *m)
{
	struct forward *f;
	int r;

	if (forwarding >= FORWARD_MAX || m->length > sizeof(f->query))
		return -EAGAIN;
	f = malloc(sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->sock = sock;
	f->client = m->peer;
	f->q = *q;
	f->n = m->length;
	memcpy(f->query, m->data, m->length);
	r = ringline_spawn(forward_main, f);
	if (r < 0)
		free(f);
	else
		forwarding++;
	return r;
}

/* UDP */

struct batch {
	struct ringline_dgram_msg in[BATCH];
	struct ringline_dgram_msg out[BATCH];
	unsigned char bytes[BATCH][DNS_UDP_MOST];
};

static size_t answer_batch(struct ringline_dgram *sock, struct batch *b, ssize_t n)
{
	size_t ready = 0;
	ssize_t i;

	for (i = 0; i < n; i++) {
		const struct ringline_dgram_msg *m = &b->in[i];
		struct dns_query q;
		bool drop;
		size_t length;

		if (m->result)
			continue;         /* what the network says of an answer concerns its client alone */
		length = answer(&q, m->data, m->length, b->bytes[ready], DNS_UDP_MOST, true, &drop);
		if (!length && !drop && forward(sock, &q, m) < 0) {
			length = just(DNS_SERVFAIL, &q, (unsigned char *)m->data + DNS_HEADER, b->bytes[ready], q.limit);
			count.failed++;
		}
		if (!length)
			continue;
		b->out[ready].data = b->bytes[ready];
		b->out[ready].length = length;
		b->out[ready].peer = m->peer;
		ready++;
	}
	return ready;
}

static int serve_udp(void *arg)
{
	struct ringline_dgram *sock = arg;
	struct batch *b = calloc(1, sizeof(*b));
	ssize_t n;

	while (b && (n = ringline_dgram_recv_batch(sock, b->in, BATCH, sizeof(b->in[0]))) > 0) {
		size_t ready = answer_batch(sock, b, n);
		size_t done = 0;

		while (done < ready) {
			ssize_t sent = ringline_dgram_send_batch(sock, b->out + done, ready - done, sizeof(b->out[0]));

			count.dropped += sent < 0;
			done += sent > 0 ? (size_t)sent : 1;
		}
	}
	free(b);
	return ringline_dgram_close(sock);
}

/* TCP */

static ssize_t ask_stream(const unsigned char *query, size_t n, unsigned char *reply)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;
	struct ringline_conn *up;
	unsigned char length[2] = { (unsigned char)(n >> 8), (unsigned char)n };
	ssize_t r;

	o.deadline = ringline_now() + TRIES * PATIENCE;
	r = ringline_scope_open(&scope, &o);
	if (r < 0)
		return r;
	r = ringline_connect(&up, options.tcp_upstream, NULL);
	if (r == 0) {
		r = ringline_conn_send(up, length, 2);
		if (r >= 0)
			r = ringline_conn_send(up, query, n);
		if (r >= 0)
			r = ringline_conn_recv_exact(up, length, 2);
		if (r == 2)
			r = ringline_conn_recv_exact(up, reply, (size_t)(length[0] << 8 | length[1]));
		ringline_conn_close(up);
	}
	ringline_scope_close(scope);
	return r > 0 ? r : r < 0 ? r : -EPROTO;
}

/* One query; false: the connection is at its end. */
static bool serve_query(struct ringline_conn *conn, unsigned char *reply)
{
	const void *data;
	const unsigned char *query;
	struct dns_query q;
	ssize_t n = ringline_conn_peek_at_least(conn, 2, &data);
	bool drop;
	size_t asked;

	if (n <= 0)
		return false;
	asked = (size_t)(((const unsigned char *)data)[0] << 8 | ((const unsigned char *)data)[1]);
	if (ringline_conn_peek_at_least(conn, asked + 2, &data) <= 0)
		return false;
	query = (const unsigned char *)data + 2;
	n = (ssize_t)answer(&q, query, asked, reply + 2, DNS_MESSAGE_MAX, false, &drop);
	if (drop)
		return false;
	if (!n) {
		n = ask_stream(query, asked, reply + 2);
		count.forwarded += n >= 0;
		count.failed += n < 0;
	}
	if (n < 0)
		n = (ssize_t)just(DNS_SERVFAIL, &q, query + DNS_HEADER, reply + 2, DNS_MESSAGE_MAX);
	reply[0] = (unsigned char)(n >> 8);
	reply[1] = (unsigned char)n;
	return ringline_conn_consume(conn, asked + 2) == 0 && ringline_conn_send(conn, reply, (size_t)n + 2) > 0;
}

static void serve_tcp(struct ringline_conn *conn, void *arg)
{
	unsigned char *reply = malloc(2 + DNS_MESSAGE_MAX);

	(void)arg;
	if (reply && ringline_conn_set_option(conn, RINGLINE_CONN_IDLE_TIMEOUT, (int64_t)TCP_IDLE) == 0)
		while (serve_query(conn, reply))
			;
	free(reply);
}

/* Start and end */

static int start(void *arg)
{
	struct ringline_dgram_options o = RINGLINE_DGRAM_OPTIONS_INIT;
	struct ringline_dgram *sock;
	int r;

	o.flags = RINGLINE_DGRAM_SHARE_PORT;
	o.receive_buffer = 1 << 20;
	r = ringline_dgram_open(&sock, NULL, options.udp_address, &o);
	if (r < 0)
		return r;
	if (ringline_worker_index() == 0) {
		printf("listening on %s\n", (const char *)arg);
		fflush(stdout);
	}
	return ringline_spawn(serve_udp, sock);
}

static int run(uint32_t workers)
{
	struct ringline_config config = RINGLINE_CONFIG_INIT;
	char address[RINGLINE_ADDRESS_SIZE];
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_runtime *rt;
	int r;

	config.workers = workers;
	r = ringline_runtime_new(&rt, &config);
	if (r < 0)
		return r;
	snprintf(address, sizeof(address), "tcp:%s", options.listen);
	r = ringline_runtime_listen(rt, bound, address, serve_tcp, NULL, NULL);
	if (r == 0) {
		snprintf(options.udp_address, sizeof(options.udp_address), "udp:%s", bound + strlen("tcp:"));
		r = ringline_runtime_on_start(rt, start, bound + strlen("tcp:"));
	}
	if (r == 0)
		r = ringline_runtime_run(rt);
	ringline_runtime_free(rt);
	printf("answered=%lu forwarded=%lu failed=%lu wrong=%lu dropped=%lu\n", count.answered, count.forwarded, count.failed,
	       count.wrong, count.dropped);
	return r;
}

int main(int argc, char **argv)
{
	uint32_t workers = 1;
	int c;
	int r;

	while ((c = getopt(argc, argv, "l:z:u:w:")) != -1) {
		if (c == 'l')
			options.listen = optarg;
		else if (c == 'u')
			options.upstream = optarg;
		else if (c == 'w')
			workers = (uint32_t)atoi(optarg);
		else if (c != 'z' || !zone_load(optarg))
			return 2;
	}
	if (optind < argc) {
		fprintf(stderr, "usage: dns [-l ADDRESS:PORT] [-z ZONEFILE] [-u UPSTREAM:PORT] [-w WORKERS]\n");
		return 2;
	}
	if (options.upstream) {
		snprintf(options.udp_upstream, sizeof(options.udp_upstream), "udp:%s", options.upstream);
		snprintf(options.tcp_upstream, sizeof(options.tcp_upstream), "tcp:%s", options.upstream);
	}
	r = run(workers);
	if (r < 0)
		fprintf(stderr, "dns: %s\n", strerror(-r));
	return r < 0;
}
