/* SPDX-License-Identifier: MIT */
/* DEPTH children of posix_spawn(3), and another one for each that waitpid(2) returns. */
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "programs.h"

static int start(void)
{
	pid_t pid;

	return posix_spawn(&pid, spawn_argv[0], NULL, NULL, (char *const *)spawn_argv, environ);
}

int main(int argc, char **argv)
{
	struct spawns s;
	unsigned long i;
	int status;

	spawn_read(&s, argc, argv);
	for (i = 0; i < s.depth && spawn_next(&s); i++)
		if (start())
			return 1;
	while (waitpid(-1, &status, 0) > 0) {
		s.ended += WIFEXITED(status) && WEXITSTATUS(status) == 0;
		if (spawn_next(&s) && start())
			return 1;
	}
	return spawn_report(&s, "none");
}
