/* SPDX-License-Identifier: MIT */
/* Directories as pages. */
#ifndef EXAMPLES_HTTP_LISTING_H
#define EXAMPLES_HTTP_LISTING_H

#include <ringline/ringline.h>

#include "http-response.h"

#define HTTP_LISTING_MAX 100000          /* entries; the page says so if there are more */

/*
 * Makes a page of what is in a directory, sorted, directories first, with lengths and times. title is the path of its URL.
 * Links are not followed: what they lead to may lie elsewhere. 0 and a page whose bytes are to be freed, or -errno.
 */
RINGLINE_SUSPENDS int http_listing(struct http_out *page, struct ringline_file *dir, const char *title);

#endif
