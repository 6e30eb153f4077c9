/* SPDX-License-Identifier: MIT */
/*
 * Sockets bound to an address, not yet listening. Descriptors or -errno.
 *
 * unix: a socket file nobody answers on is a leftover and is replaced; anything else at that path is left alone. The file
 * that was made is to be removed by rln_socket_path_remove(), which spares one that somebody put there since.
 */
#ifndef RLN_IO_BIND_H
#define RLN_IO_BIND_H

#include "io/addr.h"
#include "ringline/listener.h"

#define RLN_BACKLOG_DEFAULT 4096

struct rln_socket_path {
	bool owned;
	uint64_t dev;
	uint64_t ino;
};

/* With *share* the port may be shared with other sockets that do so (SO_REUSEPORT). */
int rln_bind_tcp(const struct rln_addr *a, bool share, const struct ringline_listen_options *o) rln_must_check;
int rln_bind_unix(const struct rln_addr *a, struct rln_socket_path *path,
                  const struct ringline_listen_options *o) rln_must_check;

/* Binds a socket of that type; the file that this makes is noted in *path*. */
int rln_bind_any(int fd, const struct rln_addr *a, struct rln_socket_path *path, int type) rln_must_check;

/* 0 if nobody listens on a TCP address. */
int rln_bind_probe(const struct rln_addr *a, const struct ringline_listen_options *o) rln_must_check;

int rln_bind_listen(int fd, int backlog) rln_must_check;

/*
 * From here on the kernel lets in nobody, and whom it has let in can still be accepted. All that have the socket are deaf then.
 * A client of TCP finds out when it tries again after a second; one whose handshake has begun gets in yet.
 */
void rln_bind_deafen(int fd, int family);

/* Removes the socket file, if it still is the one that was made. */
void rln_socket_path_remove(struct rln_socket_path *path, const struct rln_addr *a);

#endif
