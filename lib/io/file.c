/* SPDX-License-Identifier: MIT */
/* Files as handles: what is known of them, who uses them, and how they are closed; file.h tells the idea. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sized.h"
#include "io/file.h"
#include "io/nvme.h"

#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x2000U
#endif

/* Finding out */

/* File systems that ask somebody else, who may be gone (linux/magic.h, and the file systems' own headers). */
static bool is_remote(uint32_t magic)
{
	switch (magic) {
	case 0x65735546:          /* FUSE */
	case 0x6969:              /* NFS */
	case 0xff534d42:          /* CIFS */
	case 0xfe534d42:          /* SMB2 */
	case 0x517b:              /* SMB */
	case 0x01021997:          /* 9p */
	case 0x00c36400:          /* Ceph */
	case 0x5346414f:          /* OpenAFS */
	case 0x6b414653:          /* AFS */
	case 0x73757245:          /* Coda */
	case 0x564c:              /* NCP */
	case 0x7461636f:          /* OCFS2 */
	case 0x01161970:          /* GFS2 */
		return true;
	default:
		return false;
	}
}

/*
 * Would a read of it wait for somebody? Character devices differ, and what has no type (eventfds, timers): epoll takes those
 * that can be waited for. 1, 0, or -errno: one that was taken for the other would hold a thread.
 */
static int is_stream(int fd, uint32_t type)
{
	struct epoll_event none = { 0 };
	int stream;
	int epfd;

	if (type == S_IFIFO || type == S_IFSOCK)
		return 1;
	if (type != S_IFCHR && type)
		return 0;
	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (epfd < 0)
		return -errno;
	stream = epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &none) == 0;
	close(epfd);
	return stream;
}

/* glibc's structure may be older than the kernel's: the two numbers lie behind stx_mnt_id (linux/stat.h). */
static void find_alignment(struct rln_file_facts *facts)
{
	struct statx sx;
	uint32_t align[2];

	memset(&sx, 0, sizeof(sx));
	if (statx(facts->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &sx) < 0 || !(sx.stx_mask & STATX_DIOALIGN))
		return;
	memcpy(align, (const char *)&sx + 0x98, sizeof(align));
	facts->memory_alignment = align[0];
	facts->offset_alignment = align[1];
}

int rln_file_find_out_local(struct rln_file_facts *facts, int fd)
{
	struct stat st;

	*facts = (struct rln_file_facts){ .fd = fd, .flags = fcntl(fd, F_GETFL) };
	if (facts->flags < 0 || fstat(fd, &st) < 0)
		return -errno;
	facts->type = st.st_mode & S_IFMT;
	facts->device = st.st_dev;
	facts->special = st.st_rdev;
	if (facts->flags & O_DIRECT)
		find_alignment(facts);
	return 0;
}

int rln_file_find_out(struct rln_file_facts *facts, int fd)
{
	struct statfs fs;
	int r = rln_file_find_out_local(facts, fd);

	if (r == 0 && !(facts->flags & O_PATH))
		r = is_stream(fd, facts->type);
	if (r < 0)
		return r;
	facts->stream = r;
	facts->nvme = facts->type == S_IFCHR && rln_nvme_is_device(facts->special);
	facts->remote = !facts->stream && (fstatfs(fd, &fs) < 0 || is_remote((uint32_t)fs.f_type));
	return 0;
}

/* The table */

struct ringline_file *rln_file_new(struct rln_io *io, const struct rln_file_facts *facts)
{
	struct ringline_file *file = rln_slab_alloc(&io->file_slab);

	if (!file)
		return NULL;
	memset((char *)file + sizeof(file->slot), 0, sizeof(*file) - sizeof(file->slot));
	file->io = io;
	file->fd = facts->fd;
	file->type = facts->type;
	file->remote = facts->remote;
	file->stream = facts->stream;
	file->nvme = facts->nvme;
	file->direct = facts->flags & O_DIRECT;
	file->readable = (facts->flags & O_ACCMODE) != O_WRONLY;
	file->writable = (facts->flags & O_ACCMODE) != O_RDONLY;
	file->cannot_try = facts->type != S_IFREG || file->direct;
	file->memory_alignment = facts->memory_alignment;
	file->offset_alignment = facts->offset_alignment;
	rln_list_init(&file->requests[0]);
	rln_list_init(&file->requests[1]);
	rln_list_init(&file->lock_waits);
	rln_list_init(&file->uses);
	rln_source_init(&file->closed);
	rln_list_init(&file->link);
	rln_list_add_tail(&io->files, &file->link);
	return file;
}

int rln_file_refuse(const struct ringline_file *file, const char *call)
{
	int r;

	if (!file)
		return -EINVAL;
	if (!rln_exec_get(call))
		return rln_not_here();
	r = rln_exec_check_handle(&rln_io_current()->file_slab, &file->slot, call);
	return r == 0 && file->closing ? -EBADF : r;
}

int rln_file_check_dir(const struct ringline_file *dir, const char *call)
{
	if (dir)
		return rln_file_check(dir, call);
	return rln_exec_get(call) ? 0 : rln_not_here();
}

int rln_file_dirfd(const struct ringline_file *dir)
{
	return dir ? dir->fd : AT_FDCWD;
}

/* Closing */

static void gone(struct ringline_file *file, int result)
{
	file->fd = -1;
	rln_list_del(&file->link);
	rln_source_fire_all(&file->closed, result);
	rln_slab_free(&file->io->file_slab, file);
}

/* A close that is under way; it is nobody's request, since whoever asked may have gone. */
struct closer {
	struct rln_slot slot;
	struct ringline_file *file;
	struct rln_request q;
};

static void closer_done(struct rln_request *q)
{
	struct closer *c = rln_container_of(q, struct closer, q);
	struct ringline_file *file = c->file;
	int result = (int)q->result;

	rln_slab_free(&file->io->closers, c);
	gone(file, result);
}

/*
 * Closing what was written to may have to wait for the file system, and for a server in any case: that is a thread's work
 * where the engine has none of its own. Streams are the engine's to close, which knows them.
 */
static uint8_t closing_flags(const struct ringline_file *file)
{
	if (file->stream)
		return 0;
	if (file->remote)
		return RLN_REQUEST_REMOTE;
	return file->writable && !rln_backend_carries(rln_exec_current->backend, RLN_OP_WRITE) ? RLN_REQUEST_NO_RING : 0;
}

void rln_file_close_descriptor(struct ringline_file *file)
{
	struct closer *c = rln_slab_alloc(&file->io->closers);

	if (!c) {
		gone(file, close(file->fd) < 0 && errno != EINTR ? -errno : 0);
		return;
	}
	c->file = file;
	rln_request_init(&c->q, RLN_OP_CLOSE, NULL);
	c->q.f.op.fd = file->fd;
	c->q.done = closer_done;
	c->q.flags |= closing_flags(file);
	(void)!rln_request_start(&c->q, true);    /* a patient one is never refused */
}

void rln_file_use_begin(struct rln_file_use *use, struct ringline_file *file, struct ringline_task *t)
{
	rln_file_enter(file);
	use->file = file;
	rln_list_init(&use->link);
	rln_list_add_tail(&file->uses, &use->link);
	rln_scope_init(&use->scope, t->scope, t, RINGLINE_SCOPE_COLLECT);
	t->scope = &use->scope;
	if (file->closing)
		rln_scope_cut(&use->scope, -ECANCELED, false);
}

/* What the close cut is -EBADF, unless the caller's own scope was cut, too. */
int64_t rln_file_use_end(struct rln_file_use *use, int64_t result)
{
	struct rln_scope *outer = use->scope.parent;

	if (result == -ECANCELED && use->file->closing && !outer->reason)
		result = -EBADF;
	use->scope.task->scope = outer;
	rln_scope_fini(&use->scope);
	rln_list_del(&use->link);
	rln_file_leave(use->file);
	return result;
}

static void cut_uses(struct ringline_file *file)
{
	struct rln_list *it;

	rln_list_for_each (it, &file->uses)
		rln_scope_cut(&rln_list_entry(it, struct rln_file_use, link)->scope, -ECANCELED, false);
}

static void cancel_requests(struct ringline_file *file, int which)
{
	struct rln_list *it;
	struct rln_list *tmp;

	rln_list_for_each_safe (it, tmp, &file->requests[which])
		rln_request_cancel(rln_container_of(it, struct rln_request, link[which]));
}

void rln_file_begin_close(struct ringline_file *file)
{
	if (file->closing)
		return;
	file->closing = true;
	rln_file_enter(file);
	cancel_requests(file, 0);
	cancel_requests(file, 1);
	rln_file_cancel_lock_waits(file);
	cut_uses(file);
	rln_file_leave(file);
}

static void describe(const void *object, char *text, size_t size)
{
	snprintf(text, size, "fd %d", ((const struct ringline_file *)object)->fd);
}

static const struct rln_what what_close = { .name = "close of a file", .describe = describe };

/* The wait for the descriptor alone is short, unless a server is asked; the wait for operations may be long. */
static int64_t close_and_wait(struct ringline_file *file, struct ringline_task *t)
{
	bool may_be_cut = file->calls || file->remote;
	struct rln_parker p;
	struct rln_wait w;
	int r = 0;

	rln_parker_init(&p, t, &what_close, file);
	rln_wait_arm(&w, &p, &file->closed);
	rln_file_begin_close(file);
	if (may_be_cut)
		r = rln_park(&p);
	else
		rln_park_shielded(&p);
	rln_wait_disarm(&w);
	return r < 0 ? r : w.result;
}

int ringline_file_close(struct ringline_file *file)
{
	struct ringline_task *t = NULL;
	int r = file ? rln_file_check(file, __func__) : 0;

	if (r == 0)
		r = rln_task_get_parking(&t, __func__);
	return r < 0 || !file ? r : (int)close_and_wait(file, t);
}

/* An operation that waits for a close. */
struct close_wait {
	struct rln_parker parker;
	struct rln_wait wait;
	struct ringline_op *handle;
};

static void close_told(struct rln_parker *p)
{
	struct close_wait *c = rln_container_of(p, struct close_wait, parker);

	rln_handle_done(c->handle, c->wait.result);
}

static void close_op_cancel(struct ringline_op *h)
{
	struct close_wait *c = h->work.ptr;

	rln_wait_disarm(&c->wait);
	rln_handle_done(h, -ECANCELED);
}

static void close_op_free(struct ringline_op *h)
{
	rln_mem_free(h->work.ptr);
}

static const struct rln_handle_kind close_op = { .cancel = close_op_cancel, .take = close_op_free, .dispose = close_op_free };

int ringline_file_close_begin(struct ringline_op **ret, struct ringline_file *file)
{
	struct close_wait *c;
	struct ringline_op *h;
	int r = rln_file_check(file, __func__);

	if (r == 0 && !ret)
		r = -EINVAL;
	if (r == 0 && !rln_task_get(__func__))
		r = rln_not_here();
	if (r == 0)
		r = rln_handle_new(&h, &close_op);
	if (r < 0)
		return r;
	c = rln_mem_alloc(sizeof(*c));
	if (!c) {
		rln_handle_drop(h);
		return -ENOMEM;
	}
	c->handle = h;
	h->work.ptr = c;
	rln_parker_init(&c->parker, NULL, &what_close, NULL);
	c->parker.fired = close_told;
	rln_wait_arm(&c->wait, &c->parker, &file->closed);
	rln_file_begin_close(file);
	*ret = h;
	return 0;
}

/* The other calls */

int rln_file_begin_steps(struct ringline_op **ret, const struct rln_steps *steps, const void *args, size_t size,
                         struct ringline_file *file, const char *call)
{
	int r = rln_file_check(file, call);

	if (r == 0 && !ret)
		r = -EINVAL;
	if (r == 0 && !rln_task_get(call))
		r = rln_not_here();
	if (r < 0)
		return r;
	rln_file_enter(file);
	r = rln_handle_steps(ret, steps, args, size);
	if (r < 0)
		rln_file_leave(file);
	return r;
}

int ringline_file_fd(const struct ringline_file *file)
{
	int r = rln_file_check(file, __func__);

	return r < 0 ? r : file->fd;
}

int ringline_file_release(struct ringline_file *file)
{
	int r = rln_file_check(file, __func__);
	int fd;

	if (r < 0)
		return r;
	if (file->calls)
		return -EBUSY;
	fd = file->fd;
	if (file->stream && rln_exec_current->backend->ops->forget)
		rln_exec_current->backend->ops->forget(rln_exec_current->backend, fd);
	gone(file, 0);
	return fd;
}

int ringline_file_info(const struct ringline_file *file, struct ringline_file_info *info)
{
	struct ringline_file_info out = { .size = sizeof(out) };
	int r = rln_file_check(file, __func__);

	if (r < 0)
		return r;
	if (!info)
		return -EINVAL;
	out.fd = file->fd;
	out.type = file->type;
	out.flags = (file->remote ? RINGLINE_FILE_REMOTE : 0) | (file->stream ? RINGLINE_FILE_STREAM : 0) |
		    (file->direct ? RINGLINE_FILE_DIRECT : 0) | (file->nvme ? RINGLINE_FILE_NVME : 0);
	out.operations = file->calls;
	out.memory_alignment = file->memory_alignment;
	out.offset_alignment = file->offset_alignment;
	return rln_sized_out(info, &out, sizeof(out));
}

/* The worker's */

void rln_files_init(struct rln_io *io)
{
	rln_slab_init(&io->file_slab, sizeof(struct ringline_file), 64, 0);
	rln_slab_init(&io->closers, sizeof(struct closer), 64, 0);
	rln_list_init(&io->files);
}

void rln_files_fini(struct rln_io *io)
{
	rln_slab_fini(&io->closers);
	rln_slab_fini(&io->file_slab);
}

void rln_files_close_all(struct rln_io *io)
{
	struct rln_list *it;
	struct rln_list *tmp;

	rln_list_for_each_safe (it, tmp, &io->files)
		rln_file_begin_close(rln_list_entry(it, struct ringline_file, link));
}
