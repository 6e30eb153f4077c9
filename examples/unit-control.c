/* SPDX-License-Identifier: MIT */
/* Control, from both ends; unit-control.h tells the protocol. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit-control.h"
#include "unit-log.h"
#include "unit-run.h"
#include "unit.h"

#define ALLOWED_MAX 16

static uint32_t allowed[ALLOWED_MAX];
static size_t nallowed;

bool control_allow(uint32_t uid)
{
	if (nallowed == ALLOWED_MAX)
		return false;
	allowed[nallowed++] = uid;
	return true;
}

static bool may(uint32_t uid)
{
	size_t i;

	for (i = 0; i < nallowed; i++)
		if (allowed[i] == uid)
			return true;
	return uid == 0 || uid == geteuid();
}

/* Answers: commands write them to a stream in memory, the last line too. */

static void say_unit(FILE *to, const struct unit *u)
{
	fprintf(to, "%-20s %-10s", u->conf->name, unit_state_name(u->state));
	if (u->run && unit_run_pid(u->run) > 0)
		fprintf(to, " pid=%lld", (long long)unit_run_pid(u->run));
	fprintf(to, " restarts=%lu", u->nstarts ? u->nstarts - 1 : 0);
	if (*u->status)
		fprintf(to, " \"%s\"", u->status);
	fputc('\n', to);
}

static void list(FILE *to)
{
	const struct unit *u;

	for (u = units; u; u = u->next)
		say_unit(to, u);
	fputs("ok\n", to);
}

static void status(FILE *to, const char *name)
{
	const struct unit *u = unit_find(name);
	size_t i;

	if (!u) {
		fputs("error: no such unit\n", to);
		return;
	}
	say_unit(to, u);
	for (i = 0; i < u->sockets.n; i++)
		fprintf(to, "listens on %s\n", u->sockets.s[i].bound);
	if (*u->result)
		fprintf(to, "last: %s\n", u->result);
	fputs("ok\n", to);
}

/* What it has come to, or that it is gone meanwhile. */
static void wait_until_settled(FILE *to, const char *name, bool start)
{
	const struct unit *u;
	int r = 0;

	while (r == 0 && (u = unit_find(name)) && !unit_settled(u))
		r = unit_wait_for_news();
	u = r == 0 ? unit_find(name) : NULL;
	if (r < 0)
		fprintf(to, "error: the supervisor ends\n");
	else if (start && !u)
		fprintf(to, "error: it is gone\n");
	else if (start && u->state == UNIT_FAILED)
		fprintf(to, "error: it %s\n", u->result);
	else
		fputs("ok\n", to);
}

static void change(FILE *to, const char *name, void (*wish)(struct unit *u))
{
	struct unit *u = unit_find(name);

	if (!u) {
		fputs("error: no such unit\n", to);
		return;
	}
	wish(u);
	wait_until_settled(to, name, wish != unit_stop);
}

/* A reading that is under way may not have seen what there is now: the next one has. */
static void reload(FILE *to)
{
	unsigned long wanted = units_reloads_begun + 1;
	int r = ringline_runtime_reload(ringline_runtime_current());

	while (r == 0 && units_reloads_ended < wanted)
		r = unit_wait_for_news();
	if (r < 0)
		fprintf(to, "error: %s\n", strerror(-r));
	else
		fputs("ok\n", to);
}

static void shut_down(FILE *to)
{
	fputs("ok\n", to);
	ringline_runtime_shutdown(ringline_runtime_current());
}

static void execute(FILE *to, const char *command, const char *name)
{
	if (!strcmp(command, "list") && !name)
		list(to);
	else if (!strcmp(command, "reload") && !name)
		reload(to);
	else if (!strcmp(command, "shutdown") && !name)
		shut_down(to);
	else if (!strcmp(command, "status") && name)
		status(to, name);
	else if (!strcmp(command, "start") && name)
		change(to, name, unit_start);
	else if (!strcmp(command, "stop") && name)
		change(to, name, unit_stop);
	else if (!strcmp(command, "restart") && name)
		change(to, name, unit_restart);
	else
		fputs("error: list, status NAME, start NAME, stop NAME, restart NAME, reload, shutdown\n", to);
}

/* The server's end */

/* Where no shutdown reaches it: whoever has asked for that is told so. */
static int answer(struct ringline_conn *conn, const char *text, size_t n)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *shield;
	ssize_t sent;
	int r;

	o.flags = RINGLINE_SCOPE_SHIELDED;
	o.deadline = ringline_now() + CONTROL_IDLE;
	r = ringline_scope_open(&shield, &o);
	if (r < 0)
		return r;
	sent = ringline_conn_send(conn, text, n);
	ringline_scope_close(shield);
	return sent < 0 ? (int)sent : 0;
}

static int carry_out(struct ringline_conn *conn, char *line)
{
	char *command = strtok_r(line, " ", &line);
	const char *name = strtok_r(NULL, " ", &line);
	size_t n = 0;
	char *text = NULL;
	FILE *to = open_memstream(&text, &n);
	int r;

	if (!to)
		return -ENOMEM;
	if (strtok_r(NULL, " ", &line))
		command = NULL;
	execute(to, command ? command : "", name);
	r = fclose(to) < 0 ? -ENOMEM : answer(conn, text, n);
	free(text);
	return r;
}

static int serve_line(struct ringline_conn *conn)
{
	static const char too_long[] = "error: the line is too long\n";
	char line[CONTROL_LINE_MAX];
	const void *data;
	ssize_t n = ringline_conn_peek_until(conn, "\n", 1, sizeof(line), &data);

	if (n == -EMSGSIZE)
		answer(conn, too_long, sizeof(too_long) - 1);
	if (n <= 0)
		return n < 0 ? (int)n : -ENODATA;
	memcpy(line, data, (size_t)n);
	line[n - 1] = 0;
	ringline_conn_consume(conn, (size_t)n);
	return carry_out(conn, line);
}

void control_serve(struct ringline_conn *conn, void *arg)
{
	static const char refused[] = "error: not allowed\n";
	struct ringline_peer_cred cred = { .size = sizeof(cred) };
	int r = ringline_conn_peer_cred(conn, &cred);

	(void)arg;
	if (r < 0 || !may(cred.uid)) {
		unit_log_say(NULL, "refused to be controlled by user %u, process %lld", r < 0 ? UINT32_MAX : cred.uid,
		             r < 0 ? -1 : (long long)cred.pid);
		answer(conn, refused, sizeof(refused) - 1);
		return;
	}
	r = ringline_conn_set_option(conn, RINGLINE_CONN_READ_TIMEOUT, CONTROL_IDLE);
	while (r == 0)
		r = serve_line(conn);
}

/* The client's end */

struct question {
	const char *socket;
	int argc;
	char **argv;
};

static int send_words(struct ringline_conn *conn, const struct question *q)
{
	char line[CONTROL_LINE_MAX];
	size_t n = 0;
	ssize_t sent;
	int i;

	for (i = 0; i < q->argc && n < sizeof(line); i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s", q->argv[i], i + 1 < q->argc ? " " : "\n");
	if (n >= sizeof(line))
		return -E2BIG;
	sent = ringline_conn_send(conn, line, n);
	return sent < 0 ? (int)sent : 0;
}

/* 0: it ends with "ok"; 1: with an error; -errno. */
static int print_answer(struct ringline_conn *conn)
{
	const void *data;
	ssize_t n;

	while ((n = ringline_conn_peek_until(conn, "\n", 1, 4096, &data)) > 0) {
		bool good = n == 3 && !memcmp(data, "ok\n", 3);
		bool bad = n > 6 && !memcmp(data, "error:", 6);

		if (!good)
			fwrite(data, 1, (size_t)n, bad ? stderr : stdout);
		ringline_conn_consume(conn, (size_t)n);
		if (good || bad)
			return bad;
	}
	return n < 0 ? (int)n : -ENODATA;
}

static int ask(void *arg)
{
	const struct question *q = arg;
	char address[RINGLINE_ADDRESS_SIZE];
	struct ringline_conn *conn;
	int r;

	snprintf(address, sizeof(address), "%s%s", strncmp(q->socket, "unix:", 5) ? "unix:" : "", q->socket);
	r = ringline_connect(&conn, address, NULL);
	if (r < 0)
		return r;
	r = send_words(conn, q);
	if (r == 0 || r == -EPIPE || r == -ECONNRESET)   /* who is turned away is told why */
		r = print_answer(conn);
	ringline_conn_close(conn);
	return r;
}

int control_ask(const char *socket, int argc, char **argv)
{
	struct question q = { .socket = socket, .argc = argc, .argv = argv };
	int r = ringline_run(NULL, ask, &q);

	if (r < 0)
		fprintf(stderr, "%s: %s\n", socket, strerror(-r));
	return r != 0;
}
