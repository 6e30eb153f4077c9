/* SPDX-License-Identifier: MIT */
/* Unit files; unit-file.h tells what is in them. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "unit-file.h"

#define FILE_MAX 65536u
#define SUFFIX   ".unit"

/* Words */

/* Cuts the next word out of *at, in place; NULL and *at at the end: there is none; *at NULL: a quote is not closed. */
static char *next_word(char **at)
{
	char *from = *at + strspn(*at, " \t");
	char *word = from;
	char *to = from;
	char quote = 0;

	*at = from;
	if (!*from)
		return NULL;
	for (; *from && (quote || !strchr(" \t", *from)); from++) {
		if (*from == quote)
			quote = 0;
		else if (!quote && strchr("\"'", *from))
			quote = *from;
		else if (*from == '\\' && quote != '\'' && from[1])
			*to++ = *++from;
		else
			*to++ = *from;
	}
	*at = quote ? NULL : from + (*from != 0);
	*to = 0;
	return quote ? NULL : word;
}

static const char *add_words(struct unit_list *list, char *value)
{
	const char *word;

	while ((word = next_word(&value))) {
		if (list->n == UNIT_LIST_MAX)
			return "too many words";
		list->word[list->n++] = word;
	}
	return value ? NULL : "a quote is not closed";
}

/* Values */

static bool read_number(const char *text, unsigned long most, unsigned long *ret)
{
	char *end;

	errno = 0;
	*ret = strtoul(text, &end, 10);
	return isdigit((unsigned char)*text) && !errno && !*end && *ret <= most;
}

static const char *take_bool(bool *to, const char *value)
{
	*to = !strcmp(value, "yes");
	return *to || !strcmp(value, "no") ? NULL : "neither yes nor no";
}

static const char *take_time(uint64_t *to, const char *value)
{
	static const struct {
		const char *unit;
		uint64_t length;
	} units[] = { { "ms", RINGLINE_NSEC_PER_MSEC }, { "s", RINGLINE_NSEC_PER_SEC }, { "", RINGLINE_NSEC_PER_SEC },
		      { "min", 60 * RINGLINE_NSEC_PER_SEC } };
	char *end;
	unsigned long n;
	size_t i;

	errno = 0;
	n = strtoul(value, &end, 10);
	if (!isdigit((unsigned char)*value) || errno || n > 100000000)
		return "no time";
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit))
			continue;
		*to = n * units[i].length;
		return NULL;
	}
	return "no time: number with ms, s or min";
}

static const char *take_choice(const char *const *names, size_t n, unsigned int *to, const char *value)
{
	for (*to = 0; *to < n; ++*to)
		if (!strcmp(names[*to], value))
			return NULL;
	return "no such choice";
}

/* Keys */

static const char *take_exec(struct unit_conf *c, char *value)
{
	return add_words(&c->exec, value);
}

static const char *take_user(struct unit_conf *c, char *value)
{
	const struct passwd *p = getpwnam(value);
	unsigned long n;

	if (p) {
		c->uid = p->pw_uid;
		if (!c->has_group)
			c->gid = p->pw_gid;
	} else if (read_number(value, UINT32_MAX - 1, &n)) {
		c->uid = (uint32_t)n;
		p = getpwuid(c->uid);
		if (!c->has_group)
			c->gid = p ? p->pw_gid : c->uid;
	} else {
		return "no such user";
	}
	c->has_user = true;
	return NULL;
}

static const char *take_group(struct unit_conf *c, char *value)
{
	const struct group *g = getgrnam(value);
	unsigned long n = 0;

	if (!g && !read_number(value, UINT32_MAX - 1, &n))
		return "no such group";
	c->gid = g ? g->gr_gid : (uint32_t)n;
	c->has_group = true;
	return NULL;
}

static const char *take_capabilities(struct unit_conf *c, char *value)
{
	c->capabilities = value;
	return NULL;
}

static const char *take_no_new_privileges(struct unit_conf *c, char *value)
{
	return take_bool(&c->no_new_privileges, value);
}

static bool read_limit(const char *text, uint64_t *to)
{
	unsigned long n;

	*to = UINT64_MAX;
	if (!strcmp(text, "infinity"))
		return true;
	if (!read_number(text, ULONG_MAX, &n))
		return false;
	*to = n;
	return true;
}

static const struct {
	const char *name;
	uint32_t resource;
} limits[] = {
	{ "as", RLIMIT_AS }, { "core", RLIMIT_CORE }, { "cpu", RLIMIT_CPU }, { "data", RLIMIT_DATA }, { "fsize", RLIMIT_FSIZE },
	{ "locks", RLIMIT_LOCKS }, { "memlock", RLIMIT_MEMLOCK }, { "msgqueue", RLIMIT_MSGQUEUE }, { "nice", RLIMIT_NICE },
	{ "nofile", RLIMIT_NOFILE }, { "nproc", RLIMIT_NPROC }, { "rtprio", RLIMIT_RTPRIO },
	{ "sigpending", RLIMIT_SIGPENDING }, { "stack", RLIMIT_STACK },
};

static const char *take_limit(struct unit_conf *c, char *value)
{
	struct ringline_process_limit *l = &c->limits[c->nlimits];
	const char *name = next_word(&value);
	char *soft = value ? next_word(&value) : NULL;
	char *hard = soft ? strchr(soft, ':') : NULL;
	size_t i;

	if (!soft || !value || *value)
		return "not as NAME SOFT[:HARD]";
	if (c->nlimits == UNIT_LIMITS_MAX)
		return "too many";
	if (hard)
		*hard++ = 0;
	if (!read_limit(soft, &l->soft) || !read_limit(hard ? hard : soft, &l->hard))
		return "no number, nor infinity";
	if (l->soft > l->hard)
		return "the soft limit is above the hard one";
	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		if (strcmp(limits[i].name, name))
			continue;
		l->resource = limits[i].resource;
		c->nlimits++;
		return NULL;
	}
	return "no such limit";
}

static const char *take_directory(struct unit_conf *c, char *value)
{
	c->directory = value;
	return *value == '/' ? NULL : "not absolute";
}

static const char *take_environment(struct unit_conf *c, char *value)
{
	static const char *const ours[] = { "LISTEN_", "WATCHDOG_", "NOTIFY_SOCKET=" };
	size_t i = c->environment.n;
	const char *wrong = add_words(&c->environment, value);
	size_t k;

	for (; !wrong && i < c->environment.n; i++) {
		const char *word = c->environment.word[i];

		if (*word == '=' || !strchr(word, '='))
			return "not as NAME=VALUE";
		for (k = 0; k < sizeof(ours) / sizeof(ours[0]); k++)
			if (!strncmp(word, ours[k], strlen(ours[k])))
				return "a variable that is the supervisor's to set";
	}
	return wrong;
}

static const char *take_nice(struct unit_conf *c, char *value)
{
	bool below = *value == '-';
	unsigned long n;

	if (!read_number(value + below, 20, &n) || (!below && n > 19))
		return "not from -20 to 19";
	c->nice = below ? -(int32_t)n : (int32_t)n;
	c->has_nice = true;
	return NULL;
}

static const char *take_start(struct unit_conf *c, char *value)
{
	static const char *const names[] = { "now", "manual", "on-demand" };
	unsigned int i;
	const char *wrong = take_choice(names, 3, &i, value);

	c->start = (enum unit_start)i;
	return wrong;
}

static const char *take_after(struct unit_conf *c, char *value)
{
	return add_words(&c->after, value);
}

static const char *take_listen(struct unit_conf *c, char *value)
{
	struct unit_listen *l = &c->listen[c->nlisten];
	const char *first = next_word(&value);
	const char *second = value ? next_word(&value) : NULL;
	struct ringline_sockaddr parsed;

	if (!first || !value || *value)
		return "not as [NAME] ADDRESS";
	if (c->nlisten == UNIT_SOCKETS_MAX)
		return "too many";
	l->name = second ? first : NULL;
	l->address = second ? second : first;
	if (second && (strchr(first, ':') || strlen(first) > 255))
		return "no name for a socket";
	if (strncmp(l->address, "tcp:", 4) && strncmp(l->address, "unix:/", 6))
		return "neither tcp:ADDRESS:PORT nor unix:/PATH";
	if (!strncmp(l->address, "unix:", 5) && ringline_sockaddr_parse(&parsed, l->address) < 0)
		return "no address";
	c->nlisten++;
	return NULL;
}

static const char *take_notify(struct unit_conf *c, char *value)
{
	return take_bool(&c->notify, value);
}

static const char *take_start_timeout(struct unit_conf *c, char *value)
{
	return take_time(&c->start_timeout, value);
}

static const char *take_watchdog(struct unit_conf *c, char *value)
{
	return take_time(&c->watchdog, value);
}

static const char *take_restart(struct unit_conf *c, char *value)
{
	static const char *const names[] = { "no", "on-failure", "always" };
	unsigned int i;
	const char *wrong = take_choice(names, 3, &i, value);

	c->restart = (enum unit_restart)i;
	return wrong;
}

static const char *take_restart_delay(struct unit_conf *c, char *value)
{
	return take_time(&c->restart_delay, value);
}

static const char *take_restart_delay_max(struct unit_conf *c, char *value)
{
	return take_time(&c->restart_delay_max, value);
}

static const char *take_restart_reset(struct unit_conf *c, char *value)
{
	return take_time(&c->restart_reset, value);
}

static const char *take_start_limit(struct unit_conf *c, char *value)
{
	const char *number = next_word(&value);
	const char *time = value ? next_word(&value) : NULL;

	if (!number || !value || *value || !read_number(number, 1000000, &c->start_limit))
		return "not as NUMBER TIME";
	return time ? take_time(&c->start_limit_time, time) : NULL;
}

static const char *take_stop_signal(struct unit_conf *c, char *value)
{
	static const struct {
		const char *name;
		int signal;
	} signals[] = { { "TERM", SIGTERM }, { "INT", SIGINT }, { "QUIT", SIGQUIT }, { "HUP", SIGHUP },
		        { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 }, { "KILL", SIGKILL } };
	const char *name = strncmp(value, "SIG", 3) ? value : value + 3;
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (strcmp(signals[i].name, name))
			continue;
		c->stop_signal = signals[i].signal;
		return NULL;
	}
	return "none of TERM, INT, QUIT, HUP, USR1, USR2, KILL";
}

static const char *take_stop_timeout(struct unit_conf *c, char *value)
{
	return take_time(&c->stop_timeout, value);
}

static const struct key {
	const char *name;
	const char *(*take)(struct unit_conf *c, char *value);   /* what is wrong; NULL: nothing */
	bool repeatable;
} keys[] = {
	{ "after", take_after, true },
	{ "capabilities", take_capabilities, false },
	{ "directory", take_directory, false },
	{ "environment", take_environment, true },
	{ "exec", take_exec, false },
	{ "group", take_group, false },
	{ "limit", take_limit, true },
	{ "listen", take_listen, true },
	{ "nice", take_nice, false },
	{ "no_new_privileges", take_no_new_privileges, false },
	{ "notify", take_notify, false },
	{ "restart", take_restart, false },
	{ "restart_delay", take_restart_delay, false },
	{ "restart_delay_max", take_restart_delay_max, false },
	{ "restart_reset", take_restart_reset, false },
	{ "start", take_start, false },
	{ "start_limit", take_start_limit, false },
	{ "start_timeout", take_start_timeout, false },
	{ "stop_signal", take_stop_signal, false },
	{ "stop_timeout", take_stop_timeout, false },
	{ "user", take_user, false },
	{ "watchdog", take_watchdog, false },
};

#define NKEYS (sizeof(keys) / sizeof(keys[0]))

/* A file */

struct reader {
	const char *path;
	FILE *errors;
	int line;                         /* 0: the file as a whole */
	bool wrong;
	bool given[NKEYS];
};

static void complain(struct reader *r, const char *what, const char *why)
{
	if (r->line)
		fprintf(r->errors, "%s:%d: %s: %s\n", r->path, r->line, what, why);
	else
		fprintf(r->errors, "%s: %s: %s\n", r->path, what, why);
	r->wrong = true;
}

static char *trim(char *text)
{
	size_t n;

	text += strspn(text, " \t");
	for (n = strlen(text); n && strchr(" \t\r", text[n - 1]); n--)
		text[n - 1] = 0;
	return text;
}

static void take_line(struct reader *r, struct unit_conf *c, char *line)
{
	char *value = strchr(line, '=');
	const char *wrong;
	const char *name;
	size_t i = 0;

	if (!value) {
		complain(r, line, "not as key=value");
		return;
	}
	*value++ = 0;
	name = trim(line);
	value = trim(value);
	while (i < NKEYS && strcmp(keys[i].name, name))
		i++;
	if (i == NKEYS) {
		complain(r, name, "no such key");
		return;
	}
	wrong = r->given[i] && !keys[i].repeatable ? "given twice" : !*value ? "no value" : keys[i].take(c, value);
	r->given[i] = true;
	if (wrong)
		complain(r, name, wrong);
}

static void check_whole(struct reader *r, const struct unit_conf *c)
{
	r->line = 0;
	if (!c->exec.n)
		complain(r, "exec", "missing");
	if (c->start == UNIT_START_ON_DEMAND && !c->nlisten)
		complain(r, "start", "on-demand takes a listen");
	if (c->watchdog && !c->notify)
		complain(r, "watchdog", "takes notify=yes");
	if (c->restart_delay > c->restart_delay_max)
		complain(r, "restart_delay", "above restart_delay_max");
}

static void parse(struct reader *r, struct unit_conf *c)
{
	char *at = c->words;

	while (at) {
		char *line = strsep(&at, "\n");

		r->line++;
		line = trim(line);
		if (*line && *line != '#')
			take_line(r, c, line);
	}
	if (!r->wrong)
		check_whole(r, c);
}

static bool good_name(const char *name)
{
	return *name && *name != '.' && strlen(name) < UNIT_NAME_MAX &&
	       !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@-")];
}

/* What a file holds, with a zero behind; NULL: it was complained about. */
static char *read_text(struct reader *r)
{
	char *text = malloc(FILE_MAX + 1);
	FILE *f = text ? fopen(r->path, "re") : NULL;
	size_t n = f ? fread(text, 1, FILE_MAX + 1, f) : 0;
	const char *wrong = NULL;

	if (!f || ferror(f))
		wrong = strerror(errno);
	else if (n > FILE_MAX)
		wrong = "too long";
	else if (memchr(text, 0, n))
		wrong = "no text";
	if (f)
		fclose(f);
	if (wrong) {
		complain(r, "the file", wrong);
		free(text);
		return NULL;
	}
	text[n] = 0;
	return text;
}

static struct unit_conf *new_conf(const char *name)
{
	struct unit_conf *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->stop_signal = SIGTERM;
	c->start_limit = 5;
	c->start_limit_time = 10 * RINGLINE_NSEC_PER_SEC;
	c->start_timeout = 30 * RINGLINE_NSEC_PER_SEC;
	c->restart_delay = 100 * RINGLINE_NSEC_PER_MSEC;
	c->restart_delay_max = 30 * RINGLINE_NSEC_PER_SEC;
	c->restart_reset = 10 * RINGLINE_NSEC_PER_SEC;
	c->stop_timeout = 10 * RINGLINE_NSEC_PER_SEC;
	return c;
}

void unit_conf_free(struct unit_conf *c)
{
	if (!c)
		return;
	free(c->text);
	free(c->words);
	free(c);
}

static struct unit_conf *read_file(struct reader *r, const char *name)
{
	struct unit_conf *c = good_name(name) ? new_conf(name) : NULL;

	if (!c) {
		complain(r, "the name", "letters, digits and _.@- only");
		return NULL;
	}
	c->text = read_text(r);
	c->words = c->text ? strdup(c->text) : NULL;
	if (c->words)
		parse(r, c);
	if (c->words && !r->wrong)
		return c;
	unit_conf_free(c);
	return NULL;
}

/* A directory */

static struct unit_conf *find(struct unit_conf *list, const char *name)
{
	while (list && strcmp(list->name, name))
		list = list->next;
	return list;
}

static bool waits(struct unit_conf *list, const struct unit_conf *c)
{
	const struct unit_conf *other;
	size_t i;

	for (i = 0; i < c->after.n; i++) {
		other = find(list, c->after.word[i]);
		if (other && !other->ordered)
			return true;
	}
	return false;
}

/* Gives those an order that have one; what is left waits for itself, or for such. */
static void find_order(struct unit_conf *list)
{
	struct unit_conf *c;
	bool found = true;

	while (found) {
		found = false;
		for (c = list; c; c = c->next) {
			if (c->ordered || waits(list, c))
				continue;
			c->ordered = true;
			found = true;
		}
	}
}

static int drop_circles(const char *dir, struct unit_conf **list, FILE *errors)
{
	struct unit_conf **at = list;
	struct unit_conf *c;
	int n = 0;

	find_order(*list);
	while ((c = *at)) {
		if (c->ordered) {
			at = &c->next;
			continue;
		}
		fprintf(errors, "%s/%s" SUFFIX ": after: it would wait for itself, or for one that does\n", dir, c->name);
		*at = c->next;
		unit_conf_free(c);
		n++;
	}
	return n;
}

static int is_unit(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > strlen(SUFFIX) && !strcmp(e->d_name + n - strlen(SUFFIX), SUFFIX);
}

/* Was it wrong? */
static bool read_entry(const char *dir, const char *entry, struct unit_conf ***end, FILE *errors)
{
	char path[PATH_MAX];
	char name[NAME_MAX + 1];
	struct reader r = { .path = path, .errors = errors };

	snprintf(path, sizeof(path), "%s/%s", dir, entry);
	snprintf(name, sizeof(name), "%.*s", (int)(strlen(entry) - strlen(SUFFIX)), entry);
	**end = read_file(&r, name);
	if (**end)
		*end = &(**end)->next;
	return r.wrong;
}

int unit_dir_read(const char *dir, struct unit_conf **list, FILE *errors)
{
	struct unit_conf **end = list;
	struct dirent **entries;
	int wrong = 0;
	int n = scandir(dir, &entries, is_unit, alphasort);
	int i;

	*list = NULL;
	if (n < 0)
		return -errno;
	for (i = 0; i < n; i++) {
		wrong += read_entry(dir, entries[i]->d_name, &end, errors);
		free(entries[i]);
	}
	free(entries);
	return wrong + drop_circles(dir, list, errors);
}
