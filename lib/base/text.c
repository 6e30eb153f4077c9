/* SPDX-License-Identifier: MIT */
/* Growing text; text.h tells what it does. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define FIRST_ROOM 4096u

static bool make_room(struct rln_text *t, size_t more)
{
	size_t room = rln_max(t->room, FIRST_ROOM);
	char *data;

	while (room - t->len <= more)
		room *= 2;
	if (room == t->room)
		return true;
	data = rln_mem_alloc(room);
	if (!data)
		return false;
	if (t->data)
		memcpy(data, t->data, t->len);
	data[t->len] = '\0';
	rln_mem_free(t->data);
	t->data = data;
	t->room = room;
	return true;
}

void rln_text_add(struct rln_text *t, const char *format, ...)
{
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (n < 0 || t->truncated || !make_room(t, (size_t)n)) {
		t->truncated = true;
		return;
	}
	va_start(arguments, format);
	vsnprintf(t->data + t->len, t->room - t->len, format, arguments);
	va_end(arguments);
	t->len += (size_t)n;
}

void rln_text_free(struct rln_text *t)
{
	rln_mem_free(t->data);
	*t = (struct rln_text)RLN_TEXT_INIT;
}
