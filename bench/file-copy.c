/* SPDX-License-Identifier: MIT */
/*
 * Copies a file, as cp(1) would.
 *
 *     file-copy FROM TO     TO must not exist. RINGLINE_BACKEND says on which engine
 *
 * Prints the engine.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ringline/ringline.h>

static void must(int64_t r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "file-copy: %s: %s\n", what, strerror((int)-r));
	exit(1);
}

static int copy(void *arg)
{
	struct ringline_stat st = RINGLINE_STAT_INIT;
	char **names = arg;
	struct ringline_file *from;
	struct ringline_file *to;
	int64_t n;

	must(ringline_file_open(&from, NULL, names[0], O_RDONLY, 0, NULL), names[0]);
	must(ringline_file_stat(from, 0, &st), names[0]);
	must(ringline_file_open(&to, NULL, names[1], O_WRONLY | O_CREAT | O_EXCL, st.mode & 07777, NULL), names[1]);
	n = ringline_file_copy_range(from, 0, to, 0, st.length);
	must(n, "copy");
	must(ringline_file_close(to), names[1]);
	must(ringline_file_close(from), names[0]);
	printf("engine=%s\nbytes=%" PRId64 "\n", ringline_runtime_backend(ringline_runtime_current()), n);
	return n == (int64_t)st.length ? 0 : -EIO;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	must(ringline_run(NULL, copy, argv + 1), "ringline");
	return 0;
}
