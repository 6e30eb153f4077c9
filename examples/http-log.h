/* SPDX-License-Identifier: MIT */
/*
 * The access log, one line per request, in the combined format of other servers:
 *
 *     127.0.0.1 - - [06/Nov/1994:08:49:37 +0000] "GET /path HTTP/1.1" 200 1234 "referer" "user agent"
 *
 * Each worker gathers lines in a buffer and appends it to the file when it is full, or after a second. Two buffers take
 * turns; when the disk is too slow for both, requests wait for it: every one is logged.
 */
#ifndef EXAMPLES_HTTP_LOG_H
#define EXAMPLES_HTTP_LOG_H

#include <stdint.h>

#include <ringline/ringline.h>

#include "http-request.h"

struct http_log_line;

/* Opens the log for the calling worker; NULL: there is none. 0 or -errno. */
RINGLINE_SUSPENDS int http_log_open(const char *path);

/* Writes what is left, without suspending, and closes it. */
RINGLINE_SUSPENDS void http_log_close(void);

/* What the bytes of the request say, to be kept until the answer is known. NULL: there is no log, or no memory. */
struct http_log_line *http_log_begin(const char *peer, const struct http_request *r);

/* Logs the request, and frees the line. NULL is allowed. */
RINGLINE_SUSPENDS void http_log_end(struct http_log_line *line, int status, uint64_t bytes);

/* Appends what has been gathered. To be called every second. */
RINGLINE_SUSPENDS void http_log_flush(void);

#endif
