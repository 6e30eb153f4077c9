/* SPDX-License-Identifier: MIT */
/* The version that is running. */
#include "base/compiler.h"
#include "ringline/version.h"

#define STRING2(x) #x
#define STRING(x) STRING2(x)

const char *ringline_version(void)
{
	return STRING(RINGLINE_VERSION_MAJOR) "." STRING(RINGLINE_VERSION_MINOR) "." STRING(RINGLINE_VERSION_PATCH);
}
