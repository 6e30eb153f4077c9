/* SPDX-License-Identifier: MIT */
/*
 * Child processes: how one is made, and what is known of it afterwards.
 *
 *     options --prepare--> plan --a thread: files, clone--> child: steps --execve--> the program
 *     (worker)                                                |
 *                                                             +-- a step fails: {stage, error} in the plan, exit
 *
 * The *plan* is everything the child needs, in memory, before there is a child: the child shares the caller's memory until it
 * executes (CLONE_VM), and the thread that made it stands still meanwhile (CLONE_VFORK). So what the caller is made of is
 * never copied, and the child must not do anything that other threads could notice: it makes system calls by itself
 * (process-sys.h), takes no lock, no memory, and touches nothing but the plan.
 *
 *     process:  RUNNING --pidfd readable, waitid()--> ENDED          its pidfd is closed when the handle is, too
 *                  |  ^
 *                  +--+ not to be known yet: asked again after a while
 *
 * A process is polled from its birth on, by one operation of the worker, whoever waits for it.
 *
 * Making one may take without bound: a server of files that does not answer holds up the thread that opens one of its files, or
 * the child that executes its program. Whoever asked need not wait for that: the plan owns all that its thread looks at, and is
 * the thread's from a cut on (process-spawn.c). What the child looks at is the caller's: it is killed first, and comes back from
 * no system call.
 */
#ifndef RLN_IO_PROCESS_H
#define RLN_IO_PROCESS_H

#include "base/lock.h"
#include "core/handle.h"
#include "core/op.h"
#include "core/timer.h"
#include "core/wait.h"
#include "io/io.h"
#include "ringline/process.h"

#define RLN_CAP_WORDS 2

struct rln_process_move {
	int from;                         /* in the caller; in the child, once it is out of the way */
	int to;
};

struct rln_process_caps {
	bool wanted;
	uint32_t inheritable[RLN_CAP_WORDS];
	uint32_t ambient[RLN_CAP_WORDS];
	uint32_t dropped[RLN_CAP_WORDS];  /* from the bounding set */
};

/* All that is to be done, and in the end what came of it. */
struct rln_process_plan {
	/* the result */
	_Atomic uint32_t stage;           /* RINGLINE_PROCESS_STAGE_*: the last one that was begun */
	int error;                        /* positive errno; 0: it was executed */
	_Atomic int pidfd;
	int64_t pid;

	/* how it is made */
	uint32_t disabled;                /* enum rln_feature */
	bool gated;                       /* it waits until the caller has written its maps, or knows its pidfd */
	bool creds;                       /* it changes who it is */
	bool cgroup_by_hand;              /* the kernel cannot make it where it belongs */
	_Atomic uint32_t gate;            /* enum rln_process_gate */
	_Atomic uint32_t lives;           /* the kernel clears it when the child no longer shares our memory */
	_Atomic bool cut;                 /* nobody wants it: a child that is born from now on leaves at once */
	_Atomic bool born;                /* a child was, has not been buried, and did not see the cut: pidfd is its own */
	struct rln_lock lock;             /* of `born` with what is done to the child because of it */
	uint32_t fault_stage;             /* tests: this one fails */
	int fault_error;

	/* what is executed */
	struct ringline_process_options o;
	char *const *argv;
	char *const *envp;
	char *programs;                   /* names to try, each ending with a zero, and an empty one; NULL: program_fd */
	char **environment;               /* envp if it is a copy but for some variables; NULL: it is somebody else's */
	char **pids;                      /* in it, up to its end: what gets the number of the child; NULL: nothing */
	char *texts;                      /* that the thread looks at: `path` of the entries, uid_map, gid_map */

	/* descriptors */
	struct ringline_process_fd *entries;  /* o.fds once they are checked */
	struct rln_process_move *moves;   /* by their targets */
	uint32_t nmoves;
	int *opened;                      /* of each move, one that is ours and closed in the end; -1 */
	struct ringline_conn **conns;     /* of each move, the connection to its other end; NULL */
	int top;                          /* above all targets */
	int null;                         /* /dev/null; -1: not needed */
	int slave;                        /* the terminal; -1: none */
	int tty;                          /* target that controls the session; -1: none */
	int dir;                          /* -1: none; the same with the next two */
	int program;
	int landlock;
	int cgroup;
	struct ringline_file *held;       /* `dir` is this one's */

	struct rln_process_caps caps;
	char oom_score[8];
	struct {
		unsigned short len;
		const void *filter;
	} seccomp;
};

enum rln_process_gate {
	RLN_GATE_SHUT,
	RLN_GATE_OPEN,
	RLN_GATE_GIVEN_UP,
};

enum rln_process_state {
	RLN_PROCESS_RUNNING,
	RLN_PROCESS_ENDED,
};

struct ringline_process {
	struct rln_slot slot;
	struct rln_list link;             /* rln_io.processes: those that hold a descriptor */
	struct rln_io *io;
	int pidfd;
	int cgroup;                       /* it was born there; -1: in the caller's */
	int64_t pid;
	uint32_t calls;                   /* that use it just now */
	uint8_t state;                    /* enum rln_process_state */
	uint8_t tries;                    /* to learn how it has ended */
	bool closed;                      /* the handle is */
	bool kill_on_close;
	bool leads;                       /* a process group, from its birth on */
	bool guest;                       /* known by its number only: not ours to wait for once the handle is closed */
	bool leaving;                     /* is not waited for any more */
	bool closing;                     /* of its descriptor, under way */
	struct ringline_process_status status;
	struct rln_source waiters;        /* fired with 0 at the end, with -EBADF when the handle is closed */
	struct rln_list ops;              /* operations that wait (process-wait.c) */
	struct rln_timer again;
	struct rln_op op;                 /* the poll, in the end the close */
};

/*
 * process-plan.c: 0, or -errno with the stage in the options. The plan is let go of on the worker, and then freed by any thread.
 */
int rln_process_plan_new(struct rln_process_plan **ret, const char *const *argv,
                         const struct ringline_process_options *options) rln_must_check;
void rln_process_plan_let_go(struct rln_process_plan *p);
void rln_process_plan_free(struct rln_process_plan *p);

/*
 * process-fds.c: the entries of the options; what is done on the worker, before and after they are the plan's own, on the thread,
 * and in the end. 0 or -errno.
 */
int rln_process_fds_check(const struct rln_process_plan *p) rln_must_check;
int rln_process_fds_prepare(struct rln_process_plan *p) rln_must_check;
int rln_process_fds_open(struct rln_process_plan *p) rln_must_check;
void rln_process_fds_close(struct rln_process_plan *p);

/* Hands the connections to whoever asked for them; or drops them. */
void rln_process_conns_keep(struct rln_process_plan *p);
void rln_process_conns_drop(struct rln_process_plan *p);

/* process-caps.c: 0, -EINVAL, -ENOMEM. */
int rln_process_caps_read(struct rln_process_caps *c, const char *text, struct cap_iab_s *iab) rln_must_check;

/* process-clone.c: makes the process, on a thread. 0 or -errno; what is not an error is in the plan. */
int rln_process_clone(struct rln_process_plan *p) rln_must_check;

/* Nobody wants the one that a thread is making: it is killed, or never begins. Any thread. */
void rln_process_clone_cut(struct rln_process_plan *p);

/* Nobody wants the one that was made: it is killed and waited for, on a thread. */
void rln_process_clone_undo(struct rln_process_plan *p);

/* process-child.c: what the child does; does not return. */
void rln_process_child(void *plan) __attribute__((noreturn));

/* process.c: an object, its pidfd not set. NULL: no memory. */
struct ringline_process *rln_process_new(struct rln_io *io) rln_must_check;

/* Gives one back that never had a pidfd; begins the life of one that has. */
void rln_process_discard(struct ringline_process *p);
void rln_process_begin(struct ringline_process *p);

/* The guard of public calls. 0, -EINVAL, -EPERM, -EBADF. */
int rln_process_check(const struct ringline_process *p, const char *call);

/* For the time of a call that parks, or an operation. */
void rln_process_enter(struct ringline_process *p);
void rln_process_leave(struct ringline_process *p);

/* Drops the handle. */
void rln_process_drop(struct ringline_process *p);

/* 0 or -errno. */
int rln_process_signal_group(struct ringline_process *p, int signal);

/* process-wait.c */
void rln_process_poll(struct ringline_process *p);
void rln_process_polled(struct rln_op *op, const struct rln_completion *c);
void rln_process_fail_ops(struct ringline_process *p, int error);
void rln_process_reap_last(struct ringline_process *p);

/* Of one whose end is certain, and whose handle nobody else has: whatever happens to the scope. */
void rln_process_await_end(struct ringline_process *p);

void rln_process_wait_init(struct rln_io *io);

/* The end of what was polled or closed: goes on with what is to be done next. */
void rln_process_progress(struct ringline_process *p);

void rln_processes_init(struct rln_io *io);
void rln_processes_fini(struct rln_io *io);
bool rln_processes_idle(const struct rln_io *io);

/* The worker stops: nobody waits any more. With *force* not even for what has been killed. */
void rln_processes_end_all(struct rln_io *io, bool force);

#endif
