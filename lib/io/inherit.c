/* SPDX-License-Identifier: MIT */
/* Sockets of others; inherit.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/inherit.h"

/* A decimal number and nothing else; -1 if it is none, or too large. */
static long number(const char *text)
{
	char *end;
	long n;

	if (!text || *text < '0' || *text > '9')
		return -1;
	errno = 0;
	n = strtol(text, &end, 10);
	return *end || errno || n > INT32_MAX ? -1 : n;
}

static int socket_option(int fd, int option)
{
	socklen_t size = sizeof(int);
	int value = 0;

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) < 0 ? -errno : value;
}

static int claim(int fd)
{
	int type = socket_option(fd, SO_TYPE);
	int flags;

	if (type < 0)
		return type;
	if (type != SOCK_STREAM || socket_option(fd, SO_ACCEPTCONN) != 1)
		return -EINVAL;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return 0;
}

/* Are the variables meant for this process? */
int rln_inherit_passed(void)
{
	long n = number(getenv("LISTEN_FDS"));

	if (number(getenv("LISTEN_PID")) != getpid() || n < 1 || n > INT32_MAX - RLN_INHERIT_FIRST)
		return -ENOENT;
	return (int)n;
}

bool rln_inherit_is_told(const char *assignment)
{
	static const char *const names[] = { "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_PIDFDID",
		                             "LISTEN_FDS", "LISTEN_FDNAMES" };
	size_t len = strcspn(assignment, "=");
	size_t i;

	for (i = 0; i < rln_array_size(names); i++)
		if (strlen(names[i]) == len && !memcmp(names[i], assignment, len))
			return true;
	return false;
}

/* Without names all are called "unknown". */
bool rln_inherit_is_named(int index, const char *name)
{
	const char *names = getenv("LISTEN_FDNAMES");
	size_t len;

	if (!names)
		return !strcmp(name, "unknown");
	while (index-- && (names = strchr(names, ':')))
		names++;
	if (!names)
		return false;
	len = strcspn(names, ":");
	return len == strlen(name) && !memcmp(names, name, len);
}

static int find_passed(int *fds, const char *name)
{
	int n = rln_inherit_passed();
	int found = 0;
	int i;

	for (i = 0; i < n && found < RLN_INHERIT_MAX; i++)
		if (rln_inherit_is_named(i, name))
			fds[found++] = RLN_INHERIT_FIRST + i;
	return found ? found : -ENOENT;
}

bool rln_inherit_is(const char *address)
{
	return address && (!strncmp(address, "fd:", 3) || !strncmp(address, "systemd:", 8));
}

int rln_inherit(int *fds, const char *address)
{
	int n = 1;
	int i;

	if (!strncmp(address, "fd:", 3)) {
		fds[0] = (int)number(address + 3);
		n = fds[0] < 0 ? -EINVAL : 1;
	} else {
		n = address[8] ? find_passed(fds, address + 8) : -EINVAL;
	}
	for (i = 0; i < n; i++) {
		int r = claim(fds[i]);

		if (r < 0)
			return r;
	}
	return n;
}

int rln_inherit_address(int fd, struct rln_addr *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->len = sizeof(ret->sa);
	return getsockname(fd, (struct sockaddr *)&ret->sa, &ret->len) < 0 ? -errno : 0;
}
