/* SPDX-License-Identifier: MIT */
/* Counting, failing and stalling; faultfs-faults.h tells the idea. */
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support/faultfs-faults.h"

#define FOREVER    UINT64_MAX
#define SLICE_NSEC 20000000           /* how often a stalled request looks for a reason to give up */
#define MAX_WORDS  4

/* Of what follows the name in /proc/PID/stat. */
#define FLAGS_FIELD  6
#define EXITING      0x4UL            /* the kernel's PF_EXITING */
#define SIGNAL_FIELD 28
#define KILL_BIT     0x100UL          /* SIGKILL in a set of pending signals */

static const char *const op_names[FAULT_OPS] = {
	[FAULT_OPEN] = "open",
	[FAULT_CREATE] = "create",
	[FAULT_READ] = "read",
	[FAULT_WRITE] = "write",
	[FAULT_FSYNC] = "fsync",
	[FAULT_GETATTR] = "getattr",
	[FAULT_READDIR] = "readdir",
	[FAULT_RENAME] = "rename",
	[FAULT_UNLINK] = "unlink",
	[FAULT_MKDIR] = "mkdir",
	[FAULT_RMDIR] = "rmdir",
	[FAULT_LINK] = "link",
	[FAULT_SYMLINK] = "symlink",
	[FAULT_READLINK] = "readlink",
	[FAULT_TRUNCATE] = "truncate",
	[FAULT_FALLOCATE] = "fallocate",
	[FAULT_CHMOD] = "chmod",
	[FAULT_CHOWN] = "chown",
	[FAULT_UTIMENS] = "utimens",
	[FAULT_SETXATTR] = "setxattr",
	[FAULT_GETXATTR] = "getxattr",
	[FAULT_LISTXATTR] = "listxattr",
	[FAULT_REMOVEXATTR] = "removexattr",
	[FAULT_RELEASE] = "release",
	[FAULT_FLUSH] = "flush",
	[FAULT_LOOKUP] = "lookup",
};

#define NAMED(name) { #name, name }
static const struct {
	const char *name;
	int value;
} errors[] = {
	NAMED(EACCES), NAMED(EAGAIN), NAMED(EBUSY), NAMED(EDQUOT), NAMED(EEXIST), NAMED(EFBIG), NAMED(EINTR), NAMED(EINVAL),
	NAMED(EIO), NAMED(EISDIR), NAMED(ELOOP), NAMED(EMFILE), NAMED(EMLINK), NAMED(ENFILE), NAMED(ENODEV), NAMED(ENOENT),
	NAMED(ENOMEM), NAMED(ENOSPC), NAMED(ENOTDIR), NAMED(ENOTEMPTY), NAMED(ENXIO), NAMED(EOPNOTSUPP), NAMED(EPERM),
	NAMED(EROFS), NAMED(ESTALE), NAMED(ETIMEDOUT), NAMED(EXDEV),
};

/* For how many more requests something holds; FOREVER does not count down. */
struct fault {
	uint64_t left;
	uint64_t value;               /* an errno, or a number of bytes */
};

struct operation {
	struct fault fail;
	struct fault cut;
	bool stall;
	unsigned int releases;        /* ever; a request waits for the next one, even if another stall follows it at once */
	unsigned int stalled;         /* now */
	uint64_t count;
};

static struct operation operations[FAULT_OPS];
static bool interruptible;
static bool ended;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;      /* of all of the above */
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;

/* --- meeting them ------------------------------------------------------------------------------------------------- */

/* Is this thread being killed, or past its exit? If it cannot be found, it is gone. */
static bool is_dying(pid_t tid)
{
	bool dying = true;
	char **field;
	char *path;
	char *text;
	char *rest;

	if (!tid)
		return false;
	path = g_strdup_printf("/proc/%d/stat", (int)tid);
	if (g_file_get_contents(path, &text, NULL, NULL)) {
		rest = strrchr(text, ')');
		field = g_strsplit(rest ? rest + 2 : "", " ", -1);
		if (g_strv_length(field) > SIGNAL_FIELD)
			dying = (strtoul(field[FLAGS_FIELD], NULL, 10) & EXITING) ||
			        (strtoul(field[SIGNAL_FIELD], NULL, 10) & KILL_BIT);
		g_strfreev(field);
		g_free(text);
	}
	g_free(path);
	return dying;
}

static void wait_a_slice(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += SLICE_NSEC;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&released, &lock, &until);
}

static int wait_for_release(fuse_req_t req, struct operation *o)
{
	const struct fuse_ctx *caller = fuse_req_ctx(req);
	unsigned int releases = o->releases;
	int r = 0;

	o->stalled++;
	while (!r && o->releases == releases && !ended) {
		wait_a_slice();
		if ((interruptible && fuse_req_interrupted(req)) || is_dying(caller->pid))
			r = EINTR;
	}
	o->stalled--;
	return r;
}

/* The value of a fault that holds for this request too. */
static bool take(struct fault *f, uint64_t *value)
{
	if (!f->left)
		return false;
	if (f->left != FOREVER)
		f->left--;
	*value = f->value;
	return true;
}

int faults_meet(fuse_req_t req, enum fault_op op)
{
	struct operation *o = &operations[op];
	uint64_t error;
	int r = 0;

	pthread_mutex_lock(&lock);
	o->count++;
	if (o->stall && !ended)
		r = wait_for_release(req, o);
	if (!r && take(&o->fail, &error))
		r = (int)error;
	pthread_mutex_unlock(&lock);
	return r;
}

size_t faults_cut(enum fault_op op, size_t n)
{
	uint64_t most;

	pthread_mutex_lock(&lock);
	if (take(&operations[op].cut, &most))
		n = MIN(n, most);
	pthread_mutex_unlock(&lock);
	return n;
}

void faults_end(void)
{
	pthread_mutex_lock(&lock);
	ended = true;
	pthread_cond_broadcast(&released);
	pthread_mutex_unlock(&lock);
}

/* --- ordering them ------------------------------------------------------------------------------------------------ */

static struct operation *find_operation(const char *name)
{
	int i;

	for (i = 0; i < FAULT_OPS; i++)
		if (!strcmp(op_names[i], name))
			return &operations[i];
	return NULL;
}

static int find_error(const char *name)
{
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(errors); i++)
		if (!strcmp(errors[i].name, name))
			return errors[i].value;
	return 0;
}

/* The count at the end of a line; without one, FOREVER. */
static bool read_count(const char *word, uint64_t *count)
{
	*count = FOREVER;
	return !word || g_ascii_string_to_unsigned(word, 10, 1, FOREVER - 1, count, NULL);
}

static bool order_fail(char **word)
{
	struct operation *o = find_operation(word[1]);
	int error = find_error(word[2]);
	uint64_t count;

	if (!o || !error || !read_count(word[3], &count))
		return false;
	o->fail = (struct fault){ .left = count, .value = (uint64_t)error };
	return true;
}

static bool order_short(char **word)
{
	struct operation *o = find_operation(word[1]);
	uint64_t count;
	uint64_t most;

	if (o != &operations[FAULT_READ] && o != &operations[FAULT_WRITE])
		return false;
	if (!g_ascii_string_to_unsigned(word[2], 10, 0, G_MAXUINT32, &most, NULL) || !read_count(word[3], &count))
		return false;
	o->cut = (struct fault){ .left = count, .value = most };
	return true;
}

static bool order_stall(char **word)
{
	struct operation *o = find_operation(word[1]);

	if (o)
		o->stall = true;
	return o != NULL;
}

static void release(struct operation *o)
{
	o->stall = false;
	o->releases++;
	pthread_cond_broadcast(&released);
}

static bool order_release(char **word)
{
	struct operation *o = find_operation(word[1]);

	if (o)
		release(o);
	return o != NULL;
}

static bool order_interruptible(char **word)
{
	(void)word;
	interruptible = true;
	return true;
}

/* Counts go on. */
static bool order_clear(char **word)
{
	int i;

	(void)word;
	interruptible = false;
	for (i = 0; i < FAULT_OPS; i++) {
		operations[i].fail.left = 0;
		operations[i].cut.left = 0;
		release(&operations[i]);
	}
	return true;
}

static const struct {
	const char *name;
	guint least;
	guint most;                   /* words */
	bool (*obey)(char **word);
} orders[] = {
	{ "fail", 3, 4, order_fail },
	{ "short", 3, 4, order_short },
	{ "stall", 2, 2, order_stall },
	{ "release", 2, 2, order_release },
	{ "interruptible", 1, 1, order_interruptible },
	{ "clear", 1, 1, order_clear },
};

static bool obey(char **word)
{
	guint n = g_strv_length(word);
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(orders); i++)
		if (n >= orders[i].least && n <= orders[i].most && !strcmp(orders[i].name, word[0]))
			return orders[i].obey(word);
	return false;
}

static bool obey_line(const char *line)
{
	char **word = g_strsplit(line, " ", MAX_WORDS + 1);
	bool right;

	pthread_mutex_lock(&lock);
	right = obey(word);
	pthread_mutex_unlock(&lock);
	g_strfreev(word);
	return right;
}

int faults_control(const char *text, size_t n)
{
	char *copy = g_strndup(text, n);
	char **line = g_strsplit(copy, "\n", -1);
	bool right = true;
	guint i;

	for (i = 0; right && line[i]; i++)
		if (line[i][0])
			right = obey_line(line[i]);
	g_strfreev(line);
	g_free(copy);
	return right ? 0 : EINVAL;
}

char *faults_counts(void)
{
	GString *text = g_string_new(NULL);
	int i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < FAULT_OPS; i++)
		g_string_append_printf(text, "%s %" G_GUINT64_FORMAT " %u\n", op_names[i], operations[i].count,
		                       operations[i].stalled);
	pthread_mutex_unlock(&lock);
	return g_string_free(text, FALSE);
}
