/* SPDX-License-Identifier: MIT */
/*
 * A bare pool: a thread that asks, as an event loop would, and threads that call getaddrinfo(3). One queue there and one back,
 * each with a lock and a condition; who has asked takes all answers that are there at once.
 */
#include <netdb.h>
#include <pthread.h>
#include <sys/socket.h>

#include "resolve.h"

struct request {
	struct request *next;
	struct addrinfo *found;
};

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	struct request *first;
	struct request **last;
};

static struct resolve resolve;
static struct queue asked = { .lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER, .last = &asked.first };
static struct queue answered = { .lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER,
	                         .last = &answered.first };

static void put(struct queue *q, struct request *r)
{
	r->next = NULL;
	pthread_mutex_lock(&q->lock);
	*q->last = r;
	q->last = &r->next;
	pthread_cond_signal(&q->filled);
	pthread_mutex_unlock(&q->lock);
}

/* Waits for one, or for as many as there are. */
static struct request *get(struct queue *q, int all)
{
	struct request *r;

	pthread_mutex_lock(&q->lock);
	while (!q->first)
		pthread_cond_wait(&q->filled, &q->lock);
	r = q->first;
	q->first = all ? NULL : r->next;
	if (!q->first)
		q->last = &q->first;
	pthread_mutex_unlock(&q->lock);
	return r;
}

static void *look_up(void *arg)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };

	(void)arg;
	for (;;) {
		struct request *r = get(&asked, 0);

		if (getaddrinfo(RESOLVE_HOST, RESOLVE_SERVICE, &hints, &r->found))
			exit(1);
		put(&answered, r);
	}
	return NULL;
}

/* Asks again with what was answered; the number that is under way less. */
static unsigned long ask_again(struct request *r)
{
	unsigned long ended = 0;

	while (r) {
		struct request *next = r->next;

		freeaddrinfo(r->found);
		if (resolve_next(&resolve))
			put(&asked, r);
		else
			ended++;
		r = next;
	}
	return ended;
}

int main(int argc, char **argv)
{
	struct request *requests;
	unsigned long under_way;
	pthread_t thread;
	int i;

	resolve_read(&resolve, argc, argv);
	requests = calloc(resolve.depth, sizeof(*requests));
	if (!requests)
		return 1;
	for (i = 0; i < RESOLVE_THREADS; i++)
		if (pthread_create(&thread, NULL, look_up, NULL))
			return 1;
	for (under_way = 0; under_way < resolve.depth && resolve_next(&resolve); under_way++)
		put(&asked, &requests[under_way]);
	while (under_way)
		under_way -= ask_again(get(&answered, 1));
	resolve_report(&resolve, "none");
	return 0;
}
