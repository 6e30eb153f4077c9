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
	int r;

	if (ringline_runtime_new(&rt, NULL) < 0)
		return 1;
	r = ringline_runtime_listen(rt, NULL, "tcp:127.0.0.1:7878", echo, NULL, NULL);
	if (r == 0)
		r = ringline_runtime_run(rt);   /* until SIGTERM or SIGINT */
	ringline_runtime_free(rt);
	return r < 0;
}
