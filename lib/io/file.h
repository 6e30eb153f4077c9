/* SPDX-License-Identifier: MIT */
/*
 * Open files: a descriptor, what is known of it, and who uses it.
 *
 *     OPEN --close--> CLOSING --nobody uses it--> (close(2)) --> gone
 *
 * What is known of a file is found out when it is opened, on the thread that opens it: its type, whether its file system asks
 * somebody else, how O_DIRECT wants memory and offsets. So no later call has to ask.
 *
 * Invariants: the descriptor is open while `calls` is not zero; when the file is closing no request is added, those there are
 * were cancelled, and the last to leave has it closed. A stream has one request for each direction, since an engine polls a
 * descriptor once for each.
 */
#ifndef RLN_IO_FILE_H
#define RLN_IO_FILE_H

#include "base/slab.h"
#include "core/scope.h"
#include "core/task.h"
#include "core/wait.h"
#include "io/io.h"
#include "io/request.h"
#include "ringline/file.h"

struct ringline_file {
	struct rln_slot slot;
	struct rln_list link;             /* rln_io.files */
	struct rln_io *io;
	int fd;
	uint32_t calls;                   /* requests and calls that use it */
	uint32_t type;                    /* S_IFMT */
	bool closing;
	bool remote;
	bool stream;
	bool direct;
	bool nvme;                        /* takes commands (io/nvme.h) */
	bool readable;                    /* opened for it */
	bool writable;
	bool cannot_try;                  /* its file system does not know reads that do not wait */
	bool reading;                     /* of a stream */
	bool writing;
	uint32_t memory_alignment;        /* 0: not known */
	uint32_t offset_alignment;
	struct rln_list requests[2];      /* rln_request.link: those whose first, and whose second file it is */
	struct rln_list lock_waits;       /* of threads that wait for locks (file-lock.c) */
	struct rln_list uses;             /* rln_file_use.link */
	struct rln_source closed;         /* who waits for the end */
};

/* What is found out about a descriptor, on any thread. */
struct rln_file_facts {
	int fd;
	int flags;                        /* of fcntl(2) */
	uint32_t type;
	uint64_t device;
	uint64_t special;                 /* the number of the device that it is */
	bool remote;
	bool stream;
	bool nvme;
	uint32_t memory_alignment;
	uint32_t offset_alignment;
};

/* Of a regular file or a directory of this machine, which does not take asking: without waiting. 0 or -errno. */
int rln_file_find_out_local(struct rln_file_facts *facts, int fd);

/* 0 or -errno. May block as long as the file's server does. */
int rln_file_find_out(struct rln_file_facts *facts, int fd);

/* A new file that owns the descriptor. NULL: no memory, and it stays the caller's. */
struct ringline_file *rln_file_new(struct rln_io *io, const struct rln_file_facts *facts) rln_must_check;

/* The guards of public calls. 0, -EINVAL, -EPERM, -EBADF; a directory argument may be NULL. */
int rln_file_refuse(const struct ringline_file *file, const char *call) rln_cold;

static inline int rln_file_check(const struct ringline_file *file, const char *call)
{
	const struct rln_exec *x = rln_exec_current;

	if (rln_likely(file && x && x->alive && rln_slot_live(&file->slot) && file->io == x->io && !file->closing))
		return 0;
	return rln_file_refuse(file, call);
}

int rln_file_check_dir(const struct ringline_file *dir, const char *call);

/* What system calls are given for a directory argument. */
int rln_file_dirfd(const struct ringline_file *dir);

/* An empty request about *file*, which is not held yet; NULL: about none. The caller fills in the arguments. */
static inline void rln_request_init(struct rln_request *q, unsigned int opcode, struct ringline_file *file)
{
	rln_op_init(&q->f.op, NULL);
	q->f.op.opcode = (uint8_t)opcode;
	q->f.op.fd = file ? file->fd : -1;
	q->f.ptr2 = NULL;
	q->f.ptr3 = NULL;
	q->f.fd2 = -1;
	q->f.flags = 0;
	q->f.mode = 0;
	q->f.region = 0;
	q->held[0] = file;
	q->held[1] = NULL;
	q->region = NULL;
	q->threads = NULL;
	q->finish = NULL;
	q->dispose = NULL;
	q->moved = 0;
	q->out = NULL;
	q->call = rln_request_call;
	q->route = RLN_ROUTE_NONE;
	q->flags = file ? file->remote * RLN_REQUEST_REMOTE : 0;
	q->opcode = (uint8_t)opcode;
	q->given = 0;
}

/* It is about a second one besides; NULL: it is not. */
static inline void rln_request_add_file(struct rln_request *q, struct ringline_file *file)
{
	q->held[1] = file;
	if (file && file->remote)
		q->flags |= RLN_REQUEST_REMOTE;
}

/* The last use of a file that is being closed is over. */
void rln_file_close_descriptor(struct ringline_file *file) rln_cold;

/* For the time of a use. */
static inline void rln_file_enter(struct ringline_file *file)
{
	file->calls++;
}

static inline void rln_file_leave(struct ringline_file *file)
{
	if (!--file->calls && rln_unlikely(file->closing))
		rln_file_close_descriptor(file);
}

/*
 * A use of several steps by a task, which may wait for something else than the file: in a scope of its own, on the stack, which
 * the close of the file cuts. The result at its end is what the caller is told.
 */
struct rln_file_use {
	struct rln_list link;
	struct rln_scope scope;
	struct ringline_file *file;
};

void rln_file_use_begin(struct rln_file_use *use, struct ringline_file *file, struct ringline_task *t);
int64_t rln_file_use_end(struct rln_file_use *use, int64_t result);

/* A read or a write (RLN_OP_READ, RLN_OP_WRITE), checked. 0 or -errno. */
int rln_file_prepare_transfer(struct rln_request *q, unsigned int opcode, struct ringline_file *file, const void *data,
                              size_t len, uint64_t offset, const char *call) rln_must_check;

/* Begins an operation of several steps (core/handle.h) on a file, which it has to leave at its end. 0 or -errno. */
int rln_file_begin_steps(struct ringline_op **ret, const struct rln_steps *steps, const void *args, size_t size,
                         struct ringline_file *file, const char *call) rln_must_check;

/* file-lock.c: threads that wait for a lock of the file are taken out of the wait. */
void rln_file_cancel_lock_waits(struct ringline_file *file);

/* Closes it as soon as nobody uses it, without waiting for that. */
void rln_file_begin_close(struct ringline_file *file);

void rln_files_init(struct rln_io *io);
void rln_files_fini(struct rln_io *io);
void rln_files_close_all(struct rln_io *io);

#endif
