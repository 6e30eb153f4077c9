/* SPDX-License-Identifier: MIT */
/* An echo daemon: what comes in goes out again. The bytes are never copied: they are lent, sent and given back. */
#include "common.h"

static void echo(struct ringline_conn *conn, void *arg)
{
	const void *data;
	ssize_t n;

	(void)arg;
	while ((n = ringline_conn_peek(conn, &data)) > 0) {
		if (ringline_conn_send(conn, data, (size_t)n) < 0)
			break;
		ringline_conn_consume(conn, (size_t)n);
	}
}

int main(int argc, char **argv)
{
	return example_main(argc, argv, "Sends back what it receives.", echo, NULL);
}
