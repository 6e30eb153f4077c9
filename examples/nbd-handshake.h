/* SPDX-License-Identifier: MIT */
/*
 * NBD's fixed newstyle handshake, without its I/O: each option of the client's goes in, and what it is answered comes out.
 *
 *     HAGGLE --GO, EXPORT_NAME--> ENTER    transmission begins, on h->chosen, when the answer is sent
 *        +----ABORT, a violation-> LEAVE   the answer, if there is one, and the end
 *
 * What is wrong with an option is told where the specification has a way to tell it; where it has none, the connection ends.
 */
#ifndef EXAMPLES_NBD_HANDSHAKE_H
#define EXAMPLES_NBD_HANDSHAKE_H

#include "nbd-protocol.h"

#define NBD_EXPORTS_MAX     64u
#define NBD_EXPORT_NAME_MAX 255u          /* of the server's own */
#define NBD_OPTION_MAX      65536u        /* bytes of data an option may have; more is TOO_BIG */

/* Room for the answer to any option: the list of all exports is the longest. */
#define NBD_ANSWER_MAX (NBD_EXPORTS_MAX * (NBD_OPTION_REPLY + 4 + NBD_EXPORT_NAME_MAX) + 256)

struct nbd_export_info {
	const char *name;
	uint64_t size;
	uint32_t preferred;               /* block size */
	bool read_only;
};

enum nbd_step { NBD_HAGGLE, NBD_ENTER, NBD_LEAVE };

struct nbd_handshake {
	const struct nbd_export_info *exports;    /* the first is the default, unless one has no name */
	int n;
	bool fixed;
	bool no_zeroes;
	bool structured;
	int context;                      /* the export base:allocation was selected for; -1: none */
	int chosen;
	unsigned char answer[NBD_ANSWER_MAX];
	size_t length;                    /* of the answer */
};

void nbd_handshake_init(struct nbd_handshake *h, const struct nbd_export_info *exports, int n);

/* The client's flags. False: it must be disconnected. */
bool nbd_handshake_flags(struct nbd_handshake *h, uint32_t flags);

/* An option with its data, of which nothing is looked at if there is more than NBD_OPTION_MAX. */
enum nbd_step nbd_handshake_option(struct nbd_handshake *h, const struct nbd_option *o, const unsigned char *data);

/* Instead of the answer there is: this error. */
enum nbd_step nbd_handshake_refuse(struct nbd_handshake *h, const struct nbd_option *o, uint32_t error, const char *why);

/* What has been agreed on, after NBD_ENTER. */
struct nbd_terms nbd_handshake_terms(const struct nbd_handshake *h);

#endif
