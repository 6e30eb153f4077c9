/* SPDX-License-Identifier: MIT */
/* What units say of themselves; unit-notify.h tells the idea. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit-log.h"
#include "unit-notify.h"
#include "unit-run.h"
#include "unit.h"

#define DATAGRAM_MAX 4096
#define MOVES_MAX    16            /* of the main process, in a run */
#define AT_ONCE      32            /* more than wait in a socket by default (net.unix.max_dgram_qlen) */

static const char *directory;

void unit_notify_in(const char *dir)
{
	directory = dir;
}

int unit_notify_open(struct unit_run *run)
{
	const struct unit_conf *c = run->unit->conf;
	struct ringline_dgram_options o = RINGLINE_DGRAM_OPTIONS_INIT;
	char address[sizeof(run->notify_path) + 5];
	int r;

	o.flags = RINGLINE_DGRAM_CREDENTIALS;
	if (snprintf(address, sizeof(address), "unix:%s/%s.notify", directory, c->name) >= (int)sizeof(address))
		return -ENAMETOOLONG;
	r = ringline_dgram_open(&run->notify, NULL, address, &o);
	if (r < 0)
		return r;
	snprintf(run->notify_path, sizeof(run->notify_path), "%s", address + 5);
	if (chmod(run->notify_path, 0600) < 0 ||
	    (c->has_user && chown(run->notify_path, c->uid, c->gid) < 0))
		return -errno;
	return 0;
}

/* Refusing */

/* The first one, the second, the fourth ...: a flood of them fills no log. */
static void refuse(struct unit_run *run, int64_t pid, const char *why)
{
	run->refused++;
	if (!(run->refused & (run->refused - 1)))
		unit_log_say(run->unit->conf->name, "refused what process %lld says: %s (%lu times)", (long long)pid, why,
		             run->refused);
}

/* Understanding */

/* A number becomes certain when there is a handle: it stays that process's while it lives, so whose it is is asked again then. */
static int adopt(struct unit_run *run, struct ringline_process **p, long pid)
{
	int r;

	if (!unit_tree_has(&run->unit->tree, pid))
		return -ESRCH;
	r = ringline_process_adopt(p, pid);
	if (r < 0)
		return r;
	if (unit_tree_has(&run->unit->tree, pid) && ringline_process_kill(*p, 0) == 0)
		return 0;
	ringline_process_close(*p);
	return -ESRCH;
}

static void take_main_pid(struct unit_run *run, int64_t from, const char *value)
{
	struct ringline_process *p;
	char *end;
	long pid = strtol(value, &end, 10);

	if (*end || pid < 1 || pid > INT_MAX)
		refuse(run, from, "MAINPID is no number of a process");
	else if (pid == unit_run_pid(run))
		return;
	else if (run->moves == MOVES_MAX)
		refuse(run, from, "MAINPID has changed too often");
	else if (adopt(run, &p, pid) < 0)
		refuse(run, from, "MAINPID is not a process of the unit");
	else
		unit_run_set_main(run, p);
}

static void take_status(struct unit_run *run, const char *value)
{
	char *to = run->unit->status;

	snprintf(to, UNIT_TEXT_MAX, "%s", value);
	for (; *to; to++)
		if ((unsigned char)*to < ' ' || *to == 0x7f)
			*to = '?';
	unit_news();
}

static void take_assignment(struct unit_run *run, int64_t from, const char *line)
{
	if (!strcmp(line, "READY=1"))
		unit_run_ready(run);
	else if (!strcmp(line, "WATCHDOG=1"))
		unit_run_alive(run);
	else if (!strncmp(line, "STATUS=", 7))
		take_status(run, line + 7);
	else if (!strncmp(line, "MAINPID=", 8))
		take_main_pid(run, from, line + 8);
}

static void take(struct unit_run *run, const struct ringline_dgram_msg *msg)
{
	char *at = msg->data;

	if (!(msg->flags & RINGLINE_MSG_CREDENTIALS) || !unit_run_has(run, msg->pid)) {
		refuse(run, msg->pid, "it is not of the unit");
		return;
	}
	if (msg->flags & RINGLINE_MSG_TRUNCATED) {
		refuse(run, msg->pid, "it is too long");
		return;
	}
	at[msg->length] = 0;
	while (at)
		take_assignment(run, msg->pid, strsep(&at, "\n"));
}

bool unit_notify_take(struct unit_run *run)
{
	char data[DATAGRAM_MAX + 1];
	struct ringline_dgram_msg msg;
	int i;

	for (i = 0; i < AT_ONCE; i++) {
		memset(&msg, 0, sizeof(msg));
		msg.data = data;
		msg.length = DATAGRAM_MAX;
		if (ringline_dgram_recv_nowait(run->notify, &msg) < 0)
			break;
		take(run, &msg);
	}
	return i > 0;
}
