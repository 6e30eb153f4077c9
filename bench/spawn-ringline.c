/* SPDX-License-Identifier: MIT */
/* DEPTH tasks, each of which runs one program after the other. RINGLINE_BACKEND says on which engine. */
#include <ringline/ringline.h>

#include "programs.h"
#include "tasks.h"

static struct spawns spawns;

static int run_one(void)
{
	struct ringline_process_status s = RINGLINE_PROCESS_STATUS_INIT;
	struct ringline_process *p;
	int r = ringline_process_spawn(&p, spawn_argv, NULL);

	if (r < 0)
		return r;
	r = ringline_process_wait(p, &s);
	ringline_process_close(p);
	spawns.ended += r == 0 && s.how == RINGLINE_PROCESS_EXITED && s.code == 0;
	return r;
}

static int one_after_the_other(void *arg)
{
	int r = 0;

	(void)arg;
	while (r == 0 && spawn_next(&spawns))
		r = run_one();
	return r;
}

static int run(void *arg)
{
	int r = tasks_run(spawns.depth, one_after_the_other);

	(void)arg;
	return r < 0 ? r : spawn_report(&spawns, ringline_runtime_backend(ringline_runtime_current()));
}

int main(int argc, char **argv)
{
	spawn_read(&spawns, argc, argv);
	return ringline_run(NULL, run, NULL) != 0;
}
