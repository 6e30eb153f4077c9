/* SPDX-License-Identifier: MIT */
/* The life of units; unit.h draws it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit-log.h"
#include "unit-run.h"
#include "unit.h"

struct unit *units;
unsigned long units_reloads_begun;
unsigned long units_reloads_ended;

static struct ringline_event *news;
static struct ringline_scope *all;               /* of all units' tasks; NULL: there is none, or it is being closed */

const char *unit_state_name(enum unit_state state)
{
	static const char *const names[] = { "stopped", "listening", "waiting", "starting", "running",
		                             "exited", "stopping", "restarting", "failed" };

	return names[state];
}

struct unit *unit_find(const char *name)
{
	struct unit *u = units;

	while (u && strcmp(u->conf->name, name))
		u = u->next;
	return u;
}

bool unit_settled(const struct unit *u)
{
	if (u->again || u->gone || u->new_conf)
		return false;
	if (u->run)
		return u->wanted && (u->state == UNIT_RUNNING || u->state == UNIT_EXITED || u->state == UNIT_FAILED);
	if (u->wanted)
		return u->state == UNIT_LISTENING;
	return u->state == UNIT_STOPPED || u->state == UNIT_EXITED || u->state == UNIT_FAILED;
}

/* News */

/* The supervisor's own manager is told what there is to see. */
static void tell_manager(void)
{
	const struct unit *u;
	unsigned int n = 0;
	unsigned int running = 0;
	unsigned int failed = 0;
	char text[96];

	for (u = units; u; u = u->next) {
		n++;
		running += u->state == UNIT_RUNNING;
		failed += u->state == UNIT_FAILED;
	}
	snprintf(text, sizeof(text), "%u units: %u running, %u failed", n, running, failed);
	ringline_service_status(text);
}

void unit_news(void)
{
	ringline_event_set(news);
	ringline_event_reset(news);
}

int unit_wait_for_news(void)
{
	return ringline_event_wait(news);
}

void unit_set_state(struct unit *u, enum unit_state state)
{
	if (u->state == state)
		return;
	u->state = state;
	tell_manager();
	unit_news();
}

/* Wishes */

static void poke(struct unit *u)
{
	ringline_event_set(u->poke);
	unit_news();
}

/* What a start by hand forgets: earlier failures. */
static void forget(struct unit *u)
{
	u->delay = 0;
	u->nstarts = 0;
}

void unit_start(struct unit *u)
{
	if (u->wanted && u->run && u->state != UNIT_EXITED && u->state != UNIT_FAILED && u->state != UNIT_STOPPING)
		return;
	u->again = u->run != NULL;
	u->wanted = true;
	u->demanded = u->conf->start != UNIT_START_ON_DEMAND;
	forget(u);
	poke(u);
}

void unit_stop(struct unit *u)
{
	u->wanted = false;
	u->again = false;
	if (!u->run)
		unit_set_state(u, UNIT_STOPPED);
	poke(u);
}

void unit_restart(struct unit *u)
{
	u->again = u->run != NULL;
	u->wanted = true;
	forget(u);
	poke(u);
}

/* Waiting */

/* Until it is poked. */
static int rest(struct unit *u)
{
	int r = ringline_event_wait(u->poke);

	ringline_event_reset(u->poke);
	return r;
}

static bool unsettled_before(const struct unit *u)
{
	const struct unit *other;
	size_t i;

	for (i = 0; i < u->conf->after.n; i++) {
		other = unit_find(u->conf->after.word[i]);
		if (other && !unit_settled(other))
			return true;
	}
	return false;
}

static int wait_for_others(struct unit *u)
{
	struct ringline_case cases[] = {
		{ .kind = RINGLINE_CASE_EVENT, .object = news },
		{ .kind = RINGLINE_CASE_EVENT, .object = u->poke },
	};
	ssize_t which;

	unit_set_state(u, UNIT_WAITING);
	which = ringline_select(cases, 2, sizeof(*cases), 0);
	ringline_event_reset(u->poke);
	return which < 0 ? (int)which : 0;
}

static int wait_for_demand(struct unit *u)
{
	int r;

	unit_set_state(u, UNIT_LISTENING);
	r = unit_sockets_wait(&u->sockets, u->poke);
	ringline_event_reset(u->poke);
	if (r > 0) {
		u->demanded = true;
		unit_log_say(u->conf->name, "somebody has connected");
	}
	return r < 0 ? r : 0;
}

/* Starts and restarts */

static void fail_for_good(struct unit *u)
{
	u->wanted = false;
	unit_set_state(u, UNIT_FAILED);
}

/* Were there as many starts in its time as its file allows? If not, this is one more. */
static bool starts_too_often(struct unit *u)
{
	unsigned long limit = u->conf->start_limit < UNIT_STARTS_MAX ? u->conf->start_limit : UNIT_STARTS_MAX;
	uint64_t now = ringline_now();

	if (limit && u->nstarts >= limit &&
	    now - u->starts[(u->nstarts - limit) % UNIT_STARTS_MAX] < u->conf->start_limit_time)
		return true;
	u->starts[u->nstarts++ % UNIT_STARTS_MAX] = now;
	return false;
}

/* The pause before it is started again: over, or it is poked. */
static int pause_before_restart(struct unit *u)
{
	const struct unit_conf *c = u->conf;
	struct ringline_case cases[] = {
		{ .kind = RINGLINE_CASE_EVENT, .object = u->poke },
		{ .kind = RINGLINE_CASE_DEADLINE },
	};
	ssize_t which;

	u->delay = !u->delay ? c->restart_delay : u->delay < c->restart_delay_max / 2 ? 2 * u->delay : c->restart_delay_max;
	unit_log_say(c->name, "restarts in %llu ms", (unsigned long long)(u->delay / RINGLINE_NSEC_PER_MSEC));
	cases[1].value = ringline_now() + u->delay;
	unit_set_state(u, UNIT_RESTARTING);
	which = ringline_select(cases, 2, sizeof(*cases), 0);
	ringline_event_reset(u->poke);
	return which < 0 ? (int)which : 0;
}

/* Its run is over: what now? */
static int decide(struct unit *u, bool failed, uint64_t lasted)
{
	const struct unit_conf *c = u->conf;

	if (u->again || !u->wanted || u->gone) {
		u->again = false;
		u->delay = 0;
		unit_set_state(u, u->wanted ? UNIT_WAITING : UNIT_STOPPED);
		return 0;
	}
	if (lasted >= c->restart_reset)
		u->delay = 0;
	if (c->restart == UNIT_RESTART_ALWAYS || (c->restart == UNIT_RESTART_ON_FAILURE && failed))
		return pause_before_restart(u);
	if (c->start == UNIT_START_ON_DEMAND) {
		u->demanded = false;
		return 0;
	}
	u->wanted = false;
	unit_set_state(u, failed ? UNIT_FAILED : UNIT_EXITED);
	unit_news();
	return 0;
}

static int run_once(struct unit *u)
{
	uint64_t begun = ringline_now();
	bool failed;
	int r;

	if (starts_too_often(u)) {
		snprintf(u->result, sizeof(u->result), "%s", "starts too often");
		unit_log_say(u->conf->name, "has started too often: not any more");
		fail_for_good(u);
		return 0;
	}
	r = unit_run(u, &failed);
	return r < 0 ? r : decide(u, failed, ringline_now() - begun);
}

/* What its file says */

/* Its sockets are there from the time on that its file was read. */
static void open_sockets(struct unit *u)
{
	const char *wrong = "";
	int r = unit_sockets_open(&u->sockets, u->conf, &wrong);
	size_t i;

	if (r < 0) {
		snprintf(u->result, sizeof(u->result), "cannot listen on %.100s: %s", wrong, strerror(-r));
		unit_log_say(u->conf->name, "%s", u->result);
		fail_for_good(u);
	}
	for (i = 0; i < u->sockets.n; i++)
		unit_log_say(u->conf->name, "listens on %s", u->sockets.s[i].bound);
}

static void take_new_conf(struct unit *u)
{
	if (!u->new_conf)
		return;
	unit_conf_free(u->conf);
	u->conf = u->new_conf;
	u->new_conf = NULL;
	u->demanded = false;
	forget(u);
	open_sockets(u);
}

/* One thing after the other. 0 or -errno: it is to end. */
static int turn(struct unit *u)
{
	take_new_conf(u);
	if (!u->wanted)
		return rest(u);
	if (u->conf->start == UNIT_START_ON_DEMAND && !u->demanded)
		return wait_for_demand(u);
	if (unsettled_before(u))
		return wait_for_others(u);
	return run_once(u);
}

static void leave_list(struct unit *u)
{
	struct unit **at = &units;

	while (*at != u)
		at = &(*at)->next;
	*at = u->next;
}

static void unit_free(struct unit *u)
{
	unit_sockets_close(&u->sockets);
	unit_tree_close(&u->tree);
	ringline_event_free(u->poke);
	unit_conf_free(u->conf);
	unit_conf_free(u->new_conf);
	free(u);
}

static int live(void *arg)
{
	struct unit *u = arg;
	int r = 0;

	while (r == 0 && !u->gone)
		r = turn(u);
	leave_list(u);
	unit_free(u);
	unit_news();
	return 0;
}

/* All units */

static void enter_list(struct unit *u)
{
	struct unit **at = &units;

	while (*at && strcmp((*at)->conf->name, u->conf->name) < 0)
		at = &(*at)->next;
	u->next = *at;
	*at = u;
}

/* The file becomes the unit's, or is freed. */
static int add(struct unit_conf *c)
{
	struct unit *u = calloc(1, sizeof(*u));
	int r = u ? ringline_event_new(&u->poke, NULL) : -ENOMEM;

	if (r < 0) {
		free(u);
		unit_conf_free(c);
		return r;
	}
	u->conf = c;
	u->wanted = c->start != UNIT_START_MANUAL;
	r = unit_tree_open(&u->tree, c->name);
	if (r < 0)
		unit_log_say(c->name, "has no cgroup: %s", strerror(-r));
	enter_list(u);
	open_sockets(u);
	r = ringline_scope_spawn(all, live, u);
	if (r < 0) {
		leave_list(u);
		unit_free(u);
	}
	return r;
}

/* A unit that is known, and whose file is not the same. */
static void change(struct unit *u, struct unit_conf *c)
{
	unit_log_say(c->name, "has changed");
	unit_conf_free(u->new_conf);
	u->new_conf = c;
	u->gone = false;
	if (u->wanted || c->start != UNIT_START_MANUAL)
		unit_restart(u);
	else
		poke(u);
}

static struct unit_conf *find_conf(struct unit_conf *list, const char *name)
{
	while (list && strcmp(list->name, name))
		list = list->next;
	return list;
}

static void remove_missing(struct unit_conf *list)
{
	struct unit *u;

	for (u = units; u; u = u->next) {
		if (find_conf(list, u->conf->name))
			continue;
		unit_log_say(u->conf->name, "is gone");
		u->gone = true;
		poke(u);
	}
}

static bool same(const struct unit *u, const struct unit_conf *c)
{
	return !u->gone && !strcmp((u->new_conf ? u->new_conf : u->conf)->text, c->text);
}

static void take_list(struct unit_conf *list)
{
	struct unit_conf *next;
	struct unit *u;

	remove_missing(list);
	for (; list; list = next) {
		next = list->next;
		list->next = NULL;
		u = unit_find(list->name);
		if (!u)
			add(list);
		else if (same(u, list))
			unit_conf_free(list);
		else
			change(u, list);
	}
}

/* Reading */

struct reading {
	const char *dir;
	struct unit_conf *list;
	char *errors;
	size_t length;
};

static int read_dir(void *arg)
{
	struct reading *r = arg;
	FILE *errors = open_memstream(&r->errors, &r->length);
	int n;

	if (!errors)
		return -ENOMEM;
	n = unit_dir_read(r->dir, &r->list, errors);
	fclose(errors);
	return n;
}

static void tell_errors(char *errors)
{
	while (errors && *errors) {
		const char *line = strsep(&errors, "\n");

		if (*line)
			unit_log_say(NULL, "%s", line);
	}
}

/* What is wrong is skipped: a unit whose file is no good any more is one whose file is gone. */
static int read_units(const char *dir)
{
	struct reading reading = { .dir = dir };
	int r;

	units_reloads_begun++;
	r = ringline_blocking(read_dir, &reading, NULL);
	tell_errors(reading.errors);
	free(reading.errors);
	if (r < 0)
		unit_log_say(NULL, "%s: %s", dir, strerror(-r));
	else
		take_list(reading.list);
	units_reloads_ended++;
	unit_news();
	return r < 0 ? r : 0;
}

int units_reload(void *dir)
{
	return all ? read_units(dir) : 0;
}

int units_run(void *dir)
{
	struct ringline_scope_options o = RINGLINE_SCOPE_OPTIONS_INIT;
	int r = ringline_event_new(&news, NULL);

	if (r < 0)
		return r;
	o.flags = RINGLINE_SCOPE_COLLECT;
	r = ringline_scope_open(&all, &o);
	if (r == 0)
		r = read_units(dir);
	if (r == 0) {
		struct ringline_scope *scope = all;

		r = ringline_sleep_until(RINGLINE_NEVER);
		unit_log_say(NULL, "ends");
		all = NULL;
		ringline_scope_close(scope);
	}
	ringline_event_free(news);
	return r;
}
