/* SPDX-License-Identifier: MIT */
/*
 * An echo server as a competent user of libuv writes it: one read buffer for all, because what was read is written before
 * the callback returns (uv_try_write), and a request with a copy for what the peer does not take. While that is under way
 * nothing is read from the peer.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "contender.h"

/* The handle comes first: it is what libuv gives back. A connection has one write at most. */
struct connection {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	};
	uv_write_t write;
};

static struct contender self;

static void check(const char *what, int r)
{
	if (r < 0)
		contender_die(what, -r);
}

static void init_connection(uv_loop_t *loop, struct connection *c)
{
	check("handle", self.local ? uv_pipe_init(loop, &c->pipe, 0) : uv_tcp_init(loop, &c->tcp));
}

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

static void destroy(struct connection *c)
{
	if (!uv_is_closing(&c->handle))
		uv_close(&c->handle, on_closed);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	static char buffer[CONTENDER_READ_SIZE];

	(void)handle;
	(void)suggested;
	*buf = uv_buf_init(buffer, sizeof(buffer));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void on_written(uv_write_t *write, int status)
{
	struct connection *c = (struct connection *)write->handle;

	free(write->data);
	if (status < 0)
		destroy(c);
	else
		uv_read_start(&c->stream, on_alloc, on_read);
}

static void write_rest(struct connection *c, const char *bytes, size_t n)
{
	uv_buf_t rest = uv_buf_init(contender_alloc(NULL, n, 1), (unsigned int)n);

	memcpy(rest.base, bytes, n);
	c->write.data = rest.base;
	uv_read_stop(&c->stream);
	if (uv_write(&c->write, &c->stream, &rest, 1, on_written) < 0) {
		free(rest.base);
		destroy(c);
	}
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct connection *c = (struct connection *)stream;
	uv_buf_t out;
	int written;

	if (n == 0)
		return;
	if (n < 0) {
		destroy(c);
		return;
	}
	out = uv_buf_init(buf->base, (unsigned int)n);
	written = uv_try_write(stream, &out, 1);
	if (written == UV_EAGAIN)
		written = 0;
	if (written < 0)
		destroy(c);
	else if (written < n)
		write_rest(c, buf->base + written, (size_t)(n - written));
}

static void on_connect(uv_stream_t *listener, int status)
{
	struct connection *c;

	if (status < 0)
		return;
	c = contender_alloc(NULL, 1, sizeof(*c));
	init_connection(listener->loop, c);
	if (uv_accept(listener, &c->stream) < 0 || uv_read_start(&c->stream, on_alloc, on_read) < 0)
		destroy(c);
}

/* The loop ends when it has no handle left. The signals' handles are not on the heap. */
static void close_any(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, handle->type == UV_SIGNAL ? NULL : on_closed);
}

static void on_signal(uv_signal_t *handle, int number)
{
	(void)number;
	uv_walk(handle->loop, close_any, NULL);
}

static void listen_on(uv_loop_t *loop)
{
	struct connection *c = contender_alloc(NULL, 1, sizeof(*c));

	init_connection(loop, c);
	check("open", self.local ? uv_pipe_open(&c->pipe, self.fd) : uv_tcp_open(&c->tcp, self.fd));
	check("listen", uv_listen(&c->stream, CONTENDER_BACKLOG, on_connect));
	self.fd = -1;             /* the handle's now */
}

int main(int argc, char **argv)
{
	static const int numbers[] = { SIGTERM, SIGINT };
	uv_loop_t *loop = uv_default_loop();
	uv_signal_t signals[2];
	int i;

	contender_start(&self, argc, argv, SOCK_NONBLOCK);
	listen_on(loop);
	for (i = 0; i < 2; i++) {
		check("signal", uv_signal_init(loop, &signals[i]));
		check("signal", uv_signal_start(&signals[i], on_signal, numbers[i]));
	}
	contender_announce(&self);
	uv_run(loop, UV_RUN_DEFAULT);
	uv_loop_close(loop);
	contender_end(&self);
	return 0;
}
