/* SPDX-License-Identifier: MIT */
/*
 * Sockets that are held for a unit: they listen whether or not it runs, so whoever connects while it is restarted waits for it.
 */
#ifndef EXAMPLES_UNIT_SOCKETS_H
#define EXAMPLES_UNIT_SOCKETS_H

#include <stdbool.h>

#include "unit-file.h"

struct unit_socket {
	int fd;
	char address[RINGLINE_ADDRESS_SIZE];   /* as in the unit's file */
	char bound[RINGLINE_ADDRESS_SIZE];     /* with the real port */
	char name[256];
};

struct unit_sockets {
	struct unit_socket s[UNIT_SOCKETS_MAX];
	size_t n;
};

/* Opens what the unit's file says; what is open already stays open, and what is no longer wanted is closed. 0; -errno,
 * with all closed and *wrong the address. */
int unit_sockets_open(struct unit_sockets *sockets, const struct unit_conf *c, const char **wrong);
void unit_sockets_close(struct unit_sockets *sockets);

/* Waits until somebody has connected to one of them, which is 1, or the event is set, which is 0. -errno. */
int unit_sockets_wait(struct unit_sockets *sockets, struct ringline_event *event);

#endif
