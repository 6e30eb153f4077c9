/* SPDX-License-Identifier: MIT */
/* Start and end of the benchmark's echo servers, and what those on readiness do alike; contender.h tells which. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "contender.h"

/* Microseconds. */
#define ACCEPT_PAUSE 10000

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_un un;
};

void contender_die(const char *what, int error)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(error));
	exit(1);
}

void *contender_alloc(void *old, size_t count, size_t size)
{
	void *p = reallocarray(old, count, size);

	if (!p)
		contender_die("memory", ENOMEM);
	return p;
}

/* Addresses */

static socklen_t parse_inet(union address *a, const char *text)
{
	const char *colon = strrchr(text, ':');
	char host[INET_ADDRSTRLEN];
	unsigned long port;
	char *end;

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return 0;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	port = strtoul(colon + 1, &end, 10);
	if (end == colon + 1 || *end || port > UINT16_MAX)
		return 0;
	a->in.sin_family = AF_INET;
	a->in.sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, host, &a->in.sin_addr) == 1 ? sizeof(a->in) : 0;
}

static socklen_t parse_unix(union address *a, const char *path)
{
	size_t n = strlen(path);

	if (!n || n >= sizeof(a->un.sun_path))
		return 0;
	a->un.sun_family = AF_UNIX;
	memcpy(a->un.sun_path, path, n);
	if (path[0] == '@')
		a->un.sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (path[0] != '@'));
}

/* The length of the address, 0 if it is none. */
static socklen_t parse_address(union address *a, const char *text)
{
	memset(a, 0, sizeof(*a));
	if (!strncmp(text, "tcp:", 4) || !strncmp(text, "udp:", 4))
		return parse_inet(a, text + 4);
	return strncmp(text, "unix:", 5) ? 0 : parse_unix(a, text + 5);
}

/* The address as a client needs it: with the port that the kernel picked. */
static void describe(struct contender *c, const char *text)
{
	char host[INET_ADDRSTRLEN];
	union address a;
	socklen_t len = sizeof(a);

	snprintf(c->address, sizeof(c->address), "%s", text);
	if (c->local)
		return;
	if (getsockname(c->fd, &a.any, &len) < 0)
		contender_die("getsockname", errno);
	inet_ntop(AF_INET, &a.in.sin_addr, host, sizeof(host));
	snprintf(c->address, sizeof(c->address), "%s:%s:%u", c->datagrams ? "udp" : "tcp", host, (unsigned int)ntohs(a.in.sin_port));
}

/* Start and end */

static const char *parse_options(int argc, char **argv)
{
	const char *address = "tcp:127.0.0.1:0";
	int c;

	while ((c = getopt(argc, argv, "l:")) != -1) {
		if (c != 'l')
			exit(2);
		address = optarg;
	}
	if (optind != argc) {
		fprintf(stderr, "usage: %s [-l ADDRESS]\n", program_invocation_short_name);
		exit(2);
	}
	return address;
}

static void prepare_process(void)
{
	struct rlimit limit;

	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void open_listener(struct contender *c, const union address *a, socklen_t len, int flags)
{
	static const int on = 1;

	c->fd = socket(a->any.sa_family, (c->datagrams ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | flags, 0);
	if (c->fd < 0)
		contender_die("socket", errno);
	if (!c->local && !c->datagrams) {
		setsockopt(c->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
	if (bind(c->fd, &a->any, len) < 0)
		contender_die("bind", errno);
	if (!c->datagrams && listen(c->fd, CONTENDER_BACKLOG) < 0)
		contender_die("listen", errno);
}

void contender_start(struct contender *c, int argc, char **argv, int flags)
{
	const char *text = parse_options(argc, argv);
	union address a;
	socklen_t len = parse_address(&a, text);

	if (!len) {
		fprintf(stderr, "%s: \"%s\" is no address: tcp:ADDRESS:PORT, unix:PATH or unix:@NAME\n",
		        program_invocation_short_name, text);
		exit(2);
	}
	prepare_process();
	c->local = a.any.sa_family == AF_UNIX;
	c->datagrams = !strncmp(text, "udp:", 4);
	open_listener(c, &a, len, flags);
	describe(c, text);
}

int contender_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		contender_die("signalfd", errno);
	return fd;
}

void contender_announce(const struct contender *c)
{
	printf("listening on %s\n", c->address);
	fflush(stdout);
}

void contender_end(struct contender *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	if (c->local && c->address[strlen("unix:")] != '@')
		unlink(c->address + strlen("unix:"));
}

/* Streams */

/* The number of bytes the peer took, less than *n* if it blocks; -1 if it is gone. */
static ssize_t send_some(int fd, const unsigned char *p, size_t n)
{
	ssize_t r = send(fd, p, n, MSG_NOSIGNAL);

	return r < 0 && errno == EAGAIN ? 0 : r;
}

static enum contender_wish receive(struct contender_stream *s, int fd)
{
	static unsigned char buffer[CONTENDER_READ_SIZE];
	ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
	ssize_t sent;

	if (n < 0 && errno == EAGAIN)
		return CONTENDER_READ;
	sent = n > 0 ? send_some(fd, buffer, (size_t)n) : -1;
	if (sent == n)
		return CONTENDER_READ;
	if (sent < 0)
		return CONTENDER_CLOSE;
	s->sent = 0;
	s->size = (size_t)(n - sent);
	s->owed = contender_alloc(NULL, s->size, 1);
	memcpy(s->owed, buffer + sent, s->size);
	return CONTENDER_WRITE;
}

static enum contender_wish send_owed(struct contender_stream *s, int fd)
{
	ssize_t n = send_some(fd, s->owed + s->sent, s->size - s->sent);

	if (n > 0)
		s->sent += (size_t)n;
	if (n >= 0 && s->sent < s->size)
		return CONTENDER_WRITE;
	free(s->owed);
	s->owed = NULL;
	return n < 0 ? CONTENDER_CLOSE : CONTENDER_READ;
}

enum contender_wish contender_serve(struct contender_stream *s, int fd)
{
	return s->owed ? send_owed(s, fd) : receive(s, fd);
}

int contender_accept(int fd)
{
	int r = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (r < 0 && (errno == EMFILE || errno == ENFILE))
		usleep(ACCEPT_PAUSE);
	return r;
}
