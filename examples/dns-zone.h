/* SPDX-License-Identifier: MIT */
/*
 * A zone file, read once:
 *
 *     zone example.test
 *     www.example.test    300  A      192.0.2.1
 *     www.example.test    300  AAAA   2001:db8::1
 *     alias.example.test  300  CNAME  www.example.test
 *     example.test        300  MX     10 mail.example.test
 *     example.test        300  TXT    one string up to the end of the line
 *     example.test        300  NS     ns.example.test
 *
 * Lines that begin with # say nothing. Names under a zone that have no record do not exist.
 */
#ifndef EXAMPLES_DNS_ZONE_H
#define EXAMPLES_DNS_ZONE_H

#include "dns-message.h"

/* False, with a message: the file cannot be read, or a line is wrong. */
bool zone_load(const char *path);

/* Answers a query about a name of the zones: the length of the answer; 0: the name is none of theirs. */
size_t zone_answer(const struct dns_query *q, const unsigned char *question, unsigned char *bytes, size_t room);

#endif
