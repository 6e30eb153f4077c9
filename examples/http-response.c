/* SPDX-License-Identifier: MIT */
/* Responses; http-response.h tells. */
#include "http-response.h"

#include <string.h>
#include <strings.h>

/* Text */

void http_add(struct http_out *o, const char *bytes, size_t n)
{
	if (n > o->size - o->len) {
		o->cut = true;
		return;
	}
	memcpy(o->bytes + o->len, bytes, n);
	o->len += n;
}

void http_add_text(struct http_out *o, const char *text)
{
	http_add(o, text, strlen(text));
}

void http_add_number(struct http_out *o, uint64_t value)
{
	char digits[20];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	http_add(o, digits + n, sizeof(digits) - n);
}

void http_add_escaped(struct http_out *o, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			http_add_text(o, "&amp;");
			break;
		case '<':
			http_add_text(o, "&lt;");
			break;
		case '>':
			http_add_text(o, "&gt;");
			break;
		case '"':
			http_add_text(o, "&quot;");
			break;
		default:
			http_add(o, text, 1);
		}
	}
}

/* Heads */

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" }, { 204, "No Content" }, { 206, "Partial Content" }, { 301, "Moved Permanently" },
		{ 304, "Not Modified" }, { 400, "Bad Request" }, { 403, "Forbidden" }, { 404, "Not Found" },
		{ 405, "Method Not Allowed" }, { 408, "Request Timeout" }, { 412, "Precondition Failed" },
		{ 413, "Content Too Large" }, { 414, "URI Too Long" }, { 416, "Range Not Satisfiable" },
		{ 417, "Expectation Failed" }, { 431, "Request Header Fields Too Large" }, { 500, "Internal Server Error" },
		{ 501, "Not Implemented" }, { 503, "Service Unavailable" }, { 505, "HTTP Version Not Supported" },
	};
	size_t i;

	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

void http_add_status(struct http_out *o, int status)
{
	http_add_number(o, (uint64_t)status);
	http_add_text(o, " ");
	http_add_text(o, reason(status));
}

void http_begin(struct http_out *o, int status, const char *date)
{
	http_add_text(o, "HTTP/1.1 ");
	http_add_status(o, status);
	http_add_text(o, "\r\nServer: ringline\r\nDate: ");
	http_add_text(o, date);
	http_add_text(o, "\r\n");
}

void http_field(struct http_out *o, const char *name, const char *value)
{
	http_add_text(o, name);
	http_add_text(o, ": ");
	http_add_text(o, value);
	http_add_text(o, "\r\n");
}

void http_field_number(struct http_out *o, const char *name, uint64_t value)
{
	http_add_text(o, name);
	http_add_text(o, ": ");
	http_add_number(o, value);
	http_add_text(o, "\r\n");
}

void http_end(struct http_out *o, const struct http_request *r, bool close)
{
	if (close)
		http_field(o, "Connection", "close");
	else if (!r->minor)
		http_field(o, "Connection", "keep-alive");
	http_add_text(o, "\r\n");
}

/* Refusals */

static void add_page(struct http_out *o, int status)
{
	http_add_text(o, "<!DOCTYPE html>\n<title>");
	http_add_status(o, status);
	http_add_text(o, "</title>\n<h1>");
	http_add_status(o, status);
	http_add_text(o, "</h1>\n");
}

size_t http_refusal(struct http_out *o, const struct http_request *r, int status, const char *date, const char *field,
                    const char *value, bool close)
{
	char bytes[256];
	struct http_out page = { bytes, sizeof(bytes), 0, false };

	add_page(&page, status);
	http_begin(o, status, date);
	http_field(o, "Content-Type", "text/html; charset=utf-8");
	http_field_number(o, "Content-Length", page.len);
	if (field)
		http_field(o, field, value);
	http_end(o, r, close);
	if (r->method == HTTP_HEAD)
		return 0;
	http_add(o, page.bytes, page.len);
	return page.len;
}

/* Types */

const char *http_type(const char *name)
{
	static const struct {
		const char *ending;
		const char *type;
	} types[] = {
		{ "html", "text/html; charset=utf-8" }, { "htm", "text/html; charset=utf-8" },
		{ "css", "text/css; charset=utf-8" }, { "js", "text/javascript; charset=utf-8" },
		{ "mjs", "text/javascript; charset=utf-8" }, { "txt", "text/plain; charset=utf-8" },
		{ "md", "text/markdown; charset=utf-8" }, { "csv", "text/csv; charset=utf-8" },
		{ "xml", "text/xml; charset=utf-8" }, { "json", "application/json" }, { "map", "application/json" },
		{ "wasm", "application/wasm" }, { "pdf", "application/pdf" }, { "zip", "application/zip" },
		{ "gz", "application/gzip" }, { "xz", "application/x-xz" }, { "zst", "application/zstd" },
		{ "tar", "application/x-tar" }, { "deb", "application/vnd.debian.binary-package" },
		{ "rpm", "application/x-rpm" }, { "iso", "application/x-iso9660-image" }, { "svg", "image/svg+xml" },
		{ "png", "image/png" }, { "jpg", "image/jpeg" }, { "jpeg", "image/jpeg" }, { "gif", "image/gif" },
		{ "webp", "image/webp" }, { "avif", "image/avif" }, { "ico", "image/vnd.microsoft.icon" },
		{ "mp3", "audio/mpeg" }, { "ogg", "audio/ogg" }, { "opus", "audio/ogg" }, { "flac", "audio/flac" },
		{ "mp4", "video/mp4" }, { "webm", "video/webm" }, { "woff", "font/woff" }, { "woff2", "font/woff2" },
		{ "ttf", "font/ttf" }, { "otf", "font/otf" },
	};
	const char *dot = strrchr(name, '.');
	size_t i;

	for (i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcasecmp(dot + 1, types[i].ending))
			return types[i].type;
	return "application/octet-stream";
}
