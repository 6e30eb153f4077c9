/* SPDX-License-Identifier: MIT */
/*
 * A client of examples/nbdserver that does what no good client does, and those that are killed.
 *
 *     nbd-client list                       the names of the cases
 *     nbd-client ADDRESS case NAME FILE     one of them; FILE is what the export "disk" has, "rom" has it for reading
 *     nbd-client SOCKET storm BASE          writes without end from BASE on, and prints "SLOT GENERATION" when it is told so
 *     nbd-client SOCKET hoard NUMBER        as many connections ask for gigabytes and do not fetch them; another one is served
 *     nbd-client ADDRESS dawdle             some who do not come to the point are sent away, one who has is not
 *     nbd-client verify FILE BASE LOG       whether what a storm was told is what FILE has
 *     nbd-client ADDRESS visit ENOUGH       connects again and again, reads, until the file ENOUGH is there and a few visits
 *                                           went well; prints how it went; a refusal is an error
 *
 * SOCKET is the path of a unix socket, ADDRESS one or a port of 127.0.0.1. The server is given sockets with a time limit: what
 * does not come within 10 seconds does not come.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "nbd-protocol.h"

#define KIB         1024u
#define MIB         (1024u * KIB)
#define STORM_SLOTS 32u
#define STORM_SIZE  (64u * KIB)
#define STORM_DEPTH 8u

static const char *path;                  /* of the server's socket */
static const char *file;                  /* what is exported */
static uint64_t file_size;
static unsigned char buffer[40 * MIB];
static unsigned char truth[40 * MIB];

static void fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static void expect(bool holds, const char *what)
{
	if (!holds)
		fail(what);
}

/* Sockets */

static int connect_to(const char *where)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { .tv_sec = 10 };
	bool is_path = strchr(where, '/');
	int fd = socket(is_path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", where);
	in.sin_port = htons((uint16_t)atoi(where));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, is_path ? (void *)&un : (void *)&in, is_path ? sizeof(un) : sizeof(in)) < 0) {
		perror("connect");
		exit(1);
	}
	return fd;
}

/* True if all of it has been sent: the server may have gone. */
static bool put(int fd, const void *data, size_t n)
{
	const char *at = data;

	while (n) {
		ssize_t r = send(fd, at, n, MSG_NOSIGNAL);

		if (r <= 0)
			return false;
		at += r;
		n -= (size_t)r;
	}
	return true;
}

/* True if that many bytes came, false if the stream ended before the first or broke. */
static bool get(int fd, void *data, size_t n)
{
	char *at = data;

	while (n) {
		ssize_t r = recv(fd, at, n, 0);

		if (r < 0 && errno == EAGAIN)
			fail("nothing comes");
		if (r <= 0)
			return false;
		at += r;
		n -= (size_t)r;
	}
	return true;
}

static void expect_end(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	expect(n == 0 || (n < 0 && errno == ECONNRESET), "the connection should have been closed");
	close(fd);
}

/* Haggling */

static int greet(uint32_t flags)
{
	unsigned char bytes[NBD_GREETING];
	int fd = connect_to(path);

	expect(get(fd, bytes, sizeof(bytes)), "no greeting");
	expect(!memcmp(bytes, "NBDMAGICIHAVEOPT\0\3", sizeof(bytes)), "another greeting");
	nbd_put32(bytes, flags);
	put(fd, bytes, 4);
	return fd;
}

static void send_option(int fd, uint32_t option, const void *data, size_t length)
{
	unsigned char head[NBD_OPTION] = "IHAVEOPT";

	nbd_put32(nbd_put32(head + 8, option), (uint32_t)length);
	expect(put(fd, head, sizeof(head)) && put(fd, data, length), "the server has gone");
}

/* The type of the next reply to an option; its data are in the buffer. */
static uint32_t reply_to(int fd, uint32_t option, uint32_t *length)
{
	unsigned char head[NBD_OPTION_REPLY];

	expect(get(fd, head, sizeof(head)), "no reply to an option");
	expect(nbd_get64(head) == UINT64_C(0x3e889045565a9), "a wrong magic number");
	expect(nbd_get32(head + 8) == option, "the reply to another option");
	*length = nbd_get32(head + 16);
	expect(*length <= sizeof(buffer) && get(fd, buffer, *length), "no data of a reply");
	return nbd_get32(head + 12);
}

/* Sends an option and takes replies until the last; its type. */
static uint32_t ask(int fd, uint32_t option, const void *data, size_t length, int *count)
{
	uint32_t type;
	uint32_t n;

	send_option(fd, option, data, length);
	*count = 0;
	while ((type = reply_to(fd, option, &n)) != NBD_REP_ACK && !(type >> 31))
		++*count;
	return type;
}

static void expect_reply(int fd, uint32_t option, const void *data, size_t length, uint32_t type, int count)
{
	int n;
	uint32_t got = ask(fd, option, data, length, &n);

	if (got == type && n == count)
		return;
	fprintf(stderr, "option %u: %#x after %d replies instead of %#x after %d\n", option, got, n, type, count);
	exit(1);
}

/* The data of INFO, GO and the contexts: a name, and what comes behind it. */
static size_t name_and(unsigned char *to, const char *name, const void *rest, size_t n)
{
	unsigned char *at = nbd_put32(to, (uint32_t)strlen(name));

	memcpy(at, name, strlen(name));
	memcpy(at + strlen(name), rest, n);
	return 4 + strlen(name) + n;
}

static void select_context(int fd, const char *export, const char *query, uint32_t type, int count)
{
	unsigned char data[256];
	unsigned char rest[128];
	unsigned char *at = nbd_put32(nbd_put32(rest, 1), (uint32_t)strlen(query));

	memcpy(at, query, strlen(query));
	expect_reply(fd, NBD_OPT_SET_META_CONTEXT, data, name_and(data, export, rest, 8 + strlen(query)), type, count);
}

static void go(int fd, const char *export)
{
	unsigned char data[256];

	expect_reply(fd, NBD_OPT_GO, data, name_and(data, export, "\0", 2), NBD_REP_ACK, 1);
}

static int enter(const char *export, bool structured)
{
	int fd = greet(NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES);

	if (structured) {
		expect_reply(fd, NBD_OPT_STRUCTURED_REPLY, "", 0, NBD_REP_ACK, 0);
		select_context(fd, export, "base:allocation", NBD_REP_ACK, 1);
	}
	go(fd, export);
	return fd;
}

/* Transmission */

static void put_request(unsigned char *to, uint16_t flags, uint16_t type, uint64_t cookie, uint64_t offset, uint32_t length)
{
	to = nbd_put16(nbd_put16(nbd_put32(to, 0x25609513), flags), type);
	nbd_put32(nbd_put64(nbd_put64(to, cookie), offset), length);
}

static void request(int fd, uint16_t flags, uint16_t type, uint64_t cookie, uint64_t offset, uint32_t length)
{
	unsigned char bytes[NBD_REQUEST];

	put_request(bytes, flags, type, cookie, offset, length);
	expect(put(fd, bytes, sizeof(bytes)), "the server has gone");
}

/* The error of a reply with no data, plain or by a chunk. */
static uint32_t status(int fd, uint64_t cookie)
{
	unsigned char head[NBD_CHUNK];
	unsigned char rest[64];

	expect(get(fd, head, NBD_SIMPLE), "no reply");
	if (nbd_get32(head) == 0x67446698) {
		expect(nbd_get64(head + 8) == cookie, "the reply to another request");
		return nbd_get32(head + 4);
	}
	expect(nbd_get32(head) == 0x668e33ef, "a wrong magic number");
	expect(get(fd, head + NBD_SIMPLE, NBD_CHUNK - NBD_SIMPLE), "no reply");
	expect(nbd_get64(head + 8) == cookie, "the reply to another request");
	expect(nbd_get16(head + 4) == NBD_CHUNK_DONE && nbd_get32(head + 16) <= sizeof(rest), "not the end of a reply");
	expect(get(fd, rest, nbd_get32(head + 16)), "no reply");
	return nbd_get16(head + 6) >> 15 ? nbd_get32(rest) : 0;
}

static void expect_status(int fd, uint16_t flags, uint16_t type, uint64_t offset, uint32_t length, uint32_t error)
{
	static uint64_t cookie = 1000;
	uint32_t got;

	request(fd, flags, type, ++cookie, offset, length);
	if (type == NBD_CMD_WRITE)
		expect(put(fd, buffer, length), "the server has gone");
	got = status(fd, cookie);
	if (got == error)
		return;
	fprintf(stderr, "request %u, flags %u, %u bytes at %llu: error %u instead of %u\n", type, flags, length,
	        (unsigned long long)offset, got, error);
	exit(1);
}

/* What a chunk is; its data are in the buffer. */
static uint16_t chunk(int fd, uint64_t cookie, uint32_t *length, bool *done)
{
	unsigned char head[NBD_CHUNK];

	expect(get(fd, head, sizeof(head)) && nbd_get32(head) == 0x668e33ef, "no chunk");
	expect(nbd_get64(head + 8) == cookie, "a chunk for another request");
	*length = nbd_get32(head + 16);
	*done = nbd_get16(head + 4) & NBD_CHUNK_DONE;
	expect(*length <= sizeof(buffer) && get(fd, buffer, *length), "no data of a chunk");
	return nbd_get16(head + 6);
}

static void load_truth(void)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, truth, sizeof(truth));

	expect(n > 0, "the file cannot be read");
	file_size = (uint64_t)n;
	close(fd);
}

/* Takes a reply in chunks, and compares; how many had data. */
static int take_chunks(int fd, uint64_t cookie, uint64_t offset, uint32_t length)
{
	uint32_t got = 0;
	uint32_t n;
	bool done = false;
	int count = 0;

	while (!done) {
		uint16_t type = chunk(fd, cookie, &n, &done);

		expect(type == NBD_CHUNK_DATA || (type == NBD_CHUNK_NONE && done), "another kind of chunk");
		if (type != NBD_CHUNK_DATA)
			continue;
		expect(n > 8 && nbd_get64(buffer) >= offset && nbd_get64(buffer) + n - 8 <= offset + length, "a chunk beyond");
		expect(!memcmp(buffer + 8, truth + nbd_get64(buffer), n - 8), "other data");
		got += n - 8;
		count++;
	}
	expect(got == length, "not all data");
	return count;
}

static void take_simple(int fd, uint64_t cookie, uint64_t offset, uint32_t length)
{
	unsigned char head[NBD_SIMPLE];

	expect(get(fd, head, sizeof(head)) && nbd_get32(head) == 0x67446698, "no reply");
	expect(!nbd_get32(head + 4) && nbd_get64(head + 8) == cookie, "an error, or the reply to another request");
	expect(get(fd, buffer, length) && !memcmp(buffer, truth + offset, length), "other data");
}

/* Cases: haggling */

static void unknown_client_flags_end_it(void)
{
	expect_end(greet(1u << 7 | NBD_FIXED_NEWSTYLE));
}

static void a_wrong_option_magic_ends_it(void)
{
	int fd = greet(NBD_FIXED_NEWSTYLE);

	put(fd, "IHAVEOPS\0\0\0\3\0\0\0\0", 16);
	expect_end(fd);
}

static void an_unknown_option_is_skipped(void)
{
	int fd = greet(NBD_FIXED_NEWSTYLE);

	expect_reply(fd, 4711, "whatever", 8, NBD_REP_ERR_UNSUP, 0);
	expect_reply(fd, 5, "", 0, NBD_REP_ERR_UNSUP, 0);       /* TLS */
	expect_reply(fd, 4712, truth, 100000, NBD_REP_ERR_UNSUP, 0);
	expect_reply(fd, NBD_OPT_LIST, "", 0, NBD_REP_ACK, 3);
	close(fd);
}

static void an_option_that_is_too_long_is_refused(void)
{
	int fd = greet(NBD_FIXED_NEWSTYLE);

	expect_reply(fd, NBD_OPT_GO, truth, 100000, NBD_REP_ERR_TOO_BIG, 0);
	expect_reply(fd, NBD_OPT_LIST, "", 0, NBD_REP_ACK, 3);
	close(fd);
}

static void malformed_options_are_invalid(void)
{
	int fd = greet(NBD_FIXED_NEWSTYLE);

	expect_reply(fd, NBD_OPT_LIST, "x", 1, NBD_REP_ERR_INVALID, 0);
	expect_reply(fd, NBD_OPT_STRUCTURED_REPLY, "x", 1, NBD_REP_ERR_INVALID, 0);
	expect_reply(fd, NBD_OPT_GO, "", 0, NBD_REP_ERR_INVALID, 0);
	expect_reply(fd, NBD_OPT_GO, "\0\0\0\5disk\0\0", 10, NBD_REP_ERR_INVALID, 0);
	expect_reply(fd, NBD_OPT_GO, "\0\0\0\4disk\0\0x", 11, NBD_REP_ERR_INVALID, 0);
	expect_reply(fd, NBD_OPT_GO, "\0\0\0\4disk\0\1\0", 11, NBD_REP_ERR_INVALID, 0);
	expect_reply(fd, NBD_OPT_INFO, "\377\377\377\377disk\0\0", 10, NBD_REP_ERR_INVALID, 0);
	go(fd, "disk");
	close(fd);
}

static void unknown_exports_are_told(void)
{
	int fd = greet(NBD_FIXED_NEWSTYLE);

	expect_reply(fd, NBD_OPT_INFO, "\0\0\0\4desk\0\0", 10, NBD_REP_ERR_UNKNOWN, 0);
	expect_reply(fd, NBD_OPT_GO, "\0\0\0\4desk\0\0", 10, NBD_REP_ERR_UNKNOWN, 0);
	send_option(fd, NBD_OPT_EXPORT_NAME, "desk", 4);
	expect_end(fd);
}

static void contexts_are_checked(void)
{
	int fd = greet(NBD_FIXED_NEWSTYLE);

	select_context(fd, "disk", "base:allocation", NBD_REP_ERR_INVALID, 0);   /* chunks first */
	expect_reply(fd, NBD_OPT_STRUCTURED_REPLY, "", 0, NBD_REP_ACK, 0);
	select_context(fd, "disk", "nothing", NBD_REP_ERR_INVALID, 0);
	select_context(fd, "desk", "base:allocation", NBD_REP_ERR_UNKNOWN, 0);
	select_context(fd, "disk", "x-other:allocation", NBD_REP_ACK, 0);
	select_context(fd, "disk", "base:", NBD_REP_ACK, 0);
	expect_reply(fd, NBD_OPT_LIST_META_CONTEXT, "\0\0\0\4disk\0\0\0\0", 12, NBD_REP_ACK, 1);
	expect_reply(fd, NBD_OPT_LIST_META_CONTEXT, "\0\0\0\4disk\0\0\0\1\0\0\0\5base:", 21, NBD_REP_ACK, 1);
	expect_reply(fd, NBD_OPT_LIST_META_CONTEXT, "\0\0\0\4disk\377\377\377\377\0\0\0\5base:", 21, NBD_REP_ERR_INVALID, 0);
	select_context(fd, "rom", "base:allocation", NBD_REP_ACK, 1);
	go(fd, "disk");                   /* for which it was not selected */
	expect_status(fd, 0, NBD_CMD_BLOCK_STATUS, 0, 4096, NBD_EINVAL);
	close(fd);
}

static void abort_is_acknowledged(void)
{
	int fd = greet(NBD_FIXED_NEWSTYLE);

	expect_reply(fd, NBD_OPT_ABORT, "bye", 3, NBD_REP_ACK, 0);
	expect_end(fd);
}

static void old_clients_know_one_option(void)
{
	unsigned char reply[134];
	int fd = greet(0);

	send_option(fd, NBD_OPT_LIST, "", 0);
	expect_end(fd);
	fd = greet(0);
	send_option(fd, NBD_OPT_EXPORT_NAME, "disk", 4);
	expect(get(fd, reply, sizeof(reply)) && nbd_get64(reply) == file_size, "no export");
	request(fd, 0, NBD_CMD_READ, 1, 0, 4096);
	take_simple(fd, 1, 0, 4096);
	close(fd);
}

/* Cases: requests */

static void a_wrong_request_magic_ends_it(void)
{
	int fd = enter("disk", true);

	put(fd, truth, NBD_REQUEST);
	expect_end(fd);
}

static void check_bad_requests(int fd)
{
	uint32_t end = (uint32_t)file_size;

	expect_status(fd, 0, 99, 0, 0, NBD_EINVAL);
	expect_status(fd, 0, NBD_CMD_READ, end - 1, 2, NBD_EINVAL);
	expect_status(fd, 0, NBD_CMD_READ, UINT64_MAX, 2, NBD_EINVAL);
	expect_status(fd, 0, NBD_CMD_WRITE, end - 1, 2, NBD_ENOSPC);
	expect_status(fd, 0, NBD_CMD_WRITE_ZEROES, end, 1, NBD_ENOSPC);
	expect_status(fd, 0, NBD_CMD_TRIM, end, 1, NBD_EINVAL);
	expect_status(fd, 0, NBD_CMD_CACHE, end, 1, NBD_EINVAL);
	expect_status(fd, 0, NBD_CMD_READ, 0, NBD_BLOCK_MAX + 1, NBD_EINVAL);
	expect_status(fd, 0, NBD_CMD_WRITE, 0, NBD_BLOCK_MAX + 1, NBD_EINVAL);
	expect_status(fd, NBD_CMD_FLAG_NO_HOLE, NBD_CMD_WRITE, 0, 512, NBD_EINVAL);
	expect_status(fd, NBD_CMD_FLAG_DF, NBD_CMD_TRIM, 0, 512, NBD_EINVAL);
	expect_status(fd, 1u << 12, NBD_CMD_READ, 0, 512, NBD_EINVAL);
	expect_status(fd, 0, NBD_CMD_FLUSH, 1, 0, NBD_EINVAL);
	expect_status(fd, 0, NBD_CMD_FLUSH, 0, 1, NBD_EINVAL);
	expect_status(fd, 0, NBD_CMD_BLOCK_STATUS, 0, 0, NBD_EINVAL);
	expect_status(fd, 0, NBD_CMD_READ, 0, 0, 0);
	expect_status(fd, 0, NBD_CMD_WRITE, end, 0, 0);
	expect_status(fd, NBD_CMD_FLAG_FUA, NBD_CMD_CACHE, 0, 4096, 0);
	expect_status(fd, 0, NBD_CMD_FLUSH, 0, 0, 0);
}

static void bad_requests_are_answered(void)
{
	int fd = enter("disk", true);

	check_bad_requests(fd);
	request(fd, 0, NBD_CMD_READ, 7, 0, 4096);
	take_chunks(fd, 7, 0, 4096);
	close(fd);
}

static void bad_requests_are_answered_plainly(void)
{
	int fd = enter("disk", false);

	check_bad_requests(fd);
	expect_status(fd, NBD_CMD_FLAG_DF, NBD_CMD_READ, 0, 4096, NBD_EINVAL);
	expect_status(fd, 0, NBD_CMD_BLOCK_STATUS, 0, 4096, NBD_EINVAL);
	request(fd, 0, NBD_CMD_READ, 7, 0, 4096);
	take_simple(fd, 7, 0, 4096);
	close(fd);
}

static void what_is_read_only_stays(void)
{
	int fd = enter("rom", true);

	expect_status(fd, 0, NBD_CMD_WRITE, 0, 4096, NBD_EPERM);
	expect_status(fd, 0, NBD_CMD_WRITE, 0, 3 * MIB, NBD_EPERM);
	expect_status(fd, 0, NBD_CMD_TRIM, 0, 4096, NBD_EPERM);
	expect_status(fd, 0, NBD_CMD_WRITE_ZEROES, 0, 4096, NBD_EPERM);
	expect_status(fd, 0, NBD_CMD_FLUSH, 0, 0, NBD_EINVAL);
	expect_status(fd, NBD_CMD_FLAG_FUA, NBD_CMD_READ, 0, 4096, NBD_EINVAL);
	request(fd, 0, NBD_CMD_READ, 7, 0, 3 * MIB);
	take_chunks(fd, 7, 0, 3 * MIB);
	close(fd);
}

static void reads_of_all_sizes(void)
{
	static const uint32_t sizes[] = { 1, 511, 4096, 65535, 65536, 65537, 256 * KIB, MIB, 5 * MIB + 3, 16 * MIB };
	int fd = enter("disk", true);
	int plain = enter("rom", false);
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t offset = i * 1000 + i;

		request(fd, 0, NBD_CMD_READ, i, offset, sizes[i]);
		take_chunks(fd, i, offset, sizes[i]);
		request(fd, NBD_CMD_FLAG_DF, NBD_CMD_READ, i, offset, sizes[i]);
		expect(take_chunks(fd, i, offset, sizes[i]) == 1, "more than one chunk");
		request(plain, 0, NBD_CMD_READ, i, offset, sizes[i]);
		take_simple(plain, i, offset, sizes[i]);
	}
	close(fd);
	close(plain);
}

static void extents_are_told(void)
{
	int fd = enter("disk", true);
	uint32_t n;
	bool done;

	request(fd, NBD_CMD_FLAG_REQ_ONE, NBD_CMD_BLOCK_STATUS, 1, 4096, 8192);
	expect(chunk(fd, 1, &n, &done) == NBD_CHUNK_BLOCK_STATUS && done && n == 12, "not one extent");
	expect(nbd_get32(buffer) == 1 && nbd_get32(buffer + 4) <= 8192, "a longer extent");
	expect_status(fd, 0, NBD_CMD_WRITE_ZEROES, 8 * MIB, MIB, 0);
	memset(truth + 8 * MIB, 0, MIB);
	request(fd, 0, NBD_CMD_BLOCK_STATUS, 2, 7 * MIB, 3 * MIB);
	expect(chunk(fd, 2, &n, &done) == NBD_CHUNK_BLOCK_STATUS && done && n % 8 == 4 && n >= 12, "no extents");
	request(fd, 0, NBD_CMD_READ, 3, 7 * MIB, 3 * MIB);
	take_chunks(fd, 3, 7 * MIB, 3 * MIB);
	close(fd);
}

static void a_file_that_has_shrunk_is_an_error(void)
{
	int fd = enter("short", true);
	int plain = enter("short", false);
	uint32_t n;
	bool done = false;
	bool error = false;
	char name[256];

	snprintf(name, sizeof(name), "%s.short", file);
	expect(truncate(name, 64 * KIB) == 0, "truncate");
	expect_status(fd, 0, NBD_CMD_READ, 60 * KIB, 8192, NBD_EIO);
	expect_status(plain, 0, NBD_CMD_READ, 60 * KIB, 8192, NBD_EIO);
	request(fd, 0, NBD_CMD_READ, 1, 0, MIB);      /* part of it is there: it may have been sent by then */
	while (!done)
		error |= chunk(fd, 1, &n, &done) >> 15;
	expect(error, "no error");
	expect_status(fd, 0, NBD_CMD_FLUSH, 0, 0, 0);
	expect(truncate(name, MIB) == 0, "truncate");
	close(fd);
	close(plain);
}

/* Cases: many at once */

static void all_is_answered_before_the_end(void)
{
	unsigned char bytes[64 * NBD_REQUEST];
	int fd = enter("disk", false);
	uint64_t i;

	for (i = 0; i < 63; i++)
		put_request(bytes + i * NBD_REQUEST, 0, NBD_CMD_READ, i, i * 70000, i % 8 ? 4096 : 70000);
	put_request(bytes + i * NBD_REQUEST, 0, NBD_CMD_DISC, 0, 0, 0);
	expect(put(fd, bytes, sizeof(bytes)), "the server has gone");
	for (i = 0; i < 63; i++) {
		unsigned char head[NBD_SIMPLE];
		uint64_t cookie;

		expect(get(fd, head, sizeof(head)) && !nbd_get32(head + 4), "not answered");
		cookie = nbd_get64(head + 8);
		expect(cookie < 63 && get(fd, buffer, cookie % 8 ? 4096 : 70000), "not answered");
		expect(!memcmp(buffer, truth + cookie * 70000, cookie % 8 ? 4096 : 70000), "other data");
	}
	expect_end(fd);
}

/* 200 MiB are asked for and not fetched: the server must stop reading, and go on when they are. */
static void who_does_not_read_waits(void)
{
	int fd = enter("disk", false);
	unsigned char bytes[NBD_REQUEST];
	uint64_t asked = 0;
	uint64_t i;

	for (; asked < 50000; asked++) {
		put_request(bytes, 0, NBD_CMD_READ, asked, asked % 1000 * 4096, 4096);
		if (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(bytes))
			break;
	}
	for (i = 0; i < asked; i++) {
		unsigned char head[NBD_SIMPLE];

		expect(get(fd, head, sizeof(head)) && !nbd_get32(head + 4) && nbd_get64(head + 8) < asked, "no reply");
		expect(get(fd, buffer, 4096) && !memcmp(buffer, truth + nbd_get64(head + 8) % 1000 * 4096, 4096), "other data");
	}
	close(fd);
}

static void fill(unsigned char *to, size_t n, uint64_t slot, uint64_t generation)
{
	size_t i;

	for (i = 0; i < n; i += 16)
		nbd_put64(nbd_put64(to + i, slot), generation);
}

/* Writes of all sizes at once, half of them large: each must be where it belongs. */
static void writes_do_not_cross(void)
{
	int fd = enter("disk", true);
	unsigned char bytes[NBD_REQUEST];
	uint64_t i;
	int n = 0;

	for (i = 0; i < 20; i++) {
		uint32_t length = i % 2 ? 4096 : (uint32_t)(300 + i) * KIB;

		fill(truth + i * MIB, length, i, 1);
		put_request(bytes, i % 5 ? 0 : NBD_CMD_FLAG_FUA, NBD_CMD_WRITE, i, i * MIB, length);
		expect(put(fd, bytes, sizeof(bytes)) && put(fd, truth + i * MIB, length), "the server has gone");
	}
	while (n++ < 20) {
		unsigned char head[NBD_SIMPLE];

		expect(get(fd, head, sizeof(head)) && nbd_get32(head) == 0x67446698 && !nbd_get32(head + 4), "not written");
	}
	for (i = 0; i < 20; i++)
		request(fd, 0, NBD_CMD_READ, 500 + i, i * MIB, 4096);
	for (i = 0; i < 20; i++) {
		unsigned char head[NBD_CHUNK + 8];

		expect(get(fd, head, sizeof(head)) && get(fd, buffer, 4096), "not read");
		expect(!memcmp(buffer, truth + nbd_get64(head + NBD_CHUNK), 4096), "other data");
	}
	request(fd, 0, NBD_CMD_READ, 1, 0, 20 * MIB);
	take_chunks(fd, 1, 0, 20 * MIB);
	close(fd);
}

/* A write whose data do not come is not done. */
static void half_a_write_is_none(void)
{
	int fd = enter("disk", true);

	request(fd, 0, NBD_CMD_WRITE, 1, 30 * MIB, 64 * KIB);
	memset(buffer, 0x77, 60000);
	put(fd, buffer, 60000);
	shutdown(fd, SHUT_WR);
	expect_end(fd);
	fd = enter("disk", true);
	request(fd, 0, NBD_CMD_READ, 1, 30 * MIB, 64 * KIB);
	take_chunks(fd, 1, 30 * MIB, 64 * KIB);
	close(fd);
}

static void take_read(int fd)
{
	unsigned char head[NBD_SIMPLE];
	uint64_t offset;

	expect(get(fd, head, sizeof(head)) && !nbd_get32(head + 4), "no reply");
	offset = nbd_get64(head + 8) * 4096;
	expect(offset < MIB && get(fd, buffer, 4096) && !memcmp(buffer, truth + offset, 4096), "other data");
}

static void read_deeply(int fd, uint64_t depth)
{
	uint64_t i;

	for (i = 0; i < 3000 + depth; i++) {
		if (i >= depth)
			take_read(fd);
		if (i < 3000)
			request(fd, 0, NBD_CMD_READ, i % 256, i % 256 * 4096, 4096);
	}
}

/* The server, having got used to many small reads at once, must not wait for more than come. */
static void habits_change(void)
{
	int fd = enter("disk", false);
	uint64_t i;

	read_deeply(fd, 32);
	request(fd, 0, NBD_CMD_WRITE, 1000, 2 * MIB, 4096);
	expect(put(fd, truth + 2 * MIB, 4000) && put(fd, truth + 2 * MIB + 4000, 96), "the server has gone");
	expect(!status(fd, 1000), "an error");
	read_deeply(fd, 32);
	request(fd, NBD_CMD_FLAG_DF, NBD_CMD_WRITE, 1001, 2 * MIB, 4096);
	expect(put(fd, truth, 10), "the server has gone");
	usleep(1000);                     /* and none of the rest with it */
	expect(put(fd, truth, 4086) && status(fd, 1001) == NBD_EINVAL, "no error");
	read_deeply(fd, 64);
	read_deeply(fd, 2);
	for (i = 0; i < 200; i++) {
		request(fd, 0, NBD_CMD_READ, i, i * 4096, 4096);
		take_read(fd);
	}
	read_deeply(fd, 16);
	request(fd, 0, NBD_CMD_DISC, 0, 0, 0);
	expect_end(fd);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "unknown-client-flags-end-it", unknown_client_flags_end_it },
	{ "a-wrong-option-magic-ends-it", a_wrong_option_magic_ends_it },
	{ "an-unknown-option-is-skipped", an_unknown_option_is_skipped },
	{ "an-option-that-is-too-long-is-refused", an_option_that_is_too_long_is_refused },
	{ "malformed-options-are-invalid", malformed_options_are_invalid },
	{ "unknown-exports-are-told", unknown_exports_are_told },
	{ "contexts-are-checked", contexts_are_checked },
	{ "abort-is-acknowledged", abort_is_acknowledged },
	{ "old-clients-know-one-option", old_clients_know_one_option },
	{ "a-wrong-request-magic-ends-it", a_wrong_request_magic_ends_it },
	{ "bad-requests-are-answered", bad_requests_are_answered },
	{ "bad-requests-are-answered-plainly", bad_requests_are_answered_plainly },
	{ "what-is-read-only-stays", what_is_read_only_stays },
	{ "reads-of-all-sizes", reads_of_all_sizes },
	{ "extents-are-told", extents_are_told },
	{ "a-file-that-has-shrunk-is-an-error", a_file_that_has_shrunk_is_an_error },
	{ "all-is-answered-before-the-end", all_is_answered_before_the_end },
	{ "who-does-not-read-waits", who_does_not_read_waits },
	{ "writes-do-not-cross", writes_do_not_cross },
	{ "half-a-write-is-none", half_a_write_is_none },
	{ "habits-change", habits_change },
};

#define CASES (sizeof(cases) / sizeof(cases[0]))

static int run_case(const char *name)
{
	size_t i;

	load_truth();
	for (i = 0; i < CASES; i++) {
		if (strcmp(cases[i].name, name))
			continue;
		cases[i].run();
		return 0;
	}
	fail("no such case");
	return 1;
}

/* Storms: each slot is written again and again, with its number and a generation in every 16 bytes. */

static void storm_write(int fd, uint64_t base, uint64_t slot, uint64_t generation)
{
	static unsigned char data[STORM_SIZE];

	fill(data, sizeof(data), slot, generation);
	request(fd, 0, NBD_CMD_WRITE, slot, base + slot * STORM_SIZE, STORM_SIZE);
	expect(put(fd, data, sizeof(data)), "the server has gone");
}

/* STORM_DEPTH are under way, each in a slot of its own: a slot is written again when that is known to be done. */
static _Noreturn void storm(uint64_t base)
{
	uint64_t generation[STORM_SLOTS] = { 0 };
	uint64_t next = STORM_DEPTH;
	uint64_t slot;
	int fd = enter("disk", false);

	for (slot = 0; slot < STORM_DEPTH; slot++)
		storm_write(fd, base, slot, ++generation[slot]);
	for (;;) {
		unsigned char head[NBD_SIMPLE];
		char line[64];
		int n;

		expect(get(fd, head, sizeof(head)) && !nbd_get32(head + 4), "a write has failed");
		slot = nbd_get64(head + 8);
		n = snprintf(line, sizeof(line), "%u %llu\n", (unsigned int)slot, (unsigned long long)generation[slot]);
		expect(write(1, line, (size_t)n) == n, "the log");
		slot = next++ % STORM_SLOTS;
		storm_write(fd, base, slot, ++generation[slot]);
	}
}

static void verify_slot(const unsigned char *data, uint64_t slot, uint64_t told)
{
	uint64_t generation = nbd_get64(data + 8);
	size_t i;

	if (!told && !generation)
		return;                   /* nothing was written, or nothing that anybody knows of */
	expect(generation >= told, "what was told to be written is not there");
	for (i = 0; i < STORM_SIZE; i += 16)
		expect(nbd_get64(data + i) == slot && nbd_get64(data + i + 8) == generation, "parts of several writes");
}

static int verify(uint64_t base, const char *log)
{
	uint64_t told[STORM_SLOTS] = { 0 };
	unsigned long long generation;
	unsigned int slot;
	FILE *f = fopen(log, "r");
	uint64_t i;

	expect(f, "no log");
	while (fscanf(f, "%u %llu\n", &slot, &generation) == 2)
		told[slot % STORM_SLOTS] = generation;
	fclose(f);
	load_truth();
	expect(told[0], "nothing was written");
	for (i = 0; i < STORM_SLOTS; i++)
		verify_slot(truth + base + i * STORM_SIZE, i, told[i]);
	return 0;
}

/* Hoards */

#define HOARD_REQUESTS 20000u
#define HOARD_LENGTH   60000u

/* As many requests as the server and the kernel take in; or a write whose data will not come. */
static void hoard_on(int fd, int i)
{
	static unsigned char bytes[HOARD_REQUESTS * NBD_REQUEST];
	uint64_t n;

	if (i % 2) {
		request(fd, 0, NBD_CMD_WRITE, 1, 0, NBD_BLOCK_MAX);
		put(fd, bytes, 100);
		return;
	}
	for (n = 0; n < HOARD_REQUESTS; n++)
		put_request(bytes + n * NBD_REQUEST, 0, NBD_CMD_READ, n, n * 1000, HOARD_LENGTH);
	expect(send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT) > (ssize_t)sizeof(bytes) / 10, "hardly anything was taken");
}

static int hoard(int n)
{
	int fd;
	uint64_t i;

	while (n--)
		hoard_on(enter("disk", false), n);
	fd = enter("disk", false);
	for (i = 0; i < 1000; i++) {
		unsigned char head[NBD_SIMPLE];

		request(fd, 0, NBD_CMD_READ, i, i * 4096, 4096);
		expect(get(fd, head, sizeof(head)) && !nbd_get32(head + 4) && nbd_get64(head + 8) == i, "no reply");
		expect(get(fd, buffer, 4096), "no reply");
	}
	return 0;
}

/* Dawdlers */

/* Asks for what there is not; false: the server has ended it. */
static bool haggle_on(int fd)
{
	unsigned char head[NBD_OPTION_REPLY];

	return put(fd, "IHAVEOPT\0\0\0\177\0\0\0\0", NBD_OPTION) && get(fd, head, sizeof(head)) && get(fd, buffer, nbd_get32(head + 16));
}

/* As clients of old do. *greeted: the server has said something at least. */
static bool agree(int fd, bool *greeted)
{
	unsigned char greeting[NBD_GREETING];
	unsigned char reply[10];

	*greeted = get(fd, greeting, sizeof(greeting));
	return *greeted && put(fd, "\0\0\0\3IHAVEOPT\0\0\0\1\0\0\0\4disk", 24) && get(fd, reply, sizeof(reply));
}

/* However slow we are, and however little time the server gives. */
static int agree_at_last(void)
{
	bool greeted;
	int fd = connect_to(path);

	while (!agree(fd, &greeted)) {
		close(fd);
		fd = connect_to(path);
	}
	return fd;
}

/* The server gives them a second. */
static int dawdle(void)
{
	unsigned char head[NBD_SIMPLE];
	unsigned char greeting[NBD_GREETING];
	int agreed = agree_at_last();
	int silent = connect_to(path);
	int half_a_word = greet(NBD_FIXED_NEWSTYLE);
	int talker = greet(NBD_FIXED_NEWSTYLE);

	expect(get(silent, greeting, sizeof(greeting)), "no greeting");
	put(half_a_word, "IHAVE", 5);
	while (haggle_on(talker))
		;
	expect_end(silent);
	expect_end(half_a_word);
	request(agreed, 0, NBD_CMD_READ, 1, 0, 4096);
	expect(get(agreed, head, sizeof(head)) && !nbd_get32(head + 4) && get(agreed, buffer, 4096), "no reply");
	return 0;
}

/* Visits */

enum visit { WHOLE, CUT, TURNED_AWAY, VISITS };

/* CUT: the server has ended the connection, as it does when it is restarted; TURNED_AWAY: before it said a word. */
static enum visit visit_once(const char *where)
{
	unsigned char bytes[NBD_REQUEST + NBD_SIMPLE + 4096];
	int fd = connect_to(where);
	bool greeted;
	bool good = agree(fd, &greeted);
	int i;

	for (i = 0; good && i < 50; i++) {
		put_request(bytes, 0, NBD_CMD_READ, (uint64_t)i, (uint64_t)i * 4096, 4096);
		good = put(fd, bytes, NBD_REQUEST) && get(fd, bytes, NBD_SIMPLE);
		if (good && nbd_get32(bytes + 4) == NBD_ESHUTDOWN)
			break;
		good = good && get(fd, bytes + NBD_SIMPLE, 4096);
		expect(!good || (!nbd_get32(bytes + 4) && nbd_get64(bytes + 8) == (uint64_t)i), "an error");
	}
	close(fd);
	return i == 50 ? WHOLE : greeted ? CUT : TURNED_AWAY;
}

static int visit(const char *where, const char *enough)
{
	int n[VISITS] = { 0 };

	while (!n[TURNED_AWAY] && (n[WHOLE] < 10 || access(enough, F_OK) != 0))
		n[visit_once(where)]++;
	printf("whole=%d cut=%d turned_away=%d\n", n[WHOLE], n[CUT], n[TURNED_AWAY]);
	return 0;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc == 2 && !strcmp(argv[1], "list")) {
		for (i = 0; i < CASES; i++)
			puts(cases[i].name);
		return 0;
	}
	if (argc == 5 && !strcmp(argv[2], "case")) {
		path = argv[1];
		file = argv[4];
		return run_case(argv[3]);
	}
	if (argc == 4 && !strcmp(argv[2], "storm")) {
		path = argv[1];
		storm(strtoull(argv[3], NULL, 10));
	}
	if (argc == 4 && !strcmp(argv[2], "hoard")) {
		path = argv[1];
		return hoard(atoi(argv[3]));
	}
	if (argc == 3 && !strcmp(argv[2], "dawdle")) {
		path = argv[1];
		return dawdle();
	}
	if (argc == 5 && !strcmp(argv[1], "verify")) {
		file = argv[2];
		return verify(strtoull(argv[3], NULL, 10), argv[4]);
	}
	if (argc == 4 && !strcmp(argv[2], "visit"))
		return visit(argv[1], argv[3]);
	return 2;
}
