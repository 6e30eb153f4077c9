/* SPDX-License-Identifier: MIT */
/* Files that are kept open; http-files.h tells. */
#include "http-files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "http-response.h"

#define BUCKETS   1024
#define FILES_MAX 1000                   /* of a worker; more only while they are being opened */
#define SMALL     16384                  /* bytes; of files up to here the response is kept */
#define FRESH     RINGLINE_NSEC_PER_SEC

/* Each worker has its own. */
static __thread struct {
	struct ringline_file *root;
	struct http_file *buckets[BUCKETS];
	struct http_file *oldest;
	struct http_file *newest;
	unsigned int count;
} files;

/* The table */

static uint32_t hash_of(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return h;
}

static struct http_file *look_up(const char *name, uint32_t hash)
{
	struct http_file *f = files.buckets[hash % BUCKETS];

	while (f && (f->hash != hash || strcmp(f->name, name) != 0))
		f = f->chain;
	return f;
}

static void insert(struct http_file *f)
{
	struct http_file **bucket = &files.buckets[f->hash % BUCKETS];

	f->chain = *bucket;
	*bucket = f;
	f->older = files.newest;
	*(f->older ? &f->older->newer : &files.oldest) = f;
	files.newest = f;
	f->listed = true;
	f->refs++;
	files.count++;
}

/* Takes it out of the table, which gives up its reference. */
static void drop(struct http_file *f)
{
	struct http_file **at = &files.buckets[f->hash % BUCKETS];

	if (!f->listed)
		return;
	while (*at != f)
		at = &(*at)->chain;
	*at = f->chain;
	*(f->newer ? &f->newer->older : &files.newest) = f->older;
	*(f->older ? &f->older->newer : &files.oldest) = f->newer;
	f->listed = false;
	files.count--;
	http_files_put(f);
}

static bool is_fresh(const struct http_file *f)
{
	return ringline_now() - f->since < FRESH;
}

/* Opening */

static int open_beneath(struct ringline_file **ret, const char *name)
{
	struct ringline_file_open_options o = RINGLINE_FILE_OPEN_OPTIONS_INIT;

	if (!files.root)
		return -ESHUTDOWN;               /* without one names would begin in the working directory */
	o.resolve = RINGLINE_RESOLVE_BENEATH | RINGLINE_RESOLVE_NO_MAGICLINKS;
	return ringline_file_open(ret, files.root, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, &o);
}

static void add_hex(struct http_out *o, uint64_t value)
{
	char digits[16];
	size_t n = sizeof(digits);

	do {
		digits[--n] = "0123456789abcdef"[value & 15];
		value >>= 4;
	} while (value);
	http_add(o, digits + n, sizeof(digits) - n);
}

/* Another file, another length or another time of modification is another tag. */
static void make_etag(struct http_file *f, const struct ringline_stat *st)
{
	struct http_out o = { f->etag, sizeof(f->etag) - 1, 0, false };

	http_add_text(&o, "\"");
	add_hex(&o, st->inode);
	http_add_text(&o, "-");
	add_hex(&o, st->length);
	http_add_text(&o, "-");
	add_hex(&o, (uint64_t)st->modified.sec * RINGLINE_NSEC_PER_SEC + st->modified.nsec);
	http_add_text(&o, "\"");
	f->etag[o.len] = '\0';
}

static int find_out(struct http_file *f)
{
	struct ringline_stat st = RINGLINE_STAT_INIT;
	int r = ringline_file_stat(f->file, 0, &st);

	if (r < 0)
		return r;
	f->directory = S_ISDIR(st.mode);
	if (!f->directory && !S_ISREG(st.mode))
		return -EACCES;
	f->length = st.length;
	f->modified = st.modified.sec;
	f->type = http_type(f->name);
	make_etag(f, &st);
	http_date_format(f->date, (int64_t)time(NULL));
	http_date_format(f->modified_date, f->modified);
	return 0;
}

static void plain_head(struct http_out *o, const struct http_file *f)
{
	static const struct http_request plain = { .minor = 1 };

	http_begin(o, 200, f->date);
	http_field(o, "Last-Modified", f->modified_date);
	http_field(o, "ETag", f->etag);
	http_field(o, "Accept-Ranges", "bytes");
	http_field(o, "Content-Type", f->type);
	http_field_number(o, "Content-Length", f->length);
	http_end(o, &plain, false);
}

/* Reads a small file behind its head. */
static int read_whole(struct http_file *f)
{
	static __thread char scratch[1024];     /* not on the stack, which stays as deep as it ever was */
	struct http_out head = { scratch, sizeof(scratch), 0, false };
	char *memory;
	int64_t n;
	int r;

	plain_head(&head, f);
	r = ringline_buf_alloc(&f->whole, head.len + (size_t)f->length, 1);
	if (r < 0)
		return r;
	memory = ringline_buf_memory(f->whole);
	memcpy(memory, head.bytes, head.len);
	if (!f->length)
		return 0;
	n = ringline_file_read_all(f->file, memory + head.len, (size_t)f->length, 0);
	return n < 0 ? (int)n : ringline_buf_slice(&f->body, f->whole, head.len, (size_t)f->length);
}

static int open_file(struct http_file *f, const char *name)
{
	int r = open_beneath(&f->file, name);

	if (r == 0)
		r = find_out(f);
	if (r == 0 && !f->directory && f->length <= SMALL)
		r = read_whole(f);
	return r;
}

static struct http_file *file_new(const char *name, uint32_t hash)
{
	size_t len = strlen(name) + 1;
	struct http_file *f = calloc(1, sizeof(*f) + len);

	if (!f)
		return NULL;
	memcpy(f->name, name, len);
	f->hash = hash;
	f->refs = 1;
	f->opening = true;
	return f;
}

/* An entry in the place of *old*, which may be NULL. */
static int open_anew(struct http_file **ret, struct http_file *old, const char *name, uint32_t hash)
{
	struct http_file *f = file_new(name, hash);
	int r;

	if (!f)
		return -ENOMEM;
	insert(f);
	if (old)
		drop(old);
	if (files.count > FILES_MAX && !files.oldest->opening)
		drop(files.oldest);
	f->error = open_file(f, f->name);
	f->opening = false;
	f->since = ringline_now();
	if (f->opened)
		ringline_event_set(f->opened);
	r = f->error;
	if (r == 0) {
		*ret = f;
		return 0;
	}
	drop(f);
	http_files_put(f);
	return r;
}

/* Waits until another task has opened it. 0, or why the wait was cut short. */
static int wait_for(struct http_file *f)
{
	if (!f->opened && ringline_event_new(&f->opened, NULL) < 0)
		return -ENOMEM;
	return ringline_event_wait(f->opened);
}

/* The calls */

struct http_file *http_files_find(const char *name)
{
	struct http_file *f = look_up(name, hash_of(name));

	if (!f || f->opening || !is_fresh(f))
		return NULL;
	f->refs++;
	return f;
}

static bool was_cut(int error)
{
	return error == -ETIME || error == -ECANCELED;
}

/* An opening that was cut short is nobody's but its task's: the next one tries again. */
int http_files_get(struct http_file **ret, const char *name)
{
	uint32_t hash = hash_of(name);
	struct http_file *f = look_up(name, hash);
	int r;

	if (!f || (!f->opening && !is_fresh(f)))
		return open_anew(ret, f, name, hash);
	f->refs++;
	r = f->opening ? wait_for(f) : 0;
	if (r == 0)
		r = f->error;
	if (r == 0) {
		*ret = f;
		return 0;
	}
	if (was_cut(f->error))
		r = open_anew(ret, look_up(f->name, hash), f->name, hash);
	http_files_put(f);
	return r;
}

void http_files_put(struct http_file *f)
{
	if (--f->refs)
		return;
	ringline_buf_unref(f->body);
	ringline_buf_unref(f->whole);
	ringline_event_free(f->opened);
	if (f->file)
		ringline_file_close(f->file);
	free(f);
}

void http_files_expire(void)
{
	while (files.oldest && !files.oldest->opening && !is_fresh(files.oldest))
		drop(files.oldest);
}

int http_files_open(const char *root)
{
	return ringline_file_open(&files.root, NULL, root, O_PATH | O_DIRECTORY, 0, NULL);
}

void http_files_close(void)
{
	while (files.oldest)
		drop(files.oldest);
	ringline_file_close(files.root);
	files.root = NULL;
}
