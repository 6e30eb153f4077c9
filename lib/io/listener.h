/* SPDX-License-Identifier: MIT */
/*
 * A listening socket on one worker.
 *
 *     FULL --start--> ARMED
 *
 *     ARMED --descriptors or memory ran out--> BACKING_OFF --timer, or a descriptor freed--> ARMED
 *       |  --the worker's connection limit---> FULL -------- a connection closed ----------> ARMED
 *       |  --asked to----------------------> PAUSED -------- asked to ---------------------> ARMED
 *       +--close--> CLOSING --accept has ended--> (close) --> gone
 *
 * Each accepted connection becomes a task that runs `serve`, or waits for a task to take it (accept.h); then FULL is also
 * the state in which as many wait as may. What arrives between reaching the limit and the end of the
 * multishot accept is kept in a bounded queue of descriptors and served when connections close, or closed and counted
 * when that is full. So is what arrives beyond the budget of a turn, for the next one. A worker that is full goes on
 * accepting as long as a neighbour has room, to whom it hands over.
 */
#ifndef RLN_IO_LISTENER_H
#define RLN_IO_LISTENER_H

#include "base/list.h"
#include "base/ring.h"
#include "core/op.h"
#include "core/timer.h"
#include "io/io.h"

struct ringline_conn;
struct rln_crowd;
struct rln_listen;
struct ringline_listener;

enum rln_listener_state {
	RLN_LISTENER_ARMED,
	RLN_LISTENER_BACKING_OFF,
	RLN_LISTENER_FULL,
	RLN_LISTENER_PAUSED,
	RLN_LISTENER_CLOSING,
};

/* What becomes of the connections: serve(conn, arg) in a task each, poll(conn, arg) at events, or the taker's tasks take them. */
struct rln_listener_how {
	int family;
	void (*serve)(struct ringline_conn *conn, void *arg);
	int (*poll)(struct ringline_conn *conn, void *arg);
	void *arg;
	struct ringline_listener *taker;
	struct rln_crowd *crowd;          /* counts them; NULL: nobody does */
	uint32_t budget;                  /* per turn; 0: the default */
	struct rln_listen *origin;        /* what it shares with listeners of other workers; NULL: nothing */
	bool own;                         /* no other process listens on the socket */
};

struct rln_listener {
	struct rln_list link;             /* rln_io.listeners */
	struct rln_io *io;
	int fd;
	uint8_t state;                    /* enum rln_listener_state */
	bool finishing;                   /* CLOSING: who was let in before is served yet */
	uint64_t backoff;                 /* the next pause, nanoseconds */
	struct rln_listener_how how;
	struct ringline_listener *taker;  /* instead of serve: tasks take what is waiting; NULL once that is gone */
	uint64_t turn;                    /* of the worker, in which */
	uint32_t in_turn;                 /* so many were begun */
	struct rln_ring waiting;          /* accepted descriptors there was no room for, or that nobody has taken yet */
	struct rln_timer timer;
	struct rln_op op;
};

/*
 * Takes over a listening, non-blocking descriptor; accepting begins with rln_listener_resume(). 0 or -ENOMEM (the
 * descriptor stays the caller's).
 */
int rln_listener_open(struct rln_io *io, int fd, const struct rln_listener_how *how) rln_must_check;

/* Frees one that never accepted; the descriptor stays the caller's. */
void rln_listener_free(struct rln_listener *l);

/* Stops accepting and closes; the listener frees itself when the backend is through with it. */
void rln_listener_close(struct rln_listener *l);

/*
 * The same at the end of the worker, and serves whom the kernel has let in before: to such a client its connection is made,
 * and a reset would be a request that failed. From here on the kernel lets in nobody, or the close would reset who comes in
 * between. On a socket that is not its own it only stops: who waits there is the next one's to serve.
 */
void rln_listener_finish(struct rln_listener *l);

/* Goes on, if it had paused (or not begun) and there is room. */
void rln_listener_resume(struct rln_listener *l);

/* Stops accepting until it is resumed by name. */
void rln_listener_pause(struct rln_listener *l);
void rln_listener_unpause(struct rln_listener *l);

/* Begins a connection that another worker has accepted. Takes the descriptor over. */
void rln_listener_serve(struct rln_io *io, const struct rln_listener_how *how, int fd);

/* How many connections can be taken now; one of them, NULL if there is none. */
uint32_t rln_listener_waiting(const struct rln_listener *l);
struct ringline_conn *rln_listener_take(struct rln_listener *l);

#endif
