/* SPDX-License-Identifier: MIT */
/* DEPTH tasks, each of which hands one job after the other to the blocking pool. RINGLINE_BACKEND says on which engine. */
#include <ringline/ringline.h>

#include "jobs.h"
#include "tasks.h"

static struct jobs jobs;

static int hand_over(void *arg)
{
	int r = 0;

	(void)arg;
	while (r == 0 && jobs_next(&jobs))
		r = ringline_blocking(jobs_work, NULL, NULL);
	return r;
}

static int run(void *arg)
{
	int r = tasks_run(jobs.depth, hand_over);

	(void)arg;
	jobs_report(&jobs, ringline_runtime_backend(ringline_runtime_current()));
	return r;
}

int main(int argc, char **argv)
{
	jobs_read(&jobs, argc, argv);
	return ringline_run(NULL, run, NULL) < 0;
}
