/* SPDX-License-Identifier: MIT */
/* The transmission phase of a connection. */
#ifndef EXAMPLES_NBD_SESSION_H
#define EXAMPLES_NBD_SESSION_H

#include <ringline/ringline.h>

#include "nbd-protocol.h"

/* Serves requests until the client disconnects, breaks the protocol or is gone, or the server shuts down; what is under way
 * has then ended. Suspends. Returns 0, or why it ended. */
int nbd_session_run(struct ringline_conn *conn, struct ringline_file *file, const struct nbd_terms *terms);

#endif
