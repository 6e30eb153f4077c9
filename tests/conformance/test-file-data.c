/* SPDX-License-Identifier: MIT */
/* Reading and writing files: counts, offsets and the position, all of a range, the end of the file, many at once, errors. */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "support/files.h"

#define SIZE     10000
#define POSITION RINGLINE_FILE_POSITION

/* --- counts ------------------------------------------------------------------------------------------------------- */

static int counts_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR | O_CREAT);
	char *data = g_malloc(2 * SIZE);

	conf_fill(data, SIZE, 1, 0);
	g_assert_cmpint(ringline_file_write(file, data, SIZE, 0), ==, SIZE);
	memset(data, 0, 2 * SIZE);
	g_assert_cmpint(ringline_file_read(file, data, SIZE, 0), ==, SIZE);
	conf_check(data, SIZE, 1, 0);
	g_assert_cmpint(ringline_file_read(file, data, 2 * SIZE, 0), ==, SIZE);
	g_assert_cmpint(ringline_file_read(file, data, 100, SIZE - 30), ==, 30);
	conf_check(data, 30, 1, SIZE - 30);
	g_assert_cmpint(ringline_file_read(file, data, 100, SIZE), ==, 0);
	g_assert_cmpint(ringline_file_read(file, data, 100, INT64_MAX - 100), ==, 0);
	g_assert_cmpint(ringline_file_read(file, data, 0, 0), ==, 0);
	g_assert_cmpint(ringline_file_read(file, NULL, 0, 5), ==, 0);
	g_assert_cmpint(ringline_file_write(file, data, 0, 5), ==, 0);
	g_assert_cmpint(ringline_file_write(file, NULL, 0, 5), ==, 0);
	file_check(dir, "file", SIZE, 1);

	conf_fill(data, SIZE, 1, SIZE + 5);
	g_assert_cmpint(ringline_file_write(file, data, 100, SIZE + 5), ==, 100);
	g_assert_cmpint(ringline_file_read(file, data, 200, SIZE), ==, 105);
	g_assert_cmpmem(data, 5, "\0\0\0\0\0", 5);
	conf_check(data + 5, 100, 1, SIZE + 5);
	g_free(data);
	return ringline_file_close(file);
}

static void test_counts(const char *dir)
{
	file_run(dir, counts_main);
}

static int position_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR | O_CREAT);
	int fd = ringline_file_fd(file);
	char data[3000];
	int i;

	for (i = 0; i < 10; i++) {
		conf_fill(data, 1000, 1, (uint64_t)i * 1000);
		g_assert_cmpint(ringline_file_write(file, data, 1000, POSITION), ==, 1000);
		g_assert_cmpint(lseek(fd, 0, SEEK_CUR), ==, (i + 1) * 1000);
	}
	file_check(dir, "file", SIZE, 1);
	g_assert_cmpint(ringline_file_read(file, data, 10, POSITION), ==, 0);
	g_assert_cmpint(lseek(fd, 100, SEEK_SET), ==, 100);
	for (i = 0; i < 3; i++) {
		g_assert_cmpint(ringline_file_read(file, data, 3000, POSITION), ==, 3000);
		conf_check(data, 3000, 1, 100 + (uint64_t)i * 3000);
		g_assert_cmpint(ringline_file_read(file, data, 10, 5), ==, 10);
		conf_check(data, 10, 1, 5);
	}
	g_assert_cmpint(ringline_file_read(file, data, 3000, POSITION), ==, 900);
	g_assert_cmpint(ringline_file_read(file, data, 3000, POSITION), ==, 0);
	g_assert_cmpint(lseek(fd, 0, SEEK_CUR), ==, SIZE);
	return ringline_file_close(file);
}

static void test_position(const char *dir)
{
	file_run(dir, position_main);
}

/* Pieces of all sizes, empty ones among them. */
static int vectors_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR | O_CREAT);
	char *data = g_malloc0(SIZE);
	struct iovec iov[4] = { { data, 1 }, { NULL, 0 }, { data + 1, 4999 }, { data + 5000, 5000 } };
	int fd = ringline_file_fd(file);

	conf_fill(data, SIZE, 1, 0);
	g_assert_cmpint(ringline_file_writev(file, iov, 4, 0), ==, SIZE);
	file_check(dir, "file", SIZE, 1);
	memset(data, 0, SIZE);
	g_assert_cmpint(ringline_file_readv(file, iov, 4, 0), ==, SIZE);
	conf_check(data, SIZE, 1, 0);
	g_assert_cmpint(ringline_file_readv(file, iov, 4, SIZE - 3000), ==, 3000);
	conf_check(data, 3000, 1, SIZE - 3000);
	g_assert_cmpint(ringline_file_readv(file, iov, 4, SIZE), ==, 0);
	g_assert_cmpint(ringline_file_readv(file, iov, 0, 0), ==, 0);
	g_assert_cmpint(ringline_file_readv(file, NULL, 0, 0), ==, 0);
	g_assert_cmpint(ringline_file_writev(file, NULL, 0, 0), ==, 0);
	g_assert_cmpint(ringline_file_readv(file, iov, 3, POSITION), ==, 5000);
	conf_check(data, 5000, 1, 0);
	g_assert_cmpint(lseek(fd, 0, SEEK_CUR), ==, 5000);
	g_assert_cmpint(ringline_file_readv(file, iov + 3, 1, POSITION), ==, 5000);
	conf_check(data + 5000, 5000, 1, 5000);
	conf_fill(data, SIZE, 1, SIZE);
	g_assert_cmpint(ringline_file_writev(file, iov, 4, POSITION), ==, SIZE);
	file_check(dir, "file", 2 * SIZE, 1);
	g_free(data);
	return ringline_file_close(file);
}

/* As many pieces as there may be. */
static int many_pieces_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR | O_CREAT);
	struct iovec iov[IOV_MAX];
	char data[IOV_MAX];
	int i;

	for (i = 0; i < IOV_MAX; i++)
		iov[i] = (struct iovec){ &data[i], 1 };
	conf_fill(data, IOV_MAX, 1, 0);
	g_assert_cmpint(ringline_file_writev(file, iov, IOV_MAX, 0), ==, IOV_MAX);
	memset(data, 0, sizeof(data));
	g_assert_cmpint(ringline_file_readv(file, iov, IOV_MAX, 0), ==, IOV_MAX);
	conf_check(data, IOV_MAX, 1, 0);
	file_check(dir, "file", IOV_MAX, 1);
	return ringline_file_close(file);
}

static void test_vectors(const char *dir)
{
	char *path = file_path(dir, "file");

	file_run(dir, vectors_main);
	CONF_OK(unlink(path));
	file_run(dir, many_pieces_main);
	g_free(path);
}

/* --- what is refused ---------------------------------------------------------------------------------------------- */

static void refuse(struct ringline_file *file, void *data, size_t len, uint64_t offset)
{
	struct iovec iov = { data, len };
	struct ringline_op *op;

	g_assert_cmpint(ringline_file_read(file, data, len, offset), ==, -EINVAL);
	g_assert_cmpint(ringline_file_write(file, data, len, offset), ==, -EINVAL);
	g_assert_cmpint(ringline_file_read_begin(&op, file, data, len, offset), ==, -EINVAL);
	g_assert_cmpint(ringline_file_write_begin(&op, file, data, len, offset), ==, -EINVAL);
	g_assert_cmpint(ringline_file_read_all(file, data, len, offset), ==, -EINVAL);
	g_assert_cmpint(ringline_file_write_all(file, data, len, offset), ==, -EINVAL);
	if (!data)
		return;
	g_assert_cmpint(ringline_file_readv(file, &iov, 1, offset), ==, -EINVAL);
	g_assert_cmpint(ringline_file_writev(file, &iov, 1, offset), ==, -EINVAL);
	g_assert_cmpint(ringline_file_readv_begin(&op, file, &iov, 1, offset), ==, -EINVAL);
	g_assert_cmpint(ringline_file_writev_begin(&op, file, &iov, 1, offset), ==, -EINVAL);
}

static int ranges_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR);
	char data[16] = { 0 };
	struct iovec huge[2] = { { data, SSIZE_MAX }, { data, SSIZE_MAX } };

	refuse(file, NULL, 1, 0);
	refuse(file, data, (size_t)SSIZE_MAX + 1, 0);
	refuse(file, data, SIZE_MAX, POSITION);
	refuse(file, data, 1, (uint64_t)INT64_MAX + 1);
	refuse(file, data, 1, UINT64_MAX - 1);
	refuse(file, data, 2, INT64_MAX - 1);
	g_assert_cmpint(ringline_file_append(file, NULL, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_file_append(file, data, SIZE_MAX), ==, -EINVAL);
	g_assert_cmpint(ringline_file_readv(file, huge, 2, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_file_writev(file, huge, 2, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_file_readv(file, huge, -1, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_file_readv(file, huge, IOV_MAX + 1, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_file_writev(file, NULL, 1, 0), ==, -EINVAL);
	g_assert_cmpuint(file_count("read", "io_uring") + file_count("read", "pool") + file_count("read", "inline"), ==, 0);
	file_check(dir, "file", 100, 1);
	return ringline_file_close(file);
}

static void test_ranges(const char *dir)
{
	file_put(dir, "file", 100, 1);
	file_run(dir, ranges_main);
}

static int not_for_it_main(void *dir)
{
	static const int flags[] = { O_RDONLY, O_WRONLY, O_PATH };
	char data[10] = { 0 };
	struct iovec iov = { data, 10 };
	struct ringline_file *file;
	size_t i;

	for (i = 0; i < 3; i++) {
		file = file_open(dir, "file", flags[i]);
		g_assert_cmpint(ringline_file_read(file, data, 10, 0), ==, i == 0 ? 10 : -EBADF);
		g_assert_cmpint(ringline_file_readv(file, &iov, 1, 0), ==, i == 0 ? 10 : -EBADF);
		g_assert_cmpint(ringline_file_read(file, data, 10, POSITION), ==, i == 0 ? 10 : -EBADF);
		g_assert_cmpint(ringline_file_write(file, data, 10, 0), ==, i == 1 ? 10 : -EBADF);
		g_assert_cmpint(ringline_file_writev(file, &iov, 1, 0), ==, i == 1 ? 10 : -EBADF);
		g_assert_cmpint(ringline_file_append(file, data, 10), ==, i == 1 ? 10 : -EBADF);
		CONF_OK(ringline_file_close(file));
	}
	file = file_open(dir, ".", O_RDONLY | O_DIRECTORY);
	g_assert_cmpint(ringline_file_read(file, data, 10, 0), ==, -EISDIR);
	g_assert_cmpint(ringline_file_readv(file, &iov, 1, 0), ==, -EISDIR);
	g_assert_cmpint(ringline_file_write(file, data, 10, 0), ==, -EBADF);
	return ringline_file_close(file);
}

static void test_not_for_it(const char *dir)
{
	file_put(dir, "file", 100, 1);
	file_run(dir, not_for_it_main);
}

/* Memory that is not there is told, not died of. */
static int fault_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR);
	void *hole = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec iov = { hole, 10 };
	struct ringline_op *op;

	g_assert_cmpint(ringline_file_read(file, hole, 10, 0), ==, -EFAULT);
	g_assert_cmpint(ringline_file_write(file, hole, 10, 0), ==, -EFAULT);
	g_assert_cmpint(ringline_file_readv(file, &iov, 1, 0), ==, -EFAULT);
	g_assert_cmpint(ringline_file_writev(file, &iov, 1, 0), ==, -EFAULT);
	CONF_OK(ringline_file_read_begin(&op, file, hole, 10, 0));
	g_assert_cmpint(ringline_op_await(op), ==, -EFAULT);
	CONF_OK(munmap(hole, 4096));
	return ringline_file_close(file);
}

static void test_fault(const char *dir)
{
	file_put(dir, "file", 100, 1);
	file_run(dir, fault_main);
}

static int limit_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR);
	struct rlimit before;
	struct rlimit now;
	char data[200] = { 0 };

	CONF_OK(getrlimit(RLIMIT_FSIZE, &before));
	now = before;
	now.rlim_cur = 1100;
	CONF_OK(setrlimit(RLIMIT_FSIZE, &now));
	g_assert_cmpint(ringline_file_write(file, data, 200, 1000), ==, 100);
	g_assert_cmpint(ringline_file_write(file, data, 200, 1100), ==, -EFBIG);
	g_assert_cmpint(ringline_file_append(file, data, 200), ==, -EFBIG);
	g_assert_cmpint(ringline_file_write_all(file, data, 200, 1000), ==, -EFBIG);
	CONF_OK(setrlimit(RLIMIT_FSIZE, &before));
	return ringline_file_close(file);
}

static void test_limit(const char *dir)
{
	static const struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct sigaction before;

	CONF_OK(sigaction(SIGXFSZ, &ignore, &before));
	file_put(dir, "file", 100, 1);
	file_run(dir, limit_main);
	CONF_OK(sigaction(SIGXFSZ, &before, NULL));
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static int all_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR | O_CREAT);
	int fd = ringline_file_fd(file);
	char *data = g_malloc0(SIZE + 1);
	struct ringline_op *op;

	conf_fill(data, SIZE, 1, 0);
	g_assert_cmpint(ringline_file_write_all(file, data, SIZE, 0), ==, SIZE);
	file_check(dir, "file", SIZE, 1);
	memset(data, 0, SIZE + 1);
	g_assert_cmpint(ringline_file_read_all(file, data, SIZE, 0), ==, SIZE);
	conf_check(data, SIZE, 1, 0);
	g_assert_cmpint(ringline_file_read_all(file, data, SIZE + 1, 0), ==, -ENODATA);
	g_assert_cmpint(ringline_file_read_all(file, data, 1, SIZE), ==, -ENODATA);
	g_assert_cmpint(ringline_file_read_all(file, data, 0, SIZE), ==, 0);
	g_assert_cmpint(ringline_file_write_all(file, NULL, 0, 0), ==, 0);
	g_assert_cmpint(ringline_file_read_all(file, data, 4000, POSITION), ==, 4000);
	g_assert_cmpint(lseek(fd, 0, SEEK_CUR), ==, 4000);
	conf_fill(data, 6000, 1, 4000);
	g_assert_cmpint(ringline_file_write_all(file, data, 6000, POSITION), ==, 6000);
	CONF_OK(ringline_file_read_all_begin(&op, file, data, SIZE, 0));
	g_assert_cmpint(ringline_op_await(op), ==, SIZE);
	CONF_OK(ringline_file_read_all_begin(&op, file, data, SIZE, 1));
	g_assert_cmpint(ringline_op_await(op), ==, -ENODATA);
	CONF_OK(ringline_file_write_all_begin(&op, file, data, 100, 0));
	g_assert_cmpint(ringline_op_await(op), ==, 100);
	g_free(data);
	return ringline_file_close(file);
}

static void test_all(const char *dir)
{
	file_run(dir, all_main);
}

/* Goes on after short counts, at each of them from where it is. */
static int short_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR | O_CREAT);
	char *data = g_malloc0(SIZE);

	conf_fill(data, SIZE, 1, 0);
	place_fault("short write 777");
	g_assert_cmpint(ringline_file_write(file, data, SIZE, 0), ==, 777);
	g_assert_cmpint(ringline_file_write_all(file, data, SIZE, 0), ==, SIZE);
	place_fault("clear");
	file_check(dir, "file", SIZE, 1);
	place_fault("short read 333");
	g_assert_cmpint(ringline_file_read(file, data, SIZE, 0), ==, 333);
	memset(data, 0, SIZE);
	g_assert_cmpint(ringline_file_read_all(file, data, SIZE, 0), ==, SIZE);
	conf_check(data, SIZE, 1, 0);
	memset(data, 0, SIZE);
	g_assert_cmpint(ringline_file_read_all(file, data, SIZE, POSITION), ==, SIZE);
	conf_check(data, SIZE, 1, 0);
	g_assert_cmpint(ringline_file_read_all(file, data, SIZE, SIZE - 400), ==, -ENODATA);
	place_fault("clear\nfail write ENOSPC 1");
	g_assert_cmpint(ringline_file_write_all(file, data, SIZE, 0), ==, -ENOSPC);
	g_free(data);
	return ringline_file_close(file);
}

static void test_short(const char *dir)
{
	file_run(dir, short_main);
}

/* A cut ends it between two pieces. */
static int all_cut_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR | O_CREAT);
	char *data = g_malloc0(SIZE);
	struct ringline_op *op;

	place_fault("short write 100\nstall write");
	CONF_OK(ringline_file_write_all_begin(&op, file, data, SIZE, 0));
	place_stalled("write");
	CONF_OK(ringline_op_cancel(op));
	file_turns(3);
	g_assert_cmpint(ringline_op_result(op), ==, -EINPROGRESS);
	place_fault("release write");
	g_assert_cmpint(ringline_op_await(op), ==, -ECANCELED);
	g_assert_cmpuint(file_length(dir, "file"), ==, 100);
	g_free(data);
	return ringline_file_close(file);
}

static void test_all_cut(const char *dir)
{
	file_run(dir, all_cut_main);
}

static const struct {
	const char *name;
	int value;
} errors[] = {
	{ "EIO", EIO }, { "EDQUOT", EDQUOT }, { "ENOSPC", ENOSPC }, { "EROFS", EROFS }, { "ESTALE", ESTALE }, { "EAGAIN", EAGAIN },
	{ "EPERM", EPERM }, { "ENOMEM", ENOMEM }, { "ETIMEDOUT", ETIMEDOUT }, { "EINVAL", EINVAL }, { "EFBIG", EFBIG },
};

/* What the file system says is said. */
static int errors_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR | O_CREAT);
	char data[100] = { 0 };
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(errors); i++) {
		place_fault("fail write %s 1", errors[i].name);
		g_assert_cmpint(ringline_file_write(file, data, 100, 0), ==, -errors[i].value);
		place_fault("fail write %s 1", errors[i].name);
		g_assert_cmpint(ringline_file_append(file, data, 100), ==, -errors[i].value);
		g_assert_cmpint(ringline_file_write(file, data, 100, 0), ==, 100);
		place_fault("fail read %s 1", errors[i].name);
		g_assert_cmpint(ringline_file_read(file, data, 100, 0), ==, -errors[i].value);
		place_fault("fail fsync %s 1", errors[i].name);
		g_assert_cmpint(ringline_file_sync(file), ==, -errors[i].value);
	}
	return ringline_file_close(file);
}

static void test_errors(const char *dir)
{
	file_run(dir, errors_main);
}

#define MORE_THAN_THERE_IS (INT64_C(80) << 20)

/* A file system that is full: a short count first, then the error. */
static int full_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR | O_CREAT);
	size_t n = MORE_THAN_THERE_IS;
	char *data = mmap(NULL, n, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ssize_t k = ringline_file_write(file, data, n, 0);

	g_assert_cmpint(k, >, 0);
	g_assert_cmpint(k, <, n);
	g_assert_cmpuint(file_length(dir, "file"), ==, (uint64_t)k);
	k = ringline_file_write(file, data, n, (uint64_t)k);
	g_assert_true(k == -ENOSPC || k > 0);
	g_assert_cmpint(ringline_file_write_all(file, data, n, 0), ==, -ENOSPC);
	CONF_OK(munmap(data, n));
	CONF_OK(ringline_file_truncate(file, 0));
	return ringline_file_close(file);
}

static void test_full(const char *dir)
{
	file_run(dir, full_main);
}

/* --- behind the end ----------------------------------------------------------------------------------------------- */

#define WRITERS 8
#define RECORDS 50
#define RECORD  61            /* bytes, in no proportion to anything */

struct writer {
	struct ringline_file *file;
	uint32_t index;
};

static int append_task(void *arg)
{
	const struct writer *w = arg;
	struct ringline_op *op;
	char record[RECORD];
	uint32_t i;

	for (i = 0; i < RECORDS; i++) {
		record[0] = (char)w->index;
		record[1] = (char)i;
		conf_fill(record + 2, RECORD - 2, w->index, (uint64_t)i * RECORD);
		if (i % 2) {
			CONF_OK(ringline_file_append_begin(&op, w->file, record, RECORD));
			g_assert_cmpint(ringline_op_await(op), ==, RECORD);
		} else {
			g_assert_cmpint(ringline_file_append(w->file, record, RECORD), ==, RECORD);
		}
	}
	return 0;
}

/* Each record is there once, whole, and those of one task in their order. */
static void check_records(struct ringline_file *file)
{
	uint32_t seen[WRITERS] = { 0 };
	char record[RECORD];
	uint64_t i;

	for (i = 0; i < WRITERS * RECORDS; i++) {
		g_assert_cmpint(ringline_file_read_all(file, record, RECORD, 100 + i * RECORD), ==, RECORD);
		g_assert_cmpint(record[0], <, WRITERS);
		g_assert_cmpint(record[1], ==, seen[(int)record[0]]++);
		conf_check(record + 2, RECORD - 2, (uint32_t)record[0], (uint64_t)record[1] * RECORD);
	}
	g_assert_cmpint(ringline_file_read(file, record, 1, 100 + i * RECORD), ==, 0);
}

static int append_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR);
	struct ringline_file *other = file_open(dir, "file", O_RDWR);
	struct ringline_task *t[WRITERS];
	struct writer w[WRITERS];
	uint32_t i;

	for (i = 0; i < WRITERS; i++) {
		w[i] = (struct writer){ i % 2 ? file : other, i };
		CONF_OK(ringline_task_start(&t[i], append_task, &w[i], NULL));
	}
	CONF_OK(ringline_join(t, WRITERS, NULL));
	check_records(file);
	CONF_OK(ringline_file_close(other));
	return ringline_file_close(file);
}

static void test_append(const char *dir)
{
	file_put(dir, "file", 100, 1);
	file_run(dir, append_main);
}

/* A descriptor that always appends does so whatever the offset. */
static int always_append_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR | O_APPEND);
	char data[10];

	conf_fill(data, 10, 1, 100);
	g_assert_cmpint(ringline_file_write(file, data, 10, 0), ==, 10);
	conf_fill(data, 10, 1, 110);
	g_assert_cmpint(ringline_file_append(file, data, 10), ==, 10);
	conf_fill(data, 10, 1, 120);
	g_assert_cmpint(ringline_file_write(file, data, 10, POSITION), ==, 10);
	file_check(dir, "file", 130, 1);
	return ringline_file_close(file);
}

static void test_always_append(const char *dir)
{
	file_put(dir, "file", 100, 1);
	file_run(dir, always_append_main);
}

/* --- many at once ------------------------------------------------------------------------------------------------- */

#define DEPTH 256
#define PIECE 4096

static void read_at_once(const char *dir, int flags)
{
	struct ringline_file *file = file_open(dir, "large", flags);
	struct ringline_op *op[DEPTH];
	char *data = g_malloc0((size_t)DEPTH * PIECE);
	uint32_t i;

	for (i = 0; i < DEPTH; i++)
		CONF_OK(ringline_file_read_begin(&op[i], file, data + (size_t)i * PIECE, PIECE, (uint64_t)(DEPTH - 1 - i) * PIECE));
	for (i = 0; i < DEPTH; i++) {
		int64_t n;
		ssize_t which = ringline_op_await_any(op, DEPTH, &n);

		g_assert_cmpint(which, >=, 0);
		g_assert_cmpint(n, ==, PIECE);
		conf_check(data + (size_t)which * PIECE, PIECE, 4, (uint64_t)(DEPTH - 1 - which) * PIECE);
	}
	g_assert_cmpint(ringline_op_await_any(op, DEPTH, NULL), ==, -EINVAL);
	g_free(data);
	CONF_OK(ringline_file_close(file));
}

static int many_main(void *dir)
{
	read_at_once(dir, O_RDONLY);      /* in the cache */
	file_drop_cache(dir, "large");
	read_at_once(dir, O_RDWR);
	return 0;
}

static void test_many(const char *dir)
{
	file_put(dir, "large", (size_t)DEPTH * PIECE, 4);
	file_run(dir, many_main);
}

/* Writes, each somewhere else. */
static int many_writes_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR | O_CREAT);
	struct ringline_op *op[DEPTH];
	int64_t result[DEPTH];
	char *data = g_malloc((size_t)DEPTH * PIECE);
	uint32_t i;

	conf_fill(data, (size_t)DEPTH * PIECE, 5, 0);
	for (i = 0; i < DEPTH; i++) {
		uint32_t k = (i * 37 + 11) % DEPTH;

		CONF_OK(ringline_file_write_begin(&op[i], file, data + (size_t)k * PIECE, PIECE, (uint64_t)k * PIECE));
	}
	CONF_OK(ringline_op_await_all(op, DEPTH, result));
	for (i = 0; i < DEPTH; i++)
		g_assert_cmpint(result[i], ==, PIECE);
	file_check(dir, "file", (size_t)DEPTH * PIECE, 5);
	g_free(data);
	return ringline_file_close(file);
}

static void test_many_writes(const char *dir)
{
	file_run(dir, many_writes_main);
}

/* --- the cache ---------------------------------------------------------------------------------------------------- */

#define PAGE 4096

/* What the worker has read at once, and the rest of it, are one read. */
static int partly_cached_main(void *dir)
{
	char *data = g_malloc0((size_t)4 * PAGE);
	struct iovec iov[2] = { { data, 100 }, { data + 100, 3 * PAGE - 100 } };
	struct ringline_file *file;
	struct ringline_op *op;

	file = file_half_cached(dir, "file");
	g_assert_cmpint(ringline_file_read(file, data, (size_t)3 * PAGE, 0), ==, 3 * PAGE);
	conf_check(data, (size_t)3 * PAGE, 1, 0);
	CONF_OK(ringline_file_close(file));
	file = file_half_cached(dir, "file");
	g_assert_cmpint(ringline_file_read(file, data, (size_t)4 * PAGE, POSITION), ==, 3 * PAGE);
	g_assert_cmpint(lseek(ringline_file_fd(file), 0, SEEK_CUR), ==, 3 * PAGE);
	conf_check(data, (size_t)3 * PAGE, 1, 0);
	CONF_OK(ringline_file_close(file));
	file = file_half_cached(dir, "file");
	memset(data, 0, (size_t)3 * PAGE);
	CONF_OK(ringline_file_read_begin(&op, file, data, (size_t)3 * PAGE, POSITION));
	g_assert_cmpint(ringline_op_await(op), ==, 3 * PAGE);
	conf_check(data, (size_t)3 * PAGE, 1, 0);
	CONF_OK(ringline_file_close(file));
	file = file_half_cached(dir, "file");
	memset(data, 0, (size_t)3 * PAGE);
	g_assert_cmpint(ringline_file_readv(file, iov, 2, 0), ==, 3 * PAGE);
	conf_check(data, (size_t)3 * PAGE, 1, 0);
	CONF_OK(ringline_file_close(file));
	g_free(data);
	return 0;
}

static void test_partly_cached(const char *dir)
{
	file_put(dir, "file", (size_t)3 * PAGE, 1);
	file_run(dir, partly_cached_main);
}

/* Where there is no room for the rest, nothing of the first part is lost: the position is where it is told to be. */
static int full_queue_main(void *dir)
{
	struct ringline_file *other = file_open(dir, "other", O_RDWR | O_CREAT);
	struct ringline_file *file = file_half_cached(dir, "file");
	char *data = g_malloc0((size_t)3 * PAGE);
	struct ringline_op *first;
	struct ringline_op *op;
	struct file_hold h;
	int64_t n = 0;
	int r;

	file_hold(&h, RINGLINE_BLOCKING_IO);
	CONF_OK(ringline_file_chmod_begin(&first, other, 0600));
	r = ringline_file_read_begin(&op, file, data, (size_t)3 * PAGE, POSITION);
	file_let_go(&h);
	if (r == 0)
		n = ringline_op_await(op);
	else
		g_assert_cmpint(r, ==, -EAGAIN);
	g_assert_cmpint(n, >=, 0);
	g_assert_cmpint(lseek(ringline_file_fd(file), 0, SEEK_CUR), ==, n);
	conf_check(data, (size_t)n, 1, 0);
	g_assert_cmpint(ringline_op_await(first), ==, 0);
	g_free(data);
	CONF_OK(ringline_file_close(other));
	return ringline_file_close(file);
}

static void test_full_queue(const char *dir)
{
	struct ringline_config c;

	file_put(dir, "file", (size_t)3 * PAGE, 1);
	conf_config(&c);
	c.blocking_io_threads = 1;
	c.blocking_queue = 1;
	CONF_OK(conf_run_with(&c, full_queue_main, (void *)dir));
}

/* A cut in the queue keeps the first part, too. */
static int cut_in_queue_main(void *dir)
{
	struct ringline_file *file = file_half_cached(dir, "file");
	char *data = g_malloc0((size_t)3 * PAGE);
	struct ringline_op *op;
	struct file_hold h;
	int64_t n;

	file_hold(&h, RINGLINE_BLOCKING_IO);
	CONF_OK(ringline_file_read_begin(&op, file, data, (size_t)3 * PAGE, POSITION));
	CONF_OK(ringline_op_cancel(op));
	n = ringline_op_await(op);
	file_let_go(&h);
	g_assert_true(n >= 0 || n == -ECANCELED);
	g_assert_cmpint(lseek(ringline_file_fd(file), 0, SEEK_CUR), ==, MAX(n, 0));
	conf_check(data, (size_t)MAX(n, 0), 1, 0);
	g_free(data);
	return ringline_file_close(file);
}

static void test_cut_in_queue(const char *dir)
{
	file_put(dir, "file", (size_t)3 * PAGE, 1);
	file_run_with_threads(dir, 1, cut_in_queue_main);
}

/* Reads that come in numbers are the ring's, one by itself is not. */
static int read_some_main(void *arg)
{
	char data[100];
	int i;

	for (i = 0; i < 20; i++)
		g_assert_cmpint(ringline_file_read(arg, data, sizeof(data), (uint64_t)i), ==, sizeof(data));
	return 0;
}

static int company_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDONLY);
	struct ringline_task *t[8];
	uint64_t ring;
	int i;

	for (i = 0; i < 8; i++)
		CONF_OK(ringline_task_start(&t[i], read_some_main, file, NULL));
	for (i = 0; i < 8; i++)
		CONF_OK(ringline_task_join(t[i], NULL));
	ring = file_count("read", "io_uring");
	if (file_ring())
		g_assert_cmpuint(ring, >=, 80);          /* of 160: the first turn does not know yet */
	else
		g_assert_cmpuint(ring, ==, 0);
	file_turns(3);
	CONF_OK(read_some_main(file));
	if (file_inline())
		g_assert_cmpuint(file_count("read", "io_uring"), ==, ring);
	return ringline_file_close(file);
}

static void test_company(const char *dir)
{
	file_put(dir, "file", 200, 1);
	file_run(dir, company_main);
}

/* What a disk has to do it begins with before the turn is over. */
static int eager_main(void *dir)
{
	struct ringline_worker_stats before = { .size = sizeof(before) };
	struct ringline_worker_stats after = { .size = sizeof(after) };
	struct ringline_file *file = file_open(dir, "file", O_RDONLY | O_DIRECT);
	struct ringline_op *op[32];
	struct ringline_buf *buf;
	char *data;
	int i;

	CONF_OK(ringline_buf_alloc(&buf, (size_t)32 * PAGE, PAGE));
	data = ringline_buf_memory(buf);
	CONF_OK(ringline_worker_stats(NULL, 0, &before));
	for (i = 0; i < 32; i++)
		CONF_OK(ringline_file_read_begin(&op[i], file, data + i * PAGE, PAGE, (uint64_t)i * PAGE));
	CONF_OK(ringline_worker_stats(NULL, 0, &after));
	if (file_ring())
		g_assert_cmpuint(after.system_calls, >=, before.system_calls + 3);
	else
		g_assert_cmpuint(after.system_calls, ==, before.system_calls);
	for (i = 0; i < 32; i++)
		g_assert_cmpint(ringline_op_await(op[i]), ==, PAGE);
	conf_check(data, (size_t)32 * PAGE, 1, 0);
	ringline_buf_unref(buf);
	return ringline_file_close(file);
}

static void test_eager(const char *dir)
{
	file_put(dir, "file", (size_t)32 * PAGE, 1);
	file_run(dir, eager_main);
}

/* A file that is closed and another one opened in its place is not read on, however late the reader comes to it. */
#define CROWD 300

struct all {
	struct ringline_file *file;
	char data[SIZE];
	ssize_t result;
	bool stop;
};

static int read_all_task(void *arg)
{
	struct all *a = arg;

	a->result = ringline_file_read_all(a->file, a->data, SIZE, 0);
	return 0;
}

/* One of many that the reader has to wait behind. */
static int crowd_task(void *arg)
{
	const struct all *a = arg;

	while (!a->stop) {
		uint64_t end = ringline_now() + MSEC / 5;

		while (ringline_now() < end)
			;
		CONF_OK(ringline_yield());
	}
	return 0;
}

static int replaced_main(void *dir)
{
	struct ringline_task_options bulk = RINGLINE_TASK_OPTIONS_INIT;
	struct all *a = g_new0(struct all, 1);
	struct ringline_task *crowd[CROWD];
	struct ringline_file *other;
	struct ringline_task *t;
	struct ringline_op *op;
	int fd = file_fd(dir, "other", O_RDONLY);
	int i;

	bulk.task_class = RINGLINE_TASK_BULK;
	a->file = file_open(dir, "file", O_RDONLY);
	place_fault("short read 100\nstall read");
	CONF_OK(ringline_task_start(&t, read_all_task, a, &bulk));
	place_stalled("read");
	for (i = 0; i < CROWD; i++)
		CONF_OK(ringline_task_start(&crowd[i], crowd_task, a, &bulk));
	file_turns(3);
	CONF_OK(ringline_file_close_begin(&op, a->file));
	place_fault("release read");
	g_assert_cmpint(ringline_op_await(op), ==, 0);
	CONF_OK(ringline_file_from_fd(&other, fd));
	a->stop = true;
	CONF_OK(ringline_join(crowd, CROWD, NULL));
	CONF_OK(ringline_task_join(t, NULL));
	g_assert_cmpint(a->result, ==, -EBADF);
	g_free(a);
	return ringline_file_close(other);
}

static void test_replaced(const char *dir)
{
	file_put(dir, "file", SIZE, 1);
	file_put(dir, "other", SIZE, 2);
	file_run(dir, replaced_main);
}

/* --- files that are none ------------------------------------------------------------------------------------------ */

static struct ringline_file *open_absolute(const char *path, int flags)
{
	struct ringline_file *file;

	CONF_OK(ringline_file_open(&file, NULL, path, flags, 0, NULL));
	return file;
}

static int devices_main(void *arg)
{
	struct ringline_file *zero = open_absolute("/dev/zero", O_RDWR);
	struct ringline_file *null = open_absolute("/dev/null", O_RDWR);
	struct ringline_file *full = open_absolute("/dev/full", O_RDWR);
	struct ringline_op *op[20];
	int64_t result[20];
	char data[100];
	int i;

	(void)arg;
	memset(data, 1, sizeof(data));
	for (i = 0; i < 20; i++)
		CONF_OK(ringline_file_read_begin(&op[i], i % 2 ? zero : full, data + 5 * i, 5, (uint64_t)i * 1000));
	CONF_OK(ringline_op_await_all(op, 20, result));
	for (i = 0; i < 100; i++)
		g_assert_cmpint(data[i], ==, 0);
	for (i = 0; i < 20; i++)
		g_assert_cmpint(result[i], ==, 5);
	g_assert_cmpint(ringline_file_read(null, data, 10, 0), ==, 0);
	g_assert_cmpint(ringline_file_read_all(null, data, 10, 0), ==, -ENODATA);
	g_assert_cmpint(ringline_file_write(null, data, 10, 12345), ==, 10);
	g_assert_cmpint(ringline_file_write(zero, data, 10, POSITION), ==, 10);
	g_assert_cmpint(ringline_file_write(full, data, 10, 0), ==, -ENOSPC);
	g_assert_cmpint(ringline_file_write_all(full, data, 10, 0), ==, -ENOSPC);
	g_assert_cmpint(ringline_file_append(full, data, 10), ==, -ENOSPC);
	CONF_OK(ringline_file_close(zero));
	CONF_OK(ringline_file_close(null));
	return ringline_file_close(full);
}

static void test_devices(void)
{
	CONF_OK(conf_run(devices_main, NULL));
}

static int proc_main(void *arg)
{
	struct ringline_file *file = open_absolute("/proc/self/status", O_RDONLY);
	char all[400];
	char data[100];

	(void)arg;
	g_assert_cmpint(ringline_file_read(file, all, 400, 0), ==, 400);
	g_assert_cmpmem(all, 5, "Name:", 5);
	g_assert_cmpint(ringline_file_read(file, data, 100, 6), ==, 100);
	g_assert_cmpint(data[0], ==, all[6]);
	g_assert_cmpint(ringline_file_read(file, data, 10, 1 << 20), ==, 0);
	g_assert_cmpint(ringline_file_read(file, data, 5, POSITION), ==, 5);
	g_assert_cmpmem(data, 5, "Name:", 5);
	return ringline_file_close(file);
}

static void test_proc(void)
{
	CONF_OK(conf_run(proc_main, NULL));
}

static void add(void)
{
	place_add_each("file-data", "counts-and-offsets", test_counts);
	place_add_each("file-data", "position-moves-along", test_position);
	place_add_each("file-data", "vectors", test_vectors);
	place_add("file-data", "here", "bad-ranges-are-einval", test_ranges);
	place_add_each("file-data", "not-opened-for-it-is-ebadf", test_not_for_it);
	place_add_each("file-data", "bad-memory-is-efault", test_fault);
	place_add_each("file-data", "too-large-is-efbig", test_limit);
	place_add_each("file-data", "all-or-an-error", test_all);
	place_add("file-data", "fuse", "all-goes-on-after-short-counts", test_short);
	place_add("file-data", "fuse", "all-is-cut-between-pieces", test_all_cut);
	place_add("file-data", "fuse", "all-does-not-go-on-with-another-file", test_replaced);
	place_add("file-data", "fuse", "errors-are-told", test_errors);
	place_add("file-data", "tmpfs", "no-space-is-enospc", test_full);
	place_add("file-data", "ext4", "no-space-is-enospc", test_full);
	place_add_each("file-data", "append-by-many", test_append);
	place_add_each("file-data", "append-only", test_always_append);
	place_add_each("file-data", "256-reads-at-once", test_many);
	place_add_each("file-data", "256-writes-at-once", test_many_writes);
	place_add("file-data", "here", "many-reads-are-the-rings", test_company);
	place_add("file-data", "ext4", "a-disk-begins-at-once", test_eager);
	place_add_each("file-data", "partly-in-the-cache", test_partly_cached);
	place_add_each("file-data", "partly-in-the-cache-and-the-queue-is-full", test_full_queue);
	place_add_each("file-data", "partly-in-the-cache-and-cut", test_cut_in_queue);
	conf_add("/file-data/devices", test_devices);
	conf_add("/file-data/proc", test_proc);
}

int main(int argc, char **argv)
{
	return place_main(argc, argv, "file-data", add);
}
