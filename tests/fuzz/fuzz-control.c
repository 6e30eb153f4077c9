/* SPDX-License-Identifier: MIT */
/*
 * Control messages of datagrams: whatever they say, what is read lies in them, and nothing is closed that there is room for.
 *
 * The input is a list of messages: a byte for the length that is claimed, one each for level and type, one for how much there
 * really is, and that. So most of them look like messages, and some claim too much.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "io/dgram-batch.h"

#define ROOM 253u
#define SIZE 1024u
#define KNOWN (RINGLINE_MSG_LOCAL | RINGLINE_MSG_TOS | RINGLINE_MSG_TTL | RINGLINE_MSG_TIMESTAMP | RINGLINE_MSG_CREDENTIALS)

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static const int levels[] = { SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP };

static size_t write_messages(unsigned char *control, const uint8_t *data, size_t size)
{
	size_t used = 0;

	while (size >= 4 && used + CMSG_SPACE(0) <= SIZE) {
		struct cmsghdr c = { .cmsg_len = data[0], .cmsg_level = levels[data[1] % 4], .cmsg_type = data[2] };
		size_t n = data[3];

		memcpy(control + used, &c, sizeof(c));
		used += CMSG_LEN(0);
		data += 4;
		size -= 4;
		n = n < size ? n : size;
		n = n < SIZE - used ? n : SIZE - used;
		memcpy(control + used, data, n);
		used += CMSG_ALIGN(n);
		data += n;
		size -= n;
	}
	return used < SIZE ? used : SIZE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char all[SIZE + 64] = { 0 };   /* what lies between two messages the kernel clears, too */
	size_t n = write_messages(all, data, size);
	unsigned char *control = malloc(n + 1);   /* of that size, for the sanitizer to see what is read beyond */
	struct msghdr h = { .msg_control = control, .msg_controllen = n };
	int fds[ROOM];
	struct ringline_dgram_msg m = { .fds = fds, .nfds = ROOM };

	memcpy(control, all, n);
	expect(rln_dgram_parse_control(&h, &m) == 0);
	expect(m.nfds <= n / sizeof(int));
	expect(!(m.flags & ~KNOWN));
	expect(!(m.flags & RINGLINE_MSG_LOCAL) || m.local.length);
	expect(rln_dgram_segment(&h, 1000) < 1000);
	expect(rln_dgram_parse_error(&h) < 0);
	free(control);
	return 0;
}

/* A type of service; descriptors; where it was sent to; joined datagrams; and a length that is not there. */
const char *fuzz_seeds[] = { "\x14\x01\x01\x04tttt", "\x18\x04\x01\x08""abcdefgh", "\x1c\x01\x08\x0c""aaaabbbbcccc", "\x14\x03\x68\x04zzzz",
	                     "\xf0\x01\x08\x04zzzz", NULL };
