/* SPDX-License-Identifier: MIT */
/*
 * The processors this process may use.
 *
 * What counts is the affinity mask (which includes the cpuset), not what the machine has. Two hardware threads of one core
 * count as one worker: the second adds little to a loop that is bound by the core. A cgroup quota below the number of
 * cores limits the workers too, because more of them would only be throttled. Offline processors and holes in the
 * numbering are no special cases: only processors in the mask are looked at.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/topology.h"

/* The first line of a small file. */
static bool read_line(const char *path, char *line, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, line, size - 1);
	close(fd);
	if (n <= 0)
		return false;
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return true;
}

/* The lowest hardware thread of the core *cpu* belongs to that is in the mask. */
static unsigned int first_sibling(unsigned int cpu, const cpu_set_t *mask)
{
	char path[96];
	char list[256];
	char *p = list;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu);
	if (!read_line(path, list, sizeof(list)))
		return cpu;
	while (*p >= '0' && *p <= '9') {
		unsigned long low = strtoul(p, &p, 10);
		unsigned long high = *p == '-' ? strtoul(p + 1, &p, 10) : low;

		for (; low <= high && low <= cpu; low++)
			if (low < CPU_SETSIZE && CPU_ISSET(low, mask))
				return (unsigned int)low;
		p += *p == ',';
	}
	return cpu;
}

static uint32_t quota_of(const char *path)
{
	unsigned long long quota;
	unsigned long long period;
	char line[64];

	if (!read_line(path, line, sizeof(line)) || sscanf(line, "%llu %llu", &quota, &period) != 2 || !period)
		return UINT32_MAX;
	return (uint32_t)((quota + period - 1) / period);
}

/* The tightest cpu.max from the process's cgroup up to the root (cgroup v2: the "0::" line of /proc/self/cgroup). */
static uint32_t read_quota(void)
{
	char path[4096 + 64];
	char line[4096];
	uint32_t quota = UINT32_MAX;
	char *slash;

	if (!read_line("/proc/self/cgroup", line, sizeof(line)) || strncmp(line, "0::/", 4))
		return UINT32_MAX;
	while ((slash = strrchr(line, '/'))) {
		uint32_t q;

		snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cpu.max", line + 3);
		q = quota_of(path);
		quota = rln_min(quota, q);
		*slash = '\0';
	}
	return quota;
}

static void add(struct rln_topology *t, unsigned int cpu)
{
	if (t->ncpus < RLN_TOPOLOGY_MAX)
		t->cpu[t->ncpus++] = (uint16_t)cpu;
}

void rln_topology_read(struct rln_topology *t)
{
	cpu_set_t mask;
	unsigned int cpu;

	memset(t, 0, sizeof(*t));
	t->quota = read_quota();
	if (sched_getaffinity(0, sizeof(mask), &mask) < 0)
		return;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &mask) && first_sibling(cpu, &mask) == cpu)
			add(t, cpu);
	t->ncores = t->ncpus;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &mask) && first_sibling(cpu, &mask) != cpu)
			add(t, cpu);
}

uint32_t rln_topology_workers(const struct rln_topology *t)
{
	uint32_t n = rln_min(t->ncores, t->quota);

	return rln_max(n, 1u);
}
