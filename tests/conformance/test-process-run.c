/* SPDX-License-Identifier: MIT */
/* What processes read and write: by connections over pipes, and collected by ringline_process_run(). */
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "support/process.h"

#define BIG (UINT64_C(64) << 20)

/* --- pipes -------------------------------------------------------------------------------------------------------- */

struct flow {
	struct ringline_conn *conn;
	uint64_t bytes;
	int64_t result;
};

static int send_all(void *arg)
{
	static unsigned char data[1 << 18];
	struct flow *f = arg;
	uint64_t done = 0;
	ssize_t n = 0;

	while (done < f->bytes && n >= 0) {
		conf_fill(data, sizeof(data), 1, done);
		n = ringline_conn_send(f->conn, data, sizeof(data));
		done += n > 0 ? (uint64_t)n : 0;
	}
	f->result = n < 0 ? n : (int64_t)done;
	CONF_OK(ringline_conn_close(f->conn));
	return 0;
}

/* As many as come, which must be right. */
static uint64_t receive_all(struct ringline_conn *out)
{
	static unsigned char data[1 << 18];
	uint64_t done = 0;
	ssize_t n;

	while ((n = ringline_conn_recv(out, data, sizeof(data))) > 0) {
		conf_check(data, (size_t)n, 1, done);
		done += (uint64_t)n;
	}
	g_assert_cmpint(n, ==, 0);
	CONF_OK(ringline_conn_close(out));
	return done;
}

static struct ringline_process *piped(const char *script, struct flow *in, struct ringline_conn **out)
{
	const struct ringline_process_fd fds[] = { { .target = 0, .kind = RINGLINE_PROCESS_PIPE_IN, .conn = &in->conn },
	                                           { .target = 1, .kind = RINGLINE_PROCESS_PIPE_OUT, .conn = out } };
	struct ringline_process_options o = proc_options();

	o.fds = fds;
	o.nfds = 2;
	return proc_sh(script, &o);
}

static int through_main(void *arg)
{
	struct flow in = { .bytes = BIG };
	struct ringline_scope *scope;
	struct ringline_process *p;
	struct ringline_conn *out;

	(void)arg;
	p = piped("exec cat", &in, &out);
	CONF_OK(ringline_scope_open(&scope, NULL));
	CONF_OK(ringline_scope_spawn(scope, send_all, &in));
	g_assert_cmpuint(receive_all(out), ==, BIG);
	CONF_OK(ringline_scope_close(scope));
	g_assert_cmpint(in.result, ==, BIG);
	g_assert_cmpint(proc_end(p), ==, 0);
	return 0;
}

static void test_through(void)
{
	CONF_OK(conf_run(through_main, NULL));
}

/* The process ends in the midst of what it is sent. */
static int child_ends_main(void *arg)
{
	struct flow in = { .bytes = BIG };
	struct ringline_scope *scope;
	struct ringline_process *p;
	struct ringline_conn *out;

	(void)arg;
	p = piped("exec head -c 1000000", &in, &out);
	CONF_OK(ringline_scope_open(&scope, NULL));
	CONF_OK(ringline_scope_spawn(scope, send_all, &in));
	g_assert_cmpuint(receive_all(out), ==, 1000000);
	CONF_OK(ringline_scope_close(scope));
	g_assert_cmpint(in.result, ==, -EPIPE);
	g_assert_cmpint(proc_end(p), ==, 0);
	return 0;
}

static int child_ends_with_room_main(void *arg)
{
	struct flow in = { .bytes = 0 };
	static char data[40001];
	struct ringline_process *p;
	struct ringline_conn *out;

	(void)arg;
	p = piped("exec head -c 40000 /dev/zero", &in, &out);
	CONF_OK(ringline_conn_close(in.conn));
	g_assert_cmpint(proc_end(p), ==, 0);      /* nobody has read it yet, and it is there */
	g_assert_cmpint(ringline_conn_recv_exact(out, data, 40000), ==, 40000);
	g_assert_cmpint(ringline_conn_recv(out, data, 1), ==, 0);
	return ringline_conn_close(out);
}

static void test_child_ends(void)
{
	CONF_OK(conf_run(child_ends_main, NULL));
	CONF_OK(conf_run(child_ends_with_room_main, NULL));
}

/* We stop reading what it writes for ever. */
static int parent_ends_main(void *arg)
{
	struct flow in = { .bytes = 0 };
	struct ringline_process *p;
	struct ringline_conn *out;
	char data[1000];

	(void)arg;
	p = piped("exec cat /dev/zero", &in, &out);
	CONF_OK(ringline_conn_close(in.conn));
	g_assert_cmpint(ringline_conn_recv_exact(out, data, sizeof(data)), ==, sizeof(data));
	CONF_OK(ringline_conn_close(out));
	g_assert_cmpint(proc_end(p), ==, -SIGPIPE);
	return 0;
}

static void test_parent_ends(void)
{
	CONF_OK(conf_run(parent_ends_main, NULL));
}

/* --- collected ---------------------------------------------------------------------------------------------------- */

struct ran {
	int result;
	struct ringline_process_status status;
	struct ringline_buf *out;
	struct ringline_buf *err;
};

static struct ran run(const char *script, const void *input, size_t len, const struct ringline_process_run_options *o)
{
	const char *argv[] = { "sh", "-c", script, NULL };
	struct ran r = { .status = RINGLINE_PROCESS_STATUS_INIT };

	r.result = ringline_process_run(argv, input, len, &r.out, &r.err, o, &r.status);
	return r;
}

static void forget(struct ran *r)
{
	CONF_OK(ringline_buf_unref(r->out));
	CONF_OK(ringline_buf_unref(r->err));
}

static void check_text(struct ringline_buf *b, const char *text)
{
	g_assert_cmpmem(ringline_buf_data(b), ringline_buf_size(b), text, strlen(text));
}

static int collect_main(void *arg)
{
	static unsigned char big[3 << 20];
	struct ringline_process_run_options o = RINGLINE_PROCESS_RUN_OPTIONS_INIT;
	const char *argv[] = { "sh", "-c", "exit 8", NULL };
	struct ran r;

	(void)arg;
	r = run("cat; echo err >&2; exit 3", "some input", 10, NULL);
	CONF_OK(r.result);
	check_text(r.out, "some input");
	check_text(r.err, "err\n");
	g_assert_cmpint(r.status.code, ==, 3);
	forget(&r);
	r = run("cat", NULL, 0, NULL);            /* no input is /dev/null */
	CONF_OK(r.result);
	g_assert_null(r.out);
	g_assert_null(r.err);
	conf_fill(big, sizeof(big), 5, 0);
	o.output_limit = sizeof(big);             /* to the byte */
	r = run("cat", big, sizeof(big), &o);
	CONF_OK(r.result);
	g_assert_cmpuint(ringline_buf_size(r.out), ==, sizeof(big));
	conf_check(ringline_buf_data(r.out), sizeof(big), 5, 0);
	forget(&r);
	r = run("exec true", big, sizeof(big), NULL);     /* who does not read is not wrong */
	CONF_OK(r.result);
	r = run("kill -TERM $$", NULL, 0, NULL);
	CONF_OK(r.result);
	g_assert_cmpuint(r.status.how, ==, RINGLINE_PROCESS_KILLED);
	CONF_OK(ringline_process_run(argv, NULL, 0, NULL, NULL, NULL, &r.status));
	g_assert_cmpint(r.status.code, ==, 8);
	CONF_OK(ringline_process_run(argv, NULL, 0, NULL, NULL, NULL, NULL));
	return 0;
}

static void test_collect(void)
{
	CONF_OK(conf_run(collect_main, NULL));
	proc_no_children();
}

static int limits_main(void *arg)
{
	struct ringline_process_run_options o = RINGLINE_PROCESS_RUN_OPTIONS_INIT;
	struct ringline_scope_options so = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;
	struct ran r;

	(void)arg;
	o.output_limit = 5000;
	r = run("exec cat /dev/zero", NULL, 0, &o);
	g_assert_cmpint(r.result, ==, -ENOBUFS);
	g_assert_cmpuint(ringline_buf_size(r.out), ==, 5000);
	g_assert_cmpuint(r.status.how, ==, RINGLINE_PROCESS_KILLED);
	g_assert_cmpint(r.status.code, ==, SIGKILL);
	forget(&r);
	so.deadline = ringline_now() + 20 * MSEC;
	CONF_OK(ringline_scope_open(&scope, &so));
	r = run("echo before; exec sleep 1000", NULL, 0, NULL);
	g_assert_true(r.result == -ETIME);
	g_assert_cmpint(ringline_scope_close(scope), ==, -ETIME);
	forget(&r);
	return 0;
}

static void test_limits(void)
{
	CONF_OK(conf_run(limits_main, NULL));
	proc_no_children();
}

/* Who stays behind keeps the pipe, and nobody waits for him. */
static int daemon_main(void *arg)
{
	struct ran r = run("sleep 1000 & echo $!", NULL, 0, NULL);
	char *text;

	(void)arg;
	CONF_OK(r.result);
	text = g_strndup(ringline_buf_data(r.out), ringline_buf_size(r.out));
	CONF_OK(kill(atoi(text), SIGKILL));
	g_free(text);
	forget(&r);
	return 0;
}

static void test_daemon(void)
{
	CONF_OK(conf_run(daemon_main, NULL));
}

/* What the options say of other descriptors, and of these if the call does not. */
static int options_main(void *arg)
{
	struct ringline_process_run_options o = RINGLINE_PROCESS_RUN_OPTIONS_INIT;
	struct ringline_process_options spawn = proc_options();
	struct ringline_conn *conn = NULL;
	struct ringline_process_fd fds[] = { { .target = 5, .kind = RINGLINE_PROCESS_FILE, .path = "/proc/self/comm" },
	                                     { .target = 0, .kind = RINGLINE_PROCESS_SAME, .fd = 5 },
	                                     { .target = 1, .kind = RINGLINE_PROCESS_NULL } };
	const char *argv[] = { "sh", "-c", "exec cat", NULL };
	struct ran r;
	uint32_t stage;

	(void)arg;
	spawn.fds = fds;
	spawn.nfds = 3;
	spawn.stage = &stage;
	o.process = &spawn;
	r = run("cat", NULL, 0, &o);
	CONF_OK(r.result);
	g_assert_cmpuint(ringline_buf_size(r.out), >, 1);
	forget(&r);
	r = run("cat", "input", 5, &o);
	CONF_OK(r.result);
	check_text(r.out, "input");
	forget(&r);
	CONF_OK(ringline_process_run(argv, NULL, 0, NULL, NULL, &o, &r.status));
	g_assert_cmpint(r.status.code, ==, 0);
	spawn.cwd = "/nowhere/at/all";
	r = run("cat", NULL, 0, &o);
	g_assert_cmpint(r.result, ==, -ENOENT);
	g_assert_cmpuint(stage, ==, RINGLINE_PROCESS_STAGE_CWD);
	fds[0] = (struct ringline_process_fd){ .target = 5, .kind = RINGLINE_PROCESS_SOCKET, .conn = &conn };
	r = run("cat", NULL, 0, &o);
	g_assert_cmpint(r.result, ==, -EINVAL);
	g_assert_cmpint(ringline_process_run(NULL, NULL, 0, NULL, NULL, NULL, NULL), ==, -EINVAL);
	g_assert_cmpint(ringline_process_run(argv, NULL, 5, NULL, NULL, NULL, NULL), ==, -EINVAL);
	return 0;
}

static void test_options(void)
{
	CONF_OK(conf_run(options_main, NULL));
	proc_no_children();
}

static int begin_main(void *arg)
{
	const char *argv[] = { "sh", "-c", "cat; exec sleep 1000", NULL };
	const char *ends[] = { "cat", NULL };
	struct ringline_process_status s = RINGLINE_PROCESS_STATUS_INIT;
	struct ringline_buf *out;
	struct ringline_scope *scope;
	struct ringline_op *op;

	(void)arg;
	CONF_OK(ringline_process_run_begin(&op, ends, "text", 4, &out, NULL, NULL, &s));
	CONF_OK(ringline_op_await(op));
	check_text(out, "text");
	CONF_OK(ringline_buf_unref(out));
	CONF_OK(ringline_process_run_begin(&op, argv, "text", 4, &out, NULL, NULL, &s));
	CONF_OK(ringline_sleep(20 * MSEC));
	CONF_OK(ringline_op_cancel(op));
	g_assert_cmpint(ringline_op_await(op), ==, -ECANCELED);
	CONF_OK(ringline_buf_unref(out));
	CONF_OK(ringline_scope_open(&scope, NULL));
	CONF_OK(ringline_process_run_begin(&op, ends, "text", 4, &out, NULL, NULL, NULL));
	CONF_OK(ringline_sleep(20 * MSEC));
	CONF_OK(ringline_scope_close(scope));     /* nobody takes it */
	g_assert_cmpint(ringline_process_run_begin(NULL, ends, NULL, 0, NULL, NULL, NULL, NULL), ==, -EINVAL);
	return 0;
}

static void test_begin(void)
{
	CONF_OK(conf_run(begin_main, NULL));
	proc_no_children();
}

static void add(void)
{
	conf_add("/process-run/sixty-four-mib-through-a-process", test_through);
	conf_add("/process-run/the-process-ends-early", test_child_ends);
	conf_add("/process-run/the-caller-ends-early", test_parent_ends);
	conf_add("/process-run/collects-what-is-written", test_collect);
	conf_add("/process-run/limits-and-deadlines-kill", test_limits);
	conf_add("/process-run/who-is-left-behind-is-not-waited-for", test_daemon);
	conf_add("/process-run/options", test_options);
	conf_add("/process-run/operations", test_begin);
}

int main(int argc, char **argv)
{
	return conf_main(argc, argv, "process-run", add);
}
