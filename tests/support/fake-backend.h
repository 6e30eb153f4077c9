/* SPDX-License-Identifier: MIT */
/*
 * A backend that does what the test's script says, on a clock that only it moves; and a fixture around an executor on
 * it.
 *
 * Operations are taken and nothing is carried out: the script that was set when they were submitted tells what becomes
 * of them. wait() jumps to the earliest of its deadline and the next scripted completion; if neither will ever come,
 * and nobody wakes it, the test fails with "would sleep for ever". Every breach of the contract of core/backend.h fails
 * the test at once.
 *
 * The fixture runs one task function as the only root task and, at its end, demands that nothing was left: no task,
 * scope, handle, operation, timer, deferred work, message, stack or block of memory.
 */
#ifndef RLN_TESTS_FAKE_BACKEND_H
#define RLN_TESTS_FAKE_BACKEND_H

#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/log.h"
#include "core/backend.h"
#include "core/executor.h"
#include "core/handle.h"
#include "core/scope.h"
#include "core/task.h"
#include "core/timer.h"
#include "core/token.h"
#include "core/wait.h"
#include "core/waker.h"
#include "ringline/op.h"
#include "ringline/scope.h"
#include "ringline/task.h"

#define FAKE_NEVER UINT64_MAX
#define FAKE_START UINT64_C(1000000000)   /* the virtual time a fixture begins at */

/* What a cancel request does to an operation. */
enum fake_cancel {
	FAKE_CANCEL_WINS,         /* -ECANCELED, cancel_delay later */
	FAKE_CANCEL_LOSES,        /* the scripted result, cancel_delay later: it could not be prevented any more */
	FAKE_CANCEL_IGNORED,      /* the scripted result at the scripted time */
};

struct fake_script {
	uint64_t delay;           /* from submission to the first completion; FAKE_NEVER: not until it is cancelled */
	int64_t result;
	uint32_t more;            /* completions before the terminal one, *delay* apart */
	enum fake_cancel on_cancel;
	uint64_t cancel_delay;
};

struct fake_backend {
	struct rln_backend base;
	struct rln_clock clock;
	struct fake_script script[RLN_OP_MAX];
	GHashTable *inflight;     /* struct rln_op * -> struct fake_entry * */
	struct rln_list schedule; /* entries by time, then by order of submission */
	struct rln_list never;    /* entries that have none */
	bool waiting;             /* inside wait() */

	bool threaded;            /* other threads may wake it: wait() without a deadline blocks until wake() */
	bool may_hang;            /* a wait() that nobody would end sets `hung` and returns, and the test does not fail */
	bool hung;
	uint32_t early;           /* so many of the next sleeps end half-way, without a reason */
	int broken;               /* what wait() returns instead of working */
	void (*on_wait)(struct fake_backend *f, uint64_t deadline);
	void *user;

	uint64_t waits;           /* calls of wait() */
	uint64_t sleeps;          /* those that let time pass, or blocked */
	uint64_t last_deadline;

	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool woken;
	_Atomic uint64_t wakes;
};

struct fixture {
	struct fake_backend *f;
	struct rln_exec x;
	uint64_t mem;             /* live blocks before */
	bool shares_memory;       /* other threads allocate, too: the test counts the blocks itself */
	uint64_t turn_limit;      /* a schedule that takes more turns never ends */
	GString *trace;           /* for tests that check an order */
	_Atomic uint32_t log_lines;
	char last_log[RLN_LOG_LINE];
};

struct fake_backend *fake_new(void);
void fake_free(struct fake_backend *f);

/* How operations of this kind that are submitted from now on behave. The default: result 0 in the next wait(). */
void fake_script(struct fake_backend *f, enum rln_opcode opcode, const struct fake_script *script);

/* An op handle with a NOP that behaves as scripted, in the calling task. As ringline_..._begin(). */
int fake_begin(struct fixture *fx, struct ringline_op **ret, const struct fake_script *script) rln_must_check;

/* The same, where it must work. */
struct ringline_op *fake_op(struct fixture *fx, uint64_t delay, int64_t result);

void fixture_init(struct fixture *fx, const struct rln_exec_config *config);

/* Checks that nothing is left, and ends the executor. */
void fixture_fini(struct fixture *fx);

/* Checks everything that must be back at its beginning when no task is left. */
void fixture_audit(struct fixture *fx);

/* Runs fn(arg) as a root task, and turns until no task and no operation is left. Its result. */
int fixture_run(struct fixture *fx, int (*fn)(void *arg), void *arg);

/* One turn that does not sleep; must work. */
void fixture_turn(struct fixture *fx);

/* Test cases that run in a task; *fn* gets the fixture, whose configuration may be given. */
struct fixture_case {
	const char *path;
	int (*fn)(void *fixture);
	struct rln_exec_config config;
};

void fixture_add_cases(const struct fixture_case *cases, size_t n);

/* n, or what a run under a sanitizer or valgrind can take of it. */
uint32_t fake_scaled(uint32_t n);

/* The present virtual time. */
uint64_t fake_now(const struct fixture *fx);

#endif
