/* SPDX-License-Identifier: MIT */
/*
 * What a readiness backend knows about each descriptor, found by its number.
 *
 * Chunks of 256 entries are allocated when a number in them is first needed and never move, so a pointer to an entry is
 * good for the life of the table; what the entry describes is not: the descriptor may be closed and its number given to
 * another file. The generation tells them apart: it is part of the key that the kernel hands back with every event, and
 * moves on whenever the entry stands for a new file.
 */
#ifndef RLN_BACKEND_FDTABLE_H
#define RLN_BACKEND_FDTABLE_H

#include "base/compiler.h"
#include "core/op.h"

#define RLN_FDTABLE_CHUNK 256u

/* Each side of a descriptor has at most one operation. */
enum rln_fdside {
	RLN_SIDE_READ,
	RLN_SIDE_WRITE,
	RLN_SIDE_POLL,
	RLN_SIDE_MAX
};

/* How the descriptor is read and written, and what a short read says. */
enum rln_fdkind {
	RLN_KIND_UNKNOWN,         /* nobody asked yet */
	RLN_KIND_TCP,             /* a short read means: empty */
	RLN_KIND_UNIX,            /* unix stream: the same, unless ancillary data cut the read */
	RLN_KIND_OTHER,           /* any other socket: only EAGAIN means empty */
	RLN_KIND_FILE,            /* not a socket */
};

/* ready bits */
enum {
	RLN_READY_IN   = 1u << 0,   /* a read may find something */
	RLN_READY_LAST = 1u << 1,   /* end, error or urgent data was seen: a short read says nothing */
};

/* flags of a descriptor */
enum {
	RLN_FD_ARMED      = 1u << 0,   /* the kernel reports events for it */
	RLN_FD_UNPOLLABLE = 1u << 1,   /* the kernel refused to: regular files are always ready */
	RLN_FD_NO_NOWAIT  = 1u << 2,   /* RWF_NOWAIT is refused */
};

struct rln_fdstate {
	struct rln_op *op[RLN_SIDE_MAX];
	uint32_t gen;
	uint32_t mask;            /* events asked for; 0 after a one-shot registration has fired */
	int32_t fd;
	uint8_t kind;             /* enum rln_fdkind */
	uint8_t ready;            /* RLN_READY_* */
	uint8_t flags;            /* RLN_FD_* */
};

struct rln_fdtable {
	struct rln_fdstate **chunk;
	uint32_t nchunks;
};

void rln_fdtable_init(struct rln_fdtable *t);
void rln_fdtable_fini(struct rln_fdtable *t);

/* The entry of *fd* if there is one; NULL otherwise. */
static inline struct rln_fdstate *rln_fdtable_find(const struct rln_fdtable *t, int fd)
{
	uint32_t c = (uint32_t)fd / RLN_FDTABLE_CHUNK;

	if (c >= t->nchunks || !t->chunk[c])
		return NULL;
	return &t->chunk[c][(uint32_t)fd % RLN_FDTABLE_CHUNK];
}

/* The entry of *fd*, made if needed. 0, -ENOMEM, or -EBADF if it is not open (asked only when a chunk is needed). */
int rln_fdtable_get(struct rln_fdtable *t, int fd, struct rln_fdstate **ret) rln_must_check;

/* From now on the entry stands for another file. */
static inline void rln_fdstate_renew(struct rln_fdstate *st)
{
	st->gen++;
	st->mask = 0;
	st->kind = RLN_KIND_UNKNOWN;
	st->ready = 0;
	st->flags = 0;
}

static inline uint64_t rln_fdstate_key(const struct rln_fdstate *st)
{
	return (uint64_t)st->gen << 32 | (uint32_t)st->fd;
}

#endif
