/* SPDX-License-Identifier: MIT */
/*
 * Can this process, on this kernel, in this sandbox, run the io_uring backend? Found out by running what it relies on, on
 * a ring that is thrown away. A version number would not tell: distributions backport, containers forbid, emulations
 * accept and then behave otherwise. Takes about a hundred microseconds.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/uring.h"
#include "base/fault.h"

#define NEEDED_FEATURES (IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG | \
                         IORING_FEAT_NATIVE_WORKERS | IORING_FEAT_RSRC_TAGS | IORING_FEAT_CQE_SKIP)

static const unsigned char needed_ops[] = {
	IORING_OP_NOP, IORING_OP_ACCEPT, IORING_OP_CONNECT, IORING_OP_RECV, IORING_OP_SEND, IORING_OP_SENDMSG,
	IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL, IORING_OP_CLOSE, IORING_OP_READ,
};

/* Explains *error* of *call* in one line and returns it. */
static int explain(char *why, size_t size, const char *call, int error)
{
	struct rlimit memlock = { 0 };

	if (error == -ENOMEM && getrlimit(RLIMIT_MEMLOCK, &memlock) == 0)
		snprintf(why, size, "%s: out of memory; RLIMIT_MEMLOCK is %llu bytes, a worker needs about 65536", call,
		         (unsigned long long)memlock.rlim_cur);
	else if (error == -EPERM)
		snprintf(why, size, "%s: forbidden (seccomp, or kernel.io_uring_disabled)", call);
	else if (error == -ENOSYS)
		snprintf(why, size, "%s: not in this kernel or sandbox", call);
	else
		snprintf(why, size, "%s: error %d", call, -error);
	return error;
}

static int check_ops(struct io_uring *ring)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	int r = probe ? 0 : -EINVAL;
	size_t i;

	for (i = 0; probe && i < sizeof(needed_ops); i++)
		if (!io_uring_opcode_supported(probe, needed_ops[i]))
			r = -EOPNOTSUPP;
	io_uring_free_probe(probe);
	return r;
}

/* The self-test */

/* Linux 6.1 ends a multishot receive (-ENOBUFS) as soon as it has filled the last one, whether or not there is more. */
#define BUFFERS 2

struct scratch {
	struct io_uring ring;
	unsigned int enter_flags;
	int pair[2];
	struct io_uring_buf_ring *bufs;
	size_t bufs_size;
	unsigned char byte[BUFFERS][2048];
};

static int wait_one(struct scratch *s, uint64_t expected, struct io_uring_cqe *ret)
{
	struct __kernel_timespec second = { .tv_sec = 1 };
	struct io_uring_cqe *cqe;
	int r = rln_uring_enter(&s->ring, s->enter_flags, 1, IORING_ENTER_GETEVENTS, &second);

	if (r < 0)
		return r;
	r = io_uring_peek_cqe(&s->ring, &cqe);
	if (r < 0)
		return r;
	*ret = *cqe;
	io_uring_cqe_seen(&s->ring, cqe);
	return ret->user_data == expected ? 0 : -EPROTO;
}

static int test_nop(struct scratch *s)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);
	struct io_uring_cqe cqe;
	int r;

	io_uring_prep_nop(sqe);
	io_uring_sqe_set_data64(sqe, 1);
	r = wait_one(s, 1, &cqe);
	return r < 0 ? r : cqe.res;
}

static int provide_buffers(struct scratch *s)
{
	struct io_uring_buf_reg reg = { .ring_entries = BUFFERS, .bgid = RLN_BUF_GROUP };
	void *ring;
	int error = rln_fault(RLN_FAULT_RING_REGISTER);
	int i;

	if (error)
		return -error;
	s->bufs_size = 4096;
	if (posix_memalign(&ring, 4096, s->bufs_size))
		return -ENOMEM;
	s->bufs = ring;
	memset(ring, 0, s->bufs_size);
	reg.ring_addr = (uint64_t)(uintptr_t)ring;
	for (i = 0; i < BUFFERS; i++)
		io_uring_buf_ring_add(s->bufs, s->byte[i], sizeof(s->byte[i]), (unsigned short)i, BUFFERS - 1, i);
	io_uring_buf_ring_advance(s->bufs, BUFFERS);
	return io_uring_register_buf_ring(&s->ring, &reg, 0);
}

/* A multishot receive must deliver a byte and stay armed, and end with -ECANCELED when it is cancelled. */
static int test_receive(struct scratch *s)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);
	struct io_uring_cqe cqe;
	int r;

	io_uring_prep_recv(sqe, s->pair[0], NULL, 0, 0);
	sqe->ioprio |= IORING_RECV_MULTISHOT;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = RLN_BUF_GROUP;
	io_uring_sqe_set_data64(sqe, 2);
	if (write(s->pair[1], "!", 1) != 1)
		return -EIO;
	r = wait_one(s, 2, &cqe);
	if (r < 0)
		return r;
	if (cqe.res != 1 || s->byte[0][0] != '!' || !(cqe.flags & IORING_CQE_F_MORE))
		return -EPROTO;
	sqe = io_uring_get_sqe(&s->ring);
	io_uring_prep_cancel64(sqe, 2, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	io_uring_sqe_set_data64(sqe, 3);
	r = wait_one(s, 2, &cqe);
	if (r < 0)
		return r;
	return cqe.res == -ECANCELED && !(cqe.flags & IORING_CQE_F_MORE) ? 0 : -EPROTO;
}

static int test_timeout(struct scratch *s)
{
	struct __kernel_timespec ms = { .tv_nsec = (long)RLN_NSEC_PER_MSEC };
	int r = rln_uring_enter(&s->ring, s->enter_flags, 1, IORING_ENTER_GETEVENTS, &ms);

	return r == -ETIME ? 0 : r < 0 ? r : -EPROTO;
}

static int self_test(struct scratch *s, char *why, size_t why_size)
{
	static const struct {
		const char *name;
		int (*run)(struct scratch *s);
	} tests[] = {
		{ "a no-op", test_nop },
		{ "providing buffers", provide_buffers },
		{ "a multishot receive and its cancellation", test_receive },
		{ "a wait that times out", test_timeout },
	};
	size_t i;

	for (i = 0; i < rln_array_size(tests); i++) {
		int r = tests[i].run(s);

		if (r < 0)
			return explain(why, why_size, tests[i].name, r);
	}
	return 0;
}

static int run_scratch(struct scratch *s, char *why, size_t why_size)
{
	int r;

	if ((s->ring.features & NEEDED_FEATURES) != NEEDED_FEATURES) {
		snprintf(why, why_size, "this kernel's io_uring is too old (features %#x)", s->ring.features);
		return -EOPNOTSUPP;
	}
	r = check_ops(&s->ring);
	if (r < 0)
		return explain(why, why_size, "looking for the operations needed", r);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s->pair) < 0)
		return explain(why, why_size, "socketpair", -errno);
	r = self_test(s, why, why_size);
	close(s->pair[0]);
	close(s->pair[1]);
	return r;
}

int rln_uring_probe(const struct rln_backend_config *cfg, char *why, size_t why_size)
{
	struct rln_backend_config small = { .disabled = cfg->disabled, .sq_entries = 8, .cq_entries = 16 };
	struct scratch s = { .bufs = NULL };
	int r = rln_uring_setup(&s.ring, &small, &s.enter_flags);

	if (r < 0)
		return explain(why, why_size, "io_uring_setup", r);
	r = run_scratch(&s, why, why_size);
	io_uring_queue_exit(&s.ring);
	free(s.bufs);
	return r;
}
