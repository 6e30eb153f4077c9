/* SPDX-License-Identifier: MIT */
/* A network of the test's own; nameserver.h tells what is in it. */
#include <arpa/inet.h>
#include <glib.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/nameserver.h"

#define MESSAGE 512
#define HEADER  12
#define TTL     60

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_PTR = 12, TYPE_AAAA = 28 };
enum { SERVFAIL = 2, NXDOMAIN = 3 };

static const struct record {
	const char *name;
	uint16_t type;
	const char *value;
} records[] = {
	{ "many.example.test", TYPE_A, "192.0.2.1" },        { "many.example.test", TYPE_A, "192.0.2.2" },
	{ "many.example.test", TYPE_A, "198.51.100.7" },     { "many.example.test", TYPE_AAAA, "2001:db8::1" },
	{ "many.example.test", TYPE_AAAA, "2001:db8::2" },   { "only4.example.test", TYPE_A, "192.0.2.4" },
	{ "only6.example.test", TYPE_AAAA, "2001:db8::6" },  { "alias.example.test", TYPE_CNAME, "many.example.test" },
	{ "1.2.0.192.in-addr.arpa", TYPE_PTR, "many.example.test" },
};

static const struct {
	const char *path;
	const char *text;
} files[] = {
	{ "/etc/resolv.conf", "nameserver 127.0.0.1\nsearch example.test\noptions timeout:30 attempts:5\n" },
	{ "/etc/hosts", "127.0.0.1 localhost\n192.0.2.9 in-hosts second-name\n192.0.2.10 both\n2001:db8::10 both\n" },
	{ "/etc/nsswitch.conf", "hosts: files dns\nservices: files\nprotocols: files\npasswd: files\ngroup: files\n" },
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static GPtrArray *asked;

/* --- the server --------------------------------------------------------------------------------------------------- */

struct reply {
	unsigned char data[MESSAGE];
	size_t len;
	unsigned int answers;
};

static void put16(struct reply *r, uint16_t value)
{
	r->data[r->len++] = (unsigned char)(value >> 8);
	r->data[r->len++] = (unsigned char)value;
}

/* A name as labels. */
static void put_name(struct reply *r, const char *name)
{
	while (*name) {
		size_t n = strcspn(name, ".");

		r->data[r->len++] = (unsigned char)n;
		memcpy(&r->data[r->len], name, n);
		r->len += n;
		name += n + (name[n] == '.');
	}
	r->data[r->len++] = 0;
}

static void put_value(struct reply *r, const struct record *record)
{
	size_t at = r->len;

	r->len += 2;
	if (record->type == TYPE_A)
		r->len += inet_pton(AF_INET, record->value, &r->data[r->len]) == 1 ? 4 : 0;
	else if (record->type == TYPE_AAAA)
		r->len += inet_pton(AF_INET6, record->value, &r->data[r->len]) == 1 ? 16 : 0;
	else
		put_name(r, record->value);
	r->data[at] = 0;
	r->data[at + 1] = (unsigned char)(r->len - at - 2);
}

static bool is_known(const char *name)
{
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(records); i++)
		if (!strcmp(records[i].name, name))
			return true;
	return false;
}

/* The records of a name, and of what it is an alias of. */
static void put_answers(struct reply *r, const char *name, uint16_t type)
{
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(records); i++) {
		const struct record *record = &records[i];

		if (strcmp(record->name, name) || (record->type != type && record->type != TYPE_CNAME))
			continue;
		put_name(r, name);
		put16(r, record->type);
		put16(r, 1);
		put16(r, 0);
		put16(r, TTL);
		put_value(r, record);
		r->answers++;
		if (record->type == TYPE_CNAME)
			put_answers(r, record->value, type);
	}
}

/* Reads the question; the length of the message up to its end. */
static size_t read_question(const unsigned char *m, size_t len, char *name, uint16_t *type)
{
	size_t at = HEADER;

	*name = '\0';
	while (at < len && m[at] && at + m[at] + 6 <= len) {
		g_strlcat(name, *name ? "." : "", MESSAGE);
		strncat(name, (const char *)&m[at + 1], m[at]);
		at += m[at] + 1u;
	}
	if (at + 5 > len)
		return 0;
	*type = (uint16_t)(m[at + 1] << 8 | m[at + 2]);
	return at + 5;
}

static void note(const char *name)
{
	pthread_mutex_lock(&lock);
	g_ptr_array_add(asked, g_strdup(name));
	pthread_mutex_unlock(&lock);
}

/* False: no reply. */
static bool make_reply(struct reply *r, const unsigned char *m, size_t len)
{
	char name[MESSAGE];
	uint16_t type;

	r->len = read_question(m, len, name, &type);
	if (!r->len)
		return false;
	note(name);
	if (g_str_has_prefix(name, "hole"))
		return false;
	memcpy(r->data, m, r->len);
	r->answers = 0;
	put_answers(r, name, type);
	r->data[2] = 0x81;                            /* a response; recursion desired */
	r->data[3] = 0x80;                            /* and available */
	if (!is_known(name))
		r->data[3] |= g_str_has_prefix(name, "fail") ? SERVFAIL : NXDOMAIN;
	memset(&r->data[6], 0, HEADER - 6);
	r->data[7] = (unsigned char)r->answers;
	return true;
}

static void *serve(void *arg)
{
	int fd = GPOINTER_TO_INT(arg);

	for (;;) {
		unsigned char m[MESSAGE];
		struct sockaddr_storage from;
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(fd, m, sizeof(m), 0, (struct sockaddr *)&from, &size);
		struct reply r;

		if (n > HEADER && make_reply(&r, m, (size_t)n))
			(void)!sendto(fd, r.data, r.len, 0, (struct sockaddr *)&from, size);
	}
	return NULL;
}

static bool start(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(53) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	pthread_t thread;

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	asked = g_ptr_array_new();
	return fd >= 0 && bind(fd, (struct sockaddr *)&in, sizeof(in)) == 0 &&
	       pthread_create(&thread, NULL, serve, GINT_TO_POINTER(fd)) == 0;
}

unsigned int nameserver_asked(const char *prefix)
{
	unsigned int n = 0;
	guint i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < asked->len; i++)
		n += g_str_has_prefix(g_ptr_array_index(asked, i), prefix);
	pthread_mutex_unlock(&lock);
	return n;
}

/* --- the network -------------------------------------------------------------------------------------------------- */

static bool put_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	return f && fputs(text, f) >= 0 && fclose(f) == 0;
}

/* Puts a file of ours in place of the system's, for this process. */
static bool replace_file(const char *path, const char *text)
{
	g_autofree char *mine = g_strdup_printf("%s/file.XXXXXX", g_get_tmp_dir());
	int fd = mkstemp(mine);
	bool done = fd >= 0 && put_text(mine, text) && mount(mine, path, "none", MS_BIND, NULL) == 0;

	if (fd >= 0) {
		unlink(mine);
		close(fd);
	}
	return done;
}

/* Root of a namespace of users if it is nobody's else. */
static bool enter_namespaces(void)
{
	g_autofree char *uids = g_strdup_printf("0 %u 1", geteuid());
	int all = CLONE_NEWNS | CLONE_NEWNET;

	if (unshare(all) != 0 && (unshare(CLONE_NEWUSER | all) != 0 || !put_text("/proc/self/uid_map", uids)))
		return false;
	return mount(NULL, "/", "none", MS_REC | MS_PRIVATE, NULL) == 0;
}

/* Without addresses of a family AI_ADDRCONFIG hides what is of it. */
static bool add_addresses(void)
{
	return system("ip link set lo up && ip address add 192.0.2.200/24 dev lo && "
	              "ip -6 address add 2001:db8::200/64 dev lo nodad") == 0;
}

bool nameserver_enter(void)
{
	bool done = enter_namespaces() && add_addresses();
	size_t i;

	for (i = 0; done && i < G_N_ELEMENTS(files); i++)
		done = replace_file(files[i].path, files[i].text);
	return done && start();
}
