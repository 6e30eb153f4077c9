/* SPDX-License-Identifier: MIT */
/*
 * Looking names and addresses up, as tasks see it: calls that park, and operations. inquiry.h tells how it is done.
 *
 * What was found is the asker's until it is taken: an operation keeps its own reference, which the call that takes the result
 * hands over and whoever closes its scope gives back.
 */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/sized.h"
#include "core/handle.h"
#include "core/task.h"
#include "io/inquiry.h"
#include "io/sockaddr.h"

#define TEXT_MAX 1024u

static int read_options(struct ringline_resolve_options *o, const struct ringline_resolve_options *options)
{
	int r = rln_sized_in(o, sizeof(*o), options);

	if (r < 0)
		return r;
	return o->flags & ~RINGLINE_LOOKUP_FRESH || o->reserved ? -EINVAL : 0;
}

static bool usable(const char *text)
{
	return !text || strnlen(text, TEXT_MAX + 1) <= TEXT_MAX;
}

static int read_names(struct rln_question *q, const char *host, const char *service,
                      const struct ringline_resolve_options *o)
{
	if ((!host && !service) || !usable(host) || !usable(service))
		return -EINVAL;
	*q = (struct rln_question){ .host = host, .service = service, .family = o->family, .type = o->type,
		                    .protocol = o->protocol, .how = o->how, .fresh = o->flags & RINGLINE_LOOKUP_FRESH };
	return 0;
}

/* The address is copied to *room*, which the question points to. */
static int read_address(struct rln_question *q, struct rln_addr *room, const struct ringline_sockaddr *address,
                        const struct ringline_resolve_options *o)
{
	if (!address || !rln_sockaddr_get(room, address))
		return -EINVAL;
	*q = (struct rln_question){ .address = room, .how = o->how, .fresh = o->flags & RINGLINE_LOOKUP_FRESH };
	return 0;
}

/* The calls */

static int parkable(struct ringline_task **ret, const char *call)
{
	int r = rln_task_get_parking(ret, call);

	return r < 0 ? r : (*ret)->scope->reason;
}

static int wait_for(struct ringline_lookup **ret, const struct rln_question *q, struct ringline_task *t, int32_t *to)
{
	int code = 0;
	int r = rln_lookup_wait(ret, &code, q, t);

	if (to)
		*to = code;
	return r;
}

int ringline_resolve(struct ringline_lookup **ret, const char *host, const char *service,
                     const struct ringline_resolve_options *options)
{
	struct ringline_resolve_options o;
	struct ringline_task *t;
	struct rln_question q;
	int r = parkable(&t, __func__);

	if (r == 0)
		r = read_options(&o, options);
	if (r == 0)
		r = ret ? read_names(&q, host, service, &o) : -EINVAL;
	return r < 0 ? r : wait_for(ret, &q, t, o.code);
}

int ringline_resolve_reverse(struct ringline_lookup **ret, const struct ringline_sockaddr *address,
                             const struct ringline_resolve_options *options)
{
	struct ringline_resolve_options o;
	struct ringline_task *t;
	struct rln_question q;
	struct rln_addr room;
	int r = parkable(&t, __func__);

	if (r == 0)
		r = read_options(&o, options);
	if (r == 0)
		r = ret ? read_address(&q, &room, address, &o) : -EINVAL;
	return r < 0 ? r : wait_for(ret, &q, t, o.code);
}

/* The operations */

struct begun_asker {
	struct rln_asker asker;
	struct ringline_op *handle;
	struct ringline_lookup **ret;
	int32_t *code;
};

static void tell_handle(struct rln_asker *a)
{
	struct begun_asker *b = rln_container_of(a, struct begun_asker, asker);
	struct ringline_op *h = b->handle;
	int result = a->result;

	if (b->code)
		*b->code = a->code;
	if (result < 0)
		rln_mem_free(b);
	rln_handle_done(h, result);
}

static void op_cancel(struct ringline_op *h)
{
	struct begun_asker *b = h->work.ptr;

	if (!rln_asker_leave(&b->asker))
		return;
	rln_mem_free(b);
	rln_handle_done(h, -ECANCELED);
}

static void op_take(struct ringline_op *h)
{
	struct begun_asker *b = h->work.ptr;

	if (h->result < 0)
		return;
	*b->ret = b->asker.found;
	rln_mem_free(b);
}

static void op_dispose(struct ringline_op *h)
{
	struct begun_asker *b = h->work.ptr;

	if (h->result < 0)
		return;
	ringline_lookup_free(b->asker.found);
	rln_mem_free(b);
}

static const struct rln_handle_kind lookup_op = { .cancel = op_cancel, .take = op_take, .dispose = op_dispose };

static int begin(struct ringline_op **ret, struct ringline_lookup **found, const struct rln_question *q, int32_t *code)
{
	struct begun_asker *b = NULL;
	struct ringline_op *h;
	int r = rln_handle_new(&h, &lookup_op);

	if (r < 0)
		return r;
	b = rln_mem_zalloc(sizeof(*b));
	r = b ? 0 : -ENOMEM;
	if (r == 0) {
		*b = (struct begun_asker){ .asker.over = tell_handle, .handle = h, .ret = found, .code = code };
		h->work.ptr = b;
		r = rln_asker_ask(&b->asker, q, false);
	}
	if (r < 0) {
		rln_mem_free(b);
		rln_handle_drop(h);
		return r;
	}
	*ret = h;
	if (r == RLN_ANSWERED)
		tell_handle(&b->asker);
	return 0;
}

int ringline_resolve_begin(struct ringline_op **ret, struct ringline_lookup **found, const char *host, const char *service,
                           const struct ringline_resolve_options *options)
{
	struct ringline_resolve_options o;
	struct rln_question q;
	int r = read_options(&o, options);

	if (r == 0)
		r = ret && found ? read_names(&q, host, service, &o) : -EINVAL;
	if (r < 0)
		return r;
	return rln_task_get(__func__) ? begin(ret, found, &q, o.code) : rln_not_here();
}

int ringline_resolve_reverse_begin(struct ringline_op **ret, struct ringline_lookup **found,
                                   const struct ringline_sockaddr *address,
                                   const struct ringline_resolve_options *options)
{
	struct ringline_resolve_options o;
	struct rln_question q;
	struct rln_addr room;
	int r = read_options(&o, options);

	if (r == 0)
		r = ret && found ? read_address(&q, &room, address, &o) : -EINVAL;
	if (r < 0)
		return r;
	return rln_task_get(__func__) ? begin(ret, found, &q, o.code) : rln_not_here();
}
