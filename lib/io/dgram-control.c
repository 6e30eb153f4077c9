/* SPDX-License-Identifier: MIT */
/*
 * Control messages of datagrams: what the kernel tells beside the bytes, and what it is asked for (ip(7), ipv6(7), udp(7),
 * unix(7)). What is received is taken apart without trust in its lengths.
 */
#include <errno.h>
#include <time.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/dgram-batch.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* The first control message, the next one; NULL: there is none that is whole. */
static const struct cmsghdr *whole(const struct msghdr *h, const struct cmsghdr *c)
{
	size_t room = c ? (size_t)((const unsigned char *)h->msg_control + h->msg_controllen - (const unsigned char *)c) : 0;

	return c && c->cmsg_len >= CMSG_LEN(0) && c->cmsg_len <= room ? c : NULL;
}

static const struct cmsghdr *first(struct msghdr *h)
{
	return whole(h, h->msg_controllen ? CMSG_FIRSTHDR(h) : NULL);
}

static const struct cmsghdr *next(struct msghdr *h, const struct cmsghdr *c)
{
	return whole(h, CMSG_NXTHDR(h, (struct cmsghdr *)(uintptr_t)c));
}

/* The bytes of a control message, to *to* if there are as many. */
static bool read_data(const struct cmsghdr *c, void *to, size_t n)
{
	if (c->cmsg_len < CMSG_LEN(n))
		return false;
	memcpy(to, CMSG_DATA(c), n);
	return true;
}

/* An int, or a byte: IPv4 tells the type of service as one. */
static bool read_number(const struct cmsghdr *c, int32_t *value)
{
	unsigned char byte;

	if (read_data(c, value, sizeof(*value)))
		return true;
	if (!read_data(c, &byte, 1))
		return false;
	*value = byte;
	return true;
}

uint32_t rln_dgram_segment(struct msghdr *h, uint32_t length)
{
	const struct cmsghdr *c;
	int32_t size;

	for (c = first(h); c; c = next(h, c))
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO && read_number(c, &size))
			return size > 0 && (uint32_t)size < length ? (uint32_t)size : 0;
	return 0;
}

static void read_ip(const struct cmsghdr *c, struct ringline_dgram_msg *m)
{
	struct in_pktinfo info;

	if (c->cmsg_type == IP_TOS && read_number(c, &m->tos))
		m->flags |= RINGLINE_MSG_TOS;
	else if (c->cmsg_type == IP_TTL && read_number(c, &m->ttl))
		m->flags |= RINGLINE_MSG_TTL;
	else if (c->cmsg_type == IP_PKTINFO && read_data(c, &info, sizeof(info))) {
		m->flags |= RINGLINE_MSG_LOCAL;
		m->interface = (uint32_t)info.ipi_ifindex;
		m->local.length = sizeof(m->local.address.in);
		m->local.address.in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = info.ipi_addr };
	}
}

static void read_ip6(const struct cmsghdr *c, struct ringline_dgram_msg *m)
{
	struct in6_pktinfo info;

	if (c->cmsg_type == IPV6_TCLASS && read_number(c, &m->tos))
		m->flags |= RINGLINE_MSG_TOS;
	else if (c->cmsg_type == IPV6_HOPLIMIT && read_number(c, &m->ttl))
		m->flags |= RINGLINE_MSG_TTL;
	else if (c->cmsg_type == IPV6_PKTINFO && read_data(c, &info, sizeof(info))) {
		m->flags |= RINGLINE_MSG_LOCAL;
		m->interface = info.ipi6_ifindex;
		m->local.length = sizeof(m->local.address.in6);
		m->local.address.in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = info.ipi6_addr };
		if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
			m->local.address.in6.sin6_scope_id = info.ipi6_ifindex;
	}
}

/* Returns how many there was no room for. */
static uint32_t read_fds(const struct cmsghdr *c, struct ringline_dgram_msg *m, uint32_t room)
{
	size_t n = c->cmsg_len > CMSG_LEN(0) ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
	uint32_t lost = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
		if (m->nfds < room) {
			m->fds[m->nfds++] = fd;
			continue;
		}
		close(fd);
		lost++;
	}
	if (lost)
		m->flags |= RINGLINE_MSG_FDS_LOST;
	return lost;
}

static uint32_t read_socket(const struct cmsghdr *c, struct ringline_dgram_msg *m, uint32_t room)
{
	struct timespec t;
	struct ucred cred;

	if (c->cmsg_type == SCM_RIGHTS)
		return read_fds(c, m, room);
	if (c->cmsg_type == SCM_TIMESTAMPNS && read_data(c, &t, sizeof(t))) {
		m->flags |= RINGLINE_MSG_TIMESTAMP;
		m->timestamp = (uint64_t)t.tv_sec * RINGLINE_NSEC_PER_SEC + (uint64_t)t.tv_nsec;
	} else if (c->cmsg_type == SCM_CREDENTIALS && read_data(c, &cred, sizeof(cred))) {
		m->flags |= RINGLINE_MSG_CREDENTIALS;
		m->pid = cred.pid;
		m->uid = cred.uid;
		m->gid = cred.gid;
	}
	return 0;
}

uint32_t rln_dgram_parse_control(struct msghdr *h, struct ringline_dgram_msg *m)
{
	uint32_t room = m->fds ? m->nfds : 0;
	uint32_t lost = 0;
	const struct cmsghdr *c;

	m->nfds = 0;
	for (c = first(h); c; c = next(h, c)) {
		if (c->cmsg_level == SOL_SOCKET)
			lost += read_socket(c, m, room);
		else if (c->cmsg_level == IPPROTO_IP)
			read_ip(c, m);
		else if (c->cmsg_level == IPPROTO_IPV6)
			read_ip6(c, m);
	}
	return lost;
}

int rln_dgram_parse_error(struct msghdr *h)
{
	struct sock_extended_err e;
	const struct cmsghdr *c;

	for (c = first(h); c; c = next(h, c)) {
		bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
		bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;

		if ((v4 || v6) && read_data(c, &e, sizeof(e)) && e.ee_errno && e.ee_errno < 4096)
			return -(int)e.ee_errno;
	}
	return -EPROTO;
}

/* Writing */

struct writer {
	unsigned char *at;
	size_t used;
};

static void add(struct writer *w, int level, int type, const void *data, size_t n)
{
	struct cmsghdr *c = (struct cmsghdr *)(void *)(w->at + w->used);

	memset(c, 0, CMSG_SPACE(n));
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(n);
	memcpy(CMSG_DATA(c), data, n);
	w->used += CMSG_SPACE(n);
}

static void add_source(struct writer *w, const struct ringline_dgram_msg *m, int family)
{
	struct in_pktinfo in = { .ipi_ifindex = (int)m->interface };
	struct in6_pktinfo in6 = { .ipi6_ifindex = m->interface };

	if (family == AF_INET6) {
		if (m->local.length && m->local.address.any.sa_family == AF_INET6)
			in6.ipi6_addr = m->local.address.in6.sin6_addr;
		add(w, IPPROTO_IPV6, IPV6_PKTINFO, &in6, sizeof(in6));
		return;
	}
	if (m->local.length && m->local.address.any.sa_family == AF_INET)
		in.ipi_spec_dst = m->local.address.in.sin_addr;
	add(w, IPPROTO_IP, IP_PKTINFO, &in, sizeof(in));
}

int rln_dgram_write_control(unsigned char *control, const struct ringline_dgram_msg *m, int family, bool with_fds)
{
	struct writer w = { .at = control };
	uint16_t segment = (uint16_t)m->segment;
	bool v6 = family == AF_INET6;

	if (m->segment > UINT16_MAX || (with_fds && m->nfds > 253) || (m->segment && family == AF_UNIX))
		return -EINVAL;
	if (m->segment)
		add(&w, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	if (family != AF_UNIX && (m->flags & RINGLINE_MSG_LOCAL || m->interface))
		add_source(&w, m, family);
	if (family != AF_UNIX && m->flags & RINGLINE_MSG_TOS)
		add(&w, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TCLASS : IP_TOS, &m->tos, sizeof(m->tos));
	if (family != AF_UNIX && m->flags & RINGLINE_MSG_TTL)
		add(&w, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_HOPLIMIT : IP_TTL, &m->ttl, sizeof(m->ttl));
	if (with_fds && m->nfds)
		add(&w, SOL_SOCKET, SCM_RIGHTS, m->fds, m->nfds * sizeof(int));
	return (int)w.used;
}
