/* SPDX-License-Identifier: MIT */
/*
 * What cptree copies besides contents. The order matters: a change of owner takes away set-id bits and capabilities,
 * user.* attributes can be set as long as the file may be written, and anything may change the times.
 *
 * Who is not root gets what is his own: his files, user.* attributes, and set-id bits of files that were his before.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cptree.h"

/* The library has each call twice, for open files and for names. */

static int set_owner(const struct subject *s, const struct ringline_stat *stat)
{
	if (!cptree.is_root)
		return 0;
	if (s->file)
		return ringline_file_chown(s->file, stat->uid, stat->gid);
	return ringline_path_chown(s->dir, s->name, stat->uid, stat->gid, AT_SYMLINK_NOFOLLOW);
}

static int set_mode(const struct subject *s, const struct ringline_stat *stat)
{
	uint32_t mode = stat->mode & 07777;

	if (!s->file)
		return 0;
	if (!cptree.is_root && (stat->uid != geteuid() || stat->gid != getegid()))
		mode &= ~(uint32_t)(S_ISUID | S_ISGID);
	return ringline_file_chmod(s->file, mode);
}

static int set_times(const struct subject *s, const struct ringline_stat *stat)
{
	if (s->file)
		return ringline_file_set_times(s->file, &stat->accessed, &stat->modified);
	return ringline_path_set_times(s->dir, s->name, &stat->accessed, &stat->modified, AT_SYMLINK_NOFOLLOW);
}

static ssize_t list_xattr(const struct subject *s, char *names, size_t size)
{
	if (s->file)
		return ringline_file_list_xattr(s->file, names, size);
	return ringline_path_list_xattr(s->dir, s->name, names, size, AT_SYMLINK_NOFOLLOW);
}

static ssize_t get_xattr(const struct subject *s, const char *name, void *value, size_t size)
{
	if (s->file)
		return ringline_file_get_xattr(s->file, name, value, size);
	return ringline_path_get_xattr(s->dir, s->name, name, value, size, AT_SYMLINK_NOFOLLOW);
}

static int set_xattr(const struct subject *s, const char *name, const void *value, size_t size)
{
	if (s->file)
		return ringline_file_set_xattr(s->file, name, value, size, 0);
	return ringline_path_set_xattr(s->dir, s->name, name, value, size, 0, AT_SYMLINK_NOFOLLOW);
}

static int copy_xattr(const struct subject *from, const struct subject *to, const char *name)
{
	void *value = malloc(XATTR_SIZE_MAX);
	ssize_t n = value ? get_xattr(from, name, value, XATTR_SIZE_MAX) : -ENOMEM;

	if (n >= 0)
		n = set_xattr(to, name, value, (size_t)n);
	free(value);
	return n == -ENODATA ? 0 : (int)n;    /* removed since the names were listed */
}

/* All names, or 0: most files have none. */
static ssize_t list_names(const struct subject *s, char **names)
{
	ssize_t n = list_xattr(s, NULL, 0);

	*names = NULL;
	if (n == -EOPNOTSUPP)
		return 0;
	if (n <= 0)
		return n;
	*names = malloc(XATTR_LIST_MAX);
	return *names ? list_xattr(s, *names, XATTR_LIST_MAX) : -ENOMEM;
}

static void copy_xattrs(const struct folder *f, const char *name, const struct subject *from, const struct subject *to)
{
	char *names;
	ssize_t n = list_names(from, &names);
	ssize_t at;

	if (!failed(cptree.source, f, name, "extended attributes", n))
		for (at = 0; at < n; at += (ssize_t)strlen(names + at) + 1)
			if (cptree.is_root || strncmp(names + at, "user.", 5) == 0)
				failed(cptree.target, f, name, names + at, copy_xattr(from, to, names + at));
	free(names);
}

void copy_attributes(const struct folder *f, const char *name, const struct subject *from, const struct subject *to,
                     const struct ringline_stat *stat)
{
	failed(cptree.target, f, name, "owner", set_owner(to, stat));
	copy_xattrs(f, name, from, to);
	failed(cptree.target, f, name, "permissions", set_mode(to, stat));
	failed(cptree.target, f, name, "times", set_times(to, stat));
}
