/* SPDX-License-Identifier: MIT */
/*
 * Receive memory that a backend lends: a block of bytes with a reference count.
 *
 * A block may hold the bytes of several connections (incremental buffers). The backend keeps a reference while the kernel
 * may still write to the block; every completion that carries bytes of it hands one reference to its receiver. At zero the
 * block goes home, which may wake receivers that starved. Owner thread only, hence no atomics.
 */
#ifndef RLN_CORE_BUF_H
#define RLN_CORE_BUF_H

#include "base/compiler.h"

struct rln_buf {
	unsigned char *mem;
	uint32_t size;
	uint32_t refs;
	uint32_t id;              /* the backend's number for the block */
	uint32_t used;            /* the backend's: bytes handed out so far */
	void (*release)(struct rln_buf *buf);   /* called when refs reaches zero */
	void *home;               /* the backend's pool */
};

static inline struct rln_buf *rln_buf_ref(struct rln_buf *b)
{
	b->refs++;
	return b;
}

static inline void rln_buf_unref(struct rln_buf *b)
{
	if (--b->refs == 0)
		b->release(b);
}

#endif
