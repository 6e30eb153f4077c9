/* SPDX-License-Identifier: MIT */
/* What the tests of files have in common; files.h tells what there is. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include "support/files.h"

#define BLOCK ((size_t)64 * 1024)

/* --- by the system ------------------------------------------------------------------------------------------------ */

char *file_path(const char *dir, const char *name)
{
	return g_build_filename(dir, name, NULL);
}

int file_fd(const char *dir, const char *name, int flags)
{
	char *path = file_path(dir, name);
	int fd = open(path, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		g_error("%s: %s", path, g_strerror(errno));
	g_free(path);
	return fd;
}

void file_put(const char *dir, const char *name, size_t n, uint32_t seed)
{
	int fd = file_fd(dir, name, O_WRONLY | O_CREAT | O_TRUNC);
	char *block = g_malloc(BLOCK);
	size_t done;

	for (done = 0; done < n; done += BLOCK) {
		size_t part = MIN(BLOCK, n - done);

		conf_fill(block, part, seed, done);
		g_assert_cmpint(write(fd, block, part), ==, part);
	}
	g_free(block);
	CONF_OK(close(fd));
}

void file_check(const char *dir, const char *name, size_t n, uint32_t seed)
{
	int fd = file_fd(dir, name, O_RDONLY);
	char *block = g_malloc(BLOCK);
	size_t done = 0;
	ssize_t k;

	while ((k = read(fd, block, BLOCK)) > 0) {
		conf_check(block, (size_t)k, seed, done);
		done += (size_t)k;
	}
	g_assert_cmpint(k, ==, 0);
	g_assert_cmpuint(done, ==, n);
	g_free(block);
	CONF_OK(close(fd));
}

uint64_t file_length(const char *dir, const char *name)
{
	char *path = file_path(dir, name);
	struct stat st;

	CONF_OK(stat(path, &st));
	g_free(path);
	return (uint64_t)st.st_size;
}

/* The one that a worker opens to be told of mounts, and keeps. */
static bool tells_of_mounts(const char *fd)
{
	g_autofree char *link = g_build_filename("/proc/self/fd", fd, NULL);
	g_autofree char *target = g_file_read_link(link, NULL);

	return target && g_str_has_suffix(target, "/mountinfo");
}

unsigned int file_fds(void)
{
	GDir *dir = g_dir_open("/proc/self/fd", 0, NULL);
	const char *name;
	unsigned int n = 0;

	while ((name = g_dir_read_name(dir)))
		n += !tells_of_mounts(name);
	g_dir_close(dir);
	return n;
}

bool file_is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

void file_drop_cache(const char *dir, const char *name)
{
	int fd = file_fd(dir, name, O_RDONLY);

	CONF_OK(fsync(fd));
	CONF_OK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	CONF_OK(close(fd));
}

/* --- by the library ----------------------------------------------------------------------------------------------- */

int file_try_open(struct ringline_file **file, const char *dir, const char *name, int flags)
{
	char *path = file_path(dir, name);
	int r = ringline_file_open(file, NULL, path, flags, 0644, NULL);

	g_free(path);
	return r;
}

struct ringline_file *file_open(const char *dir, const char *name, int flags)
{
	struct ringline_file *file = NULL;

	CONF_OK(file_try_open(&file, dir, name, flags));
	return file;
}

struct ringline_file *file_half_cached(const char *dir, const char *name)
{
	struct ringline_file *file;
	char page[4096];

	file_drop_cache(dir, name);
	file = file_open(dir, name, O_RDONLY);
	CONF_OK(posix_fadvise(ringline_file_fd(file), 0, 0, POSIX_FADV_RANDOM));
	g_assert_cmpint(pread(ringline_file_fd(file), page, sizeof(page), 0), ==, sizeof(page));
	return file;
}

void file_turns(int n)
{
	while (n--)
		CONF_OK(ringline_yield());
}

void file_run_with_threads(const char *dir, uint32_t io_threads, int (*fn)(void *dir))
{
	struct ringline_config c;

	conf_config(&c);
	c.blocking_io_threads = io_threads;
	CONF_OK(conf_run_with(&c, fn, (void *)dir));
}

void file_run(const char *dir, int (*fn)(void *dir))
{
	file_run_with_threads(dir, 0, fn);
}

/* --- what carried it out ------------------------------------------------------------------------------------------ */

uint64_t file_count(const char *operation, const char *engine)
{
	uint64_t n;

	CONF_OK(ringline_worker_op_count(NULL, 0, operation, "epoll", &n));
	g_assert_cmpuint(n, ==, 0);
	CONF_OK(ringline_worker_op_count(NULL, 0, operation, engine, &n));
	return n;
}

static bool disabled(const char *feature)
{
	const char *value = getenv("RINGLINE_DISABLE");

	return value && !strcmp(value, feature);
}

bool file_ring(void)
{
	return !conf_is("epoll") && !disabled("files");
}

bool file_inline(void)
{
	return !disabled("inline");
}

bool file_kernel_is(int major, int minor)
{
	struct utsname u;
	int has_major = 0;
	int has_minor = 0;

	CONF_OK(uname(&u));
	sscanf(u.release, "%d.%d", &has_major, &has_minor);
	return has_major > major || (has_major == major && has_minor >= minor);
}

/* --- busy threads ------------------------------------------------------------------------------------------------- */

static int stay(void *arg)
{
	struct file_hold *h = arg;

	g_atomic_int_set(&h->inside, 1);
	pthread_mutex_lock(&h->lock);
	while (!h->open)
		pthread_cond_wait(&h->changed, &h->lock);
	pthread_mutex_unlock(&h->lock);
	return 0;
}

void file_hold(struct file_hold *h, uint32_t job_class)
{
	struct ringline_blocking_options o = RINGLINE_BLOCKING_OPTIONS_INIT;

	*h = (struct file_hold){ .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
	o.job_class = job_class;
	CONF_OK(ringline_blocking_begin(&h->op, stay, h, &o));
	CONF_UNTIL(g_atomic_int_get(&h->inside));
}

void file_let_go(struct file_hold *h)
{
	pthread_mutex_lock(&h->lock);
	h->open = true;
	pthread_cond_signal(&h->changed);
	pthread_mutex_unlock(&h->lock);
	g_assert_cmpint(ringline_op_await(h->op), ==, 0);
}

struct ringline_blocking_stats file_jobs(uint32_t job_class)
{
	struct ringline_blocking_stats s = RINGLINE_BLOCKING_STATS_INIT;

	CONF_OK(ringline_blocking_stats(NULL, job_class, &s));
	return s;
}

/* --- cuts --------------------------------------------------------------------------------------------------------- */

struct ringline_scope *file_scope(uint64_t ns)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;

	o.deadline = ringline_now() + ns;
	CONF_OK(ringline_scope_open(&scope, &o));
	return scope;
}

void file_scope_end(struct ringline_scope *scope, int result)
{
	g_assert_cmpint(ringline_scope_close(scope), ==, result);
}

struct ringline_scope *file_cancelled(void)
{
	struct ringline_scope *scope;

	CONF_OK(ringline_scope_open(&scope, NULL));
	CONF_OK(ringline_scope_cancel(scope));
	return scope;
}
