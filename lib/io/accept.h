/* SPDX-License-Identifier: MIT */
/*
 * Listeners of tasks: accept() in blocking style, on top of the worker's listeners (listener.h).
 *
 * Accepted descriptors wait in the listener's bounded queue until a task takes them; a full queue stops the accepting.
 */
#ifndef RLN_IO_ACCEPT_H
#define RLN_IO_ACCEPT_H

#include "base/slab.h"
#include "core/wait.h"
#include "io/bind.h"
#include "io/io.h"
#include "ringline/listener.h"

struct rln_crowd;
struct rln_listener;

struct ringline_listener {
	struct rln_slot slot;
	struct rln_io *io;
	struct rln_listener *listener;    /* NULL: closed */
	struct rln_addr addr;
	struct rln_socket_path path;
	struct rln_source acceptors;
};

/* With the defaults filled in. 0, -EINVAL, -E2BIG. */
int rln_listen_read_options(struct ringline_listen_options *o, const struct ringline_listen_options *options);

/* What counts the connections, if they are to be counted. 0 or -ENOMEM. */
int rln_listen_new_crowd(struct rln_crowd **ret, const struct ringline_listen_options *o) rln_must_check;

void rln_accept_init(struct rln_io *io);
void rln_accept_fini(struct rln_io *io);

/* There may be something to take. */
void rln_accept_notify(struct ringline_listener *l);

/* The listener below is closed, by whomever. */
void rln_accept_closed(struct ringline_listener *l);

#endif
