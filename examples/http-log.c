/* SPDX-License-Identifier: MIT */
/* The access log; http-log.h tells. */
#include "http-log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "http-response.h"
#include "http-shield.h"

#define BUFFER_SIZE (256u * 1024)
#define FIELD_MAX   2048                 /* bytes of a text of the client's; the rest is cut off */
#define LONGEST   (3 * 4 * FIELD_MAX + 512)

struct http_log_line {
	size_t middle;                   /* where status and length belong */
	size_t len;
	char text[];
};

/* Each worker has its own. */
static __thread struct {
	struct ringline_file *file;
	struct ringline_event *written;
	char *filling;
	char *other;
	size_t used;
	bool writing;
	time_t second;                   /* of the date */
	char date[40];
	uint64_t lost;
} here;

/* Lines */

static const char *date(void)
{
	time_t now = time(NULL);
	struct tm tm;

	if (now != here.second) {
		here.second = now;
		gmtime_r(&now, &tm);
		strftime(here.date, sizeof(here.date), " - - [%d/%b/%Y:%H:%M:%S +0000] \"", &tm);
	}
	return here.date;
}

/* Quotes, backslashes and what is not printed become \xHH, so that a line stays a line. */
static void add_quoted(struct http_out *o, struct http_text t)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t i;

	if (!t.at)
		http_add_text(o, "-");
	for (i = 0; i < t.len && i < FIELD_MAX; i++) {
		unsigned char c = (unsigned char)t.at[i];
		const char text[4] = { '\\', 'x', digits[c >> 4], digits[c & 15] };

		if (c < ' ' || c > '~' || c == '"' || c == '\\')
			http_add(o, text, sizeof(text));
		else
			http_add(o, t.at + i, 1);
	}
}

struct http_log_line *http_log_begin(const char *peer, const struct http_request *r)
{
	static __thread char scratch[LONGEST];
	struct http_out o = { scratch, sizeof(scratch), 0, false };
	struct http_log_line *line;
	size_t middle;

	if (!here.file)
		return NULL;
	http_add_text(&o, peer);
	http_add_text(&o, date());
	add_quoted(&o, r->line);
	http_add_text(&o, "\" ");
	middle = o.len;
	http_add_text(&o, " \"");
	add_quoted(&o, r->referer);
	http_add_text(&o, "\" \"");
	add_quoted(&o, r->agent);
	http_add_text(&o, "\"\n");
	line = malloc(sizeof(*line) + o.len);
	if (!line)
		return NULL;
	line->middle = middle;
	line->len = o.len;
	memcpy(line->text, o.bytes, o.len);
	return line;
}

static void add_line(const struct http_log_line *line, int status, uint64_t bytes)
{
	struct http_out o = { here.filling, BUFFER_SIZE, here.used, false };

	http_add(&o, line->text, line->middle);
	http_add_number(&o, (uint64_t)status);
	http_add_text(&o, " ");
	http_add_number(&o, bytes);
	http_add(&o, line->text + line->middle, line->len - line->middle);
	here.used = o.len;
}

/* Buffers */

/* Not cut by what ends the task: the lines of others are among them. */
static int append(const char *bytes, size_t n)
{
	struct ringline_scope *scope;
	ssize_t r = http_shield(&scope, 0);

	if (r < 0)
		return (int)r;
	r = ringline_file_append(here.file, bytes, n);
	ringline_scope_close(scope);
	return r == (ssize_t)n ? 0 : -EIO;
}

void http_log_flush(void)
{
	char *full = here.filling;
	size_t n = here.used;

	if (!here.file || here.writing || !n)
		return;
	here.filling = here.other;
	here.other = full;
	here.used = 0;
	here.writing = true;
	ringline_event_reset(here.written);
	here.lost += append(full, n) < 0 ? n : 0;
	here.writing = false;
	ringline_event_set(here.written);
}

/* Makes room for another line. Whoever finds the buffer full writes it. */
static bool make_room(void)
{
	struct ringline_scope *scope;
	int r = 0;

	if (here.used + LONGEST <= BUFFER_SIZE)
		return true;
	if (http_shield(&scope, 0) < 0)
		return false;
	while (r == 0 && here.used + LONGEST > BUFFER_SIZE) {
		if (here.writing)
			r = ringline_event_wait(here.written);
		else
			http_log_flush();
	}
	ringline_scope_close(scope);
	return r == 0;
}

void http_log_end(struct http_log_line *line, int status, uint64_t bytes)
{
	if (!line)
		return;
	if (make_room())
		add_line(line, status, bytes);
	else
		here.lost += line->len;
	free(line);
}

/* Life */

int http_log_open(const char *path)
{
	int r;

	if (!path)
		return 0;
	here.filling = malloc(BUFFER_SIZE);
	here.other = malloc(BUFFER_SIZE);
	r = here.filling && here.other ? ringline_event_new(&here.written, NULL) : -ENOMEM;
	return r < 0 ? r : ringline_file_open(&here.file, NULL, path, O_WRONLY | O_APPEND | O_CREAT, 0640, NULL);
}

/* The last lines are written by hand: the daemon ends, and when its patience is over nothing waits for operations any more. */
void http_log_close(void)
{
	if (here.file) {
		while (here.writing && ringline_event_wait(here.written) == 0)
			;
		if (here.used && write(ringline_file_fd(here.file), here.filling, here.used) != (ssize_t)here.used)
			here.lost += here.used;
		ringline_file_close(here.file);
		ringline_event_free(here.written);
	}
	if (here.lost)
		fprintf(stderr, "fileserver: %llu bytes of the access log are lost\n", (unsigned long long)here.lost);
	free(here.filling);
	free(here.other);
	memset(&here, 0, sizeof(here));
}
