/* SPDX-License-Identifier: MIT */
/* What the programs about child processes share. */
#ifndef RLN_TESTS_PROCESS_H
#define RLN_TESTS_PROCESS_H

#include "support/conformance.h"

/* Options that are all defaults. */
struct ringline_process_options proc_options(void);

/* A shell that runs a script. A failure ends the test. */
struct ringline_process *proc_sh(const char *script, const struct ringline_process_options *o);

/* Waits for it, closes it; the exit code, or minus the signal. */
int proc_end(struct ringline_process *p);

/* What a script that succeeds writes, for g_free(); without the last newline. */
char *proc_output(const char *script, const struct ringline_process_options *o);

/* The value of a line "NAME:<tab>VALUE" of what /proc tells of a process with these options, for g_free(). */
char *proc_status(const char *name, const struct ringline_process_options *o);

/* A feature of the library is off for what is run between these two. */
void proc_disable(const char *features);
void proc_enable_all(void);

/* May this process do that? CAP_* of <linux/capability.h>. */
bool proc_can(int capability);

/* No child of this process is left, not even a zombie. */
void proc_no_children(void);

/* A cgroup of version 2 that this process may use, for proc_cgroup_free(); NULL: there is none to be had. */
char *proc_cgroup_new(void);
void proc_cgroup_free(char *path);

/* Does the pidfd tell how a process ended that somebody else has waited for (Linux 6.15)? */
bool proc_kernel_remembers(void);

#endif
