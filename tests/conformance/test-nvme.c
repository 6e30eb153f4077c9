/* SPDX-License-Identifier: MIT */
/*
 * NVMe passthrough: what is refused, on every engine; and on a device, if RINGLINE_TEST_NVME names a namespace of one
 * (/dev/ng0n1), what it and its controller (/dev/nvme0) answer. THE NAMESPACE IS WRITTEN TO.
 * tests/integration/nvme-qemu.sh runs it where there is an emulated one.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "support/conformance.h"

#define IDENTIFY   4096u
#define BLOCKS     8u
#define MANY       600u

static struct ringline_nvme_command command_of(void)
{
	return (struct ringline_nvme_command)RINGLINE_NVME_COMMAND_INIT;
}

static struct ringline_nvme_result result_of(void)
{
	return (struct ringline_nvme_result)RINGLINE_NVME_RESULT_INIT;
}

static struct ringline_file *open_file(const char *path)
{
	struct ringline_file *file;

	CONF_OK(ringline_file_open(&file, NULL, path, O_RDWR, 0, NULL));
	return file;
}

/* --- what is refused ---------------------------------------------------------------------------------------------- */

/* Neither form does it. */
static void refuse(struct ringline_file *file, const struct ringline_nvme_command *c, struct ringline_nvme_result *r, int error)
{
	struct ringline_op *const none = (struct ringline_op *)&error;
	struct ringline_op *op = none;

	g_assert_cmpint(ringline_file_nvme(file, c, r), ==, error);
	g_assert_cmpint(ringline_file_nvme_begin(&op, file, c, r), ==, error);
	g_assert_true(op == none);
}

/* What takes no commands gets none, though /dev/null would say yes to them all. */
static int no_device_main(void *arg)
{
	const struct ringline_nvme_command c = RINGLINE_NVME_COMMAND_INIT;
	struct ringline_nvme_result r = result_of();
	struct ringline_file_info info = RINGLINE_FILE_INFO_INIT;
	struct ringline_file *file = open_file("/dev/null");
	char *plain = g_strdup_printf("%s/plain-%d", g_get_tmp_dir(), (int)getpid());
	uint64_t count;
	int fd;

	(void)arg;
	refuse(file, &c, &r, -EOPNOTSUPP);
	refuse(file, &c, NULL, -EOPNOTSUPP);
	CONF_OK(ringline_file_info(file, &info));
	g_assert_cmpuint(info.flags & RINGLINE_FILE_NVME, ==, 0);
	CONF_OK(ringline_file_close(file));
	CONF_OK(ringline_file_open(&file, NULL, plain, O_RDWR | O_CREAT, 0600, NULL));
	refuse(file, &c, &r, -EOPNOTSUPP);
	CONF_OK(ringline_file_close(file));
	CONF_OK(unlink(plain));
	g_free(plain);
	fd = eventfd(0, EFD_CLOEXEC);
	CONF_OK(ringline_file_from_fd(&file, fd));
	refuse(file, &c, &r, -EOPNOTSUPP);
	CONF_OK(ringline_file_close(file));
	CONF_OK(ringline_worker_op_count(NULL, 0, "nvme", "io_uring", &count));
	g_assert_cmpuint(count, ==, 0);
	return 0;
}

static void test_no_device(void)
{
	CONF_OK(conf_run(no_device_main, NULL));
}

static int arguments_main(void *arg)
{
	struct {
		struct ringline_nvme_command c;
		uint64_t later;
	} grown = { .c = command_of() };
	struct ringline_file *file = open_file("/dev/null");
	struct ringline_nvme_command c = command_of();
	struct ringline_nvme_result r = result_of();
	char byte = 0;

	(void)arg;
	refuse(NULL, &c, &r, -EINVAL);
	refuse(file, NULL, &r, -EINVAL);
	c.data = &byte;
	refuse(file, &c, &r, -EINVAL);
	c.data = NULL;
	c.data_len = 1;
	refuse(file, &c, &r, -EINVAL);
	c = command_of();
	c.metadata = &byte;
	refuse(file, &c, &r, -EINVAL);
	c = command_of();
	c.queue = 2;
	refuse(file, &c, &r, -EINVAL);
	c = command_of();
	c.size = 1;
	refuse(file, &c, &r, -EINVAL);
	c = command_of();
	r.size = 1;
	refuse(file, &c, &r, -EINVAL);
	r = result_of();
	grown.c.size = sizeof(grown);
	grown.later = 1;
	refuse(file, &grown.c, &r, -E2BIG);
	CONF_OK(ringline_file_close(file));
	refuse(file, &c, &r, -EBADF);
	return 0;
}

static void test_arguments(void)
{
	CONF_OK(conf_run(arguments_main, NULL));
}

/* A cut does not hide why a call is refused. */
static int cut_main(void *arg)
{
	struct ringline_nvme_command c = command_of();
	struct ringline_file *file = open_file("/dev/null");
	struct ringline_scope *scope;

	(void)arg;
	CONF_OK(ringline_scope_open(&scope, NULL));
	CONF_OK(ringline_scope_cancel(scope));
	refuse(file, &c, NULL, -EOPNOTSUPP);
	c.data_len = 1;
	refuse(file, &c, NULL, -EINVAL);
	g_assert_cmpint(ringline_scope_close(scope), ==, -ECANCELED);
	CONF_OK(ringline_file_close(file));
	return 0;
}

static void test_cut(void)
{
	CONF_OK(conf_run(cut_main, NULL));
}

static void *prepare_elsewhere(void *arg)
{
	struct ringline_nvme_command *c = arg;
	static unsigned char memory[IDENTIFY];

	CONF_OK(ringline_nvme_prepare_flush(c, 1));
	CONF_OK(ringline_nvme_prepare_read(c, 1, 0, 512, memory, 512));
	CONF_OK(ringline_nvme_prepare_write(c, 1, 0, 512, memory, 512));
	CONF_OK(ringline_nvme_prepare_identify(c, 0, 1, memory, IDENTIFY));
	g_assert_cmpint(ringline_nvme_block_size(memory, IDENTIFY), ==, -EINVAL);
	g_assert_cmpint(ringline_nvme_prepare_read(c, 1, 0, 512, memory, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_nvme_prepare_write(c, 1, 0, 512, memory, (size_t)512 * 65537), ==, -EINVAL);
	return NULL;
}

/* Commands are written down on any thread; sending them is for tasks. */
static void test_threads(void)
{
	struct ringline_nvme_command c = command_of();
	struct ringline_op *op;
	pthread_t thread;

	g_assert_cmpint(pthread_create(&thread, NULL, prepare_elsewhere, &c), ==, 0);
	g_assert_cmpint(pthread_join(thread, NULL), ==, 0);
	g_assert_cmphex(c.opcode, ==, 0x06);
	conf_log_allow("ringline_file_nvme");
	g_assert_cmpint(ringline_file_nvme((struct ringline_file *)&c, &c, NULL), ==, -EPERM);
	g_assert_cmpint(ringline_file_nvme_begin(&op, (struct ringline_file *)&c, &c, NULL), ==, -EPERM);
}

/* --- on a device -------------------------------------------------------------------------------------------------- */

static struct ringline_file *device;
static uint32_t nsid;
static uint32_t block_size;
static uint64_t blocks;          /* of the namespace */
static uint64_t first;           /* block that a case may use */

static uint64_t little_endian(const unsigned char *p, unsigned int n)
{
	uint64_t value = 0;

	while (n--)
		value = value << 8 | p[n];
	return value;
}

static struct ringline_file *open_controller(void)
{
	struct ringline_file *controller;
	unsigned int number = 0;
	char path[32];

	g_assert_cmpint(sscanf(g_getenv("RINGLINE_TEST_NVME"), "/dev/ng%u", &number), ==, 1);
	snprintf(path, sizeof(path), "/dev/nvme%u", number);
	CONF_OK(ringline_file_open(&controller, NULL, path, O_RDWR, 0, NULL));
	return controller;
}

/* A structure that the controller tells. */
static void identify(uint8_t cns, uint32_t of, unsigned char *id)
{
	struct ringline_file *controller = open_controller();
	struct ringline_nvme_command c = command_of();
	struct ringline_nvme_result r = result_of();

	memset(id, 0, IDENTIFY);
	CONF_OK(ringline_nvme_prepare_identify(&c, cns, of, id, IDENTIFY));
	c.timeout = 10 * SEC;
	CONF_OK(ringline_file_nvme(controller, &c, &r));
	g_assert_cmpuint(r.status, ==, 0);
	CONF_OK(ringline_file_close(controller));
}

static void open_device(void)
{
	struct ringline_file_info info = RINGLINE_FILE_INFO_INIT;
	unsigned char id[IDENTIFY];

	device = open_file(g_getenv("RINGLINE_TEST_NVME"));
	CONF_OK(ringline_file_info(device, &info));
	g_assert_cmpuint(info.flags & RINGLINE_FILE_NVME, !=, 0);
	nsid = (uint32_t)ioctl(info.fd, _IO('N', 0x40));      /* NVME_IOCTL_ID */
	identify(0, nsid, id);
	blocks = little_endian(id, 8);
	g_assert_cmpint(ringline_nvme_block_size(id, IDENTIFY), >=, 512);
	block_size = (uint32_t)ringline_nvme_block_size(id, IDENTIFY);
	g_assert_cmpuint(blocks, >, MANY * BLOCKS + 64);
	first = 16;
}

static void close_device(void)
{
	CONF_OK(ringline_file_close(device));
}

static int send_read(uint64_t lba, void *data, size_t len, struct ringline_nvme_result *r)
{
	struct ringline_nvme_command c = command_of();

	CONF_OK(ringline_nvme_prepare_read(&c, nsid, lba, block_size, data, len));
	return ringline_file_nvme(device, &c, r);
}

static int send_write(uint64_t lba, const void *data, size_t len, struct ringline_nvme_result *r)
{
	struct ringline_nvme_command c = command_of();

	CONF_OK(ringline_nvme_prepare_write(&c, nsid, lba, block_size, data, len));
	return ringline_file_nvme(device, &c, r);
}

static int send_flush(void)
{
	struct ringline_nvme_command c = command_of();

	CONF_OK(ringline_nvme_prepare_flush(&c, nsid));
	return ringline_file_nvme(device, &c, NULL);
}

/* Blocks come back as they were written, those around them as they were. */
static int blocks_main(void *arg)
{
	struct ringline_nvme_result r = result_of();
	unsigned char *data;
	uint64_t count;
	uint64_t n;
	uint32_t seed;
	size_t len;

	(void)arg;
	open_device();
	len = (size_t)BLOCKS * block_size;
	data = g_malloc(3 * len);
	CONF_OK(ringline_worker_op_count(NULL, 0, "nvme", "io_uring", &count));
	for (seed = 1; seed <= 3; seed++) {
		conf_fill(data, 3 * len, seed, 0);
		CONF_OK(send_write(first, data, 3 * len, &r));
		conf_fill(data, len, seed + 100, 0);
		CONF_OK(send_write(first + BLOCKS, data, len, NULL));
		CONF_OK(send_flush());
		memset(data, 0xee, 3 * len);
		CONF_OK(send_read(first, data, 3 * len, &r));
		g_assert_cmpuint(r.status | r.code | r.type | r.flags, ==, 0);
		conf_check(data, len, seed, 0);
		conf_check(data + len, len, seed + 100, 0);
		conf_check(data + 2 * len, len, seed, 2 * len);
	}
	memset(data, 0xee, 3 * len);
	CONF_OK(send_read(first + 1, data, block_size, NULL));
	conf_check(data, block_size, 3, block_size);
	g_assert_cmphex(data[block_size], ==, 0xee);
	CONF_OK(ringline_worker_op_count(NULL, 0, "nvme", "io_uring", &n));
	g_assert_cmpuint(n - count, ==, 13);
	g_free(data);
	close_device();
	return 0;
}

/* Memory need not be aligned. */
static int unaligned_main(void *arg)
{
	unsigned char *data;

	(void)arg;
	open_device();
	data = g_malloc(2 * block_size + 64);
	conf_fill(data + 13, 2 * block_size, 9, 0);
	CONF_OK(send_write(first, data + 13, 2 * block_size, NULL));
	memset(data, 0, 2 * block_size + 64);
	CONF_OK(send_read(first, data + 7, 2 * block_size, NULL));
	conf_check(data + 7, 2 * block_size, 9, 0);
	g_free(data);
	close_device();
	return 0;
}

static struct ringline_op *begin_blocks(bool write, uint32_t i, unsigned char *data)
{
	size_t len = (size_t)BLOCKS * block_size;
	struct ringline_nvme_command c = command_of();
	struct ringline_op *op;

	if (write)
		CONF_OK(ringline_nvme_prepare_write(&c, nsid, first + i * BLOCKS, block_size, data + i * len, len));
	else
		CONF_OK(ringline_nvme_prepare_read(&c, nsid, first + i * BLOCKS, block_size, data + i * len, len));
	CONF_OK(ringline_file_nvme_begin(&op, device, &c, NULL));
	return op;
}

static void do_many(bool write, unsigned char *data, int64_t *results)
{
	static struct ringline_op *op[MANY];
	uint32_t i;

	for (i = 0; i < MANY; i++)
		op[i] = begin_blocks(write, i, data);
	CONF_OK(ringline_op_await_all(op, MANY, results));
}

/* More at once than the kernel is given, each with memory of its own. */
static int many_main(void *arg)
{
	static int64_t results[MANY];
	unsigned char *data;
	size_t len;
	uint32_t i;

	(void)arg;
	open_device();
	len = (size_t)BLOCKS * block_size;
	data = g_malloc(MANY * len);
	conf_fill(data, MANY * len, 5, 0);
	do_many(true, data, results);
	for (i = 0; i < MANY; i++)
		CONF_OK(results[i]);
	memset(data, 0, MANY * len);
	do_many(false, data, results);
	for (i = 0; i < MANY; i++)
		CONF_OK(results[i]);
	conf_check(data, MANY * len, 5, 0);
	g_free(data);
	close_device();
	return 0;
}

/* A failed command is an error, and its status says which. */
static int status_main(void *arg)
{
	struct ringline_nvme_command c = command_of();
	struct ringline_nvme_result r = result_of();
	unsigned char *data;

	(void)arg;
	open_device();
	data = g_malloc(block_size);
	g_assert_cmpint(send_read(blocks, data, block_size, &r), ==, -EREMOTEIO);
	g_assert_cmpuint(r.type, ==, RINGLINE_NVME_GENERIC);
	g_assert_cmphex(r.code, ==, 0x80);           /* LBA out of range */
	g_assert_cmphex(r.status & 0x7ff, ==, 0x80);
	g_assert_cmpuint(r.flags & RINGLINE_NVME_NO_RETRY, !=, 0);
	g_assert_cmpint(send_write(UINT64_MAX, data, block_size, NULL), ==, -EREMOTEIO);

	c.opcode = 0x7f;
	c.nsid = nsid;
	g_assert_cmpint(ringline_file_nvme(device, &c, &r), ==, -EREMOTEIO);
	g_assert_cmpuint(r.type, ==, RINGLINE_NVME_GENERIC);
	g_assert_cmphex(r.code, ==, 0x01);           /* no such opcode */
	CONF_OK(send_read(blocks - 1, data, block_size, &r));
	g_assert_cmpuint(r.status | r.code | r.type | r.flags, ==, 0);
	g_free(data);
	close_device();
	return 0;
}

/* A controller takes admin commands, a namespace the others; what a feature is set to comes back as a value. */
static int controller_main(void *arg)
{
	struct ringline_file *controller = open_controller();
	struct ringline_nvme_command c = command_of();
	struct ringline_nvme_result r = result_of();
	unsigned char id[IDENTIFY];

	(void)arg;
	open_device();
	identify(1, 0, id);
	g_test_message("%.40s, namespace %u of %" G_GUINT64_FORMAT " blocks of %u", id + 24, nsid, blocks, block_size);
	c.opcode = 0x0a;                              /* Get Features */
	c.queue = RINGLINE_NVME_ADMIN;
	c.cdw10 = 0x07;                               /* number of queues */
	CONF_OK(ringline_file_nvme(controller, &c, &r));
	g_test_message("number of queues: %#" G_GINT64_MODIFIER "x", r.value);
	g_assert_cmpuint(r.value & 0xffffffff, !=, 0);
	g_assert_cmpint(ringline_file_nvme(device, &c, &r), ==, -ENOTTY);
	CONF_OK(ringline_nvme_prepare_flush(&c, nsid));
	g_assert_cmpint(ringline_file_nvme(controller, &c, &r), ==, -ENOTTY);
	CONF_OK(ringline_file_close(controller));
	close_device();
	return 0;
}

/* What the kernel itself refuses. */
static int kernel_main(void *arg)
{
	size_t huge = (size_t)64 << 20;
	struct ringline_nvme_command c = command_of();
	struct ringline_nvme_result r = result_of();
	unsigned char *data = g_malloc0(huge);

	(void)arg;
	open_device();
	CONF_OK(ringline_nvme_prepare_flush(&c, nsid + 1));
	g_assert_cmpint(ringline_file_nvme(device, &c, &r), ==, -EINVAL);
	CONF_OK(ringline_nvme_prepare_flush(&c, nsid));
	c.flags = 1;
	g_assert_cmpint(ringline_file_nvme(device, &c, &r), ==, -EINVAL);
	CONF_OK(ringline_nvme_prepare_read(&c, nsid, 0, block_size, data, (size_t)MIN(huge / block_size, 65536) * block_size));
	g_assert_cmpint(ringline_file_nvme(device, &c, &r), <, 0);
	CONF_OK(ringline_nvme_prepare_read(&c, nsid, 0, block_size, (void *)(uintptr_t)4096, block_size));
	g_assert_cmpint(ringline_file_nvme(device, &c, &r), ==, -EFAULT);
	g_assert_cmpuint(r.status, ==, 0);
	g_free(data);
	close_device();
	return 0;
}

/* Writing is not for everybody. */
static int permission_main(void *arg)
{
	unsigned char *data;
	int r;

	(void)arg;
	open_device();
	data = g_malloc(block_size);
	if (geteuid() == 0 && seteuid(65534) == 0) {
		r = send_write(first, data, block_size, NULL);
		CONF_OK(seteuid(0));
		g_assert_cmpint(r, ==, -EACCES);
	} else {
		g_test_skip("not root");
	}
	g_free(data);
	close_device();
	return 0;
}

/* What has not been sent is taken back, what has been is waited for. */
static int device_cut_main(void *arg)
{
	static struct ringline_op *op[MANY];
	struct ringline_scope *scope;
	unsigned char *data;
	int64_t result;
	uint32_t done = 0;
	uint32_t i;

	(void)arg;
	open_device();
	data = g_malloc((size_t)MANY * BLOCKS * block_size);
	CONF_OK(ringline_scope_open(&scope, NULL));
	for (i = 0; i < MANY; i++)
		op[i] = begin_blocks(false, i, data);
	for (i = 0; i < MANY; i++)
		CONF_OK(ringline_op_cancel(op[i]));
	for (i = 0; i < MANY; i++) {
		result = ringline_op_await(op[i]);
		g_assert_true(result == 0 || result == -ECANCELED);
		done += result == 0;
	}
	g_test_message("%u of %u were carried out", done, MANY);
	g_assert_cmpuint(done, >, 0);
	g_assert_cmpuint(done, <, MANY);

	for (i = 0; i < MANY; i++)
		(void)begin_blocks(false, i, data);
	CONF_OK(ringline_scope_close(scope));        /* and whatever came of them */
	g_free(data);
	close_device();
	return 0;
}

/* A file that is closed waits for its commands. */
static int device_close_main(void *arg)
{
	static struct ringline_op *op[MANY];
	unsigned char *data;
	int64_t result;
	uint32_t i;

	(void)arg;
	open_device();
	data = g_malloc((size_t)MANY * BLOCKS * block_size);
	for (i = 0; i < MANY; i++)
		op[i] = begin_blocks(false, i, data);
	CONF_OK(ringline_yield());
	close_device();
	for (i = 0; i < MANY; i++) {
		result = ringline_op_result(op[i]);
		g_assert_true(result == 0 || result == -EBADF);
	}
	g_free(data);
	return 0;
}

/* A worker that has nothing else to do is woken by the device, and sleeps until then. */
static int sleeps_main(void *arg)
{
	struct ringline_worker_stats before;
	struct ringline_worker_stats after;
	unsigned char *data;
	int i;

	(void)arg;
	open_device();
	data = g_malloc(block_size);
	before = conf_stats(NULL);
	for (i = 0; i < 100; i++)
		CONF_OK(send_read(first, data, block_size, NULL));
	after = conf_stats(NULL);
	g_test_message("%" G_GUINT64_FORMAT " waits for 100 commands", after.waits - before.waits);
	g_assert_cmpuint(after.waits - before.waits, <, 1000);
	g_free(data);
	close_device();
	return 0;
}

static int epoll_main(void *arg)
{
	struct ringline_nvme_command c = command_of();

	(void)arg;
	device = open_file(g_getenv("RINGLINE_TEST_NVME"));
	refuse(device, &c, NULL, -EOPNOTSUPP);
	close_device();
	return 0;
}

static void on_device(int (*fn)(void *arg))
{
	if (!g_getenv("RINGLINE_TEST_NVME"))
		g_test_skip("RINGLINE_TEST_NVME names no device");
	else if (conf_is("epoll"))
		CONF_OK(conf_run(epoll_main, NULL));
	else
		CONF_OK(conf_run(fn, NULL));
}

#define ON_DEVICE(name) \
	static void test_##name(void) \
	{ \
		on_device(name##_main); \
	}

ON_DEVICE(blocks)
ON_DEVICE(unaligned)
ON_DEVICE(many)
ON_DEVICE(status)
ON_DEVICE(kernel)
ON_DEVICE(permission)
ON_DEVICE(device_cut)
ON_DEVICE(device_close)
ON_DEVICE(sleeps)
ON_DEVICE(controller)

static void add(void)
{
	conf_add("/nvme/no-device", test_no_device);
	conf_add("/nvme/arguments", test_arguments);
	conf_add("/nvme/cut-scopes-tell-why", test_cut);
	conf_add("/nvme/prepared-on-any-thread", test_threads);
	conf_add("/nvme/device/blocks-come-back", test_blocks);
	conf_add("/nvme/device/unaligned-memory", test_unaligned);
	conf_add("/nvme/device/many-at-once", test_many);
	conf_add("/nvme/device/failures-have-a-status", test_status);
	conf_add("/nvme/device/refused-by-the-kernel", test_kernel);
	conf_add("/nvme/device/not-for-everybody", test_permission);
	conf_add("/nvme/device/cut", test_device_cut);
	conf_add("/nvme/device/close", test_device_close);
	conf_add("/nvme/device/sleeps", test_sleeps);
	conf_add("/nvme/device/controller", test_controller);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "nvme", add);
}
