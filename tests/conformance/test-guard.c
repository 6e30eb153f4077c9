/* SPDX-License-Identifier: MIT */
/* Calls that must be refused: on the wrong thread, with the wrong object, with arguments that make no sense. */
#include <sys/uio.h>

#include "support/conformance.h"

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static void serve_nothing(struct ringline_conn *conn, void *arg)
{
	(void)conn;
	(void)arg;
}

static void never_released(void *arg)
{
	(void)arg;
	g_assert_not_reached();
}

/* Calls that refuse a connection alike, whatever is wrong with it. */
static void expect_refused(struct ringline_conn *conn, struct ringline_conn *other, int error)
{
	struct ringline_peer_cred cred = { .size = sizeof(cred) };
	struct ringline_tcp_info info = { .size = sizeof(info) };
	struct iovec iov = { NULL, 0 };
	struct ringline_buf *buf;
	const void *data;
	char room[8] = { 0 };
	int fd = 0;

	g_assert_cmpint(ringline_conn_peekv(conn, &iov, 1), ==, error);
	g_assert_cmpint(ringline_conn_peek_at_least(conn, 1, &data), ==, error);
	g_assert_cmpint(ringline_conn_peek_until(conn, "x", 1, 1, &data), ==, error);
	g_assert_cmpint(ringline_conn_take(conn, 1, &buf), ==, error);
	g_assert_cmpint(ringline_conn_wait_readable(conn), ==, error);
	g_assert_cmpint(ringline_conn_send_nowait(conn, room, 1), ==, error);
	g_assert_cmpint(ringline_conn_send_buf(conn, NULL), ==, error);
	g_assert_cmpint(ringline_conn_send_zc(conn, room, 1, never_released, NULL), ==, error);
	g_assert_cmpint(ringline_conn_wait_writable(conn), ==, error);
	g_assert_cmpint(ringline_conn_flush(conn), ==, error);
	g_assert_cmpint(ringline_conn_sendfile(conn, 0, 0, 1), ==, error);
	g_assert_cmpint(ringline_conn_forward(conn, other, 1), ==, error);
	g_assert_cmpint(ringline_conn_send_fds(conn, room, 1, &fd, 1), ==, error);
	g_assert_cmpint(ringline_conn_take_fds(conn, &fd, 1), ==, error);
	g_assert_cmpint(ringline_conn_set_option(conn, RINGLINE_CONN_NODELAY, 1), ==, error);
	g_assert_cmpint(ringline_conn_get_option(conn, RINGLINE_CONN_NODELAY), ==, error);
	g_assert_cmpint(ringline_conn_peer_cred(conn, &cred), ==, error);
	g_assert_cmpint(ringline_conn_peer_pidfd(conn), ==, error);
	g_assert_cmpint(ringline_conn_peer_label(conn, room, sizeof(room)), ==, error);
	g_assert_cmpint(ringline_conn_tcp_info(conn, &info), ==, error);
}

/* --- the wrong thread --------------------------------------------------------------------------------------------- */

/* Objects of a worker, for others to misuse; it holds them until told to let go. */
struct objects {
	struct ringline_conn *conn;
	struct ringline_task *task;
	struct ringline_scope *scope;
	struct ringline_op *op;
	int peer;
	int ready;
	int release;
};

static int hold(void *arg)
{
	struct objects *o = arg;

	o->conn = conf_open(CONF_TCP, &o->peer);
	CONF_OK(ringline_scope_open(&o->scope, NULL));
	CONF_OK(ringline_task_start(&o->task, nothing, NULL, NULL));
	CONF_OK(ringline_sleep_begin(&o->op, 0));
	g_atomic_int_set(&o->ready, 1);
	CONF_UNTIL(g_atomic_int_get(&o->release));
	CONF_OK(ringline_task_join(o->task, NULL));
	g_assert_cmpint(ringline_op_await(o->op), ==, 0);
	CONF_OK(ringline_scope_close(o->scope));
	/* nothing of what the others tried had an effect */
	g_assert_cmpint(ringline_conn_send(o->conn, "x", 1), ==, 1);
	CONF_OK(ringline_conn_close(o->conn));
	conf_take(o->peer, (char[1]){ 0 }, 1);
	conf_expect_end(o->peer, 0);
	close(o->peer);
	return 0;
}

#define REFUSED(name, call) do { \
	g_assert_cmpint((call), ==, -EPERM); \
	g_assert_true(conf_log_seen(name)); \
} while (0)

static void misuse_conn(struct ringline_conn *conn)
{
	struct ringline_conn_info info = { sizeof(info), 0, 0, 0, 0, 0 };
	struct iovec iov = { NULL, 0 };
	const void *data;
	char buf[8];

	REFUSED("ringline_conn_recv:", ringline_conn_recv(conn, buf, 1));
	REFUSED("ringline_conn_recv_exact:", ringline_conn_recv_exact(conn, buf, 1));
	REFUSED("ringline_conn_peek:", ringline_conn_peek(conn, &data));
	REFUSED("ringline_conn_consume:", ringline_conn_consume(conn, 0));
	REFUSED("ringline_conn_send:", ringline_conn_send(conn, buf, 1));
	REFUSED("ringline_conn_sendv:", ringline_conn_sendv(conn, &iov, 1));
	REFUSED("ringline_conn_shutdown_write:", ringline_conn_shutdown_write(conn));
	REFUSED("ringline_conn_close:", ringline_conn_close(conn));
	REFUSED("ringline_conn_abort:", ringline_conn_abort(conn));
	REFUSED("ringline_conn_keep:", ringline_conn_keep(conn));
	REFUSED("ringline_conn_unref:", ringline_conn_unref(conn));
	REFUSED("ringline_conn_peer:", ringline_conn_peer(conn, buf, sizeof(buf)));
	REFUSED("ringline_conn_local:", ringline_conn_local(conn, buf, sizeof(buf)));
	REFUSED("ringline_conn_info:", ringline_conn_info(conn, &info));
	expect_refused(conn, conn, -EPERM);
}

static void misuse_others(struct objects *o)
{
	struct ringline_scope_info info = { .size = sizeof(info) };
	struct ringline_op *ops[1] = { o->op };
	struct ringline_conn *conn;
	struct ringline_scope *scope;
	struct ringline_task *task;
	struct ringline_buf *buf;
	int64_t result;

	REFUSED("ringline_spawn:", ringline_spawn(nothing, NULL));
	REFUSED("ringline_task_start:", ringline_task_start(&task, nothing, NULL, NULL));
	REFUSED("ringline_join:", ringline_task_join(o->task, NULL));
	REFUSED("ringline_task_cancel:", ringline_task_cancel(o->task));
	REFUSED("ringline_task_detach:", ringline_task_detach(o->task));
	REFUSED("ringline_task_set_name:", ringline_task_set_name(o->task, "x"));
	REFUSED("ringline_yield:", ringline_yield());
	REFUSED("ringline_sleep:", ringline_sleep(0));
	REFUSED("ringline_sleep_until:", ringline_sleep_until(0));
	REFUSED("ringline_sleep_begin:", ringline_sleep_begin(&ops[0], 0));
	REFUSED("ringline_scope_open:", ringline_scope_open(&scope, NULL));
	REFUSED("ringline_scope_spawn:", ringline_scope_spawn(o->scope, nothing, NULL));
	REFUSED("ringline_scope_cancel:", ringline_scope_cancel(o->scope));
	REFUSED("ringline_scope_close:", ringline_scope_close(o->scope));
	REFUSED("ringline_scope_state:", ringline_scope_state(o->scope, &info));
	REFUSED("ringline_op_await:", ringline_op_await(o->op));
	REFUSED("ringline_op_await_any:", ringline_op_await_any(ops, 1, &result));
	REFUSED("ringline_op_await_all:", ringline_op_await_all(ops, 1, &result));
	REFUSED("ringline_op_cancel:", ringline_op_cancel(o->op));
	REFUSED("ringline_op_result:", ringline_op_result(o->op));
	REFUSED("ringline_connect:", ringline_connect(&conn, "tcp:127.0.0.1:1", NULL));
	REFUSED("ringline_conn_find:", ringline_conn_find(&conn, 1));
	REFUSED("ringline_connect_host:", ringline_connect_host(&conn, "x", "1", NULL));
	REFUSED("ringline_conn_from_fd:", ringline_conn_from_fd(&conn, 0));
	REFUSED("ringline_buf_new:", ringline_buf_new(&buf, "x", 1));
}

static struct ringline_runtime *start_holder(struct objects *o)
{
	struct ringline_runtime *rt = conf_serve(NULL, 2, NULL, NULL, NULL, NULL);

	CONF_OK(ringline_worker_spawn(rt, 0, hold, o));
	CONF_UNTIL(g_atomic_int_get(&o->ready));
	conf_log_allow("called on");
	return rt;
}

static void stop_holder(struct ringline_runtime *rt, struct objects *o)
{
	g_atomic_int_set(&o->release, 1);
	CONF_UNTIL(conf_stats(rt).tasks_started == conf_stats(rt).tasks_ended);
	CONF_OK(conf_stop(rt));
}

static void test_thread(void)
{
	struct objects o = { 0 };
	struct ringline_runtime *rt = start_holder(&o);

	conf_log_allow("called outside a task");
	misuse_conn(o.conn);
	misuse_others(&o);
	g_assert_cmpint(ringline_worker_index(), ==, -EPERM);
	g_assert_null(ringline_runtime_current());
	g_assert_cmpuint(ringline_task_id(), ==, 0);
	stop_holder(rt, &o);
}

static int misuse_conn_there(void *arg)
{
	misuse_conn(((struct objects *)arg)->conn);
	return 0;
}

static void test_worker(void)
{
	struct objects o = { 0 };
	struct ringline_runtime *rt = start_holder(&o);

	CONF_OK(conf_call(rt, 1, misuse_conn_there, &o));
	g_assert_true(conf_log_seen("ringline_conn_send: called on a worker that does not own the connection"));
	stop_holder(rt, &o);
}

/* --- arguments ---------------------------------------------------------------------------------------------------- */

static void refuse_null_objects(void)
{
	struct ringline_conn_info info = { sizeof(info), 0, 0, 0, 0, 0 };
	struct ringline_conn *conn;
	const void *data;
	char buf[8];

	g_assert_cmpint(ringline_conn_recv(NULL, buf, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_recv_exact(NULL, buf, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_peek(NULL, &data), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_consume(NULL, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_send(NULL, buf, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_sendv(NULL, NULL, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_shutdown_write(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_close(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_abort(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_keep(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_unref(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_peer(NULL, buf, sizeof(buf)), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_local(NULL, buf, sizeof(buf)), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_info(NULL, &info), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_find(NULL, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_connect(NULL, "tcp:127.0.0.1:1", NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_connect(&conn, NULL, NULL), ==, -EINVAL);
	g_assert_cmpuint(ringline_conn_id(NULL), ==, 0);
}

static void refuse_null_others(void)
{
	struct ringline_scope *scope;
	struct ringline_task *task;

	CONF_OK(ringline_scope_open(&scope, NULL));
	g_assert_cmpint(ringline_spawn(NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_task_start(&task, NULL, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_task_start(NULL, nothing, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_task_join(NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_join(NULL, 1, NULL), ==, -EINVAL);
	CONF_OK(ringline_join(NULL, 0, NULL));
	g_assert_cmpint(ringline_task_cancel(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_task_detach(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_task_set_name(NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_scope_open(NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_scope_spawn(NULL, nothing, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_scope_spawn(scope, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_scope_cancel(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_scope_close(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_scope_state(NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_op_await(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_op_await_any(NULL, 1, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_op_await_all(NULL, 1, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_op_cancel(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_op_result(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_sleep_begin(NULL, 0), ==, -EINVAL);
	g_assert_cmpint(ringline_token_new(NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_token_cancel(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_token_cancelled(NULL), ==, -EINVAL);
	ringline_token_unref(NULL);
	CONF_OK(ringline_scope_close(scope));
}

static int null_main(void *arg)
{
	struct ringline_conn *conn;
	int peer;

	(void)arg;
	refuse_null_objects();
	refuse_null_others();
	conn = conf_open(CONF_TCP, &peer);
	g_assert_cmpint(ringline_conn_recv(conn, NULL, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_recv_exact(conn, NULL, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_peek(conn, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_send(conn, NULL, 1), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_send(conn, &peer, (size_t)-1), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_peer(conn, NULL, 8), ==, -EINVAL);
	g_assert_cmpint(ringline_conn_info(conn, NULL), ==, -EINVAL);
	expect_refused(NULL, conn, -EINVAL);
	CONF_OK(ringline_conn_close(conn));
	close(peer);
	return 0;
}

static void test_null(void)
{
	struct ringline_worker_stats s = RINGLINE_WORKER_STATS_INIT;
	struct ringline_runtime *rt = conf_serve(NULL, 1, NULL, NULL, NULL, NULL);
	uint64_t count;

	CONF_OK(conf_run(null_main, NULL));
	g_assert_cmpint(ringline_runtime_new(NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_runtime_listen(NULL, NULL, "tcp:127.0.0.1:0", serve_nothing, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_runtime_listen(rt, NULL, "tcp:127.0.0.1:0", NULL, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_runtime_on_start(NULL, nothing, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_runtime_on_reload(NULL, nothing, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_runtime_on_start(rt, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_runtime_start(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_runtime_join(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_runtime_run(NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_runtime_shutdown(NULL), ==, -EINVAL);
	CONF_OK(ringline_runtime_free(NULL));
	g_assert_cmpint(ringline_run(NULL, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_worker_spawn(NULL, 0, nothing, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_worker_spawn(rt, 0, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_worker_spawn(rt, 1, nothing, NULL), ==, -EINVAL);
	g_assert_cmpuint(ringline_runtime_workers(NULL), ==, 0);
	g_assert_null(ringline_runtime_backend(NULL));
	g_assert_cmpint(ringline_worker_stats(rt, 0, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_worker_stats(rt, 1, &s), ==, -EINVAL);
	g_assert_cmpint(ringline_worker_stats(NULL, 0, &s), ==, -EPERM);
	g_assert_cmpint(ringline_worker_op_count(rt, 0, NULL, "epoll", &count), ==, -EINVAL);
	g_assert_cmpint(ringline_worker_op_count(rt, 0, "recv", NULL, &count), ==, -EINVAL);
	g_assert_cmpint(ringline_worker_op_count(rt, 0, "recv", "epoll", NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_worker_op_count(rt, 0, "recv", "kqueue", &count), ==, -ENOENT);
	g_assert_cmpint(ringline_worker_op_count(rt, 0, "receive", "epoll", &count), ==, -ENOENT);
	CONF_OK(conf_stop(rt));
}

/* Closed, by hand and in callbacks: where the library calls, and where it goes round. */
static int close_it(struct ringline_conn *conn, void *arg)
{
	(void)arg;
	return ringline_conn_close(conn);
}

static void close_when_released(void *arg)
{
	CONF_OK(ringline_conn_close(*(struct ringline_conn **)arg));
	*(struct ringline_conn **)arg = NULL;
}

static int closed_main(void *arg)
{
	struct ringline_conn *conn[3];
	uint64_t id;
	int peer[3];
	int i;

	(void)arg;
	for (i = 0; i < 3; i++)
		conn[i] = conf_open(CONF_TCP, &peer[i]);
	id = ringline_conn_id(conn[0]);
	CONF_OK(ringline_conn_find(&conn[0], id));            /* a second reference keeps the handle good */
	CONF_OK(ringline_conn_close(conn[0]));
	expect_refused(conn[0], conn[1], -EBADF);
	g_assert_cmpint(ringline_conn_close(conn[0]), ==, -EBADF);
	CONF_OK(ringline_conn_send_zc(conn[1], "bye", 3, close_when_released, &conn[1]));
	CONF_UNTIL(!conn[1]);
	CONF_OK(ringline_conn_each(close_it, NULL));
	g_assert_cmpint(ringline_conn_close(conn[2]), ==, -EBADF);
	for (i = 0; i < 3; i++)
		close(peer[i]);
	return 0;
}

static void test_closed(void)
{
	CONF_OK(conf_run(closed_main, NULL));
}

/* --- sizes -------------------------------------------------------------------------------------------------------- */

/* A structure of tomorrow: longer than what the library knows. */
union later_config {
	struct ringline_config c;
	unsigned char bytes[sizeof(struct ringline_config) + 16];
};

static void test_config_size(void)
{
	union later_config later;
	struct ringline_runtime *rt;

	memset(&later, 0, sizeof(later));
	conf_config(&later.c);
	later.c.size = sizeof(later);
	CONF_OK(ringline_runtime_new(&rt, &later.c));
	CONF_OK(ringline_runtime_free(rt));
	later.bytes[sizeof(later) - 1] = 1;
	g_assert_cmpint(ringline_runtime_new(&rt, &later.c), ==, -E2BIG);
	g_assert_cmpint(ringline_run(&later.c, nothing, NULL), ==, -E2BIG);
	later.c.size = 0;
	g_assert_cmpint(ringline_runtime_new(&rt, &later.c), ==, -EINVAL);
	/* one of yesterday: shorter */
	later.c.size = offsetof(struct ringline_config, workers);
	later.c.workers = UINT32_MAX;
	CONF_OK(ringline_runtime_new(&rt, &later.c));
	CONF_OK(ringline_runtime_free(rt));
}

static int option_size_main(void *arg)
{
	union {
		struct ringline_connect_options connect;
		struct ringline_task_options task;
		struct ringline_scope_options scope;
		size_t size;
		unsigned char bytes[256];
	} o;
	struct ringline_conn *conn;
	struct ringline_scope *scope;
	struct ringline_task *task;

	(void)arg;
	memset(&o, 0, sizeof(o));
	o.size = sizeof(o);
	o.bytes[255] = 1;
	g_assert_cmpint(ringline_connect(&conn, "unix:@nobody", &o.connect), ==, -E2BIG);
	g_assert_cmpint(ringline_task_start(&task, nothing, NULL, &o.task), ==, -E2BIG);
	g_assert_cmpint(ringline_scope_open(&scope, &o.scope), ==, -E2BIG);
	o.bytes[255] = 0;
	CONF_OK(ringline_scope_open(&scope, &o.scope));
	CONF_OK(ringline_scope_close(scope));
	o.connect.flags = UINT32_C(1) << 30;
	g_assert_cmpint(ringline_connect(&conn, "unix:@nobody", &o.connect), ==, -EINVAL);
	o.connect.flags = 0;
	o.connect.reserved = 1;
	g_assert_cmpint(ringline_connect(&conn, "unix:@nobody", &o.connect), ==, -EINVAL);
	return 0;
}

static void test_option_size(void)
{
	union {
		struct ringline_listen_options o;
		unsigned char bytes[sizeof(struct ringline_listen_options) + 8];
	} later;
	struct ringline_runtime *rt;

	CONF_OK(conf_run(option_size_main, NULL));
	memset(&later, 0, sizeof(later));
	later.o.size = sizeof(later);
	later.bytes[sizeof(later) - 1] = 1;
	CONF_OK(ringline_runtime_new(&rt, NULL));
	g_assert_cmpint(ringline_runtime_listen(rt, NULL, "tcp:127.0.0.1:0", serve_nothing, NULL, &later.o), ==, -E2BIG);
	later.bytes[sizeof(later) - 1] = 0;
	later.o.flags = UINT32_C(1) << 30;
	g_assert_cmpint(ringline_runtime_listen(rt, NULL, "tcp:127.0.0.1:0", serve_nothing, NULL, &later.o), ==, -EINVAL);
	CONF_OK(ringline_runtime_free(rt));
}

static int out_size_main(void *arg)
{
	union {
		struct ringline_conn_info info;
		struct ringline_worker_stats stats;
		size_t size;
		unsigned char bytes[512];
	} o;
	struct ringline_conn *conn;
	int peer;

	(void)arg;
	conn = conf_open(CONF_TCP, &peer);
	memset(&o, 0xee, sizeof(o));
	o.size = offsetof(struct ringline_conn_info, bytes_received);
	CONF_OK(ringline_conn_info(conn, &o.info));
	g_assert_cmpuint(o.info.id, ==, ringline_conn_id(conn));
	g_assert_cmpuint(o.bytes[offsetof(struct ringline_conn_info, bytes_received)], ==, 0xee);
	g_assert_cmpuint(o.size, ==, offsetof(struct ringline_conn_info, bytes_received));
	o.size = sizeof(o);
	CONF_OK(ringline_conn_info(conn, &o.info));
	g_assert_cmpuint(o.bytes[sizeof(struct ringline_conn_info)], ==, 0);
	g_assert_cmpuint(o.bytes[sizeof(o) - 1], ==, 0);
	o.size = 1;
	g_assert_cmpint(ringline_conn_info(conn, &o.info), ==, -EINVAL);
	g_assert_cmpint(ringline_worker_stats(NULL, 0, &o.stats), ==, -EINVAL);
	g_assert_cmpint(ringline_worker_stats(NULL, 1, &o.stats), ==, -EINVAL);
	CONF_OK(ringline_conn_close(conn));
	close(peer);
	return 0;
}

static void test_out_size(void)
{
	CONF_OK(conf_run(out_size_main, NULL));
}

static void test_config_values(void)
{
	static const struct {
		size_t offset;
		uint32_t value;
	} bad[] = {
		{ offsetof(struct ringline_config, backend), 3 },
		{ offsetof(struct ringline_config, flags), 1u << 31 },
		{ offsetof(struct ringline_config, workers), 1025 },
		{ offsetof(struct ringline_config, submission_entries), 32769 },
		{ offsetof(struct ringline_config, completion_entries), 65537 },
		{ offsetof(struct ringline_config, receive_buffers), 32769 },
		{ offsetof(struct ringline_config, receive_buffer_size), (16u << 20) + 1 },
		{ offsetof(struct ringline_config, blocking_wait_threads), 5000 },
	};
	struct ringline_runtime *rt;
	struct ringline_config c;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(bad); i++) {
		conf_config(&c);
		memcpy((char *)&c + bad[i].offset, &bad[i].value, sizeof(uint32_t));
		g_assert_cmpint(ringline_runtime_new(&rt, &c), ==, -EINVAL);
		g_assert_cmpint(ringline_run(&c, nothing, NULL), ==, -EINVAL);
	}
	conf_config(&c);
	c.stack_size = UINT64_MAX;
	g_assert_cmpint(ringline_runtime_new(&rt, &c), ==, -EINVAL);
	conf_config(&c);
	c.submission_entries = 64;
	c.completion_entries = 32;
	g_assert_cmpint(ringline_runtime_new(&rt, &c), ==, -EINVAL);
}

static void add(void)
{
	conf_add("/guard/wrong-thread", test_thread);
	conf_add("/guard/wrong-worker", test_worker);
	conf_add("/guard/null-arguments", test_null);
	conf_add("/guard/closed-by-hand-and-in-callbacks", test_closed);
	conf_add("/guard/config-size", test_config_size);
	conf_add("/guard/config-values", test_config_values);
	conf_add("/guard/option-sizes", test_option_size);
	conf_add("/guard/result-sizes", test_out_size);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "guard", add);
}
