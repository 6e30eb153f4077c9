/* SPDX-License-Identifier: MIT */
/*
 * What the example daemons share: one set of options, one way to start, one way to end.
 *
 *     -l, --listen ADDRESS   repeatable; port 0 picks one; tcp:127.0.0.1:7878 if not given
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

#include <ringline/ringline.h>

/* Runs a daemon whose connections are served by serve(conn, arg); returns what main() returns. */
int example_main(int argc, char **argv, const char *purpose, void (*serve)(struct ringline_conn *conn, void *arg), void *arg);

#endif
