/* SPDX-License-Identifier: MIT */
/*
 * A system log daemon: takes messages from a unix datagram socket, from UDP and from TCP, and appends them to a file, a line each.
 *
 *     syslogd -o FILE [-u unix:/PATH] [-l udp:ADDRESS:PORT] [-t tcp:ADDRESS:PORT]
 *
 * Receivers put lines into a buffer, and one task writes it, on a thread of the pool, while they fill the other one. When both
 * are full the receivers wait: TCP senders are slowed down, and datagrams wait in the kernel, which counts what it drops. At
 * its end the daemon says how many messages came, how many were written, and how many the kernel has dropped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ringline/ringline.h>

#define BUFFER_SIZE (256 * 1024)
#define MESSAGE_MAX 65536
#define BATCH       32

static struct {
	const char *file;
	const char *unix_address;
	const char *udp_address;
	const char *tcp_address;
} options;

/* One is filled while the other one is written. */
struct buffer {
	size_t used;
	unsigned long messages;
	char bytes[BUFFER_SIZE];
};

static struct buffer buffers[2];
static struct buffer *filling = &buffers[0];
static int file = -1;
static struct ringline_event *something;         /* there is something to write */
static struct ringline_event *room;              /* the buffer has room again */
static unsigned long received;
static unsigned long written;
static unsigned long dropped;
static unsigned long failed;

/* Lines */

static int wait_for_room(size_t n)
{
	int r = 0;

	while (r == 0 && filling->used + n > BUFFER_SIZE) {
		ringline_event_reset(room);
		ringline_event_set(something);
		r = ringline_event_wait(room);
	}
	return r;
}

/* Control characters would let a sender forge lines. */
static void put_line(const char *text, size_t n)
{
	char *to = filling->bytes + filling->used;
	size_t i;

	for (i = 0; i < n; i++)
		to[i] = (unsigned char)text[i] < ' ' ? ' ' : text[i];
	to[n] = '\n';
	filling->used += n + 1;
	filling->messages++;
	ringline_event_set(something);
}

static int take_message(const char *text, size_t n)
{
	int r;

	while (n && (text[n - 1] == '\n' || text[n - 1] == '\0'))
		n--;
	received++;
	r = wait_for_room(n + 1);
	if (r == 0)
		put_line(text, n);
	else
		failed++;
	return r;
}

/* The writer */

static int write_all(void *arg)
{
	const struct buffer *b = arg;
	size_t done = 0;

	while (done < b->used) {
		ssize_t n = write(file, b->bytes + done, b->used - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static void write_buffer(void)
{
	struct buffer *b = filling;
	int r;

	filling = b == &buffers[0] ? &buffers[1] : &buffers[0];
	ringline_event_set(room);
	r = ringline_blocking(write_all, b, NULL);
	if (r < 0) {
		failed += b->messages;
		fprintf(stderr, "syslogd: %s: %s\n", options.file, strerror(-r));
	} else {
		written += b->messages;
	}
	b->used = 0;
	b->messages = 0;
	ringline_event_set(room);
}

/* What has been received is written, whether or not the daemon ends. */
static void write_shielded(void)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *shield;

	o.flags = RINGLINE_SCOPE_SHIELDED;
	if (ringline_scope_open(&shield, &o) < 0)
		return;
	while (filling->used)
		write_buffer();
	ringline_scope_close(shield);
}

static int writer(void *arg)
{
	int r;

	(void)arg;
	do {
		r = ringline_event_wait(something);
		ringline_event_reset(something);
		write_shielded();
	} while (r == 0);
	return r;
}

/* The receivers */

static int receive_datagrams(void *arg)
{
	struct ringline_dgram_msg msgs[BATCH];
	struct ringline_dgram *sock = arg;
	struct ringline_dgram_info info = RINGLINE_DGRAM_INFO_INIT;
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = ringline_dgram_recv_batch(sock, msgs, BATCH, sizeof(*msgs))) > 0) {
		ssize_t i;

		for (i = 0; i < n; i++)
			if (!msgs[i].result)
				r = take_message(msgs[i].data, msgs[i].length);
	}
	if (ringline_dgram_info(sock, &info) == 0)
		dropped += info.dropped;
	return ringline_dgram_close(sock);
}

/* RFC 6587: a length and as many bytes, or everything up to the end of the line. 0: there is no more. */
static ssize_t next_message(struct ringline_conn *conn, const char **text, size_t *skip)
{
	const void *data;
	ssize_t n = ringline_conn_peek(conn, &data);
	long length;

	*skip = 0;
	if (n <= 0)
		return n;
	if (*(const char *)data < '1' || *(const char *)data > '9') {
		n = ringline_conn_peek_until(conn, "\n", 1, MESSAGE_MAX, &data);
		*text = data;
		return n;
	}
	n = ringline_conn_peek_until(conn, " ", 1, 8, &data);
	if (n <= 0)
		return n;
	length = strtol(data, NULL, 10);
	*skip = (size_t)n;
	if (length < 1 || length > MESSAGE_MAX)
		return -EPROTO;
	n = ringline_conn_peek_at_least(conn, *skip + (size_t)length, &data);
	if (n <= 0)
		return n;
	*text = (const char *)data + *skip;
	return length;
}

static void serve_stream(struct ringline_conn *conn, void *arg)
{
	const char *text;
	size_t skip;
	ssize_t n;

	(void)arg;
	while ((n = next_message(conn, &text, &skip)) > 0) {
		if (take_message(text, (size_t)n) < 0)
			break;
		ringline_conn_consume(conn, skip + (size_t)n);
	}
}

/* Start and end */

static int open_datagrams(const char *address)
{
	char bound[RINGLINE_ADDRESS_SIZE];
	struct ringline_dgram_options o = RINGLINE_DGRAM_OPTIONS_INIT;
	struct ringline_dgram *sock;
	int r;

	o.receive_buffer = 4 << 20;
	r = ringline_dgram_open(&sock, bound, address, &o);
	if (r < 0) {
		fprintf(stderr, "syslogd: %s: %s\n", address, strerror(-r));
		return r;
	}
	printf("listening on %s\n", bound);
	return ringline_spawn(receive_datagrams, sock);
}

static int start(void *arg)
{
	int r = ringline_event_new(&something, NULL);

	if (r == 0)
		r = ringline_event_new(&room, NULL);
	if (r == 0)
		r = ringline_spawn(writer, NULL);
	if (r == 0 && options.unix_address)
		r = open_datagrams(options.unix_address);
	if (r == 0 && options.udp_address)
		r = open_datagrams(options.udp_address);
	if (r < 0)
		return r;
	if (options.tcp_address)
		printf("listening on %s\n", (const char *)arg);
	fflush(stdout);
	return 0;
}

static int run(void)
{
	struct ringline_config config = RINGLINE_CONFIG_INIT;
	char bound[RINGLINE_ADDRESS_SIZE] = "";
	struct ringline_runtime *rt;
	int r;

	config.workers = 1;
	r = ringline_runtime_new(&rt, &config);
	if (r < 0)
		return r;
	if (options.tcp_address)
		r = ringline_runtime_listen(rt, bound, options.tcp_address, serve_stream, NULL, NULL);
	if (r == 0)
		r = ringline_runtime_on_start(rt, start, bound);
	if (r == 0)
		r = ringline_runtime_run(rt);
	ringline_runtime_free(rt);
	printf("received=%lu written=%lu failed=%lu dropped=%lu\n", received, written, failed, dropped);
	return r;
}

int main(int argc, char **argv)
{
	int c;
	int r;

	while ((c = getopt(argc, argv, "o:u:l:t:")) != -1) {
		if (c == 'o')
			options.file = optarg;
		else if (c == 'u')
			options.unix_address = optarg;
		else if (c == 'l')
			options.udp_address = optarg;
		else if (c == 't')
			options.tcp_address = optarg;
		else
			return 2;
	}
	if (!options.file || optind < argc) {
		fprintf(stderr, "usage: syslogd -o FILE [-u unix:/PATH] [-l udp:ADDRESS:PORT] [-t tcp:ADDRESS:PORT]\n");
		return 2;
	}
	file = open(options.file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (file < 0) {
		fprintf(stderr, "syslogd: %s: %s\n", options.file, strerror(errno));
		return 1;
	}
	r = run();
	close(file);
	if (r < 0)
		fprintf(stderr, "syslogd: %s\n", strerror(-r));
	return r < 0;
}
