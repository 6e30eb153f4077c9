/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets that somebody else has opened: "fd:N", and "systemd:NAME" for those that a service manager passes
 * (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES). They are non-blocking and close-on-exec from then on.
 */
#ifndef RLN_IO_INHERIT_H
#define RLN_IO_INHERIT_H

#include "io/addr.h"

#define RLN_INHERIT_MAX   64
#define RLN_INHERIT_FIRST 3               /* SD_LISTEN_FDS_START */

/* Is it such an address? */
bool rln_inherit_is(const char *address);

/*
 * The descriptors the address names, at most RLN_INHERIT_MAX: their number, 1 or more. -EINVAL (not so written), -ENOENT (no
 * socket of that name was passed to this process), -EBADF, -ENOTSOCK, -EINVAL (not a listening stream socket).
 */
int rln_inherit(int *fds, const char *address) rln_must_check;

/* How many descriptors were passed to this process, -ENOENT if none were; is the one at an index called so? */
int rln_inherit_passed(void);
bool rln_inherit_is_named(int index, const char *name);

/* Is a variable ("NAME=...") one by which a service manager tells its daemon, and nobody else, something? */
bool rln_inherit_is_told(const char *assignment);

/* The address a socket is bound to. 0 or -errno. */
int rln_inherit_address(int fd, struct rln_addr *ret) rln_must_check;

#endif
