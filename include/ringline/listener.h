/* SPDX-License-Identifier: MIT */
/*
 * Listening: what ringline_runtime_listen() takes, and listeners that a task accepts from.
 *
 * A listener belongs to the worker it was opened on. Up to 256 accepted connections wait in it for a task to take them; then
 * the kernel's backlog fills. When descriptors or memory run out it pauses and goes on by itself.
 */
#ifndef RINGLINE_LISTENER_H
#define RINGLINE_LISTENER_H

#include <ringline/common.h>

RINGLINE_BEGIN_DECLS

struct ringline_conn;
struct ringline_listener;

/* flags of struct ringline_listen_options */
#define RINGLINE_LISTEN_SHARE_PORT (UINT32_C(1) << 0)  /* do not fail if another process listens on the port too */
#define RINGLINE_LISTEN_V6ONLY     (UINT32_C(1) << 1)  /* IPv6: no IPv4 connections */
#define RINGLINE_LISTEN_DELAY      (UINT32_C(1) << 2)  /* do not set TCP_NODELAY on the connections */
#define RINGLINE_LISTEN_KEEPALIVE  (UINT32_C(1) << 3)  /* set SO_KEEPALIVE on them */
#define RINGLINE_LISTEN_MODE       (UINT32_C(1) << 4)  /* the socket file gets `mode` */
#define RINGLINE_LISTEN_OWNER      (UINT32_C(1) << 5)  /* the socket file gets `uid` and `gid` */

struct ringline_listen_options {
	size_t size;
	uint32_t flags;                   /* RINGLINE_LISTEN_* */
	uint32_t backlog;                 /* 0: 4096, as far as the kernel allows */
	uint32_t max_connections;         /* open at a time, on all workers; beyond: closed at once and counted (rejected); 0: no limit */
	uint32_t max_per_source;          /* from one IP address, or one user of a unix socket; the same */
	uint32_t accept_budget;           /* connections begun per turn of a worker; 0: 64 */
	uint32_t fastopen;                /* TCP_FASTOPEN: connections that may be under way with data; 0: none */
	uint32_t mode;                    /* permissions of the socket file, at most 0777 */
	uint32_t uid;                     /* UINT32_MAX: as it is */
	uint32_t gid;
	uint32_t reserved;                /* zero */
	int (*poll)(struct ringline_conn *conn, void *arg);   /* instead of a handler with a stack; see ringline_runtime_listen() */
};

#define RINGLINE_LISTEN_OPTIONS_INIT { sizeof(struct ringline_listen_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/*
 * Listens on an address, as ringline_runtime_listen() does, with one socket on the calling worker. bound, if not NULL, points
 * at room for RINGLINE_ADDRESS_SIZE bytes and receives the address with the real port. The shutdown closes it. Never suspends.
 *
 * Returns 0; -EINVAL, -ENAMETOOLONG (address), -E2BIG (unknown options), -EADDRINUSE (somebody listens there), -EADDRNOTAVAIL,
 * -EACCES, -ENOENT (directory of a unix socket, or no socket of that name was passed), -ENOTUNIQ (several were), -EMFILE,
 * -ENFILE, -ENOMEM, -EPERM.
 * Since: 0.1
 */
int ringline_listener_open(struct ringline_listener **ret, char *bound, const char *address,
                           const struct ringline_listen_options *options) RINGLINE_MUST_CHECK;

/*
 * Waits for a connection, which is the caller's to close. A case of ringline_select() too (RINGLINE_CASE_ACCEPT). At the
 * worker's limit of connections it waits until one closes.
 *
 * Returns 0; -EBADF (the listener was closed, before or during the wait), -ETIME, -ECANCELED, -EINVAL, -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_listener_accept(struct ringline_listener *listener,
                                               struct ringline_conn **ret) RINGLINE_MUST_CHECK;

/*
 * Stops accepting, and begins again; connections wait in the kernel's backlog meanwhile. Never suspend.
 *
 * Returns 0; -EBADF (closed), -EINVAL, -EPERM.
 * Since: 0.1
 */
int ringline_listener_pause(struct ringline_listener *listener);
int ringline_listener_resume(struct ringline_listener *listener);

/*
 * Closes the listener and the connections nobody has taken; who waits for one gets -EBADF. A socket file that was made is
 * removed. NULL is allowed. Never suspends.
 *
 * Returns 0; -EBADF (closed already), -EPERM.
 * Since: 0.1
 */
int ringline_listener_close(struct ringline_listener *listener);

RINGLINE_END_DECLS

#endif
