/* SPDX-License-Identifier: MIT */
/*
 * Seeing inside: what every task does, and who holds a worker up.
 *
 * The same is told by gdb, also of a core: the script that is installed with the library has the commands
 * "ringline tasks" and "ringline bt N".
 */
#ifndef RINGLINE_DEBUG_H
#define RINGLINE_DEBUG_H

#include <ringline/common.h>
#include <ringline/task.h>

RINGLINE_BEGIN_DECLS

struct ringline_runtime;

/*
 * Writes the tasks of the calling worker to a descriptor: name, state, what each waits for and since when, the deadline of its
 * scope, the locks it holds, its functions if they can be told, and tasks that wait for each other in a circle. For people:
 * the form may change. The write may block. From a task, or from what runs on a worker otherwise.
 *
 * Returns 0; an error of write(2), -ENOMEM (it was cut short), -EBADF, -EPERM (not on a worker), -ECHILD.
 * Since: 0.1
 */
int ringline_task_dump(int fd);

/*
 * The same of all workers of a runtime. A worker that does not answer within a second is named with the task it runs, and with
 * that task's functions if the runtime has a watchdog (stall_limit of struct ringline_config). Any thread that is no worker.
 *
 * Returns 0; an error of write(2), -ENOMEM, -EINVAL, -ESHUTDOWN (not running), -EPERM (on a worker), -ECHILD.
 * Since: 0.1
 */
int ringline_runtime_dump(struct ringline_runtime *rt, int fd);

/* state of struct ringline_task_info */
#define RINGLINE_TASK_RUNNING 1u
#define RINGLINE_TASK_READY   2u
#define RINGLINE_TASK_WAITING 3u
#define RINGLINE_TASK_ENDED   4u

struct ringline_task_info {
	size_t size;
	uint64_t id;                      /* as ringline_task_id() */
	uint32_t state;                   /* RINGLINE_TASK_* */
	uint32_t task_class;              /* RINGLINE_TASK_LATENCY or RINGLINE_TASK_BULK */
	uint64_t stack_size;              /* bytes; 0: a stackless task, or one that has ended */
	uint64_t stack_used;              /* now */
	uint64_t stack_peak;              /* the most; the task's own with RINGLINE_CONFIG_STACK_USAGE, else perhaps of one before it */
	uint32_t locks;                   /* mutexes and rwlocks it holds */
	uint32_t reserved;                /* zero */
	char name[RINGLINE_TASK_NAME_SIZE];
};

#define RINGLINE_TASK_INFO_INIT { sizeof(struct ringline_task_info), 0, 0, 0, 0, 0, 0, 0, 0, "" }

/*
 * Describes a task; NULL: the calling one. info->size must be set.
 *
 * Returns 0; -EBADF (not a live handle), -EINVAL (info is NULL), -EPERM.
 * Since: 0.1
 */
int ringline_task_info(const struct ringline_task *task, struct ringline_task_info *info);

/*
 * Opt-in: names the task whose stack overflowed, on standard error, before the process dies of it as it would have died
 * otherwise. For the whole process: takes SIGSEGV and SIGBUS, and passes on what it does not know to the handlers that were
 * there before. Call it before the workers start: they get an alternate signal stack then. A second call has no effect.
 *
 * Returns 0; an error of sigaction(2).
 * Since: 0.1
 */
int ringline_install_crash_handler(void);

RINGLINE_END_DECLS

#endif
