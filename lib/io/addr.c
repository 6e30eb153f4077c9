/* SPDX-License-Identifier: MIT */
/*
 * Parsing and formatting of addresses. Numbers only: names are resolved elsewhere, because that takes time.
 *
 * A unix address is as long as its path plus what precedes it in the structure; an abstract name begins with a zero byte
 * and is not terminated (unix(7)), a path is, so it may be one byte shorter than sun_path.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "io/addr.h"

#define UNIX_HEAD offsetof(struct sockaddr_un, sun_path)

static int parse_unix(struct rln_addr *ret, const char *path)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&ret->sa;
	size_t n = strlen(path);

	if (!n || (path[0] == '@' && n == 1))
		return -EINVAL;
	if (n > sizeof(un->sun_path) - (path[0] != '@'))
		return -ENAMETOOLONG;
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, n);
	if (path[0] == '@')
		un->sun_path[0] = '\0';
	else
		n++;
	ret->len = (socklen_t)(UNIX_HEAD + n);
	return 0;
}

/* Decimal digits only: strtoul() would take signs and blanks. */
static int parse_port(const char *text, uint16_t *port)
{
	uint32_t value = 0;
	size_t n;

	for (n = 0; text[n] >= '0' && text[n] <= '9' && n < 5; n++)
		value = value * 10 + (uint32_t)(text[n] - '0');
	if (!n || text[n] || value > UINT16_MAX)
		return -EINVAL;
	*port = (uint16_t)value;
	return 0;
}

static int parse_in6(struct rln_addr *ret, char *host)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret->sa;
	char *zone = strchr(host, '%');

	if (zone) {
		*zone++ = '\0';
		in6->sin6_scope_id = if_nametoindex(zone);
		if (!in6->sin6_scope_id)
			return -ENODEV;
	}
	in6->sin6_family = AF_INET6;
	ret->len = sizeof(*in6);
	return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1 ? 0 : -EINVAL;
}

static int parse_in(struct rln_addr *ret, const char *host)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&ret->sa;

	in->sin_family = AF_INET;
	ret->len = sizeof(*in);
	return inet_pton(AF_INET, host, &in->sin_addr) == 1 ? 0 : -EINVAL;
}

static int parse_inet(struct rln_addr *ret, const char *text)
{
	char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 3];
	const char *colon = strrchr(text, ':');
	uint16_t port = 0;
	size_t n;
	int r;

	if (!colon || (n = (size_t)(colon - text)) >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, n);
	host[n] = '\0';
	r = parse_port(colon + 1, &port);
	if (r < 0)
		return r;
	if (n >= 2 && host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = '\0';
		r = parse_in6(ret, host + 1);
	} else {
		r = parse_in(ret, host);
	}
	if (r == 0)
		rln_addr_set_port(ret, port);
	return r;
}

int rln_addr_parse_as(struct rln_addr *ret, const char *text, const char *inet)
{
	memset(ret, 0, sizeof(*ret));
	if (!text)
		return -EINVAL;
	if (!strncmp(text, inet, strlen(inet)))
		return parse_inet(ret, text + strlen(inet));
	if (!strncmp(text, "unix:", 5))
		return parse_unix(ret, text + 5);
	return -EINVAL;
}

int rln_addr_parse(struct rln_addr *ret, const char *text)
{
	return rln_addr_parse_as(ret, text, "tcp:");
}

static size_t format_unix(const struct rln_addr *a, char *text, size_t size)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&a->sa;
	int n = a->len > UNIX_HEAD ? (int)(a->len - UNIX_HEAD) : 0;

	if (n && !un->sun_path[0])
		return (size_t)snprintf(text, size, "unix:@%.*s", n - 1, un->sun_path + 1);
	return (size_t)snprintf(text, size, "unix:%.*s", n, un->sun_path);
}

static size_t format_in6(const struct sockaddr_in6 *in6, const char *inet, char *text, size_t size)
{
	char host[INET6_ADDRSTRLEN];
	char zone[IF_NAMESIZE + 1] = "";

	inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
	if (in6->sin6_scope_id && if_indextoname(in6->sin6_scope_id, zone + 1))
		zone[0] = '%';
	return (size_t)snprintf(text, size, "%s:[%s%s]:%u", inet, host, zone, ntohs(in6->sin6_port));
}

size_t rln_addr_format_as(const struct rln_addr *a, const char *inet, char *text, size_t size)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&a->sa;
	char host[INET_ADDRSTRLEN];

	switch (a->sa.ss_family) {
	case AF_UNIX:
		return format_unix(a, text, size);
	case AF_INET6:
		return format_in6((const struct sockaddr_in6 *)&a->sa, inet, text, size);
	case AF_INET:
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		return (size_t)snprintf(text, size, "%s:%s:%u", inet, host, ntohs(in->sin_port));
	default:
		return (size_t)snprintf(text, size, "unknown:%u", (unsigned int)a->sa.ss_family);
	}
}

size_t rln_addr_format(const struct rln_addr *a, char *text, size_t size)
{
	return rln_addr_format_as(a, "tcp", text, size);
}

uint16_t rln_addr_port(const struct rln_addr *a)
{
	if (a->sa.ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)&a->sa)->sin_port);
	if (a->sa.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)&a->sa)->sin6_port);
	return 0;
}

void rln_addr_set_port(struct rln_addr *a, uint16_t port)
{
	if (a->sa.ss_family == AF_INET)
		((struct sockaddr_in *)&a->sa)->sin_port = htons(port);
	else if (a->sa.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&a->sa)->sin6_port = htons(port);
}
