/* SPDX-License-Identifier: MIT */
/*
 * Going through the directories.
 *
 * A walker reads a directory as a stream and has files copied. A directory it meets gets a walker of its own as long as
 * there are not too many; then it walks there itself, and comes back. So what is held in memory, and open, is what is
 * above the places where something is being done, whether there are a thousand levels or a million entries.
 *
 * Everything is reached from the directory it is in, which is open: a name that has become a symbolic link meanwhile, or
 * a directory that was moved elsewhere, leads nowhere.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cptree.h"

#define WALKERS 8

static struct ringline_semaphore *walkers;
static struct folder *root;
static struct ringline_stat target_stat;         /* of the root */

struct ringline_file *target_root(void)
{
	return root->target;
}

/* Errors */

static char *put_before(char *path, const char *name)
{
	size_t n = strlen(name);

	path -= n + 1;
	memcpy(path, name, n);
	path[n] = '/';
	return path;
}

char *folder_path(const struct folder *f, const char *name)
{
	size_t n = name ? strlen(name) + 1 : 0;
	const struct folder *up;
	char *path;
	char *at;

	for (up = f; up->parent; up = up->parent)
		n += strlen(up->name) + 1;
	path = malloc(n + 1);
	if (!path)
		return NULL;
	at = name ? put_before(path + n, name) : path + n;
	for (up = f; up->parent; up = up->parent)
		at = put_before(at, up->name);
	path[n ? n - 1 : 0] = '\0';
	return path;
}

void make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == '\177')
			*text = '?';
}

void complain(const char *below, const struct folder *f, const char *name, const char *text)
{
	char *path = folder_path(f, name);

	cptree.errors++;
	if (path)
		make_printable(path);
	fprintf(stderr, "%scptree: %s%s%s: %s\n", cptree.clear, below, path && *path ? "/" : "", path ? path : "", text);
	free(path);
}

bool failed(const char *below, const struct folder *f, const char *name, const char *what, int64_t result)
{
	char text[512];

	if (result >= 0)
		return false;
	if (result == -ECANCELED)
		return true;
	snprintf(text, sizeof(text), "%s%s%s", what ? what : "", what ? ": " : "", strerror((int)-result));
	complain(below, f, name, text);
	return true;
}

/* Folders */

static struct folder *folder_new(struct folder *parent, const char *name)
{
	struct folder *f = calloc(1, sizeof(*f) + strlen(name) + 1);

	if (!f)
		return NULL;
	f->parent = parent;
	f->stat.size = sizeof(f->stat);
	f->busy = 1;
	f->references = 1;
	strcpy(f->name, name);
	if (parent)
		parent->references++;
	return f;
}

/* A loop, since the last one at the bottom takes all above along. */
static void folder_unref(struct folder *f)
{
	while (f && --f->references == 0) {
		struct folder *parent = f->parent;

		free(f);
		f = parent;
	}
}

static void folder_close(struct folder *f)
{
	ringline_dir_close(f->source);
	ringline_file_close(f->target);
	f->source = NULL;
	f->target = NULL;
	folder_unref(f);
}

void folder_join(struct folder *f)
{
	f->busy++;
}

void folder_leave(struct folder *f)
{
	struct subject from = { .file = ringline_dir_file(f->source) };
	struct subject to = { .file = f->target };

	if (--f->busy)
		return;
	copy_attributes(f, NULL, &from, &to, &f->stat);
	folder_close(f);
}

/* ringline_dir_open() by name would follow a symbolic link. */
static int open_source(struct folder *f, struct ringline_file *up, const char *name, int flags)
{
	struct ringline_file *dir;
	int r = ringline_file_open(&dir, up, name, O_RDONLY | O_DIRECTORY | flags, 0, NULL);

	if (r < 0)
		return r;
	r = ringline_file_stat(dir, 0, &f->stat);
	if (r == 0)
		r = ringline_dir_open(&f->source, dir, ".");
	ringline_file_close(dir);
	return r;
}

/* One that is there already is used. Nobody else looks into it until it has its permissions. */
static int make_target(struct folder *f, struct ringline_file *up, const char *name, int flags)
{
	int r = ringline_path_mkdir(up, name, 0700);

	if (r < 0 && r != -EEXIST)
		return r;
	return ringline_file_open(&f->target, up, name, O_RDONLY | O_DIRECTORY | flags, 0, NULL);
}

static bool is_target(const struct ringline_stat *s)
{
	return s->inode == target_stat.inode && s->device_major == target_stat.device_major &&
	       s->device_minor == target_stat.device_minor;
}

/* A folder in another one, open here and there; NULL: that failed, and has been told. */
static struct folder *enter(struct folder *parent, const char *name)
{
	struct folder *f = folder_new(parent, name);
	int r = f ? open_source(f, ringline_dir_file(parent->source), name, O_NOFOLLOW) : -ENOMEM;

	if (!failed(cptree.source, parent, name, NULL, r)) {
		if (is_target(&f->stat))
			complain(cptree.source, f, NULL, "is the target, and not copied into itself");
		else if (!failed(cptree.target, f, NULL, NULL, make_target(f, parent->target, name, O_NOFOLLOW)))
			return f;
	}
	if (f)
		folder_close(f);
	return NULL;
}

/* Walkers */

static int walk(void *arg);

/* The folder to go on in: that below, unless somebody else does. */
static struct folder *descend(struct folder *at, const char *name)
{
	struct folder *f = enter(at, name);

	if (!f)
		return at;
	if (ringline_semaphore_try_acquire(walkers, 1) < 0)
		return f;
	if (ringline_scope_spawn(cptree.scope, walk, f) == 0)
		return at;
	ringline_semaphore_release(walkers, 1);
	return f;
}

/* Most file systems say with the name what it is. */
static uint32_t type_of(const struct folder *f, const struct ringline_dirent *entry)
{
	struct ringline_stat stat = RINGLINE_STAT_INIT;
	int r;

	if (entry->type != DT_UNKNOWN)
		return entry->type;
	r = ringline_path_stat(ringline_dir_file(f->source), entry->name, AT_SYMLINK_NOFOLLOW, 0, &stat);
	return failed(cptree.source, f, entry->name, NULL, r) ? DT_UNKNOWN : IFTODT(stat.mode);
}

/* The folder to go on in. */
static struct folder *visit(struct folder *at, const struct ringline_dirent *entry)
{
	uint32_t type = type_of(at, entry);

	switch (type) {
	case DT_DIR:
		return descend(at, entry->name);
	case DT_REG:
	case DT_LNK:
		copy_begin(at, entry->name, type == DT_LNK);
		break;
	case DT_UNKNOWN:
		break;
	default:
		complain(cptree.source, at, entry->name, "is no file, directory or link, and left out");
	}
	return at;
}

/* One entry. The folder to go on in, which at the end of one is that above; NULL above the top. */
static struct folder *step(struct folder *at, const struct folder *top)
{
	struct ringline_dirent entry = RINGLINE_DIRENT_INIT;
	struct folder *above = at == top ? NULL : at->parent;
	int r = ringline_checkpoint();

	if (r == 0)
		r = ringline_dir_read(at->source, &entry);
	if (r > 0)
		return visit(at, &entry);
	failed(cptree.source, at, NULL, NULL, r);
	folder_leave(at);
	return above;
}

static int walk(void *arg)
{
	struct folder *top = arg;
	struct folder *at = top;

	while (at)
		at = step(at, top);
	return ringline_semaphore_release(walkers, 1);
}

/* The tree */

/* What was named on the command line may be a symbolic link. */
static int open_root(void)
{
	int r;

	root = folder_new(NULL, "");
	if (!root)
		return -ENOMEM;
	target_stat.size = sizeof(target_stat);
	r = open_source(root, NULL, cptree.source, 0);
	if (failed(cptree.source, root, NULL, NULL, r))
		return r;
	r = make_target(root, NULL, cptree.target, 0);
	if (r == 0)
		r = ringline_file_stat(root->target, 0, &target_stat);
	if (failed(cptree.target, root, NULL, NULL, r))
		return r;
	if (!is_target(&root->stat))
		return 0;
	complain(cptree.source, root, NULL, "is the target");
	return -EINVAL;
}

/* The root is left last, when all is in it. */
static int walk_tree(void)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	int end;
	int r;

	o.flags = RINGLINE_SCOPE_COLLECT;
	r = ringline_scope_open(&cptree.scope, &o);
	if (r < 0)
		return r;
	folder_join(root);
	r = ringline_scope_spawn(cptree.scope, walk, root);
	if (r < 0)
		folder_leave(root);
	end = ringline_scope_close(cptree.scope);
	return r < 0 ? r : end;
}

static int walk_from_root(void)
{
	int r;

	if (open_root() < 0) {
		if (root)
			folder_close(root);
		return 0;
	}
	r = walk_tree();
	folder_leave(root);
	return r;
}

int copy_tree(void)
{
	int r = ringline_semaphore_new(&walkers, WALKERS - 1, NULL);

	if (r == 0)
		r = copy_init();
	if (r == 0)
		r = walk_from_root();
	copy_exit();
	ringline_semaphore_free(walkers);
	return r;
}
