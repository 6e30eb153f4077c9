/* SPDX-License-Identifier: MIT */
/* The fixture of the conformance programs; conformance.h tells what it promises. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "support/conformance.h"
#include "support/places.h"

#define LOG_ERROR_LEVEL 3        /* syslog(3)'s */
#define STRESS_CONNS    40

static const char *const operations[] = { "accept", "connect", "recv", "recv_pool", "send", "sendmsg", "poll", "close" };

static const char *engine;
static char unavailable[160];    /* why the engine cannot be had here; empty if it can */
static struct ringline_worker_stats total;
static uint64_t by_io_uring;
static uint64_t by_epoll;

bool conf_is(const char *name)
{
	return !strcmp(engine, name);
}

bool conf_full(void)
{
	const char *value = getenv("RINGLINE_TEST_FULL");

	return value && !strcmp(value, "1");
}

/* --- log lines ---------------------------------------------------------------------------------------------------- */

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static GPtrArray *log_lines;     /* the level as a character, then the line */
static GPtrArray *log_allowed;

void conf_log(int level, const char *message, void *arg)
{
	(void)arg;
	pthread_mutex_lock(&log_lock);
	g_ptr_array_add(log_lines, g_strdup_printf("%c%s", '0' + level, message));
	pthread_mutex_unlock(&log_lock);
}

void conf_log_allow(const char *part)
{
	g_ptr_array_add(log_allowed, g_strdup(part));
}

bool conf_log_seen(const char *part)
{
	bool seen = false;
	guint i;

	pthread_mutex_lock(&log_lock);
	for (i = 0; i < log_lines->len; i++)
		seen |= strstr(g_ptr_array_index(log_lines, i), part) != NULL;
	pthread_mutex_unlock(&log_lock);
	return seen;
}

static bool allowed(const char *line)
{
	guint i;

	for (i = 0; i < log_allowed->len; i++)
		if (strstr(line, g_ptr_array_index(log_allowed, i)))
			return true;
	return false;
}

static void audit_log(void)
{
	guint i;

	for (i = 0; i < log_lines->len; i++) {
		const char *line = g_ptr_array_index(log_lines, i);

		if (line[0] - '0' <= LOG_ERROR_LEVEL && !allowed(line))
			g_error("unexpected line in the log: %s", line + 1);
	}
	g_ptr_array_set_size(log_lines, 0);
	g_ptr_array_set_size(log_allowed, 0);
}

/* --- counters ----------------------------------------------------------------------------------------------------- */

static void add_stats(struct ringline_worker_stats *to, const struct ringline_worker_stats *from)
{
	uint64_t *a = &to->tasks_started;
	const uint64_t *b = &from->tasks_started;
	size_t n = (sizeof(*to) - offsetof(struct ringline_worker_stats, tasks_started)) / sizeof(*a);
	size_t i;

	for (i = 0; i < n; i++)
		a[i] += b[i];
}

static void read_stats(const struct ringline_runtime *rt, uint32_t worker, struct ringline_worker_stats *s)
{
	*s = (struct ringline_worker_stats)RINGLINE_WORKER_STATS_INIT;
	CONF_OK(ringline_worker_stats(rt, worker, s));
}

struct ringline_worker_stats conf_stats(const struct ringline_runtime *rt)
{
	struct ringline_worker_stats sum = RINGLINE_WORKER_STATS_INIT;
	struct ringline_worker_stats one;
	uint32_t i;

	for (i = 0; i < (rt ? ringline_runtime_workers(rt) : 1); i++) {
		read_stats(rt, i, &one);
		add_stats(&sum, &one);
	}
	return sum;
}

static uint64_t completions(const struct ringline_runtime *rt, uint32_t worker, const char *by)
{
	uint64_t sum = 0;
	uint64_t n;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(operations); i++) {
		CONF_OK(ringline_worker_op_count(rt, worker, operations[i], by, &n));
		sum += n;
	}
	return sum;
}

/* --- the manual's list of who carries an operation on files out --------------------------------------------------------- */

enum { COLUMN_NAME, COLUMN_IO_URING, COLUMN_EPOLL, COLUMNS };

static const char *const carriers[] = { "io_uring", "epoll", "pool", "inline" };

struct listed {
	char *column[COLUMNS];
	uint64_t count[G_N_ELEMENTS(carriers)];
};

static GPtrArray *list;          /* struct listed */

/* Rows look like ".It read Ta inline, io_uring Ta inline, pool Ta file_read, ..." and lie between two lines of a column list. */
static void read_list(void)
{
	g_autofree char *path = g_test_build_filename(G_TEST_DIST, "..", "doc", "man", "ringline-files.7", NULL);
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;
	size_t i;

	list = g_ptr_array_new();
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	lines = g_strsplit(text, "\n", -1);
	for (i = 0; lines[i]; i++) {
		g_auto(GStrv) cells = g_strsplit(lines[i], " Ta ", -1);
		struct listed *row;

		if (!g_str_has_prefix(lines[i], ".It ") || g_str_has_prefix(lines[i], ".It Sy") || g_strv_length(cells) != 4)
			continue;
		row = g_new0(struct listed, 1);
		row->column[COLUMN_NAME] = g_strdup(cells[0] + strlen(".It "));
		row->column[COLUMN_IO_URING] = g_strdup(cells[1]);
		row->column[COLUMN_EPOLL] = g_strdup(cells[2]);
		g_ptr_array_add(list, row);
	}
	g_assert_cmpuint(list->len, >, 25);
}

static void free_list(void)
{
	guint i;
	int k;

	for (i = 0; i < list->len; i++) {
		struct listed *row = g_ptr_array_index(list, i);

		for (k = 0; k < COLUMNS; k++)
			g_free(row->column[k]);
		g_free(row);
	}
	g_ptr_array_unref(list);
}

static void collect_listed(const struct ringline_runtime *rt, uint32_t worker)
{
	uint64_t n;
	size_t k;
	guint i;

	for (i = 0; i < list->len; i++)
		for (k = 0; k < G_N_ELEMENTS(carriers); k++) {
			struct listed *row = g_ptr_array_index(list, i);

			CONF_OK(ringline_worker_op_count(rt, worker, row->column[COLUMN_NAME], carriers[k], &n));
			row->count[k] += n;
		}
}

/* Whoever carried an operation out is named for it. */
static void end_list(void)
{
	int column = conf_is("epoll") ? COLUMN_EPOLL : COLUMN_IO_URING;
	size_t k;
	guint i;

	if (g_getenv("RINGLINE_DISABLE")) {
		g_test_skip("without a feature others do its work");
		return;
	}
	for (i = 0; i < list->len; i++)
		for (k = 0; k < G_N_ELEMENTS(carriers); k++) {
			const struct listed *row = g_ptr_array_index(list, i);

			if (row->count[k] && !strstr(row->column[column], carriers[k]))
				g_error("%s was carried out by %s, which ringline-files(7) does not say", row->column[COLUMN_NAME],
				        carriers[k]);
		}
}

/* Into the sums of the program. */
static void collect(const struct ringline_runtime *rt)
{
	struct ringline_worker_stats s = conf_stats(rt);
	uint32_t i;

	add_stats(&total, &s);
	for (i = 0; i < (rt ? ringline_runtime_workers(rt) : 1); i++) {
		by_io_uring += completions(rt, i, "io_uring");
		by_epoll += completions(rt, i, "epoll");
		if (!place_is("fuse"))
			collect_listed(rt, i);            /* a remote file system is always the pool's */
	}
}

static void audit_ended(const struct ringline_worker_stats *s)
{
	g_assert_cmpuint(s->tasks_started, ==, s->tasks_ended);
	g_assert_cmpuint(s->operations_submitted, ==, s->operations_ended);
	g_assert_cmpuint(s->connections, ==, 0);
	g_assert_cmpuint(s->processes, ==, 0);
	g_assert_cmpuint(s->unknown_completions, ==, 0);
}

unsigned int conf_count_fds(void)
{
	GDir *dir = g_dir_open("/proc/self/fd", 0, NULL);
	unsigned int n = 0;

	while (g_dir_read_name(dir))
		n++;
	g_dir_close(dir);
	return n;
}

/* What they are, for whoever has to find out which one was left. */
static void list_fds(void)
{
	GDir *dir = g_dir_open("/proc/self/fd", 0, NULL);
	const char *name;

	while ((name = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename("/proc/self/fd", name, NULL);
		g_autofree char *target = g_file_read_link(path, NULL);

		g_test_message("descriptor %s: %s", name, target ? target : "gone");
	}
	g_dir_close(dir);
}

/* --- running ------------------------------------------------------------------------------------------------------ */

void conf_config(struct ringline_config *c)
{
	*c = (struct ringline_config)RINGLINE_CONFIG_INIT;
	c->backend = conf_is("epoll") ? RINGLINE_BACKEND_EPOLL : RINGLINE_BACKEND_IO_URING;
	c->flags = RINGLINE_CONFIG_NO_PINNING;
	c->log = conf_log;
	if (!conf_is("tiny"))
		return;
	c->submission_entries = 4;
	c->completion_entries = 8;
	c->receive_buffers = 2;
	c->receive_buffer_size = 4096;
	c->receive_buffer_limit = 8192;
}

struct main_task {
	int (*fn)(void *arg);
	void *arg;
	int result;
};

static int run_child(void *arg)
{
	struct main_task *m = arg;

	m->result = m->fn(m->arg);
	return 0;
}

static bool all_home(void)
{
	struct ringline_worker_stats s = conf_stats(NULL);

	return !s.connections && !s.processes && s.operations_submitted == s.operations_ended && s.receive_buffers == s.receive_buffers_free;
}

/* The task of the test in a scope; then what it left behind must come to an end by itself. */
static int run_audited(void *arg)
{
	struct ringline_worker_stats s;
	struct ringline_scope *scope;

	CONF_OK(ringline_scope_open(&scope, NULL));
	CONF_OK(ringline_scope_spawn(scope, run_child, arg));
	CONF_OK(ringline_scope_close(scope));
	CONF_UNTIL(all_home());
	s = conf_stats(NULL);
	g_assert_cmpuint(s.tasks_started, ==, s.tasks_ended + 1);
	s.tasks_ended++;
	audit_ended(&s);
	collect(NULL);
	return ((struct main_task *)arg)->result;
}

int conf_run_with(const struct ringline_config *config, int (*fn)(void *arg), void *arg)
{
	struct main_task m = { .fn = fn, .arg = arg };

	return ringline_run(config, run_audited, &m);
}

int conf_run(int (*fn)(void *arg), void *arg)
{
	struct ringline_config c;

	conf_config(&c);
	return conf_run_with(&c, fn, arg);
}

struct ringline_runtime *conf_serve(const struct ringline_config *config, uint32_t workers, const char *address,
                                    char *bound, void (*serve)(struct ringline_conn *conn, void *arg), void *arg)
{
	struct ringline_runtime *rt;
	struct ringline_config c;

	conf_config(&c);
	if (config)
		c = *config;
	c.workers = workers;
	CONF_OK(ringline_runtime_new(&rt, &c));
	if (address)
		CONF_OK(ringline_runtime_listen(rt, bound, address, serve, arg, NULL));
	CONF_OK(ringline_runtime_start(rt));
	return rt;
}

void conf_finish(struct ringline_runtime *rt)
{
	struct ringline_worker_stats s = conf_stats(rt);

	audit_ended(&s);
	collect(rt);
	CONF_OK(ringline_runtime_free(rt));
}

int conf_stop(struct ringline_runtime *rt)
{
	int r;

	CONF_OK(ringline_runtime_shutdown(rt));
	r = ringline_runtime_join(rt);
	conf_finish(rt);
	return r;
}

struct call {
	int (*fn)(void *arg);
	void *arg;
	int result;
	bool done;
	pthread_mutex_t lock;
	pthread_cond_t changed;
};

static int run_call(void *arg)
{
	struct call *c = arg;
	int r = c->fn(c->arg);

	pthread_mutex_lock(&c->lock);
	c->result = r;
	c->done = true;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
	return 0;
}

int conf_call(struct ringline_runtime *rt, uint32_t worker, int (*fn)(void *arg), void *arg)
{
	struct call c = { .fn = fn, .arg = arg, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

	CONF_OK(ringline_worker_spawn(rt, worker, run_call, &c));
	pthread_mutex_lock(&c.lock);
	while (!c.done)
		pthread_cond_wait(&c.changed, &c.lock);
	pthread_mutex_unlock(&c.lock);
	return c.result;
}

#define FORK_SKIPPED 77       /* the exit code that test harnesses take for it */

void conf_fork(void (*fn)(const void *arg), const void *arg)
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	g_assert_cmpint(pid, >=, 0);
	if (!pid) {
		fn(arg);
		_exit(0);
	}
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == FORK_SKIPPED)
		g_test_skip("not here");
	else
		g_assert_cmpint(WEXITSTATUS(status), ==, 0);
}

void conf_fork_skip(const char *what)
{
	fprintf(stderr, "# no %s: %s\n", what, g_strerror(errno));
	_exit(FORK_SKIPPED);
}

/* --- peers -------------------------------------------------------------------------------------------------------- */

void conf_pause(void)
{
	/* a task that was cut cannot sleep, and the others still must run */
	if (!ringline_task_id())
		g_usleep(500);
	else if (ringline_sleep(500 * RINGLINE_NSEC_PER_USEC) < 0)
		(void)ringline_yield();
}

const char *conf_address(enum conf_kind kind, char *room)
{
	static unsigned int serial;

	if (kind == CONF_TCP)
		g_strlcpy(room, "tcp:127.0.0.1:0", RINGLINE_ADDRESS_SIZE);
	else
		g_snprintf(room, RINGLINE_ADDRESS_SIZE, "unix:@ringline-test-%d-%u", (int)getpid(), ++serial);
	return room;
}

/* The two forms the tests use: tcp:127.0.0.1:PORT and unix:@NAME. */
static socklen_t to_sockaddr(const char *address, struct sockaddr_storage *sa)
{
	struct sockaddr_un *un = (struct sockaddr_un *)sa;
	struct sockaddr_in *in = (struct sockaddr_in *)sa;

	memset(sa, 0, sizeof(*sa));
	if (g_str_has_prefix(address, "tcp:")) {
		in->sin_family = AF_INET;
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		in->sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
		return sizeof(*in);
	}
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, address + 5, strlen(address + 5));
	if (address[5] == '@')
		un->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(address + 5));
}

int conf_listen_raw(enum conf_kind kind, int backlog, char *address)
{
	int fd = socket(kind == CONF_TCP ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage sa;
	socklen_t len;

	len = to_sockaddr(conf_address(kind, address), &sa);
	CONF_OK(bind(fd, (struct sockaddr *)&sa, len));
	CONF_OK(listen(fd, backlog));
	if (kind == CONF_TCP) {
		CONF_OK(getsockname(fd, (struct sockaddr *)&sa, &len));
		g_snprintf(address, RINGLINE_ADDRESS_SIZE, "tcp:127.0.0.1:%u", ntohs(((struct sockaddr_in *)&sa)->sin_port));
	}
	return fd;
}

struct ringline_conn *conf_open(enum conf_kind kind, int *peer)
{
	char address[RINGLINE_ADDRESS_SIZE];
	int listener = conf_listen_raw(kind, 1, address);
	struct ringline_conn *conn;

	CONF_OK(ringline_connect(&conn, address, NULL));
	*peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	g_assert_cmpint(*peer, >=, 0);
	close(listener);
	return conn;
}

static int line_main(void *arg)
{
	struct conf_line *l = arg;

	l->conn = conf_open(l->kind, &l->peer);
	l->body(l);
	if (l->conn)
		CONF_OK(ringline_conn_close(l->conn));
	if (l->peer >= 0)
		close(l->peer);
	return 0;
}

void conf_run_line_with(const struct ringline_config *config, enum conf_kind kind, void (*body)(struct conf_line *l))
{
	struct conf_line l = { .kind = kind, .body = body };

	CONF_OK(conf_run_with(config, line_main, &l));
}

void conf_run_line(enum conf_kind kind, void (*body)(struct conf_line *l))
{
	struct ringline_config c;

	conf_config(&c);
	conf_run_line_with(&c, kind, body);
}

int conf_try_connect_raw(const char *address)
{
	struct sockaddr_storage sa;
	socklen_t len = to_sockaddr(address, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error;

	g_assert_cmpint(fd, >=, 0);
	if (connect(fd, (struct sockaddr *)&sa, len) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

int conf_connect_raw(const char *address)
{
	int fd = conf_try_connect_raw(address);

	g_assert_cmpint(fd, >=, 0);
	return fd;
}

/* In a task a peer must not hold up the worker; on a thread of its own it may. */
static int how(void)
{
	return ringline_task_id() ? MSG_DONTWAIT : 0;
}

void conf_put(int fd, const void *data, size_t n)
{
	const char *from = data;

	while (n) {
		ssize_t k = send(fd, from, n, how() | MSG_NOSIGNAL);

		if (k < 0) {
			g_assert_cmpint(errno, ==, EAGAIN);
			conf_pause();
			continue;
		}
		from += k;
		n -= (size_t)k;
	}
}

void conf_take(int fd, void *data, size_t n)
{
	char *to = data;

	while (n) {
		ssize_t k = recv(fd, to, n, how());

		if (k < 0) {
			g_assert_cmpint(errno, ==, EAGAIN);
			conf_pause();
			continue;
		}
		g_assert_cmpint(k, >, 0);
		to += k;
		n -= (size_t)k;
	}
}

void conf_expect_end(int fd, int error)
{
	ssize_t k;
	char c;

	while ((k = recv(fd, &c, 1, how())) < 0 && errno == EAGAIN)
		conf_pause();
	if (!error) {
		g_assert_cmpint(k, ==, 0);
		return;
	}
	g_assert_cmpint(k, ==, -1);
	g_assert_cmpint(errno, ==, error);
}

size_t conf_take_some(int fd, void *data, size_t n)
{
	ssize_t k = recv(fd, data, n, MSG_DONTWAIT);

	return k > 0 ? (size_t)k : 0;
}

size_t conf_take_all(int fd, void *data, size_t n)
{
	char *to = data;
	size_t got = 0;

	while (got < n) {
		ssize_t k = recv(fd, to + got, n - got, how());

		if (k == 0)
			return got;
		if (k < 0) {
			g_assert_cmpint(errno, ==, EAGAIN);
			conf_pause();
			continue;
		}
		got += (size_t)k;
	}
	conf_expect_end(fd, 0);
	return got;
}

void conf_shrink(int fd)
{
	static const int small = 32768;

	CONF_OK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)));
}

void conf_reset(int fd)
{
	static const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	CONF_OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)));
	close(fd);
}

void conf_echo(struct ringline_conn *conn, void *arg)
{
	const void *data;
	ssize_t n;

	(void)arg;
	while ((n = ringline_conn_peek(conn, &data)) > 0) {
		if (ringline_conn_send(conn, data, (size_t)n) < 0)
			break;
		CONF_OK(ringline_conn_consume(conn, (size_t)n));
	}
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

unsigned char conf_byte(uint32_t seed, uint64_t offset)
{
	uint64_t x = (offset >> 3) + (uint64_t)seed * UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 31)) * UINT64_C(0xbf58476d1ce4e5b9);
	return (unsigned char)(x >> (8 * (offset & 7)));
}

void conf_fill(void *data, size_t n, uint32_t seed, uint64_t offset)
{
	unsigned char *p = data;
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = conf_byte(seed, offset + i);
}

void conf_check(const void *data, size_t n, uint32_t seed, uint64_t offset)
{
	const unsigned char *p = data;
	size_t i;

	for (i = 0; i < n; i++)
		if (p[i] != conf_byte(seed, offset + i))
			g_error("stream %u: byte %" G_GUINT64_FORMAT " is wrong", seed, offset + i);
}

/* --- what every program ends with --------------------------------------------------------------------------------- */

struct stress {
	struct ringline_conn *conn[STRESS_CONNS];
	int peer[STRESS_CONNS];
	int index;
};

static int stress_echo(void *arg)
{
	struct stress *s = arg;
	struct ringline_conn *conn = s->conn[s->index++];
	char *buf = g_malloc(3000);
	int i;

	for (i = 0; i < 8; i++) {
		g_assert_cmpint(ringline_conn_recv_exact(conn, buf, 3000), ==, 3000);
		g_assert_cmpint(ringline_conn_send(conn, buf, 3000), ==, 3000);
	}
	g_free(buf);
	CONF_OK(ringline_conn_close(conn));
	return 0;
}

/* Everybody at once: more submissions than entries, more completions than entries, more bytes than buffers. */
static int stress_main(void *arg)
{
	static struct stress s;
	char buf[3000];
	uint32_t i;
	int round;

	(void)arg;
	s.index = 0;
	for (i = 0; i < STRESS_CONNS; i++)
		s.conn[i] = conf_open(CONF_TCP, &s.peer[i]);
	for (i = 0; i < STRESS_CONNS; i++)
		CONF_OK(ringline_spawn(stress_echo, &s));
	for (round = 0; round < 8; round++) {
		for (i = 0; i < STRESS_CONNS; i++) {
			conf_fill(buf, sizeof(buf), i, (uint64_t)round * sizeof(buf));
			conf_put(s.peer[i], buf, sizeof(buf));
		}
		for (i = 0; i < STRESS_CONNS; i++) {
			conf_take(s.peer[i], buf, sizeof(buf));
			conf_check(buf, sizeof(buf), i, (uint64_t)round * sizeof(buf));
		}
	}
	for (i = 0; i < STRESS_CONNS; i++) {
		conf_expect_end(s.peer[i], 0);
		close(s.peer[i]);
	}
	return 0;
}

static void stress(void)
{
	CONF_OK(conf_run(stress_main, NULL));
}

static const char *engine_from_stats(void)
{
	if (by_io_uring && by_epoll)
		return "both";
	return by_io_uring ? "io_uring" : by_epoll ? "epoll" : "none";
}

/* Not a word of the other engine in what the whole program did. */
static void end_engine(void)
{
	g_assert_cmpstr(engine_from_stats(), ==, conf_is("epoll") ? "epoll" : "io_uring");
}

static void end_tiny(void)
{
	g_test_message("submission queue full %" G_GUINT64_FORMAT ", completion queue full %" G_GUINT64_FORMAT
	               ", starved %" G_GUINT64_FORMAT, total.submission_flushes, total.completion_overflows, total.starved);
	g_assert_cmpuint(total.submission_flushes, >, 0);
	g_assert_cmpuint(total.completion_overflows, >, 0);
	g_assert_cmpuint(total.starved, >, 0);
}

/* --- the program -------------------------------------------------------------------------------------------------- */

struct conf_case {
	void (*fn)(void);
	void (*fn_of_kind)(enum conf_kind kind);
	void (*fn_with)(const void *arg);
	enum conf_kind kind;
	const void *arg;
};

static void run_case(gconstpointer data)
{
	const struct conf_case *c = data;
	unsigned int left;
	unsigned int fds;

	if (unavailable[0]) {
		g_test_skip(unavailable);
		return;
	}
	fds = conf_count_fds();
	if (c->fn)
		c->fn();
	else if (c->fn_with)
		c->fn_with(c->arg);
	else
		c->fn_of_kind(c->kind);
	audit_log();
	/* a ring is taken apart behind our back; its descriptor is gone at once */
	left = conf_count_fds();
	if (left != fds)
		list_fds();
	g_assert_cmpuint(left, ==, fds);
}

static void add_case(char *path, struct conf_case c)
{
	g_test_add_data_func_full(path, g_memdup2(&c, sizeof(c)), run_case, g_free);
	g_free(path);
}

void conf_add(const char *path, void (*fn)(void))
{
	add_case(g_strdup(path), (struct conf_case){ .fn = fn });
}

void conf_add_with(const char *path, void (*fn)(const void *arg), const void *arg)
{
	add_case(g_strdup(path), (struct conf_case){ .fn_with = fn, .arg = arg });
}

void conf_add_kinds(const char *topic, const char *name, void (*fn)(enum conf_kind kind))
{
	add_case(g_strdup_printf("/%s/tcp/%s", topic, name), (struct conf_case){ .fn_of_kind = fn, .kind = CONF_TCP });
	add_case(g_strdup_printf("/%s/unix/%s", topic, name), (struct conf_case){ .fn_of_kind = fn, .kind = CONF_UNIX });
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

/* Can the engine be had on this machine? Only a refusal by the kernel counts as a reason not to run. */
static void look_for_engine(void)
{
	struct ringline_config c;
	int r;

	conf_config(&c);
	r = ringline_run(&c, nothing, NULL);
	if (r == -EPERM || r == -ENOSYS || r == -EACCES)
		g_snprintf(unavailable, sizeof(unavailable), "%s cannot be had here: error %d", engine, -r);
	else
		CONF_OK(r);
	g_ptr_array_set_size(log_lines, 0);
}

/* "io_uring-quiet" is io_uring without that feature. */
static void choose_engine(void)
{
	static char name[16];
	const char *given = getenv("RINGLINE_TEST_ENGINE");
	const char *dash = given ? strchr(given, '-') : NULL;

	unsetenv("RINGLINE_BACKEND");
	unsetenv("RINGLINE_DISABLE");
	engine = given && *given ? given : "epoll";
	if (dash) {
		setenv("RINGLINE_DISABLE", dash + 1, 1);
		g_strlcpy(name, given, MIN(sizeof(name), (size_t)(dash - given) + 1));
		engine = name;
	}
	g_assert_true(conf_is("epoll") || conf_is("io_uring") || conf_is("tiny"));
}

int conf_main(int argc, char **argv, const char *topic, void (*add)(void))
{
	int r;

	choose_engine();
	log_lines = g_ptr_array_new_with_free_func(g_free);
	log_allowed = g_ptr_array_new_with_free_func(g_free);
	g_test_init(&argc, &argv, NULL);
	read_list();
	look_for_engine();

	add();
	/* suites below the topic run after its own cases, in this order */
	add_case(g_strdup_printf("/%s/end/stress", topic), (struct conf_case){ .fn = stress });
	add_case(g_strdup_printf("/%s/end/engine", topic), (struct conf_case){ .fn = end_engine });
	add_case(g_strdup_printf("/%s/end/carried-out-as-the-manual-says", topic), (struct conf_case){ .fn = end_list });
	if (conf_is("tiny"))
		add_case(g_strdup_printf("/%s/end/tiny-counters-moved", topic), (struct conf_case){ .fn = end_tiny });
	r = g_test_run();
	printf("# engine from stats: %s\n", engine_from_stats());
	g_ptr_array_unref(log_lines);
	g_ptr_array_unref(log_allowed);
	free_list();
	return r;
}
