/* SPDX-License-Identifier: MIT */
/*
 * DNS messages (RFC 1035, RFC 6891): queries taken apart, answers put together. Strict, and without a look beyond the bytes.
 *
 * Names are in wire form, labels with their lengths and a zero at the end, in lower case where they are compared.
 */
#ifndef EXAMPLES_DNS_MESSAGE_H
#define EXAMPLES_DNS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_NAME_MAX    255
#define DNS_HEADER      12
#define DNS_UDP_PLAIN   512               /* what every client takes */
#define DNS_UDP_MOST    1232              /* what does not get cut apart on the way */
#define DNS_MESSAGE_MAX 65535

enum { DNS_A = 1, DNS_NS = 2, DNS_CNAME = 5, DNS_SOA = 6, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28, DNS_OPT = 41, DNS_ANY = 255 };
enum { DNS_NOERROR, DNS_FORMERR, DNS_SERVFAIL, DNS_NXDOMAIN, DNS_NOTIMP, DNS_REFUSED };

struct dns_query {
	uint16_t id;
	uint16_t type;
	bool recursion;                   /* wanted */
	bool edns;
	size_t limit;                     /* what the client takes over UDP */
	size_t question;                  /* bytes of the question, behind the header */
	size_t name_length;
	unsigned char name[DNS_NAME_MAX];
};

/* What to do with a query: answer it, answer with that error, or nothing at all (a response, or hardly a message). */
#define DNS_DROP (-1)

/* DNS_NOERROR: *q is whole. DNS_FORMERR, DNS_NOTIMP: only q->id and q->recursion are. DNS_DROP. */
int dns_parse(struct dns_query *q, const unsigned char *bytes, size_t n);

/* A name in text ("www.example.test.", with or without the last dot) in wire form; its length, 0 if it is none. */
size_t dns_name(unsigned char name[DNS_NAME_MAX], const char *text);

/* An answer under construction. What does not fit sets the truncation flag, and the records are left out. */
struct dns_answer {
	unsigned char *bytes;
	size_t room;
	size_t length;
	bool truncated;
};

/* Begins with the header and, if *question* is not NULL, the question as it was asked. */
void dns_begin(struct dns_answer *a, unsigned char *bytes, size_t room, const struct dns_query *q, const unsigned char *question);

/* Appends a record, and counts it in that section: 1 answers, 2 authority. */
void dns_record(struct dns_answer *a, int section, const unsigned char *name, size_t name_length, uint16_t type, uint32_t ttl,
                const void *data, size_t n);

/* Sets the flags and ends it; the whole length. */
size_t dns_end(struct dns_answer *a, const struct dns_query *q, int rcode, bool authoritative);

#endif
