/* SPDX-License-Identifier: MIT */
/*
 * The fixture of the conformance programs: the public API on the engine that RINGLINE_TEST_ENGINE names.
 *
 *     epoll, io_uring   with the library's defaults
 *     ENGINE-FEATURE    the same without one of the optional features (RINGLINE_DISABLE)
 *     tiny              io_uring with 4 submission entries, 8 completion entries and two receive buffers
 *
 * Which engine really ran is taken from the counters, never from that variable. Every case ends with an audit: tasks,
 * operations, connections and receive buffers of each runtime it used are back at zero or at home, the process has as many
 * descriptors as before, and no line of level error or worse was logged that the case did not allow.
 */
#ifndef RLN_TESTS_CONFORMANCE_H
#define RLN_TESTS_CONFORMANCE_H

#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ringline/ringline.h>

#define MSEC RINGLINE_NSEC_PER_MSEC
#define SEC  RINGLINE_NSEC_PER_SEC

enum conf_kind {
	CONF_TCP,
	CONF_UNIX,
};

/* --- the program -------------------------------------------------------------------------------------------------- */

/* main() of a program whose cases are /TOPIC/...; add() registers them. */
int conf_main(int argc, char **argv, const char *topic, void (*add)(void));

void conf_add(const char *path, void (*fn)(void));

/* A case with an argument, which stays the caller's. */
void conf_add_with(const char *path, void (*fn)(const void *arg), const void *arg);

/* The case twice, as /TOPIC/tcp/NAME and /TOPIC/unix/NAME. */
void conf_add_kinds(const char *topic, const char *name, void (*fn)(enum conf_kind kind));

bool conf_is(const char *engine);

/* How many descriptors the process has open; the one that is open to count them is one of them. */
unsigned int conf_count_fds(void);

/* True with RINGLINE_TEST_FULL=1. */
bool conf_full(void);

/* --- running ------------------------------------------------------------------------------------------------------ */

/* A configuration for the engine under test that collects log lines. */
void conf_config(struct ringline_config *c);

/* ringline_run() with it (config NULL: the plain one), with an audit inside. */
int conf_run(int (*fn)(void *arg), void *arg);
int conf_run_with(const struct ringline_config *config, int (*fn)(void *arg), void *arg);

/* A started runtime of that many workers with a listener (address NULL: none). */
struct ringline_runtime *conf_serve(const struct ringline_config *config, uint32_t workers, const char *address,
                                    char *bound, void (*serve)(struct ringline_conn *conn, void *arg), void *arg);

/* Shuts down, joins, audits and frees it. Returns what the join returned. */
int conf_stop(struct ringline_runtime *rt);

/* Only audits and frees one that has been joined. */
void conf_finish(struct ringline_runtime *rt);

/* Has a worker run fn(arg) as a task; its result. From a thread of the test. */
int conf_call(struct ringline_runtime *rt, uint32_t worker, int (*fn)(void *arg), void *arg);

/* A counter of the calling worker, or summed over a runtime's workers. */
struct ringline_worker_stats conf_stats(const struct ringline_runtime *rt);

/* Runs fn(arg) in a child process; it must end without a failure, or by conf_fork_skip(). */
void conf_fork(void (*fn)(const void *arg), const void *arg);

/* Ends that process: there is not here what the case needs, which is skipped. errno says why. */
void conf_fork_skip(const char *what) G_GNUC_NORETURN;

/* --- waiting ------------------------------------------------------------------------------------------------------ */

/* A moment for the others: in a task and on a thread. */
void conf_pause(void);

/* Waits until the condition holds. That it never does is for the time limit of the whole program to find. */
#define CONF_UNTIL(condition) do { while (!(condition)) conf_pause(); } while (0)

/* --- peers -------------------------------------------------------------------------------------------------------- */

/* A socket that listens, not the library's; address: room for RINGLINE_ADDRESS_SIZE. */
int conf_listen_raw(enum conf_kind kind, int backlog, char *address);

/* A connection of the library, made by the calling task, and the socket at its other end, non-blocking. */
struct ringline_conn *conf_open(enum conf_kind kind, int *peer);

/* Such a pair for the time of a case: what the body leaves of it is closed. */
struct conf_line {
	enum conf_kind kind;
	struct ringline_conn *conn;       /* NULL: the body has closed it */
	int peer;                         /* negative: the same */
	void (*body)(struct conf_line *l);
};

/* A task with such a pair runs the body. */
void conf_run_line(enum conf_kind kind, void (*body)(struct conf_line *l));
void conf_run_line_with(const struct ringline_config *config, enum conf_kind kind, void (*body)(struct conf_line *l));

/* A connected socket of the test's own, to an address of the library's form; blocking. */
int conf_connect_raw(const char *address);
int conf_try_connect_raw(const char *address);

/* An address nobody else uses: "tcp:127.0.0.1:0" or an abstract name. */
const char *conf_address(enum conf_kind kind, char *room);

/* All bytes, in a task or on a thread. A failure ends the test. */
void conf_put(int fd, const void *data, size_t n);
void conf_take(int fd, void *data, size_t n);

/* The end of the stream, or that errno, after no more bytes. */
void conf_expect_end(int fd, int error);

/* What can be read without waiting. */
size_t conf_take_some(int fd, void *data, size_t n);

/* Bytes until the end of the stream; the number. */
size_t conf_take_all(int fd, void *data, size_t n);

/* A small receive buffer, so that a peer that does not read is noticed soon. */
void conf_shrink(int fd);

/* Closes with a reset. */
void conf_reset(int fd);

/* A handler that sends back what it receives. */
void conf_echo(struct ringline_conn *conn, void *arg);

/* --- bytes -------------------------------------------------------------------------------------------------------- */

/* The byte of stream *seed* at an offset; a buffer of them; the check. */
unsigned char conf_byte(uint32_t seed, uint64_t offset);
void conf_fill(void *data, size_t n, uint32_t seed, uint64_t offset);
void conf_check(const void *data, size_t n, uint32_t seed, uint64_t offset);

/* --- log lines ---------------------------------------------------------------------------------------------------- */

/* Lines of level error with this in them are expected in this case. */
void conf_log_allow(const char *part);
bool conf_log_seen(const char *part);

/* The log function itself, for configurations made by hand. */
void conf_log(int level, const char *message, void *arg);

#define CONF_OK(call) g_assert_cmpint((call), ==, 0)

#endif
