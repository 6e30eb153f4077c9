/* SPDX-License-Identifier: MIT */
/*
 * The echo daemon without stacks: a function that is called when something happens on a connection. For daemons that hold
 * very many idle connections; everybody else is better served by examples/echo.c, which says what it does.
 */
#include <errno.h>

#include "common.h"

static int echo(struct ringline_conn *conn, void *arg)
{
	const void *data;
	ssize_t n;

	(void)arg;
	while ((n = ringline_conn_peek_nowait(conn, &data)) > 0) {
		int r = ringline_conn_send_nowait(conn, data, (size_t)n);

		if (r < 0)
			return r == -EAGAIN ? -EINPROGRESS : r;   /* called again when there is room */
		ringline_conn_consume(conn, (size_t)n);
	}
	return n == -EAGAIN ? -EINPROGRESS : (int)n;              /* called again when there is more */
}

int main(int argc, char **argv)
{
	struct ringline_listen_options options = RINGLINE_LISTEN_OPTIONS_INIT;
	const struct example_daemon e = { .purpose = "Sends back what it receives.", .listen = &options };

	options.poll = echo;
	return example_daemon_main(argc, argv, &e);
}
