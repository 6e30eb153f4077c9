/* SPDX-License-Identifier: MIT */
/* What the tasks of a worker are doing, in words. */
#ifndef RLN_CORE_DUMP_H
#define RLN_CORE_DUMP_H

#include "base/text.h"
#include "core/executor.h"

/* Adds a paragraph for each task of the calling worker, and the cycles among those who wait for each other. */
void rln_dump_tasks(struct rln_exec *x, struct rln_text *out);

/* Adds a line for each address: function and offset, or file and offset where the function has no name. */
void rln_dump_frames(struct rln_text *out, void *const *frames, size_t n);

#endif
