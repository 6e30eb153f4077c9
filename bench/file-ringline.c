/* SPDX-License-Identifier: MIT */
/*
 * Random reads by the library; file.h tells which. WAY: tasks, each of which reads one block after the other, or operations
 * of a single task. RINGLINE_BACKEND says on which engine. Prints besides what carried the reads out ("by").
 */
#include <ringline/ringline.h>

#include "file.h"

static struct reads reads;
static struct ringline_file *file;
static struct ringline_buf *memory;
static unsigned char *blocks;

/* A task per read that is under way */

static int read_blocks(void *arg)
{
	void *block = arg;
	uint64_t offset;

	while (reads_next(&reads, &offset))
		reads_check(block, offset, ringline_file_read(file, block, BLOCK, offset));
	return 0;
}

static int run_tasks(void)
{
	struct ringline_scope *scope;
	unsigned int i;

	must(ringline_scope_open(&scope, NULL), "scope");
	for (i = 0; i < DEPTH; i++)
		must(ringline_scope_spawn(scope, read_blocks, blocks + i * BLOCK), "spawn");
	return ringline_scope_close(scope);
}

/* A task for all of them */

static struct ringline_op *ops[DEPTH];
static uint64_t offsets[DEPTH];

static void begin(unsigned int slot)
{
	ops[slot] = NULL;
	if (reads_next(&reads, &offsets[slot]))
		must(ringline_file_read_begin(&ops[slot], file, blocks + slot * BLOCK, BLOCK, offsets[slot]), "begin");
}

static void end(unsigned int slot, int64_t n)
{
	reads_check(blocks + slot * BLOCK, offsets[slot], n);
	begin(slot);
}

/* Those that are done as well. */
static void sweep(unsigned int slot)
{
	int64_t n;

	for (; slot < DEPTH; slot++) {
		n = ops[slot] ? ringline_op_result(ops[slot]) : -EINPROGRESS;
		if (n != -EINPROGRESS)
			end(slot, n);
	}
}

static int run_operations(void)
{
	unsigned int slot;
	ssize_t first;
	int64_t n;

	for (slot = 0; slot < DEPTH; slot++)
		begin(slot);
	while ((first = ringline_op_await_any(ops, DEPTH, &n)) >= 0) {
		end((unsigned int)first, n);
		sweep((unsigned int)first + 1);
	}
	return first == -EINVAL ? 0 : (int)first;          /* none is left */
}

/* What carried most of them out. */
static const char *carrier(void)
{
	static const char *const engines[] = { "io_uring", "epoll", "inline", "pool" };
	const char *by = "nothing";
	uint64_t most = 0;
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < sizeof(engines) / sizeof(*engines); i++) {
		if (ringline_worker_op_count(NULL, 0, "read", engines[i], &n) < 0 || n <= most)
			continue;
		most = n;
		by = engines[i];
	}
	return most > reads.count / 2 ? by : "several";
}

static int run(void *arg)
{
	int r;

	(void)arg;
	must(ringline_file_open(&file, NULL, reads.path, reads.flags, 0, NULL), reads.path);
	must(ringline_buf_alloc(&memory, DEPTH * BLOCK, BLOCK), "memory");
	blocks = ringline_buf_memory(memory);
	r = strcmp(reads.way, "tasks") ? run_operations() : run_tasks();
	must(r, "run");
	reads_report(&reads, ringline_runtime_backend(ringline_runtime_current()));
	printf("by=%s\n", carrier());
	ringline_buf_unref(memory);
	return ringline_file_close(file);
}

int main(int argc, char **argv)
{
	reads_init(&reads, argc, argv);
	must(ringline_run(NULL, run, NULL), "ringline");
	return 0;
}
