/* SPDX-License-Identifier: MIT */
/*
 * fanout [-n WANTED] [-t MILLISECONDS] TEXT ADDRESS...: sends a line to many servers, and prints the first three answers.
 *
 * One task per server, all in one scope. They tell what they have got through a channel; when enough have, or the time is over,
 * the scope is cancelled, and closing it waits until every task has let go of its connection: nothing is left behind, however
 * many servers never answer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ringline/ringline.h>

#define LINE 256

struct answer {
	const char *address;
	char line[LINE];
};

struct fanout {
	char **addresses;
	int servers;
	int wanted;
	uint64_t timeout;
	char request[LINE];
	struct ringline_chan *answers;
};

struct question {
	const struct fanout *fanout;
	const char *address;
};

static int exchange(struct ringline_conn *conn, const struct question *q, struct answer *a)
{
	const char *request = q->fanout->request;
	const void *line;
	ssize_t n = ringline_conn_send(conn, request, strlen(request));

	if (n >= 0)
		n = ringline_conn_peek_until(conn, "\n", 1, sizeof(a->line) - 1, &line);
	if (n < 0)
		return (int)n;
	memcpy(a->line, line, (size_t)n);
	a->line[n] = '\0';
	return 0;
}

/* One server. That it fails is no failure of the whole. */
static int ask(void *arg)
{
	struct question *q = arg;
	struct answer a = { .address = q->address };
	struct ringline_conn *conn;
	int r = ringline_connect(&conn, q->address, NULL);

	if (r == 0) {
		r = exchange(conn, q, &a);
		ringline_conn_close(conn);
	}
	if (r == 0)
		r = ringline_chan_send(q->fanout->answers, &a);
	free(q);
	return r;
}

static int ask_all(struct fanout *f)
{
	int i;

	for (i = 0; i < f->servers; i++) {
		struct question *q = malloc(sizeof(*q));
		int r;

		if (!q)
			return -ENOMEM;
		*q = (struct question){ f, f->addresses[i] };
		r = ringline_spawn(ask, q);
		if (r < 0) {
			free(q);
			return r;
		}
	}
	return 0;
}

static int print_first(struct fanout *f)
{
	struct answer a;
	int got = 0;

	while (got < f->wanted && ringline_chan_recv(f->answers, &a) == 0)
		got += printf("%s: %s", a.address, a.line) > 0;
	return got;
}

static int fan_out(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct fanout *f = arg;
	struct ringline_scope *scope;
	int got = 0;
	int r = ringline_chan_new(&f->answers, sizeof(struct answer), 1, NULL);

	if (r < 0)
		return r;
	o.flags = RINGLINE_SCOPE_COLLECT;
	o.deadline = ringline_now() + f->timeout;
	r = ringline_scope_open(&scope, &o);
	if (r == 0) {
		r = ask_all(f);
		if (r == 0)
			got = print_first(f);
		ringline_scope_cancel(scope);
		(void)ringline_scope_close(scope);    /* what became of the others is not asked */
	}
	ringline_chan_unref(f->answers);
	return r < 0 ? r : got;
}

int main(int argc, char **argv)
{
	struct fanout f = { .wanted = 3, .timeout = RINGLINE_NSEC_PER_SEC };
	int option;
	int got;

	while ((option = getopt(argc, argv, "n:t:")) != -1) {
		if (option == 'n')
			f.wanted = atoi(optarg);
		else if (option == 't')
			f.timeout = strtoull(optarg, NULL, 10) * RINGLINE_NSEC_PER_MSEC;
		else
			break;
	}
	if (option != -1 || argc - optind < 2 || f.wanted < 1 ||
	    snprintf(f.request, sizeof(f.request), "%s\n", argv[optind]) >= (int)sizeof(f.request)) {
		fprintf(stderr, "usage: %s [-n WANTED] [-t MILLISECONDS] TEXT ADDRESS...\n", argv[0]);
		return 2;
	}
	f.addresses = argv + optind + 1;
	f.servers = argc - optind - 1;
	got = ringline_run(NULL, fan_out, &f);
	if (got < 0)
		fprintf(stderr, "%s: %s\n", argv[0], strerror(-got));
	return got < f.wanted;
}
