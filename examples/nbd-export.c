/* SPDX-License-Identifier: MIT */
/* Exports; nbd-export.h tells what they are. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nbd-export.h"

#define PREFERRED    4096u
#define ZEROES       ((size_t)256 * 1024)
#define EXTENT_MAX   (UINT32_MAX & ~UINT32_C(4095))

static struct nbd_export_info table[NBD_EXPORTS_MAX];
static const char *paths[NBD_EXPORTS_MAX];
static int count;

const struct nbd_export_info *nbd_exports(int *n)
{
	*n = count;
	return table;
}

/* The table */

static int flags_of(bool read_only)
{
	return read_only ? O_RDONLY : O_RDWR;
}

/* Opened once to see whether it can be, and how long it is: of a device fstat(2) does not tell. */
static int64_t size_of(const char *path, bool read_only)
{
	int fd = open(path, flags_of(read_only) | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	off_t size;

	if (fd < 0)
		return -errno;
	size = fstat(fd, &st) < 0 ? -1 : lseek(fd, 0, SEEK_END);
	if (size < 0)
		size = -errno;
	else if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		size = -EINVAL;
	close(fd);
	return size;
}

static bool is_taken(const char *name)
{
	int i;

	for (i = 0; i < count; i++)
		if (!strcmp(table[i].name, name))
			return true;
	return false;
}

static const char *add(const char *name, const char *path, bool read_only)
{
	int64_t size;

	if (count == (int)NBD_EXPORTS_MAX)
		return "too many exports";
	if (strlen(name) > NBD_EXPORT_NAME_MAX)
		return "the name is too long";
	if (is_taken(name))
		return "there is one of that name";
	size = size_of(path, read_only);
	if (size < 0)
		return strerror((int)-size);
	paths[count] = path;
	table[count++] = (struct nbd_export_info){ name, (uint64_t)size, PREFERRED, read_only };
	return NULL;
}

bool nbd_export_add(const char *text, bool read_only)
{
	const char *equals = strchr(text, '=');
	const char *slash = strrchr(text, '/');
	const char *path = equals ? equals + 1 : text;
	const char *name = equals ? strndup(text, (size_t)(equals - text)) : slash ? slash + 1 : text;
	const char *wrong = name ? add(name, path, read_only) : "out of memory";

	if (wrong)
		fprintf(stderr, "%s: %s\n", text, wrong);
	return !wrong;
}

/* Files */

int nbd_export_open(struct ringline_file **ret, int export)
{
	return ringline_file_open(ret, NULL, paths[export], flags_of(table[export].read_only), 0, NULL);
}

int64_t nbd_export_flush(struct ringline_file *file)
{
	return ringline_file_datasync(file);
}

static int64_t sync_if(struct ringline_file *file, int64_t r, bool sync)
{
	return r < 0 || !sync ? r : nbd_export_flush(file);
}

int64_t nbd_export_write(struct ringline_file *file, const void *data, size_t length, uint64_t offset, bool sync)
{
	return sync_if(file, ringline_file_write_all(file, data, length, offset), sync);
}

static bool cannot(int64_t r)
{
	return r == -EOPNOTSUPP || r == -EINVAL;
}

/* A hint: who cannot, need not. */
int64_t nbd_export_trim(struct ringline_file *file, const struct nbd_request *q)
{
	int64_t r = ringline_file_allocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, q->offset, q->length);

	return sync_if(file, cannot(r) ? 0 : r, q->flags & NBD_CMD_FLAG_FUA);
}

static int64_t write_zeroes(struct ringline_file *file, uint64_t offset, uint64_t left)
{
	static const unsigned char zeroes[ZEROES];
	int64_t r = 0;

	while (left && r >= 0) {
		size_t n = left < ZEROES ? (size_t)left : ZEROES;

		r = ringline_file_write_all(file, zeroes, n, offset);
		offset += n;
		left -= n;
	}
	return r < 0 ? r : 0;
}

/* By a hole, unless it is to stay provisioned; by the file system; and, if it may take that long, by writing. */
int64_t nbd_export_write_zeroes(struct ringline_file *file, const struct nbd_request *q)
{
	int64_t r = -EOPNOTSUPP;

	if (!(q->flags & NBD_CMD_FLAG_NO_HOLE))
		r = ringline_file_allocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, q->offset, q->length);
	if (cannot(r))
		r = ringline_file_allocate(file, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, q->offset, q->length);
	if (cannot(r))
		r = q->flags & NBD_CMD_FLAG_FAST_ZERO ? -EOPNOTSUPP : write_zeroes(file, q->offset, q->length);
	return sync_if(file, r, q->flags & NBD_CMD_FLAG_FUA);
}

int64_t nbd_export_cache(struct ringline_file *file, const struct nbd_request *q)
{
	return ringline_file_advise(file, q->offset, q->length, POSIX_FADV_WILLNEED);
}

/* Extents */

struct search {
	int fd;
	uint64_t at;
	uint64_t end;
	unsigned char *to;
	size_t max;
};

/* Where what lies at *at* ends, and its state. Who cannot tell says that it is data, which is never wrong. */
static uint64_t extent(const struct search *s, uint32_t *state)
{
	off_t data = lseek(s->fd, (off_t)s->at, SEEK_DATA);
	off_t next;

	*state = NBD_STATE_HOLE | NBD_STATE_ZERO;
	if (data < 0 && errno == ENXIO)
		return s->end;
	if (data > (off_t)s->at)
		return (uint64_t)data;
	*state = 0;
	next = data < 0 ? data : lseek(s->fd, data, SEEK_HOLE);
	return next > (off_t)s->at ? (uint64_t)next : s->end;
}

/* On a thread: lseek(2) may have to read what the file system keeps of the file. */
static int look_for_extents(void *arg)
{
	struct search *s = arg;
	int n = 0;

	while (s->at < s->end && (size_t)n < s->max) {
		uint32_t state;
		uint64_t next = extent(s, &state);
		uint64_t length = (next < s->end ? next : s->end) - s->at;

		length = length < EXTENT_MAX ? length : EXTENT_MAX;
		s->to = nbd_put32(nbd_put32(s->to, (uint32_t)length), state);
		s->at += length;
		n++;
	}
	return n;
}

int64_t nbd_export_extents(struct ringline_file *file, const struct nbd_request *q, unsigned char *to, size_t max)
{
	struct ringline_blocking_options o = RINGLINE_BLOCKING_OPTIONS_INIT;
	struct search s = { ringline_file_fd(file), q->offset, q->offset + q->length, to, max };

	o.job_class = RINGLINE_BLOCKING_IO;
	if (q->flags & NBD_CMD_FLAG_REQ_ONE)
		s.max = 1;
	return s.fd < 0 ? s.fd : ringline_blocking(look_for_extents, &s, &o);
}
