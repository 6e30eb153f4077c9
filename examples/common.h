/* SPDX-License-Identifier: MIT */
/*
 * What the example daemons share: one set of options, one way to start, one way to end.
 *
 *     -l, --listen ADDRESS   repeatable; port 0 picks one; tcp:127.0.0.1:7878, or the daemon's own, if not given
 *     -b, --backend NAME     auto, io_uring or epoll
 *     -w, --workers NUMBER   0: one per core
 *         --stats            counters on standard error at the end
 *         --help
 *
 * When the daemon accepts, it prints "listening on ADDRESS" for each address, with the real port. SIGTERM and SIGINT drain
 * it, and it exits with 0. Options it does not know end it with 2, anything else that fails with 1.
 */
#ifndef EXAMPLES_COMMON_H
#define EXAMPLES_COMMON_H

#include <stdbool.h>

#include <ringline/ringline.h>

/* A daemon with more to it than one function. */
struct example_daemon {
	const char *purpose;
	const char *usage;                /* of its own options, or NULL */
	const char *address;              /* where it listens if nothing else is said; NULL: tcp:127.0.0.1:7878 */
	const char *options;              /* their letters, as getopt(3) takes them; NULL: none */
	bool (*option)(int letter, const char *value);   /* false: it was wrong, and has been told */
	bool (*check)(void);              /* all options have been given; false as above. NULL: nothing to check */
	void (*configure)(struct ringline_config *config);   /* what else it sets there; NULL: nothing */
	int (*prepare)(struct ringline_runtime *rt);     /* before the start, to listen on more; NULL: nothing */
	void (*serve)(struct ringline_conn *conn, void *arg);
	void *arg;
	const struct ringline_listen_options *listen;    /* as they are when all options have been given; NULL: defaults */
};

int example_daemon_main(int argc, char **argv, const struct example_daemon *e);

/* A number between least and most; false, with a message: it is none. */
bool example_number(const char *text, unsigned long least, unsigned long most, unsigned long *ret);

/* Runs a daemon whose connections are served by serve(conn, arg); returns what main() returns. */
int example_main(int argc, char **argv, const char *purpose, void (*serve)(struct ringline_conn *conn, void *arg), void *arg);

#endif
