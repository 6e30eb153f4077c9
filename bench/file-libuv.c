/* SPDX-License-Identifier: MIT */
/* Random reads by libuv; file.h tells which. WAY: pool. */
#include <uv.h>

#include "file.h"

static struct reads reads;
static char blocks[DEPTH][BLOCK] __attribute__((aligned(BLOCK)));
static uint64_t offsets[DEPTH];
static uv_fs_t requests[DEPTH];
static uv_file file;

static void done(uv_fs_t *request);

static void begin(unsigned int slot)
{
	uv_buf_t buf = uv_buf_init(blocks[slot], BLOCK);

	if (reads_next(&reads, &offsets[slot]))
		must(uv_fs_read(uv_default_loop(), &requests[slot], file, &buf, 1, (int64_t)offsets[slot], done), "begin");
}

static void done(uv_fs_t *request)
{
	unsigned int slot = (unsigned int)(request - requests);
	ssize_t n = request->result;

	uv_fs_req_cleanup(request);
	reads_check(blocks[slot], offsets[slot], n);
	begin(slot);
}

int main(int argc, char **argv)
{
	uv_fs_t request;
	unsigned int slot;

	reads_init(&reads, argc, argv);
	file = uv_fs_open(NULL, &request, reads.path, reads.flags, 0, NULL);
	must(file, reads.path);
	for (slot = 0; slot < DEPTH; slot++)
		begin(slot);
	uv_run(uv_default_loop(), UV_RUN_DEFAULT);
	reads_report(&reads, "pool");
	return uv_loop_close(uv_default_loop()) < 0;
}
