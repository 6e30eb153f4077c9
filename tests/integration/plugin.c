/* SPDX-License-Identifier: MIT */
/* A plugin that uses a little of everything: connections, the pool of threads, channels between workers, timers. */
#include <errno.h>
#include <ringline/ringline.h>

__attribute__((visibility("default"))) int plugin_run(void);

struct session {
	struct ringline_runtime *rt;
	struct ringline_chan *chan;
	char address[RINGLINE_ADDRESS_SIZE];
};

static void echo(struct ringline_conn *conn, void *arg)
{
	char buf[100];
	ssize_t n;

	(void)arg;
	while ((n = ringline_conn_recv(conn, buf, sizeof(buf))) > 0)
		if (ringline_conn_send(conn, buf, (size_t)n) < 0)
			break;
}

static int sum(void *arg)
{
	(void)arg;
	return 3;
}

static int says(void *arg)
{
	struct session *s = arg;
	int value = 4;

	return ringline_chan_send(s->chan, &value);
}

static int asks(struct session *s)
{
	struct ringline_conn *conn;
	char buf[4];
	int r = ringline_connect(&conn, s->address, NULL);

	if (r < 0)
		return r;
	if (ringline_conn_send(conn, "abc", 3) != 3 || ringline_conn_recv_exact(conn, buf, 3) != 3)
		r = -EIO;
	ringline_conn_close(conn);
	return r;
}

static int visits(void *arg)
{
	struct session *s = arg;
	int value = 0;
	int r = asks(s);

	if (r == 0 && ringline_blocking(sum, NULL, NULL) != 3)
		r = -EIO;
	if (r == 0)
		r = ringline_sleep(RINGLINE_NSEC_PER_USEC);
	if (r == 0)
		r = ringline_worker_spawn(s->rt, 1, says, s);
	if (r == 0)
		r = ringline_chan_recv(s->chan, &value);
	if (r == 0 && value != 4)
		r = -EIO;
	ringline_runtime_shutdown(s->rt);
	return r;
}

static int serve(struct session *s)
{
	int r = ringline_runtime_listen(s->rt, s->address, "tcp:127.0.0.1:0", echo, NULL, NULL);
	int joined;

	if (r == 0)
		r = ringline_runtime_start(s->rt);
	if (r < 0)
		return r;
	r = ringline_worker_spawn(s->rt, 0, visits, s);
	if (r < 0)
		ringline_runtime_shutdown(s->rt);
	joined = ringline_runtime_join(s->rt);
	return r < 0 ? r : joined;
}

int plugin_run(void)
{
	struct ringline_config config = RINGLINE_CONFIG_INIT;
	struct ringline_chan_options options = RINGLINE_CHAN_OPTIONS_INIT;
	struct session s;
	int r;

	config.workers = 2;
	options.flags = RINGLINE_CHAN_SHARED;
	r = ringline_chan_new(&s.chan, sizeof(int), 1, &options);
	if (r < 0)
		return r;
	r = ringline_runtime_new(&s.rt, &config);
	if (r == 0) {
		r = serve(&s);
		ringline_runtime_free(s.rt);
	}
	ringline_chan_unref(s.chan);
	return r;
}
