/* SPDX-License-Identifier: MIT */
/* Addresses of datagrams: text, and the host's structure. */
#include <errno.h>
#include <string.h>

#include "io/sockaddr.h"

int rln_dgram_address(struct rln_addr *ret, const char *text)
{
	return rln_addr_parse_as(ret, text, "udp:");
}

bool rln_sockaddr_get(struct rln_addr *ret, const struct ringline_sockaddr *from)
{
	if (!from->length || from->length > sizeof(from->address))
		return false;
	memset(&ret->sa, 0, sizeof(ret->sa));
	memcpy(&ret->sa, &from->address, from->length);
	ret->len = from->length;
	return true;
}

void rln_sockaddr_put(struct ringline_sockaddr *ret, const struct rln_addr *from)
{
	memset(ret, 0, sizeof(*ret));
	ret->length = rln_min((uint32_t)from->len, (uint32_t)sizeof(ret->address));
	memcpy(&ret->address, &from->sa, ret->length);
	/* of a unix socket without a name the kernel tells the family and nothing else */
	if (ret->length <= sizeof(sa_family_t))
		ret->length = 0;
}

int ringline_sockaddr_parse(struct ringline_sockaddr *ret, const char *text)
{
	struct rln_addr a;
	int r = ret ? rln_dgram_address(&a, text) : -EINVAL;

	if (r == 0)
		rln_sockaddr_put(ret, &a);
	return r;
}

ssize_t ringline_sockaddr_format(const struct ringline_sockaddr *address, char *text, size_t size)
{
	struct rln_addr a = { .sa.ss_family = AF_UNIX, .len = sizeof(sa_family_t) };

	if (!address || (!text && size))
		return -EINVAL;
	if (address->length && !rln_sockaddr_get(&a, address))
		return -EINVAL;
	return (ssize_t)rln_addr_format_as(&a, "udp", text, size);
}
