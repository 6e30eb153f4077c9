/* SPDX-License-Identifier: MIT */
/*
 * What the connections and listeners of one worker share: tables, limits, counters.
 *
 * Stopping is driven by the runtime: rln_io_stop_accepting() closes the listeners, rln_io_close_all() closes gracefully
 * what no task will close any more, and ends watches, timers and listeners that nobody has ended, rln_io_abort_all() cuts
 * off what is still open. The worker may end once rln_io_idle().
 */
#ifndef RLN_IO_IO_H
#define RLN_IO_IO_H

#include <stdatomic.h>

#include "base/list.h"
#include "base/slab.h"
#include "core/executor.h"
#include "io/clock.h"

#define RLN_LOCAL_DEVICES 8u      /* that are remembered */

struct ringline_fd_watch;
struct rln_io;
struct rln_listen;

/* The other workers, to a worker that is full. */
struct rln_io_neighbours {
	/* Has one of them room? If none has, rln_io_descriptor_freed() is called when one has again. */
	bool (*have_room)(struct rln_io *io);
	/* Gives an accepted descriptor to one of them; false: none takes it. */
	bool (*hand_over)(struct rln_io *io, struct rln_listen *origin, int fd);
	/* This one has room again. */
	void (*freed)(struct rln_io *io);
};

struct rln_io_config {
	uint32_t max_connections;         /* 0: no limit */
	uint64_t input_limit;             /* bytes buffered per connection before it stops receiving */
	uint64_t output_limit;            /* bytes queued per connection from which send_nowait queues no more */
	uint64_t memory_limit;            /* bytes of blocks (buf.h) from which no more are made, but for what must be */
	uint64_t zero_copy_min;           /* bytes from which ringline_conn_send_zc() has the kernel not copy; 0: never */
	uint64_t close_timeout;           /* nanoseconds a graceful close may take */
	uint32_t disabled;                /* enum rln_feature bits */
	bool try_inline;                  /* file operations by calls that do not wait */
	uint32_t lookup_cache;            /* answers that are kept; 0: none */
	uint64_t lookup_cache_time;       /* nanoseconds that they are */
};

/* Written by the owner, read by anyone (relaxed). */
struct rln_io_stats {
	_Atomic uint64_t accepted;
	_Atomic uint64_t accept_errors;   /* accept failed for want of descriptors or memory */
	_Atomic uint64_t refused;         /* accepted and closed at once: no memory for it */
	_Atomic uint64_t connected;
	_Atomic uint64_t closed;
	_Atomic uint64_t aborted;         /* of these, cut off by an abort or the close timeout */
	_Atomic uint64_t bytes_received;
	_Atomic uint64_t bytes_sent;
	_Atomic uint64_t bytes_copied;    /* received bytes moved out of scarce receive buffers */
	_Atomic uint64_t open;            /* a gauge: connections that hold a descriptor */
	_Atomic uint64_t throttled;       /* times a connection stopped receiving at its input limit */
	_Atomic uint64_t timed_out;       /* connections aborted because nothing moved */
	_Atomic uint64_t rejected;        /* accepted and closed at once, beyond a limit of the listener */
	_Atomic uint64_t handed_over;     /* accepted for another worker, this one being full */
	_Atomic uint64_t fds_dropped;     /* received descriptors there was no room for */
	_Atomic uint64_t bytes_lent;      /* forwarded from receive buffers */
	_Atomic uint64_t bytes_spliced;   /* forwarded through pipes */
	_Atomic uint64_t memory;          /* a gauge: bytes in blocks */
	_Atomic uint64_t processes;       /* a gauge: that are known of */
	_Atomic uint64_t processes_spawned;
	_Atomic uint64_t processes_lost;  /* ended, nobody knows how */
	_Atomic uint64_t lookups;
	_Atomic uint64_t lookups_merged;  /* of these, answered with an equal one that was under way */
	_Atomic uint64_t lookups_cached;  /* of these, answered with what was kept */
	_Atomic uint64_t files_queued;    /* operations on files that waited, threads having enough */
	_Atomic uint64_t signals;         /* queued in subscriptions; these two are written by any thread, under a lock */
	_Atomic uint64_t signals_lost;
};

/* Threads that carry out requests, and those that wait because they have enough (request-queue.c). */
struct rln_threads {
	struct rln_io *io;
	uint32_t have;                    /* requests */
	uint32_t nqueued;
	struct rln_list queued;           /* rln_request.queued */
	struct rln_timer timer;           /* armed while there are queued ones */
	bool moved;                       /* one of these has gone on since it was armed */
};

struct rln_io {
	struct rln_exec *exec;
	const struct rln_io_neighbours *neighbours;   /* NULL: there are none */
	struct rln_slab conns;            /* struct ringline_conn */
	struct rln_slab segments;         /* struct rln_segment */
	struct rln_slab queued_sends;     /* struct rln_queued_send */
	struct rln_slab zero_copies;      /* struct rln_zero_copy */
	uint32_t nzero_copy;              /* of these, how many the kernel has */
	struct rln_slab bufs;             /* struct ringline_buf */
	struct rln_slab dgram_slab;       /* struct ringline_dgram */
	struct rln_list dgrams;           /* ringline_dgram.link: those that hold a descriptor */
	struct rln_list batches;          /* rln_dgram_batch.link: free ones, for the next that needs one */
	uint32_t nbatches;
	struct rln_list listeners;        /* rln_listener.link */
	struct rln_list held;             /* rln_segment.held: unread bytes in the backend's buffers */
	struct rln_slab takers;           /* struct ringline_listener */
	struct rln_slab timers;           /* struct ringline_timer */
	struct rln_alarm_clock realtime;
	struct rln_alarm_clock boottime;
	struct rln_slab watches;          /* struct ringline_fd_watch */
	struct ringline_fd_watch **watch_by_fd;
	uint32_t nwatch_by_fd;
	struct rln_slab file_slab;        /* struct ringline_file */
	struct rln_list files;            /* ringline_file.link: those that hold a descriptor */
	struct rln_slab requests;         /* of op handles (request.c) */
	struct rln_list deferred;         /* rln_request.deferred: for the next turn, by `more` */
	struct rln_deferred more;
	struct rln_threads kernel;        /* threads of the ring's */
	struct rln_threads pool;          /* and of class io */
	uint64_t heard_turn;              /* the last in which something was received, or right before which */
	uint64_t heard_at;                /* when, or when the wait began in which it was; request-queue.c knows which */
	int mounts_fd;                    /* tells of changes of mounts; -1: not needed yet (locality.c) */
	uint32_t nlocal;                  /* devices that were learned */
	uint64_t local[RLN_LOCAL_DEVICES];   /* the last of them */
	uint64_t counted_turn;            /* which turn's calls these count */
	uint32_t inlined;
	uint32_t readers;                 /* tasks that read, or reads that were begun (request.c) */
	uint32_t readers_before;          /* in the turn before */
	const struct ringline_task *reader;   /* the last; only to be compared */
	struct rln_slab closers;          /* closes under way (file.c) */
	uint32_t nlock_waits;             /* threads that wait for locks of files */
	struct rln_slab regions;          /* struct ringline_region */
	struct rln_slab dirs;             /* struct ringline_dir */
	struct rln_slab inotifies;        /* struct ringline_inotify */
	struct rln_slab process_slab;     /* struct ringline_process */
	struct rln_list processes;        /* ringline_process.link: those that hold a descriptor */
	struct rln_slab signals;          /* struct ringline_signal */
	struct rln_signal_port *signal_port;   /* NULL: not needed yet */
	struct rln_list *inquiries;       /* rln_inquiry.link: a table; NULL: not needed yet */
	struct rln_list kept;             /* rln_inquiry.age: those that are over, the oldest first */
	uint32_t nkept;
	struct rln_list pipes;            /* rln_pipe.link: empty ones, for the next that needs one */
	uint32_t npipes;
	int probe_fd;                     /* an epoll descriptor that tells what can be polled; -1: not needed yet */
	bool draining;                    /* the worker ends: whoever was let in before gets a handler yet */
	uint32_t nopen;                   /* connections that hold a descriptor */
	struct rln_timer handlers;        /* calls those there was no memory for */
	uint32_t nmissed;                 /* how many these are */
	struct rln_io_config config;
	struct rln_io_stats stats;
};

void rln_io_init(struct rln_io *io, struct rln_exec *x, const struct rln_io_config *config);

/*
 * No connection may be open; listeners that never accepted are dropped. Handles that the host never dropped are counted,
 * logged and freed.
 */
void rln_io_fini(struct rln_io *io);

bool rln_io_idle(const struct rln_io *io);
void rln_io_start_accepting(struct rln_io *io);
void rln_io_stop_accepting(struct rln_io *io);
void rln_io_cut_handlers(struct rln_io *io);
void rln_io_close_all(struct rln_io *io);
void rln_io_abort_all(struct rln_io *io);

/* A descriptor was given back: listeners that paused at a limit may go on. */
void rln_io_descriptor_freed(struct rln_io *io);

/* The same where another worker has room. */
void rln_io_resume_listeners(struct rln_io *io);

/* At the limit of connections? */
static inline bool rln_io_full(const struct rln_io *io)
{
	return io->config.max_connections && io->nopen >= io->config.max_connections;
}

/* Something was received: by a task, or while the worker waited, which may have been long; then the next turn knows when it was. */
static inline void rln_io_heard(struct rln_io *io)
{
	io->heard_at = io->exec->now;
	io->heard_turn = rln_stat_get(&io->exec->stats.turns) + !io->exec->current;
}

static inline struct rln_io *rln_io_current(void)
{
	return rln_exec_current->io;
}

#endif
