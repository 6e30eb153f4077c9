/* SPDX-License-Identifier: MIT */
/*
 * From the options to the plan: all that is checked, looked up or converted before a thread is asked to make the process.
 *
 * What only the child looks at is not copied: whoever asked waits until it has executed its program, or was killed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sized.h"
#include "io/file.h"
#include "io/inherit.h"
#include "io/process.h"

#define KNOWN_SET ((RINGLINE_PROCESS_SET_SIGNAL_MASK << 1) - 1)
#define KNOWN_FLAGS (RINGLINE_PROCESS_NO_NEW_PRIVS | RINGLINE_PROCESS_NEW_SESSION | RINGLINE_PROCESS_CONTROLLING_TTY | \
                     RINGLINE_PROCESS_KILL_ON_CLOSE)
#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"
#define NO_ID UINT32_MAX
#define MAX_FDS 65536u
#define NUMBER_SIZE sizeof("=-9223372036854775808")   /* behind the name of a variable */

static bool is_set(const struct rln_process_plan *p, uint64_t bit)
{
	return p->o.set & bit;
}

/* A descriptor that is there if its bit is. */
static int fd_if(const struct rln_process_plan *p, uint64_t bit, int32_t fd)
{
	return is_set(p, bit) ? fd : -1;
}

/* Checking */

static int check_fds_given(const struct ringline_process_options *o)
{
	bool negative = (o->set & RINGLINE_PROCESS_SET_DIR_FD && o->dir_fd < 0) ||
	                (o->set & RINGLINE_PROCESS_SET_PROGRAM_FD && o->program_fd < 0) ||
	                (o->set & RINGLINE_PROCESS_SET_CGROUP && o->cgroup_fd < 0) ||
	                (o->set & RINGLINE_PROCESS_SET_LANDLOCK && o->landlock_fd < 0);

	return negative ? -EBADF : 0;
}

static int check_members(const struct ringline_process_options *o)
{
	if (o->set & ~KNOWN_SET || o->flags & ~KNOWN_FLAGS || o->reserved || o->reserved2)
		return -EINVAL;
	if ((o->set & RINGLINE_PROCESS_SET_UID && o->uid == NO_ID) || (o->set & RINGLINE_PROCESS_SET_GID && o->gid == NO_ID))
		return -EINVAL;   /* to the kernel these mean: as it is */
	if (o->set & RINGLINE_PROCESS_SET_DIR_FD && o->dir)
		return -EINVAL;
	if (o->set & RINGLINE_PROCESS_SET_OOM_SCORE && (o->oom_score_adj < -1000 || o->oom_score_adj > 1000))
		return -EINVAL;
	if (o->flags & RINGLINE_PROCESS_CONTROLLING_TTY && !(o->flags & RINGLINE_PROCESS_NEW_SESSION))
		return -EINVAL;
	if ((o->nfds && !o->fds) || o->nfds > MAX_FDS || (o->ngroups && !o->groups) || (o->njoin && !o->join) ||
	    (o->nlimits && !o->limits) || o->seccomp_len > (o->seccomp ? UINT16_MAX : 0) ||
	    (o->cpus_size && !o->cpus))
		return -EINVAL;
	return check_fds_given(o);
}

/* Elements as large as the library knows them at least; the rest is looked at where they are. */
static int check_element(size_t *size, size_t known)
{
	if (!*size)
		*size = known;
	return *size < known || *size % sizeof(uint64_t) ? -EINVAL : 0;
}

static int check_limits(const struct ringline_process_options *o)
{
	const char *at = (const char *)o->limits;
	size_t i;
	size_t k;

	for (i = 0; i < o->nlimits; i++, at += o->limit_size) {
		if (((const struct ringline_process_limit *)(const void *)at)->reserved)
			return -EINVAL;
		for (k = sizeof(struct ringline_process_limit); k < o->limit_size; k++)
			if (at[k])
				return -E2BIG;
	}
	return 0;
}

static int check_names(const char *const *names)
{
	for (; names && *names; names++)
		if (!**names || strchr(*names, '='))
			return -EINVAL;
	return 0;
}

static int check(struct ringline_process_options *o)
{
	int r = check_members(o);

	if (r == 0)
		r = check_element(&o->fd_size, sizeof(struct ringline_process_fd));
	if (r == 0)
		r = check_names(o->pid_names);
	if (r == 0)
		r = check_element(&o->limit_size, sizeof(struct ringline_process_limit));
	return r == 0 ? check_limits(o) : r;
}

/* What is executed */

/* The names a program may have, in the directories of PATH, where an empty one is the working directory. */
static size_t list_programs(char *to, const char *name, const char *path)
{
	size_t len = strlen(name);
	size_t size = 1;                  /* the empty name in the end */

	while (path) {
		size_t dir = strcspn(path, ":");

		if (to)
			to += sprintf(to, "%.*s%s%s", (int)dir, path, dir ? "/" : "./", name) + 1;
		size += dir + (dir ? 1 : 2) + len + 1;
		path = path[dir] ? path + dir + 1 : NULL;
	}
	if (to)
		*to = 0;
	return size;
}

static int find_programs(struct rln_process_plan *p)
{
	const char *name = p->o.program ? p->o.program : p->argv[0];
	const char *path = getenv("PATH");

	if (is_set(p, RINGLINE_PROCESS_SET_PROGRAM_FD))
		return p->o.program ? -EINVAL : 0;
	if (!name || !*name)
		return name ? -ENOENT : -EINVAL;
	if (!path)
		path = DEFAULT_PATH;
	if (strchr(name, '/')) {
		p->programs = rln_mem_zalloc(strlen(name) + 2);
		if (p->programs)
			memcpy(p->programs, name, strlen(name));
	} else {
		p->programs = rln_mem_alloc(list_programs(NULL, name, path));
		if (p->programs)
			list_programs(p->programs, name, path);
	}
	return p->programs ? 0 : -ENOMEM;
}

/* The rest */

static int hold_dir(struct rln_process_plan *p)
{
	int r = p->o.dir ? rln_file_check(p->o.dir, "ringline_process_spawn") : 0;

	p->dir = fd_if(p, RINGLINE_PROCESS_SET_DIR_FD, p->o.dir_fd);
	if (r < 0 || !p->o.dir)
		return r;
	p->held = p->o.dir;
	p->dir = p->held->fd;
	rln_file_enter(p->held);
	return 0;
}

static void convert(struct rln_process_plan *p)
{
	p->program = fd_if(p, RINGLINE_PROCESS_SET_PROGRAM_FD, p->o.program_fd);
	p->cgroup = fd_if(p, RINGLINE_PROCESS_SET_CGROUP, p->o.cgroup_fd);
	p->landlock = fd_if(p, RINGLINE_PROCESS_SET_LANDLOCK, p->o.landlock_fd);
	p->gated = p->o.uid_map || p->o.gid_map;
	p->creds = p->o.set & (RINGLINE_PROCESS_SET_UID | RINGLINE_PROCESS_SET_GID) || p->caps.wanted || p->o.namespaces ||
	           p->o.njoin;
	p->seccomp.len = (unsigned short)p->o.seccomp_len;
	p->seccomp.filter = p->o.seccomp;
	snprintf(p->oom_score, sizeof(p->oom_score), "%d", is_set(p, RINGLINE_PROCESS_SET_OOM_SCORE) ? p->o.oom_score_adj : 0);
}

/* The environment */

/* Does an entry set a variable? */
static bool sets(const char *entry, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(entry, name, n) && entry[n] == '=';
}

static bool sets_any(const char *entry, const char *const *names)
{
	while (names && *names && !sets(entry, *names))
		names++;
	return names && *names;
}

/*
 * What a service manager has told the caller is not inherited: nobody speaks to that in the caller's name unasked. What holds the
 * number of the process is made anew.
 */
static bool left_out(const struct rln_process_plan *p, const char *entry)
{
	return (!p->o.envp && rln_inherit_is_told(entry)) || sets_any(entry, p->o.pid_names);
}

/* How many there are, and the bytes they take with a number each. */
static size_t count_names(const char *const *names, size_t *bytes)
{
	size_t n;

	for (n = 0; names && names[n]; n++)
		*bytes += strlen(names[n]) + NUMBER_SIZE;
	return n;
}

/* With room for a number that only the child knows. */
static void name_pids(const struct rln_process_plan *p, char *text)
{
	const char *const *names = p->o.pid_names;
	char **to = p->pids;

	for (; names && *names; names++) {
		*to++ = text;
		text += sprintf(text, "%s=", *names) + NUMBER_SIZE - 1;
	}
}

/* That of the caller or of the options, or a copy of it, if something is left out or added. */
static int choose_environment(struct rln_process_plan *p)
{
	char *const *from = p->o.envp ? (char *const *)p->o.envp : environ;
	size_t bytes = 0;
	size_t room = count_names(p->o.pid_names, &bytes);
	bool copy = room;
	char **to;

	p->envp = from;
	for (; from && *from; from++) {
		copy |= left_out(p, *from);
		room += !left_out(p, *from);
	}
	if (!copy)
		return 0;
	p->environment = to = rln_mem_zalloc((room + 1) * sizeof(*to) + bytes);
	if (!to)
		return -ENOMEM;
	for (from = p->envp; from && *from; from++)
		if (!left_out(p, *from))
			*to++ = *from;
	p->pids = to;
	name_pids(p, (char *)(p->environment + room + 1));
	p->envp = p->environment;
	return 0;
}

/* What the thread looks at */

static size_t size_of(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static void move_text(const char **text, char **to)
{
	size_t size = size_of(*text);

	if (size)
		*text = memcpy(*to, *text, size);
	*to += size;
}

/* The entries, as far as the library knows them, and the texts become the plan's. */
static int own(struct rln_process_plan *p)
{
	size_t size = size_of(p->o.uid_map) + size_of(p->o.gid_map);
	char *to;
	uint32_t i;

	for (i = 0; i < p->nmoves; i++) {
		memcpy(&p->entries[i], (const char *)p->o.fds + i * p->o.fd_size, sizeof(*p->entries));
		size += size_of(p->entries[i].path);
	}
	p->o.fds = p->entries;
	p->o.fd_size = sizeof(*p->entries);
	if (!size)
		return 0;
	p->texts = to = rln_mem_alloc(size);
	if (!to)
		return -ENOMEM;
	move_text(&p->o.uid_map, &to);
	move_text(&p->o.gid_map, &to);
	for (i = 0; i < p->nmoves; i++)
		move_text(&p->entries[i].path, &to);
	return 0;
}

/* One block: the plan, and what there is for each descriptor. */
static struct rln_process_plan *alloc(const struct ringline_process_options *o)
{
	size_t n = o->nfds;
	size_t each = sizeof(struct ringline_conn *) + sizeof(struct ringline_process_fd) + sizeof(struct rln_process_move) +
	              sizeof(int);
	struct rln_process_plan *p = rln_mem_zalloc(sizeof(*p) + n * each);
	size_t i;

	if (!p)
		return NULL;
	p->o = *o;
	p->conns = (struct ringline_conn **)(void *)(p + 1);
	p->entries = (struct ringline_process_fd *)(void *)(p->conns + n);
	p->moves = (struct rln_process_move *)(void *)(p->entries + n);
	p->opened = (int *)(void *)(p->moves + n);
	p->nmoves = (uint32_t)n;
	for (i = 0; i < n; i++)
		p->opened[i] = -1;
	p->pidfd = -1;
	p->null = -1;
	p->slave = -1;
	p->tty = -1;
	p->dir = -1;
	p->disabled = rln_io_current()->config.disabled;
	return p;
}

static int prepare(struct rln_process_plan *p)
{
	int r;

	p->stage = RINGLINE_PROCESS_STAGE_PREPARE;
	r = find_programs(p);
	if (r == 0)
		r = rln_process_caps_read(&p->caps, p->o.capabilities, p->o.capabilities_iab);
	if (r == 0)
		r = hold_dir(p);
	convert(p);
	if (r == 0)
		r = choose_environment(p);
	if (r == 0)
		r = rln_process_fds_check(p);
	if (r == 0)
		r = own(p);
	return r == 0 ? rln_process_fds_prepare(p) : r;
}

static int fail(const struct ringline_process_options *options, uint32_t stage, int r)
{
	if (options && options->size >= offsetof(struct ringline_process_options, stage) + sizeof(options->stage) &&
	    options->stage)
		*options->stage = stage;
	return r;
}

int rln_process_plan_new(struct rln_process_plan **ret, const char *const *argv,
                         const struct ringline_process_options *options)
{
	struct ringline_process_options o;
	struct rln_process_plan *p;
	int r = rln_sized_in(&o, sizeof(o), options);

	if (r == 0)
		r = argv ? check(&o) : -EINVAL;
	if (r < 0)
		return fail(options, RINGLINE_PROCESS_STAGE_PREPARE, r);
	p = alloc(&o);
	if (!p)
		return fail(options, RINGLINE_PROCESS_STAGE_PREPARE, -ENOMEM);
	p->argv = (char *const *)argv;
	r = prepare(p);
	if (r < 0) {
		fail(options, p->stage, r);
		rln_process_plan_let_go(p);
		rln_process_plan_free(p);
		return r;
	}
	*ret = p;
	p->stage = RINGLINE_PROCESS_STAGE_NONE;
	return fail(options, RINGLINE_PROCESS_STAGE_NONE, 0);
}

void rln_process_plan_let_go(struct rln_process_plan *p)
{
	rln_process_conns_drop(p);
	if (p->held)
		rln_file_leave(p->held);
	p->held = NULL;
}

void rln_process_plan_free(struct rln_process_plan *p)
{
	rln_process_fds_close(p);
	rln_mem_free(p->environment);
	rln_mem_free(p->programs);
	rln_mem_free(p->texts);
	rln_mem_free(p);
}
