/* SPDX-License-Identifier: MIT */
/*
 * The receive and the send machine, fed with completions.
 *
 * An engine that carries nothing out lets the input decide which operation ends next and how: how many bytes, more to come,
 * an error, the end, late after a cancel, in two parts as zero copy does. Above it two tasks receive and send on a
 * connection in all the ways there are, also as the input says, and it may be closed or aborted at any point. Whatever comes:
 * the bytes that are received are those the engine made, in their order; those that reach the engine are those that were
 * sent; every operation, buffer, task and byte is given back in the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <ringline/ringline.h>

#include "base/mem.h"
#include "core/executor.h"
#include "core/task.h"
#include "fuzz/fuzz.h"
#include "io/conn.h"
#include "io/io.h"

#define OPS_MAX   16
#define PIECE_MAX 4096

struct engine {
	struct rln_backend base;
	struct rln_clock clock;
	struct rln_op *op[OPS_MAX];
	bool released_next[OPS_MAX];      /* a zero-copy send whose result is known */
	size_t n;
	const uint8_t *in;
	size_t left;
	uint64_t made;                    /* bytes received so far */
	uint64_t took;                    /* bytes sent so far */
	int buffers;                      /* that somebody holds */
};

static struct engine engine;
static struct ringline_conn *conn;
static uint64_t seen;             /* received bytes that the task has looked at */
static uint64_t sent;             /* bytes handed to sends, in their order */
static int lent;                  /* memory of zero-copy sends under way */

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static uint8_t byte_at(uint64_t offset, uint64_t stream)
{
	return (uint8_t)(offset * 31 + (offset >> 8) * 7 + stream);
}

static unsigned int next(void)
{
	if (!engine.left)
		return 0;
	engine.left--;
	return *engine.in++;
}

/* --- the engine --------------------------------------------------------------------------------------------------- */

static void buffer_release(struct rln_buf *b)
{
	engine.buffers--;
	free(b->mem);
	free(b);
}

static struct rln_buf *buffer_new(size_t n)
{
	struct rln_buf *b = calloc(1, sizeof(*b));

	b->mem = malloc(n);
	b->size = (uint32_t)n;
	b->refs = 1;
	b->release = buffer_release;
	engine.buffers++;
	return b;
}

static void make_bytes(void *to, size_t n)
{
	unsigned char *p = to;
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = byte_at(engine.made++, 1);
}

static void take_bytes(const void *from, size_t n)
{
	const unsigned char *p = from;
	size_t i;

	for (i = 0; i < n; i++)
		expect(p[i] == byte_at(engine.took++, 2));
	expect(engine.took <= sent);
}

static void take_pieces(const struct msghdr *msg, size_t n)
{
	size_t i;

	for (i = 0; n; i++) {
		size_t k = rln_min(n, msg->msg_iov[i].iov_len);

		take_bytes(msg->msg_iov[i].iov_base, k);
		n -= k;
	}
}

static void forget(size_t i)
{
	engine.n--;
	engine.op[i] = engine.op[engine.n];
	engine.released_next[i] = engine.released_next[engine.n];
}

static void end(size_t i, int64_t res)
{
	struct rln_op *op = engine.op[i];
	struct rln_completion c = { .res = res };

	forget(i);
	rln_op_complete(op, &c);
}

static void end_receive(size_t i, bool last_words)
{
	static const int errors[] = { -ECONNRESET, -ETIMEDOUT, -EIO, 0 };
	struct rln_op *op = engine.op[i];
	bool cancelled = op->flags & RLN_OPF_CANCELLED;
	size_t n = 1 + next() * 16u;
	unsigned int how = next();
	struct rln_completion c = { 0 };

	if (last_words || (cancelled && how < 128) || how > 250) {
		end(i, cancelled ? -ECANCELED : last_words ? 0 : errors[how % 4]);
		return;
	}
	if (op->opcode == RLN_OP_RECV) {
		n = rln_min(n, (size_t)op->len);
		make_bytes(op->ptr, n);
		end(i, (int64_t)n);
		return;
	}
	c.buf = buffer_new(n);
	c.data = c.buf->mem;
	c.res = (int64_t)n;
	c.flags = (how & 1 ? RLN_C_SCARCE : 0) | (!(op->flags & RLN_OPF_ONESHOT) && how & 6 && !cancelled ? RLN_C_MORE : 0);
	make_bytes(c.data, n);
	if (!(c.flags & RLN_C_MORE))
		forget(i);
	rln_op_complete(op, &c);
}

static void end_send(size_t i, bool last_words)
{
	struct rln_op *op = engine.op[i];
	bool cancelled = op->flags & RLN_OPF_CANCELLED;
	unsigned int how = last_words ? 0 : next();
	size_t n = (size_t)op->len;
	struct rln_completion c = { .flags = RLN_C_MORE };

	if (engine.released_next[i]) {
		end(i, (int64_t)op->progress);
		return;
	}
	if (how > 240 || (cancelled && how > 100))
		n = n * next() / 256;
	c.res = n ? (int64_t)n : cancelled ? -ECANCELED : -EPIPE;
	if (op->opcode == RLN_OP_SENDMSG)
		take_pieces(op->ptr, n);
	else
		take_bytes(op->ptr, n);
	if (op->flags & RLN_OPF_ZERO_COPY && how & 1) {
		engine.released_next[i] = true;
		rln_op_complete(op, &c);
		return;
	}
	end(i, c.res);
}

static void end_one(size_t i, bool last_words)
{
	switch (engine.op[i]->opcode) {
	case RLN_OP_RECV:
	case RLN_OP_RECV_POOL:
		end_receive(i, last_words);
		break;
	case RLN_OP_SEND:
	case RLN_OP_SENDMSG:
		end_send(i, last_words);
		break;
	case RLN_OP_CLOSE:
		close(engine.op[i]->fd);
		end(i, 0);
		break;
	default:
		end(i, engine.op[i]->flags & RLN_OPF_CANCELLED ? -ECANCELED : 0);
		break;
	}
}

static void submit(struct rln_backend *b, struct rln_op *op)
{
	(void)b;
	expect(engine.n < OPS_MAX);
	engine.released_next[engine.n] = false;
	engine.op[engine.n++] = op;
}

static void cancel(struct rln_backend *b, struct rln_op *op)
{
	(void)b;
	(void)op;                 /* the flag says it */
}

static struct rln_buf *holder(struct rln_backend *b, const void *data, size_t len)
{
	(void)b;
	(void)data;
	(void)len;
	return NULL;
}

static int wait_for(struct rln_backend *b, uint64_t deadline)
{
	(void)b;
	if (engine.n)
		end_one(next() % engine.n, !engine.left);
	else if (deadline && deadline != RINGLINE_NEVER)
		engine.clock.virtual_now = rln_max(engine.clock.virtual_now, deadline);
	else
		expect(deadline == 0);            /* nobody would ever wake it */
	return 0;
}

static void wake(struct rln_backend *b)
{
	(void)b;
}

static const struct rln_backend_ops engine_ops = {
	.name = "fuzz", .engine = RLN_ENGINE_FAKE, .submit = submit, .cancel = cancel, .holder = holder, .wait = wait_for, .wake = wake
};

/* --- the tasks ---------------------------------------------------------------------------------------------------- */

static void saw(const void *data, size_t n)
{
	const unsigned char *p = data;
	size_t i;

	for (i = 0; i < n; i++)
		expect(p[i] == byte_at(seen + i, 1));
}

static ssize_t consume(const void *data, ssize_t n)
{
	size_t k;

	if (n <= 0)
		return n;
	saw(data, (size_t)n);
	k = engine.left ? 1 + next() * (size_t)n / 256 : (size_t)n;
	k = rln_min(k, (size_t)n);
	expect(ringline_conn_consume(conn, k) == 0);
	seen += k;
	return (ssize_t)k;
}

static ssize_t take_one(void)
{
	struct ringline_buf *b;
	ssize_t n = ringline_conn_take(conn, 1 + next() * 8u, &b);

	if (n > 0) {
		saw(ringline_buf_data(b), (size_t)n);
		seen += (size_t)n;
		ringline_buf_unref(b);
	}
	return n;
}

static ssize_t receive_one(unsigned char *room)
{
	struct iovec iov[3];
	const void *data;
	ssize_t n;

	switch (next() % 7) {
	case 0:
		n = ringline_conn_peek(conn, &data);
		return consume(data, n);
	case 1:
		n = ringline_conn_peek_at_least(conn, 1 + next() * 40u, &data);
		return n == -ENODATA ? 1 : consume(data, n);
	case 2:
		n = ringline_conn_peek_until(conn, "\x07\x26", 1 + next() % 2, 300 + next() * 10u, &data);
		return n == -ENODATA || n == -EMSGSIZE ? 1 : consume(data, n);
	case 3:
		n = ringline_conn_peekv(conn, iov, 3);
		return n > 0 ? consume(iov[0].iov_base, (ssize_t)iov[0].iov_len) : n;
	case 4:
		return take_one();
	case 5:
		n = ringline_conn_recv(conn, room, 64u * 1024 * (1 + next() % 2));
		break;
	default:
		n = ringline_conn_recv(conn, room, 1 + next() * 16u);
		break;
	}
	if (n > 0) {
		saw(room, (size_t)n);
		seen += (size_t)n;
	}
	return n;
}

static int receiver(void *arg)
{
	unsigned char *room = malloc(128u * 1024);

	(void)arg;
	while (receive_one(room) > 0)
		;
	free(room);
	return 0;
}

static void released(void *memory)
{
	lent--;
	free(memory);
}

static int send_one(void)
{
	size_t n = 1 + next() * (PIECE_MAX / 256);
	unsigned char *data = malloc(n);
	unsigned int how = next() % 5;
	uint64_t before = sent;
	size_t i;
	ssize_t r;

	for (i = 0; i < n; i++)
		data[i] = byte_at(sent + i, 2);
	sent += n;
	if (how == 0) {
		r = ringline_conn_send_zc(conn, data, n, released, data);
		lent += r == 0;
		data = r == 0 ? NULL : data;
	} else if (how == 1) {
		struct iovec iov[2] = { { data, n / 2 }, { data + n / 2, n - n / 2 } };

		r = ringline_conn_sendv(conn, iov, 2);
	} else if (how == 2) {
		r = ringline_conn_send(conn, data, n);
	} else {
		r = ringline_conn_send_nowait(conn, data, n);
	}
	free(data);
	if (r == -EAGAIN) {
		sent = before;                    /* nothing was taken */
		return ringline_conn_wait_writable(conn);
	}
	return r < 0 ? (int)r : 0;
}

static int sender(void *arg)
{
	(void)arg;
	while (engine.left && send_one() == 0)
		if (next() > 250)
			break;
	return 0;
}

/* Two sends at once would race for the pattern, so there is one sender; a third task ends things. */
static int ender(void *arg)
{
	unsigned int how = next();
	unsigned int turns;

	(void)arg;
	for (turns = how; turns && ringline_yield() == 0; turns--)
		;
	if (how & 1)
		return 0;
	if (how & 2)
		ringline_conn_abort(conn);
	else
		ringline_conn_close(conn);
	return -ECANCELED;
}

static int run_tasks(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;
	uint64_t id = ringline_conn_id(conn);

	(void)arg;
	if (next() & 1)
		o.deadline = ringline_now() + next() * 1000u;
	expect(ringline_scope_open(&scope, &o) == 0);
	if (ringline_scope_spawn(scope, receiver, NULL) == 0 && ringline_scope_spawn(scope, sender, NULL) == 0 &&
	    ringline_scope_spawn(scope, ender, NULL) < 0)
		ringline_scope_cancel(scope);
	ringline_scope_close(scope);
	if (ringline_conn_find(&conn, id) == 0) {         /* nobody has closed it */
		ringline_conn_unref(conn);
		ringline_conn_close(conn);
	}
	return 0;
}

static void run(void)
{
	static const struct rln_io_config config = { .input_limit = 8192, .output_limit = 8192, .memory_limit = 1 << 20,
		                                     .zero_copy_min = 1000, .close_timeout = 1000 };
	struct rln_task_start start = { .fn = run_tasks, .name = "fuzz" };
	struct rln_exec_config xc = { .clock = &engine.clock };
	struct rln_exec x;
	struct rln_io io;

	expect(rln_exec_init(&x, &xc) == 0);
	x.backend = &engine.base;
	rln_exec_bind(&x);
	rln_io_init(&io, &x, &config);
	conn = rln_conn_new(&io, open("/dev/null", O_RDWR | O_CLOEXEC), AF_INET, RLN_CONN_OPEN);
	conn->refs = 1;
	start.scope = &x.root;
	expect(rln_task_start(NULL, &start) == 0);
	while (rln_exec_tasks(&x) || !rln_io_idle(&io) || !rln_exec_idle(&x))
		expect(rln_exec_turn(&x, RINGLINE_NEVER) == 0);
	expect(rln_stat_get(&io.stats.memory) == 0);
	rln_io_fini(&io);
	rln_exec_fini(&x);
	rln_exec_bind(NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	engine = (struct engine){ .base.ops = &engine_ops, .in = data, .left = size };
	rln_clock_virtual_init(&engine.clock, 1000000);
	seen = sent = 0;
	lent = 0;
	run();
	expect(engine.n == 0 && engine.buffers == 0 && lent == 0);
	expect(rln_mem_live() == 0);
	return 0;
}

const char *fuzz_seeds[] = { "the quick brown fox jumps over the lazy dog, and then once more, for the bytes it takes to get anywhere",
	                     "\x01\x80\x07 0123456789 \x05\xff\xfe\xfd abcdefghijklmnopqrstuvwxyz \x03\x02\x01 ABCDEFGHIJKLMNOP",
	                     "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", NULL };
