/* SPDX-License-Identifier: MIT */
/* The pool of jobs; nbd-job.h tells the idea. */
#include <stdlib.h>

#include "nbd-job.h"

#define WORKERS_MAX 1024
#define KEPT_MAX    ((size_t)16 * 1024 * 1024)   /* bytes, per worker */

/* Each size is four times the one before, but for the first. */
static const uint32_t sizes[] = { 0, 4096, 16384, 65536, NBD_PIECE };

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static struct pool {
	struct nbd_job *kept[SIZES];
	size_t bytes;
} pools[WORKERS_MAX];

static size_t class_of(size_t length)
{
	size_t i = 0;

	while (sizes[i] < length)
		i++;
	return i;
}

static size_t bytes_of(size_t class)
{
	return sizeof(struct nbd_job) + sizes[class];
}

struct nbd_job *nbd_job_new(size_t length)
{
	struct pool *p = &pools[ringline_worker_index()];
	size_t class = class_of(length);
	struct nbd_job *job = p->kept[class];

	if (job) {
		p->kept[class] = job->next;
		p->bytes -= bytes_of(class);
		return job;
	}
	job = aligned_alloc(alignof(struct nbd_job), bytes_of(class));
	if (job)
		job->room = sizes[class];
	return job;
}

void nbd_job_free(struct nbd_job *job)
{
	struct pool *p = &pools[ringline_worker_index()];
	size_t class = class_of(job->room);

	if (p->bytes + bytes_of(class) > KEPT_MAX) {
		free(job);
		return;
	}
	job->next = p->kept[class];
	p->kept[class] = job;
	p->bytes += bytes_of(class);
}

void nbd_jobs_fini(void)
{
	size_t i;

	for (i = 0; i < WORKERS_MAX * SIZES; i++) {
		struct nbd_job **kept = &pools[i / SIZES].kept[i % SIZES];

		while (*kept) {
			struct nbd_job *next = (*kept)->next;

			free(*kept);
			*kept = next;
		}
	}
}
