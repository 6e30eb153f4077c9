/* SPDX-License-Identifier: MIT */
/*
 * The table of descriptors: an array of pointers to chunks. The array doubles and moves, the chunks stay.
 *
 * Invariant: an entry that exists has its fd set; a fresh entry is all zero otherwise, which means "never seen".
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "backend/fdtable.h"
#include "base/mem.h"

#define FIRST_CHUNKS 4u

void rln_fdtable_init(struct rln_fdtable *t)
{
	t->chunk = NULL;
	t->nchunks = 0;
}

void rln_fdtable_fini(struct rln_fdtable *t)
{
	for (uint32_t i = 0; i < t->nchunks; i++)
		if (t->chunk[i])
			rln_mem_free(t->chunk[i]);
	if (t->chunk)
		rln_mem_free(t->chunk);
	rln_fdtable_init(t);
}

/* Makes room for chunk number *c*. */
static int grow(struct rln_fdtable *t, uint32_t c)
{
	uint32_t n = t->nchunks ? t->nchunks : FIRST_CHUNKS;
	struct rln_fdstate **chunk;

	while (n <= c)
		n *= 2;
	chunk = rln_mem_zalloc(n * sizeof(*chunk));
	if (!chunk)
		return -ENOMEM;
	if (t->chunk) {
		memcpy(chunk, t->chunk, t->nchunks * sizeof(*chunk));
		rln_mem_free(t->chunk);
	}
	t->chunk = chunk;
	t->nchunks = n;
	return 0;
}

static int add_chunk(struct rln_fdtable *t, uint32_t c)
{
	struct rln_fdstate *entry;
	int r;

	if (c >= t->nchunks) {
		r = grow(t, c);
		if (r < 0)
			return r;
	}
	entry = rln_mem_zalloc(RLN_FDTABLE_CHUNK * sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	for (uint32_t i = 0; i < RLN_FDTABLE_CHUNK; i++)
		entry[i].fd = (int32_t)(c * RLN_FDTABLE_CHUNK + i);
	t->chunk[c] = entry;
	return 0;
}

int rln_fdtable_get(struct rln_fdtable *t, int fd, struct rln_fdstate **ret)
{
	int r;

	*ret = rln_fdtable_find(t, fd);
	if (*ret)
		return 0;

	/* A wild number must not make the table huge. */
	if (fcntl(fd, F_GETFD) < 0)
		return -errno;
	r = add_chunk(t, (uint32_t)fd / RLN_FDTABLE_CHUNK);
	if (r < 0)
		return r;
	*ret = rln_fdtable_find(t, fd);
	return 0;
}
