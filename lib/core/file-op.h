/* SPDX-License-Identifier: MIT */
/*
 * Operations on files: an operation with as many arguments as system calls on files have.
 *
 * A backend that can carry an opcode out says so (rln_backend.carries); the others are run by threads of the pool, which is
 * for the layer above to arrange (io/request.h). So no backend has to know them all, and an opcode that a kernel lacks costs
 * nothing but time. An op whose opcode is one of these is the first member of a struct rln_file_op.
 *
 *   READ, WRITE     fd, ptr, len, arg: offset, or UINT64_MAX for the file's position; flags: RWF_*; region
 *   READV, WRITEV   ptr: iovecs, len: how many
 *   FSYNC           flags: 1: the data only
 *   SYNC_RANGE, ALLOCATE, ADVISE   arg: offset, len; flags: of the call, its mode, its advice
 *   FTRUNCATE       arg: length
 *   STATX           fd, ptr: path, ptr2: struct statx, flags, mode: mask
 *   RENAME, LINK    fd, ptr: path; fd2, ptr2: the other path; flags
 *   UNLINK, MKDIR   fd, ptr: path; flags or mode
 *   SYMLINK         ptr2: target; fd, ptr: path
 *   GETXATTR, SETXATTR   fd, or ptr: path if fd is -1; ptr2: name; ptr3: value, len; flags
 *   NVME            fd, ptr: struct rln_nvme_command; mode: RLN_NVME_*; ptr2: uint64_t, what comes back with a result of 0 or
 *                   more. The result: 0, or the status of a command that failed, which is positive, or -errno. No thread does
 *                   it instead, and nothing repeats it
 */
#ifndef RLN_CORE_FILE_OP_H
#define RLN_CORE_FILE_OP_H

#include "core/op.h"

struct rln_file_op {
	struct rln_op op;
	void *ptr2;
	void *ptr3;
	int32_t fd2;
	uint32_t flags;
	uint32_t mode;
	uint32_t region;                  /* the memory lies in this one, counted from 1; 0: in none */
};

/* A command for an NVMe device, as the kernel takes it (struct nvme_uring_cmd of linux/nvme_ioctl.h). */
struct rln_nvme_command {
	uint8_t opcode;
	uint8_t flags;
	uint16_t reserved1;
	uint32_t nsid;
	uint32_t cdw2;
	uint32_t cdw3;
	uint64_t metadata;
	uint64_t data;
	uint32_t metadata_len;
	uint32_t data_len;
	uint32_t cdw10;
	uint32_t cdw11;
	uint32_t cdw12;
	uint32_t cdw13;
	uint32_t cdw14;
	uint32_t cdw15;
	uint32_t timeout_ms;
	uint32_t reserved2;
};

_Static_assert(sizeof(struct rln_nvme_command) == 72, "the kernel's layout");

/* What is asked of the device: _IOWR('N', number, struct nvme_uring_cmd), whose size is part of the value. */
#define RLN_NVME_REQUEST(number) \
	(UINT32_C(3) << 30 | (uint32_t)sizeof(struct rln_nvme_command) << 16 | (uint32_t)'N' << 8 | (number))
#define RLN_NVME_IO    RLN_NVME_REQUEST(UINT32_C(0x80))
#define RLN_NVME_ADMIN RLN_NVME_REQUEST(UINT32_C(0x82))

static inline bool rln_opcode_is_file(unsigned int opcode)
{
	return opcode >= RLN_OP_FILES;
}

static inline struct rln_file_op *rln_file_op_of(const struct rln_op *op)
{
	return rln_container_of(op, struct rln_file_op, op);
}

#endif
