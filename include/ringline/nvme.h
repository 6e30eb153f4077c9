/* SPDX-License-Identifier: MIT */
/*
 * NVMe passthrough: commands to a device as its specification has them, past the block layer.
 *
 * A file opened from one of the kernel's character devices takes them: of a namespace (/dev/ng0n1), which takes I/O commands,
 * or of a controller (/dev/nvme0), which takes admin commands. What the kernel knows to protect a disk is not asked: no cache,
 * no partitions, no mounted file system.
 *
 * They go by io_uring alone (Linux 5.19, controllers 6.0), through a second ring that a worker makes for its first command.
 *
 * Run on an emulated NVMe in qemu, not on hardware.
 */
#ifndef RINGLINE_NVME_H
#define RINGLINE_NVME_H

#include <ringline/common.h>
#include <ringline/file.h>

RINGLINE_BEGIN_DECLS

/* queue of struct ringline_nvme_command */
#define RINGLINE_NVME_IO    0
#define RINGLINE_NVME_ADMIN 1

/*
 * A command. There are data and metadata if, and only if, there is a length. How many bytes the device moves follows from the
 * command; that they are the bytes of data_len is for its author to see to, since the kernel does not look.
 */
struct ringline_nvme_command {
	size_t size;
	uint8_t opcode;
	uint8_t flags;                    /* the kernel takes 0 alone */
	uint16_t queue;                   /* RINGLINE_NVME_IO, RINGLINE_NVME_ADMIN */
	uint32_t nsid;
	uint32_t cdw2;
	uint32_t cdw3;
	void *metadata;
	void *data;                       /* read or written, as the opcode says */
	uint32_t metadata_len;
	uint32_t data_len;
	uint32_t cdw10;
	uint32_t cdw11;
	uint32_t cdw12;
	uint32_t cdw13;
	uint32_t cdw14;
	uint32_t cdw15;
	uint64_t timeout;                 /* nanoseconds, rounded up to milliseconds; 0: the kernel's own */
};

#define RINGLINE_NVME_COMMAND_INIT { sizeof(struct ringline_nvme_command), \
	0, 0, 0, 0, 0, 0, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* type of struct ringline_nvme_result */
#define RINGLINE_NVME_GENERIC  0     /* codes that all commands have */
#define RINGLINE_NVME_SPECIFIC 1     /* codes that differ from command to command */
#define RINGLINE_NVME_MEDIA    2     /* media and data integrity */
#define RINGLINE_NVME_PATH     3     /* the way to the device; some of these are the kernel's */

/* flags of struct ringline_nvme_result */
#define RINGLINE_NVME_MORE     (UINT32_C(1) << 0)    /* the controller's error log has more about it */
#define RINGLINE_NVME_NO_RETRY (UINT32_C(1) << 1)    /* the same command would fail again */

/* What came of it. */
struct ringline_nvme_result {
	size_t size;
	uint64_t value;                   /* dwords 0 and 1 of the completion: what it means the command says */
	uint16_t status;                  /* 0, or the completion's status field without the phase bit */
	uint8_t code;                     /* of it, the status code */
	uint8_t type;                     /* the status code type: RINGLINE_NVME_*, or others */
	uint32_t flags;                   /* RINGLINE_NVME_MORE, RINGLINE_NVME_NO_RETRY */
};

#define RINGLINE_NVME_RESULT_INIT { sizeof(struct ringline_nvme_result), 0, 0, 0, 0, 0 }

/*
 * Sends a command to the device and waits until it is through. A command that the device fails is -EREMOTEIO and has its
 * status in *result; no failure is a positive number. result may be NULL; result->size must be set. It is filled in whatever
 * becomes of a command that was begun, with zeros where the device said nothing. The command itself may go when the call
 * returns, also when _begin does; data, metadata and result stay until the operation is over.
 *
 * A worker has up to 256 commands with the kernel, more wait in order. A cut takes back what has not been sent; what has been
 * is waited for: the kernel cannot take a command back from a device. Nothing is sent twice.
 *
 * Returns 0; -EREMOTEIO; -EOPNOTSUPP (no such device, or the engine is epoll, or this io_uring has no large entries), -EACCES
 * (neither CAP_SYS_ADMIN nor a command that the kernel leaves to everybody), -EINVAL (a length without data or data without
 * one, an unknown queue; of the kernel: another namespace's nsid, flags, more data than the device takes), -E2BIG, -ENOTTY (an
 * I/O command to a controller, an admin command to a namespace), -EINTR (the driver gave it up, after its timeout or for a
 * reset: it may have been carried out), -EAGAIN (not sent: the kernel had no thread), -EFAULT, -ENOMEM (also: RLIMIT_MEMLOCK
 * is too small for the ring), -EMFILE, -ENFILE, -ENODEV, -EIO and others of the kernel, -EBADF, -ETIME, -ECANCELED, -EPERM,
 * -EDEADLK. _begin: 0, or -EINVAL, -E2BIG, -EOPNOTSUPP, -EBADF, -EAGAIN (a limit of the worker), -ENOMEM, -ETIME, -ECANCELED,
 * -EPERM.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_file_nvme(struct ringline_file *file, const struct ringline_nvme_command *command,
                                         struct ringline_nvme_result *result) RINGLINE_MUST_CHECK;
int ringline_file_nvme_begin(struct ringline_op **ret, struct ringline_file *file,
                             const struct ringline_nvme_command *command,
                             struct ringline_nvme_result *result) RINGLINE_MUST_CHECK;

/*
 * Write down common commands: all of *command but its size, which must be set, so a timeout comes afterwards. read and write
 * are of the NVM command set: len bytes from block lba on, len being a multiple of block_size, the bytes of a block as it is
 * transferred (ringline_nvme_block_size()), and 1 to 65536 blocks. identify (cns: which structure) fills 4096 bytes, and so
 * many len must be. Any thread.
 *
 * Return 0; -EINVAL (NULL, no blocks, no whole number of them, or too many; blocks beyond the largest number; another len).
 * Since: 0.1
 */
int ringline_nvme_prepare_read(struct ringline_nvme_command *command, uint32_t nsid, uint64_t lba, uint32_t block_size,
                               void *data, size_t len) RINGLINE_MUST_CHECK;
int ringline_nvme_prepare_write(struct ringline_nvme_command *command, uint32_t nsid, uint64_t lba, uint32_t block_size,
                                const void *data, size_t len) RINGLINE_MUST_CHECK;
int ringline_nvme_prepare_flush(struct ringline_nvme_command *command, uint32_t nsid) RINGLINE_MUST_CHECK;
int ringline_nvme_prepare_identify(struct ringline_nvme_command *command, uint8_t cns, uint32_t nsid, void *data,
                                   size_t len) RINGLINE_MUST_CHECK;

/*
 * The bytes of a block as it is transferred, with its metadata if they lie in the same memory; from what identify told of the
 * namespace (cns 0). Any thread.
 *
 * Returns it; -EINVAL (NULL, not 4096 bytes, or no format in use in them).
 * Since: 0.1
 */
int64_t ringline_nvme_block_size(const void *identified, size_t len);

RINGLINE_END_DECLS

#endif
