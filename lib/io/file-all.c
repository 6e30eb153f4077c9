/* SPDX-License-Identifier: MIT */
/* Reading and writing all of a range: one call after the other until it is done. */
#include <errno.h>

#include "io/file.h"

struct all_args {
	struct ringline_file *file;
	char *data;
	size_t len;
	uint64_t offset;
	bool write;
};

static ssize_t one(const struct all_args *a, size_t done)
{
	uint64_t offset = a->offset == RINGLINE_FILE_POSITION ? a->offset : a->offset + done;

	if (a->write)
		return ringline_file_write(a->file, a->data + done, a->len - done, offset);
	return ringline_file_read(a->file, a->data + done, a->len - done, offset);
}

static ssize_t all(const struct all_args *a)
{
	size_t done = 0;

	do {
		ssize_t n = one(a, done);

		if (n < 0)
			return n;
		if (n == 0 && done < a->len)
			return a->write ? -EIO : -ENODATA;
		done += (size_t)n;
	} while (done < a->len);
	return (ssize_t)done;
}

/* The file stays this one in between, whoever closes it. */
static ssize_t all_held(const struct all_args *a, const char *call)
{
	ssize_t n = rln_file_check(a->file, call);

	if (n < 0)
		return n;
	rln_file_enter(a->file);
	n = all(a);
	rln_file_leave(a->file);
	return n;
}

ssize_t ringline_file_read_all(struct ringline_file *file, void *data, size_t len, uint64_t offset)
{
	return all_held(&(struct all_args){ .file = file, .data = data, .len = len, .offset = offset }, __func__);
}

ssize_t ringline_file_write_all(struct ringline_file *file, const void *data, size_t len, uint64_t offset)
{
	return all_held(&(struct all_args){ .file = file, .data = (char *)data, .len = len, .offset = offset, .write = true },
	                __func__);
}

static int64_t all_steps(void *args)
{
	struct all_args *a = args;
	ssize_t n = all(a);

	rln_file_leave(a->file);
	return n;
}

static int begin_all(struct ringline_op **ret, const struct all_args *a, const char *call)
{
	static const struct rln_steps steps = { .run = all_steps };

	return rln_file_begin_steps(ret, &steps, a, sizeof(*a), a->file, call);
}

int ringline_file_read_all_begin(struct ringline_op **ret, struct ringline_file *file, void *data, size_t len,
                                 uint64_t offset)
{
	struct all_args a = { .file = file, .data = data, .len = len, .offset = offset };

	return begin_all(ret, &a, __func__);
}

int ringline_file_write_all_begin(struct ringline_op **ret, struct ringline_file *file, const void *data, size_t len,
                                  uint64_t offset)
{
	struct all_args a = { .file = file, .data = (char *)data, .len = len, .offset = offset, .write = true };

	return begin_all(ret, &a, __func__);
}
