/* SPDX-License-Identifier: MIT */
#include <ringline/ringline.h>

/* One task per accepted connection; the connection is closed when it returns. */
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

int main(void)
{
	struct ringline_runtime *rt;

	if (ringline_runtime_new(&rt, NULL) < 0 ||
	    ringline_runtime_listen(rt, NULL, "tcp:127.0.0.1:7878", echo, NULL, NULL) < 0)
		return 1;
	return ringline_runtime_run(rt) < 0;   /* until SIGTERM or SIGINT */
}
