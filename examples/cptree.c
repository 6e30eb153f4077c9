/* SPDX-License-Identifier: MIT */
/*
 * cptree [-b BACKEND] [-j N] [-pq] SOURCE TARGET: copies what is in the directory SOURCE into the directory TARGET,
 * which is made if it is not there, N files at once.
 *
 * As with cp -a there are the same directories, files, symbolic links and hard links afterwards, with the same
 * permissions, times and extended attributes, and for root with the same owners; holes in files are filled, devices,
 * FIFOs and sockets left out. What cannot be copied is told of, the rest is copied, and the exit status is 1. SIGINT and
 * SIGTERM end it with 130, and all files that have their names by then are whole; a second one does not wait until
 * everything is tidy, and may leave files that are called .cptree-PROCESS-NUMBER.
 *
 *     -b, the backend: auto, io_uring or epoll     -p, tells how far it is even if standard error is no terminal
 *     -j, how many files at once [32]              -q, does not tell how far it is
 *
 * All tasks live in one scope. The runtime cancels it at a signal; each task then finds its call cut short, lets go of
 * what it has, and ends, and the program ends when all have.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cptree.h"

#define MAX_JOBS 1024
#define MAX_LINE 512

struct cptree cptree = { .jobs = 32, .clear = "" };

static struct ringline_config config = RINGLINE_CONFIG_INIT;
static bool quiet;
static bool progress;
static bool interrupted;

/* Progress */

static const char *human(char *text, size_t size, double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t i;

	for (i = 0; bytes >= 1000 && i < 4; i++)
		bytes /= 1024;
	snprintf(text, size, i ? "%.1f %s" : "%.0f %s", bytes, units[i]);
	return text;
}

/* What has been under way for longest: if anything keeps the others waiting, that does. */
static void add_current(char *text, size_t size)
{
	uint32_t n;
	const struct job *job = copy_oldest(&n);
	char *path = job ? folder_path(job->folder, job->name) : NULL;
	double percent;

	*text = '\0';
	if (!path)
		return;
	make_printable(path);
	percent = job->stat.length ? 100.0 * (double)job->done / (double)job->stat.length : 0;
	if (percent > 0)
		snprintf(text, size, ", %u under way: %.0f%% of %s", n, percent, path);
	else
		snprintf(text, size, ", %u under way: %s", n, path);
	free(path);
}

/* On a terminal a line in the place of the one before, and not longer than it is wide. */
static void put_line(const char *line)
{
	struct winsize w;

	if (!*cptree.clear) {
		fprintf(stderr, "%s\n", line);
		return;
	}
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_col < 2)
		w.ws_col = 80;
	fprintf(stderr, "%s%.*s", cptree.clear, w.ws_col - 1, line);
}

static void tell(double rate)
{
	char line[MAX_LINE];
	char copied[32];
	char second[32];
	int n;

	human(copied, sizeof(copied), (double)cptree.bytes);
	human(second, sizeof(second), rate);
	n = snprintf(line, sizeof(line), "%" PRIu64 " files, %s, %s/s", cptree.files, copied, second);
	add_current(line + n, sizeof(line) - (size_t)n);
	put_line(line);
}

static int tell_now_and_then(void *arg)
{
	uint64_t bytes = 0;
	uint64_t time = ringline_now();

	(void)arg;
	while (ringline_sleep(RINGLINE_NSEC_PER_SEC / 2) == 0) {
		uint64_t now = ringline_now();

		tell((double)(cptree.bytes - bytes) * RINGLINE_NSEC_PER_SEC / (double)(now - time));
		bytes = cptree.bytes;
		time = now;
	}
	return 0;
}

/* The whole of it at the end. */
static void tell_all(uint64_t began)
{
	tell((double)cptree.bytes * RINGLINE_NSEC_PER_SEC / (double)(ringline_now() - began));
	if (*cptree.clear)
		fputc('\n', stderr);
}

static int copy_and_tell(void)
{
	uint64_t began = ringline_now();
	struct ringline_scope *telling;
	int r = ringline_scope_open(&telling, NULL);
	int end = 0;

	if (r < 0)
		return r;
	r = ringline_spawn(tell_now_and_then, NULL);
	if (r == 0)
		end = copy_tree();
	ringline_scope_cancel(telling);
	ringline_scope_close(telling);
	tell_all(began);
	return r < 0 ? r : end;
}

/* Start and end */

static int start(void *arg)
{
	int r = progress ? copy_and_tell() : copy_tree();

	(void)arg;
	interrupted = r == -ECANCELED;
	ringline_runtime_shutdown(ringline_runtime_current());
	return interrupted ? 0 : r;
}

static void print_log(int level, const char *message, void *arg)
{
	(void)arg;
	if (level <= 4)
		fprintf(stderr, "%scptree: %s\n", cptree.clear, message);
}

/* Two for each directory above a place where something is being done, and two for each file. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int run(void)
{
	struct ringline_runtime *rt;
	int r;

	config.workers = 1;
	config.blocking_io_threads = cptree.jobs;
	config.log = print_log;
	r = ringline_runtime_new(&rt, &config);
	if (r < 0)
		return r;
	r = ringline_runtime_on_start(rt, start, NULL);
	if (r == 0)
		r = ringline_runtime_run(rt);
	ringline_runtime_free(rt);
	return r;
}

static bool parse_backend(const char *name)
{
	static const char *const names[] = { "auto", "io_uring", "epoll" };

	for (config.backend = 0; config.backend < 3; config.backend++)
		if (strcmp(names[config.backend], name) == 0)
			return true;
	return false;
}

static bool parse_jobs(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	cptree.jobs = (uint32_t)n;
	return n >= 1 && n <= MAX_JOBS && !*end;
}

static bool parse(int argc, char **argv)
{
	bool ok = true;
	int c;

	while (ok && (c = getopt(argc, argv, "b:j:pq")) != -1) {
		if (c == 'b')
			ok = parse_backend(optarg);
		else if (c == 'j')
			ok = parse_jobs(optarg);
		else if (c == 'p')
			progress = true;
		else if (c == 'q')
			quiet = true;
		else
			ok = false;
	}
	return ok && argc - optind == 2;
}

int main(int argc, char **argv)
{
	int r;

	if (!parse(argc, argv)) {
		fprintf(stderr, "usage: cptree [-b auto|io_uring|epoll] [-j N] [-pq] SOURCE TARGET\n");
		return 2;
	}
	cptree.source = argv[optind];
	cptree.target = argv[optind + 1];
	if (isatty(STDERR_FILENO))
		cptree.clear = "\r\033[K";
	progress = !quiet && (progress || *cptree.clear);
	raise_limit();
	cptree.is_root = geteuid() == 0;
	umask(077);
	r = run();
	if (r < 0)
		fprintf(stderr, "%scptree: %s\n", cptree.clear, strerror(-r));
	return interrupted ? 130 : r < 0 || cptree.errors;
}
