/* SPDX-License-Identifier: MIT */
/*
 * Receive buffers provided to the kernel.
 *
 * Where the kernel has incremental buffers (6.12) a few large ones are shared by all connections: each completion carves
 * its bytes off the current one, and F_BUF_MORE says that the kernel goes on writing to it. Otherwise each completion uses
 * up one small buffer. A buffer has one reference for the kernel and one per completion that was delivered; when the last
 * is gone it is stacked, and before the next enter the kernel's stock is made up from the stack.
 *
 * The kernel takes the buffers in the order in which it was given them, so it is given few at a time, and those first
 * that came back last: what it writes to and what is sent from then stays in the cache. With all buffers in the ring it
 * would write to the coldest one each time, and to as much memory as the pool ever grew to.
 *
 * The address space for the limit is reserved at once and touched as the pool grows. It grows when a receive finds no
 * buffer and none has come back either: all are held. Otherwise, and at the limit, receives starve: they wait in a queue,
 * and as long as there are buffers each wait arms some of them again, no more than there are buffers. (An immediate retry
 * would spin; arming all at once would
 * make all but a few fail once more.) A wait does not sleep while both are left: those that were armed may be quiet, and
 * then no buffer comes back that would arm the next. They try at once rather than poll first: a multishot receive that
 * polls first on a socket with data and a reset behind it delivers the data and never the end (seen on 6.18).
 *
 * Invariant: in_kernel + nreturned + those referenced by receivers only == total; in_kernel <= stock but for growth.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/uring.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"

#define INC_SIZE     (256u * 1024)
#define INC_COUNT    8u
#define PLAIN_SIZE   (16u * 1024)
#define PLAIN_COUNT  64u
#define LIMIT_BYTES  (UINT64_C(16) << 20)
#define ENTRIES_MAX  32768u

static struct rln_uring *uring_of(struct rln_buf *b)
{
	return b->home;
}

static void give(struct rln_uring_bufs *p, uint32_t id, int offset)
{
	struct rln_buf *b = &p->buf[id];

	b->refs = 1;              /* the kernel's */
	b->used = 0;
	io_uring_buf_ring_add(p->ring, b->mem, b->size, (unsigned short)id, (int)(p->entries - 1), offset);
}

static uint32_t unheld(const struct rln_uring_bufs *p)
{
	return p->in_kernel + p->nreturned;
}

static void count_free(struct rln_uring *u)
{
	atomic_store_explicit(&u->base.stats.bufs_free, unheld(&u->bufs), memory_order_relaxed);
}

static void publish(struct rln_uring *u, uint32_t given)
{
	io_uring_buf_ring_advance(u->bufs.ring, (int)given);
	u->bufs.in_kernel += given;
	count_free(u);
}


/* The last reference is gone. */
static void release(struct rln_buf *b)
{
	struct rln_uring_bufs *p = &uring_of(b)->bufs;

	p->returned[p->nreturned++] = b->id;
	count_free(uring_of(b));
}

/* Puts *n* new buffers into use. */
static void add(struct rln_uring *u, uint32_t n)
{
	struct rln_uring_bufs *p = &u->bufs;
	uint32_t i;

	for (i = 0; i < n; i++) {
		uint32_t id = p->total++;

		p->buf[id] = (struct rln_buf){
			.mem = p->mem + ((size_t)id << p->stride_shift), .size = p->size, .id = id, .release = release, .home = u };
		give(p, id, (int)i);
	}
	publish(u, n);
	atomic_store_explicit(&u->base.stats.bufs_total, p->total, memory_order_relaxed);
}

bool rln_uring_bufs_grow(struct rln_uring *u)
{
	struct rln_uring_bufs *p = &u->bufs;
	uint32_t n = rln_min(rln_max(p->stock / 4, 1u), p->limit - p->total);

	if (unheld(p) || !n)
		return false;
	add(u, n);
	return true;
}

/*
 * The last buffer is never lent from: with a byte of it held it would not come back when it is full, and nobody would ever
 * receive again whom the holder may be waiting for.
 */
bool rln_uring_bufs_scarce(const struct rln_uring *u)
{
	uint32_t free = unheld(&u->bufs);

	return u->bufs.total == u->bufs.limit && (free <= 1 || free * 4 < u->bufs.limit);
}

static void arm_starved(struct rln_uring *u)
{
	uint32_t n = u->bufs.in_kernel;
	struct rln_list *node;

	while (n-- && (node = rln_list_pop(&u->starved))) {
		rln_stat_add(&u->base.stats.rearms, 1);
		rln_uring_issue(u, rln_list_entry(node, struct rln_op, link));
	}
}

void rln_uring_bufs_replenish(struct rln_uring *u)
{
	struct rln_uring_bufs *p = &u->bufs;
	uint32_t n = 0;

	for (; p->nreturned && p->in_kernel + n < p->stock; n++)
		give(p, p->returned[--p->nreturned], (int)n);
	if (n)
		publish(u, n);
	if (!rln_list_empty(&u->starved))
		arm_starved(u);
}

void rln_uring_bufs_take(struct rln_uring *u, uint32_t cqe_flags, uint32_t n, struct rln_completion *c)
{
	struct rln_uring_bufs *p = &u->bufs;
	struct rln_buf *b = &p->buf[cqe_flags >> IORING_CQE_BUFFER_SHIFT];

	c->buf = rln_buf_ref(b);
	c->data = b->mem + b->used;
	b->used += n;
	if (p->incremental && (cqe_flags & RLN_CQE_F_BUF_MORE))
		return;
	p->in_kernel--;
	count_free(u);
	b->refs--;                /* the kernel's; the receiver's is there */
}

struct rln_buf *rln_uring_bufs_holder(struct rln_uring *u, const void *data, size_t len)
{
	struct rln_uring_bufs *p = &u->bufs;
	uintptr_t offset = (uintptr_t)data - (uintptr_t)p->mem;
	uintptr_t id = offset >> p->stride_shift;

	if (id >= p->total || len > p->size - (offset - (id << p->stride_shift)))
		return NULL;
	return &p->buf[id];
}

/* Set-up */

static uint32_t power_of_two(uint32_t n)
{
	uint32_t p = 1;

	while (p < n)
		p *= 2;
	return p;
}

static int register_ring(struct rln_uring *u, uint16_t flags)
{
	struct io_uring_buf_reg reg = {
		.ring_addr = (uint64_t)(uintptr_t)u->bufs.ring,
		.ring_entries = u->bufs.entries,
		.bgid = RLN_BUF_GROUP,
		.pad = flags,             /* the header of liburing 2.3 does not call it flags yet */
	};
	int error = rln_fault(RLN_FAULT_RING_REGISTER);

	return error ? -error : io_uring_register_buf_ring(&u->ring, &reg, 0);
}

static void *map(size_t size)
{
	void *p;

	if (rln_fault(RLN_FAULT_MMAP))
		return NULL;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	madvise(p, size, MADV_DONTFORK);
	return p;
}

/* How many buffers of what size, for the kind of buffers the kernel has. */
static uint32_t geometry(struct rln_uring_bufs *p, const struct rln_backend_config *cfg)
{
	uint64_t bytes = cfg->buf_limit ? cfg->buf_limit : LIMIT_BYTES;
	uint32_t count = cfg->buf_count ? cfg->buf_count : p->incremental ? INC_COUNT : PLAIN_COUNT;
	uint64_t limit;

	p->size = cfg->buf_size ? cfg->buf_size : p->incremental ? INC_SIZE : PLAIN_SIZE;
	for (p->stride_shift = 0; (size_t)1 << p->stride_shift < p->size;)
		p->stride_shift++;
	limit = rln_min(bytes / p->size, ENTRIES_MAX);
	p->limit = (uint32_t)rln_max(limit, 1u);
	return rln_min(count, p->limit);
}

static int allocate(struct rln_uring_bufs *p)
{
	p->mem = map((size_t)p->limit << p->stride_shift);
	p->buf = rln_mem_alloc(p->limit * sizeof(*p->buf));
	p->returned = rln_mem_alloc(p->limit * sizeof(*p->returned));
	return p->mem && p->buf && p->returned ? 0 : -ENOMEM;
}

/* The ring of buffer addresses: room for the limit of small buffers, which are more than large ones. */
static int map_ring(struct rln_uring_bufs *p)
{
	p->entries = power_of_two(p->limit);
	p->ring_size = p->entries * sizeof(struct io_uring_buf);
	p->ring = map(p->ring_size);
	if (!p->ring)
		return -ENOMEM;
	io_uring_buf_ring_init(p->ring);
	return 0;
}

static void unmap_ring(struct rln_uring_bufs *p)
{
	if (p->ring)
		munmap(p->ring, p->ring_size);
	p->ring = NULL;
}

static int open_ring(struct rln_uring *u, const struct rln_backend_config *cfg, bool incremental, uint32_t *count)
{
	struct rln_uring_bufs *p = &u->bufs;
	int r;

	p->incremental = incremental;
	*count = geometry(p, cfg);
	r = map_ring(p);
	if (r == 0)
		r = register_ring(u, incremental ? RLN_PBUF_RING_INC : 0);
	if (r < 0)
		unmap_ring(p);
	return r;
}

int rln_uring_bufs_init(struct rln_uring *u, const struct rln_backend_config *cfg)
{
	uint32_t count;
	int r = -EINVAL;

	if (!(cfg->disabled & RLN_FEATURE_INC))
		r = open_ring(u, cfg, true, &count);
	if (r == -EINVAL)
		r = open_ring(u, cfg, false, &count);
	if (r == 0)
		r = allocate(&u->bufs);
	if (r == 0) {
		u->bufs.stock = count;
		add(u, count);
	}
	return r;
}

/* Bytes that somebody still holds at the end keep their memory: a leak is better than a dangling pointer. */
static bool lent(const struct rln_uring_bufs *p)
{
	uint32_t i;

	for (i = 0; i < p->total; i++)
		if (p->buf[i].refs > 1)
			return true;
	return p->in_kernel + p->nreturned < p->total;
}

void rln_uring_bufs_fini(struct rln_uring *u)
{
	struct rln_uring_bufs *p = &u->bufs;

	if (p->ring) {
		io_uring_unregister_buf_ring(&u->ring, RLN_BUF_GROUP);
		unmap_ring(p);
	}
	if (p->buf && lent(p)) {
		rln_log(RLN_LOG_ERROR, "receive buffers are held after the end of their worker");
		return;
	}
	if (p->mem)
		munmap(p->mem, (size_t)p->limit << p->stride_shift);
	rln_mem_free(p->buf);
	rln_mem_free(p->returned);
}
