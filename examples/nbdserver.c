/* SPDX-License-Identifier: MIT */
/*
 * An NBD server: files and block devices, for qemu, nbdcopy, the kernel's client and others.
 *
 * A connection haggles, within a deadline, about what it wants (nbd-handshake.h), opens its export, and then sends requests
 * (nbd-session.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common.h"
#include "nbd-export.h"
#include "nbd-job.h"
#include "nbd-session.h"

static struct ringline_listen_options limits = RINGLINE_LISTEN_OPTIONS_INIT;
static uint32_t haggle_seconds = 30;

/* Haggling */

static int skip(struct ringline_conn *conn, size_t left)
{
	while (left) {
		const void *data;
		ssize_t n = ringline_conn_peek(conn, &data);

		if (n <= 0)
			return n < 0 ? (int)n : -ENODATA;
		n = (size_t)n < left ? n : (ssize_t)left;
		ringline_conn_consume(conn, (size_t)n);
		left -= (size_t)n;
	}
	return 0;
}

/* Lends n bytes; 0 or -errno, the end of the stream among them. */
static int wait_for(struct ringline_conn *conn, size_t n, const void **data)
{
	ssize_t r;

	*data = "";
	r = n ? ringline_conn_peek_at_least(conn, n, data) : 1;
	return r > 0 ? 0 : r < 0 ? (int)r : -ENODATA;
}

static int answer(struct ringline_conn *conn, const struct nbd_handshake *h)
{
	ssize_t n = ringline_conn_send(conn, h->answer, h->length);

	return n < 0 ? (int)n : 0;
}

/* The export is opened before the client is told that it has it. */
static enum nbd_step enter(struct nbd_handshake *h, const struct nbd_option *o, struct ringline_file **file)
{
	int r = nbd_export_open(file, h->chosen);

	return r < 0 ? nbd_handshake_refuse(h, o, NBD_REP_ERR_UNKNOWN, "cannot be opened") : NBD_ENTER;
}

static int haggle_once(struct ringline_conn *conn, struct nbd_handshake *h, struct ringline_file **file, enum nbd_step *step)
{
	struct nbd_option o;
	const void *data;
	int r = wait_for(conn, NBD_OPTION, &data);

	if (r < 0)
		return r;
	if (!nbd_get_option(&o, data))
		return -EPROTO;
	ringline_conn_consume(conn, NBD_OPTION);
	if (o.length <= NBD_OPTION_MAX)
		r = wait_for(conn, o.length, &data);
	if (r == 0)
		*step = nbd_handshake_option(h, &o, data);
	if (r == 0)
		r = skip(conn, o.length);
	if (r == 0 && *step == NBD_ENTER)
		*step = enter(h, &o, file);
	return r == 0 ? answer(conn, h) : r;
}

/* Whoever has been let in is greeted, even if the server is about to end: to be turned away without a word is an error to clients. */
static int greet(struct ringline_conn *conn)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	unsigned char greeting[NBD_GREETING];
	struct ringline_scope *shield;
	ssize_t n;
	int r;

	nbd_put_greeting(greeting);
	o.flags = RINGLINE_SCOPE_SHIELDED;
	r = ringline_scope_open(&shield, &o);
	if (r < 0)
		return r;
	n = ringline_conn_send(conn, greeting, sizeof(greeting));
	ringline_scope_close(shield);
	return n < 0 ? (int)n : 0;
}

static int haggle(struct ringline_conn *conn, struct nbd_handshake *h, struct ringline_file **file)
{
	enum nbd_step step = NBD_HAGGLE;
	const void *data;
	int r;

	r = greet(conn);
	if (r == 0)
		r = wait_for(conn, NBD_CLIENT_FLAGS, &data);
	if (r == 0 && !nbd_handshake_flags(h, nbd_get32(data)))
		r = -EPROTO;
	if (r == 0)
		ringline_conn_consume(conn, NBD_CLIENT_FLAGS);
	while (r == 0 && step == NBD_HAGGLE)
		r = haggle_once(conn, h, file, &step);
	return r == 0 && step == NBD_LEAVE ? -ECONNABORTED : r;
}

/* 0 and the file, if the client has agreed on something. */
static int negotiate(struct ringline_conn *conn, struct ringline_file **file, struct nbd_terms *terms)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct nbd_handshake *h = malloc(sizeof(*h));
	const struct nbd_export_info *exports;
	struct ringline_scope *scope;
	int r = h ? 0 : -ENOMEM;
	int n;

	*file = NULL;
	exports = nbd_exports(&n);
	o.deadline = ringline_now() + haggle_seconds * RINGLINE_NSEC_PER_SEC;
	if (r == 0)
		r = ringline_scope_open(&scope, &o);
	if (r == 0) {
		nbd_handshake_init(h, exports, n);
		r = haggle(conn, h, file);
		ringline_scope_close(scope);
	}
	if (r == 0)
		*terms = nbd_handshake_terms(h);
	free(h);
	return r;
}

static void serve(struct ringline_conn *conn, void *arg)
{
	struct ringline_file *file;
	struct nbd_terms terms;

	(void)arg;
	if (negotiate(conn, &file, &terms) == 0)
		nbd_session_run(conn, file, &terms);
	ringline_file_close(file);
}

/* Options */

static bool take_number(const char *value, unsigned long least, uint32_t *ret)
{
	unsigned long n;

	if (!example_number(value, least, 1000000, &n))
		return false;
	*ret = (uint32_t)n;
	return true;
}

static bool take_option(int letter, const char *value)
{
	switch (letter) {
	case 'e':
	case 'r':
		return nbd_export_add(value, letter == 'r');
	case 'm':
		return take_number(value, 0, &limits.max_connections);
	case 's':
		return take_number(value, 0, &limits.max_per_source);
	default:
		return take_number(value, 1, &haggle_seconds);
	}
}

static bool has_exports(void)
{
	int n;

	nbd_exports(&n);
	if (!n)
		fputs("nbdserver: of what? -e FILE\n", stderr);
	return n;
}

int main(int argc, char **argv)
{
	static const struct example_daemon nbdserver = {
		.purpose = "Serves files and block devices over NBD.",
		.usage = "  -e [NAME=]FILE         exports it; repeatable; the first is the default export\n"
		         "  -r [NAME=]FILE         the same, for reading only\n"
		         "  -m NUMBER              connections at a time [no limit]\n"
		         "  -s NUMBER              connections at a time from one address [no limit]\n"
		         "  -t SECONDS             time to agree on an export [30]\n",
		.options = "e:r:m:s:t:",
		.option = take_option,
		.check = has_exports,
		.serve = serve,
		.listen = &limits,
	};
	int status = example_daemon_main(argc, argv, &nbdserver);

	nbd_jobs_fini();
	return status;
}
