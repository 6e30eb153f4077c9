/* SPDX-License-Identifier: MIT */
/*
 * Random reads by hand; file.h tells which. WAY:
 *
 *     pread      one after the other
 *     nowait     the same by a loop that must not wait: what is not in the cache is read by a thread
 *     io_uring   a ring on which whatever was completed is followed by as many new ones, in one system call; of direct reads,
 *                in parts, so that the disk is not left waiting for the last one
 */
#include <pthread.h>
#include <semaphore.h>
#include <sys/uio.h>
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

/* The thread of a loop that must not wait; here, the loop waits for it. */

static struct {
	sem_t asked;
	sem_t answered;
	void *block;
	uint64_t offset;
	int fd;
	ssize_t result;
} helper;

static void *help(void *arg)
{
	for (;;) {
		sem_wait(&helper.asked);
		helper.result = pread(helper.fd, helper.block, BLOCK, (off_t)helper.offset);
		sem_post(&helper.answered);
	}
	return arg;
}

static ssize_t ask(void *block, uint64_t offset)
{
	helper.block = block;
	helper.offset = offset;
	sem_post(&helper.asked);
	sem_wait(&helper.answered);
	return helper.result;
}

static ssize_t read_nowait(int fd, void *block, uint64_t offset)
{
	struct iovec iov = { block, BLOCK };
	ssize_t n = preadv2(fd, &iov, 1, (off_t)offset, RWF_NOWAIT);

	return n == BLOCK ? n : ask(block, offset);
}

static void run_nowait(int fd)
{
	unsigned int slot = 0;
	pthread_t thread;

	helper.fd = fd;
	must(sem_init(&helper.asked, 0, 0), "semaphore");
	must(sem_init(&helper.answered, 0, 0), "semaphore");
	must(-pthread_create(&thread, NULL, help, NULL), "thread");
	while (reads_next(&reads, &offsets[slot])) {
		reads_check(blocks[slot], offsets[slot], read_nowait(fd, blocks[slot], offsets[slot]));
		slot = (slot + 1) % DEPTH;
	}
}

#ifdef BENCH_LIBURING
static bool prepare(struct io_uring *ring, int fd, unsigned int slot)
{
	struct io_uring_sqe *sqe;

	if (!reads_next(&reads, &offsets[slot]))
		return false;
	sqe = io_uring_get_sqe(ring);
	io_uring_prep_read(sqe, fd, blocks[slot], BLOCK, offsets[slot]);
	io_uring_sqe_set_data64(sqe, slot);
	return true;
}

/* Takes what was completed; returns how many have no successor. */
static unsigned int reap(struct io_uring *ring, int fd)
{
	struct io_uring_cqe *cqe;
	unsigned int ended = 0;
	unsigned int n = 0;
	unsigned int head;

	io_uring_for_each_cqe(ring, head, cqe) {
		unsigned int slot = (unsigned int)cqe->user_data;

		reads_check(blocks[slot], offsets[slot], cqe->res);
		ended += !prepare(ring, fd, slot);
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
	for (slot = 0; slot < DEPTH; slot++)
		under_way += prepare(&ring, fd, slot);
	while (under_way) {
		must(io_uring_submit_and_wait(&ring, 1), "enter");
		under_way -= reap(&ring, fd);
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
	if (!strcmp(reads.way, "pread"))
		run_pread(fd);
	else if (!strcmp(reads.way, "nowait"))
		run_nowait(fd);
#ifdef BENCH_LIBURING
	else if (!strcmp(reads.way, "io_uring"))
		run_ring(fd);
#endif
	else
		return 2;
	reads_report(&reads, reads.way);
	return 0;
}
