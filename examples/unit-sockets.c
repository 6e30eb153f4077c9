/* SPDX-License-Identifier: MIT */
/* Sockets held for units; unit-sockets.h tells the idea. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit-sockets.h"

#define BACKLOG 4096

/* ringline_sockaddr_parse() knows datagrams' addresses; those of TCP are the same but for the first word. */
static int parse(struct ringline_sockaddr *a, const char *address)
{
	char text[RINGLINE_ADDRESS_SIZE];

	if (strncmp(address, "tcp:", 4))
		return ringline_sockaddr_parse(a, address);
	snprintf(text, sizeof(text), "udp:%s", address + 4);
	return ringline_sockaddr_parse(a, text);
}

static void tell_bound(struct unit_socket *s)
{
	struct ringline_sockaddr a = { .length = sizeof(a.address) };
	socklen_t length = sizeof(a.address);

	snprintf(s->bound, sizeof(s->bound), "%s", s->address);
	if (strncmp(s->address, "tcp:", 4) || getsockname(s->fd, &a.address.any, &length) < 0)
		return;
	a.length = (uint32_t)length;
	if (ringline_sockaddr_format(&a, s->bound, sizeof(s->bound)) > 0)
		memcpy(s->bound, "tcp", 3);
}

/* A socket file nobody listens on any more makes room for ours. */
static void unlink_stale(const struct ringline_sockaddr *a)
{
	struct stat st;
	int fd;

	if (a->address.any.sa_family != AF_UNIX || lstat(a->address.un.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (connect(fd, &a->address.any, a->length) < 0 && errno == ECONNREFUSED)
		unlink(a->address.un.sun_path);
	close(fd);
}

static int bind_and_listen(int fd, const struct ringline_sockaddr *a)
{
	int on = 1;

	if (a->address.any.sa_family != AF_UNIX && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	unlink_stale(a);
	if (bind(fd, &a->address.any, a->length) < 0)
		return -errno;
	if (a->address.any.sa_family == AF_UNIX && chmod(a->address.un.sun_path, 0666) < 0)
		return -errno;
	return listen(fd, BACKLOG) < 0 ? -errno : 0;
}

static int open_one(struct unit_socket *s, const char *address)
{
	struct ringline_sockaddr a;
	int r = parse(&a, address);

	if (r < 0)
		return r;
	s->fd = socket(a.address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return -errno;
	r = bind_and_listen(s->fd, &a);
	if (r < 0) {
		close(s->fd);
		s->fd = -1;
		return r;
	}
	snprintf(s->address, sizeof(s->address), "%s", address);
	tell_bound(s);
	return 0;
}

static void close_one(struct unit_socket *s)
{
	if (s->fd < 0)
		return;
	close(s->fd);
	s->fd = -1;
	if (!strncmp(s->address, "unix:", 5))
		unlink(s->address + 5);
}

/* One that is open, which is the caller's from now on. */
static bool take_over(struct unit_sockets *old, struct unit_socket *s, const char *address)
{
	size_t i;

	for (i = 0; i < old->n; i++) {
		if (old->s[i].fd < 0 || strcmp(old->s[i].address, address))
			continue;
		*s = old->s[i];
		old->s[i].fd = -1;
		return true;
	}
	return false;
}

int unit_sockets_open(struct unit_sockets *sockets, const struct unit_conf *c, const char **wrong)
{
	struct unit_sockets old = *sockets;
	int r = 0;
	size_t i;

	for (i = 0; i < c->nlisten; i++)
		if (!take_over(&old, &sockets->s[i], c->listen[i].address))
			sockets->s[i].fd = -1;
	sockets->n = c->nlisten;
	unit_sockets_close(&old);
	for (i = 0; r == 0 && i < sockets->n; i++) {
		struct unit_socket *s = &sockets->s[i];

		*wrong = c->listen[i].address;
		if (s->fd < 0)
			r = open_one(s, *wrong);
		snprintf(s->name, sizeof(s->name), "%s", c->listen[i].name ? c->listen[i].name : c->name);
	}
	if (r < 0)
		unit_sockets_close(sockets);
	return r;
}

void unit_sockets_close(struct unit_sockets *sockets)
{
	size_t i;

	for (i = 0; i < sockets->n; i++)
		close_one(&sockets->s[i]);
	sockets->n = 0;
}

static int watch_all(const struct unit_sockets *sockets, struct ringline_fd_watch **watches, struct ringline_case *cases)
{
	int r = 0;
	size_t i;

	for (i = 0; r == 0 && i < sockets->n; i++) {
		r = ringline_fd_watch_new(&watches[i], sockets->s[i].fd, POLLIN);
		cases[i].kind = RINGLINE_CASE_FD;
		cases[i].object = watches[i];
	}
	return r;
}

/* The watches end with the wait: the unit's process is to be the only one that is woken. */
int unit_sockets_wait(struct unit_sockets *sockets, struct ringline_event *event)
{
	struct ringline_fd_watch *watches[UNIT_SOCKETS_MAX] = { NULL };
	struct ringline_case cases[UNIT_SOCKETS_MAX + 1] = { { 0 } };
	ssize_t which = watch_all(sockets, watches, cases);
	size_t i;

	cases[sockets->n].kind = RINGLINE_CASE_EVENT;
	cases[sockets->n].object = event;
	if (which == 0)
		which = ringline_select(cases, sockets->n + 1, sizeof(*cases), 0);
	for (i = 0; i < sockets->n; i++)
		ringline_fd_watch_free(watches[i]);
	return which < 0 ? (int)which : which < (ssize_t)sockets->n;
}
