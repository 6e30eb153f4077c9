/* SPDX-License-Identifier: MIT */
/*
 * Connecting to a name: Happy Eyeballs, version 2 (RFC 8305).
 *
 *     look up --> [A1 B1 A2 B2 ...] --delay, or a failure--> one attempt more --> the first that succeeds wins
 *                                                            none is left ------> the first error
 *
 * The addresses come in the order of RFC 6724 from getaddrinfo(3); the families take turns (RFC 8305, section 4). Both kinds
 * of address are looked up by one call, so there is no delay between the two answers to keep (section 3). The attempts are
 * operations of a scope of their own: closing it gives up what is left of them.
 */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/task.h"
#include "io/connect.h"
#include "ringline/blocking.h"
#include "ringline/op.h"
#include "ringline/scope.h"
#include "ringline/select.h"

#define ADDRESSES_MAX 16u
#define ATTEMPT_DELAY (250 * RLN_NSEC_PER_MSEC)   /* RFC 8305, section 8 */
#define NAME_MAX_LEN  1024u

/* Owned by the job: the caller may be cut while it runs. */
struct lookup {
	struct addrinfo *found;
	char *service;
	char host[];
};

static void lookup_free(void *arg, int result)
{
	struct lookup *l = arg;

	(void)result;
	if (l->found)
		freeaddrinfo(l->found);
	rln_mem_free(l);
}

static struct lookup *lookup_new(const char *host, const char *service)
{
	size_t h = strlen(host) + 1;
	size_t s = strlen(service) + 1;
	struct lookup *l = rln_mem_alloc(sizeof(*l) + h + s);

	if (!l)
		return NULL;
	l->found = NULL;
	l->service = l->host + h;
	memcpy(l->host, host, h);
	memcpy(l->service, service, s);
	return l;
}

static int error_of(int code)
{
	switch (code) {
	case 0:
		return 0;
	case EAI_MEMORY:
		return -ENOMEM;
	case EAI_SYSTEM:
		return errno ? -errno : -EREMOTEIO;
	case EAI_SERVICE:
	case EAI_BADFLAGS:
	case EAI_FAMILY:
	case EAI_SOCKTYPE:
		return -EINVAL;
	case EAI_AGAIN:
	case EAI_FAIL:
		return -EREMOTEIO;
	default:
		return -ENOENT;
	}
}

/* On a thread of the pool. */
static int look_up(void *arg)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP };
	struct lookup *l = arg;

	return error_of(getaddrinfo(l->host, l->service, &hints, &l->found));
}

struct race {
	struct ringline_connect_options options;
	struct rln_addr addr[ADDRESSES_MAX];
	uint32_t n;
	uint32_t next;                    /* to be tried */
	struct ringline_case cases[ADDRESSES_MAX + 1];
	struct ringline_conn *conn[ADDRESSES_MAX];
	uint32_t running;
	int error;                        /* the first */
};

/* The addresses */

static bool usable(const struct addrinfo *a, const struct rln_addr *source)
{
	return (a->ai_family == AF_INET || a->ai_family == AF_INET6) && a->ai_addrlen <= sizeof(struct sockaddr_storage) &&
	       (!source->len || a->ai_family == rln_addr_family(source));
}

static const struct addrinfo *next_of(const struct addrinfo *a, const struct rln_addr *source, int family, bool same)
{
	while (a && (!usable(a, source) || (a->ai_family == family) != same))
		a = a->ai_next;
	return a;
}

static void add_address(struct race *race, const struct addrinfo *a)
{
	struct rln_addr *to = &race->addr[race->n++];

	memset(to, 0, sizeof(*to));
	memcpy(&to->sa, a->ai_addr, a->ai_addrlen);
	to->len = a->ai_addrlen;
}

/* The first address's family and the other one in turns. */
static int interleave(struct race *race, const struct addrinfo *list, const struct rln_addr *source)
{
	int family = AF_UNSPEC;
	const struct addrinfo *a;
	const struct addrinfo *b;

	for (a = list; a && !usable(a, source); a = a->ai_next)
		;
	if (!a)
		return list ? -EAFNOSUPPORT : -ENOENT;
	family = a->ai_family;
	b = next_of(list, source, family, false);
	while ((a || b) && race->n < ADDRESSES_MAX) {
		if (a) {
			add_address(race, a);
			a = next_of(a->ai_next, source, family, true);
		}
		if (b && race->n < ADDRESSES_MAX) {
			add_address(race, b);
			b = next_of(b->ai_next, source, family, false);
		}
	}
	return 0;
}

static int resolve(struct race *race, const char *host, const char *service)
{
	struct ringline_blocking_options o = RINGLINE_BLOCKING_OPTIONS_INIT;
	struct lookup *l = lookup_new(host, service);
	struct rln_addr source;
	int r;

	if (!l)
		return -ENOMEM;
	o.job_class = RINGLINE_BLOCKING_DNS;
	r = ringline_blocking_detached(look_up, l, lookup_free, &o);
	if (r < 0)
		return r;                 /* disposed of, now or later */
	r = rln_connect_source(&source, &race->options);
	if (r == 0)
		r = interleave(race, l->found, &source);
	lookup_free(l, 0);
	return r;
}

/* The race */

static void note_error(struct race *race, int error)
{
	if (!race->error)
		race->error = error;
}

/* Begins the next attempt that can be begun. */
static void begin_next(struct race *race)
{
	while (race->next < race->n) {
		uint32_t i = race->next++;
		struct ringline_op *op;
		int r = rln_connect_begin(&op, &race->conn[i], &race->addr[i], &race->options);

		if (r < 0) {
			note_error(race, r);
			continue;
		}
		race->cases[i] = (struct ringline_case){ .kind = RINGLINE_CASE_OP, .object = op };
		race->running++;
		return;
	}
}

/* The attempt that succeeded, or -errno. */
static int run(struct race *race)
{
	struct ringline_case *delay = &race->cases[race->n];
	uint64_t step = race->options.attempt_delay ? race->options.attempt_delay : ATTEMPT_DELAY;

	begin_next(race);
	while (race->running) {
		ssize_t i;

		*delay = (struct ringline_case){ .kind = race->next < race->n ? RINGLINE_CASE_DEADLINE : RINGLINE_CASE_NONE,
			                         .value = rln_time_add(ringline_now(), step) };
		i = ringline_select(race->cases, race->n + 1, sizeof(*race->cases), RINGLINE_SELECT_BIASED);
		if (i < 0)
			return (int)i;
		if ((uint32_t)i < race->n) {
			race->running--;
			if (race->cases[i].result == 0)
				return (int)i;
			note_error(race, (int)race->cases[i].result);
		}
		begin_next(race);
	}
	return race->error;
}

/* Everything within the timeout; what is left of the attempts ends with the scope. */
static int run_in_scope(struct race *race, const char *host, const char *service)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;
	uint64_t own = RINGLINE_NEVER;
	int r;

	if (race->options.timeout)
		own = rln_time_add(ringline_now(), race->options.timeout);
	race->options.timeout = 0;        /* not of each attempt */
	o.deadline = own;
	r = ringline_scope_open(&scope, &o);
	if (r < 0)
		return r;
	r = resolve(race, host, service);
	if (r == 0)
		r = run(race);
	ringline_scope_close(scope);
	return r == -ETIME && own != RINGLINE_NEVER && ringline_now() >= own ? -ETIMEDOUT : r;
}

int ringline_connect_host(struct ringline_conn **ret, const char *host, const char *service,
                          const struct ringline_connect_options *options)
{
	struct ringline_task *t;
	struct race *race;
	int r = rln_task_get_parking(&t, __func__);

	if (r == 0)
		r = t->scope->reason;
	if (r < 0)
		return r;
	if (!ret || !host || !*host || !service || strlen(host) > NAME_MAX_LEN || strlen(service) > NAME_MAX_LEN)
		return -EINVAL;
	race = rln_mem_zalloc(sizeof(*race));
	if (!race)
		return -ENOMEM;
	r = rln_connect_read_options(&race->options, options);
	if (r == 0)
		r = run_in_scope(race, host, service);
	if (r >= 0)
		*ret = race->conn[r];
	rln_mem_free(race);
	return rln_min(r, 0);
}
