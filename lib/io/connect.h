/* SPDX-License-Identifier: MIT */
/* Attempts to connect, for those who make several. */
#ifndef RLN_IO_CONNECT_H
#define RLN_IO_CONNECT_H

#include "io/addr.h"
#include "ringline/conn.h"

struct ringline_op;

/* 0, -EINVAL, -E2BIG. */
int rln_connect_read_options(struct ringline_connect_options *o, const struct ringline_connect_options *options) rln_must_check;

/* Where it is to come from; a length of 0: from anywhere. 0 or -errno. */
int rln_connect_source(struct rln_addr *ret, const struct ringline_connect_options *o) rln_must_check;

/* As ringline_connect_begin(), with options that have been read. */
int rln_connect_begin(struct ringline_op **ret, struct ringline_conn **conn, const struct rln_addr *a,
                      const struct ringline_connect_options *o) rln_must_check;

#endif
