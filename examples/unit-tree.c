/* SPDX-License-Identifier: MIT */
/* What belongs to a unit; unit-tree.h tells the idea. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit-reap.h"
#include "unit-tree.h"

#define TEXT_MAX 8192

static char below[PATH_MAX];                     /* empty: there are no cgroups */
static size_t mount_length;                      /* how much of it is where cgroups are mounted */

/* What a file of the kernel's says, which never blocks; "" if nothing. */
static void read_text(int dir, const char *name, char *text, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = 0;
	if (fd >= 0)
		close(fd);
}

/* The path of a process's cgroup, as the kernel names it; NULL: it has none, or has ended. */
static const char *cgroup_of(int64_t pid, char *text, size_t size)
{
	char name[64];
	char *line;

	snprintf(name, sizeof(name), "/proc/%lld/cgroup", (long long)pid);
	read_text(AT_FDCWD, name, text, size);
	line = !strncmp(text, "0::", 3) ? text : strstr(text, "\n0::");
	if (!line)
		return NULL;
	line = strstr(line, "0::") + 3;
	line[strcspn(line, "\n")] = 0;
	return line;
}

/* How much of a path is where its file system is mounted: what follows is how the kernel names the cgroup. */
static size_t find_mount(const char *path)
{
	size_t n = strlen(path);
	struct stat at;
	struct stat up;
	char name[PATH_MAX];

	if (stat(path, &at) < 0)
		return n;
	while (n > 1) {
		size_t k = n;

		while (k > 1 && path[k - 1] != '/')
			k--;
		snprintf(name, sizeof(name), "%.*s", (int)(k > 1 ? k - 1 : 1), path);
		if (stat(name, &up) < 0 || up.st_dev != at.st_dev)
			return n;
		n = k > 1 ? k - 1 : 1;
	}
	return 0;
}

int unit_tree_below(const char *cgroup)
{
	char file[PATH_MAX];

	if (mkdir(cgroup, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (snprintf(file, sizeof(file), "%s/cgroup.events", cgroup) >= (int)sizeof(file) - UNIT_TREE_NAME)
		return -ENAMETOOLONG;
	snprintf(file, sizeof(file), "%s/cgroup.procs", cgroup);
	if (access(file, W_OK) < 0)
		return -errno;
	snprintf(below, sizeof(below), "%s", cgroup);
	mount_length = find_mount(below);
	return 0;
}

int unit_tree_open(struct unit_tree *t, const char *unit)
{
	int r;

	t->cgroup = -1;
	t->events = -1;
	if (!*below)
		return 0;
	if (snprintf(t->path, sizeof(t->path), "%s/%s", below, unit) >= (int)sizeof(t->path))
		return -ENAMETOOLONG;
	if (mkdir(t->path, 0755) < 0 && errno != EEXIST)
		return -errno;
	t->cgroup = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	t->events = t->cgroup < 0 ? -1 : openat(t->cgroup, "cgroup.events", O_RDONLY | O_CLOEXEC);
	if (t->events >= 0)
		return 0;
	r = -errno;
	unit_tree_close(t);
	return r;
}

void unit_tree_close(struct unit_tree *t)
{
	if (t->events >= 0)
		close(t->events);
	if (t->cgroup >= 0)
		close(t->cgroup);
	if (t->cgroup >= 0)
		rmdir(t->path);
	t->events = -1;
	t->cgroup = -1;
}

bool unit_tree_has(const struct unit_tree *t, int64_t pid)
{
	char text[TEXT_MAX];
	const char *path;
	const char *ours = t->path + mount_length;
	size_t n = strlen(ours);

	if (t->cgroup < 0)
		return t->leader > 0 && getpgid((pid_t)pid) == t->leader;
	path = cgroup_of(pid, text, sizeof(text));
	return path && !strncmp(path, ours, n) && (!path[n] || path[n] == '/');
}

bool unit_tree_empty(struct unit_tree *t)
{
	char text[256];
	ssize_t n;

	if (t->cgroup < 0)
		return !t->born || ringline_process_kill_group(t->born, 0) < 0;
	n = pread(t->events, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = 0;
	return n <= 0 || strstr(text, "populated 0");
}

int unit_tree_wait(struct unit_tree *t, struct ringline_event *event)
{
	struct ringline_fd_watch *watch = NULL;
	struct ringline_case cases[] = {
		{ .kind = RINGLINE_CASE_EVENT, .object = event },
		{ .kind = RINGLINE_CASE_EVENT, .object = unit_reaped },
		{ .kind = RINGLINE_CASE_NONE },
	};
	ssize_t which = 1;
	int r = t->cgroup < 0 ? 0 : ringline_fd_watch_new(&watch, t->events, POLLPRI);

	if (r < 0)
		return r;
	if (watch) {
		cases[2].kind = RINGLINE_CASE_FD;
		cases[2].object = watch;
	}
	while (which > 0 && !unit_tree_empty(t))
		which = ringline_select(cases, 3, sizeof(*cases), 0);
	ringline_fd_watch_free(watch);
	return which < 0 ? (int)which : 0;
}
