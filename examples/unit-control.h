/* SPDX-License-Identifier: MIT */
/*
 * Control over a unix socket: a request is a line, and so is the end of its answer.
 *
 *     list                          a line per unit, then "ok"
 *     status NAME                   some lines, then "ok"
 *     start, stop, restart NAME     "ok" when it has been done and has come to something; or "error: ..."
 *     reload                        "ok" when the directory has been read again
 *     shutdown                      "ok", and the supervisor ends
 *
 * Who may ask is the kernel's to tell (SO_PEERCRED): root, the supervisor's own user, and those it was told to allow. Others may
 * not even look. A line has at most CONTROL_LINE_MAX bytes, the socket takes CONTROL_CLIENTS_MAX clients, and one that says nothing
 * for CONTROL_IDLE is let go.
 */
#ifndef EXAMPLES_UNIT_CONTROL_H
#define EXAMPLES_UNIT_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include <ringline/ringline.h>

#define CONTROL_LINE_MAX    256u
#define CONTROL_CLIENTS_MAX 16u
#define CONTROL_IDLE        (30 * RINGLINE_NSEC_PER_SEC)

/* false: there are too many. */
bool control_allow(uint32_t uid);

/* A client of the supervisor. */
void control_serve(struct ringline_conn *conn, void *arg);

/* A client of somebody else's supervisor: sends words as a request, prints the answer, and returns what main() returns. */
int control_ask(const char *socket, int argc, char **argv);

#endif
