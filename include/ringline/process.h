/* SPDX-License-Identifier: MIT */
/*
 * Child processes: making them with all that a daemon needs, waiting for them, killing them.
 *
 *     struct ringline_process_options o = RINGLINE_PROCESS_OPTIONS_INIT;
 *     struct ringline_process_fd fds[] = { { .target = 1, .kind = RINGLINE_PROCESS_PIPE_OUT, .conn = &out } };
 *
 *     o.fds = fds;
 *     o.nfds = 1;
 *     r = ringline_process_spawn(&process, argv, &o);
 *
 * A process is known by a descriptor (pidfd) from its birth on, so no call can ever reach another one that got its number.
 * The library has no SIGCHLD handler, and waits for nothing but its own processes. It works whatever the host does with
 * SIGCHLD; only if the host has the kernel forget how processes ended (SIGCHLD ignored, or waitpid(2) for any child) may an
 * end be RINGLINE_PROCESS_LOST.
 *
 * A process gets the descriptors it was given, and those of 0 to 2 that were not mentioned and are not close-on-exec; none
 * else. Its signals are at their defaults and not blocked.
 */
#ifndef RINGLINE_PROCESS_H
#define RINGLINE_PROCESS_H

#include <ringline/common.h>

RINGLINE_BEGIN_DECLS

struct cap_iab_s;
struct ringline_buf;
struct ringline_conn;
struct ringline_file;
struct ringline_op;
struct ringline_process;

/* kind of struct ringline_process_fd: what the process gets as its descriptor `target` */
#define RINGLINE_PROCESS_INHERIT  0u  /* the caller's descriptor of that number */
#define RINGLINE_PROCESS_NULL     1u  /* /dev/null */
#define RINGLINE_PROCESS_FILE     2u  /* `path`, opened by the caller with `flags` (open(2)) and `mode` */
#define RINGLINE_PROCESS_FD       3u  /* the caller's descriptor `fd` */
#define RINGLINE_PROCESS_SAME     4u  /* what it gets as `fd` */
#define RINGLINE_PROCESS_PIPE_IN  5u  /* the end to read of a pipe, whose other one is *conn */
#define RINGLINE_PROCESS_PIPE_OUT 6u  /* the end to write of a pipe, whose other one is *conn */
#define RINGLINE_PROCESS_SOCKET   7u  /* a unix socket, whose peer is *conn */
#define RINGLINE_PROCESS_PTY      8u  /* a terminal; *conn is its master. All of this kind are one; one of them has `conn` */

struct ringline_process_fd {
	int32_t target;                   /* number in the process */
	uint32_t kind;                    /* RINGLINE_PROCESS_INHERIT and on */
	int32_t fd;                       /* FD, SAME */
	int32_t flags;                    /* FILE */
	uint32_t mode;                    /* FILE */
	uint32_t reserved;                /* zero */
	const char *path;                 /* FILE */
	struct ringline_conn **conn;      /* receives the connection, which is the caller's to close */
};

struct ringline_process_limit {
	uint32_t resource;                /* RLIMIT_* of getrlimit(2) */
	uint32_t reserved;                /* zero */
	uint64_t soft;                    /* UINT64_MAX: none */
	uint64_t hard;
};

/* `set` of the options: members of which zero would mean something count if their bit is there. */
#define RINGLINE_PROCESS_SET_UID          (UINT64_C(1) << 0)
#define RINGLINE_PROCESS_SET_GID          (UINT64_C(1) << 1)
#define RINGLINE_PROCESS_SET_GROUPS       (UINT64_C(1) << 2)   /* groups, ngroups; none is a list too */
#define RINGLINE_PROCESS_SET_SECUREBITS   (UINT64_C(1) << 3)
#define RINGLINE_PROCESS_SET_UMASK        (UINT64_C(1) << 4)
#define RINGLINE_PROCESS_SET_NICE         (UINT64_C(1) << 5)
#define RINGLINE_PROCESS_SET_SCHEDULER    (UINT64_C(1) << 6)   /* policy, priority */
#define RINGLINE_PROCESS_SET_OOM_SCORE    (UINT64_C(1) << 7)   /* oom_score_adj */
#define RINGLINE_PROCESS_SET_GROUP        (UINT64_C(1) << 8)   /* process_group */
#define RINGLINE_PROCESS_SET_CGROUP       (UINT64_C(1) << 9)   /* cgroup_fd */
#define RINGLINE_PROCESS_SET_DIR_FD       (UINT64_C(1) << 10)
#define RINGLINE_PROCESS_SET_PROGRAM_FD   (UINT64_C(1) << 11)
#define RINGLINE_PROCESS_SET_LANDLOCK     (UINT64_C(1) << 12)  /* landlock_fd */
#define RINGLINE_PROCESS_SET_SIGNAL_MASK  (UINT64_C(1) << 13)

/* flags of the options */
#define RINGLINE_PROCESS_NO_NEW_PRIVS    (UINT32_C(1) << 0)  /* no execve(2) from now on gives privileges */
#define RINGLINE_PROCESS_NEW_SESSION     (UINT32_C(1) << 1)  /* setsid(2); leads a process group too */
#define RINGLINE_PROCESS_CONTROLLING_TTY (UINT32_C(1) << 2)  /* its terminal (kind PTY, else descriptor 0) controls its session */
#define RINGLINE_PROCESS_KILL_ON_CLOSE   (UINT32_C(1) << 3)  /* closing the handle kills it; so does the end of the worker */

struct ringline_process_options {
	size_t size;
	uint64_t set;                     /* RINGLINE_PROCESS_SET_* */
	uint32_t flags;                   /* RINGLINE_PROCESS_NO_NEW_PRIVS and on */
	uint32_t reserved;                /* zero */
	uint32_t *stage;                  /* receives what failed, RINGLINE_PROCESS_STAGE_*; NULL: not wanted */
	const char *program;              /* to execute; NULL: argv[0]. Without a slash it is looked for in the caller's PATH */
	const char *const *envp;          /* environment; NULL: the caller's, without what a service manager has told it (service.h) */
	const struct ringline_process_fd *fds;
	size_t nfds;
	size_t fd_size;                   /* of an element; 0: as declared here */
	struct ringline_file *dir;        /* working directory, or where `cwd` begins; NULL: dir_fd, or the caller's */
	const char *cwd;                  /* working directory, below `root`; NULL: none but `dir` */
	const char *root;                 /* chroot(2); NULL: none */
	int32_t dir_fd;                   /* (set) as `dir` */
	int32_t program_fd;               /* (set) executed instead of `program` */
	int32_t cgroup_fd;                /* (set) directory of the cgroup (v2) it is born in */
	int32_t landlock_fd;              /* (set) ruleset it restricts itself by */
	uint32_t uid;                     /* (set) real, effective and saved */
	uint32_t gid;                     /* (set) the same */
	const uint32_t *groups;           /* (set) supplementary groups; without the bit the caller's, or none where uid or gid is set */
	size_t ngroups;
	const char *capabilities;         /* as cap_iab_from_text(3): "!cap_x" not to be had, "^cap_x" ambient, "%cap_x" inheritable */
	struct cap_iab_s *capabilities_iab;  /* the same as libcap's cap_iab_t; NULL: `capabilities`, or unchanged */
	uint32_t securebits;              /* (set) capabilities(7) */
	uint32_t umask;                   /* (set) */
	int32_t nice;                     /* (set) */
	int32_t policy;                   /* (set) SCHED_* of sched(7) */
	int32_t priority;                 /* (set) of the policy */
	int32_t oom_score_adj;            /* (set) -1000 to 1000 */
	const void *cpus;                 /* processors it may run on, a cpu_set_t; NULL: those of the pool */
	size_t cpus_size;                 /* bytes */
	int64_t process_group;            /* (set) to join; 0: one of its own */
	uint64_t namespaces;              /* new ones, CLONE_NEW* of clone(2) */
	const char *uid_map;              /* of a new user namespace, as in user_namespaces(7); NULL: none */
	const char *gid_map;
	const int *join;                  /* namespaces to join (setns(2)), before all else */
	size_t njoin;
	const struct ringline_process_limit *limits;
	size_t nlimits;
	size_t limit_size;                /* of an element; 0: as declared here */
	uint64_t signal_mask;             /* (set) signals that stay blocked, bit 0 is signal 1; otherwise none */
	uint64_t signals_ignored;         /* signals that are ignored, the same way */
	const void *seccomp;              /* filter, an array of struct sock_filter; NULL: none */
	size_t seccomp_len;               /* elements */
	uint16_t rows;                    /* size of the terminal (kind PTY); 0: unknown */
	uint16_t columns;
	uint32_t reserved2;               /* zero */
	const char *const *pid_names;     /* variables of its environment that hold its number, such as LISTEN_PID; NULL: none */
};

#define RINGLINE_PROCESS_OPTIONS_INIT { sizeof(struct ringline_process_options), 0, 0, 0, NULL, NULL, NULL, NULL, 0, 0, \
	NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, NULL, 0, NULL, NULL, 0, 0, 0, 0, 0, 0, NULL, 0, 0, 0, NULL, NULL, NULL, 0, NULL, \
	0, 0, 0, 0, NULL, 0, 0, 0, 0, NULL }

/* Where making a process failed, in the order in which it is done. */
#define RINGLINE_PROCESS_STAGE_NONE         0u   /* before anything was done, or nowhere */
#define RINGLINE_PROCESS_STAGE_PREPARE      1u   /* arguments, memory */
#define RINGLINE_PROCESS_STAGE_PIPE         2u   /* a pipe, a pair of sockets, the connection */
#define RINGLINE_PROCESS_STAGE_PTY          3u
#define RINGLINE_PROCESS_STAGE_FILE         4u   /* opening one */
#define RINGLINE_PROCESS_STAGE_CLONE        5u
#define RINGLINE_PROCESS_STAGE_PIDFD        6u   /* on kernels where it does not come with the process */
#define RINGLINE_PROCESS_STAGE_MAP          7u   /* uid_map, gid_map */
#define RINGLINE_PROCESS_STAGE_CGROUP       8u
#define RINGLINE_PROCESS_STAGE_JOIN         9u
#define RINGLINE_PROCESS_STAGE_SESSION      10u
#define RINGLINE_PROCESS_STAGE_GROUP        11u  /* the process group */
#define RINGLINE_PROCESS_STAGE_SCHEDULER    12u
#define RINGLINE_PROCESS_STAGE_NICE         13u
#define RINGLINE_PROCESS_STAGE_AFFINITY     14u
#define RINGLINE_PROCESS_STAGE_OOM_SCORE    15u
#define RINGLINE_PROCESS_STAGE_FDS          16u  /* putting descriptors in their places */
#define RINGLINE_PROCESS_STAGE_TTY          17u
#define RINGLINE_PROCESS_STAGE_CLOSE        18u  /* all other descriptors */
#define RINGLINE_PROCESS_STAGE_LIMITS       19u
#define RINGLINE_PROCESS_STAGE_UMASK        20u
#define RINGLINE_PROCESS_STAGE_ROOT         21u
#define RINGLINE_PROCESS_STAGE_INHERITABLE  22u  /* capabilities */
#define RINGLINE_PROCESS_STAGE_BOUNDING     23u
#define RINGLINE_PROCESS_STAGE_GROUPS       24u
#define RINGLINE_PROCESS_STAGE_GID          25u
#define RINGLINE_PROCESS_STAGE_UID          26u
#define RINGLINE_PROCESS_STAGE_AMBIENT      27u
#define RINGLINE_PROCESS_STAGE_SECUREBITS   28u
#define RINGLINE_PROCESS_STAGE_CWD          29u
#define RINGLINE_PROCESS_STAGE_NO_NEW_PRIVS 30u
#define RINGLINE_PROCESS_STAGE_LANDLOCK     31u
#define RINGLINE_PROCESS_STAGE_SIGNALS      32u
#define RINGLINE_PROCESS_STAGE_SECCOMP      33u
#define RINGLINE_PROCESS_STAGE_EXEC         34u

/* "exec", "uid", ...; "unknown" for any other number. Any thread. Since: 0.1 */
const char *ringline_process_stage_name(uint32_t stage);

/*
 * Makes a process that executes argv, which ends with NULL. options may be NULL. A thread of the pool makes it (class io; wait
 * if a file is to be opened) and is held up until the program is executed; its memory is not copied, however large the
 * caller's is. Everything happens in the order of the stages. A cancel or a deadline is honoured at once, even if a file or the
 * program lies on a server that does not answer: the process is killed, most likely before its program has begun, and its
 * thread is abandoned: it counts as stuck until it has buried it. One that is complete by then is returned nevertheless. On
 * failure no process and no connection is left.
 *
 * Returns 0 and the process in *ret, for the caller to close; -errno of the stage that failed, which goes to *options.stage:
 * those of execve(2), such as -ENOENT, -EACCES, -ENOEXEC; -EINVAL (contradictions, unknown kinds, flags and bits), -E2BIG (unknown
 * options; arguments too long for execve(2)), -EAGAIN (limits of processes, connections, jobs), -EPERM, -EMFILE, -ENFILE, -ENOMEM,
 * -EBADF; -ETIME, -ECANCELED (the stage is where it was), -EDEADLK. _begin: 0 or these; what options, argv and all they point to
 * name must stay valid until the operation is over. *process and the connections are stored by the call that takes the result.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_process_spawn(struct ringline_process **ret, const char *const *argv,
                                             const struct ringline_process_options *options) RINGLINE_MUST_CHECK;
int ringline_process_spawn_begin(struct ringline_op **ret, struct ringline_process **process, const char *const *argv,
                                 const struct ringline_process_options *options) RINGLINE_MUST_CHECK;

/*
 * Makes a handle of a process that exists, by its number, or by a pidfd, which is the library's from then on. It need not be a
 * child; how one that is not has ended is known only if the kernel tells (Linux 6.15). Closing the handle of one that was known by its
 * number leaves it to whoever has made it; that of a pidfd is as that of one made here. Never suspends.
 *
 * Returns 0; -ESRCH (there is none), -EINVAL, -EBADF (no pidfd), -EPERM (also: it may not be signalled), -EMFILE, -ENOMEM, -ENOSYS.
 * On failure the pidfd stays the caller's.
 * Since: 0.1
 */
int ringline_process_adopt(struct ringline_process **ret, int64_t pid) RINGLINE_MUST_CHECK;
int ringline_process_adopt_pidfd(struct ringline_process **ret, int pidfd) RINGLINE_MUST_CHECK;

/* how of struct ringline_process_status */
#define RINGLINE_PROCESS_EXITED 0u    /* it called exit(3) with `code` */
#define RINGLINE_PROCESS_KILLED 1u    /* by the signal `code` */
#define RINGLINE_PROCESS_LOST   2u    /* it has ended; how, somebody else was told, or nobody */

struct ringline_process_status {
	size_t size;
	uint32_t how;                     /* RINGLINE_PROCESS_EXITED, KILLED, LOST */
	int32_t code;
	uint32_t core;                    /* not 0: killed, and a core was dumped */
	uint32_t usage;                   /* not 0: the members below are known */
	uint64_t user_time;               /* nanoseconds, of it and the children it waited for */
	uint64_t system_time;
	uint64_t max_resident;            /* bytes */
	uint64_t minor_faults;
	uint64_t major_faults;
	uint64_t blocks_read;             /* of 512 bytes */
	uint64_t blocks_written;
	uint64_t switches;                /* of context, voluntary */
	uint64_t preemptions;
};

#define RINGLINE_PROCESS_STATUS_INIT { sizeof(struct ringline_process_status), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/*
 * Waits until the process has ended. Many may wait, and the result stays for those who ask later. status may be NULL; otherwise its
 * size must be set. A case of ringline_select() too (RINGLINE_CASE_PROCESS). What a process wrote before its end is there to be
 * received, whether or not this has returned.
 *
 * Returns 0; -EBADF (closed, before or during the wait), -EINVAL, -ETIME, -ECANCELED, -EPERM, -EDEADLK. _begin: 0, or these, and
 * -EAGAIN (the worker's limit of operations), -ENOMEM.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_process_wait(struct ringline_process *process, struct ringline_process_status *status);
int ringline_process_wait_begin(struct ringline_op **ret, struct ringline_process *process,
                                struct ringline_process_status *status) RINGLINE_MUST_CHECK;

/* The same without waiting: 0; -EAGAIN while it runs; -EBADF, -EINVAL, -EPERM. Since: 0.1 */
int ringline_process_status(struct ringline_process *process, struct ringline_process_status *status);

/*
 * Sends a signal (0: asks only) to the process, or to the process group it leads. Never suspends.
 *
 * Returns 0; -ESRCH (it has ended; no such group, or before Linux 6.9 the leader has ended), -EPERM, -EINVAL (no such signal), -EBADF.
 * Since: 0.1
 */
int ringline_process_kill(struct ringline_process *process, int signal);
int ringline_process_kill_group(struct ringline_process *process, int signal);

/*
 * Kills (SIGKILL) the process and what it has made: all there is in the cgroup it was born in, whoever put it there, also below
 * it; else in the process group it leads. A process that left the group is not reached then. Also after its own end. Does
 * not wait for the end of any.
 *
 * Returns 0 (also if nothing was left); -EOPNOTSUPP (it has no cgroup and leads no group), -EPERM, -EACCES, -ENOENT (the cgroup was
 * removed), -EBADF, -EINVAL, -EMFILE, -ENOMEM, -ETIME, -ECANCELED, -EDEADLK. _begin: 0, or these, and -EAGAIN.
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_process_kill_tree(struct ringline_process *process);
int ringline_process_kill_tree_begin(struct ringline_op **ret, struct ringline_process *process) RINGLINE_MUST_CHECK;

/* The number, good for logs; -EBADF, -EINVAL, -EPERM. Since: 0.1 */
int64_t ringline_process_pid(const struct ringline_process *process);

/* The pidfd, which stays the library's; -EBADF, -EINVAL, -EPERM. Since: 0.1 */
int ringline_process_pidfd(const struct ringline_process *process);

/*
 * Hands the process over: closes the handle and returns a pidfd, which is the caller's; the library does not wait for the
 * process any more. Never suspends.
 *
 * Returns the descriptor; -ESRCH (it has ended, and was waited for), -EMFILE, -EBADF, -EINVAL, -EPERM.
 * Since: 0.1
 */
int ringline_process_release(struct ringline_process *process) RINGLINE_MUST_CHECK;

/*
 * Closes the handle; who waits gets -EBADF. A process that runs goes on (unless KILL_ON_CLOSE), and the worker takes note of its
 * end, so that no zombie is left (unless it was adopted by its number). NULL is allowed. Never suspends.
 *
 * Returns 0; -EBADF, -EPERM.
 * Since: 0.1
 */
int ringline_process_close(struct ringline_process *process);

struct ringline_process_run_options {
	size_t size;
	const struct ringline_process_options *process;  /* its entries for 0, 1, 2 count if there is no input, output, error; NULL: none */
	uint64_t output_limit;            /* bytes; 0: 1 MiB */
	uint64_t error_limit;             /* bytes; 0: 1 MiB */
};

#define RINGLINE_PROCESS_RUN_OPTIONS_INIT { sizeof(struct ringline_process_run_options), NULL, 0, 0 }

/*
 * Runs a program to its end: sends it input (len bytes; NULL: none, and descriptor 0 is /dev/null), and collects what it writes to its
 * output and its error output (NULL: not collected, and inherited), as buffers; NULL of what is empty. A program that does
 * not read its input is no error. The end of the process is the end: what others still write that it left behind is lost.
 * A call that is cut short, or fails, has killed the process and waited for its end; what was collected is in the buffers.
 *
 * Returns 0 when the process has ended by itself, and how in *status (its size must be set; NULL: not wanted); -ENOBUFS (it wrote
 * more than a limit, or the worker's memory limit), the errors of ringline_process_spawn().
 * Since: 0.1
 */
RINGLINE_SUSPENDS int ringline_process_run(const char *const *argv, const void *input, size_t len,
                                           struct ringline_buf **output, struct ringline_buf **error,
                                           const struct ringline_process_run_options *options,
                                           struct ringline_process_status *status);
int ringline_process_run_begin(struct ringline_op **ret, const char *const *argv, const void *input, size_t len,
                               struct ringline_buf **output, struct ringline_buf **error,
                               const struct ringline_process_run_options *options,
                               struct ringline_process_status *status) RINGLINE_MUST_CHECK;

RINGLINE_END_DECLS

#endif
