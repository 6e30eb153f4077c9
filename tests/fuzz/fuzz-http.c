/* SPDX-License-Identifier: MIT */
/*
 * The file server's requests: a head is understood, refused, or not complete yet, and then no beginning of it is understood;
 * what is understood lies within it. A path becomes a name that is relative, and comes back from its encoding. Ranges lie
 * within their file and are not longer than it together. Dates that can be written can be read. Chunks mean the same in one
 * piece and in two.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "http-request.h"
#include "http-response.h"

#define FILE_SIZE 1000
#define MODIFIED  784111777

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static void check_within(struct http_text t, const char *bytes, size_t n)
{
	static const char root[] = "/";

	if (t.at && !(t.len == 1 && !memcmp(t.at, root, 1)))
		expect(t.at >= bytes && t.len <= n && t.at + t.len <= bytes + n);
}

static void check_ranges(const struct http_request *r)
{
	struct http_range ranges[HTTP_RANGES_MAX];
	uint64_t total = 0;
	int n = http_ranges(r, "\"tag\"", MODIFIED, FILE_SIZE, ranges);
	int i;

	expect(n >= -1 && n <= HTTP_RANGES_MAX);
	for (i = 0; i < n; i++) {
		expect(ranges[i].len && ranges[i].offset < FILE_SIZE && ranges[i].len <= FILE_SIZE - ranges[i].offset);
		total += ranges[i].len;
	}
	expect(total <= FILE_SIZE);
	expect(http_ranges(r, "\"tag\"", MODIFIED, 0, ranges) <= 0);
}

static void check_path(struct http_text path)
{
	char url[3 * HTTP_HEAD_MAX + 1];
	char name[HTTP_HEAD_MAX + 1];
	char again[HTTP_HEAD_MAX + 1];
	size_t n;

	if (http_path(name, sizeof(name), path))
		return;
	expect(name[0] && name[0] != '/' && strlen(name) <= path.len + 1);
	n = http_encode(url, sizeof(url), name);
	expect(n == strlen(url) && !strpbrk(url, " \"<>\r\n\\"));
	expect(http_path(again, sizeof(again), (struct http_text){ url, n }) == 0 && !strcmp(name, again));
	expect(http_path(name, 8, path) == 414 || strlen(name) < 8);
}

/* A refusal quotes nothing of the request, and ends as any head does. */
static void check_refusal(const struct http_request *r, int status)
{
	char bytes[1024];
	struct http_out o = { bytes, sizeof(bytes), 0, false };
	size_t body = http_refusal(&o, r, status, "Sun, 06 Nov 1994 08:49:37 GMT", NULL, NULL, true);

	expect(!o.cut && o.len > body && (r->method == HTTP_HEAD) == !body);
	expect(!memcmp(bytes + o.len - body - 4, "\r\n\r\n", 4));
}

static void check_request(const struct http_request *r, const char *bytes, size_t n)
{
	const struct http_text texts[] = { r->line, r->path, r->query, r->host, r->range, r->if_range, r->if_match, r->if_none_match,
		                           r->if_modified_since, r->if_unmodified_since, r->referer, r->agent };
	int condition = http_condition(r, "\"tag\"", MODIFIED);
	size_t i;

	expect(r->length <= n && r->length <= HTTP_HEAD_MAX && !memcmp(bytes + r->length - 4, "\r\n\r\n", 4));
	expect(!(r->chunked && r->has_length));
	expect(condition == 0 || condition == 304 || condition == 412);
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check_within(texts[i], bytes, r->length);
	check_ranges(r);
	check_path(r->path);
}

static void check_head(const char *bytes, size_t n)
{
	struct http_request r;
	struct http_request part;
	int status = http_parse(&r, bytes, n);
	size_t whole = status == HTTP_DONE ? r.length : n;
	size_t i;

	check_within(r.line, bytes, n);
	for (i = 0; i < whole; i += 1 + whole / 64) {
		int before = http_parse(&part, bytes, i);

		expect(before == HTTP_MORE || (before == status && status >= 400));
	}
	if (status == HTTP_DONE)
		check_request(&r, bytes, n);
	else if (status != HTTP_MORE)
		check_refusal(&r, status);
}

static void check_date(const char *bytes, size_t n)
{
	char date[HTTP_DATE_SIZE];
	int64_t seconds;
	int64_t again;

	if (!http_date_parse((struct http_text){ bytes, n }, &seconds) || seconds < 0 || seconds > 253402300799)
		return;
	http_date_format(date, seconds);
	expect(strlen(date) == HTTP_DATE_SIZE - 1);
	expect(http_date_parse((struct http_text){ date, strlen(date) }, &again) && again == seconds);
}

static void check_chunks(const char *bytes, size_t n)
{
	struct http_chunks one = { 0 };
	struct http_chunks two = { 0 };
	size_t used;
	size_t first;
	size_t second = 0;
	int status = http_chunks(&one, bytes, n, &used);
	int r = http_chunks(&two, bytes, n / 2, &first);

	expect(status == HTTP_DONE || status == HTTP_MORE || status == 400);
	expect(used <= n && (status != HTTP_MORE || used == n));
	if (r == HTTP_MORE)
		r = http_chunks(&two, bytes + first, n - first, &second);
	expect(r == status && first + second == used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *bytes = malloc(size + 1);          /* for the sanitizer to see what is read beyond */
	char *exact = malloc(size ? size : 1);

	memcpy(exact, data, size);
	memcpy(bytes, data, size);
	bytes[size] = '\0';
	check_head(exact, size);
	check_date(exact, size);
	check_chunks(exact, size);
	expect(http_type(bytes) != NULL);
	free(exact);
	free(bytes);
	return 0;
}

#define GET "GET /a%20b/../c.html?x=%41 HTTP/1.1\r\nHost: a\r\n"

const char *fuzz_seeds[] = {
	GET "\r\n",
	GET "Range: bytes=0-9,20-,-5\r\nIf-Range: \"tag\"\r\n\r\n",
	GET "If-None-Match: W/\"tag\", \"b\"\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
	GET "Connection: close, x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n",
	"HEAD http://host HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\nHost:\r\nUser-Agent: x\r\nReferer: y\r\n\r\n",
	"Sunday, 06-Nov-94 08:49:37 GMT",
	"Sun Nov  6 08:49:37 1994",
	"Sun, 06 Nov 1994 08:49:37 GMT",
	"5;a=b\r\nhello\r\n0\r\nx: y\r\n\r\n",
	NULL,
};
