/* SPDX-License-Identifier: MIT */
/* HTTP/1.1 responses as text, built in memory of the caller's. No I/O. */
#ifndef EXAMPLES_HTTP_RESPONSE_H
#define EXAMPLES_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http-request.h"

/* Text that grows as far as its memory goes; what is beyond is dropped, and told by cut. */
struct http_out {
	char *bytes;
	size_t size;
	size_t len;
	bool cut;
};

void http_add(struct http_out *o, const char *bytes, size_t n);
void http_add_text(struct http_out *o, const char *text);
void http_add_number(struct http_out *o, uint64_t value);

/* With what markup means replaced. */
void http_add_escaped(struct http_out *o, const char *text);

/* "404" and so on, with what it means. */
void http_add_status(struct http_out *o, int status);

/* The first line, and the fields that all responses have; date is http_date_format()'s. */
void http_begin(struct http_out *o, int status, const char *date);

void http_field(struct http_out *o, const char *name, const char *value);
void http_field_number(struct http_out *o, const char *name, uint64_t value);

/* The last fields and the empty line: what becomes of the connection. */
void http_end(struct http_out *o, const struct http_request *r, bool close);

/* A whole response whose body says its status, with a field more if there is one. The length of the body, which is left out
 * of the answer to HEAD. */
size_t http_refusal(struct http_out *o, const struct http_request *r, int status, const char *date, const char *field,
                    const char *value, bool close);

/* The Content-Type of a file by its name. */
const char *http_type(const char *name);

#endif
