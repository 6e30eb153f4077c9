/* SPDX-License-Identifier: MIT */
/* Words of the NBD protocol; nbd-protocol.h tells which. */
#include <errno.h>
#include <string.h>

#include "nbd-protocol.h"

#define GREETING_MAGIC UINT64_C(0x4e42444d41474943)
#define OPTION_MAGIC   UINT64_C(0x49484156454f5054)
#define REPLY_MAGIC    UINT64_C(0x0003e889045565a9)
#define REQUEST_MAGIC  UINT32_C(0x25609513)
#define SIMPLE_MAGIC   UINT32_C(0x67446698)
#define CHUNK_MAGIC    UINT32_C(0x668e33ef)

uint16_t nbd_get16(const unsigned char *from)
{
	return (uint16_t)(from[0] << 8 | from[1]);
}

uint32_t nbd_get32(const unsigned char *from)
{
	return (uint32_t)nbd_get16(from) << 16 | nbd_get16(from + 2);
}

uint64_t nbd_get64(const unsigned char *from)
{
	return (uint64_t)nbd_get32(from) << 32 | nbd_get32(from + 4);
}

unsigned char *nbd_put16(unsigned char *to, uint16_t value)
{
	*to++ = (unsigned char)(value >> 8);
	*to++ = (unsigned char)value;
	return to;
}

unsigned char *nbd_put32(unsigned char *to, uint32_t value)
{
	to = nbd_put16(to, (uint16_t)(value >> 16));
	return nbd_put16(to, (uint16_t)value);
}

unsigned char *nbd_put64(unsigned char *to, uint64_t value)
{
	to = nbd_put32(to, (uint32_t)(value >> 32));
	return nbd_put32(to, (uint32_t)value);
}

/* What the server sends */

unsigned char *nbd_put_greeting(unsigned char *to)
{
	to = nbd_put64(to, GREETING_MAGIC);
	to = nbd_put64(to, OPTION_MAGIC);
	return nbd_put16(to, NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES);
}

unsigned char *nbd_put_option_reply(unsigned char *to, uint32_t option, uint32_t type, uint32_t length)
{
	to = nbd_put64(to, REPLY_MAGIC);
	to = nbd_put32(to, option);
	to = nbd_put32(to, type);
	return nbd_put32(to, length);
}

unsigned char *nbd_put_simple(unsigned char *to, uint32_t error, uint64_t cookie)
{
	to = nbd_put32(to, SIMPLE_MAGIC);
	to = nbd_put32(to, error);
	return nbd_put64(to, cookie);
}

unsigned char *nbd_put_chunk(unsigned char *to, uint16_t flags, uint16_t type, uint64_t cookie, uint32_t length)
{
	to = nbd_put32(to, CHUNK_MAGIC);
	to = nbd_put16(to, flags);
	to = nbd_put16(to, type);
	to = nbd_put64(to, cookie);
	return nbd_put32(to, length);
}

/* A read must be answered by chunks if they have been agreed on; for the rest the short form does. */
unsigned char *nbd_put_status(unsigned char *to, const struct nbd_terms *terms, const struct nbd_request *q, uint32_t error)
{
	if (!terms->structured || (!error && q->type != NBD_CMD_READ))
		return nbd_put_simple(to, error, q->cookie);
	if (!error)
		return nbd_put_chunk(to, NBD_CHUNK_DONE, NBD_CHUNK_NONE, q->cookie, 0);
	to = nbd_put_chunk(to, NBD_CHUNK_DONE, NBD_CHUNK_ERROR, q->cookie, 6);
	to = nbd_put32(to, error);
	return nbd_put16(to, 0);
}

unsigned char *nbd_put_error_at(unsigned char *to, uint16_t flags, uint64_t cookie, uint32_t error, uint64_t offset)
{
	to = nbd_put_chunk(to, flags, NBD_CHUNK_ERROR_OFFSET, cookie, 14);
	to = nbd_put32(to, error);
	to = nbd_put16(to, 0);
	return nbd_put64(to, offset);
}

uint16_t nbd_flags(bool read_only, bool structured)
{
	uint16_t flags = NBD_FLAG_HAS_FLAGS | NBD_FLAG_CAN_MULTI_CONN | NBD_FLAG_SEND_CACHE;

	if (structured)
		flags |= NBD_FLAG_SEND_DF;
	if (read_only)
		return flags | NBD_FLAG_READ_ONLY;
	return flags | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES |
	       NBD_FLAG_SEND_FAST_ZERO;
}

/* What the client sends */

bool nbd_get_option(struct nbd_option *option, const unsigned char *bytes)
{
	option->option = nbd_get32(bytes + 8);
	option->length = nbd_get32(bytes + 12);
	return nbd_get64(bytes) == OPTION_MAGIC;
}

bool nbd_get_request(struct nbd_request *q, const unsigned char *bytes)
{
	q->flags = nbd_get16(bytes + 4);
	q->type = nbd_get16(bytes + 6);
	q->cookie = nbd_get64(bytes + 8);
	q->offset = nbd_get64(bytes + 16);
	q->length = nbd_get32(bytes + 24);
	return nbd_get32(bytes) == REQUEST_MAGIC;
}

/* The transmission flag that a request needs, and the flags it may have besides FUA. */
static const struct {
	uint16_t needs;
	uint16_t may_have;
	bool writes;
} commands[] = {
	[NBD_CMD_READ] = { 0, NBD_CMD_FLAG_DF, false },
	[NBD_CMD_WRITE] = { 0, 0, true },
	[NBD_CMD_DISC] = { 0, 0, false },
	[NBD_CMD_FLUSH] = { NBD_FLAG_SEND_FLUSH, 0, false },
	[NBD_CMD_TRIM] = { NBD_FLAG_SEND_TRIM, 0, true },
	[NBD_CMD_CACHE] = { NBD_FLAG_SEND_CACHE, 0, false },
	[NBD_CMD_WRITE_ZEROES] = { NBD_FLAG_SEND_WRITE_ZEROES, NBD_CMD_FLAG_NO_HOLE | NBD_CMD_FLAG_FAST_ZERO, true },
	[NBD_CMD_BLOCK_STATUS] = { 0, NBD_CMD_FLAG_REQ_ONE, false },
};

static bool known_flags(const struct nbd_request *q, const struct nbd_terms *terms)
{
	uint16_t may_have = commands[q->type].may_have;

	if (!(terms->flags & NBD_FLAG_SEND_DF))
		may_have &= (uint16_t)~NBD_CMD_FLAG_DF;
	if (terms->flags & NBD_FLAG_SEND_FUA)
		may_have |= NBD_CMD_FLAG_FUA;
	return !(q->flags & ~may_have);
}

static uint32_t check_range(const struct nbd_request *q, const struct nbd_terms *terms)
{
	bool carries_data = q->type == NBD_CMD_READ || q->type == NBD_CMD_WRITE;

	if (q->type == NBD_CMD_FLUSH)
		return q->offset || q->length ? NBD_EINVAL : 0;
	if (carries_data && q->length > NBD_BLOCK_MAX)
		return NBD_EINVAL;
	if (q->offset > terms->size || q->length > terms->size - q->offset)
		return q->type == NBD_CMD_WRITE || q->type == NBD_CMD_WRITE_ZEROES ? NBD_ENOSPC : NBD_EINVAL;
	if (q->type == NBD_CMD_BLOCK_STATUS && !q->length)
		return NBD_EINVAL;        /* an answer has at least one extent, and none is empty */
	return 0;
}

uint32_t nbd_check_request(const struct nbd_request *q, const struct nbd_terms *terms)
{
	if (q->type >= sizeof(commands) / sizeof(commands[0]))
		return NBD_EINVAL;
	if (q->type == NBD_CMD_DISC)
		return 0;
	if (commands[q->type].writes && terms->flags & NBD_FLAG_READ_ONLY)
		return NBD_EPERM;
	if ((commands[q->type].needs & terms->flags) != commands[q->type].needs || !known_flags(q, terms))
		return NBD_EINVAL;
	if (q->type == NBD_CMD_BLOCK_STATUS && !terms->extents)
		return NBD_EINVAL;
	return check_range(q, terms);
}

uint32_t nbd_error(int64_t r)
{
	switch (r) {
	case 0:
		return 0;
	case -EPERM:
	case -EACCES:
	case -EROFS:
		return NBD_EPERM;
	case -ENOMEM:
		return NBD_ENOMEM;
	case -EINVAL:
		return NBD_EINVAL;
	case -ENOSPC:
	case -EDQUOT:
	case -EFBIG:
		return NBD_ENOSPC;
	case -EOPNOTSUPP:
		return NBD_ENOTSUP;
	case -ECANCELED:
	case -ETIME:
	case -ESHUTDOWN:
		return NBD_ESHUTDOWN;
	default:
		return r < 0 ? NBD_EIO : 0;
	}
}
