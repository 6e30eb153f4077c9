/* SPDX-License-Identifier: MIT */
/*
 * What the ping-pong of bench/chan-ringline is measured against: two threads, pinned as workers are, and an eventfd in each
 * direction. A read sleeps, a write wakes.
 */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static int there;
static int back;
static uint64_t count;

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void pin(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void pass(int fd)
{
	static const uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		exit(1);
}

static void await(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) != sizeof(n) || n != 1)
		exit(1);
}

static void *answers(void *arg)
{
	uint64_t i;

	pin(0);
	for (i = 0; i < count; i++) {
		await(there);
		pass(back);
	}
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	uint64_t start;
	uint64_t i;

	if (argc != 3 || strcmp(argv[1], "ping-pong"))
		return 2;
	count = strtoull(argv[2], NULL, 10);
	there = eventfd(0, EFD_CLOEXEC);
	back = eventfd(0, EFD_CLOEXEC);
	if (there < 0 || back < 0 || pthread_create(&thread, NULL, answers, NULL))
		return 1;
	pin(1);
	start = now();
	for (i = 0; i < count; i++) {
		pass(there);
		await(back);
	}
	printf("engine=none\nper_second=%.0f\n", (double)count * 1e9 / (double)(now() - start));
	return pthread_join(thread, NULL);
}
