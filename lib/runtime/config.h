/* SPDX-License-Identifier: MIT */
/* The configuration: what the host asks for, checked, with the defaults filled in. */
#ifndef RLN_RUNTIME_CONFIG_H
#define RLN_RUNTIME_CONFIG_H

#include "core/backend.h"
#include "core/executor.h"
#include "core/pool.h"
#include "io/io.h"
#include "ringline/runtime.h"

struct rln_config {
	uint32_t backend;         /* RINGLINE_BACKEND_* */
	uint32_t flags;
	uint32_t workers;         /* 0: as many as the topology says */
	uint64_t drain_timeout;
	uint64_t stall_limit;     /* 0: no watchdog */
	struct rln_exec_config exec;
	struct rln_backend_config io_backend;
	struct rln_io_config io;
	struct rln_pool_config pool;
};

/* 0, -EINVAL, -E2BIG. Installs the log callback if there is one. */
int rln_config_read(struct rln_config *ret, const struct ringline_config *config) rln_must_check;

#endif
