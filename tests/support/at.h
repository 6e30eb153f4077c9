/* SPDX-License-Identifier: MIT */
/*
 * Tests of files work below a directory: a task that has it opened, and plain system calls that make and look at what the
 * library is to find, or has made, there. The calls work on the main thread, too, with a handle of at_open() out of the
 * question there: they take descriptors.
 */
#ifndef RLN_TESTS_AT_H
#define RLN_TESTS_AT_H

#include <stdint.h>
#include <sys/stat.h>

#include "support/conformance.h"

struct ringline_file;

/* Runs body(dir) in a task, with that directory opened (O_PATH), as conf_run() and conf_run_with() do. */
void at_run(const char *path, void (*body)(struct ringline_file *dir));
void at_run_with(const struct ringline_config *config, const char *path, void (*body)(struct ringline_file *dir));

/* The same with one thread of each class of jobs, so that one closed gate makes the others queue. */
void at_run_queued(const char *path, void (*body)(struct ringline_file *dir));

/* The class of the jobs of this place. */
uint32_t at_class(void);

/* A directory of the library's, below another one or NULL; in a task. */
struct ringline_file *at_open(struct ringline_file *dir, const char *name);

/* The same for a descriptor of the test's, which stays the test's. */
struct ringline_file *at_adopt(int fd);

/* The descriptor of a handle. */
int at_fd(const struct ringline_file *dir);

/* --- plain system calls, below a descriptor ----------------------------------------------------------------------- */

/* A directory; the descriptor (O_PATH) is the caller's. */
int at_descriptor(int dir, const char *name);

/* A file of n bytes of that stream; whether it has just those bytes. */
void at_put(int dir, const char *name, uint32_t seed, size_t n);
bool at_holds(int dir, const char *name, uint32_t seed, size_t n);

/* What of the file is there, at most n bytes. */
size_t at_read(int dir, const char *name, void *data, size_t n);

/* Not following links. */
bool at_has(int dir, const char *name);
struct stat at_stat(int dir, const char *name);

/* How many names there are, and how many begin like that. */
unsigned int at_count(int dir);
unsigned int at_count_like(int dir, const char *prefix);

/* For calls that know no directories. To be freed by g_free(). */
char *at_path(int dir, const char *name);

/* --- what jobs queue behind --------------------------------------------------------------------------------------- */

/* Holds a thread of a class of jobs (blocking.h) from at_gate_close() until at_gate_open(); in a task. */
struct at_gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool open;
	_Atomic bool inside;
	struct ringline_op *op;
};

void at_gate_close(struct at_gate *g, uint32_t job_class);
void at_gate_open(struct at_gate *g);

/* A call that fails with that errno. */
#define AT_ERROR(call, error) g_assert_cmpint((call), ==, -(error))

#endif
