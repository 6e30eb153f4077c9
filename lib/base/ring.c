/* SPDX-License-Identifier: MIT */
/* The bounded FIFO; ring.h tells the idea. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/ring.h"

int rln_ring_init(struct rln_ring *r, uint32_t capacity, uint32_t elem_size)
{
	uint32_t n = 1;

	memset(r, 0, sizeof(*r));
	if (!capacity || !elem_size || capacity > UINT32_C(1) << 31)
		return -EINVAL;
	while (n < capacity)
		n *= 2;
	if (elem_size > SIZE_MAX / n)
		return -EINVAL;
	r->slot = rln_mem_alloc((size_t)n * elem_size);
	if (!r->slot)
		return -ENOMEM;
	r->elem_size = elem_size;
	r->mask = n - 1;
	return 0;
}

void rln_ring_fini(struct rln_ring *r)
{
	rln_mem_free(r->slot);
	memset(r, 0, sizeof(*r));
}

static unsigned char *slot_at(const struct rln_ring *r, uint32_t pos)
{
	return r->slot + (size_t)(pos & r->mask) * r->elem_size;
}

bool rln_ring_push(struct rln_ring *r, const void *elem)
{
	if (rln_ring_full(r))
		return false;
	memcpy(slot_at(r, r->tail++), elem, r->elem_size);
	return true;
}

bool rln_ring_pop(struct rln_ring *r, void *elem)
{
	if (!rln_ring_len(r))
		return false;
	memcpy(elem, slot_at(r, r->head++), r->elem_size);
	return true;
}
