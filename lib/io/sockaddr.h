/* SPDX-License-Identifier: MIT */
/* Addresses of datagrams as the host has them. */
#ifndef RLN_IO_SOCKADDR_H
#define RLN_IO_SOCKADDR_H

#include "io/addr.h"
#include "ringline/dgram.h"

/* From "udp:..." and "unix:..."; as rln_addr_parse(). */
int rln_dgram_address(struct rln_addr *ret, const char *text) rln_must_check;

/* The host's address as one of ours. False: there is none, or it is too long. */
bool rln_sockaddr_get(struct rln_addr *ret, const struct ringline_sockaddr *from);
void rln_sockaddr_put(struct ringline_sockaddr *ret, const struct rln_addr *from);

#endif
