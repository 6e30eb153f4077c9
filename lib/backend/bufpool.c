/* SPDX-License-Identifier: MIT */
/*
 * Blocks of receive memory.
 *
 * A block is free (on the list, refs 0), current (the pool's own reference, maybe receivers' too) or lent (receivers'
 * references only). total = free + lent + (current ? 1 : 0), and never more than max.
 *
 * Giving back: a worker that is idle trims to its stock at once (rln_bufpool_trim()); a worker that never is gives
 * back, every TRIM_PERIOD batches, the blocks that were free all the time.
 */
#include <errno.h>
#include <sys/mman.h>

#include "backend/bufpool.h"
#include "base/fault.h"
#include "base/list.h"
#include "base/mem.h"

#define DEFAULT_SIZE  (128u << 10)
#define DEFAULT_LIMIT (16u << 20)
#define DEFAULT_STOCK 4u
#define SHARE_MIN     (16u << 10)   /* smaller blocks hold one read each */
#define PIECE_ALIGN   64u
#define TRIM_PERIOD   4096u

struct block {
	struct rln_buf buf;
	struct rln_list link;
};

struct rln_bufpool {
	struct rln_backend_stats *stats;   /* NULL: the pool was freed, blocks are still lent */
	struct rln_list free;
	struct rln_buf *current;
	uint32_t size;
	uint32_t min_room;        /* what a current block must have left */
	uint32_t max;
	uint32_t stock;
	uint32_t total;
	uint32_t nfree;
	uint32_t low;             /* fewest free blocks since the period began */
	uint32_t batches;
	uint32_t next_id;
	bool failed;              /* memory was short; do not count on more until a block returns */
};

static void publish(struct rln_bufpool *p)
{
	atomic_store_explicit(&p->stats->bufs_total, p->total, memory_order_relaxed);
	atomic_store_explicit(&p->stats->bufs_free, p->nfree, memory_order_relaxed);
}

static void unmap_block(struct rln_bufpool *p, struct block *b)
{
	munmap(b->buf.mem, p->size);
	rln_mem_free(b);
	p->total--;
}

/* The last reference was returned. */
static void release(struct rln_buf *buf)
{
	struct rln_bufpool *p = buf->home;
	struct block *b = rln_container_of(buf, struct block, buf);

	if (rln_unlikely(!p->stats)) {
		unmap_block(p, b);
		if (!p->total)
			rln_mem_free(p);
		return;
	}
	rln_list_add_head(&p->free, &b->link);
	p->nfree++;
	p->failed = false;
	publish(p);
}

static struct block *map_block(struct rln_bufpool *p)
{
	struct block *b;
	void *mem;

	if (p->total >= p->max)
		return NULL;
	p->failed = true;
	b = rln_fault(RLN_FAULT_MMAP) ? NULL : rln_mem_alloc(sizeof(*b));
	if (!b)
		return NULL;
	mem = mmap(NULL, p->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED) {
		rln_mem_free(b);
		return NULL;
	}
	rln_list_init(&b->link);
	b->buf.mem = mem;
	b->buf.size = p->size;
	b->buf.id = p->next_id++;
	b->buf.release = release;
	b->buf.home = p;
	p->total++;
	p->failed = false;
	return b;
}

int rln_bufpool_new(struct rln_bufpool **ret, const struct rln_backend_config *cfg, struct rln_backend_stats *stats)
{
	uint32_t size = cfg->buf_size ? cfg->buf_size : DEFAULT_SIZE;
	uint64_t max = (cfg->buf_limit ? cfg->buf_limit : DEFAULT_LIMIT) / size;
	struct rln_bufpool *p;

	if (!max || max > UINT32_MAX / 4)
		return -EINVAL;
	p = rln_mem_zalloc(sizeof(*p));
	if (!p)
		return -ENOMEM;
	rln_list_init(&p->free);
	p->stats = stats;
	p->size = size;
	p->min_room = size >= SHARE_MIN ? size / 2 + 1 : size;
	p->max = (uint32_t)max;
	p->stock = rln_min(p->max, cfg->buf_count ? cfg->buf_count : DEFAULT_STOCK);
	publish(p);
	*ret = p;
	return 0;
}

static void drop_free(struct rln_bufpool *p, uint32_t n)
{
	while (n--) {
		struct rln_list *cold = p->free.prev;

		rln_list_del(cold);
		p->nfree--;
		unmap_block(p, rln_list_entry(cold, struct block, link));
	}
	p->low = rln_min(p->low, p->nfree);
}

void rln_bufpool_free(struct rln_bufpool *p)
{
	rln_bufpool_settle(p);
	drop_free(p, p->nfree);
	publish(p);
	p->stats = NULL;
	if (!p->total)
		rln_mem_free(p);
}

static void drop_current(struct rln_bufpool *p)
{
	struct rln_buf *buf = p->current;

	p->current = NULL;
	rln_buf_unref(buf);
}

struct rln_buf *rln_bufpool_current(struct rln_bufpool *p)
{
	struct rln_list *node;
	struct block *b;

	if (p->current) {
		/* all pieces came back: the same memory again, while it is in the cache */
		if (p->current->refs == 1)
			p->current->used = 0;
		return p->current;
	}
	node = rln_list_pop(&p->free);
	if (node) {
		b = rln_list_entry(node, struct block, link);
		p->nfree--;
		p->low = rln_min(p->low, p->nfree);
	} else {
		p->low = 0;
		b = map_block(p);
		if (!b)
			return NULL;
	}
	b->buf.refs = 1;
	b->buf.used = 0;
	p->current = &b->buf;
	publish(p);
	return p->current;
}

void rln_bufpool_commit(struct rln_bufpool *p, size_t n)
{
	struct rln_buf *buf = p->current;
	uint32_t room = buf->size - buf->used;
	uint32_t taken = ((uint32_t)n + PIECE_ALIGN - 1) & ~(PIECE_ALIGN - 1);

	buf->used += rln_min(taken, room);
	rln_buf_ref(buf);
	if (buf->size - buf->used < p->min_room)
		drop_current(p);
}

void rln_bufpool_settle(struct rln_bufpool *p)
{
	if (p->current)
		drop_current(p);
	if (++p->batches < TRIM_PERIOD)
		return;
	if (p->low > p->stock) {
		drop_free(p, p->low - p->stock);
		publish(p);
	}
	p->low = p->nfree;
	p->batches = 0;
}

uint32_t rln_bufpool_available(const struct rln_bufpool *p)
{
	uint32_t growth = p->failed ? 0 : p->max - p->total;

	return p->nfree + growth + (p->current ? 1 : 0);
}

bool rln_bufpool_lent(const struct rln_bufpool *p)
{
	return p->total > p->nfree + (p->current ? 1 : 0);
}

bool rln_bufpool_scarce(const struct rln_bufpool *p)
{
	uint32_t lent = p->total - p->nfree;

	return 4 * (p->max - lent) < p->max;
}

bool rln_bufpool_swollen(const struct rln_bufpool *p)
{
	return p->nfree > p->stock;
}

void rln_bufpool_trim(struct rln_bufpool *p)
{
	drop_free(p, p->nfree - p->stock);
	publish(p);
}
