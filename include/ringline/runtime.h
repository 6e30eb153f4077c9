/* SPDX-License-Identifier: MIT */
/*
 * The runtime: worker threads, each with its own executor and its own backend (io_uring or epoll).
 *
 * A daemon makes a runtime, says what to listen on, and runs it:
 *
 *     ringline_runtime_new(&rt, NULL);
 *     ringline_runtime_listen(rt, NULL, "tcp:127.0.0.1:7878", serve, NULL, NULL);
 *     ringline_runtime_run(rt);
 *     ringline_runtime_free(rt);
 *
 * Starting is all or nothing: every worker has its backend and its memory before any listener accepts. Shutting down:
 * listeners are closed, whom the kernel has let in until then gets its handler (on a socket that was passed it waits for the next
 * process), all tasks are cancelled, what still runs (shielded clean-up, data on its way out) has until the drain timeout, then
 * the rest is cut off.
 */
#ifndef RINGLINE_RUNTIME_H
#define RINGLINE_RUNTIME_H

#include <ringline/common.h>
#include <ringline/listener.h>

RINGLINE_BEGIN_DECLS

struct ringline_conn;
struct ringline_runtime;

/* backend of struct ringline_config */
#define RINGLINE_BACKEND_AUTO     0u  /* the environment's RINGLINE_BACKEND, or io_uring if it works here, else epoll */
#define RINGLINE_BACKEND_IO_URING 1u  /* this one or an error */
#define RINGLINE_BACKEND_EPOLL    2u

/* flags of struct ringline_config */
#define RINGLINE_CONFIG_NO_PINNING (UINT32_C(1) << 0)  /* workers may move between processors */
#define RINGLINE_CONFIG_NO_SIGNALS (UINT32_C(1) << 1)  /* ringline_runtime_run() takes no signals */
#define RINGLINE_CONFIG_STACK_USAGE (UINT32_C(1) << 2) /* measure each task's stack (debug.h); costs by what it used */
#define RINGLINE_CONFIG_SERVICE    (UINT32_C(1) << 3)  /* tell the service manager how the runtime is (service.h) */

/* Receives log lines; any thread, several at once. level is one of syslog(3)'s. */
typedef void ringline_log_fn(int level, const char *message, void *arg);

struct ringline_config {
	size_t size;
	uint32_t backend;                 /* RINGLINE_BACKEND_* */
	uint32_t flags;                   /* RINGLINE_CONFIG_* */
	uint32_t workers;                 /* 0: one per usable physical core; at most 1024 */
	uint32_t max_connections;         /* per worker; 0: bounded by descriptors only */
	uint32_t max_tasks;               /* per worker; 0: bounded by memory only */
	uint32_t max_operations;          /* op handles per worker; 0: 65536 */
	uint32_t inbox_limit;             /* messages from other threads under way, per worker; 0: 65536 */
	uint32_t submission_entries;      /* io_uring; 0: 256 */
	uint32_t completion_entries;      /* io_uring; 0: 1024 */
	uint32_t receive_buffers;         /* to start with, per worker; 0: the backend's default */
	uint32_t receive_buffer_size;     /* bytes each; 0: the backend's default */
	uint32_t blocking_threads;        /* bulk jobs that run at once (blocking.h); 0: four per processor, 4 to 64 */
	uint32_t blocking_io_threads;     /* io jobs; 0: the same */
	uint32_t blocking_dns_threads;    /* dns jobs; 0: 8 */
	uint32_t blocking_queue;          /* jobs of a class queued without a task that waits; 0: 1024 */
	uint32_t blocking_wait_threads;   /* wait jobs; 0: 64 */
	uint32_t lookup_cache;            /* answers of resolve.h that a worker keeps, at most 65536; 0: none */
	uint32_t reserved;                /* zero */
	uint64_t blocking_idle;           /* nanoseconds an idle thread of the pool stays; 0: 10 seconds */
	uint64_t receive_buffer_limit;    /* bytes of receive buffers a worker may grow to; 0: 16 MiB */
	uint64_t input_limit;             /* bytes received and not consumed per connection; 0: 1 MiB */
	uint64_t output_limit;            /* bytes queued per connection from which a send that does not wait is -EAGAIN; 0: 256 KiB */
	uint64_t memory_limit;            /* bytes copied, gathered and queued per worker; 0: 1 GiB */
	uint64_t zero_copy_min;           /* bytes from which ringline_conn_send_zc() has the kernel not copy; 0: never */
	uint64_t stack_size;              /* bytes per task; 0: 64 KiB */
	uint64_t drain_timeout;           /* nanoseconds between shutdown and cutting off; 0: 10 seconds */
	uint64_t close_timeout;           /* nanoseconds a graceful close may take; 0: 30 seconds */
	uint64_t task_slice;              /* nanoseconds before ringline_checkpoint() yields; 0: 1 millisecond */
	uint64_t lookup_cache_time;       /* nanoseconds that answers of resolve.h are kept; 0: 5 seconds */
	uint64_t stall_limit;             /* nanoseconds a task may hold its worker before the log names it; 0: no watchdog */
	ringline_log_fn *log;             /* process-wide; NULL: leave it as it is */
	void *log_arg;
};

#define RINGLINE_CONFIG_INIT { sizeof(struct ringline_config), \
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL }

/* Where the library's memory comes from. alloc returns memory aligned to align (a power of two), or NULL; both are called
 * by any thread. */
struct ringline_allocator {
	size_t size;
	void *(*alloc)(size_t size, size_t align, void *arg);
	void (*free)(void *ptr, void *arg);
	void *arg;
};

#define RINGLINE_ALLOCATOR_INIT { sizeof(struct ringline_allocator), NULL, NULL, NULL }

/*
 * Has the library take its memory from another allocator than malloc(); NULL: from malloc() again. For the whole process;
 * any thread, while the library holds no memory. Stacks, rings and receive buffers are mapped and do not come from it.
 *
 * Returns 0; -EBUSY (the library holds memory: a runtime or a token exists), -EINVAL (a function is missing), -E2BIG.
 * Since: 0.1
 */
int ringline_set_allocator(const struct ringline_allocator *allocator);

/*
 * Makes a runtime; no thread is started and no descriptor opened. config may be NULL. Any thread.
 *
 * Returns 0; -EINVAL (a value out of range, an unknown flag), -E2BIG (unknown configuration), -ENOMEM.
 * Since: 0.1
 */
int ringline_runtime_new(struct ringline_runtime **ret, const struct ringline_config *config) RINGLINE_MUST_CHECK;

/*
 * Binds an address on all workers; from the start on each accepted connection gets a task that runs serve(conn, arg) and
 * is closed when that returns (unless it was kept). Address forms as in ringline_connect(); TCP port 0 takes a free port.
 * TCP sockets are one per worker (SO_REUSEPORT), unix sockets are shared. A unix socket file nobody listens on any more
 * is replaced, any other file is not; the file is removed when the listener closes. bound, if not NULL, points at room for
 * RINGLINE_ADDRESS_SIZE bytes and receives the address with the real port.
 *
 * "fd:N" adopts a listening socket, "systemd:NAME" those that a service manager has passed under that name
 * (sd_listen_fds(3)); the workers share such a socket, it is made non-blocking, and the library closes it in the end.
 *
 * With options.poll, and serve NULL, the handler has no stack: poll(conn, arg) is called in a stackless task, first when the
 * connection was accepted. It uses calls that do not wait. When one says -EAGAIN and poll returns -EINPROGRESS, it is called
 * again when there is something to receive, or room to send, whichever it was told to wait for; also when an operation or a
 * task it has begun ends, when the connection has been closed under it, and when the worker's tasks are cancelled: receiving
 * returns -ECANCELED then. Any other result ends it like the return of serve; so does -EINPROGRESS on a closed connection.
 * While it waits for nothing but the connection it has no task, and no name. ringline_conn_set_poll() changes what is called.
 *
 * A worker at its limit of connections hands what it accepts over to one that has room; when all are full they stop
 * accepting. Any thread, before the start and while the runtime runs.
 *
 * Returns 0; -EINVAL, -ENAMETOOLONG (address), -E2BIG (unknown options), -EADDRINUSE (somebody listens there),
 * -EADDRNOTAVAIL, -EACCES, -EPERM (owner of the socket file), -ENOENT (directory of a unix socket, or no socket of that name
 * was passed), -EBADF, -ENOTSOCK, -EMFILE, -ENFILE, -ENOMEM, -EBUSY (just starting), -ESHUTDOWN.
 * Since: 0.1
 */
int ringline_runtime_listen(struct ringline_runtime *rt, char *bound, const char *address,
                            void (*serve)(struct ringline_conn *conn, void *arg), void *arg,
                            const struct ringline_listen_options *options) RINGLINE_MUST_CHECK;

/*
 * Stops listening on an address, as ringline_runtime_listen() wrote it to bound, and removes the socket file. Connections
 * stay. Any thread; what is under way on the workers is accepted yet.
 *
 * Returns 0; -ENOENT (not listened on), -EINVAL, -ENOMEM, -EBUSY (just starting), -ESHUTDOWN.
 * Since: 0.1
 */
int ringline_runtime_unlisten(struct ringline_runtime *rt, const char *bound);

/*
 * Stops accepting on such an address, and begins again; connections wait in the kernel's backlog meanwhile. Any thread, while
 * the runtime runs.
 *
 * Returns as ringline_runtime_unlisten(); -ENOTCONN (not started).
 * Since: 0.1
 */
int ringline_runtime_listen_pause(struct ringline_runtime *rt, const char *bound);
int ringline_runtime_listen_resume(struct ringline_runtime *rt, const char *bound);

/*
 * Has every worker run fn(arg) as a task when it starts. If one of them returns an error, the runtime shuts down and
 * ringline_runtime_join() returns that error. Before the start only.
 *
 * Returns 0; -EINVAL, -ENOMEM, -EBUSY (started already).
 * Since: 0.1
 */
int ringline_runtime_on_start(struct ringline_runtime *rt, int (*fn)(void *arg), void *arg) RINGLINE_MUST_CHECK;

/*
 * Has ringline_runtime_reload() run fn(arg), after those that were given before. Before the start only.
 *
 * Returns 0; -EINVAL, -ENOMEM, -EBUSY (started already).
 * Since: 0.1
 */
int ringline_runtime_on_reload(struct ringline_runtime *rt, int (*fn)(void *arg), void *arg) RINGLINE_MUST_CHECK;

/*
 * Has the functions of ringline_runtime_on_reload() run, one after the other, in a task of the first worker, and returns at
 * once. While they run, any number of calls make them run once more. What they return is logged if it is an error. Any thread.
 *
 * Returns 0; -ENOENT (there are none), -ESHUTDOWN (not running), -EAGAIN (the worker's inbox is full), -ENOMEM, -EINVAL, -ECHILD.
 * Since: 0.1
 */
int ringline_runtime_reload(struct ringline_runtime *rt);

/*
 * Starts the workers and returns when all of them accept. On failure everything is undone, and it may be tried again.
 * Touches no signals of the calling thread.
 *
 * Returns 0; -EBUSY (started already), -EPERM, -ENOSYS, -EACCES (io_uring was demanded and cannot be had), -ENOMEM,
 * -EMFILE, -ENFILE, -EAGAIN (no more threads).
 * Since: 0.1
 */
int ringline_runtime_start(struct ringline_runtime *rt) RINGLINE_MUST_CHECK;

/*
 * Waits until the runtime has shut down. Not from a task.
 *
 * Returns 0; an error of an on_start task or of a backend; -EINVAL, -EPERM (from a worker), -ENOTCONN (not started).
 * Since: 0.1
 */
int ringline_runtime_join(struct ringline_runtime *rt);

/*
 * Starts, waits for SIGTERM, SIGINT (the second one ends the draining at once) or ringline_runtime_shutdown(), drains and
 * returns. SIGHUP, if there is anything to reload, is a ringline_runtime_reload(). The signals are taken through a signalfd: they
 * are blocked in the calling thread meanwhile, and its mask is restored; other threads of the host must have them blocked too.
 * Subscriptions to them (signal.h) hear of them as well. With RINGLINE_CONFIG_NO_SIGNALS signals are left alone.
 *
 * Returns as ringline_runtime_start() and ringline_runtime_join().
 * Since: 0.1
 */
int ringline_runtime_run(struct ringline_runtime *rt) RINGLINE_MUST_CHECK;

/*
 * Asks the runtime to shut down and returns at once. What a server of files (NFS, FUSE) does not answer is waited for, whatever
 * the drain timeout says. Any thread, and signal handlers. Has no effect if it was called
 * before; before the start it makes the start end at once.
 *
 * Returns 0; -EINVAL (NULL).
 * Since: 0.1
 */
int ringline_runtime_shutdown(struct ringline_runtime *rt);

/*
 * Frees a runtime that was not started or has been joined. NULL is allowed.
 *
 * Returns 0; -EBUSY, and nothing was freed: it is running, or an abandoned job (blocking.h) has not ended, or a worker's
 * backend broke and the kernel may still use its memory.
 * Since: 0.1
 */
int ringline_runtime_free(struct ringline_runtime *rt);

/*
 * Runs main_task(arg) as a task of one worker on the calling thread, until it returns; what it left running is then shut
 * down. config may be NULL; workers, pinning and signals in it do not apply. Not from a worker.
 *
 * Returns what main_task returned; before that, the errors of ringline_runtime_new() and ringline_runtime_start().
 * Since: 0.1
 */
int ringline_run(const struct ringline_config *config, int (*main_task)(void *arg), void *arg);

/*
 * Starts fn(arg) as a task on a worker, without a parent: it is cancelled only by the shutdown. Any thread. If the
 * runtime shuts down before the task has started, it does not run.
 *
 * Returns 0; -EINVAL (no such worker, NULL), -EAGAIN (the worker's inbox is full), -ESHUTDOWN (not running), -ENOMEM.
 * Since: 0.1
 */
int ringline_worker_spawn(struct ringline_runtime *rt, uint32_t worker, int (*fn)(void *arg),
                          void *arg) RINGLINE_MUST_CHECK;

/*
 * Has a worker run fn(arg), outside any task: it must not call anything that suspends. Any thread. What has been posted runs
 * once: if the worker ends first, by its thread, which is no worker any more then.
 *
 * Returns 0; -EINVAL (no such worker, NULL), -EAGAIN (the worker's inbox is full), -ESHUTDOWN (not running), -ENOMEM, -ECHILD.
 * Since: 0.1
 */
int ringline_worker_post(struct ringline_runtime *rt, uint32_t worker, void (*fn)(void *arg), void *arg) RINGLINE_MUST_CHECK;

/*
 * Has another worker run fn(arg) as a task and waits until that, and what it has started, has ended. arg may lie on the
 * caller's stack. A cancel or a deadline cancels the task, whose end is waited for. On the calling worker itself it is a call.
 *
 * Returns what fn returned; -ETIME, -ECANCELED (cut short: its result is lost), -EAGAIN (the worker's inbox is full or its
 * limit of tasks reached), -ESHUTDOWN, -ENOMEM, -EINVAL, -EPERM, -EDEADLK, -ECHILD.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_worker_call(struct ringline_runtime *rt, uint32_t worker, int (*fn)(void *arg), void *arg);

/*
 * Embedding: one worker in a loop of the host's.
 *
 *     ringline_runtime_embed(rt);                  instead of ringline_runtime_start()
 *     poll ringline_runtime_fd(rt) for reading, at most until ringline_runtime_next_deadline(rt)
 *     while (ringline_runtime_dispatch(rt) > 0)    each time it is readable, or the deadline has come
 *
 * Opens the worker on the calling thread: every dispatch must come from there. The configuration must have asked for
 * one worker. Touches no signals.
 *
 * Returns 0; -EINVAL (not one worker), -EBUSY (started already), -EPERM (on a worker), the errors of ringline_runtime_start().
 * Since: 0.1
 */
int ringline_runtime_embed(struct ringline_runtime *rt) RINGLINE_MUST_CHECK;

/*
 * A descriptor that is readable when the embedded worker has something to do. It stays the library's.
 *
 * Returns it; -ENOTCONN (not embedded, or ended), -EPERM (another thread, or a task), -EINVAL, -ECHILD.
 * Since: 0.1
 */
int ringline_runtime_fd(const struct ringline_runtime *rt);

/*
 * When the embedded worker is to be dispatched though its descriptor is not readable: an absolute CLOCK_MONOTONIC time in
 * nanoseconds, 0 for at once, RINGLINE_NEVER if nothing is to come, or if it is not embedded.
 * Since: 0.1
 */
uint64_t ringline_runtime_next_deadline(const struct ringline_runtime *rt);

/*
 * Runs what the embedded worker has to do, for a while, without sleeping. After ringline_runtime_shutdown() it goes on until
 * everything has ended; then the runtime can be freed, and ringline_runtime_join() returns at once.
 *
 * Returns 1 (it goes on), 0 (it has ended); -ENOTCONN (not embedded, or ended before), -EPERM (another thread, or a task),
 * -EINVAL, -ECHILD, or the error of a backend that broke.
 * Since: 0.1
 */
int ringline_runtime_dispatch(struct ringline_runtime *rt);

/*
 * One handle more on the runtime, and its return; for threads that post to it and do not know when it ends. The runtime is
 * its host's to free: after that, calls through other handles return -ESHUTDOWN, and the last one takes the memory along.
 * NULL is allowed. Any thread.
 * Since: 0.1
 */
struct ringline_runtime *ringline_runtime_ref(struct ringline_runtime *rt);
void ringline_runtime_unref(struct ringline_runtime *rt);

/* The number of workers. Any thread. 0 for NULL. Since: 0.1 */
uint32_t ringline_runtime_workers(const struct ringline_runtime *rt);

/* The index of the calling thread's worker; -EPERM on other threads. Since: 0.1 */
int ringline_worker_index(void);

/*
 * The runtime of the calling worker, also within ringline_run(); NULL on other threads.
 * Since: 0.1
 */
struct ringline_runtime *ringline_runtime_current(void);

/*
 * The name of the backend in use, "io_uring" or "epoll"; NULL before the start. Any thread.
 * Since: 0.1
 */
const char *ringline_runtime_backend(const struct ringline_runtime *rt);

/*
 * Why that backend was chosen, one line, empty if there was nothing to decide; valid as long as the runtime. Any thread.
 * Since: 0.1
 */
const char *ringline_runtime_backend_reason(const struct ringline_runtime *rt);

RINGLINE_END_DECLS

#endif
