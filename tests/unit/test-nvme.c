/* SPDX-License-Identifier: MIT */
/*
 * What becomes of NVMe commands on their way to the kernel and back: every byte of them, the numbers that the kernel knows
 * them by, counts that are one less than they say, memory that must be there, and statuses.
 */
#include <errno.h>
#include <glib.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#if defined(__has_include)
#if __has_include(<linux/nvme_ioctl.h>)
#include <linux/nvme_ioctl.h>
#endif
#endif

#include "base/clock.h"
#include "cases.h"
#include "io/nvme.h"

#ifdef RLN_HAVE_LIBURING
#include "backend/uring.h"
#endif

#define TOP (UINT64_C(1) << 63)

static struct ringline_nvme_command command_of(void)
{
	return (struct ringline_nvme_command)RINGLINE_NVME_COMMAND_INIT;
}

static unsigned char memory[4096];

/* A command with a value of its own in each member. */
static struct ringline_nvme_command full_command(void)
{
	struct ringline_nvme_command c = command_of();

	c.opcode = 0xc1;
	c.flags = 0x42;
	c.queue = RINGLINE_NVME_ADMIN;
	c.nsid = 0x11121314;
	c.cdw2 = 0x21222324;
	c.cdw3 = 0x31323334;
	c.metadata = memory + 512;
	c.data = memory;
	c.metadata_len = 0x41424344;
	c.data_len = 0x51525354;
	c.cdw10 = 0xa1a2a3a4;
	c.cdw11 = 0xb1b2b3b4;
	c.cdw12 = 0xc1c2c3c4;
	c.cdw13 = 0xd1d2d3d4;
	c.cdw14 = 0xe1e2e3e4;
	c.cdw15 = 0xf1f2f3f4;
	c.timeout = 7 * RLN_NSEC_PER_SEC;
	return c;
}

static int encode(struct rln_nvme_command *to, const struct ringline_nvme_command *from)
{
	uint32_t queue;

	return rln_nvme_encode(to, &queue, from);
}

/* --- to the kernel ------------------------------------------------------------------------------------------------ */

/* The kernel's numbers, which must not be zero and have the size of the structure in them. */
static void requests(void)
{
	g_assert_cmphex(RLN_NVME_IO, ==, 0xc0484e80);
	g_assert_cmphex(RLN_NVME_ADMIN, ==, 0xc0484e82);
	g_assert_cmphex(RLN_NVME_IO, ==, _IOWR('N', 0x80, struct rln_nvme_command));
	g_assert_cmphex(RLN_NVME_ADMIN, ==, _IOWR('N', 0x82, struct rln_nvme_command));
#ifdef NVME_URING_CMD_IO
	g_assert_cmphex(RLN_NVME_IO, ==, NVME_URING_CMD_IO);
	g_assert_cmphex(RLN_NVME_ADMIN, ==, NVME_URING_CMD_ADMIN);
#endif
}

#ifdef NVME_URING_CMD_IO
#define SAME(ours, theirs) \
	g_assert_cmpuint(offsetof(struct rln_nvme_command, ours), ==, offsetof(struct nvme_uring_cmd, theirs))
#endif

static void layout(void)
{
#ifdef NVME_URING_CMD_IO
	g_assert_cmpuint(sizeof(struct rln_nvme_command), ==, sizeof(struct nvme_uring_cmd));
	SAME(opcode, opcode);
	SAME(flags, flags);
	SAME(nsid, nsid);
	SAME(cdw2, cdw2);
	SAME(cdw3, cdw3);
	SAME(metadata, metadata);
	SAME(data, addr);
	SAME(metadata_len, metadata_len);
	SAME(data_len, data_len);
	SAME(cdw10, cdw10);
	SAME(cdw11, cdw11);
	SAME(cdw12, cdw12);
	SAME(cdw13, cdw13);
	SAME(cdw14, cdw14);
	SAME(cdw15, cdw15);
	SAME(timeout_ms, timeout_ms);
#else
	g_test_skip("the kernel's headers here do not know struct nvme_uring_cmd");
#endif
}

static void put32(unsigned char *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

static void put64(unsigned char *at, uint64_t value)
{
	memcpy(at, &value, sizeof(value));
}

/* The 72 bytes of the full command. */
static void expected_bytes(unsigned char *b)
{
	memset(b, 0, 72);
	b[0] = 0xc1;
	b[1] = 0x42;
	put32(b + 4, 0x11121314);
	put32(b + 8, 0x21222324);
	put32(b + 12, 0x31323334);
	put64(b + 16, (uint64_t)(uintptr_t)(memory + 512));
	put64(b + 24, (uint64_t)(uintptr_t)memory);
	put32(b + 32, 0x41424344);
	put32(b + 36, 0x51525354);
	put32(b + 40, 0xa1a2a3a4);
	put32(b + 44, 0xb1b2b3b4);
	put32(b + 48, 0xc1c2c3c4);
	put32(b + 52, 0xd1d2d3d4);
	put32(b + 56, 0xe1e2e3e4);
	put32(b + 60, 0xf1f2f3f4);
	put32(b + 64, 7000);
}

static void bytes(void)
{
	struct ringline_nvme_command c = full_command();
	unsigned char expected[72];
	struct rln_nvme_command out;
	uint32_t queue;

	memset(&out, 0xee, sizeof(out));
	g_assert_cmpint(rln_nvme_encode(&out, &queue, &c), ==, 0);
	g_assert_cmphex(queue, ==, RLN_NVME_ADMIN);
	expected_bytes(expected);
	g_assert_cmpmem(&out, sizeof(out), expected, sizeof(expected));
	c.queue = RINGLINE_NVME_IO;
	g_assert_cmpint(rln_nvme_encode(&out, &queue, &c), ==, 0);
	g_assert_cmphex(queue, ==, RLN_NVME_IO);
}

/* All 128 bytes of the submission entry, which held others before. */
static void entry(void)
{
#ifdef RLN_HAVE_LIBURING
	struct ringline_nvme_command c = full_command();
	struct rln_nvme_command encoded;
	struct io_uring_sqe sqe[2];
	unsigned char expected[128] = { 0 };
	struct rln_file_op f;
	uint32_t queue;

	g_assert_cmpint(rln_nvme_encode(&encoded, &queue, &c), ==, 0);
	memset(&f, 0, sizeof(f));
	f.op.fd = 0x61626364;
	f.op.ptr = &encoded;
	f.mode = queue;
	memset(sqe, 0xee, sizeof(sqe));
	rln_uring_prep_nvme(sqe, &f.op);
	expected[0] = 46;                     /* IORING_OP_URING_CMD */
	put32(expected + 4, 0x61626364);
	put32(expected + 8, 0xc0484e82);
	expected_bytes(expected + 48);
	g_assert_cmpmem(sqe, sizeof(sqe), expected, sizeof(expected));
#else
	g_test_skip("built without liburing");
#endif
}

static void timeouts(void)
{
	static const struct {
		uint64_t ns;
		uint32_t ms;
	} cases[] = {
		{ 0, 0 },
		{ 1, 1 },
		{ 999999, 1 },
		{ 1000000, 1 },
		{ 1000001, 2 },
		{ UINT64_C(4294967295) * 1000000, UINT32_MAX },
		{ UINT64_C(4294967295) * 1000000 + 1, UINT32_MAX },
		{ UINT64_MAX, UINT32_MAX },
	};
	struct ringline_nvme_command c = command_of();
	struct rln_nvme_command out;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(cases); i++) {
		c.timeout = cases[i].ns;
		g_assert_cmpint(encode(&out, &c), ==, 0);
		g_assert_cmpuint(out.timeout_ms, ==, cases[i].ms);
	}
}

/* Memory without a length and a length without memory are refused, for data and for metadata. */
static void memory_and_length(void)
{
	struct ringline_nvme_command c = command_of();
	struct rln_nvme_command out;

	g_assert_cmpint(encode(&out, &c), ==, 0);
	c.data = memory;
	g_assert_cmpint(encode(&out, &c), ==, -EINVAL);
	c.data_len = 1;
	g_assert_cmpint(encode(&out, &c), ==, 0);
	c.data = NULL;
	g_assert_cmpint(encode(&out, &c), ==, -EINVAL);
	c = command_of();
	c.metadata = memory;
	g_assert_cmpint(encode(&out, &c), ==, -EINVAL);
	c.metadata_len = 8;
	g_assert_cmpint(encode(&out, &c), ==, 0);
	c.metadata = NULL;
	g_assert_cmpint(encode(&out, &c), ==, -EINVAL);
}

static void refused(void)
{
	struct ringline_nvme_command c = command_of();
	struct rln_nvme_command out;

	g_assert_cmpint(encode(&out, NULL), ==, -EINVAL);
	c.queue = RINGLINE_NVME_ADMIN + 1;
	g_assert_cmpint(encode(&out, &c), ==, -EINVAL);
	c = command_of();
	c.size = sizeof(c.size) - 1;
	g_assert_cmpint(encode(&out, &c), ==, -EINVAL);
}

/* A structure of a later release is taken if it asks for nothing new, an earlier one means zero. */
static void sizes(void)
{
	struct {
		struct ringline_nvme_command c;
		uint64_t later;
	} grown = { .c = full_command() };
	struct rln_nvme_command out;

	grown.c.size = sizeof(grown);
	g_assert_cmpint(encode(&out, &grown.c), ==, 0);
	grown.later = 1;
	g_assert_cmpint(encode(&out, &grown.c), ==, -E2BIG);
	grown.c.size = offsetof(struct ringline_nvme_command, timeout);
	g_assert_cmpint(encode(&out, &grown.c), ==, 0);
	g_assert_cmpuint(out.timeout_ms, ==, 0);
	g_assert_cmphex(out.cdw15, ==, 0xf1f2f3f4);
}

/* --- writing commands down ---------------------------------------------------------------------------------------- */

static int read_blocks(struct ringline_nvme_command *c, uint64_t lba, uint32_t block_size, size_t len)
{
	return ringline_nvme_prepare_read(c, 1, lba, block_size, memory, len);
}

/* "One less" never wraps around: no blocks are none, not 65536. */
static void block_counts(void)
{
	static const struct {
		size_t blocks;
		int result;
		uint32_t cdw12;
	} cases[] = {
		{ 0, -EINVAL, 0 },
		{ 1, 0, 0 },
		{ 2, 0, 1 },
		{ 65535, 0, 65534 },
		{ 65536, 0, 65535 },
		{ 65537, -EINVAL, 0 },
		{ 131072, -EINVAL, 0 },
	};
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct ringline_nvme_command c = command_of();

		g_assert_cmpint(read_blocks(&c, 0, 512, cases[i].blocks * 512), ==, cases[i].result);
		g_assert_cmpuint(c.cdw12, ==, cases[i].cdw12);
		g_assert_cmpuint(c.data_len, ==, cases[i].result ? 0 : cases[i].blocks * 512);
	}
}

static void lengths(void)
{
	struct ringline_nvme_command c = command_of();

	g_assert_cmpint(read_blocks(&c, 0, 512, 511), ==, -EINVAL);
	g_assert_cmpint(read_blocks(&c, 0, 512, 513), ==, -EINVAL);
	g_assert_cmpint(read_blocks(&c, 0, 0, 512), ==, -EINVAL);
	g_assert_cmpint(read_blocks(&c, 0, 4096, 512), ==, -EINVAL);
	g_assert_cmpint(read_blocks(&c, 0, 520, 1040), ==, 0);
	g_assert_cmpuint(c.cdw12, ==, 1);
	g_assert_cmpint(ringline_nvme_prepare_read(&c, 1, 0, 512, NULL, 512), ==, -EINVAL);
	g_assert_cmpint(ringline_nvme_prepare_write(&c, 1, 0, 512, NULL, 512), ==, -EINVAL);
	g_assert_cmpint(ringline_nvme_prepare_read(NULL, 1, 0, 512, memory, 512), ==, -EINVAL);
#if SIZE_MAX > UINT32_MAX
	g_assert_cmpint(read_blocks(&c, 0, 1u << 30, (size_t)4 << 30), ==, -EINVAL);
	g_assert_cmpint(read_blocks(&c, 0, 512, (size_t)512 << 32 | 512), ==, -EINVAL);
#endif
}

static void last_blocks(void)
{
	struct ringline_nvme_command c = command_of();

	g_assert_cmpint(read_blocks(&c, UINT64_MAX, 512, 512), ==, 0);
	g_assert_cmphex(c.cdw10, ==, 0xffffffff);
	g_assert_cmphex(c.cdw11, ==, 0xffffffff);
	g_assert_cmpint(read_blocks(&c, UINT64_MAX, 512, 1024), ==, -EINVAL);
	g_assert_cmpint(read_blocks(&c, UINT64_MAX - 1, 512, 1024), ==, 0);
}

static void prepared(void)
{
	struct ringline_nvme_command c = full_command();

	g_assert_cmpint(ringline_nvme_prepare_write(&c, 5, 0x123456789a, 4096, memory, 8192), ==, 0);
	g_assert_cmpuint(c.size, ==, sizeof(c));
	g_assert_cmphex(c.opcode, ==, 0x01);
	g_assert_cmpuint(c.queue, ==, RINGLINE_NVME_IO);
	g_assert_cmpuint(c.nsid, ==, 5);
	g_assert_cmphex(c.cdw10, ==, 0x3456789a);
	g_assert_cmphex(c.cdw11, ==, 0x12);
	g_assert_cmpuint(c.cdw12, ==, 1);
	g_assert_true(c.data == memory);
	g_assert_cmpuint(c.data_len, ==, 8192);
	g_assert_cmpuint(c.cdw2 | c.cdw3 | c.cdw13 | c.cdw14 | c.cdw15 | c.flags | c.metadata_len, ==, 0);
	g_assert_null(c.metadata);
	g_assert_cmpuint(c.timeout, ==, 0);
	g_assert_cmpint(read_blocks(&c, 7, 512, 512), ==, 0);
	g_assert_cmphex(c.opcode, ==, 0x02);

	g_assert_cmpint(ringline_nvme_prepare_flush(&c, 9), ==, 0);
	g_assert_cmphex(c.opcode, ==, 0x00);
	g_assert_cmpuint(c.nsid, ==, 9);
	g_assert_null(c.data);
	g_assert_cmpuint(c.data_len | c.cdw10 | c.cdw11 | c.cdw12, ==, 0);

	g_assert_cmpint(ringline_nvme_prepare_identify(&c, 1, 0, memory, 4096), ==, 0);
	g_assert_cmphex(c.opcode, ==, 0x06);
	g_assert_cmpuint(c.queue, ==, RINGLINE_NVME_ADMIN);
	g_assert_cmpuint(c.cdw10, ==, 1);
	g_assert_cmpuint(c.data_len, ==, 4096);
	g_assert_cmpint(ringline_nvme_prepare_identify(&c, 1, 0, memory, 4095), ==, -EINVAL);
	g_assert_cmpint(ringline_nvme_prepare_identify(&c, 1, 0, NULL, 4096), ==, -EINVAL);
	g_assert_cmpint(ringline_nvme_prepare_identify(NULL, 1, 0, memory, 4096), ==, -EINVAL);
	g_assert_cmpint(ringline_nvme_prepare_flush(NULL, 9), ==, -EINVAL);
	c.size = 0;
	g_assert_cmpint(ringline_nvme_prepare_flush(&c, 9), ==, -EINVAL);
}

/* --- back --------------------------------------------------------------------------------------------------------- */

static void statuses(void)
{
	static const struct {
		uint16_t status;
		uint8_t type;
		uint8_t code;
		uint32_t flags;
	} cases[] = {
		{ 0x0000, RINGLINE_NVME_GENERIC, 0x00, 0 },
		{ 0x4080, RINGLINE_NVME_GENERIC, 0x80, RINGLINE_NVME_NO_RETRY },            /* LBA out of range */
		{ 0x4002, RINGLINE_NVME_GENERIC, 0x02, RINGLINE_NVME_NO_RETRY },            /* a field is invalid */
		{ 0x6181, RINGLINE_NVME_SPECIFIC, 0x81, RINGLINE_NVME_NO_RETRY | RINGLINE_NVME_MORE },
		{ 0x0281, RINGLINE_NVME_MEDIA, 0x81, 0 },                                   /* unrecovered read error */
		{ 0x0371, RINGLINE_NVME_PATH, 0x71, 0 },                                    /* aborted by the host */
		{ 0x1807, RINGLINE_NVME_GENERIC, 0x07, 0 },                                 /* with a delay to wait for */
		{ 0x07ff, 7, 0xff, 0 },
	};
	struct ringline_nvme_result r;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(cases); i++) {
		rln_nvme_decode(&r, cases[i].status, TOP | i);
		g_assert_cmpuint(r.size, ==, sizeof(r));
		g_assert_cmphex(r.value, ==, TOP | i);
		g_assert_cmphex(r.status, ==, cases[i].status);
		g_assert_cmphex(r.type, ==, cases[i].type);
		g_assert_cmphex(r.code, ==, cases[i].code);
		g_assert_cmphex(r.flags, ==, cases[i].flags);
	}
}

/* Format i has 512 << i bytes, and 8 * i of metadata. */
static void formats(unsigned char *id, unsigned int n)
{
	memset(id, 0, 4096);
	id[25] = (unsigned char)(n - 1);
	for (unsigned int i = 0; i < n; i++) {
		id[128 + 4 * i] = (unsigned char)(8 * i);
		id[128 + 4 * i + 1] = (unsigned char)(8 * i >> 8);
		id[128 + 4 * i + 2] = (unsigned char)(9 + i % 8);
	}
}

static void block_sizes(void)
{
	unsigned char *id = memory;

	formats(id, 4);
	g_assert_cmpint(ringline_nvme_block_size(id, 4096), ==, 512);
	id[26] = 3;
	g_assert_cmpint(ringline_nvme_block_size(id, 4096), ==, 4096);
	id[26] = 0x13;
	g_assert_cmpint(ringline_nvme_block_size(id, 4096), ==, 4096 + 24);
	id[26] = 4;                           /* there are but four */
	g_assert_cmpint(ringline_nvme_block_size(id, 4096), ==, -EINVAL);
	formats(id, 64);
	id[26] = 0x10 | 0x60 | 0x0f;          /* the 64th */
	g_assert_cmpint(ringline_nvme_block_size(id, 4096), ==, (512 << 7) + 8 * 63);
	id[128 + 4 * 63 + 2] = 8;
	g_assert_cmpint(ringline_nvme_block_size(id, 4096), ==, -EINVAL);
	id[128 + 4 * 63 + 2] = 31;
	g_assert_cmpint(ringline_nvme_block_size(id, 4096), ==, -EINVAL);
	memset(id, 0, 4096);                  /* no such namespace */
	g_assert_cmpint(ringline_nvme_block_size(id, 4096), ==, -EINVAL);
	g_assert_cmpint(ringline_nvme_block_size(NULL, 4096), ==, -EINVAL);
	g_assert_cmpint(ringline_nvme_block_size(id, 512), ==, -EINVAL);
}

/* /dev/null says yes to every command: it must not get any. */
static void devices(void)
{
	struct stat st;

	g_assert_cmpint(stat("/dev/null", &st), ==, 0);
	g_assert_false(rln_nvme_is_device(st.st_rdev));
	g_assert_false(rln_nvme_is_device(0));
	g_assert_false(rln_nvme_is_device((dev_t)-1));
}

static const struct test_case cases[] = {
	{ "/nvme/numbers-are-the-kernels", requests },
	{ "/nvme/layout-is-the-kernels", layout },
	{ "/nvme/every-byte-of-a-command", bytes },
	{ "/nvme/every-byte-of-a-submission", entry },
	{ "/nvme/timeouts-are-rounded-up", timeouts },
	{ "/nvme/no-length-without-memory", memory_and_length },
	{ "/nvme/refused", refused },
	{ "/nvme/sizes", sizes },
	{ "/nvme/block-counts-do-not-wrap", block_counts },
	{ "/nvme/lengths-are-whole-blocks", lengths },
	{ "/nvme/the-last-block", last_blocks },
	{ "/nvme/prepared", prepared },
	{ "/nvme/statuses", statuses },
	{ "/nvme/block-sizes", block_sizes },
	{ "/nvme/devices", devices },
};

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	add_cases(cases, G_N_ELEMENTS(cases));
	return g_test_run();
}
