/* SPDX-License-Identifier: MIT */
/*
 * Names in file systems: what each call of path.h is for, on all kinds of file systems; and many at once. What holds for all
 * of them is tested in test-path-each.c, whole files in test-path-whole.c.
 */
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/xattr.h>

#include "support/at.h"
#include "support/places.h"

#define SIZE 1000

/* --- telling ------------------------------------------------------------------------------------------------------ */

static void same_time(const struct ringline_timestamp *t, const struct statx_timestamp *sx)
{
	g_assert_cmpint(t->sec, ==, sx->tv_sec);
	g_assert_cmpuint(t->nsec, ==, sx->tv_nsec);
	g_assert_cmpuint(t->reserved, ==, 0);
}

static void same_stat(const struct ringline_stat *st, const struct statx *sx)
{
	g_assert_cmpuint(st->size, ==, sizeof(*st));
	g_assert_cmphex(st->mask, ==, sx->stx_mask);
	g_assert_cmpuint(st->mode, ==, sx->stx_mode);
	g_assert_cmpuint(st->links, ==, sx->stx_nlink);
	g_assert_cmpuint(st->uid, ==, sx->stx_uid);
	g_assert_cmpuint(st->gid, ==, sx->stx_gid);
	g_assert_cmpuint(st->block_size, ==, sx->stx_blksize);
	g_assert_cmpuint(st->inode, ==, sx->stx_ino);
	g_assert_cmpuint(st->length, ==, sx->stx_size);
	g_assert_cmpuint(st->blocks, ==, sx->stx_blocks);
	g_assert_cmphex(st->attributes, ==, sx->stx_attributes);
	g_assert_cmphex(st->attributes_mask, ==, sx->stx_attributes_mask);
	same_time(&st->accessed, &sx->stx_atime);
	same_time(&st->changed, &sx->stx_ctime);
	same_time(&st->modified, &sx->stx_mtime);
	same_time(&st->created, &sx->stx_btime);
	g_assert_cmpuint(st->device_major, ==, sx->stx_dev_major);
	g_assert_cmpuint(st->device_minor, ==, sx->stx_dev_minor);
	g_assert_cmpuint(st->special_major, ==, sx->stx_rdev_major);
	g_assert_cmpuint(st->special_minor, ==, sx->stx_rdev_minor);
	if (sx->stx_mask & STATX_MNT_ID)
		g_assert_cmpuint(st->mount, ==, sx->stx_mnt_id);
}

/* Of a name and, once more, of many. */
static void tells_same(struct ringline_file *dir, const char *path, int flags, uint32_t mask)
{
	struct ringline_stat st = RINGLINE_STAT_INIT;
	int result = 1;
	struct statx sx;

	memset(&sx, 0, sizeof(sx));
	CONF_OK(statx(dir ? at_fd(dir) : AT_FDCWD, path, flags, mask ? mask : STATX_BASIC_STATS, &sx));
	CONF_OK(ringline_path_stat(dir, path, flags, mask, &st));
	same_stat(&st, &sx);
	memset(&st, 1, sizeof(st));
	CONF_OK(ringline_path_stat_many(dir, &path, 1, flags, mask, &st, sizeof(st), &result));
	CONF_OK(result);
	same_stat(&st, &sx);
}

static void make_each_type(int dir)
{
	at_put(dir, "file", 1, SIZE);
	CONF_OK(symlinkat("file", dir, "link"));
	CONF_OK(symlinkat("directory", dir, "way"));
	CONF_OK(symlinkat("nothing", dir, "dangling"));
	CONF_OK(mkdirat(dir, "directory", 0710));
	CONF_OK(mkfifoat(dir, "fifo", 0620));
}

static void tells_everything(struct ringline_file *dir)
{
	static const char *const names[] = { "file", "link", "way", "dangling", "directory", "fifo", ".", "..", "way/..",
	                                     "directory/", "way/", "/dev/null" };
	static const uint32_t masks[] = { 0, STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, STATX_TYPE, STATX_SIZE | STATX_INO };
	size_t i;
	size_t j;

	make_each_type(at_fd(dir));
	for (i = 0; i < G_N_ELEMENTS(names); i++) {
		for (j = 0; j < G_N_ELEMENTS(masks); j++) {
			tells_same(dir, names[i], AT_SYMLINK_NOFOLLOW, masks[j]);
			if (strcmp(names[i], "dangling") != 0)
				tells_same(dir, names[i], 0, masks[j]);
			tells_same(dir, names[i], AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_FORCE_SYNC, masks[j]);
		}
	}
	tells_same(dir, "", AT_EMPTY_PATH, 0);
	tells_same(NULL, "/dev/zero", AT_STATX_DONT_SYNC, 0);
}

static void test_tells_everything(const char *path)
{
	at_run(path, tells_everything);
}

static void follows(struct ringline_file *dir)
{
	struct ringline_stat st = RINGLINE_STAT_INIT;

	make_each_type(at_fd(dir));
	CONF_OK(ringline_path_stat(dir, "link", 0, 0, &st));
	g_assert_cmpuint(st.mode & S_IFMT, ==, S_IFREG);
	g_assert_cmpuint(st.length, ==, SIZE);
	CONF_OK(ringline_path_stat(dir, "link", AT_SYMLINK_NOFOLLOW, 0, &st));
	g_assert_cmpuint(st.mode & S_IFMT, ==, S_IFLNK);
	g_assert_cmpuint(st.length, ==, 4);
	CONF_OK(ringline_path_stat(dir, "way", AT_SYMLINK_NOFOLLOW, 0, &st));
	g_assert_cmpuint(st.mode & S_IFMT, ==, S_IFLNK);
	CONF_OK(ringline_path_stat(dir, "way/", AT_SYMLINK_NOFOLLOW, 0, &st));
	g_assert_cmpuint(st.mode, ==, S_IFDIR | 0710);
	AT_ERROR(ringline_path_stat(dir, "dangling", 0, 0, &st), ENOENT);
	AT_ERROR(ringline_path_stat(dir, "file/", 0, 0, &st), ENOTDIR);
	AT_ERROR(ringline_path_stat(dir, "link/", 0, 0, &st), ENOTDIR);
	AT_ERROR(ringline_path_stat(dir, "file/x", 0, 0, &st), ENOTDIR);
	CONF_OK(ringline_path_stat(NULL, "/dev/zero", 0, 0, &st));
	g_assert_cmpuint(st.mode & S_IFMT, ==, S_IFCHR);
	g_assert_cmpuint(st.special_major, ==, 1);
	g_assert_cmpuint(st.special_minor, ==, 5);
}

static void test_follows(const char *path)
{
	at_run(path, follows);
}

/* A program that was compiled with another version of the structure. */
static void sizes(struct ringline_file *dir)
{
	struct { struct ringline_stat st; char more[16]; } large;
	struct ringline_stat st = RINGLINE_STAT_INIT;
	const size_t small = offsetof(struct ringline_stat, links);

	at_put(at_fd(dir), "file", 1, SIZE);
	memset(&st, 1, sizeof(st));
	st.size = small;
	CONF_OK(ringline_path_stat(dir, "file", 0, 0, &st));
	g_assert_cmpuint(st.size, ==, small);
	g_assert_cmpuint(st.mode, ==, S_IFREG | 0644);
	g_assert_cmphex(st.links, ==, 0x01010101);
	memset(&large, 1, sizeof(large));
	large.st.size = sizeof(large);
	CONF_OK(ringline_path_stat(dir, "file", 0, 0, &large.st));
	g_assert_cmpuint(large.st.size, ==, sizeof(large));
	g_assert_cmpuint(large.st.length, ==, SIZE);
	g_assert_cmpuint(large.more[0] | large.more[15], ==, 0);
}

static void test_sizes(const char *path)
{
	mode_t before = umask(022);

	at_run(path, sizes);
	umask(before);
}

/* --- telling of many ---------------------------------------------------------------------------------------------- */

#define MIXED 6

static void many_mixed(struct ringline_file *dir)
{
	static const char *const names[MIXED] = { "file", "nothing", NULL, "file/x", "/dev/null", "directory" };
	static const int wanted[MIXED] = { 0, -ENOENT, -EINVAL, -ENOTDIR, 0, 0 };
	struct ringline_stat st[MIXED];
	int results[MIXED];
	struct ringline_op *op;
	int i;

	make_each_type(at_fd(dir));
	g_assert_cmpint(ringline_path_stat_many(dir, names, MIXED, 0, 0, st, sizeof(st[0]), results), ==, 3);
	for (i = 0; i < MIXED; i++)
		g_assert_cmpint(results[i], ==, wanted[i]);
	g_assert_cmpuint(st[0].length, ==, SIZE);
	g_assert_cmpuint(st[4].special_minor, ==, 3);
	g_assert_cmpuint(st[5].mode, ==, S_IFDIR | 0710);
	CONF_OK(ringline_path_stat_many(dir, names, 0, 0, 0, st, sizeof(st[0]), results));
	CONF_OK(ringline_path_stat_many_begin(&op, dir, names, MIXED, 0, 0, st, sizeof(st[0]), results));
	g_assert_cmpint(ringline_op_await(op), ==, 3);
	g_assert_cmpint(ringline_path_stat_many(NULL, names + 4, 1, 0, 0, st, sizeof(st[0]), results), ==, 0);
}

static void test_many_mixed(const char *path)
{
	at_run(path, many_mixed);
}

/* Structures that lie further apart, or are shorter, than the library's. */
static void many_sizes(struct ringline_file *dir)
{
	static const char *const names[2] = { "file", "link" };
	struct { struct ringline_stat st; uint64_t mine; } far[2];
	const size_t small = 4 * sizeof(uint32_t);
	struct ringline_stat room[2];
	uint32_t first[8];
	int results[2];

	make_each_type(at_fd(dir));
	memset(far, 1, sizeof(far));
	CONF_OK(ringline_path_stat_many(dir, names, 2, 0, 0, &far[0].st, sizeof(far[0]), results));
	g_assert_cmpuint(far[0].st.inode, ==, far[1].st.inode);
	g_assert_cmpuint(far[1].st.length, ==, SIZE);
	g_assert_cmpuint(far[1].st.size, ==, sizeof(far[1]));
	g_assert_cmpuint(far[0].mine | far[1].mine, ==, 0);
	memset(room, 1, sizeof(room));
	CONF_OK(ringline_path_stat_many(dir, names, 2, AT_SYMLINK_NOFOLLOW, 0, room, small, results));
	memcpy(first, room, sizeof(first));           /* size, mask and mode, twice */
	g_assert_cmpuint(first[0], ==, small);
	g_assert_cmpuint(first[3] & S_IFMT, ==, S_IFREG);
	g_assert_cmpuint(first[4], ==, small);
	g_assert_cmpuint(first[7] & S_IFMT, ==, S_IFLNK);
	g_assert_cmphex(((const unsigned char *)room)[2 * small], ==, 1);
}

static void test_many_sizes(const char *path)
{
	at_run(path, many_sizes);
}

/* What was looked at before the cut is told, the rest is -ECANCELED, whatever cut it. */
static void many_cut(struct ringline_file *dir)
{
	static const char *const names[4] = { "file", "directory", "fifo", "link" };
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	int results[4] = { 1, 1, 1, 1 };
	struct ringline_scope *scope;
	struct ringline_stat st[4];
	struct ringline_op *op;
	int i;

	make_each_type(at_fd(dir));
	place_fault("stall lookup");
	CONF_OK(ringline_path_stat_many_begin(&op, dir, names, 4, 0, 0, st, sizeof(st[0]), results));
	place_stalled("lookup");
	CONF_OK(ringline_op_cancel(op));
	place_fault("release lookup");
	AT_ERROR(ringline_op_await(op), ECANCELED);
	CONF_OK(results[0]);
	g_assert_cmpuint(st[0].length, ==, SIZE);
	for (i = 1; i < 4; i++)
		AT_ERROR(results[i], ECANCELED);
	o.deadline = 1;
	memset(results, 1, sizeof(results));
	CONF_OK(ringline_scope_open(&scope, &o));
	AT_ERROR(ringline_path_stat_many(dir, names, 4, 0, 0, st, sizeof(st[0]), results), ETIME);
	AT_ERROR(ringline_scope_close(scope), ETIME);
	for (i = 0; i < 4; i++)
		AT_ERROR(results[i], ECANCELED);
}

static void test_many_cut(const char *path)
{
	at_run(path, many_cut);
}

/* Behind others nothing is looked at. */
static void many_queued(struct ringline_file *dir)
{
	static const char *const names[2] = { ".", ".." };
	struct ringline_stat st[2];
	struct ringline_op *op;
	int results[2] = { 1, 1 };
	struct at_gate g;

	at_gate_close(&g, at_class());
	CONF_OK(ringline_path_stat_many_begin(&op, dir, names, 2, 0, 0, st, sizeof(st[0]), results));
	CONF_OK(ringline_op_cancel(op));
	AT_ERROR(ringline_op_await(op), ECANCELED);
	at_gate_open(&g);
	AT_ERROR(results[0], ECANCELED);
	AT_ERROR(results[1], ECANCELED);
}

static void test_many_queued(const char *path)
{
	at_run_queued(path, many_queued);
}

/* --- names, and where they begin ----------------------------------------------------------------------------------- */

#define NAME_MAX_LEN 255
#define DEPTH        20

static const char *case_path;

/* A name that begins with a slash goes its way whatever directory it is given with. */
static void absolute(struct ringline_file *dir)
{
	struct ringline_file *elsewhere = at_open(NULL, "/proc");
	char *file = g_build_filename(case_path, "file", NULL);
	char *other = g_build_filename(case_path, "other", NULL);
	struct ringline_stat st = RINGLINE_STAT_INIT;
	struct ringline_buf *buf;
	char target[10];

	CONF_OK(ringline_path_write_atomic(elsewhere, file, "abc", 3, 0600));
	CONF_OK(ringline_path_stat(elsewhere, file, 0, 0, &st));
	g_assert_cmpuint(st.length, ==, 3);
	CONF_OK(ringline_path_rename(elsewhere, file, elsewhere, other, 0));
	CONF_OK(ringline_path_link(elsewhere, other, dir, "file", 0));
	CONF_OK(ringline_path_truncate(elsewhere, file, 2));
	g_assert_cmpint(ringline_path_read_all(&buf, elsewhere, other, 2), ==, 2);
	CONF_OK(ringline_buf_unref(buf));
	CONF_OK(ringline_path_unlink(elsewhere, file));
	CONF_OK(ringline_path_symlink("x", NULL, file));
	g_assert_cmpint(ringline_path_readlink(elsewhere, file, target, sizeof(target)), ==, 1);
	CONF_OK(ringline_path_chmod(elsewhere, other, 0400, 0));
	CONF_OK(ringline_path_unlink(NULL, other));
	CONF_OK(ringline_path_mkdir(NULL, other, 0700));
	CONF_OK(ringline_path_rmdir(elsewhere, other));
	g_assert_cmpuint(at_count(at_fd(dir)), ==, 1);
	CONF_OK(ringline_file_close(elsewhere));
	g_free(file);
	g_free(other);
}

static void test_absolute(const char *path)
{
	case_path = path;
	at_run(path, absolute);
}

/* 255 bytes are a name, 256 are none. */
static void long_names(struct ringline_file *dir)
{
	struct ringline_stat st = RINGLINE_STAT_INIT;
	struct ringline_buf *buf;
	char name[NAME_MAX_LEN + 2];
	char room[10];

	memset(name, 'n', sizeof(name));
	name[NAME_MAX_LEN] = '\0';
	CONF_OK(ringline_path_write_atomic(dir, name, "abc", 3, 0600));
	CONF_OK(ringline_path_stat(dir, name, 0, 0, &st));
	CONF_OK(ringline_path_truncate(dir, name, 1));
	g_assert_cmpint(ringline_path_read_all(&buf, dir, name, 1), ==, 1);
	CONF_OK(ringline_buf_unref(buf));
	CONF_OK(ringline_path_rename(dir, name, dir, "short", 0));
	CONF_OK(ringline_path_rename(dir, "short", dir, name, 0));
	CONF_OK(ringline_path_unlink(dir, name));
	CONF_OK(ringline_path_mkdir(dir, name, 0700));
	CONF_OK(ringline_path_rmdir(dir, name));
	name[NAME_MAX_LEN] = 'n';
	name[NAME_MAX_LEN + 1] = '\0';
	AT_ERROR(ringline_path_stat(dir, name, 0, 0, &st), ENAMETOOLONG);
	AT_ERROR(ringline_path_mkdir(dir, name, 0700), ENAMETOOLONG);
	AT_ERROR(ringline_path_symlink("a", dir, name), ENAMETOOLONG);
	AT_ERROR(ringline_path_unlink(dir, name), ENAMETOOLONG);
	AT_ERROR(ringline_path_rename(dir, name, dir, "b", 0), ENAMETOOLONG);
	AT_ERROR(ringline_path_truncate(dir, name, 0), ENAMETOOLONG);
	AT_ERROR(ringline_path_get_xattr(dir, name, "user.a", room, 1, 0), ENAMETOOLONG);
	AT_ERROR(ringline_path_read_all(&buf, dir, name, 1), ENAMETOOLONG);
	AT_ERROR(ringline_path_write_atomic(dir, name, "a", 1, 0600), ENAMETOOLONG);
	g_assert_cmpuint(at_count(at_fd(dir)), ==, 0);
}

static void test_long_names(const char *path)
{
	at_run(path, long_names);
}

/* 4095 bytes are a path, 4096 are none. */
static void long_paths(struct ringline_file *dir)
{
	struct ringline_stat st = RINGLINE_STAT_INIT;
	char *path = g_malloc(PATH_MAX + 1);
	struct ringline_buf *buf;
	char room[10];
	size_t i;

	for (i = 0; i < PATH_MAX; i++)
		path[i] = i % 2 ? '/' : '.';
	memcpy(path + PATH_MAX - 5, "file", 5);
	path[PATH_MAX - 6] = '/';
	CONF_OK(ringline_path_write_atomic(dir, path, "abc", 3, 0600));
	CONF_OK(ringline_path_stat(dir, path, 0, 0, &st));
	CONF_OK(ringline_path_chmod(dir, path, 0400, 0));
	CONF_OK(ringline_path_link(dir, path, dir, "other", 0));
	g_assert_cmpint(ringline_path_read_all(&buf, dir, path, 3), ==, 3);
	CONF_OK(ringline_buf_unref(buf));
	CONF_OK(ringline_path_truncate(dir, path, 1));
	g_assert_cmpint(ringline_path_list_xattr(dir, path, NULL, 0, 0), >=, 0);
	CONF_OK(ringline_path_unlink(dir, path));
	memcpy(path + PATH_MAX - 5, "/file", 6);
	AT_ERROR(ringline_path_write_atomic(dir, path, "abc", 3, 0600), ENAMETOOLONG);
	AT_ERROR(ringline_path_stat(dir, path, 0, 0, &st), ENAMETOOLONG);
	AT_ERROR(ringline_path_read_all(&buf, dir, path, 3), ENAMETOOLONG);
	AT_ERROR(ringline_path_truncate(dir, path, 1), ENAMETOOLONG);
	AT_ERROR(ringline_path_get_xattr(dir, path, "user.a", room, 1, 0), ENAMETOOLONG);
	AT_ERROR(ringline_path_symlink(path, dir, "pointer"), ENAMETOOLONG);
	g_assert_cmpuint(at_count(at_fd(dir)), ==, 1);
	g_free(path);
}

static void test_long_paths(const char *path)
{
	at_run(path, long_paths);
}

/* Links that lead to themselves. */
static void loops(struct ringline_file *dir)
{
	struct ringline_stat st = RINGLINE_STAT_INIT;
	struct ringline_buf *buf;
	char room[10];

	CONF_OK(ringline_path_symlink("loop", dir, "loop"));
	AT_ERROR(ringline_path_stat(dir, "loop", 0, 0, &st), ELOOP);
	AT_ERROR(ringline_path_stat(dir, "loop/x", AT_SYMLINK_NOFOLLOW, 0, &st), ELOOP);
	AT_ERROR(ringline_path_mkdir(dir, "loop/x", 0700), ELOOP);
	AT_ERROR(ringline_path_symlink("a", dir, "loop/x"), ELOOP);
	AT_ERROR(ringline_path_unlink(dir, "loop/x"), ELOOP);
	AT_ERROR(ringline_path_rmdir(dir, "loop/x"), ELOOP);
	AT_ERROR(ringline_path_rename(dir, "loop/x", dir, "y", 0), ELOOP);
	AT_ERROR(ringline_path_link(dir, "loop", dir, "y", AT_SYMLINK_FOLLOW), ELOOP);
	AT_ERROR(ringline_path_readlink(dir, "loop/x", room, sizeof(room)), ELOOP);
	AT_ERROR(ringline_path_truncate(dir, "loop", 0), ELOOP);
	AT_ERROR(ringline_path_chmod(dir, "loop", 0600, 0), ELOOP);
	AT_ERROR(ringline_path_chown(dir, "loop", RINGLINE_KEEP_ID, RINGLINE_KEEP_ID, 0), ELOOP);
	AT_ERROR(ringline_path_set_times(dir, "loop", NULL, NULL, 0), ELOOP);
	AT_ERROR(ringline_path_get_xattr(dir, "loop", "user.a", room, 1, 0), ELOOP);
	AT_ERROR(ringline_path_set_xattr(dir, "loop", "user.a", room, 1, 0, 0), ELOOP);
	AT_ERROR(ringline_path_list_xattr(dir, "loop", room, 1, 0), ELOOP);
	AT_ERROR(ringline_path_remove_xattr(dir, "loop", "user.a", 0), ELOOP);
	AT_ERROR(ringline_path_read_all(&buf, dir, "loop", 1), ELOOP);
	AT_ERROR(ringline_path_write_atomic(dir, "loop/x", "a", 1, 0600), ELOOP);
	g_assert_cmpint(ringline_path_readlink(dir, "loop", room, sizeof(room)), ==, 4);
}

static void test_loops(const char *path)
{
	at_run(path, loops);
}

/* Below a file, and where nothing is. */
static void missing(struct ringline_file *dir)
{
	static const char *const names[] = { "file/x", "nothing" };
	static const int errors[] = { ENOTDIR, ENOENT };
	struct ringline_stat st = RINGLINE_STAT_INIT;
	struct ringline_buf *buf;
	char room[10];
	int i;

	at_put(at_fd(dir), "file", 1, SIZE);
	for (i = 0; i < 2; i++) {
		AT_ERROR(ringline_path_stat(dir, names[i], 0, 0, &st), errors[i]);
		AT_ERROR(ringline_path_rename(dir, names[i], dir, "y", 0), errors[i]);
		AT_ERROR(ringline_path_unlink(dir, names[i]), errors[i]);
		AT_ERROR(ringline_path_rmdir(dir, names[i]), errors[i]);
		AT_ERROR(ringline_path_link(dir, names[i], dir, "y", 0), errors[i]);
		AT_ERROR(ringline_path_readlink(dir, names[i], room, sizeof(room)), errors[i]);
		AT_ERROR(ringline_path_truncate(dir, names[i], 0), errors[i]);
		AT_ERROR(ringline_path_chmod(dir, names[i], 0600, 0), errors[i]);
		AT_ERROR(ringline_path_chown(dir, names[i], RINGLINE_KEEP_ID, RINGLINE_KEEP_ID, 0), errors[i]);
		AT_ERROR(ringline_path_set_times(dir, names[i], NULL, NULL, 0), errors[i]);
		AT_ERROR(ringline_path_get_xattr(dir, names[i], "user.a", room, 1, 0), errors[i]);
		AT_ERROR(ringline_path_set_xattr(dir, names[i], "user.a", room, 1, 0, 0), errors[i]);
		AT_ERROR(ringline_path_list_xattr(dir, names[i], room, 1, 0), errors[i]);
		AT_ERROR(ringline_path_remove_xattr(dir, names[i], "user.a", 0), errors[i]);
		AT_ERROR(ringline_path_read_all(&buf, dir, names[i], 1), errors[i]);
	}
	AT_ERROR(ringline_path_mkdir(dir, "file/x", 0700), ENOTDIR);
	AT_ERROR(ringline_path_mkdir(dir, "nothing/x", 0700), ENOENT);
	AT_ERROR(ringline_path_symlink("a", dir, "file/x"), ENOTDIR);
	AT_ERROR(ringline_path_symlink("a", dir, "nothing/x"), ENOENT);
	AT_ERROR(ringline_path_link(dir, "file", dir, "nothing/x", 0), ENOENT);
	AT_ERROR(ringline_path_rename(dir, "file", dir, "nothing/x", 0), ENOENT);
	AT_ERROR(ringline_path_write_atomic(dir, "file/x", "a", 1, 0600), ENOTDIR);
	AT_ERROR(ringline_path_write_atomic(dir, "nothing/x", "a", 1, 0600), ENOENT);
	AT_ERROR(ringline_path_rmdir(dir, "file"), ENOTDIR);
	g_assert_cmpuint(at_count(at_fd(dir)), ==, 1);
}

static void test_missing(const char *path)
{
	at_run(path, missing);
}

/* What is given as a directory and is none. */
static void no_directory(struct ringline_file *dir)
{
	struct ringline_stat st = RINGLINE_STAT_INIT;
	struct ringline_file *file;
	struct ringline_buf *buf;
	char room[10];

	at_put(at_fd(dir), "file", 1, SIZE);
	CONF_OK(ringline_file_open(&file, dir, "file", O_RDONLY, 0, NULL));
	AT_ERROR(ringline_path_stat(file, "x", 0, 0, &st), ENOTDIR);
	AT_ERROR(ringline_path_mkdir(file, "x", 0700), ENOTDIR);
	AT_ERROR(ringline_path_rename(dir, "file", file, "x", 0), ENOTDIR);
	AT_ERROR(ringline_path_truncate(file, "x", 0), ENOTDIR);
	AT_ERROR(ringline_path_get_xattr(file, "x", "user.a", room, 1, 0), ENOTDIR);
	AT_ERROR(ringline_path_read_all(&buf, file, "x", 1), ENOTDIR);
	AT_ERROR(ringline_path_write_atomic(file, "x", "a", 1, 0600), ENOTDIR);
	CONF_OK(ringline_path_stat(file, "", AT_EMPTY_PATH, 0, &st));
	g_assert_cmpuint(st.length, ==, SIZE);
	CONF_OK(ringline_file_close(file));
}

static void test_no_directory(const char *path)
{
	at_run(path, no_directory);
}

/* A directory stays the same, whatever its name, and when it has none. */
static void renamed_directory(struct ringline_file *dir)
{
	struct ringline_stat st = RINGLINE_STAT_INIT;
	struct ringline_file *below;

	CONF_OK(ringline_path_mkdir(dir, "first", 0700));
	below = at_open(dir, "first");
	CONF_OK(ringline_path_rename(dir, "first", dir, "second", 0));
	CONF_OK(ringline_path_write_atomic(below, "file", "a", 1, 0600));
	CONF_OK(ringline_path_truncate(below, "file", 2));
	CONF_OK(ringline_path_stat(dir, "second/file", 0, 0, &st));
	g_assert_cmpuint(st.length, ==, 2);
	CONF_OK(ringline_path_unlink(below, "file"));
	CONF_OK(ringline_path_rmdir(dir, "second"));
	AT_ERROR(ringline_path_mkdir(below, "x", 0700), ENOENT);
	AT_ERROR(ringline_path_stat(below, "file", 0, 0, &st), ENOENT);
	AT_ERROR(ringline_path_write_atomic(below, "file", "a", 1, 0600), ENOENT);
	CONF_OK(ringline_file_close(below));
}

static void test_renamed_directory(const char *path)
{
	at_run(path, renamed_directory);
}

/* --- changing names ------------------------------------------------------------------------------------------------ */

static void renames(struct ringline_file *dir)
{
	struct ringline_file *sub;
	int fd = at_fd(dir);

	at_put(fd, "a", 1, SIZE);
	at_put(fd, "b", 2, SIZE);
	CONF_OK(ringline_path_mkdir(dir, "sub", 0700));
	sub = at_open(dir, "sub");
	AT_ERROR(ringline_path_rename(dir, "a", dir, "b", RENAME_NOREPLACE), EEXIST);
	CONF_OK(ringline_path_rename(dir, "a", dir, "b", RENAME_EXCHANGE));
	g_assert_true(at_holds(fd, "a", 2, SIZE) && at_holds(fd, "b", 1, SIZE));
	AT_ERROR(ringline_path_rename(dir, "a", dir, "c", RENAME_EXCHANGE), ENOENT);
	CONF_OK(ringline_path_rename(dir, "a", dir, "c", RENAME_NOREPLACE));
	CONF_OK(ringline_path_rename(dir, "b", dir, "c", 0));
	g_assert_true(at_holds(fd, "c", 1, SIZE));
	CONF_OK(ringline_path_rename(dir, "c", sub, "d", 0));
	g_assert_true(at_holds(fd, "sub/d", 1, SIZE));
	AT_ERROR(ringline_path_rename(dir, "sub", dir, "sub/below", 0), EINVAL);
	AT_ERROR(ringline_path_rename(sub, "d", dir, "sub", 0), ENOTEMPTY);
	CONF_OK(ringline_path_rename(sub, "d", dir, "a", 0));
	AT_ERROR(ringline_path_rename(dir, "a", dir, "sub", 0), EISDIR);
	AT_ERROR(ringline_path_rename(dir, "sub", dir, "a", 0), ENOTDIR);
	CONF_OK(ringline_path_rename(dir, "a", dir, "sub", RENAME_EXCHANGE));
	g_assert_true(S_ISDIR(at_stat(fd, "a").st_mode) && at_holds(fd, "sub", 1, SIZE));
	CONF_OK(ringline_path_rename(dir, "sub", dir, "sub", 0));
	g_assert_cmpuint(at_count(fd), ==, 2);
	CONF_OK(ringline_file_close(sub));
}

static void test_renames(const char *path)
{
	at_run(path, renames);
}

/* What overlay file systems leave where something was: a device that is none. */
static void whiteouts(struct ringline_file *dir)
{
	int fd = at_fd(dir);

	at_put(fd, "a", 1, SIZE);
	CONF_OK(ringline_path_rename(dir, "a", dir, "b", RENAME_WHITEOUT));
	g_assert_true(at_holds(fd, "b", 1, SIZE));
	g_assert_true(S_ISCHR(at_stat(fd, "a").st_mode));
	g_assert_cmpuint(at_stat(fd, "a").st_rdev, ==, 0);
	AT_ERROR(ringline_path_rename(dir, "b", dir, "a", RENAME_WHITEOUT | RENAME_EXCHANGE), EINVAL);
}

static void test_whiteouts(const char *path)
{
	at_run(path, whiteouts);
}

static void removes(struct ringline_file *dir)
{
	int fd = at_fd(dir);

	make_each_type(fd);
	at_put(fd, "directory/file", 1, SIZE);
	AT_ERROR(ringline_path_unlink(dir, "directory"), EISDIR);
	AT_ERROR(ringline_path_rmdir(dir, "directory"), ENOTEMPTY);
	AT_ERROR(ringline_path_rmdir(dir, "way"), ENOTDIR);
	AT_ERROR(ringline_path_rmdir(dir, "directory/."), EINVAL);
	AT_ERROR(ringline_path_unlink(dir, "file/"), ENOTDIR);
	CONF_OK(ringline_path_unlink(dir, "link"));
	CONF_OK(ringline_path_unlink(dir, "dangling"));
	CONF_OK(ringline_path_unlink(dir, "fifo"));
	CONF_OK(ringline_path_unlink(dir, "way/file"));
	CONF_OK(ringline_path_unlink(dir, "way"));
	CONF_OK(ringline_path_rmdir(dir, "directory/"));
	g_assert_true(at_holds(fd, "file", 1, SIZE));
	g_assert_cmpuint(at_count(fd), ==, 1);
}

static void test_removes(const char *path)
{
	at_run(path, removes);
}

static void makes(struct ringline_file *dir)
{
	int fd = at_fd(dir);

	CONF_OK(ringline_path_mkdir(dir, "open", 0777));
	g_assert_cmpuint(at_stat(fd, "open").st_mode, ==, S_IFDIR | 0750);
	CONF_OK(ringline_path_mkdir(dir, "sticky", 01700));
	g_assert_cmpuint(at_stat(fd, "sticky").st_mode, ==, S_IFDIR | 01700);
	AT_ERROR(ringline_path_mkdir(dir, "open", 0777), EEXIST);
	AT_ERROR(ringline_path_mkdir(dir, ".", 0777), EEXIST);
	CONF_OK(ringline_path_mkdir(dir, "open/below/", 0700));
	g_assert_true(at_has(fd, "open/below"));
	CONF_OK(ringline_path_write_atomic(dir, "file", "a", 1, 0666));
	g_assert_cmpuint(at_stat(fd, "file").st_mode, ==, S_IFREG | 0640);
}

static void test_makes(const char *path)
{
	mode_t before = umask(027);

	at_run(path, makes);
	umask(before);
}

static void links(struct ringline_file *dir)
{
	struct ringline_file *sub;
	int fd = at_fd(dir);

	make_each_type(fd);
	sub = at_open(dir, "directory");
	CONF_OK(ringline_path_link(dir, "file", sub, "second", 0));
	g_assert_cmpuint(at_stat(fd, "file").st_nlink, ==, 2);
	g_assert_cmpuint(at_stat(fd, "directory/second").st_ino, ==, at_stat(fd, "file").st_ino);
	AT_ERROR(ringline_path_link(dir, "file", sub, "second", 0), EEXIST);
	CONF_OK(ringline_path_link(dir, "link", dir, "link-2", 0));
	g_assert_true(S_ISLNK(at_stat(fd, "link-2").st_mode));
	CONF_OK(ringline_path_link(dir, "link", dir, "file-2", AT_SYMLINK_FOLLOW));
	g_assert_cmpuint(at_stat(fd, "file").st_nlink, ==, 3);
	AT_ERROR(ringline_path_link(dir, "directory", dir, "directory-2", 0), EPERM);
	AT_ERROR(ringline_path_link(dir, "dangling", dir, "x", AT_SYMLINK_FOLLOW), ENOENT);
	CONF_OK(ringline_file_close(sub));
}

static void test_links(const char *path)
{
	at_run(path, links);
}

#define TARGET "0123456789"

/* With a zero byte behind it, and nothing cut off. */
static void reads_links(struct ringline_file *dir)
{
	char *target = g_malloc(PATH_MAX);
	char room[PATH_MAX];
	size_t n;

	CONF_OK(ringline_path_symlink(TARGET, dir, "link"));
	for (n = 1; n <= 10; n++) {
		memset(room, 'x', sizeof(room));
		AT_ERROR(ringline_path_readlink(dir, "link", room, n), ERANGE);
		g_assert_cmpint(room[n], ==, 'x');
	}
	g_assert_cmpint(ringline_path_readlink(dir, "link", room, 11), ==, 10);
	g_assert_cmpstr(room, ==, TARGET);
	g_assert_cmpint(room[11], ==, 'x');
	g_assert_cmpint(ringline_path_readlink(dir, "link", room, sizeof(room)), ==, 10);
	AT_ERROR(ringline_path_readlink(dir, ".", room, sizeof(room)), EINVAL);
	AT_ERROR(ringline_path_symlink(TARGET, dir, "link"), EEXIST);
	/* ext4 and xfs keep no longer ones than a block, less a little */
	memset(target, 'y', 1000);
	target[1000] = '\0';
	CONF_OK(ringline_path_symlink(target, dir, "long"));
	g_assert_cmpint(ringline_path_readlink(dir, "long", room, sizeof(room)), ==, 1000);
	g_assert_cmpstr(room, ==, target);
	g_free(target);
}

static void test_reads_links(const char *path)
{
	at_run(path, reads_links);
}

/* More room than the system call can be told of: its argument is an int. */
static void much_room(struct ringline_file *dir)
{
	size_t size = ((size_t)1 << 32) + 4;
	char *room = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	g_assert_true(room != MAP_FAILED);
	CONF_OK(ringline_path_symlink(TARGET, dir, "link"));
	g_assert_cmpint(ringline_path_readlink(dir, "link", room, size), ==, 10);
	g_assert_cmpstr(room, ==, TARGET);
	g_assert_cmpint(ringline_path_readlink(dir, "link", room, (size_t)1 << 31), ==, 10);
	g_assert_cmpint(ringline_path_readlink(dir, "link", room, (size_t)1 << 32), ==, 10);
	CONF_OK(munmap(room, size));
}

static void test_much_room(const char *path)
{
	at_run(path, much_room);
}

/* --- attributes ---------------------------------------------------------------------------------------------------- */

static void truncates(struct ringline_file *dir)
{
	int fd = at_fd(dir);
	char data[SIZE];

	make_each_type(fd);
	CONF_OK(ringline_path_truncate(dir, "file", 100));
	g_assert_true(at_holds(fd, "file", 1, 100));
	CONF_OK(ringline_path_truncate(dir, "link", 200));
	g_assert_cmpuint(at_read(fd, "file", data, SIZE), ==, 200);
	conf_check(data, 100, 1, 0);
	g_assert_cmpint(data[100] | data[199], ==, 0);
	CONF_OK(ringline_path_truncate(dir, "file", 0));
	g_assert_cmpint(at_stat(fd, "file").st_size, ==, 0);
	AT_ERROR(ringline_path_truncate(dir, "directory", 0), EISDIR);
	AT_ERROR(ringline_path_truncate(dir, "dangling", 0), ENOENT);
	AT_ERROR(ringline_path_truncate(dir, "fifo", 0), EINVAL);
}

static void test_truncates(const char *path)
{
	at_run(path, truncates);
}

/* More than the file system can. */
static void truncates_too_far(struct ringline_file *dir)
{
	at_put(at_fd(dir), "file", 1, SIZE);
	AT_ERROR(ringline_path_truncate(dir, "file", INT64_MAX), EFBIG);
	g_assert_true(at_holds(at_fd(dir), "file", 1, SIZE));
}

static void test_truncates_too_far(const char *path)
{
	at_run(path, truncates_too_far);
}

/* Links have no permissions of their own; what does have them takes a system call of Linux 6.6 for the flag. */
static void permissions(struct ringline_file *dir)
{
	int fd = at_fd(dir);
	int r;

	make_each_type(fd);
	CONF_OK(ringline_path_chmod(dir, "file", 04711, 0));
	g_assert_cmpuint(at_stat(fd, "file").st_mode, ==, S_IFREG | 04711);
	CONF_OK(ringline_path_chmod(dir, "link", 0600, 0));
	g_assert_cmpuint(at_stat(fd, "file").st_mode, ==, S_IFREG | 0600);
	CONF_OK(ringline_path_chmod(dir, "directory", 01777, 0));
	g_assert_cmpuint(at_stat(fd, "directory").st_mode, ==, S_IFDIR | 01777);
	AT_ERROR(ringline_path_chmod(dir, "link", 0644, AT_SYMLINK_NOFOLLOW), EOPNOTSUPP);
	g_assert_cmpuint(at_stat(fd, "file").st_mode, ==, S_IFREG | 0600);
	r = ringline_path_chmod(dir, "file", 0644, AT_SYMLINK_NOFOLLOW);
	g_assert_true(r == 0 || r == -EOPNOTSUPP);
	g_assert_cmpuint(at_stat(fd, "file").st_mode, ==, r == 0 ? S_IFREG | 0644 : S_IFREG | 0600);
}

static void test_permissions(const char *path)
{
	at_run(path, permissions);
}

static void owners(struct ringline_file *dir)
{
	int fd = at_fd(dir);

	make_each_type(fd);
	CONF_OK(ringline_path_chown(dir, "file", 11, 12, 0));
	CONF_OK(ringline_path_chown(dir, "link", 13, 14, AT_SYMLINK_NOFOLLOW));
	g_assert_cmpuint(at_stat(fd, "file").st_uid, ==, 11);
	g_assert_cmpuint(at_stat(fd, "file").st_gid, ==, 12);
	g_assert_cmpuint(at_stat(fd, "link").st_uid, ==, 13);
	g_assert_cmpuint(at_stat(fd, "link").st_gid, ==, 14);
	CONF_OK(ringline_path_chown(dir, "link", RINGLINE_KEEP_ID, 22, 0));
	g_assert_cmpuint(at_stat(fd, "file").st_uid, ==, 11);
	g_assert_cmpuint(at_stat(fd, "file").st_gid, ==, 22);
	CONF_OK(ringline_path_chown(dir, "file", 21, RINGLINE_KEEP_ID, 0));
	g_assert_cmpuint(at_stat(fd, "file").st_uid, ==, 21);
	g_assert_cmpuint(at_stat(fd, "file").st_gid, ==, 22);
	CONF_OK(ringline_path_chown(dir, "file", RINGLINE_KEEP_ID, RINGLINE_KEEP_ID, 0));
	g_assert_cmpuint(at_stat(fd, "file").st_uid, ==, 21);
}

static void test_owners(const char *path)
{
	if (geteuid() != 0)
		g_test_skip("not root");
	else
		at_run(path, owners);
}

static void assert_times(int fd, const char *name, int64_t accessed, int64_t modified)
{
	struct stat st = at_stat(fd, name);

	g_assert_cmpint(st.st_atim.tv_sec, ==, accessed);
	g_assert_cmpint(st.st_mtim.tv_sec, ==, modified);
}

static void times(struct ringline_file *dir)
{
	const struct ringline_timestamp first = { .sec = 1000, .nsec = 5 };
	const struct ringline_timestamp second = { .sec = 2000, .nsec = 7 };
	const struct ringline_timestamp keep = { .nsec = RINGLINE_TIME_KEEP };
	const struct ringline_timestamp now = { .nsec = RINGLINE_TIME_NOW };
	const struct ringline_timestamp then = { .sec = 5000, .nsec = 999999999 };
	const struct ringline_timestamp before = { .sec = -5, .nsec = 1 };
	int fd = at_fd(dir);
	struct stat st;

	make_each_type(fd);
	CONF_OK(ringline_path_set_times(dir, "link", &first, &second, AT_SYMLINK_NOFOLLOW));
	assert_times(fd, "link", 1000, 2000);
	g_assert_cmpint(at_stat(fd, "file").st_mtim.tv_sec, >, 2000);
	CONF_OK(ringline_path_set_times(dir, "link", &second, &first, 0));
	assert_times(fd, "file", 2000, 1000);
	g_assert_cmpint(at_stat(fd, "file").st_atim.tv_nsec, ==, second.nsec);
	CONF_OK(ringline_path_set_times(dir, "file", &keep, &then, 0));
	assert_times(fd, "file", 2000, 5000);
	g_assert_cmpint(at_stat(fd, "file").st_mtim.tv_nsec, ==, 999999999);
	CONF_OK(ringline_path_set_times(dir, "file", &then, &keep, 0));
	assert_times(fd, "file", 5000, 5000);
	CONF_OK(ringline_path_set_times(dir, "file", &keep, &keep, 0));
	assert_times(fd, "file", 5000, 5000);
	CONF_OK(ringline_path_set_times(dir, "file", &now, &keep, 0));
	st = at_stat(fd, "file");
	g_assert_true(st.st_atim.tv_sec > 5000 && st.st_mtim.tv_sec == 5000);
	CONF_OK(ringline_path_set_times(dir, "file", NULL, NULL, 0));
	g_assert_cmpint(at_stat(fd, "file").st_mtim.tv_sec, >, 5000);
	/* since 1970, and before */
	CONF_OK(ringline_path_set_times(dir, "directory", &before, &before, 0));
	if (!place_is("fuse"))
		assert_times(fd, "directory", -5, -5);
}

static void test_times(const char *path)
{
	at_run(path, times);
}

/* --- extended attributes ------------------------------------------------------------------------------------------- */

static void xattrs_of(struct ringline_file *dir, const char *name)
{
	char value[10];
	char names[256];
	ssize_t n;

	CONF_OK(ringline_path_set_xattr(dir, name, "user.a", "value", 5, XATTR_CREATE, 0));
	AT_ERROR(ringline_path_set_xattr(dir, name, "user.a", "value", 5, XATTR_CREATE, 0), EEXIST);
	AT_ERROR(ringline_path_set_xattr(dir, name, "user.b", "value", 5, XATTR_REPLACE, 0), ENODATA);
	AT_ERROR(ringline_path_set_xattr(dir, name, "user.a", "value", 5, 64, 0), EINVAL);
	g_assert_cmpint(ringline_path_get_xattr(dir, name, "user.a", NULL, 0, 0), ==, 5);
	g_assert_cmpint(ringline_path_get_xattr(dir, name, "user.a", value, 5, 0), ==, 5);
	g_assert_cmpmem(value, 5, "value", 5);
	AT_ERROR(ringline_path_get_xattr(dir, name, "user.a", value, 4, 0), ERANGE);
	AT_ERROR(ringline_path_get_xattr(dir, name, "user.b", value, 4, 0), ENODATA);
	CONF_OK(ringline_path_set_xattr(dir, name, "user.a", "other", 5, XATTR_REPLACE, 0));
	CONF_OK(ringline_path_set_xattr(dir, name, "user.empty", NULL, 0, 0, 0));
	CONF_OK(ringline_path_get_xattr(dir, name, "user.empty", value, 4, 0));
	n = ringline_path_list_xattr(dir, name, NULL, 0, 0);
	g_assert_cmpint(n, >=, 18);
	g_assert_cmpint(ringline_path_list_xattr(dir, name, names, (size_t)n, 0), ==, n);
	g_assert_nonnull(memmem(names, (size_t)n, "user.a", 7));
	g_assert_nonnull(memmem(names, (size_t)n, "user.empty", 11));
	AT_ERROR(ringline_path_list_xattr(dir, name, names, (size_t)n - 1, 0), ERANGE);
	CONF_OK(ringline_path_remove_xattr(dir, name, "user.a", 0));
	AT_ERROR(ringline_path_remove_xattr(dir, name, "user.a", 0), ENODATA);
	CONF_OK(ringline_path_remove_xattr(dir, name, "user.empty", 0));
}

/* Links have none of the user's, and trusted ones only of root. */
static void xattrs_of_links(struct ringline_file *dir)
{
	char value[10];
	char names[256];

	AT_ERROR(ringline_path_set_xattr(dir, "link", "user.a", "value", 5, 0, AT_SYMLINK_NOFOLLOW), EPERM);
	CONF_OK(ringline_path_set_xattr(dir, "link", "trusted.a", "of link", 7, 0, AT_SYMLINK_NOFOLLOW));
	CONF_OK(ringline_path_set_xattr(dir, "link", "trusted.a", "of file", 7, 0, 0));
	g_assert_cmpint(ringline_path_get_xattr(dir, "link", "trusted.a", value, 10, AT_SYMLINK_NOFOLLOW), ==, 7);
	g_assert_cmpmem(value, 7, "of link", 7);
	g_assert_cmpint(ringline_path_get_xattr(dir, "file", "trusted.a", value, 10, AT_SYMLINK_NOFOLLOW), ==, 7);
	g_assert_cmpmem(value, 7, "of file", 7);
	CONF_OK(ringline_path_remove_xattr(dir, "link", "trusted.a", 0));
	AT_ERROR(ringline_path_get_xattr(dir, "link", "trusted.a", value, 10, 0), ENODATA);
	g_assert_cmpint(ringline_path_list_xattr(dir, "link", names, sizeof(names), AT_SYMLINK_NOFOLLOW), >=, 10);
	g_assert_nonnull(memmem(names, sizeof(names), "trusted.a", 10));
	CONF_OK(ringline_path_remove_xattr(dir, "link", "trusted.a", AT_SYMLINK_NOFOLLOW));
	AT_ERROR(ringline_path_remove_xattr(dir, "link", "trusted.a", AT_SYMLINK_NOFOLLOW), ENODATA);
}

static void xattrs(struct ringline_file *dir)
{
	static char large[XATTR_SIZE_MAX + 1];

	make_each_type(at_fd(dir));
	if (ringline_path_set_xattr(dir, "file", "user.a", "a", 1, 0, 0) == -EOPNOTSUPP) {
		g_test_skip("there are no user.* attributes");
		return;
	}
	CONF_OK(ringline_path_remove_xattr(dir, "file", "user.a", 0));
	xattrs_of(dir, "file");
	xattrs_of(dir, "link");
	xattrs_of(dir, "directory");
	if (geteuid() == 0)
		xattrs_of_links(dir);
	AT_ERROR(ringline_path_set_xattr(dir, "file", "user.large", large, sizeof(large), 0, 0), E2BIG);
	AT_ERROR(ringline_path_set_xattr(dir, "file", "nothing.a", "a", 1, 0, 0), EOPNOTSUPP);
	AT_ERROR(ringline_path_set_xattr(dir, "fifo", "user.a", "a", 1, 0, 0), EPERM);
	if (place_is("ext4"))
		AT_ERROR(ringline_path_set_xattr(dir, "file", "user.large", large, 16384, 0, 0), ENOSPC);
}

static void test_xattrs(const char *path)
{
	at_run(path, xattrs);
}

/* --- many at once -------------------------------------------------------------------------------------------------- */

#define MANY   1000
#define WINDOW 256
#define TASKS  64
#define CROWD  10000

/* Files of different lengths; what they are is told by the system. */
static ino_t inodes[MANY];

static const char *name_of(char *room, const char *prefix, unsigned int i)
{
	g_snprintf(room, 24, "%s%u", prefix, i);
	return room;
}

static void make_different(int dir)
{
	char name[24];
	unsigned int i;

	for (i = 0; i < MANY; i++) {
		int fd = openat(dir, name_of(name, "f", i), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

		g_assert_cmpint(fd, >=, 0);
		CONF_OK(ftruncate(fd, i));
		CONF_OK(close(fd));
		inodes[i] = at_stat(dir, name).st_ino;
	}
}

static void is_number(const struct ringline_stat *st, unsigned int i)
{
	g_assert_cmpuint(st->inode, ==, inodes[i]);
	g_assert_cmpuint(st->length, ==, i);
}

/* One task, many operations. The names must stay as long as these. */
static void window_of_stats(struct ringline_file *dir)
{
	static struct ringline_stat st[WINDOW];
	static char name[WINDOW][24];
	static unsigned int number[WINDOW];
	struct ringline_op *op[WINDOW] = { NULL };
	unsigned int begun;
	unsigned int ended;

	for (begun = 0, ended = 0; ended < MANY;) {
		ssize_t which = begun;
		int64_t result;

		if (begun >= WINDOW) {
			which = ringline_op_await_any(op, WINDOW, &result);
			g_assert_cmpint(which, >=, 0);
			CONF_OK(result);
			is_number(&st[which], number[which]);
			ended++;
		}
		if (begun >= MANY)
			continue;
		number[which] = (begun * 7) % MANY;
		st[which] = (struct ringline_stat)RINGLINE_STAT_INIT;
		CONF_OK(ringline_path_stat_begin(&op[which], dir, name_of(name[which], "f", number[which]), 0, 0, &st[which]));
		begun++;
	}
}

static struct ringline_file *shared_dir;
static unsigned int next_start;

/* Each at another place. */
static int task_of_stats(void *arg)
{
	struct ringline_stat st = RINGLINE_STAT_INIT;
	unsigned int start = next_start++ * 13;
	char name[24];
	unsigned int i;

	(void)arg;
	for (i = 0; i < MANY; i += 5) {
		unsigned int n = (start + i) % MANY;

		CONF_OK(ringline_path_stat(shared_dir, name_of(name, "f", n), 0, 0, &st));
		is_number(&st, n);
	}
	return 0;
}

static void never_cross(struct ringline_file *dir)
{
	struct ringline_scope *scope;
	int i;

	make_different(at_fd(dir));
	window_of_stats(dir);
	shared_dir = dir;
	next_start = 0;
	CONF_OK(ringline_scope_open(&scope, NULL));
	for (i = 0; i < TASKS; i++)
		CONF_OK(ringline_scope_spawn(scope, task_of_stats, NULL));
	window_of_stats(dir);
	CONF_OK(ringline_scope_close(scope));
}

static void test_never_cross(const char *path)
{
	at_run(path, never_cross);
}

/* All of a crowd, WINDOW at a time: begin(op, i) for each number. */
static void each_of_crowd(struct ringline_file *dir, int (*begin)(struct ringline_op **op, struct ringline_file *dir,
                                                                  unsigned int slot, unsigned int i))
{
	struct ringline_op *op[WINDOW];
	unsigned int i;
	unsigned int n;

	for (i = 0; i < CROWD; i += n) {
		int64_t result[WINDOW];

		for (n = 0; n < WINDOW && i + n < CROWD; n++)
			CONF_OK(begin(&op[n], dir, n, i + n));
		CONF_OK(ringline_op_await_all(op, n, result));
		while (n--)
			CONF_OK(result[n]);
		n = MIN(WINDOW, CROWD - i);
	}
}

static char crowd_name[WINDOW][24];
static char crowd_to[WINDOW][24];
static struct ringline_file *crowd_file[WINDOW];

static int begin_make(struct ringline_op **op, struct ringline_file *dir, unsigned int slot, unsigned int i)
{
	return ringline_file_open_begin(op, &crowd_file[slot], dir, name_of(crowd_name[slot], "f", i),
	                                O_WRONLY | O_CREAT | O_EXCL, 0600, NULL);
}

static int begin_rename(struct ringline_op **op, struct ringline_file *dir, unsigned int slot, unsigned int i)
{
	return ringline_path_rename_begin(op, dir, name_of(crowd_name[slot], "f", i), dir,
	                                  name_of(crowd_to[slot], "renamed-", i), RENAME_NOREPLACE);
}

static int begin_unlink(struct ringline_op **op, struct ringline_file *dir, unsigned int slot, unsigned int i)
{
	return ringline_path_unlink_begin(op, dir, name_of(crowd_to[slot], "renamed-", i));
}

/* Files are closed as they are made. */
static void make_crowd(struct ringline_file *dir)
{
	unsigned int i;

	for (i = 0; i < CROWD; i++) {
		struct ringline_op *op;

		CONF_OK(begin_make(&op, dir, i % WINDOW, i));
		CONF_OK(ringline_op_await(op));
		CONF_OK(ringline_file_close(crowd_file[i % WINDOW]));
	}
}

static void stat_crowd(struct ringline_file *dir, const char *prefix)
{
	struct ringline_stat *st = g_new(struct ringline_stat, CROWD);
	char (*name)[24] = g_malloc(CROWD * sizeof(*name));
	const char **names = g_new(const char *, CROWD);
	int *results = g_new(int, CROWD);
	unsigned int i;

	for (i = 0; i < CROWD; i++)
		names[i] = name_of(name[i], prefix, i);
	CONF_OK(ringline_path_stat_many(dir, names, CROWD, 0, 0, st, sizeof(*st), results));
	for (i = 0; i < CROWD; i++) {
		CONF_OK(results[i]);
		if (i % 100 == 0)
			g_assert_cmpuint(st[i].inode, ==, at_stat(at_fd(dir), names[i]).st_ino);
		g_assert_cmpuint(st[i].mode, ==, S_IFREG | 0600);
	}
	g_free(results);
	g_free(names);
	g_free(name);
	g_free(st);
}

static void crowd(struct ringline_file *dir)
{
	make_crowd(dir);
	stat_crowd(dir, "f");
	each_of_crowd(dir, begin_rename);
	stat_crowd(dir, "renamed-");
	g_assert_cmpuint(at_count(at_fd(dir)), ==, CROWD);
	each_of_crowd(dir, begin_unlink);
	g_assert_cmpuint(at_count(at_fd(dir)), ==, 0);
}

static void test_crowd(const char *path)
{
	at_run(path, crowd);
}

/* --- the program ---------------------------------------------------------------------------------------------------- */

#define TOPIC "path"

/* On file systems of this machine. */
static void add_local(const char *name, void (*fn)(const char *dir))
{
	place_add(TOPIC, "here", name, fn);
	place_add(TOPIC, "tmpfs", name, fn);
	place_add(TOPIC, "ext4", name, fn);
	place_add(TOPIC, "xfs", name, fn);
}

static void add_telling(void)
{
	place_add_each(TOPIC, "stat-tells-everything", test_tells_everything);
	place_add_each(TOPIC, "stat-follows-links-unless-told", test_follows);
	place_add(TOPIC, "here", "stat-structures-of-other-sizes", test_sizes);
	place_add(TOPIC, "here", "stat-many-tells-of-each-name", test_many_mixed);
	place_add(TOPIC, "here", "stat-many-structures-of-other-sizes", test_many_sizes);
	place_add(TOPIC, "fuse", "stat-many-cut-in-the-middle", test_many_cut);
	place_add_each(TOPIC, "stat-many-cut-in-the-queue", test_many_queued);
}

static void add_names(void)
{
	place_add_each(TOPIC, "absolute-names-need-no-directory", test_absolute);
	place_add_each(TOPIC, "long-names", test_long_names);
	place_add_each(TOPIC, "long-paths", test_long_paths);
	place_add_each(TOPIC, "loops-of-links", test_loops);
	place_add_each(TOPIC, "missing-names", test_missing);
	place_add_each(TOPIC, "a-file-is-no-directory", test_no_directory);
	place_add_each(TOPIC, "a-directory-stays-the-same", test_renamed_directory);
	place_add_each(TOPIC, "renames", test_renames);
	place_add(TOPIC, "tmpfs", "whiteouts", test_whiteouts);
	place_add(TOPIC, "ext4", "whiteouts", test_whiteouts);
	place_add_each(TOPIC, "removes", test_removes);
	place_add_each(TOPIC, "makes", test_makes);
	place_add_each(TOPIC, "links", test_links);
	place_add_each(TOPIC, "readlink-cuts-nothing-off", test_reads_links);
	place_add(TOPIC, "here", "readlink-with-much-room", test_much_room);
}

static void add_attributes(void)
{
	place_add_each(TOPIC, "truncates", test_truncates);
	place_add(TOPIC, "ext4", "truncates-too-far", test_truncates_too_far);
	place_add_each(TOPIC, "permissions", test_permissions);
	place_add_each(TOPIC, "owners", test_owners);
	place_add_each(TOPIC, "times", test_times);
	place_add_each(TOPIC, "extended-attributes", test_xattrs);
	place_add_each(TOPIC, "concurrent-stats-never-cross", test_never_cross);
	add_local("ten-thousand-files", test_crowd);
}

static void add(void)
{
	add_telling();
	add_names();
	add_attributes();
}

int main(int argc, char **argv)
{
	return place_main(argc, argv, TOPIC, add);
}
