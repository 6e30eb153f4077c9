/* SPDX-License-Identifier: MIT */
/* DEPTH requests of libuv's queue_work, each of which is queued again when it is done. */
#include <uv.h>

#include "jobs.h"

static struct jobs jobs;

static void work(uv_work_t *w)
{
	jobs_work(w);
}

static void done(uv_work_t *w, int status)
{
	if (status == 0 && jobs_next(&jobs))
		uv_queue_work(w->loop, w, work, done);
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	uv_work_t *w;
	unsigned long i;

	jobs_read(&jobs, argc, argv);
	w = calloc(jobs.depth, sizeof(*w));
	if (!w)
		return 1;
	for (i = 0; i < jobs.depth && jobs_next(&jobs); i++)
		if (uv_queue_work(loop, &w[i], work, done) < 0)
			return 1;
	uv_run(loop, UV_RUN_DEFAULT);
	jobs_report(&jobs, "epoll");
	free(w);
	return uv_loop_close(loop) < 0;
}
