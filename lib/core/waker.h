/* SPDX-License-Identifier: MIT */
/*
 * Waking: a worker by any thread, and a task by its id. Who has the task in hand uses rln_task_wake() (task.h).
 *
 * From another thread there is one road: post a message. It runs on the worker, between two turns, and does there what
 * the poster wanted: wake a task, cut a scope, start a task.
 */
#ifndef RLN_CORE_WAKER_H
#define RLN_CORE_WAKER_H

#include "base/mpsc.h"
#include "core/executor.h"

enum rln_sleep_state {
	RLN_AWAKE,
	RLN_ASLEEP,               /* in the backend's wait, or about to be */
	RLN_NOTIFIED,             /* a wake is under way */
};

struct rln_msg {
	struct rln_mpsc_node node;
	/* Runs on the owner; *x* is NULL if the executor ends without having delivered: release what the message holds. */
	void (*deliver)(struct rln_msg *m, struct rln_exec *x);
};

/* rln_task_wake() (task.h) by id, for wakes that may come late: nothing happens if the task is gone. Owner thread. */
void rln_task_wake_id(struct rln_exec *x, uint64_t id);

/*
 * Any thread. The message's memory is the poster's until it is delivered. 0, or -EAGAIN when the inbox is at its limit
 * (never for *urgent* messages: those that carry a cancellation).
 */
int rln_exec_post(struct rln_exec *x, struct rln_msg *m, bool urgent) rln_must_check;

/*
 * The door through which other threads come to an executor. An entry that succeeds keeps the executor from closing until
 * the matching leave: what was posted in between is delivered or dropped by the executor itself, and never lands in freed
 * memory. Any thread, also in a signal handler.
 */
bool rln_exec_enter(struct rln_exec *x) rln_must_check;
void rln_exec_leave(struct rln_exec *x);

/* The owner's side: lets others in; lets nobody in any more, and waits until those who are have left. */
void rln_exec_open_door(struct rln_exec *x);
void rln_exec_shut_door(struct rln_exec *x);

/* The executor's side. */
bool rln_waker_may_sleep(struct rln_exec *x);
void rln_waker_awake(struct rln_exec *x);
void rln_waker_drain(struct rln_exec *x);
void rln_waker_drop_inbox(struct rln_exec *x);

#endif
