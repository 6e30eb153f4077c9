/* SPDX-License-Identifier: MIT */
/*
 * checksum FILE...: the CRC-32 of each file, as zip and gzip know it.
 *
 * Work that blocks and takes long, done by threads of the pool while the task that asked for it waits: all files are under
 * way at once, as many as the pool has threads, and each is told of when it is done. A file that cannot be read does not
 * keep the others from being read; the exit status says that there was one.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ringline/ringline.h>

struct job {
	const char *path;
	uint32_t crc;
};

struct files {
	char **path;
	size_t n;
};

/* IEEE 802.3, the reflected polynomial. */
static uint32_t crc32(uint32_t crc, const unsigned char *data, size_t n)
{
	int bit;

	crc = ~crc;
	while (n--) {
		crc ^= *data++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
	}
	return ~crc;
}

/* On a thread of the pool: may block as it likes. */
static int checksum(void *arg)
{
	static _Thread_local unsigned char data[65536];
	struct job *job = arg;
	int fd = open(job->path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int r;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, data, sizeof(data))) > 0)
		job->crc = crc32(job->crc, data, (size_t)n);
	r = n < 0 ? -errno : 0;
	close(fd);
	return r;
}

/* The queue of the pool is bounded: one that is full is waited for by waiting for what is under way. */
static int begin(struct ringline_op **op, struct job *job)
{
	int r;

	while ((r = ringline_blocking_begin(op, checksum, job, NULL)) == -EAGAIN)
		if ((r = ringline_sleep(RINGLINE_NSEC_PER_MSEC)) < 0)
			break;
	return r;
}

static void tell(const struct job *job, int64_t result)
{
	if (result < 0)
		fprintf(stderr, "checksum: %s: %s\n", job->path, strerror((int)-result));
	else
		printf("%08" PRIx32 "  %s\n", job->crc, job->path);
}

/* Tells of each as it ends. 1 if one could not be read. */
static int tell_all(struct ringline_op **ops, const struct job *jobs, size_t n)
{
	int failed = 0;
	size_t left;

	for (left = n; left; left--) {
		int64_t result;
		ssize_t which = ringline_op_await_any(ops, n, &result);

		if (which < 0)
			return (int)which;
		tell(&jobs[which], result);
		failed |= result < 0;
	}
	return failed;
}

static int run(void *arg)
{
	const struct files *f = arg;
	struct ringline_op **ops = calloc(f->n, sizeof(struct ringline_op *));
	struct job *jobs = calloc(f->n, sizeof(*jobs));
	int r = ops && jobs ? 0 : -ENOMEM;
	size_t i;

	for (i = 0; r == 0 && i < f->n; i++) {
		jobs[i].path = f->path[i];
		r = begin(&ops[i], &jobs[i]);
	}
	if (r == 0)
		r = tell_all(ops, jobs, f->n);
	free(jobs);
	free(ops);
	return r;
}

int main(int argc, char **argv)
{
	struct files f = { argv + 1, (size_t)(argc - 1) };
	int r;

	if (argc < 2 || argv[1][0] == '-') {
		fprintf(stderr, "usage: checksum FILE...\n");
		return 2;
	}
	r = ringline_run(NULL, run, &f);
	if (r < 0)
		fprintf(stderr, "checksum: %s\n", strerror(-r));
	return r != 0;
}
