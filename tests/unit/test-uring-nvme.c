/* SPDX-License-Identifier: MIT */
/*
 * The second ring, of NVMe commands, against this kernel, without a device.
 *
 * /dev/null takes any command and answers 0 (6.1 does, 6.18 does), which proves the way there and back. For everything else
 * an entry is changed between its submission and the enter: to a poll of a descriptor, so that it stays under way until the
 * test lets it go, or to a no-op with a result of the test's choice (6.18). Then the same for tasks, with /dev/null passed
 * off as a device.
 */
#include "base/fault.h"
#include "backend-fixture.h"

#ifdef RLN_HAVE_LIBURING

#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include <ringline/ringline.h>

#include "io/file.h"

/* Of no-ops; newer than the headers of liburing 2.3. */
#define NOP_INJECT_RESULT 1u
#define NOP_TASK_WORK     16u
#define NOP_CQE32         32u

#define VALUE UINT64_C(0xfedcba9876543210)

struct command {
	struct rln_file_op f;
	struct rln_nvme_command c;
	uint64_t value;
	int64_t res;
	unsigned int ended;
	unsigned int order;       /* it was the n-th to end */
	void (*then)(struct command *q);
};

static unsigned int ends;
static int null_fd;

static void command_complete(struct rln_op *op, const struct rln_completion *c)
{
	struct command *q = rln_container_of(op, struct command, f.op);

	g_assert_cmpuint(c->flags, ==, 0);
	g_assert_cmpuint(q->ended, ==, 0);
	q->ended++;
	q->res = c->res;
	q->order = ends++;
	if (q->then)
		q->then(q);
}

static void command_submit(struct command *q)
{
	q->ended = 0;
	g_assert_true(rln_op_submit(&q->f.op));
	g_assert_cmpuint(q->ended, ==, 0);
}

static void command_start(struct command *q, int fd)
{
	memset(q, 0, sizeof(*q));
	rln_op_init(&q->f.op, command_complete);
	q->f.op.opcode = RLN_OP_NVME;
	q->f.op.fd = fd;
	q->f.op.ptr = &q->c;
	q->f.ptr2 = &q->value;
	q->f.mode = RLN_NVME_IO;
	command_submit(q);
}

static int64_t command_finish(struct command *q)
{
	RUN_UNTIL(q->ended);
	return q->res;
}

static struct command *commands_new(size_t n)
{
	struct command *q = aligned_alloc(_Alignof(struct command), n * sizeof(*q));

	g_assert_nonnull(q);
	return q;
}

static struct rln_uring *uring(void)
{
	return rln_uring_of(rln_exec_current->backend);
}

/* The entry of the command submitted last, which the kernel has not seen. */
static struct io_uring_sqe *last_entry(void)
{
	struct io_uring *ring = &uring()->nvme->ring;

	g_assert_cmpuint(io_uring_sq_ready(ring), >, 0);
	return &ring->sq.sqes[((ring->sq.sqe_tail - 1) & ring->sq.ring_mask) << 1];
}

/* Makes it wait for a descriptor to be readable. */
static void make_wait(int fd)
{
	struct io_uring_sqe *sqe = last_entry();
	uint64_t user_data = sqe->user_data;

	io_uring_prep_poll_add(sqe, fd, POLLIN);
	sqe->user_data = user_data;
}

/* Makes it end with a result. */
static void make_end(int res, uint64_t value, unsigned int more)
{
	struct io_uring_sqe *sqe = last_entry();
	uint64_t user_data = sqe->user_data;

	memset(sqe, 0, 2 * sizeof(*sqe));
	sqe->opcode = IORING_OP_NOP;
	sqe->len = (unsigned int)res;
	sqe->off = value;
	sqe->rw_flags = (int)(NOP_INJECT_RESULT | NOP_CQE32 | more);
	sqe->user_data = user_data;
}

static void start_waiting(struct command *q, int fd)
{
	command_start(q, null_fd);
	make_wait(fd);
}

/* The answer of a device, made up. */
static int64_t answered(int res, uint64_t *value)
{
	struct command q;

	command_start(&q, null_fd);
	make_end(res, VALUE, 0);
	command_finish(&q);
	*value = q.value;
	return q.res;
}

static bool can_answer(void)
{
	uint64_t value;

	if (answered(0, &value) == 0)
		return true;
	g_test_skip("this kernel has no no-ops with results of large entries");
	return false;
}

static bool null_answers(void)
{
	struct command q;

	command_start(&q, null_fd);
	if (command_finish(&q) == 0)
		return true;
	g_assert_cmpint(q.res, ==, -EOPNOTSUPP);
	g_test_skip("this kernel's /dev/null takes no commands");
	return false;
}

/* A descriptor that becomes readable after 30 ms. */
static int readable_later(void)
{
	struct itimerspec spec = { .it_value = { .tv_nsec = 30 * (long)MSEC } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	g_assert_cmpint(timerfd_settime(fd, 0, &spec, NULL), ==, 0);
	return fd;
}

/* --- there and back ----------------------------------------------------------------------------------------------- */

/* Nobody who sends no command has a second ring, and one is enough for all. */
static void made_on_first_use(void)
{
	unsigned int fds = count_fds();

	g_assert_true(rln_backend_carries(backend, RLN_OP_NVME));
	run_for(1);
	g_assert_null(uring()->nvme);
	if (!null_answers())
		return;
	g_assert_nonnull(uring()->nvme);
	g_assert_true(null_answers());
	g_assert_cmpuint(count_fds(), ==, fds + 1);
}

/* A command that ends while the worker sleeps wakes it, however it ends. */
static void wakes(void)
{
	int fd = readable_later();
	struct command q;
	uint64_t start = now();

	start_waiting(&q, fd);
	while (!q.ended)
		turn(start + 20000 * MSEC);
	g_assert_cmpuint(now() - start, <, 10000 * MSEC);
	g_assert_cmpint(q.res, ==, POLLIN);
	close(fd);
}

static void wakes_from_threads(void)
{
	struct command q;
	uint64_t start = now();
	int i;

	if (!null_answers())
		return;
	for (i = 0; i < 20; i++) {
		command_start(&q, null_fd);
		last_entry()->flags |= IOSQE_ASYNC;   /* by a thread of the kernel */
		while (!q.ended)
			turn(start + 20000 * MSEC);
		g_assert_cmpint(q.res, ==, 0);
	}
	g_assert_cmpuint(now() - start, <, 10000 * MSEC);
}

static void wakes_by_task_work(void)
{
	struct command q;
	uint64_t start = now();

	if (!can_answer())
		return;
	command_start(&q, null_fd);
	make_end(7, VALUE, NOP_TASK_WORK);
	while (!q.ended)
		turn(start + 20000 * MSEC);
	g_assert_cmpuint(now() - start, <, 10000 * MSEC);
	g_assert_cmpint(q.res, ==, 7);
	g_assert_cmphex(q.value, ==, VALUE);
}

/* The worker sleeps for a while, and does not only look. */
static void assert_sleeps(void)
{
	uint64_t before;
	uint64_t start;

	run_for(5);
	before = rln_stat_get(&backend->stats.syscalls);
	start = now();
	turn(start + 30 * MSEC);
	g_assert_cmpuint(now() - start, >=, 25 * MSEC);
	g_assert_cmpuint(rln_stat_get(&backend->stats.syscalls) - before, <=, 2);
}

static void sleeps_meanwhile(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	struct command q;

	start_waiting(&q, fd);
	assert_sleeps();
	g_assert_cmpuint(q.ended, ==, 0);
	rln_op_cancel(&q.f.op);
	g_assert_cmpint(command_finish(&q), ==, -ECANCELED);
	close(fd);
}

/* A host's loop that polls the backend is told of the end of a command. */
static void wakes_a_hosts_loop(void)
{
	struct rln_backend_config cfg;
	struct command q;
	int fd;

	fixture_tear_down();
	fixture_config(&cfg);
	cfg.pollable = true;
	fixture_open(&cfg);
	fd = readable_later();
	start_waiting(&q, fd);
	while (!q.ended) {
		struct pollfd p = { .fd = backend->ops->fd(backend), .events = POLLIN };
		int r;

		turn(0);
		if (q.ended || backend->ops->rest(backend) != RINGLINE_NEVER)
			continue;
		r = poll(&p, 1, 10000);
		g_assert_true(r == 1 || (r < 0 && errno == EINTR));
	}
	g_assert_cmpint(q.res, ==, POLLIN);
	close(fd);
}

/* --- results ------------------------------------------------------------------------------------------------------ */

/* A failed command has a positive status, and its value; an errno has none. */
static void results(void)
{
	static const struct {
		int kernel;
		int ours;
	} cases[] = {
		{ 0, 0 },
		{ 0x4080, 0x4080 },
		{ 1, 1 },
		{ -EINTR, -EINTR },               /* given up by the driver: nothing that is tried again */
		{ -512, -EINTR },
		{ -516, -EINTR },
		{ -ECANCELED, -EAGAIN },          /* nobody asked for that: there was no thread */
		{ -EAGAIN, -EAGAIN },
		{ -EACCES, -EACCES },
		{ -ENOBUFS, -ENOBUFS },
	};
	uint64_t value;
	size_t i;

	if (!can_answer())
		return;
	for (i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_assert_cmpint(answered(cases[i].kernel, &value), ==, cases[i].ours);
		g_assert_cmphex(value, ==, cases[i].ours < 0 ? 0 : VALUE);
	}
}

/* What takes no commands says so. */
static void no_device(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct command q;

	command_start(&q, fd);
	g_assert_cmpint(command_finish(&q), ==, -EOPNOTSUPP);
	close(fd);
	command_start(&q, -1);
	g_assert_cmpint(command_finish(&q), ==, -EBADF);
}

/* --- many --------------------------------------------------------------------------------------------------------- */

static struct command *chain;
static unsigned int chain_left;

static void submit_again(struct command *q)
{
	g_assert_cmpint(q->res, ==, 0);
	if (!chain_left)
		return;
	chain_left--;
	command_submit(q);
}

/* Completions may submit; the queue of completions does not overflow. */
static void many(void)
{
	unsigned int i;

	if (!null_answers())
		return;
	chain = commands_new(1000);
	chain_left = 3000;
	for (i = 0; i < 1000; i++) {
		command_start(&chain[i], null_fd);
		chain[i].then = submit_again;
	}
	for (i = 0; i < 1000; i++)
		command_finish(&chain[i]);
	g_assert_cmpuint(chain_left, ==, 0);
	g_assert_cmpuint(rln_stat_get(&test_exec.stats.ops_ended), >=, 4000);
	free(chain);
}

static struct command another;

/* When there is room again, but others have waited longer. */
static void start_another(struct command *q rln_unused)
{
	command_start(&another, null_fd);
}

/* More than the kernel is given wait in order, without keeping the worker awake, and can be taken back. */
static void limit(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	struct command *q = commands_new(600);
	struct command last;
	unsigned int n;
	unsigned int i;

	start_waiting(&q[0], fd);
	n = uring()->nvme->limit;
	g_assert_cmpuint(n, <, 600);
	for (i = 1; i < n; i++)
		start_waiting(&q[i], fd);
	command_start(&q[n], null_fd);
	command_start(&last, null_fd);
	g_assert_cmpint(rln_uring_place(&q[n].f.op), ==, RLN_URING_BACKLOG);
	assert_sleeps();
	rln_op_cancel(&last.f.op);
	g_assert_cmpint(command_finish(&last), ==, -ECANCELED);
	g_assert_cmpuint(q[n].ended, ==, 0);
	ends = 0;
	another.ended = 0;
	q[0].then = start_another;
	g_assert_cmpint(eventfd_write(fd, 1), ==, 0);
	command_finish(&another);
	g_assert_cmpuint(q[n].order, ==, n);
	g_assert_cmpuint(another.order, ==, n + 1);
	g_assert_cmpuint(uring()->nvme->inflight, ==, 0);
	free(q);
	close(fd);
}

/* --- cancelling --------------------------------------------------------------------------------------------------- */

static void cancel(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	struct command *q = commands_new(600);
	unsigned int n;
	unsigned int i;

	start_waiting(&q[0], fd);
	n = uring()->nvme->limit;
	for (i = 1; i < n; i++)
		start_waiting(&q[i], fd);
	run_for(2);
	for (i = 0; i < n; i++)
		rln_op_cancel(&q[i].f.op);
	for (i = 0; i < n; i++)
		g_assert_cmpint(command_finish(&q[i]), ==, -ECANCELED);
	run_for(2);
	g_assert_cmpuint(rln_stat_get(&backend->stats.unknown), ==, 0);
	free(q);
	close(fd);
}

/* What cannot be cancelled any more tells its result. */
static void cancel_too_late(void)
{
	struct command q;
	uint64_t value;

	if (!can_answer())
		return;
	command_start(&q, null_fd);
	make_end(0x4002, VALUE, 0);
	rln_op_cancel(&q.f.op);
	g_assert_cmpint(command_finish(&q), ==, 0x4002);
	command_start(&q, null_fd);
	make_end(-EINTR, VALUE, 0);
	rln_op_cancel(&q.f.op);
	g_assert_cmpint(command_finish(&q), ==, -EINTR);      /* it may have been carried out */
	run_for(2);
	g_assert_cmpint(answered(0, &value), ==, 0);
}

/* Cancels that come too late have completions of their own: there is room for those, too. */
static void all_too_late(void)
{
	struct command *q = commands_new(600);
	unsigned int n = 1;
	unsigned int i;

	for (i = 0; i < n; i++) {
		command_start(&q[i], null_fd);
		n = uring()->nvme->limit;
	}
	g_assert_cmpint(rln_uring_nvme_enter(uring()), >=, 0);
	for (i = 0; i < n; i++)
		rln_op_cancel(&q[i].f.op);
	g_assert_cmpint(rln_uring_nvme_enter(uring()), >=, 0);
	g_assert_cmpuint(io_uring_cq_ready(&uring()->nvme->ring), ==, 2 * n);
	g_assert_cmpuint(*uring()->nvme->ring.sq.kflags & IORING_SQ_CQ_OVERFLOW, ==, 0);
	for (i = 0; i < n; i++)
		g_assert_cmpint(command_finish(&q[i]), <=, 0);
	free(q);
}

/* A completion of an earlier life is counted and dropped. */
static void stale(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	struct command q;
	struct io_uring_sqe *sqe;

	start_waiting(&q, fd);
	sqe = io_uring_get_sqe(&uring()->nvme->ring);
	memset(sqe, 0, 2 * sizeof(*sqe));
	sqe->opcode = IORING_OP_NOP;
	sqe->user_data = rln_uring_user_data(&q.f.op) ^ 1;
	run_for(2);
	g_assert_cmpuint(q.ended, ==, 0);
	g_assert_cmpuint(rln_stat_get(&backend->stats.unknown), ==, 1);
	rln_op_cancel(&q.f.op);
	g_assert_cmpint(command_finish(&q), ==, -ECANCELED);
	null_answers();
	close(fd);
}

/* --- what is refused ---------------------------------------------------------------------------------------------- */

static int64_t with_setup_failing(uint32_t times, int error)
{
	struct command q;

	rln_fault_arm(RLN_FAULT_RING_SETUP, 0, times, error);
	command_start(&q, null_fd);
	rln_fault_disarm_all();
	return command_finish(&q);
}

/* A ring that cannot be had is the one command's misfortune. */
static void no_ring(void)
{
	struct command q;
	struct request r;
	int fd[2];

	g_assert_cmpint(with_setup_failing(1, EINVAL), ==, -EOPNOTSUPP);
	g_assert_cmpint(with_setup_failing(2, ENOMEM), ==, -ENOMEM);
	g_assert_cmpint(with_setup_failing(1, EMFILE), ==, -EMFILE);
	g_assert_cmpint(with_setup_failing(1, EPERM), ==, -EPERM);
	rln_fault_arm(RLN_FAULT_ALLOC, 0, 1, ENOMEM);
	command_start(&q, null_fd);
	rln_fault_disarm_all();
	g_assert_cmpint(command_finish(&q), ==, -ENOMEM);
	g_assert_null(uring()->nvme);

	make_pair(PAIR_UNIX, fd);
	request_start(&r, RLN_OP_SEND, fd[0], (void *)"x", 1);
	g_assert_cmpint(finish(&r), ==, 1);
	close_pair(fd);
	null_answers();
}

static void a_smaller_ring(void)
{
	if (test_engine == TEST_TINY) {
		g_test_skip("it is small already");
		return;
	}
	g_assert_cmpint(with_setup_failing(1, ENOMEM), <=, 0);
	g_assert_nonnull(uring()->nvme);
	g_assert_cmpuint(uring()->nvme->ring.sq.ring_entries, ==, 8);
	many();
}

/* An enter that fails for the moment is made again. */
static void enter_again(void)
{
	struct command q;

	if (!null_answers())
		return;
	command_start(&q, null_fd);
	rln_fault_arm(RLN_FAULT_RING_ENTER, 0, 3, EAGAIN);
	g_assert_cmpint(command_finish(&q), ==, 0);
	g_assert_cmpuint(rln_fault_failed(RLN_FAULT_RING_ENTER), ==, 3);
	rln_fault_disarm_all();
}

/* --- tasks -------------------------------------------------------------------------------------------------------- */

static struct ringline_file *device;

static const struct ringline_nvme_command flush = RINGLINE_NVME_COMMAND_INIT;

/* Runs fn as a task, with a device that is none. */
static void run_task(int (*fn)(void *arg))
{
	struct ringline_config c = RINGLINE_CONFIG_INIT;

	c.backend = RINGLINE_BACKEND_IO_URING;
	g_assert_cmpint(ringline_run(&c, fn, NULL), ==, 0);
}

static struct ringline_file *file_of(const struct rln_file_facts *facts)
{
	struct ringline_file *file = rln_file_new(rln_io_current(), facts);

	g_assert_nonnull(file);
	return file;
}

/* Without a thread, since valgrind lets none run while another waits for io_uring. */
static void open_device(void)
{
	struct rln_file_facts facts;

	g_assert_cmpint(rln_file_find_out(&facts, open("/dev/null", O_RDWR | O_CLOEXEC)), ==, 0);
	g_assert_false(facts.nvme);
	device = file_of(&facts);
	g_assert_cmpint(ringline_file_nvme(device, &flush, NULL), ==, -EOPNOTSUPP);
	g_assert_cmpint(ringline_file_release(device), ==, facts.fd);
	facts.nvme = true;
	device = file_of(&facts);
}

static bool null_is_a_device(void)
{
	if (ringline_file_nvme(device, &flush, NULL) == 0)
		return true;
	g_test_skip("this kernel's /dev/null takes no commands");
	return false;
}

/* A command that ends as told; its result. */
static int64_t task_answered(int res, uint64_t value, struct ringline_nvme_result *r)
{
	struct ringline_op *op;

	*r = (struct ringline_nvme_result)RINGLINE_NVME_RESULT_INIT;
	memset((char *)r + sizeof(r->size), 0xee, sizeof(*r) - sizeof(r->size));
	g_assert_cmpint(ringline_file_nvme_begin(&op, device, &flush, r), ==, 0);
	make_end(res, value, 0);
	return ringline_op_await(op);
}

static int answers_main(void *arg rln_unused)
{
	struct ringline_nvme_result r = RINGLINE_NVME_RESULT_INIT;
	uint64_t count;

	open_device();
	if (!null_is_a_device())
		return 0;
	g_assert_cmpint(ringline_file_nvme(device, &flush, &r), ==, 0);
	g_assert_cmpuint(r.status, ==, 0);
	g_assert_cmpint(ringline_worker_op_count(NULL, 0, "nvme", "io_uring", &count), ==, 0);
	g_assert_cmpuint(count, ==, 2);
	if (task_answered(0, VALUE, &r) != 0) {
		g_test_skip("this kernel has no no-ops with results of large entries");
		return 0;
	}
	g_assert_cmphex(r.value, ==, VALUE);
	g_assert_cmpuint(r.status | r.code | r.type | r.flags, ==, 0);

	g_assert_cmpint(task_answered(0x4281, VALUE, &r), ==, -EREMOTEIO);
	g_assert_cmphex(r.status, ==, 0x4281);
	g_assert_cmphex(r.code, ==, 0x81);
	g_assert_cmphex(r.type, ==, RINGLINE_NVME_MEDIA);
	g_assert_cmphex(r.flags, ==, RINGLINE_NVME_NO_RETRY);
	g_assert_cmphex(r.value, ==, VALUE);

	g_assert_cmpint(task_answered(-EACCES, VALUE, &r), ==, -EACCES);
	g_assert_cmphex(r.status | r.value | r.code | r.type | r.flags, ==, 0);
	g_assert_cmpint(task_answered(-ECANCELED, VALUE, &r), ==, -EAGAIN);      /* and no thread tries it */
	g_assert_cmpint(task_answered(-EAGAIN, VALUE, &r), ==, -EAGAIN);
	g_assert_cmpint(ringline_worker_op_count(NULL, 0, "nvme", "pool", &count), ==, 0);
	g_assert_cmpuint(count, ==, 0);
	return 0;
}

/* A status is an error, with its parts in the result; an errno leaves the result empty. */
static void answers(void)
{
	run_task(answers_main);
}

static int copied_main(void *arg rln_unused)
{
	struct ringline_nvme_command c = RINGLINE_NVME_COMMAND_INIT;
	struct rln_nvme_command sent;
	struct ringline_op *op[70];
	int64_t res[70];
	char byte;
	int i;

	open_device();
	if (!null_is_a_device())
		return 0;
	for (i = 0; i < 70; i++) {
		c.cdw10 = 1000 + (uint32_t)i;
		c.data = &byte;
		c.data_len = 1;
		g_assert_cmpint(ringline_file_nvme_begin(&op[i], device, &c, NULL), ==, 0);
		memcpy(&sent, (unsigned char *)last_entry() + 48, sizeof(sent));
		g_assert_cmpuint(sent.cdw10, ==, 1000 + i);
		g_assert_cmpuint(sent.data, ==, (uintptr_t)&byte);
		memset(&c, 0xee, sizeof(c));
		c = (struct ringline_nvme_command)RINGLINE_NVME_COMMAND_INIT;
	}
	g_assert_cmpint(ringline_op_await_all(op, 70, res), ==, 0);
	for (i = 0; i < 70; i++)
		g_assert_cmpint(res[i], ==, 0);
	return 0;
}

/* A command is the caller's again when _begin returns. */
static void copied(void)
{
	run_task(copied_main);
}

static int fd_of_wait;
static int told;

static int wait_for_device(void *arg rln_unused)
{
	told = ringline_file_nvme(device, &flush, NULL);
	return 0;
}

/* Runs in the same turn as the one above, before the kernel sees the entry. */
static int hold_it(void *arg rln_unused)
{
	make_wait(fd_of_wait);
	return 0;
}

/* A task of the scope whose command is under way until it is cancelled. */
static void start_holding(struct ringline_scope *scope)
{
	open_device();
	fd_of_wait = eventfd(0, EFD_CLOEXEC);
	told = 1;
	g_assert_cmpint(ringline_scope_spawn(scope, wait_for_device, NULL), ==, 0);
	g_assert_cmpint(ringline_scope_spawn(scope, hold_it, NULL), ==, 0);
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpint(ringline_yield(), ==, 0);
	g_assert_cmpint(told, ==, 1);
}

static int cut_main(void *arg rln_unused)
{
	struct ringline_scope *scope;

	g_assert_cmpint(ringline_scope_open(&scope, NULL), ==, 0);
	start_holding(scope);
	g_assert_cmpint(ringline_scope_cancel(scope), ==, 0);
	g_assert_cmpint(ringline_scope_close(scope), ==, -ECANCELED);
	g_assert_cmpint(told, ==, -ECANCELED);
	close(fd_of_wait);
	return 0;
}

/* A cut reaches a command that has not begun. */
static void cut(void)
{
	run_task(cut_main);
}

static int closed_main(void *arg rln_unused)
{
	struct ringline_scope *scope;

	g_assert_cmpint(ringline_scope_open(&scope, NULL), ==, 0);
	start_holding(scope);
	g_assert_cmpint(ringline_file_close(device), ==, 0);
	g_assert_cmpint(ringline_scope_close(scope), ==, 0);
	g_assert_cmpint(told, ==, -EBADF);
	close(fd_of_wait);
	return 0;
}

static void closed(void)
{
	run_task(closed_main);
}

static int late_main(void *arg rln_unused)
{
	struct ringline_nvme_result r = RINGLINE_NVME_RESULT_INIT;
	struct ringline_scope *scope;
	struct ringline_op *op;

	open_device();
	g_assert_cmpint(ringline_scope_open(&scope, NULL), ==, 0);
	g_assert_cmpint(ringline_scope_cancel(scope), ==, 0);
	g_assert_cmpint(ringline_file_nvme(device, &flush, &r), ==, -ECANCELED);
	g_assert_cmpint(ringline_scope_close(scope), ==, -ECANCELED);
	g_assert_cmpint(ringline_scope_open(&scope, NULL), ==, 0);
	fd_of_wait = eventfd(0, EFD_CLOEXEC);
	g_assert_cmpint(ringline_file_nvme_begin(&op, device, &flush, &r), ==, 0);
	make_wait(fd_of_wait);
	g_assert_cmpint(ringline_scope_close(scope), ==, 0);          /* and nobody awaits it */
	close(fd_of_wait);
	return 0;
}

/* Too late to begin; begun, and left to its scope. */
static void late(void)
{
	run_task(late_main);
}

/* --- the program -------------------------------------------------------------------------------------------------- */

#define RING(name, fn) \
	{ "/uring-nvme/" name, fn, TEST_IO_URING }, \
	{ "/uring-nvme/tiny/" name, fn, TEST_TINY }

static const struct ring_test {
	const char *path;
	void (*run)(void);
	enum test_engine engine;
} ring_tests[] = {
	RING("made-on-first-use", made_on_first_use),
	RING("wakes-a-sleeping-worker", wakes),
	RING("wakes-from-threads-of-the-kernel", wakes_from_threads),
	RING("wakes-by-task-work", wakes_by_task_work),
	RING("wakes-a-hosts-loop", wakes_a_hosts_loop),
	RING("sleeps-meanwhile", sleeps_meanwhile),
	RING("results", results),
	RING("no-device", no_device),
	RING("many", many),
	RING("limit", limit),
	RING("cancel", cancel),
	RING("cancel-too-late", cancel_too_late),
	RING("all-cancelled-too-late", all_too_late),
	RING("stale", stale),
	RING("no-ring", no_ring),
	RING("a-smaller-ring", a_smaller_ring),
	RING("enter-again", enter_again),
};

static void run_ring_test(gconstpointer data)
{
	const struct ring_test *t = data;

	test_engine = t->engine;
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	ends = 0;
	fixture_set_up();
	t->run();
	fixture_tear_down();
	close(null_fd);
}

static void run_task_test(gconstpointer data)
{
	((const struct ring_test *)data)->run();
	g_assert_cmpuint(rln_mem_live(), ==, 0);
}

static const struct ring_test task_tests[] = {
	{ "/uring-nvme/task/answers", answers, TEST_IO_URING },
	{ "/uring-nvme/task/commands-are-copied", copied, TEST_IO_URING },
	{ "/uring-nvme/task/cut", cut, TEST_IO_URING },
	{ "/uring-nvme/task/closed", closed, TEST_IO_URING },
	{ "/uring-nvme/task/late", late, TEST_IO_URING },
};

int main(int argc, char **argv)
{
	size_t i;

	g_setenv("RINGLINE_TEST_ENGINE", "io_uring", TRUE);
	g_test_init(&argc, &argv, NULL);
	if (!fixture_init())
		return 0;
	for (i = 0; i < G_N_ELEMENTS(ring_tests); i++)
		g_test_add_data_func(ring_tests[i].path, &ring_tests[i], run_ring_test);
	for (i = 0; i < G_N_ELEMENTS(task_tests); i++)
		g_test_add_data_func(task_tests[i].path, &task_tests[i], run_task_test);
	return g_test_run();
}

#else

int main(void)
{
	g_print("1..0 # SKIP built without liburing\n");
	return 0;
}

#endif
