/* SPDX-License-Identifier: MIT */
/*
 * Sockets bound to an address; bind.h tells the rules.
 *
 * TCP_NODELAY is set on the listening socket: accepted ones inherit it.
 */
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fault.h"
#include "io/bind.h"

static int open_socket(int family, int type)
{
	int error = rln_fault(RLN_FAULT_SOCKET);
	int fd;

	if (error)
		return -error;
	fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return fd < 0 ? -errno : fd;
}

static int set_option(int fd, int level, int option)
{
	static const int on = 1;

	return setsockopt(fd, level, option, &on, sizeof(on)) < 0 ? -errno : 0;
}

static int bind_to(int fd, const struct rln_addr *a)
{
	int error = rln_fault(RLN_FAULT_BIND);

	if (error)
		return -error;
	return bind(fd, (const struct sockaddr *)&a->sa, a->len) < 0 ? -errno : 0;
}

int rln_bind_listen(int fd, int backlog)
{
	int error = rln_fault(RLN_FAULT_LISTEN);

	if (error)
		return -error;
	return listen(fd, backlog) < 0 ? -errno : 0;
}

static int set_number(int fd, int level, int option, uint32_t value)
{
	int number = (int)value;

	return setsockopt(fd, level, option, &number, sizeof(number)) < 0 ? -errno : 0;
}

/* What the accepted sockets inherit, and what the listening one does itself. */
static int set_listening_options(int fd, const struct rln_addr *a, const struct ringline_listen_options *o)
{
	int r = 0;

	if (!(o->flags & RINGLINE_LISTEN_DELAY))
		r = set_option(fd, IPPROTO_TCP, TCP_NODELAY);
	if (r == 0 && o->flags & RINGLINE_LISTEN_KEEPALIVE)
		r = set_option(fd, SOL_SOCKET, SO_KEEPALIVE);
	if (r == 0 && o->flags & RINGLINE_LISTEN_V6ONLY && rln_addr_family(a) == AF_INET6)
		r = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (r == 0 && o->fastopen)
		r = set_number(fd, IPPROTO_TCP, TCP_FASTOPEN, o->fastopen);
	return r;
}

int rln_bind_tcp(const struct rln_addr *a, bool share, const struct ringline_listen_options *o)
{
	int fd = open_socket(rln_addr_family(a), SOCK_STREAM);
	int r;

	if (fd < 0)
		return fd;
	r = set_option(fd, SOL_SOCKET, SO_REUSEADDR);
	if (r == 0 && share)
		r = set_option(fd, SOL_SOCKET, SO_REUSEPORT);
	if (r == 0)
		r = set_listening_options(fd, a, o);
	if (r == 0)
		r = bind_to(fd, a);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

/* To stop a TCP socket from listening resets who waits in it. So it goes on, but the packets that begin connections are lost. */
static void drop_syns(int fd)
{
	static const uint32_t flags_at = 13;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, flags_at),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, TH_SYN, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog filter = { sizeof(code) / sizeof(code[0]), code };

	setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter));
}

void rln_bind_deafen(int fd, int family)
{
	if (family == AF_UNIX)
		shutdown(fd, SHUT_RD);
	else
		drop_syns(fd);
}

int rln_bind_probe(const struct rln_addr *a, const struct ringline_listen_options *o)
{
	int fd = rln_bind_tcp(a, false, o);
	int r;

	if (fd < 0)
		return fd;
	r = rln_bind_listen(fd, 1);
	close(fd);
	return r;
}

/* Unix sockets */

static const char *socket_path(const struct rln_addr *a)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&a->sa;

	return rln_addr_family(a) == AF_UNIX && un->sun_path[0] ? un->sun_path : NULL;
}

/* True if the path is a socket that refuses connections: its owner is gone. */
static bool stale(const struct rln_addr *a, int type)
{
	struct stat st;
	bool refused;
	int fd;

	if (lstat(socket_path(a), &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = open_socket(AF_UNIX, type);
	if (fd < 0)
		return false;
	refused = connect(fd, (const struct sockaddr *)&a->sa, a->len) < 0 && errno == ECONNREFUSED;
	close(fd);
	return refused;
}

static int bind_or_replace(int fd, const struct rln_addr *a, int type)
{
	int r = bind_to(fd, a);

	if (r != -EADDRINUSE || !socket_path(a) || !stale(a, type))
		return r;
	unlink(socket_path(a));
	return bind_to(fd, a);
}

/* Remembers which file it is, so that only that one is removed in the end. */
static void note_path(struct rln_socket_path *path, const struct rln_addr *a)
{
	struct stat st;

	path->owned = socket_path(a) && stat(socket_path(a), &st) == 0;
	if (!path->owned)
		return;
	path->dev = st.st_dev;
	path->ino = st.st_ino;
}

/* Before it listens, so that nobody connects whom the permissions would have kept out. */
static int dress_path(const struct rln_addr *a, const struct ringline_listen_options *o)
{
	if (o->flags & RINGLINE_LISTEN_OWNER && lchown(socket_path(a), o->uid, o->gid) < 0)
		return -errno;
	return o->flags & RINGLINE_LISTEN_MODE && chmod(socket_path(a), o->mode) < 0 ? -errno : 0;
}

int rln_bind_unix(const struct rln_addr *a, struct rln_socket_path *path, const struct ringline_listen_options *o)
{
	int fd = open_socket(AF_UNIX, SOCK_STREAM);
	int r;

	path->owned = false;
	if (fd < 0)
		return fd;
	r = bind_or_replace(fd, a, SOCK_STREAM);
	if (r == 0) {
		note_path(path, a);
		r = socket_path(a) ? dress_path(a, o) : 0;
	}
	if (r == 0)
		return fd;
	rln_socket_path_remove(path, a);
	close(fd);
	return r;
}

int rln_bind_any(int fd, const struct rln_addr *a, struct rln_socket_path *path, int type)
{
	int r;

	if (rln_addr_family(a) != AF_UNIX)
		return bind_to(fd, a);
	r = bind_or_replace(fd, a, type);
	if (r == 0)
		note_path(path, a);
	return r;
}

void rln_socket_path_remove(struct rln_socket_path *path, const struct rln_addr *a)
{
	struct stat st;

	if (path->owned && stat(socket_path(a), &st) == 0 && st.st_dev == path->dev && st.st_ino == path->ino)
		unlink(socket_path(a));
	path->owned = false;
}
