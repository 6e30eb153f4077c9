/* SPDX-License-Identifier: MIT */
/* Working below a directory; at.h tells what there is. */
#include <fcntl.h>
#include <stdio.h>

#include "support/at.h"
#include "support/places.h"

/* --- the task ----------------------------------------------------------------------------------------------------- */

struct at {
	const char *path;
	void (*body)(struct ringline_file *dir);
};

static int at_main(void *arg)
{
	const struct at *a = arg;
	struct ringline_file *dir = at_open(NULL, a->path);

	a->body(dir);
	CONF_OK(ringline_file_close(dir));
	return 0;
}

void at_run_with(const struct ringline_config *config, const char *path, void (*body)(struct ringline_file *dir))
{
	struct at a = { .path = path, .body = body };

	CONF_OK(conf_run_with(config, at_main, &a));
}

void at_run(const char *path, void (*body)(struct ringline_file *dir))
{
	struct ringline_config c;

	conf_config(&c);
	at_run_with(&c, path, body);
}

void at_run_queued(const char *path, void (*body)(struct ringline_file *dir))
{
	struct ringline_config c;

	conf_config(&c);
	c.blocking_io_threads = 1;
	c.blocking_wait_threads = 1;
	at_run_with(&c, path, body);
}

uint32_t at_class(void)
{
	return place_is("fuse") ? RINGLINE_BLOCKING_WAIT : RINGLINE_BLOCKING_IO;
}

struct ringline_file *at_open(struct ringline_file *dir, const char *name)
{
	struct ringline_file *file;

	CONF_OK(ringline_file_open(&file, dir, name, O_PATH | O_DIRECTORY, 0, NULL));
	return file;
}

struct ringline_file *at_adopt(int fd)
{
	struct ringline_file *file;
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	g_assert_cmpint(copy, >=, 0);
	CONF_OK(ringline_file_from_fd(&file, copy));
	return file;
}

int at_fd(const struct ringline_file *dir)
{
	int fd = ringline_file_fd(dir);

	g_assert_cmpint(fd, >=, 0);
	return fd;
}

/* --- plain system calls ------------------------------------------------------------------------------------------- */

int at_descriptor(int dir, const char *name)
{
	int fd = openat(dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

	g_assert_cmpint(fd, >=, 0);
	return fd;
}

void at_put(int dir, const char *name, uint32_t seed, size_t n)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	char *data = g_malloc(n + 1);
	size_t done = 0;

	g_assert_cmpint(fd, >=, 0);
	conf_fill(data, n, seed, 0);
	while (done < n) {
		ssize_t k = write(fd, data + done, n - done);

		g_assert_cmpint(k, >, 0);
		done += (size_t)k;
	}
	g_free(data);
	CONF_OK(close(fd));
}

size_t at_read(int dir, const char *name, void *data, size_t n)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	size_t done = 0;
	ssize_t k = 1;

	g_assert_cmpint(fd, >=, 0);
	while (done < n && k > 0) {
		k = read(fd, (char *)data + done, n - done);
		g_assert_cmpint(k, >=, 0);
		done += (size_t)k;
	}
	CONF_OK(close(fd));
	return done;
}

bool at_holds(int dir, const char *name, uint32_t seed, size_t n)
{
	char *wanted = g_malloc(n + 1);
	char *data = g_malloc(n + 1);
	bool same;

	conf_fill(wanted, n, seed, 0);
	same = at_read(dir, name, data, n + 1) == n && memcmp(data, wanted, n) == 0;
	g_free(wanted);
	g_free(data);
	return same;
}

bool at_has(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

struct stat at_stat(int dir, const char *name)
{
	struct stat st;

	CONF_OK(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW));
	return st;
}

unsigned int at_count_like(int dir, const char *prefix)
{
	char *path = at_path(dir, ".");
	GDir *d = g_dir_open(path, 0, NULL);
	const char *name;
	unsigned int n = 0;

	g_assert_nonnull(d);
	while ((name = g_dir_read_name(d)))
		n += g_str_has_prefix(name, prefix);
	g_dir_close(d);
	g_free(path);
	return n;
}

unsigned int at_count(int dir)
{
	return at_count_like(dir, "");
}

char *at_path(int dir, const char *name)
{
	return g_strdup_printf("/proc/self/fd/%d/%s", dir, name);
}

/* --- what jobs queue behind --------------------------------------------------------------------------------------- */

/* A job: waits until the gate is opened. */
static int hold_thread(void *arg)
{
	struct at_gate *g = arg;

	g->inside = true;
	pthread_mutex_lock(&g->lock);
	while (!g->open)
		pthread_cond_wait(&g->changed, &g->lock);
	pthread_mutex_unlock(&g->lock);
	return 0;
}

void at_gate_close(struct at_gate *g, uint32_t job_class)
{
	struct ringline_blocking_options o = RINGLINE_BLOCKING_OPTIONS_INIT;

	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->changed, NULL);
	g->open = false;
	g->inside = false;
	o.job_class = job_class;
	CONF_OK(ringline_blocking_begin(&g->op, hold_thread, g, &o));
	CONF_UNTIL(g->inside);
}

void at_gate_open(struct at_gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->open = true;
	pthread_cond_signal(&g->changed);
	pthread_mutex_unlock(&g->lock);
	CONF_OK(ringline_op_await(g->op));
	pthread_cond_destroy(&g->changed);
	pthread_mutex_destroy(&g->lock);
}
