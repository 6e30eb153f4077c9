/* SPDX-License-Identifier: MIT */
/*
 * A connection: two byte streams over one descriptor.
 *
 *     CONNECTING --> OPEN --close--> CLOSING --output drained--> FINISHING --no op in flight--> (close) --> CLOSED
 *          |           |                |  timeout                  ^
 *          +-failure---+-----abort------+---------------------------+
 *
 * One receive and one send operation are embedded, each in flight at most once, so neither direction can be reordered. The
 * descriptor is closed when neither is in flight any more, and the slot goes back when the close has completed and the
 * last reference is gone: a late completion always finds the connection it belongs to.
 *
 *   receive (conn-recv.c)   completions append segments to `input`, or fill the parked reader's memory
 *   lend (conn-peek.c)      what is buffered, where it lies or in one piece
 *   send (conn-send.c)      `output` is the queue of what is to leave; its head is in the kernel
 *   queue (conn-queue.c)    sending without waiting: copies, buffers, memory of the host's
 *   turn (conn-turn.c)      a task moves bytes past the queues: sendfile, splice
 *   extra (conn-extra.c)    limits and timeouts of single connections
 *   select (conn-select.c)  readable and writable as cases of ringline_select()
 *   handler (handler.c)     the task of an accepted connection, or the function that is called at each event
 *   end (conn-close.c)      rln_conn_progress() decides after every completion what comes next
 *
 * References: `refs` counts the user's, `calls` those of calls under way and of the handler's task. While it is `handled`
 * the connection stays open without the user's, and is closed by the return of a handler that has not kept it. A handler
 * may close what it was given without having a reference of its own; `lent` says that it has not done so, and keeps that
 * close from dropping somebody else's.
 */
#ifndef RLN_IO_CONN_H
#define RLN_IO_CONN_H

#include <errno.h>

#include "core/op.h"
#include "core/task.h"
#include "core/timer.h"
#include "core/wait.h"
#include "io/io.h"
#include "ringline/conn.h"

struct rln_conn_extra;
struct rln_connecting;
struct rln_transport;

enum rln_conn_state {
	RLN_CONN_CONNECTING,
	RLN_CONN_OPEN,
	RLN_CONN_CLOSING,         /* closed by the user; what was queued still leaves */
	RLN_CONN_FINISHING,       /* nothing more leaves; operations are being cancelled, then the descriptor is closed */
	RLN_CONN_CLOSED,
};

/* A run of received bytes. */
struct rln_segment {
	struct rln_slot slot;
	struct rln_list link;             /* ringline_conn.input */
	struct rln_list held;             /* rln_io.held, while buf may be taken away */
	struct rln_buf *buf;              /* the memory the bytes lie in: the backend's, or a block */
	unsigned char *data;
	size_t len;
	size_t room;                      /* bytes of a block behind them that are free */
	bool lent;                        /* peek has told where the bytes lie */
};

struct ringline_conn {
	struct rln_slot slot;
	struct rln_io *io;
	const struct rln_transport *transport;
	int fd;
	uint32_t refs;
	uint32_t calls;
	uint16_t family;                  /* AF_INET, AF_INET6, AF_UNIX */
	uint16_t nzero_copy;              /* zero-copy sends whose bytes the kernel still uses */
	int16_t recv_error;               /* what ended the receiving, 0 or -errno */
	int16_t send_error;
	uint8_t state;                    /* enum rln_conn_state */
	bool handled : 1;                 /* the handler has not returned */
	bool lent : 1;                    /* the handler has neither kept nor closed it */
	bool kept : 1;
	bool eof : 1;                     /* the peer has ended its stream */
	bool throttled : 1;               /* receiving was stopped at the input limit */
	bool shut_wanted : 1;             /* shutdown_write was called */
	bool shut_done : 1;
	bool aborted : 1;
	bool timed_out : 1;               /* aborted because nothing moved */
	bool recv_turn : 1;               /* one task receives for a while, whether or not it waits just now (conn-turn.c) */
	bool recv_by_hand : 1;            /* and reads from the descriptor by itself */
	bool send_turn : 1;               /* a task writes to it by itself */
	bool adopted : 1;                 /* its flags are somebody else's too */
	bool nonblocking : 1;             /* known to be so */
	bool zero_copying : 1;            /* the send under way is extra->zero_copy */
	bool polled : 1;                  /* the handler is a function that is called at events (handler.h) */
	bool poll_input : 1;              /* it has asked to be called when there is something to receive */
	bool poll_output : 1;             /* when something can be queued */
	bool poll_missed : 1;             /* it could not be called for want of memory */

	struct rln_list input;            /* rln_segment.link */
	size_t buffered;                  /* bytes in input */
	struct rln_source reader;         /* the one task that receives */
	struct rln_source readable;       /* tasks that wait until there is something to receive */

	struct rln_list output;           /* rln_send.link */
	size_t queued;                    /* bytes in output that have not left */
	struct rln_source writable;       /* tasks that wait until output is empty, or shorter */

	struct rln_conn_extra *extra;     /* what only some connections have; NULL: nothing */
	uint64_t bytes_received;
	uint64_t bytes_sent;

	union {
		struct rln_connecting *attempt;                         /* while connecting (connect.c) */
		void (*serve)(struct ringline_conn *conn, void *arg);   /* the handler of an accepted connection */
		int (*poll)(struct ringline_conn *conn, void *arg);     /* the same, if it is polled */
	};
	void *handler_arg;
	struct ringline_task *handler;    /* in which it runs; NULL: it does not just now */

	struct rln_op recv rln_aligned(64);
	struct rln_op send rln_aligned(64);   /* also connect and close: never at the same time */
};

_Static_assert(sizeof(void *) != 8 || sizeof(struct ringline_conn) <= 320, "an idle connection is five cache lines");

/* A new connection in state *state* that owns *fd*, with no reference. NULL: no memory. */
struct ringline_conn *rln_conn_new(struct rln_io *io, int fd, int family, enum rln_conn_state state) rln_must_check;

/* For dumps: which connection it is. */
void rln_conn_describe(const void *conn, char *text, size_t size);

/* Why not; also told in the log where the caller is wrong. */
int rln_conn_refuse(const struct ringline_conn *c, const char *call) rln_cold;
int rln_conn_refuse_park(const struct ringline_conn *c, const char *call) rln_cold;

static inline bool rln_conn_usable(const struct ringline_conn *c, const struct rln_exec *x)
{
	return c && x && rln_slot_live(&c->slot) && c->io == x->io && c->state == RLN_CONN_OPEN;
}

/* What a call says whose connection has been closed under it. */
static inline int rln_conn_gone(const struct ringline_conn *c)
{
	return c->timed_out ? -ETIMEDOUT : -ECONNABORTED;
}

/* The guard of public calls. 0 if the calling thread may use an open *c*; -EINVAL, -EPERM, -EBADF. */
static inline int rln_conn_check(const struct ringline_conn *c, const char *call)
{
	return rln_likely(rln_conn_usable(c, rln_exec_current)) ? 0 : rln_conn_refuse(c, call);
}

/* The guard of suspending calls: the task too, and its scope. Adds -EDEADLK, -ETIME, -ECANCELED. */
static inline int rln_conn_check_park(const struct ringline_conn *c, struct ringline_task **task, const char *call)
{
	const struct rln_exec *x = rln_exec_current;
	struct ringline_task *t = x ? x->current : NULL;

	*task = t;
	if (rln_unlikely(!rln_conn_usable(c, x) || !t || !t->fiber || t->scope->reason))
		return rln_conn_refuse_park(c, call);
	return 0;
}

/* Has the handler called that is called at events; handler.h. */
void rln_handler_wake(struct ringline_conn *c);

/* For the time of a call that parks. */
void rln_conn_enter(struct ringline_conn *c);
void rln_conn_leave(struct ringline_conn *c);

/* Drops a user's reference; the last one of an open connection closes it. */
void rln_conn_unref(struct ringline_conn *c);

/* Frees a closed connection that nobody refers to any more. */
void rln_conn_free_unused(struct ringline_conn *c);

/* Starts receiving if it should and does not. */
void rln_conn_recv_arm(struct ringline_conn *c);
void rln_conn_recv_complete(struct rln_op *op, const struct rln_completion *c);

/*
 * Drops what was received and wakes the reader: the connection ends. What was lent stays where it is, since it may be on
 * its way out from there, until nobody has a reference to the connection any more.
 */
void rln_conn_recv_end(struct ringline_conn *c);
void rln_conn_recv_free(struct ringline_conn *c);

/* Sizes of what conn-send.c keeps in slabs of the worker's. */
extern const size_t rln_conn_queued_send_size;
extern const size_t rln_conn_zero_copy_size;

/* Sends the head of the queue, if there is one and nothing is in flight. */
void rln_conn_send_start(struct ringline_conn *c);

/* Fails all that is queued and not in flight. */
void rln_conn_send_fail(struct ringline_conn *c, int error);

/* Enters the kinds of ringline_select() that are connections. */
void rln_conn_select_init(struct rln_io *io);

/* There is something to receive, or never will be. */
static inline void rln_conn_tell_readable(struct ringline_conn *c)
{
	rln_source_fire_all(&c->readable, 0);
	if (rln_unlikely(c->poll_input))
		rln_handler_wake(c);
}

/* Something can be queued, or never will be. */
static inline void rln_conn_tell_writable(struct ringline_conn *c)
{
	rln_source_fire_all(&c->writable, 0);
	if (rln_unlikely(c->poll_output))
		rln_handler_wake(c);
}

/* The next connection that holds a descriptor, in the order of their slots, from the one at *index* on; NULL if none does. */
struct ringline_conn *rln_conn_next(struct rln_io *io, uint32_t *index);

/* What comes next, after any event: send, shut down, close. */
void rln_conn_progress(struct ringline_conn *c);

/* Begins the graceful end; what is queued leaves first. */
void rln_conn_close(struct ringline_conn *c);

/* Begins the end at once. */
void rln_conn_abort(struct ringline_conn *c);

/* The same, because nothing has moved for too long. */
void rln_conn_time_out(struct ringline_conn *c);

#endif
