/* SPDX-License-Identifier: MIT */
/*
 * Connecting to a name: Happy Eyeballs, version 2 (RFC 8305).
 *
 *     look up --> [A1 B1 A2 B2 ...] --delay, or a failure--> one attempt more --> the first that succeeds wins
 *                                                            none is left ------> the first error
 *
 * The addresses come in the order of RFC 6724 from the resolver (inquiry.h); the families take turns (RFC 8305, section 4). Both kinds
 * of address are looked up by one call, so there is no delay between the two answers to keep (section 3). The attempts are
 * operations of a scope of their own: closing it gives up what is left of them.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/task.h"
#include "io/connect.h"
#include "io/inquiry.h"
#include "io/sockaddr.h"
#include "ringline/op.h"
#include "ringline/scope.h"
#include "ringline/select.h"

#define ADDRESSES_MAX 16u
#define ATTEMPT_DELAY (250 * RLN_NSEC_PER_MSEC)   /* RFC 8305, section 8 */
#define NAME_MAX_LEN  1024u

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

static bool usable(const struct rln_lookup_address *a, const struct rln_addr *source)
{
	return (a->family == AF_INET || a->family == AF_INET6) && (!source->len || a->family == rln_addr_family(source));
}

/* The first from *i* on whose family is this one, or is not; the number of all if there is none. */
static uint32_t next_of(const struct ringline_lookup *l, uint32_t i, const struct rln_addr *source, int family, bool same)
{
	while (i < l->n && (!usable(&l->entry[i], source) || (l->entry[i].family == family) != same))
		i++;
	return i;
}

/* What may be behind the end is looked up by nobody. */
static bool add_address(struct race *race, const struct ringline_lookup *l, uint32_t i)
{
	if (i >= l->n || race->n == ADDRESSES_MAX)
		return false;
	return rln_sockaddr_get(&race->addr[race->n++], &l->entry[i].address);
}

/* The first address's family and the other one in turns. */
static int interleave(struct race *race, const struct ringline_lookup *l, const struct rln_addr *source)
{
	uint32_t a = next_of(l, 0, source, AF_UNSPEC, false);
	int family = a < l->n ? l->entry[a].family : AF_UNSPEC;
	uint32_t b;

	if (a == l->n)
		return l->n ? -EAFNOSUPPORT : -ENOENT;
	b = next_of(l, 0, source, family, false);
	while (add_address(race, l, a) | add_address(race, l, b)) {
		a = next_of(l, a + 1, source, family, true);
		b = next_of(l, b + 1, source, family, false);
	}
	return 0;
}

static int resolve(struct race *race, const char *host, const char *service, struct ringline_task *t)
{
	struct rln_question q = { .host = host, .service = service, .type = SOCK_STREAM, .protocol = IPPROTO_TCP };
	struct ringline_lookup *found;
	struct rln_addr source;
	int code;
	int r = rln_lookup_wait(&found, &code, &q, t);

	if (r < 0)
		return r;
	r = rln_connect_source(&source, &race->options);
	if (r == 0)
		r = interleave(race, found, &source);
	ringline_lookup_free(found);
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
static int run_in_scope(struct race *race, const char *host, const char *service, struct ringline_task *t)
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
	r = resolve(race, host, service, t);
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
		r = run_in_scope(race, host, service, t);
	if (r >= 0)
		*ret = race->conn[r];
	rln_mem_free(race);
	return rln_min(r, 0);
}
