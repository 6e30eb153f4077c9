/* SPDX-License-Identifier: MIT */
/*
 * The NBD protocol's words: what the numbers are, and how headers are written and read. No I/O, no memory of its own.
 *
 * The specification is https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md. Integers are big-endian; whoever
 * calls sees to the room.
 *
 *     client                    server
 *                               greeting
 *     client flags
 *     option, data ...          option reply, data ...       haggling: nbd-handshake.h
 *     request (, payload)       simple reply (, data)        transmission, in any order
 *                               chunks, the last of them with DONE
 */
#ifndef EXAMPLES_NBD_PROTOCOL_H
#define EXAMPLES_NBD_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of what has a fixed length. */
#define NBD_GREETING      18u
#define NBD_CLIENT_FLAGS  4u
#define NBD_OPTION        16u
#define NBD_OPTION_REPLY  20u
#define NBD_REQUEST       28u
#define NBD_SIMPLE        16u
#define NBD_CHUNK         20u
#define NBD_EXTENT        8u

#define NBD_STRING_MAX    4096u           /* of any string */
#define NBD_BLOCK_MAX     (UINT32_C(32) << 20)   /* of a request with data; the least a server should take */

/* handshake flags, and the client's */
#define NBD_FIXED_NEWSTYLE (1u << 0)
#define NBD_NO_ZEROES      (1u << 1)

/* options */
#define NBD_OPT_EXPORT_NAME       1u
#define NBD_OPT_ABORT             2u
#define NBD_OPT_LIST              3u
#define NBD_OPT_INFO              6u
#define NBD_OPT_GO                7u
#define NBD_OPT_STRUCTURED_REPLY  8u
#define NBD_OPT_LIST_META_CONTEXT 9u
#define NBD_OPT_SET_META_CONTEXT  10u

/* replies to options */
#define NBD_REP_ACK          1u
#define NBD_REP_SERVER       2u
#define NBD_REP_INFO         3u
#define NBD_REP_META_CONTEXT 4u
#define NBD_REP_ERR_UNSUP    (UINT32_C(1) << 31 | 1)
#define NBD_REP_ERR_INVALID  (UINT32_C(1) << 31 | 3)
#define NBD_REP_ERR_UNKNOWN  (UINT32_C(1) << 31 | 6)
#define NBD_REP_ERR_SHUTDOWN (UINT32_C(1) << 31 | 7)
#define NBD_REP_ERR_TOO_BIG  (UINT32_C(1) << 31 | 9)

#define NBD_INFO_EXPORT     0u
#define NBD_INFO_NAME       1u
#define NBD_INFO_BLOCK_SIZE 3u

/* transmission flags of an export */
#define NBD_FLAG_HAS_FLAGS         (1u << 0)
#define NBD_FLAG_READ_ONLY         (1u << 1)
#define NBD_FLAG_SEND_FLUSH        (1u << 2)
#define NBD_FLAG_SEND_FUA          (1u << 3)
#define NBD_FLAG_SEND_TRIM         (1u << 5)
#define NBD_FLAG_SEND_WRITE_ZEROES (1u << 6)
#define NBD_FLAG_SEND_DF           (1u << 7)
#define NBD_FLAG_CAN_MULTI_CONN    (1u << 8)
#define NBD_FLAG_SEND_CACHE        (1u << 10)
#define NBD_FLAG_SEND_FAST_ZERO    (1u << 11)

/* requests, and their flags */
#define NBD_CMD_READ         0u
#define NBD_CMD_WRITE        1u
#define NBD_CMD_DISC         2u
#define NBD_CMD_FLUSH        3u
#define NBD_CMD_TRIM         4u
#define NBD_CMD_CACHE        5u
#define NBD_CMD_WRITE_ZEROES 6u
#define NBD_CMD_BLOCK_STATUS 7u

#define NBD_CMD_FLAG_FUA       (1u << 0)
#define NBD_CMD_FLAG_NO_HOLE   (1u << 1)
#define NBD_CMD_FLAG_DF        (1u << 2)
#define NBD_CMD_FLAG_REQ_ONE   (1u << 3)
#define NBD_CMD_FLAG_FAST_ZERO (1u << 4)

/* chunks of a structured reply */
#define NBD_CHUNK_DONE         (1u << 0)
#define NBD_CHUNK_NONE         0u
#define NBD_CHUNK_DATA         1u         /* 8 bytes of offset, data */
#define NBD_CHUNK_BLOCK_STATUS 5u         /* 4 bytes of context, extents */
#define NBD_CHUNK_ERROR        (1u << 15 | 1)   /* 4 bytes of error, 2 of length, a message of that length */
#define NBD_CHUNK_ERROR_OFFSET (1u << 15 | 2)   /* the same, 8 bytes of offset */

#define NBD_STATE_HOLE (1u << 0)
#define NBD_STATE_ZERO (1u << 1)

/* errors */
#define NBD_EPERM     1u
#define NBD_EIO       5u
#define NBD_ENOMEM    12u
#define NBD_EINVAL    22u
#define NBD_ENOSPC    28u
#define NBD_ENOTSUP   95u
#define NBD_ESHUTDOWN 108u

struct nbd_option {
	uint32_t option;
	uint32_t length;
};

struct nbd_request {
	uint16_t flags;
	uint16_t type;
	uint64_t cookie;
	uint64_t offset;
	uint32_t length;
};

/* What has been agreed on when transmission begins. */
struct nbd_terms {
	uint64_t size;
	uint16_t flags;                   /* NBD_FLAG_* */
	bool structured;
	bool extents;                     /* base:allocation may be asked for */
};

uint16_t nbd_get16(const unsigned char *from);
uint32_t nbd_get32(const unsigned char *from);
uint64_t nbd_get64(const unsigned char *from);

/* These write, and return where the next byte goes. */
unsigned char *nbd_put16(unsigned char *to, uint16_t value);
unsigned char *nbd_put32(unsigned char *to, uint32_t value);
unsigned char *nbd_put64(unsigned char *to, uint64_t value);
unsigned char *nbd_put_greeting(unsigned char *to);
unsigned char *nbd_put_option_reply(unsigned char *to, uint32_t option, uint32_t type, uint32_t length);
unsigned char *nbd_put_simple(unsigned char *to, uint32_t error, uint64_t cookie);
unsigned char *nbd_put_chunk(unsigned char *to, uint16_t flags, uint16_t type, uint64_t cookie, uint32_t length);

/* A whole reply that tells an error or, with 0, that there is nothing more to say; at most NBD_STATUS_MAX bytes. */
#define NBD_STATUS_MAX (NBD_CHUNK + 6u)
unsigned char *nbd_put_status(unsigned char *to, const struct nbd_terms *terms, const struct nbd_request *q, uint32_t error);

/* A chunk that tells an error at an offset; NBD_STATUS_MAX + 8 bytes. */
unsigned char *nbd_put_error_at(unsigned char *to, uint16_t flags, uint64_t cookie, uint32_t error, uint64_t offset);

/* The transmission flags of an export. */
uint16_t nbd_flags(bool read_only, bool structured);

/* False: the magic number is wrong, and what comes means nothing. */
bool nbd_get_option(struct nbd_option *option, const unsigned char *bytes);
bool nbd_get_request(struct nbd_request *q, const unsigned char *bytes);

/* 0, or the error with which the specification has such a request answered. A NBD_CMD_DISC is never wrong. */
uint32_t nbd_check_request(const struct nbd_request *q, const struct nbd_terms *terms);

/* A negated errno value as an error of the protocol. */
uint32_t nbd_error(int64_t r);

#endif
