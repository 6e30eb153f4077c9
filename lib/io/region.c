/* SPDX-License-Identifier: MIT */
/* Regions, and reading and writing by way of them; region.h draws their states. */
#include <errno.h>
#include <limits.h>

#include "base/log.h"
#include "io/file.h"
#include "io/region.h"
#include "io/request.h"

static const struct rln_what what_region = { .name = "region" };

static int check(const struct ringline_region *region, const char *call)
{
	int r;

	if (!region)
		return -EINVAL;
	if (!rln_exec_get(call))
		return rln_not_here();
	r = rln_exec_check_handle(&rln_io_current()->regions, &region->slot, call);
	return r == 0 && region->freeing ? -EBADF : r;
}

int ringline_region_new(struct ringline_region **ret, void *memory, size_t len)
{
	struct rln_exec *x = rln_exec_get(__func__);
	struct ringline_region *region;
	int index;

	if (!ret || !memory || !len || len > SSIZE_MAX || (uintptr_t)memory > UINTPTR_MAX - len)
		return -EINVAL;
	if (!x)
		return rln_not_here();
	region = rln_slab_alloc(&x->io->regions);
	if (!region)
		return -ENOMEM;
	index = x->backend->ops->region_add(x->backend, memory, len);
	if (index == -EFAULT) {
		rln_slab_free(&x->io->regions, region);
		return -EFAULT;
	}
	region->io = x->io;
	region->memory = memory;
	region->len = len;
	region->index = index > 0 ? (uint32_t)index : 0;
	region->uses = 0;
	region->freeing = false;
	rln_source_init(&region->gone);
	*ret = region;
	return 0;
}

static void settle(struct ringline_region *region)
{
	struct rln_backend *b = rln_exec_current->backend;

	if (!region->freeing || region->uses)
		return;
	if (region->index)
		b->ops->region_remove(b, region->index);
	rln_source_fire_all(&region->gone, 0);
	rln_slab_free(&region->io->regions, region);
}

void rln_region_enter(struct ringline_region *region)
{
	region->uses++;
}

void rln_region_leave(struct ringline_region *region)
{
	region->uses--;
	settle(region);
}

/* A region in use goes when its last user does. */
static int free_and_wait(struct ringline_region *region)
{
	int64_t ignored;

	region->freeing = true;
	if (region->uses)
		return rln_wait_on(&region->gone, &ignored, &what_region, region);
	settle(region);
	return 0;
}

int ringline_region_free(struct ringline_region *region)
{
	struct ringline_task *t;
	int r = region ? check(region, __func__) : 0;

	if (r == 0)
		r = rln_task_get_parking(&t, __func__);
	return r < 0 || !region ? r : free_and_wait(region);
}

/* The use that keeps it until the steps begin is theirs. */
static int64_t free_steps(void *args)
{
	struct ringline_region *region = *(struct ringline_region **)args;

	region->uses--;
	return free_and_wait(region);
}

int ringline_region_free_begin(struct ringline_op **ret, struct ringline_region *region)
{
	static const struct rln_steps steps = { .run = free_steps };
	int r = check(region, __func__);

	if (r == 0 && !ret)
		r = -EINVAL;
	if (r == 0 && !rln_task_get(__func__))
		r = rln_not_here();
	if (r == 0)
		r = rln_handle_steps(ret, &steps, &region, sizeof(struct ringline_region *));
	if (r < 0)
		return r;
	region->uses++;
	region->freeing = true;
	return 0;
}

int ringline_region_registered(const struct ringline_region *region)
{
	int r = check(region, __func__);

	return r < 0 ? r : region->index != 0;
}

void rln_regions_init(struct rln_io *io)
{
	rln_slab_init(&io->regions, sizeof(struct ringline_region), 64, 0);
}

void rln_regions_fini(struct rln_io *io)
{
	uint32_t leaked = rln_slab_fini(&io->regions);

	if (leaked)
		rln_log(RLN_LOG_WARNING, "%u regions were never freed", leaked);
}

/* Transfers */

static int prepare(struct rln_request *q, unsigned int opcode, struct ringline_file *file, struct ringline_region *region,
                   size_t at, size_t len, uint64_t offset, const char *call)
{
	int r = check(region, call);

	if (r < 0)
		return r;
	if (at > region->len || len > region->len - at)
		return -ERANGE;
	r = rln_file_prepare_transfer(q, opcode, file, region->memory + at, len, offset, call);
	if (r < 0)
		return r;
	q->region = region;
	q->f.region = region->index;
	return 0;
}

ssize_t ringline_file_read_region(struct ringline_file *file, struct ringline_region *region, size_t at, size_t len,
                                  uint64_t offset)
{
	struct rln_request q;
	int r = prepare(&q, RLN_OP_READ, file, region, at, len, offset, __func__);

	return rln_request_run(&q, r, __func__);
}

int ringline_file_read_region_begin(struct ringline_op **ret, struct ringline_file *file, struct ringline_region *region,
                                    size_t at, size_t len, uint64_t offset)
{
	struct rln_request q;
	int r = prepare(&q, RLN_OP_READ, file, region, at, len, offset, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}

ssize_t ringline_file_write_region(struct ringline_file *file, struct ringline_region *region, size_t at, size_t len,
                                   uint64_t offset)
{
	struct rln_request q;
	int r = prepare(&q, RLN_OP_WRITE, file, region, at, len, offset, __func__);

	return rln_request_run(&q, r, __func__);
}

int ringline_file_write_region_begin(struct ringline_op **ret, struct ringline_file *file, struct ringline_region *region,
                                     size_t at, size_t len, uint64_t offset)
{
	struct rln_request q;
	int r = prepare(&q, RLN_OP_WRITE, file, region, at, len, offset, __func__);

	return rln_request_begin(ret, &q, r, __func__);
}
