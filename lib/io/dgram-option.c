/* SPDX-License-Identifier: MIT */
/* Options, multicast groups and counters of datagram sockets. */
#include <errno.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <string.h>

#include "base/sized.h"
#include "io/dgram.h"
#include "io/sockaddr.h"

/* Where an option lives in each family; level -1: it is none of IPv6 or of unix sockets. */
struct option {
	int level4;
	int name4;
	int level6;
	int name6;
	int64_t least;
	int64_t most;
};

static const struct option options[] = {
	[RINGLINE_DGRAM_TTL] = { IPPROTO_IP, IP_TTL, IPPROTO_IPV6, IPV6_UNICAST_HOPS, -1, 255 },
	[RINGLINE_DGRAM_TOS] = { IPPROTO_IP, IP_TOS, IPPROTO_IPV6, IPV6_TCLASS, 0, 255 },
	[RINGLINE_DGRAM_MULTICAST_TTL] = { IPPROTO_IP, IP_MULTICAST_TTL, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, -1, 255 },
	[RINGLINE_DGRAM_MULTICAST_LOOP] = { IPPROTO_IP, IP_MULTICAST_LOOP, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0, 1 },
	[RINGLINE_DGRAM_MULTICAST_IF] = { IPPROTO_IP, IP_MULTICAST_IF, IPPROTO_IPV6, IPV6_MULTICAST_IF, 0, INT32_MAX },
	[RINGLINE_DGRAM_MTU_DISCOVER] = { IPPROTO_IP, IP_MTU_DISCOVER, IPPROTO_IPV6, IPV6_MTU_DISCOVER, 0, 5 },
	[RINGLINE_DGRAM_RECEIVE_BUFFER] = { SOL_SOCKET, SO_RCVBUF, SOL_SOCKET, SO_RCVBUF, 1, INT32_MAX },
	[RINGLINE_DGRAM_SEND_BUFFER] = { SOL_SOCKET, SO_SNDBUF, SOL_SOCKET, SO_SNDBUF, 1, INT32_MAX },
};

/* -EINVAL (unknown), -EOPNOTSUPP (not of this family), and *ret is one of the table all the same. */
static int find(const struct ringline_dgram *s, uint32_t option, const struct option **ret)
{
	*ret = &options[option < rln_array_size(options) ? option : 0];
	if (!(*ret)->name4)
		return -EINVAL;
	return s->family == AF_UNIX && (*ret)->level4 != SOL_SOCKET ? -EOPNOTSUPP : 0;
}

/* Of IPv4 the interface is set by a structure (ip(7)), and read as an address only: what was set is kept. */
static int set_interface4(struct ringline_dgram *s, uint32_t index)
{
	struct ip_mreqn m = { .imr_ifindex = (int)index };

	if (setsockopt(s->fd, IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof(m)) < 0)
		return -errno;
	s->multicast_if = index;
	return 0;
}

int ringline_dgram_set_option(struct ringline_dgram *sock, uint32_t option, int64_t value)
{
	const struct option *o;
	bool v6;
	int number = (int)value;
	int r = rln_dgram_check(sock, __func__);

	if (r < 0)
		return r;
	r = find(sock, option, &o);
	if (r < 0)
		return r;
	if (value < o->least || value > o->most)
		return -EINVAL;
	v6 = sock->family == AF_INET6;
	if (option == RINGLINE_DGRAM_MULTICAST_IF && !v6)
		return set_interface4(sock, (uint32_t)value);
	r = setsockopt(sock->fd, v6 ? o->level6 : o->level4, v6 ? o->name6 : o->name4, &number, sizeof(number));
	return r < 0 ? -errno : 0;
}

int ringline_dgram_get_option(struct ringline_dgram *sock, uint32_t option, int64_t *value)
{
	const struct option *o;
	bool v6;
	int number = 0;
	socklen_t n = sizeof(number);
	int r = rln_dgram_check(sock, __func__);

	if (r < 0)
		return r;
	r = find(sock, option, &o);
	if (r < 0 || !value)
		return r < 0 ? r : -EINVAL;
	v6 = sock->family == AF_INET6;
	if (option == RINGLINE_DGRAM_MULTICAST_IF && !v6)
		number = (int)sock->multicast_if;
	else if (getsockopt(sock->fd, v6 ? o->level6 : o->level4, v6 ? o->name6 : o->name4, &number, &n) < 0)
		return -errno;
	*value = number;
	return 0;
}

/* Groups */

/* RFC 3678, which has one form for both families. */
static int change_group(struct ringline_dgram *s, int any, int from, const struct ringline_sockaddr *group, uint32_t interface,
                        const struct ringline_sockaddr *source)
{
	struct group_source_req both = { .gsr_interface = interface };
	struct group_req one = { .gr_interface = interface };
	struct rln_addr g;
	struct rln_addr f;
	int r;

	if (!group || !rln_sockaddr_get(&g, group) || (source && !rln_sockaddr_get(&f, source)))
		return -EINVAL;
	if (s->family == AF_UNIX)
		return -EOPNOTSUPP;
	if (g.sa.ss_family != s->family || (source && f.sa.ss_family != s->family))
		return -EINVAL;
	one.gr_group = g.sa;
	both.gsr_group = g.sa;
	if (source)
		both.gsr_source = f.sa;
	r = setsockopt(s->fd, s->family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP, source ? from : any,
	               source ? (void *)&both : (void *)&one, source ? sizeof(both) : sizeof(one));
	return r < 0 ? -errno : 0;
}

int ringline_dgram_join(struct ringline_dgram *sock, const struct ringline_sockaddr *group, uint32_t interface,
                        const struct ringline_sockaddr *source)
{
	int r = rln_dgram_check(sock, __func__);

	return r < 0 ? r : change_group(sock, MCAST_JOIN_GROUP, MCAST_JOIN_SOURCE_GROUP, group, interface, source);
}

int ringline_dgram_leave(struct ringline_dgram *sock, const struct ringline_sockaddr *group, uint32_t interface,
                         const struct ringline_sockaddr *source)
{
	int r = rln_dgram_check(sock, __func__);

	return r < 0 ? r : change_group(sock, MCAST_LEAVE_GROUP, MCAST_LEAVE_SOURCE_GROUP, group, interface, source);
}

/* Counters */

static uint64_t kernel_drops(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t n = sizeof(info);

	return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &n) < 0 ? 0 : info[SK_MEMINFO_DROPS];
}

static void name(int fd, int (*get)(int, struct sockaddr *, socklen_t *), struct ringline_sockaddr *ret)
{
	struct rln_addr a = { .len = sizeof(a.sa) };

	if (get(fd, (struct sockaddr *)&a.sa, &a.len) == 0)
		rln_sockaddr_put(ret, &a);
}

int ringline_dgram_info(struct ringline_dgram *sock, struct ringline_dgram_info *info)
{
	struct ringline_dgram_info out = { .size = sizeof(out) };
	int r = rln_dgram_check(sock, __func__);

	if (r < 0)
		return r;
	if (!info)
		return -EINVAL;
	out.received = sock->received;
	out.sent = sock->sent;
	out.bytes_received = sock->bytes_received;
	out.bytes_sent = sock->bytes_sent;
	out.dropped = kernel_drops(sock->fd);
	out.truncated = sock->truncated;
	out.errors = sock->nerrors;
	out.queued = sock->batch ? rln_dgram_batch_left(sock->batch) : 0;
	out.fds_dropped = sock->fds_dropped;
	name(sock->fd, getsockname, &out.local);
	name(sock->fd, getpeername, &out.peer);
	return rln_sized_out(info, &out, sizeof(out));
}
