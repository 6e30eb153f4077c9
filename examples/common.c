/* SPDX-License-Identifier: MIT */
/* Options, start and end of the example daemons; common.h tells which. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"

#define MAX_LISTENERS   16
#define DEFAULT_ADDRESS "tcp:127.0.0.1:7878"

struct daemon {
	const struct example_daemon *example;
	const char *name;
	const char *address[MAX_LISTENERS];
	char bound[MAX_LISTENERS][RINGLINE_ADDRESS_SIZE];
	int naddresses;
	bool stats;
	struct ringline_config config;
	struct ringline_runtime *rt;
};

static void usage(FILE *to, const struct daemon *d)
{
	fprintf(to,
	        "usage: %s [OPTION]...\n"
	        "%s\n\n"
	        "  -l, --listen ADDRESS   tcp:ADDRESS:PORT, unix:/PATH or unix:@NAME; repeatable; port 0\n"
	        "                         picks one [%s]\n"
	        "  -b, --backend NAME     auto, io_uring or epoll [auto]\n"
	        "  -w, --workers NUMBER   worker threads [one per core]\n"
	        "      --stats            print counters on standard error at the end\n"
	        "      --help             this text\n%s",
	        d->name, d->example->purpose, d->example->address ? d->example->address : DEFAULT_ADDRESS, d->example->usage ? d->example->usage : "");
}

static bool parse_backend(struct daemon *d, const char *name)
{
	static const char *const names[] = { "auto", "io_uring", "epoll" };
	uint32_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], name))
			continue;
		d->config.backend = i;
		return true;
	}
	fprintf(stderr, "%s: \"%s\" is no backend: auto, io_uring or epoll\n", d->name, name);
	return false;
}

bool example_number(const char *text, unsigned long least, unsigned long most, unsigned long *ret)
{
	char *end;

	errno = 0;
	*ret = strtoul(text, &end, 10);
	if (!errno && end != text && !*end && *text != '-' && *ret >= least && *ret <= most)
		return true;
	fprintf(stderr, "\"%s\" is no number from %lu to %lu\n", text, least, most);
	return false;
}

static bool parse_workers(struct daemon *d, const char *text)
{
	unsigned long n;
	bool ok = example_number(text, 0, 1024, &n);

	d->config.workers = (uint32_t)n;
	return ok;
}

static bool add_address(struct daemon *d, const char *address)
{
	if (d->naddresses == MAX_LISTENERS) {
		fprintf(stderr, "%s: at most %d addresses\n", d->name, MAX_LISTENERS);
		return false;
	}
	d->address[d->naddresses++] = address;
	return true;
}

/* -1 to go on, or the status to exit with. */
static int parse(struct daemon *d, int argc, char **argv)
{
	const struct example_daemon *e = d->example;
	static const struct option options[] = {
		{ "listen", required_argument, NULL, 'l' }, { "backend", required_argument, NULL, 'b' },
		{ "workers", required_argument, NULL, 'w' }, { "stats", no_argument, NULL, 1 },
		{ "help", no_argument, NULL, 2 },            { NULL, 0, NULL, 0 },
	};
	char letters[64];
	bool ok = true;
	int c;

	snprintf(letters, sizeof(letters), "l:b:w:%s", e->options ? e->options : "");
	while (ok && (c = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		switch (c) {
		case 'l':
			ok = add_address(d, optarg);
			break;
		case 'b':
			ok = parse_backend(d, optarg);
			break;
		case 'w':
			ok = parse_workers(d, optarg);
			break;
		case 1:
			d->stats = true;
			break;
		case 2:
			usage(stdout, d);
			return 0;
		default:
			ok = c != '?' && e->option(c, optarg);
		}
	}
	if (ok && optind == argc && (!e->check || e->check()))
		return -1;
	if (ok && optind < argc)
		fprintf(stderr, "%s: unexpected argument \"%s\"\n", d->name, argv[optind]);
	fprintf(stderr, "Try \"%s --help\".\n", d->name);
	return 2;
}

static void print_log(int level, const char *message, void *arg)
{
	const struct daemon *d = arg;

	if (level <= 4)
		fprintf(stderr, "%s: %s\n", d->name, message);
}

/* The runtime runs this on each worker when it accepts; the first one speaks. */
static int announce(void *arg)
{
	const struct daemon *d = arg;
	int i;

	if (ringline_worker_index() != 0)
		return 0;
	for (i = 0; i < d->naddresses; i++)
		printf("listening on %s\n", d->bound[i]);
	fflush(stdout);
	return 0;
}

static int listen_all(struct daemon *d)
{
	const struct example_daemon *e = d->example;
	int i;

	for (i = 0; i < d->naddresses; i++) {
		int r = ringline_runtime_listen(d->rt, d->bound[i], d->address[i], e->serve, e->arg, e->listen);

		if (r < 0) {
			fprintf(stderr, "%s: %s: %s\n", d->name, d->address[i], strerror(-r));
			return r;
		}
	}
	return 0;
}

/* Counters */

/* What carried the bytes, from the counters of each operation rather than from what was asked for. */
static const char *engine(const struct ringline_runtime *rt)
{
	static const char *const operations[] = { "recv", "recv_pool", "send", "sendmsg", "readable", "writable" };
	uint64_t uring = 0;
	uint64_t epoll = 0;
	uint32_t w;
	size_t i;

	for (w = 0; w < ringline_runtime_workers(rt); w++) {
		for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
			uint64_t n = 0;

			if (ringline_worker_op_count(rt, w, operations[i], "io_uring", &n) == 0)
				uring += n;
			if (ringline_worker_op_count(rt, w, operations[i], "epoll", &n) == 0)
				epoll += n;
		}
	}
	if (uring && epoll)
		return "mixed";
	return uring ? "io_uring" : epoll ? "epoll" : "none";
}

static void print_stats(const struct ringline_runtime *rt)
{
	struct ringline_worker_stats sum = RINGLINE_WORKER_STATS_INIT;
	uint32_t w;

	for (w = 0; w < ringline_runtime_workers(rt); w++) {
		struct ringline_worker_stats s = RINGLINE_WORKER_STATS_INIT;

		if (ringline_worker_stats(rt, w, &s) < 0)
			return;
		sum.accepted += s.accepted;
		sum.bytes_received += s.bytes_received;
		sum.bytes_sent += s.bytes_sent;
		sum.operations_submitted += s.operations_submitted;
		sum.operations_ended += s.operations_ended;
		sum.system_calls += s.system_calls;
		sum.bytes_lent += s.bytes_lent;
		sum.bytes_spliced += s.bytes_spliced;
		sum.rejected += s.rejected;
		sum.starved += s.starved;
		sum.submission_flushes += s.submission_flushes;
		sum.completion_overflows += s.completion_overflows;
		sum.connections += s.connections;
		sum.processes += s.processes;
		sum.processes_spawned += s.processes_spawned;
		sum.processes_lost += s.processes_lost;
		sum.tasks_started += s.tasks_started;
		sum.tasks_ended += s.tasks_ended;
	}
	fprintf(stderr,
	        "engine=%s\naccepted=%llu\nbytes_received=%llu\nbytes_sent=%llu\noperations_submitted=%llu\n"
	        "operations_ended=%llu\nsystem_calls=%llu\nstarved=%llu\nsubmission_flushes=%llu\n"
	        "completion_overflows=%llu\nbytes_lent=%llu\nbytes_spliced=%llu\nrejected=%llu\n"
	        "connections=%llu\nprocesses=%llu\nprocesses_spawned=%llu\nprocesses_lost=%llu\ntasks_started=%llu\n"
	        "tasks_ended=%llu\n",
	        engine(rt), (unsigned long long)sum.accepted, (unsigned long long)sum.bytes_received,
	        (unsigned long long)sum.bytes_sent, (unsigned long long)sum.operations_submitted,
	        (unsigned long long)sum.operations_ended, (unsigned long long)sum.system_calls,
	        (unsigned long long)sum.starved, (unsigned long long)sum.submission_flushes,
	        (unsigned long long)sum.completion_overflows, (unsigned long long)sum.bytes_lent,
	        (unsigned long long)sum.bytes_spliced, (unsigned long long)sum.rejected,
	        (unsigned long long)sum.connections, (unsigned long long)sum.processes,
	        (unsigned long long)sum.processes_spawned, (unsigned long long)sum.processes_lost,
	        (unsigned long long)sum.tasks_started, (unsigned long long)sum.tasks_ended);
}

static int run(struct daemon *d)
{
	int r = listen_all(d);

	if (r < 0)
		return r;
	r = d->example->prepare ? d->example->prepare(d->rt) : 0;
	if (r == 0)
		r = ringline_runtime_on_start(d->rt, announce, d);
	if (r == 0)
		r = ringline_runtime_run(d->rt);
	if (r < 0)
		fprintf(stderr, "%s: %s\n", d->name, strerror(-r));
	else if (d->stats)
		print_stats(d->rt);
	return r;
}

int example_daemon_main(int argc, char **argv, const struct example_daemon *e)
{
	struct daemon d = { .example = e, .name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0],
		            .config = RINGLINE_CONFIG_INIT };
	int status = parse(&d, argc, argv);
	int r;

	if (status >= 0)
		return status;
	if (!d.naddresses)
		add_address(&d, e->address ? e->address : DEFAULT_ADDRESS);
	d.config.log = print_log;
	d.config.log_arg = &d;
	if (e->configure)
		e->configure(&d.config);
	r = ringline_runtime_new(&d.rt, &d.config);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", d.name, strerror(-r));
		return 1;
	}
	r = run(&d);
	ringline_runtime_free(d.rt);
	return r < 0;
}

int example_main(int argc, char **argv, const char *purpose, void (*serve)(struct ringline_conn *conn, void *arg), void *arg)
{
	struct example_daemon e = { .purpose = purpose, .serve = serve, .arg = arg };

	return example_daemon_main(argc, argv, &e);
}
