/* SPDX-License-Identifier: MIT */
/*
 * The NBD example's protocol: a client haggles and sends requests. Whatever it says, each option is answered by replies to that
 * option, of which the last one is final, or by the end; and a request that is let through stays inside the export and needs
 * nothing that was not agreed on.
 *
 * The input is the client's flags, then options (number, length, data), and when one of them was accepted requests, as the
 * protocol has them without the magic numbers, which nobody would guess.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "nbd-handshake.h"

#define NO_DATA 0xff                      /* a length that stands for too much */

static const struct nbd_export_info exports[] = {
	{ "disk", 1000000, 4096, false },
	{ "rom", 4096, 4096, true },
	{ "", UINT64_C(1) << 62, 4096, false },
};

struct input {
	const uint8_t *at;
	size_t n;
};

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static const uint8_t *take(struct input *in, size_t n)
{
	const uint8_t *at = in->at;

	if (n > in->n)
		return NULL;
	in->at += n;
	in->n -= n;
	return at;
}

/* Answers */

static bool is_final(uint32_t type)
{
	return type == NBD_REP_ACK || type >> 31;
}

static void check_replies(const struct nbd_handshake *h, uint32_t option)
{
	const unsigned char *at = h->answer;
	size_t left = h->length;
	bool final = false;

	while (left) {
		uint32_t length;

		expect(!final && left >= NBD_OPTION_REPLY);
		expect(nbd_get64(at) == UINT64_C(0x3e889045565a9) && nbd_get32(at + 8) == option);
		final = is_final(nbd_get32(at + 12));
		length = nbd_get32(at + 16);
		expect(length <= left - NBD_OPTION_REPLY && (nbd_get32(at + 12) != NBD_REP_ACK || !length));
		at += NBD_OPTION_REPLY + length;
		left -= NBD_OPTION_REPLY + length;
	}
	expect(final);
}

static void check_answer(const struct nbd_handshake *h, const struct nbd_option *o, enum nbd_step step)
{
	expect(h->length <= sizeof(h->answer));
	if (o->option == NBD_OPT_EXPORT_NAME)
		expect(step == NBD_ENTER ? h->length == (h->no_zeroes ? 10 : 134) : step == NBD_LEAVE && !h->length);
	else if (!h->fixed)
		expect(step == NBD_LEAVE && !h->length);
	else
		check_replies(h, o->option);
	if (step == NBD_ENTER) {
		expect(h->chosen >= 0 && h->chosen < h->n);
		expect(o->option == NBD_OPT_GO || o->option == NBD_OPT_EXPORT_NAME);
	}
	expect(h->context < h->n && (h->context < 0 || h->structured));
}

/* In memory of that size, for the sanitizer to see what is read beyond. */
static enum nbd_step haggle(struct nbd_handshake *h, struct input *in)
{
	const uint8_t *head = take(in, 2);
	struct nbd_option o;
	enum nbd_step step;
	unsigned char *data;

	if (!head)
		return NBD_LEAVE;
	o.option = head[0];
	o.length = head[1] == NO_DATA ? NBD_OPTION_MAX + 1 : head[1] < in->n ? head[1] : (uint32_t)in->n;
	data = malloc(o.length + 1);
	if (head[1] != NO_DATA)
		memcpy(data, take(in, o.length), o.length);
	data = realloc(data, o.length ? o.length : 1);
	step = nbd_handshake_option(h, &o, data);
	check_answer(h, &o, step);
	free(data);
	return step;
}

/* Requests */

static void check_request(const struct nbd_request *q, const struct nbd_terms *terms)
{
	uint32_t error = nbd_check_request(q, terms);
	unsigned char *status = malloc(NBD_STATUS_MAX);
	size_t n = (size_t)(nbd_put_status(status, terms, q, error) - status);
	bool writes = q->type == NBD_CMD_WRITE || q->type == NBD_CMD_TRIM || q->type == NBD_CMD_WRITE_ZEROES;

	expect(n == NBD_SIMPLE || (terms->structured && (n == NBD_CHUNK || n == NBD_STATUS_MAX)));
	expect(!terms->structured || q->type != NBD_CMD_READ || n != NBD_SIMPLE);
	free(status);
	if (q->type == NBD_CMD_DISC)
		expect(!error);
	if (error || q->type == NBD_CMD_DISC)
		return;
	expect(q->type <= NBD_CMD_BLOCK_STATUS && q->offset <= terms->size && q->length <= terms->size - q->offset);
	expect(!writes || !(terms->flags & NBD_FLAG_READ_ONLY));
	expect((q->type != NBD_CMD_READ && q->type != NBD_CMD_WRITE) || q->length <= NBD_BLOCK_MAX);
	expect(q->type != NBD_CMD_BLOCK_STATUS || (terms->extents && terms->structured && q->length));
	expect(!(q->flags & NBD_CMD_FLAG_DF) || terms->structured);
}

static void requests(const struct nbd_handshake *h, struct input *in)
{
	struct nbd_terms terms = nbd_handshake_terms(h);
	const uint8_t *bytes;
	unsigned char whole[NBD_REQUEST] = { 0x25, 0x60, 0x95, 0x13 };
	struct nbd_request q;

	while ((bytes = take(in, NBD_REQUEST - 4))) {
		memcpy(whole + 4, bytes, NBD_REQUEST - 4);
		expect(nbd_get_request(&q, whole));
		check_request(&q, &terms);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct nbd_handshake h;
	struct input in = { data, size };
	const uint8_t *flags = take(&in, 1);
	enum nbd_step step = NBD_HAGGLE;

	if (!flags)
		return 0;
	nbd_handshake_init(&h, exports, sizeof(exports) / sizeof(exports[0]));
	expect(nbd_handshake_flags(&h, *flags & 0xf) == !(*flags & 0xc));
	while (step == NBD_HAGGLE)
		step = haggle(&h, &in);
	if (step == NBD_ENTER)
		requests(&h, &in);
	return 0;
}

/* Flags, and an option; zero bytes cannot stand in a seed, but many others mean the same. */
const char *fuzz_seeds[] = {
	"\x13\x01\x04" "disk\x01\x01\x01\x01",
	"\x11\x08\xff\x03\xff\x02\x01",
	"\x13\x06\x0c\x01\x01\x01\x01" "disk\x01\x01\x03\x03",
	"\x11\x0a\x20\x01\x01\x01\x04" "disk\x01\x01\x01\x01\x01\x01\x01\x0f" "base:allocation",
	"\x10\x01\x03" "rom",
	NULL,
};
