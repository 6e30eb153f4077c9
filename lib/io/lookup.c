/* SPDX-License-Identifier: MIT */
/* Asking getaddrinfo(3) and getnameinfo(3), and handing out what they say; lookup.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/sized.h"
#include "io/lookup.h"

/* Errors */

static int error_of(int code)
{
	switch (code) {
	case EAI_MEMORY:
		return -ENOMEM;
	case EAI_SYSTEM:
		return errno ? -errno : -EREMOTEIO;
	case EAI_SERVICE:
	case EAI_BADFLAGS:
	case EAI_FAMILY:
	case EAI_SOCKTYPE:
		return -EINVAL;
	case EAI_AGAIN:
	case EAI_FAIL:
		return -EREMOTEIO;
	case EAI_OVERFLOW:
		return -ENAMETOOLONG;
	default:
		return -ENOENT;
	}
}

/* What was found */

static size_t text_size(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static const char *put_text(char *to, const char *text)
{
	return text ? memcpy(to, text, text_size(text)) : NULL;
}

static struct ringline_lookup *lookup_new(uint32_t n, const char *host, const char *service)
{
	size_t entries = n * sizeof(struct rln_lookup_address);
	struct ringline_lookup *l = rln_mem_zalloc(sizeof(*l) + entries + text_size(host) + text_size(service));
	char *text;

	if (!l)
		return NULL;
	text = (char *)&l->entry[n];
	atomic_init(&l->refs, 1);
	l->host = put_text(text, host);
	l->service = put_text(text + text_size(host), service);
	return l;
}

void ringline_lookup_free(struct ringline_lookup *lookup)
{
	if (lookup && atomic_fetch_sub_explicit(&lookup->refs, 1, memory_order_acq_rel) == 1)
		rln_mem_free(lookup);
}

static bool fits(const struct addrinfo *a)
{
	return a->ai_addr && a->ai_addrlen <= sizeof(((struct ringline_sockaddr *)NULL)->address);
}

static void put_entry(struct rln_lookup_address *to, const struct addrinfo *a)
{
	to->family = a->ai_family;
	to->type = a->ai_socktype;
	to->protocol = a->ai_protocol;
	to->address.length = a->ai_addrlen;
	memcpy(&to->address.address, a->ai_addr, a->ai_addrlen);
}

static int copy_list(struct ringline_lookup **ret, const struct addrinfo *list)
{
	const struct addrinfo *a;
	struct ringline_lookup *l;
	uint32_t n = 0;

	for (a = list; a; a = a->ai_next)
		n += fits(a);
	l = lookup_new(n, list ? list->ai_canonname : NULL, NULL);
	if (!l)
		return -ENOMEM;
	for (a = list; a; a = a->ai_next)
		if (fits(a))
			put_entry(&l->entry[l->n++], a);
	*ret = l;
	return 0;
}

/* Asking */

static int ask_addresses(struct ringline_lookup **ret, int *code, const struct rln_question *q)
{
	struct addrinfo hints = { .ai_family = q->family, .ai_socktype = q->type, .ai_protocol = q->protocol,
		                  .ai_flags = q->how };
	struct addrinfo *list = NULL;
	int r;

	*code = getaddrinfo(q->host, q->service, &hints, &list);
	if (*code)
		return error_of(*code);
	r = copy_list(ret, list);
	freeaddrinfo(list);
	return r;
}

static int ask_names(struct ringline_lookup **ret, int *code, const struct rln_question *q)
{
	const struct sockaddr *sa = (const struct sockaddr *)&q->address->sa;
	char host[NI_MAXHOST];
	char service[NI_MAXSERV];

	*code = getnameinfo(sa, q->address->len, host, sizeof(host), service, sizeof(service), q->how);
	if (*code)
		return error_of(*code);
	*ret = lookup_new(0, host, service);
	return *ret ? 0 : -ENOMEM;
}

int rln_lookup_ask(struct ringline_lookup **ret, int *code, const struct rln_question *q)
{
	errno = rln_fault(RLN_FAULT_RESOLVE);
	if (errno) {
		*code = EAI_SYSTEM;
		return error_of(*code);
	}
	return q->address ? ask_names(ret, code, q) : ask_addresses(ret, code, q);
}

static bool is_number(const char *text)
{
	return *text && !text[strspn(text, "0123456789")];
}

static bool is_address(const char *text)
{
	struct in6_addr scratch;

	return inet_pton(AF_INET, text, &scratch) == 1 || inet_pton(AF_INET6, text, &scratch) == 1;
}

bool rln_lookup_is_numeric(const struct rln_question *q)
{
	if (q->address)
		return (q->how & NI_NUMERICHOST) && (q->how & NI_NUMERICSERV);
	return (!q->host || is_address(q->host)) && (!q->service || is_number(q->service));
}

/* The host's view */

size_t ringline_lookup_count(const struct ringline_lookup *lookup)
{
	return lookup ? lookup->n : 0;
}

int ringline_lookup_entry(const struct ringline_lookup *lookup, size_t index, struct ringline_lookup_entry *entry)
{
	struct ringline_lookup_entry out = { .size = sizeof(out) };

	if (!lookup || !entry)
		return -EINVAL;
	if (index >= lookup->n)
		return -ERANGE;
	out.family = lookup->entry[index].family;
	out.type = lookup->entry[index].type;
	out.protocol = lookup->entry[index].protocol;
	out.address = lookup->entry[index].address;
	return rln_sized_out(entry, &out, sizeof(out));
}

const char *ringline_lookup_host(const struct ringline_lookup *lookup)
{
	return lookup ? lookup->host : NULL;
}

const char *ringline_lookup_service(const struct ringline_lookup *lookup)
{
	return lookup ? lookup->service : NULL;
}
