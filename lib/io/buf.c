/* SPDX-License-Identifier: MIT */
/* Blocks and the handles on them; buf.h tells the idea. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fault.h"
#include "base/mem.h"
#include "io/buf.h"

#define MAPPED_MIN (256u * 1024)

/* Before the bytes. */
struct block {
	struct rln_buf buf;
	size_t size;                      /* of the bytes */
	bool mapped;
};

static void give_back(struct block *b)
{
	if (b->mapped)
		munmap(b, sizeof(*b) + b->size);
	else
		rln_mem_free(b);
}

static void block_free(struct rln_buf *buf)
{
	struct block *b = rln_container_of(buf, struct block, buf);
	struct rln_io *io = buf->home;

	rln_stat_add(&io->stats.memory, -(uint64_t)b->size);
	give_back(b);
}

static struct block *map(size_t size)
{
	void *p = MAP_FAILED;

	if (!rln_fault(RLN_FAULT_MMAP))
		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

static struct rln_buf *count(struct rln_io *io, struct block *b, size_t size)
{
	b->buf.mem = (unsigned char *)(b + 1);
	rln_stat_add(&io->stats.memory, size - b->size);
	b->size = size;
	return &b->buf;
}

struct rln_buf *rln_block_make(size_t size)
{
	bool mapped = size >= MAPPED_MIN;
	struct block *b = NULL;

	if (size <= SIZE_MAX / 2)
		b = mapped ? map(sizeof(*b) + size) : rln_mem_alloc(sizeof(*b) + size);
	if (!b)
		return NULL;
	b->buf = (struct rln_buf){ .refs = 1, .release = block_free, .mem = (unsigned char *)(b + 1) };
	b->size = size;
	b->mapped = mapped;
	return &b->buf;
}

void rln_block_adopt(struct rln_io *io, struct rln_buf *buf)
{
	buf->home = io;
	rln_stat_add(&io->stats.memory, rln_container_of(buf, struct block, buf)->size);
}

void rln_block_discard(struct rln_buf *buf)
{
	give_back(rln_container_of(buf, struct block, buf));
}

struct rln_buf *rln_block_new(struct rln_io *io, size_t size)
{
	struct rln_buf *buf = rln_block_make(size);

	if (buf)
		rln_block_adopt(io, buf);
	return buf;
}

struct rln_buf *rln_block_grow(struct rln_buf *buf, size_t size)
{
	struct block *b = rln_container_of(buf, struct block, buf);
	struct rln_io *io = buf->home;
	void *p;

	if (buf->release != block_free || !b->mapped || buf->refs > 1 || size > SIZE_MAX / 2)
		return NULL;
	p = mremap(b, sizeof(*b) + b->size, sizeof(*b) + size, MREMAP_MAYMOVE);
	return p == MAP_FAILED ? NULL : count(io, p, size);
}

/* Handles */

struct ringline_buf *rln_buf_handle_new(struct rln_io *io, struct rln_buf *buf, const void *data, size_t len)
{
	struct ringline_buf *b = rln_slab_alloc(&io->bufs);

	if (!b)
		return NULL;
	b->io = io;
	b->buf = buf;
	b->data = data;
	b->len = len;
	b->refs = 1;
	b->writable = false;
	return b;
}

int rln_buf_handle_check(const struct ringline_buf *b, const char *call)
{
	if (!b)
		return -EINVAL;
	if (!rln_exec_get(call))
		return rln_not_here();
	return rln_exec_check_handle(&rln_io_current()->bufs, &b->slot, call);
}

int ringline_buf_new(struct ringline_buf **ret, const void *data, size_t len)
{
	struct rln_exec *x = rln_exec_get(__func__);
	struct rln_buf *block;

	if (!ret || !data || !len || len > SSIZE_MAX)
		return -EINVAL;
	if (!x)
		return rln_not_here();
	if (rln_blocks_full(x->io))
		return -ENOBUFS;
	block = rln_block_new(x->io, len);
	if (!block)
		return -ENOMEM;
	memcpy(block->mem, data, len);
	*ret = rln_buf_handle_new(x->io, block, block->mem, len);
	if (*ret)
		return 0;
	rln_buf_unref(block);
	return -ENOMEM;
}

/* The block is larger than what is handed out, so that there is an aligned place in it. */
int ringline_buf_alloc(struct ringline_buf **ret, size_t len, size_t alignment)
{
	struct rln_exec *x = rln_exec_get(__func__);
	struct rln_buf *block;
	uintptr_t at;

	if (!ret || !len || len > SSIZE_MAX || !alignment || alignment & (alignment - 1) || alignment > SSIZE_MAX - len)
		return -EINVAL;
	if (!x)
		return rln_not_here();
	if (rln_blocks_full(x->io))
		return -ENOBUFS;
	block = rln_block_new(x->io, len + alignment - 1);
	if (!block)
		return -ENOMEM;
	at = ((uintptr_t)block->mem + alignment - 1) & ~(uintptr_t)(alignment - 1);
	*ret = rln_buf_handle_new(x->io, block, (const void *)at, len);
	if (!*ret) {
		rln_buf_unref(block);
		return -ENOMEM;
	}
	(*ret)->writable = true;
	return 0;
}

void *ringline_buf_memory(struct ringline_buf *buf)
{
	return rln_buf_handle_check(buf, __func__) == 0 && buf->writable ? (void *)buf->data : NULL;
}

int ringline_buf_slice(struct ringline_buf **ret, struct ringline_buf *buf, size_t offset, size_t len)
{
	int r = rln_buf_handle_check(buf, __func__);

	if (r < 0)
		return r;
	if (!ret || !len || offset > buf->len || len > buf->len - offset)
		return -EINVAL;
	*ret = rln_buf_handle_new(buf->io, buf->buf, buf->data + offset, len);
	if (!*ret)
		return -ENOMEM;
	rln_buf_ref(buf->buf);
	return 0;
}

const void *ringline_buf_data(const struct ringline_buf *buf)
{
	return rln_buf_handle_check(buf, __func__) == 0 ? buf->data : NULL;
}

size_t ringline_buf_size(const struct ringline_buf *buf)
{
	return rln_buf_handle_check(buf, __func__) == 0 ? buf->len : 0;
}

struct ringline_buf *ringline_buf_ref(struct ringline_buf *buf)
{
	if (rln_buf_handle_check(buf, __func__) < 0)
		return NULL;
	buf->refs++;
	return buf;
}

int ringline_buf_unref(struct ringline_buf *buf)
{
	int r = buf ? rln_buf_handle_check(buf, __func__) : 0;

	if (r < 0 || !buf || --buf->refs)
		return r;
	rln_buf_unref(buf->buf);
	rln_slab_free(&buf->io->bufs, buf);
	return 0;
}

/* The worker */

void rln_bufs_init(struct rln_io *io)
{
	rln_slab_init(&io->bufs, sizeof(struct ringline_buf), 64, 0);
}

uint32_t rln_bufs_fini(struct rln_io *io)
{
	struct ringline_buf *b;
	uint32_t i;

	for (i = 0; (b = rln_slab_at(&io->bufs, i)); i++)
		if (rln_slot_live(&b->slot))
			rln_buf_unref(b->buf);
	return rln_slab_fini(&io->bufs);
}
