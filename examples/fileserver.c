/* SPDX-License-Identifier: MIT */
/*
 * An HTTP/1.1 server of static files.
 *
 *     fileserver [-d DIRECTORY] [-a ACCESS-LOG] [-l ADDRESS] ...
 *
 * One task per connection reads a request, answers it, and reads the next. Most requests want a small file that has just been
 * asked for: their answer lies ready (http-files.h), and nothing is waited for but the next request. Everything else goes the
 * long way, where each step that waits has a deadline of its own, in a scope that the end of the daemon does not reach:
 *
 *     next request --idle time--> head --head time--> quick answer ----------------------------------> next request
 *                                              \----> file --open time--> body --by its length--> body of the request
 *
 * When the daemon ends, each connection is given a moment for the request that may be on its way, answers it with
 * "Connection: close", and whatever has begun is finished: no request fails.
 *
 * The stack of a task stays as large as it once was, so what is long lies elsewhere: texts are made in memory of the worker's,
 * and queued as a copy before anybody else can run.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>

#include "common.h"
#include "http-files.h"
#include "http-listing.h"
#include "http-log.h"
#include "http-request.h"
#include "http-response.h"
#include "http-shield.h"

#define SECONDS      RINGLINE_NSEC_PER_SEC
#define BODY_MAX     (1u << 20)          /* bytes of a request's body, which nobody wants */
#define BODY_TIME    (30 * SECONDS)
#define OPEN_TIME    (30 * SECONDS)      /* until a file is open, or a listing made */
#define SEND_TIME    (30 * SECONDS)      /* for a response, and a second more for each SEND_RATE bytes */
#define SEND_RATE    (16u * 1024)
#define LINGER_TIME  (2 * SECONDS)       /* for what is still being sent to who has been refused */
#define LINGER_MAX   (256u * 1024)
#define MOMENT       (10 * RINGLINE_NSEC_PER_MSEC)
#define LISTINGS     4                   /* made at a time, on each worker */

static struct {
	const char *root;
	const char *log;
	bool no_listing;
	uint64_t idle;
	uint64_t head;
	uint64_t last;                   /* for a request that is on its way when the daemon ends */
	uint64_t drain;
	char boundary[20];               /* of multipart bodies; nobody can guess it, and so put it into a file */
} options = { .root = ".", .idle = 60 * SECONDS, .head = 10 * SECONDS, .last = 1 * SECONDS, .drain = 60 * SECONDS };

static struct ringline_listen_options limits = RINGLINE_LISTEN_OPTIONS_INIT;

/* Of each worker. */
static __thread struct {
	struct ringline_event *ready;    /* the root is open */
	struct ringline_waitgroup *clients;
	struct ringline_semaphore *listings;
	bool up;
	time_t second;                   /* of the date */
	char date[HTTP_DATE_SIZE];
	char name[PATH_MAX];
	char text[4 * PATH_MAX];
} worker;

struct client {
	struct ringline_conn *conn;
	struct http_request r;
	bool last;                       /* no request is read after this one */
	bool linger;                     /* the client may still be sending */
	bool broken;                     /* the response could not be finished */
	bool consumed;                   /* the head; what r points at is gone */
	int status;
	uint64_t sent;                   /* bytes of the response's body */
	char peer[64];
};

/* Texts */

static struct http_out out(void)
{
	return (struct http_out){ worker.text, sizeof(worker.text), 0, false };
}

static const char *date(void)
{
	time_t now = time(NULL);

	if (now != worker.second)
		http_date_format(worker.date, (int64_t)now);
	worker.second = now;
	return worker.date;
}

static void consume_head(struct client *c)
{
	if (!c->consumed)
		ringline_conn_consume(c->conn, c->r.length);
	c->consumed = true;
}

static int send_text(struct client *c, const struct http_out *o)
{
	return o->cut ? -ENOBUFS : ringline_conn_send_nowait(c->conn, o->bytes, o->len);
}

static int refuse_with(struct client *c, int status, const char *field, const char *value)
{
	struct http_out o = out();

	c->status = status;
	c->sent = http_refusal(&o, &c->r, status, date(), field, value, c->last);
	return send_text(c, &o);
}

static int refuse(struct client *c, int status)
{
	return refuse_with(c, status, NULL, NULL);
}

/* What a client learns of why a file cannot be had. */
static int status_of(int error)
{
	switch (error) {
	case -ENOENT:
	case -ENOTDIR:
	case -ELOOP:
	case -EXDEV:             /* it lies outside */
	case -ENAMETOOLONG:
		return 404;
	case -EACCES:
	case -EPERM:
	case -ENXIO:             /* a socket, or a device */
	case -ENODEV:
		return 403;
	case -EAGAIN:
	case -EMFILE:
	case -ENFILE:
	case -ESHUTDOWN:
	case -ENOMEM:
	case -ENOBUFS:
	case -ENODATA:           /* it got shorter meanwhile */
	case -ETIME:
		return 503;
	default:
		return 500;
	}
}

/* Bodies */

static void begin_file(struct http_out *o, int status, const struct http_file *f)
{
	http_begin(o, status, date());
	http_field(o, "Last-Modified", f->modified_date);
	http_field(o, "ETag", f->etag);
	http_field(o, "Accept-Ranges", "bytes");
}

static void add_content_range(struct http_out *o, const struct http_range *range, uint64_t length)
{
	http_add_text(o, "Content-Range: bytes ");
	http_add_number(o, range->offset);
	http_add_text(o, "-");
	http_add_number(o, range->offset + range->len - 1);
	http_add_text(o, "/");
	http_add_number(o, length);
	http_add_text(o, "\r\n");
}

static int send_bytes(struct client *c, struct http_file *f, const struct http_range *range)
{
	int64_t n = 0;

	if (f->body && range->len == f->length)
		n = ringline_conn_send_buf(c->conn, f->body);
	else if (range->len)
		n = ringline_file_send(f->file, range->offset, range->len, c->conn);
	if (n < 0)
		return (int)n;
	c->sent += range->len;
	return 0;
}

/* All of a file, or a part. */
static int send_one(struct client *c, struct http_file *f, const struct http_range *range)
{
	struct http_out o = out();
	int r;

	begin_file(&o, c->status, f);
	http_field(&o, "Content-Type", f->type);
	http_field_number(&o, "Content-Length", range->len);
	if (c->status == 206)
		add_content_range(&o, range, f->length);
	http_end(&o, &c->r, c->last);
	r = send_text(c, &o);
	return r == 0 && c->r.method == HTTP_GET ? send_bytes(c, f, range) : r;
}

/* What is before a part, or behind the last one. */
static struct http_out part_head(const struct http_file *f, const struct http_range *range)
{
	struct http_out o = out();

	http_add_text(&o, "\r\n--");
	http_add_text(&o, options.boundary);
	if (!range) {
		http_add_text(&o, "--\r\n");
		return o;
	}
	http_add_text(&o, "\r\n");
	http_field(&o, "Content-Type", f->type);
	add_content_range(&o, range, f->length);
	http_add_text(&o, "\r\n");
	return o;
}

static uint64_t length_of_parts(const struct http_file *f, const struct http_range *ranges, int n)
{
	uint64_t length = part_head(f, NULL).len;
	int i;

	for (i = 0; i < n; i++)
		length += part_head(f, &ranges[i]).len + ranges[i].len;
	return length;
}

static int send_part_head(struct client *c, const struct http_file *f, const struct http_range *range)
{
	struct http_out o = part_head(f, range);
	int r = send_text(c, &o);

	c->sent += r == 0 ? o.len : 0;
	return r;
}

static int send_parts(struct client *c, struct http_file *f, const struct http_range *ranges, int n)
{
	uint64_t length = length_of_parts(f, ranges, n);
	struct http_out o = out();
	int i;
	int r;

	begin_file(&o, c->status, f);
	http_add_text(&o, "Content-Type: multipart/byteranges; boundary=");
	http_add_text(&o, options.boundary);
	http_add_text(&o, "\r\n");
	http_field_number(&o, "Content-Length", length);
	http_end(&o, &c->r, c->last);
	r = send_text(c, &o);
	for (i = 0; i < n && r == 0; i++) {
		r = send_part_head(c, f, &ranges[i]);
		if (r == 0)
			r = send_bytes(c, f, &ranges[i]);
	}
	return r == 0 ? send_part_head(c, f, NULL) : r;
}

static uint64_t time_to_send(uint64_t bytes)
{
	return ringline_now() + SEND_TIME + bytes / SEND_RATE * SECONDS;
}

static int send_ranges(struct client *c, struct http_file *f, const struct http_range *ranges, int n)
{
	struct ringline_scope *scope;
	int r;

	consume_head(c);
	r = http_shield(&scope, time_to_send(f->length));
	if (r < 0)
		return r;
	r = n > 1 ? send_parts(c, f, ranges, n) : send_one(c, f, ranges);
	ringline_scope_close(scope);
	c->broken = r < 0;
	return r;
}

/* Files */

static int not_modified(struct client *c, const struct http_file *f)
{
	struct http_out o = out();

	c->status = 304;
	begin_file(&o, 304, f);
	http_end(&o, &c->r, c->last);
	return send_text(c, &o);
}

static int not_satisfiable(struct client *c, const struct http_file *f)
{
	char text[32];

	snprintf(text, sizeof(text), "bytes */%llu", (unsigned long long)f->length);
	return refuse_with(c, 416, "Content-Range", text);
}

static int answer_file(struct client *c, struct http_file *f)
{
	struct http_range ranges[HTTP_RANGES_MAX];
	int n;

	c->status = http_condition(&c->r, f->etag, f->modified);
	if (c->status == 304)
		return not_modified(c, f);
	if (c->status)
		return refuse(c, c->status);
	n = http_ranges(&c->r, f->etag, f->modified, f->length, ranges);
	if (n < 0)
		return not_satisfiable(c, f);
	c->status = n ? 206 : 200;
	if (n)
		return send_ranges(c, f, ranges, n);
	ranges[0] = (struct http_range){ 0, f->length };
	return send_ranges(c, f, ranges, 1);
}

/* Opens, with a deadline, a name that lies in memory of the worker's. */
static int get(struct http_file **ret, const char *name)
{
	struct ringline_scope *scope;
	int r = http_shield(&scope, ringline_now() + OPEN_TIME);

	if (r < 0)
		return r;
	r = http_files_get(ret, name);
	ringline_scope_close(scope);
	return r;
}

/* Directories */

/* To the same with a slash. The name is encoded anew, and has one slash before it: "//" would lead to another server. */
static int redirect(struct client *c, const struct http_file *f)
{
	char *url = worker.text + sizeof(worker.text) / 2;
	struct http_out o = { url, sizeof(worker.text) / 2, 1, false };
	struct http_out all = { worker.text, sizeof(worker.text) / 2, 0, false };

	url[0] = '/';
	if (strcmp(f->name, ".") != 0) {
		o.len += http_encode(url + 1, o.size - 1, f->name);
		o.cut = o.len >= o.size;
		if (!o.cut && url[o.len - 1] != '/')
			http_add_text(&o, "/");
	}
	if (c->r.query.at)
		http_add(&o, c->r.query.at, c->r.query.len);
	http_add(&o, "", 1);
	if (o.cut)
		return refuse(c, 414);
	c->status = 301;
	c->sent = http_refusal(&all, &c->r, 301, date(), "Location", url, c->last);
	return send_text(c, &all);
}

static int send_page(struct client *c, const struct http_out *page)
{
	struct http_out o = out();
	struct ringline_scope *scope;
	ssize_t n;
	int r;

	c->status = 200;
	http_begin(&o, 200, date());
	http_field(&o, "Content-Type", "text/html; charset=utf-8");
	http_field_number(&o, "Content-Length", page->len);
	http_end(&o, &c->r, c->last);
	r = send_text(c, &o);
	if (r < 0 || c->r.method == HTTP_HEAD)
		return r;
	r = http_shield(&scope, time_to_send(page->len));
	if (r < 0)
		return r;
	n = ringline_conn_send(c->conn, page->bytes, page->len);
	ringline_scope_close(scope);
	c->sent = n < 0 ? 0 : page->len;
	c->broken = n < 0;
	return n < 0 ? (int)n : 0;
}

static int make_page(struct http_out *page, struct http_file *f)
{
	struct ringline_scope *scope;
	int r = http_shield(&scope, ringline_now() + OPEN_TIME);

	if (r < 0)
		return r;
	r = ringline_semaphore_acquire(worker.listings, 1);
	if (r == 0) {
		snprintf(worker.name, sizeof(worker.name), "/%s", strcmp(f->name, ".") != 0 ? f->name : "");
		r = http_listing(page, f->file, worker.name);
		ringline_semaphore_release(worker.listings, 1);
	}
	ringline_scope_close(scope);
	return r;
}

static int answer_listing(struct client *c, struct http_file *f)
{
	struct http_out page;
	int r;

	consume_head(c);
	if (options.no_listing)
		return refuse(c, 403);
	r = make_page(&page, f);
	if (r < 0)
		return refuse(c, status_of(r));
	r = send_page(c, &page);
	free(page.bytes);
	return r;
}

static int answer_directory(struct client *c, struct http_file *f)
{
	size_t len = strlen(f->name);
	struct http_file *index;
	int r;

	if (c->r.path.at[c->r.path.len - 1] != '/')
		return redirect(c, f);
	snprintf(worker.name, sizeof(worker.name), "%s%sindex.html", f->name, f->name[len - 1] == '/' ? "" : "/");
	r = get(&index, worker.name);
	if (r == -ENOENT)
		return answer_listing(c, f);
	if (r < 0)
		return refuse(c, status_of(r));
	r = index->directory ? answer_listing(c, f) : answer_file(c, index);
	http_files_put(index);
	return r;
}

/* Requests */

static int answer_options(struct client *c)
{
	struct http_out o = out();

	c->status = 204;
	http_begin(&o, 204, date());
	http_field(&o, "Allow", "GET, HEAD, OPTIONS");
	http_end(&o, &c->r, c->last);
	return send_text(c, &o);
}

static int answer_path(struct client *c)
{
	struct http_file *f;
	int status = http_path(worker.name, sizeof(worker.name), c->r.path);
	int r;

	if (status)
		return refuse(c, status);
	r = get(&f, worker.name);
	if (r < 0)
		return refuse(c, status_of(r));
	r = f->directory ? answer_directory(c, f) : answer_file(c, f);
	http_files_put(f);
	return r;
}

/* status: of a request that was none, or 0. */
static int answer(struct client *c, int status)
{
	if (status)
		return refuse(c, status);
	switch (c->r.method) {
	case HTTP_GET:
	case HTTP_HEAD:
		return answer_path(c);
	case HTTP_OPTIONS:
		return answer_options(c);
	case HTTP_UNSUPPORTED:
		return refuse_with(c, 405, "Allow", "GET, HEAD, OPTIONS");
	default:
		return refuse(c, 501);
	}
}

/* Reads on until the body of the request, which means nothing here, is over. */
static int skip_some(struct client *c, struct http_chunks *chunks, uint64_t *left)
{
	const void *data;
	ssize_t n = ringline_conn_peek(c->conn, &data);
	size_t used = (size_t)n;
	int status = HTTP_MORE;

	if (n <= 0)
		return -ECONNRESET;
	if (c->r.chunked)
		status = http_chunks(chunks, data, (size_t)n, &used);
	if (used > *left)
		used = (size_t)*left;
	*left -= used;
	ringline_conn_consume(c->conn, used);
	if (c->r.chunked ? status == HTTP_DONE : !*left)
		return 0;
	return status == HTTP_MORE && *left ? -EINPROGRESS : -EPROTO;
}

static int skip_body(struct client *c)
{
	struct http_chunks chunks = { 0 };
	uint64_t left = c->r.chunked ? BODY_MAX : c->r.body;
	struct ringline_scope *scope;
	int r = http_shield(&scope, ringline_now() + BODY_TIME);

	if (r < 0)
		return r;
	do
		r = skip_some(c, &chunks, &left);
	while (r == -EINPROGRESS);
	ringline_scope_close(scope);
	return r;
}

/* Room for what is queued without waiting: who sends requests and does not read the answers has to wait. */
static int make_room(struct client *c)
{
	struct ringline_scope *scope;
	int r = http_shield(&scope, ringline_now() + SEND_TIME);

	if (r < 0)
		return r;
	r = ringline_conn_wait_writable(c->conn);
	ringline_scope_close(scope);
	return r;
}

/* A response that may take time, or is a refusal. False: the connection is at its end. */
static bool answer_slowly(struct client *c, int status)
{
	struct http_log_line *line = http_log_begin(c->peer, &c->r);
	bool body = c->r.body || c->r.chunked;
	int r;

	if (c->r.body > BODY_MAX && !status)
		status = 413;
	if (status || (body && c->r.expects_continue)) {
		c->last = true;
		c->linger = true;
	}
	c->status = 0;
	c->sent = 0;
	c->consumed = false;
	r = make_room(c);
	if (r == 0)
		r = answer(c, status);
	consume_head(c);
	http_log_end(line, c->status, c->sent);
	if (r == 0 && body && !c->last)
		r = skip_body(c);
	return r == 0 && !c->last;
}

/* A small file that is at hand, and nothing special about the request. False: not so. */
static bool answer_quickly(struct client *c)
{
	const struct http_request *r = &c->r;
	struct http_file *f;
	bool sent;

	if (c->last || r->method != HTTP_GET || !r->minor || r->body || r->chunked || r->range.at || r->if_match.at ||
	    r->if_none_match.at || r->if_modified_since.at || r->if_unmodified_since.at)
		return false;
	if (http_path(worker.name, sizeof(worker.name), r->path))
		return false;
	f = http_files_find(worker.name);
	if (!f)
		return false;
	sent = f->whole && ringline_conn_send_buf(c->conn, f->whole) == 0;
	if (sent) {
		http_log_end(http_log_begin(c->peer, r), 200, f->length);
		ringline_conn_consume(c->conn, r->length);
	}
	http_files_put(f);
	return sent;
}

/* Waits for bytes of a request. When the daemon ends there may be one on its way. */
static ssize_t wait_for_request(struct client *c, const void **data)
{
	ssize_t n = ringline_conn_peek(c->conn, data);
	struct ringline_scope *scope;

	if (n != -ECANCELED)
		return n;
	c->last = true;
	n = http_shield(&scope, ringline_now() + options.last);
	if (n < 0)
		return n;
	n = ringline_conn_peek(c->conn, data);
	ringline_scope_close(scope);
	return n;
}

/* Waits for the rest of a head, of which n bytes are there. As http_parse(), or -errno: it does not come. */
static int read_rest(struct client *c, size_t n)
{
	struct ringline_scope *scope;
	int status = http_shield(&scope, ringline_now() + options.head);

	if (status < 0)
		return status;
	for (status = HTTP_MORE; status == HTTP_MORE;) {
		const void *data;
		ssize_t more = ringline_conn_peek_at_least(c->conn, n + 1, &data);

		if (more <= 0)
			status = more == -ETIME || more == -ETIMEDOUT ? 408 : -ECONNRESET;
		else if (more >= HTTP_HEAD_MAX || memchr((const char *)data + n, '\n', (size_t)more - n))
			status = http_parse(&c->r, data, (size_t)more);
		n = more > 0 ? (size_t)more : n;
	}
	ringline_scope_close(scope);
	return status;
}

/* HTTP_DONE, the status of a refusal, or -errno: there is no request any more. */
static int read_request(struct client *c)
{
	const void *data;
	ssize_t n = wait_for_request(c, &data);
	int status;

	if (n <= 0)
		return -ECONNRESET;
	status = http_parse(&c->r, data, (size_t)n);
	if (status == HTTP_MORE)
		status = read_rest(c, (size_t)n);
	return status;
}

static bool exchange(struct client *c)
{
	int status = read_request(c);

	if (status < 0)
		return false;
	if (status == 408)
		c->r = (struct http_request){ 0 };       /* what has come since may have moved it */
	c->last = c->last || !c->r.keep_alive;
	return (!status && answer_quickly(c)) || answer_slowly(c, status);
}

/* Connections */

/* "tcp:192.0.2.1:80" is 192.0.2.1 to the log, "tcp:[2001:db8::1]:80" 2001:db8::1. */
static void find_peer(struct client *c)
{
	char text[RINGLINE_ADDRESS_SIZE] = "-";
	const char *begin = text;
	char *end;

	ringline_conn_peer(c->conn, text, sizeof(text));
	if (!strncmp(text, "tcp:", 4)) {
		end = strrchr(text, ':');
		begin += 4;
		if (*begin == '[') {
			begin++;
			end--;
		}
		*end = '\0';
	}
	snprintf(c->peer, sizeof(c->peer), "%.*s", (int)sizeof(c->peer) - 1, begin);
}

/* Reads what comes for a while, because closing on unread bytes would have the refusal lost on its way. */
static void linger(struct client *c)
{
	struct ringline_scope *scope;
	size_t seen = 0;
	const void *data;
	ssize_t n;

	ringline_conn_shutdown_write(c->conn);
	if (http_shield(&scope, ringline_now() + LINGER_TIME) < 0)
		return;
	while (seen < LINGER_MAX && (n = ringline_conn_peek(c->conn, &data)) > 0) {
		ringline_conn_consume(c->conn, (size_t)n);
		seen += (size_t)n;
	}
	ringline_scope_close(scope);
}

static void serve(struct ringline_conn *conn, void *arg)
{
	struct client c = { .conn = conn };

	(void)arg;
	if (!worker.up && ringline_event_wait(worker.ready) < 0)
		return;
	if (options.log)
		find_peer(&c);
	ringline_waitgroup_add(worker.clients, 1);
	if (ringline_conn_set_option(conn, RINGLINE_CONN_READ_TIMEOUT, options.idle) == 0 &&
	    ringline_conn_set_option(conn, RINGLINE_CONN_WRITE_TIMEOUT, SEND_TIME) == 0)
		while (exchange(&c))
			;
	if (c.broken)
		ringline_conn_abort(conn);
	else if (c.linger)
		linger(&c);
	ringline_waitgroup_done(worker.clients);
}

/* Workers */

static int prepare_worker(void)
{
	int r = ringline_event_new(&worker.ready, NULL);

	if (r == 0)
		r = ringline_waitgroup_new(&worker.clients, NULL);
	if (r == 0)
		r = ringline_semaphore_new(&worker.listings, LISTINGS, NULL);
	if (r == 0)
		r = http_files_open(options.root);
	if (r < 0)
		fprintf(stderr, "fileserver: %s: %s\n", options.root, strerror(-r));
	else if ((r = http_log_open(options.log)) < 0)
		fprintf(stderr, "fileserver: %s: %s\n", options.log, strerror(-r));
	return r;
}

/* The last connections end by themselves. Who is just being let in counts among them. */
static void end_worker(void)
{
	struct ringline_scope *scope;

	if (http_shield(&scope, 0) < 0)
		return;
	ringline_sleep(MOMENT);
	ringline_waitgroup_wait(worker.clients);
	worker.up = false;
	http_files_close();
	http_log_close();
	ringline_scope_close(scope);
}

/* Looks after the worker as long as it lives. */
static int keep_house(void *arg)
{
	int r = prepare_worker();

	(void)arg;
	if (r < 0)
		return r;
	worker.up = true;
	ringline_event_set(worker.ready);
	while (ringline_sleep(1 * SECONDS) != -ECANCELED) {
		http_files_expire();
		http_log_flush();
	}
	end_worker();
	ringline_semaphore_free(worker.listings);
	ringline_waitgroup_free(worker.clients);
	ringline_event_free(worker.ready);
	return 0;
}

static int prepare(struct ringline_runtime *rt)
{
	struct rlimit files;
	uint64_t random;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;         /* connections and open files are many */
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -errno;
	snprintf(options.boundary, sizeof(options.boundary), "%016llx", (unsigned long long)random);
	return ringline_runtime_on_start(rt, keep_house, NULL);
}

/* Options */

static void configure(struct ringline_config *config)
{
	config->drain_timeout = options.drain;
}

static bool take_seconds(uint64_t *to, const char *value)
{
	unsigned long n;

	if (!example_number(value, 1, 1000000, &n))
		return false;
	*to = n * SECONDS;
	return true;
}

static bool take_count(uint32_t *to, const char *value)
{
	unsigned long n;

	if (!example_number(value, 1, 1000000, &n))
		return false;
	*to = (uint32_t)n;
	return true;
}

static bool take_option(int letter, const char *value)
{
	switch (letter) {
	case 'd':
		options.root = value;
		return true;
	case 'a':
		options.log = value;
		return true;
	case 'n':
		options.no_listing = true;
		return true;
	case 'k':
		return take_seconds(&options.idle, value);
	case 't':
		return take_seconds(&options.head, value);
	case 'q':
		return take_seconds(&options.last, value);
	case 'g':
		return take_seconds(&options.drain, value);
	case 'm':
		return take_count(&limits.max_connections, value);
	default:
		return take_count(&limits.max_per_source, value);
	}
}

int main(int argc, char **argv)
{
	static const struct example_daemon fileserver = {
		.purpose = "Serves files by HTTP/1.1.",
		.usage = "  -d DIRECTORY           what is served [.]\n"
		         "  -a FILE                access log, in the combined format [none]\n"
		         "  -n                     no listings of directories\n"
		         "  -k SECONDS             how long a connection may be idle [60]\n"
		         "  -t SECONDS             how long the head of a request may take [10]\n"
		         "  -q SECONDS             how long a request that may be on its way is waited for when the daemon ends [1]\n"
		         "  -g SECONDS             how long what has begun may take when the daemon ends [60]\n"
		         "  -m NUMBER              connections at a time [no limit]\n"
		         "  -p NUMBER              connections from one source at a time [no limit]\n",
		.options = "d:a:nk:t:q:g:m:p:",
		.option = take_option,
		.configure = configure,
		.prepare = prepare,
		.serve = serve,
		.listen = &limits,
	};

	return example_daemon_main(argc, argv, &fileserver);
}
