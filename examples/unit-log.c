/* SPDX-License-Identifier: MIT */
/* The log; unit-log.h tells the idea. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "unit-log.h"

#define BUFFER_SIZE (128u * 1024)
#define KEPT        (32u * 1024)      /* of it, for the supervisor */
#define SAY_MAX     1024u

struct buffer {
	size_t used;
	char bytes[BUFFER_SIZE];
};

static struct buffer buffers[2];
static struct buffer *filling = &buffers[0];
static int file = STDOUT_FILENO;
static bool finishing;                           /* the writer ends when there is nothing left */
static bool broken;                              /* it could not be written, which was told */
static unsigned long missing;                    /* lines of the supervisor's there was no room for */
static struct ringline_mutex *turn;              /* of those who wait for room */
static struct ringline_event *something;         /* there is something to write */
static struct ringline_event *room;              /* a buffer has been emptied */

int unit_log_open(const char *path)
{
	int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640) : STDOUT_FILENO;

	if (fd < 0)
		return -errno;
	file = fd;
	return 0;
}

int unit_log_init(void)
{
	int r = ringline_mutex_new(&turn, NULL);

	if (r == 0)
		r = ringline_event_new(&something, NULL);
	return r == 0 ? ringline_event_new(&room, NULL) : r;
}

void unit_log_fini(void)
{
	ringline_mutex_free(turn);
	ringline_event_free(something);
	ringline_event_free(room);
}

/* Lines */

static void put(const char *text, size_t n)
{
	memcpy(filling->bytes + filling->used, text, n);
	filling->used += n;
	ringline_event_set(something);
}

static bool has_room(size_t n, size_t kept)
{
	return filling->used + n + kept <= BUFFER_SIZE;
}

static void say_what_is_missing(void)
{
	char text[96];
	int n = snprintf(text, sizeof(text), "supervisor: %lu lines are missing here\n", missing);

	if (!missing || !has_room((size_t)n, 0))
		return;
	put(text, (size_t)n);
	missing = 0;
}

/* Control characters become '?'. */
static void clean(char *text, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f)
			text[i] = '?';
}

void unit_log_say(const char *unit, const char *format, ...)
{
	char text[SAY_MAX];
	va_list args;
	int head = snprintf(text, sizeof(text), "supervisor: %s%s", unit ? unit : "", unit ? ": " : "");
	int n;

	va_start(args, format);
	n = vsnprintf(text + head, sizeof(text) - (size_t)head - 1, format, args);
	va_end(args);
	if (n < 0)
		return;
	n = n + head < (int)SAY_MAX - 2 ? n + head : (int)SAY_MAX - 2;
	clean(text, (size_t)n);
	text[n++] = '\n';
	say_what_is_missing();
	if (has_room((size_t)n, 0))
		put(text, (size_t)n);
	else
		missing++;
}

/* A unit's line: its turn comes, and then there is room. */
static int put_in_turn(const char *text, size_t n)
{
	int r = ringline_mutex_lock(turn);

	if (r < 0)
		return r;
	while (r == 0 && !has_room(n, KEPT)) {
		ringline_event_reset(room);
		r = ringline_event_wait(room);
	}
	if (r == 0)
		put(text, n);
	ringline_mutex_unlock(turn);
	return r;
}

static int put_line(struct unit_writer *w)
{
	char text[UNIT_LINE_MAX + 256];
	int n = snprintf(text, sizeof(text), "%s[%lld]: ", w->name, (long long)w->pid);

	clean(w->line, w->used);
	memcpy(text + n, w->line, w->used);
	n += (int)w->used;
	if (w->cut)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " [%llu bytes more]", (unsigned long long)w->cut);
	text[n++] = '\n';
	w->used = 0;
	w->cut = 0;
	return put_in_turn(text, (size_t)n);
}

int unit_writer_take(struct unit_writer *w, const char *data, size_t n)
{
	int r = 0;

	while (r == 0 && n) {
		const char *end = memchr(data, '\n', n);
		size_t piece = end ? (size_t)(end - data) : n;
		size_t fits = piece < UNIT_LINE_MAX - w->used ? piece : UNIT_LINE_MAX - w->used;

		memcpy(w->line + w->used, data, fits);
		w->used += fits;
		w->cut += piece - fits;
		if (end)
			r = put_line(w);
		piece += end != NULL;
		data += piece;
		n -= piece;
	}
	return r;
}

int unit_writer_end(struct unit_writer *w)
{
	return w->used ? put_line(w) : 0;
}

/* The writer */

static int write_all(void *arg)
{
	const struct buffer *b = arg;
	size_t done = 0;

	while (done < b->used) {
		ssize_t n = write(file, b->bytes + done, b->used - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* The buffers stay where they are, so a write that hangs may be left alone. */
static void leave_alone(void *arg, int result)
{
	(void)arg;
	(void)result;
}

static int write_buffer(void)
{
	struct ringline_blocking_options o = RINGLINE_BLOCKING_OPTIONS_INIT;
	struct buffer *b = filling;
	int r;

	filling = b == &buffers[0] ? &buffers[1] : &buffers[0];
	ringline_event_set(room);
	o.job_class = RINGLINE_BLOCKING_WAIT;
	r = ringline_blocking_detached(write_all, b, leave_alone, &o);
	if (r == -ECANCELED || r == -ETIME)
		return r;                     /* it may be written yet */
	if (r < 0 && !broken)
		fprintf(stderr, "supervisor: the log: %s\n", strerror(-r));
	broken = r < 0;
	b->used = 0;
	ringline_event_set(room);
	return 0;
}

int unit_log_write(void *arg)
{
	int r = 0;

	(void)arg;
	while (r == 0 && !finishing) {
		r = ringline_event_wait(something);
		ringline_event_reset(something);
		while (r == 0 && filling->used)
			r = write_buffer();
	}
	return 0;
}

void unit_log_finish(void)
{
	finishing = true;
	ringline_event_set(something);
}
