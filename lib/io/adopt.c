/* SPDX-License-Identifier: MIT */
/*
 * Connections over descriptors that the host has: sockets, pipes, terminals.
 *
 * Their open file description may be shared with processes that know nothing of this one, a terminal is with the shell, so
 * its flags stay as they are. The backends can do without O_NONBLOCK.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/conn.h"
#include "ringline/conn.h"

static int socket_number(int fd, int option)
{
	socklen_t size = sizeof(int);
	int value = -1;

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) < 0 ? -errno : value;
}

static bool connected(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	return getpeername(fd, (struct sockaddr *)&sa, &len) == 0;
}

/* The family of a connected stream socket. */
static int check_socket(int fd)
{
	if (socket_number(fd, SO_TYPE) != SOCK_STREAM || socket_number(fd, SO_ACCEPTCONN) == 1)
		return -EINVAL;
	return connected(fd) ? socket_number(fd, SO_DOMAIN) : -ENOTCONN;
}

/* The family, AF_UNSPEC for what is no socket but a stream all the same. */
static int check(int fd)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -EBADF;
	if (S_ISSOCK(st.st_mode))
		return check_socket(fd);
	return S_ISFIFO(st.st_mode) || isatty(fd) ? AF_UNSPEC : -EINVAL;
}

int ringline_conn_from_fd(struct ringline_conn **ret, int fd)
{
	struct rln_exec *x = rln_exec_get(__func__);
	struct ringline_conn *c;
	int family;

	if (!ret)
		return -EINVAL;
	if (!x)
		return rln_not_here();
	family = check(fd);
	if (family < 0)
		return family;
	if (rln_io_full(x->io))
		return -EAGAIN;
	c = rln_conn_new(x->io, fd, family, RLN_CONN_OPEN);
	if (!c)
		return -ENOMEM;
	c->adopted = true;
	c->refs = 1;
	*ret = c;
	return 0;
}
