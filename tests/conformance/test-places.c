/* SPDX-License-Identifier: MIT */
/*
 * The places where files are tested, themselves: each is what it says, and does what files and directories do, so that
 * a test that finds something else has found it in the library. All calls are the system's.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "support/places.h"

#define LARGE (INT64_C(5) << 30)
#define SIZE  1000

static char *path_in(const char *dir, const char *name)
{
	return g_build_filename(dir, name, NULL);
}

/* The errno of a system call that has returned this. */
static int error_of(ssize_t r)
{
	return r < 0 ? errno : 0;
}

static int open_in(const char *dir, const char *name, int flags)
{
	char *path = path_in(dir, name);
	int fd = open(path, flags | O_CLOEXEC, 0644);

	g_free(path);
	return fd;
}

/* A file of SIZE bytes of that stream. */
static void put_file(const char *dir, const char *name, uint32_t seed)
{
	int fd = open_in(dir, name, O_WRONLY | O_CREAT | O_TRUNC);
	char data[SIZE];

	g_assert_cmpint(fd, >=, 0);
	conf_fill(data, sizeof(data), seed, 0);
	g_assert_cmpint(write(fd, data, sizeof(data)), ==, sizeof(data));
	CONF_OK(close(fd));
}

static void check_file(const char *dir, const char *name, uint32_t seed)
{
	int fd = open_in(dir, name, O_RDONLY);
	char data[SIZE + 1];

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(read(fd, data, sizeof(data)), ==, SIZE);
	conf_check(data, SIZE, seed, 0);
	CONF_OK(close(fd));
}

static bool is_there(const char *dir, const char *name)
{
	char *path = path_in(dir, name);
	struct stat st;
	int r = lstat(path, &st);

	g_free(path);
	return r == 0;
}

static unsigned int count_names(const char *dir)
{
	GDir *d = g_dir_open(dir, 0, NULL);
	unsigned int n = 0;

	while (g_dir_read_name(d))
		n++;
	g_dir_close(d);
	return n;
}

/* --- every place -------------------------------------------------------------------------------------------------- */

static const struct {
	const char *kind;
	unsigned long magic;
} magics[] = {
	{ "tmpfs", TMPFS_MAGIC },
	{ "ext4", EXT4_SUPER_MAGIC },
	{ "xfs", XFS_SUPER_MAGIC },
	{ "fuse", FUSE_SUPER_MAGIC },
};

static void is_what_it_says(const char *dir)
{
	struct statfs st;
	size_t i;

	CONF_OK(statfs(dir, &st));
	for (i = 0; i < G_N_ELEMENTS(magics); i++)
		if (place_is(magics[i].kind))
			g_assert_cmphex((unsigned long)st.f_type, ==, magics[i].magic);
	g_assert_cmpint(st.f_namelen, >=, 255);
	g_assert_cmpuint(count_names(dir), ==, 0);
}

static void holds_a_file(const char *dir)
{
	static char data[3 << 20];
	int fd = open_in(dir, "file", O_RDWR | O_CREAT | O_EXCL);
	struct stat st;

	conf_fill(data, sizeof(data), 1, 0);
	g_assert_cmpint(write(fd, data, sizeof(data)), ==, sizeof(data));
	CONF_OK(fsync(fd));
	memset(data, 0, sizeof(data));
	g_assert_cmpint(pread(fd, data, sizeof(data), 0), ==, sizeof(data));
	conf_check(data, sizeof(data), 1, 0);
	CONF_OK(fstat(fd, &st));
	g_assert_cmpint(st.st_size, ==, sizeof(data));
	g_assert_cmpint(pread(fd, data, 1, sizeof(data)), ==, 0);
	CONF_OK(close(fd));
}

static void knows_holes(const char *dir)
{
	int fd = open_in(dir, "sparse", O_RDWR | O_CREAT | O_EXCL);
	struct stat st;
	char byte = 'x';

	g_assert_cmpint(pwrite(fd, &byte, 1, LARGE), ==, 1);
	CONF_OK(fstat(fd, &st));
	g_assert_cmpint(st.st_size, ==, LARGE + 1);
	g_assert_cmpint(st.st_blocks, <, 1 << 11);
	g_assert_cmpint(pread(fd, &byte, 1, LARGE - 1), ==, 1);
	g_assert_cmpint(byte, ==, 0);
	CONF_OK(ftruncate(fd, 10));
	CONF_OK(fallocate(fd, 0, 0, 100));
	CONF_OK(fstat(fd, &st));
	g_assert_cmpint(st.st_size, ==, 100);
	CONF_OK(close(fd));
}

static void links_in(const char *dir, char *a, char *b, char *s)
{
	char target[20];
	struct stat st;

	CONF_OK(link(a, b));
	CONF_OK(stat(a, &st));
	g_assert_cmpuint(st.st_nlink, ==, 2);
	g_assert_cmpint(error_of(link(a, b)), ==, EEXIST);
	CONF_OK(symlink("b", s));
	g_assert_cmpint(readlink(s, target, sizeof(target)), ==, 1);
	check_file(dir, "s", 1);
	CONF_OK(unlink(s));
	CONF_OK(unlink(b));
	CONF_OK(stat(a, &st));
	g_assert_cmpuint(st.st_nlink, ==, 1);
	g_assert_cmpint(error_of(unlink(b)), ==, ENOENT);
}

static void links(const char *dir)
{
	char *a = path_in(dir, "a");
	char *b = path_in(dir, "b");
	char *s = path_in(dir, "s");

	put_file(dir, "a", 1);
	links_in(dir, a, b, s);
	g_free(a);
	g_free(b);
	g_free(s);
}

static void renames_in(const char *dir, char *a, char *b)
{
	put_file(dir, "a", 1);
	put_file(dir, "b", 2);
	g_assert_cmpint(error_of(renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_NOREPLACE)), ==, EEXIST);
	CONF_OK(renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE));
	check_file(dir, "a", 2);
	check_file(dir, "b", 1);
	CONF_OK(rename(a, b));
	check_file(dir, "b", 2);
	g_assert_false(is_there(dir, "a"));
	g_assert_cmpint(error_of(rename(a, b)), ==, ENOENT);
}

static void renames(const char *dir)
{
	char *a = path_in(dir, "a");
	char *b = path_in(dir, "b");

	renames_in(dir, a, b);
	g_free(a);
	g_free(b);
}

static void directories_in(const char *dir, char *d, char *e)
{
	struct stat st;
	int r;

	CONF_OK(mkdir(d, 0750));
	CONF_OK(mkdir(e, 0700));
	g_assert_cmpint(error_of(mkdir(d, 0700)), ==, EEXIST);
	put_file(d, "file", 1);
	g_assert_cmpint(error_of(rmdir(d)), ==, ENOTEMPTY);
	r = error_of(rename(e, d));
	g_assert_true(r == ENOTEMPTY || r == EEXIST);
	g_assert_cmpint(error_of(unlink(d)), ==, EISDIR);
	CONF_OK(rename(d, e));
	check_file(e, "file", 1);
	g_assert_cmpuint(count_names(dir), ==, 1);
	CONF_OK(stat(e, &st));
	g_assert_cmpuint(st.st_mode, ==, S_IFDIR | 0750);
}

static void directories(const char *dir)
{
	char *d = path_in(dir, "d");
	char *e = path_in(dir, "e");

	directories_in(dir, d, e);
	g_free(d);
	g_free(e);
}

/* Readers must get each name once, however many fit into one request. */
static void lists_many(const char *dir)
{
	char name[20];
	int i;

	for (i = 0; i < 300; i++) {
		g_snprintf(name, sizeof(name), "name-%d", i);
		CONF_OK(close(open_in(dir, name, O_WRONLY | O_CREAT | O_EXCL)));
	}
	g_assert_cmpuint(count_names(dir), ==, 300);
}

static void outlives_its_name(const char *dir)
{
	char *path = path_in(dir, "file");
	struct stat st;
	char byte = 'x';
	int fd;

	fd = open_in(dir, "file", O_RDWR | O_CREAT | O_EXCL);
	CONF_OK(unlink(path));
	g_assert_cmpint(pwrite(fd, &byte, 1, 9), ==, 1);
	CONF_OK(fstat(fd, &st));
	g_assert_cmpint(st.st_size, ==, 10);
	g_assert_cmpuint(st.st_nlink, ==, 0);
	CONF_OK(close(fd));
	g_assert_false(is_there(dir, "file"));
	g_free(path);
}

static void attributes(const char *dir)
{
	static const struct timespec times[2] = { { .tv_sec = 1000, .tv_nsec = 5000 }, { .tv_sec = 2000, .tv_nsec = 7000 } };
	uid_t uid = geteuid() ? geteuid() : 1234;
	gid_t gid = geteuid() ? getegid() : 5678;
	char *path = path_in(dir, "file");
	struct stat st;

	put_file(dir, "file", 1);
	CONF_OK(chown(path, uid, gid));
	CONF_OK(chmod(path, 0604));
	CONF_OK(utimensat(AT_FDCWD, path, times, 0));
	CONF_OK(stat(path, &st));
	g_assert_cmpuint(st.st_mode, ==, S_IFREG | 0604);
	g_assert_cmpuint(st.st_uid, ==, uid);
	g_assert_cmpuint(st.st_gid, ==, gid);
	g_assert_cmpint(st.st_atim.tv_sec, ==, 1000);
	g_assert_cmpint(st.st_mtim.tv_sec, ==, 2000);
	g_assert_cmpint(st.st_mtim.tv_nsec, ==, 7000);
	g_free(path);
}

static void check_xattrs(const char *path)
{
	char data[64];

	g_assert_cmpint(error_of(setxattr(path, "user.a", "no", 2, XATTR_CREATE)), ==, EEXIST);
	g_assert_cmpint(error_of(setxattr(path, "user.b", "no", 2, XATTR_REPLACE)), ==, ENODATA);
	g_assert_cmpint(getxattr(path, "user.a", NULL, 0), ==, 5);
	g_assert_cmpint(getxattr(path, "user.a", data, sizeof(data)), ==, 5);
	g_assert_cmpmem(data, 5, "value", 5);
	g_assert_cmpint(error_of(getxattr(path, "user.a", data, 4)), ==, ERANGE);
	/* a security module may have put its own there */
	g_assert_cmpint(listxattr(path, data, sizeof(data)), >=, 7);
	CONF_OK(removexattr(path, "user.a"));
	g_assert_cmpint(error_of(removexattr(path, "user.a")), ==, ENODATA);
	g_assert_cmpint(error_of(getxattr(path, "user.a", data, sizeof(data))), ==, ENODATA);
}

static void extended_attributes(const char *dir)
{
	char *path = path_in(dir, "file");
	int r;

	put_file(dir, "file", 1);
	r = error_of(setxattr(path, "user.a", "value", 5, 0));
	if (r == EOPNOTSUPP && (place_is("here") || place_is("tmpfs"))) {
		g_test_skip("there are no user.* attributes");
	} else {
		CONF_OK(r);
		check_xattrs(path);
	}
	g_free(path);
}

static void runs_full(const char *dir)
{
	int fd = open_in(dir, "file", O_WRONLY | O_CREAT);

	g_assert_cmpint(error_of(fallocate(fd, 0, 0, 400 << 20)), ==, ENOSPC);
	CONF_OK(close(fd));
}

/* --- the program -------------------------------------------------------------------------------------------------- */

static void add(void)
{
	place_add_each("places", "is-what-it-says", is_what_it_says);
	place_add_each("places", "holds-a-file", holds_a_file);
	place_add_each("places", "knows-holes", knows_holes);
	place_add_each("places", "links", links);
	place_add_each("places", "renames", renames);
	place_add_each("places", "directories", directories);
	place_add_each("places", "lists-many", lists_many);
	place_add_each("places", "outlives-its-name", outlives_its_name);
	place_add_each("places", "attributes", attributes);
	place_add_each("places", "extended-attributes", extended_attributes);
	place_add("places", "tmpfs", "runs-full", runs_full);
	place_add("places", "ext4", "runs-full", runs_full);
	place_add("places", "xfs", "runs-full", runs_full);
}

int main(int argc, char **argv)
{
	return place_main(argc, argv, "places", add);
}
