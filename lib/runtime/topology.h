/* SPDX-License-Identifier: MIT */
/* Which processors the process may use, and how many workers that makes. */
#ifndef RLN_RUNTIME_TOPOLOGY_H
#define RLN_RUNTIME_TOPOLOGY_H

#include "base/compiler.h"

#define RLN_TOPOLOGY_MAX 1024

struct rln_topology {
	uint32_t ncpus;                   /* one entry per physical core, then the remaining hardware threads */
	uint32_t ncores;                  /* physical cores among them */
	uint32_t quota;                   /* processors the cgroup's quota amounts to, rounded up; UINT32_MAX: no quota */
	uint16_t cpu[RLN_TOPOLOGY_MAX];
};

/* Never fails: what cannot be found out is taken as one core per processor and no quota. */
void rln_topology_read(struct rln_topology *ret);

/* One worker per physical core, fewer if the quota is smaller; at least one. */
uint32_t rln_topology_workers(const struct rln_topology *t);

#endif
