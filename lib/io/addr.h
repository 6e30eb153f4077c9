/* SPDX-License-Identifier: MIT */
/* Socket addresses and their text form. */
#ifndef RLN_IO_ADDR_H
#define RLN_IO_ADDR_H

#include <sys/socket.h>

#include "base/compiler.h"

struct rln_addr {
	struct sockaddr_storage sa;
	socklen_t len;
};

/*
 * "tcp:IPV4:PORT", "tcp:[IPV6]:PORT" (with %zone), "unix:/PATH", "unix:PATH", "unix:@ABSTRACT". 0, -EINVAL,
 * -ENAMETOOLONG (unix), -ENODEV (zone).
 */
int rln_addr_parse(struct rln_addr *ret, const char *text) rln_must_check;

/* The same with another word instead of "tcp:". */
int rln_addr_parse_as(struct rln_addr *ret, const char *text, const char *inet) rln_must_check;
size_t rln_addr_format_as(const struct rln_addr *a, const char *inet, char *text, size_t size);

/* Writes the text form, cut to size - 1 bytes; returns its whole length. An unnamed unix socket is "unix:". */
size_t rln_addr_format(const struct rln_addr *a, char *text, size_t size);

static inline int rln_addr_family(const struct rln_addr *a)
{
	return a->sa.ss_family;
}

/* The TCP port, 0 for others; and setting it. */
uint16_t rln_addr_port(const struct rln_addr *a);
void rln_addr_set_port(struct rln_addr *a, uint16_t port);

#endif
