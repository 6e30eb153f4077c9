/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 requests as bytes (RFC 9110, 9112): no I/O and no memory of its own. What a request says is told as pieces of
 * the bytes it was parsed from.
 *
 * The parser is our own, 200 lines of strict checks over one piece of memory, because what Debian has does not fit: 12 has
 * http-parser 2.9.4, whose authors gave it up, and no llhttp; 13 has llhttp 9.2, as a part of Node's undici; neither has
 * picohttpparser. And their strength, parsing what comes in pieces, is of no use where the library lends a head in one.
 */
#ifndef EXAMPLES_HTTP_REQUEST_H
#define EXAMPLES_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX   8192             /* bytes of request line and fields */
#define HTTP_FIELDS_MAX 100
#define HTTP_RANGES_MAX 16
#define HTTP_DATE_SIZE  30               /* "Sun, 06 Nov 1994 08:49:37 GMT" and a zero */

/* Results of http_parse() that are no status. */
#define HTTP_DONE 0
#define HTTP_MORE 1                      /* the head is not complete */

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_OPTIONS, HTTP_UNSUPPORTED, HTTP_UNKNOWN };

/* A piece of the head; at is NULL if there is none. */
struct http_text {
	const char *at;
	size_t len;
};

struct http_request {
	size_t length;                   /* of the head, its empty line included */
	uint64_t body;                   /* Content-Length, 0 if there is none */
	enum http_method method;
	uint8_t minor;                   /* HTTP/1.minor */
	bool keep_alive;
	bool chunked;
	bool expects_continue;
	bool has_length;
	uint16_t fields;
	struct http_text line;           /* all of the first line that came */
	struct http_text path;           /* of the target, as it came; "*" for all of the server */
	struct http_text query;          /* with its question mark */
	struct http_text host;
	struct http_text range;
	struct http_text if_range;
	struct http_text if_match;
	struct http_text if_none_match;
	struct http_text if_modified_since;
	struct http_text if_unmodified_since;
	struct http_text referer;
	struct http_text agent;
};

/* Parses the head that the bytes begin with. HTTP_DONE, HTTP_MORE, or the status of the refusal; r->line is valid with all. */
int http_parse(struct http_request *r, const char *bytes, size_t n);

/*
 * The path as a name relative to the root, decoded, with a zero: "." for the root itself. What ".." and "//" mean is left to
 * the kernel, which resolves the name beneath the root or not at all. 0, or the status of the refusal.
 */
int http_path(char *name, size_t size, struct http_text path);

/* The length of a name as a path of a URL, of which as much is written as fits, with a zero. */
size_t http_encode(char *url, size_t size, const char *name);

/* Conditions: 0 to go on, 304 or 412. etag is quoted, modified in seconds. */
int http_condition(const struct http_request *r, const char *etag, int64_t modified);

struct http_range {
	uint64_t offset;
	uint64_t len;
};

/*
 * What of a representation of so many bytes is asked for: the number of ranges, none of them empty and together no longer
 * than the whole; 0: all of it, because there is no range, or none that counts; -1: none of the ranges is there (416).
 */
int http_ranges(const struct http_request *r, const char *etag, int64_t modified, uint64_t size,
                struct http_range ranges[HTTP_RANGES_MAX]);

/* Seconds since 1970 of any of the three forms. */
bool http_date_parse(struct http_text text, int64_t *seconds);
void http_date_format(char date[HTTP_DATE_SIZE], int64_t seconds);

/* A chunked body, as it goes by. All zero is its beginning. */
struct http_chunks {
	uint64_t left;                   /* of the chunk */
	uint32_t line;                   /* bytes of the line that has begun */
	uint8_t state;
	bool digits;
	bool cr;
};

/* Goes over n bytes, and tells in *used how many belong to the body. HTTP_DONE, HTTP_MORE or 400. */
int http_chunks(struct http_chunks *c, const char *bytes, size_t n, size_t *used);

#endif
