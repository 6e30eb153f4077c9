/* SPDX-License-Identifier: MIT */
/* Reading directories; dir.h tells the idea. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sized.h"
#include "io/dir.h"
#include "io/file.h"
#include "ringline/dir.h"

#define ENTRIES_SIZE (32u * 1024)

/* As the kernel writes them (getdents64(2)). */
struct entry {
	uint64_t inode;
	int64_t cookie;
	unsigned short size;
	unsigned char type;
	char name[];
};

static int check(const struct ringline_dir *d, const char *call)
{
	int r;

	if (!d)
		return -EINVAL;
	if (!rln_exec_get(call))
		return rln_not_here();
	r = rln_exec_check_handle(&rln_io_current()->dirs, &d->slot, call);
	return r == 0 && !d->file ? -EBADF : r;
}

/* Opening */

static struct ringline_dir *dir_new(struct rln_io *io, struct ringline_file *file)
{
	struct ringline_dir *d = rln_slab_alloc(&io->dirs);

	if (!d)
		return NULL;
	d->entries = rln_mem_alloc(ENTRIES_SIZE);
	if (!d->entries) {
		d->file = NULL;
		rln_slab_free(&io->dirs, d);
		return NULL;
	}
	d->io = io;
	d->file = file;
	d->at = 0;
	d->len = 0;
	d->busy = false;
	return d;
}

static int open_stream(struct ringline_dir **ret, struct ringline_file *dir, const char *path)
{
	struct ringline_file *file;
	int r = ringline_file_open(&file, dir, path, O_RDONLY | O_DIRECTORY, 0, NULL);

	if (r < 0)
		return r;
	*ret = dir_new(file->io, file);
	if (*ret)
		return 0;
	rln_file_begin_close(file);
	return -ENOMEM;
}

int ringline_dir_from_file(struct ringline_dir **ret, struct ringline_file *file)
{
	int r = rln_file_check(file, __func__);

	if (r < 0)
		return r;
	if (!ret)
		return -EINVAL;
	if (!S_ISDIR(file->type))
		return -ENOTDIR;
	if (file->calls)
		return -EBUSY;
	*ret = dir_new(file->io, file);
	return *ret ? 0 : -ENOMEM;
}

int ringline_dir_open(struct ringline_dir **ret, struct ringline_file *dir, const char *path)
{
	return ret ? open_stream(ret, dir, path) : -EINVAL;
}

struct open_args {
	struct ringline_dir **ret;
	struct ringline_file *dir;
	const char *path;
};

static int64_t open_steps(void *args)
{
	struct open_args *a = args;
	int r = open_stream(a->ret, a->dir, a->path);

	if (a->dir)
		rln_file_leave(a->dir);
	return r;
}

static void free_stream(struct ringline_dir *d)
{
	rln_mem_free(d->entries);
	d->file = NULL;
	rln_slab_free(&d->io->dirs, d);
}

static void close_unwanted(void *args, int64_t result)
{
	struct ringline_dir *d = *((struct open_args *)args)->ret;

	if (result < 0)
		return;
	rln_file_begin_close(d->file);
	free_stream(d);
}

int ringline_dir_open_begin(struct ringline_op **ret, struct ringline_dir **stream, struct ringline_file *dir,
                            const char *path)
{
	static const struct rln_steps steps = { .run = open_steps, .dispose = close_unwanted };
	struct open_args a = { .ret = stream, .dir = dir, .path = path };
	int r;

	if (!stream || !path)
		return -EINVAL;
	if (dir)
		return rln_file_begin_steps(ret, &steps, &a, sizeof(a), dir, __func__);
	r = rln_task_get(__func__) ? 0 : rln_not_here();
	if (r == 0 && !ret)
		r = -EINVAL;
	return r < 0 ? r : rln_handle_steps(ret, &steps, &a, sizeof(a));
}

/* Reading */

static int64_t call_getdents(struct rln_request *q)
{
	long n = syscall(SYS_getdents64, q->f.op.fd, q->f.op.ptr, q->f.op.len);

	return n < 0 ? -errno : n;
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* The next entry that was brought and is one. */
static const struct entry *brought(struct ringline_dir *d)
{
	while (d->at < d->len) {
		const struct entry *e = (const struct entry *)(d->entries + d->at);

		d->at += e->size;
		if (!is_dots(e->name))
			return e;
	}
	return NULL;
}

/* Bytes that were brought, 0 at the end. */
static int64_t bring(struct ringline_dir *d, const char *call)
{
	struct rln_request q;
	int64_t n;

	rln_request_init(&q, RLN_OP_GETDENTS, d->file);
	q.f.op.ptr = d->entries;
	q.f.op.len = ENTRIES_SIZE;
	q.call = call_getdents;
	d->busy = true;
	n = rln_request_run(&q, 0, call);
	d->busy = false;
	d->at = 0;
	d->len = n > 0 ? (size_t)n : 0;
	return n;
}

static int hand_out(struct ringline_dirent *to, const struct entry *e)
{
	struct ringline_dirent out = {
		.size = sizeof(out),
		.name = e->name,
		.inode = e->inode,
		.cookie = (uint64_t)e->cookie,
		.type = e->type,
		.length = (uint32_t)strlen(e->name),
	};
	int r = rln_sized_out(to, &out, sizeof(out));

	return r < 0 ? r : 1;
}

/* In a scope that was cut what has been brought stays for another. */
static int read_entry(struct ringline_dir *d, struct ringline_dirent *entry, const char *call)
{
	const struct entry *e;
	int r = rln_task_current()->scope->reason;

	if (r < 0)
		return r;
	while (!(e = brought(d))) {
		int64_t n = bring(d, call);

		if (n <= 0)
			return (int)n;
	}
	return hand_out(entry, e);
}

static int check_read(struct ringline_dir *d, const struct ringline_dirent *entry, const char *call)
{
	int r = check(d, call);

	if (r == 0 && d->busy)
		r = -EBUSY;
	return r == 0 && (!entry || entry->size < sizeof(entry->size)) ? -EINVAL : r;
}

int ringline_dir_read(struct ringline_dir *stream, struct ringline_dirent *entry)
{
	struct ringline_task *t;
	int r = check_read(stream, entry, __func__);

	if (r == 0)
		r = rln_task_get_parking(&t, __func__);
	return r < 0 ? r : read_entry(stream, entry, __func__);
}

struct read_args {
	struct ringline_dir *dir;
	struct ringline_dirent *entry;
};

static int64_t read_steps(void *args)
{
	struct read_args *a = args;
	struct ringline_file *file = a->dir->file;
	int r;

	a->dir->busy = false;
	r = read_entry(a->dir, a->entry, "ringline_dir_read_begin");
	rln_file_leave(file);
	return r;
}

int ringline_dir_read_begin(struct ringline_op **ret, struct ringline_dir *stream, struct ringline_dirent *entry)
{
	static const struct rln_steps steps = { .run = read_steps };
	struct read_args a = { .dir = stream, .entry = entry };
	int r = check_read(stream, entry, __func__);

	if (r == 0)
		r = rln_file_begin_steps(ret, &steps, &a, sizeof(a), stream->file, __func__);
	if (r == 0)
		stream->busy = true;
	return r;
}

int ringline_dir_seek(struct ringline_dir *stream, uint64_t cookie)
{
	int r = check(stream, __func__);

	if (r == 0 && stream->busy)
		r = -EBUSY;
	if (r < 0)
		return r;
	if (cookie > INT64_MAX || lseek(stream->file->fd, (off_t)cookie, SEEK_SET) < 0)
		return -EINVAL;
	stream->at = 0;
	stream->len = 0;
	return 0;
}

struct ringline_file *ringline_dir_file(struct ringline_dir *stream)
{
	return check(stream, __func__) == 0 ? stream->file : NULL;
}

/* Closing */

static int check_close(struct ringline_dir *d, const char *call)
{
	int r = check(d, call);

	return r == 0 && d->busy ? -EBUSY : r;
}

int ringline_dir_close(struct ringline_dir *stream)
{
	struct ringline_file *file;
	struct ringline_task *t;
	int r = stream ? check_close(stream, __func__) : 0;

	if (r == 0)
		r = rln_task_get_parking(&t, __func__);
	if (r < 0 || !stream)
		return r;
	file = stream->file;
	free_stream(stream);
	return ringline_file_close(file);
}

int ringline_dir_close_begin(struct ringline_op **ret, struct ringline_dir *stream)
{
	int r = check_close(stream, __func__);

	if (r == 0)
		r = ringline_file_close_begin(ret, stream->file);
	if (r == 0)
		free_stream(stream);
	return r;
}

/* The worker's */

void rln_dirs_init(struct rln_io *io)
{
	rln_slab_init(&io->dirs, sizeof(struct ringline_dir), 64, 0);
}

void rln_dirs_fini(struct rln_io *io)
{
	struct ringline_dir *d;
	uint32_t i;

	for (i = 0; (d = rln_slab_at(&io->dirs, i)); i++)
		if (rln_slot_live(&d->slot))
			rln_mem_free(d->entries);
	rln_slab_fini(&io->dirs);
}
