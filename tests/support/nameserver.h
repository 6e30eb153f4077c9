/* SPDX-License-Identifier: MIT */
/*
 * A network of the test's own, with a name server in it: for a child process (conf_fork()), whose C library then asks that
 * server and nobody else.
 *
 *     many, only4, only6, alias (of many)   in the domain example.test, which is searched
 *     hole...                               no answer, ever
 *     fail...                               SERVFAIL
 *     192.0.2.1                             is called many.example.test
 *     in-hosts, second-name, both           of the file of hosts
 *     what else                             NXDOMAIN
 */
#ifndef RLN_TESTS_NAMESERVER_H
#define RLN_TESTS_NAMESERVER_H

#include <stdbool.h>

/* Enters it and starts the server. False, and errno, if the machine does not allow it. */
bool nameserver_enter(void);

/* How many questions about a name that begins so have come. */
unsigned int nameserver_asked(const char *prefix);

#endif
