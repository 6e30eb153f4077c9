/* SPDX-License-Identifier: MIT */
/*
 * Loads a plugin that uses the library, runs it and unloads it, over and over. This program is not linked with the library;
 * once loaded that stays (-z nodelete), the plugin does not. What must not stay: threads, descriptors, bytes on the heap. For
 * the heap to be counted exactly the C library must not cache freed memory (GLIBC_TUNABLES, glibc.malloc.tcache_count=0).
 *
 *     plugin-host PLUGIN COUNT
 */
#include <dirent.h>
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The C run time keeps some memory of its first uses, and the library stays. */
#define WARM 5

struct left {
	int threads;
	int fds;
	size_t heap;
};

static int entries(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static struct left look(void)
{
	struct left l = { .threads = entries("/proc/self/task"), .fds = entries("/proc/self/fd") };

	l.heap = mallinfo2().uordblks;
	return l;
}

static int use(const char *plugin)
{
	void *handle = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
	int (*run)(void);
	int r;

	if (!handle) {
		printf("%s\n", dlerror());
		return -1;
	}
	run = (int (*)(void))dlsym(handle, "plugin_run");
	r = run ? run() : -1;
	if (dlclose(handle))
		return -1;
	return r;
}

int main(int argc, char **argv)
{
	struct left before = { 0 };
	struct left after;
	int count = argc == 3 ? atoi(argv[2]) : 0;
	int i;

	for (i = 0; i < count + WARM; i++) {
		int r = use(argv[1]);

		if (r < 0) {
			printf("round %d: %s\n", i, strerror(-r));
			return 1;
		}
		if (i == WARM - 1)
			before = look();
	}
	after = look();
	printf("rounds=%d threads=%d fds=%d heap=%zd loaded=%d\n", count, after.threads - before.threads, after.fds - before.fds,
	       (ssize_t)(after.heap - before.heap), dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD) != NULL);
	return count <= 0;
}
