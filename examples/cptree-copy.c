/* SPDX-License-Identifier: MIT */
/*
 * Copying one file, or one link: a task each, as many at once as there are places.
 *
 * A file has no name until all of it is there (O_TMPFILE), so nothing is left of one that is not finished, whatever
 * happens. Where the file system cannot do that it has a temporary one, which is removed. Either way what had the name
 * before is replaced in one step.
 *
 * Of a file that has several names the one met first is copied, those that come meanwhile wait for that, and all but the
 * first are made links. That takes a little memory for each such file until all its names have been met.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cptree.h"

#define PIECE (UINT64_C(4) << 20)         /* what is copied without looking up */

/* A file that has several names, by which it is found. */
struct inode {
	uint64_t number;
	uint32_t device_major;
	uint32_t device_minor;
	uint32_t names;                   /* that have not been met yet, or are not done */
	uint32_t users;
	struct ringline_once *copied;
	char *folder;                     /* where the copy is; NULL: not yet anywhere */
	char *name;
};

static struct ringline_semaphore *places;
static struct job *oldest;
static struct job *newest;
static uint32_t under_way;
static void *inodes;                      /* a tree of tsearch(3) */

static struct ringline_file *source_folder(const struct job *job)
{
	return ringline_dir_file(job->folder->source);
}

static bool source_failed(const struct job *job, const char *what, int64_t result)
{
	return failed(cptree.source, job->folder, job->name, what, result);
}

static bool target_failed(const struct job *job, const char *what, int64_t result)
{
	return failed(cptree.target, job->folder, job->name, what, result);
}

/* Names */

static const char *temporary_name(char *name)
{
	static unsigned long number;

	snprintf(name, CPTREE_TEMPORARY, ".cptree-%ld-%lu", (long)getpid(), number++);
	return name;
}

/* Does what is not to be cut short, as it would leave a temporary name. */
static int shielded(int (*fn)(struct job *job), struct job *job)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *shield;
	int r;

	o.flags = RINGLINE_SCOPE_SHIELDED;
	r = ringline_scope_open(&shield, &o);
	if (r < 0)
		return r;
	r = fn(job);
	ringline_scope_close(shield);
	return r;
}

static int replace(struct job *job)
{
	struct ringline_file *dir = job->folder->target;
	char temporary[CPTREE_TEMPORARY];
	int r;

	do
		r = job->give(job, temporary_name(temporary));
	while (r == -EEXIST);
	if (r < 0)
		return r;
	r = ringline_path_rename(dir, temporary, dir, job->name, 0);
	if (r < 0 || job->inode)
		ringline_path_unlink(dir, temporary);    /* of two names of one file rename(2) keeps both */
	return r;
}

/* What gives it a name says -EEXIST if there is something of that name: then it is replaced. */
static int put(struct job *job, int (*give)(const struct job *job, const char *name))
{
	int r = give(job, job->name);

	job->give = give;
	return r == -EEXIST ? shielded(replace, job) : r;
}

/* Files */

static int give_file(const struct job *job, const char *name)
{
	if (*job->temporary)
		return ringline_path_rename(job->folder->target, job->temporary, job->folder->target, name, 0);
	return ringline_file_link(job->to, job->folder->target, name);
}

/* Below a directory of a server that does not answer an open that is cut short may yet make the file. */
static int open_temporary(struct job *job)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
	int r;

	do
		r = ringline_file_open(&job->to, job->folder->target, temporary_name(job->temporary), flags, 0600, NULL);
	while (r == -EEXIST);
	if (r < 0)
		*job->temporary = '\0';
	return r;
}

static int open_copy(struct job *job)
{
	int r = ringline_file_open(&job->to, job->folder->target, ".", O_WRONLY | O_TMPFILE, 0600, NULL);

	return r == -EOPNOTSUPP || r == -EISDIR ? shielded(open_temporary, job) : r;
}

static int remove_temporary(struct job *job)
{
	return ringline_path_unlink(job->folder->target, job->temporary);
}

/* As much as there was when it was opened; of what says that it is empty, all there is. */
static int copy_data(struct job *job)
{
	uint64_t end = job->stat.length ? job->stat.length : UINT64_MAX;
	int64_t n;

	do {
		uint64_t left = end - job->done;

		n = ringline_file_copy_range(job->from, job->done, job->to, job->done, left < PIECE ? left : PIECE);
		job->done += n > 0 ? (uint64_t)n : 0;
		cptree.bytes += n > 0 ? (uint64_t)n : 0;
	} while (n > 0 && job->done < end);
	return n < 0 ? (int)n : 0;
}

static int fill(struct job *job)
{
	struct subject from = { .file = job->from };
	struct subject to = { .file = job->to };
	int r = copy_data(job);

	if (source_failed(job, "copying", r))
		return r;
	copy_attributes(job->folder, job->name, &from, &to, &job->stat);
	r = put(job, give_file);
	target_failed(job, NULL, r);
	return r;
}

static int copy_file(struct job *job)
{
	int r = open_copy(job);

	if (target_failed(job, NULL, r))
		return r;
	r = fill(job);
	target_failed(job, "closing", ringline_file_close(job->to));
	if (r < 0 && *job->temporary)
		shielded(remove_temporary, job);
	return r;
}

/* Symbolic links */

static int give_symlink(const struct job *job, const char *name)
{
	struct subject from = { .dir = source_folder(job), .name = job->name };
	struct subject to = { .dir = job->folder->target, .name = name };
	int r = ringline_path_symlink(job->points_at, job->folder->target, name);

	if (r == 0)
		copy_attributes(job->folder, job->name, &from, &to, &job->stat);
	return r;
}

static int put_symlink(struct job *job)
{
	return put(job, give_symlink);
}

/* Not cut short: it has its name before it has its times. */
static int copy_symlink(struct job *job)
{
	char points_at[PATH_MAX];
	ssize_t n = ringline_path_readlink(source_folder(job), job->name, points_at, sizeof(points_at));
	int r;

	if (source_failed(job, NULL, n))
		return (int)n;
	job->points_at = points_at;
	r = shielded(put_symlink, job);
	target_failed(job, NULL, r);
	return r;
}

static int copy_contents(struct job *job)
{
	return job->is_link ? copy_symlink(job) : copy_file(job);
}

/* Further names */

static int compare(const void *a, const void *b)
{
	const struct inode *x = a;
	const struct inode *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	if (x->device_major != y->device_major)
		return x->device_major < y->device_major ? -1 : 1;
	return x->device_minor < y->device_minor ? -1 : x->device_minor > y->device_minor;
}

static void inode_free(void *arg)
{
	struct inode *inode = arg;

	ringline_once_free(inode->copied);
	free(inode->folder);
	free(inode->name);
	free(inode);
}

static struct inode *inode_new(const struct inode *key)
{
	struct inode *inode = malloc(sizeof(*inode));

	if (!inode)
		return NULL;
	*inode = *key;
	if (ringline_once_new(&inode->copied, NULL) == 0) {
		if (tsearch(inode, &inodes, compare))
			return inode;
		ringline_once_free(inode->copied);
	}
	free(inode);
	return NULL;
}

static struct inode *inode_get(const struct ringline_stat *s)
{
	struct inode key = {
		.number = s->inode, .device_major = s->device_major, .device_minor = s->device_minor, .names = s->links
	};
	struct inode **found = tfind(&key, &inodes, compare);
	struct inode *inode = found ? *found : inode_new(&key);

	if (inode)
		inode->users++;
	return inode;
}

static void inode_put(struct inode *inode)
{
	inode->names -= inode->names > 0;
	if (--inode->users || inode->names)
		return;
	tdelete(inode, &inodes, compare);
	inode_free(inode);
}

/* As much of a path as the kernel takes at once, in whole names. Returns its length. */
static size_t cut_piece(char *piece, const char *path)
{
	size_t n = strlen(path);

	if (n >= PATH_MAX)
		for (n = PATH_MAX - 1; path[n] != '/'; n--)
			;
	memcpy(piece, path, n);
	piece[n] = '\0';
	return n;
}

/* Opens a directory of the target by its path from the root, however long, and be there what may on the way. */
static int open_again(struct ringline_file **ret, const char *path)
{
	struct ringline_file_open_options beneath = RINGLINE_FILE_OPEN_OPTIONS_INIT;
	struct ringline_file *up = NULL;
	char piece[PATH_MAX];
	int r;

	beneath.resolve = RINGLINE_RESOLVE_BENEATH | RINGLINE_RESOLVE_NO_SYMLINKS;
	do {
		path += cut_piece(piece, path);
		path += *path == '/';
		r = ringline_file_open(ret, up ? up : target_root(), *piece ? piece : ".", O_PATH | O_DIRECTORY, 0, &beneath);
		ringline_file_close(up);
		up = *ret;
	} while (r == 0 && *path);
	return r;
}

static int give_link(const struct job *job, const char *name)
{
	struct ringline_file *dir;
	int r = open_again(&dir, job->inode->folder);

	if (r < 0)
		return r;
	r = ringline_path_link(dir, job->inode->name, job->folder->target, name, 0);
	ringline_file_close(dir);
	return r;
}

static int copy_first(void *arg)
{
	struct job *job = arg;
	struct inode *inode = job->inode;

	job->first = true;
	free(inode->folder);
	free(inode->name);
	inode->folder = folder_path(job->folder, NULL);
	inode->name = strdup(job->name);
	if (source_failed(job, NULL, inode->folder && inode->name ? 0 : -ENOMEM))
		return -ENOMEM;
	return copy_contents(job);
}

/* A run that fails is none, so the next one that waits copies then. */
static int copy_linked(struct job *job)
{
	int r;

	job->inode = inode_get(&job->stat);
	if (source_failed(job, NULL, job->inode ? 0 : -ENOMEM))
		return -ENOMEM;
	r = ringline_once_run(job->inode->copied, copy_first, job);
	if (!job->first) {
		r = r == 0 ? put(job, give_link) : r;
		target_failed(job, "link", r);
	}
	inode_put(job->inode);
	return r;
}

/* Jobs */

static void enlist(struct job *job)
{
	job->previous = newest;
	*(newest ? &newest->next : &oldest) = job;
	newest = job;
	under_way++;
}

static void delist(struct job *job)
{
	*(job->previous ? &job->previous->next : &oldest) = job->next;
	*(job->next ? &job->next->previous : &newest) = job->previous;
	under_way--;
}

const struct job *copy_oldest(uint32_t *n)
{
	*n = under_way;
	return oldest;
}

static struct job *job_new(struct folder *f, const char *name, bool is_link)
{
	struct job *job = calloc(1, sizeof(*job) + strlen(name) + 1);

	if (!job)
		return NULL;
	job->folder = f;
	job->is_link = is_link;
	job->stat.size = sizeof(job->stat);
	strcpy(job->name, name);
	folder_join(f);
	return job;
}

static void job_free(struct job *job)
{
	folder_leave(job->folder);
	free(job);
}

/* Not waiting for who writes into a FIFO that has come in the place of the file. */
static int open_original(struct job *job)
{
	int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	int r = ringline_file_open(&job->from, source_folder(job), job->name, flags, 0, NULL);

	return r == 0 ? ringline_file_stat(job->from, 0, &job->stat) : r;
}

/* What it is now, which the directory told of a while ago. */
static int look(struct job *job)
{
	int r = job->is_link ? ringline_path_stat(source_folder(job), job->name, AT_SYMLINK_NOFOLLOW, 0, &job->stat)
	                     : open_original(job);

	if (source_failed(job, NULL, r))
		return r;
	if (job->is_link ? S_ISLNK(job->stat.mode) : S_ISREG(job->stat.mode))
		return 0;
	complain(cptree.source, job->folder, job->name, "has been replaced by something else");
	return -ESTALE;
}

static int copy(void *arg)
{
	struct job *job = arg;
	int r;

	enlist(job);
	r = look(job);
	if (r == 0)
		r = job->stat.links > 1 ? copy_linked(job) : copy_contents(job);
	cptree.files += r == 0;
	ringline_file_close(job->from);
	delist(job);
	job_free(job);
	return ringline_semaphore_release(places, 1);
}

void copy_begin(struct folder *f, const char *name, bool is_link)
{
	int r = ringline_semaphore_acquire(places, 1);
	struct job *job;

	if (failed(cptree.source, f, name, NULL, r))
		return;
	job = job_new(f, name, is_link);
	r = job ? ringline_scope_spawn(cptree.scope, copy, job) : -ENOMEM;
	if (!failed(cptree.source, f, name, NULL, r))
		return;
	if (job)
		job_free(job);
	ringline_semaphore_release(places, 1);
}

int copy_init(void)
{
	return ringline_semaphore_new(&places, cptree.jobs, NULL);
}

void copy_exit(void)
{
	tdestroy(inodes, inode_free);
	ringline_semaphore_free(places);
}
