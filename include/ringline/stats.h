/* SPDX-License-Identifier: MIT */
/* Counters of a worker: what it did, what it holds, and which engine did it. */
#ifndef RINGLINE_STATS_H
#define RINGLINE_STATS_H

#include <ringline/common.h>

RINGLINE_BEGIN_DECLS

struct ringline_runtime;

/* Counters only grow, but for the ones marked (now). They are read one by one while the worker runs. */
struct ringline_worker_stats {
	size_t size;

	uint64_t tasks_started;
	uint64_t tasks_ended;
	uint64_t task_switches;           /* times a task was run until it suspended or ended */
	uint64_t timers_fired;
	uint64_t messages;                /* from other threads */
	uint64_t turns;                   /* of the worker's loop */
	uint64_t stalls;                  /* tasks that held the worker longer than the watchdog's limit */
	uint64_t probes;                  /* questions of the service manager's watchdog that were answered */

	uint64_t operations_submitted;
	uint64_t operations_ended;        /* submitted - ended are under way */
	uint64_t operations_cancelled;    /* cancellations asked for */

	uint64_t accepted;
	uint64_t accept_errors;           /* accept failed for want of descriptors or memory */
	uint64_t refused;                 /* accepted and closed at once, for want of memory or room */
	uint64_t connected;
	uint64_t closed;
	uint64_t aborted;                 /* of these, cut off */
	uint64_t connections;             /* (now) open */
	uint64_t bytes_received;
	uint64_t bytes_sent;
	uint64_t bytes_copied;            /* received bytes copied because receive buffers were scarce */
	uint64_t throttled;               /* times a connection reached its input limit */
	uint64_t timed_out;               /* connections aborted because nothing moved (RINGLINE_CONN_IDLE_TIMEOUT) */
	uint64_t rejected;                /* accepted and closed at once, beyond a limit of their listener */
	uint64_t handed_over;             /* accepted for another worker, this one being full */
	uint64_t fds_dropped;             /* received descriptors there was no room for */
	uint64_t bytes_lent;              /* forwarded from receive buffers */
	uint64_t bytes_spliced;           /* forwarded through pipes, uncopied */
	uint64_t memory;                  /* (now) bytes of copied, gathered and queued data */
	uint64_t processes;               /* (now) whose end is waited for, or whose handle is open */
	uint64_t processes_spawned;
	uint64_t processes_lost;          /* that ended, and nobody could tell how */
	uint64_t lookups;                 /* of names and addresses (resolve.h) */
	uint64_t lookups_merged;          /* of these, answered with an equal one that was under way */
	uint64_t lookups_cached;          /* of these, answered with what was kept */
	uint64_t signals;                 /* queued in subscriptions (signal.h) */
	uint64_t signals_lost;            /* real-time signals a subscription had no room for */
	uint64_t files_queued;            /* operations on files that waited in the worker, threads having enough of them */

	uint64_t waits;                   /* for completions */
	uint64_t system_calls;            /* made by the backend */
	uint64_t submission_flushes;      /* io_uring: the submission queue was full */
	uint64_t completion_overflows;    /* io_uring: the completion queue was full */
	uint64_t starved;                 /* receives that found no buffer */
	uint64_t rearmed;                 /* multishot operations armed again */
	uint64_t receive_buffers;         /* (now) that exist */
	uint64_t receive_buffers_free;    /* (now) and hold nobody's bytes */
	uint64_t zero_copy_sends;         /* io_uring: sends from the host's memory that the kernel took in */
	uint64_t zero_copy_copied;        /* of these, sends it copied all the same */
	uint64_t unknown_completions;     /* completions that named no live operation: a bug, please report */
};

#define RINGLINE_WORKER_STATS_INIT { sizeof(struct ringline_worker_stats), \
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/*
 * Fills *stats, whose size must be set, with the counters of a worker. Any thread, from the start until the runtime is
 * freed. rt NULL: the calling thread's own worker (worker must be 0).
 *
 * Returns 0; -EINVAL (no such worker, NULL), -ENOTCONN (not started), -EPERM (rt NULL on a thread that is no worker).
 * Since: 0.1
 */
int ringline_worker_stats(const struct ringline_runtime *rt, uint32_t worker, struct ringline_worker_stats *stats);

/*
 * How many completions of an operation ("accept", "connect", "recv", "recv_pool", "send", "sendmsg", "poll", "close"; of
 * files "read", "write", "readv", "writev", "fsync", "sync_range", "fallocate", "ftruncate", "fadvise", "open", "statx",
 * "rename", "unlink", "mkdir", "link", "symlink", "readlink", "chmod", "chown", "utimens", "truncate", "getxattr",
 * "setxattr", "listxattr", "removexattr", "copy_range", "reflink", "getdents", "lock", "read_file", "write_atomic",
 * "statx_many", "inotify_add", "nvme"; of processes "spawn", "kill_tree") an engine ("io_uring", "epoll", "pool": a thread, "inline": the worker itself, by a call that
 * does not wait) delivered on a worker. Threads and rt as above.
 *
 * Returns 0; -EINVAL, -ENOENT (no operation or engine of that name), -ENOTCONN, -EPERM.
 * Since: 0.1
 */
int ringline_worker_op_count(const struct ringline_runtime *rt, uint32_t worker, const char *operation,
                             const char *engine, uint64_t *count);

RINGLINE_END_DECLS

#endif
