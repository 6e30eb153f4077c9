/* SPDX-License-Identifier: MIT */
/*
 * Options of single connections: what the kernel keeps for its socket, and what the library does for it.
 *
 * One table has the kernel's: where they live, and the unit in which the kernel counts. Times are nanoseconds to the host;
 * the kernel's are rounded up, so that a short one does not become none.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "io/conn-fds.h"
#include "ringline/conn.h"

struct kernel_option {
	int level;                        /* 0: IPPROTO_IP or IPPROTO_IPV6, as the socket is */
	int name;
	uint64_t unit;                    /* nanoseconds of one; 1: a plain number */
};

static const struct kernel_option kernel_options[] = {
	[RINGLINE_CONN_NODELAY] = { IPPROTO_TCP, TCP_NODELAY, 1 },
	[RINGLINE_CONN_KEEPALIVE] = { SOL_SOCKET, SO_KEEPALIVE, 1 },
	[RINGLINE_CONN_KEEPALIVE_IDLE] = { IPPROTO_TCP, TCP_KEEPIDLE, RLN_NSEC_PER_SEC },
	[RINGLINE_CONN_KEEPALIVE_INTERVAL] = { IPPROTO_TCP, TCP_KEEPINTVL, RLN_NSEC_PER_SEC },
	[RINGLINE_CONN_KEEPALIVE_COUNT] = { IPPROTO_TCP, TCP_KEEPCNT, 1 },
	[RINGLINE_CONN_SEND_BUFFER] = { SOL_SOCKET, SO_SNDBUF, 1 },
	[RINGLINE_CONN_RECEIVE_BUFFER] = { SOL_SOCKET, SO_RCVBUF, 1 },
	[RINGLINE_CONN_TOS] = { 0, IP_TOS, 1 },
	[RINGLINE_CONN_MARK] = { SOL_SOCKET, SO_MARK, 1 },
	[RINGLINE_CONN_USER_TIMEOUT] = { IPPROTO_TCP, TCP_USER_TIMEOUT, RLN_NSEC_PER_MSEC },
	[RINGLINE_CONN_UNSENT_LIMIT] = { IPPROTO_TCP, TCP_NOTSENT_LOWAT, 1 },
	[RINGLINE_CONN_RECEIVE_TOGETHER] = { SOL_SOCKET, SO_RCVLOWAT, 1 },
};

static const enum rln_conn_limit limits[] = {
	[RINGLINE_CONN_READ_TIMEOUT - RINGLINE_CONN_READ_TIMEOUT] = RLN_LIMIT_READ,
	[RINGLINE_CONN_WRITE_TIMEOUT - RINGLINE_CONN_READ_TIMEOUT] = RLN_LIMIT_WRITE,
	[RINGLINE_CONN_IDLE_TIMEOUT - RINGLINE_CONN_READ_TIMEOUT] = RLN_LIMIT_IDLE,
	[RINGLINE_CONN_CLOSE_TIMEOUT - RINGLINE_CONN_READ_TIMEOUT] = RLN_LIMIT_CLOSE,
};

static const struct kernel_option *kernel_option(uint32_t option)
{
	if (option >= sizeof(kernel_options) / sizeof(kernel_options[0]) || !kernel_options[option].unit)
		return NULL;
	return &kernel_options[option];
}

/* The kernel's */

static void locate(const struct ringline_conn *c, const struct kernel_option *o, int *level, int *name)
{
	*level = o->level;
	*name = o->name;
	if (o->level)
		return;
	*level = c->family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
	*name = c->family == AF_INET6 ? IPV6_TCLASS : IP_TOS;
}

static int set_in_kernel(const struct ringline_conn *c, const struct kernel_option *o, uint64_t value)
{
	uint64_t units = value / o->unit + (value % o->unit != 0);
	int number = (int)units;
	int level;
	int name;

	if (units > INT_MAX)
		return -EINVAL;
	locate(c, o, &level, &name);
	return setsockopt(c->fd, level, name, &number, sizeof(number)) < 0 ? -errno : 0;
}

static int get_from_kernel(const struct ringline_conn *c, const struct kernel_option *o, int64_t *value)
{
	socklen_t size = sizeof(int);
	int number = 0;
	int level;
	int name;

	locate(c, o, &level, &name);
	if (getsockopt(c->fd, level, name, &number, &size) < 0)
		return -errno;
	*value = (int64_t)number * (int64_t)o->unit;
	return 0;
}

static int set_reset_on_close(const struct ringline_conn *c, uint64_t value)
{
	struct linger l = { .l_onoff = value != 0 };

	return setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)) < 0 ? -errno : 0;
}

static int get_reset_on_close(const struct ringline_conn *c, int64_t *value)
{
	struct linger l = { 0 };
	socklen_t size = sizeof(l);

	if (getsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, &size) < 0)
		return -errno;
	*value = l.l_onoff;
	return 0;
}

/* The library's */

static int set_own(struct ringline_conn *c, uint32_t option, uint64_t value)
{
	struct rln_conn_extra *e = rln_conn_extra(c);

	if (!e)
		return -ENOMEM;
	switch (option) {
	case RINGLINE_CONN_INPUT_LIMIT:
		e->input_limit = (size_t)value;
		return 0;
	case RINGLINE_CONN_OUTPUT_LIMIT:
		e->output_limit = (size_t)value;
		return 0;
	case RINGLINE_CONN_RECEIVE_FDS:
		return value > UINT32_MAX ? -EINVAL : rln_conn_want_fds(c, (uint32_t)value);
	default:
		e->timeout[limits[option - RINGLINE_CONN_READ_TIMEOUT]] = value;
		return option == RINGLINE_CONN_IDLE_TIMEOUT ? rln_conn_idle_restart(c) : 0;
	}
}

static uint64_t get_own(const struct ringline_conn *c, uint32_t option)
{
	switch (option) {
	case RINGLINE_CONN_INPUT_LIMIT:
		return rln_conn_input_limit(c);
	case RINGLINE_CONN_OUTPUT_LIMIT:
		return rln_conn_output_limit(c);
	case RINGLINE_CONN_RECEIVE_FDS:
		return rln_conn_fds_wanted(c);
	case RINGLINE_CONN_CLOSE_TIMEOUT:
		return rln_conn_close_timeout(c);
	default:
		return c->extra ? c->extra->timeout[limits[option - RINGLINE_CONN_READ_TIMEOUT]] : 0;
	}
}

/* The calls */

static bool known(uint32_t option)
{
	return option == RINGLINE_CONN_RESET_ON_CLOSE || kernel_option(option) ||
	       (option >= RINGLINE_CONN_READ_TIMEOUT && option <= RINGLINE_CONN_RECEIVE_FDS);
}

int ringline_conn_set_option(struct ringline_conn *conn, uint32_t option, uint64_t value)
{
	int r = rln_conn_check(conn, __func__);

	if (r < 0)
		return r;
	if (!known(option) || value > INT64_MAX)
		return -EINVAL;
	if (option == RINGLINE_CONN_RESET_ON_CLOSE)
		return set_reset_on_close(conn, value);
	return kernel_option(option) ? set_in_kernel(conn, kernel_option(option), value) : set_own(conn, option, value);
}

int64_t ringline_conn_get_option(const struct ringline_conn *conn, uint32_t option)
{
	int64_t value = 0;
	int r = rln_conn_check(conn, __func__);

	if (r < 0)
		return r;
	if (!known(option))
		return -EINVAL;
	if (option == RINGLINE_CONN_RESET_ON_CLOSE)
		r = get_reset_on_close(conn, &value);
	else if (kernel_option(option))
		r = get_from_kernel(conn, kernel_option(option), &value);
	else
		value = (int64_t)rln_min(get_own(conn, option), (uint64_t)INT64_MAX);
	return r < 0 ? r : value;
}
