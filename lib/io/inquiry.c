/* SPDX-License-Identifier: MIT */
/* Lookups of one worker; inquiry.h tells the idea. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/object.h"
#include "core/pool.h"
#include "core/task.h"
#include "io/inquiry.h"

#define BUCKETS 256u

struct rln_inquiry {
	struct rln_list link;             /* of its bucket; on none if it is fresh, or abandoned */
	struct rln_list age;              /* rln_io.kept */
	struct rln_list askers;
	struct rln_io *io;
	struct rln_job job;
	struct ringline_lookup *found;    /* the thread's, and from the end on the worker's */
	int code;
	uint64_t hash;
	uint64_t until;                   /* when it is forgotten; 0: it is not kept */
	struct rln_question question;     /* with pointers to the following */
	struct rln_addr address;
	char text[];
};

/* What is asked */

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool same_address(const struct rln_addr *a, const struct rln_addr *b)
{
	return a && b ? a->len == b->len && !memcmp(&a->sa, &b->sa, a->len) : a == b;
}

static bool same(const struct rln_question *a, const struct rln_question *b)
{
	return a->family == b->family && a->type == b->type && a->protocol == b->protocol && a->how == b->how &&
	       same_text(a->host, b->host) && same_text(a->service, b->service) && same_address(a->address, b->address);
}

/* FNV-1a */
static uint64_t mix(uint64_t hash, const void *data, size_t n)
{
	const unsigned char *p = data;

	while (n--)
		hash = (hash ^ *p++) * UINT64_C(0x100000001b3);
	return hash;
}

static uint64_t hash_of(const struct rln_question *q)
{
	const int32_t kind[] = { q->family, q->type, q->protocol, q->how };
	uint64_t hash = mix(UINT64_C(0xcbf29ce484222325), kind, sizeof(kind));

	if (q->host)
		hash = mix(hash, q->host, strlen(q->host) + 1);
	if (q->service)
		hash = mix(hash, q->service, strlen(q->service) + 1);
	return q->address ? mix(hash, &q->address->sa, q->address->len) : hash;
}

/* The table */

static struct rln_list *bucket(struct rln_io *io, uint64_t hash)
{
	return &io->inquiries[hash % BUCKETS];
}

/* The table is made when it is needed: most workers never look anything up. */
static int make_table(struct rln_io *io)
{
	uint32_t i;

	if (io->inquiries)
		return 0;
	io->inquiries = rln_mem_alloc(BUCKETS * sizeof(*io->inquiries));
	if (!io->inquiries)
		return -ENOMEM;
	for (i = 0; i < BUCKETS; i++)
		rln_list_init(&io->inquiries[i]);
	return 0;
}

static void inquiry_free(struct rln_inquiry *i)
{
	ringline_lookup_free(i->found);
	rln_mem_free(i);
}

static void forget(struct rln_inquiry *i)
{
	rln_list_del(&i->link);
	rln_list_del(&i->age);
	i->io->nkept--;
	inquiry_free(i);
}

static struct rln_inquiry *find(struct rln_io *io, const struct rln_question *q, uint64_t hash)
{
	struct rln_list *it;
	struct rln_list *tmp;

	rln_list_for_each_safe (it, tmp, bucket(io, hash)) {
		struct rln_inquiry *i = rln_list_entry(it, struct rln_inquiry, link);

		if (i->hash != hash || !same(&i->question, q))
			continue;
		if (!i->until || i->until > io->exec->now)
			return i;
		forget(i);
	}
	return NULL;
}

/* Keeps an answer in place of the oldest, if there are as many as may be. */
static bool keep(struct rln_inquiry *i)
{
	struct rln_io *io = i->io;

	if (!io->config.lookup_cache || i->job.result < 0 || !rln_list_linked(&i->link))
		return false;
	if (io->nkept == io->config.lookup_cache)
		forget(rln_list_entry(rln_list_first(&io->kept), struct rln_inquiry, age));
	i->until = rln_time_add(io->exec->now, io->config.lookup_cache_time);
	rln_list_add_tail(&io->kept, &i->age);
	io->nkept++;
	return true;
}

/* Asking */

/* On a thread of the pool, or at once. */
static int ask(void *arg)
{
	struct rln_inquiry *i = arg;

	return rln_lookup_ask(&i->found, &i->code, &i->question);
}

static void answer(struct rln_asker *a, const struct rln_inquiry *i)
{
	a->result = i->job.result;
	a->code = i->code;
	a->found = a->result == 0 ? rln_lookup_ref(i->found) : NULL;
}

static void asked(struct rln_job *job)
{
	struct rln_inquiry *i = rln_container_of(job, struct rln_inquiry, job);
	struct rln_list *node;

	while ((node = rln_list_pop(&i->askers))) {
		struct rln_asker *a = rln_list_entry(node, struct rln_asker, link);

		answer(a, i);
		a->over(a);
	}
	if (keep(i))
		return;
	rln_list_del(&i->link);
	inquiry_free(i);
}

static void lost(struct rln_job *job)
{
	inquiry_free(rln_container_of(job, struct rln_inquiry, job));
}

static const char *copy_text(char **to, const char *text)
{
	size_t n = text ? strlen(text) + 1 : 0;
	const char *copy = text ? memcpy(*to, text, n) : NULL;

	*to += n;
	return copy;
}

static struct rln_inquiry *inquiry_new(struct rln_io *io, const struct rln_question *q, uint64_t hash)
{
	size_t host = q->host ? strlen(q->host) + 1 : 0;
	size_t service = q->service ? strlen(q->service) + 1 : 0;
	struct rln_inquiry *i = rln_mem_zalloc(sizeof(*i) + host + service);
	char *text;

	if (!i)
		return NULL;
	rln_list_init(&i->link);
	rln_list_init(&i->age);
	rln_list_init(&i->askers);
	rln_job_init(&i->job, ask, i, RLN_JOB_DNS, RLN_JOB_NORMAL, asked);
	i->job.lost = lost;
	i->io = io;
	i->hash = hash;
	i->question = *q;
	text = i->text;
	i->question.host = copy_text(&text, q->host);
	i->question.service = copy_text(&text, q->service);
	if (q->address) {
		i->address = *q->address;
		i->question.address = &i->address;
	}
	return i;
}

/* Whoever asks for a number, or its text, waits behind nobody. */
static int ask_here(struct rln_asker *a, const struct rln_question *q)
{
	a->found = NULL;
	a->result = rln_lookup_ask(&a->found, &a->code, q);
	return RLN_ANSWERED;
}

static int begin(struct rln_asker *a, struct rln_io *io, const struct rln_question *q, uint64_t hash, bool patient)
{
	struct rln_inquiry *i = inquiry_new(io, q, hash);
	int r;

	if (!i)
		return -ENOMEM;
	r = rln_job_submit(&i->job, patient);
	if (r < 0) {
		inquiry_free(i);
		return r;
	}
	if (!q->fresh)
		rln_list_add_tail(bucket(io, hash), &i->link);
	a->inquiry = i;
	rln_list_add_tail(&i->askers, &a->link);
	return RLN_ASKED;
}

int rln_asker_ask(struct rln_asker *a, const struct rln_question *q, bool patient)
{
	struct rln_io *io = rln_io_current();
	struct rln_inquiry *i;
	uint64_t hash;

	rln_list_init(&a->link);
	rln_stat_add(&io->stats.lookups, 1);
	if (rln_lookup_is_numeric(q) && rln_exec_may_inline(io->exec))
		return ask_here(a, q);
	if (make_table(io) < 0)
		return -ENOMEM;
	hash = hash_of(q);
	i = q->fresh ? NULL : find(io, q, hash);
	if (!i)
		return begin(a, io, q, hash, patient);
	if (i->until) {
		rln_stat_add(&io->stats.lookups_cached, 1);
		answer(a, i);
		return RLN_ANSWERED;
	}
	rln_stat_add(&io->stats.lookups_merged, 1);
	a->inquiry = i;
	rln_list_add_tail(&i->askers, &a->link);
	return RLN_ASKED;
}

bool rln_asker_leave(struct rln_asker *a)
{
	struct rln_inquiry *i = a->inquiry;

	rln_list_del(&a->link);
	if (!rln_list_empty(&i->askers))
		return true;
	rln_list_del(&i->link);           /* first: it may be gone, right after it was abandoned */
	if (rln_job_withdraw(&i->job)) {
		inquiry_free(i);
		return true;
	}
	if (rln_job_abandon(&i->job))
		return true;
	rln_list_add_tail(&i->askers, &a->link);
	return false;
}

/* The call that parks */

struct waiting_asker {
	struct rln_asker asker;
	struct rln_wait wait;
};

static void wake_asker(struct rln_asker *a)
{
	rln_wait_fire(&rln_container_of(a, struct waiting_asker, asker)->wait, 0);
}

static void describe(const void *object, char *text, size_t size)
{
	const struct rln_question *q = object;

	snprintf(text, size, "%s", q->host ? q->host : "");
}

static const struct rln_what what_lookup = { .name = "lookup", .describe = describe };

/* The scope was cut: what is not over is left, and what is over is dropped. */
static void give_up(struct waiting_asker *w, struct rln_parker *p, bool under_way)
{
	if (under_way && rln_asker_leave(&w->asker))
		return;
	if (under_way)
		rln_park_shielded(p);
	ringline_lookup_free(w->asker.found);
}

int rln_lookup_wait(struct ringline_lookup **ret, int *code, const struct rln_question *q, struct ringline_task *t)
{
	struct waiting_asker w = { .asker.over = wake_asker };
	struct rln_parker p;
	int cut;
	int r;

	rln_parker_init(&p, t, &what_lookup, q);
	rln_wait_arm(&w.wait, &p, NULL);
	r = rln_asker_ask(&w.asker, q, true);
	if (r < 0)
		return r;
	cut = r == RLN_ASKED ? rln_park(&p) : rln_object_pace(t);
	if (cut) {
		give_up(&w, &p, r == RLN_ASKED);
		return cut;
	}
	*code = w.asker.code;
	*ret = w.asker.found;
	return w.asker.result;
}

/* The worker's */

void rln_inquiries_init(struct rln_io *io)
{
	rln_list_init(&io->kept);
}

void rln_inquiries_fini(struct rln_io *io)
{
	struct rln_list *node;

	while ((node = rln_list_first(&io->kept)))
		forget(rln_list_entry(node, struct rln_inquiry, age));
	rln_mem_free(io->inquiries);
	io->inquiries = NULL;
}
