/* SPDX-License-Identifier: MIT */
/*
 * The UDP echo by hand on io_uring: one multishot receive into provided buffers, and the answers of a turn in one sendmmsg(2),
 * which measured best of what there is for sending.
 */
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "contender.h"

#define ENTRIES 256
#define BUFFERS 256
#define SIZE    4096
#define BATCH   64

enum { RECEIVE = 1, SIGNAL };

static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static unsigned char *memory;
static struct msghdr receive = { .msg_namelen = sizeof(struct sockaddr_in) };
static struct mmsghdr msg[BATCH];
static struct iovec iov[BATCH];
static unsigned short held[BATCH];
static int n;

static void give(unsigned short id, int at)
{
	io_uring_buf_ring_add(buffers, memory + (size_t)id * SIZE, SIZE, id, io_uring_buf_ring_mask(BUFFERS), at);
}

static void arm(int fd)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	io_uring_prep_recvmsg_multishot(sqe, fd, &receive, MSG_TRUNC);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 0;
	io_uring_sqe_set_data64(sqe, RECEIVE);
}

static void answer(int fd)
{
	int done = 0;
	int i;

	while (done < n) {
		int r = sendmmsg(fd, msg + done, (unsigned int)(n - done), 0);

		if (r <= 0)
			contender_die("sendmmsg", errno);
		done += r;
	}
	for (i = 0; i < n; i++)
		give(held[i], i);
	io_uring_buf_ring_advance(buffers, n);
	n = 0;
}

static void received(int fd, const struct io_uring_cqe *cqe)
{
	unsigned short id = (unsigned short)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
	struct io_uring_recvmsg_out *out;

	if (cqe->res >= 0 && cqe->flags & IORING_CQE_F_BUFFER) {
		out = io_uring_recvmsg_validate(memory + (size_t)id * SIZE, cqe->res, &receive);
		if (!out)
			contender_die("recvmsg", EPROTO);
		iov[n].iov_base = io_uring_recvmsg_payload(out, &receive);
		iov[n].iov_len = io_uring_recvmsg_payload_length(out, cqe->res, &receive);
		msg[n].msg_hdr = (struct msghdr){ .msg_name = io_uring_recvmsg_name(out), .msg_namelen = out->namelen,
			.msg_iov = &iov[n], .msg_iovlen = 1 };
		held[n++] = id;
	} else if (cqe->res < 0 && cqe->res != -ENOBUFS) {
		contender_die("recvmsg", -cqe->res);
	}
	if (n == BATCH)
		answer(fd);
	if (!(cqe->flags & IORING_CQE_F_MORE))
		arm(fd);
}

static void open_ring(void)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
		.cq_entries = 4 * ENTRIES };
	struct io_uring_buf_reg reg = { .ring_entries = BUFFERS };
	int r = io_uring_queue_init_params(ENTRIES, &ring, &p);
	void *entries;
	unsigned short i;

	if (r < 0)
		contender_die("io_uring", -r);
	io_uring_register_ring_fd(&ring);
	if (posix_memalign(&entries, 4096, BUFFERS * sizeof(struct io_uring_buf)))
		contender_die("memory", ENOMEM);
	buffers = entries;
	reg.ring_addr = (uintptr_t)entries;
	r = io_uring_register_buf_ring(&ring, &reg, 0);
	if (r < 0)
		contender_die("buffers", -r);
	io_uring_buf_ring_init(buffers);
	memory = contender_alloc(NULL, BUFFERS, SIZE);
	for (i = 0; i < BUFFERS; i++)
		give(i, i);
	io_uring_buf_ring_advance(buffers, BUFFERS);
}

int main(int argc, char **argv)
{
	struct contender self;
	int signals = contender_signals();
	struct io_uring_sqe *sqe;

	contender_start(&self, argc, argv, 0);
	open_ring();
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_poll_add(sqe, signals, POLLIN);
	io_uring_sqe_set_data64(sqe, SIGNAL);
	arm(self.fd);
	contender_announce(&self);
	for (;;) {
		struct io_uring_cqe *cqe;
		unsigned int head;
		unsigned int seen = 0;
		bool over = false;

		io_uring_submit_and_wait(&ring, 1);
		io_uring_for_each_cqe(&ring, head, cqe) {
			if (cqe->user_data == RECEIVE)
				received(self.fd, cqe);
			else
				over = true;
			seen++;
		}
		io_uring_cq_advance(&ring, seen);
		answer(self.fd);
		if (over)
			break;
	}
	io_uring_queue_exit(&ring);
	contender_end(&self);
	return 0;
}
