/* SPDX-License-Identifier: MIT */
/*
 * Listening on all workers: bound when the address is named, live when all workers are ready, or at once if they run.
 *
 * TCP: one socket per worker on one port (SO_REUSEPORT), so the kernel spreads the connections and no worker waits for
 * another. SO_REUSEPORT alone would let a second daemon of the same user share the port without noticing; a probe, a
 * socket without it that tries to listen on the address first, finds out whether somebody is there.
 *
 * unix, and sockets of others (io/inherit.h): one socket, a duplicate of its descriptor for each worker.
 *
 *     NEW --ringline_runtime_start()--> LIVE --ringline_runtime_unlisten()--> GONE
 *
 * What listens is a worker's own affair, so a runtime that runs tells its workers by message. A struct rln_listen is freed
 * with the runtime, because messages and accepted connections on their way from one worker to another name it.
 *
 * io/bind.c does what one socket needs; here are many. runtime/neighbours.c hands connections over.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "core/waker.h"
#include "io/accept.h"
#include "io/bind.h"
#include "io/crowd.h"
#include "io/inherit.h"
#include "ringline/conn.h"
#include "ringline/listener.h"
#include "runtime/runtime.h"

static int bind_all(struct rln_listen *l, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		l->fd[i] = rln_bind_tcp(&l->addr, true, &l->options);
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
	int fd = rln_bind_tcp(&l->addr, true, &l->options);
	int r;

	if (fd < 0)
		return fd;
	r = rln_inherit_address(fd, &l->addr);
	if (r == 0)
		r = bind_all(l, n);
	close(fd);
	return r;
}

static int open_tcp(struct rln_listen *l, uint32_t n)
{
	int r = 0;

	if (!rln_addr_port(&l->addr))
		return bind_all_to_any(l, n);
	if (!(l->options.flags & RINGLINE_LISTEN_SHARE_PORT))
		r = rln_bind_probe(&l->addr, &l->options);
	return r < 0 ? r : bind_all(l, n);
}

/* The first worker's descriptor is there; the others get duplicates. */
static int share(struct rln_listen *l, uint32_t n)
{
	uint32_t i;

	for (i = 1; i < n; i++) {
		l->fd[i] = fcntl(l->fd[0], F_DUPFD_CLOEXEC, 3);
		if (l->fd[i] < 0)
			return -errno;
	}
	return 0;
}

static int open_unix(struct rln_listen *l, uint32_t n)
{
	l->fd[0] = rln_bind_unix(&l->addr, &l->path, &l->options);
	return l->fd[0] < 0 ? l->fd[0] : share(l, n);
}

/* One by one */

static void listen_free(struct rln_listen *l, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (l->fd[i] >= 0)
			close(l->fd[i]);
	rln_socket_path_remove(&l->path, &l->addr);
	rln_list_del(&l->link);
	rln_crowd_unref(l->crowd);
	rln_mem_free(l->fd);
	rln_mem_free(l);
}

static struct rln_listen *listen_new(uint32_t n)
{
	struct rln_listen *l = rln_mem_zalloc(sizeof(*l));
	uint32_t i;

	if (!l)
		return NULL;
	rln_list_init(&l->link);
	l->fd = rln_mem_alloc(n * sizeof(*l->fd));
	if (!l->fd) {
		rln_mem_free(l);
		return NULL;
	}
	for (i = 0; i < n; i++)
		l->fd[i] = -1;
	return l;
}

static struct rln_listen *listen_like(const struct rln_listen *how, uint32_t n)
{
	struct rln_listen *l = listen_new(n);

	if (!l)
		return NULL;
	l->addr = how->addr;
	l->serve = how->serve;
	l->arg = how->arg;
	l->options = how->options;
	if (rln_listen_new_crowd(&l->crowd, &l->options) == 0)
		return l;
	listen_free(l, n);
	return NULL;
}

void rln_listens_free(struct ringline_runtime *rt)
{
	struct rln_list *node;

	while ((node = rln_list_first(&rt->listens)))
		listen_free(rln_list_entry(node, struct rln_listen, link), rt->nworkers);
}

static void free_all(struct rln_list *list, uint32_t n)
{
	struct rln_list *node;

	while ((node = rln_list_first(list)))
		listen_free(rln_list_entry(node, struct rln_listen, link), n);
}

static int open_address(struct rln_list *list, const struct rln_listen *how, uint32_t n)
{
	struct rln_listen *l = listen_like(how, n);

	if (!l)
		return -ENOMEM;
	rln_list_add_tail(list, &l->link);
	return rln_addr_family(&l->addr) == AF_UNIX ? open_unix(l, n) : open_tcp(l, n);
}

/* One for each descriptor that was passed. They stay the caller's if it fails. */
static int open_inherited(struct rln_list *list, const struct rln_listen *how, uint32_t n, const char *address)
{
	int fds[RLN_INHERIT_MAX];
	int count = rln_inherit(fds, address);
	int r = count < 0 ? count : 0;
	int i;

	for (i = 0; i < count && r == 0; i++) {
		struct rln_listen *l = listen_like(how, n);

		if (!l)
			return -ENOMEM;
		rln_list_add_tail(list, &l->link);
		r = rln_inherit_address(fds[i], &l->addr);
		l->fd[0] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (r == 0)
			r = l->fd[0] < 0 ? -errno : share(l, n);
	}
	for (i = 0; i < count && r == 0; i++)
		close(fds[i]);
	return r;
}

static int open_all(struct rln_list *list, struct rln_listen *how, uint32_t n, const char *address)
{
	int r;

	if (rln_inherit_is(address))
		return open_inherited(list, how, n, address);
	r = rln_addr_parse(&how->addr, address);
	return r < 0 ? r : open_address(list, how, n);
}

/* Messages to workers */

enum listen_order {
	ORDER_OPEN,
	ORDER_CLOSE,
	ORDER_PAUSE,
	ORDER_RESUME,
};

struct order {
	struct rln_msg msg;
	struct rln_listen *listen;
	enum listen_order what;
};

static struct rln_listener_how how_of(struct rln_listen *l)
{
	return (struct rln_listener_how){ .family = rln_addr_family(&l->addr), .serve = l->serve,
		.poll = l->options.poll, .arg = l->arg, .crowd = l->crowd, .budget = l->options.accept_budget, .origin = l,
		.own = !l->inherited };
}

/* The descriptor is the worker's once its listener has it. */
static int open_here(struct rln_worker *w, struct rln_listen *l)
{
	struct rln_listener_how how = how_of(l);

	return rln_listener_open(&w->io, l->fd[w->index], &how);
}

static void open_and_begin(struct rln_worker *w, struct rln_listen *l)
{
	if (open_here(w, l) < 0)
		return;                   /* the kernel sends its connections to no one: closed with the runtime */
	l->fd[w->index] = -1;
	rln_listener_resume(rln_list_entry(w->io.listeners.prev, struct rln_listener, link));
}

static void (*const orders[])(struct rln_listener *l) = {
	[ORDER_CLOSE] = rln_listener_close,
	[ORDER_PAUSE] = rln_listener_pause,
	[ORDER_RESUME] = rln_listener_unpause,
};

static void carry_out(struct rln_worker *w, const struct order *o)
{
	struct rln_list *it;
	struct rln_list *tmp;

	if (o->what == ORDER_OPEN) {
		open_and_begin(w, o->listen);
		return;
	}
	rln_list_for_each_safe (it, tmp, &w->io.listeners) {
		struct rln_listener *l = rln_list_entry(it, struct rln_listener, link);

		if (l->how.origin == o->listen)
			orders[o->what](l);
	}
}

static void deliver_order(struct rln_msg *m, struct rln_exec *x)
{
	struct order *o = rln_container_of(m, struct order, msg);

	if (x && !x->root.reason)
		carry_out(x->worker, o);
	rln_mem_free(o);
}

static int post_order(struct rln_worker *w, struct rln_listen *l, enum listen_order what)
{
	struct order *o = rln_mem_alloc(sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	*o = (struct order){ .msg.deliver = deliver_order, .listen = l, .what = what };
	r = rln_worker_post(w, &o->msg, false);
	if (r < 0)
		rln_mem_free(o);
	return r;
}

static int post_orders(struct ringline_runtime *rt, struct rln_listen *l, enum listen_order what)
{
	uint32_t i;
	int r = 0;

	for (i = 0; i < rt->nworkers && r == 0; i++)
		r = post_order(&rt->workers[i], l, what);
	return r;
}

/* The start */

int rln_listens_attach(struct ringline_runtime *rt, struct rln_worker *w)
{
	struct rln_list *node;

	rln_list_for_each (node, &rt->listens) {
		int r = open_here(w, rln_list_entry(node, struct rln_listen, link));

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
 * not listen must be spared: its connections would inherit the shutdown and begin with the end of the stream. So must those
 * of others.
 */
static void all_quiet(struct ringline_runtime *rt)
{
	struct rln_list *node;
	uint32_t i;

	rln_list_for_each (node, &rt->listens) {
		struct rln_listen *l = rln_list_entry(node, struct rln_listen, link);

		for (i = 0; i < rt->nworkers && rln_addr_family(&l->addr) != AF_UNIX && !l->inherited; i++)
			if (listening(l->fd[i]))
				shutdown(l->fd[i], SHUT_RD);
	}
}

/* From here on the descriptors are the workers'. */
static void let_go(struct ringline_runtime *rt)
{
	struct rln_list *node;
	uint32_t i;

	rln_list_for_each (node, &rt->listens)
		for (i = 0; i < rt->nworkers; i++)
			rln_list_entry(node, struct rln_listen, link)->fd[i] = -1;
}

static int go_live(struct rln_listen *l, uint32_t n)
{
	uint32_t i;
	int r = 0;

	for (i = 0; i < n && r == 0 && !l->inherited; i++)
		r = rln_bind_listen(l->fd[i], (int)l->options.backlog);
	return r;
}

static int all_live(struct rln_list *list, uint32_t n, bool is_unix)
{
	struct rln_list *node;
	int r = 0;

	rln_list_for_each (node, list) {
		struct rln_listen *l = rln_list_entry(node, struct rln_listen, link);

		if (r == 0 && (rln_addr_family(&l->addr) == AF_UNIX) == is_unix)
			r = go_live(l, n);
	}
	return r;
}

/* Unix sockets come last: they cannot stop listening, and are never refused. */
int rln_listens_go_live(struct ringline_runtime *rt)
{
	int r = all_live(&rt->listens, rt->nworkers, false);

	if (r == 0)
		r = all_live(&rt->listens, rt->nworkers, true);
	if (r < 0) {
		all_quiet(rt);
		return r;
	}
	let_go(rt);
	return 0;
}

/* Those of a call, on workers that run. Once a worker has been told, the runtime keeps them. */
static int go_live_now(struct ringline_runtime *rt, struct rln_list *list)
{
	struct rln_list *it;
	struct rln_list *tmp;
	int r = all_live(list, rt->nworkers, false);

	if (r == 0)
		r = all_live(list, rt->nworkers, true);
	if (r < 0)
		return r;
	rln_list_for_each_safe (it, tmp, list) {
		struct rln_listen *l = rln_list_entry(it, struct rln_listen, link);

		rln_list_del(it);
		rln_list_add_tail(&rt->listens, it);
		if (r == 0)
			r = post_orders(rt, l, ORDER_OPEN);
	}
	return r;
}

/* The calls */

static void mark_inherited(struct rln_list *list)
{
	struct rln_list *it;

	rln_list_for_each (it, list)
		rln_list_entry(it, struct rln_listen, link)->inherited = true;
}

static int add_all(struct ringline_runtime *rt, struct rln_list *list)
{
	uint32_t state = atomic_load(&rt->state);

	if (state == RLN_RUNTIME_STARTED)
		return atomic_load(&rt->stop) == RLN_RUN ? go_live_now(rt, list) : -ESHUTDOWN;
	if (state != RLN_RUNTIME_NEW)
		return state == RLN_RUNTIME_JOINED ? -ESHUTDOWN : -EBUSY;
	rln_list_splice_tail(&rt->listens, list);
	return 0;
}

static int listen_on(struct ringline_runtime *rt, char *bound, struct rln_listen *how, const char *address)
{
	struct rln_list list;
	int r;

	rln_list_init(&list);
	r = open_all(&list, how, rt->nworkers, address);
	if (r == 0 && rln_inherit_is(address))
		mark_inherited(&list);
	if (r == 0 && bound)
		rln_addr_format(&rln_list_entry(list.next, struct rln_listen, link)->addr, bound, RINGLINE_ADDRESS_SIZE);
	pthread_mutex_lock(&rt->lock);
	if (r == 0)
		r = add_all(rt, &list);
	pthread_mutex_unlock(&rt->lock);
	free_all(&list, rt->nworkers);
	return r;
}

int ringline_runtime_listen(struct ringline_runtime *rt, char *bound, const char *address,
                            void (*serve)(struct ringline_conn *conn, void *arg), void *arg,
                            const struct ringline_listen_options *options)
{
	struct rln_listen how = { .serve = serve, .arg = arg };
	int r;

	if (!rt)
		return -EINVAL;
	r = rln_listen_read_options(&how.options, options);
	if (r < 0)
		return r;
	if (!serve == !how.options.poll)
		return -EINVAL;
	if (atomic_load(&rt->state) == RLN_RUNTIME_STARTING)
		return -EBUSY;
	return listen_on(rt, bound, &how, address);
}

static bool is_bound_to(const struct rln_listen *l, const char *bound)
{
	char text[RINGLINE_ADDRESS_SIZE];

	rln_addr_format(&l->addr, text, sizeof(text));
	return !l->gone && !strcmp(text, bound);
}

static struct rln_listen *find(struct ringline_runtime *rt, const char *bound)
{
	struct rln_list *it;

	rln_list_for_each (it, &rt->listens)
		if (is_bound_to(rln_list_entry(it, struct rln_listen, link), bound))
			return rln_list_entry(it, struct rln_listen, link);
	return NULL;
}

static int order_locked(struct ringline_runtime *rt, const char *bound, enum listen_order what)
{
	uint32_t state = atomic_load(&rt->state);
	struct rln_listen *l = find(rt, bound);

	if (state == RLN_RUNTIME_STARTING)
		return -EBUSY;
	if (!l)
		return -ENOENT;
	if (state == RLN_RUNTIME_NEW) {
		if (what != ORDER_CLOSE)
			return -ENOTCONN;
		listen_free(l, rt->nworkers);
		return 0;
	}
	if (what == ORDER_CLOSE) {
		l->gone = true;
		rln_socket_path_remove(&l->path, &l->addr);
	}
	return post_orders(rt, l, what);
}

static int order(struct ringline_runtime *rt, const char *bound, enum listen_order what)
{
	int r;

	if (!rt || !bound)
		return -EINVAL;
	pthread_mutex_lock(&rt->lock);
	r = order_locked(rt, bound, what);
	pthread_mutex_unlock(&rt->lock);
	return r;
}

int ringline_runtime_unlisten(struct ringline_runtime *rt, const char *bound)
{
	return order(rt, bound, ORDER_CLOSE);
}

int ringline_runtime_listen_pause(struct ringline_runtime *rt, const char *bound)
{
	return order(rt, bound, ORDER_PAUSE);
}

int ringline_runtime_listen_resume(struct ringline_runtime *rt, const char *bound)
{
	return order(rt, bound, ORDER_RESUME);
}

/* For connections that come from another worker. */
void rln_listen_serve(struct rln_worker *w, struct rln_listen *l, int fd)
{
	struct rln_listener_how how = how_of(l);

	rln_listener_serve(&w->io, &how, fd);
}
