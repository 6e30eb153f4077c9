/* SPDX-License-Identifier: MIT */
/*
 * A chat: what one member says in a line, all others read. The first line is the name.
 *
 * Members belong to the worker that accepted them. A line goes to each worker once, as a task there; the worker makes one
 * buffer of it, and all its members' connections send from that. Nobody waits for a slow member: when as much is queued as
 * its connection allows, it is put out.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"

#define NAME_MAX_LEN 32
#define LINE_MAX_LEN 1000
#define PART_BYTES   (64u * 1024)        /* of one that is put out: what is still read from it */
#define PART_TIME    2000000000u         /* nanoseconds: for how long */
#define WORKERS_MAX  1024

struct member {
	struct member *next;
	struct ringline_conn *conn;
	uint64_t id;
	char name[NAME_MAX_LEN + 1];
};

/* Each worker touches its own only. */
static struct member *members[WORKERS_MAX];

struct line {
	uint64_t from;                    /* the member that said it, on its own worker; 0 elsewhere */
	size_t len;
	char text[];
};

/* On each worker */

static int tell_members(void *arg)
{
	struct line *l = arg;
	struct ringline_buf *buf;
	struct member *m;

	if (ringline_buf_new(&buf, l->text, l->len) == 0) {
		for (m = members[ringline_worker_index()]; m; m = m->next)
			if (m->id != l->from && ringline_conn_send_buf(m->conn, buf) == -EAGAIN)
				ringline_conn_abort(m->conn);   /* its task finds out */
		ringline_buf_unref(buf);
	}
	free(l);
	return 0;
}

static struct line *line_new(uint64_t from, const char *name, const char *text, size_t len)
{
	size_t size = NAME_MAX_LEN + len + 4;
	struct line *l = malloc(sizeof(*l) + size);

	if (!l)
		return NULL;
	l->from = from;
	l->len = (size_t)snprintf(l->text, size, "%s%.*s\n", name, (int)len, text);
	return l;
}

static void say(const struct member *m, const char *between, const char *text, size_t len)
{
	struct ringline_runtime *rt = ringline_runtime_current();
	char prefix[NAME_MAX_LEN + 3];
	uint32_t w;

	snprintf(prefix, sizeof(prefix), "%s%s", m->name, between);
	for (w = 0; w < ringline_runtime_workers(rt); w++) {
		struct line *l = line_new((int)w == ringline_worker_index() ? m->id : 0, prefix, text, len);

		if (l && ringline_worker_spawn(rt, w, tell_members, l) < 0)
			free(l);
	}
}

/* A member */

/* A line without its end, in place; its length with the end, or what peek_until() says. */
static ssize_t read_line(struct ringline_conn *conn, const char **text, size_t *len)
{
	const void *data;
	ssize_t n = ringline_conn_peek_until(conn, "\n", 1, LINE_MAX_LEN, &data);

	if (n <= 0)
		return n;
	*text = data;
	*len = (size_t)n - 1;
	if (*len && (*text)[*len - 1] == '\r')
		--*len;
	return n;
}

static bool enter(struct member *m)
{
	static const char welcome[] = "* welcome\n";
	const char *text;
	size_t len;
	ssize_t n = read_line(m->conn, &text, &len);

	if (n <= 0 || !len || len > NAME_MAX_LEN || ringline_conn_send_nowait(m->conn, welcome, sizeof(welcome) - 1) < 0)
		return false;
	memcpy(m->name, text, len);
	m->name[len] = '\0';
	ringline_conn_consume(m->conn, (size_t)n);
	m->next = members[ringline_worker_index()];
	members[ringline_worker_index()] = m;
	say(m, " ", "enters", 6);
	return true;
}

static void leave(struct member *m)
{
	struct member **at = &members[ringline_worker_index()];

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	say(m, " ", "leaves", 6);
}

/*
 * Tells why one is put out, and reads for a while what it still sends: a connection that is closed with bytes unread is
 * reset, and the other side may then never see what it was told.
 */
static void put_out(struct ringline_conn *conn, const char *why)
{
	struct ringline_scope_options o = { .size = sizeof(o), .deadline = ringline_now() + PART_TIME };
	struct ringline_scope *scope;
	const void *data;
	size_t seen = 0;
	ssize_t n;

	if (ringline_scope_open(&scope, &o) < 0)
		return;                   /* without a word */
	if (ringline_conn_send(conn, why, strlen(why)) < 0 || ringline_conn_shutdown_write(conn) < 0)
		ringline_conn_abort(conn);
	else
		while (seen < PART_BYTES && (n = ringline_conn_peek(conn, &data)) > 0) {
			ringline_conn_consume(conn, (size_t)n);
			seen += (size_t)n;
		}
	ringline_scope_close(scope);
}

static void serve(struct ringline_conn *conn, void *arg)
{
	struct member m = { .conn = conn, .id = ringline_conn_id(conn) };
	const char *text;
	size_t len;
	ssize_t n;

	(void)arg;
	if (!enter(&m))
		return;
	while ((n = read_line(conn, &text, &len)) > 0) {
		say(&m, ": ", text, len);
		ringline_conn_consume(conn, (size_t)n);
	}
	leave(&m);
	if (n == -EMSGSIZE)
		put_out(conn, "* that line is too long\n");
}

int main(int argc, char **argv)
{
	return example_main(argc, argv, "Passes on to all what one says.", serve, NULL);
}
