/* SPDX-License-Identifier: MIT */
/* Counting connections by source; crowd.h. */
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "base/list.h"
#include "base/mem.h"
#include "io/crowd.h"

#define BUCKETS 256u

/* A source that has connections. */
struct rln_crowd_place {
	struct rln_list link;             /* in its bucket */
	unsigned char key[16];
	uint32_t n;
};

struct rln_crowd {
	pthread_mutex_t lock;
	uint32_t refs;
	uint32_t max;
	uint32_t max_per_source;
	uint32_t n;
	struct rln_list bucket[BUCKETS];
};

struct rln_crowd *rln_crowd_new(uint32_t max, uint32_t max_per_source)
{
	struct rln_crowd *c = rln_mem_alloc(sizeof(*c));
	uint32_t i;

	if (!c)
		return NULL;
	pthread_mutex_init(&c->lock, NULL);
	c->refs = 1;
	c->max = max ? max : UINT32_MAX;
	c->max_per_source = max_per_source ? max_per_source : UINT32_MAX;
	c->n = 0;
	for (i = 0; i < BUCKETS; i++)
		rln_list_init(&c->bucket[i]);
	return c;
}

struct rln_crowd *rln_crowd_ref(struct rln_crowd *c)
{
	if (!c)
		return NULL;
	pthread_mutex_lock(&c->lock);
	c->refs++;
	pthread_mutex_unlock(&c->lock);
	return c;
}

static void unref_and_unlock(struct rln_crowd *c)
{
	bool last = !--c->refs;

	pthread_mutex_unlock(&c->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&c->lock);
	rln_mem_free(c);
}

void rln_crowd_unref(struct rln_crowd *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	unref_and_unlock(c);
}

/* The source as 16 bytes; an IPv4 address in its IPv6 form, whichever socket it came by. */
static void read_key(int fd, unsigned char *key)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);
	struct ucred u = { 0 };

	memset(key, 0, 16);
	getpeername(fd, (struct sockaddr *)&sa, &len);
	if (sa.ss_family == AF_INET6) {
		memcpy(key, &((struct sockaddr_in6 *)&sa)->sin6_addr, 16);
	} else if (sa.ss_family == AF_INET) {
		key[10] = key[11] = 0xff;
		memcpy(key + 12, &((struct sockaddr_in *)&sa)->sin_addr, 4);
	} else {
		len = sizeof(u);
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &len);
		memcpy(key, &u.uid, sizeof(u.uid));
	}
}

/* FNV-1a (Fowler, Noll, Vo), 32 bits. Whoever makes addresses collide gains a longer list, bounded by the limit. */
static struct rln_list *bucket_of(struct rln_crowd *c, const unsigned char *key)
{
	uint32_t h = 2166136261u;
	int i;

	for (i = 0; i < 16; i++)
		h = (h ^ key[i]) * 16777619u;
	return &c->bucket[h % BUCKETS];
}

static struct rln_crowd_place *find(struct rln_list *bucket, const unsigned char *key)
{
	struct rln_list *it;

	rln_list_for_each (it, bucket) {
		struct rln_crowd_place *p = rln_list_entry(it, struct rln_crowd_place, link);

		if (!memcmp(p->key, key, 16))
			return p;
	}
	return NULL;
}

static struct rln_crowd_place *find_or_make(struct rln_crowd *c, const unsigned char *key)
{
	struct rln_list *bucket = bucket_of(c, key);
	struct rln_crowd_place *p = find(bucket, key);

	if (p)
		return p;
	p = rln_mem_alloc(sizeof(*p));
	if (!p)
		return NULL;
	memcpy(p->key, key, 16);
	p->n = 0;
	rln_list_init(&p->link);
	rln_list_add_head(bucket, &p->link);
	return p;
}

struct rln_crowd_place *rln_crowd_enter(struct rln_crowd *c, int fd)
{
	struct rln_crowd_place *p = NULL;
	unsigned char key[16];

	read_key(fd, key);
	pthread_mutex_lock(&c->lock);
	if (c->n < c->max)
		p = find_or_make(c, key);
	if (p && p->n >= c->max_per_source)
		p = NULL;
	if (p) {
		p->n++;
		c->n++;
		c->refs++;
	}
	pthread_mutex_unlock(&c->lock);
	return p;
}

void rln_crowd_leave(struct rln_crowd *c, struct rln_crowd_place *p)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->n--;
	if (!--p->n) {
		rln_list_del(&p->link);
		rln_mem_free(p);
	}
	unref_and_unlock(c);
}
