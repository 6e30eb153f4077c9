/* SPDX-License-Identifier: MIT */
/*
 * Looking names and addresses up: getaddrinfo(3) and getnameinfo(3) without holding the worker up.
 *
 *     ringline_resolve(&found, "www.example.org", "https", NULL);
 *     for (i = 0; ringline_lookup_entry(found, i, &entry) == 0; i++)
 *             ...
 *     ringline_lookup_free(found);
 *
 * A name means what it means to the C library: nsswitch.conf, /etc/hosts and the search domains hold, and the addresses come
 * in its order. Lookups are jobs of the class RINGLINE_BLOCKING_DNS (blocking.h). A cancel or a deadline is honoured at once:
 * the thread, which may wait long for a server, is abandoned and counts as stuck until it comes back; how many there can be
 * has a limit. A numeric host with a numeric service needs no thread.
 *
 * Equal lookups that a worker has under way at the same time are one. What was found may be kept for a while (`lookup_cache`
 * of the configuration); nothing is by default.
 */
#ifndef RINGLINE_RESOLVE_H
#define RINGLINE_RESOLVE_H

#include <ringline/common.h>
#include <ringline/dgram.h>

RINGLINE_BEGIN_DECLS

struct ringline_lookup;
struct ringline_op;

/* flags: ask now. The call joins no lookup that is under way, and takes nothing that was kept. */
#define RINGLINE_LOOKUP_FRESH (UINT32_C(1) << 0)

struct ringline_resolve_options {
	size_t size;
	uint32_t flags;                   /* RINGLINE_LOOKUP_FRESH */
	int32_t family;                   /* AF_INET, AF_INET6; AF_UNSPEC (0): both */
	int32_t type;                     /* SOCK_STREAM, SOCK_DGRAM, ...; 0: an entry for each */
	int32_t protocol;                 /* IPPROTO_*; 0: any */
	int32_t how;                      /* AI_* of getaddrinfo(3), NI_* of getnameinfo(3) */
	uint32_t reserved;                /* zero */
	int32_t *code;                    /* receives the EAI_* code of a failure, 0 without one; NULL: not wanted */
};

#define RINGLINE_RESOLVE_OPTIONS_INIT { sizeof(struct ringline_resolve_options), 0, 0, 0, 0, 0, 0, NULL }

/*
 * Looks the addresses of a host and a service up. Either may be NULL, not both: no host is this machine, or any address with
 * AI_PASSIVE. Each is at most 1024 bytes. options may be NULL.
 *
 * Returns 0 and what was found in *ret, for the caller to free; -ENOENT (no such name, or it has no address of that kind:
 * EAI_NONAME, EAI_NODATA, EAI_ADDRFAMILY), -EREMOTEIO (the servers failed: EAI_AGAIN, EAI_FAIL), -ENOMEM (also EAI_MEMORY),
 * -EINVAL (also EAI_SERVICE, EAI_BADFLAGS, EAI_FAMILY, EAI_SOCKTYPE), the errno of EAI_SYSTEM; -EAGAIN (no thread of the pool
 * to be had), -E2BIG (unknown options), -ETIME, -ECANCELED, -EPERM, -EDEADLK.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_resolve(struct ringline_lookup **ret, const char *host, const char *service,
                                       const struct ringline_resolve_options *options) RINGLINE_MUST_CHECK;

/*
 * Looks the names of an address and its port up; of the options `flags`, `how` and `code` count. The address is copied.
 *
 * Returns as ringline_resolve(); -ENAMETOOLONG (EAI_OVERFLOW).
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_resolve_reverse(struct ringline_lookup **ret, const struct ringline_sockaddr *address,
                                               const struct ringline_resolve_options *options) RINGLINE_MUST_CHECK;

/*
 * Begin the same as operations (op.h), whose result is 0 or a negative error. What was found is stored in *found by the call
 * that takes the result; it, and *code, must be valid until then. An operation that nobody takes frees it. Never suspend.
 *
 * Return 0; the errors above that are known at once; -EAGAIN (the queue is full, or the worker's limit of operations is
 * reached).
 * Since: 0.1
 */
int ringline_resolve_begin(struct ringline_op **ret, struct ringline_lookup **found, const char *host, const char *service,
                           const struct ringline_resolve_options *options) RINGLINE_MUST_CHECK;
int ringline_resolve_reverse_begin(struct ringline_op **ret, struct ringline_lookup **found,
                                   const struct ringline_sockaddr *address,
                                   const struct ringline_resolve_options *options) RINGLINE_MUST_CHECK;

/* One address of those found. */
struct ringline_lookup_entry {
	size_t size;
	int32_t family;                   /* AF_* */
	int32_t type;                     /* SOCK_* */
	int32_t protocol;                 /* IPPROTO_* */
	uint32_t reserved;
	struct ringline_sockaddr address;
};

#define RINGLINE_LOOKUP_ENTRY_INIT { sizeof(struct ringline_lookup_entry), 0, 0, 0, 0, { 0, 0, { { 0, { 0 } } } } }

/*
 * Fills *entry, whose size must be set, with the address at an index, in the order in which they are to be tried. Any thread.
 *
 * Returns 0; -ERANGE (there are not so many), -EINVAL.
 * Since: 0.1
 */
int ringline_lookup_entry(const struct ringline_lookup *lookup, size_t index, struct ringline_lookup_entry *entry);

/* The number of addresses: 0 for NULL and for a reverse lookup. Any thread. Since: 0.1 */
size_t ringline_lookup_count(const struct ringline_lookup *lookup);

/*
 * The canonical name if it was asked for (AI_CANONNAME), and what a reverse lookup has found; NULL if there is none. Valid until
 * the lookup is freed. Any thread.
 * Since: 0.1
 */
const char *ringline_lookup_host(const struct ringline_lookup *lookup);
const char *ringline_lookup_service(const struct ringline_lookup *lookup);

/* Frees what a lookup has found. NULL is allowed. Any thread. Since: 0.1 */
void ringline_lookup_free(struct ringline_lookup *lookup);

RINGLINE_END_DECLS

#endif
