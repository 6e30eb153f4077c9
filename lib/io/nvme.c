/* SPDX-License-Identifier: MIT */
/*
 * Commands to NVMe devices.
 *
 * The kernel hands a command on as it is: it bounds the memory that is mapped for it by the length it is told, and leaves it
 * to the device to stay within. So what can be checked here is: there is memory if there is a length, counts do not wrap
 * around in their "one less" form, and only a device that is one gets commands. And a command that failed is an error to
 * whoever looks at the sign alone: the kernel's status is positive, the result here is not.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sized.h"
#include "core/executor.h"
#include "io/file.h"
#include "io/nvme.h"
#include "io/request.h"

/* NVM command set, and admin commands */
#define OPCODE_FLUSH    0x00
#define OPCODE_WRITE    0x01
#define OPCODE_READ     0x02
#define OPCODE_IDENTIFY 0x06

#define BLOCKS_MAX      65536u
#define IDENTIFY_SIZE   4096u

/* Of what identify tells of a namespace (CNS 0). */
#define ID_FORMATS      25u           /* how many formats there are, less one */
#define ID_FORMAT       26u           /* which is in use: bits 0 to 3, and 5 and 6; bit 4: metadata among the data */
#define ID_TABLE        128u          /* four bytes each: of metadata (two), data as a power of two, performance */
#define FORMATS_MAX     64u
#define SHIFT_MIN       9u
#define SHIFT_MAX       30u

/* Devices */

/* sysfs knows which class it is in: namespaces (ngXnY), and controllers (nvmeX), which take admin commands. */
bool rln_nvme_is_device(dev_t device)
{
	char target[256];
	char path[64];
	const char *name;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/subsystem", major(device), minor(device));
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	name = strrchr(target, '/');
	return name && (strcmp(name, "/nvme-generic") == 0 || strcmp(name, "/nvme") == 0);
}

/* Commands */

static uint32_t milliseconds(uint64_t nsec)
{
	uint64_t ms = nsec / RLN_NSEC_PER_MSEC + (nsec % RLN_NSEC_PER_MSEC != 0);

	return (uint32_t)rln_min(ms, (uint64_t)UINT32_MAX);
}

/* Both or neither: the kernel maps nothing without one of them, and the device would write somewhere all the same. */
static bool matches(const void *memory, uint32_t len)
{
	return (memory != NULL) == (len != 0);
}

static void copy_numbers(struct rln_nvme_command *to, const struct ringline_nvme_command *from)
{
	to->opcode = from->opcode;
	to->flags = from->flags;
	to->nsid = from->nsid;
	to->cdw2 = from->cdw2;
	to->cdw3 = from->cdw3;
	to->cdw10 = from->cdw10;
	to->cdw11 = from->cdw11;
	to->cdw12 = from->cdw12;
	to->cdw13 = from->cdw13;
	to->cdw14 = from->cdw14;
	to->cdw15 = from->cdw15;
	to->timeout_ms = milliseconds(from->timeout);
}

int rln_nvme_encode(struct rln_nvme_command *to, uint32_t *queue, const struct ringline_nvme_command *from)
{
	struct ringline_nvme_command c;
	int r = from ? rln_sized_in(&c, sizeof(c), from) : -EINVAL;

	if (r < 0)
		return r;
	if (c.queue > RINGLINE_NVME_ADMIN || !matches(c.data, c.data_len) || !matches(c.metadata, c.metadata_len))
		return -EINVAL;
	memset(to, 0, sizeof(*to));
	copy_numbers(to, &c);
	to->data = (uint64_t)(uintptr_t)c.data;
	to->data_len = c.data_len;
	to->metadata = (uint64_t)(uintptr_t)c.metadata;
	to->metadata_len = c.metadata_len;
	*queue = c.queue == RINGLINE_NVME_ADMIN ? RLN_NVME_ADMIN : RLN_NVME_IO;
	return 0;
}

/* The completion's status field without the phase bit: code, type, when to try again, more, do not. */
void rln_nvme_decode(struct ringline_nvme_result *to, uint16_t status, uint64_t value)
{
	*to = (struct ringline_nvme_result){
		.size = sizeof(*to),
		.value = value,
		.status = status,
		.code = (uint8_t)status,
		.type = status >> 8 & 7,
		.flags = (status >> 13 & 1 ? RINGLINE_NVME_MORE : 0) | (status >> 14 & 1 ? RINGLINE_NVME_NO_RETRY : 0),
	};
}

static int64_t told(struct rln_request *q, int64_t result)
{
	struct ringline_nvme_result out;

	rln_nvme_decode(&out, result > 0 ? (uint16_t)result : 0, result >= 0 ? q->u.nvme.value : 0);
	if (q->out)
		(void)!rln_sized_out(q->out, &out, sizeof(out));      /* its size was looked at */
	return result > 0 ? -EREMOTEIO : result;
}

static int prepare(struct rln_request *q, struct ringline_file *file, const struct ringline_nvme_command *command,
                   struct ringline_nvme_result *result, const char *call)
{
	int r = rln_file_check(file, call);
	uint32_t queue = 0;

	if (r == 0 && result && result->size < sizeof(result->size))
		r = -EINVAL;
	if (r == 0)
		r = rln_nvme_encode(&q->u.nvme.command, &queue, command);
	if (r == 0 && (!file->nvme || !rln_backend_carries(rln_exec_current->backend, RLN_OP_NVME)))
		r = -EOPNOTSUPP;
	if (r < 0)
		return r;
	rln_request_init(q, RLN_OP_NVME, file);
	q->f.mode = queue;
	q->flags |= RLN_REQUEST_RING_ONLY;
	rln_request_point_at_own(q);
	q->finish = told;
	q->out = result;
	q->u.nvme.value = 0;
	q->given = sizeof(q->u.nvme);
	return 0;
}

int ringline_file_nvme(struct ringline_file *file, const struct ringline_nvme_command *command,
                       struct ringline_nvme_result *result)
{
	struct rln_request q;
	int r = prepare(&q, file, command, result, __func__);

	return (int)rln_request_run(&q, r, __func__);
}

int ringline_file_nvme_begin(struct ringline_op **ret, struct ringline_file *file,
                             const struct ringline_nvme_command *command, struct ringline_nvme_result *result)
{
	struct rln_request q;
	int r = prepare(&q, file, command, result, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

/* Writing them down */

static int put(struct ringline_nvme_command *command, const struct ringline_nvme_command *built)
{
	return command ? rln_sized_out(command, built, sizeof(*built)) : -EINVAL;
}

static int prepare_blocks(struct ringline_nvme_command *command, uint8_t opcode, uint32_t nsid, uint64_t lba,
                          uint32_t block_size, void *data, size_t len)
{
	struct ringline_nvme_command built = { .opcode = opcode, .nsid = nsid, .data = data };
	uint64_t blocks = block_size ? len / block_size : 0;

	if (!data || !blocks || blocks > BLOCKS_MAX || len % block_size || len > UINT32_MAX || lba > UINT64_MAX - (blocks - 1))
		return -EINVAL;
	built.data_len = (uint32_t)len;
	built.cdw10 = (uint32_t)lba;
	built.cdw11 = (uint32_t)(lba >> 32);
	built.cdw12 = (uint32_t)(blocks - 1);
	return put(command, &built);
}

int ringline_nvme_prepare_read(struct ringline_nvme_command *command, uint32_t nsid, uint64_t lba, uint32_t block_size,
                               void *data, size_t len)
{
	return prepare_blocks(command, OPCODE_READ, nsid, lba, block_size, data, len);
}

int ringline_nvme_prepare_write(struct ringline_nvme_command *command, uint32_t nsid, uint64_t lba, uint32_t block_size,
                                const void *data, size_t len)
{
	return prepare_blocks(command, OPCODE_WRITE, nsid, lba, block_size, (void *)data, len);
}

int ringline_nvme_prepare_flush(struct ringline_nvme_command *command, uint32_t nsid)
{
	struct ringline_nvme_command built = { .opcode = OPCODE_FLUSH, .nsid = nsid };

	return put(command, &built);
}

int ringline_nvme_prepare_identify(struct ringline_nvme_command *command, uint8_t cns, uint32_t nsid, void *data, size_t len)
{
	struct ringline_nvme_command built = {
		.opcode = OPCODE_IDENTIFY,
		.queue = RINGLINE_NVME_ADMIN,
		.nsid = nsid,
		.data = data,
		.data_len = IDENTIFY_SIZE,
		.cdw10 = cns,
	};

	return data && len == IDENTIFY_SIZE ? put(command, &built) : -EINVAL;
}

int64_t ringline_nvme_block_size(const void *identified, size_t len)
{
	const unsigned char *id = identified;
	const unsigned char *entry;
	unsigned int format;
	unsigned int metadata;

	if (!id || len != IDENTIFY_SIZE)
		return -EINVAL;
	format = (id[ID_FORMAT] & 0x0fu) | (id[ID_FORMAT] >> 1 & 0x30u);
	if (format > id[ID_FORMATS] || format >= FORMATS_MAX)
		return -EINVAL;
	entry = id + ID_TABLE + 4 * format;
	metadata = entry[0] | (unsigned int)entry[1] << 8;
	if (entry[2] < SHIFT_MIN || entry[2] > SHIFT_MAX)
		return -EINVAL;
	return (INT64_C(1) << entry[2]) + (id[ID_FORMAT] & 0x10 ? metadata : 0);
}
