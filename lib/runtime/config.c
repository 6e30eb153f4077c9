/* SPDX-License-Identifier: MIT */
/* Reading the configuration; config.h. */
#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/sized.h"
#include "runtime/config.h"

#define KNOWN_FLAGS (RINGLINE_CONFIG_NO_PINNING | RINGLINE_CONFIG_NO_SIGNALS | RINGLINE_CONFIG_STACK_USAGE | \
                     RINGLINE_CONFIG_SERVICE)

#define MAX_WORKERS          1024u
#define MAX_RING_ENTRIES     32768u
#define MAX_BUFFERS          32768u
#define MAX_BUFFER_SIZE      (16u * 1024 * 1024)
#define MAX_STACK_SIZE       (UINT64_C(1) << 30)
#define DEFAULT_OPERATIONS   65536u
#define DEFAULT_INBOX        65536u
#define DEFAULT_INPUT_LIMIT  (UINT64_C(1) << 20)
#define DEFAULT_OUTPUT_LIMIT (UINT64_C(256) << 10)
#define DEFAULT_MEMORY_LIMIT (UINT64_C(1) << 30)
#define DEFAULT_DRAIN        (10 * RLN_NSEC_PER_SEC)
#define MAX_JOBS             4096u
#define DEFAULT_DNS_JOBS     8u
#define DEFAULT_WAIT_JOBS    64u
#define DEFAULT_JOB_QUEUE    1024u
#define DEFAULT_JOB_IDLE     (10 * RLN_NSEC_PER_SEC)
#define JOB_STALL            (100 * RLN_NSEC_PER_MSEC)
#define MAX_LOOKUP_CACHE     65536u
#define DEFAULT_LOOKUP_TIME  (5 * RLN_NSEC_PER_SEC)
#define DEFAULT_CLOSE        (30 * RLN_NSEC_PER_SEC)

static bool valid(const struct ringline_config *c)
{
	return c->backend <= RINGLINE_BACKEND_EPOLL && !(c->flags & ~KNOWN_FLAGS) &&
	       c->workers <= MAX_WORKERS && c->submission_entries <= MAX_RING_ENTRIES &&
	       c->completion_entries <= 2 * MAX_RING_ENTRIES &&
	       (!c->completion_entries || c->completion_entries >= c->submission_entries) && c->receive_buffers <= MAX_BUFFERS &&
	       c->receive_buffer_size <= MAX_BUFFER_SIZE && c->stack_size <= MAX_STACK_SIZE &&
	       c->blocking_threads <= MAX_JOBS && c->blocking_io_threads <= MAX_JOBS && c->blocking_dns_threads <= MAX_JOBS &&
	       c->blocking_wait_threads <= MAX_JOBS && c->lookup_cache <= MAX_LOOKUP_CACHE && !c->reserved;
}

static uint64_t or_default(uint64_t value, uint64_t fallback)
{
	return value ? value : fallback;
}

/* Disks and most services take a few requests per processor before more at once only wait elsewhere. */
static uint32_t default_jobs(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return (uint32_t)rln_max(4L, rln_min(4 * cpus, 64L));
}

static void fill(struct rln_config *ret, const struct ringline_config *c)
{
	*ret = (struct rln_config){
		.backend = c->backend,
		.flags = c->flags,
		.workers = c->workers,
		.stall_limit = c->stall_limit,
		.drain_timeout = or_default(c->drain_timeout, DEFAULT_DRAIN),
		.exec = {
			.clock = &rln_clock_real,
			.stack_size = (size_t)c->stack_size,
			.max_tasks = c->max_tasks,
			.max_ops = (uint32_t)or_default(c->max_operations, DEFAULT_OPERATIONS),
			.inbox_limit = (uint32_t)or_default(c->inbox_limit, DEFAULT_INBOX),
			.slice = c->task_slice,
			.measure_stacks = c->flags & RINGLINE_CONFIG_STACK_USAGE,
		},
		.io_backend = {
			.clock = &rln_clock_real,
			.sq_entries = c->submission_entries,
			.cq_entries = c->completion_entries,
			.buf_count = c->receive_buffers,
			.buf_size = c->receive_buffer_size,
			.buf_limit = c->receive_buffer_limit,
		},
		.pool = {
			.limit = {
				[RLN_JOB_BULK] = c->blocking_threads ? c->blocking_threads : default_jobs(),
				[RLN_JOB_IO] = c->blocking_io_threads ? c->blocking_io_threads : default_jobs(),
				[RLN_JOB_DNS] = (uint32_t)or_default(c->blocking_dns_threads, DEFAULT_DNS_JOBS),
				[RLN_JOB_WAIT] = (uint32_t)or_default(c->blocking_wait_threads, DEFAULT_WAIT_JOBS),
			},
			.queue_limit = (uint32_t)or_default(c->blocking_queue, DEFAULT_JOB_QUEUE),
			.idle = or_default(c->blocking_idle, DEFAULT_JOB_IDLE),
			.stall = JOB_STALL,
		},
		.io = {
			.max_connections = c->max_connections,
			.input_limit = or_default(c->input_limit, DEFAULT_INPUT_LIMIT),
			.output_limit = or_default(c->output_limit, DEFAULT_OUTPUT_LIMIT),
			.memory_limit = or_default(c->memory_limit, DEFAULT_MEMORY_LIMIT),
			.zero_copy_min = c->zero_copy_min,
			.close_timeout = or_default(c->close_timeout, DEFAULT_CLOSE),
			.lookup_cache = c->lookup_cache,
			.lookup_cache_time = or_default(c->lookup_cache_time, DEFAULT_LOOKUP_TIME),
		},
	};
}

int rln_config_read(struct rln_config *ret, const struct ringline_config *config)
{
	struct ringline_config c;
	int r = rln_sized_in(&c, sizeof(c), config);

	if (r < 0)
		return r;
	if (!valid(&c))
		return -EINVAL;
	fill(ret, &c);
	if (c.log)
		rln_log_set(c.log, c.log_arg);
	return 0;
}

int ringline_set_allocator(const struct ringline_allocator *allocator)
{
	struct ringline_allocator a;
	int r;

	if (!allocator)
		return rln_mem_set_allocator(NULL);
	r = rln_sized_in(&a, sizeof(a), allocator);
	if (r < 0)
		return r;
	if (!a.alloc || !a.free)
		return -EINVAL;
	return rln_mem_set_allocator(&(struct rln_allocator){ .alloc = a.alloc, .free = a.free, .arg = a.arg });
}
