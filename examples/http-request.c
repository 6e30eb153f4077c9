/* SPDX-License-Identifier: MIT */
/*
 * The head of a request is looked at line by line. Strict where two readers could understand two things: lines end with CR LF,
 * names have no space before their colon, a length is digits and comes once, a length and chunks exclude each other. A server
 * that forwards nothing could be lenient there; an example that is copied from should not.
 */
#include "http-request.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NUMBER_DIGITS 18                 /* fit an int64_t, whatever they are */

/* Characters */

static bool in_set(const uint64_t set[2], unsigned char c)
{
	return c < 128 && set[c / 64] >> (c % 64) & 1;
}

/* Letters, digits and !#$%&'*+-.^_`|~ */
static bool is_token(struct http_text t)
{
	static const uint64_t set[2] = { 0x03ff6cfa00000000, 0x57ffffffc7fffffe };
	size_t i;

	for (i = 0; i < t.len; i++)
		if (!in_set(set, (unsigned char)t.at[i]))
			return false;
	return t.len;
}

/* Stands for itself in a path: letters, digits and -._~/!$&'()*+,;=:@ */
static bool is_safe(unsigned char c)
{
	static const uint64_t set[2] = { 0x2fffffd200000000, 0x47fffffe87ffffff };

	return in_set(set, c);
}

/* No control characters; spaces and tabs only where they may be. */
static bool is_text(struct http_text t, bool blanks)
{
	size_t i;

	for (i = 0; i < t.len; i++) {
		unsigned char c = (unsigned char)t.at[i];

		if (c <= ' ' ? !blanks || (c != ' ' && c != '\t') : c == 127)
			return false;
	}
	return true;
}

static bool is(struct http_text t, const char *word)
{
	return t.len == strlen(word) && !strncasecmp(t.at, word, t.len);
}

static bool starts(struct http_text t, const char *word)
{
	size_t n = strlen(word);

	return t.len >= n && !strncasecmp(t.at, word, n);
}

static struct http_text from(struct http_text t, size_t n)
{
	return (struct http_text){ t.at + n, t.len - n };
}

static struct http_text trim(struct http_text t)
{
	while (t.len && (t.at[0] == ' ' || t.at[0] == '\t'))
		t = from(t, 1);
	while (t.len && (t.at[t.len - 1] == ' ' || t.at[t.len - 1] == '\t'))
		t.len--;
	return t;
}

/* Takes what is before the first c, and c, off *t. All of it, if there is none. */
static struct http_text cut(struct http_text *t, char c)
{
	const char *end = t->len ? memchr(t->at, c, t->len) : NULL;
	struct http_text piece = { t->at, end ? (size_t)(end - t->at) : t->len };

	*t = from(*t, piece.len + (end != NULL));
	return piece;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool number(struct http_text t, uint64_t *value)
{
	size_t i;

	*value = 0;
	for (i = 0; i < t.len; i++) {
		if (!is_digit(t.at[i]))
			return false;
		if (i == NUMBER_DIGITS)
			return false;
		*value = *value * 10 + (uint64_t)(t.at[i] - '0');
	}
	return t.len;
}

/* The first line */

static enum http_method method(struct http_text t)
{
	static const char *const others[] = { "POST", "PUT", "DELETE", "PATCH", "CONNECT", "TRACE" };
	size_t i;

	if (t.len == 3 && !memcmp(t.at, "GET", 3))
		return HTTP_GET;
	if (t.len == 4 && !memcmp(t.at, "HEAD", 4))
		return HTTP_HEAD;
	if (t.len == 7 && !memcmp(t.at, "OPTIONS", 7))
		return HTTP_OPTIONS;
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (t.len == strlen(others[i]) && !memcmp(t.at, others[i], t.len))
			return HTTP_UNSUPPORTED;
	return HTTP_UNKNOWN;
}

/* "/path?query", "http://host/path?query", or "*" with OPTIONS. */
static int read_target(struct http_request *r, struct http_text t)
{
	size_t host;

	if (starts(t, "http://")) {
		t = from(t, strlen("http://"));
		for (host = 0; host < t.len && t.at[host] != '/' && t.at[host] != '?'; host++)
			;
		if (!host)
			return 400;
		t = from(t, host);
		if (!t.len)
			t = (struct http_text){ "/", 1 };
	}
	r->path = cut(&t, '?');
	if (t.len || (r->path.at + r->path.len != t.at))
		r->query = (struct http_text){ t.at - 1, t.len + 1 };
	if (!r->path.len)
		r->path = (struct http_text){ "/", 1 };
	if (is(r->path, "*"))
		return r->method == HTTP_OPTIONS && !r->query.len ? 0 : 400;
	return r->path.at[0] == '/' || r->method == HTTP_UNSUPPORTED ? 0 : 400;
}

static int read_version(struct http_request *r, struct http_text t)
{
	if (t.len != 8 || memcmp(t.at, "HTTP/", 5) || !is_digit(t.at[5]) || t.at[6] != '.' || !is_digit(t.at[7]))
		return 400;
	r->minor = t.at[7] > '0';
	r->keep_alive = r->minor;
	return t.at[5] == '1' ? 0 : 505;
}

static int read_first_line(struct http_request *r, struct http_text line)
{
	struct http_text word = cut(&line, ' ');
	struct http_text target = cut(&line, ' ');
	int status;

	if (!is_token(word) || !target.len || !is_text(target, false))
		return 400;
	status = read_version(r, line);
	if (status)
		return status;
	r->method = method(word);
	return read_target(r, target);
}

/* Fields */

static void read_connection(struct http_request *r, struct http_text list)
{
	while (list.len) {
		struct http_text option = trim(cut(&list, ','));

		if (is(option, "close"))
			r->keep_alive = false;
		else if (is(option, "keep-alive") && !r->minor)
			r->keep_alive = true;
	}
}

static int read_length(struct http_request *r, struct http_text value)
{
	if (r->has_length || !number(value, &r->body))
		return 400;
	r->has_length = true;
	return 0;
}

static int read_coding(struct http_request *r, struct http_text value)
{
	if (!r->minor || r->chunked)
		return 400;
	r->chunked = is(value, "chunked");
	return r->chunked ? 0 : 501;
}

static int read_expectation(struct http_request *r, struct http_text value)
{
	r->expects_continue = is(value, "100-continue");
	return r->expects_continue ? 0 : 417;
}

/* One that names a server, and nothing else. */
static int read_host(struct http_request *r, struct http_text value)
{
	size_t i;

	if (r->host.at)
		return 400;
	for (i = 0; i < value.len; i++)
		if (strchr(" \t,/?#@\\", value.at[i]))
			return 400;
	r->host = value;
	return 0;
}

/* The fields whose text is kept. Of several with one name the first counts, but lists are refused: nobody sends such. */
static struct http_text *kept(struct http_request *r, struct http_text name)
{
	switch (name.len) {
	case 5:
		return is(name, "Range") ? &r->range : NULL;
	case 7:
		return is(name, "Referer") ? &r->referer : NULL;
	case 8:
		return is(name, "If-Range") ? &r->if_range : is(name, "If-Match") ? &r->if_match : NULL;
	case 10:
		return is(name, "User-Agent") ? &r->agent : NULL;
	case 13:
		return is(name, "If-None-Match") ? &r->if_none_match : NULL;
	case 17:
		return is(name, "If-Modified-Since") ? &r->if_modified_since : NULL;
	case 19:
		return is(name, "If-Unmodified-Since") ? &r->if_unmodified_since : NULL;
	default:
		return NULL;
	}
}

static int keep(struct http_request *r, struct http_text name, struct http_text value)
{
	struct http_text *to = kept(r, name);

	if (to && to->at && to != &r->referer && to != &r->agent)
		return 400;
	if (to && !to->at)
		*to = value;
	return 0;
}

static int read_field(struct http_request *r, struct http_text line)
{
	struct http_text name = cut(&line, ':');
	struct http_text value = trim(line);

	if (++r->fields > HTTP_FIELDS_MAX)
		return 431;
	if (!is_token(name) || line.at == name.at + name.len || !is_text(value, true))
		return 400;
	if (is(name, "Host"))
		return read_host(r, value);
	if (is(name, "Connection"))
		read_connection(r, value);
	if (is(name, "Content-Length"))
		return read_length(r, value);
	if (is(name, "Transfer-Encoding"))
		return read_coding(r, value);
	if (is(name, "Expect"))
		return read_expectation(r, value);
	return keep(r, name, value);
}

/* What only all fields together tell. */
static int check_whole(const struct http_request *r)
{
	if (r->minor && !r->host.at)
		return 400;
	return r->chunked && r->has_length ? 400 : 0;
}

/* The head */

/* A line without its end: HTTP_DONE, HTTP_MORE, or 400. */
static int next_line(const char *bytes, size_t n, size_t at, struct http_text *line)
{
	const char *end = at < n ? memchr(bytes + at, '\n', n - at) : NULL;

	*line = (struct http_text){ bytes + at, end ? (size_t)(end - bytes) - at : n - at };
	if (!end)
		return HTTP_MORE;
	if (!line->len || line->at[line->len - 1] != '\r')
		return 400;
	line->len--;
	return HTTP_DONE;
}

/* Lines that have come are judged before the rest is there: nobody waits for more of what is wrong. */
static int parse_lines(struct http_request *r, const char *bytes, size_t n)
{
	size_t at = 0;
	struct http_text line;
	int status;

	while ((status = next_line(bytes, n, at, &line)) == HTTP_DONE) {
		at = (size_t)(line.at - bytes) + line.len + 2;
		if (!r->line.at && !line.len) {
			if (at > 4)
				return 400;      /* one empty line, or two, may be left of what was before */
			continue;
		}
		if (!line.len) {
			r->length = at;
			return check_whole(r);
		}
		if (!r->line.at) {
			r->line = line;
			status = read_first_line(r, line);
		} else {
			status = read_field(r, line);
		}
		if (status)
			return status;
	}
	if (status == HTTP_MORE && !r->line.at && line.len && !is_token((struct http_text){ line.at, 1 }) && line.at[0] != '\r')
		return 400;              /* TLS, for one */
	return status;
}

int http_parse(struct http_request *r, const char *bytes, size_t n)
{
	size_t seen = n < HTTP_HEAD_MAX ? n : HTTP_HEAD_MAX;
	int status;

	memset(r, 0, sizeof(*r));
	status = parse_lines(r, bytes, seen);
	if (status == HTTP_MORE && seen == HTTP_HEAD_MAX)
		status = r->line.at ? 431 : 414;
	if (!r->line.at)
		(void)next_line(bytes, seen, 0, &r->line);
	return status;
}

/* Paths */

static int hex(char c)
{
	if (is_digit(c))
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The next character of an encoded text, which gets shorter; -1: there is none such. */
static int decode(struct http_text *t)
{
	int c = (unsigned char)t->at[0];
	int high = c == '%' && t->len > 2 ? hex(t->at[1]) : -1;
	int low = high >= 0 ? hex(t->at[2]) : -1;

	if (c == '%' && low < 0)
		return -1;
	*t = from(*t, c == '%' ? 3 : 1);
	return c == '%' ? high * 16 + low : c;
}

int http_path(char *name, size_t size, struct http_text path)
{
	size_t n = 0;

	while (path.len) {
		int c = decode(&path);

		if (c <= 0)
			return 400;
		if (c == '/' && !n)
			continue;
		if (n + 2 > size)
			return 414;
		name[n++] = (char)c;
	}
	if (!n)
		name[n++] = '.';
	name[n] = '\0';
	return 0;
}

size_t http_encode(char *url, size_t size, const char *name)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t n = 0;

	for (; *name; name++) {
		unsigned char c = (unsigned char)*name;
		char text[3] = { '%', digits[c >> 4], digits[c & 15] };
		size_t len = is_safe(c) ? 1 : 3;

		if (n + len < size)
			memcpy(url + n, is_safe(c) ? name : text, len);
		if (n + len < size)
			url[n + len] = '\0';
		n += len;
	}
	if (!n && size)
		url[0] = '\0';
	return n;
}

/* Conditions */

/* Is the tag among those of a list? A weak one is none that a strong comparison finds. */
static bool among(struct http_text list, const char *etag, bool strong)
{
	if (is(list, "*"))
		return true;
	while (list.len) {
		struct http_text tag = trim(cut(&list, ','));

		if (starts(tag, "W/")) {
			if (strong)
				continue;
			tag = from(tag, 2);
		}
		if (tag.len == strlen(etag) && !memcmp(tag.at, etag, tag.len))
			return true;
	}
	return false;
}

static bool modified_after(struct http_text date, int64_t modified, bool otherwise)
{
	int64_t then;

	return http_date_parse(date, &then) ? modified > then : otherwise;
}

int http_condition(const struct http_request *r, const char *etag, int64_t modified)
{
	if (r->if_match.at) {
		if (!among(r->if_match, etag, true))
			return 412;
	} else if (r->if_unmodified_since.at && modified_after(r->if_unmodified_since, modified, false)) {
		return 412;
	}
	if (r->if_none_match.at)
		return among(r->if_none_match, etag, false) ? 304 : 0;
	return r->if_modified_since.at && !modified_after(r->if_modified_since, modified, true) ? 304 : 0;
}

/* Ranges */

/* "first-last", "first-" or "-suffix": 1 and the range; 0: there is nothing of it; -1: that is no range. */
static int read_range(struct http_text t, uint64_t size, struct http_range *range)
{
	struct http_text first = cut(&t, '-');
	uint64_t begin = 0;
	uint64_t end = 0;

	if ((!first.len && !t.len) || t.at != first.at + first.len + 1)
		return -1;
	if ((first.len && !number(first, &begin)) || (t.len && !number(t, &end)))
		return -1;
	if (!first.len) {
		begin = end < size ? size - end : 0;
		end = end ? size : 0;
	} else {
		if (t.len && end < begin)
			return -1;
		end = t.len && end < size ? end + 1 : size;
	}
	if (begin >= end)
		return 0;
	*range = (struct http_range){ begin, end - begin };
	return 1;
}

static bool range_applies(const struct http_request *r, const char *etag, int64_t modified)
{
	int64_t then;

	if (r->method != HTTP_GET || !starts(r->range, "bytes="))
		return false;
	if (!r->if_range.at)
		return true;
	if (r->if_range.len && (r->if_range.at[0] == '"' || r->if_range.at[0] == 'W'))
		return among(r->if_range, etag, true);
	return http_date_parse(r->if_range, &then) && then == modified;
}

int http_ranges(const struct http_request *r, const char *etag, int64_t modified, uint64_t size,
                struct http_range ranges[HTTP_RANGES_MAX])
{
	struct http_text list;
	uint64_t total = 0;
	int asked = 0;
	int n = 0;

	if (!range_applies(r, etag, modified))
		return 0;
	list = from(r->range, strlen("bytes="));
	while (list.len) {
		struct http_text one = trim(cut(&list, ','));
		int found;

		if (!one.len)
			continue;
		if (asked++ == HTTP_RANGES_MAX)
			return 0;
		found = read_range(one, size, &ranges[n]);
		if (found < 0)
			return 0;
		total += found ? ranges[n].len : 0;
		n += found;
	}
	if (!asked || total > size)      /* overlapping: a way to have much sent by a word */
		return 0;
	return n ? n : -1;
}

/* Dates */

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* Days since 1970 of a date of the Gregorian calendar; years begin with March, so that a leap day is their last. */
static int64_t day_number(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t m = (month + 9) % 12;

	return 365 * y + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719468;
}

static int month_of(struct http_text t)
{
	int i;

	for (i = 0; i < 12; i++)
		if (t.len == 3 && !memcmp(t.at, months + (size_t)i * 3, 3))
			return i + 1;
	return 0;
}

static bool time_of_day(struct http_text t, int64_t *seconds)
{
	struct http_text h = cut(&t, ':');
	struct http_text m = cut(&t, ':');
	uint64_t hour;
	uint64_t minute;
	uint64_t second;

	if (h.len != 2 || m.len != 2 || t.len != 2 || !number(h, &hour) || !number(m, &minute) || !number(t, &second))
		return false;
	*seconds = (int64_t)(hour * 3600 + minute * 60 + second);
	return hour < 24 && minute < 60 && second <= 60;
}

struct date {
	struct http_text day;
	struct http_text month;
	struct http_text year;
	struct http_text time;
};

static bool put_together(const struct date *d, int64_t *seconds)
{
	int month = month_of(d->month);
	uint64_t year;
	uint64_t day;
	int64_t of_day;

	if (!month || !number(trim(d->day), &day) || !day || day > 31 || !number(d->year, &year) || year > 9999)
		return false;
	if (!time_of_day(d->time, &of_day))
		return false;
	if (d->year.len == 2)
		year += year < 70 ? 2000 : 1900;
	*seconds = day_number((int64_t)year, month, (int)day) * 86400 + of_day;
	return true;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT" or "Sun Nov  6 08:49:37 1994" */
bool http_date_parse(struct http_text t, int64_t *seconds)
{
	bool comma = t.len && memchr(t.at, ',', t.len);
	char between = t.len > 1 && memchr(t.at, '-', t.len) ? '-' : ' ';
	struct date d;

	if (!comma) {
		if (t.len != 24)
			return false;
		d = (struct date){ { t.at + 8, 2 }, { t.at + 4, 3 }, { t.at + 20, 4 }, { t.at + 11, 8 } };
		return put_together(&d, seconds);
	}
	cut(&t, ',');
	t = trim(t);
	d.day = cut(&t, between);
	d.month = cut(&t, between);
	d.year = cut(&t, ' ');
	d.time = cut(&t, ' ');
	return is(t, "GMT") && (d.year.len == 4 || (between == '-' && d.year.len == 2)) && put_together(&d, seconds);
}

/* The date of a number of days since 1970, by the same years. */
static void date_of(int64_t days_since, int64_t *year, int *month, int *day)
{
	int64_t z = days_since + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t in_era = z - era * 146097;
	int64_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	int64_t in_year = in_era - (365 * y + y / 4 - y / 100);
	int64_t m = (5 * in_year + 2) / 153;

	*day = (int)(in_year - (153 * m + 2) / 5 + 1);
	*month = (int)(m < 10 ? m + 3 : m - 9);
	*year = y + era * 400 + (*month <= 2);
}

static char *put_number(char *to, int64_t value, int digits)
{
	int i;

	for (i = digits - 1; i >= 0; i--, value /= 10)
		to[i] = (char)('0' + value % 10);
	return to + digits;
}

static char *put(char *to, const char *text, size_t n)
{
	memcpy(to, text, n);
	return to + n;
}

void http_date_format(char date[HTTP_DATE_SIZE], int64_t seconds)
{
	int64_t since;
	int64_t rest;
	int64_t year;
	int month;
	int day;
	char *p = date;

	if (seconds < 0 || seconds > 253402300799)      /* what no date of four digits says */
		seconds = seconds < 0 ? 0 : 253402300799;
	since = seconds / 86400;
	rest = seconds % 86400;
	date_of(since, &year, &month, &day);
	p = put(p, days + (since + 4) % 7 * 3, 3);
	p = put_number(put(p, ", ", 2), day, 2);
	p = put(put(p, " ", 1), months + (size_t)(month - 1) * 3, 3);
	p = put_number(put(p, " ", 1), year, 4);
	p = put_number(put(p, " ", 1), rest / 3600, 2);
	p = put_number(put(p, ":", 1), rest / 60 % 60, 2);
	p = put_number(put(p, ":", 1), rest % 60, 2);
	memcpy(p, " GMT", 5);
}

/* Chunks */

enum { SIZE, EXTENSION, DATA, DATA_END, TRAILER, TRAILER_END };

#define CHUNK_LINE_MAX 1024              /* of a size and what is behind it, or a line of the trailer */

/* A byte that is not data: 0, or 400. At the end of all the state is TRAILER_END. */
static int chunk_byte(struct http_chunks *c, char byte)
{
	int digit = hex(byte);

	if (++c->line > CHUNK_LINE_MAX || (c->cr && byte != '\n') || (!c->cr && byte == '\n'))
		return 400;
	if (byte == '\r') {
		c->cr = true;
		return 0;
	}
	if (byte != '\n') {
		if (c->state == DATA_END || (c->state == SIZE && !c->digits && digit < 0))
			return 400;
		if (c->state == SIZE && digit < 0 && byte != ';' && byte != ' ' && byte != '\t')
			return 400;
		if (c->state == SIZE && digit < 0)
			c->state = EXTENSION;
		if (c->state != SIZE)
			return 0;
		c->digits = true;
		c->left = c->left << 4 | (unsigned int)digit;
		return c->left >> 56 ? 400 : 0;
	}
	if (c->state == TRAILER && c->line == 2)
		c->state = TRAILER_END;
	else if (c->state == DATA_END)
		c->state = SIZE;
	else if (c->state == SIZE && !c->digits)
		return 400;
	else if (c->state != TRAILER)
		c->state = c->left ? DATA : TRAILER;
	c->line = 0;
	c->cr = false;
	c->digits = false;
	return 0;
}

int http_chunks(struct http_chunks *c, const char *bytes, size_t n, size_t *used)
{
	size_t at = 0;
	int status = 0;

	while (at < n && !status && c->state != TRAILER_END) {
		if (c->state == DATA) {
			uint64_t k = c->left < n - at ? c->left : n - at;

			at += (size_t)k;
			c->left -= k;
			if (!c->left)
				c->state = DATA_END;
		} else {
			status = chunk_byte(c, bytes[at++]);
		}
	}
	*used = at;
	if (status)
		return status;
	return c->state == TRAILER_END ? HTTP_DONE : HTTP_MORE;
}
