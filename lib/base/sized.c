/* SPDX-License-Identifier: MIT */
/* Sized structures; sized.h tells the rules. */
#include <errno.h>
#include <string.h>

#include "base/sized.h"

static bool all_zero(const unsigned char *p, size_t n)
{
	while (n--)
		if (*p++)
			return false;
	return true;
}

int rln_sized_in(void *dst, size_t known, const void *src)
{
	size_t given;

	memset(dst, 0, known);
	if (src) {
		memcpy(&given, src, sizeof(given));
		if (given < sizeof(given))
			return -EINVAL;
		if (given > known && !all_zero((const unsigned char *)src + known, given - known))
			return -E2BIG;
		memcpy(dst, src, rln_min(given, known));
	}
	memcpy(dst, &known, sizeof(known));
	return 0;
}

int rln_sized_out(void *dst, const void *src, size_t known)
{
	size_t given;

	memcpy(&given, dst, sizeof(given));
	if (given < sizeof(given))
		return -EINVAL;
	memset(dst, 0, given);
	memcpy(dst, src, rln_min(given, known));
	memcpy(dst, &given, sizeof(given));
	return 0;
}
