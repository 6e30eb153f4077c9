/* SPDX-License-Identifier: MIT */
/* Nodes and names; faultfs-tree.h tells the idea. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "support/faultfs-tree.h"

#define SELF_COOKIE   1               /* "." */
#define PARENT_COOKIE 2               /* ".."; the names follow */

struct entry {
	char *name;
	struct node *node;
	uint64_t cookie;
};

struct node {
	struct stat st;               /* size and blocks of a regular file: its memfd's */
	uint64_t lookups;
	int fd;                       /* of a regular file; negative: another type */
	char *target;                 /* of a symbolic link */
	GPtrArray *entries;           /* of a directory, oldest first, so that cookies ascend */
	struct node *parent;          /* of a directory */
	GHashTable *xattrs;           /* NULL: none yet */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ino_t last_ino = FUSE_ROOT_ID;
static uint64_t last_cookie = PARENT_COOKIE;

static struct timespec now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t;
}

static void touch(struct node *n)
{
	n->st.st_ctim = n->st.st_mtim = now();
}

/* --- nodes -------------------------------------------------------------------------------------------------------- */

static struct node *node_new(mode_t mode, uid_t uid, gid_t gid)
{
	struct node *n = g_new0(struct node, 1);

	n->fd = -1;
	n->st.st_mode = mode;
	n->st.st_uid = uid;
	n->st.st_gid = gid;
	n->st.st_blksize = 4096;
	touch(n);
	n->st.st_atim = n->st.st_mtim;
	return n;
}

/* What a node of its type has besides. */
static int node_furnish(struct node *n, struct node *parent, const char *target)
{
	if (S_ISREG(n->st.st_mode)) {
		n->fd = memfd_create("faultfs", MFD_CLOEXEC);
		return n->fd < 0 ? errno : 0;
	}
	if (S_ISDIR(n->st.st_mode)) {
		n->entries = g_ptr_array_new();
		n->parent = parent;
	}
	if (S_ISLNK(n->st.st_mode)) {
		n->target = g_strdup(target);
		n->st.st_size = (off_t)strlen(target);
	}
	return 0;
}

static void node_free(struct node *n)
{
	if (n->fd >= 0)
		close(n->fd);
	if (n->entries)
		g_ptr_array_unref(n->entries);
	if (n->xattrs)
		g_hash_table_unref(n->xattrs);
	g_free(n->target);
	g_free(n);
}

static void node_release(struct node *n)
{
	if (!n->st.st_nlink && !n->lookups)
		node_free(n);
}

static void fill(const struct node *n, struct stat *st)
{
	struct stat data;

	*st = n->st;
	if (n->fd < 0 || fstat(n->fd, &data) < 0)
		return;
	st->st_size = data.st_size;
	st->st_blocks = data.st_blocks;
}

static void find(struct node *n, struct found *f)
{
	n->lookups++;
	f->node = n;
	fill(n, &f->st);
}

void tree_forget(struct node *n, uint64_t times)
{
	pthread_mutex_lock(&lock);
	n->lookups -= times;
	node_release(n);
	pthread_mutex_unlock(&lock);
}

void tree_stat(struct node *n, struct stat *st)
{
	pthread_mutex_lock(&lock);
	fill(n, st);
	pthread_mutex_unlock(&lock);
}

struct node *tree_plant(void)
{
	struct node *root = node_new(S_IFDIR | 0755, geteuid(), getegid());

	node_furnish(root, root, NULL);
	root->st.st_ino = FUSE_ROOT_ID;
	root->st.st_nlink = 2;
	return root;
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static struct entry *find_entry(const struct node *dir, const char *name)
{
	guint i;

	for (i = 0; i < dir->entries->len; i++) {
		struct entry *e = g_ptr_array_index(dir->entries, i);

		if (!strcmp(e->name, name))
			return e;
	}
	return NULL;
}

/* A directory is named once by its parent, and by itself; the parent is named by it. */
static void add_entry(struct node *dir, const char *name, struct node *n)
{
	struct entry *e = g_new(struct entry, 1);

	*e = (struct entry){ .name = g_strdup(name), .node = n, .cookie = ++last_cookie };
	g_ptr_array_add(dir->entries, e);
	n->st.st_nlink++;
	n->st.st_ctim = now();
	if (n->entries) {
		n->st.st_nlink++;
		n->parent = dir;
		dir->st.st_nlink++;
	}
	touch(dir);
}

static void remove_entry(struct node *dir, struct entry *e)
{
	struct node *n = e->node;

	g_ptr_array_remove(dir->entries, e);
	g_free(e->name);
	g_free(e);
	n->st.st_nlink--;
	n->st.st_ctim = now();
	if (n->entries) {
		n->st.st_nlink--;
		dir->st.st_nlink--;
	}
	touch(dir);
}

static int can_name(const struct node *dir, const char *name)
{
	if (strlen(name) > TREE_NAME_MAX)
		return ENAMETOOLONG;
	return find_entry(dir, name) ? EEXIST : 0;
}

int tree_lookup(struct node *dir, const char *name, struct found *f)
{
	struct entry *e;

	if (strlen(name) > TREE_NAME_MAX)
		return ENAMETOOLONG;
	pthread_mutex_lock(&lock);
	e = find_entry(dir, name);
	if (e)
		find(e->node, f);
	pthread_mutex_unlock(&lock);
	return e ? 0 : ENOENT;
}

int tree_make(struct node *dir, const char *name, mode_t mode, const char *target, const struct fuse_ctx *owner,
              struct found *f)
{
	struct node *n = node_new(mode, owner->uid, owner->gid);
	int r;

	pthread_mutex_lock(&lock);
	r = can_name(dir, name);
	if (!r)
		r = node_furnish(n, dir, target);
	if (!r) {
		n->st.st_ino = ++last_ino;
		add_entry(dir, name, n);
		find(n, f);
	} else {
		node_free(n);
	}
	pthread_mutex_unlock(&lock);
	return r;
}

int tree_link(struct node *n, struct node *dir, const char *name, struct found *f)
{
	int r;

	pthread_mutex_lock(&lock);
	r = can_name(dir, name);
	if (!r) {
		add_entry(dir, name, n);
		find(n, f);
	}
	pthread_mutex_unlock(&lock);
	return r;
}

static int remove_name(struct node *dir, const char *name, bool want_dir)
{
	struct entry *e = find_entry(dir, name);
	struct node *n;

	if (!e)
		return ENOENT;
	n = e->node;
	if (want_dir && !n->entries)
		return ENOTDIR;
	if (!want_dir && n->entries)
		return EISDIR;
	if (n->entries && n->entries->len)
		return ENOTEMPTY;
	remove_entry(dir, e);
	node_release(n);
	return 0;
}

int tree_unlink(struct node *dir, const char *name)
{
	int r;

	pthread_mutex_lock(&lock);
	r = remove_name(dir, name, false);
	pthread_mutex_unlock(&lock);
	return r;
}

int tree_rmdir(struct node *dir, const char *name)
{
	int r;

	pthread_mutex_lock(&lock);
	r = remove_name(dir, name, true);
	pthread_mutex_unlock(&lock);
	return r;
}

static int swap_names(struct node *from, struct entry *e, struct node *to, const char *new_name)
{
	struct entry *other = find_entry(to, new_name);
	char *name = g_strdup(e->name);
	struct node *a = e->node;
	struct node *b;

	if (!other) {
		g_free(name);
		return ENOENT;
	}
	b = other->node;
	remove_entry(from, e);
	remove_entry(to, other);
	add_entry(to, new_name, a);
	add_entry(from, name, b);
	g_free(name);
	return 0;
}

/* That types agree and no directory gets into itself, the kernel has seen to. */
static int move_name(struct node *from, struct entry *e, struct node *to, const char *new_name)
{
	struct entry *old = find_entry(to, new_name);
	struct node *n = e->node;
	int r;

	if (strlen(new_name) > TREE_NAME_MAX)
		return ENAMETOOLONG;
	if (old && old->node == n)
		return 0;
	if (old) {
		r = remove_name(to, new_name, old->node->entries != NULL);
		if (r)
			return r;
	}
	remove_entry(from, e);
	add_entry(to, new_name, n);
	return 0;
}

int tree_rename(struct node *from, const char *name, struct node *to, const char *new_name, unsigned int flags)
{
	struct entry *e;
	int r;

	pthread_mutex_lock(&lock);
	e = find_entry(from, name);
	if (!e)
		r = ENOENT;
	else if (flags == RENAME_EXCHANGE)
		r = swap_names(from, e, to, new_name);
	else if (flags == RENAME_NOREPLACE && find_entry(to, new_name))
		r = EEXIST;
	else if (flags & ~(unsigned int)RENAME_NOREPLACE)
		r = EINVAL;
	else
		r = move_name(from, e, to, new_name);
	pthread_mutex_unlock(&lock);
	return r;
}

static void list(const char *name, const struct node *n, uint64_t cookie, struct listed *l)
{
	g_strlcpy(l->name, name, sizeof(l->name));
	l->st = n->st;
	l->cookie = cookie;
}

static int next_entry(const struct node *dir, uint64_t cookie, struct listed *l)
{
	guint i;

	for (i = 0; i < dir->entries->len; i++) {
		const struct entry *e = g_ptr_array_index(dir->entries, i);

		if (e->cookie > cookie) {
			list(e->name, e->node, e->cookie, l);
			return 0;
		}
	}
	return ENOENT;
}

int tree_next(struct node *dir, uint64_t cookie, struct listed *l)
{
	int r = 0;

	pthread_mutex_lock(&lock);
	if (cookie < SELF_COOKIE)
		list(".", dir, SELF_COOKIE, l);
	else if (cookie < PARENT_COOKIE)
		list("..", dir->parent, PARENT_COOKIE, l);
	else
		r = next_entry(dir, cookie, l);
	pthread_mutex_unlock(&lock);
	return r;
}

/* --- attributes and bytes ----------------------------------------------------------------------------------------- */

static void set_times(struct node *n, const struct stat *to, int what)
{
	if (what & FUSE_SET_ATTR_ATIME)
		n->st.st_atim = what & FUSE_SET_ATTR_ATIME_NOW ? now() : to->st_atim;
	if (what & FUSE_SET_ATTR_MTIME)
		n->st.st_mtim = what & FUSE_SET_ATTR_MTIME_NOW ? now() : to->st_mtim;
}

static int set(struct node *n, const struct stat *to, int what)
{
	if (what & FUSE_SET_ATTR_SIZE) {
		if (n->fd < 0)
			return EINVAL;
		if (ftruncate(n->fd, to->st_size) < 0)
			return errno;
		touch(n);
	}
	if (what & FUSE_SET_ATTR_MODE)
		n->st.st_mode = (n->st.st_mode & S_IFMT) | (to->st_mode & ~(mode_t)S_IFMT);
	if (what & FUSE_SET_ATTR_UID)
		n->st.st_uid = to->st_uid;
	if (what & FUSE_SET_ATTR_GID)
		n->st.st_gid = to->st_gid;
	set_times(n, to, what);
	n->st.st_ctim = now();
	return 0;
}

int tree_set(struct node *n, const struct stat *to, int what, struct stat *st)
{
	int r;

	pthread_mutex_lock(&lock);
	r = set(n, to, what);
	fill(n, st);
	pthread_mutex_unlock(&lock);
	return r;
}

int tree_fd(const struct node *n)
{
	return n->fd;
}

void tree_written(struct node *n)
{
	pthread_mutex_lock(&lock);
	touch(n);
	pthread_mutex_unlock(&lock);
}

char *tree_target(const struct node *n)
{
	return g_strdup(n->target);
}

/* --- extended attributes ------------------------------------------------------------------------------------------ */

static GBytes *xattr(const struct node *n, const char *name)
{
	return n->xattrs ? g_hash_table_lookup(n->xattrs, name) : NULL;
}

int tree_xattr_set(struct node *n, const char *name, const void *value, size_t size, int flags)
{
	GBytes *old;
	int r = 0;

	pthread_mutex_lock(&lock);
	old = xattr(n, name);
	if (old && flags & XATTR_CREATE)
		r = EEXIST;
	else if (!old && flags & XATTR_REPLACE)
		r = ENODATA;
	if (!n->xattrs)
		n->xattrs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
	if (!r) {
		g_hash_table_replace(n->xattrs, g_strdup(name), g_bytes_new(value, size));
		n->st.st_ctim = now();
	}
	pthread_mutex_unlock(&lock);
	return r;
}

int tree_xattr_remove(struct node *n, const char *name)
{
	bool was;

	pthread_mutex_lock(&lock);
	was = n->xattrs && g_hash_table_remove(n->xattrs, name);
	if (was)
		n->st.st_ctim = now();
	pthread_mutex_unlock(&lock);
	return was ? 0 : ENODATA;
}

int tree_xattr_get(struct node *n, const char *name, char **value, size_t *size)
{
	GBytes *found;

	pthread_mutex_lock(&lock);
	found = xattr(n, name);
	if (found) {
		const void *data = g_bytes_get_data(found, size);

		*value = g_memdup2(data, *size);
	}
	pthread_mutex_unlock(&lock);
	return found ? 0 : ENODATA;
}

void tree_xattr_list(struct node *n, char **names, size_t *size)
{
	GString *all = g_string_new(NULL);
	GHashTableIter i;
	gpointer name;

	pthread_mutex_lock(&lock);
	if (n->xattrs) {
		g_hash_table_iter_init(&i, n->xattrs);
		while (g_hash_table_iter_next(&i, &name, NULL))
			g_string_append_len(all, name, (gssize)strlen(name) + 1);
	}
	pthread_mutex_unlock(&lock);
	*size = all->len;
	*names = g_string_free(all, FALSE);
}
