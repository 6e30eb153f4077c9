/* SPDX-License-Identifier: MIT */
/*
 * Loads a plugin that uses the library, runs it and unloads it, over and over. This program is not linked with the library;
 * once loaded that stays (-z nodelete), the plugin does not. What must not stay: threads, descriptors, blocks on the heap. They
 * are counted here, because what mallinfo(3) tells depends on how the heap is cut up.
 *
 *     plugin-host PLUGIN COUNT
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The C run time keeps some memory of its first uses, and the library stays. */
#define WARM 5

struct left {
	int threads;
	int fds;
	long blocks;
};

/* The heap, counted */

/* Or the libraries would not call them. */
#define EXPORTED __attribute__((visibility("default")))

static _Atomic long blocks;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *p);

static void *counted(void *p)
{
	if (p)
		blocks++;
	return p;
}

EXPORTED void *malloc(size_t size)
{
	return counted(__libc_malloc(size));
}

EXPORTED void *calloc(size_t n, size_t size)
{
	return counted(__libc_calloc(n, size));
}

EXPORTED void *realloc(void *p, size_t size)
{
	return p ? __libc_realloc(p, size) : malloc(size);
}

EXPORTED void *aligned_alloc(size_t alignment, size_t size)
{
	return counted(__libc_memalign(alignment, size));
}

EXPORTED int posix_memalign(void **ret, size_t alignment, size_t size)
{
	void *p = aligned_alloc(alignment, size);

	if (p)
		*ret = p;
	return p ? 0 : ENOMEM;
}

EXPORTED void free(void *p)
{
	if (p)
		blocks--;
	__libc_free(p);
}

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

	l.blocks = blocks;
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
	if (before.blocks <= 0)
		return 1;         /* nothing was counted */
	printf("rounds=%d threads=%d fds=%d blocks=%ld loaded=%d\n", count, after.threads - before.threads, after.fds - before.fds,
	       after.blocks - before.blocks, dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD) != NULL);
	return count <= 0;
}
