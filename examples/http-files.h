/* SPDX-License-Identifier: MIT */
/*
 * The files that are served, kept open.
 *
 * Opening a file takes a thread of the pool, and most requests are for the same few files. So each worker keeps some open,
 * with what has to be said about them, and of small ones the whole response. An entry never changes: after a second the next
 * request for it opens the name anew, and those that come meanwhile wait for that. Who still sends from the old one keeps it.
 *
 * Names are resolved beneath the root by the kernel (RESOLVE_BENEATH), in the same call that opens the file: no "..", no
 * symbolic link and no rename at the wrong moment leads out.
 */
#ifndef EXAMPLES_HTTP_FILES_H
#define EXAMPLES_HTTP_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include <ringline/ringline.h>

#include "http-request.h"

struct http_file {
	struct http_file *chain;         /* of the hash table */
	struct http_file *older;         /* in the order in which they were opened */
	struct http_file *newer;
	struct ringline_event *opened;   /* once somebody waits for it; NULL before */
	struct ringline_file *file;
	struct ringline_buf *whole;      /* head and body of the plain answer; NULL if it is large, or a directory */
	struct ringline_buf *body;
	uint64_t length;
	uint64_t since;                  /* ringline_now() when it was opened */
	int64_t modified;
	const char *type;
	uint32_t hash;
	uint32_t refs;
	int error;                       /* negative: why it could not be opened */
	bool opening;
	bool listed;                     /* in the table */
	bool directory;
	char etag[56];
	char date[HTTP_DATE_SIZE];       /* of the opening: not a second behind */
	char modified_date[HTTP_DATE_SIZE];
	char name[];
};

/* Opens the root, for the calling worker. 0 or -errno. */
int http_files_open(const char *root);

/* Closes all that nobody sends from, and the root. */
void http_files_close(void);

/* Closes what was opened more than a second ago. To be called now and then, so that files nobody asks for go. */
void http_files_expire(void);

/* The entry of a name if it can be had without waiting, with a reference; NULL if not. */
struct http_file *http_files_find(const char *name);

/* The entry of a name, with a reference in *ret. 0; the errors of ringline_file_open(); -EACCES: neither file nor directory. */
RINGLINE_SUSPENDS int http_files_get(struct http_file **ret, const char *name);

/* Drops a reference; the last one closes the file. */
RINGLINE_SUSPENDS void http_files_put(struct http_file *f);

#endif
