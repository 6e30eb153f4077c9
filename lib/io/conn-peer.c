/* SPDX-License-Identifier: MIT */
/* Who is at the other end, and how the line is: what the kernel tells of a socket. */
#include <errno.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/sized.h"
#include "io/conn-extra.h"
#include "ringline/conn.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77                   /* 6.5; not on the architectures that number socket options their own way */
#endif

int ringline_conn_peer_cred(const struct ringline_conn *conn, struct ringline_peer_cred *cred)
{
	struct ringline_peer_cred out = { .size = sizeof(out) };
	struct ucred u;
	socklen_t size = sizeof(u);
	int r = rln_conn_check(conn, __func__);

	if (r < 0)
		return r;
	if (!cred)
		return -EINVAL;
	if (conn->family != AF_UNIX)
		return -EOPNOTSUPP;
	if (getsockopt(conn->fd, SOL_SOCKET, SO_PEERCRED, &u, &size) < 0)
		return -errno;
	out.pid = u.pid;
	out.uid = u.uid;
	out.gid = u.gid;
	return rln_sized_out(cred, &out, sizeof(out));
}

int ringline_conn_peer_pidfd(const struct ringline_conn *conn)
{
	socklen_t size = sizeof(int);
	int fd = -1;
	int r = rln_conn_check(conn, __func__);

	if (r < 0)
		return r;
	if (conn->family != AF_UNIX)
		return -EOPNOTSUPP;
	if (getsockopt(conn->fd, SOL_SOCKET, SO_PEERPIDFD, &fd, &size) < 0)
		return errno == ENOPROTOOPT ? -EOPNOTSUPP : -errno;
	return fd;
}

/* The kernel's text ends with a zero byte or does not, by the security module. */
ssize_t ringline_conn_peer_label(const struct ringline_conn *conn, char *text, size_t size)
{
	char label[4096];
	socklen_t len = sizeof(label) - 1;
	int r = rln_conn_check(conn, __func__);

	if (r < 0)
		return r;
	if (!text && size)
		return -EINVAL;
	if (getsockopt(conn->fd, SOL_SOCKET, SO_PEERSEC, label, &len) < 0)
		return errno == ENOPROTOOPT ? -EOPNOTSUPP : -errno;
	label[len] = '\0';
	len = (socklen_t)strlen(label);
	if (size) {
		size_t n = rln_min((size_t)len, size - 1);

		memcpy(text, label, n);
		text[n] = '\0';
	}
	return (ssize_t)len;
}

int ringline_conn_tcp_info(const struct ringline_conn *conn, struct ringline_tcp_info *info)
{
	struct ringline_tcp_info out = { .size = sizeof(out) };
	struct tcp_info t;
	socklen_t size = sizeof(t);
	int r = rln_conn_check(conn, __func__);

	if (r < 0)
		return r;
	if (!info)
		return -EINVAL;
	memset(&t, 0, sizeof(t));
	if (getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &t, &size) < 0)
		return -errno;
	out.state = t.tcpi_state;
	out.retransmits = t.tcpi_total_retrans;
	out.send_mss = t.tcpi_snd_mss;
	out.send_window = t.tcpi_snd_cwnd;
	out.unacknowledged = t.tcpi_unacked;
	out.lost = t.tcpi_lost;
	out.rtt = (uint64_t)t.tcpi_rtt * RINGLINE_NSEC_PER_USEC;
	out.rtt_variance = (uint64_t)t.tcpi_rttvar * RINGLINE_NSEC_PER_USEC;
	out.delivery_rate = t.tcpi_delivery_rate;
	out.bytes_acknowledged = t.tcpi_bytes_acked;
	return rln_sized_out(info, &out, sizeof(out));
}

int ringline_conn_each(int (*fn)(struct ringline_conn *conn, void *arg), void *arg)
{
	struct rln_exec *x = rln_exec_get(__func__);
	struct ringline_conn *c;
	uint32_t i = 0;
	int r = 0;

	if (!fn)
		return -EINVAL;
	if (!x)
		return rln_not_here();
	while (r == 0 && (c = rln_conn_next(x->io, &i)))
		if (c->state == RLN_CONN_OPEN)
			r = fn(c, arg);
	return r;
}
