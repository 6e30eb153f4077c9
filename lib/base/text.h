/* SPDX-License-Identifier: MIT */
/* Text that grows as it is written. Without memory what comes next is dropped, and `truncated` says so. One thread. */
#ifndef RLN_BASE_TEXT_H
#define RLN_BASE_TEXT_H

#include "base/compiler.h"

struct rln_text {
	char *data;               /* zero-terminated; NULL while nothing was added */
	size_t len;
	size_t room;
	bool truncated;
};

#define RLN_TEXT_INIT { NULL, 0, 0, false }

void rln_text_add(struct rln_text *t, const char *format, ...) rln_printf(2, 3);
void rln_text_free(struct rln_text *t);

#endif
