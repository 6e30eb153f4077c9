/* SPDX-License-Identifier: MIT */
/* A run of a unit; unit-run.h draws it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit-notify.h"
#include "unit-reap.h"
#include "unit-run.h"
#include "unit.h"

#define OUTPUT_HELD (64u * 1024)                    /* received and not written to the log yet */
#define SPAWN_TIME  (30 * RINGLINE_NSEC_PER_SEC)    /* its files may lie on a server that does not answer */
#define REST_TIME   (5 * RINGLINE_NSEC_PER_SEC)     /* what was killed has to end in */
#define OUTPUT_TIME (2 * RINGLINE_NSEC_PER_SEC)     /* its output has to end in, once all is gone */

enum how { HOW_ENDED, HOW_ASKED, HOW_LATE };

/* Whom it is about */

static bool lives(struct ringline_process *p)
{
	return p && ringline_process_status(p, NULL) == -EAGAIN;
}

bool unit_run_waits_for(const struct unit_run *run, int64_t pid)
{
	return (lives(run->first) && ringline_process_pid(run->first) == pid) ||
	       (lives(run->main) && ringline_process_pid(run->main) == pid);
}

bool unit_run_has(const struct unit_run *run, int64_t pid)
{
	return pid == ringline_process_pid(run->main) || unit_tree_has(&run->unit->tree, pid);
}

int64_t unit_run_pid(const struct unit_run *run)
{
	return lives(run->main) ? ringline_process_pid(run->main) : -1;
}

/* What it says */

void unit_run_alive(struct unit_run *run)
{
	uint64_t watchdog = run->unit->conf->watchdog;

	if (run->ready)
		run->deadline = watchdog ? ringline_now() + watchdog : RINGLINE_NEVER;
}

void unit_run_ready(struct unit_run *run)
{
	if (run->ready)
		return;
	run->ready = true;
	unit_run_alive(run);
	unit_log_say(run->unit->conf->name, "ready, process %lld", (long long)ringline_process_pid(run->main));
	if (run->unit->state == UNIT_STARTING)
		unit_set_state(run->unit, UNIT_RUNNING);
}

/* The first one is no longer what counts; its end is taken note of all the same. */
static int await_first(void *arg)
{
	struct unit_run *run = arg;

	ringline_process_wait(run->first, NULL);
	unit_reap_look();
	return 0;
}

void unit_run_set_main(struct unit_run *run, struct ringline_process *process)
{
	run->moves++;
	if (run->main != run->first)
		ringline_process_close(run->main);
	else if (ringline_spawn(await_first, run) < 0)
		unit_reap_look();
	run->main = process;
	unit_log_say(run->unit->conf->name, "its main process is %lld now", (long long)ringline_process_pid(process));
	unit_news();
}

/* Output */

static void read_lines(struct unit_run *run)
{
	const void *data;
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = ringline_conn_peek(run->output, &data)) > 0) {
		r = unit_writer_take(&run->writer, data, (size_t)n);
		ringline_conn_consume(run->output, (size_t)n);
		if (r == 0)
			r = ringline_checkpoint();
	}
	unit_writer_end(&run->writer);
}

/* Goes on while the supervisor ends, until nobody can write any more or it is told to end. */
static int read_output(void *arg)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct unit_run *run = arg;

	o.flags = RINGLINE_SCOPE_SHIELDED;
	if (ringline_scope_open(&run->reader, &o) == 0) {
		read_lines(run);
		ringline_scope_close(run->reader);
		run->reader = NULL;
	}
	ringline_conn_abort(run->output);
	ringline_event_set(run->output_over);
	return 0;
}

/* Watching */

static bool asked_to_end(const struct unit *u)
{
	return !u->wanted || u->again || u->gone;
}

/* The main process has ended. It may have said before that another one takes its place. */
static bool replaced(struct unit_run *run)
{
	if (run->notify)
		unit_notify_take(run);
	return lives(run->main);
}

static ssize_t wait_once(struct unit_run *run, bool ending)
{
	struct ringline_case cases[] = {
		{ .kind = RINGLINE_CASE_PROCESS, .object = run->main },
		{ .kind = run->notify ? RINGLINE_CASE_DATAGRAM : RINGLINE_CASE_NONE, .object = run->notify },
		{ .kind = ending ? RINGLINE_CASE_NONE : RINGLINE_CASE_EVENT, .object = run->unit->poke },
		{ .kind = ending ? RINGLINE_CASE_NONE : RINGLINE_CASE_DEADLINE, .value = run->deadline },
	};

	return ringline_select(cases, 4, sizeof(*cases), 0);
}

/* Until something is to be done; while it is ended, until the main process has. enum how, or -errno. A unit that never stops
 * talking has us never wait: the others get their turn all the same. */
static int watch(struct unit_run *run, bool ending)
{
	for (;;) {
		ssize_t which = ringline_checkpoint();

		if (which == 0)
			which = wait_once(run, ending);
		if (which < 0)
			return (int)which;
		if (which == 0 && !replaced(run))
			return HOW_ENDED;
		if (which == 1)
			unit_notify_take(run);
		if (ending)
			continue;
		ringline_event_reset(run->unit->poke);
		if (asked_to_end(run->unit))
			return HOW_ASKED;
		if (ringline_now() >= run->deadline)
			return HOW_LATE;
	}
}

static int wait_for_output(struct unit_run *run)
{
	struct ringline_case cases[] = {
		{ .kind = RINGLINE_CASE_EVENT, .object = run->output_over },
		{ .kind = RINGLINE_CASE_EVENT, .object = run->unit->poke },
	};
	ssize_t which = ringline_select(cases, 2, sizeof(*cases), 0);

	return which < 0 ? (int)which : 0;
}

/* Its main process has ended; what that left behind goes on. */
static int linger(struct unit_run *run)
{
	struct unit *u = run->unit;
	int r = 0;

	while (r == 0 && !asked_to_end(u)) {
		if (!unit_tree_empty(&u->tree))
			r = unit_tree_wait(&u->tree, u->poke);
		else if (run->reader)
			r = wait_for_output(run);
		else
			break;
		ringline_event_reset(u->poke);
	}
	return r;
}

/* How it ended */

static void tell_end(struct unit_run *run, enum how how)
{
	struct ringline_process_status s = RINGLINE_PROCESS_STATUS_INIT;
	const char *when = run->ready ? "" : " before it was ready";
	char *text = run->unit->result;

	run->failed = true;
	if (how == HOW_LATE) {
		snprintf(text, UNIT_TEXT_MAX, run->ready ? "did not say in time that it is alive" : "was not ready in time");
	} else if (ringline_process_status(run->main, &s) < 0) {
		snprintf(text, UNIT_TEXT_MAX, "was stopped");
		run->failed = false;
	} else if (s.how == RINGLINE_PROCESS_EXITED) {
		snprintf(text, UNIT_TEXT_MAX, "exited with %d%s", s.code, when);
		run->failed = s.code || !run->ready;
	} else if (s.how == RINGLINE_PROCESS_KILLED) {
		snprintf(text, UNIT_TEXT_MAX, "was killed by signal %d%s%s", s.code, s.core ? " (core dumped)" : "", when);
	} else {
		snprintf(text, UNIT_TEXT_MAX, "ended, nobody knows how%s", when);
	}
	unit_log_say(run->unit->conf->name, "%s", text);
}

/* Ending */

/* Runs one step where the end of the supervisor does not reach it, but a deadline does. */
static int within(uint64_t time, int (*step)(struct unit_run *run), struct unit_run *run)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	struct ringline_scope *scope;
	int r;

	o.flags = RINGLINE_SCOPE_SHIELDED;
	o.deadline = ringline_now() + time;
	r = ringline_scope_open(&scope, &o);
	if (r < 0)
		return r;
	r = step(run);
	ringline_scope_close(scope);
	return r;
}

static int main_ends(struct unit_run *run)
{
	return watch(run, true);
}

static int kill_tree(struct unit_run *run)
{
	return ringline_process_kill_tree(run->first);
}

static int tree_ends(struct unit_run *run)
{
	ringline_event_reset(run->unit->poke);
	return unit_tree_wait(&run->unit->tree, run->unit->poke);
}

static int output_ends(struct unit_run *run)
{
	return ringline_event_wait(run->output_over);
}

static void ask_to_end(struct unit_run *run, enum how how)
{
	const struct unit_conf *c = run->unit->conf;
	int signal = how == HOW_LATE && run->ready ? SIGABRT : c->stop_signal;

	if (!lives(run->main))
		return;
	if (getpgid((pid_t)ringline_process_pid(run->main)) != run->unit->tree.leader)
		ringline_process_kill(run->main, signal);
	ringline_process_kill_group(run->first, signal);
	if (within(c->stop_timeout, main_ends, run) == -ETIME)
		unit_log_say(c->name, "does not end: killed");
}

static void kill_rest(struct unit_run *run)
{
	struct unit_tree *tree = &run->unit->tree;

	if (lives(run->main))
		ringline_process_kill(run->main, SIGKILL);
	if (!unit_tree_empty(tree) && within(REST_TIME, kill_tree, run) < 0)
		ringline_process_kill_group(run->first, SIGKILL);
	if (lives(run->main))
		within(REST_TIME, main_ends, run);
	unit_reap_look();
	while (!unit_tree_empty(tree) && within(REST_TIME, tree_ends, run) == 0)
		continue;
	if (!unit_tree_empty(tree))
		unit_log_say(run->unit->conf->name, "has processes that do not end");
}

static void end(struct unit_run *run, enum how how)
{
	unit_set_state(run->unit, UNIT_STOPPING);
	ask_to_end(run, how);
	kill_rest(run);
	if (run->reader && within(OUTPUT_TIME, output_ends, run) < 0 && run->reader)
		ringline_scope_cancel(run->reader);
}

/* The whole */

static bool restarts_after(const struct unit *u, bool failed)
{
	return u->conf->restart == UNIT_RESTART_ALWAYS || (u->conf->restart == UNIT_RESTART_ON_FAILURE && failed);
}

static int live(struct unit_run *run)
{
	struct unit *u = run->unit;
	int how = watch(run, false);
	int r = how < 0 ? how : 0;

	unit_reap_look();
	if (how == HOW_ENDED || how == HOW_LATE)
		tell_end(run, (enum how)how);
	if (how == HOW_ENDED && !restarts_after(u, run->failed)) {
		unit_set_state(u, run->failed ? UNIT_FAILED : UNIT_EXITED);
		r = linger(run);
	}
	end(run, how < 0 ? HOW_ASKED : (enum how)how);
	if (how < 0 || how == HOW_ASKED)
		tell_end(run, HOW_ASKED);
	return r;
}

static void begin(struct unit_run *run)
{
	struct unit *u = run->unit;

	run->since = ringline_now();
	run->deadline = u->conf->notify ? run->since + u->conf->start_timeout : RINGLINE_NEVER;
	run->main = run->first;
	run->writer.name = u->conf->name;
	run->writer.pid = ringline_process_pid(run->first);
	u->tree.born = run->first;
	u->tree.leader = run->writer.pid;
	u->run = run;
	unit_log_say(u->conf->name, "started, process %lld", (long long)run->writer.pid);
	ringline_conn_set_option(run->output, RINGLINE_CONN_INPUT_LIMIT, OUTPUT_HELD);
	if (!u->conf->notify) {
		run->ready = true;
		unit_set_state(u, UNIT_RUNNING);
	}
	if (ringline_spawn(read_output, run) < 0) {   /* no memory, or everything is to end anyway */
		ringline_conn_abort(run->output);
		ringline_event_set(run->output_over);
	}
}

static int spawn(struct unit_run *run)
{
	return unit_spawn(run, &run->stage);
}

/* No cut reaches it: a process that is there is ended as any other, with all it has made and its cgroup. */
static int make(struct unit_run *run)
{
	struct unit *u = run->unit;
	int r = u->conf->notify ? unit_notify_open(run) : 0;

	if (r == 0)
		r = ringline_event_new(&run->output_over, NULL);
	if (r == 0)
		r = within(SPAWN_TIME, spawn, run);
	if (r < 0 && r != -ECANCELED) {
		snprintf(u->result, UNIT_TEXT_MAX, "cannot be started: %s: %s", ringline_process_stage_name(run->stage), strerror(-r));
		unit_log_say(u->conf->name, "%s", u->result);
	}
	return r;
}

static void clear(struct unit_run *run)
{
	struct unit *u = run->unit;

	u->run = NULL;
	u->tree.born = NULL;
	u->tree.leader = 0;
	if (run->main != run->first)
		ringline_process_close(run->main);
	ringline_process_close(run->first);
	ringline_dgram_close(run->notify);
	ringline_event_free(run->output_over);
	free(run);
	unit_reap_look();
}

int unit_run(struct unit *u, bool *failed)
{
	struct unit_run *run = calloc(1, sizeof(*run));
	struct ringline_scope *scope;
	int r = run ? 0 : -ENOMEM;

	*failed = true;
	if (r == 0)
		r = ringline_scope_open(&scope, NULL);
	if (r < 0) {
		free(run);
		return r;
	}
	run->unit = u;
	*u->status = 0;
	unit_set_state(u, UNIT_STARTING);
	r = make(run);
	if (r == 0) {
		begin(run);
		r = live(run);
		*failed = run->failed;
	} else if (r != -ECANCELED) {
		r = 0;
	}
	ringline_scope_close(scope);
	clear(run);
	return r;
}
