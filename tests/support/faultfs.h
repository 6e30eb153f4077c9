/* SPDX-License-Identifier: MIT */
/* libfuse, as all files of faultfs see it. */
#ifndef RLN_TESTS_FAULTFS_H
#define RLN_TESTS_FAULTFS_H

#define FUSE_USE_VERSION 35
#include <fuse_lowlevel.h>

#endif
