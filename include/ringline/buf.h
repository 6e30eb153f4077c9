/* SPDX-License-Identifier: MIT */
/*
 * Buffers: bytes with a counted reference, that can be kept, cut and sent without being copied.
 *
 * ringline_conn_take() takes what was received as a buffer, ringline_conn_send_buf() sends one on any connection of the
 * worker. A buffer belongs to the worker it was made on, whose tasks may all use it; its bytes do not change. A small one
 * may keep a whole receive buffer from being used again: what is to stay long is better copied.
 */
#ifndef RINGLINE_BUF_H
#define RINGLINE_BUF_H

#include <ringline/common.h>

RINGLINE_BEGIN_DECLS

struct ringline_buf;

/*
 * Makes a buffer of a copy of len bytes, at least one. Never suspends.
 *
 * Returns 0 and a reference in *ret; -EINVAL, -ENOBUFS (the worker's memory limit), -ENOMEM, -EPERM.
 * Since: 0.1
 */
int ringline_buf_new(struct ringline_buf **ret, const void *data, size_t len) RINGLINE_MUST_CHECK;

/*
 * Makes a buffer of memory that is aligned (a power of two, 1 for any) and can be written to: for O_DIRECT
 * (struct ringline_file_info tells how it must be aligned), and for whoever fills a buffer by himself. Its bytes are not
 * set. Never suspends.
 *
 * Returns 0 and a reference in *ret; -EINVAL, -ENOBUFS (the worker's memory limit), -ENOMEM, -EPERM.
 * Since: 0.1
 */
int ringline_buf_alloc(struct ringline_buf **ret, size_t len, size_t alignment) RINGLINE_MUST_CHECK;

/*
 * The memory of a buffer that was made by ringline_buf_alloc(), to be written to while nobody sends or slices it; NULL for
 * other buffers.
 * Since: 0.1
 */
void *ringline_buf_memory(struct ringline_buf *buf);

/*
 * Makes a buffer of a part of another, without a copy. It stays when the other goes.
 *
 * Returns 0 and a reference in *ret; -EINVAL (not inside the buffer, or empty), -ENOMEM, -EBADF, -EPERM.
 * Since: 0.1
 */
int ringline_buf_slice(struct ringline_buf **ret, struct ringline_buf *buf, size_t offset, size_t len) RINGLINE_MUST_CHECK;

/* The bytes, valid as long as a reference, and their number; NULL and 0 for no buffer. Since: 0.1 */
const void *ringline_buf_data(const struct ringline_buf *buf);
size_t ringline_buf_size(const struct ringline_buf *buf);

/* Another reference; returns buf, NULL for none. Since: 0.1 */
struct ringline_buf *ringline_buf_ref(struct ringline_buf *buf);

/*
 * Drops a reference. NULL is allowed.
 *
 * Returns 0; -EBADF (none is left), -EPERM.
 * Since: 0.1
 */
int ringline_buf_unref(struct ringline_buf *buf);

RINGLINE_END_DECLS

#endif
