/* SPDX-License-Identifier: MIT */
/* What is done to a file as a whole: syncs, length, space, advice, what it tells of itself, permissions, owners, times, attributes. */
#include <stdio.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "support/files.h"

#define SIZE 20000
#define GIB  (UINT64_C(1) << 30)

/* --- syncs -------------------------------------------------------------------------------------------------------- */

static int sync_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR);
	struct ringline_file *at = file_open(dir, ".", O_RDONLY | O_DIRECTORY);
	struct ringline_file *name = file_open(dir, "file", O_PATH);
	uint64_t syncs = place_is("fuse") ? place_count("fsync") : 0;

	CONF_OK(ringline_file_sync(file));
	CONF_OK(ringline_file_datasync(file));
	CONF_OK(ringline_file_sync(at));
	if (place_is("fuse"))
		g_assert_cmpuint(place_count("fsync"), ==, syncs + 3);
	CONF_OK(ringline_file_sync_range(file, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER));
	CONF_OK(ringline_file_sync_range(file, 4096, 100, SYNC_FILE_RANGE_WRITE));
	CONF_OK(ringline_file_sync_range(file, 0, 8 * GIB, SYNC_FILE_RANGE_WRITE));
	CONF_OK(ringline_file_sync_range(file, 0, INT64_MAX, SYNC_FILE_RANGE_WRITE));
	g_assert_cmpint(ringline_file_sync_range(file, 0, 0, 1 << 20), ==, -EINVAL);
	g_assert_cmpint(ringline_file_sync_range(file, (uint64_t)INT64_MAX + 1, 0, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_file_sync_range(file, 1, INT64_MAX, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_file_sync(name), ==, -EBADF);
	g_assert_cmpint(ringline_file_datasync(name), ==, -EBADF);
	g_assert_cmpint(ringline_file_sync_range(name, 0, 0, 0), ==, -EBADF);
	CONF_OK(ringline_file_close(name));
	CONF_OK(ringline_file_close(at));
	return ringline_file_close(file);
}

static void test_sync(const char *dir)
{
	file_put(dir, "file", SIZE, 1);
	file_run(dir, sync_main);
}

static int stream_main(void *arg)
{
	struct ringline_file *file;
	int fd[2];

	(void)arg;
	CONF_OK(pipe2(fd, O_CLOEXEC));
	CONF_OK(ringline_file_from_fd(&file, fd[1]));
	g_assert_cmpint(ringline_file_sync(file), ==, -EINVAL);
	g_assert_cmpint(ringline_file_datasync(file), ==, -EINVAL);
	g_assert_cmpint(ringline_file_sync_range(file, 0, 1, SYNC_FILE_RANGE_WRITE), ==, -ESPIPE);
	g_assert_cmpint(ringline_file_truncate(file, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_file_allocate(file, 0, 0, 1), ==, -ESPIPE);
	g_assert_cmpint(ringline_file_advise(file, 0, 1, POSIX_FADV_NORMAL), ==, -ESPIPE);
	CONF_OK(close(fd[0]));
	return ringline_file_close(file);
}

static void test_stream(void)
{
	CONF_OK(conf_run(stream_main, NULL));
}

/* --- length and space --------------------------------------------------------------------------------------------- */

static int truncate_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR);
	struct ringline_file *reader = file_open(dir, "file", O_RDONLY);
	char data[10];

	CONF_OK(ringline_file_truncate(file, 100));
	file_check(dir, "file", 100, 1);
	CONF_OK(ringline_file_truncate(file, SIZE));
	g_assert_cmpint(ringline_file_read(file, data, 10, SIZE - 10), ==, 10);
	g_assert_cmpmem(data, 10, "\0\0\0\0\0\0\0\0\0\0", 10);
	CONF_OK(ringline_file_truncate(file, 5 * GIB));
	g_assert_cmpuint(file_length(dir, "file"), ==, 5 * GIB);
	CONF_OK(ringline_file_truncate(file, 0));
	g_assert_cmpuint(file_length(dir, "file"), ==, 0);
	g_assert_cmpint(ringline_file_truncate(file, (uint64_t)INT64_MAX + 1), ==, -EINVAL);
	g_assert_cmpint(ringline_file_truncate(reader, 0), ==, -EINVAL);
	CONF_OK(ringline_file_close(reader));
	return ringline_file_close(file);
}

static void test_truncate(const char *dir)
{
	file_put(dir, "file", SIZE, 1);
	file_run(dir, truncate_main);
}

/* The mode, if the file system knows it. */
static int allocated(struct ringline_file *file, int mode, uint64_t offset, uint64_t len)
{
	int r = ringline_file_allocate(file, mode, offset, len);

	if (r != -EOPNOTSUPP)
		CONF_OK(r);
	return r;
}

static int allocate_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR);
	struct ringline_file *reader = file_open(dir, "file", O_RDONLY);
	struct ringline_stat st = RINGLINE_STAT_INIT;
	char data[100];

	CONF_OK(ringline_file_allocate(file, FALLOC_FL_KEEP_SIZE, 0, 100000));
	g_assert_cmpuint(file_length(dir, "file"), ==, SIZE);
	CONF_OK(ringline_file_allocate(file, 0, 0, 100000));
	g_assert_cmpuint(file_length(dir, "file"), ==, 100000);
	CONF_OK(ringline_file_stat(file, STATX_BLOCKS, &st));
	if (!place_is("fuse"))
		g_assert_cmpuint(st.blocks, >=, 100000 / 512);
	if (allocated(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8192) == 0) {
		g_assert_cmpint(ringline_file_read(file, data, 100, 8192 - 50), ==, 100);
		g_assert_cmpint(data[0] | data[49], ==, 0);
		conf_check(data + 50, 50, 1, 8192);
	}
	if (allocated(file, FALLOC_FL_ZERO_RANGE, 10000, 10) == 0) {
		g_assert_cmpint(ringline_file_read(file, data, 10, 10000), ==, 10);
		g_assert_cmpmem(data, 10, "\0\0\0\0\0\0\0\0\0\0", 10);
	}
	g_assert_cmpint(ringline_file_allocate(file, 0, 0, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_file_allocate(file, 0, INT64_MAX, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_file_allocate(file, 0, (uint64_t)INT64_MAX + 1, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_file_allocate(file, 0, 0, UINT64_MAX), ==, -EINVAL);
	g_assert_cmpint(ringline_file_allocate(file, 1 << 20, 0, 100), ==, -EOPNOTSUPP);
	g_assert_cmpint(ringline_file_allocate(file, FALLOC_FL_PUNCH_HOLE, 0, 100), <, 0);
	g_assert_cmpint(ringline_file_allocate(reader, 0, 0, 100), ==, -EBADF);
	CONF_OK(ringline_file_close(reader));
	return ringline_file_close(file);
}

static void test_allocate(const char *dir)
{
	file_put(dir, "file", SIZE, 1);
	file_run(dir, allocate_main);
}

/* More than 4 GiB of it, with one call. */
static int allocate_long_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR | O_CREAT);
	struct statfs fs;
	int r;

	CONF_OK(fstatfs(ringline_file_fd(file), &fs));
	r = ringline_file_allocate(file, FALLOC_FL_KEEP_SIZE, 0, 5 * GIB);
	if ((uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize < 5 * GIB)
		g_assert_true(r == -ENOSPC || r == -EFBIG || place_is("fuse"));
	CONF_OK(ringline_file_truncate(file, 5 * GIB + 10));
	r = allocated(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1, 5 * GIB);
	g_assert_cmpuint(file_length(dir, "file"), ==, 5 * GIB + 10);
	CONF_OK(ringline_file_truncate(file, 0));
	return ringline_file_close(file);
}

static void test_allocate_long(const char *dir)
{
	file_run(dir, allocate_long_main);
}

static int advise_main(void *dir)
{
	static const int advice[] = { POSIX_FADV_NORMAL, POSIX_FADV_RANDOM, POSIX_FADV_SEQUENTIAL, POSIX_FADV_WILLNEED,
	                              POSIX_FADV_DONTNEED, POSIX_FADV_NOREUSE };
	struct ringline_file *file = file_open(dir, "file", O_RDONLY);
	struct ringline_op *op;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(advice); i++) {
		CONF_OK(ringline_file_advise(file, 0, SIZE, advice[i]));
		CONF_OK(ringline_file_advise(file, 100, 0, advice[i]));
		CONF_OK(ringline_file_advise(file, 6 * GIB, 1, advice[i]));
		CONF_OK(ringline_file_advise(file, 0, UINT32_MAX, advice[i]));
		CONF_OK(ringline_file_advise(file, 0, (uint64_t)UINT32_MAX + 1, advice[i]));
		CONF_OK(ringline_file_advise(file, 0, INT64_MAX, advice[i]));
		CONF_OK(ringline_file_advise_begin(&op, file, 1, 5 * GIB, advice[i]));
		g_assert_cmpint(ringline_op_await(op), ==, 0);
	}
	g_assert_cmpint(ringline_file_advise(file, 0, 0, 99), ==, -EINVAL);
	g_assert_cmpint(ringline_file_advise(file, UINT64_MAX, 1, POSIX_FADV_NORMAL), ==, -EINVAL);
	g_assert_cmpint(ringline_file_advise(file, 2, INT64_MAX - 1, POSIX_FADV_NORMAL), ==, -EINVAL);
	return ringline_file_close(file);
}

static void test_advise(const char *dir)
{
	file_put(dir, "file", SIZE, 1);
	file_run(dir, advise_main);
}

/* A long range is that range, not all of the file: what lies behind it stays in the cache. */
static int long_ranges_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR | O_CREAT);
	struct iovec iov;
	char page[4096] = { 1 };

	iov = (struct iovec){ page, sizeof(page) };
	g_assert_cmpint(ringline_file_write(file, page, sizeof(page), 0), ==, sizeof(page));
	g_assert_cmpint(ringline_file_write(file, page, sizeof(page), 6 * GIB), ==, sizeof(page));
	CONF_OK(ringline_file_sync(file));
	if (preadv2(ringline_file_fd(file), &iov, 1, 6 * (off_t)GIB, RWF_NOWAIT) == sizeof(page)) {
		CONF_OK(ringline_file_advise(file, 0, 5 * GIB, POSIX_FADV_DONTNEED));
		g_assert_cmpint(preadv2(ringline_file_fd(file), &iov, 1, 6 * (off_t)GIB, RWF_NOWAIT), ==, sizeof(page));
	}
	CONF_OK(ringline_file_truncate(file, 0));
	return ringline_file_close(file);
}

static void test_long_ranges(const char *dir)
{
	file_run(dir, long_ranges_main);
}

/* --- stat --------------------------------------------------------------------------------------------------------- */

static void check_time(const struct ringline_timestamp *t, const struct timespec *ts)
{
	g_assert_cmpint(t->sec, ==, ts->tv_sec);
	g_assert_cmpuint(t->nsec, ==, (uint32_t)ts->tv_nsec);
	g_assert_cmpuint(t->reserved, ==, 0);
}

static void check_stat(struct ringline_file *file)
{
	struct ringline_stat st = RINGLINE_STAT_INIT;
	struct stat is;

	CONF_OK(fstat(ringline_file_fd(file), &is));
	CONF_OK(ringline_file_stat(file, 0, &st));
	g_assert_cmpuint(st.size, ==, sizeof(st));
	g_assert_cmphex(st.mask & STATX_BASIC_STATS, ==, STATX_BASIC_STATS);
	g_assert_cmphex(st.mode, ==, is.st_mode);
	g_assert_cmpuint(st.links, ==, is.st_nlink);
	g_assert_cmpuint(st.uid, ==, is.st_uid);
	g_assert_cmpuint(st.gid, ==, is.st_gid);
	g_assert_cmpuint(st.block_size, ==, (uint32_t)is.st_blksize);
	g_assert_cmpuint(st.inode, ==, is.st_ino);
	g_assert_cmpuint(st.length, ==, (uint64_t)is.st_size);
	g_assert_cmpuint(st.blocks, ==, (uint64_t)is.st_blocks);
	check_time(&st.accessed, &is.st_atim);
	check_time(&st.changed, &is.st_ctim);
	check_time(&st.modified, &is.st_mtim);
	g_assert_cmpuint(st.device_major, ==, major(is.st_dev));
	g_assert_cmpuint(st.device_minor, ==, minor(is.st_dev));
	g_assert_cmpuint(st.special_major, ==, major(is.st_rdev));
	g_assert_cmpuint(st.special_minor, ==, minor(is.st_rdev));
}

static int stat_main(void *dir)
{
	struct { struct ringline_stat st; uint64_t more[2]; } newer = { RINGLINE_STAT_INIT, { 1, 1 } };
	struct ringline_file *file = file_open(dir, "file", O_RDWR);
	struct ringline_file *other = file_open(dir, "file", O_PATH);
	struct ringline_stat older;
	struct ringline_stat st = RINGLINE_STAT_INIT;
	struct ringline_op *op;
	struct statx sx;

	check_stat(file);
	check_stat(other);
	CONF_OK(ringline_file_close(other));
	other = file_open(dir, ".", O_RDONLY);
	check_stat(other);
	CONF_OK(ringline_file_close(other));
	CONF_OK(ringline_file_open(&other, NULL, "/dev/null", O_RDONLY, 0, NULL));
	check_stat(other);
	CONF_OK(ringline_file_close(other));

	CONF_OK(statx(ringline_file_fd(file), "", AT_EMPTY_PATH, STATX_BTIME | STATX_BASIC_STATS, &sx));
	CONF_OK(ringline_file_stat(file, STATX_BTIME | STATX_BASIC_STATS, &st));
	g_assert_cmphex(st.mask & STATX_BTIME, ==, sx.stx_mask & STATX_BTIME);
	g_assert_cmpint(st.created.sec, ==, sx.stx_btime.tv_sec);
	g_assert_cmpuint(st.created.nsec, ==, sx.stx_btime.tv_nsec);
	g_assert_cmphex(st.attributes, ==, sx.stx_attributes);
	g_assert_cmphex(st.attributes_mask, ==, sx.stx_attributes_mask);

	memset(&older, 0x55, sizeof(older));
	older.size = offsetof(struct ringline_stat, blocks);
	CONF_OK(ringline_file_stat(file, 0, &older));
	g_assert_cmpuint(older.size, ==, offsetof(struct ringline_stat, blocks));
	g_assert_cmpuint(older.length, ==, SIZE);
	g_assert_cmphex(older.blocks, ==, UINT64_C(0x5555555555555555));
	newer.st.size = sizeof(newer);
	CONF_OK(ringline_file_stat_begin(&op, file, 0, &newer.st));
	g_assert_cmpint(ringline_op_await(op), ==, 0);
	g_assert_cmpuint(newer.st.size, ==, sizeof(newer));
	g_assert_cmpuint(newer.st.length, ==, SIZE);
	g_assert_cmpuint(newer.more[0] | newer.more[1], ==, 0);
	older.size = 7;
	g_assert_cmpint(ringline_file_stat(file, 0, &older), ==, -EINVAL);
	g_assert_cmpint(ringline_file_stat_begin(&op, file, 0, &older), ==, -EINVAL);
	g_assert_cmpint(ringline_file_stat(file, 0, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_file_stat(file, UINT32_C(1) << 31, &st), ==, -EINVAL);
	return ringline_file_close(file);
}

static void test_stat(const char *dir)
{
	file_put(dir, "file", SIZE, 1);
	file_run(dir, stat_main);
}

/* --- permissions, owners, times ----------------------------------------------------------------------------------- */

static struct stat stat_of(struct ringline_file *file)
{
	struct stat st;

	CONF_OK(fstat(ringline_file_fd(file), &st));
	return st;
}

static int chmod_main(void *dir)
{
	static const uint32_t modes[] = { 0, 0400, 07777, 0644 };
	struct ringline_file *file = file_open(dir, "file", O_RDONLY);
	struct ringline_file *name = file_open(dir, "file", O_PATH);
	struct ringline_op *op;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(modes); i++) {
		CONF_OK(ringline_file_chmod(file, modes[i]));
		g_assert_cmphex(stat_of(file).st_mode, ==, S_IFREG | modes[i]);
	}
	CONF_OK(ringline_file_chmod_begin(&op, file, 0600));
	g_assert_cmpint(ringline_op_await(op), ==, 0);
	g_assert_cmphex(stat_of(file).st_mode, ==, S_IFREG | 0600);
	g_assert_cmpint(ringline_file_chmod(file, 010000), ==, -EINVAL);
	g_assert_cmpint(ringline_file_chmod(file, S_IFREG | 0600), ==, -EINVAL);
	g_assert_cmpint(ringline_file_chmod(name, 0600), ==, -EBADF);
	CONF_OK(ringline_file_close(name));
	return ringline_file_close(file);
}

static void test_chmod(const char *dir)
{
	file_put(dir, "file", SIZE, 1);
	file_run(dir, chmod_main);
}

static int chown_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDONLY);

	CONF_OK(ringline_file_chown(file, 1234, 5678));
	g_assert_cmpuint(stat_of(file).st_uid, ==, 1234);
	g_assert_cmpuint(stat_of(file).st_gid, ==, 5678);
	CONF_OK(ringline_file_chown(file, RINGLINE_KEEP_ID, 77));
	g_assert_cmpuint(stat_of(file).st_uid, ==, 1234);
	g_assert_cmpuint(stat_of(file).st_gid, ==, 77);
	CONF_OK(ringline_file_chown(file, 88, RINGLINE_KEEP_ID));
	g_assert_cmpuint(stat_of(file).st_uid, ==, 88);
	g_assert_cmpuint(stat_of(file).st_gid, ==, 77);
	CONF_OK(ringline_file_chown(file, RINGLINE_KEEP_ID, RINGLINE_KEEP_ID));
	g_assert_cmpuint(stat_of(file).st_uid, ==, 88);
	CONF_OK(ringline_file_chown(file, 0, 0));
	return ringline_file_close(file);
}

static void test_chown(const char *dir)
{
	if (geteuid() != 0) {
		g_test_skip("only root gives files away");
		return;
	}
	file_put(dir, "file", SIZE, 1);
	file_run(dir, chown_main);
}

static int times_main(void *dir)
{
	struct ringline_timestamp past = { .sec = -1000000, .nsec = 250000000 };
	struct ringline_timestamp keep = { .sec = 99, .nsec = RINGLINE_TIME_KEEP };
	struct ringline_timestamp now = { .sec = -7, .nsec = RINGLINE_TIME_NOW };
	struct ringline_timestamp bad[] = { { .nsec = 1000000000 }, { .nsec = UINT32_MAX }, { .nsec = 1, .reserved = 1 } };
	struct ringline_file *file = file_open(dir, "file", O_RDONLY);
	struct ringline_op *op;
	struct stat st;
	size_t i;

	CONF_OK(ringline_file_set_times(file, &(struct ringline_timestamp){ .sec = 1000, .nsec = 0 },
	                                &(struct ringline_timestamp){ .sec = 2000, .nsec = 0 }));
	st = stat_of(file);
	g_assert_cmpint(st.st_atim.tv_sec, ==, 1000);
	g_assert_cmpint(st.st_mtim.tv_sec, ==, 2000);
	CONF_OK(ringline_file_set_times(file, &past, &keep));
	st = stat_of(file);
	g_assert_cmpint(st.st_atim.tv_sec, ==, -1000000);
	g_assert_cmpint(st.st_atim.tv_nsec, ==, 250000000);
	g_assert_cmpint(st.st_mtim.tv_sec, ==, 2000);
	CONF_OK(ringline_file_set_times(file, &keep, &now));
	st = stat_of(file);
	g_assert_cmpint(st.st_atim.tv_sec, ==, -1000000);
	g_assert_cmpint(st.st_mtim.tv_sec, >, 1000000000);
	CONF_OK(ringline_file_set_times(file, NULL, &past));
	st = stat_of(file);
	g_assert_cmpint(st.st_atim.tv_sec, >, 1000000000);
	g_assert_cmpint(st.st_mtim.tv_sec, ==, -1000000);
	CONF_OK(ringline_file_set_times_begin(&op, file, NULL, NULL));
	g_assert_cmpint(ringline_op_await(op), ==, 0);
	g_assert_cmpint(stat_of(file).st_mtim.tv_sec, >, 1000000000);
	for (i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_assert_cmpint(ringline_file_set_times(file, &bad[i], NULL), ==, -EINVAL);
		g_assert_cmpint(ringline_file_set_times(file, NULL, &bad[i]), ==, -EINVAL);
		g_assert_cmpint(ringline_file_set_times_begin(&op, file, &bad[i], NULL), ==, -EINVAL);
	}
	return ringline_file_close(file);
}

static void test_times(const char *dir)
{
	file_put(dir, "file", SIZE, 1);
	file_run(dir, times_main);
}

/* Arguments are read by the call that begins it. */
static int times_read_at_once_main(void *dir)
{
	struct ringline_timestamp *t = g_new0(struct ringline_timestamp, 1);
	struct ringline_file *file = file_open(dir, "file", O_RDONLY);
	struct ringline_op *op;

	t->sec = 4321;
	CONF_OK(ringline_file_set_times_begin(&op, file, t, t));
	memset(t, 0xee, sizeof(*t));
	g_free(t);
	g_assert_cmpint(ringline_op_await(op), ==, 0);
	g_assert_cmpint(stat_of(file).st_mtim.tv_sec, ==, 4321);
	return ringline_file_close(file);
}

static void test_times_read_at_once(const char *dir)
{
	file_put(dir, "file", SIZE, 1);
	file_run(dir, times_read_at_once_main);
}

/* --- attributes --------------------------------------------------------------------------------------------------- */

static bool has(const char *names, ssize_t n, const char *name)
{
	ssize_t i;

	for (i = 0; i < n; i += (ssize_t)strlen(names + i) + 1)
		if (!strcmp(names + i, name))
			return true;
	return false;
}

static int xattr_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR);
	struct ringline_file *name = file_open(dir, "file", O_PATH);
	char *long_name = g_strdup_printf("user.%0300d", 1);
	char *large = g_malloc0(70000);
	struct ringline_op *op;
	char data[100];
	ssize_t n;

	CONF_OK(ringline_file_set_xattr(file, "user.a", "first", 5, 0));
	CONF_OK(ringline_file_set_xattr(file, "user.b", NULL, 0, XATTR_CREATE));
	g_assert_cmpint(ringline_file_get_xattr(file, "user.a", data, sizeof(data)), ==, 5);
	g_assert_cmpmem(data, 5, "first", 5);
	g_assert_cmpint(ringline_file_get_xattr(file, "user.a", NULL, 0), ==, 5);
	g_assert_cmpint(ringline_file_get_xattr(file, "user.a", data, 5), ==, 5);
	g_assert_cmpint(ringline_file_get_xattr(file, "user.a", data, 4), ==, -ERANGE);
	g_assert_cmpint(ringline_file_get_xattr(file, "user.b", data, 4), ==, 0);
	g_assert_cmpint(ringline_file_get_xattr(file, "user.c", data, 4), ==, -ENODATA);
	g_assert_cmpint(ringline_file_get_xattr(file, "user.c", NULL, 0), ==, -ENODATA);
	g_assert_cmpint(ringline_file_set_xattr(file, "user.a", "x", 1, XATTR_CREATE), ==, -EEXIST);
	g_assert_cmpint(ringline_file_set_xattr(file, "user.c", "x", 1, XATTR_REPLACE), ==, -ENODATA);
	CONF_OK(ringline_file_set_xattr(file, "user.a", "second", 6, XATTR_REPLACE));
	g_assert_cmpint(ringline_file_set_xattr(file, "user.a", "x", 1, 1 << 10), ==, -EINVAL);
	g_assert_cmpint(ringline_file_set_xattr(file, "user.d", large, 70000, 0), ==, -E2BIG);
	g_assert_cmpint(ringline_file_set_xattr(file, long_name, "x", 1, 0), ==, -ERANGE);
	g_assert_cmpint(ringline_file_set_xattr(file, "nonsense", "x", 1, 0), ==, -EOPNOTSUPP);

	n = ringline_file_list_xattr(file, NULL, 0);
	g_assert_cmpint(n, >=, 14);
	g_assert_cmpint(ringline_file_list_xattr(file, data, 3), ==, -ERANGE);
	g_assert_cmpint(ringline_file_list_xattr(file, data, sizeof(data)), ==, n);
	g_assert_true(has(data, n, "user.a") && has(data, n, "user.b") && !has(data, n, "user.c"));
	CONF_OK(ringline_file_remove_xattr(file, "user.a"));
	g_assert_cmpint(ringline_file_remove_xattr(file, "user.a"), ==, -ENODATA);
	g_assert_cmpint(ringline_file_get_xattr(file, "user.a", data, 10), ==, -ENODATA);
	CONF_OK(ringline_file_remove_xattr_begin(&op, file, "user.b"));
	g_assert_cmpint(ringline_op_await(op), ==, 0);

	g_assert_cmpint(ringline_file_get_xattr(file, NULL, data, 10), ==, -EINVAL);
	g_assert_cmpint(ringline_file_get_xattr(file, "user.a", NULL, 10), ==, -EINVAL);
	g_assert_cmpint(ringline_file_set_xattr(file, NULL, data, 10, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_file_set_xattr(file, "user.a", NULL, 10, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_file_set_xattr(file, "user.a", data, (size_t)UINT32_MAX + 1, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_file_list_xattr(file, NULL, 10), ==, -EINVAL);
	g_assert_cmpint(ringline_file_remove_xattr(file, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_file_get_xattr(name, "user.a", data, 10), ==, -EBADF);
	g_assert_cmpint(ringline_file_set_xattr(name, "user.a", "x", 1, 0), ==, -EBADF);
	g_assert_cmpint(ringline_file_list_xattr(name, data, 10), ==, -EBADF);
	g_assert_cmpint(ringline_file_remove_xattr(name, "user.a"), ==, -EBADF);
	g_free(long_name);
	g_free(large);
	CONF_OK(ringline_file_close(name));
	return ringline_file_close(file);
}

static void test_xattr(const char *dir)
{
	char *path = file_path(dir, "file");

	file_put(dir, "file", SIZE, 1);
	if (setxattr(path, "user.x", "x", 1, 0) != 0)
		g_test_skip("no attributes here");
	else
		file_run(dir, xattr_main);
	g_free(path);
}

/* Values that fill what there is, read by one who does not know how long they are. */
static int large_xattr_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR);
	char *value = g_malloc(500);
	char *got = g_malloc0(70000);

	conf_fill(value, 500, 1, 0);
	CONF_OK(ringline_file_set_xattr(file, "user.large", value, 500, 0));
	g_assert_cmpint(ringline_file_get_xattr(file, "user.large", got, 70000), ==, 500);
	conf_check(got, 500, 1, 0);
	g_assert_cmpint(ringline_file_get_xattr(file, "user.large", got, 499), ==, -ERANGE);
	g_free(value);
	g_free(got);
	return ringline_file_close(file);
}

static void test_large_xattr(const char *dir)
{
	char *path = file_path(dir, "file");

	file_put(dir, "file", SIZE, 1);
	if (setxattr(path, "user.x", "x", 1, 0) != 0)
		g_test_skip("no attributes here");
	else
		file_run(dir, large_xattr_main);
	g_free(path);
}

/* --- errors of the server ----------------------------------------------------------------------------------------- */

static int errors_main(void *dir)
{
	static const struct {
		const char *name;
		int value;
	} errors[] = { { "EIO", EIO }, { "EDQUOT", EDQUOT }, { "ENOSPC", ENOSPC }, { "EROFS", EROFS }, { "EPERM", EPERM } };
	struct ringline_file *file = file_open(dir, "file", O_RDWR);
	struct ringline_stat st = RINGLINE_STAT_INIT;
	char data[10];
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(errors); i++) {
		const char *e = errors[i].name;
		int error = -errors[i].value;

		place_fault("fail fsync %s 1", e);
		g_assert_cmpint(ringline_file_datasync(file), ==, error);
		place_fault("fail truncate %s 1", e);
		g_assert_cmpint(ringline_file_truncate(file, 5), ==, error);
		place_fault("fail fallocate %s 1", e);
		g_assert_cmpint(ringline_file_allocate(file, 0, 0, 5), ==, error);
		place_fault("fail getattr %s 1", e);
		g_assert_cmpint(ringline_file_stat(file, 0, &st), ==, error);
		place_fault("fail chmod %s 1", e);
		g_assert_cmpint(ringline_file_chmod(file, 0600), ==, error);
		place_fault("fail chown %s 1", e);
		g_assert_cmpint(ringline_file_chown(file, 0, 0), ==, error);
		place_fault("fail utimens %s 1", e);
		g_assert_cmpint(ringline_file_set_times(file, NULL, NULL), ==, error);
		place_fault("fail setxattr %s 1", e);
		g_assert_cmpint(ringline_file_set_xattr(file, "user.a", "x", 1, 0), ==, error);
		place_fault("fail getxattr %s 1", e);
		g_assert_cmpint(ringline_file_get_xattr(file, "user.a", data, 10), ==, error);
		place_fault("fail listxattr %s 1", e);
		g_assert_cmpint(ringline_file_list_xattr(file, data, 10), ==, error);
		place_fault("fail removexattr %s 1", e);
		g_assert_cmpint(ringline_file_remove_xattr(file, "user.a"), ==, error);
	}
	file_check(dir, "file", SIZE, 1);
	return ringline_file_close(file);
}

static void test_errors(const char *dir)
{
	file_put(dir, "file", SIZE, 1);
	file_run(dir, errors_main);
}

static void add(void)
{
	place_add_each("file-attr", "sync", test_sync);
	conf_add("/file-attr/streams-have-none-of-it", test_stream);
	place_add_each("file-attr", "truncate", test_truncate);
	place_add_each("file-attr", "allocate", test_allocate);
	place_add("file-attr", "tmpfs", "allocate-long-ranges", test_allocate_long);
	place_add("file-attr", "ext4", "allocate-long-ranges", test_allocate_long);
	place_add("file-attr", "xfs", "allocate-long-ranges", test_allocate_long);
	place_add_each("file-attr", "advise", test_advise);
	place_add_each("file-attr", "long-ranges-end-where-they-end", test_long_ranges);
	place_add_each("file-attr", "stat-is-what-stat-says", test_stat);
	place_add_each("file-attr", "chmod", test_chmod);
	place_add_each("file-attr", "chown", test_chown);
	place_add_each("file-attr", "times", test_times);
	place_add_each("file-attr", "times-are-read-at-once", test_times_read_at_once);
	place_add_each("file-attr", "attributes", test_xattr);
	place_add_each("file-attr", "large-attributes", test_large_xattr);
	place_add("file-attr", "fuse", "errors-are-told", test_errors);
}

int main(int argc, char **argv)
{
	return place_main(argc, argv, "file-attr", add);
}
