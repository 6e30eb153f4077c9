/* SPDX-License-Identifier: MIT */
/*
 * What is exported, and what is done to it: files and block devices.
 *
 * The table is made from the options and does not change afterwards. Each connection opens its export for itself, so that an
 * error of writing back, which the kernel tells every open file once, is told to each of them. What one has written all can
 * read, and a sync by any of them covers it: the cache is the kernel's. That is what "multi-conn" promises.
 *
 * Calls return 0 or more, or a negated errno value. They suspend.
 */
#ifndef EXAMPLES_NBD_EXPORT_H
#define EXAMPLES_NBD_EXPORT_H

#include <ringline/ringline.h>

#include "nbd-handshake.h"

/* "NAME=FILE", or "FILE", whose last component is the name then. False: it cannot be, which has been told. */
bool nbd_export_add(const char *text, bool read_only);

/* The table. */
const struct nbd_export_info *nbd_exports(int *n);

int nbd_export_open(struct ringline_file **ret, int export);

/* sync: the call returns when it is on the disk. */
int64_t nbd_export_write(struct ringline_file *file, const void *data, size_t length, uint64_t offset, bool sync);
int64_t nbd_export_trim(struct ringline_file *file, const struct nbd_request *q);
int64_t nbd_export_write_zeroes(struct ringline_file *file, const struct nbd_request *q);
int64_t nbd_export_cache(struct ringline_file *file, const struct nbd_request *q);
int64_t nbd_export_flush(struct ringline_file *file);

/* Writes up to max extents, as the protocol has them, that begin at q's offset. Returns how many, one or more. */
int64_t nbd_export_extents(struct ringline_file *file, const struct nbd_request *q, unsigned char *to, size_t max);

#endif
