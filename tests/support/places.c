/* SPDX-License-Identifier: MIT */
/* Making places, and taking them away; places.h tells what there is. */
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "support/places.h"

#define MIB              (INT64_C(1) << 20)
#define NFTW_DESCRIPTORS 16

struct place {
	const char *kind;
	char *(*make)(struct place *p);   /* in p->dir; NULL, or why it cannot be done, to be freed by g_free() */
	char *dir;                        /* NULL: not asked for yet, or it cannot be had */
	char *why_not;
	bool mounted;
	pid_t server;                     /* of fuse */
};

static pid_t owner;                       /* only this process clears up, none of its forks */
static char *base;                        /* has the mount points */
static char *no_mounts;                   /* why there is no mount namespace; NULL: there is one */
static const char *current;               /* the kind of the place on which a case runs */
static GPtrArray *cases;

/* --- tools -------------------------------------------------------------------------------------------------------- */

/* The first line of it, without a line end: a reason must fit into one. */
static char *first_line(char *text)
{
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* Runs a program; NULL, or why it failed. */
static char *run(const char *const *argv)
{
	char *why = NULL;
	char *said = NULL;
	GError *error = NULL;
	int status;

	if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL,
	                  &said, &status, &error)) {
		why = g_strdup(error->message);
		g_error_free(error);
	} else if (status) {
		why = g_strdup_printf("%s: %s", argv[0], first_line(said));
	}
	g_free(said);
	return why;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static bool remove_tree(const char *dir)
{
	return nftw(dir, remove_one, NFTW_DESCRIPTORS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0;
}

/* --- making them -------------------------------------------------------------------------------------------------- */

static char *make_here(struct place *p)
{
	/* it is there already */
	(void)p;
	return NULL;
}

static char *make_tmpfs(struct place *p)
{
	if (no_mounts)
		return g_strdup(no_mounts);
	if (mount("tmpfs", p->dir, "tmpfs", MS_NOSUID | MS_NODEV, "size=64m") != 0)
		return g_strdup_printf("tmpfs: %s", g_strerror(errno));
	p->mounted = true;
	return NULL;
}

static char *make_sparse(const char *path, int64_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	char *why = NULL;

	if (fd < 0 || ftruncate(fd, size) != 0)
		why = g_strdup_printf("%s: %s", path, g_strerror(errno));
	if (fd >= 0)
		close(fd);
	return why;
}

/* The loop device keeps the image, and gives itself up when it is unmounted. */
static char *make_image(struct place *p, const char *force, int64_t size)
{
	char *image = g_strdup_printf("%s.image", p->dir);
	char *mkfs = g_strdup_printf("mkfs.%s", p->kind);
	const char *const format[] = { mkfs, "-q", force, image, NULL };
	const char *const attach[] = { "mount", "-t", p->kind, "-o", "loop", image, p->dir, NULL };
	char *why = no_mounts ? g_strdup(no_mounts) : make_sparse(image, size);

	if (!why)
		why = run(format);
	if (!why)
		why = run(attach);
	p->mounted = !why;
	unlink(image);
	g_free(mkfs);
	g_free(image);
	return why;
}

static char *make_ext4(struct place *p)
{
	return make_image(p, "-F", 64 * MIB);
}

/* mkfs.xfs makes none below 300 MB. */
static char *make_xfs(struct place *p)
{
	return make_image(p, "-f", 320 * MIB);
}

#ifdef HAVE_FUSE

/* In the build directory above this program, with or without libtool's .libs. */
static char *find_faultfs(void)
{
	char *self = g_file_read_link("/proc/self/exe", NULL);
	char *dir = g_path_get_dirname(self);
	char *faultfs = NULL;

	while (!faultfs && strcmp(dir, "/") != 0) {
		char *up = g_path_get_dirname(dir);

		faultfs = g_build_filename(dir, "tests/support/faultfs", NULL);
		if (!g_file_test(faultfs, G_FILE_TEST_IS_EXECUTABLE))
			g_clear_pointer(&faultfs, g_free);
		g_free(dir);
		dir = up;
	}
	if (!faultfs)
		g_error("tests/support/faultfs has not been built");
	g_free(dir);
	g_free(self);
	return faultfs;
}

/* Not in the group of the test: of a signal to all of them the test is to die, and faultfs to clear up afterwards. */
static void become_faultfs(const char *program, const char *dir, int out, pid_t parent)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() == parent && dup2(out, STDOUT_FILENO) == STDOUT_FILENO)
		execl(program, "faultfs", dir, (char *)NULL);
	_exit(127);
}

/* What it says first: "ready", or why not. */
static char *hear(int fd)
{
	char text[256];
	size_t n = 0;
	ssize_t k;

	while (n < sizeof(text) - 1 && !memchr(text, '\n', n)) {
		k = read(fd, text + n, sizeof(text) - 1 - n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			break;
		n += (size_t)k;
	}
	text[n] = '\0';
	return g_strdup(n ? first_line(text) : "faultfs said nothing");
}

static char *start_faultfs(struct place *p)
{
	char *program = find_faultfs();
	pid_t parent = getpid();
	int out[2];
	char *said;
	pid_t pid;

	CONF_OK(pipe2(out, O_CLOEXEC));
	fflush(NULL);
	pid = fork();
	g_assert_cmpint(pid, >=, 0);
	if (!pid)
		become_faultfs(program, p->dir, out[1], parent);
	close(out[1]);
	said = hear(out[0]);
	close(out[0]);
	g_free(program);
	if (strcmp(said, "ready") != 0) {
		waitpid(pid, NULL, 0);
		return said;
	}
	p->server = pid;
	g_free(said);
	return NULL;
}

static char *make_fuse(struct place *p)
{
	if (access("/dev/fuse", R_OK | W_OK) != 0)
		return g_strdup_printf("/dev/fuse: %s", g_strerror(errno));
	return start_faultfs(p);
}

#else

static char *make_fuse(struct place *p)
{
	(void)p;
	return g_strdup("built without libfuse");
}

#endif

static struct place places[] = {
	{ .kind = "here", .make = make_here },
	{ .kind = "tmpfs", .make = make_tmpfs },
	{ .kind = "ext4", .make = make_ext4 },
	{ .kind = "xfs", .make = make_xfs },
	{ .kind = "fuse", .make = make_fuse },
};

static struct place *find(const char *kind)
{
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(places); i++)
		if (!strcmp(places[i].kind, kind))
			return &places[i];
	g_error("there is no place \"%s\"", kind);
}

/* --- asking for them ---------------------------------------------------------------------------------------------- */

/* A fresh directory, here or below the one for all mount points. */
static char *fresh_directory(const char *kind)
{
	char *dir;

	if (!strcmp(kind, "here")) {
		char *cwd = g_get_current_dir();

		dir = g_build_filename(cwd, "places.XXXXXX", NULL);
		g_free(cwd);
		return g_mkdtemp(dir);
	}
	if (!base)
		base = g_dir_make_tmp("ringline-places.XXXXXX", NULL);
	dir = g_build_filename(base, kind, NULL);
	CONF_OK(mkdir(dir, 0755));
	return dir;
}

/* Children die with the thread that made them, and what is run takes more of a stack than a task has. */
static void assert_on_main_thread(void)
{
	g_assert_cmpint(getpid(), ==, owner);
	g_assert_cmpint(gettid(), ==, owner);
	g_assert_cmpuint(ringline_task_id(), ==, 0);
}

static void remove_directory(struct place *p)
{
	remove_tree(p->dir);
	g_clear_pointer(&p->dir, g_free);
}

const char *place_dir(const char *kind)
{
	struct place *p = find(kind);

	assert_on_main_thread();
	if (p->dir || p->why_not)
		return p->dir;
	p->dir = fresh_directory(kind);
	if (!p->dir) {
		p->why_not = g_strdup_printf("no directory in the working directory: %s", g_strerror(errno));
		return NULL;
	}
	p->why_not = p->make(p);
	if (p->why_not)
		remove_directory(p);
	return p->dir;
}

const char *place_why_not(const char *kind)
{
	return find(kind)->why_not;
}

/* Whether it has gone in order. */
static bool end_place(struct place *p)
{
	int status = 0;

	if (!p->dir)
		return true;
	if (p->server) {
		kill(p->server, SIGTERM);
		if (waitpid(p->server, &status, 0) != p->server)
			status = -1;
		p->server = 0;
	}
	if (p->mounted)
		umount2(p->dir, MNT_DETACH);
	p->mounted = false;
	remove_directory(p);
	return status == 0;
}

void place_end(const char *kind)
{
	assert_on_main_thread();
	g_assert_true(end_place(find(kind)));
}

/* --- the program -------------------------------------------------------------------------------------------------- */

/* What is mounted here stays here. */
static char *enter_namespace(void)
{
	if (geteuid() != 0)
		return g_strdup("not root");
	if (unshare(CLONE_NEWNS) != 0)
		return g_strdup_printf("no mount namespace: %s", g_strerror(errno));
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return g_strdup_printf("no private mounts: %s", g_strerror(errno));
	return NULL;
}

static bool end_all(void)
{
	bool in_order = true;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(places); i++) {
		in_order &= end_place(&places[i]);
		g_clear_pointer(&places[i].why_not, g_free);
	}
	if (base)
		rmdir(base);
	g_clear_pointer(&base, g_free);
	return in_order;
}

/* When a case has called exit(). */
static void end_at_exit(void)
{
	if (getpid() == owner)
		end_all();
}

/* mkfs is not where everybody looks. */
static void widen_path(void)
{
	char *path = g_strdup_printf("%s:/usr/sbin:/sbin", g_getenv("PATH"));

	g_setenv("PATH", path, TRUE);
	g_free(path);
}

int place_main(int argc, char **argv, const char *topic, void (*add)(void))
{
	int r;

	owner = getpid();
	no_mounts = enter_namespace();
	widen_path();
	atexit(end_at_exit);
	cases = g_ptr_array_new_with_free_func(g_free);
	r = conf_main(argc, argv, topic, add);
	if (!end_all()) {
		printf("Bail out! faultfs did not end in order\n");
		r = 1;
	}
	g_ptr_array_unref(cases);
	g_clear_pointer(&no_mounts, g_free);
	return r;
}

/* --- cases -------------------------------------------------------------------------------------------------------- */

struct placed {
	const char *kind;
	void (*fn)(const char *dir);
};

const char *place_kind(void)
{
	return current;
}

bool place_is(const char *kind)
{
	return current && !strcmp(current, kind);
}

/* What was removed while it was open goes from the file system in user space a moment after its close. */
static void remove_rest(const char *dir)
{
	int tries = 0;

	while (access(dir, F_OK) == 0 && !remove_tree(dir)) {
		g_assert_cmpint(++tries, <, 1000);
		g_usleep(10000);
	}
}

static void run_in(const struct placed *c, const char *dir)
{
	CONF_OK(mkdir(dir, 0755));
	current = c->kind;
	c->fn(dir);
	current = NULL;
	/* the case may have ended the place, and begun another */
	if (find("fuse")->dir)
		place_fault("clear");
	remove_rest(dir);
}

static void run_placed(const void *arg)
{
	static unsigned int serial;
	const struct placed *c = arg;
	const char *root = place_dir(c->kind);
	char *dir;

	if (!root) {
		g_test_skip(place_why_not(c->kind));
		return;
	}
	dir = g_strdup_printf("%s/%u", root, ++serial);
	run_in(c, dir);
	g_free(dir);
}

void place_add(const char *topic, const char *kind, const char *name, void (*fn)(const char *dir))
{
	char *path = g_strdup_printf("/%s/%s/%s", topic, kind, name);
	struct placed *c = g_new(struct placed, 1);

	*c = (struct placed){ .kind = find(kind)->kind, .fn = fn };
	g_ptr_array_add(cases, c);
	conf_add_with(path, run_placed, c);
	g_free(path);
}

void place_add_each(const char *topic, const char *name, void (*fn)(const char *dir))
{
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(places); i++)
		place_add(topic, places[i].kind, name, fn);
}

/* --- faults ------------------------------------------------------------------------------------------------------- */

static int open_own(const char *name, int flags)
{
	const char *root = find("fuse")->dir;
	char *path;
	int fd;

	g_assert_nonnull(root);
	path = g_build_filename(root, name, NULL);
	fd = open(path, flags | O_CLOEXEC);
	g_assert_cmpint(fd, >=, 0);
	g_free(path);
	return fd;
}

void place_fault(const char *format, ...)
{
	char line[128];
	va_list args;
	int fd;
	int n;

	va_start(args, format);
	n = g_vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fd = open_own(".control", O_WRONLY);
	if (write(fd, line, (size_t)n) != n)
		g_error("faultfs refused \"%s\"", line);
	close(fd);
}

/* Lines "OPERATION COUNT STALLED"; this begins with an end of line, too. */
static void read_counts(const char *operation, uint64_t *count, unsigned int *stalled)
{
	int fd = open_own(".counts", O_RDONLY);
	char wanted[32];
	char text[2048];
	char *line;
	ssize_t n;

	text[0] = '\n';
	n = read(fd, text + 1, sizeof(text) - 2);
	g_assert_cmpint(n, >, 0);
	text[n + 1] = '\0';
	close(fd);
	g_snprintf(wanted, sizeof(wanted), "\n%s ", operation);
	line = strstr(text, wanted);
	g_assert_nonnull(line);
	g_assert_cmpint(sscanf(line + strlen(wanted), "%" SCNu64 " %u", count, stalled), ==, 2);
}

unsigned int place_stalled_now(const char *operation)
{
	unsigned int stalled;
	uint64_t count;

	read_counts(operation, &count, &stalled);
	return stalled;
}

uint64_t place_count(const char *operation)
{
	unsigned int stalled;
	uint64_t count;

	read_counts(operation, &count, &stalled);
	return count;
}

void place_stalled_many(const char *operation, unsigned int n)
{
	CONF_UNTIL(place_stalled_now(operation) >= n);
}

void place_stalled(const char *operation)
{
	place_stalled_many(operation, 1);
}
