/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets: bound when the address is named, listening when all workers are ready.
 *
 * TCP: one socket per worker on one port (SO_REUSEPORT), so the kernel spreads the connections and no worker waits for
 * another. SO_REUSEPORT alone would let a second daemon of the same user share the port without noticing; a probe, a
 * socket without it that tries to listen on the address first, finds out whether somebody is there.
 *
 * unix: one socket, a duplicate of its descriptor for each worker. A socket file nobody answers on is a leftover and is
 * replaced; anything else at that path is left alone. The file we made is removed when we are done, if it is still there.
 *
 * TCP_NODELAY is set on the listening socket: accepted ones inherit it.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/sized.h"
#include "io/listener.h"
#include "ringline/conn.h"
#include "runtime/runtime.h"

#define DEFAULT_BACKLOG 4096

static int open_socket(int family)
{
	int error = rln_fault(RLN_FAULT_SOCKET);
	int fd;

	if (error)
		return -error;
	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
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

static int listen_on(int fd, int backlog)
{
	int error = rln_fault(RLN_FAULT_LISTEN);

	if (error)
		return -error;
	return listen(fd, backlog) < 0 ? -errno : 0;
}

/* A socket bound to *a*. The descriptor, or -errno. */
static int bound_tcp(const struct rln_addr *a, bool share)
{
	int fd = open_socket(rln_addr_family(a));
	int r;

	if (fd < 0)
		return fd;
	r = set_option(fd, SOL_SOCKET, SO_REUSEADDR);
	if (r == 0 && share)
		r = set_option(fd, SOL_SOCKET, SO_REUSEPORT);
	if (r == 0)
		r = set_option(fd, IPPROTO_TCP, TCP_NODELAY);
	if (r == 0)
		r = bind_to(fd, a);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

/* 0 if nobody listens on the address. */
static int probe_tcp(const struct rln_addr *a)
{
	int fd = bound_tcp(a, false);
	int r;

	if (fd < 0)
		return fd;
	r = listen_on(fd, 1);
	close(fd);
	return r;
}

static int bind_all(struct rln_listen *l, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		l->fd[i] = bound_tcp(&l->addr, true);
		if (l->fd[i] < 0)
			return l->fd[i];
	}
	return 0;
}

/*
 * A socket that decides a port that was left open; the workers' sockets then name it. One for which the kernel chose the
 * port would lose it again if it had to stop listening because the start failed.
 */
static int bind_all_to_any(struct rln_listen *l, uint32_t n)
{
	int fd = bound_tcp(&l->addr, true);
	int r;

	if (fd < 0)
		return fd;
	l->addr.len = sizeof(l->addr.sa);
	r = getsockname(fd, (struct sockaddr *)&l->addr.sa, &l->addr.len) < 0 ? -errno : bind_all(l, n);
	close(fd);
	return r;
}

static int open_tcp(struct rln_listen *l, uint32_t n, bool share_port)
{
	int r = 0;

	if (!rln_addr_port(&l->addr))
		return bind_all_to_any(l, n);
	if (!share_port)
		r = probe_tcp(&l->addr);
	return r < 0 ? r : bind_all(l, n);
}

/* Unix sockets */

static const char *socket_path(const struct rln_addr *a)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&a->sa;

	return rln_addr_family(a) == AF_UNIX && un->sun_path[0] ? un->sun_path : NULL;
}

/* True if the path is a socket that refuses connections: its owner is gone. */
static bool stale(const struct rln_addr *a)
{
	struct stat st;
	bool refused;
	int fd;

	if (lstat(socket_path(a), &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = open_socket(AF_UNIX);
	if (fd < 0)
		return false;
	refused = connect(fd, (const struct sockaddr *)&a->sa, a->len) < 0 && errno == ECONNREFUSED;
	close(fd);
	return refused;
}

static int bind_unix(int fd, const struct rln_addr *a)
{
	int r = bind_to(fd, a);

	if (r != -EADDRINUSE || !socket_path(a) || !stale(a))
		return r;
	unlink(socket_path(a));
	return bind_to(fd, a);
}

/* Remembers which file it is, so that only that one is removed in the end. */
static void note_path(struct rln_listen *l)
{
	struct stat st;

	if (!socket_path(&l->addr) || stat(socket_path(&l->addr), &st) < 0)
		return;
	l->owns_path = true;
	l->path_dev = st.st_dev;
	l->path_ino = st.st_ino;
}

static int open_unix(struct rln_listen *l, uint32_t n)
{
	uint32_t i;
	int r;

	l->fd[0] = open_socket(AF_UNIX);
	if (l->fd[0] < 0)
		return l->fd[0];
	r = bind_unix(l->fd[0], &l->addr);
	if (r < 0)
		return r;
	note_path(l);
	for (i = 1; i < n; i++) {
		l->fd[i] = fcntl(l->fd[0], F_DUPFD_CLOEXEC, 3);
		if (l->fd[i] < 0)
			return -errno;
	}
	return 0;
}

static void remove_path(const struct rln_listen *l)
{
	struct stat st;

	if (l->owns_path && stat(socket_path(&l->addr), &st) == 0 && st.st_dev == l->path_dev &&
	    st.st_ino == l->path_ino)
		unlink(socket_path(&l->addr));
}

/* The list */

static void listen_free(struct rln_listen *l, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (l->fd[i] >= 0)
			close(l->fd[i]);
	remove_path(l);
	rln_list_del(&l->link);
	rln_mem_free(l->fd);
	rln_mem_free(l);
}

static struct rln_listen *listen_new(uint32_t n)
{
	struct rln_listen *l = rln_mem_zalloc(sizeof(*l));
	uint32_t i;

	if (!l)
		return NULL;
	l->fd = rln_mem_alloc(n * sizeof(*l->fd));
	if (!l->fd) {
		rln_mem_free(l);
		return NULL;
	}
	for (i = 0; i < n; i++)
		l->fd[i] = -1;
	rln_list_init(&l->link);
	return l;
}

void rln_listens_free(struct ringline_runtime *rt)
{
	struct rln_list *node;

	while ((node = rln_list_first(&rt->listens)))
		listen_free(rln_list_entry(node, struct rln_listen, link), rt->nworkers);
}

static int check_options(struct ringline_listen_options *o, const struct ringline_listen_options *options)
{
	int r = rln_sized_in(o, sizeof(*o), options);

	if (r == 0 && (o->flags & ~RINGLINE_LISTEN_SHARE_PORT || o->backlog > INT32_MAX))
		r = -EINVAL;
	return r;
}

int ringline_runtime_listen(struct ringline_runtime *rt, char *bound, const char *address,
                            void (*serve)(struct ringline_conn *conn, void *arg), void *arg,
                            const struct ringline_listen_options *options)
{
	struct ringline_listen_options o;
	struct rln_listen *l;
	struct rln_addr a;
	int r;

	if (!rt || !serve)
		return -EINVAL;
	if (atomic_load(&rt->state) != RLN_RUNTIME_NEW)
		return -EBUSY;
	r = check_options(&o, options);
	if (r == 0)
		r = rln_addr_parse(&a, address);
	if (r < 0)
		return r;
	l = listen_new(rt->nworkers);
	if (!l)
		return -ENOMEM;
	l->addr = a;
	l->serve = serve;
	l->arg = arg;
	l->backlog = o.backlog ? (int)o.backlog : DEFAULT_BACKLOG;
	if (rln_addr_family(&a) == AF_UNIX)
		r = open_unix(l, rt->nworkers);
	else
		r = open_tcp(l, rt->nworkers, o.flags & RINGLINE_LISTEN_SHARE_PORT);
	if (r < 0) {
		listen_free(l, rt->nworkers);
		return r;
	}
	rln_list_add_tail(&rt->listens, &l->link);
	if (bound)
		rln_addr_format(&l->addr, bound, RINGLINE_ADDRESS_SIZE);
	return 0;
}

/* The start */

int rln_listens_attach(struct ringline_runtime *rt, struct rln_worker *w)
{
	struct rln_list *node;

	rln_list_for_each (node, &rt->listens) {
		struct rln_listen *l = rln_list_entry(node, struct rln_listen, link);
		int r = rln_listener_open(&w->io, l->fd[w->index], rln_addr_family(&l->addr), l->serve, l->arg);

		if (r < 0)
			return r;
	}
	return 0;
}

static bool listening(int fd)
{
	socklen_t len = sizeof(int);
	int value = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len) == 0 && value;
}

/*
 * A TCP socket that listens is made to stop by shutdown(2), which leaves it bound; then it can listen again. One that does
 * not listen must be spared: its connections would inherit the shutdown and begin with the end of the stream.
 */
static void all_quiet(struct ringline_runtime *rt)
{
	struct rln_list *node;
	uint32_t i;

	rln_list_for_each (node, &rt->listens) {
		struct rln_listen *l = rln_list_entry(node, struct rln_listen, link);

		for (i = 0; i < rt->nworkers && rln_addr_family(&l->addr) != AF_UNIX; i++)
			if (listening(l->fd[i]))
				shutdown(l->fd[i], SHUT_RD);
	}
}

/* From here on the descriptors are the workers'. */
static void hand_over(struct ringline_runtime *rt)
{
	struct rln_list *node;
	uint32_t i;

	rln_list_for_each (node, &rt->listens)
		for (i = 0; i < rt->nworkers; i++)
			rln_list_entry(node, struct rln_listen, link)->fd[i] = -1;
}

static int all_live(struct ringline_runtime *rt, bool is_unix)
{
	struct rln_list *node;
	uint32_t i;
	int r;

	rln_list_for_each (node, &rt->listens) {
		struct rln_listen *l = rln_list_entry(node, struct rln_listen, link);

		for (i = 0; i < rt->nworkers && (rln_addr_family(&l->addr) == AF_UNIX) == is_unix; i++)
			if ((r = listen_on(l->fd[i], l->backlog)) < 0)
				return r;
	}
	return 0;
}

/* Unix sockets come last: they cannot stop listening, and are never refused. */
int rln_listens_go_live(struct ringline_runtime *rt)
{
	int r = all_live(rt, false);

	if (r == 0)
		r = all_live(rt, true);
	if (r < 0) {
		all_quiet(rt);
		return r;
	}
	hand_over(rt);
	return 0;
}
