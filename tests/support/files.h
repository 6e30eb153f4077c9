/* SPDX-License-Identifier: MIT */
/*
 * What the tests of files have in common: files made by the system's calls and by the library's, counters, and a way to
 * keep a class of the pool's threads busy.
 *
 * dir is a directory of a place (places.h); names are below it.
 */
#ifndef RLN_TESTS_FILES_H
#define RLN_TESTS_FILES_H

#include <fcntl.h>
#include <sys/stat.h>

#include "support/places.h"

/* --- by the system ------------------------------------------------------------------------------------------------ */

/* To be given to g_free(). */
char *file_path(const char *dir, const char *name);

/* A descriptor, close-on-exec; mode 0644. */
int file_fd(const char *dir, const char *name, int flags);

/* Makes a file of n bytes of that stream (conf_fill()); checks that it is exactly that. */
void file_put(const char *dir, const char *name, size_t n, uint32_t seed);
void file_check(const char *dir, const char *name, size_t n, uint32_t seed);

uint64_t file_length(const char *dir, const char *name);

/* Descriptors of this process; whether that one is open. */
unsigned int file_fds(void);
bool file_is_open(int fd);

/* Takes it out of the cache, where the file system has one. */
void file_drop_cache(const char *dir, const char *name);

/* --- by the library, in a task ------------------------------------------------------------------------------------ */

int file_try_open(struct ringline_file **file, const char *dir, const char *name, int flags);
struct ringline_file *file_open(const char *dir, const char *name, int flags);

/* Opens it for reading when only its first 4096 bytes are in the cache, where the file system has one. */
struct ringline_file *file_half_cached(const char *dir, const char *name);

/* Lets the others go first so many times. */
void file_turns(int n);

/* Runs fn(dir) as the task of a case of a place. */
void file_run(const char *dir, int (*fn)(void *dir));

/* The same with so many threads for class io (0: as always). */
void file_run_with_threads(const char *dir, uint32_t io_threads, int (*fn)(void *dir));

/* --- what carried it out ------------------------------------------------------------------------------------------ */

/* The count of the calling worker; of all engines but "inline", "io_uring", "pool" it is asserted to be 0. */
uint64_t file_count(const char *operation, const char *engine);

/* Is the ring, or the worker, allowed to carry file operations out in this run? */
bool file_ring(void);
bool file_inline(void);

bool file_kernel_is(int major, int minor);

/* --- busy threads ------------------------------------------------------------------------------------------------- */

/* A job that keeps one thread of a class until it is let go. */
struct file_hold {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool open;
	int inside;
	struct ringline_op *op;
};

void file_hold(struct file_hold *h, uint32_t job_class);
void file_let_go(struct file_hold *h);

struct ringline_blocking_stats file_jobs(uint32_t job_class);

/* --- cuts --------------------------------------------------------------------------------------------------------- */

/* A scope whose deadline is so far ahead; closing it. */
struct ringline_scope *file_scope(uint64_t ns);
void file_scope_end(struct ringline_scope *scope, int result);

/* A scope that has been cancelled. */
struct ringline_scope *file_cancelled(void);

#endif
