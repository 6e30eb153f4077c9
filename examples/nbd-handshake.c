/* SPDX-License-Identifier: MIT */
/* Haggling; nbd-handshake.h tells how. */
#include <string.h>

#include "nbd-handshake.h"

#define CONTEXT "base:allocation"

/* What is left to read of an option's data. */
struct rest {
	const unsigned char *at;
	size_t n;
};

static bool take_bytes(struct rest *r, size_t n, const unsigned char **ret)
{
	if (n > r->n)
		return false;
	*ret = r->at;
	r->at += n;
	r->n -= n;
	return true;
}

static bool take32(struct rest *r, uint32_t *ret)
{
	const unsigned char *at;

	if (!take_bytes(r, 4, &at))
		return false;
	*ret = nbd_get32(at);
	return true;
}

/* A length and a string of that length. */
static bool take_string(struct rest *r, const unsigned char **ret, uint32_t *length)
{
	return take32(r, length) && *length <= NBD_STRING_MAX && take_bytes(r, *length, ret);
}

/* Answers */

static unsigned char *answer(struct nbd_handshake *h, uint32_t option, uint32_t type, size_t length)
{
	unsigned char *to = nbd_put_option_reply(h->answer + h->length, option, type, (uint32_t)length);

	h->length += NBD_OPTION_REPLY + length;
	return to;
}

static enum nbd_step acknowledge(struct nbd_handshake *h, const struct nbd_option *o)
{
	answer(h, o->option, NBD_REP_ACK, 0);
	return NBD_HAGGLE;
}

enum nbd_step nbd_handshake_refuse(struct nbd_handshake *h, const struct nbd_option *o, uint32_t error, const char *why)
{
	h->length = 0;
	if (o->option == NBD_OPT_EXPORT_NAME)
		return NBD_LEAVE;         /* there is no way to say no */
	memcpy(answer(h, o->option, error, strlen(why)), why, strlen(why));
	return NBD_HAGGLE;
}

static enum nbd_step invalid(struct nbd_handshake *h, const struct nbd_option *o)
{
	return nbd_handshake_refuse(h, o, NBD_REP_ERR_INVALID, "malformed, or not at this point");
}

static enum nbd_step unknown_export(struct nbd_handshake *h, const struct nbd_option *o)
{
	return nbd_handshake_refuse(h, o, NBD_REP_ERR_UNKNOWN, "no such export");
}

/* Exports */

/* The export of that name, or -1. */
static int find(const struct nbd_handshake *h, const unsigned char *name, size_t length)
{
	int i;

	for (i = 0; i < h->n; i++)
		if (strlen(h->exports[i].name) == length && (!length || !memcmp(h->exports[i].name, name, length)))
			return i;
	return length || !h->n ? -1 : 0;
}

static enum nbd_step list(struct nbd_handshake *h, const struct nbd_option *o)
{
	int i;

	if (o->length)
		return invalid(h, o);
	for (i = 0; i < h->n; i++) {
		size_t length = strlen(h->exports[i].name);
		unsigned char *to = answer(h, o->option, NBD_REP_SERVER, 4 + length);

		memcpy(nbd_put32(to, (uint32_t)length), h->exports[i].name, length);
	}
	return acknowledge(h, o);
}

static enum nbd_step export_name(struct nbd_handshake *h, const struct nbd_option *o, const unsigned char *data)
{
	size_t zeroes = h->no_zeroes ? 0 : 124;
	unsigned char *to;

	h->chosen = find(h, data, o->length);
	if (h->chosen < 0)
		return NBD_LEAVE;
	to = nbd_put64(h->answer, h->exports[h->chosen].size);
	to = nbd_put16(to, nbd_flags(h->exports[h->chosen].read_only, h->structured));
	memset(to, 0, zeroes);
	h->length = 10 + zeroes;
	return NBD_ENTER;
}

/* INFO and GO */

static void tell_block_size(struct nbd_handshake *h, const struct nbd_option *o, const struct nbd_export_info *e)
{
	unsigned char *to = answer(h, o->option, NBD_REP_INFO, 14);

	to = nbd_put16(to, NBD_INFO_BLOCK_SIZE);
	to = nbd_put32(to, 1);
	to = nbd_put32(to, e->preferred);
	nbd_put32(to, NBD_BLOCK_MAX);
}

static void tell_name(struct nbd_handshake *h, const struct nbd_option *o, const struct nbd_export_info *e)
{
	size_t length = strlen(e->name);

	memcpy(nbd_put16(answer(h, o->option, NBD_REP_INFO, 2 + length), NBD_INFO_NAME), e->name, length);
}

/* What was asked for: a list of information types. Each is told once. */
static void tell(struct nbd_handshake *h, const struct nbd_option *o, int export, const unsigned char *asked, size_t n)
{
	const struct nbd_export_info *e = &h->exports[export];
	unsigned char *to = answer(h, o->option, NBD_REP_INFO, 12);
	bool name = false;
	bool block_size = false;

	to = nbd_put16(to, NBD_INFO_EXPORT);
	to = nbd_put64(to, e->size);
	nbd_put16(to, nbd_flags(e->read_only, h->structured));
	for (; n; n--, asked += 2) {
		name |= nbd_get16(asked) == NBD_INFO_NAME;
		block_size |= nbd_get16(asked) == NBD_INFO_BLOCK_SIZE;
	}
	if (name)
		tell_name(h, o, e);
	if (block_size)
		tell_block_size(h, o, e);
}

static enum nbd_step info_or_go(struct nbd_handshake *h, const struct nbd_option *o, const unsigned char *data)
{
	struct rest r = { data, o->length };
	const unsigned char *name;
	const unsigned char *count;
	const unsigned char *asked;
	uint32_t length;
	int export;

	if (!take_string(&r, &name, &length) || !take_bytes(&r, 2, &count) ||
	    !take_bytes(&r, (size_t)nbd_get16(count) * 2, &asked) || r.n)
		return invalid(h, o);
	export = find(h, name, length);
	if (export < 0)
		return unknown_export(h, o);
	tell(h, o, export, asked, nbd_get16(count));
	acknowledge(h, o);
	if (o->option == NBD_OPT_INFO)
		return NBD_HAGGLE;
	h->chosen = export;
	return NBD_ENTER;
}

/* Contexts */

enum match { NO_MATCH, MATCH, MALFORMED };

/* Whether a query asks for what there is. "base:" asks for a list of all, and selects none. */
static enum match match(const unsigned char *query, uint32_t length, bool listing)
{
	if (!memchr(query, ':', length))
		return MALFORMED;
	if (length == strlen(CONTEXT) && !memcmp(query, CONTEXT, length))
		return MATCH;
	return listing && length == 5 && !memcmp(query, CONTEXT, 5) ? MATCH : NO_MATCH;
}

static enum match match_any(struct rest *r, bool listing)
{
	enum match result = NO_MATCH;
	const unsigned char *query;
	uint32_t length;
	uint32_t n;

	if (!take32(r, &n))
		return MALFORMED;
	if (!n && listing)
		result = MATCH;
	while (n--) {
		enum match m = take_string(r, &query, &length) ? match(query, length, listing) : MALFORMED;

		if (m == MALFORMED)
			return m;
		if (m == MATCH)
			result = m;
	}
	return r->n ? MALFORMED : result;
}

static enum nbd_step meta_context(struct nbd_handshake *h, const struct nbd_option *o, const unsigned char *data)
{
	bool listing = o->option == NBD_OPT_LIST_META_CONTEXT;
	struct rest r = { data, o->length };
	const unsigned char *name;
	enum match m;
	uint32_t length;
	int export;

	if (!listing)
		h->context = -1;          /* also if this fails */
	if (!h->structured || !take_string(&r, &name, &length))
		return invalid(h, o);
	m = match_any(&r, listing);
	if (m == MALFORMED)
		return invalid(h, o);
	export = find(h, name, length);
	if (export < 0)
		return unknown_export(h, o);
	if (m == MATCH) {
		unsigned char *to = answer(h, o->option, NBD_REP_META_CONTEXT, 4 + strlen(CONTEXT));

		memcpy(nbd_put32(to, !listing), CONTEXT, strlen(CONTEXT));
		if (!listing)
			h->context = export;
	}
	return acknowledge(h, o);
}

/* All of them */

static enum nbd_step structured_reply(struct nbd_handshake *h, const struct nbd_option *o)
{
	if (o->length)
		return invalid(h, o);
	h->structured = true;
	return acknowledge(h, o);
}

static bool known(uint32_t option)
{
	return (option >= NBD_OPT_EXPORT_NAME && option <= NBD_OPT_LIST) ||
	       (option >= NBD_OPT_INFO && option <= NBD_OPT_SET_META_CONTEXT);
}

enum nbd_step nbd_handshake_option(struct nbd_handshake *h, const struct nbd_option *o, const unsigned char *data)
{
	h->length = 0;
	if (!h->fixed && o->option != NBD_OPT_EXPORT_NAME)
		return NBD_LEAVE;         /* who does not know fixed newstyle knows no answers */
	if (!known(o->option))
		return nbd_handshake_refuse(h, o, NBD_REP_ERR_UNSUP, "not known here");
	if (o->option == NBD_OPT_ABORT) {
		acknowledge(h, o);
		return NBD_LEAVE;
	}
	if (o->length > NBD_OPTION_MAX)
		return nbd_handshake_refuse(h, o, NBD_REP_ERR_TOO_BIG, "too long");
	switch (o->option) {
	case NBD_OPT_EXPORT_NAME:
		return export_name(h, o, data);
	case NBD_OPT_LIST:
		return list(h, o);
	case NBD_OPT_INFO:
	case NBD_OPT_GO:
		return info_or_go(h, o, data);
	case NBD_OPT_STRUCTURED_REPLY:
		return structured_reply(h, o);
	default:
		return meta_context(h, o, data);
	}
}

bool nbd_handshake_flags(struct nbd_handshake *h, uint32_t flags)
{
	h->fixed = flags & NBD_FIXED_NEWSTYLE;
	h->no_zeroes = flags & NBD_NO_ZEROES;
	return !(flags & ~(NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES));
}

void nbd_handshake_init(struct nbd_handshake *h, const struct nbd_export_info *exports, int n)
{
	memset(h, 0, offsetof(struct nbd_handshake, answer));
	h->exports = exports;
	h->n = n;
	h->context = -1;
	h->chosen = -1;
	h->length = 0;
}

struct nbd_terms nbd_handshake_terms(const struct nbd_handshake *h)
{
	const struct nbd_export_info *e = &h->exports[h->chosen];

	return (struct nbd_terms){
		.size = e->size,
		.flags = nbd_flags(e->read_only, h->structured),
		.structured = h->structured,
		.extents = h->context == h->chosen,
	};
}
