/* SPDX-License-Identifier: MIT */
/*
 * Fault points; fault.h tells the idea.
 *
 * A point counts down under one lock: tests arm points from one thread and workers pass them on others, and a build
 * with faults is not measured.
 */
#include "base/fault.h"

#ifdef RLN_FAULT_INJECTION

#include <pthread.h>
#include <string.h>

struct point {
	uint32_t skip;
	uint32_t repeat;
	int error;
	uint64_t passed;
	uint64_t failed;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct point points[RLN_FAULT_MAX];

void rln_fault_arm(enum rln_fault_point p, uint32_t skip, uint32_t repeat, int error)
{
	pthread_mutex_lock(&lock);
	points[p] = (struct point){ .skip = skip, .repeat = repeat, .error = error };
	pthread_mutex_unlock(&lock);
}

void rln_fault_disarm_all(void)
{
	pthread_mutex_lock(&lock);
	memset(points, 0, sizeof(points));
	pthread_mutex_unlock(&lock);
}

static uint64_t read_counter(const uint64_t *counter)
{
	uint64_t n;

	pthread_mutex_lock(&lock);
	n = *counter;
	pthread_mutex_unlock(&lock);
	return n;
}

uint64_t rln_fault_passed(enum rln_fault_point p)
{
	return read_counter(&points[p].passed);
}

uint64_t rln_fault_failed(enum rln_fault_point p)
{
	return read_counter(&points[p].failed);
}

int rln_fault(enum rln_fault_point p)
{
	struct point *f = &points[p];
	int error = 0;

	pthread_mutex_lock(&lock);
	f->passed++;
	if (f->repeat && f->skip) {
		f->skip--;
	} else if (f->repeat) {
		f->repeat--;
		f->failed++;
		error = f->error;
	}
	pthread_mutex_unlock(&lock);
	return error;
}

#else

_Static_assert(RLN_FAULT_MAX > 0, "without fault injection this file has nothing to define");

#endif
