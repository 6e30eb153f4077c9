/* SPDX-License-Identifier: MIT */
/* The zones: a table of records by name; dns-zone.h has the file's form. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns-zone.h"

#define BUCKETS     4096u
#define DATA_MAX    300
#define CHASE_MAX   8
#define NEGATIVE    60u                   /* seconds that a client may remember that there is nothing */

struct record {
	struct record *next;
	size_t name_length;
	unsigned char name[DNS_NAME_MAX];
	uint16_t type;
	uint32_t ttl;
	size_t length;
	unsigned char data[DATA_MAX];
};

struct zone {
	struct zone *next;
	size_t name_length;
	unsigned char name[DNS_NAME_MAX];
};

static struct record *table[BUCKETS];
static struct zone *zones;

/* FNV-1a */
static uint32_t bucket_of(const unsigned char *name, size_t n)
{
	uint32_t hash = 2166136261u;
	size_t i;

	for (i = 0; i < n; i++)
		hash = (hash ^ name[i]) * 16777619u;
	return hash % BUCKETS;
}

static bool is_name(const struct record *r, const unsigned char *name, size_t n)
{
	return r->name_length == n && !memcmp(r->name, name, n);
}

/* Label by label, so that "bexample.test" is not under "example.test". */
static const struct zone *zone_of(const unsigned char *name, size_t n)
{
	const struct zone *z;
	size_t at;

	for (at = 0;; at += name[at] + 1u) {
		for (z = zones; z; z = z->next)
			if (z->name_length == n - at && !memcmp(z->name, name + at, n - at))
				return z;
		if (!name[at])
			return NULL;
	}
}

/* Reading */

static bool data_of(struct record *r, const char *type, const char *text)
{
	size_t n = strlen(text);
	char target[256];
	unsigned int preference;

	if (!strcmp(type, "A")) {
		r->type = DNS_A;
		r->length = 4;
		return inet_pton(AF_INET, text, r->data) == 1;
	}
	if (!strcmp(type, "AAAA")) {
		r->type = DNS_AAAA;
		r->length = 16;
		return inet_pton(AF_INET6, text, r->data) == 1;
	}
	if (!strcmp(type, "TXT") && n <= 255) {
		r->type = DNS_TXT;
		r->data[0] = (unsigned char)n;
		memcpy(r->data + 1, text, n);
		r->length = n + 1;
		return true;
	}
	if (!strcmp(type, "MX") && sscanf(text, "%5u %255s", &preference, target) == 2 && preference <= UINT16_MAX) {
		r->type = DNS_MX;
		r->data[0] = (unsigned char)(preference >> 8);
		r->data[1] = (unsigned char)preference;
		r->length = dns_name(r->data + 2, target) + 2;
		return r->length > 2;
	}
	r->type = !strcmp(type, "CNAME") ? DNS_CNAME : !strcmp(type, "NS") ? DNS_NS : 0;
	r->length = r->type ? dns_name(r->data, text) : 0;
	return r->length;
}

static bool add_zone(const char *text)
{
	struct zone *z = calloc(1, sizeof(*z));

	z->name_length = dns_name(z->name, text);
	z->next = zones;
	zones = z;
	return z->name_length;
}

static bool add_record(const char *line)
{
	struct record *r = calloc(1, sizeof(*r));
	char name[256];
	char type[8];
	int at = 0;
	uint32_t b;

	if (sscanf(line, "%255s %u %7s %n", name, &r->ttl, type, &at) < 3 || !at || !data_of(r, type, line + at)) {
		free(r);
		return false;
	}
	r->name_length = dns_name(r->name, name);
	b = bucket_of(r->name, r->name_length);
	r->next = table[b];
	table[b] = r;
	return r->name_length && zone_of(r->name, r->name_length);
}

bool zone_load(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[1024];
	char name[256];
	int number = 0;
	bool ok = f;

	if (!f)
		perror(path);
	while (ok && fgets(line, sizeof(line), f)) {
		number++;
		line[strcspn(line, "\r\n")] = '\0';
		if (!*line || *line == '#')
			continue;
		ok = sscanf(line, "zone %255s", name) == 1 ? add_zone(name) : add_record(line);
		if (!ok)
			fprintf(stderr, "%s:%d: no zone, or no record of one\n", path, number);
	}
	if (f)
		fclose(f);
	return ok;
}

/* Answering */

/* The records of a name and type, or of all. How many; *alias is its CNAME, if it has one and no other was asked for. */
static int add_all(struct dns_answer *a, const unsigned char *name, size_t n, uint16_t type, const unsigned char *written,
                   size_t written_length, const struct record **alias, bool *exists)
{
	const struct record *r;
	int count = 0;

	*alias = NULL;
	for (r = table[bucket_of(name, n)]; r; r = r->next) {
		if (!is_name(r, name, n))
			continue;
		*exists = true;
		if (r->type == type || type == DNS_ANY) {
			dns_record(a, 1, written, written_length, r->type, r->ttl, r->data, r->length);
			count++;
		} else if (r->type == DNS_CNAME) {
			dns_record(a, 1, written, written_length, DNS_CNAME, r->ttl, r->data, r->length);
			*alias = r;
			count++;
		}
	}
	return count;
}

/* For negative answers (RFC 2308): the zone's own name for both names, and times that nobody transfers by. */
static void add_soa(struct dns_answer *a, const struct zone *z)
{
	unsigned char data[2 * DNS_NAME_MAX + 20] = { 0 };
	size_t n = z->name_length;

	memcpy(data, z->name, n);
	memcpy(data + n, z->name, n);
	data[2 * n + 3] = 1;              /* serial */
	data[2 * n + 6] = 0x0e;           /* refresh, retry, expire: an hour */
	data[2 * n + 7] = 0x10;
	data[2 * n + 10] = 0x0e;
	data[2 * n + 11] = 0x10;
	data[2 * n + 14] = 0x0e;
	data[2 * n + 15] = 0x10;
	data[2 * n + 19] = NEGATIVE;
	dns_record(a, 2, z->name, n, DNS_SOA, NEGATIVE, data, 2 * n + 20);
}

size_t zone_answer(const struct dns_query *q, const unsigned char *question, unsigned char *bytes, size_t room)
{
	static const unsigned char asked[2] = { 0xc0, DNS_HEADER };   /* the name of the question */
	const struct zone *z = zone_of(q->name, q->name_length);
	const struct record *alias = NULL;
	struct dns_answer a;
	bool exists = false;
	int count;
	int i;

	if (!z)
		return 0;
	dns_begin(&a, bytes, room, q, question);
	count = add_all(&a, q->name, q->name_length, q->type, asked, sizeof(asked), &alias, &exists);
	for (i = 0; alias && i < CHASE_MAX; i++) {
		const unsigned char *target = alias->data;
		size_t n = alias->length;

		add_all(&a, target, n, q->type, target, n, &alias, &exists);
	}
	if (!count)
		add_soa(&a, z);
	return dns_end(&a, q, exists ? DNS_NOERROR : DNS_NXDOMAIN, true);
}
