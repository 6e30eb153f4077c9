/* SPDX-License-Identifier: MIT */
/* The UDP echo on libuv, which receives by recvmmsg(2) and answers at once where it can. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "contender.h"

#define ROOM (20 * 64 * 1024)                    /* libuv cuts it into pieces of 64 KiB */

struct answer {
	uv_udp_send_t request;
	char bytes[];
};

static struct contender self;
static uv_udp_t sock;
static uv_signal_t ends[2];

static void check(const char *what, int r)
{
	if (r < 0)
		contender_die(what, -r);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	static char room[ROOM];

	(void)handle;
	(void)suggested;
	*buf = uv_buf_init(room, ROOM);
}

static void on_sent(uv_udp_send_t *request, int status)
{
	(void)status;
	free(request);
}

static void send_later(const char *bytes, size_t n, const struct sockaddr *to)
{
	struct answer *a = contender_alloc(NULL, 1, sizeof(*a) + n);
	uv_buf_t buf = uv_buf_init(a->bytes, (unsigned int)n);

	memcpy(a->bytes, bytes, n);
	check("send", uv_udp_send(&a->request, &sock, &buf, 1, to, on_sent));
}

static void on_datagram(uv_udp_t *handle, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from, unsigned int flags)
{
	uv_buf_t out;

	(void)flags;
	if (!from || n < 0)
		return;
	out = uv_buf_init(buf->base, (unsigned int)n);
	if (uv_udp_try_send(handle, &out, 1, from) < 0)
		send_later(buf->base, (size_t)n, from);
}

static void on_signal(uv_signal_t *handle, int number)
{
	(void)number;
	uv_stop(handle->loop);
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();

	contender_start(&self, argc, argv, 0);
	check("init", uv_udp_init_ex(loop, &sock, AF_UNSPEC | UV_UDP_RECVMMSG));
	check("open", uv_udp_open(&sock, self.fd));
	check("receive", uv_udp_recv_start(&sock, on_room, on_datagram));
	uv_signal_init(loop, &ends[0]);
	uv_signal_init(loop, &ends[1]);
	uv_signal_start(&ends[0], on_signal, SIGTERM);
	uv_signal_start(&ends[1], on_signal, SIGINT);
	contender_announce(&self);
	uv_run(loop, UV_RUN_DEFAULT);
	return 0;
}
