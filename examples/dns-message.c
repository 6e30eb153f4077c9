/* SPDX-License-Identifier: MIT */
/* DNS messages; dns-message.h tells the rules. */
#include <ctype.h>
#include <string.h>

#include "dns-message.h"

static uint16_t get16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(unsigned char *p, uint16_t v)
{
	p[0] = (unsigned char)(v >> 8);
	p[1] = (unsigned char)v;
}

/* A name without compression, which has no place in a query. Its length, 0 if it is none. */
static size_t read_name(unsigned char name[DNS_NAME_MAX], const unsigned char *p, size_t room)
{
	size_t n = 0;

	while (n < room && n < DNS_NAME_MAX && p[n]) {
		size_t label = p[n];
		size_t i;

		if (label > 63 || n + 1 + label >= room || n + 1 + label >= DNS_NAME_MAX)
			return 0;
		name[n] = p[n];
		for (i = n + 1; i <= n + label; i++)
			name[i] = (unsigned char)tolower(p[i]);
		n += 1 + label;
	}
	if (n >= room || n >= DNS_NAME_MAX)
		return 0;
	name[n] = 0;
	return n + 1;
}

/* The OPT record, the only one that a query may have: name, type, size, extended flags, length. False: it is something else. */
static bool read_opt(struct dns_query *q, const unsigned char *p, size_t n)
{
	if (n < 11 || p[0] || get16(p + 1) != DNS_OPT || n != 11 + (size_t)get16(p + 9))
		return false;
	q->edns = true;
	q->limit = get16(p + 3);
	if (q->limit < DNS_UDP_PLAIN)
		q->limit = DNS_UDP_PLAIN;
	if (q->limit > DNS_UDP_MOST)
		q->limit = DNS_UDP_MOST;
	return true;
}

int dns_parse(struct dns_query *q, const unsigned char *bytes, size_t n)
{
	uint16_t additional;
	size_t at;

	if (n < DNS_HEADER || bytes[2] & 0x80)
		return DNS_DROP;
	*q = (struct dns_query){ .id = get16(bytes), .recursion = bytes[2] & 1, .limit = DNS_UDP_PLAIN };
	if (bytes[2] & 0x78)
		return DNS_NOTIMP;
	additional = get16(bytes + 10);
	if (get16(bytes + 4) != 1 || get16(bytes + 6) || get16(bytes + 8) || additional > 1)
		return DNS_FORMERR;
	q->name_length = read_name(q->name, bytes + DNS_HEADER, n - DNS_HEADER);
	at = DNS_HEADER + q->name_length;
	if (!q->name_length || n - at < 4)
		return DNS_FORMERR;
	q->type = get16(bytes + at);
	if (get16(bytes + at + 2) != 1)
		return DNS_NOTIMP;
	at += 4;
	q->question = at - DNS_HEADER;
	if (additional ? !read_opt(q, bytes + at, n - at) : at != n)
		return DNS_FORMERR;
	return DNS_NOERROR;
}

size_t dns_name(unsigned char name[DNS_NAME_MAX], const char *text)
{
	size_t n = 0;

	if (!strcmp(text, "."))
		text = "";
	while (*text) {
		size_t label = strcspn(text, ".");
		size_t i;

		if (!label || label > 63 || n + label + 2 > DNS_NAME_MAX)
			return 0;
		name[n] = (unsigned char)label;
		for (i = 0; i < label; i++)
			name[n + 1 + i] = (unsigned char)tolower((unsigned char)text[i]);
		n += label + 1;
		text += label;
		text += *text == '.';
	}
	name[n] = 0;
	return n + 1;
}

void dns_begin(struct dns_answer *a, unsigned char *bytes, size_t room, const struct dns_query *q, const unsigned char *question)
{
	*a = (struct dns_answer){ .bytes = bytes, .room = room - (q->edns ? 11 : 0), .length = DNS_HEADER };
	memset(bytes, 0, DNS_HEADER);
	put16(bytes, q->id);
	if (!question)
		return;
	memcpy(bytes + DNS_HEADER, question, q->question);
	put16(bytes + 4, 1);
	a->length += q->question;
}

void dns_record(struct dns_answer *a, int section, const unsigned char *name, size_t name_length, uint16_t type, uint32_t ttl,
                const void *data, size_t n)
{
	unsigned char *p = a->bytes + a->length;
	unsigned char *counter = a->bytes + 4 + 2 * section;

	if (a->truncated || a->length + name_length + 10 + n > a->room) {
		a->truncated = true;
		return;
	}
	memcpy(p, name, name_length);
	p += name_length;
	put16(p, type);
	put16(p + 2, 1);
	put16(p + 4, (uint16_t)(ttl >> 16));
	put16(p + 6, (uint16_t)ttl);
	put16(p + 8, (uint16_t)n);
	memcpy(p + 10, data, n);
	put16(counter, (uint16_t)(get16(counter) + 1));
	a->length += name_length + 10 + n;
}

size_t dns_end(struct dns_answer *a, const struct dns_query *q, int rcode, bool authoritative)
{
	static const unsigned char opt[11] = { 0, 0, DNS_OPT, DNS_UDP_MOST >> 8, DNS_UDP_MOST & 0xff };

	a->bytes[2] = (unsigned char)(0x80 | (authoritative ? 4 : 0) | (a->truncated ? 2 : 0) | q->recursion);
	a->bytes[3] = (unsigned char)(0x80 | rcode);
	if (q->edns) {
		memcpy(a->bytes + a->length, opt, sizeof(opt));
		put16(a->bytes + 10, 1);
		a->length += sizeof(opt);
	}
	return a->length;
}
