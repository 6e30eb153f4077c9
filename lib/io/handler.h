/* SPDX-License-Identifier: MIT */
/*
 * Who serves an accepted connection.
 *
 * A fiber handler is a task with a stack, from the accept until its function returns. A polled one is a function that is
 * called when something happens on its connection, and says -EINPROGRESS until it is through: it has asked for what it waits
 * for by a call that does not wait and said -EAGAIN. Between two calls it has no task at all, unless its last one has left
 * operations, children, scopes or task-locals behind; an idle connection costs what struct ringline_conn does.
 *
 *     (no task) --input, room, the end, a cut--> task: poll(conn, arg) --> -EINPROGRESS, nothing left behind --> (no task)
 *                                                  |  ^
 *                                                  |  +-- woken, if it has left something behind
 *                                                  +----> anything else: closed unless kept, and never called again
 *
 * Invariants: `handled` from the accept to the handler's return; a polled handler is called once more after its connection
 * has ended or the worker's tasks were cut, so that it can free what it has. Without memory for the task it is called later.
 */
#ifndef RLN_IO_HANDLER_H
#define RLN_IO_HANDLER_H

#include "base/compiler.h"

struct ringline_conn;
struct rln_io;
struct rln_listener_how;

void rln_handlers_init(struct rln_io *io);
void rln_handlers_fini(struct rln_io *io);

/* Before connections with polled handlers can be accepted. 0 or -ENOMEM. */
int rln_handlers_reserve(struct rln_io *io) rln_must_check;

/* Begins to serve a new connection. 0, -ENOMEM, -EAGAIN, or why the worker takes no tasks. */
int rln_handler_start(struct ringline_conn *c, const struct rln_listener_how *how) rln_must_check;

/* How many polled handlers have no task just now: what a dump of the tasks does not show. */
uint32_t rln_handlers_idle(struct rln_io *io);

/* The worker's tasks have been cut: tells a handler that has no task just now. */
void rln_handler_cut(struct ringline_conn *c);

/* The calling task is the handler and was told to come back later: it is called when there is input, or room for output. */
void rln_handler_want_input(struct ringline_conn *c);
void rln_handler_want_output(struct ringline_conn *c);

#endif
