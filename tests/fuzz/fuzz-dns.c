/* SPDX-License-Identifier: MIT */
/*
 * The DNS example's messages: whatever comes is dropped, refused, or a query whose answer fits, has its question, and is taken
 * for no query itself. Names in text mean the same in wire form and back.
 */
#include <stdlib.h>
#include <string.h>

#include "dns-message.h"
#include "fuzz/fuzz.h"

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static void check_answer(const struct dns_query *q, const unsigned char *question, size_t room)
{
	unsigned char *bytes = malloc(room);      /* of that size, for the sanitizer to see what is written beyond */
	struct dns_answer a;
	struct dns_query again;
	int i;

	dns_begin(&a, bytes, room, q, question);
	for (i = 0; i < 20; i++)
		dns_record(&a, 1 + i % 2, q->name, q->name_length, DNS_TXT, 1, "abcdefgh", 8);
	expect(dns_end(&a, q, DNS_NOERROR, true) <= room);
	expect(!question || !memcmp(bytes + DNS_HEADER, question, q->question));
	expect(dns_parse(&again, bytes, a.length) == DNS_DROP);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *query = malloc(size + 1);
	char text[300] = "";
	unsigned char name[DNS_NAME_MAX];
	struct dns_query q;
	size_t n;
	int r;

	memcpy(query, data, size);
	r = dns_parse(&q, query, size);
	expect(r == DNS_DROP || r == DNS_NOERROR || r == DNS_FORMERR || r == DNS_NOTIMP);
	if (r == DNS_NOERROR) {
		expect(q.name_length && q.name_length <= DNS_NAME_MAX && q.question == q.name_length + 4);
		expect(q.limit >= DNS_UDP_PLAIN && q.limit <= DNS_UDP_MOST);
		check_answer(&q, query + DNS_HEADER, q.limit);
	} else if (r != DNS_DROP) {
		check_answer(&q, NULL, DNS_UDP_PLAIN);
	}
	memcpy(text, data, size < sizeof(text) - 1 ? size : sizeof(text) - 1);
	n = dns_name(name, text);
	expect(n <= DNS_NAME_MAX && (!n || !name[n - 1]));
	free(query);
	return 0;
}

#define HEADER "\x12\x34\x01 \x01\x01\x01\x01\x01\x01\x01\x01"

const char *fuzz_seeds[] = { "www.example.test", HEADER "\3www\7example\4test", HEADER "\x3f" "aaaa", "a.", NULL };
