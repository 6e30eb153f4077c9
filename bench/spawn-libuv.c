/* SPDX-License-Identifier: MIT */
/* DEPTH processes of libuv's uv_spawn, and another one for each that exits. */
#include <uv.h>

#include "programs.h"

static struct spawns spawns;

static void start(uv_process_t *p);

static void closed(uv_handle_t *h)
{
	if (spawn_next(&spawns))
		start((uv_process_t *)h);
}

static void exited(uv_process_t *p, int64_t code, int sig)
{
	spawns.ended += code == 0 && sig == 0;
	uv_close((uv_handle_t *)p, closed);
}

static void start(uv_process_t *p)
{
	uv_process_options_t o = { .exit_cb = exited, .file = spawn_argv[0], .args = (char **)spawn_argv };
	uv_stdio_container_t stdio[3];
	int i;

	for (i = 0; i < 3; i++)
		stdio[i] = (uv_stdio_container_t){ .flags = UV_INHERIT_FD, .data.fd = i };
	o.stdio = stdio;
	o.stdio_count = 3;
	if (uv_spawn(uv_default_loop(), p, &o) < 0)
		exit(1);
}

int main(int argc, char **argv)
{
	uv_process_t *p;
	unsigned long i;

	spawn_read(&spawns, argc, argv);
	p = calloc(spawns.depth, sizeof(*p));
	if (!p)
		return 1;
	for (i = 0; i < spawns.depth && spawn_next(&spawns); i++)
		start(&p[i]);
	uv_run(uv_default_loop(), UV_RUN_DEFAULT);
	free(p);
	return spawn_report(&spawns, "epoll");
}
