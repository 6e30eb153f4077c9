/* SPDX-License-Identifier: MIT */
/* Devices that are known to be this machine's; locality.h tells the idea. */
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/fault.h"
#include "io/locality.h"

void rln_locality_init(struct rln_io *io)
{
	io->mounts_fd = -1;
	io->nlocal = 0;
}

void rln_locality_fini(struct rln_io *io)
{
	if (io->mounts_fd >= 0)
		close(io->mounts_fd);
}

static bool mounts_changed(struct rln_io *io)
{
	struct pollfd p = { .fd = io->mounts_fd, .events = POLLPRI };

	return poll(&p, 1, 0) != 0;
}

static bool contains(const struct rln_io *io, uint64_t device)
{
	uint32_t n = rln_min(io->nlocal, RLN_LOCAL_DEVICES);
	uint32_t i;

	for (i = 0; i < n; i++)
		if (io->local[i] == device)
			return true;
	return false;
}

/*
 * Changes are told from the opening on; without the file (no /proc, no descriptor) nothing is ever known. What was found out
 * before a change that nobody has asked for yet is forgotten with the rest: the next open finds it out again.
 */
void rln_locality_learn(struct rln_io *io, uint64_t device)
{
	if (io->mounts_fd < 0) {
		io->mounts_fd = rln_fault(RLN_FAULT_OPEN) ? -1 : open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
		return;           /* it may have changed since that was found out */
	}
	if (!contains(io, device))
		io->local[io->nlocal++ % RLN_LOCAL_DEVICES] = device;
}

bool rln_locality_known(struct rln_io *io, uint64_t device)
{
	if (!contains(io, device))
		return false;
	if (mounts_changed(io))
		io->nlocal = 0;
	return io->nlocal;
}
