/* SPDX-License-Identifier: MIT */
/* Batches: their memory, and fetching into them; dgram-batch.h tells the idea. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fault.h"
#include "base/mem.h"
#include "io/dgram-batch.h"
#include "io/io.h"

#define STRIDE    (RLN_DGRAM_SIZE + 320u)   /* five cache lines further in each slot's page */
#define KEPT_MAX  2u
#define SIZE      ((size_t)RLN_DGRAM_SLOTS * STRIDE)

static void batch_free(struct rln_dgram_batch *b)
{
	munmap(b->buf.mem, SIZE);
	rln_mem_free(b);
}

/* The last reference is gone. A worker that has ended has no use for it. */
static void released(struct rln_buf *buf)
{
	struct rln_dgram_batch *b = rln_container_of(buf, struct rln_dgram_batch, buf);
	struct rln_io *io = buf->home;

	if (io->nbatches >= KEPT_MAX) {
		batch_free(b);
		return;
	}
	rln_list_add_head(&io->batches, &b->link);
	io->nbatches++;
}

static void reset_slot(struct rln_dgram_batch *b, uint32_t i)
{
	struct msghdr *h = &b->msg[i].msg_hdr;

	b->slot[i].iov.iov_base = b->buf.mem + (size_t)i * STRIDE;
	b->slot[i].iov.iov_len = RLN_DGRAM_SIZE;
	h->msg_name = &b->slot[i].peer.address;
	h->msg_namelen = sizeof(b->slot[i].peer.address);
	h->msg_iov = &b->slot[i].iov;
	h->msg_iovlen = 1;
	h->msg_control = b->slot[i].control;
	h->msg_controllen = sizeof(b->slot[i].control);
	h->msg_flags = 0;
}

static struct rln_dgram_batch *batch_new(struct rln_io *io)
{
	struct rln_dgram_batch *b = rln_mem_zalloc(sizeof(*b));
	void *mem;
	uint32_t i;

	if (!b)
		return NULL;
	mem = rln_fault(RLN_FAULT_MMAP) ? MAP_FAILED
	                                : mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED) {
		rln_mem_free(b);
		return NULL;
	}
	b->buf.mem = mem;
	b->buf.release = released;
	b->buf.home = io;
	rln_list_init(&b->link);
	for (i = 0; i < RLN_DGRAM_SLOTS; i++)
		reset_slot(b, i);
	return b;
}

void rln_dgram_batches_init(struct rln_io *io)
{
	rln_list_init(&io->batches);
	io->nbatches = 0;
}

void rln_dgram_batches_fini(struct rln_io *io)
{
	struct rln_list *node;

	while ((node = rln_list_pop(&io->batches)))
		batch_free(rln_list_entry(node, struct rln_dgram_batch, link));
	io->nbatches = 0;
}

struct rln_dgram_batch *rln_dgram_batch_get(struct rln_io *io)
{
	struct rln_list *node = rln_list_pop(&io->batches);
	struct rln_dgram_batch *b;

	if (node) {
		b = rln_list_entry(node, struct rln_dgram_batch, link);
		io->nbatches--;
	} else {
		b = batch_new(io);
	}
	if (!b)
		return NULL;
	b->buf.refs = 1;
	b->head = 0;
	b->count = 0;
	return b;
}

int rln_dgram_batch_fetch(struct rln_dgram_batch *b, int fd, uint32_t max)
{
	int error = rln_fault(RLN_FAULT_RECV);
	int n;
	uint32_t i;

	for (i = 0; i < b->used; i++)
		reset_slot(b, i);
	b->used = 0;
	b->head = 0;
	b->count = 0;
	/* MSG_TRUNC: lengths are what the datagrams had (recv(2)) */
	n = error ? -1 : recvmmsg(fd, b->msg, rln_min(max, RLN_DGRAM_SLOTS), MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC, NULL);
	if (n < 0)
		return error ? -error : -errno;
	for (i = 0; i < (uint32_t)n; i++) {
		b->slot[i].peer.length = b->msg[i].msg_hdr.msg_namelen;
		b->slot[i].offset = 0;
		b->slot[i].segment = rln_dgram_segment(&b->msg[i].msg_hdr, b->msg[i].msg_len);
	}
	b->used = (uint32_t)n;
	b->count = (uint32_t)n;
	return n;
}
