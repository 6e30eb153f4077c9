/* SPDX-License-Identifier: MIT */
/*
 * Datagrams to a group, or to a host, between network namespaces.
 *
 *     group receive ADDRESS:PORT-to-bind GROUP INTERFACE     until a datagram "end"; prints how many came before, and drops
 *     group send GROUP-with-port INTERFACE COUNT             COUNT datagrams, then ends until nobody stops it
 *
 * A GROUP that is no multicast address is not joined.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ringline/ringline.h>

static char **words;
static int nwords;

static bool is_group(const struct ringline_sockaddr *a)
{
	return a->address.any.sa_family == AF_INET ? IN_MULTICAST(ntohl(a->address.in.sin_addr.s_addr))
	                                           : IN6_IS_ADDR_MULTICAST(&a->address.in6.sin6_addr);
}

static int receive(const char *address, const char *group_text, const char *interface)
{
	struct ringline_dgram_options o = RINGLINE_DGRAM_OPTIONS_INIT;
	struct ringline_dgram_info info = RINGLINE_DGRAM_INFO_INIT;
	struct ringline_sockaddr group;
	struct ringline_dgram *sock;
	unsigned long count = 0;
	unsigned long last = 0;
	char buf[2000];
	ssize_t n;
	int r;

	o.flags = RINGLINE_DGRAM_REUSE;
	o.receive_buffer = 4 << 20;
	r = ringline_sockaddr_parse(&group, group_text);
	if (r == 0)
		r = ringline_dgram_open(&sock, NULL, address, &o);
	if (r == 0 && is_group(&group))
		r = ringline_dgram_join(sock, &group, if_nametoindex(interface), NULL);
	if (r < 0)
		return r;
	printf("ready\n");
	fflush(stdout);
	while ((n = ringline_dgram_recv_from(sock, buf, sizeof(buf) - 1, NULL)) >= 0 && strncmp(buf, "end", 3)) {
		unsigned long number;

		buf[n] = '\0';
		number = strtoul(buf, NULL, 10);
		if (number <= last)       /* the wire does not reorder, and we do not either */
			return -EPROTO;
		last = number;
		count++;
	}
	if (n < 0)
		return (int)n;
	r = ringline_dgram_info(sock, &info);
	printf("received=%lu dropped=%llu\n", count, (unsigned long long)info.dropped);
	ringline_dgram_close(sock);
	return r;
}

/* Many ends, because some are lost. */
static int send_all(struct ringline_dgram *sock, const struct ringline_sockaddr *to, unsigned long count)
{
	char text[1000] = "";
	unsigned long i;
	ssize_t n = 0;

	for (i = 1; i <= count && n >= 0; i++) {
		int length = snprintf(text, sizeof(text), "%lu", i);

		n = ringline_dgram_send_to(sock, text, (size_t)length, to);
		if (i % 100 == 0)
			ringline_sleep(RINGLINE_NSEC_PER_MSEC);
	}
	for (i = 0; i < 50 && n >= 0; i++) {
		ringline_sleep(20 * RINGLINE_NSEC_PER_MSEC);
		n = ringline_dgram_send_to(sock, "end", 3, to);
	}
	return n < 0 ? (int)n : 0;
}

static int send_to(const char *group_text, const char *interface, const char *count)
{
	struct ringline_sockaddr group;
	struct ringline_dgram_options o = RINGLINE_DGRAM_OPTIONS_INIT;
	struct ringline_dgram *sock;
	int r = ringline_sockaddr_parse(&group, group_text);

	o.flags = RINGLINE_DGRAM_NO_ERRORS;
	if (r == 0)
		r = ringline_dgram_open(&sock, NULL, group.address.any.sa_family == AF_INET ? "udp:0.0.0.0:0" : "udp:[::]:0", &o);
	if (r == 0)
		r = ringline_dgram_set_option(sock, RINGLINE_DGRAM_MULTICAST_IF, if_nametoindex(interface));
	if (r == 0)
		r = send_all(sock, &group, strtoul(count, NULL, 10));
	if (r == 0)
		r = ringline_dgram_close(sock);
	return r;
}

static int run(void *arg)
{
	(void)arg;
	if (nwords == 5 && !strcmp(words[1], "receive"))
		return receive(words[2], words[3], words[4]);
	if (nwords == 5 && !strcmp(words[1], "send"))
		return send_to(words[2], words[3], words[4]);
	return -EINVAL;
}

int main(int argc, char **argv)
{
	int r;

	words = argv;
	nwords = argc;
	r = ringline_run(NULL, run, NULL);
	if (r < 0)
		fprintf(stderr, "group: %s\n", strerror(-r));
	return r < 0;
}
