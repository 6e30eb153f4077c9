/* SPDX-License-Identifier: MIT */
/*
 * Sized structures: how options and results cross the ABI.
 *
 * The caller's structure begins with a size_t that says how much of it the caller knows. Coming in, what the caller
 * does not know is zero (the default), and what the library does not know must be zero, or the call is refused: an
 * option is never ignored. Going out, the caller gets what it knows and zeros where the library knows less.
 */
#ifndef RLN_BASE_SIZED_H
#define RLN_BASE_SIZED_H

#include "base/compiler.h"

/*
 * Copies the caller's *src* to *dst* of *known* bytes, whose first member receives *known*. NULL means all defaults.
 * 0, -EINVAL (a size that does not even hold itself), -E2BIG (a non-zero tail the library does not know).
 */
int rln_sized_in(void *dst, size_t known, const void *src) rln_must_check;

/* Copies *src* of *known* bytes to the caller's *dst*, whose first member says its size and keeps it. 0 or -EINVAL. */
int rln_sized_out(void *dst, const void *src, size_t known) rln_must_check;

#endif
