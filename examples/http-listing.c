/* SPDX-License-Identifier: MIT */
/*
 * Names are gathered, sorted, asked about many at a time, and written to a page that grows. Every name is encoded where it is
 * a URL and escaped where it is text.
 */
#include "http-listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define AT_ONCE  256                     /* names asked about with one call */
#define ROW_MAX  (256 * 6 + 256 * 3 + 200)   /* bytes of a row, whatever its name is */
#define PAGE_END 200

struct entry {
	char *name;
	bool directory;
};

struct names {
	struct entry *entries;
	size_t n;
	size_t size;
	bool more;
};

/* Gathering */

static int add_name(struct names *names, const struct ringline_dirent *e)
{
	if (names->n == names->size) {
		size_t size = names->size ? 2 * names->size : 256;
		struct entry *entries = realloc(names->entries, size * sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		names->entries = entries;
		names->size = size;
	}
	names->entries[names->n].name = strdup(e->name);
	names->entries[names->n].directory = e->type == DT_DIR;
	return names->entries[names->n++].name ? 0 : -ENOMEM;
}

static int gather(struct names *names, struct ringline_file *dir)
{
	struct ringline_dirent e = RINGLINE_DIRENT_INIT;
	struct ringline_dir *stream;
	int r = ringline_dir_open(&stream, dir, ".");

	if (r < 0)
		return r;
	while ((r = ringline_dir_read(stream, &e)) > 0) {
		names->more = names->n == HTTP_LISTING_MAX;
		if (names->more)
			break;
		r = add_name(names, &e);
		if (r < 0)
			break;
	}
	ringline_dir_close(stream);
	return r < 0 ? r : 0;
}

static void free_names(struct names *names)
{
	size_t i;

	for (i = 0; i < names->n; i++)
		free(names->entries[i].name);
	free(names->entries);
}

static int compare(const void *a, const void *b)
{
	const struct entry *x = a;
	const struct entry *y = b;

	if (x->directory != y->directory)
		return x->directory ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* The page */

static int make_room(struct http_out *page, size_t n)
{
	size_t size = 2 * page->size + n;
	char *bytes;

	if (page->size - page->len >= n)
		return 0;
	bytes = realloc(page->bytes, size);
	if (!bytes)
		return -ENOMEM;
	page->bytes = bytes;
	page->size = size;
	return 0;
}

static int begin_page(struct http_out *page, const char *title)
{
	int r = make_room(page, 2 * 6 * strlen(title) + 500);

	if (r < 0)
		return r;
	http_add_text(page, "<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<title>Index of ");
	http_add_escaped(page, title);
	http_add_text(page, "</title>\n<style>td { padding-right: 2em } td:nth-child(2) { text-align: right }</style>\n"
	                    "<h1>Index of ");
	http_add_escaped(page, title);
	http_add_text(page, "</h1>\n<table>\n");
	if (strcmp(title, "/") != 0)
		http_add_text(page, "<tr><td><a href=\"../\">../</a></td></tr>\n");
	return 0;
}

/* A name is a relative URL behind "./": it may have a colon. */
static void add_link(struct http_out *page, const struct entry *e)
{
	char url[256 * 3];

	http_encode(url, sizeof(url), e->name);
	http_add_text(page, "<tr><td><a href=\"./");
	http_add_escaped(page, url);
	http_add_text(page, e->directory ? "/\">" : "\">");
	http_add_escaped(page, e->name);
	http_add_text(page, e->directory ? "/</a></td><td>" : "</a></td><td>");
}

static int add_row(struct http_out *page, const struct entry *e, const struct ringline_stat *st, int error)
{
	char date[HTTP_DATE_SIZE];
	int r = make_room(page, ROW_MAX + PAGE_END);

	if (r < 0)
		return r;
	add_link(page, e);
	if (error == 0 && S_ISREG(st->mode))
		http_add_number(page, st->length);
	else
		http_add_text(page, "-");
	http_add_text(page, "</td><td>");
	if (error == 0) {
		http_date_format(date, st->modified.sec);
		http_add_text(page, date);
	}
	http_add_text(page, "</td></tr>\n");
	return 0;
}

struct batch {
	const char *names[AT_ONCE];
	struct ringline_stat stats[AT_ONCE];
	int errors[AT_ONCE];
};

static int add_rows(struct http_out *page, struct ringline_file *dir, const struct entry *entries, size_t n, struct batch *b)
{
	int64_t failed;
	size_t i;
	int r = 0;

	for (i = 0; i < n; i++)
		b->names[i] = entries[i].name;
	failed = ringline_path_stat_many(dir, b->names, n, AT_SYMLINK_NOFOLLOW, 0, b->stats, sizeof(b->stats[0]), b->errors);
	if (failed < 0)
		return (int)failed;
	for (i = 0; i < n && r == 0; i++)
		r = add_row(page, &entries[i], &b->stats[i], b->errors[i]);
	return r == 0 ? ringline_checkpoint() : r;
}

static int add_all(struct http_out *page, struct ringline_file *dir, const struct names *names)
{
	struct batch *b = malloc(sizeof(*b));
	size_t at;
	int r = b ? 0 : -ENOMEM;

	for (at = 0; r == 0 && at < names->n; at += AT_ONCE) {
		size_t n = names->n - at < AT_ONCE ? names->n - at : AT_ONCE;

		r = add_rows(page, dir, names->entries + at, n, b);
	}
	free(b);
	return r;
}

int http_listing(struct http_out *page, struct ringline_file *dir, const char *title)
{
	struct names names = { 0 };
	int r = gather(&names, dir);

	*page = (struct http_out){ 0 };
	if (r == 0)
		r = begin_page(page, title);
	if (r == 0 && names.n)
		qsort(names.entries, names.n, sizeof(names.entries[0]), compare);
	if (r == 0)
		r = add_all(page, dir, &names);
	free_names(&names);
	if (r < 0) {
		free(page->bytes);
		return r;
	}
	http_add_text(page, names.more ? "</table>\n<p>There are more entries than are shown.\n" : "</table>\n");
	return 0;
}
