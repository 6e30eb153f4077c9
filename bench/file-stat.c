/* SPDX-License-Identifier: MIT */
/*
 * Looks up the files of a directory over and over, and talks to an echo connection of the same worker meanwhile.
 *
 *     file-stat DIRECTORY COUNT MS     the files are named 0 to COUNT - 1, and the one named N is N + 1 bytes long.
 *                                      RINGLINE_BACKEND says on which engine
 *
 * Phases of MS milliseconds: first how many are looked up per second by statx(2) in a loop, by DEPTH tasks, and by
 * ringline_path_stat_many(); then the same with an echo client beside it, whose 99th percentile is taken, also with nothing
 * else to be done. They take turns, there and back. The client has a processor to itself when it wants it (as far as
 * it may), as if it were on another machine. Prints "name=value" lines.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <ringline/ringline.h>

#define DEPTH   64u
#define MESSAGE 64u
#define PINGS   (1u << 18)

enum way {
	QUIET,
	LOOP,
	TASKS,
	MANY,
	WAYS
};

static const char *const names[WAYS] = { "quiet", "loop", "tasks", "many" };

struct phase {
	enum way way;
	bool echo;
	double lookups;
	double seconds;
	double *ping;                     /* nanoseconds each */
	size_t pings;
};

static struct phase phases[] = {
	{ .way = LOOP }, { .way = TASKS }, { .way = MANY },
	{ .way = QUIET, .echo = true }, { .way = TASKS, .echo = true }, { .way = MANY, .echo = true },
};

#define PHASES (sizeof(phases) / sizeof(*phases))

static struct ringline_runtime *rt;
static struct phase *phase;
static double length;
static char (*paths)[12];
static const char **path_list;
static struct ringline_stat *stats;
static int *results;
static size_t count;
static size_t next;
static atomic_bool stop;
static sem_t ended;
static int echo_fd;

static void must(int64_t r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "file-stat: %s: %s\n", what, strerror((int)(r == -1 ? errno : -r)));
	exit(1);
}

static void *allocate(size_t n, size_t size)
{
	void *p = calloc(n, size);

	must(p ? 0 : -ENOMEM, "memory");
	return p;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void check(size_t i, uint64_t bytes)
{
	must(bytes == i + 1 ? 0 : -EILSEQ, paths[i]);
}

/* Looking up, by the calling thread */

static void stat_loop(void)
{
	static struct statx *found;
	double end = now() + length;
	size_t i;

	if (!found)
		found = allocate(count, sizeof(*found));
	while (now() < end) {
		for (i = 0; i < count; i++) {
			must(statx(AT_FDCWD, paths[i], 0, STATX_BASIC_STATS, &found[i]), paths[i]);
			check(i, found[i].stx_size);
		}
		phase->lookups += (double)count;
	}
}

/* Looking up, by the worker */

static int stat_each(void *arg)
{
	(void)arg;
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		size_t i = next;

		next = next + 1 < count ? next + 1 : 0;
		stats[i].size = sizeof(*stats);
		must(ringline_path_stat(NULL, paths[i], 0, 0, &stats[i]), paths[i]);
		check(i, stats[i].length);
		phase->lookups++;
	}
	return 0;
}

static int stat_tasks(void *arg)
{
	double begin = now();
	struct ringline_scope *scope;
	unsigned int i;

	(void)arg;
	must(ringline_scope_open(&scope, NULL), "scope");
	for (i = 0; i < DEPTH; i++)
		must(ringline_scope_spawn(scope, stat_each, NULL), "spawn");
	must(ringline_scope_close(scope), "tasks");
	phase->seconds += (now() - begin) / 1e9;
	return sem_post(&ended);
}

static int stat_many(void *arg)
{
	double begin = now();

	(void)arg;
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		must(ringline_path_stat_many(NULL, path_list, count, 0, 0, stats, sizeof(*stats), results) ? -EIO : 0, "many");
		phase->lookups += (double)count;
	}
	phase->seconds += (now() - begin) / 1e9;
	return sem_post(&ended);
}

/* Echo */

static void serve(struct ringline_conn *conn, void *arg)
{
	const void *data;
	ssize_t n;

	(void)arg;
	while ((n = ringline_conn_peek(conn, &data)) > 0) {
		if (ringline_conn_send(conn, data, (size_t)n) < 0)
			break;
		ringline_conn_consume(conn, (size_t)n);
	}
}

static void connect_client(const char *address)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int on = 1;

	in.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
	echo_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(echo_fd, "socket");
	must(connect(echo_fd, (struct sockaddr *)&in, sizeof(in)), "connect");
	must(setsockopt(echo_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), "nodelay");
}

/* Whether it goes before all other threads. */
static void prefer(bool on)
{
	struct sched_param p = { .sched_priority = on };

	(void)!sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &p);
}

static void talk(void)
{
	double end = now() + length;
	char out[MESSAGE] = "";
	char in[MESSAGE];
	double begin;

	prefer(true);
	while ((begin = now()) < end && phase->pings < PINGS) {
		memcpy(out, &begin, sizeof(begin));
		must(send(echo_fd, out, MESSAGE, MSG_NOSIGNAL), "send");
		must(recv(echo_fd, in, MESSAGE, MSG_WAITALL) == MESSAGE ? 0 : -EPIPE, "recv");
		must(memcmp(in, out, MESSAGE) ? -EILSEQ : 0, "echo");
		phase->ping[phase->pings++] = now() - begin;
	}
	prefer(false);
}

/* Phases */

static void run_phase(struct phase *p)
{
	static int (*const way[WAYS])(void *arg) = { [TASKS] = stat_tasks, [MANY] = stat_many };
	double begin = now();

	phase = p;
	atomic_store(&stop, false);
	if (way[p->way])
		must(ringline_worker_spawn(rt, 0, way[p->way], NULL), "spawn");
	if (p->way == LOOP)
		stat_loop();
	else if (p->echo)
		talk();
	else
		usleep((useconds_t)(length / 1e3));
	atomic_store(&stop, true);
	if (way[p->way])
		sem_wait(&ended);
	else
		p->seconds += (now() - begin) / 1e9;
}

/* All were found, and each where it belongs. */
static void check_all(void)
{
	size_t i;

	for (i = 0; i < count; i++) {
		must(results[i], paths[i]);
		check(i, stats[i].length);
	}
}

/* Tries everything once. */
static void warm_up(void)
{
	size_t i;

	for (i = 0; i < PHASES; i++) {
		memset(stats, 0, count * sizeof(*stats));
		run_phase(&phases[i]);
		if (phases[i].way == MANY)
			check_all();
		phases[i].lookups = phases[i].seconds = 0;
		phases[i].pings = 0;
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_phase(struct phase *p)
{
	const char *echo = p->echo ? "_echo" : "";

	if (p->lookups > 0)
		printf("%s%s_per_second=%.0f\n", names[p->way], echo, p->lookups / p->seconds);
	if (!p->pings)
		return;
	qsort(p->ping, p->pings, sizeof(*p->ping), compare);
	printf("%s%s_p50_us=%.1f\n", names[p->way], echo, p->ping[p->pings / 2] / 1e3);
	printf("%s%s_p99_us=%.1f\n", names[p->way], echo, p->ping[p->pings * 99 / 100] / 1e3);
	printf("%s%s_count=%zu\n", names[p->way], echo, p->pings);
}

/* What carried most of them out. */
static const char *carrier(void)
{
	static const char *const engines[] = { "io_uring", "epoll", "inline", "pool" };
	const char *by = "nothing";
	uint64_t most = 0;
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < sizeof(engines) / sizeof(*engines); i++) {
		if (ringline_worker_op_count(rt, 0, "statx", engines[i], &n) < 0 || n <= most)
			continue;
		most = n;
		by = engines[i];
	}
	return by;
}

static void prepare(const char *directory)
{
	size_t i;

	must(chdir(directory), directory);
	paths = allocate(count, sizeof(*paths));
	path_list = allocate(count, sizeof(*path_list));
	stats = allocate(count, sizeof(*stats));
	results = allocate(count, sizeof(*results));
	for (i = 0; i < count; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%u", (unsigned int)i);
		path_list[i] = paths[i];
	}
	for (i = 0; i < PHASES; i++)
		phases[i].ping = phases[i].echo ? allocate(PINGS, sizeof(double)) : NULL;
	must(sem_init(&ended, 0, 0), "semaphore");
}

static void start(void)
{
	struct ringline_config c = RINGLINE_CONFIG_INIT;
	char address[RINGLINE_ADDRESS_SIZE];
	cpu_set_t set;

	c.workers = 1;
	must(ringline_runtime_new(&rt, &c), "runtime");
	must(ringline_runtime_listen(rt, address, "tcp:127.0.0.1:0", serve, NULL, NULL), "listen");
	must(ringline_runtime_start(rt), "start");
	connect_client(address);
	CPU_ZERO(&set);
	CPU_SET(1, &set);
	sched_setaffinity(0, sizeof(set), &set);          /* the worker has the first one */
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc != 4 || !(count = strtoul(argv[2], NULL, 10)))
		return 2;
	length = strtod(argv[3], NULL) * 1e6;
	prepare(argv[1]);
	start();
	warm_up();
	for (i = 0; i < PHASES; i++)
		run_phase(&phases[i]);
	for (i = PHASES; i-- > 0;)
		run_phase(&phases[i]);
	printf("engine=%s\nby=%s\n", ringline_runtime_backend(rt), carrier());
	for (i = 0; i < PHASES; i++)
		print_phase(&phases[i]);
	must(ringline_runtime_shutdown(rt), "shutdown");
	must(ringline_runtime_join(rt), "join");
	return ringline_runtime_free(rt) < 0;
}
