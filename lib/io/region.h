/* SPDX-License-Identifier: MIT */
/*
 * Regions: memory of the host's, with bounds, that the backend may keep mapped.
 *
 *     LIVE --free--> FREEING --no request uses it--> gone
 */
#ifndef RLN_IO_REGION_H
#define RLN_IO_REGION_H

#include "base/slab.h"
#include "core/wait.h"
#include "io/io.h"

struct ringline_region {
	struct rln_slot slot;
	struct rln_io *io;
	unsigned char *memory;
	size_t len;
	uint32_t index;                   /* the backend's number; 0: it keeps nothing mapped */
	uint32_t uses;
	bool freeing;
	struct rln_source gone;           /* who waits for that */
};

/* For the time of a request. */
void rln_region_enter(struct ringline_region *region);
void rln_region_leave(struct ringline_region *region);

void rln_regions_init(struct rln_io *io);
void rln_regions_fini(struct rln_io *io);

#endif
