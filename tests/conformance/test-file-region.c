/* SPDX-License-Identifier: MIT */
/* Memory that matters: regions with their bounds and their end, and the alignment that O_DIRECT asks for. */
#include "support/files.h"

#define PAGE  4096
#define PAGES 8
#define SIZE  (PAGES * PAGE)
#define MANY  100

static char *memory_of(struct ringline_buf **buf, size_t n)
{
	CONF_OK(ringline_buf_alloc(buf, n, PAGE));
	return ringline_buf_memory(*buf);
}

/* --- O_DIRECT ----------------------------------------------------------------------------------------------------- */

static uint64_t asked(const char *operation)
{
	return file_count(operation, "inline") + file_count(operation, "io_uring") + file_count(operation, "pool");
}

static uint64_t asked_in_all(void)
{
	return asked("read") + asked("write") + asked("readv") + asked("writev");
}

static void refuse(struct ringline_file *file, char *data, size_t n, uint64_t offset)
{
	struct iovec iov[2] = { { data, n }, { data, n } };
	struct ringline_op *op;

	g_assert_cmpint(ringline_file_read(file, data, n, offset), ==, -EINVAL);
	g_assert_cmpint(ringline_file_write(file, data, n, offset), ==, -EINVAL);
	g_assert_cmpint(ringline_file_readv(file, iov, 2, offset), ==, -EINVAL);
	g_assert_cmpint(ringline_file_writev(file, iov, 2, offset), ==, -EINVAL);
	g_assert_cmpint(ringline_file_read_begin(&op, file, data, n, offset), ==, -EINVAL);
	g_assert_cmpint(ringline_file_write_begin(&op, file, data, n, offset), ==, -EINVAL);
}

/* What is not aligned is refused before the kernel sees it. */
static int misaligned_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR | O_DIRECT);
	struct ringline_file_info info = RINGLINE_FILE_INFO_INIT;
	struct ringline_region *region;
	struct ringline_buf *buf;
	char *data = memory_of(&buf, SIZE);
	uint64_t before = asked_in_all();

	CONF_OK(ringline_file_info(file, &info));
	g_assert_true(info.flags & RINGLINE_FILE_DIRECT);
	if (!info.offset_alignment) {
		g_test_skip("the file system does not tell");
		ringline_buf_unref(buf);
		return ringline_file_close(file);
	}
	g_assert_cmpuint(PAGE % info.offset_alignment, ==, 0);
	refuse(file, data + info.memory_alignment / 2, PAGE, 0);
	refuse(file, data, PAGE - info.offset_alignment / 2, 0);
	refuse(file, data, PAGE, info.offset_alignment / 2);
	CONF_OK(ringline_region_new(&region, data, SIZE));
	g_assert_cmpint(ringline_file_read_region(file, region, info.memory_alignment / 2, PAGE, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_file_write_region(file, region, 0, PAGE, info.offset_alignment / 2), ==, -EINVAL);
	g_assert_cmpuint(asked_in_all(), ==, before);
	g_assert_cmpint(ringline_file_read_region(file, region, PAGE, SIZE - PAGE, PAGE), ==, SIZE - PAGE);
	conf_check(data + PAGE, SIZE - PAGE, 1, PAGE);
	CONF_OK(ringline_region_free(region));
	g_assert_cmpint(ringline_file_read(file, data, SIZE, 0), ==, SIZE);
	conf_check(data, SIZE, 1, 0);
	ringline_buf_unref(buf);
	return ringline_file_close(file);
}

static void test_misaligned(const char *dir)
{
	file_put(dir, "file", SIZE, 1);
	file_run(dir, misaligned_main);
}

/* --- bounds ------------------------------------------------------------------------------------------------------- */

static void beyond(struct ringline_file *file, struct ringline_region *region, size_t at, size_t n)
{
	struct ringline_op *op;

	g_assert_cmpint(ringline_file_read_region(file, region, at, n, 0), ==, -ERANGE);
	g_assert_cmpint(ringline_file_write_region(file, region, at, n, 0), ==, -ERANGE);
	g_assert_cmpint(ringline_file_read_region_begin(&op, file, region, at, n, 0), ==, -ERANGE);
	g_assert_cmpint(ringline_file_write_region_begin(&op, file, region, at, n, 0), ==, -ERANGE);
}

static int bounds_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDWR);
	struct ringline_region *region;
	char *data = g_malloc0(SIZE);
	int i;

	CONF_OK(ringline_region_new(&region, data, SIZE));
	g_assert_true(ringline_region_registered(region) == 1 || !file_ring());
	beyond(file, region, SIZE, 1);
	beyond(file, region, SIZE + 1, 0);
	beyond(file, region, 1, SIZE);
	beyond(file, region, 2, SIZE_MAX - 1);
	g_assert_cmpint(ringline_file_read_region(file, region, SIZE, 0, 0), ==, 0);
	g_assert_cmpint(ringline_file_read_region(file, region, 100, 50, 10), ==, 50);
	conf_check(data + 100, 50, 1, 10);
	for (i = 0; i < SIZE; i++)
		g_assert_true(data[i] == 0 || (i >= 100 && i < 150));
	g_assert_cmpint(ringline_file_write_region(file, region, 100, 50, SIZE), ==, 50);
	g_assert_cmpint(ringline_file_read_region(file, region, SIZE - 50, 50, SIZE), ==, 50);
	conf_check(data + SIZE - 50, 50, 1, 10);
	CONF_OK(ringline_region_free(region));
	g_free(data);
	return ringline_file_close(file);
}

static void test_bounds(const char *dir)
{
	file_put(dir, "file", SIZE, 1);
	file_run(dir, bounds_main);
}

/* --- many, and their end ------------------------------------------------------------------------------------------ */

/* More than a table holds: the others are no worse but for speed. */
static int many_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDONLY);
	struct ringline_region *region[MANY];
	char data[MANY][64];
	int registered = 0;
	int i;

	for (i = 0; i < MANY; i++) {
		CONF_OK(ringline_region_new(&region[i], data[i], sizeof(data[i])));
		registered += ringline_region_registered(region[i]);
	}
	g_assert_cmpint(registered, <, MANY);
	for (i = 0; i < MANY; i++)
		g_assert_cmpint(ringline_file_read_region(file, region[i], 1, 63, (uint64_t)i), ==, 63);
	for (i = 0; i < MANY; i++)
		conf_check(data[i] + 1, 63, 1, (uint64_t)i);
	for (i = 0; i < MANY; i++)
		CONF_OK(ringline_region_free(region[i]));
	return ringline_file_close(file);
}

static void test_many(const char *dir)
{
	file_put(dir, "file", SIZE, 1);
	file_run(dir, many_main);
}

/* Makes a region, has it read into, and gives it up while others do the same. */
static int come_and_go(void *file)
{
	struct ringline_op *op[PAGES];
	struct ringline_region *region;
	char *data = g_malloc0(SIZE);
	int round;
	int i;

	for (round = 0; round < 20; round++) {
		memset(data, 0, SIZE);
		CONF_OK(ringline_region_new(&region, data, SIZE));
		for (i = 0; i < PAGES; i++)
			CONF_OK(ringline_file_read_region_begin(&op[i], file, region, (size_t)i * PAGE, PAGE, (uint64_t)i * PAGE));
		CONF_OK(ringline_region_free(region));
		conf_check(data, SIZE, 1, 0);
		for (i = 0; i < PAGES; i++)
			g_assert_cmpint(ringline_op_await(op[i]), ==, PAGE);
	}
	g_free(data);
	return 0;
}

static int coming_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDONLY);
	struct ringline_scope *scope;
	int i;

	CONF_OK(ringline_scope_open(&scope, NULL));
	for (i = 0; i < 8; i++)
		CONF_OK(ringline_scope_spawn(scope, come_and_go, file));
	CONF_OK(ringline_scope_close(scope));
	return ringline_file_close(file);
}

static void test_coming(const char *dir)
{
	file_put(dir, "file", SIZE, 1);
	file_run(dir, coming_main);
}

/* A free that is cut short goes on by itself; nobody gets in any more, and who is in stays until it is done. */
static int cut_free_main(void *dir)
{
	struct ringline_file *file = file_open(dir, "file", O_RDONLY);
	struct ringline_scope *scope;
	struct ringline_region *region;
	struct ringline_op *op;
	char data[PAGE];

	CONF_OK(ringline_region_new(&region, data, PAGE));
	place_fault("stall read");
	CONF_OK(ringline_file_read_region_begin(&op, file, region, 0, PAGE, 0));
	place_stalled("read");
	scope = file_scope(2 * RINGLINE_NSEC_PER_MSEC);
	g_assert_cmpint(ringline_region_free(region), ==, -ETIME);
	file_scope_end(scope, -ETIME);
	g_assert_cmpint(ringline_file_read_region(file, region, 0, PAGE, 0), ==, -EBADF);
	place_fault("release read");
	g_assert_cmpint(ringline_op_await(op), ==, PAGE);
	conf_check(data, PAGE, 1, 0);
	return ringline_file_close(file);
}

static void test_cut_free(const char *dir)
{
	file_put(dir, "file", SIZE, 1);
	file_drop_cache(dir, "file");
	file_run(dir, cut_free_main);
}

static void add(void)
{
	place_add("file-region", "ext4", "misaligned", test_misaligned);
	place_add("file-region", "xfs", "misaligned", test_misaligned);
	place_add_each("file-region", "bounds", test_bounds);
	place_add("file-region", "here", "many", test_many);
	place_add_each("file-region", "come-and-go", test_coming);
	place_add("file-region", "fuse", "cut-free", test_cut_free);
}

int main(int argc, char **argv)
{
	return place_main(argc, argv, "file-region", add);
}
