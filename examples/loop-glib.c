/* SPDX-License-Identifier: MIT */
/* A runtime as a source of a GLib main context. */
#include <errno.h>
#include <glib.h>

#include "loop.h"

struct source {
	GSource base;
	struct embedded *embedded;
	gpointer tag;                     /* of the descriptor */
};

/* GLib counts milliseconds: rounded up, or it would come back too early again and again. */
static gint milliseconds(uint64_t deadline)
{
	uint64_t now = ringline_now();
	uint64_t left = deadline > now ? deadline - now : 0;

	if (deadline == RINGLINE_NEVER)
		return -1;
	return (gint)MIN((left + RINGLINE_NSEC_PER_MSEC - 1) / RINGLINE_NSEC_PER_MSEC, G_MAXINT);
}

static gboolean prepare(GSource *base, gint *timeout)
{
	*timeout = milliseconds(ringline_runtime_next_deadline(((struct source *)base)->embedded->rt));
	return *timeout == 0;
}

static gboolean check(GSource *base)
{
	struct source *s = (struct source *)base;

	return g_source_query_unix_fd(base, s->tag) || ringline_runtime_next_deadline(s->embedded->rt) <= ringline_now();
}

static gboolean dispatch(GSource *base, GSourceFunc callback, gpointer data)
{
	struct embedded *e = ((struct source *)base)->embedded;
	int r = ringline_runtime_dispatch(e->rt);

	(void)callback;
	(void)data;
	if (r > 0)
		return G_SOURCE_CONTINUE;
	e->result = r;
	e->ended(e);
	return G_SOURCE_REMOVE;
}

int embed_in_glib(struct embedded *e, struct _GMainContext *context)
{
	static GSourceFuncs functions = { .prepare = prepare, .check = check, .dispatch = dispatch };
	int fd = ringline_runtime_fd(e->rt);
	GSource *base;

	if (fd < 0)
		return fd;
	base = g_source_new(&functions, sizeof(struct source));
	((struct source *)base)->embedded = e;
	((struct source *)base)->tag = g_source_add_unix_fd(base, fd, G_IO_IN);
	g_source_set_name(base, "ringline");
	g_source_attach(base, context);
	g_source_unref(base);
	return 0;
}
