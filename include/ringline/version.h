/* SPDX-License-Identifier: MIT */
/* The version of these headers, and of the library at run time. */
#ifndef RINGLINE_VERSION_H
#define RINGLINE_VERSION_H

#include <ringline/common.h>

RINGLINE_BEGIN_DECLS

#define RINGLINE_VERSION_MAJOR 0
#define RINGLINE_VERSION_MINOR 1
#define RINGLINE_VERSION_PATCH 0

/* True if the headers are of that version or newer. */
#define RINGLINE_CHECK_VERSION(major, minor, patch) \
	(RINGLINE_VERSION_MAJOR > (major) || \
	 (RINGLINE_VERSION_MAJOR == (major) && RINGLINE_VERSION_MINOR > (minor)) || \
	 (RINGLINE_VERSION_MAJOR == (major) && RINGLINE_VERSION_MINOR == (minor) && RINGLINE_VERSION_PATCH >= (patch)))

/*
 * The version of the library that is running, "MAJOR.MINOR.PATCH". Any thread.
 * Since: 0.1
 */
const char *ringline_version(void);

RINGLINE_END_DECLS

#endif
