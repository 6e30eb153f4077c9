/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets: bound when the address is named, listening when all workers are ready.
 *
 * TCP: one socket per worker on one port (SO_REUSEPORT), so the kernel spreads the connections and no worker waits for
 * another. SO_REUSEPORT alone would let a second daemon of the same user share the port without noticing; a probe, a
 * socket without it that tries to listen on the address first, finds out whether somebody is there.
 *
 * unix: one socket, a duplicate of its descriptor for each worker.
 *
 * io/bind.c does what one socket needs; here are many.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/accept.h"
#include "io/bind.h"
#include "io/listener.h"
#include "ringline/conn.h"
#include "ringline/listener.h"
#include "runtime/runtime.h"

static int bind_all(struct rln_listen *l, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		l->fd[i] = rln_bind_tcp(&l->addr, true);
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
	int fd = rln_bind_tcp(&l->addr, true);
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
		r = rln_bind_probe(&l->addr);
	return r < 0 ? r : bind_all(l, n);
}

static int open_unix(struct rln_listen *l, uint32_t n)
{
	uint32_t i;

	l->fd[0] = rln_bind_unix(&l->addr, &l->path);
	if (l->fd[0] < 0)
		return l->fd[0];
	for (i = 1; i < n; i++) {
		l->fd[i] = fcntl(l->fd[0], F_DUPFD_CLOEXEC, 3);
		if (l->fd[i] < 0)
			return -errno;
	}
	return 0;
}

/* The list */

static void listen_free(struct rln_listen *l, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (l->fd[i] >= 0)
			close(l->fd[i]);
	rln_socket_path_remove(&l->path, &l->addr);
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
	r = rln_listen_read_options(&o, options);
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
	l->backlog = o.backlog ? (int)o.backlog : RLN_BACKLOG_DEFAULT;
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
		struct rln_listener_how how = { .family = rln_addr_family(&l->addr), .serve = l->serve, .arg = l->arg };
		int r = rln_listener_open(&w->io, l->fd[w->index], &how);

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
			if ((r = rln_bind_listen(l->fd[i], l->backlog)) < 0)
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
