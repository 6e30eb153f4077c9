/* SPDX-License-Identifier: MIT */
/* DEPTH tasks, each of which looks the name up again and again, joining nobody else. RINGLINE_BACKEND says on which engine. */
#include <sys/socket.h>

#include <ringline/ringline.h>

#include "resolve.h"
#include "tasks.h"

static struct resolve resolve;

static int look_up(void *arg)
{
	struct ringline_resolve_options o = RINGLINE_RESOLVE_OPTIONS_INIT;
	struct ringline_lookup *found;
	int r = 0;

	(void)arg;
	o.flags = RINGLINE_LOOKUP_FRESH;
	o.type = SOCK_STREAM;
	while (r == 0 && resolve_next(&resolve)) {
		r = ringline_resolve(&found, RESOLVE_HOST, RESOLVE_SERVICE, &o);
		if (r == 0)
			ringline_lookup_free(found);
	}
	return r;
}

static int run(void *arg)
{
	int r = tasks_run(resolve.depth, look_up);

	(void)arg;
	resolve_report(&resolve, ringline_runtime_backend(ringline_runtime_current()));
	return r;
}

int main(int argc, char **argv)
{
	struct ringline_config c = RINGLINE_CONFIG_INIT;

	resolve_read(&resolve, argc, argv);
	c.blocking_dns_threads = RESOLVE_THREADS;
	return ringline_run(&c, run, NULL) < 0;
}
