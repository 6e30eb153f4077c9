/* SPDX-License-Identifier: MIT */
/*
 * Random reads by hand; file.h tells which. WAY: pread, one after the other, or io_uring: a ring on which whatever was
 * completed is followed by as many new ones, in one system call; of direct reads, in parts, so that the disk is not left
 * waiting for the last one.
 */
#include <unistd.h>

#ifdef BENCH_LIBURING
#include <liburing.h>
#endif

#include "file.h"

#define PART 4u

static struct reads reads;
static char blocks[DEPTH][BLOCK] __attribute__((aligned(BLOCK)));
static uint64_t offsets[DEPTH];

/* The others have so many buffers, too. */
static void run_pread(int fd)
{
	unsigned int slot = 0;

	while (reads_next(&reads, &offsets[slot])) {
		reads_check(blocks[slot], offsets[slot], pread(fd, blocks[slot], BLOCK, (off_t)offsets[slot]));
		slot = (slot + 1) % DEPTH;
	}
}

#ifdef BENCH_LIBURING
static bool prepare(struct io_uring *ring, unsigned int slot)
{
	struct io_uring_sqe *sqe;

	if (!reads_next(&reads, &offsets[slot]))
		return false;
	sqe = io_uring_get_sqe(ring);
	io_uring_prep_read(sqe, 0, blocks[slot], BLOCK, offsets[slot]);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	io_uring_sqe_set_data64(sqe, slot);
	return true;
}

/* Takes what was completed; returns how many have no successor. */
static unsigned int reap(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	unsigned int ended = 0;
	unsigned int n = 0;
	unsigned int head;

	io_uring_for_each_cqe(ring, head, cqe) {
		unsigned int slot = (unsigned int)cqe->user_data;

		reads_check(blocks[slot], offsets[slot], cqe->res);
		ended += !prepare(ring, slot);
		n++;
		if (n % PART == 0 && reads.flags & O_DIRECT)
			must(io_uring_submit(ring), "submit");
	}
	io_uring_cq_advance(ring, n);
	return ended;
}

static void run_ring(int fd)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN };
	struct io_uring ring;
	unsigned int under_way = 0;
	unsigned int slot;

	must(io_uring_queue_init_params(DEPTH, &ring, &p), "io_uring");
	must(io_uring_register_ring_fd(&ring), "ring");
	must(io_uring_register_files(&ring, &fd, 1), "files");
	for (slot = 0; slot < DEPTH; slot++)
		under_way += prepare(&ring, slot);
	while (under_way) {
		must(io_uring_submit_and_wait(&ring, 1), "enter");
		under_way -= reap(&ring);
	}
	io_uring_queue_exit(&ring);
}
#endif

int main(int argc, char **argv)
{
	int fd;

	reads_init(&reads, argc, argv);
	fd = open(reads.path, reads.flags);
	must(fd, reads.path);
	reads_pin();
	if (!strcmp(reads.way, "pread"))
		run_pread(fd);
#ifdef BENCH_LIBURING
	else if (!strcmp(reads.way, "io_uring"))
		run_ring(fd);
#endif
	else
		return 2;
	reads_report(&reads, reads.way);
	return 0;
}
