/* SPDX-License-Identifier: MIT */
/* Commands to NVMe devices: the caller's structures and the kernel's, and back. */
#ifndef RLN_IO_NVME_H
#define RLN_IO_NVME_H

#include <sys/types.h>

#include "core/file-op.h"
#include "ringline/nvme.h"

/* Whether a character device takes them. Does not wait. */
bool rln_nvme_is_device(dev_t device);

/* 0 or -errno. *queue*: RLN_NVME_*. */
int rln_nvme_encode(struct rln_nvme_command *to, uint32_t *queue, const struct ringline_nvme_command *from) rln_must_check;

/* What the status that the kernel tells means. */
void rln_nvme_decode(struct ringline_nvme_result *to, uint16_t status, uint64_t value);

#endif
